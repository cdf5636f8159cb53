"""The way from a badge's blocks to a printer's bytes, for all who print."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from drivers.printers.bitmap import Bitmap
from drivers.printers.profiles import PrinterProfile
from kiosk.badge import Block

_DRAWING = Lock()
"""The libraries' open fonts are shared, and a printer's lane that was given up may still draw when the next one begins."""


def print_bytes(blocks: Sequence[Block], profile: PrinterProfile, logo: Bitmap | None = None) -> bytes:
    """Return the ESC/POS bytes of a page, from initialising to the cut; `logo` is what a block of that role shows.

    Any thread may call it; pages are made one after the other. Raise ValueError for a label on which not even name and zone
    have room.
    """
    # Imported by the first badge, in its lane.
    from drivers.printers.encode import encode
    from drivers.printers.layout import lay_out

    with _DRAWING:
        return encode(lay_out(blocks, profile, logo), profile)
