"""Whose turn it is beside a reader: what is for one visitor is shown and spoken to nobody else."""

from __future__ import annotations

from firmware_py.desk.link import Happening
from kiosk.signals import Signal

LATE = (Signal.INTRODUCED, Signal.NOT_YET, Signal.NO_MATCH)
"""What comes of itself, when the matching has answered; every other answer is to somebody who is there."""


class Whose:
    """Remembers by the answers (`Shown`) of one place who is there: a visit, or somebody without one."""

    def __init__(self) -> None:
        self._visit: str | None = None
        self._is_known = False

    def takes(self, shown: Happening) -> bool:
        """Tell whether an answer is for who is there; a late one is not, once somebody else has come."""
        visit = shown["visit"]
        if shown["signal"] in LATE and self._is_known and visit != self._visit:
            return False
        self._visit, self._is_known = visit, True
        return True
