"""The desk's sentences: keys below `desk.`, times in words, and the terminal's refusals in the reader's language."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from firmware_py.desk.access import AccessError
from firmware_py.desk.link import Gone
from firmware_py.office import CommandError
from kiosk.matching.gates import Gate
from kiosk.texts import Texts
from kiosk.values import Language

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
LASTS, RESTART = "lasts", "restart"
"""Of `firmware_py.terminal.faults.Ended`, which would bring the database into the pages' process."""
OTHER = "other"

Table = Sequence[tuple[re.Pattern[str], str]]
"""What sentences look like, the first that fits counts, and the key of the same in the reader's language."""


def _table(*pairs: tuple[str, str], flags: int = 0) -> Table:
    return tuple((re.compile(sentence, flags), key) for sentence, key in pairs)


_REFUSALS = _table(
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
"""The terminal's refusals that staff can meet: what they look like, and the key of the same in the reader's language."""

_REMARKS = _table(
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
"""What the import says of a line, in the same way."""

_STOPPED = re.compile(r"the printer stopped: (?P<cause>\w+)")
_CLOSED = r".* (can't be (written: .*disk.*|opened; .*|read or written: .*)|is (not a ledger|damaged|held by another).*)"
_FAULTS = _table(
    (r"it hangs: no answer within its deadline", "hangs"),
    (r"the printer did not say within .* that the page is printed", "unsure"),
    (r"the printer took no bytes for .*", "stuck"),
    (r"the printer (answers DLE EOT but not GS r: .*|answered GS r once, .*)", "silent"),
    (r"the printer (goes on answering|answers bytes) .*", "garbled"),
    (r".* does not answer in time", "late"),
    (r".* does not answer(; .*)?", "silent"),
    (r"zone '.*' has no light; .*", "no_light"),
    (r"held down(, or .*)?: .*; let go.*", "held_down"),
    (r".* don't trust each other .*", "no_trust"),
    (r".* can't be reached: .*", "unreachable"),
    (r".* answers (nonsense|no HTTP)(: .*)?", "garbled"),
    (r".* answers (with '.*' instead of .*|\d+ instead of 200; .*)", "odd"),
    (r"the service's answer (has more than|is no) .*", "odd"),
    (r".* answers (5\d\d|408|409|429)\b.*", "busy"),
    (r".* answers \d+\b.*", "refuses"),
    (r".* is not there; plug the second medium in, .*", "no_stick"),
    (r"(no copy of the ledger can be made|the ledger can't be read for a copy): .*", "no_copy"),
    (_CLOSED, "storage"),
    (r".* (can't be written|takes no more|can't be tidied): .*", "not_written"),
    (r"cannot .*: another program holds .*|.* is in use by another program", "held"),
    (r".* may not be opened: .*", "not_allowed"),
    (r"no (PN532 answers on|such USB printer) .*|.*; pcscd knows .*|.* (is|are) unplugged; plug (it|them) in", "missing"),
    (r"USB can't be searched .*|.* can't be opened: .*", "not_opened"),
    (r".* (is gone|went away|broke|is not open|is disconnected|lost power|(was|were) unplugged)\b.*", "gone"),
    (r"cannot .*: .* says .*; .*", "gone"),
    flags=re.DOTALL,
)
"""What is told of a device that does not work, in the same way; what each driver says, and `Supervisor` of one that hangs."""

_FILES = _table(
    (r"the file is in UTF-16; .*", "utf16"),
    (r"line 1: .* is not UTF-8; .*", "not_utf8"),
    (r"line 1: .* (can't be taken apart: .*|has more than \d+ bytes; .*)", "apart"),
    (r"line 1: (?P<column>.*?) is not a column; did you mean (?P<like>.*)\? .*", "column_like"),
    (r"line 1: (?P<column>.*?) is not a column; .*", "column"),
    (r"line 1: the column (?P<column>.*) is there twice", "twice"),
    (r"line 1: the column (?P<column>.*) is missing; every list has (?P<those>.*)", "lacks"),
)
"""What the import says of a file as a whole, in the same way."""


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

    def file(self, told: str) -> str:
        """Return why the import can't read a file; its own words are for a technician beside it."""
        return self._known(_FILES, "file", told) or self.say(f"file.{OTHER}")

    def fault(self, told: str) -> str:
        """Return what is wrong with a device; what the driver said is for a technician beside it."""
        if found := _STOPPED.fullmatch(told):
            return self.term(f"cause.{found['cause']}") + "."
        return self._known(_FAULTS, "fault", told) or self.say(f"fault.{OTHER}")

    def device(self, name: str) -> str:
        """Return what a device is called: "the card reader (door)"."""
        kind, _, own = name.partition(" ")
        words = self.say(f"device.{kind}") if self.has(f"device.{kind}") else kind
        return f"{words} ({own})" if own else words

    def away(self, fault: Mapping[str, Any], timezone: ZoneInfo) -> str:
        """Return when a device was away and for how long, of one of `faults.list`, as far as that is known."""
        ended = fault["ended"]
        if ended == LASTS:
            return self.say("fault_now", span=self.span(fault["from_s"]))
        since_s = fault["from_s"] if fault["until_s"] is None else fault["until_s"]
        if since_s is not None and since_s < DAY_S:
            when = self.ago(since_s)
        elif fault["utc_ms"] is not None:
            when = f"{datetime.fromtimestamp(fault['utc_ms'] / 1000, timezone):%Y-%m-%d %H:%M}"
        else:
            when = self.say("before_restart")
        if ended == RESTART:
            return self.say("fault_restart", ago=when)
        return self.say("fault_over", ago=when, lasted=self.span(fault["lasted_s"]))

    def _known(self, table: Table, kind: str, told: str) -> str:
        for sentence, key in table:
            if found := sentence.fullmatch(told):
                return self.say(f"{kind}.{key}", **found.groupdict())
        return ""
