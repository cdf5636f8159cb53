"""The desk's sentences: keys below `desk.`, times in words, and the terminal's refusals in the reader's language."""

from __future__ import annotations

import re
from collections.abc import Sequence

from firmware_py.desk.access import AccessError
from firmware_py.desk.link import Gone
from firmware_py.office import CommandError
from kiosk.matching.gates import Gate
from kiosk.texts import Texts
from kiosk.values import Language

MINUTE_S, HOUR_S = 60, 3_600
OTHER = "other"

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
        (r"there is no printer; .*", "no_printer"),
        (r"the door is shut: .*", "shut"),
        (r"a card is being enrolled for that member; .*", "enrolling"),
        (r"the matching service keeps this café's members; .*", "service_keeps"),
        (r"neither (?P<one>.*) nor (?P<other>.*) is checked in; .*", "neither_here"),
        (r"(?P<member>.*) wants \w+ today; .*", "other_mood"),
        (r"nothing was decided about (?P<one>.*) and (?P<other>.*)", "undecided"),
        (r".* is one person; name two members", "one_person"),
        (r"badge .* is .*; only an unknown one can be judged", "judged"),
        (r"there is no badge .* whose words are still kept; .*", "badge_gone"),
        (r"badge .* says what holds no more: its visitor got another one", "badge_old"),
        (r"badge .* can't be reprinted: its visitor is no longer here", "badge_left"),
        (r"badge .* can't be reprinted: (?!its visitor).*", "badge_busy"),
        (r"'.*' is neither a member nor the first .* digits of a card; .*", "no_card"),
        (r"more than one card begins with '.*'; give more digits", "no_card"),
        (r"there is no open notice .*", "settled"),
        (r"\d+ programs are connected already; close one", "busy"),
        (r".*(disk is full|disk I/O error|readonly database|unable to open database|No space left).*", "no_storage"),
    )
)
"""The terminal's refusals that staff can meet: what they look like, and the key of the same in the reader's language."""

_REMARKS = tuple(
    (re.compile(sentence), key)
    for sentence, key in (
        (r"must be filled", "empty"),
        (r"has (?P<number>\d+) (characters|lines); at most (?P<most>\d+) are taken", "too_much"),
        (r"holds (?P<number>\d+) (topics|names|pastimes); at most (?P<most>\d+) are taken", "too_much"),
        (r"holds several topics; put ';' between them", "between"),
        (r"is (not|neither|no) .* in the list.*; did you mean (?P<like>.*)\?", "like"),
        (r"is (not|neither|no) .* in the list.*", "not_listed"),
        (r"is not (a language of the badge|what a visitor can want); choose one of (?P<those>.*)", "choose"),
        (r"is neither yes nor no; .*", "yes_or_no"),
        (r"is on line (?P<line>\d+) already; .*", "twice"),
        (r"(at byte .* )?is not UTF-8; .*", "not_utf8"),
        (r"fields instead of (?P<most>\d+); .*", "fields"),
        (r"(can't be taken apart: .*|has more than \d+ bytes; .*)", "apart"),
        (r"(holds the control character|shows nothing on paper) .*", "odd"),
        (r"is not a language tag; .*", "tag"),
        (r"is no line of the list; .*", "wish"),
        (r"means that this member will not be matched .*", "no_offer"),
        (r"means that nobody can be found .*", "no_seek"),
    )
)
"""What the import says of a line, in the same way."""


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

    def key(self, error: CommandError) -> str:
        """Return which of the terminal's refusals this is, as in `refused.<key>`; `other` for what is met seldom."""
        return next((key for sentence, key in _REFUSALS if sentence.fullmatch(str(error))), OTHER)

    def refusal(self, error: CommandError) -> str:
        """Return why the terminal would not do something; for what is met seldom, that it would not (see `small`)."""
        if isinstance(error, Gone):
            return self.say("away")
        return self._known(_REFUSALS, "refused", str(error)) or self.say(f"refused.{OTHER}")

    def small(self, error: CommandError) -> str:
        """Return the terminal's own words, for a technician, where `refusal` does not say the same."""
        return str(error) if self.key(error) == OTHER and not isinstance(error, Gone) else ""

    def trouble(self, error: AccessError) -> str:
        """Return why a name or a PIN can't be taken."""
        return self.say(f"access.{error.key}", **error.parts)

    def remark(self, right: str) -> str:
        """Return what the import says of a line; empty for what is met seldom."""
        return self._known(_REMARKS, "remark", right)

    def _known(self, table: Sequence[tuple[re.Pattern[str], str]], kind: str, told: str) -> str:
        for sentence, key in table:
            if found := sentence.fullmatch(told):
                return self.say(f"{kind}.{key}", **found.groupdict())
        return ""
