"""Whatever is wrong with a request, the answer says what, in which value, and what would have been right."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from drivers.matching import wire
from firmware_py.matching_service.app import BATCH_BYTES, CHECK_IN_BYTES
from tests.firmware_py.matching_service.house import ALMA, Door, House, migrated, play
from tests.rigs.postgres import Postgres

GOOD = {"presence": {"visit": "v", "member": "alma", "number": 1, "door": "front"}}
KEYED = {"Idempotency-Key": "k", "Content-Type": "application/json"}


def problem(answer: httpx.Response, status: int) -> wire.Problem:
    """Return the problem document of an answer."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, wire.PROBLEM), answer.text
    read = msgspec.json.decode(answer.content, type=wire.Problem)
    assert read.status == status
    assert read.title
    assert "\n" not in read.detail
    return read


async def post(door: Door, body: Any, headers: dict[str, str] = KEYED, path: str = "check-ins") -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await door.http.post(f"{door.path}/{path}", content=content, headers=headers)


@pytest.mark.parametrize(
    ("change", "detail", "value", "allowed"),
    [
        ({"number": -1}, "$.presence.number: Expected `int` >= 0", "-1", "`int` >= 0"),
        ({"number": 2**31}, "$.presence.number: Expected `int` <= 2147483647", "2147483648", "`int` <= 2147483647"),
        ({"number": "one"}, "$.presence.number: Expected `int`, got `str`", '"one"', "`int`, got `str`"),
        ({"member": ""}, "$.presence.member: Expected `str` of length >= 1", '""', "`str` of length >= 1"),
        ({"visit": "v\x00"}, "$.presence.visit: ", '"v\\u0000"', "`str` matching regex"),
        ({"mood": "dancing"}, "$.presence.mood: Invalid enum value 'dancing'", '"dancing"', "Invalid"),
        ({"zone": "z" * 500}, "$.presence.zone: ", '"' + "z" * 99 + "…", "`str` of length <= 200"),
    ],
)
def test_a_value_out_of_bounds_is_shown_with_what_would_have_been_right(
    sqlite: str, change: dict[str, Any], detail: str, value: str, allowed: str
) -> None:
    async def story(house: House) -> None:
        answer = await post(await house.door(), {"presence": GOOD["presence"] | change})
        read = problem(answer, 422)
        assert read.detail.startswith(detail)
        assert read.value == value
        assert read.allowed.startswith(allowed)

    play(sqlite, story)


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"{", 400), (b"\xff", 400), (b"[" * 100_000, 422), (b'"\\ud800"', 400), (b"[]", 422), (b"null", 422)],
)
def test_what_is_no_json_and_what_is_another_shape_are_told_apart(sqlite: str, body: bytes, status: int) -> None:
    async def story(house: House) -> None:
        problem(await post(await house.door(), body), status)

    play(sqlite, story)


