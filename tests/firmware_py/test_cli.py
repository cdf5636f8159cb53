from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_py.ledger import Ledger, LedgerError

FIKATAP = Path(sys.executable).with_name("fikatap")


def test_a_terminal_that_shows_no_such_letters_gets_them_spelt_out(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [FIKATAP, "demo", "--taps", "3", "--out", str(tmp_path)], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "\\xc6gir" in done.stdout  # Ægir


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can do what is refused here")
def test_root_does_not_lock_the_terminal_out_of_its_own_ledger(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    os.chown(folder, 1, 1)
    with pytest.raises(LedgerError, match=r"belongs to daemon; run this as that user: sudo -u 'daemon' fikatap"):
        Ledger.open(folder / "ledger.db")
    assert list(folder.iterdir()) == []
