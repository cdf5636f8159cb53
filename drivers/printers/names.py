"""How a first name is set: as large as the paper allows, wrapped, pressed together, at last torn, never too small to read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple
from unicodedata import normalize

from drivers.printers.shape import clusters, measure

_NARROWEST = 0.75
"""How far letters may be pressed together before a name is torn."""
_NARROWEST_OF_ALL = 0.6
"""The same where there is no room for another line."""
_SOFT_HYPHEN = "\xad"
_VOWELS = frozenset("aeiouyæøAEIOUYÆØ")


class NameLines(NamedTuple):
    """A name's lines, the height of their capitals, and how far they are pressed together (1 is not at all)."""

    lines: list[str]
    caps: float
    squeeze: float


def set_name(text: str, width: float, least: float, most: float, at_most: int) -> NameLines:
    """Return the name in lines of `width`, their capitals from `least` to `most` high; all in the same dots.

    Large comes before small and few lines before many. Where more than `at_most` lines would be needed, the name ends in an
    ellipsis.
    """
    found = _whole(text, width, least, most)
    if len(found.lines) <= at_most:
        return found
    letters = clusters(text)
    room = width / least / _NARROWEST_OF_ALL
    for count in range(len(letters), 0, -1):
        shown = "".join(letters[:count]).rstrip() + "…" * (count < len(letters))
        lines = _lines([piece for part in _parts(shown) for piece in _torn(part, room)], room)
        if lines and len(lines) <= at_most:
            return NameLines(lines, least, min(1.0, width / least / max(map(_width, lines))))
    return found


def _whole(text: str, width: float, least: float, most: float) -> NameLines:
    parts = _parts(text)
    heights = [least + step for step in range(int(most - least), -1, -1)]
    for allowed, floor in ((1, 0.8 * most), (2, 0.7 * most), (1, least), (2, least), (3, least)):
        for caps in heights:
            if caps >= floor and (lines := _lines(parts, width / caps)) and len(lines) <= allowed:
                return NameLines(lines, caps, 1.0)
    for allowed in (1, 2, 3):
        if (lines := _lines(parts, width / least / _NARROWEST)) and len(lines) <= allowed:
            return NameLines(lines, least, min(1.0, width / least / max(map(_width, lines))))
    parts = [piece for part in parts for piece in _torn(part, width / least)]
    caps = next((caps for caps in heights if _lines(parts, width / caps)), least)
    return NameLines(_lines(parts, width / caps) or parts, caps, 1.0)


def _parts(text: str) -> list[str]:
    """Return where a name may be broken: "Anna Lisa" and "Anna-Lisa" become two; a space stays with the word after it."""
    return re.findall(r"\s?[^\s-]+-*|\s?-+", text)


@lru_cache(maxsize=64)
def _width(line: str) -> float:
    """Return the width of a line of the name in heights of its capitals."""
    return measure(line, 100, bold=True) / 100


def _lines(parts: Sequence[str], width: float) -> list[str]:
    """Return the parts in lines of at most `width` heights of capitals; none when a part does not fit alone."""
    lines: list[str] = []
    for part in parts:
        if lines and _width(_joined(lines[-1] + part)) <= width:
            lines[-1] += part
        else:
            lines.append(part.strip())
            if _width(_joined(lines[-1])) > width:
                return []
    return [_joined(line) for line in lines]


def _joined(line: str) -> str:
    """Return the line as it is printed: a soft hyphen shows at its end only."""
    return line[:-1].replace(_SOFT_HYPHEN, "") + line[-1].replace(_SOFT_HYPHEN, "-")


def _torn(part: str, width: float) -> list[str]:
    """Return a part in even pieces of at most `width`, a soft hyphen after each but the last in scripts that use one."""
    letters = clusters(part)
    for count in range(1, len(letters)):
        cuts = [_cut(letters, round(len(letters) * number / count)) for number in range(1, count)]
        pieces = ["".join(letters[start:end]) for start, end in pairwise([0, *cuts, len(letters)])]
        pieces = [piece + _SOFT_HYPHEN if _hyphenated(piece[-1:]) else piece for piece in pieces[:-1]] + pieces[-1:]
        if all(piece.strip() and _width(_joined(piece.strip())) <= width for piece in pieces):
            return pieces
    return letters


def _cut(letters: Sequence[str], middle: int) -> int:
    """Return the place near the middle where a syllable seems to begin (a consonant between vowels), else the middle."""
    for place in sorted(range(max(2, middle - 2), min(len(letters) - 1, middle + 3)), key=lambda place: abs(place - middle)):
        before, first, second = (normalize("NFKD", letters[place + step])[0] in _VOWELS for step in (-1, 0, 1))
        if before and not first and second:
            return place
    return middle


def _hyphenated(char: str) -> bool:
    return char.lower() != char.upper()
