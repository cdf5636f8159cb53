"""What is old goes, slice by slice, and the file stays as large as what is kept."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time_ns

import pytest

from drivers.errors import ConfigError
from firmware_py.config import parse
from firmware_py.ledger import MET_MS, SLICE, Ledger, LedgerError
from kiosk.effects import (
    CloseVisit,
    Durable,
    Ending,
    Notice,
    QueueBadge,
    SetJob,
    SettleMatch,
    TellStaff,
)
from kiosk.events import CardTapped, MatchAnswered, TimePassed
from kiosk.jobs import JobState
from kiosk.values import Introduction, Now, Reason, ReasonKind, Visit, ZoneId
from tests.firmware_py.ledgers import CARD, DAY_MS, EPOCH_MS, at, check_in, contents, job_of, leave, person
from tests.firmware_py.terminal.harness import CAFE

KEEP_MS = 200 * DAY_MS
PEOPLE = 40


def day(number: int, *, trusted: bool = True) -> Now:
    return at(number * 86_400, trusted=trusted, boot=f"boot-{number}")


def utc(number: int) -> int:
    return EPOCH_MS + number * DAY_MS


@pytest.fixture
def path() -> Iterator[Path]:
    with TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        yield Path(folder) / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    ledger = Ledger.open(path)
    ledger.put_members(person(number) for number in range(1, PEOPLE + 1))
    yield ledger
    ledger.close()


def forget(ledger: Ledger, today: int) -> int:
    """Forget all that is to be forgotten on a day; return in how many slices."""
    slices = 1
    while ledger.forget(utc(today), KEEP_MS):
        slices += 1
    return slices


def introduce(ledger: Ledger, serial: int, who: int, partner: int, now: Now) -> Visit:
    """Let somebody come, be introduced to somebody, get a badge and go, with one commit each."""
    came = check_in(ledger, serial, who, now)
    zone = ZoneId("window")
    found = Introduction(came.id, came.id, Reason(ReasonKind.OPEN), zone, 500)
    settled = SettleMatch(came.id, found, zone, came.member.id, person(partner).id)
    job = job_of(came, serial)
    ledger.commit(MatchAnswered(came.id, found, zone), [settled, QueueBadge(job)], now, serial)
    done: list[Durable] = [SetJob(job.id, JobState.CONFIRMED), CloseVisit(came.id, Ending.TAPPED)]
    ledger.commit(CardTapped("door", CARD, came.member), done, now, serial)
    return came


def test_what_is_older_than_the_rule_goes_and_the_rest_stays(ledger: Ledger, path: Path) -> None:
    for number in range(1, 11):
        introduce(ledger, number, number, number + 10, day(number))
        stays = check_in(ledger, 90 + number, 30, day(number))
        ledger.commit(TimePassed(), [TellStaff(Notice.BADGE_FAILED, job_of(stays, 1).id)], day(number), 90)
    forget(ledger, 206)
    assert len(ledger.started().visits) == 10, "whoever is here stays, however long"
    record = ledger.record(person(1).id)
    assert record is not None
    assert record.visits == 1, "lifetime counters are kept"
    rows = contents(path)
    assert {row[2] for row in rows["events"]} == {f"boot-{number}" for number in range(6, 11)}
    assert [len(rows[table]) for table in ("notices", "visits", "jobs")] == [5, 5 + 10, 5]


def test_without_a_time_that_is_known_nothing_is_old(ledger: Ledger, path: Path) -> None:
    for number in range(1, 400):
        leave(ledger, check_in(ledger, number, 1, at(number, trusted=False)), number, at(number, trusted=False))
    before = contents(path)
    forget(ledger, 4_000)
    assert contents(path) == before


def test_events_of_unknown_time_are_as_old_as_the_next_that_are_known(ledger: Ledger, path: Path) -> None:
    for number in range(1, SLICE * 2):
        ledger.commit(TimePassed(), [], Now("lost-boot", number), 0)
    ledger.commit(TimePassed(), [], day(1), 0)
    ledger.commit(TimePassed(), [], day(100), 0)
    forget(ledger, 200)
    assert len(contents(path)["events"]) == SLICE * 2 + 1
    forget(ledger, 250)
    assert len(contents(path)["events"]) == 1


def test_nothing_goes_because_a_clock_was_slow_for_a_while(ledger: Ledger, path: Path) -> None:
    """Two years behind at first, put right in the same boot; and right at first, then two years behind."""
    for number, (first, then) in enumerate(((day(1), day(801)), (day(801), day(1)))):
        for moment, wall in enumerate((first.wall, then.wall), start=1):
            ledger.commit(TimePassed(), [], Now(f"slow-{number}", moment * 1000, wall), 0)
    before = contents(path)
    forget(ledger, 802)
    assert contents(path)["events"] == before["events"]


def test_the_newest_event_stays_so_that_no_place_is_given_twice(ledger: Ledger) -> None:
    for number in range(1, 6):
        ledger.commit(TimePassed(), [], day(number), 0)
    forget(ledger, 3_000)
    ledger.reopen()
    assert ledger.commit(TimePassed(), [], day(3_000), 0) == 6


def test_who_counts_as_introduced_is_the_same_before_and_after(ledger: Ledger, path: Path) -> None:
    for number in range(1, 30):
        introduce(ledger, number, 1 + number % 3, 5 + number % 7, day(number * 10))
    ledger.commit(TimePassed(), [], day(310), 0)
    before = [ledger.met(person(number).id) for number in range(1, 15)]
    count = len(contents(path)["introductions"])
    forget(ledger, 310)
    assert [ledger.met(person(number).id) for number in range(1, 15)] == before
    assert 0 < len(contents(path)["introductions"]) < count


def test_an_introduction_of_unknown_time_goes_with_the_known_ones_after_it(ledger: Ledger, path: Path) -> None:
    for number, known in ((10, False), (50, True), (60, False), (200, True)):
        introduce(ledger, number, 1, number // 10 + 1, day(number, trusted=known))
    forget(ledger, 300)
    assert {row[1] for row in contents(path)["introductions"]} == {"p21", "p7"}
    assert ledger.met(person(1).id) == {"p21", "p7"}


def test_it_is_done_in_small_slices_and_once_a_day(ledger: Ledger) -> None:
    for number in range(1, 1_000):
        leave(ledger, check_in(ledger, number, 1, day(1)), number, day(1))
    slices = forget(ledger, 300)
    assert slices > 2 * 999 / SLICE
    assert not ledger.forget(utc(300) + 5_000, KEEP_MS)
    assert ledger.forget(utc(301), KEEP_MS)


def test_a_disk_that_takes_nothing_ends_it_until_tomorrow_without_harm(ledger: Ledger, path: Path) -> None:
    for number in range(1, 300):
        leave(ledger, check_in(ledger, number, 1, day(1)), number, day(1))
    before = contents(path)
    ledger._connection.pragma("query_only", 1)
    with pytest.raises(LedgerError):
        forget(ledger, 300)
    ledger._connection.pragma("query_only", 0)
    assert contents(path) == before
    forget(ledger, 301)
    assert len(contents(path)["events"]) == 1


def test_three_years_at_the_door_leave_the_file_as_large_as_what_is_kept(ledger: Ledger, path: Path) -> None:
    """With a twentieth of a busy café's visits; each has three events here."""
    ledger._connection.pragma("synchronous", "OFF")  # the disk is not what is looked at
    visits, sizes, costs = 10, [], []
    for number in range(1, 3 * 365 + 1):
        now, took = day(number), []
        for turn in range(visits):
            serial = number * visits + turn
            began = process_time_ns()
            introduce(ledger, serial, serial % PEOPLE + 1, (serial + turn + 1) % PEOPLE + 1, now)
            took.append(process_time_ns() - began)
        forget(ledger, number)
        ledger.tidy()
        if number % 5 == 0:
            sizes.append(path.stat().st_size)
            costs.append(median(took))
    year = len(sizes) // 3
    kept = visits * (KEEP_MS // DAY_MS + 1)
    assert len(contents(path)["visits"]) <= kept
    assert len(contents(path)["introductions"]) <= visits * (MET_MS // DAY_MS + 1)
    assert max(sizes[year:]) <= 1.1 * max(sizes[:year]), "it grows for ever"
    assert max(sizes) < kept * 1_500
    assert median(costs[-30:]) < 1.5 * median(costs[:30]), "a visit costs more in the third year"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("keep_events_days = 100", r"\[ledger\] keep_events_days = 100 must be 190 to 3660 days"),
        ('second = "copies"', r"\[ledger\] second = 'copies' must be a whole path, like '/media/fikatap/copies'"),
    ],
)
def test_a_rule_that_can_not_be_is_told(line: str, words: str) -> None:
    text = CAFE.format(folder="/tmp", socket="/tmp/s", rules="", match_ms=800, printer="", trust="true")
    with pytest.raises(ConfigError, match=words):
        parse(text.replace("[control]", f"{line}\n[control]"))
