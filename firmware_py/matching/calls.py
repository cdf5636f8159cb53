"""The lanes to the shared matching service: what they are asked, what they bring back, and how they serve it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, assert_never

from msgspec import Struct

from drivers.matching.wire import CheckIn, Fact, PresencePage, Proposal, RosterPage
from drivers.ports import MatchingService
from kiosk.events import Event
from kiosk.values import VisitId

ASK, NEWS, JOURNAL = "service questions", "service presence", "service journal"
"""The lanes' names: who waits for an answer is not to wait for news, nor behind a long roster."""
LANES = (ASK, NEWS, JOURNAL)
LISTEN_S = 20.0
"""How long the service may wait for news before it says that there are none."""
BACK_OFF_MS = (100, 200, 500, 1_000, 2_000, 5_000, 10_000)
"""How long to wait before each next attempt to reach the service, which two hundred doors may have lost at once."""


class Ask(Struct, frozen=True):
    """Whom should this visitor meet? The service may think for `wait_s`."""

    check_in: CheckIn
    wait_s: float


class Listen(Struct, frozen=True):
    """Who is here since that version? `known` are visits of this door that the service knows of."""

    since: int
    known: frozenset[VisitId]


class Upload(Struct, frozen=True):
    """Hand these facts over; `upto` is the last one's number in the outbox."""

    facts: tuple[Fact, ...]
    upto: int


class Pull(Struct, frozen=True):
    """What changed in the roster since that version?"""

    since: int


Call = Ask | Listen | Upload | Pull


class News(Struct, frozen=True):
    """What a lane brings back from the service."""


class Answered(News, frozen=True):
    """The service answered a question, or left it to the terminal (None)."""

    visit: VisitId
    proposal: Proposal | None


class Heard(News, frozen=True):
    """The service told who is here."""

    asked: Listen
    page: PresencePage


class Delivered(News, frozen=True):
    """The service has all facts up to that number."""

    upto: int


class Pulled(News, frozen=True):
    """The service told what changed in the roster since then."""

    since: int
    page: RosterPage


class ServiceServant:
    """Carries out one call after the other; what it does not finish is asked anew by who asked."""

    waits = False
    idle_every_s = 1.0

    def __init__(self) -> None:
        self._device: MatchingService | None = None

    def opened(self, device: MatchingService) -> Iterator[Event]:
        """Nothing is due."""
        self._device = device
        return iter(())

    def hang_up(self) -> None:
        """Break off what waits for an answer; from the loop's thread, at its end."""
        if self._device is not None:
            self._device.hang_up()

    def idle(self, device: MatchingService, timeout: float) -> Iterator[Event]:  # noqa: ARG002 - ditto
        """Nothing is due."""
        return iter(())

    def serve(self, device: MatchingService, call: Call) -> Iterator[News]:
        """Carry out a call."""
        match call:
            case Ask(check_in, wait_s):
                yield Answered(check_in.presence.visit, device.check_in(check_in, wait_s))
            case Listen(since):
                yield Heard(call, device.presence(since, LISTEN_S))
            case Upload(facts, upto):
                device.report(facts)
                yield Delivered(upto)
            case Pull(since):
                yield Pulled(since, device.roster(since))
            case _:
                assert_never(call)

    def lost(self, call: Any, error: Exception | None) -> Iterator[Event]:  # noqa: ARG002 - part of the servant's interface
        """Say nothing: the lane's loss is told already."""
        return iter(())

    def deadline_s(self, call: Any | None) -> float:
        """Return more than the driver's own deadlines; only looking a name up has none."""
        return LISTEN_S + 40.0 if isinstance(call, Listen) else 40.0
