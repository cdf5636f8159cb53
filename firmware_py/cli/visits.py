"""`fikatap visits` and `fikatap moods`: who is here, with or without their card, and what they want."""

from __future__ import annotations

import argparse
from typing import Any

from firmware_py.office import open_office
from kiosk.values import Mood


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    group = commands.add_parser("visits", help="visits").add_subparsers(metavar="WHAT", required=True)
    group.add_parser("list", help="who is here").set_defaults(handler=show)
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
    group = commands.add_parser("moods", help="what a visitor at the door wants").add_subparsers(metavar="WHAT", required=True)
    command = group.add_parser("choose", help="as a button does: for who tapped just now, else for the next tap")
    command.add_argument("mood", choices=[mood.value for mood in Mood], help="introduce, group, or coffee and nothing else")
    command.add_argument("--reader", help="beside which it is pressed (default: the only one, or the next tap at any)")
    command.set_defaults(handler=choose)
    command = group.add_parser("forget", help="take back what waits for the next tap")
    command.add_argument("--reader", help="beside which it was pressed (default: the only one, or none)")
    command.set_defaults(handler=forget)


def show(args: argparse.Namespace) -> int:
    """Print one line a visit."""
    with open_office(args.config) as office:
        for visit in office.call("visits.list"):
            marks = ["first in line"] * visit["waits"] + ["quiet"] * visit["quiet"]
            marks += ["may have left"] * (not visit["confirmed"])
            if visit["introduced_to"]:
                marks.append(f"introduced to {', '.join(visit['introduced_to'])}")
            where = f"{visit['zone'] or '–':<12} {visit['mood']:<10} {visit['since_s'] // 60:>4} min"
            print(f"{visit['member']:<12} {visit['name']:<24} {where}  {', '.join(marks)}".rstrip())
    return 0


def choose(args: argparse.Namespace) -> int:
    """Press a button."""
    with open_office(args.config) as office:
        applied = office.call("moods.choose", mood=args.mood, reader=args.reader)["applied"]
    print("noted for who tapped last" if applied == "visit" else "waits for the next tap, 20 seconds")
    return 0


def forget(args: argparse.Namespace) -> int:
    """Take it back."""
    with open_office(args.config) as office:
        office.call("moods.forget", reader=args.reader)
    print("taken back")
    return 0


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
