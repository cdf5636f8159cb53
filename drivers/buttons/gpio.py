"""Push buttons between GPIO pins and ground, held up by the chip's own resistors.

Wiring: https://gpiozero.readthedocs.io (Button); docs/wiring.md tells which pins are free.
"""

from __future__ import annotations

import queue
from functools import partial

from msgspec import Struct

from drivers.errors import DeviceRefused
from drivers.gpio import PIN_NUMBERS, Push
from drivers.ports import Buttons
from kiosk.values import Mood


class GpioButtons(Buttons):
    """Up to three buttons on GPIO pins."""

    class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """The GPIO number of each mood's button; None where there is none."""

        introduce: int | None = None
        group: int | None = None
        coffee: int | None = None

        def __post_init__(self) -> None:
            """Refuse a number that no pin has, a pin that is used twice, and no button at all."""
            pins = self.pins()
            if not pins:
                raise ValueError(f"there is no button; give at least one its pin, like {Mood.INTRODUCE} = 22")
            for mood, pin in pins.items():
                if pin not in PIN_NUMBERS:
                    raise ValueError(f"{pin} is not a GPIO number; those are {PIN_NUMBERS[0]} to {PIN_NUMBERS[-1]}")
                if list(pins.values()).count(pin) > 1:
                    raise ValueError(f"GPIO {pin} is used twice, by '{mood}' and another; give each button its own")

        def pins(self) -> dict[Mood, int]:
            """Return the pins of the buttons that are there."""
            wired = {Mood.INTRODUCE: self.introduce, Mood.GROUP: self.group, Mood.COFFEE: self.coffee}
            return {mood: pin for mood, pin in wired.items() if pin is not None}

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pushes: dict[Mood, Push] = {}
        self._pressed: queue.SimpleQueue[Mood] = queue.SimpleQueue()

    def open(self) -> None:
        """Take the pins; refuse while one of the buttons is down."""
        try:
            for mood, pin in self._settings.pins().items():
                self._pushes[mood] = Push(pin, partial(self._pressed.put, mood))
            self._refuse_stuck()
        except BaseException:
            self.close()
            raise

    def _refuse_stuck(self) -> None:
        stuck = [f"{mood} (GPIO {self._settings.pins()[mood]})" for mood, push in self._pushes.items() if push.down]
        if stuck:
            raise DeviceRefused(f"held down, or short-circuited to ground: {', '.join(stuck)}; let go, or look at the wires")

    def close(self) -> None:
        """Give the pins back."""
        for push in self._pushes.values():
            push.close()
        self._pushes.clear()

    def describe(self) -> str:
        """Return which button is on which pin."""
        return f"buttons on GPIO: {', '.join(f'{mood} {pin}' for mood, pin in self._settings.pins().items())}"

    def wait_for_press(self, timeout: float) -> Mood | None:
        """Wait for one, after seeing that the pins can still be read."""
        for push in self._pushes.values():
            _ = push.down
        try:
            return self._pressed.get(timeout=timeout)
        except queue.Empty:
            return None
