"""Lanes: one device, one thread; calls go in and reports come out as plain values."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct

from drivers.errors import DeviceError
from drivers.ports import Device
from firmware_py.matching.calls import News
from kiosk.effects import Effect
from kiosk.events import Event
from kiosk.values import CardId

log = logging.getLogger("fikatap")

D = TypeVar("D", bound=Device)
D_contra = TypeVar("D_contra", bound=Device, contravariant=True)


class CardRead(Struct, frozen=True):
    """A card was read and its UID made a pseudonym; whose it is, the ledger knows."""

    reader: str
    card: CardId
    lying: bool


class LaneUp(Struct, frozen=True):
    """The device is open; `what` describes it."""

    what: str


class LaneDown(Struct, frozen=True):
    """The device is closed after `error`."""

    error: DeviceError


class LaneCrashed(Struct, frozen=True):
    """Our own mistake: the process ends and is restarted."""

    error: BaseException


Item = Event | News | CardRead | LaneUp | LaneDown | LaneCrashed


class Report(Struct, frozen=True):
    """What a lane says; `generation` tells a lane from the abandoned one before it."""

    lane: str
    generation: int
    item: Item
    at: float
    """When it was said, by `time.perf_counter`."""


class Servant(Protocol[D_contra]):
    """How a device is served: what its lane does when it opens, when called and when there is nothing to do."""

    def opened(self, device: D_contra) -> Iterator[Event]:
        """Do what is due when the device is open."""

    def serve(self, device: D_contra, call: Any) -> Iterator[Event | News]:
        """Carry out one call."""

    def idle(self, device: D_contra, timeout: float) -> Iterator[Event | CardRead]:
        """Spend up to `timeout` seconds on the device's own news."""

    def lost(self, call: Any, error: Exception | None) -> Iterator[Event]:
        """Say what becomes of a call that the lane did not finish; `error` is None when the lane was abandoned."""

    def deadline_s(self, call: Any | None) -> float:
        """Return how long a call, or an idle round, may take before the lane is abandoned."""

    @property
    def waits(self) -> bool:
        """Whether `idle` waits on the device itself; otherwise the lane waits for calls between idle rounds."""

    @property
    def idle_every_s(self) -> float:
        """How long the lane waits between idle rounds."""


class Lane(Generic[D]):
    """A thread that owns one device. All methods are called by the loop's thread, but `_run`."""

    def __init__(
        self,
        name: str,
        make: Callable[[], D],
        servant: Servant[D],
        post: Callable[[Report], None],
        *,
        newest_only: bool = False,
    ) -> None:
        self.name = name
        self.servant = servant
        self.generation = 0
        self.calls: deque[Any] = deque()
        """Calls given and not finished, the one under way first."""
        self._make = make
        self._post = post
        self._newest_only = newest_only
        self._wake = threading.Condition()
        self._stop: threading.Event | None = None
        self._thread: threading.Thread | None = None
        self._abandoned: threading.Thread | None = None
        self._busy_since = 0.0
        self._busy_with: Any | None = None

    def start(self) -> None:
        """Open the device anew, in a thread of a new generation."""
        self.generation += 1
        self.calls = deque()
        self._stop = threading.Event()
        self._busy_since, self._busy_with = time.monotonic(), None
        self._thread = threading.Thread(
            target=self._run, args=(self.generation, self._stop, self.calls), name=f"lane {self.name}", daemon=True
        )
        self._thread.start()

    def submit(self, call: Effect | Struct) -> None:
        """Give the lane a call; where only the newest counts, calls that still wait are dropped."""
        with self._wake:
            if self._newest_only:
                while len(self.calls) > 1:
                    self.calls.pop()
            self.calls.append(call)
            self._wake.notify()

    def wait_for(self, done: threading.Event, timeout: float) -> None:
        """Let the loop wait for what a call sets, so many seconds at most."""
        done.wait(timeout)

    def overdue(self) -> bool:
        """Return whether the lane has been at one thing for longer than its deadline."""
        return time.monotonic() - self._busy_since > self.servant.deadline_s(self._busy_with)

    def abandon(self) -> list[Any]:
        """Give up on the thread, which may hang in a library, and return the calls it did not finish."""
        self.generation += 1
        self.ask_to_stop()
        self._abandoned, self._thread = self._thread, None
        unfinished = list(self.calls)
        self.calls = deque()
        return unfinished

    def freed(self) -> bool:
        """Return whether the thread that was abandoned last has come back from where it hung, and ended."""
        return self._abandoned is not None and not self._abandoned.is_alive()

    def ask_to_stop(self) -> None:
        """Ask the thread to close its device and end."""
        if self._stop is not None:
            self._stop.set()
        with self._wake:
            self._wake.notify_all()

    def join(self, timeout: float) -> bool:
        """Wait for the thread's end; return whether it came."""
        if self._thread is not None:
            self._thread.join(timeout)
            return not self._thread.is_alive()
        return True

    def _run(self, generation: int, stop: threading.Event, calls: deque[Any]) -> None:
        def post(item: Item) -> None:
            self._post(Report(self.name, generation, item, time.perf_counter()))

        try:
            device = self._make()
            try:
                device.open()
                # Asked first: a device that can be opened and then does not answer is not back.
                news = list(self.servant.opened(device))
                post(LaneUp(device.describe()))
                for event in news:
                    post(event)
                while not stop.is_set():
                    self._round(device, stop, calls, post)
            finally:
                device.close()
        except DeviceError as error:
            post(LaneDown(error))
        except BaseException as error:  # noqa: BLE001 - whatever it is, the loop must hear of it
            post(LaneCrashed(error))

    def _round(self, device: D, stop: threading.Event, calls: deque[Any], post: Callable[[Item], None]) -> None:
        """Serve one call, or wait for one."""
        with self._wake:
            if not calls and not self.servant.waits and not stop.is_set():
                self._busy_since, self._busy_with = float("inf"), None
                self._wake.wait(self.servant.idle_every_s)
            call = calls[0] if calls else None
            self._busy_since, self._busy_with = time.monotonic(), call
        if stop.is_set():
            return
        if call is None:
            for item in self.servant.idle(device, self.servant.idle_every_s):
                post(item)
            return
        for event in self.servant.serve(device, call):
            post(event)
        with self._wake:
            if calls and calls[0] is call:
                calls.popleft()
