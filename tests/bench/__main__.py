"""`make bench`: prints the figures as one JSON object; compare them within one run, machines are noisy."""

from __future__ import annotations

import json
import sys

from tests.bench import badges, door, ledger, matching, terminal


def main() -> None:
    """Measure one thing after the other."""
    figures: dict[str, object] = {}
    for name, measure in (
        ("verdicts", terminal.verdicts),
        ("door", terminal.door_cpu),
        ("rules", door.figures),
        ("ledger", ledger.figures),
        ("matching", matching.figures),
        ("badges", badges.figures),
        ("process", terminal.process),
        ("long past", terminal.verdict_ratio),
    ):
        print(f"measuring: {name}", file=sys.stderr)
        figures.update({key: value for key, value in measure().items() if key not in figures})
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
