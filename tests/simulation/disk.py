"""A disk with a volatile cache under SQLite: a power cut takes away a random part of what was not synced."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import apsw

NAME, REAL = "volatile", "unix"


class PowerCut(BaseException):
    """The power went while the program ran; nothing may catch this but the world."""


class Unsynced:
    """What was written to one file since its last sync: how to undo it, and what it was."""

    def __init__(self) -> None:
        self.writes: list[tuple[int, bytes, bytes]] = []
        """Offset, what was there before (shorter at the file's end), what was written; an empty one is a cut to the offset."""


class VolatileDisk(apsw.VFS):
    """The disk of one process. `world` is asked before and after each sync; `fault` is raised by each write."""

    def __init__(self) -> None:
        super().__init__(NAME, REAL)
        self._unsynced: dict[str, Unsynced] = {}
        self.dead: BaseException | None = None
        """How the process ended: what its connections still write while they are closed goes nowhere, and it opens nothing."""
        self.elsewhere = "/dev/null/"
        """What lies in this folder is on another disk: no fault of this one hits it."""
        self.fault: type[apsw.Error] | None = None
        self.sync_fault: type[apsw.Error] | None = None
        self.synced: Callable[[str], None] = lambda _: None
        """Called with "before" and "after" around each sync."""

    def new(self) -> None:
        """Start with an empty cache and power."""
        self._unsynced.clear()
        self.dead = None
        self.fault = self.sync_fault = None

    def die(self, end: BaseException) -> None:
        """Take no more from this process."""
        self.dead = end

    def unsynced(self, name: str) -> Unsynced:
        """Return what is in the cache for a file."""
        if name not in self._unsynced:
            self._unsynced[name] = Unsynced()
        return self._unsynced[name]

    def cut(self, rng: Random) -> None:
        """Lose what is in the cache; all connections must be closed."""
        for name, cache in self._unsynced.items():
            path = Path(name)
            if not path.exists():
                continue
            with path.open("r+b") as file:
                for offset, before, data in reversed(cache.writes):
                    file.seek(offset)
                    file.write(before)
                    if len(before) < len(data):
                        file.truncate(offset + len(before))
                # The card kept some of it, in any order.
                for offset, _, data in cache.writes:
                    if not data:
                        file.truncate(offset)
                    elif rng.random() < 0.5:
                        file.seek(offset)
                        file.write(data)
        for name in list(self._unsynced):
            Path(f"{name.removesuffix('-wal')}-shm").unlink(missing_ok=True)
        self.new()

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> _File:  # noqa: N802 - apsw's name
        if self.dead is not None:
            # Of an end that comes in a commit `with connection` makes an error of SQLite's, after which a program would go on.
            raise self.dead
        return _File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 - ditto
        if self.dead is None:
            self._unsynced.pop(filename, None)
            super().xDelete(filename, syncdir)

    def excepthook(self, *_: object) -> bool:  # the exception itself is what is looked at
        return True


class _File(apsw.VFSFile):
    def __init__(self, disk: VolatileDisk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__(REAL, name, flags)
        self._disk = disk
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        self._here = not self._name.startswith(disk.elsewhere)

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 - ditto
        disk = self._disk
        if disk.dead is not None:
            return
        if disk.fault is not None and self._here:
            raise disk.fault
        there = min(len(data), self.xFileSize() - offset)
        before = self.xRead(there, offset) if there > 0 else b""
        disk.unsynced(self._name).writes.append((offset, before, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - ditto
        if self._disk.dead is not None:
            return
        size = self.xFileSize()
        if newsize < size:
            self._disk.unsynced(self._name).writes.append((newsize, self.xRead(size - newsize, newsize), b""))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: ARG002, N802 - ditto
        disk = self._disk
        if disk.dead is not None:
            return
        if disk.sync_fault is not None and self._here:
            raise disk.sync_fault
        disk.synced("before")
        disk.unsynced(self._name).writes.clear()
        disk.synced("after")

    def excepthook(self, *_: object) -> bool:  # ditto
        return True


_disk: VolatileDisk | None = None


def volatile_disk() -> VolatileDisk:
    """Return the process's volatile disk, under every database that is opened from now on."""
    global _disk  # noqa: PLW0603 - SQLite's default file system is the process's, too
    if _disk is None:
        _disk = VolatileDisk()
        apsw.set_default_vfs(NAME)
    return _disk


def in_memory() -> str | None:
    """Return the folder in memory where there is one: what counts as synced is decided here, not by the machine's disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
