"""A card reader without a reader: a test, or the person at the demo's keyboard, is the hand that lays cards on it."""

from __future__ import annotations

import time
from collections import deque
from threading import Condition

from msgspec import Struct
from msgspec.structs import replace

from drivers.errors import DeviceError, DeviceLost, DeviceMissing
from drivers.ports import CardReader, PresentedCard, TornRead


class ReaderHand:
    """What somebody at the door does. Safe to use from any thread."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._plugged = True
        self._hung = False
        self._ailment: DeviceError | None = None
        self._openings = 0
        """Counts openings and pulled plugs: a reader opened before the last of them is dead."""
        self._lying: PresentedCard | None = None
        self._coming: deque[PresentedCard | TornRead] = deque()
        self._waiting = False

    def touch(self, card: PresentedCard) -> None:
        """Lay a card on the reader, in place of the one that lies there."""
        with self._changed:
            self._lying = card
            self._come(card)

    def lift(self) -> None:
        """Take the card away."""
        with self._changed:
            self._lying = None

    def tap(self, card: PresentedCard) -> None:
        """Lay a card on the reader and take it away once it was read."""
        with self._changed:
            self._lying = None
            self._come(card)

    def tear(self) -> None:
        """Take a card away before it was read."""
        with self._changed:
            self._lying = None
            self._come(TornRead())

    def unplug(self) -> None:
        """Pull the reader's cable."""
        with self._changed:
            self._plugged = False
            self._openings += 1
            self._changed.notify_all()

    def plug(self) -> None:
        """Put the cable back; the reader has to be opened again."""
        with self._changed:
            self._plugged = True

    def hang(self) -> None:
        """Let every call block, past any deadline, until `resume`."""
        with self._changed:
            self._hung = True
            self._changed.notify_all()

    def resume(self) -> None:
        """Let the calls go on."""
        with self._changed:
            self._hung = False
            self._changed.notify_all()

    def ail(self, ailment: DeviceError) -> None:
        """Let every call raise this, until `recover`."""
        with self._changed:
            self._ailment = ailment
            self._changed.notify_all()

    def recover(self) -> None:
        """Let the calls work again."""
        with self._changed:
            self._ailment = None

    def until_waited_for(self, timeout: float = 5.0) -> None:
        """Wait until all cards were taken and the next is waited for; raise TimeoutError after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting and not self._coming, timeout):
                raise TimeoutError(f"nobody waited for a card in {timeout} s; {len(self._coming)} not taken")

    def _come(self, card: PresentedCard | TornRead) -> None:
        self._coming.append(card)
        self._changed.notify_all()

    # What the reader notices:

    def opened(self) -> int:
        """Start afresh with what lies there, and return the number of this opening."""
        with self._changed:
            self._changed.wait_for(lambda: not self._hung)
            if not self._plugged:
                raise DeviceMissing("the card reader is unplugged; plug it in")
            if self._ailment is not None:
                raise self._ailment
            self._openings += 1
            # Whoever came while the reader was closed was not seen by anybody.
            self._coming.clear()
            if self._lying is not None:
                self._come(replace(self._lying, lying=True))
            return self._openings

    def next(self, opening: int, timeout: float) -> PresentedCard | TornRead | None:
        """Wait for what comes next, on behalf of an opening."""
        deadline = time.monotonic() + timeout
        with self._changed:
            self._waiting = True
            self._changed.notify_all()
            try:
                while self._hung or (opening == self._openings and not self._coming and self._ailment is None):
                    left = deadline - time.monotonic()
                    if not self._hung and left <= 0:
                        return None
                    self._changed.wait(None if self._hung else left)
                if opening != self._openings:
                    raise DeviceLost("the card reader was unplugged; plug it in")
                if self._ailment is not None:
                    raise self._ailment
                return self._coming.popleft()
            finally:
                self._waiting = False


_HANDS: dict[str, ReaderHand] = {}


class FakeReader(CardReader):
    """A card reader in the air."""

    class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """Which hand lays the cards."""

        name: str = "fake"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._hand = self.hand(settings.name)
        self._opening = -1

    @staticmethod
    def hand(name: str = "fake") -> ReaderHand:
        """Return the hand of that name; the same one each time."""
        return _HANDS.setdefault(name, ReaderHand())

    def open(self) -> None:
        """Take the reader."""
        self._opening = self._hand.opened()

    def close(self) -> None:
        """Leave the reader."""
        self._opening = -1

    def describe(self) -> str:
        """Say that this is no reader."""
        return f"simulated card reader '{self._settings.name}'"

    def wait_for_card(self, timeout: float) -> PresentedCard | TornRead | None:
        """Wait for the hand."""
        return self._hand.next(self._opening, timeout)
