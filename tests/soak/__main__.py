"""Goes on testing: `python -m tests.soak [MINUTES]` (45 where none are said) prints the counts as one JSON object.

In turns: fault schedules no test has played, fuzzing by chance, taps in one process, and the rigs of tests/faults. What fails
is printed to standard error with the command that shows it again, and the exit code is 1.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable

import msgspec

from tests.soak.cafe import WARM_UP, WINDOW, soaked
from tests.soak.test_soak import STEADY_B, check

SCHEDULES = 2_000
FIRST_SCHEDULE = 1_000_000
"""Far from those of `make test`."""
TAPS = 40_000
FUZZ = "2"
"""Twice as many examples as in `make test`, and other ones each time."""


class Soak:
    """The rounds, and what came of them."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []
        self.worst: dict[str, float] = {}
        self._turns = 0

    def schedules(self) -> None:
        """Play fault schedules."""
        first = FIRST_SCHEDULE + self.counts["schedules"]
        self._run([sys.executable, "-m", "tests.simulation", str(first), str(SCHEDULES)])
        self.counts["schedules"] += SCHEDULES

    def fuzzing(self) -> None:
        """Fuzz by chance: other examples each time."""
        self._run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/fuzz"], FUZZ=FUZZ)
        self.counts["fuzz_rounds"] += 1

    def taps(self) -> None:
        """Let people tap in one process, and look at what it keeps."""
        soak = soaked(TAPS)
        self.counts["taps"] += TAPS + WARM_UP * WINDOW
        for name in ("python", "in_use", "anonymous_kb"):
            slope = soak.slope(lambda window, name=name: getattr(window, name))  # type: ignore[misc] # a default
            self.worst[f"{name}_per_1000_taps"] = max(slope, self.worst.get(f"{name}_per_1000_taps", slope))
        try:
            check(soak, STEADY_B)
        except AssertionError as error:
            self._failed("python -m tests.soak.cafe", str(error))

    def faults(self) -> None:
        """Cut power, break disks and kill, with a seed that no round had."""
        self._turns += 1
        counted = self._run([sys.executable, "-m", "tests.faults", "0", str(self._turns)])
        if counted:
            found = msgspec.json.decode(counted)
            self.counts.update({name: number for name, number in found.items() if isinstance(number, int)})

    def _run(self, command: list[str], **environment: str) -> str:
        """Run a part and return what it said, nothing when it failed."""
        done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
        if done.returncode != 0:
            self._failed(
                " ".join([*(f"{name}={value}" for name, value in environment.items()), *command[1:]]), done.stdout + done.stderr
            )
            return ""
        return done.stdout

    def _failed(self, command: str, said: str) -> None:
        self.failures.append(command)
        print(f"{command}\n{said}", file=sys.stderr)


def main(minutes: float) -> int:
    """Do all in turns, each at least once, until the time is over; print the counts."""
    soak = Soak()
    rounds: tuple[Callable[[], None], ...] = (soak.taps, soak.schedules, soak.fuzzing, soak.faults)
    began, turn = time.monotonic(), 0
    while turn < len(rounds) or time.monotonic() - began < minutes * 60:
        rounds[turn % len(rounds)]()
        turn += 1
    took = round((time.monotonic() - began) / 60, 1)
    worst = {name: round(value, 1) for name, value in soak.worst.items()}
    print(msgspec.json.encode({"minutes": took, **soak.counts, **worst, "failures": soak.failures}).decode())
    return 1 if soak.failures else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 45))
