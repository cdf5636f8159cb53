"""When things happened, as the view `timed_events` tells it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

import firmware_py
from firmware_py.ledger import CLOCK_STEP_MS, Ledger
from kiosk.events import TimePassed
from kiosk.values import Now, WallTime

UTC_MS = 1_800_000_000_000


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger.open(tmp_path / "ledger.db")
    yield ledger
    ledger.close()


def happen(ledger: Ledger, boot: str, boot_ms: int, utc_ms: int | None = None) -> None:
    ledger.commit(TimePassed(), [], Now(boot, boot_ms, None if utc_ms is None else WallTime(utc_ms, 20_833, 600)), 0)


def timed(ledger: Ledger) -> list[tuple[int, int | None]]:
    """Return for each event whether its time was trusted then, and the time that is known of it now."""
    other = apsw.Connection(str(ledger.path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return list(other.execute("SELECT trusted, utc_ms FROM timed_events ORDER BY seq"))
    finally:
        other.close()


def test_what_came_before_the_time_was_known_gets_it_later_and_other_boots_do_not(ledger: Ledger) -> None:
    happen(ledger, "one", 1_000)
    happen(ledger, "two", 500)
    happen(ledger, "two", 2_500)
    happen(ledger, "two", 5_000, UTC_MS)
    assert timed(ledger) == [(0, None), (0, UTC_MS - 4_500), (0, UTC_MS - 2_500), (1, UTC_MS)]


def test_a_clock_that_is_put_right_later_puts_right_what_was_worked_out_by_it(ledger: Ledger) -> None:
    happen(ledger, "one", 500)
    happen(ledger, "one", 1_000, UTC_MS)
    happen(ledger, "one", 2_000, UTC_MS + 1_000 + 3_600_000)
    assert timed(ledger)[0] == (0, UTC_MS + 3_600_000 - 500)
    assert timed(ledger)[1] == (1, UTC_MS), "what was written down as trusted stays as it was"


def test_a_correction_survives_a_restart_in_the_same_boot(ledger: Ledger) -> None:
    happen(ledger, "one", 500)
    happen(ledger, "one", 1_000, UTC_MS)
    ledger.reopen()
    happen(ledger, "one", 2_000, UTC_MS + 1_000 + 3_600_000)
    assert timed(ledger)[0] == (0, UTC_MS + 3_600_000 - 500)


def test_a_clock_that_is_only_slewed_is_not_written_anew(ledger: Ledger) -> None:
    happen(ledger, "one", 500)
    happen(ledger, "one", 1_000, UTC_MS)
    happen(ledger, "one", 2_000, UTC_MS + 1_000 + CLOCK_STEP_MS)
    assert timed(ledger)[0] == (0, UTC_MS - 500)


def test_a_failed_commit_does_not_count_as_a_correction(ledger: Ledger) -> None:
    happen(ledger, "one", 500)
    ledger._connection.pragma("query_only", 1)
    with pytest.raises(Exception, match="read-only"):
        happen(ledger, "one", 1_000, UTC_MS)
    ledger._connection.pragma("query_only", 0)
    happen(ledger, "one", 1_000, UTC_MS)
    assert timed(ledger)[0] == (0, UTC_MS - 500)


def test_the_wall_clock_is_read_in_one_place() -> None:
    """Everything else is handed the moment, or measures by clocks that nobody sets."""
    asks = re.compile(r"\btime\.time\(|\bdatetime\.(now|today|utcnow)\(|\bdate\.today\(|CLOCK_REALTIME")
    root = Path(firmware_py.__path__[0]).parent
    found = {
        path.relative_to(root).as_posix()
        for package in ("kiosk", "drivers", "firmware_py")
        for path in (root / package).rglob("*.py")
        # The shared service is a server of its own, whose clock is set by its network.
        if not {"matching_service", "matching.py"} & set(path.parts) and asks.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"firmware_py/clock.py"}
