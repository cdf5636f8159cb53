"""The door's transitions, told as the stories of its visitors: the whole state and all that is to be done, compared."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from kiosk import slips
from kiosk.badge import Badge, SlipKind, Template
from kiosk.door import LAST_NUMBER, Asked, DoorState, Enrolling, Recent, Tapped, may_reprint, next_deadline, step
from kiosk.effects import (
    Answer,
    BindCard,
    CheckPrinter,
    CloseVisit,
    ConfirmVisit,
    EndEnrolment,
    Ending,
    Enrolment,
    FindMatch,
    FormGroup,
    LightZone,
    NoteMet,
    Notice,
    OpenVisit,
    OweMatch,
    QueueBadge,
    SendJob,
    SetJob,
    SetMood,
    SetRuling,
    SettleGroup,
    SettleMatch,
    TellStaff,
    UndoMatch,
)
from kiosk.events import (
    CardTapped,
    CardTorn,
    CommitFailed,
    DeskSlipAsked,
    EnrolmentAsked,
    EnrolmentDropped,
    Event,
    GroupAsked,
    GroupFailed,
    GroupFormed,
    JobBroken,
    JobJudged,
    JobPrinted,
    JobReady,
    JobRefused,
    JobReprinted,
    JobSent,
    MatchAnswered,
    MatchFailed,
    MatchSwapped,
    MemberChanged,
    MemberCheckedIn,
    MemberLeft,
    MemberRemoved,
    MoodChosen,
    NoticesAsked,
    PairRuled,
    PhoneTapped,
    PrinterChanged,
    ScheduleRead,
    Started,
    TimePassed,
)
from kiosk.jobs import Job, JobState
from kiosk.matching import Circumstances, Present, find_match, profile
from kiosk.signals import Signal
from kiosk.slips import ask_staff, desk, fault, follow_up
from kiosk.spool import SLIP_FRESH_MS
from kiosk.values import (
    CardId,
    Cause,
    Gathering,
    JobId,
    Language,
    Member,
    MemberId,
    Met,
    Mood,
    Now,
    Occasion,
    Ruling,
    TopicId,
    Visit,
    Way,
    ZoneId,
    pair_of,
)
from tests.kiosk.matching.people import LIBRARY, NOOK, TABLE, VOCABULARY, ZONES, member
from tests.kiosk.rig import (
    ALONE,
    BACK,
    DOOR,
    HOUSE,
    MAEVE,
    RULES,
    SIGRID,
    SOREN,
    TEXTS,
    at,
    badge_job,
    badge_of,
    card_of,
    clock,
    effects_of,
    fault_job,
    introduction,
    job_id,
    opened,
    play,
    said,
    slip_job,
    tap,
    visit_id,
)

NOON = 10_000
"""When Sigrid comes, in milliseconds after the boot."""
LATER = NOON + RULES.checkout_after_ms
FIRST = Visit(id=visit_id(1), number=1, member=SIGRID, opened=at(NOON))
GREETED = Now("monday", NOON + 40)
SAT_DOWN = replace(FIRST, zone=LIBRARY.id)
LIBRARY_LIT = LightZone(LIBRARY.id, RULES.light_ms)


def sigrid_asked() -> DoorState:
    """Return the state in which Sigrid has come and matching is asked."""
    return play(opened(), (tap(SIGRID), at(NOON)))


def sigrid_here() -> DoorState:
    """Return the state in which Sigrid was told "not yet", with her badge at the printer."""
    return play(sigrid_asked(), (MatchAnswered(FIRST.id, None, None), GREETED))


# Coming in


def test_a_check_in_is_stored_then_answered_and_matching_is_asked() -> None:
    state = opened()
    assert step(state, tap(SIGRID, rate=250), at(NOON)) == (
        replace(
            state,
            visits={FIRST.id: replace(FIRST, lifetime_rate=250)},
            here={SIGRID.id: FIRST.id},
            asked={FIRST.id: Asked(DOOR, NOON + RULES.match_deadline_ms)},
            recent={DOOR: Recent(card_of(SIGRID), NOON)},
            tapped={DOOR: Tapped(FIRST.id, NOON)},
            serial=1,
            number=1,
        ),
        (OpenVisit(replace(FIRST, lifetime_rate=250)), said(Signal.WELCOME, SIGRID), FindMatch(FIRST.id)),
    )


def test_nobody_suitable_is_answered_with_not_yet_a_badge_and_a_zone() -> None:
    state = sigrid_asked()
    job = badge_job(2, SAT_DOWN, Signal.NOT_YET, GREETED)
    assert step(state, MatchAnswered(FIRST.id, None, None), GREETED) == (
        replace(
            state,
            visits={FIRST.id: SAT_DOWN},
            asked={},
            spool=replace(state.spool, jobs={job.id: job}, current=job.id),
            serial=2,
        ),
        (
            SettleMatch(FIRST.id, None, LIBRARY.id, SIGRID.id),
            QueueBadge(job),
            CheckPrinter(job),
            LIBRARY_LIT,
            said(Signal.NOT_YET, SIGRID, LIBRARY),
        ),
    )


def test_an_introduction_is_counted_printed_lit_and_told_and_the_next_is_asked_for() -> None:
    """Maeve is introduced to Sigrid, while Søren waits for his turn."""
    maeve = Visit(id=visit_id(3), number=2, member=MAEVE, opened=at(LATER))
    soren = Visit(id=visit_id(4), number=3, member=SOREN, opened=at(LATER + 100))
    state = play(sigrid_here(), (tap(MAEVE), at(LATER)), (tap(SOREN, BACK), at(LATER + 100)))
    state = replace(state, introductions=41)
    found = introduction(maeve.id, FIRST.id)
    now = at(LATER + 200)
    job = badge_job(5, replace(maeve, zone=TABLE.id, introduced=1), Signal.INTRODUCED, now, found, SAT_DOWN, turn=41)
    topics = (TopicId("budget"), TopicId("photo"))
    of_maeve = (Met(MAEVE.id, 2, "Maeve", topics[::-1], Way.SENT),)
    of_sigrid = (Met(SIGRID.id, 1, "Sigrid", topics),)
    until = LATER + 200 + RULES.talk_ms
    assert step(state, MatchAnswered(maeve.id, found, TABLE.id), now) == (
        replace(
            state,
            visits={
                FIRST.id: replace(SAT_DOWN, approached=1, met=of_maeve, untold=1, talks_until_ms=until),
                maeve.id: replace(maeve, zone=TABLE.id, introduced=1, met=of_sigrid, talks_until_ms=until),
                soren.id: soren,
            },
            asked={soren.id: Asked(BACK, LATER + 100 + RULES.match_deadline_ms)},
            spool=replace(state.spool, jobs={**state.spool.jobs, job.id: job}),
            serial=5,
            introductions=42,
        ),
        (
            SettleMatch(maeve.id, found, TABLE.id, MAEVE.id, SIGRID.id, until),
            NoteMet(maeve.id, of_sigrid),
            NoteMet(FIRST.id, of_maeve, untold=1),
            QueueBadge(job),
            LightZone(TABLE.id, RULES.light_ms),
            said(Signal.INTRODUCED, MAEVE, TABLE, visit=maeve.id),
            FindMatch(soren.id),
        ),
    )


def test_one_question_at_a_time_is_asked() -> None:
    state = sigrid_asked()
    maeve = Visit(id=visit_id(2), number=2, member=MAEVE, opened=at(NOON + 50))
    assert effects_of(state, tap(MAEVE, BACK), at(NOON + 50)) == (
        OpenVisit(maeve),
        said(Signal.WELCOME, MAEVE, reader=BACK, visit=maeve.id),
    )


def test_who_wants_no_introductions_gets_a_badge_at_once_and_matching_is_not_asked() -> None:
    state = opened()
    visit = Visit(id=visit_id(1), number=1, member=ALONE, opened=at(NOON))
    seated = replace(visit, zone=LIBRARY.id)
    job = badge_job(2, seated, None, at(NOON))
    assert step(state, tap(ALONE), at(NOON)) == (
        replace(
            state,
            visits={visit.id: seated},
            here={ALONE.id: visit.id},
            recent={DOOR: Recent(card_of(ALONE), NOON)},
            tapped={DOOR: Tapped(visit.id, NOON)},
            spool=replace(state.spool, jobs={job.id: job}, current=job.id),
            serial=2,
            number=1,
        ),
        (
            OpenVisit(visit),
            said(Signal.WELCOME, ALONE),
            SettleMatch(visit.id, None, LIBRARY.id, ALONE.id),
            QueueBadge(job),
            CheckPrinter(job),
            LIBRARY_LIT,
        ),
    )


def test_a_quiet_visitor_is_sent_to_the_quiet_zone() -> None:
    quiet = member("Tuva", quiet=True)
    state = play(opened(), (tap(quiet), at(NOON)))
    assert LightZone(NOOK.id, RULES.light_ms) in effects_of(state, MatchAnswered(visit_id(1), None, None), GREETED)


def test_an_answer_names_nobody_who_did_not_agree_to_it() -> None:
    shy = member("Ylva", consents=replace(ALONE.consents, name=False))
    assert said(Signal.WELCOME, shy) in effects_of(opened(), tap(shy), at(NOON))
    assert "Ylva" not in said(Signal.WELCOME, shy).words


@pytest.mark.parametrize("language", list(Language))
def test_an_answer_is_in_the_visitors_language_and_says_where_to_go_by_name_colour_and_shape(language: Language) -> None:
    visitor = member("Ægir", language=language)
    state = play(opened(), (tap(visitor), at(NOON)))
    answer = effects_of(state, MatchAnswered(visit_id(1), None, TABLE.id), GREETED)[-1]
    assert answer == said(Signal.NOT_YET, visitor, TABLE)
    words = said(Signal.NOT_YET, visitor, TABLE).words
    for part in ("Ægir", TABLE.name, HOUSE.texts.say(language, "colour.yellow"), HOUSE.texts.say(language, "symbol.circle")):
        assert part in words


def test_a_zone_that_the_cafe_does_not_have_is_replaced_by_one_that_it_has() -> None:
    settled = effects_of(sigrid_asked(), MatchAnswered(FIRST.id, None, ZoneId("gone")), GREETED)[0]
    assert settled == SettleMatch(FIRST.id, None, LIBRARY.id, SIGRID.id)


def test_badge_numbers_go_round() -> None:
    state = replace(opened(), number=LAST_NUMBER - 1)
    state = play(state, (tap(SIGRID), at(NOON)), (tap(MAEVE), at(NOON)))
    assert [visit.number for visit in state.visits.values()] == [LAST_NUMBER, 1]


def test_ids_of_visits_and_jobs_are_never_given_twice_even_after_a_restart() -> None:
    state = sigrid_here()
    again = play(DoorState(house=HOUSE), (Started(serial=state.serial, number=1, starts=8), at(LATER)))
    again = play(again, (tap(MAEVE), at(LATER)), (MatchAnswered(visit_id(3), None, None), at(LATER)))
    ids = [*state.visits, *state.spool.jobs, *again.visits, *again.spool.jobs]
    assert ids == ["t1-x-1", "t1-x-2", "t1-x-3", "t1-x-4"]


def test_introductions_are_counted_on_after_a_restart_so_that_no_line_comes_again_soon() -> None:
    started = Started(visits=(SAT_DOWN,), serial=2, number=1, starts=8, introductions=41)
    state = play(DoorState(house=HOUSE), (started, at(LATER)), (tap(MAEVE), at(LATER)))
    found = introduction(visit_id(3), FIRST.id)
    state, effects = step(state, MatchAnswered(visit_id(3), found, TABLE.id), at(LATER))
    assert state.introductions == 42
    (job,) = (effect.job for effect in effects if isinstance(effect, QueueBadge))
    maeve = Visit(id=visit_id(3), number=2, member=MAEVE, opened=at(LATER), zone=TABLE.id)
    assert badge_of(job) == badge_of(badge_job(4, maeve, Signal.INTRODUCED, at(LATER), found, SAT_DOWN, turn=41))


# The same card again


@pytest.mark.parametrize(("reader", "after_ms"), [(DOOR, 10), (DOOR, 2_999), (BACK, 2_999)])
def test_the_same_card_within_three_seconds_is_the_same_tap(reader: str, after_ms: int) -> None:
    state = sigrid_asked()
    again = NOON + after_ms
    assert step(state, tap(SIGRID, reader), at(again)) == (
        replace(state, recent={**state.recent, reader: Recent(card_of(SIGRID), again)}),
        (),
    )


def test_a_card_that_is_held_stays_one_tap_however_long() -> None:
    state = sigrid_asked()
    for moment in range(NOON, NOON + 30_000, 2_000):
        state, effects = step(state, tap(SIGRID), at(moment))
        assert effects == ()


def test_a_card_that_still_lies_there_when_its_reader_comes_back_is_no_new_tap() -> None:
    assert effects_of(sigrid_asked(), tap(SIGRID, lying=True), at(LATER)) == ()


def test_a_card_that_lies_on_the_reader_at_the_start_is_a_tap() -> None:
    assert OpenVisit(FIRST) in effects_of(opened(), tap(SIGRID, lying=True), at(NOON))


def test_a_different_card_is_answered_at_once() -> None:
    maeve = Visit(id=visit_id(2), number=2, member=MAEVE, opened=at(NOON + 1))
    assert effects_of(sigrid_asked(), tap(MAEVE), at(NOON + 1)) == (
        OpenVisit(maeve),
        said(Signal.WELCOME, MAEVE, visit=maeve.id),
    )


def test_a_tap_soon_after_the_check_in_changes_nothing_and_lights_the_zone_again() -> None:
    state, soon = both_here(), LATER - 1
    assert step(state, tap(SIGRID), at(soon)) == (
        replace(
            state,
            recent={**state.recent, DOOR: Recent(card_of(SIGRID), soon)},
            tapped={**state.tapped, DOOR: Tapped(FIRST.id, soon)},
        ),
        (said(Signal.ALREADY_HERE, SIGRID, LIBRARY), LIBRARY_LIT),
    )


def test_a_tap_before_the_match_is_answered_says_that_one_is_here_already() -> None:
    effects = effects_of(sigrid_asked(), tap(SIGRID), at(NOON + 3_000))
    assert effects == (said(Signal.ALREADY_HERE, SIGRID),)


def test_a_zone_that_the_cafe_gave_up_meanwhile_is_not_lit() -> None:
    state = both_here()
    state = replace(state, house=replace(HOUSE, zones=(TABLE,)))
    assert effects_of(state, tap(SIGRID), at(LATER - 1)) == (said(Signal.ALREADY_HERE, SIGRID),)


def test_a_tap_after_a_while_is_a_check_out() -> None:
    state = replace(sigrid_here(), spool=opened().spool)
    assert step(state, tap(SIGRID), at(LATER)) == (
        replace(state, visits={}, here={}, recent={DOOR: Recent(card_of(SIGRID), LATER)}, tapped={}),
        (CloseVisit(FIRST.id, Ending.TAPPED), said(Signal.GOODBYE, SIGRID)),
    )


def test_a_badge_that_still_waits_goes_with_its_visitor() -> None:
    state = sigrid_here()
    assert effects_of(state, MemberLeft(SIGRID.id), at(LATER)) == (
        CloseVisit(FIRST.id, Ending.STAFF),
        SetJob(job_id(2), JobState.EXPIRED, Cause.LEFT),
    )


# Cards that don't check in


def test_an_unknown_card_is_answered_kindly_and_only_the_fact_is_kept() -> None:
    state, event = opened(), CardTapped(DOOR, CardId("stranger"))
    assert event.fact() == {"reader": DOOR}
    job = slip_job(1, ask_staff(HOUSE, Notice.UNKNOWN_CARD, at(NOON)), at(NOON))
    assert step(state, event, at(NOON)) == (
        replace(
            state,
            recent={DOOR: Recent(CardId("stranger"), NOON)},
            spool=replace(state.spool, jobs={job.id: job}, current=job.id),
            asked_staff_ms=NOON,
            serial=1,
        ),
        (TellStaff(Notice.UNKNOWN_CARD), said(Signal.UNKNOWN_CARD), QueueBadge(job), CheckPrinter(job)),
    )


def test_one_who_asks_staff_at_a_time_gets_a_slip_and_none_while_the_printer_stands_still() -> None:
    told = (TellStaff(Notice.UNKNOWN_CARD), said(Signal.UNKNOWN_CARD))
    state = play(opened(), (CardTapped(DOOR, CardId("one")), at(NOON)))
    assert effects_of(state, CardTapped(DOOR, CardId("other")), at(NOON + 1)) == told
    state = play(state, (JobReady(job_id(1)), at(NOON)), (JobSent(job_id(1), 300), at(NOON)))
    assert effects_of(state, CardTapped(DOOR, CardId("other")), at(NOON + 1)) == told
    state = play(state, (JobPrinted(job_id(1)), at(NOON + 2)))
    later = NOON + RULES.ask_staff_every_ms
    assert len(effects_of(state, CardTapped(DOOR, CardId("other")), at(later))) == 4
    state = play(state, (PrinterChanged(Cause.PAPER_OUT), at(NOON + 2)))
    assert effects_of(state, CardTapped(DOOR, CardId("other")), at(later)) == told


def test_a_card_that_does_not_work_is_always_answered_but_does_not_empty_the_roll() -> None:
    state, slips = opened(), 0
    for second in range(0, 600, 5):
        now = at(NOON + second * 1_000)
        state, effects = step(state, CardTapped(DOOR, CardId("stranger"), blocked=second % 2 == 1), now)
        assert len([effect for effect in effects if isinstance(effect, Answer)]) == 1
        for job in ordered(effects):
            slips += 1
            state = play(state, (JobReady(job.id), now), (JobSent(job.id, 300), now), (JobPrinted(job.id), now))
    assert slips == 10


def test_a_cafe_without_a_printer_or_without_such_slips_prints_none() -> None:
    told = (TellStaff(Notice.UNKNOWN_CARD), said(Signal.UNKNOWN_CARD))
    for house in (replace(HOUSE, prints=False), replace(HOUSE, template=Template(slips=frozenset()))):
        assert effects_of(opened(house), CardTapped(DOOR, CardId("one")), at(NOON)) == told


def test_a_known_cards_fact_is_its_pseudonym_and_its_member() -> None:
    assert tap(SIGRID).fact() == {"reader": DOOR, "card": card_of(SIGRID), "member": SIGRID.id}


def test_a_blocked_card_opens_no_visit_and_staff_is_told() -> None:
    state, effects = step(opened(), replace(tap(SIGRID), blocked=True), at(NOON))
    job = slip_job(1, ask_staff(HOUSE, Notice.BLOCKED_CARD, at(NOON)), at(NOON))
    assert effects == (TellStaff(Notice.BLOCKED_CARD), said(Signal.BLOCKED_CARD), QueueBadge(job), CheckPrinter(job))
    assert state.visits == {}


@pytest.mark.parametrize(
    ("event", "signal"),
    [
        (PhoneTapped(DOOR), Signal.USE_CARD),
        (CardTorn(DOOR), Signal.ONCE_MORE),
    ],
)
def test_what_is_no_card_is_answered_and_changes_nothing(event: Event, signal: Signal) -> None:
    state = sigrid_asked()
    assert step(state, event, at(LATER)) == (state, (said(signal),))


def test_after_a_torn_read_the_card_is_welcome() -> None:
    state = play(opened(), (CardTorn(DOOR), at(NOON - 500)))
    assert OpenVisit(FIRST) in effects_of(state, tap(SIGRID), at(NOON))


def test_what_could_not_be_stored_is_told_and_not_done() -> None:
    state = opened()
    assert step(state, CommitFailed(DOOR), at(NOON)) == (replace(state, storage_failed=True), (said(Signal.TELL_STAFF),))


def test_a_failed_commit_that_nobody_waits_for_says_nothing() -> None:
    state = opened()
    assert step(state, CommitFailed(None), at(NOON)) == (replace(state, storage_failed=True), ())


def test_the_same_card_is_taken_once_storing_works_again() -> None:
    state = play(opened(), (CommitFailed(DOOR), at(NOON - 100)), (Started(), at(NOON - 50)))
    assert not state.storage_failed
    assert OpenVisit(FIRST) in effects_of(state, tap(SIGRID), at(NOON))


# Matching that is slow, late or wrong


def test_matching_that_is_silent_beyond_its_deadline_costs_the_introduction_not_the_badge() -> None:
    state = sigrid_asked()
    due = NOON + RULES.match_deadline_ms
    job = badge_job(2, SAT_DOWN, Signal.NO_MATCH, at(due))
    assert next_deadline(state) == due
    assert step(state, TimePassed(), at(due - 1)) == (state, ())
    assert step(state, TimePassed(), at(due)) == (
        replace(
            state,
            visits={FIRST.id: SAT_DOWN},
            asked={},
            spool=replace(state.spool, jobs={job.id: job}, current=job.id),
            serial=2,
        ),
        (
            SettleMatch(FIRST.id, None, LIBRARY.id, SIGRID.id),
            QueueBadge(job),
            CheckPrinter(job),
            LIBRARY_LIT,
            said(Signal.NO_MATCH, SIGRID, LIBRARY),
        ),
    )
    assert badge_of(job).starter
    assert badge_of(job).introduction is None


def test_a_late_answer_is_ignored() -> None:
    due = at(NOON + RULES.match_deadline_ms)
    state = play(sigrid_asked(), (TimePassed(), due))
    assert step(state, MatchAnswered(FIRST.id, None, TABLE.id), due) == (state, ())
    assert step(state, MatchFailed(FIRST.id), due) == (state, ())


def test_matching_that_fails_is_like_matching_that_is_silent() -> None:
    state = sigrid_asked()
    due = at(NOON + RULES.match_deadline_ms)
    assert step(state, MatchFailed(FIRST.id), due) == step(state, TimePassed(), due)


def test_the_next_one_is_asked_for_when_the_first_got_no_answer() -> None:
    state = play(sigrid_asked(), (tap(MAEVE), at(NOON + 500)))
    assert effects_of(state, TimePassed(), at(NOON + RULES.match_deadline_ms))[-1] == FindMatch(visit_id(2))


def test_the_next_one_is_asked_for_when_the_first_has_left() -> None:
    state = play(sigrid_asked(), (tap(MAEVE), at(NOON + 500)))
    assert effects_of(state, MemberLeft(SIGRID.id), at(NOON + 600)) == (
        CloseVisit(FIRST.id, Ending.STAFF),
        FindMatch(visit_id(2)),
    )


def test_nobody_is_asked_for_who_leaves_in_the_same_moment() -> None:
    """At closing time all go; a question about one of them would be about nobody."""
    last = at(NOON, wall=clock(5, 3, 59))
    state = play(opened(), (tap(SIGRID), last), (tap(MAEVE), last))
    assert effects_of(state, TimePassed(), at(NOON + 100, wall=clock(5, 4))) == (
        CloseVisit(FIRST.id, Ending.CLOSING),
        CloseVisit(visit_id(2), Ending.CLOSING),
    )


def test_a_partner_who_left_meanwhile_makes_matching_be_asked_again() -> None:
    state = play(sigrid_here(), (tap(MAEVE), at(LATER)), (MemberLeft(SIGRID.id), at(LATER + 10)))
    found = introduction(visit_id(3), FIRST.id)
    assert step(state, MatchAnswered(visit_id(3), found, TABLE.id), at(LATER + 20)) == (state, (FindMatch(visit_id(3)),))


# Printer troubles


def test_a_printer_that_can_not_print_does_not_stop_a_check_in() -> None:
    state = play(opened(), (PrinterChanged(Cause.PAPER_OUT), at(1)))
    assert effects_of(state, tap(SIGRID), at(NOON)) == (
        OpenVisit(FIRST),
        said(Signal.WELCOME_NO_BADGE, SIGRID),
        FindMatch(FIRST.id),
    )
    state = play(state, (tap(SIGRID), at(NOON)))
    job = badge_job(2, SAT_DOWN, Signal.NOT_YET, GREETED)
    assert effects_of(state, MatchAnswered(FIRST.id, None, None), GREETED) == (
        SettleMatch(FIRST.id, None, LIBRARY.id, SIGRID.id),
        QueueBadge(job),
        LIBRARY_LIT,
        said(Signal.NOT_YET, SIGRID, LIBRARY),
    )
    state = play(state, (MatchAnswered(FIRST.id, None, None), GREETED))
    assert effects_of(state, PrinterChanged(None), at(NOON + 5_000)) == (CheckPrinter(job),)


def test_a_badge_that_waited_too_long_is_let_go() -> None:
    state = play(opened(), (PrinterChanged(Cause.COVER_OPEN), at(1)), (tap(ALONE), at(NOON)))
    due = NOON + RULES.badge_fresh_ms
    assert next_deadline(state) == due
    assert step(state, TimePassed(), at(due - 1)) == (state, ())
    told = TellStaff(Notice.BADGE_EXPIRED, job_id(2), Cause.STALE)
    slip = fault_job(3, at(due), told)
    assert step(state, TimePassed(), at(due)) == (
        replace(state, spool=replace(state.spool, jobs={slip.id: slip}), serial=3),
        (SetJob(job_id(2), JobState.EXPIRED, Cause.STALE), told, QueueBadge(slip)),
    )


def test_new_paper_brings_no_stale_badge_even_before_the_deadline_was_looked_at() -> None:
    state = play(opened(), (PrinterChanged(Cause.PAPER_OUT), at(1)), (tap(ALONE), at(NOON)))
    now = at(NOON + RULES.badge_fresh_ms)
    told = TellStaff(Notice.BADGE_EXPIRED, job_id(2), Cause.STALE)
    slip = fault_job(3, now, told)
    assert effects_of(state, PrinterChanged(None), now) == (
        SetJob(job_id(2), JobState.EXPIRED, Cause.STALE),
        told,
        QueueBadge(slip),
        CheckPrinter(slip),
    )


def test_a_cafe_without_a_printer_owes_no_badge_and_promises_none() -> None:
    state = opened(replace(HOUSE, prints=False))
    assert effects_of(state, tap(ALONE), at(NOON)) == (
        OpenVisit(Visit(id=visit_id(1), number=1, member=ALONE, opened=at(NOON))),
        replace(said(Signal.WELCOME, ALONE), words=f"Hej {ALONE.called}! Välkommen!"),
        SettleMatch(visit_id(1), None, LIBRARY.id, ALONE.id),
        LIBRARY_LIT,
    )


def test_who_offers_nothing_is_not_told_to_be_first_in_line() -> None:
    """Matching passes them over until the desk has found an offer with them, and their badge says so."""
    empty_handed = replace(SIGRID, offers=())
    state = play(opened(), (CardTapped(DOOR, card_of(SIGRID), empty_handed), at(NOON)))
    effects = effects_of(state, MatchAnswered(visit_id(1), None, None), at(NOON + 5))
    assert said(Signal.NO_MATCH, empty_handed, LIBRARY) in effects
    (queued,) = (effect for effect in effects if isinstance(effect, QueueBadge))
    assert badge_of(queued.job).notice.startswith("Berätta för personalen vad du kan bjuda på")


def test_a_page_that_the_printer_says_is_incomplete_is_printed_anew_as_a_copy() -> None:
    state = play(sigrid_here(), (JobReady(job_id(2)), GREETED))
    first = state.spool.jobs[job_id(2)]
    copy = Job(job_id(3), FIRST.id, SIGRID.id, replace(badge_of(first), copy=True), first.queued, 7 << 20 | 3)
    state, effects = step(state, JobBroken(job_id(2), Cause.PAPER_OUT, told=True), at(NOON + 900))
    assert effects == (
        SetJob(job_id(2), JobState.FAILED, Cause.PAPER_OUT),
        TellStaff(Notice.BADGE_FAILED, job_id(2), Cause.PAPER_OUT),
        QueueBadge(copy),
    )
    assert effects_of(state, PrinterChanged(None), at(NOON + 9_000)) == (CheckPrinter(copy),)


def uncertain() -> tuple[DoorState, Job]:
    """Return a state in which Sigrid's badge was lost in the middle, and that badge as the ledger has it."""
    state = play(sigrid_here(), (JobReady(job_id(2)), GREETED), (JobBroken(job_id(2), Cause.LOST, told=False), GREETED))
    queued = sigrid_here().spool.jobs[job_id(2)]
    return state, replace(queued, state=JobState.UNKNOWN, cause=Cause.LOST)


