"""The desk's sentences: keys below `desk.`, times in words, and the terminal's refusals in the reader's language."""

from __future__ import annotations

import re

from firmware_py.office import CommandError
from kiosk.matching.gates import Gate
from kiosk.texts import Texts
from kiosk.values import Language

MINUTE_S, HOUR_S = 60, 3_600

_REFUSALS = tuple(
    (re.compile(sentence), key)
    for sentence, key in (
        (r"that card belongs to another member.*", "card_taken"),
        (r"that card is blocked.*", "card_blocked"),
        (r"no card was held to the reader in time.*", "card_late"),
        (r"another enrolment was begun meanwhile", "card_other"),
        (r"there is no member '(?P<member>.*)'; .*", "no_member"),
        (r"(?P<member>.*) is checked in already", "here_already"),
        (r"(?P<member>.*) is not checked in", "not_here"),
        (r"(?P<member>.*) is checked in; say .*", "still_here"),
        (r"(?P<member>.*) did not agree to be introduced to others", "no_consent"),
        (r"(?P<member>.*) was introduced to nobody in this visit", "nobody_yet"),
        (r"(?P<member>.*) is just being asked about; try again", "being_asked"),
        (r"nobody knows whether (?P<member>.*) is still here; .*", "unconfirmed"),
        (r"\d+ wait for a group; it takes (?P<least>\d+): .*", "too_few"),
        (r"nothing can be stored; .*", "no_storage"),
    )
)
"""The terminal's refusals that staff meet often: what they look like, and the key of the same in the reader's language."""


class Words:
    """The desk's sentences in one reader's language; `cafe` is the café's, in which the terminal's own words are."""

    def __init__(self, texts: Texts, language: Language, cafe: Language) -> None:
        self._texts = texts
        self.language = language
        self.cafe = cafe

    def say(self, key: str, **parts: str | int) -> str:
        """Return the sentence `desk.<key>`."""
        return self._texts.say(self.language, f"desk.{key}", **parts)

    def count(self, key: str, number: int, **parts: str | int) -> str:
        """Return the form of the sentence `desk.<key>` that goes with the number."""
        return self._texts.count(self.language, f"desk.{key}", number, **parts)

    def has(self, key: str) -> bool:
        """Tell whether there is a sentence `desk.<key>`."""
        return self._texts.has(self.language, f"desk.{key}")

    def term(self, key: str) -> str:
        """Return a sentence of the terminal's, such as `cause.<…>`, as one that stands alone."""
        sentence = self._texts.say(self.language, key)
        return sentence[:1].upper() + sentence[1:]

    def verdict(self, told: str) -> str:
        """Return what keeps two apart, which the terminal tells in the café's language, in the reader's."""
        keys = (f"gate.{gate}" for gate in Gate)
        return next((self._texts.say(self.language, key) for key in keys if self._texts.say(self.cafe, key) == told), told)

    def span(self, seconds: float) -> str:
        """Return how long something took: "12 min", "1 h 5 min"."""
        whole = max(0, int(seconds))
        if whole < MINUTE_S:
            return self.say("moment")
        hours, minutes = whole // HOUR_S, whole % HOUR_S // MINUTE_S
        return self.say("hours", hours=hours, minutes=minutes) if hours else self.say("minutes", minutes=minutes)

    def ago(self, seconds: float) -> str:
        """Return how long ago something was."""
        return self.say("just_now") if seconds < MINUTE_S else self.say("ago", span=self.span(seconds))

    def refusal(self, error: CommandError) -> str:
        """Return why the terminal would not do something; in its own words when they are met seldom."""
        for sentence, key in _REFUSALS:
            if found := sentence.fullmatch(str(error)):
                return self.say(f"refused.{key}", **found.groupdict())
        return str(error)
