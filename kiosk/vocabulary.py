"""The closed word lists of topics, occupations and industries, as values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from kiosk.values import Language, TopicId

Word = TypeVar("Word", bound=str)
Labels = Mapping[Language, str]
NO_LABELS: Labels = MappingProxyType({})
NO_WEIGHTS: Mapping[str, int] = MappingProxyType({})


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
    """All topics, occupations (by ISCO-08 code) and industries (by NACE section), with labels in each language.

    `weights` tells how frequent an occupation or industry is, in tenths, by its code; made-up rosters use it.
    """

    def __init__(
        self,
        topics: Iterable[Topic],
        occupations: Mapping[str, Labels],
        industries: Mapping[str, Labels],
        weights: Mapping[str, int] = NO_WEIGHTS,
    ) -> None:
        self.topics = {topic.id: topic for topic in topics}
        self.occupations = dict(occupations)
        self.industries = dict(industries)
        self.weights = dict(weights)

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

    def find_topic(self, word: str) -> TopicId | None:
        """Return the topic with this id, or with this label in any language; None when there is none."""
        return self._topic_words.get(_plain(word))

    def find_occupation(self, word: str) -> str | None:
        """Return the ISCO-08 code that is this code, or has this label in any language; None when there is none."""
        return self._occupation_words.get(_plain(word))

    def find_industry(self, word: str) -> str | None:
        """Return the NACE section that is this letter, or has this label in any language; None when there is none."""
        return self._industry_words.get(_plain(word))

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


def _plain(word: str) -> str:
    """Return the word without difference of case and spaces."""
    return " ".join(word.split()).casefold()


def _words(entries: Mapping[Word, Labels]) -> Mapping[str, Word]:
    words = {_plain(label): entry for entry, labels in entries.items() for label in labels.values()}
    return words | {_plain(entry): entry for entry in entries}
