"""Who is here, at all doors of a venue; and the waiting for news of it, across processes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

import psycopg
from sqlalchemy import bindparam, select

from firmware_py.matching_service.database import Database, DatabaseUnavailable
from firmware_py.matching_service.identity import Identity
from firmware_py.matching_service.memory import Memories, Memory
from firmware_py.matching_service.tables import venue

LOOK_S = 0.5
"""How often the versions of venues that somebody waits for are looked at, whatever was heard: a word may get lost."""
GATHER_S = 0.2
"""So long after a first change others are gathered: a check-in is soon followed by what its visitor was told."""
TELL_S = 0.05
"""So long words to other processes are gathered."""
CHANNEL = "fikatap_presence"

_LOOK = select(venue.c.id, venue.c.version).where(venue.c.id.in_(bindparam("ids", expanding=True)))

log = logging.getLogger(__name__)


class Watch:
    """Tells other processes in which venues something happened, and wakes who waits for one."""

    def __init__(self, database: Database, memories: Memories, clock: Callable[[], int]) -> None:
        self._database = database
        self._memories = memories
        self._clock = clock
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._to_tell: dict[str, int] = {}
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

    def changed(self, venue_id: str, version: int) -> None:
        """Wake who waits for this venue, here and in other processes."""
        self._memories.heard(venue_id, version)
        self._wake(venue_id)
        self._to_tell[venue_id] = version
        self._told.set()

    async def page(self, identity: Identity, since: int, wait_s: float) -> bytes:
        """Return the page after `since` as JSON, at once when there is any news, else when some comes or the wait is over."""
        event = asyncio.Event()
        waiting = self._waiting.setdefault(identity.venue, set())
        # Before the first look, so that nothing falls between.
        waiting.add(event)
        try:
            memory = await self._newest(identity, since, look=wait_s <= 0)
            if memory.state.version == since != 0 and wait_s > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        while memory.state.version == since:
                            await event.wait()
                            await asyncio.sleep(GATHER_S)
                            event.clear()
                            memory = await self._newest(identity, since, look=False)
            return memory.page(since, self._clock())
        finally:
            waiting.discard(event)
            if not waiting and self._waiting.get(identity.venue) is waiting:
                del self._waiting[identity.venue]

    async def _newest(self, identity: Identity, since: int, *, look: bool) -> Memory:
        """Return the memory of a venue, brought up to what was heard of it, or to what there is.

        Doors that are woken by the same word are served by one query.
        """
        memory = self._memories.of(identity.chain, identity.venue)
        if look:
            await memory.refresh(self._database)
        elif memory.state.version < max(memory.heard, since):
            async with memory.reading:
                if memory.state.version < max(memory.heard, since):
                    await memory.refresh(self._database)
                    # Whatever was heard: there is no more, after a restore for instance.
                    memory.heard = min(memory.heard, memory.state.version)
        return memory

    def _wake(self, venue_id: str) -> None:
        for event in self._waiting.get(venue_id, ()):
            event.set()

    async def _look(self) -> None:
        """Look at the versions of venues that somebody waits for."""
        while True:
            await asyncio.sleep(LOOK_S)
            if not self._waiting:
                continue
            before = {each: self._memories.version(each) for each in self._waiting}
            try:
                async with self._database.begin() as connection:
                    rows = (await connection.execute(_LOOK, {"ids": sorted(before)})).all()
            except DatabaseUnavailable:
                continue
            for row in rows:
                if self._memories.looked(row.id, row.version, before[row.id]):
                    self._wake(row.id)

    async def _listen(self) -> None:
        """Hear what other processes tell; a connection that ends is made anew."""
        while True:
            try:
                async with await self._connect() as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    async for word in connection.notifies():
                        venue_id, _, version = word.payload.partition(" ")
                        if self._memories.heard(venue_id, int(version)):
                            self._wake(venue_id)
            except psycopg.OperationalError as error:
                log.warning("presence of other processes is looked up every %s s: %s", LOOK_S, error)
            await asyncio.sleep(LOOK_S)

    async def _tell(self) -> None:
        """Tell other processes, after the commit and in a transaction of its own.

        NOTIFY makes commits wait for each other, whatever their venues; here nobody waits for it, and several go at once.
        """
        while True:
            with suppress(psycopg.OperationalError):  # `_look` makes up for it
                async with await self._connect() as connection:
                    while True:
                        await self._told.wait()
                        await asyncio.sleep(TELL_S)
                        self._told.clear()
                        words, self._to_tell = [f"{name} {version}" for name, version in self._to_tell.items()], {}
                        await connection.execute("SELECT pg_notify(%s, word) FROM unnest(%s) AS word", (CHANNEL, words))
            await asyncio.sleep(LOOK_S)

    async def _connect(self) -> psycopg.AsyncConnection[tuple[object, ...]]:
        dsn = self._database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        return await psycopg.AsyncConnection.connect(
            dsn, autocommit=True, connect_timeout=5, options="-c synchronous_commit=off"
        )
