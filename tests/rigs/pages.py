"""The real pages, `fikatap desk serve`, as a process on free ports, with a browserless client that trusts its certificate."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from firmware_py.clock import boot_id
from firmware_py.demo import CONFIG
from firmware_py.desk.access import Access, Role

ROOT = Path(__file__).parents[2]
NAME, PIN = "Made-Up Maja", "481516"
MANAGER, MANAGERS_PIN = "Made-Up Milo", "271828"
PATIENCE_S = 90.0


class PagesProcess:
    """The pages of a made-up café in a folder; a terminal need not be there. Used as a context manager."""

    def __init__(self, folder: Path, control: Path | None = None) -> None:
        self.folder = folder / "desk"
        self.folder.mkdir()
        self._ports = [_free_port(), _free_port()]
        desk = (
            f'[desk]\nfolder = "{self.folder}"\nscreen = "127.0.0.1:{self._ports[0]}"\nlisten = "127.0.0.1:{self._ports[1]}"\n'
        )
        text = CONFIG.format(folder=folder, language="sv", profile="generic-80") + desk
        if control is not None:
            text = re.sub(r'(?m)^socket = ".*"$', f'socket = "{control}"', text)
        self.config = folder / "terminal.toml"
        self.config.write_text(text, "utf-8")
        self.access = Access(self.folder / "access.json", boot_id(), lambda: time.clock_gettime(time.CLOCK_BOOTTIME))
        self.access.set_pin(NAME, Role.STAFF, PIN)
        self.access.set_pin(MANAGER, Role.MANAGER, MANAGERS_PIN)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def screen(self) -> str:
        """The address of the screen."""
        return f"http://127.0.0.1:{self._ports[0]}"

    @property
    def desk(self) -> str:
        """The address of the desk."""
        return f"https://127.0.0.1:{self._ports[1]}"

    @property
    def port(self) -> int:
        """The desk's port."""
        return self._ports[1]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()

    def start(self) -> float:
        """Start it, wait until it says READY as to systemd, and return how long that took in seconds."""
        notes = self.folder.parent / "notes"
        notes.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(str(notes))
            environment = {**os.environ, "NOTIFY_SOCKET": str(notes)}
            command: list[str | Path] = [Path(sys.executable).with_name("fikatap"), "--config", self.config, "desk", "serve"]
            began = time.perf_counter()
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE)
            while True:
                assert select.select([systemd], [], [], PATIENCE_S)[0], "the pages did not get ready"
                if systemd.recv(1_000) == b"READY=1":
                    return time.perf_counter() - began

    def kill(self, number: int = signal.SIGKILL) -> int:
        """Send it a signal and return its exit code."""
        assert self.process is not None
        assert self.process.stderr is not None
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        self.process.stderr.close()
        return self.process.wait(PATIENCE_S)

    def memory_mb(self, kind: str) -> float:
        """Return how big it is (`VmRSS`), or was at most (`VmHWM`)."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        return int(next(line for line in status.splitlines() if line.startswith(kind)).split()[1]) / 1024

    def client(self, *, language: str = "en") -> httpx.Client:
        """Return somebody's browser, as far as it has no script; it follows no redirects."""
        trust = ssl.create_default_context(cafile=str(self.folder / "desk.pem"))
        return httpx.Client(base_url=self.desk, verify=trust, timeout=PATIENCE_S, headers={"accept-language": language})


def sign_in(client: httpx.Client, name: str = NAME, pin: str = PIN) -> httpx.Response:
    """Send the form of the log-in."""
    return client.post("/desk/log-in", data={"name": name, "pin": pin, "next": "/desk"})


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
