"""A check-in: under the venue's lock the visit is opened, a partner looked for and reserved, and the answer kept for a day."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter, OrderedDict
from collections.abc import Callable

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from drivers.matching import wire
from firmware_py.matching_service.database import Database
from firmware_py.matching_service.errors import Refused
from firmware_py.matching_service.floor import Floor
from firmware_py.matching_service.identity import Identity
from firmware_py.matching_service.presence import as_presence
from firmware_py.matching_service.tables import AnyRow, answer, member, visit
from kiosk.matching import Circumstances, Present, Profile, choose_zone, find_match, profile
from kiosk.values import Member, Mood, Now, Visit
from kiosk.vocabulary import Vocabulary

ANSWERS_MS = 86_400_000
"""How long the answer to a key is kept."""
VENUES = 256
"""How many venues' visits and profiles a process holds in memory; about 300 kB each with 150 people."""


class _TooLateError(Exception):
    """Nobody waits for the answer any more."""


class _Known:
    """What a process remembers of a venue, valid for its versions only: the open visits, and the people in them."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.version = 0
        self.revision = -1
        self.visits: dict[str, AnyRow] = {}
        self.people: dict[str, tuple[Member, Profile] | None] = {}

    def present(self, row: AnyRow) -> Present | None:
        """Return a visit as the engine looks at it, on the service's clock; None for somebody who is not in the roster."""
        person = self.people.get(row.member)
        if person is None:
            return None
        visit = Visit(
            id=row.id,
            number=row.number,
            member=person[0],
            opened=Now("", row.arrived_ms),
            zone=row.zone,
            confirmed=row.confirmed,
            approached=row.approached,
            introduced=row.introduced,
            lifetime_rate=row.lifetime_rate,
            mood=Mood(row.mood),
            talks_until_ms=row.talks_until_ms,
        )
        return Present(visit, person[1])


