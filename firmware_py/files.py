"""Files that must be whole after a power cut."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file so that after a power cut either the old one or the new one is there; raise OSError when it can't be."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    put_in_place(part, path)


def put_in_place(part: Path, path: Path) -> None:
    """Rename a finished and synced file to its own name, and sync the folder, so that the name too survives."""
    part.replace(path)
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """See that what was written to a file survives a power cut; raise OSError."""
    _sync(path, os.O_RDONLY)


def sync_folder(folder: Path) -> None:
    """See that the names in a folder survive a power cut; raise OSError."""
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
