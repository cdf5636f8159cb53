"""Whom a visitor should meet, why and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_py.roster import made_up_members
from kiosk.matching import Present, Weights, find_match
from kiosk.matching.gates import apart, barred
from kiosk.matching.score import base, fairness
from kiosk.values import (
    Consents,
    Introduction,
    Member,
    MemberId,
    Reason,
    ReasonKind,
    TopicId,
    VisitId,
    Zone,
    ZoneId,
)
from tests.kiosk.matching.people import LIBRARY, NOOK, SENSITIVE_TOPICS, TABLE, VOCABULARY, ZONES, here, member

CROWD = made_up_members(80, 5, VOCABULARY)
ANNA = here(member("Anna", seeks="teaching", offers="digmark"), 1, zone=None)
BO = here(member("Bo", seeks="digmark", offers="teaching"), 2, zone=LIBRARY)
CY = here(member("Cy", seeks="law", offers="teaching"), 3)


def match(
    visitor: Present,
    present: Sequence[Present],
    met: Set[MemberId] = frozenset(),
    occupancy: Mapping[ZoneId, int] | None = None,
    zones: Sequence[Zone] = ZONES,
    mean_rate: int = 0,
) -> Introduction | None:
    return find_match(visitor, present, met, zones, occupancy or {}, mean_rate)


def partner(visitor: Present, present: Sequence[Present]) -> VisitId | None:
    introduction = match(visitor, present)
    return None if introduction is None else introduction.partner


def evening(members: Sequence[Member], seed: int) -> list[Present]:
    chance = Random(seed)
    return [
        here(
            person,
            number,
            zone=chance.choice(ZONES),
            approached=chance.randrange(3),
            introduced=chance.randrange(2),
            lifetime_rate=chance.randrange(3000),
        )
        for number, person in enumerate(members, 1)
    ]


def test_two_people_who_help_each_other_meet_at_the_partners_place() -> None:
    assert match(ANNA, [ANNA, CY, BO]) == Introduction(
        visit=VisitId("t1-1-1"),
        partner=VisitId("t1-1-2"),
        reason=Reason(ReasonKind.BOTH, ask=TopicId("teaching"), give=TopicId("digmark")),
        zone=LIBRARY.id,
        score=397,
    )


def test_nobody_here_is_not_yet() -> None:
    assert match(ANNA, [ANNA]) is None


def test_a_pair_below_the_threshold_is_not_yet() -> None:
    nothing_in_common = here(member("Dag", seeks="law", offers="photo"), 4)

    assert match(ANNA, [nothing_in_common]) is None


def test_the_threshold_itself_is_enough() -> None:
    assert find_match(ANNA, [BO], frozenset(), ZONES, {}, 0, Weights(threshold=397)) is not None
    assert find_match(ANNA, [BO], frozenset(), ZONES, {}, 0, Weights(threshold=398)) is None


def test_a_closed_gate_sends_to_the_next_best() -> None:
    assert match(ANNA, [BO, CY], met={MemberId("bo")}) == Introduction(
        visit=VisitId("t1-1-1"),
        partner=VisitId("t1-1-3"),
        reason=Reason(ReasonKind.ASK, ask=TopicId("teaching"), give=TopicId("digmark")),
        zone=TABLE.id,
        score=149,
    )


def test_a_visitor_without_an_offer_is_not_matched() -> None:
    assert match(here(member("Anna", seeks="teaching", offers="")), [BO]) is None


def test_a_visitor_who_does_not_want_introductions_gets_none() -> None:
    assert match(here(member("Anna", seeks="teaching", offers="digmark", consents=Consents())), [BO]) is None


def test_who_was_approached_gives_way_to_who_met_nobody() -> None:
    busy = here(member("Bo", seeks="digmark", offers="teaching"), 2, approached=1)
    free = here(member("Dag", seeks="digmark", offers="teaching"), 4)

    assert partner(ANNA, [busy, free]) == free.visit.id


def test_who_is_often_approached_in_life_gives_way() -> None:
    popular = here(member("Bo", seeks="digmark", offers="teaching"), 2, lifetime_rate=2000)
    other = here(member("Dag", seeks="digmark", offers="teaching"), 4, lifetime_rate=500)

    assert partner(ANNA, [popular, other]) == other.visit.id


def test_of_equals_the_one_who_came_first_is_met() -> None:
    later = here(member("Dag", seeks="digmark", offers="teaching"), 4)

    assert [partner(ANNA, crowd) for crowd in ([later, BO], [BO, later])] == [BO.visit.id, BO.visit.id]


def test_a_sensitive_need_does_not_find_who_offers_it() -> None:
    seeker = here(member("Anna", seeks="cv interview", offers="photo"))
    recruiter = here(member("Bo", seeks="law", offers="cv interview"), 2)

    assert (match(seeker, [recruiter]), match(recruiter, [seeker])) == (None, None)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 79), st.integers(0, 999), st.lists(st.sampled_from(SENSITIVE_TOPICS), unique=True))
def test_sensitive_needs_change_nothing_whoever_has_them(place: int, seed: int, needs: list[TopicId]) -> None:
    chance = Random(seed)
    changed = [
        msgspec.structs.replace(
            person,
            seeks=(*needs, *(topic for topic in person.seeks if topic not in SENSITIVE_TOPICS))
            if chance.random() < 0.5
            else person.seeks,
        )
        for person in CROWD
    ]
    before, after = evening(CROWD, seed), evening(changed, seed)

    assert match(before[place], before, mean_rate=1000) == match(after[place], after, mean_rate=1000)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 79), st.integers(0, 999), st.randoms(use_true_random=False))
def test_the_answer_does_not_depend_on_the_order_of_the_people(place: int, seed: int, chance: Random) -> None:
    people = evening(CROWD, seed)
    mixed = list(people)
    chance.shuffle(mixed)

    assert match(people[place], mixed) == match(people[place], people)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 79), st.integers(0, 999), st.integers(0, 4000))
def test_the_answer_is_the_best_of_all_who_may_be_met(place: int, seed: int, mean_rate: int) -> None:
    people = evening(CROWD, seed)
    visitor = people[place]
    ranked = sorted(
        (-base(visitor.profile, one.profile) - fairness(one.visit, mean_rate), one.visit.number, one.visit.id)
        for one in people
        if not barred(visitor) and not apart(visitor, one, frozenset())
    )
    best = next(((visit, -score) for score, _, visit in ranked if -score >= Weights().threshold), None)

    found = match(visitor, people, mean_rate=mean_rate)

    assert (None if found is None else (found.partner, found.score)) == best


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999))
def test_reasons_never_name_a_sensitive_topic_nor_a_need_without_consent(seed: int) -> None:
    people = evening(CROWD, seed)
    for visitor in people:
        introduction = match(visitor, people)
        if introduction is None:
            continue
        met = next(one for one in people if one.visit.id == introduction.partner)
        reason = introduction.reason
        assert not {reason.ask, reason.give} & set(SENSITIVE_TOPICS)
        if not met.profile.consents.need:
            assert reason.kind not in {ReasonKind.BOTH, ReasonKind.GIVE}


def test_most_of_a_made_up_evening_is_introduced() -> None:
    people = evening(CROWD, 1)

    introduced = sum(match(visitor, people, mean_rate=1000) is not None for visitor in people)

    assert introduced >= 60


def test_a_quiet_visitor_goes_to_a_quiet_zone() -> None:
    quiet = here(member("Anna", seeks="teaching", offers="digmark", quiet=True), 1, zone=None)
    introduction = match(quiet, [BO])

    assert introduction is not None
    assert introduction.zone == NOOK.id


def test_a_quiet_partner_is_met_in_a_quiet_zone() -> None:
    quiet = here(member("Bo", seeks="digmark", offers="teaching", quiet=True), 2, zone=LIBRARY)
    introduction = match(ANNA, [quiet])

    assert introduction is not None
    assert introduction.zone == NOOK.id


def test_a_full_zone_of_the_partner_sends_elsewhere() -> None:
    introduction = match(ANNA, [BO], occupancy={LIBRARY.id: 4})

    assert introduction is not None
    assert introduction.zone == TABLE.id
