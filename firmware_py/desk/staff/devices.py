"""Devices, how they are and what to do, and what went wrong before."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from firmware_py.desk.certificate import kept
from firmware_py.desk.guard import own_names
from firmware_py.desk.link import Gone
from firmware_py.desk.staff import now
from firmware_py.desk.staff.turn import HOME, Memory, Turn, route
from firmware_py.office import CommandError

MOST_FAULTS = 50


def routes(memory: Memory) -> list[BaseRoute]:
    """Return the page, and the slip that is printed from it."""
    return [route(memory, f"{HOME}/devices", _devices), route(memory, f"{HOME}/devices/slip", _print_slip, post=True)]


async def _devices(turn: Turn) -> Response:
    return turn.page("devices", **await content(turn))


async def content(turn: Turn) -> dict[str, Any]:
    """Return what the page shows."""
    status, scene = await turn.read("status"), await turn.read("scene")
    words, timezone = turn.words, turn.place.config.timezone
    devices = [
        {**each, "words": words.device(each["name"]), "wrong": _wrong(turn, each), "do": _do(turn, each, scene)}
        for each in status["devices"]
    ]
    faults = [
        {**each, "words": words.device(each["device"]), "wrong": _wrong(turn, each), "when": words.away(each, timezone)}
        for each in (await turn.read("faults.list"))[:MOST_FAULTS]
    ]
    return {"scene": scene, "devices": devices, "faults": faults, "clock_trusted": status["clock_trusted"]}


async def _print_slip(turn: Turn) -> Response:
    """Have the slip printed by which another phone finds the desk, and knows that it is the right one."""
    command, to = "desk.slip", f"{HOME}/devices"
    own = kept(turn.place.config.desk.folder)
    host, port = turn.request.scope["server"]
    if own is None:
        return turn.tell(to, turn.words.say("refused.no_certificate"), bad=True)
    try:
        ordered = await turn.ask(command, addresses=addresses(host, port), fingerprint=own.begins)
    except CommandError as error:
        await turn.note(command, refused=str(error))
        return turn.tell(to, turn.words.say("away") if isinstance(error, Gone) else turn.words.refusal(error), bad=True)
    await turn.note(command)
    return turn.tell(to, turn.words.say("said.slip_waits" if ordered["cause"] else "said.slip"))


def addresses(host: str, port: int) -> list[str]:
    """Return where other phones find the desk: at the machine's address to which this one came, and by the machine's name."""
    found = ip_address(host.partition("%")[0])
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    hosts = [f"[{found}]" if found.version == 6 else f"{found}", own_names()[1]]
    # At the first of these nobody else finds it: it is this machine's own, or needs more than can be typed.
    is_of_use = not found.is_loopback and not found.is_link_local
    return [f"https://{each}:{port}{HOME}" for each in hosts[not is_of_use :]]


def _wrong(turn: Turn, told: dict[str, Any]) -> str:
    """Return what is or was wrong with a device; empty while nothing is known to be."""
    return turn.words.fault(told["trouble"]) if told["trouble"] else ""


def _do(turn: Turn, device: dict[str, Any], scene: dict[str, Any]) -> str:
    """Return what to do, also for a printer that answers but can't print."""
    if device["health"] == now.UP:
        cause = scene["printer"]["cause"] if device["name"] == "printer" else None
        return "" if cause is None else f"{turn.words.term(f'cause.{cause}')}. {turn.words.say(f'do.{cause}')}"
    return now.do_for(turn, device)
