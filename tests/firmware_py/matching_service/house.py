"""The service in this process, with a clock that the test moves, and doors that talk to it as terminals do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
from sqlalchemy import update

from drivers.matching import wire
from firmware_py.matching_service.administration import add_token, add_venue
from firmware_py.matching_service.app import Service, application
from firmware_py.matching_service.database import Database
from firmware_py.matching_service.roster import take_members
from firmware_py.matching_service.tables import venue as venue_table
from kiosk.values import (
    Colour,
    Consents,
    Introduction,
    Language,
    Member,
    MemberId,
    Reason,
    ReasonKind,
    Symbol,
    TopicId,
    VisitId,
    Zone,
    ZoneId,
)
from tests.rigs.postgres import OWNER, ROLE, Postgres

START_MS = 1_800_000_000_000
ZONES = (
    Zone(ZoneId("window"), "Window", Symbol.CIRCLE, Colour.RED, capacity=50),
    Zone(ZoneId("corner"), "Corner", Symbol.STAR, Colour.BLUE, capacity=50, quiet=True),
)
BATCH_HEADERS = {"Content-Type": wire.BATCH}


def somebody(name: str, seeks: str, offers: str, **more: Any) -> Member:
    """Return a member who agrees to be introduced; the id is the name."""
    return Member(
        id=MemberId(name),
        first_name=name.title(),
        language=Language.SV,
        seeks=tuple(map(TopicId, seeks.split())),
        offers=tuple(map(TopicId, offers.split())),
        consents=Consents(introductions=True, name=True, need=True, occupation=True),
        **more,
    )


ALMA = somebody("alma", "pricing", "export")
BO = somebody("bo", "export", "pricing")
CAJSA = somebody("cajsa", "export", "pricing")


class Door:
    """A terminal, seen from the service."""

    def __init__(self, http: httpx.AsyncClient, venue: str, name: str) -> None:
        self.http = http
        self.path = f"/v1/venues/{venue}"
        self.name = name
        self._facts = 0
        self._visits = 0

    def presence(self, member: Member | str, visit: str = "", **more: Any) -> wire.Presence:
        """Return a visit of a member, with the next id and number of this door unless one is given."""
        self._visits += 1
        who = member if isinstance(member, str) else member.id
        return wire.Presence(
            visit=VisitId(visit or f"{self.name}-{self._visits}"),
            member=MemberId(who),
            number=self._visits,
            door=self.name,
            **more,
        )

    async def ask(self, presence: wire.Presence, *, key: str = "", wait: float = 10, **headers: str) -> httpx.Response:
        """Check somebody in and return the answer as it came."""
        return await self.http.post(
            f"{self.path}/check-ins",
            content=msgspec.json.encode(wire.CheckIn(presence=presence)),
            headers={
                "Idempotency-Key": key or f"{presence.visit}/1",
                "Prefer": f"wait={wait}",
                "Content-Type": "application/json",
                **headers,
            },
        )

    async def check_in(self, member: Member | str, **more: Any) -> wire.Proposal:
        """Check a member in and return the proposal."""
        answer = await self.ask(self.presence(member, **more))
        assert answer.status_code == 200, answer.text
        return msgspec.json.decode(answer.content, type=wire.Proposal)

    def event(self, what: wire.Happened, **changes: Any) -> dict[str, Any]:
        """Return the next fact of this door's journal, as it is on the wire."""
        self._facts += 1
        data = msgspec.to_builtins(what)
        return {
            "specversion": "1.0",
            "id": f"{self.name}-{self._facts}",
            "source": self.name,
            "type": data.pop("type"),
            "sequence": str(self._facts),
            "data": data,
            **changes,
        }

    async def send(self, events: Sequence[Any]) -> httpx.Response:
        """Send a batch as it is and return the answer as it came."""
        return await self.http.post(f"{self.path}/events", content=json.dumps(events), headers=BATCH_HEADERS)

    async def report(self, *what: wire.Happened) -> wire.Taken:
        """Send a batch of facts."""
        answer = await self.send([self.event(each) for each in what])
        assert answer.status_code == 200, answer.text
        return msgspec.json.decode(answer.content, type=wire.Taken)

    async def here(self, since: int = 0, wait: float = 0) -> wire.PresencePage:
        """Return who is here."""
        answer = await self.http.get(f"{self.path}/presence?since={since}", headers={"Prefer": f"wait={wait}"})
        assert answer.status_code == 200, answer.text
        return msgspec.json.decode(answer.content, type=wire.PresencePage)

    async def visit(self, visit: str) -> wire.Presence:
        """Return one open visit."""
        return {each.visit: each for each in (await self.here()).open}[VisitId(visit)]

    async def roster(self, since: int = 0, limit: int = 1000) -> wire.RosterPage:
        """Return a page of the roster."""
        answer = await self.http.get(f"{self.path}/roster?since={since}&limit={limit}")
        assert answer.status_code == 200, answer.text
        return msgspec.json.decode(answer.content, type=wire.RosterPage)

    def told(self, visit: str, member: Member, partner_visit: str = "", partner: Member | None = None) -> wire.MatchSettled:
        """Return the fact of what a visitor was told; without a partner "not yet"."""
        introduction = None
        if partner_visit:
            reason = Reason(ReasonKind.OPEN)
            introduction = Introduction(VisitId(visit), VisitId(partner_visit), reason, ZoneId("window"), 500)
        return wire.MatchSettled(
            visit=VisitId(visit),
            member=member.id,
            zone=ZoneId("window"),
            introduction=introduction,
            partner=None if partner is None else partner.id,
        )


class House:
    """The service with its database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now_ms = START_MS
        self.service = Service(database, lambda: self.now_ms)
        self.app = application(self.service)

    async def door(self, venue: str = "mitte", name: str = "front") -> Door:
        """Return a door of a venue."""
        token = await add_token(self.database, venue, name)
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        http = httpx.AsyncClient(transport=transport, base_url="http://service", headers={"Authorization": f"Bearer {token}"})
        return Door(http, venue, name)

    async def members(self, *members: Member, chain: str = "kaffe") -> None:
        """Take members in."""
        await take_members(self.database, chain, members)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[House]:
    """Give the service with two venues that have zones, `mitte` and `nord`, of one chain."""
    database = Database(url)
    house = House(database)
    async with house.service.lifespan(house.app):
        for each in ("mitte", "nord"):
            await add_venue(database, "kaffe", each, each, "Europe/Stockholm", 240)
            async with database.begin(writes=True) as connection:
                values = {"zones": msgspec.json.encode(ZONES)}
                await connection.execute(update(venue_table).where(venue_table.c.id == each).values(values))
        await house.members(ALMA, BO, CAJSA)
        yield house


def migrated(folder: Path, postgres: Postgres | None) -> str:
    """Return the URL of a database with empty tables."""
    if postgres is None:
        url = f"sqlite:///{folder}/matching.sqlite"
        owner = Database(url)
    else:
        postgres.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO fikatap_owner, fikatap")
        url = postgres.url()
        owner = Database(postgres.url(OWNER))

    async def make() -> None:
        await owner.migrate("" if postgres is None else ROLE)
        await owner.close()

    asyncio.run(make())
    return url


def play(url: str, story: Callable[[House], Awaitable[None]]) -> None:
    """Play a story in a house with an empty database."""

    async def all_of_it() -> None:
        async with opened(url) as house:
            await story(house)

    asyncio.run(all_of_it())
