"""Evenings in the café: people come, are sent to each other by a policy through the real door, and go."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from heapq import merge
from time import perf_counter_ns
from typing import NamedTuple, Protocol

import numpy as np
from numpy.random import Generator

from firmware_py.evaluation.people import People
from firmware_py.evaluation.truth import Numbers
from firmware_py.texts import load_texts
from kiosk.door import DoorState, step
from kiosk.effects import FindMatch, SettleMatch
from kiosk.events import Event, MatchAnswered, MemberCheckedIn, MemberLeft, Started
from kiosk.house import House
from kiosk.matching.gates import barred
from kiosk.matching.profiles import Present, profile
from kiosk.values import Colour, Introduction, Language, MemberId, Now, Symbol, Visit, Zone, ZoneId
from kiosk.vocabulary import Vocabulary

OPEN_MINUTES = 180
"""For how long people come in."""
CLOSING_MINUTE = 240
EVERY_DAYS = 7
"""There is one evening a week."""
SIX_MONTHS_DAYS = 182


class Stay(NamedTuple):
    """One member's visit to one evening: their place in the roster, and minutes after the opening."""

    member: int
    comes: int
    goes: int


class Given(NamedTuple):
    """One introduction: who was sent to whom, by their places in the roster."""

    visitor: int
    partner: int
    minute: int


class Evening(NamedTuple):
    """What became of an evening; `willing` are those who agreed to be introduced and offer something."""

    day: int
    willing: frozenset[int]
    given: tuple[Given, ...]
    repeats: int
    """Introductions of two who were introduced within six months."""
    taken_ns: tuple[int, ...]
    """How long each answer took."""


class Memory:
    """Who met whom, and when: what a terminal's ledger knows."""

    def __init__(self) -> None:
        self.day = 0
        self.introductions = 0
        self._met: dict[MemberId, dict[MemberId, int]] = defaultdict(dict)
        self._visits: Counter[MemberId] = Counter()
        self._approached: Counter[MemberId] = Counter()

    def met(self, member: MemberId) -> Set[MemberId]:
        """Return whom the member was introduced to within six months, either way round."""
        return {other for other, day in self._met[member].items() if self.day - day < SIX_MONTHS_DAYS}

    def came(self, member: MemberId) -> int:
        """Count a visit; return the rate of approaches before it, a visit, times 1000."""
        visits = self._visits[member]
        self._visits[member] += 1
        return self._approached[member] * 1000 // visits if visits else 0

    def introduced(self, member: MemberId, partner: MemberId) -> None:
        """Keep an introduction."""
        self.introductions += 1
        self._approached[partner] += 1
        self._met[member][partner] = self._met[partner][member] = self.day


class Policy(Protocol):
    """Whatever answers whom somebody should meet."""

    def choose(self, visit: Visit, state: DoorState, now: Now) -> Introduction | None:
        """Return the introduction for the visitor, or None for "not yet"."""


def draw_evening(chance: Generator, habit: Numbers, visits: int) -> tuple[Stay, ...]:
    """Return who comes when, and for how long: half in an early rush, half at any time; a third leaves within two hours."""
    # Drawing without replacement by weight: the largest of log weight plus Gumbel noise.
    members = np.argsort(-(np.log(habit) + chance.gumbel(size=len(habit))))[:visits]
    early = chance.gamma(3, 25, visits)
    comes = np.where(chance.random(visits) < 0.5, early, chance.uniform(0, OPEN_MINUTES, visits)).clip(0, OPEN_MINUTES)
    short = comes + 60 * chance.lognormal(0, 0.5, visits)
    long = chance.normal(CLOSING_MINUTE - 20, 20, visits)
    goes = np.where(chance.random(visits) < 0.35, short, long).clip(comes + 10, CLOSING_MINUTE)
    return tuple(
        sorted(map(Stay, members.tolist(), comes.astype(int).tolist(), goes.astype(int).tolist()), key=lambda stay: stay.comes)
    )


def zones_for(visits: int) -> tuple[Zone, ...]:
    """Return six zones with room for everybody, two of them quiet."""
    return tuple(
        Zone(ZoneId(f"z{place}"), f"Zone {place}", symbol, Colour.BLUE, capacity=max(4, visits // 4), quiet=place < 2)
        for place, symbol in enumerate(Symbol)
    )


class Cafe:
    """One café under one policy, evening after evening."""

    def __init__(self, people: People, vocabulary: Vocabulary, zones: tuple[Zone, ...], policy: Policy, memory: Memory) -> None:
        """Take the memory that the policy reads too."""
        self._people = people
        self._places = {member.id: place for place, member in enumerate(people.members)}
        self._policy = policy
        self._memory = memory
        self._vocabulary = vocabulary
        self._house = House(
            prefix="t1-x", language=Language.SV, texts=load_texts(), vocabulary=vocabulary, zones=zones, prints=False
        )

    def evening(self, stays: Sequence[Stay], day: int) -> Evening:
        """Play one evening from an empty café to closing."""
        self._memory.day = day
        state = DoorState(house=self._house)
        given: list[Given] = []
        taken: list[int] = []
        repeats = 0
        willing: set[int] = set()
        for minute, event in _timeline(self._people, stays, self._memory):
            now = Now(f"evening-{day}", minute * 60_000)
            waiting: list[Event] = [event]
            while waiting:
                state, effects = step(state, waiting.pop(0), now)
                for effect in effects:
                    if isinstance(effect, FindMatch):
                        began = perf_counter_ns()
                        found = self._policy.choose(state.visits[effect.visit], state, now)
                        taken.append(perf_counter_ns() - began)
                        zone = None if found is None else found.zone
                        waiting.append(MatchAnswered(effect.visit, found, zone, state.asked[effect.visit].number))
                    elif isinstance(effect, SettleMatch) and effect.partner is not None:
                        repeats += effect.partner in self._memory.met(effect.member)
                        self._memory.introduced(effect.member, effect.partner)
                        given.append(Given(self._places[effect.member], self._places[effect.partner], minute))
            if isinstance(event, MemberCheckedIn):
                visit = state.visits[state.here[event.member.id]]
                if barred(Present(visit, profile(event.member, self._vocabulary))) is None:
                    willing.add(self._places[event.member.id])
        return Evening(day, frozenset(willing), tuple(given), repeats, tuple(taken))


def _timeline(people: People, stays: Sequence[Stay], memory: Memory) -> Iterator[tuple[int, Event]]:
    """Return what happens in the evening, in order; at one minute, who goes goes before who comes."""
    yield 0, Started(introductions=memory.introductions)
    coming = ((stay.comes, 1, stay.member) for stay in stays)
    going = sorted((stay.goes, 0, stay.member) for stay in stays)
    for minute, comes, place in merge(going, coming):
        member = people.members[place]
        yield minute, MemberCheckedIn(member, memory.came(member.id)) if comes else MemberLeft(member.id)


def talks(given: Sequence[Given], stays: Mapping[int, Stay], chance: Generator) -> tuple[int, int]:
    """Return how many were sent to somebody who was talking, and how many waited in vain until that one left.

    How long two really talk is drawn anew: 17 minutes in the middle, more than half an hour now and then.
    """
    free: dict[int, float] = {}
    busy = missed = 0
    for each in given:
        begins = max(each.minute, free.get(each.partner, 0.0))
        busy += begins > each.minute
        if begins >= min(stays[each.visitor].goes, stays[each.partner].goes):
            missed += 1
            continue
        free[each.visitor] = free[each.partner] = begins + 17 * chance.lognormal(0, 0.4)
    return busy, missed
