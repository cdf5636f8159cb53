from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import apsw
import msgspec
import pytest
from msgspec.structs import replace

from firmware_py.database import OLDEST, STEPS, migrate, open_for_reading, version_of
from firmware_py.ledger import Ledger, LedgerError, LedgerInUse, LedgerTooNew, OpenNotice, TapPath
from kiosk.badge import Badge, BadgeZone, Slip, SlipKind, SlipLine
from kiosk.effects import (
    BindCard,
    CloseVisit,
    ConfirmVisit,
    Durable,
    Ending,
    NoteMet,
    Notice,
    OpenVisit,
    QueueBadge,
    SetJob,
    SettleMatch,
    TellStaff,
)
from kiosk.events import CardTapped, Event, JobSent, MatchAnswered, Started, TimePassed
from kiosk.jobs import Job, JobState
from kiosk.values import (
    CardId,
    Cause,
    Consents,
    Introduction,
    JobId,
    Language,
    Member,
    MemberId,
    Met,
    Now,
    Reason,
    ReasonKind,
    Symbol,
    TopicId,
    Visit,
    VisitId,
    WallTime,
    ZoneId,
)
from tests.rigs.disk import Disk, simulated_disk

DAY_MS = 24 * 3600 * 1000
SIGRID = Member(
    MemberId("sigrid"),
    "Sigrid Ö",
    Language.SV,
    short_name="Siri",
    occupation="2512",
    industry="D",
    seeks=(TopicId("budget"),),
    offers=(TopicId("startup"), TopicId("funding")),
    languages=("ar",),
    employer="abc",
    quiet=True,
    consents=Consents(introductions=True, need=True),
)
HAKON = Member(MemberId("hakon"), "Håkon", Language.NB)
MAEVE = Member(MemberId("maeve"), "Maeve", Language.EN)
CARD = CardId("5e" * 32)
TRUSTED = Now("boot-1", 1_000, WallTime(1_800_000_000_000, 20_833, 600))
UNTRUSTED = Now("boot-1", 1_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    ledger = Ledger.open(path)
    ledger.put_members([SIGRID, HAKON, MAEVE])
    yield ledger
    ledger.close()


def visit(ledger: Ledger, serial: int, member: Member, opened: Now = TRUSTED, lifetime_rate: int = 0) -> Visit:
    return Visit(VisitId(f"{ledger.prefix}-{serial}"), serial, member, opened, lifetime_rate=lifetime_rate)


def tapped(member: Member, card: CardId = CARD) -> CardTapped:
    return CardTapped("door", card, member)


def check_in(ledger: Ledger, serial: int, member: Member, opened: Now = TRUSTED) -> Visit:
    came = visit(ledger, serial, member, opened)
    ledger.commit(tapped(member), [OpenVisit(came)], opened, serial)
    return came


def introduce(ledger: Ledger, to: Visit, partner: Visit, now: Now = TRUSTED, serial: int = 9) -> SettleMatch:
    reason = Reason(ReasonKind.OPEN)
    found = Introduction(to.id, partner.id, reason, ZoneId("window"), 500)
    settled = SettleMatch(to.id, found, ZoneId("window"), to.member.id, partner.member.id)
    ledger.commit(MatchAnswered(to.id, found, found.zone), [settled], now, serial)
    return settled


def job_of(visit: Visit, serial: int, name: str = "Siri") -> Job:
    badge = Badge(Language.SV, name, BadgeZone("Fönstret", Symbol.STAR, "blå"), "fikatap:v/1", headline="Webbutvecklare")
    return Job(JobId(f"{visit.id.rpartition('-')[0]}-{serial}"), visit.id, visit.member.id, badge, visit.opened, 77)


def found_after_restart(ledger: Ledger, path: Path) -> Started:
    ledger.close()
    again = Ledger.open(path)
    try:
        return again.started()
    finally:
        again.close()


def bytes_of(path: Path) -> bytes:
    return b"".join(each.read_bytes() for each in path.parent.iterdir() if each.is_file())


# What a restart finds


def test_a_new_ledger_holds_nothing(path: Path) -> None:
    ledger = Ledger.open(path)
    assert ledger.started() == Started()
    ledger.close()


def test_after_a_restart_visits_matches_owed_badges_and_counters_are_as_they_were(ledger: Ledger, path: Path) -> None:
    first, second = visit(ledger, 1, SIGRID, lifetime_rate=250), visit(ledger, 2, HAKON, UNTRUSTED)
    ledger.commit(tapped(SIGRID), [OpenVisit(first)], TRUSTED, 1)
    ledger.commit(tapped(HAKON), [OpenVisit(second), ConfirmVisit(second.id, confirmed=False)], UNTRUSTED, 2)
    introduce(ledger, first, second)
    queued, sending, printed = (job_of(first, serial) for serial in (10, 9, 8))
    effects: Sequence[Durable] = [
        QueueBadge(queued),
        QueueBadge(sending),
        SetJob(sending.id, JobState.SENDING),
        QueueBadge(printed),
        SetJob(printed.id, JobState.CONFIRMED),
    ]
    ledger.commit(TimePassed(), effects, TRUSTED, 10)
    assert found_after_restart(ledger, path) == Started(
        visits=(
            replace(first, zone=ZoneId("window"), introduced=1),
            replace(second, confirmed=False, approached=1),
        ),
        owed=(second.id,),
        jobs=(replace(sending, state=JobState.SENDING), queued),
        serial=10,
        number=2,
        starts=1,
        introductions=1,
    )


def test_a_closed_visit_is_not_open_after_a_restart_and_owes_no_match(ledger: Ledger, path: Path) -> None:
    came = check_in(ledger, 1, SIGRID)
    ledger.commit(tapped(SIGRID), [CloseVisit(came.id, Ending.TAPPED)], TRUSTED, 1)
    found = found_after_restart(ledger, path)
    assert (found.visits, found.owed) == ((), ())


def test_each_start_is_counted(ledger: Ledger) -> None:
    assert [ledger.started().starts for _ in range(3)] == [1, 2, 3]


def test_whom_somebody_met_is_kept_until_they_go(ledger: Ledger, path: Path) -> None:
    came = check_in(ledger, 1, HAKON)
    met = (Met(MemberId("xerxes"), 2, "Xerxes", (TopicId("budget"),)), Met(SIGRID.id, 3))
    ledger.commit(TimePassed(), [NoteMet(came.id, met[:1])], TRUSTED, 1)
    ledger.commit(TimePassed(), [NoteMet(came.id, met)], TRUSTED, 1)
    assert ledger.started().visits == (replace(came, met=met),)
    ledger.commit(tapped(HAKON), [CloseVisit(came.id, Ending.TAPPED)], TRUSTED, 1)
    ledger.close()
    assert b"Xerxes" not in bytes_of(path)


def test_introductions_are_counted_for_ever_even_when_their_people_are_removed(ledger: Ledger) -> None:
    sigrid, hakon, maeve = check_in(ledger, 1, SIGRID), check_in(ledger, 2, HAKON), check_in(ledger, 3, MAEVE)
    introduce(ledger, sigrid, hakon)
    introduce(ledger, maeve, sigrid)
    ledger.remove_member(SIGRID.id)
    ledger.reopen()
    assert ledger.started().introductions == 2


def test_a_commit_that_fails_counts_no_introduction(disk: Disk, ledger: Ledger) -> None:
    sigrid, hakon = check_in(ledger, 1, SIGRID), check_in(ledger, 2, HAKON)
    disk.fault = apsw.FullError
    with pytest.raises(LedgerError):
        introduce(ledger, sigrid, hakon)
    disk.fault = None
    assert ledger.started().introductions == 0
    introduce(ledger, sigrid, hakon)
    assert ledger.started().introductions == 1


def test_a_ledger_of_the_first_version_goes_on_with_all_that_it_had(path: Path) -> None:
    path.parent.mkdir()
    first = apsw.Connection(str(path))
    migrate(first, path, STEPS[:1], new_incarnation="x")
    first.execute("INSERT INTO members (id, profile) VALUES ('hakon', ?), ('maeve', ?)", (_profile(HAKON), _profile(MAEVE)))
    opened = "INSERT INTO visits VALUES (?, ?, ?, 1, 'boot-1', 5, NULL, NULL, NULL, 0, 1, 0, 'window', 0, 0, NULL, NULL)"
    first.execute(opened, ("t1-x-1", "hakon", 1))
    first.execute(opened, ("t1-x-2", "maeve", 2))
    first.execute(
        "INSERT INTO introductions VALUES ('hakon', 'maeve', 1, NULL, 't1-x-1'), ('maeve', 'hakon', 2, NULL, 't1-x-2')"
    )
    first.execute("UPDATE terminal SET serial = 2, number = 2")
    first.close()
    ledger = Ledger.open(path)
    started = ledger.started()
    assert [(each.member, each.met) for each in started.visits] == [(HAKON, ()), (MAEVE, ())]
    assert (started.introductions, started.serial) == (2, 2)
    assert path.with_name("ledger.db.v1").exists()
    ledger.close()


def _profile(member: Member) -> str:
    return msgspec.json.encode(member).decode()


def test_the_order_is_that_of_the_serial_not_of_the_letters(ledger: Ledger) -> None:
    for serial, member in ((9, SIGRID), (10, HAKON), (11, MAEVE)):
        check_in(ledger, serial, member)
    assert [each.number for each in ledger.started().visits] == [9, 10, 11]


def test_the_lifetime_rate_counts_visits_and_approaches(ledger: Ledger) -> None:
    first, second = check_in(ledger, 1, SIGRID), check_in(ledger, 2, HAKON)
    introduce(ledger, first, second)
    ledger.commit(tapped(HAKON), [CloseVisit(second.id, Ending.TAPPED)], TRUSTED, 2)
    check_in(ledger, 3, HAKON)
    assert (ledger.rate(HAKON.id), ledger.rate(SIGRID.id), ledger.rate(MAEVE.id)) == (500, 0, 0)


def test_the_sequence_goes_on_after_a_restart(ledger: Ledger, path: Path) -> None:
    check_in(ledger, 1, SIGRID)
    ledger.close()
    again = Ledger.open(path)
    assert again.commit(TimePassed(), [], TRUSTED, 1) == 2
    again.close()


def test_a_new_incarnation_gives_other_ids_and_survives(path: Path) -> None:
    ledger = Ledger.open(path, "t7")
    first = ledger.prefix
    ledger.new_incarnation()
    second = ledger.prefix
    ledger.close()
    again = Ledger.open(path, "t7")
    assert first.startswith("t7-")
    assert first != second == again.prefix
    again.close()


def test_two_ledgers_never_share_a_prefix(tmp_path: Path) -> None:
    ledgers = [Ledger.open(tmp_path / name) for name in ("one.db", "two.db")]
    assert ledgers[0].prefix != ledgers[1].prefix
    for ledger in ledgers:
        ledger.close()


# Cards


def test_a_bound_card_tells_its_holder(ledger: Ledger) -> None:
    ledger.commit(TimePassed(), [BindCard(CARD, SIGRID.id)], TRUSTED, 0)
    assert ledger.holder(CARD) == (SIGRID, False, 0)
    assert ledger.holder(CardId("00" * 32)) == (None, False, 0)


def test_a_blocked_card_stays_blocked_when_it_is_bound_again(ledger: Ledger) -> None:
    ledger.bind_card(CARD, SIGRID.id)
    ledger.block_cards([CARD])
    ledger.bind_card(CARD, SIGRID.id)
    assert ledger.holder(CARD) == (SIGRID, True, 0)


# Whom one has met


def test_an_introduction_is_remembered_both_ways(ledger: Ledger) -> None:
    introduce(ledger, check_in(ledger, 1, SIGRID), check_in(ledger, 2, HAKON))
    reader = ledger.reader()
    assert [set(reader.met(member.id)) for member in (SIGRID, HAKON, MAEVE)] == [{HAKON.id}, {SIGRID.id}, set()]
    reader.close()


def later(days: int) -> Now:
    assert TRUSTED.wall is not None
    return Now("boot-2", 5, replace(TRUSTED.wall, utc_ms=TRUSTED.wall.utc_ms + days * DAY_MS))


@pytest.mark.parametrize(("days", "met"), [(182, {HAKON.id}), (184, set())])
def test_people_may_meet_again_after_six_months(ledger: Ledger, days: int, met: set[MemberId]) -> None:
    introduce(ledger, check_in(ledger, 1, SIGRID), check_in(ledger, 2, HAKON))
    ledger.commit(TimePassed(), [], later(days), 9)
    assert ledger.met(SIGRID.id) == met


def test_without_trusted_time_nothing_is_too_long_ago(ledger: Ledger) -> None:
    introduce(ledger, check_in(ledger, 1, SIGRID), check_in(ledger, 2, HAKON))
    ledger.commit(TimePassed(), [], later(184), 9)
    ledger.commit(TimePassed(), [], UNTRUSTED, 9)
    assert ledger.met(SIGRID.id) == {HAKON.id}


def test_an_introduction_of_unknown_time_is_as_old_as_the_next_known_one(ledger: Ledger) -> None:
    sigrid, hakon, maeve = check_in(ledger, 1, SIGRID), check_in(ledger, 2, HAKON), check_in(ledger, 3, MAEVE)
    introduce(ledger, sigrid, hakon, UNTRUSTED)
    ledger.commit(TimePassed(), [], later(184), 9)
    assert ledger.met(SIGRID.id) == {HAKON.id}
    introduce(ledger, sigrid, maeve, TRUSTED)
    ledger.commit(TimePassed(), [], later(184), 9)
    assert ledger.met(SIGRID.id) == set()


# Badges and notices


def test_a_badge_is_forgotten_when_it_came_out_and_the_visitor_has_left(ledger: Ledger, path: Path) -> None:
    came = check_in(ledger, 1, SIGRID)
    early, late = job_of(came, 2, "Xerxes"), job_of(came, 3, "Xerxes")
    ledger.commit(TimePassed(), [QueueBadge(early), SetJob(early.id, JobState.CONFIRMED), QueueBadge(late)], TRUSTED, 3)
    assert ledger.job(early.id) == replace(early, state=JobState.CONFIRMED)
    ledger.commit(tapped(SIGRID), [CloseVisit(came.id, Ending.TAPPED)], TRUSTED, 3)
    assert (ledger.job(early.id), ledger.job(late.id)) == (None, late)
    ledger.commit(JobSent(late.id, 5), [SetJob(late.id, JobState.CONFIRMED)], TRUSTED, 3)
    assert ledger.job(late.id) is None
    ledger.close()
    assert b"Xerxes" not in bytes_of(path)


def slip_of(serial: int, kind: SlipKind, visit: Visit | None = None, text: str = "Xerxes") -> Job:
    slip = Slip(kind=kind, language=Language.SV, title="Tack", lines=(SlipLine(text),))
    whose = (VisitId(""), MemberId("")) if visit is None else (visit.id, visit.member.id)
    return Job(JobId(f"t1-x-{serial}"), *whose, None, TRUSTED, 77, slip=slip)


@pytest.mark.parametrize("state", [JobState.CONFIRMED, JobState.FAILED, JobState.UNKNOWN, JobState.EXPIRED])
def test_a_slip_outlives_its_visit_and_its_words_are_forgotten_when_it_ends(
    ledger: Ledger, path: Path, state: JobState
) -> None:
    came = check_in(ledger, 1, SIGRID)
    slips = (slip_of(2, SlipKind.FOLLOW_UP, came), slip_of(3, SlipKind.FAULT))
    closing: list[Durable] = [CloseVisit(came.id, Ending.TAPPED), *(QueueBadge(slip) for slip in slips)]
    ledger.commit(tapped(SIGRID), closing, TRUSTED, 3)
    assert ledger.started().jobs == slips
    ledger.commit(TimePassed(), [SetJob(slip.id, state, Cause.SILENT) for slip in slips], TRUSTED, 3)
    assert ledger.jobs() == []
    assert ledger.counts()["badges_unknown"] == 0
    ledger.close()
    assert b"Xerxes" not in bytes_of(path)


def test_a_fault_slip_that_takes_in_more_is_still_one(ledger: Ledger) -> None:
    first, more = slip_of(3, SlipKind.FAULT), slip_of(3, SlipKind.FAULT, text="Xerxes, Ygor")
    ledger.commit(TimePassed(), [QueueBadge(first)], TRUSTED, 3)
    ledger.commit(TimePassed(), [QueueBadge(more)], TRUSTED, 3)
    assert ledger.jobs() == [more]


def test_a_badge_that_staff_is_asked_about_is_kept(ledger: Ledger) -> None:
    came = check_in(ledger, 1, SIGRID)
    job = job_of(came, 2)
    ended = SetJob(job.id, JobState.UNKNOWN, Cause.STOPPED)
    told = TellStaff(Notice.BADGE_UNKNOWN, job.id, Cause.STOPPED)
    ledger.commit(TimePassed(), [QueueBadge(job), ended, told, CloseVisit(came.id, Ending.TAPPED)], TRUSTED, 2)
    assert ledger.job(job.id) == replace(job, state=JobState.UNKNOWN, cause=Cause.STOPPED)
    assert ledger.notices() == [OpenNotice(1, 1_800_000_000_000, "badge_unknown", job.id, "stopped")]


def test_staff_s_answer_settles_the_question(ledger: Ledger) -> None:
    job = job_of(check_in(ledger, 1, SIGRID), 2)
    ledger.commit(
        TimePassed(), [QueueBadge(job), SetJob(job.id, JobState.UNKNOWN), TellStaff(Notice.BADGE_UNKNOWN, job.id)], TRUSTED, 2
    )
    ledger.commit(TimePassed(), [SetJob(job.id, JobState.CONFIRMED)], TRUSTED, 2)
    assert ledger.notices() == []


def test_a_notice_is_settled_once(ledger: Ledger) -> None:
    ledger.commit(TimePassed(), [TellStaff(Notice.UNKNOWN_CARD)], UNTRUSTED, 0)
    notice = ledger.notices()[0]
    assert (notice.notice, notice.utc_ms) == ("unknown_card", None)
    assert (ledger.resolve(notice.id), ledger.resolve(notice.id), ledger.notices()) == (True, False, [])


def test_status_counts_what_there_is(ledger: Ledger) -> None:
    check_in(ledger, 1, SIGRID)
    ledger.bind_card(CARD, SIGRID.id)
    assert ledger.counts() == {"events": 1, "members": 3, "cards": 1, "here": 1, "badges_unknown": 0, "notices": 0}


# Time


def test_an_event_of_untrusted_time_is_corrected_once_time_is_known(ledger: Ledger, path: Path) -> None:
    ledger.commit(TimePassed(), [], Now("boot-1", 400), 0)
    ledger.commit(TimePassed(), [], TRUSTED, 0)
    ledger.commit(TimePassed(), [], Now("boot-2", 400), 0)
    other = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    rows = other.execute("SELECT seq, trusted, utc_ms FROM timed_events").fetchall()
    other.close()
    assert rows == [(1, 0, 1_799_999_999_400), (2, 1, 1_800_000_000_000), (3, 0, None)]


# One commit, one sync


@pytest.fixture
def disk() -> Iterator[Disk]:
    with simulated_disk() as disk:
        yield disk


def test_each_verdict_costs_one_commit_and_one_sync(disk: Disk, ledger: Ledger) -> None:
    commits = 0

    def committed() -> bool:
        nonlocal commits
        commits += 1
        return False

    ledger._connection.set_commit_hook(committed)
    ledger.bind_card(CARD, SIGRID.id)
    for serial in range(1, 500):
        tidied = ledger.tidy()
        commits, disk.synced = 0, []
        came = visit(ledger, serial, SIGRID)
        ledger.holder(CARD)
        ledger.commit(tapped(SIGRID), [OpenVisit(came), QueueBadge(job_of(came, serial))], TRUSTED, serial)
        assert (commits, len(disk.synced)) == (1, 1), f"commit {serial}, tidied before: {tidied}"
        assert disk.synced[0].endswith("-wal")
        ledger.commit(tapped(SIGRID), [CloseVisit(came.id, Ending.TAPPED)], TRUSTED, serial)


def test_tidying_up_keeps_the_journal_short(ledger: Ledger, path: Path) -> None:
    tidied = 0
    for serial in range(1, 200):
        check_in(ledger, serial, SIGRID)
        tidied += ledger.tidy()
    assert tidied > 3
    assert path.with_name("ledger.db-wal").stat().st_size < 300 * 4120


def test_the_journal_ends_somewhere_even_when_nobody_tidies_up(disk: Disk, ledger: Ledger, path: Path) -> None:
    for serial in range(1, 600):
        check_in(ledger, serial, SIGRID)
    assert path.with_name("ledger.db-wal").stat().st_size < 2_100 * 4120
    assert f"{path}" in disk.synced


# No scans


@pytest.mark.parametrize("statement", TapPath)
def test_no_statement_between_tap_and_badge_scans_a_table(ledger: Ledger, statement: TapPath) -> None:
    plan = [row[3] for row in ledger._connection.execute(f"EXPLAIN QUERY PLAN {statement}", _anything(statement))]
    # `late` is one row, found by the primary key.
    assert [line for line in plan if line.startswith("SCAN") and line not in ("SCAN late", "SCAN CONSTANT ROW")] == []


def _anything(statement: TapPath) -> tuple[None, ...]:
    numbered = [int(number) for number in re.findall(r"\?(\d)", statement)]
    return (None,) * (max(numbered) if numbered else statement.count("?"))


def test_tap_and_match_run_no_other_statements(ledger: Ledger) -> None:
    seen: set[str] = set()

    def traced(_cursor: apsw.Cursor, sql: str, _bindings: object) -> bool:
        seen.add(" ".join(sql.split()))
        return True

    ledger._connection.set_exec_trace(traced)
    ledger.holder(CARD)
    first, second = check_in(ledger, 1, SIGRID), check_in(ledger, 2, HAKON)
    introduce(ledger, first, second)
    ledger.met(SIGRID.id)
    job = job_of(first, 3)
    effects: list[Durable] = [QueueBadge(job), SetJob(job.id, JobState.UNKNOWN), TellStaff(Notice.BADGE_UNKNOWN, job.id)]
    ledger.commit(
        TimePassed(),
        [*effects, BindCard(CARD, SIGRID.id), NoteMet(first.id, ()), ConfirmVisit(first.id, confirmed=True)],
        TRUSTED,
        3,
    )
    ledger.commit(TimePassed(), [CloseVisit(first.id, Ending.TAPPED)], TRUSTED, 3)
    known = {" ".join(statement.split()) for statement in TapPath} | {"BEGIN IMMEDIATE", "COMMIT"}
    assert seen <= known
    assert len(seen) > 15


# Faults


def state_of(ledger: Ledger) -> tuple[object, ...]:
    return (ledger.last_seq, ledger.counts(), ledger.started().visits)


@pytest.mark.parametrize(("fault", "words"), [(apsw.FullError, "the disk is full"), (apsw.ReadOnlyError, "read-only")])
def test_a_disk_that_takes_no_more_is_told_and_nothing_is_half_stored(
    disk: Disk, ledger: Ledger, fault: type[apsw.Error], words: str
) -> None:
    check_in(ledger, 1, SIGRID)
    before = state_of(ledger)
    disk.fault = fault
    with pytest.raises(LedgerError, match=words):
        check_in(ledger, 2, HAKON)
    disk.fault = None
    assert state_of(ledger) == before
    assert check_in(ledger, 2, HAKON) in ledger.started().visits


def test_after_a_failed_sync_the_ledger_is_opened_anew_under_the_same_lock(disk: Disk, ledger: Ledger, path: Path) -> None:
    check_in(ledger, 1, SIGRID)
    disk.sync_fault = apsw.IOError
    with pytest.raises(LedgerError, match="memory card"):
        check_in(ledger, 2, HAKON)
    disk.sync_fault = None
    ledger.reopen()
    with pytest.raises(LedgerInUse):
        Ledger.open(path)
    started = ledger.started()
    assert started.visits[0].member == SIGRID
    check_in(ledger, started.serial + 1, MAEVE)


def test_a_failed_reopening_can_be_tried_again(disk: Disk, ledger: Ledger) -> None:
    check_in(ledger, 1, SIGRID)
    disk.fault = disk.sync_fault = apsw.IOError
    with pytest.raises(LedgerError):
        check_in(ledger, 2, HAKON)
    with pytest.raises(LedgerError):
        ledger.reopen() or ledger.started()  # type: ignore[func-returns-value] # the second, when the first worked
    disk.fault = disk.sync_fault = None
    ledger.reopen()
    assert [each.member for each in ledger.started().visits] == [SIGRID]


def test_a_reopened_ledger_keeps_its_locks_so_that_others_who_look_into_it_lose_nothing(ledger: Ledger, path: Path) -> None:
    """The last to close a database takes its journal away; who is in it must be seen by whoever comes by with other tools."""
    reader = ledger.reader()
    reader.met(SIGRID.id)
    ledger.reopen()
    reader.met(SIGRID.id)
    check_in(ledger, 1, SIGRID)
    look = f"import sqlite3; c = sqlite3.connect({str(path)!r}); print(*c.execute('SELECT count(*) FROM visits').fetchone())"
    assert subprocess.run([sys.executable, "-c", look], capture_output=True, text=True).stdout == "1\n"
    check_in(ledger, 2, MAEVE)
    assert subprocess.run([sys.executable, "-c", look], capture_output=True, text=True).stdout == "2\n"
    reader.close()


def test_a_ledger_that_vanished_is_not_made_anew(ledger: Ledger, path: Path) -> None:
    path.unlink()
    with pytest.raises(LedgerError, match="is gone; bring it back"):
        ledger.reopen()
    assert not path.exists()


def test_a_failed_checkpoint_does_not_fail_the_commit_before_it(disk: Disk, ledger: Ledger, path: Path) -> None:
    disk.fault_at = str(path)
    disk.fault = apsw.FullError
    for serial in range(1, 600):
        check_in(ledger, serial, SIGRID)
    assert path.with_name("ledger.db-wal").stat().st_size > 2_100 * 4120, "nothing came to be moved"
    with pytest.raises(LedgerError, match="the disk is full"):
        ledger.tidy()
    assert len(ledger.started().visits) == 599


def test_a_visit_of_nobody_known_is_refused_whole(ledger: Ledger) -> None:
    stranger = replace(SIGRID, id=MemberId("stranger"))
    with pytest.raises(LedgerError):
        check_in(ledger, 1, stranger)
    assert ledger.last_seq == 0
    check_in(ledger, 1, SIGRID)


@pytest.mark.usefixtures("ledger")
def test_a_second_program_is_told_who_has_the_ledger(path: Path) -> None:
    with pytest.raises(LedgerInUse, match=f"in use by process {os.getpid()};"):
        Ledger.open(path)


def test_the_lock_of_a_program_that_died_is_free(path: Path) -> None:
    code = "import os, pathlib, sys; from firmware_py.ledger import Ledger; Ledger.open(pathlib.Path(sys.argv[1])); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", code, str(path)]).returncode == 9
    Ledger.open(path).close()


