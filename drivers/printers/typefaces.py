"""The fonts that ship with Fikatap: which script is in which file, and how high its letters are."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent / "fonts"


class Typeface(NamedTuple):
    """A font file; `body` is the height of its capitals, or of its plain letters where there are none, as part of the em."""

    file: str
    body: float
    ranges: tuple[tuple[int, int], ...]
    """The code points that it is looked up for, from and to."""
    light: bool = False
    """Whether its strokes are thin beside the others': large letters get fatter."""


_EUROPE = (
    (0x20, 0x52F),
    (0x1C80, 0x1C8F),
    (0x1D00, 0x20CF),
    (0x2100, 0x218F),
    (0x2C60, 0x2C7F),
    (0x2DE0, 0x2E7F),
    (0xA640, 0xA69F),
    (0xA720, 0xA7FF),
)
_EVERYTHING = ((0x20, 0x10FFFF),)

LATIN_BOLD = Typeface("NotoSans-Bold.ttf", 0.714, _EUROPE)
LATIN = Typeface("NotoSans-Regular.ttf", 0.714, _EUROPE)

OTHERS = (
    Typeface("NotoSansArmenian-Bold.ttf", 0.714, ((0x530, 0x58F), (0xFB13, 0xFB17))),
    Typeface("NotoSansHebrew-Bold.ttf", 0.603, ((0x590, 0x5FF), (0xFB1D, 0xFB4F))),
    Typeface(
        "NotoSansArabic-Bold.ttf", 0.556, ((0x600, 0x6FF), (0x750, 0x77F), (0x8A0, 0x8FF), (0xFB50, 0xFDFF), (0xFE70, 0xFEFC))
    ),
    Typeface("NotoSansDevanagari-Bold.ttf", 0.622, ((0x900, 0x97F), (0xA8E0, 0xA8FF))),
    Typeface("NotoSansBengali-Bold.ttf", 0.6, ((0x980, 0x9FF),)),
    Typeface("NotoSansGurmukhi-Bold.ttf", 0.6, ((0xA00, 0xA7F),)),
    Typeface("NotoSansGujarati-Bold.ttf", 0.56, ((0xA80, 0xAFF),)),
    Typeface("NotoSansTamil-Bold.ttf", 0.55, ((0xB80, 0xBFF),)),
    Typeface("NotoSansTelugu-Bold.ttf", 0.52, ((0xC00, 0xC7F),)),
    Typeface("NotoSansKannada-Bold.ttf", 0.52, ((0xC80, 0xCFF),)),
    Typeface("NotoSansMalayalam-Bold.ttf", 0.52, ((0xD00, 0xD7F),)),
    Typeface("NotoSansSinhala-Bold.ttf", 0.55, ((0xD80, 0xDFF),)),
    Typeface("NotoSansThai-Bold.ttf", 0.561, ((0xE00, 0xE7F),)),
    Typeface("NotoSansLao-Bold.ttf", 0.55, ((0xE80, 0xEFF),)),
    Typeface("NotoSansMyanmar-Bold.ttf", 0.5, ((0x1000, 0x109F),)),
    Typeface("NotoSansGeorgian-Bold.ttf", 0.546, ((0x10A0, 0x10FF), (0x1C90, 0x1CBF), (0x2D00, 0x2D2F))),
    Typeface("NotoSansEthiopic-Bold.ttf", 0.714, ((0x1200, 0x139F), (0x2D80, 0x2DDF), (0xAB00, 0xAB2F))),
    Typeface("NotoSansKhmer-Bold.ttf", 0.55, ((0x1780, 0x17FF), (0x19E0, 0x19FF))),
    # Chinese, Japanese, Korean; and what little else it has.
    Typeface("DroidSansFallback.ttf", 0.74, _EVERYTHING, light=True),
)


class Font(NamedTuple):
    """An opened font: `glyphs` is FreeType's face, `shaper` HarfBuzz's font."""

    glyphs: Any
    shaper: Any


# A badge needs two or three; each costs little, since both libraries map the file.
@lru_cache(maxsize=4)
def open_font(file: str) -> Font:
    """Return the opened font of a file in the fonts folder; a file that is not there raises FileNotFoundError."""
    import freetype
    import uharfbuzz

    path = FOLDER / file
    if not path.exists():
        raise FileNotFoundError(f"the font {path} is missing: install Fikatap again")
    return Font(freetype.Face(str(path)), uharfbuzz.Font(uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(path)))))


def find(char: str, bold: bool) -> Typeface | None:
    """Return the typeface to print a character in, or None when no font has it."""
    code = ord(char)
    for face in (LATIN_BOLD if bold else LATIN, *OTHERS):
        if any(first <= code <= last for first, last in face.ranges) and has(face, char):
            return face
    return None


def has(face: Typeface, char: str) -> bool:
    """Tell whether the typeface has a glyph of its own for the character."""
    return bool(open_font(face.file).glyphs.get_char_index(ord(char)))
