"""Power cuts below SQLite and below ext4: what was acknowledged is there afterwards; where SQLite syncs less, it is not."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from tests.faults import ext4, vfs

EXT4_CUTS = 500
VFS_CUTS, VFS_RECORDINGS = 3_000, 6
CONTROL_CUTS = 60


@pytest.mark.timeout(ext4.SECONDS)
def test_power_cuts_under_ext4_lose_nothing_that_was_acknowledged() -> None:
    assert ext4.power_cuts(EXT4_CUTS, seed=1) == {"kept": EXT4_CUTS, "lost": 0, "corrupt": 0}


@pytest.mark.timeout(ext4.SECONDS)
def test_a_torn_superblock_is_mended_before_it_is_mounted_and_costs_nothing() -> None:
    assert ext4.power_cuts(CONTROL_CUTS, 1, torn="superblock") == {"kept": CONTROL_CUTS, "lost": 0, "corrupt": 0}


@pytest.mark.timeout(ext4.SECONDS)
@pytest.mark.parametrize("synchronous", ["OFF", "NORMAL"])
def test_power_cuts_under_ext4_find_that_sqlite_syncs_less(synchronous: str) -> None:
    found = ext4.power_cuts(CONTROL_CUTS, 1, synchronous)
    assert found["lost"] > CONTROL_CUTS // 10


@pytest.mark.timeout(600)
def test_power_cuts_below_sqlite_lose_nothing_that_was_acknowledged() -> None:
    found: Counter[str] = Counter()
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for part in pool.map(vfs.power_cuts, [VFS_CUTS // VFS_RECORDINGS] * VFS_RECORDINGS, range(VFS_RECORDINGS)):
            found.update(part)
    assert found == {"kept": VFS_CUTS, "lost": 0, "corrupt": 0}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("synchronous", ["OFF", "NORMAL"])
def test_power_cuts_below_sqlite_find_that_it_syncs_less(synchronous: str) -> None:
    found = vfs.power_cuts(CONTROL_CUTS, 1, synchronous)
    assert found["lost"] > CONTROL_CUTS // 10
