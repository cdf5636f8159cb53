"""A buzzer on a pin: its range and its settings."""

from __future__ import annotations

import msgspec
import pytest

from drivers.gpio import Buzzer
from drivers.sounders.gpio import GpioSounder
from drivers.sounders.tunes import TUNES
from tests.rigs.pins import fitted_pins


def test_every_note_of_every_tune_is_in_the_buzzers_range() -> None:
    tones = sorted({note.hz for tune in TUNES.values() for note in tune})
    with fitted_pins() as pins:
        buzzer = Buzzer(18)
        for hz in tones:
            buzzer.sound(hz)
            assert pins.value(18) == 0.5
            buzzer.silence()
            assert pins.value(18) == 0
        buzzer.close()
        assert [change.hz for change in pins.of(18) if change.value] == tones


def test_a_number_that_no_pin_has_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="40 is not a GPIO number; those are 0 to 27"):
        msgspec.convert({"pin": 40}, GpioSounder.Settings)
