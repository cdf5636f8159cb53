"""Brings a ledger back, and dies in the middle of it at each place where it can; started by its test, with a folder."""

from __future__ import annotations

import shutil
import sys
from functools import partial
from pathlib import Path

from firmware_py.ledger import Ledger
from firmware_py.recovery import Restored, open_ledger
from kiosk.effects import Notice, TellStaff
from tests.firmware_py.ledgers import contents
from tests.rigs.killing import die_before


def main(folder: Path) -> None:
    """Try every place; print how many there were."""
    before, second = folder / "before", folder / "stick"
    expected = contents(folder / "sound.db", "terminal", "notices", "visits")
    number = 0
    while True:
        state = folder / "state"
        shutil.rmtree(state, ignore_errors=True)
        shutil.copytree(before, state)
        path = state / "ledger.db"
        died = die_before(number, partial(bring_back, path, second))
        bring_back(path, second).close()
        assert contents(path, "terminal", "notices", "visits") == expected, f"died before {number}"
        assert list(state.glob("ledger.db.damaged-*")), f"died before {number}: what was found is gone"
        if not died:
            break
        number += 1
    print(number)


def bring_back(path: Path, second: Path) -> Ledger:
    """Open the ledger as the terminal does."""
    return open_ledger(path, "t1", second, words)


def words(restored: Restored) -> TellStaff:
    """Return a notice."""
    return TellStaff(Notice.LEDGER_RESTORED_PART, detail=f"{restored.missing} missing")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
