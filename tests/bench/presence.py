"""How soon one door sees who came in by another: two whole terminals, each at its own process of the service, PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

from firmware_py.roster import made_up_members
from firmware_py.vocabulary import load_vocabulary
from kiosk.effects import OpenVisit
from kiosk.events import PresenceHeard
from kiosk.values import MemberId, VisitId
from tests.acceptance.test_shared_service import PRESENT, VENUE, make_door
from tests.firmware_py.matching.doors import SharedDoor
from tests.firmware_py.terminal.harness import What
from tests.rigs.postgres import Postgres
from tests.rigs.service import RunningService

VISITS = 150
RATE = 15.0
"""Check-ins a second, as in the acceptance test; a café with 150 people has one in half a minute."""


class Watched:
    """A door: when its own visits began, and when it heard of which others."""

    def __init__(self, door: SharedDoor) -> None:
        self.door = door
        self.began: dict[VisitId, float] = {}
        self.heard: dict[VisitId, float] = {}
        door.seen.on = self._notice

    def _notice(self, what: What) -> None:
        now = time.monotonic()
        if isinstance(what, OpenVisit):
            self.began[what.visit.id] = now
        elif isinstance(what, PresenceHeard):
            for each in what.open:  # of its own visits a door hears too, when somebody was sent to one
                if each.id not in self.began:
                    self.heard.setdefault(each.id, now)


def figures() -> dict[str, float]:
    """Return milliseconds from the moment a visit began at one door until the other door heard of it."""
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        postgres = stack.enter_context(Postgres())
        service = stack.enter_context(RunningService(folder, postgres, processes=2))
        service.add_venue(VENUE)
        people = made_up_members(VISITS, 1, load_vocabulary())
        service.put_members(people)
        service.start()
        both = [Watched(make_door(stack, service, folder, each, place)) for place, each in enumerate(("front", "back"))]
        stack.callback(service.close)  # or the doors would wait for news
        for each in both:
            each.door.until(lambda door: door.call("status")["ledger"]["members"] == VISITS, "the whole roster")
        _evening(both, [member.id for member in people])
        took = [took for one, other in (both, both[::-1]) for took in _delays(one, other)]
        cuts = quantiles(took, n=100)
        return {"presence_ms_p50": round(cuts[49]), "presence_ms_p99": round(cuts[98])}


def _evening(both: list[Watched], members: list[MemberId]) -> None:
    """Let everybody come in, by one door and the other in turn, and go when the café is full."""
    pause, present, started = threading.Event(), deque[tuple[SharedDoor, MemberId]](), time.monotonic()
    for count, member in enumerate(members):
        pause.wait(max(0.0, started + count / RATE - time.monotonic()))
        door = both[count % 2].door
        door.call("visits.checkin", member=member)
        present.append((door, member))
        if len(present) > PRESENT:
            left, gone = present.popleft()
            left.call("visits.leave", member=gone)


def _delays(one: Watched, other: Watched) -> list[float]:
    """Wait until a door knows of all that came in by the other; return after how many milliseconds each."""
    one.door.until(lambda _: one.heard.keys() >= other.began.keys(), "everybody")
    return [(one.heard[visit] - began) * 1000 for visit, began in other.began.items()]
