"""The control socket: a Unix socket on which commands come as lines of JSON, each answered by a line of its own.

A request is `{"v": 1, "id": 7, "do": "status", "with": {…}}`, the answer `{"v": 1, "id": 7, "result": …}` or
`{"v": 1, "id": 7, "error": "a sentence for people"}`. After `watch` the line `{"v": 1, "event": {…}}` follows for each
thing that happens, until the client hangs up.
"""

from __future__ import annotations

import logging
import os
import queue
import socket
import stat
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from drivers.errors import ConfigError, FikatapError
from firmware_py.office import CommandError, Office
from kiosk.effects import Answer, Effect, LightZone, SetJob, TellStaff
from kiosk.events import Event, JobSent, MatchAnswered
from kiosk.screen import Shown

log = logging.getLogger("fikatap")

VERSION = 1
MAX_LINE = 1 << 17
"""A longer request is refused: taken apart, it may need 40 times its size. A slice of members has up to 110,000 bytes."""
MAX_BEHIND = 1_000
"""A client that has so many lines unread is dropped."""
MAX_UNDER_WAY = 4
"""So many requests of one client are in the loop's queue at once; the door waits for no more."""
MAX_CLIENTS = 16
CLOSING_S = 0.3
"""How long clients may take to read their last answers when the socket closes."""


class Request(Struct, forbid_unknown_fields=True):
    """One line from a client."""

    v: int
    id: int
    do: str
    with_: dict[str, Any] = msgspec.field(default_factory=dict, name="with")


class Command:
    """One request on its way through the loop; answered once."""

    def __init__(self, request: Request, client: _Client) -> None:
        self.name = request.do
        self.arguments = request.with_
        self.client = client
        """Who asked; only to be compared."""
        self._id = request.id

    def answer(self, result: Any) -> None:
        """Send the result."""
        self.client.send({"v": VERSION, "id": self._id, "result": result})
        self.client.answered()

    def fail(self, sentence: str) -> None:
        """Send what was wrong and what would have been right."""
        self.client.send(_error(self._id, sentence))
        self.client.answered()

    def observe(self, what: Event | Effect | Shown | Changed) -> None:
        """Send on what a watcher may see: answers, lights, jobs and notices, no profiles."""
        if isinstance(what, Answer | LightZone | SetJob | TellStaff | JobSent | MatchAnswered | Shown | Changed):
            event = {"kind": type(what).__name__, **msgspec.to_builtins(what)}
            if isinstance(what, Shown):
                # For who must not say it late.
                event["boot_ms"] = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
            self.client.send({"v": VERSION, "event": event})


class Changed(Struct, frozen=True):
    """Something that the pages show may be another one now; said once for all that changed in a short while."""


class HungUp(Struct, frozen=True):
    """A client went away: nobody waits for its answers any more."""

    client: object


Post = Callable[[Command | HungUp], None]


