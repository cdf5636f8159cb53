from __future__ import annotations

import re
import subprocess
from collections import Counter
from gettext import GNUTranslations
from importlib.resources import files
from pathlib import Path
from string import Formatter

import pytest

from firmware_py.samples import sample, samples
from firmware_py.texts import load_catalogue, load_texts
from firmware_py.vocabulary import load_vocabulary
from kiosk.badge import blocks
from kiosk.names import possessive
from kiosk.values import Colour, Language, ReasonKind, Symbol

FOLDER = Path(str(files("firmware_py") / "data" / "texts"))
KINDS = tuple(kind.value for kind in ReasonKind)
TURNS = tuple(
    [f"reason.{kind}" for kind in (*KINDS, "ask_only", "give_only", "open_only")]
    + [f"starter.{kind}" for kind in (*KINDS, "general")]
)
"""The keys of which there are variants."""
LEAST = 8
NEEDED = {
    "reason.both": {"ask", "give"},
    "reason.ask": {"ask", "give"},
    "reason.ask_only": {"ask"},
    "reason.give": {"ask", "give"},
    "reason.give_only": {"give"},
    "reason.peer": {"other"},
    "reason.open": {"ask", "give"},
}
"""The parts without which a reason of the kind tells nothing."""
ALLOWED = {key: NEEDED.get(key, set()) | {"partner", "partner_s"} for key in TURNS if key.startswith("reason.")} | {
    "reason.peer": {"partner", "partner_s", "own", "other"},
    "reason.colleague": {"partner", "partner_s", "own"},
}
UNWANTED = {
    Language.SV: r"jobb|anställ|rekryt|lön|\bcv\b|tjänst|karriär|intervju|sjuk|hälsa[nr]|ålder|\bgud|barn|familj",
    Language.DA: r"\bjob|ansæt|ansat|rekrutt|\bløn|\bcv\b|stilling|karriere|samtale\b|syg|helbred|alder|\bgud|børn|familie",
    Language.NB: r"jobb|ansett|ansatt|rekrutt|\blønn|\bcv\b|stilling|karriere|intervju|syk|helse|alder|\bgud|barn|familie",
    Language.EN: r"\bjob|hir(e|ing)\b|recruit|salary|\bcv\b|vacanc|career|interview|health|\bage\b|\bgod\b|child|family",
}
"""What nobody is asked here: for work, and about health, age, faith, family or pay."""
ABOUT = {
    Language.SV: ("om", "av", "med", "på", "gäller"),
    Language.DA: ("om", "med", "ved", "på"),
    Language.NB: ("om", "med", "ved", "på", "gjelder"),
    Language.EN: ("about", "of", "with", "on", "into", "to"),
}
"""The words that a topic can stand after, also one like "att starta eget företag"."""
LONGEST_REASON = 140
LONGEST_STARTER = 75


def entries(language: Language) -> dict[str | tuple[str, int], str]:
    """Return the whole catalogue; plural forms have their place in the key."""
    found: dict[str | tuple[str, int], str] = vars(load_catalogue(language))["_catalog"]
    return {key: sentence for key, sentence in found.items() if key}


def catalogue(language: Language) -> dict[str, str]:
    """Return the sentences that are no plural forms."""
    return {key: sentence for key, sentence in entries(language).items() if isinstance(key, str)}


def variants(language: Language, key: str) -> list[str]:
    return [sentence for each, sentence in catalogue(language).items() if each.rpartition(".")[0] == key]


def lines(language: Language) -> list[str]:
    return [sentence for key in TURNS for sentence in variants(language, key)]


