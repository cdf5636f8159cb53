"""What the host asks of the door: a visitor's mood, who is to meet whom and who is not, and why somebody was chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from firmware_py.matching.embedded import EmbeddedMatching, question
from firmware_py.office import CommandError
from kiosk.door import DoorState, last_own
from kiosk.events import Event, GroupAsked, MatchSwapped, MoodChosen, PairRuled
from kiosk.matching.engine import Explanation
from kiosk.matching.groups import LEAST
from kiosk.matching.reasons import person_number, reason_sentence
from kiosk.occasions import in_words
from kiosk.values import Member, MemberId, Mood, Now, Ruling, Visit, pair_of

MOST_EXPLAINED = 50
"""How many people an explanation is about at most, the best first."""


class Host:
    """Carries the host's commands out; each method but `commands` is one.

    `apply` takes an event and raises `CommandError` when it can't be stored; `matching` makes an engine to ask; `member` looks
    somebody up.
    """

    def __init__(
        self,
        state: Callable[[], DoorState],
        apply: Callable[[Event], None],
        matching: Callable[[], EmbeddedMatching],
        now: Callable[[], Now],
        member: Callable[[MemberId], Member | None],
    ) -> None:
        self._state = state
        self._apply = apply
        self._matching = matching
        self._now = now
        self._member = member

    @property
    def commands(self) -> dict[str, Callable[..., Any]]:
        """What can be asked for, by name."""
        return {
            "visits.mood": self.mood,
            "match.explain": self.explain,
            "match.rulings": self.rulings,
            "match.pin": self.pin,
            "match.veto": self.veto,
            "match.unveto": self.unveto,
            "match.swap": self.swap,
            "match.group": self.group,
            "schedule": self.schedule,
        }

    def mood(self, *, member: MemberId, mood: Mood) -> Any:
        """Note what a visitor wants of this visit."""
        visit = self._here(member)
        if mood is not Mood.COFFEE:
            self._willing(visit)
        self._apply(MoodChosen(member, mood))
        return {"visit": visit.id, "mood": mood.value}

    def explain(self, *, member: MemberId, other: MemberId | None = None) -> Any:
        """Tell in the café's language what the engine thinks of everybody here for a visitor, or of one of them."""
        state = self._state()
        visit = self._here(member)
        if other is not None and state.elsewhere.visit_of(other) is None:
            self._here(other)
        matching = self._matching()
        matching.open()
        try:
            found = matching.explain(question(state, visit, self._now()))
        finally:
            matching.close()
        told = [self._told(state.partners()[each.partner], each) for each in found]
        return [each for each in told if other in (None, each["member"])][:MOST_EXPLAINED]

    def pin(self, *, one: MemberId, other: MemberId) -> Any:
        """Have two introduced to each other, now when both are here, else as soon as they are.

        `apart` is what keeps them apart all the same, in words: no pin opens the gates of safety.
        """
        here = [visit for visit in map(self._known_visit, self._two(one, other)) if visit is not None]
        if not here:
            raise CommandError(f"neither {one} nor {other} is checked in; one of them must be")
        for visit in here:
            self._willing(visit)
            if visit.mood is not Mood.INTRODUCE:
                raise CommandError(
                    f"{visit.member.id} wants {visit.mood.value} today; 'fikatap visits mood {visit.member.id} introduce' first"
                )
        self._apply(PairRuled(one, other, Ruling.PIN))
        if len(here) < 2:
            return {"pinned": [one, other], "both_here": False, "apart": None}
        mine = [each for each in (one, other) if self._state().known_visit_of(each) is not None]
        if not mine:  # the door by which they came in asks
            return {"pinned": [one, other], "both_here": True, "apart": None}
        told = self.explain(member=mine[0], other=other if mine[0] == one else one)
        return {"pinned": [one, other], "both_here": True, "apart": next((e["verdict"] for e in told if not e["may"]), None)}

    def rulings(self) -> Any:
        """Return what was decided about two people, at whichever door, and still holds."""
        decided = sorted(self._state().rulings.items())
        return [{"one": one, "other": other, "ruling": each.value} for (one, other), each in decided]

    def veto(self, *, one: MemberId, other: MemberId) -> Any:
        """Keep two apart as long as both stay."""
        elsewhere, visit_of = self._state().elsewhere.visit_of, self._state().visit_of
        if all((visit_of(each) or elsewhere(each)) is None for each in self._two(one, other)):
            raise CommandError(f"neither {one} nor {other} is checked in; 'fikatap members block' keeps two apart for good")
        self._apply(PairRuled(one, other, Ruling.VETO))
        return {"vetoed": [one, other]}

    def unveto(self, *, one: MemberId, other: MemberId) -> Any:
        """Take a veto or a pin back."""
        if pair_of(one, other) not in self._state().rulings:
            raise CommandError(f"nothing was decided about {one} and {other}")
        self._apply(PairRuled(one, other, None))
        return {"free": [one, other]}

    def swap(self, *, member: MemberId) -> Any:
        """Undo a visitor's last introduction and find them another one."""
        visit = self._here(member)
        last = last_own(visit)
        if last is None:
            raise CommandError(f"{member} was introduced to nobody in this visit")
        if visit.id in self._state().asked:
            raise CommandError(f"{member} is just being asked about; try again")
        self._apply(MatchSwapped(member))
        return {"visit": visit.id, "instead_of": last.member}

    def group(self) -> Any:
        """Have those who wait for a group sit down now, as far as they go together."""
        self._apply(GroupAsked())
        waiting = len(self._state().group_of)
        if waiting < LEAST:
            raise CommandError(f"{waiting} wait for a group; it takes {LEAST}: 'fikatap visits mood MEMBER group'")
        return {"waiting": waiting}

    def schedule(self) -> Any:
        """Return what is on in the days to come, in the café's language, and what was wrong with the file."""
        state = self._state()
        lines = [
            {"day": state.house.day_in_words(each.starts), "line": in_words(state.house, state.house.language, each)}
            for each in state.schedule.occasions
        ]
        return {"occasions": lines, "trouble": state.schedule.trouble}

    def _known_visit(self, member: MemberId) -> Visit | None:
        """Return the visit of somebody who is known to be here, by whichever door they came in."""
        state = self._state()
        return state.known_visit_of(member) or state.elsewhere.visit_of(member)

    def _here(self, member: MemberId) -> Visit:
        visit = self._state().visit_of(member)
        if visit is None:
            raise CommandError(f"{member} is not checked in")
        if not visit.confirmed:
            raise CommandError(f"nobody knows whether {member} is still here; 'fikatap visits checkin {member}' first")
        return visit

    def _two(self, one: MemberId, other: MemberId) -> tuple[MemberId, MemberId]:
        if one == other:
            raise CommandError(f"{one} is one person; name two members")
        for each in (one, other):
            if self._member(each) is None:
                raise CommandError(f"there is no member '{each}'; 'fikatap members list' shows them")
        return one, other

    def _willing(self, visit: Visit) -> None:
        if not visit.member.consents.introductions:
            raise CommandError(f"{visit.member.id} did not agree to be introduced to others")

    def _told(self, visit: Visit, each: Explanation) -> dict[str, Any]:
        house = self._state().house
        texts, language = house.texts, house.language
        gate = "open" if each.gate is None else each.gate.value
        called = visit.member.called.strip() or person_number(visit.number, texts, language)
        return {
            "member": visit.member.id,
            "name": called,
            "number": visit.number,
            "score": each.score,
            "parts": [[texts.say(language, f"part.{part.value}"), worth] for part, worth in each.parts if worth],
            "pinned": each.pinned,
            "may": each.gate is None,
            "gate": None if each.gate is None else each.gate.value,
            "verdict": texts.say(language, f"gate.{gate}"),
            "reason": reason_sentence(each.reason, called, texts, house.vocabulary, language, visit.number),
        }
