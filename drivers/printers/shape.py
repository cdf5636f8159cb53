"""From a line of text in any script to a picture: cleaning, script and direction (UAX #24, UAX #9), fonts, shaping, drawing.

Needs no library of the system: python-bidi resolves directions; uharfbuzz and freetype-py bring what shapes and draws.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import accumulate, groupby, pairwise
from typing import NamedTuple

from drivers.printers.bitmap import Bitmap, compose
from drivers.printers.typefaces import LATIN, LATIN_BOLD, Typeface, find, open_font, script_of

# Joiners decide how Persian and Indic letters connect; all other invisible characters can only do harm.
_ZWJ = "\u200d"
_JOINERS = f"\u200c{_ZWJ}"
# What has no ink of its own: joiners, variation selectors, the grapheme joiner, Hangul's fillers.
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u180b-\u180d\u180f\u200c\u200d\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
# Vowels that are written before their consonant, and stored so.
_BEFORE = "เแโใไເແໂໃໄ"
# Malayalam's consonants without a vowel, which end a syllable.
_FINAL = "ൺൻർൽൾൿ"
_VIRAMA = 9
"""Its combining class."""
# The scripts whose letters join hands.
_CURSIVE = frozenset({"Adlm", "Arab", "Mand", "Mong", "Nkoo", "Rohg", "Syrc"})
_PICTURES = frozenset({"So", "Sk"})
_PICTURES_AT_MOST = 3
_EMOJI = re.compile(r":([a-z0-9_+-]+):")
_LEVEL = re.compile(r"Level\(\s*(\d+)")
_MARKS_AT_MOST = 4
_LARGE = 30


class Glyph(NamedTuple):
    """A glyph by its number in the font, where it stands from the pen (y upwards) and how far the pen moves; in dots."""

    number: int
    x: float
    y: float
    advance: float


class Run(NamedTuple):
    """A piece of a line in one script, direction and typeface: its glyphs from left to right, the em in dots."""

    face: Typeface
    em: float
    glyphs: tuple[Glyph, ...]


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
    """Return the characters of the text that no font here has."""
    lost: set[str] = set()
    for letter, script in _itemised(text):
        if not _drawable(letter, script):
            # Each mark may be in a font, and yet none has it together with its letter.
            lost |= {char for char in letter if not _drawable(char, script)} or set(letter[1:])
    return lost


def printable(text: str) -> str:
    """Return the text with what no font here has in Latin letters instead.

    Single letters of European scripts are replaced, words of other scripts as a whole. Pictures (emoji) are left out where
    anything else can be read, and told in words where nothing can.
    """
    parts: list[str] = []
    pictures: list[str] = []
    for _, group in groupby(_itemised(text), key=_word):
        word = list(group)
        mended = [_mended(*item) for item in word]
        if None in mended and unicodedata.category(word[0][0][0]) in _PICTURES:
            pictures += [letter for letter, _ in word]
        elif None in mended and word[0][1] not in LATIN_BOLD.scripts:
            parts.append(_capital(_in_latin("".join(letter for letter, _ in word))))
        else:
            parts += [_in_latin(item[0]) if better is None else better for item, better in zip(word, mended, strict=True)]
    line = "".join(parts)
    if pictures and not any(char.isalnum() for char in line):
        line = _capital(_in_latin("".join(pictures[:_PICTURES_AT_MOST])))
    return " ".join(line.split())


def clusters(text: str) -> list[str]:
    """Return the text in pieces not to be torn apart: a letter with its marks, and what a virama or joiner binds to it.

    Where two letters join hands (Arabic), each has a joiner at that side: torn apart or not, they keep their form. Two that
    melt into one stay together. Pieces that were put together again come out the same.
    """
    items = _itemised(text.replace(_ZWJ * 2, ""))
    pieces = [letter for letter, _ in items[:1]]
    for (left, script), (right, _) in pairwise(items):
        bond = _bond(left, right, script) if script in _CURSIVE else None
        if bond == "":
            pieces[-1] += right
        elif bond:
            pieces[-1] += bond
            pieces.append(bond + right)
        else:
            pieces.append(right)
    return pieces


def right_to_left(text: str) -> bool:
    """Tell whether the text as a whole runs from right to left (UAX #9, P2 and P3)."""
    from bidi import get_base_level

    return bool(get_base_level(text))


def measure(text: str, caps: float, *, bold: bool) -> float:
    """Return the width of a line of text whose capitals are `caps` dots high, in dots."""
    return sum(glyph.advance for run in shape(text, caps, bold=bold) for glyph in run.glyphs)


def draw(text: str, caps: float, *, bold: bool, squeeze: float = 1.0) -> Bitmap:
    """Return a line of text as a picture trimmed to ink, its capitals `caps` dots high, its widths times `squeeze`."""
    parts: list[tuple[int, int, Bitmap]] = []
    pen = 0.0
    for run in shape(text, caps, bold=bold, squeeze=squeeze):
        for glyph in run.glyphs:
            left, top, ink = _ink(run.face, run.em, squeeze, glyph.number)
            parts.append((round(pen + glyph.x) + left, -round(glyph.y) - top, ink))
            pen += glyph.advance
    return compose(parts)


@lru_cache(maxsize=64)
def shape(text: str, caps: float, *, bold: bool, squeeze: float = 1.0) -> tuple[Run, ...]:
    """Return the runs of a line from left to right, as they are drawn; none has the glyph of a missing character (0)."""
    shaped: list[Run] = []
    for level, script, face, piece in _visual(_runs(text, bold)):
        run = _shaped(piece, script, face, caps, squeeze, backward=bool(level % 2))
        if any(glyph.number == 0 for glyph in run.glyphs):
            latin = LATIN_BOLD if bold else LATIN
            run = _shaped(_in_latin(piece), "Latn", latin, caps, squeeze, backward=False)
        shaped.append(run)
    return tuple(shaped)


def _letters(text: str) -> list[str]:
    """Return each letter with its marks, and what a virama or joiner binds to it."""
    letters: list[str] = []
    for char in text:
        bound = letters and (
            unicodedata.category(char)[0] == "M"
            or char in _JOINERS
            or char in _FINAL
            or unicodedata.combining(letters[-1][-1]) == _VIRAMA
            or letters[-1][-1] in _JOINERS
            or letters[-1][-1] in _BEFORE
        )
        if bound:
            letters[-1] += char
        else:
            letters.append(char)
    return letters


def _itemised(text: str) -> list[tuple[str, str | None]]:
    """Return each letter with its script (UAX #24): what scripts share is of the script before it, or else after it."""
    letters = _letters(text)
    own = [next(filter(None, map(script_of, letter)), None) for letter in letters]
    current = next(filter(None, own), None)
    opened: list[str | None] = []
    items: list[tuple[str, str | None]] = []
    for letter, script in zip(letters, own, strict=True):
        category = unicodedata.category(letter[0])
        # A closing bracket is of the script of the opening one.
        current = script or (opened.pop() if opened and category in {"Pe", "Pf"} else current)
        if category in {"Ps", "Pi"}:
            opened.append(current)
        items.append((letter, current))
    return items


def _word(item: tuple[str, str | None]) -> str | None:
    """Return what the letters of a word have in common: its script; each sign is by itself."""
    letter, script = item
    return script if script_of(letter[0]) else letter


def _drawable(letter: str, script: str | None) -> bool:
    return find(_INVISIBLE.sub("", letter), script, bold=True) is not None


def _mended(letter: str, script: str | None) -> str | None:
    """Return the letter as a font has it: itself, in compatible characters, or without its marks; None when none has it."""
    bare = "".join(char for char in letter if unicodedata.category(char) not in {"Mn", "Me"})
    for other in (letter, unicodedata.normalize("NFC", unicodedata.normalize("NFKD", letter)), bare):
        if other and all(_drawable(*item) for item in ([(other, script)] if other == letter else _itemised(other))):
            return other
    return None


def _in_latin(text: str) -> str:
    """Return the text in ASCII letters; pictures by their names."""
    from anyascii import anyascii

    return _EMOJI.sub(lambda name: name[1].replace("_", " ").replace("-", " ") + " ", anyascii(text)).strip(" '`")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _levels(text: str) -> list[int]:
    """Return the embedding level of each character (UAX #9)."""
    if not any(unicodedata.bidirectional(char) in {"R", "AL", "AN"} for char in text):
        return [0] * len(text)
    from bidi import get_display

    # The library tells its levels in its words for debugging only: one for each byte of UTF-8, after the (escaped) text.
    words = get_display(text, debug=True).partition("\n    levels: [")[2].partition("paragraphs: [")[0]
    levels = [int(level) for level in _LEVEL.findall(words)]
    starts = accumulate((len(char.encode()) for char in text[:-1]), initial=0)
    return [levels[start] for start in starts]


def _runs(text: str, bold: bool) -> list[tuple[int, str | None, Typeface, str]]:
    """Return pieces of one level, script and typeface, in logical order."""
    levels = _levels(text)
    items: list[tuple[int, str | None, Typeface, str]] = []
    place = 0
    for letter, script in _itemised(text):
        # Digits and signs are as high as capitals: another script's font, set large for its letters, has them too large.
        shared = script_of(letter[0]) is None and unicodedata.category(letter[0])[0] in "NS"
        # What `printable` would have taken out is spelled after shaping.
        face = find(_INVISIBLE.sub("", letter), None if shared else script, bold) or LATIN_BOLD
        items.append((levels[place], script, face, letter))
        place += len(letter)
    return [(*of, "".join(item[3] for item in group)) for of, group in groupby(items, key=lambda item: item[:3])]


def _visual(runs: list[tuple[int, str | None, Typeface, str]]) -> list[tuple[int, str | None, Typeface, str]]:
    """Return the runs from left to right (L2): from the highest level down to 1, each stretch of at least that turns round."""
    for level in range(max((run[0] for run in runs), default=0), 0, -1):
        start = 0
        for end in range(len(runs) + 1):
            if end == len(runs) or runs[end][0] < level:
                runs[start:end] = runs[start:end][::-1]
                start = end + 1
    return runs


def _shaped(piece: str, script: str | None, face: Typeface, caps: float, squeeze: float, *, backward: bool) -> Run:
    import uharfbuzz

    em = caps / face.body
    font = open_font(face.file).shaper
    font.scale = (round(em * squeeze * 64), round(em * 64))
    buffer = uharfbuzz.Buffer()
    buffer.add_str(piece)
    buffer.direction = "rtl" if backward else "ltr"
    if script is not None:
        buffer.script = script
    # Not the language of the system, which is nobody's name's. A broken syllable needs no dotted circle on a badge.
    buffer.language = "und"
    buffer.flags = uharfbuzz.BufferFlags.REMOVE_DEFAULT_IGNORABLES | uharfbuzz.BufferFlags.DO_NOT_INSERT_DOTTED_CIRCLE
    uharfbuzz.shape(font, buffer)
    glyphs = (
        Glyph(info.codepoint, position.x_offset / 64, position.y_offset / 64, position.x_advance / 64)
        for info, position in zip(buffer.glyph_infos, buffer.glyph_positions or (), strict=True)
    )
    return Run(face, em, tuple(glyphs))


@lru_cache(maxsize=256)
def _bond(left: str, right: str, script: str | None) -> str | None:
    """Return the joiner of two letters that have another form beside one; nothing ("") for a ligature; None for no bond."""

    def forms(text: str) -> list[int]:
        face = find(_INVISIBLE.sub("", text), script, bold=True) or LATIN_BOLD
        return [glyph.number for glyph in _shaped(text, script, face, 100, 1.0, backward=True).glyphs]

    if len(forms(left + right)) < len(forms(left)) + len(forms(right)):
        return ""
    return _ZWJ if forms(left) != forms(left + _ZWJ) and forms(right) != forms(_ZWJ + right) else None


def _ink(face: Typeface, em: float, squeeze: float, number: int) -> tuple[int, int, Bitmap]:
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
