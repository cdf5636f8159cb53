"""How well two people help each other, in thousandths: integers only, so that every machine agrees."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from kiosk.matching.profiles import Present, Profile
from kiosk.values import Wish


class Weights(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the score counts, in thousandths unless said otherwise."""

    chance: tuple[int, int, int, int, int, int, int] = (120, 270, 500, 730, 880, 950, 980)
    """How likely one side is helped, by `points` from 0 to 6: what is known of both is a part of what they can and need."""
    pastimes: tuple[int, ...] = (0, 600, 850, 950, 1000)
    """What 0, 1, 2 … pastimes in common are worth; more than are listed count as the last."""
    likeness: tuple[int, int, int, int, int] = (0, 250, 550, 800, 1000)
    """How alike occupations are with 0 to 4 common first digits of their ISCO-08 codes."""
    same_industry: int = 450
    """Factor of the likeness when the industries are the same, or not known to differ."""
    help: int = 840
    """Weight of helping each other."""
    peer: int = 60
    """Weight of similar occupations."""
    leisure: int = 30
    """Weight of pastimes in common."""
    wishes: int = 70
    """Weight of the lists for the half-year: half of it for each side whose list names somebody like the other."""
    approached: int = 330
    """Taken off for each time that others were sent to this person during the visit."""
    unmet: int = 350
    """Added for a person who met nobody yet during the visit: a seventh of it at first, all of it after an hour."""
    rate: int = 150
    """Taken off for each approach a visit that this person gets above the mean."""
    plenty: int = 12
    """Taken off for each of `Profile.plenty` above `USUAL`, added for each below: those who are easily matched can wait."""
    threshold: int = 185
    """A pick below this is "not yet"."""
    approaches: int = 3
    """How many times in a visit others may be sent to one person (a count)."""
    approaches_quiet: int = 1
    """The same for a quiet person."""
    explore: int = 24
    """One of so many picks takes somebody from another field (a count; 0 for none)."""


STANDARD = Weights()

USUAL = 9
"""What `Profile.plenty` is of a usual profile: three topics sought times three offered."""
HOUR = 60
"""After so many minutes somebody has waited as long as counts."""
AT_FIRST = 10
"""Who has just come counts as if they had waited this long."""


class Part(StrEnum):
    """What a score is made of, each named like its weight; in words under `part.<value>` in the texts."""

    HELP = "help"
    PEER = "peer"
    LEISURE = "leisure"
    WISHES = "wishes"
    APPROACHED = "approached"
    UNMET = "unmet"
    RATE = "rate"
    PLENTY = "plenty"


def industries_differ(one: str, other: str) -> bool:
    """Return whether two NACE sections are known and different."""
    return bool(one and other and one != other)


def points(stated: int, likely: int, first: int, best: int) -> int:
    """Return how much speaks for one side being helped, 0 to 6.

    `stated` is the mask of what they seek and the other offers, `likely` of what they seek and people of the other's
    occupation typically offer. `first` is what they named first of what they seek, for people name first what is most
    pressing; `best` what the other named first of what they offer.
    """
    if not stated:
        return 1 if likely else 0
    several = stated & (stated - 1)
    return 2 + bool(several) + bool(stated & first) + bool(stated & best) + bool(likely)


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
    chance, most = weights.chance, len(weights.pastimes) - 1
    helping = [[weights.help * get * give // 1_000_000 for give in chance] for get in chance]
    pleasure = [weights.leisure * shared // 1000 for shared in weights.pastimes]
    seek_bits, offer_bits, pastime_bits, wish_bits = one.seek_bits, one.offer_bits, one.pastime_bits, one.wish_bits
    trade_bits, first_bit, best_bits = one.trade_bits, one.first_bit, one.best_bits
    occupation, industry = one.occupation, one.industry
    likeness: dict[str, tuple[int, int]] = {}

    def score(other: Profile) -> int:
        theirs, asked = other.trade_bits & seek_bits, other.seek_bits
        gained, given, ours = other.offer_bits & seek_bits, asked & offer_bits, asked & trade_bits
        total = 0
        if gained or given or theirs or ours:
            get, give = points(gained, theirs, first_bit, other.best_bits), points(given, ours, other.first_bit, best_bits)
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


def fairness(one: Present, waited: int, mean_rate: int, weights: Weights = STANDARD) -> int:
    """Return what is added for sending someone to this person: less for whom others were sent to, more for whom nobody met yet.

    `waited` is in minutes. `mean_rate` is the mean lifetime rate of the people here, like `Visit.lifetime_rate` in approaches
    per visit times 1000.
    """
    visit = one.visit
    fair = weights.rate * (mean_rate - visit.lifetime_rate) // 1000 + weights.plenty * (USUAL - one.profile.plenty)
    if visit.approached:
        return fair - weights.approached * visit.approached
    if visit.introduced:
        return fair
    return fair + weights.unmet * (AT_FIRST + min(waited, HOUR)) // (AT_FIRST + HOUR)


def most_fairness(mean_rate: int, weights: Weights = STANDARD) -> int:
    """Return the most that `fairness` can add."""
    return weights.unmet + weights.rate * mean_rate // 1000 + weights.plenty * USUAL


def partwise(
    one: Profile, mean_rate: int, weights: Weights = STANDARD
) -> Callable[[Present, int], tuple[tuple[Part, int], ...]]:
    """Return the function that takes a score apart, fairness included: each part is what that alone would score.

    It takes a candidate, and the minutes that they have waited.
    """
    alone = [(part, replace(weights, **{other.value: 0 for other in Part if other is not part})) for part in Part]
    scorers = [(part, only, scorer(one, only)) for part, only in alone]

    def parts(other: Present, waited: int) -> tuple[tuple[Part, int], ...]:
        return tuple((part, score(other.profile) + fairness(other, waited, mean_rate, only)) for part, only, score in scorers)

    return parts
