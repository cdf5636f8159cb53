"""What the host asks of a running terminal, and what a restart keeps of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from firmware_py.office import CommandError
from firmware_py.terminal.loop import PRINTER
from kiosk.effects import FormGroup, SettleGroup, SettleMatch
from kiosk.events import CommitFailed, GroupFormed, JobReady, MemberChanged, ScheduleRead
from kiosk.jobs import JobState
from kiosk.signals import Signal
from kiosk.values import MemberId, Mood, Ruling, pair_of
from tests.firmware_py.terminal.harness import Door, person


def until_settled(door: Door, count: int) -> None:
    """Wait until so many questions for a match are settled, with all that comes of it."""
    door.seen.until(SettleMatch, count=count)
    door.settle()


def come(door: Door, *numbers: int) -> None:
    """Check people in, each after the one before has heard of a match."""
    for number in numbers:
        before = len(door.seen.of(SettleMatch))
        door.tap(number)
        until_settled(door, before + 1)


def test_a_swap_brings_another_partner_and_a_new_badge_that_is_no_copy(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        come(door, 1, 3, 2)  # the second person helps the first and the third
        first = door.queued()[-1]
        assert first.badge is not None
        assert first.badge.introduction is not None
        assert first.badge.introduction.partner == "Person 1"
        explained = door.call("match.explain", member="p2")
        assert [(each["name"], each["may"]) for each in explained] == [("Person 3", True), ("Person 1", False)]
        assert all(each["verdict"] and each["reason"] for each in explained)
        assert door.call("match.swap", member="p2") == {"visit": first.visit, "instead_of": "p1"}
        until_settled(door, 4)
        second = door.queued()[-1]
        assert second.badge is not None
        assert second.badge.introduction is not None
        assert (second.badge.introduction.partner, second.badge.copy) == ("Person 3", False)
        with pytest.raises(CommandError, match="p3 was introduced to nobody in this visit"):
            door.call("match.swap", member="p3")
    with Door(tmp_path) as door:  # the restart keeps what was decided
        assert door.state.rulings == {pair_of(person(1).id, person(2).id): Ruling.VETO}
        visits = {number: door.visit(number) for number in (1, 2, 3)}
        assert [visit.approached for visit in visits.values() if visit is not None] == [0, 0, 1]
        assert [visit.introduced for visit in visits.values() if visit is not None] == [0, 1, 0]
        assert [visit.talks_until_ms is None for visit in visits.values() if visit is not None] == [True, False, False]


def test_a_pin_introduces_two_who_are_here_at_once_and_others_when_they_come(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        come(door, 1, 3)  # who have nothing to give each other
        pinned = door.call("match.pin", one="p1", other="p3")
        assert (pinned["both_here"], pinned["apart"]) == (True, None)
        (settled,) = door.seen.until(SettleMatch, lambda each: each.introduction is not None)
        assert (settled.member, settled.partner) == ("p1", "p3")
        assert not door.call("match.pin", one="p5", other="p3")["both_here"]
        with pytest.raises(CommandError, match="neither p7 nor p9 is checked in"):
            door.call("match.pin", one="p7", other="p9")
        door.call("match.unveto", one="p3", other="p5")
        assert door.state.rulings == {}


def test_a_pin_says_what_keeps_two_apart_all_the_same(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        come(door, 1, 3)
        door.call("members.block", one="p3", other="p1")
        pinned = door.call("match.pin", one="p1", other="p3")
        (told,) = door.call("match.explain", member="p1", other="p3")
        assert (pinned["both_here"], pinned["apart"]) == (True, told["verdict"])


def test_who_is_kept_apart_is_not_introduced(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        come(door, 1, 3)
        door.call("match.veto", one="p2", other="p1")
        door.call("members.block", one="p3", other="p2")
        come(door, 2)
        assert door.answers()[-1] is Signal.NOT_YET
        with pytest.raises(CommandError, match="there is no member 'p99'"):
            door.call("members.block", one="p1", other="p99")


@pytest.mark.parametrize("command", ["match.pin", "match.veto"])
def test_a_typo_in_a_member_s_id_is_told_and_nothing_else_happens(tmp_path: Path, command: str) -> None:
    with Door(tmp_path) as door:
        come(door, 1)
        with pytest.raises(CommandError, match="there is no member 'p9999'"):
            door.call(command, one="p1", other="p9999")
        assert door.state.rulings == {}


def test_what_the_ledger_does_not_take_from_staff_shuts_no_door(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        come(door, 1)
        door.terminal._host._member = {
            MemberId("p1"): person(1),
            MemberId("p9999"): person(2),
        }.get  # whom the ledger does not have
        with pytest.raises(CommandError, match="does not take this"):
            door.call("match.veto", one="p1", other="p9999")
        come(door, 2)
        assert door.seen.of(CommitFailed) == []


def test_a_profile_that_is_imported_counts_at_once_for_who_is_here(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        come(door, 1)
        shy = replace(person(1), consents=replace(person(1).consents, introductions=False))
        door.call("members.put", members=[to_builtins(shy)])
        visit = door.visit(1)
        assert visit is not None
        assert not visit.member.consents.introductions
        come(door, 2)
        assert door.answers()[-1] is Signal.NOT_YET
        assert len(door.seen.of(MemberChanged)) == 1


def test_a_group_is_asked_for_again_when_two_are_not_kept_apart_any_more(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        door.call("members.block", one="p1", other="p3")
        come(door, 1, 3, 5)
        for number in (1, 3, 5):
            door.call("visits.mood", member=f"p{number}", mood="group")
        door.seen.until(GroupFormed)
        assert door.seen.of(SettleGroup) == []
        door.call("members.unblock", one="p1", other="p3")
        door.seen.until(SettleGroup)


def test_a_lost_badge_is_not_printed_anew_when_a_later_one_was(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        come(door, 1, 3)
        door.until_jobs(JobState.CONFIRMED, 2)
        door.servant(PRINTER)._printed_timeout_s = 0.1
        door.seen.on = lambda what: door.printer.mute() if isinstance(what, JobReady) else None
        come(door, 2)
        lost = door.until_jobs(JobState.UNKNOWN)[0].job
        door.call("match.swap", member="p2")
        until_settled(door, 4)
        before = len(door.queued())
        door.call("jobs.judge", job=lost, printed=False)
        assert len(door.queued()) == before


def test_a_calendar_that_hangs_does_not_restart_the_door(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        assert not door.terminal._may_restart("schedule")
        assert door.terminal._may_restart("printer")


def test_the_host_hears_that_nobody_knows_whether_somebody_is_still_here(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        come(door, 1)
    with Door(tmp_path, boot="after the plug was pulled", trust=False) as door:
        with pytest.raises(CommandError, match="nobody knows whether p1 is still here"):
            door.call("visits.mood", member="p1", mood="introduce")
        with pytest.raises(CommandError, match="neither p1 nor p2 is checked in"):
            door.call("match.pin", one="p1", other="p2")


def test_a_mood_survives_a_restart_and_asking_for_an_introduction_asks_anew(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        come(door, 1)
        assert door.call("visits.mood", member="p1", mood="coffee")["mood"] == "coffee"
        with pytest.raises(CommandError, match=r"visits\.mood: Invalid enum value 'tea'"):
            door.call("visits.mood", member="p1", mood="tea")
        come(door, 2)
        assert door.answers()[-1] is Signal.NOT_YET
    with Door(tmp_path) as door:
        visit = door.visit(1)
        assert visit is not None
        assert visit.mood is Mood.COFFEE
        door.call("visits.mood", member="p1", mood="introduce")
        (settled,) = door.seen.until(SettleMatch, lambda each: each.introduction is not None)
        assert (settled.member, settled.partner) == ("p1", "p2")


def test_three_who_wait_for_a_group_sit_down_together(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        come(door, 1, 3, 5)
        with pytest.raises(CommandError, match="0 wait for a group; it takes 3"):
            door.call("match.group")
        for number in (1, 3, 5):
            door.call("visits.mood", member=f"p{number}", mood="group")
        door.seen.until(FormGroup)
        (group,) = door.seen.until(SettleGroup)
        door.settle()  # the slips come of that
        assert len(group.visits) == 3
        assert {job.kind.value for job in door.slips() if job.kind is not None} == {"group"}
    with Door(tmp_path) as door:
        visits = [door.visit(number) for number in (1, 3, 5)]
        assert [len(visit.met) for visit in visits if visit is not None] == [2, 2, 2]
        assert all(visit is not None and visit.talks_until_ms is not None for visit in visits)


def test_without_a_calendar_nothing_is_on(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        assert door.call("schedule") == {"occasions": [], "trouble": ""}


def test_what_is_on_is_read_from_the_calendar_beside_the_door_s_work(tmp_path: Path) -> None:
    calendar = tmp_path / "schedule.ics"
    lines = ("BEGIN:VCALENDAR", "BEGIN:VEVENT", "UID:1", "DTSTART:20260101T170000", "DURATION:PT1H", "RRULE:FREQ=DAILY")
    end = ("SUMMARY:Language café", "END:VEVENT", "END:VCALENDAR", "")
    calendar.write_text("\r\n".join((*lines, *end)), encoding="utf-8", newline="")
    with Door(tmp_path, record=f'[schedule]\nfile = "{calendar}"') as door:
        door.seen.until(ScheduleRead)
        found = door.call("schedule")
        assert found["trouble"] == ""
        assert {each["line"] for each in found["occasions"]} == {"17:00 Language café"}
