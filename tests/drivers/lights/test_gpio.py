"""Lights on pins: what is on the wires, and settings that can't be."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from drivers.errors import ConfigError, DeviceMissing
from drivers.lights.gpio import GpioLights, Pin
from drivers.sounders.gpio import GpioSounder
from kiosk.signals import Signal
from kiosk.values import Colour, ZoneId
from tests.rigs.pins import Pins, fitted_pins

STAGE = ZoneId("stage")


@pytest.fixture
def pins() -> Iterator[Pins]:
    with fitted_pins() as pins:
        yield pins


def test_the_reader_shows_the_colour_of_the_answer(pins: Pins) -> None:
    lights = GpioLights(GpioLights.Settings(zones={}, reader=Pin(rgb=(5, 6, 13))))
    lights.open()
    lights.signal(Signal.WELCOME)  # three seconds
    assert [pins.value(pin) for pin in (5, 6, 13)] == [0, 1, 0]
    lights.signal(Signal.ENROLLED)  # two seconds
    assert [pins.value(pin) for pin in (5, 6, 13)] == [0.6, 0, 1]
    lights.close()
    assert [pins.value(pin) for pin in (5, 6, 13)] == [0, 0, 0]


def test_a_zone_in_three_colours_is_lit_in_its_own(pins: Pins) -> None:
    lights = GpioLights(GpioLights.Settings(zones={STAGE: Pin(rgb=(22, 23, 24), colour=Colour.BLUE)}))
    lights.open()
    lights.zone(STAGE, 30)
    assert [pins.value(pin) for pin in (22, 23, 24)] == [0, 0, 1]
    lights.close()


def test_a_dimmed_light_goes_out_softly(pins: Pins) -> None:
    lights = GpioLights(GpioLights.Settings(zones={STAGE: Pin(pwm=18)}))
    lights.open()
    lights.zone(STAGE, 0.6)
    pins.until_seen(lambda: pins.value(18) == 0 and len(pins.of(18)) > 2, "the light is out")
    levels = [change.value for change in pins.of(18) if change.hz]
    assert levels[1] == 1
    assert levels[1:] == sorted(levels[1:], reverse=True)
    assert len(levels) > 4
    lights.close()


def test_a_light_that_low_lights_is_high_when_out(pins: Pins) -> None:
    lights = GpioLights(GpioLights.Settings(zones={STAGE: Pin(led=17)}, active_high=False))
    lights.open()
    assert pins.value(17) == 1
    lights.zone(STAGE, 30)
    assert pins.value(17) == 0
    lights.close()


def test_without_a_light_by_the_reader_an_answer_is_only_heard(pins: Pins) -> None:
    lights = GpioLights(GpioLights.Settings(zones={STAGE: Pin(led=17)}))
    lights.open()
    lights.signal(Signal.WELCOME)
    assert lights.lit() == frozenset()
    assert pins.history == ()
    lights.close()


@pytest.mark.usefixtures("pins")
def test_a_pin_that_the_sounder_has_is_missing_and_the_others_are_given_back() -> None:
    sounder = GpioSounder(GpioSounder.Settings(pin=18))
    sounder.open()
    half = GpioLights(GpioLights.Settings(zones={"library": Pin(led=17), "stage": Pin(led=18)}))
    with pytest.raises(DeviceMissing, match=r"light on GPIO 18.*already in use"):
        half.open()
    again = GpioLights(GpioLights.Settings(zones={"library": Pin(led=17)}))
    again.open()
    again.close()
    sounder.close()


@pytest.mark.usefixtures("pins")
def test_without_the_pin_library_nothing_is_fallen_back_to(monkeypatch: pytest.MonkeyPatch) -> None:
    from gpiozero import Device

    Device.pin_factory = None
    monkeypatch.delenv("GPIOZERO_PIN_FACTORY", raising=False)
    monkeypatch.setenv("LG_WD", "/")  # and taken away again after the test, whoever sets it
    monkeypatch.delenv("LG_WD")
    monkeypatch.delitem(sys.modules, "gpiozero.pins.lgpio", raising=False)
    monkeypatch.setitem(sys.modules, "lgpio", None)
    with pytest.raises(DeviceMissing, match="can't be opened: import of lgpio"):
        GpioLights(GpioLights.Settings(zones={"library": Pin(led=17)})).open()
    assert Device.pin_factory is None
    # Where it has its pipe is ours, whoever runs this and wherever.
    assert Path(os.environ["LG_WD"]).stat().st_mode & 0o777 == 0o700


@pytest.mark.usefixtures("pins")
def test_the_pin_library_has_its_pipe_where_the_unit_says(monkeypatch: pytest.MonkeyPatch) -> None:
    from gpiozero import Device

    Device.pin_factory = None
    monkeypatch.delenv("GPIOZERO_PIN_FACTORY", raising=False)
    monkeypatch.setenv("LG_WD", "/run/fikatap")
    monkeypatch.setitem(sys.modules, "lgpio", None)
    monkeypatch.delitem(sys.modules, "gpiozero.pins.lgpio", raising=False)
    with pytest.raises(DeviceMissing, match="can't be opened: import of lgpio"):
        GpioLights(GpioLights.Settings(zones={"library": Pin(led=17)})).open()
    assert os.environ["LG_WD"] == "/run/fikatap"


@pytest.mark.usefixtures("pins")
def test_a_board_without_that_pin_is_a_wrong_configuration() -> None:
    from gpiozero import Device

    Device.pin_factory._revision = 0x0002  # the first board had 26 pins
    with pytest.raises(ConfigError, match="light on GPIO 26"):
        GpioLights(GpioLights.Settings(zones={"library": Pin(led=26)})).open()


def test_settings_are_read_as_the_shipped_file_writes_them() -> None:
    settings = msgspec.convert({"zones": {"library": {"led": 17}}, "reader": {"rgb": [5, 6, 13]}}, GpioLights.Settings)
    assert settings == GpioLights.Settings(zones={"library": Pin(led=17)}, reader=Pin(rgb=(5, 6, 13)))
    assert GpioLights(settings).describe() == "lights on GPIO: library 17, reader 5+6+13"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"zones": {"a": {}}}, r"one of led = 17, pwm = 17 or rgb = \[5, 6, 13\], not nothing"),
        ({"zones": {"a": {"led": 4, "pwm": 5}}}, "not led = 4 and pwm = 5"),
        ({"zones": {"a": {"led": 40}}}, "40 is not a GPIO number; those are 0 to 27"),
        ({"zones": {"a": {"rgb": [5, 6, -1]}}}, "-1 is not a GPIO number"),
        ({"zones": {"a": {"rgb": [5, 6]}}}, r"length 3.*zones"),
        ({"zones": {"a": {"led": 4, "colour": "red"}}}, r"'red' belongs to a light with rgb.*led = 4"),
        ({"zones": {"a": {"rgb": [5, 6, 7], "colour": "pink"}}}, "pink"),
        ({"zones": {"a": {"led": 4}, "b": {"pwm": 4}}}, "GPIO 4 is used twice, by 'a' and 'b'"),
        ({"zones": {"a": {"led": 4}}, "reader": {"rgb": [3, 4, 5]}}, "GPIO 4 is used twice, by 'a' and 'reader'"),
        ({"zones": {"a": {"rgb": [4, 4, 5]}}}, "GPIO 4 is used twice"),
        ({"zones": {"reader": {"led": 4}}}, "choose another id"),
        ({"zones": {}, "reader": {"rgb": [3, 4, 5], "colour": "red"}}, "no colour of its own"),
        ({"zones": {}, "raeder": {"led": 4}}, "raeder"),
    ],
)
def test_settings_that_cannot_be_are_refused_with_what_would_be_right(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(settings, GpioLights.Settings)
