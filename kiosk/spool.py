"""The rules of the spool: one badge at a time, none twice unmarked, none stale, none called printed that nobody saw.

The other slips follow the same rules, but for these. What is for staff waits until no visitor waits for paper. A fault slip
never gets stale; the others do soon, as who waits for one stands there. Nobody is asked or told about a slip: one that is
unknown is over, and so is one that failed, but for a follow-up slip of which the printer told why: that is printed anew as a
copy, like a badge, as long as it is fresh.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from kiosk.badge import SlipKind
from kiosk.effects import AwaitJob, CheckPrinter, Effect, Notice, QueueBadge, SendJob, SetJob, TellStaff
from kiosk.jobs import Job, JobState
from kiosk.values import Cause, JobId, MemberId, Now, VisitId

Step = tuple["Spool", tuple[Effect, ...]]

SLIP_FRESH_MS = 60_000
"""A slip for somebody who stands there that could not be printed for so long is not printed any more."""
_FOR_STAFF = (SlipKind.FAULT, SlipKind.DESK)


class Spool(Struct, frozen=True):
    """The jobs that have not ended, in the order they came; the one at the printer; and why the printer can't print."""

    jobs: Mapping[JobId, Job] = {}
    current: JobId | None = None
    cause: Cause | None = Cause.MISSING
    paper_low: bool = False

    def with_job(self, job: Job) -> Spool:
        """Take a job in, or its new state."""
        return replace(self, jobs={**self.jobs, job.id: job})

    def without(self, job: JobId, cause: Cause | None) -> Spool:
        """Let a job go; when it was at the printer, the printer is free, or stands still for `cause`."""
        left = {key: value for key, value in self.jobs.items() if key != job}
        if self.current != job:
            return replace(self, jobs=left)
        return replace(self, jobs=left, current=None, cause=cause)

    def at_printer(self, job: JobId, state: JobState) -> Job | None:
        """Return the job when it is the one at the printer and in this state; a late reply finds None."""
        found = self.jobs.get(job)
        return found if found is not None and self.current == job and found.state is state else None


def advance(spool: Spool) -> Step:
    """Bring the next job to the printer, when it is free and able: in the order they came, what is for staff last."""
    if spool.current is not None or spool.cause is not None:
        return spool, ()
    waiting = (job for job in spool.jobs.values() if job.state is JobState.QUEUED)
    job = min(waiting, key=lambda job: job.kind in _FOR_STAFF, default=None)
    return (spool, ()) if job is None else (replace(spool, current=job.id), (CheckPrinter(job),))


def queue(spool: Spool, job: Job) -> Step:
    """Take in a new job, or what a job that still waits has become."""
    spool, effects = advance(spool.with_job(job))
    return spool, (QueueBadge(job), *effects)


def resume(jobs: tuple[Job, ...], now: Now, fresh_ms: int) -> Step:
    """Take over the jobs of an earlier life: what had begun is unknown, what is of another boot is stale."""
    spool = Spool(jobs={job.id: job for job in jobs})
    effects: list[Effect] = []
    for job in jobs:
        if job.state is not JobState.QUEUED:
            spool, more = _end(spool, job, JobState.UNKNOWN, Cause.STOPPED, spool.cause)
        elif _stale(job, now, fresh_ms):
            spool, more = _end(spool, job, JobState.EXPIRED, Cause.STALE, spool.cause)
        else:
            continue
        effects += more
    return spool, tuple(effects)


def printer_changed(spool: Spool, cause: Cause | None, now: Now, fresh_ms: int, *, paper_low: bool) -> Step:
    """Note what the printer says of itself; when it can print again, go on with what is still fresh."""
    return expire(replace(spool, cause=cause, paper_low=paper_low), now, fresh_ms)


def ready(spool: Spool, job_id: JobId) -> Step:
    """Send the job: from here on some of it may be on paper."""
    job = spool.at_printer(job_id, JobState.QUEUED)
    if job is None:
        return spool, ()
    sending = replace(job, state=JobState.SENDING)
    return spool.with_job(sending), (SetJob(job.id, JobState.SENDING), SendJob(sending))


def refused(spool: Spool, job_id: JobId, cause: Cause) -> Step:
    """Keep the job for when the printer can: nothing of it was sent."""
    if spool.at_printer(job_id, JobState.QUEUED) is None:
        return spool, ()
    return replace(spool, current=None, cause=cause), ()


def unprintable(spool: Spool, job_id: JobId) -> Step:
    """Give up a job of which no page can be made, so that it does not stand in the way of the others."""
    job = spool.at_printer(job_id, JobState.QUEUED)
    if job is None:
        return spool, ()
    return _end(spool, job, JobState.FAILED, Cause.UNPRINTABLE, spool.cause)


def sent(spool: Spool, job_id: JobId) -> Step:
    """Wait for the printer's word."""
    job = spool.at_printer(job_id, JobState.SENDING)
    if job is None:
        return spool, ()
    waiting = replace(job, state=JobState.SENT)
    return spool.with_job(waiting), (SetJob(job.id, JobState.SENT), AwaitJob(waiting))


def printed(spool: Spool, job_id: JobId) -> Step:
    """End a job well."""
    job = spool.at_printer(job_id, JobState.SENT)
    if job is None:
        return spool, ()
    return _end(spool, job, JobState.CONFIRMED, None, spool.cause)


