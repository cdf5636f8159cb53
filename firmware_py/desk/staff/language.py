"""The language of the desk, chosen by whoever looks; their browser remembers it."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from firmware_py.desk.render import LANGUAGE_COOKIE
from firmware_py.desk.staff.turn import HOME, Memory, Turn, inside, route
from kiosk.values import Language

YEAR_S = 365 * 24 * 3_600


def routes(memory: Memory) -> list[BaseRoute]:
    """Return the address that the buttons of the languages send to."""
    return [route(memory, f"{HOME}/language", _choose, post=True)]


async def _choose(turn: Turn) -> Response:
    form = await turn.request.form()
    answer = RedirectResponse(inside(str(form.get("back", HOME))), 303)
    if (chosen := form.get("language")) in tuple(Language):
        secure = turn.request.url.scheme == "https"
        answer.set_cookie(LANGUAGE_COOKIE, str(chosen), max_age=YEAR_S, httponly=True, samesite="lax", secure=secure)
    return answer