def test_a_badge_that_staff_saw_is_confirmed() -> None:
    state, job = uncertain()
    assert step(state, JobJudged(job, printed=True), at(LATER)) == (state, (SetJob(job.id, JobState.CONFIRMED, Cause.LOST),))


def test_a_badge_that_staff_misses_is_printed_anew_as_a_copy_that_is_fresh_from_then_on() -> None:
    state, job = uncertain()
    # Number 3 was put by for the copy that the breakage might have made, 4 is the slip that asks staff.
    slip = (JobReady(job_id(4)), JobSent(job_id(4), 300), JobPrinted(job_id(4)))
    state = play(state, (PrinterChanged(None), at(LATER)), *((event, at(LATER)) for event in slip))
    copy = Job(job_id(5), FIRST.id, SIGRID.id, replace(badge_of(job), copy=True), at(LATER), 7 << 20 | 5)
    assert step(state, JobJudged(job, printed=False), at(LATER)) == (
        replace(state, spool=replace(state.spool, jobs={copy.id: copy}, current=copy.id), serial=5),
        (SetJob(job.id, JobState.FAILED, Cause.LOST), QueueBadge(copy), CheckPrinter(copy)),
    )


def test_no_copy_is_printed_for_somebody_who_has_left() -> None:
    state, job = uncertain()
    state = play(state, (MemberLeft(SIGRID.id), at(LATER)))
    assert step(state, JobJudged(job, printed=False), at(LATER)) == (state, (SetJob(job.id, JobState.FAILED, Cause.LOST),))


