"""Whom the service shuts out, whatever happens in that moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import HTTPConnection

from drivers.errors import ConfigError
from firmware_py.matching_service import identity
from firmware_py.matching_service.administration import add_token, add_venue, shut_out
from firmware_py.matching_service.database import Database
from firmware_py.matching_service.errors import Refused
from firmware_py.matching_service.identity import Door, Identity


class Failing(Door):
    """Fails in the first looks, then looks."""

    def __init__(self, database: Database, *errors: Exception) -> None:
        super().__init__(database)
        self._errors = list(errors)
        self.looked = asyncio.Event()

    async def look(self) -> None:
        if self._errors:
            raise self._errors.pop()
        await super().look()
        self.looked.set()


def test_whatever_goes_wrong_once_whom_to_shut_out_is_looked_at_again(
    sqlite: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(identity, "LOOK_S", 0.001)

    async def work() -> None:
        database = Database(sqlite)
        door = Failing(database, ConfigError("no such table"), ValueError("a surprise"))
        looking = asyncio.create_task(door.keep_looking())
        try:
            async with asyncio.timeout(20):
                await door.looked.wait()
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            await database.close()

    asyncio.run(work())
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ValueError, ConfigError]


class Halting(Database):
    """Halts where somebody has read and does not know yet what, if that is wanted."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.halts = False
        self.has_read = asyncio.Event()
        self.goes_on = asyncio.Event()

    @asynccontextmanager
    async def begin(self, *, chain: str = "", venue: str = "", writes: bool = False) -> AsyncIterator[AsyncConnection]:
        halts, self.halts = self.halts, False
        async with super().begin(chain=chain, venue=venue, writes=writes) as connection:
            yield connection
        if halts:
            self.has_read.set()
            await self.goes_on.wait()


def test_a_token_that_is_revoked_while_it_is_read_is_not_remembered(sqlite: str) -> None:
    async def work() -> None:
        database = Halting(sqlite)
        try:
            async with asyncio.timeout(20):
                await add_venue(database, "kaffe", "mitte", "mitte", "Europe/Stockholm", 240)
                word = f"Bearer {await add_token(database, 'mitte', 'front')}".encode()
                asked = HTTPConnection(
                    {"type": "http", "headers": [(b"authorization", word)], "path_params": {"venue": "mitte"}}
                )
                door = Door(database)
                database.halts = True
                slow = asyncio.create_task(door.identify(asked))
                await database.has_read.wait()
                assert await shut_out(database, "mitte", "front", 1_800_000_000) == 1
                await door.look()
                database.goes_on.set()
                assert await slow == Identity("kaffe", "mitte", "front"), "it was asked before"
                with pytest.raises(Refused) as refused:
                    await door.identify(asked)
                assert refused.value.status == 401
        finally:
            await database.close()

    asyncio.run(work())
