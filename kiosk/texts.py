"""The sentences in each language, as a value: a key and named parts give a sentence."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Protocol

from kiosk.values import Language


class Catalogue(Protocol):
    """One language's sentences by key, as `gettext.GNUTranslations` has them; an unknown key comes back as it is."""

    def gettext(self, message: str, /) -> str:
        """Return the sentence."""

    def ngettext(self, msgid1: str, msgid2: str, n: int, /) -> str:
        """Return the form of the sentence for the number `n`."""


class Texts:
    """The catalogues of all languages, with `{named}` parts, and numbered variants under `key.1`, `key.2` …

    `own` holds a café's own words for some keys; they come before the catalogues'.
    """

    def __init__(
        self, catalogues: Mapping[Language, Catalogue], own: Mapping[Language, Mapping[str, str]] | None = None
    ) -> None:
        self._catalogues = catalogues
        self._own = own or {}
        self._variants: dict[tuple[Language, str], int] = {}

    def with_own(self, own: Mapping[Language, Mapping[str, str]]) -> Texts:
        """Return the same texts with a café's own words for some keys."""
        return Texts(self._catalogues, own)

    def has(self, language: Language, key: str) -> bool:
        """Tell whether there is a sentence for the key."""
        return self._catalogues[language].gettext(key) != key

    def raw(self, language: Language, key: str) -> str:
        """Return the sentence with its parts still in braces; a missing key raises KeyError."""
        own = self._own.get(language, {}).get(key)
        if own is not None:
            return own
        sentence = self._catalogues[language].gettext(key)
        if sentence == key:
            raise KeyError(key)
        return sentence

    def say(self, language: Language, key: str, **parts: str | int) -> str:
        """Return the sentence `key` in `language` with its parts filled in; a missing key raises KeyError."""
        return self.raw(language, key).format_map(parts)

    def count(self, language: Language, key: str, number: int, **parts: str | int) -> str:
        """Return the form of the sentence that goes with `number`, which is also its part `{number}`."""
        sentence = self._catalogues[language].ngettext(key, key, number)
        if sentence == key:
            raise KeyError(key)
        return sentence.format_map({"number": number, **parts})

    def variants(self, language: Language, key: str) -> int:
        """Return how many numbered variants `key` has; they are counted once."""
        count = self._variants.get((language, key))
        if count is None:
            count = next(number for number in itertools.count() if not self.has(language, f"{key}.{number + 1}"))
            self._variants[language, key] = count
        return count

    def vary(self, language: Language, key: str, turn: int, **parts: str | int) -> str:
        """Return the variant of `key` whose turn it is, round and round; a key without variants raises KeyError."""
        count = self.variants(language, key)
        if not count:
            raise KeyError(f"{key}.1")
        return self.say(language, f"{key}.{turn % count + 1}", **parts)
