"""How everything is fuzzed that parses what comes from outside: how often, and what one example may cost.

`FUZZ=20` in the environment makes it twenty times as many examples, other ones in each run; without it they are the same
each time.
"""

from __future__ import annotations

import ctypes
import gc
import os
import time
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, settings

FUZZ = int(os.environ.get("FUZZ", "1"))
LONGEST_MS = 50.0
"""Processor time of one example, on a machine that does `_reference` in `REFERENCE_MS`: about what the bench machine is."""
REFERENCE_MS = 5.0
REFERENCE_NUMBERS = 50_000
LARGEST_MB = 5.0
LONGEST_LINE = 2_000
"""Characters of an error's line; the longest of them list all columns or printers that there are."""
DEEPER = 10
"""Frames: where a loop's calls stand at the end of a piece of CPython's stack, each of them maps and unmaps the next piece,
which takes ten times as long as the rest; a little deeper it does not."""
AGAIN = 5
"""What was too slow or too large is tried so often again, and the least counts: others use the machine, too."""

T = TypeVar("T")
_libc = ctypes.CDLL(None)


def fuzzed(examples: int) -> settings:
    """Return Hypothesis' settings for so many examples, or FUZZ times as many."""
    return settings(
        max_examples=examples * FUZZ,
        derandomize=FUZZ == 1,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


def bounded(act: Callable[[], T], held: Callable[[Callable[[], object]], float] | None = None) -> T:
    """Return what `act` returns; fail when that takes more than 50 ms of this thread, or 5 MB. It is done more than once.

    `held` tells how many MB it had at once: `python_mb` unless told otherwise.
    """
    held = held or python_mb
    before = time.thread_time()
    result = act()
    took_ms = (time.thread_time() - before) * 1000
    if took_ms > LONGEST_MS:
        # Beside work that is known, as a busy machine takes twice as long for both.
        took_ms = min(_deeper(DEEPER * turn, act) / _ms_of(_reference) for turn in range(AGAIN)) * REFERENCE_MS
    assert took_ms <= LONGEST_MS, f"{took_ms:.0f} ms of processor time"
    _small(act, held)
    return result


def bounded_each(begin: Callable[[], Iterator[T]]) -> list[T]:
    """Return what an iterator yields; fail when a step of it takes more than 50 ms of this thread, or all of it 5 MB.

    It is begun more than once. For what takes its input in pieces, and lets others have their turn between them: however many
    pieces there are, nobody waits for more than one.
    """
    found: list[T] = []
    took_ms = _slowest_ms(begin, found.append)
    if took_ms > LONGEST_MS:
        took_ms = min(_slowest_ms(begin) / _ms_of(_reference) for _ in range(AGAIN)) * REFERENCE_MS
    assert took_ms <= LONGEST_MS, f"{took_ms:.0f} ms of processor time for one piece"
    _small(lambda: deque(begin(), maxlen=0), python_mb)
    return found


def _small(act: Callable[[], object], held: Callable[[Callable[[], object]], float]) -> None:
    took_mb = held(act)
    if took_mb > LARGEST_MB:
        took_mb = min(held(act) for _ in range(AGAIN))
    assert took_mb <= LARGEST_MB, f"{took_mb:.1f} MB"


def told(act: Callable[[], T], *errors: type[Exception]) -> T | None:
    """Return what `act` returns, or None when it raises one of these with one clear line; all else it raises is raised."""
    try:
        return act()
    except errors as error:
        line = str(error)
    assert line
    assert line.isprintable(), f"{line!r} is not one line that can be printed"
    assert len(line) <= LONGEST_LINE, f"{len(line)} characters: {line[:200]}…"
    return None


def _reference() -> int:
    return sum(len(str(number)) for number in range(REFERENCE_NUMBERS))


def _ms_of(act: Callable[[], object]) -> float:
    gc.disable()  # it would look through all that the tests have made, too
    try:
        before = time.thread_time()
        act()
        return (time.thread_time() - before) * 1000
    finally:
        gc.enable()


def _slowest_ms(begin: Callable[[], Iterator[T]], keep: Callable[[T], object] = id) -> float:
    """Return what the longest step took, the one in which it ended among them."""
    items, slowest, over = begin(), 0.0, False

    def step() -> None:
        nonlocal over
        for item in items:
            keep(item)
            return
        over = True

    while not over:
        slowest = max(slowest, _ms_of(step))
    return slowest


def _deeper(frames: int, act: Callable[[], object]) -> float:
    return _deeper(frames - 1, act) if frames else _ms_of(act)


def python_mb(act: Callable[[], object]) -> float:
    """Return the most memory that Python's allocators gave out at once."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def process_mb(act: Callable[[], object]) -> float:
    """Return by how much the process grew at most: for libraries that ask the system for large pieces themselves."""
    _libc.malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
    before = _status_kb("VmRSS")
    act()
    return (_status_kb("VmHWM") - before) / 1e3


def _status_kb(name: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{name}:")[2].split(maxsplit=1)[0])