def parts(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


@pytest.mark.parametrize("language", Language)
def test_every_language_has_the_same_sentences_with_the_same_parts(language: Language) -> None:
    def without_turns(of: Language) -> dict[str, set[str]]:
        return {key: parts(each) for key, each in catalogue(of).items() if key.rpartition(".")[0] not in TURNS}

    assert without_turns(language) == without_turns(Language.EN)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("key", TURNS)
def test_there_are_enough_variants_numbered_without_a_gap(key: str, language: Language) -> None:
    numbers = {int(each.rpartition(".")[2]) for each in catalogue(language) if each.rpartition(".")[0] == key}
    assert len(numbers) >= LEAST
    assert numbers == set(range(1, load_texts().variants(language, key) + 1))


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("key", TURNS)
def test_each_variant_has_the_parts_that_its_kind_is_about_and_none_that_it_lacks(key: str, language: Language) -> None:
    for sentence in variants(language, key):
        assert NEEDED.get(key, set()) <= parts(sentence) <= ALLOWED.get(key, set()), sentence


@pytest.mark.parametrize("language", Language)
def test_no_line_is_there_twice(language: Language) -> None:
    assert {line: count for line, count in Counter(lines(language)).items() if count > 1} == {}


def test_neighbouring_languages_share_a_line_in_the_same_place_only() -> None:
    places = {sentence: key for key, sentence in catalogue(Language.DA).items() if key.rpartition(".")[0] in TURNS}
    nb = {key: sentence for key, sentence in catalogue(Language.NB).items() if key.rpartition(".")[0] in TURNS}
    assert {key: sentence for key, sentence in nb.items() if places.get(sentence, key) != key} == {}


@pytest.mark.parametrize("language", Language)
def test_people_are_asked_for_experience_and_not_for_work_or_for_what_is_private(language: Language) -> None:
    assert [line for line in lines(language) if re.search(UNWANTED[language], line, re.IGNORECASE)] == []


@pytest.mark.parametrize(
    ("language", "line"),
    [
        (Language.SV, "Fråga {partner} om lediga jobb."),
        (Language.SV, "Vad har du för lön?"),
        (Language.DA, "Kender du en ledig stilling?"),
        (Language.NB, "Hvem ansetter hos dere?"),
        (Language.EN, "Is your company hiring?"),
    ],
)
def test_asking_for_work_would_be_noticed(language: Language, line: str) -> None:
    assert re.search(UNWANTED[language], line, re.IGNORECASE)


@pytest.mark.parametrize("language", Language)
def test_a_topic_stands_where_every_topic_can_stand(language: Language) -> None:
    after = re.compile(r"(\w+) \{(?:ask|give)\}")
    topics = [sentence for key in NEEDED for sentence in variants(language, key)]
    assert {word for sentence in topics for word in after.findall(sentence)} <= set(ABOUT[language])
    assert all(len(after.findall(each)) == len(re.findall(r"\{(?:ask|give)\}", each)) for each in topics)


@pytest.mark.parametrize("language", Language)
def test_what_is_the_partners_is_said_with_its_own_form(language: Language) -> None:
    assert any("{partner_s}" in line for line in lines(language))
    assert [line for line in lines(language) if re.search(r"\{partner\}['’:]?s\b", line)] == []


@pytest.mark.parametrize("language", Language)
def test_no_line_is_long_even_with_the_longest_words(language: Language) -> None:
    vocabulary = load_vocabulary()
    topics = sorted((topic.phrase(language) for topic in vocabulary.topics.values() if not topic.sensitive), key=len)
    industries = sorted((labels[language] for labels in vocabulary.industries.values()), key=len)
    words = {"partner": "Alexandra", "partner_s": possessive("Alexandra", language), "ask": topics[-1], "give": topics[-2]}
    words |= {"own": industries[-1], "other": industries[-2]}
    reasons = [line.format(**words) for key in ALLOWED for line in variants(language, key)]
    assert [line for line in reasons if len(line) > LONGEST_REASON] == []
    starters = [line for key in TURNS if key.startswith("starter.") for line in variants(language, key)]
    assert [line for line in starters if len(line) > LONGEST_STARTER] == []


def plurals(language: Language) -> dict[tuple[str, int], set[str]]:
    return {key: parts(sentence) for key, sentence in entries(language).items() if isinstance(key, tuple)}


@pytest.mark.parametrize("language", Language)
def test_what_is_counted_has_a_form_for_one_and_a_form_for_more(language: Language) -> None:
    english, forms = plurals(Language.EN), plurals(language)
    assert forms.keys() == {(key, form) for key, _ in english for form in (0, 1)}
    assert all(forms[key, 0] <= forms[key, 1] == english[key, 1] for key, _ in forms)


@pytest.mark.parametrize(
    ("language", "number", "said"),
    [
        (Language.SV, 1, "1 besökare här"),
        (Language.DA, 0, "0 gæster her"),
        (Language.DA, 1, "1 gæst her"),
        (Language.NB, 21, "21 gjester her"),
        (Language.EN, 1, "1 visitor here"),
        (Language.EN, 2, "2 visitors here"),
    ],
)
def test_one_is_not_many(language: Language, number: int, said: str) -> None:
    assert load_texts().count(language, "status.here", number) == said


@pytest.mark.parametrize("language", Language)
def test_the_compiled_sentences_are_those_of_the_source(language: Language, tmp_path: Path) -> None:
    """Red after a change of a `.po` file without `make texts`."""
    fresh = tmp_path / "fresh.mo"
    subprocess.run(["msgfmt", "--check", f"--output-file={fresh}", FOLDER / f"{language}.po"], check=True)
    with fresh.open("rb") as file:
        compiled = vars(GNUTranslations(file))["_catalog"]
    assert vars(load_catalogue(language))["_catalog"] == compiled


@pytest.mark.parametrize("language", Language)
def test_nothing_is_left_unsaid(language: Language) -> None:
    assert all(sentence.strip() for sentence in entries(language).values())


@pytest.mark.parametrize("language", Language)
def test_colours_and_shapes_have_words(language: Language) -> None:
    texts = load_texts()
    words = [texts.say(language, f"colour.{each}") for each in Colour] + [
        texts.say(language, f"symbol.{each}") for each in Symbol
    ]
    assert len(set(words)) == len(Colour) + len(Symbol)


def test_a_sentence_is_found_by_its_key() -> None:
    assert load_texts().say(Language.SV, "badge.number", number=12) == "Nr 12"


def test_the_samples_have_every_field_filled() -> None:
    assert sorted(samples()) == ["arabic", "long", "mixed", "nordic"]
    assert all(each.introduction and each.headline and each.until and each.languages for each in samples().values())


@pytest.mark.parametrize("name", ["arabic", "long", "mixed", "nordic"])
def test_every_sample_can_be_put_in_words(name: str) -> None:
    assert len(blocks(sample(name), load_texts())) >= 15


def test_an_unknown_sample_is_told_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="no sample badge 'norse'; there are arabic, long, mixed, nordic"):
        sample("norse")
