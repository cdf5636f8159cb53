from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from PIL import Image, ImageChops

from drivers.printers.bitmap import Bitmap
from drivers.printers.encode import chunks, encode, store_logo
from drivers.printers.layout import Align, Feed, Item, NativeQr, NextLabel, Picture, StoredLogo, TextLine, lay_out
from drivers.printers.page import print_bytes
from drivers.printers.profiles import SHIPPED, Media, PrinterProfile
from drivers.virtual.paper import loaded
from drivers.virtual.printer import VirtualPrinter
from firmware_py.samples import sample, samples
from firmware_py.texts import load_texts
from kiosk.badge import Block, Role, blocks

REAL_TIME = re.compile(rb"\x10[\x04\x05\x14]")
NARROW, WIDE = SHIPPED["generic-58"], SHIPPED["generic-80"]
FIXED = {b"\x1b@": 0, b"\x1c.": 0, b"\n": 0} | dict.fromkeys(
    (b"\x1bR", b"\x1bt", b"\x1d!", b"\x1bE", b"\x1ba", b"\x1b3", b"\x1bJ"), 1
)


def commands(job: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Take a job apart, strictly: each command with its arguments and data; text comes with an empty command."""
    while job:
        if job[:1] >= b" ":
            text = re.match(rb"[^\x00-\x1f\x7f]+", job)
            assert text
            command, length = b"", text.end()
        elif job.startswith(b"\x1dv0"):
            command, length = b"\x1dv0", 8 + int.from_bytes(job[4:6], "little") * int.from_bytes(job[6:8], "little")
        elif job.startswith(b"\x1d(k"):
            command, length = b"\x1d(k", 5 + int.from_bytes(job[3:5], "little")
        elif job.startswith(b"\x1dV\x42"):
            command, length = b"\x1dV\x42", 4
        elif job.startswith((b"\x1dV\x01", b"\x1dL", b"\x1cp")):
            command, length = job[:2], {b"V": 3, b"L": 4, b"p": 4}[job[1:2]]
        elif job.startswith(b"\x1d\x0c"):
            command, length = b"\x1d\x0c", 2
        else:
            command = next(each for each in FIXED if job.startswith(each))
            length = len(command) + FIXED[command]
        assert len(job) >= length
        yield command, job[len(command) : length]
        job = job[length:]


def sample_blocks(name: str) -> tuple[Block, ...]:
    return blocks(sample(name), load_texts())


def sample_bytes(name: str, profile: PrinterProfile) -> bytes:
    return print_bytes(sample_blocks(name), profile)


def printed(job: bytes, profile: PrinterProfile) -> VirtualPrinter:
    media = profile.media
    printer = VirtualPrinter(
        dots=profile.dots, cutter=profile.cut, labels=loaded(media.kind, media.length_mm), lost_left=profile.left_dots
    )
    assert printer.feed(job) == b""
    if not profile.cut:
        printer.tear()
    return printer


ALL = pytest.mark.parametrize(("name", "profile"), [(name, profile) for name in samples() for profile in SHIPPED.values()])


@ALL
def test_a_badge_is_made_of_commands_that_all_printers_know(name: str, profile: PrinterProfile) -> None:
    seen = [command for command, _ in commands(sample_bytes(name, profile))]
    assert seen[:3] == [b"\x1b@", b"\x1c.", b"\x1bR"]
    assert seen.count(b"\x1b@") == 1
    assert seen[-1] == (b"\x1dV\x42" if profile.cut else b"\x1bJ")


@ALL
def test_pictures_come_in_small_bands_in_the_two_modes_that_all_printers_agree_on(name: str, profile: PrinterProfile) -> None:
    bands = [data for command, data in commands(sample_bytes(name, profile)) if command == b"\x1dv0"]
    assert bands
    assert {band[0] for band in bands} <= {0, 3}
    assert all(0 < int.from_bytes(band[3:5], "little") <= 128 for band in bands)
    assert all(int.from_bytes(band[1:3], "little") * 8 * (2 if band[0] else 1) <= profile.dots for band in bands)


@ALL
def test_one_badge_is_one_paper_with_all_its_words(name: str, profile: PrinterProfile) -> None:
    printer = printed(sample_bytes(name, profile), profile)
    badge = sample(name)
    assert badge.introduction
    assert len(printer.papers) == 1
    words = " ".join(printer.papers[0].texts).split()
    assert words[-1:] != []
    for sentence in (badge.introduction.reason, badge.introduction.starter, badge.introduction.partner, badge.zone.colour_word):
        assert set(sentence.split()) <= set(words)
    assert printer.papers[0].qr == ((badge.qr,) if profile.native_qr else ())


@ALL
def test_no_badge_holds_a_real_time_command(name: str, profile: PrinterProfile) -> None:
    assert not REAL_TIME.search(sample_bytes(name, profile))


@pytest.mark.parametrize(
    ("name", "profile", "most"),
    [
        ("nordic", "generic-58", 1400),
        ("arabic", "generic-58", 3200),
        ("mixed", "generic-58", 2800),
        ("long", "generic-58", 2280),
        ("nordic", "generic-80", 2310),
        ("arabic", "generic-80", 4950),
        ("mixed", "generic-80", 3150),
        ("long", "generic-80", 2350),
    ],
)
def test_bytes_are_time(name: str, profile: str, most: int) -> None:
    assert len(sample_bytes(name, SHIPPED[profile])) <= most


def test_bytes_are_counted_by_item() -> None:
    page = lay_out(sample_blocks("nordic"), NARROW)
    parts = list(chunks(page, NARROW))
    assert len(parts) == len(page) + 2
    assert b"".join(parts) == encode(page, NARROW)


def test_the_first_name_is_a_picture_and_comes_first() -> None:
    kinds = [command for command, _ in commands(sample_bytes("nordic", NARROW)) if command in {b"", b"\x1dv0"}]
    assert kinds[0] == b"\x1dv0"
    pictures = [item.role for item in lay_out(sample_blocks("nordic"), NARROW) if isinstance(item, Picture)]
    assert pictures == [Role.NAME, Role.ZONE]  # the symbol; all else is text


def test_nordic_letters_go_as_text_in_code_page_858() -> None:
    job = print_bytes([Block(Role.TEXT, "Smørrebrød på Åsö för 5 €")], NARROW)
    assert b"\x1bt\x13" in job
    assert "Smørrebrød på Åsö för 5 €".encode("cp858") + b"\n" in job


def test_decomposed_letters_are_composed_first() -> None:
    assert print_bytes([Block(Role.TEXT, "A\u030aso\u0308")], NARROW) == print_bytes([Block(Role.TEXT, "Åsö")], NARROW)


def test_a_line_goes_in_another_code_page_where_that_one_has_it() -> None:
    job = print_bytes([Block(Role.TEXT, "Łódź"), Block(Role.TEXT, "Привет")], NARROW)
    assert b"\x1bt\x12" in job
    assert "Łódź".encode("cp852") in job
    assert b"\x1bt\x11" in job
    assert "Привет".encode("cp866") in job


def test_a_code_page_that_is_not_known_to_work_is_not_used() -> None:
    job = print_bytes([Block(Role.TEXT, "Łódź")], replace(NARROW, code_pages={"cp858": 19}))
    assert [command for command, _ in commands(job) if command in {b"", b"\x1dv0"}] == [b"\x1dv0"]


@pytest.mark.parametrize("word", ["ياسمين", "王小明", "김민준", "Надія", "Tiếng Việt", "ปิยะ", "ከበደ", "გიორგი"])
def test_what_no_code_page_has_is_drawn(word: str) -> None:
    page = lay_out([Block(Role.TEXT, word)], NARROW)
    assert [type(item) for item in page] == [Picture, Feed]


def test_only_the_line_that_needs_it_is_drawn() -> None:
    page = lay_out([Block(Role.TEXT, "Detta är en rad på svenska, sedan 王小明")], NARROW)
    assert [type(item) for item in page] == [TextLine, Feed, Picture, Feed]


def test_typographic_signs_become_plain_ones_rather_than_a_picture() -> None:
    profile = replace(NARROW, code_pages={"cp858": 19})
    typographic, plain = "D’Angelo – “hej”…", 'D\'Angelo - "hej"...'
    assert print_bytes([Block(Role.TEXT, typographic)], profile) == print_bytes([Block(Role.TEXT, plain)], profile)


def test_a_printer_without_qr_gets_a_picture_of_half_the_resolution() -> None:
    page = lay_out([Block(Role.QR, "https://fika.example/v/7Q2M-K4TX")], SHIPPED["generic-58-noqr"])
    assert isinstance(page[0], Picture)
    assert (page[0].bitmap.width, page[0].zoom) == (29 * 2, 2)
    assert b"\x1d(k" not in encode(page, SHIPPED["generic-58-noqr"])


def test_the_printer_s_own_qr_code_takes_73_bytes() -> None:
    page: tuple[Item, ...] = (NativeQr(Role.QR, "https://fika.example/v/7Q2M-K4TX", 4, Align.LEFT),)
    assert list(chunks(page, NARROW))[1] == (
        b"\x1d(k\x04\x001A2\x00"
        b"\x1d(k\x03\x001C\x04"
        b"\x1d(k\x03\x001E1"
        b"\x1d(k\x23\x001P0https://fika.example/v/7Q2M-K4TX"
        b"\x1d(k\x03\x001Q0"
    )


def test_a_qr_code_too_long_for_the_paper_is_left_off_whole() -> None:
    assert lay_out([Block(Role.QR, "x" * 256)], NARROW) == ()
    assert len(lay_out([Block(Role.QR, "x" * 255)], NARROW)) == 2


def test_settings_are_sent_once_and_only_when_they_change() -> None:
    line = TextLine(Role.TEXT, "hej", "cp858", 2, 2, True, Align.CENTRE)
    first, second = list(chunks([line, line], NARROW))[1:3]
    assert first == b"\x1bt\x13\x1ba\x01\x1b3\x33\x1d!\x11\x1bE\x01hej\n"
    assert second == b"hej\n"


def test_a_high_picture_is_cut_into_bands() -> None:
    job = encode([Picture(Role.NAME, Bitmap(9, (0b100000001,) * 300), 1, Align.LEFT)], NARROW)
    bands = [data for command, data in commands(job) if command == b"\x1dv0"]
    assert [int.from_bytes(band[3:5], "little") for band in bands] == [24] * 12 + [12]
    assert b"".join(band[5:] for band in bands) == b"\x80\x80" * 300


def test_words_before_a_line_are_plain_and_share_its_line() -> None:
    line = TextLine(Role.PARTNER, "Oksana", "cp858", 2, 2, True, Align.LEFT, lead="Träffa ")
    (first,) = list(chunks([line], NARROW))[1:-1]
    assert first == b"\x1bt\x13\x1b3\x33" + "Träffa ".encode("cp858") + b"\x1d!\x11\x1bE\x01Oksana\n"
    assert list(chunks([line, line], NARROW))[2] == (
        b"\x1d!\x00\x1bE\x00" + "Träffa ".encode("cp858") + b"\x1d!\x11\x1bE\x01Oksana\n"
    )


LOGO = Bitmap(20, tuple(0b10000000000000000001 | 1 << row % 20 for row in range(13)))


def test_a_stored_logo_is_printed_by_its_number_and_looks_the_same() -> None:
    stored = replace(NARROW, stored_logo=LOGO.digest)
    page = lay_out([Block(Role.LOGO, "logo")], stored, LOGO)
    assert page == (StoredLogo(Role.LOGO, LOGO, Align.CENTRE),)
    assert list(chunks(page, stored))[1] == b"\x1ba\x01\x1cp\x01\x00"
    printer = VirtualPrinter(dots=stored.dots, cutter=False)
    printer.feed(store_logo(LOGO) + encode(page, stored))
    printer.tear()
    drawn = printed(print_bytes([Block(Role.LOGO, "logo")], NARROW, LOGO), NARROW).papers[0].image
    assert _ink(printer.papers[0].image) == _ink(drawn)


def test_a_stored_logo_holds_no_real_time_command() -> None:
    # Read downwards, the columns are 10 04.
    rows = tuple(int(bit) * 0xFF for bit in f"{0x1004:016b}")
    assert not REAL_TIME.search(store_logo(Bitmap(8, rows)))
    assert store_logo(Bitmap(8, rows)).endswith(b"\x18\x04")


def _ink(image: Image.Image) -> tuple[tuple[int, int], bytes]:
    """The size and the dots of what is black."""
    black = ImageChops.invert(image.convert("L"))
    box = black.getbbox()
    assert box
    ink = black.crop(box)
    return ink.size, ink.tobytes()


def test_another_logo_than_the_stored_one_is_drawn() -> None:
    page = lay_out([Block(Role.LOGO, "logo")], replace(NARROW, stored_logo="0123"), LOGO)
    assert page == (Picture(Role.LOGO, LOGO, 1, Align.CENTRE),)


def test_a_logo_wider_than_the_paper_is_left_off_whole() -> None:
    wide = Bitmap(NARROW.dots + 1, (1,))
    assert lay_out([Block(Role.LOGO, "logo")], NARROW, wide) == ()
    assert lay_out([Block(Role.LOGO, "logo")], replace(NARROW, stored_logo=wide.digest), wide) == ()
    assert lay_out([Block(Role.LOGO, "logo")], NARROW) == ()


@pytest.mark.parametrize("kind", ["label", "mark"])
def test_a_label_ends_where_the_next_begins_and_is_cut_there(kind: Literal["label", "mark"]) -> None:
    media = Media(kind=kind, length_mm=60)
    assert encode([], replace(NARROW, media=media)).endswith(b"\x1d\x0c")
    assert encode([], replace(WIDE, media=media)).endswith(b"\x1d\x0c\x1dV\x01")
    assert list(chunks([NextLabel()], replace(NARROW, media=media)))[1] == b"\x1d\x0c"


@pytest.mark.parametrize("name", samples())
@pytest.mark.parametrize("turned", [False, True])
def test_what_the_printer_loses_at_the_left_is_left_free(name: str, turned: bool) -> None:
    lost = replace(NARROW, left_dots=20, media=Media(turned=turned))
    job = sample_bytes(name, lost)
    assert job.startswith(b"\x1b@\x1c.\x1bR\x00\x1dL\x14\x00")
    assert job.count(b"\x1dL") == 1
    # A strict printer: nothing is cut off at the right either.
    printed(job, lost)


def test_white_beside_a_band_is_not_sent_and_nothing_moves() -> None:
    top, below = (0b1 << 63 | 1,) * 12, (0b11 << 10,) * 12
    for align in Align:
        picture = Picture(Role.NAME, Bitmap(64, top + below), 2, align)
        job = encode([picture], NARROW)
        bands = [data for command, data in commands(job) if command == b"\x1dv0"]
        assert int.from_bytes(bands[0][1:3], "little") == 8
        assert int.from_bytes(bands[1][1:3], "little") < 8
        image = printed(job, NARROW).papers[0].image.convert("L")
        left = (NARROW.dots - 128) * align // 2
        assert ImageChops.invert(image.crop((0, 0, NARROW.dots, 24))).getbbox() == (left, 0, left + 128, 24)
        assert ImageChops.invert(image.crop((0, 24, NARROW.dots, 48))).getbbox() == (left + 104, 0, left + 108, 24)


def test_long_feeds_are_split() -> None:
    assert list(chunks([Feed(600)], NARROW))[1] == b"\x1bJ\xff\x1bJ\xff\x1bJ\x5a"


ESC_POS = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.QR])
def test_control_characters_never_reach_the_printer(role: Role) -> None:
    evil = "A\x1b@n\x1dV\x00n\x10\x04\x01a\u202e\u2066\u200f\x9b\x85\ufeff" + ESC_POS
    assert print_bytes([Block(role, evil)], NARROW) == print_bytes([Block(role, "A@n Vna")], NARROW)


def test_control_characters_never_reach_the_qr_code() -> None:
    page = lay_out([Block(Role.QR, "a\x10\x04\x01\x1b@b")], NARROW)
    assert page[0] == NativeQr(Role.QR, "a@b", 4, Align.CENTRE)


@given(role=st.sampled_from(Role), text=st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_no_text_in_any_role_breaks_the_job(role: Role, text: str) -> None:
    label = Media(kind="label", length_mm=30, turned=True)
    for profile in (NARROW, SHIPPED["generic-80-noqr"], replace(NARROW, media=label)):
        # A name makes a badge of it, which is what is turned.
        job = print_bytes([Block(Role.NAME, "Ada"), Block(role, text)], profile)
        assert [command for command, _ in commands(job)][:3] == [b"\x1b@", b"\x1c.", b"\x1bR"]
        assert not REAL_TIME.search(job)
        for command, data in commands(job):
            if command == b"\x1dv0":
                assert int.from_bytes(data[1:3], "little") * 8 * (2 if data[0] else 1) <= profile.dots


@given(st.lists(st.sampled_from(b"\x10\x04\x05\x14\x00\x08\x20\xff"), min_size=4, max_size=400))
def test_no_picture_holds_a_real_time_command(dots: list[int]) -> None:
    rows = tuple(high << 8 | low for high, low in pairwise(dots))
    job = encode([Picture(Role.NAME, Bitmap(16, rows), 1, Align.LEFT)], NARROW)
    assert not REAL_TIME.search(job)


def test_ten_thousand_letters_are_cut_and_not_clipped() -> None:
    for profile in (NARROW, WIDE):
        printer = printed(print_bytes([Block(role, "n" * 10_000) for role in Role], profile), profile)
        assert len(printer.papers) == 1
        assert printer.papers[0].image.height < 4000


def test_a_page_of_nothing_is_still_a_job() -> None:
    assert print_bytes([], WIDE) == b"\x1b@\x1c.\x1bR\x00\x1dV\x42\x00"
