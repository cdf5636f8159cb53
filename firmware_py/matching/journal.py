"""What the shared service is told: facts, stored with the event that they come of, sent in order, kept until acknowledged."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress

import msgspec

from drivers.matching.wire import (
    CardBound,
    Fact,
    GroupSettled,
    Happened,
    HostRuled,
    MatchSettled,
    MatchUndone,
    Presence,
    VisitChanged,
    VisitClosed,
    VisitOpened,
    VisitorTold,
)
from firmware_py.ledger import Ledger
from firmware_py.matching.calls import Upload
from kiosk.door import DoorState
from kiosk.effects import (
    BindCard,
    CloseVisit,
    ConfirmVisit,
    Durable,
    NoteMet,
    OpenVisit,
    OweMatch,
    SetMood,
    SetRuling,
    SettleGroup,
    SettleMatch,
    UndoMatch,
)
from kiosk.events import CardTapped, Event, MatchSwapped, PairRuled, PresenceHeard
from kiosk.values import Now, Pair, Visit, VisitId, pair_of

BATCH = 200
"""How many facts are sent at once; some 60 kB."""
MOST = 100_000
"""How many facts are kept at most, some 40 MB; the oldest go first. A terminal that is alone for two weeks, after which it
knows nobody any more, stays below with 1,500 visits a day."""

log = logging.getLogger("fikatap")

_encode = msgspec.json.Encoder().encode
_HAPPENED: msgspec.json.Decoder[Happened] = msgspec.json.Decoder(Happened)
_RULED = msgspec.json.Decoder(HostRuled)


def presence(visit: Visit, door: str, now: Now) -> Presence:
    """Return a visit as the service knows it; `door` is the terminal's name."""
    talks = 0 if visit.talks_until_ms is None else max(0, visit.talks_until_ms - now.boot_ms)
    return Presence(
        visit=visit.id,
        member=visit.member.id,
        number=visit.number,
        door=door,
        mood=visit.mood,
        opened_ms=None if visit.opened.wall is None else visit.opened.wall.utc_ms,
        zone=visit.zone,
        confirmed=visit.confirmed,
        approached=max(0, visit.approached),  # the service may have taken back already what is taken back here
        introduced=max(0, visit.introduced),
        lifetime_rate=visit.lifetime_rate,
        talks_for_ms=talks,
    )


def reports(event: Event, effects: Sequence[Durable], state: DoorState, door: str, key: str, now: Now) -> list[bytes]:
    """Return what the service is to hear of an event, as JSON; `state` is the one after it, `key` the venue's key's id."""
    return [_encode(what) for effect in effects for what in _facts(event, effect, state, door, key, now)]


def _facts(event: Event, effect: Durable, state: DoorState, door: str, key: str, now: Now) -> Iterator[Happened]:
    match effect:
        case OpenVisit(visit):
            yield VisitOpened(presence=presence(visit, door, now))
        case CloseVisit(visit, why) if not isinstance(event, PresenceHeard):  # else it is no news to the service
            yield VisitClosed(visit=visit, why=why)
        case SettleMatch(visit, introduction, zone, member, partner):
            yield MatchSettled(visit=visit, member=member, zone=zone, introduction=introduction, partner=partner)
            if introduction is not None:
                yield from _changed((visit, introduction.partner), state, door, now)
        case ConfirmVisit(visit=visit) | SetMood(visit=visit) | OweMatch(visit=visit):
            yield from _changed((visit,), state, door, now)
        case UndoMatch(visit, partner_visit, member, partner):
            yield MatchUndone(visit=visit, member=member, partner=partner)
            yield from _changed((visit, partner_visit), state, door, now)
        case SettleGroup(visits=visits, met=met):
            yield GroupSettled(visits=visits, pairs=tuple((one, other) for _, one, other in met))
            yield from _changed(visits, state, door, now)
        case NoteMet(visit=visit, untold=0) if isinstance(event, CardTapped):
            yield VisitorTold(visit=visit)  # by a tap nobody meets anybody: they heard of it
        case NoteMet(visit=visit) if isinstance(event, PresenceHeard):
            yield from _changed((visit,), state, door, now)  # they are in conversation from now on
        case SetRuling((one, other), ruling) if isinstance(event, PairRuled | MatchSwapped):
            yield HostRuled(one=one, other=other, ruling=ruling)  # what ends with a visit or a match the service ends itself
        case BindCard(card, member):
            yield CardBound(card=card, member=member, key=key)
        case _:
            pass  # of the badges, and of what staff is told, nobody else hears


