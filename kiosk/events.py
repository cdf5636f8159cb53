"""What happened, as values in the past tense; each is fed to `kiosk.door.step`.

Replies carry the visit or the job that they answer, so that a late one is harmless.
"""

from __future__ import annotations

from msgspec import Struct

from kiosk.effects import TellStaff
from kiosk.jobs import Job
from kiosk.values import (
    CardId,
    Cause,
    Gathering,
    Introduction,
    JobId,
    Member,
    MemberId,
    Mood,
    Occasion,
    Pair,
    Ruling,
    Visit,
    VisitId,
    ZoneId,
)

Fact = dict[str, str | int | bool | None]
"""What the ledger writes down of an event: ids and numbers, never a profile."""


class Happening(Struct, frozen=True):
    """Something that happened."""

    def fact(self) -> Fact:
        """Return what is written down of this event; nothing unless a kind says otherwise."""
        return {}


class Started(Happening, frozen=True):
    """The terminal started with what its ledger holds: open visits, jobs that had not ended, the counters.

    `owed` lists the visits whose match was not answered yet. `serial` is the last number given to a visit or job, `number` the
    last badge number, `starts` how often this ledger was opened, `introductions` how many were ever made. `rulings` are the
    host's.
    """

    visits: tuple[Visit, ...] = ()
    owed: tuple[VisitId, ...] = ()
    jobs: tuple[Job, ...] = ()
    serial: int = 0
    number: int = 0
    starts: int = 1
    introductions: int = 0
    rulings: tuple[tuple[Pair, Ruling], ...] = ()

    def fact(self) -> Fact:
        """Return how much was found."""
        return {"visits": len(self.visits), "jobs": len(self.jobs), "start": self.starts}


class TimePassed(Happening, frozen=True):
    """Nothing but time: deadlines are looked at."""


class CardTapped(Happening, frozen=True):
    """A card was read.

    `member` is whose card it is, None when nobody's. `rate` is the member's lifetime rate of being approached (see `Visit`).
    `lying` is True when the card was there already when its reader was opened.
    """

    reader: str
    card: CardId
    member: Member | None = None
    blocked: bool = False
    lying: bool = False
    rate: int = 0

    def fact(self) -> Fact:
        """Return card and member; of a card that nobody has, only that it was tapped."""
        if self.member is None:
            return {"reader": self.reader}
        return {"reader": self.reader, "card": self.card, "member": self.member.id}


class PhoneTapped(Happening, frozen=True):
    """Something with a random UID was held to the reader: a phone, or a bank card."""

    reader: str


class CardTorn(Happening, frozen=True):
    """A card was taken away before it was read."""

    reader: str


class CommitFailed(Happening, frozen=True):
    """What the last event led to could not be stored, and was not done; `reader` is where someone waits for an answer."""

    reader: str | None


class MemberCheckedIn(Happening, frozen=True):
    """Staff checked a member in who has no card with them."""

    member: Member
    rate: int = 0

    def fact(self) -> Fact:
        """Return the member."""
        return {"member": self.member.id}


class MemberLeft(Happening, frozen=True):
    """Staff said that a member has left."""

    member: MemberId

    def fact(self) -> Fact:
        """Return the member."""
        return {"member": self.member}


class MemberChanged(Happening, frozen=True):
    """A member's profile is another one from now on: what they agree to, say."""

    member: Member

    def fact(self) -> Fact:
        """Return the member."""
        return {"member": self.member.id}


class MemberRemoved(Happening, frozen=True):
    """Staff had a member erased, who is not here; nothing of them is written down."""

    member: MemberId


class NoticesAsked(Happening, frozen=True):
    """Staff wants these notices on paper."""

    notices: tuple[TellStaff, ...]

    def fact(self) -> Fact:
        """Return how many."""
        return {"notices": len(self.notices)}


class DeskSlipAsked(Happening, frozen=True):
    """Staff wants the slip by which a phone finds the desk: at these addresses, by this beginning of its fingerprint."""

    addresses: tuple[str, ...]
    fingerprint: str


class EnrolmentAsked(Happening, frozen=True):
    """Staff wants the next card to belong to `member`; `ticket` names who waits for the outcome."""

    member: MemberId
    ticket: int


class EnrolmentDropped(Happening, frozen=True):
    """Nobody waits for that enrolment any more."""

    ticket: int


class MoodChosen(Happening, frozen=True):
    """A visitor said what they want of this visit, at a reader or through staff; `INTRODUCE` asks for an introduction anew."""

    member: MemberId
    mood: Mood
    reader: str | None = None

    def fact(self) -> Fact:
        """Return member and mood."""
        return {"member": self.member, "mood": self.mood.value}


class MoodPressed(Happening, frozen=True):
    """Somebody by the door pressed what they want, on a button or the screen beside `reader`; None where it is for all of them.

    It is for `visit` where that is known, as on a visitor's own page; with `ahead` for the next tap, whoever tapped just now.
    """

    mood: Mood
    reader: str | None
    visit: VisitId | None = None
    ahead: bool = False

    def fact(self) -> Fact:
        """Return the mood."""
        return {"mood": self.mood.value}


class MoodTakenBack(Happening, frozen=True):
    """Somebody by the door took back what they had pressed for the next tap at `reader`; None: for the next tap at any."""

    reader: str | None


class PairRuled(Happening, frozen=True):
    """The host pinned or vetoed two people, or took that back (None)."""

    one: MemberId
    other: MemberId
    ruling: Ruling | None

    def fact(self) -> Fact:
        """Return both, and what was decided."""
        return {"member": self.one, "other": self.other, "ruling": None if self.ruling is None else self.ruling.value}


