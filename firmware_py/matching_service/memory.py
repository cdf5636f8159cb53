"""What a process remembers of venues: each as it was committed at a version, so that only what is newer has to be read."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import msgspec
from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from drivers.matching import wire
from firmware_py.matching_service.database import Database, Query
from firmware_py.matching_service.tables import AnyRow, match, member, ruling, venue, visit
from kiosk.matching import Present, Profile, profile
from kiosk.values import Member, MemberId, Mood, Now, Pair, Ruling, Visit, VisitId, ZoneId
from kiosk.vocabulary import Vocabulary

VENUES = 1_000
"""How many venues a process remembers; about 300 kB each with 150 people."""
LARGEST_COUNT = 2**31 - 1


class VisitRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table `visit`, but for its venue."""

    id: VisitId
    member: MemberId | None
    number: int
    door: str
    mood: str
    opened_ms: int | None
    zone: ZoneId | None
    confirmed: bool
    approached: int
    introduced: int
    lifetime_rate: int
    talks_until_ms: int | None
    arrived_ms: int
    live: bool
    source: str
    sequence: int
    closed_ms: int | None
    version: int


class MatchRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table `match`, but for its venue."""

    visit: VisitId
    partner: VisitId
    member: MemberId
    partner_member: MemberId | None
    introduction: bytes | None
    until_ms: int | None
    version: int
    counts: bool = True
    told: bool = False


class RulingRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table `ruling`, but for its venue."""

    one: MemberId
    other: MemberId
    ruling: str | None
    source: str
    sequence: int
    at_ms: int
    version: int


class State(NamedTuple):
    """A venue as committed at a version; nobody changes the mappings.

    Closed visits are among them until they are erased, and so are rulings that were taken back.
    """

    version: int
    horizon: int
    visits: Mapping[VisitId, VisitRow]
    matches: Mapping[tuple[VisitId, VisitId], MatchRow]
    rulings: Mapping[Pair, RulingRow]

    def page(self, since: int, now_ms: int) -> wire.PresencePage:
        """Return what changed after version `since`, or everybody where that can't be told any more."""
        whole = since == 0 or since < self.horizon or since > self.version
        news = [each for each in self.visits.values() if whole or each.version > since]
        news.sort(key=lambda each: (each.version, each.id))  # the same from every process
        sent = sent_to({each.id for each in news}, self.visits, self.matches)
        return wire.PresencePage(
            version=self.version,
            open=tuple(as_presence(each, now_ms, sent[each.id]) for each in news if each.closed_ms is None),
            closed=tuple(each.id for each in news if each.closed_ms is not None),
            rulings=tuple(_as_ruling(each) for _, each in sorted(self.rulings.items()) if whole or each.version > since),
            whole=whole,
        )


class Person(NamedTuple):
    """Somebody in the roster, and how many approaches they had in 1,000 visits."""

    member: Member
    profile: Profile
    lifetime_rate: int


_VISITS = select(*(visit.c[name] for name in VisitRow.__struct_fields__)).where(
    visit.c.venue == bindparam("venue"), visit.c.version > bindparam("since")
)
_MATCHES = select(*(match.c[name] for name in MatchRow.__struct_fields__)).where(
    match.c.venue == bindparam("venue"), match.c.version > bindparam("since")
)
_RULINGS = select(*(ruling.c[name] for name in RulingRow.__struct_fields__)).where(
    ruling.c.venue == bindparam("venue"), ruling.c.version > bindparam("since")
)
_VERSION = select(venue.c.version, venue.c.horizon).where(venue.c.id == bindparam("venue"))
_IN_CHAIN = select(member.c.id, member.c.data, member.c.visits, member.c.approaches).where(member.c.chain == bindparam("chain"))
_PEOPLE = _IN_CHAIN.where(member.c.id.in_(bindparam("ids", expanding=True)))
_SOMEBODY = _IN_CHAIN.where(member.c.id == bindparam("id"))


