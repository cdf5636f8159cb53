"""The wiring guide and its drawings say what the shipped configuration says, and no pin is asked for too much."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from gpiozero.pins.pi import PiBoardInfo

from drivers.registry import DRIVERS
from firmware_py import config

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "wiring.md").read_text("utf-8")
SHIPPED = config.load(ROOT / "systemd" / "terminal.toml")
SUPPLY_V, MOST_MA, MOST_TOGETHER_MA = 3.3, 8.0, 50.0
CELLS = [[cell.strip() for cell in line.strip("|").split("|")] for line in GUIDE.splitlines() if " Ω |" in line]
ROWS = [
    (
        *re.findall(r"`(\w+)`(?:, (\w+))?", what)[0],
        gpio,
        place,
        led,
        volts.removesuffix(" V"),
        ohms[:-2],
        ma.removesuffix(" mA"),
    )
    for what, gpio, place, led, volts, ohms, ma in CELLS
]
"""Of what, its colour, GPIO number, place on the header, kind of LED, its voltage, the resistor, the current."""
HEADER = PiBoardInfo.from_revision(0xA02082).headers["J8"].pins
"""The places of a Pi 3's header, the same on all boards since 2014."""


def configured() -> dict[tuple[str, str], int]:
    """Return the pins of the shipped configuration by what hangs on them."""
    assert SHIPPED.lights is not None
    assert SHIPPED.sounder is not None
    found: dict[tuple[str, str], int] = {}
    for name, pin in SHIPPED.lights.settings.lights().items():
        colours = ("red", "green", "blue") if len(pin.numbers) == 3 else ("",)
        found |= {(name, colour): number for colour, number in zip(colours, pin.numbers, strict=True)}
    return {**found, ("sounder", ""): SHIPPED.sounder.settings.pin}


def test_the_table_has_the_pins_of_the_shipped_configuration() -> None:
    assert {(name, colour): int(gpio) for name, colour, gpio, *_ in ROWS} == configured()


def test_each_pin_is_where_the_table_says() -> None:
    for _, _, gpio, place, *_ in ROWS:
        assert HEADER[int(place)].name == f"GPIO{gpio}"


def test_the_settings_in_the_guide_are_the_shipped_ones() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    shipped = tomllib.loads((ROOT / "systemd" / "terminal.toml").read_text("utf-8"))
    assert tomllib.loads(block) == {name: shipped[name] for name in ("lights", "sounder")}


def test_a_zones_led_has_its_colour() -> None:
    colours = {zone.id: zone.colour.value for zone in SHIPPED.zones}
    assert {name: led for name, _, _, _, led, *_ in ROWS if name in colours} == colours


def test_the_currents_follow_from_the_resistors_and_no_pin_gives_too_much() -> None:
    currents = []
    for _, _, _, _, _, volts, ohms, ma in ROWS:
        if volts:
            currents.append((SUPPLY_V - float(volts)) / float(ohms) * 1000)
            assert currents[-1] == pytest.approx(float(ma), abs=0.05)
    assert len(currents) == len(ROWS) - 1
    assert max(currents) <= MOST_MA
    assert sum(currents) <= MOST_TOGETHER_MA
    assert f"together {sum(currents):.1f} mA" in GUIDE
    assert pytest.approx(7.4, abs=0.05) == (SUPPLY_V - 2.8) / 68 * 1000, "what the guide says of one that takes 2.8 V"


def drawn(name: str) -> list[str]:
    """Return all words in a drawing."""
    tree = ET.parse(ROOT / "docs" / name)
    return [each.text or "" for each in tree.iter("{http://www.w3.org/2000/svg}text")]


def test_the_drawing_has_the_same_pins_places_and_resistors() -> None:
    words = drawn("wiring.svg")
    labels = {label for _, _, gpio, place, *_ in ROWS for label in (f"GPIO {gpio} · {place}", f"{place} · GPIO {gpio}")}
    assert len(labels & set(words)) == len(ROWS)
    ohms = sorted(f"{row[6]} Ω" for row in ROWS)
    assert sorted(each for each in words if each.endswith(" Ω")) == ohms
    every = [re.fullmatch(r"(?:GPIO (\d+) · (\d+)|(\d+) · GPIO (\d+)(?: \(\w+\))?)", each) for each in words]
    for gpio, place in ((m[1] or m[4], m[2] or m[3]) for m in every if m):
        assert HEADER[int(place)].name == f"GPIO{gpio}"


@pytest.mark.parametrize("name", ["wiring.svg", "parts.svg", "lamp.svg"])
def test_each_drawing_is_in_the_guide_and_says_what_it_is(name: str) -> None:
    assert f"]({name})" in GUIDE
    assert ET.parse(ROOT / "docs" / name).getroot().find("{http://www.w3.org/2000/svg}title") is not None


def test_the_drivers_in_the_guide_are_there() -> None:
    named = set(re.findall(r'driver = "(\w+)"', GUIDE))
    assert named <= {name for port in DRIVERS.values() for name in port}
    assert {"pcsc", "pn532", "gpio"} <= named


def test_the_connections_and_profiles_in_the_guide_are_right() -> None:
    from drivers.printers.escpos import parse_connection
    from drivers.printers.profiles import profile

    connections = [*re.findall(r'connection = ("[^"]+")', GUIDE), '"usb:04b8:0e15"']
    assert len(connections) >= 5
    for each in connections:
        parse_connection(each.strip('"'))
    for name in re.findall(r'profile = "([^"]+)"', GUIDE):
        profile(name)


def test_the_buttons_are_on_pins_and_grounds_that_are_there_and_free() -> None:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in GUIDE.splitlines()]
    buttons = [row for row in rows if len(row) == 4 and row[1].isdecimal()]
    assert len(buttons) == 3
    for _, gpio, place, ground in buttons:
        assert HEADER[int(place)].name == f"GPIO{gpio}"
        assert HEADER[int(ground)].name == "GND"
    pins = {int(gpio) for _, gpio, *_ in buttons}
    assert pins.isdisjoint(configured().values())
    assert pins.isdisjoint({14, 15}), "the serial line's"
    asked = re.findall(r"`(introduce|group|coffee) = (\d+)`", GUIDE)
    text = (ROOT / "systemd" / "terminal.toml").read_text("utf-8")
    assert pins == {int(pin) for _, pin in asked}
    assert all(f"{mood} = {pin}" in text for mood, pin in asked)