def test_a_badge_whose_end_is_known_is_not_judged() -> None:
    state, job = uncertain()
    assert step(state, JobJudged(replace(job, state=JobState.CONFIRMED), printed=False), at(LATER)) == (state, ())


def printed_badge() -> tuple[DoorState, Job]:
    """Return a state in which Sigrid's badge is out and she is still here, and that badge as the ledger has it."""
    state = play(sigrid_here(), (JobReady(job_id(2)), GREETED), (JobSent(job_id(2), 300), GREETED))
    queued = sigrid_here().spool.jobs[job_id(2)]
    return play(state, (JobPrinted(job_id(2)), GREETED)), replace(queued, state=JobState.CONFIRMED)


@pytest.mark.parametrize(
    ("ended", "cause"),
    [
        (JobState.CONFIRMED, None),
        (JobState.FAILED, Cause.UNPRINTABLE),
        (JobState.EXPIRED, Cause.STALE),
        (JobState.UNKNOWN, Cause.CANNOT_TELL),
    ],
)
def test_a_badge_that_is_over_is_printed_once_more_as_a_copy_for_who_is_here(ended: JobState, cause: Cause | None) -> None:
    state, job = printed_badge()
    job = replace(job, state=ended, cause=cause)
    copy = Job(job_id(3), FIRST.id, SIGRID.id, replace(badge_of(job), copy=True), at(LATER), 7 << 20 | 3)
    assert may_reprint(state, job)
    assert step(state, JobReprinted(job), at(LATER)) == (
        replace(state, spool=replace(state.spool, jobs={copy.id: copy}, current=copy.id), serial=3),
        (QueueBadge(copy), CheckPrinter(copy)),
    )


def test_a_badge_is_not_printed_once_more_while_a_copy_is_on_its_way_or_staff_is_asked_about_it() -> None:
    state, job = printed_badge()
    state = play(state, (JobReprinted(job), at(LATER)))
    assert step(state, JobReprinted(job), at(LATER)) == (state, ())
    state, lost = uncertain()
    assert step(state, JobReprinted(lost), at(LATER)) == (state, ())


@pytest.mark.parametrize("under_way", [JobState.QUEUED, JobState.SENDING, JobState.SENT])
def test_a_badge_on_its_way_is_not_printed_once_more(under_way: JobState) -> None:
    state, job = printed_badge()
    assert step(state, JobReprinted(replace(job, state=under_way)), at(LATER)) == (state, ())


def test_a_badge_of_who_has_left_and_one_that_another_replaced_are_not_printed_once_more() -> None:
    state, job = printed_badge()
    assert step(state, JobReprinted(job, replaced=True), at(LATER)) == (state, ())
    gone = play(state, (MemberLeft(SIGRID.id), at(LATER)))
    assert step(gone, JobReprinted(job), at(LATER)) == (gone, ())


# Moods, and who is first in line


def settled(effects: tuple[object, ...]) -> list[SettleMatch]:
    return [effect for effect in effects if isinstance(effect, SettleMatch)]


@pytest.mark.parametrize(("mood", "signal"), [(Mood.COFFEE, None), (Mood.GROUP, Signal.NOT_YET)])
def test_who_wants_no_introduction_today_gets_a_badge_that_says_so_and_nobody_is_asked(
    mood: Mood, signal: Signal | None
) -> None:
    state, effects = step(opened(), tap(replace(SIGRID, mood=mood)), at(NOON))
    assert FindMatch(FIRST.id) not in effects
    (job,) = ordered(effects)
    assert badge_of(job).notice == TEXTS.say(Language.SV, f"notice.{mood}")
    assert [each.signal for each in effects if isinstance(each, Answer)][1:] == ([] if signal is None else [signal])
    assert state.visits[FIRST.id].mood is mood


