"""`fikatap run`: the terminal itself."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from pathlib import Path
from typing import Any

SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
"""systemd-timesyncd makes this file when the clock is right."""


def add(commands: Any) -> None:
    """Add the command to the parser."""
    command = commands.add_parser("run", help="run the terminal (systemd does this)")
    command.add_argument("--config", type=Path, default=argparse.SUPPRESS, help="the terminal's configuration")
    command.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT; a wrong configuration is one clear line and exit code 78."""
    # Imported here: `fikatap --help` needs none of it.
    from firmware_py.clock import Clock
    from firmware_py.config import load
    from firmware_py.keys import VenueKey, key_path
    from firmware_py.ledger import Ledger
    from firmware_py.terminal.control import ControlSocket
    from firmware_py.terminal.loop import Terminal
    from firmware_py.terminal.notify import Notifier
    from firmware_py.wiring import Wiring

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    config = load(args.config)
    ledger = Ledger.open(config.ledger.path, config.ledger.terminal)
    key = VenueKey(key_path(config.ledger.path)).open(ledger)
    clock = Clock(config.timezone, None if config.cafe.trust_clock else SYNCHRONISED)
    terminal = Terminal(Wiring(config), ledger, key, clock, Notifier())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: terminal.stop())
    control = ControlSocket(config.control.socket, terminal.post)
    control.open()
    try:
        return terminal.run()
    finally:
        control.close()
