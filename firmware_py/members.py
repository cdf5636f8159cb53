"""Reads a venue's member list from CSV, one line at a time, and says of every faulty field what would have been right."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import BinaryIO, NamedTuple

import msgspec

from drivers.errors import FikatapError
from firmware_py.commands import SLICE
from firmware_py.office import Office
from kiosk.matching.profiles import MOST_WISHES, Missing, missing
from kiosk.values import Consents, Language, Member, MemberId, Mood, PastimeId, TopicId, Wish
from kiosk.vocabulary import Labels, Vocabulary

COLUMNS = (
    "id",
    "first_name",
    "short_name",
    "language",
    "occupation",
    "industry",
    "seeks",
    "offers",
    "languages",
    "employer",
    "history",
    "pastimes",
    "wishes",
    "mood",
    "quiet",
    "consent_introductions",
    "consent_name",
    "consent_occupation",
    "consent_languages",
    "consent_need",
    "consent_colleagues",
    "consent_pastimes",
    "consent_history",
)
"""All columns, in the order in which `docs/members.md` tells of them; any order will do."""
NEEDED = ("id", "first_name", "language")
"""The columns that must be there and filled."""

LONGEST = 60
"""How many characters an id, a name or a list of languages may have."""
MOST_TOPICS = 20
"""How many topics somebody may seek or offer, and how many pastimes or old schools and employers they may name."""
SLICE_BYTES = 100_000
"""A slice of so many bytes, as it is sent, takes no more members: with one more of 7,000 bytes it is still a request."""
LINE_BYTES = 65_536
"""A longer line is no member: it is not even kept in memory."""

_YES = frozenset({"yes", "y", "ja", "j", "true", "1", "x"})
_NO = frozenset({"no", "n", "nej", "nei", "false", "0", ""})
_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of what follows them, beyond the name's end."""

_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that look like a space."""


_NEEDED = (
    (Missing.OFFER, "offers", "means that this member will not be matched until they offer something; help them find what"),
    (Missing.SEEK, "seeks", "means that nobody can be found for this member; ask what they would like to learn"),
)


class MembersFileError(FikatapError):
    """The file as a whole can't be read; nothing of it was taken in."""


class Remark(NamedTuple):
    """Something about one field of one line; `right` says what would have been right."""

    line: int
    field: str
    value: str
    right: str

    def __str__(self) -> str:
        """Return the remark as a line for people."""
        where = f"line {self.line}, {self.field}" if self.field else f"line {self.line}"
        return f"{where}: {_shown(self.value)} {self.right}"


class Row(NamedTuple):
    """What one line gave: a member, or none when there are faults. The member's `employer` is the name in clear."""

    line: int
    member: Member | None
    faults: tuple[Remark, ...] = ()
    warnings: tuple[Remark, ...] = ()


class Report(NamedTuple):
    """What became of a file."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    faulty: int = 0
    warned: int = 0
    """Members whom nobody is introduced to before the desk has helped them."""
    thin: int = 0
    """Other members whose profile lacks something that makes a match likelier."""

    @property
    def rows(self) -> int:
        """How many rows there were."""
        return self.added + self.changed + self.unchanged + self.faulty


def import_members(
    file: BinaryIO, vocabulary: Vocabulary, office: Office, *, dry_run: bool, told: Callable[[Row, Report], None]
) -> Report:
    """Take the members of a CSV file in, in slices; `told` hears of each row and of what became of those before it.

    Raise `MembersFileError` when the header is wrong, before anything was taken in.
    """
    report = Report()
    waiting: list[Member] = []
    size = 0

    def hand_in() -> Report:
        nonlocal size
        done = office.call("members.put", members=[msgspec.to_builtins(member) for member in waiting], dry_run=dry_run)
        waiting.clear()
        size = 0
        return report._replace(
            added=report.added + done["added"],
            changed=report.changed + done["changed"],
            unchanged=report.unchanged + done["unchanged"],
        )

    for row in read_members(file, vocabulary):
        if row.member is None:
            report = report._replace(faulty=report.faulty + 1)
        else:
            lacking = missing(row.member, vocabulary)
            thin = bool(lacking) and not row.warnings and Missing.CONSENT not in lacking
            report = report._replace(warned=report.warned + bool(row.warnings), thin=report.thin + thin)
            waiting.append(row.member)
            size += len(msgspec.json.encode(row.member))
        if len(waiting) == SLICE or size >= SLICE_BYTES:
            report = hand_in()
        told(row, report)
    return hand_in() if waiting else report


def read_members(file: BinaryIO, vocabulary: Vocabulary) -> Iterator[Row]:
    """Return what each line after the header gives; raise `MembersFileError` when the header is wrong."""
    lines = _lines(file)
    delimiter, header = _header(next(lines, (1, b"")))
    reader = _RowReader(header, vocabulary)
    first_lines: dict[str, int] = {}
    for number, line in lines:
        if line is not None and not line.strip(b" \t\r\n" + delimiter.encode()):
            continue
        cells = _cells(number, line, delimiter)
        row = Row(number, None, (cells,)) if isinstance(cells, Remark) else reader.read(number, cells)
        if row.member is not None:
            first = first_lines.setdefault(row.member.id, number)
            if first != number:
                fault = Remark(number, "id", row.member.id, f"is on line {first} already; each member has an id of their own")
                row = Row(number, None, (fault,))
        yield row


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Return each line with its number, None for one that is far too long."""
    number = 0
    while line := file.readline(LINE_BYTES):
        number += 1
        if len(line) < LINE_BYTES or line.endswith(b"\n"):
            yield number, line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(LINE_BYTES)
        yield number, None


