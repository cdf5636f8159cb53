"""Each call to the disk fails once, in a morning of its own: nobody is welcomed falsely, and the door opens again."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import pytest

from tests.faults.nth import FAULTS, Outcome, each_call

AT_LEAST = 250
"""Calls that a morning makes; were there fewer, it would not do what it is to do."""


def fail_each_call(*, lasts: bool) -> list[Outcome]:
    workers = os.cpu_count() or 1
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        shares = pool.map(partial(each_call, step=workers, lasts=lasts), range(1, workers + 1))
        return [outcome for share in shares for outcome in share]


def replay(outcome: Outcome, *, lasts: bool) -> str:
    return f"python -m tests.faults.nth {outcome.place}{' lasts' * lasts}: {outcome.broken}, failed {outcome.failed}"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("lasts", [False, True], ids=["once", "from then on"])
def test_wherever_the_disk_fails_nobody_is_welcomed_falsely_and_the_door_opens_again(lasts: bool) -> None:
    outcomes = fail_each_call(lasts=lasts)
    assert [replay(outcome, lasts=lasts) for outcome in outcomes if outcome.broken] == []
    assert len(outcomes) > AT_LEAST
    failed = Counter(what for outcome in outcomes for what in outcome.failed)
    assert failed.keys() <= FAULTS.keys()
    assert min(failed[what] for what in ("open", "read", "write", "sync", "truncate", "size")) > 0
    assert sum(outcome.sent_to_staff for outcome in outcomes) > len(outcomes) // 10
