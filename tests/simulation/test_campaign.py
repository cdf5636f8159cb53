"""Ten thousand mornings with accidents, none of which may break a promise; and planted bugs, each of which must be caught.

`python -m tests.simulation FIRST COUNT` plays others, and so does `make soak`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.rigs.namespace import ROOT
from tests.simulation.campaign import play
from tests.simulation.plant import AT_MOST, PLANTED, caught

SCHEDULES, SLICES, A_SHARE = 10_000, 10, 50
A_SLICE = SCHEDULES // SLICES
WITH_SECOND = SCHEDULES // 6
"""In so many there is a second medium, at least."""


@pytest.fixture(scope="module")
def workers() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        yield pool


@pytest.fixture(scope="module")
def counts() -> Counter[str]:
    return Counter()


def played(first: int) -> tuple[Counter[str], list[str]]:
    """Play a share, and return the counts and what was broken."""
    outcomes = [play(seed) for seed in range(first, first + A_SHARE)]
    broken = [f"replay with: python -m tests.simulation {each.seed}: {each.violations}" for each in outcomes if each.violations]
    return sum((each.counts for each in outcomes), Counter()), broken


def replayed(seed: int, hash_seed: int) -> str:
    """Return what one command tells of a schedule, but for what makes a ledger's ids its own."""
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    told = subprocess.run(
        [sys.executable, "-m", "tests.simulation", str(seed)], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert told.returncode == 0
    return re.sub(r"t1-\w{8}-", "", told.stdout)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(SLICES))
def test_no_accident_breaks_a_promise(part: int, workers: ProcessPoolExecutor, counts: Counter[str]) -> None:
    wrong: list[str] = []
    for counted, broken in workers.map(played, range(part * A_SLICE, (part + 1) * A_SLICE, A_SHARE)):
        counts.update(counted)
        wrong += broken
    assert wrong == []


def test_the_campaign_did_what_it_is_for(counts: Counter[str]) -> None:
    assert counts["schedules"] == SCHEDULES
    assert counts["taps"] >= 20 * SCHEDULES
    assert counts["restarts"] >= SCHEDULES
    assert counts["check-ins acknowledged"] >= 5 * SCHEDULES
    accidents = ("power cut", "kill", "night", "reader unplugged", "reader hangs", "printer off", "printer hangs", "paper out")
    more = (
        "printer mute",
        "replies repeated",
        "lights gone",
        "disk full",
        "disk broken",
        "clock jump",
        "clock in 1970",
        "torn",
        "swaps",
    )
    assert {name: counts[name] for name in (*accidents, *more) if counts[name] < SCHEDULES // 20} == {}
    assert counts["schedules with too few accidents"] == 0
    assert counts["schedules with a second medium"] >= WITH_SECOND
    of_second = ("second gone", "second full", "second hangs", "disk lost")
    assert {name: counts[name] for name in of_second if counts[name] < WITH_SECOND // 10} == {}
    assert counts["check-ins brought back"] >= WITH_SECOND // 4
    assert counts["check-ins that were on no second medium"] < counts["check-ins brought back"] // 4


@pytest.mark.parametrize("seed", [0, 2, 27])
def test_a_seed_is_the_same_schedule_each_time(seed: int) -> None:
    first, again = (replayed(seed, hash_seed) for hash_seed in (1, 2))
    assert len(first.splitlines()) > 40
    assert again == first


@pytest.mark.timeout(600)
@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_caught(bug: str, tmp_path: Path) -> None:
    assert caught(bug, tmp_path / "program") <= AT_MOST


def test_each_kind_of_bug_is_planted() -> None:
    assert len(PLANTED) >= 12
