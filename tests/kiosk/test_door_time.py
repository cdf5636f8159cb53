"""Honest time: no rule measures a duration by the wall clock, so it may jump as it likes within a café's day."""

from __future__ import annotations

import ast
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import kiosk
from kiosk.door import step
from kiosk.effects import Effect
from kiosk.events import Event, JobPrinted, JobReady, JobSent, MatchAnswered, TimePassed
from kiosk.house import MINUTES_A_DAY, Rules
from kiosk.values import JobId, Now, VisitId, WallTime, ZoneId
from tests.kiosk.rig import HOUSE, MAEVE, SIGRID, SOREN, opened, tap

QUICK = replace(
    HOUSE,
    rules=Rules(
        double_tap_ms=3_000, checkout_after_ms=20_000, badge_fresh_ms=30_000, max_stay_ms=100_000, match_deadline_ms=800
    ),
)
PEOPLE = (SIGRID, MAEVE, SOREN)
MINUTES = st.integers(0, MINUTES_A_DAY - 1)
READS_THE_WALL = {
    "compose.py": "the time of day on a badge",
    "slips.py": "the date on a slip",
    "occasions.py": "what is on today",
    "engine.py": "who came first, by whichever door",
    "house.py": "which of the café's days it is, and the date",
    "values.py": "the value itself",
}


def test_only_calendar_and_paper_read_the_wall_clock() -> None:
    readers = set()
    for path in Path(kiosk.__path__[0]).rglob("*.py"):
        read = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        if read & {"wall", "utc_ms", "local_day", "local_minute"}:
            readers.add(path.name)
    assert readers <= READS_THE_WALL.keys()


def on_the_same_day(minute: int) -> WallTime:
    """Return a time of the café's day 20,000, which begins at closing."""
    late = QUICK.rules.closes_minute + minute
    day = 20_000 + late // MINUTES_A_DAY
    return WallTime((day * MINUTES_A_DAY + late % MINUTES_A_DAY) * 60_000, day, late % MINUTES_A_DAY)


def outcome(effect: Effect) -> tuple[object, ...]:
    """Return what an effect does, without the time that is printed and stored."""
    fields = ("signal", "reader", "state", "why", "confirmed", "cause", "zone", "notice")
    whose = getattr(effect, "visit", None) or getattr(effect, "job", None)
    return (type(effect).__name__, getattr(whose, "id", whose), *(getattr(effect, field, None) for field in fields))


EVENTS = st.one_of(
    st.sampled_from(PEOPLE).map(tap),
    st.just(TimePassed()),
    st.integers(1, 6).map(lambda serial: MatchAnswered(VisitId(f"t1-x-{serial}"), None, ZoneId("window"))),
    st.integers(1, 9).flatmap(
        lambda serial: st.sampled_from(
            [JobReady(JobId(f"t1-x-{serial}")), JobSent(JobId(f"t1-x-{serial}"), 900), JobPrinted(JobId(f"t1-x-{serial}"))]
        )
    ),
)
HISTORY = st.lists(st.tuples(st.integers(0, 40_000), EVENTS, MINUTES), min_size=1, max_size=25)


def play(history: list[tuple[int, Event, int]], *, jumping: bool) -> list[tuple[object, ...]]:
    noon = on_the_same_day(700)
    state, boot_ms, done = opened(QUICK, Now("monday", 0, noon)), 0, []
    for gap, event, minute in history:
        boot_ms += gap
        now = Now("monday", boot_ms, on_the_same_day(minute) if jumping else noon)
        state, effects = step(state, event, now)
        done += [(boot_ms, *outcome(effect)) for effect in effects]
    return done


@given(HISTORY)
@settings(max_examples=300, deadline=None)
def test_whatever_the_wall_clock_does_the_door_does_the_same(history: list[tuple[int, Event, int]]) -> None:
    assert play(history, jumping=True) == play(history, jumping=False)


def test_a_stay_ends_by_the_boot_s_clock_alone() -> None:
    """By the wall clock it is an hour long before that."""
    stays: list[tuple[int, Event, int]] = [(0, tap(SIGRID), 0), (99_000, TimePassed(), 60), (2_000, TimePassed(), 60)]
    ended = [at for at, kind, *_ in play(stays, jumping=True) if kind == "CloseVisit"]
    assert ended == [101_000]
