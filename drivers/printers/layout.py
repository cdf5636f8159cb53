"""From blocks to what stands where on the paper: sizes by role, wrapping, text or picture for each line, what fits on a label.

docs/layout.md tells staff and developers what this does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import IntEnum
from functools import lru_cache
from itertools import chain, groupby, product
from math import ceil
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from drivers.printers.bitmap import Bitmap, compose, on_canvas, qr, qr_modules, symbol
from drivers.printers.names import set_name
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
    lead: str = ""
    """What stands before it on the same line, of plain size and not bold; in the same code page."""

    @property
    def rows(self) -> int:
        """Rows of paper from this line to the next."""
        return 24 * self.high + 3


class Picture(Struct, frozen=True):
    """A raster; with `zoom` 2 the printer makes four dots of each."""

    role: Role
    bitmap: Bitmap
    zoom: int
    align: Align

    @property
    def rows(self) -> int:
        """Rows of paper."""
        return self.bitmap.height * self.zoom


class StoredLogo(Struct, frozen=True):
    """The picture that the printer keeps in its own memory, of full resolution."""

    role: Role
    bitmap: Bitmap
    align: Align

    @property
    def rows(self) -> int:
        """Rows of paper: printers keep pictures in whole bytes, downwards too."""
        return -(-self.bitmap.height // 8) * 8


class NativeQr(Struct, frozen=True):
    """A QR code that the printer draws, error correction M, `module` dots a module."""

    role: Role
    content: str
    module: int
    align: Align

    @property
    def rows(self) -> int:
        """Rows of paper."""
        return qr_modules(self.content) * self.module


class Feed(Struct, frozen=True):
    """Blank rows."""

    rows: int


class NextLabel(Struct, frozen=True):
    """The page goes on at the top of the next label or after the next mark."""

    @property
    def rows(self) -> int:
        """None: it ends what is counted."""
        return 0


Item = TextLine | Picture | StoredLogo | NativeQr | Feed | NextLabel
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
    Role.LOGO: _Look((), False, Align.CENTRE, 0, 0),
    Role.NAME: _Look((), True, Align.CENTRE, 10, 48),
    Role.TITLE: _Look(((2, 2), (1, 2)), True, Align.LEFT, 12, 64),
    Role.HEADLINE: _Look(((2, 2), (1, 2)), True, Align.CENTRE, 14, 96),
    Role.LABEL: _Look(((1, 1),), False, Align.LEFT, 14, 64),
    Role.TEXT: _Look(((1, 1),), True, Align.LEFT, 0, 400),
    Role.PARTNER: _Look(((2, 2), (1, 2)), True, Align.LEFT, 6, 48),
    Role.STARTER: _Look(((1, 1),), True, Align.LEFT, 0, 400),
    Role.GO: _Look(((1, 1),), False, Align.CENTRE, 16, 64),
    Role.ZONE: _Look(((2, 2), (1, 2)), True, Align.CENTRE, 4, 64),
    Role.SMALL: _Look(((1, 1),), False, Align.CENTRE, 4, 120),
    Role.CLOSING: _Look(((1, 1),), True, Align.LEFT, 14, 400),
    Role.MEMO: _Look(((1, 1),), False, Align.LEFT, 14, 64),
    Role.QR: _Look((), False, Align.CENTRE, 16, 0),
}
_LEADS = {Role.LABEL: (Role.TEXT, Role.PARTNER, Role.STARTER), Role.GO: (Role.ZONE,)}
"""What may stand on the line of what comes next."""


class _Setting(NamedTuple):
    """How closely a page is set."""

    space: float
    """Part of the space between blocks."""
    module: int
    """Dots of a module of the QR code."""
    inline: bool
    """Whether every label that can stands on the line of what it is about; a partner's and a zone's always do."""
    name: float
    """How large the name is, from the least legible (0) to the most that is of use (1); below 0, by which part it is smaller
    than that least."""
    beside: bool = False
    """Whether the zone's symbol is beside its words."""
    plain: bool = False
    """Whether nothing but the name is large."""
    name_lines: int = 99
    drawn_caps: int = 9
    """Height of plain capitals where all is drawn, at half the resolution."""


