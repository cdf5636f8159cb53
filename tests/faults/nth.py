"""A disk that fails at the n-th call, once or from then on, under a whole morning of the real terminal."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from functools import cache
from itertools import count, takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import apsw

from firmware_py import ledger as ledger_module
from firmware_py.keys import VenueKey, key_path
from firmware_py.ledger import Ledger, LedgerError
from kiosk.effects import Answer, Effect
from kiosk.events import Event
from kiosk.signals import Signal
from tests.faults.cafe import CHECKOUT_MS, Morning, close_all, enrol
from tests.simulation.campaign import silence
from tests.simulation.disk import in_memory

NAME, REAL = "nth", "unix"
PEOPLE = 4
MENDED_MS = 20_000
"""When a fault that lasts ends, by the morning's clock."""
RESTART_MS = 250
TIDY_PAGES = 20
"""Of the journal: so that a short morning tidies up, too."""

FAULTS: dict[str, tuple[int, ...]] = {
    "open": (apsw.SQLITE_CANTOPEN, apsw.SQLITE_IOERR),
    "access": (apsw.SQLITE_IOERR_ACCESS,),
    "delete": (apsw.SQLITE_IOERR_DELETE,),
    "read": (apsw.SQLITE_IOERR_READ,),
    "write": (apsw.SQLITE_FULL, apsw.SQLITE_IOERR_WRITE, apsw.SQLITE_READONLY),
    "sync": (apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_FULL),
    "truncate": (apsw.SQLITE_IOERR_TRUNCATE, apsw.SQLITE_READONLY),
    "size": (apsw.SQLITE_IOERR_FSTAT,),
    "lock": (apsw.SQLITE_IOERR_LOCK,),
}
"""How a call may fail: disk full (ENOSPC), broken (EIO), read-only (EROFS)."""


class FailingDisk(apsw.VFS):
    """Counts calls; the `fails_at`-th fails, and all after it when the fault `lasts`."""

    def __init__(self) -> None:
        super().__init__(NAME, REAL)
        self.calls = 0
        self.fails_at = 0
        self.how = 0
        """Which of the ways in which a call may fail."""
        self.lasts = False
        self.mended = False
        self.elsewhere = "/dev/null/"
        """What lies in this folder is on another disk, which is well."""
        self.failed: Counter[str] = Counter()
        self.retried = 0
        """Writes to a journal whose sync had failed, without opening it anew: its pages may count as written and not be."""

    def call(self, what: str) -> None:
        """Count a call, or fail it."""
        self.calls += 1
        if self.mended or not self.fails_at:
            return
        if self.calls == self.fails_at or (self.lasts and self.calls > self.fails_at):
            faults = FAULTS[what]
            self.failed[what] += 1
            raise apsw.exception_for(faults[self.how % len(faults)])

    def call_on(self, file: str, what: str) -> None:
        """Count a call about a file by its name, or fail it."""
        if not file.startswith(self.elsewhere):
            self.call(what)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> _File:  # noqa: N802 - apsw's name
        return _File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 - ditto
        self.call_on(filename, "delete")
        super().xDelete(filename, syncdir)

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: N802 - ditto
        self.call_on(pathname, "access")
        return super().xAccess(pathname, flags)

    def excepthook(self, *_: object) -> bool:  # the exception itself is what is looked at
        return True