def test_a_batch_that_is_no_list_is_told(sqlite: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        for body, status in ((b"{}", 422), (b"nonsense", 400), (b"[" * 100_000, 400)):
            problem(await post(door, body, {"Content-Type": wire.BATCH}, "events"), status)

    play(sqlite, story)


@pytest.mark.parametrize(
    ("method", "path", "status", "value", "allowed"),
    [
        ("GET", "/", 404, "/", "the paths in /v1/openapi.json"),
        ("GET", "/v1/venues/mitte/presence/", 404, "/v1/venues/mitte/presence/", "the paths in /v1/openapi.json"),
        ("DELETE", "/v1/venues/mitte/presence", 405, "DELETE", "GET, HEAD"),
        ("GET", "/v1/venues/mitte/check-ins", 405, "GET", "POST"),
        ("GET", "/v1/venues/mitte/presence?since=-1", 422, "-1", "0 to 9223372036854775807"),
        ("GET", "/v1/venues/mitte/presence?since=9223372036854775808", 422, "9223372036854775808", "0 to 9223372036854775807"),
        ("GET", "/v1/venues/mitte/roster?limit=0", 422, "0", "1 to 2000"),
        ("GET", "/v1/venues/mitte/roster?since=%00", 422, "\x00", "0 to 9223372036854775807"),
        ("GET", "/v1/venues/nord/presence", 403, "nord", "mitte"),
        ("GET", "/v1/venues/nowhere/presence", 403, "nowhere", "mitte"),
    ],
)
def test_a_path_a_method_or_a_parameter_that_is_not_known_is_told(
    sqlite: str, method: str, path: str, status: int, value: str, allowed: str
) -> None:
    async def story(house: House) -> None:
        answer = await (await house.door()).http.request(method, path)
        read = problem(answer, status)
        assert (read.value, read.allowed) == (value, allowed)
        assert answer.headers.get("allow") == (allowed if status == 405 else None)

    play(sqlite, story)


@pytest.mark.parametrize(
    ("headers", "status", "value"),
    [
        ({"Content-Type": "application/json"}, 422, ""),
        ({**KEYED, "Idempotency-Key": "k" * 201}, 422, "k" * 100 + "…"),
        ({**KEYED, "Content-Type": "text/plain"}, 415, "text/plain"),
        ({**KEYED, "Content-Encoding": "gzip"}, 415, "gzip"),
        ({"Idempotency-Key": "k"}, 415, ""),
    ],
)
def test_a_header_that_is_missing_or_wrong_is_told(sqlite: str, headers: dict[str, str], status: int, value: str) -> None:
    async def story(house: House) -> None:
        assert problem(await post(await house.door(), GOOD, headers), status).value == value

    play(sqlite, story)


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer ", "Bearer nobody", "Basic bm86bm8="])
def test_who_is_not_known_is_told_how_to_be(sqlite: str, authorization: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        door.http.headers["Authorization"] = authorization
        answer = await door.http.get(f"{door.path}/presence")
        assert "token" in problem(answer, 401).allowed.lower()
        assert answer.headers["www-authenticate"] == "Bearer"

    play(sqlite, story)


@pytest.mark.parametrize(("path", "most"), [("check-ins", CHECK_IN_BYTES), ("events", BATCH_BYTES)])
def test_of_a_body_of_a_hundred_megabytes_only_the_first_are_read(sqlite: str, path: str, most: int) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        sent = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent
            for _ in range(1600):
                sent += 65_536
                yield b" " * 65_536

        headers = KEYED if path == "check-ins" else {"Content-Type": wire.BATCH}
        answer = await door.http.post(f"{door.path}/{path}", content=endless(), headers=headers)
        assert problem(answer, 413).allowed == f"{most} bytes at most"
        assert answer.headers["connection"] == "close"
        assert sent <= most + 65_536
        just_right = await post(
            door, b" " * (most - 100) + json.dumps(GOOD if path == "check-ins" else []).encode(), headers, path
        )
        assert just_right.status_code == 200

    play(sqlite, story)


def test_a_length_that_is_announced_too_long_is_not_read_at_all(sqlite: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()

        read = []

        async def nothing() -> AsyncIterator[bytes]:
            read.append(1)
            yield b""

        headers = {**KEYED, "Content-Length": "100000000"}
        problem(await door.http.post(f"{door.path}/check-ins", content=nothing(), headers=headers), 413)
        assert read == []

    play(sqlite, story)


def test_our_own_mistake_is_said_to_be_ours_and_tells_nothing_of_the_inside(sqlite: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        async with house.database.begin(writes=True) as connection:
            await connection.exec_driver_sql("UPDATE venue SET zones = 'nonsense'")
        read = problem(await door.ask(door.presence(ALMA)), 500)
        assert read.detail == "a mistake of the service; nothing of this request was kept"
        assert (await door.here()).open == ()

    play(sqlite, story)


def test_a_preference_that_can_not_be_read_is_none(sqlite: str) -> None:
    async def story(house: House) -> None:
        door = await house.door()
        for number, prefer in enumerate(("wait=soon", "respond-async", "wait=1e9", "wait=99999999999", "wait=-1", "wait=9999")):
            presence = door.presence(ALMA)
            answer = await door.http.post(
                f"{door.path}/check-ins",
                content=msgspec.json.encode(wire.CheckIn(presence=presence)),
                headers={**KEYED, "Idempotency-Key": str(number), "Prefer": prefer},
            )
            assert answer.status_code in (200, 202), prefer

    play(sqlite, story)


def test_a_database_that_does_not_answer_is_a_problem_that_passes(tmp_path: Path) -> None:
    with Postgres() as server:

        async def story(house: House) -> None:
            door = await house.door()
            await door.check_in(ALMA)
            server.kill()
            answer = await door.http.get(f"{door.path}/presence")
            assert problem(answer, 503).detail.startswith("the database does not answer: ")
            assert answer.headers["retry-after"] == "2"
            problem(await door.http.get("/v1/health"), 503)
            server.start()
            async with asyncio.timeout(60):
                while (await door.http.get("/v1/health")).status_code != 200:
                    pass
            assert [each.member for each in (await door.here()).open] == ["alma"]

        play(migrated(tmp_path, server), story)
