"""Whole terminals that share a simulated matching service."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from drivers.errors import DeviceRefused
from drivers.matching.fake import Propose
from drivers.matching.wire import CardBound, MatchSettled, Presence, Proposal, VisitClosed, VisitOpened, ZonesSet
from firmware_py.matching.calls import ASK, JOURNAL, LANES, NEWS
from firmware_py.office import CommandError
from firmware_py.terminal.supervise import Health
from kiosk.effects import Answer, Ending, FindMatch, SettleMatch
from kiosk.events import MatchAnswered, MatchFailed
from kiosk.jobs import JobState
from kiosk.signals import Signal
from kiosk.values import Introduction, MemberId, Reason, ReasonKind, TopicId, VisitId, ZoneId
from tests.firmware_py.matching.doors import Cafe, Gate, SharedDoor, first_other, proposal, settled
from tests.firmware_py.terminal.harness import PATIENCE_S, person

LONG_MS = 60_000
"""A deadline that no test waits for."""


@pytest.fixture
def cafe(tmp_path: Path) -> Iterator[Cafe]:
    with Cafe(tmp_path, people=60) as cafe:
        yield cafe


@pytest.fixture
def doors(cafe: Cafe) -> Iterator[tuple[SharedDoor, SharedDoor]]:
    with ExitStack() as stack:
        front = stack.enter_context(cafe.door("front"))
        back = stack.enter_context(cafe.door("back"))
        stack.callback(cafe.hand.gone)
        for door in (front, back):
            door.until_known(1, 60)
        yield front, back


def test_a_member_whom_the_service_told_of_is_known_by_their_card_and_all_that_happens_is_reported(
    cafe: Cafe, doors: tuple[SharedDoor, SharedDoor]
) -> None:
    front, _ = doors
    front.tap(1)
    front.until_jobs(JobState.CONFIRMED)
    visit = front.visit(1)
    assert visit is not None
    front.until(lambda door: door.outbox() == [])
    facts = [fact for fact in cafe.hand.facts if fact.source.startswith("front-")]
    kinds = [type(fact.what) for fact in facts]
    assert kinds == [ZonesSet, VisitOpened, MatchSettled]
    assert [fact.seq for fact in facts] == sorted(fact.seq for fact in facts)
    assert cafe.hand.here[visit.id].zone == visit.zone
    assert cafe.hand.zones == front.config.zones


def test_two_doors_see_each_others_visitors(doors: tuple[SharedDoor, SharedDoor]) -> None:
    front, back = doors
    began = time.monotonic()
    front.tap(1)
    back.until(lambda door: door.state.partners())
    print(f"seen at the other door after {(time.monotonic() - began) * 1000:.0f} ms")
    back.tap(2)
    back.until_answered(Signal.INTRODUCED)
    told = settled(back, 2)
    assert told is not None
    assert told.partner == person(1).id
    front.until(lambda door: (visit := door.visit(1)) is not None and visit.approached == 1)
    front.until(lambda door: door.state.occupancy() == back.state.occupancy())
    assert back.call("status")["elsewhere"] == 1


def test_a_visit_that_began_at_one_door_ends_at_the_other(cafe: Cafe) -> None:
    with ExitStack() as stack:
        front = stack.enter_context(cafe.door("front", checkout_after_s=0.001, double_tap_s=0.001))
        back = stack.enter_context(cafe.door("back", checkout_after_s=0.001, double_tap_s=0.001))
        stack.callback(cafe.hand.gone)
        front.until_known(1)
        back.until_known(1)
        front.tap(1)
        back.until(lambda door: door.state.elsewhere.visit_of(person(1).id) is not None)
        back.tap(1)
        back.until_answered(Signal.GOODBYE)
        front.until(lambda door: door.visit(1) is None)
        assert cafe.hand.here == {}
        (closed,) = [fact.what for fact in cafe.hand.facts if isinstance(fact.what, VisitClosed)]
        assert closed.why is Ending.TAPPED


def test_the_services_proposal_is_what_the_visitor_is_told(cafe: Cafe, doors: tuple[SharedDoor, SharedDoor]) -> None:
    front, back = doors
    cafe.hand.propose = first_other
    front.tap(1)
    front.until_answered(Signal.NOT_YET)
    back.tap(3)  # whom the engine would not send to somebody who seeks the same
    back.until_answered(Signal.INTRODUCED)
    told = settled(back, 3)
    assert told is not None
    assert told.introduction is not None
    assert (told.partner, told.introduction.score, told.zone) == (person(1).id, 777, "library")
    assert back.seen.of(MatchFailed) == []
    back.until(lambda door: door.outbox() == [])
    facts = [fact.what for fact in cafe.hand.facts if isinstance(fact.what, MatchSettled)]
    assert [(fact.member, fact.partner) for fact in facts] == [("p1", None), ("p3", "p1")]


def test_the_light_never_waits_for_the_service_and_the_engine_answers_when_that_is_late(
    cafe: Cafe, doors: tuple[SharedDoor, SharedDoor]
) -> None:
    front, _ = doors
    front.tap(1)
    front.until_answered(Signal.NOT_YET)
    gate = Gate()
    cafe.hand.propose = gate
    front.tap(2)
    gate.reached.wait(PATIENCE_S)
    front.lights.until(lambda lights: lights.signals[-1] is Signal.WELCOME or Signal.INTRODUCED in lights.signals)
    front.until_answered(Signal.INTRODUCED)  # and the service still thinks
    order = [what for what in front.seen.of(object) if isinstance(what, Answer | FindMatch | MatchAnswered)]
    kinds = [each.signal if isinstance(each, Answer) else type(each) for each in order]
    assert kinds[-4:] == [Signal.WELCOME, FindMatch, MatchAnswered, Signal.INTRODUCED]
    front.tap(4)  # while its lane hangs, nobody waits for it
    front.until_answered(Signal.NOT_YET, 2)
    gate.open()
    cafe.hand.until(lambda hand: len(hand.asked) >= 2)
    assert len(front.seen.of(MatchAnswered)) == 3


@pytest.mark.parametrize("trouble", ["gone", "wrong", "garbage"])
def test_whatever_is_wrong_with_the_service_everybody_is_answered(
    cafe: Cafe, doors: tuple[SharedDoor, SharedDoor], trouble: str
) -> None:
    front, _ = doors
    getattr(cafe.hand, trouble)()
    front.tap(1, 2)
    front.until_answered(Signal.INTRODUCED)
    assert sorted(front.answers()) == [Signal.INTRODUCED, Signal.NOT_YET, Signal.WELCOME, Signal.WELCOME]
    front.until_health(NEWS, Health.DOWN)
    assert "the matching service can't be reached; the terminal chooses itself" in front.call("status")["line"]
    cafe.hand.well()
    for lane in LANES:
        front.until_health(lane, Health.UP)
    front.until(lambda door: door.outbox() == [])
    assert set(cafe.hand.here) == set(front.state.visits)


def test_a_refusal_is_told_to_staff_once_and_settled_when_it_is_over(cafe: Cafe, doors: tuple[SharedDoor, SharedDoor]) -> None:
    front, _ = doors
    cafe.hand.wrong()
    front.until(lambda door: door.call("notices.list"))
    front.until_health(NEWS, Health.DOWN)
    (notice,) = front.call("notices.list")
    assert notice["notice"] == "service_refused"
    assert "another venue" in notice["detail"]
    assert isinstance(front.watched(NEWS).error, DeviceRefused)
    cafe.hand.well()
    front.until(lambda door: door.call("notices.list") == [])


def stranger(asked: Presence) -> Presence:
    return replace(asked, visit=VisitId("t9-z-1"), member=MemberId("nobody"))


NONSENSE: dict[str, Propose] = {
    "another visit": lambda *_: Proposal(visit=VisitId("t9-z-1"), zone=ZoneId("library")),
    "oneself": lambda asked, _: proposal(asked.visit, asked),
    "a stranger": lambda asked, _: proposal(asked.visit, stranger(asked)),
    "nobody there": lambda asked, _: replace(proposal(asked.visit, stranger(asked)), partner=None),
    "another's introduction": lambda asked, here: replace(
        proposal(VisitId("t9-z-1"), next(each for each in here if each.visit != asked.visit)), visit=asked.visit
    ),
    "left to the terminal": lambda *_: None,
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_a_proposal_that_can_not_be_is_left_to_the_engine(cafe: Cafe, doors: tuple[SharedDoor, SharedDoor], kind: str) -> None:
    front, _ = doors
    front.tap(1)
    front.until_answered(Signal.NOT_YET)
    cafe.hand.propose = NONSENSE[kind]
    front.tap(2)
    front.until_answered(Signal.INTRODUCED)
    told = settled(front, 2)
    assert told is not None
    assert told.partner == person(1).id
    assert len(cafe.hand.asked) == 2


def test_what_a_badge_says_is_worked_out_here_and_not_taken_from_outside(
    cafe: Cafe, doors: tuple[SharedDoor, SharedDoor]
) -> None:
    front, _ = doors
    front.tap(1)
    front.until_answered(Signal.NOT_YET)

    def betray(asked: Presence, here: object) -> Proposal:
        assert isinstance(here, list)
        found = proposal(asked.visit, next(each for each in here if each.visit != asked.visit))
        assert found.introduction is not None
        secret = Introduction(
            asked.visit,
            found.introduction.partner,
            Reason(ReasonKind.BOTH, ask=TopicId("unknown"), give=TopicId("jobbsokning")),
            ZoneId("moon"),
            1,
        )
        return replace(found, introduction=secret, zone=ZoneId("moon"))

    cafe.hand.propose = betray
    front.tap(2)
    front.until_answered(Signal.INTRODUCED)
    told = settled(front, 2)
    assert told is not None
    assert told.introduction is not None
    assert told.zone in {"library", "window"}
    assert (told.introduction.reason.ask, told.introduction.reason.give) == ("webdev", "dataanalys")


def test_with_the_cable_out_all_goes_on_and_afterwards_both_sides_agree(
    cafe: Cafe, doors: tuple[SharedDoor, SharedDoor]
) -> None:
    front, back = doors
    front.tap(1)
    back.until(lambda door: door.state.partners())
    front.until(lambda door: door.outbox() == [])
    cafe.hand.gone()
    for door in doors:
        door.until_health(NEWS, Health.DOWN)
    before = len(cafe.hand.facts)
    front.tap(*range(2, 32))
    back.tap(*range(32, 61))
    front.until(lambda door: len(door.seen.of(SettleMatch)) == 31)
    back.until(lambda door: len(door.seen.of(SettleMatch)) == 29)
    for number in range(2, 12):
        front.call("visits.leave", member=f"p{number}")
    assert len(cafe.hand.facts) == before
    assert len(front.outbox()) >= 30 * 2 + 10
    cafe.hand.well()
    for door in doors:
        door.until(lambda each: each.outbox() == [] and each.watched(JOURNAL).health is Health.UP)
    everybody = {**front.state.visits, **back.state.visits}
    assert set(cafe.hand.here) == set(everybody)
    assert len(everybody) == 1 + 20 + 29
    front.until(lambda door: set(door.state.elsewhere.visits) == set(back.state.visits))
    back.until(lambda door: set(door.state.elsewhere.visits) == set(front.state.visits))
    facts = cafe.hand.facts
    assert len({fact.id for fact in facts}) == len(facts)
    opened = [fact.what.presence.visit for fact in facts if isinstance(fact.what, VisitOpened)]
    assert len(opened) == len(set(opened)) == 60
    met = [tuple(sorted((f.what.member, f.what.partner))) for f in facts if isinstance(f.what, MatchSettled) and f.what.partner]
    assert met
    assert len(met) == len(set(met))
    for source in {fact.source for fact in facts}:
        order = [fact.seq for fact in facts if fact.source == source]
        assert order == sorted(order)


def test_what_was_acknowledged_but_not_forgotten_is_told_again_and_does_no_harm(cafe: Cafe) -> None:
    with cafe.door("front") as front, ExitStack() as stack:
        stack.callback(cafe.hand.gone)
        front.until_known(1)
        cafe.hand.gone()
        front.until_health(NEWS, Health.DOWN)
        front.tap(1)
        front.until_answered(Signal.NOT_YET)
    with cafe.door("front") as front, ExitStack() as stack:  # in another life
        stack.callback(cafe.hand.gone)
        cafe.hand.well()
        front.until(lambda door: door.outbox() == [])
        assert [fact.what.presence.member for fact in cafe.hand.facts if isinstance(fact.what, VisitOpened)] == ["p1"]
        assert set(cafe.hand.here) == set(front.state.visits)


def test_a_visit_that_ended_elsewhere_while_this_door_was_off_ends_at_its_start(cafe: Cafe) -> None:
    with cafe.door("front") as front, ExitStack() as stack:
        stack.callback(cafe.hand.gone)
        front.until_known(1)
        front.tap(1)
        front.until_answered(Signal.NOT_YET)
        front.until(lambda door: door.outbox() == [] and len(cafe.hand.here) == 1)
    cafe.hand.well()
    (visit,) = cafe.hand.here
    with cafe.hand.changed:
        cafe.hand._close(visit)
    with cafe.door("front") as front, ExitStack() as stack:
        stack.callback(cafe.hand.gone)
        front.until(lambda door: door.state.visits == {})


def test_a_service_that_lost_what_it_knew_is_told_again_who_is_here(cafe: Cafe, doors: tuple[SharedDoor, SharedDoor]) -> None:
    front, back = doors
    front.tap(1)
    back.until(lambda door: door.state.elsewhere.visits)
    front.until(lambda door: door.outbox() == [])
    with cafe.hand.changed:
        cafe.hand._here.clear()
        cafe.hand._floor = cafe.hand._version = 2  # an old copy of its database
    cafe.hand.admit(person(5))
    front.until(lambda door: set(cafe.hand.here) == set(door.state.visits))
    assert len(front.state.visits) == 1


def test_a_card_enrolled_at_one_door_is_known_at_the_other_and_a_blocked_one_is_blocked_there(
    cafe: Cafe, doors: tuple[SharedDoor, SharedDoor]
) -> None:
    front, back = doors
    cafe.hand.admit(person(77))
    front.call("cards.list", member="p1")
    front.call("cards.bind", member="p1", uid="04aabbccddeeff")
    cafe.hand.until(lambda hand: any(isinstance(fact.what, CardBound) for fact in hand.facts))
    back.touch("04aabbccddeeff")
    back.until_answered(Signal.UNKNOWN_CARD)  # whereupon it asks the service again
    back.until(lambda door: len(door.call("cards.list", member="p1")) == 2)
    front.call("cards.block", of="p1")
    cafe.hand.until(lambda hand: sum(isinstance(fact.what, CardBound) for fact in hand.facts) == 3)
    back.touch("01020304")
    back.until(lambda door: all(card["blocked"] for card in door.call("cards.list", member="p1")))


def test_a_tombstone_erases_who_is_here_too(cafe: Cafe, doors: tuple[SharedDoor, SharedDoor]) -> None:
    front, back = doors
    front.tap(1)
    back.until(lambda door: door.state.elsewhere.visits)
    cafe.hand.erase(person(1).id)
    for door in doors:
        door.touch("01020304")  # nobody's: the roster is asked for anew
        door.until(lambda each: not each.holds(1))
    assert front.state.visits == {}
    assert back.state.elsewhere.visits == {}


def test_the_members_are_the_services_own(doors: tuple[SharedDoor, SharedDoor]) -> None:
    front, _ = doors
    for command, arguments in (("members.put", {"members": []}), ("members.remove", {"member": "p1"})):
        with pytest.raises(CommandError, match="the matching service keeps this café's members"):
            front.call(command, **arguments)


def test_nobody_is_asked_twice_about_one_answer(cafe: Cafe, doors: tuple[SharedDoor, SharedDoor]) -> None:
    """A proposal of somebody who leaves in that moment is not asked for again and again."""
    front, _ = doors
    front.tap(1)
    front.until_answered(Signal.NOT_YET)
    cafe.hand.propose = lambda asked, here: proposal(asked.visit, next(each for each in here if each.member == "p1"))
    front.call("visits.mood", member="p1", mood="coffee")
    front.tap(2)
    front.until_answered(Signal.NOT_YET, 2)
    assert [presence.member for presence in cafe.hand.asked] == ["p1", "p2"]


def test_whom_the_host_decided_about_is_matched_here(cafe: Cafe, doors: tuple[SharedDoor, SharedDoor]) -> None:
    front, _ = doors
    front.tap(1)
    front.until_answered(Signal.NOT_YET)
    front.call("match.veto", one="p1", other="p2")
    cafe.hand.propose = first_other
    front.tap(2)
    front.until_answered(Signal.NOT_YET, 2)
    assert [presence.member for presence in cafe.hand.asked] == ["p1"]


def test_without_a_service_there_is_nothing_of_it(tmp_path: Path) -> None:
    from tests.firmware_py.terminal.harness import Door

    with Door(tmp_path) as door:
        door.tap(1)
        door.until_answered(Signal.NOT_YET)
        assert not set(LANES) & {device["name"] for device in door.call("status")["devices"]}
        assert ASK not in door.terminal._supervisor.watched
