"""The service's database: SQLite, or PostgreSQL for several processes; a transaction sees one chain and one venue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, LiteralString, cast

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Table, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from drivers.errors import ConfigError, FikatapError
from firmware_py.config import short
from firmware_py.matching_service.tables import metadata

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}
SESSION = "-c synchronous_commit=on -c statement_timeout=15000 -c idle_in_transaction_session_timeout=15000"
"""What each PostgreSQL session begins with: what was acknowledged is on the disk, and nothing holds a venue's lock for long."""
CONNECTIONS = 10
"""How many a process holds."""
_WRITES = "fikatap_writes"
_WALLS = text(
    "SELECT set_config('fikatap.chain', :chain, true), set_config('fikatap.venue', :venue, true), "
    "CASE WHEN :alone = '' THEN true ELSE pg_try_advisory_xact_lock(hashtextextended(:alone, 0)) END AS free"
)


class DatabaseUnavailable(FikatapError):
    """The database does not answer now; nothing of the transaction was kept."""


class NameTakenError(Exception):
    """Another transaction runs under this name."""


class Database:
    """A database by its URL, `sqlite:///PATH` or `postgresql://…`; raise `ConfigError` for any other."""

    def __init__(self, url: str) -> None:
        try:
            parsed = make_url(url)
            driver = DRIVERS[parsed.drivername]
        except (ArgumentError, KeyError):
            raise ConfigError(f"{short(url)} is not a database; write sqlite:///PATH or postgresql://ROLE@HOST/NAME") from None
        self.url = parsed.set(drivername=driver)
        self.is_postgresql = parsed.drivername == "postgresql"
        if self.is_postgresql:
            options: dict[str, Any] = {"connect_args": {"options": SESSION, "connect_timeout": 5}}
        else:
            options = {"connect_args": {"timeout": 5}}
        self._insertions: dict[tuple[str, Sequence[str]], Any] = {}
        self._commands: dict[tuple[int, tuple[str, ...]], tuple[Any, LiteralString]] = {}
        self.engine = create_async_engine(
            self.url, pool_size=CONNECTIONS, max_overflow=0, pool_timeout=5, pool_use_lifo=True, **options
        )
        if not self.is_postgresql:
            event.listen(self.engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self.engine.sync_engine, "begin", _begin_sqlite)

    @asynccontextmanager
    async def begin(
        self, *, chain: str = "", venue: str = "", writes: bool = False, alone: str = ""
    ) -> AsyncIterator[AsyncConnection]:
        """Give a transaction that sees the rows of one chain and one venue; it is committed at the end.

        Raise `DatabaseUnavailable` when the database does not answer, `NameTakenError` when another process has one under the
        name `alone`.
        """
        try:
            async with self.engine.connect() as connection:
                await connection.execution_options(**{_WRITES: writes})
                async with connection.begin():
                    if self.is_postgresql and (chain or venue):
                        row = (await connection.execute(_WALLS, {"chain": chain, "venue": venue, "alone": alone})).one()
                        if not row.free:
                            raise NameTakenError(alone)
                    yield connection
        except (OperationalError, InterfaceError, PoolTimeoutError, psycopg.OperationalError) as error:
            raise DatabaseUnavailable(f"the database does not answer: {_first_line(error)}") from error
        except ProgrammingError as error:
            raise ConfigError(
                f"the database is not as it should be; 'fikatap matching migrate' makes it so: {_first_line(error)}"
            ) from error

    def insertion(self, table: Table, update: Sequence[str] = ()) -> Any:
        """Return the statement that inserts rows; where one is there already, it sets the columns `update` anew, if any."""
        statement = self._insertions.get((table.name, update))
        if statement is None:
            statement = (postgresql.insert if self.is_postgresql else sqlite.insert)(table)
            keys = list(table.primary_key.columns)
            fresh = {name: statement.excluded[name] for name in update}
            if fresh:
                statement = statement.on_conflict_do_update(index_elements=keys, set_=fresh)
            else:
                statement = statement.on_conflict_do_nothing()
            self._insertions[table.name, update] = statement
        return statement

    async def write(self, connection: AsyncConnection, work: Iterable[tuple[Any, Sequence[Mapping[str, Any]]]]) -> None:
        """Carry out statements of this module's makers, each with its rows; on PostgreSQL all in one round trip."""
        steps = [(statement, rows) for statement, rows in work if rows]
        if not self.is_postgresql:
            for statement, rows in steps:
                await connection.execute(statement, rows)
            return
        raw = cast("psycopg.AsyncConnection[Any]", (await connection.get_raw_connection()).driver_connection)
        async with raw.pipeline(), raw.cursor() as cursor:
            for statement, rows in steps:
                command = self._command(statement, tuple(rows[0]))
                for row in rows:
                    await cursor.execute(command, row)

    def _command(self, statement: Any, columns: tuple[str, ...]) -> LiteralString:
        """Return a statement as PostgreSQL reads it, for rows with these columns; it is compiled once."""
        key = id(statement), columns
        found = self._commands.get(key)
        if found is None:
            compiled = str(statement.compile(dialect=self.engine.dialect, column_keys=columns))
            # The statement is kept with it: its id is then nobody else's.
            found = self._commands[key] = statement, compiled
        return found[1]

    async def require_ready(self) -> None:
        """Raise `ConfigError` when tables are missing, or the role gets past the walls between venues."""
        async with self.begin() as connection:
            version = await connection.scalar(text("SELECT version_num FROM alembic_version"))
            if version != NEWEST:
                raise ConfigError(f"the tables are at step {version}, not {NEWEST}; run 'fikatap matching migrate'")
            if self.is_postgresql:
                role, passes = (
                    await connection.execute(
                        text("SELECT rolname, rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user")
                    )
                ).one()
                if passes:
                    raise ConfigError(f"the role '{role}' gets past row security; give one without SUPERUSER and BYPASSRLS")

    async def migrate(self, role: str = "") -> None:
        """Make the tables or bring them up to date; on PostgreSQL `role` may use them from then on."""
        async with self.begin(writes=True) as connection:
            await connection.run_sync(_upgrade)
            if self.is_postgresql and role:
                await connection.run_sync(_grant, role)

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


NEWEST = "0001"
"""The newest step of the migrations."""


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", "firmware_py.matching_service:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _grant(connection: Connection, role: str) -> None:
    quoted = connection.dialect.identifier_preparer.quote(role)
    tables = ", ".join([*metadata.tables, "alembic_version"])
    try:
        connection.execute(text(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {quoted}"))
        connection.execute(text(f"GRANT USAGE ON SEQUENCE touched_id_seq TO {quoted}"))
    except ProgrammingError as error:
        raise ConfigError(f"the role '{role}' can't be given the tables: {_first_line(error)}") from error


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # The driver's own idea of when a transaction begins would take the write lock too late.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 5000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(_WRITES) else "BEGIN")


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", error)).splitlines()[0]