class MatchSwapped(Happening, frozen=True):
    """The host wants another partner for a visitor in place of the last one."""

    member: MemberId

    def fact(self) -> Fact:
        """Return the member."""
        return {"member": self.member}


class GroupAsked(Happening, frozen=True):
    """The host wants those who wait for a group to sit down now."""


class GroupFormed(Happening, frozen=True):
    """Matching answered who of those that wait for a group sit down together; nobody when there are no gatherings."""

    gatherings: tuple[Gathering, ...] = ()

    def fact(self) -> Fact:
        """Return how many groups there are, and how many people."""
        return {"groups": len(self.gatherings), "people": sum(len(each.visits) for each in self.gatherings)}


class GroupFailed(Happening, frozen=True):
    """Matching can't answer who sits down together, or would answer otherwise by now: it is asked anew."""


class ScheduleRead(Happening, frozen=True):
    """The café's calendar was read: what is on in the days to come, by time; `trouble` says why it could not be."""

    occasions: tuple[Occasion, ...] = ()
    trouble: str = ""


class PresenceHeard(Happening, frozen=True):
    """The shared service told who is in the café at its other doors.

    `open` are visits that began or changed there, or visits of this door with what the service knows of who was sent to them;
    `closed` are visits that ended; `whole` says that nobody but those in `open` came in by another door. `rulings` are what the
    host decided at any door, None where nothing holds any more. `more` says that it goes on in the next of these.
    """

    open: tuple[Visit, ...] = ()
    closed: tuple[VisitId, ...] = ()
    whole: bool = False
    rulings: tuple[tuple[Pair, Ruling | None], ...] = ()
    more: bool = False

    def fact(self) -> Fact:
        """Return how many."""
        return {"open": len(self.open), "closed": len(self.closed), "rulings": len(self.rulings)}


class MatchAnswered(Happening, frozen=True):
    """Matching answered question `number` about a visit: an introduction, or None for "not yet"; `zone` is where to go."""

    visit: VisitId
    introduction: Introduction | None
    zone: ZoneId | None
    number: int = 0

    def fact(self) -> Fact:
        """Return visit, partner and zone."""
        partner = None if self.introduction is None else self.introduction.partner
        return {"visit": self.visit, "partner": partner, "zone": self.zone}


class MatchFailed(Happening, frozen=True):
    """Matching can't answer question `number` about this visit."""

    visit: VisitId
    number: int = 0


class PrinterChanged(Happening, frozen=True):
    """The printer's condition changed: why it can't print, or None when it can."""

    cause: Cause | None
    paper_low: bool = False


class JobReady(Happening, frozen=True):
    """The printer said that it can take this job."""

    job: JobId

    def fact(self) -> Fact:
        """Return the job."""
        return {"job": self.job}


class JobRefused(Happening, frozen=True):
    """The printer can't take this job now; not a byte of it was sent."""

    job: JobId
    cause: Cause


class JobUnprintable(Happening, frozen=True):
    """The job's page could not be made; not a byte of it was sent."""

    job: JobId

    def fact(self) -> Fact:
        """Return the job."""
        return {"job": self.job}


class JobSent(Happening, frozen=True):
    """All bytes of the job were taken; `page` says of what: `badge`, `copy` of a badge, or the slip's kind."""

    job: JobId
    size: int
    page: str = ""

    def fact(self) -> Fact:
        """Return the job, its bytes and what it was."""
        return {"job": self.job, "bytes": self.size, "page": self.page}


class JobPrinted(Happening, frozen=True):
    """The printer said that the job is on paper."""

    job: JobId

    def fact(self) -> Fact:
        """Return the job."""
        return {"job": self.job}


class JobBroken(Happening, frozen=True):
    """The job ended in the middle.

    `told` is True when the printer itself told the cause: then the page is known to be incomplete; otherwise nobody knows.
    """

    job: JobId
    cause: Cause
    told: bool

    def fact(self) -> Fact:
        """Return the job and the cause."""
        return {"job": self.job, "cause": self.cause.value, "told": self.told}


class JobJudged(Happening, frozen=True):
    """Staff answered whether an uncertain badge came out; `replaced` says that its visit had another one after it."""

    job: Job
    printed: bool
    replaced: bool = False

    def fact(self) -> Fact:
        """Return the job and the answer."""
        return {"job": self.job.id, "printed": self.printed}


class JobReprinted(Happening, frozen=True):
    """Staff wants this badge once more; `replaced` says that its visit had another one after it."""

    job: Job
    replaced: bool = False

    def fact(self) -> Fact:
        """Return the job."""
        return {"job": self.job.id}


Event = (
    Started
    | TimePassed
    | CardTapped
    | PhoneTapped
    | CardTorn
    | CommitFailed
    | MemberCheckedIn
    | MemberLeft
    | MemberChanged
    | MemberRemoved
    | NoticesAsked
    | DeskSlipAsked
    | EnrolmentAsked
    | EnrolmentDropped
    | MoodChosen
    | MoodPressed
    | MoodTakenBack
    | PairRuled
    | MatchSwapped
    | GroupAsked
    | GroupFormed
    | GroupFailed
    | ScheduleRead
    | PresenceHeard
    | MatchAnswered
    | MatchFailed
    | PrinterChanged
    | JobReady
    | JobRefused
    | JobUnprintable
    | JobSent
    | JobPrinted
    | JobBroken
    | JobJudged
    | JobReprinted
)
"""All that can happen."""
