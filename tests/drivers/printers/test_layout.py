from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from PIL import Image, ImageChops

from drivers.printers.bitmap import Bitmap, compose, qr, symbol
from drivers.printers.encode import encode
from drivers.printers.layout import Align, Feed, Item, NativeQr, NextLabel, Picture, TextLine, lay_out
from drivers.printers.profiles import SHIPPED, Media, PrinterProfile
from drivers.printers.profiles import profile as load_profile
from drivers.printers.shape import draw
from drivers.virtual.paper import loaded
from drivers.virtual.printer import VirtualPrinter
from firmware_py.samples import sample, samples
from firmware_py.texts import load_texts
from kiosk.badge import Block, Role, blocks
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


def test_a_picture_is_turned_to_the_left() -> None:
    assert Bitmap(3, (0b110, 0b001)).turned() == Bitmap(2, (0b01, 0b10, 0b10))


def test_half_the_resolution_keeps_what_is_mostly_black() -> None:
    assert Bitmap(5, (0b11001, 0b11101)).halved() == Bitmap(3, (0b101,))


# Every badge, on every paper


def media() -> list[Media]:
    rolls = [Media(turned=turned) for turned in (False, True)]
    sizes: list[tuple[Literal["label", "mark"], float]] = [
        ("label", 30),
        ("mark", 30),
        ("label", 60),
        ("mark", 60),
        ("label", 105),
    ]
    return rolls + [Media(kind=kind, length_mm=mm, turned=turned) for kind, mm in sizes for turned in (False, True)]


EVERY = [replace(profile, media=each) for profile in (NARROW, WIDE) for each in media()]


def _named(profile: PrinterProfile) -> str:
    turned = "-turned" * profile.media.turned
    return f"{profile.name}-{profile.media.kind}{profile.media.length_mm:.0f}{turned}"


ON_EVERY_PAPER = pytest.mark.parametrize("profile", EVERY, ids=_named)
HARD = [
    *("H", "HHHHHHHH", "WWWWWWWW", "HH-HH", "HALLA HALLI HALLU", "H" * 30),
    *("王小明", "ياسمين", "ปิยะ", "प्रियंका", "ከበደ", "Nguyễn", "a" * 10_000, "\x1b@\x10\x04\x01", "H\u0301\u0302\u0303\u0304" * 8),
]


def paper(page: tuple[Item, ...], profile: PrinterProfile) -> Image.Image:
    """The page as a strict printer puts it on paper, one piece of it; labels complain of what is beside them."""
    media = profile.media
    printer = VirtualPrinter(dots=profile.dots, cutter=False, labels=loaded(media.kind, media.length_mm))
    printer.feed(encode(page, replace(profile, cut=False)))
    printer.tear()
    (slip,) = printer.papers
    return slip.image


def rows(page: Iterable[Item]) -> int:
    return sum(item.rows for item in page)


def full(name: str, of: str = "nordic") -> tuple[Block, ...]:
    badge = sample(of)
    return blocks(replace(badge, first_name=name, copy=True, number=12), load_texts())


@ON_EVERY_PAPER
@pytest.mark.parametrize("name", HARD, ids=ascii)
def test_no_name_makes_a_badge_longer_than_its_label(name: str, profile: PrinterProfile) -> None:
    page = lay_out(full(name, "long"), profile)
    # What is wider than the paper or on the gap between two labels is an error of the virtual printer.
    image = paper(page, profile)
    if profile.media.length_mm:
        assert image.height == profile.media.length_mm * 8


