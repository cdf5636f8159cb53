"""Whom a visitor should meet of the people here now, why and where; the same question always gets the same answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec import Struct

from kiosk.matching.circumstances import Circumstances
from kiosk.matching.gates import Gate, apart, barred
from kiosk.matching.profiles import Present, Profile
from kiosk.matching.reasons import reason
from kiosk.matching.score import (
    STANDARD,
    Part,
    Weights,
    common_digits,
    fairness,
    industries_differ,
    most_fairness,
    partwise,
    scorer,
)
from kiosk.matching.zones import choose_zone
from kiosk.values import Introduction, Reason, Visit, VisitId

MINUTE_MS = 60_000


class Explanation(Struct, frozen=True):
    """What the engine thinks of one candidate, for the host: the parts add up to the score; nothing sensitive is in them."""

    partner: VisitId
    score: int
    parts: tuple[tuple[Part, int], ...]
    gate: Gate | None
    """Why this candidate is not taken; None when it may be."""
    pinned: bool
    reason: Reason
    """What the visitor's badge would say."""


def find_match(
    visitor: Present, present: Collection[Present], circumstances: Circumstances, weights: Weights = STANDARD
) -> Introduction | None:
    """Return the introduction for a visitor, or None for "not yet".

    `present` are the visits of the people here, in any order; the visitor's own is passed over. Whom the host pinned is taken
    first, of several the one who waits longest. Every so-and-so-many-th introduction takes somebody from another field.
    """
    if barred(visitor):
        return None
    best = _by_the_host(visitor, present, circumstances, weights) or _by_the_score(visitor, present, circumstances, weights)
    if best is None:
        return None
    quiet = visitor.profile.quiet or best.profile.quiet
    return Introduction(
        visit=visitor.visit.id,
        partner=best.visit.id,
        reason=reason(visitor, best),
        zone=choose_zone(circumstances.zones, circumstances.occupancy, quiet=quiet, partner_zone=best.visit.zone),
        score=scorer(visitor.profile, weights)(best.profile)
        + fairness(best, waited(visitor, best), circumstances.mean_rate, weights),
    )


def explain(
    visitor: Present, present: Iterable[Present], circumstances: Circumstances, weights: Weights = STANDARD
) -> tuple[Explanation, ...]:
    """Return what the engine thinks of everybody here who agreed to be introduced, for a visitor who did.

    First come those who may be taken, pinned ones before others, then those whom a gate keeps away, each best first.
    """
    parts_of = partwise(visitor.profile, circumstances.mean_rate, weights)
    ranked: list[tuple[tuple[object, ...], Explanation]] = []
    for one in present:
        pinned = _pinned(visitor, one, circumstances)
        gate = apart(visitor, one, circumstances, weights, pinned=pinned)
        if gate is Gate.SELF or Gate.CONSENT in (barred(visitor), barred(one)):
            continue
        parts = parts_of(one, waited(visitor, one))
        score = sum(worth for _, worth in parts)
        gate = barred(visitor) or gate
        if gate is None and not pinned and score < weights.threshold:
            gate = Gate.SCORE
        order = gate is not None, not pinned, -score, waiting_since(one)
        ranked.append((order, Explanation(one.visit.id, score, parts, gate, pinned, reason(visitor, one))))
    return tuple(explanation for _, explanation in sorted(ranked, key=lambda each: each[0]))


def waiting_since(one: Present) -> tuple[bool, int, int, VisitId]:
    """Return a key that puts people in the order in which they came: first in line comes first.

    Whoever came before the time was known came before the others; doors that come in at the same moment go by badge number.
    """
    visit: Visit = one.visit
    wall = visit.opened.wall
    return wall is not None, visit.opened.boot_ms if wall is None else wall.utc_ms, visit.number, visit.id


def waited(visitor: Present, one: Present) -> int:
    """Return for how many minutes somebody was here when the visitor came; 0 where the two clocks can't be compared."""
    then, now = one.visit.opened, visitor.visit.opened
    if then.wall is not None and now.wall is not None:
        return max(0, now.wall.utc_ms - then.wall.utc_ms) // MINUTE_MS
    return max(0, now.boot_ms - then.boot_ms) // MINUTE_MS if then.boot_id == now.boot_id else 0


def _pinned(visitor: Present, one: Present, circumstances: Circumstances) -> bool:
    return one.profile.member in circumstances.pins.get(visitor.profile.member, ())


def _by_the_host(
    visitor: Present, present: Iterable[Present], circumstances: Circumstances, weights: Weights
) -> Present | None:
    """Return whom the host pinned, of several the one who waits longest."""
    if visitor.profile.member not in circumstances.pins:
        return None
    pinned = (one for one in present if _pinned(visitor, one, circumstances))
    free = (one for one in pinned if apart(visitor, one, circumstances, weights, pinned=True) is None)
    return min(free, key=waiting_since, default=None)


def _by_the_score(
    visitor: Present, present: Collection[Present], circumstances: Circumstances, weights: Weights
) -> Present | None:
    """Return the best; when it is an unlike person's turn, the best of those who met nobody yet, then of all unlike ones."""
    if weights.explore and circumstances.turn % weights.explore == weights.explore - 1:
        unlike = [one for one in present if _unlike(visitor.profile, one.profile)]
        alone = [one for one in unlike if not one.visit.approached and not one.visit.introduced]
        for pool in (alone, unlike):
            if best := _best(visitor, pool, circumstances, weights):
                return best
    return _best(visitor, present, circumstances, weights)


def _unlike(one: Profile, other: Profile) -> bool:
    return industries_differ(one.industry, other.industry) and not common_digits(one.occupation, other.occupation)


def _best(visitor: Present, present: Iterable[Present], circumstances: Circumstances, weights: Weights) -> Present | None:
    """Return the best of those who may be met and reach the threshold; of equals, who has waited longest."""
    base, mean_rate = scorer(visitor.profile, weights), circumstances.mean_rate
    # Many people fall short even with the most that fairness can add, and their share is never worked out.
    most_fair = most_fairness(mean_rate, weights)
    best: Present | None = None
    best_score = weights.threshold
    for candidate in present:
        score = base(candidate.profile)
        if score + most_fair < best_score:
            continue
        score += fairness(candidate, waited(visitor, candidate), mean_rate, weights)
        if score < best_score:
            continue
        # Few get this far, so the gates cost little here.
        if score == best_score and best and waiting_since(candidate) > waiting_since(best):
            continue
        if apart(visitor, candidate, circumstances, weights) is None:
            best, best_score = candidate, score
    return best
