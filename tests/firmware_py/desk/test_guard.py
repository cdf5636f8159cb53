"""The walls around the pages, piece by piece: what is told, whom tries are counted for, and when a stream ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from firmware_py.clock import Clock
from firmware_py.config import Config, parse
from firmware_py.demo import CONFIG
from firmware_py.desk import guard
from firmware_py.desk.access import Access, Role
from firmware_py.desk.app import application
from firmware_py.desk.audit import Audit
from firmware_py.desk.guard import HEADERS, LONGEST_NOTE, did, hidden, person_of, signed_in
from firmware_py.desk.link import Gone, Watch
from firmware_py.desk.place import Place
from firmware_py.desk.render import Renderer
from firmware_py.office import CommandError
from kiosk.values import Language

NAME, PIN = "Made-Up Maja", "481516"


async def plain(request: Request) -> Response:
    await did(request, "look", "m0001")
    return PlainTextResponse(f"{person_of(request).name} {hidden(request)}")


async def long(request: Request) -> Response:
    await did(request, "look", "a" * 60_000, "r" * 60_000)
    return PlainTextResponse("")


async def broken(_: Request) -> Response:
    raise RuntimeError("a secret of the program")


async def away(_: Request) -> Response:
    raise Gone("the terminal can't be reached")


async def refused(_: Request) -> Response:
    raise CommandError("<b>no such card</b>")


async def teapot(_: Request) -> Response:
    raise HTTPException(418)


class Browser:
    """Asks an application, without a network."""

    def __init__(self, app: ASGIApp) -> None:
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._cookies = httpx.Cookies()

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self._ask("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self._ask("POST", path, **more)

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def story() -> httpx.Response:
            where = "https://127.0.0.1"
            async with httpx.AsyncClient(transport=self._transport, base_url=where, cookies=self._cookies) as client:
                answer = await client.request(method, path, **more)
                self._cookies = client.cookies
                return answer

        return asyncio.run(story())


class Stream:
    """A stream that a test lets go on."""

    def __init__(self) -> None:
        self.more: asyncio.Queue[str] = asyncio.Queue()
        self.closed = False

    async def items(self) -> AsyncIterator[ServerSentEvent]:
        try:
            while True:
                yield ServerSentEvent(event="said", data=await self.more.get())
        finally:
            self.closed = True


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return parse(CONFIG.format(folder=tmp_path, language="en", profile="generic-80"))


@pytest.fixture
def place(config: Config, tmp_path: Path) -> Place:
    clock = Clock(config.timezone, None)
    access = Access(tmp_path / "access.json", "boot", lambda: clock.now().boot_ms / 1_000)
    access.set_pin(NAME, Role.STAFF, PIN)
    return Place(config, Watch(tmp_path / "no.sock"), access, Audit(tmp_path / "audit.jsonl", clock), Renderer())


@pytest.fixture
def client(place: Place) -> Browser:
    routes = [
        *guard.routes(),
        Route("/desk/plain", signed_in(plain), methods=["GET", "POST"]),
        Route("/desk/long", signed_in(long), methods=["POST"]),
        Route("/desk/manager", signed_in(plain, Role.MANAGER)),
        Route("/desk/broken", broken),
        Route("/desk/away", away),
        Route("/desk/refused", refused),
        Route("/desk/teapot", teapot),
    ]
    return Browser(application(place, routes))


def sign_in(client: Browser) -> None:
    assert client.post("/desk/log-in", data={"name": NAME, "pin": PIN}).status_code == 303


def test_who_is_signed_in_is_known_to_the_handler_and_to_the_trail(client: Browser, place: Place) -> None:
    sign_in(client)
    name, _, csrf = client.get("/desk/plain").text.rpartition(" ")
    assert name == NAME
    assert client.post("/desk/plain").status_code == 403
    assert client.post("/desk/plain", data={"csrf": csrf}).status_code == 200
    assert client.post("/desk/plain", headers={"X-CSRF": csrf}).status_code == 200
    assert [(deed.who, deed.did, deed.about) for deed in place.audit.deeds()][:1] == [(NAME, "look", "m0001")]
    assert client.get("/desk/manager").status_code == 403


def test_one_long_request_does_not_fill_the_trail(client: Browser, place: Place) -> None:
    sign_in(client)
    client.post("/desk/long", data={"csrf": client.get("/desk/plain").text.rpartition(" ")[2]})
    deed = next(place.audit.deeds())
    assert (deed.did, deed.about, deed.refused) == ("look", "a" * LONGEST_NOTE, "r" * LONGEST_NOTE)


def test_what_was_done_is_not_called_undone_where_the_trail_can_not_be_written(
    client: Browser, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sign_in(client)
    (tmp_path / "audit.jsonl").unlink()
    (tmp_path / "audit.jsonl").mkdir()
    assert client.get("/desk/plain").status_code == 200
    assert "the audit trail can't be written, 'look' is missing in it" in caplog.text


def test_a_full_disk_keeps_nobody_from_the_desk_where_it_is_mended(
    client: Browser, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "audit.jsonl").mkdir()
    (tmp_path / "access.json.part").mkdir()
    sign_in(client)
    csrf = client.get("/desk/plain").text.rpartition(" ")[2]
    assert client.post("/desk/log-out", data={"csrf": csrf}).status_code == 303
    assert client.get("/desk/plain").status_code == 303
    assert "'log_in' is missing in it" in caplog.text
    assert "'log_out' is missing in it" in caplog.text


def test_who_may_log_in_is_not_guessed_when_that_can_not_be_read(client: Browser, tmp_path: Path) -> None:
    (tmp_path / "access.json").write_text("{")
    answer = client.post("/desk/log-in", data={"name": NAME, "pin": PIN}, headers={"accept-language": "en"})
    assert answer.status_code == 503
    assert "the list of who may can" in answer.text


def test_a_browser_part_of_a_page_is_sent_to_the_log_in_as_a_whole(client: Browser) -> None:
    answer = client.get("/desk/plain", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/desk/log-in")
    assert client.get("/desk/plain", headers={"accept": "text/event-stream"}).status_code == 401


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/desk/broken", 500, "It is not your fault"),
        ("/desk/away", 503, "The terminal does not answer right now"),
        ("/desk/refused", 409, "&lt;b&gt;no such card&lt;/b&gt;"),
        ("/desk/teapot", 418, "Please go back"),
        ("/nowhere", 404, "There is no such page"),
    ],
)
def test_what_went_wrong_is_told_in_peoples_words(client: Browser, path: str, status: int, words: str) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert words in answer.text
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert {key: answer.headers.get(key) for key in HEADERS} == dict(HEADERS)
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", ["missing", "away", "broken", "refused", "wrong", "long", "form", "role"])
def test_each_trouble_has_words_in_each_language(place: Place, language: Language, kind: str) -> None:
    html = place.renderer.html("told.html", language, kind=kind, sentence="", back="/desk")
    assert place.renderer.texts.say(language, f"login.told.{kind}") in html


@pytest.mark.parametrize("language", Language)
def test_the_log_in_tells_how_long_to_wait_in_each_language(client: Browser, place: Place, language: Language) -> None:
    for _ in range(6):
        client.post("/desk/log-in", data={"name": NAME, "pin": "000111"})
    answer = client.post("/desk/log-in", data={"name": NAME, "pin": PIN}, headers={"accept-language": language.value})
    assert answer.status_code == 429
    minutes = -(-int(answer.headers["retry-after"]) // 60)
    assert place.renderer.texts.count(language, "login.locked", minutes) in answer.text


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::1"),
        ("::1", "::1"),
        ("testclient", "testclient"),
    ],
)
def test_tries_are_counted_for_a_device_however_many_addresses_it_has(host: str, counted: str) -> None:
    assert guard.device(host) == counted


def stream_of(place: Place, stream: Stream, token: str) -> AsyncIterator[object]:
    """Return what a signed-in stream yields."""
    response = EventSourceResponse(stream.items())

    async def handler(_: Request) -> Response:
        return response

    async def guarded() -> AsyncIterator[object]:
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/desk/live",
            "query_string": b"",
            "scheme": "https",
            "server": ("127.0.0.1", 443),
            "headers": [(b"cookie", f"__Host-fikatap={token}".encode())],
            "app": application(place, []),
        }
        answer = await signed_in(handler)(Request(scope))
        assert answer is response
        async for item in response.body_iterator:
            yield item

    return guarded()


def test_a_stream_ends_when_its_session_does(place: Place) -> None:
    async def story() -> None:
        token, _ = place.access.log_in(NAME, PIN, "10.0.0.1")
        stream = Stream()
        frames = stream_of(place, stream, token)
        await stream.more.put("one")
        first = await anext(frames)
        assert isinstance(first, ServerSentEvent)
        assert (first.event, first.data) == ("said", "one")
        place.access.log_out(token)
        await stream.more.put("two")
        last = await anext(frames)
        assert isinstance(last, ServerSentEvent)
        assert last.event == "SignedOut"
        with pytest.raises(StopAsyncIteration):
            await anext(frames)
        assert stream.closed

    asyncio.run(story())


def test_a_stream_alone_keeps_no_session_alive(tmp_path: Path) -> None:
    now = 1_000.0
    access = Access(tmp_path / "access.json", "boot", lambda: now)
    access.set_pin(NAME, Role.STAFF, PIN)
    token, session = access.log_in(NAME, PIN, "10.0.0.1")
    now += 1_000
    found = access.peek(token)
    assert found is not None
    assert found[0].used == session.used
    used = access.session(token)
    assert used is not None
    assert used[0].used == now


def test_who_else_writes_the_file_is_heard(tmp_path: Path) -> None:
    one, other = (Access(tmp_path / "access.json", "boot", lambda: 1_000.0) for _ in range(2))
    one.set_pin(NAME, Role.STAFF, PIN)
    token, _ = other.log_in(NAME, PIN, "10.0.0.1")
    assert one.session(token) is not None
    one.remove(NAME)
    assert other.session(token) is None
    assert other.people() == []
