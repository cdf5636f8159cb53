"""What terminals report is never refused, never doubled, and wins."""

from __future__ import annotations

import json

import msgspec
import pytest

from drivers.matching import wire
from kiosk.effects import Ending
from kiosk.values import CardId, MemberId, Mood, VisitId
from tests.firmware_py.matching_service.house import ALMA, BO, CAJSA, Door, House, play, somebody


def opened(door: Door, member: object, **more: object) -> wire.VisitOpened:
    return wire.VisitOpened(presence=door.presence(member, **more))  # type: ignore[arg-type]  # passed on as it is


def test_a_batch_sent_twice_counts_once(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        batch = [
            door.event(opened(door, ALMA)),
            door.event(opened(door, BO)),
            door.event(door.told("front-2", BO, "front-1", ALMA)),
        ]
        first = msgspec.json.decode((await door.send(batch)).content, type=wire.Taken)
        again = msgspec.json.decode((await door.send([*batch, batch[0]])).content, type=wire.Taken)
        assert (first, again) == (wire.Taken(accepted=3, duplicates=0), wire.Taken(accepted=0, duplicates=4))
        assert {each.member: each.approached for each in (await door.here()).open} == {"alma": 1, "bo": 0}

    play(url, story)


def test_the_same_id_of_another_source_is_another_fact(sqlite: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        batch = [door.event(opened(door, ALMA), id="1"), door.event(opened(door, BO), id="1", source="front-restored")]
        assert msgspec.json.decode((await door.send(batch)).content, type=wire.Taken).accepted == 2

    play(sqlite, story)


def test_what_the_service_can_not_read_is_kept_and_counted(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        good = opened(door, ALMA)
        odd = [
            door.event(good, type="se.fikatap.moon.landed.v9"),
            door.event(good, data={"presence": {"visit": "x"}}),
            door.event(good, data=None),
            door.event(good, data="\x00"),
            door.event(good, data={"presence": {"visit": "x\x00", "member": "alma", "number": 1, "door": "front"}}),
            door.event(good, data={"presence": {"visit": "x", "member": "alma", "number": 10**30, "door": "front"}}),
            door.event(
                wire.ZonesSet(zones=()), data={"zones": [{"id": "\x00", "name": "", "symbol": "star", "colour": "red"}]}
            ),
            door.event(door.told("v", ALMA, "\x00", BO)),
            door.event(door.told("v", ALMA, "w" * 300, BO)),
            {key: value for key, value in door.event(good).items() if key != "data"},
            door.event(good),
        ]
        taken = msgspec.json.decode((await door.send(odd)).content, type=wire.Taken)
        assert taken == wire.Taken(accepted=11, duplicates=0, unread=10)
        assert [each.member for each in (await door.here()).open] == ["alma"], "the good one among them"

    play(url, story)


@pytest.mark.parametrize(
    "broken", [{"id": None}, {"id": ""}, {"source": None}, {"specversion": "0.3"}, {"type": 5}, {"id": "\x00"}, "no event", 7]
)
def test_what_is_no_event_is_refused_with_its_place_and_nothing_of_the_batch_is_kept(sqlite: str, broken: object) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        bad = {**door.event(opened(door, BO)), **broken} if isinstance(broken, dict) else broken
        answer = await door.send([door.event(opened(door, ALMA)), bad])
        assert answer.status_code == 422
        assert "event 1 of the batch is no CloudEvent 1.0" in msgspec.json.decode(answer.content, type=wire.Problem).detail
        assert (await door.here()).open == ()

    play(sqlite, story)


def test_too_many_events_are_refused_with_the_bound(sqlite: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        answer = await door.send([0] * 1001)
        problem = msgspec.json.decode(answer.content, type=wire.Problem)
        assert (answer.status_code, problem.value, problem.allowed) == (422, "1001", "1000 at most")

    play(sqlite, story)


def test_the_facts_of_a_source_count_in_their_order_not_in_that_of_the_batch(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        presence = door.presence(ALMA)
        first = door.event(wire.VisitOpened(presence=presence))
        second = door.event(wire.VisitChanged(presence=msgspec.structs.replace(presence, mood=Mood.GROUP)))
        third = door.event(wire.VisitChanged(presence=msgspec.structs.replace(presence, mood=Mood.COFFEE)))
        await door.send([third, first])
        await door.send([second])  # it was late
        assert (await door.visit("front-1")).mood is Mood.COFFEE
        assert door.event(opened(door, BO))["sequence"] == "4"

    play(url, story)


def test_the_end_of_a_visit_may_be_heard_of_before_its_beginning(url: str) -> None:
    async def story(house: House) -> None:
        front, back = await house.door(), await house.door(name="back")
        await back.report(wire.VisitClosed(visit=VisitId("front-1"), why=Ending.TAPPED))
        await front.report(opened(front, ALMA))
        page = await front.here()
        assert page.open == ()
        assert (await front.here(1)).closed == ("front-1",)

    play(url, story)


def test_a_check_in_and_its_fact_are_one_visit(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        presence = door.presence(ALMA)
        await door.ask(presence)
        seen = await door.here()
        assert (await door.report(wire.VisitOpened(presence=presence))).accepted == 1
        assert await door.here() == seen

    play(url, story)


def test_a_visit_of_a_journal_gives_way_to_one_that_a_check_in_opened_meanwhile(url: str) -> None:
    async def story(house: House) -> None:
        front, back = await house.door(), await house.door(name="back")
        offline = opened(front, ALMA)
        await back.check_in(ALMA)
        await front.report(offline)
        assert [each.visit for each in (await front.here()).open] == ["back-1"]
        assert (await front.here(1)).closed == ("front-1",), "its own door hears of it"

    play(url, story)


def test_what_was_told_is_a_fact_even_where_it_breaks_a_gate(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        colleagues = [
            somebody("eva", "pricing", "export", employer="Bruk"),
            somebody("finn", "export", "pricing", employer="Bruk"),
        ]
        await house.members(*colleagues)
        await door.report(*(opened(door, each) for each in colleagues))
        for _ in range(5):  # and it was told five times
            await door.report(door.told("front-2", colleagues[1], "front-1", colleagues[0]))
        assert (await door.visit("front-1")).approached == 1, "one introduction, however often it was reported"
        entries = {entry.id: entry for entry in (await door.roster()).entries}
        assert entries[MemberId("eva")].met == ("finn",)
        assert entries[MemberId("finn")].met == ("eva",)

    play(url, story)


@pytest.mark.parametrize("time", ["1970-01-01T00:00:00Z", "2999-12-31T23:59:59Z", "yesterday", None])
def test_no_terminals_clock_decides_anything(sqlite: str, time: str | None) -> None:
    async def story(house: House) -> None:
        front, back = await house.door(), await house.door(name="back")
        await front.send([front.event(opened(front, ALMA, opened_ms=2**53 - 1), time=time)])
        await back.send([back.event(opened(back, ALMA, opened_ms=0))])
        assert [each.visit for each in (await front.here()).open] == ["back-1"], "who arrives later is later"
        await front.send([front.event(front.told("back-1", ALMA, "x", BO), time=time)])
        house.now_ms += 24 * 3_600_000
        entries = {entry.id: entry.met for entry in (await front.roster()).entries}
        assert entries[ALMA.id] == ("bo",)

    play(sqlite, story)


def test_a_card_goes_with_its_member_to_every_terminal_of_the_chain(url: str) -> None:
    async def story(house: House) -> None:
        mitte, nord = await house.door(), await house.door("nord", "north")
        before = await nord.roster()
        card = wire.CardBound(card=CardId("ab" * 32), member=ALMA.id, key="k1")
        await mitte.report(card)
        page = await nord.roster(before.version)
        assert [(entry.id, entry.cards) for entry in page.entries] == [("alma", (wire.RosterCard(card.card, "k1"),))]
        await mitte.report(msgspec.structs.replace(card, member=BO.id))
        entries = {entry.id: entry.cards for entry in (await nord.roster(page.version)).entries}
        assert entries == {"alma": (), "bo": (wire.RosterCard(card.card, "k1"),)}

    play(url, story)


def test_an_hour_without_the_service_is_made_up_for(url: str) -> None:
    async def story(house: House) -> None:
        front, back = await house.door(), await house.door(name="back")
        guests = [somebody(f"guest{number}", "export", "pricing") for number in range(30)]
        await house.members(*guests)
        journals = {front: list[object](), back: list[object]()}
        for number, guest in enumerate(guests):
            door = (front, back)[number % 2]
            visit = f"{door.name}-{number}"
            journals[door].append(door.event(opened(door, guest, visit=visit)))
            if number >= 2:
                journals[door].append(door.event(door.told(visit, guest, f"{door.name}-{number - 2}", guests[number - 2])))
        for door, journal in journals.items():
            for start in range(0, len(journal), 7):
                await door.send(journal[start : start + 7])
                await door.send(journal[start : start + 7])  # the answer to the first was lost
        page = await front.here()
        assert await back.here() == page
        assert sorted(each.member for each in page.open) == sorted(guest.id for guest in guests)
        assert sum(each.approached for each in page.open) == sum(each.introduced for each in page.open) == 28
        assert max(each.approached for each in page.open) == 1

    play(url, story)


def test_a_journal_of_another_version_does_no_harm(sqlite: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        event = door.event(opened(door, ALMA), traceparent="00-ab", partitionkey=5)
        event["data"]["presence"]["mascot"] = "moose"
        answer = await door.http.post(
            f"{door.path}/events", content=json.dumps([event]), headers={"Content-Type": f"{wire.BATCH}; charset=utf-8"}
        )
        assert msgspec.json.decode(answer.content, type=wire.Taken) == wire.Taken(accepted=1, duplicates=0)
        assert (await door.check_in(CAJSA)).introduction is not None

    play(sqlite, story)
