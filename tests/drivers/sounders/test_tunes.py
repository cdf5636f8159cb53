"""What a visitor can tell apart by ear."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

from drivers.sounders.tunes import TUNES, Tune, seconds
from kiosk.signals import Signal

TABLE = Path(__file__).parents[3] / "docs" / "signals.md"


def _shape(tune: Tune) -> str:
    """Return whether it goes up (/), down (\\) or stays (-) from note to note."""
    return "".join("-" if a.hz == b.hz else "/" if a.hz < b.hz else "\\" for a, b in pairwise(tune)) or "."


def test_every_answer_has_a_tune_of_at_most_a_second() -> None:
    assert set(TUNES) == set(Signal)
    assert all(0 < seconds(tune) <= 1 for tune in TUNES.values())


def test_any_two_tunes_differ_for_who_hears_only_up_and_down() -> None:
    assert len({_shape(tune) for tune in TUNES.values()}) == len(TUNES)


def test_the_published_table_shows_these_tunes() -> None:
    """Each row's fourth column begins with the shape in backticks, spaced."""
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|[^|]*\| `([-/\\.]+)`", TABLE.read_text("utf-8"), re.MULTILINE)
    assert {Signal(signal): shape for signal, shape in rows} == {signal: _shape(tune) for signal, tune in TUNES.items()}
