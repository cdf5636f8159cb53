"""The world's names: glyphs, places and order are compared with `hb-shape` and `fribidi`, which know nothing of our code.

This side goes by Unicode's character names where ours goes by script properties, and by fribidi where ours has python-bidi.
"""

from __future__ import annotations

import csv
import re
import subprocess
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import freetype
import pytest

from drivers.printers.layout import Feed, Picture, lay_out
from drivers.printers.profiles import SHIPPED
from drivers.printers.shape import clean, draw, missing, printable, shape
from drivers.printers.typefaces import FOLDER
from kiosk.badge import Block, Role

with (Path(__file__).parents[2] / "data" / "names.tsv").open(encoding="utf-8", newline="") as file:
    CORPUS = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
NAMES = [unicodedata.normalize("NFC", row["name"]) for row in CORPUS]
EACH = pytest.mark.parametrize("name", NAMES, ids=[f"{row['orthography']}-{number}" for number, row in enumerate(CORPUS)])

# The first word of a letter's Unicode name, and the font that it must come from.
FONTS = {
    **dict.fromkeys(("LATIN", "CYRILLIC", "GREEK", "DIGIT"), "NotoSans-Bold.ttf"),
    **dict.fromkeys(("CJK", "HIRAGANA", "KATAKANA", "HANGUL"), "DroidSansFallback.ttf"),
    **{
        font.upper(): f"NotoSans{font}-Bold.ttf"
        for font in (
            *("Arabic", "Armenian", "Bengali", "Devanagari", "Ethiopic", "Georgian", "Gujarati", "Gurmukhi", "Hebrew"),
            *("Kannada", "Khmer", "Lao", "Malayalam", "Myanmar", "Sinhala", "Tamil", "Telugu", "Thai"),
        )
    },
}


class Piece(NamedTuple):
    """A run as the independent side sees it; glyphs as (number, x, y, advance) in font units."""

    font: str
    backward: bool
    text: str
    glyphs: tuple[tuple[int, int, int, int], ...] = ()


def directions(names: list[str]) -> list[tuple[list[int], list[int]]]:
    """Return each name's visual places and embedding levels, by fribidi."""
    command = ["fribidi", "--charset=UTF-8", "--novisual", "--nobreak", "--ltov", "--levels"]
    lines = subprocess.run(
        command, input="\n".join(names) + "\n", text=True, capture_output=True, check=True, timeout=60
    ).stdout
    numbers = [[int(number) for number in line.split()] for line in lines.splitlines() if line]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def pieces(name: str, places: list[int], levels: list[int]) -> list[Piece]:
    """Return a name's runs from left to right; what is no letter goes with what is before it, or with its opening bracket."""
    words: list[str] = []
    for place, char in enumerate(name):
        word = unicodedata.name(char).split()[0]
        words.append(word if word in FONTS else words[name.rindex("(", 0, place) if char == ")" else -1])
    # Hebrew and others share the apostrophe, and leave it to the Latin font.
    fonts = [FONTS[word] if has(FONTS[word], char) else FONTS["LATIN"] for word, char in zip(words, name, strict=True)]
    runs = [list(run) for _, run in groupby(range(len(name)), key=lambda at: (words[at], fonts[at], levels[at]))]
    runs.sort(key=lambda run: min(places[place] for place in run))
    return [Piece(fonts[run[0]], bool(levels[run[0]] % 2), "".join(name[place] for place in run)) for run in runs]


@cache
def face(font: str) -> freetype.Face:
    return freetype.Face(str(FOLDER / font))


def has(font: str, char: str) -> bool:
    # Joiners have no glyph of their own and need none.
    return char in "\u200c\u200d" or bool(face(font).get_char_index(char))


def hb_shape(font: str, backward: bool, texts: list[str], folder: Path) -> Iterator[tuple[tuple[int, int, int, int], ...]]:
    lines = folder / "texts"
    lines.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    command = [
        "hb-shape",
        f"--font-file={FOLDER / font}",
        f"--text-file={lines}",
        f"--direction={'rtl' if backward else 'ltr'}",
    ]
    command += ["--language=und", "--remove-default-ignorables", "--no-glyph-names", "--no-clusters"]
    done = subprocess.run(command, text=True, capture_output=True, check=True, timeout=60).stdout
    for line in done.splitlines():
        found = re.findall(r"(\d+)(?:@(-?\d+),(-?\d+))?\+(-?\d+)", line)
        yield tuple((int(number), int(x or 0), int(y or 0), int(advance)) for number, x, y, advance in found)


