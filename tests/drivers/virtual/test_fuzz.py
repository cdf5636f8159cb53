"""Whatever a printer is sent: it survives, says what it does not understand, and stays small."""

from __future__ import annotations

import contextlib
import time
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.printers.page import print_bytes
from drivers.printers.profiles import profile
from drivers.virtual.paper import LONGEST_ROWS
from drivers.virtual.printer import Clone, Labels, UnknownBytesError, VirtualPrinter
from firmware_py.samples import samples
from firmware_py.texts import load_texts
from kiosk.badge import blocks

COMMANDS = [
    b"\x1b@", b"\x1c.", b"\x1bt", b"\x1bR", b"\x1bE", b"\x1ba", b"\x1bJ", b"\x1bd", b"\x1b2", b"\x1b3", b"\x1b$", b"\x1d!",
    b"\x1dr", b"\x1da", b"\x1dI", b"\x1dL", b"\x1dW", b"\x1dV", b"\x1dv0", b"\x1d(k", b"\x1d(H", b"\x1d\x0c", b"\x1cq",
    b"\x1cp", b"\x10\x04", b"\x10\x05", b"\x10\x14",
    b"\n", b"\x1d(k\x03\x001Q0", b"\x1d(k\x06\x001P0abc", b"\x1dv0\x03\x02\x00\x03\x00",
]  # fmt: skip
KINDS = {
    "strict": {},
    "lenient": {"strict": False},
    "clone": {"clone": Clone(code_pages={1: "cp1253", 19: ""})},
    "labels": {"strict": False, "labels": Labels(pitch_rows=100), "lost_left": 9, "dots": 384},
}


@cache
def page(sample: str, name: str) -> bytes:
    """Return a real badge."""
    return print_bytes(blocks(samples()[sample], load_texts()), profile(name))


bytes_ = st.lists(st.one_of(st.sampled_from(COMMANDS), st.binary(max_size=8)), max_size=40).map(b"".join)
pages = st.builds(page, st.sampled_from(sorted(samples())), st.sampled_from(["generic-58", "generic-80-noqr"]))


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """Real badges with bytes changed, put in, left out, and cut off at an end."""
    data = bytearray(draw(pages))
    for at in draw(st.lists(st.integers(0, len(data) - 1), max_size=8)):
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(data[draw(st.integers(0, 50)) : draw(st.integers(0, len(data)))])


def print_anything(kind: str, data: bytes) -> None:
    """Print; only a strict printer may object, and only in one way."""
    printer = VirtualPrinter(**KINDS[kind])  # type: ignore[arg-type]  # a table of arguments
    with contextlib.suppress(UnknownBytesError) if kind == "strict" else contextlib.nullcontext():
        printer.feed(data)
    printer.tear()
    assert all(slip.height <= LONGEST_ROWS for slip in printer.papers)


@pytest.mark.parametrize("kind", KINDS)
@given(data=bytes_)
@settings(deadline=None)
def test_any_bytes_are_survived(kind: str, data: bytes) -> None:
    print_anything(kind, data)


@pytest.mark.parametrize("kind", KINDS)
@given(data=mutants())
@settings(deadline=None, max_examples=40)
def test_torn_and_spoilt_badges_are_survived(kind: str, data: bytes) -> None:
    print_anything(kind, data)


@given(data=bytes_, cuts=st.lists(st.integers(0, 400), max_size=6))
@settings(deadline=None)
def test_any_chunking_of_anything_prints_the_same(data: bytes, cuts: list[int]) -> None:
    # But for real-time commands, which overtake what came with them.
    data = data.replace(b"\x10", b"")
    whole, chunked = VirtualPrinter(strict=False), VirtualPrinter(strict=False)
    whole.feed(data)
    start = 0
    for end in [*sorted(cuts), len(data)]:
        chunked.feed(data[start:end])
        start = max(start, end)
    for printer in (whole, chunked):
        printer.tear()
    assert chunked.papers == whole.papers
    assert chunked.errors == whole.errors


@given(data=bytes_, rows=st.integers(1, 300), fault=st.sampled_from(["paper_out_after", "jam_paper_after", "power_cut_after"]))
@settings(deadline=None)
def test_whatever_fails_within_any_bytes_paper_moves_no_farther_and_it_prints_again(data: bytes, rows: int, fault: str) -> None:
    printer = VirtualPrinter(strict=False, cutter=False)
    getattr(printer, fault)(rows)
    printer.feed(data)
    stopped = not printer.can_print
    printer.power_on()
    printer.paper_in()
    printer.clear_jam()
    if stopped:
        assert printer.scraps[0].height == rows
    printer.drop_input()
    printer.feed(b"\x1b@\x1c.Alva\n")
    printer.tear()
    assert printer.papers[-1].texts[-1:] == ("Alva",)


def test_a_huge_image_is_refused_by_its_size_and_waits_for_its_bytes_where_it_is_allowed() -> None:
    with pytest.raises(UnknownBytesError):
        VirtualPrinter().feed(b"\x1b@\x1dv0\x03\xff\xff\xff\xff")
    printer = VirtualPrinter(strict=False)
    printer.feed(b"\x1b@\x1dv0\x03\xff\xff\xff\x08" + bytes(10_000))
    assert printer.room > 0
    printer.drop_input()
    printer.feed(b"\x1c.Alva\n\x1dVB\x00")
    assert printer.papers[-1].texts == ("Alva",)


def test_a_badge_is_printed_in_a_twentieth_of_a_second() -> None:
    data = page("nordic", "generic-80")
    VirtualPrinter().feed(data)
    took = []
    for _ in range(5):
        began = time.thread_time()
        VirtualPrinter().feed(data)
        took.append(time.thread_time() - began)
    assert min(took) < 0.05
