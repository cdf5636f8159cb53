"""Lights on GPIO pins: an LED, a dimmed lamp or an RGB LED for each zone and one by the reader.

Wiring: https://gpiozero.readthedocs.io (LED, PWMLED, RGBLED); docs/signals.md tells what the light by the reader means.
"""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from drivers.errors import DeviceRefused
from drivers.gpio import PIN_NUMBERS, Light
from drivers.lights.patterns import PATTERNS, RGB
from drivers.ports import Lights
from kiosk.signals import Signal
from kiosk.values import Colour, ZoneId

READER = "reader"
"""The name of the light by the reader."""


class Pin(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where one light is, by GPIO number: `led` is on or off, `pwm` goes out softly, `rgb` has red, green and blue.

    `colour` is that of an RGB light of a zone, white when left out; by the reader, the answer chooses it.
    """

    led: int | UnsetType = UNSET
    pwm: int | UnsetType = UNSET
    rgb: tuple[int, int, int] | UnsetType = UNSET
    colour: Colour | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Refuse what no light can be."""
        if sum(way is not UNSET for way in (self.led, self.pwm, self.rgb)) != 1:
            raise ValueError(f"a light is one of led = 17, pwm = 17 or rgb = [5, 6, 13], not {self._given()}")
        for number in self.numbers:
            if number not in PIN_NUMBERS:
                raise ValueError(f"{number} is not a GPIO number; those are {PIN_NUMBERS[0]} to {PIN_NUMBERS[-1]}")
        if self.colour is not UNSET and self.rgb is UNSET:
            raise ValueError(f"colour = '{self.colour}' belongs to a light with rgb = [5, 6, 13], not to {self._given()}")

    def _given(self) -> str:
        ways = {"led": self.led, "pwm": self.pwm, "rgb": None if self.rgb is UNSET else list(self.rgb)}
        return " and ".join(f"{way} = {value}" for way, value in ways.items() if value not in (UNSET, None)) or "nothing"

    @property
    def numbers(self) -> tuple[int, ...]:
        """The GPIO numbers that it takes."""
        if self.rgb is not UNSET:
            return self.rgb
        return tuple(number for number in (self.led, self.pwm) if number is not UNSET)

    @property
    def rgb_value(self) -> tuple[float, float, float]:
        """The shares of red, green and blue in a zone's light."""
        return RGB[Colour.WHITE if self.colour is UNSET else self.colour]


class GpioLights(Lights):
    """Lights on GPIO pins."""

    class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """A light for each zone, by the zone's id, and one by the reader; `active_high` is False where low lights them."""

        zones: dict[str, Pin]
        reader: Pin | None = None
        active_high: bool = True

        def __post_init__(self) -> None:
            """Refuse a pin that is used twice, and names that can't be told apart."""
            if READER in self.zones:
                raise ValueError(f"a zone can't be called '{READER}': that is the light by the reader; choose another id")
            if self.reader is not None and self.reader.colour is not UNSET:
                raise ValueError(
                    f"the light by the reader has no colour of its own, but colour = '{self.reader.colour}'; leave it out"
                )
            taken: dict[int, str] = {}
            for name, pin in self.lights().items():
                for number in pin.numbers:
                    if number in taken:
                        raise ValueError(
                            f"GPIO {number} is used twice, by '{taken[number]}' and '{name}'; give each light its own"
                        )
                    taken[number] = name

        def lights(self) -> dict[str, Pin]:
            """Return all lights by name."""
            return self.zones if self.reader is None else {**self.zones, READER: self.reader}

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lights: dict[str, Light] = {}

    def open(self) -> None:
        """Take the pins, with all lights out."""
        for name, pin in self._settings.lights().items():
            try:
                self._lights[name] = Light(pin.numbers, soft=isinstance(pin.pwm, int), active_high=self._settings.active_high)
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Put the lights out and give the pins back."""
        for light in self._lights.values():
            light.close()
        self._lights.clear()

    def describe(self) -> str:
        """Return which light is on which pin."""
        pins = (f"{name} {'+'.join(map(str, pin.numbers))}" for name, pin in self._settings.lights().items())
        return f"lights on GPIO: {', '.join(pins)}"

    def signal(self, signal: Signal) -> None:
        """Show an answer; without a light by the reader there is nothing to show."""
        if READER in self._lights:
            pattern = PATTERNS[signal]
            self._lights[READER].flash(RGB[pattern.colour], pattern.on_s, pattern.off_s, pattern.times)

    def zone(self, zone: ZoneId, seconds: float) -> None:
        """Light a zone."""
        if zone not in self._settings.zones:
            known = ", ".join(sorted(self._settings.zones)) or "none"
            raise DeviceRefused(f"zone '{zone}' has no light; those with one: {known}")
        self._lights[zone].flash(self._settings.zones[zone].rgb_value, seconds)

    def lit(self) -> frozenset[str]:
        """Return the lights whose pins are active."""
        return frozenset(name for name, light in self._lights.items() if light.on)
