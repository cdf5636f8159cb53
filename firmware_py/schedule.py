"""What is on in the café, from an iCalendar file: read anew when the file changes, in a short-lived process of its own.

A calendar is other people's work, and its rules can ask for more than a small machine has. So a child reads it
(`schedule_reader`), with bounds on time and memory; what goes wrong there costs the list of what is on, and nothing else.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from drivers.ports import Device
from firmware_py.clock import Clock
from kiosk.events import Event, ScheduleRead

log = logging.getLogger("fikatap")

LONGEST = 1_000_000
"""Bytes of a calendar; a year of a busy café's has a fifth of that."""
DAYS = 8
"""How many days ahead, today counted."""
SECONDS = 40
"""How long the child may take; on a Raspberry Pi Zero 2 W a file of that length takes half of it."""


class ScheduleFile(Device):
    """A calendar's file, which may come, go and change at any time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: object = None

    def open(self) -> None:
        """Nothing is taken: a file that is not there is said by `look`."""

    def close(self) -> None:
        """Nothing was taken."""

    def describe(self) -> str:
        """Say which file."""
        return str(self._path)

    def look(self, timezone: str, day: int) -> ScheduleRead | None:
        """Return what is on from `day` (counted since 1970) on, None when that is not news."""
        try:
            found = self._path.stat()
        except OSError as error:
            return self._news(day, str(error), ScheduleRead(trouble=f"{self._path} can't be read: {error.strerror}"))
        mark = (found.st_mtime_ns, found.st_size, found.st_ino)
        if (day, mark) == self._seen:
            return None
        if found.st_size > LONGEST:
            said = f"{self._path} has {found.st_size} bytes; a calendar of up to {LONGEST} is read"
            return self._news(day, mark, ScheduleRead(trouble=said))
        return self._news(day, mark, read(self._path, timezone, day))

    def _news(self, day: int, mark: object, read: ScheduleRead) -> ScheduleRead | None:
        if (day, mark) == self._seen:
            return None
        self._seen = (day, mark)
        if read.trouble:
            log.warning("schedule: %s", read.trouble)
        return read


def read(path: Path, timezone: str, day: int, seconds: int = SECONDS) -> ScheduleRead:
    """Return what is on from `day` on, read by a child within its bounds; `trouble` says what was wrong, in one line."""
    numbers = (str(number) for number in (day, DAYS, seconds))
    command = [sys.executable, "-m", "firmware_py.schedule_reader", os.fspath(path), timezone, *numbers]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False)  # noqa: S603
        return msgspec.json.decode(done.stdout, type=ScheduleRead)
    except subprocess.TimeoutExpired:
        return ScheduleRead(trouble=f"{path} takes longer than {seconds} s to read; look for a rule that never ends")
    except (OSError, msgspec.DecodeError):
        return ScheduleRead(trouble=f"{path} can't be read as a calendar; it asks for more time or memory than there is")


class ScheduleServant:
    """Looks at the file now and then; only with a trusted time, as nothing is said of today before that."""

    waits = False
    idle_every_s = 5.0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def opened(self, device: ScheduleFile) -> Iterator[Event]:
        """Look at once."""
        return self.idle(device, 0)

    def idle(self, device: ScheduleFile, timeout: float) -> Iterator[Event]:  # noqa: ARG002 - part of the servant's interface
        """Tell when there is news."""
        wall = self._clock.now().wall
        if wall is not None and (news := device.look(self._clock.timezone, wall.local_day)) is not None:
            yield news

    def serve(self, device: ScheduleFile, call: Any) -> Iterator[Event]:  # noqa: ARG002 - ditto
        """Nothing is asked of it."""
        return iter(())

    def lost(self, call: Any, error: Exception | None) -> Iterator[Event]:  # noqa: ARG002 - ditto
        """Nothing was asked of it."""
        return iter(())

    def deadline_s(self, call: Any | None) -> float:  # noqa: ARG002 - ditto
        """Return more than the child may take."""
        return SECONDS + 20.0
