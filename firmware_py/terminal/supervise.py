"""Supervision: lanes that go down are reopened with back-off, lanes that hang are abandoned, and people are told once."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from drivers.errors import DeviceError
from firmware_py.ledger import MOST_FAULTS
from firmware_py.terminal.lanes import Lane
from kiosk.events import Event

log = logging.getLogger("fikatap")

BACK_OFF_MS = (100, 200, 500)
"""How long to wait before each next opening; the last one goes on for ever. A device that is there again is open within 1 s."""
STEADY_MS = 10_000
"""A device that was up for so long starts again at the shortest wait, and is not said to come and go."""
HEALED_MS = 3_600_000
"""A device that was up for so long has its earlier hangs forgiven."""
ABANDON_LIMIT = 2
"""After so many abandoned threads the process is restarted, once for each boot and lane."""


class Health(StrEnum):
    """How a device stands."""

    OPENING = "opening"
    UP = "up"
    DOWN = "down"
    FAILED = "failed"
    """It hung again after the restart that was to help: left alone until the call that hangs has come back."""


class Watched:
    """One lane under supervision; times are boot time in milliseconds."""

    def __init__(self, lane: Lane[Any], now_ms: int) -> None:
        self.lane = lane
        self.health = Health.OPENING
        self.what = ""
        """The device in words, once it was open."""
        self.trouble = ""
        """What is wrong, in words; empty when nothing is."""
        self.error: DeviceError | None = None
        """Why it went down; None for a lane that hung."""
        self.since_ms = now_ms
        self.attempts = 0
        self.flaps = False
        """It went down again soon after it was back: what it does is not said each time."""
        self.abandoned = 0
        self.retry_ms: int | None = None


class Fault(Struct):
    """One time that a device was away: what it is, what was wrong, from when until when (None while it lasts)."""

    device: str
    what: str
    trouble: str
    from_ms: int
    until_ms: int | None = None
    id: int | None = None
    """Its number in the ledger, once it is there."""
    kept: bool = False
    """Whether the ledger has it as it is here."""


class Supervisor:
    """Watches over all lanes.

    `feed` takes the events of calls that will not be answered; `went_down(name, error)` hears once of each loss (error is
    None for a lane that hung); `restart(name)` is asked for a restart of the process and returns False when this boot had it
    already. `back_off` holds other waits than `BACK_OFF_MS`, by lane.
    """

    def __init__(
        self,
        lanes: Iterable[Lane[Any]],
        *,
        feed: Callable[[Event], None],
        went_down: Callable[[str, DeviceError | None], None],
        restart: Callable[[str], bool],
        now_ms: int,
        back_off: Mapping[str, Sequence[int]] = MappingProxyType({}),
    ) -> None:
        self.watched = {lane.name: Watched(lane, now_ms) for lane in lanes}
        self.faults: deque[Fault] = deque(maxlen=MOST_FAULTS)
        """Since the program started, the oldest first."""
        self._feed = feed
        self._went_down = went_down
        self._restart = restart
        self._back_off = back_off

    def start(self) -> None:
        """Open all devices."""
        for watched in self.watched.values():
            watched.lane.start()

    def is_current(self, name: str, generation: int) -> bool:
        """Return whether a report comes from the lane as it is now, not from an abandoned one."""
        return self.watched[name].lane.generation == generation

    def is_coming_back(self, name: str) -> bool:
        """Return whether a device that was open before is being opened again."""
        return self.watched[name].health is Health.DOWN and bool(self.watched[name].what)

    def submit(self, name: str, call: Any) -> None:
        """Give a lane a call; one whose device is away answers at once that nothing comes of it."""
        watched = self.watched.get(name)
        if watched is None:
            return
        if watched.health in (Health.OPENING, Health.UP):
            watched.lane.submit(call)
        else:
            self._lost(watched, [call])

    def up(self, name: str, what: str, now_ms: int) -> None:
        """Note that a device is open, and say so once."""
        watched = self.watched[name]
        if not watched.flaps:
            log.info("%s is back: %s" if watched.health is Health.DOWN else "%s is open: %s", name, what)
        watched.health, watched.what, watched.trouble, watched.since_ms = Health.UP, what, "", now_ms
        for fault in self.faults:
            if fault.device == name and fault.until_ms is None:
                fault.until_ms, fault.kept = now_ms, False

    def down(self, name: str, error: DeviceError, now_ms: int) -> None:
        """Note that a device is gone, and when to open it again."""
        watched = self.watched[name]
        self._down(watched, error, str(error), list(watched.lane.calls), now_ms)
        self._schedule(watched, now_ms)

    def look_after(self, now_ms: int) -> None:
        """Reopen what is due and abandon what hangs."""
        for watched in self.watched.values():
            if watched.retry_ms is not None:
                if now_ms >= watched.retry_ms:
                    watched.retry_ms = None
                    watched.lane.start()
            elif watched.health is Health.FAILED:
                # Opened before that, each attempt would leave one more hanging thread behind.
                if watched.lane.freed():
                    watched.health = Health.DOWN
                    watched.abandoned = ABANDON_LIMIT - 1
                    self._schedule(watched, now_ms)
            elif watched.lane.overdue():
                self._abandon(watched, now_ms)
            elif watched.flaps and watched.health is Health.UP and now_ms - watched.since_ms >= STEADY_MS:
                watched.flaps = False
                log.info("%s is back and stays: %s", watched.lane.name, watched.what)

    def next_ms(self) -> int | None:
        """Return when the next device is to be reopened."""
        return min((each.retry_ms for each in self.watched.values() if each.retry_ms is not None), default=None)

    def stop(self, timeout_s: float) -> None:
        """Ask all lanes to end and wait for them, all together at most so long: a tune may be longer than that."""
        deadline = time.monotonic() + timeout_s
        for watched in self.watched.values():
            watched.lane.ask_to_stop()
        for watched in self.watched.values():
            if not watched.lane.join(max(0.0, deadline - time.monotonic())):
                log.debug("%s is still busy", watched.lane.name)

    def _abandon(self, watched: Watched, now_ms: int) -> None:
        name = watched.lane.name
        unfinished = watched.lane.abandon()
        if watched.health is Health.UP and now_ms - watched.since_ms >= HEALED_MS:
            watched.abandoned = 0
        watched.abandoned += 1
        self._down(watched, None, "it hangs: no answer within its deadline", unfinished, now_ms)
        if watched.abandoned < ABANDON_LIMIT:
            self._schedule(watched, now_ms)
            return
        watched.health = Health.FAILED
        if self._restart(name):
            # What hangs with it may hang for the same reason, and is helped by the same restart or by none.
            for other in self.watched.values():
                if other is not watched and other.abandoned and other.health is not Health.UP:
                    self._restart(other.lane.name)
        else:
            log.error("%s hung again after a restart and is left alone until it comes back: unplug it and plug it in", name)

    def _down(self, watched: Watched, error: DeviceError | None, trouble: str, unfinished: list[Any], now_ms: int) -> None:
        """Say once that a device is gone, and what becomes of its calls."""
        first = watched.health is not Health.DOWN
        if first:
            steady = watched.health is not Health.UP or now_ms - watched.since_ms >= STEADY_MS
            again = not steady and watched.attempts > 0
            if steady:
                watched.attempts, watched.flaps = 0, False
            if again and not watched.flaps:
                watched.flaps = True
                log.warning("%s comes and goes: %s", watched.lane.name, trouble)
            elif not again:
                log.warning("%s is gone: %s", watched.lane.name, trouble)
            watched.since_ms = now_ms
            self.faults.append(Fault(watched.lane.name, watched.what, trouble, now_ms))
        watched.health, watched.trouble, watched.error = Health.DOWN, trouble, error
        self._lost(watched, unfinished)
        if first:
            self._went_down(watched.lane.name, error)

    def _lost(self, watched: Watched, calls: list[Any]) -> None:
        for call in calls:
            for event in watched.lane.servant.lost(call, watched.error):
                self._feed(event)

    def _schedule(self, watched: Watched, now_ms: int) -> None:
        waits = self._back_off.get(watched.lane.name, BACK_OFF_MS)
        watched.retry_ms = now_ms + waits[min(watched.attempts, len(waits) - 1)]
        watched.attempts += 1