def test_a_failed_opening_lets_the_lock_go(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"Dear diary, this is no ledger at all. " * 100)
    for _ in range(2):
        with pytest.raises(LedgerError, match="is not a ledger"):
            Ledger.open(path)
    with path.with_name("ledger.db.lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_somebody_else_s_database_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE recipes (name)")
    other.close()
    with pytest.raises(LedgerError, match="is a database, but not a ledger of Fikatap"):
        Ledger.open(path)


def test_a_ledger_of_a_newer_version_is_left_alone(ledger: Ledger, path: Path) -> None:
    ledger.close()
    newer = apsw.Connection(str(path))
    newer.pragma("user_version", len(STEPS) + 1)
    newer.close()
    before = path.read_bytes()
    with pytest.raises(LedgerTooNew, match=f"newer Fikatap \\(ledger version {len(STEPS) + 1}"):
        Ledger.open(path)
    assert path.read_bytes() == before


def test_a_migration_keeps_a_copy_of_the_file_before_it(ledger: Ledger, path: Path) -> None:
    check_in(ledger, 1, SIGRID)
    step = "ALTER TABLE members ADD COLUMN memo TEXT"
    migrate(ledger._connection, path, [*STEPS, step], 0, new_incarnation="x")
    assert ledger._connection.pragma("user_version") == len(STEPS) + 1
    ledger.close()
    with pytest.raises(LedgerTooNew):
        Ledger.open(path)
    copy = path.with_name(f"ledger.db.v{len(STEPS)}")
    assert copy.stat().st_mode & 0o777 == 0o600
    copy.replace(path)
    restored = Ledger.open(path)
    assert [each.member for each in restored.started().visits] == [SIGRID]
    restored.close()


