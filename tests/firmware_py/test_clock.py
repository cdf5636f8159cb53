from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from firmware_py.clock import EARLIEST_MS, Clock, boot_id, wall_time

STOCKHOLM = ZoneInfo("Europe/Stockholm")


def test_a_boot_has_the_kernels_id() -> None:
    assert boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    assert Clock(STOCKHOLM, None).now().boot_id == boot_id()


def test_durations_are_boot_time() -> None:
    clock = Clock(STOCKHOLM, None, "boot")
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    now = clock.now().boot_ms
    assert before <= now <= clock.now().boot_ms <= time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def test_the_wall_clock_is_believed_once_it_was_synchronised_and_then_for_good(tmp_path: Path) -> None:
    synchronised = tmp_path / "synchronized"
    clock = Clock(STOCKHOLM, synchronised, "boot")
    assert clock.now().wall is None
    synchronised.touch()
    assert clock.now().wall is not None
    synchronised.unlink()
    assert clock.now().wall is not None
    assert Clock(STOCKHOLM, synchronised, "boot").now().wall is None


def test_day_and_minute_are_the_venues() -> None:
    for name in ("Europe/Stockholm", "Pacific/Kiritimati", "Pacific/Pago_Pago"):
        zone = ZoneInfo(name)
        wall = Clock(zone, None, "boot").now().wall
        assert wall is not None
        assert abs(wall.utc_ms - time.time() * 1000) < 60_000
        local = datetime.fromtimestamp(wall.utc_ms / 1000, UTC).astimezone(zone)
        assert wall.local_day == (local.date() - date(1970, 1, 1)).days
        assert wall.local_minute == local.hour * 60 + local.minute


def test_a_clock_that_stands_in_1970_is_not_believed_whoever_trusts_it() -> None:
    assert wall_time(datetime(1970, 1, 1, 0, 3, tzinfo=UTC), STOCKHOLM) is None
    earliest = datetime.fromtimestamp(EARLIEST_MS / 1000, UTC)
    assert wall_time(earliest - timedelta(milliseconds=1), STOCKHOLM) is None
    wall = wall_time(earliest, STOCKHOLM)
    assert wall is not None
    assert wall.utc_ms == EARLIEST_MS
