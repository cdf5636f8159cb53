"""The time that a page takes: reckoned by hand here, from the figures of the shared printer model."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from drivers.virtual.mechanics import MECHANICS_58, MECHANICS_80, Mechanics, in_hand
from drivers.virtual.printer import Labels, UnknownBytesError

START = b"\x1b@\x1c."
TO_TEAR = b"\x1bJ\x80"
CUT = b"\x1dVB\x00"
BAND = b"\x1dv0\x00\x01\x00\x60\x00" + b"\xff" * 96
"""12 mm in 104 bytes."""
NAME = b"ALVA\n"
"""30 rows in 5 bytes."""


def test_the_figures_are_those_of_the_shared_model() -> None:
    shared = files("firmware_py") / "data" / "badges.json"
    model = json.loads(shared.read_text())["printer_model"]
    for mechanics, name, feed in ((MECHANICS_58, "58mm", "feed_to_tear_mm"), (MECHANICS_80, "80mm", "feed_to_blade_mm")):
        theirs = model[name]
        assert (mechanics.head_mm_per_s, mechanics.start_s) == (theirs["head_mm_per_s"], theirs["start_s"])
        assert (mechanics.feed_mm, mechanics.cut_s) == (theirs[feed], theirs.get("cut_s", 0.0))


def test_with_all_bytes_there_the_page_takes_the_mechanical_floor() -> None:
    timing = in_hand(START + BAND + NAME + TO_TEAR, dots=384, cutter=False, mechanics=MECHANICS_58, baud=None)
    assert timing.millimetres == 12 + 3.75 + 16
    assert timing.floor == pytest.approx(0.05 + 31.75 / 60)
    assert timing.seconds == pytest.approx(timing.floor)
    assert (timing.first_move, timing.stalls) == (0.05, 0)


def test_a_cut_moves_to_the_blade_and_takes_its_time() -> None:
    timing = in_hand(START + BAND + CUT, dots=576, cutter=True, mechanics=MECHANICS_80, baud=None)
    assert timing.seconds == pytest.approx(0.05 + (12 + 16) / 150 + 0.35)


def test_a_page_that_was_not_fed_to_the_tear_bar_is_fed_by_hand_and_no_farther() -> None:
    ends = {}
    for fed in (0, 100, 128, 200):
        page = START + BAND + (b"\x1bJ" + bytes([fed]) if fed else b"")
        ends[fed] = in_hand(page, dots=384, cutter=False, mechanics=MECHANICS_58, baud=None).millimetres
    assert ends == {0: 12 + 16, 100: 12 + 16, 128: 12 + 16, 200: 12 + 25}


def test_nothing_moves_before_the_first_command_is_there_whole() -> None:
    timing = in_hand(START + BAND + TO_TEAR, dots=384, cutter=False, mechanics=MECHANICS_58, baud=9600)
    assert timing.first_move == pytest.approx((4 + 104) * 10 / 9600 + 0.05)
    assert timing.seconds == pytest.approx(timing.first_move + 28 / 60)


def test_the_head_waits_for_bytes_and_starts_anew() -> None:
    # 12 mm take 0.2 s; the next band is there 0.43 s after the first.
    timing = in_hand(START + BAND + BAND + TO_TEAR, dots=384, cutter=False, mechanics=MECHANICS_58, baud=2400)
    assert timing.stalls == 1
    assert timing.seconds == pytest.approx((4 + 2 * 104) * 10 / 2400 + 0.05 + 28 / 60)
    fast = in_hand(START + BAND + BAND + TO_TEAR, dots=384, cutter=False, mechanics=MECHANICS_58, baud=19200)
    assert fast.stalls == 0
    assert fast.seconds == pytest.approx((4 + 104) * 10 / 19200 + 0.05 + 40 / 60)


def test_a_stop_for_the_cutter_is_no_stall_but_the_next_page_starts_anew() -> None:
    timing = in_hand(START + BAND + CUT + BAND + CUT, dots=576, cutter=True, mechanics=MECHANICS_80, baud=None)
    assert timing.stalls == 0
    assert timing.seconds == pytest.approx(2 * (0.05 + 28 / 150 + 0.35))


def test_a_full_buffer_holds_the_line_up() -> None:
    # A feed is a tenth of a second on the line, and half a second of paper. Ten of them keep a small buffer full: until the
    # last one begins, it holds that one's three bytes and three of the band.
    page = START + b"\x1bJ\xf0" * 10 + BAND
    ends = {}
    for buffer in (6, 4096):
        mechanics = Mechanics(head_mm_per_s=60, start_s=0.0, feed_mm=0, buffer_bytes=buffer)
        ends[buffer] = in_hand(page, dots=384, cutter=False, mechanics=mechanics, baud=300)
    first = (4 + 3) / 30
    assert ends[4096].seconds == pytest.approx(max(first + 5.0, (34 + 104) / 30) + 12 / 60)
    assert ends[6].seconds == pytest.approx(first + 9 * 0.5 + (104 - 3) / 30 + 12 / 60)


def test_a_page_without_paper_takes_no_time() -> None:
    assert in_hand(START, dots=384, cutter=False, mechanics=MECHANICS_58, baud=9600).seconds == 0


def test_a_label_is_fed_to_the_next_one() -> None:
    timing = in_hand(START + BAND + b"\x1d\x0c", dots=384, cutter=False, baud=None, labels=Labels(pitch_rows=400))
    assert timing.millimetres == 50


def test_more_baud_and_fewer_bytes_are_never_slower() -> None:
    page = START + BAND * 5 + NAME * 3 + TO_TEAR
    times = [in_hand(page, dots=384, cutter=False, baud=baud).seconds for baud in (1200, 9600, 19200, 115200, None)]
    assert times == sorted(times, reverse=True)


def test_bytes_that_are_not_understood_have_no_time() -> None:
    with pytest.raises(UnknownBytesError):
        in_hand(START + b"\x1bZ", dots=384, cutter=False)
