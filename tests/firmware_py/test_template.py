from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import pytest
from msgspec.structs import replace
from PIL import Image, ImageDraw

from drivers.errors import ConfigError
from drivers.printers.bitmap import Bitmap
from drivers.printers.profiles import Media, PrinterProfile, profile
from firmware_py.template import HIGHEST_LOGO_MM, CafeTemplate, load_logo, load_template, own_keys
from firmware_py.texts import load_texts
from firmware_py.toml_lines import LONGEST_FILE
from kiosk.badge import BY_THEMSELVES, NEEDED, PLAIN, Field, SlipKind
from kiosk.values import Language

ROOT = Path(__file__).parents[2]
DOC = ROOT / "docs" / "template.md"
EXAMPLE = ROOT / "systemd" / "badge.toml"
GOOD = '# A comment with fields = ["hedline"]\nfields = [\n    "copy", "name",  # "zone"\n\n    "zone",\n    '
WORDS = '\n[words.sv]\n"badge.go" = """\nGå\ntill"""\n'

# Text, line, and what is said; a star stands for any words.
BAD = {
    "an unknown field": (
        GOOD + '"hedline"]',
        6,
        "fields has no 'hedline'; it has copy, logo, name, *, number, qr; did you mean 'headline'?",
    ),
    "a field in capitals": ('fields = ["NAME"]', 1, "fields has no 'NAME'; *; did you mean 'name'?"),
    "a field that is a number": (GOOD + "[5]]", 6, "fields has no [5]; it has copy, *"),
    "a field twice": (GOOD + '\n\n"name"]', 8, "fields has 'name' twice, first on line 3; leave one out"),
    "a needed field missing": (
        '\nfields = [\n"zone", "name"\n]',
        2,
        "fields leaves out 'copy'; every badge needs copy, name, zone",
    ),
    "no field": ("fields = []", 1, "fields leaves out 'copy'; *"),
    "fields that are no list": ('\nfields = "name"', 2, "fields = 'name' is no list; write fields = [\"copy\", …]"),
    "a table of fields": ("\n\n[[fields]]\nname = 1", 3, "fields has no {'name': 1}; it has copy, *"),
    "an unknown slip": (
        'slips = ["ask_staff",\n# "folow_up"\n"folow_up"]',
        3,
        "slips has no 'folow_up'; it has ask_staff, follow_up, sent, group, fault; did you mean 'follow_up'?",
    ),
    "a slip twice": ('slips = ["fault",\n"fault"]', 2, "slips has 'fault' twice, first on line 1; leave one out"),
    "a typo of a key": (
        '"feilds" = ["name"]',
        1,
        "a template has no 'feilds'; it has fields, slips, logo, words; did you mean 'fields'?",
    ),
    "a key of two lines": (WORDS + '[more]\n"a\\nb" = 1', 6, "a template has no 'more'; *"),
    "a logo that has no place": (
        'fields = ["copy", "name", "zone"]\n\nlogo = "here.png"',
        3,
        "logo = 'here.png' is nowhere on the badge; put \"logo\" in fields",
    ),
    "a place without a logo": (GOOD + '"logo"]', 6, "fields has 'logo', but there is none; write logo = \"logo.png\""),
    "a logo that is not there": ('\nlogo = "gone.png"', 2, "logo = 'gone.png': there is no file '*gone.png'"),
    "a logo that is a folder": ('logo = "."', 1, "logo = '.': there is no file '*'"),
    "a logo that can't be": ('logo = "\\u0000"', 1, "logo = '\\x00': there is no file '*'"),
    "a logo with too long a name": (f'logo = "{"x" * 5000}"', 1, "logo = 'xxx*x…: there is no file '*…"),
    "a logo that is no name": ("logo = true", 1, 'logo = True is no file\'s name; write logo = "logo.png"'),
    "a logo among the words": (
        WORDS + 'logo = "here.png"',
        6,
        "logo stands below [words.sv]; move it above the first [words.…]",
    ),
    "an unknown language": (WORDS + "[words.se]", 6, "words has no language 'se'; it has sv, da, nb, en"),
    "words that are no table": ('\nwords = "sv"', 2, "words = 'sv' is no table; write [words.sv] on a line of its own"),
    "a language that is no table": ("[words]\nsv = 1", 2, "words.sv = 1 is no table; write [words.sv] on a line of its own"),
    "an unknown word": (
        WORDS + "badge.gho = 'x'",
        6,
        "words.sv has no 'badge.gho'; it has badge.copy, *, badge.number, badge.today; did you mean 'badge.go'?",
    ),
    "an unknown word, quoted": (
        WORDS + "\n'badge.gho' = 'x'",
        7,
        "words.sv has no 'badge.gho'; it has badge.copy, *, badge.number, badge.today; did you mean 'badge.go'?",
    ),
    "an unknown word in braces": (
        'words = { sv = { badge = { "go" = "x", gho = "x" } } }',
        1,
        "words.sv has no 'badge.gho'; it has badge.copy, *, badge.number, badge.today; did you mean 'badge.go'?",
    ),
    "an unknown word in a table": (
        "[words.sv.notice]\n\nhello = 'x'",
        3,
        "words.sv has no 'notice.hello'; it has notice.not_yet, notice.no_match, notice.no_offer*",
    ),
    "a strange word": (WORDS + "colour.red = 'x'", 6, "words.sv has no 'colour.red'; it has badge.copy, *"),
    "a sentence in plural forms": (WORDS + "slip.met = 'x'", 6, "words.sv has no 'slip.met'; *"),
    "a word twice": (WORDS + "badge.go = 'x'", 6, "words.sv has badge.go twice; leave one out"),
    "a word that is no text": (WORDS + "badge.until = 5", 6, "words.sv badge.until = 5 is no text; write it in quotes"),
    "no words below a word": ("[words.sv.badge.go]", 1, "words.sv badge.go = {} is no text; write it in quotes"),
    "an empty word": (WORDS + "badge.copy = ''", 6, "words.sv badge.copy = '' shows nothing; *"),
    "a word that nobody sees": (WORDS + 'badge.copy = " \\u200b\\t\\u0007"', 6, "words.sv badge.copy = '* shows nothing; *"),
    "a word that is a speech": (
        WORDS + f"badge.talk = '{'x' * 201}'",
        6,
        "words.sv badge.talk = 'x*… has 201 characters; 200 fit",
    ),
    "an unknown part": (
        WORDS + '\nbadge.until = "till {tid}"',
        7,
        "words.sv badge.until = 'till {tid}' has {tid}; it takes {time}",
    ),
    "a part left out": (
        WORDS + "badge.zone = '{name}'",
        6,
        "words.sv badge.zone = '{name}' has {name}; it takes {colour} and {name}",
    ),
    "a part where none is": (
        WORDS + "badge.talk = '{name}'",
        6,
        "words.sv badge.talk = '{name}' has {name}; it takes no part in braces",
    ),
    "no part where one is": (
        WORDS + "badge.until = 'x'",
        6,
        "words.sv badge.until = 'x' has no part in braces; it takes {time}",
    ),
    "half a brace": (
        WORDS + "badge.until = '{time'",
        6,
        "words.sv badge.until = '{time': braces stand around *; it takes {time}",
    ),
    "a part that is too wide": (
        WORDS + "badge.until = '{time:>999999999}'",
        6,
        "words.sv badge.until = *: braces stand around *",
    ),
    "a part of a part": (WORDS + "badge.until = '{time.x}'", 6, "words.sv badge.until = * has {time.x}; it takes {time}"),
    "no TOML": (GOOD + "}", 6, "not TOML: *"),
    "a list without end": ('fields = [\n"name"\n', 2, "not TOML: Unclosed array"),
    "a key twice": ('logo = "here.png"\n\nlogo = "here.png"\n', 3, "not TOML: Cannot overwrite a value"),
}


