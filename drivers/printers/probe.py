"""The probe page: it shows a barista what a printer makes of our bytes.

Source: Epson's ESC/POS command reference; the numbers of code pages as python-escpos' capability data tells them of cheap
printers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from drivers.printers.bitmap import Bitmap, compose, qr
from drivers.printers.encode import chunks
from drivers.printers.findings import Seen
from drivers.printers.layout import Align, Feed, Item, NativeQr, Picture, lay_out
from drivers.printers.profiles import Media, PrinterProfile
from drivers.printers.shape import draw
from kiosk.badge import Block, Role

SAMPLE = "åäöæøé€ıłšžжї¢"
"""What each line of the page shows. No two code pages show all of these that they have in the same places."""
MISSING = "."
"""Stands for a letter of the sample that a code page does not have."""
LONGEST_LOSS_MM = 6
"""The last step of the ruler at the left edge."""
QR_CONTENT = "fikatap:probe"

_USUAL_PAGES = (
    *(("cp858", 19), ("cp437", 0), ("cp850", 2), ("cp852", 18), ("cp866", 17), ("cp1252", 16)),
    *(("cp858", 53), ("cp852", 54), ("cp866", 59), ("cp1252", 71)),
)
"""Codec and number: first Epson's, then those that cheap printers have beside them, or instead."""
_BADGE_ORDER = ("cp858", "cp437", "cp850", "cp852", "cp866", "cp1252")

_CODE_PAGE, _SPACING = b"\x1bt", b"\x1b3"
_LINE_ROWS = 27
_COLUMN = 12
_SPACE, _GAP, _MARGIN = 16, 6, 24
_FIRST_COLUMN, _STEP = 2, 2
_CAPS = 17
_QR_MODULE = 5


class Line(NamedTuple):
    """One line of the page: its number, and which code page it tries."""

    number: int
    codec: str
    page: int


class Words(Struct, frozen=True, kw_only=True):
    """What the page says in the café's language; `about` names the printer."""

    title: str
    about: str
    letters: str
    edge: str
    code: str
    end: str


def lines(profile: PrinterProfile) -> tuple[Line, ...]:
    """Return the lines of the page for this profile: what it promises first, then the usual numbers."""
    tried = dict.fromkeys([*profile.code_pages.items(), *_USUAL_PAGES])
    return tuple(Line(number, codec, page) for number, (codec, page) in enumerate(tried, 1))


def read_page(profile: PrinterProfile, right: Iterable[int], *, native_qr: bool, first_whole_mm: int) -> Seen:
    """Return what people read from the page: the numbers of right lines, and the first whole number at the left edge."""
    by_number = {line.number: line for line in lines(profile)}
    pages: dict[str, int] = {}
    for line in (by_number[number] for number in sorted(right)):
        pages.setdefault(line.codec, line.page)
    # The order is ours, not the page's: who has cp858 needs no other for the Nordic languages.
    ordered = sorted(pages, key=lambda codec: _BADGE_ORDER.index(codec) if codec in _BADGE_ORDER else len(_BADGE_ORDER))
    return Seen(
        code_pages={codec: pages[codec] for codec in ordered},
        native_qr=native_qr,
        left_dots=first_whole_mm * profile.dpmm,
    )


def opening(words: Words, profile: PrinterProfile) -> bytes:
    """Return the first bytes of the page: its title, by whose printing the printer's own words are tested."""
    items = (*_said(words.title, profile, Role.TITLE), *_said(words.about, profile), Feed(_SPACE))
    start, body, _ = _encoded(items, profile)
    return start + body


def page(words: Words, profile: PrinterProfile) -> bytes:
    """Return the rest of the page, from initialising to the cut. Pictures are right on every printer, all else is on trial."""
    start, body, cut = _encoded(
        (
            *_said(words.letters, profile),
            Picture(Role.TEXT, _reference(), 1, Align.LEFT),
            Feed(6),
        ),
        profile,
    )
    _, edge, _ = _encoded(
        (
            Feed(_SPACE),
            *_said(words.edge, profile),
            Picture(Role.TEXT, _ruler(profile), 1, Align.LEFT),
            Feed(_SPACE),
            *_said(words.code, profile),
            Picture(Role.TEXT, _letter("A"), 1, Align.CENTRE),
            Feed(_GAP),
            NativeQr(Role.QR, QR_CONTENT, _QR_MODULE, Align.CENTRE),
        ),
        profile,
    )
    _, end, _ = _encoded(_said(words.end, profile, Role.ZONE), profile)
    return b"".join(
        (
            start + body + _SPACING + bytes([_LINE_ROWS]),
            *(_line(line) for line in lines(profile)),
            start + edge,
            # A printer that took the code's commands for letters prints these now, and forgets what else they did.
            b"\n" + start + end,
            cut,
        )
    )


