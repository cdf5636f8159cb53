"""`fikatap jobs`: the badges and slips on their way, and staff's word on those that nobody is sure of."""

from __future__ import annotations

import argparse
from typing import Any

from firmware_py.office import open_office


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    group = commands.add_parser("jobs", help="badges and slips").add_subparsers(metavar="WHAT", required=True)
    group.add_parser("list", help="the latest and how they stand").set_defaults(handler=show)
    for word, printed, what in (("printed", True, "the badge came out"), ("missing", False, "it did not: print a copy")):
        command = group.add_parser(word, help=what)
        command.add_argument("job", help="the badge job's id, as the notice shows it")
        command.set_defaults(handler=judge, printed=printed)


def show(args: argparse.Namespace) -> int:
    """Print one line a job."""
    with open_office(args.config) as office:
        for job in office.call("jobs.list"):
            print(f"{job['job']}  {job['what']:<10} {job['state']:<10} {job['cause'] or ''}")
    return 0


def judge(args: argparse.Namespace) -> int:
    """Tell the terminal whether a badge came out."""
    with open_office(args.config) as office:
        office.call("jobs.judge", job=args.job, printed=args.printed)
    print("noted" if args.printed else "a copy is on its way")
    return 0
