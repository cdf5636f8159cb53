"""The ledger: what must survive a power cut. An event and all that it leads to are stored in one transaction, or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from glob import escape
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, assert_never

import apsw
import msgspec
from msgspec.structs import replace

from drivers.matching.wire import CardBound, PairBlocked
from firmware_py.database import (
    BUSY_MS,
    LedgerDamaged,
    LedgerError,
    LedgerInUse,
    LedgerTooNew,
    Lock,
    make_file,
    open_database,
    open_for_reading,
    take,
    told,
)
from firmware_py.journal import Change
from kiosk.effects import (
    BindCard,
    CloseVisit,
    ConfirmVisit,
    Durable,
    NoteMet,
    Notice,
    OpenVisit,
    OweMatch,
    QueueBadge,
    SetJob,
    SetMood,
    SetRuling,
    SettleGroup,
    SettleMatch,
    TellStaff,
    UndoMatch,
)
from kiosk.events import Event, Started
from kiosk.jobs import Job, JobState
from kiosk.values import (
    CardId,
    Cause,
    JobId,
    Member,
    MemberId,
    Met,
    Mood,
    Now,
    Pair,
    Ruling,
    Visit,
    VisitId,
    WallTime,
    ZoneId,
)

__all__ = [
    "BoundCard",
    "KeptFault",
    "Ledger",
    "LedgerDamaged",
    "LedgerError",
    "LedgerInUse",
    "LedgerReader",
    "LedgerTooNew",
    "OpenNotice",
    "Put",
    "Record",
]

TIDY_PAGES = 200
"""`tidy` moves the journal into the file from this many pages on."""
OVERDUE_PAGES = 2_000
"""A commit does it by itself from this many pages on, should nobody tidy up."""
DAY_MS = 24 * 3600 * 1000
MET_MS = 183 * DAY_MS
"""How long people count as introduced to each other: six months."""
SLICE = 200
"""How many rows `forget` looks at in one go: some 1 ms here."""
NAMES = 1_000
"""How many members' names are read in one go: some 5 ms here."""
MOST_FAULTS = 200
"""How many faults of devices are kept, the latest: they are no events, and do not grow old with them."""
CLOCK_STEP_MS = 1_000
"""A wall clock that moved by more than this within a boot was put right."""

T = TypeVar("T")
_MEMBER = msgspec.json.Decoder(Member)
_JOB = msgspec.json.Decoder(Job)
_MET = msgspec.json.Decoder(tuple[Met, ...])
_encode = msgspec.json.Encoder().encode


