"""Who is here, told at once to every door that waits for it."""

from __future__ import annotations

import asyncio

from sqlalchemy import update

from drivers.matching import wire
from firmware_py.matching_service.memory import Memories, State
from firmware_py.matching_service.tables import venue
from kiosk.effects import Ending
from kiosk.values import VisitId
from tests.firmware_py.matching_service.house import ALMA, BO, House, play


def test_only_what_changed_is_told(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        await door.check_in(ALMA)
        first = await door.here()
        assert first.whole
        await door.check_in("stranger")
        second = await door.here(first.version)
        assert [each.visit for each in second.open] == ["front-2"]
        assert not second.whole
        await door.report(wire.VisitClosed(visit=VisitId("front-1"), why=Ending.TAPPED))
        third = await door.here(second.version)
        assert (third.open, third.closed) == ((), ("front-1",))
        assert await door.here(third.version) == wire.PresencePage(version=third.version)

    play(url, story)


def test_who_waits_hears_at_once_and_else_when_the_wait_is_over(url: str) -> None:
    async def story(house: House) -> None:
        front, back = await house.door(), await house.door(name="back")
        await front.check_in(ALMA)
        seen = await back.here()
        assert (await back.here(seen.version, wait=0.2)).version == seen.version
        waiting = asyncio.create_task(back.here(seen.version, wait=30))
        async with asyncio.timeout(20):
            await front.check_in(BO)
            page = await waiting
        assert "front-2" in {each.visit for each in page.open}

    play(url, story)


def test_a_word_that_got_lost_is_made_up_for(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        await door.check_in(ALMA)
        seen = await door.here()
        waiting = asyncio.create_task(door.here(seen.version, wait=30))
        async with asyncio.timeout(20):
            # As a process does that dies between commit and word.
            for version in range(seen.version + 1, 1000):
                async with house.database.begin(writes=True) as connection:
                    await connection.execute(update(venue).where(venue.c.id == "mitte").values(version=version))
                done, _ = await asyncio.wait({waiting}, timeout=0.7)
                if done:
                    break
        assert (await waiting).version > seen.version

    play(url, story)


def test_a_door_that_knows_more_than_the_service_begins_anew(sqlite: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        await door.check_in(ALMA)
        page = await door.here(99, wait=30)
        assert page.whole
        assert [each.member for each in page.open] == ["alma"]

    play(sqlite, story)


def test_how_long_somebody_talks_is_told_on_no_clock(sqlite: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        await door.report(wire.VisitOpened(presence=door.presence(ALMA, talks_for_ms=900_000)))
        house.now_ms += 600_000
        assert (await door.visit("front-1")).talks_for_ms == 300_000
        assert (await door.check_in(BO)).introduction is None, "she is talking"
        house.now_ms += 300_001
        assert (await door.visit("front-1")).talks_for_ms == 0
        assert (await door.check_in(BO)).introduction is not None

    play(sqlite, story)


def test_what_was_committed_while_versions_were_looked_at_is_no_older_database() -> None:
    memories = Memories()
    memory = memories.of("kaffe", "mitte")
    memory.keep(State(7, 0, {}, {}, {}))
    before = memories.version("mitte")
    memory.keep(State(8, 0, {}, {}, {}))  # a check-in, after the database was asked and before it answered
    assert not memories.looked("mitte", 7, before)
    assert memories.of("kaffe", "mitte") is memory
    assert memories.looked("mitte", 5, before), "a database from a backup is older than what was known before"
    assert memories.of("kaffe", "mitte") is not memory
