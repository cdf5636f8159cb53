"""The process of the pages: the visitors' screen on http, the staff's desk on https, both from one loop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import ssl
import time
from collections import Counter
from typing import Any, NamedTuple

import h11
import uvicorn
from starlette.applications import Starlette
from starlette.responses import RedirectResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from drivers.errors import ConfigError
from firmware_py.cli.run import SYNCHRONISED
from firmware_py.clock import Clock, boot_id, said_now
from firmware_py.config import Config
from firmware_py.desk import certificate, guard, screen, staff
from firmware_py.desk.access import Access
from firmware_py.desk.app import application
from firmware_py.desk.audit import Audit
from firmware_py.desk.link import Watch
from firmware_py.desk.place import Place
from firmware_py.desk.render import Renderer
from firmware_py.terminal.notify import Notifier

log = logging.getLogger("fikatap")

SCREEN, DESK = "screen", "desk"
"""`FileDescriptorName=` of the sockets that systemd hands over."""
FIRST_HANDED = 3
"""SD_LISTEN_FDS_START of sd_listen_fds(3)."""
BACKLOG = 128
MOST_CONNECTIONS, MOST_FROM_ONE = 256, 24
"""From the network at once, and from one device; the machine's own screen is not counted, and always finds a place."""
HANDSHAKE_S, HEAD_S, BODY_S, KEEP_S = 5.0, 10.0, 60.0, 20
"""How long a client may take for the handshake, for a request's head and for its body, and may then say nothing."""
LINGER_S = 1.0
"""How long a client that still sends may take to read why that is in vain."""
LONGEST_HEAD = 16 << 10
END_S = 1
"""How long what is under way may take when the pages are stopped; browsers come back by themselves."""
LOOK_EVERY_S, RENEW_EVERY_S = 10, 3_600
"""How often it is looked whether a command made another certificate, and whether another one is needed."""
_FULL = b"HTTP/1.1 429 Too Many Requests\r\nconnection: close\r\ncontent-length: 0\r\nretry-after: 5\r\n\r\n"


class Sockets(NamedTuple):
    """Where the pages listen."""

    screen: list[socket.socket]
    desk: list[socket.socket]


def handed_over() -> Sockets | None:
    """Return the sockets that systemd handed over; None when there are none, `ConfigError` for one that nobody asked for."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    found = Sockets([], [])
    for number, name in enumerate(names[: int(os.environ.get("LISTEN_FDS", "0"))], FIRST_HANDED):
        if name not in (SCREEN, DESK):
            raise ConfigError(f"systemd handed over a socket '{name}'; FileDescriptorName= is '{SCREEN}' or '{DESK}'")
        os.set_inheritable(number, False)
        (found.screen if name == SCREEN else found.desk).append(socket.socket(fileno=number))
    return found


def opened(config: Config) -> Sockets:
    """Return sockets at the configured addresses; raise `ConfigError` with what is wrong with one."""
    return Sockets([_listen("screen", config.desk.screen)], [_listen("listen", config.desk.listen)])


def make_place(config: Config) -> Place:
    """Return the café of a configuration with its people; raise `ConfigError` when its folder can't be made."""
    folder = config.desk.folder
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"[desk] folder = '{folder}' can't be made: {error.strerror or error}") from error
    clock = Clock(config.timezone, None if config.cafe.trust_clock else SYNCHRONISED)
    access = Access(folder / "access.json", boot_id(), lambda: time.clock_gettime(time.CLOCK_BOOTTIME))
    audit = Audit(folder / "audit.jsonl", clock)
    return Place(config, Watch(config.control.socket), access, audit, Renderer())


def names_of(config: Config, listener: socket.socket) -> list[str]:
    """Return the names and addresses under which the desk is found."""
    return [*guard.own_names(), *config.desk.names, "localhost", *certificate.addresses(listener), "127.0.0.1"]


def serve(config: Config) -> None:
    """Serve until SIGTERM or SIGINT, also while no terminal is there; raise `ConfigError` for what no waiting mends."""
    sockets = handed_over() or opened(config)
    place = make_place(config)
    # uvicorn sends itself the signal once more when all is done.
    signal.signal(signal.SIGTERM, lambda *_: None)
    asyncio.run(_Pages(place, sockets, Notifier()).serve())


