"""`fikatap doctor`: what is configured, what answers, and what to do about what does not."""

from __future__ import annotations

import argparse
import json
from itertools import chain
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command to the parser."""
    command = commands.add_parser("doctor", help="look at everything and say what to do")
    command.add_argument("--config", type=Path, default=argparse.SUPPRESS, help="the terminal's configuration")
    command.add_argument("--json", action="store_true", help="for programs")
    command.add_argument("--try", dest="attempt", action="store_true", help="also print a test badge, light each zone, sound")
    command.set_defaults(handler=look)


def look(args: argparse.Namespace) -> int:
    """Print one line for each thing; return 1 when something is at fault."""
    import msgspec

    from firmware_py.config import load
    from firmware_py.doctor import Doctor, State
    from firmware_py.machine import Machine
    from firmware_py.texts import load_texts

    config, texts = load(args.config), load_texts()
    marks = {state: texts.say(config.cafe.language, f"doctor.mark_{state}") for state in State}
    width = max(map(len, marks.values()))
    doctor = Doctor(config, Machine())
    findings = []
    for finding in chain(doctor.look(), doctor.try_out() if args.attempt else ()):
        findings.append(finding)
        if not args.json:
            remedy = f"\n{'':{width}}  → {finding.remedy}" if finding.remedy else ""
            print(f"{marks[finding.state]:{width}} {finding.what}: {finding.words}{remedy}", flush=True)
    if args.json:
        print(json.dumps(msgspec.to_builtins(findings), ensure_ascii=False, indent=2))
    return 1 if any(finding.state is State.FAULT for finding in findings) else 0
