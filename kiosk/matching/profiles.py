"""What matching knows of a person: integers for the score, topics that may be said aloud; nothing sensitive gets this far."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from msgspec import Struct

from kiosk.values import Consents, Member, MemberId, TopicId, Visit
from kiosk.vocabulary import Vocabulary

NORWEGIAN = frozenset({"nb", "nn", "no"})


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
    """Spoken languages as primary BCP 47 subtags."""
    employer: str
    quiet: bool
    consents: Consents


class Present(NamedTuple):
    """A visit and its member's profile."""

    visit: Visit
    profile: Profile


def profile(member: Member, vocabulary: Vocabulary) -> Profile:
    """Return what matching knows of `member`; topics and industries that the vocabulary does not hold are left out."""
    seeks = _open(member.seeks, vocabulary)
    offers = _open(member.offers, vocabulary)
    return Profile(
        member=member.id,
        seeks=seeks,
        offers=offers,
        seek_bits=vocabulary.mask(seeks),
        offer_bits=vocabulary.mask(offers),
        has_offer=any(topic in vocabulary.topics for topic in member.offers),
        occupation=member.occupation,
        industry=member.industry if member.industry in vocabulary.industries else "",
        languages=frozenset(_spoken(tag) for tag in (member.language.value, *member.languages)),
        employer=member.employer,
        quiet=member.quiet,
        consents=member.consents,
    )


def _open(topics: Iterable[TopicId], vocabulary: Vocabulary) -> tuple[TopicId, ...]:
    known = vocabulary.topics
    return tuple(topic for topic in dict.fromkeys(topics) if topic in known and not known[topic].sensitive)


def _spoken(tag: str) -> str:
    """Return the primary subtag; both written forms of Norwegian are one spoken language."""
    primary = tag.replace("_", "-").split("-")[0].lower()
    return "no" if primary in NORWEGIAN else primary
