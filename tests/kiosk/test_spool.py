"""The life of a print job, step by step: what it becomes, what staff is told, and what comes next."""

from __future__ import annotations

from itertools import product

import pytest
from msgspec.structs import replace

from kiosk import spool as spooling
from kiosk.badge import Badge, BadgeZone, Slip, SlipKind
from kiosk.effects import AwaitJob, CheckPrinter, Notice, QueueBadge, SendJob, SetJob, TellStaff
from kiosk.jobs import Job, JobState
from kiosk.spool import SLIP_FRESH_MS, Spool
from kiosk.values import Cause, JobId, Language, MemberId, Now, Symbol, VisitId

FRESH_MS = 300_000
BADGE = Badge(
    language=Language.SV, first_name="Sigrid", zone=BadgeZone("Långbordet", Symbol.CIRCLE, "gul"), qr="fikatap:v/t1-x-1"
)
COPY_ID, COPY_PROCESS = JobId("j99"), 99


def job(number: int, ms: int = 0, state: JobState = JobState.QUEUED, boot: str = "monday") -> Job:
    """Return the badge job of visit `v<number>`, ordered at `ms`."""
    return Job(JobId(f"j{number}"), VisitId(f"v{number}"), MemberId(f"m{number}"), BADGE, Now(boot, ms), number, state)


def at(ms: int, boot: str = "monday") -> Now:
    return Now(boot, ms)


def spool_of(*jobs: Job, current: Job | None = None, cause: Cause | None = None, paper_low: bool = False) -> Spool:
    return Spool({each.id: each for each in jobs}, None if current is None else current.id, cause, paper_low)


ONE, TWO = job(1), job(2)
SENDING, SENT = replace(ONE, state=JobState.SENDING), replace(ONE, state=JobState.SENT)
COPY = Job(COPY_ID, ONE.visit, ONE.member, replace(BADGE, copy=True), ONE.queued, COPY_PROCESS)


def broken(spool: Spool, cause: Cause, *, told: bool, wanted: bool = True, job_id: JobId = ONE.id) -> spooling.Step:
    return spooling.broken(spool, job_id, cause, told=told, wanted=wanted, copy_id=COPY_ID, process_id=COPY_PROCESS)


# One badge


def test_nothing_is_printed_before_the_printer_said_how_it_is() -> None:
    assert Spool() == spool_of(cause=Cause.MISSING)
    assert spooling.queue(Spool(), ONE) == (spool_of(ONE, cause=Cause.MISSING), (QueueBadge(ONE),))


def test_a_badge_is_stored_then_the_printer_is_asked_whether_it_can() -> None:
    assert spooling.queue(spool_of(), ONE) == (spool_of(ONE, current=ONE), (QueueBadge(ONE), CheckPrinter(ONE)))


def test_one_badge_at_a_time_is_at_the_printer() -> None:
    assert spooling.queue(spool_of(ONE, current=ONE), TWO) == (spool_of(ONE, TWO, current=ONE), (QueueBadge(TWO),))


def test_sending_is_stored_before_the_first_byte() -> None:
    assert spooling.ready(spool_of(ONE, current=ONE), ONE.id) == (
        spool_of(SENDING, current=ONE),
        (SetJob(ONE.id, JobState.SENDING), SendJob(SENDING)),
    )


def test_sent_bytes_are_no_badge_yet() -> None:
    assert spooling.sent(spool_of(SENDING, current=ONE), ONE.id) == (
        spool_of(SENT, current=ONE),
        (SetJob(ONE.id, JobState.SENT), AwaitJob(SENT)),
    )


def test_a_printed_badge_is_confirmed_and_the_next_comes_to_the_printer() -> None:
    assert spooling.printed(spool_of(SENT, TWO, current=ONE), ONE.id) == (
        spool_of(TWO, current=TWO),
        (SetJob(ONE.id, JobState.CONFIRMED), CheckPrinter(TWO)),
    )


def test_a_printer_that_ran_out_with_the_last_badge_is_not_called_able() -> None:
    spool, effects = spooling.printed(spool_of(SENT, TWO, current=ONE, cause=Cause.PAPER_OUT), ONE.id)
    assert (spool, effects) == (spool_of(TWO, cause=Cause.PAPER_OUT), (SetJob(ONE.id, JobState.CONFIRMED),))


# Trouble


def test_a_refusal_before_the_first_byte_keeps_the_badge_in_its_place() -> None:
    spool, effects = spooling.refused(spool_of(ONE, TWO, current=ONE), ONE.id, Cause.PAPER_OUT)
    assert (spool, effects) == (spool_of(ONE, TWO, cause=Cause.PAPER_OUT), ())
    assert spooling.printer_changed(spool, None, at(1), FRESH_MS, paper_low=True) == (
        spool_of(ONE, TWO, current=ONE, paper_low=True),
        (CheckPrinter(ONE),),
    )


