"""The log-in in a real browser over TLS, in each language and by keyboard alone; and names that would rather be programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import msgspec
import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser, Page, expect
from starlette.routing import Route

from firmware_py.desk import staff
from firmware_py.desk.access import FREE_TRIES
from firmware_py.terminal.control import ControlClient
from kiosk.values import Consents, Language
from tests.pages.desks import MANAGER as MAX
from tests.pages.desks import desk
from tests.rigs.browser import PATIENCE_S, chromium, violations
from tests.rigs.pages import NAME, PIN, PagesProcess

SIZES = ((390, 844), (1280, 900))
HOSTILE = (
    "<script>hit()</script>",
    "<img src=x onerror=hit()>",
    '"><svg/onload=hit()>',
    "' autofocus onfocus=hit() x='",
    "{{ 7 * 191 }}",
    "javascript:hit()",
    "</textarea></title></style><b data-hit>",
)
"""Names that some page somewhere would have run."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@contextmanager
def opened(browser: Browser, size: tuple[int, int], language: Language) -> Iterator[tuple[PagesProcess, Page]]:
    """Open the log-in on the real pages, in a browser that speaks that language."""
    width, height = size
    with (
        TemporaryDirectory(prefix="fikatap-pages-") as name,
        PagesProcess(Path(name)) as pages,
        browser.new_context(
            ignore_https_errors=True, locale=language.value, viewport={"width": width, "height": height}
        ) as context,
    ):
        context.set_default_timeout(PATIENCE_S * 1_000)
        page = context.new_page()
        page.goto(f"{pages.desk}/desk")
        yield pages, page


def enter(page: Page, pin: str, name: str = NAME) -> None:
    """Log in with the keyboard alone, from the top of the page."""
    page.locator("[name=name]").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(pin)
    with page.expect_navigation():
        page.keyboard.press("Enter")


@contextmanager
def states(browser: Browser, language: Language, size: tuple[int, int]) -> Iterator[Iterator[tuple[str, Page]]]:
    """Bring the log-in, and the pages that tell what went wrong, into one state after the other."""
    with opened(browser, size, language) as (pages, page):
        yield _walk(pages, page)


def _walk(pages: PagesProcess, page: Page) -> Iterator[tuple[str, Page]]:
    yield "log-in", page
    enter(page, "000111")
    expect(page.get_by_role("alert")).to_be_visible()
    yield "log-in-wrong", page
    page.goto(f"{pages.desk}/desk/nowhere")
    yield "missing", page
    page.goto(f"{pages.desk}/desk/log-in?out")
    expect(page.get_by_role("status")).to_be_visible()
    yield "log-in-out", page
    for number in range(FREE_TRIES):
        enter(page, f"00022{number}")
    enter(page, PIN)
    expect(page.get_by_role("alert")).to_be_visible()
    yield "log-in-locked", page


@pytest.mark.parametrize("language", Language)
def test_nothing_keeps_anybody_from_the_log_in_in_any_state(browser: Browser, language: Language) -> None:
    with states(browser, language, SIZES[0]) as all_states:
        seen = []
        for name, page in all_states:
            assert violations(page) == [], name
            assert page.locator("html").get_attribute("lang") == language.value
            seen.append(name)
    assert len(seen) == len(set(seen)) == 5


def test_somebody_gets_in_with_the_keyboard_and_without_script_and_out_again(browser: Browser) -> None:
    with (
        TemporaryDirectory(prefix="fikatap-pages-") as name,
        PagesProcess(Path(name)) as pages,
        browser.new_context(ignore_https_errors=True, java_script_enabled=False) as context,
    ):
        context.set_default_timeout(PATIENCE_S * 1_000)
        page = context.new_page()
        page.goto(f"{pages.desk}/desk/badges")
        enter(page, PIN)
        expect(page).to_have_url(f"{pages.desk}/desk/badges")
        (cookie,) = (each for each in context.cookies() if "fikatap" in each["name"] and "language" not in each["name"])
        found = [str(cookie.get(key)) for key in ("name", "secure", "httpOnly", "sameSite", "expires")]
        assert found == ["__Host-fikatap", "True", "True", "Strict", "-1"]
        page.locator("form[action='/desk/log-out'] button").click()
        expect(page.get_by_role("status")).to_be_visible()
        page.goto(f"{pages.desk}/desk")
        expect(page.locator("[name=pin]")).to_be_visible()


@pytest.mark.timeout(300)
def test_a_name_is_only_ever_a_name(browser: Browser) -> None:
    read = sorted({route.path for route in staff.routes() if isinstance(route, Route) and "GET" in (route.methods or ())})
    with desk(Language.EN) as cafe:
        people = [
            replace(member, first_name=name, short_name="", consents=Consents(name=True, introductions=True))
            for member, name in zip(cafe.cafe.members, HOSTILE, strict=False)
        ]
        with ControlClient(cafe.cafe.config.control.socket) as client:
            client.call("members.put", members=[msgspec.to_builtins(member) for member in people])
            for member in people:
                client.call("visits.checkin", member=member.id)
        shown, troubles = "", []
        with browser.new_context() as context:
            context.set_default_timeout(PATIENCE_S * 1_000)
            page = context.new_page()
            page.on("dialog", lambda dialog: troubles.append(dialog.message))
            page.on("console", lambda message: troubles.append(message.text) if "Content Security" in message.text else None)
            page.on("pageerror", lambda error: troubles.append(str(error)))
            page.add_init_script("window.hit = () => { window.wasHit = true }")
            cafe.log_in(page, MAX)
            for path in read:
                if path == "/desk/live":
                    continue
                for query in ("", *(f"?member={member.id}&text={quote(member.first_name)}" for member in people)):
                    page.goto(f"{cafe.address}{path}{query}")
                    assert page.evaluate("window.wasHit") is None, (path, query)
                    assert page.locator("[data-hit], img[src='x'], svg[onload], [onfocus]").count() == 0, (path, query)
                    shown += page.locator("body").inner_text()
        assert troubles == []
        assert "1337" not in shown
        for name in HOSTILE:
            assert name in shown
