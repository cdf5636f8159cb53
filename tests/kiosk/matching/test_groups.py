"""Who sits down together, and the group book."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, product
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiosk.matching import Circumstances, Present, find_groups, links, rotation
from kiosk.matching.gates import between
from kiosk.matching.groups import CIRCLE, SIZES, Round
from kiosk.matching.groups import _partings as partings
from kiosk.values import Consents, Gathering, Language, MemberId, Mood, Now, TopicId, VisitId
from tests.kiosk.matching.people import EVERYTHING, LIBRARY, NOOK, OPEN_TOPICS, TABLE, ZONES, crowd, here, member

HERE = Circumstances(zones=ZONES)


def meetings(book: tuple[Round, ...]) -> Counter[tuple[int, int]]:
    return Counter(pair for parts in book for part in parts for pair in combinations(sorted(part), 2))


def again(book: tuple[Round, ...]) -> int:
    """Count how often two sit together who have sat together, once for each time that they did before."""
    return sum(times * (times - 1) // 2 for times in meetings(book).values())


@settings(deadline=None)
@given(st.integers(1, CIRCLE), st.integers(1, 7))
def test_everybody_sits_in_one_sub_group_of_three_or_four_in_each_round(people: int, rounds: int) -> None:
    book = rotation(people, rounds)

    assert 1 <= len(book) <= rounds
    for parts in book:
        assert sorted(place for part in parts for place in part) == list(range(people))
        assert people <= 5 or {len(part) for part in parts} <= {3, 4}


@pytest.mark.parametrize(("people", "rounds"), [(9, 4), (12, 5), (13, 4), (14, 4), (15, 7), (16, 5)])
def test_nobody_sits_with_anybody_twice_where_a_book_without_repeats_exists(people: int, rounds: int) -> None:
    book = rotation(people, 99)

    assert len(book) == rounds
    assert again(book) == 0


@pytest.mark.parametrize("people", [9, 12, 15, 16])
def test_the_whole_book_brings_everybody_together_with_everybody_once(people: int) -> None:
    assert set(meetings(rotation(people, 99)).values()) == {1}
    assert len(meetings(rotation(people, 99))) == people * (people - 1) // 2


@pytest.mark.parametrize("people", SIZES)
def test_where_none_exists_a_second_round_has_as_few_repeats_as_can_be(people: int) -> None:
    first, second = rotation(people, 2)
    fewest = min(again((first, other)) for other in partings(tuple(range(people)), SIZES[people]))

    assert again((first, second)) == fewest > 0


@pytest.mark.parametrize("people", [6, 7, 8])
def test_three_rounds_of_a_small_group_have_as_few_repeats_as_can_be(people: int) -> None:
    all_rounds = list(partings(tuple(range(people)), SIZES[people]))
    fewest = min(again((all_rounds[0], *others)) for others in product(all_rounds, repeat=2))

    assert again(rotation(people, 3)) == fewest


@pytest.mark.parametrize(("people", "ways"), [(6, 10), (7, 35), (8, 35), (10, 2100), (11, 5775)])
def test_every_parting_is_looked_at_once(people: int, ways: int) -> None:
    # n! / (sizes! · times! of equal sizes)
    seen = {frozenset(map(frozenset, parts)) for parts in partings(tuple(range(people)), SIZES[people])}

    assert len(seen) == len(list(partings(tuple(range(people)), SIZES[people]))) == ways


@pytest.mark.parametrize("people", [0, 17])
def test_other_numbers_are_refused(people: int) -> None:
    with pytest.raises(ValueError, match=f"a group of {people} people: 1 to 16"):
        rotation(people)


def waiting(name: str, number: int, *, opened: int = 0, mood: Mood = Mood.GROUP, **profile: Any) -> Present:
    return here(member(name, **profile), number, mood=mood, opened=Now("b", opened))


def names(found: tuple[Gathering, ...]) -> list[list[str]]:
    return [sorted(visit.rpartition("-")[2] for visit in each.visits) for each in found]


def test_three_who_wait_sit_down_at_one_table_and_open_with_what_they_share() -> None:
    people = [
        waiting("Anna", 1, seeks="ml"),
        waiting("Bo", 2, seeks="ml", offers="law"),
        waiting("Cy", 3, seeks="law", offers="ml"),
        here(member("Dag", seeks="ml", offers="law"), 4),
    ]

    assert find_groups(people, HERE) == (
        Gathering(
            zone=LIBRARY.id,
            rounds=(((VisitId("t1-1-1"), VisitId("t1-1-3"), VisitId("t1-1-2")),),),
            topic=TopicId("ml"),
        ),
    )


def test_two_who_wait_wait_on() -> None:
    assert find_groups([waiting("Anna", 1), waiting("Bo", 2)], HERE) == ()


@pytest.mark.parametrize(
    ("count", "most", "sizes"),
    [(3, 8, [3]), (8, 8, [8]), (9, 8, [5, 4]), (17, 8, [6, 6, 5]), (16, 16, [16]), (20, 16, [10, 10])],
)
def test_groups_are_about_equally_large(count: int, most: int, sizes: list[int]) -> None:
    people = [waiting(f"P{number}", number) for number in range(1, count + 1)]

    assert [len(group.visits) for group in find_groups(people, HERE, most=most)] == sizes


def test_who_waits_longest_sits_in_the_first_group() -> None:
    people = [waiting(f"P{number}", number, opened=100 - number) for number in range(1, 12)]

    assert "11" in names(find_groups(people, HERE))[0]


@pytest.mark.parametrize(
    "bo",
    [
        {"consents": Consents()},
        {"offers": ""},
        {"language": Language.EN},
        {"employer": "e1", "consents": Consents(introductions=True)},
    ],
)
def test_whom_a_gate_keeps_from_one_of_them_is_not_in_the_group(bo: dict[str, Any]) -> None:
    people = [waiting("Anna", 1, employer="e1"), waiting("Bo", 2, **bo), waiting("Cy", 3), waiting("Dag", 4)]

    assert names(find_groups(people, HERE)) == [["1", "3", "4"]]


@pytest.mark.parametrize("relation", ["met", "vetoes"])
def test_who_met_lately_or_is_kept_apart_does_not_sit_together(relation: str) -> None:
    people = [waiting(name, number) for number, name in enumerate(("Anna", "Bo", "Cy", "Dag", "Eva", "Finn"), 1)]
    linked: Any = {relation: links([(MemberId("anna"), MemberId("bo"))])}
    apart = Circumstances(zones=ZONES, **linked)

    found = names(find_groups(people, apart))

    assert len(found) == 1
    assert not {"1", "2"} <= set(found[0])


def test_all_of_a_group_have_one_language_in_common_not_only_any_two() -> None:
    people = [
        waiting("Anna", 1, language=Language.SV, languages=("en",)),
        waiting("Bo", 2, language=Language.SV, languages=("de",)),
        waiting("Cy", 3, language=Language.EN, languages=("de",)),
        waiting("Dag", 4, language=Language.SV),
    ]

    assert names(find_groups(people, HERE)) == [["1", "2", "4"]]


def test_the_quiet_sit_in_a_quiet_zone_that_has_room() -> None:
    people = [waiting("Anna", 1, quiet=True), waiting("Bo", 2), waiting("Cy", 3)]
    nook = type(NOOK)(NOOK.id, NOOK.name, NOOK.symbol, NOOK.colour, capacity=3, quiet=True)

    assert find_groups(people, Circumstances(zones=(TABLE, nook)))[0].zone == NOOK.id
    assert find_groups(people, Circumstances(zones=(TABLE, nook), occupancy={NOOK.id: 1}))[0].zone == TABLE.id


def test_two_groups_do_not_take_the_same_seats() -> None:
    people = [waiting(f"P{number}", number) for number in range(1, 7)]
    tables = tuple(type(TABLE)(zone.id, zone.name, zone.symbol, zone.colour, capacity=3) for zone in ZONES[:2])

    assert len({group.zone for group in find_groups(people, Circumstances(zones=tables), most=3)}) == 2


def test_the_topic_gives_away_no_need_without_consent() -> None:
    silent = Consents(introductions=True)
    people = [
        waiting("Anna", 1, seeks="ml", offers="law", consents=silent),
        waiting("Bo", 2, seeks="ml", offers="hr", consents=silent),
        waiting("Cy", 3, seeks="law", offers="ml"),
    ]

    assert find_groups(people, HERE)[0].topic == "law"


def test_topics_that_are_shared_by_as_many_take_turns() -> None:
    people = [waiting("Anna", 1, offers="law hr"), waiting("Bo", 2, offers="law hr"), waiting("Cy", 3)]

    topics = [find_groups(people, Circumstances(zones=ZONES, turn=turn))[0].topic for turn in range(4)]

    assert topics == ["hr", "law", "hr", "law"]


def test_nothing_in_common_is_no_topic() -> None:
    people = [waiting("Anna", 1, offers="law"), waiting("Bo", 2, offers="hr"), waiting("Cy", 3, offers="ml")]

    assert find_groups(people, HERE)[0].topic is None


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.integers(3, 16), st.randoms(use_true_random=False))
def test_every_gate_holds_between_any_two_of_a_group(seed: int, most: int, chance: Random) -> None:
    people = crowd(120, seed)
    known = {one.visit.id: one for one in people}
    members = [one.profile.member for one in people]
    pairs = [Random(seed + place).sample(members, 2) for place in range(300)]
    circumstances = Circumstances(zones=ZONES, now_ms=1000, met=links((one, other) for one, other in pairs))
    mixed = list(people)
    chance.shuffle(mixed)

    found = find_groups(people, circumstances, most=most)

    assert find_groups(mixed, circumstances, most=most) == found
    seated = [visit for group in found for visit in group.visits]
    assert len(seated) == len(set(seated))
    for group in found:
        assert 3 <= len(group.visits) <= most
        assert group.topic is None or group.topic in OPEN_TOPICS
        assert all(sorted(v for part in each for v in part) == sorted(group.visits) for each in group.rounds)
        seats = [known[visit] for visit in group.visits]
        assert frozenset.intersection(*(one.profile.languages for one in seats))
        for one in seats:
            assert one.visit.mood is Mood.GROUP
            assert one.profile.consents.introductions
            assert one.visit.talks_until_ms is None or one.visit.talks_until_ms <= 1000
        assert all(between(one, other, circumstances) is None for one, other in combinations(seats, 2))


def test_most_who_wait_find_a_group() -> None:
    people = [one for one in crowd(200, 7) if one.visit.mood is Mood.GROUP and one.profile.consents == EVERYTHING]
    people += [one for one in crowd(200, 8) if one.visit.mood is Mood.GROUP]
    waits = [one for one in people if one.visit.talks_until_ms is None and one.profile.consents.introductions]

    found = find_groups(waits, Circumstances(zones=ZONES))

    assert sum(len(group.visits) for group in found) >= len(waits) * 0.85
