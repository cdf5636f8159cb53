"""Whole terminals and the matching service that ships, in processes of its own: two doors of a café, and four of a busy one."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from drivers.matching.http import HttpMatching
from firmware_py.keys import VenueKey, key_path
from firmware_py.ledger import Ledger
from firmware_py.matching.calls import LANES, NEWS
from firmware_py.roster import made_up_members
from firmware_py.terminal.supervise import Health
from firmware_py.vocabulary import load_vocabulary
from kiosk.effects import OpenVisit, SettleMatch
from kiosk.events import PresenceHeard
from kiosk.signals import Signal
from kiosk.values import Member, MemberId, VisitId
from tests.firmware_py.matching.doors import SharedDoor, settled
from tests.firmware_py.terminal.harness import What, person
from tests.rigs.postgres import Postgres
from tests.rigs.service import RunningService

VENUE = "cafe"
SETTLED_S = 120.0
"""How long everything may take to be told after all is well again; far more than it does."""
VISITS, DOORS, PRESENT = 2_000, 4, 30
FEW = 10
"""Reports that wait at a door at any time while it is busy."""
RATE = 15.0
"""Check-ins a second over all doors; a café with 150 people has one in half a minute."""


def make_door(
    stack: ExitStack, service: RunningService, folder: Path, name: str, process: int = 0, match_ms: int = 800
) -> SharedDoor:
    """Return a running door with a token of its own."""
    key = folder / "key" / "venue.key"
    if not key.exists():
        key.parent.mkdir()
        ledger = Ledger.open(key.parent / "ledger.db")
        VenueKey(key_path(key.parent / "ledger.db")).open(ledger)
        ledger.close()
    token = folder / f"{name}.token"
    token.write_text(service.token(VENUE, name))
    lines = f'driver = "http"\nurl = "{service.urls[process]}"\nvenue = "{VENUE}"\ntoken = "{token}"'
    return stack.enter_context(SharedDoor(folder / name, name, lines, key, match_ms=match_ms))


def here(service: RunningService, folder: Path, process: int = 0) -> set[VisitId]:
    """Return who is here as the service tells it."""
    asking = HttpMatching(HttpMatching.Settings(url=service.urls[process], venue=VENUE, token=folder / "front.token"))
    asking.open()
    try:
        return {each.visit for each in asking.presence(0, 0).open}
    finally:
        asking.close()


def until_settled(service: RunningService, folder: Path, doors: list[SharedDoor]) -> None:
    """Wait until every door has told all, and knows all."""
    until = time.monotonic() + SETTLED_S
    while True:
        everybody = {visit for door in doors for visit in door.state.visits}
        known = [set(door.state.visits) | set(door.state.elsewhere.visits) for door in doors]
        if all(door.outbox() == [] for door in doors) and all(each == everybody for each in known):
            assert here(service, folder) == everybody
            return
        assert time.monotonic() < until, [(len(door.outbox()), len(each)) for door, each in zip(doors, known, strict=True)]
        for door in doors:
            door.call("status")


def until_reached(doors: list[SharedDoor]) -> None:
    """Wait until every door reaches the service again, and has told it what happened meanwhile."""
    until = time.monotonic() + SETTLED_S
    for door in doors:
        while any(door.watched(lane).health is not Health.UP for lane in LANES) or len(door.outbox()) > FEW:
            assert time.monotonic() < until, door.config.ledger.terminal
            door.call("status")


@pytest.fixture
def cafe(tmp_path: Path) -> Iterator[tuple[RunningService, SharedDoor, SharedDoor]]:
    with ExitStack() as stack:
        service = stack.enter_context(RunningService(tmp_path))
        service.add_venue(VENUE)
        service.put_members(person(number) for number in range(1, 61))
        service.start()
        # Far more time than answers need: who is to be told is the service's word, not the engine's.
        front, back = (make_door(stack, service, tmp_path, name, match_ms=10_000) for name in ("front", "back"))
        stack.callback(service.kill)  # or the doors would wait for news
        for door in (front, back):
            door.until_known(1, 60)
        yield service, front, back


def test_two_doors_see_each_other_and_go_on_alone_with_the_cable_out(
    cafe: tuple[RunningService, SharedDoor, SharedDoor], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service, front, back = cafe
    for number in (1, 2):
        front.call("cards.bind", member=f"p{number}", uid=f"04{number:012x}")
    front.touch(f"04{1:012x}")
    began = time.monotonic()
    front.until_answered(Signal.NOT_YET)
    back.until(lambda door: door.state.elsewhere.visit_of(person(1).id) is not None)
    with capsys.disabled():
        print(f"\nseen at the other door {(time.monotonic() - began) * 1000:.0f} ms after the tap")
    back.touch("01020304")  # nobody's card: the roster is asked for anew, and with it come the cards
    back.until(lambda door: door.call("cards.list", member="p2") != [])
    back.touch(f"04{2:012x}")
    back.until_answered(Signal.INTRODUCED)
    told = next(each for each in back.seen.of(SettleMatch) if each.member == "p2")
    assert told.partner == "p1"
    front.until(lambda door: (visit := door.visit(1)) is not None and visit.approached == 1)
    front.call("visits.checkin", member="p3")
    back.call("visits.checkin", member="p5")  # who has nothing to give to the one of the other door
    back.until(lambda door: settled(door, 5))
    back.until(lambda door: (visit := door.state.elsewhere.visit_of(person(3).id)) is not None and visit.zone)
    assert back.call("match.pin", one="p5", other="p3")["both_here"]
    (told,) = front.seen.until(SettleMatch, lambda each: each.partner is not None)
    assert (told.member, told.partner) == ("p3", "p5")
    for door in (front, back):
        door.until(lambda each: each.state.rulings == {})
    assert [each.partner for each in back.seen.of(SettleMatch)] == ["p1", None]
    front.call("visits.leave", member="p3")
    back.call("visits.leave", member="p5")
    front.until(lambda door: door.state.elsewhere.visit_of(person(5).id) is None)

    service.kill()
    front.until_health(NEWS, Health.DOWN)
    back.until_health(NEWS, Health.DOWN)
    for number in range(3, 61):
        (front if number % 2 else back).call("visits.checkin", member=f"p{number}")
    for number in range(3, 23):
        (front if number % 2 else back).call("visits.leave", member=f"p{number}")
    front.call("match.veto", one="p23", other="p24")
    service.start()
    until_settled(service, tmp_path, [front, back])
    vetoed = {"one": "p23", "other": "p24", "ruling": "veto"}
    back.until(lambda door: door.call("match.rulings") == [vetoed])
    back.call("match.unveto", one="p23", other="p24")
    front.until(lambda door: door.call("match.rulings") == [])
    assert len(here(service, tmp_path)) == 60 - 20


def test_a_terminal_of_another_venue_is_told_to_staff(tmp_path: Path) -> None:
    with ExitStack() as stack:
        service = stack.enter_context(RunningService(tmp_path))
        service.add_venue(VENUE)
        service.add_venue("other")
        service.start()
        (tmp_path / "t.token").write_text(service.token("other", "front"))
        lines = f'driver = "http"\nurl = "{service.urls[0]}"\nvenue = "{VENUE}"\ntoken = "{tmp_path}/t.token"'
        door = stack.enter_context(SharedDoor(tmp_path / "front", "front", lines))
        door.until(lambda door: door.call("notices.list"))
        (notice,) = door.call("notices.list")
        assert notice["notice"] == "service_refused"
        assert " 403" in notice["detail"]
        door.touch("01020304")
        door.until_answered(Signal.UNKNOWN_CARD)


def start_again(postgres: Postgres) -> None:
    """Start the server, which says that it is there still until the system has buried what was killed."""
    until = time.monotonic() + SETTLED_S
    while True:
        try:
            postgres.start()
        except AssertionError:
            assert time.monotonic() < until
        else:
            return


class Visitors(threading.Thread):
    """Has members come in by a door at an even pace, and go when the door's share of the café is full."""

    def __init__(self, door: SharedDoor, members: list[MemberId], reached: threading.Barrier) -> None:
        super().__init__(name=f"visitors of {door.config.ledger.terminal}")
        self._door = door
        self._members = members
        self._reached = reached
        self._stop_all = threading.Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        """Come and go."""
        present: deque[MemberId] = deque()
        try:
            began = time.monotonic()
            for count, member in enumerate(self._members):
                if count in (len(self._members) // 3, 2 * len(self._members) // 3):
                    self._reached.wait()
                self._stop_all.wait(max(0.0, began + count * DOORS / RATE - time.monotonic()))  # the pace
                self._door.call("visits.checkin", member=member)
                present.append(member)
                if len(present) > PRESENT:
                    self._door.call("visits.leave", member=present.popleft())
            self._door.until(lambda door: not door.state.asked)
        except BaseException as error:  # noqa: BLE001 - the test's own thread tells of it
            self.error = error
            self._reached.abort()


class Seen:
    """When visits began, at any door, and when one door first heard of those of the others."""

    def __init__(self, began: dict[VisitId, float]) -> None:
        self._began = began
        self.heard: dict[VisitId, float] = {}

    def __call__(self, what: What) -> None:
        now = time.monotonic()
        if isinstance(what, OpenVisit):
            self._began[what.visit.id] = now
        elif isinstance(what, PresenceHeard):
            for each in what.open:
                if each.id in self._began:
                    self.heard.setdefault(each.id, now)


def at(delays: list[float], percent: int) -> str:
    """Return a percentile in words."""
    return f"{sorted(delays)[len(delays) * percent // 100] * 1000:.0f} ms (p{percent})"


@pytest.mark.timeout(900)
def test_four_doors_with_two_thousand_visits_lose_nobody_and_introduce_nobody_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """While one of two processes is killed, and then PostgreSQL itself."""
    with ExitStack() as stack:
        postgres = stack.enter_context(Postgres())
        service = stack.enter_context(RunningService(tmp_path, postgres, processes=2))
        service.add_venue(VENUE)
        people: list[Member] = made_up_members(VISITS, 1, load_vocabulary())
        service.put_members(people)
        service.start()
        names = ["front", "back", "garden", "cellar"]
        doors = [make_door(stack, service, tmp_path, name, place % 2) for place, name in enumerate(names)]
        stack.callback(service.close)
        first: dict[VisitId, float] = {}
        seen = [Seen(first) for _ in doors]
        for door, hears in zip(doors, seen, strict=True):
            door.seen.on = hears
            door.until(lambda each: each.call("status")["ledger"]["members"] == VISITS, "the whole roster", SETTLED_S)
        began = time.monotonic()
        reached = threading.Barrier(DOORS + 1)
        crowds = [Visitors(door, [each.id for each in people[place::DOORS]], reached) for place, door in enumerate(doors)]
        for crowd in crowds:
            crowd.start()
        troubled: list[tuple[float, float]] = []
        reached.wait(600)
        killed = time.monotonic()
        service.kill(1)
        service.start(1)
        until_reached(doors)
        troubled.append((killed, time.monotonic()))
        reached.wait(600)
        killed = time.monotonic()
        postgres.kill()
        start_again(postgres)
        until_reached(doors)
        troubled.append((killed, time.monotonic()))
        for crowd in crowds:
            crowd.join(600)
            assert crowd.error is None, repr(crowd.error)
        took = time.monotonic() - began
        until_settled(service, tmp_path, doors)
        told = [each for door in doors for each in door.seen.of(SettleMatch) if each.partner is not None]
        pairs = [frozenset((each.member, each.partner)) for each in told]
        delays: dict[bool, list[float]] = {True: [], False: []}
        for hears in seen:
            for visit, heard in hears.heard.items():
                quiet = not any(since - 1 <= first[visit] <= until for since, until in troubled)
                delays[quiet].append(heard - first[visit])
        with capsys.disabled():
            print(
                f"\n{VISITS} visits at {DOORS} doors in {took:.0f} s, {len(pairs)} introductions; seen at another door after "
                f"{at(delays[True], 50)}, {at(delays[True], 99)}; while something was killed, for "
                f"{sum(until - since for since, until in troubled):.0f} s, {at(delays[False], 50)}, {at(delays[False], 99)}"
            )
        assert len(pairs) > VISITS // 3
        assert len(pairs) == len(set(pairs))
        opened = [each.visit.id for door in doors for each in door.seen.of(OpenVisit)]
        assert len(opened) == VISITS
        kept = postgres.sql("SELECT id FROM visit").split()  # as a superuser, whom no row security holds
        assert sorted(kept) == sorted(opened)
