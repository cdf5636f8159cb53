"""What visitors say they want at the door: pressed after a tap or before it, and whose visit that touches."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from kiosk.door import Chosen, DoorState, Tapped, can_choose, next_deadline, step
from kiosk.effects import Answer, CloseVisit, Ending, FindMatch, OpenVisit, OweMatch, SetMood, SettleMatch
from kiosk.events import (
    CardTapped,
    EnrolmentAsked,
    MatchAnswered,
    MemberCheckedIn,
    MemberLeft,
    MoodPressed,
    MoodTakenBack,
    TimePassed,
)
from kiosk.signals import Signal
from kiosk.values import CardId, Language, Member, Mood, Visit
from tests.kiosk.matching.people import LIBRARY, TABLE
from tests.kiosk.rig import (
    ALONE,
    BACK,
    DOOR,
    MAEVE,
    RULES,
    SIGRID,
    SOREN,
    TEXTS,
    at,
    effects_of,
    introduction,
    opened,
    play,
    said,
    tap,
    visit_id,
)

NOON = 10_000
SOON = NOON + RULES.choose_ms - 1
LATE = NOON + RULES.choose_ms
FIRST = Visit(id=visit_id(1), number=1, member=SIGRID, opened=at(NOON))
COFFEE, GROUP, INTRODUCE = (MoodPressed(mood, DOOR) for mood in (Mood.COFFEE, Mood.GROUP, Mood.INTRODUCE))
"""Pressed on buttons beside the reader."""


def told(key: str, someone: str = "Sigrid", reader: str = DOOR) -> Answer:
    """Return the answer with that sentence, to the first visitor of the day."""
    words = TEXTS.say(Language.SV, f"answer.{key}", where="").strip()
    return Answer(reader, Signal.ALREADY_HERE, Language.SV, f"Hej {someone}! {words}", visit_id(1))


def waiting(key: str) -> Answer:
    """Return the answer to a press that waits for a card."""
    return Answer(DOOR, Signal.USE_CARD, Language.SV, TEXTS.say(Language.SV, f"answer.chosen_{key}"))


def welcome(key: str, someone: Member = SIGRID) -> Answer:
    """Return the first visitor's welcome, which says as well what became of what they pressed."""
    plain = said(Signal.WELCOME, someone)
    noted = TEXTS.say(someone.language, f"answer.{key}", where="").strip()
    return replace(plain, words=f"{plain.words} {noted}")


def seated() -> DoorState:
    """Return the state in which Sigrid has come, and nobody suits her yet."""
    return play(opened(), (tap(SIGRID), at(NOON)), (MatchAnswered(FIRST.id, None, LIBRARY.id), at(NOON)))


# After a tap


def test_a_press_after_a_tap_is_for_the_visit_of_who_tapped_and_is_answered_where_they_stand() -> None:
    state = seated()
    visit = replace(state.visits[FIRST.id], mood=Mood.COFFEE)
    assert step(state, COFFEE, at(SOON)) == (
        replace(state, visits={FIRST.id: visit}),
        (SetMood(FIRST.id, Mood.COFFEE), told("mood_coffee")),
    )


def test_a_press_twenty_seconds_after_a_tap_is_for_the_next_one() -> None:
    state = seated()
    assert step(state, COFFEE, at(LATE)) == (
        replace(state, choices={DOOR: Chosen(Mood.COFFEE, LATE + RULES.choose_ms)}),
        (waiting("coffee"),),
    )


def test_of_two_who_tapped_the_last_one_is_meant() -> None:
    state = play(seated(), (tap(MAEVE), at(NOON + 5_000)))
    state, effects = step(state, GROUP, at(NOON + 6_000))
    assert [effect for effect in effects if isinstance(effect, SetMood)] == [SetMood(visit_id(3), Mood.GROUP)]
    assert state.visits[FIRST.id].mood is Mood.INTRODUCE


def test_a_press_is_for_who_tapped_at_the_reader_beside_it() -> None:
    state = play(seated(), (tap(MAEVE, BACK), at(NOON + 1_000)))
    state = play(state, (COFFEE, at(NOON + 2_000)))
    assert [visit.mood for visit in state.visits.values()] == [Mood.COFFEE, Mood.INTRODUCE]


def test_a_press_on_somebodys_own_page_is_for_nobody_else_however_late_it_comes() -> None:
    own = MoodPressed(Mood.COFFEE, DOOR, FIRST.id)
    state = play(seated(), (tap(MAEVE), at(NOON + 1_000)), (own, at(LATE + 60_000)))
    assert [visit.mood for visit in state.visits.values()] == [Mood.COFFEE, Mood.INTRODUCE]
    gone = play(seated(), (MemberLeft(SIGRID.id), at(NOON + 1)))
    assert step(gone, own, at(SOON)) == (gone, ())