class ControlSocket:
    """Listens on a Unix socket that owner and group may use."""

    def __init__(self, path: Path, post: Post) -> None:
        self._path = path
        self._post = post
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._closed = threading.Event()
        self._clients: set[_Client] = set()
        self._thread = threading.Thread(target=self._accept, name="control", daemon=True)

    def open(self) -> None:
        """Listen; a socket file left by an earlier life is replaced (the ledger's lock says that nobody else lives).

        Raise `ConfigError` when there can be no socket.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._replace()
            self._listener.listen(MAX_CLIENTS)
        except OSError as error:
            self._listener.close()
            raise ConfigError(f"[control] socket = '{self._path}' can't be made: {error.strerror or error}") from error
        self._thread.start()

    def _replace(self) -> None:
        with suppress(FileNotFoundError):
            if not stat.S_ISSOCK(self._path.lstat().st_mode):
                raise FileExistsError("a file that is no socket is there")
            self._path.unlink()
        before = os.umask(0o117)
        try:
            self._listener.bind(str(self._path))
        finally:
            os.umask(before)

    def close(self) -> None:
        """Stop listening, hang up on all clients and take the socket file away."""
        self._closed.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._thread.is_alive():
            self._thread.join(1.0)
        self._path.unlink(missing_ok=True)
        clients = list(self._clients)
        for client in clients:
            client.hang_up()
        deadline = time.monotonic() + CLOSING_S
        for client in clients:
            client.close(deadline)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                if self._closed.wait(0.1):
                    return
                continue  # too many open files, or a client that was gone before it was there
            if len(self._clients) >= MAX_CLIENTS:
                with connection, suppress(OSError):
                    connection.sendall(_line(_error(0, f"{MAX_CLIENTS} programs are connected already; close one")))
                continue
            client = _Client(connection, self._post, self._clients.discard)
            self._clients.add(client)
            client.start()


class _Client:
    """One connection: a thread that reads requests, and one that writes, so that a slow reader never holds up the loop."""

    def __init__(self, connection: socket.socket, post: Post, ended: Callable[[_Client], None]) -> None:
        self._connection = connection
        self._post = post
        self._ended = ended
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._free = threading.Semaphore(MAX_UNDER_WAY)
        self._dropped = False
        self._reader = threading.Thread(target=self._read_all, name="control client reads", daemon=True)
        self._writer = threading.Thread(target=self._write_all, name="control client writes", daemon=True)

    def start(self) -> None:
        """Serve the connection."""
        self._reader.start()
        self._writer.start()

    def hang_up(self) -> None:
        """Write what is due and end the connection."""
        self._outbox.put(None)

    def close(self, deadline: float) -> None:
        """Wait until what was due is written, but no longer than `deadline`, by `time.monotonic`."""
        self._writer.join(max(0.0, deadline - time.monotonic()))
        self._drop()
        self._writer.join(1.0)
        self._reader.join(1.0)

    def send(self, message: dict[str, Any]) -> None:
        """Send a line soon; a client that has not read so many lines is dropped."""
        if self._outbox.qsize() > MAX_BEHIND:
            self._drop()
            return
        self._outbox.put(_line(message))

    def answered(self) -> None:
        """Let the client's next request come."""
        self._free.release()

    def _drop(self) -> None:
        self._dropped = True
        self._free.release()
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def _read_all(self) -> None:
        # The client may go away at any time; what it asked for is answered into the void.
        with suppress(OSError), self._connection.makefile("rb") as lines:
            while not self._dropped and (line := lines.readline(MAX_LINE + 1)):
                if len(line) > MAX_LINE:
                    while line and not line.endswith(b"\n"):
                        line = lines.readline(MAX_LINE)
                    self.send(_error(0, f"a request of more than {MAX_LINE} bytes; send it in slices"))
                    continue
                command = self._command(line)
                if command is not None:
                    self._free.acquire()
                    self._post(command)
        self._post(HungUp(self))
        self.hang_up()

    def _command(self, line: bytes) -> Command | None:
        """Return the command on a line; answer what is none."""
        try:
            request = msgspec.json.decode(line, type=Request)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self.send(_error(0, f"not a request: {error}"))
            return None
        if request.v != VERSION:
            self.send(_error(request.id, f"version {request.v} is not spoken here; this is version {VERSION}"))
            return None
        return Command(request, self)

    def _write_all(self) -> None:
        with suppress(OSError):
            while (line := self._outbox.get()) is not None:
                self._connection.sendall(line)
        self._drop()
        self._connection.close()
        self._ended(self)


def _line(message: dict[str, Any]) -> bytes:
    return msgspec.json.encode(message) + b"\n"


def _error(number: int, sentence: str) -> dict[str, Any]:
    return {"v": VERSION, "id": number, "error": sentence}


class NotRunning(FikatapError):
    """No terminal listens on the socket."""


class ControlClient(Office):
    """The other end: sends commands and waits for their answers."""

    def __init__(self, path: Path, timeout: float | None = 90.0) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(str(path))
        except PermissionError as error:
            self._socket.close()
            raise CommandError(f"{path}: not allowed; be in the terminal's group, or use sudo") from error
        except (FileNotFoundError, ConnectionRefusedError) as error:
            self._socket.close()
            raise NotRunning(f"{path}: no terminal is running there") from error
        except OSError as error:
            self._socket.close()
            raise CommandError(f"{path}: {error.strerror or error}") from error
        self._lines = self._socket.makefile("rb")
        self._id = 0

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._socket.close()

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, command: str, **arguments: Any) -> Any:
        """Carry out a command and return its result; raise `CommandError` with the terminal's own sentence."""
        self._id += 1
        request = {"v": VERSION, "id": self._id, "do": command, "with": arguments}
        try:
            self._socket.sendall(msgspec.json.encode(request) + b"\n")
            answer = self._answer()
        except TimeoutError as error:
            raise CommandError(f"the terminal did not answer '{command}' in time") from error
        except OSError as error:
            raise CommandError(f"the terminal went away: {error}") from error
        if "error" in answer:
            raise CommandError(answer["error"])
        return answer.get("result")

    def _answer(self) -> dict[str, Any]:
        while line := self._lines.readline():
            answer: dict[str, Any] = msgspec.json.decode(line)
            # What is wrong with a line as such is answered without its id.
            if answer.get("id") == self._id or (answer.get("id") == 0 and "error" in answer):
                return answer
        raise CommandError("the terminal stopped before it answered")

    def watch(self) -> None:
        """Ask to be told of what happens; read it with `next_event`."""
        self._socket.sendall(msgspec.json.encode({"v": VERSION, "id": 0, "do": "watch"}) + b"\n")

    def next_event(self) -> dict[str, Any]:
        """Return the next thing that happened; raise `CommandError` when the terminal went away."""
        while line := self._lines.readline():
            message: dict[str, Any] = msgspec.json.decode(line)
            if "event" in message:
                event: dict[str, Any] = message["event"]
                return event
        raise CommandError("the terminal stopped")
