"""What the host is told of why the engine chose."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from kiosk.matching import Circumstances, Explanation, Gate, Part, barred, explain, find_match, links
from kiosk.values import Consents, Mood, PastimeId, Reason, ReasonKind, TopicId, VisitId
from tests.kiosk.matching.people import PLAIN, SENSITIVE_TOPICS, ZONES, crowd, here, member

ANNA = here(member("Anna", seeks="teaching", offers="digmark", occupation="2512", industry="J", pastimes="chess"), 1)
BO = here(member("Bo", seeks="digmark", offers="teaching", occupation="2513", industry="K", pastimes="chess"), 2, introduced=1)
CY = here(member("Cy", offers="teaching"), 3)
DAG = here(member("Dag", offers="photo"), 4)


def gates(circumstances: Circumstances) -> list[tuple[VisitId, Gate | None]]:
    return [(each.partner, each.gate) for each in explain(ANNA, [ANNA, BO, CY, DAG], circumstances, PLAIN)]


def test_the_best_comes_first_with_the_parts_of_its_score() -> None:
    best, second, last = explain(ANNA, [DAG, CY, BO, ANNA], Circumstances(zones=ZONES, mean_rate=1000), PLAIN)

    assert best == Explanation(
        partner=BO.visit.id,
        score=644,
        parts=(
            (Part.HELP, 416),
            (Part.PEER, 187),
            (Part.LEISURE, 16),
            (Part.WISHES, 0),
            (Part.APPROACHED, 0),
            (Part.UNMET, 0),
            (Part.RATE, 25),
            (Part.PLENTY, 0),
        ),
        gate=None,
        pinned=False,
        reason=Reason(ReasonKind.BOTH, ask=TopicId("teaching"), give=TopicId("digmark"), pastime=PastimeId("chess")),
    )
    assert (second.partner, second.gate, second.score) == (CY.visit.id, None, 104 + 40 + 25)
    assert (last.partner, last.gate) == (DAG.visit.id, Gate.SCORE)


def test_a_closed_gate_is_named_and_goes_last() -> None:
    met = Circumstances(zones=ZONES, met=links([(ANNA.profile.member, BO.profile.member)]))

    assert gates(met) == [(CY.visit.id, None), (BO.visit.id, Gate.MET), (DAG.visit.id, Gate.SCORE)]


def test_a_pinned_one_goes_first_whatever_the_score() -> None:
    pinned = Circumstances(zones=ZONES, pins=links([(ANNA.profile.member, DAG.profile.member)]))

    assert gates(pinned)[0] == (DAG.visit.id, None)
    assert [each.pinned for each in explain(ANNA, [BO, DAG], pinned)] == [True, False]


def test_a_pinned_one_who_may_not_be_met_does_not_go_first() -> None:
    pair = links([(ANNA.profile.member, BO.profile.member)])

    assert gates(Circumstances(zones=ZONES, pins=pair, vetoes=pair))[:2] == [(CY.visit.id, None), (BO.visit.id, Gate.VETO)]


def test_who_may_not_be_introduced_has_that_gate_with_everybody() -> None:
    tired = here(member("Anna", seeks="teaching", offers="digmark"), 1, mood=Mood.COFFEE)

    met = Circumstances(zones=ZONES, met=links([(ANNA.profile.member, BO.profile.member)]))

    assert {each.gate for each in explain(tired, [BO, CY], met)} == {Gate.COFFEE}


def test_of_people_who_did_not_agree_nothing_is_told_not_even_that() -> None:
    closed = here(member("Eva", seeks="digmark", offers="teaching", consents=Consents()), 5)

    assert explain(ANNA, [closed], Circumstances(zones=ZONES)) == ()
    assert explain(closed, [ANNA], Circumstances(zones=ZONES)) == ()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999))
def test_what_is_explained_is_what_is_chosen(seed: int) -> None:
    people = crowd(50, seed)
    circumstances = Circumstances(zones=ZONES, now_ms=1000, mean_rate=1200)
    for visitor in people[:8]:
        told = explain(visitor, people, circumstances, PLAIN)
        chosen = next((each for each in told if each.gate is None), None)
        found = find_match(visitor, people, circumstances, PLAIN)
        assert (None if found is None else (found.partner, found.score, found.reason)) == (
            None if chosen is None else (chosen.partner, chosen.score, chosen.reason)
        )
        assert all(sum(worth for _, worth in each.parts) == each.score for each in told)
        assert all(each.gate is not None for each in told) or barred(visitor) is None


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999))
def test_an_explanation_holds_no_sensitive_topic_and_no_name(seed: int) -> None:
    people = crowd(40, seed)
    for visitor in people[:5]:
        told = explain(visitor, people, Circumstances(zones=ZONES))
        assert not {topic for each in told for topic in (each.reason.ask, each.reason.give)} & set(SENSITIVE_TOPICS)
        assert b"first_name" not in msgspec.json.encode(told)
