"""The desk in a real browser, on a real terminal with simulated hardware: what a barista does with one hand, step by step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Error, Locator, Page, expect

from drivers.ports import PresentedCard
from firmware_py.demo import Cafe, card_of
from firmware_py.desk.certificate import kept
from firmware_py.desk.guard import own_names
from firmware_py.vocabulary import load_vocabulary
from kiosk.effects import SetJob
from kiosk.jobs import JobState
from kiosk.values import Language
from tests.pages.desks import BARISTA, MANAGER, PIN, Desk, desk, pages
from tests.rigs.browser import PATIENCE_S, chromium, violations

SIZES = ((390, 844), (1280, 900))
FRESH = PresentedCard(uid=bytes.fromhex("04a1b2c3d4e5f6"))
OTHER = PresentedCard(uid=bytes.fromhex("04f6e5d4c3b2a1"))
HERE, ABSENT = "m0001", "m0030"
EVIL = '"><img src=x onerror=alert(1)><script>document.title="taken"</script>'

PAGES = {
    "now": "",
    "members": "/members?text=a",
    "member": f"/member?id={HERE}",
    "member-absent": f"/member?id={ABSENT}",
    "nobody": "/member?id=nobody",
    "introductions": "/introductions",
    "who-fits": f"/introductions/for?id={HERE}",
    "badges": "/badges",
    "devices": "/devices",
    "import": "/import",
    "evening": "/evening",
    "people": "/people",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with fresh(browser, SIZES[0], Language.EN) as found:
        yield found


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@contextmanager
def fresh(browser: Browser, size: tuple[int, int], language: Language) -> Iterator[BrowserContext]:
    """Open a browser's context for somebody who speaks a language."""
    with browser.new_context(viewport={"width": size[0], "height": size[1]}, locale=language.value) as context:
        context.set_default_timeout(PATIENCE_S * 1_000)
        yield context


def button(page: Page | Locator, name: str) -> Locator:
    return page.get_by_role("button", name=name)


def said(page: Page, sentence: str) -> None:
    """See what the desk says of the last deed."""
    expect(page.locator("main > .said")).to_contain_text(sentence)


# What `make screenshots` looks at


@contextmanager
def states(browser: Browser, language: Language, size: tuple[int, int]) -> Iterator[Iterator[tuple[str, Page]]]:
    """Let a desk go through its pages and states; yield each state's name, and the page in it."""
    with desk(language) as open_desk, fresh(browser, size, language) as context:
        yield _walk(open_desk, context.new_page())


def _walk(desk: Desk, page: Page) -> Iterator[tuple[str, Page]]:
    desk.log_in(page, MANAGER)
    yield "now-empty", page
    for number in range(1, 8):
        desk.cafe.tap(number)
    desk.cafe.reader.tap(FRESH)
    expect(page.locator(".rows li")).to_have_count(7)
    for name, path in PAGES.items():
        desk.open(page, path)
        yield name, page
    desk.cafe.printer.paper_out()
    desk.open(page)
    expect(page.locator(".card.bad")).to_be_visible()
    yield "paper-out", page
    desk.cafe.printer.paper_in()
    expect(page.locator(".card.bad")).to_be_hidden()
    unknown_badge(desk, 8)
    expect(page.locator("[id^=no-]")).to_be_visible()
    yield "unknown-badge", page
    desk.open(page, "/badges")
    yield "badges-unknown", page
    desk.cafe.reader.unplug()
    desk.open(page, "/devices")
    expect(page.locator(".card.bad").first).to_be_visible()
    yield "no-reader", page
    desk.cafe.reader.plug()
    desk.open(page, f"/member?id={ABSENT}")
    page.locator("form[action$=enrol] button").first.click()
    expect(page.locator("#card")).to_be_visible()
    yield "waits-for-card", page
    page.locator("form[action$=cancel] button").click()
    desk.open(page, "/import")
    page.locator("#file").set_input_files(
        {"name": "members.csv", "mimeType": "text/csv", "buffer": b"id,first_name,language\nx1,Frida,sv\nx2,,xx\n"}
    )
    page.locator("form[action$=import] button").click()
    expect(page.locator(".figures")).to_be_visible()
    yield "import-report", page
    desk.stop()
    expect(page.locator(".line .bad")).to_be_visible()
    desk.open(page)
    yield "away", page


