from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import apsw
import pytest

from firmware_py.database import open_for_reading
from firmware_py.ledger import KeptFault
from firmware_py.terminal.faults import faults
from firmware_py.terminal.supervise import Fault, Health
from kiosk.signals import Signal
from kiosk.values import Cause
from tests.firmware_py.ledgers import EPOCH_MS, at
from tests.firmware_py.terminal.harness import PATIENCE_S, Door
from tests.rigs.disk import simulated_disk

READER = "reader door"


def lose(door: Door) -> None:
    """Pull the reader's plug, and wait until that is noticed."""
    door.reader.unplug()
    door.until_health(READER, Health.DOWN)


def give_back(door: Door) -> None:
    door.reader.plug()
    door.until_health(READER, Health.UP)


def listed(door: Door) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = door.call("faults.list")
    return found


def test_the_history_outlives_a_restart_and_a_fault_that_lasted_is_until_the_restart(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        lose(door)
        give_back(door)
        lose(door)
        assert [each["ended"] for each in listed(door)] == ["lasts", "over"]
    with Door(tmp_path, wait=False) as door:
        door.until_health(READER, Health.DOWN)
        now, before, first = listed(door)
        assert [each["ended"] for each in (now, before, first)] == ["lasts", "restart", "over"]
        assert (now["until_s"], before["until_s"], before["lasted_s"]) == (None, None, None)
        assert first["from_s"] >= before["from_s"] >= now["from_s"] >= 0
        assert first["utc_ms"] <= before["utc_ms"] <= now["utc_ms"]
        assert before["trouble"] == "the card reader was unplugged; plug it in"
        give_back(door)


def test_a_fault_is_kept_at_once_and_not_only_at_the_end(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        lose(door)
        other = open_for_reading(door.config.ledger.path)
        until = time.monotonic() + PATIENCE_S
        while not other.execute("SELECT device FROM faults").fetchall():
            assert time.monotonic() < until
            door.call("status")
        other.close()
        give_back(door)


def test_a_full_disk_is_no_reason_to_close_the_door_for_a_fault(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with simulated_disk() as disk, Door(tmp_path) as door:
        disk.fault, disk.fault_at = apsw.FullError, "-wal"
        lose(door)
        until = time.monotonic() + PATIENCE_S
        while "the fault history can't be stored" not in caplog.text:
            assert time.monotonic() < until
            door.call("status")
        assert door.call("status")["stores"]
        disk.fault = None
        give_back(door)
        door.tap(1)
        door.until_answered(Signal.WELCOME)
        assert Signal.TELL_STAFF not in door.answers()
    with Door(tmp_path) as door:
        assert [each["device"] for each in listed(door)] == [READER]


def test_damage_that_shows_at_a_fault_is_dealt_with_as_any_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with simulated_disk() as disk, Door(tmp_path) as door:
        disk.fault, disk.fault_at = apsw.CorruptError, "-wal"
        lose(door)
        door.until_holds(lambda: not door.call("status")["stores"], "it goes on")
        disk.fault = None
        assert "nothing can be stored, check-ins are refused" in caplog.text
        assert "there is no second medium" in caplog.text


def test_a_fault_in_words_that_are_no_text_is_kept_all_the_same() -> None:
    (told,) = faults(at(5), [Fault("printer", "a printer", "it sent \udcff", 1_000, 2_000)])
    assert told["trouble"] == "it sent ?"


def test_the_days_longest_queue_outlives_a_restart(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        door.printer.paper_out()
        door.until_printer(Cause.PAPER_OUT)
        door.tap(1, 2, 3)
        door.until_answered(Signal.WELCOME_NO_BADGE, 3)
        while (longest := door.call("figures.evening")["longest_queue"]) < 3:
            pass
        door.printer.paper_in()
    with Door(tmp_path) as door:
        until = time.monotonic() + PATIENCE_S
        while door.call("figures.evening")["longest_queue"] != longest:
            assert time.monotonic() < until


OVER = KeptFault(1, "printer", "", "it is gone", "boot-1", 5_000, 65_000, EPOCH_MS + 5_000)


@pytest.mark.parametrize(
    ("fault", "now", "times"),
    [
        (OVER, at(3_605, boot="boot-2"), (3_600, 3_540, 60, EPOCH_MS + 5_000)),
        # A clock that is not trusted now, or was not then, says nothing of how long ago it was.
        (OVER, at(3_605, boot="boot-2", trusted=False), (None, None, 60, EPOCH_MS + 5_000)),
        (OVER._replace(utc_ms=None), at(3_605, boot="boot-2"), (None, None, 60, None)),
        # In the same boot it needs no clock.
        (OVER._replace(utc_ms=None), at(3_605, trusted=False), (3_600, 3_540, 60, None)),
        # One that was put back meanwhile makes no time to come of it.
        (OVER, at(1, boot="boot-2"), (0, 0, 60, EPOCH_MS + 5_000)),
        (OVER._replace(until_ms=None), at(3_605, boot="boot-2"), (3_600, None, None, EPOCH_MS + 5_000)),
    ],
)
def test_the_time_of_a_fault_before_the_restart_is_told_as_far_as_it_is_known(fault: KeptFault, now: Any, times: Any) -> None:
    (told,) = faults(now, (), (fault,))
    assert tuple(told[key] for key in ("from_s", "until_s", "lasted_s", "utc_ms")) == times
    assert told["ended"] == ("restart" if fault.until_ms is None else "over")
