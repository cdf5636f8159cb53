"""Terminals that share a service which forgets, or says what can't be, or speaks while nothing can be stored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import apsw
import pytest
from msgspec.structs import replace

from drivers.matching.wire import VisitOpened
from firmware_py.matching.calls import ASK
from kiosk.effects import CloseVisit
from kiosk.signals import Signal
from kiosk.values import Consents, Member, Mood, VisitId
from tests.firmware_py.matching.doors import Cafe, Gate, SharedDoor, first_other, settled
from tests.firmware_py.terminal.harness import PATIENCE_S, person
from tests.rigs.disk import simulated_disk

LONG_MS = 60_000
"""A deadline that no test waits for."""


@pytest.fixture
def cafe(tmp_path: Path) -> Iterator[Cafe]:
    with Cafe(tmp_path, match_ms=LONG_MS) as cafe:
        yield cafe


def checked_in(front: SharedDoor, cafe: Cafe) -> VisitId:
    """Check the first member in, and wait until the service knows."""
    front.until_known(1)
    front.tap(1)
    front.until_answered(Signal.NOT_YET)
    front.until(lambda door: door.outbox() == [] and len(cafe.hand.here) == 1)
    (visit,) = cafe.hand.here
    return visit


@pytest.mark.parametrize("version", [None, 2], ids=["presence lost", "an older copy"])
def test_a_service_that_lost_who_is_here_while_the_door_was_off_is_told_again_and_nobody_is_checked_out(
    cafe: Cafe, version: int | None
) -> None:
    with cafe.door("front") as front, ExitStack() as stack:
        stack.callback(cafe.hand.gone)
        visit = checked_in(front, cafe)
    cafe.hand.well()
    with cafe.hand.changed:
        cafe.hand._here.clear()
        cafe.hand._version = version or cafe.hand._version
    with cafe.door("front") as front, ExitStack() as stack:
        stack.callback(cafe.hand.gone)
        front.until(lambda door: set(cafe.hand.here) == {visit} and door.outbox() == [])
        assert set(front.state.visits) == {visit}
        assert front.seen.of(CloseVisit) == []
        assert [fact.what.presence.visit for fact in cafe.hand.facts if isinstance(fact.what, VisitOpened)] == [visit] * 2


def test_a_question_whose_answer_came_while_nothing_could_be_stored_does_not_end_the_asking(cafe: Cafe) -> None:
    with simulated_disk() as disk, cafe.door("front") as front, ExitStack() as stack:
        stack.callback(cafe.hand.gone)
        checked_in(front, cafe)
        gate = Gate()
        stack.callback(gate.open)
        cafe.hand.propose = gate
        front.tap(2)
        assert gate.reached.wait(PATIENCE_S)
        disk.fault, disk.fault_at = apsw.FullError, "-wal"
        front.tap(3)
        front.until_answered(Signal.TELL_STAFF)
        gate.open()
        front.until(lambda door: not door.watched(ASK).lane.calls)
        front.call("status")  # behind the answer
        asked = len(cafe.hand.asked)
        disk.fault = None
        cafe.hand.propose = first_other
        front.tap(4)
        front.until(lambda door: settled(door, 4))
        front.tap(5)
        front.until(lambda door: settled(door, 5))
        front.until(lambda door: door.outbox() == [])
        assert len(cafe.hand.asked) >= asked + 2
        assert {each.member for each in cafe.hand.here.values()} == {"p1", "p2", "p4", "p5"}


UNFIT: dict[str, Member] = {
    "a colleague": replace(person(1), employer="ab" * 8),
    "no language in common": replace(person(1), language=person(1).language.SV),
    "who offers nothing": replace(person(1), offers=()),
    "who did not agree": replace(person(1), consents=Consents(name=True)),
}


@pytest.mark.parametrize("kind", UNFIT)
def test_a_proposal_through_a_closed_gate_is_left_to_the_engine(cafe: Cafe, kind: str) -> None:
    cafe.hand.admit(UNFIT[kind])
    cafe.hand.admit(replace(person(2), employer="ab" * 8))
    with cafe.door("front") as front, ExitStack() as stack:
        stack.callback(cafe.hand.gone)
        front.until_known(1, 2)
        front.call("visits.checkin", member="p1")
        front.until(lambda door: settled(door, 1))
        cafe.hand.propose = first_other
        front.call("visits.checkin", member="p2")
        front.until(lambda door: settled(door, 2))
        assert (told := settled(front, 2)) is not None
        assert told.partner is None
        assert [each.member for each in cafe.hand.asked][-1] == "p2"


@pytest.mark.parametrize("state", ["in conversation", "who waits for a group"])
def test_nobody_is_sent_to_somebody_who_is_not_free_though_the_service_says_so(cafe: Cafe, state: str) -> None:
    with cafe.door("front") as front, ExitStack() as stack:
        stack.callback(cafe.hand.gone)
        front.until_known(1, 4)
        for number in (1, 2) if state == "in conversation" else (1,):
            front.call("visits.checkin", member=person(number).id)
            front.until(lambda door: settled(door, number))  # noqa: B023 - waited for within the round
        if state == "who waits for a group":
            front.call("visits.mood", member="p1", mood=Mood.GROUP.value)
        cafe.hand.propose = first_other
        front.call("visits.checkin", member="p4")
        front.until(lambda door: settled(door, 4))
        assert (told := settled(front, 4)) is not None
        assert told.partner is None
