"""The live parts of pages: server-sent events, each a piece of HTML that takes the place of the one before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing

from sse_starlette import EventSourceResponse, ServerSentEvent

from firmware_py.desk.link import Happening, Watch

Frames = Callable[[Happening], Awaitable[dict[str, str]]]
"""What changes on a page by what happened: name of the event (`sse-swap`) to HTML."""


def live(watch: Watch, frames: Frames) -> EventSourceResponse:
    """Return what happens as a stream of frames, from the first (`Terminal`, with whether it is there) on."""

    async def stream() -> AsyncIterator[ServerSentEvent]:
        async with aclosing(watch.happenings()) as happenings:
            async for happening in happenings:
                for event, html in (await frames(happening)).items():
                    yield ServerSentEvent(event=event, data=html)

    return EventSourceResponse(stream(), ping=15)
