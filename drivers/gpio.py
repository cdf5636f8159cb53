"""Lights, a buzzer and buttons on the GPIO pins of a Raspberry Pi, through gpiozero 2 (https://gpiozero.readthedocs.io).

Pins go by their Broadcom (GPIO) numbers. gpiozero tries four pin libraries and ends with an experimental one that writes to
registers; here it is lgpio, or the one that the environment variable GPIOZERO_PIN_FACTORY names, and none is fallen back to.
"""

from __future__ import annotations

import atexit
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from tempfile import mkdtemp
from threading import Lock
from typing import Any

from drivers.errors import ConfigError, DeviceLost, DeviceMissing

PIN_NUMBERS = range(28)
"""The GPIO numbers of the 40-pin header."""

BOUNCE_S = 0.02
"""How long the contacts of a cheap button may open and close again, both when it is pushed and when it is let go."""

_FADE_S = 0.5
_choosing = Lock()


def _gpiozero() -> Any:
    """Return gpiozero with its pin library chosen; lights and sounder open in different threads, and one chooses for both."""
    import gpiozero

    with _choosing:
        if gpiozero.Device.pin_factory is None:
            if "GPIOZERO_PIN_FACTORY" in os.environ:
                gpiozero.Device.ensure_pin_factory()
            else:
                _make_room()
                from gpiozero.pins.lgpio import LGPIOFactory

                gpiozero.Device.pin_factory = LGPIOFactory()
    return gpiozero


def _make_room() -> None:
    """Name a folder for the pipe that lgpio makes where it is imported: the current one may be another's (gpiozero#1106)."""
    if "LG_WD" not in os.environ:
        os.environ["LG_WD"] = folder = mkdtemp(prefix="fikatap-pins-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


@contextmanager
def _opening(what: str) -> Iterator[Any]:
    # The pin libraries raise OSError, lgpio.error, RuntimeError and gpiozero's own: all of them mean that it can't be had.
    try:
        gpiozero = _gpiozero()
        try:
            yield gpiozero
        except (gpiozero.exc.PinInvalidPin, gpiozero.exc.PinPWMUnsupported) as error:
            raise ConfigError(f"{what} can't be used on this board: {error}") from error
    except ConfigError:
        raise
    except Exception as error:
        raise DeviceMissing(f"{what} can't be opened: {error}") from error


@contextmanager
def _using(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # each pin library raises errors of its own
        raise DeviceLost(f"{what} went away: {error}") from error


class Light:
    """One lamp: on one pin, on one dimmed pin (it goes out softly), or on three pins for red, green and blue."""

    def __init__(self, pins: tuple[int, ...], *, soft: bool, active_high: bool) -> None:
        self._what = f"the light on GPIO {', '.join(map(str, pins))}"
        self._coloured = len(pins) == 3
        self._soft = soft
        with _opening(self._what) as gpiozero:
            kind = gpiozero.RGBLED if self._coloured else gpiozero.PWMLED if soft else gpiozero.LED
            self._lamp = kind(*pins, active_high=active_high)

    def flash(self, colour: tuple[float, float, float], on_s: float, off_s: float = 0, times: int = 1) -> None:
        """Flash so often, beginning now and in place of what was before; returns at once."""
        with _using(self._what):
            # It is on when this returns; gpiozero's thread takes it from there.
            if self._coloured:
                self._lamp.value = colour
                self._lamp.blink(on_s, off_s, on_color=colour, n=times)
            elif self._soft:
                fade_s = min(_FADE_S, on_s / 3)
                self._lamp.on()
                self._lamp.blink(on_s - fade_s, off_s, fade_out_time=fade_s, n=times)
            else:
                self._lamp.on()
                self._lamp.blink(on_s, off_s, n=times)

    @property
    def on(self) -> bool:
        """Whether it gives light now."""
        with _using(self._what):
            return bool(self._lamp.is_active)

    def close(self) -> None:
        """Put it out and free its pins; never raises."""
        with suppress(Exception):
            self._lamp.close()


class Buzzer:
    """A passive piezo buzzer on one pin, C4 to C8."""

    def __init__(self, pin: int) -> None:
        self._what = f"the sounder on GPIO {pin}"
        with _opening(self._what) as gpiozero:
            self._buzzer = gpiozero.TonalBuzzer(pin, mid_tone=gpiozero.tones.Tone("C6"), octaves=2)
            self._tone = gpiozero.tones.Tone.from_frequency

    def sound(self, hz: float) -> None:
        """Begin to sound."""
        with _using(self._what):
            self._buzzer.play(self._tone(hz))

    def silence(self) -> None:
        """Stop sounding."""
        with _using(self._what):
            self._buzzer.stop()

    def close(self) -> None:
        """Stop and free the pin; never raises."""
        with suppress(Exception):
            self._buzzer.close()


class Push:
    """A push button between a pin and ground; `pressed` is called once for each press, in a thread of the pin library."""

    def __init__(self, pin: int, pressed: Callable[[], None]) -> None:
        self._what = f"the button on GPIO {pin}"
        self._pressed = pressed
        self._moved_at = -BOUNCE_S
        with _opening(self._what) as gpiozero:
            # The pin library leaves out shorter spikes; what bounces all the same, whichever library it is, is left out here.
            self._button = gpiozero.Button(pin, pull_up=True, bounce_time=BOUNCE_S)
            self._button.when_pressed = self._went_down
            self._button.when_released = self._moves

    def _went_down(self) -> None:
        if self._moves() >= BOUNCE_S:
            self._pressed()

    def _moves(self) -> float:
        """Note that the contact moved; return how long it had been at rest before, in seconds."""
        before, self._moved_at = self._moved_at, time.monotonic()
        return self._moved_at - before

    @property
    def down(self) -> bool:
        """Whether it is down now."""
        with _using(self._what):
            return bool(self._button.is_pressed)

    def close(self) -> None:
        """Free its pin; never raises."""
        with suppress(Exception):
            self._button.close()
