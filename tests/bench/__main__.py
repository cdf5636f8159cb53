"""`make bench`: prints the figures as one JSON object; ARGS="door rules" picks. Compare within one run: machines differ."""

from __future__ import annotations

import json
import sys

from tests.bench import badges, door, engine, evaluation, ledger, matching, pages, presence, screen, service, terminal


def main() -> None:
    """Measure one thing after the other, or only what is named."""
    figures: dict[str, object] = {}
    parts = (
        ("verdicts", terminal.verdicts),
        ("door", terminal.door_cpu),
        ("rules", door.figures),
        ("ledger", ledger.figures),
        ("matching", matching.figures),
        ("engine", engine.figures),
        ("evaluation", evaluation.figures),
        ("service", service.figures),
        ("presence", presence.figures),
        ("badges", badges.figures),
        ("process", terminal.process),
        ("pages", pages.figures),
        ("screen", screen.figures),
        ("past", terminal.verdict_ratio),
    )
    wanted = sys.argv[1:] or [name for name, _ in parts]
    for name, measure in parts:
        if name not in wanted:
            continue
        print(f"measuring: {name}", file=sys.stderr)
        figures.update({key: value for key, value in measure().items() if key not in figures})
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
