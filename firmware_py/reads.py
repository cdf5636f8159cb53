"""What staff asks of the ledger that takes a while: read on a connection of its own, so that nobody waits at the door."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import nsmallest
from itertools import accumulate
from typing import Any

import msgspec

from firmware_py.commands import CARD_DIGITS, Result, record_of, summary
from firmware_py.ledger import LedgerReader
from firmware_py.office import CommandError
from kiosk.badge import BadgeIntroduction
from kiosk.house import MINUTES_A_DAY
from kiosk.jobs import Job
from kiosk.values import MemberId, Now

MOST_FOUND = 20
LONGEST_TEXT = 100
"""A longer text is not looked for."""
MINUTE_MS = 60_000
QUARTER_MS = 15 * MINUTE_MS

_JOB = msgspec.json.Decoder(Job)
_OTHERS = frozenset({"partner", "other"})
"""What a fact calls somebody else than the member it is about."""


def members_search(reader: LedgerReader, *, text: str) -> Result:
    """Return up to `MOST_FOUND` members whose name or id has the text in it, those that begin with it first."""
    if len(text) > LONGEST_TEXT:
        raise CommandError(f"the text to search for has {len(text)} characters; it may have {LONGEST_TEXT}")
    wanted = " ".join(text.casefold().split())
    if not wanted:
        return []
    # Here and not in SQL, where LIKE knows upper and lower case of a to z only.
    best = nsmallest(MOST_FOUND, _ranked(reader.names(), wanted))
    records = [reader.record(member) for _, _, member in best]
    return [summary(record) for record in records if record is not None]


def _ranked(names: Iterable[tuple[MemberId, str, str]], wanted: str) -> Iterator[tuple[int, str, MemberId]]:
    """Give the members found: 0 where a name or the id begins with it, 1 where it is in the middle; the name; the id."""
    for member, first_name, short_name in names:
        first, short = first_name.casefold(), short_name.casefold()
        words = (first, short, member.casefold())
        if any(wanted in word for word in words):
            begins = any(word.startswith(wanted) for word in words)
            yield 0 if begins else 1, short or first, member


def members_export(reader: LedgerReader, *, member: MemberId) -> Result:
    """Return all that is stored about one person, and nothing about others.

    Of an introduction: when, where, why and which way round, not with whom; of those they are kept apart from, how many. What
    waits to be told to the shared service repeats this, and is counted.
    """
    record = record_of(reader, member)
    as_written = msgspec.json.encode(member).decode()
    return {
        "profile": msgspec.to_builtins(record.member),
        "visits_ever": record.visits,
        "approached_ever": record.approached,
        "present": record.present,
        "cards": [{"card": card.card[:CARD_DIGITS], "blocked": card.blocked} for card in reader.cards(member)],
        "visits": [_visit(row) for row in reader.rows(_VISITS, member)],
        "introductions": [
            {
                "utc_ms": utc_ms,
                "way": "own" if own else "sent",
                "zone": zone,
                "reason": _nameless(_meeting(reader, visit, None)) if own else None,
            }
            for utc_ms, own, zone, visit in reader.rows(_MEETINGS, member)
        ],
        "badges": [{"job": job, "state": state, "cause": cause} for job, state, cause in reader.rows(_JOBS_OF, member)],
        "decided_by_the_host": reader.rows("SELECT count(*) FROM rulings WHERE one = ?1 OR other = ?1", member)[0][0],
        "waits_for_the_service": reader.rows("SELECT count(*) FROM outbox WHERE instr(what, ?)", as_written)[0][0],
        "kept_apart_from": reader.rows("SELECT count(*) FROM blocks WHERE one = ?1 OR other = ?1", member)[0][0],
        "introduced_elsewhere": reader.rows("SELECT count(*) FROM met_elsewhere WHERE member = ?", member)[0][0],
        "events": [
            {"utc_ms": utc_ms, "kind": kind, **_own(msgspec.json.decode(fact), member)}
            for utc_ms, kind, fact in reader.rows(_EVENTS_OF, member, as_written)
        ],
    }


def _visit(row: tuple[Any, ...]) -> dict[str, Any]:
    names = ("visit", "number", "begins_utc_ms", "ends_utc_ms", "why", "zone", "mood", "approached", "introduced")
    return dict(zip(names, row, strict=True))


def _own(fact: dict[str, Any], member: MemberId) -> dict[str, Any]:
    """Return of an event's fact what is about this member."""
    return {key: value for key, value in fact.items() if key not in _OTHERS and (key != "member" or value == member)}


