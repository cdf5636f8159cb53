"""`fikatap visits`: for the member who forgot the card, and the one who has left without a tap."""

from __future__ import annotations

import argparse
from typing import Any

from firmware_py.office import open_office
from kiosk.values import Mood


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    group = commands.add_parser("visits", help="visits").add_subparsers(metavar="WHAT", required=True)
    command = group.add_parser("checkin", help="check a member in who has no card with them")
    command.add_argument("member", help="the member's id")
    command.set_defaults(handler=check_in)
    command = group.add_parser("leave", help="note that a member has left")
    command.add_argument("member", help="the member's id")
    command.set_defaults(handler=leave)
    command = group.add_parser("mood", help="what a visitor wants of this visit; 'introduce' asks for an introduction anew")
    command.add_argument("member", help="the member's id")
    command.add_argument("mood", choices=[mood.value for mood in Mood], help="introduce, group, or coffee and nothing else")
    command.set_defaults(handler=mood)


def check_in(args: argparse.Namespace) -> int:
    """Check a member in; the badge comes as with a tap."""
    with open_office(args.config) as office:
        print(f"checked in: visit {office.call('visits.checkin', member=args.member)['visit']}")
    return 0


def mood(args: argparse.Namespace) -> int:
    """Note what a visitor wants."""
    with open_office(args.config) as office:
        print(f"noted: {args.member} wants {office.call('visits.mood', member=args.member, mood=args.mood)['mood']}")
    return 0


def leave(args: argparse.Namespace) -> int:
    """Check a member out."""
    with open_office(args.config) as office:
        print(f"checked out: visit {office.call('visits.leave', member=args.member)['visit']}")
    return 0
