"""The hand of the simulated buttons."""

from __future__ import annotations

import pytest

from drivers.buttons.fake import FakeButtons
from kiosk.values import Mood


def test_who_presses_while_nobody_has_opened_the_buttons_presses_nothing() -> None:
    hand = FakeButtons.hand("closed")
    buttons = FakeButtons(FakeButtons.Settings(name="closed"))
    hand.press(Mood.COFFEE)
    buttons.open()
    hand.press(Mood.GROUP)
    assert buttons.wait_for_press(5) is Mood.GROUP
    assert buttons.wait_for_press(0) is None


def test_waiting_for_somebody_who_waits_ends() -> None:
    with pytest.raises(TimeoutError, match="nobody waits for a press"):
        FakeButtons.hand("alone").until_waited_for(0.01)
