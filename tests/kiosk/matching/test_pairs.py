"""Everybody at once."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiosk.matching import Circumstances, Pairing, Present, find_pairs, links, worth
from kiosk.matching.gates import apart, barred
from kiosk.matching.score import base
from tests.kiosk.matching.people import PLAIN, ZONES, crowd, here, member

HERE = Circumstances(zones=ZONES, now_ms=1000)


def best_sum(table: Sequence[Sequence[int]], left: tuple[int, ...]) -> int:
    """Return the greatest sum of pairs among `left`, by trying all."""
    if len(left) < 2:
        return 0
    first, *others = left
    alone = best_sum(table, tuple(others))
    return max(
        [alone]
        + [
            table[first][other] + best_sum(table, tuple(one for one in others if one != other))
            for other in others
            if table[first][other]
        ]
    )


def test_partners_are_exchanged_where_the_best_pair_leaves_two_alone() -> None:
    # Bo and Cy are the best pair of all, but then nobody is left for Anna and Dag.
    anna = here(member("Anna", seeks="ml", offers="law"), 1)
    bo = here(member("Bo", seeks="hr law", offers="ml ux"), 2)
    cy = here(member("Cy", seeks="ux pr", offers="hr sales"), 3)
    dag = here(member("Dag", seeks="sales", offers="pr"), 4)
    people = [cy, anna, dag, bo]
    assert base(bo.profile, cy.profile, PLAIN) > base(anna.profile, bo.profile, PLAIN)

    assert find_pairs(people, HERE, PLAIN) == (
        Pairing(anna.visit.id, bo.visit.id, 312),
        Pairing(cy.visit.id, dag.visit.id, 312),
    )


def test_the_pairs_go_by_score_and_who_has_nothing_in_common_with_anybody_is_in_none() -> None:
    people = [
        here(member("Anna", seeks="ml", offers="law"), 1),
        here(member("Bo", seeks="law", offers="ml"), 2),
        here(member("Cy", seeks="ux pr", offers="hr lean"), 3),
        here(member("Dag", seeks="hr lean", offers="ux pr"), 4),
        here(member("Eva", seeks="climate", offers="photo"), 5),
    ]

    assert [(pair.one[-1], pair.other[-1]) for pair in find_pairs(people, HERE)] == [("3", "4"), ("1", "2")]


@pytest.mark.parametrize("people", [[], [here(member("Anna"))]])
def test_who_is_alone_is_in_no_pair(people: list[Present]) -> None:
    assert find_pairs(people, HERE) == ()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 9999), st.integers(2, 16))
def test_small_rooms_are_paired_nearly_as_well_as_can_be(seed: int, count: int) -> None:
    people = Random(seed).sample(PEOPLE, count)
    table = worth(people, HERE)
    most = best_sum(table, tuple(range(count)))

    assert sum(pair.score for pair in find_pairs(people, HERE)) * 100 >= most * 93


PEOPLE = [one for seed in range(4) for one in crowd(60, seed) if barred(one) is None]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.randoms(use_true_random=False))
def test_everybody_is_in_one_pair_at_most_and_every_gate_is_kept(seed: int, chance: Random) -> None:
    people = crowd(60, seed)
    members = [one.profile.member for one in people]
    pairs_of = [tuple(Random(seed + place).sample(members, 2)) for place in range(200)]
    linked = links((one, other) for one, other in pairs_of)
    known = {one.visit.id: one for one in people}
    mixed = list(people)
    chance.shuffle(mixed)
    circumstances = Circumstances(zones=ZONES, now_ms=1000, met=linked)

    found = find_pairs(people, circumstances)

    assert find_pairs(mixed, circumstances) == found
    seated = [visit for pair in found for visit in (pair.one, pair.other)]
    assert len(seated) == len(set(seated))
    for pair in found:
        one, other = known[pair.one], known[pair.other]
        assert barred(one) is None
        assert apart(one, other, circumstances) is None
        assert apart(other, one, circumstances) is None
        assert pair.score == base(one.profile, other.profile) > 0
