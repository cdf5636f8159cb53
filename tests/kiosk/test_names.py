"""The forms of people's names within a sentence."""

from __future__ import annotations

import pytest

from kiosk.names import possessive, sentence_start
from kiosk.values import Language


@pytest.mark.parametrize(
    ("called", "sv", "da", "nb", "en"),
    [
        ("Anna", "Annas", "Annas", "Annas", "Anna's"),
        ("Åse", "Åses", "Åses", "Åses", "Åse's"),
        ("Bo", "Bos", "Bos", "Bos", "Bo's"),
        ("Lars", "Lars", "Lars'", "Lars'", "Lars's"),
        ("LARS", "LARS", "LARS'", "LARS'", "LARS's"),
        ("Max", "Max", "Max'", "Max'", "Max's"),
        ("Liz", "Liz", "Liz'", "Liz'", "Liz's"),
        ("Miloš", "Miloš", "Miloš'", "Miloš'", "Miloš's"),
        ("Milos\u030c", "Milos\u030c", "Milos\u030c'", "Milos\u030c'", "Milos\u030c's"),
        ("Strauß", "Strauß", "Strauß'", "Strauß'", "Strauß's"),
        ("Bach", "Bachs", "Bachs", "Bachs", "Bach's"),
        ("Alice", "Alices", "Alices", "Alices", "Alice's"),
        ("José", "Josés", "Josés", "Josés", "José's"),
        ("Bjørnø", "Bjørnøs", "Bjørnøs", "Bjørnøs", "Bjørnø's"),
        ("Ka'", "Ka':s", "Ka's", "Ka's", "Ka's"),
        ("Anna’", "Anna’:s", "Anna’s", "Anna’s", "Anna’s"),
        ("Lars'", "Lars'", "Lars'", "Lars'", "Lars's"),
        ("'", "'", "'", "'", "'"),
        ('Bo "Bosse"', 'Bo "Bosse":s', 'Bo "Bosse"\'s', 'Bo "Bosse"s', 'Bo "Bosse"\'s'),
        ("小明", "小明:s", "小明's", "小明s", "小明's"),
        ("Оксана", "Оксана:s", "Оксана's", "Оксанаs", "Оксана's"),
        ("nummer 7", "nummer 7:s", "nummer 7's", "nummer 7s", "nummer 7's"),
        ("", "", "", "", ""),
        ("\u0301", "\u0301", "\u0301", "\u0301", "\u0301"),
    ],
)
def test_what_is_theirs_is_said_as_the_language_writes_it(called: str, sv: str, da: str, nb: str, en: str) -> None:
    assert [possessive(called, language) for language in (Language.SV, Language.DA, Language.NB, Language.EN)] == [
        sv,
        da,
        nb,
        en,
    ]


def test_a_sentence_begins_with_a_capital_number() -> None:
    assert sentence_start("nummer 7 vet en del.", "nummer 7") == "Nummer 7 vet en del."
    assert sentence_start("Fråga nummer 7.", "nummer 7") == "Fråga nummer 7."


@pytest.mark.parametrize("called", ["bell", "ნინო", "'t Hart"])
def test_a_name_stays_as_its_owner_writes_it_at_the_start_too(called: str) -> None:
    assert sentence_start(f"{called} vet en del.", called) == f"{called} vet en del."
