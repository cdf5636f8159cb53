"""The figures of many evenings: how often both gain, how many get to meet somebody, how evenly it falls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from msgspec import Struct

from firmware_py.evaluation.evenings import EVERY_DAYS, Cafe, Evening, Memory, Stay, draw_evening, talks, zones_for
from firmware_py.evaluation.people import People
from firmware_py.evaluation.policies import MAXIMUM, best_pairs, make_policy
from firmware_py.evaluation.truth import TruthError
from kiosk.matching.gates import barred
from kiosk.matching.profiles import Present, profile
from kiosk.matching.score import STANDARD, Weights
from kiosk.values import Now, Visit, VisitId
from kiosk.vocabulary import Vocabulary


class Plan(Struct, frozen=True, kw_only=True):
    """What is played: visits an evening, evenings, the seed of arrivals, and what counts as a win-win."""

    visits: int = 150
    evenings: int = 30
    seed: int = 1
    peer: float = 0.25
    """Worth of a true peer."""
    threshold: float = 0.30
    """What both must get out of it at least."""


class Figures(Struct, frozen=True):
    """What a policy reached; shares are from 0 to 1."""

    win_win: float
    """Share of introductions out of which both get at least the threshold."""
    win_win_visits: float
    """Share of willing visits with at least one such introduction."""
    introduced: float
    """Share of willing visits with an introduction, either side."""
    introductions: float
    """Introductions a willing visit."""
    gini: float
    """How unequally members who came are approached, a visit, over all evenings: 0 equally, 1 all go to one."""
    gini_evening: float
    """How unequally approaches fall on the willing visits of one evening; the mean. Nobody is sent to who comes last."""
    most_approached: int
    """Most approaches in one visit."""
    most_approached_quiet: int
    """The same of quiet people."""
    repeats: int
    """Introductions of two who were introduced within six months."""
    one_employer: int
    """Introductions of two of one employer who did not both agree to that."""
    unwilling: int
    """Introductions of somebody who did not agree to it, or offers nothing."""
    no_language: int
    """Introductions of two without a common language."""
    busy: float
    """Share of introductions to somebody who was really in conversation."""
    missed: float
    """Share of introductions that came to nothing, since one left before the other was free."""
    match_ms_p50: float
    match_ms_p99: float


class Played(NamedTuple):
    """What became of the evenings under one policy, and who was there."""

    evenings: tuple[Evening, ...]
    stays: tuple[dict[int, Stay], ...]


def play(name: str, people: People, vocabulary: Vocabulary, plan: Plan, weights: Weights = STANDARD) -> Played:
    """Play the evenings under one policy; raise `TruthError` when the roster is too small for them.

    What a peer is worth and the threshold do not change what happens, but under `maximum`, which knows the truth.
    """
    if plan.visits > len(people.members):
        raise TruthError(f"the roster has {len(people.members)} members; {plan.visits} visits an evening need as many")
    chance = np.random.default_rng((plan.seed, 7))
    memory = Memory()
    cafe = None
    if name != MAXIMUM:
        policy = make_policy(name, vocabulary, memory, plan.seed, weights)
        cafe = Cafe(people, vocabulary, zones_for(plan.visits), policy, memory)
    evenings, drawn = [], []
    for number in range(plan.evenings):
        stays = draw_evening(chance, people.habit, plan.visits)
        day = number * EVERY_DAYS
        evening = _best_evening(people, vocabulary, memory, stays, day, plan) if cafe is None else cafe.evening(stays, day)
        evenings.append(evening)
        drawn.append({stay.member: stay for stay in stays})
    return Played(tuple(evenings), tuple(drawn))


def _best_evening(
    people: People, vocabulary: Vocabulary, memory: Memory, stays: Sequence[Stay], day: int, plan: Plan
) -> Evening:
    memory.day = day
    given = best_pairs(people, stays, vocabulary, memory, plan.peer, plan.threshold)
    for each in given:
        memory.introduced(people.members[each.visitor].id, people.members[each.partner].id)
    willing = frozenset(stay.member for stay in stays if _willing(people, stay.member, vocabulary))
    return Evening(day, willing, given, 0, ())


def _willing(people: People, place: int, vocabulary: Vocabulary) -> bool:
    member = people.members[place]
    return barred(Present(Visit(VisitId(""), 0, member, Now("", 0)), profile(member, vocabulary))) is None


def figures(people: People, played: Played, vocabulary: Vocabulary, plan: Plan) -> Figures:
    """Count, from what was given to whom and nothing else."""
    evenings, drawn = played
    members = people.members
    given = [(number, each) for number, evening in enumerate(evenings) for each in evening.given]
    ones = np.array([each.visitor for _, each in given], np.intp)
    others = np.array([each.partner for _, each in given], np.intp)
    wins = people.truth.mutual(ones, others, plan.peer) >= plan.threshold if given else np.zeros(0, bool)
    approached = [Counter(each.partner for each in evening.given) for evening in evenings]
    reached = [{place for each in evening.given for place in (each.visitor, each.partner)} for evening in evenings]
    won = {
        (number, place)
        for (number, each), win in zip(given, wins, strict=True)
        if win
        for place in (each.visitor, each.partner)
    }
    willing = sum(len(evening.willing) for evening in evenings)
    visits = Counter(place for evening in evenings for place in evening.willing)
    lifetime = Counter(each.partner for _, each in given)
    chance = np.random.default_rng((plan.seed, 8))
    waits = [talks(evening.given, stays, chance) for evening, stays in zip(evenings, drawn, strict=True)]
    taken = np.array([each for evening in evenings for each in evening.taken_ns] or [0]) / 1e6
    spoken = [profile(member, vocabulary).languages for member in members]
    pairs = [(members[each.visitor], members[each.partner]) for _, each in given]
    number_given = max(len(given), 1)
    return Figures(
        win_win=float(np.sum(wins)) / number_given,
        win_win_visits=len(won) / max(willing, 1),
        introduced=sum(len(met & evening.willing) for met, evening in zip(reached, evenings, strict=True)) / max(willing, 1),
        introductions=len(given) / max(willing, 1),
        gini=gini([lifetime[place] / count for place, count in visits.items()]),
        gini_evening=float(
            np.mean(
                [gini([times[place] for place in evening.willing]) for times, evening in zip(approached, evenings, strict=True)]
            )
        ),
        most_approached=max((most for times in approached for most in times.values()), default=0),
        most_approached_quiet=max(
            (most for times in approached for place, most in times.items() if members[place].quiet), default=0
        ),
        repeats=sum(evening.repeats for evening in evenings),
        one_employer=sum(
            bool(one.employer)
            and one.employer == other.employer
            and not (one.consents.colleagues and other.consents.colleagues)
            for one, other in pairs
        ),
        unwilling=sum(
            place not in evenings[number].willing for number, each in given for place in (each.visitor, each.partner)
        ),
        no_language=sum(spoken[each.visitor].isdisjoint(spoken[each.partner]) for _, each in given),
        busy=sum(busy for busy, _ in waits) / number_given,
        missed=sum(missed for _, missed in waits) / number_given,
        match_ms_p50=float(np.percentile(taken, 50)),
        match_ms_p99=float(np.percentile(taken, 99)),
    )


def gini(counts: Sequence[float]) -> float:
    """Return the Gini coefficient of how often each was approached; 0 when nobody was."""
    ordered = np.sort(np.array(counts, float))
    total, size = float(ordered.sum()), len(ordered)
    return float(2 * np.sum(np.arange(1, size + 1) * ordered) / (size * total) - (size + 1) / size) if total else 0.0
