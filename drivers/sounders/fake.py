"""A sounder that a test or the demo listens to: like the real one it takes a tune's time, and it can be unplugged."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Condition

from msgspec import Struct

from drivers.errors import DeviceLost, DeviceMissing
from drivers.ports import Sounder
from drivers.sounders.tunes import TUNES, seconds
from kiosk.signals import Signal


class SounderHand:
    """What somebody in the room hears and does. Safe to use from any thread."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._plugged = True
        self._playing: Signal | None = None
        self._heard: list[Signal] = []

    @property
    def heard(self) -> tuple[Signal, ...]:
        """All tunes so far, the one that plays included."""
        with self._changed:
            return tuple(self._heard)

    @property
    def playing(self) -> Signal | None:
        """The tune that plays now."""
        with self._changed:
            return self._playing

    def unplug(self) -> None:
        """Pull the cable, in the middle of a tune if one plays."""
        with self._changed:
            self._plugged = False
            self._changed.notify_all()

    def plug(self) -> None:
        """Put the cable back."""
        with self._changed:
            self._plugged = True
            self._changed.notify_all()

    def until(self, heard: Callable[[SounderHand], bool], timeout: float = 5.0) -> None:
        """Wait until `heard` is true of this hand; raise TimeoutError after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: heard(self), timeout):
                raise TimeoutError(f"not heard in {timeout} s; heard {self._heard}")

    # What the sounder does to the room:

    def check(self, missing: type[DeviceMissing | DeviceLost]) -> None:
        """Raise when the cable is out."""
        with self._changed:
            if not self._plugged:
                raise missing("the sounder is unplugged; plug it in")

    def sound(self, signal: Signal) -> None:
        """Play a tune to its end."""
        with self._changed:
            self.check(DeviceLost)
            self._heard.append(signal)
            self._playing = signal
            self._changed.notify_all()
            end = time.monotonic() + seconds(TUNES[signal])
            try:
                while (left := end - time.monotonic()) > 0:
                    self._changed.wait(left)
                    self.check(DeviceLost)
            finally:
                self._playing = None
                self._changed.notify_all()


_HANDS: dict[str, SounderHand] = {}


class FakeSounder(Sounder):
    """A sounder in the air."""

    class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """Which hand this sounder plays to."""

        name: str = "fake"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._hand = self.hand(settings.name)

    @staticmethod
    def hand(name: str = "fake") -> SounderHand:
        """Return the hand of that name; the same one each time."""
        return _HANDS.setdefault(name, SounderHand())

    def open(self) -> None:
        """Take the sounder."""
        self._hand.check(DeviceMissing)

    def close(self) -> None:
        """Give it back; a tune has ended by then."""

    def describe(self) -> str:
        """Say that this is no sounder."""
        return f"simulated sounder '{self._settings.name}'"

    def play(self, signal: Signal) -> None:
        """Play the tune to its end."""
        self._hand.sound(signal)
