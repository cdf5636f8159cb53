"""The hand of the simulated lights."""

from __future__ import annotations

import pytest

from drivers.errors import DeviceMissing
from drivers.lights.fake import FakeLights
from kiosk.signals import Signal
from kiosk.values import Colour, ZoneId


def test_the_hand_outlives_the_driver_and_remembers_all() -> None:
    hand = FakeLights.hand("outlives")
    for signal in (Signal.WELCOME, Signal.GOODBYE):
        lights = FakeLights(FakeLights.Settings(name="outlives"))
        lights.open()
        lights.signal(signal)
        lights.zone(ZoneId("anywhere"), 20)
        lights.close()
    assert FakeLights.hand("outlives") is hand
    assert hand.signals == (Signal.WELCOME, Signal.GOODBYE)
    assert hand.zones == (("anywhere", 20.0), ("anywhere", 20.0))
    assert hand.lit() == frozenset()


def test_unplugged_lights_are_out_and_missing_until_plugged_in() -> None:
    hand = FakeLights.hand("unplugged")
    lights = FakeLights(FakeLights.Settings(name="unplugged"))
    lights.zone(ZoneId("library"), 20)
    hand.unplug()
    assert hand.lit() == frozenset()
    with pytest.raises(DeviceMissing, match="plug them in"):
        lights.open()
    hand.plug()
    lights.open()


def test_waiting_for_what_does_not_come_says_what_came_instead() -> None:
    hand = FakeLights.hand("waiting")
    FakeLights(FakeLights.Settings(name="waiting")).signal(Signal.NOT_YET)
    hand.until(lambda hand: Signal.NOT_YET in hand.signals)
    with pytest.raises(TimeoutError, match="not_yet"):
        hand.until(lambda hand: Signal.WELCOME in hand.signals, timeout=0.05)


def test_the_hand_tells_what_shines_in_which_colour_and_what_it_says() -> None:
    hand = FakeLights.hand("shines")
    lights = FakeLights(FakeLights.Settings(name="shines"))
    lights.open()
    assert (hand.shining(), hand.shows) == ({}, None)
    lights.signal(Signal.WELCOME)
    lights.zone(ZoneId("library"), 20)
    assert hand.shining() == {"reader": Colour.GREEN, "library": Colour.WHITE}
    said = [hand.shows]
    lights.signal(Signal.TELL_STAFF)
    hand.until(lambda hand: "reader" not in hand.lit())
    said.append(hand.shows)  # between two flashes
    lights.close()
    assert [*said, hand.shows] == [Signal.WELCOME, Signal.TELL_STAFF, None]
