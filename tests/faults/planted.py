"""Bugs planted into a copy of the program, for rigs that must find them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.rigs.namespace import ROOT

PACKAGES = ("kiosk", "drivers", "firmware_py")


def copied(folder: Path) -> Path:
    """Copy the program into `folder`, beside which the tests are; return `folder`."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "tests").symlink_to(ROOT / "tests")
    return folder


def planted(folder: Path, name: str, changes: Mapping[str, str]) -> Path:
    """Copy the program into `folder`, with these pieces of one of its files replaced; return `folder`."""
    copied(folder)
    text = (folder / name).read_text(encoding="utf-8")
    for old, new in changes.items():
        found = text.count(old)
        assert found == 1, f"the planted bug does not fit any more: {name} has {found} times, not once, {old!r}; see PLANTED"
        text = text.replace(old, new)
    (folder / name).write_text(text, encoding="utf-8")
    return folder
