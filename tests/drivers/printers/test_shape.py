from __future__ import annotations

import unicodedata

import pytest

from drivers.printers import typefaces
from drivers.printers.shape import clean, clusters, draw, measure, missing, printable, right_to_left
from drivers.printers.typefaces import FOLDER, LATIN, LATIN_BOLD, OTHERS, open_font

# One letter a person reads the size by: a capital, or a plain letter where there are none.
PLAIN_LETTERS = "HԱאفकকਕકகతಕമකกລကაሀ王ក"
NAMES = {
    "sámi": "Áŋŋá",
    "polish": "Łukasz",
    "turkish": "İpek Ağaoğlu",
    "vietnamese": "Nguyễn",
    "ukrainian": "Їжакевич Ґ",
    "greek": "Ελένη",
    "arabic": "ياسمين",
    "persian": "پژمان می‌خواهم",
    "hebrew": "יַעֲקֹב",
    "thai": "ปิยะพงษ์",
    "hindi": "श्रीनिवासन",
    "tamil": "கவிதா",
    "bengali": "মোহাম্মদ",
    "gurmukhi": "ਗੁਰਪ੍ਰੀਤ",
    "gujarati": "હાર્દિક",
    "telugu": "శ్రీనివాస్",
    "kannada": "ಲಕ್ಷ್ಮೀ",
    "malayalam": "മോഹൻലാൽ",
    "sinhala": "ශ්‍රී",
    "khmer": "សុខា",
    "lao": "ສົມສັກ",
    "burmese": "အောင်",
    "amharic": "ከበደ",
    "georgian": "გიორგი",
    "armenian": "Հայկ",
    "chinese": "王小明",
    "japanese": "さくら・ケン",
    "korean": "김민준",
}


@pytest.mark.parametrize("word", NAMES.values(), ids=NAMES.keys())
def test_names_of_the_world_have_their_glyphs(word: str) -> None:
    assert missing(unicodedata.normalize("NFC", word)) == set()
    assert draw(word, 24, bold=True).height >= 12


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


@pytest.mark.parametrize("bold", [True, False])
def test_the_letters_are_as_high_as_asked_for(bold: bool) -> None:
    for letter in PLAIN_LETTERS:
        assert draw(letter, 24, bold=bold).height >= 23.5, letter


def test_pressing_together_changes_the_width_only() -> None:
    plain, pressed = draw("Christopher", 24, bold=True), draw("Christopher", 24, bold=True, squeeze=0.8)
    assert pressed.height == plain.height
    assert pressed.width == pytest.approx(0.8 * plain.width, rel=0.05)


def test_a_letter_without_a_font_is_reported_and_spelled_otherwise() -> None:
    assert missing("Zoë 🎉 Ꭰ") == {"🎉", "Ꭰ"}
    assert printable("Zoë 🎉 Ꭰ") == "Zoë a"
    assert printable("🎉") == ""
    assert printable("𝐀𝟙") == "A1"


def test_nothing_that_is_drawn_is_a_box_of_a_missing_glyph() -> None:
    for word in [*NAMES.values(), "🎉Ꭰ𝐀"]:
        for char in printable(word):
            if char not in "\u200c\u200d":
                assert typefaces.find(char, bold=True), char


def test_all_fonts_ship_with_their_licences_and_stay_small() -> None:
    fonts = {face.file for face in (LATIN, LATIN_BOLD, *OTHERS)}
    files = {path.name for path in FOLDER.iterdir() if path.suffix != ".pyc" and path.is_file()}
    assert files == fonts | {"LICENSE-OFL-1.1.txt", "LICENSE-Apache-2.0.txt"}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 8_000_000


def test_a_font_that_is_missing_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"NotoSansKlingon\.ttf is missing: install Fikatap again"):
        open_font("NotoSansKlingon.ttf")


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
