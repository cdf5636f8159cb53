"""The service as an ASGI application: what can be asked, and how each answer is made."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import Any, Literal, NamedTuple

import msgspec
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from drivers.matching import wire
from firmware_py.matching_service import facts, openapi, problems
from firmware_py.matching_service.check_in import CheckIns
from firmware_py.matching_service.database import Database, DatabaseUnavailable
from firmware_py.matching_service.errors import Refused
from firmware_py.matching_service.identity import Door
from firmware_py.matching_service.keeping import keep_house
from firmware_py.matching_service.memory import Memories
from firmware_py.matching_service.openapi import Operation, Parameter
from firmware_py.matching_service.presence import Watch
from firmware_py.matching_service.roster import LARGEST_PAGE, roster_page
from firmware_py.matching_service.tables import venue
from firmware_py.vocabulary import load_vocabulary

JSON = "application/json"
CALENDAR = "text/calendar"
CHECK_IN_BYTES = 1024 * 1024
BATCH_BYTES = 4 * 1024 * 1024
LARGEST_VERSION = 2**63 - 1
CHECK_IN_WAIT_S, CHECK_IN_LONGEST_S = 0.8, 10.0
PRESENCE_LONGEST_S = 30.0
KEY = re.compile(r"[!-~]{1,200}")
NO_EVENTS = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Fikatap//matching//EN\r\nEND:VCALENDAR\r\n"

_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,6}(?:\.\d{1,6})?)\"?\s*(?:$|[,;])", re.IGNORECASE)


class Health(msgspec.Struct, frozen=True):
    """The service answers, and its database does."""

    status: Literal["ok"]
    version: str


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Service:
    """One process of the service. It keeps nothing but caches, so that there may be any number on one PostgreSQL."""

    def __init__(self, database: Database, clock: Callable[[], int] = _now_ms) -> None:
        self._database = database
        self._clock = clock
        self._door = Door(database)
        self._memories = Memories()
        self._vocabulary = load_vocabulary()
        self._watch = Watch(database, self._memories, clock)
        self._check_ins = CheckIns(database, self._memories, self._vocabulary, clock, self._watch.changed)

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Run what goes on between requests."""
        await self._database.require_ready()
        await self._door.look()
        self._watch.start()
        house = asyncio.gather(keep_house(self._database, self._clock), self._door.keep_looking())
        try:
            yield
        finally:
            house.cancel()
            await asyncio.gather(house, return_exceptions=True)
            await self._check_ins.end()
            await self._watch.stop()
            await self._database.close()

    async def check_in(self, request: Request) -> Response:
        """Tell a visitor who came in whom to meet, and where."""
        identity = await self._door.identify(request)
        key = request.headers.get("idempotency-key", "")
        if KEY.fullmatch(key) is None:
            raise Refused(
                422, "a check-in has a header Idempotency-Key", value=key, allowed="1 to 200 visible ASCII characters"
            )
        body = await _body(request, (JSON,), CHECK_IN_BYTES)
        check_in = _decode(body, wire.CheckIn)
        wait_s = min(_wait(request, CHECK_IN_WAIT_S), CHECK_IN_LONGEST_S)
        answer = await self._check_ins.answer(identity, key, body, check_in.presence, wait_s)
        return Response(status_code=202) if answer is None else Response(answer, media_type=JSON)

    async def events(self, request: Request) -> Response:
        """Take what happened at a terminal; facts are never refused."""
        identity = await self._door.identify(request)
        body = await _body(request, (wire.BATCH,), BATCH_BYTES)
        try:
            events = facts.read_batch(body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise problems.unreadable(body, error) from None
        memory = self._memories.of(identity.chain, identity.venue)
        taken, newest = await facts.take(self._database, memory, identity, events, self._clock(), self._vocabulary)
        self._watch.changed(identity.venue, newest)
        return Response(msgspec.json.encode(taken), media_type=JSON)

    async def roster(self, request: Request) -> Response:
        """Return the chain's members, or what changed since a version."""
        identity = await self._door.identify(request)
        since = _number(request, "since", 0, 0, LARGEST_VERSION)
        limit = _number(request, "limit", 1_000, 1, LARGEST_PAGE)
        page = await roster_page(self._database, identity, since, limit, _known_tag(request))
        if page is None:
            return Response(status_code=304, headers={"ETag": request.headers["if-none-match"]})
        headers = {"ETag": f'"{page.version}"', "Vary": "Accept-Encoding", "Cache-Control": "no-cache"}
        body = msgspec.json.encode(page)
        if "gzip" in request.headers.get("accept-encoding", ""):
            # Off the loop: it takes longer than a check-in may.
            body = await asyncio.to_thread(gzip.compress, body, 5)
            headers["Content-Encoding"] = "gzip"
        return Response(body, headers=headers, media_type=JSON)

    async def presence(self, request: Request) -> Response:
        """Return who is here at all doors of the venue, or what changed since a version."""
        identity = await self._door.identify(request)
        since = _number(request, "since", 0, 0, LARGEST_VERSION)
        wait_s = min(_wait(request, 0.0), PRESENCE_LONGEST_S)
        page = await self._watch.page(identity, since, wait_s)
        if wait_s:
            await self._door.identify(request)  # again, as they may have been shut out meanwhile
        return Response(page, media_type=JSON)

    async def schedule(self, request: Request) -> Response:
        """Return the venue's events and advisor sessions (RFC 5545)."""
        identity = await self._door.identify(request)
        async with self._database.begin() as connection:
            found = await connection.scalar(select(venue.c.schedule).where(venue.c.id == identity.venue))
        body = bytes(found or b"") or NO_EVENTS
        tag = hashlib.sha256(body).hexdigest()[:32]
        headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache"}
        if _known_tag(request) == tag:
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type=CALENDAR)

    async def health(self, _: Request) -> Response:
        """Tell that the service and its database answer."""
        async with self._database.begin() as connection:
            await connection.execute(select(1))
        return Response(msgspec.json.encode(Health("ok", version("fikatap"))), media_type=JSON)

    async def description(self, _: Request) -> Response:
        """Return this description, as OpenAPI 3.1."""
        return Response(published(), media_type=JSON)


