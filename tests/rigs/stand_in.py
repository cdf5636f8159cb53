"""Stands in for a terminal on its control socket: says what it is told to say, and notes what it is asked to do."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec


class StandIn:
    """A terminal's line with nobody behind it: `scene` is what it answers to that command, `refuses` what it will not do."""

    def __init__(self, path: Path, scene: dict[str, Any]) -> None:
        self.path = path
        self.scene = scene
        self.refuses: set[str] = set()
        self.asked: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._there = False
        self._watching: list[socket.socket] = []
        self._clients: list[socket.socket] = []

    @contextmanager
    def there(self) -> Iterator[StandIn]:
        """Listen meanwhile; afterwards everybody is hung up on."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(self.path))
        listener.listen()
        self._there = True
        accepting = threading.Thread(target=self._accept, args=(listener,), name="stand-in")
        accepting.start()
        try:
            yield self
        finally:
            with self._changed:
                self._there = False
                for client in (listener, *self._clients):
                    with suppress(OSError):
                        client.shutdown(socket.SHUT_RDWR)
                self._clients.clear()
                self._watching.clear()
            listener.close()
            accepting.join()
            self.path.unlink()

    def say(self, event: dict[str, Any]) -> None:
        """Tell everybody who watches."""
        with self._changed:
            for client in self._watching:
                client.sendall(msgspec.json.encode({"v": 1, "event": event}) + b"\n")

    def change(self, **scene: Any) -> None:
        """Let the scene be another one, and say so."""
        self.scene = {**self.scene, **scene}
        self.say({"kind": "Changed"})

    def until_asked(self, command: str, patience_s: float = 30.0) -> dict[str, Any]:
        """Wait for a command and return its arguments."""
        with self._changed:
            found = self._changed.wait_for(lambda: self._last(command), patience_s)
        assert found, f"nobody asked for {command}"
        arguments: dict[str, Any] = found["with"]
        return arguments

    def _last(self, command: str) -> dict[str, Any] | None:
        return next((each for each in reversed(self.asked) if each["do"] == command), None)

    def _accept(self, listener: socket.socket) -> None:
        serving: list[threading.Thread] = []
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                break
            with self._changed:
                if not self._there:  # it was on its way when everybody was hung up on
                    client.close()
                    break
                self._clients.append(client)
            serving.append(threading.Thread(target=self._serve, args=(client,), name="stand-in client"))
            serving[-1].start()
        for thread in serving:
            thread.join()

    def _serve(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as lines, suppress(OSError):
            for line in lines:
                request = msgspec.json.decode(line, type=dict[str, Any])
                with self._changed:
                    self.asked.append(request)
                    self._changed.notify_all()
                    if request["do"] == "watch":
                        self._watching.append(client)
                        continue
                    client.sendall(msgspec.json.encode({"v": 1, "id": request["id"], **self._answer(request)}) + b"\n")
        with self._changed:
            for those in (self._clients, self._watching):
                if client in those:
                    those.remove(client)

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["do"] in self.refuses:
            return {"error": f"{request['do']} is refused"}
        return {"result": self.scene if request["do"] == "scene" else {}}