class Memory:
    """What a process remembers of one venue, and of the people in it."""

    def __init__(self, chain: str, venue_id: str) -> None:
        self.chain = chain
        self.venue = venue_id
        self.lock = asyncio.Lock()
        """Whoever changes the venue waits here, not each with one of the few connections."""
        self.reading = asyncio.Lock()
        """Whoever waits for news looks it up here, one for all."""
        self.state = State(-1, 0, {}, {}, {})
        self.heard = 0
        """The newest version that was heard of."""
        self._revision = -1
        self._people: dict[str, Person | None] = {}
        self._present: dict[VisitId, tuple[VisitRow, Present]] = {}
        self._pages: dict[int, bytes] = {}
        self._pages_of = (-1, 0)

    async def refresh(self, database: Database) -> None:
        """Read what was committed meanwhile."""
        version = _VERSION, {"venue": self.venue}
        async with database.begin_with(version, chain=self.chain, venue=self.venue) as (connection, ((row,),)):
            await self.read(database, connection, row.version, row.horizon)

    async def read(self, database: Database, connection: AsyncConnection, version: int, horizon: int) -> State:
        """Return the venue as it is at its version.

        Without the venue's lock, changes of a later version may be seen already; they are read once more with that version.
        """
        known = self.state
        if known.version == version:
            return known
        # Visits were erased without a trace, or the database is an older one, from a backup.
        anew = known.version < horizon or known.version > version
        if anew:
            self._revision = -1  # with visits, lifetime rates change
        values = {"venue": self.venue, "since": -1 if anew else known.version}
        visits, matches = ({}, {}) if anew else (dict(known.visits), dict(known.matches))
        rulings = {} if anew else dict(known.rulings)
        found = await database.ask(connection, (_VISITS, values), (_MATCHES, values), (_RULINGS, values))
        for row in found[0]:
            visits[row.id] = VisitRow(**row._asdict())
        for row in found[1]:
            key = row.visit, row.partner
            if row.introduction is None:
                matches.pop(key, None)
            else:
                matches[key] = MatchRow(**row._asdict())
        rulings |= {(row.one, row.other): RulingRow(**row._asdict()) for row in found[2]}
        state = State(version, horizon, visits, matches, rulings)
        if known.version > version:
            self.state = state
        else:
            self.keep(state)
        return state

    def keep(self, state: State) -> None:
        """Remember what was committed, unless something newer is known."""
        if state.version > self.state.version:
            self.state = state
            self._present = {id_: each for id_, each in self._present.items() if state.visits.get(id_) is each[0]}

    def unknown(self, member_id: str) -> tuple[Query, ...]:
        """Return the query for somebody whom this process does not know."""
        return () if member_id in self._people else ((_SOMEBODY, {"chain": self.chain, "id": member_id}),)

    async def know(
        self,
        connection: AsyncConnection,
        revision: int,
        members: Collection[str],
        vocabulary: Vocabulary,
        found: Iterable[AnyRow] = (),
    ) -> None:
        """Look up people whom this process does not know, and forget the others; they hold for one revision of the roster.

        Some may have been `found` already.
        """
        people = self._people if revision == self._revision else {}
        people = people | {row.id: _person(row, vocabulary) for row in found}
        missing = [each for each in members if each not in people]
        people = {each: people.get(each) for each in members}
        if missing:
            for row in await connection.execute(_PEOPLE, {"chain": self.chain, "ids": sorted(missing)}):
                people[row.id] = _person(row, vocabulary)
        if revision != self._revision:
            self._present = {}
        self._people, self._revision = people, revision

    def person(self, member_id: str | None) -> Person | None:
        """Return somebody who was looked up; None for somebody who is not in the roster."""
        return None if member_id is None else self._people.get(member_id)

    def present(self, row: VisitRow) -> Present | None:
        """Return a visit as the engine looks at it, on the service's clock; None for somebody who is not in the roster."""
        known = self._present.get(row.id)
        if known is not None and known[0] is row:
            return known[1]
        person = self.person(row.member)
        if person is None:
            return None
        present = Present(_as_visit(row, person.member), person.profile)
        self._present[row.id] = row, present
        return present

    def page(self, since: int, now_ms: int) -> bytes:
        """Return the page after version `since` as JSON; doors that ask the same within a second share it."""
        moment = self.state.version, now_ms // 1000
        if moment != self._pages_of:
            self._pages, self._pages_of = {}, moment
        page = self._pages.get(since)
        if page is None:
            page = self._pages[since] = msgspec.json.encode(self.state.page(since, now_ms))
        return page


