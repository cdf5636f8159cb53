from __future__ import annotations

import json
import re
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.errors import ConfigError
from firmware_py.demo import card_of
from firmware_py.office import CommandError
from firmware_py.terminal.control import MAX_CLIENTS, MAX_LINE, Command, ControlClient, ControlSocket, HungUp, NotRunning
from kiosk.effects import Answer, BindCard, Notice, TellStaff
from kiosk.events import EnrolmentAsked, EnrolmentDropped
from kiosk.jobs import JobState
from kiosk.signals import Signal
from kiosk.values import Cause
from tests.firmware_py.terminal.harness import PATIENCE_S, Door, person
from tests.rigs.disk import simulated_disk

NEW_CARD = "04aabbccddeeff"


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """Give one terminal to all tests that leave it as it was."""
    with Door(tmp_path_factory.mktemp("door")) as door:
        yield door


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="fikatap-") as folder:  # pytest's own are too long for a socket
        yield Path(folder)


class Wire:
    """A bare connection to the socket."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(str(path))
        self._lines = self.socket.makefile("rb")

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self.socket.close()

    def ask(self, line: bytes) -> dict[str, Any]:
        """Send a line and return the next one."""
        self.socket.sendall(line + b"\n")
        return self.hear()

    def hear(self) -> dict[str, Any]:
        line = self._lines.readline()
        assert line, "the terminal hung up"
        answer: dict[str, Any] = json.loads(line)
        return answer


def is_alive(door: Door) -> bool:
    return bool(door.call("status")["line"])


# The wire


def test_a_request_is_answered_under_its_number(door: Door) -> None:
    with Wire(door.socket) as wire:
        answer = wire.ask(b'{"v": 1, "id": 7, "do": "members.show", "with": {"member": "p1"}}')
        assert (answer["v"], answer["id"], answer["result"]["member"]["first_name"]) == (1, 7, "Person 1")


def test_the_socket_is_for_owner_and_group_only(door: Door) -> None:
    assert stat.S_IMODE(door.socket.stat().st_mode) == 0o660


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b'{"v": 1, "id": 3, "do": "coffee"}', "there is no command 'coffee'; there are cards.bind, "),
        (b'{"v": 2, "id": 3, "do": "status"}', "version 2 is not spoken here; this is version 1"),
        (b'{"v": 1, "id": 3, "do": "visits.leave"}', "visits.leave needs 'member', a text, not None"),
        (
            b'{"v": 1, "id": 3, "do": "jobs.judge", "with": {"job": "x", "printed": "no"}}',
            "jobs.judge needs 'printed', true or false, not 'no'",
        ),
        (b'{"v": 1, "id": 3, "do": "visits.leave", "with": {"member": "p1"}}', "p1 is not checked in"),
        (b'{"v": 1, "id": 3, "do": "visits.checkin", "with": {"member": "p99"}}', "there is no member 'p99'; "),
        (b'{"v": 1, "id": 3, "do": "cards.enrol", "with": {"member": "p99"}}', "there is no member 'p99'; "),
        (b'{"v": 1, "id": 3, "do": "jobs.judge", "with": {"job": "x", "printed": true}}', "badge x is not there; "),
        (b'{"v": 1, "id": 3, "do": "notices.resolve", "with": {"notice": 99999999999999999999}}', "notices.resolve takes no "),
        (b'{"v": 1, "id": 3, "do": "members.show", "with": {"ledger": "x"}}', "members.show: "),
    ],
)
def test_what_cannot_be_done_is_answered_with_a_sentence(door: Door, line: bytes, sentence: str) -> None:
    with Wire(door.socket) as wire:
        answer = wire.ask(line)
        assert (answer["id"], answer["error"][: len(sentence)]) == (3, sentence)
        assert "result" in wire.ask(b'{"v": 1, "id": 4, "do": "status"}')


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"status",
        b"[1]",
        b'{"v": 1}',
        b'{"v": 1, "id": 1, "do": "status", "wiht": {}}',
        b'"\xff"',
        b'{"with": {"a":' + b"[" * 9999,
    ],
    ids=["nothing", "no JSON", "no object", "half", "unknown key", "no UTF-8", "too deep"],
)
def test_a_line_that_is_no_request_is_answered_so_and_the_next_one_is_heard(door: Door, line: bytes) -> None:
    with Wire(door.socket) as wire:
        answer = wire.ask(line)
        assert answer["id"] == 0
        assert answer["error"].startswith("not a request: ")
        assert "result" in wire.ask(b'{"v": 1, "id": 4, "do": "status"}')


def test_a_line_that_is_too_long_is_refused_and_the_next_one_is_heard(door: Door) -> None:
    with Wire(door.socket) as wire:
        answer = wire.ask(b"x" * (2 * MAX_LINE))
        assert answer == {"v": 1, "id": 0, "error": f"a request of more than {MAX_LINE} bytes; send it in slices"}
        assert "result" in wire.ask(b'{"v": 1, "id": 4, "do": "status"}')
    with door.client() as client, pytest.raises(CommandError, match="send it in slices"):
        client.call("members.show", member="x" * MAX_LINE)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300))
def test_no_bytes_bring_the_terminal_down(door: Door, data: bytes) -> None:
    with Wire(door.socket) as wire:
        wire.socket.sendall(data + b"\n")
    assert is_alive(door)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
DO = st.sampled_from(
    [
        "members.put",
        "members.list",
        "members.show",
        "cards.bind",
        "cards.replace",
        "cards.block",
        "cards.list",
        "notices.list",
        "notices.resolve",
        "jobs.list",
        "venue.key.import",
        "visits.checkin",
        "visits.leave",
        "jobs.judge",
        "status",
        "watch",
    ]
)
WITH = st.dictionaries(
    st.sampled_from(["member", "members", "after", "of", "uid", "notice", "text", "job", "printed", "dry_run", "ledger"]), JSON
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(do=DO, arguments=WITH)
def test_no_arguments_bring_the_terminal_down(door: Door, do: str, arguments: dict[str, Any]) -> None:
    with Wire(door.socket) as wire:
        request = {"v": 1, "id": 1, "do": do, "with": arguments}
        wire.socket.sendall(json.dumps(request).encode() + b"\n")
    assert is_alive(door)
    assert door.call("status")["stores"]


# Clients


def test_a_client_that_never_reads_does_not_hold_up_the_door(tmp_path: Path) -> None:
    with Door(tmp_path) as door, Wire(door.socket) as deaf:
        deaf.socket.sendall(b'{"v": 1, "id": 1, "do": "members.list"}\n' * 2_000)
        door.tap(1)
        door.until_jobs(JobState.CONFIRMED)
        assert is_alive(door)


def test_a_client_that_is_too_far_behind_is_dropped(tmp_path: Path) -> None:
    with Door(tmp_path) as door, Wire(door.socket) as deaf:
        requests = b'{"v": 1, "id": 1, "do": "members.list"}\n' * 20_000
        deaf.socket.settimeout(6 * PATIENCE_S)  # for all of them together, a thousand of which are answered
        with pytest.raises(OSError, match=r"Broken pipe|reset"):
            deaf.socket.sendall(requests)
        assert is_alive(door)


def test_too_many_clients_are_told_so(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        clients = [door.client() for _ in range(MAX_CLIENTS)]
        for client in clients:
            assert client.call("status")
        with Wire(door.socket) as wire:
            assert wire.hear()["error"] == f"{MAX_CLIENTS} programs are connected already; close one"
        for client in clients:
            client.close()


def test_a_socket_file_left_behind_is_replaced_and_taken_away_at_the_end(folder: Path) -> None:
    path = folder / "control.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    with pytest.raises(NotRunning, match="no terminal is running there"):
        ControlClient(path)
    control = ControlSocket(path, answer_done)
    control.open()
    with ControlClient(path, PATIENCE_S) as client:
        assert client.call("anything") == "done"
    control.close()
    assert not path.exists()


def answer_done(message: Command | HungUp) -> None:
    if isinstance(message, Command):
        message.answer("done")


def test_a_file_that_is_no_socket_is_not_deleted(folder: Path) -> None:
    path = folder / "precious"
    path.write_text("gold", encoding="utf-8")
    with pytest.raises(
        ConfigError, match=r"^\[control\] socket = '.*/precious' can't be made: a file that is no socket is there$"
    ):
        ControlSocket(path, answer_done).open()
    assert path.read_text(encoding="utf-8") == "gold"


def test_a_folder_that_cannot_be_made_is_a_wrong_configuration(folder: Path) -> None:
    (folder / "file").touch()
    with pytest.raises(ConfigError, match=r"socket = '.*' can't be made: (Not a directory|File exists)"):
        ControlSocket(folder / "file" / "control.sock", answer_done).open()


def test_a_client_that_waits_hears_that_the_terminal_stopped(tmp_path: Path) -> None:
    with Door(tmp_path) as door, Wire(door.socket) as wire:
        wire.socket.sendall(b'{"v": 1, "id": 1, "do": "cards.enrol", "with": {"member": "p1"}}\n')
        door.seen.until(EnrolmentAsked)
        door.stop()
        door._control.close()
        with pytest.raises(AssertionError, match="hung up"):
            wire.hear()


def test_a_watcher_hears_until_it_hangs_up(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        with door.client() as watcher:
            watcher.watch()
            watcher.call("status")
            door.tap(1)
            while (event := watcher.next_event())["kind"] == "Changed":
                pass
            assert (event["kind"], event["signal"]) == ("Answer", "welcome")
            assert len(door.terminal._watchers) == 1
        while door.terminal._watchers:
            assert is_alive(door)  # one round more, until the loop heard of it
        door.until_jobs(JobState.CONFIRMED)


# Cards


def enrol(wire: Wire, member: str, number: int = 1) -> None:
    request = {"v": 1, "id": number, "do": "cards.enrol", "with": {"member": member}}
    wire.socket.sendall(json.dumps(request).encode() + b"\n")


def test_the_next_card_is_the_members(tmp_path: Path) -> None:
    with Door(tmp_path) as door, Wire(door.socket) as wire:
        enrol(wire, "p1")
        door.seen.until(EnrolmentAsked)
        door.touch(NEW_CARD)
        assert wire.hear()["result"] == {"enrolled": "p1"}
        door.until_answered(Signal.ENROLLED)
        assert [bound.member for bound in door.seen.of(BindCard)] == ["p1"]
        assert len(door.call("members.show", member="p1")["cards"]) == 2
        assert door.state.visits == {}


def test_a_card_of_somebody_else_is_not_taken_away(tmp_path: Path) -> None:
    with Door(tmp_path) as door, Wire(door.socket) as wire:
        enrol(wire, "p1")
        door.seen.until(EnrolmentAsked)
        door.reader.tap(card_of(2))
        assert wire.hear()["error"] == "that card belongs to another member; block it or replace it first"
        assert door.until_answered(Signal.BLOCKED_CARD)
        assert door.state.visits == {}


def test_a_blocked_card_is_not_enrolled(tmp_path: Path) -> None:
    with Door(tmp_path) as door, Wire(door.socket) as wire:
        door.call("cards.block", of="p2")
        enrol(wire, "p1")
        door.seen.until(EnrolmentAsked)
        door.reader.tap(card_of(2))
        assert wire.hear()["error"] == "that card is blocked; take another one"


def test_an_enrolment_without_a_card_ends(tmp_path: Path) -> None:
    with Door(tmp_path, enrol_s=0.1) as door, Wire(door.socket) as wire:
        enrol(wire, "p1")
        assert wire.hear()["error"] == "no card was held to the reader in time; try again"


def test_a_second_enrolment_takes_the_place_of_the_first(tmp_path: Path) -> None:
    with Door(tmp_path) as door, Wire(door.socket) as first, Wire(door.socket) as second:
        enrol(first, "p1")
        door.seen.until(EnrolmentAsked)
        enrol(second, "p2")
        assert first.hear()["error"] == "another enrolment was begun meanwhile"
        door.touch(NEW_CARD)
        assert second.hear()["result"] == {"enrolled": "p2"}


def test_when_staff_hangs_up_the_next_card_is_a_tap_again(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        with Wire(door.socket) as wire:
            enrol(wire, "p1")
            door.seen.until(EnrolmentAsked)
        door.seen.until(EnrolmentDropped)
        door.touch(NEW_CARD)
        door.until_answered(Signal.UNKNOWN_CARD)
        assert door.seen.of(BindCard) == []


# Members and visits


def test_staff_checks_a_member_in_and_out(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        visit = door.call("visits.checkin", member="p1")["visit"]
        door.until_jobs(JobState.CONFIRMED)
        assert [answer.reader for answer in door.seen.of(Answer)] == [None, None]
        with pytest.raises(CommandError, match="p1 is checked in already"):
            door.call("visits.checkin", member="p1")
        assert door.call("visits.leave", member="p1") == {"visit": visit}
        assert door.visit(1) is None


def test_a_member_who_is_here_is_not_removed(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        door.tap(1)
        door.until_jobs(JobState.CONFIRMED)
        with pytest.raises(CommandError, match="p1 is checked in; say 'fikatap visits leave p1' first"):
            door.call("members.remove", member="p1")
        door.call("visits.leave", member="p1")
        assert door.call("members.remove", member="p1") == {"removed": "p1"}
        door.tap(2)
        door.until_jobs(JobState.CONFIRMED, 2)


def test_a_removed_member_is_forgotten_by_who_met_them(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        door.tap(1)
        door.until_answered(Signal.NOT_YET)
        door.tap(2)
        door.until_answered(Signal.INTRODUCED)
        assert [met.name for visit in door.state.visits.values() for met in visit.met] == ["Person 2", "Person 1"]
        door.call("visits.leave", member="p1")
        door.call("members.remove", member="p1")
        visit = door.visit(2)
        assert visit is not None
        assert visit.met == ()


def test_all_open_notices_are_printed_as_one_slip(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        assert door.call("notices.print") == {"notices": 0}
        door.printer.paper_out()
        door.until_printer(Cause.PAPER_OUT)
        door.touch("04ffffffffffff")
        door.until_answered(Signal.UNKNOWN_CARD)
        assert door.call("notices.print") == {"notices": 1}
        (slip,) = door.slips()
        assert slip.slip is not None
        assert [line.detail for line in slip.slip.lines] == [
            "· " + door.terminal._wiring.notice(TellStaff(Notice.UNKNOWN_CARD))
        ]
        door.printer.paper_in()
        assert door.until_jobs(JobState.CONFIRMED)[0].job == slip.id


ADDRESS, FINGERPRINT = "https://kafe.local:8443/desk", "AB:CD:EF:01:23:45:67:89:0A:BC:DE:F0"


def test_the_desks_slip_is_a_job_like_any_other(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        door.printer.paper_out()
        door.until_printer(Cause.PAPER_OUT)
        ordered = door.call("desk.slip", addresses=[ADDRESS], fingerprint=FINGERPRINT)
        assert ordered == {"job": door.slips()[-1].id, "cause": "paper_out"}
        (row,) = door.call("jobs.list")
        assert (row["job"], row["what"], row["state"], row["can"]) == (ordered["job"], "desk", "queued", [])
    door.printer.paper_in()
    # Journalled, and so printed after a restart.
    with Door(tmp_path) as door:
        assert door.until_jobs(JobState.CONFIRMED)[0].job == ordered["job"]
        assert door.printer.papers[-1].qr == (ADDRESS,)


@pytest.mark.parametrize(
    ("addresses", "fingerprint", "why"),
    [
        ([], FINGERPRINT, "takes 1 to 4 addresses, not 0"),
        ([ADDRESS] * 5, FINGERPRINT, "takes 1 to 4 addresses, not 5"),
        (
            [ADDRESS, "http://kafe.local/desk"],
            FINGERPRINT,
            "'http://kafe.local/desk' is no address of a desk; one is 'https://",
        ),
        (["https://evil.example/login"], FINGERPRINT, "is no address of a desk"),
        (["https://a@evil.example/desk"], FINGERPRINT, "is no address of a desk"),
        ([f"https://{'k' * 90}.local/desk"], FINGERPRINT, "up to 100 characters"),
        ([ADDRESS], "AB:CD", "'AB:CD' is not the beginning of a fingerprint: 8 to 32 bytes, such as 'AB:CD:…'"),
        ([ADDRESS], FINGERPRINT.lower(), "is not the beginning of a fingerprint"),
        (ADDRESS, FINGERPRINT, "desk.slip: Expected `array`, got `str`"),
    ],
)
def test_what_is_no_slip_of_a_desk_is_told(door: Door, addresses: Any, fingerprint: str, why: str) -> None:
    with pytest.raises(CommandError, match=re.escape(why)):
        door.call("desk.slip", addresses=addresses, fingerprint=fingerprint)


def test_a_member_of_whom_nobody_knew_is_checked_in_anew_by_staff(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        first = door.call("visits.checkin", member="p1")["visit"]
        door.until_jobs(JobState.CONFIRMED)
    with Door(tmp_path, boot="after the plug was pulled", trust=False) as door:
        visit = door.visit(1)
        assert visit is not None
        assert not visit.confirmed
        assert door.call("visits.checkin", member="p1")["visit"] != first
        assert person(1).id in door.state.here


def test_a_fault_of_the_disk_in_a_command_is_told_and_the_ledger_is_read_anew(tmp_path: Path) -> None:
    with simulated_disk() as disk, Door(tmp_path) as door:
        disk.sync_fault = apsw.IOError
        with pytest.raises(CommandError, match="the disk or memory card fails"):
            door.call("cards.block", of="p1")
        assert not door.call("status")["stores"]
        disk.sync_fault = None
        door.tap(2)
        door.until_answered(Signal.WELCOME)
        assert door.call("status")["stores"]
