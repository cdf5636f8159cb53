"""What goes wrong with printers, and what a printer does that was never quite right."""

from __future__ import annotations

import pytest
from PIL import Image

from drivers.virtual.printer import Clone, UnknownBytesError, VirtualPrinter

START = b"\x1b@\x1c."
CUT = b"\x1dVB\x00"
BAND = b"\x1dv0\x00\x01\x00\x08\x00" + b"\xff" * 8
CLEAR = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"
QR = b"\x1d(k\x03\x001C\x05\x1d(k\x06\x001P0abc\x1d(k\x03\x001Q0"


def ink(image: Image.Image) -> tuple[int, int, int, int] | None:
    """Return the box around all black dots."""
    return image.point(lambda dot: 255 - dot).getbbox()


# Power


def test_power_lost_within_a_band_leaves_its_first_rows_for_the_next_slip() -> None:
    printer = VirtualPrinter()
    printer.power_cut_after(3)
    assert printer.feed(START + BAND + b"Alva\n" + CUT + b"\x1dr\x01") == b""
    assert not printer.powered
    assert printer.papers == printer.scraps == []
    printer.power_on()
    printer.feed(START + b"\x1bJ\x05" + CUT)
    (slip,) = printer.papers
    assert slip.texts == ()
    assert (slip.height, ink(slip.image)) == (3 + 5, (0, 0, 8, 3))


def test_power_takes_settings_and_buffer_and_leaves_stored_logos() -> None:
    printer = VirtualPrinter(dots=384)
    printer.feed(START + b"\x1cq\x01\x01\x00\x01\x00" + b"\xff" * 8 + b"\x1c.\x1b3\x64\x1da\x0e\x1dv0")
    printer.power_cut()
    assert printer.feed(b"\x10\x04\x01") == b""
    printer.power_on()
    assert printer.paper_low() == b""
    printer.feed(b"\n\x1cp\x01\x00" + CUT)
    (slip,) = printer.papers
    assert (slip.height, ink(slip.image)) == (30 + 8, (0, 30, 8, 38))
    # Chinese again: two bytes are a letter.
    printer.feed("åö".encode("cp858") + b"\n" + CUT)
    assert len(printer.papers[1].texts[0]) == 1


def test_bytes_sent_without_power_are_gone() -> None:
    printer = VirtualPrinter()
    printer.power_cut()
    printer.feed(b"one\n")
    assert printer.bytes_received == 0
    printer.power_on()
    printer.feed(b"two\n" + CUT)
    assert printer.papers[0].texts == ("two",)


# Paper and jams


def test_nothing_is_cut_when_the_paper_ends_on_its_way_to_the_blade() -> None:
    printer = VirtualPrinter()
    printer.paper_out_after(40)
    printer.feed(START + b"Alva\n\x1dVB\x20")
    assert printer.papers == []
    printer.paper_in()
    assert printer.scraps[0].texts == ("Alva",)


def test_a_line_that_wraps_after_the_end_of_paper_moves_no_more() -> None:
    printer = VirtualPrinter(dots=24)
    printer.paper_out_after(10)
    printer.feed(START + b"abcdef\n")
    printer.paper_in()
    assert printer.scraps[0].height == 10


def test_a_push_of_what_happened_within_a_command_is_not_lost() -> None:
    printer = VirtualPrinter()
    printer.feed(b"\x1da\x0e")
    printer.paper_out_after(3)
    assert printer.feed(BAND) == b"\x18\x00\x0c\x00"


def test_a_jam_stops_the_motor_until_it_is_cleared() -> None:
    printer = VirtualPrinter()
    printer.feed(b"\x1da\x0e")
    assert printer.jam_paper() == b"\x18\x04\x00\x00"
    assert printer.feed(START + b"Alva\n" + CUT) == b""
    assert printer.feed(b"\x10\x04\x01\x10\x04\x02\x10\x04\x03") == b"\x1a\x52\x16"
    assert printer.papers == []
    assert printer.clear_jam() == b"\x10\x00\x00\x00"
    assert printer.papers[0].texts == ("Alva",)


def test_a_jam_within_a_page_costs_what_was_printed() -> None:
    printer = VirtualPrinter()
    printer.jam_paper_after(3)
    printer.feed(START + BAND)
    printer.clear_jam()
    assert printer.scraps[0].height == 3


@pytest.mark.parametrize(("request_", "texts"), [(b"\x10\x05\x01", ("Alva",)), (b"\x10\x05\x02", ("Ola",))])
def test_the_host_overcomes_a_loose_jam_with_or_without_what_was_waiting(request_: bytes, texts: tuple[str, ...]) -> None:
    printer = VirtualPrinter()
    printer.jam(loose=True)
    printer.feed(START + b"Alva\n" + CUT)
    printer.feed(request_ + START + b"Ola\n" + CUT)
    assert printer.papers[0].texts == texts


