"""From a line of text in any script to a picture: cleaning, direction (UAX #9), font choice, shaping, drawing.

Needs no library of the system: python-bidi resolves directions; uharfbuzz and freetype-py bring what shapes and draws.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from drivers.printers.bitmap import Bitmap, compose
from drivers.printers.typefaces import LATIN_BOLD, Typeface, find, has, open_font

# Joiners decide how Persian and Indic letters connect; all other invisible characters can only do harm.
_JOINERS = "\u200c\u200d"
_MARKS_AT_MOST = 4
_LARGE = 30


def clean(text: str, limit: int) -> str:
    """Return the text as it may be printed: NFC, one line, no control or direction characters, at most `limit` characters.

    A longer text ends in an ellipsis; whatever its length, only its first few hundred characters are looked at.
    """
    ahead = text[: 4 * limit + 64]
    kept: list[str] = []
    marks = 0
    for char in unicodedata.normalize("NFC", ahead):
        category = unicodedata.category(char)
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        if char.isspace():
            kept.append(" ")
        elif (category[0] != "C" or char in _JOINERS) and marks <= _MARKS_AT_MOST:
            kept.append(char)
    line = " ".join("".join(kept).split())
    return line if len(line) <= limit and len(ahead) == len(text) else line[: limit - 1].rstrip() + "…"


def missing(text: str) -> set[str]:
    """Return the characters of the text that no shipped font has."""
    return {char for char in set(text) if not _invisible(char) and find(char, bold=True) is None}


def printable(text: str) -> str:
    """Return the text with each character that no shipped font has put in other letters, or left out."""
    lost = missing(text)
    swap = {char: "".join(each for each in _substitute(char) if not missing(each)) for char in lost}
    return " ".join("".join(swap.get(char, char) for char in text).split())


def clusters(text: str) -> list[str]:
    """Return the text in pieces not to be torn apart: a letter with its marks, and what a virama or joiner binds to it."""
    pieces: list[str] = []
    for char in text:
        bound = pieces and (
            unicodedata.category(char)[0] == "M"
            or char in _JOINERS
            or unicodedata.combining(pieces[-1][-1]) == 9  # a virama
            or pieces[-1][-1] in _JOINERS
        )
        if bound:
            pieces[-1] += char
        else:
            pieces.append(char)
    return pieces


def right_to_left(text: str) -> bool:
    """Tell whether the text as a whole runs from right to left (UAX #9, P2 and P3)."""
    from bidi.algorithm import get_base_level

    return bool(get_base_level(text))


def measure(text: str, caps: float, *, bold: bool) -> float:
    """Return the width of a line of text whose capitals are `caps` dots high, in dots."""
    return sum(run.width for run in _shaped(text, caps, bold, 1.0))


def draw(text: str, caps: float, *, bold: bool, squeeze: float = 1.0) -> Bitmap:
    """Return a line of text as a picture trimmed to ink, its capitals `caps` dots high, its widths times `squeeze`."""
    parts: list[tuple[int, int, Bitmap]] = []
    pen = 0.0
    for run in _shaped(text, caps, bold, squeeze):
        for glyph in run.glyphs:
            left, top, ink = _glyph(run.face, run.em, squeeze, glyph.number)
            parts.append((round(pen + glyph.x) + left, -round(glyph.y) - top, ink))
            pen += glyph.advance
    return compose(parts)


class _Glyph(NamedTuple):
    number: int
    x: float
    y: float
    advance: float


class _Run(NamedTuple):
    face: Typeface
    em: float
    glyphs: tuple[_Glyph, ...]

    @property
    def width(self) -> float:
        return sum(glyph.advance for glyph in self.glyphs)


def _invisible(char: str) -> bool:
    return char in _JOINERS or "\ufe00" <= char <= "\ufe0f"


def _substitute(char: str) -> str:
    decomposed = unicodedata.normalize("NFKD", char)
    if decomposed != char:
        return decomposed
    # The standard's names spell most letters: TIFINAGH LETTER YAB, CHEROKEE LETTER GA.
    name = unicodedata.name(char, "")
    for mark in (" LETTER ", " VOWEL SIGN ", " SYLLABLE "):
        if mark in name:
            return name.partition(mark)[2].split()[-1].lower()
    digit = unicodedata.digit(char, None)
    return "" if digit is None else str(digit)


def _levels(text: str) -> list[int]:
    """Return the embedding level of each character (UAX #9); there are no explicit directions left in cleaned text."""
    from bidi import algorithm

    base = algorithm.get_base_level(text)
    # The library drops joiners ("BN") from its list; they go with the character before them.
    visible = [char for char in text if unicodedata.bidirectional(char) != "BN"]
    storage = {"base_level": base, "base_dir": "LR"[base], "chars": [], "runs": []}
    algorithm.get_embedding_levels("".join(visible), storage)
    algorithm.explicit_embed_and_overrides(storage)
    algorithm.resolve_weak_types(storage)
    algorithm.resolve_neutral_types(storage, False)
    algorithm.resolve_implicit_levels(storage, False)
    resolved = iter(storage["chars"])
    levels: list[int] = []
    for char in text:
        if unicodedata.bidirectional(char) == "BN":
            levels.append(levels[-1] if levels else base)
        else:
            levels.append(next(resolved)["level"])
    return levels


def _runs(text: str, bold: bool) -> Iterator[tuple[int, Typeface, str]]:
    """Return pieces of one level and one typeface, in logical order."""
    faces: list[Typeface] = []
    for char in text:
        # Marks, spaces and punctuation stay with the letters before them.
        joins = bool(faces) and (_invisible(char) or (unicodedata.category(char)[0] in "MPZ" and has(faces[-1], char)))
        face = faces[-1] if joins else find(char, bold)
        # A joiner with nothing before it, or what `printable` would have taken out, draws nothing in any font.
        faces.append(face or LATIN_BOLD)
    for (level, face), group in groupby(zip(_levels(text), faces, text, strict=True), key=lambda item: item[:2]):
        yield level, face, "".join(char for _, _, char in group)


def _visual(runs: list[tuple[int, Typeface, str]]) -> list[tuple[int, Typeface, str]]:
    """Return the runs from left to right (L2): from the highest level down to 1, each stretch of at least that turns round."""
    for level in range(max((run[0] for run in runs), default=0), 0, -1):
        start = 0
        for end in range(len(runs) + 1):
            if end == len(runs) or runs[end][0] < level:
                runs[start:end] = runs[start:end][::-1]
                start = end + 1
    return runs


@lru_cache(maxsize=64)
def _shaped(text: str, caps: float, bold: bool, squeeze: float) -> tuple[_Run, ...]:
    """Return the glyphs of a line in visual order, left to right."""
    import uharfbuzz

    shaped: list[_Run] = []
    for level, face, piece in _visual(list(_runs(text, bold))):
        em = caps / face.body
        font = open_font(face.file).shaper
        font.scale = (round(em * squeeze * 64), round(em * 64))
        buffer = uharfbuzz.Buffer()
        buffer.add_str(piece)
        buffer.guess_segment_properties()
        buffer.direction = "rtl" if level % 2 else "ltr"
        uharfbuzz.shape(font, buffer)
        glyphs = tuple(
            _Glyph(info.codepoint, position.x_offset / 64, position.y_offset / 64, position.x_advance / 64)
            for info, position in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True)
        )
        shaped.append(_Run(face, em, glyphs))
    return tuple(shaped)


def _glyph(face: Typeface, em: float, squeeze: float, number: int) -> tuple[int, int, Bitmap]:
    """Return a glyph's left and top distance from the pen (y upwards), and its picture."""
    import freetype

    # Small letters are fitted to the dots; large ones keep their form.
    large = em >= _LARGE
    glyphs = open_font(face.file).glyphs
    glyphs.set_char_size(round(em * squeeze * 64), round(em * 64), 72, 72)
    how = freetype.FT_LOAD_RENDER | freetype.FT_LOAD_TARGET_MONO
    glyphs.load_glyph(number, how | freetype.FT_LOAD_NO_HINTING if large else how)
    slot = glyphs.glyph
    ink = slot.bitmap
    raw, pitch = bytes(ink.buffer), ink.pitch
    spare = pitch * 8 - ink.width
    rows = tuple(int.from_bytes(raw[start : start + pitch]) >> spare for start in range(0, pitch * ink.rows, pitch))
    picture = Bitmap(ink.width, rows)
    return slot.bitmap_left, slot.bitmap_top, picture.fatter(round(em / 40)) if large and face.light else picture
