"""What the host decided at one door holds at every door of the venue, and nowhere else."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import func, select

from drivers.matching import wire
from firmware_py.matching_service.administration import remove_member
from firmware_py.matching_service.keeping import tidy
from firmware_py.matching_service.tables import ruling
from kiosk.effects import Ending
from kiosk.values import MemberId, Ruling, VisitId
from tests.firmware_py.matching_service.house import ALMA, BO, CAJSA, Door, House, play, somebody

IDLE = somebody("idle", "ml", "embedded")
"""Somebody whom nobody would be sent to, and who would be sent to nobody."""


def ruled(which: Ruling | None, one: str = "alma", other: str = "bo") -> wire.HostRuled:
    return wire.HostRuled(one=MemberId(one), other=MemberId(other), ruling=which)


async def told(door: Door, since: int = 0) -> dict[tuple[str, str], Ruling | None]:
    return {(each.one, each.other): each.ruling for each in (await door.here(since)).rulings}


async def kept(house: House, venue: str = "mitte") -> int:
    async with house.database.begin(chain="kaffe", venue=venue) as connection:
        return await connection.scalar(select(func.count()).select_from(ruling).where(ruling.c.venue == venue)) or 0


def test_a_veto_made_at_one_door_holds_when_another_asks_until_it_is_taken_back(url: str) -> None:
    async def story(house: House) -> None:
        front, back = await house.door(), await house.door(name="back")
        await front.check_in(ALMA)
        await front.report(ruled(Ruling.VETO, "bo", "alma"))
        assert await told(back) == {("alma", "bo"): Ruling.VETO}
        assert (await back.check_in(BO)).introduction is None
        await back.report(ruled(None))
        assert await told(front) == {("alma", "bo"): None}, "who has heard of it hears that it is over"
        assert (await back.check_in(BO, visit="back-9")).introduction is not None

    play(url, story)


def test_a_veto_takes_a_proposal_back_that_nobody_was_told_of_yet(sqlite: str) -> None:
    async def story(house: House) -> None:
        front, back = await house.door(), await house.door(name="back")
        await front.check_in(ALMA)
        presence = back.presence(BO)
        first = msgspec.json.decode((await back.ask(presence)).content, type=wire.Proposal)
        assert first.introduction is not None
        await front.report(ruled(Ruling.VETO))
        again = msgspec.json.decode((await back.ask(presence, key="another")).content, type=wire.Proposal)
        assert again.introduction is None
        assert (await front.visit("front-1")).approached == 0

    play(sqlite, story)


def test_a_pin_made_at_one_door_is_kept_by_another_and_is_over_when_they_have_met(url: str) -> None:
    async def story(house: House) -> None:
        await house.members(IDLE)
        front, back = await house.door(), await house.door(name="back")
        await front.check_in(IDLE)
        await front.check_in(ALMA)
        await front.report(ruled(Ruling.PIN, "bo", "idle"))
        found = (await back.check_in(BO)).introduction
        assert found is not None
        assert found.partner == "front-1", "and not Alma, who has what he seeks"
        await back.report(back.told("back-1", BO, "front-1", IDLE))
        assert await told(front) == {("bo", "idle"): None}
        found = (await back.check_in(BO, visit="back-9")).introduction
        assert found is not None
        assert found.partner == "front-2"

    play(url, story)


def test_a_pin_brings_people_together_again_but_never_two_of_whom_one_blocked_the_other(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        await door.check_in(ALMA)
        await door.check_in(BO)
        await door.report(door.told("front-2", BO, "front-1", ALMA))
        assert (await door.check_in(BO, visit="front-8")).introduction is None, "they have met"
        await door.report(ruled(Ruling.PIN))
        assert (await door.check_in(BO, visit="front-9")).introduction is not None
        await door.report(wire.PairBlocked(one=ALMA.id, other=CAJSA.id), ruled(Ruling.PIN, "alma", "cajsa"))
        assert (await door.check_in(CAJSA)).introduction is None

    play(url, story)


def test_a_swap_s_veto_that_is_taken_back_frees_the_two(sqlite: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        await door.check_in(ALMA)
        await door.check_in(BO)
        undone = wire.MatchUndone(visit=VisitId("front-2"), member=BO.id, partner=ALMA.id)
        await door.report(door.told("front-2", BO, "front-1", ALMA), undone, ruled(Ruling.VETO))
        assert (await door.check_in(BO, visit="front-8")).introduction is None
        await door.report(ruled(None))
        assert (await door.check_in(BO, visit="front-9")).introduction is not None

    play(sqlite, story)


@pytest.mark.parametrize("host", [(ruled(Ruling.VETO),), ()], ids=["a veto came with it", "from an older terminal"])
def test_a_swap_keeps_two_apart_for_the_day_until_the_host_frees_them(url: str, host: tuple[wire.HostRuled, ...]) -> None:
    async def story(house: House) -> None:
        door, back = await house.door(), await House(house.database).door(name="back")
        await door.check_in(ALMA)
        await door.check_in(BO)
        undone = wire.MatchUndone(visit=VisitId("front-2"), member=BO.id, partner=ALMA.id)
        await door.report(ruled(Ruling.PIN), door.told("front-2", BO, "front-1", ALMA), undone, *host)
        assert (await door.check_in(BO, visit="front-8")).introduction is None
        await door.report(wire.VisitClosed(visit=VisitId("front-8"), why=Ending.TAPPED))
        assert await told(door) == {("alma", "bo"): None}
        assert (await door.check_in(BO, visit="front-9")).introduction is None, "out and in again frees nobody"
        await back.here()
        await door.report(ruled(None))
        assert (await back.check_in(BO)).introduction is not None, "in another process, too"

    play(url, story)


def test_a_source_s_rulings_count_in_its_order_and_those_of_several_in_the_order_of_arrival(url: str) -> None:
    async def story(house: House) -> None:
        front, back = await house.door(), await house.door(name="back")
        await front.check_in(ALMA)
        pin, veto, late = front.event(ruled(Ruling.PIN)), front.event(ruled(Ruling.VETO)), front.event(ruled(None))
        await front.send([veto, pin])
        assert await told(back) == {("alma", "bo"): Ruling.VETO}
        await back.report(ruled(Ruling.PIN))
        assert await told(back) == {("alma", "bo"): Ruling.PIN}
        taken = msgspec.json.decode((await front.send([veto, pin])).content, type=wire.Taken)
        assert (taken, await told(back)) == (wire.Taken(accepted=0, duplicates=2), {("alma", "bo"): Ruling.PIN})
        await front.send([late])  # from a door that was offline for an hour
        assert await told(back) == {("alma", "bo"): None}
        await front.report(ruled(Ruling.VETO))
        await front.send([{**veto, "id": "front-late"}])
        assert await told(back) == {("alma", "bo"): Ruling.VETO}
        await front.send([{**late, "id": "front-later"}])
        assert await told(back) == {("alma", "bo"): Ruling.VETO}, "it is older than what this source said last"

    play(url, story)


def test_only_what_was_decided_since_is_told_and_another_process_tells_the_same(url: str) -> None:
    async def story(house: House) -> None:
        front, back = await house.door(), await House(house.database).door(name="back")
        await front.check_in(ALMA)
        seen = await back.here()
        await front.report(ruled(Ruling.VETO))
        page = await back.here(seen.version)
        assert (page.whole, page.open) == (False, ())
        assert [each.ruling for each in page.rulings] == [Ruling.VETO]
        assert (await back.here(page.version)).rulings == ()
        assert (await back.check_in(BO)).introduction is None

    play(url, story)


def test_it_is_over_when_one_of_the_two_leaves_but_not_when_they_come_in_by_another_door(url: str) -> None:
    async def story(house: House) -> None:
        front, back = await house.door(), await house.door(name="back")
        await front.check_in(ALMA)
        await front.report(ruled(Ruling.VETO), ruled(Ruling.VETO, "alma", "cajsa"), ruled(Ruling.VETO, "bo", "cajsa"))
        assert await told(front) == {
            ("alma", "bo"): Ruling.VETO,
            ("alma", "cajsa"): Ruling.VETO,
            ("bo", "cajsa"): None,  # nobody of them is here
        }
        await back.check_in(ALMA)
        await front.report(wire.VisitClosed(visit=VisitId("front-1"), why=Ending.TAPPED))
        assert (await told(front))["alma", "bo"] is Ruling.VETO
        await back.check_in(CAJSA)
        await back.report(wire.VisitClosed(visit=VisitId("back-2"), why=Ending.TAPPED))
        assert await told(front) == {("alma", "bo"): Ruling.VETO, ("alma", "cajsa"): None, ("bo", "cajsa"): None}
        await back.report(wire.VisitClosed(visit=VisitId("back-1"), why=Ending.TAPPED))
        assert set((await told(front)).values()) == {None}

    play(url, story)


def test_it_holds_on_for_somebody_whose_next_tap_shows_that_they_were_here_all_along(url: str) -> None:
    async def story(house: House) -> None:
        front, back = await house.door(), await house.door(name="back")
        await front.check_in(ALMA)
        await front.report(ruled(Ruling.VETO))
        seen = await back.here()
        again = front.presence(ALMA, visit="front-7")
        closed = wire.VisitClosed(visit=VisitId("front-1"), why=Ending.UNCONFIRMED)
        await front.report(closed, wire.VisitOpened(presence=again))
        assert await told(back, seen.version) == {}
        assert await told(back) == {("alma", "bo"): Ruling.VETO}
        assert (await back.check_in(BO)).introduction is None

    play(url, story)


def test_another_venue_of_the_chain_hears_nothing_of_it_and_introduces_the_two(url: str) -> None:
    async def story(house: House) -> None:
        door, north = await house.door(), await house.door("nord", "north")
        await door.check_in(ALMA)
        await door.report(ruled(Ruling.VETO))
        await north.check_in(ALMA)
        assert await told(north) == {}
        assert (await north.check_in(BO)).introduction is not None
        await north.report(ruled(Ruling.PIN))
        assert await told(door) == {("alma", "bo"): Ruling.VETO}

    play(url, story)


def test_a_member_who_is_erased_takes_along_what_was_decided_about_them(url: str) -> None:
    async def story(house: House) -> None:
        door, north = await house.door(), await house.door("nord", "north")
        other = await House(house.database).door(name="back")
        for each in (door, north):
            await each.check_in(ALMA)
            await each.report(ruled(Ruling.VETO))
        await door.report(ruled(Ruling.VETO, "alma", "cajsa"))
        seen = await other.here()
        assert await remove_member(house.database, "kaffe", "bo")
        assert (await kept(house), await kept(house, "nord")) == (1, 0)
        page = await other.here(seen.version)
        assert (page.whole, [each.other for each in page.rulings]) == (True, ["cajsa"]), "processes have forgotten it too"
        await door.report(ruled(Ruling.VETO))  # from a door that has not heard of it
        assert await told(other) == {("alma", "cajsa"): Ruling.VETO}
        assert not await remove_member(house.database, "kaffe", "bo")

    play(url, story)


def test_what_was_decided_is_kept_as_long_as_presence(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        await door.check_in(ALMA)
        await door.report(ruled(Ruling.VETO))
        await tidy(house.database, house.now_ms)
        assert await kept(house) == 1
        house.now_ms += 86_400_000
        await tidy(house.database, house.now_ms)
        assert (await kept(house), await told(door)) == (0, {})

    play(url, story)


@pytest.mark.parametrize("broken", [{"ruling": "maybe"}, {"one": "\x00"}, {"other": "w" * 300}, {"one": None}])
def test_a_ruling_that_can_not_be_read_is_kept_as_a_fact_and_decides_nothing(sqlite: str, broken: dict[str, object]) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        await door.check_in(ALMA)
        event = door.event(ruled(Ruling.VETO))
        answer = await door.send([{**event, "data": {**event["data"], **broken}}])
        assert msgspec.json.decode(answer.content, type=wire.Taken) == wire.Taken(accepted=1, duplicates=0, unread=1)
        await door.report(ruled(Ruling.VETO, "alma", "alma"), ruled(Ruling.VETO, "alma", "nobody"))
        assert await told(door) == {}

    play(sqlite, story)
