"""Whom a visitor should meet of the people here now, why and where; the same question always gets the same answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

from kiosk.matching.gates import apart, barred
from kiosk.matching.profiles import Present
from kiosk.matching.reasons import reason
from kiosk.matching.score import STANDARD, Weights, fairness, scorer
from kiosk.matching.zones import choose_zone
from kiosk.values import Introduction, MemberId, Zone, ZoneId


def find_match(
    visitor: Present,
    present: Iterable[Present],
    met: Set[MemberId],
    zones: Sequence[Zone],
    occupancy: Mapping[ZoneId, int],
    mean_rate: int,
    weights: Weights = STANDARD,
) -> Introduction | None:
    """Return the introduction for a visitor, or None for "not yet".

    `present` are the visits of the people here, in any order; the visitor's own is passed over. `met` holds the members
    whom the visitor met within six months, `occupancy` the people in each zone without the visitor, `mean_rate` the mean
    lifetime rate of the people here (see `Visit`). Of equals, the one with the lower badge number, who has waited longer.
    """
    if barred(visitor):
        return None
    base = scorer(visitor.profile, weights)
    # What fairness can add at most: most people fall short even so, and their share is never worked out.
    most_fair = weights.unmet + weights.rate * mean_rate // 1000
    best: Present | None = None
    best_score = weights.threshold
    for candidate in present:
        visit, profile = candidate
        score = base(profile)
        if score + most_fair < best_score:
            continue
        score += fairness(visit, mean_rate, weights)
        if score < best_score:
            continue
        # Few get this far, so the gates cost little here.
        if score == best_score and best and (visit.number, visit.id) > (best.visit.number, best.visit.id):
            continue
        if apart(visitor, candidate, met, weights) is None:
            best, best_score = candidate, score
    if best is None:
        return None
    quiet = visitor.profile.quiet or best.profile.quiet
    return Introduction(
        visit=visitor.visit.id,
        partner=best.visit.id,
        reason=reason(visitor, best),
        zone=choose_zone(zones, occupancy, quiet=quiet, partner_zone=best.visit.zone),
        score=best_score,
    )
