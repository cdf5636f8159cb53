"""A passive piezo buzzer on a GPIO pin.

Wiring: https://gpiozero.readthedocs.io (TonalBuzzer); docs/signals.md tells what the tunes mean.
"""

from __future__ import annotations

import time

from msgspec import Struct

from drivers.gpio import PIN_NUMBERS, Buzzer
from drivers.ports import Sounder
from drivers.sounders.tunes import REST_S, TUNES
from kiosk.signals import Signal


class GpioSounder(Sounder):
    """A buzzer on a GPIO pin."""

    class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """The GPIO number of the buzzer's pin."""

        pin: int

        def __post_init__(self) -> None:
            """Refuse a number that no pin has."""
            if self.pin not in PIN_NUMBERS:
                raise ValueError(f"{self.pin} is not a GPIO number; those are {PIN_NUMBERS[0]} to {PIN_NUMBERS[-1]}")

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._buzzer: Buzzer | None = None

    def open(self) -> None:
        """Take the pin, silent."""
        self._buzzer = Buzzer(self._settings.pin)

    def close(self) -> None:
        """Be silent and give the pin back."""
        if self._buzzer is not None:
            self._buzzer.close()
            self._buzzer = None

    def describe(self) -> str:
        """Return which pin."""
        return f"sounder on GPIO {self._settings.pin}"

    def play(self, signal: Signal) -> None:
        """Play note by note."""
        assert self._buzzer is not None, "play() before open()"  # noqa: S101 - our own mistake, not the device's
        for note in TUNES[signal]:
            self._buzzer.sound(note.hz)
            time.sleep(note.seconds)
            self._buzzer.silence()
            time.sleep(REST_S)
