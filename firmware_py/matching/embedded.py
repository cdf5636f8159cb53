"""Matching inside the terminal: the engine on the ledger's roster, asked through a lane like any device."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from typing import Any, Protocol

from msgspec import Struct

from drivers.errors import DeviceLost, DeviceMissing
from drivers.ports import Device
from firmware_py.database import LedgerError
from kiosk.door import DoorState
from kiosk.events import Event, GroupFailed, GroupFormed, MatchAnswered, MatchFailed
from kiosk.matching.circumstances import Circumstances, links
from kiosk.matching.engine import Explanation, explain, find_match
from kiosk.matching.groups import find_groups
from kiosk.matching.profiles import Present, Profile, profile
from kiosk.values import Member, MemberId, Now, Pair, Ruling, Visit, VisitId, Zone, ZoneId
from kiosk.vocabulary import Vocabulary


class Question(Struct, frozen=True):
    """Whom should this visitor meet, of the people here? `occupancy` counts people by zone, without the visitor.

    `rulings` are the host's, `now_ms` is boot time, `turn` counts the venue's introductions, `number` is the door's.
    """

    visit: Visit
    visits: Mapping[VisitId, Visit]
    occupancy: Mapping[ZoneId, int]
    rulings: Mapping[Pair, Ruling] = {}
    now_ms: int = 0
    turn: int = 0
    number: int = 0


class GroupQuestion(Struct, frozen=True):
    """Who of these visitors, who wait for a group, sit down together? The rest is as in a `Question`."""

    visits: tuple[Visit, ...]
    occupancy: Mapping[ZoneId, int]
    rulings: Mapping[Pair, Ruling] = {}
    now_ms: int = 0
    turn: int = 0


def question(state: DoorState, visit: Visit, now: Now) -> Question:
    """Return the question whom somebody should meet, as the door stands now."""
    here, occupancy = state.partners(), state.occupancy(but=visit.id)
    asked = state.asked.get(visit.id)
    number = 0 if asked is None else asked.number
    return Question(visit, here, occupancy, state.rulings, now.boot_ms, state.introductions, number)


def group_question(state: DoorState, waiting: Iterable[VisitId], now: Now) -> GroupQuestion:
    """Return the question who of these sits down together, as the door stands now."""
    visits = tuple(state.visits[visit] for visit in waiting)
    return GroupQuestion(visits, state.occupancy(), state.rulings, now.boot_ms, state.introductions)


class MetReader(Protocol):
    """What matching reads of the ledger, on a connection of its own."""

    def met(self, member: MemberId) -> Set[MemberId]:
        """Return whom the member was introduced to within six months, either way round."""

    def blocked(self, member: MemberId) -> Set[MemberId]:
        """Return whom the member is never introduced to."""

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
        visit, here = question.visit, question.visits.values()
        found = find_match(
            self._present(visit), [self._present(other) for other in here], self._circumstances(question, [visit], here)
        )
        return MatchAnswered(visit.id, found, None if found is None else found.zone, question.number)

    def gather(self, question: GroupQuestion) -> GroupFormed:
        """Return the groups that sit down now."""
        present = [self._present(visit) for visit in question.visits]
        return GroupFormed(find_groups(present, self._circumstances(question, question.visits, question.visits)))

    def explain(self, question: Question) -> tuple[Explanation, ...]:
        """Return what the engine thinks of everybody here, for this visitor."""
        visit, here = question.visit, question.visits.values()
        present = [self._present(other) for other in here]
        return explain(self._present(visit), present, self._circumstances(question, [visit], here))

    def _circumstances(
        self, question: Question | GroupQuestion, asked: Iterable[Visit], here: Collection[Visit]
    ) -> Circumstances:
        if self._ledger is None:
            raise AssertionError("matching was asked before it was opened")
        members = [visit.member.id for visit in asked]
        ruled = {ruling: links(pair for pair, each in question.rulings.items() if each is ruling) for ruling in Ruling}
        vetoes = ruled[Ruling.VETO]
        try:
            met = {member: self._ledger.met(member) for member in members}
            blocked = {member: self._ledger.blocked(member) | vetoes.get(member, set()) for member in members}
        except LedgerError as error:
            raise DeviceLost(str(error)) from error
        return Circumstances(
            zones=self._zones,
            occupancy=question.occupancy,
            now_ms=question.now_ms,
            mean_rate=sum(visit.lifetime_rate for visit in here) // max(len(here), 1),
            turn=question.turn,
            met=met,
            vetoes=blocked,
            pins=ruled[Ruling.PIN],
        )

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

    def serve(self, device: EmbeddedMatching, call: Question | GroupQuestion) -> Iterator[Event]:
        """Answer, then tidy up."""
        if isinstance(call, GroupQuestion):
            yield device.gather(call)
            return
        yield device.answer(call)
        device.forget({visit.member.id for visit in call.visits.values()})

    def lost(self, call: Any, error: Exception | None) -> Iterator[Event]:  # noqa: ARG002 - ditto
        """Say that no answer comes."""
        if isinstance(call, Question):
            yield MatchFailed(call.visit.id, call.number)
        elif isinstance(call, GroupQuestion):
            yield GroupFailed()

    def deadline_s(self, call: Any | None) -> float:  # noqa: ARG002 - ditto
        """Return far more than the engine ever needs."""
        return 5.0
