"""Tries what the terminal's unit forbids, and prints one JSON object of errors by name; run inside the unit's walls.

Only Python's own library: it runs on the box's own Python.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path


def _tried(action: Callable[[], object]) -> str:
    try:
        action()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "allowed"


def _send(address: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", (address, 9))


def _socket(family: int, kind: int) -> None:
    socket.socket(family, kind).close()


def _unshare() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x10000000) != 0:  # CLONE_NEWUSER
        raise OSError(ctypes.get_errno(), "unshare")


def main() -> None:
    """Try it all."""
    open_folder, fuse, line, named, unnamed = sys.argv[1:]
    tried = {
        "a forbidden device": lambda: os.close(os.open(fuse, os.O_RDWR)),
        "an allowed device": lambda: os.close(os.open(line, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)),
        "a write outside": lambda: Path(open_folder, "new").write_text("x"),
        "a write into its state": lambda: Path(os.environ["STATE_DIRECTORY"], "new").write_text("x"),
        "another's home": lambda: list(Path("/home").iterdir()),
        "a local socket": lambda: _socket(socket.AF_UNIX, socket.SOCK_STREAM),
        "an internet socket": lambda: _socket(socket.AF_INET, socket.SOCK_STREAM),
        "a raw packet socket": lambda: _socket(socket.AF_PACKET, socket.SOCK_DGRAM),
        "a named address": lambda: _send(named),
        "an unnamed address": lambda: _send(unnamed),
        "memory to write and run": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close(),
        "a hurry": lambda: os.nice(-1),
        "a gift": lambda: os.chown(os.environ["STATE_DIRECTORY"], 0, 0),
        "a user namespace": _unshare,  # last: in one, nothing is allowed
    }
    found = {name: _tried(action) for name, action in tried.items()}
    found["others' processes"] = "seen" if Path("/proc/1").exists() else "hidden"
    found["user"] = str(os.getuid())
    print(json.dumps(found))


if __name__ == "__main__":
    main()