class _Asked(NamedTuple):
    """A path, what is asked there and how it is described."""

    path: str
    method: str
    handler: Callable[[Service, Request], Awaitable[Response]]
    operation: Operation


_SINCE = Parameter("since", "query", {"type": "integer", "minimum": 0, "maximum": LARGEST_VERSION, "default": 0})
_KNOWN = Parameter("If-None-Match", "header", {"type": "string", "pattern": '^"[!#-~]*"$'})
_TAG = {"ETag": {"type": "string"}}


def _prefer(default: float, longest: float) -> Parameter:
    about = f"how many seconds an answer may take, `wait=0.8` for instance; {default} when left out, {longest} at most"
    return Parameter("Prefer", "header", {"type": "string", "pattern": r"^wait=[0-9]{1,2}(\.[0-9]{1,3})?$"}, about=about)


ASKED = (
    _Asked(
        "/v1/venues/{venue}/check-ins",
        "POST",
        Service.check_in,
        Operation(
            parameters=(
                Parameter("Idempotency-Key", "header", {"type": "string", "pattern": "^[!-~]{1,200}$"}, required=True),
                _prefer(CHECK_IN_WAIT_S, CHECK_IN_LONGEST_S),
            ),
            body=(JSON, wire.CheckIn),
            answers={200: (JSON, wire.Proposal), 202: None},
            problems=(400, 409, 413, 415, 422),
        ),
    ),
    _Asked(
        "/v1/venues/{venue}/events",
        "POST",
        Service.events,
        Operation(
            body=(wire.BATCH, list[facts.CloudEvent]),
            answers={200: (JSON, wire.Taken)},
            problems=(400, 413, 415, 422),
        ),
    ),
    _Asked(
        "/v1/venues/{venue}/roster",
        "GET",
        Service.roster,
        Operation(
            parameters=(
                _SINCE,
                Parameter("limit", "query", {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": 1_000}),
                _KNOWN,
            ),
            answers={200: (JSON, wire.RosterPage), 304: None},
            headers=_TAG,
            problems=(422,),
        ),
    ),
    _Asked(
        "/v1/venues/{venue}/presence",
        "GET",
        Service.presence,
        Operation(
            parameters=(_SINCE, _prefer(0, PRESENCE_LONGEST_S)), answers={200: (JSON, wire.PresencePage)}, problems=(422,)
        ),
    ),
    _Asked(
        "/v1/venues/{venue}/schedule.ics",
        "GET",
        Service.schedule,
        Operation(parameters=(_KNOWN,), answers={200: (CALENDAR, str), 304: None}, headers=_TAG),
    ),
    _Asked("/v1/health", "GET", Service.health, Operation(answers={200: (JSON, Health)})),
    _Asked("/v1/openapi.json", "GET", Service.description, Operation(answers={200: (JSON, dict[str, Any])})),
)


def published() -> bytes:
    """Return the description of the service as it is published in docs/openapi.json."""
    return openapi.describe((each.path, each.method, each.handler.__doc__ or "", each.operation) for each in ASKED)


def application(service: Service) -> Starlette:
    """Return the ASGI application."""
    routes = [
        Route(each.path, _bound(each.handler, service), methods=[each.method], name=each.handler.__name__) for each in ASKED
    ]
    app = Starlette(
        routes=routes,
        lifespan=service.lifespan,
        exception_handlers={
            Refused: problems.refused,
            HTTPException: problems.not_http,
            DatabaseUnavailable: problems.unavailable,
            ClientDisconnect: problems.gone,
            Exception: problems.our_mistake,
        },
    )
    app.router.redirect_slashes = False
    return app


def _bound(
    handler: Callable[[Service, Request], Awaitable[Response]], service: Service
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return await handler(service, request)

    return answer


async def _body(request: Request, media_types: tuple[str, ...], most: int) -> bytes:
    """Return the body; raise `Refused` (413) as soon as it is too long, without reading the rest."""
    given = request.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() not in media_types:
        raise Refused(415, "the body is of another media type", value=given, allowed=" or ".join(media_types))
    if (coding := request.headers.get("content-encoding", "identity")) != "identity":
        raise Refused(415, "the body is packed", value=coding, allowed="no Content-Encoding")
    too_long = Refused(413, "the body is too long", allowed=f"{most} bytes at most", headers={"Connection": "close"})
    with suppress(ValueError):
        if int(request.headers.get("content-length", "0")) > most:
            raise too_long
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise too_long
    return bytes(body)


def _decode(body: bytes, what: type[wire.CheckIn]) -> wire.CheckIn:
    try:
        return msgspec.json.decode(body, type=what)
    except (msgspec.DecodeError, RecursionError) as error:
        raise problems.unreadable(body, error) from None


def _number(request: Request, name: str, default: int, least: int, most: int) -> int:
    given = request.query_params.get(name, str(default))
    if not re.fullmatch(r"[0-9]{1,19}", given) or not least <= int(given) <= most:
        raise Refused(422, f"the parameter '{name}' is out of bounds", value=given, allowed=f"{least} to {most}")
    return int(given)


def _wait(request: Request, default: float) -> float:
    """Return the seconds of `Prefer: wait=…`; a preference that can't be read is none (RFC 7240)."""
    found = _WAIT.search(request.headers.get("prefer", ""))
    return float(found[1]) if found else default


def _known_tag(request: Request) -> str:
    """Return the entity tag that the client has, without its quotation marks."""
    return request.headers.get("if-none-match", "").removeprefix("W/").strip('"')
