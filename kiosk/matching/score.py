"""How well two people help each other, in thousandths: integers only, so that every machine agrees."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from kiosk.matching.profiles import Profile
from kiosk.values import Visit


class Weights(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the score counts, in thousandths unless said otherwise."""

    saturation: tuple[int, ...] = (0, 550, 800, 920, 1000)
    """What one side gets out of 0, 1, 2 … topics; more topics than are listed count as the last."""
    floor: int = 100
    """What a side that gets nothing counts as when the other gets something."""
    likeness: tuple[int, int, int, int, int] = (0, 150, 450, 750, 1000)
    """How alike occupations are with 0 to 4 common first digits of their ISCO-08 codes."""
    same_industry: int = 350
    """Factor of the likeness when the industries are the same, or not known to differ."""
    help: int = 650
    """Weight of helping each other."""
    peer: int = 250
    """Weight of similar occupations."""
    approached: int = 60
    """Taken off for each time that others were sent to this person during the visit."""
    unmet: int = 40
    """Added for a person who met nobody yet during the visit."""
    rate: int = 25
    """Taken off for each approach a visit that this person gets above the mean."""
    threshold: int = 120
    """A pick below this is "not yet"."""
    approaches: int = 3
    """How many times in a visit others may be sent to one person (a count)."""
    approaches_quiet: int = 1
    """The same for a quiet person."""


STANDARD = Weights()


def industries_differ(one: str, other: str) -> bool:
    """Return whether two NACE sections are known and different."""
    return bool(one and other and one != other)


def mutual(gained: int, given: int) -> int:
    """Return the harmonic mean of what both sides get, rounded down; 0 when both get nothing."""
    return 2 * gained * given // (gained + given) if gained or given else 0


def common_digits(one: str, other: str) -> int:
    """Return how many first digits two ISCO-08 codes share, 0 to 4."""
    count = 0
    for left, right in zip(one[:4], other[:4], strict=False):
        if left != right:
            break
        count += 1
    return count


def scorer(one: Profile, weights: Weights = STANDARD) -> Callable[[Profile], int]:
    """Return the function that tells how well `one` and another go together; tables are made once for a thousand others."""
    most = len(weights.saturation) - 1
    helping = [
        [weights.help * mutual(max(gained, weights.floor), max(given, weights.floor)) for given in weights.saturation]
        for gained in weights.saturation
    ]
    seek_bits, offer_bits, occupation, industry = one.seek_bits, one.offer_bits, one.occupation, one.industry
    likeness: dict[str, int] = {}

    def score(other: Profile) -> int:
        gained = seek_bits & other.offer_bits
        given = offer_bits & other.seek_bits
        total = helping[min(gained.bit_count(), most)][min(given.bit_count(), most)] if gained or given else 0
        alike = likeness.get(other.occupation)
        if alike is None:
            alike = weights.peer * weights.likeness[common_digits(occupation, other.occupation)]
            likeness[other.occupation] = alike
        if alike:
            total += alike if industries_differ(industry, other.industry) else alike * weights.same_industry // 1000
        return total // 1000

    return score


def base(one: Profile, other: Profile, weights: Weights = STANDARD) -> int:
    """Return how well two people go together, 0 to 900 with the standard weights; the same from both sides."""
    return scorer(one, weights)(other)


def fairness(visit: Visit, mean_rate: int, weights: Weights = STANDARD) -> int:
    """Return what is added for sending someone to this person: less for whom others were sent to, more for whom nobody met yet.

    `mean_rate` is the mean lifetime rate of the people here, like `Visit.lifetime_rate` in approaches per visit times 1000.
    """
    rarely = weights.rate * (mean_rate - visit.lifetime_rate) // 1000
    if visit.approached:
        return rarely - weights.approached * visit.approached
    return rarely if visit.introduced else rarely + weights.unmet
