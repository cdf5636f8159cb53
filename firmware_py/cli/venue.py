"""`fikatap venue key`: the key without which no card is known."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from firmware_py.office import CommandError, open_office


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    venue = commands.add_parser("venue", help="the venue").add_subparsers(metavar="WHAT", required=True)
    command = venue.add_parser("restored", help="say that the ledger came back from a copy, so that no id is given twice")
    command.set_defaults(handler=note_restored)
    group = venue.add_parser("key", help="the venue's key").add_subparsers(metavar="WHAT", required=True)
    command = group.add_parser("export", help="write the key to a new file that only you can read; keep it safe")
    command.add_argument("file", type=Path)
    command.set_defaults(handler=export_key)
    command = group.add_parser("import", help="take an exported key: before the first card, or to bring a lost key back")
    command.add_argument("file", type=Path)
    command.set_defaults(handler=import_key)


def note_restored(args: argparse.Namespace) -> int:
    """Give the ledger a new incarnation; the terminal must not run meanwhile."""
    with open_office(args.config) as office:
        print(f"ids now begin with {office.call('venue.restored')['prefix']}")
    return 0


def export_key(args: argparse.Namespace) -> int:
    """Write the key to a file; one that is there already is not overwritten."""
    with open_office(args.config) as office:
        key = office.call("venue.key.export")
    try:
        with os.fdopen(os.open(args.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(key["text"])
    except OSError as error:
        raise CommandError(f"{args.file} can't be written: {error.strerror}") from error
    print(f"key {key['id']} is in {args.file}; whoever has that file can recognise every card")
    return 0


def import_key(args: argparse.Namespace) -> int:
    """Take the key in a file."""
    try:
        text = args.file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{args.file} can't be read: {error}") from error
    with open_office(args.config) as office:
        print(f"key {office.call('venue.key.import', text=text)['id']} is in use")
    return 0