def template(text: str | bytes, folder: Path) -> Path:
    """Write a template file, beside which there is a logo."""
    path = folder / "badge.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (folder / "here.png").touch()
    return path


def refused(path: Path) -> str:
    """Return what is said about a template that is wrong."""
    with pytest.raises(ConfigError) as raised:
        load_template(path)
    assert len(str(raised.value).splitlines()) == 1
    assert len(str(raised.value)) < 1_000
    return str(raised.value)


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_told_with_file_line_value_and_remedy(name: str, tmp_path: Path) -> None:
    text, line, expected = BAD[name]
    path = template(text, tmp_path)
    place, sentence = refused(path).split(": ", 1)
    assert place == f"{path} line {line}"
    assert re.fullmatch(".*".join(map(re.escape, expected.split("*"))), sentence), sentence


def test_the_line_is_the_same_with_the_ends_of_lines_and_the_mark_of_windows(tmp_path: Path) -> None:
    for text, line, _ in BAD.values():
        windows = b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()
        assert f" line {line}: " in refused(template(windows, tmp_path))


def test_a_file_that_is_not_there_is_told_with_where_it_is_named(tmp_path: Path) -> None:
    told = "; name the file in [badge] template = …"
    assert refused(tmp_path / "gone.toml") == f"{tmp_path}/gone.toml: No such file or directory{told}"
    assert refused(tmp_path) == f"{tmp_path}: Is a directory{told}"


