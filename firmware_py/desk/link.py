"""The pages' line to the terminal: its control socket, asked for things, and listened to for what happens."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from firmware_py.office import CommandError
from firmware_py.terminal.control import VERSION

ANSWER_S = 10.0
"""How long the terminal may take to answer."""
LONGEST_LINE = 8 << 20
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
"""How long a terminal that is away is left alone before the next try, at first and at most."""
MOST_BEHIND = 256
"""A page that has so many happenings unread gets the newest only."""

CHANGED = "Changed"
"""The kind of happening that says that what there is to see may have changed, and nothing else."""

Happening = dict[str, Any]


class Gone(CommandError):
    """The terminal does not run, or went away before it answered; whether it did what was asked is not known."""


async def ask(path: Path, command: str, arguments: dict[str, Any], patience_s: float = ANSWER_S) -> Any:
    """Let the terminal carry out a command; raise `CommandError` with its own sentence, `Gone` when there is no terminal."""
    request = {"v": VERSION, "id": 1, "do": command, "with": arguments}
    try:
        async with asyncio.timeout(patience_s), _connected(path) as (reader, writer):
            writer.write(msgspec.json.encode(request) + b"\n")
            await writer.drain()
            line = await reader.readline()
    except TimeoutError as error:
        raise Gone(f"the terminal did not answer '{command}' in time") from error
    except (OSError, ValueError) as error:
        raise Gone(f"the terminal can't be reached: {error}") from error
    if not line.endswith(b"\n"):
        raise Gone("the terminal stopped before it answered")
    try:
        answer = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise Gone(f"the terminal's answer can't be read: {error}") from error
    if "error" in answer:
        raise CommandError(answer["error"])
    return answer.get("result")


class Reader:
    """Asks for what many pages want to know at once, such as after each tap: once for all who wait for the same.

    Whoever comes while an answer is under way gets the next one: nobody is told what was true before they asked.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._one_at_a_time: dict[str, asyncio.Lock] = {}
        self._waiting: dict[str, asyncio.Task[Any]] = {}

    async def read(self, command: str) -> Any:
        """Return the answer to a command that changes nothing and takes no arguments; raise as `ask` does."""
        if (task := self._waiting.get(command)) is None:
            task = self._waiting[command] = asyncio.create_task(self._next(command))
        return await asyncio.shield(task)

    async def _next(self, command: str) -> Any:
        async with self._one_at_a_time.setdefault(command, asyncio.Lock()):
            del self._waiting[command]
            return await ask(self._path, command, {})


class Watch:
    """Hears what happens at the door, on one connection for all pages, and hands it to each of them.

    `present` tells whether the terminal is there. Each page has its own place in line; a slow one holds up nobody.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pages: set[_Place] = set()
        self.present = False

    async def run(self) -> None:
        """Listen until cancelled; come back by itself when the terminal does."""
        pause_s = FIRST_PAUSE_S
        while True:
            with suppress(OSError, ValueError, msgspec.DecodeError):
                async with _connected(self._path) as (reader, writer):
                    # The answer to the second says that the terminal is there: the first has none.
                    for number, command in enumerate(("watch", "status")):
                        writer.write(msgspec.json.encode({"v": VERSION, "id": number, "do": command}) + b"\n")
                    await writer.drain()
                    while line := await reader.readline():
                        message = msgspec.json.decode(line, type=dict[str, Any])
                        if "event" in message:
                            self._hand_out(message["event"])
                        elif "result" in message:
                            self._found(present=True)
                            pause_s = FIRST_PAUSE_S
            # Said after each try: a page may have met a terminal that came and went between two of them.
            self._found(present=False)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def happenings(self) -> AsyncGenerator[Happening]:
        """Yield what happens from now on; `{"kind": "Terminal", "present": …}` first, and after each try to reach it."""
        place = _Place()
        place.put({"kind": "Terminal", "present": self.present})
        self._pages.add(place)
        try:
            while True:
                yield await place.get()
        finally:
            self._pages.discard(place)

    def _found(self, *, present: bool) -> None:
        self.present = present
        self._hand_out({"kind": "Terminal", "present": present})

    def _hand_out(self, happening: Happening) -> None:
        for place in self._pages:
            place.put(happening)


class _Place:
    """One page's place in line: the newest happenings that it has not read."""

    def __init__(self) -> None:
        self._waiting: deque[Happening] = deque(maxlen=MOST_BEHIND)
        self._some = asyncio.Event()

    def put(self, happening: Happening) -> None:
        if happening["kind"] == CHANGED and happening in self._waiting:
            return  # it says no more than to look anew
        self._waiting.append(happening)
        self._some.set()

    async def get(self) -> Happening:
        while not self._waiting:
            self._some.clear()
            await self._some.wait()
        return self._waiting.popleft()


@asynccontextmanager
async def _connected(path: Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_unix_connection(path, limit=LONGEST_LINE)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
