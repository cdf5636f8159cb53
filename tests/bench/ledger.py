"""What a check-in costs in the ledger beside a bare database, and ledgers with a long past."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import apsw

from firmware_py.ledger import Ledger
from firmware_py.roster import made_up_members
from firmware_py.vocabulary import load_vocabulary
from kiosk.effects import CloseVisit, Ending, OpenVisit
from kiosk.events import CardTapped
from kiosk.values import CardId, Member, Now, Visit, VisitId, WallTime

MEMBERS = 200
ROUNDS = 300


def figures() -> dict[str, float]:
    """Return milliseconds of a bare commit and of a check-in in the ledger, made in turns, and the CPU time of the latter."""
    bare_ms, ours_ms, cpu_ms = [], [], []
    with TemporaryDirectory() as folder:
        bare = BareDatabase(Path(folder) / "bare.db")
        cafe = FilledLedger(Path(folder) / "ledger.db")
        for _ in range(ROUNDS):
            bare_ms.append(_timed(bare.commit))
            before = time.process_time()
            ours_ms.append(_timed(cafe.check_in))
            cpu_ms.append((time.process_time() - before) * 1000)
            cafe.check_out()
            cafe.ledger.tidy()
            bare.tidy()
        bare.close()
        cafe.close()
    return {
        "commit_ms_p50": round(median(bare_ms), 3),
        "commit_ms_p99": round(quantiles(bare_ms, n=100)[98], 3),
        "ledger_ms_p50": round(median(ours_ms), 3),
        "ledger_ms_p99": round(quantiles(ours_ms, n=100)[98], 3),
        "ledger_cpu_ms_p50": round(median(cpu_ms), 3),
    }


def _timed(act: Callable[[], object]) -> float:
    before = time.perf_counter()
    act()
    return (time.perf_counter() - before) * 1000


class BareDatabase:
    """SQLite with the ledger's pragmas and one small row a commit: what the disk itself costs."""

    def __init__(self, path: Path) -> None:
        self._connection = apsw.Connection(str(path))
        self._connection.pragma("journal_mode", "wal")
        self._connection.pragma("synchronous", "FULL")
        self._connection.wal_autocheckpoint(0)
        self._connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, word TEXT)")
        self._since = 0

    def commit(self) -> None:
        """Commit one row."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("INSERT INTO rows (word) VALUES ('fika')")
        self._connection.execute("COMMIT")

    def tidy(self) -> None:
        """Keep the journal as short as the ledger's."""
        self._since += 1
        if self._since == 100:
            self._since = 0
            self._connection.wal_checkpoint()
            self.commit()

    def close(self) -> None:
        """Close it."""
        self._connection.close()


class FilledLedger:
    """A ledger with members and, if wished, a long past; its members come and go."""

    def __init__(self, path: Path, past_visits: int = 0) -> None:
        self.ledger = Ledger.open(path)
        self.members: list[Member] = made_up_members(MEMBERS, 1, load_vocabulary())
        self.ledger.put_members(self.members)
        for member in self.members:
            self.ledger.bind_card(card_of(member), member.id)
        self._serial = past_visits
        self._open: Visit | None = None
        if past_visits:
            fill(self.ledger, self.members, past_visits)

    def check_in(self) -> None:
        """Look up a card and store a check-in: what one verdict asks of the ledger."""
        self._serial += 1
        card = card_of(self.members[self._serial * 7 % MEMBERS])
        member, _, rate = self.ledger.holder(card)
        assert member is not None
        moment = Now("bench", self._serial, WallTime(1_800_000_000_000 + self._serial, 20_833, 600))
        self._open = Visit(
            VisitId(f"{self.ledger.prefix}-{self._serial}"), self._serial % 999, member, moment, lifetime_rate=rate
        )
        self.ledger.commit(CardTapped("door", card, member, rate=rate), [OpenVisit(self._open)], moment, self._serial)

    def check_out(self) -> None:
        """Store that the last one has left."""
        assert self._open is not None
        visit = self._open
        event = CardTapped("door", card_of(visit.member), visit.member)
        self.ledger.commit(event, [CloseVisit(visit.id, Ending.TAPPED)], visit.opened, self._serial)

    def close(self) -> None:
        """Close the ledger."""
        self.ledger.close()


def card_of(member: Member) -> CardId:
    """Return a made-up pseudonym."""
    return CardId((member.id * 64)[:64])


def fill(ledger: Ledger, members: list[Member], visits: int) -> None:
    """Give the ledger a past of so many visits, each with its two events and, every second time, an introduction.

    This is not how the ledger is written: it goes past it, without syncs.
    """
    connection = ledger._connection
    start = ledger.last_seq

    def past() -> Iterator[tuple[int, Member, Member]]:
        for serial in range(1, visits + 1):
            yield serial, members[serial % len(members)], members[serial * 31 % len(members)]

    connection.pragma("synchronous", "OFF")
    with connection:
        connection.executemany(
            "INSERT INTO events (seq, kind, boot_id, boot_ms, utc_ms, fact) VALUES (?, 'CardTapped', 'past', ?, ?, ?)",
            ((start + turn, turn, 1_600_000_000_000 + turn, '{"reader":"door"}') for turn in range(1, 2 * visits + 1)),
        )
        connection.executemany(
            """INSERT INTO visits VALUES (?, ?, ?, ?, 'past', ?, ?, 18518, 600, 0, 1, 0, 'window', 0, 0, ?, 'tapped')""",
            (
                (
                    f"{ledger.prefix}-{serial}",
                    member.id,
                    serial % 999,
                    start + 2 * serial - 1,
                    serial,
                    serial,
                    start + 2 * serial,
                )
                for serial, member, _ in past()
            ),
        )
        connection.executemany(
            "INSERT INTO introductions (member, partner, seq, utc_ms, visit) VALUES (?, ?, ?, ?, ?)",
            (
                (member.id, partner.id, start + 2 * serial, 1_600_000_000_000 + serial, f"{ledger.prefix}-{serial}")
                for serial, member, partner in past()
                if serial % 2 and member is not partner
            ),
        )
        connection.execute("UPDATE terminal SET serial = ?", (visits,))
    connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    connection.pragma("synchronous", "FULL")
    ledger.reopen()
