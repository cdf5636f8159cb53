"""What making a page costs in processor time and memory; to be measured in a process that did nothing else yet."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import process_time_ns

from msgspec import Struct


class Cost(Struct):
    """What a page took: the first one in its process, with all that is loaded for it, and the median of the others."""

    page: bytes
    first_cpu_ms: float
    cpu_ms: float
    rss_kb: int
    """By how much the process grew at its largest, for the first page."""
    traced_kb: float
    """Python's own memory at its largest, for the first page; 0 when it was not traced, which takes time."""


def cost(make: Callable[[], bytes], rounds: int, *, traced: bool) -> Cost:
    """Make a page so many times and tell what it took."""
    if traced:
        tracemalloc.start()
    before = _kilobytes("VmRSS")
    page, first_ms = _timed(make)
    grown = _kilobytes("VmHWM") - before
    peak = tracemalloc.get_traced_memory()[1] / 1024 if traced else 0.0
    tracemalloc.stop()
    others = [_timed(make)[1] for _ in range(rounds - 1)] or [first_ms]
    return Cost(page, first_ms, median(others), grown, peak)


def _timed(make: Callable[[], bytes]) -> tuple[bytes, float]:
    began = process_time_ns()
    page = make()
    return page, (process_time_ns() - began) / 1e6


def _kilobytes(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1])