def test_a_press_ahead_is_for_nobody_who_tapped_already() -> None:
    state = play(seated(), (MoodPressed(Mood.COFFEE, DOOR, ahead=True), at(SOON)))
    assert state.visits[FIRST.id].mood is Mood.INTRODUCE
    assert play(state, (tap(MAEVE, BACK), at(SOON + 1))).visits[visit_id(3)].mood is Mood.INTRODUCE
    assert play(state, (tap(MAEVE), at(SOON + 1))).visits[visit_id(3)].mood is Mood.COFFEE


def test_coffee_in_between_brings_nobody_new_to_who_was_introduced() -> None:
    state = play(
        seated(),
        (tap(MAEVE), at(NOON)),
        (MatchAnswered(visit_id(3), introduction(visit_id(3), FIRST.id), TABLE.id), at(NOON)),
    )
    for turn in range(5):
        state = play(state, (COFFEE, at(NOON + 10 * turn)))
        state, effects = step(state, INTRODUCE, at(NOON + 10 * turn + 5))
        assert SetMood(visit_id(3), Mood.INTRODUCE) in effects
        assert not any(isinstance(effect, OweMatch | FindMatch) for effect in effects)


def test_while_matching_is_asked_a_press_ends_the_question() -> None:
    state = play(opened(), (tap(SIGRID), at(NOON)))
    state, effects = step(state, COFFEE, at(NOON + 100))
    assert effects[:2] == (SetMood(FIRST.id, Mood.COFFEE), SettleMatch(FIRST.id, None, LIBRARY.id, SIGRID.id))
    assert state.asked == {}


def test_who_is_first_in_line_and_presses_for_an_introduction_is_asked_about_anew() -> None:
    assert effects_of(seated(), INTRODUCE, at(SOON)) == (OweMatch(FIRST.id), told("again"), FindMatch(FIRST.id))


def test_pressing_for_an_introduction_while_matching_is_asked_asks_nothing_more() -> None:
    state = play(opened(), (tap(SIGRID), at(NOON)))
    assert step(state, INTRODUCE, at(NOON + 100)) == (state, (told("mood_introduce"),))


def test_who_was_just_introduced_gets_nobody_else_however_often_they_press_for_it() -> None:
    state = play(
        seated(),
        (tap(MAEVE), at(NOON)),
        (MatchAnswered(visit_id(3), introduction(visit_id(3), FIRST.id), TABLE.id), at(NOON)),
    )
    for _ in range(5):
        after, effects = step(state, INTRODUCE, at(SOON))
        assert after == state
        assert effects[0] == said(Signal.ALREADY_HERE, MAEVE, TABLE, visit=visit_id(3))
        assert not any(isinstance(effect, OweMatch | FindMatch) for effect in effects)


def test_who_wants_coffee_and_then_company_after_all_is_asked_about() -> None:
    state = play(seated(), (COFFEE, at(NOON + 100)))
    assert effects_of(state, INTRODUCE, at(SOON))[:2] == (SetMood(FIRST.id, Mood.INTRODUCE), OweMatch(FIRST.id))


@pytest.mark.parametrize("press", [GROUP, INTRODUCE])
def test_who_agreed_to_no_introductions_is_told_to_ask_staff(press: MoodPressed) -> None:
    state = play(opened(), (tap(ALONE), at(NOON)))
    assert step(state, press, at(SOON)) == (state, (told("mood_ask", "Ebba"),))


def test_who_agreed_to_no_introductions_may_want_coffee() -> None:
    state = play(opened(), (tap(ALONE), at(NOON)))
    assert SetMood(FIRST.id, Mood.COFFEE) in effects_of(state, COFFEE, at(SOON))


def test_after_an_unknown_card_or_a_check_out_a_press_is_for_nobody_who_was_here_before() -> None:
    for event in (CardTapped(DOOR, CardId("stranger")), tap(MAEVE)):
        state = play(opened(), (tap(MAEVE), at(0)), (MatchAnswered(visit_id(1), None, None), at(0)))
        late = RULES.checkout_after_ms
        state = play(state, (event, at(late)))
        assert state.tapped == {}
        assert step(state, COFFEE, at(late + 1)) == (
            replace(state, choices={DOOR: Chosen(Mood.COFFEE, late + 1 + RULES.choose_ms)}),
            (waiting("coffee"),),
        )


