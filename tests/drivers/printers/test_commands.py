"""Every command that python-escpos also has is byte-equal to what python-escpos emits for the same content.

A page is laid out by us, and each of its items is then printed through python-escpos' public methods. What it has no method for
is told here (`OURS_ALONE`), and nothing else is left out:

- `FS .` (leave Chinese mode), `ESC R` (national signs), `GS L` (left margin), `FS p` (a stored logo), `GS FF` (next label).
- `ESC J`: it feeds in lines only (`ESC d`). `GS V 1`: it never cuts without feeding six lines first.
- `GS ( H` (completion report), which the driver adds to a page and tests/drivers/printers/test_status.py looks at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from drivers.printers.bitmap import Bitmap
from drivers.printers.encode import chunks
from drivers.printers.layout import Align, Feed, Item, NativeQr, NextLabel, Picture, StoredLogo, TextLine, lay_out
from drivers.printers.profiles import SHIPPED
from kiosk.badge import Role
from tests.badges.cases import PAGES, loaded
from tests.rigs.escpos_commands import Call, carried_out

OURS_ALONE = re.compile(rb"\x1c\.|\x1bR\x00|\x1dL..|\x1cp\x01\x00|\x1d\x0c|\x1bJ.|\x1dV\x01", re.DOTALL)
ALIGN = {Align.LEFT: "left", Align.CENTRE: "center", Align.RIGHT: "right"}
LAYOUTS = ("roll", "turned-label")
RASTER = re.compile(rb"\x1dv0.(..)(..)", re.DOTALL)


class Theirs:
    """A page as calls of python-escpos, and as bytes where it has none; what is set already is not set again."""

    def __init__(self) -> None:
        self.pieces: list[Call | bytes] = []
        self._set: dict[str, object] = {"align": "left", "bold": False, "size": (1, 1)}

    def call(self, method: str, /, picture: bytes = b"", **arguments: Any) -> None:
        self.pieces.append(Call(method, arguments, picture))

    def change(self, name: str, value: object, method: str, **arguments: Any) -> None:
        if self._set.get(name) != value:
            self._set[name] = value
            self.call(method, **arguments)

    def align(self, align: Align) -> None:
        self.change("align", ALIGN[align], "set", align=ALIGN[align])

    def style(self, wide: int, high: int, bold: bool) -> None:
        self.change("size", (wide, high), "set", custom_size=True, width=wide, height=high)
        self.change("bold", bold, "set", bold=bold)

    def text(self, line: TextLine) -> None:
        page = line.codec.upper()
        self.change("page", page, "charcode", code=page)
        self.align(line.align)
        self.change("spacing", line.rows, "line_spacing", spacing=line.rows)
        if line.lead:
            self.style(1, 1, bold=False)
            self.call("text", txt=line.lead)
        self.style(line.wide, line.high, line.bold)
        self.call("textln", txt=line.text)

    def picture(self, picture: Picture, ours: bytes) -> None:
        """Print it in the bands of our bytes: so many rows, without what is white at their sides; blank ones are fed."""
        self.align(picture.align)
        full, top, at = picture.zoom == 1, 0, 3 * ours.startswith(b"\x1ba")
        while at < len(ours):
            if ours.startswith(b"\x1bJ", at):
                self.pieces.append(ours[at : at + 3])
                top, at = top + ours[at + 2] // picture.zoom, at + 3
                continue
            header = RASTER.match(ours, at)
            assert header
            across, rows = (int.from_bytes(each, "little") for each in header.groups())
            band = png(picture.bitmap, picture.align, across, range(top, top + rows))
            self.call("image", band, impl="bitImageRaster", high_density_vertical=full, high_density_horizontal=full)
            top, at = top + rows, header.end() + across * rows
        assert (top, at) == (picture.bitmap.height, len(ours))

    def qr(self, code: NativeQr) -> None:
        self.align(code.align)
        self.call("qr", content=code.content, ec=1, size=code.module, native=True)


def png(bitmap: Bitmap, align: Align, across: int, rows: range) -> bytes:
    """Return these rows of a bitmap as a picture so many bytes wide, as printers are sent them."""
    aside = (bitmap.row_bytes - across) * align // 2
    whole = [(bitmap.rows[row] << -bitmap.width % 8).to_bytes(bitmap.row_bytes) for row in rows]
    band = [row[aside : aside + across] for row in whole]
    # What looks like a real-time command gets one dot more.
    dots = re.sub(rb"\x10(?=[\x04\x05\x14])", b"\x18", b"".join(band))
    file = BytesIO()
    Image.frombytes("1", (across * 8, len(rows)), bytes(255 - byte for byte in dots)).save(file, "PNG")
    return file.getvalue()


def theirs(page: Sequence[Item], ours: Sequence[bytes]) -> list[Call | bytes]:
    """Return the page for python-escpos; of our bytes only what it has no method for, and a picture's bands."""
    made = Theirs()
    made.call("hw", hw="INIT")
    made.pieces += alone(ours[0])
    for item, piece in zip(page, ours[1:-1], strict=True):
        match item:
            case TextLine():
                made.text(item)
            case Picture():
                made.picture(item, piece)
            case NativeQr():
                made.qr(item)
            case StoredLogo():
                made.align(item.align)
                made.pieces += alone(piece)
            case Feed() | NextLabel():
                made.pieces += alone(piece)
    if ours[-1].startswith(b"\x1dV\x42"):
        made.call("cut", feed=False)
    else:
        made.pieces += alone(ours[-1])
    return made.pieces


