"""The screen by the door says what the badge says, in the words of the badge, and no more."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from kiosk.compose import compose
from kiosk.door import DoorState, step
from kiosk.effects import Answer, QueueBadge
from kiosk.events import CardTapped, CommitFailed, Event, MatchAnswered, MatchFailed, MemberCheckedIn, PrinterChanged
from kiosk.screen import Shown, shown
from kiosk.signals import Signal
from kiosk.values import CardId, Cause, Consents, Language, Now
from tests.kiosk.matching.people import LIBRARY, TABLE, member
from tests.kiosk.rig import (
    ALONE,
    DOOR,
    HOUSE,
    MAEVE,
    RULES,
    SIGRID,
    at,
    badge_of,
    introduction,
    opened,
    play,
    said,
    tap,
    visit_id,
)

NOON = 10_000
SHY = replace(SIGRID, consents=replace(SIGRID.consents, name=False))


def shows(state: DoorState, event: Event, now: Now) -> list[Shown]:
    """Return what the screen shows of one event."""
    after, effects = step(state, event, now)
    return [shown(state, after, effects, answer, now) for answer in effects if isinstance(answer, Answer)]


def asked(visitor: CardTapped, *, prints: bool = True) -> DoorState:
    """Return the state in which Sigrid sits in the library, and another visitor is asked about."""
    state = opened(replace(HOUSE, prints=prints))
    return play(state, (tap(SIGRID), at(0)), (MatchAnswered(visit_id(1), None, LIBRARY.id), at(0)), (visitor, at(NOON)))


def test_a_check_in_is_shown_at_once_by_name_and_the_mood_may_be_chosen() -> None:
    welcome = said(Signal.WELCOME, SIGRID)
    assert shows(opened(), tap(SIGRID), at(NOON)) == [
        Shown(
            reader=DOOR,
            signal=Signal.WELCOME,
            language=Language.SV,
            words=welcome.words,
            name="Sigrid",
            visit=visit_id(1),
            can_choose=True,
        )
    ]


@pytest.mark.parametrize("prints", [True, False])
def test_the_match_is_shown_with_the_same_visit_in_the_words_of_the_badge(*, prints: bool) -> None:
    state = asked(tap(MAEVE), prints=prints)
    visit = state.here[MAEVE.id]
    event = MatchAnswered(visit, introduction(visit, visit_id(1)), TABLE.id)
    (page,) = shows(state, event, at(NOON + 50))
    badge = compose(HOUSE, state.visits[visit], event.introduction, state.visits[visit_id(1)], None, at(NOON + 50))
    assert (page.visit, page.signal, page.zone, page.name) == (visit, Signal.INTRODUCED, TABLE.id, "Maeve")
    assert badge.introduction is not None
    meet = badge.introduction
    assert (page.partner, page.reason, page.starter) == ("Sigrid", meet.reason, meet.starter)


def test_the_lines_are_those_whose_turn_it_is_on_the_badge() -> None:
    for introductions in range(8):
        state = replace(asked(tap(MAEVE)), introductions=introductions)
        event = MatchAnswered(visit_id(3), introduction(visit_id(3), visit_id(1)), TABLE.id)
        _, effects = step(state, event, at(NOON + 50))
        (badge,) = (badge_of(effect.job) for effect in effects if isinstance(effect, QueueBadge))
        (page,) = shows(state, event, at(NOON + 50))
        assert badge.introduction is not None
        assert (page.reason, page.starter) == (badge.introduction.reason, badge.introduction.starter)


def test_not_yet_comes_with_the_badges_starter_for_anybody() -> None:
    state = play(opened(), (tap(SIGRID), at(NOON)))
    _, effects = step(state, MatchAnswered(visit_id(1), None, None), at(NOON + 50))
    (badge,) = (badge_of(effect.job) for effect in effects if isinstance(effect, QueueBadge))
    (page,) = shows(state, MatchAnswered(visit_id(1), None, None), at(NOON + 50))
    assert (page.partner, page.reason, page.starter, page.zone) == (None, None, badge.starter, LIBRARY.id)


@pytest.mark.parametrize(("prints", "cause"), [(True, None), (True, Cause.PAPER_OUT), (False, Cause.PAPER_OUT)])
def test_who_has_to_wait_for_their_badge_is_told_with_the_match_too(*, prints: bool, cause: Cause | None) -> None:
    state = play(opened(replace(HOUSE, prints=prints)), (PrinterChanged(cause), at(0)), (tap(SIGRID), at(NOON)))
    (page,) = shows(state, MatchAnswered(visit_id(1), None, None), at(NOON + 50))
    assert (page.signal, page.badge_later) == (Signal.NOT_YET, prints and cause is not None)


def test_who_agreed_to_no_name_is_greeted_without_one_and_met_by_number() -> None:
    (page,) = shows(opened(), tap(SHY), at(NOON))
    assert page.name is None
    assert "Sigrid" not in page.words
    state = play(opened(), (tap(SHY), at(0)), (MatchAnswered(visit_id(1), None, LIBRARY.id), at(0)), (tap(MAEVE), at(NOON)))
    (page,) = shows(state, MatchAnswered(visit_id(3), introduction(visit_id(3), visit_id(1)), TABLE.id), at(NOON))
    assert page.partner == HOUSE.texts.say(Language.EN, "reason.person_number", number=1)
    assert "Sigrid" not in f"{page}"


def test_who_goes_is_shown_by_name_once_more_and_may_choose_nothing() -> None:
    state = play(opened(), (tap(SIGRID), at(NOON)), (MatchAnswered(visit_id(1), None, None), at(NOON)))
    (page,) = shows(state, tap(SIGRID), at(NOON + RULES.checkout_after_ms))
    assert (page.signal, page.name, page.visit, page.can_choose) == (Signal.GOODBYE, "Sigrid", visit_id(1), False)


@pytest.mark.parametrize("event", [CardTapped(DOOR, CardId("stranger")), CommitFailed(DOOR)])
def test_of_a_stranger_and_of_a_fault_there_is_nothing_but_the_words(event: Event) -> None:
    (page,) = shows(opened(), event, at(NOON))
    assert page == Shown(reader=DOOR, signal=page.signal, language=Language.SV, words=page.words)
    assert page.words


def test_staffs_check_in_is_shown_at_no_reader() -> None:
    (page,) = shows(opened(), MemberCheckedIn(SIGRID), at(NOON))
    assert (page.reader, page.visit, page.can_choose) == (None, visit_id(1), False)


def test_several_who_are_settled_at_once_each_get_their_own_page() -> None:
    state = play(opened(), (tap(SIGRID), at(NOON)), (tap(MAEVE, "back"), at(NOON)))
    (first,) = shows(state, MatchFailed(visit_id(1)), at(NOON + 1))
    state = play(state, (MatchFailed(visit_id(1)), at(NOON + 1)))
    (second,) = shows(state, MatchFailed(visit_id(2)), at(NOON + 1))
    assert [(page.reader, page.visit, page.language) for page in (first, second)] == [
        (DOOR, visit_id(1), Language.SV),
        ("back", visit_id(2), Language.EN),
    ]


def test_a_name_of_nothing_but_spaces_is_no_name() -> None:
    blank = member("  ", consents=Consents(name=True, introductions=True))
    assert shows(opened(), tap(blank), at(NOON))[0].name is None
    assert shows(opened(), tap(ALONE), at(NOON))[0].name == "Ebba"
