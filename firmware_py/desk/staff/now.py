"""The first page: how things stand, what needs doing and how, who is here, and how full the zones are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from firmware_py.desk.staff.turn import HOME, Memory, Turn, inside, route
from firmware_py.office import CommandError
from kiosk.effects import Notice, TellStaff
from kiosk.slips import in_words
from kiosk.values import Cause

UP = "up"
SETTLED_ALREADY = "settled"
OPENING_S = 10
"""A device that opens for no longer than this is not said to be missing."""
MOST_SETTLED = 200
"""So many notices are settled by one press, the first ones first: each is stored by itself."""


@dataclass
class Todo:
    """One thing that needs doing: what it is, what to do, how urgent; `job` is to be judged, `notices` can be settled."""

    title: str
    do: str = ""
    grave: bool = False
    job: str = ""
    notices: list[int] = field(default_factory=list)
    link: str = ""
    link_words: str = ""


def routes(memory: Memory) -> list[BaseRoute]:
    """Return the page, and where its notices are settled."""
    return [route(memory, HOME, _now), route(memory, f"{HOME}/notices", _settle, post=True)]


async def _now(turn: Turn) -> Response:
    return turn.page("now", **await content(turn))


async def content(turn: Turn) -> dict[str, Any]:
    """Return what the page shows."""
    scene = await turn.read("scene")
    return {
        "scene": scene,
        "todos": await todos(turn, scene),
        "visits": await turn.read("visits.list"),
        "zones": {zone["id"]: zone for zone in scene["zones"]},
    }


async def todos(turn: Turn, scene: dict[str, Any]) -> list[Todo]:
    """Return what needs doing, the gravest first."""
    words = turn.words
    status = await turn.read("status")
    jobs = {} if status.get("shut") else {job["job"]: job for job in await turn.read("jobs.list")}
    trouble = status.get("shut") or scene["trouble"]
    found = [Todo(words.say(f"todo.{trouble}"), words.say(f"do.{trouble}"), True)] if trouble else []
    printer, configured = scene["printer"], status["printer"]["configured"]
    if configured and printer["cause"] is not None:
        found.append(Todo(words.term(f"cause.{printer['cause']}"), words.say(f"do.{printer['cause']}"), True))
    elif configured and printer["paper_low"]:
        found.append(Todo(words.say("todo.paper_low"), words.say("do.paper_low")))
    found += [
        Todo(words.say("todo.judge", name=job["name"] or words.say("someone")), words.say("do.judge"), job=job["job"])
        for job in jobs.values()
        if "judge" in job["can"]
    ]
    for device in status["devices"]:
        said_already = device["name"] == "printer" or (device["name"].startswith("reader ") and scene["trouble"] == "no_reader")
        opens = device["health"] == "opening" and device["since_s"] < OPENING_S
        if device["health"] != UP and not said_already and not opens:
            found.append(Todo(words.say("todo.device", device=words.device(device["name"])), do_for(turn, device)))
    return found + (_notices(turn, await turn.read("notices.list"), jobs) if status["stores"] else [])


def _notices(turn: Turn, notices: list[dict[str, Any]], jobs: dict[str, Any]) -> list[Todo]:
    """Return the notices, those in the same words as one; a badge that can be judged is asked about already."""
    said: dict[str, Todo] = {}
    for each in notices:
        if "judge" in jobs.get(each["job"], {"can": ()})["can"]:
            continue
        title = notice_in_words(turn, each, jobs)
        todo = said.setdefault(title, Todo(title, notices=[]))
        todo.notices.append(each["id"])
        if each["notice"] in (Notice.UNKNOWN_CARD, Notice.BLOCKED_CARD):
            todo.do = turn.words.say(f"do.{each['notice']}")
            todo.link, todo.link_words = f"{HOME}/members", turn.words.say("find_member")
    for todo in said.values():
        if len(todo.notices) > 1:
            todo.title = turn.words.say("times", words=todo.title, times=len(todo.notices))
    return list(said.values())


def notice_in_words(turn: Turn, notice: dict[str, Any], jobs: dict[str, Any]) -> str:
    """Return a notice as a sentence in the reader's language, without the words that are for a command line."""
    cause = "" if notice["cause"] is None else cause_in_words(turn, notice["cause"])
    if turn.words.has(f"notice.{notice['notice']}"):
        job = jobs.get(notice["job"] or "", {})
        return turn.words.say(f"notice.{notice['notice']}", name=job.get("name") or turn.words.say("someone"), cause=cause)
    told = TellStaff(
        Notice(notice["notice"]),
        notice["job"],
        None if notice["cause"] is None else Cause(notice["cause"]),
        notice["detail"],
    )
    return in_words(told, turn.place.renderer.texts, turn.language)


def cause_in_words(turn: Turn, cause: str | None) -> str:
    """Return why something was not printed, within a sentence."""
    return turn.place.renderer.texts.say(turn.language, f"cause.{cause}") if cause else ""


def do_for(turn: Turn, device: dict[str, Any]) -> str:
    """Return what to do for a device that does not work."""
    kind = device["name"].split(" ")[0]
    return turn.words.say(f"device_do.{kind}") if turn.words.has(f"device_do.{kind}") else turn.words.say("device_do.other")


async def _settle(turn: Turn) -> Response:
    form = await turn.request.form()
    numbers = [int(number) for number in str(form.get("notices", "")).split() if number.isdecimal() and len(number) < 19]
    to = inside(str(form.get("back", HOME)))
    done: list[int] = []
    refused = None
    for number in numbers[:MOST_SETTLED]:
        try:
            await turn.ask("notices.resolve", notice=number)
        except CommandError as error:
            if turn.words.key(error) != SETTLED_ALREADY:
                refused = error
                break
        else:
            done.append(number)
    await turn.note("notices.resolve", _spans(done), str(refused or ""))
    if refused is not None:
        return turn.refuse(to, refused)
    left = len(numbers[MOST_SETTLED:])
    return turn.tell(to, turn.words.count("said.settled_some", left) if left else turn.words.say("said.settled"))


def _spans(numbers: list[int]) -> str:
    """Return numbers in few characters: "3-7 9"."""
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return " ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in spans)