def heights(image: Image.Image, *, turned: bool) -> Iterator[int]:
    """The heights of the lines of writing, from the first on: where there is ink in a row, or a column of a turned page."""
    ink = ImageChops.invert(image.convert("L"))
    if turned:
        # The name is over the words at the left, which are printed last.
        ink = ink.crop((0, ink.height * 36 // 100, ink.width, ink.height)).transpose(Image.Transpose.ROTATE_270)
        ink = ink.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    data = ink.tobytes()
    lines = (bool(any(data[start : start + ink.width])) for start in range(0, len(data), ink.width))
    for black, run in groupby(lines):
        if black:
            yield len(list(run))


@ON_EVERY_PAPER
@pytest.mark.parametrize(
    ("name", "least_mm"), [("H", 8.5), ("HHHHH", 8.5), ("HHHHHHHH", 8.5), ("H" * 14, 6), ("HALLA-HALLI", 6)]
)
def test_a_name_is_read_from_two_metres_on_a_badge_that_is_full(name: str, least_mm: float, profile: PrinterProfile) -> None:
    without_copy = [block for block in full(name) if block.role is not Role.COPY]
    first = next(heights(paper(lay_out(without_copy, profile), profile), turned=profile.media.turned))
    least = least_mm if profile.dots > 500 else 6
    assert first >= least * profile.dpmm


@pytest.mark.parametrize("name", ["王小明", "ياسمين", "ปิยะ", "प्रिया", "ከበደ", "გია", "נועה"])
@pytest.mark.parametrize("profile", [each for each in EVERY if not each.media.turned], ids=_named)
def test_letter_bodies_of_other_scripts_are_as_large(name: str, profile: PrinterProfile) -> None:
    # The mark on a copy may take the last rows of the shortest label: there, six millimetres do.
    page = lay_out(full(name)[1:], profile)
    pictures = [item.bitmap for item in page if isinstance(item, Picture) and item.role is Role.NAME]
    least = 8.5 if profile.dots > 500 else 6
    assert len(pictures) == 1
    # A dot less by rounding; a picture has half the dots.
    assert pictures[0].height >= draw(name, least * profile.dpmm / 2, bold=True).height - 1


@ON_EVERY_PAPER
@pytest.mark.parametrize("of", samples())
def test_a_label_keeps_who_and_where_and_a_roll_keeps_all(of: str, profile: PrinterProfile) -> None:
    if profile.media.turned:
        return
    page = lay_out(full("Ada", of), profile)
    roles = {item.role for item in page if not isinstance(item, Feed | NextLabel)}
    assert roles >= {Role.COPY, Role.NAME, Role.PARTNER, Role.ZONE}
    if profile.media.kind == "roll":
        assert roles >= {Role.HEADLINE, Role.TEXT, Role.STARTER, Role.SMALL, Role.QR}


LONG_PARTNER, LONG_ZONE = "Ana María de los Ángeles Fernández-Villaverde", "Donaudampfschifffahrtsgesellschaft lokal 3"
TIGHT = st.builds(
    replace,
    st.sampled_from([NARROW, WIDE]),
    left_dots=st.sampled_from([0, 8, 24, 80]),
    media=st.builds(
        Media, kind=st.sampled_from(["label", "mark"]), length_mm=st.integers(30, 60).map(float), turned=st.booleans()
    ),
)


@settings(deadline=None, max_examples=30, derandomize=True)
@given(
    tight=TIGHT,
    name=st.sampled_from(["Anna", "H" * 48, "王" * 9]),
    partner=st.sampled_from(["", "Ana", LONG_PARTNER, "W" * 48, "ياسمين " * 6]),
    zone=st.sampled_from(["Stuen, rød", LONG_ZONE, "W" * 64]),
    copy=st.booleans(),
)
@example(
    tight=replace(NARROW, left_dots=24, media=Media(kind="label", length_mm=30, turned=True)),
    name="Anna",
    partner=LONG_PARTNER,
    zone=f"{LONG_ZONE}, gennemsigtig",
    copy=True,
)
@example(
    tight=replace(NARROW, left_dots=80, media=Media(kind="label", length_mm=30)),
    name="王" * 9,
    partner="W" * 48,
    zone="W" * 64,
    copy=True,
)
def test_no_label_is_without_name_and_zone(tight: PrinterProfile, name: str, partner: str, zone: str, *, copy: bool) -> None:
    def page(name: str, symbol: Symbol, mark: str) -> tuple[Item, ...]:
        badge = [Block(Role.COPY, mark), Block(Role.NAME, name), Block(Role.PARTNER, partner), Block(Role.ZONE, zone, symbol)]
        return lay_out([block for block in badge if block.text], tight)

    mark = "KOPIA" if copy else ""
    made = page(name, Symbol.STAR, mark)
    assert any(isinstance(item, Picture) for item in made)
    # What shows differs where something else was to be shown; what is left out doesn't.
    assert made != page("B" + name[1:], Symbol.STAR, mark)
    assert made != page(name, Symbol.SQUARE, mark)
    assert not copy or made != page(name, Symbol.STAR, "HÅPIA")


def test_a_partner_is_cut_short_before_the_name_gets_small() -> None:
    label = replace(NARROW, left_dots=80, media=Media(kind="label", length_mm=30))
    badge = [Block(Role.COPY, "KOPIA"), Block(Role.NAME, "HALL"), Block(Role.PARTNER, "W" * 48), Block(Role.ZONE, LONG_ZONE)]
    page = lay_out([*badge[:3], replace(badge[3], symbol=Symbol.STAR)], label)
    (written,) = (item.bitmap for item in page if isinstance(item, Picture) and item.role is Role.NAME)
    assert 2 * written.height >= 48
    (partner,) = (item.text for item in page if isinstance(item, TextLine) and item.role is Role.PARTNER)
    assert partner == "W" * 19 + "…"


def test_a_label_without_room_for_a_name_and_a_zone_is_an_error() -> None:
    with pytest.raises(ValueError, match="no room for a name and a zone"):
        lay_out(full("Ada"), replace(NARROW, media=Media(kind="label", length_mm=8)))


@pytest.mark.parametrize(("name", "least_mm"), [("H", 8.5), ("HHHHHHHH", 8.5), ("H" * 14, 6), ("HALLA-HALLI", 6)])
@pytest.mark.parametrize("length_mm", [30, 60, 105])
def test_a_name_is_as_high_where_a_millimetre_has_no_whole_number_of_dots(name: str, least_mm: float, length_mm: float) -> None:
    page = lay_out(full(name), replace(load_profile("TM-T88V"), media=Media(kind="label", length_mm=length_mm)))
    lines = [item.bitmap for item in page if isinstance(item, Picture) and item.role is Role.NAME]
    assert lines
    assert all(2 * line.height >= least_mm * 180 / 25.4 for line in lines)


def test_what_is_less_important_goes_first() -> None:
    def kept(mm: float) -> set[Role]:
        page = lay_out(full("Ada"), replace(NARROW, media=Media(kind="mark", length_mm=mm)))
        return {item.role for item in page if not isinstance(item, Feed | NextLabel)}

    assert Role.QR in kept(120)
    order = [Role.QR, Role.STARTER, Role.HEADLINE]
    lost = [[role for role in order if role not in kept(mm)] for mm in range(120, 29, -5)]
    assert all(each == order[: len(each)] for each in lost)
    assert lost[-1] == order


@pytest.mark.parametrize("of", samples())
def test_a_badge_on_80_mm_fits_a_holder(of: str) -> None:
    assert rows(lay_out(blocks(sample(of), load_texts()), WIDE)) <= 105 * WIDE.dpmm
    turned = replace(WIDE, media=Media(turned=True))
    assert rows(lay_out(blocks(sample(of), load_texts()), turned)) + WIDE.tear_rows <= 105 * WIDE.dpmm


def test_a_label_before_a_name_stands_on_its_line() -> None:
    page = lay_out([Block(Role.LABEL, "Träffa"), Block(Role.PARTNER, "Oksana")], NARROW)
    assert page == (TextLine(Role.PARTNER, "Oksana", "cp858", 2, 2, True, Align.LEFT, "Träffa "),)
    page = lay_out([Block(Role.LABEL, "Träffa"), Block(Role.PARTNER, "Maximiliane-Charlotte")], NARROW)
    assert [item.text for item in page if isinstance(item, TextLine)] == ["Träffa", "Maximiliane-Charlotte"]


@BOTH
def test_a_label_that_leaves_no_room_for_a_letter_stands_on_a_line_of_its_own(profile: PrinterProfile) -> None:
    for long in range(profile.columns - 8, profile.columns + 8):
        page = lay_out([Block(Role.LABEL, "x" * long), Block(Role.PARTNER, "A")], profile)
        lines = [item for item in page if isinstance(item, TextLine)]
        assert all(12 * (len(line.lead) + len(line.text) * line.wide) <= profile.dots for line in lines)
        assert "".join(line.lead.strip() + line.text for line in lines) == "x" * long + "A"


def test_small_print_shares_lines_unless_it_must_be_drawn() -> None:
    def lines(*texts: str) -> list[str]:
        page = lay_out([Block(Role.SMALL, text) for text in texts], NARROW)
        return [item.text for item in page if isinstance(item, TextLine)]

    assert lines("Gäller till 15:30", "Nr 7") == ["Gäller till 15:30 · Nr 7"]
    assert lines("Gäller till 15:30", "中文", "Nr 7") == ["Gäller till 15:30", "Nr 7"]


def test_a_memo_has_room_to_write_above_its_line() -> None:
    page = lay_out([Block(Role.TITLE, "Dagens möten"), Block(Role.MEMO, "Det vill jag minnas")], NARROW)
    title, _, words, room, line, _ = page
    assert isinstance(title, TextLine)
    assert (title.text, title.high) == ("Dagens möten", 2)
    assert isinstance(words, TextLine)
    assert isinstance(room, Feed)
    assert room.rows >= 9 * 8
    assert isinstance(line, Picture)
    assert (line.bitmap.width * line.zoom, line.bitmap.height) == (NARROW.dots, 1)
    assert len(line.bitmap.data) < 40


@pytest.mark.parametrize("length_mm", [30, 31, 60])
@pytest.mark.parametrize("words", ["Att minnas:", "تذكّر " * 10])
def test_a_memo_has_room_to_write_on_whatever_label_it_comes(words: str, length_mm: float) -> None:
    short = replace(NARROW, media=Media(kind="label", length_mm=length_mm))
    for before in range(20):
        page = lay_out([Block(Role.TEXT, f"Möte {number}") for number in range(before)] + [Block(Role.MEMO, words)], short)
        end = max(place for place, item in enumerate(page) if isinstance(item, Picture))
        room = page[end - 1]
        assert isinstance(room, Feed)
        assert room.rows >= 9 * 8
        above = page[end - 2] if isinstance(page[end - 2], TextLine | Picture) else page[end - 3]
        assert isinstance(above, TextLine | Picture)
        assert above.role is Role.MEMO
        for last, run in groupby(page, key=lambda item: isinstance(item, NextLabel)):
            assert last or rows(run) <= (length_mm - 2) * 8


def test_a_slip_goes_on_on_the_next_label_and_loses_nothing() -> None:
    slip = [Block(Role.TITLE, "Dagens möten")] + [Block(Role.TEXT, f"Möte {number}") for number in range(40)]
    page = lay_out(slip, replace(NARROW, media=Media(kind="label", length_mm=60, turned=True)))
    assert sum(isinstance(item, NextLabel) for item in page) >= 2
    assert [item.text for item in page if isinstance(item, TextLine)][1:] == [f"Möte {number}" for number in range(40)]
    for last, run in groupby(page, key=lambda item: isinstance(item, NextLabel)):
        assert last or rows(run) <= 57 * 8


def test_a_code_on_a_full_roll_is_smaller_but_not_too_small_to_scan() -> None:
    (code,) = (item for item in lay_out(full("Ada"), WIDE) if isinstance(item, NativeQr))
    assert code.module == 3
    (code,) = (item for item in lay_out([Block(Role.NAME, "Ada"), Block(Role.QR, "x")], WIDE) if isinstance(item, NativeQr))
    assert code.module == 4
