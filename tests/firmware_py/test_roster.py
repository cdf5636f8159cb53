"""Made-up members."""

from __future__ import annotations

from collections import Counter

from firmware_py.roster import NAMES, made_up_members
from firmware_py.vocabulary import load_vocabulary

VOCABULARY = load_vocabulary()
MEMBERS = made_up_members(2000, 1, VOCABULARY)


def test_the_same_seed_makes_the_same_people() -> None:
    assert made_up_members(50, 7, VOCABULARY) == made_up_members(50, 7, VOCABULARY)
    assert made_up_members(50, 7, VOCABULARY) != made_up_members(50, 8, VOCABULARY)


def test_ids_count_from_one() -> None:
    assert [member.id for member in MEMBERS[:2]] + [MEMBERS[-1].id] == ["m0001", "m0002", "m2000"]


def test_everybody_offers_something_and_seeks_two_or_three_other_things() -> None:
    assert {len(member.seeks) for member in MEMBERS} == {2, 3}
    assert {len(member.offers) for member in MEMBERS} == {1, 2, 3}
    assert not any(set(member.seeks) & set(member.offers) for member in MEMBERS)
    assert all(topic in VOCABULARY.topics for member in MEMBERS for topic in (*member.seeks, *member.offers))


def test_offers_follow_from_the_occupation() -> None:
    assert {topic for member in MEMBERS if member.occupation == "2611" for topic in member.offers} == {"law", "gdpr"}


def test_frequent_occupations_are_frequent() -> None:
    counts = Counter(member.occupation for member in MEMBERS)

    assert counts["2512"] > 3 * counts["2521"] > 0


def test_most_agree_and_some_are_quiet() -> None:
    willing = sum(member.consents.introductions for member in MEMBERS)
    quiet = sum(member.quiet for member in MEMBERS)

    assert 0.9 * len(MEMBERS) < willing < len(MEMBERS)
    assert 0.05 * len(MEMBERS) < quiet < 0.2 * len(MEMBERS)


def test_names_are_many_and_not_all_latin() -> None:
    names = {name for name, _ in NAMES}

    assert len(names) == len(NAMES) >= 60
    assert sum(not name.isascii() and ord(name[0]) > 0x24F for name in names) >= 6
