"""What the QR code of a badge opens: a contact that a phone offers to keep, without any network. See `docs/qr.md`."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

MAX_BYTES = 255
"""How long a contact may be in UTF-8: a code that phones still read from a badge that hangs on somebody."""
BETWEEN = " / "
"""Between the parts of the note: ASCII, as readers guess the encoding, and no escape, which not every phone takes away."""
_SPECIAL = str.maketrans({each: f"\\{each}" for each in "\\;,:"})
_JOINER = "\u200d"


def contact(name: str, about: Iterable[str], badge: str, url: str = "") -> str:
    """Return a MECARD of at most `MAX_BYTES`: a name, a note that ends with the badge's id, and a link if there is one.

    `about` has the other parts of the note, the most important first; empty ones are left out. What does not fit is left out
    whole, the least important part first; then the link; and last the end of a very long name.
    """
    name, badge = _plain(name), _plain(badge)
    while name and _size(name, [badge], "") > MAX_BYTES:
        name = _shorter(name)
    if _size(name, [badge], url) > MAX_BYTES:
        url = ""
    kept: list[str] = []
    for part in filter(None, map(_plain, about)):
        if _size(name, [*kept, part, badge], url) > MAX_BYTES:
            break
        kept.append(part)
    return _card(name, [*kept, badge], url)


def _card(name: str, note: Iterable[str], url: str) -> str:
    fields = (("N", name), ("NOTE", BETWEEN.join(note)), ("URL", url))
    return "MECARD:" + "".join(f"{field}:{value.translate(_SPECIAL)};" for field, value in fields if value) + ";"


def _size(name: str, note: Iterable[str], url: str) -> int:
    return len(_card(name, note, url).encode())


def _shorter(name: str) -> str:
    """Return the name without its last letter, and without what stands on that letter or is joined to it."""
    # No name needs more letters than there are bytes.
    end = min(len(name) - 1, MAX_BYTES)
    while end > 0 and (unicodedata.category(name[end])[0] == "M" or _JOINER in name[end - 1 : end + 1]):
        end -= 1
    return name[:end].rstrip()


def _plain(text: str) -> str:
    """Return the text on one line, without control characters."""
    return " ".join("".join(" " if unicodedata.category(each) == "Cc" else each for each in text).split())
