"""A lost ledger is brought back onto a disk that fails at the n-th call, and once more when that disk is well again."""

from __future__ import annotations

import shutil
from itertools import count, takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import apsw

from drivers.errors import FikatapError
from firmware_py.ledger import Ledger
from firmware_py.recovery import LedgerLost, Restored, open_ledger
from firmware_py.terminal.second import SecondMedium
from kiosk.effects import Notice, TellStaff
from tests.faults.cafe import close_all
from tests.faults.nth import FAULTS, NAME, REAL, FailingDisk
from tests.firmware_py.ledgers import check_in, contents, person
from tests.simulation.disk import in_memory

WAYS = max(map(len, FAULTS.values()))
Contents = dict[str, list[tuple[object, ...]]]


class Attempt(NamedTuple):
    """One recovery on the failing disk: at which call it failed and how, what failed, and what is wrong, if anything."""

    place: int
    how: int
    failed: str
    wrong: str


def lost_ledger(folder: Path) -> Contents:
    """Make a ledger that is damaged, in `lost`, and its second medium, in `stick`; return what was in its tables."""
    path, stick = folder / "lost" / "ledger.db", folder / "stick"
    stick.mkdir()
    ledger = Ledger.open(path)
    ledger.put_members(person(number) for number in range(1, 10))
    medium = SecondMedium(stick, path)
    medium.open()
    ledger.hand_on(medium.append)
    for serial in range(1, 10):
        check_in(ledger, serial, serial)
    medium.close()
    ledger.close()
    whole = _contents(path)
    path.write_bytes(b"\xa5" * 8192)
    return whole


def fail_each_call(*, lasts: bool) -> list[Attempt]:
    """Fail each call that a recovery makes to the ledger's disk, in each way in which it can fail."""
    attempts: list[Attempt] = []
    with TemporaryDirectory(dir=in_memory(), prefix="fikatap-") as name:
        whole = lost_ledger(Path(name))
        for how in range(WAYS):
            tried = (_fail_at(Path(name), whole, place, how, lasts=lasts) for place in count(1))
            attempts += takewhile(lambda attempt: attempt.failed, tried)
    return attempts


def _fail_at(folder: Path, whole: Contents, place: int, how: int, *, lasts: bool) -> Attempt:
    state = folder / "state"
    shutil.rmtree(state, ignore_errors=True)
    shutil.copytree(folder / "lost", state)
    path = state / "ledger.db"
    disk = FailingDisk()
    disk.elsewhere = f"{folder / 'stick'}/"
    disk.fails_at, disk.lasts, disk.how = place, lasts, how
    wrong = ""
    apsw.set_default_vfs(NAME)
    try:
        open_ledger(path, "t1", folder / "stick", _words).close()
    except LedgerLost as error:
        wrong = f"staff is told to begin an empty ledger: {error}"
    except FikatapError:
        pass  # the door is shut, and it is tried again
    finally:
        close_all(path)
        apsw.set_default_vfs(REAL)
        disk.unregister()
    open_ledger(path, "t1", folder / "stick", _words).close()
    if _contents(path) != whole:
        wrong = "what was brought back is not what was lost"
    return Attempt(place, how, next(iter(disk.failed), ""), wrong)


def _contents(path: Path) -> Contents:
    """Return what must come back: all rows, but of a visit that there was one, for who is here is not known any more."""
    found = contents(path, "terminal", "notices")
    return {**found, "visits": [row[:2] for row in found["visits"]]}


def _words(restored: Restored) -> TellStaff:
    return TellStaff(Notice.LEDGER_RESTORED_PART, detail=f"{restored.missing} missing")
