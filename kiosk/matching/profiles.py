"""What matching knows of a person: integers for the score, topics that may be said aloud; nothing sensitive gets this far."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from kiosk.values import Consents, Member, MemberId, PastimeId, TopicId, Visit, Wish
from kiosk.vocabulary import Vocabulary

MOST_WISHES = 6
"""A list for the half-year has so many lines; more are not looked at."""
ENOUGH = 3
"""So many things to learn make a good profile (from 1.7 to 3.3 of them, four times as many pairs help each other)."""

BEST = 2
"""So many of the offers count as what they know best: people name it first."""

MOST_PLENTY = 24


class Profile(Struct, frozen=True, kw_only=True):
    """A member as matching sees them, made once a visit.

    `seeks` and `offers` hold open topics only, without repeats; `seek_bits` and `offer_bits` are their masks. Sensitive topics
    are left out here, at the one entrance, so that neither score nor reason can give them away.
    """

    member: MemberId
    seeks: tuple[TopicId, ...]
    offers: tuple[TopicId, ...]
    seek_bits: int
    offer_bits: int
    has_offer: bool
    """Whether anything at all is offered, sensitive topics included."""
    occupation: str
    """ISCO-08 code, empty when unknown."""
    industry: str
    """NACE section, empty when unknown."""
    languages: frozenset[str]
    """What they can talk in: primary BCP 47 subtags, or the family's word where speakers understand each other."""
    employer: str
    quiet: bool
    consents: Consents
    pastimes: tuple[PastimeId, ...] = ()
    """Empty without the consent to name them, like `history`."""
    pastime_bits: int = 0
    history: frozenset[str] = frozenset()
    wishes: tuple[Wish, ...] = ()
    """The lines of their list that name an open topic."""
    first_bit: int = 0
    """The open topic that they named first of what they seek, as a mask; 0 when there is none."""
    best_bits: int = 0
    """The mask of the `BEST` open topics that they named first of what they offer."""
    trade_bits: int = 0
    """The mask of the open topics that people of their occupation typically offer, stated or not: evidence, never named."""
    plenty: int = 0
    """Topics sought times topics offered, `MOST_PLENTY` at most: how easily somebody is found for them."""
    wish_bits: int = 0
    """The mask of the topics in `wishes`."""


class Present(NamedTuple):
    """A visit and its member's profile."""

    visit: Visit
    profile: Profile


def profile(member: Member, vocabulary: Vocabulary) -> Profile:
    """Return what matching knows of `member`; topics and industries that the vocabulary does not hold are left out."""
    seeks = _open(member.seeks, vocabulary)
    offers = _open(member.offers, vocabulary)
    pastimes = tuple(dict.fromkeys(each for each in member.pastimes if each in vocabulary.pastimes))
    wishes = tuple(
        replace(wish, gives=next(iter(_open((wish.gives,), vocabulary)), None) if wish.gives else None)
        for wish in member.wishes[:MOST_WISHES]
        if _open((wish.topic,), vocabulary)
    )
    agreed = member.consents
    return Profile(
        member=member.id,
        seeks=seeks,
        offers=offers,
        seek_bits=vocabulary.mask(seeks),
        offer_bits=vocabulary.mask(offers),
        has_offer=any(topic in vocabulary.topics for topic in member.offers),
        occupation=member.occupation,
        industry=member.industry if member.industry in vocabulary.industries else "",
        languages=frozenset(_spoken(tag, vocabulary) for tag in (member.language.value, *member.languages)),
        employer=member.employer,
        quiet=member.quiet,
        consents=agreed,
        pastimes=pastimes if agreed.pastimes else (),
        pastime_bits=vocabulary.pastime_mask(pastimes) if agreed.pastimes else 0,
        history=frozenset(member.history) if agreed.history else frozenset(),
        wishes=wishes,
        first_bit=vocabulary.mask(seeks[:1]),
        best_bits=vocabulary.mask(offers[:BEST]),
        trade_bits=vocabulary.mask(_open(vocabulary.offered_by(member.occupation), vocabulary)),
        plenty=min(len(seeks) * len(offers), MOST_PLENTY),
        wish_bits=vocabulary.mask(wish.topic for wish in wishes),
    )


class Missing(StrEnum):
    """What a profile lacks; in words under `missing.<value>` in the texts."""

    CONSENT = "consent"
    """Did not agree to be introduced, which is nobody's business but theirs: said once, never asked again."""
    OFFER = "offer"
    """Nothing that others could ask about: without an offer nobody is introduced."""
    SEEK = "seek"
    """Nothing they would like to learn: nobody can be found for them."""
    MORE_SEEKS = "more_seeks"
    """Fewer than `ENOUGH` things they would like to learn; with each more it is likelier that somebody helps."""
    OCCUPATION = "occupation"
    INDUSTRY = "industry"

    @property
    def needed(self) -> bool:
        """Whether nobody is found without it."""
        return self in {Missing.CONSENT, Missing.OFFER, Missing.SEEK}


def missing(member: Member, vocabulary: Vocabulary) -> tuple[Missing, ...]:
    """Return what the profile lacks, what is needed first. Sensitive topics count like any: this is for the member's eyes."""
    seeks = len({topic for topic in member.seeks if topic in vocabulary.topics})
    lacks = {
        Missing.CONSENT: not member.consents.introductions,
        Missing.OFFER: not any(topic in vocabulary.topics for topic in member.offers),
        Missing.SEEK: not seeks,
        Missing.MORE_SEEKS: 0 < seeks < ENOUGH,
        Missing.OCCUPATION: not member.occupation,
        Missing.INDUSTRY: member.industry not in vocabulary.industries,
    }
    return tuple(each for each, lacking in lacks.items() if lacking)


def _open(topics: Iterable[TopicId], vocabulary: Vocabulary) -> tuple[TopicId, ...]:
    known = vocabulary.topics
    return tuple(topic for topic in dict.fromkeys(topics) if topic in known and not known[topic].sensitive)


def _spoken(tag: str, vocabulary: Vocabulary) -> str:
    """Return the primary subtag, or the family that it belongs to."""
    primary = tag.replace("_", "-").split("-")[0].lower()
    return vocabulary.families.get(primary, primary)
