"""The control socket: whatever a client sends is answered with a line each, the door goes on, and nothing stays behind."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firmware_py.commands import COMMANDS
from firmware_py.reads import READS, TODAYS
from firmware_py.terminal.control import MAX_LINE, _Client
from tests.firmware_py.terminal.harness import Door
from tests.fuzz.limits import bounded, fuzzed
from tests.fuzz.mutants import json_values, mutants

MEMBER = {"id": "m1", "first_name": "Åsa", "language": "sv", "offers": ["photo"], "consents": {"name": True}}
REQUESTS = [
    b'{"v": 1, "id": 7, "do": "status"}',
    b'{"v": 1, "id": 8, "do": "members.show", "with": {"member": "p1"}}',
    json.dumps({"v": 1, "id": 9, "do": "members.put", "with": {"members": [MEMBER], "dry_run": True}}).encode(),
]
PIECES = [
    *rb"""{ } [ ] , : " \ \u0000 \ud800 1 -1 1e999 null true "" [], {}, "with" "do" 99999999999999999999""".split(),
    *(b"\xff", b"\n"),
]
BOMBS = {
    "lists": b'{"v":1,"id":1,"do":"x","with":{"a":[' + b"[]," * (MAX_LINE // 3 - 20) + b"0]}}",
    "tables": b'{"v":1,"id":1,"do":"x","with":{"a":[' + b"{}," * (MAX_LINE // 3 - 20) + b"0]}}",
    "full tables": b'{"v":1,"id":1,"do":"x","with":{"a":[' + b'{"":0},' * (MAX_LINE // 7 - 20) + b"0]}}",
    "numbers": b'{"v":1,"id":1,"do":"x","with":{"a":[' + b"1.5," * (MAX_LINE // 4 - 20) + b"0]}}",
    "texts": b'{"v":1,"id":1,"do":"x","with":{"a":[' + b'"\\u1234",' * (MAX_LINE // 9 - 20) + b"0]}}",
    "keys": b'{"v":1,"id":1,"do":"x","with":{' + b",".join(b'"%d":0' % n for n in range(MAX_LINE // 10)) + b"}}",
    "a long text": b'{"v":1,"id":1,"do":"' + b"\xc3\xa9" * (MAX_LINE // 2 - 30) + b'"}',
    "a long number": b'{"v":1,"do":"x","id":' + b"9" * (MAX_LINE - 40) + b"}",
    "a deep list": b'{"v":1,"id":1,"do":"x","with":{"a":' + b"[" * (MAX_LINE - 60),
}  # fmt: skip
PATIENCE_S = 30
DEPTHS = [100, 400, 900, *range(930, 1000, 3), 5_000, 9_000, 20_000]
ARGUMENTS = ["member", "members", "dry_run", "after", "of", "uid", "notice", "job", "printed", "text", "x", "addresses"]
DO = st.sampled_from(
    [
        *(*COMMANDS, *READS, *TODAYS, "status", "scene", "visits.list", "visits.checkin", "visits.leave", "moods.choose"),
        *("moods.forget", "jobs.reprint", "jobs.judge", "notices.print", "faults.list", "cards.enrol", "coffee"),
        "desk.slip",
    ]
)
TELLING = ["p1", "p2", "04aabbccddeeff", [MEMBER] * 60, [MEMBER], 1 << 63, -1, "\0", "x" * 3_000]
VALUES = st.one_of(json_values, st.sampled_from(TELLING))


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    with TemporaryDirectory(prefix="fikatap-") as folder, Door(Path(folder)) as door:
        yield door


@pytest.fixture(scope="module")
def wire() -> Iterator[socket.socket]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield theirs


def take(wire: socket.socket, line: bytes) -> None:
    """Take a line as a client's thread does."""
    _Client(wire, lambda _: None, lambda _: None)._command(line)


def converse(door: Door, lines: list[bytes]) -> list[dict[str, Any]]:
    """Send lines as one client and return the answer to each."""
    with socket.socket(socket.AF_UNIX) as wire:
        wire.connect(str(door.socket))
        wire.settimeout(PATIENCE_S)
        with wire.makefile("rb") as answers:
            found = []
            for line in lines:
                wire.sendall(line + b"\n")
                found.append(json.loads(answers.readline()))
            return found


def is_let_in(door: Door) -> bool:
    """Tell whether there is room for one more client; who is one too many may be hung up on before they have asked."""
    try:
        return "error" not in converse(door, [REQUESTS[0]])[0]
    except ConnectionError:
        return False


def request(do: str, **arguments: Any) -> bytes:
    return json.dumps({"v": 1, "id": 5, "do": do, "with": arguments}).encode()


@fuzzed(150)
@given(line=mutants(REQUESTS, PIECES).map(lambda line: line[:MAX_LINE]))
def test_any_line_is_a_request_or_told_to_be_none(wire: socket.socket, line: bytes) -> None:
    bounded(lambda: take(wire, line))


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_line_that_is_made_to_take_much_does_not(wire: socket.socket, bomb: str) -> None:
    assert len(BOMBS[bomb]) <= MAX_LINE
    bounded(lambda: take(wire, BOMBS[bomb]))


@fuzzed(60)
@given(lines=st.lists(mutants(REQUESTS, PIECES).map(lambda line: line.replace(b"\n", b" ")), min_size=1, max_size=4))
def test_each_line_has_one_answer_and_the_door_goes_on(door: Door, lines: list[bytes]) -> None:
    for answer in converse(door, [*lines, REQUESTS[0]]):
        assert answer["v"] == 1
        assert "result" in answer or answer["error"]


@fuzzed(150)
@given(do=DO, arguments=st.dictionaries(st.sampled_from(ARGUMENTS), VALUES, max_size=3))
@example(do="members.put", arguments={"members": [{**MEMBER, "id": "\0", "offers": ["no such topic"]}]})
@example(do="visits.checkin", arguments={"member": {"a": 1 << 70}})
@example(do="notices.resolve", arguments={"notice": 1 << 63})
@example(do="venue.key.import", arguments={"text": "fikatap venue key\nid: x\nkey: é"})
def test_any_arguments_of_any_command_are_answered(door: Door, do: str, arguments: dict[str, Any]) -> None:
    if do == "cards.enrol":
        arguments["member"] = "nobody"  # whoever is somebody is waited for
    *_, status = converse(door, [request(do, **arguments), request("status")])
    assert status["result"]["line"]


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("do", ["visits.checkin", "members.put", "notices.resolve", "coffee", "jobs.judge", "members.remove"])
def test_an_argument_that_is_nested_absurdly_does_no_harm(door: Door, do: str, depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    line = b'{"v":1,"id":1,"do":"%s","with":{"member":%s}}' % (do.encode(), nested)
    named = b'{"v":1,"id":1,"do":"%s","with":{"job":%s,"members":%s}}' % (do.encode(), nested, nested)
    assert "result" in converse(door, [line, named, REQUESTS[0]])[-1]


def test_a_hundred_clients_that_come_and_go_leave_no_thread_and_no_watcher(door: Door) -> None:
    def crowd() -> None:
        wires = [socket.socket(socket.AF_UNIX) for _ in range(20)]
        for number, wire in enumerate(wires):
            wire.connect(str(door.socket))
            wire.sendall([b'{"v":1,"id":0,"do":"watch"}\n', b'{"v":1,', b"", b"\xff\n"][number % 4])
        for wire in wires:
            wire.close()

    for _ in range(5):
        crowd()
    deadline = time.monotonic() + PATIENCE_S
    while not is_let_in(door):  # the last of the crowd are still there
        assert time.monotonic() < deadline
    for thread in [each for each in threading.enumerate() if each.name.startswith("control client")]:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    converse(door, [REQUESTS[0]])  # answered after the terminal was told of the last that hung up
    assert not door.terminal._watchers
