"""What a terminal and the shared matching service say to each other, version 1: plain values, JSON on the wire.

Paths, headers and status codes are in docs/matching-service.md. Events are facts and are never refused; an introduction that
the service answers is a proposal until the terminal reports what it told the visitor. Additions only: unknown ones are ignored.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from kiosk.effects import Ending
from kiosk.values import CardId, Introduction, Member, MemberId, Mood, Ruling, VisitId, Zone, ZoneId

BATCH = "application/cloudevents-batch+json"
"""The media type of a batch of facts (CloudEvents 1.0, JSON batch format)."""
PROBLEM = "application/problem+json"
"""The media type of an error (RFC 9457)."""

Plain = Meta(min_length=1, max_length=200, pattern="^[^\\x00-\\x1f\\x7f]+$")
"""Bounds of an id: no control characters, not at any length."""
Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
"""Bounds of what is counted."""
Millis = Annotated[int, Meta(ge=0, le=2**53 - 1)]
"""Bounds of a time or duration in milliseconds, of a sequence and of a version: exact in every JSON reader."""


class Sent(Struct, frozen=True, kw_only=True):
    """Somebody who was sent to a visitor: by visit, member and badge number, and whether the visitor heard of it."""

    visit: Annotated[VisitId, Plain]
    member: Annotated[MemberId, Plain]
    number: Count
    told: bool = False


class Presence(Struct, frozen=True, kw_only=True):
    """A visit as every door of the venue knows it; the member's profile is in the roster.

    `opened_ms` is UTC in milliseconds, None where the door did not know the time. `talks_for_ms` is how much longer the person
    is taken to be in conversation. `door` is the terminal at which they came in. `sent` is what the service alone says: who was
    sent to them, in order; None where it does not say.
    """

    visit: Annotated[VisitId, Plain]
    member: Annotated[MemberId, Plain]
    number: Count
    door: Annotated[str, Plain]
    mood: Mood = Mood.INTRODUCE
    opened_ms: Millis | None = None
    zone: Annotated[ZoneId, Plain] | None = None
    confirmed: bool = True
    approached: Count = 0
    introduced: Count = 0
    lifetime_rate: Count = 0
    talks_for_ms: Millis = 0
    sent: tuple[Sent, ...] | None = None


class CheckIn(Struct, frozen=True, kw_only=True):
    """Who came in and wants an answer; `occupancy` counts people by zone as far as this door knows."""

    presence: Presence


class Proposal(Struct, frozen=True, kw_only=True):
    """The service's answer: an introduction, or None for "not yet", and the zone to go to.

    `partner` is the partner's visit as the service knows it, should the door not have heard of it yet.
    """

    visit: VisitId
    introduction: Introduction | None = None
    zone: ZoneId | None = None
    partner: Presence | None = None


class VisitOpened(Struct, frozen=True, kw_only=True, tag="se.fikatap.visit.opened.v1", tag_field="type"):
    """A check-in."""

    presence: Presence


class VisitChanged(Struct, frozen=True, kw_only=True, tag="se.fikatap.visit.changed.v1", tag_field="type"):
    """Mood, zone or certainty of a visit changed."""

    presence: Presence


class VisitClosed(Struct, frozen=True, kw_only=True, tag="se.fikatap.visit.closed.v1", tag_field="type"):
    """A check-out."""

    visit: Annotated[VisitId, Plain]
    why: Ending


class MatchSettled(Struct, frozen=True, kw_only=True, tag="se.fikatap.match.settled.v1", tag_field="type"):
    """What the visitor was told in the end: the service's proposal, or what the terminal decided itself.

    A proposal that the service made for this visit and that is not this one is thereby taken back.
    """

    visit: Annotated[VisitId, Plain]
    member: Annotated[MemberId, Plain]
    zone: Annotated[ZoneId, Plain] | None = None
    introduction: Introduction | None = None
    partner: Annotated[MemberId, Plain] | None = None


class MatchUndone(Struct, frozen=True, kw_only=True, tag="se.fikatap.match.undone.v1", tag_field="type"):
    """The host took back what the visitor was told: it counts for nobody, and the two are kept apart for the day.

    A `HostRuled` that frees them ends that sooner.
    """

    visit: Annotated[VisitId, Plain]
    member: Annotated[MemberId, Plain]
    partner: Annotated[MemberId, Plain]


class GroupSettled(Struct, frozen=True, kw_only=True, tag="se.fikatap.group.settled.v1", tag_field="type"):
    """People sat down together: an introduction for each of these visits, and `pairs` have met."""

    visits: tuple[Annotated[VisitId, Plain], ...]
    pairs: tuple[tuple[Annotated[MemberId, Plain], Annotated[MemberId, Plain]], ...]


class VisitorTold(Struct, frozen=True, kw_only=True, tag="se.fikatap.visit.told.v1", tag_field="type"):
    """A visitor heard who was sent to them so far."""

    visit: Annotated[VisitId, Plain]


class PairBlocked(Struct, frozen=True, kw_only=True, tag="se.fikatap.pair.blocked.v1", tag_field="type"):
    """Two members are never introduced to each other from now on, or may be again."""

    one: Annotated[MemberId, Plain]
    other: Annotated[MemberId, Plain]
    blocked: bool = True


class PairRuling(Struct, frozen=True, kw_only=True):
    """What the host decided about two members as long as both stay; None when nothing holds (any more)."""

    one: Annotated[MemberId, Plain]
    other: Annotated[MemberId, Plain]
    ruling: Ruling | None = None


class HostRuled(PairRuling, frozen=True, kw_only=True, tag="se.fikatap.pair.ruled.v1", tag_field="type"):
    """The host pinned or vetoed two members, or took that back."""


class CardBound(Struct, frozen=True, kw_only=True, tag="se.fikatap.card.bound.v1", tag_field="type"):
    """A card belongs to a member from now on; `key` is the id of the venue's key that made the pseudonym."""

    card: Annotated[CardId, Plain]
    member: Annotated[MemberId, Plain]
    key: Annotated[str, Plain]
    blocked: bool = False


