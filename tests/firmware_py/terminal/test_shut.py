"""The shut door: why it is shut is said in words and with lights, and it opens by itself."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from drivers.lights.fake import FakeLights
from drivers.readers.fake import FakeReader
from firmware_py.clock import Clock
from firmware_py.config import parse
from firmware_py.database import LedgerError, LedgerInUse, LedgerTooNew
from firmware_py.demo import card_of
from firmware_py.keys import VenueKey, VenueKeyError, key_path
from firmware_py.ledger import Ledger
from firmware_py.office import CommandError
from firmware_py.recovery import CopiesAway, LedgerLost
from firmware_py.terminal import shut
from firmware_py.terminal.control import ControlClient, ControlSocket, HungUp
from firmware_py.terminal.notify import Notifier
from firmware_py.terminal.shut import Reason, ShutDoor, open_sometime
from firmware_py.wiring import Wiring
from kiosk.signals import Signal
from tests.firmware_py.terminal.harness import CAFE, PATIENCE_S, person
from tests.firmware_py.test_config import FIKATAP


def text(folder: Path, socket: Path) -> str:
    return CAFE.format(folder=folder, socket=socket, rules="", match_ms=800, printer="", trust="true")


class Told(Notifier):
    """Keeps what systemd is told."""

    def __init__(self) -> None:
        super().__init__({})
        self.said: list[str] = []
        self.changed = threading.Condition()

    def _send(self, message: str) -> None:
        with self.changed:
            self.said.append(message)
            self.changed.notify_all()

    def until(self, message: str) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: message in self.said, PATIENCE_S), self.said


class Obstacles:
    """What is behind the door can be opened when there are no more of these."""

    def __init__(self, *reasons: Reason) -> None:
        self._reasons = list(reasons)
        self.tried = threading.Event()

    def __call__(self) -> str:
        reasons = self._reasons  # these, whatever becomes of them meanwhile
        self.tried.set()
        if reasons:
            reason = reasons[0]
            if isinstance(reason, LedgerInUse):
                reasons.pop(0)
            raise reason
        return "what is behind"

    def go(self) -> None:
        self._reasons = []

    def become(self, reason: Reason) -> None:
        self._reasons = [reason]


@contextmanager
def shut_door(folder: Path, obstacles: Obstacles, told: Told) -> Iterator[list[object]]:
    """Give what came of a door in a thread of its own: nothing yet."""
    wiring = Wiring(parse(text(folder, folder / "s")))
    came: list[object] = []
    stops: list[Callable[[], None]] = []
    clock = Clock(wiring.config.timezone, None)

    def work() -> None:
        try:
            came.append(open_sometime(obstacles, lambda: ShutDoor(wiring, clock, told), stops.append))
        except Exception as error:  # noqa: BLE001 - what ended it is what tests ask about
            came.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield came
    finally:
        obstacles.go()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shut, "TRY_EVERY_MS", 50)
    monkeypatch.setattr(shut, "LOOK_EVERY_S", 0.02)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (VenueKeyError("gone"), "closed: the venue's key is missing; bring it back with: fikatap venue key import FILE"),
        (LedgerLost("gone"), "closed: the ledger is lost; bring back a copy with: fikatap venue restore FOLDER"),
        (CopiesAway("gone"), "closed: the ledger is lost and its copies are not here; plug the stick in"),
        (LedgerError("full"), "closed: nothing can be stored; check the memory card"),
    ],
)
def test_why_it_is_shut_is_told_to_systemd_and_by_the_lights(tmp_path: Path, reason: Reason, words: str) -> None:
    told, obstacles = Told(), Obstacles(reason)
    with shut_door(tmp_path, obstacles, told) as came:
        told.until(f"STATUS={words}")
        assert "READY=1" in told.said
        reader = FakeReader.hand(str(tmp_path))
        reader.until_waited_for(PATIENCE_S)
        reader.tap(card_of(1))
        lights = FakeLights.hand(str(tmp_path))
        lights.until(lambda hand: Signal.TELL_STAFF in hand.signals, PATIENCE_S)
        assert not came
    assert came == ["what is behind"]


@pytest.mark.parametrize(
    ("reason", "key"),
    [
        (VenueKeyError("gone"), "no_key"),
        (LedgerLost("gone"), "no_ledger"),
        (CopiesAway("gone"), "no_copies"),
        (LedgerError("full"), "no_storage"),
    ],
)
def test_screen_and_desk_are_told_why_it_is_shut(tmp_path: Path, reason: Reason, key: str) -> None:
    told, obstacles = Told(), Obstacles(reason)
    with shut_door(tmp_path, obstacles, told) as came:
        told.until("READY=1")
        with ControlClient(tmp_path / "s", PATIENCE_S) as client, ControlClient(tmp_path / "s", PATIENCE_S) as watcher:
            status, scene = client.call("status"), client.call("scene")
            assert (status["shut"], status["stores"], status["ledger"]) == (key, False, None)
            assert status["line"] == scene["line"]
            assert status["line"].startswith("closed: ")
            assert (scene["open"], scene["trouble"]) == (False, "no_storage")
            assert [zone["here"] for zone in scene["zones"]] == [0] * len(scene["zones"])
            assert (client.call("visits.list"), client.call("faults.list")) == ([], [])
            for command in ("jobs.list", "members.list", "cards.enrol", "visits.checkin", "no.such"):
                with pytest.raises(CommandError, match=f"the door is shut: {reason}"):
                    client.call(command, member="m0001")
            watcher.watch()
            reader = FakeReader.hand(str(tmp_path))
            reader.until_waited_for(PATIENCE_S)
            watcher.call("status")  # by the same connection, so that it is told of what comes next
            reader.tap(card_of(1))
            while (seen := watcher.next_event())["kind"] == "Changed":
                pass
            assert (seen["kind"], seen["signal"], seen["name"]) == ("Shown", Signal.TELL_STAFF, None)
        assert not came
    assert came == ["what is behind"]
    assert not (tmp_path / "s").exists(), "the open door makes its own"


def test_a_shut_door_leaves_another_terminals_socket_alone(tmp_path: Path) -> None:
    other = ControlSocket(tmp_path / "s", lambda message: None if isinstance(message, HungUp) else message.answer("other"))
    other.open()
    try:
        told = Told()
        with shut_door(tmp_path, Obstacles(LedgerError("no right to it")), told), ControlClient(tmp_path / "s") as client:
            told.until("READY=1")
            assert client.call("status") == "other"
        with ControlClient(tmp_path / "s") as client:
            assert client.call("status") == "other"
    finally:
        other.close()


def test_each_reason_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    told, obstacles = Told(), Obstacles(VenueKeyError("first"))
    with shut_door(tmp_path, obstacles, told):
        told.until("STATUS=closed: the venue's key is missing; bring it back with: fikatap venue key import FILE")
        obstacles.become(LedgerError("second"))
        told.until("STATUS=closed: nothing can be stored; check the memory card")
    said = [line for line in caplog.messages if line.startswith("the door is shut")]
    assert said == [f"the door is shut, check-ins are refused: {word}" for word in ("first", "second")]


def test_a_command_that_mends_it_just_now_is_waited_for(tmp_path: Path) -> None:
    told, obstacles = Told(), Obstacles(LedgerError("full"))
    with shut_door(tmp_path, obstacles, told) as came:
        told.until("READY=1")
        obstacles.become(LedgerInUse("by a command"))
    assert came == ["what is behind"]


def test_what_waiting_does_not_mend_ends_the_program(tmp_path: Path) -> None:
    for reason in (LedgerInUse("by another terminal"), LedgerTooNew("newer")):
        told, obstacles = Told(), Obstacles(reason)
        with shut_door(tmp_path, obstacles, told) as came:
            assert obstacles.tried.wait(PATIENCE_S)
        assert came == [reason]
        assert told.said == []


def test_a_terminal_that_lost_its_key_is_ready_but_closed_and_opens_when_it_is_brought_back(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    path = key_path(tmp_path / "ledger.db")
    ledger.put_members([person(1)])
    ledger.bind_card(VenueKey(path).open(ledger).pseudonym(card_of(1).uid), person(1).id)
    ledger.close()
    safe = tmp_path / "safe.key"
    shutil.move(path, safe)
    with TemporaryDirectory(prefix="fikatap-") as name, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        run = Path(name)
        configured = tmp_path / "terminal.toml"
        configured.write_text(text(tmp_path, run / "control").replace('language = "en"', 'language = "sv"'), "utf-8")
        systemd.bind(str(run / "notify"))
        systemd.settimeout(PATIENCE_S * 3)
        command = [str(FIKATAP), "--config", str(configured)]
        environment = {**os.environ, "NOTIFY_SOCKET": str(run / "notify")}
        process = subprocess.Popen([*command, "run"], env=environment, stderr=subprocess.PIPE, text=True)
        try:
            while (
                said := systemd.recv(2000).decode()
            ) != "STATUS=stängt: kafeets nyckel saknas; hämta den med: fikatap venue key import FIL":
                pass
            done = subprocess.run([*command, "venue", "key", "import", safe], capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr
            while not said.startswith("STATUS=öppet"):
                said = systemd.recv(2000).decode()
        finally:
            process.send_signal(signal.SIGTERM)
            _, journal = process.communicate(timeout=60)
    assert process.returncode == 0
    lines = journal.splitlines()
    assert lines[0].startswith("STÄNGT: ingen kan checka in (")
    assert "Gör så här: fikatap doctor." in lines[0]
    assert any(line.startswith("Dörren är öppen; 0 besökare är här.") for line in lines)
