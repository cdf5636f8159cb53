"""Whole terminals that share a simulated matching service."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from drivers.errors import DeviceRefused
from drivers.matching.fake import Propose
from drivers.matching.wire import (
    CardBound,
    Fact,
    GroupSettled,
    HostRuled,
    MatchSettled,
    MatchUndone,
    PairBlocked,
    Presence,
    Proposal,
    VisitClosed,
    VisitOpened,
    ZonesSet,
)
from firmware_py.clock import Clock
from firmware_py.demo import card_of
from firmware_py.ledger import Ledger
from firmware_py.matching import decide, shared
from firmware_py.matching.calls import ASK, JOURNAL, LANES, NEWS
from firmware_py.office import CommandError
from firmware_py.terminal.supervise import Health
from kiosk.effects import Answer, Ending, FindMatch, SetRuling, SettleGroup, SettleMatch
from kiosk.events import MatchAnswered, MatchFailed
from kiosk.jobs import JobState
from kiosk.signals import Signal
from kiosk.values import (
    Introduction,
    MemberId,
    Now,
    Pair,
    Reason,
    ReasonKind,
    Ruling,
    TopicId,
    VisitId,
    WallTime,
    ZoneId,
    pair_of,
)
from tests.firmware_py.matching.doors import Cafe, Gate, SharedDoor, first_other, proposal, settled
from tests.firmware_py.terminal import harness
from tests.firmware_py.terminal.harness import PATIENCE_S, person

LONG_MS = 60_000
"""A deadline that no test waits for."""


@pytest.fixture
def cafe(tmp_path: Path) -> Iterator[Cafe]:
    with Cafe(tmp_path, people=60, match_ms=LONG_MS) as cafe:
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
    front.until(lambda door: door.outbox() == [])
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
    cafe: Cafe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decide, "ENGINE_MS", LONG_MS)  # half of the time is the engine's
    with cafe.door("front", match_ms=5_000) as front, ExitStack() as stack:
        stack.callback(cafe.hand.gone)
        front.until_known(1, 60)
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
        shared = front.terminal._shared
        assert shared is not None
        front.until(lambda _: ASK not in shared._under_way)  # it has been heard, late
        assert front.error is None
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


def test_a_service_that_takes_no_reports_still_tells_who_is_on_the_roster_and_is_told_all_later(cafe: Cafe) -> None:
    cafe.hand.spurn()
    with cafe.door("front", double_tap_s=0.001) as front, ExitStack() as stack:
        stack.callback(cafe.hand.gone)
        front.until_known(1, 12)
        front.tap(1)
        front.until_answered(Signal.NOT_YET)
        front.until_health(JOURNAL, Health.DOWN)
        cafe.hand.admit(person(70))
        front.touch("01020304")  # nobody's card: the roster is asked for anew
        front.until(lambda door: door.holds(70))
        assert cafe.hand.facts == ()
        cafe.hand.well()
        front.until(lambda door: door.outbox() == [])
        assert set(cafe.hand.here) == set(front.state.visits)


def apart_at(door: SharedDoor, number: int) -> tuple[set[MemberId], set[MemberId]]:
    """Return whom a member has met, and whom they are never to meet, as the door has it."""
    with closing(door.terminal._ledger.reader()) as ledger:
        return set(ledger.met(person(number).id)), set(ledger.blocked(person(number).id))


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


def test_who_taps_while_the_roster_is_on_its_way_is_asked_for_again(
    cafe: Cafe, doors: tuple[SharedDoor, SharedDoor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "PULL_EVERY_MS", 3_600_000)
    front, _ = doors
    cafe.hand.hold_roster()
    front.touch("04aabbccddee01")
    front.until_answered(Signal.UNKNOWN_CARD)
    cafe.hand.until(lambda hand: hand.kept_waiting > 0, PATIENCE_S)
    cafe.admit([77])  # which the page that is under way does not tell
    front.touch(card_of(77).uid.hex())
    front.until_answered(Signal.UNKNOWN_CARD, 2)
    cafe.hand.well()
    front.until_known(77)


def test_a_tombstone_erases_who_is_here_too(cafe: Cafe, doors: tuple[SharedDoor, SharedDoor]) -> None:
    front, back = doors
    front.tap(1)
    back.until(lambda door: door.state.elsewhere.visits)
    cafe.hand.erase(person(1).id)
    for door in doors:
        door.touch("01020304")  # nobody's: the roster is asked for anew
        door.until(lambda each: not each.holds(1))
    assert front.state.visits == {}
    back.until(lambda door: door.state.elsewhere.visits == {})


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


ONE_AND_TWO = pair_of(person(1).id, person(2).id)


def test_a_veto_made_at_one_door_holds_at_the_other_until_it_is_taken_back_there(
    cafe: Cafe, doors: tuple[SharedDoor, SharedDoor]
) -> None:
    front, back = doors
    front.call("visits.checkin", member="p1")
    back.until(lambda door: door.state.partners())
    back.call("match.veto", one="p1", other="p2")  # neither came in by this door
    front.until(lambda door: door.state.rulings == {ONE_AND_TWO: Ruling.VETO})
    assert front.call("match.rulings") == [{"one": "p1", "other": "p2", "ruling": "veto"}]
    front.call("match.veto", one="p2", other="p1")  # which is no news
    cafe.hand.propose = first_other
    front.call("visits.checkin", member="p2")
    front.until(lambda door: settled(door, 2))
    assert (told := settled(front, 2)) is not None
    assert told.partner is None
    front.call("match.unveto", one="p1", other="p2")
    back.until(lambda door: door.state.rulings == {})
    facts = [fact.what for fact in cafe.hand.facts if isinstance(fact.what, HostRuled)]
    assert [fact.ruling for fact in facts] == [Ruling.VETO, None]


def test_a_pin_made_at_one_door_introduces_two_who_came_in_by_the_other(
    cafe: Cafe, doors: tuple[SharedDoor, SharedDoor]
) -> None:
    front, back = doors
    for number in (1, 3):  # who have nothing to give each other
        front.call("visits.checkin", member=f"p{number}")
    front.until(lambda door: settled(door, 3))
    back.until(lambda door: len(door.state.partners()) == 2)
    assert back.call("match.pin", one="p1", other="p3")["both_here"]
    front.seen.until(SettleMatch, lambda each: each.partner is not None)
    for door in doors:
        door.until(lambda each: each.state.rulings == {})
    assert cafe.hand.rulings == {}
    assert [each.partner for door in doors for each in door.seen.of(SettleMatch)].count(None) == 2, "once, and by one door"


@pytest.mark.parametrize("said_at", ["front", "back", "side"])
def test_of_two_of_two_doors_who_are_to_meet_the_first_is_asked_about_at_once_wherever_it_was_said(
    cafe: Cafe, doors: tuple[SharedDoor, SharedDoor], said_at: str
) -> None:
    front, back = doors
    with ExitStack() as stack:
        side = stack.enter_context(cafe.door("side")) if said_at == "side" else None
        stack.callback(cafe.hand.gone)
        front.call("visits.checkin", member="p1")
        back.call("visits.checkin", member="p3")
        door = side or (front if said_at == "front" else back)
        door.until_known(1, 3)
        front.until(lambda door: settled(door, 1))
        back.until(lambda door: settled(door, 3))
        here = {visit for each in doors for visit in each.state.visits}
        for each in (door, front):
            each.until(lambda door: door.state.partners().keys() == here)
        assert door.call("match.pin", one="p3", other="p1") == {"pinned": ["p3", "p1"], "both_here": True, "apart": None}
        (told,) = front.seen.until(SettleMatch, lambda each: each.partner is not None)
        assert (told.member, told.partner) == ("p1", "p3")
        for each in {front, back, door}:
            each.until(lambda door: door.state.rulings == {} and door.outbox() == [])
        assert cafe.hand.rulings == {}
        assert [each.partner for each in back.seen.of(SettleMatch)] == [None], "once, and by one door"


def test_two_who_are_to_meet_are_introduced_once_by_whichever_door_the_second_one_comes_in(
    doors: tuple[SharedDoor, SharedDoor],
) -> None:
    front, back = doors
    front.call("visits.checkin", member="p1")
    front.until(lambda door: settled(door, 1))
    assert not front.call("match.pin", one="p1", other="p3")["both_here"]
    back.until(lambda door: door.state.rulings and door.state.partners())
    back.call("visits.checkin", member="p3")
    (told,) = back.seen.until(SettleMatch)
    assert (told.member, told.partner) == ("p3", "p1")
    front.until(lambda door: door.state.rulings == {} and (visit := door.visit(1)) is not None and visit.met)
    assert [each.partner for each in front.seen.of(SettleMatch)] == [None]


def test_a_pin_that_a_door_hears_of_after_both_came_is_carried_out_when_its_cable_is_back(
    cafe: Cafe, doors: tuple[SharedDoor, SharedDoor]
) -> None:
    front, back = doors
    front.call("visits.checkin", member="p1")
    front.until(lambda door: settled(door, 1) and door.outbox() == [])
    cafe.hand.gone()
    for door in doors:
        door.until_health(NEWS, Health.DOWN)
    back.call("visits.checkin", member="p3")
    back.until(lambda door: settled(door, 3))
    back.call("match.pin", one="p1", other="p3")
    cafe.hand.well()
    (told,) = front.seen.until(SettleMatch, lambda each: each.partner is not None)
    assert (told.member, told.partner) == ("p1", "p3")


def test_what_was_decided_with_the_cable_out_holds_at_both_doors_afterwards(
    cafe: Cafe, doors: tuple[SharedDoor, SharedDoor]
) -> None:
    front, back = doors
    for number in (1, 3):
        front.call("visits.checkin", member=f"p{number}")
    back.until(lambda door: len(door.state.partners()) == 2)
    front.call("match.veto", one="p3", other="p4")
    back.until(lambda door: len(door.state.rulings) == 1)
    front.until(lambda door: door.outbox() == [])
    cafe.hand.gone()
    for door in doors:
        door.until_health(NEWS, Health.DOWN)
    front.call("match.veto", one="p1", other="p2")
    back.call("match.unveto", one="p3", other="p4")
    assert front.state.rulings.keys() == {ONE_AND_TWO, pair_of(person(3).id, person(4).id)}
    assert back.state.rulings == {}
    cafe.hand.well()
    for door in doors:
        door.until(lambda each: each.state.rulings == {ONE_AND_TWO: Ruling.VETO})
    assert cafe.hand.rulings == {ONE_AND_TWO: Ruling.VETO}


def test_what_a_door_is_still_to_report_stands_until_it_has(cafe: Cafe, doors: tuple[SharedDoor, SharedDoor]) -> None:
    front, back = doors
    front.call("visits.checkin", member="p1")
    front.until(lambda door: door.outbox() == [])
    cafe.hand.spurn()
    front.call("match.veto", one="p1", other="p2")
    one_and_four = pair_of(person(1).id, person(4).id)
    for pair in (ONE_AND_TWO, one_and_four):
        with cafe.hand.changed:
            cafe.hand._rule(pair, Ruling.PIN)  # said at some other door
    front.until(lambda door: one_and_four in door.state.rulings)
    assert front.state.rulings == {ONE_AND_TWO: Ruling.VETO, one_and_four: Ruling.PIN}
    back.until(lambda door: door.state.rulings == {ONE_AND_TWO: Ruling.PIN, one_and_four: Ruling.PIN})
    cafe.hand.well()
    back.until(lambda door: door.state.rulings == front.state.rulings)


@pytest.mark.parametrize("older", [True, False], ids=["an older page", "a newer page"])
def test_a_page_that_was_asked_for_before_a_door_s_own_word_undoes_that_only_if_it_is_newer(
    cafe: Cafe, doors: tuple[SharedDoor, SharedDoor], *, older: bool
) -> None:
    front, _ = doors
    front.call("visits.checkin", member="p1")
    front.until(lambda door: settled(door, 1) and door.outbox() == [])
    one_and_four, one_and_five = (pair_of(person(1).id, person(each).id) for each in (4, 5))

    def said_elsewhere(pair: Pair) -> None:
        with cafe.hand.changed:
            cafe.hand._rule(pair, Ruling.PIN)

    cafe.hand.hold_news(made=older)
    said_elsewhere(ONE_AND_TWO if older else one_and_four)  # which ends the waiting for news
    cafe.hand.until(lambda hand: hand.kept_waiting == len(doors), PATIENCE_S)
    front.call("match.veto", one="p1", other="p2")
    front.until(lambda door: door.outbox() == [])
    if not older:
        said_elsewhere(ONE_AND_TWO)
    cafe.hand.well()
    said_elsewhere(one_and_five)
    front.until(lambda door: one_and_five in door.state.rulings and door.state.rulings == cafe.hand.rulings)
    said = [each.ruling for each in front.seen.of(SetRuling) if each.pair == ONE_AND_TWO]
    assert said == ([Ruling.VETO] if older else [Ruling.VETO, Ruling.PIN])


def test_a_service_that_is_an_older_copy_is_told_again_what_was_decided_by_the_visitors_own_door(
    cafe: Cafe, doors: tuple[SharedDoor, SharedDoor]
) -> None:
    front, back = doors
    front.call("visits.checkin", member="p1")
    front.call("match.veto", one="p1", other="p2")
    back.until(lambda door: door.state.rulings)
    front.until(lambda door: door.outbox() == [])
    with cafe.hand.changed:
        cafe.hand._rulings.clear()
        cafe.hand._floor = cafe.hand._version = 2
    cafe.hand.admit(person(5))
    cafe.hand.until(lambda hand: hand.rulings == {ONE_AND_TWO: Ruling.VETO})
    reported = [fact.source for fact in cafe.hand.facts if isinstance(fact.what, HostRuled)]
    assert len(reported) == 2
    assert all(source.startswith("front-") for source in reported)


def test_what_the_service_has_forgotten_no_door_brings_back(cafe: Cafe, doors: tuple[SharedDoor, SharedDoor]) -> None:
    front, back = doors
    front.call("visits.checkin", member="p1")
    front.call("match.veto", one="p1", other="p2")
    back.until(lambda door: door.state.rulings)
    front.until(lambda door: door.outbox() == [])
    one_and_four = pair_of(person(1).id, person(4).id)
    with cafe.hand.changed:
        cafe.hand._rulings.clear()  # as when the day is over
        cafe.hand._rule(one_and_four, Ruling.VETO)
    cafe.hand.begin_anew()
    for door in doors:
        door.until(lambda each: one_and_four in each.state.rulings)
    assert front.state.rulings == {ONE_AND_TWO: Ruling.VETO, one_and_four: Ruling.VETO}, "its visitor is still here"
    back.until(lambda door: door.state.rulings == {one_and_four: Ruling.VETO})
    front.call("match.veto", one="p1", other="p3")
    cafe.hand.until(lambda hand: len(hand.rulings) == 2)
    assert cafe.hand.rulings == {one_and_four: Ruling.VETO, pair_of(person(1).id, person(3).id): Ruling.VETO}


def test_a_door_that_was_off_overnight_does_not_bring_back_what_was_decided(cafe: Cafe) -> None:
    with cafe.door("back") as back, ExitStack() as stack:
        stack.callback(cafe.hand.gone)
        back.until_known(1)
        with cafe.hand.changed:
            cafe.hand._rule(ONE_AND_TWO, Ruling.VETO)  # said at another door, where the two came in
        back.until(lambda door: door.state.rulings)
    cafe.hand.well()
    with cafe.hand.changed:
        cafe.hand._rulings.clear()
    cafe.hand.begin_anew()
    cafe.hand.gone()
    with cafe.door("back") as back, ExitStack() as stack:
        stack.callback(cafe.hand.gone)
        back.call("visits.checkin", member="p1")
        assert back.state.rulings == {}
        cafe.hand.well()
        back.until(lambda door: door.outbox() == [] and cafe.hand.here)
    assert [fact for fact in cafe.hand.facts if isinstance(fact.what, HostRuled)] == []


def test_the_simulated_service_keeps_what_was_decided_about_somebody_who_was_here_all_along(
    cafe: Cafe, doors: tuple[SharedDoor, SharedDoor]
) -> None:
    front, _ = doors
    front.call("visits.checkin", member="p1")
    front.call("match.veto", one="p1", other="p2")
    front.until(lambda door: door.outbox() == [])
    (visit,) = cafe.hand.here
    closed = VisitClosed(visit=visit, why=Ending.UNCONFIRMED)
    cafe.hand.take([Fact(id="f-1", source="f", seq=1, time_ms=None, what=closed)])
    assert (cafe.hand.here, cafe.hand.rulings) == ({}, {ONE_AND_TWO: Ruling.VETO})


def test_what_was_decided_about_somebody_who_is_not_on_the_roster_here_waits_for_them(
    cafe: Cafe, doors: tuple[SharedDoor, SharedDoor]
) -> None:
    front, _ = doors
    front.call("visits.checkin", member="p1")
    stranger = person(61)
    with cafe.hand.changed:
        cafe.hand._rule(pair_of(person(1).id, stranger.id), Ruling.VETO)
    front.until(lambda door: door.terminal._shared is not None and door.terminal._shared._unruled)
    assert front.state.rulings == {}
    cafe.admit([61])
    front.touch("01020304")  # nobody's: the roster is asked for anew
    front.until(lambda door: door.state.rulings == {pair_of(person(1).id, stranger.id): Ruling.VETO})
    cafe.hand.erase(stranger.id)
    front.touch("01020304")  # nobody's: the roster is asked for anew
    front.until(lambda door: door.state.rulings == {})


def test_who_came_in_by_another_door_hears_at_their_next_tap_who_was_sent_to_them_once(
    cafe: Cafe, doors: tuple[SharedDoor, SharedDoor]
) -> None:
    front, back = doors
    front.call("visits.checkin", member="p1")
    back.until(lambda door: door.state.partners())
    back.call("visits.checkin", member="p2")
    front.until(lambda door: (visit := door.visit(1)) is not None and visit.untold == 1)
    visit = front.visit(1)
    assert visit is not None
    assert visit.talks_until_ms is not None
    front.tap(1)
    (told,) = front.until_answered(Signal.ALREADY_HERE)
    assert person(2).first_name in told.words
    cafe.hand.until(lambda hand: [each.told for each in hand.here_sent(visit.id)] == [True])
    back.until(lambda door: (known := door.state.elsewhere.visit_of(person(1).id)) is not None and known.untold == 0)
    back.tap(1)
    (told,) = back.until_answered(Signal.ALREADY_HERE)
    assert person(2).first_name not in told.words


def test_who_hears_of_it_at_the_other_door_is_not_told_again_at_their_own(doors: tuple[SharedDoor, SharedDoor]) -> None:
    front, back = doors
    front.call("visits.checkin", member="p1")
    back.until(lambda door: door.state.partners())
    back.call("visits.checkin", member="p2")
    back.until(lambda door: settled(door, 2))
    back.tap(1)
    (told,) = back.until_answered(Signal.ALREADY_HERE)
    assert person(2).first_name in told.words
    front.until(lambda door: (visit := door.visit(1)) is not None and visit.met and visit.untold == 0)
    front.tap(1)
    (told,) = front.until_answered(Signal.ALREADY_HERE)
    assert person(2).first_name not in told.words


def test_a_swap_counts_for_nobody_at_any_door(cafe: Cafe, doors: tuple[SharedDoor, SharedDoor]) -> None:
    front, back = doors
    front.call("visits.checkin", member="p1")
    back.until(lambda door: door.state.partners())
    back.call("visits.checkin", member="p2")
    front.until(lambda door: (visit := door.visit(1)) is not None and visit.untold == 1)
    back.call("match.swap", member="p2")
    front.until(lambda door: (visit := door.visit(1)) is not None and visit.untold == 0)
    assert (visit := front.visit(1)) is not None
    assert (visit.approached, visit.met, visit.talks_until_ms) == (0, (), None)
    back.until(lambda door: door.outbox() == [])
    assert {each.member: (each.approached, each.introduced) for each in cafe.hand.here.values()} == {"p1": (0, 0), "p2": (0, 0)}
    (undone,) = [fact.what for fact in cafe.hand.facts if isinstance(fact.what, MatchUndone)]
    assert (undone.member, undone.partner) == ("p2", "p1")


def test_a_group_has_met_at_every_door(cafe: Cafe, doors: tuple[SharedDoor, SharedDoor]) -> None:
    front, back = doors
    for number in (1, 2, 3):
        front.call("visits.checkin", member=f"p{number}")
        front.call("visits.mood", member=f"p{number}", mood="group")
    front.seen.until(SettleGroup)
    cafe.hand.until(lambda hand: any(isinstance(fact.what, GroupSettled) for fact in hand.facts))
    back.touch("01020304")  # nobody's card: the roster is asked for anew
    back.until(lambda door: apart_at(door, 1)[0] == {person(2).id, person(3).id})
    front.until(lambda door: door.outbox() == [])
    introduced = {each.member: each.introduced for each in cafe.hand.here.values()}
    assert introduced == {visit.member.id: visit.introduced for visit in front.state.visits.values()}


def test_a_block_made_at_one_door_keeps_two_apart_at_the_other_and_is_taken_back_there(
    cafe: Cafe, doors: tuple[SharedDoor, SharedDoor]
) -> None:
    front, back = doors
    front.call("members.block", one="p1", other="p2")
    cafe.hand.until(lambda hand: any(isinstance(fact.what, PairBlocked) for fact in hand.facts))
    back.touch("01020304")
    back.until(lambda door: apart_at(door, 1)[1] == {person(2).id})
    back.call("visits.checkin", member="p1")
    cafe.hand.propose = first_other
    back.call("visits.checkin", member="p2")
    back.until(lambda door: settled(door, 2))
    assert (told := settled(back, 2)) is not None
    assert told.partner is None, "not even when the service proposes it"
    back.call("members.unblock", one="p1", other="p2")
    cafe.hand.until(lambda hand: sum(isinstance(fact.what, PairBlocked) for fact in hand.facts) == 2)
    front.touch("01020304")
    front.until(lambda door: apart_at(door, 1)[1] == set())


def test_blocks_from_before_a_cafe_had_a_service_are_told_and_kept(cafe: Cafe) -> None:
    folder = cafe.folder / "front"
    folder.mkdir()
    ledger = Ledger.open(folder / "ledger.db", "front")
    ledger.put_members([person(1), person(2)])
    ledger.block((person(1).id, person(2).id))
    ledger.close()
    with cafe.door("front") as front, ExitStack() as stack:
        stack.callback(cafe.hand.gone)
        front.until_known(1, 60)
        cafe.hand.until(lambda hand: any(isinstance(fact.what, PairBlocked) for fact in hand.facts))
        assert apart_at(front, 1)[1] == {person(2).id}


def test_who_leaves_and_comes_in_by_the_other_door_is_not_introduced_to_the_same_person_though_nobody_reaches_the_service(
    cafe: Cafe, doors: tuple[SharedDoor, SharedDoor]
) -> None:
    front, back = doors
    back.call("visits.checkin", member="p1")
    front.until(lambda door: door.state.partners())
    front.call("visits.checkin", member="p2")
    back.until(lambda door: (visit := door.visit(1)) is not None and visit.approached == 1)
    front.call("visits.leave", member="p2")
    back.until(lambda door: door.state.elsewhere.visits == {})
    cafe.hand.gone()
    for door in doors:
        door.until_health(NEWS, Health.DOWN)
    back.call("visits.mood", member="p1", mood="introduce")  # they talk to nobody any more
    back.call("visits.checkin", member="p2")
    back.until(lambda door: settled(door, 2))
    assert (told := settled(back, 2)) is not None
    assert told.partner is None
    back.call("visits.checkin", member="p4")
    back.until(lambda door: settled(door, 4))
    assert (told := settled(back, 4)) is not None
    assert told.partner == "p1"


def test_cards_that_another_key_made_are_told_to_staff_once(cafe: Cafe) -> None:
    with cafe.door("front", double_tap_s=0.001) as front, ExitStack() as stack:
        stack.callback(cafe.hand.gone)
        front.until_known(1, 60)
        assert front.call("notices.list") == []
        for number in (70, 71):
            cafe.hand.admit(person(number), key="another", cards={person(number).id: cafe.card(number)})
            front.touch("01020304")
            front.until(lambda door: door.holds(number))  # noqa: B023 - waited for within the round
        assert [each["notice"] for each in front.call("notices.list")].count("foreign_cards") == 1
        front.tap(70)
        front.until_answered(Signal.UNKNOWN_CARD, 3)


class OtherClock(Clock):
    """A clock that is so many milliseconds wrong."""

    wrong_ms = 0

    def now(self) -> Now:
        """Return this moment, wrongly."""
        now = super().now()
        if now.wall is None:
            return now
        minutes = now.wall.local_day * 1440 + now.wall.local_minute + self.wrong_ms // 60_000
        return replace(now, wall=WallTime(now.wall.utc_ms + self.wrong_ms, *divmod(minutes, 1440)))


@pytest.mark.parametrize("wrong_ms", [-3_600_000, 3_600_000, None], ids=["an hour late", "an hour early", "not trusted"])
def test_a_clock_that_is_wrong_or_not_trusted_loses_nothing_and_the_order_is_right(
    cafe: Cafe, wrong_ms: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        front = stack.enter_context(cafe.door("front", double_tap_s=0.001))
        monkeypatch.setattr(harness, "Clock", type("Wrong", (OtherClock,), {"wrong_ms": wrong_ms or 0}))
        back = stack.enter_context(cafe.door("back", double_tap_s=0.001, trust=wrong_ms is not None))
        stack.callback(cafe.hand.gone)
        for door in (front, back):
            door.until_known(1, 60)
        back.call("visits.checkin", member="p1")
        front.until(lambda door: door.state.partners())
        front.call("visits.checkin", member="p2")
        front.until(lambda door: settled(door, 2))
        told = settled(front, 2)
        assert told is not None
        assert told.partner == "p1"
        back.call("visits.leave", member="p1")
        front.call("visits.checkin", member="p3")
        front.until(lambda door: door.state.elsewhere.visits == {})
        back.until(lambda door: {visit.member.id for visit in door.state.elsewhere.visits.values()} == {"p2", "p3"})
        front.call("status")
        assert {each.member for each in cafe.hand.here.values()} == {"p2", "p3"}
        for source in {fact.source for fact in cafe.hand.facts}:
            order = [fact.seq for fact in cafe.hand.facts if fact.source == source]
            assert order == sorted(order)
        opened = [fact for fact in cafe.hand.facts if isinstance(fact.what, VisitOpened) and fact.source.startswith("back")]
        assert [fact.time_ms is None for fact in opened] == [wrong_ms is None]


def test_without_a_service_there_is_nothing_of_it(tmp_path: Path) -> None:
    from tests.firmware_py.terminal.harness import Door

    with Door(tmp_path) as door:
        door.tap(1)
        door.until_answered(Signal.NOT_YET)
        assert not set(LANES) & {device["name"] for device in door.call("status")["devices"]}
        assert ASK not in door.terminal._supervisor.watched