class ZonesSet(Struct, frozen=True, kw_only=True, tag="se.fikatap.venue.zones.v1", tag_field="type"):
    """The venue's zones, as a terminal's configuration has them."""

    zones: tuple[Zone, ...]


Happened = (
    VisitOpened
    | VisitChanged
    | VisitClosed
    | VisitorTold
    | MatchSettled
    | MatchUndone
    | GroupSettled
    | PairBlocked
    | HostRuled
    | CardBound
    | ZonesSet
)


class Fact(Struct, frozen=True, kw_only=True):
    """One event of the journal; on the wire a CloudEvent 1.0 whose `type` is the tag of `what` and whose `data` is its content.

    `id` is unique at its `source` (terminal and ledger incarnation): the same twice is one. `seq` orders those of one source.
    """

    id: str
    source: str
    seq: int
    time_ms: int | None
    what: Happened


class Taken(Struct, frozen=True, kw_only=True):
    """What became of a batch: `unread` of those accepted are kept, but this service does not know what they say."""

    accepted: int
    duplicates: int
    unread: int = 0


class RosterCard(Struct, frozen=True):
    """A card of a member; `key` is the id of the venue's key that made the pseudonym."""

    card: CardId
    key: str
    blocked: bool = False


class RosterEntry(Struct, frozen=True, kw_only=True):
    """One member's line: `member` is None where they are gone (a tombstone), `met` whom they met within six months.

    To those in `blocked` they are never introduced.
    """

    id: MemberId
    version: Millis
    member: Member | None = None
    cards: tuple[RosterCard, ...] = ()
    met: tuple[MemberId, ...] = ()
    blocked: tuple[MemberId, ...] = ()


class RosterPage(Struct, frozen=True, kw_only=True):
    """A part of the roster or of its changes; ask again with `since=version` while `more`.

    `whole` is True when this began anew (the service no longer knows what changed since then): whoever is not in it is gone.
    """

    version: Millis
    entries: tuple[RosterEntry, ...] = ()
    more: bool = False
    whole: bool = False


class PresencePage(Struct, frozen=True, kw_only=True):
    """Who is here at all doors of the venue, or what changed since `since`; `closed` are the visits that ended.

    `rulings` are the host's, at whichever door they were made.
    """

    version: Millis
    open: tuple[Presence, ...] = ()
    closed: tuple[VisitId, ...] = ()
    rulings: tuple[PairRuling, ...] = ()
    whole: bool = False


class Problem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error as RFC 9457 writes it; `value` and `allowed` say what was wrong and what would have been right."""

    title: str
    status: int
    type: str = "about:blank"
    detail: str = ""
    instance: str = ""
    value: str = ""
    allowed: str = ""
