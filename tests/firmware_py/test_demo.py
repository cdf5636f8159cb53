from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path

import pytest
from PIL import Image

from drivers.errors import ConfigError
from firmware_py.cli import main
from firmware_py.demo import Cafe, card_of
from tests.firmware_py.test_config import FIKATAP


def demo(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([FIKATAP, "demo", *arguments], capture_output=True, text=True, timeout=90, check=False)


@pytest.fixture(scope="module")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    out = tmp_path_factory.mktemp("demo") / "new" / "out"
    done = demo("--taps", "12", "--out", out)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), out


def test_each_of_twelve_taps_is_a_line(twelve: tuple[list[str], Path]) -> None:
    *lines, last = twelve[0]
    assert len(lines) == 12
    assert last.startswith("12 slips and summary.json are in ")
    for line in lines:
        assert " ms  " in line
        assert " bytes  confirmed  " in line
        assert "meets " in line or line.endswith("not yet")


def test_each_of_twelve_slips_is_a_picture_with_something_on_it(twelve: tuple[list[str], Path]) -> None:
    slips = sorted(twelve[1].glob("*.png"))
    assert [slip.name[:2] for slip in slips] == [f"{number:02}" for number in range(1, 13)]
    for slip in slips:
        with Image.open(slip) as picture:
            grey = picture.convert("L")
            assert grey.width == 576
            assert grey.height > 200
            black = sum(grey.histogram()[:128]) / (grey.width * grey.height)
            assert 0.01 < black < 0.5


def test_the_summary_tells_what_the_lines_tell(twelve: tuple[list[str], Path]) -> None:
    summary = json.loads((twelve[1] / "summary.json").read_bytes())
    each = summary.pop("each")
    assert summary["taps"] == len(each) == len({tap["member"] for tap in each}) == len({tap["job"] for tap in each}) == 12
    assert summary["introduced"] + summary["not_yet"] == 12
    assert summary["introduced"] > 0
    assert summary["confirmed"] == 12
    for line, tap in zip(twelve[0], each, strict=False):
        assert line.startswith(tap["name"])
        assert f"{tap['bytes']} bytes" in line
        assert tap["verdict_ms"] > 0
        assert (tap["match"] is None) == (not tap["reason"])


@pytest.mark.parametrize("taps", ["0", "41", "-1"])
def test_a_number_of_taps_that_the_cafe_does_not_have_is_refused(taps: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", f"--taps={taps}"]) == 78
    assert capsys.readouterr().err == f"fikatap: --taps {taps}: the café has members 1 to 40\n"


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["demo", "--taps=1", "--out", str(tmp_path / "file")]) == 78
    assert capsys.readouterr().err == f"fikatap: --out {tmp_path / 'file'}: File exists\n"


def test_a_profile_that_does_not_exist_is_refused_before_the_cafe_opens() -> None:
    before = threading.active_count()
    with pytest.raises(ConfigError, match=r"^\[printer\] profile: 'paper' is not a printer profile"):
        Cafe(profile="paper")
    assert threading.active_count() == before


def test_people_tap_from_the_keyboard() -> None:
    with subprocess.Popen(
        [FIKATAP, "demo", "--language", "en"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as cafe:
        assert cafe.stdin is not None
        assert cafe.stdout is not None
        for key, words in (
            ("1", "  welcome          Hej Sixten! Välkommen!"),
            ("", "bytes, confirmed"),
            ("p", "  use_card         Hold the card, not the phone."),
            ("n", "  unknown_card     We do not know this card."),
            ("t", "  once_more        Once more, please."),
            ("x", "  'x' is no number from 1 to 40"),
            ("99", "  '99' is no number from 1 to 40"),
            ("l", "   1  Sixten"),
            ("s", "  open; 1 visitor here"),
        ):
            cafe.stdin.write(f"{key}\n")
            cafe.stdin.flush()
            while words not in (line := cafe.stdout.readline()):
                assert line, f"the café closed before it said {words!r}"
        rest, _ = cafe.communicate("q\n", timeout=60)
        assert cafe.returncode == 0, rest


def test_the_cards_of_the_cafe_are_all_different() -> None:
    assert len({card_of(number).uid for number in range(1, 41)}) == 40