def test_a_mood_chosen_later_is_stored_and_takes_an_open_question_back() -> None:
    state, effects = step(sigrid_asked(), MoodChosen(SIGRID.id, Mood.COFFEE), GREETED)
    assert effects[0] == SetMood(FIRST.id, Mood.COFFEE)
    assert settled(effects) == [SettleMatch(FIRST.id, None, LIBRARY.id, SIGRID.id)]
    assert (state.asked, state.visits[FIRST.id].mood) == ({}, Mood.COFFEE)


def test_nobody_is_sent_to_who_chose_coffee_while_matching_was_asked() -> None:
    state = play(sigrid_here(), (tap(MAEVE), at(LATER)), (MoodChosen(SIGRID.id, Mood.COFFEE), at(LATER)))
    found = introduction(visit_id(3), FIRST.id)
    assert effects_of(state, MatchAnswered(visit_id(3), found, TABLE.id), at(LATER + 1)) == (FindMatch(visit_id(3)),)


def test_who_asks_for_an_introduction_anew_is_asked_about_though_they_talk_to_somebody() -> None:
    state, effects = step(both_here(), MoodChosen(MAEVE.id, Mood.INTRODUCE), at(LATER))
    assert effects[0] == OweMatch(visit_id(3))
    assert effects[-1] == FindMatch(visit_id(3))
    assert state.visits[visit_id(3)].talks_until_ms is None


def test_who_is_first_in_line_and_taps_again_is_asked_about_and_told_without_another_badge() -> None:
    state, effects = step(sigrid_here(), tap(SIGRID), at(LATER - 1))
    again = TEXTS.say(Language.SV, "answer.again")
    answer = Answer(DOOR, Signal.ALREADY_HERE, Language.SV, f"Hej Sigrid! {again}", FIRST.id)
    assert effects == (OweMatch(FIRST.id), answer, FindMatch(FIRST.id))
    assert effects_of(state, MatchAnswered(FIRST.id, None, None, number=1), at(LATER)) == (
        SettleMatch(FIRST.id, None, LIBRARY.id, SIGRID.id),
        LIBRARY_LIT,
        said(Signal.NOT_YET, SIGRID, LIBRARY),
    )


def test_an_introduction_on_asking_again_brings_a_new_badge_in_place_of_one_that_waits() -> None:
    maeve = (tap(MAEVE, BACK), at(LATER - 100)), (MatchAnswered(visit_id(3), None, None), at(LATER - 100))
    state = play(sigrid_here(), (JobRefused(job_id(2), Cause.PAPER_OUT), GREETED), *maeve, (tap(SIGRID), at(LATER - 1)))
    found = introduction(FIRST.id, visit_id(3))
    effects = effects_of(state, MatchAnswered(FIRST.id, found, TABLE.id, number=1), at(LATER))
    assert SetJob(job_id(2), JobState.EXPIRED, Cause.REPLACED) in effects
    (job,) = ordered(effects)
    assert (badge_of(job).copy, badge_of(job).introduction is None) == (False, False)
    assert not [effect for effect in effects if isinstance(effect, TellStaff)]


# Both sides are told


def test_who_was_picked_hears_it_at_the_next_tap_and_on_a_slip_once() -> None:
    state = sent_to_sigrid()
    (maeve,) = state.visits[FIRST.id].met
    after, effects = step(state, tap(SIGRID), at(LATER - 1))
    (job,) = ordered(effects)
    assert job.slip == slips.sent(HOUSE, state.visits[FIRST.id], [maeve], at(LATER - 1))
    assert [line.text for line in job.slip.lines] == ["Maeve"]
    assert effects[0] == NoteMet(FIRST.id, (maeve,), untold=0)
    (answer,) = (each for each in effects if isinstance(each, Answer))
    assert answer.signal is Signal.ALREADY_HERE
    assert "Maeve har skickats till dig" in answer.words
    assert effects_of(after, tap(SIGRID), at(LATER + 9_000))[0] == CloseVisit(FIRST.id, Ending.TAPPED)


def test_nobody_goes_by_the_tap_that_tells_them() -> None:
    after, effects = step(sent_to_sigrid(), tap(SIGRID), at(LATER + 1))
    assert FIRST.id in after.visits
    assert any(TEXTS.say(Language.SV, "answer.stay") in each.words for each in effects if isinstance(each, Answer))


def test_long_after_somebody_was_sent_a_tap_is_a_check_out_and_the_slip_names_them() -> None:
    late = at(NOON + max(RULES.talk_ms, RULES.checkout_after_ms))
    after, effects = step(sent_to_sigrid(), tap(SIGRID), late)
    assert effects[0] == CloseVisit(FIRST.id, Ending.TAPPED)
    assert FIRST.id not in after.visits
    (job,) = ordered(effects)
    assert job.slip is not None
    assert [line.text for line in job.slip.lines] == ["Maeve"]


def test_who_was_sent_and_has_left_is_no_news() -> None:
    gone, _ = step(sent_to_sigrid(), MemberLeft(MAEVE.id), at(LATER))
    assert effects_of(gone, tap(SIGRID), at(LATER + 1))[0] == CloseVisit(FIRST.id, Ending.TAPPED)


def test_who_agreed_to_no_name_is_a_number_for_whom_they_were_sent_to() -> None:
    shy = replace(MAEVE, consents=replace(MAEVE.consents, name=False, need=False))
    effects = effects_of(sent_to_sigrid(shy), tap(SIGRID), at(LATER - 1))
    (answer,) = (each for each in effects if isinstance(each, Answer))
    assert "Nummer 2 har skickats till dig" in answer.words
    assert "Maeve" not in str(effects)


def test_a_card_left_lying_hears_nothing() -> None:
    effects = effects_of(sent_to_sigrid(), tap(SIGRID, BACK, lying=True), at(LATER + 1))
    assert effects == (said(Signal.ALREADY_HERE, SIGRID, LIBRARY, BACK), LIBRARY_LIT)


def test_while_the_printer_stands_still_the_words_alone_tell() -> None:
    state = play(sent_to_sigrid(), (PrinterChanged(Cause.COVER_OPEN), at(LATER - 2)))
    after, effects = step(state, tap(SIGRID), at(LATER - 1))
    assert (ordered(effects), after.visits[FIRST.id].untold) == ([], 0)


# The host


def test_a_pin_asks_at_once_and_nobody_else_will_do() -> None:
    state = play(both_here(), (tap(SOREN, BACK), at(LATER)), (MatchAnswered(visit_id(5), None, None), at(LATER)))
    pair = pair_of(SOREN.id, SIGRID.id)
    state, effects = step(state, PairRuled(SOREN.id, SIGRID.id, Ruling.PIN), at(LATER + 1))
    assert effects[:2] == (SetRuling(pair, Ruling.PIN), OweMatch(visit_id(5)))
    other = MatchAnswered(visit_id(5), introduction(visit_id(5), visit_id(3)), TABLE.id, number=1)
    after, effects = step(state, other, at(LATER + 2))
    assert (settled(effects)[0].introduction, ordered(effects), after.rulings) == (None, [], {pair: Ruling.PIN})
    right = MatchAnswered(visit_id(5), introduction(visit_id(5), FIRST.id), TABLE.id, number=1)
    after, effects = step(state, right, at(LATER + 2))
    assert (len(ordered(effects)), after.rulings) == (1, {})
    assert SetRuling(pair, None) in effects


def test_a_pin_counts_for_whichever_of_the_two_is_just_being_asked_about() -> None:
    state = play(sigrid_here(), (tap(MAEVE), at(LATER)))
    for one, other in ((SIGRID, MAEVE), (MAEVE, SIGRID)):
        after, effects = step(state, PairRuled(one.id, other.id, Ruling.PIN), at(LATER + 1))
        assert effects == (SetRuling(pair_of(SIGRID.id, MAEVE.id), Ruling.PIN), FindMatch(visit_id(3)))
        assert after.asked == {visit_id(3): replace(state.asked[visit_id(3)], number=after.repeats)}
    queue = play(state, (tap(SOREN, BACK), at(LATER)))
    pair = pair_of(SIGRID.id, SOREN.id)
    assert effects_of(queue, PairRuled(*pair, Ruling.PIN), at(LATER + 1)) == (SetRuling(pair, Ruling.PIN),), "not his turn yet"


def test_an_answer_that_the_host_has_vetoed_meanwhile_is_asked_anew() -> None:
    state = play(sigrid_here(), (tap(MAEVE), at(LATER)), (PairRuled(SIGRID.id, MAEVE.id, Ruling.VETO), at(LATER)))
    found = MatchAnswered(visit_id(3), introduction(visit_id(3), FIRST.id), TABLE.id)
    assert effects_of(state, found, at(LATER + 1)) == (FindMatch(visit_id(3)),)


def test_a_ruling_ends_when_one_of_the_two_goes() -> None:
    pair = pair_of(SIGRID.id, MAEVE.id)
    state = play(both_here(), (PairRuled(SIGRID.id, MAEVE.id, Ruling.VETO), at(LATER)))
    after, effects = step(state, MemberLeft(MAEVE.id), at(LATER + 1))
    assert (SetRuling(pair, None) in effects, after.rulings) == (True, {})


def test_a_swap_counts_the_introduction_for_nobody_keeps_the_two_apart_and_brings_a_new_badge() -> None:
    state = sent_to_sigrid()
    after, effects = step(state, MatchSwapped(MAEVE.id), at(LATER))
    pair = pair_of(SIGRID.id, MAEVE.id)
    assert effects[0] == UndoMatch(visit_id(3), FIRST.id, MAEVE.id, SIGRID.id)
    assert SetRuling(pair, Ruling.VETO) in effects
    assert effects[-1] == FindMatch(visit_id(3))
    of_maeve, of_sigrid = after.visits[visit_id(3)], after.visits[FIRST.id]
    assert (of_maeve.introduced, of_maeve.met, of_maeve.talks_until_ms) == (0, (), None)
    assert (of_sigrid.approached, of_sigrid.met, of_sigrid.untold, of_sigrid.talks_until_ms) == (0, (), 0, None)
    (job,) = ordered(effects_of(after, MatchAnswered(visit_id(3), None, None, number=1), at(LATER + 1)))
    assert not badge_of(job).copy


def swapped_while_printing() -> tuple[DoorState, Job]:
    """Return the state in which Maeve's partner was swapped while her badge was being printed, and that badge."""
    asked = play(sigrid_here(), (tap(MAEVE), at(NOON + 100)))
    asked = replace(asked, spool=opened().spool)
    state, effects = step(asked, MatchAnswered(visit_id(3), introduction(visit_id(3), FIRST.id), TABLE.id), at(NOON + 110))
    (job,) = ordered(effects)
    return play(state, (JobReady(job.id), at(NOON + 120)), (MatchSwapped(MAEVE.id), at(NOON + 130))), job


def test_a_badge_that_breaks_after_a_swap_is_not_printed_anew() -> None:
    state, job = swapped_while_printing()
    broken = JobBroken(job.id, Cause.PAPER_OUT, told=True)
    assert ordered(effects_of(state, broken, at(NOON + 140))) == []
    state = play(state, (MatchAnswered(visit_id(3), None, None, number=1), at(NOON + 140)))
    assert ordered(effects_of(state, broken, at(NOON + 150))) == []


