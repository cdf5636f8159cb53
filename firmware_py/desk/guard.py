"""Who gets in at the desk, and the walls around every page: sessions, form tokens, headers, hosts, errors in words."""

from __future__ import annotations

import asyncio
import hmac
import logging
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, cast
from urllib.parse import quote, urlsplit

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from firmware_py.desk.access import AccessError, Locked, Role, Session
from firmware_py.desk.link import Gone
from firmware_py.desk.place import Place, place_of
from firmware_py.desk.render import language_of
from firmware_py.office import CommandError

log = logging.getLogger("fikatap")

Handler = Callable[[Request], Awaitable[Response]]

LOG_IN, LOG_OUT, HOME = "/desk/log-in", "/desk/log-out", "/desk"
MOST_BODY = 64 << 10
"""Bytes that may be sent to a page; a route that takes files says more (`Route(…, max_body_size=…)`)."""
MOST_FIELDS, MOST_FILES = 100, 1
MOST_TRYING = 8
"""So many PINs wait to be looked at, one after the other; whoever comes then is asked to try again."""
LONGEST_NOTE = 200
"""Characters of each part of a note that come from outside: nobody fills the audit trail with one long request."""
LOOK_S = 20.0
"""How often a stream looks whether its session still runs."""

HEADERS: Mapping[str, str] = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'self'; frame-src 'self'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
"""On every answer. No HSTS: browsers ignore it from a host whose certificate they do not know (RFC 6797, 8.1)."""
FOR_EVER = "public, max-age=31536000, immutable"


def signed_in(handler: Handler, role: Role = Role.STAFF) -> Handler:
    """Let only people with that role in; others are sent to log in.

    Whose session it is, is in `request.state.person` (`Session`) and `request.state.role`. What is not read only must carry
    the session's token in the field `csrf` or the header `X-CSRF`. A stream ends with its session.
    """

    @wraps(handler)
    async def guarded(request: Request) -> Response:
        place = place_of(request)
        token = request.cookies.get(cookie_name(request), "")
        found = await asyncio.to_thread(place.access.session, token) if token else None
        if found is None:
            return _to_log_in(request)
        request.state.person, request.state.role = session, own = found[0], found[1].role
        if request.method not in ("GET", "HEAD") and not await _carries(request, session.csrf):
            await did(request, "csrf", request.url.path, "csrf")
            raise HTTPException(403, "form")
        if role is Role.MANAGER and own is not Role.MANAGER:
            await did(request, "role", request.url.path, "role")
            raise HTTPException(403, "role")
        response = await handler(request)
        if isinstance(response, EventSourceResponse):
            items = cast("AsyncGenerator[Any]", response.body_iterator)  # as `live` makes them
            response.body_iterator = _while_it_runs(items, place, token)
        return response

    return guarded


def hidden(request: Request) -> str:
    """Return what each form of whoever is logged in must carry in its field `csrf`."""
    return person_of(request).csrf


def person_of(request: Request) -> Session:
    """Return who is logged in, in a handler behind `signed_in`."""
    person: Session = request.state.person
    return person


async def did(request: Request, command: str, about: str = "", refused: str = "") -> None:
    """Write down what somebody did at the desk. It is done by then: a trail that can't be written goes into the log."""
    person: Session | None = getattr(request.state, "person", None)
    await _note(request, "" if person is None else person.name, command, about, refused)


def routes() -> list[BaseRoute]:
    """Return the pages to log in and out."""
    return [
        Route(LOG_IN, _ask_pin, methods=["GET"]),
        Route(LOG_IN, _LogIn(), methods=["POST"]),
        Route(LOG_OUT, signed_in(_log_out), methods=["POST"]),
    ]


def walls(place: Place) -> list[Middleware]:
    """Return what stands before every page."""
    names = (*own_names(), *place.config.desk.names)
    return [Middleware(Walls, names=names), Middleware(RequestBodyLimitMiddleware, max_body_size=MOST_BODY)]


def own_names() -> tuple[str, ...]:
    """Return the names under which this machine is found in its own network."""
    name = socket.gethostname().partition(".")[0].lower()
    return (name, f"{name}.local")


