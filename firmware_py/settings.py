"""The café's own files on the second medium, beside the ledger's copies: configuration, template, logo, printer findings.

No secret is among them: neither the venue's key nor what a shared matching service knows the terminal by.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from firmware_py.config import Config
from firmware_py.files import write_whole

FOLDER = "settings"
PRINTERS = "printers"
"""Where the findings are, below `FOLDER` and beside the ledger."""
LARGEST = 2_000_000
"""Bytes of one file."""


def files_of(config: Config, logo: Path | None) -> dict[str, Path]:
    """Return the café's files by their names on the medium; only what lies beside the configuration can be put back there."""
    if config.file is None:
        return {}
    home = config.file.parent
    beside = [config.badge.template, logo, config.schedule.file]
    found = {"terminal.toml": config.file}
    found |= {path.relative_to(home).as_posix(): path for path in beside if path is not None and path.is_relative_to(home)}
    return found | {f"{PRINTERS}/{path.name}": path for path in (config.ledger.path.parent / PRINTERS).glob("*.json")}


def keep(second: Path, files: Mapping[str, Path]) -> None:
    """Write those files to the second medium that are not there as they are; raise OSError."""
    for name, path in files.items():
        try:
            data = path.read_bytes()
        except OSError:
            continue  # the terminal's own trouble with it is told elsewhere
        target = second / FOLDER / name
        if len(data) > LARGEST or (target.exists() and target.read_bytes() == data):
            continue
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(target, data)


def kept(second: Path) -> dict[str, Path]:
    """Return the files that lie on a second medium, by name; links and what is too large are none."""
    folder = second / FOLDER
    found = {}
    for place, _, names in os.walk(folder):
        for path in (Path(place) / name for name in names if not name.endswith(".part")):
            if not path.is_symlink() and path.is_file() and path.stat().st_size <= LARGEST:
                found[PurePosixPath(path.relative_to(folder)).as_posix()] = path
    return dict(sorted(found.items()))
