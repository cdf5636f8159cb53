"""The service's database: SQLite, or PostgreSQL for several processes; a transaction sees one chain and one venue."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, LiteralString, NamedTuple, TypeAlias, cast

import msgspec
import psycopg
from alembic import command
from alembic.config import Config
from psycopg.rows import namedtuple_row
from sqlalchemy import Connection, LargeBinary, Table, event, make_url, text
from sqlalchemy.dialects import sqlite
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
_PARAMETER = re.compile(r"%\((\w+)\)s")
_WALLS = text("SELECT set_config('fikatap.chain', :chain, true) AS chain, set_config('fikatap.venue', :venue, true) AS venue")

Query: TypeAlias = "tuple[Any, Mapping[str, Any]]"
"""A statement, and the values of its parameters."""


class DatabaseUnavailable(FikatapError):
    """The database does not answer now; nothing of the transaction was kept."""


class Insertion(NamedTuple):
    """Rows to insert into a table; where one is there already, the columns `update` are set anew, if any.

    As a query its values are `{"rows": rows}`, and it answers the columns `returning` of the rows that are new.
    """

    table: Table
    update: tuple[str, ...] = ()
    returning: tuple[str, ...] = ()


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
        self._insertions: dict[tuple[object, ...], Any] = {}
        self._together: dict[tuple[LiteralString, ...], LiteralString] = {}
        self._commands: dict[tuple[int, tuple[str, ...]], tuple[Any, LiteralString]] = {}
        self.engine = create_async_engine(
            self.url, pool_size=CONNECTIONS, max_overflow=0, pool_timeout=5, pool_use_lifo=True, **options
        )
        if not self.is_postgresql:
            event.listen(self.engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self.engine.sync_engine, "begin", _begin_sqlite)

    @asynccontextmanager
    async def begin(self, *, chain: str = "", venue: str = "", writes: bool = False) -> AsyncIterator[AsyncConnection]:
        """Give a transaction that sees the rows of one chain and one venue; it is committed at the end.

        Raise `DatabaseUnavailable` when the database does not answer.
        """
        async with self.begin_with(chain=chain, venue=venue, writes=writes) as (connection, _):
            yield connection

    @asynccontextmanager
    async def begin_with(
        self, *queries: Query, chain: str = "", venue: str = "", writes: bool = False
    ) -> AsyncIterator[tuple[AsyncConnection, list[Sequence[Any]]]]:
        """Give such a transaction, and the rows that its first queries found."""
        try:
            async with self.engine.connect() as connection:
                if writes and not self.is_postgresql:
                    await connection.execution_options(**{_WRITES: True})
                async with connection.begin():
                    walls = [(_WALLS, {"chain": chain, "venue": venue})] if self.is_postgresql and (chain or venue) else []
                    found = await self.ask(connection, *walls, *queries)
                    yield connection, found[len(walls) :]
        except (OperationalError, InterfaceError, PoolTimeoutError, psycopg.OperationalError) as error:
            raise DatabaseUnavailable(f"the database does not answer: {_first_line(error)}") from error
        except ProgrammingError as error:
            raise ConfigError(
                f"the database is not as it should be; 'fikatap matching migrate' makes it so: {_first_line(error)}"
            ) from error

    async def ask(self, connection: AsyncConnection, *queries: Query) -> list[Sequence[Any]]:
        """Return the rows that each query found; on PostgreSQL all are asked in one round trip."""
        if not self.is_postgresql:
            return [await self._on_sqlite(connection, statement, values) for statement, values in queries]
        if not queries:
            return []
        raw = await _raw(connection)
        cursors = [raw.cursor(row_factory=namedtuple_row) for _ in queries]
        async with raw.pipeline():
            for cursor, (statement, values) in zip(cursors, queries, strict=True):
                await cursor.execute(*self._command(statement, values))
        return [await cursor.fetchall() for cursor in cursors]

    async def write(self, connection: AsyncConnection, *work: Query, commit: bool = False) -> None:
        """Carry out statements, of insertions those that have rows; on PostgreSQL as one statement, sent with the commit."""
        steps = [(statement, values) for statement, values in work if values.get("rows") != []]
        if not self.is_postgresql:
            for statement, values in steps:
                await self._on_sqlite(connection, statement, values)
            return
        raw = await _raw(connection)
        async with raw.pipeline(), raw.cursor() as cursor:
            if steps:
                await cursor.execute(*self._at_once(steps))
            if commit:
                await cursor.execute("COMMIT")

    def _at_once(self, steps: Sequence[Query]) -> tuple[LiteralString, Mapping[str, Any]]:
        """Return one command that does what several do, of which none sees what another does, and its values."""
        commands = [self._command(statement, values) for statement, values in steps]
        values = {f"{name}{number}": value for number, (_, own) in enumerate(commands) for name, value in own.items()}
        texts = tuple(text for text, _ in commands)
        found = self._together.get(texts)
        if found is None:
            *before, last = (_PARAMETER.sub(rf"%(\g<1>{number})s", text) for number, text in enumerate(texts))
            listed = ", ".join(f"step{number} AS ({text})" for number, text in enumerate(before))
            found = self._together[texts] = f"WITH {listed} {last}" if listed else last
        return found, values

    async def _on_sqlite(self, connection: AsyncConnection, statement: Any, values: Mapping[str, Any]) -> Sequence[Any]:
        if not isinstance(statement, Insertion):
            result = await connection.execute(statement, values)
        elif rows := values["rows"]:
            result = await connection.execute(self._insertion(statement), rows)
        else:
            return []
        return result.all() if result.returns_rows else []

    def _insertion(self, insertion: Insertion) -> Any:
        """Return the statement for SQLite."""
        table, update, returning = insertion
        found = self._insertions.get((table.name, update, returning))
        if found is None:
            found = sqlite.insert(table)
            if update:
                fresh = {name: found.excluded[name] for name in update}
                found = found.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=fresh)
            else:
                found = found.on_conflict_do_nothing()
            if returning:
                found = found.returning(*(table.c[name] for name in returning))
            self._insertions[table.name, update, returning] = found
        return found

    def _command(self, statement: Any, values: Mapping[str, Any]) -> tuple[LiteralString, Mapping[str, Any]]:
        """Return a statement as PostgreSQL reads it, made once, and its values; all rows of an insertion are one value."""
        if isinstance(statement, Insertion):
            table, rows = statement.table, values["rows"]
            columns = tuple(rows[0]) if rows else tuple(table.c.keys())
            key = table.name, statement.update, statement.returning, columns
            command = self._insertions.get(key)
            if command is None:
                command = self._insertions[key] = self._inserting(statement, columns)
            binary = [name for name in columns if isinstance(table.c[name].type, LargeBinary)]
            if binary:
                rows = [row | {name: _hexadecimal(row[name]) for name in binary} for row in rows]
            return command, {"rows": msgspec.json.encode(rows).decode()}
        place = id(statement), tuple(values)
        found = self._commands.get(place)
        if found is None:
            compiled = str(statement.compile(dialect=self.engine.dialect, column_keys=place[1]))
            # The statement is kept with it: its id is then nobody else's.
            found = self._commands[place] = statement, compiled
        return found[1], values

    def _inserting(self, insertion: Insertion, columns: Iterable[str]) -> str:
        """Return the command that inserts rows out of a JSON array: one to prepare and to send, however many there are."""
        quote = self.engine.dialect.identifier_preparer.quote
        table, keys = quote(insertion.table.name), ", ".join(quote(each.name) for each in insertion.table.primary_key.columns)
        listed = ", ".join(map(quote, columns))
        fresh = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in insertion.update)
        command = (
            f"INSERT INTO {table} ({listed}) SELECT {listed} FROM json_populate_recordset(NULL::{table}, %(rows)s) "  # noqa: S608 - names of tables and columns
            f"ON CONFLICT {f'({keys}) DO UPDATE SET {fresh}' if fresh else 'DO NOTHING'}"
        )
        return f"{command} RETURNING {', '.join(map(quote, insertion.returning))}" if insertion.returning else command

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


NEWEST = "0003"
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


async def _raw(connection: AsyncConnection) -> psycopg.AsyncConnection[Any]:
    return cast("psycopg.AsyncConnection[Any]", (await connection.get_raw_connection()).driver_connection)


def _hexadecimal(value: bytes | None) -> str | None:
    """Return bytes as PostgreSQL reads them out of text."""
    return None if value is None else f"\\x{value.hex()}"


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", error)).splitlines()[0]