_ON_ROLL = (
    _Setting(1.0, 4, False, 1.0),
    _Setting(0.6, 4, False, 1.0),
    _Setting(0.6, 3, False, 1.0),
    _Setting(0.6, 3, True, 1.0),
    _Setting(0.5, 3, True, 0.8),
    _Setting(0.4, 3, True, 0.4),
    _Setting(0.3, 3, True, 0.1),
)
"""Tried in this order until a badge is no longer than its holder."""
_TURNED = (
    _ON_ROLL[0],
    _ON_ROLL[3],
    _ON_ROLL[5],
    _Setting(0.3, 3, True, 0.1, drawn_caps=8),
    _Setting(0.2, 3, True, 0.0, beside=True, drawn_caps=8),
)
"""The same where all is drawn; a roll is then as long as it has to be."""
_TOO_LONG = _Setting(0.5, 3, True, 0.7)
"""For a badge on a roll that is longer in any case."""
_ON_LABEL = (
    _Setting(0.4, 3, True, 0.5),
    _Setting(0.3, 3, True, 0.4, beside=True),
    _Setting(0.2, 3, True, 0.0, beside=True),
    _Setting(0.2, 3, True, 0.0, beside=True, plain=True),
    _Setting(0.0, 3, True, 0.0, beside=True, plain=True, name_lines=2),
    _Setting(0.0, 3, True, 0.0, beside=True, plain=True, name_lines=1),
    # Letters under a heap of accents: rather small than on the next label.
    _Setting(0.0, 3, True, -0.25, beside=True, plain=True, name_lines=1),
    _Setting(0.0, 3, True, -0.7, beside=True, plain=True, name_lines=1),
)
"""Where not all has room: tried until what must be there has; then the rest is added by importance."""
_SHORTENED = (
    (Role.PARTNER, 20),
    (Role.PARTNER, 10),
    (Role.ZONE, 40),
    (Role.ZONE, 20),
    (Role.ZONE, 10),
    (Role.ZONE, 5),
)
"""Where not even that has room: what is cut with an ellipsis, to how many characters, one after the other."""

_HOLDER_MM = 105
"""Length of an A7 holder."""
_EDGE_MM = 1
"""What stays white at the top and at the end of a label."""
_GAP_MM = {"label": 3, "mark": 0}
"""Between two labels; marked paper has none."""
_QR_BYTES = 255
"""What a badge holds at a module of 4 dots, also on 58 mm."""
_SYMBOL = 28
"""Dots of a zone's symbol, before zoom."""
_MEMO_MM = 9
"""Room to write by hand."""
_CAPS = {(1, 1): 16, (2, 1): 17, (1, 2): 13, (2, 2): 17}
"""Height of capitals in a picture, before zoom: like the printer's own letters."""
_LARGER = {(1, 1): 1.0, (2, 1): 1.0, (1, 2): 1.3, (2, 2): 1.6}
"""How much larger than plain capitals they are where all is drawn."""

# Typographic signs that no code page has, for lines that are otherwise all in one.
_PLAIN = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "‐": "-", "‑": "-", "…": "..."})

_DPI = {7: 180, 8: 203}
"""What a head really has, by its whole dots in a millimetre."""
_LETTERS_MM = 6.0
"""Height of the name's capitals at least: what people read at two metres."""
_SHORT = 8
_SHORT_LETTERS_MM = 8.5
"""The same for a name of up to 8 letters on 80 mm paper."""
_MOST_MM = 9.0
_WIDE_MOST_MM = 12.0
_WIDE_BODY_MOST_MM = 10.5
"""Larger takes bytes (on a serial line: time) and is no easier to read: on 58 and 80 mm paper, the last for scripts without
capitals, whose letters are larger for the same height of their bodies."""
_NAME_LINES = 16
"""Rows between two lines of a name: dots below letters must not be taken for those above the next line's."""
_START = 8
"""Blank rows at the top of a badge."""


