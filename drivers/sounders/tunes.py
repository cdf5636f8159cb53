"""What each answer sounds like: a tune of at most a second, told from all others by its shape alone.

Up means yes, down means no or goodbye. The table for people is in docs/signals.md.
"""

from __future__ import annotations

from msgspec import Struct

from kiosk.signals import Signal

REST_S = 0.03
"""The silence after each note, without which two equal notes are one."""

C5, G5, C6, D6, E6, G6, C7 = 523.25, 783.99, 1046.50, 1174.66, 1318.51, 1567.98, 2093.00


class Note(Struct, frozen=True):
    """One note: its frequency and length."""

    hz: float
    seconds: float


Tune = tuple[Note, ...]


def seconds(tune: Tune) -> float:
    """Return how long a tune lasts, rests included."""
    return sum(note.seconds + REST_S for note in tune)


def _tune(length: float, *tones: float) -> Tune:
    """Return the tones in equal steps of `length` seconds, the last one twice as long: an ear waits for an end."""
    *first, last = tones
    return (*(Note(hz, length) for hz in first), Note(last, 2 * length))


TUNES: dict[Signal, Tune] = {
    Signal.WELCOME: _tune(0.12, G5, C6, E6),
    Signal.WELCOME_NO_BADGE: _tune(0.12, G5, C6, G5),
    Signal.ALREADY_HERE: _tune(0.12, C6, C6),
    Signal.GOODBYE: _tune(0.12, E6, C6, G5),
    Signal.ENROLLED: _tune(0.12, G5, G5, C6),
    Signal.INTRODUCED: _tune(0.12, C6, E6, G6, C7),
    Signal.NOT_YET: _tune(0.25, C6, D6),
    Signal.NO_MATCH: _tune(0.25, D6, C6),
    Signal.ONCE_MORE: _tune(0.12, E6, E6, E6),
    Signal.USE_CARD: _tune(0.12, E6, G6, E6, G6),
    Signal.UNKNOWN_CARD: _tune(0.15, E6, E6, C6),
    Signal.BLOCKED_CARD: _tune(0.3, C5),
    Signal.TELL_STAFF: _tune(0.15, C6, G5, C6, G5),
}
