"""From a laid-out page to ESC/POS bytes.

Source: Epson's ESC/POS command reference. Only commands are used that cheap printers share: `ESC @`, `FS .`, `ESC R`, `ESC t`,
`GS !`, `ESC E`, `ESC a`, `ESC 3`, LF, `ESC J`, `GS v 0`, `GS ( k`, `GS V 66`; and where the profile asks for it `GS L`, `FS p`,
`GS FF`, `GS V 1`. Status and completion are the driver's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import or_
from typing import assert_never

from drivers.printers.bitmap import Bitmap, on_canvas, without_real_time
from drivers.printers.layout import Align, Feed, Item, NativeQr, NextLabel, Picture, StoredLogo, TextLine
from drivers.printers.profiles import PrinterProfile

BAND_ROWS = 24
"""Rows of paper of a raster command: paper moves once the first is there, and some printers take more than 128 for text."""

# Initialise; leave the two-byte characters that Chinese firmware starts in; American signs in the place of national ones.
_START = b"\x1b@\x1c.\x1bR\x00"
_CODE_PAGE, _SIZE, _BOLD, _ALIGN, _SPACING = b"\x1bt", b"\x1d!", b"\x1bE", b"\x1ba", b"\x1b3"
_STORED_LOGO = b"\x1cp\x01\x00"
_NEXT_LABEL = b"\x1d\x0c"
_CUT_HERE, _FEED_AND_CUT = b"\x1dV\x01", b"\x1dV\x42\x00"
_DEFAULTS = {_SIZE: 0, _BOLD: 0, _ALIGN: 0}


def encode(page: Sequence[Item], profile: PrinterProfile) -> bytes:
    """Return the page's bytes, from initialising to the cut (or the feed to the tear bar)."""
    return b"".join(chunks(page, profile))


def chunks(page: Sequence[Item], profile: PrinterProfile) -> Iterator[bytes]:
    """Yield the bytes piece by piece, for those who count them: the start, one for each item of the page, the end."""
    settings = dict(_DEFAULTS)

    def change(command: bytes, value: int) -> bytes:
        if settings.get(command) == value:
            return b""
        settings[command] = value
        return command + bytes([value])

    yield _START + (b"\x1dL" + profile.left_dots.to_bytes(2, "little") if profile.left_dots else b"")
    for item in page:
        match item:
            case TextLine():
                yield (
                    change(_CODE_PAGE, profile.code_pages[item.codec])
                    + change(_ALIGN, item.align)
                    + change(_SPACING, item.rows)
                    + (change(_SIZE, 0) + change(_BOLD, 0) + item.lead.encode(item.codec) if item.lead else b"")
                    + change(_SIZE, (item.wide - 1) << 4 | (item.high - 1))
                    + change(_BOLD, item.bold)
                    + item.text.encode(item.codec)
                    + b"\n"
                )
            case Picture():
                yield change(_ALIGN, item.align) + _raster(item)
            case NativeQr():
                yield change(_ALIGN, item.align) + _qr(item)
            case StoredLogo():
                yield change(_ALIGN, item.align) + _STORED_LOGO
            case NextLabel():
                yield _NEXT_LABEL
            case Feed():
                yield _feed(item.rows)
            case _:
                assert_never(item)
    # No initialising after the cut: it makes some printers feed without end.
    if profile.media.kind == "roll":
        yield _FEED_AND_CUT if profile.cut else _feed(profile.tear_rows)
    else:
        # The printer knows how far it is from the head to the blade, and stops where it must.
        yield _NEXT_LABEL + (_CUT_HERE if profile.cut else b"")


def store_logo(logo: Bitmap) -> bytes:
    """Return the bytes that put a logo into the printer's own memory as its only picture (`FS q`), for `FS p 1 0`.

    It replaces what was there, the memory wears out with some thousand times, and the printer starts anew after it.
    """
    wide, high = logo.row_bytes, -(-logo.height // 8)
    # Column by column from the left, each from top to bottom; filled up with white to whole bytes both ways.
    columns = on_canvas(8 * wide, 8 * high, [(0, 0, logo)]).turned().rows[::-1]
    data = without_real_time(b"".join(column.to_bytes(high) for column in columns))
    return b"\x1cq\x01" + wide.to_bytes(2, "little") + high.to_bytes(2, "little") + data


def _feed(rows: int) -> bytes:
    return b"\x1bJ\xff" * (rows // 255) + (b"\x1bJ" + bytes([rows % 255]) if rows % 255 else b"")


def _raster(picture: Picture) -> bytes:
    # Of the four modes, 0 (as is) and 3 (doubled both ways) are the ones that all printers agree on.
    mode = 3 if picture.zoom == 2 else 0
    wide, step = picture.bitmap.row_bytes, BAND_ROWS // picture.zoom
    rows = [row << 8 * wide - picture.bitmap.width for row in picture.bitmap.rows]
    job = b""
    for start in range(0, len(rows), step):
        rows_of_band = rows[start : start + step]
        ink = reduce(or_, rows_of_band)
        if not ink:
            job += _feed(len(rows_of_band) * picture.zoom)
            continue
        left, right = _white(ink, wide, picture.align)
        band = Bitmap(8 * (wide - left - right), tuple(row >> 8 * right for row in rows_of_band))
        job += b"\x1dv0" + bytes([mode]) + band.row_bytes.to_bytes(2, "little") + band.height.to_bytes(2, "little") + band.data
    return job


def _white(ink: int, wide: int, align: Align) -> tuple[int, int]:
    """Return how many of a band's bytes can be left off at the left and at the right without moving what is black."""
    left, right = wide - (ink.bit_length() + 7) // 8, ((ink & -ink).bit_length() - 1) // 8
    return {Align.LEFT: (0, right), Align.CENTRE: (min(left, right),) * 2, Align.RIGHT: (left, 0)}[align]


def _qr(code: NativeQr) -> bytes:
    def function(*arguments: int, data: bytes = b"") -> bytes:
        return b"\x1d(k" + (len(arguments) + len(data) + 1).to_bytes(2, "little") + b"1" + bytes(arguments) + data

    return (
        function(65, 50, 0)  # model 2
        + function(67, code.module)
        + function(69, 49)  # error correction M
        + function(80, 48, data=code.content.encode())
        + function(81, 48)
    )
