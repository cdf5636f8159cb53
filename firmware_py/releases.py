"""The release that runs, and the mark by which the machine knows that it works (docs/updates.md)."""

from __future__ import annotations

import logging
import shutil
import sys
from pathlib import Path

from firmware_py.files import write_whole

log = logging.getLogger("fikatap")

HEALTHY_AFTER_MS = 300_000
"""So long a release is READY without a break before it counts as healthy."""
MARKS = "releases"
"""The folder beside the ledger that holds the marks."""
BEFORE_UPDATE = "before-update"
"""The folder beside the ledger with the copy that an update makes of it first."""


def running_release(prefix: Path = Path(sys.prefix)) -> str | None:
    """Return the version of the installed release that this program belongs to; None for a checkout."""
    home = prefix.resolve()
    return home.name if home.parent.name == "releases" else None


class HealthMark:
    """The mark of a healthy release in the folder of the ledger; it does nothing where `release` is None."""

    def __init__(self, ledger: Path, release: str | None) -> None:
        self._release = release
        self._folder = ledger.parent
        self._since_ms: int | None = None
        self._done = release is None or self.path.exists()

    @property
    def path(self) -> Path:
        """Where the mark is; that it exists is what counts."""
        return self._folder / MARKS / f"{self._release}.healthy"

    def look(self, now_ms: int, boot_id: str, *, well: bool) -> None:
        """Set the mark when all has been well for long enough; a disk that does not take it is no reason to stop."""
        if self._done:
            return
        if not well:
            self._since_ms = None
            return
        if self._since_ms is None:
            self._since_ms = now_ms
        if now_ms - self._since_ms < HEALTHY_AFTER_MS:
            return
        self._done = True
        try:
            self.path.parent.mkdir(mode=0o700, exist_ok=True)
            write_whole(self.path, f"READY for {(now_ms - self._since_ms) // 1000} s in boot {boot_id}\n".encode())
        except OSError as error:
            log.warning("%s can't be written: %s", self.path, error.strerror)
            return
        # It held everybody who was a member then, and is of no more use.
        shutil.rmtree(self._folder / BEFORE_UPDATE, ignore_errors=True)
