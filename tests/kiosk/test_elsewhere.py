from __future__ import annotations

from msgspec.structs import replace

from kiosk.door import DoorState, step
from kiosk.effects import (
    Answer,
    CloseVisit,
    Ending,
    FindMatch,
    LightZone,
    NoteMet,
    OpenVisit,
    OweMatch,
    SetRuling,
    SettleMatch,
)
from kiosk.elsewhere import as_told, came, untold
from kiosk.events import (
    MatchAnswered,
    MemberCheckedIn,
    MemberLeft,
    MemberRemoved,
    MoodChosen,
    PairRuled,
    PresenceHeard,
    Started,
    TimePassed,
)
from kiosk.signals import Signal
from kiosk.values import Member, Met, Mood, Now, Reason, ReasonKind, Ruling, TopicId, Visit, VisitId, Way, ZoneId, pair_of
from tests.kiosk.matching.people import LIBRARY, TABLE
from tests.kiosk.rig import (
    HOUSE,
    MAEVE,
    RULES,
    SIGRID,
    SOREN,
    at,
    badge_of,
    clock,
    effects_of,
    introduction,
    opened,
    play,
    said,
    tap,
    visit_id,
)

NOON = 40_000_000


def other_door(someone: Member, number: int = 1, zone: ZoneId | None = TABLE.id, now: Now | None = None) -> Visit:
    """Return a visit that began at another door."""
    return Visit(VisitId(f"t2-y-{number}"), number, someone, now or at(NOON), zone=zone)


def heard(*visits: Visit, whole: bool = False) -> PresenceHeard:
    return PresenceHeard(open=visits, whole=whole)


HIS = other_door(SOREN)
HERS = other_door(MAEVE, 2)


def knowing(*visits: Visit) -> DoorState:
    return play(opened(), (heard(*visits), at(NOON)))


def test_who_came_in_by_another_door_is_known_and_counted_and_nothing_is_stored() -> None:
    state, effects = step(opened(), heard(HIS, HERS), at(NOON))
    assert effects == ()
    assert state.visits == {}
    assert state.occupancy() == {TABLE.id: 2}
    assert state.elsewhere.visit_of(SOREN.id) == HIS
    assert set(state.partners()) == {HIS.id, HERS.id}


def test_a_tap_soon_after_says_where_to_go_and_a_later_one_is_a_check_out() -> None:
    state = knowing(HIS)
    soon, late = at(NOON + 1_000), at(NOON + RULES.checkout_after_ms)
    assert effects_of(state, tap(SOREN), soon) == (
        said(Signal.ALREADY_HERE, SOREN, TABLE, visit=HIS.id),
        LightZone(TABLE.id, RULES.light_ms),
    )
    after, effects = step(state, tap(SOREN), late)
    assert effects == (CloseVisit(HIS.id, Ending.TAPPED), said(Signal.GOODBYE, SOREN, TABLE, visit=HIS.id))
    assert after.elsewhere.visits == {}
    assert effects_of(state, tap(SOREN, lying=True), late)[0] == said(Signal.ALREADY_HERE, SOREN, TABLE, visit=HIS.id)


def test_staff_can_check_out_but_not_in_who_came_in_by_another_door() -> None:
    state = knowing(HIS)
    assert effects_of(state, MemberCheckedIn(SOREN), at(NOON)) == ()
    assert effects_of(state, MemberLeft(SOREN.id), at(NOON)) == (CloseVisit(HIS.id, Ending.STAFF),)


def test_an_unconfirmed_visit_elsewhere_does_not_keep_anybody_out() -> None:
    state = knowing(replace(HIS, confirmed=False))
    assert any(isinstance(effect, OpenVisit) for effect in effects_of(state, tap(SOREN), at(NOON)))


