"""What is on, from an iCalendar file: good ones, broken ones, hostile ones; what is wrong is said, and costs nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from firmware_py import schedule
from firmware_py.clock import Clock
from firmware_py.schedule import LONGEST, ScheduleFile, ScheduleServant, read
from firmware_py.schedule_reader import MOST
from kiosk.events import ScheduleRead
from kiosk.values import Occasion

ZONE = "Europe/Stockholm"
DAY = 20_833
"""2027-01-15, a Friday."""


def calendar(*events: str) -> str:
    """Return a calendar of events, each given by its lines."""
    head, foot = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Made up//EN\r\n", "END:VCALENDAR\r\n"
    body = (f"BEGIN:VEVENT\r\nDTSTAMP:20270101T000000Z\r\n{event.strip()}\r\nEND:VEVENT\r\n" for event in events)
    return head + "".join(body).replace("\r\n", "\n").replace("\n", "\r\n") + foot


CAFE = """UID:cafe
DTSTART;TZID=Europe/Stockholm:20270101T170000
DURATION:PT1H
RRULE:FREQ=WEEKLY;BYDAY=FR
SUMMARY:Språkkafé
LOCATION:Biblioteket"""
COACH = "UID:coach\nDTSTART:20270115T173000Z\nDTEND:20270115T180000Z\nSUMMARY:Karriärcoach\nCATEGORIES:Råd,Advisor"


def minute(hour: int, minutes: int = 0, day: int = DAY) -> int:
    return day * 1440 + hour * 60 + minutes


def write(folder: Path, text: str) -> Path:
    path = folder / "schedule.ics"
    path.write_text(text, encoding="utf-8", newline="")
    return path


def found(folder: Path, *events: str) -> ScheduleRead:
    return read(write(folder, calendar(*events)), ZONE, DAY)


def test_what_is_on_in_the_days_to_come_is_told_in_the_venues_time_and_in_order(tmp_path: Path) -> None:
    assert found(tmp_path, COACH, CAFE) == ScheduleRead(
        (
            Occasion("Språkkafé", minute(17), minute(18), "Biblioteket"),
            Occasion("Karriärcoach", minute(18, 30), minute(19), advisor=True),
            Occasion("Språkkafé", minute(17, day=DAY + 7), minute(18, day=DAY + 7), "Biblioteket"),
        )
    )


def test_what_is_cancelled_private_nameless_or_long_past_is_not_on(tmp_path: Path) -> None:
    day = "DTSTART;VALUE=DATE:20270116"
    events = (
        f"UID:1\n{day}\nSUMMARY:Inställt\nSTATUS:CANCELLED",
        f"UID:2\n{day}\nSUMMARY:Lönesamtal\nCLASS:PRIVATE",
        f"UID:3\n{day}",
        "UID:4\nDTSTART;VALUE=DATE:20260116\nSUMMARY:I fjol",
        f"UID:5\n{day}\nSUMMARY:Öppet hus",
    )
    assert found(tmp_path, *events) == ScheduleRead((Occasion("Öppet hus", minute(0, day=DAY + 1), minute(0, day=DAY + 2)),))


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("RRULE:FREQ=SECONDLY", "event bad is left out: RRULE FREQ=SECONDLY; in a café things happen DAILY at most"),
        ("RRULE:FREQ=MINUTELY;INTERVAL=5", "in a café things happen DAILY at most"),
        ("RRULE:FREQ=FORTNIGHTLY", "event bad is left out: "),
        ("DTEND:yesterday", "event bad is left out: "),
    ],
)
def test_an_event_that_makes_no_sense_is_left_out_and_told_and_the_others_are_on(tmp_path: Path, rule: str, said: str) -> None:
    answer = found(tmp_path, COACH, f"UID:bad\nDTSTART:20270115T100000Z\nSUMMARY:Trasig\n{rule}")
    assert said in answer.trouble
    assert "\n" not in answer.trouble
    assert [each.title for each in answer.occasions] == ["Karriärcoach"]


@pytest.mark.parametrize(
    "text", ["", "no calendar", "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n", "\x00\xff", "BEGIN:VEVENT\r\nEND:VCALENDAR\r\n"]
)
def test_what_is_no_calendar_is_told_in_a_line(tmp_path: Path, text: str) -> None:
    answer = read(write(tmp_path, text), ZONE, DAY)
    assert answer.occasions == ()
    assert answer.trouble.startswith(str(tmp_path))
    assert "\n" not in answer.trouble


@pytest.mark.parametrize("coding", ["latin-1", "utf-16"])
def test_a_calendar_in_another_coding_is_told_with_its_line(tmp_path: Path, coding: str) -> None:
    file = write(tmp_path, "")
    file.write_bytes("BEGIN:VCALENDAR\r\nX-NAME:Café\r\nEND:VCALENDAR\r\n".encode(coding))
    line = 2 if coding == "latin-1" else 1
    assert read(file, ZONE, DAY).trouble == f"{file} is not in UTF-8, from line {line} on; save it in UTF-8"


def test_a_rule_that_asks_for_more_than_there_is_costs_the_list_and_nothing_else(tmp_path: Path) -> None:
    """A calendar that is read has at most so many events; one that cannot be read within its bounds is given up."""
    every = ",".join(map(str, range(60)))
    hours = ",".join(map(str, range(24)))
    rule = f"RRULE:FREQ=DAILY;BYHOUR={hours};BYMINUTE={every};BYSECOND={every}"
    path = write(tmp_path, calendar(f"UID:bad\nDTSTART:19700101T000000Z\nSUMMARY:Alltid\n{rule}"))
    answer = read(path, ZONE, DAY, seconds=5)
    assert len(answer.occasions) <= MOST


def test_a_calendar_that_is_far_too_long_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "schedule.ics"
    path.write_bytes(b"")
    os.truncate(path, 10_000_000)
    answer = ScheduleFile(path).look(ZONE, DAY)
    assert answer == ScheduleRead(trouble=f"{path} has 10000000 bytes; a calendar of up to {LONGEST} is read")


def test_the_file_is_read_when_it_changes_and_when_the_day_does(tmp_path: Path) -> None:
    path = write(tmp_path, calendar(CAFE))
    file = ScheduleFile(path)
    first = file.look(ZONE, DAY)
    assert first is not None
    assert (len(first.occasions), file.look(ZONE, DAY)) == (2, None)
    assert file.look(ZONE, DAY + 1) is not None
    write(tmp_path, calendar(COACH))
    os.utime(path, ns=(1, 1))
    changed = file.look(ZONE, DAY + 1)
    assert changed == ScheduleRead()
    path.unlink()
    gone = file.look(ZONE, DAY + 1)
    assert gone is not None
    assert gone.trouble == f"{path} can't be read: No such file or directory"
    assert file.look(ZONE, DAY + 1) is None, "once is enough"


class UnknownTime(Clock):
    """A clock that is never right."""

    def _is_trusted(self) -> bool:
        return False


def test_nothing_is_read_before_the_time_is_known(tmp_path: Path) -> None:
    file = ScheduleFile(write(tmp_path, calendar(CAFE)))
    assert list(ScheduleServant(UnknownTime(ZoneInfo(ZONE), None, "boot")).opened(file)) == []
    (told,) = ScheduleServant(Clock(ZoneInfo(ZONE), None, "boot")).opened(file)
    assert isinstance(told, ScheduleRead)


def test_the_child_ends_within_its_lane_s_patience() -> None:
    assert ScheduleServant.deadline_s(ScheduleServant.__new__(ScheduleServant), None) > schedule.SECONDS
