"""A check-in: under the venue's lock the visit is opened, a partner looked for and reserved, and the answer kept for a day."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain

import msgspec
from sqlalchemy import bindparam, select

from drivers.matching import wire
from firmware_py.matching_service.database import Database, Insertion
from firmware_py.matching_service.errors import Refused
from firmware_py.matching_service.floor import Floor, NameTakenError, apart, enter, lock
from firmware_py.matching_service.identity import Identity
from firmware_py.matching_service.memory import Memories, as_presence
from firmware_py.matching_service.tables import AnyRow, answer
from kiosk.matching import Circumstances, choose_zone, find_match
from kiosk.values import Ruling
from kiosk.vocabulary import Vocabulary

ANSWERS_MS = 86_400_000
"""How long the answer to a key is kept."""

_KEPT = select(answer.c.body_hash, answer.c.body).where(
    answer.c.venue == bindparam("venue"),
    answer.c.terminal == bindparam("terminal"),
    answer.c.key == bindparam("key"),
    answer.c.at_ms > bindparam("since"),
)
_KEEP = Insertion(answer, ("body_hash", "body", "at_ms"))


class _TooLateError(Exception):
    """Nobody waits for the answer any more."""


class CheckIns:
    """Answers check-ins; `changed` is told of each venue in which something happened, and of its new version."""

    def __init__(
        self,
        database: Database,
        memories: Memories,
        vocabulary: Vocabulary,
        clock: Callable[[], int],
        changed: Callable[[str, int], None],
    ) -> None:
        self._database = database
        self._memories = memories
        self._vocabulary = vocabulary
        self._clock = clock
        self._changed = changed
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
        memory = self._memories.of(identity.chain, identity.venue)
        async with memory.lock:
            _go_on_unless(late)
            now_ms = self._clock()
            row: dict[str, object] = {"venue": identity.venue, "terminal": identity.terminal, "key": key}
            queries = (
                lock(self._database, identity.venue, f"{identity.venue}/{identity.terminal}/{key}"),
                (_KEPT, row | {"since": now_ms - ANSWERS_MS}),
                apart(identity.chain, presence.member),
                *memory.unknown(presence.member),
            )
            try:
                async with self._database.begin_with(*queries, chain=identity.chain, venue=identity.venue, writes=True) as (
                    connection,
                    (locked, kept, links, *found),
                ):
                    floor = await enter(self._database, connection, memory, locked, now_ms)
                    if kept:
                        return _same(kept[0], key, body_hash)
                    floor.lapse()
                    here = {each.member for each in floor.visits.values() if each.closed_ms is None and each.member is not None}
                    await memory.know(connection, floor.revision, here | {presence.member}, self._vocabulary, chain(*found))
                    proposal = _propose(floor, presence, links)
                    body = b"" if proposal is None else msgspec.json.encode(proposal)
                    _go_on_unless(late)
                    state = await floor.finish(
                        (_KEEP, {"rows": [row | {"body_hash": body_hash, "body": body, "at_ms": now_ms}]})
                    )
            except NameTakenError:
                raise _in_flight(key) from None
            memory.keep(state)
        self._changed(identity.venue, state.version)
        return body


def _same(kept: AnyRow, key: str, body_hash: bytes) -> bytes:
    """Return the answer that was given to this key; raise `Refused` when that was for another body."""
    if bytes(kept.body_hash) != body_hash:
        raise Refused(
            422, "this Idempotency-Key was used for another check-in", value=key, allowed="a new key for each check-in"
        )
    return bytes(kept.body)


def _propose(floor: Floor, presence: wire.Presence, links: Sequence[AnyRow]) -> wire.Proposal | None:
    """Open the visit and return what to tell the visitor; None when the terminal must decide, for lack of zones.

    `links` are those whom they met within six months, or are never to meet.
    """
    memory = floor.memory
    floor.open(presence, live=True)
    floor.count()
    if not floor.zones:
        return None
    rows = [each for each in floor.visits.values() if each.closed_ms is None]
    others = [each for each in rows if each.id != presence.visit]
    occupancy = Counter(each.zone for each in others if each.zone is not None)
    own = floor.visits[presence.visit]
    visitor = memory.present(own) if own.closed_ms is None else None
    introduction = floor.reserved(presence.visit)
    if introduction is None and visitor is not None:
        who = presence.member
        circumstances = Circumstances(
            zones=floor.zones,
            occupancy=occupancy,
            now_ms=floor.now_ms,
            mean_rate=sum(each.lifetime_rate for each in rows) // len(rows),
            turn=floor.turn,
            met={who: floor.apart(who, {each.member for each in links})},
            vetoes={who: {each.member for each in links if each.blocked} | floor.ruled(who, Ruling.VETO)},
            pins={who: floor.ruled(who, Ruling.PIN)},
        )
        people = [person for each in others if (person := memory.present(each)) is not None]
        introduction = find_match(visitor, people, circumstances)
        if introduction is not None:
            partner_member = floor.visits[introduction.partner].member
            if partner_member is not None:
                floor.reserve(presence.member, introduction, partner_member)
    if introduction is None:
        quiet = visitor is not None and visitor.profile.quiet
        zone = choose_zone(floor.zones, occupancy, quiet=quiet)
        partner = None
    else:
        zone = introduction.zone
        # The partner may have left since, where the proposal is an older one.
        partner = floor.visits.get(introduction.partner)
    floor.seat(presence.visit, zone)
    gone = partner is None or partner.closed_ms is not None
    return wire.Proposal(
        visit=presence.visit,
        introduction=introduction,
        zone=zone,
        partner=None if partner is None or gone else as_presence(partner, floor.now_ms, floor.sent(partner.id)),
    )


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
