from __future__ import annotations

import subprocess
import sys

import pytest

from drivers.errors import ConfigError
from drivers.printers.profiles import CODE_PAGES, SHIPPED, profile


def test_our_own_profiles_are_there_with_and_without_qr() -> None:
    assert {name: (each.dots, each.columns, each.native_qr, each.cut) for name, each in SHIPPED.items()} == {
        "generic-58": (384, 32, True, False),
        "generic-58-noqr": (384, 32, False, False),
        "generic-80": (576, 48, True, True),
        "generic-80-noqr": (576, 48, False, True),
    }
    assert all(profile(name) is each for name, each in SHIPPED.items())


def test_a_profile_of_python_escpos_is_found_by_its_name() -> None:
    found = profile("TM-T20II")
    assert (found.dots, found.columns, found.cut, found.native_qr) == (576, 48, True, True)
    assert found.code_pages["cp858"] == 19
    assert set(found.code_pages) <= set(CODE_PAGES.values())


def test_a_printer_that_can_neither_cut_nor_draw_qr_codes_is_known_as_such() -> None:
    found = profile("POS-5890")
    assert (found.dots, found.cut, found.native_qr) == (384, False, False)


def test_an_unknown_profile_is_told_with_the_closest() -> None:
    with pytest.raises(ConfigError, match="'generic58' is not a printer profile; the closest is generic-58;"):
        profile("generic58")
    with pytest.raises(ConfigError, match="the closest is TM-T88V;"):
        profile("tm-t88v")


def test_a_printer_whose_width_nobody_told_is_refused() -> None:
    with pytest.raises(ConfigError, match="'AF-240' tells no width that a badge fits on; use one of generic-58"):
        profile("AF-240")


@pytest.mark.parametrize("name", ["TM-U220", "TM-U220B", "TSP600"])
def test_a_printer_without_pictures_of_our_kind_is_refused(name: str) -> None:
    """Two with needles, and one that speaks Star."""
    with pytest.raises(ConfigError, match=f"'{name}' has no ESC/POS pictures .* switch it on and use one of generic-58"):
        profile(name)


@pytest.mark.parametrize(
    ("name", "pages"),
    [
        ("POS-5890", {"cp858": 19, "cp437": 0, "cp850": 2, "cp852": 18, "cp866": 17, "cp1252": 16}),  # also at 50 and more
        ("CT-S651", {"cp858": 19, "cp437": 0, "cp850": 2, "cp852": 6, "cp866": 7, "cp1252": 9}),
        ("TH230", {"cp858": 6, "cp437": 0, "cp850": 1, "cp852": 2, "cp866": 7, "cp1252": 8}),
        ("ZJ-5870", {"cp437": 0, "cp850": 2, "cp852": 18, "cp866": 17, "cp1252": 16}),
    ],
)
def test_the_first_number_of_a_code_page_counts(name: str, pages: dict[str, int]) -> None:
    found = profile(name).code_pages
    assert found == pages
    assert list(found) == [codec for codec in CODE_PAGES.values() if codec in pages]


@pytest.mark.parametrize(
    ("name", "dots", "dpmm"), [("TM-T88V", 512, 7), ("T-1", 504, 7), ("TM-T20II-42col", 544, 8), ("RP-F10-58mm", 432, 8)]
)
def test_width_and_resolution_are_those_of_the_head(name: str, dots: int, dpmm: int) -> None:
    found = profile(name)
    assert (found.dots, found.dpmm) == (dots, dpmm)
    assert found.dots % 8 == 0


def test_a_profile_imports_no_printer_library_and_no_fonts() -> None:
    heavy = ("escpos", "PIL", "freetype", "uharfbuzz", "segno", "yaml")
    code = (
        "import sys; from drivers.printers import page; from drivers.printers.profiles import profile;"
        f"profile('generic-58'); profile('TM-T20II'); print([each for each in {heavy} if each in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout.strip() == "[]"
