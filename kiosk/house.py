"""What a café has decided and owns: its rules, zones, words and lists, handed to the door as one value."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from kiosk.badge import PLAIN, Template
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
    talk_ms: int = 900_000
    """How long two who were introduced are taken to be in conversation, and each round of a group."""
    enrol_ms: int = 60_000
    """How long staff's next card is waited for."""
    ask_staff_every_ms: int = 60_000
    """So soon after one, no other slip is printed for a card that does not work here: nobody is to empty the roll."""
    choose_ms: int = 20_000
    """How long after a tap somebody may still press what they want, and how long a press waits for a tap."""
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
    template: Template = PLAIN
    """What is on a badge, and which other slips are printed by themselves."""
    cafe: str = ""
    """The café's name."""
    badge_url: str = ""
    """What the link in a badge's QR code holds before the visit's id; empty for no link."""
    language_names: Mapping[str, str] = {}
    """Names of languages in themselves, by BCP 47 tag."""

    def zone(self, zone: ZoneId | None) -> Zone | None:
        """Return the zone with that id, None for one that is no more."""
        for each in self.zones:
            if each.id == zone:
                return each
        return None

    def date(self, language: Language, now: Now) -> str:
        """Return today's date as the language writes it; nothing when the time is not trusted."""
        if now.wall is None:
            return ""
        year, month, day = civil(now.wall.local_day)
        return self.texts.say(language, "slip.date", year=year, month=f"{month:02}", day=f"{day:02}")

    def day_in_words(self, minute: int) -> str:
        """Return the day of a minute since 1970 in the venue's time zone, as the café's language writes it."""
        year, month, day = civil(minute // MINUTES_A_DAY)
        return self.texts.say(self.language, "slip.date", year=year, month=f"{month:02}", day=f"{day:02}")

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


def civil(day: int) -> tuple[int, int, int]:
    """Return year, month and day of the month of a day counted from 1970-01-01, in the Gregorian calendar."""
    # Counted in eras of 400 years that begin on the first of March, so that leap days come last.
    era, day = divmod(day + 719_468, 146_097)
    year = (day - day // 1_460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day += 1 - (153 * month + 2) // 5
    return year + 400 * era + (month >= 10), month + 3 if month < 10 else month - 9, day