def test_a_byte_that_is_not_utf_8_is_told_with_its_line(tmp_path: Path) -> None:
    path = template('[words.sv]\n\nbadge.go = "Gå"'.encode("latin-1"), tmp_path)
    assert refused(path) == f"{path} line 3: byte e5 is not UTF-8; save the file as UTF-8"


def test_a_megabyte_is_no_template(tmp_path: Path) -> None:
    path = template("# page\n" * 150_000, tmp_path)
    assert refused(path) == f"{path}: is longer than 16384 bytes, which is no template; see docs/template.md"
    assert load_template(template("#" * LONGEST_FILE, tmp_path)) == CafeTemplate()


@pytest.mark.parametrize(
    "text", ["fields = " + "[" * 5_000, "[words.sv]\n" + ".".join("a" * 1_500) + " = 1"], ids=["lists", "keys"]
)
def test_what_is_nested_absurdly_is_told(text: str, tmp_path: Path) -> None:
    path = template(text, tmp_path)
    assert refused(path) == f"{path}: its tables or lists are nested too deeply"


def test_a_number_without_end_is_told(tmp_path: Path) -> None:
    assert ": not TOML: Exceeds the limit (4300 digits)" in refused(template("fields = " + "9" * 5_000, tmp_path))


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert load_template(template("", tmp_path)) == CafeTemplate()


def test_a_template_says_order_slips_words_and_logo(tmp_path: Path) -> None:
    text = (
        'logo = "here.png"\nslips = ["fault"]\nfields = ["name", "zone", "copy", "logo"]\n'
        '[words.sv]\n"badge.go" = "Gå nu till"\nbadge.until = "till {time}"\n[words.en.badge]\ngo = "Walk to"\n'
    )
    found = load_template(template(text, tmp_path))
    assert found.template.fields == (Field.NAME, Field.ZONE, Field.COPY, Field.LOGO)
    assert found.template.slips == {SlipKind.FAULT}
    assert found.logo == tmp_path / "here.png"
    texts = load_texts().with_own(found.words)
    assert texts.say(Language.SV, "badge.go") == "Gå nu till"
    assert texts.say(Language.SV, "badge.until", time="20:15") == "till 20:15"
    assert texts.say(Language.EN, "badge.go") == "Walk to"
    assert texts.say(Language.DA, "badge.go") == load_texts().say(Language.DA, "badge.go")


def test_no_slip_at_all_can_be_wanted(tmp_path: Path) -> None:
    assert load_template(template("slips = []", tmp_path)).template.slips == frozenset()


def test_what_only_staff_asks_for_is_no_slip_of_the_template(tmp_path: Path) -> None:
    told = refused(template('slips = ["fault", "desk"]', tmp_path))
    assert told.endswith("slips has no 'desk'; it has ask_staff, follow_up, sent, group, fault")


def test_a_logo_without_fields_stands_on_top(tmp_path: Path) -> None:
    fields = load_template(template('logo = "here.png"', tmp_path)).template.fields
    assert [each for each in fields if each is not Field.LOGO] == list(PLAIN.fields)
    assert fields.index(Field.LOGO) < fields.index(Field.NAME)


