"""What every implementation of Lights does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from uuid import uuid4

import pytest

from drivers.errors import DeviceLost, DeviceMissing, DeviceRefused
from drivers.lights.fake import FakeLights, LightsHand
from drivers.lights.gpio import GpioLights, Pin
from drivers.lights.patterns import PATTERNS
from drivers.ports import Lights
from kiosk.signals import Signal
from kiosk.values import Colour, ZoneId
from tests.rigs.pins import Pins, fitted_pins

PATIENCE_S = 30.0
LIBRARY, WINDOW, STAGE = ZoneId("library"), ZoneId("window"), ZoneId("stage")


class FakeRoom:
    """Simulated lights and who looks at them."""

    def __init__(self) -> None:
        self._settings = FakeLights.Settings(name=uuid4().hex, zones=(LIBRARY, WINDOW, STAGE))
        self._hand = FakeLights.hand(self._settings.name)

    def make(self) -> Lights:
        return FakeLights(self._settings)

    def until(self, seen: Callable[[], bool]) -> None:
        self._hand.until(lambda _: seen())

    def flashes(self) -> int:
        """Count how often the reader's light comes on until its answer is over."""
        seen = [False]

        def over(hand: LightsHand) -> bool:
            seen.append("reader" in hand.lit())
            return hand.shows is None

        self._hand.until(over, PATIENCE_S)
        return sum(now and not before for before, now in pairwise(seen))

    def take_away(self) -> None:
        self._hand.unplug()

    def lose(self) -> None:
        self._hand.unplug()


class GpioRoom:
    """Lights on pins and who looks at them."""

    def __init__(self, pins: Pins, settings: GpioLights.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        self._pins = pins
        self._settings = settings
        self._monkeypatch = monkeypatch

    def make(self) -> Lights:
        return GpioLights(self._settings)

    def until(self, seen: Callable[[], bool]) -> None:
        self._pins.until_seen(seen, "the lights")

    def flashes(self) -> int:
        """Count how often the reader's light comes on until its pattern was shown, and no more comes."""
        pattern = PATTERNS[Signal.GOODBYE]
        self._pins.until_seen(lambda: self._went(on=False) >= pattern.times, "the last flash", PATIENCE_S)
        with pytest.raises(TimeoutError):
            self._pins.until_seen(lambda: self._went(on=True) > pattern.times, "one more", pattern.off_s + 0.1)
        return self._went(on=True)

    def _went(self, *, on: bool) -> int:
        """Count how often the reader's blue, or only, pin went on or out."""
        assert self._settings.reader is not None
        values = [bool(change.value) for change in self._pins.of(self._settings.reader.numbers[-1])]
        lit = [value == self._settings.active_high for value in values]
        return sum(now is on and before is not on for before, now in pairwise([False, *lit]))

    def take_away(self) -> None:
        from gpiozero import Device

        self._monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "nowhere")
        Device.pin_factory = None

    def lose(self) -> None:
        self._pins.fail_next()


ZONES: dict[str, Pin] = {
    LIBRARY: Pin(led=17),
    WINDOW: Pin(pwm=18),
    STAGE: Pin(rgb=(22, 23, 24), colour=Colour.PURPLE),
}


@contextmanager
def _room(kind: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRoom | GpioRoom]:
    if kind == "fake":
        yield FakeRoom()
        return
    with fitted_pins() as pins:
        if kind == "gpio":
            settings = GpioLights.Settings(zones=ZONES, reader=Pin(rgb=(5, 6, 13)))
        else:
            settings = GpioLights.Settings(zones=ZONES, reader=Pin(led=5), active_high=False)
        yield GpioRoom(pins, settings, monkeypatch)


@pytest.fixture(params=["fake", "gpio", "gpio, active low, reader without colour"])
def room(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRoom | GpioRoom]:
    with _room(request.param, monkeypatch) as room:
        yield room


@pytest.fixture
def lights(room: FakeRoom | GpioRoom) -> Iterator[Lights]:
    lights = room.make()
    lights.open()
    yield lights
    lights.close()


