"""The pages as ASGI applications: the visitors' screen, the staff's desk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from firmware_py.desk.guard import HANDLERS, walls
from firmware_py.desk.place import Place


def application(place: Place, routes: Sequence[BaseRoute], guards: Sequence[Middleware] = ()) -> Starlette:
    """Return an application with these pages behind the walls; it listens to the terminal as long as it runs."""

    @asynccontextmanager
    async def listening(_: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(place.watch.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    static = Mount("/static", StaticFiles(packages=[("firmware_py", "data/pages/static")]), name="static")
    app = Starlette(
        routes=[static, *routes], middleware=[*walls(place), *guards], exception_handlers=HANDLERS, lifespan=listening
    )
    app.state.place = place
    return app
