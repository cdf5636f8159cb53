"""Reads the sentences of each language from the package's data: tables of TOML, flattened with dots."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from kiosk.texts import Texts
from kiosk.values import Language


def load_texts() -> Texts:
    """Return all sentences in all languages."""
    folder = files("firmware_py") / "data" / "texts"
    return Texts(
        {language: dict(_flat(tomllib.loads((folder / f"{language}.toml").read_text("utf-8")))) for language in Language}
    )


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield above + key, value
