"""The hand of the simulated sounder."""

from __future__ import annotations

from threading import Thread

import pytest

from drivers.errors import DeviceLost, DeviceMissing
from drivers.sounders.fake import FakeSounder, SounderHand
from kiosk.signals import Signal


def test_pulling_the_cable_in_the_middle_of_a_tune_loses_the_sounder() -> None:
    hand = FakeSounder.hand("middle")
    sounder = FakeSounder(FakeSounder.Settings(name="middle"))
    sounder.open()
    ended: list[Signal | type[DeviceLost]] = []

    def play() -> None:
        try:
            while True:
                sounder.play(Signal.BLOCKED_CARD)
                ended.append(Signal.BLOCKED_CARD)
        except DeviceLost:
            ended.append(DeviceLost)

    def pulled(hand: SounderHand) -> bool:
        playing = hand.playing is Signal.BLOCKED_CARD
        if playing:
            hand.unplug()  # before the tune can go on
        return playing

    player = Thread(target=play, daemon=True)
    player.start()
    hand.until(pulled, 30)
    player.join()
    assert ended == [*hand.heard[:-1], DeviceLost]
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