def unknown_badge(desk: Desk, number: int) -> None:
    """Let a member tap whose badge nobody knows the end of: the printer's power goes in the middle of it."""
    desk.cafe.printer.power_cut_after(200)
    desk.cafe.reader.tap(card_of(number))
    assert desk.cafe.ear.until(
        lambda heard: any(isinstance(what, SetJob) and what.state is JobState.UNKNOWN for what in heard), PATIENCE_S
    )
    desk.cafe.printer.power_on()


@pytest.mark.parametrize("language", Language)
def test_every_page_and_state_is_usable_by_everyone(browser: Browser, language: Language) -> None:
    size = SIZES[list(Language).index(language) % 2]
    with states(browser, language, size) as walk:
        for name, page in walk:
            assert violations(page) == [], name
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0], f"{name} is wider than its window"
            assert page.evaluate("document.documentElement.lang") == language.value
            assert "desk." not in page.locator("main").inner_text(), f"{name} shows a key"


# Stories


@pytest.fixture
def open_desk() -> Iterator[Desk]:
    with desk() as found:
        yield found


def by_keyboard(page: Page, target: Locator) -> None:
    """Press Tab until that is focused, as somebody without a pointer does."""
    for _ in range(80):
        if target.evaluate("each => each === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError("Tab does not lead there")


def is_blocked(desk: Desk, member: str) -> list[bool]:
    """Return of each card of a member whether it is blocked, the newest first."""
    return [card["blocked"] for card in desk.ask("cards.list", member=member)]


def upload(page: Page, name: str, data: bytes) -> None:
    page.locator("#file").set_input_files({"name": name, "mimeType": "text/csv", "buffer": data})
    button(page, "Look through").click()


def test_a_barista_enrols_the_card_that_is_tapped_next_by_keyboard_alone(open_desk: Desk, page: Page) -> None:
    page.goto(f"{open_desk.address}/desk/log-in")
    page.keyboard.type(BARISTA)
    page.keyboard.press("Tab")
    page.keyboard.type(PIN)
    page.keyboard.press("Enter")
    by_keyboard(page, page.get_by_role("link", name="Members"))
    page.keyboard.press("Enter")
    by_keyboard(page, page.get_by_label("Name or member number"))
    page.keyboard.type(ABSENT)
    expect(page.locator("#found li")).to_have_count(1)
    by_keyboard(page, page.locator("#found a"))
    page.keyboard.press("Enter")
    by_keyboard(page, button(page, "Give a card"))
    page.keyboard.press("Enter")
    expect(page.locator("#card")).to_contain_text("hold the card")
    open_desk.cafe.reader.tap(FRESH)
    said(page, "Done! The card now belongs to")
    assert is_blocked(open_desk, ABSENT) == [False, False]


def test_whoever_waits_for_a_card_can_think_again(open_desk: Desk, page: Page) -> None:
    open_desk.log_in(page)
    open_desk.open(page, f"/member?id={ABSENT}")
    button(page, "Give a card").click()
    button(page, "Cancel").click()
    said(page, "Cancelled")
    open_desk.cafe.reader.tap(FRESH)
    open_desk.open(page)
    expect(page.locator(".card")).to_contain_text("A card that nobody knows")
    assert is_blocked(open_desk, ABSENT) == [False]


def test_who_cancels_after_the_card_came_is_told_of_the_card(open_desk: Desk, page: Page) -> None:
    open_desk.log_in(page)
    page.route("**/member/card**", lambda route: route.abort())
    open_desk.open(page, f"/member?id={ABSENT}")
    button(page, "Give a card").click()
    expect(button(page, "Cancel")).to_be_visible()
    open_desk.cafe.reader.tap(FRESH)
    open_desk.cafe.reader.until_waited_for(PATIENCE_S)
    button(page, "Cancel").click()
    said(page, "Done! The card now belongs to")


def test_a_card_of_somebody_else_is_refused_in_words(open_desk: Desk, page: Page) -> None:
    open_desk.log_in(page)
    open_desk.open(page, f"/member?id={ABSENT}")
    button(page, "Give a card").click()
    expect(page.locator("#card")).to_be_visible()
    open_desk.cafe.reader.tap(card_of(1))
    said(page, "That card belongs to somebody else")


def test_two_who_wait_for_a_card_are_told_apart(open_desk: Desk, browser: Browser, page: Page) -> None:
    open_desk.log_in(page)
    open_desk.open(page, f"/member?id={ABSENT}")
    button(page, "Give a card").click()
    expect(page.locator("#card")).to_be_visible()
    with fresh(browser, SIZES[1], Language.EN) as context:
        other = context.new_page()
        open_desk.log_in(other, MANAGER)
        open_desk.open(other, "/member?id=m0029")
        button(other, "Give a card").click()
        said(page, "Somebody else began to give a card")
        open_desk.cafe.reader.tap(FRESH)
        said(other, "Done! The card now belongs to")
    assert is_blocked(open_desk, ABSENT) == [False]


def test_a_lost_card_is_blocked_and_another_one_given(open_desk: Desk, page: Page) -> None:
    open_desk.log_in(page)
    open_desk.open(page, f"/member?id={ABSENT}")
    button(page, "Replace a lost card").click()
    expect(page.locator("#card")).to_contain_text("old ones are blocked")
    open_desk.cafe.reader.tap(FRESH)
    said(page, "1 old one is blocked")
    assert is_blocked(open_desk, ABSENT) == [False, True]
    button(page, "Block the card").click()
    said(page, "Blocked: 1 card of")
    assert is_blocked(open_desk, ABSENT) == [True, True]


def test_a_barista_checks_somebody_in_without_a_card_and_out_again(open_desk: Desk, page: Page) -> None:
    open_desk.log_in(page)
    open_desk.open(page, f"/member?id={ABSENT}")
    button(page, "Check in without a card").click()
    said(page, "is checked in")
    open_desk.cafe.printer.until_papers(1, PATIENCE_S)
    button(page, "Wants just coffee").click()
    said(page, "has coffee in peace")
    assert open_desk.ask("visits.list")[0]["mood"] == "coffee"
    button(page, "Has left").click()
    said(page, "has left")
    assert open_desk.ask("visits.list") == []


def test_a_badge_is_printed_again_and_marked(open_desk: Desk, page: Page) -> None:
    open_desk.cafe.tap(1)
    open_desk.log_in(page)
    open_desk.open(page, "/badges")
    by_keyboard(page, page.get_by_role("button", name=re.compile("Print a copy")).first)
    page.keyboard.press("Enter")
    said(page, "It is marked as a copy")
    open_desk.cafe.printer.until_papers(2, PATIENCE_S)
    expect(page.locator(".card", has_text="(copy)")).to_contain_text("printed")


def test_paper_is_asked_for_and_what_waited_comes_out(open_desk: Desk, page: Page) -> None:
    open_desk.log_in(page)
    expect(page.locator(".calm")).to_contain_text("All is well")
    open_desk.cafe.printer.paper_out()
    open_desk.cafe.reader.tap(card_of(1))
    expect(page.locator(".card.bad")).to_contain_text("Put a new roll in")
    expect(page.locator(".line")).to_contain_text("the paper is out")
    open_desk.cafe.printer.paper_in()
    open_desk.cafe.printer.until_papers(1, PATIENCE_S)
    expect(page.locator(".calm")).to_contain_text("All is well")
    # So does the slip for a colleague's phone, from this desk.
    open_desk.open(page, "/devices")
    button(page, "Print the slip with the desk's address").click()
    said(page, "on its way to the printer")
    open_desk.cafe.printer.until_papers(2, PATIENCE_S)
    slip, own = open_desk.cafe.printer.papers[-1], kept(open_desk.place.config.desk.folder)
    assert own is not None
    assert slip.qr == (f"https://{own_names()[1]}:{urlsplit(open_desk.address).port}/desk",)
    assert own.begins in "".join(slip.texts)
    assert next(open_desk.place.audit.deeds()).did == "desk.slip"
    # A reader without its cable is told in plain words, and remembered.
    open_desk.cafe.reader.unplug()
    expect(page.locator(".card.bad")).to_contain_text("Not found. Is its cable in?")
    open_desk.cafe.reader.plug()
    expect(page.locator(".card.bad")).to_be_hidden()
    expect(page.locator(".faults li")).to_contain_text("The connection broke. Check cable and power.")


@pytest.mark.parametrize(("answer", "sentence", "copies"), [("Yes, it did", "came out", 0), ("No, print another", "copy", 1)])
def test_nobody_knows_whether_a_badge_came_out_until_staff_says(
    open_desk: Desk, page: Page, answer: str, sentence: str, copies: int
) -> None:
    open_desk.log_in(page)
    unknown_badge(open_desk, 1)
    button(page, answer).click()
    said(page, sentence)
    expect(page.locator(".calm")).to_contain_text("All is well")
    open_desk.open(page, "/badges")
    expect(page.locator(".card", has_text="(copy)").get_by_text("printed")).to_have_count(copies)
    expect(page.locator(".card", has_text="Badge:").get_by_text("printed")).to_have_count(1)


def test_a_list_is_looked_through_first_and_then_imported(open_desk: Desk, page: Page) -> None:
    before = open_desk.ask("members.list")
    open_desk.log_in(page, MANAGER)
    open_desk.open(page, "/import")
    upload(page, "../../../etc/members.csv", b"id,first_name,language\nx1,Frida,sv\nx2,,xx\n")
    expect(page.locator("main > .said")).to_contain_text("Nothing has changed yet")
    expect(page.locator(".remarks li")).to_have_count(3)
    assert open_desk.ask("members.list") == before
    button(page, "Import 1 member").click()
    expect(page.locator("main > .said")).to_contain_text("The list is imported")
    assert open_desk.ask("members.show", member="x1")["member"]["first_name"] == "Frida"
    button(page, "Done").click()
    expect(page.locator("#file")).to_be_visible()


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"PK\x03\x04 a workbook", "That is a spreadsheet"),
        ("id,first_name,language\n".encode("utf-16"), "UTF-16"),
        (b"x" * ((10 << 20) + 1), "larger than 10 MB"),
        (b"number;called\n1;Frida\n", "'number' is none of them"),
        ("id,first_name,language\nx1,\xc5sa,sv\n".encode("latin-1"), "not in UTF-8"),
    ],
)
def test_what_is_no_list_is_refused_in_plain_words(open_desk: Desk, page: Page, data: bytes, sentence: str) -> None:
    open_desk.log_in(page, MANAGER)
    open_desk.open(page, "/import")
    upload(page, "members.csv", data)
    expect(page.locator("main .said.bad")).to_contain_text(sentence)