def test_a_logo_may_lie_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    far = template("", tmp_path / "far").with_name("here.png")
    assert load_template(template(f'logo = "{far}"', tmp_path)).logo == far


def test_every_word_can_be_changed_in_every_language(tmp_path: Path) -> None:
    texts = load_texts()
    text = "".join(
        f"[words.{language}]\n" + "".join(f'"{key}" = "* {texts.raw(language, key)}"\n' for key in own_keys())
        for language in Language
    )
    own = texts.with_own(load_template(template(text, tmp_path)).words)
    for language in Language:
        assert [own.raw(language, key) for key in own_keys()] == [f"* {texts.raw(language, key)}" for key in own_keys()]


def test_the_words_that_can_be_changed_are_those_on_paper() -> None:
    assert {key.partition(".")[0] for key in own_keys()} == {"badge", "slip", "notice"}
    assert {"badge.copy", "badge.number", "notice.not_yet"} <= set(own_keys())
    assert all(load_texts().has(language, key) for language in Language for key in own_keys())


# The logo

NARROW = profile("generic-58")


def picture(path: Path, size: tuple[int, int], mode: str = "L", box: tuple[int, int, int, int] = (10, 5, 50, 25)) -> Path:
    """Save a white picture with a black box in it; left, top, right, bottom with the last dots in it."""
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).rectangle(box, fill="black")
    image.convert(mode).save(path, quality=100)
    return path


def no_logo(path: Path, known: PrinterProfile = NARROW) -> str:
    with pytest.raises(ConfigError) as raised:
        load_logo(path, known)
    assert len(str(raised.value).splitlines()) == 1
    place, sentence = str(raised.value).split(": ", 1)
    assert place == str(path)
    return sentence


