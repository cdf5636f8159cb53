"""A café's template: which fields are on a badge, in which order, in which words, and with which logo."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from drivers.printers.bitmap import Bitmap
from kiosk.badge import PLAIN, Template
from kiosk.values import Language


class CafeTemplate(Struct, frozen=True, kw_only=True):
    """What a template file says. `words` are the café's own sentences by key; `logo` is a picture file."""

    template: Template = PLAIN
    words: Mapping[Language, Mapping[str, str]] = {}
    logo: Path | None = None


def load_template(path: Path) -> CafeTemplate:
    """Read a template file; raise `ConfigError` with file, line and field."""
    raise NotImplementedError(path)


def load_logo(path: Path) -> Bitmap:
    """Read a logo: black where the picture is dark; raise `ConfigError` when it is no picture or too large."""
    raise NotImplementedError(path)
