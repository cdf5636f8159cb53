"""The nouns of the café: members, visits, zones, introductions and the moment in which something happens."""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

from msgspec import Struct

CardId = NewType("CardId", str)
"""A card's pseudonym: hex of HMAC-SHA-256 of the UID under the venue's key, never the UID itself."""
MemberId = NewType("MemberId", str)
"""A member's id as the venue's member list gives it."""
VisitId = NewType("VisitId", str)
"""Unique across terminals and restores: terminal, ledger incarnation, number."""
JobId = NewType("JobId", str)
"""Of a badge job; unique like a visit's id."""
ZoneId = NewType("ZoneId", str)
"""A zone's word in the configuration."""
TopicId = NewType("TopicId", str)
"""A topic's word in the vocabulary."""
PastimeId = NewType("PastimeId", str)
"""A pastime's word in the vocabulary: it breaks ice and does nothing else."""


class Language(StrEnum):
    """The languages that the terminal speaks, as BCP 47 tags."""

    SV = "sv"
    DA = "da"
    NB = "nb"
    EN = "en"


class WallTime(Struct, frozen=True):
    """A trusted wall-clock time, with the venue's own day and minute worked out beforehand.

    `utc_ms` counts milliseconds since 1970 in UTC; `local_day` counts days since 1970-01-01 in the venue's time zone;
    `local_minute` is 0 to 1439.
    """

    utc_ms: int
    local_day: int
    local_minute: int


class Now(Struct, frozen=True):
    """The moment of a step: which boot, how long since it in milliseconds, and the wall-clock time if it is trusted."""

    boot_id: str
    boot_ms: int
    wall: WallTime | None = None


class Symbol(StrEnum):
    """A zone's shape, so that colour is never alone."""

    CIRCLE = "circle"
    SQUARE = "square"
    TRIANGLE = "triangle"
    STAR = "star"
    DIAMOND = "diamond"
    CROSS = "cross"


class Colour(StrEnum):
    """A zone's colour; its word in each language is in the texts."""

    RED = "red"
    GREEN = "green"
    BLUE = "blue"
    YELLOW = "yellow"
    WHITE = "white"
    ORANGE = "orange"
    PURPLE = "purple"


class ZoneKind(StrEnum):
    """What a zone is for."""

    TALK = "talk"
    RESOURCE = "resource"
    """A computer, a printer, things to read: for who waits."""
    REMOTE = "remote"
    """A screen with somebody elsewhere."""


class Zone(Struct, frozen=True):
    """A part of the café to go to; `capacity` counts people."""

    id: ZoneId
    name: str
    symbol: Symbol
    colour: Colour
    capacity: int = 8
    quiet: bool = False
    kind: ZoneKind = ZoneKind.TALK


class Mood(StrEnum):
    """What a visitor wants of this visit."""

    INTRODUCE = "introduce"
    GROUP = "group"
    """To sit down with a few others."""
    COFFEE = "coffee"
    """Nothing but coffee: nobody is sent to them, and they to nobody."""


class Consents(Struct, frozen=True):
    """What a member agreed to, each on its own; missing means no."""

    introductions: bool = False
    """To be introduced to others at all."""
    name: bool = False
    """That a partner's badge names them (else the badge number does)."""
    occupation: bool = False
    """That the badge says what they do."""
    languages: bool = False
    """That the badge lists the languages they speak."""
    need: bool = False
    """That a partner is told what they seek."""
    colleagues: bool = False
    """To be introduced to people of the same employer."""
    pastimes: bool = False
    """That a badge names a pastime that two people share."""
    history: bool = False
    """That a badge says that two people went to the same school or worked at the same place."""


class Wish(Struct, frozen=True):
    """One line of a member's list for the half-year: a field, the topic to talk about there, and what they give in return.

    `field` is a NACE section or the first digits of an ISCO-08 code.
    """

    field: str
    topic: TopicId
    gives: TopicId | None = None


class Member(Struct, frozen=True):
    """One member's profile; topics by id, occupation as ISCO-08 code, industry as NACE section."""

    id: MemberId
    first_name: str
    language: Language
    short_name: str = ""
    occupation: str = ""
    industry: str = ""
    seeks: tuple[TopicId, ...] = ()
    offers: tuple[TopicId, ...] = ()
    languages: tuple[str, ...] = ()
    """Spoken languages as BCP 47 tags; the badge language counts as spoken too."""
    employer: str = ""
    """Keyed hash of the employer's name; empty when unknown."""
    pastimes: tuple[PastimeId, ...] = ()
    history: tuple[str, ...] = ()
    """Keyed hashes of old schools and employers."""
    wishes: tuple[Wish, ...] = ()
    """The list for this half-year, six lines at most."""
    mood: Mood = Mood.INTRODUCE
    """What they want when they say nothing at the door."""
    quiet: bool = False
    consents: Consents = Consents()

    @property
    def called(self) -> str:
        """The name to print: the short form that the member chose, else the first name."""
        return self.short_name or self.first_name


class Way(StrEnum):
    """How a visitor came to meet somebody."""

    OWN = "own"
    """The visitor was sent to them."""
    SENT = "sent"
    """They were sent to the visitor."""
    GROUP = "group"
    """They sat down together."""


