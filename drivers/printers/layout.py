"""From blocks to what stands where on the paper: sizes by role, wrapping, and text or picture for each line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple
from unicodedata import normalize

from msgspec import Struct

from drivers.printers.bitmap import Bitmap, qr, symbol
from drivers.printers.profiles import PrinterProfile
from drivers.printers.shape import clean, clusters, draw, measure, printable, right_to_left
from kiosk.badge import Block, Role


class Align(IntEnum):
    """Where a line stands, as `ESC a` counts."""

    LEFT = 0
    CENTRE = 1
    RIGHT = 2


class TextLine(Struct, frozen=True):
    """A line in the printer's own font A; `wide` and `high` are 1 or 2. It takes `rows`, the space between lines included."""

    role: Role
    text: str
    codec: str
    wide: int
    high: int
    bold: bool
    align: Align

    @property
    def rows(self) -> int:
        """Rows of paper from this line to the next."""
        return 24 * self.high + 4


class Picture(Struct, frozen=True):
    """A raster; with `zoom` 2 the printer makes four dots of each."""

    role: Role
    bitmap: Bitmap
    zoom: int
    align: Align


class NativeQr(Struct, frozen=True):
    """A QR code that the printer draws, error correction M, `module` dots a module."""

    role: Role
    content: str
    module: int
    align: Align


class Feed(Struct, frozen=True):
    """Blank rows."""

    rows: int


Item = TextLine | Picture | NativeQr | Feed
"""What a page is made of, top to bottom."""


class _Look(NamedTuple):
    """How a role looks: the sizes (wide, high) that are tried, the first in which it takes one line; space above in rows."""

    sizes: tuple[tuple[int, int], ...]
    bold: bool
    align: Align
    above: int
    limit: int
    """Characters at most."""


_LOOKS = {
    Role.COPY: _Look(((2, 1),), True, Align.CENTRE, 0, 24),
    Role.NAME: _Look((), True, Align.CENTRE, 8, 48),
    Role.LOGO: _Look((), False, Align.CENTRE, 0, 0),
    Role.TITLE: _Look(((2, 2), (1, 2)), True, Align.LEFT, 8, 64),
    Role.MEMO: _Look(((1, 1),), False, Align.LEFT, 24, 64),
    Role.HEADLINE: _Look(((2, 2), (1, 2)), True, Align.CENTRE, 14, 96),
    Role.LABEL: _Look(((1, 1),), False, Align.LEFT, 14, 64),
    Role.TEXT: _Look(((1, 1),), True, Align.LEFT, 0, 400),
    Role.PARTNER: _Look(((2, 2), (1, 2)), True, Align.LEFT, 0, 48),
    Role.STARTER: _Look(((1, 1),), True, Align.LEFT, 0, 400),
    Role.GO: _Look(((1, 1),), False, Align.CENTRE, 14, 64),
    Role.ZONE: _Look(((2, 2), (1, 2)), True, Align.CENTRE, 2, 64),
    Role.SMALL: _Look(((1, 1),), False, Align.CENTRE, 0, 120),
}
_QR_BYTES = 255
"""What a badge holds at a module of 4 dots, also on 58 mm."""
_QR_MODULE = 4
_QR_MARGIN = 16
_SYMBOL_ROWS = 56

# Typographic signs that no code page has, for lines that are otherwise all in one.
_PLAIN = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "‐": "-", "‑": "-", "…": "..."})

_LETTERS_MM = 6.0
"""Height of the name's capitals at least: what people read at two metres."""
_SHORT = 8
_SHORT_LETTERS_MM = 8.5
"""The same for a name of up to 8 letters on 80 mm paper."""
_MOST_MM = 9.0
_WIDE_MOST_MM = 12.0
"""Larger takes bytes (on a serial line: time) and is no easier to read; on 58 and 80 mm paper."""
_NARROWEST = 0.75
"""How far letters may be pressed together before a name is torn."""
_SOFT_HYPHEN = "\xad"
_VOWELS = frozenset("aeiouyæøAEIOUYÆØ")


