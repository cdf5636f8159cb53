"""Whom to send a visitor to: the terminal's own engine, what others do, and the best that anybody could."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random

import numpy as np

from firmware_py.evaluation.evenings import Given, Memory, Policy, Stay
from firmware_py.evaluation.people import People
from kiosk.door import DoorState
from kiosk.matching.circumstances import Circumstances
from kiosk.matching.engine import find_match
from kiosk.matching.gates import barred, between
from kiosk.matching.profiles import Present, Profile, profile
from kiosk.matching.score import STANDARD, Weights
from kiosk.matching.zones import choose_zone
from kiosk.values import Introduction, MemberId, Now, Reason, ReasonKind, Visit, VisitId
from kiosk.vocabulary import Vocabulary

Rank = Callable[[Profile, Profile], int]
"""How much better one partner is than another for the first of the two."""


def one_sided(visitor: Profile, other: Profile) -> int:
    """Count what the visitor seeks and the other offers."""
    return (visitor.seek_bits & other.offer_bits).bit_count()


def overlap(visitor: Profile, other: Profile) -> int:
    """Count the words that both profiles hold, as "people like you" does."""
    alike = (visitor.seek_bits & other.seek_bits).bit_count() + (visitor.offer_bits & other.offer_bits).bit_count()
    return alike + (visitor.occupation == other.occupation) + (visitor.industry == other.industry)


def anybody(visitor: Profile, other: Profile) -> int:  # noqa: ARG001 - a rank looks at both, but this one at neither
    """Think the same of everybody."""
    return 0


RANKS: Mapping[str, Rank] = {"random": anybody, "one-sided": one_sided, "overlap": overlap}
OURS = "ours"
MAXIMUM = "maximum"
NAMES = (*RANKS, OURS, MAXIMUM)
"""All policies; `maximum` is no policy but the upper bound."""


class Profiles:
    """The profiles of the people who come, each made once."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._made: dict[MemberId, Profile] = {}

    def present(self, visit: Visit) -> Present:
        """Return a visit with its member's profile."""
        member = visit.member
        known = self._made.get(member.id)
        if known is None:
            known = self._made[member.id] = profile(member, self._vocabulary)
        return Present(visit, known)


class Ranked:
    """Sends each visitor to the first in some rank of those whom they may meet; of equals, to any."""

    def __init__(self, rank: Rank, profiles: Profiles, memory: Memory, seed: int) -> None:
        self._rank = rank
        self._profiles = profiles
        self._memory = memory
        self._chance = Random(seed)  # noqa: S311  made-up evenings are no secret

    def choose(self, visit: Visit, state: DoorState, now: Now) -> Introduction | None:  # noqa: ARG002 - others look at the time
        """Return the introduction for the visitor, None only when there is nobody whom they may meet."""
        visitor = self._profiles.present(visit)
        if barred(visitor) is not None:
            return None
        own = visitor.profile.member
        circumstances = Circumstances(zones=state.house.zones, met={own: self._memory.met(own)})
        ranked = [
            (self._rank(visitor.profile, other.profile), self._chance.random(), other.visit.id)
            for other in map(self._profiles.present, state.visits.values())
            if (between(visitor, other, circumstances) or barred(other)) is None
        ]
        if not ranked:
            return None
        zone = choose_zone(state.house.zones, state.occupancy(), quiet=visitor.profile.quiet)
        return Introduction(visit.id, max(ranked)[2], Reason(ReasonKind.OPEN), zone, 0)


class Ours:
    """Asks the terminal's engine, in the way in which the terminal does."""

    def __init__(self, profiles: Profiles, memory: Memory, weights: Weights = STANDARD) -> None:
        self._profiles = profiles
        self._memory = memory
        self._weights = weights

    def choose(self, visit: Visit, state: DoorState, now: Now) -> Introduction | None:
        """Return the engine's answer."""
        here = [self._profiles.present(each) for each in state.visits.values()]
        member = visit.member.id
        circumstances = Circumstances(
            zones=state.house.zones,
            occupancy=state.occupancy(),
            now_ms=now.boot_ms,
            mean_rate=sum(each.visit.lifetime_rate for each in here) // len(here),
            turn=state.introductions,
            met={member: self._memory.met(member)},
        )
        return find_match(self._profiles.present(visit), here, circumstances, self._weights)


def make_policy(name: str, vocabulary: Vocabulary, memory: Memory, seed: int, weights: Weights = STANDARD) -> Policy:
    """Return the policy of that name; `weights` are those of `ours`."""
    profiles = Profiles(vocabulary)
    return Ours(profiles, memory, weights) if name == OURS else Ranked(RANKS[name], profiles, memory, seed)


def best_pairs(
    people: People, stays: Sequence[Stay], vocabulary: Vocabulary, memory: Memory, peer: float, threshold: float
) -> tuple[Given, ...]:
    """Return the pairs of an evening with the most win-wins that pairs can have, each visitor in one of them.

    It knows the truth and who will come: nobody at the door can do as well with one partner each.
    """
    import rustworkx

    profiles = Profiles(vocabulary)
    members = [people.members[stay.member] for stay in stays]
    visits = [
        profiles.present(Visit(VisitId(str(place)), place + 1, member, Now("", 0))) for place, member in enumerate(members)
    ]
    circumstances = Circumstances(zones=(), met={member.id: memory.met(member.id) for member in members})
    free = [barred(each) is None for each in visits]
    edges = [
        (one, other)
        for other in range(len(stays))
        for one in range(other)
        if free[one]
        and free[other]
        and stays[one].goes > stays[other].comes
        and between(visits[one], visits[other], circumstances) is None
    ]
    if not edges:
        return ()
    ones, others = np.array([stay.member for stay in stays])[np.array(edges)].T
    good = people.truth.mutual(ones, others, peer) >= threshold
    graph: rustworkx.PyGraph[None, int] = rustworkx.PyGraph(multigraph=False)
    graph.add_nodes_from([None] * len(stays))
    # A win-win outweighs any number of other pairs.
    graph.add_edges_from([(one, other, 1 + 1000 * bool(wins)) for (one, other), wins in zip(edges, good, strict=True)])
    pairs = rustworkx.max_weight_matching(graph, weight_fn=int)
    return tuple(
        Given(stays[later].member, stays[first].member, stays[later].comes)
        for first, later in (sorted(pair) for pair in sorted(pairs))
    )
