"""Goes on testing: `python -m tests.soak [MINUTES]` (45 where none are said) prints the counts as one JSON object.

First the bugs planted in copies of the program, each of which must be caught. Then in turns, each at least once: taps in one
process, fault schedules no test has played, fuzzing by chance, and the rigs of tests/faults. What each round found is told on
standard error as it goes, and what failed with the command that shows it again; then the exit code is 1.
"""

from __future__ import annotations

import os
import secrets
import shlex
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from operator import attrgetter
from pathlib import Path
from subprocess import CalledProcessError
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from tests.simulation.plant import PLANTED, caught
from tests.soak.cafe import MALLOC, WARM_UP, WINDOW, soaked
from tests.soak.test_soak import STEADY_B, check

WORKERS = os.cpu_count() or 1
SCHEDULES = 1_000
"""So many in each process and round."""
FIRST_SCHEDULE = 1_000_000
"""Far from those of `make test`."""
TAPS = 40_000
FUZZ = "2"
"""Twice as many examples as in `make test`, and other ones each time."""


class Soak:
    """The rounds, and what came of them."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.schedules_for: dict[str, int] = {}
        """How many schedules it took to catch each planted bug."""
        self.failures: list[str] = []
        self.worst: dict[str, float] = {}

    def planted(self) -> None:
        """Plant each bug in a copy of the program: the simulation must catch it."""
        with ThreadPoolExecutor(WORKERS) as pool, TemporaryDirectory(prefix="fikatap-") as folder:
            for bug, took in zip(PLANTED, pool.map(lambda bug: self._caught(bug, Path(folder) / bug), PLANTED), strict=True):
                if took is not None:
                    self.schedules_for[bug] = took

    def _caught(self, bug: str, folder: Path) -> int | None:
        try:
            return caught(bug, folder)
        except AssertionError as error:
            self._failed(f"python -m pytest tests/simulation/test_campaign.py -k {bug}", str(error))
            return None

    def schedules(self) -> None:
        """Play fault schedules, a share in each processor."""
        first = FIRST_SCHEDULE + self.counts["rounds of schedules"] * WORKERS * SCHEDULES
        shares = range(first, first + WORKERS * SCHEDULES, SCHEDULES)
        with ThreadPoolExecutor(WORKERS) as pool:
            for said in pool.map(lambda share: self._run(["-m", "tests.simulation", str(share), str(SCHEDULES)]), shares):
                found = _object(said)
                for name in ("schedules", "taps", "restarts", "check-ins acknowledged", "schedules with a broken promise"):
                    self.counts[name] += found.get(name, 0)
        self.counts["rounds of schedules"] += 1

    def fuzzing(self) -> None:
        """Fuzz by chance: other examples each time."""
        by_chance = ["-p", "no:cacheprovider", f"--hypothesis-seed={secrets.randbelow(1 << 32)}"]
        self._run(["-m", "pytest", "-q", *by_chance, "tests/fuzz"], FUZZ=FUZZ)
        self.counts["rounds of fuzzing"] += 1

    def taps(self) -> None:
        """Let people tap in one process, and look at what it keeps."""
        try:
            soak = soaked(TAPS)
            self.counts["taps in one process"] += TAPS + WARM_UP * WINDOW
            for name in ("python", "in_use", "anonymous_kb"):
                slope = soak.slope(attrgetter(name))
                self.worst[name] = round(max(slope, self.worst.get(name, slope)), 1)
            check(soak, STEADY_B)
        except (AssertionError, CalledProcessError):
            self._failed(_command(["-m", "tests.soak.cafe", str(TAPS)], MALLOC), traceback.format_exc())

    def faults(self) -> None:
        """Cut power, break disks and kill, with a seed that no round had."""
        self.counts["rounds of faults"] += 1
        found = _object(self._run(["-m", "tests.faults", "0", str(self.counts["rounds of faults"])]))
        self.counts.update({name: number for name, number in found.items() if isinstance(number, int)})

    def report(self, minutes: float) -> dict[str, Any]:
        """Return the counts."""
        return {
            "minutes": round(minutes, 1),
            "planted bugs caught": f"{len(self.schedules_for)} of {len(PLANTED)}",
            "in how many schedules each": self.schedules_for,
            **self.counts,
            "grown in 1,000 taps at most": self.worst,
            "failures": self.failures,
        }

    def _run(self, arguments: list[str], **environment: str) -> str:
        """Run a part in a process of its own, and return what it printed."""
        done = subprocess.run([sys.executable, *arguments], env={**os.environ, **environment}, capture_output=True, text=True)
        if done.returncode != 0:
            self._failed(_command(arguments, environment), done.stdout + done.stderr)
        return done.stdout

    def _failed(self, command: str, said: str) -> None:
        self.failures.append(command)
        print(f"FAILED; to see it again: {command}\n{said}", file=sys.stderr, flush=True)


def _command(arguments: list[str], environment: dict[str, str]) -> str:
    return shlex.join([*(f"{name}={value}" for name, value in environment.items()), "python", *arguments])


def _object(said: str) -> dict[str, Any]:
    """Return the JSON object that ends what a part printed, an empty one where it got no further."""
    try:
        found: dict[str, Any] = msgspec.json.decode("{" + f"\n{said}".rpartition("\n{")[2])
    except msgspec.DecodeError:
        return {}
    return found


def main(minutes: float) -> int:
    """Do all in turns, each at least once, until the time is over; print the counts."""
    soak = Soak()
    rounds: tuple[Callable[[], None], ...] = (soak.taps, soak.schedules, soak.fuzzing, soak.faults)
    began, turn = time.monotonic(), 0
    soak.planted()
    while turn < len(rounds) or time.monotonic() - began < minutes * 60:
        report = soak.report((time.monotonic() - began) / 60)
        print(msgspec.json.encode(report).decode(), file=sys.stderr, flush=True)
        rounds[turn % len(rounds)]()
        turn += 1
    report = soak.report((time.monotonic() - began) / 60)
    print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    return 1 if soak.failures else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 45))