def test_somebody_is_introduced_to_who_came_in_by_another_door_and_told_of_it_when_they_tap_here() -> None:
    state = play(knowing(HERS), (tap(SIGRID), at(NOON)))
    sigrid = visit_id(1)
    found = introduction(sigrid, HERS.id)
    state, effects = step(state, MatchAnswered(sigrid, found, TABLE.id), at(NOON + 100))
    (settled,) = [effect for effect in effects if isinstance(effect, SettleMatch)]
    assert (settled.partner, settled.introduction) == (MAEVE.id, found)
    (job,) = state.spool.jobs.values()
    badge = badge_of(job)
    assert MAEVE.called in str(badge)
    assert state.elsewhere.visits[HERS.id].approached == 1
    assert HERS.id not in state.visits
    told = effects_of(state, tap(MAEVE), at(NOON + 5_000))
    assert [SIGRID.called in effect.words for effect in told if isinstance(effect, Answer)] == [True]
    assert any(isinstance(effect, NoteMet) for effect in told)


def test_an_answer_about_somebody_who_left_by_another_door_is_asked_again() -> None:
    state = play(knowing(HERS), (tap(SIGRID), at(NOON)), (PresenceHeard(closed=(HERS.id,)), at(NOON)))
    answer = MatchAnswered(visit_id(1), introduction(visit_id(1), HERS.id), TABLE.id)
    assert effects_of(state, answer, at(NOON)) == (FindMatch(visit_id(1)),)
    wants_coffee = play(state, (heard(replace(HERS, mood=Mood.COFFEE)), at(NOON)))
    assert effects_of(wants_coffee, answer, at(NOON)) == (FindMatch(visit_id(1)),)


def test_who_was_not_told_yet_where_to_go_is_nobody_to_choose() -> None:
    state = knowing(other_door(SOREN, zone=None), HERS)
    assert set(state.partners()) == {HERS.id}


def test_nobody_is_their_own_partner_when_they_are_here_twice() -> None:
    state = play(opened(), (tap(SOREN), at(NOON)), (heard(HIS), at(NOON)))
    assert set(state.partners()) == {visit_id(1)}


def test_a_whole_page_replaces_what_was_known_of_other_doors_only() -> None:
    state = play(knowing(HIS), (tap(SIGRID), at(NOON)), (heard(HERS, whole=True), at(NOON)))
    assert set(state.elsewhere.visits) == {HERS.id}
    assert set(state.visits) == {visit_id(1)}


def test_a_check_out_at_another_door_ends_the_visit_here() -> None:
    state = play(opened(), (tap(SIGRID), at(NOON)))
    after, effects = step(state, PresenceHeard(closed=(visit_id(1), HIS.id)), at(NOON))
    assert CloseVisit(visit_id(1), Ending.TAPPED) in effects
    assert after.visits == {}
    assert after.asked == {}


def test_approaches_at_other_doors_count_here() -> None:
    state = play(opened(), (tap(SIGRID), at(NOON)))
    visit = state.visits[visit_id(1)]
    more = play(state, (heard(replace(visit, approached=2)), at(NOON)))
    assert more.visits[visit.id] == replace(visit, approached=2)
    assert more.elsewhere.visits == {}


SENT_SOREN = came(HIS, Reason(ReasonKind.OPEN))
SENT_MAEVE = came(HERS, Reason(ReasonKind.OPEN))


def test_who_was_sent_by_another_door_is_told_at_the_next_tap_once() -> None:
    state = play(knowing(HIS), (tap(SIGRID), at(NOON)))
    visit = state.visits[visit_id(1)]
    told = as_told(visit, 1, [SENT_SOREN], (), ())
    state, effects = step(state, heard(told), at(NOON + 1_000))
    assert effects == (NoteMet(visit.id, (SENT_SOREN,), 1),)
    assert state.visits[visit.id].talks_until_ms == NOON + 1_000 + RULES.talk_ms
    assert step(state, heard(as_told(state.visits[visit.id], 1, [SENT_SOREN], (), ())), at(NOON + 2_000)) == (state, ())
    state, effects = step(state, tap(SIGRID), at(NOON + 60_000))
    assert [SOREN.called in effect.words for effect in effects if isinstance(effect, Answer)] == [True]
    again = as_told(state.visits[visit.id], 1, [SENT_SOREN], (), ())
    assert again.untold == 0, "the other door has not heard yet that they were told"


