"""Word to systemd: ready, status in plain words, and the watchdog's sign of life (sd_notify(3))."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


class Notifier:
    """Sends datagrams to `$NOTIFY_SOCKET`; without one it does nothing."""

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        environment = dict(os.environ) if environment is None else environment
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._status = ""
        self.watchdog_s: float | None = None
        """Half the watchdog's time, None when nobody watches."""
        if environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid()) and "WATCHDOG_USEC" in environment:
            self.watchdog_s = int(environment["WATCHDOG_USEC"]) / 2_000_000

    def ready(self) -> None:
        """Say that the ledger is open and the lanes are supervised."""
        self._send("READY=1")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the end is near."""
        self._send("STOPPING=1")

    def more_time(self, seconds: int) -> None:
        """Ask for so much more time before READY."""
        self._send(f"EXTEND_TIMEOUT_USEC={seconds * 1_000_000}")

    def status(self, words: str) -> None:
        """Say how things stand, when it has changed."""
        if words != self._status:
            self._status = words
            self._send(f"STATUS={words}")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        # Nobody listening is no reason to close the café.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to_systemd:
            to_systemd.connect(self._address)
            to_systemd.send(message.encode())
