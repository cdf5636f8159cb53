"""The virtual café in a real browser: people tap by every hand, things break, and it gets over that."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from drivers.virtual.paper import Slip
from firmware_py.desk.virtual import pages
from firmware_py.virtual_cafe import VirtualCafe
from kiosk.signals import Signal
from kiosk.values import Language
from tests.rigs.browser import PATIENCE_S, chromium, served, violations

SIZES = ((1280, 800), (1600, 1000))
NOT_KNOWN = "--:--"


class Room:
    """A café, its page, and hands."""

    def __init__(self, cafe: VirtualCafe, page: Page, address: str) -> None:
        self.cafe = cafe
        self.page = page
        self.address = address

    @property
    def screen(self) -> Locator:
        """What the visitor sees."""
        return self.page.frame_locator("iframe").locator("main")

    @property
    def here(self) -> Locator:
        """The cards of those who are checked in."""
        return self.page.locator(".member.here .who")

    def card(self, number: int) -> Locator:
        return self.page.locator(f'[data-card="{number}"]')

    def name(self, number: int) -> str:
        return self.cafe.members[number - 1].called

    def do(self, deed: str) -> None:
        """Press a button of the panel."""
        self.page.locator(f'.deed[data-do="{deed}"]').click()

    def tap(self, number: int, signal: Signal = Signal.WELCOME) -> None:
        """Let somebody tap, and wait for the door's answer."""
        before = self.cafe.lights.signals.count(signal)
        self.card(number).click()
        self.cafe.lights.until(lambda hand: hand.signals.count(signal) > before, PATIENCE_S)

    def stored(self, kind: str) -> Locator:
        """What the page shows of the ledger's events of a kind."""
        return self.page.locator(f'#events li[data-kind="{kind}"]')

    def until_taken(self, count: int) -> None:
        expect(self.page.locator("#taken li")).to_have_count(count)


@contextmanager
def opened(
    browser: Browser, language: Language = Language.SV, size: tuple[int, int] = SIZES[0], profile: str = "generic-80"
) -> Iterator[Room]:
    """Open a café and its page, which hears what happens."""
    with VirtualCafe(language=language, profile=profile) as cafe, served(pages(cafe)) as address:
        with browser.new_context(viewport={"width": size[0], "height": size[1]}, locale=language.value) as context:
            page = context.new_page()
            wrong: list[str] = []
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("console", lambda message: wrong.append(message.text) if _is_error(message) else None)
            page.goto(address)
            expect(page.locator("body[data-ready]")).to_be_attached()
            room = Room(cafe, page, address)
            yield room
            page.close()
        assert wrong == []


