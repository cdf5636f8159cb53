"""What time it is, and how far that can be trusted: boot id, time since boot, wall clock."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from kiosk.values import Now, WallTime

_EPOCH = date(1970, 1, 1).toordinal()
EARLIEST_MS = 1_704_067_200_000
"""The beginning of 2024, in milliseconds since 1970: a clock that is before it was never set, whoever trusts it."""


def boot_id() -> str:
    """Return the kernel's id of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def said_now() -> datetime:
    """Return what the wall clock says, right or wrong: for certificates and demonstrations, never for the door's rules."""
    return datetime.now(UTC)


class Clock:
    """Tells the moment.

    The wall clock is believed only once `synchronised` exists, or always when that is None; never while it is before
    `EARLIEST_MS`, as after a start without a clock that runs on.
    """

    def __init__(self, timezone: ZoneInfo, synchronised: Path | None, boot: str | None = None) -> None:
        self._timezone = timezone
        self._synchronised = synchronised
        self._boot_id = boot or boot_id()
        self._trusted = False

    @property
    def timezone(self) -> str:
        """The venue's time zone, by its name."""
        return self._timezone.key

    def now(self) -> Now:
        """Return this moment."""
        boot_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
        return Now(self._boot_id, boot_ms, wall_time(said_now(), self._timezone) if self._is_trusted() else None)

    def _is_trusted(self) -> bool:
        # Once synchronised the kernel keeps the time for the rest of this boot.
        self._trusted = self._trusted or self._synchronised is None or self._synchronised.exists()
        return self._trusted


def wall_time(utc: datetime, timezone: ZoneInfo) -> WallTime | None:
    """Return a moment of the wall clock as the door knows it; None when it is before `EARLIEST_MS`."""
    utc_ms = int(utc.timestamp() * 1000)
    if utc_ms < EARLIEST_MS:
        return None
    local = utc.astimezone(timezone)
    return WallTime(
        utc_ms=utc_ms,
        local_day=local.toordinal() - _EPOCH,
        local_minute=local.hour * 60 + local.minute,
    )
