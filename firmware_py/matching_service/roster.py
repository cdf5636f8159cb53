"""The chain's members as terminals keep them: taken in from lists, numbered by change, told in pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace
from sqlalchemy import and_, bindparam, insert, or_, select, update
from sqlalchemy import delete as erase
from sqlalchemy.ext.asyncio import AsyncConnection

from drivers.errors import ConfigError
from drivers.matching import wire
from firmware_py.config import short
from firmware_py.keys import employer_hash
from firmware_py.matching_service.database import Database, Insertion
from firmware_py.matching_service.identity import Identity
from firmware_py.matching_service.tables import block, card, chain, member, met, touched
from kiosk.values import Member

NUMBERED = 5_000
"""How many changes get their versions in one transaction."""
LARGEST_PAGE = 2_000


_MEMBER = Insertion(member, ("version", "data"))


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A `wire.RosterEntry` whose member is written as it was stored."""

    id: str
    version: int
    member: msgspec.Raw | None
    cards: tuple[wire.RosterCard, ...]
    met: tuple[str, ...]
    blocked: tuple[str, ...]


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A `wire.RosterPage` of such entries."""

    version: int
    entries: tuple[Entry, ...] = ()
    more: bool = False
    whole: bool = False


class Report(NamedTuple):
    """What became of a slice of a list."""

    added: int
    changed: int
    unchanged: int


async def roster_page(database: Database, identity: Identity, since: int, limit: int, known: str) -> Page | None:
    """Return what changed after version `since`, oldest change first; None when `known` is the newest version already."""
    await _number_changes(database, identity.chain)
    async with database.begin(chain=identity.chain) as connection:
        row = (await connection.execute(select(chain.c.version, chain.c.horizon).where(chain.c.id == identity.chain))).one()
        whole = since == 0 or since < row.horizon or since > row.version
        if known == str(row.version) and not whole:
            return None
        after = 0 if whole else since
        query = select(member.c.id, member.c.version, member.c.data).where(
            member.c.chain == identity.chain, member.c.version > after, member.c.version <= row.version
        )
        if whole:
            query = query.where(member.c.data.is_not(None))
        found = (await connection.execute(query.order_by(member.c.version).limit(limit + 1))).all()
        more = len(found) > limit
        found = found[:limit]
        cards, friends, blocked = await _details(connection, identity.chain, [each.id for each in found])
    return Page(
        version=found[-1].version if more else row.version,
        entries=tuple(
            Entry(
                id=each.id,
                version=each.version,
                member=None if each.data is None else msgspec.Raw(bytes(each.data)),
                cards=tuple(cards.get(each.id, ())),
                met=tuple(friends.get(each.id, ())),
                blocked=tuple(blocked.get(each.id, ())),
            )
            for each in found
        ),
        more=more,
        whole=whole,
    )


def _hashed(each: Member, secret: bytes) -> Member:
    """Return a member whose employer, old schools and old employers are told by nothing but keyed hashes."""
    places = tuple(employer_hash(secret, place) for place in each.history)
    return replace(each, employer=employer_hash(secret, each.employer), history=places)


async def take_members(database: Database, chain_id: str, members: Sequence[Member]) -> Report:
    """Take a slice of a list in; places are names in clear, and are hashed here. Raise `ConfigError` for no such chain."""
    async with database.begin(chain=chain_id, writes=True) as connection:
        row = await _lock(connection, chain_id)
        fresh = {each.id: msgspec.json.encode(_hashed(each, row.secret)) for each in members}
        query = select(member.c.id, member.c.data).where(member.c.chain == chain_id, member.c.id.in_(sorted(fresh)))
        before = {each.id: each.data for each in await connection.execute(query)}
        changed = [each for each, data in fresh.items() if before.get(each) is None or bytes(before[each]) != data]
        rows = [
            {"chain": chain_id, "id": each, "version": version, "data": fresh[each]}
            for version, each in enumerate(changed, row.version + 1)
        ]
        await database.write(connection, (_MEMBER, {"rows": rows}))
        if rows:
            await _set_version(connection, chain_id, row.version + len(rows), revision=row.revision + 1)
        added = sum(before.get(each) is None for each in changed)
    return Report(added, len(changed) - added, len(fresh) - len(changed))


async def remove_member(database: Database, chain_id: str, member_id: str) -> bool:
    """Erase a member, with cards and introductions; the tombstone tells terminals. Return whether there was one."""
    async with database.begin(chain=chain_id, writes=True) as connection:
        row = await _lock(connection, chain_id)
        gone = (
            update(member)
            .where(member.c.chain == chain_id, member.c.id == member_id, member.c.data.is_not(None))
            .values(data=None, version=row.version + 1, visits=0, approaches=0, introductions=0)
        )
        if not (await connection.execute(gone)).rowcount:
            return False
        await connection.execute(erase(card).where(card.c.chain == chain_id, card.c.member == member_id))
        friends = await connection.execute(
            erase(met)
            .where(met.c.chain == chain_id, or_(met.c.member == member_id, met.c.partner == member_id))
            .returning(met.c.member)
        )
        apart = or_(block.c.member == member_id, block.c.other == member_id)
        await connection.execute(erase(block).where(block.c.chain == chain_id, apart))
        rest = sorted({each for (each,) in friends} - {member_id})
        if rest:
            await connection.execute(insert(touched).values([{"chain": chain_id, "member": each} for each in rest]))
        await _set_version(connection, chain_id, row.version + 1, revision=row.revision + 1)
    return True


async def _number_changes(database: Database, chain_id: str) -> None:
    """Give versions to the members whose cards or introductions changed; they become part of the next page."""
    async with database.begin(chain=chain_id) as connection:
        if await connection.scalar(select(touched.c.id).where(touched.c.chain == chain_id).limit(1)) is None:
            return
    async with database.begin(chain=chain_id, writes=True) as connection:
        row = await _lock(connection, chain_id)
        oldest = select(touched.c.id).where(touched.c.chain == chain_id).order_by(touched.c.id).limit(NUMBERED)
        taken = await connection.execute(erase(touched).where(touched.c.id.in_(oldest)).returning(touched.c.member))
        ids = sorted({each for (each,) in taken})
        if ids:
            numbered = [{"which": each, "number": version} for version, each in enumerate(ids, row.version + 1)]
            mine = and_(member.c.chain == chain_id, member.c.id == bindparam("which"))
            await connection.execute(update(member).where(mine).values(version=bindparam("number")), numbered)
            await _set_version(connection, chain_id, row.version + len(ids), revision=row.revision)


async def _lock(connection: AsyncConnection, chain_id: str) -> Any:
    query = select(chain.c.version, chain.c.revision, chain.c.secret).where(chain.c.id == chain_id)
    row = (await connection.execute(query.with_for_update(key_share=True))).one_or_none()
    if row is None:
        names = ", ".join(await connection.scalars(select(chain.c.id).order_by(chain.c.id).limit(20)))
        raise ConfigError(f"there is no chain {short(chain_id)}; there are: {names or 'none yet'}")
    return row


async def _set_version(connection: AsyncConnection, chain_id: str, version: int, *, revision: int) -> None:
    await connection.execute(update(chain).where(chain.c.id == chain_id).values(version=version, revision=revision))


async def _details(
    connection: AsyncConnection, chain_id: str, ids: Iterable[str]
) -> tuple[dict[str, list[wire.RosterCard]], dict[str, list[str]], dict[str, list[str]]]:
    """Return cards, met members and those never to meet, by member."""
    wanted = list(ids)
    cards: dict[str, list[wire.RosterCard]] = {}
    friends: dict[str, list[str]] = {}
    blocked: dict[str, list[str]] = {}
    if wanted:
        query = select(card).where(card.c.chain == chain_id, card.c.member.in_(wanted)).order_by(card.c.card)
        for each in await connection.execute(query):
            cards.setdefault(each.member, []).append(wire.RosterCard(each.card, each.key, each.blocked))
        pairs = select(met.c.member, met.c.partner).where(met.c.chain == chain_id, met.c.member.in_(wanted))
        for one, other in await connection.execute(pairs.order_by(met.c.partner)):
            friends.setdefault(one, []).append(other)
        apart = select(block.c.member, block.c.other).where(block.c.chain == chain_id, block.c.member.in_(wanted))
        for one, other in await connection.execute(apart.order_by(block.c.other)):
            blocked.setdefault(one, []).append(other)
    return cards, friends, blocked
