"""A job of the printer, as a value: queued, sending, sent, then confirmed, failed, unknown or expired."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from kiosk.badge import Badge, Slip, SlipKind
from kiosk.values import Cause, JobId, MemberId, Now, VisitId


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    """Not a byte was sent."""
    SENDING = "sending"
    """Stored before the first byte: some of it may be on paper."""
    SENT = "sent"
    """The printer took all bytes."""
    CONFIRMED = "confirmed"
    """The printer said that it is on paper."""
    FAILED = "failed"
    """The printer said that it is not."""
    UNKNOWN = "unknown"
    """Nobody can say: of a badge, staff is asked."""
    EXPIRED = "expired"
    """Too old to be of use; not a byte was sent."""

    @property
    def ended(self) -> bool:
        """Whether nothing more happens by itself."""
        return self not in (JobState.QUEUED, JobState.SENDING, JobState.SENT)


class Job(Struct, frozen=True):
    """One badge or other slip on its way; `queued` is when it was ordered, `process_id` names it to the printer (32 bits).

    A slip for whoever is there, rather than for a visitor, has an empty `visit` and `member`; what is at the printer for
    somebody who was removed meanwhile has an empty `member`.
    """

    id: JobId
    visit: VisitId
    member: MemberId
    badge: Badge | None
    queued: Now
    process_id: int
    state: JobState = JobState.QUEUED
    cause: Cause | None = None
    slip: Slip | None = None

    @property
    def kind(self) -> SlipKind | None:
        """Which slip it is; None for a badge."""
        return None if self.slip is None else self.slip.kind

    @property
    def page(self) -> Badge | Slip:
        """What is to be printed."""
        page = self.badge or self.slip
        assert page is not None, f"job {self.id} has nothing to print"  # noqa: S101 - made so by the door only
        return page