@pytest.fixture(scope="module")
def independent(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Piece]]:
    runs = {name: pieces(name, *direction) for name, direction in zip(NAMES, directions(NAMES), strict=True)}
    calls: dict[tuple[str, bool], list[str]] = defaultdict(list)
    for run in (run for of_name in runs.values() for run in of_name):
        calls[run.font, run.backward].append(run.text)
    folder = tmp_path_factory.mktemp("shaped")
    shaped = {
        (*call, text): glyphs
        for call, texts in calls.items()
        for text, glyphs in zip(texts, hb_shape(*call, texts, folder), strict=True)
    }
    return {name: [run._replace(glyphs=shaped[run[:3]]) for run in of_name] for name, of_name in runs.items()}


def test_the_corpus_is_wide_enough() -> None:
    assert len(set(NAMES)) >= 120
    assert len({script for row in CORPUS for script in row["scripts"].split()}) >= 20
    assert len({row["orthography"].split("-")[0] for row in CORPUS}) >= 50
    assert {1, 30} <= {len(name) for name in NAMES}
    assert any(row["name"] != name for row, name in zip(CORPUS, NAMES, strict=True))
    assert all(any(char in name for name in NAMES) for char in "'’-‑\u200c\u200d")


@EACH
def test_every_name_is_printed_in_its_own_letters(name: str) -> None:
    assert missing(name) == set()
    assert printable(clean(name, 48)) == name


@EACH
def test_glyphs_places_and_order_are_an_independent_shaper_s(name: str, independent: dict[str, list[Piece]]) -> None:
    ours = shape(name, 1000, bold=True)
    theirs = independent[name]
    assert [run.face.file for run in ours] == [run.font for run in theirs]
    for run, other in zip(ours, theirs, strict=True):
        assert [glyph.number for glyph in run.glyphs] == [glyph[0] for glyph in other.glyphs]
        assert 0 not in [glyph.number for glyph in run.glyphs]
        unit = run.em / face(other.font).units_per_EM
        for glyph, (_, x, y, advance) in zip(run.glyphs, other.glyphs, strict=True):
            assert (glyph.x, glyph.y, glyph.advance) == pytest.approx((x * unit, y * unit, advance * unit), abs=unit)


@EACH
def test_the_picture_holds_all_the_ink_of_the_outlines(name: str, independent: dict[str, list[Piece]]) -> None:
    caps = 48
    boxes: list[tuple[float, float, float, float]] = []
    pen = fat = 0.0
    for run, ours in zip(independent[name], shape(name, caps, bold=True), strict=True):
        font = face(run.font)
        unit = ours.em / font.units_per_EM
        fat = max(fat, ours.em / 40 if ours.face.light else 0)
        for number, x, y, advance in run.glyphs:
            font.load_glyph(number, freetype.FT_LOAD_NO_SCALE)
            box = font.glyph.outline.get_bbox()
            if box.xMax > box.xMin:
                left, down = pen + x * unit, y * unit
                boxes.append((left + box.xMin * unit, left + box.xMax * unit, down + box.yMin * unit, down + box.yMax * unit))
            pen += advance * unit
    lefts, rights, lows, highs = zip(*boxes, strict=True)
    ink = draw(name, caps, bold=True)
    assert ink.width == pytest.approx(max(rights) - min(lefts) + fat, abs=2)
    assert ink.height == pytest.approx(max(highs) - min(lows) + fat, abs=2)


@pytest.mark.parametrize("profile", ["generic-58", "generic-80"])
@EACH
def test_no_name_is_wider_than_the_paper(name: str, profile: str) -> None:
    page = lay_out([Block(Role.NAME, name)], SHIPPED[profile])
    pictures = [item for item in page if isinstance(item, Picture)]
    assert pictures
    assert len(pictures) + sum(isinstance(item, Feed) for item in page) == len(page)
    assert all(item.bitmap.width * item.zoom <= SHIPPED[profile].dots for item in pictures)
