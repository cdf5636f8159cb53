"""The visitor's screen in a real browser: what each sees, in their language, by every hand, and for how long."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import Browser, Page, Response, expect

from drivers.ports import Kind, PresentedCard
from firmware_py.demo import Cafe, card_of
from firmware_py.desk.render import Renderer
from firmware_py.desk.screen import LANGUAGE_STAY_S, STAY_S
from firmware_py.terminal.control import ControlClient
from firmware_py.texts import load_texts
from kiosk.signals import Signal
from kiosk.values import Colour, Language, Member, Symbol, ZoneId
from tests.pages.screens import NAMES, PARTNERS, VISIT, introduced, screen, screen_of, shown
from tests.rigs.browser import PATIENCE_S, chromium, violations
from tests.rigs.stand_in import StandIn

SIZES = ((800, 480), (1280, 800))
CONTRAST = 7.0
"""Of every text, and of each sign with its tile (EN 301 549 asks 4.5; WCAG's AAA is 7)."""

State = Callable[[StandIn, Page, Language], None]


def tells(signal: Signal, **what: Any) -> State:
    """Return the state of a screen on which a visitor is told this."""

    def story(stand_in: StandIn, page: Page, language: Language) -> None:
        values = {key: value[language] if isinstance(value, dict) else value for key, value in what.items()}
        stand_in.say(shown(signal, language, **values))
        expect(page.locator(f"[data-signal={signal.value}]")).to_be_visible()

    return story


def becomes(wanted: str, **what: Any) -> State:
    """Return the state of a screen in a café of which this is true."""

    def story(stand_in: StandIn, page: Page, _: Language) -> None:
        stand_in.change(**what)
        expect(page.locator(wanted)).to_be_visible()

    return story


def meets(stand_in: StandIn, page: Page, language: Language) -> None:
    stand_in.say(introduced(language))
    expect(page.locator(".meet")).to_have_text(re.compile(PARTNERS[language]))


def sent(stand_in: StandIn, page: Page, language: Language) -> None:
    texts = load_texts()
    who = texts.count(language, "slip.sent_by", 1, who=PARTNERS[language]) + " " + texts.say(language, "answer.stay")
    told: dict[str, Any] = {
        "words": "answer.sent",
        "parts": {"who": who},
        "name": NAMES[language],
        "zone": "window",
        "can_choose": True,
    }
    stand_in.say(shown(Signal.ALREADY_HERE, language, **told))
    expect(page.locator(".sentence")).to_contain_text(PARTNERS[language])


def coffee_as_chosen(stand_in: StandIn, page: Page, language: Language) -> None:
    """What was pressed beforehand, at the longest: there is no printer either."""
    event = shown(Signal.WELCOME_NO_BADGE, language, name=NAMES[language], zone="window", can_choose=True)
    event["words"] += " " + load_texts().say(language, "answer.mood_coffee")
    stand_in.say({**event, "starter": introduced(language)["starter"]})
    expect(page.locator(".sentence")).to_contain_text(load_texts().say(language, "answer.mood_coffee"))


def badge_waits(stand_in: StandIn, page: Page, language: Language) -> None:
    event = shown(Signal.NOT_YET, language, name=NAMES[language], zone="long-table", can_choose=True, badge_later=True)
    stand_in.say(event)
    expect(page.locator(".visitor .notice")).to_be_visible()


PRINTER = {"prints": True, "cause": None, "paper_low": False}
NO_PRINTER = {"prints": True, "cause": "paper_out", "paper_low": False}
STATES: dict[str, State] = {
    "idle": lambda *_: None,
    "mood-chosen": becomes("[aria-pressed=true]", choices={"door": "coffee"}),
    "printer-away": becomes(".notice", choices={}, printer=NO_PRINTER),
    "no-reader": becomes(".still", trouble="no_reader"),
    "no-storage": becomes(".still", trouble="no_storage"),
    "closed": becomes(".still .closed", trouble=None, open=False),
    "open-again": becomes(".tap .tap", open=True, printer=PRINTER),
    "welcome": tells(Signal.WELCOME, name=NAMES),
    "welcome-no-name": tells(Signal.WELCOME),
    "introduced": meets,
    "welcome-no-badge": tells(Signal.WELCOME_NO_BADGE, name=NAMES, zone="window", can_choose=True),
    "coffee-as-chosen": coffee_as_chosen,
    "first-in-line": tells(Signal.NOT_YET, name=NAMES, zone="long-table", can_choose=True),
    "first-in-line-no-badge": badge_waits,
    "no-match": tells(Signal.NO_MATCH, name=NAMES, zone="lounge"),
    "sent": sent,
    "already-here": tells(Signal.ALREADY_HERE, name=NAMES, zone="library", can_choose=True),
    "goodbye": tells(Signal.GOODBYE, name=NAMES),
    "enrolled": tells(Signal.ENROLLED, name=NAMES),
    "unknown-card": tells(Signal.UNKNOWN_CARD),
    "blocked-card": tells(Signal.BLOCKED_CARD),
    "phone": tells(Signal.USE_CARD),
    "torn-read": tells(Signal.ONCE_MORE),
    "tell-staff": tells(Signal.TELL_STAFF),
}
"""How a screen comes into each of its states; each goes on from the one before."""


@contextmanager
def states(browser: Browser, language: Language, size: tuple[int, int]) -> Iterator[Iterator[tuple[str, Page]]]:
    """Let the screen of a café go through all that it can show; yield each state's name, and the page in it."""
    with screen(language) as (stand_in, address), stand_in.there(), opened(browser, stand_in, address, size) as page:
        yield _walk(stand_in, page, language)


def _walk(stand_in: StandIn, page: Page, language: Language) -> Iterator[tuple[str, Page]]:
    for name, story in STATES.items():
        story(stand_in, page, language)
        yield name, page


def listen(page: Page, go: Callable[[], object]) -> None:
    """Let a page come, and wait until it hears what happens."""
    go()
    expect(page.locator("main[data-live]")).to_be_attached()


@contextmanager
def opened(browser: Browser, _: object, address: str, size: tuple[int, int] = SIZES[0], **more: Any) -> Iterator[Page]:
    """Open a screen that listens, in a fresh context."""
    with browser.new_context(viewport={"width": size[0], "height": size[1]}, **more) as context:
        context.set_default_timeout(PATIENCE_S * 1_000)
        page = context.new_page()
        listen(page, lambda: page.goto(f"{address}/screen"))
        yield page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def cafe() -> Iterator[tuple[StandIn, str]]:
    """A Swedish café, its stand-in terminal and the address of its pages."""
    with screen() as (stand_in, address), stand_in.there():
        yield stand_in, address


@pytest.fixture
def page(browser: Browser, cafe: tuple[StandIn, str]) -> Iterator[Page]:
    with opened(browser, *cafe) as page:
        yield page


TEXTS = r"""() => {
  // Every text that is seen, with its colour and the ground under it, as the browser worked them out.
  const lit = (rgb) => rgb.map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  const light = (rgb) => { const [r, g, b] = lit(rgb); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const numbers = (colour) => { const all = colour.match(/[\d.]+/g).map(Number); return all.length > 3 ? all : [...all, 1]; };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility() || element.closest(".unseen, script")) continue;
    if (getComputedStyle(element.closest("h2") ?? element).clipPath !== "none") continue;
    let ground = element;
    while (ground.parentElement && numbers(getComputedStyle(ground).backgroundColor)[3] === 0) ground = ground.parentElement;
    const colours = [getComputedStyle(element).color, getComputedStyle(ground).backgroundColor];
    const [ink, paper] = colours.map((colour) => light(numbers(colour).slice(0, 3)));
    found.push({text: walker.currentNode.textContent.trim(), px: parseFloat(getComputedStyle(element).fontSize),
                contrast: (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05)});
  }
  return found;
}"""


OVER = """() => [...document.querySelectorAll("button, h1, h2, p, li, section, article")]
  .filter((each) => each.checkVisibility() && !each.closest(".unseen") && getComputedStyle(each).clipPath === "none")
  .filter((each) => each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).display !== "inline")
  .map((each) => each.textContent.trim())"""

BROKEN = """() => {
  // Every word that goes on in another line.
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const around = walker.currentNode.parentElement;
    if (around.closest(".unseen") || getComputedStyle(around).clipPath !== "none") continue;
    for (const word of walker.currentNode.textContent.matchAll(/\\S+/g)) {
      const range = document.createRange();
      range.setStart(walker.currentNode, word.index);
      range.setEnd(walker.currentNode, word.index + word[0].length);
      if (new Set([...range.getClientRects()].map((each) => each.top)).size > 1) found.push(word[0]);
    }
  }
  return found;
}"""


@pytest.mark.parametrize("language", Language)
def test_in_every_state_nothing_is_in_anybodys_way(browser: Browser, language: Language) -> None:
    """axe-core finds nothing; each text is large and of high contrast; nothing stands beside an 800x480 screen or below it."""
    wrong = []
    with states(browser, language, SIZES[0]) as all_states:
        for name, page in all_states:
            wrong += [f"{name}: {violation}" for violation in violations(page)]
            texts = page.evaluate(TEXTS)
            assert texts, name
            wrong += [f"{name}: {text}" for text in texts if text["contrast"] < CONTRAST or text["px"] < 24]
            size = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
            wrong += [f"{name}: '{text}' stands over its edge" for text in page.evaluate(OVER)]
            wrong += [f"{name}: '{word}' is broken" for word in page.evaluate(BROKEN)]
            wrong += [f"{name}: {size}"] if size[0] > SIZES[0][0] or size[1] > SIZES[0][1] else []
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("zone", ["Långbordet", "Kafferummet", "Runda bordet", "Konferensrummet", "Lilla rummet bakom baren"])
def test_the_name_of_where_to_go_is_in_one_piece(browser: Browser, zone: str) -> None:
    with (
        screen(library=zone) as (stand_in, address),
        stand_in.there(),
        opened(browser, stand_in, address, SIZES[0]) as page,
    ):
        STATES["introduced"](stand_in, page, Language.SV)
        expect(page.locator(".goto h2")).to_contain_text(zone)
        assert (page.evaluate(BROKEN), page.evaluate(OVER)) == ([], [])
        assert page.evaluate("document.documentElement.scrollHeight") <= SIZES[0][1]


@pytest.mark.parametrize("name", ["idle", "introduced", "first-in-line", "tell-staff", "no-reader"])
def test_at_twice_the_size_everything_is_there_and_nothing_stands_beside_the_screen(
    browser: Browser, cafe: tuple[StandIn, str], name: str
) -> None:
    with opened(browser, *cafe, (SIZES[0][0] // 2, SIZES[0][1] // 2), device_scale_factor=2) as page:
        STATES[name](cafe[0], page, Language.SV)
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[0][0] // 2
        for button in page.locator("button:visible").all():
            button.click(trial=True)
        assert violations(page) == []


@pytest.mark.parametrize("deficiency", ["protanopia", "deuteranopia", "tritanopia", "achromatopsia"])
def test_zones_are_told_apart_without_their_colours(browser: Browser, cafe: tuple[StandIn, str], deficiency: str) -> None:
    """Each pair of signs differs by a shape that is seen as light on dark, whatever colours a visitor sees."""
    stand_in, _ = cafe
    zone = stand_in.scene["zones"][0]
    colours = [colour.value for colour in Colour]
    signs = [{**zone, "id": each, "symbol": each.value, "colour": colours[place]} for place, each in enumerate(Symbol)]
    with opened(browser, *cafe, SIZES[1]) as page:
        stand_in.change(zones=signs)
        expect(page.locator(".zones li")).to_have_count(len(signs))
        session = page.context.new_cdp_session(page)
        session.send("Emulation.setEmulatedVisionDeficiency", {"type": deficiency})
        shapes = [_shape(sign.screenshot()) for sign in page.locator(".zones .sign").all()]
        for one, other in combinations(shapes, 2):
            differ = ImageStat.Stat(ImageChops.logical_xor(one, other)).mean[0] / 255
            assert differ > 0.02, "two signs look alike"


def _shape(png: bytes) -> Image.Image:
    """Return where a sign's middle is of another lightness than its tile: what is left of it for whoever sees no colour."""
    grey = Image.open(io.BytesIO(png)).convert("L")
    side = min(grey.size)
    middle = grey.resize((64, 64)).crop((8, 8, 56, 56)) if side else grey
    tile = middle.getpixel((1, 1))
    assert isinstance(tile, int | float)
    return middle.point([255 if abs(level - tile) > 60 else 0 for level in range(256)]).convert("1")


def test_whoever_wants_no_movement_sees_none(browser: Browser, cafe: tuple[StandIn, str]) -> None:
    running = "document.getAnimations().length"
    with opened(browser, *cafe, reduced_motion="no-preference") as page:
        assert page.evaluate(running) == 1
    with opened(browser, *cafe, reduced_motion="reduce") as page:
        assert page.evaluate(running) == 0


def test_forced_colours_keep_signs_and_the_edges_of_buttons(browser: Browser, cafe: tuple[StandIn, str]) -> None:
    with opened(browser, *cafe, forced_colors="active") as page:
        tiles = page.locator(".zones .tile").evaluate_all("all => all.map(each => getComputedStyle(each).fill)")
        assert len(set(tiles)) == len(tiles)
        edge = page.locator("#next-coffee").evaluate(
            "e => getComputedStyle(e).borderTopWidth + getComputedStyle(e).borderTopStyle"
        )
        assert edge == "3pxsolid"
        meets(cafe[0], page, Language.SV)
        assert violations(page) == []


def test_the_words_are_spoken_once_and_in_the_visitors_language(page: Page, cafe: tuple[StandIn, str]) -> None:
    page.evaluate(
        """() => { window.spoken = []; new MutationObserver((changes) => {
          const words = document.getElementById("spoken").textContent.trim();
          if (words) window.spoken.push(document.querySelector("#spoken p").lang + ": " + words);
        }).observe(document.getElementById("spoken"), {childList: true, subtree: true, characterData: true}); }"""
    )
    live = page.locator("#personal").evaluate("e => e.closest('[aria-live], [role=status], [role=alert]')")
    assert live is None, "what is seen would be spoken as well"
    tells(Signal.WELCOME, name=NAMES)(cafe[0], page, Language.DA)
    meets(cafe[0], page, Language.DA)
    expect(page.locator("#spoken")).to_contain_text("Mød Bodil. ")  # it is changed right after what is seen
    welcome, met = page.evaluate("window.spoken")
    assert welcome == "da: Hej Søren! Velkommen! Dit navneskilt kommer om et øjeblik."
    assert met.startswith("da: Hej Søren! ")
    assert "Mød Bodil. " in met


def stop_the_clock(page: Page) -> None:
    """Let the page's clock stand still, but for when it is moved on by hand."""
    page.clock.install()
    listen(page, page.reload)
    page.clock.pause_at(page.evaluate("Date.now()") + 60_000)


def test_a_visitors_own_view_says_when_it_goes_and_goes(browser: Browser, cafe: tuple[StandIn, str]) -> None:
    with opened(browser, *cafe) as page:
        stop_the_clock(page)
        meets(cafe[0], page, Language.EN)
        expect(page.locator(".time")).to_contain_text(f"{STAY_S} s left")
        page.clock.run_for((STAY_S - 2) * 1_000)
        expect(page.locator(".seconds")).to_have_text(re.compile("^[12]$"))
        page.clock.run_for(3_000)
        expect(page.locator("#personal")).to_be_empty()
        expect(page.locator("#spoken")).to_be_empty()
        expect(page.get_by_role("heading", name="Håll ditt kort mot läsaren")).to_be_visible()
        assert "Wilhelmina" not in page.content()


def test_a_visitor_who_needs_longer_gets_it_ten_times_and_no_more(browser: Browser, cafe: tuple[StandIn, str]) -> None:
    with opened(browser, *cafe) as page:
        stop_the_clock(page)
        meets(cafe[0], page, Language.EN)
        for _ in range(10):
            page.clock.run_for((STAY_S - 1) * 1_000)
            page.get_by_role("button", name="More time").click()
        page.clock.run_for(10_000)
        expect(page.locator(".visitor")).to_be_visible()
        for _ in range(4):
            page.keyboard.press("Tab")
            page.clock.run_for((STAY_S - 15) * 1_000)
        expect(page.locator("#personal")).to_be_empty()


def test_a_visitor_who_is_done_takes_it_off(page: Page, cafe: tuple[StandIn, str]) -> None:
    meets(cafe[0], page, Language.NB)
    page.get_by_role("button", name="Ferdig").click()
    expect(page.locator("#personal")).to_be_empty()
    assert PARTNERS[Language.NB] not in page.content()


def test_the_next_visitor_sees_nothing_of_the_one_before(page: Page, cafe: tuple[StandIn, str]) -> None:
    meets(cafe[0], page, Language.SV)
    tells(Signal.UNKNOWN_CARD)(cafe[0], page, Language.SV)
    for word in (NAMES[Language.SV], PARTNERS[Language.SV]):
        expect(page.locator("#spoken")).not_to_contain_text(word)  # it is changed right after what is seen
        assert word not in page.content()


def test_a_screen_that_begins_anew_shows_nobody(page: Page, cafe: tuple[StandIn, str]) -> None:
    meets(cafe[0], page, Language.SV)
    page.reload()
    expect(page.get_by_role("heading", name="Håll ditt kort mot läsaren")).to_be_visible()
    assert PARTNERS[Language.SV] not in page.content()


def test_a_screen_shows_who_is_at_its_own_reader(browser: Browser, cafe: tuple[StandIn, str]) -> None:
    stand_in, address = cafe
    with opened(browser, *cafe) as page:
        stand_in.change(choices={"door": "coffee", "back door": "group"})
        expect(page.locator("#next-coffee")).to_have_attribute("aria-pressed", "true")
        listen(page, lambda: page.goto(f"{address}/screen?reader=back+door"))
        expect(page.locator("#next-coffee")).to_have_attribute("aria-pressed", "false")
        expect(page.locator("#next-group")).to_have_attribute("aria-pressed", "true")
        # What the next tap at any reader takes is seen here too, and taken back where it waits.
        stand_in.change(choices={"door": "coffee", "": "introduce"})
        expect(page.locator("#next-introduce")).to_have_attribute("aria-pressed", "true")
        page.locator("#next-introduce").click()
        assert stand_in.until_asked("moods.forget") == {}
        stand_in.say(shown(Signal.GOODBYE, Language.SV, reader="door"))
        stand_in.say(shown(Signal.ENROLLED, Language.SV, reader="back door"))
        expect(page.locator("#personal article")).to_have_attribute("data-signal", "enrolled")


def test_an_answer_to_nobody_at_a_reader_is_not_shown(page: Page, cafe: tuple[StandIn, str]) -> None:
    """Such as staff's own check-in of somebody whose card is at home."""
    cafe[0].say(shown(Signal.WELCOME, Language.SV, reader=None, name=NAMES[Language.SV]))
    cafe[0].change(events=[])
    expect(page.locator(".today")).to_have_count(0)
    expect(page.locator("#personal")).to_be_empty()
    expect(page.locator("#spoken")).to_be_empty()


def test_hostile_names_are_words(page: Page, cafe: tuple[StandIn, str]) -> None:
    hostile = "<img src=x onerror=document.title='pwned'><script>document.title='pwned'</script>"
    cafe[0].say(introduced(Language.SV, name=hostile, partner=hostile, reason=hostile, starter=hostile))
    expect(page.locator(".meet")).to_contain_text(hostile)
    assert page.title() == "Kafé Exempel"
    assert page.locator(".visitor img, .visitor script").count() == 0


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_a_mood_is_chosen_before_the_tap_and_taken_back(page: Page, cafe: tuple[StandIn, str], by: str) -> None:
    stand_in, _ = cafe
    press(page, "#next-coffee", by)
    assert stand_in.until_asked("moods.choose") == {"mood": "coffee", "ahead": True}
    stand_in.change(choices={"door": "coffee"})
    expect(page.locator("#next-coffee")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("heading", name="Bra! Håll nu fram kortet.")).to_be_visible()
    if by == "keyboard":
        expect(page.locator("#next-coffee")).to_be_focused()
    press(page, "#next-coffee", by)
    assert stand_in.until_asked("moods.forget") == {"reader": "door"}


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
def test_a_mood_is_chosen_after_the_tap(page: Page, cafe: tuple[StandIn, str], by: str) -> None:
    STATES["first-in-line"](cafe[0], page, Language.DA)
    press(page, "#now-group", by)
    assert cafe[0].until_asked("moods.choose") == {"mood": "group", "visit": VISIT, "reader": "door"}


def press(page: Page, wanted: str, by: str) -> None:
    if by == "mouse":
        page.locator(wanted).click()
        return
    for _ in range(20):
        if page.locator(wanted).evaluate("e => e === document.activeElement"):
            break
        page.keyboard.press("Tab")
    assert page.locator(wanted).evaluate("e => getComputedStyle(e).outlineStyle") == "solid", "the focus is not seen"
    page.keyboard.press("Enter" if wanted.startswith("#now") else "Space")


def test_a_mood_that_could_not_be_noted_is_said(page: Page, cafe: tuple[StandIn, str]) -> None:
    cafe[0].refuses.add("moods.choose")
    page.locator("#next-group").click()
    expect(page.locator(".note")).to_have_text("Det gick inte just nu. Säg till personalen.")


def test_another_site_can_not_choose(cafe: tuple[StandIn, str]) -> None:
    with pytest.raises(HTTPError, match="403"):
        urlopen(Request(f"{cafe[1]}/screen/mood", b"mood=coffee", {"Origin": "http://other.example"}))
    assert not any(each["do"].startswith("moods.") for each in cafe[0].asked)


def test_a_stranger_reads_in_their_language_and_it_goes_back_after_a_warning(
    browser: Browser, cafe: tuple[StandIn, str]
) -> None:
    with opened(browser, *cafe) as page:
        page.clock.install()
        page.get_by_role("link", name="English").click()
        expect(page.get_by_role("heading", name="Hold your card to the reader")).to_be_visible()
        assert page.locator("html").get_attribute("lang") == "en"
        page.clock.run_for((LANGUAGE_STAY_S + 1) * 1_000)
        expect(page.locator("#back")).to_contain_text("The language changes back in")
        assert violations(page) == []
        page.get_by_role("button", name="More time").click()
        page.clock.run_for(1_000)
        expect(page.locator("#back")).to_be_hidden()
        page.clock.run_for((LANGUAGE_STAY_S + STAY_S + 1) * 1_000)
        expect(page.get_by_role("heading", name="Håll ditt kort mot läsaren")).to_be_visible()


def test_the_screen_says_who_is_away_and_shows_the_truth_when_they_are_back(browser: Browser) -> None:
    with screen() as (stand_in, address), browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{address}/screen")
        expect(page.get_by_role("heading", name="Vänta ett ögonblick")).to_be_visible()
        for here in (3, 4):
            stand_in.scene["zones"][0]["here"] = here
            with stand_in.there():
                expect(page.locator(".zones li").first).to_contain_text(f"{here} av 10")
            expect(page.get_by_role("heading", name="Vänta ett ögonblick")).to_be_visible()
        page.route("**/screen/events*", lambda route: route.abort())
        page.reload()
        expect(page.locator("#lost")).to_have_text("Vänta ett ögonblick. Dröjer det? Säg till personalen.")
        page.unroute("**/screen/events*")
        expect(page.locator("#lost")).to_be_hidden()


def test_the_first_page_is_small(browser: Browser, cafe: tuple[StandIn, str]) -> None:
    responses: list[Response] = []

    def came(response: Response) -> None:
        responses.append(response)

    with browser.new_context() as context:
        page = context.new_page()
        page.on("response", came)
        page.goto(f"{cafe[1]}/screen")
        expect(page.locator(".zones")).to_be_visible()
        sizes = [len(each.body()) for each in responses if "events" not in each.url]
    assert len(sizes) >= 6
    assert sum(sizes) <= 100_000


def test_a_visitor_taps_and_reads_whom_to_meet_and_where_in_their_own_language(browser: Browser) -> None:
    """On a real terminal: everybody comes, and the screen says to each what their badge says."""
    met = set()
    with Cafe() as cafe, screen_of(cafe) as address, opened(browser, cafe, address) as page:
        zones = {zone.id: zone.name for zone in cafe.config.zones}
        for number, member in enumerate(cafe.members, 1):
            tap = cafe.tap(number)
            expect(page.locator(".visitor")).to_have_attribute("lang", member.language)
            if member.consents.name:
                expect(page.locator("h1:visible")).to_contain_text(member.called)
            else:
                assert member.called not in page.content()
            if tap.match is None or tap.zone is None:
                continue
            expect(page.locator(".meet b")).to_have_text(tap.match)
            expect(page.locator(".words")).to_contain_text(tap.reason)
            expect(page.locator(".goto h2")).to_contain_text(zones[ZoneId(tap.zone)])
            met.add(member.language)
            if met == set(Language):
                return
    raise AssertionError(f"nobody was introduced who speaks {set(Language) - met}")


@pytest.mark.parametrize("by", ["mouse", "keyboard"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_whoever_wants_just_coffee_is_sent_to_nobody(browser: Browser, when: str, by: str) -> None:
    with Cafe() as cafe, screen_of(cafe) as address, opened(browser, cafe, address) as page:
        number, member = willing(cafe)
        if when == "before":
            press(page, "#next-coffee", by)
            expect(page.locator("#next-coffee")).to_have_attribute("aria-pressed", "true")
            expect(page.locator("#news")).to_have_text("Bra! Håll nu fram kortet.")
            expect(page.locator("#personal")).to_be_empty()
            cafe.reader.tap(card_of(number))
            expect(page.locator(".visitor")).to_be_visible()
        else:
            cafe.reader.tap(card_of(number))
            press(page, "#now-coffee", by)
            expect(page.locator(".sentence")).to_have_text(load_texts().say(member.language, "answer.mood_coffee"))
        with ControlClient(cafe.config.control.socket) as client:
            assert [visit["mood"] for visit in client.call("visits.list")] == ["coffee"]


def willing(cafe: Cafe) -> tuple[int, Member]:
    """Return the first member, and their number, who agreed to a name and to introductions."""
    return next(
        (number, member)
        for number, member in enumerate(cafe.members, 1)
        if member.consents.name and member.consents.introductions
    )


def test_every_trouble_at_the_reader_is_said_in_words(browser: Browser) -> None:
    with Cafe() as cafe, screen_of(cafe) as address, opened(browser, cafe, address) as page:
        _, member = willing(cafe)
        told = page.locator("h1:visible")
        cafe.reader.tap(PresentedCard(uid=bytes.fromhex("04ffeeddccbbaa")))
        expect(told).to_have_text("Vi känner inte igen kortet. Personalen hjälper dig gärna.")
        cafe.reader.tap(PresentedCard(uid=bytes.fromhex("08112233"), kind=Kind.PHONE))
        expect(told).to_have_text("Håll fram kortet, inte telefonen.")
        cafe.reader.tear()
        expect(told).to_have_text("En gång till, tack. Håll kvar kortet lite längre.")
        with ControlClient(cafe.config.control.socket) as client:
            client.call("cards.block", of=member.id)
        cafe.reader.tap(card_of(cafe.members.index(member) + 1))
        expect(told).to_have_text("Kortet går inte att använda här. Personalen hjälper dig gärna.")
        cafe.reader.unplug()
        page.locator("#done").click()
        expect(told).to_have_text("Kortläsaren är inte igång")
        cafe.reader.plug()
        expect(told).to_have_text("Håll ditt kort mot läsaren")


def test_without_paper_a_visitor_is_checked_in_and_told_that_the_badge_follows(browser: Browser) -> None:
    with Cafe() as cafe, screen_of(cafe) as address, opened(browser, cafe, address) as page:
        cafe.printer.paper_out()
        number, member = willing(cafe)
        expect(page.locator(".notice")).to_contain_text("namnlappen kommer senare")
        cafe.reader.tap(card_of(number))
        # The welcome says it too, for as long as the match takes: it may be gone before anybody looks.
        expect(page.locator("[data-signal=not_yet] .notice")).to_have_text(
            Renderer().texts.say(member.language, "screen.badge_later")
        )
        cafe.printer.paper_in()
        page.locator("#done").click()
        expect(page.locator(".notice")).to_have_count(0)


def test_the_terminal_goes_and_comes_back_and_the_screen_shows_what_is_true_then(browser: Browser, tmp_path: Path) -> None:
    socket = tmp_path / "control.sock"
    with Cafe() as cafe:
        socket.symlink_to(cafe.config.control.socket)
        with screen_of(cafe, socket) as address, opened(browser, cafe, address) as page:
            zone = cafe.tap(willing(cafe)[0]).zone
            assert zone is not None
            page.locator("#done").click()
            place = next(place for place, each in enumerate(cafe.config.zones) if each.id == zone)
            taken = page.locator(".zones li").nth(place)
            expect(taken).to_contain_text("1 av")
            socket.unlink()
            cafe.__exit__(None, None, None)
            expect(page.locator("h1:visible")).to_have_text("Vänta ett ögonblick")
            with Cafe() as another:
                socket.symlink_to(another.config.control.socket)
                expect(taken).to_contain_text("0 av")
                another.reader.tap(card_of(willing(another)[0]))
                expect(page.locator(".visitor")).to_be_visible()


def test_a_cafe_of_six_zones_with_long_names_fits_on_a_small_screen(page: Page, cafe: tuple[StandIn, str]) -> None:
    zone = cafe[0].scene["zones"][0]
    zones = [{**zone, "id": each.value, "name": f"Skrivhörnan vid {each}", "symbol": each.value} for each in Symbol]
    cafe[0].change(zones=zones)
    expect(page.locator(".zones li")).to_have_count(len(zones))
    size = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert (size[0], size[1]) == SIZES[0]
    assert page.evaluate(OVER) == []
