"""Bugs planted into a copy of the program, for rigs that must find them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.rigs.namespace import ROOT


def planted(folder: Path, name: str, changes: Mapping[str, str]) -> Path:
    """Copy the program into `folder`, with these pieces of one of its files replaced; return `folder`."""
    for package in ("kiosk", "drivers", "firmware_py"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "tests").symlink_to(ROOT / "tests")
    text = (folder / name).read_text(encoding="utf-8")
    for old, new in changes.items():
        assert text.count(old) == 1, f"{name} has {text.count(old)} times {old!r}"
        text = text.replace(old, new)
    (folder / name).write_text(text, encoding="utf-8")
    return folder