def _changed(visits: Sequence[VisitId], state: DoorState, door: str, now: Now) -> Iterator[Happened]:
    """Tell how visits of this door are now."""
    for visit in visits:
        if visit in state.visits:
            yield VisitChanged(presence=presence(state.visits[visit], door, now))


class Outbox:
    """The facts that wait in the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._ruled: dict[Pair, int] = {}
        """About whom the host decided something, and the number of the last such fact, among those that were looked at."""
        self._looked = 0

    def add(self, *happened: Happened) -> None:
        """Store facts that come of no event; raise `LedgerError`."""
        self._ledger.report([_encode(what) for what in happened])

    def is_empty(self) -> bool:
        """Tell whether nothing waits."""
        return not self._ledger.rows("SELECT 1 FROM outbox LIMIT 1")

    def ruled(self) -> set[Pair]:
        """Return about whom the host decided something of which the service is still to hear; raise `LedgerError`."""
        # After hours alone there are many facts, so each is looked at once.
        oldest, newest = self._ends()
        tag = HostRuled.__struct_config__.tag
        new = "SELECT number, what FROM outbox WHERE number > ? AND instr(what, ?) ORDER BY number"
        for number, what in self._ledger.rows(new, self._looked, f'"{tag}"'):
            with suppress(msgspec.DecodeError, UnicodeDecodeError):  # `next` tells of it
                ruled = _RULED.decode(what)
                self._ruled[pair_of(ruled.one, ruled.other)] = number
        self._looked = newest
        self._ruled = {pair: number for pair, number in self._ruled.items() if oldest <= number <= newest}
        return set(self._ruled)

    def next(self) -> Upload | None:
        """Return the oldest facts, None when there are none; raise `LedgerError`.

        One that the service could not read either is forgotten, as the door must not close for it.
        """
        while rows := self._ledger.rows(
            """SELECT number, source, coalesce(outbox.utc_ms, boot_ms + offset_ms), what
               FROM outbox LEFT JOIN events USING (seq) LEFT JOIN clocks USING (boot_id) ORDER BY number LIMIT ?""",
            BATCH,
        ):
            facts = []
            for number, source, utc_ms, what in rows:
                try:
                    happened = _HAPPENED.decode(what)
                except (msgspec.DecodeError, UnicodeDecodeError) as error:
                    log.error("report %d to the service can't be sent, and is forgotten: %s", number, error)  # noqa: TRY400
                    with self._ledger.transaction() as connection:
                        connection.execute("DELETE FROM outbox WHERE number = ?", (number,))
                else:
                    facts.append(Fact(id=f"{source}-{number}", source=source, seq=number, time_ms=utc_ms, what=happened))
            if facts:
                return Upload(tuple(facts), facts[-1].seq)
        return None

    def delivered(self, upto: int) -> None:
        """Forget facts that the service has; raise `LedgerError`."""
        with self._ledger.transaction() as connection:
            connection.execute("DELETE FROM outbox WHERE number <= ?", (upto,))

    def trim(self) -> int:
        """Forget the oldest facts beyond `MOST`; return how many."""
        oldest, newest = self._ends()
        over = newest - oldest + 1 - MOST
        if over > 0:
            self.delivered(oldest + over - 1)
        return max(over, 0)

    def _ends(self) -> tuple[int, int]:
        """Return the numbers of the oldest and the newest fact, zeros when there are none."""
        ((oldest, newest),) = self._ledger.rows("SELECT coalesce(min(number), 0), coalesce(max(number), 0) FROM outbox")
        return oldest, newest