def test_a_member_is_erased_once_their_id_was_typed(open_desk: Desk, page: Page) -> None:
    open_desk.log_in(page, MANAGER)
    open_desk.open(page, f"/member?id={ABSENT}")
    page.locator("#erase summary").click()
    page.locator("#typed").fill(HERE)
    page.locator("form[action$=erase] button").click()
    said(page, "Nothing erased")
    page.locator("#typed").fill(ABSENT)
    page.locator("form[action$=erase] button").click()
    said(page, "is erased")
    assert [each["id"] for each in open_desk.ask("members.search", text=ABSENT)] == []


def test_who_is_here_is_not_erased(open_desk: Desk, page: Page) -> None:
    open_desk.cafe.tap(1)
    open_desk.log_in(page, MANAGER)
    open_desk.open(page, f"/member?id={HERE}")
    page.locator("#erase summary").click()
    page.locator("#typed").fill(HERE)
    page.locator("form[action$=erase] button").click()
    said(page, "Say first that m0001 has left")


def test_a_person_gets_all_that_is_stored_as_a_file(open_desk: Desk, page: Page) -> None:
    open_desk.log_in(page, MANAGER)
    open_desk.open(page, f"/member?id={ABSENT}")
    with page.expect_download() as download:
        button(page, "Download all that is stored").click()
    assert download.value.suggested_filename == f"fikatap-{ABSENT}.json"
    assert msgspec.json.decode(Path(download.value.path()).read_bytes())["profile"]["id"] == ABSENT


