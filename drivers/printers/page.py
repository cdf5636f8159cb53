"""The way from a badge's blocks to a printer's bytes, for all who print."""

from __future__ import annotations

from collections.abc import Sequence

from drivers.printers.bitmap import Bitmap
from drivers.printers.profiles import PrinterProfile
from kiosk.badge import Block


def print_bytes(blocks: Sequence[Block], profile: PrinterProfile, logo: Bitmap | None = None) -> bytes:
    """Return the ESC/POS bytes of a page, from initialising to the cut; `logo` is what a block of that role shows.

    Use it from one thread at a time: the libraries that draw are shared.
    """
    # Imported by the first badge, in its lane.
    from drivers.printers.encode import encode
    from drivers.printers.layout import lay_out

    return encode(lay_out(blocks, profile, logo), profile)
