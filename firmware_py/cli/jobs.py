"""`fikatap jobs`: the badges and slips on their way, and staff's word on those that nobody is sure of."""

from __future__ import annotations

import argparse
from typing import Any

from firmware_py.office import open_office


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    group = commands.add_parser("jobs", help="badges and slips").add_subparsers(metavar="WHAT", required=True)
    group.add_parser("list", help="the latest and how they stand").set_defaults(handler=show)
    command = group.add_parser("reprint", help="print a badge once more, marked as a copy")
    command.add_argument("job", help="the badge job's id, as 'fikatap jobs list' shows it")
    command.set_defaults(handler=reprint)
    for word, printed, what in (("printed", True, "the badge came out"), ("missing", False, "it did not: print a copy")):
        command = group.add_parser(word, help=what)
        command.add_argument("job", help="the badge job's id, as the notice shows it")
        command.set_defaults(handler=judge, printed=printed)


def show(args: argparse.Namespace) -> int:
    """Print one line a job."""
    with open_office(args.config) as office:
        for job in office.call("jobs.list"):
            what = f"{job['what']:<10} {job['state']:<10} {job.get('name') or '–':<20}"
            marks = [job["cause"] or "", "copy" if job["copy"] else "", *(f"can {each}" for each in job.get("can", ()))]
            print(f"{job['job']}  {what} {', '.join(filter(None, marks))}".rstrip())
    return 0


def reprint(args: argparse.Namespace) -> int:
    """Order a copy."""
    with open_office(args.config) as office:
        print(f"a copy is on its way: {office.call('jobs.reprint', job=args.job)['copy']}")
    return 0


def judge(args: argparse.Namespace) -> int:
    """Tell the terminal whether a badge came out."""
    with open_office(args.config) as office:
        office.call("jobs.judge", job=args.job, printed=args.printed)
    print("noted" if args.printed else "a copy is on its way")
    return 0
