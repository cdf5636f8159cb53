from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import apsw
import pytest

from drivers.errors import ConfigError, DeviceLost
from firmware_py.ledger import Ledger, LedgerInUse
from firmware_py.terminal.loop import LIGHTS, MATCHING, PRINTER, SOUNDER
from firmware_py.terminal.notify import Notifier
from firmware_py.terminal.supervise import Health
from kiosk.effects import LightZone, Notice, OpenVisit, QueueBadge, SetJob, TellStaff
from kiosk.events import CardTapped, JobReady, MatchAnswered, PrinterChanged
from kiosk.jobs import JobState
from kiosk.signals import Signal
from kiosk.values import Cause
from tests.firmware_py.terminal.harness import PATIENCE_S, Door
from tests.rigs.disk import simulated_disk

READER = "reader door"


def stored(folder: Path, sql: str) -> list[Any]:
    """Return what is in the ledger's file, as any other program would read it.

    While nothing can be stored the terminal opens it anew over and over, and just then it can't be read.
    """
    until = time.monotonic() + PATIENCE_S
    while True:
        connection = apsw.Connection(str(folder / "ledger.db"), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            return list(connection.execute(sql))
        except (apsw.BusyError, apsw.IOError):
            if time.monotonic() > until:
                raise
        finally:
            connection.close()


class Told(Notifier):
    """A notifier that calls `on_stopping` when the end begins."""

    def __init__(self) -> None:
        super().__init__({})
        self.on_stopping: Callable[[], None] = lambda: None

    def stopping(self) -> None:
        self.on_stopping()


# One tap


def test_a_tap_is_stored_and_then_answered_with_light_sound_badge_and_zone(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        door.tap(1)
        door.until_jobs(JobState.CONFIRMED)
        visit = door.visit(1)
        assert visit is not None
        assert door.answers() == [Signal.WELCOME, Signal.NOT_YET]
        assert stored(tmp_path, "SELECT id, member, closed_seq FROM visits") == [(visit.id, "p1", None)]
        door.lights.until(lambda lights: lights.signals == (Signal.WELCOME, Signal.NOT_YET))
        assert [zone for zone, _ in door.lights.zones] == [visit.zone]
        door.sounder.until(lambda sounder: sounder.heard[:1] == (Signal.WELCOME,))
        assert len(door.printer.papers) == 1


def test_the_second_one_who_comes_is_introduced_to_the_first(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        door.tap(1, 2)
        door.until_answered(Signal.INTRODUCED)
        answer = door.seen.until(MatchAnswered, lambda answer: answer.introduction is not None)[0]
        first = door.visit(1)
        assert answer.introduction is not None
        assert first is not None
        assert answer.introduction.partner == first.id
        assert door.until_jobs(JobState.CONFIRMED, 2)


@pytest.mark.parametrize("fault", [apsw.FullError, apsw.IOError])
@pytest.mark.parametrize("syncs", [False, True])
def test_when_nothing_can_be_stored_the_visitor_is_sent_to_staff_and_nobody_is_welcomed(
    tmp_path: Path, fault: type[apsw.Error], syncs: bool
) -> None:
    with simulated_disk() as disk, Door(tmp_path) as door:
        if syncs:
            disk.sync_fault = fault
        else:
            disk.fault, disk.fault_at = fault, "-wal"
        door.tap(1)
        door.until_answered(Signal.TELL_STAFF)
        door.lights.until(lambda lights: lights.signals == (Signal.TELL_STAFF,))
        assert door.seen.of(OpenVisit) == []
        assert door.seen.of(CardTapped) == []
        assert syncs or door.state.visits == {}
        status = door.call("status")
        assert not status["stores"]
        assert status["line"].startswith("closed: nothing can be stored; check the memory card")
        # What was written and not synced may turn up as soon as the ledger is read anew: then they are here already.
        assert syncs or stored(tmp_path, "SELECT count(*) FROM visits") == [(0,)]
        disk.fault = disk.sync_fault = None
        door.tap(1)  # at once: the tap that was not stored does not count as the first of two
        door.until_jobs(JobState.CONFIRMED)
        assert door.answers().count(Signal.TELL_STAFF) == 1
        assert syncs or door.answers() == [Signal.TELL_STAFF, Signal.WELCOME, Signal.NOT_YET]
        assert stored(tmp_path, "SELECT member FROM visits") == [("p1",)]
        assert door.call("status")["stores"]


def test_a_verdict_costs_one_commit_and_one_sync(tmp_path: Path) -> None:
    """Up to the light; what matching and the badge lead to is stored on its own."""
    with simulated_disk() as disk, Door(tmp_path) as door:
        door.gate.clear()  # matching does not answer, so nothing but the check-in is stored
        before = stored(tmp_path, "SELECT count(*) FROM events")[0][0]
        disk.synced.clear()
        door.tap(1)
        door.lights.until(lambda lights: lights.signals == (Signal.WELCOME,), PATIENCE_S)
        assert [name.rpartition("/")[2] for name in disk.synced] == ["ledger.db-wal"]
        assert stored(tmp_path, "SELECT count(*) FROM events")[0][0] == before + 1


def test_a_match_that_is_owed_when_the_terminal_ends_is_answered_after_its_restart(tmp_path: Path) -> None:
    with Door(tmp_path, match_ms=60_000) as door:
        door.tap(1)
        door.until_answered(Signal.NOT_YET)
        door.gate.clear()
        door.tap(2)
        door.until_answered(Signal.WELCOME, 2)
        door.stop()  # before matching may answer
    with Door(tmp_path, match_ms=60_000) as door:
        (answer,) = door.seen.until(MatchAnswered)
        assert answer.introduction is not None
        door.until_jobs(JobState.CONFIRMED)


def test_a_full_disk_is_not_called_well_before_something_was_stored_on_it(tmp_path: Path) -> None:
    with simulated_disk() as disk, Door(tmp_path) as door:
        disk.fault, disk.fault_at = apsw.FullError, "-wal"
        door.tap(1)
        door.until_answered(Signal.TELL_STAFF)
        events = stored(tmp_path, "SELECT count(*) FROM events")[0][0]
        assert not door.call("status")["stores"]
        disk.fault = None
        door.tap(2)
        door.until_answered(Signal.WELCOME)
        kinds = [kind for (kind,) in stored(tmp_path, f"SELECT kind FROM events WHERE seq > {events}")]
        assert kinds[:2] == ["Started", "CardTapped"]


def test_a_disk_that_is_full_at_the_start_closes_the_door_and_not_the_program(tmp_path: Path) -> None:
    with simulated_disk() as disk:
        door = Door(tmp_path, wait=False)
        disk.fault, disk.fault_at = apsw.FullError, "-wal"
        with door:
            door.reader.until_waited_for(PATIENCE_S)
            door.tap(1)
            door.until_answered(Signal.TELL_STAFF)
            door.until_holds(lambda: door.terminal._printer.cause is None, "the printer said nothing")
            disk.fault = None
            door.tap(1)
            # What the printer said meanwhile was not lost: it has paper, so a badge is promised, and comes.
            door.until_jobs(JobState.CONFIRMED)
            assert door.answers() == [Signal.TELL_STAFF, Signal.WELCOME, Signal.NOT_YET]


def test_while_nothing_can_be_stored_no_deadline_drives_the_loop_round(tmp_path: Path) -> None:
    with simulated_disk() as disk, Door(tmp_path) as door:
        door.gate.clear()
        door.tap(1)
        door.until_answered(Signal.WELCOME)
        disk.fault, disk.fault_at = apsw.FullError, "-wal"
        door.tap(2)
        door.until_answered(Signal.TELL_STAFF)
        assert door.state.asked
        assert door.terminal._deadline() is None
        disk.fault = None


def test_while_the_ledger_is_not_there_everybody_is_sent_to_staff_and_nobody_once_it_is_back(tmp_path: Path) -> None:
    folder, away = tmp_path / "mounted", tmp_path / "away"
    with simulated_disk() as disk, Door(folder) as door:
        disk.fault, disk.fault_at = apsw.IOError, "-wal"
        folder.rename(away)
        door.tap(1, 2, 3)
        door.until_answered(Signal.TELL_STAFF, 3)
        assert door.state.visits == {}
        away.rename(folder)
        disk.fault = None
        door.tap(4)
        door.until_answered(Signal.WELCOME)
        assert Signal.WELCOME not in door.answers()[:3]
        assert stored(folder, "SELECT member FROM visits") == [("p4",)]


# The printer


def test_ten_taps_while_the_paper_is_out_are_ten_check_ins_and_only_the_fresh_badges_come(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        door.printer.paper_out()
        door.until_printer(Cause.PAPER_OUT)
        door.tap(1, 2, 3, 4, 5)
        door.seen.until(LightZone, count=5)
        door.clock.ahead_ms += door.state.house.rules.badge_fresh_ms
        door.until_jobs(JobState.EXPIRED, 5)
        door.tap(6, 7, 8, 9, 10)
        door.seen.until(LightZone, count=10)
        assert len(door.state.visits) == 10
        assert door.answers().count(Signal.WELCOME_NO_BADGE) == 10
        assert len(door.seen.of(LightZone)) == 10
        assert len(door.printer.papers) == 0
        door.printer.paper_in()
        done = door.until_jobs(JobState.CONFIRMED, 6)
        fresh = [job.id for job in door.queued() if job.member in {"p6", "p7", "p8", "p9", "p10"}]
        slip = door.slips()[-1]
        assert [job.job for job in done] == [*fresh, slip.id]
        assert {job.id for job in door.slips()} == {slip.id}
        assert slip.slip is not None
        assert len(slip.slip.lines) == 5
        assert len(door.printer.papers) == 6
        assert [told.notice for told in door.seen.of(TellStaff)] == [Notice.BADGE_EXPIRED] * 5


def test_no_tap_waits_for_a_printer_that_takes_no_bytes(tmp_path: Path) -> None:
    with Door(tmp_path, printer="deadline_s = 50") as door:
        door.seen.on = lambda what: door.printer.stop() if isinstance(what, JobReady) else None
        door.tap(*range(1, 11))
        door.until_answered(Signal.WELCOME, 10)
        assert len(door.state.visits) == 10
        assert not [job for job in door.seen.of(SetJob) if job.state.ended]


def test_a_printer_that_was_unplugged_prints_when_it_is_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with Door(tmp_path) as door:
        door.printer.unplug()
        door.until_printer(Cause.LOST)
        door.tap(1)
        door.until_answered(Signal.WELCOME_NO_BADGE)
        door.seen.until(QueueBadge)
        assert door.call("status")["printer"]["cause"] == "lost"
        door.printer.plug()
        door.until_jobs(JobState.CONFIRMED)
    said = [record.getMessage().split(":")[0] for record in caplog.records if record.getMessage().startswith("printer")]
    assert said == ["printer is open", "printer is gone", "printer is back"]


def test_a_printer_that_is_asked_while_it_is_going_keeps_the_cause_of_its_going(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        door.servant(PRINTER).idle_every_s = 60
        door.seen.on = lambda what: door.printer.unplug() if isinstance(what, QueueBadge) else None
        door.tap(1)
        door.until_health(PRINTER, Health.DOWN)
        assert door.call("status")["printer"]["cause"] == "lost"


def mute_when_ready(door: Door) -> None:
    """Let the printer fall silent between its last answer and the page."""
    door.servant(PRINTER)._printed_timeout_s = 0.1
    door.servant(PRINTER).idle_every_s = 60  # nor is it asked in between
    door.seen.on = lambda what: door.printer.mute() if isinstance(what, JobReady) else None


def test_a_badge_of_which_the_printer_says_nothing_is_unknown_and_staff_is_asked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with Door(tmp_path) as door:
        mute_when_ready(door)
        door.tap(1)
        unknown = door.until_jobs(JobState.UNKNOWN)[0]
        assert unknown.cause is Cause.SILENT
        assert door.seen.until(TellStaff) == [TellStaff(Notice.BADGE_UNKNOWN, unknown.job, Cause.SILENT)]
        assert [notice["notice"] for notice in door.call("notices.list")] == ["badge_unknown"]
        assert len(door.printer.papers) == 1
        door.seen.on = lambda _: None
        door.printer.unmute()
        door.until_printer(None, 2)
        assert len(door.queued()) == 1
    said = [record.getMessage().split(":")[0] for record in caplog.records if record.getMessage().startswith("printer")]
    assert said == ["printer is open", "printer is gone", "printer is back"]


def test_staff_says_that_an_unknown_badge_came_out(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        mute_when_ready(door)
        door.tap(1)
        job = door.until_jobs(JobState.UNKNOWN)[0].job
        door.printer.unmute()
        assert door.call("jobs.judge", job=job, printed=True) == {"job": job, "printed": True}
        assert door.until_jobs(JobState.CONFIRMED)[0].job == job
        assert door.call("notices.list") == []
        assert len(door.queued()) == 1
        with pytest.raises(Exception, match=f"badge {job} is confirmed; only an unknown one can be judged"):
            door.call("jobs.judge", job=job, printed=False)


def test_staff_says_that_an_unknown_badge_is_missing_and_a_copy_comes(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        mute_when_ready(door)
        door.tap(1)
        job = door.until_jobs(JobState.UNKNOWN)[0].job
        door.seen.on = lambda _: None
        door.printer.unmute()
        door.call("jobs.judge", job=job, printed=False)
        assert door.until_jobs(JobState.FAILED)[0].job == job
        copy = door.queued()[-1].id
        door.seen.until(SetJob, lambda done: (done.job, done.state) == (copy, JobState.CONFIRMED))
        assert [(each.id, each.page.copy) for each in door.queued()] == [(job, False), (copy, True)]


def test_a_badge_that_the_paper_ended_in_is_printed_anew_and_marked_as_a_copy(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        door.seen.on = lambda what: door.printer.paper_out_after(100) if isinstance(what, JobReady) else None
        door.tap(1)
        failed = door.until_jobs(JobState.FAILED)[0]
        assert failed.cause is Cause.PAPER_OUT
        door.seen.on = lambda _: None
        door.printer.paper_in()
        copy = door.until_jobs(JobState.CONFIRMED)[0]
        assert [(job.id, job.page.copy) for job in door.queued()] == [(failed.job, False), (copy.job, True)]
        assert (len(door.printer.papers), len(door.printer.scraps)) == (1, 1)


def test_a_cafe_learns_of_paper_that_runs_low(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        door.printer.paper_low()
        door.seen.until(PrinterChanged, lambda changed: changed.paper_low)
        assert door.call("status")["line"] == "open; 0 visitors here; paper low"


# Matching


def test_matching_that_hangs_is_not_waited_for_and_its_late_answer_is_ignored(tmp_path: Path) -> None:
    with Door(tmp_path, match_ms=150) as door:
        door.gate.clear()
        door.tap(1)
        door.until_answered(Signal.NO_MATCH)
        door.until_jobs(JobState.CONFIRMED)
        visit = door.visit(1)
        assert visit is not None
        assert visit.zone is not None
        door.gate.set()
        door.seen.until(MatchAnswered)
        assert door.answers() == [Signal.WELCOME, Signal.NO_MATCH]
        assert door.visit(1) == visit
        assert len(door.queued()) == 1


def test_matching_that_fails_is_a_fault_and_not_the_end(tmp_path: Path) -> None:
    with Door(tmp_path, bug=DeviceLost("the ledger can't be read")) as door:
        door.tap(1)
        door.until_answered(Signal.NO_MATCH)
        door.until_jobs(JobState.CONFIRMED)
        door.tap(2)
        door.until_jobs(JobState.CONFIRMED, 2)


# Lights, sounder, reader


def test_without_lights_and_sounder_the_door_goes_on(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        door.lights.unplug()
        door.sounder.unplug()
        door.tap(1, 2)
        door.until_jobs(JobState.CONFIRMED, 2)
        door.until_health(LIGHTS, Health.DOWN)
        door.until_health(SOUNDER, Health.DOWN)
        door.lights.plug()
        door.sounder.plug()
        door.until_health(LIGHTS, Health.UP)
        door.until_health(SOUNDER, Health.UP)
        door.tap(3)
        door.lights.until(lambda lights: Signal.WELCOME in lights.signals, PATIENCE_S)
        door.sounder.until(lambda sounder: Signal.WELCOME in sounder.heard, PATIENCE_S)


def test_without_a_reader_the_door_is_closed_until_it_is_back(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        assert door.call("status")["line"] == "open; 0 visitors here"
        door.reader.unplug()
        door.until_health(READER, Health.DOWN)
        status = door.call("status")
        assert status["line"] == "closed: no card reader; check the cable; 0 visitors here"
        reader = next(device for device in status["devices"] if device["name"] == READER)
        assert reader["health"] == "down"
        # Once it was tried anew, it is.
        assert re.fullmatch(r"the card reader (was|is) unplugged; plug it in", reader["trouble"])
        door.reader.plug()
        door.until_health(READER, Health.UP)
        assert door.call("status")["line"] == "open; 0 visitors here"
        door.reader.until_waited_for(PATIENCE_S)
        door.tap(1)
        door.until_answered(Signal.WELCOME)


def test_a_reader_that_hangs_twice_restarts_the_terminal_once_and_is_then_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Door(tmp_path) as door:
        door.reader.hang()
        door.servant(READER).deadline_s = lambda _: 0.2
        door.ended()
        assert door.code == 75
    with Door(tmp_path, wait=False) as door:
        door.reader.hang()
        door.servant(READER).deadline_s = lambda _: 0.2
        door.until_health(READER, Health.FAILED)
        assert door.call("visits.checkin", member="p1")["visit"]
        door.until_jobs(JobState.CONFIRMED)
        assert door.call("status")["line"].startswith("closed: no card reader")
    assert door.code == 0
    assert caplog.text.count("is left alone") == 1
    assert caplog.text.count("the terminal restarts once") == 1


# The end, and what comes after


def test_a_terminal_without_work_stops_within_a_second(tmp_path: Path) -> None:
    took = []
    for _ in range(3):
        with Door(tmp_path) as door:
            took.append(door.stop())
            assert door.code == 0
    assert min(took) < 1.0  # a busy machine may hold one of them up


def test_a_badge_under_way_is_finished_before_the_end(tmp_path: Path) -> None:
    told = Told()
    with Door(tmp_path, printer="deadline_s = 50", notifier=told) as door:
        told.on_stopping = door.printer.go
        door.seen.on = lambda what: door.printer.stop() if isinstance(what, JobReady) else None
        door.tap(1, 2)
        door.until_jobs(JobState.SENDING)
        door.seen.until(QueueBadge, count=2)
        assert door.stop() < 5.0
        first, second = door.queued()
    assert dict(stored(tmp_path, "SELECT id, state FROM jobs")) == {first.id: "confirmed", second.id: "queued"}


def test_a_badge_that_does_not_end_is_not_waited_for_and_staff_is_asked_the_next_time(tmp_path: Path) -> None:
    with Door(tmp_path, printer="deadline_s = 50") as door:
        door.seen.on = lambda what: door.printer.stop() if isinstance(what, JobReady) else None
        door.tap(1)
        job = door.until_jobs(JobState.SENDING)[0].job
        door.stop()  # long before the printer gives up
    with Door(tmp_path, wait=False) as door:
        assert door.until_jobs(JobState.UNKNOWN) == [SetJob(job, JobState.UNKNOWN, Cause.STOPPED)]
        assert door.seen.until(TellStaff) == [TellStaff(Notice.BADGE_UNKNOWN, job, Cause.STOPPED)]


def test_after_a_restart_people_badges_and_counters_are_as_they_were(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        door.printer.paper_out()
        door.until_printer(Cause.PAPER_OUT)
        door.tap(1, 2, 3)
        door.seen.until(QueueBadge, count=3)
        door.stop()
        before = door.state
    with Door(tmp_path, wait=False) as door:
        door.until_printer(Cause.PAPER_OUT)
        after = door.state
        assert (after.visits, after.here) == (before.visits, before.here)
        assert (after.serial, after.number) == (before.serial, before.number)
        assert after.starts == before.starts + 1
        assert list(after.spool.jobs.values()) == list(before.spool.jobs.values())
        door.printer.paper_in()
        done = door.until_jobs(JobState.CONFIRMED, 3)
        assert [job.job for job in done] == list(before.spool.jobs)
        door.reader.until_waited_for(PATIENCE_S)
        door.tap(4)
        door.until_jobs(JobState.CONFIRMED, 4)
        visit = door.visit(4)
        assert visit is not None
        assert visit.number == 4


def test_two_terminals_on_one_ledger_are_told_apart(tmp_path: Path) -> None:
    with (
        Door(tmp_path) as door,
        pytest.raises(LedgerInUse, match=r"ledger\.db is in use by process \d+; only one program at a time may write it"),
    ):
        Ledger.open(door.config.ledger.path)


def test_a_mistake_of_our_own_ends_the_loop_and_nothing_is_held_any_more(tmp_path: Path) -> None:
    bug = ZeroDivisionError("ours")
    with Door(tmp_path, bug=bug) as door:
        door.tap(1)
        door.ended()
        assert door.error is bug
        Ledger.open(door.config.ledger.path).close()
    with Door(tmp_path, wait=False) as door:
        door.until_jobs(JobState.CONFIRMED)
        visit = door.visit(1)
        assert visit is not None
        assert visit.zone is not None


def test_a_device_that_can_never_be_ends_the_loop_as_wrong_configuration(tmp_path: Path) -> None:
    with Door(tmp_path, bug=ConfigError("pin 99")) as door:
        door.tap(1)
        door.ended()
        assert isinstance(door.error, ConfigError)


def test_ready_is_said_once_ledger_and_lanes_are_there(tmp_path: Path) -> None:
    with TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"{folder}/notify")
        systemd.settimeout(PATIENCE_S)
        with Door(tmp_path, notifier=Notifier({"NOTIFY_SOCKET": f"{folder}/notify"}), wait=False):
            assert systemd.recv(1000) == b"READY=1"
            assert stored(tmp_path, "SELECT kind FROM events") == []
            assert stored(tmp_path, "SELECT starts FROM terminal") == [(1,)]
            lanes = {thread.name for thread in threading.enumerate() if thread.name.startswith("lane ")}
            assert lanes == {f"lane {name}" for name in (READER, PRINTER, LIGHTS, SOUNDER, MATCHING)}
            assert systemd.recv(1000).startswith(b"STATUS=")


def test_watchers_see_no_profile(tmp_path: Path) -> None:
    with Door(tmp_path) as door, door.client() as watcher:
        watcher.watch()
        watcher.call("status")  # one after the other: it watches by now
        door.tap(1)
        kinds: list[dict[str, Any]] = []
        while not {"Changed", "confirmed"} <= {each.get("state") or each["kind"] for each in kinds}:
            kinds.append(watcher.next_event())
        assert {each["kind"] for each in kinds} == {
            *("Answer", "LightZone", "SetJob", "JobSent", "MatchAnswered", "Shown", "Changed")
        }
        assert "consents" not in json.dumps(kinds)
