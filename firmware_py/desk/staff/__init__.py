"""The desk: what baristas see on a phone, and do with one hand; the same deeds as the command line's."""

from __future__ import annotations

from starlette.routing import BaseRoute

from firmware_py.desk.staff import badges, deeds, devices, evening, introductions, language, live, members, now, people, takein
from firmware_py.desk.staff.turn import Memory


def routes() -> list[BaseRoute]:
    """Return the desk's pages, all below `/desk` and for people who are logged in."""
    memory = Memory()
    pages = (now, live, members, introductions, badges, devices, takein, evening, people, language, deeds)
    return [route for page in pages for route in page.routes(memory)]
