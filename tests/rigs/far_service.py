"""The far side of the matching service's wire: the simulated service behind a real socket, in HTTP, and a hand on the cable."""

from __future__ import annotations

import json
import ssl
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import SHUT_RDWR
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import msgspec

from drivers.matching.fake import ServiceHand
from drivers.matching.wire import BATCH, PROBLEM, CheckIn, Fact, Happened, Taken

Misdeed = Callable[[BaseHTTPRequestHandler], None]
"""What is done to a request in place of answering it."""


class FarService:
    """An HTTP server for one venue; `hand` is what it knows, `misdeed` what it does instead of answering."""

    def __init__(
        self, venue: str = "v1", token: str = "", context: ssl.SSLContext | None = None, hand: ServiceHand | None = None
    ) -> None:
        self.hand = hand or ServiceHand()
        self.venue = venue
        self.token = token
        self.misdeed: Misdeed | None = None
        self.requests: list[tuple[str, dict[str, str]]] = []
        """Method and path of each request with its headers."""
        self.mistakes: list[BaseException | None] = []
        """What this rig itself did wrong."""
        self._context = context
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        self.plug()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{'https' if self._context else 'http'}://localhost:{self._port}"

    def plug(self) -> None:
        """Listen, at the same port as before."""
        far = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                far._serve(self)

            do_POST = do_GET  # noqa: N815 - ditto

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = False
            allow_reuse_address = True

            def handle_error(self, *_: object) -> None:
                error = sys.exception()
                if not isinstance(error, OSError):  # whoever hangs up in the middle
                    far.mistakes.append(error)

            def process_request(self, request: Any, client_address: Any) -> None:
                sockets.add(request)
                super().process_request(request, client_address)

        sockets: set[Any] = set()
        self._sockets = sockets
        self._server = Server(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        if self._context is not None:
            self._server.socket = self._context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="far service")
        self._thread.start()

    def unplug(self) -> None:
        """Pull the cable: nobody listens, and every connection is cut."""
        server, self._server = self._server, None
        if server is None:
            return
        server.shutdown()
        self._thread.join()
        with self.hand.changed:
            self.hand.changed.notify_all()
        for each in list(self._sockets):
            with suppress(OSError):
                each.shutdown(SHUT_RDWR)
            each.close()
        server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.hand.gone()  # nobody waits for news any more
        self.unplug()
        assert self.mistakes == [], self.mistakes

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        self.requests.append((f"{request.command} {request.path}", dict(request.headers)))
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        if self.misdeed is not None:
            self.misdeed(request)
            return
        url = urlsplit(request.path)
        asked = {key: values[0] for key, values in parse_qs(url.query).items()}
        _, _, _, venue, *rest = url.path.split("/")
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            self._problem(request, 401, "this terminal has no identity")
        elif venue != self.venue:
            self._problem(request, 403, "this terminal belongs to another venue", value=venue, allowed=self.venue)
        else:
            self._answer(request, "/".join(rest), asked, body)

    def _answer(self, request: BaseHTTPRequestHandler, path: str, asked: dict[str, str], body: bytes) -> None:
        match path:
            case "check-ins":
                assert request.headers["Idempotency-Key"]
                proposal = self.hand.check_in(msgspec.json.decode(body, type=CheckIn))
                if proposal is None:
                    send(request, 202, b"")
                else:
                    send(request, 200, msgspec.json.encode(proposal))
            case "events":
                assert request.headers["Content-Type"] == BATCH
                new, known = self.hand.take([_fact(each) for each in json.loads(body)])
                send(request, 200, msgspec.json.encode(Taken(accepted=new, duplicates=known)))
            case "roster":
                page = self.hand.roster(int(asked["since"]))
                if request.headers.get("If-None-Match") == f'"{page.version}"' and not page.entries:
                    send(request, 304, b"")
                else:
                    send(request, 200, msgspec.json.encode(page))
            case "presence":
                wait = float((request.headers.get("Prefer") or "wait=0").removeprefix("wait="))
                send(request, 200, msgspec.json.encode(self.hand.presence(int(asked["since"]), wait)))
            case "schedule.ics":
                send(request, 200, self.hand.calendar, "text/calendar; charset=utf-8")
            case _:
                self._problem(request, 404, "there is nothing here")

    def _problem(self, request: BaseHTTPRequestHandler, status: int, detail: str, value: str = "", allowed: str = "") -> None:
        problem = {"title": "no", "status": status, "detail": detail, "value": value, "allowed": allowed}
        send(request, status, json.dumps(problem).encode(), PROBLEM)


def send(request: BaseHTTPRequestHandler, status: int, body: bytes, media: str = "application/json") -> None:
    """Answer a request."""
    request.send_response(status)
    if body or status == 200:
        request.send_header("Content-Type", media)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def server_context(certificate: Path, key: Path, client_ca: Path | None = None) -> ssl.SSLContext:
    """Return what a server needs for TLS, and to ask for clients' certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _fact(event: dict[str, Any]) -> Fact:
    assert event["specversion"] == "1.0"
    assert event["datacontenttype"] == "application/json"
    what = msgspec.convert({"type": event["type"], **event["data"]}, Happened)
    time_ms = round(datetime.fromisoformat(event["time"]).timestamp() * 1000) if "time" in event else None
    return Fact(id=event["id"], source=event["source"], seq=int(event["sequence"]), time_ms=time_ms, what=what)