def lay_out(blocks: Sequence[Block], profile: PrinterProfile, logo: Bitmap | None = None) -> tuple[Item, ...]:
    """Return the page of these blocks on this kind of printer. The page holds no character that a printer could act on.

    A page without a name is a slip: it is never turned, loses nothing, and goes on on the next label where one is too short.
    """
    media, per_mm = profile.media, profile.dpmm
    badge = any(block.role is Role.NAME for block in blocks)
    column = _Column(profile, profile.room, badge and media.turned, logo)
    if media.kind == "roll":
        # A roll begins each badge with the paper between head and blade, which is white.
        if not badge:
            return column.items(blocks, _ON_ROLL[0])
        # The motor starts while the first dots of the name are still on the line.
        length = _HOLDER_MM * per_mm - profile.tear_rows - (_START if media.turned else 0)
        return Feed(_START), *_badge(blocks, column, length)
    edge = Feed(_EDGE_MM * per_mm)
    length = round((media.length_mm - _GAP_MM[media.kind] - 2 * _EDGE_MM) * per_mm)
    return edge, *(_badge(blocks, column, length) if badge else _paged(column.items(blocks, _ON_ROLL[0]), length, edge))


def codec_for(text: str, profile: PrinterProfile) -> str | None:
    """Return the first code page of the printer that has every character of the text, or None."""
    return _codec(text, tuple(profile.code_pages))


@lru_cache(maxsize=1024)
def _codec(text: str, codecs: tuple[str, ...]) -> str | None:
    for codec in codecs:
        try:
            text.encode(codec)
        except UnicodeEncodeError:
            continue
        return codec
    return None


# What fits