def _header(numbered: tuple[int, bytes | None]) -> tuple[str, list[str]]:
    """Return the delimiter and the columns."""
    line = numbered[1] or b""
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise MembersFileError("the file is in UTF-16; save it as CSV in UTF-8")
    line = line.removeprefix(b"\xef\xbb\xbf")
    delimiter = ";" if line.count(b";") > line.count(b",") else ","
    cells = _cells(1, line, delimiter)
    if isinstance(cells, Remark):
        raise MembersFileError(str(cells))
    header = [cell.strip().casefold() for cell in cells]
    for column in header:
        if column not in COLUMNS:
            close = get_close_matches(column, COLUMNS, n=1)
            meant = f"did you mean '{close[0]}'? " if close else ""
            raise MembersFileError(f"line 1: {_shown(column)} is not a column; {meant}there are {', '.join(COLUMNS)}")
    if twice := next((column for column in header if header.count(column) > 1), None):
        raise MembersFileError(f"line 1: the column '{twice}' is there twice")
    if missing := [column for column in NEEDED if column not in header]:
        raise MembersFileError(f"line 1: the column '{missing[0]}' is missing; every list has {', '.join(NEEDED)}")
    return delimiter, header


def _cells(number: int, line: bytes | None, delimiter: str) -> list[str] | Remark:
    """Return a line's fields, or what is wrong with the line."""
    if line is None:
        return Remark(number, "", "the line", f"has more than {LINE_BYTES} bytes; is a quotation mark or a line break missing?")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        at = f"at byte {error.start + 1} of the line"
        return Remark(number, "", f"0x{line[error.start]:02x}", f"{at} is not UTF-8; save the file as CSV in UTF-8")
    try:
        return next(csv.reader([text.rstrip("\r\n")], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        return Remark(number, "", text.strip()[:LONGEST], f"can't be taken apart: {error}; each member has one line")


class _RowReader:
    """Turns the fields of one line into a member."""

    def __init__(self, header: list[str], vocabulary: Vocabulary) -> None:
        self._header = header
        self._vocabulary = vocabulary
        self._pastime_words = _words({str(pastime): labels for pastime, labels in vocabulary.pastimes.items()})
        self._topic_words = _words({topic.id: topic.labels for topic in vocabulary.topics.values()})
        self._occupation_words = _words(vocabulary.occupations)
        self._industry_words = _words(vocabulary.industries)
        self._line = 0
        self._row: Mapping[str, str] = {}
        self._faults: list[Remark] = []

    def read(self, line: int, cells: list[str]) -> Row:
        """Return the member of one line, or its faults."""
        if len(cells) != len(self._header):
            right = f"fields instead of {len(self._header)}; write a field that holds the delimiter in quotation marks"
            return Row(line, None, (Remark(line, "", str(len(cells)), right),))
        self._line, self._faults = line, []
        plain = (unicodedata.normalize("NFC", cell).strip() for cell in cells)
        self._row = dict(zip(self._header, plain, strict=True))
        self._check_characters()
        member = Member(
            id=MemberId(self._text("id")),
            first_name=self._name("first_name"),
            short_name=self._name("short_name"),
            language=self._language(),
            occupation=self._occupation(),
            industry=self._industry(),
            seeks=self._topics("seeks"),
            offers=self._topics("offers"),
            languages=self._tags(),
            employer=self._text("employer"),
            history=self._names("history"),
            pastimes=self._pastimes(),
            wishes=self._wishes(),
            mood=self._mood(),
            quiet=self._yes("quiet"),
            consents=Consents(
                introductions=self._yes("consent_introductions"),
                name=self._yes("consent_name"),
                occupation=self._yes("consent_occupation"),
                languages=self._yes("consent_languages"),
                need=self._yes("consent_need"),
                colleagues=self._yes("consent_colleagues"),
                pastimes=self._yes("consent_pastimes"),
                history=self._yes("consent_history"),
            ),
        )
        if self._faults:
            return Row(line, None, tuple(self._faults))
        lacking = missing(member, self._vocabulary)
        if Missing.CONSENT in lacking:  # then the rest is nobody's business, but that an offer was always asked for
            lacking = tuple(each for each in lacking if each is Missing.OFFER)
        warnings = tuple(Remark(line, field, "", right) for lack, field, right in _NEEDED if lack in lacking)
        return Row(line, member, warnings=warnings)

    def _fault(self, field: str, value: str, right: str) -> None:
        self._faults.append(Remark(self._line, field, value, right))

    def _check_characters(self) -> None:
        for field, value in self._row.items():
            if value.isprintable():
                continue
            odd = next((each for each in value if unicodedata.category(each) in ("Cc", "Zl", "Zp") or each in _TURNING), None)
            if odd is not None:
                self._fault(field, value, f"holds the control character U+{ord(odd):04X}; leave it out")

    def _text(self, field: str) -> str:
        value = self._row.get(field, "")
        if not value and field in NEEDED:
            self._fault(field, value, "must be filled")
        elif len(value) > LONGEST:
            self._fault(field, value, f"has {len(value)} characters; at most {LONGEST} are taken")
        return value

    def _name(self, field: str) -> str:
        value = self._text(field)
        if value and not any(map(_shows, value)):
            self._fault(field, value, f"shows nothing on paper (U+{ord(value[0]):04X}); write the name in letters")
        return value

    def _language(self) -> Language:
        value = self._row.get("language", "")
        try:
            return Language(value.casefold())
        except ValueError:
            self._fault("language", value, f"is not a language of the badge; choose one of {', '.join(Language)}")
            return Language.EN

    def _occupation(self) -> str:
        value = self._row.get("occupation", "")
        code = self._vocabulary.find_occupation(value) if value else ""
        if code is None and re.fullmatch(r"[0-9]{4}", value):
            return value  # an occupation without a label is still like others that begin alike
        if code is None:
            what = "is neither an occupation in the list nor an ISCO-08 code of four digits"
            self._fault("occupation", value, what + _like(value, self._occupation_words))
        return code or ""

    def _industry(self) -> str:
        value = self._row.get("industry", "")
        section = self._vocabulary.find_industry(value) if value else ""
        if section is None:
            what = f"is not an industry in the list, nor one of the NACE sections {_all(self._vocabulary.industries)}"
            self._fault("industry", value, what + _like(value, self._industry_words))
        return section or ""

    def _topics(self, field: str) -> tuple[TopicId, ...]:
        found: dict[TopicId, None] = {}
        words = _parts(self._row.get(field, ""))
        if len(words) > MOST_TOPICS:
            self._fault(field, self._row[field], f"holds {len(words)} topics; at most {MOST_TOPICS} are taken")
            return ()
        for word in words:
            topic = self._vocabulary.find_topic(word)
            if topic is not None:
                found[topic] = None
            elif "," in word and all(self._vocabulary.find_topic(part) for part in _parts(word.replace(",", ";"))):
                self._fault(field, word, "holds several topics; put ';' between them")
            else:
                self._fault(field, word, "is not a topic in the list" + _like(word, self._topic_words))
        return tuple(found)

    def _names(self, field: str) -> tuple[str, ...]:
        """Return names of schools or employers, in clear."""
        names = tuple(dict.fromkeys(_parts(self._row.get(field, ""))))
        if len(names) > MOST_TOPICS:
            self._fault(field, self._row[field], f"holds {len(names)} names; at most {MOST_TOPICS} are taken")
        for name in names:
            if len(name) > LONGEST:
                self._fault(field, name, f"has {len(name)} characters; at most {LONGEST} are taken")
        return names

    def _pastimes(self) -> tuple[PastimeId, ...]:
        words = _parts(self._row.get("pastimes", ""))
        if len(words) > MOST_TOPICS:
            self._fault("pastimes", self._row["pastimes"], f"holds {len(words)} pastimes; at most {MOST_TOPICS} are taken")
            return ()
        found = {word: self._vocabulary.find_pastime(word) for word in words}
        for word, pastime in found.items():
            if pastime is None:
                self._fault("pastimes", word, "is not a pastime in the list" + _like(word, self._pastime_words))
        return tuple(dict.fromkeys(pastime for pastime in found.values() if pastime is not None))

    def _wishes(self) -> tuple[Wish, ...]:
        """Return the list for the half-year: `field: topic` or `field: topic: what they give`, with ';' between the lines."""
        lines = _parts(self._row.get("wishes", ""))
        if len(lines) > MOST_WISHES:
            self._fault("wishes", self._row["wishes"], f"has {len(lines)} lines; at most {MOST_WISHES} are taken")
            return ()
        return tuple(wish for wish in map(self._wish, lines) if wish is not None)

    def _wish(self, line: str) -> Wish | None:
        parts = [part.strip() for part in line.split(":")]
        if len(parts) not in (2, 3):
            self._fault("wishes", line, "is no line of the list; write 'industry or occupation: topic: what you give'")
            return None
        field = self._vocabulary.find_industry(parts[0]) or self._vocabulary.find_occupation(parts[0])
        if field is None and re.fullmatch(r"[0-9]{1,4}", parts[0]):
            field = parts[0]
        if field is None:
            self._fault("wishes", parts[0], "is no industry or occupation in the list, nor the first digits of an ISCO-08 code")
        topics = [self._vocabulary.find_topic(part) for part in parts[1:]]
        for part, topic in zip(parts[1:], topics, strict=True):
            if topic is None:
                self._fault("wishes", part, "is not a topic in the list" + _like(part, self._topic_words))
        if field is None or topics[0] is None:
            return None
        return Wish(field, topics[0], topics[1] if len(topics) > 1 else None)

    def _mood(self) -> Mood:
        value = self._row.get("mood", "")
        try:
            return Mood(value.casefold()) if value else Mood.INTRODUCE
        except ValueError:
            self._fault("mood", value, f"is not what a visitor can want; choose one of {', '.join(Mood)}")
            return Mood.INTRODUCE

    def _tags(self) -> tuple[str, ...]:
        value = self._text("languages")
        tags = tuple(dict.fromkeys(_parts(value))) if len(value) <= LONGEST else ()
        for tag in tags:
            if not _TAG.fullmatch(tag):
                self._fault("languages", tag, "is not a language tag; write tags such as sv;ar;en, with ';' between them")
        return tags

    def _yes(self, field: str) -> bool:
        value = self._row.get(field, "")
        word = value.casefold()
        if word not in _YES and word not in _NO:
            self._fault(field, value, "is neither yes nor no; leave it empty for no")
        return word in _YES


def _shows(letter: str) -> bool:
    """Tell whether a character alone can be seen: no space, no control, nothing that only changes what it stands on."""
    return unicodedata.category(letter)[0] not in "CMZ" and letter not in _BLANK


def _parts(value: str) -> list[str]:
    return [part.strip() for part in value.split(";") if part.strip()]


def _words(entries: Mapping[str, Labels]) -> tuple[str, ...]:
    """Return all that can be written for some entry."""
    return tuple(dict.fromkeys(word for entry, labels in entries.items() for word in (entry, *labels.values())))


@lru_cache(maxsize=4096)
def _like(value: str, words: tuple[str, ...]) -> str:
    """Return which words look like the one given; a long list has the same mistake many times."""
    folded = {word.casefold(): word for word in words}
    close = get_close_matches(value.casefold(), folded, n=3, cutoff=0.7)
    return "; did you mean " + " or ".join(f"'{folded[word]}'" for word in close) + "?" if close else ""


def _all(words: Mapping[str, object]) -> str:
    return ", ".join(sorted(words))


def _shown(value: str) -> str:
    """Return a value so that it can be printed whatever is in it, and not at any length."""
    short = value if len(value) <= LONGEST else value[: LONGEST - 1] + "…"
    return "'" + "".join(each if each.isprintable() and each not in _TURNING else f"\\u{ord(each):04x}" for each in short) + "'"
