"""What is to be done, as values in the imperative; the durable ones are stored with their event before any of them is done."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from kiosk.jobs import Job, JobState
from kiosk.signals import Signal
from kiosk.values import CardId, Cause, Introduction, JobId, Language, MemberId, Met, Visit, VisitId, ZoneId


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
    """Store that a match is no longer owed: what was answered, and the visitor's zone."""

    visit: VisitId
    introduction: Introduction | None
    zone: ZoneId | None
    member: MemberId
    partner: MemberId | None = None


class NoteMet(Struct, frozen=True):
    """Store whom a visitor has met in this visit, all of them; they are forgotten with the check-out."""

    visit: VisitId
    met: tuple[Met, ...]


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


Durable = OpenVisit | CloseVisit | ConfirmVisit | SettleMatch | NoteMet | QueueBadge | SetJob | TellStaff | BindCard
"""What must survive a power cut: stored in one transaction with the event."""


class Answer(Struct, frozen=True):
    """Tell the person at `reader` something: light, sound and words."""

    reader: str | None
    signal: Signal
    language: Language
    words: str


class LightZone(Struct, frozen=True):
    """Light a zone for so many milliseconds."""

    zone: ZoneId
    ms: int


class FindMatch(Struct, frozen=True):
    """Ask whom this visitor should meet."""

    visit: VisitId


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


Transient = Answer | LightZone | FindMatch | CheckPrinter | SendJob | AwaitJob | EndEnrolment
"""What is done after the commit, and needs no memory of its own."""

Effect = Durable | Transient
DURABLE = (OpenVisit, CloseVisit, ConfirmVisit, SettleMatch, NoteMet, QueueBadge, SetJob, TellStaff, BindCard)