def test_who_was_told_at_another_door_is_not_told_again_here() -> None:
    visit = replace(HIS, met=(SENT_MAEVE,), untold=1)
    assert as_told(visit, 1, [SENT_MAEVE], [MAEVE.id], ()).untold == 0
    assert untold(as_told(visit, 2, [SENT_MAEVE, SENT_SOREN], [MAEVE.id], ())) == (SENT_SOREN,)
    assert as_told(HIS, 1, [SENT_MAEVE], [MAEVE.id], ()) == replace(HIS, approached=1, met=(SENT_MAEVE,))


def test_what_the_service_does_not_know_yet_is_not_taken_back() -> None:
    visit = replace(HIS, approached=1, met=(SENT_MAEVE,), untold=1)
    assert as_told(visit, 0, [], (), None) == visit
    assert as_told(visit, 0, [], (), [MAEVE.id]) == replace(visit, approached=0)
    assert as_told(visit, 0, [], (), ()) == HIS


def test_who_was_sent_and_taken_back_is_in_no_conversation() -> None:
    state = play(opened(), (tap(SIGRID), at(NOON)))
    visit = state.visits[visit_id(1)]
    state = play(state, (heard(as_told(visit, 1, [SENT_SOREN], (), ())), at(NOON)))
    state, effects = step(state, heard(as_told(state.visits[visit.id], 0, [], (), ())), at(NOON + 1_000))
    assert effects == (NoteMet(visit.id, (), 0),)
    assert state.visits[visit.id] == visit


def test_a_name_and_a_need_are_said_with_consent_only() -> None:
    shy = replace(SOREN, consents=replace(SOREN.consents, name=False, need=False))
    both = Reason(ReasonKind.BOTH, ask=TopicId("webdev"), give=TopicId("sales"))
    assert came(replace(HIS, member=shy), both) == Met(SOREN.id, HIS.number, "", (TopicId("sales"),), Way.SENT)
    open_book = replace(SOREN, consents=replace(SOREN.consents, name=True, need=True))
    met = came(replace(HIS, member=open_book), both)
    assert (met.name, met.topics) == (SOREN.called, ("sales", "webdev"))


def test_visits_elsewhere_end_with_the_day_and_with_the_longest_stay() -> None:
    yesterday, today = clock(20_000, 12), clock(20_001, 12)
    long_ago = other_door(SOREN, now=Now("monday", NOON - RULES.max_stay_ms))
    of_yesterday = other_door(MAEVE, 2, now=Now("sunday", 0, yesterday))
    of_today = other_door(SIGRID, 3, now=Now("monday", NOON, today))
    state = play(opened(), (heard(long_ago, of_yesterday, of_today), at(NOON)))
    assert set(play(state, (TimePassed(), at(NOON, wall=today))).elsewhere.visits) == {of_today.id}


def test_a_badge_number_that_somebody_has_at_another_door_is_not_given() -> None:
    state = play(knowing(HIS, HERS), (tap(SIGRID), at(NOON)))
    assert [visit.number for visit in state.visits.values()] == [3]


def test_who_is_erased_is_gone_from_other_doors_too() -> None:
    assert knowing(HIS, HERS).elsewhere.visits.keys() == {HIS.id, HERS.id}
    state = play(knowing(HIS, HERS), (MemberRemoved(SOREN.id), at(NOON)))
    assert state.elsewhere.visits == {HERS.id: HERS}
    assert state.elsewhere.here == {MAEVE.id: HERS.id}


def test_a_start_keeps_what_is_known_of_other_doors() -> None:
    state = play(knowing(HIS), (Started(starts=8), at(NOON)))
    assert state.elsewhere.visits == {HIS.id: HIS}
    assert state.house is HOUSE


def test_a_full_zone_at_another_door_is_full_here() -> None:
    crowd = [other_door(replace(SOREN, id=f"x{n}"), n) for n in range(1, TABLE.capacity + 1)]
    state = play(knowing(*crowd), (tap(SIGRID), at(NOON)), (TimePassed(), at(NOON + RULES.match_deadline_ms)))
    assert state.visits[visit_id(1)].zone == LIBRARY.id


# The host, at any door


