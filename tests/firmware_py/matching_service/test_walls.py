"""On PostgreSQL no query sees another venue's visits or another chain's members, even one that forgot to ask for its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Table, insert, select
from sqlalchemy.exc import DBAPIError

from drivers.errors import ConfigError
from drivers.matching import wire
from firmware_py.matching_service.administration import add_venue
from firmware_py.matching_service.database import Database
from firmware_py.matching_service.tables import OF_A_CHAIN, OF_A_VENUE, metadata, touched
from kiosk.values import CardId, Ruling
from tests.firmware_py.matching_service.house import ALMA, BO, ZONES, House, migrated, play, somebody
from tests.rigs.postgres import OWNER, Postgres


async def fill(house: House) -> None:
    """Put a row for two venues of two chains into each table."""
    await add_venue(house.database, "rival", "rival-1", "", "Europe/Oslo", 240)
    await house.members(somebody("zoe", "export", "pricing"), somebody("yrsa", "pricing", "export"), chain="rival")
    for venue, one, other in (("mitte", ALMA, BO), ("rival-1", somebody("zoe", "", ""), somebody("yrsa", "", ""))):
        door = await house.door(venue, "front")
        await door.report(wire.ZonesSet(zones=ZONES))
        await door.check_in(one)
        await door.check_in(other)
        await door.report(
            door.told("front-2", other, "front-1", one),
            wire.CardBound(card=CardId("ab" * 32), member=one.id, key="k1"),
            wire.PairBlocked(one=one.id, other=other.id),
            wire.HostRuled(one=one.id, other=other.id, ruling=Ruling.VETO),
        )


async def seen(house: House, table: Table, *, chain: str, venue: str) -> set[str]:
    """Return whose rows a query without any filter sees."""
    async with house.database.begin(chain=chain, venue=venue) as connection:
        column = table.c.venue if table in OF_A_VENUE else table.c.chain
        return set(await connection.scalars(select(column)))


def test_a_query_that_forgets_its_filter_sees_its_own_rows_only(postgres: Postgres, tmp_path: Path) -> None:
    async def story(house: House) -> None:
        await fill(house)
        for table in OF_A_VENUE:
            assert await seen(house, table, chain="kaffe", venue="mitte") == {"mitte"}, table.name
            assert await seen(house, table, chain="rival", venue="rival-1") == {"rival-1"}, table.name
        for table in OF_A_CHAIN:
            assert await seen(house, table, chain="kaffe", venue="mitte") == {"kaffe"}, table.name
            assert await seen(house, table, chain="rival", venue="rival-1") == {"rival"}, table.name
        for table in (*OF_A_VENUE, *OF_A_CHAIN):
            assert await seen(house, table, chain="", venue="") == set(), f"{table.name}: without a scope, nothing"

    play(migrated(tmp_path, postgres), story)


def test_nobody_writes_over_the_wall(postgres: Postgres, tmp_path: Path) -> None:
    async def story(house: House) -> None:
        await fill(house)
        over = insert(touched).values(chain="rival", member="zoe")
        async with house.database.engine.connect() as connection:
            await connection.exec_driver_sql("SELECT set_config('fikatap.chain', 'kaffe', true)")
            with pytest.raises(DBAPIError, match="row-level security"):
                await connection.execute(over)

    play(migrated(tmp_path, postgres), story)


def test_the_scope_ends_with_its_transaction(postgres: Postgres, tmp_path: Path) -> None:
    async def story(house: House) -> None:
        await fill(house)
        for _ in range(3):  # the same connection from the pool
            assert await seen(house, OF_A_VENUE[0], chain="kaffe", venue="mitte") == {"mitte"}
            assert await seen(house, OF_A_VENUE[0], chain="", venue="") == set()

    play(migrated(tmp_path, postgres), story)


def test_the_owner_of_the_tables_is_held_back_too(postgres: Postgres, tmp_path: Path) -> None:
    async def story(house: House) -> None:
        await fill(house)
        for table in (*OF_A_VENUE, *OF_A_CHAIN):
            assert postgres.sql(f"SELECT count(*) FROM {table.name}").strip() != "0"
            assert postgres.sql(f"SELECT count(*) FROM {table.name}", role=OWNER).strip() == "0"

    play(migrated(tmp_path, postgres), story)


def test_every_table_that_is_not_about_venues_themselves_has_a_wall(postgres: Postgres, tmp_path: Path) -> None:
    migrated(tmp_path, postgres)
    walled = postgres.sql("SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity").split()
    assert set(walled) == metadata.tables.keys() - {"chain", "venue", "token", "revoked"}


def test_a_role_that_gets_past_the_walls_is_not_served_with(postgres: Postgres, tmp_path: Path) -> None:
    async def story(_: House) -> None:
        database = Database(postgres.url("super"))
        with pytest.raises(
            ConfigError, match="the role 'super' gets past row security; give one without SUPERUSER and BYPASSRLS"
        ):
            await database.require_ready()
        await database.close()

    play(migrated(tmp_path, postgres), story)
