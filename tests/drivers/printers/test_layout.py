from __future__ import annotations

import pytest

from drivers.printers.bitmap import Bitmap, compose, qr, symbol
from drivers.printers.layout import Align, Feed, Picture, TextLine, lay_out
from drivers.printers.profiles import SHIPPED, PrinterProfile
from drivers.printers.shape import draw
from kiosk.badge import Block, Role
from kiosk.values import Symbol

NARROW, WIDE = SHIPPED["generic-58"], SHIPPED["generic-80"]
BOTH = pytest.mark.parametrize("profile", [NARROW, WIDE], ids=lambda profile: profile.name)


def name(text: str, profile: PrinterProfile) -> list[Bitmap]:
    page = lay_out([Block(Role.NAME, text)], profile)
    assert all(isinstance(item, Picture | Feed) for item in page)
    pictures = [item for item in page if isinstance(item, Picture)]
    assert all(item.zoom == 2 and item.align is Align.CENTRE for item in pictures)
    return [item.bitmap for item in pictures]


@BOTH
@pytest.mark.parametrize(
    "text", ["HOLLI", "HALL", "H" * 10, "H" * 14, "H" * 30, "HALLA-HALLI", "HÅLLA HÅLLI HÅLLU", "H" * 1000]
)
def test_capitals_of_a_name_are_at_least_six_millimetres(text: str, profile: PrinterProfile) -> None:
    # Two dots of paper for each of the picture; six millimetres are 48.
    lines = name(text, profile)
    assert all(2 * line.height >= 48 for line in lines)
    assert all(2 * line.width <= profile.dots for line in lines)


@pytest.mark.parametrize("text", ["HOLLI", "HHHHHHHH", "WWWWWWWW", "MATHILDE"])
def test_short_names_are_larger_on_wide_paper(text: str) -> None:
    assert all(2 * line.height >= 68 for line in name(text, WIDE))


def test_letters_that_reach_beyond_their_widths_are_not_clipped() -> None:
    # The j reaches to the left of its place and the f to the right.
    assert [line.width <= 192 for line in name("jooooof", NARROW)] == [True]


def test_a_double_name_takes_two_lines() -> None:
    assert len(name("Anna-Karin", NARROW)) == 2
    assert len(name("Anna Karin", NARROW)) == 2
    assert len(name("Sigrid", NARROW)) == 1


def test_a_name_a_little_too_long_is_pressed_together_not_torn() -> None:
    assert len(name("Christopher", NARROW)) == 1


def test_a_name_that_fits_no_line_is_torn_with_a_hyphen() -> None:
    lines = name("Bartholomæus-Emmanuel", NARROW)
    assert len(lines) == 3
    # "Bartho-", "lomæus-", "Emmanuel": the hyphen is a bar in the middle at the right end of the line.
    right = [row & 0b11 for row in lines[0].rows]
    assert right.count(0b11) in range(3, 8)
    assert right[:10] == [0] * 10
    assert right[-7:] == [0] * 7


def test_a_name_of_signs_that_nobody_can_print_leaves_the_rest() -> None:
    page = lay_out([Block(Role.NAME, "🎉"), Block(Role.TEXT, "hej")], NARROW)
    assert [item.text for item in page if isinstance(item, TextLine)] == ["hej"]


def test_a_name_without_ink_is_no_picture() -> None:
    assert name("\u3164", NARROW) == []
    assert name("\u200d", NARROW) == []


def test_text_wraps_at_the_printer_s_columns() -> None:
    page = lay_out([Block(Role.TEXT, "Fråga Håkon om pedagogik och utbildning.")], NARROW)
    assert [item.text for item in page if isinstance(item, TextLine)] == ["Fråga Håkon om pedagogik och", "utbildning."]