def test_who_left_through_staff_meanwhile_is_not_meant() -> None:
    state = play(seated(), (MemberLeft(SIGRID.id), at(NOON + 1)))
    assert effects_of(state, COFFEE, at(SOON)) == (waiting("coffee"),)


def test_staffs_check_in_is_nobody_at_the_door() -> None:
    state = play(opened(), (MemberCheckedIn(SIGRID), at(NOON)))
    assert state.tapped == {}
    assert effects_of(state, COFFEE, at(NOON + 1)) == (waiting("coffee"),)


# Before a tap


def test_a_press_before_the_check_in_is_the_visits_mood_and_stored_with_it() -> None:
    state = play(opened(), (COFFEE, at(NOON - 1_000)))
    after, effects = step(state, tap(SIGRID), at(NOON))
    assert after.choices == {}
    assert effects[:2] == (OpenVisit(replace(FIRST, mood=Mood.COFFEE)), welcome("mood_coffee"))
    assert not any(isinstance(effect, FindMatch) for effect in effects)


@pytest.mark.parametrize("mood", Mood)
@pytest.mark.parametrize("someone", [SIGRID, MAEVE, SOREN], ids=lambda each: each.language)
def test_who_comes_in_hears_at_that_tap_what_they_pressed_in_their_own_language(mood: Mood, someone: Member) -> None:
    state = play(opened(), (MoodPressed(mood, DOOR), at(NOON - 1_000)))
    assert welcome(f"mood_{mood}", someone) in effects_of(state, tap(someone), at(NOON))


def test_who_agreed_to_no_introductions_comes_in_as_ever_whatever_was_pressed_and_hears_whom_to_ask() -> None:
    state = play(opened(), (GROUP, at(NOON - 1_000)))
    assert effects_of(state, tap(ALONE), at(NOON))[:2] == (OpenVisit(replace(FIRST, member=ALONE)), welcome("mood_ask", ALONE))


def test_a_press_before_a_later_tap_changes_the_visit_and_is_no_check_out() -> None:
    later = NOON + RULES.checkout_after_ms
    state = play(seated(), (GROUP, at(later - 1_000)))
    after, effects = step(state, tap(SIGRID), at(later))
    assert effects[:1] == (SetMood(FIRST.id, Mood.GROUP),)
    assert after.visits[FIRST.id].mood is Mood.GROUP
    assert (after.choices, after.tapped) == ({}, {DOOR: Tapped(FIRST.id, later)})
    assert CloseVisit(FIRST.id, Ending.TAPPED) in effects_of(after, tap(SIGRID), at(later + RULES.double_tap_ms))


def test_a_press_is_for_one_tap_only() -> None:
    state = play(opened(), (COFFEE, at(NOON - 1_000)), (tap(SIGRID), at(NOON)), (tap(MAEVE), at(NOON + 1)))
    assert [visit.mood for visit in state.visits.values()] == [Mood.COFFEE, Mood.INTRODUCE]


def test_the_last_press_counts() -> None:
    state = play(opened(), (COFFEE, at(NOON - 1_000)), (GROUP, at(NOON - 500)))
    assert effects_of(state, tap(SIGRID), at(NOON))[0] == OpenVisit(replace(FIRST, mood=Mood.GROUP))


def test_a_press_waits_twenty_seconds() -> None:
    state = play(opened(), (COFFEE, at(NOON)))
    assert next_deadline(state) == LATE
    assert step(state, TimePassed(), at(LATE - 1)) == (state, ())
    assert step(state, TimePassed(), at(LATE)) == (replace(state, choices={}), ())
    assert effects_of(state, tap(SIGRID), at(LATE))[0] == OpenVisit(replace(FIRST, opened=at(LATE)))


def test_a_press_that_waits_can_be_taken_back() -> None:
    state = play(opened(), (COFFEE, at(NOON)))
    assert step(state, MoodTakenBack(DOOR), at(NOON + 1)) == (replace(state, choices={}), ())


def test_a_press_waits_on_while_strangers_tap_and_cards_lie_there() -> None:
    state = play(opened(), (COFFEE, at(NOON)), (CardTapped(DOOR, CardId("stranger")), at(NOON + 1)))
    state = play(state, (tap(MAEVE, BACK, lying=True), at(NOON + 2)))
    assert state.visits[visit_id(2)].mood is Mood.INTRODUCE
    assert state.choices == {DOOR: Chosen(Mood.COFFEE, LATE)}


