"""A café's template: which fields are on a badge, in which order, in which words, and with which logo (docs/template.md)."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from drivers.errors import ConfigError
from drivers.printers.bitmap import Bitmap
from drivers.printers.profiles import PrinterProfile
from firmware_py.config import meant, short
from firmware_py.texts import load_texts
from firmware_py.toml_lines import LONGEST_FILE, line_of, lines, read_toml
from kiosk.badge import BY_THEMSELVES, NEEDED, PLAIN, Field, Template
from kiosk.values import Language

if TYPE_CHECKING:
    from PIL.Image import Image

E = TypeVar("E", bound=StrEnum)

LONGEST_WORD = 200
"""Characters of one of a café's own sentences."""
HIGHEST_LOGO_MM = 20
MOST_DOTS = 320_000
"""Dots of a picture file in all, white margins included; a larger one is not decoded, which would take several MB."""
BAND = 64
"""Rows of a picture that are made black and white at once."""
FORMATS = ("PNG", "GIF", "BMP", "JPEG")

_KEYS = ("fields", "slips", "logo", "words")


class CafeTemplate(Struct, frozen=True, kw_only=True):
    """What a template file says. `words` are the café's own sentences by key; `logo` is a picture file."""

    template: Template = PLAIN
    words: Mapping[Language, Mapping[str, str]] = {}
    logo: Path | None = None


@cache
def own_keys() -> tuple[str, ...]:
    """Return the keys of the sentences that a café may word itself: those on paper, without those in plural forms."""
    # gettext tells no keys; the catalogue's source, which is there too, does.
    source = (files("firmware_py") / "data" / "texts" / f"{Language.EN}.po").read_text(encoding="utf-8")
    return tuple(re.findall(r'^msgid "((?:badge|slip|notice)\.[^"]+)"\nmsgstr ', source, re.MULTILINE))


def load_template(path: Path) -> CafeTemplate:
    """Read a template file; raise `ConfigError` with file, line, field, value and what would have been right."""
    text = _text(path)
    try:
        return _Template(path, text).read()
    except RecursionError as error:
        raise ConfigError(f"{path}: its tables or lists are nested too deeply") from error


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST_FILE + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}; name the file in [badge] template = …") from error
    if len(data) > LONGEST_FILE:
        raise ConfigError(f"{path}: is longer than {LONGEST_FILE} bytes, which is no template; see docs/template.md")
    try:
        # Editors of Windows put a mark before the first line.
        return data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path} line {line}: byte {data[error.start]:02x} is not UTF-8; save the file as UTF-8") from error


class _Template:
    """A template file's text, read and checked."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        try:
            self._data = read_toml(text)
        except ValueError as error:
            # tomllib tells the place in words; a number with too many digits is Python's error, without any.
            told = re.fullmatch(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", str(error), re.DOTALL)
            place = f" line {told[2] or text.rstrip().count(chr(10)) + 1}" if told else ""
            what = told[1] if told else str(error)
            raise ConfigError(f"{path}{place}: not TOML: {' '.join(what.split())}") from error
        self._lines = lines(text)

    def read(self) -> CafeTemplate:
        """Return what the file says."""
        for key in self._data:
            if key not in _KEYS:
                raise self._wrong(f"a template has no {short(key)}; it has {', '.join(_KEYS)}{meant(key, _KEYS)}", key)
        logo = self._logo()
        fields = self._list("fields", Field)
        if fields is None:
            fields = PLAIN.fields if logo is None else tuple(Field)
        elif missing := [each.value for each in NEEDED if each not in fields]:
            raise self._wrong(f"fields leaves out '{missing[0]}'; every badge needs {', '.join(NEEDED)}", "fields")
        elif logo is None and Field.LOGO in fields:
            item = fields.index(Field.LOGO)
            raise self._wrong("fields has 'logo', but there is none; write logo = \"logo.png\"", "fields", item)
        elif logo is not None and Field.LOGO not in fields:
            raise self._wrong(f'logo = {short(self._data["logo"])} is nowhere on the badge; put "logo" in fields', "logo")
        slips = self._list("slips", BY_THEMSELVES)
        return CafeTemplate(
            template=Template(fields=fields, slips=PLAIN.slips if slips is None else frozenset(slips)),
            words=self._words(),
            logo=logo,
        )

    def _wrong(self, words: str, *place: str | int) -> ConfigError:
        return ConfigError(f"{self._path} line {line_of(self._lines, place)}: {words}")

    def _list(self, key: str, kind: Iterable[E]) -> tuple[E, ...] | None:
        """Return a list of words of that kind, None where there is none."""
        if key not in self._data:
            return None
        items, kinds = self._data[key], {each.value: each for each in kind}
        known = list(kinds)
        if not isinstance(items, list):
            raise self._wrong(f'{key} = {short(items)} is no list; write {key} = ["{known[0]}", …]', key)
        for number, item in enumerate(items):
            if item not in known:
                close = meant(str(item).lower(), known)
                raise self._wrong(f"{key} has no {short(item)}; it has {', '.join(known)}{close}", key, number)
            if (first := items.index(item)) < number:
                line = line_of(self._lines, (key, first))
                raise self._wrong(f"{key} has '{item}' twice, first on line {line}; leave one out", key, number)
        return tuple(kinds[item] for item in items)

    def _logo(self) -> Path | None:
        """Return the logo's file, which lies beside the template unless it says otherwise."""
        if "logo" not in self._data:
            return None
        name = self._data["logo"]
        if not isinstance(name, str):
            raise self._wrong(f'logo = {short(name)} is no file\'s name; write logo = "logo.png"', "logo")
        path = self._path.parent / name
        try:
            found = path.is_file()
        except OSError:
            found = False
        if not found:
            raise self._wrong(f"logo = {short(name)}: there is no file {short(str(path))}", "logo")
        return path

    def _words(self) -> dict[Language, dict[str, str]]:
        words = self._table("words")
        known = [each.value for each in Language]
        for tag in words:
            if tag not in known:
                raise self._wrong(f"words has no language {short(tag)}; it has {', '.join(known)}", "words", tag)
        return {Language(tag): self._sentences(Language(tag)) for tag in words}

    def _table(self, *place: str) -> dict[str, Any]:
        """Return a table; one that is left out is empty."""
        found: Any = self._data
        for name in place:
            found = found.get(name, {})
        if not isinstance(found, dict):
            raise self._wrong(f"{'.'.join(place)} = {short(found)} is no table; write [words.sv] on a line of its own", *place)
        return found

    def _sentences(self, language: Language) -> dict[str, str]:
        """Return a café's own sentences in one language."""
        texts, known, own = load_texts(), own_keys(), dict[str, str]()
        for names, value in _leaves(self._table("words", language.value)):
            key, place = ".".join(names), ("words", language.value, *names)
            if key in _KEYS:
                raise self._wrong(f"{key} stands below [words.{language}]; move it above the first [words.…]", *place)
            if key not in known:
                kin = [each for each in known if each.startswith(f"{names[0].partition('.')[0]}.")] or known
                raise self._wrong(f"words.{language} has no {short(key)}; it has {', '.join(kin)}{meant(key, kin)}", *place)
            if key in own:
                raise self._wrong(f"words.{language} has {key} twice; leave one out", *place)
            said = f"words.{language} {key} = {short(value)}"
            if not isinstance(value, str):
                raise self._wrong(f"{said} is no text; write it in quotes", *place)
            if not any(char.isprintable() and not char.isspace() for char in value):
                raise self._wrong(f"{said} shows nothing; leave the field out of fields instead, or this line away", *place)
            if len(value) > LONGEST_WORD:
                raise self._wrong(f"{said} has {len(value)} characters; {LONGEST_WORD} fit", *place)
            needed = _parts(texts.raw(language, key))
            try:
                parts = _parts(value)
            except ValueError as error:
                raise self._wrong(
                    f"{said}: braces stand around a part's name only; it takes {_listed(needed)}", *place
                ) from error
            if parts != needed:
                raise self._wrong(f"{said} has {_listed(parts)}; it takes {_listed(needed)}", *place)
            own[key] = value
        return own


