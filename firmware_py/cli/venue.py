"""`fikatap venue`: copies of the ledger, and the key without which no card is known."""

from __future__ import annotations

import argparse
import os
import subprocess
from pathlib import Path
from typing import Any

from firmware_py.office import CommandError, open_office


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    venue = commands.add_parser("venue", help="the venue").add_subparsers(metavar="WHAT", required=True)
    command = venue.add_parser("restored", help="say that the ledger came back from a copy, so that no id is given twice")
    command.set_defaults(handler=note_restored)
    command = venue.add_parser("backup", help="copy the ledger into a folder, while the terminal runs or not")
    command.add_argument("folder", type=Path)
    command.set_defaults(handler=back_up)
    command = venue.add_parser("restore", help="put a copy in the ledger's place; the terminal must be stopped")
    command.add_argument(
        "source", type=Path, help="a copy, or the folder of a second medium: then the newest, with its journal"
    )
    command.set_defaults(handler=restore)
    command = venue.add_parser("new-card", help="bring a new memory card to the state of the second medium (docs/recovery.md)")
    command.add_argument("folder", type=Path, help="the folder on the second medium")
    command.add_argument("--key", type=Path, metavar="FILE", help="what 'fikatap venue key export' wrote")
    command.set_defaults(handler=bring_over)
    command = venue.add_parser("start-empty", help="begin a ledger without members, cards and visits; the old one is set aside")
    command.add_argument("--yes", action="store_true", help="say that you mean it")
    command.set_defaults(handler=start_empty)
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


def back_up(args: argparse.Namespace) -> int:
    """Make a copy of the ledger now."""
    from firmware_py.backup import copy_now
    from firmware_py.config import load

    copy = copy_now(load(args.config).ledger.path, args.folder)
    print(f"{copy}: the key is not in it; 'fikatap venue key export' writes that to a file of its own")
    return 0


def restore(args: argparse.Namespace) -> int:
    """Put a copy in the ledger's place; what was there is set aside."""
    from functools import partial

    from firmware_py.backup import copies
    from firmware_py.config import load
    from firmware_py.recovery import in_words, restore
    from firmware_py.texts import load_texts
    from kiosk.slips import in_words as said

    config, texts = load(args.config), load_texts()
    found = copies(args.source)[-1:] if args.source.is_dir() else [args.source]
    if not found:
        raise CommandError(f"{args.source} has no copies of a ledger (ledger-000001.db and so on)")
    words = partial(in_words, texts=texts, language=config.cafe.language, timezone=config.timezone)
    restored = restore(config.ledger.path, found[0], words)
    print(f"brought back from {restored.copy}: {said(words(restored), texts, config.cafe.language)}")
    return 0


def bring_over(args: argparse.Namespace) -> int:
    """Stop the terminal, bring everything over, and start it again; root does this, as configuration and user differ."""
    from firmware_py.newcard import NewCardError, bring_over

    if os.geteuid() != 0:
        raise NewCardError(f"this writes to {args.config.parent} and to the terminal's own folder: use sudo")
    under_systemd = Path("/run/systemd/system").exists()
    if under_systemd:
        subprocess.run(["systemctl", "stop", "fikatap"], check=False)  # noqa: S607 - root's own path
    bring_over(args.folder, args.key, args.config, print)
    if under_systemd:
        subprocess.run(["systemctl", "start", "fikatap"], check=False)  # noqa: S607 - ditto
        print("the terminal is started; 'fikatap doctor' says what is still amiss")
    return 0


def start_empty(args: argparse.Namespace) -> int:
    """Begin a new ledger."""
    from firmware_py.config import load
    from firmware_py.recovery import begin_anew

    config = load(args.config)
    if not args.yes:
        raise CommandError("this begins a ledger without members, cards and visits; say --yes if you mean it")
    aside = begin_anew(config.ledger.path, config.ledger.terminal)
    print(f"a new ledger is in {config.ledger.path}; what was there is kept as {aside}")
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
