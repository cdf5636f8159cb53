from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from drivers.virtual.printer import VirtualPrinter
from firmware_py.cli import main
from firmware_py.ledger import Ledger
from firmware_py.samples import samples
from tests.firmware_py.terminal.harness import CAFE, Door, person


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "terminal.toml"
    text = CAFE.format(folder=tmp_path, socket=tmp_path / "s", rules="", match_ms=800, printer="", trust="true")
    path.write_text(text, encoding="utf-8")
    return path


def black(path: Path) -> tuple[tuple[int, int], float]:
    """Return a picture's size and the part of it that is black."""
    with Image.open(path) as picture:
        grey = picture.convert("L")
        return grey.size, sum(grey.histogram()[:128]) / (grey.width * grey.height)


@pytest.mark.parametrize("name", samples())
@pytest.mark.parametrize(("profile", "dots"), [("generic-58", 384), ("generic-80", 576)])
def test_every_sample_is_drawn_as_wide_as_the_printer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, profile: str, dots: int
) -> None:
    out, page = tmp_path / "badge.png", tmp_path / "badge.bin"
    code = main(["badge", "preview", "--sample", name, "--printer", profile, "--out", str(out), "--escpos", str(page)])
    assert code == 0
    (width, height), share = black(out)
    assert width == dots
    assert 0.01 < share < 0.5
    size = page.stat().st_size
    assert capsys.readouterr().out == f"{out}: {dots / 8:.0f} x {height / 8:.0f} mm, {size} bytes for {profile}\n"


def test_the_bytes_make_the_picture(tmp_path: Path) -> None:
    out, page = tmp_path / "badge.png", tmp_path / "badge.bin"
    assert main(["badge", "preview", "--sample", "mixed", "--out", str(out), "--escpos", str(page)]) == 0
    printer = VirtualPrinter(dots=576, cutter=True)
    printer.feed(page.read_bytes())
    (paper,) = printer.papers
    assert paper.png() == out.read_bytes()


def test_a_member_is_drawn_whether_the_terminal_runs_or_not(tmp_path: Path, config: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    ledger.put_members([person(1)])
    ledger.close()
    out = tmp_path / "badge.png"
    command = ["--config", str(config), "badge", "preview", "--member", "p1", "--out", str(out)]
    assert main(command) == 0
    alone = out.read_bytes()
    with Door(tmp_path) as door:
        running = config.with_name("running.toml")
        text = config.read_text(encoding="utf-8").replace(str(tmp_path / "s"), str(door.socket))
        running.write_text(text, encoding="utf-8")
        assert main(["--config", str(running), *command[2:]]) == 0
    assert out.read_bytes() == alone


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--sample", "klingon"], 78, "there is no sample badge 'klingon'; there are "),
        (["--sample", "nordic", "--printer", "none"], 78, "'none' is not a printer profile; the closest is "),
        (["--member", "p99"], 1, "there is no member 'p99'; 'fikatap members list' shows them"),
    ],
)
def test_what_is_not_there_is_told(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, sentence: str
) -> None:
    out = tmp_path / "badge.png"
    assert main(["--config", str(config), "badge", "preview", *arguments, "--out", str(out)]) == code
    assert capsys.readouterr().err.startswith(f"fikatap: {sentence}")
    assert not out.exists()


def test_a_picture_that_cannot_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "nowhere" / "badge.png"
    assert main(["badge", "preview", "--sample", "nordic", "--out", str(out)]) == 78
    assert capsys.readouterr().err == f"fikatap: {out}: No such file or directory\n"