class Walls:
    """Puts `HEADERS` on each answer and refuses what no page of ours would ask: other hosts, methods and sites.

    A name of somebody else's that leads to this machine (DNS rebinding) is refused; an address needs no name.
    """

    def __init__(self, app: ASGIApp, names: Sequence[str]) -> None:
        self._app = app
        self._names = frozenset(name.lower() for name in (*names, "localhost"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        static = scope["path"].startswith("/static/")

        async def walled(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                kept = static and message["status"] == 200 and scope["query_string"]
                headers["cache-control"] = FOR_EVER if kept else "no-store"
            await send(message)

        request = Request(scope)
        refusal = self._refusal(request)
        await (self._app if refusal is None else refusal)(scope, receive, walled)

    def _refusal(self, request: Request) -> Response | None:
        if not self._is_ours(request.headers.get("host", "")):
            return PlainTextResponse("This is not the address of these pages.", 421)
        if request.method not in ("GET", "HEAD", "POST"):
            return PlainTextResponse("GET, HEAD and POST only.", 405, {"allow": "GET, HEAD, POST"})
        # An older browser does not say, and then the form's token decides.
        if request.method == "POST" and request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return PlainTextResponse("Another site sent this.", 403)
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
            ip_address(name)
        except ValueError:
            with suppress(ValueError):
                return (urlsplit(f"//{host}").hostname or "").rstrip(".") in self._names
            return False
        return True


def cookie_name(request: Request) -> str:
    """Return the session's cookie: browsers take the prefix from https only, and in the demonstration the desk is on http."""
    return "__Host-fikatap" if request.url.scheme == "https" else "fikatap"


def device(host: str) -> str:
    """Return whom to count tries for: an address, or the whole network where one device has 2^64 of them."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host[:64]
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    if isinstance(address, IPv6Address) and not address.is_link_local and not address.is_loopback:
        return str(ip_network((address, 64), strict=False))
    return str(address)


def is_here(host: str) -> bool:
    """Tell whether an address is this machine's own, at itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def address_of(request: Request) -> str:
    """Return the device that a request came from."""
    return "" if request.client is None else device(request.client.host)


# What went wrong


async def told(request: Request, error: Exception) -> Response:
    """Return the page that says in people's words what went wrong."""
    status, kind, sentence = 500, "broken", ""
    headers: Mapping[str, str] = {}
    match error:
        case Gone():
            status, kind = 503, "away"
        case CommandError():
            status, kind, sentence = 409, "refused", str(error)
        case HTTPException():
            status, headers = error.status_code, error.headers or {}
            kind = {404: "missing", 413: "long"}.get(status, "broken" if status >= 500 else "wrong")
            if status == 403:
                kind = error.detail if error.detail in ("form", "role") else "wrong"
        case _:
            headers = {**HEADERS, "cache-control": "no-store"}  # the walls do not see this answer
    place = place_of(request)
    language = language_of(request, place.config.cafe.language)
    back = HOME if request.url.path.startswith(HOME) else request.url.path
    page = place.renderer.page("told.html", language, status, kind=kind, sentence=sentence, back=back)
    page.headers.update(headers)
    return page


HANDLERS: Mapping[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
    HTTPException: told,
    CommandError: told,
    Exception: told,
}
"""For Starlette: which errors have a page."""


# In and out


async def _ask_pin(request: Request) -> Response:
    token = request.cookies.get(cookie_name(request), "")
    if token and await asyncio.to_thread(place_of(request).access.session, token) is not None:
        return RedirectResponse(_next(request.query_params.get("next")), 303)
    return _log_in_page(request, next_=_next(request.query_params.get("next")))


class _LogIn:
    """Takes names and PINs, one after the other: each costs memory and time, and the next one may be locked out by then."""

    def __init__(self) -> None:
        self._one = asyncio.Lock()
        self._trying = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope, receive)
        await (await self._answer(request))(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        form = await request.form(max_fields=MOST_FIELDS, max_files=0)
        name, pin, next_ = (str(form.get(key, "")) for key in ("name", "pin", "next"))
        next_ = _next(next_)
        if self._trying >= MOST_TRYING:
            return _log_in_page(request, 503, next_=next_, name=name, trouble="busy", wait_s=1)
        access, address = place_of(request).access, address_of(request)
        self._trying += 1
        try:
            async with self._one:
                token, session = await asyncio.to_thread(access.log_in, name, pin, address)
        except Locked as locked:
            return _log_in_page(request, 429, next_=next_, name=name, trouble="locked", wait_s=locked.wait_s)
        except AccessError as error:
            await _note(request, "", "log_in", name[:40], error.key)
            if error.key != "wrong":  # nobody knows who may come in
                log.error("nobody can log in: %s", error)  # noqa: TRY400 - no trace
                return _log_in_page(request, 503, next_=next_, name=name, trouble=error.key)
            return _log_in_page(request, 403, next_=next_, name=name, trouble="wrong")
        finally:
            self._trying -= 1
        # Whatever token the browser came with is worth nothing from here on.
        await asyncio.to_thread(access.log_out, request.cookies.get(cookie_name(request), ""))
        place_of(request).ended()
        await _note(request, session.name, "log_in")
        response = RedirectResponse(next_, 303)
        safe = request.url.scheme == "https"
        response.set_cookie(cookie_name(request), token, path="/", secure=safe, httponly=True, samesite="strict")
        return response


async def _log_out(request: Request) -> Response:
    await asyncio.to_thread(place_of(request).access.log_out, request.cookies.get(cookie_name(request), ""))
    place_of(request).ended()
    await did(request, "log_out")
    response = RedirectResponse(f"{LOG_IN}?out", 303)
    safe = request.url.scheme == "https"
    response.delete_cookie(cookie_name(request), path="/", secure=safe, httponly=True, samesite="strict")
    response.headers["clear-site-data"] = '"cache", "storage"'
    return response


def _log_in_page(
    request: Request, status: int = 200, *, next_: str, name: str = "", trouble: str = "", wait_s: int = 0
) -> HTMLResponse:
    place = place_of(request)
    page = place.renderer.page(
        "login.html",
        language_of(request, place.config.cafe.language),
        status,
        cafe=place.config.cafe.name,
        name=name[:40],
        next=next_,
        trouble=trouble or ("out" if "out" in request.query_params else ""),
        minutes=-(-wait_s // 60),
        nobody=not place.access.people(),
    )
    if wait_s:
        page.headers["retry-after"] = str(wait_s)
    return page


def _next(path: str | None) -> str:
    """Return where to go after the log-in: a page of the desk, whatever was asked for."""
    path = path or HOME
    inside = path == HOME or path.startswith((f"{HOME}/", f"{HOME}?"))
    plain = path.isascii() and path.isprintable() and "\\" not in path and ".." not in path
    return path if inside and plain and not path.startswith((LOG_IN, LOG_OUT)) else HOME


def _to_log_in(request: Request) -> Response:
    if request.method == "GET" and "hx-request" not in request.headers:
        if "text/event-stream" in request.headers.get("accept", ""):
            return PlainTextResponse("", 401)
        asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"{LOG_IN}?next={quote(asked, safe='/')}", 303)
    if "hx-request" in request.headers:
        return PlainTextResponse("", 401, {"hx-redirect": LOG_IN})
    return RedirectResponse(LOG_IN, 303)


async def _carries(request: Request, csrf: str) -> bool:
    given = request.headers.get("x-csrf")
    if given is None:
        field = (await request.form(max_fields=MOST_FIELDS, max_files=MOST_FILES)).get("csrf")
        given = field if isinstance(field, str) else ""
    return hmac.compare_digest(given.encode(), csrf.encode())


async def _while_it_runs(items: AsyncGenerator[Any], place: Place, token: str) -> AsyncIterator[Any]:
    """Yield a stream's items as long as the session runs; then `SignedOut`, once. A stream alone keeps no session alive."""
    waiting: asyncio.Task[Any] | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(items))
            await asyncio.wait({waiting}, timeout=LOOK_S)
            if place.access.peek(token) is None:
                yield ServerSentEvent(event="SignedOut", data="")
                return
            if waiting.done():
                try:
                    item = waiting.result()
                except StopAsyncIteration:
                    return
                waiting = None
                yield item
    finally:
        if waiting is not None:
            waiting.cancel()
            await asyncio.wait({waiting})
        await items.aclose()


async def _note(request: Request, who: str, command: str, about: str = "", refused: str = "") -> None:
    audit, address = place_of(request).audit, address_of(request)
    try:
        await asyncio.to_thread(audit.note, who, address, command, about[:LONGEST_NOTE], refused[:LONGEST_NOTE])
    except OSError as error:
        log.error("the audit trail can't be written, '%s' is missing in it: %s", command, error)  # noqa: TRY400 - no trace