def test_a_press_beside_no_reader_is_for_the_next_tap_at_any() -> None:
    for reader in (DOOR, BACK):
        state, effects = step(opened(), MoodPressed(Mood.COFFEE, None, ahead=True), at(NOON - 1_000))
        assert effects == (replace(waiting("coffee"), reader=None),)
        state = play(state, (tap(SIGRID, reader), at(NOON)))
        assert (state.visits[FIRST.id].mood, state.choices) == (Mood.COFFEE, {})
        assert play(state, (tap(MAEVE, reader), at(NOON + 1))).visits[visit_id(3)].mood is Mood.INTRODUCE


def test_a_press_beside_no_reader_is_for_who_tapped_last_at_any() -> None:
    state = play(seated(), (tap(MAEVE, BACK), at(NOON + 1_000)))
    state, effects = step(state, MoodPressed(Mood.COFFEE, None), at(NOON + 2_000))
    assert [visit.mood for visit in state.visits.values()] == [Mood.INTRODUCE, Mood.COFFEE]
    assert [effect.reader for effect in effects if isinstance(effect, Answer)] == [BACK]


@pytest.mark.parametrize("last", [CardTapped(BACK, CardId("stranger")), tap(MAEVE, BACK)])
def test_a_press_beside_no_reader_is_not_for_somebody_before_who_was_turned_away_or_went(last: CardTapped) -> None:
    later = NOON + RULES.checkout_after_ms
    came = ((tap(MAEVE, BACK), at(NOON)), (MatchAnswered(visit_id(2), None, LIBRARY.id), at(NOON)))
    state = play(seated(), *came, (tap(SIGRID), at(NOON + 10_000)), (last, at(later)))
    state = play(state, (MoodPressed(Mood.COFFEE, None), at(later + 1)))
    assert state.visits[FIRST.id].mood is Mood.INTRODUCE
    assert set(state.choices) == {None}


def test_a_press_for_ones_own_visit_takes_back_what_waited_there() -> None:
    state = play(seated(), (MoodPressed(Mood.COFFEE, DOOR, ahead=True), at(NOON + 1)))
    state = play(state, (MoodPressed(Mood.COFFEE, None, ahead=True), at(NOON + 2)), (GROUP, at(NOON + 3)))
    assert (set(state.choices), state.visits[FIRST.id].mood) == ({None}, Mood.GROUP)


# Two readers


COFFEE_AT_BACK = MoodPressed(Mood.COFFEE, BACK)
CHOSE_AT_BOTH = ((GROUP, at(NOON - 2_000)), (COFFEE_AT_BACK, at(NOON - 1_000)))


def moods_of(state: DoorState) -> dict[str, Mood]:
    """Return what each visitor wants."""
    return {visit.member.called: visit.mood for visit in state.visits.values()}


@pytest.mark.parametrize("readers", [(DOOR, BACK), (BACK, DOOR)])
def test_two_choose_at_two_readers_and_each_gets_their_own(readers: tuple[str, str]) -> None:
    own = {DOOR: Mood.GROUP, BACK: Mood.COFFEE}
    state = play(opened(), *CHOSE_AT_BOTH, (tap(SIGRID, readers[0]), at(NOON)), (tap(MAEVE, readers[1]), at(NOON + 1)))
    assert moods_of(state) == {"Sigrid": own[readers[0]], "Maeve": own[readers[1]]}
    assert state.choices == {}


def test_one_choice_that_is_taken_back_leaves_the_other() -> None:
    state = play(opened(), *CHOSE_AT_BOTH, (MoodTakenBack(None), at(NOON - 500)))
    assert set(state.choices) == {DOOR, BACK}
    state = play(state, (MoodTakenBack(BACK), at(NOON - 500)))
    state = play(state, (tap(MAEVE, BACK), at(NOON)), (tap(SIGRID), at(NOON + 1)))
    assert moods_of(state) == {"Maeve": Mood.INTRODUCE, "Sigrid": Mood.GROUP}


def test_one_choice_whose_time_is_up_leaves_the_other() -> None:
    state = play(opened(), *CHOSE_AT_BOTH)
    assert next_deadline(state) == SOON - 1_999
    state = play(state, (TimePassed(), at(SOON - 1_999)))
    assert next_deadline(state) == SOON - 999
    state = play(state, (tap(SIGRID), at(SOON - 1_000)), (tap(MAEVE, BACK), at(SOON - 1_000)))
    assert moods_of(state) == {"Sigrid": Mood.INTRODUCE, "Maeve": Mood.COFFEE}


def test_a_press_at_one_reader_for_ones_own_visit_leaves_what_waits_at_the_other() -> None:
    state = play(seated(), (COFFEE_AT_BACK, at(NOON + 1)), (GROUP, at(NOON + 2)))
    assert state.choices == {BACK: Chosen(Mood.COFFEE, LATE + 1)}