class Pages:
    """The two applications as one: what comes in the clear sees the screen only."""

    def __init__(self, place: Place) -> None:
        self._screen = application(place, [_home("/screen"), *screen.routes()])
        self._desk = application(place, [_home(guard.HOME), *guard.routes(), *staff.routes()])

    @property
    def desk(self) -> Starlette:
        """What is on https."""
        return self._desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; listening to the terminal is begun and ended by one of the two."""
        app: ASGIApp = self._screen if scope.get("scheme") == "http" else self._desk
        await app(scope, receive, send)


def _home(path: str) -> Route:
    return Route("/", lambda _: RedirectResponse(path, 303))


class _Crowd:
    """Who is connected."""

    def __init__(self) -> None:
        self._from: Counter[str] = Counter()

    def enter(self, device: str) -> bool:
        """Count one in, if there is room."""
        if self._from[device] >= MOST_FROM_ONE or self._from.total() >= MOST_CONNECTIONS:
            return False
        self._from[device] += 1
        return True

    def leave(self, device: str) -> None:
        """Count one out."""
        self._from -= Counter({device: 1})


class _Protocol(H11Protocol):
    """HTTP for so many at once, and for none who keeps it waiting."""

    def __init__(self, crowd: _Crowd, **given: Any) -> None:
        super().__init__(**given)
        self._crowd = crowd
        self._device = ""
        self._awaited: object = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin, or say that there is no room."""
        super().connection_made(transport)
        device = guard.device("" if self.client is None else self.client[0])
        if guard.is_here(device):
            pass
        elif self._crowd.enter(device):
            self._device = device
        else:
            transport.write(_FULL)
            transport.close()
            return
        self._mind()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        super().connection_lost(exc)
        if self._deadline is not None:
            self._deadline.cancel()
        if self._device:
            self._crowd.leave(self._device)
            self._device = ""

    def data_received(self, data: bytes) -> None:
        """Take what came, and mind what is still to come."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._mind()

    def on_response_complete(self) -> None:
        """Let nobody go on for long with a body that was answered before its end: it would be read and dropped."""
        unread, answered = self.cycle.more_body, self.cycle
        super().on_response_complete()
        if unread:
            self.loop.call_later(LINGER_S, self._cut, answered)

    def _cut(self, answered: object) -> None:
        if self.cycle is answered and self.conn.their_state is h11.SEND_BODY:
            self.transport.abort()

    def _mind(self) -> None:
        state = self.conn.their_state
        if state is self._awaited:
            return
        self._awaited = state
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        seconds = {h11.IDLE: HEAD_S, h11.SEND_BODY: BODY_S}.get(state)
        if seconds is not None:
            self._deadline = self.loop.call_later(seconds, self.transport.abort)


class _Pages(uvicorn.Server):
    """uvicorn on two kinds of sockets, with word to systemd."""

    def __init__(self, place: Place, sockets: Sockets, notifier: Notifier) -> None:
        super().__init__(
            uvicorn.Config(
                Pages(place),
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_S,
                timeout_graceful_shutdown=END_S,
                h11_max_incomplete_event_size=LONGEST_HEAD,
            )
        )
        self._place = place
        self._sockets = sockets
        self._notifier = notifier
        self._crowd = _Crowd()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.set_alpn_protocols(["http/1.1"])
        self._certificate = ""
        self._loaded: tuple[int, int] | None = None
        self._is_stuck = False
        self._renew()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - as uvicorn has it
        """Listen."""
        await self.lifespan.startup()
        loop = asyncio.get_running_loop()
        self.servers = [await loop.create_server(self._protocol, sock=each, backlog=BACKLOG) for each in self._sockets.screen]
        for each in self._sockets.desk:
            made = await loop.create_server(
                self._protocol, sock=each, backlog=BACKLOG, ssl=self._tls, ssl_handshake_timeout=HANDSHAKE_S
            )
            self.servers.append(made)
        self.started = True
        self._notifier.ready()

    async def on_tick(self, counter: int) -> bool:
        """Look after what is not asked for, ten times a second."""
        if counter % 10 == 0:
            self._notifier.alive()
            key = "login.status.here" if self._place.watch.present else "login.status.away"
            self._notifier.status(self._place.renderer.texts.say(self._place.config.cafe.language, key))
        if counter % (LOOK_EVERY_S * 10) == LOOK_EVERY_S * 10 - 1:
            self._look(due=counter % (RENEW_EVERY_S * 10) == RENEW_EVERY_S * 10 - 1)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End."""
        self._notifier.stopping()
        await super().shutdown(sockets)

    def _protocol(self) -> _Protocol:
        return _Protocol(self._crowd, config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    def _look(self, *, due: bool) -> None:
        """See to the certificate; where that can't be, the one that is loaded goes on."""
        if not (due or self._written() != self._loaded):
            return
        try:
            self._renew()
            self._is_stuck = False
        except (ConfigError, OSError) as error:
            if not self._is_stuck:
                log.error("the desk's certificate can't be renewed, the old one goes on: %s", error)  # noqa: TRY400 - no trace
            self._is_stuck = True

    def _written(self) -> tuple[int, int] | None:
        """Return what tells one certificate's file from another's."""
        try:
            found = (self._place.config.desk.folder / certificate.FILE).stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns

    def _renew(self) -> None:
        """Load the certificate, if it is another one."""
        if not self._sockets.desk:
            return
        config = self._place.config
        kept = certificate.keep(config.desk.folder, names_of(config, self._sockets.desk[0]), said_now())
        if kept.fingerprint != self._certificate:
            self._tls.load_cert_chain(kept.file, kept.key)
            self._certificate = kept.fingerprint
            log.info("the desk's certificate is %s", kept.fingerprint)
        self._loaded = self._written()


def _listen(key: str, address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) >= 65_536:
        raise ConfigError(f"[desk] {key} = '{address}' is no address to listen at; write HOST:PORT, such as 127.0.0.1:8080")
    bare = host.removeprefix("[").removesuffix("]")
    try:
        return socket.create_server(
            (bare, int(port)), family=socket.AF_INET6 if ":" in bare else socket.AF_INET, backlog=BACKLOG
        )
    except OSError as error:
        raise ConfigError(f"[desk] {key} = '{address}' can't be listened at: {error.strerror or error}") from error