def test_the_host_keeps_two_apart_and_takes_it_back(open_desk: Desk, page: Page) -> None:
    for number in (1, 2):
        open_desk.cafe.tap(number)
    open_desk.log_in(page)
    open_desk.open(page, f"/introductions/for?id={HERE}")
    page.get_by_role("button", name=re.compile("Keep apart")).first.click()
    said(page, "are kept apart")
    page.get_by_role("button", name=re.compile("Take back")).first.click()
    said(page, "no longer holds")


def test_two_who_may_not_meet_are_not_said_to_be_introduced(open_desk: Desk, page: Page) -> None:
    member = open_desk.ask("members.show", member=HERE)["member"]
    open_desk.ask("members.put", members=[{**member, "offers": []}])
    for number in (1, 2):
        open_desk.cafe.tap(number)
    open_desk.log_in(page)
    open_desk.open(page, f"/introductions/for?id={HERE}")
    page.get_by_role("button", name=re.compile("Have them meet")).first.click()
    said(page, "not introduced now: one of the two offers nothing yet")


def test_a_page_that_is_out_of_contact_says_so_until_it_is_back(open_desk: Desk, page: Page) -> None:
    open_desk.log_in(page)
    expect(page.locator(".line")).to_be_visible()
    page.context.set_offline(True)
    expect(page.locator("#lost")).to_contain_text("Lost contact")
    expect(page.locator(".line")).to_be_hidden()
    page.context.set_offline(False)
    expect(page.locator("#lost")).to_be_hidden()
    page.route("**/desk/live**", lambda route: route.abort())
    open_desk.open(page)
    expect(page.locator("#lost")).to_contain_text("Lost contact")
    assert violations(page) == []
    page.unroute("**/desk/live**")
    expect(page.locator("#lost")).to_be_hidden()
    open_desk.cafe.tap(1)
    expect(page.locator(".rows li")).to_have_count(1)