@pytest.mark.parametrize("loose", [True, False])
def test_a_request_to_recover_is_ignored_where_it_can_not_help(loose: bool) -> None:
    printer = VirtualPrinter()
    if not loose:
        printer.jam()
    else:
        printer.paper_out()
    printer.feed(START + b"Alva\n\x10\x05\x02" + CUT)
    assert not printer.can_print
    (printer.paper_in if loose else printer.clear_jam)()
    assert printer.papers[0].texts == ("Alva",)


def test_clearing_throws_away_what_waits_and_says_so_in_any_chunking() -> None:
    for step in range(1, len(CLEAR) + 1):
        printer = VirtualPrinter()
        printer.paper_out()
        printer.feed(START + b"Alva\n")
        heard = b"".join(printer.feed(CLEAR[start : start + step]) for start in range(0, len(CLEAR), step))
        assert heard == b"\x37\x25\x00"
        printer.paper_in()
        printer.feed(START + b"Ola\n" + CUT)
        assert [paper.texts for paper in printer.papers] == [("Ola",)]


def test_clearing_forgets_the_line_that_is_not_printed_yet() -> None:
    printer = VirtualPrinter()
    printer.feed(START + b"Alva" + CLEAR + b"Ola\n" + CUT)
    assert printer.papers[0].texts == ("Ola",)


def test_what_clearing_mends_is_pushed() -> None:
    printer = VirtualPrinter()
    printer.feed(b"\x1da\x0e")
    printer.jam(loose=True)
    assert printer.feed(CLEAR) == b"\x37\x25\x00\x10\x00\x00\x00"


# Clones


def test_a_clone_prints_the_bytes_of_commands_that_it_lacks() -> None:
    printer = VirtualPrinter(clone=Clone())
    assert printer.feed(START + QR + b"\n\x1d(H\x06\x0000abcd\n" + CUT) == b""
    (slip,) = printer.papers
    assert slip.texts == ("(k1C(k1P0abc(k1Q0", "(H00abcd")
    assert slip.qr == ()
    assert printer.errors


def test_a_clone_may_know_what_others_lack() -> None:
    printer = VirtualPrinter(clone=Clone(lacks=frozenset({b"\x1d(H", b"\x1c."})))
    printer.feed(b"\x1b@" + QR + CUT)
    assert printer.papers[0].qr == ("abc",)


def test_a_clone_recognises_what_it_lacks_in_any_chunking() -> None:
    page = START + QR + b"\n" + CUT
    whole, single = (VirtualPrinter(clone=Clone()) for _ in range(2))
    whole.feed(page)
    for byte in page:
        single.feed(bytes([byte]))
    assert single.papers == whole.papers


def test_a_clone_without_fs_dot_stays_chinese() -> None:
    printer = VirtualPrinter(clone=Clone(lacks=frozenset({b"\x1c."})))
    printer.feed(START + b"\n" + "åö\n".encode("cp858") + CUT)
    first, second = printer.papers[0].texts
    assert first == "."
    assert len(second) == 1


def test_code_pages_lie_or_are_ignored() -> None:
    printer = VirtualPrinter(clone=Clone(code_pages={19: "cp866", 16: "", 99: "cp1253"}))
    printer.feed(START)
    for number in (2, 19, 16, 99):
        printer.feed(b"\x1bt" + bytes([number]) + b"\xc8\n")
    printer.feed(CUT)
    assert printer.papers[0].texts == tuple(b"\xc8".decode(codec) for codec in ("cp850", "cp866", "cp866", "cp1253"))


def test_a_clone_answers_some_questions_and_lies_about_its_name() -> None:
    printer = VirtualPrinter(clone=Clone())
    assert printer.feed(b"\x10\x04\x01\x10\x04\x02\x10\x04\x03\x10\x04\x04") == b"\x12\x12"
    assert printer.feed(b"\x1dI\x42\x1dI\x43") == b"\x5fEPSON\x00\x5fTM-T88V\x00"
    assert VirtualPrinter().feed(b"\x1dI\x43") == b"\x5fVIRTUAL\x00"


def test_a_clone_finds_nothing_wrong() -> None:
    printer = VirtualPrinter(clone=Clone())
    printer.feed(START + b"\x1bZ\x07\x1b!\x00" + CUT)
    with pytest.raises(UnknownBytesError):
        VirtualPrinter().feed(START + b"\x1bZ")
