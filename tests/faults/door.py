"""`fikatap run` in a process of its own: cards and lights of its simulated devices go through standard input and output.

A line in is a member who holds a card to the reader; a line out is an answer that the light gives.
"""

from __future__ import annotations

import sys
import threading

from drivers.lights.fake import FakeLights
from drivers.ports import PresentedCard
from drivers.readers.fake import FakeReader
from firmware_py.cli import main
from tests.simulation.world import card_uid

LONG_S = 3_600.0


def _hold_cards() -> None:
    hand = FakeReader.hand()
    hand.until_waited_for(LONG_S)
    for line in sys.stdin:
        hand.tap(PresentedCard(uid=card_uid(int(line))))


def _show_lights() -> None:
    hand = FakeLights.hand()
    shown = 0
    while True:
        hand.until(lambda lights: len(lights.signals) > shown, LONG_S)  # noqa: B023 - asked at once
        for signal in hand.signals[shown:]:
            print(signal.value, flush=True)
            shown += 1


if __name__ == "__main__":
    for work in (_hold_cards, _show_lights):
        threading.Thread(target=work, daemon=True).start()
    sys.exit(main(["run", "--config", sys.argv[1]]))
