"""`fikatap match`: the host sees why somebody was chosen, and decides otherwise."""

from __future__ import annotations

import argparse
from typing import Any

from firmware_py.office import open_office

DECIDED = {"pin": "are to meet: the host says so", "veto": "are kept apart: the host says so"}


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    group = commands.add_parser("match", help="whom to meet, as the host wants it").add_subparsers(
        metavar="WHAT", required=True
    )
    command = group.add_parser("list", help="today's introductions, the latest first, and what the host decided")
    command.set_defaults(handler=show)
    command = group.add_parser("explain", help="what speaks for and against everybody here, for one visitor")
    command.add_argument("member", help="the visitor's id")
    command.add_argument("other", nargs="?", help="only about this member")
    command.set_defaults(handler=explain)
    for word, handler, what in (
        ("pin", pin, "have two introduced to each other, now or as soon as both are here"),
        ("veto", veto, "keep two apart as long as both are here"),
        ("unveto", unveto, "take a veto or a pin back"),
    ):
        command = group.add_parser(word, help=what)
        command.add_argument(
            "one", help="a member's id" + ("; of two of this door the first one gets the badge" if word == "pin" else "")
        )
        command.add_argument("other", help="the other's")
        command.set_defaults(handler=handler)
    command = group.add_parser("swap", help="another partner in place of the last one, and another badge")
    command.add_argument("member", help="the visitor's id")
    command.set_defaults(handler=swap)
    command = group.add_parser("group", help="have those who wait for a group sit down now")
    command.set_defaults(handler=form_group)


def show(args: argparse.Namespace) -> int:
    """Print a line for each introduction, and below it why, as long as the badge is remembered."""
    with open_office(args.config) as office:
        for each in office.call("introductions.list"):
            ago = "" if each["age_s"] is None else f"{each['age_s'] // 60:>4} min ago"
            who = f"{each['name']} ({each['member']}) to {each['partner_name']} ({each['partner']})"
            print(f"{ago:<13} {who}, {each['zone'] or '–'}")
            if each["reason"]:
                print(f"              {each['reason']}")
        for each in office.call("match.rulings"):
            print(f"{each['one']} and {each['other']} {DECIDED[each['ruling']]}")
    return 0


def explain(args: argparse.Namespace) -> int:
    """Print a line for each person here, the best first, and below it what the score is made of."""
    with open_office(args.config) as office:
        for each in office.call("match.explain", member=args.member, other=args.other):
            parts = ", ".join(f"{words} {worth:+}" for words, worth in each["parts"])
            print(f"{each['score']:>5}  {each['name']} ({each['member']}): {each['verdict']}")
            print(f"       {parts}" if parts else "       –")
            if each["may"]:
                print(f"       {each['reason']}")
    return 0


def pin(args: argparse.Namespace) -> int:
    """Note who is to meet whom."""
    with open_office(args.config) as office:
        pinned = office.call("match.pin", one=args.one, other=args.other)
    if pinned["apart"]:
        print(f"noted, but they are not introduced now: {pinned['apart']}")
    else:
        print("noted: they are introduced now" if pinned["both_here"] else "noted: they are introduced when both are here")
    return 0


def veto(args: argparse.Namespace) -> int:
    """Note who is not to meet whom."""
    with open_office(args.config) as office:
        office.call("match.veto", one=args.one, other=args.other)
    print("noted")
    return 0


def unveto(args: argparse.Namespace) -> int:
    """Take that back."""
    with open_office(args.config) as office:
        office.call("match.unveto", one=args.one, other=args.other)
    print("noted")
    return 0


def swap(args: argparse.Namespace) -> int:
    """Undo the last introduction and ask for another one."""
    with open_office(args.config) as office:
        other = office.call("match.swap", member=args.member)["instead_of"]
    print(f"somebody else than {other} is looked for; a new badge comes")
    return 0


def form_group(args: argparse.Namespace) -> int:
    """Have a group sit down."""
    with open_office(args.config) as office:
        print(f"{office.call('match.group')['waiting']} wait for a group; their slips come if they go together")
    return 0
