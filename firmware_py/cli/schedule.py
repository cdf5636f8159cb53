"""`fikatap schedule`: what is on in the café, as the terminal reads it from the calendar's file."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from firmware_py.office import open_office


def add(commands: Any) -> None:
    """Add the command to the parser."""
    commands.add_parser("schedule", help="what is on in the café").set_defaults(handler=show)


def show(args: argparse.Namespace) -> int:
    """Print what is on, a line each; return 1 when something of the calendar can't be read."""
    with open_office(args.config) as office:
        found = office.call("schedule")
    for each in found["occasions"]:
        print(f"{each['day']}  {each['line']}")
    if found["trouble"]:
        print(f"fikatap: {found['trouble']}", file=sys.stderr)
        return 1
    return 0
