"""The shared matching service under load: doors of many cafés tap over TLS, on PostgreSQL, from the same two cores."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
import time
from pathlib import Path
from random import Random
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from drivers.matching import wire
from firmware_py.roster import made_up_members
from firmware_py.vocabulary import load_vocabulary
from kiosk.effects import Ending
from kiosk.values import Colour, Member, Symbol, VisitId, Zone, ZoneId
from tests.rigs.postgres import Postgres
from tests.rigs.service import RunningService

VENUES, DOORS_EACH, PRESENT, RATE = 50, 4, 150, 40
SECONDS, SATURATED_S, AT_ONCE = 20, 8, 24
MEMBERS = 200
"""Members who come to one café."""
ZONES = tuple(
    Zone(ZoneId(f"zone{number}"), f"Zone {number}", symbol, Colour.RED, capacity=60) for number, symbol in enumerate(Symbol)
)
TICK = os.sysconf("SC_CLK_TCK")


class Connection:
    """A terminal's connection, kept open; no library, so that the load costs little beside what it measures."""

    answers = 0
    """Of all connections."""
    carried = 0
    """Bytes, both ways, before TLS."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext, venue: str) -> None:
        self._where = (host, port, context)
        self._path = f"/v1/venues/{venue}"
        self._lock = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
        """Return status and body of an answer."""
        async with self._lock:
            if self._streams is None:
                host, port, context = self._where
                self._streams = await asyncio.open_connection(host, port, ssl=context)
            reader, writer = self._streams
            lines = [f"{method} {self._path}{path} HTTP/1.1", "Host: service", f"Content-Length: {len(body)}"]
            lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
            asked = ("\r\n".join(lines) + "\r\n\r\n").encode() + body
            writer.write(asked)
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = next((int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length:")), 0)
            Connection.answers += 1
            Connection.carried += len(asked) + len(head) + length
            return int(head.split(" ", 2)[1]), await reader.readexactly(length)

    def close(self) -> None:
        """Close it."""
        if self._streams is not None:
            self._streams[1].transport.abort()


class Door:
    """A terminal: one connection for taps and journal, one that waits for news of the other doors."""

    def __init__(self, connect: Any, venue: str, name: str) -> None:
        self.name = name
        self.taps: Connection = connect(venue)
        self.news: Connection = connect(venue)
        self._count = 0
        self._facts = 0

    def presence(self, member: Member) -> wire.Presence:
        """Return the next visit at this door."""
        self._count += 1
        visit = VisitId(f"{self.name}-{self._count}")
        return wire.Presence(visit=visit, member=member.id, number=self._count, door=self.name)

    async def tap(self, member: Member, leaves: list[VisitId]) -> tuple[float, int, VisitId]:
        """Check somebody in, tell what they were told, let somebody else leave; return the answer's seconds and status."""
        presence = self.presence(member)
        body = msgspec.json.encode(wire.CheckIn(presence=presence))
        headers = {"Idempotency_Key": str(presence.visit), "Prefer": "wait=0.8", "Content_Type": "application/json"}
        began = time.perf_counter()
        status, answer = await self.taps.ask("POST", "/check-ins", body, **headers)
        took = time.perf_counter() - began
        proposal = msgspec.json.decode(answer, type=wire.Proposal) if status == 200 else wire.Proposal(visit=presence.visit)
        partner = None if proposal.partner is None else proposal.partner.member
        told = wire.MatchSettled(
            visit=presence.visit, member=member.id, zone=proposal.zone, introduction=proposal.introduction, partner=partner
        )
        ended = [wire.VisitClosed(visit=visit, why=Ending.TAPPED) for visit in leaves]
        await self.report(wire.VisitOpened(presence=presence), told, *ended)
        return took, status, presence.visit

    async def report(self, *happened: wire.Happened) -> None:
        """Send facts."""
        events = []
        for what in happened:
            self._facts += 1
            data = msgspec.to_builtins(what)
            kind = data.pop("type")
            number = str(self._facts)
            base = {"specversion": "1.0", "source": self.name, "id": number, "sequence": number}
            events.append({**base, "type": kind, "data": data})
        status, answer = 503, b""
        while status == 503:  # too much to do: a terminal keeps its journal and sends it again
            status, answer = await self.taps.ask("POST", "/events", json.dumps(events).encode(), Content_Type=wire.BATCH)
        assert status == 200, answer

    async def listen(self) -> None:
        """Follow who is here, for ever."""
        version = 0
        while True:
            status, answer = await self.news.ask("GET", f"/presence?since={version}", Prefer="wait=20")
            if status == 200:
                version = msgspec.json.decode(answer, type=wire.PresencePage).version


