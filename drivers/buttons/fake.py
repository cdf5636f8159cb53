"""Buttons that a test or the demo presses: like the real ones they can be held down, and unplugged."""

from __future__ import annotations

from collections import deque
from threading import Condition

from msgspec import Struct

from drivers.errors import DeviceLost, DeviceMissing, DeviceRefused
from drivers.ports import Buttons
from kiosk.values import Mood


class ButtonsHand:
    """Who presses. Safe to use from any thread."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._plugged = True
        self._open = False
        self._down: set[Mood] = set()
        self._presses: deque[Mood] = deque()
        self._waits = 0

    def press(self, mood: Mood) -> None:
        """Push a button and let it go."""
        self.hold(mood)
        self.let_go(mood)

    def hold(self, mood: Mood) -> None:
        """Push a button and keep it down: one press, while the buttons are open."""
        with self._changed:
            if mood not in self._down and self._open and self._plugged:
                self._presses.append(mood)
            self._down.add(mood)
            self._changed.notify_all()

    def let_go(self, mood: Mood) -> None:
        """Let a button go."""
        with self._changed:
            self._down.discard(mood)
            self._changed.notify_all()

    def unplug(self) -> None:
        """Pull the cable."""
        with self._changed:
            self._plugged = False
            self._changed.notify_all()

    def plug(self) -> None:
        """Put the cable back."""
        with self._changed:
            self._plugged = True
            self._changed.notify_all()

    def until_waited_for(self, timeout: float = 5.0) -> None:
        """Wait until somebody waits for a press; raise TimeoutError after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._waits > 0, timeout):
                raise TimeoutError(f"nobody waits for a press in {timeout} s")

    # What the buttons do with it:

    def take(self) -> None:
        """Let presses count from now on."""
        with self._changed:
            if not self._plugged:
                raise DeviceMissing("the buttons are unplugged; plug them in")
            if self._down:
                raise DeviceRefused(f"held down: {', '.join(sorted(self._down))}; let go")
            self._open = True

    def give_back(self) -> None:
        """Let presses count no more."""
        with self._changed:
            self._open = False
            self._presses.clear()

    def wait(self, timeout: float) -> Mood | None:
        """Wait for a press."""
        with self._changed:
            self._waits += 1
            self._changed.notify_all()
            try:
                self._changed.wait_for(lambda: self._presses or not self._plugged, timeout)
            finally:
                self._waits -= 1
            if not self._plugged:
                raise DeviceLost("the buttons are unplugged; plug them in")
            return self._presses.popleft() if self._presses else None


_HANDS: dict[str, ButtonsHand] = {}


class FakeButtons(Buttons):
    """Buttons in the air."""

    class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """Whose hand presses these buttons."""

        name: str = "fake"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._hand = self.hand(settings.name)

    @staticmethod
    def hand(name: str = "fake") -> ButtonsHand:
        """Return the hand of that name; the same one each time."""
        return _HANDS.setdefault(name, ButtonsHand())

    def open(self) -> None:
        """Take the buttons."""
        self._hand.take()

    def close(self) -> None:
        """Give them back."""
        self._hand.give_back()

    def describe(self) -> str:
        """Say that these are no buttons."""
        return f"simulated buttons '{self._settings.name}'"

    def wait_for_press(self, timeout: float) -> Mood | None:
        """Wait for the hand."""
        return self._hand.wait(timeout)