def test_a_veto_from_another_door_is_kept_here_and_an_answer_against_it_is_asked_anew() -> None:
    pair = pair_of(SIGRID.id, MAEVE.id)
    state = play(knowing(HERS), (tap(SIGRID), at(NOON)))
    state, effects = step(state, PresenceHeard(rulings=((pair, Ruling.VETO),)), at(NOON + 1))
    assert (effects, state.rulings) == ((SetRuling(pair, Ruling.VETO),), {pair: Ruling.VETO})
    found = MatchAnswered(visit_id(1), introduction(visit_id(1), HERS.id), TABLE.id)
    assert effects_of(state, found, at(NOON + 2)) == (FindMatch(visit_id(1)),)
    assert effects_of(state, PresenceHeard(rulings=((pair, Ruling.VETO),)), at(NOON + 2)) == ()
    state, effects = step(state, PresenceHeard(rulings=((pair, None),)), at(NOON + 3))
    assert (effects, state.rulings) == ((SetRuling(pair, None),), {})


def test_what_was_heard_of_two_who_are_not_known_here_is_taken_back_here() -> None:
    pair = pair_of(SIGRID.id, MAEVE.id)
    state = play(opened(), (PresenceHeard(rulings=((pair, Ruling.VETO),)), at(NOON)))
    assert effects_of(state, PairRuled(*pair, None), at(NOON + 1)) == (SetRuling(pair, None),)
    assert effects_of(state, PairRuled(*pair, Ruling.PIN), at(NOON + 1)) == ()


def maeve_and(*others: Visit) -> DoorState:
    """Return the state in which Maeve is here, whom nobody fitted, and others came in by another door."""
    return play(knowing(*others), (tap(MAEVE), at(NOON)), (MatchAnswered(visit_id(1), None, None), at(NOON)))


SIGRID_THERE = other_door(SIGRID, 3)
MAEVE_AND_SIGRID = pair_of(MAEVE.id, SIGRID.id)
PINNED = PresenceHeard(rulings=((MAEVE_AND_SIGRID, Ruling.PIN),))


def test_of_two_who_came_in_by_two_doors_and_are_to_meet_the_first_ones_door_alone_asks_wherever_it_was_said() -> None:
    assert MAEVE_AND_SIGRID[0] == MAEVE.id
    said_at_any_door = (PairRuled(SIGRID.id, MAEVE.id, Ruling.PIN), PairRuled(MAEVE.id, SIGRID.id, Ruling.PIN), PINNED)
    for pinned in said_at_any_door:
        after, effects = step(maeve_and(SIGRID_THERE), pinned, at(NOON + 1))
        assert effects[:2] == (SetRuling(MAEVE_AND_SIGRID, Ruling.PIN), OweMatch(visit_id(1)))
        assert after.asked[visit_id(1)].only == SIGRID.id
    hers = play(knowing(HERS), (tap(SIGRID), at(NOON)), (MatchAnswered(visit_id(1), None, None), at(NOON)))
    for pinned in said_at_any_door:
        assert effects_of(hers, pinned, at(NOON + 1)) == (SetRuling(MAEVE_AND_SIGRID, Ruling.PIN),), "the other door asks"
        neither = knowing(HERS, SIGRID_THERE)
        assert effects_of(neither, pinned, at(NOON)) == (SetRuling(MAEVE_AND_SIGRID, Ruling.PIN),), "their own door asks"


def test_a_pin_waits_for_who_comes_in_by_another_door_until_they_were_told_where_to_go() -> None:
    state = play(maeve_and(), (PINNED, at(NOON + 1)))
    state, effects = step(state, heard(replace(SIGRID_THERE, zone=None)), at(NOON + 2))
    assert effects == (), "their own door is just asking about them, and may choose her"
    after, effects = step(state, heard(SIGRID_THERE), at(NOON + 3))
    assert (effects[0], after.asked[visit_id(1)].only) == (OweMatch(visit_id(1)), SIGRID.id)
    after = play(after, (MatchAnswered(visit_id(1), None, None, number=1), at(NOON + 4)))
    assert effects_of(after, heard(SIGRID_THERE), at(NOON + 5)) == (), "what was asked in vain is not asked with all news"
    whole = PresenceHeard(open=(SIGRID_THERE,), whole=True, rulings=PINNED.rulings)
    assert effects_of(after, whole, at(NOON + 5)) == ()


