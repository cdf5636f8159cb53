"""What every implementation of Sounder does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from drivers.errors import DeviceLost, DeviceMissing
from drivers.ports import Sounder
from drivers.sounders.fake import FakeSounder
from drivers.sounders.gpio import GpioSounder
from drivers.sounders.tunes import TUNES, seconds
from kiosk.signals import Signal
from tests.rigs.pins import Pins, fitted_pins


class FakeRoom:
    """A simulated sounder and who listens."""

    def __init__(self) -> None:
        self._settings = FakeSounder.Settings(name=uuid4().hex)
        self._hand = FakeSounder.hand(self._settings.name)

    def make(self) -> Sounder:
        return FakeSounder(self._settings)

    def played(self, *signals: Signal) -> bool:
        return self._hand.playing is None and self._hand.heard == signals

    def take_away(self) -> None:
        self._hand.unplug()

    def lose(self) -> None:
        self._hand.unplug()


class GpioRoom:
    """A buzzer on a pin and who listens."""

    def __init__(self, pins: Pins, monkeypatch: pytest.MonkeyPatch) -> None:
        self._pins = pins
        self._monkeypatch = monkeypatch

    def make(self) -> Sounder:
        return GpioSounder(GpioSounder.Settings(pin=18))

    def played(self, *signals: Signal) -> bool:
        notes = [change.hz for change in self._pins.of(18) if change.value]
        return self._pins.value(18) == 0 and notes == [note.hz for signal in signals for note in TUNES[signal]]

    def take_away(self) -> None:
        from gpiozero import Device

        self._monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "nowhere")
        Device.pin_factory = None

    def lose(self) -> None:
        self._pins.fail_next()


@contextmanager
def _room(kind: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRoom | GpioRoom]:
    if kind == "fake":
        yield FakeRoom()
        return
    with fitted_pins() as pins:
        yield GpioRoom(pins, monkeypatch)


@pytest.fixture(params=["fake", "gpio"])
def room(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRoom | GpioRoom]:
    with _room(request.param, monkeypatch) as room:
        yield room


@pytest.fixture
def sounder(room: FakeRoom | GpioRoom) -> Iterator[Sounder]:
    sounder = room.make()
    sounder.open()
    yield sounder
    sounder.close()


def test_it_is_silent_until_asked(room: FakeRoom, sounder: Sounder) -> None:
    assert sounder.describe()
    assert room.played()


def test_a_tune_is_played_to_its_end_and_then_it_is_silent(room: FakeRoom, sounder: Sounder) -> None:
    began = time.monotonic()
    sounder.play(Signal.WELCOME)
    sounder.play(Signal.GOODBYE)
    took = time.monotonic() - began
    assert room.played(Signal.WELCOME, Signal.GOODBYE)
    assert 0 <= took - seconds(TUNES[Signal.WELCOME]) - seconds(TUNES[Signal.GOODBYE]) < 5


def test_it_can_be_closed_twice_and_opened_anew(room: FakeRoom) -> None:
    first = room.make()
    first.close()
    first.open()
    first.close()
    first.close()
    second = room.make()
    second.open()
    second.play(Signal.NO_MATCH)
    second.close()
    assert room.played(Signal.NO_MATCH)


def test_a_sounder_that_is_not_there_is_missing(room: FakeRoom) -> None:
    room.take_away()
    with pytest.raises(DeviceMissing):
        room.make().open()


def test_a_sounder_that_went_away_is_lost_and_can_be_closed(room: FakeRoom, sounder: Sounder) -> None:
    room.lose()
    with pytest.raises(DeviceLost):
        sounder.play(Signal.WELCOME)
    sounder.close()
