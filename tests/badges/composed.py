"""A laid-out page put on paper by simpler means than a printer's: what the virtual printer's paper is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import segno
from PIL import Image

from drivers.printers.layout import Feed, Item, NativeQr, NextLabel, Picture, StoredLogo, TextLine
from drivers.printers.profiles import PrinterProfile
from drivers.virtual.printer import VirtualPrinter

CELL = (12, 24)
"""Dots of a letter in font A."""


@cache
def letter(char: str, wide: int, high: int, bold: bool) -> Image.Image:
    """Return a letter as the virtual printer draws it when it prints nothing else: white on black."""
    codec, number = next((c, n) for c, n in (("cp858", 19), ("cp852", 18), ("cp866", 17), ("cp1252", 16)) if _has(c, char))
    printer = VirtualPrinter(dots=CELL[0] * wide)
    size = (wide - 1) << 4 | (high - 1)
    printer.feed(b"\x1b@\x1c.\x1bt%c\x1d!%c\x1bE%c" % (number, size, bold) + char.encode(codec) + b"\n\x1dVB\x00")
    (slip,) = printer.papers
    assert slip.texts == (char,)
    return slip.image.point(lambda dot: 255 - dot).crop((0, 0, CELL[0] * wide, CELL[1] * high))


def composed(page: Sequence[Item], profile: PrinterProfile) -> tuple[Image.Image, list[str]]:
    """Return the page as a picture of the printable width (mode "1", black is 0), and its lines of text."""
    area = profile.dots - profile.left_dots
    placed: list[tuple[int, int, Image.Image]] = []
    texts: list[str] = []
    top = 0
    for item in page:
        if isinstance(item, Feed):
            top += item.rows
            continue
        if isinstance(item, NextLabel):
            top += -top % round(profile.media.length_mm * profile.dpmm)
            continue
        if isinstance(item, TextLine):
            ink = _line(item)
            texts.append(item.lead + item.text)
        else:
            ink = _qr(item) if isinstance(item, NativeQr) else _picture(item)
        placed.append((profile.left_dots + (area - ink.width) * item.align // 2, top, ink))
        top += item.rows
        assert profile.left_dots <= placed[-1][0] <= profile.dots - ink.width
    paper = Image.new("1", (profile.dots, top), 255)
    for left, above, ink in placed:
        paper.paste(0, (left, above), ink)
    return paper, texts


def _line(item: TextLine) -> Image.Image:
    letters = [letter(char, 1, 1, False) for char in item.lead]
    letters += [letter(char, item.wide, item.high, item.bold) for char in item.text]
    ink = Image.new("1", (sum(each.width for each in letters), CELL[1] * (item.high if item.text else 1)))
    left = 0
    for each in letters:
        # Letters of two sizes stand on one line.
        ink.paste(each, (left, ink.height - each.height))
        left += each.width
    return ink


def _has(codec: str, char: str) -> bool:
    return char.encode(codec, "ignore") != b""


def _picture(item: Picture | StoredLogo) -> Image.Image:
    # Printers get whole bytes of a row, the last filled up with white.
    wide, zoom = (item.bitmap.width + 7) // 8, 1 if isinstance(item, StoredLogo) else item.zoom
    dots = b"".join((row << wide * 8 - item.bitmap.width).to_bytes(wide, "big") for row in item.bitmap.rows)
    ink = Image.frombytes("1", (wide * 8, item.bitmap.height), dots)
    return ink.resize((ink.width * zoom, ink.height * zoom))


def _qr(item: NativeQr) -> Image.Image:
    code = segno.make_qr(item.content, error="m", boost_error=False)
    size = len(code.matrix)
    ink = Image.new("1", (size, size))
    ink.putdata([255 * bool(dark) for row in code.matrix for dark in row])
    return ink.resize((size * item.module, size * item.module))
