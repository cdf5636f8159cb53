"""Reads TOML, and tells on which line each key and each list item stands; `tomllib` does not, and may take for ever."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

Place = tuple[str | int, ...]
"""Where something stands: names of keys and numbers of list items (from 0), from the top of the file."""

LONGEST_FILE = 16_384
"""Bytes of a file that people write."""
MOST_DOTS = 100
"""In a line: `tomllib` needs a minute for a key of some thousand names."""
_DEEPEST = 16
_SIGN = re.compile(
    r'#[^\n]*|"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\])*"|\'[^\']*\'|[][{}=,.\n]|[^][{}=,.#"\'\s]+',
    re.DOTALL,
)


def read_toml(text: str) -> dict[str, Any]:
    """Return what a text says; raise ValueError when it is not TOML, RecursionError when it is nested too deeply."""
    if any(line.count(".") > MOST_DOTS for line in text.splitlines() if not line.lstrip().startswith("#")):
        raise RecursionError
    return tomllib.loads(text)


def lines(text: str) -> dict[Place, int]:
    """Return the line of each key and each list item of a text that `tomllib` reads.

    The items of a list of tables (`[[name]]`) have no lines of their own, nor has anything that stands absurdly deep.
    """
    found: dict[Place, int] = {}
    nests: list[tuple[Place, int | None]] = []  # the open lists, with their items' numbers, and the open tables in braces
    table: Place = ()
    here: Place = ()  # what the value that is read belongs to
    names: list[str] | None = []  # of the key that is read; None in a value
    line = 1
    for match in _SIGN.finditer(text):
        sign = match[0]
        if sign == "\n" and not nests:
            names = []
        elif sign == "[" and names is not None:
            table = ()
        elif (sign == "]" and names and not nests) or sign == "=":
            here = (*(nests[-1][0] if nests else table), *(names or ()))
            for depth in range(1, min(len(here), _DEEPEST) + 1):
                found.setdefault(here[:depth], line)
            table, names = (here, []) if sign == "]" else (table, None)
        elif sign in ("]", "}"):
            names = None
            del nests[-1:]
        elif sign in ("[", "{"):
            found.setdefault(here, line)
            nests.append((here, 0 if sign == "[" else None))
            here, names = (_item(here, 0), None) if sign == "[" else (here, [])
        elif sign == ",":
            place, number = nests[-1]
            if number is None:
                names = []
            else:
                nests[-1] = (place, number + 1)
                here = _item(place, number + 1)
        elif sign not in ("\n", ".") and sign[0] != "#":
            if names is None:
                found.setdefault(here, line)
            else:
                names.append(tomllib.loads(f"name = {sign}")["name"] if sign[0] in "\"'" else sign)
        line += sign.count("\n")
    return found


def _item(place: Place, number: int) -> Place:
    return (*place, number) if len(place) < _DEEPEST else place


def line_of(found: Mapping[Place, int], place: Place) -> int:
    """Return the line of a place, else of the nearest place around it."""
    return next(found[place[:depth]] for depth in range(len(place), 0, -1) if place[:depth] in found)
