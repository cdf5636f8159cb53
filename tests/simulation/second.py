"""The second medium of a simulated box: the real lane's files on a stick that goes, is full, hangs, and outlives the ledger."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import apsw

from drivers.errors import DeviceLost, DeviceMissing
from firmware_py.journal import Change, record
from firmware_py.terminal.second import SecondMedium
from tests.simulation.disk import PowerCut
from tests.simulation.world import World


class SecondWorld:
    """A stick in the box, and what is on it for good."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world, self.folder = world, folder
        self.plugged = True
        self.full = False
        self.hangs_until = 0
        self._copied = 0
        """How far a whole copy goes; changes are counted from one."""
        self._appended: set[int] = set()
        self._device: SimSecond | None = None

    @property
    def reached(self) -> int:
        """Up to which change nothing is missing on it."""
        reached = self._copied
        while reached + 1 in self._appended:
            reached += 1
        return reached

    def copied(self, changes: int) -> None:
        """Note that a copy is whole."""
        self._copied = max(self._copied, changes)

    def appended(self, change: int) -> None:
        """Note that a change is in the journal."""
        self._appended.add(change)

    def opened(self, device: SimSecond) -> None:
        """Note who writes to it."""
        self._device = device

    def begin_anew(self) -> None:
        """Forget what was taken: after a restore changes are counted on from what was brought back."""
        self._copied = self.reached
        self._appended.clear()

    def died(self) -> None:
        """Close the process's files, as its end does."""
        if self._device is not None:
            with suppress(apsw.Error, OSError):
                self._device.close()
            self._device = None

    def unplug(self, ms: int) -> None:
        """Pull it out for so long."""
        self.world.note("the second medium is unplugged")
        self.plugged = False
        self.world.lasting(ms, self._plug)

    def _plug(self) -> None:
        self.plugged = True

    def fill(self, ms: int) -> None:
        """Let it be full for so long."""
        self.world.note("the second medium is full")
        self.full = True
        self.world.lasting(ms, self._make_room)

    def _make_room(self) -> None:
        self.full = False

    def hang(self, ms: int) -> None:
        """Let every call to it hang for so long."""
        self.world.note("the second medium hangs")
        self.hangs_until = max(self.hangs_until, self.world.now + ms)
        self.world.trouble_for(ms)


class SimSecond(SecondMedium):
    """The real device, on a stick that may fail."""

    def __init__(self, outside: SecondWorld, ledger: Path) -> None:
        super().__init__(outside.folder, ledger)
        self._outside = outside

    @property
    def now(self) -> int:
        return self._outside.world.now

    @property
    def hangs_until(self) -> int:
        return self._outside.hangs_until

    def lasts(self, _: object) -> float:
        return self._outside.world.rng.choice((1, 5, 20, 20, 120))

    def open(self) -> None:
        if not self._outside.plugged or self._outside.full:
            raise DeviceMissing("there is no second medium")
        self._outside.opened(self)
        super().open()
        self._outside.copied(self._last.changes)

    def append(self, change: Change) -> None:
        try:
            self._outside.world.point("append")
        except PowerCut:
            self._tear(record(change))
            raise
        if not self._outside.plugged or self._outside.full:
            raise DeviceLost("the second medium takes no more")
        super().append(change)
        self._outside.appended(change.number)

    def _tear(self, data: bytes) -> None:
        """Leave the beginning of a record behind."""
        assert self._journal is not None
        os.write(self._journal._descriptor, data[: self._outside.world.rng.randrange(len(data))])

    def look(self) -> None:
        if not self._outside.plugged or (self._outside.full and self.copying):
            raise DeviceLost("the second medium is gone")
        under_way = self._copy
        super().look()
        if under_way is not None and self._copy is None:
            self._outside.copied(under_way.state.changes)