def broken(spool: Spool, job_id: JobId, cause: Cause, *, told: bool, wanted: bool, copy_id: JobId, process_id: int) -> Step:
    """End a job badly: a page known to be incomplete is printed anew as a copy, one that nobody knows of is asked about.

    A page that is not `wanted` any more is let go, and nobody misses it. A printer that never can tell (`CANNOT_TELL`) goes on
    with the next job, and staff is not asked about each badge.
    """
    job = spool.at_printer(job_id, JobState.SENDING) or spool.at_printer(job_id, JobState.SENT)
    if job is None:
        return spool, ()
    if cause is Cause.CANNOT_TELL:
        return _end(spool, job, JobState.UNKNOWN, cause, spool.cause)
    if not told:
        return _end(spool, job, JobState.UNKNOWN, cause, cause)
    if not wanted:
        return spool.without(job.id, cause), (SetJob(job.id, JobState.FAILED, cause),)
    spool, effects = _end(spool, job, JobState.FAILED, cause, cause)
    spool, more = queue(spool, copy_of(job, copy_id, process_id))
    return spool, (*effects, *more)


def copy_of(job: Job, copy_id: JobId, process_id: int) -> Job:
    """Return a new job for the same page, marked as a copy; it ages from when the first was ordered."""
    badge = None if job.badge is None else replace(job.badge, copy=True)
    slip = None if job.slip is None else replace(job.slip, copy=True)
    return replace(job, id=copy_id, badge=badge, slip=slip, process_id=process_id, state=JobState.QUEUED, cause=None)


def expire(spool: Spool, now: Now, fresh_ms: int) -> Step:
    """Let go of the jobs that have waited too long."""
    return _expire(spool, [job for job in spool.jobs.values() if _stale(job, now, fresh_ms)])


def expire_visit(spool: Spool, visit: VisitId, cause: Cause = Cause.LEFT) -> Step:
    """Let go of the badges of somebody who has left, or gets another one; nobody misses them, so staff is not told."""
    return _expire(spool, [job for job in spool.jobs.values() if job.visit == visit and job.badge is not None], cause)


def let_go(spool: Spool, jobs: Sequence[Job]) -> Step:
    """Let go of those of these jobs that still wait: another one takes their place."""
    return _expire(spool, jobs, Cause.REPLACED)


def unsay(spool: Spool, visit: VisitId | None, *, badges: bool = False) -> Step:
    """Let go of what waits and may name others: all follow-up slips, and a visitor's other slips, with `badges` those too."""
    jobs = [job for job in spool.jobs.values() if job.kind is SlipKind.FOLLOW_UP or job.visit == visit]
    return let_go(spool, [job for job in jobs if job.badge is None or badges])


def forget_member(spool: Spool, member: MemberId) -> Step:
    """Let go of all that waits for somebody who is to be forgotten; what is on its way to paper is nobody's from then on."""
    spool, effects = _expire(spool, [job for job in spool.jobs.values() if job.member == member], Cause.LEFT)
    for job in spool.jobs.values():
        if job.member == member:
            spool = spool.with_job(replace(job, member=MemberId("")))
    return spool, effects


def _expire(spool: Spool, jobs: Sequence[Job], cause: Cause = Cause.STALE) -> Step:
    effects: tuple[Effect, ...] = ()
    for job in jobs:
        if job.state is JobState.QUEUED:
            spool = spool.without(job.id, spool.cause)
            effects += _ended(job, JobState.EXPIRED, cause)
    spool, more = advance(spool)
    return spool, effects + more


def stale_ms(job: Job, fresh_ms: int) -> int | None:
    """Return the boot time in milliseconds from which a waiting job is stale, None when it never gets so."""
    if job.kind is SlipKind.FAULT:
        return None
    return job.queued.boot_ms + (fresh_ms if job.kind is None else min(fresh_ms, SLIP_FRESH_MS))


def _stale(job: Job, now: Now, fresh_ms: int) -> bool:
    due = stale_ms(job, fresh_ms)
    return due is not None and (job.queued.boot_id != now.boot_id or now.boot_ms >= due)


_NOTICES = {
    JobState.FAILED: Notice.BADGE_FAILED,
    JobState.UNKNOWN: Notice.BADGE_UNKNOWN,
    JobState.EXPIRED: Notice.BADGE_EXPIRED,
}


def _end(spool: Spool, job: Job, state: JobState, cause: Cause | None, printer: Cause | None) -> Step:
    """End a job and go on to the next, unless the printer stands still for a cause."""
    spool, more = advance(spool.without(job.id, printer))
    return spool, _ended(job, state, cause) + more


def _ended(job: Job, state: JobState, cause: Cause | None) -> tuple[Effect, ...]:
    """Store how a job ended; tell staff of a badge that did not come out, unless its owner is forgotten."""
    stored = SetJob(job.id, state, cause)
    if job.badge is None or not job.member:
        return (stored,)
    if cause is Cause.UNPRINTABLE:
        return stored, TellStaff(Notice.BADGE_UNPRINTABLE, job.id)
    if state in _NOTICES and cause not in (Cause.CANNOT_TELL, Cause.LEFT, Cause.REPLACED):
        return stored, TellStaff(_NOTICES[state], job.id, cause)
    return (stored,)
