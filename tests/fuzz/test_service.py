"""The shared matching service: whatever it answers, the way to it tells a trouble that is known, and the terminal goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import DeviceError
from drivers.matching.http import HttpMatching
from drivers.matching.wire import (
    BATCH,
    PROBLEM,
    CheckIn,
    Presence,
    PresencePage,
    Problem,
    Proposal,
    RosterCard,
    RosterEntry,
    RosterPage,
    Sent,
    Taken,
)
from firmware_py.matching.calls import ASK, JOURNAL, NEWS, Answered, Heard, Listen, News, Pulled
from firmware_py.terminal.lanes import Report
from kiosk.signals import Signal
from kiosk.values import CardId, Introduction, MemberId, Reason, ReasonKind, VisitId, ZoneId
from tests.firmware_py.matching.doors import Cafe, SharedDoor
from tests.firmware_py.terminal.harness import person
from tests.fuzz.limits import fuzzed, told
from tests.fuzz.mutants import json_values, mutants
from tests.rigs.far_service import FarService, send

MINE, THEIRS = VisitId("front-a-1"), VisitId("back-b-1")
HERE = Presence(
    visit=THEIRS,
    member=person(2).id,
    number=7,
    door="back",
    opened_ms=1_800_000_000_000,
    zone=ZoneId("library"),
    talks_for_ms=60_000,
    sent=(Sent(visit=VisitId("back-b-2"), member=person(3).id, number=8), Sent(visit=MINE, member=person(1).id, number=1)),
)
ROSTER = RosterPage(
    version=4,
    entries=(
        RosterEntry(id=person(1).id, version=3, member=person(1), cards=(RosterCard(CardId("ab" * 32), "k1"),), met=("p2",)),  # type: ignore[arg-type]  # an id
        RosterEntry(id=person(2).id, version=4, member=person(2), blocked=(person(3).id,)),
        RosterEntry(id=MemberId("gone"), version=2),
    ),
)
PRESENCE = PresencePage(version=9, open=(HERE,), closed=(VisitId("back-b-9"), MINE), whole=True)
PROPOSAL = Proposal(
    visit=MINE,
    introduction=Introduction(MINE, THEIRS, Reason(ReasonKind.OPEN), ZoneId("library"), 500),
    zone=ZoneId("library"),
    partner=HERE,
)
PROBLEMS = Problem(title="no", status=403, detail="another venue", value="v2", allowed="v1")
GOOD = [msgspec.json.encode(each) for each in (ROSTER, PRESENCE, PROPOSAL, PROBLEMS, Taken(accepted=1, duplicates=0))]
PIECES = [
    *(b"[", b"{", b'{"a":', b"]", b"}", b'"', b",", b":", b"null", b"true", b"-1", b"1e999", b"9" * 20, b"\\ud800", b"\\u0000"),
    *(b"\xff", b"\xe5", b"\x00", b'"version":', b'"member":', b"18446744073709551616", b"-9223372036854775809", b"\r\n\r\n"),
]
MEDIA = ["application/json", "application/json; charset=latin-1", PROBLEM, BATCH, "text/calendar", "text/html", "", "/;"]
STATUSES = [200, 200, 200, 202, 204, 302, 304, 401, 403, 422, 429, 500, 503]
WORDS: list[Any] = ["", "\0", "p1", "p3", "x" * 300, "é\n", "library", "front-a-1", "back-b-1"]
NUMBERS: list[Any] = [-(2**63), -1, 0, 1, 2**31 - 1, 2**31, 2**53 - 1, 2**53, 2**63 - 1, 2**63, 2**64 - 1]
OTHERS: list[Any] = [None, True, False, 1.5, [], {}]
BOMBS = {
    "nested": b"[" * 30_000,
    "nested and whole": b"[" * 10_000 + b"]" * 10_000,
    "nested inside": b'{"title": "no", "x": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}",
    "Latin-1": b'{"title": "\xe5tkomst", "status": 403, "version": 1, "visit": "\xe5"}',
    "digits": b'{"version": ' + b"9" * 60_000 + b"}",
    "nothing": b"",
}


@pytest.fixture(scope="module")
def far() -> Iterator[FarService]:
    with FarService() as far:
        yield far


@fuzzed(120)
@given(
    body=mutants(GOOD, PIECES) | st.binary(max_size=40) | json_values.map(msgspec.json.encode),
    status=st.sampled_from(STATUSES),
    media=st.sampled_from(MEDIA),
)
def test_whatever_a_service_answers_it_is_a_value_or_a_trouble_that_is_known(
    far: FarService, body: bytes, status: int, media: str
) -> None:
    ask_everything(far, body, status, media)


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize(("status", "media"), [(200, "application/json"), (403, PROBLEM), (503, PROBLEM)])
def test_no_bomb_is_more_than_a_trouble(far: FarService, bomb: str, status: int, media: str) -> None:
    ask_everything(far, BOMBS[bomb], status, media)


def ask_everything(far: FarService, body: bytes, status: int, media: str) -> None:
    """Ask a service all there is to ask, which always answers the same."""
    far.misdeed = None
    with closing(HttpMatching(HttpMatching.Settings(url=far.url, venue="v1"))) as service:
        service.open()
        far.misdeed = lambda request: send(request, status, body, media)
        calls: tuple[Callable[[], object], ...] = (
            lambda: service.check_in(CheckIn(presence=HERE), 1.0),
            lambda: service.report([]),
            lambda: service.roster(3),
            lambda: service.presence(3, 0),
            service.schedule,
            service.open,
        )
        for call in calls:
            told(call, DeviceError)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedDoor]:
    with Cafe(Path(tmp_path_factory.mktemp("cafe"))) as cafe, cafe.door("front") as door:
        door.until_known(1, 2, 3)
        door.tap(1)
        door.until_answered(Signal.NOT_YET)
        yield door
        cafe.hand.gone()


@st.composite
def nearly(draw: st.DrawFn, good: msgspec.Struct) -> Any:
    """Return what is nearly that value, as far as it can be read."""
    value = msgspec.to_builtins(good)
    for _ in range(draw(st.integers(1, 3))):
        inside = value
        while isinstance(inside, list | dict) and inside:
            places = sorted(inside) if isinstance(inside, dict) else list(range(len(inside)))
            place = draw(st.sampled_from(places))
            if isinstance(inside[place], list | dict) and inside[place] and draw(st.integers(0, 5)):
                inside = inside[place]
                continue
            inside[place] = draw(st.sampled_from(alike(inside[place]) if draw(st.integers(0, 3)) else OTHERS))
            break
    with suppress(msgspec.ValidationError):
        return msgspec.json.decode(msgspec.json.encode(value), type=type(good))
    return good


@fuzzed(150)
@given(roster=nearly(ROSTER), presence=nearly(PRESENCE), proposal=nearly(PROPOSAL), since=st.sampled_from([0, 3, 9, 10]))
def test_whatever_can_be_read_of_an_answer_the_terminal_goes_on(
    front: SharedDoor, roster: RosterPage, presence: PresencePage, proposal: Proposal, since: int
) -> None:
    mine = front.state.here.get(person(1).id, MINE)
    hear(front, JOURNAL, Pulled(since, roster))
    hear(front, NEWS, Heard(Listen(since, frozenset({mine})), presence))
    hear(front, ASK, Answered(mine, proposal))
    front.until(lambda door: not door.terminal._takes_in(), "all taken in")
    assert front.call("status")["stores"]
    assert front.error is None


def test_and_afterwards_people_are_answered(front: SharedDoor) -> None:
    count = front.answers().count(Signal.UNKNOWN_CARD)
    front.touch("01020304")
    front.until_answered(Signal.UNKNOWN_CARD, count + 1)


def alike(value: object) -> list[Any]:
    """Return odd values of the same kind."""
    return WORDS if isinstance(value, str) else NUMBERS if type(value) is int else OTHERS


def hear(door: SharedDoor, lane: str, news: News) -> None:
    """Let a lane bring something."""
    door.terminal.post(Report(lane, door.watched(lane).lane.generation, news, time.perf_counter()))
