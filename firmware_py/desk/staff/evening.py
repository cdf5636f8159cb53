"""Today's figures, and how the evening went: a drawing made here, and the same as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from firmware_py.desk.staff.turn import HOME, Memory, Turn, route

WIDTH, HEIGHT = 400, 220
LEFT, RIGHT, TOP, BOTTOM = 32, 8, 12, 28
"""Margins of the drawing, in its own units."""
STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
"""How many people may lie between two lines."""
MOST_LINES = 5
MOST_LABELS = 6
WIDEST = 48
"""A bar's place is no wider, however few quarters there are."""


@dataclass(frozen=True)
class Bar:
    """A quarter of an hour: where its bar and its dot are, and its label when it has one."""

    x: float
    y: float
    width: float
    height: float
    arrived_y: float
    label: str


@dataclass(frozen=True)
class Plot:
    """An evening as a drawing; `lines` are heights with their numbers."""

    bars: tuple[Bar, ...]
    lines: tuple[tuple[float, int], ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    floor: int = HEIGHT - BOTTOM


def routes(memory: Memory) -> list[BaseRoute]:
    """Return the page."""
    return [route(memory, f"{HOME}/evening", _evening)]


async def _evening(turn: Turn) -> Response:
    figures = await turn.ask("figures.evening")
    return turn.page("evening", scene=await turn.read("scene"), figures=figures, plot=plot(figures["quarter_hours"]))


def plot(quarters: list[dict[str, Any]]) -> Plot:
    """Return the drawing of an evening by quarters of an hour."""
    most = max((max(each["here"], each["checkins"]) for each in quarters), default=0)
    step = next((each for each in STEPS if most <= each * MOST_LINES), STEPS[-1])
    top = max(step, -(-most // step) * step)
    room, space = HEIGHT - TOP - BOTTOM, min(WIDEST, (WIDTH - LEFT - RIGHT) / max(1, len(quarters)))

    def y(count: int) -> float:
        return round(TOP + room * (1 - count / top), 1)

    every = next(each for each in (1, 2, 4, 8, 16) if len(quarters) <= each * MOST_LABELS or each == 16)
    bars = tuple(
        Bar(
            x=round(LEFT + place * space, 1),
            y=y(each["here"]),
            width=round(space * 0.86, 1),
            height=round(HEIGHT - BOTTOM - y(each["here"]), 1),
            arrived_y=y(each["checkins"]),
            label=each["begins"] if place % every == 0 else "",
        )
        for place, each in enumerate(quarters)
    )
    return Plot(bars, tuple((y(count), count) for count in range(0, top + 1, step)))
