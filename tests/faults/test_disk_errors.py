"""Each call to the disk fails once, in a morning of its own: nobody is welcomed falsely, and the door opens again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.faults.nth import FAULTS, Outcome, each_call
from tests.faults.planted import planted

AT_LEAST = 250
"""Calls that a morning makes; were there fewer, it would not do what it is to do."""
PLANTED = {
    "a failed sync is tried again": (
        "firmware_py/ledger.py",
        {
            """\
        self._close_file()
        try:
            self.path.stat()
""": """\
        try:
            self.path.stat()
""",
            "        self._connection = open_database(self.path, new_incarnation=fresh_incarnation())\n": "",
        },
    ),
    "welcome after a failed commit": (
        "firmware_py/terminal/loop.py",
        {"                self._storage_failed(_reader_of(event), error)\n                return False\n": " " * 16 + "pass\n"},
    ),
}
"""What the failing disk must find."""


def fail_each_call(*, lasts: bool) -> list[Outcome]:
    workers = os.cpu_count() or 1
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        shares = pool.map(partial(each_call, step=workers, lasts=lasts), range(1, workers + 1))
        return [outcome for share in shares for outcome in share]


def replay(outcome: Outcome, *, lasts: bool) -> str:
    return f"python -m tests.faults.nth {outcome.place}{' lasts' * lasts}: {outcome.broken}, failed {outcome.failed}"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("lasts", [False, True], ids=["once", "from then on"])
def test_wherever_the_disk_fails_nobody_is_welcomed_falsely_and_the_door_opens_again(lasts: bool) -> None:
    outcomes = fail_each_call(lasts=lasts)
    assert [replay(outcome, lasts=lasts) for outcome in outcomes if outcome.broken] == []
    assert len(outcomes) > AT_LEAST
    failed = Counter(what for outcome in outcomes for what in outcome.failed)
    assert failed.keys() <= FAULTS.keys()
    assert min(failed[what] for what in ("open", "read", "write", "sync", "truncate", "size")) > 0
    assert sum(outcome.sent_to_staff for outcome in outcomes) > len(outcomes) // 10


@pytest.mark.timeout(600)
@pytest.mark.parametrize("bug", PLANTED)
def test_the_failing_disk_finds_a_planted_bug(bug: str, tmp_path: Path) -> None:
    source = planted(tmp_path, *PLANTED[bug])
    found = subprocess.run(
        [sys.executable, "-m", "tests.faults.nth", "--until-broken"],
        cwd=source,
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 1, f"{bug} was not found\n{found.stderr}"
    assert "broken=[" in found.stdout
