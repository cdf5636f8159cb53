"""Whether the partner's trade betrays what somebody may not be seen to seek."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import exp, log, sqrt
from random import Random

from msgspec import Struct

from firmware_py.evaluation.evenings import zones_for
from kiosk.matching.circumstances import Circumstances
from kiosk.matching.engine import find_match
from kiosk.matching.profiles import Present, profile
from kiosk.values import Member, Now, Visit, VisitId
from kiosk.vocabulary import Vocabulary

CROWD = 80
"""So many are here at a time."""
NORMAL_95 = 1.96


class Betrayal(Struct, frozen=True):
    """How much likelier a partner of an advising trade is for those with a sensitive need than for others: 1 tells nothing.

    `low` and `high` bound the ratio's 95 % interval. Advising trades are those that typically offer a sensitive topic. People
    of such a trade are not counted as readers: they hardly have such needs, and like meets like.
    """

    introductions: int
    ratio: float
    low: float
    high: float


def betrayal(members: Sequence[Member], vocabulary: Vocabulary, engine: Vocabulary, introductions: int, seed: int) -> Betrayal:
    """Return the likelihood ratio over so many introductions, both sides of each being told who the other is.

    `vocabulary` says what is sensitive and `engine` is what the engine is told of that: the same, but for a control.
    """
    sensitive = {topic.id for topic in vocabulary.topics.values() if topic.sensitive}
    trades = tuple(digits for topic in sensitive for digits in vocabulary.topics[topic].offered_by)
    advises = {member.id: member.occupation.startswith(trades) for member in members}
    needs = {member.id: not sensitive.isdisjoint(member.seeks) for member in members}
    # By need: how many readers there were, and how many of them were to meet somebody of an advising trade.
    readers, met = {True: 0, False: 0}, {True: 0, False: 0}
    count = 0
    for pair in _introductions(members, engine, seed):
        for reader, partner in (pair, pair[::-1]):
            if not advises[reader.id]:
                readers[needs[reader.id]] += 1
                met[needs[reader.id]] += advises[partner.id]
        count += 1
        if count == introductions:
            break
    ratio = (met[True] / readers[True]) / (met[False] / readers[False])
    # Katz: the logarithm of a ratio of two shares is nearly normal.
    error = sqrt(1 / met[True] - 1 / readers[True] + 1 / met[False] - 1 / readers[False])
    return Betrayal(count, ratio, exp(log(ratio) - NORMAL_95 * error), exp(log(ratio) + NORMAL_95 * error))


def unmasked(vocabulary: Vocabulary) -> Vocabulary:
    """Return the vocabulary of a café that takes nothing for sensitive: the control."""
    return Vocabulary(
        (topic._replace(sensitive=False) for topic in vocabulary.topics.values()),
        vocabulary.occupations,
        vocabulary.industries,
        vocabulary.weights,
        vocabulary.pastimes,
        vocabulary.families,
    )


def _introductions(members: Sequence[Member], engine: Vocabulary, seed: int) -> Iterator[tuple[Member, Member]]:
    """Return who is introduced to whom, crowd after crowd of different people, for ever."""
    chance = Random(seed)  # noqa: S311  made-up evenings are no secret
    circumstances = Circumstances(zones=zones_for(CROWD))
    profiles = {member.id: profile(member, engine) for member in members}
    while True:
        crowd = [
            Present(Visit(VisitId(f"v{number}"), number, member, Now("evening", 0)), profiles[member.id])
            for number, member in enumerate(chance.sample(members, CROWD), 1)
        ]
        by_visit = {each.visit.id: each.visit.member for each in crowd}
        for each in crowd:
            found = find_match(each, crowd, circumstances)
            if found is not None:
                yield each.visit.member, by_visit[found.partner]
