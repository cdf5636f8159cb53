"""What comes out on paper: every sample badge, on every shipped profile, read back by others than us."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from drivers.printers.page import print_bytes
from drivers.printers.profiles import SHIPPED, profile
from drivers.virtual.printer import Slip, VirtualPrinter
from firmware_py.samples import samples
from firmware_py.texts import load_texts
from kiosk.badge import blocks


def paper(sample: str, printer: str) -> Slip:
    chosen = profile(printer)
    virtual = VirtualPrinter(dots=chosen.dots, cutter=chosen.cut)
    virtual.feed(print_bytes(blocks(samples()[sample], load_texts()), chosen))
    if not chosen.cut:
        virtual.tear()
    (slip,) = virtual.papers
    return slip


@pytest.mark.parametrize("printer", sorted(SHIPPED))
@pytest.mark.parametrize("sample", sorted(samples()))
def test_an_independent_reader_reads_the_qr_code_off_the_paper(sample: str, printer: str, tmp_path: Path) -> None:
    slip = paper(sample, printer)
    (tmp_path / "paper.png").write_bytes(slip.png())
    read = subprocess.run(
        ["zbarimg", "--quiet", "--raw", str(tmp_path / "paper.png")], capture_output=True, text=True, timeout=60
    )
    assert read.stdout.split() == [samples()[sample].qr]


@pytest.mark.parametrize("printer", sorted(SHIPPED))
@pytest.mark.parametrize("sample", sorted(samples()))
def test_the_paper_is_printed_from_its_top_to_well_below_its_middle(sample: str, printer: str) -> None:
    image = paper(sample, printer).image
    box = image.convert("L").point(lambda value: 255 - value).getbbox()
    assert box is not None
    _, top, _, bottom = box
    assert top <= image.height // 20
    assert bottom > image.height // 2
