"""A ledger with a little life in it, for tests of its copies; and what is in one, table by table."""

from __future__ import annotations

from pathlib import Path

import apsw

from firmware_py.ledger import Ledger
from kiosk.effects import CloseVisit, Ending, OpenVisit, QueueBadge
from kiosk.events import CardTapped
from kiosk.jobs import Job
from kiosk.values import CardId, JobId, Language, Member, MemberId, Now, Visit, VisitId, WallTime

DAY_MS = 24 * 3600 * 1000
EPOCH_MS = 1_800_000_000_000
CARD = CardId("5e" * 32)


def person(number: int, name: str = "") -> Member:
    return Member(MemberId(f"p{number}"), name or f"Person {number}", Language.EN)


def at(seconds: int, *, trusted: bool = True, boot: str = "boot-1") -> Now:
    """Return so many seconds after all began."""
    utc = EPOCH_MS + seconds * 1000
    return Now(boot, seconds * 1000, WallTime(utc, utc // DAY_MS, utc % DAY_MS // 60_000) if trusted else None)


def check_in(ledger: Ledger, serial: int, who: int, now: Now | None = None, job: Job | None = None) -> Visit:
    now = now or at(serial)
    visit = Visit(VisitId(f"{ledger.prefix}-{serial}"), serial, person(who), now)
    ledger.commit(CardTapped("door", CARD, person(who)), [OpenVisit(visit), *([QueueBadge(job)] if job else [])], now, serial)
    return visit


def leave(ledger: Ledger, visit: Visit, serial: int, now: Now | None = None) -> None:
    ledger.commit(CardTapped("door", CARD, visit.member), [CloseVisit(visit.id, Ending.TAPPED)], now or at(serial), serial)


def job_of(visit: Visit, serial: int, name: str = "Person") -> Job:
    from kiosk.badge import Badge, BadgeZone
    from kiosk.values import Symbol

    badge = Badge(Language.EN, name, BadgeZone("Window", Symbol.STAR, "blue"), "fikatap:v/1")
    return Job(JobId(f"{visit.id.rpartition('-')[0]}-{serial}"), visit.id, visit.member.id, badge, visit.opened, serial)


def contents(path: Path, *without: str) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of a ledger's tables but those without which it is to be looked at."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in tables if name not in without}
    finally:
        connection.close()


def bytes_in(folder: Path) -> bytes:
    return b"".join(each.read_bytes() for each in folder.iterdir() if each.is_file())
