"""What the terminal says to the person at the door: the kinds of answer, each with a light, a sound and words of its own."""

from __future__ import annotations

from enum import StrEnum


class Signal(StrEnum):
    """One answer; the words are in the texts under `answer.<value>`, lights and sounds are the drivers'."""

    WELCOME = "welcome"
    """Checked in; the badge comes."""
    WELCOME_NO_BADGE = "welcome_no_badge"
    """Checked in; the printer can't print now: follow the light, the badge comes later or not at all."""
    ALREADY_HERE = "already_here"
    """Tapped again during a visit: nothing changed."""
    GOODBYE = "goodbye"
    """Checked out."""
    INTRODUCED = "introduced"
    """Someone to meet was found: the zone lights."""
    NOT_YET = "not_yet"
    """Nobody suitable here yet: first in line."""
    NO_MATCH = "no_match"
    """Matching did not answer in time: a badge with a general starter."""
    UNKNOWN_CARD = "unknown_card"
    """A card that nobody has: staff helps."""
    BLOCKED_CARD = "blocked_card"
    """A card that was blocked: staff helps."""
    USE_CARD = "use_card"
    """A phone or a random UID: hold the card, not the phone."""
    ONCE_MORE = "once_more"
    """The card was taken away too soon: once more, please."""
    TELL_STAFF = "tell_staff"
    """Nothing could be stored: please tell staff."""
    ENROLLED = "enrolled"
    """The card now belongs to the member that staff chose."""
