"""The score in thousandths."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from kiosk.matching.profiles import Present, Profile, profile
from kiosk.matching.score import Part, Weights, base, common_digits, fairness, most_fairness, partwise, points
from kiosk.values import TopicId, Wish
from tests.kiosk.matching.people import EVERYTHING, PLAIN, VOCABULARY, crowd, here, member

CROWD = [one.profile for one in crowd(60, 3)]


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
        first_bit=VOCABULARY.bits[TopicId("ml")],
        best_bits=VOCABULARY.bits[TopicId("law")],
        trade_bits=VOCABULARY.mask(map(TopicId, ("ml", "webdev", "embedded", "gamedev"))),
        plenty=1,
        languages=frozenset({"scandinavian", "en"}),
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
    ("stated", "likely", "first", "best", "count"),
    [
        (0b000, 0b000, 0b001, 0b001, 0),
        (0b000, 0b001, 0b001, 0b001, 1),
        (0b000, 0b111, 0b001, 0b111, 1),
        (0b100, 0b000, 0b001, 0b010, 2),
        (0b001, 0b000, 0b001, 0b010, 3),
        (0b010, 0b000, 0b001, 0b010, 3),
        (0b010, 0b100, 0b001, 0b100, 3),
        (0b110, 0b000, 0b001, 0b001, 3),
        (0b111, 0b000, 0b001, 0b010, 5),
        (0b111, 0b001, 0b001, 0b010, 6),
    ],
)
def test_what_is_stated_counts_more_than_what_is_only_likely(
    stated: int, likely: int, first: int, best: int, count: int
) -> None:
    assert points(stated, likely, first, best) == count


@pytest.mark.parametrize(
    ("one", "other", "worth"),
    [
        (likes("ml", "law"), likes("law", "ml"), 416),
        (likes("ml law", "hr"), likes("hr", "ml law"), 468),
        (likes("ml law hr ux", "pr sales lean climate"), likes("pr sales lean climate", "ml law hr ux"), 526),
        (likes("ml law hr ux gdpr", "pr"), likes("pr", "ml law hr ux gdpr"), 468),
        (likes("ml", "law"), likes("hr", "ml"), 104),
        (likes("hr ml", "law"), likes("law", "ml"), 312),
        (likes("hr ml", "law"), likes("pr law", "ml"), 234),
        (likes("ml", "law"), likes("law", "hr ux ml"), 312),
        (likes("ml", "law"), likes("law", "hr", "2512"), 156),
        (likes("ml", "law"), likes("hr", "ux", "2512"), 39),
        (likes("hr ml ux", "law"), likes("law", "ml ux"), 416),
        (likes("ml ux hr", "law"), likes("law", "ml ux"), 468),
        (likes("cv ml hr", "law"), likes("law", "ml"), 416),
        (likes("ml", "law"), likes("hr", "ux"), 0),
        (likes("", "law", "2512", "J"), likes("", "ml", "2512", "K"), 250),
        (likes("", "law", "2512", "J"), likes("", "ml", "2513", "K"), 187),
        (likes("", "law", "2512", "J"), likes("", "ml", "2522", "K"), 112),
        (likes("", "law", "2512", "J"), likes("", "ml", "2120", "K"), 37),
        (likes("", "law", "2512", "J"), likes("", "ml", "5120", "K"), 0),
        (likes("", "law", "2512", "J"), likes("", "ml", "2512", "J"), 87),
        (likes("", "law", "2512", "J"), likes("", "ml", "2512"), 87),
        (likes("ml", "law", "2512", "J"), likes("law", "ml", "2512", "K"), 718),
        (likes("cv interview", "law"), likes("ux", "cv interview"), 0),
        (likes("cv", "law"), likes("", "ux", "2423"), 0),
    ],
)
def test_the_base_score_is_the_documented_one(one: Profile, other: Profile, worth: int) -> None:
    assert (base(one, other, PLAIN), base(other, one, PLAIN)) == (worth, worth)


@given(st.sampled_from(CROWD), st.sampled_from(CROWD))
def test_the_base_score_is_the_same_from_both_sides(one: Profile, other: Profile) -> None:
    assert base(one, other) == base(other, one)


@settings(max_examples=50)
@given(st.sampled_from(CROWD), st.sampled_from(CROWD))
def test_the_base_score_stays_within_its_weights(one: Profile, other: Profile) -> None:
    assert 0 <= base(one, other) <= 1000


@pytest.mark.parametrize(
    ("approached", "introduced", "rate", "waited", "added"),
    [
        (0, 0, 1000, 0, 40),
        (0, 0, 1000, 25, 140),
        (0, 0, 1000, 60, 280),
        (0, 0, 1000, 200, 280),
        (0, 1, 1000, 60, 0),
        (1, 0, 1000, 60, -60),
        (2, 1, 1000, 60, -120),
        (0, 1, 0, 0, 25),
        (0, 1, 3000, 0, -50),
        (0, 0, 1500, 0, 27),
    ],
)
def test_fairness_sends_people_to_those_who_met_nobody_the_more_the_longer_they_wait(
    approached: int, introduced: int, rate: int, waited: int, added: int
) -> None:
    anna = here(member("Anna"), approached=approached, introduced=introduced, lifetime_rate=rate)

    assert fairness(anna, waited, 1000, PLAIN) == added


@pytest.mark.parametrize(
    ("seeks", "offers", "added"),
    [
        ("ml", "law", 80),
        ("ml hr ux", "law pr gdpr", 0),
        ("ml hr ux cloud", "law pr gdpr", -30),
        ("ml hr ux cloud lean", "law pr gdpr sales export", -150),
        ("", "law", 90),
        ("cv interview ml", "law wellbeing", 80),
    ],
)
def test_who_is_easily_matched_gives_way(seeks: str, offers: str, added: int) -> None:
    anna = here(member("Anna", seeks=seeks, offers=offers), introduced=1)

    assert fairness(anna, 0, 0, replace(PLAIN, plenty=10)) == added


@settings(max_examples=50)
@given(st.sampled_from(crowd(60, 3)), st.integers(0, 200), st.integers(0, 2000))
def test_fairness_never_adds_more_than_its_most(one: Present, waited: int, rate: int) -> None:
    assert fairness(one, waited, rate) <= most_fairness(rate)


def test_weights_can_be_other_ones() -> None:
    one, other = likes("ml", "law", "2512", "J"), likes("law", "ml", "2512", "K")

    assert base(one, other, Weights(help=500, peer=100, chance=(0, 0, 0, 0, 1000, 1000, 1000))) == 600


BOOKS = Wish("K", TopicId("ml"), gives=TopicId("law"))
BY_OCCUPATION = Wish("25", TopicId("ml"))


def leisurely(pastimes: str, *, agreed: bool = True) -> Profile:
    consents = replace(EVERYTHING, pastimes=agreed)
    return profile(member("Anna", offers="law", pastimes=pastimes, consents=consents), VOCABULARY)


@pytest.mark.parametrize(
    ("one", "other", "worth"),
    [
        ("chess choir", "chess", 16),
        ("chess choir", "choir chess", 24),
        ("chess choir dogs yoga film", "chess choir dogs yoga film", 30),
        ("chess", "choir", 0),
        ("tag", "tag", 0),
    ],
)
def test_pastimes_count_a_little(one: str, other: str, worth: int) -> None:
    assert base(leisurely(one), leisurely(other), PLAIN) == base(leisurely(other), leisurely(one), PLAIN) == worth


def test_pastimes_count_only_if_both_agreed_that_they_are_named() -> None:
    assert base(leisurely("chess"), leisurely("chess", agreed=False)) == 0


@pytest.mark.parametrize(
    ("wishes", "offers", "worth"),
    [
        ((BOOKS,), "ml", 35),
        ((BY_OCCUPATION,), "ml", 35),
        ((BY_OCCUPATION, BOOKS), "ml", 35),
        ((BOOKS,), "hr", 0),
        ((Wish("J", TopicId("ml")),), "ml", 0),
        ((Wish("251", TopicId("ml")), Wish("2523", TopicId("ml"))), "ml", 0),
        ((Wish("", TopicId("ml")),), "ml", 0),
        ((Wish("K", TopicId("cv")),), "cv hr", 0),
        ((Wish("J", TopicId("ml")),) * 6 + (BOOKS,), "ml", 0),
    ],
)
def test_who_is_on_the_list_for_the_half_year_counts(wishes: tuple[Wish, ...], offers: str, worth: int) -> None:
    anna = profile(member("Anna", wishes=wishes), VOCABULARY)
    bo = profile(member("Bo", offers=offers, occupation="2522", industry="K"), VOCABULARY)

    assert (base(anna, bo, PLAIN), base(bo, anna, PLAIN)) == (worth, worth)


def test_being_on_each_others_lists_counts_double() -> None:
    anna = profile(member("Anna", offers="hr", wishes=(BOOKS,), industry="J"), VOCABULARY)
    bo = profile(member("Bo", offers="ml", wishes=(Wish("J", TopicId("hr")),), industry="K"), VOCABULARY)

    assert base(anna, bo, PLAIN) == 70


def test_what_a_wish_gives_in_return_may_not_be_sensitive() -> None:
    wish = profile(member("Anna", wishes=(Wish("K", TopicId("ml"), gives=TopicId("cv")),)), VOCABULARY).wishes

    assert wish == (Wish("K", TopicId("ml")),)


@settings(max_examples=50)
@given(st.sampled_from(CROWD), st.sampled_from(CROWD), st.integers(0, 3), st.integers(0, 1), st.integers(0, 3000))
def test_the_parts_of_a_score_add_up_to_it(one: Profile, other: Profile, approached: int, introduced: int, rate: int) -> None:
    visit = here(member("Bo"), approached=approached, introduced=introduced, lifetime_rate=rate).visit
    bo = Present(visit, other)
    parts = partwise(one, 1000)(bo, 12)

    assert [part for part, _ in parts] == list(Part)
    assert sum(worth for _, worth in parts) == base(one, other) + fairness(bo, 12, 1000)
