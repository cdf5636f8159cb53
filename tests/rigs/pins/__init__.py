"""A board of GPIO pins to look at: `Pins` in this process, `PinBoard` for a program that runs in another."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition, Thread
from typing import NamedTuple, Self

ON_PATH = Path(__file__).parent / "onpath"


class Change(NamedTuple):
    """One change of a pin: GPIO number, value (0 to 1, a duty cycle with PWM), frequency (0 without PWM), when (monotonic)."""

    pin: int
    value: float
    hz: float
    at: float


class Pins:
    """The history of all pins."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._history: list[Change] = []
        self._fail_next = False

    @property
    def history(self) -> tuple[Change, ...]:
        """All changes so far, in order."""
        with self._changed:
            return tuple(self._history)

    def of(self, pin: int) -> tuple[Change, ...]:
        """Return the changes of one pin."""
        return tuple(change for change in self.history if change.pin == pin)

    def value(self, pin: int) -> float:
        """Return a pin's value now; a pin that never changed is low."""
        changes = self.of(pin)
        return changes[-1].value if changes else 0.0

    def report(self, pin: int, value: float, hz: float) -> None:
        """Take note of a change, or fail it."""
        with self._changed:
            if self._fail_next:
                self._fail_next = False
                raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
            self._history.append(Change(pin, value, hz, time.monotonic()))
            self._changed.notify_all()

    def fail_next(self) -> None:
        """Let the next change fail as on a chip that went away; only the next, for gpiozero closes forgotten pins again."""
        self._fail_next = True

    def until(self, pin: int, value: float, timeout: float = 30.0) -> None:
        """Wait until the pin has this value."""
        self.until_seen(lambda: self.value(pin) == value, f"GPIO {pin} = {value}", timeout)

    def until_seen(self, seen: Callable[[], bool], what: str, timeout: float = 30.0) -> None:
        """Wait until `seen()` is true, asking after each change; raise TimeoutError otherwise."""
        with self._changed:
            if not self._changed.wait_for(seen, timeout):
                raise TimeoutError(f"{what}: not seen in {timeout} s; history {self._history[-40:]}")


class ContactClock:
    """The clock by which contacts move, in place of `time` in `drivers.gpio`: what bounces is no slower on a busy machine."""

    def __init__(self) -> None:
        self.now = 1.0

    def monotonic(self) -> float:
        """Return the time, in seconds; it passes by hand."""
        return self.now


@contextmanager
def fitted_pins() -> Iterator[Pins]:
    """Give gpiozero pins in this process, none of them in use."""
    from gpiozero import Device

    from tests.rigs.pins.onpath.reported_pins import ReportedFactory

    pins = Pins()
    before, Device.pin_factory = Device.pin_factory, ReportedFactory(pins.report)
    try:
        yield pins
    finally:
        Device.pin_factory = before


class PinBoard(Pins):
    """The pins of another process, which is started with `environment` on top of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._path = folder / "pins.sock"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that give the pins to a program."""
        others = [path for path in [os.environ.get("PYTHONPATH")] if path]
        return {
            "GPIOZERO_PIN_FACTORY": "reported",
            "FIKATAP_PINS_SOCKET": str(self._path),
            "PYTHONPATH": os.pathsep.join([str(ON_PATH), *others]),
        }

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._path))
        self._thread = Thread(target=self._listen, name="pin board")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive():
            self.vanish()

    def vanish(self) -> None:
        """Take the board away: each change of a pin fails from now on."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"", str(self._path))
        self._thread.join()
        self._socket.close()
        self._path.unlink()

    def _listen(self) -> None:
        while message := self._socket.recv(256):
            pin, value, hz = message.split()
            self.report(int(pin), float(value), float(hz))
