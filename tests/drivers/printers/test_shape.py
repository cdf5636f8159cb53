from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from resource import getpagesize

import freetype
import pytest

from drivers.printers import typefaces
from drivers.printers.bitmap import Bitmap
from drivers.printers.shape import clean, clusters, draw, measure, missing, printable, right_to_left, shape
from drivers.printers.typefaces import FOLDER, LATIN, LATIN_BOLD, OTHERS, FontError, find, open_font, package_for, script_of

# Letters that a person reads the size by: a capital, or a plain letter where there are none.
PLAIN_LETTERS = "HԱאهকकਕમபఅಅകකกກကაሀក王"
THAI = next(face for face in OTHERS if "Thai" in face.scripts)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder where Debian would put more fonts."""

    def forget() -> None:
        typefaces.open_font.cache_clear()
        typefaces.has.cache_clear()
        typefaces._installed.cache_clear()
        shape.cache_clear()

    forget()
    folder = tmp_path / "noto"
    folder.mkdir()
    monkeypatch.setattr(typefaces, "INSTALLED", (folder,))
    yield folder
    forget()


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: Path) -> Path:
    """A copy of the shipped fonts to be damaged; there are no others."""
    assert not any(installed.iterdir())
    folder = tmp_path / "fonts"
    shutil.copytree(FOLDER, folder)
    monkeypatch.setattr(typefaces, "FOLDER", folder)
    return folder


def test_arabic_letters_are_joined() -> None:
    apart = sum(measure(letter, 24, bold=True) for letter in "ياسمين")
    assert measure("ياسمين", 24, bold=True) < 0.8 * apart


def test_right_to_left_stands_in_its_own_order() -> None:
    assert draw("אב", 24, bold=True) != draw("בא", 24, bold=True)
    # The first letter stands at the right: what is left of it changes with the second.
    assert draw("אב", 24, bold=True).rows[12] & 0xFF == draw("אג", 24, bold=True).rows[12] & 0xFF


def test_mixed_directions_keep_each_its_order() -> None:
    assert not right_to_left("Anna אב")
    assert right_to_left("אב Anna")
    both = draw("Anna אב", 24, bold=True)
    anna = draw("Anna", 24, bold=True)
    rows = both.rows[-anna.height :]
    assert tuple(row >> (both.width - anna.width) for row in rows) == anna.rows


def test_a_number_after_arabic_stands_at_its_left() -> None:
    line, number = draw("محمد 12", 17, bold=True), draw("12", 17, bold=True)
    assert any(
        tuple(row >> (line.width - number.width) for row in line.rows[top : top + number.height]) == number.rows
        for top in range(line.height - number.height + 1)
    )


@pytest.mark.parametrize("letter", PLAIN_LETTERS)
def test_a_body_is_as_high_as_its_font_draws_it(letter: str) -> None:
    face = find(letter, script_of(letter), bold=True)
    assert face is not None
    font = freetype.Face(str(FOLDER / face.file))
    font.load_char(letter, freetype.FT_LOAD_NO_SCALE)
    box = font.glyph.outline.get_bbox()
    assert box.yMax - box.yMin == pytest.approx(face.body * font.units_per_EM, rel=0.03)


def test_every_font_has_its_letter_to_be_measured_by() -> None:
    assert {find(letter, script_of(letter), bold=True) for letter in PLAIN_LETTERS} == {LATIN_BOLD, *OTHERS}
    assert LATIN.body == LATIN_BOLD.body


@pytest.mark.parametrize("letter", PLAIN_LETTERS)
def test_the_letters_are_as_high_as_asked_for(letter: str) -> None:
    assert draw(letter, 24, bold=True).height >= 23.5
    assert draw(letter, 48, bold=True).height == pytest.approx(48, abs=2.5)


def test_pressing_together_changes_the_width_only() -> None:
    plain, pressed = draw("Christopher", 24, bold=True), draw("Christopher", 24, bold=True, squeeze=0.8)
    assert pressed.height == plain.height
    assert pressed.width == pytest.approx(0.8 * plain.width, rel=0.05)


@pytest.mark.usefixtures("installed")
def test_what_no_font_has_is_reported_and_transliterated() -> None:
    assert missing("Zoë 🎉 Ꭰ") == {"🎉", "Ꭰ"}
    assert printable("ᏔᎵ") == "TaLi"
    assert printable("ⵎⵓⵃⵎⵎⴷ") == "Muhmmd"
    assert printable("Anna ⵎⵓ, ߞߊ") == "Anna Mu, Ka"
    # A character of the second plane takes its word along; letters of Europe are replaced one by one.
    assert printable("Ken 𠮷野") == "Ken KichiYe"
    assert printable("Åsa𝐀𝟙") == "ÅsaA1"
    assert printable("𝛼𝛽") == "αβ"


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("Zoë 🎉", "Zoë"),
        ("🎉", "Tada"),
        ("👍🏽!", "Thumbsup"),
        ("👩\u200d💻", "Woman computer"),
        ("🇸🇪", "SE"),
        ("🎉👍💻👩🎉", "Tada thumbsup computer"),
        ("क\u0301", "क"),
        ("王\U000e0100", "王\U000e0100"),
        ("\ue000\U000f0000", ""),
        ("\ud800x", "x"),
        ("\u0301", "\u0301"),
        ("", ""),
    ],
    ids=ascii,
)
def test_signs_that_are_no_letters_leave_something_to_read(text: str, printed: str) -> None:
    assert printable(text) == printed
    assert missing(printed) == set()


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("text", ["🎉Ꭰ𝐀", "Ꭰ", "क\u0301", "\u3164", "\u25cc", "ि", "\ufdd0"], ids=ascii)
def test_no_box_is_drawn_even_for_what_was_not_made_printable(text: str) -> None:
    assert all(glyph.number for run in shape(text, 24, bold=True) for glyph in run.glyphs)


def test_what_was_not_made_printable_is_spelled_when_it_is_drawn() -> None:
    assert draw("\U0001f389", 24, bold=True) == draw("tada", 24, bold=True)


def test_a_broken_syllable_gets_no_dotted_circle() -> None:
    assert [len(run.glyphs) for run in shape("ि", 48, bold=True)] == [1]


@pytest.mark.parametrize(
    "text",
    [
        "x" * 10_000,
        "ب" * 10_000,
        "q" + "\u0301" * 50,
        "م" + "\u064b" * 50,
        "\ud800\udfff",
        "\ue000\U0010fffd",
        "\u202eabc\u202c\u2066\u2069\u200f",
        "\ufe0f\ufe0e\u200d\u200c",
        "👨\u200d👩\u200d👧\u200d👦" * 20,
        "\x1b@\x10\x04\x01\x00\x7f\x9b",
        "\ufdd0\uffff\U000e0001",
        "(" * 30 + ")" * 40,
    ],
    ids=range(12),
)
def test_bad_names_are_drawn_or_left_out(text: str) -> None:
    line = printable(clean(text, 48))
    assert missing(line) == set()
    assert not any(unicodedata.category(char) in {"Cc", "Cs", "Co"} for char in line)
    assert draw(line, 24, bold=True).width < 60 * 48
    assert missing("".join(clusters(line))) == set()


def test_a_script_that_does_not_ship_is_looked_up_in_the_system_s_fonts(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typefaces, "OTHERS", tuple(face for face in OTHERS if face is not THAI))
    assert printable("กก") == "Kk"
    assert package_for("Thai") == "fonts-noto-core"
    shutil.copy(FOLDER / THAI.file, installed)
    typefaces._installed.cache_clear()
    assert printable("กก") == "กก"
    assert package_for("Thai") is None
    (run,) = shape("กก", 24, bold=True)
    assert run.face.file == str(installed / THAI.file)
    assert run.face.body == pytest.approx(THAI.body, rel=0.03)


@pytest.mark.usefixtures("installed")
def test_packages_are_told_for_what_they_add() -> None:
    assert package_for("Hani") == "fonts-noto-cjk"
    assert package_for("Tibt") == "fonts-noto-core"
    assert package_for("Arab") is None
    assert package_for(None) is None


@pytest.mark.parametrize("how", ["missing", "garbage", "empty", "cut short"])
def test_a_broken_font_of_another_script_costs_its_letters_only(shipped: Path, how: str) -> None:
    path = shipped / THAI.file
    whole = path.read_bytes()
    path.unlink()
    if how != "missing":
        path.write_bytes({"garbage": b"no font" * 1000, "empty": b"", "cut short": whole[: len(whole) // 2]}[how])
    assert printable("Anna กก") == "Anna Kk"
    (fault,) = typefaces.faults()
    assert THAI.file in str(fault)
    assert str(fault).endswith("install Fikatap again")


def test_the_system_s_font_stands_in_for_a_broken_one(shipped: Path, installed: Path) -> None:
    shutil.copy(shipped / THAI.file, installed)
    (shipped / THAI.file).write_bytes(b"no font")
    assert printable("กก") == "กก"


def test_a_broken_font_of_our_own_letters_is_named(shipped: Path) -> None:
    (shipped / LATIN_BOLD.file).write_bytes(b"no font")
    with pytest.raises(FontError, match=r"NotoSans-Bold\.ttf is damaged: install Fikatap again"):
        printable("Åsa")


def test_all_fonts_ship_with_their_licences_and_stay_small() -> None:
    fonts = {face.file for face in (LATIN, LATIN_BOLD, *OTHERS)}
    files = {path.name for path in FOLDER.iterdir() if path.suffix != ".pyc" and path.is_file()}
    assert files == fonts | {"LICENSE-OFL-1.1.txt", "LICENSE-Apache-2.0.txt"}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 8_000_000


def test_a_font_that_is_missing_is_named() -> None:
    with pytest.raises(FontError, match=r"NotoSansKlingon\.ttf is missing: install Fikatap again"):
        open_font("NotoSansKlingon.ttf")


def test_all_fonts_open_at_once_cost_a_few_megabytes() -> None:
    def megabytes() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * getpagesize() / 1e6

    typefaces.open_font.cache_clear()
    shape.cache_clear()
    before = megabytes()
    for letter in PLAIN_LETTERS:
        draw(letter, 24, bold=True)
    assert open_font.cache_info().currsize >= len(OTHERS)
    assert megabytes() - before < 12


def test_cleaning_leaves_one_line_of_visible_characters() -> None:
    assert clean(" Anna\r\n\x00\x1b[2J\u2028Lisa\u202e ", 40) == "Anna [2J Lisa"
    assert clean("A\u030a", 40) == "Å"
    assert clean("می\u200cخواهم", 40) == "می\u200cخواهم"
    assert clean("\ud800x", 40) == "x"


def test_a_long_text_ends_in_an_ellipsis() -> None:
    assert clean("a" * 10_000, 10) == "aaaaaaaaa…"
    assert clean("a" * 10, 10) == "a" * 10
    assert clean(" " * 10_000 + "a", 10) == "…"


def test_a_tower_of_marks_is_taken_down() -> None:
    assert clean("q" + "\u0301" * 500, 48) == "q" + "\u0301" * 4 + "…"


def test_marks_and_conjuncts_stay_with_their_letters() -> None:
    assert clusters("q\u0301x") == ["q\u0301", "x"]
    assert clusters("श्री") == ["श्री"]
    assert clusters("किम") == ["कि", "म"]
    assert clusters("เกก") == ["เก", "ก"]
    assert clusters("മോഹൻലാൽ") == ["മോ", "ഹൻ", "ലാൽ"]


def test_a_torn_arabic_word_stays_joined() -> None:
    # Beh joins on both sides, alef to the right only; after a non-joiner nothing does.
    assert clusters("بابب") == ["ب\u200d", "\u200dا", "ب\u200d", "\u200dب"]
    assert clusters("ب\u200cب") == ["ب\u200cب"]
    assert clusters("لالا") == ["لا", "لا"]
    for word in ("ياسمين", "لالا", "مُحَمَّد", "گلچهره", "नमस्ते"):
        assert draw("".join(clusters(word)), 48, bold=True) == draw(word, 48, bold=True)
        assert clusters("".join(clusters(word))) == clusters(word)


def test_marks_stand_at_their_letters() -> None:
    # Qamats hangs below the middle of its shin, which alone stands on the line.
    drawn, letter = draw("שָ", 48, bold=True), draw("ש", 48, bold=True)
    mark = Bitmap(drawn.width, drawn.rows[letter.height :]).trimmed()
    assert 0 < mark.width < letter.width
    right = (drawn.rows[-1] & -drawn.rows[-1]).bit_length() - 1
    assert drawn.width == letter.width
    assert right == pytest.approx(letter.width / 2, abs=letter.width / 8)


def test_what_scripts_share_goes_with_what_is_around_it() -> None:
    def fonts(text: str) -> list[str]:
        return [run.face.file.removeprefix("NotoSans").removesuffix(".ttf") for run in shape(text, 24, bold=True)]

    assert fonts("ルー") == ["DroidSansFallback"]
    assert fonts("ーA") == ["DroidSansFallback", "-Bold"]
    assert fonts("مـ، ") == ["Arabic-Bold"]
    assert fonts("क।") == ["Devanagari-Bold"]
    assert fonts("Ж2б") == ["-Bold"]
    assert fonts(".م") == ["Arabic-Bold"]
    # The Hebrew font leaves its brackets to the Latin one.
    assert fonts("(קל)") == ["-Bold", "Hebrew-Bold", "-Bold"]


def test_brackets_of_the_other_direction_stay_paired() -> None:
    # UAX #9, N0: the closing bracket stands on the same side of its word as the opening one.
    order = [(run.face.file, len(run.glyphs)) for run in shape("אב (cd) ef", 24, bold=True)]
    hebrew = "NotoSansHebrew-Bold.ttf"
    latin = LATIN_BOLD.file
    assert order == [(latin, 2), (hebrew, 1), (latin, 1), (latin, 2), (latin, 1), (hebrew, 3)]


def test_letters_that_no_font_has_open_each_font_once() -> None:
    typefaces.has.cache_clear()
    typefaces.open_font.cache_clear()
    cuneiform = "".join(map(chr, range(0x12010, 0x12040)))
    assert missing(cuneiform) == set(cuneiform)
    assert typefaces.open_font.cache_info().misses == len({LATIN_BOLD, *OTHERS})
