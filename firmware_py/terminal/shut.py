"""The shut door: as long as the ledger can't be opened, whoever taps is told to go to staff, and opening is tried again."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable
from typing import Any

from firmware_py.clock import Clock
from firmware_py.database import LedgerError, LedgerInUse, LedgerTooNew
from firmware_py.ledger import Ledger
from firmware_py.terminal.lanes import CardRead, Lane, LaneCrashed, LaneDown, LaneUp, Report
from firmware_py.terminal.loop import LIGHTS, SOUNDER, answering_lanes
from firmware_py.terminal.notify import Notifier
from firmware_py.terminal.supervise import Supervisor
from firmware_py.wiring import Wiring
from kiosk.door import DoorState, step
from kiosk.effects import Answer
from kiosk.events import CommitFailed
from kiosk.values import CardId

log = logging.getLogger("fikatap")

TRY_EVERY_MS = 2_000
LOOK_EVERY_S = 0.5
"""How often devices and the watchdog are looked at when nobody taps."""
END_OF_LANES_S = 0.6


class ShutDoor:
    """A door with readers, lights and sounder, and nothing behind it. `stop` may be called from any thread."""

    def __init__(self, wiring: Wiring, clock: Clock, notifier: Notifier) -> None:
        self._wiring = wiring
        self._clock = clock
        self._notifier = notifier
        self._inbox: queue.SimpleQueue[Report | None] = queue.SimpleQueue()
        self._state = DoorState(house=wiring.house(""))
        # No card is looked up, so that no key is needed.
        lanes = answering_lanes(wiring.config, lambda _: CardId(""), self._inbox.put, Lane)
        self._supervisor = Supervisor(
            lanes, feed=lambda _: None, went_down=lambda *_: None, restart=lambda _: False, now_ms=clock.now().boot_ms
        )

    def stop(self) -> None:
        """Ask it to end."""
        self._inbox.put(None)

    def until_opened(self, attempt: Callable[[], Ledger], error: LedgerError) -> Ledger | None:
        """Stay shut because of `error` until `attempt` returns the ledger; None when stopped before that.

        What waiting does not mend, and what a lane raises that is not its device's fault, is raised here.
        """
        log.error("the door is shut, check-ins are refused: %s", error)
        self._supervisor.start()
        try:
            self._notifier.ready()
            self._notifier.status(self._wiring.texts.say(self._wiring.language, "status.no_storage"))
            tried_ms = self._clock.now().boot_ms
            while True:
                if self._notifier.watchdog_s is not None:
                    self._notifier.alive()
                try:
                    report = self._inbox.get(timeout=LOOK_EVERY_S)
                except queue.Empty:
                    pass
                else:
                    if report is None:
                        return None
                    self._hear(report)
                now_ms = self._clock.now().boot_ms
                self._supervisor.look_after(now_ms)
                if now_ms - tried_ms >= TRY_EVERY_MS:
                    tried_ms = now_ms
                    ledger = _try(attempt)
                    if isinstance(ledger, Ledger):
                        log.info("the ledger is open")
                        return ledger
        finally:
            self._supervisor.stop(END_OF_LANES_S)

    def _hear(self, report: Report) -> None:
        if not self._supervisor.is_current(report.lane, report.generation):
            return
        now = self._clock.now()
        match report.item:
            case LaneUp(what):
                self._supervisor.up(report.lane, what, now.boot_ms)
            case LaneDown(error):
                self._supervisor.down(report.lane, error, now.boot_ms)
            case LaneCrashed(error):
                raise error
            case item:
                self._refuse(item)

    def _refuse(self, item: Any) -> None:
        """Send whoever stands there to staff."""
        reader = item.reader if isinstance(item, CardRead) else getattr(item, "reader", None)
        self._state, effects = step(self._state, CommitFailed(reader), self._clock.now())
        for effect in effects:
            if isinstance(effect, Answer):
                self._supervisor.submit(LIGHTS, effect)
                self._supervisor.submit(SOUNDER, effect)


def open_sometime(
    attempt: Callable[[], Ledger], door: Callable[[], ShutDoor], on_stop: Callable[[Callable[[], None]], None]
) -> Ledger | None:
    """Return the ledger as soon as it can be opened, with a shut door until then; None when that was stopped."""
    found = _try(attempt)
    if isinstance(found, Ledger):
        return found
    shut = door()
    on_stop(shut.stop)
    return shut.until_opened(attempt, found)


def _try(attempt: Callable[[], Ledger]) -> Ledger | LedgerError:
    """Return the ledger, or why it can't be opened now; raise what waiting does not mend."""
    try:
        return attempt()
    except (LedgerInUse, LedgerTooNew):
        raise
    except LedgerError as error:
        return error
