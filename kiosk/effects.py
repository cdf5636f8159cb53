"""What is to be done, as values in the imperative; the durable ones are stored with their event before any of them is done."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from kiosk.jobs import Job, JobState
from kiosk.signals import Signal
from kiosk.values import CardId, Cause, Introduction, JobId, Language, MemberId, Met, Mood, Pair, Ruling, Visit, VisitId, ZoneId


class OpenVisit(Struct, frozen=True):
    """Store a check-in, and that a match is owed to it."""

    visit: Visit


class Ending(StrEnum):
    """Why a visit ended."""

    TAPPED = "tapped"
    STAFF = "staff"
    CLOSING = "closing"
    STAY = "stay"
    """The longest stay was over."""
    UNCONFIRMED = "unconfirmed"
    """Nobody knew whether the person was still there, and they tapped anew."""


class CloseVisit(Struct, frozen=True):
    """Store a check-out."""

    visit: VisitId
    why: Ending


class ConfirmVisit(Struct, frozen=True):
    """Store whether the person is known to be still here."""

    visit: VisitId
    confirmed: bool


class SettleMatch(Struct, frozen=True):
    """Store that a match is no longer owed: what was answered, and the visitor's zone.

    With an introduction, both are taken to be in conversation until `talks_until_ms` of this boot.
    """

    visit: VisitId
    introduction: Introduction | None
    zone: ZoneId | None
    member: MemberId
    partner: MemberId | None = None
    talks_until_ms: int | None = None


class OweMatch(Struct, frozen=True):
    """Store that a match is owed to a visit once more; its visitor is in no conversation."""

    visit: VisitId


class UndoMatch(Struct, frozen=True):
    """Store that an introduction did not come about: it counts for nobody, and neither of the two is in conversation."""

    visit: VisitId
    partner: VisitId
    member: MemberId
    other: MemberId


class SettleGroup(Struct, frozen=True):
    """Store who sits down together, where, and until when (of this boot); `met` says in whose visit who thereby met whom."""

    visits: tuple[VisitId, ...]
    zone: ZoneId
    talks_until_ms: int
    met: tuple[tuple[VisitId, MemberId, MemberId], ...]


class NoteMet(Struct, frozen=True):
    """Store whom a visitor has met in this visit, all of them, and how many of those who were sent they were not told of.

    They are forgotten with the check-out.
    """

    visit: VisitId
    met: tuple[Met, ...]
    untold: int = 0


class SetMood(Struct, frozen=True):
    """Store what a visitor wants of this visit."""

    visit: VisitId
    mood: Mood


class SetRuling(Struct, frozen=True):
    """Store what the host decided about two people; None takes it back."""

    pair: Pair
    ruling: Ruling | None


class QueueBadge(Struct, frozen=True):
    """Store a job that is owed: a badge, or another slip; a fault slip that still waits is stored anew with more on it."""

    job: Job


class SetJob(Struct, frozen=True):
    """Store what became of a job."""

    job: JobId
    state: JobState
    cause: Cause | None = None


class Notice(StrEnum):
    """What staff is told; the words and what to do are in the texts under `staff.<value>`."""

    UNKNOWN_CARD = "unknown_card"
    BLOCKED_CARD = "blocked_card"
    BADGE_UNKNOWN = "badge_unknown"
    """Did this badge come out?"""
    BADGE_FAILED = "badge_failed"
    BADGE_EXPIRED = "badge_expired"
    BADGE_UNPRINTABLE = "badge_unprintable"
    """The page could not be made."""
    SECOND_MISSING = "second_missing"
    """The second medium takes no copies; the detail says why."""
    LEDGER_RESTORED = "ledger_restored"
    """The ledger was lost and is whole again; the detail is the copy's name."""
    LEDGER_RESTORED_PART = "ledger_restored_part"
    """The ledger was lost and came back without its end; the detail says up to when and how much is missing."""
    LEDGER_EMPTY = "ledger_empty"
    """Staff began a new ledger in place of a lost one."""
    SERVICE_REFUSED = "service_refused"
    """The shared matching service does not take this terminal for what it is; the detail says why."""
    FOREIGN_CARDS = "foreign_cards"
    """The shared matching service holds cards that were made with another key than this terminal's."""
    ROSTER_WIPED = "roster_wiped"
    """The shared matching service was out of reach for so long that its members were forgotten."""


class TellStaff(Struct, frozen=True):
    """Store a notice for staff; `job` and `cause` say which badge and why, `detail` what else is to be said."""

    notice: Notice
    job: JobId | None = None
    cause: Cause | None = None
    detail: str = ""


class BindCard(Struct, frozen=True):
    """Store that a card belongs to a member."""

    card: CardId
    member: MemberId


Durable = (
    OpenVisit
    | CloseVisit
    | ConfirmVisit
    | SettleMatch
    | OweMatch
    | UndoMatch
    | SettleGroup
    | NoteMet
    | SetMood
    | SetRuling
    | QueueBadge
    | SetJob
    | TellStaff
    | BindCard
)
"""What must survive a power cut: stored in one transaction with the event."""


class Answer(Struct, frozen=True):
    """Tell the person at `reader` something: light, sound and words; `visit` is whose it is, None of nobody's."""

    reader: str | None
    signal: Signal
    language: Language
    words: str
    visit: VisitId | None = None


class LightZone(Struct, frozen=True):
    """Light a zone for so many milliseconds."""

    zone: ZoneId
    ms: int


class FindMatch(Struct, frozen=True):
    """Ask whom this visitor should meet."""

    visit: VisitId


class FormGroup(Struct, frozen=True):
    """Ask which of these visitors, who wait for a group, sit down together."""

    visits: tuple[VisitId, ...]


class CheckPrinter(Struct, frozen=True):
    """Ask the printer whether it can take this job now."""

    job: Job


class SendJob(Struct, frozen=True):
    """Send this job's bytes."""

    job: Job


class AwaitJob(Struct, frozen=True):
    """Wait until the printer says that this job is on paper."""

    job: Job


class Enrolment(StrEnum):
    """How an enrolment ended."""

    DONE = "done"
    TAKEN = "taken"
    """The card belongs to somebody else."""
    BLOCKED = "blocked"
    REPLACED = "replaced"
    """Staff began another enrolment."""
    LATE = "late"
    """No card came in time."""


class EndEnrolment(Struct, frozen=True):
    """Tell who waits how the enrolment ended."""

    ticket: int
    outcome: Enrolment


Transient = Answer | LightZone | FindMatch | FormGroup | CheckPrinter | SendJob | AwaitJob | EndEnrolment
"""What is done after the commit, and needs no memory of its own."""

Effect = Durable | Transient
DURABLE = (
    OpenVisit,
    CloseVisit,
    ConfirmVisit,
    SettleMatch,
    OweMatch,
    UndoMatch,
    SettleGroup,
    NoteMet,
    SetMood,
    SetRuling,
    QueueBadge,
    SetJob,
    TellStaff,
    BindCard,
)
