"""A disk under SQLite that counts syncs and that a test can make full or broken: a VFS of apsw over the real one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import apsw

NAME, REAL = "disk", "unix"


class Disk(apsw.VFS):
    """The disk. `synced` lists the names of synced files.

    `fault` is raised by each write to a file whose name ends with `fault_at`, `sync_fault` by each sync.
    """

    def __init__(self) -> None:
        super().__init__(NAME, REAL)
        self.synced: list[str] = []
        self.fault: type[apsw.Error] | None = None
        self.fault_at = ""
        self.sync_fault: type[apsw.Error] | None = None

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> _File:  # noqa: N802 - apsw's name
        return _File(self, name, flags)

    def excepthook(self, *_: object) -> bool:  # the exception itself is what tests look at
        return True


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__(REAL, name, flags)
        self._disk = disk
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 - ditto
        if self._disk.fault is not None and self._name.endswith(self._disk.fault_at):
            raise self._disk.fault
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802 - ditto
        self._disk.synced.append(self._name)
        if self._disk.sync_fault is not None:
            raise self._disk.sync_fault
        super().xSync(flags)

    def excepthook(self, *_: object) -> bool:  # ditto
        return True


@contextmanager
def simulated_disk() -> Iterator[Disk]:
    """Put the disk under all databases that are opened meanwhile."""
    disk = Disk()
    apsw.set_default_vfs(NAME)
    try:
        yield disk
    finally:
        apsw.set_default_vfs(REAL)
        disk.unregister()
