"""Replays a schedule, or plays many.

`python -m tests.simulation SEED` tells one schedule; `… FIRST COUNT` plays so many and counts; `… --until-broken COUNT` plays
so many at most, until a promise is broken.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter

from tests.simulation.campaign import play


def main(arguments: list[str]) -> int:
    """Play, print, and return 1 when a promise was broken."""
    match arguments:
        case [seed]:
            return tell(int(seed))
        case ["--until-broken", count]:
            return until_broken(int(count))
        case [first, count]:
            return many(int(first), int(count))
        case _:
            print(__doc__)
            return 2


def tell(seed: int) -> int:
    """Tell what happens in one schedule."""
    outcome = play(seed)
    print("\n".join(outcome.history))
    print(dict(outcome.counts))
    print("\n".join(outcome.violations) or "all promises were kept")
    return 1 if outcome.violations else 0


def until_broken(count: int) -> int:
    """Play until a promise is broken."""
    for seed in range(count):
        try:
            violations = play(seed).violations
        except Exception as error:  # noqa: BLE001 - a program that falls over keeps no promise
            violations = [repr(error)]
        if violations:
            print(f"broken promise in schedule {seed}: {violations[0]}")
            return 1
    return 0


def many(first: int, count: int) -> int:
    """Play many, and print what was broken and, as one JSON object, the counts."""
    counts: Counter[str] = Counter()
    bad = 0
    began = time.perf_counter()
    for seed in range(first, first + count):
        outcome = play(seed)
        counts += outcome.counts
        for violation in outcome.violations:
            print(f"replay with: python -m tests.simulation {seed}: {violation}")
        bad += bool(outcome.violations)
    took = round(time.perf_counter() - began, 1)
    print(json.dumps({**dict(sorted(counts.items())), "schedules with a broken promise": bad, "seconds": took}))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
