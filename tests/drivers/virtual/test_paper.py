"""What is under the head: labels, marks, margins, stored logos, and paper that never ends."""

from __future__ import annotations

import pytest
from PIL import Image

from drivers.virtual.paper import DOTS_PER_MM, LONGEST_ROWS, Labels, loaded
from drivers.virtual.printer import BLADE_ROWS, LOGO_BYTES, UnknownBytesError, VirtualPrinter

START = b"\x1b@\x1c."
CUT, CUT_HERE, NEXT = b"\x1dVB\x00", b"\x1dV\x01", b"\x1d\x0c"


def ink(image: Image.Image) -> tuple[int, int, int, int] | None:
    """Return the box around all black dots."""
    return image.point(lambda dot: 255 - dot).getbbox()


def band(rows: int, across: int = 1) -> bytes:
    """Return a black raster."""
    return b"\x1dv0\x00" + across.to_bytes(2, "little") + rows.to_bytes(2, "little") + b"\xff" * across * rows


def picture(image: Image.Image) -> str:
    """Return what is inked, as text."""
    box = ink(image)
    assert box is not None
    cut = image.crop(box)
    return "\n".join("".join(".#"[not cut.getpixel((x, y))] for x in range(cut.width)) for y in range(cut.height))


# Labels and marks


def test_the_next_label_begins_a_pitch_after_the_last() -> None:
    printer = VirtualPrinter(labels=Labels(pitch_rows=200))
    printer.feed(START + band(30) + NEXT + band(10) + NEXT + CUT)
    (slip,) = printer.papers
    assert slip.height == 400
    assert slip.image.getpixel((0, 199)) != 0 == slip.image.getpixel((0, 200))


def test_at_the_start_of_a_label_there_is_nothing_to_feed() -> None:
    printer = VirtualPrinter(labels=Labels(pitch_rows=200))
    printer.feed(START + NEXT + band(10) + NEXT + NEXT + CUT)
    assert printer.papers[0].height == 200


def test_on_a_roll_there_is_no_next_label() -> None:
    printer = VirtualPrinter()
    printer.feed(START + band(10) + NEXT + CUT)
    assert printer.papers[0].height == 10


@pytest.mark.parametrize("rows", [176, 177, 200])
def test_ink_over_the_gap_between_labels_is_an_error(rows: int) -> None:
    printer = VirtualPrinter(labels=Labels(pitch_rows=200, gap_rows=24))
    if rows <= 176:
        printer.feed(START + band(rows) + NEXT + band(rows) + NEXT + CUT)
        assert printer.errors == []
    else:
        with pytest.raises(UnknownBytesError, match="gap"):
            printer.feed(START + band(rows))


def test_blank_rows_may_lie_over_the_gap_and_text_may_not() -> None:
    printer = VirtualPrinter(labels=Labels(pitch_rows=200), strict=False)
    printer.feed(START + b"\x1bJ\xa0\n\x1bJ\x14")
    assert printer.errors == []
    printer.feed(b"\x1bJ\xa0" + b"Alva\n")
    assert len(printer.errors) == 1


def test_labels_are_counted_over_cuts_and_anew_with_new_paper() -> None:
    printer = VirtualPrinter(labels=Labels(pitch_rows=200))
    printer.feed(START + band(30) + CUT + band(30) + NEXT + CUT)
    assert [slip.height for slip in printer.papers] == [30, 170]
    printer.feed(band(50))
    printer.paper_in()
    printer.feed(band(20) + NEXT + CUT)
    assert printer.papers[-1].height == 200


def test_a_cut_at_the_start_of_a_label_leaves_nothing_of_the_last_one_inside() -> None:
    printer = VirtualPrinter(labels=Labels(pitch_rows=200))
    printer.feed(START + band(30) + NEXT + CUT_HERE + band(150) + CUT_HERE)
    assert [slip.height for slip in printer.papers] == [200, 150 - BLADE_ROWS]


def test_what_is_loaded_is_reckoned_in_rows() -> None:
    assert loaded("roll", 0) is None
    assert loaded("label", 100) == Labels(pitch_rows=800, gap_rows=24)
    assert loaded("mark", 100, dpmm=7) == Labels(pitch_rows=700, gap_rows=0)


# Margins


