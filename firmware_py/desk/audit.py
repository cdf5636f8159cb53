"""The desk's audit trail: who did what, when, and what came of it; lines of JSON that are only added to, in a few files."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from firmware_py.clock import Clock
from firmware_py.files import sync_folder

LONGEST_FILE = 1 << 20
"""A file that is longer gives way to a new one: some 8,000 deeds."""
OLD_FILES = 5
"""So many full files are kept beside the one that is written."""


class Deed(Struct, frozen=True, kw_only=True):
    """One thing done at the desk. `about` names a member, visit, card or job by id; `utc_ms` is None while no time is known."""

    boot_id: str
    boot_ms: int
    utc_ms: int | None
    who: str
    """Name of the person, empty for somebody who did not get in."""
    address: str
    did: str
    """The command's word, such as `cards.block` or `log_in`."""
    about: str = ""
    refused: str = ""
    """Why it was not done; empty when it was."""


class Audit:
    """The trail in its files, the newest at `path`. Written by one program, from any of its threads."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()

    def note(self, who: str, address: str, did: str, about: str = "", refused: str = "") -> None:
        """Write a deed down, so that it survives a power cut; raise OSError when that can't be."""
        now = self._clock.now()
        deed = Deed(
            boot_id=now.boot_id,
            boot_ms=now.boot_ms,
            utc_ms=None if now.wall is None else now.wall.utc_ms,
            who=who,
            address=address,
            did=did,
            about=about,
            refused=refused,
        )
        with self._lock:
            self._append(msgspec.json.encode(deed))

    def _append(self, line: bytes) -> None:
        self._make_room()
        is_new = not self._path.exists()
        descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            # What a power cut left of a line must not spoil this one.
            torn = (size := file.seek(0, os.SEEK_END)) and (file.seek(size - 1), file.read(1))[1] != b"\n"
            file.write((b"\n" if torn else b"") + line + b"\n")
            os.fsync(file.fileno())
        if is_new:
            sync_folder(self._path.parent)

    def deeds(self) -> Iterator[Deed]:
        """Yield what was done, the latest first; lines that a power cut tore are passed over."""
        for path in (self._path, *(self._old(age) for age in range(1, OLD_FILES + 1))):
            if not path.exists():
                return
            for line in reversed(path.read_bytes().splitlines()):
                try:
                    yield msgspec.json.decode(line, type=Deed)
                except msgspec.DecodeError:
                    continue

    def _make_room(self) -> None:
        if not self._path.exists() or self._path.stat().st_size < LONGEST_FILE:
            return
        for age in range(OLD_FILES - 1, 0, -1):
            if self._old(age).exists():
                self._old(age).replace(self._old(age + 1))
        self._path.replace(self._old(1))

    def _old(self, age: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{age}")