def _leaves(table: Mapping[str, Any], *above: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield all values with the names that lead to them: `badge.go` may be written as a key in a key, or in quotes."""
    for name, value in table.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, *above, name)
        else:
            yield (*above, name), value


def _parts(sentence: str) -> set[str]:
    """Return the names of a sentence's parts; raise ValueError for braces that are no plain `{name}`."""
    found = set()
    for _, name, form, conversion in Formatter().parse(sentence):
        if form or conversion:
            raise ValueError(sentence)
        if name is not None:
            found.add(name)
    return found


def _listed(parts: Collection[str]) -> str:
    return " and ".join(f"{{{part}}}" for part in sorted(parts)) or "no part in braces"


def load_logo(path: Path, profile: PrinterProfile) -> Bitmap:
    """Read a logo for that printer and what is in it: black where the picture is dark, without white margins.

    Raise `ConfigError` when it can't be read, shows nothing or is too large; it is never made smaller here.
    """
    # Loaded only where there is a logo.
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                size = image.size
                rows = list(_rows(image)) if size[0] * size[1] <= MOST_DOTS else None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ConfigError(_too_large(path, f"picture has more than {MOST_DOTS:_}".replace("_", " "), profile)) from error
    except UnidentifiedImageError as error:
        raise ConfigError(f"{path}: is no picture that we read; save the logo as one of {', '.join(FORMATS)}") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise ConfigError(f"{path}: {getattr(error, 'strerror', None) or error}; save the logo once more as PNG") from error
    if rows is None:
        raise ConfigError(_too_large(path, f"picture is {size[0]} x {size[1]}", profile))
    logo = Bitmap((size[0] + 7) // 8 * 8, tuple(int.from_bytes(row) for row in rows)).trimmed()
    if not logo.height:
        raise ConfigError(f"{path}: is all white where it is printed; a logo is black on white or on nothing")
    wide, high = _room(profile)
    if logo.width > wide or logo.height > high:
        raise ConfigError(_too_large(path, f"logo is {logo.width} x {logo.height}", profile))
    return logo


def _rows(image: Image) -> Iterator[bytes]:
    """Yield a picture's rows, one bit for each dot, from top to bottom."""
    from PIL import Image as Images

    image.load()
    for top in range(0, image.height, BAND):
        band = image.crop((0, top, image.width, min(top + BAND, image.height))).convert("RGBA")
        flat = Images.new("RGBA", band.size, "white")
        flat.alpha_composite(band)
        data = flat.convert("L").point(lambda grey: 255 if grey < 128 else 0, "1").tobytes()
        row_bytes = (image.width + 7) // 8
        yield from (data[start : start + row_bytes] for start in range(0, len(data), row_bytes))


def _room(profile: PrinterProfile) -> tuple[int, int]:
    """Return how wide and how high a logo may be, in dots."""
    media, wide = profile.media, profile.room
    if media.turned and media.length_mm:
        wide = min(wide, round(media.length_mm * profile.dpmm))
    return wide, HIGHEST_LOGO_MM * profile.dpmm


def _too_large(path: Path, found: str, profile: PrinterProfile) -> str:
    wide, high = _room(profile)
    most = f"{wide} x {high} dots ({wide // profile.dpmm} x {high // profile.dpmm} mm)"
    return f"{path}: the {found} dots; on {profile.name} it may be {most}; make it smaller"
