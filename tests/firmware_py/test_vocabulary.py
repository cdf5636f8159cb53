"""The shipped word lists."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from firmware_py.vocabulary import load_vocabulary
from kiosk.values import Language, TopicId
from kiosk.vocabulary import Labels, Topic, Vocabulary

VOCABULARY = load_vocabulary()


def test_a_topic_is_read_whole() -> None:
    assert VOCABULARY.topics[TopicId("startup")] == Topic(
        id=TopicId("startup"),
        sensitive=False,
        labels={
            Language.SV: "starta eget företag",
            Language.DA: "starte egen virksomhed",
            Language.NB: "starte egen virksomhet",
            Language.EN: "starting a business",
        },
        offered_by=("1120", "2431"),
        phrases={
            Language.SV: "att starta eget företag",
            Language.DA: "at starte egen virksomhed",
            Language.NB: "å starte egen virksomhet",
            Language.EN: "starting a business",
        },
    )


def test_job_search_and_health_are_sensitive() -> None:
    sensitive = {topic.id for topic in VOCABULARY.topics.values() if topic.sensitive}

    assert sensitive == {"cv", "interview", "jobleads", "careerchange", "wellbeing"}
    assert VOCABULARY.mask(map(TopicId, sensitive)) == VOCABULARY.sensitive


def test_topics_fit_into_64_bits() -> None:
    assert len(VOCABULARY.topics) <= 64


def test_every_phrase_belongs_to_a_topic() -> None:
    assert [topic.id for topic in VOCABULARY.topics.values() if topic.phrases] == ["startup", "speaking", "writing"]


@pytest.mark.parametrize("word", ["2512", "Systemutvecklare", "software  developer", " softwareudvikler "])
def test_an_occupation_is_found_by_its_code_or_any_label(word: str) -> None:
    assert VOCABULARY.find_occupation(word) == "2512"


@pytest.mark.parametrize("word", ["law", "Avtalsrätt", "kontraktret", "contract law"])
def test_a_topic_is_found_by_its_id_or_any_label(word: str) -> None:
    assert VOCABULARY.find_topic(word) == "law"


@pytest.mark.parametrize("word", ["q", "Q", "vård och omsorg", "health and care"])
def test_an_industry_is_found_by_its_letter_or_any_label(word: str) -> None:
    assert VOCABULARY.find_industry(word) == "Q"


def test_what_is_not_in_the_lists_is_not_found() -> None:
    assert (VOCABULARY.find_topic("quantum"), VOCABULARY.find_occupation(""), VOCABULARY.find_industry("Ö")) == (
        None,
        None,
        None,
    )


def test_occupations_know_what_they_typically_offer() -> None:
    assert VOCABULARY.offered_by("2611") == ("law", "gdpr")
    assert VOCABULARY.offered_by("3343") == ()


def test_weights_are_tenths_by_code() -> None:
    assert (VOCABULARY.weights["2512"], VOCABULARY.weights["J"], len(VOCABULARY.weights)) == (90, 130, 60 + 19)


@pytest.mark.parametrize(
    "entries",
    [
        {topic.id: topic.labels for topic in VOCABULARY.topics.values()},
        VOCABULARY.occupations,
        VOCABULARY.industries,
        VOCABULARY.pastimes,
    ],
)
def test_no_label_means_two_things(entries: Mapping[str, Labels]) -> None:
    meanings: dict[str, set[str]] = {}
    for entry, labels in entries.items():
        for word in (entry, *labels.values()):
            meanings.setdefault(word.casefold(), set()).add(entry)

    assert {word: meant for word, meant in meanings.items() if len(meant) > 1} == {}


def test_pastimes_fit_into_64_bits_and_have_a_label_in_every_language() -> None:
    assert 30 <= len(VOCABULARY.pastimes) <= 64
    assert all(set(labels) == set(Language) and all(labels.values()) for labels in VOCABULARY.pastimes.values())


def test_languages_whose_speakers_understand_each_other_are_one_family() -> None:
    families: dict[str, set[str]] = {}
    for tag, family in VOCABULARY.families.items():
        families.setdefault(family, set()).add(tag)

    assert families == {
        "scandinavian": {"sv", "da", "nb", "nn", "no"},
        "bcs": {"bs", "hr", "sr"},
        "czechoslovak": {"cs", "sk"},
        "persian": {"fa", "prs"},
        "hindustani": {"hi", "ur"},
    }


def test_a_topic_without_a_phrase_stands_as_its_label() -> None:
    topic = Topic(TopicId("tea"), sensitive=False, labels={Language.EN: "tea"})

    assert Vocabulary([topic], {}, {}).topics[TopicId("tea")].phrase(Language.EN) == "tea"