def test_a_page_whose_session_ended_out_of_contact_leads_to_the_log_in(open_desk: Desk, page: Page) -> None:
    open_desk.log_in(page)
    page.route("**/desk/live**", lambda route: route.abort())
    page.context.clear_cookies()
    page.context.set_offline(True)
    page.context.set_offline(False)
    # Said by hand where the browser did not notice by itself; where it did, the page may have gone already.
    with suppress(Error):
        page.locator(".shell").dispatch_event("htmx:sseError", timeout=2_000)
    expect(page.locator("[name=pin]")).to_be_visible()


def test_somebody_else_is_found_in_place_of_a_partner(open_desk: Desk, page: Page) -> None:
    introduced = next(tap for number in range(1, 12) if (tap := open_desk.cafe.tap(number)).match is not None)
    open_desk.log_in(page)
    open_desk.open(page, "/introductions")
    expect(page.locator("h3", has_text=introduced.name).first).to_contain_text("→")
    page.get_by_role("link", name=re.compile(f"someone else for {introduced.name}")).first.click()
    button(page, "Someone else instead").click()
    said(page, "Someone else is looked for")


# What holds always


def test_a_tap_shows_at_once_and_takes_nobodys_place(open_desk: Desk, page: Page) -> None:
    open_desk.cafe.tap(1)
    open_desk.log_in(page)
    row = page.locator(".rows a").first
    row.focus()
    open_desk.cafe.tap(2)
    expect(page.locator(".rows li")).to_have_count(2)
    assert row.evaluate("each => each === document.activeElement")


def test_a_desk_without_script_does_the_same(open_desk: Desk, browser: Browser) -> None:
    with browser.new_context(java_script_enabled=False, locale="en") as context:
        page = context.new_page()
        page.goto(f"{open_desk.address}/desk/log-in")
        page.locator("[name=name]").fill(BARISTA)
        page.locator("[name=pin]").fill(PIN)
        page.locator("form[action$=log-in] button").click()
        page.get_by_role("link", name="Members").first.click()
        page.locator("#text").fill(ABSENT)
        button(page, "Search").click()
        page.locator("#found a").click()
        button(page, "Give a card").click()
        page.get_by_text("Now hold the card").wait_for()
        open_desk.cafe.reader.tap(FRESH)
        open_desk.cafe.reader.until_waited_for(PATIENCE_S)
        page.get_by_role("link", name="Look again").click()
        said(page, "Done! The card now belongs to")


def test_a_hostile_name_is_a_name_on_every_page(open_desk: Desk, page: Page) -> None:
    member = open_desk.ask("members.show", member=HERE)["member"]
    open_desk.ask("members.put", members=[{**member, "first_name": EVIL, "short_name": "", "employer": "", "history": []}])
    for number in (1, 2, 3, 4):
        open_desk.cafe.tap(number)
    unexpected: list[str] = []

    def opened(dialog: Dialog) -> None:
        unexpected.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", opened)
    open_desk.log_in(page, MANAGER)
    for name, path in PAGES.items():
        open_desk.open(page, path)
        assert page.locator("img, script:not([src])").count() == 0, name
        assert page.title() != "taken", name
    open_desk.open(page, f"/member?id={HERE}")
    expect(page.locator("h1")).to_have_text(EVIL)
    button(page, "Has left").click()
    said(page, EVIL)
    assert unexpected == []


