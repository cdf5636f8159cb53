"""The fault history: which devices were away, when and why, in this run of the program and in those before it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from firmware_py.database import LedgerDamaged, LedgerError
from firmware_py.ledger import MOST_FAULTS, KeptFault, Ledger
from firmware_py.terminal.supervise import Fault, Supervisor
from kiosk.values import Now

log = logging.getLogger("fikatap")

KEEP_EVERY_MS = 10_000
"""How often the history is written at most: a loose plug must not wear the memory card out."""


class Ended(StrEnum):
    """How far a fault has come."""

    LASTS = "lasts"
    OVER = "over"
    RESTART = "restart"
    """The program ended before the device was back."""


class History:
    """Keeps faults, and by the way the day's longest queue, in the ledger. Used by the loop's thread, when nobody waits.

    `queue` is what is kept of the queue: the café's day, and how many badges waited at once at most in it.
    """

    def __init__(self, ledger: Ledger, supervisor: Supervisor) -> None:
        self._ledger = ledger
        self._supervisor = supervisor
        self._before: list[KeptFault] = []
        self.queue = (0, 0)
        self._tried_ms: int | None = None
        self._failing = False
        try:
            self._before, self.queue = ledger.faults(), ledger.longest_queue()
        except LedgerError as error:
            log.warning("the fault history can't be read: %s", error)

    def keep(self, now: Now, queue: tuple[int, int], *, at_once: bool = False) -> bool:
        """Store what is new; return False when that failed, of which the journal is told: the ledger is to be opened anew.

        Between two writes there are `KEEP_EVERY_MS`, unless it is to be `at_once`. Raise `LedgerDamaged`: that is no matter of
        the history alone.
        """
        fresh = [fault for fault in self._supervisor.faults if not fault.kept]
        if not fresh and (queue == self.queue or not queue[1]):
            return True
        if not at_once and self._tried_ms is not None and now.boot_ms - self._tried_ms < KEEP_EVERY_MS:
            return True
        self._tried_ms = now.boot_ms
        try:
            ids = self._ledger.keep([_to_keep(fault, now) for fault in fresh], queue)
        except LedgerDamaged:
            raise
        except LedgerError as error:
            if not self._failing:
                log.warning("the fault history can't be stored: %s", error)
            self._failing = True
            return False
        for fault, number in zip(fresh, ids, strict=True):
            fault.id, fault.kept = number, True
        self.queue, self._failing = queue, False
        return True

    def list(self, now: Now) -> list[dict[str, Any]]:
        """Return the faults as `faults` does."""
        return faults(now, self._supervisor.faults, self._before)


def faults(now: Now, current: Iterable[Fault], before: Iterable[KeptFault] = ()) -> list[dict[str, Any]]:
    """Return when devices were away, the latest first, as JSON values.

    `ended` is one of `Ended`; `from_s` and `until_s` are seconds ago, `lasted_s` how long it was. Of another boot than this
    they are known only where the time was trusted in it and is now; `utc_ms`, when it began, where it was trusted in it.
    """
    told = [_told(_to_keep(fault, now), now, Ended.LASTS if fault.until_ms is None else Ended.OVER) for fault in current]
    told.reverse()
    told += [_told(fault, now, Ended.RESTART if fault.until_ms is None else Ended.OVER) for fault in before]
    return told[:MOST_FAULTS]


def _to_keep(fault: Fault, now: Now) -> KeptFault:
    """Return a fault of this run with the wall time at which it began, as far as that is known now."""
    utc_ms = None if now.wall is None else now.wall.utc_ms - (now.boot_ms - fault.from_ms)
    # A driver's words may hold what no text can, such as half a character that a device sent.
    what, trouble = (words.encode(errors="replace").decode() for words in (fault.what, fault.trouble))
    return KeptFault(fault.id, fault.device, what, trouble, now.boot_id, fault.from_ms, fault.until_ms, utc_ms)


def _told(fault: KeptFault, now: Now, ended: Ended) -> dict[str, Any]:
    lasted_ms = None if fault.until_ms is None else fault.until_ms - fault.from_ms
    ago_ms: int | None = None
    if fault.boot_id == now.boot_id:
        ago_ms = now.boot_ms - fault.from_ms
    elif now.wall is not None and fault.utc_ms is not None:
        ago_ms = max(0, now.wall.utc_ms - fault.utc_ms)
    return {
        "device": fault.device,
        "what": fault.what,
        "trouble": fault.trouble,
        "ended": ended.value,
        "from_s": None if ago_ms is None else ago_ms // 1000,
        "until_s": None if ago_ms is None or lasted_ms is None else max(0, ago_ms - lasted_ms) // 1000,
        "lasted_s": None if lasted_ms is None else lasted_ms // 1000,
        "utc_ms": fault.utc_ms,
    }
