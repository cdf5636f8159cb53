"""What whoever runs the service does on the command line: chains, venues, tokens, members, a schedule."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import delete as erase
from sqlalchemy import insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from drivers.errors import ConfigError
from firmware_py.config import short
from firmware_py.matching_service import roster
from firmware_py.matching_service.database import Database, Insertion
from firmware_py.matching_service.identity import Identity, hash_token, make_token, require_name
from firmware_py.matching_service.roster import Report, take_members
from firmware_py.matching_service.tables import chain, revoked, ruling, token, venue
from firmware_py.members import Row
from kiosk.values import Member

SLICE = 1_000
"""How many members go in at once: each process waits with the roster so long."""
SCHEDULE_BYTES = 1024 * 1024


class Taken(NamedTuple):
    """What became of a list of members."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    faulty: int = 0

    def plus(self, report: Report) -> Taken:
        """Return the sum with a slice's."""
        return self._replace(
            added=self.added + report.added,
            changed=self.changed + report.changed,
            unchanged=self.unchanged + report.unchanged,
        )


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """Give a database that is ready for the service, and close it at the end."""
    database = Database(url)
    try:
        await database.require_ready()
        yield database
    finally:
        await database.close()


async def add_venue(database: Database, chain_id: str, venue_id: str, name: str, time_zone: str, closes_minute: int) -> None:
    """Add a venue, and its chain when that is new; raise `ConfigError` where there is one of that name."""
    require_name(chain_id, "chain")
    require_name(venue_id, "venue")
    try:
        ZoneInfo(time_zone)
    except (OSError, ValueError, KeyError):
        raise ConfigError(f"{short(time_zone)} is no time zone; write one such as Europe/Stockholm") from None
    async with database.begin(writes=True) as connection:
        if await connection.scalar(select(venue.c.chain).where(venue.c.id == venue_id)) is not None:
            raise ConfigError(f"there is a venue {short(venue_id)} already; venues of all chains have names of their own")
        if await connection.scalar(select(chain.c.id).where(chain.c.id == chain_id)) is None:
            await connection.execute(insert(chain).values(id=chain_id, secret=secrets.token_bytes(32)))
        row: dict[str, object] = {"id": venue_id, "chain": chain_id, "name": name or venue_id, "time_zone": time_zone}
        row |= {"closes_minute": closes_minute, "zones": b"[]", "schedule": b""}
        await connection.execute(insert(venue).values(row))


async def list_venues(database: Database) -> list[tuple[str, str, str]]:
    """Return chain, venue and name of all venues."""
    async with database.begin() as connection:
        query = select(venue.c.chain, venue.c.id, venue.c.name).order_by(venue.c.chain, venue.c.id)
        return [(row.chain, row.id, row.name) for row in await connection.execute(query)]


async def set_schedule(database: Database, venue_id: str, data: bytes) -> None:
    """Put a venue's iCalendar file in place."""
    if len(data) > SCHEDULE_BYTES:
        raise ConfigError(f"the calendar has {len(data)} bytes; at most {SCHEDULE_BYTES} are taken")
    async with database.begin(writes=True) as connection:
        await _require_venue(connection, venue_id)
        await connection.execute(update(venue).where(venue.c.id == venue_id).values(schedule=data))


async def add_token(database: Database, venue_id: str, terminal: str) -> str:
    """Return a new token for a terminal; older ones hold until they are revoked."""
    require_name(terminal, "terminal")
    word = make_token()
    async with database.begin(writes=True) as connection:
        await _require_venue(connection, venue_id)
        await connection.execute(insert(token).values(hash=hash_token(word), venue=venue_id, terminal=terminal))
    return word


async def revoke_tokens(database: Database, venue_id: str, terminal: str) -> int:
    """Revoke a terminal's tokens; running processes take them for up to half a minute more. Return how many there were."""
    async with database.begin(writes=True) as connection:
        return await _revoke_tokens(connection, venue_id, terminal)


async def _revoke_tokens(connection: AsyncConnection, venue_id: str, terminal: str) -> int:
    await _require_venue(connection, venue_id)
    gone = erase(token).where(token.c.venue == venue_id, token.c.terminal == terminal)
    return (await connection.execute(gone)).rowcount


async def shut_out(database: Database, venue_id: str, terminal: str, now_s: int) -> int:
    """Revoke a terminal's tokens and certificates, which running processes know within a second; return how many tokens."""
    require_name(terminal, "terminal")
    async with database.begin(writes=True) as connection:
        gone = await _revoke_tokens(connection, venue_id, terminal)
        row = {"venue": venue_id, "terminal": terminal, "until_s": now_s}
        await database.write(connection, (Insertion(revoked, ("until_s",)), {"rows": [row]}))
    return gone


async def identity_of(database: Database, venue_id: str, terminal: str) -> tuple[Identity, int]:
    """Return a terminal's identity, and from when on its certificate must hold in seconds UTC, 0 for any time.

    Raise `ConfigError` when there is no such venue.
    """
    require_name(terminal, "terminal")
    async with database.begin() as connection:
        chain_id = await _require_venue(connection, venue_id)
        query = select(revoked.c.until_s).where(revoked.c.venue == venue_id, revoked.c.terminal == terminal)
        until_s = await connection.scalar(query)
    return Identity(chain_id, venue_id, terminal), 0 if until_s is None else until_s + 1


async def import_members(database: Database, chain_id: str, rows: Iterable[Row], told: Callable[[Row, Taken], None]) -> Taken:
    """Take a list in, slice by slice; `told` hears of each row and of what became of those before it."""
    taken = Taken()
    waiting: list[Member] = []
    for row in rows:
        if row.member is None:
            taken = taken._replace(faulty=taken.faulty + 1)
        else:
            waiting.append(row.member)
        if len(waiting) == SLICE:
            taken = taken.plus(await take_members(database, chain_id, waiting))
            waiting.clear()
        told(row, taken)
    return taken.plus(await take_members(database, chain_id, waiting))


async def remove_member(database: Database, chain_id: str, member_id: str) -> bool:
    """Erase a member, with what hosts decided about them in any venue; return whether there was one.

    Raise `ConfigError` when there is no such chain.
    """
    found = await roster.remove_member(database, chain_id, member_id)
    async with database.begin() as connection:
        venues = list(await connection.scalars(select(venue.c.id).where(venue.c.chain == chain_id).order_by(venue.c.id)))
    for each in venues:
        async with database.begin(chain=chain_id, venue=each, writes=True) as connection:
            await _forget_rulings(connection, each, member_id)
    return found


async def _forget_rulings(connection: AsyncConnection, venue_id: str, member_id: str) -> None:
    """Erase without a trace what the host decided about somebody; doors and processes that know of it begin anew."""
    held = select(venue.c.version).where(venue.c.id == venue_id).with_for_update(key_share=True)
    version = (await connection.execute(held)).scalar_one() + 1
    about = or_(ruling.c.one == member_id, ruling.c.other == member_id)
    if (await connection.execute(erase(ruling).where(ruling.c.venue == venue_id, about))).rowcount:
        await connection.execute(update(venue).where(venue.c.id == venue_id).values(version=version, horizon=version))


async def _require_venue(connection: AsyncConnection, venue_id: str) -> str:
    found: str | None = await connection.scalar(select(venue.c.chain).where(venue.c.id == venue_id))
    if found is None:
        raise ConfigError(f"there is no venue {short(venue_id)}; 'fikatap matching venue list' shows them")
    return found
