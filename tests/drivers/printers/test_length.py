"""The way of a page is estimated on the long side, and not by much."""

from __future__ import annotations

import pytest

from drivers.printers.length import rows_of
from drivers.virtual.mechanics import in_hand
from drivers.virtual.paper import loaded as paper
from tests.badges.cases import PAGES, loaded, page_bytes


@pytest.mark.parametrize("layout", ["roll", "label"])
@pytest.mark.parametrize("printer", ["generic-58", "generic-80-noqr"])
def test_each_page_moves_the_paper_as_far_as_estimated_or_a_little_less(printer: str, layout: str) -> None:
    kind = loaded(printer, layout)
    labels = paper(kind.media.kind, kind.media.length_mm, kind.dpmm)
    for name in PAGES:
        page = page_bytes(name, printer, layout)
        way = in_hand(page, dots=kind.dots, cutter=kind.cut, labels=labels).millimetres * 8
        estimate = rows_of(page)
        assert way <= estimate, name
        if layout == "roll":
            assert estimate < way * 1.4, name


def test_bytes_that_are_no_page_have_a_length_too() -> None:
    assert rows_of(b"") == rows_of(b"\x1b") == rows_of(b"\x1dv0\x00\x48") == 0
    assert rows_of(b"\x1dv0\x03\x48\x00\x18\x00") == 48
    assert rows_of(b"\x1d(k\xff\xff") == 0
