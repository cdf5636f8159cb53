"""Buttons on pins: what is left out, and what the pins are told."""

from __future__ import annotations

import pytest

from drivers.buttons.gpio import GpioButtons
from drivers.gpio import BOUNCE_S
from kiosk.values import Mood
from tests.rigs.pins import ContactClock, fitted_pins


def test_the_chip_holds_the_pins_up_and_they_are_free_again_afterwards() -> None:
    from gpiozero import Device

    with fitted_pins():
        for _ in range(2):
            buttons = GpioButtons(GpioButtons.Settings(introduce=22, coffee=24))
            buttons.open()
            assert [Device.pin_factory.pin(pin).pull for pin in (22, 24)] == ["up", "up"]
            assert buttons.describe() == "buttons on GPIO: introduce 22, coffee 24"
            buttons.close()


def test_a_contact_that_bounces_when_it_is_let_go_presses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from gpiozero import Device

    clock = ContactClock()
    monkeypatch.setattr("drivers.gpio.time", clock)
    with fitted_pins():
        buttons = GpioButtons(GpioButtons.Settings(group=23))
        buttons.open()
        pin = Device.pin_factory.pin(23)
        pin.drive_low()
        assert buttons.wait_for_press(5) is Mood.GROUP
        clock.now += 3 * BOUNCE_S  # a finger stays there for longer
        for _ in range(4):
            pin.drive_high()
            clock.now += 0.9 * BOUNCE_S
            pin.drive_low()
            clock.now += 0.9 * BOUNCE_S
        pin.drive_high()
        clock.now += 3 * BOUNCE_S
        assert buttons.wait_for_press(2 * BOUNCE_S) is None
        pin.drive_low()
        assert buttons.wait_for_press(5) is Mood.GROUP
        buttons.close()
