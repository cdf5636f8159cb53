"""`fikatap status`, `watch`, `scene`, `faults` and `figures`: how the running terminal is, and what happens at the door."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from firmware_py.cli.notices import lines
from firmware_py.config import load
from firmware_py.terminal.control import ControlClient


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    status = commands.add_parser("status", help="how the running terminal is")
    status.add_argument("--config", type=Path, default=argparse.SUPPRESS, help="the terminal's configuration")
    status.add_argument("--json", action="store_true", help="all of it, for programs")
    status.set_defaults(handler=show)
    watch_command = commands.add_parser("watch", help="what happens at the door, one JSON object a line")
    watch_command.set_defaults(handler=watch)
    commands.add_parser("scene", help="the café as the screen shows it, as JSON").set_defaults(handler=scene)
    commands.add_parser("faults", help="which devices were away, the latest first").set_defaults(handler=faults)
    commands.add_parser("figures", help="what the day came to so far").set_defaults(handler=figures)


def show(args: argparse.Namespace) -> int:
    """Print what the terminal knows of itself."""
    config = load(args.config)
    with ControlClient(config.control.socket) as client:
        status = client.call("status")
        notices = list(lines(client, config)) if status["stores"] else []
    if args.json:
        print(json.dumps({**status, "notices": notices}, ensure_ascii=False, indent=2))
        return 0
    print(status["line"])
    for device in status["devices"]:
        print(f"  {device['name']:<16} {device['health']:<8} {device['trouble'] or device['what']}")
    zones = ", ".join(f"{zone} {count}" for zone, count in status["zones"].items())
    print(f"  here: {status['here']} ({zones})")
    waiting = [job for job in status["jobs"] if job["state"] == "queued"]
    print(f"  badges on their way: {len(status['jobs'])}, of which wait: {len(waiting)}")
    if not status["clock_trusted"]:
        print("  the clock is not trusted yet: badges carry no time")
    for notice in notices:
        print(f"! {notice}")
    return 0


def watch(args: argparse.Namespace) -> int:
    """Print what happens until interrupted."""
    with ControlClient(load(args.config).control.socket, timeout=None) as client:
        client.watch()
        while True:
            print(json.dumps(client.next_event(), ensure_ascii=False))
            sys.stdout.flush()


def scene(args: argparse.Namespace) -> int:
    """Print what anybody may see."""
    with ControlClient(load(args.config).control.socket) as client:
        print(json.dumps(client.call("scene"), ensure_ascii=False, indent=2))
    return 0


def faults(args: argparse.Namespace) -> int:
    """Print two lines a fault: when and what in the café's language, and the driver's own words."""
    from firmware_py.desk.staff.words import Words
    from firmware_py.texts import load_page_texts

    config = load(args.config)
    words = Words(load_page_texts(), config.cafe.language, config.cafe.language)
    with ControlClient(config.control.socket) as client:
        for fault in client.call("faults.list"):
            print(f"{words.device(fault['device'])}: {words.away(fault, config.timezone)}. {words.fault(fault['trouble'])}")
            print(f"  {fault['device']}: {fault['trouble']}")
    return 0


def figures(args: argparse.Namespace) -> int:
    """Print the day's figures, and a line for each quarter of an hour."""
    with ControlClient(load(args.config).control.socket) as client:
        found = client.call("figures.evening")
    for name in ("checkins", "introductions", "badges", "copies", "longest_queue"):
        print(f"{name.replace('_', ' '):<14} {found[name]}")
    for quarter in found["quarter_hours"]:
        print(f"{quarter['begins']}  {'#' * quarter['here']:<40} {quarter['here']} here, {quarter['checkins']} came")
    return 0
