"""What every implementation of Buttons does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from drivers.buttons.fake import FakeButtons
from drivers.buttons.gpio import GpioButtons
from drivers.errors import DeviceLost, DeviceMissing, DeviceRefused
from drivers.gpio import BOUNCE_S
from drivers.ports import Buttons
from kiosk.values import Mood
from tests.rigs.pins import ContactClock, fitted_pins

PATIENCE_S = 5.0
QUIET_S = 0.1
PINS = {Mood.INTRODUCE: 22, Mood.GROUP: 23, Mood.COFFEE: 24}


class FakeRoom:
    """Simulated buttons and who presses them."""

    def __init__(self) -> None:
        self._settings = FakeButtons.Settings(name=uuid4().hex)
        self._hand = FakeButtons.hand(self._settings.name)

    def make(self) -> Buttons:
        return FakeButtons(self._settings)

    def hold(self, mood: Mood) -> None:
        self._hand.hold(mood)

    def let_go(self, mood: Mood) -> None:
        self._hand.let_go(mood)

    def press(self, mood: Mood) -> None:
        self._hand.press(mood)

    def take_away(self) -> None:
        self._hand.unplug()

    def lose(self) -> None:
        self._hand.unplug()


class GpioRoom:
    """Buttons on pins and who presses them; each contact bounces."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._clock = ContactClock()
        monkeypatch.setattr("drivers.gpio.time", self._clock)

    def make(self) -> Buttons:
        return GpioButtons(GpioButtons.Settings(introduce=22, group=23, coffee=24))

    def _moves(self, mood: Mood, *, down: bool) -> None:
        from gpiozero import Device

        factory = Device.pin_factory
        factory.held = factory.held | {PINS[mood]} if down else factory.held - {PINS[mood]}
        pin = factory.pin(PINS[mood])
        if pin.pull == "floating":
            return  # nobody has opened it
        for low in (down, not down, down, not down, down):
            pin.drive_low() if low else pin.drive_high()
            self._clock.now += 0.9 * BOUNCE_S
        self._clock.now += 3 * BOUNCE_S  # any finger rests for longer

    def hold(self, mood: Mood) -> None:
        self._moves(mood, down=True)

    def let_go(self, mood: Mood) -> None:
        self._moves(mood, down=False)

    def press(self, mood: Mood) -> None:
        self.hold(mood)
        self.let_go(mood)

    def take_away(self) -> None:
        from gpiozero import Device

        self._monkeypatch.setenv("GPIOZERO_PIN_FACTORY", "nowhere")
        Device.pin_factory = None

    def lose(self) -> None:
        from gpiozero import Device

        Device.pin_factory.lost = True


Room = FakeRoom | GpioRoom


@contextmanager
def _room(kind: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    if kind == "fake":
        yield FakeRoom()
        return
    with fitted_pins():
        yield GpioRoom(monkeypatch)


@pytest.fixture(params=["fake", "gpio"])
def room(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    with _room(request.param, monkeypatch) as room:
        yield room


@pytest.fixture
def buttons(room: Room) -> Iterator[Buttons]:
    buttons = room.make()
    buttons.open()
    yield buttons
    buttons.close()


def test_nothing_is_pressed_until_somebody_presses(buttons: Buttons) -> None:
    assert buttons.describe()
    assert buttons.wait_for_press(QUIET_S) is None


@pytest.mark.parametrize("mood", list(Mood))
def test_a_press_is_told_once_however_its_contact_bounces(room: Room, buttons: Buttons, mood: Mood) -> None:
    room.press(mood)
    assert buttons.wait_for_press(PATIENCE_S) is mood
    assert buttons.wait_for_press(QUIET_S) is None


def test_presses_are_told_in_their_order_also_those_that_came_while_nobody_waited(room: Room, buttons: Buttons) -> None:
    pressed = [Mood.COFFEE, Mood.GROUP, Mood.COFFEE, Mood.INTRODUCE]
    for mood in pressed:
        room.press(mood)
    assert [buttons.wait_for_press(PATIENCE_S) for _ in pressed] == pressed


def test_a_button_that_is_held_is_one_press_and_letting_it_go_is_none(room: Room, buttons: Buttons) -> None:
    room.hold(Mood.GROUP)
    assert buttons.wait_for_press(PATIENCE_S) is Mood.GROUP
    assert buttons.wait_for_press(QUIET_S) is None
    room.let_go(Mood.GROUP)
    assert buttons.wait_for_press(QUIET_S) is None


def test_a_press_ends_the_wait_at_once(room: Room, buttons: Buttons) -> None:
    presser = threading.Timer(0.05, room.press, [Mood.COFFEE])
    presser.start()
    assert buttons.wait_for_press(60) is Mood.COFFEE
    presser.join()


def test_a_button_that_is_down_at_the_start_is_a_fault_and_no_press(room: Room) -> None:
    room.hold(Mood.GROUP)
    with pytest.raises(DeviceRefused, match=r"held down.*group"):
        room.make().open()
    room.let_go(Mood.GROUP)
    buttons = room.make()
    buttons.open()
    assert buttons.wait_for_press(QUIET_S) is None
    buttons.close()


def test_they_can_be_closed_twice_and_opened_anew(room: Room) -> None:
    first = room.make()
    first.close()
    first.open()
    first.close()
    first.close()
    second = room.make()
    second.open()
    room.press(Mood.INTRODUCE)
    assert second.wait_for_press(PATIENCE_S) is Mood.INTRODUCE
    second.close()


def test_buttons_that_are_not_there_are_missing(room: Room) -> None:
    room.take_away()
    with pytest.raises(DeviceMissing):
        room.make().open()


def test_buttons_that_went_away_are_lost_and_can_be_closed(room: Room, buttons: Buttons) -> None:
    room.lose()
    with pytest.raises(DeviceLost):
        buttons.wait_for_press(QUIET_S)
    buttons.close()