class CheckIns:
    """Answers check-ins; `changed` is told of each venue in which something happened."""

    def __init__(
        self, database: Database, vocabulary: Vocabulary, clock: Callable[[], int], changed: Callable[[str], None]
    ) -> None:
        self._database = database
        self._vocabulary = vocabulary
        self._clock = clock
        self._changed = changed
        self._venues: OrderedDict[str, _Known] = OrderedDict()
        self._under_way: dict[tuple[str, str, str], asyncio.Task[bytes]] = {}

    async def answer(self, identity: Identity, key: str, body: bytes, presence: wire.Presence, wait_s: float) -> bytes | None:
        """Return the `Proposal` as JSON, the same for the same key; None when it takes longer than `wait_s`.

        Raise `Refused` for a key that is being worked on, or was used for another body.
        """
        work = (identity.venue, identity.terminal, key)
        if work in self._under_way:
            raise _in_flight(key)
        late = asyncio.Event()
        task = asyncio.create_task(self._answer(identity, key, hashlib.sha256(body).digest(), presence, late))
        self._under_way[work] = task
        task.add_done_callback(lambda _: self._under_way.pop(work, None))
        done, _ = await asyncio.wait({task}, timeout=wait_s)
        if done:
            return task.result() or None
        # It is given up where it stands next, as a query can't be broken off without its connection; nothing of it is kept,
        # unless the commit is on its way already: then the reservation lapses.
        late.set()
        task.add_done_callback(_seen)
        return None

    async def end(self) -> None:
        """Break off what is still under way."""
        for task in self._under_way.values():
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def _answer(
        self, identity: Identity, key: str, body_hash: bytes, presence: wire.Presence, late: asyncio.Event
    ) -> bytes:
        venue = identity.venue
        known = self._venues.get(venue)
        if known is None:
            known = self._venues[venue] = _Known()
            while len(self._venues) > VENUES:
                self._venues.popitem(last=False)
        self._venues.move_to_end(venue)
        # Taps at one venue wait here, not each with one of the few connections.
        async with known.lock:
            try:
                _go_on_unless(late)
                async with self._database.begin(chain=identity.chain, venue=venue, writes=True) as connection:
                    await self._reserve_key(connection, identity, key)
                    now_ms = self._clock()
                    floor = await Floor.lock(self._database, connection, venue, now_ms)
                    kept = await self._kept(connection, identity, key, body_hash, now_ms)
                    if kept is not None:
                        return kept
                    proposal = await self._propose(connection, floor, known, presence)
                    body = b"" if proposal is None else msgspec.json.encode(proposal)
                    row: dict[str, object] = {"venue": venue, "terminal": identity.terminal, "key": key}
                    row |= {"body_hash": body_hash, "body": body, "at_ms": now_ms}
                    await self._database.put(connection, answer, [row], update=("body_hash", "body", "at_ms"))
                    await floor.finish()
                    _go_on_unless(late)
            except BaseException:
                known.forget()  # what was read of this transaction's own was not kept
                raise
            known.version = floor.seen
        self._changed(venue)
        return body

    async def _reserve_key(self, connection: AsyncConnection, identity: Identity, key: str) -> None:
        """Raise `Refused` when another process works on this key."""
        if not self._database.is_postgresql:
            return
        name = f"{identity.venue}/{identity.terminal}/{key}"
        if not await connection.scalar(select(func.pg_try_advisory_xact_lock(func.hashtextextended(name, 0)))):
            raise _in_flight(key)

    @staticmethod
    async def _kept(connection: AsyncConnection, identity: Identity, key: str, body_hash: bytes, now_ms: int) -> bytes | None:
        query = select(answer.c.body_hash, answer.c.body).where(
            answer.c.venue == identity.venue,
            answer.c.terminal == identity.terminal,
            answer.c.key == key,
            answer.c.at_ms > now_ms - ANSWERS_MS,
        )
        row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        if row.body_hash != body_hash:
            raise Refused(
                422, "this Idempotency-Key was used for another check-in", value=key, allowed="a new key for each check-in"
            )
        return bytes(row.body)

    async def _propose(
        self, connection: AsyncConnection, floor: Floor, known: _Known, presence: wire.Presence
    ) -> wire.Proposal | None:
        """Open the visit and return what to tell the visitor; None when the terminal must decide, for lack of zones."""
        await floor.lapse()
        await floor.open(presence, live=True)
        await floor.count()
        await self._refresh(connection, floor, known)
        if not floor.zones:
            return None
        here = [row for row in known.visits.values() if row.id != presence.visit]
        occupancy = Counter(row.zone for row in here if row.zone is not None)
        visitor = known.present(known.visits[presence.visit]) if presence.visit in known.visits else None
        introduction = await floor.reserved(presence.visit)
        if introduction is None and visitor is not None:
            circumstances = Circumstances(
                zones=floor.zones,
                occupancy=occupancy,
                now_ms=floor.now_ms,
                mean_rate=sum(row.lifetime_rate for row in known.visits.values()) // len(known.visits),
                turn=floor.turn,
                met={presence.member: await floor.met(presence.member)},
                vetoes={presence.member: await floor.blocked(presence.member)},
            )
            people = [person for row in here if (person := known.present(row)) is not None]
            introduction = find_match(visitor, people, circumstances)
            if introduction is not None:
                await floor.reserve(presence.member, introduction, known.visits[introduction.partner].member)
        if introduction is None:
            quiet = visitor is not None and visitor.profile.quiet
            zone = choose_zone(floor.zones, occupancy, quiet=quiet)
            partner = None
        else:
            zone = introduction.zone
            # The partner may have left since, where the proposal is an older one.
            partner = known.visits.get(introduction.partner)
        await floor.seat(presence.visit, zone)
        return wire.Proposal(
            visit=presence.visit,
            introduction=introduction,
            zone=zone,
            partner=None if partner is None else as_presence(partner, floor.now_ms),
        )

    async def _refresh(self, connection: AsyncConnection, floor: Floor, known: _Known) -> None:
        """Bring visits and profiles up to what this transaction sees."""
        if known.version < floor.horizon:
            known.forget()  # some visits are gone without a trace
        changed = select(visit).where(visit.c.venue == floor.venue, visit.c.version > known.version)
        for row in await connection.execute(changed):
            if row.closed_ms is None:
                known.visits[row.id] = row
            else:
                known.visits.pop(row.id, None)
        here = {row.member for row in known.visits.values()}
        people = known.people if known.revision == floor.revision else {}
        missing = sorted(here - people.keys())
        known.people = {each: people.get(each) for each in here}
        if missing:
            query = select(member.c.id, member.c.data).where(member.c.chain == floor.chain, member.c.id.in_(missing))
            for row in await connection.execute(query):
                if row.data is not None:
                    found = msgspec.json.decode(row.data, type=Member)
                    known.people[row.id] = found, profile(found, self._vocabulary)
        known.revision = floor.revision


def _go_on_unless(late: asyncio.Event) -> None:
    if late.is_set():
        raise _TooLateError


def _in_flight(key: str) -> Refused:
    return Refused(
        409, "a check-in with this Idempotency-Key is being worked on", value=key, allowed="the same again, a moment later"
    )


def _seen(task: asyncio.Task[bytes]) -> None:
    """Look at how a task ended that nobody waits for any more, lest it be called forgotten."""
    if not task.cancelled():
        task.exception()
