"""Who decides: the shared service while it answers in time and well, else the terminal's own engine."""

from __future__ import annotations

from collections.abc import Callable, Set

from drivers.matching.wire import CheckIn, Presence, Proposal
from firmware_py.matching.calls import Answered, Ask
from firmware_py.matching.embedded import Question
from kiosk.events import MatchAnswered
from kiosk.matching.circumstances import Circumstances
from kiosk.matching.gates import apart, barred
from kiosk.matching.profiles import Present, profile
from kiosk.matching.reasons import reason
from kiosk.values import Introduction, MemberId, Visit, VisitId, Zone
from kiosk.vocabulary import Vocabulary

ENGINE_MS = 250
"""How much of an answer's time is left to the terminal's engine; on a small Pi it needs some 10 ms, and its lane a moment."""


class Decider:
    """One question at a time: asked of the service under a deadline of its own, and then of the engine.

    `ask` hands a question to the service's lane, or returns False when that is away or busy; `engine` hands one to the engine;
    `answer` brings the door what the service decided; `apart` tells whom this terminal knows not to be introduced to a member.
    """

    def __init__(
        self,
        deadline_ms: int,
        vocabulary: Vocabulary,
        zones: tuple[Zone, ...],
        *,
        ask: Callable[[Ask], bool],
        engine: Callable[[Question], None],
        answer: Callable[[MatchAnswered], None],
        apart: Callable[[MemberId], Set[MemberId]],
    ) -> None:
        self._wait_ms = max(deadline_ms - ENGINE_MS, deadline_ms // 2)
        self._vocabulary = vocabulary
        self._zones = zones
        self._ask = ask
        self._engine = engine
        self._answer = answer
        self._apart = apart
        self._open: Question | None = None
        self._by_ms = 0
        self._last: tuple[VisitId, int] | None = None

    def find(self, question: Question, presence: Presence, due_ms: int, now_ms: int) -> None:
        """Ask the service, or the engine where that can't be asked, or was asked already for the answer due at `due_ms`."""
        last, self._last, self._open = self._last, (question.visit.id, due_ms), None
        if last == self._last or not self._ask(Ask(CheckIn(presence=presence), self._wait_ms / 1000)):
            self._engine(question)
            return
        self._open, self._by_ms = question, now_ms + self._wait_ms

    def decline(self, question: Question) -> None:
        """Ask the engine at once: this is nothing for the service."""
        self._open = None
        self._engine(question)

    @property
    def next_ms(self) -> int | None:
        """When the service's time is over; None when it was not asked."""
        return None if self._open is None else self._by_ms

    def look(self, now_ms: int) -> None:
        """Ask the engine when the service's time is over."""
        if self._open is not None and now_ms >= self._by_ms:
            self.give_up()

    def give_up(self) -> None:
        """Ask the engine what the service won't answer."""
        question, self._open = self._open, None
        if question is not None:
            self._engine(question)

    def answered(self, said: Answered, visit_of: Callable[[VisitId], Visit | None]) -> None:
        """Take the service's answer, unless it is late, or nothing that a visitor can be told."""
        question, proposal = self._open, said.proposal
        if question is None or said.visit != question.visit.id:
            return
        if proposal is None or proposal.visit != said.visit:
            self.give_up()
            return
        found = self._introduction(question, proposal, visit_of)
        if found is None and proposal.introduction is not None:
            self.give_up()
            return
        self._open = None
        self._answer(MatchAnswered(said.visit, found, proposal.zone, question.number))

    def _introduction(
        self, question: Question, proposal: Proposal, visit_of: Callable[[VisitId], Visit | None]
    ) -> Introduction | None:
        """Return a proposed introduction, None where there is none or it can't be; the reason is worked out here.

        A gate that is closed as far as this terminal knows is closed, whoever proposes. What a badge may say follows from what
        both agreed to, which this terminal knows; it is nothing to take from outside.
        """
        visit, proposed = question.visit, proposal.introduction
        partner = None if proposed is None else visit_of(proposed.partner)
        if proposed is None or partner is None or proposed.visit != visit.id:
            return None
        one, other = (Present(each, profile(each.member, self._vocabulary)) for each in (visit, partner))
        met = {visit.member.id: self._apart(visit.member.id)}
        here = Circumstances(zones=self._zones, now_ms=question.now_ms, met=met)
        if barred(one) or apart(one, other, here):
            return None
        return Introduction(visit.id, partner.id, reason(one, other), proposed.zone, proposed.score)
