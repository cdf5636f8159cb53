"""The second journal: each change of the ledger once more, appended to a file on another medium, to be done again from there.

A file is a line of text, then records. A record is the length of its body and the CRC-32 of length and body, 4 bytes each, the
least byte first, then the body: a `Change` as MessagePack. What a power cut left half written is told by the checksum.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from struct import Struct as Layout

import msgspec
from msgspec import Struct

from firmware_py.files import sync_folder

MAGIC = b"fikatap journal 1\n"
LARGEST = 16_000_000
"""Bytes in a body: more is no length but damage. Fifty members at once are some 20 kB."""
_HEAD = Layout("<II")


class Change(Struct, frozen=True, array_like=True):
    """One transaction of the ledger, as SQLite's session extension tells it.

    `number` counts the transactions of a ledger, on through all its incarnations. `patch` is a patchset: for each row its key
    and its new values. `utc_ms` is when, where that was known. After one that `erases`, what was written before must go.
    """

    incarnation: str
    number: int
    utc_ms: int | None
    patch: bytes
    erases: bool = False


_encode = msgspec.msgpack.Encoder().encode
_CHANGE = msgspec.msgpack.Decoder(Change)


class JournalFile:
    """A new file of the journal, for appending; raises OSError, after which it is to be closed and another one begun."""

    def __init__(self, path: Path) -> None:
        # O_DSYNC: a write returns when its bytes, and the length that is needed to find them, are on the medium.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_DSYNC | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)
        try:
            self._write(MAGIC)
            sync_folder(path.parent)
        except BaseException:
            self.close()
            raise

    def append(self, change: Change) -> None:
        """Add a change; it is on the medium when this returns."""
        self._write(record(change))

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._descriptor, data) :]

    def close(self) -> None:
        """Close the file; may be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def record(change: Change) -> bytes:
    """Return a change as it stands in the file."""
    body = _encode(change)
    return _HEAD.pack(len(body), _checksum(body)) + body


def read(path: Path) -> Iterator[Change]:
    """Yield the changes in a file up to its end, or to what is damaged or half written; raise OSError."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            length, checksum = _HEAD.unpack(head)
            if length > LARGEST:
                return
            body = file.read(length)
            if len(body) < length or _checksum(body) != checksum:
                return
            try:
                yield _CHANGE.decode(body)
            except msgspec.DecodeError:
                return  # whole, but nothing that this program wrote


def _checksum(body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(len(body).to_bytes(4, "little")))
