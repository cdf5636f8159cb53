"""A terminal that goes on for ever needs no more memory, threads, files and disk than at its beginning."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import drivers
import firmware_py
import kiosk
from firmware_py.ledger import Ledger
from kiosk.effects import QueueBadge, SetJob
from kiosk.events import JobPrinted
from kiosk.jobs import JobState
from tests.firmware_py.ledgers import DAY_MS, at, check_in, job_of, leave, person
from tests.soak.cafe import MEMORY, Soaked, Window, soaked, unlimited

STEADY_B = 1_000
"""Bytes that may be added in 1,000 taps."""
SETTLING_B = 2_000
"""The same where malloc rounds up: over so few taps it still settles; `make soak` asks for `STEADY_B` there, too."""
KEEP_DAYS = 190


def check(soak: Soaked, settling_b: int) -> None:
    assert soak.slope(lambda window: window.python) < STEADY_B
    assert soak.slope(lambda window: window.in_use) < settling_b
    assert len({window.threads for window in soak.counted}) == 1
    assert len({window.descriptors for window in soak.counted}) == 1
    assert not any(any(window.kept.values()) for window in soak.counted)
    assert max(window.sqlite for window in soak.windows) < 1_000_000


def test_eleven_thousand_taps_leave_nothing_behind_but_the_ledger_s_rows() -> None:
    soak = soaked(8_000)  # of half as many the windows, which differ by 2 kB, tell a slope to 1 kB only
    check(soak, SETTLING_B)
    assert soak.slope(lambda window: window.ledger_bytes) < 500_000


def test_a_slope_is_seen_through_single_high_windows() -> None:
    def window(number: int, grows: int) -> Window:
        held = 900_000 + grows * number + (30_000 if number % 5 == 0 else 0)
        return Window(400 * (number + 1), held, held, 0, 0, 8, 11, 0, {})

    steady, leaky = ([window(number, grows) for number in range(20)] for grows in (0, 500))
    assert Soaked(steady).slope(lambda each: each.python) == pytest.approx(0)
    assert Soaked(leaky).slope(lambda each: each.python) == pytest.approx(1_250)


def test_no_cache_of_ours_can_grow_for_ever() -> None:
    for package in (kiosk, drivers, firmware_py):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            # The shared service and the evaluation are no part of a terminal.
            if not {"matching_service", "evaluation"} & set(module.name.split(".")):
                importlib.import_module(module.name)
    assert not unlimited()


def test_a_ledger_is_as_large_after_twice_the_time_that_events_are_kept_as_after_once() -> None:
    """Ten visits a day, each with a badge; days are simulated, what is too old is forgotten every night."""
    with TemporaryDirectory(dir=MEMORY) as folder:
        path = Path(folder) / "ledger.db"
        ledger = Ledger.open(path)
        ledger.put_members(person(number) for number in range(10))
        sizes = [day_of(ledger, path, day) for day in range(2 * KEEP_DAYS + 40)]
        ledger.close()
    first, second = sizes[KEEP_DAYS : KEEP_DAYS + 100], sizes[-100:]
    assert max(second) <= max(first) * 1.02
    assert max(first) > 1.5 * sizes[KEEP_DAYS // 3], "what was not forgotten must be seen to grow"


def day_of(ledger: Ledger, path: Path, day: int) -> int:
    """Let a day pass, and return the ledger's bytes at its end."""
    for who in range(10):
        seconds, serial = day * DAY_MS // 1000 + who * 60, 2 * (10 * day + who) + 1
        now = at(seconds)
        visit = check_in(ledger, serial, who, now)
        job = job_of(visit, serial + 1)
        ledger.commit(JobPrinted(job.id), [QueueBadge(job), SetJob(job.id, JobState.CONFIRMED, None)], now, serial + 1)
        leave(ledger, visit, serial + 1, at(seconds + 30))
    wall = at((day + 1) * DAY_MS // 1000).wall
    assert wall is not None
    while ledger.forget(wall.utc_ms, KEEP_DAYS * DAY_MS):
        pass
    ledger.tidy()
    return path.stat().st_size
