"""A real PostgreSQL of its own for a test, from Debian's `postgresql`, on a Unix socket; it can be killed and started again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from pwd import getpwnam
from types import TracebackType
from typing import Self

OWNER = "fikatap_owner"
ROLE = "fikatap"
NAME = "fikatap"
PORT = 5432
"""Only a part of the socket's name."""
START_S = 60


def programs() -> Path:
    """Return the folder of the newest installed server's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda each: float(each.parts[4]))
    assert found, "PostgreSQL is not installed; apt-get install postgresql"
    return found[-1].parent


class Postgres:
    """A server with an empty database, its owner, and a role that owns nothing; gone at the end."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="fikatap-pg-", dir="/tmp"))  # the socket's path must be short
        self._data = self._folder / "data"
        self._programs = programs()
        # The server refuses to run as root.
        self._user = getpwnam("postgres").pw_name if os.getuid() == 0 else None
        if self._user is not None:
            shutil.chown(self._folder, self._user)
        self._run("initdb", "--pgdata", self._data, "--auth=trust", "--username=super", "--encoding=UTF8", "--no-sync")
        self.start()
        self.sql(f"CREATE ROLE {OWNER} LOGIN; CREATE ROLE {ROLE} LOGIN", database="postgres")
        self.sql(f"CREATE DATABASE {NAME} OWNER {OWNER}", database="postgres")

    def url(self, role: str = ROLE) -> str:
        """Return the database's URL for a role."""
        return f"postgresql://{role}@/{NAME}?host={self._folder}&port={PORT}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = f"-k {self._folder} -p {PORT} -c listen_addresses= -c max_connections=100 -c shared_buffers=64MB"
        log = self._folder / "log"
        until = time.monotonic() + START_S
        while True:
            try:
                self._run(
                    *("pg_ctl", "start", "--pgdata", self._data, "--wait", f"--timeout={START_S}", "--log", log),
                    *("--options", options),
                )
            except AssertionError:
                # Until the system let go of the killed ones and of their shared memory, the server refuses to start.
                if time.monotonic() > until:
                    raise
            else:
                return

    def pids(self) -> list[int]:
        """Return the ids of the server and its processes, the server's first."""
        server = int((self._data / "postmaster.pid").read_text().splitlines()[0])
        return [server, *(pid for pid, parent, _ in _processes() if parent == server)]

    def kill(self) -> None:
        """Kill the server and all its processes at once, as a crash does; what it wrote stays with the system."""
        os.kill(self.pids()[0], signal.SIGSTOP)  # it forks no more
        pids = self.pids()
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while any(pid in pids and state != "Z" for pid, _, state in _processes()):
            pass  # their shared memory is in use until they are gone

    def sql(self, command: str, *, role: str = "super", database: str = NAME) -> str:
        """Run SQL as a role (a superuser, when none is named) and return what psql prints."""
        return self._run(
            "psql",
            *("--host", self._folder, "--port", str(PORT), "--username", role, "--dbname", database),
            *("--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1", "--command", command),
        )

    def close(self) -> None:
        """Stop the server and take everything away."""
        with suppress(AssertionError):  # it may have been killed
            self._run("pg_ctl", "stop", "--pgdata", self._data, "--mode=immediate")
        shutil.rmtree(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _run(self, program: str, *arguments: str | Path) -> str:
        command = [str(self._programs / program), *map(str, arguments)]
        out = self._folder / "out"
        # Into a file: a server that goes on would hold a pipe open.
        with out.open("w") as file:
            done = subprocess.run(
                command, user=self._user, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
            )
        printed = out.read_text()
        assert done.returncode == 0, f"{program} failed with {done.returncode}: {printed}"
        return printed


def _processes() -> Iterator[tuple[int, int, str]]:
    """Yield id, parent and state of all processes."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = status.read_text().rpartition(")")[2].split()[:2]
            yield int(status.parent.name), int(parent), state