def test_all_lights_are_out_after_opening(lights: Lights) -> None:
    assert lights.lit() == frozenset()


def test_an_answer_lights_the_reader_at_once_and_nothing_else(lights: Lights) -> None:
    lights.signal(Signal.WELCOME)
    assert lights.lit() == {"reader"}


@pytest.mark.parametrize("zone", [LIBRARY, WINDOW, STAGE])
def test_a_zone_lights_at_once_and_goes_out_by_itself_in_time(room: FakeRoom, lights: Lights, zone: ZoneId) -> None:
    lights.zone(zone, 30)
    assert lights.lit() == {zone}
    began = time.monotonic()
    lights.zone(zone, 0.5)
    room.until(lambda: not lights.lit())
    assert 0.45 <= time.monotonic() - began < 4


@pytest.mark.parametrize("zone", [LIBRARY, WINDOW, STAGE])
def test_lighting_a_lit_zone_counts_from_the_second_time(room: FakeRoom, lights: Lights, zone: ZoneId) -> None:
    lights.zone(zone, 0.3)
    began = time.monotonic()
    lights.zone(zone, 0.9)
    room.until(lambda: not lights.lit())
    assert time.monotonic() - began >= 0.85


def test_zones_and_reader_do_not_disturb_each_other(room: FakeRoom, lights: Lights) -> None:
    for zone in (LIBRARY, STAGE, WINDOW):
        lights.zone(zone, 30)
    lights.signal(Signal.WELCOME)
    assert lights.lit() == {LIBRARY, STAGE, WINDOW, "reader"}
    lights.zone(LIBRARY, 0.2)
    lights.signal(Signal.WELCOME)  # three seconds
    room.until(lambda: lights.lit() == {STAGE, WINDOW, "reader"})


def test_an_answer_goes_out_by_itself_and_a_new_one_takes_its_place(room: FakeRoom, lights: Lights) -> None:
    lights.signal(Signal.WELCOME)  # three seconds
    assert lights.lit() == {"reader"}
    began = time.monotonic()
    lights.signal(Signal.ALREADY_HERE)  # one second
    room.until(lambda: not lights.lit())
    assert 0.95 <= time.monotonic() - began < 2.9


def test_an_answer_flashes_as_often_as_its_pattern_says(room: FakeRoom, lights: Lights) -> None:
    lights.signal(Signal.GOODBYE)
    assert room.flashes() == PATTERNS[Signal.GOODBYE].times


def test_calls_return_at_once(lights: Lights) -> None:
    began = time.monotonic()
    for signal in Signal:
        lights.signal(signal)
    for _ in range(10):
        lights.zone(LIBRARY, 30)
    assert time.monotonic() - began < 5


def test_a_zone_without_light_is_refused_and_those_with_one_are_named(lights: Lights) -> None:
    with pytest.raises(DeviceRefused, match=r"'attic'.*library.*window"):
        lights.zone(ZoneId("attic"), 5)


def test_closing_puts_all_out_frees_everything_and_may_be_done_twice(room: FakeRoom) -> None:
    threads = set(threading.enumerate())
    first = room.make()
    first.close()
    first.open()
    first.zone(LIBRARY, 30)
    first.zone(STAGE, 30)
    first.signal(Signal.TELL_STAFF)
    first.close()
    first.close()
    assert first.lit() == frozenset()
    assert set(threading.enumerate()) <= threads
    second = room.make()
    second.open()
    assert second.lit() == frozenset()
    second.close()


def test_lights_that_are_not_there_are_missing(room: FakeRoom) -> None:
    room.take_away()
    with pytest.raises(DeviceMissing):
        room.make().open()


def test_lights_that_went_away_are_lost_and_can_be_closed(room: FakeRoom, lights: Lights) -> None:
    room.lose()
    with pytest.raises(DeviceLost):
        lights.zone(LIBRARY, 5)
    room.lose()
    with pytest.raises(DeviceLost):
        lights.signal(Signal.WELCOME)
    lights.close()


def test_the_description_is_one_line(room: FakeRoom) -> None:
    assert "light" in room.make().describe()
    assert "\n" not in room.make().describe()
