"""Lights that a test or the demo looks at: like the real ones, they flash, go out by themselves, and can be unplugged."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Condition

from msgspec import Struct

from drivers.errors import DeviceLost, DeviceMissing, DeviceRefused
from drivers.lights.patterns import PATTERNS, Pattern
from drivers.ports import Lights
from kiosk.signals import Signal
from kiosk.values import Colour, ZoneId

READER = "reader"


class LightsHand:
    """What somebody in the room sees and does. Safe to use from any thread."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._plugged = True
        self._shown: dict[str, tuple[float, Pattern]] = {}
        self._signals: list[Signal] = []
        self._zones: list[tuple[str, float]] = []

    @property
    def signals(self) -> tuple[Signal, ...]:
        """All answers shown at the reader so far."""
        with self._changed:
            return tuple(self._signals)

    @property
    def zones(self) -> tuple[tuple[str, float], ...]:
        """All zones lit so far, each with its seconds."""
        with self._changed:
            return tuple(self._zones)

    def lit(self) -> frozenset[str]:
        """Return the names of the lights that are on now."""
        return frozenset(self.shining())

    def shining(self) -> dict[str, Colour]:
        """Return the lights that are on now, each with its colour; a zone's light is white, whatever lampshade it has."""
        with self._changed:
            now = time.monotonic()
            return {name: shown[1].colour for name, shown in self._shown.items() if _is_on(*shown, now)}

    @property
    def shows(self) -> Signal | None:
        """The answer that the reader's light shows now, the dark between its flashes included."""
        with self._changed:
            shown = self._shown.get(READER)
            return self._signals[-1] if shown is not None and time.monotonic() - shown[0] < shown[1].seconds else None

    def unplug(self) -> None:
        """Pull the lights' cable: they go out."""
        with self._changed:
            self._plugged = False
            self._shown.clear()
            self._changed.notify_all()

    def plug(self) -> None:
        """Put the cable back."""
        with self._changed:
            self._plugged = True
            self._changed.notify_all()

    def until(self, seen: Callable[[LightsHand], bool], timeout: float = 5.0) -> None:
        """Wait until `seen` is true of this hand; raise TimeoutError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not seen(self):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"not seen in {timeout} s; lit {sorted(self.lit())}, {self._signals}, {self._zones}")
                self._changed.wait(min(left, self._next_change()))

    def _next_change(self) -> float:
        now = time.monotonic()
        return min((_until_change(*shown, now) for shown in self._shown.values()), default=60.0)

    # What the lights do to the room:

    def check(self, missing: type[DeviceMissing | DeviceLost]) -> None:
        """Raise when the cable is out."""
        with self._changed:
            if not self._plugged:
                raise missing("the lights are unplugged; plug them in")

    def show(self, name: str, pattern: Pattern, said: Signal | float) -> None:
        """Flash a light; `said` is the answer or the zone's seconds."""
        with self._changed:
            self._shown[name] = (time.monotonic(), pattern)
            if isinstance(said, Signal):
                self._signals.append(said)
            else:
                self._zones.append((name, said))
            self._changed.notify_all()

    def out(self) -> None:
        """Put all lights out."""
        with self._changed:
            self._shown.clear()
            self._changed.notify_all()


def _is_on(began: float, pattern: Pattern, now: float) -> bool:
    gone = now - began
    return gone < pattern.seconds and gone % (pattern.on_s + pattern.off_s) < pattern.on_s


def _until_change(began: float, pattern: Pattern, now: float) -> float:
    gone = now - began
    if gone >= pattern.seconds:
        return 60.0
    phase = gone % (pattern.on_s + pattern.off_s)
    # A millisecond more, so that who wakes is surely past the change.
    return (pattern.on_s if phase < pattern.on_s else pattern.on_s + pattern.off_s) - phase + 0.001


_HANDS: dict[str, LightsHand] = {}


class FakeLights(Lights):
    """Lights in the air."""

    class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """Which hand these lights show to, and which zones have one (every zone when left out)."""

        name: str = "fake"
        zones: tuple[str, ...] | None = None

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._hand = self.hand(settings.name)

    @staticmethod
    def hand(name: str = "fake") -> LightsHand:
        """Return the hand of that name; the same one each time."""
        return _HANDS.setdefault(name, LightsHand())

    def open(self) -> None:
        """Take the lights, all out."""
        self._hand.check(DeviceMissing)

    def close(self) -> None:
        """Put the lights out."""
        self._hand.out()

    def describe(self) -> str:
        """Say that these are no lights."""
        return f"simulated lights '{self._settings.name}'"

    def signal(self, signal: Signal) -> None:
        """Show an answer."""
        self._hand.check(DeviceLost)
        self._hand.show(READER, PATTERNS[signal], signal)

    def zone(self, zone: ZoneId, seconds: float) -> None:
        """Light a zone."""
        self._hand.check(DeviceLost)
        if self._settings.zones is not None and zone not in self._settings.zones:
            raise DeviceRefused(f"zone '{zone}' has no light; those with one: {', '.join(self._settings.zones) or 'none'}")
        self._hand.show(zone, Pattern(Colour.WHITE, 1, seconds, 0), seconds)

    def lit(self) -> frozenset[str]:
        """Return the lights that are on now."""
        self._hand.check(DeviceLost)
        return self._hand.lit()
