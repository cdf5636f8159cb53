"""The command line: `fikatap`."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from drivers.errors import ConfigError, FikatapError
from firmware_py.cli import (
    badge,
    cards,
    demo,
    desk,
    doctor,
    jobs,
    match,
    matching,
    members,
    notices,
    printer,
    profile,
    run,
    schedule,
    speak,
    status,
    update,
    venue,
    visits,
)

EXIT_FAILED = 1
EXIT_CONFIG = 78
"""EX_CONFIG of sysexits.h: systemd does not restart after it."""
DEFAULT_CONFIG = Path("/etc/fikatap/terminal.toml")


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(prog="fikatap", description="Check-in and badge terminal for networking cafés.")
    top.add_argument(
        "--config",
        type=Path,
        default=Path(os.environ.get("FIKATAP_CONFIG", DEFAULT_CONFIG)),
        help=f"the terminal's configuration (default: $FIKATAP_CONFIG, else {DEFAULT_CONFIG})",
    )
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for module in (
        run,
        status,
        doctor,
        members,
        profile,
        cards,
        visits,
        match,
        schedule,
        jobs,
        notices,
        badge,
        printer,
        venue,
        update,
        matching,
        desk,
        speak,
        demo,
    ):
        module.add(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 not done, 2 wrong usage, 78 wrong configuration."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that a terminal can't show is no reason to stop
    args = parser().parse_args(arguments)
    try:
        code: int = args.handler(args)
    except ConfigError as error:
        print(f"fikatap: {_for_staff(error, args) if 'unit' in args else error}", file=sys.stderr)
        return EXIT_CONFIG
    except FikatapError as error:
        print(f"fikatap: {error}", file=sys.stderr)
        return EXIT_FAILED
    except BrokenPipeError:
        # The reader of a pipe has seen enough; nothing more may be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except KeyboardInterrupt:
        return 130
    return code


def _for_staff(error: ConfigError, args: argparse.Namespace) -> str:
    """Return what stands in the journal of the unit that runs this command."""
    from firmware_py.terminal.staff_log import wrong_configuration
    from firmware_py.texts import load_texts

    return wrong_configuration(error, args.config, args.unit, load_texts())
