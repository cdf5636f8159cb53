"""One terminal as systemd would run it: `fikatap run` in a process of its own, with its ledger, its socket and its journal."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from firmware_py.office import CommandError
from firmware_py.terminal.control import ControlClient

FIKATAP = Path(sys.executable).with_name("fikatap")
PATIENCE_S = 60.0
LIBRARY_PIN, LONG_TABLE_PIN = 17, 27

CAFE = """
[cafe]
name = "Kafé Provet"
language = "sv"
closes = "04:00"
badge_url = "https://fika.example/v/"
trust_clock = {trust}

[[zone]]
id = "library"
name = "Biblioteket"
symbol = "triangle"
colour = "blue"

[[zone]]
id = "longtable"
name = "Långbordet"
symbol = "circle"
colour = "yellow"

[door]
badge_fresh_s = {fresh}
# A boot that is only told of is as old as the machine that plays it, so nobody stays too long by that.
max_stay_s = 600000

[matching]
# Nobody is told "not yet" for the reason that the machine is busy.
deadline_ms = 60000

[ledger]
path = "{folder}/state/ledger.db"

[control]
socket = "{socket}"

[lights]
driver = "gpio"
zones = {{ library = {{ led = 17 }}, longtable = {{ led = 27 }} }}
reader = {{ rgb = [5, 6, 13] }}

