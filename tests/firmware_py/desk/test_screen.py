"""What the screen makes of each answer of the terminal, without a browser."""

from __future__ import annotations

from html import unescape
from pathlib import Path

import pytest

from firmware_py.desk.render import Renderer
from firmware_py.desk.screen import KIND, STAY_S, _idle, _personal
from kiosk.signals import Signal
from kiosk.values import Language
from tests.pages.screens import config_of, introduced, place_of, scene, shown

LEAST_WARNING_S = 20
"""WCAG 2.2, 2.2.1: so long a person has to ask for more time."""


def test_every_signal_has_its_look() -> None:
    assert set(KIND) == set(Signal)
    assert STAY_S >= LEAST_WARNING_S


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("signal", Signal)
def test_every_signal_is_shown_and_spoken_in_the_visitors_language(signal: Signal, language: Language, tmp_path: Path) -> None:
    place = place_of(config_of(Language.SV, tmp_path), tmp_path)
    event = shown(signal, language, name="Made-Up Maja")
    told = {name: unescape(html) for name, html in _personal(place, event).items()}
    assert f'lang="{language}"' in told["personal"]
    assert event["words"] in told["spoken"]
    greeting = place.renderer.texts.say(language, "answer.greeting", name="Made-Up Maja")
    assert told["personal"].count(greeting) == 1


def test_the_way_is_said_once_in_words_and_once_in_the_sign(tmp_path: Path) -> None:
    place = place_of(config_of(Language.SV, tmp_path), tmp_path)
    told = _personal(place, shown(Signal.NOT_YET, Language.SV, zone="library"))
    assert "Gå till Biblioteket: blå triangel." in told["spoken"]
    assert "Gå till Biblioteket: blå triangel." not in told["personal"]
    assert 'class="sign blue"' in told["personal"]
    assert "uppför trappan" in told["personal"]


def test_a_zone_that_the_pages_do_not_know_yet_is_left_to_the_words(tmp_path: Path) -> None:
    place = place_of(config_of(Language.SV, tmp_path), tmp_path)
    told = _personal(place, {**introduced(Language.SV), "zone": "built yesterday"})
    assert "goto" not in told["personal"]
    assert "Gå till Biblioteket" in told["personal"]


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("trouble", ["no_reader", "no_storage", "closed", "away", None])
def test_every_trouble_is_seen_and_spoken(trouble: str | None, language: Language, tmp_path: Path) -> None:
    config = config_of(language, tmp_path)
    place = place_of(config, tmp_path)
    now = {**scene(config), "open": trouble is None, "trouble": None if trouble == "closed" else trouble}
    values = _idle(place, None if trouble == "away" else now)
    seen, spoken = (unescape(Renderer().html(f"screen/{name}.html", language, **values)) for name in ("idle", "news"))
    if trouble is None:
        assert spoken.strip() == ""
        assert 'name="mood"' in seen
    else:
        words = place.renderer.texts.say(language, f"screen.{trouble}")
        assert words in seen
        assert words in spoken
        assert 'name="mood"' not in seen