class Memories:
    """Those of all venues that were asked for lately."""

    def __init__(self) -> None:
        self._venues: OrderedDict[str, Memory] = OrderedDict()

    def of(self, chain: str, venue_id: str) -> Memory:
        """Return a venue's."""
        memory = self._venues.get(venue_id)
        if memory is None:
            memory = self._venues[venue_id] = Memory(chain, venue_id)
            while len(self._venues) > VENUES:
                self._venues.popitem(last=False)
        self._venues.move_to_end(venue_id)
        return memory

    def heard(self, venue_id: str, version: int) -> bool:
        """Note that a venue has come to a version; return whether that is news."""
        memory = self._venues.get(venue_id)
        if memory is None:
            return True
        memory.heard = max(memory.heard, version)
        return memory.state.version < version

    def version(self, venue_id: str) -> int:
        """Return the version at which a venue is remembered, -1 for none."""
        memory = self._venues.get(venue_id)
        return -1 if memory is None else memory.state.version

    def looked(self, venue_id: str, version: int, before: int) -> bool:
        """Take the version that the database has; return whether that is news.

        `before` is the one that was remembered when the database was asked: from a backup comes an older one than that.
        """
        if version < before:
            self._venues.pop(venue_id, None)
            return True
        return self.heard(venue_id, version)


def sent_to(
    partners: Collection[VisitId], visits: Mapping[VisitId, VisitRow], matches: Mapping[tuple[VisitId, VisitId], MatchRow]
) -> dict[VisitId, tuple[wire.Sent, ...]]:
    """Return who was sent to these visits, in the order in which they came; what nobody was told yet is not among it."""
    sent: dict[VisitId, list[tuple[int, wire.Sent]]] = {each: [] for each in partners}
    for each in matches.values():
        if each.partner in sent and each.counts and each.until_ms is None:
            row = visits.get(each.visit)
            came, number = (0, 0) if row is None else (row.arrived_ms, row.number)
            who = wire.Sent(visit=each.visit, member=each.member, number=number, told=each.told)
            sent[each.partner].append((came, who))
    return {
        partner: tuple(who for _, who in sorted(found, key=lambda one: (one[0], one[1].number, one[1].visit)))
        for partner, found in sent.items()
    }


def as_presence(row: VisitRow, now_ms: int, sent: tuple[wire.Sent, ...]) -> wire.Presence:
    """Return a visit as doors are told of it."""
    return wire.Presence(
        visit=row.id,
        member=row.member or MemberId(""),
        number=row.number,
        door=row.door,
        mood=Mood(row.mood),
        opened_ms=row.opened_ms,
        zone=row.zone,
        confirmed=row.confirmed,
        approached=row.approached,
        introduced=row.introduced,
        lifetime_rate=row.lifetime_rate,
        talks_for_ms=max(0, (row.talks_until_ms or 0) - now_ms),
        sent=sent,
    )


def _as_ruling(row: RulingRow) -> wire.PairRuling:
    return wire.PairRuling(one=row.one, other=row.other, ruling=None if row.ruling is None else Ruling(row.ruling))


def _as_visit(row: VisitRow, known: Member) -> Visit:
    return Visit(
        id=row.id,
        number=row.number,
        member=known,
        opened=Now("", row.arrived_ms),
        zone=row.zone,
        confirmed=row.confirmed,
        approached=row.approached,
        introduced=row.introduced,
        lifetime_rate=row.lifetime_rate,
        mood=Mood(row.mood),
        talks_until_ms=row.talks_until_ms,
    )


def _person(row: AnyRow, vocabulary: Vocabulary) -> Person | None:
    if row.data is None:
        return None
    found = msgspec.json.decode(row.data, type=Member)
    rate = min(row.approaches * 1000 // row.visits, LARGEST_COUNT) if row.visits else 0
    return Person(found, profile(found, vocabulary), rate)