def test_what_cannot_be_undone_is_for_managers(open_desk: Desk, page: Page) -> None:
    open_desk.log_in(page)
    open_desk.open(page, f"/member?id={ABSENT}")
    expect(page.locator("#erase, form[action$=export]")).to_have_count(0)
    for path in ("/import", "/people"):
        answer = page.goto(f"{open_desk.address}/desk{path}")
        assert answer is not None
        assert answer.status == 403
    assert "desk/import" not in page.content()


def test_a_form_sends_nobody_to_another_site(open_desk: Desk, page: Page) -> None:
    open_desk.log_in(page)
    for back in ("https://evil.example/", "//evil.example", "/desk/../evil", "/desk\\evil", "/elsewhere"):
        open_desk.open(page)
        page.locator("form.languages [name=back]").evaluate("(each, back) => { each.value = back; }", back)
        button(page, "English").click()
        expect(page).to_have_url(f"{open_desk.address}/desk")


def test_every_deed_is_in_the_audit_trail(open_desk: Desk, page: Page) -> None:
    open_desk.log_in(page, MANAGER)
    open_desk.open(page, f"/member?id={ABSENT}")
    button(page, "Block the card").click()
    said(page, "Blocked")
    open_desk.open(page, "/member?id=m0029")
    button(page, "Check in without a card").click()
    said(page, "checked in")
    open_desk.open(page, "/people")
    rows = page.locator(".trail li")
    expect(rows.nth(0)).to_contain_text(f"{MANAGER} checked in m0029")
    expect(rows.nth(1)).to_contain_text(f"blocked cards {ABSENT}")
    expect(rows.nth(2)).to_contain_text("logged in")


def test_a_manager_gives_somebody_a_pin_that_is_not_guessed_first(open_desk: Desk, page: Page) -> None:
    open_desk.log_in(page, MANAGER)
    for pin, sentence in (("123456", "guessed first"), ("demo-0815", "Nils Ny has that PIN now")):
        open_desk.open(page, "/people")
        page.locator("#name").fill("Nils Ny")
        page.locator("#pin").fill(pin)
        page.locator("#again").fill(pin)
        button(page, "Save").click()
        said(page, sentence)
    page.get_by_role("button", name=re.compile("Take away.*Nils Ny")).click()
    said(page, "Nils Ny no longer gets in")


def test_a_language_that_was_chosen_stays(open_desk: Desk, page: Page) -> None:
    open_desk.log_in(page)
    button(page, "Norsk").click()
    expect(page.locator("h1")).to_have_text("Nå")
    open_desk.open(page, "/members")
    expect(page.locator("h1")).to_have_text("Medlemmer")


def test_private_topics_are_not_told(open_desk: Desk, page: Page) -> None:
    topic = next(each for each in load_vocabulary().topics.values() if each.sensitive)
    member = open_desk.ask("members.show", member=ABSENT)["member"]
    open_desk.ask("members.put", members=[{**member, "seeks": [topic.id], "employer": "", "history": []}])
    open_desk.log_in(page)
    open_desk.open(page, f"/member?id={ABSENT}")
    expect(page.locator("dl")).to_contain_text("Also has topics that are private")
    assert topic.labels[Language.EN] not in page.content()
    assert topic.id not in page.content()


def test_a_desk_says_that_its_terminal_is_away_and_comes_back_with_it(page: Page) -> None:
    cafe = Cafe()
    with pages(cafe.config) as (place, address):
        desk = Desk(cafe, place, address)
        desk.log_in(page)
        expect(page.locator("main .said.bad")).to_have_text("The terminal is not answering")
        with cafe:
            expect(page.locator(".line")).to_contain_text("0 visitors here")
            cafe.tap(1)
            expect(page.locator(".rows li")).to_have_count(1)
        expect(page.locator(".line .bad")).to_have_text("The terminal is not answering")
        desk.open(page, "/badges")
        expect(page.locator("main .said.bad")).to_have_text("The terminal is not answering")
