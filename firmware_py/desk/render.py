"""Makes pages of templates (`data/pages`) and sentences (`data/pages/texts`), in the language of whoever looks."""

from __future__ import annotations

from functools import lru_cache, partial
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from firmware_py.texts import load_page_texts
from kiosk.values import Language

FOLDER = files("firmware_py") / "data" / "pages"
LANGUAGE_COOKIE = "fikatap-language"


class Renderer:
    """Fills templates in.

    In each, `say(key, **parts)` and `count(key, number)` give sentences, and `asset(name)` a static file's address.
    """

    def __init__(self) -> None:
        self.texts = load_page_texts()
        self._templates = Environment(
            loader=PackageLoader("firmware_py", "data/pages"),
            autoescape=True,  # for all names, not for *.html alone
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals["asset"] = asset

    def html(self, template: str, language: Language, **values: Any) -> str:
        """Return a template filled in; a name that it lacks or a sentence that is missing is an error."""
        return self._templates.get_template(template).render(
            language=language,
            say=partial(self.texts.say, language),
            count=partial(self.texts.count, language),
            **values,
        )

    def page(self, template: str, language: Language, status_code: int = 200, **values: Any) -> HTMLResponse:
        """Return a template filled in, as a page."""
        return HTMLResponse(self.html(template, language, **values), status_code)


def language_of(request: Request, otherwise: Language) -> Language:
    """Return the language that somebody chose (`?language=`, then their cookie), else the one their browser asks for first."""
    asked = request.headers.get("accept-language", "").replace(";", ",").split(",")
    chosen = (request.query_params.get("language"), request.cookies.get(LANGUAGE_COOKIE))
    for each in (*chosen, *(tag.strip().split("-")[0].lower() for tag in asked)):
        known = {"no": "nb", "nn": "nb"}.get(each or "", each)
        if known in tuple(Language):
            return Language(known)
    return otherwise


@lru_cache(maxsize=64)
def asset(name: str) -> str:
    """Return the address of a static file, with a part that changes with it, so that browsers may keep it for ever."""
    return f"/static/{name}?{sha256((FOLDER / 'static' / name).read_bytes()).hexdigest()[:12]}"