def _is_error(message: ConsoleMessage) -> bool:
    # htmx writes down each stream that ends, as the screen's does when its machine starts anew.
    return message.type == "error" and "/htmx" not in message.location["url"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def room(browser: Browser) -> Iterator[Room]:
    with opened(browser) as room:
        yield room


# How it looks: what `make screenshots` walks


def _open(_: Room) -> None:
    return


def _introduced(room: Room) -> None:
    for number in (1, 2, 3, 4):
        room.tap(number)
        room.until_taken(number)


def _printing(room: Room) -> None:
    room.tap(5)
    expect(room.page.locator('.piece[data-number="4"]:not([data-rows="0"])')).to_be_attached()


def _half(room: Room) -> None:
    room.until_taken(4)
    expect(room.stored("JobPrinted")).to_have_count(5)
    room.do("paper_out_soon")
    room.tap(6)
    expect(room.stored("JobBroken")).to_have_count(1)


def _copied(room: Room) -> None:
    room.do("paper_out")
    expect(room.stored("JobPrinted")).to_have_count(6)
    expect(room.page.locator("#taken .scrap")).to_have_count(1)


def _unplugged(room: Room) -> None:
    room.do("unplug")
    expect(room.screen.locator(".still")).to_be_visible()


def _full(room: Room) -> None:
    room.do("unplug")
    room.cafe.reader.until_waited_for(PATIENCE_S)
    room.do("fill")
    room.tap(7, Signal.TELL_STAFF)
    expect(room.screen.locator("[data-signal=tell_staff]")).to_be_visible()


def _dark(room: Room) -> None:
    room.do("fill")
    expect(room.page.locator('[data-do="fill"]')).to_have_attribute("aria-pressed", "false")
    room.do("power_cut")
    expect(room.page.locator("body.dark")).to_be_attached()


def _back(room: Room) -> None:
    room.do("power_cut")
    expect(room.here.first).to_be_visible()
    expect(room.page.locator("#clock")).to_have_text(NOT_KNOWN)


def _morning(room: Room) -> None:
    room.do("morning")
    expect(room.page.locator("body")).to_have_attribute("data-boot", "3")
    room.do("sync")
    expect(room.page.locator("#clock")).to_have_text(re.compile("^08:0"))
    expect(room.here).to_have_count(0)


STATES: dict[str, Callable[[Room], None]] = {
    "open": _open,
    "introduced": _introduced,
    "printing": _printing,
    "paper-out": _half,
    "copy": _copied,
    "unplugged": _unplugged,
    "full-disk": _full,
    "power-cut": _dark,
    "recovered": _back,
    "next-morning": _morning,
}
"""How the café comes into each of its states; each goes on from the one before."""


@contextmanager
def states(browser: Browser, language: Language, size: tuple[int, int]) -> Iterator[Iterator[tuple[str, Page]]]:
    """Let a café go through all that can befall it; yield each state's name, and the page in it."""
    with opened(browser, language, size) as room:
        yield _walk(room)


def _walk(room: Room) -> Iterator[tuple[str, Page]]:
    for name, story in STATES.items():
        story(room)
        yield name, room.page


@pytest.mark.timeout(300)
def test_in_every_state_nothing_is_in_anybodys_way(browser: Browser) -> None:
    wrong = []
    others = itertools.cycle([language for language in Language if language is not Language.SV])
    with states(browser, Language.SV, SIZES[0]) as all_states:
        # A state is the same for all who look: each in the café's own language, and in the others by turns.
        for (name, page), other in zip(all_states, others, strict=False):
            for language in (Language.SV, other):
                with page.context.new_page() if language is not Language.SV else nullcontext(page) as seen:
                    if seen is not page:
                        seen.goto(f"{page.url.partition('?')[0]}?language={language}")
                        expect(seen.locator("body[data-ready]")).to_be_attached()
                    assert seen.locator("html").get_attribute("lang") == language.value
                    wrong += [f"{name}, {language}: {violation}" for violation in violations(seen)]
                    width = seen.evaluate("document.documentElement.scrollWidth")
                    wrong += [f"{name}, {language}: {width} wide"] if width > SIZES[0][0] else []
    assert wrong == []


# People tap


def _click(room: Room, number: int) -> None:
    room.card(number).click()


def _drag(room: Room, number: int) -> None:
    card, pad = room.card(number).bounding_box(), room.page.locator("#reader").bounding_box()
    assert card is not None
    assert pad is not None
    mouse = room.page.mouse
    mouse.move(card["x"] + 30, card["y"] + 10)
    mouse.down()
    mouse.move(card["x"] + 120, card["y"] + 30)
    mouse.move(pad["x"] + 40, pad["y"] + 60)
    expect(room.page.locator("#reader.near")).to_be_attached()
    mouse.up()


def _keys(room: Room, number: int) -> None:
    _tab_to(room, room.card(1))
    for _ in range(number - 1):
        room.page.keyboard.press("ArrowDown")
    expect(room.card(number)).to_be_focused()
    room.page.keyboard.press("Enter")


def _tab_to(room: Room, wanted: Locator) -> None:
    for _ in range(60):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        room.page.keyboard.press("Tab")
    raise AssertionError(f"the Tab key does not lead to {wanted}")


@pytest.mark.parametrize("hold", [_click, _drag, _keys], ids=["click", "drag", "keyboard"])
def test_a_card_is_held_to_the_reader(room: Room, hold: Callable[[Room, int], None]) -> None:
    hold(room, 3)
    expect(room.here).to_have_text([room.name(3)])
    expect(room.screen).to_contain_text(room.name(3))
    expect(room.stored("CardTapped")).to_have_count(1)
    expect(room.page.locator("#said")).to_contain_text(room.name(3))
    room.until_taken(1)
    assert room.cafe.lights.signals[0] is Signal.WELCOME


def test_a_card_that_is_dropped_beside_the_reader_is_not_read(room: Room) -> None:
    card = room.card(2).bounding_box()
    assert card is not None
    room.page.mouse.move(card["x"] + 30, card["y"] + 10)
    room.page.mouse.down()
    room.page.mouse.move(700, 700)
    room.page.mouse.up()
    room.tap(1)
    expect(room.here).to_have_text([room.name(1)])
    assert room.cafe.lights.signals.count(Signal.WELCOME) == 1


def test_a_whole_evening_by_keyboard_alone(room: Room) -> None:
    _keys(room, 2)
    expect(room.here).to_have_count(1)
    power = room.page.locator('[data-do="power_cut"]')
    _tab_to(room, power)
    room.page.keyboard.press("Space")
    expect(power).to_have_attribute("aria-pressed", "true")
    expect(power).to_be_focused()
    room.page.keyboard.press("Space")
    expect(room.here).to_have_text([room.name(2)])
    _tab_to(room, room.page.locator("#taken .slip, #taken button").first)
    room.page.keyboard.press("Enter")
    expect(room.page.locator("#whole")).to_be_visible()
    room.page.keyboard.press("Escape")
    expect(room.page.locator("#whole")).to_be_hidden()


def test_the_zone_is_lit_and_the_light_at_the_reader_has_the_colour_of_the_answer(room: Room) -> None:
    room.page.evaluate(
        """() => { const reader = document.getElementById("reader"); reader.dataset.lights = "";
        const note = () => {
            const light = reader.dataset.light;
            if (!reader.dataset.lights.includes(light)) reader.dataset.lights += light + " ";
        };
        new MutationObserver(note).observe(reader, {attributes: true, attributeFilter: ["data-light"]}); }"""
    )
    room.tap(1)
    # "Not yet": nobody else is here.
    expect(room.page.locator("#reader")).to_have_attribute("data-lights", re.compile("white"))
    zone = room.page.locator(".plan .zone.lit")
    expect(zone).to_have_count(1)
    lit = zone.get_attribute("data-zone")
    expect(room.page.locator(f'#tables [data-zone="{lit}"] .people')).to_have_text(room.name(1))
    assert room.cafe.lights.zones[0][0] == lit


def test_a_phone_an_unknown_card_and_one_that_was_gone_too_soon_are_told_what_to_do(room: Room) -> None:
    for press, signal in (("phone", "use_card"), ("tear", "once_more"), ("unknown", "unknown_card")):
        room.page.locator(f'[data-do="{press}"]').click()
        expect(room.screen.locator(f"[data-signal={signal}]")).to_be_visible()
    expect(room.here).to_have_count(0)


def test_of_two_cards_in_quick_succession_both_count(room: Room) -> None:
    room.do("swap")
    expect(room.here).to_have_text([room.name(1), room.name(2)])


# The paper


@pytest.mark.parametrize("profile", ["generic-80", "generic-58"])
def test_the_paper_is_drawn_as_it_is_printed_dot_by_dot(browser: Browser, profile: str) -> None:
    with opened(browser, profile=profile) as room:
        room.page.evaluate(
            """() => { window.rows = []; new MutationObserver((changes) => {
              const piece = document.querySelector(".piece");
              if (piece?.dataset.rows) window.rows.push(Number(piece.dataset.rows));
            }).observe(document.getElementById("paper"), {attributes: true, childList: true, subtree: true}); }"""
        )
        room.tap(1)
        room.until_taken(1)
        (slip,) = room.cafe.printer.papers
        assert _seen(room.page) == _dots(slip)
        rows = sorted(set(room.page.evaluate("window.rows")))
        assert len(rows) > 5, "it came out all at once"
        assert rows[-1] == slip.height
        # What is taken is the same piece of paper.
        with urlopen(f"{room.address}/virtual/paper/0.png") as png:
            assert png.read() == slip.png()


def _seen(page: Page) -> str:
    """Return the dots on the page, a row after the other: 1 is white."""
    seen: str = page.evaluate(
        """() => {
          const piece = document.querySelector(".piece"), dots = piece.querySelector(".dots");
          const data = dots.getContext("2d").getImageData(0, 0, dots.width, Number(piece.dataset.rows)).data;
          let all = "";
          for (let at = 0; at < data.length; at += 4) all += data[at] > 127 ? "1" : "0";
          return all;
        }"""
    )
    return seen


def _dots(slip: Slip) -> str:
    return "".join(f"{byte:08b}" for byte in slip.dots)


def test_paper_that_ends_in_the_middle_of_a_badge_leads_to_one_whole_badge_marked_as_a_copy(room: Room) -> None:
    room.do("paper_out_soon")
    room.tap(1)
    expect(room.stored("JobBroken")).to_have_count(1)
    assert len(room.cafe.printer.papers) == 0
    room.do("paper_out")
    expect(room.stored("JobPrinted")).to_have_count(1)
    room.until_taken(2)
    expect(room.page.locator("#taken .scrap")).to_have_count(1)
    (whole,), (half,) = room.cafe.printer.papers, room.cafe.printer.scraps
    assert half.height < whole.height
    copy = room.cafe.wiring.texts.say(Language.SV, "badge.copy")
    assert any(copy in line for line in whole.texts)
    assert not any(copy in line for line in half.texts)


def test_a_printer_that_says_nothing_leaves_a_badge_of_which_staff_is_asked(room: Room) -> None:
    room.do("cover_open")
    room.tap(1, Signal.WELCOME)
    room.do("cover_open")
    room.until_taken(1)
    room.do("mute")
    expect(room.page.locator('[data-do="mute"]')).to_have_attribute("aria-pressed", "true")
    room.tap(2, Signal.WELCOME)
    expect(room.here).to_have_count(2)
    room.do("mute")
    expect(room.stored("JobPrinted").or_(room.stored("JobBroken")).nth(1)).to_be_attached()


# The house


def test_a_power_cut_loses_nobody_who_was_welcomed(room: Room) -> None:
    for number in (1, 2):
        room.tap(number)
        room.until_taken(number)
    # The third is welcomed, and their badge is on its way when it gets dark.
    room.tap(3)
    room.do("power_cut")
    expect(room.page.locator("body.dark")).to_be_attached()
    expect(room.here).to_have_count(0)
    room.card(4).click()  # goes nowhere: the reader has no power
    assert room.cafe.lights.signals.count(Signal.WELCOME) == 3
    room.do("power_cut")
    expect(room.here).to_have_text([room.name(number) for number in (1, 2, 3)])
    expect(room.page.locator("#clock")).to_have_text(NOT_KNOWN)
    expect(room.stored("CardTapped")).to_have_count(3)
    expect(room.stored("Started")).to_have_count(1)
    expect(room.screen.get_by_role("heading", name="Håll ditt kort mot läsaren")).to_be_visible()
    room.tap(4)
    expect(room.here).to_have_count(4)
    room.do("sync")
    expect(room.page.locator("#clock")).not_to_have_text(NOT_KNOWN)


def test_with_a_full_disk_the_door_is_closed_and_opens_again(room: Room) -> None:
    room.do("fill")
    expect(room.page.locator('[data-do="fill"]')).to_have_attribute("aria-pressed", "true")
    room.tap(1, Signal.TELL_STAFF)
    expect(room.screen.locator("[data-signal=tell_staff]")).to_be_visible()
    expect(room.here).to_have_count(0)
    assert Signal.WELCOME not in room.cafe.lights.signals
    expect(room.stored("CardTapped")).to_have_count(0)
    room.do("fill")
    expect(room.page.locator('[data-do="fill"]')).to_have_attribute("aria-pressed", "false")
    room.tap(1)
    expect(room.here).to_have_text([room.name(1)])
    expect(room.stored("CardTapped")).to_have_count(1)


def test_what_flies_to_the_reader_is_a_picture_of_the_card_and_no_second_card(room: Room) -> None:
    seen = room.card(1).evaluate(
        """card => {
          card.click();
          return [".ghost", "[data-card='1']"].map((each) => document.querySelectorAll(each).length);
        }"""
    )
    assert seen == [1, 1]


def test_the_next_morning_nobody_is_checked_out_by_their_first_tap(room: Room) -> None:
    for number in (1, 2):
        room.tap(number)
        room.until_taken(number)
    room.do("morning")
    expect(room.page.locator("#clock")).to_have_text(NOT_KNOWN)
    room.cafe.reader.until_waited_for(PATIENCE_S)
    room.tap(1)
    assert Signal.GOODBYE not in room.cafe.lights.signals
    room.do("sync")
    expect(room.page.locator("#clock")).to_have_text(re.compile("^08:0"))
    expect(room.here).to_have_text([room.name(1)])


def test_a_reader_without_its_cable_is_said_and_comes_back(room: Room) -> None:
    room.do("unplug")
    expect(room.screen.locator(".still")).to_be_visible()
    expect(room.page.locator("#signal")).to_have_text("utan sladd")
    room.do("unplug")
    expect(room.screen.locator(".still")).to_have_count(0)
    room.tap(1)
    expect(room.here).to_have_count(1)


def test_a_slow_service_makes_nobody_wait_at_the_door(room: Room) -> None:
    room.do("slow")
    expect(room.page.locator('[data-do="slow"]')).to_have_attribute("aria-pressed", "true")
    room.tap(1)
    room.tap(2)
    room.until_taken(2)
    assert room.cafe.troubles == {"slow"}


def test_the_clock_jumps(room: Room) -> None:
    clock = room.page.locator("#clock")
    hour = int(clock.inner_text()[:2])
    room.do("hour")
    expect(clock).to_have_text(re.compile(f"^(?!{hour:02})"))


# What comes from elsewhere


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"do": "power_cut"}', "text/plain", 415),
        (b'{"do": "set on fire"}', "application/json", 400),
        (b'{"do": "tap", "card": 41}', "application/json", 400),
        (b"nonsense", "application/json", 400),
    ],
)
def test_what_no_hand_of_the_page_does_is_refused(room: Room, body: bytes, kind: str, status: int) -> None:
    with pytest.raises(HTTPError, match=str(status)):
        urlopen(Request(f"{room.address}/virtual/do", body, {"content-type": kind}))
    assert room.cafe.has_power


