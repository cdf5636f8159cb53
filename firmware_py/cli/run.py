"""`fikatap run`: the terminal itself."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
"""systemd-timesyncd makes this file when the clock is right."""
RECOVERY_S = 600
"""How long a ledger may take to be brought back; 50 MB from a slow stick to a slow card take a minute."""


def add(commands: Any) -> None:
    """Add the command to the parser."""
    command = commands.add_parser("run", help="run the terminal (systemd does this)")
    command.add_argument("--config", type=Path, default=argparse.SUPPRESS, help="the terminal's configuration")
    command.set_defaults(handler=run, unit="fikatap")


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT; a wrong configuration is one clear line and exit code 78."""
    # Imported here: `fikatap --help` needs none of it.
    from firmware_py.clock import Clock
    from firmware_py.config import load
    from firmware_py.keys import VenueKey, key_path
    from firmware_py.ledger import Ledger, LedgerInUse
    from firmware_py.recovery import in_words, open_ledger
    from firmware_py.releases import running_release
    from firmware_py.terminal.control import ControlSocket
    from firmware_py.terminal.integrity import IntegrityCheck
    from firmware_py.terminal.loop import EXIT_AGAIN, Damaged, Terminal
    from firmware_py.terminal.notify import Notifier
    from firmware_py.terminal.shut import ShutDoor, open_sometime
    from firmware_py.terminal.staff_log import StaffFormatter, tell_crash
    from firmware_py.wiring import Wiring

    config = load(args.config)
    wiring = Wiring(config)
    journal = logging.StreamHandler(sys.stderr)
    journal.setFormatter(StaffFormatter(wiring.texts, wiring.language))
    logging.basicConfig(level=logging.INFO, handlers=[journal])
    sys.excepthook = tell_crash
    wiring.check()
    words = partial(in_words, texts=wiring.texts, language=wiring.language, timezone=config.timezone)
    clock, notifier = Clock(config.timezone, None if config.cafe.trust_clock else SYNCHRONISED), Notifier()

    def busy() -> None:
        notifier.more_time(RECOVERY_S)
        notifier.status(wiring.texts.say(wiring.language, "status.recovering"))

    def attempt() -> tuple[Ledger, VenueKey]:
        ledger = open_ledger(config.ledger.path, config.ledger.terminal, config.ledger.second, words, busy)
        try:
            return ledger, VenueKey(key_path(config.ledger.path)).open(ledger)
        except BaseException:
            ledger.close()  # so that a command can bring the key back
            raise

    try:
        opened = open_sometime(attempt, partial(ShutDoor, wiring, clock, notifier), _on_signals)
    except LedgerInUse as error:  # by a command, for a moment
        print(f"fikatap: {error}", file=sys.stderr)
        return EXIT_AGAIN
    if opened is None:
        return 0
    ledger, key = opened
    terminal = Terminal(wiring, ledger, key, clock, notifier, release=running_release())
    _on_signals(terminal.stop)
    control = ControlSocket(config.control.socket, terminal.post)
    control.open()
    check = IntegrityCheck(config.ledger.path, lambda trouble: terminal.post(Damaged(trouble)))
    check.start()
    try:
        return terminal.run()
    finally:
        check.stop()
        control.close()


def _on_signals(stop: Callable[[], None]) -> None:
    """Stop at SIGTERM and SIGINT."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())
