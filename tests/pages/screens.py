"""A screen before a stand-in terminal: the café, and what made-up visitors see, in each language."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msgspec.structs import replace

from firmware_py.clock import Clock
from firmware_py.config import Config, ControlTable, parse
from firmware_py.demo import CONFIG, Cafe
from firmware_py.desk.access import Access
from firmware_py.desk.app import application
from firmware_py.desk.audit import Audit
from firmware_py.desk.link import Watch
from firmware_py.desk.place import Place
from firmware_py.desk.render import Renderer
from firmware_py.desk.screen import routes
from firmware_py.texts import load_texts
from kiosk.signals import Signal
from kiosk.values import Language
from tests.rigs.browser import served
from tests.rigs.stand_in import StandIn

Event = dict[str, Any]

VISIT = "demo-1"
NAMES = {Language.SV: "Sigrid", Language.DA: "Søren", Language.NB: "Åshild", Language.EN: "Rosalind"}
PARTNERS = {Language.SV: "Håkon", Language.DA: "Bodil", Language.NB: "Jörgen", Language.EN: "Wilhelmina"}
HERE = {"library": 3, "long-table": 12, "window": 6, "lounge": 0}
WAYS = {
    "library": {"sv": "uppför trappan", "da": "op ad trappen", "nb": "opp trappen", "en": "up the stairs"},
    "window": {"sv": "till höger om baren", "da": "til højre for baren", "nb": "til høyre for baren", "en": "right of the bar"},
}
EVENTS = {
    "sv": ("CV-verkstad", "Skrivhörnan"),
    "da": ("CV-værksted", "Skrivehjørnet"),
    "nb": ("CV-verksted", "Skrivehjørnet"),
    "en": ("CV workshop", "Writing corner"),
}


def scene(config: Config) -> dict[str, Any]:
    """Return a café on an ordinary evening."""
    language = config.cafe.language
    title, place = EVENTS[language]
    return {
        "cafe": config.cafe.name,
        "language": language.value,
        "line": "",
        "open": True,
        "trouble": None,
        "printer": {"prints": True, "cause": None, "paper_low": False},
        "here": sum(HERE.values()),
        "zones": [
            {
                "id": zone.id,
                "name": zone.name,
                "symbol": zone.symbol.value,
                "colour": zone.colour.value,
                "capacity": zone.capacity,
                "here": HERE[zone.id],
                "quiet": zone.quiet,
                "direction": config.directions.get(zone.id),
            }
            for zone in config.zones
        ],
        "events": [
            {"title": title, "begins": "18:00", "ends": "19:00", "place": place},
            {"title": "Lightning talks", "begins": "19:30", "ends": "20:00", "place": None},
        ],
        "moods": ["introduce", "group", "coffee"],
        "choices": {},
        "day": "2026-11-22",
    }


def shown(signal: Signal, language: Language, *, words: str | None = None, zone: str | None = None, **more: Any) -> Event:
    """Return what the terminal tells at a tap of a made-up visitor, with its own sentences."""
    texts = load_texts()
    greeting = texts.say(language, "answer.greeting", name=more["name"]) + " " if more.get("name") else ""
    where = ""
    if zone is not None:
        found = next(each for each in config_of(Language.SV, Path("/nowhere")).zones if each.id == zone)
        colour, symbol = texts.say(language, f"colour.{found.colour}"), texts.say(language, f"symbol.{found.symbol}")
        where = texts.say(language, "answer.where", zone=found.name, colour=colour, symbol=symbol)
    sentence = texts.say(language, words or f"answer.{signal.value}", where=where, **more.pop("parts", {}))
    event = {
        "reader": "door",
        "visit": VISIT,
        "name": None,
        "partner": None,
        "reason": None,
        "starter": None,
        "can_choose": False,
        "badge_later": False,
    }
    return {
        **event,
        "kind": "Shown",
        "signal": signal.value,
        "language": language.value,
        "words": (greeting + sentence).rstrip(),
        "zone": zone,
        **more,
    }


TOPICS = {
    Language.SV: ("hållbarhetsmarknadsföring", "pedagogik och utbildning"),
    Language.DA: ("bæredygtig markedsføring", "pædagogik og uddannelse"),
    Language.NB: ("bærekraftig markedsføring", "pedagogikk og utdanning"),
    Language.EN: ("sustainability marketing", "teaching and training"),
}


def introduced(language: Language, zone: str = "library", **more: Any) -> Event:
    """Return what somebody sees who is introduced: the longest reason and starter that there are."""
    texts = load_texts()
    partner, (ask, give) = PARTNERS[language], TOPICS[language]

    def longest(key: str, **parts: str) -> str:
        return max((texts.vary(language, key, turn, **parts) for turn in range(texts.variants(language, key))), key=len)

    values: Event = {
        "name": NAMES[language],
        "visit": VISIT,
        "partner": partner,
        "reason": longest("reason.both", partner=partner, partner_s=partner, ask=ask, give=give),
        "starter": longest("starter.general", partner=partner),
        "can_choose": True,
    }
    return shown(Signal.INTRODUCED, language, zone=zone, **{**values, **more})


@contextmanager
def screen_of(cafe: Cafe, socket: Path | None = None) -> Iterator[str]:
    """Serve the screen of a real café; yield its address. Its terminal may be found under another name."""
    with TemporaryDirectory(prefix="fikatap-screen-") as name:
        config = replace(cafe.config, control=ControlTable(socket or cafe.config.control.socket))
        with served(application(place_of(config, Path(name)), routes())) as address:
            yield address


@contextmanager
def screen(language: Language = Language.SV, library: str = "Biblioteket") -> Iterator[tuple[StandIn, str]]:
    """Serve the screen of a café that speaks this language and calls its library so.

    Yield its terminal, which is not there yet, and its address.
    """
    with TemporaryDirectory(prefix="fikatap-screen-") as name:
        folder = Path(name)
        config = config_of(language, folder, library)
        stand_in = StandIn(config.control.socket, scene(config))
        with served(application(place_of(config, folder), routes())) as address:
            yield stand_in, address


def place_of(config: Config, folder: Path) -> Place:
    """Return the pages' place of a café; what the desk keeps is in `folder`."""
    clock = Clock(config.timezone, None)
    return Place(
        config,
        Watch(config.control.socket),
        Access(folder / "access.json", "boot", lambda: clock.now().boot_ms / 1_000),
        Audit(folder / "audit.jsonl", clock),
        Renderer(),
    )


def config_of(language: Language, folder: Path, library: str = "Biblioteket") -> Config:
    """Return the sample café, which speaks this language, calls its library so, and says the way to some zones."""
    text = CONFIG.format(folder=folder, language=language.value, profile="generic-80").replace("Biblioteket", library)
    for zone, way in WAYS.items():
        text = text.replace(f'id = "{zone}"', f'id = "{zone}"\ndirection = "{way[language]}"')
    return parse(text)