def lay_out(blocks: Sequence[Block], profile: PrinterProfile, logo: Bitmap | None = None) -> tuple[Item, ...]:
    """Return the page of these blocks on this kind of printer. The page holds no character that a printer could act on."""
    items: list[Item] = []
    for block in blocks:
        laid = list(_block(block, profile, logo))
        if laid:
            items += [Feed(_space(block.role)), *laid] if items and _space(block.role) else laid
    return tuple(items)


def codec_for(text: str, profile: PrinterProfile) -> str | None:
    """Return the first code page of the printer that has every character of the text, or None."""
    for codec in profile.code_pages:
        try:
            text.encode(codec)
        except UnicodeEncodeError:
            continue
        return codec
    return None


def _space(role: Role) -> int:
    return _QR_MARGIN if role is Role.QR else _LOOKS[role].above


def _block(block: Block, profile: PrinterProfile, logo: Bitmap | None) -> Iterator[Item]:
    if block.role is Role.LOGO:
        if logo is not None:
            yield Picture(Role.LOGO, logo, 1, Align.CENTRE)
        return
    if block.role is Role.QR:
        yield from _qr(block.text, profile)
        return
    look = _LOOKS[block.role]
    text = printable(clean(block.text, look.limit))
    if block.symbol is not None:
        yield Picture(block.role, symbol(block.symbol, _SYMBOL_ROWS // 2), 2, look.align)
        yield Feed(6)
    if not text:
        return
    if block.role is Role.NAME:
        yield from _name(text, profile)
    else:
        yield from _paragraph(block.role, text, profile)


def _qr(content: str, profile: PrinterProfile) -> Iterator[Item]:
    """Yield the code; one that is too long for the paper is left off, because half a code opens nothing."""
    if len(content.encode()) > _QR_BYTES:
        return
    content = clean(content, _QR_BYTES)
    if profile.native_qr:
        yield NativeQr(Role.QR, content, _QR_MODULE, Align.CENTRE)
    else:
        yield Picture(Role.QR, qr(content, _QR_MODULE // 2), 2, Align.CENTRE)
    yield Feed(_QR_MARGIN)


class _Type(NamedTuple):
    """How one size of a role is set, as text and as picture."""

    wide: int
    high: int
    bold: bool
    profile: PrinterProfile

    @property
    def zoom(self) -> int:
        # Chinese and Vietnamese need every dot at the small size.
        return 2 if self.high == 2 else 1

    @property
    def caps(self) -> float:
        """Height of capitals in a picture, before zoom: like the printer's own letters."""
        return {(1, 1): 17, (2, 1): 17, (1, 2): 13, (2, 2): 17}[self.wide, self.high]

    def width(self, text: str) -> float:
        """Dots that the line takes."""
        if codec_for(text.translate(_PLAIN), self.profile):
            return len(text.translate(_PLAIN)) * 12 * self.wide
        return measure(text, self.caps, bold=self.bold) * self.zoom

    def wrap(self, text: str, dots: int) -> list[str]:
        """Return the text in lines that fit; a word that does not fit alone is torn."""
        lines = _fill(text.split(" "), " ", lambda line: self.width(line) <= dots)
        # A separator says nothing at the end of a line.
        return [line.removesuffix(" ·") for line in lines]

    def balanced(self, text: str) -> list[str]:
        """Return the text in as few lines as fit, all about equally long."""
        best = self.wrap(text, self.profile.dots)
        narrowest = max(int(self.width(word)) for word in text.split(" "))
        for dots in range(self.profile.dots, narrowest, -self.profile.dots // 32):
            lines = self.wrap(text, dots)
            if len(lines) > len(best):
                break
            best = lines
        return best


def _paragraph(role: Role, text: str, profile: PrinterProfile) -> Iterator[Item]:
    look = _LOOKS[role]
    types = [_Type(wide, high, look.bold, profile) for wide, high in look.sizes]
    style = next((each for each in types if len(each.wrap(text, profile.dots)) == 1), types[-1])
    lines = style.balanced(text) if look.align is Align.CENTRE else style.wrap(text, profile.dots)
    align = Align.RIGHT if look.align is Align.LEFT and right_to_left(text) else look.align
    for number, line in enumerate(lines):
        plain = line if codec_for(line, profile) else line.translate(_PLAIN)
        if codec := codec_for(plain, profile):
            yield TextLine(role, plain, codec, style.wide, style.high, style.bold, align)
            continue
        ink = _fitted(line, style.caps, style.bold, 1.0, profile.dots // style.zoom)
        if ink.height:
            if number:
                yield Feed(4)
            yield Picture(role, ink, style.zoom, align)
            yield Feed(6)


def _fitted(line: str, caps: float, bold: bool, squeeze: float, width: int) -> Bitmap:
    """Return the drawn line, pressed together where its ink is wider than its letters' widths promised."""
    ink = draw(line, caps, bold=bold, squeeze=squeeze)
    while ink.width > width:
        squeeze *= 0.99 * width / ink.width
        ink = draw(line, caps, bold=bold, squeeze=squeeze)
    return ink


def _fill(words: Sequence[str], glue: str, fits: Callable[[str], bool]) -> list[str]:
    """Return the words in lines, as many in each as fit; a word that does not fit alone is torn between clusters."""
    lines: list[str] = []
    line = ""
    for word in words:
        longer = line + glue + word if line else word
        if fits(longer):
            line = longer
            continue
        if line:
            lines.append(line)
        line = ""
        for cluster in clusters(word):
            if line and not fits(line + cluster):
                lines.append(line)
                line = ""
            line += cluster
    return [*lines, line] if line else lines


def _name(text: str, profile: PrinterProfile) -> Iterator[Item]:
    """Yield the name: always a picture, at half the resolution, so large and yet few bytes."""
    dots = profile.dots // 2
    wide = profile.dots >= 500
    least = (_SHORT_LETTERS_MM if wide and len(clusters(text)) <= _SHORT else _LETTERS_MM) * profile.dpmm / 2
    most = (_WIDE_MOST_MM if wide else _MOST_MM) * profile.dpmm / 2
    lines, caps, squeeze = _name_lines(text, dots, least, most)
    for number, line in enumerate(lines):
        ink = _fitted(line, caps, True, squeeze, dots)
        if ink.height:
            if number:
                yield Feed(10)
            yield Picture(Role.NAME, ink, 2, Align.CENTRE)


def _name_lines(text: str, dots: int, least: float, most: float) -> tuple[list[str], float, float]:
    """Return the name's lines, the height of their capitals and how far they are pressed together.

    Large before small, few lines before many; then pressed together, at last torn, and never lower than `least`.
    """
    # "Anna Lisa" and "Anna-Lisa" may each become two lines; a space stays with the word after it.
    parts = re.findall(r"\s?[^\s-]+-*|\s?-+", text)
    heights = [least + step for step in range(int(most - least), -1, -1)]
    for allowed, floor in ((1, 0.8 * most), (2, 0.7 * most), (1, least), (2, least), (3, least)):
        for caps in heights:
            if caps >= floor and (lines := _lines(parts, dots / caps)) and len(lines) <= allowed:
                return lines, caps, 1.0
    for allowed in (1, 2, 3):
        if (lines := _lines(parts, dots / least / _NARROWEST)) and len(lines) <= allowed:
            return lines, least, min(1.0, dots / least / max(map(_width, lines)))
    parts = [piece for part in parts for piece in _torn(part, dots / least)]
    caps = next((caps for caps in heights if _lines(parts, dots / caps)), least)
    return _lines(parts, dots / caps) or parts, caps, 1.0


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
        pieces = [piece + _SOFT_HYPHEN if _hyphenated(piece[-1]) else piece for piece in pieces[:-1]] + pieces[-1:]
        if all(_width(_joined(piece.strip())) <= width for piece in pieces):
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
