"""What a café has decided and owns: its rules, zones, words and lists, handed to the door as one value."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from kiosk.texts import Texts
from kiosk.values import Language, Now, Zone, ZoneId
from kiosk.vocabulary import Vocabulary

MINUTES_A_DAY = 24 * 60


class Rules(Struct, frozen=True, kw_only=True):
    """The door's durations, in milliseconds of boot time, and when the café's day ends."""

    double_tap_ms: int = 3_000
    """The same card within this time is the same tap."""
    checkout_after_ms: int = 600_000
    """A tap this long after the check-in is a check-out."""
    badge_fresh_ms: int = 300_000
    """A badge that could not be printed for so long is not printed any more."""
    max_stay_ms: int = 43_200_000
    """A visit ends by itself after this."""
    light_ms: int = 20_000
    """How long a zone stays lit for one visitor."""
    match_deadline_ms: int = 800
    """How long matching may take."""
    enrol_ms: int = 60_000
    """How long staff's next card is waited for."""
    closes_minute: int = 4 * 60
    """The minute of the local day at which visits end."""


class House(Struct, frozen=True, kw_only=True):
    """All that the door is told beforehand. `prefix` makes ids unique: terminal and ledger incarnation."""

    prefix: str
    language: Language
    texts: Texts
    vocabulary: Vocabulary
    zones: tuple[Zone, ...]
    rules: Rules = Rules()
    prints: bool = True
    """Whether there is a printer at all."""
    badge_url: str = "fikatap:v/"
    """What a badge's QR code holds before the visit's id."""
    language_names: Mapping[str, str] = {}
    """Names of languages in themselves, by BCP 47 tag."""

    def zone(self, zone: ZoneId | None) -> Zone | None:
        """Return the zone with that id, None for one that is no more."""
        for each in self.zones:
            if each.id == zone:
                return each
        return None

    def day(self, moment: Now, now: Now) -> int | None:
        """Return the café's day, counted from 1970, in which `moment` lies; None when nobody can know.

        A day ends when the café closes. A moment without trusted time is worked out from `now` when both are of one boot.
        """
        if moment.wall is not None:
            minute = moment.wall.local_day * MINUTES_A_DAY + moment.wall.local_minute
        elif now.wall is not None and moment.boot_id == now.boot_id:
            minute = now.wall.local_day * MINUTES_A_DAY + now.wall.local_minute - (now.boot_ms - moment.boot_ms) // 60_000
        else:
            return None
        return (minute - self.rules.closes_minute) // MINUTES_A_DAY