class TapPath(StrEnum):
    """The statements between a tap and its light, and those of its match and badge: none of them may scan a table."""

    # Subqueries: as a join it takes three times as long.
    HOLDER = """
        SELECT profile, visits, approached, (SELECT blocked FROM cards WHERE card = ?1)
        FROM members WHERE id = (SELECT member FROM cards WHERE card = ?1)"""
    MEMBER = "SELECT profile, visits, approached FROM members WHERE id = ?"
    ADD_EVENT = "INSERT INTO events (seq, kind, boot_id, boot_ms, utc_ms, fact) VALUES (?, ?, ?, ?, ?, ?)"
    SET_CLOCK = """
        INSERT INTO clocks (boot_id, offset_ms) VALUES (?, ?)
        ON CONFLICT (boot_id) DO UPDATE SET offset_ms = excluded.offset_ms"""
    ADD_REPORT = "INSERT INTO outbox (number, source, seq, utc_ms, what) VALUES (?, ?, ?, ?, ?)"
    COUNT_REPORTS = "UPDATE terminal SET reported = ? WHERE only = 1"
    COUNT_CHANGE = "UPDATE terminal SET changes = ? WHERE only = 1"
    SET_COUNTERS = "UPDATE terminal SET serial = ?, number = ?, introductions = ? WHERE only = 1"
    OPEN_VISIT = """
        INSERT INTO visits (id, member, number, opened_seq, boot_id, boot_ms, utc_ms, local_day, local_minute,
                            rate, confirmed, owed, zone, approached, introduced, mood)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?)"""
    COUNT_VISIT = "UPDATE members SET visits = visits + 1 WHERE id = ?"
    CLOSE_VISIT = "UPDATE visits SET closed_seq = ?, why = ?, owed = 0, met = '[]', untold = 0 WHERE id = ?"
    CONFIRM_VISIT = "UPDATE visits SET confirmed = ? WHERE id = ?"
    SETTLE_MATCH = """
        UPDATE visits SET owed = 0, zone = ?, introduced = introduced + ?, talks_boot_id = ?, talks_until_ms = ? WHERE id = ?"""
    OWE_MATCH = "UPDATE visits SET owed = 1, talks_until_ms = NULL WHERE id = ?"
    COUNT_APPROACH = "UPDATE visits SET approached = approached + 1, talks_boot_id = ?, talks_until_ms = ? WHERE id = ?"
    COUNT_APPROACH_EVER = "UPDATE members SET approached = approached + 1 WHERE id = ?"
    ADD_INTRODUCTION = "INSERT INTO introductions (member, partner, seq, utc_ms, visit) VALUES (?, ?, ?, ?, ?)"
    MET = """
        WITH late (utc_ms) AS (SELECT utc_ms - ?2 FROM events WHERE seq = (SELECT max(seq) FROM events))
        SELECT partner FROM introductions WHERE member = ?1 AND seq > coalesce(
          (SELECT max(seq) FROM introductions WHERE member = ?1 AND utc_ms < (SELECT utc_ms FROM late)), 0)
        UNION ALL
        SELECT member FROM introductions WHERE partner = ?1 AND seq > coalesce(
          (SELECT max(seq) FROM introductions WHERE partner = ?1 AND utc_ms < (SELECT utc_ms FROM late)), 0)
        UNION ALL
        SELECT partner FROM met_elsewhere WHERE member = ?1"""
    BLOCKED = "SELECT other FROM blocks WHERE one = ?1 UNION ALL SELECT one FROM blocks WHERE other = ?1"
    NOTE_MET = "UPDATE visits SET met = ?, untold = ? WHERE id = ?"
    SET_MOOD = "UPDATE visits SET mood = ? WHERE id = ?"
    SET_RULING = """
        INSERT INTO rulings (one, other, ruling) VALUES (?, ?, ?)
        ON CONFLICT (one, other) DO UPDATE SET ruling = excluded.ruling"""
    DROP_RULING = "DELETE FROM rulings WHERE one = ? AND other = ?"
    FORGET_INTRODUCTION = """
        DELETE FROM introductions WHERE member = ?1 AND partner = ?2
          AND seq = (SELECT max(seq) FROM introductions WHERE member = ?1 AND partner = ?2 AND visit = ?3)"""
    UNDO_INTRODUCED = "UPDATE visits SET introduced = introduced - 1, talks_until_ms = NULL WHERE id = ?"
    UNDO_APPROACHED = "UPDATE visits SET approached = approached - 1, talks_until_ms = NULL WHERE id = ?"
    UNDO_APPROACHED_EVER = "UPDATE members SET approached = max(approached - 1, 0) WHERE id = ?"
    ADD_JOB = """
        INSERT INTO jobs (id, visit, state, cause, badge) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET badge = excluded.badge"""
    SET_JOB = "UPDATE jobs SET state = ?, cause = ? WHERE id = ?"
    # A badge's words are kept while its visit is open or its job is not done with; then they are nobody's business any more.
    # Those of another slip (whose job has no badge), or for somebody removed, are kept until it ends: nobody asks about it.
    FORGET_BADGE = """
        UPDATE jobs SET badge = NULL WHERE id = ? AND badge IS NOT NULL
          AND (badge ->> 'badge' IS NULL OR badge ->> 'member' = ''
               OR (state IN ('confirmed', 'failed', 'expired') OR cause = 'cannot_tell')
                  AND (SELECT closed_seq FROM visits WHERE visits.id = jobs.visit) IS NOT NULL)"""
    FORGET_BADGES = """
        UPDATE jobs SET badge = NULL WHERE visit = ? AND badge IS NOT NULL
          AND (state IN ('confirmed', 'failed', 'expired') OR cause = 'cannot_tell')"""
    # What is not about a badge is open once, however often it happens: a hundred unknown cards must not hide a lost badge.
    ADD_NOTICE = """
        INSERT INTO notices (seq, notice, job, cause, detail) SELECT ?1, ?2, ?3, ?4, ?5
        WHERE ?3 IS NOT NULL OR NOT EXISTS (SELECT 1 FROM notices WHERE job IS NULL AND resolved IS NULL AND notice = ?2)"""
    SETTLE_NOTICES = "UPDATE notices SET resolved = ? WHERE job = ? AND resolved IS NULL"
    BIND_CARD = """
        INSERT INTO cards (card, member, bound)
        VALUES (?1, ?2, (SELECT coalesce(max(bound), 0) + 1 FROM cards WHERE member = ?2))
        ON CONFLICT (card) DO UPDATE SET member = excluded.member, bound = excluded.bound"""


class Put(NamedTuple):
    """How many members were added, changed, and found the same."""

    added: int
    changed: int
    unchanged: int


class Record(NamedTuple):
    """A member and the counters over the lifetime; `present` tells whether a visit is open."""

    member: Member
    visits: int
    approached: int
    present: bool


class BoundCard(NamedTuple):
    """A card of a member."""

    card: CardId
    member: MemberId
    blocked: bool


class OpenNotice(NamedTuple):
    """What staff was told and has not settled; `utc_ms` is when, None when the time was not known."""

    id: int
    utc_ms: int | None
    notice: str
    job: JobId | None
    cause: str | None
    detail: str = ""


class KeptFault(NamedTuple):
    """A time that a device was away, in one boot: from and until in milliseconds of that boot, and when it began in UTC.

    `until_ms` is None when the program ended before the device was back, `utc_ms` while the time is not known, `id` before it
    is kept.
    """

    id: int | None
    device: str
    what: str
    trouble: str
    boot_id: str
    from_ms: int
    until_ms: int | None
    utc_ms: int | None


