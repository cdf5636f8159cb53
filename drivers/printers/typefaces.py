"""The fonts: which script (ISO 15924) is in which file, how high its letters are, and which package has what is missing."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from struct import iter_unpack
from typing import Any, NamedTuple

from drivers.errors import FikatapError

FOLDER = Path(__file__).parent / "fonts"
INSTALLED = (Path("/usr/share/fonts/truetype/noto"), Path("/usr/share/fonts/opentype/noto"))
"""Where Debian's fonts-noto-* packages put theirs, which are looked up by Noto's naming scheme."""


class FontError(FikatapError, OSError):
    """A font file is missing or damaged; the message names it and what to do."""


class Typeface(NamedTuple):
    """A font file in `FOLDER`, or any by its whole path."""

    file: str
    body: float
    """Height of its capitals, or of its plain letters where there are none, as part of the em."""
    scripts: tuple[str, ...]
    light: bool = False
    """Whether its strokes are thin beside the others': large letters get fatter."""


_EUROPE = ("Latn", "Cyrl", "Grek")
_EAST = ("Hani", "Hira", "Kana", "Hang", "Bopo")
"""Nobody tells us whether a Han name is Chinese or Japanese: both are in the one font."""

LATIN_BOLD = Typeface("NotoSans-Bold.ttf", 0.714, _EUROPE)
LATIN = Typeface("NotoSans-Regular.ttf", 0.714, _EUROPE)

OTHERS = (
    Typeface("NotoSansArmenian-Bold.ttf", 0.714, ("Armn",)),
    Typeface("NotoSansHebrew-Bold.ttf", 0.603, ("Hebr",)),
    Typeface("NotoSansArabic-Bold.ttf", 0.547, ("Arab",)),
    Typeface("NotoSansDevanagari-Bold.ttf", 0.622, ("Deva",)),
    Typeface("NotoSansBengali-Bold.ttf", 0.622, ("Beng",)),
    Typeface("NotoSansGurmukhi-Bold.ttf", 0.622, ("Guru",)),
    Typeface("NotoSansGujarati-Bold.ttf", 0.603, ("Gujr",)),
    Typeface("NotoSansTamil-Bold.ttf", 0.562, ("Taml",)),
    Typeface("NotoSansTelugu-Bold.ttf", 0.512, ("Telu",)),
    Typeface("NotoSansKannada-Bold.ttf", 0.575, ("Knda",)),
    Typeface("NotoSansMalayalam-Bold.ttf", 0.574, ("Mlym",)),
    Typeface("NotoSansSinhala-Bold.ttf", 0.612, ("Sinh",)),
    Typeface("NotoSansThai-Bold.ttf", 0.561, ("Thai",)),
    Typeface("NotoSansLao-Bold.ttf", 0.561, ("Laoo",)),
    Typeface("NotoSansMyanmar-Bold.ttf", 0.556, ("Mymr",)),
    Typeface("NotoSansGeorgian-Bold.ttf", 0.546, ("Geor",)),
    Typeface("NotoSansEthiopic-Bold.ttf", 0.714, ("Ethi",)),
    Typeface("NotoSansKhmer-Bold.ttf", 0.586, ("Khmr",)),
    Typeface("DroidSansFallback.ttf", 0.797, _EAST, light=True),
)

