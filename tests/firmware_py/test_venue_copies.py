"""`fikatap venue backup`, `restore` and `start-empty`, and what `fikatap run` and other commands say of a lost ledger."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Self

import pytest

from firmware_py.cli import EXIT_FAILED, main
from firmware_py.keys import VenueKey, key_path
from firmware_py.ledger import Ledger
from firmware_py.office import LocalOffice
from tests.firmware_py.ledgers import check_in, person
from tests.firmware_py.terminal.harness import CAFE, Door
from tests.firmware_py.test_config import FIKATAP


class Box:
    """A configuration with a ledger of two visits."""

    def __init__(self, folder: Path, second: str = "") -> None:
        self.folder = folder
        self.config = folder / "terminal.toml"
        text = CAFE.format(folder=folder, socket=folder / "s", rules="", match_ms=800, printer="", trust="true")
        self.config.write_text(text.replace("[control]", f"{second}\n[control]"), encoding="utf-8")
        self.path = folder / "ledger.db"
        ledger = Ledger.open(self.path)
        VenueKey(key_path(self.path)).open(ledger)
        ledger.put_members([person(1), person(2)])
        check_in(ledger, 1, 1)
        check_in(ledger, 2, 2)
        ledger.close()

    def fikatap(self, *arguments: str) -> int:
        return main(["--config", str(self.config), *arguments])

    def present(self) -> int:
        ledger = Ledger.open(self.path)
        try:
            return ledger.counts()["here"]
        finally:
            ledger.close()


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_what_was_copied_by_hand_is_brought_back_by_hand(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    safe = box.folder / "safe"
    safe.mkdir()
    assert box.fikatap("venue", "backup", str(safe)) == 0
    assert "the key is not in it" in capsys.readouterr().out
    box.path.write_bytes(b"\xa5" * 5000)
    assert box.fikatap("venue", "restore", str(safe)) == 0
    assert "came back from a copy: up to 20" in capsys.readouterr().out
    assert box.present() == 2
    assert box.path.with_name("ledger.db.damaged-1").read_bytes() == b"\xa5" * 5000
    assert box.fikatap("notices", "list") == 0
    assert "Ask everybody who is here to hold their card" in capsys.readouterr().out


def test_a_copy_is_made_while_the_terminal_runs_and_none_is_brought_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Door(tmp_path) as door:
        box = Box.__new__(Box)
        box.config = tmp_path / "terminal.toml"
        text = CAFE.format(folder=tmp_path, socket=door.socket, rules="", match_ms=800, printer="", trust="true")
        box.config.write_text(text, encoding="utf-8")
        safe = tmp_path / "safe"
        safe.mkdir()
        assert box.fikatap("venue", "backup", str(safe)) == 0
        capsys.readouterr()
        assert box.fikatap("venue", "restore", str(safe)) == EXIT_FAILED
        assert "is in use by process" in capsys.readouterr().err
        door.tap(1)
        assert door.code is None


def test_while_a_command_has_the_ledger_the_terminal_is_to_be_started_again_and_no_release_is_to_blame(box: Box) -> None:
    with LocalOffice(box.path):
        command = [str(FIKATAP), "--config", str(box.config), "run"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 75  # systemd/fall-back does not count it
    (line,) = done.stderr.splitlines()
    assert "is in use by process" in line


def test_a_bad_copy_is_refused_and_nothing_is_touched(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    bad = box.folder / "copy.db"
    bad.write_bytes(b"\xa5" * 5000)
    before = box.path.read_bytes()
    assert box.fikatap("venue", "restore", str(bad)) == EXIT_FAILED
    assert "can't be read as a ledger" in capsys.readouterr().err
    assert box.path.read_bytes() == before
    (box.folder / "nothing").mkdir()
    assert box.fikatap("venue", "restore", str(box.folder / "nothing")) == EXIT_FAILED
    assert "has no copies of a ledger" in capsys.readouterr().err


class Run:
    """`fikatap run` in a process of its own, and what it says."""

    def __init__(self, box: Box) -> None:
        command = [str(FIKATAP), "--config", str(box.config), "run"]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    def until(self, words: str) -> str:
        """Wait for a line with these words, and return it."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if words in line:
                return line
        raise AssertionError(f"it ended without a word of '{words}'")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        assert self._process.stderr is not None
        self._process.stderr.read()
        self._process.stderr.close()
        assert self._process.wait(60) == 0


def test_without_a_copy_the_door_stays_shut_says_how_to_go_on_and_opens_when_that_was_done(
    box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    safe = box.folder / "safe"
    safe.mkdir()
    assert box.fikatap("venue", "backup", str(safe)) == 0
    box.path.write_bytes(b"\xa5" * 5000)
    with Run(box) as run:
        assert "'fikatap venue start-empty --yes'" in run.until("CLOSED: ")
        assert box.fikatap("members", "list") == EXIT_FAILED
        assert "it is damaged" in capsys.readouterr().err
        assert box.path.read_bytes() == b"\xa5" * 5000
        assert box.fikatap("venue", "restore", str(safe)) == 0
        run.until("The door is open; ")
        assert box.fikatap("members", "list") == 0
        assert "Person 2" in capsys.readouterr().out


def test_a_damaged_ledger_is_brought_back_from_the_second_medium_by_a_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "stick").mkdir()
    box = Box(tmp_path, f'second = "{tmp_path}/stick"')
    with Run(box) as run:
        run.until("Second copy: in use")
    box.path.write_bytes(b"\xa5" * 5000)
    with Run(box) as run:
        run.until("was fetched from")
        run.until("The door is open; ")
    assert box.fikatap("members", "list") == 0
    assert "Person 2" in capsys.readouterr().out


def test_a_new_ledger_begins_only_when_staff_means_it(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    box.path.write_bytes(b"\xa5" * 5000)
    assert box.fikatap("venue", "start-empty") == EXIT_FAILED
    assert "say --yes if you mean it" in capsys.readouterr().err
    assert box.path.read_bytes() == b"\xa5" * 5000
    assert box.fikatap("venue", "start-empty", "--yes") == 0
    assert "is kept as" in capsys.readouterr().out
    assert box.present() == 0
    assert box.fikatap("notices", "list") == 0
    assert "began with empty records" in capsys.readouterr().out
