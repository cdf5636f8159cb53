"""What is erased, when, and what is left of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from firmware_py.matching_service.keeping import DAY_MS, keep_house, last_closing, tidy
from firmware_py.matching_service.tables import answer, fact, match, met, visit
from tests.firmware_py.matching_service.house import ALMA, BO, House, play


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("before", "closing"),
    [
        ("2027-01-15T12:00", "2027-01-15T03:00"),  # 04:00 in Stockholm
        ("2027-01-15T02:59", "2027-01-14T03:00"),
        ("2027-07-15T12:00", "2027-07-15T02:00"),
    ],
)
def test_the_day_ends_at_closing_in_the_venues_time_zone(before: str, closing: str) -> None:
    assert last_closing("Europe/Stockholm", 240, ms(before)) == ms(closing)


def test_a_closing_in_the_hour_that_spring_leaves_out_is_a_moment_too() -> None:
    assert last_closing("Europe/Stockholm", 150, ms("2027-03-28T12:00")) == ms("2027-03-28T01:30")


async def rows(house: House, venue: str = "mitte") -> dict[str, int]:
    async with house.database.begin(chain="kaffe", venue=venue) as connection:
        found = {}
        for table in (visit, match, fact, answer, met):
            own = table.c.chain == "kaffe" if table is met else table.c.venue == venue
            found[table.name] = await connection.scalar(select(func.count()).where(own)) or 0
        return found


def test_presence_is_kept_until_an_hour_after_closing_and_counters_stay(url: str) -> None:
    async def story(house: House) -> None:
        house.now_ms = ms("2027-01-15T18:00")
        door, nord = await house.door(), await house.door("nord", "north")
        await door.check_in(ALMA)
        await door.check_in(BO)
        await door.report(door.told("front-2", BO, "front-1", ALMA))
        seen = await door.here()
        house.now_ms = ms("2027-01-16T03:59")  # 04:59 there
        await tidy(house.database, house.now_ms)
        assert (await rows(house))["visit"] == 2
        await nord.check_in("stranger")
        house.now_ms = ms("2027-01-16T04:01")
        await tidy(house.database, house.now_ms)
        await tidy(house.database, house.now_ms)
        assert await rows(house) == {"visit": 0, "match": 0, "fact": 1, "answer": 2, "met": 2}
        assert (await rows(house, "nord"))["visit"] == 1, "who came after closing is of the new day"
        page = await door.here(seen.version)
        assert (page.whole, page.open) == (True, ())
        await door.check_in(ALMA, visit="front-9")
        assert (await door.visit("front-9")).lifetime_rate == 1000, "one approach in one visit"

    play(url, story)


def test_introductions_are_kept_for_six_months_and_the_journal_for_thirty_days(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        await door.check_in(ALMA)
        await door.check_in(BO)
        await door.report(door.told("front-2", BO, "front-1", ALMA))
        page = await door.roster()
        for days, left in ((2, {"fact": 1, "met": 2}), (31, {"fact": 0, "met": 2}), (183, {"fact": 0, "met": 0})):
            house.now_ms += DAY_MS * days
            await tidy(house.database, house.now_ms)
            found = await rows(house)
            assert {name: found[name] for name in left} == left
            assert found["answer"] == 0
        news = await door.roster(page.version)
        assert {entry.id: entry.met for entry in news.entries} == {"alma": (), "bo": ()}, "terminals forget it too"
        await door.check_in(ALMA)
        assert (await door.check_in(BO)).introduction is not None

    play(url, story)


def test_the_house_is_kept_whatever_went_wrong_the_last_time(sqlite: str, caplog: pytest.LogCaptureFixture) -> None:
    async def story(house: House) -> None:
        again = asyncio.Event()
        asked = 0

        def clock() -> int:
            nonlocal asked
            asked += 1
            if asked == 1:
                raise ValueError("a time that is none")
            again.set()
            return house.now_ms

        keeping = asyncio.create_task(keep_house(house.database, clock, every_s=0.01))
        async with asyncio.timeout(20):
            await again.wait()
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        assert [record.message for record in caplog.records] == ["not all was tidied up"]
        assert caplog.records[0].exc_info is not None

    play(sqlite, story)
