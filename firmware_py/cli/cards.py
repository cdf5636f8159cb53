"""`fikatap cards`: which card is whose."""

from __future__ import annotations

import argparse
from typing import Any

from firmware_py.office import open_office


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    group = commands.add_parser("cards", help="cards").add_subparsers(metavar="WHAT", required=True)
    command = group.add_parser("enrol", help="give a member the card that is held to the reader next")
    command.add_argument("member", help="the member's id")
    command.set_defaults(handler=enrol)
    command = group.add_parser("replace", help="the same, and block the cards that the member had")
    command.add_argument("member", help="the member's id")
    command.set_defaults(handler=replace)
    command = group.add_parser("block", help="block a lost card")
    command.add_argument("of", metavar="MEMBER_OR_CARD", help="a member's id, or the first digits of a card")
    command.set_defaults(handler=block)


def enrol(args: argparse.Namespace) -> int:
    """Wait for a card and bind it to the member."""
    with open_office(args.config) as office:
        _enrol(office, args.member)
    return 0


def replace(args: argparse.Namespace) -> int:
    """Enrol a new card, and block all others of that member; without a new card nothing changes."""
    with open_office(args.config) as office:
        _enrol(office, args.member)
        _print_blocked(office.call("cards.replace", member=args.member))
    return 0


def block(args: argparse.Namespace) -> int:
    """Block one card, or all of a member."""
    with open_office(args.config) as office:
        _print_blocked(office.call("cards.block", of=args.of))
    return 0


def _enrol(office: Any, member: str) -> None:
    print(f"hold the card for {member} to the reader", flush=True)
    office.call("cards.enrol", member=member)
    print(f"the card is {member}'s now")


def _print_blocked(result: Any) -> None:
    print(f"blocked: {', '.join(result['blocked']) or 'no card'}")