def _badge(blocks: Sequence[Block], column: _Column, length: int) -> tuple[Item, ...]:
    """Return the page, closely set where it would be longer than `length` rows; a roll may go on, a label must do."""
    place, settings = (_sheet, _TURNED) if column.drawn else (_strip, _ON_ROLL)
    for setting in settings:
        if (page := place(column, blocks, setting, length)) is not None:
            return page
    if column.profile.media.kind == "roll":
        if not column.drawn:
            return column.items(blocks, _TOO_LONG)
        for longer in (length * (10 + step) // 10 for step in range(1, 21)):
            if (page := _sheet(column, blocks, settings[-1], longer)) is not None:
                return page
    return _most(blocks, lambda kept, setting: place(column, kept, setting, length))


def _most(blocks: Sequence[Block], place: Callable[[Sequence[Block], _Setting], tuple[Item, ...] | None]) -> tuple[Item, ...]:
    """Return the page of what must be there and, by importance, what else has room; raise ValueError where that can't be."""
    needed, *rest = _by_importance(blocks)
    # Rather a partner cut short than a name that nobody can read.
    large, small = _ON_LABEL[:-2], _ON_LABEL[-2:]
    for tried, setting in chain(product([blocks], large), product(_shortened(blocks), (large[-1], *small))):
        kept = needed
        if (page := place([tried[number] for number in sorted(kept)], setting)) is None:
            continue
        for group in rest:
            more = place([tried[number] for number in sorted(kept | group)], setting)
            if more is not None:
                page, kept = more, kept | group
        return page
    raise ValueError("the label has no room for a name and a zone")


def _shortened(blocks: Sequence[Block]) -> Iterator[Sequence[Block]]:
    """Yield the blocks with less and less of the partner's name, then of the zone's words."""
    for role, limit in _SHORTENED:
        blocks = [replace(block, text=clean(_shown(block), limit)) if block.role is role else block for block in blocks]
        yield blocks


def _by_importance(blocks: Sequence[Block]) -> list[set[int]]:
    """Return which blocks go together, by their places: first what is never left out, then the important before the less so."""
    ranks: dict[tuple[int, int], set[int]] = {(0, 0): set()}
    for place, (block, after) in enumerate(zip(blocks, [*blocks[1:], None], strict=False)):
        before = blocks[place - 1].role if place else None
        role = after.role if block.role is Role.LABEL and after else block.role
        topics = role is Role.TEXT and Role.LABEL in (before, block.role)
        rank = 5 if topics else _RANKS[role]
        if block.role is Role.LABEL and role is Role.PARTNER:
            rank = 1
        # Of the small print the first is the most important, of what is said about the partner the last.
        within = {Role.SMALL: place, Role.TEXT: -place}.get(role, 0) if not topics else 0
        ranks.setdefault((rank, within), set()).add(place)
    return [ranks[rank] for rank in sorted(ranks)]


_RANKS = dict.fromkeys(Role, 0) | {
    Role.GO: 2,
    Role.TEXT: 3,
    Role.HEADLINE: 4,
    Role.STARTER: 6,
    Role.QR: 7,
    Role.SMALL: 8,
    Role.LOGO: 9,
}
"""What is left out first where a label is too short: the highest; 0 is never left out, 1 is the word before the partner's name,
5 what to talk about."""


def _strip(column: _Column, blocks: Sequence[Block], setting: _Setting, length: int) -> tuple[Item, ...] | None:
    """Return the page across the paper, or None when it takes more than `length` rows."""
    page = column.items(blocks, setting)
    return page if _rows(page) <= length else None


def _rows(page: Iterable[Item]) -> int:
    return sum(item.rows for item in page)


def _paged(page: Sequence[Item], length: int, edge: Feed) -> Iterator[Item]:
    """Yield the page with a new label begun where an item would not fit on this one any more."""
    used = 0
    for piece in _pieces(page, length):
        rows = _rows(piece)
        if used and used + rows > length:
            yield from (NextLabel(), edge)
            used = 0
            if all(isinstance(item, Feed) for item in piece):
                continue
        used += rows
        yield from piece


def _pieces(page: Sequence[Item], length: int) -> Iterator[Sequence[Item]]:
    """Yield the page in what stays on one label: a memo's words, its room and its line; every other item by itself."""
    memo = [place for place, item in enumerate(page) if not isinstance(item, Feed | NextLabel) and item.role is Role.MEMO]
    start, end = (memo[0], memo[-1] + 1) if memo else (len(page), len(page))
    # The first of very long words may be left behind, but not the room to write.
    while _rows(page[start:end]) > length:
        start += 1
    yield from ([item] for item in page[:start])
    if memo:
        yield page[start:end]
    yield from ([item] for item in page[end:])


# Read along the paper

_ACROSS = frozenset({Role.COPY, Role.LOGO, Role.NAME, Role.HEADLINE})
_ASIDE = frozenset({Role.GO, Role.ZONE, Role.SMALL, Role.QR})
_TWO_COLUMNS_MM = 70
_HIGH_MM = 60
_ASIDE_PART = 0.34
_BETWEEN = 24
_SIDES_MM = 2
_BAND_ROWS = 12


def _sheet(column: _Column, blocks: Sequence[Block], setting: _Setting, length: int) -> tuple[Item, ...] | None:
    """Return the page as it is read along the paper, a sheet of `length` by the paper's width, turned; None if too high.

    A long sheet has the name across its top, below it whom to meet at the left, and the zone and the QR code at the right.
    """
    margin = _SIDES_MM * column.profile.dpmm // 2
    wide, high = length // 2 - 2 * margin, column.dots // 2
    if length < _TWO_COLUMNS_MM * column.profile.dpmm:
        areas = [(blocks, 0, wide)]
    else:
        # As wide as the code needs, in dots of half the resolution.
        codes = (2 * qr_modules(clean(block.text, _QR_BYTES)) for block in blocks if block.role is Role.QR)
        aside = max(round(length * _ASIDE_PART) // 2, *codes, 0)
        # On narrow paper the code needs all the height beside name and words.
        low = column.dots < _HIGH_MM * column.profile.dpmm
        across, beside = (frozenset(), _ASIDE | {Role.COPY}) if low else (_ACROSS, _ASIDE)
        areas = [
            ([block for block in blocks if block.role in across], 0, wide),
            ([block for block in blocks if block.role not in across | beside], 0, wide - aside - _BETWEEN // 2),
            ([block for block in blocks if block.role in beside], wide - aside, aside),
        ]
    pages = [column._replace(dots=2 * width).items(part, setting) for part, _, width in areas]
    heights = [_rows(page) // 2 for page in pages]
    head = heights[0] if len(areas) > 1 else 0
    spare = high - head - max(heights[1:], default=heights[0])
    if spare < 0:
        return None
    parts: list[tuple[int, int, Bitmap]] = []
    for number, (page, (_, left, width)) in enumerate(zip(pages, areas, strict=True)):
        y = spare // 3 if not number else head + 2 * spare // 3
        for item in page:
            if isinstance(item, Picture):
                parts.append((margin + left + (width - item.bitmap.width) * item.align // 2, y, item.bitmap))
            y += item.rows // 2
    return tuple(_bands(on_canvas(wide + 2 * margin, high, parts)))


def _bands(sheet: Bitmap) -> Iterator[Item]:
    """Yield the sheet turned, its top at the left of the paper: feeds for rows without ink, the others trimmed at their end."""
    strip = sheet.turned()
    for blank, run in groupby(strip.rows, key=lambda row: not row):
        rows = tuple(run)
        if blank:
            yield Feed(2 * len(rows))
            continue
        for start in range(0, len(rows), _BAND_ROWS):
            band = rows[start : start + _BAND_ROWS]
            white = min((row & -row).bit_length() - 1 for row in band)
            yield Picture(Role.TEXT, Bitmap(strip.width - white, tuple(row >> white for row in band)), 2, Align.LEFT)


# One column


class _Type(NamedTuple):
    """How one size of a role is set, as text and as picture."""

    wide: int
    high: int
    bold: bool
    column: _Column
    drawn_caps: int

    @property
    def zoom(self) -> int:
        # Chinese and Vietnamese need every dot at the small size.
        return 2 if self.high == 2 or self.column.drawn else 1

    @property
    def caps(self) -> int:
        """Height of capitals in a picture, before zoom."""
        size = self.wide, self.high
        return round(_LARGER[size] * self.drawn_caps) if self.column.drawn else _CAPS[size]

    def codec(self, text: str) -> str | None:
        """Return the code page to print the text in, or None where it is drawn."""
        return None if self.column.drawn else codec_for(text, self.column.profile)

    def width(self, text: str) -> float:
        """Dots that the line takes."""
        if self.codec(text.translate(_PLAIN)):
            return len(text.translate(_PLAIN)) * 12 * self.wide
        return _width(text, self.caps, self.bold) * self.zoom

    def wrap(self, text: str, dots: int) -> list[str]:
        """Return the text in lines that fit: broken between its parts, else between words; a longer word is torn."""

        def fits(line: str) -> bool:
            return self.width(line) <= dots

        parts = text.split(" · ")
        if all(map(fits, parts)):
            return _fill(parts, " · ", fits)
        # A separator says nothing at the end of a line.
        return [line.removesuffix(" ·") for line in _fill(text.split(" "), " ", fits)]

    def wrap_after(self, taken: float, text: str) -> list[str]:
        """Return the text in lines of which the first has so many dots less; nothing where that has no room for a word."""
        first = self.wrap(text, int(self.column.dots - taken))[0]
        rest = text[len(first) :]
        # Even a single letter may be wider than what is left.
        if (rest and not rest.startswith(" ")) or taken + self.width(first) > self.column.dots:
            return []
        return [first, *(self.wrap(rest.lstrip(" ·"), self.column.dots) if rest.strip(" ·") else [])]

    def balanced(self, text: str) -> list[str]:
        """Return the text in as few lines as fit, all about equally long."""
        room = self.column.dots
        best = self.wrap(text, room)
        if len(best) == 1:
            return best
        narrowest = max(int(self.width(word)) for word in text.split(" "))
        for dots in range(room, narrowest, -room // 32):
            lines = self.wrap(text, dots)
            if len(lines) > len(best):
                break
            best = lines
        return best


class _Column(NamedTuple):
    """Where blocks stand one below the other; `drawn` is whether all of it is pictures, because it will be turned."""

    profile: PrinterProfile
    dots: int
    drawn: bool
    logo: Bitmap | None

    def items(self, blocks: Sequence[Block], setting: _Setting) -> tuple[Item, ...]:
        """Return the column, top to bottom."""
        page: list[Item] = []
        lead: Block | None = None
        joined = self._small_joined(blocks)
        for block, after in zip(joined, [*joined[1:], None], strict=False):
            if lead is None and after and after.role in _LEADS.get(block.role, ()):
                lead = block
                continue
            if laid := list(self._block(block, lead, setting)):
                # An even number: half of it is rows of a turned page.
                above = round(_LOOKS[(lead or block).role].above * setting.space / 2) * 2
                page += [Feed(above), *laid] if page and above else laid
            lead = None
        return tuple(page)

    def _small_joined(self, blocks: Sequence[Block]) -> list[Block]:
        """Return the blocks with small print that follows small print put on its line, unless that must be drawn."""
        joined: list[Block] = []
        for block in blocks:
            before = joined[-1] if joined else None
            if before and before.role is block.role is Role.SMALL:
                both = f"{before.text} · {block.text}"
                if self.drawn or codec_for(both.translate(_PLAIN), self.profile):
                    joined[-1] = replace(before, text=both)
                    continue
            joined.append(block)
        return joined

    def _block(self, block: Block, lead: Block | None, setting: _Setting) -> Iterator[Item]:
        """Yield the block, after its lead where that has to stand on a line of its own."""
        if block.role is Role.LOGO:
            yield from self._logo()
            return
        if block.role is Role.QR:
            yield from self._qr(block.text, setting)
            return
        text = _shown(block)
        led: list[Item] = []
        if lead and text:
            words = _shown(lead)
            led = [] if block.symbol and setting.beside else self._led(block.role, words, text, setting)
            if words and not led:
                yield from self._paragraph(lead.role, words, setting)
        if block.symbol is not None and setting.beside:
            yield self._beside(symbol(block.symbol, _SYMBOL if not setting.plain else 20), text, setting)
            return
        if block.symbol is not None:
            yield Picture(block.role, symbol(block.symbol, _SYMBOL), 2, _LOOKS[block.role].align)
            yield Feed(6)
        if block.role is Role.NAME and text:
            yield from self._name(text, setting)
        elif text:
            yield from led or self._paragraph(block.role, text, setting)
        if block.role is Role.MEMO and text:
            yield Feed(_MEMO_MM * self.profile.dpmm)
            yield Picture(block.role, Bitmap(self.dots // 2, ((1 << self.dots // 2) - 1,)), 2, Align.LEFT)
            yield Feed(8)

    def _logo(self) -> Iterator[Item]:
        """Yield the logo; one that is wider than the paper is left off, because half a logo is none."""
        if self.logo is None or self.logo.width > self.dots:
            return
        if self.drawn:
            yield Picture(Role.LOGO, self.logo.halved().trimmed(), 2, Align.CENTRE)
        elif self.profile.stored_logo == self.logo.digest:
            yield StoredLogo(Role.LOGO, self.logo, Align.CENTRE)
        else:
            yield Picture(Role.LOGO, self.logo.trimmed(), 1, Align.CENTRE)

    def _qr(self, content: str, setting: _Setting) -> Iterator[Item]:
        """Yield the code; one that is too long for the paper is left off, because half a code opens nothing."""
        if len(content.encode()) > _QR_BYTES:
            return
        content = clean(content, _QR_BYTES)
        native = self.profile.native_qr and not self.drawn
        # In half the resolution a module is two dots of it.
        module = setting.module if native else 4
        if not content or qr_modules(content) * module > self.dots:
            return
        yield NativeQr(Role.QR, content, module, Align.CENTRE) if native else Picture(Role.QR, qr(content, 2), 2, Align.CENTRE)
        yield Feed(4 * module)

    def _name(self, text: str, setting: _Setting) -> Iterator[Item]:
        """Yield the name: always a picture, at half the resolution, so large and yet few bytes."""
        profile, dots = self.profile, self.dots // 2
        wide = profile.dots >= 500
        least_mm = _SHORT_LETTERS_MM if wide and len(clusters(text)) <= _SHORT else _LETTERS_MM
        least: float = ceil(least_mm * _DPI[profile.dpmm] / 25.4 / 2)
        cased = any(char.lower() != char.upper() for char in text)
        most = ((_WIDE_MOST_MM if cased else _WIDE_BODY_MOST_MM) if wide else _MOST_MM) * profile.dpmm / 2
        if setting.name < 0:
            least = most = least * (1 + setting.name)
        most = least + (most - least) * setting.name
        lines, caps, squeeze = set_name(text, dots, least, most, setting.name_lines)
        for number, line in enumerate(lines):
            ink = _fitted(line, caps, True, squeeze, dots)
            if ink.height:
                if number:
                    yield Feed(_NAME_LINES)
                yield Picture(Role.NAME, ink, 2, Align.CENTRE)

    def _led(self, role: Role, words: str, text: str, setting: _Setting) -> list[Item]:
        """Return the text with its lead on its first line, or nothing where that is not to be or has no room."""
        look = _LOOKS[role]
        style = _Type(*((1, 1) if setting.plain else look.sizes[0]), look.bold, self, setting.drawn_caps)
        small = _Type(1, 1, False, self, setting.drawn_caps)
        if not words or not (setting.inline or len(look.sizes) > 1):
            return []
        codec = style.codec((words + text).translate(_PLAIN))
        if codec:
            words, text = words.translate(_PLAIN), text.translate(_PLAIN)
        elif not self.drawn or role is Role.ZONE or right_to_left(words) or right_to_left(text):
            return []
        lines = style.wrap_after(small.width(f"{words} "), text)
        if not lines or (style.high == 2 and len(lines) > 1):
            return []
        if codec is None:
            lead = _fitted(words, small.caps, small.bold, 1.0, self.dots // 2)
            return [
                *self._drawn_line(role, lines[0], style, Align.LEFT, (lead, _ascent(words, small.caps, small.bold))),
                *(item for line in lines[1:] for item in self._drawn_line(role, line, style, Align.LEFT)),
            ]
        return [
            TextLine(role, line, codec, style.wide, style.high, style.bold, look.align, "" if number else f"{words} ")
            for number, line in enumerate(lines)
        ]

    def _paragraph(self, role: Role, text: str, setting: _Setting) -> Iterator[Item]:
        look = _LOOKS[role]
        sizes = ((1, 1),) if setting.plain else look.sizes
        types = [_Type(wide, high, look.bold, self, setting.drawn_caps) for wide, high in sizes]
        style = next((each for each in types if len(each.wrap(text, self.dots)) == 1), types[-1])
        if max(map(style.width, text.split(" "))) > self.dots:
            # Rather small than torn.
            style = _Type(1, 1, look.bold, self, setting.drawn_caps)
        lines = style.balanced(text) if look.align is Align.CENTRE else style.wrap(text, self.dots)
        align = Align.RIGHT if look.align is Align.LEFT and right_to_left(text) else look.align
        for number, line in enumerate(lines):
            plain = line if style.codec(line) else line.translate(_PLAIN)
            if codec := style.codec(plain):
                yield TextLine(role, plain, codec, style.wide, style.high, style.bold, align)
            elif self.drawn:
                yield from self._drawn_line(role, line, style, align)
            elif (ink := _fitted(line, style.caps, style.bold, 1.0, self.dots // style.zoom)).height:
                if number:
                    yield Feed(4)
                yield Picture(role, ink, style.zoom, align)
                yield Feed(6)

    def _drawn_line(
        self, role: Role, line: str, style: _Type, align: Align, lead: tuple[Bitmap, int] | None = None
    ) -> Iterator[Item]:
        """Yield a line of even height, so that its letters stand on a line with those of the next column; after its lead."""
        room = self.dots // 2
        ascent = _ascent(line, style.caps, style.bold)
        if lead:
            x = lead[0].width + style.caps // 2
            ink = compose([(0, -lead[1], lead[0]), (x, -ascent, _fitted(line, style.caps, style.bold, 1.0, room - x))])
            ascent = max(ascent, lead[1])
        else:
            ink = _fitted(line, style.caps, style.bold, 1.0, room)
        if not ink.height:
            return
        above = max(0, round(1.35 * style.caps) - ascent)
        below = max(1, round(0.4 * style.caps) - (ink.height - ascent))
        yield from (Feed(2 * above), Picture(role, ink, 2, align), Feed(2 * below))

    def _beside(self, mark: Bitmap, text: str, setting: _Setting) -> Picture:
        """Return a zone's symbol with its words at its right."""
        caps = round((1.3 if setting.plain else 1.8) * setting.drawn_caps)
        room = self.dots // 2 - mark.width - 8
        # Rather small than torn.
        widest = max((_width(word, 100, True) for word in text.split(" ")), default=0) / 100
        caps = max(setting.drawn_caps, min(caps, int(room / widest))) if widest else caps

        def fits(line: str) -> bool:
            return _width(line, caps, True) <= room

        inks = [_fitted(line, caps, True, 1.0, room) for line in _fill(text.split(" "), " ", fits)]
        height = sum(ink.height + 4 for ink in inks) - 4 if inks else 0
        y = max(0, mark.height - height) // 2
        parts = [(0, max(0, height - mark.height) // 2, mark)]
        for ink in inks:
            parts.append((mark.width + 8, y, ink))
            y += ink.height + 4
        return Picture(Role.ZONE, compose(parts), 2, Align.CENTRE)


# A page is tried in several settings: most texts and lines are the same in all.
@lru_cache(maxsize=64)
def _shown(block: Block) -> str:
    """Return the block's text as it can be printed."""
    return printable(clean(block.text, _LOOKS[block.role].limit))


@lru_cache(maxsize=1024)
def _width(text: str, caps: int, bold: bool) -> float:
    return measure(text, caps, bold=bold)


@lru_cache(maxsize=256)
def _fitted(line: str, caps: float, bold: bool, squeeze: float, width: int) -> Bitmap:
    """Return the drawn line, pressed together where its ink is wider than its letters' widths promised."""
    ink = draw(line, caps, bold=bold, squeeze=squeeze)
    while ink.width > width:
        squeeze *= 0.99 * width / ink.width
        ink = draw(line, caps, bold=bold, squeeze=squeeze)
    return ink


@lru_cache(maxsize=256)
def _ascent(line: str, caps: int, bold: bool) -> int:
    """Return how many rows of the drawn line are above the line on which its letters stand."""
    return _capital(caps, bold) - _below_bar(line, caps, bold)


@lru_cache(maxsize=16)
def _capital(caps: int, bold: bool) -> int:
    return draw("H", caps, bold=bold).height + _below_bar("H", caps, bold)


@lru_cache(maxsize=16)
def _bar(caps: int, bold: bool) -> int:
    return draw("|", caps, bold=bold).width


def _below_bar(line: str, caps: int, bold: bool) -> int:
    """Return how far the line's first row is below that of a bar at its end, which stands the same way in every line."""
    both = draw(f"{line} |", caps, bold=bold)
    bar = _bar(caps, bold)
    rest = both.width - bar
    # Where the text runs from right to left, its end is at the left.
    if right_to_left(line):
        letters, ends = [row & (1 << rest) - 1 for row in both.rows], [row >> rest for row in both.rows]
    else:
        letters, ends = [row >> bar for row in both.rows], [row & (1 << bar) - 1 for row in both.rows]
    return _first_ink(letters) - _first_ink(ends)


def _first_ink(rows: Sequence[int]) -> int:
    return next((number for number, row in enumerate(rows) if row), 0)


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
