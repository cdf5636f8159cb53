"""Matching inside the terminal: the engine on the ledger's roster, asked through a lane like any device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any, Protocol

from msgspec import Struct

from drivers.errors import DeviceLost, DeviceMissing
from drivers.ports import Device
from firmware_py.database import LedgerError
from kiosk.events import Event, MatchAnswered, MatchFailed
from kiosk.matching.engine import find_match
from kiosk.matching.profiles import Present, Profile, profile
from kiosk.values import Member, MemberId, Visit, VisitId, Zone, ZoneId
from kiosk.vocabulary import Vocabulary


class Question(Struct, frozen=True):
    """Whom should this visitor meet, of the people here? `occupancy` counts people by zone, without the visitor."""

    visit: Visit
    visits: Mapping[VisitId, Visit]
    occupancy: Mapping[ZoneId, int]


class MetReader(Protocol):
    """What matching reads of the ledger, on a connection of its own."""

    def met(self, member: MemberId) -> Set[MemberId]:
        """Return whom the member was introduced to within six months, either way round."""

    def close(self) -> None:
        """Close the connection."""


class EmbeddedMatching(Device):
    """The engine, with the profiles of the people here."""

    def __init__(self, zones: tuple[Zone, ...], vocabulary: Vocabulary, read_ledger: Callable[[], MetReader]) -> None:
        self._zones = zones
        self._vocabulary = vocabulary
        self._read_ledger = read_ledger
        self._ledger: MetReader | None = None
        self._profiles: dict[MemberId, tuple[Member, Profile]] = {}

    def open(self) -> None:
        """Open a connection to the ledger."""
        try:
            self._ledger = self._read_ledger()
        except LedgerError as error:
            raise DeviceMissing(str(error)) from error

    def close(self) -> None:
        """Close it."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    def describe(self) -> str:
        """Say that matching is done here."""
        return "embedded matching"

    def answer(self, question: Question) -> MatchAnswered:
        """Return the introduction for the visitor, or "not yet"."""
        if self._ledger is None:
            raise AssertionError("matching was asked before it was opened")
        visit = question.visit
        here = question.visits.values()
        try:
            met = self._ledger.met(visit.member.id)
        except LedgerError as error:
            raise DeviceLost(str(error)) from error
        mean_rate = sum(other.lifetime_rate for other in here) // max(len(question.visits), 1)
        found = find_match(
            self._present(visit),
            [self._present(other) for other in here],
            met,
            self._zones,
            question.occupancy,
            mean_rate,
        )
        return MatchAnswered(visit.id, found, None if found is None else found.zone)

    def forget(self, here: Set[MemberId]) -> None:
        """Forget the profiles of people who are not here any more."""
        for member in self._profiles.keys() - here:
            del self._profiles[member]

    def _present(self, visit: Visit) -> Present:
        member = visit.member
        known = self._profiles.get(member.id)
        if known is None or known[0] is not member:
            known = self._profiles[member.id] = (member, profile(member, self._vocabulary))
        return Present(visit, known[1])


class MatchingServant:
    """Serves questions one after the other."""

    waits = False
    idle_every_s = 1.0

    def opened(self, device: EmbeddedMatching) -> Iterator[Event]:  # noqa: ARG002 - part of the servant's interface
        """Nothing is due."""
        return iter(())

    def idle(self, device: EmbeddedMatching, timeout: float) -> Iterator[Event]:  # noqa: ARG002 - ditto
        """Nothing is due."""
        return iter(())

    def serve(self, device: EmbeddedMatching, call: Question) -> Iterator[Event]:
        """Answer, then tidy up."""
        yield device.answer(call)
        device.forget({visit.member.id for visit in call.visits.values()})

    def lost(self, call: Any, error: Exception | None) -> Iterator[Event]:  # noqa: ARG002 - ditto
        """Say that no answer comes."""
        yield MatchFailed(call.visit.id)

    def deadline_s(self, call: Any | None) -> float:  # noqa: ARG002 - ditto
        """Return far more than the engine ever needs."""
        return 5.0
