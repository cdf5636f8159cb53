"""Whom the service shuts out, when its database fails in ways that nobody thought of."""

from __future__ import annotations

import asyncio

import pytest

from drivers.errors import ConfigError
from firmware_py.matching_service import identity
from firmware_py.matching_service.database import Database
from firmware_py.matching_service.identity import Door


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
