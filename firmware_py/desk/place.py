"""What all pages share: the café, its sentences, the line to its terminal, and who may do what."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from starlette.requests import Request

from firmware_py.config import Config
from firmware_py.desk.access import Access
from firmware_py.desk.audit import Audit
from firmware_py.desk.link import Reader, Watch, ask
from firmware_py.desk.render import Renderer


@dataclass(frozen=True)
class Place:
    """One café's pages."""

    config: Config
    watch: Watch
    access: Access
    audit: Audit
    renderer: Renderer
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    def ended(self) -> None:
        """Say that somebody's session may have ended: whoever does something in their name looks at once."""
        self._ended.set()
        self._ended.clear()

    async def until_ended(self, token: str, look_s: float) -> None:
        """Wait until the session of this token has ended, also by its time or by a command."""
        while self.access.peek(token) is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(look_s):
                    await self._ended.wait()

    async def ask(self, command: str, **arguments: Any) -> Any:
        """Let the terminal carry out a command; raise as `link.ask` does."""
        return await ask(self.config.control.socket, command, arguments)

    async def read(self, command: str) -> Any:
        """Return the answer to a command that changes nothing; many who ask at once are one to the terminal."""
        return await self._reader.read(command)

    @cached_property
    def _reader(self) -> Reader:
        return Reader(self.config.control.socket)


def place_of(request: Request) -> Place:
    """Return the place that this request came to."""
    place: Place = request.app.state.place
    return place