[sounder]
driver = "gpio"
pin = 18
"""


class Box:
    """One terminal; `devices` are the tables of its reader and printer, `environment` what its libraries need.

    Used as a context manager: what still runs at the end is killed.
    """

    def __init__(
        self, folder: Path, devices: str, environment: Mapping[str, str], *, fresh: float = 300, trust: bool = True
    ) -> None:
        self.folder = folder
        # A socket's path has at most 107 bytes, which pytest's folders exceed.
        self._run = Path(f"/tmp/fikatap-box-{os.getpid()}-{id(self):x}")
        self._run.mkdir(mode=0o700)
        self.socket = self._run / "control.sock"
        self.config = folder / "terminal.toml"
        text = CAFE.format(folder=folder, socket=self.socket, fresh=fresh, trust=str(trust).lower()) + devices
        self.config.write_text(text, encoding="utf-8")
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None
        self._changed = threading.Condition()
        self.events: list[dict[str, Any]] = []
        """What the terminal told its watchers, over all its lives."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()
        self.socket.unlink(missing_ok=True)
        self._run.rmdir()

    @property
    def journal(self) -> str:
        """What the terminal wrote to standard error, over all its lives."""
        return (self.folder / "journal").read_text(encoding="utf-8")

    def start(self, *, boot: str | None = None) -> None:
        """Start the terminal and wait until it says READY; `boot` is another boot's id, seen in a mount namespace."""
        command = [str(FIKATAP), "run", "--config", str(self.config)]
        if boot is not None:
            (self.folder / "boot_id").write_text(boot + "\n")
            mount = f"mount --bind {self.folder}/boot_id /proc/sys/kernel/random/boot_id"
            as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
            command = ["unshare", *as_root, "--mount", "sh", "-c", f'{mount} && exec "$@"', "sh", *command]
        address = self._run / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, (self.folder / "journal").open("ab") as journal:
            notify.bind(str(address))
            notify.settimeout(PATIENCE_S)
            environment = {**self._environment, "NOTIFY_SOCKET": str(address)}
            self._process = subprocess.Popen(command, env=environment, stderr=journal, stdin=subprocess.DEVNULL)
            try:
                while b"READY=1" not in notify.recv(4096):
                    pass
            except TimeoutError:
                raise AssertionError(f"not ready in {PATIENCE_S} s: {self.journal}") from None
            finally:
                address.unlink()
        watching = ControlClient(self.socket, timeout=None)
        watching.watch()
        watching.call("status")  # answered after that: from here on nothing is missed
        threading.Thread(target=self._watch, args=(watching,), daemon=True, name="watching").start()

    def kill(self) -> None:
        """Kill it as `kill -9` does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def stop(self) -> int:
        """Ask it to end as systemd does, and return the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(PATIENCE_S)
        self._process = None
        return code

    def ended(self) -> int:
        """Wait until it ends by itself, and return the exit code."""
        assert self._process is not None
        code = self._process.wait(PATIENCE_S)
        self._process = None
        return code

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it do nothing meanwhile, as one that is far too busy."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def rss_mb(self) -> float:
        """The terminal's resident memory."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024

    def fikatap(self, *arguments: str) -> str:
        """Run a command of the command line, and return what it prints; it must succeed."""
        done = subprocess.run(
            [str(FIKATAP), "--config", str(self.config), *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def call(self, command: str, **arguments: Any) -> Any:
        """Carry out one command on the control socket."""
        with ControlClient(self.socket, timeout=PATIENCE_S) as client:
            return client.call(command, **arguments)

    def status(self) -> dict[str, Any]:
        """What the terminal knows of itself."""
        status: dict[str, Any] = self.call("status")
        return status

    def until(self, seen: Callable[[list[dict[str, Any]]], bool], what: str) -> None:
        """Wait until the events so far are enough."""
        with self._changed:
            if not self._changed.wait_for(lambda: seen(self.events), PATIENCE_S):
                raise AssertionError(f"{what}: not seen in {PATIENCE_S} s\n{json.dumps(self.events)}\n{self.journal}")

    def until_told(self, *signals: str) -> None:
        """Wait until the visitors were told these answers, in this order, others between them allowed."""

        def told(events: list[dict[str, Any]]) -> bool:
            said = iter(event["signal"] for event in events if event["kind"] == "Answer")
            return all(signal in said for signal in signals)

        self.until(told, f"answers {signals}")

    def answers(self) -> list[str]:
        """What visitors were told while somebody watched."""
        return [event["signal"] for event in self.events if event["kind"] == "Answer"]

    def until_jobs(self, state: str, count: int) -> None:
        """Wait until so many badge jobs came to this state."""
        self.until(lambda _: self.jobs(state) >= count, f"{count} jobs {state}")

    def jobs(self, state: str) -> int:
        """How many badge jobs came to this state while somebody watched."""
        return sum(event["kind"] == "SetJob" and event["state"] == state for event in self.events)

    def until_device(self, name: str, health: str) -> None:
        """Wait until a device stands so; asked again and again, as staff would."""
        deadline = time.monotonic() + PATIENCE_S
        while not any(each["name"] == name and each["health"] == health for each in self.status()["devices"]):
            assert time.monotonic() < deadline, self.status()

    def until_enrolling(self) -> None:
        """Wait until the terminal waits for staff's next card."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.status()["enrolling"]:
            assert time.monotonic() < deadline, self.status()

    def until_printer_ready(self) -> None:
        """Wait until the printer can print."""
        self.until_printer(None)

    def until_printer(self, cause: str | None) -> None:
        """Wait until the printer stands still for this cause, or can print."""
        deadline = time.monotonic() + PATIENCE_S
        while self.status()["printer"]["cause"] != cause:
            assert time.monotonic() < deadline, self.status()

    def _watch(self, client: ControlClient) -> None:
        with client:
            while True:
                try:
                    event = client.next_event()
                except (CommandError, OSError):
                    return
                with self._changed:
                    self.events.append(event)
                    self._changed.notify_all()


MEMBERS = """\
id,first_name,language,languages,occupation,industry,seeks,offers,consent_introductions,consent_name,consent_occupation,consent_need
hakon,Håkon,nb,nb;sv,2330,P,digmark,teaching,yes,yes,yes,yes
sigrid,Sigrid,sv,sv;en,2431,D,teaching,digmark,yes,yes,yes,yes
"""


def many_members(count: int) -> str:
    """Return a members file of so many obviously made-up people who want introductions: each offers what the next one seeks."""
    head = "id,first_name,language,occupation,industry,seeks,offers,consent_introductions,consent_name\n"
    names = ("Anna", "Bo", "Cilla", "Dag", "Eva", "Finn", "Greta", "Hans", "Ida", "Jon", "Karin", "Lars")
    topics = ("teaching,digmark", "digmark,teaching")
    return head + "".join(f"p{number},{names[number]},sv,2431,D,{topics[number % 2]},yes,yes\n" for number in range(count))
