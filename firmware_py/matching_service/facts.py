"""Takes a journal's facts: each is kept, once; what this version can read of them is carried out."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, get_args

import msgspec

from drivers.matching import wire
from firmware_py.matching_service.database import Database, Insertion
from firmware_py.matching_service.errors import Refused
from firmware_py.matching_service.floor import Floor, enter, lock
from firmware_py.matching_service.identity import Identity
from firmware_py.matching_service.memory import Memory
from firmware_py.matching_service.tables import fact
from kiosk.vocabulary import Vocabulary

MOST = 1_000
"""How many events a batch may hold."""
LARGEST = 2**63 - 1

READS: dict[str, type[wire.Happened]] = {str(each.__struct_config__.tag): each for each in get_args(wire.Happened)}
"""What this version can read, by type."""


_KEEP = Insertion(fact, returning=("source", "id"))
_PLAIN = Annotated[str, wire.Plain]


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A fact on the wire: CloudEvents 1.0, JSON format; `sequence` is the extension of that name, in decimal digits."""

    specversion: Literal["1.0"]
    id: Annotated[str, wire.Plain]
    source: Annotated[str, wire.Plain]
    type: Annotated[str, wire.Plain]
    time: str | None = None
    datacontenttype: str | None = None
    sequence: str | None = None
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Event(NamedTuple):
    """An event: in which order, as it came, and what it says, None when that can't be read."""

    sequence: int
    event: CloudEvent
    raw: bytes
    what: wire.Happened | None


def read_batch(body: bytes) -> list[_Event]:
    """Return the events of a batch; raise `Refused` when something in it is no CloudEvent at all."""
    raws = msgspec.json.decode(body, type=list[msgspec.Raw])
    if len(raws) > MOST:
        raise Refused(422, "there are too many events in the batch", value=str(len(raws)), allowed=f"{MOST} at most")
    events = []
    for place, raw in enumerate(raws):
        try:
            event = msgspec.json.decode(raw, type=CloudEvent)
        except msgspec.DecodeError as error:
            raise Refused(
                422, f"event {place} of the batch is no CloudEvent 1.0: {error}", allowed="CloudEvents 1.0, JSON"
            ) from None
        events.append(_Event(_sequence(event.sequence), event, bytes(raw), _what(event)))
    return events


async def take(
    database: Database, memory: Memory, identity: Identity, events: list[_Event], now_ms: int, vocabulary: Vocabulary
) -> tuple[wire.Taken, int]:
    """Keep the facts that are new and carry them out, in one transaction; return the venue's version too."""
    new = {(each.event.source, each.event.id): each for each in reversed(events)}
    async with memory.lock:
        keep = _KEEP, {"rows": [_row(each, identity.venue, now_ms) for each in new.values()]}
        async with database.begin_with(
            lock(database, identity.venue), keep, chain=identity.chain, venue=identity.venue, writes=True
        ) as (connection, (locked, fresh)):
            floor = await enter(database, connection, memory, locked, now_ms)
            kept = sorted((new[source, id_] for source, id_ in fresh), key=lambda each: (each.event.source, each.sequence))
            here = {each.member for each in floor.visits.values() if each.closed_ms is None and each.member is not None}
            come = {
                each.what.presence.member
                for each in kept
                if isinstance(each.what, wire.VisitOpened | wire.VisitChanged) and each.what.presence.visit not in floor.visits
            }
            for each in kept:
                if isinstance(each.what, wire.HostRuled):
                    come |= {each.what.one, each.what.other}
            if come:
                await memory.know(connection, floor.revision, here | come, vocabulary)
            for each in kept:
                if each.what is not None:
                    await _carry_out(floor, each.what, each.event.source, each.sequence)
            state = await floor.finish()
        memory.keep(state)
    unread = sum(each.what is None for each in kept)
    return wire.Taken(accepted=len(kept), duplicates=len(events) - len(kept), unread=unread), state.version


def _row(each: _Event, venue: str, now_ms: int) -> dict[str, object]:
    return {
        "venue": venue,
        "source": each.event.source,
        "id": each.event.id,
        "type": each.event.type,
        "sequence": each.sequence,
        "data": each.raw,
        "read": each.what is not None,
        "arrived_ms": now_ms,
    }


async def _carry_out(floor: Floor, what: wire.Happened, source: str, sequence: int) -> None:
    match what:
        case wire.VisitOpened(presence=presence):
            floor.open(presence, live=False, source=source, sequence=sequence)
        case wire.VisitChanged(presence=presence):
            floor.change(presence, source, sequence)
        case wire.VisitClosed(visit=visit, why=why):
            floor.close(visit, why)
        case wire.MatchSettled():
            floor.settle(what)
        case wire.MatchUndone():
            await floor.undo(what)
        case wire.GroupSettled():
            floor.seat_group(what, f"{source} {sequence}")
        case wire.VisitorTold(visit=visit):
            floor.told(visit)
        case wire.PairBlocked():
            await floor.block(what)
        case wire.HostRuled():
            floor.rule(what, source, sequence)
        case wire.CardBound():
            await floor.bind(what)
        case wire.ZonesSet(zones=zones):
            floor.zones = zones


def _what(event: CloudEvent) -> wire.Happened | None:
    reads = READS.get(event.type)
    if reads is None or isinstance(event.data, msgspec.UnsetType):
        return None
    try:
        what = msgspec.json.decode(event.data, type=reads)
        # The values of the rules know no bounds; what goes into a column has some.
        match what:
            case wire.MatchSettled(introduction=introduction) if introduction is not None:
                msgspec.convert(introduction.partner, _PLAIN)
            case wire.ZonesSet(zones=zones):
                for zone in zones:
                    msgspec.convert(zone.id, _PLAIN)
            case _:
                pass
    except (msgspec.DecodeError, RecursionError):
        return None
    return what


def _sequence(digits: str | None) -> int:
    """Return the place within the source; nonsense comes first."""
    return (
        min(int(digits), LARGEST) if digits is not None and len(digits) <= 30 and digits.isdecimal() and digits.isascii() else 0
    )