def _said(words: str, profile: PrinterProfile, role: Role = Role.TEXT) -> Iterator[Item]:
    """Yield a sentence as a picture, with room below it, and so far from the left edge that nothing of it is lost."""
    for item in lay_out((Block(role, words),), _drawing(profile)):
        if isinstance(item, Picture) and item.align is Align.LEFT:
            yield replace(item, bitmap=Bitmap(item.bitmap.width + _MARGIN // item.zoom, item.bitmap.rows))
        else:
            yield item
    yield Feed(_GAP)


def _encoded(items: Iterable[Item], profile: PrinterProfile) -> tuple[bytes, bytes, bytes]:
    """Return start, body and end of a page of these."""
    start, *body, end = chunks(tuple(items), _bare(profile))
    return start, b"".join(body), end


def _line(line: Line) -> bytes:
    """Return one line in the code page on trial."""
    sample = bytearray(b" " * _FIRST_COLUMN)
    for letter in SAMPLE:
        try:
            sample += letter.encode(line.codec) + b" "
        except UnicodeEncodeError:
            sample += MISSING.encode() + b" "
    # A printer without this number stays with the page before: let that be none of those on trial but number 0.
    return _CODE_PAGE + b"\x00" + _CODE_PAGE + bytes([line.page]) + sample + f"{line.number:>2}\n".encode()


def _bare(profile: PrinterProfile) -> PrinterProfile:
    """Return the profile without what is only believed or put into it: a roll of paper from its first dot on."""
    return replace(profile, media=Media(), left_dots=0, stored_logo="", native_qr=True)


def _drawing(profile: PrinterProfile) -> PrinterProfile:
    """Return the profile of a printer that has no letters, and whose paper begins after the margin."""
    return replace(_bare(profile), code_pages={}, dots=profile.dots - _MARGIN)


def _reference() -> Bitmap:
    """Return the sample in a frame, each letter above those of the lines."""
    letters = [draw(letter, _CAPS, bold=False) for letter in SAMPLE]
    height = max(letter.height for letter in letters)
    width = _COLUMN * _STEP * len(SAMPLE)
    middle = _COLUMN // 2
    parts = [
        (_COLUMN * _STEP * place + middle + (_COLUMN - letter.width) // 2, 7 + height - letter.height, letter)
        for place, letter in enumerate(letters)
    ]
    framed = compose([(0, 0, _frame(width, height + 14)), *parts])
    return Bitmap(_COLUMN * _FIRST_COLUMN - middle + framed.width, framed.rows)


def _ruler(profile: PrinterProfile) -> Bitmap:
    """Return numbered boxes, each a millimetre further from the left edge than the one above, and a QR code beside them."""
    parts = []
    for number in range(LONGEST_LOSS_MM + 1):
        left, top = number * profile.dpmm, number * 27
        digit = draw(str(number), _CAPS - 2, bold=True)
        parts += [(left, top, _frame(30, 26)), (left + 15 - digit.width // 2, top + 13 - digit.height // 2, digit)]
    code = qr(QR_CONTENT, _QR_MODULE)
    label = _letter("B")
    right = profile.dots - profile.dots // 8 - code.width
    return compose([*parts, (right, 0, label), (right, label.height + 10, code)])


def _letter(letter: str) -> Bitmap:
    return draw(letter, _CAPS + 5, bold=True)


def _frame(width: int, height: int) -> Bitmap:
    """Return an empty frame of two dots."""
    full, sides = (1 << width) - 1, 0b11 << (width - 2) | 0b11
    return Bitmap(width, (full, full, *[sides] * (height - 4), full, full))