# The scripts of today's languages, by the name in Noto's files. All but the East's are in Debian's fonts-noto-core.
_NOTO = {
    **dict.fromkeys(_EUROPE, "NotoSans"),
    **dict.fromkeys(_EAST, "NotoSansCJK"),
    **{face.scripts[0]: face.file.removesuffix("-Bold.ttf") for face in OTHERS[:-1]},
    "Adlm": "NotoSansAdlam",
    "Ahom": "NotoSerifAhom",
    "Bali": "NotoSansBalinese",
    "Bamu": "NotoSansBamum",
    "Bass": "NotoSansBassaVah",
    "Batk": "NotoSansBatak",
    "Bugi": "NotoSansBuginese",
    "Buhd": "NotoSansBuhid",
    "Cakm": "NotoSansChakma",
    "Cans": "NotoSansCanadianAboriginal",
    "Cham": "NotoSansCham",
    "Cher": "NotoSansCherokee",
    "Copt": "NotoSansCoptic",
    "Dogr": "NotoSerifDogra",
    "Dsrt": "NotoSansDeseret",
    "Gong": "NotoSansGunjalaGondi",
    "Gonm": "NotoSansMasaramGondi",
    "Hano": "NotoSansHanunoo",
    "Hmng": "NotoSansPahawhHmong",
    "Hmnp": "NotoSerifNyiakengPuachueHmong",
    "Java": "NotoSansJavanese",
    "Kali": "NotoSansKayahLi",
    "Lana": "NotoSansTaiTham",
    "Lepc": "NotoSansLepcha",
    "Limb": "NotoSansLimbu",
    "Lisu": "NotoSansLisu",
    "Mand": "NotoSansMandaic",
    "Medf": "NotoSansMedefaidrin",
    "Mend": "NotoSansMendeKikakui",
    "Modi": "NotoSansModi",
    "Mong": "NotoSansMongolian",
    "Mroo": "NotoSansMro",
    "Mtei": "NotoSansMeeteiMayek",
    "Newa": "NotoSansNewa",
    "Nkoo": "NotoSansNKo",
    "Olck": "NotoSansOlChiki",
    "Orya": "NotoSansOriya",
    "Osge": "NotoSansOsage",
    "Osma": "NotoSansOsmanya",
    "Plrd": "NotoSansMiao",
    "Rohg": "NotoSansHanifiRohingya",
    "Runr": "NotoSansRunic",
    "Samr": "NotoSansSamaritan",
    "Saur": "NotoSansSaurashtra",
    "Sora": "NotoSansSoraSompeng",
    "Sund": "NotoSansSundanese",
    "Sylo": "NotoSansSylotiNagri",
    "Syrc": "NotoSansSyriac",
    "Tagb": "NotoSansTagbanwa",
    "Tale": "NotoSansTaiLe",
    "Talu": "NotoSansNewTaiLue",
    "Tavt": "NotoSansTaiViet",
    "Tfng": "NotoSansTifinagh",
    "Tglg": "NotoSansTagalog",
    "Thaa": "NotoSansThaana",
    "Tibt": "NotoSerifTibetan",
    "Vaii": "NotoSansVai",
    "Wara": "NotoSansWarangCiti",
    "Wcho": "NotoSansWancho",
    "Yezi": "NotoSerifYezidi",
    "Yiii": "NotoSansYi",
}
_WEIGHTS = ("-Bold.ttf", "-Bold.ttc", "-Bold.otf", "-Regular.ttf", "-Regular.ttc", "-Regular.otf")


class Font(NamedTuple):
    """An opened font: `glyphs` is FreeType's face, `shaper` HarfBuzz's font."""

    glyphs: Any
    shaper: Any


# All that ship, and some that are installed: a letter that no font has is looked for in each. One costs some 170 kB, since
# both libraries map the file; a badge needs two or three.
@lru_cache(maxsize=32)
def open_font(file: str) -> Font:
    """Return the opened font of a file, see `Typeface`; raise FontError when it is missing or damaged."""
    import freetype
    import uharfbuzz

    path = FOLDER / file
    remedy = "install Fikatap again" if path.parent == FOLDER else "install its package again"
    if not path.exists():
        raise FontError(f"the font {path} is missing: {remedy}")
    try:
        glyphs = freetype.Face(str(path)) if _whole(path) else None
    except (OSError, freetype.FT_Exception):
        glyphs = None
    if glyphs is None:
        raise FontError(f"the font {path} is damaged: {remedy}")
    return Font(glyphs, uharfbuzz.Font(uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(path)))))


