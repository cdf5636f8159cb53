"""`kill -9` of the running program: no welcome is lost, no badge comes twice unmarked, each start comes up."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.faults.kill import ROOT, Report, kills
from tests.faults.planted import planted

KILLS, DOORS = 100, 2
PLANTED = {
    "a tap without its visit": (
        "firmware_py/ledger.py",
        {'connection.execute("BEGIN IMMEDIATE")': "pass", 'connection.execute("COMMIT")': "pass"},
    ),
    "unmarked badges of": (
        "kiosk/spool.py",
        {
            "    spool = Spool(jobs={job.id: job for job in jobs})\n": """\
    jobs = tuple(replace(job, state=JobState.QUEUED) for job in jobs)
    spool = Spool(jobs={job.id: job for job in jobs})
"""
        },
    ),
}
"""What the kills must find, and the bug that makes it: no transaction; what had begun is printed again."""
A_ROUND, ROUNDS = 24, 6
"""Kills in a round, and in how many rounds a planted bug must have been found."""


def kill_doors(count: int, seed: int, source: Path = ROOT) -> list[Report]:
    """Kill as many doors at once as there are processors."""
    workers = os.cpu_count() or 1
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return list(pool.map(kills, [count // DOORS] * DOORS, range(seed, seed + DOORS), [source] * DOORS))


@pytest.mark.timeout(600)
def test_killed_at_any_moment_nothing_acknowledged_is_lost_and_no_badge_comes_twice() -> None:
    reports = kill_doors(KILLS, 1)
    assert [wrong for report in reports for wrong in report.wrong] == []
    assert sum(report.kills for report in reports) == KILLS
    assert sum(report.starts for report in reports) == KILLS + DOORS
    assert sum(report.welcomes for report in reports) > KILLS // 4
    assert sum(report.badges for report in reports) > KILLS // 4


@pytest.mark.timeout(600)
@pytest.mark.parametrize("finding", PLANTED)
def test_the_kills_find_a_planted_bug(finding: str, tmp_path: Path) -> None:
    source = planted(tmp_path, *PLANTED[finding])
    # Which moment a kill meets is chance: another seed, other moments.
    rounds = (kill_doors(A_ROUND, seed * DOORS, source) for seed in range(1, ROUNDS + 1))
    assert any(finding in wrong for reports in rounds for report in reports for wrong in report.wrong)
