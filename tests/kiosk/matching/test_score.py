"""The score in thousandths."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_py.roster import made_up_members
from kiosk.matching.profiles import Profile, profile
from kiosk.matching.score import Weights, base, common_digits, fairness, mutual
from kiosk.values import TopicId
from tests.kiosk.matching.people import EVERYTHING, VOCABULARY, here, member

CROWD = [profile(person, VOCABULARY) for person in made_up_members(60, 3, VOCABULARY)]


def likes(seeks: str, offers: str, occupation: str = "", industry: str = "") -> Profile:
    return profile(member("Anna", seeks=seeks, offers=offers, occupation=occupation, industry=industry), VOCABULARY)


def test_a_profile_holds_open_topics_once_and_ignores_what_nobody_knows() -> None:
    odd = member(
        "Anna", seeks="ml cv ml quantum", offers="interview law", industry="Ö", occupation="2512", languages=("en-GB", "nn")
    )

    assert profile(odd, VOCABULARY) == Profile(
        member=odd.id,
        seeks=(TopicId("ml"),),
        offers=(TopicId("law"),),
        seek_bits=VOCABULARY.bits[TopicId("ml")],
        offer_bits=VOCABULARY.bits[TopicId("law")],
        has_offer=True,
        occupation="2512",
        industry="",
        languages=frozenset({"sv", "en", "no"}),
        employer="",
        quiet=False,
        consents=EVERYTHING,
    )


@pytest.mark.parametrize(
    ("one", "other", "digits"),
    [
        ("2512", "2512", 4),
        ("2512", "2513", 3),
        ("2512", "2522", 2),
        ("2512", "2120", 1),
        ("2512", "5120", 0),
        ("", "2512", 0),
        ("", "", 0),
        ("25", "2512", 2),
    ],
)
def test_occupations_share_first_digits(one: str, other: str, digits: int) -> None:
    assert common_digits(one, other) == digits


@pytest.mark.parametrize(
    ("gained", "given", "mean"), [(0, 0, 0), (550, 550, 550), (1000, 100, 181), (100, 1000, 181), (550, 0, 0), (800, 550, 651)]
)
def test_helping_each_other_is_worth_the_harmonic_mean(gained: int, given: int, mean: int) -> None:
    assert mutual(gained, given) == mean


@pytest.mark.parametrize(
    ("one", "other", "worth"),
    [
        (likes("ml", "law"), likes("law", "ml"), 357),
        (likes("ml law", "hr"), likes("hr", "ml law"), 423),
        (likes("ml law hr ux", "pr sales lean climate"), likes("pr sales lean climate", "ml law hr ux"), 650),
        (likes("ml law hr ux gdpr", "pr"), likes("pr", "ml law hr ux gdpr"), 460),
        (likes("ml", "law"), likes("hr", "ml"), 109),
        (likes("ml", "law"), likes("hr", "ux"), 0),
        (likes("", "law", "2512", "J"), likes("", "ml", "2512", "K"), 250),
        (likes("", "law", "2512", "J"), likes("", "ml", "2513", "K"), 187),
        (likes("", "law", "2512", "J"), likes("", "ml", "2522", "K"), 112),
        (likes("", "law", "2512", "J"), likes("", "ml", "2120", "K"), 37),
        (likes("", "law", "2512", "J"), likes("", "ml", "5120", "K"), 0),
        (likes("", "law", "2512", "J"), likes("", "ml", "2512", "J"), 87),
        (likes("", "law", "2512", "J"), likes("", "ml", "2512"), 87),
        (likes("ml", "law", "2512", "J"), likes("law", "ml", "2512", "K"), 607),
        (likes("cv interview", "law"), likes("ux", "cv interview"), 0),
    ],
)
def test_the_base_score_is_the_documented_one(one: Profile, other: Profile, worth: int) -> None:
    assert (base(one, other), base(other, one)) == (worth, worth)


@given(st.sampled_from(CROWD), st.sampled_from(CROWD))
def test_the_base_score_is_the_same_from_both_sides(one: Profile, other: Profile) -> None:
    assert base(one, other) == base(other, one)


@settings(max_examples=50)
@given(st.sampled_from(CROWD), st.sampled_from(CROWD))
def test_the_base_score_stays_within_its_weights(one: Profile, other: Profile) -> None:
    assert 0 <= base(one, other) <= 900


@pytest.mark.parametrize(
    ("approached", "introduced", "rate", "added"),
    [
        (0, 0, 1000, 40),
        (0, 1, 1000, 0),
        (1, 0, 1000, -60),
        (2, 1, 1000, -120),
        (0, 1, 0, 25),
        (0, 1, 3000, -50),
        (0, 0, 1500, 27),
    ],
)
def test_fairness_sends_people_to_those_who_met_nobody(approached: int, introduced: int, rate: int, added: int) -> None:
    visit = here(member("Anna"), approached=approached, introduced=introduced, lifetime_rate=rate).visit

    assert fairness(visit, mean_rate=1000) == added


def test_weights_can_be_other_ones() -> None:
    one, other = likes("ml", "law", "2512", "J"), likes("law", "ml", "2512", "K")

    assert base(one, other, Weights(help=500, peer=100, saturation=(0, 1000))) == 600
