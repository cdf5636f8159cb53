"""The queue: each badge and slip, how it stands and why, and what can be done about it."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from firmware_py.desk.staff.now import cause_in_words
from firmware_py.desk.staff.turn import HOME, Memory, Turn, route


def routes(memory: Memory) -> list[BaseRoute]:
    """Return the page."""
    return [route(memory, f"{HOME}/badges", _badges)]


async def _badges(turn: Turn) -> Response:
    return turn.page("badges", **await content(turn))


async def content(turn: Turn) -> dict[str, Any]:
    """Return what the page shows: those that wait for somebody's word first, then the latest."""
    jobs = sorted(await turn.read("jobs.list"), key=lambda job: ("judge" not in job["can"], job["age_s"]))
    shown = [
        {**job, "why": cause_in_words(turn, job["cause"]), "title": _title(turn, job), "kind": KINDS.get(job["state"], "")}
        for job in jobs
    ]
    return {"scene": await turn.read("scene"), "jobs": shown}


KINDS = {"queued": "", "sending": "", "sent": "", "confirmed": "good", "failed": "bad", "unknown": "warn", "expired": "warn"}
"""How a state looks."""


def _title(turn: Turn, job: dict[str, Any]) -> str:
    what = turn.words.say(f"what.{job['what']}")
    titled = turn.words.say("of", what=what, name=job["name"]) if job["name"] else what
    return turn.words.say("copy_of", what=titled) if job["copy"] else titled