def test_another_site_can_not_do_anything(room: Room) -> None:
    headers = {"content-type": "application/json", "sec-fetch-site": "cross-site"}
    with pytest.raises(HTTPError, match="403"):
        urlopen(Request(f"{room.address}/virtual/do", b'{"do": "power_cut"}', headers))


def test_the_desk_takes_the_manager_whose_pin_is_on_the_page(room: Room) -> None:
    words = room.page.locator(".manager span").inner_text()
    name, pin = re.findall(r"^(\w+), PIN (\d+)", words)[0]
    page = room.page.context.new_page()
    page.goto(f"{room.address}/desk")
    page.locator("[name=name]").fill(name)
    page.locator("[name=pin]").fill(pin)
    page.locator("form[action$=log-in] button").click()
    expect(page).to_have_url(f"{room.address}/desk")


def test_a_page_that_is_opened_anew_shows_the_same(room: Room) -> None:
    room.tap(1)
    room.until_taken(1)
    room.do("unplug")
    expect(room.page.locator('[data-do="unplug"]')).to_have_attribute("aria-pressed", "true")
    room.page.reload()
    expect(room.here).to_have_text([room.name(1)])
    room.until_taken(1)
    expect(room.stored("CardTapped")).to_have_count(1)
    expect(room.page.locator('[data-do="unplug"]')).to_have_attribute("aria-pressed", "true")
