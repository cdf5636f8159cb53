"""`kill -9` at random moments around taps and prints: the running program on a real disk, with its socket and a printer.

`python -m tests.faults.kill COUNT SEED` prints what came of it.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Self

from msgspec import Struct

from firmware_py.ledger import Ledger
from firmware_py.office import CommandError
from firmware_py.terminal.control import ControlClient
from tests.faults.cafe import enrol
from tests.rigs.printers import NetworkPrinter

ROOT = Path(__file__).parents[2]
PATIENCE_S = 90.0
AIMING_S = 15.0
"""How long is waited for what a kill is to meet. Where a bug has shut the door that never comes, and the kill comes anyway."""
AT_ONCE = 3
"""So many people at most come in one life of the program."""

CONFIG = """
[cafe]
name = "Kafé Provet"
language = "en"
closes = "04:00"
trust_clock = true
badge_url = "https://fika.example/v/"
[[zone]]
id = "library"
name = "Library"
symbol = "triangle"
colour = "blue"
[ledger]
path = "{folder}/ledger.db"
[control]
socket = "{folder}/control.sock"
[reader.door]
driver = "fake"
[printer]
driver = "escpos"
connection = "{printer}"
[lights]
driver = "fake"
"""


class Report(Struct):
    """What came of so many kills; `wrong` lists broken promises."""

    kills: int
    starts: int
    welcomes: int
    badges: int
    wrong: list[str]


class _Door:
    """One terminal, over all its lives."""

    def __init__(self, folder: Path, printer: str, source: Path) -> None:
        self._folder = folder
        self._source = source
        (folder / "terminal.toml").write_text(CONFIG.format(folder=folder, printer=printer), encoding="utf-8")
        self._changed = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._watching: threading.Thread | None = None
        self.welcomed: Counter[int] = Counter()
        """Who was seen to be welcomed, and how often."""
        self.sent = 0
        """How many jobs were sent, as far as somebody watched."""
        self.starts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it."""
        self.starts += 1
        command = [sys.executable, "-m", "tests.faults.door", str(self._folder / "terminal.toml")]
        environment = {**os.environ, "PYTHONPATH": str(self._source), "NOTIFY_SOCKET": str(self._folder / "notify")}
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(environment["NOTIFY_SOCKET"])
        self._notify.settimeout(PATIENCE_S)
        with (self._folder / "journal").open("ab") as journal:
            self._process = subprocess.Popen(
                command, cwd=self._source, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=journal
            )

    def until_ready(self) -> None:
        """Wait until it says READY, and watch it from then on; raise `TimeoutError`."""
        while b"READY=1" not in self._notify.recv(4096):
            pass
        client = ControlClient(self._folder / "control.sock", timeout=None)
        client.watch()
        client.call("status")  # which is answered after it has begun to tell: no welcome is missed
        self._watching = threading.Thread(target=self._watch, args=(client,))
        self._watching.start()

    def hold(self, member: int) -> None:
        """Hold a member's card to the reader."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(b"%d\n" % member)
        self._process.stdin.flush()

    def kill(self, number: int = signal.SIGKILL) -> int | None:
        """End it, read what it still said, and return its exit code."""
        if self._process is None:
            return None
        self._process.send_signal(number)
        code = self._process.wait(PATIENCE_S)
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process = None
        if self._watching is not None:
            self._watching.join(PATIENCE_S)
            self._watching = None
        self._notify.close()
        (self._folder / "notify").unlink()
        return code

    def until(self, seen: Callable[[], bool], timeout: float = PATIENCE_S) -> bool:
        """Wait until `seen`, which is asked after each thing that happened; return whether it came to that."""
        with self._changed:
            return self._changed.wait_for(seen, timeout)

    def status(self) -> dict[str, Any]:
        """Return what it says of itself."""
        with ControlClient(self._folder / "control.sock", timeout=PATIENCE_S) as client:
            status: dict[str, Any] = client.call("status")
            return status

    def _watch(self, client: ControlClient) -> None:
        with client:
            while True:
                try:
                    event = client.next_event()
                except (CommandError, OSError):
                    return
                with self._changed:
                    if event["kind"] == "Answer" and event["signal"].startswith("welcome"):
                        found = re.search(r"Person (\d+)", event["words"])
                        assert found is not None
                        self.welcomed[int(found[1])] += 1
                    self.sent += event["kind"] == "SetJob" and event["state"] == "sending"
                    self._changed.notify_all()


def kills(count: int, seed: int, source: Path = ROOT) -> Report:
    """Kill the program at `source` so often, each time at another moment, and look at what its ledger and its paper hold."""
    rng = Random(seed)
    # Not in memory: a commit takes its time here, and a socket's path must be short.
    with TemporaryDirectory(prefix="fikatap-") as name, NetworkPrinter() as printer:
        folder = Path(name)
        path = folder / "ledger.db"
        ledger = Ledger.open(path)
        people = count * AT_ONCE
        enrol(ledger, path, people)
        ledger.close()
        wrong: list[str] = []
        came = iter(range(1, people + 1))
        with _Door(folder, printer.connection, source) as door:
            for _ in range(count):
                door.start()
                _one_life(door, came, rng)
                door.kill()
            door.start()
            door.until_ready()
            if not door.until(lambda: not door.status()["jobs"]):
                wrong.append(f"jobs that come to no end: {door.status()['jobs']}")
            if (code := door.kill(signal.SIGTERM)) != 0:
                wrong.append(f"the last exit code was {code}")
            wrong += _judge(path, door.welcomed)
            badges = Counter(
                visit
                for paper in printer.papers
                if not any("COPY" in line for line in paper.texts)
                for qr in paper.qr
                for visit in re.findall(r"fika\.example/v/([^;]+)", qr)
            )
            wrong += [f"{times} unmarked badges of {visit}" for visit, times in badges.items() if times > 1]
            return Report(count, door.starts, door.welcomed.total(), badges.total(), wrong)


def _one_life(door: _Door, came: Iterator[int], rng: Random) -> None:
    """Let people come, and return at the moment of the kill."""
    if rng.random() < 0.1:
        door.until(lambda: False, rng.uniform(0.0, 0.8))  # while it starts
        return
    door.until_ready()
    sent, welcomed = door.sent, door.welcomed.total()
    for _ in range(rng.randint(1, AT_ONCE)):
        door.hold(next(came))
    # However slow the machine is, many of the kills are to meet a badge on its way, or what follows a welcome.
    aim = rng.random()
    if aim < 0.3:
        door.until(lambda: door.sent > sent, AIMING_S)
        door.until(lambda: False, rng.uniform(0.0, 0.6))
    elif aim < 0.5:
        door.until(lambda: door.welcomed.total() > welcomed, AIMING_S)
        door.until(lambda: False, rng.uniform(0.0, 0.1))
    else:
        door.until(lambda: False, rng.uniform(0.0, rng.choice((0.02, 0.1, 0.3))))


def _judge(path: Path, welcomed: Counter[int]) -> list[str]:
    """Return what is wrong in the ledger after all that."""
    ledger = Ledger.open(path)
    try:
        ask = ledger._connection.execute
        wrong = [] if ask("PRAGMA integrity_check").fetchall() == [("ok",)] else ["the ledger is damaged"]
        here = {int(member[1:]) for (member,) in ask("SELECT member FROM visits")}
        wrong += [f"the check-in of person {who} is lost" for who in welcomed if who not in here]
        for what, sql in _HALF_STORED.items():
            wrong += [f"{what}: {row}" for row in ask(sql).fetchall()]
    finally:
        ledger.close()
    return wrong


_HALF_STORED = {
    # Each member comes once, so that each tap is a check-in.
    "a tap without its visit": """
        SELECT seq FROM events WHERE kind = 'CardTapped' AND NOT EXISTS (SELECT 1 FROM visits WHERE opened_seq = seq)""",
    "a visit that is not counted": """
        SELECT id FROM members WHERE visits <> (SELECT count(*) FROM visits WHERE visits.member = members.id)""",
    "a number that will be given twice": """
        SELECT visits.id FROM visits, terminal WHERE visits.number > terminal.number""",
    "a match without its badge": """
        SELECT visits.id FROM visits WHERE NOT owed AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.visit = visits.id)""",
}


if __name__ == "__main__":
    print(kills(int(sys.argv[1]), int(sys.argv[2])))
