"""A patch that plants a bug: what is said where it does not fit any more, and how it is made anew."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.simulation import plant
from tests.simulation.plant import DoesNotFit

BUG, FILE = "unknown-job-tried-again", "kiosk/spool.py"


@pytest.fixture
def bugs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of bugs to try out things with."""
    bugs = tmp_path / "bugs"
    shutil.copytree(plant.BUGS, bugs)
    monkeypatch.setattr(plant, "BUGS", bugs)
    return bugs


def test_a_patch_is_written_from_the_copy_in_which_the_bug_is(bugs: Path, tmp_path: Path) -> None:
    before = _changes(bugs / f"{BUG}.patch")
    planted = plant.plant(BUG, tmp_path / "program")
    assert plant.main(["--write", BUG, str(planted)]) == 0
    assert before == _changes(bugs / f"{BUG}.patch")


def test_one_that_does_not_fit_any_more_says_which_and_how_it_is_made_anew(
    bugs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    patch = bugs / f"{BUG}.patch"
    patch.write_text(
        "".join(f"-    gone = {line}" if line[:1] == "-" and line[:3] != "---" else line for line in _lines(patch))
    )
    with pytest.raises(
        DoesNotFit, match=rf"{BUG}\.patch does not fit (?s:.*) python -m tests\.simulation\.plant {BUG} /tmp/{BUG}"
    ):
        plant.plant(BUG, tmp_path / "program")
    assert plant.main([BUG, str(tmp_path / "merged")]) == 0
    assert f"plant --write {BUG} {tmp_path / 'merged'}" in capsys.readouterr().out
    assert "<<<<<<<" in (tmp_path / "merged" / FILE).read_text()
    with pytest.raises(DoesNotFit, match=rf"{FILE} is not mended yet"):
        plant.main(["--write", BUG, str(tmp_path / "merged")])


def _lines(patch: Path) -> list[str]:
    return patch.read_text().splitlines(keepends=True)


def _changes(patch: Path) -> list[str]:
    return [line for line in _lines(patch) if line[0] in "+-"]
