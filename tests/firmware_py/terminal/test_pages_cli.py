"""All that the pages ask for can be had on the command line too."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest

from firmware_py.cli import main
from kiosk.jobs import JobState
from kiosk.signals import Signal
from tests.firmware_py.terminal.harness import CAFE, Door


def run(folder: Path, door: Door, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Carry out a command against the running terminal; return its exit code and what it printed."""
    config = folder / "terminal.toml"
    text = CAFE.format(folder=folder, socket=door.socket, printer="", match_ms=800, trust="true", rules="")
    config.write_text(text, "utf-8")
    code = main(["--config", str(config), *words])
    said = capsys.readouterr()
    return code, said.out + said.err


def test_who_is_here_and_whom_they_met_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Door(tmp_path) as door:
        door.tap(1)
        door.until_answered(Signal.NOT_YET)
        assert "first in line" in run(tmp_path, door, capsys, "visits", "list")[1]
        door.tap(2)
        door.until_jobs(JobState.CONFIRMED, 2)
        code, said = run(tmp_path, door, capsys, "visits", "list")
        assert code == 0
        assert "introduced to Person 1" in said.splitlines()[1]
        badge = door.queued()[-1].badge
        assert badge is not None
        assert badge.introduction is not None
        assert run(tmp_path, door, capsys, "match", "veto", "p1", "p3")[0] == 0
        said = run(tmp_path, door, capsys, "match", "list")[1]
        assert "p1 and p3 are kept apart: the host says so" in said
        assert "Person 2 (p2) to Person 1 (p1), library" in said
        assert badge.introduction.reason in said
        said = run(tmp_path, door, capsys, "figures")[1]
        assert "checkins       2" in said
        assert "2 here, " in said.splitlines()[-1]
        assert sum(int(came) for came in re.findall(r"(\d+) came", said)) == 2  # a quarter of an hour may have ended between


def test_moods_are_chosen_and_taken_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Door(tmp_path) as door:
        assert run(tmp_path, door, capsys, "moods", "choose", "group") == (0, "waits for the next tap, 20 seconds\n")
        assert json.loads(run(tmp_path, door, capsys, "scene")[1])["choices"] == {"door": "group"}
        assert run(tmp_path, door, capsys, "moods", "forget", "--reader", "door") == (0, "taken back\n")
        assert json.loads(run(tmp_path, door, capsys, "scene")[1])["choices"] == {}
        door.tap(1)
        door.until_answered(Signal.NOT_YET)
        assert run(tmp_path, door, capsys, "moods", "choose", "coffee") == (0, "noted for who tapped last\n")


def test_a_badge_is_reprinted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Door(tmp_path) as door:
        door.tap(1)
        door.until_jobs(JobState.CONFIRMED)
        (job,) = door.call("jobs.list")
        assert "Person 1             can reprint" in run(tmp_path, door, capsys, "jobs", "list")[1]
        assert "a copy is on its way" in run(tmp_path, door, capsys, "jobs", "reprint", job["job"])[1]
        door.until_jobs(JobState.CONFIRMED, 2)
        code, said = run(tmp_path, door, capsys, "jobs", "reprint", job["job"])
        assert (code, "its visitor got another one" in said) == (1, True)


def test_a_member_is_found_and_gets_their_data_with_and_without_a_running_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "p1.json"
    with Door(tmp_path) as door:
        assert "Person 12" in run(tmp_path, door, capsys, "members", "search", "N 12")[1]
        assert run(tmp_path, door, capsys, "members", "search", "nobody") == (1, "")
        assert run(tmp_path, door, capsys, "members", "export", "p1", str(file))[0] == 0
        assert json.loads(file.read_text("utf-8"))["profile"]["first_name"] == "Person 1"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        code, said = run(tmp_path, door, capsys, "members", "export", "p1", str(file))
        assert (code, "can't be written" in said) == (1, True)
    assert "Person 12" in run(tmp_path, door, capsys, "members", "search", "N 12")[1]
    assert json.loads(run(tmp_path, door, capsys, "members", "export", "p1")[1])["profile"]["id"] == "p1"
    code, said = run(tmp_path, door, capsys, "figures")
    assert (code, "no terminal is running" in said) == (1, True)


def test_faults_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Door(tmp_path) as door:
        assert run(tmp_path, door, capsys, "faults") == (0, "")
        door.lights.unplug()
        door.tap(1)
        door.until_answered(Signal.WELCOME)
        while not (said := run(tmp_path, door, capsys, "faults")[1]):
            pass
        assert re.match(r"The lights: gone now · .*\. Not found\. Is its cable in\?\n  lights: the lights are unplugged", said)
        door.lights.plug()
