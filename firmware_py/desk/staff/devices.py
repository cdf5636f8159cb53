"""Devices, how they are and what to do, and what went wrong before."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from firmware_py.desk.staff import now
from firmware_py.desk.staff.turn import HOME, Memory, Turn, route

MOST_FAULTS = 50


def routes(memory: Memory) -> list[BaseRoute]:
    """Return the page."""
    return [route(memory, f"{HOME}/devices", _devices)]


async def _devices(turn: Turn) -> Response:
    return turn.page("devices", **await content(turn))


async def content(turn: Turn) -> dict[str, Any]:
    """Return what the page shows."""
    status, scene = await turn.read("status"), await turn.read("scene")
    devices = [
        {**each, "words": now.device_in_words(turn, each["name"]), "do": _do(turn, each, scene)} for each in status["devices"]
    ]
    faults = [
        {**each, "words": now.device_in_words(turn, each["device"]), "when": _when(turn, each)}
        for each in (await turn.read("faults.list"))[:MOST_FAULTS]
    ]
    return {"scene": scene, "devices": devices, "faults": faults, "clock_trusted": status["clock_trusted"]}


def _when(turn: Turn, fault: dict[str, Any]) -> str:
    """Return when a device was away, and for how long."""
    begun, over = fault["from_s"], fault["until_s"]
    if over is None:
        return turn.words.say("fault_now", span=turn.words.span(begun))
    return turn.words.say("fault_over", ago=turn.words.ago(over), lasted=turn.words.span(begun - over))


def _do(turn: Turn, device: dict[str, Any], scene: dict[str, Any]) -> str:
    """Return what to do, also for a printer that answers but can't print."""
    if device["health"] == now.UP:
        cause = scene["printer"]["cause"] if device["name"] == "printer" else None
        return "" if cause is None else f"{turn.words.term(f'cause.{cause}')}. {turn.words.say(f'do.{cause}')}"
    return now.do_for(turn, device)
