"""The closed word lists of topics, occupations, industries and pastimes, as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple, TypeVar
from unicodedata import combining, normalize

from kiosk.values import Language, PastimeId, TopicId

Word = TypeVar("Word", bound=str)
Labels = Mapping[Language, str]
NO_LABELS: Labels = MappingProxyType({})
NO_WEIGHTS: Mapping[str, int] = MappingProxyType({})
NO_PASTIMES: Mapping[PastimeId, Labels] = MappingProxyType({})
NO_FAMILIES: Mapping[str, str] = MappingProxyType({})
LETTERS = str.maketrans({"æ": "ae", "ø": "o", "đ": "d", "ł": "l"})
"""Letters that Unicode does not take apart."""


class Topic(NamedTuple):
    """A thing to seek or to offer; `sensitive` ones are never shown, and never decide a match as a need."""

    id: TopicId
    sensitive: bool
    labels: Labels
    offered_by: tuple[str, ...] = ()
    """First digits of the ISCO-08 codes of occupations that typically offer it."""
    phrases: Labels = NO_LABELS
    """How the topic stands after "about", in languages where that is not its label: "om *att* starta eget företag"."""

    def phrase(self, language: Language) -> str:
        """Return the topic as it stands after "about"."""
        return self.phrases.get(language) or self.labels[language]


class Vocabulary:
    """All topics, occupations (by ISCO-08 code), industries (by NACE section) and pastimes, with labels in each language.

    `weights` tells how frequent an occupation or industry is, in tenths, by its code; made-up rosters use it. `families` gives,
    by primary BCP 47 subtag, one word to languages whose speakers understand each other.
    """

    def __init__(
        self,
        topics: Iterable[Topic],
        occupations: Mapping[str, Labels],
        industries: Mapping[str, Labels],
        weights: Mapping[str, int] = NO_WEIGHTS,
        pastimes: Mapping[PastimeId, Labels] = NO_PASTIMES,
        families: Mapping[str, str] = NO_FAMILIES,
    ) -> None:
        self.topics = {topic.id: topic for topic in topics}
        self.occupations = dict(occupations)
        self.industries = dict(industries)
        self.weights = dict(weights)
        self.pastimes = dict(pastimes)
        self.families = dict(families)

    @cached_property
    def bits(self) -> Mapping[TopicId, int]:
        """Each topic's bit in a mask, by its place in the list."""
        return {topic: 1 << place for place, topic in enumerate(self.topics)}

    @cached_property
    def sensitive(self) -> int:
        """The mask of topics that nobody may be seen to seek."""
        return self.mask(topic.id for topic in self.topics.values() if topic.sensitive)

    def mask(self, topics: Iterable[TopicId]) -> int:
        """Return the mask of `topics`; a topic that is not in the list raises KeyError."""
        mask = 0
        for topic in topics:
            mask |= self.bits[topic]
        return mask

    @cached_property
    def _pastime_bits(self) -> Mapping[PastimeId, int]:
        return {pastime: 1 << place for place, pastime in enumerate(self.pastimes)}

    def pastime_mask(self, pastimes: Iterable[PastimeId]) -> int:
        """Return the mask of `pastimes`, by their places in the list; one that is not in it raises KeyError."""
        mask = 0
        for pastime in pastimes:
            mask |= self._pastime_bits[pastime]
        return mask

    def find_topic(self, word: str) -> TopicId | None:
        """Return the topic with this id, or with this label in any language; None when there is none."""
        return self._topic_words.get(_plain(word))

    def complete(self, typed: str, language: Language, count: int = 8) -> tuple[TopicId, ...]:
        """Return at most `count` topics that what was typed may be the beginning of; accents and case make no difference.

        Each typed word has to begin a word of the topic's label in `language`, or else of one in another language or of its
        id; those go last. Nothing is understood: "jobb" does not find "arbete".
        """
        begun = _fold(typed).split()
        if not begun:
            return ()
        found: list[tuple[int, int, TopicId]] = []
        for place, (topic, entry) in enumerate(self.topics.items()):
            label = _fold(entry.labels[language])
            elsewhere = [_fold(entry.labels[other]) for other in Language] + [_fold(topic)]
            if _begins(begun, label):
                found.append((not label.startswith(" ".join(begun)), place, topic))
            elif any(_begins(begun, other) for other in elsewhere):
                found.append((2, place, topic))
        return tuple(topic for *_, topic in sorted(found)[:count])

    def find_occupation(self, word: str) -> str | None:
        """Return the ISCO-08 code that is this code, or has this label in any language; None when there is none."""
        return self._occupation_words.get(_plain(word))

    def find_industry(self, word: str) -> str | None:
        """Return the NACE section that is this letter, or has this label in any language; None when there is none."""
        return self._industry_words.get(_plain(word))

    def find_pastime(self, word: str) -> PastimeId | None:
        """Return the pastime with this id, or with this label in any language; None when there is none."""
        return self._pastime_words.get(_plain(word))

    def offered_by(self, occupation: str) -> tuple[TopicId, ...]:
        """Return the topics that people of this ISCO-08 code typically offer."""
        return tuple(topic.id for topic in self.topics.values() if occupation.startswith(topic.offered_by))

    @cached_property
    def _topic_words(self) -> Mapping[str, TopicId]:
        return _words({topic.id: topic.labels for topic in self.topics.values()})

    @cached_property
    def _occupation_words(self) -> Mapping[str, str]:
        return _words(self.occupations)

    @cached_property
    def _industry_words(self) -> Mapping[str, str]:
        return _words(self.industries)

    @cached_property
    def _pastime_words(self) -> Mapping[str, PastimeId]:
        return _words(self.pastimes)


def _plain(word: str) -> str:
    """Return the word without difference of case and spaces."""
    return " ".join(word.split()).casefold()


def _fold(word: str) -> str:
    """Return the word as someone without Nordic keys would type it, in small letters, hyphens and the like as spaces."""
    letters = normalize("NFKD", word.casefold().translate(LETTERS))
    return "".join(letter if letter.isalnum() else " " for letter in letters if not combining(letter))


def _begins(begun: Iterable[str], label: str) -> bool:
    words = label.split()
    return all(any(word.startswith(start) for word in words) for start in begun)


def _words(entries: Mapping[Word, Labels]) -> Mapping[str, Word]:
    words = {_plain(label): entry for entry, labels in entries.items() for label in labels.values()}
    return words | {_plain(entry): entry for entry in entries}
