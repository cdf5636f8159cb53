"""The roster: whole once, then what changed; the same for all terminals of a chain."""

from __future__ import annotations

import gzip

import msgspec
from sqlalchemy import update

from drivers.matching import wire
from firmware_py.matching_service.administration import add_venue
from firmware_py.matching_service.roster import remove_member
from firmware_py.matching_service.tables import chain
from kiosk.values import Introduction, MemberId, Reason, ReasonKind, TopicId, VisitId, ZoneId
from tests.firmware_py.matching_service.house import ALMA, BO, Door, House, play, somebody


async def all_pages(door: Door, limit: int) -> tuple[list[wire.RosterPage], set[MemberId]]:
    pages = [await door.roster(limit=limit)]
    while pages[-1].more:
        pages.append(await door.roster(pages[-1].version, limit))
    return pages, {entry.id for page in pages for entry in page.entries}


def test_pages_make_up_the_whole_and_bring_nobody_twice(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        people = [somebody(f"guest{number:03}", "export", "pricing") for number in range(100)]
        await house.members(*people)
        pages, ids = await all_pages(door, 20)
        assert [len(page.entries) for page in pages] == [20] * 5 + [3]
        assert [page.whole for page in pages] == [True] + [False] * 5
        assert len(ids) == 103
        assert pages[0].entries[0].member is not None

    play(url, story)


def test_who_changes_while_pages_are_read_comes_again_later(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        first = await door.roster(limit=1)
        await house.members(msgspec.structs.replace(ALMA, first_name="Alva"))
        rest = await door.roster(first.version)
        assert first.entries[0].id == "alma"
        assert [entry.id for entry in rest.entries] == ["bo", "cajsa", "alma"]
        assert rest.entries[-1].member is not None
        assert rest.entries[-1].member.first_name == "Alva"

    play(url, story)


def test_nothing_new_is_no_content_and_news_are_only_what_changed(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        page = await door.roster()
        path = f"{door.path}/roster?since={page.version}"
        known = {"If-None-Match": f'"{page.version}"'}
        answer = await door.http.get(path, headers=known)
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", f'"{page.version}"')
        await house.members(ALMA, BO)  # as they were
        assert (await door.http.get(path, headers=known)).status_code == 304
        await house.members(ALMA, msgspec.structs.replace(BO, quiet=True))
        news = await door.http.get(path, headers=known)
        assert news.status_code == 200
        decoded = msgspec.json.decode(news.content, type=wire.RosterPage)
        assert [entry.id for entry in decoded.entries] == ["bo"]
        assert (decoded.whole, news.headers["etag"]) == (False, f'"{decoded.version}"')

    play(url, story)


def test_a_page_is_packed_for_who_takes_it_packed_only(sqlite: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        sizes = {}
        for coding in ("gzip", "identity"):
            async with door.http.stream("GET", f"{door.path}/roster", headers={"Accept-Encoding": coding}) as answer:
                raw = b"".join([chunk async for chunk in answer.aiter_raw()])
                assert answer.headers.get("content-encoding", "identity") == coding
                sizes[coding] = len(raw)
                plain = gzip.decompress(raw) if coding == "gzip" else raw
                assert len(msgspec.json.decode(plain, type=wire.RosterPage).entries) == 3
        assert sizes["gzip"] < sizes["identity"]

    play(sqlite, story)


def test_who_is_removed_leaves_a_tombstone_and_nothing_else(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        await door.check_in(ALMA)
        await door.check_in(BO)
        await door.report(door.told("front-2", BO, "front-1", ALMA))
        page = await door.roster()
        assert await remove_member(house.database, "kaffe", "alma")
        assert not await remove_member(house.database, "kaffe", "alma")
        entries = {entry.id: entry for entry in (await door.roster(page.version)).entries}
        assert entries.keys() == {"alma", "bo"}
        assert entries[ALMA.id].member is None
        assert entries[BO.id].met == ()
        assert "alma" not in {entry.id for entry in (await door.roster()).entries}, "whoever begins anew never hears of her"
        assert (await door.check_in("stranger")).introduction is None
        await house.members(ALMA)
        assert ALMA.id in {entry.id for entry in (await door.roster()).entries}

    play(url, story)


def test_a_terminal_that_knows_more_than_the_service_begins_anew(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        page = await door.roster(since=10_000)
        assert (page.whole, len(page.entries)) == (True, 3)
        answer = await door.http.get(f"{door.path}/roster?since=10000", headers={"If-None-Match": f'"{page.version}"'})
        assert answer.status_code == 200
        async with house.database.begin(writes=True) as connection:
            await connection.execute(update(chain).values(horizon=page.version))
        assert (await door.roster(page.version - 1)).whole, "what changed before the horizon is not known"
        assert not (await door.roster(page.version)).whole

    play(url, story)


def test_no_name_of_an_employer_or_a_school_leaves_the_list(sqlite: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        await house.members(
            somebody("eva", "", "export", employer="Bruk AB", history=("Skolan Y", "Bruk AB")),
            somebody("finn", "", "export", employer=" bruk ab", history=("skolan y",)),
        )
        answer = await door.http.get(f"{door.path}/roster?since=0")
        assert answer.status_code == 200
        assert "bruk" not in answer.text.casefold()
        assert "skolan" not in answer.text.casefold()
        found = {entry.id: entry.member for entry in (await door.roster()).entries if entry.member}
        eva, finn = found[MemberId("eva")], found[MemberId("finn")]
        assert eva.employer == finn.employer == eva.history[1]
        assert eva.history[0] == finn.history[0]
        assert len(eva.employer) == 64

    play(sqlite, story)


def test_another_chain_has_its_own_members(url: str) -> None:
    async def story(house: House) -> None:
        await add_venue(house.database, "rival", "rival-1", "", "Europe/Oslo", 240)
        door = await house.door("rival-1", "front")
        assert (await door.roster()).entries == ()
        await house.members(somebody("zoe", "", "export"), chain="rival")
        assert [entry.id for entry in (await door.roster()).entries] == ["zoe"]
        assert len((await (await house.door()).roster()).entries) == 3

    play(url, story)


def test_topics_that_the_word_list_does_not_hold_are_kept_and_count_for_nothing(url: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        strange = somebody("strange", "alchemy", "astrology"), somebody("odd", "astrology export", "alchemy pricing")
        await house.members(*strange)
        entries = {entry.id: entry for entry in (await door.roster()).entries}
        member = entries[strange[0].id].member
        assert member is not None
        assert (member.seeks, member.offers) == (strange[0].seeks, strange[0].offers)
        assert (await door.check_in(strange[0])).introduction is None
        found = (await door.check_in(strange[1])).introduction
        assert found is None, "what each of them gives the other is on no list"
        found = (await door.check_in(ALMA)).introduction
        assert found is not None, "the neighbour's topics are"
        assert found.partner == "front-2"
        told = Introduction(
            VisitId("front-1"), VisitId("front-3"), Reason(ReasonKind.ASK, ask=TopicId("alchemy")), ZoneId("window"), 500
        )
        fact = wire.MatchSettled(visit=told.visit, member=strange[0].id, zone=told.zone, introduction=told, partner=ALMA.id)
        assert await door.report(fact) == wire.Taken(accepted=1, duplicates=0)
        assert (await door.visit("front-3")).approached == 1

    play(url, story)
