"""What comes out on paper: every sample, on every printer and paper, equals the laid-out page and is read by others than us."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from drivers.printers.encode import encode
from drivers.printers.layout import lay_out
from firmware_py.samples import sample_slips
from firmware_py.texts import load_texts
from kiosk.badge import Block, Role, SlipKind, blocks
from tests.badges.cases import LAYOUTS, PAGES, PRINTERS, SAMPLES, loaded, page_bytes, printed
from tests.badges.composed import composed

REAL_TIME_DOTS = 40
"""How many dots of a page may be added at most so that it holds no real-time command: ten places, doubled both ways."""


def inked(image: Image.Image) -> Image.Image:
    """Return a paper without what is blank above and below."""
    box = ImageChops.invert(image.convert("L")).getbbox()
    assert box is not None
    return image.crop((0, box[1], image.width, box[3]))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("printer", PRINTERS)
@pytest.mark.parametrize("page", PAGES)
def test_the_paper_equals_the_laid_out_page_dot_by_dot(page: str, printer: str, layout: str) -> None:
    profile = loaded(printer, layout)
    slip = printed(page_bytes(page, printer, layout), profile)
    expected, texts = composed(lay_out(PAGES[page], profile), profile)
    assert list(slip.texts) == texts
    paper, expected = inked(slip.image), inked(expected)
    assert paper.size == expected.size
    ink, wanted = ImageChops.invert(paper), ImageChops.invert(expected)
    lost, added = ImageChops.logical_and(wanted, paper), ImageChops.logical_and(ink, expected)
    assert lost.getbbox() is None
    # Where dots would read as a real-time command, each takes one more at its right, in either resolution.
    beside = ImageChops.logical_or(ImageChops.offset(wanted, 1, 0), ImageChops.offset(wanted, 2, 0))
    assert ImageChops.logical_and(added, ImageChops.invert(beside)).getbbox() is None
    assert added.histogram()[255] <= REAL_TIME_DOTS


@pytest.mark.parametrize("layout", ["roll", "turned-roll"])
@pytest.mark.parametrize("printer", PRINTERS)
@pytest.mark.parametrize("sample", SAMPLES)
def test_an_independent_reader_reads_the_qr_code_off_the_paper(sample: str, printer: str, layout: str, tmp_path: Path) -> None:
    printed(page_bytes(sample, printer, layout), loaded(printer, layout)).image.save(tmp_path / "paper.png")
    read = subprocess.run(
        ["zbarimg", "--quiet", "--raw", str(tmp_path / "paper.png")], capture_output=True, text=True, timeout=60
    )
    assert read.stdout.split() == [SAMPLES[sample].qr]


@pytest.mark.parametrize("layout", ["roll", "label"])
@pytest.mark.parametrize("printer", PRINTERS)
def test_an_independent_reader_reads_the_desks_address_off_its_slip(printer: str, layout: str, tmp_path: Path) -> None:
    (tmp_path / "paper.png").write_bytes(printed(page_bytes(SlipKind.DESK, printer, layout), loaded(printer, layout)).png())
    read = subprocess.run(
        ["zbarimg", "--quiet", "--raw", str(tmp_path / "paper.png")], capture_output=True, text=True, timeout=60
    )
    assert read.stdout.split() == [sample_slips()[SlipKind.DESK].qr]


@pytest.mark.parametrize("printer", ["generic-58", "generic-80", "TM-T88V"])
def test_a_turned_badge_carries_a_whole_contact(printer: str, tmp_path: Path) -> None:
    turned = loaded(printer, "turned-roll")
    contact = "MECARD:N:Sigrid;NOTE:" + "n" * 147 + ";;"
    page = [*(block for block in blocks(SAMPLES["nordic"], load_texts()) if block.role is not Role.QR), Block(Role.QR, contact)]
    slip = printed(encode(lay_out(page, turned), turned), turned)
    (tmp_path / "paper.png").write_bytes(slip.png())
    read = subprocess.run(
        ["zbarimg", "--quiet", "--raw", str(tmp_path / "paper.png")], capture_output=True, text=True, timeout=60
    )
    assert read.stdout.strip() == contact