def test_a_badge_that_staff_misses_is_not_printed_anew_after_a_later_one() -> None:
    state, job = uncertain()
    failed = SetJob(job.id, JobState.FAILED, Cause.LOST)
    assert step(state, JobJudged(job, printed=False, replaced=True), at(LATER)) == (state, (failed,))


def test_a_late_answer_to_an_earlier_question_is_not_taken_for_the_present_one() -> None:
    late = play(sigrid_asked(), (TimePassed(), at(NOON + RULES.match_deadline_ms)), (tap(MAEVE), at(LATER - 100)))
    state = play(late, (MatchFailed(visit_id(3)), at(LATER - 90)), (tap(SIGRID), at(LATER - 80)))
    assert [asked.number for asked in state.asked.values()] == [1]
    old = MatchAnswered(FIRST.id, introduction(FIRST.id, visit_id(3)), TABLE.id)
    assert step(state, old, at(LATER - 70)) == (state, ())
    assert step(state, MatchFailed(FIRST.id), at(LATER - 70)) == (state, ())
    assert settled(effects_of(state, replace(old, number=1), at(LATER - 70)))[0].introduction == old.introduction


def test_a_pair_that_only_an_old_ledger_knows_is_not_swapped() -> None:
    state = play(sigrid_here(), (tap(MAEVE), at(LATER)))
    met = (Met(MAEVE.id, 2, "Maeve"),)
    state = replace(state, visits={**state.visits, FIRST.id: replace(state.visits[FIRST.id], approached=1, met=met)})
    assert step(state, MatchSwapped(SIGRID.id), at(LATER)) == (state, ())


# A profile that changes, or goes, while others are here


def test_a_name_taken_back_is_said_to_nobody_any_more() -> None:
    shy = replace(SIGRID, consents=replace(SIGRID.consents, name=False))
    state, effects = step(sent_to_sigrid(), MemberChanged(shy), at(LATER))
    assert [met.name for met in state.visits[visit_id(3)].met] == [""]
    assert effects == (NoteMet(visit_id(3), state.visits[visit_id(3)].met),)
    assert state.visits[FIRST.id].member == shy


def test_who_agrees_to_no_introduction_any_more_is_neither_asked_about_nor_sent_to() -> None:
    unwilling = replace(SIGRID, consents=replace(SIGRID.consents, introductions=False))
    state, effects = step(sigrid_asked(), MemberChanged(unwilling), GREETED)
    assert (state.asked, len(settled(effects))) == ({}, 1)
    asked = play(sigrid_here(), (tap(MAEVE), at(LATER)), (MemberChanged(unwilling), at(LATER)))
    found = MatchAnswered(visit_id(3), introduction(visit_id(3), FIRST.id), TABLE.id)
    assert effects_of(asked, found, at(LATER + 1)) == (FindMatch(visit_id(3)),)


def test_a_badge_that_waits_and_names_somebody_erased_is_made_anew_without_them() -> None:
    asked = play(sigrid_here(), (JobRefused(job_id(2), Cause.PAPER_OUT), GREETED), (tap(MAEVE), at(LATER)))
    found = MatchAnswered(visit_id(3), introduction(visit_id(3), FIRST.id), TABLE.id)
    state, effects = step(asked, found, at(LATER + 1))
    (job,) = ordered(effects)
    state = play(state, (MemberLeft(SIGRID.id), at(LATER + 2)))
    effects = effects_of(state, MemberRemoved(SIGRID.id), at(LATER + 3))
    assert SetJob(job.id, JobState.EXPIRED, Cause.REPLACED) in effects
    (anew,) = ordered(effects)
    assert (anew.visit, badge_of(anew).introduction) == (visit_id(3), None)


def test_a_follow_up_slip_that_waits_is_let_go_when_somebody_is_erased() -> None:
    state, effects = step(both_here(), tap(MAEVE), at(LATER))
    (job,) = ordered(effects)
    state = play(state, (JobRefused(job.id, Cause.PAPER_OUT), at(LATER)), (MemberLeft(SIGRID.id), at(LATER)))
    assert SetJob(job.id, JobState.EXPIRED, Cause.REPLACED) in effects_of(state, MemberRemoved(SIGRID.id), at(LATER))


# Nobody knows whether they are still here


def after_a_power_cut(mood: Mood = Mood.INTRODUCE) -> DoorState:
    """Return the state after a boot without trusted time: Sigrid and Maeve, who are kept apart, may still be here."""
    visits = tuple(replace(visit, mood=mood, talks_until_ms=None) for visit in both_here().visits.values())
    apart = ((pair_of(SIGRID.id, MAEVE.id), Ruling.VETO),)
    state, _ = step(DoorState(HOUSE), Started(visits, serial=9, number=2, starts=2, rulings=apart), at(100, "tuesday"))
    assert not any(visit.confirmed for visit in state.visits.values())
    return replace(state, spool=opened().spool)


def test_a_veto_and_todays_mood_outlive_a_power_cut_after_which_both_tap() -> None:
    state = play(after_a_power_cut(Mood.COFFEE), (tap(MAEVE), at(NOON, "tuesday")), (tap(SIGRID), at(NOON + 5, "tuesday")))
    assert state.rulings == {pair_of(SIGRID.id, MAEVE.id): Ruling.VETO}
    assert {visit.mood for visit in state.visits.values() if visit.confirmed} == {Mood.COFFEE}
    assert len(state.visits) == 2


@pytest.mark.parametrize(
    "event",
    [MoodChosen(SIGRID.id, Mood.INTRODUCE), PairRuled(SIGRID.id, MAEVE.id, Ruling.PIN), MatchSwapped(MAEVE.id)],
)
def test_nobody_is_asked_about_who_may_have_left(event: Event) -> None:
    state, effects = step(after_a_power_cut(), event, at(NOON, "tuesday"))
    assert (state.asked, [each for each in effects if isinstance(each, FindMatch | OweMatch)]) == ({}, [])


@pytest.mark.parametrize("meanwhile", [{"confirmed": False}, {"mood": Mood.GROUP}])
def test_an_answer_names_nobody_who_may_have_left_or_waits_for_a_group(meanwhile: dict[str, object]) -> None:
    state = play(sigrid_here(), (tap(MAEVE), at(LATER)))
    state = replace(state, visits={**state.visits, FIRST.id: replace(state.visits[FIRST.id], **meanwhile)})
    found = MatchAnswered(visit_id(3), introduction(visit_id(3), FIRST.id), TABLE.id)
    assert effects_of(state, found, at(LATER + 1)) == (FindMatch(visit_id(3)),)


def test_a_swap_without_an_introduction_changes_nothing() -> None:
    assert step(sigrid_here(), MatchSwapped(SIGRID.id), at(LATER)) == (sigrid_here(), ())


# Groups


def waiting_for_a_group() -> DoorState:
    """Return the state in which Sigrid, Maeve and Søren wait for a group, and all badges are out."""
    people = (replace(SIGRID, mood=Mood.GROUP), replace(MAEVE, mood=Mood.GROUP), replace(SOREN, mood=Mood.GROUP))
    state = play(opened(), *((tap(someone), at(NOON + place)) for place, someone in enumerate(people)))
    return replace(state, spool=opened().spool)


TOGETHER = Gathering(TABLE.id, (((visit_id(1), visit_id(3), visit_id(5)),),), TopicId("photo"))


def test_who_waits_for_a_group_is_asked_about_once_and_again_when_others_wait() -> None:
    asked = FormGroup((visit_id(1), visit_id(3), visit_id(5)))
    state, effects = step(waiting_for_a_group(), TimePassed(), at(NOON + 10))
    assert effects == (asked,)
    assert effects_of(state, TimePassed(), at(NOON + 20)) == ()
    state = play(state, (MemberLeft(SOREN.id), at(NOON + 30)))
    assert effects_of(state, TimePassed(), at(NOON + 40)) == ()
    assert effects_of(waiting_for_a_group(), GroupAsked(), at(NOON + 10)) == (asked,)


def test_a_group_gets_zone_and_slips_and_those_who_talk_have_met() -> None:
    state, effects = step(waiting_for_a_group(), GroupFormed((TOGETHER,)), at(NOON + 10))
    until = NOON + 10 + RULES.talk_ms
    assert effects[0] == SettleGroup(
        TOGETHER.visits,
        TABLE.id,
        until,
        (
            (visit_id(1), SIGRID.id, MAEVE.id),
            (visit_id(1), SIGRID.id, SOREN.id),
            (visit_id(3), MAEVE.id, SOREN.id),
        ),
    )
    assert [job.kind for job in ordered(effects)] == [SlipKind.GROUP] * 3
    assert {visit.zone for visit in state.visits.values()} == {TABLE.id}
    assert [met.name for met in state.visits[visit_id(5)].met] == ["Sigrid", "Maeve"]
    assert {visit.talks_until_ms for visit in state.visits.values()} == {until}
    # They sit together for now; nobody asks about them.
    assert FormGroup not in {type(effect) for effect in effects_of(state, TimePassed(), at(until - 1))}


def test_a_group_of_which_one_has_left_does_not_sit_down() -> None:
    state = play(waiting_for_a_group(), (MoodChosen(MAEVE.id, Mood.COFFEE), at(NOON + 5)))
    after, effects = step(state, GroupFormed((TOGETHER,)), at(NOON + 10))
    assert (effects, after.visits) == ((), state.visits)


def test_a_group_with_two_who_are_kept_apart_by_now_does_not_sit_down_and_others_are_asked() -> None:
    asked = play(waiting_for_a_group(), (TimePassed(), at(NOON + 10)))
    state = play(asked, (PairRuled(SIGRID.id, MAEVE.id, Ruling.VETO), at(NOON + 20)))
    after, effects = step(state, GroupFormed((TOGETHER,)), at(NOON + 30))
    assert (effects, after.visits) == ((), state.visits)
    assert effects_of(after, TimePassed(), at(NOON + 40)) == (FormGroup(TOGETHER.visits),)


@pytest.mark.parametrize("event", [GroupFailed(), PairRuled(SIGRID.id, MAEVE.id, None)])
def test_a_group_is_asked_for_anew_after_a_lost_answer_and_when_the_host_changes_their_mind(event: Event) -> None:
    kept = play(waiting_for_a_group(), (PairRuled(SIGRID.id, MAEVE.id, Ruling.VETO), at(NOON + 5)))
    state = play(kept, (TimePassed(), at(NOON + 10)))
    assert effects_of(state, TimePassed(), at(NOON + 20)) == ()
    assert effects_of(play(state, (event, at(NOON + 30))), TimePassed(), at(NOON + 40)) == (FormGroup(TOGETHER.visits),)


def test_who_sits_in_a_group_and_has_no_slip_hears_it_at_the_next_tap_once() -> None:
    state = play(waiting_for_a_group(), (PrinterChanged(Cause.PAPER_OUT), at(NOON + 5)))
    state = play(state, (GroupFormed((TOGETHER,)), at(NOON + 10)), (TimePassed(), at(NOON + 10 + SLIP_FRESH_MS)))
    state = play(state, (PrinterChanged(None), at(LATER + 4_000)))
    after, effects = step(state, tap(SIGRID), at(LATER + 5_000))
    (answer,) = (each for each in effects if isinstance(each, Answer))
    where = said(Signal.ALREADY_HERE, SIGRID, TABLE).words
    seated, stay = (TEXTS.say(Language.SV, key, who="Maeve, Søren") for key in ("answer.seated", "answer.stay"))
    assert "Maeve, Søren" in seated
    assert (seated in answer.words, stay in answer.words, TABLE.name in answer.words, TABLE.name in where) == (True,) * 4
    assert ordered(effects) == []
    assert effects_of(after, tap(SIGRID), at(LATER + 10_000))[0] == CloseVisit(FIRST.id, Ending.TAPPED)


