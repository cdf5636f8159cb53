"""What changes on the desk's pages by itself: the status line on each, and the parts of pages that show what is going on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from firmware_py.desk.link import CHANGED, Gone, Happening
from firmware_py.desk.live import live
from firmware_py.desk.staff import badges, devices, introductions, now
from firmware_py.desk.staff.turn import HOME, Memory, Turn, inside, route
from firmware_py.office import CommandError

PARTS: Mapping[str, Callable[[Turn], Awaitable[dict[str, Any]]]] = {
    "now": now.content,
    "badges": badges.content,
    "devices": devices.content,
    "introductions": introductions.content,
}
"""Pages with a live part: what is in it; its template is `_<page>.html`."""
PAUSE_S = 0.3
"""A page is changed no oftener than this: it is made anew for each phone, and nobody reads faster."""


def routes(memory: Memory) -> list[BaseRoute]:
    """Return the address that pages listen to, and what a page asks that could not be shown, once there is a terminal again."""
    return [route(memory, f"{HOME}/live", _live), route(memory, f"{HOME}/back", _load_anew)]


async def _load_anew(_: Turn) -> Response:
    return Response(headers={"HX-Refresh": "true"})


async def _live(turn: Turn) -> Response:
    page = turn.request.query_params.get("page", "")
    turn.back = inside(turn.request.query_params.get("back", HOME))
    sent: dict[str, str] = {}
    clock = asyncio.get_running_loop().time
    next_s = clock()

    async def frames(happening: Happening) -> dict[str, str]:
        nonlocal next_s
        if happening["kind"] not in ("Terminal", CHANGED):
            return {}
        await asyncio.sleep(next_s - clock())
        next_s = clock() + PAUSE_S
        found = await _parts(turn, page)
        changed = {name: html for name, html in found.items() if sent.get(name) != html}
        sent.update(found)
        return changed

    return live(turn.place.watch, frames)


async def _parts(turn: Turn, page: str) -> dict[str, str]:
    """Return what is on the page now; `back` when there is a terminal again for a page that could not be shown without."""
    found: dict[str, str] = {}
    try:
        found["line"] = turn.html("_line", scene=await turn.read("scene"))
        if page in PARTS:
            found[page] = turn.html(f"_{page}", **await PARTS[page](turn))
        elif page == "away":
            found["back"] = ""
    except Gone:
        return {"line": turn.html("_line", scene=None)}
    except CommandError:
        pass  # such as without storage: the line says so, and the rest of the page stays
    return found
