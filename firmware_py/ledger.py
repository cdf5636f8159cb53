"""The ledger: what must survive a power cut. An event and all that it leads to are stored in one transaction, or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, assert_never

import apsw
import msgspec
from msgspec.structs import replace

from firmware_py.database import (
    LedgerError,
    LedgerInUse,
    LedgerTooNew,
    Lock,
    check_user,
    make_file,
    open_database,
    open_for_reading,
    told,
)
from kiosk.effects import (
    BindCard,
    CloseVisit,
    ConfirmVisit,
    Durable,
    OpenVisit,
    QueueBadge,
    SetJob,
    SettleMatch,
    TellStaff,
)
from kiosk.events import Event, Started
from kiosk.jobs import Job, JobState
from kiosk.values import CardId, Cause, JobId, Member, MemberId, Now, Visit, VisitId, WallTime, ZoneId

__all__ = ["BoundCard", "Ledger", "LedgerError", "LedgerInUse", "LedgerReader", "LedgerTooNew", "OpenNotice", "Put", "Record"]

TIDY_PAGES = 200
"""`tidy` moves the journal into the file from this many pages on."""
OVERDUE_PAGES = 2_000
"""A commit does it by itself from this many pages on, should nobody tidy up."""
MET_MS = 183 * 24 * 3600 * 1000
"""How long people count as introduced to each other: six months."""

_MEMBER = msgspec.json.Decoder(Member)
_JOB = msgspec.json.Decoder(Job)
_encode = msgspec.json.Encoder().encode


class TapPath(StrEnum):
    """The statements between a tap and its light, and those of its match and badge: none of them may scan a table."""

    # Subqueries: as a join it takes three times as long.
    HOLDER = """
        SELECT profile, visits, approached, (SELECT blocked FROM cards WHERE card = ?1)
        FROM members WHERE id = (SELECT member FROM cards WHERE card = ?1)"""
    MEMBER = "SELECT profile, visits, approached FROM members WHERE id = ?"
    ADD_EVENT = "INSERT INTO events (seq, kind, boot_id, boot_ms, utc_ms, fact) VALUES (?, ?, ?, ?, ?, ?)"
    ADD_CLOCK = "INSERT OR IGNORE INTO clocks (boot_id, offset_ms) VALUES (?, ?)"
    SET_SERIAL = "UPDATE terminal SET serial = ?, number = ? WHERE only = 1"
    OPEN_VISIT = """
        INSERT INTO visits (id, member, number, opened_seq, boot_id, boot_ms, utc_ms, local_day, local_minute,
                            rate, confirmed, owed, zone, approached, introduced)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?)"""
    COUNT_VISIT = "UPDATE members SET visits = visits + 1 WHERE id = ?"
    CLOSE_VISIT = "UPDATE visits SET closed_seq = ?, why = ?, owed = 0 WHERE id = ?"
    CONFIRM_VISIT = "UPDATE visits SET confirmed = ? WHERE id = ?"
    SETTLE_MATCH = "UPDATE visits SET owed = 0, zone = ?, introduced = introduced + ? WHERE id = ?"
    COUNT_APPROACH = "UPDATE visits SET approached = approached + 1 WHERE id = ?"
    COUNT_APPROACH_EVER = "UPDATE members SET approached = approached + 1 WHERE id = ?"
    ADD_INTRODUCTION = "INSERT INTO introductions (member, partner, seq, utc_ms, visit) VALUES (?, ?, ?, ?, ?)"
    MET = """
        WITH late (utc_ms) AS (SELECT utc_ms - ?2 FROM events WHERE seq = (SELECT max(seq) FROM events))
        SELECT partner FROM introductions WHERE member = ?1 AND seq > coalesce(
          (SELECT max(seq) FROM introductions WHERE member = ?1 AND utc_ms < (SELECT utc_ms FROM late)), 0)
        UNION ALL
        SELECT member FROM introductions WHERE partner = ?1 AND seq > coalesce(
          (SELECT max(seq) FROM introductions WHERE partner = ?1 AND utc_ms < (SELECT utc_ms FROM late)), 0)"""
    ADD_JOB = "INSERT INTO jobs (id, visit, state, cause, badge) VALUES (?, ?, ?, ?, ?)"
    SET_JOB = "UPDATE jobs SET state = ?, cause = ? WHERE id = ?"
    # A badge's words are kept while its visit is open or its job is not done with; then they are nobody's business any more.
    FORGET_BADGE = """
        UPDATE jobs SET badge = NULL WHERE id = ? AND badge IS NOT NULL
          AND (state IN ('confirmed', 'failed', 'expired') OR cause = 'cannot_tell')
          AND (SELECT closed_seq FROM visits WHERE visits.id = jobs.visit) IS NOT NULL"""
    FORGET_BADGES = """
        UPDATE jobs SET badge = NULL WHERE visit = ? AND badge IS NOT NULL
          AND (state IN ('confirmed', 'failed', 'expired') OR cause = 'cannot_tell')"""
    # What is not about a badge is open once, however often it happens: a hundred unknown cards must not hide a lost badge.
    ADD_NOTICE = """
        INSERT INTO notices (seq, notice, job, cause) SELECT ?1, ?2, ?3, ?4
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


