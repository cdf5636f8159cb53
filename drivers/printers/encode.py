"""From a laid-out page to ESC/POS bytes.

Source: Epson's ESC/POS command reference. Only commands are used that cheap printers share: `ESC @`, `FS .`, `ESC R`, `ESC t`,
`GS !`, `ESC E`, `ESC a`, `ESC 3`, LF, `ESC J`, `GS v 0`, `GS ( k`, `GS V 66`. Status and completion are the driver's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import assert_never

from drivers.printers.layout import Feed, Item, NativeQr, Picture, TextLine
from drivers.printers.profiles import PrinterProfile

BAND_ROWS = 64
"""Rows of a raster command, before zoom. Some printers take more than 128 for text; and paper moves sooner with less."""

# Initialise; leave the two-byte characters that Chinese firmware starts in; American signs in the place of national ones.
_START = b"\x1b@\x1c.\x1bR\x00"
_CODE_PAGE, _SIZE, _BOLD, _ALIGN, _SPACING = b"\x1bt", b"\x1d!", b"\x1bE", b"\x1ba", b"\x1b3"
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

    yield _START
    for item in page:
        match item:
            case TextLine():
                yield (
                    change(_CODE_PAGE, profile.code_pages[item.codec])
                    + change(_SIZE, (item.wide - 1) << 4 | (item.high - 1))
                    + change(_BOLD, item.bold)
                    + change(_ALIGN, item.align)
                    + change(_SPACING, item.rows)
                    + item.text.encode(item.codec)
                    + b"\n"
                )
            case Picture():
                yield change(_ALIGN, item.align) + _raster(item)
            case NativeQr():
                yield change(_ALIGN, item.align) + _qr(item)
            case Feed():
                yield _feed(item.rows)
            case _:
                assert_never(item)
    # No initialising after the cut: it makes some printers feed without end.
    yield b"\x1dV\x42\x00" if profile.cut else _feed(profile.tear_rows)


def _feed(rows: int) -> bytes:
    return b"\x1bJ\xff" * (rows // 255) + (b"\x1bJ" + bytes([rows % 255]) if rows % 255 else b"")


def _raster(picture: Picture) -> bytes:
    # Of the four modes, 0 (as is) and 3 (doubled both ways) are the ones that all printers agree on.
    mode = 3 if picture.zoom == 2 else 0
    data, width = picture.bitmap.data, picture.bitmap.row_bytes
    bands = (data[start : start + BAND_ROWS * width] for start in range(0, len(data), BAND_ROWS * width))
    return b"".join(
        b"\x1dv0" + bytes([mode]) + width.to_bytes(2, "little") + (len(band) // width).to_bytes(2, "little") + band
        for band in bands
    )


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
