"""The visitor's screen: what to do, where to sit and what is on, and for whoever tapped what is theirs, for a short while.

Nothing is kept here of what a visitor was shown: it goes out once, to the screens by that reader, and each takes it off again
(`static/screen.js`). A screen that begins anew, or whose connection was gone, shows the café and nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from firmware_py.desk.link import Happening
from firmware_py.desk.live import Frames, live
from firmware_py.desk.place import Place, place_of
from firmware_py.desk.whose import Whose
from firmware_py.office import CommandError
from firmware_py.speech import spoken
from kiosk.signals import Signal
from kiosk.values import Language

STAY_S = 25
"""How long a visitor's own view stays: to read it, and at least the 20 s that WCAG 2.2.1 gives to ask for more time."""
LANGUAGE_STAY_S = 60
"""How long the café's view stays in a language that somebody chose, after the last touch; a warning of `STAY_S` follows."""

Scene = dict[str, Any]

_KINDS = {
    "done": (Signal.WELCOME, Signal.WELCOME_NO_BADGE, Signal.ALREADY_HERE, Signal.GOODBYE, Signal.ENROLLED),
    "news": (Signal.INTRODUCED, Signal.NOT_YET, Signal.NO_MATCH),
    "again": (Signal.ONCE_MORE, Signal.USE_CARD),
    "staff": (Signal.UNKNOWN_CARD, Signal.BLOCKED_CARD, Signal.TELL_STAFF),
}
KIND = {signal: kind for kind, signals in _KINDS.items() for signal in signals}
"""How a signal looks, in the four groups of docs/signals.md: each has its own drawing, ground and edge."""


def routes() -> Sequence[BaseRoute]:
    """Return the screen's addresses. Of several readers, `/screen?reader=NAME` is the screen beside that one."""
    return (
        Route("/screen", _page),
        Route("/screen/events", _events),
        Route("/screen/mood", _mood, methods=["POST"]),
    )


async def _page(request: Request) -> Response:
    place = place_of(request)
    language = _language(request)
    return place.renderer.page(
        "screen/page.html",
        language,
        **_idle(place, await _scene(place), _reader(request)),
        cafe_language=place.config.cafe.language,
        language_stay=LANGUAGE_STAY_S,
        stay=STAY_S,
    )


async def _events(request: Request) -> Response:
    place = place_of(request)
    return live(place.watch, _frames(place, _language(request), _reader(request)))


async def _mood(request: Request) -> Response:
    # A form of another site can't send this header: browsers ask first, and nobody here says yes.
    if request.headers.get("hx-request") != "true":
        return Response("only the screen may choose", 403)
    place = place_of(request)
    async with request.form(max_fields=4, max_files=0) as form:
        mood, visit = form.get("mood"), form.get("visit")
        reader = form.get("reader" if mood else "chosen_at")
    beside = {"reader": reader} if reader else {}
    whose = {"visit": visit} if visit else {"ahead": True}
    try:
        await (place.ask("moods.choose", mood=mood, **beside, **whose) if mood else place.ask("moods.forget", **beside))
    except CommandError:
        return HTMLResponse(place.renderer.texts.say(_language(request), "screen.mood_failed"))
    return HTMLResponse("")


def _frames(place: Place, language: Language, reader: str) -> Frames:
    """Return what one screen changes by what happens; what it shows already is not sent again."""
    shown: dict[str, str] = {}
    whose = Whose()

    def changed(frames: dict[str, str]) -> dict[str, str]:
        news = {name: html for name, html in frames.items() if shown.get(name) != html}
        shown.update(news)
        return news

    async def frames(happening: Happening) -> dict[str, str]:
        match happening["kind"]:
            case "Shown" if happening["reader"] is not None and reader in ("", happening["reader"]):
                # The same words twice in a row are two answers to two taps: always sent, and spoken again.
                return _personal(place, happening) if whose.takes(happening) else {}
            case "Changed" | "Terminal":
                scene = await _scene(place) if happening.get("present", True) else None
                idle = _idle(place, scene, reader)
                return changed(
                    {
                        "idle": place.renderer.html("screen/idle.html", language, **idle),
                        "news": place.renderer.html("screen/news.html", language, **idle),
                    }
                )
            case _:
                return {}

    return frames


def _idle(place: Place, scene: Scene | None, reader: str = "") -> dict[str, Any]:
    """Return the values of the café's view; `trouble` is why nobody can tap now: a key of the sentences, or empty.

    `chosen` is the mood that the next tap beside this screen takes, `chosen_at` the reader it waits at: empty where at any.
    """
    if scene is None:
        trouble = "away"
    elif scene["trouble"]:
        trouble = scene["trouble"]
    else:
        trouble = "" if scene["open"] else "closed"
    readers = place.config.readers
    own = next(iter(readers)) if len(readers) == 1 and not reader else reader
    choices = {} if scene is None else scene.get("choices", {})  # a terminal that is a version behind has none
    chosen_at = own if own in choices else ""
    return {
        "scene": scene,
        "cafe": place.config.cafe.name,
        "trouble": trouble,
        "reader": reader,
        "chosen": choices.get(chosen_at),
        "chosen_at": chosen_at,
    }


def _personal(place: Place, shown: Happening) -> dict[str, str]:
    """Return what the one at the reader is to see and hear, in their own language."""
    language = Language(shown["language"])
    texts = place.renderer.texts
    zone = next((zone for zone in place.config.zones if zone.id == shown["zone"]), None)
    greeting = texts.say(language, "answer.greeting", name=shown["name"]) if shown["name"] else ""
    sentence = shown["words"].removeprefix(greeting)
    if zone is not None:
        # The way is drawn, with the same words, beside the sentence.
        colour, symbol = (
            texts.say(language, f"{kind}.{word}") for kind, word in (("colour", zone.colour), ("symbol", zone.symbol))
        )
        sentence = sentence.replace(texts.say(language, "answer.where", zone=zone.name, colour=colour, symbol=symbol), "")
    values = {
        "shown": shown,
        "kind": KIND[Signal(shown["signal"])],
        "greeting": greeting,
        "sentence": " ".join(sentence.split()),
        "zone": zone,
        "spoken": spoken(shown, texts),
        "direction": None if zone is None else place.config.directions.get(zone.id),
        "cafe_language": place.config.cafe.language,
        "stay": STAY_S,
    }
    return {name: place.renderer.html(f"screen/{name}.html", language, **values) for name in ("personal", "spoken")}


async def _scene(place: Place) -> Scene | None:
    """Return what is true in the café; None while no terminal says so."""
    try:
        scene: Scene = await place.read("scene")
    except CommandError:
        return None
    return scene


def _language(request: Request) -> Language:
    """Return the language that a stranger chose for this screen, else the café's, whatever the browser was set up for."""
    chosen = request.query_params.get("language")
    return Language(chosen) if chosen in tuple(Language) else place_of(request).config.cafe.language


def _reader(request: Request) -> str:
    return request.query_params.get("reader", "")
