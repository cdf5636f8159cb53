"""What the host asks of a running terminal, and what a restart keeps of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_py.office import CommandError
from kiosk.effects import FormGroup, SettleGroup, SettleMatch
from kiosk.events import ScheduleRead
from kiosk.signals import Signal
from kiosk.values import Mood, Ruling, pair_of
from tests.firmware_py.terminal.harness import Door, person


def come(door: Door, *numbers: int) -> None:
    """Check people in, each after the one before has heard of a match."""
    for number in numbers:
        before = len(door.seen.of(SettleMatch))
        door.tap(number)
        door.seen.until(SettleMatch, count=before + 1)


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
        door.seen.until(SettleMatch, count=4)
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
        assert door.call("match.pin", one="p1", other="p3")["both_here"]
        (settled,) = door.seen.until(SettleMatch, lambda each: each.introduction is not None)
        assert (settled.member, settled.partner) == ("p1", "p3")
        assert not door.call("match.pin", one="p5", other="p3")["both_here"]
        with pytest.raises(CommandError, match="neither p7 nor p9 is checked in"):
            door.call("match.pin", one="p7", other="p9")
        door.call("match.unveto", one="p3", other="p5")
        assert door.state.rulings == {}


def test_who_is_kept_apart_is_not_introduced(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        come(door, 1, 3)
        door.call("match.veto", one="p2", other="p1")
        door.call("members.block", one="p3", other="p2")
        come(door, 2)
        assert door.answers()[-1] is Signal.NOT_YET
        with pytest.raises(CommandError, match="there is no member 'p99'"):
            door.call("members.block", one="p1", other="p99")


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
