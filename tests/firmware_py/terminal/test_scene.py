"""What the pages are told of a café with several doors, a calendar and doubtful clocks."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from firmware_py.config import parse
from firmware_py.terminal.scene import jobs, scene, since_ms, visits
from firmware_py.terminal.supervise import Supervisor
from firmware_py.wiring import Wiring
from kiosk.door import Chosen, DoorState
from kiosk.events import MatchAnswered, MoodChosen, PresenceHeard, ScheduleRead, Started
from kiosk.jobs import JobState
from kiosk.values import Cause, Mood, Now, Occasion, Visit, VisitId
from tests.kiosk.matching.people import LIBRARY, TABLE
from tests.kiosk.rig import MAEVE, SIGRID, SOREN, at, badge_job, clock, introduction, opened, play, tap, visit_id

NOON = 10_000
TODAY = 20_000
WIRING = Wiring(
    parse(
        """
[cafe]
name = "Kafé Provet"

[[zone]]
id = "library"
name = "Biblioteket"
symbol = "triangle"
colour = "blue"
direction = "upstairs"

[reader.door]
driver = "fake"
"""
    )
)


def nothing_supervised() -> Supervisor:
    """Return the supervisor of a café without a single device."""
    return Supervisor([], feed=print, went_down=print, restart=bool, now_ms=0)


def shown(state: DoorState, now: Now) -> dict[str, object]:
    return scene(state, nothing_supervised(), WIRING, now, stores=True)


def met() -> DoorState:
    """Return the state in which Maeve was sent to Sigrid, who agreed to no name, and Søren is at another door."""
    shy = replace(SIGRID, consents=replace(SIGRID.consents, name=False))
    elsewhere = Visit(VisitId("t2-y-9"), 7, SOREN, at(NOON), zone=TABLE.id)
    return play(
        opened(),
        (tap(shy), at(NOON)),
        (MatchAnswered(visit_id(1), None, LIBRARY.id), at(NOON)),
        (tap(MAEVE), at(NOON)),
        (MatchAnswered(visit_id(3), introduction(visit_id(3), visit_id(1)), TABLE.id), at(NOON)),
        (PresenceHeard(open=(elsewhere,)), at(NOON)),
    )


def test_what_is_on_today_and_not_over_is_in_the_scene_by_time() -> None:
    midnight = TODAY * 1440
    occasions = (
        Occasion("Quiz", midnight + 19 * 60, midnight + 21 * 60, "Scenen"),
        Occasion("Breakfast", midnight + 8 * 60, midnight + 9 * 60),
        Occasion("Language café", midnight + 17 * 60 + 30, midnight + 18 * 60 + 5),
        Occasion("Flea market", midnight, midnight + 1440),
        Occasion("Tomorrow", midnight + 1440 + 12 * 60, midnight + 1440 + 13 * 60),
    )
    state = play(opened(), (ScheduleRead(occasions), at(0)))
    now = at(NOON, wall=clock(TODAY, 18))
    assert shown(state, now)["events"] == [
        {"title": "Flea market", "begins": None, "ends": None, "place": ""},
        {"title": "Language café", "begins": "17:30", "ends": "18:05", "place": ""},
        {"title": "Quiz", "begins": "19:00", "ends": "21:00", "place": "Scenen"},
    ]
    assert shown(state, now)["day"] == "2024-10-04"
    assert shown(state, at(NOON))["events"] == []


def test_people_of_other_doors_count_and_doubtful_ones_do_not() -> None:
    state = met()
    doubted = replace(state.visits[visit_id(1)], confirmed=False)
    state = replace(state, visits={**state.visits, doubted.id: doubted})
    found = shown(state, at(NOON))
    assert found["here"] == 2
    zones = found["zones"]
    assert isinstance(zones, list)
    assert [(zone["id"], zone["here"]) for zone in zones] == [("library", 0), ("table", 2), ("nook", 0)]
    assert [zone["direction"] for zone in zones] == ["upstairs", None, None]


def test_what_waits_for_a_tap_is_told_by_reader() -> None:
    choices = {"door": Chosen(Mood.GROUP, NOON + 1), None: Chosen(Mood.COFFEE, NOON + 1)}
    assert shown(replace(opened(), choices=choices), at(NOON))["choices"] == {"door": "group", "": "coffee"}


def test_without_a_reader_or_storage_the_door_is_shut_and_says_why() -> None:
    assert shown(opened(), at(NOON))["trouble"] == "no_reader"
    found = scene(opened(), nothing_supervised(), WIRING, at(NOON), stores=False)
    assert (found["open"], found["trouble"]) == (False, "no_storage")


def test_the_printer_of_a_cafe_without_one_is_no_trouble() -> None:
    state = opened()
    state = replace(state, house=replace(state.house, prints=False), spool=replace(state.spool, cause=Cause.MISSING))
    assert shown(state, at(NOON))["printer"] == {"prints": False, "cause": None, "paper_low": False}


def test_staff_knows_everybody_by_name_and_through_which_door_they_came() -> None:
    first, second, other = visits(met(), at(NOON + 61_000))
    assert [each["name"] for each in (first, second, other)] == ["Sigrid", "Maeve", "Søren"]
    assert [each["door"] for each in (first, second, other)] == ["t1", "t1", "t2"]
    assert (second["introduced_to"], first["introduced_to"]) == (["Sigrid"], [])
    assert (second["since_s"], second["language"], second["zone"]) == (61, "en", TABLE.id)


def test_of_somebody_who_has_left_there_is_the_number_where_they_agreed_to_no_name() -> None:
    state = met()
    state = replace(state, visits={visit_id(3): state.visits[visit_id(3)]}, here={MAEVE.id: visit_id(3)})
    assert visits(state, at(NOON))[0]["introduced_to"] == ["nummer 1"]


def test_who_waits_for_a_group_waits_too_and_who_wants_coffee_does_not() -> None:
    state = play(opened(), (tap(SIGRID), at(NOON)), (MatchAnswered(visit_id(1), None, None), at(NOON)))
    for mood, waits in ((Mood.INTRODUCE, True), (Mood.GROUP, True), (Mood.COFFEE, False)):
        state = play(state, (MoodChosen(SIGRID.id, mood), at(NOON)))
        state = replace(state, asked={})
        assert visits(state, at(NOON))[0]["waits"] is waits, mood


@pytest.mark.parametrize(
    ("then", "now", "ms"),
    [
        (at(1_000), at(5_000), 4_000),
        (at(1_000, "sunday", clock(5, 20)), at(5_000, "monday", clock(6, 8)), 12 * 3_600_000),
        (at(900_000, "sunday"), at(5_000, "monday", clock(6, 8)), 5_000),
    ],
)
def test_how_long_ago_is_told_as_far_as_the_clocks_know(then: Now, now: Now, ms: int) -> None:
    assert since_ms(then, now) == ms


def test_only_an_uncertain_badge_is_judged_and_only_the_latest_of_who_is_here_reprinted() -> None:
    state = replace(play(opened(), (tap(SIGRID), at(NOON))), asked={})
    visit = state.visits[visit_id(1)]
    first = replace(badge_job(2, visit, None, at(NOON)), state=JobState.CONFIRMED)
    second = replace(badge_job(3, visit, None, at(NOON)), state=JobState.UNKNOWN, cause=Cause.LOST)
    blind = replace(second, cause=Cause.CANNOT_TELL)
    gone = play(DoorState(house=state.house), (Started(), at(NOON)))
    names = {SIGRID.id: "Sigrid"}
    assert [each["can"] for each in jobs(state, [first, second], names, at(NOON))] == [[], ["judge"]]
    assert [each["can"] for each in jobs(state, [first, blind], names, at(NOON))] == [[], ["reprint"]]
    assert [each["can"] for each in jobs(state, [first], names, at(NOON))] == [["reprint"]]
    assert jobs(gone, [first], {}, at(NOON + 2_500)) == [{"age_s": 2, "name": None, "can": []}]
