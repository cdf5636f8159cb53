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
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from drivers.errors import FikatapError
from firmware_py.office import CommandError, Office
from kiosk.effects import Answer, Effect, LightZone, SetJob, TellStaff
from kiosk.events import Event, JobSent, MatchAnswered

log = logging.getLogger("fikatap")

VERSION = 1
MAX_LINE = 1 << 20
"""A longer request is refused."""
MAX_BEHIND = 1_000
"""A client that has so many lines unread is dropped."""
MAX_CLIENTS = 16


class Request(Struct, forbid_unknown_fields=True):
    """One line from a client."""

    v: int
    id: int
    do: str
    with_: dict[str, Any] = msgspec.field(default_factory=dict, name="with")


class Command:
    """One request on its way through the loop; answered once."""

    def __init__(self, request: Request, send: Callable[[dict[str, Any]], None]) -> None:
        self.name = request.do
        self.arguments = request.with_
        self._id = request.id
        self._send = send

    def answer(self, result: Any) -> None:
        """Send the result."""
        self._send({"v": VERSION, "id": self._id, "result": result})

    def fail(self, sentence: str) -> None:
        """Send what was wrong and what would have been right."""
        self._send(_error(self._id, sentence))

    def observe(self, what: Event | Effect) -> None:
        """Send on what a watcher may see: answers, lights, jobs and notices, no profiles."""
        if isinstance(what, Answer | LightZone | SetJob | TellStaff | JobSent | MatchAnswered):
            self._send({"v": VERSION, "event": {"kind": type(what).__name__, **msgspec.to_builtins(what)}})


class ControlSocket:
    """Listens on a Unix socket that owner and group may use."""

    def __init__(self, path: Path, post: Callable[[Command], None]) -> None:
        self._path = path
        self._post = post
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._clients: set[_Client] = set()
        self._thread = threading.Thread(target=self._accept, name="control", daemon=True)

    def open(self) -> None:
        """Listen; a socket file left by an earlier life is replaced (the ledger's lock says that nobody else lives)."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        before = os.umask(0o117)
        try:
            self._listener.bind(str(self._path))
        finally:
            os.umask(before)
        self._listener.listen(MAX_CLIENTS)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, hang up on all clients and take the socket file away."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._thread.is_alive():
            self._thread.join(1.0)
        for client in list(self._clients):
            client.hang_up()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if len(self._clients) >= MAX_CLIENTS:
                connection.close()
                continue
            client = _Client(connection, self._post, self._clients.discard)
            self._clients.add(client)
            client.start()


class _Client:
    """One connection: a thread that reads requests, and one that writes, so that a slow reader never holds up the loop."""

    def __init__(self, connection: socket.socket, post: Callable[[Command], None], ended: Callable[[_Client], None]) -> None:
        self._connection = connection
        self._post = post
        self._ended = ended
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._watches: list[Command] = []

    def start(self) -> None:
        """Serve the connection."""
        threading.Thread(target=self._read_all, name="control client", daemon=True).start()
        threading.Thread(target=self._write_all, name="control client", daemon=True).start()

    def hang_up(self) -> None:
        """Write what is due and end the connection."""
        self._outbox.put(None)

    def send(self, message: dict[str, Any]) -> None:
        """Send a line soon; a client that has not read so many lines is dropped."""
        if self._outbox.qsize() > MAX_BEHIND:
            with suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
            return
        self._outbox.put(msgspec.json.encode(message) + b"\n")

    def _read_all(self) -> None:
        try:
            with self._connection.makefile("rb") as lines:
                while line := lines.readline(MAX_LINE + 1):
                    if len(line) > MAX_LINE:
                        self.send(_error(0, f"a request of more than {MAX_LINE} bytes; send it in slices"))
                        break
                    command = _command(line, self.send)
                    if command is not None:
                        if command.name == "watch":
                            self._watches.append(command)
                        self._post(command)
        except OSError:
            pass  # the client went away; what it asked for is answered into the void
        for watch in self._watches:
            self._post(Command(Request(VERSION, 0, "unwatch", {"observer": watch.observe}), lambda _: None))
        self.hang_up()

    def _write_all(self) -> None:
        with suppress(OSError):
            while (line := self._outbox.get()) is not None:
                self._connection.sendall(line)
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()
        self._ended(self)


def _error(number: int, sentence: str) -> dict[str, Any]:
    return {"v": VERSION, "id": number, "error": sentence}


def _command(line: bytes, send: Callable[[dict[str, Any]], None]) -> Command | None:
    """Return the command on a line; answer what is none."""
    try:
        request = msgspec.json.decode(line, type=Request)
    except msgspec.MsgspecError as error:
        send(_error(0, f"not a request: {error}"))
        return None
    if request.v != VERSION:
        send(_error(request.id, f"version {request.v} is not spoken here; this is version {VERSION}"))
        return None
    return Command(request, send)


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
            if answer.get("id") == self._id:
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