def test_two_whom_the_other_door_has_introduced_by_the_time_it_is_heard_of_are_not_introduced_here_too() -> None:
    state = play(maeve_and(), (PINNED, at(NOON + 1)))
    over = PresenceHeard(open=(SIGRID_THERE,), rulings=((MAEVE_AND_SIGRID, None),))
    assert effects_of(state, over, at(NOON + 2)) == (SetRuling(MAEVE_AND_SIGRID, None),)
    maeve = state.visits[visit_id(1)]
    told = replace(maeve, approached=1, untold=1, met=(came(SIGRID_THERE, Reason(ReasonKind.OPEN)),))
    after = play(state, (heard(told, SIGRID_THERE), at(NOON + 2)))
    assert (after.asked, len(after.visits[visit_id(1)].met)) == ({}, 1), "the service is still to say that the pin is over"


def test_a_page_in_slices_is_one_page_for_a_pin() -> None:
    state = play(maeve_and(), (PINNED, at(NOON + 1)))
    told = replace(state.visits[visit_id(1)], approached=1, untold=1, met=(came(SIGRID_THERE, Reason(ReasonKind.OPEN)),))
    first, rest = PresenceHeard(open=(SIGRID_THERE,), more=True), heard(told)
    state, effects = step(state, first, at(NOON + 2))
    assert (effects, state.asked) == ((), {}), "the rest may say that she was sent to somebody here already"
    state = play(state, (rest, at(NOON + 2)))
    assert (state.asked, len(state.visits[visit_id(1)].met)) == ({}, 1)

    vain = play(
        maeve_and(HIS, SIGRID_THERE), (PINNED, at(NOON + 1)), (MatchAnswered(visit_id(1), None, None, number=1), at(NOON + 2))
    )
    whole = (PresenceHeard(open=(HIS,), whole=True, more=True), heard(SIGRID_THERE))
    for piece in whole * 2:
        vain, effects = step(vain, piece, at(NOON + 3))
        assert (effects, vain.asked) == ((), {}), "what was asked in vain is not asked with each whole page"

    back = play(vain, (PresenceHeard(closed=(SIGRID_THERE.id,)), at(NOON + 4)), (heard(SIGRID_THERE), at(NOON + 5)))
    assert back.asked[visit_id(1)].only == SIGRID.id, "but when she comes anew"

    waiting = play(maeve_and(HIS), (PINNED, at(NOON + 1)), (PresenceHeard(open=(HIS,), more=True), at(NOON + 2)))
    waiting = play(waiting, (heard(SIGRID_THERE), at(NOON + 2)))
    assert waiting.asked[visit_id(1)].only == SIGRID.id, "who comes with the last slice is not forgotten"


def test_nobody_is_asked_about_for_a_pin_who_wants_no_introduction_now() -> None:
    unwilling = (replace(SIGRID_THERE, mood=Mood.COFFEE), replace(SIGRID_THERE, confirmed=False))
    for visit in unwilling:
        assert play(maeve_and(visit), (PINNED, at(NOON + 1))).asked == {}
    coffee = play(maeve_and(SIGRID_THERE), (MoodChosen(MAEVE.id, Mood.COFFEE), at(NOON)))
    assert play(coffee, (PINNED, at(NOON + 1))).asked == {}


def test_a_pin_that_is_heard_while_one_of_the_two_is_being_asked_about_counts_for_that_question() -> None:
    state = play(knowing(SIGRID_THERE), (tap(MAEVE), at(NOON)))
    state, effects = step(state, PINNED, at(NOON + 1))
    assert effects == (SetRuling(MAEVE_AND_SIGRID, Ruling.PIN), FindMatch(visit_id(1)))
    earlier = MatchAnswered(visit_id(1), introduction(visit_id(1), HIS.id), TABLE.id)
    assert step(state, earlier, at(NOON + 2)) == (state, ())
    found = introduction(visit_id(1), SIGRID_THERE.id)
    after = play(state, (MatchAnswered(visit_id(1), found, TABLE.id, number=1), at(NOON + 3)))
    assert (after.rulings, [met.member for met in after.visits[visit_id(1)].met]) == ({}, [SIGRID.id])


