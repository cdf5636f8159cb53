"""Power cuts below a real ext4: the file system lies on a card with a volatile cache, and each cut is mounted and read.

`power_cuts` runs this module as root in a namespace of its own; there it prints one JSON object.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from tests.faults.cafe import RecordedLedger, judge, tally, two_mornings
from tests.faults.medium import Acknowledge, Entry, Flush, Write, cuts
from tests.rigs.card import Card
from tests.rigs.namespace import ROOT, run_as_root

MODULE = "tests.faults.ext4"
BLOCK = 4096
"""Bytes, as on a memory card."""
SIZE = 12 << 20
"""Bytes; the smallest in which ext4 has a journal with such blocks, and the ledger has room."""
GROUP = 1024
"""Blocks of a group; so small that there is a second one, with its copy of the superblock."""
SUPERBLOCK = slice(1024, 2048)
CARD = "card"
SECONDS = 600
"""How long one run may take."""


def power_cuts(count: int, seed: int, synchronous: str = "", torn: str = "") -> dict[str, int]:
    """Record two mornings on a card and cut the power so often; return how many were kept, lost something or were corrupt.

    With `torn="superblock"` each cut falls into a write of it. Raise `RuntimeError` with a sentence for people where this
    may not be done here.
    """
    found: dict[str, int] = run_as_root(MODULE, str(count), str(seed), synchronous, torn, timeout=SECONDS)
    return found


# In the namespace


def _cut_power(count: int, seed: int, synchronous: str, torn: str) -> dict[str, int]:
    with TemporaryDirectory(prefix="fikatap-") as name:
        folder = Path(name)
        subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
        try:
            fresh, log = _record(folder, seed, synchronous)
            workers = os.cpu_count() or 1
            shares = [len(range(number, count, workers)) for number in range(workers)]
            with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
                judging = [
                    pool.submit(_judge_cuts, folder / str(number), fresh, log, share, seed * 1000 + number, torn)
                    for number, share in enumerate(shares)
                ]
                return tally([verdict for each in judging for verdict in each.result()])
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def _record(folder: Path, seed: int, synchronous: str) -> tuple[bytes, list[Entry]]:
    """Return the empty file system, and what was asked of the card while the mornings went by."""
    card_file = folder / CARD
    with card_file.open("wb") as file:
        file.truncate(SIZE)
    layout = ["-b", str(BLOCK), "-g", str(GROUP), "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0"]
    subprocess.run(["mkfs.ext4", "-q", "-F", *layout, card_file], check=True)
    fresh = card_file.read_bytes()
    log: list[Entry] = []
    command = [sys.executable, "-m", MODULE, "--live", str(card_file), str(seed), synchronous]
    card = Card(fresh, lambda offset, data: log.append(Write(CARD, offset, data)), lambda: log.append(Flush(CARD)))
    card.mount(card_file)
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as living, card:
        assert living.stdin is not None
        assert living.stdout is not None
        while True:
            ready, _, _ = select.select([card.fileno(), living.stdout.fileno()], [], [])
            if card.fileno() in ready:
                card.serve()
            elif not (line := living.stdout.readline()):
                break
            else:
                log.append(Acknowledge(line.decode().strip()))
                living.stdin.write(b"\n")
                living.stdin.flush()
    if living.returncode != 0:
        raise SystemExit(f"the terminal on the card ended with {living.returncode}")
    return fresh, log


def _live(card_file: Path, seed: int, synchronous: str) -> None:
    """Be the terminal: each acknowledgement is a line, and goes on when it has its place in the card's log."""

    def told(what: Acknowledge) -> None:
        print(what.digest, flush=True)
        sys.stdin.readline()

    with _mounted(card_file) as root:
        kind = type("Recorded", (RecordedLedger,), {"told": staticmethod(told), "synchronous": synchronous or None})
        two_mornings(root / "state" / "ledger.db", kind, seed)


def _judge_cuts(image: Path, fresh: bytes, log: list[Entry], count: int, seed: int, torn: str) -> list[str]:
    """Cut the power so often, mount what is left each time, and judge the ledger in it."""
    digests = [entry.digest for entry in log if isinstance(entry, Acknowledge)]
    verdicts = []
    for cut in cuts({CARD: bytearray(fresh)}, log, count, Random(seed)):
        left = cut.files[CARD]
        if torn:
            left[SUPERBLOCK] = left[SUPERBLOCK][:512] + bytes(512)
        image.write_bytes(left)
        verdicts.append(_look_at(image, digests, cut.acknowledged))
    return verdicts


def _look_at(image: Path, digests: list[str], acknowledged: int) -> str:
    try:
        try:
            with _mounted(image) as root:
                return judge(root / "state" / "ledger.db", digests, acknowledged)
        except _Unmountable:
            _mend(image)
            with _mounted(image) as root:
                return judge(root / "state" / "ledger.db", digests, acknowledged)
    except (_Unmountable, subprocess.CalledProcessError):
        return "corrupt"


class _Unmountable(Exception):
    """There is no file system to be seen there."""


def _mend(image: Path) -> None:
    """Do what a Pi does before it mounts (`fsck.repair=yes`): its superblock has two sectors, so a cut may tear it.

    The kernel refuses it then by its checksum, whatever is in the journal; there is a copy in the second group.
    """
    command = ["e2fsck", "-y", "-b", str(GROUP), "-B", str(BLOCK), str(image)]
    done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if done.returncode & ~3:  # 1: mended, 2: mended, and a root must be mounted anew
        raise subprocess.CalledProcessError(done.returncode, command)


@contextmanager
def _mounted(image: Path) -> Iterator[Path]:
    root = image.with_name(f"{image.name}.root")
    root.mkdir(exist_ok=True)
    command = ["mount", "-t", "ext4", "-o", "loop,noatime", str(image), str(root)]
    if (done := subprocess.run(command, check=False, capture_output=True, text=True)).returncode != 0:
        raise _Unmountable(done.stderr)
    try:
        yield root
    finally:
        subprocess.run(["umount", root], check=True)
        root.rmdir()


if __name__ == "__main__":
    if sys.argv[1] == "--live":
        _live(Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    else:
        print(json.dumps(_cut_power(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])))
