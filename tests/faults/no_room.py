"""A disk that is full or read-only when the terminal starts, or that becomes it: real file systems, the real program.

`what_happens` runs this module as root in a namespace of its own; there it prints one JSON object.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from msgspec import Struct

from firmware_py.ledger import Ledger
from tests.faults.cafe import enrol
from tests.faults.kill import CONFIG
from tests.rigs.namespace import ROOT, run_as_root

PATIENCE_S = 60.0
PEOPLE = 3
ROOM = 3 << 20
SHUT, OPEN = "closed: nothing can be stored", "open"
FOLLOWS = ("introduced", "not_yet", "no_match")
"""What the light says of a match, after the answer to the card."""


class Seen(Struct):
    """What was seen at the door; `code` is the exit code at the end."""

    said: list[str]
    """The status line before the trouble's coming or going, and after it."""
    answers: list[str]
    """What the light said to one person before that, and to another after it."""
    here: int
    """How many check-ins are stored at the end."""
    code: int


def what_happens(trouble: str) -> Seen:
    """Return what is seen with a disk in this trouble: "full", "read-only" at the start, "broken" while running."""
    return Seen(**run_as_root("tests.faults.no_room", trouble, timeout=4 * PATIENCE_S))


# In the namespace


class _Door:
    """The program, and what it says to systemd and by its light."""

    def __init__(self, folder: Path, config: Path) -> None:
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(folder / "notify"))
        self._notify.settimeout(PATIENCE_S)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.door", str(config)],
            cwd=ROOT,
            env={**os.environ, "NOTIFY_SOCKET": str(folder / "notify")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._notify.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line.strip())

    def until_status(self, *beginnings: str) -> str:
        """Wait until systemd is told a status that begins so, and return it."""
        while not (said := self._notify.recv(4096).decode().removeprefix("STATUS=")).startswith(beginnings):
            pass
        return said

    def hold(self, member: int) -> str:
        """Hold a card to the reader, and return what the light says to it."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{member}\n")
        self._process.stdin.flush()
        while (said := self._answers.get(timeout=PATIENCE_S)) in FOLLOWS:
            pass
        return said

    def stop(self) -> int:
        """Stop it as systemd does, and return the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(PATIENCE_S)


def _see(trouble: str) -> Seen:
    with TemporaryDirectory(prefix="fikatap-") as name:
        folder = Path(name)
        disk = folder / "disk"
        disk.mkdir()
        _make_disk(folder, disk)
        try:
            path = disk / "ledger.db"
            ledger = Ledger.open(path)
            enrol(ledger, path, PEOPLE)
            ledger.close()
            config = folder / "terminal.toml"
            text = CONFIG.format(folder=disk, printer="network:127.0.0.1:9").replace(f"{disk}/control", f"{folder}/control")
            config.write_text(text, encoding="utf-8")
            return _watch(folder, disk, config, trouble)
        finally:
            subprocess.run(["umount", "--lazy", disk], check=True)


def _make_disk(folder: Path, disk: Path) -> None:
    image = folder / "image"
    with image.open("wb") as file:
        file.truncate(ROOM)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-b", "1024", "-m", "0", image], check=True)
    subprocess.run(["mount", "-t", "ext4", "-o", "loop,errors=remount-ro", image, disk], check=True)


def _watch(folder: Path, disk: Path, config: Path, trouble: str) -> Seen:
    ballast = disk / "ballast"
    if trouble == "full":
        _fill(ballast)
    elif trouble == "read-only":
        _remount(disk, "ro")
    with _Door(folder, config) as door:
        said, answers = [], []
        if trouble == "broken":
            said.append(door.until_status(OPEN))
            answers.append(door.hold(1))
            _break(disk)
            answers.append(door.hold(2))
            said.append(door.until_status(SHUT))
        else:
            said.append(door.until_status(SHUT, OPEN))
            answers.append(door.hold(1))
            ballast.unlink() if trouble == "full" else _remount(disk, "rw")
            said.append(door.until_status(OPEN))
            answers.append(door.hold(2))
        code = door.stop()
    return Seen(said, answers, _here(disk, folder), code)


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        for size in (1024, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue


def _remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", disk], check=True)


def _break(disk: Path) -> None:
    """Let the file system find an error in itself: it turns read-only at once, whoever writes."""
    device = subprocess.run(["findmnt", "-n", "-o", "SOURCE", disk], capture_output=True, text=True, check=True).stdout
    Path("/sys/fs/ext4", Path(device.strip()).name, "trigger_fs_error").write_text("simulated\n")


def _here(disk: Path, folder: Path) -> int:
    """Count the open visits, in a copy: the disk may take no more."""
    copy = folder / "copy"
    copy.mkdir()
    for name in ("ledger.db", "ledger.db-wal"):
        if (disk / name).exists():
            shutil.copyfile(disk / name, copy / name)
    ledger = Ledger.open(copy / "ledger.db")
    try:
        return ledger.counts()["here"]
    finally:
        ledger.close()


def _plain(seen: Seen) -> dict[str, Any]:
    return {"said": seen.said, "answers": seen.answers, "here": seen.here, "code": seen.code}


if __name__ == "__main__":
    print(json.dumps(_plain(_see(sys.argv[1]))))
