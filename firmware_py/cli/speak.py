"""`fikatap speak`: what the visitors' screen says, spoken to headphones."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Add the command to the parser."""
    command = commands.add_parser("speak", help="speak what the screen says, through espeak-ng (systemd does this)")
    command.set_defaults(handler=speak, unit="fikatap-speech")


def speak(args: argparse.Namespace) -> int:
    """Speak until stopped; where it is not configured, say so and end."""
    import logging
    import sys

    from firmware_py.config import load
    from firmware_py.speech import speak
    from firmware_py.terminal.staff_log import StaffFormatter, tell_crash
    from firmware_py.texts import load_texts

    config = load(args.config)
    journal = logging.StreamHandler()
    journal.setFormatter(StaffFormatter(load_texts(), config.cafe.language))
    logging.basicConfig(level=logging.INFO, handlers=[journal])
    sys.excepthook = tell_crash
    speak(config)
    return 0
