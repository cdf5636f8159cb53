from __future__ import annotations

import time
from pathlib import Path

import apsw
import pytest

from firmware_py.database import BUSY_MS, OLDEST, STEPS, migrate
from firmware_py.ledger import MOST_FAULTS, KeptFault, Ledger, LedgerError
from tests.firmware_py.ledgers import EPOCH_MS, at, check_in, person
from tests.rigs.disk import simulated_disk


def fault(number: int, until_ms: int | None = None, *, id: int | None = None, utc_ms: int | None = None) -> KeptFault:  # noqa: A002 - the field's name
    return KeptFault(id, "printer", "a printer", f"trouble {number}", "boot-1", number * 1000, until_ms, utc_ms)


def test_a_fault_is_kept_at_its_begin_and_again_at_its_end(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    (number,) = ledger.keep([fault(1, utc_ms=EPOCH_MS)], (0, 0))
    assert ledger.keep([fault(1, 5_000, id=number), fault(2)], (20_000, 7)) == [number, number + 1]
    ledger.close()
    again = Ledger.open(tmp_path / "ledger.db")
    assert again.faults() == [fault(2, id=number + 1), fault(1, 5_000, id=number, utc_ms=EPOCH_MS)]
    assert again.longest_queue() == (20_000, 7)
    again.close()


def test_the_latest_faults_are_kept(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    for begin in range(0, MOST_FAULTS + 50, 50):
        ledger.keep([fault(number) for number in range(begin, begin + 50)], (0, 0))
    assert [each.from_ms // 1000 for each in ledger.faults()] == list(range(MOST_FAULTS + 49, 49, -1))
    ledger.close()


def test_a_time_that_was_trusted_later_in_the_same_boot_says_when_a_fault_was(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    ledger.put_members([person(1)])
    ledger.keep([fault(3)], (0, 0))
    check_in(ledger, 1, 1, at(10, boot="boot-2"))
    assert ledger.faults()[0].utc_ms is None
    check_in(ledger, 2, 1, at(10))
    assert ledger.faults()[0].utc_ms == EPOCH_MS + 3_000
    ledger.close()


def test_a_fault_that_can_not_be_kept_harms_nothing(tmp_path: Path) -> None:
    with simulated_disk() as disk:
        ledger = Ledger.open(tmp_path / "ledger.db")
        ledger.put_members([person(1)])
        disk.fault = apsw.FullError
        with pytest.raises(LedgerError):
            ledger.keep([fault(1)], (0, 0))
        disk.fault = None
        ledger.reopen()
        check_in(ledger, 1, 1)
        assert (ledger.faults(), len(ledger.started().visits)) == ([], 1)
        ledger.close()


def test_somebody_else_who_writes_is_not_waited_for(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    other = apsw.Connection(str(tmp_path / "ledger.db"))
    other.execute("BEGIN IMMEDIATE")
    ledger._connection.set_busy_timeout(20 * BUSY_MS)  # far longer than a machine that is only slow takes
    began = time.monotonic()
    with pytest.raises(LedgerError, match="held by another program"):
        ledger.keep([fault(1)], (0, 0))
    assert time.monotonic() - began < 10 * BUSY_MS / 1000
    other.execute("ROLLBACK")
    other.close()
    assert ledger.keep([fault(1)], (0, 0)) == [1]
    ledger.close()


def test_a_ledger_from_before_there_was_a_history_gets_one_and_the_release_before_may_go_on_with_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    before = apsw.Connection(str(path))
    migrate(before, path, STEPS[:OLDEST], 0, new_incarnation="x")
    before.close()
    ledger = Ledger.open(path)
    ledger.keep([fault(1)], (0, 0))
    migrate(ledger._connection, path, STEPS[:OLDEST], 0, new_incarnation="x")
    assert [each.trouble for each in ledger.faults()] == ["trouble 1"]
    ledger.close()


def test_whoever_is_erased_is_in_no_fault_and_in_no_copy_from_before_a_migration(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    ledger.put_members([person(1), person(2)])
    named = KeptFault(None, "matching", "the service", "409: no such member (not 'p1')", "boot-1", 1_000, None, None)
    ledger.keep([named, fault(2)], (0, 0))
    for name in ("ledger.db.v4", "ledger.db.v5", "ledger.db.damaged-1"):
        (tmp_path / name).write_text("p1 and all others", "utf-8")
    ledger.remove_member(person(1).id)
    assert [each.trouble for each in ledger.faults()] == ["trouble 2", ""]
    assert not [*tmp_path.glob("ledger.db.v*")]
    assert (tmp_path / "ledger.db.damaged-1").exists()
    ledger.close()


def test_nobody_is_said_to_be_erased_while_a_copy_from_before_a_migration_stays(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    ledger.put_members([person(1)])
    (tmp_path / "ledger.db.v5").mkdir()  # what can't be deleted as a file
    with pytest.raises(LedgerError, match=r"ledger\.db\.v5 can't be deleted: .*; it names who is to be erased"):
        ledger.remove_member(person(1).id)
    assert ledger.member(person(1).id) is not None
    ledger.close()
