"""`fikatap update`: install a newer release from a stick."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command to the parser."""
    command = commands.add_parser("update", help="install a signed bundle; the release before comes back if that fails")
    command.add_argument("file", type=Path, help="the bundle, with its signature (FILE.sig) beside it")
    command.add_argument("--without-copy", action="store_true", help="don't copy the ledger first: it can't be read")
    command.set_defaults(handler=install)


def install(args: argparse.Namespace) -> int:
    """Install it; root does this, as nobody else may change what runs."""
    from firmware_py.config import load
    from firmware_py.update import Layout, UpdateError, as_owner, update

    if os.geteuid() != 0:
        raise UpdateError(f"only root may change what runs: sudo fikatap update {args.file}")
    ledger = load(args.config).ledger.path
    program = [os.fspath(Path(sys.executable).with_name("fikatap")), "--config", os.fspath(args.config)]
    version = update(args.file, ledger, None if args.without_copy else as_owner(ledger, program), Layout())
    print(f"{version} runs; if it can't stay up, the release before it comes back by itself")
    return 0