class Met(Struct, frozen=True):
    """Somebody whom a visitor was introduced to, or who was sent to them, as far as the visitor may be told."""

    member: MemberId
    number: int
    """Their badge number of the day."""
    name: str = ""
    """What they are called; empty without their consent."""
    topics: tuple[TopicId, ...] = ()
    """What the two were to talk about."""
    way: Way = Way.OWN


class Ruling(StrEnum):
    """What the host decided about two people, as long as both stay."""

    PIN = "pin"
    """They are introduced to each other as soon as one of them is asked about."""
    VETO = "veto"
    """They are not introduced to each other."""


Pair = tuple[MemberId, MemberId]
"""Two members, the smaller id first."""


def pair_of(one: MemberId, other: MemberId) -> Pair:
    """Return two members as a pair."""
    return (one, other) if one < other else (other, one)


class Visit(Struct, frozen=True):
    """One member's stay, from check-in to check-out.

    `opened` is the moment of the check-in. `confirmed` is False when nobody knows whether the person is still there (after a
    boot without trusted time). `number` is the badge number that stands for an unnamed person today. `approached` counts how
    often others were sent to this person during the visit; `introduced` how often this person was given an introduction.
    """

    id: VisitId
    number: int
    member: Member
    opened: Now
    zone: ZoneId | None = None
    confirmed: bool = True
    approached: int = 0
    introduced: int = 0
    lifetime_rate: int = 0
    """Approaches per visit over the lifetime, times 1000, as of the check-in."""
    met: tuple[Met, ...] = ()
    """Whom they met in this visit, in order; kept until the check-out."""
    mood: Mood = Mood.INTRODUCE
    talks_until_ms: int | None = None
    """Boot time until which they are taken to be in conversation; None when they are not."""
    untold: int = 0
    """How many of the last in `met` that were sent to them they were not told of yet."""


class ReasonKind(StrEnum):
    """Why two people are introduced."""

    BOTH = "both"
    """Each gives what the other seeks."""
    ASK = "ask"
    """The reader seeks what the partner gives."""
    GIVE = "give"
    """The partner seeks what the reader gives, and agreed that it is said."""
    PEER = "peer"
    """Similar occupations in different industries."""
    COLLEAGUE = "colleague"
    """Similar occupations in the same industry."""
    OPEN = "open"
    """Nothing that may be said stands out."""


class Reason(Struct, frozen=True):
    """The kind of a reason and what it names: topics by id, industries as NACE sections."""

    kind: ReasonKind
    ask: TopicId | None = None
    """What the reader may ask the partner about."""
    give: TopicId | None = None
    """What the reader may offer the partner."""
    industries: tuple[str, str] | None = None
    """The reader's and the partner's."""
    pastime: PastimeId | None = None
    """A pastime both share and agreed to have named: it breaks ice, beside the reason itself."""
    history: bool = False
    """Whether both were at the same school or place of work once, and agreed that it is said."""


class Introduction(Struct, frozen=True):
    """A match for one visit: whom to meet, why, and in which zone."""

    visit: VisitId
    partner: VisitId
    reason: Reason
    zone: ZoneId
    score: int


class Gathering(Struct, frozen=True):
    """People who sit down together: in `rounds`, each of which parts them into sub-groups that talk."""

    zone: ZoneId
    rounds: tuple[tuple[tuple[VisitId, ...], ...], ...]
    topic: TopicId | None = None
    """What the opening question is about: an open topic that somebody of them offers."""

    @property
    def visits(self) -> tuple[VisitId, ...]:
        """Everybody, in the order of the first round."""
        return tuple(visit for part in self.rounds[0] for visit in part)


class Occasion(Struct, frozen=True):
    """Something in the café's calendar, as everybody is told of it; times are the venue's own.

    `starts` and `ends` count minutes since 1970-01-01 in the venue's time zone. An `advisor` session is booked at the desk.
    """

    title: str
    starts: int
    ends: int
    place: str = ""
    advisor: bool = False


class Cause(StrEnum):
    """Why a badge job or its printer stands still; the words for people are in the texts under `cause.<value>`."""

    PAPER_OUT = "paper_out"
    COVER_OPEN = "cover_open"
    CUTTER = "cutter"
    """The cutter is jammed."""
    OVERHEATED = "overheated"
    OFFLINE = "offline"
    """The printer says it is off line, and not why."""
    MISSING = "missing"
    """No printer is there."""
    LOST = "lost"
    """The printer went away."""
    SILENT = "silent"
    """The printer did not answer or took no bytes."""
    GARBLED = "garbled"
    """The printer answered nonsense."""
    STOPPED = "stopped"
    """The terminal was stopped or lost power meanwhile."""
    CANNOT_TELL = "cannot_tell"
    """This printer can't say whether a page came out."""
    STALE = "stale"
    """The badge is too old to be of use."""
    UNPRINTABLE = "unprintable"
    """The page could not be made: our own mistake, and only this badge's."""
    LEFT = "left"
    """The visitor had left."""
    REPLACED = "replaced"
    """The visitor got another badge."""
