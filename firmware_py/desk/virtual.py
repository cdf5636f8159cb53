"""The virtual café's page: what can be seen in it, told as it happens, and what can be done to it."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Sequence
from io import BytesIO
from typing import Any

import apsw
import msgspec
import uvicorn
from msgspec import Struct
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from drivers.virtual.paper import DOTS_PER_MM, Piece
from firmware_py.clock import Clock
from firmware_py.database import open_for_reading
from firmware_py.desk import guard, screen, staff
from firmware_py.desk.access import Access, Role
from firmware_py.desk.app import application
from firmware_py.desk.audit import Audit
from firmware_py.desk.link import Watch
from firmware_py.desk.place import Place, place_of
from firmware_py.desk.render import LANGUAGE_COOKIE, Renderer, language_of
from firmware_py.ledger import LedgerError
from firmware_py.virtual_cafe import VirtualCafe
from kiosk.values import Language

LOOK_S = 0.04
"""How often somebody who watches looks at the room: the shortest flash takes 0.15 s."""
MOST_EVENTS = 60
"""So many of the ledger's events are shown, the newest."""
MOST_PIECES = 3
"""So many pieces of paper that came off before are shown to whoever comes."""


class Deed(Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody does: holds a member's card there, by number, or one of the café's `deeds`."""

    do: str
    card: int = 0


class Manager(Struct, frozen=True):
    """The made-up manager whose PIN everybody may read."""

    name: str
    pin: str


MANAGER = Manager("Maja", "271828")


def pages(cafe: VirtualCafe) -> Starlette:
    """Return all pages of the café as one application: this one, the visitors' screen, and the desk with its log-in."""
    renderer = Renderer()
    access = Access(cafe.folder / "people.json", cafe.first_boot, time.monotonic)
    access.set_pin(MANAGER.name, Role.MANAGER, MANAGER.pin)
    audit = Audit(cafe.folder / "deeds.jsonl", Clock(cafe.config.timezone, None))
    place = Place(cafe.config, Watch(cafe.config.control.socket), access, audit, renderer)
    return application(place, [*routes(cafe, MANAGER), *screen.routes(), *guard.routes(), *staff.routes()])


class _Server(uvicorn.Server):
    """uvicorn that says when it listens for signals and visitors."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], object]) -> None:
        super().__init__(config)
        self._started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self._started()


def serve(cafe: VirtualCafe, listener: socket.socket, started: Callable[[], object]) -> None:
    """Serve the pages until SIGTERM or SIGINT; call `started` when both are listened for."""
    # Whoever looks on when it ends is cut off, in the middle of a stream that has no end.
    logging.getLogger("uvicorn.error").addFilter(lambda record: "without completing response" not in record.getMessage())
    config = uvicorn.Config(pages(cafe), log_config=None, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
    _Server(config, started).run([listener])


def routes(cafe: VirtualCafe, manager: Manager) -> Sequence[BaseRoute]:
    """Return the page's addresses."""

    async def page(request: Request) -> Response:
        place = place_of(request)
        language = language_of(request, place.config.cafe.language)
        response = place.renderer.page(
            "virtual/page.html",
            language,
            cafe=place.config.cafe.name,
            members=cafe.members,
            zones=place.config.zones,
            manager=manager,
            languages=tuple(Language),
        )
        if request.query_params.get("language") == language.value:
            response.set_cookie(LANGUAGE_COOKIE, language.value, samesite="strict")
        return response

    async def news(_: Request) -> Response:
        return EventSourceResponse(_news(cafe), ping=15)

    async def do(request: Request) -> Response:
        # A form of another site can't send this type without asking first.
        if request.headers.get("content-type") != "application/json":
            raise HTTPException(415)
        try:
            deed = msgspec.json.decode(await request.body(), type=Deed)
            await asyncio.to_thread(_act, cafe, deed)
        except (msgspec.DecodeError, LookupError) as error:
            raise HTTPException(400) from error
        return Response(status_code=204)

    async def paper(request: Request) -> Response:
        number = request.path_params["number"]
        pieces = cafe.printer.pieces(number)
        if not pieces:
            raise HTTPException(404)
        return Response(await asyncio.to_thread(pieces[0].slip.png), media_type="image/png")

    return (
        Route("/", page),
        Route("/virtual/news", news),
        Route("/virtual/do", do, methods=["POST"]),
        Route("/virtual/paper/{number:int}.png", paper),
    )


def _act(cafe: VirtualCafe, deed: Deed) -> None:
    """Do it; raise LookupError for what can't be done."""
    if deed.do == "tap":
        cafe.tap_soon(deed.card)
    else:
        cafe.deeds[deed.do]()


async def _news(cafe: VirtualCafe) -> AsyncIterator[ServerSentEvent]:
    """Yield all that can be seen, then whatever changes, as JSON."""
    seen: dict[str, Any] = {}
    paper, ledger = _PaperWatch(cafe), _LedgerWatch(cafe)
    while True:
        now = _room(cafe)
        changed = {key: value for key, value in now.items() if key not in seen or seen[key] != value}
        seen = now
        if strips := paper.new():
            changed["paper"] = strips
        if events := await asyncio.to_thread(ledger.new):
            changed["events"] = events
        if changed:
            yield ServerSentEvent(data=msgspec.json.encode(changed).decode())
        await asyncio.sleep(LOOK_S)


def _room(cafe: VirtualCafe) -> dict[str, Any]:
    """Return what stands still or shines."""
    clock = cafe.local_time()
    return {
        "power": cafe.has_power,
        "boot": cafe.boots,
        "time": None if clock is None else clock.strftime("%H:%M"),
        "day": None if clock is None else clock.strftime("%Y-%m-%d"),
        "night": clock is not None and not 7 <= clock.hour < 17,
        "lights": cafe.lights.shining(),
        "signal": cafe.lights.shows,
        "tune": cafe.sounder.playing,
        "here": [number for number in range(1, len(cafe.members) + 1) if cafe.is_here(number)],
        "tables": cafe.tables(),
        "troubles": sorted(cafe.troubles),
    }


class _PaperWatch:
    """How much of the paper one page has seen."""

    def __init__(self, cafe: VirtualCafe) -> None:
        self._printer = cafe.printer
        self._number = max(0, len(cafe.printer.papers) + len(cafe.printer.scraps) - MOST_PIECES)
        self._rows = 0

    def new(self) -> list[dict[str, Any]]:
        """Return what came out since then, strip by strip."""
        strips = []
        for piece in self._printer.pieces(self._number, self._rows):
            top = self._rows if piece.number == self._number else 0
            if piece.slip.height > top or piece.off:
                strips.append(_strip(piece, top, self._printer.mechanics.head_mm_per_s))
            self._number, self._rows = (piece.number + 1, 0) if piece.off else (piece.number, piece.slip.height)
        return strips


def _strip(piece: Piece, top: int, mm_per_s: float) -> dict[str, Any]:
    """Return a piece's rows from `top` on: a picture as base64 where there are any, and how long they take to come."""
    slip, file = piece.slip, BytesIO()
    rows = slip.height - top
    if rows:
        slip.image.crop((0, top, slip.width, slip.height)).save(file, "PNG")
    return {
        "number": piece.number,
        "top": top,
        "rows": rows,
        "ms": round(rows / DOTS_PER_MM / mm_per_s * 1000),
        "dots": slip.width,
        "png": b64encode(file.getvalue()).decode(),
        "off": piece.off,
        "scrap": piece.scrap,
    }


class _LedgerWatch:
    """Which of the ledger's events one page has seen."""

    def __init__(self, cafe: VirtualCafe) -> None:
        self._cafe = cafe
        self._last = -1
        self._commits = -1

    def new(self) -> list[dict[str, Any]]:
        """Return the events that were stored since then, the oldest first; none while the ledger can't be read."""
        if (commits := self._cafe.happened) == self._commits:
            return []
        try:
            connection = open_for_reading(self._cafe.config.ledger.path)
            try:
                rows = connection.execute(
                    "SELECT seq, kind, boot_ms, fact FROM events WHERE seq > ? ORDER BY seq DESC LIMIT ?",
                    (self._last, MOST_EVENTS),
                ).fetchall()
            finally:
                connection.close()
        except (LedgerError, apsw.Error):
            return []
        self._commits = commits
        events = [_event(*row) for row in reversed(rows)]
        if events:
            self._last = events[-1]["seq"]
        return events


def _event(seq: Any, kind: Any, boot_ms: Any, fact: Any) -> dict[str, Any]:
    facts = {key: value for key, value in msgspec.json.decode(fact, type=dict[str, Any]).items() if value is not None}
    return {"seq": seq, "kind": kind, "s": round(boot_ms / 1000, 1), "fact": facts}
