"""The terminal's copy of the shared roster in the ledger: members, their cards and whom they met, taken in by small slices."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, NamedTuple

import apsw
import msgspec

from drivers.matching.wire import Plain, RosterEntry, RosterPage
from firmware_py.ledger import DAY_MS, Ledger
from kiosk.values import MemberId, Now, Pair, pair_of

log = logging.getLogger("fikatap")

SLICE = 50
"""How many members are taken in, or erased, while a tap may have to wait: some 4 ms here and 30 on a small Pi."""
LOOKED_AT = 500
"""The same where they are only looked at."""
ALONE_MS = 14 * DAY_MS
"""After so long without the service the copy is erased: nobody can tell any more who is on the roster."""
LONGEST_NAME = 60
MOST_CARDS, MOST_MET = 50, 2_000
"""What nobody has more of; an entry with more is no member."""

_encode = msgspec.json.Encoder().encode
_IDS = tuple[Annotated[str, Plain], ...]
Erase = Callable[[Sequence[MemberId]], None]
"""Erases members, those who are here included."""


class Stand(NamedTuple):
    """How far the copy is: the service's version, the round of the last whole roster, and whether that is still under way.

    `utc_ms` is when the service was reached last, `alone_ms` how long the terminal has been running since then.
    """

    version: int
    round: int
    whole: bool
    utc_ms: int | None
    alone_ms: int


class RosterCopy:
    """Takes pages of the roster in. Its iterators do a slice of the work at each step; what was not finished is asked anew."""

    def __init__(self, ledger: Ledger, erase: Erase) -> None:
        self._ledger = ledger
        self._erase = erase
        self.has_foreign_cards = False
        """Whether any cards were left out that another key made."""

    def stand(self) -> Stand:
        """Return how far the copy is; raise `LedgerError`."""
        version, number, whole, utc_ms, alone_ms = self._ledger.rows(
            "SELECT version, round, whole, utc_ms, alone_ms FROM service"
        )[0]
        return Stand(version, number, bool(whole), utc_ms, alone_ms)

    def take(self, since: int, page: RosterPage) -> Iterator[None]:
        """Take a page in; the version is noted with the last of it. One that was asked for before a wipe is let go."""
        stand = self.stand()
        if since != stand.version:
            return
        number, whole = stand.round, stand.whole
        if page.whole or since == 0:
            number, whole = number + 1, True
            # What is told from the beginning is not stale, though a wipe that was broken off left it so.
            self._set("round = ?, whole = 1" + ", utc_ms = NULL, alone_ms = 0" * (since == 0), number)
        for start in range(0, len(page.entries), SLICE):
            self._take(page.entries[start : start + SLICE], number)
            yield
        if whole and not page.more:
            yield from self._sweep(number)
        self._set("version = ?, whole = ?", page.version, whole and page.more)

    def _take(self, entries: Sequence[RosterEntry], number: int) -> None:
        if gone := [entry.id for entry in entries if entry.member is None and self._ledger.member(entry.id) is not None]:
            self._erase(gone)
        fitting = [entry for entry in entries if entry.member is not None and _fits(entry)]
        if len(fitting) + sum(entry.member is None for entry in entries) < len(entries):
            log.warning("the service's roster has lines that are no members; they are left out")
        key = self._ledger.key_id
        self.has_foreign_cards = self.has_foreign_cards or any(card.key != key for entry in fitting for card in entry.cards)
        with self._ledger.transaction() as connection:
            for entry in fitting:
                _put(connection, entry, number, self._ledger.key_id)

    def _sweep(self, number: int) -> Iterator[None]:
        """Erase whoever was not in a whole roster."""
        if not self._ledger.rows("SELECT 1 FROM roster WHERE round = ? LIMIT 1", number):
            log.warning("the service has no members at all: those of this terminal are kept; has it the right database?")
            return
        yield from self._erase_all("coalesce(round, 0) < ?", number)

    def wipe(self) -> Iterator[None]:
        """Erase everybody. Where a power cut breaks it off, the copy is still stale, and the service is asked for all of it."""
        self._set("version = 0")
        yield from self._erase_all("? = 0", 0)
        self._set("version = 0, round = 0, whole = 0, utc_ms = NULL, alone_ms = 0")

    def _erase_all(self, which: str, value: int) -> Iterator[None]:
        after = ""
        sql = f"""SELECT id, {which} FROM members LEFT JOIN roster ON member = id
                  WHERE id > ? ORDER BY id LIMIT {LOOKED_AT}"""  # noqa: S608 - constants
        while found := self._ledger.rows(sql, value, after):
            gone = [MemberId(member) for member, is_gone in found if is_gone]
            for start in range(0, len(gone), SLICE):
                self._erase(gone[start : start + SLICE])
                yield
            after = found[-1][0]
            yield

    def note_met(self, pairs: Iterable[Pair]) -> None:
        """Note that members have met, of which the roster tells only later; raise `LedgerError`."""
        both = [way for one, other in pairs for way in ((one, other), (other, one))]
        with self._ledger.transaction() as connection:
            connection.executemany("INSERT OR IGNORE INTO met_elsewhere (member, partner) VALUES (?, ?)", both)

    def reached(self, now: Now) -> None:
        """Note that the copy is up to date; raise `LedgerError`."""
        self._set("utc_ms = ?, alone_ms = 0", None if now.wall is None else now.wall.utc_ms)

    def alone(self, ms: int) -> None:
        """Note that the terminal has run for so long without the service; raise `LedgerError`."""
        self._set("alone_ms = alone_ms + ?", ms)

    def is_stale(self, now: Now) -> bool:
        """Tell whether what the service once gave is too old to be kept, by trusted time or by the time the terminal ran."""
        stand = self.stand()
        by_wall = 0 if now.wall is None or stand.utc_ms is None else now.wall.utc_ms - stand.utc_ms
        return stand.round > 0 and max(by_wall, stand.alone_ms) >= ALONE_MS

    def _set(self, what: str, *values: object) -> None:
        with self._ledger.transaction() as connection:
            connection.execute(f"UPDATE service SET {what}", values)  # noqa: S608 - constants


def _fits(entry: RosterEntry) -> bool:
    """Tell whether an entry is a member that a ledger, a badge and the engine can bear."""
    member = entry.member
    if member is None or member.id != entry.id or len(entry.cards) > MOST_CARDS:
        return False
    if len(entry.met) > MOST_MET or len(entry.blocked) > MOST_MET:
        return False
    try:
        # Whatever is an id here goes back to the service some day, and has to be one there.
        msgspec.convert((entry.id, *entry.met, *entry.blocked, *(card.card for card in entry.cards)), _IDS)
    except msgspec.ValidationError:
        return False
    return 0 < len(member.first_name) <= LONGEST_NAME and len(member.short_name) <= LONGEST_NAME


def _put(connection: apsw.Connection, entry: RosterEntry, number: int, key: str) -> None:
    connection.execute(
        "INSERT INTO members (id, profile) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET profile = excluded.profile",
        (entry.id, _encode(entry.member).decode()),
    )
    connection.execute(
        "INSERT OR REPLACE INTO roster (member, version, round) VALUES (?, ?, ?)", (entry.id, entry.version, number)
    )
    # A card under another key is one that no reader of this venue will ever see as such. Blocked is for ever.
    connection.executemany(
        """INSERT INTO cards (card, member, bound, blocked)
           VALUES (?1, ?2, (SELECT coalesce(max(bound), 0) + 1 FROM cards WHERE member = ?2), ?3)
           ON CONFLICT (card) DO UPDATE SET member = excluded.member, blocked = max(blocked, excluded.blocked)""",
        [(card.card, entry.id, card.blocked) for card in entry.cards if card.key == key],
    )
    connection.execute("DELETE FROM met_elsewhere WHERE member = ?", (entry.id,))
    connection.executemany(
        "INSERT OR IGNORE INTO met_elsewhere (member, partner) VALUES (?, ?)", [(entry.id, partner) for partner in entry.met]
    )
    connection.execute("DELETE FROM blocks WHERE one = ?1 OR other = ?1", (entry.id,))
    # Whoever is not a member here yet brings the block along when they become one.
    connection.executemany(
        "INSERT OR IGNORE INTO blocks (one, other) SELECT ?1, ?2 FROM members WHERE id = ?3",
        [(*pair_of(entry.id, other), other) for other in entry.blocked if other != entry.id],
    )
