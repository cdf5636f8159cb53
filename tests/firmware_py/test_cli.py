from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_py.database import LedgerError, check_user

FIKATAP = Path(sys.executable).with_name("fikatap")


def test_a_terminal_that_shows_no_such_letters_gets_them_spelt_out(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run(
        [FIKATAP, "demo", "--taps", "3", "--out", str(tmp_path)], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "\\xc6gir" in done.stdout  # Ægir


def test_root_does_not_lock_the_terminal_out_of_its_own_ledger() -> None:
    folder = Path("/var/lib/fikatap")
    with pytest.raises(LedgerError, match=r"belongs to daemon; run this as that user: sudo -u 'daemon' fikatap"):
        check_user(folder, owner=1, me=0)
    with pytest.raises(LedgerError, match=r"sudo -u '#987654321'"):
        check_user(folder, owner=987654321, me=0)
    for owner, me in ((0, 0), (1, 1), (1, 2)):
        check_user(folder, owner, me)
