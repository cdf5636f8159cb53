"""The shut door: as long as ledger or key can't be opened, whoever taps is sent to staff, and opening is tried again.

Screen and desk are told why; commands that need the ledger are refused, or carried out by whoever asks (`open_office`).
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable
from typing import Any, TypeVar

from drivers.errors import ConfigError, DeviceMissing
from firmware_py.clock import Clock
from firmware_py.database import LedgerError, LedgerInUse, LedgerTooNew
from firmware_py.keys import VenueKeyError
from firmware_py.office import CommandError
from firmware_py.recovery import CopiesAway, LedgerLost
from firmware_py.terminal.control import Changed, Command, ControlClient, ControlSocket, HungUp, NotRunning
from firmware_py.terminal.faults import faults
from firmware_py.terminal.lanes import CardRead, Lane, LaneCrashed, LaneDown, LaneUp, Report
from firmware_py.terminal.loop import LIGHTS, SOUNDER, answering_lanes
from firmware_py.terminal.notify import Notifier
from firmware_py.terminal.scene import scene
from firmware_py.terminal.status import status
from firmware_py.terminal.supervise import Supervisor
from firmware_py.wiring import Wiring
from kiosk.door import DoorState, step
from kiosk.effects import Answer
from kiosk.events import CommitFailed
from kiosk.screen import shown
from kiosk.values import CardId

log = logging.getLogger("fikatap")

T = TypeVar("T")
Reason = LedgerError | VenueKeyError

TRY_EVERY_MS = 2_000
LOOK_EVERY_S = 0.5
"""How often devices and the watchdog are looked at when nobody taps."""
END_OF_LANES_S = 0.6
CONNECTS_WITHIN_S = 1.0
"""Of a socket that may be another terminal's."""


