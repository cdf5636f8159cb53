"""Who may use the desk, their PINs, and the audit trail: for managers."""

from __future__ import annotations

import asyncio
from datetime import datetime
from itertools import islice
from typing import Any

from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from firmware_py.desk.access import AccessError, Known, Role
from firmware_py.desk.audit import Deed
from firmware_py.desk.staff.turn import HOME, Memory, Said, Turn, link, route

PEOPLE = f"{HOME}/people"
MOST_DEEDS = 100


def routes(memory: Memory) -> list[BaseRoute]:
    """Return the page, and where people are added and taken away."""
    return [
        route(memory, PEOPLE, _people, role=Role.MANAGER),
        route(memory, f"{PEOPLE}/pin", _set_pin, post=True, role=Role.MANAGER),
        route(memory, f"{PEOPLE}/remove", _remove, post=True, role=Role.MANAGER),
    ]


async def _people(turn: Turn) -> Response:
    deeds = await asyncio.to_thread(lambda: list(islice(turn.place.audit.deeds(), MOST_DEEDS)))
    people = turn.place.access.people()
    asked = _plain(turn.request.query_params.get("for", ""))
    managers = [name for name, role in people if role is Role.MANAGER]
    return turn.page(
        "people",
        scene=await turn.read("scene"),
        people=[(name, role, name == turn.session.name or managers == [name]) for name, role in people],
        known=next(((name, role) for name, role in people if asked and _plain(name) == asked), None),
        deeds=[_told(turn, deed) for deed in deeds],
    )


async def _set_pin(turn: Turn) -> Response:
    """Give somebody new a PIN, or with `replace` somebody who is known another one: never one in place of the other."""
    form = await turn.request.form()
    name, pin = str(form.get("name", "")), str(form.get("pin", ""))
    new = form.get("replace") != "yes"
    to = f"{PEOPLE}#add" if new else f"{link(PEOPLE, **{'for': name})}#add"
    role = Role.MANAGER if form.get("role") == Role.MANAGER else Role.STAFF
    if pin != form.get("again"):
        return turn.tell(to, turn.words.say("pins_differ"), bad=True)
    try:
        await asyncio.to_thread(turn.place.access.set_pin, name, role, pin, new=new, keeps_manager=True)
    except Known as error:
        await turn.note("desk.pin", name, error.key)
        known, is_now = error.person.name, turn.words.say(f"role.{error.person.role}")
        return turn.tell(f"{link(PEOPLE, **{'for': known})}#add", turn.words.say("known", name=known, role=is_now), bad=True)
    except (AccessError, OSError) as error:
        return await _not_done(turn, "desk.pin", name, error, to)
    turn.place.ended()
    await turn.note("desk.pin", f"{name} {role}")
    key = "said.pin" if new else "said.other_pin"
    return turn.tell(PEOPLE, turn.words.say(key, name=" ".join(name.split()), role=turn.words.say(f"role.{role}")))


async def _remove(turn: Turn) -> Response:
    name = str((await turn.request.form()).get("name", ""))
    if _plain(name) == _plain(turn.session.name):
        return turn.tell(PEOPLE, turn.words.say("not_yourself"), bad=True)
    try:
        await asyncio.to_thread(turn.place.access.remove, name, keeps_manager=True)
    except (AccessError, OSError) as error:
        return await _not_done(turn, "desk.remove", name, error, PEOPLE)
    turn.place.ended()
    await turn.note("desk.remove", name)
    return turn.tell(PEOPLE, turn.words.say("said.removed", name=name))


async def _not_done(turn: Turn, command: str, name: str, error: AccessError | OSError, to: str) -> Response:
    """Say why nobody was changed."""
    await turn.note(command, name, str(error))
    if isinstance(error, AccessError):
        said = Said(turn.words.trouble(error), bad=True)
    else:
        said = Said(turn.words.say("refused.no_storage"), bad=True, small=str(error))
    turn.memory.tell(turn.session, said)
    return RedirectResponse(to, 303)


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()


def _told(turn: Turn, deed: Deed) -> dict[str, Any]:
    at = None if deed.utc_ms is None else datetime.fromtimestamp(deed.utc_ms / 1000, turn.place.config.timezone)
    key = f"did.{deed.did.replace('.', '_').replace('-', '_')}"
    return {
        "at": turn.words.say("no_time") if at is None else f"{at:%Y-%m-%d %H:%M}",
        "who": deed.who,
        "did": turn.words.say(key) if turn.words.has(key) else deed.did,
        "about": deed.about,
        "refused": deed.refused,
        "address": deed.address,
    }
