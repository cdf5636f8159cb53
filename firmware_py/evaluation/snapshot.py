"""How near the engine's pairs of everybody here come to the best pairs that there are."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from firmware_py.evaluation.evenings import zones_for
from kiosk.matching.circumstances import Circumstances
from kiosk.matching.gates import barred, between
from kiosk.matching.pairs import find_pairs
from kiosk.matching.profiles import Present, profile
from kiosk.matching.score import STANDARD, Weights, base
from kiosk.values import Member, Now, Visit, VisitId
from kiosk.vocabulary import Vocabulary


def crowd(members: Sequence[Member], count: int, seed: int, vocabulary: Vocabulary) -> tuple[Present, ...]:
    """Return so many different members who are here."""
    chance = Random(seed)  # noqa: S311  made-up crowds are no secret
    return tuple(
        Present(Visit(VisitId(f"v{number}"), number, member, Now("evening", number)), profile(member, vocabulary))
        for number, member in enumerate(chance.sample(members, count), 1)
    )


def share_of_best(people: Sequence[Present], weights: Weights = STANDARD) -> float:
    """Return the engine's sum of scores by the sum of a maximum-weight matching; 1 where there is no pair at all.

    Every pair is counted by the score of its own two people, wherever it is above 0 and no gate parts them.
    """
    import rustworkx

    circumstances = Circumstances(zones=zones_for(len(people)))
    free = [one for one in people if barred(one) is None]
    graph: rustworkx.PyGraph[Present, int] = rustworkx.PyGraph(multigraph=False)
    graph.add_nodes_from(free)
    for place, one in enumerate(free):
        for other, theirs in enumerate(free[:place]):
            score = base(one.profile, theirs.profile, weights)
            if score > 0 and between(one, theirs, circumstances) is None:
                graph.add_edge(other, place, score)
    best = sum(graph.get_edge_data(*pair) for pair in rustworkx.max_weight_matching(graph, weight_fn=int))
    by_visit = {one.visit.id: one for one in people}
    ours = 0
    seen: set[VisitId] = set()
    for pair in find_pairs(people, circumstances, weights):
        first, second = by_visit[pair.one], by_visit[pair.other]
        if {pair.one, pair.other} & seen or barred(first) or barred(second) or between(first, second, circumstances):
            raise AssertionError(f"{pair} is no pair that may be")
        seen |= {pair.one, pair.other}
        ours += base(first.profile, second.profile, weights)
    return ours / best if best else 1.0
