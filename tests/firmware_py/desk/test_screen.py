"""What the screen makes of each answer of the terminal, without a browser."""

from __future__ import annotations

import asyncio
from html import unescape
from pathlib import Path

import pytest
from msgspec.structs import replace

from firmware_py.desk.render import Renderer
from firmware_py.desk.screen import KIND, STAY_S, _frames, _idle, _personal
from firmware_py.desk.whose import LATE
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


@pytest.mark.parametrize("other", ["demo-2", None])
@pytest.mark.parametrize("late", LATE)
@pytest.mark.parametrize("reader", ["door", ""])
def test_a_late_answer_is_not_shown_to_who_came_next(late: Signal, other: str | None, reader: str, tmp_path: Path) -> None:
    """Nor to a stranger, who has no visit; and whoever comes back is the one who is there."""
    frames = _frames(place_of(config_of(Language.SV, tmp_path), tmp_path), Language.SV, reader)
    first, next_one = shown(Signal.WELCOME, Language.SV), shown(Signal.WELCOME, Language.SV, visit=other)
    answer = shown(late, Language.SV)
    back = shown(Signal.ALREADY_HERE, Language.SV)

    async def story() -> list[bool]:
        return [
            bool(await frames(each)) for each in (first, answer, next_one, answer, {**answer, "visit": other}, back, answer)
        ]

    assert asyncio.run(story()) == [True, True, True, False, True, True, True]


def test_who_taps_at_another_reader_takes_nobodys_late_answer(tmp_path: Path) -> None:
    frames = _frames(place_of(config_of(Language.SV, tmp_path), tmp_path), Language.SV, "door")
    elsewhere = shown(Signal.WELCOME, Language.SV, visit="demo-2", reader="other")

    async def story() -> list[bool]:
        events = shown(Signal.WELCOME, Language.SV), elsewhere, introduced(Language.SV)
        return [bool(await frames(each)) for each in events]

    assert asyncio.run(story()) == [True, False, True]


def test_a_terminal_that_says_nothing_of_choices_has_none_that_wait(tmp_path: Path) -> None:
    config = config_of(Language.SV, tmp_path)
    older = {key: value for key, value in scene(config).items() if key != "choices"}
    values = _idle(place_of(config, tmp_path), older, "door")
    assert (values["trouble"], values["chosen"]) == ("", None)


@pytest.mark.parametrize(
    ("reader", "choices", "seen"),
    [
        ("door", {"door": "coffee", "back": "group", "": "introduce"}, ("coffee", "door")),
        ("back", {"door": "coffee", "back": "group", "": "introduce"}, ("group", "back")),
        ("", {"door": "coffee", "back": "group", "": "introduce"}, ("introduce", "")),
        ("door", {"back": "group", "": "introduce"}, ("introduce", "")),
        ("door", {"back": "group"}, (None, "")),
        ("", {"back": "group"}, (None, "")),
    ],
)
def test_a_screen_shows_the_choice_that_the_next_tap_beside_it_takes(
    reader: str, choices: dict[str, str], seen: tuple[str | None, str], tmp_path: Path
) -> None:
    config = config_of(Language.SV, tmp_path)
    (own,) = config.readers.values()
    place = place_of(replace(config, readers={"door": own, "back": own}), tmp_path)
    values = _idle(place, {**scene(config), "choices": choices}, reader)
    assert (values["chosen"], values["chosen_at"]) == seen


def test_a_screen_need_not_name_an_only_reader(tmp_path: Path) -> None:
    config = config_of(Language.SV, tmp_path)
    values = _idle(place_of(config, tmp_path), {**scene(config), "choices": {"door": "coffee"}})
    assert (values["chosen"], values["chosen_at"]) == ("coffee", "door")