def test_dots_that_lie_beside_the_paper_are_lost() -> None:
    printer = VirtualPrinter(dots=384, lost_left=5)
    printer.feed(START + band(2) + b"\x1dL\x03\x00" + band(2) + b"\x1dL\x05\x00" + band(2) + CUT)
    image = printer.papers[0].image
    assert [ink(image.crop((0, row, 384, row + 2))) for row in (0, 2, 4)] == [(5, 0, 8, 2), (5, 0, 11, 2), (5, 0, 13, 2)]


def test_margin_and_width_bound_what_is_aligned() -> None:
    printer = VirtualPrinter(dots=384)
    printer.feed(START + b"\x1dL\x64\x00\x1dW\x64\x00\x1ba\x02" + band(1) + b"\x1ba\x01" + band(1) + CUT)
    image = printer.papers[0].image
    assert [ink(image.crop((0, row, 384, row + 1))) for row in (0, 1)] == [(192, 0, 200, 1), (146, 0, 154, 1)]


# Stored logos

# Two bytes wide and one high, in columns: an L whose foot is 9 dots long.
LOGO = b"\x1cq\x01\x02\x00\x01\x00" + b"\xff" + b"\x01" * 8 + b"\x00" * 7
L = "\n".join(["#" + "." * 8] * 7 + ["#" * 9])


def test_a_stored_logo_is_printed_as_its_columns_say() -> None:
    printer = VirtualPrinter(dots=384)
    printer.feed(START + LOGO + b"\x1cp\x01\x00" + CUT)
    assert printer.papers[0].height == 8
    assert picture(printer.papers[0].image) == L


@pytest.mark.parametrize("mode", [1, 2, 3])
def test_a_stored_logo_grows_with_its_mode(mode: int) -> None:
    printer = VirtualPrinter(dots=384)
    printer.feed(START + LOGO + b"\x1cp\x01" + bytes([mode]) + CUT)
    assert ink(printer.papers[0].image) == (0, 0, 9 * (1 + (mode & 1)), 8 * (1 + (mode >> 1)))


def test_storing_replaces_all_logos_starts_anew_and_wears_the_memory() -> None:
    printer = VirtualPrinter(dots=384)
    two = b"\x1cq\x02" + LOGO[3:] * 2
    printer.feed(START + two + START + b"\x1cp\x02\x00" + b"\x1b3\x64" + LOGO + b"\n" + CUT)
    assert printer.logo_writes == 2
    assert printer.papers[0].height == 8 + 30
    printer.feed(b"\x1cp\x02\x00" + b"\x1bJ\x01" + CUT)
    assert ink(printer.papers[1].image) is None
    assert printer.errors == ["logo 2 is not stored"]


@pytest.mark.parametrize(
    "wrong",
    [
        b"\x1cq\x00",
        b"\x1cq\x01\x00\x04\x01\x00",
        b"\x1cq\x01\x01\x00\x21\x01",
        b"\x1cq\x01\x00\x01\x00\x01",
        b"\x1cp\x00\x00",
        b"\x1cp\x01\x04",
        b"x" + LOGO,
        b"x\x1cp\x01\x00",
    ],
)
def test_a_logo_that_can_not_be_is_an_error(wrong: bytes) -> None:
    assert LOGO_BYTES < 256 * 8 * 256
    with pytest.raises(UnknownBytesError):
        VirtualPrinter().feed(START + wrong)


def test_a_real_time_command_within_a_logo_is_an_error() -> None:
    with pytest.raises(UnknownBytesError, match="logo"):
        VirtualPrinter().feed(START + b"\x1cq\x01\x01\x00\x01\x00" + b"\x00\x10\x14\x00\x00\x00\x00\x00")


# Without end


def test_one_command_feeds_a_metre_at_most() -> None:
    printer = VirtualPrinter()
    printer.feed(START + b"\x1b3\xff\x1bd\xff" + CUT)
    assert printer.papers[0].height == 1016 * DOTS_PER_MM


def test_paper_that_is_never_cut_does_not_fill_the_memory() -> None:
    printer = VirtualPrinter(strict=False)
    for _ in range(18):
        printer.feed(START + b"\x1b3\xff\x1bd\xff" + b"Alva\n" + band(100))
    assert printer.errors
    printer.feed(CUT)
    assert 0 < printer.papers[0].height <= LONGEST_ROWS
    with pytest.raises(UnknownBytesError, match="without a cut"):
        VirtualPrinter().feed(START + b"\x1b3\xff" + b"\x1bd\xff" * 5)