def test_who_has_the_slip_of_their_group_in_hand_goes_by_one_tap() -> None:
    state, effects = step(waiting_for_a_group(), GroupFormed((TOGETHER,)), at(NOON + 10))
    job = next(job for job in ordered(effects) if job.visit == FIRST.id)
    assert state.visits[FIRST.id].untold == 2
    state = play(state, (JobReady(job.id), at(NOON + 20)), (JobSent(job.id, 9), at(NOON + 30)))
    state, effects = step(state, JobPrinted(job.id), at(NOON + 40))
    assert NoteMet(FIRST.id, state.visits[FIRST.id].met, untold=0) in effects
    assert effects_of(state, tap(SIGRID), at(LATER + 5_000))[0] == CloseVisit(FIRST.id, Ending.TAPPED)


# What is on


def test_what_is_on_is_on_every_badge_alike_when_the_time_is_known() -> None:
    course = Occasion("Språkkafé", 5 * 1440 + 17 * 60, 5 * 1440 + 18 * 60, "Biblioteket")
    now = at(NOON, wall=clock(5, 15))
    state = play(opened(), (ScheduleRead((course,)), at(1)))
    badges = [
        badge_of(*ordered(effects_of(play(state, (tap(someone), now)), MatchFailed(FIRST.id), now)))
        for someone in (SIGRID, MAEVE)
    ]
    assert {badge.today for badge in badges} == {("17:00 Språkkafé, Biblioteket",)}
    (job,) = ordered(effects_of(play(state, (tap(SIGRID), at(NOON))), MatchFailed(FIRST.id), at(NOON)))
    assert badge_of(job).today == ()


# Slips at the check-out


def both_here(maeve: Member = MAEVE, sigrid: Member = SIGRID) -> DoorState:
    """Return the state in which Maeve was introduced to Sigrid, who was told of it, and all badges are out."""
    state = sent_to_sigrid(maeve, sigrid)
    told = replace(state.visits[FIRST.id], untold=0)
    return replace(state, visits={**state.visits, FIRST.id: told})


def sent_to_sigrid(maeve: Member = MAEVE, sigrid: Member = SIGRID) -> DoorState:
    """Return the state in which Maeve was introduced to Sigrid, who does not know of it, and all badges are out."""
    state = play(
        opened(),
        (CardTapped(DOOR, card_of(SIGRID), sigrid), at(NOON)),
        (MatchAnswered(visit_id(1), None, None), at(NOON)),
        (CardTapped(BACK, card_of(MAEVE), maeve), at(NOON)),
        (MatchAnswered(visit_id(3), introduction(visit_id(3), visit_id(1)), TABLE.id), at(NOON)),
    )
    return replace(state, spool=opened().spool)


def ordered(effects: tuple[object, ...]) -> list[Job]:
    return [effect.job for effect in effects if isinstance(effect, QueueBadge)]


@pytest.mark.parametrize("someone", [SIGRID, MAEVE])
def test_who_goes_and_has_met_somebody_gets_a_slip_that_says_whom(someone: Member) -> None:
    state = both_here()
    visit = state.visit_of(someone.id)
    assert visit is not None
    job = slip_job(5, follow_up(HOUSE, visit, at(LATER)), at(LATER), visit)
    assert effects_of(state, tap(someone), at(LATER)) == (
        CloseVisit(visit.id, Ending.TAPPED),
        said(Signal.GOODBYE, someone, visit=visit.id),
        QueueBadge(job),
        CheckPrinter(job),
    )


def test_who_is_met_stays_on_the_slip_though_they_left_before() -> None:
    state = play(both_here(), (MemberLeft(SIGRID.id), at(LATER)))
    (job,) = ordered(effects_of(state, tap(MAEVE), at(LATER)))
    assert job.slip is not None
    assert [line.text for line in job.slip.lines] == ["Sigrid"]


def test_nobody_else_gets_a_follow_up_slip() -> None:
    nobody_met = replace(sigrid_here(), spool=opened().spool)
    assert ordered(effects_of(nobody_met, tap(SIGRID), at(LATER))) == []
    assert ordered(effects_of(both_here(), MemberLeft(SIGRID.id), at(LATER))) == []
    assert ordered(effects_of(both_here(), TimePassed(), at(NOON + RULES.max_stay_ms))) == []
    unwanted = replace(both_here(), house=replace(HOUSE, template=Template(slips=frozenset({SlipKind.FAULT}))))
    assert ordered(effects_of(unwanted, tap(SIGRID), at(LATER))) == []


def test_what_a_visitor_seeks_is_on_the_partners_slip_with_their_consent_only() -> None:
    shy = replace(MAEVE, consents=replace(MAEVE.consents, need=False, name=False))
    visit = both_here(shy).visit_of(SIGRID.id)
    assert visit is not None
    assert visit.met == (Met(MAEVE.id, 2, "", (TopicId("photo"),), Way.SENT),)


def test_who_goes_while_the_printer_stands_still_gets_no_slip_that_others_would_find() -> None:
    state = play(both_here(), (PrinterChanged(Cause.COVER_OPEN), at(LATER)))
    state, effects = step(state, tap(SIGRID), at(LATER))
    assert effects == (CloseVisit(visit_id(1), Ending.TAPPED), said(Signal.GOODBYE, SIGRID))
    assert effects_of(state, PrinterChanged(None), at(LATER + 1)) == ()


def leaving() -> DoorState:
    """Return the state in which Sigrid's follow-up slip is at the printer, not a byte sent."""
    return play(both_here(), (tap(SIGRID), at(LATER)))


def test_a_follow_up_slip_outlives_its_visit_and_a_restart_but_not_its_time() -> None:
    going = play(leaving(), (JobRefused(job_id(5), Cause.COVER_OPEN), at(LATER)))
    (job,) = going.spool.jobs.values()
    started = Started(jobs=(job,), serial=5, number=2, starts=8)
    state, effects = step(DoorState(house=HOUSE), started, at(LATER + 1_000))
    assert (effects, state.spool.jobs) == ((), {job.id: job})
    assert effects_of(state, PrinterChanged(None), at(LATER + 1_001)) == (CheckPrinter(job),)
    assert next_deadline(state) == LATER + SLIP_FRESH_MS
    due = at(LATER + SLIP_FRESH_MS)
    assert effects_of(state, TimePassed(), due) == (SetJob(job.id, JobState.EXPIRED, Cause.STALE),)


def badge_at_the_printer() -> DoorState:
    """Return the state in which some of Sigrid's badge may be on paper and she has left."""
    return play(
        sigrid_here(), (JobReady(job_id(2)), GREETED), (JobSent(job_id(2), 300), GREETED), (MemberLeft(SIGRID.id), at(LATER))
    )


def slip_at_the_printer() -> DoorState:
    """Return the state in which some of Sigrid's follow-up slip may be on paper."""
    return play(leaving(), (JobReady(job_id(5)), at(LATER)), (JobSent(job_id(5), 300), at(LATER)))


def test_no_copy_comes_of_an_incomplete_badge_of_somebody_who_has_left() -> None:
    broken = JobBroken(job_id(2), Cause.PAPER_OUT, told=True)
    assert effects_of(badge_at_the_printer(), broken, at(LATER + 1)) == (SetJob(job_id(2), JobState.FAILED, Cause.PAPER_OUT),)


def test_a_copy_comes_of_an_incomplete_follow_up_slip_as_its_owner_stands_there() -> None:
    broken = JobBroken(job_id(5), Cause.PAPER_OUT, told=True)
    (copy,) = ordered(effects_of(slip_at_the_printer(), broken, at(LATER + 1)))
    assert (copy.slip is not None and copy.slip.copy, copy.member) == (True, SIGRID.id)


@pytest.mark.parametrize(("state", "job"), [(badge_at_the_printer(), job_id(2)), (slip_at_the_printer(), job_id(5))])
@pytest.mark.parametrize(("told", "end"), [(True, JobState.FAILED), (False, JobState.UNKNOWN)])
def test_nothing_is_printed_anew_or_asked_about_a_removed_member(
    state: DoorState, job: JobId, told: bool, end: JobState
) -> None:
    state = play(state, (MemberRemoved(SIGRID.id), at(LATER)))
    assert SIGRID.id not in {each.member for each in state.spool.jobs.values()}
    state, effects = step(state, JobBroken(job, Cause.PAPER_OUT, told), at(LATER + 1))
    assert (effects, state.spool.jobs) == ((SetJob(job, end, Cause.PAPER_OUT),), {})


def test_a_removed_member_is_forgotten_by_those_who_met_them_and_gets_nothing_more() -> None:
    state = leaving()
    maeve = state.visit_of(MAEVE.id)
    assert maeve is not None
    after, effects = step(state, MemberRemoved(SIGRID.id), at(LATER + 1))
    assert effects == (SetJob(job_id(5), JobState.EXPIRED, Cause.LEFT), NoteMet(maeve.id, ()))
    assert after.visits == {maeve.id: replace(maeve, met=())}
    assert MemberRemoved(SIGRID.id).fact() == {}


# Slips for staff


def test_what_happens_until_there_is_paper_is_all_on_one_slip() -> None:
    state = uncertain()[0]
    (slip,) = state.spool.jobs.values()
    visit = state.visit_of(SIGRID.id)
    assert visit is not None
    told = (
        TellStaff(Notice.BADGE_UNKNOWN, job_id(2), Cause.LOST),
        TellStaff(Notice.BADGE_EXPIRED, job_id(6), Cause.STALE),
    )
    assert slip == fault_job(4, GREETED, told[0])
    state = play(state, (tap(ALONE), at(NOON + 5_000)))
    now = at(NOON + 5_000 + RULES.badge_fresh_ms)
    merged = replace(slip, slip=fault(HOUSE, (), told, now))
    _, effects = step(state, TimePassed(), now)
    assert effects == (SetJob(job_id(6), JobState.EXPIRED, Cause.STALE), told[1], QueueBadge(merged))
    # It is still there when the paper is changed an hour later, and in the same moment as more happens.
    assert effects_of(play(state, (TimePassed(), now)), PrinterChanged(None), at(NOON + 3_600_000)) == (CheckPrinter(merged),)
    after, effects = step(state, PrinterChanged(None), now)
    assert ordered(effects) == [merged]
    assert list(after.spool.jobs.values()) == [merged]


def test_a_fault_slip_that_is_on_its_way_takes_in_no_more() -> None:
    state = play(uncertain()[0], (PrinterChanged(None), at(NOON + 1_000)), (JobReady(job_id(4)), at(NOON + 1_000)))
    sending = state.spool.jobs[job_id(4)]
    told = TellStaff(Notice.UNKNOWN_CARD)
    state, effects = step(state, NoticesAsked((told,)), at(NOON + 2_000))
    assert effects == (QueueBadge(fault_job(5, at(NOON + 2_000), told)),)
    assert state.spool.jobs[sending.id] == sending