class LedgerReader:
    """Reads the ledger on a connection of its own; used by one thread at a time."""

    def __init__(self, path: Path, connection: apsw.Connection) -> None:
        self.path = path
        self._connection = connection

    def member(self, member: MemberId) -> Member | None:
        """Return a member's profile."""
        row = self._row(TapPath.MEMBER, member)
        return None if row is None else _MEMBER.decode(row[0])

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

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _row(self, sql: str, *values: Any) -> Any:
        try:
            return self._connection.execute(sql, values).fetchone()
        except apsw.Error as error:
            raise told(self.path, error) from error

    def _rows(self, sql: str, *values: Any) -> list[Any]:
        try:
            return self._connection.execute(sql, values).fetchall()
        except apsw.Error as error:
            raise told(self.path, error) from error


class Ledger(LedgerReader):
    """The one writer of the ledger; `open` makes it.

    `prefix` makes ids unique: the terminal's name and the ledger's incarnation. `last_seq` is the last event's place.
    """

    def __init__(self, path: Path, terminal: str, lock: Lock) -> None:
        super().__init__(path, open_database(path, new_incarnation=_new_incarnation()))
        self._terminal = terminal
        self._lock = lock
        self._read_state()

    @classmethod
    def open(cls, path: Path, terminal: str = "t1") -> Ledger:
        """Open the ledger under its lock, and make it, its folder and its schema when they are not there.

        Raise `LedgerInUse` when another program has it, `LedgerTooNew` when a newer version wrote it, `LedgerError` otherwise.
        """
        try:
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            owner = path.parent.stat().st_uid
        except OSError as error:
            raise LedgerError(f"{path.parent} can't be made: {error.strerror}") from error
        check_user(path.parent, owner, os.geteuid())
        lock = Lock(path)
        try:
            make_file(path)
            return cls(path, terminal, lock)
        except BaseException:
            lock.release()
            raise

    def _read_state(self) -> None:
        self._connection.set_wal_hook(self._grew)
        self._pages = 0
        incarnation, self._serial, self._number, self.key_id = self._row(
            "SELECT incarnation, serial, number, key_id FROM terminal"
        )
        self.prefix = f"{self._terminal}-{incarnation}"
        self.last_seq: int = self._row("SELECT coalesce(max(seq), 0) FROM events")[0]
        self._clock_of = ""

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
        self._connection = open_database(self.path, new_incarnation=_new_incarnation())
        self._read_state()

    def reader(self) -> LedgerReader:
        """Return a connection for another thread."""
        return LedgerReader(self.path, open_for_reading(self.path))

    def started(self) -> Started:
        """Count a start, and return what is open, owed and under way."""
        with self._transaction():
            self._connection.execute("UPDATE terminal SET starts = starts + 1")
            self._connection.execute(
                "UPDATE visits SET closed_seq = ?, why = 'removed', owed = 0 WHERE closed_seq IS NULL AND member IS NULL",
                (self.last_seq,),
            )
        visits = sorted(((_visit(row), row[0]) for row in self._rows(_OPEN_VISITS)), key=lambda each: _serial_of(each[0]))
        return Started(
            visits=tuple(visit for visit, _ in visits),
            owed=tuple(visit.id for visit, owed in visits if owed),
            jobs=tuple(job for job in self.jobs() if not job.state.ended),
            serial=self._serial,
            number=self._number,
            starts=self._row("SELECT starts FROM terminal")[0],
        )

    def commit(self, event: Event, effects: Sequence[Durable], now: Now, serial: int) -> int:
        """Store an event and its durable effects, with one commit and one sync; return the event's place in the sequence.

        `serial` is the last number that was given to a visit or a job. Raise `LedgerError` when nothing was stored.
        """
        seq, number, wall = self.last_seq + 1, self._number, now.wall
        utc_ms = None if wall is None else wall.utc_ms
        fact = _encode(event.fact()).decode()
        with self._transaction():
            run = self._connection.execute
            run(TapPath.ADD_EVENT, (seq, type(event).__name__, now.boot_id, now.boot_ms, utc_ms, fact))
            if utc_ms is not None and self._clock_of != now.boot_id:
                run(TapPath.ADD_CLOCK, (now.boot_id, utc_ms - now.boot_ms))
            for effect in effects:
                if isinstance(effect, OpenVisit):
                    number = effect.visit.number
                self._store(effect, seq, utc_ms)
            if serial != self._serial or number != self._number:
                run(TapPath.SET_SERIAL, (serial, number))
        self.last_seq, self._serial, self._number = seq, serial, number
        if utc_ms is not None:
            self._clock_of = now.boot_id
        return seq

    def _store(self, effect: Durable, seq: int, utc_ms: int | None) -> None:
        run = self._connection.execute
        match effect:
            case OpenVisit(visit):
                opened, wall = visit.opened, visit.opened.wall
                moment = (None, None, None) if wall is None else (wall.utc_ms, wall.local_day, wall.local_minute)
                counts = (visit.lifetime_rate, visit.confirmed, visit.zone, visit.approached, visit.introduced)
                first = (visit.id, visit.member.id, visit.number, seq, opened.boot_id, opened.boot_ms)
                run(TapPath.OPEN_VISIT, (*first, *moment, *counts))
                run(TapPath.COUNT_VISIT, (visit.member.id,))
            case CloseVisit(visit, why):
                run(TapPath.CLOSE_VISIT, (seq, why.value, visit))
                run(TapPath.FORGET_BADGES, (visit,))
            case ConfirmVisit(visit, confirmed):
                run(TapPath.CONFIRM_VISIT, (confirmed, visit))
            case SettleMatch(visit, found, zone, member, partner):
                run(TapPath.SETTLE_MATCH, (zone, found is not None, visit))
                if found is not None and partner is not None:
                    run(TapPath.COUNT_APPROACH, (found.partner,))
                    run(TapPath.COUNT_APPROACH_EVER, (partner,))
                    run(TapPath.ADD_INTRODUCTION, (member, partner, seq, utc_ms, visit))
            case QueueBadge(job):
                run(TapPath.ADD_JOB, (job.id, job.visit, job.state.value, _word(job.cause), _encode(job).decode()))
            case SetJob(job, state, cause):
                run(TapPath.SET_JOB, (state.value, _word(cause), job))
                if state.ended:
                    run(TapPath.FORGET_BADGE, (job,))
                    run(TapPath.SETTLE_NOTICES, (seq, job))
            case TellStaff(notice, job, cause):
                run(TapPath.ADD_NOTICE, (seq, notice.value, job, _word(cause)))
            case BindCard(card, member):
                run(TapPath.BIND_CARD, (card, member))
            case _:
                assert_never(effect)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Store all or nothing; an error of the database becomes a `LedgerError`."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("COMMIT")
        except apsw.Error as error:
            self._roll_back()
            raise told(self.path, error) from error
        except BaseException:
            self._roll_back()
            raise

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
        if self._pages < TIDY_PAGES:
            return False
        try:
            pages, moved = self._connection.wal_checkpoint()
        except apsw.Error as error:
            raise told(self.path, error) from error
        self._pages = 0
        if moved < pages:
            return False  # a reader is at it; the next commit brings us here again
        with self._transaction():
            self._connection.execute("UPDATE terminal SET tidied = tidied + 1")
        return True

    def new_incarnation(self) -> None:
        """Give the ledger a new incarnation, as after a restore: ids given meanwhile by the lost one are not given twice."""
        with self._transaction():
            self._connection.execute("UPDATE terminal SET incarnation = ?", (_new_incarnation(),))
        self._read_state()

    # Members

    def put_members(self, members: Iterable[Member], *, dry_run: bool = False) -> Put:
        """Store members in one transaction, or only count what that would do."""
        added = changed = unchanged = 0
        with self._transaction():
            for member in members:
                row = self._connection.execute(TapPath.MEMBER, (member.id,)).fetchone()
                if row is not None and _MEMBER.decode(row[0]) == member:
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

    def record(self, member: MemberId) -> Record | None:
        """Return a member with the counters."""
        row = self._row(f"SELECT {_RECORD} FROM members WHERE id = ?", member)  # noqa: S608 - a constant
        return None if row is None else _record(row)

    def remove_member(self, member: MemberId) -> None:
        """Erase a member: profile, cards, introductions, the words of badges for or about them, their mark on past visits.

        Visits stay as visits of nobody. The free pages are overwritten, and so is the journal as far as no reader holds it.
        """
        with self._transaction():
            self._connection.execute(
                """UPDATE jobs SET badge = NULL
                   WHERE badge IS NOT NULL AND state NOT IN ('queued', 'sending', 'sent') AND visit IN
                     (SELECT id FROM visits WHERE member = ?1 UNION SELECT visit FROM introductions WHERE partner = ?1)""",
                (member,),
            )
            self._connection.execute("DELETE FROM members WHERE id = ?", (member,))
        try:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except apsw.BusyError:
            pass  # a reader is at it; the next tidying up moves on
        except apsw.Error as error:
            raise told(self.path, error) from error

    # Cards

    def holder(self, card: CardId) -> tuple[Member | None, bool, int]:
        """Return whose card it is, whether it is blocked, and the member's lifetime rate of being approached (see `rate`)."""
        row = self._row(TapPath.HOLDER, card)
        if row is None:
            return None, False, 0
        profile, visits, approached, blocked = row
        return _MEMBER.decode(profile), bool(blocked), _rate(visits, approached)

    def cards(self, member: MemberId) -> list[BoundCard]:
        """Return a member's cards, the newest first."""
        return _cards(self._rows("SELECT card, member, blocked FROM cards WHERE member = ? ORDER BY bound DESC", member))

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

    def block_cards(self, cards: Iterable[CardId]) -> None:
        """Block cards for ever."""
        with self._transaction():
            self._connection.executemany("UPDATE cards SET blocked = 1 WHERE card = ?", ((card,) for card in cards))

    # The venue's key

    def uses_key(self) -> bool:
        """Return whether anything here was made with the venue's key: cards, or employers' hashes."""
        cards = self._row("SELECT EXISTS (SELECT 1 FROM cards)")[0]
        return bool(cards or self._row("SELECT EXISTS (SELECT 1 FROM members WHERE profile ->> 'employer' <> '')")[0])

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
        """Return the badge jobs whose words are still kept, in the order they came."""
        return sorted((_job(*row) for row in self._rows(_KEPT_JOBS)), key=_serial_of)

    def notices(self) -> list[OpenNotice]:
        """Return what staff was told and has not settled, in the order it came."""
        found = self._rows(
            """SELECT id, utc_ms, notice, job, cause FROM notices JOIN timed_events USING (seq)
               WHERE resolved IS NULL ORDER BY id LIMIT 1000"""
        )
        return [OpenNotice(*row) for row in found]

    def resolve(self, notice: int) -> bool:
        """Settle a notice; return whether it was open."""
        with self._transaction():
            sql = "UPDATE notices SET resolved = ? WHERE id = ? AND resolved IS NULL"
            self._connection.execute(sql, (self.last_seq, notice))
            return bool(self._connection.changes())

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
           zone, confirmed, visits.approached, introduced, rate
    FROM visits JOIN members ON members.id = visits.member WHERE closed_seq IS NULL"""
_KEPT_JOBS = "SELECT badge, state, cause FROM jobs WHERE badge IS NOT NULL"
_PUT_MEMBER = "INSERT INTO members (id, profile) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET profile = excluded.profile"
_RECORD = """
    profile, visits, approached,
    EXISTS (SELECT 1 FROM visits WHERE visits.member = members.id AND closed_seq IS NULL)"""


def _new_incarnation() -> str:
    """Return eight characters that no other ledger has, but for once in 10¹²."""
    return "".join(secrets.choice("abcdefghijkmnpqrstuvwxyz23456789") for _ in range(8))


def _serial_of(item: Visit | Job) -> int:
    """Return the number in an id: visits and jobs count on together, so it is the order in which they came."""
    return int(item.id.rpartition("-")[2])


def _rate(visits: int, approached: int) -> int:
    return approached * 1000 // visits if visits else 0


def _word(cause: Cause | None) -> str | None:
    return None if cause is None else cause.value


def _visit(row: Any) -> Visit:
    _, visit, number, profile, boot_id, boot_ms, utc_ms, day, minute, zone, confirmed, approached, introduced, rate = row
    return Visit(
        id=VisitId(visit),
        number=number,
        member=_MEMBER.decode(profile),
        opened=Now(boot_id, boot_ms, None if utc_ms is None else WallTime(utc_ms, day, minute)),
        zone=None if zone is None else ZoneId(zone),
        confirmed=bool(confirmed),
        approached=approached,
        introduced=introduced,
        lifetime_rate=rate,
    )


def _job(badge: str, state: str, cause: str | None) -> Job:
    return replace(_JOB.decode(badge), state=JobState(state), cause=None if cause is None else Cause(cause))


def _record(row: Any) -> Record:
    profile, visits, approached, present = row
    return Record(_MEMBER.decode(profile), visits, approached, bool(present))


def _cards(rows: Iterable[Any]) -> list[BoundCard]:
    return [BoundCard(CardId(card), MemberId(member), bool(blocked)) for card, member, blocked in rows]
