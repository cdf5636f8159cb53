"""Power cuts below SQLite: a VFS writes down what the ledger asks of its disk, and each cut leaves a random part of it.

It does not see what a file system does, such as losing a name that was not synced: `ext4` does.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import apsw

from firmware_py.keys import key_path
from tests.faults.cafe import RecordedLedger, judge, tally, two_mornings
from tests.faults.medium import Acknowledge, Delete, Entry, Flush, Truncate, Write, cuts
from tests.simulation.disk import in_memory

NAME, REAL = "recorder", "unix"


class _Recorder(apsw.VFS):
    """Goes on to the real file system, and writes down what it is asked for."""

    def __init__(self) -> None:
        super().__init__(NAME, REAL)
        self.log: list[Entry] = []

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> _File:  # noqa: N802 - apsw's name
        return _File(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 - ditto
        super().xDelete(filename, syncdir)
        self.log.append(Delete(Path(filename).name))


class _File(apsw.VFSFile):
    def __init__(self, recorder: _Recorder, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__(REAL, name, flags)
        self._log = recorder.log
        self._name = Path(name.filename() if isinstance(name, apsw.URIFilename) else str(name)).name

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 - ditto
        super().xWrite(data, offset)
        self._log.append(Write(self._name, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - ditto
        super().xTruncate(newsize)
        self._log.append(Truncate(self._name, newsize))

    def xSync(self, flags: int) -> None:  # noqa: N802, ARG002 - ditto; here no power is lost
        self._log.append(Flush(self._name))


def power_cuts(count: int, seed: int, synchronous: str | None = None) -> dict[str, int]:
    """Record two mornings and cut the power so often; return how many ledgers were kept, lost something or were corrupt."""
    recorder = _Recorder()
    apsw.set_default_vfs(NAME)
    with TemporaryDirectory(dir=in_memory(), prefix="fikatap-") as folder:
        try:
            kind = type("Recorded", (RecordedLedger,), {"told": recorder.log.append, "synchronous": synchronous})
            two_mornings(Path(folder) / "ledger.db", kind, seed)
        finally:
            apsw.set_default_vfs(REAL)
            recorder.unregister()
        digests = [entry.digest for entry in recorder.log if isinstance(entry, Acknowledge)]
        verdicts = []
        for number, cut in enumerate(cuts({}, recorder.log, count, Random(seed))):
            after = Path(folder) / str(number)
            after.mkdir()
            shutil.copyfile(key_path(Path(folder) / "ledger.db"), key_path(after / "ledger.db"))
            for name, data in cut.files.items():
                (after / name).write_bytes(data)
            verdicts.append(judge(after / "ledger.db", digests, cut.acknowledged))
            shutil.rmtree(after)
    return tally(verdicts)


if __name__ == "__main__":
    print(power_cuts(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