@pytest.mark.parametrize("own_first", [True, False])
def test_what_was_pressed_at_the_reader_comes_before_what_was_pressed_at_none(own_first: bool) -> None:
    presses = [(GROUP, at(NOON - 2_000)), (MoodPressed(Mood.COFFEE, None), at(NOON - 1_000))]
    state = play(opened(), *(presses if own_first else reversed(presses)))
    state = play(state, (tap(SIGRID), at(NOON)))
    assert set(state.choices) == {None}
    state = play(state, (tap(MAEVE), at(NOON + 1)), (tap(SOREN, BACK), at(NOON + 2)))
    assert moods_of(state) == {"Sigrid": Mood.GROUP, "Maeve": Mood.COFFEE, "Søren": Mood.INTRODUCE}


def test_when_a_readers_own_choice_is_too_old_the_one_for_any_counts() -> None:
    state = play(opened(), (GROUP, at(NOON)), (MoodPressed(Mood.COFFEE, None), at(NOON + 1)))
    assert moods_of(play(state, (tap(SIGRID), at(LATE)))) == {"Sigrid": Mood.COFFEE}


def test_a_second_tap_takes_no_choice_of_the_other_reader() -> None:
    state = play(seated(), (COFFEE_AT_BACK, at(NOON + 500)))
    assert effects_of(state, tap(SIGRID), at(NOON + 1_000)) == ()


# A second tap within the time of a double tap


def test_who_is_here_presses_and_taps_at_once_is_noted_once_and_nobody_goes_or_comes() -> None:
    state = play(seated(), (tap(SIGRID), at(NOON + 60_000)), (MoodPressed(Mood.COFFEE, DOOR, ahead=True), at(NOON + 61_000)))
    state, effects = step(state, tap(SIGRID), at(NOON + 62_000))
    assert effects[0] == SetMood(FIRST.id, Mood.COFFEE)
    assert told("mood_coffee").words in [effect.words for effect in effects if isinstance(effect, Answer)]
    assert not any(isinstance(effect, OpenVisit | CloseVisit) for effect in effects)
    assert state.choices == {}
    assert effects_of(state, tap(SIGRID), at(NOON + 62_500)) == ()


def test_a_card_that_is_read_again_and_again_takes_nobody_elses_choice() -> None:
    state = play(seated(), (tap(MAEVE, BACK), at(NOON + 1)))
    for ms in range(1_000, 41_000, 1_000):
        state = play(state, (tap(SIGRID), at(NOON + ms)))
    state = play(state, (MoodPressed(Mood.COFFEE, DOOR, ahead=True), at(NOON + 40_500)))
    assert effects_of(state, tap(SIGRID), at(NOON + 41_000)) == ()


def test_the_second_half_of_a_double_tap_never_brings_back_who_just_left() -> None:
    late = NOON + RULES.checkout_after_ms
    state = play(seated(), (tap(SIGRID), at(late)), (COFFEE, at(late + 500)))
    state, effects = step(state, tap(SIGRID), at(late + 1_000))
    assert (effects, state.visits, state.choices) == ((), {}, {DOOR: Chosen(Mood.COFFEE, late + 500 + RULES.choose_ms)})


def test_a_card_that_lies_there_and_one_that_staff_waits_for_take_nothing() -> None:
    state = play(seated(), (tap(MAEVE), at(NOON + 1)), (MoodPressed(Mood.COFFEE, DOOR, ahead=True), at(NOON + 2)))
    assert effects_of(state, tap(MAEVE, lying=True), at(NOON + 3)) == ()
    assert effects_of(play(state, (EnrolmentAsked(SIGRID.id, 1), at(NOON + 3))), tap(MAEVE), at(NOON + 4)) == ()


# What the screen offers


def test_a_mood_can_be_chosen_by_who_tapped_last_for_twenty_seconds() -> None:
    state = seated()
    assert can_choose(state, FIRST.id, at(SOON))
    assert not can_choose(state, FIRST.id, at(LATE))
    assert not can_choose(play(state, (tap(MAEVE), at(NOON + 1))), FIRST.id, at(NOON + 2))


def test_who_agreed_to_no_introductions_is_offered_no_choice() -> None:
    assert not can_choose(play(opened(), (tap(ALONE), at(NOON))), FIRST.id, at(NOON))


def test_a_press_tells_which_mood_and_nobody_in_the_ledger() -> None:
    assert COFFEE.fact() == {"mood": "coffee"}
