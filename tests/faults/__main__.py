"""`python -m tests.faults MINUTES [SEED]`: all the faults again and again, each round with another seed; prints the counts.

The exit code is 1 when a promise was broken.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from multiprocessing import get_context

from tests.faults import ext4, kill, nth, vfs

EXT4_CUTS, VFS_CUTS, KILLS = 500, 1_000, 10


def soak(minutes: float, seed: int) -> tuple[Counter[str], list[str]]:
    """Return how much was tried, and which promises were broken."""
    logging.getLogger("fikatap").setLevel(logging.CRITICAL)  # everything goes wrong here
    workers = os.cpu_count() or 1
    deadline = time.monotonic() + minutes * 60
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for turn in count(seed):
            for part in pool.map(vfs.power_cuts, [VFS_CUTS] * workers, range(turn * workers, (turn + 1) * workers)):
                counts["vfs cuts"] += VFS_CUTS
                wrong += [f"vfs, seeds from {turn * workers}: {part}"] * (part["kept"] != VFS_CUTS)
            found = ext4.power_cuts(EXT4_CUTS, turn)
            counts["ext4 cuts"] += EXT4_CUTS
            wrong += [f"ext4, seed {turn}: {found}"] * (found["kept"] != EXT4_CUTS)
            for report in pool.map(kill.kills, [KILLS] * workers, range(turn * workers, (turn + 1) * workers)):
                counts["kills"] += report.kills
                wrong += [f"kills, seeds from {turn * workers}: {each}" for each in report.wrong]
            for lasts in (False, True):
                for share in pool.map(
                    nth.each_call, range(1, workers + 1), [workers] * workers, [lasts] * workers, [turn] * workers
                ):
                    counts["disk errors"] += len(share)
                    wrong += [f"disk errors, lasts {lasts}, how {turn}: {each}" for each in share if each.broken]
            if time.monotonic() > deadline:
                break
    return counts, wrong


if __name__ == "__main__":
    did, broken = soak(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    print(json.dumps({**did, "broken promises": broken}, indent=2))
    sys.exit(1 if broken else 0)
