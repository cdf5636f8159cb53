"""The running terminal with a second medium: what is welcomed is there, and the door goes on whatever becomes of it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from drivers.errors import DeviceLost
from firmware_py.backup import reach, still_state
from firmware_py.journal import Change
from firmware_py.ledger import Ledger
from firmware_py.recovery import Restored, open_ledger
from firmware_py.terminal import loop
from firmware_py.terminal.integrity import IntegrityCheck
from firmware_py.terminal.loop import Damaged
from firmware_py.terminal.second import WAIT_S, SecondMedium
from firmware_py.terminal.status import SECOND
from firmware_py.terminal.supervise import Health
from kiosk.effects import Notice, TellStaff
from kiosk.jobs import JobState
from kiosk.signals import Signal
from tests.firmware_py.ledgers import check_in, person
from tests.firmware_py.terminal.harness import PATIENCE_S, Door
from tests.rigs.disk import simulated_disk


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    stick = tmp_path / "stick"
    stick.mkdir()
    return stick


class Stick(SecondMedium):
    """A second medium with a hand: it can be held, and its files can be taken away."""

    gate = threading.Event()
    opened: Stick | None = None

    def open(self) -> None:
        super().open()
        Stick.opened = self

    def append(self, change: Change) -> None:
        if not self.gate.wait(PATIENCE_S):
            raise DeviceLost("never")
        super().append(change)

    @classmethod
    def pull(cls) -> None:
        """Let each further write fail, as those do whose medium was pulled out."""
        assert cls.opened is not None
        assert cls.opened._journal is not None
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, cls.opened._journal._descriptor)
        os.close(full)


def with_second(folder: Path, stick: Path, **options: Any) -> Door:
    door = Door(folder, record=f'second = "{stick}"', **options)
    Stick.gate.set()
    door.watched(SECOND).lane._make = lambda: Stick(stick, door.config.ledger.path)
    return door


def words(_: Restored) -> TellStaff:
    return TellStaff(Notice.LEDGER_RESTORED)


def visits_on(stick: Path, folder: Path) -> int:
    """Return how many visits would be brought back from the second medium now."""
    path = folder / "again" / "ledger.db"
    for each in folder.glob("again/*"):
        each.unlink()
    ledger = open_ledger(path, "t1", stick, words)
    try:
        return int(ledger._row("SELECT count(*) FROM visits")[0])
    finally:
        ledger.close()


def until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, what
        threading.Event().wait(0.01)


def until_caught_up(door: Door) -> None:
    """Wait until the second medium has all that was handed to it."""
    until(lambda: not door.watched(SECOND).lane.calls, "it does not catch up")


def test_whoever_is_welcomed_is_on_the_second_medium_already(
    tmp_path: Path, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "WAIT_S", PATIENCE_S)  # however slow this disk is
    found: list[int] = []
    with with_second(tmp_path, stick) as door:
        door.until_health(SECOND, Health.UP)
        door.servant(SECOND).idle_every_s = 0.01
        door.seen.on = lambda what: (
            found.append(visits_on(stick, tmp_path)) if getattr(what, "signal", None) is Signal.WELCOME else None
        )
        for number in range(1, 5):
            until_caught_up(door)
            door.tap(number)
            door.until_jobs(JobState.CONFIRMED, number)
    assert found == [1, 2, 3, 4]


def test_a_stick_that_is_pulled_and_plugged_in_again_is_told_and_made_good(tmp_path: Path, stick: Path) -> None:
    drawer = tmp_path / "drawer"
    with with_second(tmp_path, stick) as door:
        door.until_health(SECOND, Health.UP)
        stick.rename(drawer)
        Stick.pull()
        door.tap(1)
        door.until_answered(Signal.WELCOME)
        door.until_health(SECOND, Health.DOWN)
        door.tap(2)
        door.until_answered(Signal.WELCOME, 2)
        told = door.call("notices.list")
        assert [each["notice"] for each in told] == ["second_missing"]
        assert "missing" in door.call("status")["line"]
        drawer.rename(stick)
        door.until_health(SECOND, Health.UP)
        until(lambda: door.call("notices.list") == [], "the notice is still open")
        door.tap(3)
        door.until_answered(Signal.WELCOME, 3)
        until_caught_up(door)
    assert visits_on(stick, tmp_path) == 3


def test_without_the_stick_the_door_opens_and_staff_is_told_once(tmp_path: Path) -> None:
    with with_second(tmp_path, tmp_path / "nowhere") as door:
        door.until_health(SECOND, Health.DOWN)
        for number in range(1, 4):
            door.tap(number)
        door.until_answered(Signal.WELCOME, 3)
        assert len(door.call("notices.list")) == 1
        assert "is not there" in door.call("notices.list")[0]["detail"]
    assert not (tmp_path / "nowhere").exists()


def test_a_stick_that_hangs_holds_the_door_up_once_and_shortly(
    tmp_path: Path, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    with with_second(tmp_path, stick) as door:
        door.until_health(SECOND, Health.UP)
        until_caught_up(door)
        lane = door.watched(SECOND).lane
        wait_for = lane.wait_for

        def counted(done: threading.Event, timeout: float) -> None:
            waits.append(timeout)
            wait_for(done, timeout)

        monkeypatch.setattr(lane, "wait_for", counted)
        Stick.gate.clear()
        door.tap(*range(1, 9))
        door.until_answered(Signal.WELCOME, 8)
        assert waits == [WAIT_S]
        Stick.gate.set()
        until_caught_up(door)
    assert visits_on(stick, tmp_path) == 8


def test_damage_that_shows_at_a_commit_shuts_the_door_and_a_restart_brings_the_ledger_back(tmp_path: Path, stick: Path) -> None:
    with simulated_disk() as disk:
        with with_second(tmp_path, stick, boot="one") as door:
            door.until_health(SECOND, Health.UP)
            door.tap(1)
            door.until_jobs(JobState.CONFIRMED)
            # Nothing is stored any more by itself, so it is the tap that meets the damage.
            door.until_holds(lambda: door.terminal._history.queue[1] == 1, "the longest queue is not kept")
            until_caught_up(door)
            disk.fault, disk.fault_at = apsw.CorruptError, "ledger.db-wal"
            door.tap(2)
            door.until_answered(Signal.TELL_STAFF)
            door.ended()
            assert door.code == 75
            assert door.answers().count(Signal.WELCOME) == 1
            disk.fault = None
        told: list[Restored] = []

        def hear(restored: Restored) -> TellStaff:
            told.append(restored)
            return words(restored)

        ledger = open_ledger(door.config.ledger.path, "t1", stick, hear)
        assert [each.member.id for each in ledger.started().visits] == ["p1"]
        assert len(told) == 1
        ledger.close()
        with with_second(tmp_path, stick, boot="one", wait=False) as door:
            door.reader.until_waited_for(PATIENCE_S)
            disk.fault, disk.fault_at = apsw.CorruptError, "ledger.db-wal"
            door.tap(3)
            door.until_answered(Signal.TELL_STAFF)
            # A second time in one boot would go on for ever: it stays, shut, and says so.
            door.tap(4)
            door.until_answered(Signal.TELL_STAFF, 2)
            disk.fault = None
            assert door.call("status")["stores"] is False
            assert door.code is None


def test_damage_without_a_second_medium_shuts_the_door_and_people_are_answered(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        door.terminal.post(Damaged("page 7 is in two trees"))
        until(lambda: door.call("status")["stores"] is False, "it goes on")
        door.tap(1)
        door.until_answered(Signal.TELL_STAFF)
        assert Signal.WELCOME not in door.answers()
        assert not (tmp_path / "ledger.db.damaged").exists(), "it would not start any more"


def test_a_copy_is_made_when_the_cafe_has_closed(tmp_path: Path, stick: Path) -> None:
    with with_second(tmp_path, stick) as door:
        door.until_health(SECOND, Health.UP)
        door.tap(1)
        door.until_answered(Signal.WELCOME)
        first = reach(stick)
        door.terminal._cafe_day = -1  # yesterday
        until((stick / "ledger-000002.db").exists, "no copy was made")
        assert first is not None
        assert first[0].events <= still_state(stick / "ledger-000002.db").events


# Looking through the whole ledger


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large" / "ledger.db"
    ledger = Ledger.open(path)
    ledger.put_members(person(number) for number in range(1, 500))
    for serial in range(1, 400):
        check_in(ledger, serial, serial)
    ledger.close()
    return path


def look_through(path: Path) -> list[str]:
    found: list[str] = []
    check = IntegrityCheck(path, found.append)
    check.start()
    check._thread.join(PATIENCE_S)
    return found


def test_a_sound_ledger_is_not_called_damaged(large: Path) -> None:
    assert look_through(large) == []


def test_damage_where_the_first_look_does_not_see_it_is_found(large: Path) -> None:
    with large.open("r+b") as file:
        file.seek(30 * 4096)
        file.write(b"\xa5" * 64)
    ledger = Ledger.open(large)
    try:
        assert len(look_through(large)) == 1
    finally:
        ledger.close()


def test_a_stop_does_not_wait_for_the_end_of_it(large: Path) -> None:
    found: list[str] = []
    check = IntegrityCheck(large, found.append)
    check._stopped.set()
    check.start()
    check.stop()
    assert found == []
    assert not check._thread.is_alive()
