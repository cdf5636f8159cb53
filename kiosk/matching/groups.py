"""Who sits down together, about what, and the group book: sub-groups of three and four that change from round to round."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from types import MappingProxyType
from typing import TypeAlias

from kiosk.matching.circumstances import Circumstances
from kiosk.matching.engine import waiting_since
from kiosk.matching.gates import Gate, barred, between, busy
from kiosk.matching.profiles import Present
from kiosk.matching.score import STANDARD, Weights, scorer
from kiosk.matching.zones import choose_zone
from kiosk.values import Gathering, TopicId, ZoneId

LEAST = 3
"""So few are a group."""
MOST = 8
"""So many sit down together; `CIRCLE` in a physical circle."""
CIRCLE = 16
ONE_TABLE = 5
"""So many talk without sub-groups."""
ROUNDS = 3
"""Rounds of a quarter of an hour or twenty minutes: more than an hour of them is too much."""

Places: TypeAlias = tuple[int, ...]
Round: TypeAlias = tuple[Places, ...]
"""The sub-groups of one round, as places at the table from 0 on."""


def find_groups(
    present: Iterable[Present],
    circumstances: Circumstances,
    weights: Weights = STANDARD,
    *,
    most: int = MOST,
    rounds: int = ROUNDS,
) -> tuple[Gathering, ...]:
    """Return who of those that wait for a group sit down together; whom no group of three takes waits on.

    Groups are about equally large, `most` people at most (16 at most). First in line is first in a group; the others are those
    who go best with all who are in it already. Every gate holds between any two, and all have one language in common.
    """
    waiting = sorted((one for one in present if _waits(one, circumstances, weights)), key=waiting_since)
    seated = dict(circumstances.occupancy)
    found: list[Gathering] = []
    while len(waiting) >= LEAST:
        tables = -(-len(waiting) // most)
        group = _gather(waiting, -(-len(waiting) // tables), circumstances, weights)
        if len(group) < LEAST:
            waiting.remove(group[0])
            continue
        waiting = [one for one in waiting if one not in group]
        zone = choose_zone(circumstances.zones, seated, quiet=any(one.profile.quiet for one in group), people=len(group))
        seated[zone] = seated.get(zone, 0) + len(group)
        found.append(_gathering(group, zone, circumstances.turn + len(found), rounds))
    return tuple(found)


def _waits(one: Present, circumstances: Circumstances, weights: Weights) -> bool:
    return barred(one) is Gate.GROUP and busy(one, circumstances, weights) in (None, Gate.APPROACHED)


def _gather(waiting: Sequence[Present], size: int, circumstances: Circumstances, weights: Weights) -> list[Present]:
    """Return the first who waits with up to `size - 1` others, each chosen as the one who goes best with all chosen before."""
    first, *others = waiting
    group, spoken = [first], first.profile.languages
    worth = dict.fromkeys(range(len(others)), 0)
    while len(group) < size:
        score, latest = scorer(group[-1].profile, weights), group[-1]
        worth = {
            place: total + score(others[place].profile)
            for place, total in worth.items()
            if between(latest, others[place], circumstances) is None and spoken & others[place].profile.languages
        }
        if not worth:
            break
        place = max(worth, key=lambda place: (worth[place], -place))
        del worth[place]
        group.append(others[place])
        spoken &= others[place].profile.languages
    return group


def _gathering(group: Sequence[Present], zone: ZoneId, turn: int, rounds: int) -> Gathering:
    return Gathering(
        zone=zone,
        rounds=tuple(
            tuple(tuple(group[place].visit.id for place in part) for part in each) for each in rotation(len(group), rounds)
        ),
        topic=_topic(group, turn),
    )


def _topic(group: Sequence[Present], turn: int) -> TopicId | None:
    """Return what most can talk about: somebody offers it, and another offers it or seeks it and lets others know."""
    offered = Counter(topic for one in group for topic in one.profile.offers)
    sought = Counter(topic for one in group if one.profile.consents.need for topic in one.profile.seeks)
    shared = {topic: offered[topic] + sought[topic] for topic in offered if offered[topic] + sought[topic] > 1}
    most = sorted(topic for topic, count in shared.items() if count == max(shared.values()))
    return most[turn % len(most)] if most else None


@lru_cache
def rotation(people: int, rounds: int = ROUNDS) -> tuple[Round, ...]:
    """Return the sub-groups of 3 to 4 for each round, for 1 to 16 people; up to five people talk at one table, in one round.

    9 and 12 to 16 people sit with nobody twice, and where `rounds` asks for more than that allows (4 rounds for 9, 13 and 14; 5
    for 12 and 16; 7 for 15), there are fewer. 6, 7, 8, 10 and 11 people can't even have two rounds without sitting with
    somebody again: they do so as seldom as can be, each round by itself.
    """
    if not 1 <= people <= CIRCLE:
        raise ValueError(f"a group of {people} people: 1 to {CIRCLE} can sit together")
    if people <= ONE_TABLE:
        return (((tuple(range(people))),),)
    if people in SIZES:
        return _fewest_repeats(people, rounds)
    if people == len(KIRKMAN) * 3:
        return _kirkman()[:rounds]
    return _lines(people)[:rounds]


SIZES: Mapping[int, tuple[int, ...]] = MappingProxyType({6: (3, 3), 7: (3, 4), 8: (4, 4), 10: (3, 3, 4), 11: (3, 4, 4)})
"""Sub-groups of so many people, where no two rounds are without repeats."""

KIRKMAN: Round = ((14, 0, 7), (1, 2, 4), (3, 8, 12), (5, 11, 13), (6, 9, 10))
"""A round of fifteen schoolgirls (Kirkman 1850): 0 to 6 and 7 to 13 turn, 14 stands still; no two meet twice in 7 rounds."""


def _kirkman() -> tuple[Round, ...]:
    def turned(place: int, by: int) -> int:
        return place if place == 14 else place // 7 * 7 + (place + by) % 7

    return tuple(tuple(tuple(sorted(turned(place, by) for place in part)) for part in KIRKMAN) for by in range(7))


def _times_4(one: int, other: int) -> int:
    return ((0, 0, 0, 0), (0, 1, 2, 3), (0, 2, 3, 1), (0, 3, 1, 2))[one][other]


def _lines(people: int) -> tuple[Round, ...]:
    """Return the parallel lines of the affine plane of order 3 (for 9) or 4, without the points that are too many.

    Two points have one line in common, so that nobody meets twice. The points that are left out are of one upright line:
    the others lose one each. A round with a line that lost too many is none.
    """
    order = 3 if people == 9 else 4
    times: Callable[[int, int], int] = _times_4 if order == 4 else lambda one, other: one * other % 3
    plus: Callable[[int, int], int] = (lambda one, other: one ^ other) if order == 4 else lambda one, other: (one + other) % 3
    numbers = range(order)
    upright = tuple(tuple(order * x + y for y in numbers) for x in numbers)
    sloping = tuple(
        tuple(tuple(order * x + plus(times(slope, x), start) for x in numbers) for start in numbers) for slope in numbers
    )
    rounds = tuple(
        tuple(part for part in (tuple(place for place in line if place < people) for line in lines) if part)
        for lines in (*sloping, upright)
    )
    return tuple(each for each in rounds if all(len(part) in (3, 4) for part in each))


def _fewest_repeats(people: int, rounds: int) -> tuple[Round, ...]:
    together: Counter[tuple[int, int]] = Counter()
    book: list[Round] = []
    options = [(parts, _pairs(parts)) for parts in _partings(tuple(range(people)), SIZES[people])]
    for _ in range(rounds):
        parts, pairs = min(options, key=lambda option: sum(together[pair] for pair in option[1]))
        together.update(pairs)
        book.append(parts)
    return tuple(book)


def _pairs(parts: Round) -> list[tuple[int, int]]:
    return [pair for part in parts for pair in combinations(part, 2)]


def _partings(places: Places, sizes: Sequence[int]) -> Iterator[Round]:
    """Yield every way to part `places` into sub-groups of these sizes."""
    if not places:
        yield ()
        return
    first, rest = places[0], places[1:]
    for size in sorted(set(sizes)):
        left = list(sizes)
        left.remove(size)
        for others in combinations(rest, size - 1):
            remaining = tuple(place for place in rest if place not in others)
            for parts in _partings(remaining, left):
                yield ((first, *others), *parts)
