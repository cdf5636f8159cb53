"""Where to go."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.matching import choose_zone
from kiosk.values import Colour, Symbol, Zone, ZoneId
from tests.kiosk.matching.people import LIBRARY, NOOK, PRINTER, SCREEN, TABLE, ZONES

FULL = {LIBRARY.id: 4, TABLE.id: 8, NOOK.id: 2}


@pytest.mark.parametrize(
    ("occupancy", "quiet", "partner_zone", "zone"),
    [
        ({}, False, None, LIBRARY),
        ({LIBRARY.id: 1, TABLE.id: 1}, False, None, TABLE),
        ({LIBRARY.id: 1, TABLE.id: 7}, False, None, LIBRARY),
        ({LIBRARY.id: 1}, False, LIBRARY.id, LIBRARY),
        ({LIBRARY.id: 3}, False, LIBRARY.id, LIBRARY),
        ({LIBRARY.id: 4, TABLE.id: 7}, False, LIBRARY.id, TABLE),
        ({}, False, NOOK.id, NOOK),
        ({}, False, ZoneId("gone"), LIBRARY),
        ({}, True, None, NOOK),
        ({}, True, TABLE.id, NOOK),
        ({NOOK.id: 1}, True, NOOK.id, NOOK),
        ({NOOK.id: 2}, True, None, LIBRARY),
        ({NOOK.id: 2}, True, TABLE.id, LIBRARY),
        ({LIBRARY.id: 4, TABLE.id: 8}, False, None, NOOK),
        (FULL, False, None, LIBRARY),
        (FULL | {LIBRARY.id: 5}, True, LIBRARY.id, TABLE),
    ],
)
def test_people_go_where_there_is_room(
    occupancy: Mapping[ZoneId, int], quiet: bool, partner_zone: ZoneId | None, zone: object
) -> None:
    chosen = choose_zone(ZONES, occupancy, quiet=quiet, partner_zone=partner_zone)

    assert next(each for each in ZONES if each.id == chosen) == zone


def test_a_zone_without_places_is_closed_even_to_the_quiet() -> None:
    closed = Zone(ZoneId("terrace"), "Terrassen", Symbol.CROSS, Colour.RED, capacity=0)

    assert choose_zone([closed, TABLE], {TABLE.id: 7}, quiet=False) == TABLE.id
    assert choose_zone([closed, TABLE], {TABLE.id: 7}, quiet=True) == TABLE.id


@given(
    st.dictionaries(st.sampled_from([zone.id for zone in ZONES]), st.integers(0, 9)),
    st.booleans(),
    st.sampled_from([None, *(zone.id for zone in ZONES)]),
)
def test_a_full_zone_is_chosen_only_when_all_are_full(
    occupancy: dict[ZoneId, int], quiet: bool, partner_zone: ZoneId | None
) -> None:
    chosen = choose_zone(ZONES, occupancy, quiet=quiet, partner_zone=partner_zone)

    room = {zone.id for zone in ZONES if occupancy.get(zone.id, 0) < zone.capacity}
    assert chosen in room or not room


@pytest.mark.parametrize("people", [2, 4, 8])
def test_a_group_goes_where_all_find_a_place(people: int) -> None:
    room = {LIBRARY.id: 1, TABLE.id: 0, NOOK.id: 0}

    assert choose_zone(ZONES, room, quiet=False, people=people) == TABLE.id


def test_a_group_that_fits_nowhere_goes_to_the_least_full_zone() -> None:
    assert choose_zone(ZONES, {LIBRARY.id: 1, TABLE.id: 1, NOOK.id: 1}, quiet=False, people=9) == TABLE.id


def test_a_place_for_resources_is_for_when_there_is_no_room_to_talk() -> None:
    zones = (PRINTER, *ZONES)

    assert choose_zone(zones, {}, quiet=False) == LIBRARY.id
    assert choose_zone(zones, {}, quiet=False, partner_zone=PRINTER.id) == LIBRARY.id
    assert choose_zone(zones, FULL, quiet=True) == PRINTER.id


def test_only_who_meets_a_remote_participant_is_sent_to_the_screen() -> None:
    zones = (SCREEN, *ZONES)

    assert choose_zone(zones, {SCREEN.id: 1}, quiet=True, partner_zone=SCREEN.id) == SCREEN.id
    assert choose_zone(zones, {}, quiet=False) == LIBRARY.id
    assert choose_zone(zones, FULL, quiet=False) == LIBRARY.id
    assert choose_zone([SCREEN], {}, quiet=False) == SCREEN.id
