"""A memory card with a volatile cache: a file that is served over FUSE, each write and each flush of which is told.

Spoken to the kernel itself (`struct fuse_in_header` and its friends in <linux/fuse.h>), as the file system is a single file:
its root. A loop device over it turns the file system's cache flushes into fsync, which arrives here.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Self

_IN_HEADER = struct.Struct("=IIQQIIIHH")
_OUT_HEADER = struct.Struct("=IiQ")
_READ_IN = struct.Struct("=QQI")
_WRITE_IN = struct.Struct("=QQIIQII")
_ATTR_OUT = struct.Struct("=QII6Q3I7I")
_INIT_OUT = struct.Struct("=4I2H2I2HI7I")
MAJOR, MINOR = 7, 31
MAX_WRITE = 128 * 1024
BUFFER = MAX_WRITE + 64 * 1024
BIG_WRITES = 1 << 5
FOREVER_S = 1 << 30


class _Do(IntEnum):
    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    OPEN = 14
    READ = 15
    WRITE = 16
    RELEASE = 18
    FSYNC = 20
    FLUSH = 25
    INIT = 26
    INTERRUPT = 36
    DESTROY = 38


class Card:
    """The card's own side; a context manager. `wrote` and `flushed` are told before the kernel hears of it. Needs root.

    `serve` answers one request; call it when `fileno` can be read, and never from a process that uses the card: it would
    wait for itself.
    """

    def __init__(self, data: bytes, wrote: Callable[[int, bytes], None], flushed: Callable[[], None]) -> None:
        self._data = bytearray(data)
        self._wrote = wrote
        self._flushed = flushed
        self._fuse = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Break: whoever still uses the card gets errors, and waits for nothing."""
        os.close(self._fuse)

    def mount(self, at: Path) -> Self:
        """Be the file `at`, which must be there."""
        options = f"fd={self._fuse},rootmode={stat.S_IFREG:o},user_id=0,group_id=0,allow_other"
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"card", os.fsencode(at), b"fuse", 0, options.encode()) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(at))
        return self

    def fileno(self) -> int:
        """Return the descriptor on which the kernel asks."""
        return self._fuse

    def serve(self) -> None:
        """Answer one request."""
        request = os.read(self._fuse, BUFFER)
        _, what, unique, *_ = _IN_HEADER.unpack_from(request)
        if what in (_Do.FORGET, _Do.INTERRUPT):
            return
        try:
            answer, error = self._answer(what, memoryview(request)[_IN_HEADER.size :]), 0
        except OSError as refused:
            answer, error = b"", -(refused.errno or errno.EIO)
        os.write(self._fuse, _OUT_HEADER.pack(_OUT_HEADER.size + len(answer), error, unique) + answer)

    def _answer(self, what: int, request: memoryview) -> bytes:
        match what:
            case _Do.INIT:
                return _INIT_OUT.pack(MAJOR, MINOR, 1 << 20, BIG_WRITES, 12, 9, MAX_WRITE, 1, 0, 0, 0, *[0] * 7)
            case _Do.GETATTR | _Do.SETATTR:
                size, times, mode = len(self._data), (0, 0, 0), stat.S_IFREG | 0o600
                numbers = (mode, 1, 0, 0, 0, 4096, 0)
                return _ATTR_OUT.pack(FOREVER_S, 0, 0, 1, size, size // 512, *times, *times, *numbers)
            case _Do.OPEN:
                return bytes(16)
            case _Do.READ:
                _, offset, size = _READ_IN.unpack_from(request)
                return bytes(self._data[offset : offset + size])
            case _Do.WRITE:
                _, offset, size, *_ = _WRITE_IN.unpack_from(request)
                data = bytes(request[_WRITE_IN.size : _WRITE_IN.size + size])
                self._data[offset : offset + size] = data
                self._wrote(offset, data)
                return struct.pack("=II", size, 0)
            case _Do.FSYNC:
                self._flushed()
                return b""
            case _Do.RELEASE | _Do.FLUSH | _Do.DESTROY:
                return b""
            case _:
                raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
