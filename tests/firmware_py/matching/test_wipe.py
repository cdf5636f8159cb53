"""A terminal that was without the shared service for two weeks forgets whom that told of."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from firmware_py.ledger import Ledger
from firmware_py.matching import shared
from firmware_py.matching.copy import ALONE_MS, RosterCopy
from tests.firmware_py.matching.doors import Cafe, SharedDoor


def knows(door: SharedDoor) -> int:
    """Return how many members a door knows."""
    count: int = door.call("status")["ledger"]["members"]
    return count


@pytest.mark.parametrize("broken_off", [False, True], ids=["at once", "after a power cut"])
def test_who_was_too_long_alone_knows_nobody_until_the_service_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken_off: bool
) -> None:
    monkeypatch.setattr(shared, "ALONE_EVERY_MS", 0)
    with Cafe(tmp_path, people=120) as cafe:
        with cafe.door("front") as door, ExitStack() as stack:
            stack.callback(cafe.hand.gone)
            door.until(lambda door: knows(door) == 120)
        with closing(Ledger.open(tmp_path / "front" / "ledger.db")) as ledger:
            copy = RosterCopy(ledger, ledger.remove_members)
            copy.alone(ALONE_MS)
            if broken_off:
                next(copy.wipe())
        with cafe.door("front") as door, ExitStack() as stack:
            door.until(lambda door: [each["notice"] for each in door.call("notices.list")] == ["roster_wiped"])
            assert knows(door) == 0
            cafe.hand.well()
            stack.callback(cafe.hand.gone)
            door.until(lambda door: knows(door) == 120)