class LedgerReader:
    """Reads the ledger on a connection of its own; used by one thread at a time."""

    def __init__(self, path: Path, connection: apsw.Connection) -> None:
        self.path = path
        self._connection = connection

    def member(self, member: MemberId) -> Member | None:
        """Return a member's profile."""
        row = self._row(TapPath.MEMBER, member)
        return None if row is None else _decode(_MEMBER, row[0])

    def rate(self, member: MemberId) -> int:
        """Return how often others were sent to this member per visit, over the lifetime, times 1000."""
        row = self._row(TapPath.MEMBER, member)
        return 0 if row is None else _rate(row[1], row[2])

    def met(self, member: MemberId) -> frozenset[MemberId]:
        """Return whom the member was introduced to within six months, either way round, as of the last event.

        An introduction without trusted time is as old as the next one of this member that has it, and recent until then; when
        the last event has no trusted time, nothing is too long ago.
        """
        return frozenset(MemberId(row[0]) for row in self._rows(TapPath.MET, member, MET_MS))

    def blocked(self, member: MemberId) -> frozenset[MemberId]:
        """Return whom the member is never introduced to, because one of the two asked for it."""
        return frozenset(MemberId(row[0]) for row in self._rows(TapPath.BLOCKED, member))

    def record(self, member: MemberId) -> Record | None:
        """Return a member with the counters."""
        row = self._row(f"SELECT {_RECORD} FROM members WHERE id = ?", member)  # noqa: S608 - a constant
        return None if row is None else _record(row)

    def names(self) -> Iterator[tuple[MemberId, str, str]]:
        """Give each member's id, first name and short name, by id; between slices nothing is held open. Raise `LedgerError`."""
        after = ""
        while found := self._rows(_NAMES, after, NAMES):
            yield from found
            after = found[-1][0]

    def cards(self, member: MemberId) -> list[BoundCard]:
        """Return a member's cards, the newest first."""
        return _cards(self._rows("SELECT card, member, blocked FROM cards WHERE member = ? ORDER BY bound DESC", member))

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """Return what a question in SQL finds. Raise `LedgerError`."""
        return self._rows(sql, *values)

    def close(self) -> None:
        """Close the connection; nothing is lost where that fails."""
        with suppress(apsw.Error):
            self._connection.close()

    def _row(self, sql: str, *values: Any) -> Any:
        try:
            return self._connection.execute(sql, values).fetchone()
        except apsw.Error as error:
            raise told(self.path, error) from error
        except UnicodeDecodeError as error:
            raise LedgerDamaged(f"{self.path} is damaged; restore a copy ({error})") from error

    def _rows(self, sql: str, *values: Any) -> list[Any]:
        try:
            return self._connection.execute(sql, values).fetchall()
        except apsw.Error as error:
            raise told(self.path, error) from error
        except UnicodeDecodeError as error:
            raise LedgerDamaged(f"{self.path} is damaged; restore a copy ({error})") from error