def test_a_badge_that_cannot_be_made_makes_way_for_the_next() -> None:
    assert spooling.unprintable(spool_of(ONE, TWO, current=ONE), ONE.id) == (
        spool_of(TWO, current=TWO),
        (
            SetJob(ONE.id, JobState.FAILED, Cause.UNPRINTABLE),
            TellStaff(Notice.BADGE_UNPRINTABLE, ONE.id),
            CheckPrinter(TWO),
        ),
    )
    waiting = spool_of(ONE, TWO, current=TWO)
    assert spooling.unprintable(waiting, ONE.id) == (waiting, ())


@pytest.mark.parametrize("begun", [SENDING, SENT])
def test_a_page_that_the_printer_called_incomplete_is_copied_marked_once_it_can_print(begun: Job) -> None:
    spool, effects = broken(spool_of(begun, TWO, current=ONE), Cause.CUTTER, told=True)
    assert (spool, effects) == (
        spool_of(TWO, COPY, cause=Cause.CUTTER),
        (
            SetJob(ONE.id, JobState.FAILED, Cause.CUTTER),
            TellStaff(Notice.BADGE_FAILED, ONE.id, Cause.CUTTER),
            QueueBadge(COPY),
        ),
    )


@pytest.mark.parametrize("begun", [SENDING, SENT])
def test_an_incomplete_page_that_nobody_wants_any_more_is_let_go_and_nobody_is_bothered(begun: Job) -> None:
    assert broken(spool_of(begun, TWO, current=ONE), Cause.CUTTER, told=True, wanted=False) == (
        spool_of(TWO, cause=Cause.CUTTER),
        (SetJob(ONE.id, JobState.FAILED, Cause.CUTTER),),
    )


@pytest.mark.parametrize("begun", [SENDING, SENT])
def test_a_page_of_which_nobody_knows_is_asked_about_and_never_repeated(begun: Job) -> None:
    assert broken(spool_of(begun, TWO, current=ONE), Cause.LOST, told=False) == (
        spool_of(TWO, cause=Cause.LOST),
        (SetJob(ONE.id, JobState.UNKNOWN, Cause.LOST), TellStaff(Notice.BADGE_UNKNOWN, ONE.id, Cause.LOST)),
    )


def test_a_printer_that_can_not_tell_goes_on_and_staff_is_not_asked_each_time() -> None:
    assert broken(spool_of(SENT, TWO, current=ONE), Cause.CANNOT_TELL, told=False) == (
        spool_of(TWO, current=TWO),
        (SetJob(ONE.id, JobState.UNKNOWN, Cause.CANNOT_TELL), CheckPrinter(TWO)),
    )


def test_a_copy_ages_from_when_the_first_was_ordered() -> None:
    first = job(1, ms=40_000)
    copy = spooling.copy_of(replace(first, state=JobState.SENT, cause=Cause.LOST), COPY_ID, COPY_PROCESS)
    assert copy == replace(COPY, queued=first.queued)


@pytest.mark.parametrize(("state", "reply"), list(product(JobState, ["ready", "refused", "sent", "printed", "broken"])))
def test_a_reply_that_is_not_due_changes_nothing(state: JobState, reply: str) -> None:
    due = {
        JobState.QUEUED: ("ready", "refused"),
        JobState.SENDING: ("sent", "broken"),
        JobState.SENT: ("printed", "broken"),
    }
    one = replace(ONE, state=state)

    def hear(spool: Spool) -> spooling.Step:
        match reply:
            case "refused":
                return spooling.refused(spool, ONE.id, Cause.OFFLINE)
            case "broken":
                return broken(spool, Cause.LOST, told=True)
            case _:
                rule = {"ready": spooling.ready, "sent": spooling.sent, "printed": spooling.printed}[reply]
                return rule(spool, ONE.id)

    at_printer = spool_of(one, TWO, current=one)
    assert (hear(at_printer) != (at_printer, ())) == (reply in due.get(state, ()))
    behind = spool_of(one, TWO, current=TWO)
    assert hear(behind) == (behind, ())
    gone = spool_of(TWO, current=TWO)
    assert hear(gone) == (gone, ())


# Age


def test_a_badge_is_let_go_when_it_is_no_longer_fresh() -> None:
    spool = spool_of(ONE, cause=Cause.COVER_OPEN)
    assert spooling.expire(spool, at(FRESH_MS - 1), FRESH_MS) == (spool, ())
    assert spooling.expire(spool, at(FRESH_MS), FRESH_MS) == (
        spool_of(cause=Cause.COVER_OPEN),
        (SetJob(ONE.id, JobState.EXPIRED, Cause.STALE), TellStaff(Notice.BADGE_EXPIRED, ONE.id, Cause.STALE)),
    )


