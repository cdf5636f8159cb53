"""A lane with its reports in the hand: for tests of lanes and of supervision without a terminal."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from typing import Any

from drivers.lights.fake import FakeLights
from drivers.ports import CardReader
from drivers.readers.fake import FakeReader
from firmware_py.terminal.lanes import CardRead, Item, Lane, Report
from firmware_py.terminal.servants import LightsServant, ReaderServant
from kiosk.effects import Answer
from kiosk.events import CardTorn, Event
from kiosk.signals import Signal
from kiosk.values import CardId, Language

PATIENCE_S = 30.0


def say(signal: Signal) -> Answer:
    """Return a call for lights."""
    return Answer("door", signal, Language.EN, "")


class PatientReader(ReaderServant):
    """A reader's servant whose patience a test sets, in seconds; a lost call is told as a torn card
    with the call and its error in place of a reader."""

    patience_s = 60.0

    def __init__(self) -> None:
        super().__init__("door", lambda uid: CardId(uid.hex()))

    def deadline_s(self, call: Any | None) -> float:  # noqa: ARG002 - all the same here
        """Return the patience."""
        return self.patience_s

    def lost(self, call: Any, error: Exception | None) -> Iterator[Event]:
        """Name the call, and what became of it."""
        yield CardTorn(f"{call}: {'abandoned' if error is None else type(error).__name__}")


class Reports:
    """Takes a lane's reports."""

    def __init__(self) -> None:
        self._inbox: queue.SimpleQueue[Report] = queue.SimpleQueue()

    def post(self, report: Report) -> None:
        """Take one."""
        self._inbox.put(report)

    def next(self) -> Report:
        """Wait for the next one."""
        return self._inbox.get(timeout=PATIENCE_S)

    def until(self, kind: type[Item | CardRead]) -> Report:
        """Wait for the next one with something of this kind."""
        while not isinstance((report := self.next()).item, kind):
            pass
        return report

    def left(self) -> list[Report]:
        """Return those that are here already."""
        reports = []
        while not self._inbox.empty():
            reports.append(self._inbox.get())
        return reports


def lights_lane(name: str, reports: Reports, *, newest_only: bool = False) -> Lane[FakeLights]:
    """Return a lane with simulated lights."""
    return Lane(
        "lights", lambda: FakeLights(FakeLights.Settings(name=name)), LightsServant(), reports.post, newest_only=newest_only
    )


def reader_lane(
    name: str, reports: Reports, servant: PatientReader | None = None, make: Callable[[], CardReader] | None = None
) -> Lane[CardReader]:
    """Return a lane with a simulated reader, or with what `make` makes."""
    simulated: Callable[[], CardReader] = lambda: FakeReader(FakeReader.Settings(name=name))  # noqa: E731 - for its type
    return Lane("reader", make or simulated, servant or PatientReader(), reports.post)
