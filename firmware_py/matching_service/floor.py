"""One venue under its lock: what check-ins and facts change, in one transaction; counters follow from the facts.

All of it happens in memory, on copies of what is committed; `finish` writes what became of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any

import msgspec
from msgspec.structs import asdict, replace
from sqlalchemy import bindparam, false, select, text, true, union_all, update
from sqlalchemy import delete as erase
from sqlalchemy.ext.asyncio import AsyncConnection

from drivers.matching import wire
from firmware_py.matching_service.database import Database, Insertion, Query
from firmware_py.matching_service.memory import MatchRow, Memory, RulingRow, State, VisitRow, sent_to
from firmware_py.matching_service.tables import AnyRow, block, card, chain, match, met, ruling, touched, venue, visit
from kiosk.effects import Ending
from kiosk.values import Introduction, MemberId, Mood, Pair, Ruling, VisitId, Zone, ZoneId, pair_of

RESERVED_MS = 120_000
"""How long a proposal waits for its terminal to settle it."""
LONGEST_TALK_MS = 86_400_000

# Rows that refer to the venue may be written meanwhile, hence "no key".
_LOCK = (
    select(venue.c.version, venue.c.horizon, venue.c.turn, venue.c.zones, chain.c.revision)
    .join(chain, chain.c.id == venue.c.chain)
    .where(venue.c.id == bindparam("venue"))
    .with_for_update(of=venue, key_share=True)
)
_LOCK_ALONE = _LOCK.where(text("pg_try_advisory_xact_lock(hashtextextended(:alone, 0))"))
_APART = union_all(
    select(met.c.partner.label("member"), false().label("blocked")).where(
        met.c.chain == bindparam("chain"), met.c.member == bindparam("member")
    ),
    select(block.c.other, true()).where(block.c.chain == bindparam("chain"), block.c.member == bindparam("member")),
)
_SET = update(venue).where(venue.c.id == bindparam("which"))
_SET_VERSION = _SET.values(version=bindparam("version"), turn=bindparam("turn"))
_SET_ZONES = _SET.values(version=bindparam("version"), turn=bindparam("turn"), zones=bindparam("zones"))
_VISIT = Insertion(visit, tuple(name for name in VisitRow.__struct_fields__ if name != "id"))
_MATCH = Insertion(match, ("partner_member", "introduction", "until_ms", "version", "counts", "told"))
_RULING = Insertion(ruling, ("ruling", "source", "sequence", "at_ms", "version"))
_MEETING, _TOUCH, _BLOCK, _CARD = (
    Insertion(met, ("at_ms",)),
    Insertion(touched),
    Insertion(block),
    Insertion(card, ("member", "blocked")),
)


class NameTakenError(Exception):
    """Another transaction runs under this name."""


def lock(database: Database, venue_id: str, alone: str = "") -> Query:
    """Return the query that waits for a venue's lock, held until the end of the transaction; its row makes a `Floor`.

    It waits for nothing and finds nothing while another transaction runs under the name `alone`.
    """
    if alone and database.is_postgresql:
        return _LOCK_ALONE, {"venue": venue_id, "alone": alone}
    return _LOCK, {"venue": venue_id}


def apart(chain_id: str, member_id: MemberId) -> Query:
    """Return the query for whom a member met within six months anywhere, or is never to meet (`blocked`)."""
    return _APART, {"chain": chain_id, "member": member_id}


async def enter(
    database: Database, connection: AsyncConnection, memory: Memory, locked: Sequence[AnyRow], now_ms: int
) -> Floor:
    """Return the floor of a venue whose lock was asked for; raise `NameTakenError` where it was not given."""
    if not locked:
        raise NameTakenError
    state = await memory.read(database, connection, locked[0].version, locked[0].horizon)
    return Floor(database, connection, memory, state, locked[0], now_ms)


class Floor:
    """A venue's visits and matches. What changes here gets the version `version` in presence, once `finish` was called."""

    def __init__(
        self, database: Database, connection: AsyncConnection, memory: Memory, state: State, row: AnyRow, now_ms: int
    ) -> None:
        self._database = database
        self._connection = connection
        self._state = state
        self._matches = dict(state.matches)
        self._changed: set[VisitId] = set()
        self._rematched: dict[tuple[VisitId, VisitId], MatchRow] = {}
        self._rulings = dict(state.rulings)
        self._reruled: set[Pair] = set()
        self._meetings: set[tuple[MemberId, MemberId]] = set()
        self._touched: set[str] = set()
        self.memory = memory
        self.visits: dict[VisitId, VisitRow] = dict(state.visits)
        self.now_ms = now_ms
        self.version: int = row.version + 1
        self.revision: int = row.revision
        self.turn: int = row.turn
        self.zones = msgspec.json.decode(row.zones, type=tuple[Zone, ...])
        self._before = (self.turn, self.zones)

    def open(self, presence: wire.Presence, *, live: bool, source: str = "", sequence: int = 0) -> None:
        """Open a visit, unless it is known; the member's earlier one ends. The memory has looked the member up.

        A visit that a check-in opened (`live`) is surer than one from a journal: that one ends at once.
        """
        known = self.visits.get(presence.visit)
        if known is not None and known.member is not None:
            return
        # The end may have been heard of before the beginning.
        closed_ms = None if known is None else known.closed_ms
        others = [each for each in self.visits.values() if each.member == presence.member and each.closed_ms is None]
        if closed_ms is None and others:
            if not live and any(other.live for other in others):
                closed_ms = self.now_ms
            else:
                for other in others:
                    self._change(other.id, closed_ms=self.now_ms)
        person = self.memory.person(presence.member)
        self.visits[presence.visit] = VisitRow(
            id=presence.visit,
            member=presence.member,
            number=presence.number,
            door=presence.door,
            opened_ms=presence.opened_ms,
            approached=0,
            introduced=0,
            lifetime_rate=0 if person is None else person.lifetime_rate,
            arrived_ms=self.now_ms,
            live=live,
            closed_ms=closed_ms,
            version=self.version,
            **self._said(presence, source, sequence),
        )
        self._changed.add(presence.visit)

    def change(self, presence: wire.Presence, source: str, sequence: int) -> None:
        """Take mood, zone and certainty of a visit, unless something newer is known; a visit not heard of is opened."""
        known = self.visits.get(presence.visit)
        if known is None or known.member is None:
            self.open(presence, live=False, source=source, sequence=sequence)
        elif source != known.source or sequence >= known.sequence:
            self._change(presence.visit, **self._said(presence, source, sequence))

    def close(self, visit_id: VisitId, why: Ending) -> None:
        """End a visit; the end of one not heard of is kept until it is. The host's word goes on with a visitor who stays."""
        known = self.visits.get(visit_id)
        if known is None:
            self.visits[visit_id] = VisitRow(
                id=visit_id,
                member=None,
                number=0,
                door="",
                mood=Mood.INTRODUCE.value,
                opened_ms=None,
                zone=None,
                confirmed=False,
                approached=0,
                introduced=0,
                lifetime_rate=0,
                talks_until_ms=None,
                arrived_ms=self.now_ms,
                live=False,
                source="",
                sequence=0,
                closed_ms=self.now_ms,
                version=self.version,
            )
            self._changed.add(visit_id)
        elif known.closed_ms is None:
            self._change(visit_id, closed_ms=self.now_ms)
            if why is Ending.UNCONFIRMED:
                return
            for pair in [each for each in self._rulings if known.member in each]:
                self._end_ruling(pair)

    def settle(self, told: wire.MatchSettled) -> None:
        """Take what a visitor was told: it confirms the service's proposal or takes it back, and it is a fact in any case."""
        introduction = told.introduction
        partner = None if introduction is None else introduction.partner
        self._take_back(lambda each: each.visit == told.visit and each.partner != partner)
        if introduction is not None:
            visit_of_partner = self.visits.get(introduction.partner)
            partner_member = told.partner or (None if visit_of_partner is None else visit_of_partner.member)
            known = self._matches.get((told.visit, introduction.partner))
            self.turn += known is None or known.until_ms is not None
            self._keep(told.visit, told.member, introduction, partner_member, until_ms=None)
            if partner_member is not None:
                self._meet(told.member, partner_member)
                pair = pair_of(told.member, partner_member)
                if self._rules(pair, Ruling.PIN):
                    self._end_ruling(pair)
        if told.zone is not None and told.visit in self.visits:
            self._change(told.visit, zone=told.zone)

    async def undo(self, undone: wire.MatchUndone) -> None:
        """Take back what a visitor was told: it counts for nobody any more, and keeps the two apart until visits are erased."""
        pair = {undone.member, undone.partner}
        told = [
            (key, each)
            for key, each in self._matches.items()
            if each.until_ms is None and each.counts and {each.member, each.partner_member} == pair
        ]
        for key, each in told:
            if each.visit == undone.visit:
                self._rematch(key, replace(each, counts=False, version=self.version))
        if all(each.visit == undone.visit for _, each in told):
            self._meetings -= {(undone.member, undone.partner), (undone.partner, undone.member)}
            mine = met.c.chain == self.memory.chain
            await self._connection.execute(erase(met).where(mine, met.c.member.in_(pair), met.c.partner.in_(pair)))
            self._touched |= pair

    def seat_group(self, seated: wire.GroupSettled, sitting: str) -> None:
        """Count an introduction for each of a group, and note that those who talk have met; `sitting` tells groups apart."""
        for visit_id in seated.visits:
            known = self.visits.get(visit_id)
            if known is not None and known.member is not None:
                nobody = VisitId(f"group {sitting}")  # an approach of nobody
                row = MatchRow(
                    visit=visit_id,
                    partner=nobody,
                    member=known.member,
                    partner_member=None,
                    introduction=b"null",
                    until_ms=None,
                    version=self.version,
                )
                self._rematch((visit_id, nobody), row)
        for one, other in seated.pairs:
            self._meet(one, other)

    def told(self, visit_id: VisitId) -> None:
        """Note that a visitor heard who was sent to them so far."""
        for key, each in list(self._matches.items()):
            if each.partner == visit_id and each.until_ms is None and not each.told:
                self._rematch(key, replace(each, told=True, version=self.version))

    async def block(self, apart: wire.PairBlocked) -> None:
        """Keep two members apart for good, or no longer."""
        pairs = sorted({(apart.one, apart.other), (apart.other, apart.one)})
        if apart.blocked:
            rows = [{"chain": self.memory.chain, "member": one, "other": other} for one, other in pairs]
            await self._database.write(self._connection, (_BLOCK, {"rows": rows}))
        else:
            both = {apart.one, apart.other}
            mine = block.c.chain == self.memory.chain
            await self._connection.execute(erase(block).where(mine, block.c.member.in_(both), block.c.other.in_(both)))
        self._touched |= {apart.one, apart.other}

    def rule(self, said: wire.PairRuling, source: str, sequence: int) -> None:
        """Take what the host decided about two members, of whom one is here; `None` where nobody is, as it holds no longer.

        The memory has looked them up: of somebody who is not on the roster, nothing is kept here.
        """
        pair = pair_of(said.one, said.other)
        known = self._rulings.get(pair)
        late = known is not None and source == known.source and sequence < known.sequence
        if late or said.one == said.other or any(self.memory.person(each) is None for each in pair):
            return
        holds = said.ruling is not None and any(map(self._is_here, pair))
        self._rulings[pair] = RulingRow(
            one=pair[0],
            other=pair[1],
            ruling=said.ruling.value if holds and said.ruling is not None else None,
            source=source,
            sequence=sequence,
            at_ms=self.now_ms,
            version=self.version,
        )
        self._reruled.add(pair)
        both = set(pair)
        if said.ruling is Ruling.VETO:
            self._take_back(lambda each: {each.member, each.partner_member} == both)
        elif said.ruling is None:  # the host frees them: what was undone keeps them apart no longer
            for key, each in list(self._matches.items()):
                if not each.counts and {each.member, each.partner_member} == both:
                    self._drop(key, each)

    def ruled(self, member_id: MemberId, which: Ruling) -> set[MemberId]:
        """Return about whom the host decided that, together with this member."""
        pairs = [pair for pair in self._rulings if member_id in pair and self._rules(pair, which)]
        return {other for pair in pairs for other in pair} - {member_id}

    def reserve(self, member_id: MemberId, introduction: Introduction, partner: MemberId) -> None:
        """Keep a proposal until it is settled or lapses: to everybody else it counts as an introduction."""
        self._keep(introduction.visit, member_id, introduction, partner, until_ms=self.now_ms + RESERVED_MS)

    def reserved(self, visit_id: VisitId) -> Introduction | None:
        """Return the proposal that still waits to be settled for a visit."""
        for each in self._matches.values():
            if each.visit == visit_id and each.until_ms is not None and each.introduction is not None:
                return msgspec.json.decode(each.introduction, type=Introduction)
        return None

    def lapse(self) -> None:
        """Take back the proposals that nobody settled in time."""
        self._take_back(lambda each: each.until_ms is not None and each.until_ms < self.now_ms)

    def seat(self, visit_id: VisitId, zone: ZoneId) -> None:
        """Note in which zone a visitor will be."""
        self._change(visit_id, zone=zone)

    async def bind(self, bound: wire.CardBound) -> None:
        """Take that a card belongs to a member."""
        mine = (card.c.chain == self.memory.chain, card.c.card == bound.card, card.c.key == bound.key)
        before = await self._connection.scalar(select(card.c.member).where(*mine))
        row = {"card": bound.card, "key": bound.key, "member": bound.member, "blocked": bound.blocked}
        await self._database.write(self._connection, (_CARD, {"rows": [{"chain": self.memory.chain, **row}]}))
        self._touched |= {bound.member} if before is None else {bound.member, before}

    def sent(self, visit_id: VisitId) -> tuple[wire.Sent, ...]:
        """Return who was sent to a visitor."""
        return sent_to({visit_id}, self.visits, self._matches)[visit_id]

    def apart(self, member_id: MemberId, known: Collection[MemberId]) -> set[MemberId]:
        """Return whom a member met within six months anywhere or is never to meet (`known`), and whom they are to meet here.

        So are two whose introduction the host took back, until the host frees them.
        """
        found = set(known)
        for each in self._matches.values():
            if each.member == member_id and each.partner_member is not None:
                found.add(each.partner_member)
            elif each.partner_member == member_id:
                found.add(each.member)
        return found

    def count(self) -> None:
        """Work the counters of all visits that changed out from the matches."""
        if not self._changed:
            return
        approached = Counter(each.partner for each in self._matches.values() if each.counts)
        introduced = Counter(each.visit for each in self._matches.values() if each.counts)
        for id_ in self._changed & self.visits.keys():
            counters = {"approached": approached[id_], "introduced": introduced[id_], "version": self.version}
            self.visits[id_] = replace(self.visits[id_], **counters)

    async def finish(self, *also: Query) -> State:
        """Write what changed, and this, and commit it; return the venue as it is then."""
        self.count()
        here, own = {"chain": self.memory.chain}, {"venue": self.memory.venue}
        # In one order everywhere: neighbours who write the same pairs wait for each other, but never in a circle.
        work: list[Query] = [
            *also,
            (_VISIT, {"rows": [own | asdict(self.visits[each]) for each in sorted(self._changed & self.visits.keys())]}),
            (_MATCH, {"rows": [own | asdict(each) for _, each in sorted(self._rematched.items())]}),
            (_RULING, {"rows": [own | asdict(self._rulings[each]) for each in sorted(self._reruled)]}),
            (
                _MEETING,
                {"rows": [{**here, "member": a, "partner": b, "at_ms": self.now_ms} for a, b in sorted(self._meetings)]},
            ),
            (_TOUCH, {"rows": [{**here, "member": each} for each in sorted(self._touched)]}),
        ]
        changed = bool(self._changed or self._reruled) or (self.turn, self.zones) != self._before
        if changed:
            values = {"which": self.memory.venue, "version": self.version, "turn": self.turn}
            if self.zones != self._before[1]:
                work.append((_SET_ZONES, values | {"zones": msgspec.json.encode(self.zones)}))
            else:
                work.append((_SET_VERSION, values))
        await self._database.write(self._connection, *work, commit=True)
        if not changed:
            return self._state
        return State(self.version, self._state.horizon, self.visits, self._matches, self._rulings)

    def _change(self, visit_id: VisitId, **values: Any) -> None:
        self.visits[visit_id] = replace(self.visits[visit_id], **values)
        self._changed.add(visit_id)

    def _is_here(self, member_id: MemberId) -> bool:
        return any(each.member == member_id and each.closed_ms is None for each in self.visits.values())

    def _rules(self, pair: Pair, which: Ruling) -> bool:
        return pair in self._rulings and self._rulings[pair].ruling == which.value

    def _end_ruling(self, pair: Pair) -> None:
        if self._rulings[pair].ruling is not None:
            self._rulings[pair] = replace(self._rulings[pair], ruling=None, version=self.version)
            self._reruled.add(pair)

    def _said(self, presence: wire.Presence, source: str, sequence: int) -> dict[str, Any]:
        talks = min(presence.talks_for_ms, LONGEST_TALK_MS)
        return {
            "mood": presence.mood.value,
            "zone": presence.zone,
            "confirmed": presence.confirmed,
            "talks_until_ms": self.now_ms + talks if talks else None,
            "source": source,
            "sequence": sequence,
        }

    def _keep(
        self,
        visit_id: VisitId,
        member_id: MemberId,
        introduction: Introduction,
        partner: MemberId | None,
        *,
        until_ms: int | None,
    ) -> None:
        key = visit_id, introduction.partner
        known = self._matches.get(key)
        self._matches[key] = self._rematched[key] = MatchRow(
            visit=visit_id,
            partner=introduction.partner,
            member=member_id if known is None else known.member,
            partner_member=partner,
            introduction=msgspec.json.encode(introduction),
            until_ms=until_ms,
            version=self.version,
            told=known is not None and known.told,
        )
        self._changed |= {visit_id, introduction.partner}

    def _rematch(self, key: tuple[VisitId, VisitId], row: MatchRow) -> None:
        self._matches[key] = self._rematched[key] = row
        self._changed |= set(key)

    def _meet(self, one: MemberId, other: MemberId) -> None:
        if one != other:
            self._meetings |= {(one, other), (other, one)}
            self._touched |= {one, other}

    def _take_back(self, which: Callable[[MatchRow], bool]) -> None:
        """Undo reserved proposals."""
        for key, each in list(self._matches.items()):
            if each.until_ms is not None and which(each):
                self._drop(key, each)

    def _drop(self, key: tuple[VisitId, VisitId], row: MatchRow) -> None:
        """Forget a match; what is left of it is a row without introduction, for other processes to see."""
        del self._matches[key]
        self._rematched[key] = replace(row, introduction=None, until_ms=None, version=self.version)
        self._changed |= {row.visit, row.partner}