class Venue:
    """A café, its doors and who is here."""

    def __init__(self, doors: list[Door], members: list[Member], chance: Random) -> None:
        self.doors = doors
        self._away = members[PRESENT:]
        self._here: list[tuple[VisitId, Member]] = []
        self._first = members[:PRESENT]
        self._chance = chance

    async def fill(self) -> None:
        """Let the first ones be here already."""
        opened = [wire.VisitOpened(presence=self.doors[0].presence(member)) for member in self._first]
        self._here = [(each.presence.visit, member) for each, member in zip(opened, self._first, strict=True)]
        await self.doors[0].report(wire.ZonesSet(zones=ZONES), *opened)

    async def tap(self, door: Door | None = None) -> tuple[float, int]:
        """Let somebody come, at any door unless one is named, and who is here longest leave."""
        member = self._away.pop(0)
        gone, old = self._here.pop(0)
        self._away.append(old)
        took, status, visit = await (door or self._chance.choice(self.doors)).tap(member, [gone])
        self._here.append((visit, member))
        return took, status


def figures() -> dict[str, float]:
    """Return latency at the asked rate, processor time per tap, and the rate at which the service is saturated."""
    with TemporaryDirectory() as folder, Postgres() as server:
        members = made_up_members(VENUES * MEMBERS, 3, load_vocabulary())
        with RunningService(Path(folder), server, tls=True) as service:
            names = [f"cafe{number}" for number in range(VENUES)]
            for name in names:
                service.add_venue(name)
            for start in range(0, len(members), 1_000):
                service.put_members(members[start : start + 1_000])
            service.start()
            return asyncio.run(_load(service, server, names, members))


class Count:
    """What was used so far."""

    def __init__(self, service: RunningService, server: Postgres) -> None:
        counted = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        self._used = {
            "cpu_ms_per_tap_service": _cpu([service.pid()]) * 1000,
            "cpu_ms_per_tap_postgresql": _cpu(server.pids()) * 1000,
            "cpu_ms_per_tap_load": time.process_time() * 1000,
            "transactions_per_tap": float(server.sql(counted)),
            "database_bytes_per_tap": float(server.sql("SELECT pg_database_size(current_database())")),
            "wal_bytes_per_tap": float(server.sql("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")),
            "answers_per_tap": float(Connection.answers),
            "network_bytes_per_tap": float(Connection.carried),
        }

    def per_tap(self, before: Count, taps: int) -> dict[str, float]:
        """Return what each tap used since then."""
        spent = {f"service_{name}": round((used - before._used[name]) / taps, 2) for name, used in self._used.items()}
        parts = ("service_cpu_ms_per_tap_service", "service_cpu_ms_per_tap_postgresql")
        return {"service_cpu_ms_per_tap": round(sum(map(spent.__getitem__, parts)), 2), **spent}


async def _load(service: RunningService, server: Postgres, names: list[str], members: list[Member]) -> dict[str, float]:
    host, port = service.urls[0].removeprefix("https://").split(":")
    contexts = {name: _context(service, name) for name in names}

    def connect(venue: str) -> Connection:
        return Connection(host, int(port), contexts[venue], venue)

    chance = Random(5)
    venues = []
    for number, name in enumerate(names):
        doors = [Door(connect, name, f"{name}-door{each}") for each in range(DOORS_EACH)]
        venues.append(Venue(doors, members[number * MEMBERS : (number + 1) * MEMBERS], chance))
    doors = [door for venue in venues for door in venue.doors]
    for venue in venues:
        await venue.fill()
    listening = [asyncio.create_task(door.listen()) for door in doors]
    for venue in venues:  # connections, caches and plans are there as in the middle of an evening
        for door in venue.doors:
            await venue.tap(door)
    before, began = Count(service, server), time.perf_counter()
    taps = []
    while time.perf_counter() - began < SECONDS:
        taps.append(asyncio.create_task(chance.choice(venues).tap()))
        await asyncio.sleep(chance.expovariate(RATE))
    answers = await asyncio.gather(*taps)
    after = Count(service, server)
    took = quantiles([each * 1000 for each, _ in answers], n=100)
    result = {
        "service_doors": float(len(doors)),
        "service_taps_per_s": round(len(answers) / SECONDS, 1),
        "service_check_in_p50_ms": round(took[49], 1),
        "service_check_in_p99_ms": round(took[98], 1),
        "service_undecided": float(sum(status != 200 for _, status in answers)),
        **after.per_tap(before, len(answers)),
    }
    until, done = time.perf_counter() + SATURATED_S, 0

    async def without_pause(share: list[Venue]) -> None:
        nonlocal done
        while time.perf_counter() < until:
            for venue in share:
                await venue.tap()
                done += 1

    await asyncio.gather(*(without_pause(venues[number::AT_ONCE]) for number in range(min(AT_ONCE, VENUES))))
    result["service_saturated_taps_per_s"] = round(done / (time.perf_counter() - until + SATURATED_S), 1)
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)
    for door in doors:
        door.taps.close()
        door.news.close()
    return result


def _context(service: RunningService, venue: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(service.authority))
    context.load_cert_chain(*service.certificate(venue, "door"))
    return context


def _cpu(pids: list[int]) -> float:
    """Return the seconds of processor time that processes have taken, those of their ended children too."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, fields[11:13]))
    return total / TICK


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:3]]  # cafés and taps a second, where less is to be seen
    VENUES, RATE = given if len(given) == 2 else (VENUES, RATE)
    print(json.dumps(figures(), indent=2))