def test_a_slip_is_not_judged() -> None:
    slip = replace(fault_job(4, GREETED), state=JobState.UNKNOWN, cause=Cause.LOST)
    assert effects_of(sigrid_here(), JobJudged(slip, printed=False), at(LATER)) == ()


def test_a_visitors_badge_does_not_wait_behind_a_fault_slip() -> None:
    state = play(uncertain()[0], (tap(ALONE), at(NOON + 5_000)))
    slip, badge = state.spool.jobs.values()
    assert slip.kind is SlipKind.FAULT
    assert effects_of(state, PrinterChanged(None), at(NOON + 6_000)) == (CheckPrinter(badge),)


def test_staff_gets_all_notices_on_paper_in_place_of_a_slip_that_still_waits() -> None:
    state = uncertain()[0]
    notices = (TellStaff(Notice.UNKNOWN_CARD), TellStaff(Notice.BADGE_FAILED, job_id(9), Cause.CUTTER))
    (waiting,) = state.spool.jobs.values()
    slip = replace(waiting, slip=fault(HOUSE, (), notices, at(LATER)))
    assert effects_of(state, NoticesAsked(notices), at(LATER)) == (QueueBadge(slip),)
    first = fault_job(1, at(LATER), *notices)
    assert effects_of(opened(), NoticesAsked(notices), at(LATER)) == (QueueBadge(first), CheckPrinter(first))


DESK_ASKED = DeskSlipAsked(("https://kafe.local:8443/desk",), "AB:CD:EF:01:23:45:67:89:0A:BC:DE:F0")


def desk_job(serial: int, now: Now, asked: DeskSlipAsked = DESK_ASKED) -> Job:
    """Return the job of the slip by which a phone finds the desk."""
    return slip_job(serial, desk(HOUSE, asked.addresses, asked.fingerprint, now), now)


def test_the_desks_slip_comes_whatever_slips_the_cafe_wants_by_themselves() -> None:
    house = replace(HOUSE, template=Template(slips=frozenset()))
    state = play(opened(house), (PrinterChanged(None), at(1)))
    (effect, check) = effects_of(state, DESK_ASKED, at(NOON))
    assert effect == QueueBadge(desk_job(1, at(NOON)))
    assert check == CheckPrinter(desk_job(1, at(NOON)))


def test_the_desks_slip_is_made_anew_while_it_waits_and_no_second_one_while_it_is_on_its_way() -> None:
    state = play(opened(), (PrinterChanged(Cause.PAPER_OUT), at(1)), (DESK_ASKED, at(NOON)))
    again = replace(DESK_ASKED, fingerprint="12:34:56:78:9A:BC:DE:F0")
    anew = desk_job(2, at(NOON + 50_000), again)
    state, effects = step(state, again, at(NOON + 50_000))
    assert effects == (SetJob(job_id(1), JobState.EXPIRED, Cause.REPLACED), QueueBadge(anew))
    # It is as fresh as the second order.
    state = play(state, (TimePassed(), at(NOON + 70_000)), (PrinterChanged(None), at(NOON + 71_000)))
    state = play(state, (JobReady(anew.id), at(NOON + 72_000)))
    assert effects_of(state, DESK_ASKED, at(NOON + 73_000)) == ()


def test_staff_is_not_told_of_slips_on_paper_that_are_not_wanted() -> None:
    house = replace(HOUSE, template=Template(slips=frozenset()))
    state = play(opened(house), (PrinterChanged(Cause.PAPER_OUT), at(1)), (tap(ALONE), at(NOON)))
    assert ordered(effects_of(state, TimePassed(), at(NOON + RULES.badge_fresh_ms))) == []


# The morning after

EVENING = clock(5, 21)
OWN_EVENING = replace(SAT_DOWN, opened=at(NOON, wall=EVENING))
UNTIMED = SAT_DOWN
DOUBTED = replace(UNTIMED, confirmed=False)


def morning(visit: Visit, now: Now, *jobs: Job) -> tuple[DoorState, tuple[object, ...]]:
    """Return the first step of a day after a plug was pulled while `visit` was open."""
    return step(DoorState(house=HOUSE), Started(visits=(visit,), jobs=jobs, serial=2, number=1, starts=8), now)


@pytest.mark.parametrize("visit", [UNTIMED, OWN_EVENING])
def test_without_trusted_time_nobody_knows_who_is_still_here(visit: Visit) -> None:
    state, effects = morning(visit, at(500, "tuesday"))
    assert effects == (ConfirmVisit(FIRST.id, confirmed=False),)
    assert state.visits == {FIRST.id: replace(visit, confirmed=False)}


def test_with_trusted_time_the_first_visit_of_unknown_time_is_doubted_too() -> None:
    assert morning(UNTIMED, at(500, "tuesday", clock(6, 8)))[1] == (ConfirmVisit(FIRST.id, confirmed=False),)


def test_the_first_tap_of_the_morning_is_a_check_in() -> None:
    state, _ = morning(UNTIMED, at(500, "tuesday"))
    now = at(RULES.checkout_after_ms * 3, "tuesday")
    visit = Visit(id=visit_id(3), number=2, member=SIGRID, opened=now)
    assert step(state, tap(SIGRID), now) == (
        replace(
            state,
            visits={visit.id: visit},
            here={SIGRID.id: visit.id},
            asked={visit.id: Asked(DOOR, now.boot_ms + RULES.match_deadline_ms)},
            recent={DOOR: Recent(card_of(SIGRID), now.boot_ms)},
            tapped={DOOR: Tapped(visit.id, now.boot_ms)},
            serial=3,
            number=2,
        ),
        (
            CloseVisit(FIRST.id, Ending.UNCONFIRMED),
            OpenVisit(visit),
            said(Signal.WELCOME_NO_BADGE, SIGRID, visit=visit.id),
            FindMatch(visit.id),
        ),
    )


def test_staff_can_check_in_somebody_of_whom_nobody_knew() -> None:
    state, _ = morning(UNTIMED, at(500, "tuesday"))
    now = at(900, "tuesday")
    visit = Visit(id=visit_id(3), number=2, member=SIGRID, opened=now)
    assert effects_of(state, MemberCheckedIn(SIGRID), now) == (
        CloseVisit(FIRST.id, Ending.UNCONFIRMED),
        OpenVisit(visit),
        said(Signal.WELCOME_NO_BADGE, SIGRID, reader=None, visit=visit.id),
        FindMatch(visit.id),
    )


def test_who_may_have_gone_home_takes_no_seat_and_is_nobodys_match() -> None:
    state, _ = morning(UNTIMED, at(500, "tuesday"))
    assert state.occupancy() == {}
    state = play(state, (tap(MAEVE), at(900, "tuesday")))
    asked = state.visits[visit_id(3)]
    present = [Present(visit, profile(visit.member, VOCABULARY)) for visit in state.visits.values()]
    visitor = Present(asked, profile(MAEVE, VOCABULARY))
    circumstances = Circumstances(zones=ZONES, occupancy=state.occupancy())
    assert find_match(visitor, present, circumstances) is None
    # They would have been introduced, had it been known that Sigrid is here.
    sure = [Present(replace(visit, confirmed=True), known) for visit, known in present]
    found = find_match(visitor, sure, circumstances)
    assert found is not None
    assert found.partner == FIRST.id


def test_after_a_restart_of_the_same_day_everybody_is_kept() -> None:
    state, effects = morning(OWN_EVENING, at(500, "later", clock(5, 22)))
    assert effects == ()
    assert state.visits == {FIRST.id: OWN_EVENING}
    assert state.here == {SIGRID.id: FIRST.id}


def test_the_night_until_closing_belongs_to_the_day_before() -> None:
    assert morning(OWN_EVENING, at(500, "later", clock(6, 3, 59)))[1] == ()
    assert morning(OWN_EVENING, at(500, "later", clock(6, 4)))[1] == (CloseVisit(FIRST.id, Ending.CLOSING),)


def test_with_trusted_time_the_next_day_begins_empty() -> None:
    state, effects = morning(OWN_EVENING, at(500, "tuesday", clock(6, 8)))
    assert effects == (CloseVisit(FIRST.id, Ending.CLOSING),)
    assert (state.visits, state.here) == ({}, {})


@pytest.mark.parametrize(
    ("now", "effect", "visits"),
    [
        (at(9_000, "tuesday", clock(6, 8)), CloseVisit(FIRST.id, Ending.CLOSING), {}),
        (at(9_000, "tuesday", clock(5, 22)), ConfirmVisit(FIRST.id, confirmed=True), {FIRST.id: OWN_EVENING}),
    ],
)
def test_time_that_becomes_known_later_decides_then(now: Now, effect: object, visits: object) -> None:
    doubting, _ = morning(OWN_EVENING, at(500, "tuesday"))
    state, effects = step(doubting, TimePassed(), now)
    assert effects == (effect,)
    assert state.visits == visits


def test_after_a_restart_of_the_same_day_a_tap_is_a_check_out_once_the_boot_itself_is_long_enough_ago() -> None:
    """The clock on the wall says an hour, but durations are never worked out from it."""
    state, _ = morning(OWN_EVENING, at(500, "later", clock(5, 22)))
    soon = effects_of(state, tap(SIGRID), at(60_500, "later", clock(5, 22, 1)))
    assert CloseVisit not in {type(effect) for effect in soon}
    assert effects_of(state, tap(SIGRID), at(RULES.checkout_after_ms, "later", clock(5, 22, 11))) == (
        CloseVisit(FIRST.id, Ending.TAPPED),
        said(Signal.GOODBYE, SIGRID),
    )


def test_yesterdays_badges_do_not_come() -> None:
    job = badge_job(2, SAT_DOWN, Signal.NOT_YET, GREETED)
    state, effects = morning(UNTIMED, at(500, "tuesday"), job)
    told = TellStaff(Notice.BADGE_EXPIRED, job.id, Cause.STALE)
    slip = replace(fault_job(3, at(500, "tuesday"), told), process_id=8 << 20 | 3)
    assert effects == (
        SetJob(job.id, JobState.EXPIRED, Cause.STALE),
        told,
        ConfirmVisit(FIRST.id, confirmed=False),
        QueueBadge(slip),
    )
    assert effects_of(state, PrinterChanged(None), at(600, "tuesday")) == (CheckPrinter(slip),)


def test_a_badge_of_this_boot_is_printed_after_a_restart() -> None:
    job = badge_job(2, SAT_DOWN, Signal.NOT_YET, GREETED)
    state, effects = morning(UNTIMED, at(NOON + 5_000), job)
    assert effects == ()
    assert effects_of(state, PrinterChanged(None), at(NOON + 5_100)) == (CheckPrinter(job),)


def test_a_badge_that_was_begun_is_asked_about() -> None:
    job = replace(badge_job(2, SAT_DOWN, Signal.NOT_YET, GREETED), state=JobState.SENDING)
    _, effects = morning(UNTIMED, at(NOON + 5_000), job)
    told = TellStaff(Notice.BADGE_UNKNOWN, job.id, Cause.STOPPED)
    slip = replace(fault_job(3, at(NOON + 5_000), told), process_id=8 << 20 | 3)
    assert effects == (SetJob(job.id, JobState.UNKNOWN, Cause.STOPPED), told, QueueBadge(slip))


