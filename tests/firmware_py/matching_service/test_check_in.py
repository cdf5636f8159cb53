"""A check-in: one answer per key, one pair once, nobody sent to by everybody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from sqlalchemy import select

from drivers.matching import wire
from firmware_py.matching_service.database import Database
from firmware_py.matching_service.tables import venue
from kiosk.matching.score import STANDARD
from kiosk.values import Mood
from tests.firmware_py.matching_service.house import ALMA, BO, CAJSA, ZONES, Door, House, migrated, play, somebody
from tests.rigs.postgres import Postgres


@asynccontextmanager
async def venue_is_locked(house: House) -> AsyncIterator[None]:
    """Hold the venue's lock, as a slow transaction of another process does."""
    async with house.database.begin(writes=True) as connection:
        await connection.execute(select(venue.c.id).where(venue.c.id == "mitte").with_for_update())
        yield


def test_a_visitor_is_told_whom_to_meet_and_the_partner_counts_as_approached(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        first = await door.check_in(ALMA)
        assert first.introduction is None
        assert first.zone in {zone.id for zone in ZONES}
        second = await door.check_in(BO)
        assert second.introduction is not None
        assert second.introduction.partner == first.visit
        assert second.zone == second.introduction.zone
        assert second.partner is not None
        assert (second.partner.visit, second.partner.member) == (first.visit, "alma")
        assert (await door.visit(first.visit)).approached == 1
        assert (await door.visit(second.visit)).introduced == 1

    play(url, story)


def test_the_same_key_gets_the_same_answer_a_thousand_times(url: str) -> None:
    async def story(house: House) -> None:
        door, other = await house.door(), await house.door(name="back")
        await door.check_in(ALMA)
        presence = door.presence(BO)
        first = await door.ask(presence)
        assert b"alma" in first.content
        same = 0
        for number in range(1000):
            if number == 500:
                await other.check_in(CAJSA)  # who would change the answer
            again = await door.ask(presence)
            same += (again.status_code, again.content) == (200, first.content)
        assert same == 1000
        assert (await door.visit("front-1")).approached == 2, "once by Bo, once by Cajsa"

    play(url, story)


def test_an_answer_is_kept_for_a_day_and_no_longer(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        presence = door.presence(ALMA)
        first = await door.ask(presence)
        await door.check_in(BO)
        house.now_ms += 86_399_000
        assert (await door.ask(presence)).content == first.content
        house.now_ms += 2_000
        assert (await door.ask(presence)).content != first.content

    play(url, story)


def test_a_key_is_not_used_for_another_body(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        await door.ask(door.presence(ALMA), key="one")
        answer = await door.ask(door.presence(BO), key="one")
        assert answer.status_code == 422
        problem = msgspec.json.decode(answer.content, type=wire.Problem)
        assert (problem.value, problem.allowed) == ("one", "a new key for each check-in")
        assert [each.member for each in (await door.here()).open] == ["alma"]

    play(url, story)


def test_two_doors_may_use_the_same_key(sqlite: str) -> None:
    async def story(house: House) -> None:
        front, back = await house.door(), await house.door(name="back")
        answers = [await front.ask(front.presence(ALMA), key="one"), await back.ask(back.presence(BO), key="one")]
        assert [answer.status_code for answer in answers] == [200, 200]

    play(sqlite, story)


async def one_of_two_is_a_conflict(house: House, one: Door, other: Door) -> None:
    """Ask the same under the same key twice while nobody can be answered, then let it go on."""
    presence = one.presence(ALMA)
    async with venue_is_locked(house):
        asked = {asyncio.create_task(each.ask(presence, wait=10)) for each in (one, other)}
        done, going_on = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        assert [(await each).status_code for each in done] == [409]
    assert [(await each).status_code for each in going_on] == [200]
    assert (await other.ask(presence)).status_code == 200


def test_a_key_that_is_being_worked_on_is_a_conflict(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        await one_of_two_is_a_conflict(house, door, door)

    play(url, story)


def test_a_key_that_another_process_works_on_is_a_conflict(postgres: Postgres, tmp_path: Path) -> None:
    url = migrated(tmp_path, postgres)

    async def story(house: House) -> None:
        neighbour = House(Database(url))
        async with neighbour.service.lifespan(neighbour.app):
            await one_of_two_is_a_conflict(house, await house.door(), await neighbour.door())

    play(url, story)


def test_when_the_answer_is_late_the_terminal_decides_and_nothing_is_kept(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        presence = door.presence(ALMA)
        async with venue_is_locked(house):
            late = await door.ask(presence, wait=0.05)
        assert (late.status_code, late.content) == (202, b"")
        assert (await door.here()).open == ()
        again = await door.ask(presence)
        while again.status_code == 409:  # what was given up has not ended yet
            await asyncio.sleep(0)
            again = await door.ask(presence)
        assert again.status_code == 200

    play(url, story)


def test_without_zones_the_terminal_decides(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        await door.report(wire.ZonesSet(zones=()))
        presence = door.presence(ALMA)
        assert (await door.ask(presence)).status_code == 202
        await door.report(wire.ZonesSet(zones=ZONES))
        assert (await door.ask(presence)).status_code == 202, "the same key, the same answer"
        assert (await door.check_in(BO)).introduction is not None, "the visit is known all the same"

    play(url, story)


def test_somebody_who_is_not_in_the_roster_gets_a_zone(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        await door.check_in(ALMA)
        answer = await door.check_in("stranger")
        assert answer.introduction is None
        assert answer.zone is not None
        await house.members(somebody("stranger", "export", "pricing"))
        found = (await door.check_in(ALMA)).partner
        assert found is not None
        assert found.member == "stranger", "the roster's news counts at once"

    play(url, story)


def test_a_visitor_who_wants_coffee_is_introduced_to_nobody(sqlite: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        await door.check_in(ALMA, mood=Mood.COFFEE)
        assert (await door.check_in(BO)).introduction is None

    play(sqlite, story)


def test_a_proposal_is_kept_for_its_visit_until_it_is_settled(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        await door.check_in(ALMA)
        presence = door.presence(BO)
        first = msgspec.json.decode((await door.ask(presence, key="1")).content, type=wire.Proposal)
        again = msgspec.json.decode((await door.ask(presence, key="2")).content, type=wire.Proposal)
        assert first.introduction == again.introduction is not None
        assert (await door.visit("front-1")).approached == 1

    play(url, story)


def test_a_proposal_that_nobody_settles_lapses_after_two_minutes(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        await door.check_in(ALMA)
        await door.check_in(BO)
        house.now_ms += 119_000
        await door.check_in("stranger")
        assert (await door.visit("front-1")).approached == 1
        house.now_ms += 2_000
        await door.check_in("another")
        assert (await door.visit("front-1")).approached == 0
        assert (await door.visit("front-2")).introduced == 0

    play(url, story)


def test_what_the_terminal_told_confirms_a_proposal(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        await door.check_in(ALMA)
        await door.check_in(BO)
        await door.report(door.told("front-2", BO, "front-1", ALMA))
        house.now_ms += 600_000
        await door.check_in("stranger")
        assert (await door.visit("front-1")).approached == 1

    play(url, story)


def test_what_the_terminal_told_takes_another_proposal_back(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        await door.check_in(ALMA)
        await door.check_in(CAJSA)
        proposed = await door.check_in(somebody("dag", "", ""))
        assert proposed.introduction is None
        await door.check_in(BO)
        await door.report(door.told("front-4", BO, "front-2", CAJSA))
        counts = {each.member: (each.approached, each.introduced) for each in (await door.here()).open}
        assert counts[CAJSA.id][0] == 1
        assert counts[BO.id] == (0, 1)
        await door.report(door.told("front-2", CAJSA))
        counts = {each.member: (each.approached, each.introduced) for each in (await door.here()).open}
        assert counts[ALMA.id] == (0, 0), "who was to be sent to her was told 'not yet'"

    play(url, story)


def test_no_pair_is_proposed_twice_whichever_of_them_asks(url: str) -> None:
    async def story(house: House) -> None:
        front, back = await house.door(), await house.door(name="back")
        await front.check_in(ALMA)
        assert (await front.check_in(BO)).introduction is not None
        assert (await back.check_in(ALMA)).introduction is None
        await front.report(front.told("front-2", BO, "front-1", ALMA))
        assert (await back.check_in(ALMA, visit="back-9")).introduction is None
        nord = await house.door("nord", "north")
        await nord.check_in(ALMA)
        assert (await nord.check_in(BO)).introduction is None, "they have met in another café of the chain"

    play(url, story)


def test_a_member_who_taps_at_another_door_has_one_visit(url: str) -> None:
    async def story(house: House) -> None:
        front, back = await house.door(), await house.door(name="back")
        await front.check_in(ALMA)
        seen = await back.here()
        await back.check_in(ALMA)
        page = await front.here(seen.version)
        assert [each.visit for each in page.open] == ["back-1"]
        assert page.closed == ("front-1",)

    play(url, story)


def test_two_venues_have_their_own_visitors(url: str) -> None:
    async def story(house: House) -> None:
        mitte, nord = await house.door(), await house.door("nord", "north")
        await mitte.check_in(ALMA)
        assert (await nord.check_in(BO)).introduction is None
        assert [each.member for each in (await nord.here()).open] == ["bo"]

    play(url, story)


def test_nobody_is_approached_more_often_than_allowed_while_nothing_is_settled(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        await door.check_in(ALMA)
        people = [somebody(f"guest{number}", "export", "pricing") for number in range(6)]
        await house.members(*people)
        await asyncio.gather(*(door.check_in(each) for each in people))
        here = {each.member: each for each in (await door.here()).open}
        assert 1 <= here[ALMA.id].approached <= STANDARD.approaches < len(people)

    play(url, story)
