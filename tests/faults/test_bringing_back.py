"""A ledger that is brought back onto a disk that fails is not called lost for good, and comes back when the disk is well."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.faults.bringing_back import fail_each_call


@pytest.mark.parametrize("lasts", [False, True], ids=["once", "from then on"])
def test_wherever_the_disk_fails_while_a_ledger_is_brought_back_it_comes_back_later(lasts: bool) -> None:
    attempts = fail_each_call(lasts=lasts)
    assert [attempt for attempt in attempts if attempt.wrong] == []
    failed = Counter(attempt.failed for attempt in attempts)
    assert min(failed[what] for what in ("open", "read", "write", "sync", "size")) > 0