def test_a_migration_that_fails_changes_nothing(ledger: Ledger, path: Path) -> None:
    with pytest.raises(apsw.SQLError):
        migrate(ledger._connection, path, [*STEPS, "DROP TABLE notices; DROP TABLE unicorns"], new_incarnation="x")
    assert version_of(ledger._connection) == (len(STEPS), OLDEST)
    assert ledger.notices() == []


@pytest.fixture
def powerless() -> Iterator[Path]:
    """A folder that everybody may enter, and a test without root's power to write everywhere."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        Ledger.open(folder / "ledger.db").close()
        nobody = 65534 if os.geteuid() == 0 else os.geteuid()
        for each in (folder, *folder.iterdir()):
            os.chown(each, nobody, -1)
        before = os.geteuid()
        os.seteuid(nobody)
        try:
            yield folder
        finally:
            os.seteuid(before)
            folder.chmod(0o755)


def test_a_folder_that_may_not_be_written_is_told(powerless: Path) -> None:
    for each in powerless.glob("*.lock"):
        each.unlink()
    powerless.chmod(0o555)
    with pytest.raises(LedgerError, match=r"ledger\.db\.lock can't be written: Permission denied"):
        Ledger.open(powerless / "ledger.db")
    with pytest.raises(LedgerError, match="can't be made: Permission denied"):
        Ledger.open(powerless / "new" / "ledger.db")


def test_a_file_that_may_not_be_written_is_told(powerless: Path) -> None:
    (powerless / "ledger.db").chmod(0o444)
    with pytest.raises(LedgerError, match=r"ledger\.db can't be opened for writing: Permission denied"):
        Ledger.open(powerless / "ledger.db")


# Nobody's business


def test_only_the_owner_can_read_the_files(ledger: Ledger, path: Path) -> None:
    check_in(ledger, 1, SIGRID)
    modes = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
    assert modes == dict.fromkeys(("ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.lock"), 0o600)


def test_of_an_unknown_card_only_the_fact_is_stored(ledger: Ledger, path: Path) -> None:
    stranger = CardId("c0ffee" * 10 + "beef")
    ledger.commit(CardTapped("door", stranger), [TellStaff(Notice.UNKNOWN_CARD)], TRUSTED, 0)
    ledger.close()
    assert stranger.encode() not in bytes_of(path)
    assert bytes.fromhex(stranger) not in bytes_of(path)


def test_a_removed_member_is_gone_from_every_byte(ledger: Ledger, path: Path) -> None:
    xerxes = replace(SIGRID, id=MemberId("m0017"), first_name="Xerxes", short_name="")
    ledger.put_members([xerxes])
    ledger.bind_card(CardId("ab" * 32), xerxes.id)
    theirs, other = check_in(ledger, 1, xerxes), check_in(ledger, 2, HAKON)
    introduce(ledger, other, theirs)
    job, about = job_of(theirs, 3, "Xerxes"), job_of(other, 4, "Meet Xerxes")
    done: list[Durable] = [QueueBadge(each) for each in (job, about)]
    done += [SetJob(each.id, JobState.UNKNOWN) for each in (job, about)]
    ledger.commit(TimePassed(), [*done, CloseVisit(theirs.id, Ending.TAPPED)], TRUSTED, 4)
    met = (Met(xerxes.id, 1, "Xerxes"), Met(MAEVE.id, 9, "Maeve"))
    waiting = slip_of(5, SlipKind.FOLLOW_UP, theirs)
    ledger.commit(TimePassed(), [NoteMet(other.id, met), QueueBadge(waiting)], TRUSTED, 5)
    ledger.tidy()
    ledger.remove_member(xerxes.id)
    left = bytes_of(path)
    assert (b"Xerxes" in left, ("ab" * 32).encode() in left) == (False, False)
    assert ledger.met(HAKON.id) == set()
    assert [(each.member, each.met) for each in ledger.started().visits] == [(HAKON, met[1:])]
    assert ledger.started().jobs == ()


def test_who_is_removed_while_somebody_reads_is_gone_after_the_next_tidying_up(ledger: Ledger, path: Path) -> None:
    xerxes = replace(SIGRID, id=MemberId("m0017"), first_name="Xerxes", short_name="")
    ledger.put_members([xerxes])
    reader = open_for_reading(path)
    rows = reader.execute("SELECT id FROM members")
    rows.fetchone()
    waits: list[int] = []

    def wait(tries: int) -> bool:
        waits.append(tries)
        return False

    ledger._connection.set_busy_handler(wait)
    ledger.remove_member(xerxes.id)
    assert waits == [], "the door waited for the reader"
    assert not ledger.tidy(), "a reader is at it still"
    assert b"Xerxes" in bytes_of(path)
    reader.close(force=True)
    assert ledger.tidy()
    assert b"Xerxes" not in bytes_of(path)
    assert not ledger.tidy(), "there is nothing left to do"


def test_who_was_to_be_erased_when_the_power_went_is_gone_after_the_first_tidying_up(
    ledger: Ledger, path: Path, tmp_path: Path
) -> None:
    xerxes = replace(SIGRID, id=MemberId("m0017"), first_name="Xerxes", short_name="")
    ledger.put_members([xerxes])
    reader = open_for_reading(path)
    rows = reader.execute("SELECT id FROM members")
    rows.fetchone()
    ledger.remove_member(xerxes.id)
    found = tmp_path / "after" / path.name
    found.parent.mkdir()
    for name in (path.name, f"{path.name}-wal"):  # what a power cut leaves; the shared memory is gone
        shutil.copy(path.with_name(name), found.with_name(name))
    reader.close(force=True)
    after = Ledger.open(found)
    try:
        assert after.member(xerxes.id) is None
        assert b"Xerxes" in bytes_of(found), "nothing was left to be erased"
        assert after.tidy()
        assert b"Xerxes" not in bytes_of(found)
        assert not after.tidy(), "there is nothing left to do"
    finally:
        after.close()


@pytest.mark.parametrize("state", [JobState.CONFIRMED, JobState.FAILED, JobState.UNKNOWN])
@pytest.mark.parametrize("begun", [JobState.SENDING, JobState.SENT])
def test_what_was_at_the_printer_for_a_removed_member_is_forgotten_however_it_ends(
    ledger: Ledger, path: Path, begun: JobState, state: JobState
) -> None:
    xerxes = replace(SIGRID, id=MemberId("m0017"), first_name="Xerxes", short_name="")
    ledger.put_members([xerxes])
    theirs, other = check_in(ledger, 1, xerxes), check_in(ledger, 2, HAKON)
    jobs = (job_of(theirs, 3, "Xerxes"), slip_of(4, SlipKind.FOLLOW_UP, theirs))
    queued: list[Durable] = [QueueBadge(each) for each in jobs]
    begins = [SetJob(each.id, begun) for each in jobs]
    beside = job_of(other, 5)
    queued += [QueueBadge(beside), SetJob(beside.id, begun)]
    ledger.commit(TimePassed(), [*queued, *begins, CloseVisit(theirs.id, Ending.TAPPED)], TRUSTED, 5)
    ledger.remove_member(xerxes.id)
    # Nobody's, so that the door prints nothing anew; that of somebody else stays theirs.
    assert [each.member for each in ledger.started().jobs] == ["", "", HAKON.id]
    ledger.commit(TimePassed(), [SetJob(each.id, state) for each in jobs], TRUSTED, 5)
    assert [each.id for each in ledger.jobs()] == [beside.id]
    ledger.tidy()
    ledger.close()
    assert b"Xerxes" not in bytes_of(path)


def test_an_open_visit_of_a_removed_member_is_closed_at_the_next_start(ledger: Ledger) -> None:
    check_in(ledger, 1, SIGRID)
    ledger.remove_member(SIGRID.id)
    assert ledger.started().visits == ()
    assert ledger.counts()["here"] == 0


# Members


def test_members_put_twice_change_nothing(ledger: Ledger) -> None:
    changed = replace(HAKON, quiet=True)
    assert ledger.put_members([SIGRID, changed, replace(MAEVE, id=MemberId("new"))]) == (1, 1, 1)
    assert ledger.put_members([SIGRID, changed]) == (0, 0, 2)
    assert ledger.member(HAKON.id) == changed


def test_a_dry_run_counts_and_stores_nothing(ledger: Ledger) -> None:
    assert ledger.put_members([replace(HAKON, quiet=True)], dry_run=True) == (0, 1, 0)
    assert ledger.member(HAKON.id) == HAKON


def test_a_change_keeps_cards_and_counters(ledger: Ledger) -> None:
    ledger.bind_card(CARD, SIGRID.id)
    introduce(ledger, check_in(ledger, 1, HAKON), check_in(ledger, 2, SIGRID))
    ledger.put_members([replace(SIGRID, quiet=False)])
    assert ledger.holder(CARD) == (replace(SIGRID, quiet=False), False, 1000)


def test_an_event_s_fact_is_stored_as_json(ledger: Ledger, path: Path) -> None:
    event: Event = tapped(SIGRID)
    ledger.commit(event, [], TRUSTED, 0)
    other = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    row = other.execute("SELECT kind, boot_id, boot_ms, utc_ms, fact FROM events").fetchone()
    other.close()
    assert row == (
        "CardTapped",
        "boot-1",
        1_000,
        1_800_000_000_000,
        '{"reader":"door","card":"' + CARD + '","member":"sigrid"}',
    )
