"""Who was introduced to whom today, why the engine chose so, and the host's own word: together, apart, or somebody else."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from firmware_py.desk.staff.turn import HOME, Memory, Turn, route

INTRODUCTIONS = f"{HOME}/introductions"


def routes(memory: Memory) -> list[BaseRoute]:
    """Return the page of all introductions, and that of one visitor."""
    return [route(memory, INTRODUCTIONS, _introductions), route(memory, f"{INTRODUCTIONS}/for", _for_one)]


async def _introductions(turn: Turn) -> Response:
    return turn.page("introductions", **await content(turn))


async def content(turn: Turn) -> dict[str, Any]:
    """Return what the page shows."""
    scene = await turn.read("scene")
    visits = await turn.read("visits.list")
    return {
        "scene": scene,
        "zones": {zone["id"]: zone for zone in scene["zones"]},
        "introductions": [
            {**each, "when": "" if each["age_s"] is None else turn.words.ago(each["age_s"])}
            for each in await turn.read("introductions.list")
        ],
        "visits": visits,
        "group": sum(visit["mood"] == "group" and visit["waits"] for visit in visits),
    }


async def _for_one(turn: Turn) -> Response:
    member = turn.request.query_params.get("id", "")
    visits = await turn.read("visits.list")
    return turn.page(
        "introduction",
        tab="introductions",
        scene=await turn.read("scene"),
        id=member,
        visit=next((visit for visit in visits if visit["member"] == member), None),
        name=await turn.member(member),
        others=await turn.ask("match.explain", member=member),
    )
