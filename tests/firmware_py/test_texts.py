from __future__ import annotations

from string import Formatter

import pytest

from firmware_py.samples import sample, samples
from firmware_py.texts import load_catalogue, load_texts
from kiosk.badge import blocks
from kiosk.values import Colour, Language, Symbol


def catalogue(language: Language) -> dict[str, str]:
    found: dict[str, str] = vars(load_catalogue(language))["_catalog"]
    return {key: sentence for key, sentence in found.items() if key}


def parts(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


@pytest.mark.parametrize("language", Language)
def test_every_language_has_the_same_sentences_with_the_same_parts(language: Language) -> None:
    english = {key: parts(sentence) for key, sentence in catalogue(Language.EN).items()}
    assert {key: parts(sentence) for key, sentence in catalogue(language).items()} == english


@pytest.mark.parametrize("language", Language)
def test_nothing_is_left_unsaid(language: Language) -> None:
    assert all(sentence.strip() for sentence in catalogue(language).values())


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
