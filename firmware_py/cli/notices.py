"""`fikatap notices`: what staff was told and has not settled yet."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from firmware_py.config import Config, load
from firmware_py.office import CommandError, Office, open_office


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    group = commands.add_parser("notices", help="what staff was told").add_subparsers(metavar="WHAT", required=True)
    group.add_parser("list", help="what is not settled yet").set_defaults(handler=show)
    group.add_parser("print", help="print them all on one slip").set_defaults(handler=print_all)
    command = group.add_parser("done", help="settle a notice, or all of them")
    command.add_argument("notice", help="a notice's number, or 'all'")
    command.set_defaults(handler=settle)


def show(args: argparse.Namespace) -> int:
    """Print one line a notice."""
    config = load(args.config)
    with open_office(args.config) as office:
        for line in lines(office, config):
            print(line)
    return 0


def print_all(args: argparse.Namespace) -> int:
    """Have all open notices printed."""
    with open_office(args.config) as office:
        count = office.call("notices.print")["notices"]
    print(f"on their way to the printer: {count}" if count else "there is no open notice")
    return 0


def settle(args: argparse.Namespace) -> int:
    """Settle one notice, or all."""
    if args.notice != "all" and not args.notice.isdecimal():
        raise CommandError(f"'{args.notice}' is neither a notice's number nor 'all'; 'fikatap notices list' shows them")
    with open_office(args.config) as office:
        numbers = [each["id"] for each in office.call("notices.list")] if args.notice == "all" else [int(args.notice)]
        for number in numbers:
            office.call("notices.resolve", notice=number)
    print(f"settled: {len(numbers)}")
    return 0


def lines(office: Office, config: Config) -> Iterator[str]:
    """Return the open notices in the venue's language; the same words are said once, with how often."""
    from firmware_py.texts import load_texts
    from kiosk.effects import Notice, TellStaff
    from kiosk.slips import in_words
    from kiosk.values import Cause

    texts, language = load_texts(), config.cafe.language
    said: dict[str, list[int]] = {}
    for notice in office.call("notices.list"):
        cause = None if notice["cause"] is None else Cause(notice["cause"])
        words = in_words(TellStaff(Notice(notice["notice"]), notice["job"], cause, notice["detail"]), texts, language)
        said.setdefault(words, []).append(notice["id"])
    for words, numbers in said.items():
        times = f" ({len(numbers)} x)" if len(numbers) > 1 else ""
        yield f"{numbers[-1]:>5}  {words}{times}"
