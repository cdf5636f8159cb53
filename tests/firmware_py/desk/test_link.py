"""The pages' line to a real terminal on simulated hardware: what they ask and hear, and how they get over its absence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from firmware_py.demo import Cafe
from firmware_py.desk.link import MOST_BEHIND, Gone, Reader, Watch, ask
from firmware_py.office import CommandError

PATIENCE_S = 30.0

Happenings = AsyncIterator[dict[str, Any]]


async def until(happenings: Happenings, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        async for happening in happenings:
            if wanted(happening):
                return happening
    raise AssertionError("the happenings ended")


def there(present: bool) -> Callable[[dict[str, Any]], bool]:
    return lambda happening: happening == {"kind": "Terminal", "present": present}


def test_the_terminal_answers_and_says_what_is_wrong_in_its_own_words() -> None:
    with Cafe() as cafe:
        path = cafe.config.control.socket
        assert asyncio.run(ask(path, "members.show", {"member": "m0001"}))["member"]["id"] == "m0001"
        with pytest.raises(CommandError, match="there is no member 'm9999'"):
            asyncio.run(ask(path, "members.show", {"member": "m9999"}))


def test_a_terminal_that_is_not_there_is_said_to_be_gone(tmp_path: Path) -> None:
    with pytest.raises(Gone, match="can't be reached"):
        asyncio.run(ask(tmp_path / "no.sock", "status", {}))


@pytest.mark.parametrize(
    ("left", "sentence"),
    [(b"", "stopped before it answered"), (b'{"v": 1, "res', "stopped before it answered"), (b"?\n", "can't be read")],
)
def test_a_terminal_that_hangs_up_is_said_to_be_gone(tmp_path: Path, left: bytes, sentence: str) -> None:
    async def story() -> None:
        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(left)
            writer.close()

        async with await asyncio.start_unix_server(hang_up, tmp_path / "s"):
            with pytest.raises(Gone, match=sentence):
                await ask(tmp_path / "s", "status", {})

    asyncio.run(story())


def test_every_page_hears_a_tap() -> None:
    async def story(cafe: Cafe) -> list[dict[str, Any]]:
        watch = Watch(cafe.config.control.socket)
        pages = [watch.happenings() for _ in range(2)]
        running = asyncio.create_task(watch.run())
        for page in pages:
            await until(page, there(True))
        await asyncio.to_thread(cafe.tap, 1)
        heard = [await until(page, lambda happening: happening["kind"] == "Answer") for page in pages]
        running.cancel()
        for page in pages:
            await page.aclose()
        return heard

    with Cafe() as cafe:
        one, other = asyncio.run(story(cafe))
    assert one == other
    assert one["signal"] == "welcome"


def test_a_page_is_told_when_the_terminal_goes_and_comes_back(tmp_path: Path) -> None:
    socket = tmp_path / "s"

    async def story() -> None:
        clients: list[asyncio.StreamWriter] = []

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            clients.append(writer)
            await reader.readline()
            await reader.readline()
            writer.write(b'{"v": 1, "id": 1, "result": {}}\n')
            await writer.drain()

        watch = Watch(socket)
        page = watch.happenings()
        assert await anext(page) == {"kind": "Terminal", "present": False}
        running = asyncio.create_task(watch.run())
        for _ in range(2):
            server = await asyncio.start_unix_server(answer, socket)
            await until(page, there(True))
            server.close()
            for client in clients:
                client.close()
            await until(page, there(False))
        running.cancel()

    asyncio.run(story())


def test_after_each_try_in_vain_a_page_is_told_for_it_may_have_met_a_terminal_in_between(tmp_path: Path) -> None:
    async def story() -> None:
        watch = Watch(tmp_path / "no.sock")
        page = watch.happenings()
        running = asyncio.create_task(watch.run())
        for _ in range(3):  # that it began without one, and two tries
            await until(page, there(False))
        running.cancel()

    asyncio.run(story())


def test_a_page_that_does_not_read_loses_the_oldest_and_holds_up_nobody() -> None:
    async def story() -> None:
        watch = Watch(Path("/nowhere"))
        slow = watch.happenings()
        await anext(slow)
        for number in range(MOST_BEHIND + 10):
            watch._hand_out({"kind": "Answer", "number": number})
        assert (await anext(slow))["number"] == 10

    asyncio.run(story())


def test_what_only_says_to_look_anew_waits_once() -> None:
    async def story() -> None:
        page = (watch := Watch(Path("/nowhere"))).happenings()
        await anext(page)
        for kind in ("Changed", "Answer", "Changed", "Answer"):
            watch._hand_out({"kind": kind})
        assert [(await anext(page))["kind"] for _ in range(3)] == ["Changed", "Answer", "Answer"]

    asyncio.run(story())


def test_what_many_pages_ask_at_once_is_asked_once_and_never_before_they_came(tmp_path: Path) -> None:
    async def story() -> tuple[list[int], int]:
        asked, begun, go_on = 0, asyncio.Event(), asyncio.Event()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal asked
            asked += 1
            number = asked
            begun.set()
            await reader.readline()
            await go_on.wait()
            writer.write(b'{"v": 1, "id": 1, "result": %d}\n' % number)
            writer.close()

        async with await asyncio.start_unix_server(answer, tmp_path / "s"):
            reader = Reader(tmp_path / "s")
            first = asyncio.create_task(reader.read("scene"))
            await begun.wait()
            later = [asyncio.create_task(reader.read("scene")) for _ in range(20)]
            await asyncio.sleep(0)
            go_on.set()
            return await asyncio.gather(first, *later), asked

    results, asked = asyncio.run(story())
    assert results == [1] + [2] * 20
    assert asked == 2
