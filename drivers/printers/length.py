"""How far a page moves the paper, from its bytes: for printers that do not tell when they are through with it.

An estimate on the long side, of the commands that `encode` writes; what they mean stands there.
"""

from __future__ import annotations

import re

_TALLEST_LOGO = 400
_LONGEST_LABEL = 1200
"""Rows to the next label, at most: 150 mm."""
_MOST_MODULES = 57
"""Of a QR code with some 200 bytes."""
_USUAL_SPACING = 30
_TO_THE_BLADE = 160

_COMMAND = re.compile(
    rb"\x1dv0(?P<mode>.)(?P<across>..)(?P<down>..)|\x1d\(k(?P<size>..)|\x1bJ(?P<feed>.)|\x1b3(?P<spacing>.)|(?P<logo>\x1cp..)"
    rb"|(?P<label>\x1d\x0c)|(?P<cut>\x1dV(?:[\x41\x42].|.))|\x1dL..|\x1b[tRaE].|\x1d[!a].|\x1b@|\x1c\.|(?P<line>\n)|.",
    re.DOTALL,
)
_QR_MODULE = b"1C"


def rows_of(page: bytes) -> int:
    """Return over how many rows a page of ours moves the paper, at most."""
    rows, at, spacing, module = 0, 0, _USUAL_SPACING, 8
    while found := _COMMAND.match(page, at):
        at = found.end()
        match found.lastgroup:
            case "down":
                down = int.from_bytes(found["down"], "little")
                at += int.from_bytes(found["across"], "little") * down
                rows += down * (1 + (found["mode"][0] >> 1 & 1))
            case "size":
                function = page[at : (at := at + int.from_bytes(found["size"], "little"))]
                if function.startswith(_QR_MODULE):
                    module = function[-1]
                elif function.startswith(b"1Q"):
                    rows += module * _MOST_MODULES
            case "feed":
                rows += found["feed"][0]
            case "spacing":
                spacing = found["spacing"][0]
            case "line":
                rows += spacing
            case "logo":
                rows += _TALLEST_LOGO
            case "label":
                rows += _LONGEST_LABEL
            case "cut":
                rows += _TO_THE_BLADE
            case _:
                pass  # What only sets how the rest looks, and letters.
    return rows
