"""Two thousand mornings with accidents, none of which may break a promise; and planted bugs, each of which must be caught.

`python -m tests.simulation 0 10000` plays more, and so does `make soak`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.simulation.campaign import Outcome, play

ROOT = Path(__file__).parents[2]
SCHEDULES, SLICES = 2_000, 4
A_SLICE = SCHEDULES // SLICES
BUGS = sorted((Path(__file__).parent / "bugs").glob("*.patch"))
AT_MOST = 2_000
"""In how many schedules a planted bug must have been caught."""


@pytest.fixture(scope="module")
def workers() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        yield pool


@pytest.fixture(scope="module")
def counts() -> Counter[str]:
    return Counter()


def told(outcome: Outcome) -> str:
    return f"replay with: python -m tests.simulation {outcome.seed}\n" + "\n".join(outcome.violations)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(SLICES))
def test_no_accident_breaks_a_promise(part: int, workers: ProcessPoolExecutor, counts: Counter[str]) -> None:
    first = part * A_SLICE
    outcomes = list(workers.map(play, range(first, first + A_SLICE), chunksize=10))
    for outcome in outcomes:
        counts.update(outcome.counts)
    assert [told(outcome) for outcome in outcomes if outcome.violations] == []


def test_the_campaign_did_what_it_is_for(counts: Counter[str]) -> None:
    assert counts["schedules"] == SCHEDULES
    assert counts["taps"] >= 20 * SCHEDULES
    assert counts["restarts"] >= SCHEDULES
    assert counts["check-ins acknowledged"] >= 5 * SCHEDULES
    accidents = ("power cut", "kill", "night", "reader unplugged", "reader hangs", "printer off", "printer hangs", "paper out")
    more = ("printer mute", "replies repeated", "lights gone", "disk full", "disk broken", "clock jump", "torn", "swaps")
    assert {name: counts[name] for name in (*accidents, *more) if counts[name] < SCHEDULES // 20} == {}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.stem)
def test_a_planted_bug_is_caught(bug: Path, tmp_path: Path) -> None:
    for package in ("kiosk", "drivers", "firmware_py"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "fonts"))
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    subprocess.run(["patch", "--quiet", "--strip=1", f"--input={bug}"], cwd=tmp_path, check=True)
    found = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--until-broken", str(AT_MOST)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 1, f"{bug.stem} was not caught in {AT_MOST} schedules\n{found.stderr}"
    assert "broken promise" in found.stdout


def test_each_kind_of_bug_is_planted() -> None:
    assert len(BUGS) >= 10
