from __future__ import annotations

import numpy as np
import pytest
from msgspec.structs import replace

from firmware_py.evaluation.evenings import Evening, Given, Stay, draw_evening
from firmware_py.evaluation.figures import Plan, Played, figures, gini, play
from firmware_py.evaluation.people import People, made_up_people
from firmware_py.evaluation.policies import MAXIMUM, OURS
from firmware_py.evaluation.truth import PairTruth, TruthError
from firmware_py.vocabulary import load_vocabulary
from kiosk.values import Consents
from tests.kiosk.matching.people import member

VOCABULARY = load_vocabulary()
FOUR = (member("Asta"), member("Bo", employer="x"), member("Cai", quiet=True), member("Dan", employer="x"))
STAYS = {place: Stay(place, 0, 100) for place in range(4)}


def played(*given: tuple[int, int], repeats: int = 0) -> Played:
    evening = Evening(0, frozenset(range(4)), tuple(Given(one, other, 0) for one, other in given), repeats, ())
    return Played((evening,), (STAYS,))


def people(*wins: tuple[int, int]) -> People:
    values = np.zeros((4, 4), np.float32)
    for one, other in wins:
        values[one, other] = 0.5
    return People(FOUR, PairTruth(values, np.zeros_like(values)), np.ones(4, np.float32))


@pytest.mark.parametrize(("counts", "right"), [((1, 1, 1, 1), 0.0), ((0, 0, 0, 4), 0.75), ((0, 1), 0.5), ((0, 0), 0.0)])
def test_gini_is_0_when_all_get_alike_and_nears_1_when_one_gets_all(counts: tuple[int, ...], right: float) -> None:
    assert gini(counts) == pytest.approx(right)


def test_a_win_win_needs_both_to_gain() -> None:
    found = figures(people((0, 1), (1, 0), (0, 2)), played((0, 1), (0, 2)), VOCABULARY, Plan())
    assert (found.win_win, found.win_win_visits, found.introduced, found.introductions) == (0.5, 0.5, 0.75, 0.5)


def test_approaches_are_counted_for_the_one_who_is_sent_to() -> None:
    found = figures(people(), played((0, 2), (1, 2), (3, 1)), VOCABULARY, Plan())
    assert (found.most_approached, found.most_approached_quiet) == (2, 2)
    assert found.gini == found.gini_evening == pytest.approx(gini([0, 1, 2, 0]))


def test_what_must_not_be_is_counted() -> None:
    evenings, stays = played((1, 3), repeats=1)
    unwilling = Played((evenings[0]._replace(willing=frozenset({1})),), stays)
    strict = Consents(introductions=True)
    apart = people()._replace(members=tuple(replace(each, consents=strict) for each in FOUR))
    found = figures(apart, unwilling, VOCABULARY, Plan())
    assert (found.one_employer, found.repeats, found.unwilling) == (1, 1, 1)


def test_the_same_seed_gives_the_same_evenings() -> None:
    made = [made_up_people(150, 4, VOCABULARY).people for _ in range(2)]
    plan = Plan(visits=40, evenings=2)
    first, second = (play(OURS, each, VOCABULARY, plan) for each in made)
    assert [evening.given for evening in first.evenings] == [evening.given for evening in second.evenings]
    assert first.evenings[0].given


def test_nobody_comes_twice_in_an_evening_or_goes_before_they_came() -> None:
    stays = draw_evening(np.random.default_rng(1), np.ones(300, np.float32), 200)
    assert len({stay.member for stay in stays}) == 200
    assert all(stay.comes < stay.goes for stay in stays)
    assert [stay.comes for stay in stays] == sorted(stay.comes for stay in stays)


def test_no_policy_has_more_win_wins_with_one_partner_each_than_the_maximum() -> None:
    made = made_up_people(300, 5, VOCABULARY).people
    plan = Plan(visits=60, evenings=3)
    shares = {name: figures(made, play(name, made, VOCABULARY, plan), VOCABULARY, plan) for name in (OURS, MAXIMUM, "random")}
    assert shares[MAXIMUM].win_win_visits > shares[OURS].win_win_visits
    assert shares[MAXIMUM].most_approached == 1


def test_a_roster_that_is_too_small_is_told() -> None:
    with pytest.raises(TruthError, match="the roster has 20 members; 30 visits an evening need as many"):
        play(OURS, made_up_people(20, 1, VOCABULARY).people, VOCABULARY, Plan(visits=30))
