"""What is on in the café: the same few lines for everybody, so that they tell nothing of who reads them."""

from __future__ import annotations

from collections.abc import Sequence

from kiosk.house import MINUTES_A_DAY, House
from kiosk.values import Language, Now, Occasion

LINES = 3
"""How many occasions a badge names at most: the next ones."""
LONGEST = 60
"""How many characters of a title or a place are printed."""


def todays(house: House, language: Language, on: Sequence[Occasion], now: Now) -> tuple[str, ...]:
    """Return a line for each of the next occasions of the café's day; none when the time is not trusted."""
    return tuple(in_words(house, language, each) for each in left_today(house, on, now)[:LINES])


def left_today(house: House, on: Sequence[Occasion], now: Now) -> list[Occasion]:
    """Return what is on or still comes in the café's day, by time; nothing when the time is not trusted."""
    if now.wall is None:
        return []
    minute = now.wall.local_day * MINUTES_A_DAY + now.wall.local_minute
    closes = minute - (minute - house.rules.closes_minute) % MINUTES_A_DAY + MINUTES_A_DAY
    left = [each for each in on if each.ends > minute and each.starts < closes]
    return sorted(left, key=lambda each: each.starts)


def is_all_day(occasion: Occasion) -> bool:
    """Tell whether an occasion has no time of day."""
    return occasion.starts % MINUTES_A_DAY == occasion.ends % MINUTES_A_DAY == 0


def in_words(house: House, language: Language, occasion: Occasion) -> str:
    """Return when an occasion begins, what it is, and where; of an advisor, how to get a time with them."""
    hour, minute = divmod(occasion.starts % MINUTES_A_DAY, 60)
    what = ", ".join(_short(part) for part in (occasion.title, occasion.place) if part)
    if not is_all_day(occasion):
        what = house.texts.say(language, "today.line", time=f"{hour:02}:{minute:02}", what=what)
    return house.texts.say(language, "today.advisor", what=what) if occasion.advisor else what


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
