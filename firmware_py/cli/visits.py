"""`fikatap visits`: for the member who forgot the card, and the one who has left without a tap."""

from __future__ import annotations

import argparse
from typing import Any

from firmware_py.office import open_office


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    group = commands.add_parser("visits", help="visits").add_subparsers(metavar="WHAT", required=True)
    command = group.add_parser("checkin", help="check a member in who has no card with them")
    command.add_argument("member", help="the member's id")
    command.set_defaults(handler=check_in)
    command = group.add_parser("leave", help="note that a member has left")
    command.add_argument("member", help="the member's id")
    command.set_defaults(handler=leave)


def check_in(args: argparse.Namespace) -> int:
    """Check a member in; the badge comes as with a tap."""
    with open_office(args.config) as office:
        print(f"checked in: visit {office.call('visits.checkin', member=args.member)['visit']}")
    return 0


def leave(args: argparse.Namespace) -> int:
    """Check a member out."""
    with open_office(args.config) as office:
        print(f"checked out: visit {office.call('visits.leave', member=args.member)['visit']}")
    return 0
