"""Looks through the whole ledger after the start, beside the door's work: a large one takes longer than people wait."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import apsw

from firmware_py.backup import damage_in
from firmware_py.database import LedgerError, open_for_reading

log = logging.getLogger("fikatap")


class IntegrityCheck:
    """One look through a ledger in a thread of its own; `damaged` is called there with what is wrong, if anything is."""

    def __init__(self, ledger: Path, damaged: Callable[[str], None]) -> None:
        self._ledger = ledger
        self._damaged = damaged
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="integrity check", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End it, done or not."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            connection = open_for_reading(self._ledger)
            try:
                connection.set_progress_handler(self._stopped.is_set, 10_000)
                trouble = damage_in(connection)
            finally:
                connection.close(force=True)
        except (apsw.CorruptError, apsw.NotADBError) as error:
            trouble = str(error)
        except apsw.InterruptError:
            return
        except (apsw.Error, LedgerError) as error:
            log.warning("the ledger could not be looked through: %s", error)
            return
        if trouble:
            self._damaged(trouble)