class _File(apsw.VFSFile):
    def __init__(self, disk: FailingDisk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._disk = disk
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        self._call("open")
        super().__init__(REAL, name, flags)
        self._is_journal = self._name.endswith("-wal")
        self._sync_failed = False

    def _call(self, what: str) -> None:
        self._disk.call_on(self._name, what)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802 - ditto
        self._call("read")
        return super().xRead(amount, offset)

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 - ditto
        self._call("write")
        self._disk.retried += self._is_journal and self._sync_failed
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - ditto
        self._call("truncate")
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802, ARG002 - ditto; nothing here loses power
        self._sync_failed = True
        self._call("sync")
        self._sync_failed = False

    def xFileSize(self) -> int:  # noqa: N802 - ditto
        self._call("size")
        return super().xFileSize()

    def xLock(self, level: int) -> None:  # noqa: N802 - ditto
        self._call("lock")
        super().xLock(level)

    def excepthook(self, *_: object) -> bool:  # ditto
        return True


@cache
def _enrolled() -> tuple[TemporaryDirectory[str], Path]:
    """Return a ledger with its members, made once a process."""
    folder = TemporaryDirectory(dir=in_memory(), prefix="fikatap-")
    path = Path(folder.name) / "ledger.db"
    ledger = Ledger.open(path)
    enrol(ledger, path, PEOPLE + 1)
    ledger.close()
    return folder, path


class _Life:
    """A morning on a disk that fails, and what must hold of it."""

    def __init__(self, disk: FailingDisk, path: Path) -> None:
        self._disk, self._path = disk, path
        self._morning = Morning(path, 1, self._hear)
        self._morning.world.stores = False  # by a failing disk a match may come late, without light and sound
        self.answers: Counter[Signal] = Counter()
        self.starts = 0

    def _hear(self, what: Event | Effect) -> None:
        if isinstance(what, Answer):
            self.answers[what.signal] += 1

    def run(self) -> list[str]:
        """Let people come and go, the last one when the fault is over; return which promises were broken."""
        morning, world = self._morning, self._morning.world
        morning.plan(PEOPLE, stop=False)
        end = CHECKOUT_MS + 35_000
        world.after(MENDED_MS, self._mend)
        for before_ms in (15_000, 10_000):  # who was sent to staff tries again
            world.after(end - before_ms, lambda: world.readers["door"].hold(PEOPLE + 1))
        world.after(end, morning.stop)
        wrong = []
        while world.now < end:
            world.alive = True
            self.starts += 1
            try:
                ledger = Ledger.open(self._path)
            except LedgerError:
                pass  # the door is shut; see `no_room`
            else:
                try:
                    morning.run(ledger, VenueKey(key_path(self._path)).open(ledger))
                except LedgerError as error:
                    wrong.append(f"the terminal ended: {error}")
            world.died()
            close_all(self._path)
            morning.terminal = None
            world.advance(world.now + RESTART_MS, lambda: False)
            if not self._disk.lasts and self.starts > 2:
                wrong.append(f"one failed call made {self.starts} starts")
                break
        self._disk.mended = True
        if self._disk.retried:
            wrong.append("written on after a failed sync without opening the file anew")
        return [*wrong, *world.violations, *self._judge()]

    def _mend(self) -> None:
        self._disk.mended = self._disk.lasts

    def _judge(self) -> list[str]:
        world = self._morning.world
        ledger = Ledger.open(self._path)
        ask: Any = ledger._connection.execute
        try:
            sound = ask("PRAGMA integrity_check").fetchall() == [("ok",)]
            rows = ask("SELECT member, boot_ms FROM visits").fetchall()
            closed = ask("SELECT count(*) FROM visits WHERE closed_seq IS NOT NULL").fetchone()[0]
            owed = ask("SELECT count(*) FROM visits WHERE owed").fetchone()[0]
            waiting = [job.id for job in ledger.jobs() if not job.state.ended]
        finally:
            ledger.close()
        opened = [(int(member[1:]), boot_ms - 5_000) for member, boot_ms in rows]
        lost = [
            each for each in world.acknowledged if not any(each.member == who and abs(each.at - at) <= 2 for who, at in opened)
        ]
        wrong = [] if sound else ["the ledger is damaged"]
        wrong += [f"the check-in of {each.member} at {each.at} is lost" for each in lost]
        if self.answers[Signal.GOODBYE] > closed:
            wrong.append("somebody who was seen off is still here")
        if owed or waiting:
            wrong.append(f"{owed} matches and the jobs {waiting} are owed still")
        if (PEOPLE + 1) not in [each.member for each in world.acknowledged]:
            wrong.append("the door did not open again")
        return wrong


class Outcome(NamedTuple):
    """What came of one morning: where the disk failed, which promises were broken, which calls failed, and how many people
    were sent to staff."""

    place: int
    broken: list[str]
    failed: dict[str, int]
    sent_to_staff: int


def fail_at(place: int, *, lasts: bool, how: int = 0) -> Outcome:
    """Fail the call at `place` (0: none), and all that follow when the fault lasts; `how` picks among the ways to fail."""
    disk = FailingDisk()
    _, enrolled = _enrolled()
    ledger_module.TIDY_PAGES = TIDY_PAGES
    with TemporaryDirectory(dir=in_memory(), prefix="fikatap-") as folder:
        path = Path(folder) / "ledger.db"
        for each in (path, key_path(path)):
            shutil.copyfile(enrolled.with_name(each.name), each)
        apsw.set_default_vfs(NAME)
        try:
            disk.fails_at, disk.lasts, disk.how = place, lasts, how
            life = _Life(disk, path)
            broken = life.run()
        finally:
            apsw.set_default_vfs(REAL)
            disk.unregister()
    return Outcome(place, broken, dict(disk.failed), life.answers[Signal.TELL_STAFF])


def until_broken() -> int:
    """Fail one call after the other, until a promise is broken; return 1 then, and 0 when a morning has no such call."""
    with silence():
        for outcome in (fail_at(place, lasts=False, how=place) for place in count(1)):
            if outcome.broken:
                print(outcome)
                return 1
            if not outcome.failed:
                break
    return 0


def each_call(first: int, step: int, lasts: bool, how: int | None = None) -> list[Outcome]:
    """Fail each `step`-th call from `first` on, one in each morning, until a morning has no such call.

    Calls that may fail in several ways do so in turns, or as `how` picks.
    """
    outcomes = (fail_at(place, lasts=lasts, how=place if how is None else how) for place in count(first, step))
    return list(takewhile(lambda outcome: outcome.failed, outcomes))


if __name__ == "__main__":
    if sys.argv[1] == "--until-broken":
        sys.exit(until_broken())
    print(fail_at(int(sys.argv[1]), lasts="lasts" in sys.argv[2:], how=int(sys.argv[1])))