BOX = Bitmap(41, ((1 << 41) - 1,) * 21)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        *[("logo.png", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")],
        *[("logo.gif", mode) for mode in ("1", "L", "P")],
        *[("logo.bmp", mode) for mode in ("1", "L", "RGB")],
        *[("logo.jpg", mode) for mode in ("L", "RGB", "CMYK")],
    ],
)
def test_a_logo_is_its_dark_dots_without_the_white_around(name: str, mode: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if mode == "I;16":
        source = Image.open(picture(path, (99, 40)))
        Image.frombytes("I;16", source.size, b"".join(bytes((grey, grey)) for grey in source.tobytes())).save(path)
    else:
        picture(path, (99, 40), mode)
    assert load_logo(path, NARROW) == BOX


def test_what_is_transparent_is_white_and_grey_is_black_from_half_on(tmp_path: Path) -> None:
    image = Image.new("RGBA", (5, 1), (0, 0, 0, 0))
    for x, dot in enumerate([(0, 0, 0, 255), (127, 127, 127, 255), (128, 128, 128, 255), (0, 0, 0, 100), (0, 0, 0, 200)]):
        image.putpixel((x, 0), dot)
    image.save(tmp_path / "logo.png")
    assert load_logo(tmp_path / "logo.png", NARROW) == Bitmap(5, (0b11001,))


def test_of_a_moving_picture_the_first_is_taken(tmp_path: Path) -> None:
    later = Image.open(picture(tmp_path / "later.png", (99, 40), box=(0, 0, 98, 39)))
    first = Image.open(picture(tmp_path / "first.png", (99, 40)))
    first.save(tmp_path / "logo.gif", save_all=True, append_images=[later])
    assert load_logo(tmp_path / "logo.gif", NARROW) == BOX


def test_a_logo_as_wide_and_high_as_allowed_is_taken_and_one_dot_more_is_not(tmp_path: Path) -> None:
    path = tmp_path / "logo.png"
    high = HIGHEST_LOGO_MM * 8
    assert load_logo(picture(path, (500, 200), box=(60, 20, 443, 19 + high)), NARROW).width == 384
    most = "on generic-58 it may be 384 x 160 dots (48 x 20 mm); make it smaller"
    assert no_logo(picture(path, (500, 200), box=(60, 20, 444, 30))) == f"the logo is 385 x 11 dots; {most}"
    assert no_logo(picture(path, (500, 200), box=(60, 20, 80, 20 + high))) == f"the logo is 21 x 161 dots; {most}"
    assert load_logo(picture(path, (500, 200), box=(0, 20, 444, 30)), profile("generic-80")).width == 445


def test_a_logo_has_less_room_where_dots_are_lost_and_that_of_a_label_that_is_turned(tmp_path: Path) -> None:
    path = picture(tmp_path / "logo.png", (500, 200), box=(0, 0, 379, 50))
    assert "it may be 368 x 160 dots (46 x 20 mm)" in no_logo(path, replace(NARROW, left_dots=8))
    label = Media(kind="label", length_mm=40, turned=True)
    assert "it may be 320 x 160 dots (40 x 20 mm)" in no_logo(path, replace(NARROW, media=label))
    assert load_logo(path, replace(NARROW, media=replace(label, length_mm=50))).width == 380


def test_a_picture_of_20_000_dots_is_refused_unseen(tmp_path: Path) -> None:
    path = picture(tmp_path / "logo.png", (99, 40))
    png = path.read_bytes()
    for side, told in (
        (566, "is 566 x 566"),
        (10_000, "has more than 320 000"),  # for which Pillow warns
        (20_000, "has more than 320 000"),  # for which it raises
    ):
        # Only the head says so: the rest is missed only by who decodes it.
        head = b"IHDR" + struct.pack(">II", side, side) + png[24:29]
        path.write_bytes(png[:12] + head + struct.pack(">I", zlib.crc32(head)) + png[33:])
        assert no_logo(path).startswith(f"the picture {told} dots; on generic-58 it may be 384 x 160 dots")


def test_a_logo_that_shows_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "logo.png"
    Image.new("L", (50, 50), 128).save(path)
    assert no_logo(path) == "is all white where it is printed; a logo is black on white or on nothing"
    Image.new("RGBA", (50, 50), (0, 0, 0, 0)).save(path)
    assert no_logo(path).startswith("is all white")


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "logo.png"
    path.write_text("<svg/>", encoding="utf-8")
    assert no_logo(path) == "is no picture that we read; save the logo as one of PNG, GIF, BMP, JPEG"
    Image.new("L", (50, 50)).save(path, "TIFF")
    assert no_logo(path).startswith("is no picture that we read")
    picture(path, (300, 120))
    path.write_bytes(path.read_bytes()[:-30])
    assert no_logo(path).endswith("; save the logo once more as PNG")
    path.unlink()
    assert no_logo(path).startswith("No such file or directory")


# What is written about it


def table() -> str:
    """Return docs/template.md's table of words."""
    texts = load_texts()
    rows = [["Word", *Language], ["---"] * 5]
    rows += [[f"`{key}`", *(texts.raw(language, key) for language in Language)] for key in own_keys()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def test_every_word_is_documented_as_it_is() -> None:
    assert table() in DOC.read_text("utf-8"), f"put this table into {DOC.name}:\n\n{table()}"


def test_every_field_and_slip_is_documented() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", DOC.read_text("utf-8"), re.MULTILINE)
    assert rows == ["fields", "slips", "logo", "words", *Field, *BY_THEMSELVES]


def test_the_example_of_the_documentation_works(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", DOC.read_text("utf-8"), re.DOTALL)
    picture(tmp_path / "logo.png", (99, 40))
    found = load_template(template(example, tmp_path))
    assert found.logo is not None
    assert found.words
    assert found.template != PLAIN


def test_the_template_that_ships_says_what_holds_anyway(tmp_path: Path) -> None:
    text = EXAMPLE.read_text("utf-8")
    assert load_template(EXAMPLE) == CafeTemplate()
    with_all = load_template(template(re.sub(r"^#(?=[\w\[ ])(?! )", "", text, flags=re.MULTILINE), tmp_path))
    assert with_all.template == PLAIN
    texts = load_texts()
    assert {key for own in with_all.words.values() for key in own} >= {"badge.go", "badge.until"}
    for language, own in with_all.words.items():
        assert own == {key: texts.raw(language, key) for key in own}
    assert set(NEEDED) <= set(with_all.template.fields)