@pytest.mark.parametrize("begun", [SENDING, SENT])
def test_a_badge_that_was_begun_is_not_let_go(begun: Job) -> None:
    spool = spool_of(begun, current=begun)
    assert spooling.expire(spool, at(FRESH_MS * 9), FRESH_MS) == (spool, ())
    assert spooling.expire_visit(spool, ONE.visit) == (spool, ())


def test_a_stale_badge_makes_way_at_the_printer_for_the_next_fresh_one() -> None:
    fresh = job(3, ms=FRESH_MS)
    spool, effects = spooling.expire(spool_of(ONE, TWO, fresh, current=ONE), at(FRESH_MS), FRESH_MS)
    assert spool == spool_of(fresh, current=fresh)
    # The second is as stale as the first: the printer is not asked about it.
    assert [effect for effect in effects if isinstance(effect, CheckPrinter)] == [CheckPrinter(fresh)]
    assert spooling.ready(spool, ONE.id) == (spool, ())


def test_the_badges_of_somebody_who_left_are_let_go_and_nobody_is_bothered() -> None:
    assert spooling.expire_visit(spool_of(ONE, TWO, current=ONE), ONE.visit) == (
        spool_of(TWO, current=TWO),
        (
            SetJob(ONE.id, JobState.EXPIRED, Cause.LEFT),
            CheckPrinter(TWO),
        ),
    )


def test_all_that_waits_for_a_removed_member_is_let_go_and_what_is_at_the_printer_is_nobodys() -> None:
    going = replace(GOING, member=ONE.member)
    spool, effects = spooling.forget_member(spool_of(SENT, TWO, going, current=ONE), ONE.member)
    nobodys = replace(SENT, member=MemberId(""))
    assert (spool, effects) == (spool_of(nobodys, TWO, current=ONE), (SetJob(going.id, JobState.EXPIRED, Cause.LEFT),))
    # Staff could not answer: nobody is left to ask about.
    assert broken(spool, Cause.LOST, told=False)[1] == (SetJob(ONE.id, JobState.UNKNOWN, Cause.LOST),)


def test_of_ten_badges_the_fresh_ones_come_when_the_printer_is_back_and_the_stale_ones_do_not() -> None:
    """Ten come in six minutes, while the printer stands still."""
    spool = spool_of(cause=Cause.PAPER_OUT)
    for number in range(10):
        spool, _ = spooling.queue(spool, job(number, ms=number * 36_000))
    now = at(FRESH_MS + 4 * 36_000)
    spool, effects = spooling.printer_changed(spool, None, now, FRESH_MS, paper_low=False)
    assert [effect.job for effect in effects if isinstance(effect, SetJob)] == ["j0", "j1", "j2", "j3", "j4"]
    printed = []
    while spool.current is not None:
        printed.append(spool.current)
        for rule in (spooling.ready, spooling.sent, spooling.printed):
            spool, _ = rule(spool, printed[-1])
    assert printed == ["j5", "j6", "j7", "j8", "j9"]
    assert spool == spool_of()


# Another life


def test_after_a_restart_of_the_program_a_fresh_badge_is_still_owed() -> None:
    assert spooling.resume((ONE,), at(FRESH_MS - 1), FRESH_MS) == (spool_of(ONE, cause=Cause.MISSING), ())


@pytest.mark.parametrize("now", [at(FRESH_MS), at(1, "tuesday")])
def test_after_a_restart_a_badge_that_is_old_or_of_another_boot_does_not_come(now: Now) -> None:
    assert spooling.resume((ONE,), now, FRESH_MS) == (
        spool_of(cause=Cause.MISSING),
        (SetJob(ONE.id, JobState.EXPIRED, Cause.STALE), TellStaff(Notice.BADGE_EXPIRED, ONE.id, Cause.STALE)),
    )


@pytest.mark.parametrize(("begun", "boot"), list(product([SENDING, SENT], ["monday", "tuesday"])))
def test_after_a_restart_a_badge_that_was_begun_is_asked_about(begun: Job, boot: str) -> None:
    assert spooling.resume((begun,), at(1, boot), FRESH_MS) == (
        spool_of(cause=Cause.MISSING),
        (SetJob(ONE.id, JobState.UNKNOWN, Cause.STOPPED), TellStaff(Notice.BADGE_UNKNOWN, ONE.id, Cause.STOPPED)),
    )


