"""The matching service as it really runs: `fikatap matching serve` in processes of its own, on SQLite or PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from urllib.error import URLError

from firmware_py.matching_service import administration, certificates
from firmware_py.matching_service.database import Database
from firmware_py.matching_service.identity import Identity
from firmware_py.matching_service.roster import take_members
from firmware_py.matching_service.serve import DATABASE
from kiosk.values import Member
from tests.rigs.postgres import OWNER, ROLE, Postgres

READY_S = 60
CHAIN = "kaffe"
FIKATAP = [sys.executable, "-c", "import sys; from firmware_py.cli import main; sys.exit(main())"]
T = TypeVar("T")


class RunningService:
    """Some processes of the service, each at an address of its own in `urls`; started by `start`, gone at the end.

    Without a PostgreSQL they share a SQLite file in `folder`. With `tls`, `authority` is the file that a client trusts.
    Each has `workers` processes of its own at its address.
    """

    def __init__(
        self, folder: Path, postgres: Postgres | None = None, *, processes: int = 1, tls: bool = False, workers: int = 1
    ) -> None:
        self.folder = folder
        self.database = f"sqlite:///{folder}/matching.sqlite" if postgres is None else postgres.url()
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * processes
        self._ports = [_free_port() for _ in range(processes)]
        self.urls = [f"{'https' if tls else 'http'}://127.0.0.1:{port}" for port in self._ports]
        self.authority: Path | None = None
        self._options: list[str] = [f"--processes={workers}"]
        if tls:
            self.authority = certificates.make_authority(folder / "tls", CHAIN)
            certificate, key = certificates.make_service_certificate(folder / "tls", ["127.0.0.1", "localhost"])
            self._options += [f"--tls-certificate={certificate}", f"--tls-key={key}", f"--client-ca={self.authority}"]
        migrate = Database(self.database if postgres is None else postgres.url(OWNER))
        asyncio.run(_closing(migrate, lambda each: each.migrate("" if postgres is None else ROLE)))

    def start(self, *which: int) -> None:
        """Start the processes with these numbers, all by default, and wait until they answer."""
        numbers = which or range(len(self._processes))
        for number in numbers:
            log = (self.folder / f"service-{number}.log").open("ab")
            command = [*FIKATAP, "matching", "serve", f"--listen=127.0.0.1:{self._ports[number]}"]
            with log:
                self._processes[number] = subprocess.Popen(
                    [*command, *self._options], env=os.environ | {DATABASE: self.database}, stdout=log, stderr=log
                )
        for number in numbers:
            self._wait(number)

    def pid(self, number: int = 0) -> int:
        """Return a process's id."""
        process = self._processes[number]
        assert process is not None
        return process.pid

    def kill(self, number: int = 0) -> None:
        """Kill a process at once."""
        self._end(number, signal.SIGKILL)

    def stop(self, number: int = 0) -> None:
        """Stop a process as systemd does."""
        self._end(number, signal.SIGTERM)

    def log(self, number: int = 0) -> str:
        """Return what a process printed."""
        return (self.folder / f"service-{number}.log").read_text()

    def add_venue(self, venue: str, chain: str = CHAIN) -> None:
        """Add a venue."""
        self.administer(lambda database: administration.add_venue(database, chain, venue, venue, "Europe/Stockholm", 240))

    def token(self, venue: str, terminal: str) -> str:
        """Return a new token of a terminal."""
        return self.administer(lambda database: administration.add_token(database, venue, terminal))

    def certificate(self, venue: str, terminal: str, chain: str = CHAIN) -> tuple[Path, Path]:
        """Return the files of certificate and key of a terminal."""
        return certificates.make_terminal_certificate(self.folder / "tls", Identity(chain, venue, terminal))

    def put_members(self, members: Iterable[Member], chain: str = CHAIN) -> None:
        """Take members in; `employer` is a name in clear."""
        people = list(members)
        self.administer(lambda database: take_members(database, chain, people))

    def administer(self, work: Callable[[Database], Awaitable[T]]) -> T:
        """Do something with the database."""
        return asyncio.run(_closing(Database(self.database), work))

    def close(self) -> None:
        """End all processes."""
        for number in range(len(self._processes)):
            self._end(number, signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _end(self, number: int, how: signal.Signals) -> None:
        process, self._processes[number] = self._processes[number], None
        if process is not None:
            process.send_signal(how)
            process.wait(READY_S)

    def _wait(self, number: int) -> None:
        context = None if self.authority is None else ssl.create_default_context(cafile=str(self.authority))
        until = time.monotonic() + READY_S
        while True:
            process = self._processes[number]
            assert process is not None
            assert process.poll() is None, self.log(number)
            try:
                with urllib.request.urlopen(f"{self.urls[number]}/v1/health", timeout=5, context=context):
                    return
            except (URLError, OSError):
                assert time.monotonic() < until, self.log(number)
                time.sleep(0.05)  # nothing else tells when a port opens


async def _closing(database: Database, work: Callable[[Database], Awaitable[T]]) -> T:
    try:
        return await work(database)
    finally:
        await database.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
