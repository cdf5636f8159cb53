"""`fikatap doctor`: what is configured, what answers, and what to do about what does not."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

MARKS = {"ok": "ok   ", "warning": "note ", "fault": "FAULT"}


def add(commands: Any) -> None:
    """Add the command to the parser."""
    command = commands.add_parser("doctor", help="look at everything and say what to do")
    command.add_argument("--config", type=Path, default=argparse.SUPPRESS, help="the terminal's configuration")
    command.add_argument("--json", action="store_true", help="for programs")
    command.set_defaults(handler=look)


def look(args: argparse.Namespace) -> int:
    """Print one line for each thing; return 1 when something is at fault."""
    import msgspec

    from firmware_py.cli.run import SYNCHRONISED
    from firmware_py.config import load
    from firmware_py.doctor import Doctor, State

    findings = []
    for finding in Doctor(load(args.config), synchronised=SYNCHRONISED).look():
        findings.append(finding)
        if not args.json:
            remedy = f"\n        → {finding.remedy}" if finding.remedy else ""
            print(f"{MARKS[finding.state.value]} {finding.what}: {finding.words}{remedy}", flush=True)
    if args.json:
        print(json.dumps(msgspec.to_builtins(findings), ensure_ascii=False, indent=2))
    return 1 if any(finding.state is State.FAULT for finding in findings) else 0