def test_badges_of_before_the_restart_keep_their_order_and_come_before_new_ones() -> None:
    spool, _ = spooling.resume((ONE, TWO), at(10), FRESH_MS)
    spool, _ = spooling.queue(spool, job(3))
    spool, effects = spooling.printer_changed(spool, None, at(20), FRESH_MS, paper_low=False)
    assert list(spool.jobs) == ["j1", "j2", "j3"]
    assert effects == (CheckPrinter(ONE),)


# Slips


def slip(number: int, kind: SlipKind, visit: VisitId = VisitId(""), boot: str = "monday") -> Job:  # noqa: B008 - a value
    """Return the job of a slip, ordered at the boot."""
    page = Slip(kind=kind, language=Language.SV, title="Till dig")
    return Job(JobId(f"j{number}"), visit, MemberId(""), None, Now(boot, 0), number, slip=page)


ASKING, GOING, FAULT = slip(3, SlipKind.ASK_STAFF), slip(4, SlipKind.FOLLOW_UP, ONE.visit), slip(5, SlipKind.FAULT)
DESK = slip(6, SlipKind.DESK)
SLIPS = (ASKING, GOING, FAULT, DESK)


def test_what_is_for_staff_waits_until_no_visitor_waits() -> None:
    waiting = spool_of(FAULT, ONE, DESK, GOING, ASKING)
    order = []
    while waiting.jobs:
        waiting, effects = spooling.advance(waiting)
        order += [effect.job for effect in effects if isinstance(effect, CheckPrinter)]
        waiting = waiting.without(order[-1].id, None)
    assert order == [ONE, GOING, ASKING, FAULT, DESK]


def test_who_goes_leaves_their_badge_but_takes_their_slip() -> None:
    spool = spool_of(ONE, GOING, cause=Cause.PAPER_OUT)
    assert spooling.expire_visit(spool, ONE.visit) == (
        spool_of(GOING, cause=Cause.PAPER_OUT),
        (SetJob(ONE.id, JobState.EXPIRED, Cause.LEFT),),
    )


def test_a_fault_slip_is_never_stale_the_others_soon_are_and_staff_is_not_told() -> None:
    spool = spool_of(*SLIPS, cause=Cause.PAPER_OUT)
    assert spooling.expire(spool, at(SLIP_FRESH_MS - 1), FRESH_MS) == (spool, ())
    assert spooling.expire(spool, at(SLIP_FRESH_MS), FRESH_MS) == (
        spool_of(FAULT, cause=Cause.PAPER_OUT),
        tuple(SetJob(job.id, JobState.EXPIRED, Cause.STALE) for job in (ASKING, GOING, DESK)),
    )
    assert spooling.resume(SLIPS, at(1, "tuesday"), FRESH_MS)[0] == spool_of(FAULT, cause=Cause.MISSING)
    assert spooling.stale_ms(FAULT, FRESH_MS) is None
    assert spooling.stale_ms(GOING, 30_000) == 30_000


@pytest.mark.parametrize("job", SLIPS)
def test_a_slip_of_which_nobody_knows_is_over(job: Job) -> None:
    sending = replace(job, state=JobState.SENDING)
    ended = (SetJob(job.id, JobState.UNKNOWN, Cause.SILENT),)
    assert broken(spool_of(sending, current=job), Cause.SILENT, told=False, job_id=job.id) == (
        spool_of(cause=Cause.SILENT),
        ended,
    )
    assert spooling.resume((sending,), at(1), FRESH_MS)[1] == (SetJob(job.id, JobState.UNKNOWN, Cause.STOPPED),)
    assert spooling.unprintable(spool_of(job, current=job), job.id)[1] == (SetJob(job.id, JobState.FAILED, Cause.UNPRINTABLE),)


@pytest.mark.parametrize("job", [ASKING, FAULT])
def test_a_slip_for_whoever_is_there_is_not_printed_anew(job: Job) -> None:
    sending = replace(job, state=JobState.SENDING)
    assert broken(spool_of(sending, current=job), Cause.CUTTER, told=True, wanted=False, job_id=job.id) == (
        spool_of(cause=Cause.CUTTER),
        (SetJob(job.id, JobState.FAILED, Cause.CUTTER),),
    )


def test_a_follow_up_slip_that_the_printer_says_is_incomplete_is_printed_anew_as_a_copy() -> None:
    assert GOING.slip is not None
    sending = replace(GOING, state=JobState.SENDING)
    copy = replace(GOING, id=COPY_ID, process_id=COPY_PROCESS, slip=replace(GOING.slip, copy=True))
    assert broken(spool_of(sending, current=GOING), Cause.PAPER_OUT, told=True, job_id=GOING.id) == (
        spool_of(copy, cause=Cause.PAPER_OUT),
        (SetJob(GOING.id, JobState.FAILED, Cause.PAPER_OUT), QueueBadge(copy)),
    )
