"""Who is here, at all doors of a venue; and the waiting for news of it, across processes."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

import psycopg
from sqlalchemy import and_, func, select

from drivers.matching import wire
from firmware_py.matching_service.database import Database, DatabaseUnavailable
from firmware_py.matching_service.identity import Identity
from firmware_py.matching_service.tables import AnyRow, match, venue, visit
from kiosk.values import Mood

LOOK_S = 0.5
"""How often the versions of venues that somebody waits for are looked at, whatever was heard: a word may get lost."""
GATHER_S = 0.25
"""So long after a first change others are gathered: a check-in is soon followed by what its visitor was told."""
CHANNEL = "fikatap_presence"

log = logging.getLogger(__name__)


def as_presence(row: AnyRow, now_ms: int, sent: tuple[wire.Sent, ...] | None = None) -> wire.Presence:
    """Return a visit as doors are told of it, with those who were sent to them where that is known."""
    return wire.Presence(
        visit=row.id,
        member=row.member,
        number=row.number,
        door=row.door,
        mood=Mood(row.mood),
        opened_ms=row.opened_ms,
        zone=row.zone,
        confirmed=row.confirmed,
        approached=row.approached,
        introduced=row.introduced,
        lifetime_rate=row.lifetime_rate,
        talks_for_ms=max(0, (row.talks_until_ms or 0) - now_ms),
        sent=sent,
    )


async def presence_page(database: Database, identity: Identity, since: int, now_ms: int) -> wire.PresencePage:
    """Return what changed after version `since`, or everybody where that can't be told any more."""
    async with database.begin(chain=identity.chain, venue=identity.venue) as connection:
        row = (await connection.execute(select(venue.c.version, venue.c.horizon).where(venue.c.id == identity.venue))).one()
        whole = since == 0 or since < row.horizon or since > row.version
        if since == row.version and not whole:
            return wire.PresencePage(version=row.version)
        news = visit.c.closed_ms.is_(None) if whole else visit.c.version > since
        rows = (await connection.execute(select(visit).where(visit.c.venue == identity.venue, news))).all()
        sent: dict[str, list[wire.Sent]] = {}
        if whom := [each.id for each in rows if each.closed_ms is None and each.approached]:
            for each in await connection.execute(_sent_to(identity.venue, whom)):
                sent.setdefault(each.partner, []).append(
                    wire.Sent(visit=each.visit, member=each.member, number=each.number or 0, told=each.told)
                )
    return wire.PresencePage(
        version=row.version,
        open=tuple(as_presence(each, now_ms, tuple(sent.get(each.id, ()))) for each in rows if each.closed_ms is None),
        closed=tuple(each.id for each in rows if each.closed_ms is not None),
        whole=whole,
    )


def _sent_to(venue_id: str, visits: list[str]) -> Any:
    """Return the question who was sent to these visitors, and told so."""
    by = and_(visit.c.venue == match.c.venue, visit.c.id == match.c.visit)
    settled = and_(match.c.venue == venue_id, match.c.until_ms.is_(None), match.c.counts, match.c.partner.in_(visits))
    columns = (match.c.partner, match.c.visit, match.c.member, match.c.told, visit.c.number)
    return select(*columns).outerjoin(visit, by).where(settled).order_by(visit.c.arrived_ms, match.c.visit)


class Watch:
    """Tells other processes in which venues something happened, and wakes who waits for one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._versions: dict[str, int] = {}
        self._pages: dict[tuple[str, int], asyncio.Task[wire.PresencePage]] = {}
        self._to_tell: set[str] = set()
        self._told = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to listen."""
        work = [self._look()]
        if self._database.is_postgresql:
            work += [self._listen(), self._tell()]
        self._tasks = [asyncio.create_task(each) for each in work]

    async def stop(self) -> None:
        """End it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def changed(self, venue_id: str) -> None:
        """Wake who waits for this venue, here and in other processes."""
        self._wake(venue_id)
        self._to_tell.add(venue_id)
        self._told.set()

    async def page(self, identity: Identity, since: int, wait_s: float, clock: Any) -> wire.PresencePage:
        """Return the page after `since`, at once when there is any news, else when some comes or the wait is over."""
        event = asyncio.Event()
        waiting = self._waiting.setdefault(identity.venue, set())
        # Before the first look, so that nothing falls between.
        waiting.add(event)
        try:
            page = await self._read(identity, since, clock())
            if page.version != since or page.whole or wait_s <= 0:
                return page
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    while page.version == since:
                        await event.wait()
                        await asyncio.sleep(GATHER_S)
                        event.clear()
                        page = await self._read(identity, since, clock())
            return page
        finally:
            waiting.discard(event)
            if not waiting and self._waiting.get(identity.venue) is waiting:
                del self._waiting[identity.venue]
                self._versions.pop(identity.venue, None)

    async def _read(self, identity: Identity, since: int, now_ms: int) -> wire.PresencePage:
        """Return the page after `since`; doors that ask the same at the same time are answered by one query.

        One that began a moment too early says "nothing": the next look at the versions makes up for that.
        """
        key = (identity.venue, since)
        task = self._pages.get(key)
        if task is None:
            task = self._pages[key] = asyncio.create_task(presence_page(self._database, identity, since, now_ms))
            task.add_done_callback(lambda _: self._pages.pop(key, None))
        return await asyncio.shield(task)

    def _wake(self, venue_id: str) -> None:
        for event in self._waiting.get(venue_id, ()):
            event.set()

    async def _look(self) -> None:
        """Look at the versions of venues that somebody waits for."""
        while True:
            await asyncio.sleep(LOOK_S)
            if not self._waiting:
                continue
            try:
                async with self._database.begin() as connection:
                    query = select(venue.c.id, venue.c.version).where(venue.c.id.in_(sorted(self._waiting)))
                    rows = (await connection.execute(query)).all()
            except DatabaseUnavailable:
                continue
            for row in rows:
                if self._versions.get(row.id, row.version) != row.version:
                    self._wake(row.id)
                self._versions[row.id] = row.version

    async def _listen(self) -> None:
        """Hear what other processes tell; a connection that ends is made anew."""
        dsn = self._database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    async for word in connection.notifies():
                        self._wake(word.payload)
            except psycopg.OperationalError as error:
                log.warning("presence of other processes is looked up every %s s: %s", LOOK_S, error)
            await asyncio.sleep(LOOK_S)

    async def _tell(self) -> None:
        """Tell other processes, after the commit and in a transaction of its own.

        NOTIFY makes commits wait for each other, whatever their venues; here nobody waits for it, and several go at once.
        """
        while True:
            await self._told.wait()
            self._told.clear()
            venues, self._to_tell = sorted(self._to_tell), set()
            try:
                async with self._database.begin() as connection:
                    await connection.execute(select(func.set_config("synchronous_commit", "off", True)))
                    await connection.execute(select(*(func.pg_notify(CHANNEL, each) for each in venues)))
            except DatabaseUnavailable:
                continue
