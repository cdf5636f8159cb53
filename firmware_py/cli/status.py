"""`fikatap status` and `fikatap watch`: how the running terminal is, and what happens at the door."""

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
