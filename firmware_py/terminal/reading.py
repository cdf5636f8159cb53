"""What takes a while to read is read in a thread of its own, on a connection of its own, and answered from there."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

from drivers.errors import FikatapError
from firmware_py.ledger import LedgerReader
from firmware_py.terminal.control import Command

Question = Callable[[LedgerReader], Any]

MOST_WAITING = 8
"""So many questions may wait; whoever asks more is told to ask again."""


class Reading:
    """Answers commands one after the other; the thread begins with the first one. Used by the loop's thread."""

    def __init__(self, reader: Callable[[], LedgerReader]) -> None:
        self._reader = reader
        self._asked: queue.SimpleQueue[tuple[Command, Question] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def ask(self, command: Command, question: Question) -> None:
        """Answer a command with what `question` reads, soon."""
        if self._asked.qsize() >= MOST_WAITING:
            command.fail(f"{MOST_WAITING} questions wait already; ask again")
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="reading", daemon=True)
            self._thread.start()
        self._asked.put((command, question))

    def stop(self, timeout_s: float) -> None:
        """End the thread; what is under way is not waited for long."""
        if self._thread is not None:
            self._asked.put(None)
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while (asked := self._asked.get()) is not None:
            command, question = asked
            try:
                reader = self._reader()
                try:
                    result = question(reader)
                finally:
                    reader.close()
                command.answer(result)
            except FikatapError as error:
                command.fail(str(error))
            except Exception as error:  # noqa: BLE001 - a question that can't be answered must not end the terminal
                command.fail(f"{command.name}: {type(error).__name__}")