def test_a_pin_from_another_door_introduces_two_who_are_both_of_this_one_and_have_not_met() -> None:
    pair = pair_of(SIGRID.id, SOREN.id)
    pinned = PresenceHeard(rulings=((pair, Ruling.PIN),))
    ids = {SIGRID.id: visit_id(1), SOREN.id: visit_id(3)}
    both = play(opened(), (tap(SIGRID), at(NOON)), (MatchAnswered(visit_id(1), None, None), at(NOON)), (tap(SOREN), at(NOON)))
    ids = {visit.member.id: visit.id for visit in both.visits.values()}
    strangers = play(both, (MatchAnswered(ids[SOREN.id], None, None), at(NOON)))
    assert effects_of(strangers, pinned, at(NOON + 1))[:2] == (SetRuling(pair, Ruling.PIN), OweMatch(ids[pair[0]]))
    found = introduction(ids[SOREN.id], ids[SIGRID.id])
    met = play(both, (MatchAnswered(ids[SOREN.id], found, TABLE.id), at(NOON)))
    assert effects_of(met, pinned, at(NOON + 1)) == (SetRuling(pair, Ruling.PIN),)
    assert effects_of(knowing(HERS), PresenceHeard(rulings=((pair_of(SIGRID.id, MAEVE.id), Ruling.PIN),)), at(NOON)) == (
        SetRuling(pair_of(SIGRID.id, MAEVE.id), Ruling.PIN),
    )


def test_a_ruling_outlives_a_visit_here_when_its_visitor_came_in_by_another_door() -> None:
    pair = pair_of(SIGRID.id, SOREN.id)
    state = play(opened(), (tap(SOREN), at(NOON)), (PairRuled(SIGRID.id, SOREN.id, Ruling.VETO), at(NOON)))
    gone = PresenceHeard(closed=(visit_id(1),))
    assert play(state, (heard(HIS), at(NOON)), (gone, at(NOON))).rulings == {pair: Ruling.VETO}
    assert play(state, (gone, at(NOON))).rulings == {}


def test_what_was_decided_about_visitors_of_another_door_ends_with_their_day_though_nobody_tells_of_it() -> None:
    pair, kept = pair_of(SOREN.id, MAEVE.id), pair_of(SIGRID.id, MAEVE.id)
    rulings = PresenceHeard(rulings=((pair, Ruling.VETO), (kept, Ruling.VETO)))
    stay_ms = RULES.max_stay_ms
    state = play(knowing(HIS, HERS), (rulings, at(NOON)), (tap(SIGRID), at(NOON + stay_ms - 1)))
    assert state.rulings == {pair: Ruling.VETO, kept: Ruling.VETO}
    state, effects = step(state, TimePassed(), at(NOON + stay_ms))
    assert SetRuling(pair, None) in effects
    assert state.rulings == {kept: Ruling.VETO}, "one of them is here"


def test_a_door_that_starts_knows_what_was_decided_about_its_own_visitors_only() -> None:
    own, others = pair_of(SIGRID.id, MAEVE.id), pair_of(SOREN.id, MAEVE.id)
    state = play(opened(), (tap(SIGRID), at(NOON)))
    visits = tuple(state.visits.values())
    both = ((own, Ruling.VETO), (others, Ruling.PIN))
    fresh, effects = step(DoorState(HOUSE), Started(visits=visits, rulings=both), at(NOON + 1))
    assert (fresh.rulings, effects) == ({own: Ruling.VETO}, (SetRuling(others, None),))
    reloaded, effects = step(DoorState(HOUSE, elsewhere=knowing(HIS).elsewhere), Started(rulings=both), at(NOON + 1))
    assert (reloaded.rulings, effects) == ({others: Ruling.PIN}, (SetRuling(own, None),))
