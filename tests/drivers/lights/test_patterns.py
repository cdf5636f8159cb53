"""What a visitor can tell apart by eye."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

from drivers.lights.patterns import PATTERNS, RGB, Pattern
from kiosk.signals import Signal
from kiosk.values import Colour

TABLE = Path(__file__).parents[3] / "docs" / "signals.md"


def test_every_answer_has_a_pattern_and_every_colour_its_light() -> None:
    assert set(PATTERNS) == set(Signal)
    assert set(RGB) == set(Colour)
    assert all(any(parts) and all(0 <= part <= 1 for part in parts) for parts in RGB.values())


def test_any_two_patterns_differ_without_colour() -> None:
    """A person counts flashes, or sees that one is half as long again."""
    for one, other in combinations(PATTERNS.values(), 2):
        shorter, longer = sorted([one.on_s, other.on_s])
        assert one.times != other.times or longer >= 1.5 * shorter, (one, other)


def test_no_light_flashes_more_than_three_times_a_second() -> None:
    assert all(pattern.on_s + pattern.off_s >= 1 / 3 for pattern in PATTERNS.values() if pattern.times > 1)


def test_every_pattern_ends_before_the_next_visitor() -> None:
    assert all(pattern.seconds <= 6 for pattern in PATTERNS.values())


def test_the_published_table_shows_these_patterns() -> None:
    """Each row begins `| `answer` | meaning | 2 × 1.0 s, green |`."""
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\| (\d) × ([\d.]+) s, (\w+) \|", TABLE.read_text("utf-8"), re.MULTILINE)
    published = {Signal(signal): (int(times), float(on_s), Colour(colour)) for signal, times, on_s, colour in rows}
    assert published == {signal: _published(pattern) for signal, pattern in PATTERNS.items()}


def _published(pattern: Pattern) -> tuple[int, float, Colour]:
    return pattern.times, pattern.on_s, pattern.colour
