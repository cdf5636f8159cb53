"""Everybody at once: the people here in pairs, by how well they go together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kiosk.matching.circumstances import Circumstances
from kiosk.matching.engine import waiting_since
from kiosk.matching.gates import barred, between, busy
from kiosk.matching.profiles import Present
from kiosk.matching.score import STANDARD, Weights, scorer
from kiosk.values import VisitId

BREADTH = (8, 6, 4, 2, 1, 1, 1, 1)
"""How many of the best partners are tried for each next one who lost theirs."""


class Pairing(NamedTuple):
    """Two visits that belong together, the one who waits longer first, and how well."""

    one: VisitId
    other: VisitId
    score: int


def find_pairs(present: Iterable[Present], circumstances: Circumstances, weights: Weights = STANDARD) -> tuple[Pairing, ...]:
    """Return pairs of the people here, best first, nobody twice; who has nothing in common with anybody left is in none.

    The best pair is taken first, and so on; then partners are exchanged as long as that makes two pairs better together.
    """
    people = sorted(present, key=waiting_since)
    table = worth(people, circumstances, weights)
    nobody = len(people)
    partner = [nobody] * (nobody + 1)
    best_first = sorted((-score, one, other) for one, row in enumerate(table) for other, score in enumerate(row[:one]) if score)
    for _, one, other in best_first:
        if partner[one] == partner[other] == nobody:
            partner[one], partner[other] = other, one
    near = [
        sorted((other for other in range(nobody) if row[other]), key=lambda other: -row[other])[: BREADTH[0]] for row in table
    ]
    while sum(_improve(start, partner, table, near) for start in range(nobody)):
        pass
    pairs = [(table[one][other], one, other) for one, other in enumerate(partner[:nobody]) if one < other < nobody]
    return tuple(
        Pairing(people[one].visit.id, people[other].visit.id, score)
        for score, one, other in sorted(pairs, key=lambda pair: (-pair[0], *pair[1:]))
    )


def worth(people: list[Present], circumstances: Circumstances, weights: Weights = STANDARD) -> list[list[int]]:
    """Return the base scores of everybody with everybody, 0 where a gate is closed.

    There is one row and one column more, of zeros, for nobody.
    """
    table = [[0] * (len(people) + 1) for _ in range(len(people) + 1)]
    free = [place for place, one in enumerate(people) if barred(one) is None and busy(one, circumstances, weights) is None]
    for count, place in enumerate(free):
        one = people[place]
        score = scorer(one.profile, weights)
        for other in free[:count]:
            value = score(people[other].profile)
            if value and between(one, people[other], circumstances) is None:
                table[place][other] = table[other][place] = value
    return table


def _improve(start: int, partner: list[int], table: list[list[int]], near: list[list[int]]) -> bool:
    """Give `start` another partner, whose own is given another in turn and so on, if that makes all together better.

    The chain ends where who is left over at its two ends is joined, or stays alone; nothing changes unless the sum rises.
    """
    nobody = len(partner) - 1
    tail = partner[start]
    joined: list[tuple[int, int]] = []

    def extend(end: int, gain: int) -> bool:
        """Find a partner for `end`, who has none now; `gain` is what the chain has brought so far."""
        for one in near[end][: BREADTH[len(joined)]]:
            left = partner[one]
            if one in (start, tail) or any(one in pair for pair in joined) or gain + table[end][one] <= 0:
                continue
            joined.append((end, one))
            total = gain + table[end][one] - table[one][left]
            if total + table[left][tail] > 0:
                joined.append((left, tail))
                return True
            if left != nobody and len(joined) < len(BREADTH) and extend(left, total):
                return True
            joined.pop()
        return False

    if not extend(start, -table[start][tail]):
        return False
    for one, other in joined:
        fit = table[one][other] > 0
        # The list has a place for nobody, like the table: what is written there is never read.
        partner[one], partner[other] = (other, one) if fit else (nobody, nobody)
    return True
