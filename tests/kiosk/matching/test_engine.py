"""Whom a visitor should meet, why and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from firmware_py.roster import made_up_members
from kiosk.matching import Circumstances, Present, Weights, explain, find_match, links
from kiosk.matching.engine import waited
from kiosk.matching.gates import apart, barred
from kiosk.matching.score import base, fairness
from kiosk.values import (
    Consents,
    Introduction,
    Member,
    MemberId,
    Mood,
    Now,
    Reason,
    ReasonKind,
    TopicId,
    VisitId,
    WallTime,
    ZoneId,
)
from tests.kiosk.matching.people import (
    LIBRARY,
    NOOK,
    NOON,
    PLAIN,
    SCREEN,
    SENSITIVE_TOPICS,
    TABLE,
    VOCABULARY,
    ZONES,
    crowd,
    here,
    member,
)

CROWD = made_up_members(80, 5, VOCABULARY)
ANNA = here(member("Anna", seeks="teaching", offers="digmark"), 1, zone=None)
BO = here(member("Bo", seeks="digmark", offers="teaching"), 2, zone=LIBRARY)
CY = here(member("Cy", seeks="law", offers="teaching"), 3)


def match(
    visitor: Present,
    present: Sequence[Present],
    met: Set[MemberId] = frozenset(),
    occupancy: Mapping[ZoneId, int] | None = None,
    mean_rate: int = 0,
) -> Introduction | None:
    circumstances = Circumstances(
        zones=ZONES, occupancy=occupancy or {}, mean_rate=mean_rate, met={visitor.profile.member: met}
    )
    return find_match(visitor, present, circumstances, PLAIN)


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
        score=456,
    )


def test_nobody_here_is_not_yet() -> None:
    assert match(ANNA, [ANNA]) is None


def test_a_pair_below_the_threshold_is_not_yet() -> None:
    nothing_in_common = here(member("Dag", seeks="law", offers="photo"), 4)

    assert match(ANNA, [nothing_in_common]) is None


def test_the_threshold_itself_is_enough() -> None:
    assert find_match(ANNA, [BO], Circumstances(zones=ZONES), replace(PLAIN, threshold=456)) is not None
    assert find_match(ANNA, [BO], Circumstances(zones=ZONES), replace(PLAIN, threshold=457)) is None


def test_a_closed_gate_sends_to_the_next_best() -> None:
    assert match(ANNA, [BO, CY], met={MemberId("bo")}) == Introduction(
        visit=VisitId("t1-1-1"),
        partner=VisitId("t1-1-3"),
        reason=Reason(ReasonKind.ASK, ask=TopicId("teaching"), give=TopicId("digmark")),
        zone=TABLE.id,
        score=144,
    )


def test_a_visitor_without_an_offer_is_not_matched() -> None:
    assert match(here(member("Anna", seeks="teaching", offers="")), [BO]) is None


def test_a_visitor_who_does_not_want_introductions_gets_none() -> None:
    assert match(here(member("Anna", seeks="teaching", offers="digmark", consents=Consents())), [BO]) is None


def test_who_was_approached_gives_way_to_who_met_nobody() -> None:
    busy = here(member("Bo", seeks="digmark", offers="teaching"), 2, approached=1)
    free = here(member("Dag", seeks="digmark", offers="teaching"), 4)

    assert partner(ANNA, [busy, free]) == free.visit.id


def came(minute: int, *, boot: str = "boot", wall: bool = False) -> Now:
    return Now(boot, minute * 60_000, WallTime(minute * 60_000, 0, minute) if wall else None)


@pytest.mark.parametrize(
    ("then", "now", "minutes"),
    [
        (came(3), came(45), 42),
        (came(45), came(3), 0),
        (came(3, boot="a"), came(45, boot="b"), 0),
        (came(3, boot="a", wall=True), came(45, boot="b", wall=True), 42),
        (came(3), came(45, wall=True), 42),
    ],
)
def test_who_came_earlier_has_waited(then: Now, now: Now, minutes: int) -> None:
    assert waited(here(member("Anna"), 1, opened=now), here(member("Bo"), 2, opened=then)) == minutes


def test_who_has_waited_longer_comes_before_who_fits_a_little_better() -> None:
    better = here(member("Bo", seeks="digmark", offers="teaching"), 2, opened=came(60))
    earlier = here(member("Dag", seeks="hr digmark", offers="teaching"), 4, opened=came(0))
    visitor = here(member("Anna", seeks="teaching", offers="digmark"), 5, opened=came(60))

    assert partner(visitor, [better, earlier]) == earlier.visit.id
    assert partner(visitor, [better, here(earlier.visit.member, 4, opened=came(60))]) == better.visit.id


def test_who_has_waited_long_takes_what_is_too_little_for_who_has_just_come() -> None:
    visitor = here(member("Anna", seeks="teaching", offers="digmark"), 1, opened=came(60))
    little = member("Dag", seeks="law", offers="photo", occupation="2310")

    assert partner(visitor, [here(little, 4, opened=came(60))]) is None
    assert partner(visitor, [here(little, 4, opened=came(0))]) == "t1-1-4"


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
        (-base(visitor.profile, one.profile, PLAIN) - fairness(one, 0, mean_rate, PLAIN), one.visit.number, one.visit.id)
        for one in people
        if not barred(visitor) and not apart(visitor, one, Circumstances(zones=ZONES))
    )
    best = next(((visit, -score) for score, _, visit in ranked if -score >= PLAIN.threshold), None)

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


def test_a_remote_partner_is_met_at_the_screen_even_by_the_quiet() -> None:
    remote = here(member("Bo", seeks="digmark", offers="teaching", quiet=True), 2, zone=SCREEN)
    introduction = find_match(ANNA, [remote], Circumstances(zones=(*ZONES, SCREEN), occupancy={SCREEN.id: 1}))

    assert introduction is not None
    assert introduction.zone == SCREEN.id


@pytest.mark.parametrize("mood", [Mood.COFFEE, Mood.GROUP])
def test_who_wants_coffee_or_a_group_is_introduced_to_nobody_and_nobody_to_them(mood: Mood) -> None:
    other = here(member("Anna", seeks="teaching", offers="digmark"), 1, mood=mood)

    assert (partner(other, [BO]), partner(BO, [other])) == (None, None)


def helper(name: str, number: int, opened: Now = NOON, **profile: Any) -> Present:
    return here(member(name, seeks="digmark", offers="teaching", **profile), number, opened=opened)


@pytest.mark.parametrize(
    ("early", "late"),
    [
        (Now("b", 5), Now("b", 6)),
        (Now("b", 9), Now("b", 1, WallTime(7, 0, 0))),
        (Now("b", 9, WallTime(7, 0, 0)), Now("other", 1, WallTime(8, 0, 0))),
    ],
)
def test_of_equals_the_one_who_has_waited_longest_is_first_in_line_at_whichever_door(early: Now, late: Now) -> None:
    first, second = helper("Bo", 900, early), helper("Cy", 2, late)

    assert partner(ANNA, [second, first]) == first.visit.id


def test_who_was_told_not_yet_goes_before_who_met_somebody() -> None:
    waiting = helper("Bo", 9)
    met = here(member("Cy", seeks="digmark", offers="teaching"), 2, introduced=1)

    assert partner(ANNA, [met, waiting]) == waiting.visit.id


def test_pinned_people_meet_whatever_the_score_and_though_they_met_before() -> None:
    stranger = here(member("Dag", seeks="law", offers="photo"), 4)
    pinned = Circumstances(
        zones=ZONES,
        pins=links([(ANNA.profile.member, stranger.profile.member)]),
        met=links([(ANNA.profile.member, stranger.profile.member)]),
    )

    for one, other in ((ANNA, stranger), (stranger, ANNA)):
        found = find_match(one, [ANNA, BO, CY, stranger], pinned)
        assert found is not None
        assert (found.partner, found.reason.kind) == (other.visit.id, ReasonKind.OPEN)


def test_of_several_pinned_the_one_who_waits_longest_is_first() -> None:
    later, sooner = helper("Dag", 4), helper("Eva", 3)
    pins = links([(ANNA.profile.member, one.profile.member) for one in (later, sooner)])

    found = find_match(ANNA, [later, BO, sooner], Circumstances(zones=ZONES, pins=pins))

    assert found is not None
    assert found.partner == sooner.visit.id


def test_while_the_pinned_one_talks_somebody_else_is_met() -> None:
    talking = here(member("Dag", seeks="digmark", offers="teaching"), 4, talks_until_ms=50)
    pinned = Circumstances(zones=ZONES, pins=links([(ANNA.profile.member, talking.profile.member)]), now_ms=49)

    assert [
        None if found is None else found.partner
        for found in (find_match(ANNA, [talking, BO], replace(pinned, now_ms=now)) for now in (49, 50))
    ] == [BO.visit.id, talking.visit.id]


@pytest.mark.parametrize(
    "dag",
    [
        member("Dag", consents=Consents()),
        member("Dag", offers=""),
        member("Dag", employer="e1", consents=Consents(introductions=True)),
    ],
)
def test_a_pin_never_overrules_consent_offer_or_employer(dag: Member) -> None:
    anna = here(member("Anna", seeks="teaching", offers="digmark", employer="e1"))
    everybody = [anna, here(dag, 4), BO]
    pinned = Circumstances(zones=ZONES, pins=links([(MemberId("anna"), dag.id)]))

    answers = [find_match(one, everybody, pinned) for one in everybody[:2]]

    assert answers[0] is not None
    assert answers[0].partner == BO.visit.id
    assert answers[1] is None or answers[1].partner != anna.visit.id


def test_a_swap_gives_the_next_best() -> None:
    swapped = Circumstances(zones=ZONES, passed_over={BO.profile.member})
    found = find_match(ANNA, [ANNA, BO, CY], swapped)

    assert found is not None
    assert found.partner == CY.visit.id


CODER = here(member("Anna", seeks="teaching", offers="digmark", occupation="2512", industry="J"), 1)
COLLEAGUE = helper("Bo", 2, occupation="2513", industry="K")
BAKER = helper("Cy", 3, occupation="7512", industry="G")
TURN = PLAIN.explore - 1


def explored(present: Sequence[Present], turn: int, weights: Weights = PLAIN) -> VisitId | None:
    found = find_match(CODER, present, Circumstances(zones=ZONES, turn=turn), weights)
    return None if found is None else found.partner


def test_every_eighth_introduction_is_to_somebody_from_another_field() -> None:
    picks = [explored([COLLEAGUE, BAKER], turn) for turn in range(16)]

    assert picks == ([COLLEAGUE.visit.id] * 7 + [BAKER.visit.id]) * 2


def test_exploring_prefers_who_met_nobody_yet_among_those_from_another_field() -> None:
    best = here(member("Dag", seeks="digmark", offers="teaching", occupation="7512", industry="G"), 4, introduced=1)
    asked_for = here(member("Eva", offers="teaching", occupation="7512", industry="G"), 5)

    assert explored([COLLEAGUE, best], TURN) == best.visit.id
    assert explored([COLLEAGUE, best, asked_for], TURN) == asked_for.visit.id
    assert explored([COLLEAGUE, best, asked_for], TURN - 1) == COLLEAGUE.visit.id


def test_exploring_takes_nobody_below_the_threshold_and_falls_back_on_the_best() -> None:
    stranger = here(member("Dag", offers="photo", occupation="7512", industry="G"), 4)

    assert explored([COLLEAGUE, stranger], TURN) == COLLEAGUE.visit.id


def test_exploring_can_be_switched_off() -> None:
    assert [explored([COLLEAGUE, BAKER], turn, replace(PLAIN, explore=0)) for turn in range(16)] == [COLLEAGUE.visit.id] * 16


def circumstances_of(people: Sequence[Present], seed: int) -> Circumstances:
    chance = Random(seed)
    members = [one.profile.member for one in people]

    def some(count: int) -> list[tuple[MemberId, MemberId]]:
        return [(one, other) for one, other in (chance.sample(members, 2) for _ in range(count))]

    return Circumstances(
        zones=ZONES,
        now_ms=1000,
        mean_rate=1500,
        turn=chance.randrange(16),
        met=links(some(120)),
        vetoes=links(some(60)),
        pins=links(some(40)),
        passed_over=set(chance.sample(members, 3)),
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999))
def test_no_gate_is_ever_passed(seed: int) -> None:
    people = crowd(60, seed)
    circumstances = circumstances_of(people, seed)
    for visitor in people:
        found = find_match(visitor, people, circumstances)
        if found is None:
            continue
        met = next(one for one in people if one.visit.id == found.partner)
        own, other = visitor.profile, met.profile
        pinned = other.member in circumstances.pins.get(own.member, ())
        assert own.consents.introductions
        assert other.consents.introductions
        assert own.member != other.member
        assert other.member not in circumstances.vetoes.get(own.member, ())
        assert other.member not in circumstances.passed_over
        assert visitor.visit.mood is met.visit.mood is Mood.INTRODUCE
        assert met.visit.talks_until_ms is None or met.visit.talks_until_ms <= 1000
        assert met.visit.approached < (1 if other.quiet else 3)
        assert not own.employer or own.employer != other.employer or (own.consents.colleagues and other.consents.colleagues)
        assert pinned or other.member not in circumstances.met.get(own.member, ())
        assert pinned or found.score >= Weights().threshold


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.randoms(use_true_random=False))
def test_neither_answer_nor_explanation_depends_on_the_order_of_the_people(seed: int, chance: Random) -> None:
    people = crowd(40, seed)
    circumstances = circumstances_of(people, seed)
    mixed = list(people)
    chance.shuffle(mixed)

    for visitor in people[:8]:
        assert find_match(visitor, mixed, circumstances) == find_match(visitor, people, circumstances)
        assert explain(visitor, mixed, circumstances) == explain(visitor, people, circumstances)
