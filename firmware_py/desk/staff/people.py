"""Who may use the desk, their PINs, and the audit trail: for managers."""

from __future__ import annotations

import asyncio
from datetime import datetime
from itertools import islice
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from firmware_py.desk.access import AccessError, Role, check_pin
from firmware_py.desk.audit import Deed
from firmware_py.desk.staff.turn import HOME, Memory, Turn, route

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
    managers = [name for name, role in people if role is Role.MANAGER]
    return turn.page(
        "people",
        scene=await turn.read("scene"),
        people=[(name, role, name == turn.session.name or managers == [name]) for name, role in people],
        deeds=[_told(turn, deed) for deed in deeds],
    )


async def _set_pin(turn: Turn) -> Response:
    form = await turn.request.form()
    name, pin = str(form.get("name", "")), str(form.get("pin", ""))
    role = Role.MANAGER if form.get("role") == Role.MANAGER else Role.STAFF
    if pin != form.get("again"):
        return turn.tell(PEOPLE, turn.words.say("pins_differ"), bad=True)
    if role is Role.STAFF and _last_manager(turn, name):
        return turn.tell(PEOPLE, turn.words.say("last_manager"), bad=True)
    try:
        check_pin(pin)
    except AccessError as error:
        await turn.note("desk.pin", name, str(error))
        return turn.tell(PEOPLE, turn.words.say("pin_too_easy"), bad=True)
    try:
        await asyncio.to_thread(turn.place.access.set_pin, name, role, pin)
    except AccessError as error:
        await turn.note("desk.pin", name, str(error))
        return turn.tell(PEOPLE, str(error), bad=True)
    await turn.note("desk.pin", name)
    return turn.tell(PEOPLE, turn.words.say("said.pin", name=" ".join(name.split())))


async def _remove(turn: Turn) -> Response:
    name = str((await turn.request.form()).get("name", ""))
    if name == turn.session.name or _last_manager(turn, name):
        return turn.tell(PEOPLE, turn.words.say("last_manager"), bad=True)
    try:
        await asyncio.to_thread(turn.place.access.remove, name)
    except AccessError as error:
        await turn.note("desk.remove", name, str(error))
        return turn.tell(PEOPLE, str(error), bad=True)
    await turn.note("desk.remove", name)
    return turn.tell(PEOPLE, turn.words.say("said.removed", name=name))


def _last_manager(turn: Turn, name: str) -> bool:
    """Tell whether this is the only manager: without one nobody could give anybody a PIN here."""
    managers = [each.casefold() for each, role in turn.place.access.people() if role is Role.MANAGER]
    return managers == [" ".join(name.split()).casefold()]


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
