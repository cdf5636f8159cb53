"""The hand of the simulated sounder."""

from __future__ import annotations

from threading import Thread

import pytest

from drivers.errors import DeviceLost, DeviceMissing
from drivers.sounders.fake import FakeSounder
from kiosk.signals import Signal


def test_pulling_the_cable_in_the_middle_of_a_tune_loses_the_sounder() -> None:
    hand = FakeSounder.hand("middle")
    sounder = FakeSounder(FakeSounder.Settings(name="middle"))
    sounder.open()
    raised = []

    def play() -> None:
        with pytest.raises(DeviceLost) as lost:
            sounder.play(Signal.BLOCKED_CARD)
        raised.append(lost.type)

    player = Thread(target=play)
    player.start()
    hand.until(lambda hand: hand.playing is Signal.BLOCKED_CARD)
    hand.unplug()
    player.join()
    assert raised == [DeviceLost]
    assert hand.playing is None
    with pytest.raises(DeviceMissing, match="plug it in"):
        sounder.open()
    hand.plug()
    sounder.open()


def test_waiting_for_what_does_not_come_says_what_came_instead() -> None:
    hand = FakeSounder.hand("waiting")
    FakeSounder(FakeSounder.Settings(name="waiting")).play(Signal.ALREADY_HERE)
    assert hand.heard == (Signal.ALREADY_HERE,)
    with pytest.raises(TimeoutError, match="already_here"):
        hand.until(lambda hand: Signal.WELCOME in hand.heard, timeout=0.05)
