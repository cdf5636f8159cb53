from __future__ import annotations

import json
from pathlib import Path

import pytest

from firmware_py.cli import EXIT_FAILED, main

SMALL = ["matching", "evaluate", "--visits", "20", "--evenings", "2"]


def test_the_figures_come_as_json_for_each_policy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, "--members", "100", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told["policies"]) == {"random", "one-sided", "overlap", "ours", "maximum"}
    assert told["plan"] == {"visits": 20, "evenings": 2, "seed": 1, "peer": 0.25, "threshold": 0.3}
    assert 0 < told["policies"]["ours"]["introduced"] <= 1


def test_a_roster_and_a_truth_from_files_are_played(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matching", "evaluate", "--write", str(tmp_path), "--members", "60"]) == 0
    files = ["--roster", str(tmp_path / "roster.csv"), "--truth", str(tmp_path / "truth.json")]
    assert main([*SMALL, *files, "--policy", "ours", "--policy", "random"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith(("ours ", "random "))][:2] == ["ours", "random"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--policy", "best"], "'best' is not one of random, one-sided, overlap, ours, maximum"),
        (["--people", "odd"], "'odd' is not one of standard, other"),
        (["--roster", "r.csv"], "--roster and --truth belong together"),
        (["--members", "10"], "the roster has 10 members; 20 visits an evening need as many"),
        (["--roster", "none.csv", "--truth", "t.csv"], "none.csv can't be read"),
    ],
)
def test_what_can_not_be_played_is_told_in_one_line(options: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, *options]) == EXIT_FAILED
    errors = capsys.readouterr().err.splitlines()
    assert told in errors[-1]