class ShutDoor:
    """A door with readers, lights and sounder, and nothing behind it. `stop` may be called from any thread."""

    def __init__(self, wiring: Wiring, clock: Clock, notifier: Notifier) -> None:
        self._wiring = wiring
        self._clock = clock
        self._notifier = notifier
        self._inbox: queue.SimpleQueue[Report | Command | HungUp | None] = queue.SimpleQueue()
        self._state = DoorState(house=wiring.house(""))
        self._told = ""
        self._reason = "no_storage"
        """The key of why it is shut, as in `status.<key>`."""
        self._watchers: list[Command] = []
        self._stood: object = None
        # No card is looked up, so that no key is needed.
        lanes = answering_lanes(wiring.config, lambda _: CardId(""), self._inbox.put, Lane)
        self._supervisor = Supervisor(
            lanes, feed=lambda _: None, went_down=lambda *_: None, restart=lambda _: False, now_ms=clock.now().boot_ms
        )

    def stop(self) -> None:
        """Ask it to end."""
        self._inbox.put(None)

    def until_opened(self, attempt: Callable[[], T], error: Reason) -> T | None:
        """Stay shut because of `error` until `attempt` returns what is behind the door; None when stopped before that.

        What waiting does not mend, and what a lane raises that is not its device's fault, is raised here.
        """
        self._supervisor.start()
        control: ControlSocket | None = None
        try:
            control = self._listen()
            self._notifier.ready()
            self._tell(error)
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
                    self._take(report)
                now_ms = self._clock.now().boot_ms
                self._supervisor.look_after(now_ms)
                self._say_changed()
                if now_ms - tried_ms >= TRY_EVERY_MS:
                    tried_ms = now_ms
                    try:
                        found = attempt()
                    except LedgerTooNew:
                        raise
                    except LedgerInUse:
                        pass  # somebody is just mending it
                    except (LedgerError, VenueKeyError) as why:
                        self._tell(why)
                    else:
                        log.info("the door is open")
                        return found
        finally:
            if control is not None:
                control.close()
            self._supervisor.stop(END_OF_LANES_S)

    def _listen(self) -> ControlSocket | None:
        """Open the control socket, so that screen and desk can say what is wrong; None where another terminal has it.

        Without the ledger nothing else says that no other one runs. Where the socket cannot be made visitors are told all the
        same; a door that opens says what is wrong with it.
        """
        path = self._wiring.config.control.socket
        try:
            ControlClient(path, CONNECTS_WITHIN_S).close()
        except NotRunning:
            control = ControlSocket(path, self._inbox.put)
            try:
                control.open()
            except ConfigError:
                return None
            return control
        except CommandError:
            pass
        return None

    def _take(self, message: Report | Command | HungUp) -> None:
        match message:
            case Report():
                self._hear(message)
            case HungUp(client):
                self._watchers = [watcher for watcher in self._watchers if watcher.client is not client]
            case Command(name="watch"):
                self._watchers.append(message)
                message.client.answered()
            case Command():
                self._answer(message)

    def _answer(self, command: Command) -> None:
        """Tell how things stand; what needs the ledger is refused."""
        now = self._clock.now()
        match command.name:
            case "status":
                told = status(self._state, self._supervisor, self._wiring, None, now, stores=False)
                command.answer({**told, "line": self._words(), "shut": self._reason})
            case "scene":
                command.answer({**scene(self._state, self._supervisor, self._wiring, now, stores=False), "line": self._words()})
            case "visits.list":
                command.answer([])
            case "faults.list":
                command.answer(faults(now, self._supervisor.faults))
            case _:
                command.fail(f"the door is shut: {self._told}")

    def _words(self) -> str:
        return self._wiring.texts.say(self._wiring.language, f"status.{self._reason}")

    def _say_changed(self) -> None:
        """Tell watchers when there is something else to be seen."""
        stands = self._told, [each.health for each in self._supervisor.watched.values()]
        if stands != self._stood:
            self._stood = stands
            for watcher in self._watchers:
                watcher.observe(Changed())

    def _tell(self, error: Reason) -> None:
        """Say why it is shut, each reason once."""
        if str(error) == self._told:
            return
        self._told = str(error)
        log.error("the door is shut, check-ins are refused: %s", error)
        match error:
            case VenueKeyError():
                self._reason = "no_key"
            case LedgerLost():
                self._reason = "no_ledger"
            case CopiesAway():
                self._reason = "no_copies"
            case _:
                self._reason = "no_storage"
        self._notifier.status(self._words())

    def _hear(self, report: Report) -> None:
        if not self._supervisor.is_current(report.lane, report.generation):
            return
        now = self._clock.now()
        match report.item:
            case LaneUp(what):
                self._supervisor.up(report.lane, what, now.boot_ms)
            case LaneDown(error):
                self._supervisor.down(report.lane, error, now.boot_ms)
            case LaneCrashed(ConfigError() as error) if self._supervisor.is_coming_back(report.lane):
                # It was open before, so the configuration is right: another device was plugged in.
                self._supervisor.down(report.lane, DeviceMissing(str(error)), now.boot_ms)
            case LaneCrashed(error):
                raise error
            case item:
                self._refuse(item)

    def _refuse(self, item: Any) -> None:
        """Send whoever stands there to staff."""
        reader = item.reader if isinstance(item, CardRead) else getattr(item, "reader", None)
        before, now = self._state, self._clock.now()
        self._state, effects = step(before, CommitFailed(reader), now)
        for effect in effects:
            if isinstance(effect, Answer):
                self._supervisor.submit(LIGHTS, effect)
                self._supervisor.submit(SOUNDER, effect)
                for watcher in self._watchers:
                    watcher.observe(shown(before, self._state, effects, effect, now))


def open_sometime(
    attempt: Callable[[], T], door: Callable[[], ShutDoor], on_stop: Callable[[Callable[[], None]], None]
) -> T | None:
    """Return what is behind the door as soon as it can be opened, with a shut door until then; None when that was stopped.

    A ledger that another program holds is not waited for: a second terminal would take the first one's devices.
    """
    try:
        return attempt()
    except (LedgerInUse, LedgerTooNew):
        raise
    except (LedgerError, VenueKeyError) as error:
        found: Reason = error
    shut = door()
    on_stop(shut.stop)
    return shut.until_opened(attempt, found)
