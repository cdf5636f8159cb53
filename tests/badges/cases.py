"""Whole badges: which samples, printers and layouts are looked at, and what a virtual printer makes of them."""

from __future__ import annotations

from functools import cache

from msgspec.structs import replace

from drivers.printers.page import print_bytes
from drivers.printers.profiles import SHIPPED, Media, PrinterProfile, profile
from drivers.virtual.printer import Slip
from firmware_py.preview import loaded_printer
from firmware_py.samples import sample_slips, samples
from firmware_py.texts import load_texts
from kiosk.badge import Block, blocks

TEXTS = load_texts()
SAMPLES = samples()
PAGES: dict[str, tuple[Block, ...]] = {
    **{name: blocks(badge, TEXTS) for name, badge in SAMPLES.items()},
    **{kind.value: blocks(slip, TEXTS) for kind, slip in sample_slips().items()},
}
"""All sample badges and slips by name."""

PRINTERS: dict[str, PrinterProfile] = {**SHIPPED, **{name: profile(name) for name in ("TM-T88V", "ZJ-5870")}}
"""Ours, and two of python-escpos': 180 dots an inch on 80 mm; fewer code pages and no QR code on 58 mm."""

LAYOUTS: dict[str, Media] = {
    "roll": Media(),
    "label": Media(kind="label", length_mm=120),
    "mark": Media(kind="mark", length_mm=120),
    "turned-roll": Media(turned=True),
    "turned-label": Media(kind="label", length_mm=120, turned=True),
    "turned-mark": Media(kind="mark", length_mm=120, turned=True),
}
"""What is in the printer, and which way round a badge stands on it."""


def loaded(printer: str, layout: str) -> PrinterProfile:
    """Return the printer's profile with that paper in it."""
    return replace(PRINTERS[printer], media=LAYOUTS[layout])


@cache
def page_bytes(page: str, printer: str, layout: str = "roll") -> bytes:
    """Return what the printer is sent for a sample."""
    return print_bytes(PAGES[page], loaded(printer, layout))


def printed(page: bytes, profile: PrinterProfile) -> Slip:
    """Return the one slip that a strict virtual printer makes of these bytes."""
    printer = loaded_printer(profile)
    assert printer.feed(page) == b""
    printer.tear()
    assert printer.errors == []
    (slip,) = printer.papers
    return slip
