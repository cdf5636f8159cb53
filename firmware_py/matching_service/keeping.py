"""What is not kept for ever: presence until an hour after closing, introductions six months, the journal thirty days."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import delete as erase
from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from firmware_py.matching_service.check_in import ANSWERS_MS
from firmware_py.matching_service.database import Database, DatabaseUnavailable
from firmware_py.matching_service.tables import AnyRow, answer, fact, match, member, met, ruling, touched, venue, visit

EVERY_S = 60.0
AFTER_CLOSING_MS = 3_600_000
DAY_MS = 86_400_000
MET_MS = 182 * DAY_MS
FACTS_MS = 30 * DAY_MS

log = logging.getLogger(__name__)


async def keep_house(database: Database, clock: Callable[[], int], every_s: float = EVERY_S) -> None:
    """Look every minute what is to be tidied up, whatever went wrong the last time; several processes may do so at once."""
    while True:
        await asyncio.sleep(every_s)
        try:
            await tidy(database, clock())
        except DatabaseUnavailable as error:
            log.warning("nothing was tidied up: %s", error)
        except Exception:
            log.exception("not all was tidied up")


async def tidy(database: Database, now_ms: int) -> None:
    """Erase what has been kept for long enough, in each venue once a day."""
    async with database.begin() as connection:
        columns = (venue.c.id, venue.c.chain, venue.c.time_zone, venue.c.closes_minute, venue.c.swept_ms)
        venues = (await connection.execute(select(*columns))).all()
    for row in venues:
        closed_ms = last_closing(row.time_zone, row.closes_minute, now_ms - AFTER_CLOSING_MS)
        if row.swept_ms >= closed_ms:
            continue
        async with database.begin(chain=row.chain, venue=row.id, writes=True) as connection:
            await _sweep(connection, row, closed_ms)
            await connection.execute(erase(answer).where(answer.c.venue == row.id, answer.c.at_ms <= now_ms - ANSWERS_MS))
            await connection.execute(erase(fact).where(fact.c.venue == row.id, fact.c.arrived_ms <= now_ms - FACTS_MS))
            await _forget_meetings(connection, row.chain, now_ms - MET_MS)


def last_closing(time_zone: str, closes_minute: int, before_ms: int) -> int:
    """Return the last moment at or before `before_ms` at which the café closed, in milliseconds UTC."""
    zone = ZoneInfo(time_zone)
    local = datetime.fromtimestamp(before_ms / 1000, zone)
    closing = local.replace(hour=closes_minute // 60, minute=closes_minute % 60, second=0, microsecond=0)
    if closing > local:
        closing -= timedelta(days=1)
    # Back through UTC, so that a closing in an hour that does not exist in spring is a moment too.
    return round(closing.astimezone(UTC).timestamp() * 1000)


async def _sweep(connection: AsyncConnection, row: AnyRow, closed_ms: int) -> None:
    """Erase the visits of the day that is over; of what was in them only counters stay."""
    lock = select(venue.c.version, venue.c.swept_ms).where(venue.c.id == row.id)
    held = (await connection.execute(lock.with_for_update(key_share=True))).one()
    if held.swept_ms >= closed_ms:
        return  # another process was faster
    over = (visit.c.venue == row.id, visit.c.arrived_ms < closed_ms)
    totals = select(
        visit.c.member,
        func.count().label("visits"),
        func.sum(visit.c.approached).label("approaches"),
        func.sum(visit.c.introduced).label("introductions"),
    ).where(*over, visit.c.member.is_not(None))
    for total in (await connection.execute(totals.group_by(visit.c.member).order_by(visit.c.member))).all():
        await connection.execute(
            update(member)
            .where(member.c.chain == row.chain, member.c.id == total.member)
            .values(
                visits=member.c.visits + total.visits,
                approaches=member.c.approaches + total.approaches,
                introductions=member.c.introductions + total.introductions,
            )
        )
    ended = select(visit.c.id).where(*over)
    await connection.execute(erase(match).where(match.c.venue == row.id, match.c.visit.in_(ended)))
    await connection.execute(erase(visit).where(*over))
    await connection.execute(erase(ruling).where(ruling.c.venue == row.id, ruling.c.at_ms < closed_ms))
    version = held.version + 1
    # Doors that know an older version begin anew.
    values = {"version": version, "horizon": version, "swept_ms": closed_ms}
    await connection.execute(update(venue).where(venue.c.id == row.id).values(values))


async def _forget_meetings(connection: AsyncConnection, chain_id: str, before_ms: int) -> None:
    gone = erase(met).where(met.c.chain == chain_id, met.c.at_ms < before_ms).returning(met.c.member)
    ids = sorted({each for (each,) in await connection.execute(gone)})
    if ids:
        await connection.execute(insert(touched).values([{"chain": chain_id, "member": each} for each in ids]))
