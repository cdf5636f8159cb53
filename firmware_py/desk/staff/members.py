"""Members: found by name or id, what staff needs to know of one, their cards, and a person's rights."""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import quote

import msgspec
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from firmware_py.desk.access import Role
from firmware_py.desk.staff import enrolment
from firmware_py.desk.staff.turn import HOME, Memory, Turn, link, route
from firmware_py.office import CommandError
from firmware_py.vocabulary import load_vocabulary
from kiosk.values import TopicId
from kiosk.vocabulary import Vocabulary

MEMBERS, MEMBER = f"{HOME}/members", f"{HOME}/member"
LONGEST_SEARCH = 60
MOST_FOUND, MOST_LISTED = 20, 50
"""So many members are shown with a text to look for, which is what `members.search` returns at most, and without."""


def routes(memory: Memory) -> list[BaseRoute]:
    """Return the pages, and where cards are waited for, a member's data are handed out and erased."""
    return [
        route(memory, MEMBERS, _members),
        route(memory, MEMBER, _member),
        route(memory, f"{MEMBER}/card", _card),
        route(memory, f"{MEMBER}/enrol", _enrol, post=True),
        route(memory, f"{MEMBER}/enrol/cancel", _cancel, post=True),
        route(memory, f"{MEMBER}/export", _export, post=True, role=Role.MANAGER),
        route(memory, f"{MEMBER}/erase", _erase, post=True, role=Role.MANAGER),
    ]


async def _members(turn: Turn) -> Response:
    text = turn.request.query_params.get("text", "")[:LONGEST_SEARCH]
    found = await turn.ask("members.search", text=text) if text.strip() else await turn.ask("members.list")
    most = MOST_FOUND if text.strip() else MOST_LISTED
    more = len(found) >= most
    values = {"text": text, "members": found[:most], "more": more, "scene": await turn.read("scene")}
    if "hx-request" in turn.request.headers:
        return Response(turn.html("_members", **values), media_type="text/html")
    return turn.page("members", **values)


async def _member(turn: Turn) -> Response:
    member = turn.request.query_params.get("id", "")
    shown = await turn.ask("members.show", member=member)
    visits, jobs = await turn.read("visits.list"), await turn.read("jobs.list")
    scene = await turn.read("scene")
    return turn.page(
        "member",
        tab="members",
        scene=scene,
        zones={zone["id"]: zone for zone in scene["zones"]},
        id=member,
        name=_called(shown["member"]),
        about=_about(turn, shown["member"]),
        shown=shown,
        visit=next((visit for visit in visits if visit["member"] == member), None),
        jobs=[job for job in jobs if job["member"] == member and "reprint" in job["can"]],
        waiting=enrolment.waiting(turn, member),
    )


async def _card(turn: Turn) -> Response:
    """Tell a page that waits for a card to go on waiting, or to load anew with what came of it."""
    waiting = enrolment.waiting(turn, turn.request.query_params.get("id", ""))
    return Response(headers={"HX-Refresh": "true"}) if waiting is None else Response(status_code=204)


async def _enrol(turn: Turn) -> Response:
    form = await turn.request.form()
    member = str(form.get("member", ""))
    to = link(MEMBER, id=member)
    try:
        shown = await turn.ask("members.show", member=member)
    except CommandError as error:
        return turn.refuse(HOME, error)
    await enrolment.begin(turn, member, _called(shown["member"]), _cards(shown["cards"]), blocks=form.get("blocks") == "yes")
    return Response(status_code=303, headers={"location": f"{to}#card"})


async def _cancel(turn: Turn) -> Response:
    member = str((await turn.request.form()).get("member", ""))
    to = link(MEMBER, id=member)
    waiting = enrolment.waiting(turn, member)
    if waiting is None:  # the card came first: that is what is said
        return RedirectResponse(to, 303)
    await enrolment.cancel(turn)
    if not _cards(await turn.ask("cards.list", member=member)) <= waiting.before:
        return turn.tell(to, turn.words.say("said.card_came_first", name=waiting.name))
    return turn.tell(to, turn.words.say("said.no_card"))


async def _export(turn: Turn) -> Response:
    """Hand out all that is stored of a member, as a file."""
    member = str((await turn.request.form()).get("member", ""))
    try:
        stored = await turn.ask("members.export", member=member)
    except CommandError as error:
        await turn.note("members.export", member, str(error))
        return turn.refuse(link(MEMBER, id=member), error)
    await turn.note("members.export", member)
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(f'fikatap-{member}.json', safe='')}"}
    text = msgspec.json.format(msgspec.json.encode(stored), indent=2)
    return Response(text, media_type="application/json", headers=headers)


async def _erase(turn: Turn) -> Response:
    form = await turn.request.form()
    member, to = str(form.get("member", "")), link(MEMBER, id=str(form.get("member", "")))
    name = await turn.member(member)
    if str(form.get("typed", "")).strip() != member:
        return turn.tell(f"{to}#erase", turn.words.say("erase_typed_wrong", id=member), bad=True)
    try:
        await turn.ask("members.remove", member=member)
    except CommandError as error:
        await turn.note("members.remove", member, str(error))
        return turn.refuse(to, error)
    await turn.note("members.remove", member)
    return turn.tell(MEMBERS, turn.words.say("said.erased", name=name))


def _cards(listed: list[dict[str, Any]]) -> frozenset[str]:
    return frozenset(each["card"] for each in listed)


def _called(member: dict[str, Any]) -> str:
    return str(member["short_name"] or member["first_name"])


def _about(turn: Turn, member: dict[str, Any]) -> dict[str, Any]:
    """Return a profile as far as staff needs it: which topics are private is nobody's business."""
    vocabulary, language = _vocabulary(), turn.language

    def open_topics(field: str) -> list[str]:
        known = (vocabulary.topics.get(TopicId(topic)) for topic in member[field])
        return [topic.labels[language] for topic in known if topic is not None and not topic.sensitive]

    occupation = vocabulary.occupations.get(member["occupation"], {}).get(language, "")
    industry = vocabulary.industries.get(member["industry"], {}).get(language, "")
    return {
        "language": member["language"],
        "mood": member["mood"],
        "quiet": member["quiet"],
        "introduced": member["consents"]["introductions"],
        "work": ", ".join(filter(None, (occupation, industry))),
        "seeks": open_topics("seeks"),
        "offers": open_topics("offers"),
        "private": any(
            topic.sensitive
            for field in ("seeks", "offers")
            for each in member[field]
            if (topic := vocabulary.topics.get(TopicId(each))) is not None
        ),
    }


@cache
def _vocabulary() -> Vocabulary:
    return load_vocabulary()
