"""Completion of what is typed from the closed word lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.values import Language
from kiosk.vocabulary import Topic
from tests.kiosk.matching.people import VOCABULARY


@pytest.mark.parametrize(
    ("typed", "language", "topics"),
    [
        ("maskin", Language.SV, "ml"),
        ("MASKINI", Language.SV, "ml"),
        ("forsalj", Language.SV, "sales"),
        ("försälj", Language.SV, "sales"),
        ("malet", Language.SV, ""),
        ("hälsa", Language.SV, "health"),
        ("hals", Language.SV, "health"),
        ("laeri", Language.DA, ""),
        ("maskinlaer", Language.DA, "ml"),
        ("øko", Language.DA, "budget"),
        ("oko", Language.NB, "budget"),
        ("e handel", Language.SV, "ecommerce"),
        ("halsa jobb", Language.SV, ""),
        ("hälsa vård", Language.SV, "health"),
        ("machine", Language.SV, "ml"),
        ("ux", Language.EN, "ux"),
        ("  ", Language.SV, ""),
        ("?", Language.SV, ""),
        ("xyz", Language.SV, ""),
    ],
)
def test_what_is_typed_begins_the_words_of_a_topic(typed: str, language: Language, topics: str) -> None:
    assert " ".join(VOCABULARY.complete(typed, language)) == topics


def test_labels_that_begin_so_go_first_and_those_of_other_languages_last() -> None:
    assert VOCABULARY.complete("data", Language.SV) == ("dataanalys", "gdpr")
    assert VOCABULARY.complete("pr", Language.SV, count=4) == ("pricing", "pr", "brand", "agile")


@given(st.sampled_from(list(VOCABULARY.topics.values())), st.sampled_from(Language))
def test_every_topic_is_found_by_its_whole_label(topic: Topic, language: Language) -> None:
    assert VOCABULARY.complete(topic.labels[language], language)[0] == topic.id


@given(st.text(), st.sampled_from(Language), st.integers(0, 9))
def test_whatever_is_typed_gives_at_most_so_many_topics(typed: str, language: Language, count: int) -> None:
    found = VOCABULARY.complete(typed, language, count)

    assert len(found) == len(set(found)) <= count


def test_a_pastime_is_found_by_its_id_and_its_label_in_any_language() -> None:
    assert {VOCABULARY.find_pastime(word) for word in ("chess", "Schack", "sjakk", "skak")} == {"chess"}
    assert VOCABULARY.find_pastime("bowling") is None
