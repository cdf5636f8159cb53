"""What a kind of printer can do: width, code pages, QR, cutter, and how it says that a page is out."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from msgspec import Struct, json
from msgspec.structs import replace

from drivers.errors import ConfigError

CODE_PAGES: Mapping[str, str] = {
    "CP858": "cp858",
    "CP437": "cp437",
    "CP850": "cp850",
    "CP852": "cp852",
    "CP866": "cp866",
    "CP1252": "cp1252",
}
"""Code pages that we use, by their names in python-escpos' data, as Python codecs; the first that covers a line is taken."""


Completion = Literal["gs_h", "gs_r", "status", "none"]
"""By which means a printer tells that a page is out, the best first: that it is printed (`GS ( H` fn 48), that it was processed
(`GS r 1`), that nothing is wrong after the time that it takes (`DLE EOT`), or by none."""


class Media(Struct, frozen=True, kw_only=True):
    """What is in the printer, and which way round a badge stands on it."""

    kind: Literal["roll", "label", "mark"] = "roll"
    """Endless paper, die-cut labels, or paper with black marks on its back."""
    length_mm: float = 0.0
    """From the top of one label or mark to the next one's; 0 on a roll."""
    turned: bool = False
    """Whether a badge is read along the paper instead of across it."""


class PrinterProfile(Struct, frozen=True, kw_only=True):
    """A kind of printer; lengths in dots unless the name says otherwise."""

    name: str
    dots: int
    """Printable width."""
    columns: int
    """Characters of font A (12 x 24 dots) in a line."""
    dpmm: int = 8
    """Dots per millimetre, both ways."""
    code_pages: Mapping[str, int]
    """Code pages that are known to work: Python codec, and its number for `ESC t`; in order of preference."""
    native_qr: bool = True
    """Whether it draws QR codes itself (`GS ( k`)."""
    cut: bool = False
    """Whether it has a cutter."""
    tear_rows: int = 128
    """Rows from the head to the tear bar."""
    completion: Completion = "gs_r"
    """How it says that a page is out."""
    media: Media = Media()
    left_dots: int = 0
    """How far it prints to the left of where paper begins: so many dots at the left are lost."""
    stored_logo: str = ""
    """Digest of the logo that is kept in the printer's own memory (`Bitmap.digest`), empty for none."""

    @property
    def room(self) -> int:
        """Dots across that reach the paper, in whole bytes also at half the resolution."""
        return (self.dots - self.left_dots) // 16 * 16


# Cheap printers agree on these numbers; most have no more than these.
_COMMON_PAGES = {"cp858": 19, "cp437": 0, "cp850": 2, "cp852": 18, "cp866": 17, "cp1252": 16}

_58 = PrinterProfile(name="generic-58", dots=384, columns=32, code_pages=_COMMON_PAGES)
_80 = PrinterProfile(name="generic-80", dots=576, columns=48, code_pages=_COMMON_PAGES, cut=True)

SHIPPED: Mapping[str, PrinterProfile] = {
    each.name: each
    for each in (
        _58,
        replace(_58, name="generic-58-noqr", native_qr=False),
        _80,
        replace(_80, name="generic-80-noqr", native_qr=False),
    )
}
"""Our own profiles, by name."""

COMPLETION_REPORTS = frozenset({"TM-L90"})
"""Printers in python-escpos' data whose manuals promise `GS ( H` fn 48."""


def profile(name: str) -> PrinterProfile:
    """Return the profile called `name`: one of ours, else one of python-escpos' capability data.

    Raise `ConfigError` for an unknown name, or for a printer whose data don't tell a width we can print on.
    """
    return SHIPPED.get(name) or _from_capabilities(name)


def _from_capabilities(name: str) -> PrinterProfile:
    # Read as a file: importing python-escpos takes half a second and leaves a temporary folder behind.
    package = find_spec("escpos")
    if package is None or not package.submodule_search_locations:
        raise ConfigError(
            f"'{name}' is not one of our printer profiles ({', '.join(SHIPPED)}), and python-escpos is not installed"
        )
    known = json.decode(Path(package.submodule_search_locations[0], "capabilities.json").read_bytes())["profiles"]
    if name not in known:
        names = [*SHIPPED, *sorted(known)]
        by_lower = {each.lower(): each for each in names}
        close = [by_lower[each] for each in get_close_matches(name.lower(), by_lower, n=1, cutoff=0.0)]
        raise ConfigError(f"'{name}' is not a printer profile; the closest is {close[0]}; all are {', '.join(names)}")
    data = known[name]
    media, features = data["media"], data["features"]
    dots, dpi = media["width"].get("pixels"), media.get("dpi", 203)
    if not isinstance(dots, int) or dots < 256 or dpi not in {180, 203, "Unknown"}:
        raise ConfigError(f"printer profile '{name}' tells no width that a badge fits on; use one of {', '.join(SHIPPED)}")
    if features.get("starCommands") or not features.get("bitImageRaster"):
        raise ConfigError(
            f"printer profile '{name}' has no ESC/POS pictures (GS v 0), in which names are printed; where the printer has "
            f"an ESC/POS mode, switch it on and use one of {', '.join(SHIPPED)}"
        )
    # Some list the pages of several makers one after the other: the first number of a page is the usual one.
    numbers = {page: int(number) for number, page in sorted(data["codePages"].items(), key=lambda each: -int(each[0]))}
    return PrinterProfile(
        name=name,
        dots=dots // 8 * 8,
        columns=dots // 12,
        dpmm=7 if dpi == 180 else 8,
        code_pages={codec: numbers[page] for page, codec in CODE_PAGES.items() if page in numbers},
        native_qr=bool(features.get("qrCode")),
        cut=bool(features.get("paperFullCut") or features.get("paperPartCut")),
        completion="gs_h" if name in COMPLETION_REPORTS else "gs_r",
    )