def _meeting(reader: LedgerReader, visit: str, called: str | None) -> BadgeIntroduction | None:
    """Return the introduction on a visit's badge whose words are still kept: the last one, or the last one of that name."""
    kept = (_JOB.decode(badge) for (badge,) in reader.rows(_KEPT, visit))
    badges = sorted((job for job in kept if job.badge is not None), key=lambda job: int(job.id.rpartition("-")[2]))
    found = [job.badge.introduction for job in badges if job.badge is not None and job.badge.introduction is not None]
    named = [each for each in found if called in (None, each.partner)] or (found if len(found) == 1 else [])
    return named[-1] if named else None


def _nameless(meeting: BadgeIntroduction | None) -> str | None:
    """Return why they were to meet, without the other's name."""
    return None if meeting is None else meeting.reason.replace(meeting.partner, "…")


class Today:
    """The café's day so far, in the ledger: since it closed last; while no time is trusted, since the start of the machine."""

    def __init__(self, reader: LedgerReader, now: Now, closes_minute: int) -> None:
        self.reader = reader
        self.now = now
        if now.wall is None:
            last = reader.rows("SELECT seq FROM events WHERE boot_id <> ? ORDER BY seq DESC LIMIT 1", now.boot_id)
            self.first_seq: int = last[0][0] + 1 if last else 0
        else:
            gone = (now.wall.local_minute - closes_minute) % MINUTES_A_DAY
            # The day began with a minute, and somebody may ask in the middle of one.
            self.first_seq = _first_since(reader, (now.wall.utc_ms // MINUTE_MS - gone) * MINUTE_MS)

    def age_s(self, boot_id: str, boot_ms: int, utc_ms: int | None) -> int | None:
        """Return how long ago something was, None when nobody knows."""
        if boot_id == self.now.boot_id:
            return max(0, self.now.boot_ms - boot_ms) // 1000
        wall = self.now.wall
        return None if wall is None or utc_ms is None else max(0, wall.utc_ms - utc_ms) // 1000


def _first_since(reader: LedgerReader, utc_ms: int) -> int:
    """Return the first event's place at or after a time; events stand in the order in which they happened."""
    low, high = 0, reader.rows("SELECT coalesce(max(seq), 0) + 1 FROM events")[0][0]
    while low < high:
        middle = (low + high) // 2
        known = reader.rows(
            "SELECT utc_ms FROM timed_events WHERE seq <= ? AND utc_ms IS NOT NULL ORDER BY seq DESC LIMIT 1", middle
        )
        if known and known[0][0] >= utc_ms:
            high = middle
        else:
            low = middle + 1
    return low


def introductions_list(today: Today) -> Result:
    """Return today's introductions, the latest first: who was sent to whom, where, and why as long as the badge is kept."""
    return [
        {
            "visit": visit,
            "member": member,
            "name": name,
            "partner": partner,
            "partner_name": partner_name,
            "zone": zone,
            "reason": None if (meeting := _meeting(today.reader, visit, partner_name)) is None else meeting.reason,
            "age_s": today.age_s(boot_id, boot_ms, utc_ms),
        }
        for visit, member, name, partner, partner_name, zone, boot_id, boot_ms, utc_ms in today.reader.rows(
            _INTRODUCTIONS, today.first_seq
        )
    ]


def figures_evening(today: Today) -> dict[str, Any]:
    """Return what the day came to so far: how many came, met and got a badge, and how many were here in each quarter."""
    reader, first = today.reader, today.first_seq
    pages = dict(reader.rows(_PAGES, first))
    stays = reader.rows(_STAYS, first)
    copies = pages.get("copy", 0)
    return {
        "checkins": len(stays),
        "introductions": sum(introduced for *_, introduced in stays),
        "badges": pages.get("badge", 0) + copies,
        "copies": copies,
        "quarter_hours": _quarters(today.now, [(begin, end) for begin, end, _ in stays]),
    }


def _quarters(now: Now, stays: Iterable[tuple[int | None, int | None]]) -> list[dict[str, Any]]:
    """Return for each quarter of an hour since the first check-in how many came in it, and how many were here at its end."""
    wall = now.wall
    known = [(begin, end) for begin, end in stays if begin is not None]
    if wall is None or not known:
        return []
    local_ms = (wall.local_day * MINUTES_A_DAY + wall.local_minute) * MINUTE_MS - wall.utc_ms // MINUTE_MS * MINUTE_MS

    def quarter(utc_ms: int) -> int:
        return (min(utc_ms, wall.utc_ms) + local_ms) // QUARTER_MS

    first, last = min(quarter(begin) for begin, _ in known), quarter(wall.utc_ms)
    came = [0] * (last - first + 1)
    change = list(came)
    for begin, end in known:
        came[quarter(begin) - first] += 1
        change[quarter(begin) - first] += 1
        if end is not None:
            change[quarter(end) - first] -= 1
    return [
        {"begins": f"{minute // 60:02}:{minute % 60:02}", "here": here, "checkins": checkins}
        for place, (here, checkins) in enumerate(zip(accumulate(change), came, strict=True), first)
        for minute in [place * 15 % MINUTES_A_DAY]
    ]


_KEPT = "SELECT badge FROM jobs WHERE visit = ? AND badge IS NOT NULL"
# Subqueries: SQLite would make a table of the whole view for a join with it.
_AT = "(SELECT utc_ms FROM timed_events WHERE timed_events.seq = {0})"
_VISITS = f"""
    SELECT id, number, {_AT.format("opened_seq")}, {_AT.format("closed_seq")}, why, zone, mood, approached, introduced
    FROM visits WHERE member = ? ORDER BY opened_seq"""  # noqa: S608 - constants
_MEETINGS = f"""
    SELECT {_AT.format("introductions.seq")}, introductions.member = ?1, zone, visit
    FROM introductions LEFT JOIN visits ON visits.id = visit
    WHERE introductions.member = ?1 OR partner = ?1 ORDER BY seq"""  # noqa: S608 - ditto
_EVENTS_OF = f"""
    SELECT {_AT.format("events.seq")}, kind, fact FROM events
    WHERE instr(fact, ?2) AND (fact ->> 'member' = ?1 OR fact ->> 'other' = ?1)
       OR instr(fact, '"visit":') AND fact ->> 'visit' IN (SELECT id FROM visits WHERE member = ?1)
    ORDER BY seq"""  # noqa: S608 - ditto
_JOBS_OF = """
    SELECT jobs.id, state, cause FROM jobs JOIN visits ON visits.id = visit WHERE member = ? ORDER BY opened_seq, jobs.id"""
_NAME = "coalesce(nullif({0}.profile ->> 'short_name', ''), {0}.profile ->> 'first_name')"
_INTRODUCTIONS = f"""
    SELECT visit, introductions.member, {_NAME.format("own")}, partner, {_NAME.format("other")}, zone,
           events.boot_id, events.boot_ms, events.utc_ms
    FROM introductions JOIN timed_events AS events USING (seq) LEFT JOIN visits ON visits.id = visit
    JOIN members AS own ON own.id = introductions.member JOIN members AS other ON other.id = partner
    WHERE seq >= ? ORDER BY seq DESC"""  # noqa: S608 - constants
_PAGES = "SELECT fact ->> 'page', count(*) FROM events WHERE seq >= ? AND kind = 'JobSent' GROUP BY 1"
_STAYS = f"""
    SELECT {_AT.format("opened_seq")}, {_AT.format("closed_seq")}, introduced FROM visits WHERE opened_seq >= ?"""  # noqa: S608

READS: Mapping[str, Callable[..., Result]] = {"members.search": members_search, "members.export": members_export}
"""What is read of a ledger, whether or not the terminal runs."""
TODAYS: Mapping[str, Callable[..., Result]] = {"introductions.list": introductions_list, "figures.evening": figures_evening}
"""What is read of the day, by the running terminal, which knows the time."""
