"""The virtual printer reads strictly, draws what it is told, and says only what is true of it."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from drivers.virtual.printer import BLADE_ROWS, Motion, UnknownBytesError, VirtualPrinter

START = b"\x1b@\x1c."
CUT = b"\x1dVB\x00"
PAGE = START + b"\x1bt\x13\x1b$\x18\x00R\x86ksm\x94rg\x86s\n" + b"\x1dv0\x00\x02\x00\x08\x00" + b"\xf0\x0f" * 8 + CUT


def black(image: Image.Image) -> tuple[int, int, int, int] | None:
    """Return the box around all black dots."""
    return image.point(lambda dot: 255 - dot).getbbox()


def test_text_comes_out_in_the_chosen_code_page() -> None:
    printer = VirtualPrinter()
    for number, codec, text in [
        (0, "cp437", "é"),
        (2, "cp850", "Ø"),
        (19, "cp858", "5 €"),
        (18, "cp852", "ž"),
        (17, "cp866", "Ж"),
        (16, "cp1252", "š"),
    ]:
        printer.feed(START + b"\x1bt" + bytes([number]) + text.encode(codec) + b"\n" + CUT)
        assert printer.papers[-1].texts == (text,)


def test_without_fs_dot_a_chinese_printer_eats_nordic_letters() -> None:
    printer = VirtualPrinter(strict=False)
    printer.feed(b"\x1b@\x1bt\x13" + "åöåö!".encode("cp858") + b"\n" + CUT)
    assert "å" not in printer.papers[0].texts[0]


@pytest.mark.parametrize("mode", [0, 1, 2, 3])
def test_an_image_is_drawn_dot_for_dot_in_its_mode(mode: int) -> None:
    printer = VirtualPrinter(dots=384)
    printer.feed(START + b"\x1b$\x08\x00\x1dv0" + bytes([mode]) + b"\x01\x00\x02\x00\x81\xff" + CUT)
    across, down = 1 + (mode & 1), 1 + (mode >> 1)
    image = Image.open(BytesIO(printer.papers[0].png()))
    assert image.size == (384, 2 * down)
    row = "".join("#" if not image.getpixel((8 + x, 0)) else "." for x in range(8 * across))
    assert row == "".join(dot * across for dot in "#......#")
    assert black(image) == (8, 0, 8 + 8 * across, 2 * down)


def test_alignment_and_size_move_and_grow_text() -> None:
    def box(commands: bytes) -> tuple[int, int, int, int]:
        printer = VirtualPrinter(dots=384)
        printer.feed(START + commands + b"HH\n" + CUT)
        found = black(printer.papers[0].image)
        assert found is not None
        return found

    left, right = box(b""), box(b"\x1ba\x02")
    assert right[0] - left[0] == 384 - 24
    tall = box(b"\x1d!\x11")
    assert (tall[2] - tall[0]) == 2 * (left[2] - left[0])
    assert (tall[3] - tall[1]) == 2 * (left[3] - left[1])


def test_feeds_move_the_paper_by_as_much() -> None:
    printer = VirtualPrinter()
    printer.feed(START + b"\x1bJ\x64\x1b3\x28\n\x1bd\x02\x1b2\n" + b"\x1dVB\x05")
    assert printer.papers[0].image.height == 100 + 40 + 80 + 30 + 5


def test_a_cut_without_a_feed_leaves_the_end_inside() -> None:
    printer = VirtualPrinter()
    printer.feed(START + b"\x1bJ\xff" + b"\x1dV\x00" + CUT)
    assert [slip.image.height for slip in printer.papers] == [255 - BLADE_ROWS, BLADE_ROWS]


def test_a_qr_code_is_drawn_and_read_back() -> None:
    printer = VirtualPrinter()
    data = b"https://fika.example/i/7"
    store = b"\x1d(k" + (len(data) + 3).to_bytes(2, "little") + b"1P0" + data
    printer.feed(START + b"\x1d(k\x04\x001A2\x00\x1d(k\x03\x001C\x05\x1d(k\x03\x001E1" + store + b"\x1d(k\x03\x001Q0" + CUT)
    assert printer.papers[0].qr == (data.decode(),)
    box = black(printer.papers[0].image)
    assert box is not None
    assert (box[2] - box[0]) % 5 == 0


def test_more_than_a_qr_code_holds_is_an_error_and_no_code() -> None:
    store = b"\x1d(k" + (3003).to_bytes(2, "little") + b"1P0" + b"x" * 3000
    with pytest.raises(UnknownBytesError, match="3000 bytes"):
        VirtualPrinter().feed(START + store + b"\x1d(k\x03\x001Q0")
    printer = VirtualPrinter(strict=False)
    printer.feed(START + store + b"\x1d(k\x03\x001Q0Alva\n" + CUT)
    assert (printer.papers[0].texts, printer.papers[0].qr) == (("Alva",), ())


def test_without_a_cutter_staff_tears() -> None:
    printer = VirtualPrinter(dots=384, cutter=False)
    printer.feed(START + b"one\n" + CUT)
    assert printer.papers == []
    printer.tear()
    assert printer.papers[0].texts == ("one",)


def test_png_is_a_picture_in_true_size() -> None:
    printer = VirtualPrinter()
    printer.feed(PAGE)
    image = Image.open(BytesIO(printer.papers[0].png()))
    assert (image.mode, image.width, image.info["dpi"]) == ("1", 576, pytest.approx((203.2, 203.2), abs=0.1))


@pytest.mark.parametrize(
    "wrong",
    [
        b"\x1bZ",
        b"\x1d!\xff",
        b"\x1bt\x63",
        b"\x1bR\x02",
        b"\x07",
        b"\x1dv1\x00\x01\x00\x01\x00\x00",
        b"\x1d(k\x03\x001C\x00",
        b"x\x1dVB\x00",
        b"\x1dr\x05",
    ],
)
def test_bytes_that_it_does_not_understand_are_an_error(wrong: bytes) -> None:
    with pytest.raises(UnknownBytesError):
        VirtualPrinter().feed(START + wrong)
    lenient = VirtualPrinter(strict=False)
    lenient.feed(START + wrong)
    assert lenient.errors


def test_a_picture_that_is_too_wide_is_an_error() -> None:
    with pytest.raises(UnknownBytesError):
        VirtualPrinter(dots=384).feed(START + b"\x1dv0\x00\x31\x00\x01\x00" + bytes(49))
    lenient = VirtualPrinter(dots=384, strict=False)
    lenient.feed(START + b"\x1dv0\x00\x40\x00\x02\x00" + (b"\xff" + bytes(63)) * 2 + CUT)
    assert black(lenient.papers[0].image) == (0, 0, 8, 2)


def test_a_real_time_question_hidden_in_an_image_is_acted_on_and_an_error() -> None:
    printer = VirtualPrinter(strict=False)
    assert printer.feed(START + b"\x1dv0\x00\x03\x00\x01\x00\x10\x04\x01") == b"\x12"
    assert printer.errors


def test_a_real_time_question_is_answered_in_any_chunking_and_without_paper() -> None:
    printer = VirtualPrinter()
    printer.paper_out()
    assert b"".join(printer.feed(bytes([byte])) for byte in b"\x10\x04\x04\x10\x04\x04") == b"\x72\x72"


def test_completion_is_said_only_when_all_before_is_printed() -> None:
    printer = VirtualPrinter()
    printer.paper_out_after(10)
    request = b"\x1d(H\x06\x0000abcd\x1dr\x01"
    assert printer.feed(PAGE + request) == b""
    assert printer.papers == []
    assert printer.paper_in() == b"\x37\x22abcd\x00\x00"
    assert len(printer.papers) == 1
    assert printer.scraps[0].image.height == 10


def test_paper_that_ends_in_an_image_leaves_a_scrap_of_that_height() -> None:
    printer = VirtualPrinter()
    printer.paper_out_after(3)
    printer.feed(START + b"\x1dv0\x00\x01\x00\x08\x00" + b"\xff" * 8)
    printer.paper_in()
    assert black(printer.scraps[0].image) == (0, 0, 8, 3)


def test_changes_are_pushed_once_asked_for() -> None:
    printer = VirtualPrinter()
    assert printer.paper_low() == b""
    assert printer.feed(b"\x1da\x0e") == b"\x10\x00\x03\x00"
    assert printer.cover_open() == b"\x38\x00\x03\x00"
    assert printer.cover_open() == b""
    printer.mute()
    assert printer.cover_close() == b""


def test_a_full_buffer_has_no_room() -> None:
    printer = VirtualPrinter(buffer_bytes=100)
    printer.paper_out()
    printer.feed(bytes(150))
    assert printer.room == 0


@given(st.lists(st.integers(0, len(PAGE)), max_size=10))
def test_any_chunking_prints_the_same(cuts: list[int]) -> None:
    whole, chunked = VirtualPrinter(), VirtualPrinter()
    whole.feed(PAGE)
    for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), len(PAGE)], strict=True):
        chunked.feed(PAGE[a:b])
    assert chunked.papers[0].image.tobytes() == whole.papers[0].image.tobytes()
    assert chunked.papers[0].texts == whole.papers[0].texts


@pytest.mark.parametrize(
    ("fault", "answers", "pushed"),
    [
        ("", "12 12 12 12", "10 00 00 00"),
        ("paper_low", "12 12 12 1e", "10 00 03 00"),
        ("paper_out", "1a 32 12 72", "18 00 0c 00"),
        ("cover_open", "1a 16 12 12", "38 00 00 00"),
        ("jam", "1a 52 1a 12", "18 08 00 00"),
        ("jam_paper", "1a 52 16 12", "18 04 00 00"),
    ],
)
def test_every_fault_has_its_bits(fault: str, answers: str, pushed: str) -> None:
    # Bits of DLE EOT 1: 3 off line. 2: 2 cover, 5 paper end, 6 error. 3: 2 recoverable error, 3 cutter. 4: 2 and 3 near end,
    # 5 and 6 end. Of ASB's first byte: 3 off line, 5 cover; second: as DLE EOT 3; third: 0 and 1 near end, 2 and 3 end.
    printer = VirtualPrinter()
    printer.feed(b"\x1da\xff")
    if fault:
        assert getattr(printer, fault)() == bytes.fromhex(pushed)
    assert printer.feed(b"\x10\x04\x01\x10\x04\x02\x10\x04\x03\x10\x04\x04") == bytes.fromhex(answers)


def test_queued_status_and_names_are_answered_in_their_turn() -> None:
    printer = VirtualPrinter()
    printer.paper_low()
    assert printer.feed(b"\x1dr\x01\x1dr2\x1dI\x01\x1dI2\x1dI\x42") == b"\x03\x00\x20\x02\x5fFIKATAP\x00"
    assert VirtualPrinter(cutter=False).feed(b"\x1dI\x02") == b"\x00"


def test_initialising_ends_pushing() -> None:
    printer = VirtualPrinter()
    assert printer.feed(b"\x1da\x0e\x1b@") == b"\x10\x00\x00\x00"
    assert printer.cover_open() == b""


def test_what_is_known_but_wrong_has_no_effect_and_prints_nothing() -> None:
    printer = VirtualPrinter(strict=False)
    printer.feed(START + b"A\x1ba\x01\x1dVB\x20B\n" + CUT)
    assert [slip.texts for slip in printer.papers] == [("AB",)]
    assert len(printer.errors) == 2


def test_its_movements_are_told_with_the_byte_that_caused_them() -> None:
    printer = VirtualPrinter()
    told: list[Motion] = []
    printer.watch = told.append
    for byte in START + b"Alva\n\x1bJ\x05" + CUT + b"\x1dV\x01":
        printer.feed(bytes([byte]))
    assert told == [Motion(9, 30), Motion(12, 5), Motion(16, 0, to_blade=True, cut=True), Motion(19, 0, cut=True)]
