from __future__ import annotations

import shutil
import time
from pathlib import Path

import apsw
import pytest

from firmware_py import releases
from firmware_py.backup import check_copy, copy_now
from firmware_py.database import STEPS, LedgerTooNew, migrate, version_of
from firmware_py.ledger import Ledger
from firmware_py.recovery import trouble_with
from firmware_py.releases import HEALTHY_AFTER_MS, HealthMark, running_release
from kiosk.values import Language, Member, MemberId
from tests.firmware_py.terminal.harness import PATIENCE_S, Door

SIGRID = Member(MemberId("m1"), "Sigrid Provsson", Language.SV)


def test_a_release_is_known_by_the_folder_of_its_environment(tmp_path: Path) -> None:
    installed = tmp_path / "releases" / "0.2.0"
    installed.mkdir(parents=True)
    (tmp_path / "current").symlink_to("releases/0.2.0")
    assert running_release(installed) == running_release(tmp_path / "current") == "0.2.0"


def test_a_checkout_is_no_release(tmp_path: Path) -> None:
    assert running_release(tmp_path / ".venv") is None
    assert running_release() is None


def mark(folder: Path, release: str | None = "0.2.0") -> HealthMark:
    return HealthMark(folder / "ledger.db", release)


def test_five_minutes_without_trouble_make_a_release_healthy(tmp_path: Path) -> None:
    health = mark(tmp_path)
    (tmp_path / "before-update").mkdir()
    (tmp_path / "before-update" / "ledger-000001.db").touch()
    health.look(1_000, "b1", well=True)
    health.look(1_000 + HEALTHY_AFTER_MS - 1, "b1", well=True)
    assert not health.path.exists()
    assert (tmp_path / "before-update").exists()
    health.look(1_000 + HEALTHY_AFTER_MS, "b1", well=True)
    assert health.path == tmp_path / "releases" / "0.2.0.healthy"
    assert health.path.read_text("utf-8") == "READY for 300 s in boot b1\n"
    assert not (tmp_path / "before-update").exists(), "a copy with everybody in it is kept for nothing"


def test_the_five_minutes_begin_anew_after_trouble(tmp_path: Path) -> None:
    health = mark(tmp_path)
    health.look(0, "b1", well=True)
    health.look(HEALTHY_AFTER_MS - 1, "b1", well=False)
    health.look(HEALTHY_AFTER_MS, "b1", well=True)
    health.look(2 * HEALTHY_AFTER_MS - 1, "b1", well=True)
    assert not health.path.exists()
    health.look(2 * HEALTHY_AFTER_MS, "b1", well=True)
    assert health.path.exists()


def test_a_mark_is_set_once_and_a_checkout_sets_none(tmp_path: Path) -> None:
    health = mark(tmp_path)
    health.path.parent.mkdir()
    health.path.write_text("there already", "utf-8")
    for each in (mark(tmp_path), mark(tmp_path, None)):
        each.look(0, "b2", well=True)
        each.look(HEALTHY_AFTER_MS, "b2", well=True)
    assert [path.name for path in health.path.parent.iterdir()] == ["0.2.0.healthy"]
    assert health.path.read_text("utf-8") == "there already"


def test_a_disk_that_takes_no_mark_is_no_reason_to_stop(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "releases").touch()
    health = mark(tmp_path)
    health.look(0, "b1", well=True)
    for _ in range(3):
        health.look(HEALTHY_AFTER_MS, "b1", well=True)
    assert len(caplog.messages) == 1


# The way back: a ledger that a newer release migrated is used by the one before, and again by the newer one.

ONE_MORE = "ALTER TABLE visits ADD COLUMN made_up TEXT NOT NULL DEFAULT ''; CREATE TABLE made_ups (it TEXT PRIMARY KEY) STRICT"


def as_the_next_release_leaves_it(path: Path, oldest: int) -> None:
    """Make a ledger with a member, migrated by a release that knows one step more and lets programs from `oldest` on write."""
    ledger = Ledger.open(path)
    ledger.put_members([SIGRID])
    migrate(ledger._connection, path, [*STEPS, ONE_MORE], oldest, new_incarnation="x")
    ledger.close()


def test_the_release_before_goes_on_with_a_ledger_to_which_a_newer_one_only_added(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    as_the_next_release_leaves_it(path, len(STEPS))
    ledger = Ledger.open(path)
    assert ledger.member(SIGRID.id) == SIGRID
    other = Member(MemberId("m2"), "Truls Provsson", Language.NB)
    ledger.put_members([other])
    ledger.close()
    newer = apsw.Connection(str(path))
    migrate(newer, path, [*STEPS, ONE_MORE], len(STEPS), new_incarnation="x")
    assert version_of(newer) == (len(STEPS) + 1, len(STEPS))
    assert newer.execute("SELECT id FROM members ORDER BY id").fetchall() == [("m1",), ("m2",)]
    newer.close()


def test_such_a_ledger_is_sound_and_can_be_copied_and_brought_back(tmp_path: Path) -> None:
    path, second = tmp_path / "ledger.db", tmp_path / "second"
    second.mkdir()
    as_the_next_release_leaves_it(path, len(STEPS))
    assert trouble_with(path, None) is None
    copy = copy_now(path, second)
    check_copy(copy)
    assert trouble_with(path, second) is None


def test_a_ledger_of_which_the_release_before_knows_too_little_is_left_alone_and_its_copy_is_there(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    as_the_next_release_leaves_it(path, 0)
    with pytest.raises(LedgerTooNew):
        Ledger.open(path)
    shutil.move(tmp_path / f"ledger.db.v{len(STEPS)}", path)
    ledger = Ledger.open(path)
    assert ledger.member(SIGRID.id) == SIGRID
    ledger.close()


def test_a_version_that_is_only_its_own_is_written_plainly(tmp_path: Path) -> None:
    """So that programs from before there were two numbers read it rightly."""
    connection = apsw.Connection(str(tmp_path / "ledger.db"))
    migrate(connection, tmp_path / "ledger.db", STEPS, 0, new_incarnation="x")
    assert connection.pragma("user_version") == len(STEPS)
    connection.close()


def test_a_running_terminal_marks_its_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releases, "HEALTHY_AFTER_MS", 100)
    door = Door(tmp_path)
    health = HealthMark(door.config.ledger.path, "0.2.0")
    door.terminal._health = health
    with door:
        until = time.monotonic() + PATIENCE_S
        while not health.path.exists():
            assert time.monotonic() < until, "no mark"
            door.call("status")  # the terminal does one thing more
