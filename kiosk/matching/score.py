"""How well two people help each other, in thousandths: integers only, so that every machine agrees."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from kiosk.matching.profiles import Profile
from kiosk.values import Visit, Wish


class Weights(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the score counts, in thousandths unless said otherwise."""

    saturation: tuple[int, ...] = (0, 600, 850, 950, 1000)
    """What one side gets out of 0, 1, 2 … topics, and both out of pastimes; more than are listed count as the last."""
    later: int = 800
    """Factor of what a side gets when what they named first is not in it: people name what is most pressing first."""
    floor: int = 80
    """What a side that gets nothing counts as when the other gets something."""
    likeness: tuple[int, int, int, int, int] = (0, 250, 550, 800, 1000)
    """How alike occupations are with 0 to 4 common first digits of their ISCO-08 codes."""
    same_industry: int = 450
    """Factor of the likeness when the industries are the same, or not known to differ."""
    help: int = 750
    """Weight of helping each other."""
    peer: int = 150
    """Weight of similar occupations."""
    leisure: int = 30
    """Weight of pastimes in common."""
    wishes: int = 70
    """Weight of the lists for the half-year: half of it for each side whose list names somebody like the other."""
    approached: int = 180
    """Taken off for each time that others were sent to this person during the visit."""
    unmet: int = 150
    """Added for a person who met nobody yet during the visit."""
    rate: int = 150
    """Taken off for each approach a visit that this person gets above the mean."""
    threshold: int = 195
    """A pick below this is "not yet"."""
    approaches: int = 3
    """How many times in a visit others may be sent to one person (a count)."""
    approaches_quiet: int = 1
    """The same for a quiet person."""
    explore: int = 24
    """One of so many picks takes somebody from another field (a count; 0 for none)."""


STANDARD = Weights()


class Part(StrEnum):
    """What a score is made of, each named like its weight; in words under `part.<value>` in the texts."""

    HELP = "help"
    PEER = "peer"
    LEISURE = "leisure"
    WISHES = "wishes"
    APPROACHED = "approached"
    UNMET = "unmet"
    RATE = "rate"


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


def granted(one: Profile, other: Profile) -> Wish | None:
    """Return the first line of one's list for the half-year that the other fits: of that field, and offering that topic."""
    for wish in one.wishes:
        if wish.topic in other.offers and (wish.field == other.industry or _of_field(other.occupation, wish.field)):
            return wish
    return None


def _of_field(occupation: str, field: str) -> bool:
    return bool(field) and occupation.startswith(field)


def scorer(one: Profile, weights: Weights = STANDARD) -> Callable[[Profile], int]:
    """Return the function that tells how well `one` and another go together; tables are made once for a thousand others."""
    worth, floor, most = weights.saturation, weights.floor, len(weights.saturation) - 1
    later = most + 1
    sides = (*worth, *(each * weights.later // 1000 for each in worth))
    helping = [[weights.help * mutual(max(gained, floor), max(given, floor)) // 1000 for given in sides] for gained in sides]
    pleasure = [weights.leisure * shared // 1000 for shared in worth]
    seek_bits, offer_bits, pastime_bits, wish_bits = one.seek_bits, one.offer_bits, one.pastime_bits, one.wish_bits
    occupation, industry, first_bit = one.occupation, one.industry, one.first_bit
    likeness: dict[str, tuple[int, int]] = {}

    def score(other: Profile) -> int:
        gained = seek_bits & other.offer_bits
        given = offer_bits & other.seek_bits
        total = 0
        if gained or given:
            get = min(gained.bit_count(), most) + (0 if gained & first_bit else later)
            give = min(given.bit_count(), most) + (0 if given & other.first_bit else later)
            total = helping[get][give]
        alike = likeness.get(other.occupation)
        if alike is None:
            same_work = weights.peer * weights.likeness[common_digits(occupation, other.occupation)] // 1000
            alike = likeness[other.occupation] = same_work, same_work * weights.same_industry // 1000
        if alike[0]:
            total += alike[0] if industries_differ(industry, other.industry) else alike[1]
        if pastime_bits & other.pastime_bits:
            total += pleasure[min((pastime_bits & other.pastime_bits).bit_count(), most)]
        if wish_bits & other.offer_bits or other.wish_bits & offer_bits:
            listed = (granted(one, other) is not None) + (granted(other, one) is not None)
            total += weights.wishes * listed // 2
        return total

    return score


def base(one: Profile, other: Profile, weights: Weights = STANDARD) -> int:
    """Return how well two people go together, 0 to 1000 with the standard weights; the same from both sides."""
    return scorer(one, weights)(other)


def fairness(visit: Visit, mean_rate: int, weights: Weights = STANDARD) -> int:
    """Return what is added for sending someone to this person: less for whom others were sent to, more for whom nobody met yet.

    `mean_rate` is the mean lifetime rate of the people here, like `Visit.lifetime_rate` in approaches per visit times 1000.
    """
    rarely = weights.rate * (mean_rate - visit.lifetime_rate) // 1000
    if visit.approached:
        return rarely - weights.approached * visit.approached
    return rarely if visit.introduced else rarely + weights.unmet


def partwise(
    one: Profile, mean_rate: int, weights: Weights = STANDARD
) -> Callable[[Visit, Profile], tuple[tuple[Part, int], ...]]:
    """Return the function that takes a score apart, fairness included: each part is what that alone would score."""
    alone = [(part, replace(weights, **{other.value: 0 for other in Part if other is not part})) for part in Part]
    scorers = [(part, only, scorer(one, only)) for part, only in alone]

    def parts(visit: Visit, other: Profile) -> tuple[tuple[Part, int], ...]:
        return tuple((part, score(other) + fairness(visit, mean_rate, only)) for part, only, score in scorers)

    return parts
