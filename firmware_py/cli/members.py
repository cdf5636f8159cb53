"""`fikatap members`: the people that the terminal knows."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from firmware_py.office import CommandError, open_office

EVERY = 2_000
"""How many rows go by between two words of progress, and from how many rows on there is any when nobody watches."""


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    group = commands.add_parser("members", help="members").add_subparsers(metavar="WHAT", required=True)
    command = group.add_parser("import", help="take in a list; its columns are in docs/members.md")
    command.add_argument("file", type=Path, help="CSV in UTF-8")
    command.add_argument("--dry-run", action="store_true", help="only say what would be done")
    command.set_defaults(handler=take_in)
    group.add_parser("list", help="all members").set_defaults(handler=show_all)
    command = group.add_parser("search", help="members whose name or id has a text in it, 20 at most")
    command.add_argument("text", help="a part of a name or an id")
    command.set_defaults(handler=search)
    command = group.add_parser("export", help="all that is stored about one member, for them, as JSON")
    command.add_argument("member", help="the member's id")
    command.add_argument("file", type=Path, nargs="?", help="a new file that only you can read; without it, to the terminal")
    command.set_defaults(handler=export)
    command = group.add_parser("show", help="all that is known of one member")
    command.add_argument("member", help="the member's id")
    command.set_defaults(handler=show)
    for word, handler, what in (
        ("block", block, "never introduce two members to each other"),
        ("unblock", unblock, "allow it"),
    ):
        command = group.add_parser(word, help=what)
        command.add_argument("one", help="a member's id")
        command.add_argument("other", help="the other's")
        command.set_defaults(handler=handler)
    command = group.add_parser("remove", help="erase a member, with cards and introductions")
    command.add_argument("member", help="the member's id")
    command.set_defaults(handler=remove)


def take_in(args: argparse.Namespace) -> int:
    """Import a list; return 1 when some rows were faulty (the others went in)."""
    from firmware_py.members import MembersFileError, Report, Row, import_members
    from firmware_py.vocabulary import load_vocabulary

    report = Report()

    def told(row: Row, so_far: Report) -> None:
        nonlocal report
        report = so_far
        for fault in row.faults:
            print(fault)
        for warning in row.warnings:
            print(f"note: {warning}")
        if row.line % EVERY == 0:
            print(f"{row.line} lines read", file=sys.stderr, flush=True)

    try:
        file = args.file.open("rb")
    except OSError as error:
        raise MembersFileError(f"{args.file} can't be read: {error.strerror}") from error
    with file, open_office(args.config) as office:
        try:
            report = import_members(file, load_vocabulary(), office, dry_run=args.dry_run, told=told)
        except MembersFileError as error:
            raise MembersFileError(f"{args.file}, {error}") from error
        finally:
            if report.rows:
                print(_sum(report, dry_run=args.dry_run))
    return 1 if report.faulty else 0


def _sum(report: Any, *, dry_run: bool) -> str:
    """Return what became of the rows; an import that broke off goes on where it was when it is done again."""
    would = "would be " if dry_run else ""
    parts = [f"{report.added} {would}added", f"{report.changed} {would}changed", f"{report.unchanged} unchanged"]
    if report.faulty:
        parts.append(f"{report.faulty} faulty and left out")
    if report.warned:
        parts.append(f"{report.warned} that can't be matched yet")
    if report.thin:
        parts.append(f"{report.thin} with a thin profile ('fikatap profile check ID' says what is missing)")
    return ", ".join(parts)


def show_all(args: argparse.Namespace) -> int:
    """Print one line a member."""
    after = ""
    with open_office(args.config) as office:
        while members := office.call("members.list", after=after):
            for member in members:
                print(_line(member))
            after = members[-1]["id"]
    return 0


def search(args: argparse.Namespace) -> int:
    """Print one line for each member that was found; return 1 when nobody was."""
    with open_office(args.config) as office:
        found = office.call("members.search", text=args.text)
    for member in found:
        print(_line(member))
    return 0 if found else 1


def _line(member: dict[str, Any]) -> str:
    marks = ["here"] * member["present"] + ["no introductions"] * (not member["introductions"])
    marks += ["no offer"] * (not member["offers"])
    return f"{member['id']:<12} {member['name']:<24} {member['language']}  {', '.join(marks)}".rstrip()


def export(args: argparse.Namespace) -> int:
    """Write what is stored about one person."""
    with open_office(args.config) as office:
        text = json.dumps(office.call("members.export", member=args.member), ensure_ascii=False, indent=2)
    if args.file is None:
        print(text)
        return 0
    try:
        with os.fdopen(os.open(args.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(f"{text}\n")
    except OSError as error:
        raise CommandError(f"{args.file} can't be written: {error.strerror}") from error
    print(f"{args.file}: give it to them, and delete it then")
    return 0


def show(args: argparse.Namespace) -> int:
    """Print a member's profile, consents, cards and counters."""
    with open_office(args.config) as office:
        shown = office.call("members.show", member=args.member)
    member = shown["member"]
    consents = member.pop("consents")
    member["employer"] = "known" if member["employer"] else ""
    member["history"] = f"{len(member['history'])} known" if member["history"] else ""
    member["wishes"] = [": ".join(filter(None, (each["field"], each["topic"], each["gives"]))) for each in member["wishes"]]
    for name, value in member.items():
        print(f"{name:<14} {_words(value)}".rstrip())
    print(f"{'agrees to':<14} {', '.join(name for name, given in consents.items() if given) or 'nothing'}")
    print(f"{'missing':<14} {', '.join(shown['missing']) or 'nothing'}")
    cards = [card["card"] + (" (blocked)" if card["blocked"] else "") for card in shown["cards"]]
    print(f"{'cards':<14} {', '.join(cards) or 'none'}")
    print(f"{'visits':<14} {shown['visits']}{', here now' if shown['present'] else ''}")
    print(f"{'approached':<14} {shown['approached']}")
    return 0


def remove(args: argparse.Namespace) -> int:
    """Erase a member."""
    with open_office(args.config) as office:
        office.call("members.remove", member=args.member)
    print(f"{args.member} is removed")
    return 0


def block(args: argparse.Namespace) -> int:
    """Keep two members apart for good; neither of them is told."""
    with open_office(args.config) as office:
        office.call("members.block", one=args.one, other=args.other)
    print(f"{args.one} and {args.other} are not introduced to each other any more")
    return 0


def unblock(args: argparse.Namespace) -> int:
    """Take a block back."""
    with open_office(args.config) as office:
        office.call("members.unblock", one=args.one, other=args.other)
    print(f"{args.one} and {args.other} may be introduced to each other")
    return 0


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list | tuple) else str(value)