def alone(piece: bytes) -> Iterator[bytes]:
    """Yield those of our commands that python-escpos does not have."""
    yield b"".join(match[0] for match in OURS_ALONE.finditer(piece))


STYLES: tuple[Item, ...] = (
    *(
        TextLine(Role.TEXT, "Råksmörgås 5", codec, 1 + number % 2, 1 + number // 2, number in {1, 2}, Align(number % 3))
        for codec in ("cp858", "cp850", "cp437", "cp1252")
        for number in range(4)
    ),
    TextLine(Role.TEXT, "Žluťoučký kůň", "cp852", 1, 1, False, Align.LEFT),
    TextLine(Role.TEXT, "Съешь ещё", "cp866", 1, 1, False, Align.LEFT),
    TextLine(Role.TEXT, "2 €", "cp858", 1, 1, True, Align.LEFT),
    NativeQr(Role.QR, "https://fika.example/å", 3, Align.LEFT),
    Picture(Role.LOGO, Bitmap(13, tuple(range(1, 100))), 1, Align.RIGHT),
    Picture(Role.LOGO, Bitmap(8, (0xFF, 0x81)), 2, Align.LEFT),
    StoredLogo(Role.LOGO, Bitmap(8, (0xFF,)), Align.CENTRE),
)
"""What the samples may not show."""


@pytest.fixture(scope="module")
def compared() -> dict[tuple[str, str, str], tuple[bytes, bytes]]:
    """Every page as we encode it and as python-escpos does, by page, printer and layout; it is started once."""
    pages: dict[tuple[str, str, str], tuple[Sequence[Item], list[bytes]]] = {}
    for printer in SHIPPED:
        for layout in LAYOUTS:
            profile = loaded(printer, layout)
            items: dict[str, Sequence[Item]] = {name: lay_out(blocks, profile) for name, blocks in PAGES.items()}
            items["styles"] = STYLES
            pages |= {(name, printer, layout): (page, list(chunks(page, profile))) for name, page in items.items()}
    pieces = [theirs(page, ours) for page, ours in pages.values()]
    said = carried_out([[piece for piece in script if isinstance(piece, Call)] for script in pieces])
    results = {}
    for (key, (_, ours)), script, answers in zip(pages.items(), pieces, said, strict=True):
        answer = iter(answers)
        results[key] = b"".join(ours), b"".join(next(answer) if isinstance(piece, Call) else piece for piece in script)
    return results


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("printer", SHIPPED)
@pytest.mark.parametrize("page", [*PAGES, "styles"])
def test_commands_that_python_escpos_has_are_byte_equal(
    page: str, printer: str, layout: str, compared: dict[tuple[str, str, str], tuple[bytes, bytes]]
) -> None:
    ours, theirs = compared[page, printer, layout]
    assert ours == theirs


def test_what_is_compared_has_every_command_that_both_have(
    compared: dict[tuple[str, str, str], tuple[bytes, bytes]],
) -> None:
    everything = b"".join(theirs for _, theirs in compared.values())
    for command in (
        "1b40", "1b6100", "1b6101", "1b6102", "1b4500", "1b4501", "1d2100", "1d2101", "1d2110", "1d2111", "1b33", "1b7400",
        "1b7402", "1b7410", "1b7411", "1b7412", "1b7413", "1d763000", "1d763003", "1d286b0400314132 00", "1d286b03003143",
        "1d286b0300314531", "1d286b0300315130", "0a", "1d564200",
    ):  # fmt: skip
        assert bytes.fromhex(command) in everything, command
