"""The sentences in each language, as a value: a key and named parts give a sentence."""

from __future__ import annotations

from collections.abc import Mapping

from kiosk.values import Language


class Texts:
    """A catalogue of sentences with `{named}` parts, and of numbered variants under `key.1`, `key.2` …"""

    def __init__(self, catalogues: Mapping[Language, Mapping[str, str]]) -> None:
        self._catalogues = catalogues

    def say(self, language: Language, key: str, **parts: str | int) -> str:
        """Return the sentence `key` in `language` with its parts filled in; a missing key raises KeyError."""
        return self._catalogues[language][key].format_map(parts)

    def variants(self, language: Language, key: str) -> int:
        """Return how many numbered variants `key` has."""
        catalogue = self._catalogues[language]
        count = 0
        while f"{key}.{count + 1}" in catalogue:
            count += 1
        return count

    def vary(self, language: Language, key: str, turn: int, **parts: str | int) -> str:
        """Return the variant of `key` whose turn it is, round and round."""
        return self.say(language, f"{key}.{turn % self.variants(language, key) + 1}", **parts)