def _whole(path: Path) -> bool:
    """Tell whether all tables of a font file are within it: FreeType opens files that were cut short."""
    with path.open("rb") as file:
        head = file.read(12)
        tables = file.read(16 * int.from_bytes(head[4:6]))
    ends = [offset + length for _, _, offset, length in iter_unpack(">4sLLL", tables[: len(tables) // 16 * 16])]
    # A collection begins with other things.
    return head.startswith(b"ttcf") or max(ends, default=path.stat().st_size + 1) <= path.stat().st_size


@lru_cache(maxsize=2048)
def script_of(char: str) -> str | None:
    """Return the character's script (UAX #24) from HarfBuzz's Unicode data; None for what many scripts share."""
    import uharfbuzz

    buffer = uharfbuzz.Buffer()
    buffer.add_codepoints([ord(char)])
    buffer.guess_segment_properties()
    script: str | None = buffer.script
    return script


def find(letter: str, script: str | None, bold: bool) -> Typeface | None:
    """Return the typeface that has a letter with all its marks: the script's own before any other; None when no font has it.

    A font that can't be opened has nothing, so its letters are looked for elsewhere. Only when that was the one with our own
    letters, by which all others are spelled, FontError is raised.
    """
    face = next((face for face in _candidates(script, bold) if all(has(face, char) for char in letter)), None)
    if face is None:
        open_font((LATIN_BOLD if bold else LATIN).file)
    return face


@lru_cache(maxsize=512)
def has(face: Typeface, char: str) -> bool:
    """Tell whether the typeface can be opened and has a glyph of its own for the character."""
    try:
        return bool(open_font(face.file).glyphs.get_char_index(ord(char)))
    except FontError:
        return False


def package_for(script: str | None) -> str | None:
    """Return the Debian package whose font for the script would add to ours, or None: there is none, or it is installed."""
    if script is None or script not in _NOTO or _installed(script) is not None:
        return None
    if script in _EAST:
        return "fonts-noto-cjk"
    return None if any(script in face.scripts for face in (LATIN, *OTHERS)) else "fonts-noto-core"


def faults() -> list[FontError]:
    """Open every font that ships, and return what is wrong with them."""
    found: list[FontError] = []
    for face in (LATIN, LATIN_BOLD, *OTHERS):
        try:
            open_font(face.file)
        except FontError as error:
            found.append(error)
    return found


def _candidates(script: str | None, bold: bool) -> Iterator[Typeface]:
    shipped = (LATIN_BOLD if bold else LATIN, *OTHERS)
    yield from (face for face in shipped if script in face.scripts)
    if script is not None and (installed := _installed(script)) is not None:
        yield installed
    # Signs that scripts share are in one font or another.
    yield from (face for face in shipped if script not in face.scripts)


@lru_cache(maxsize=128)
def _installed(script: str) -> Typeface | None:
    """Return the system's font for a script, with its body height as measured."""
    names = [_NOTO[script] + weight for weight in _WEIGHTS] if script in _NOTO else []
    for path in (folder / name for name in names for folder in INSTALLED):
        if path.exists():
            try:
                return Typeface(str(path), _body(str(path), script), (script,), light="-Regular" in path.name)
            except FontError:
                continue
    return None


def _body(file: str, script: str) -> float:
    """Return the height of a font's usual letter of the script, capitals where there are any, as part of the em."""
    import freetype

    glyphs = open_font(file).glyphs
    for category in ("Lu", "Lo"):
        heights: list[int] = []
        letters = (chr(code) for code, _ in glyphs.get_chars() if unicodedata.category(chr(code)) == category)
        for letter in islice((letter for letter in letters if script_of(letter) == script), 50):
            glyphs.load_char(letter, freetype.FT_LOAD_NO_SCALE)
            box = glyphs.glyph.outline.get_bbox()
            heights.append(box.yMax - max(0, box.yMin))
        heights.sort()
        # The median, without the standard library's slow module for it.
        middle = (heights[(len(heights) - 1) // 2] + heights[len(heights) // 2]) / 2 if heights else 0
        if middle > 0:
            return middle / float(glyphs.units_per_EM)
    return 0.714
