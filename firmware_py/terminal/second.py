"""The second medium: a lane that appends each change of the ledger to a journal there, and makes copies of the ledger."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, assert_never

import apsw
from msgspec import Struct, field

from drivers.errors import DeviceLost, DeviceMissing
from drivers.ports import Device
from firmware_py.backup import (
    BackupError,
    CopyUnderWay,
    State,
    begin_journal,
    next_number,
    prune,
    reach,
    state_of,
)
from firmware_py.database import LedgerError, open_for_reading
from firmware_py.journal import Change, JournalFile
from firmware_py.settings import keep
from kiosk.events import Event

FRESH_CHANGES = 2_000
"""After so many changes a fresh copy is made."""
WAIT_S = 0.05
"""How long the door waits for the second medium before it answers without."""


class Append(Struct, frozen=True, eq=False):
    """A change to be appended; `taken` is set when it is on the medium, or when nothing comes of that."""

    change: Change
    taken: threading.Event = field(default_factory=threading.Event)


class MakeCopy(Struct, frozen=True):
    """A fresh copy is due, as at closing time."""


class SecondMedium(Device):
    """A folder on the second medium, which must be there: it is never made, for that would be on the ledger's own disk."""

    def __init__(self, folder: Path, ledger: Path, settings: Mapping[str, Path] = MappingProxyType({})) -> None:
        self._folder = folder
        self._ledger = ledger
        self._settings = settings
        self._source: apsw.Connection | None = None
        self._journal: JournalFile | None = None
        self._copy: CopyUnderWay | None = None
        self._last = State("", 0, 0, 0)
        """How far the medium is."""
        self._since_copy = 0
        self._lagging = False
        self._wanted = False

    def open(self) -> None:
        """Begin a journal file, and make a copy when what lies there does not reach up to now; raise `DeviceMissing`."""
        if not self._folder.is_dir():
            raise DeviceMissing(f"{self._folder} is not there; plug the second medium in, or make that folder on it")
        try:
            keep(self._folder, self._settings)
            self._source = open_for_reading(self._ledger)
            reached, self._since_copy = reach(self._folder) or (None, 0)
            number = next_number(self._folder)
            self._journal = begin_journal(self._folder, number)
            now = state_of(self._source)
        except OSError as error:
            raise DeviceMissing(f"{self._folder} can't be written: {error.strerror or error}") from error
        except (LedgerError, apsw.Error) as error:
            raise DeviceMissing(f"no copy of the ledger can be made: {error}") from error
        self._last = now
        # Made here, not later: where no copy can be made the medium does not do, and comes up no sooner.
        in_step = reached is not None and reached[:2] == now[:2] and reached.changes - self._since_copy >= now.erased
        if not in_step or self._since_copy >= FRESH_CHANGES:
            self._begin_copy(number)
            while self._copy is not None:
                self._step()

    def describe(self) -> str:
        """Return where it is."""
        return f"copies of the ledger in {self._folder}"

    def close(self) -> None:
        """Let go of all files; what is half copied is of no use, and is overwritten by the next one."""
        if self._copy is not None:
            self._copy.close()
        if self._journal is not None:
            self._journal.close()
        if self._source is not None:
            self._source.close(force=True)
        self._copy = self._journal = self._source = None

    @property
    def copying(self) -> bool:
        """Whether a copy is wanted or under way."""
        return self._wanted or self._copy is not None

    def append(self, change: Change) -> None:
        """Write a change down; raise `DeviceLost`."""
        assert self._journal is not None  # noqa: S101 - it is open
        try:
            self._journal.append(change)
        except OSError as error:
            raise DeviceLost(f"{self._folder} takes no more: {error.strerror or error}") from error
        before = self._last
        if change.erases or change.incarnation != before.incarnation or change.number > before.changes + 1:
            self._wanted = True
        if change.incarnation != before.incarnation or change.number > before.changes:
            self._last = before._replace(incarnation=change.incarnation, changes=change.number)
            self._since_copy += 1
        self._lagging = False
        if self._since_copy >= FRESH_CHANGES:
            self._wanted = True

    def want_copy(self) -> None:
        """Have a fresh copy made, unless nothing changed since the last one."""
        self._wanted = self._wanted or self._since_copy > 0

    def look(self) -> None:
        """Carry a copy on, or see whether the ledger is further than what was handed over; raise `DeviceLost`."""
        if self._copy is not None:
            self._step()
        elif self._wanted:
            self._rotate()
        else:
            self._compare()

    def _compare(self) -> None:
        """Want a copy when a change was not handed over, twice in a row: the first time it may be on its way."""
        assert self._source is not None  # noqa: S101 - it is open
        try:
            now = state_of(self._source)
        except apsw.Error as error:
            raise DeviceLost(f"the ledger can't be read for a copy: {error}") from error
        behind = now[:2] != self._last[:2]
        self._wanted, self._lagging = behind and self._lagging, behind

    def _rotate(self) -> None:
        """Begin the next journal file, and after it a copy."""
        number = next_number(self._folder)
        try:
            keep(self._folder, self._settings)
            following = begin_journal(self._folder, number)
        except OSError as error:
            raise DeviceLost(f"{self._folder} takes no more: {error.strerror or error}") from error
        if self._journal is not None:
            self._journal.close()
        self._journal = following
        self._begin_copy(number)

    def _begin_copy(self, number: int) -> None:
        self._wanted = False
        self._since_copy = 0
        try:
            self._copy = CopyUnderWay(self._ledger, self._folder, number)
        except (BackupError, LedgerError) as error:
            raise DeviceLost(str(error)) from error
        if self._copy.state.changes > self._last.changes or self._copy.state.incarnation != self._last.incarnation:
            self._last = self._copy.state

    def _step(self) -> None:
        assert self._copy is not None  # noqa: S101 - one is under way
        try:
            if self._copy.step():
                prune(self._folder, self._copy.state)
                self._copy = None
        except BackupError as error:
            raise DeviceLost(str(error)) from error
        except OSError as error:
            raise DeviceLost(f"{self._folder} can't be tidied: {error.strerror or error}") from error


class SecondServant:
    """Appends what it is given, at once and in order; copies between that."""

    waits = False

    def __init__(self) -> None:
        self.idle_every_s = 1.0

    def opened(self, device: SecondMedium) -> Iterator[Event]:  # noqa: ARG002 - part of the servant's interface
        """Nothing is due that opening has not done."""
        return iter(())

    def serve(self, device: SecondMedium, call: Append | MakeCopy) -> Iterator[Event]:
        """Append a change, or have a copy made."""
        match call:
            case Append():
                device.append(call.change)
                call.taken.set()
            case MakeCopy():
                device.want_copy()
            case _:
                assert_never(call)
        self._pace(device)
        return iter(())

    def idle(self, device: SecondMedium, timeout: float) -> Iterator[Event]:  # noqa: ARG002 - a step takes what it takes
        """Copy some more."""
        device.look()
        self._pace(device)
        return iter(())

    def _pace(self, device: SecondMedium) -> None:
        self.idle_every_s = 0.02 if device.copying else 1.0

    def lost(self, call: Append | MakeCopy, error: Exception | None) -> Iterator[Event]:  # noqa: ARG002 - all the same
        """Let nobody wait for it; when the medium is back, a copy is made."""
        if isinstance(call, Append):
            call.taken.set()
        return iter(())

    def deadline_s(self, call: Any | None) -> float:
        """Leave a copy its time: 50 MB take a slow stick half a minute, and then it is read once more."""
        return 300.0 if call is None else 10.0
