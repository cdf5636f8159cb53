"""Reads one iCalendar file (RFC 5545) and writes what is on to standard output, as JSON: a process of its own, with bounds."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta, tzinfo
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from kiosk.events import ScheduleRead
from kiosk.values import Occasion

MEMORY = 300_000_000
"""Bytes of address space."""
MOST = 100
"""Occasions; a café with more in a week prints the next ones all the same."""
LONGEST = 120
"""Characters of a title or place."""
OFTEN = ("SECONDLY", "MINUTELY", "HOURLY")
"""How often nothing in a café takes place."""
ADVISOR = "ADVISOR"
"""The category of a session that is booked at the desk."""
EPOCH = date(1970, 1, 1)
MINUTES_A_DAY = 24 * 60


def main(path: str, timezone: str, day: str, days: str, seconds: str) -> None:
    """Write what is on in `days` days from `day` (since 1970) on; end after so many seconds of work at the latest."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
    with open(path, "rb") as file:  # noqa: PTH123 - pathlib is not needed for one file
        data = file.read()
    sys.stdout.buffer.write(msgspec.json.encode(read(data, path, ZoneInfo(timezone), int(day), int(days))))


def read(data: bytes, path: str, zone: tzinfo, day: int, days: int) -> ScheduleRead:
    """Return what is on; one event that can't be understood is left out, and said."""
    from icalendar import Calendar

    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return ScheduleRead(trouble=f"{path} is not in UTF-8, from line {line} on; save it in UTF-8")
    try:
        calendars = Calendar.from_ical(data, multiple=True)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        return ScheduleRead(trouble=f"{path} is no calendar: {_line(error)}")
    if not calendars:
        return ScheduleRead(trouble=f"{path} is no calendar: it has no BEGIN:VCALENDAR")
    first = datetime.combine(EPOCH + timedelta(days=day), datetime.min.time(), zone)
    found: list[Occasion] = []
    troubles: list[str] = []
    for calendar in calendars:
        for uid, events in _series(calendar):
            try:
                found += _occasions(calendar, events, zone, first, first + timedelta(days=days))
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever a library makes of other people's rules
                troubles.append(f"event {uid} is left out: {_line(error)}")
    more = f" (and {len(troubles) - 1} more)" if len(troubles) > 1 else ""
    occasions = sorted(set(found), key=lambda each: (each.starts, each.title, each.place))[:MOST]
    return ScheduleRead(tuple(occasions), f"{path}: {troubles[0]}{more}" if troubles else "")


def _series(calendar: Any) -> Iterator[tuple[str, list[Any]]]:
    """Yield the events that belong together: one, with the exceptions from its rule."""
    events = sorted(calendar.walk("VEVENT"), key=lambda event: str(event.get("UID", "")))
    for uid, group in groupby(events, key=lambda event: str(event.get("UID", ""))):
        yield uid or "without UID", list(group)


def _occasions(calendar: Any, events: list[Any], zone: tzinfo, first: datetime, last: datetime) -> Iterable[Occasion]:
    import recurring_ical_events
    from icalendar import Calendar

    for event in events:
        for rule in _rules(event):
            if any(str(word).upper() in OFTEN for word in rule.get("FREQ", [])):
                raise ValueError(f"RRULE {rule.to_ical().decode()[:LONGEST]}; in a café things happen DAILY at most")
    one = Calendar()
    for part in (*calendar.walk("VTIMEZONE"), *events):
        one.add_component(part)
    shown = []
    for event in recurring_ical_events.of(one).between(first, last):
        if str(event.get("STATUS", "")).upper() == "CANCELLED" or str(event.get("CLASS", "PUBLIC")).upper() != "PUBLIC":
            continue
        title = _text(event.get("SUMMARY", ""))
        if title:
            starts, ends = _minute(event.start, zone), _minute(event.end, zone)
            shown.append(Occasion(title, starts, max(starts, ends), _text(event.get("LOCATION", "")), _is_advisor(event)))
        if len(shown) == MOST:
            break
    return shown


def _rules(event: Any) -> list[Any]:
    rules = event.get("RRULE", [])
    return rules if isinstance(rules, list) else [rules]


def _is_advisor(event: Any) -> bool:
    found = event.get("CATEGORIES", [])
    lists = found if isinstance(found, list) else [found]
    return any(str(word).strip().upper() == ADVISOR for each in lists for word in each.cats)


def _minute(moment: date, zone: tzinfo) -> int:
    """Return a date or time as minutes since 1970 in the venue's time zone; a time without a zone is the venue's."""
    if not isinstance(moment, datetime):
        return (moment - EPOCH).days * MINUTES_A_DAY
    local = moment.astimezone(zone) if moment.tzinfo is not None else moment
    return (local.date() - EPOCH).days * MINUTES_A_DAY + local.hour * 60 + local.minute


def _text(value: object) -> str:
    """Return a text on one line, without what can't be printed."""
    return " ".join("".join(each if each.isprintable() else " " for each in str(value)).split())[:LONGEST]


def _line(error: Exception) -> str:
    return _text(error) or type(error).__name__


if __name__ == "__main__":
    main(*sys.argv[1:])
