"""What each answer looks like at the reader: a colour and a rhythm, so that it is understood without seeing the colour.

Slow flashes mean done, even ones news of an introduction, short ones "your turn", and long ones with short gaps "staff
helps". No light flashes more than three times a second (WCAG 2.2, 2.3.1). The table for people is in docs/signals.md.
"""

from __future__ import annotations

from msgspec import Struct

from kiosk.signals import Signal
from kiosk.values import Colour


class Pattern(Struct, frozen=True):
    """`times` flashes of `on_s` seconds with `off_s` seconds after each."""

    colour: Colour
    times: int
    on_s: float
    off_s: float

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.times * (self.on_s + self.off_s)


PATTERNS: dict[Signal, Pattern] = {
    Signal.WELCOME: Pattern(Colour.GREEN, 1, 3.0, 0.5),
    Signal.WELCOME_NO_BADGE: Pattern(Colour.GREEN, 2, 1.0, 0.5),
    Signal.ALREADY_HERE: Pattern(Colour.WHITE, 1, 1.0, 0.5),
    Signal.GOODBYE: Pattern(Colour.BLUE, 3, 1.0, 0.5),
    Signal.ENROLLED: Pattern(Colour.PURPLE, 2, 2.0, 0.5),
    Signal.INTRODUCED: Pattern(Colour.GREEN, 3, 0.4, 0.4),
    Signal.NOT_YET: Pattern(Colour.WHITE, 2, 0.4, 0.4),
    Signal.NO_MATCH: Pattern(Colour.WHITE, 4, 0.4, 0.4),
    Signal.ONCE_MORE: Pattern(Colour.YELLOW, 3, 0.15, 0.35),
    Signal.USE_CARD: Pattern(Colour.YELLOW, 6, 0.15, 0.35),
    Signal.UNKNOWN_CARD: Pattern(Colour.ORANGE, 5, 0.5, 0.15),
    Signal.BLOCKED_CARD: Pattern(Colour.RED, 7, 0.5, 0.15),
    Signal.TELL_STAFF: Pattern(Colour.RED, 9, 0.5, 0.15),
}

RGB: dict[Colour, tuple[float, float, float]] = {
    Colour.RED: (1, 0, 0),
    Colour.GREEN: (0, 1, 0),
    Colour.BLUE: (0, 0, 1),
    Colour.YELLOW: (1, 0.8, 0),
    Colour.WHITE: (1, 1, 1),
    Colour.ORANGE: (1, 0.3, 0),
    Colour.PURPLE: (0.6, 0, 1),
}
"""Shares of red, green and blue light, 0 to 1."""