class Ledger(LedgerReader):
    """The one writer of the ledger; `open` makes it.

    `prefix` makes ids unique: the terminal's name and the ledger's incarnation. `last_seq` is the last event's place.
    """

    def __init__(self, path: Path, terminal: str, lock: Lock) -> None:
        super().__init__(path, open_database(path, new_incarnation=fresh_incarnation()))
        self._terminal = terminal
        self._lock = lock
        self.reports_cards = False
        """Whether the shared service is to hear of cards, and of people kept apart, from staff."""
        self._hand_on: Callable[[Change], None] | None = None
        self._forgetting: Iterator[None] | None = None
        self._forgotten: tuple[int, int] | None = None
        try:
            self._read_state()
        except BaseException:
            self._close_file()  # opening is tried again and again
            raise

    @classmethod
    def open(cls, path: Path, terminal: str = "t1") -> Ledger:
        """Open the ledger under its lock, and make it, its folder and its schema when they are not there.

        Raise `LedgerInUse` when another program has it, `LedgerTooNew` when a newer version wrote it, `LedgerError` otherwise.
        """
        lock = take(path)
        try:
            make_file(path)
            return cls(path, terminal, lock)
        except BaseException:
            lock.release()
            raise

    def _read_state(self) -> None:
        self._connection.set_wal_hook(self._grew)
        self._pages = 0
        self._incarnation, self._serial, self._number, self._introductions, self._changes, self.key_id, erased = self._row(
            "SELECT incarnation, serial, number, introductions, changes, key_id, erased FROM terminal"
        )
        self._erased: bool = erased > 0 and self._has_journal()
        """Whether the journal may still have the words of somebody erased: one that was found may, whoever left it."""
        self.prefix = f"{self._terminal}-{self._incarnation}"
        self.last_seq: int = self._row("SELECT coalesce(max(seq), 0) FROM events")[0]
        self._reported: int = self._row("SELECT reported FROM terminal")[0]
        self._clock = ("", 0)

    def _has_journal(self) -> bool:
        """Tell whether there is anything in the journal, as after a power cut, or where somebody else reads."""
        journal = self.path.with_name(f"{self.path.name}-wal")
        try:
            return journal.stat().st_size > 0
        except OSError:
            return False

    def hand_on(self, to: Callable[[Change], None]) -> None:
        """Call `to` with each change that was stored from now on, before the method that stored it returns."""
        self._hand_on = to

    def close(self) -> None:
        """Close the ledger and let its lock go."""
        self._close_file()
        self._lock.release()

    def _close_file(self) -> None:
        # Closing moves the journal into the file; where that fails, the journal stays and is read by the next opening.
        with suppress(apsw.Error):
            self._connection.close()

    def reopen(self) -> None:
        """Close and open the file again, as after a failed sync nothing may be tried twice; the lock is kept.

        What a failed commit left in the journal may be found there afterwards: go on from `started`.
        """
        self._close_file()
        try:
            self.path.stat()
        except OSError as error:
            # Made anew it would be empty, and nobody would notice what is lost.
            raise LedgerError(f"{self.path} is gone; bring it back, or restore a copy ({error.strerror})") from error
        self._connection = open_database(self.path, new_incarnation=fresh_incarnation())
        self._read_state()

    def reader(self) -> LedgerReader:
        """Return a connection for another thread."""
        return LedgerReader(self.path, open_for_reading(self.path))

    def started(self, boot_id: str = "") -> Started:
        """Count a start, and return what is open, owed and under way; conversations of another boot than this are over."""
        with self._transaction():
            self._connection.execute("UPDATE terminal SET starts = starts + 1")
            self._connection.execute(
                "UPDATE visits SET closed_seq = ?, why = 'removed', owed = 0 WHERE closed_seq IS NULL AND member IS NULL",
                (self.last_seq,),
            )
        found = self._rows(_OPEN_VISITS, boot_id)
        visits = sorted(((_visit(row), row[0]) for row in found), key=lambda each: _serial_of(each[0]))
        return Started(
            visits=tuple(visit for visit, _ in visits),
            owed=tuple(visit.id for visit, owed in visits if owed),
            jobs=tuple(job for job in self.jobs() if not job.state.ended),
            serial=self._serial,
            number=self._number,
            starts=self._row("SELECT starts FROM terminal")[0],
            introductions=self._introductions,
            rulings=tuple(
                ((MemberId(one), MemberId(other)), Ruling(ruling))
                for one, other, ruling in self._rows("SELECT one, other, ruling FROM rulings ORDER BY one, other")
            ),
        )

    def commit(self, event: Event, effects: Sequence[Durable], now: Now, serial: int, reports: Sequence[bytes] = ()) -> int:
        """Store an event and its durable effects, with one commit and one sync; return the event's place in the sequence.

        `serial` is the last number that was given to a visit or a job, `reports` what the shared service is to hear of it, as
        JSON. Raise `LedgerError` when nothing was stored.
        """
        seq, wall = self.last_seq + 1, now.wall
        number, introductions = self._number, self._introductions
        utc_ms = None if wall is None else wall.utc_ms
        fact = _encode(event.fact()).decode()
        with self._transaction(utc_ms):
            run = self._connection.execute
            run(TapPath.ADD_EVENT, (seq, type(event).__name__, now.boot_id, now.boot_ms, utc_ms, fact))
            clock = self._clock if utc_ms is None else (now.boot_id, utc_ms - now.boot_ms)
            if clock[0] != self._clock[0] or abs(clock[1] - self._clock[1]) > CLOCK_STEP_MS:
                run(TapPath.SET_CLOCK, clock)
            else:
                clock = self._clock
            for effect in effects:
                if isinstance(effect, OpenVisit):
                    number = effect.visit.number
                elif isinstance(effect, SettleMatch) and effect.partner is not None:
                    introductions += 1
                self._store(effect, seq, utc_ms, now.boot_id)
            if (serial, number, introductions) != (self._serial, self._number, self._introductions):
                run(TapPath.SET_COUNTERS, (serial, number, introductions))
            reported = self._add_reports(reports, seq, utc_ms)
        self._reported = reported
        self.last_seq, self._serial, self._number, self._introductions = seq, serial, number, introductions
        self._clock = clock
        return seq

    def report(self, reports: Sequence[bytes]) -> None:
        """Store what the shared service is to hear of, and comes of no event."""
        with self._transaction():
            reported = self._add_reports(reports, self.last_seq, None)
        self._reported = reported

    def _add_reports(self, reports: Sequence[bytes], seq: int, utc_ms: int | None) -> int:
        reported = self._reported
        for what in reports:
            reported += 1
            self._connection.execute(TapPath.ADD_REPORT, (reported, self.prefix, seq, utc_ms, what.decode()))
        if reports:
            self._connection.execute(TapPath.COUNT_REPORTS, (reported,))
        return reported

    def _store(self, effect: Durable, seq: int, utc_ms: int | None, boot_id: str = "") -> None:
        run = self._connection.execute
        match effect:
            case OpenVisit(visit):
                opened, wall = visit.opened, visit.opened.wall
                moment = (None, None, None) if wall is None else (wall.utc_ms, wall.local_day, wall.local_minute)
                counts = (
                    visit.lifetime_rate,
                    visit.confirmed,
                    visit.zone,
                    visit.approached,
                    visit.introduced,
                    visit.mood.value,
                )
                first = (visit.id, visit.member.id, visit.number, seq, opened.boot_id, opened.boot_ms)
                run(TapPath.OPEN_VISIT, (*first, *moment, *counts))
                run(TapPath.COUNT_VISIT, (visit.member.id,))
            case CloseVisit(visit, why):
                run(TapPath.CLOSE_VISIT, (seq, why.value, visit))
                run(TapPath.FORGET_BADGES, (visit,))
            case ConfirmVisit(visit, confirmed):
                run(TapPath.CONFIRM_VISIT, (confirmed, visit))
            case SettleMatch(visit, found, zone, member, partner, talks_until_ms):
                run(TapPath.SETTLE_MATCH, (zone, found is not None, boot_id, talks_until_ms, visit))
                if found is not None and partner is not None:
                    run(TapPath.COUNT_APPROACH, (boot_id, talks_until_ms, found.partner))
                    run(TapPath.COUNT_APPROACH_EVER, (partner,))
                    run(TapPath.ADD_INTRODUCTION, (member, partner, seq, utc_ms, visit))
            case OweMatch(visit):
                run(TapPath.OWE_MATCH, (visit,))
            case UndoMatch(visit, partner_visit, member, other):
                run(TapPath.FORGET_INTRODUCTION, (member, other, visit))
                run(TapPath.UNDO_INTRODUCED, (visit,))
                run(TapPath.UNDO_APPROACHED, (partner_visit,))
                run(TapPath.UNDO_APPROACHED_EVER, (other,))
            case SettleGroup(visits, zone, talks_until_ms, pairs):
                for visit in visits:
                    run(TapPath.SETTLE_MATCH, (zone, 1, boot_id, talks_until_ms, visit))
                for visit, member, other in pairs:
                    run(TapPath.ADD_INTRODUCTION, (member, other, seq, utc_ms, visit))
            case SetMood(visit, mood):
                run(TapPath.SET_MOOD, (mood.value, visit))
            case SetRuling(pair, None):
                run(TapPath.DROP_RULING, pair)
            case SetRuling(pair, ruling):
                run(TapPath.SET_RULING, (*pair, ruling))
            case NoteMet(visit, met, untold):
                run(TapPath.NOTE_MET, (_encode(met).decode(), untold, visit))
            case QueueBadge(job):
                run(TapPath.ADD_JOB, (job.id, job.visit, job.state.value, _word(job.cause), _encode(job).decode()))
            case SetJob(job, state, cause):
                run(TapPath.SET_JOB, (state.value, _word(cause), job))
                if state.ended:
                    run(TapPath.FORGET_BADGE, (job,))
                    run(TapPath.SETTLE_NOTICES, (seq, job))
            case TellStaff(notice, job, cause, detail):
                run(TapPath.ADD_NOTICE, (seq, notice.value, job, _word(cause), detail))
            case BindCard(card, member):
                run(TapPath.BIND_CARD, (card, member))
            case _:
                assert_never(effect)

    @contextmanager
    def transaction(self, *, erases: bool = False) -> Iterator[apsw.Connection]:
        """Store what another part of the terminal keeps in tables of its own: all or nothing. Raise `LedgerError`."""
        with self._transaction(erases=erases):
            yield self._connection

    @contextmanager
    def _transaction(self, utc_ms: int | None = None, *, erases: bool = False) -> Iterator[None]:
        """Store all or nothing, and hand it on; an error of the database becomes a `LedgerError`."""
        connection, number, patch = self._connection, self._changes + 1, b""
        try:
            connection.execute("BEGIN IMMEDIATE")
            with self._session() as session:
                yield
                if erases:
                    connection.execute("UPDATE terminal SET erased = ?", (number,))
                connection.execute(TapPath.COUNT_CHANGE, (number,))
                if session is not None:
                    patch = session.patchset()
            connection.execute("COMMIT")
        except apsw.Error as error:
            self._roll_back()
            raise told(self.path, error) from error
        except BaseException:
            self._roll_back()
            raise
        self._changes = number
        if self._hand_on is not None:
            self._hand_on(Change(self._incarnation, number, utc_ms, patch, erases))

    @contextmanager
    def _session(self) -> Iterator[apsw.Session | None]:
        """Write down which rows change, where somebody is to hear of it."""
        if self._hand_on is None:
            yield None
            return
        session = apsw.Session(self._connection, "main")
        try:
            session.attach()
            yield session
        finally:
            session.close()

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except apsw.Error as error:
                raise told(self.path, error) from error

    def _grew(self, connection: apsw.Connection, database: str, pages: int) -> int:
        """Hear from SQLite how long the journal is after a commit."""
        self._pages = pages
        if pages >= OVERDUE_PAGES:
            # The commit is done and good; when this fails, the next one, or `tidy`, will tell.
            with suppress(apsw.Error):
                connection.wal_checkpoint(database)
        return apsw.SQLITE_OK

    def tidy(self) -> bool:
        """Move the journal into the file when it is long enough; return whether it was. For when nobody waits at the door.

        The commit after that costs two syncs, as the journal begins anew, so that one is made here too. Raise `LedgerError`
        when it fails; what was committed stays good.
        """
        if self._erased:
            self._empty()
            if self._erased:
                return False  # a reader is at it; the next tidying up tries again
        elif self._pages < TIDY_PAGES:
            return False
        else:
            try:
                pages, moved = self._connection.wal_checkpoint()
            except apsw.Error as error:
                raise told(self.path, error) from error
            self._pages = 0
            if moved < pages:
                return False  # a reader is at it; the next commit brings us here again
        with self._transaction():
            pass  # which counts itself
        return True

    def _empty(self) -> None:
        """Overwrite what was erased: move the journal into the file, and cut it off unless a reader is at it just now."""
        self._connection.set_busy_timeout(0)  # the door waits for no reader
        try:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            self._erased, self._pages = False, 0
        except apsw.BusyError:
            pass
        except apsw.Error as error:
            raise told(self.path, error) from error
        finally:
            self._connection.set_busy_timeout(BUSY_MS)

    def forget(self, utc_ms: int, keep_ms: int) -> bool:
        """Delete a slice of what is older than `keep_ms`, or too old to count; return whether more may be left for today.

        For when nobody waits at the door, and only with a trusted time. The newest event always stays. Raise `LedgerError`.
        """
        until = (utc_ms // DAY_MS * DAY_MS, keep_ms)
        if self._forgetting is None:
            if until == self._forgotten:
                return False
            self._forgetting, self._forgotten = self._forget(until[0] - keep_ms, until[0] - MET_MS), until
        try:
            next(self._forgetting)
        except (StopIteration, LedgerError) as end:
            self._forgetting = None
            if isinstance(end, LedgerError):
                raise
        return self._forgetting is not None

    def _forget(self, before: int, met_before: int) -> Iterator[None]:
        """Go through all tables slice by slice. Nothing here is found by an index, which each tap would have to pay for."""
        while (gone := self._old_events(before)) is not None:
            with self._transaction():
                for sql in ("DELETE FROM notices WHERE seq <= ?", "DELETE FROM events WHERE seq <= ?"):
                    self._connection.execute(sql, (gone,))
            yield
        first = self._row("SELECT coalesce(min(seq), 0) FROM events")[0]
        yield from self._sweep("visits", ("id",), "closed_seq < ?", first)
        yield from self._sweep("jobs", ("id",), "badge IS NULL AND NOT EXISTS (SELECT 1 FROM visits WHERE visits.id = visit)")
        # By the sequence: one whose time is not known is as old as the known ones after it.
        met = self._row("SELECT coalesce(max(seq), 0) FROM introductions WHERE utc_ms < ?", met_before)[0]
        yield from self._sweep("introductions", ("member", "seq", "partner"), "seq <= ?", met)

    def _old_events(self, before: int) -> int | None:
        """Return up to which event the oldest ones can go; None when they are not old enough, or nobody knows."""
        oldest = f"SELECT seq, {_LATEST} AS utc_ms FROM {_CLOCKED} WHERE seq < ?1 ORDER BY seq LIMIT {SLICE}"  # noqa: S608 - constants
        gone, last = self._row(
            f"SELECT max(seq) FILTER (WHERE utc_ms < ?2), max(seq) FROM ({oldest})",  # noqa: S608 - ditto
            self.last_seq,
            before,
        )
        if gone is None and last is not None:
            known = f"SELECT {_LATEST} FROM {_CLOCKED} WHERE seq > ? AND {_LATEST} IS NOT NULL ORDER BY seq LIMIT 1"  # noqa: S608 - ditto
            following = self._row(known, 0)
            gone = last if following is not None and following[0] < before else None
        return None if gone is None else int(gone)

    def _sweep(self, table: str, key: tuple[str, ...], old: str, *values: int) -> Iterator[None]:
        """Delete what is old in a table, slice by slice in the order of its key."""
        names, marks = ", ".join(key), ", ".join("?" * len(key))
        find = f"SELECT {old}, {names} FROM {table} WHERE ({names}) > ({marks}) ORDER BY {names} LIMIT {SLICE}"  # noqa: S608
        after: tuple[object, ...] = ("",) * len(key)
        while found := self._rows(find, *values, *after):
            if gone := [row[1:] for row in found if row[0]]:
                with self._transaction():
                    self._connection.executemany(f"DELETE FROM {table} WHERE ({names}) = ({marks})", gone)  # noqa: S608
            after = found[-1][1:]
            yield

    def new_incarnation(self) -> None:
        """Give the ledger a new incarnation, as after a restore: ids given meanwhile by the lost one are not given twice."""
        with self._transaction():
            self._connection.execute("UPDATE terminal SET incarnation = ?", (fresh_incarnation(),))
        self._read_state()

    # Members

    def put_members(self, members: Iterable[Member], *, dry_run: bool = False) -> Put:
        """Store members in one transaction, or only count what that would do."""
        added = changed = unchanged = 0
        with self._transaction():
            for member in members:
                row = self._connection.execute(TapPath.MEMBER, (member.id,)).fetchone()
                if row is not None and _decode(_MEMBER, row[0]) == member:
                    unchanged += 1
                    continue
                added, changed = (added + 1, changed) if row is None else (added, changed + 1)
                if not dry_run:
                    self._connection.execute(_PUT_MEMBER, (member.id, _encode(member).decode()))
        return Put(added, changed, unchanged)

    def members(self, after: str = "", limit: int = 200) -> list[Record]:
        """Return members by id, from the one after `after` on."""
        sql = f"SELECT {_RECORD} FROM members WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608 - a constant
        return [_record(row) for row in self._rows(sql, after, limit)]

    def remove_member(self, member: MemberId) -> None:
        """Erase a member: profile, cards, introductions, the words of badges for or about them, their mark on visits.

        What the printer is at comes out, be it theirs or a badge or slip for somebody else that names them; it is nobody's from
        now on if it was theirs, and its words are forgotten after that.
        Visits stay as visits of nobody. The free pages are overwritten, and so is the journal; while a reader holds it,
        `tidy` does so later.
        """
        self.remove_members((member,))

    def remove_members(self, members: Iterable[MemberId]) -> None:
        """Erase members as `remove_member` does, all at once."""
        try:
            # First, as the commit's sync takes them along. They hold everybody who was a member before a migration.
            for copy in self.path.parent.glob(f"{escape(self.path.name)}.v*"):
                copy.unlink()
        except OSError as error:
            raise LedgerError(f"{error.filename} can't be deleted: {error.strerror}; it names who is to be erased") from error
        with self._transaction(erases=True):
            for member in members:
                self._erase(member)
        self._erased = True
        self._empty()

    def _erase(self, member: MemberId) -> None:
        run = self._connection.execute
        run(
            """UPDATE jobs SET badge = NULL, state = 'expired', cause = 'left'
               WHERE state = 'queued' AND visit IN (SELECT id FROM visits WHERE member = ?)""",
            (member,),
        )
        run(
            """UPDATE jobs SET badge = json_set(badge, '$.member', '')
               WHERE state IN ('sending', 'sent') AND visit IN (SELECT id FROM visits WHERE member = ?)""",
            (member,),
        )
        run(
            """UPDATE visits SET met = (
                 SELECT json_group_array(json(value)) FROM json_each(met) WHERE value ->> 'member' <> ?1)
               WHERE closed_seq IS NULL AND met <> '[]'""",
            (member,),
        )
        run(
            """UPDATE jobs SET badge = NULL
               WHERE badge IS NOT NULL AND state NOT IN ('queued', 'sending', 'sent') AND visit IN
                 (SELECT id FROM visits WHERE member = ?1 UNION SELECT visit FROM introductions WHERE partner = ?1)""",
            (member,),
        )
        run("DELETE FROM members WHERE id = ?", (member,))
        run("DELETE FROM met_elsewhere WHERE partner = ?", (member,))
        run("UPDATE faults SET trouble = '' WHERE instr(trouble, ?)", (member,))  # a service's answer may name them

    def block(self, pair: Pair) -> None:
        """Never introduce these two to each other."""
        with self._transaction():
            self._connection.execute("INSERT OR IGNORE INTO blocks (one, other) VALUES (?, ?)", pair)
            reported = self._report_blocks((pair,))
        self._reported = reported

    def report_blocks(self) -> None:
        """Have the shared service hear of all who are never introduced to each other."""
        pairs = [(MemberId(one), MemberId(other)) for one, other in self.rows("SELECT one, other FROM blocks")]
        with self._transaction():
            reported = self._report_blocks(pairs)
        self._reported = reported

    def _report_blocks(self, pairs: Iterable[Pair], *, blocked: bool = True) -> int:
        facts = [_encode(PairBlocked(one=one, other=other, blocked=blocked)) for one, other in pairs]
        return self._add_reports(facts if self.reports_cards else [], self.last_seq, None)

    def unblock(self, pair: Pair) -> bool:
        """Take that back; return whether there was a block."""
        with self._transaction():
            self._connection.execute("DELETE FROM blocks WHERE one = ? AND other = ?", pair)
            was_blocked = bool(self._connection.changes())
            reported = self._report_blocks((pair,) if was_blocked else (), blocked=False)
        self._reported = reported
        return was_blocked

    # Cards

    def holder(self, card: CardId) -> tuple[Member | None, bool, int]:
        """Return whose card it is, whether it is blocked, and the member's lifetime rate of being approached (see `rate`)."""
        row = self._row(TapPath.HOLDER, card)
        if row is None:
            return None, False, 0
        profile, visits, approached, blocked = row
        return _decode(_MEMBER, profile), bool(blocked), _rate(visits, approached)

    def cards_like(self, beginning: str) -> list[BoundCard]:
        """Return the cards whose pseudonym begins so, two at most."""
        found = self._rows(
            "SELECT card, member, blocked FROM cards WHERE card >= ?1 AND card < ?1 || 'g' LIMIT 2", beginning.lower()
        )
        return _cards(found)

    def bind_card(self, card: CardId, member: MemberId) -> None:
        """Let a card belong to a member."""
        with self._transaction():
            self._connection.execute(TapPath.BIND_CARD, (card, member))
            reported = self._report_cards((card,))
        self._reported = reported

    def block_cards(self, cards: Iterable[CardId]) -> None:
        """Block cards for ever."""
        blocked = tuple(cards)
        with self._transaction():
            self._connection.executemany("UPDATE cards SET blocked = 1 WHERE card = ?", ((card,) for card in blocked))
            reported = self._report_cards(blocked)
        self._reported = reported

    def _report_cards(self, cards: Iterable[CardId]) -> int:
        find = "SELECT card, member, blocked FROM cards WHERE card = ?"
        held = _cards(self._row(find, card) for card in cards) if self.reports_cards else []
        facts = [_encode(CardBound(card=card.card, member=card.member, key=self.key_id, blocked=card.blocked)) for card in held]
        return self._add_reports(facts, self.last_seq, None)

    # The venue's key

    def uses_key(self) -> bool:
        """Return whether anything here was made with the venue's key: cards, or employers' hashes."""
        cards = self._row("SELECT EXISTS (SELECT 1 FROM cards)")[0]
        return bool(cards or self._row(_HASHED)[0])

    def set_key_id(self, key_id: str) -> None:
        """Note which of the venue's keys is in use."""
        with self._transaction():
            self._connection.execute("UPDATE terminal SET key_id = ?", (key_id,))
        self.key_id = key_id

    # Badges and notices

    def job(self, job: JobId) -> Job | None:
        """Return a badge job whose words are still kept."""
        row = self._row(f"{_KEPT_JOBS} AND id = ?", job)
        return None if row is None else _job(*row)

    def jobs(self) -> list[Job]:
        """Return the jobs whose words are still kept, in the order they came."""
        return sorted((_job(*row) for row in self._rows(_KEPT_JOBS)), key=_serial_of)

    def notices(self) -> list[OpenNotice]:
        """Return what staff was told and has not settled, in the order it came."""
        found = self._rows(
            """SELECT id, utc_ms, notice, job, cause, detail FROM notices LEFT JOIN timed_events USING (seq)
               WHERE resolved IS NULL ORDER BY id LIMIT 1000"""
        )
        return [OpenNotice(*row) for row in found]

    def tell(self, told: TellStaff) -> None:
        """Store a notice for staff that comes of no event."""
        with self._transaction():
            self._store(told, self.last_seq, None)

    def settle(self, notice: Notice) -> None:
        """Settle what is open of one kind."""
        if not self._row("SELECT EXISTS (SELECT 1 FROM notices WHERE notice = ? AND resolved IS NULL)", notice.value)[0]:
            return
        with self._transaction():
            sql = "UPDATE notices SET resolved = ? WHERE notice = ? AND resolved IS NULL"
            self._connection.execute(sql, (self.last_seq, notice.value))

    def resolve(self, notice: int) -> bool:
        """Settle a notice; return whether it was open."""
        with self._transaction():
            sql = "UPDATE notices SET resolved = ? WHERE id = ? AND resolved IS NULL"
            self._connection.execute(sql, (self.last_seq, notice))
            return bool(self._connection.changes())

    # By the way: what nobody at the door waits for

    def faults(self) -> list[KeptFault]:
        """Return the faults that are kept, the latest first."""
        return [KeptFault(*row) for row in self._rows(_FAULTS)]

    def longest_queue(self) -> tuple[int, int]:
        """Return the café's day of which it was kept, and how many badges waited at once at most in it; (0, 0) at first."""
        day, longest = self._row("SELECT queue_day, longest_queue FROM terminal")
        return day, longest

    def keep(self, faults: Sequence[KeptFault], queue: tuple[int, int]) -> list[int]:
        """Store faults, of which the latest `MOST_FAULTS` stay, and the longest queue; return the faults' ids.

        For when nobody waits at the door: whoever else writes is not waited for. Raise `LedgerError`.
        """
        self._connection.set_busy_timeout(0)
        try:
            with self._transaction():
                run = self._connection.execute
                ids = [int(number) for fault in faults for (number,) in run(_KEEP_FAULT, fault)]
                run("DELETE FROM faults WHERE id <= (SELECT max(id) FROM faults) - ?", (MOST_FAULTS,))
                run("UPDATE terminal SET queue_day = ?, longest_queue = ?", queue)
        finally:
            self._connection.set_busy_timeout(BUSY_MS)
        return ids

    def counts(self) -> dict[str, int]:
        """Return how much there is of what."""
        counted = {
            "members": "SELECT count(*) FROM members",
            "cards": "SELECT count(*) FROM cards",
            "here": "SELECT count(*) FROM visits WHERE closed_seq IS NULL",
            "badges_unknown": "SELECT count(*) FROM jobs WHERE badge IS NOT NULL AND state = 'unknown'",
            "notices": "SELECT count(*) FROM notices WHERE resolved IS NULL",
        }
        return {"events": self.last_seq, **{name: self._row(sql)[0] for name, sql in counted.items()}}


_OPEN_VISITS = """
    SELECT owed, visits.id, number, profile, boot_id, boot_ms, utc_ms, local_day, local_minute,
           zone, confirmed, visits.approached, introduced, rate, met, mood, untold,
           CASE WHEN talks_boot_id = ? THEN talks_until_ms END
    FROM visits JOIN members ON members.id = visits.member WHERE closed_seq IS NULL"""
_CLOCKED = "events LEFT JOIN clocks USING (boot_id)"
# By the later of what was believed at once and what was known afterwards: nothing goes because a clock was slow for a while.
_LATEST = "max(coalesce(utc_ms, boot_ms + offset_ms), coalesce(boot_ms + offset_ms, utc_ms))"
_HASHED = """
    SELECT EXISTS (SELECT 1 FROM members WHERE profile ->> 'employer' <> '' OR json_array_length(profile, '$.history') > 0)"""
_KEPT_JOBS = "SELECT badge, state, cause FROM jobs WHERE badge IS NOT NULL"
_PUT_MEMBER = "INSERT INTO members (id, profile) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET profile = excluded.profile"
_RECORD = """
    profile, visits, approached,
    EXISTS (SELECT 1 FROM visits WHERE visits.member = members.id AND closed_seq IS NULL)"""


_FAULTS = """
    SELECT id, device, what, trouble, boot_id, from_ms, until_ms, coalesce(utc_ms, from_ms + offset_ms)
    FROM faults LEFT JOIN clocks USING (boot_id) ORDER BY id DESC"""
_KEEP_FAULT = """
    INSERT INTO faults (id, device, what, trouble, boot_id, from_ms, until_ms, utc_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET until_ms = excluded.until_ms, utc_ms = coalesce(excluded.utc_ms, utc_ms)
    RETURNING id"""


_NAMES = """
    SELECT id, coalesce(profile ->> 'first_name', ''), coalesce(profile ->> 'short_name', '')
    FROM members WHERE id > ? ORDER BY id LIMIT ?"""


def fresh_incarnation() -> str:
    """Return eight characters that no other ledger has, but for once in 10¹²."""
    return "".join(secrets.choice("abcdefghijkmnpqrstuvwxyz23456789") for _ in range(8))


def _serial_of(item: Visit | Job) -> int:
    """Return the number in an id: visits and jobs count on together, so it is the order in which they came."""
    try:
        return int(item.id.rpartition("-")[2])
    except ValueError as error:
        raise LedgerDamaged(f"a row of the ledger is not what was written (id {item.id!r}); restore a copy") from error


def _rate(visits: int, approached: int) -> int:
    return approached * 1000 // visits if visits else 0


def _word(cause: Cause | None) -> str | None:
    return None if cause is None else cause.value


def _decode(decoder: msgspec.json.Decoder[T], text: str) -> T:
    """Return what stands in a row; SQLite does not notice when a text is not what was written."""
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise LedgerDamaged(f"a row of the ledger is not what was written ({error}); restore a copy") from error


def _visit(row: Any) -> Visit:
    _, visit, number, profile, boot_id, boot_ms, utc_ms, day, minute, zone, confirmed, approached, introduced, rate, *soft = row
    met, mood, untold, talks_until_ms = soft
    return Visit(
        id=VisitId(visit),
        number=number,
        member=_decode(_MEMBER, profile),
        opened=Now(boot_id, boot_ms, None if utc_ms is None else WallTime(utc_ms, day, minute)),
        zone=None if zone is None else ZoneId(zone),
        confirmed=bool(confirmed),
        approached=approached,
        introduced=introduced,
        lifetime_rate=rate,
        met=_decode(_MET, met),
        mood=Mood(mood),
        talks_until_ms=talks_until_ms,
        untold=untold,
    )


def _job(badge: str, state: str, cause: str | None) -> Job:
    return replace(_decode(_JOB, badge), state=JobState(state), cause=None if cause is None else Cause(cause))


def _record(row: Any) -> Record:
    profile, visits, approached, present = row
    return Record(_decode(_MEMBER, profile), visits, approached, bool(present))


def _cards(rows: Iterable[Any]) -> list[BoundCard]:
    return [BoundCard(CardId(card), MemberId(member), bool(blocked)) for card, member, blocked in rows]