def test_yesterdays_uncertain_badge_is_not_copied_for_somebody_who_may_have_gone_home() -> None:
    job = replace(badge_job(2, SAT_DOWN, Signal.NOT_YET, GREETED), state=JobState.UNKNOWN, cause=Cause.STOPPED)
    state, _ = morning(UNTIMED, at(500, "tuesday"))
    assert effects_of(state, JobJudged(job, printed=False), at(900, "tuesday")) == (
        SetJob(job.id, JobState.FAILED, Cause.STOPPED),
    )


def test_a_match_owed_since_a_moment_ago_is_asked_for_after_a_restart() -> None:
    owing = Started(visits=(FIRST,), owed=(FIRST.id,), serial=1, number=1, starts=8)
    state, effects = step(DoorState(house=HOUSE), owing, at(NOON + 2_000))
    assert effects == (FindMatch(FIRST.id),)
    assert state.asked == {FIRST.id: Asked(None, NOON + 2_000 + RULES.match_deadline_ms, number=1)}


@pytest.mark.parametrize("now", [at(NOON + RULES.badge_fresh_ms), at(NOON + 1, "tuesday", clock(5, 22))])
def test_a_match_owed_for_too_long_is_settled_without_a_badge(now: Now) -> None:
    visit = replace(FIRST, opened=at(NOON, wall=EVENING))
    owing = Started(visits=(visit,), owed=(FIRST.id,), serial=1, number=1, starts=8)
    state, effects = step(DoorState(house=HOUSE), owing, now)
    assert effects == (SettleMatch(FIRST.id, None, None, SIGRID.id),)
    assert state.asked == {}


def test_a_start_forgets_the_questions_of_before() -> None:
    state = play(sigrid_asked(), (tap(MAEVE), at(NOON + 10)))
    assert step(state, Started(serial=2, starts=8), at(NOON + 20)) == (
        replace(state, visits={}, here={}, asked={}, spool=DoorState(house=HOUSE).spool, starts=8, number=0),
        (),
    )


# The end of the day


def test_visits_end_at_closing_time() -> None:
    state = play(opened(), (tap(ALONE), at(NOON, wall=clock(5, 23))), (PrinterChanged(Cause.LOST), at(NOON)))
    state = replace(state, spool=opened().spool)
    before = at(NOON + 60_000, wall=clock(6, 3, 59))
    assert step(state, TimePassed(), before) == (state, ())
    assert step(state, TimePassed(), at(NOON + 120_000, wall=clock(6, 4))) == (
        replace(state, visits={}, here={}),
        (CloseVisit(visit_id(1), Ending.CLOSING),),
    )


def test_a_visit_that_began_before_the_time_was_known_ends_at_closing_too() -> None:
    """The boot was at three; a quarter of an hour past four the time becomes known."""
    state = replace(play(opened(), (tap(ALONE), at(NOON))), spool=opened().spool)
    assert effects_of(state, TimePassed(), at(75 * 60_000, wall=clock(6, 4, 15))) == (CloseVisit(visit_id(1), Ending.CLOSING),)


def test_a_visit_ends_after_the_longest_stay() -> None:
    state = replace(play(opened(), (tap(ALONE), at(NOON))), spool=opened().spool)
    end = NOON + RULES.max_stay_ms
    assert step(state, TimePassed(), at(end - 1)) == (state, ())
    assert effects_of(state, TimePassed(), at(end)) == (CloseVisit(visit_id(1), Ending.STAY),)


def test_a_doubted_visit_ends_after_the_longest_stay_since_the_boot() -> None:
    state, _ = morning(UNTIMED, at(500, "tuesday"))
    assert effects_of(state, TimePassed(), at(RULES.max_stay_ms, "tuesday")) == (CloseVisit(FIRST.id, Ending.STAY),)


# Staff


def test_staff_checks_in_who_forgot_the_card() -> None:
    visit = replace(FIRST, lifetime_rate=400)
    state = opened()
    assert step(state, MemberCheckedIn(SIGRID, 400), at(NOON)) == (
        replace(
            state,
            visits={FIRST.id: visit},
            here={SIGRID.id: FIRST.id},
            asked={FIRST.id: Asked(None, NOON + RULES.match_deadline_ms)},
            serial=1,
            number=1,
        ),
        (OpenVisit(visit), said(Signal.WELCOME, SIGRID, reader=None), FindMatch(FIRST.id)),
    )


def test_who_is_here_is_not_checked_in_twice() -> None:
    state = sigrid_here()
    assert step(state, MemberCheckedIn(SIGRID), at(LATER)) == (state, ())


def test_staff_lets_somebody_leave() -> None:
    state = replace(sigrid_here(), spool=opened().spool)
    assert step(state, MemberLeft(SIGRID.id), at(LATER)) == (
        replace(state, visits={}, here={}),
        (CloseVisit(FIRST.id, Ending.STAFF),),
    )


def test_who_is_not_here_can_not_leave() -> None:
    state = sigrid_here()
    assert step(state, MemberLeft(MAEVE.id), at(LATER)) == (state, ())


# Enrolment

NEW_CARD = CardId("new")


def enrolling(someone: Member = SIGRID, ticket: int = 4) -> DoorState:
    """Return a state in which staff waits for a card."""
    return play(opened(), (EnrolmentAsked(someone.id, ticket), at(NOON)))


def test_the_next_card_is_bound_to_the_member_that_staff_chose() -> None:
    state = enrolling()
    assert state.enrolling == Enrolling(SIGRID.id, 4, NOON + RULES.enrol_ms)
    assert step(state, CardTapped(DOOR, NEW_CARD), at(NOON + 500)) == (
        replace(state, enrolling=None, recent={DOOR: Recent(NEW_CARD, NOON + 500)}),
        (BindCard(NEW_CARD, SIGRID.id), EndEnrolment(4, Enrolment.DONE), said(Signal.ENROLLED)),
    )


def test_a_members_own_card_may_be_enrolled_again_and_checks_nobody_in() -> None:
    assert effects_of(enrolling(), tap(SIGRID), at(NOON + 500)) == (
        BindCard(card_of(SIGRID), SIGRID.id),
        EndEnrolment(4, Enrolment.DONE),
        said(Signal.ENROLLED),
    )


@pytest.mark.parametrize(
    ("event", "outcome"),
    [
        (tap(MAEVE), Enrolment.TAKEN),
        (CardTapped(DOOR, NEW_CARD, blocked=True), Enrolment.BLOCKED),
        (replace(tap(SIGRID), blocked=True), Enrolment.BLOCKED),
    ],
)
def test_a_card_that_is_somebodys_or_blocked_is_not_enrolled(event: CardTapped, outcome: Enrolment) -> None:
    state, effects = step(enrolling(), event, at(NOON + 500))
    assert effects == (EndEnrolment(4, outcome), said(Signal.BLOCKED_CARD))
    assert state.enrolling is None


def test_a_new_enrolment_takes_the_place_of_the_one_before() -> None:
    state = enrolling()
    assert step(state, EnrolmentAsked(MAEVE.id, 5), at(NOON + 1)) == (
        replace(state, enrolling=Enrolling(MAEVE.id, 5, NOON + 1 + RULES.enrol_ms)),
        (EndEnrolment(4, Enrolment.REPLACED),),
    )


def test_an_enrolment_ends_when_no_card_comes() -> None:
    state, due = enrolling(), NOON + RULES.enrol_ms
    assert next_deadline(state) == due
    assert step(state, TimePassed(), at(due - 1)) == (state, ())
    assert step(state, TimePassed(), at(due)) == (replace(state, enrolling=None), (EndEnrolment(4, Enrolment.LATE),))


def test_an_enrolment_that_nobody_waits_for_any_more_is_dropped() -> None:
    state = enrolling()
    assert step(state, EnrolmentDropped(4), at(NOON + 1)) == (replace(state, enrolling=None), ())


def test_dropping_an_earlier_enrolment_leaves_this_one() -> None:
    state = enrolling()
    assert step(state, EnrolmentDropped(3), at(NOON + 1)) == (state, ())


# Ten in a row


def test_ten_come_while_the_printer_stands_still_and_only_the_fresh_badges_come_afterwards() -> None:
    """Five come at once, five six minutes later; then there is paper again."""
    people = [replace(ALONE, id=MemberId(f"m{number}")) for number in range(10)]
    state = play(opened(), (PrinterChanged(Cause.PAPER_OUT), at(1)))
    for number, someone in enumerate(people):
        now = at(NOON + number + (0 if number < 5 else RULES.badge_fresh_ms - 1_000))
        state, effects = step(state, tap(someone), now)
        visit = state.visit_of(someone.id)
        assert visit is not None
        opening, answer, *_, light = effects
        assert opening == OpenVisit(replace(visit, zone=None))
        assert answer == said(Signal.WELCOME_NO_BADGE, someone, visit=visit.id)
        assert isinstance(light, LightZone)
    queued = list(state.spool.jobs.values())
    assert len(queued) == 10
    state, effects = step(state, PrinterChanged(None), at(NOON + RULES.badge_fresh_ms + 60_000))
    assert [effect.job for effect in effects if isinstance(effect, SetJob)] == [job.id for job in queued[:5]]
    assert CheckPrinter(queued[5]) in effects
    *badges, slip = state.spool.jobs.values()
    assert badges == queued[5:]
    assert slip.slip is not None
    assert [[job.id in line.detail for line in slip.slip.lines] for job in queued[:5]] == [
        [number == row for row in range(5)] for number in range(5)
    ]
    _, effects = step(state, JobReady(queued[5].id), at(NOON + RULES.badge_fresh_ms + 60_100))
    assert SendJob(replace(queued[5], state=JobState.SENDING)) in effects


def test_a_copy_says_only_what_is_agreed_to_now() -> None:
    state, job = printed_badge()
    assert badge_of(job).talk_to_me_about or badge_of(job).headline
    shy = replace(SIGRID, offers=(), consents=replace(SIGRID.consents, occupation=False, languages=False))
    state = play(state, (MemberChanged(shy), at(LATER)))
    copy = next(each.job for each in effects_of(state, JobReprinted(job), at(LATER)) if isinstance(each, QueueBadge))
    assert (badge_of(copy).talk_to_me_about, badge_of(copy).headline, badge_of(copy).languages) == ((), "", ())
    assert badge_of(copy).copy


def test_a_copy_names_whom_to_meet_only_while_nothing_of_theirs_has_changed() -> None:
    met = play(
        sigrid_here(),
        (tap(MAEVE), GREETED),
        (MatchAnswered(visit_id(3), introduction(visit_id(3), FIRST.id), TABLE.id), GREETED),
    )
    job = next(each for each in met.spool.jobs.values() if each.visit == visit_id(3))
    printed = replace(met, spool=replace(met.spool, jobs={}, current=None))
    asked = JobReprinted(replace(job, state=JobState.CONFIRMED))

    def copied(state: DoorState) -> Badge:
        return next(badge_of(each.job) for each in effects_of(state, asked, at(LATER)) if isinstance(each, QueueBadge))

    assert copied(printed).introduction == badge_of(job).introduction is not None
    shy = replace(SIGRID, consents=replace(SIGRID.consents, name=False))
    changed = copied(play(printed, (MemberChanged(shy), at(LATER))))
    assert changed.introduction is None
    assert SIGRID.called not in str(changed)
    assert changed.copy
