"""`fikatap doctor`: what is configured, what answers, and what to do about what does not."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivers.errors import ConfigError

if TYPE_CHECKING:
    from firmware_py.doctor import Finding


def add(commands: Any) -> None:
    """Add the command to the parser."""
    command = commands.add_parser("doctor", help="look at everything and say what to do")
    command.add_argument("--config", type=Path, default=argparse.SUPPRESS, help="the terminal's configuration")
    command.add_argument("--json", action="store_true", help="for programs")
    command.add_argument("--try", dest="attempt", action="store_true", help="also print a test badge, light each zone, sound")
    command.set_defaults(handler=look)


def look(args: argparse.Namespace) -> int:
    """Print one line for each thing; return 1 when something is at fault, 78 when that is the configuration."""
    import msgspec

    from firmware_py.cli import EXIT_CONFIG, EXIT_FAILED
    from firmware_py.config import load
    from firmware_py.doctor import Doctor, State, configuration
    from firmware_py.machine import Machine
    from firmware_py.terminal.staff_log import language_in
    from firmware_py.texts import load_texts

    texts, failed = load_texts(), EXIT_FAILED
    looks: Iterable[Finding]
    try:
        config = load(args.config)
    except ConfigError as error:
        language, failed = language_in(args.config), EXIT_CONFIG
        looks = (configuration(texts, language, error),)
    else:
        language, doctor = config.cafe.language, Doctor(config, Machine())
        looks = chain(doctor.look(), doctor.try_out() if args.attempt else ())
    marks = {state: texts.say(language, f"doctor.mark_{state}") for state in State}
    width = max(map(len, marks.values()))
    findings = []
    for finding in looks:
        findings.append(finding)
        if not args.json:
            remedy = f"\n{'':{width}}  → {finding.remedy}" if finding.remedy else ""
            print(f"{marks[finding.state]:{width}} {finding.what}: {finding.words}{remedy}", flush=True)
    if args.json:
        print(json.dumps(msgspec.to_builtins(findings), ensure_ascii=False, indent=2))
    return failed if any(finding.state is State.FAULT for finding in findings) else 0
