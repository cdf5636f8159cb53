"""What a page looks like on paper: drawn by the virtual printer from the very bytes, with millimetres beside it."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from drivers.printers.bitmap import Bitmap
from drivers.printers.encode import store_logo
from drivers.printers.page import print_bytes
from drivers.printers.profiles import PrinterProfile
from drivers.virtual.mechanics import MECHANICS_58, MECHANICS_80, in_hand
from drivers.virtual.printer import CODE_PAGES, Clone, Labels, VirtualPrinter
from kiosk.badge import Block

BAUD = 19_200
"""The speed of a serial line for which the seconds are told: the slowest that cafés still use."""

_DESK, _INK = 225, 0
_STRIP_MM = 6
_LABEL_GAP_MM = 3
_TICKS_MM = {10: 2.6, 5: 1.8, 1: 1.0}
"""How long a tick of the ruler is, by the millimetres that it counts; the first that divides its place."""


class Preview(NamedTuple):
    """One page as a printer of that profile makes it."""

    name: str
    profile: PrinterProfile
    page: bytes
    """What the printer is sent."""
    paper: Image.Image
    """Mode "1", one pixel a dot, as wide as the printer prints; a roll's begins with the white between cutter and head."""
    seconds: float
    """From the first byte to the paper in the hand, on a line of `BAUD`."""

    @property
    def figures(self) -> str:
        """Size, bytes and seconds."""
        width, height = (dots / self.profile.dpmm for dots in self.paper.size)
        return f"{width:.0f} x {height:.0f} mm, {len(self.page):,} bytes, {self.seconds:.1f} s at {BAUD:,} baud"


def preview(name: str, blocks: Sequence[Block], profile: PrinterProfile, logo: Bitmap | None = None) -> Preview:
    """Print these blocks on a virtual printer; `name` is only told again."""
    page = print_bytes(blocks, profile, logo)
    printer = loaded_printer(profile)
    if logo is not None and profile.stored_logo == logo.digest:
        printer.feed(store_logo(logo))
    printer.feed(page)
    printer.tear()
    (slip,) = printer.papers
    # A logo that the printer keeps takes it no more time than a blank line here: what counts is that no byte is sent for it.
    timing = in_hand(
        page, dots=profile.dots, cutter=profile.cut, baud=BAUD, labels=_labels(profile), clone=_own_code_pages(profile)
    )
    return Preview(name, profile, page, _in_the_hand(slip.image, profile), timing.seconds)


def _in_the_hand(paper: Image.Image, profile: PrinterProfile) -> Image.Image:
    """Return a paper with what was past the head of a roll's printer before the first row: labels come to their own top."""
    if profile.media.kind != "roll":
        return paper
    white = round((MECHANICS_80 if profile.cut else MECHANICS_58).feed_mm * profile.dpmm)
    whole = Image.new("1", (paper.width, paper.height + white), 1)
    whole.paste(paper, (0, white))
    return whole


def loaded_printer(profile: PrinterProfile) -> VirtualPrinter:
    """Return a virtual printer of that profile with its paper in it."""
    return VirtualPrinter(
        dots=profile.dots,
        cutter=profile.cut,
        labels=_labels(profile),
        lost_left=profile.left_dots,
        clone=_own_code_pages(profile),
    )


def _labels(profile: PrinterProfile) -> Labels | None:
    media = profile.media
    if media.kind == "roll":
        return None
    gap_mm = _LABEL_GAP_MM if media.kind == "label" else 0
    return Labels(pitch_rows=round(media.length_mm * profile.dpmm), gap_rows=gap_mm * profile.dpmm)


def _own_code_pages(profile: PrinterProfile) -> Clone | None:
    """Return a printer that numbers its code pages unlike the reference, or None where it doesn't."""
    numbered = {number: codec for codec, number in profile.code_pages.items()}
    return None if numbered.items() <= CODE_PAGES.items() else Clone(lacks=frozenset(), code_pages=numbered)


def ruled(paper: Image.Image, dpmm: int) -> Image.Image:
    """Return a paper of so many dots a millimetre with a ruler above and to the left of it."""
    strip = _STRIP_MM * dpmm
    picture = Image.new("L", (paper.width + strip, paper.height + strip), _DESK)
    picture.paste(paper, (strip, strip))
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(2 * dpmm)
    for length, across in ((paper.width, True), (paper.height, False)):
        for mm in range(length // dpmm + 1):
            tick = next(size for every, size in _TICKS_MM.items() if mm % every == 0) * dpmm
            along = strip + min(mm * dpmm, length - 1)
            line = ((along, strip - tick), (along, strip - 2)) if across else ((strip - tick, along), (strip - 2, along))
            pen.line(line, fill=_INK)
            if mm % 10 == 0:
                place, anchor = ((along, strip - tick - 2), "mb") if across else ((strip - tick - 2, along), "rm")
                pen.text(place, str(mm), fill=_INK, font=font, anchor=anchor)
    return picture


def sheet(previews: Sequence[Preview], *, columns: int, ruler: bool = True) -> Image.Image:
    """Return a contact sheet, so many papers beside each other, with name, profile and figures above each."""
    dpmm = max(each.profile.dpmm for each in previews)
    gap, font = 3 * dpmm, ImageFont.load_default(2.5 * dpmm)
    pictures = [ruled(each.paper, each.profile.dpmm) if ruler else each.paper for each in previews]
    captions = [f"{each.name}  ·  {each.profile.name}\n{each.figures}" for each in previews]
    heading = 8 * dpmm
    wide = gap + max(
        *(picture.width for picture in pictures),
        *(round(font.getlength(line)) for caption in captions for line in caption.split("\n")),
    )
    rows = [pictures[start : start + columns] for start in range(0, len(pictures), columns)]
    highs = [heading + gap + max(picture.height for picture in row) for row in rows]
    whole = Image.new("L", (gap + columns * wide, gap + sum(highs)), _DESK)
    pen = ImageDraw.Draw(whole)
    for number, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        row, column = divmod(number, columns)
        left, top = gap + column * wide, gap + sum(highs[:row])
        pen.multiline_text((left, top), caption, fill=_INK, font=font, spacing=dpmm)
        whole.paste(picture, (left, top + heading))
    return whole


def png(picture: Image.Image, dpmm: int) -> bytes:
    """Return a picture as PNG that prints at its true size."""
    file = BytesIO()
    picture.save(file, "PNG", dpi=(25.4 * dpmm,) * 2)
    return file.getvalue()