@BOTH
def test_a_word_longer_than_the_line_is_torn_not_clipped(profile: PrinterProfile) -> None:
    page = lay_out([Block(Role.TEXT, "x" * 100)], profile)
    lines = [item.text for item in page if isinstance(item, TextLine)]
    assert "".join(lines) == "x" * 100
    assert max(map(len, lines)) == profile.columns


def test_a_headline_shrinks_before_it_wraps_and_wraps_evenly() -> None:
    def headline(text: str) -> list[tuple[str, int, int]]:
        page = lay_out([Block(Role.HEADLINE, text)], NARROW)
        return [(item.text, item.wide, item.high) for item in page if isinstance(item, TextLine)]

    assert headline("Läkare") == [("Läkare", 2, 2)]
    assert headline("Marknadsförare inom energi") == [("Marknadsförare inom energi", 1, 2)]
    assert headline("Organisationskonsulent og underviser") == [("Organisationskonsulent", 1, 2), ("og underviser", 1, 2)]


def test_a_zone_has_its_symbol_above_its_words() -> None:
    page = lay_out([Block(Role.ZONE, "Stuen, rød", Symbol.STAR)], NARROW)
    assert page[0] == Picture(Role.ZONE, symbol(Symbol.STAR, 28), 2, Align.CENTRE)
    assert isinstance(page[2], TextLine)
    assert page[2].text == "Stuen, rød"


def test_a_paragraph_from_right_to_left_stands_at_the_right() -> None:
    page = lay_out([Block(Role.TEXT, "مهندسة برمجيات")], NARROW)
    assert isinstance(page[0], Picture)
    assert page[0].align is Align.RIGHT


def test_a_separator_does_not_end_a_line() -> None:
    page = lay_out([Block(Role.SMALL, " · ".join(["svenska", "norsk", "English", "Deutsch", "dansk"]))], NARROW)
    lines = [item.text for item in page if isinstance(item, TextLine)]
    assert len(lines) == 2
    assert not any(line.endswith("·") for line in lines)


@pytest.mark.parametrize("shape", Symbol)
def test_zone_symbols_are_told_apart_without_colour(shape: Symbol) -> None:
    drawn = symbol(shape, 28)
    assert 20 <= drawn.width <= 28
    assert 20 <= drawn.height <= 28
    assert all(symbol(other, 28) != drawn for other in Symbol if other is not shape)


def test_trimming_takes_all_white_away() -> None:
    assert Bitmap(8, (0, 0b00101000, 0b00001000, 0)).trimmed() == Bitmap(3, (0b101, 0b001))
    assert Bitmap(8, (0, 0)).trimmed() == Bitmap(0, ())


def test_pictures_are_put_together_at_any_offset() -> None:
    dot = Bitmap(1, (1,))
    assert compose([(-2, -1, dot), (1, 1, dot), (5, 0, Bitmap(0, ()))]) == Bitmap(4, (0b1000, 0, 0b0001))


def test_rows_are_filled_up_to_bytes_at_the_right() -> None:
    assert Bitmap(9, (0b100000001, 0)).data == b"\x80\x80\x00\x00"


def test_a_real_time_command_in_a_picture_gets_a_dot_more() -> None:
    assert Bitmap(16, (0x1004, 0x1005, 0x1014, 0x1006)).data == b"\x18\x04\x18\x05\x18\x14\x10\x06"


def test_strokes_get_fatter_by_so_many_dots() -> None:
    assert Bitmap(3, (0, 0b010, 0)).fatter(1) == Bitmap(4, (0, 0b0110, 0b0110, 0))


def test_qr_modules_are_squares() -> None:
    code = qr("https://fika.example/v/7Q2M-K4TX", 2)
    assert (code.width, code.height) == (58, 58)
    assert code.rows[:14] == tuple(row for row in qr("https://fika.example/v/7Q2M-K4TX", 2).rows[:14:2] for _ in (0, 1))


def test_drawing_is_trimmed_to_ink() -> None:
    ink = draw("Sigrid", 24, bold=True)
    assert ink == ink.trimmed()
