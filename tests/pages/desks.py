"""A desk in a café on simulated hardware, with made-up staff: a barista who may do the daily work, and a manager."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msgspec.structs import replace
from playwright.sync_api import Page, expect

from firmware_py.clock import Clock, said_now
from firmware_py.config import Config
from firmware_py.demo import Cafe
from firmware_py.desk import certificate, guard, staff
from firmware_py.desk.access import Access, Role
from firmware_py.desk.app import application
from firmware_py.desk.audit import Audit
from firmware_py.desk.link import Watch
from firmware_py.desk.place import Place
from firmware_py.desk.render import Renderer
from firmware_py.terminal.control import ControlClient
from kiosk.values import Language
from tests.rigs.browser import served

BARISTA, MANAGER = "Bella Barista", "Max Manager"
PIN = "demo-4711"


class Desk:
    """A café whose desk is served at `address`; `stop` ends its terminal and leaves the desk."""

    def __init__(self, cafe: Cafe, place: Place, address: str, stop: Callable[[], None] = lambda: None) -> None:
        self.cafe = cafe
        self.stop = stop
        self.place = place
        self.address = address

    def log_in(self, page: Page, who: str = BARISTA) -> None:
        """Let somebody in, to the first page."""
        page.goto(f"{self.address}/desk/log-in")
        page.locator("[name=name]").fill(who)
        page.locator("[name=pin]").fill(PIN)
        page.locator("form[action$=log-in] button").click()
        expect(page.locator("nav.bar")).to_be_visible()

    def ask(self, command: str, **arguments: Any) -> Any:
        """Ask the terminal, as the command line does."""
        with ControlClient(self.cafe.config.control.socket) as client:
            return client.call(command, **arguments)

    def open(self, page: Page, path: str = "") -> None:
        """Open a page of the desk."""
        page.goto(f"{self.address}/desk{path}")


@contextmanager
def desk(language: Language = Language.SV) -> Iterator[Desk]:
    """Open a café with a desk."""
    cafe = Cafe(language=language)
    with pages(cafe.config) as (place, address), ExitStack() as running:
        running.enter_context(cafe)
        yield Desk(cafe, place, address, running.close)


@contextmanager
def pages(config: Config) -> Iterator[tuple[Place, str]]:
    """Serve the desk of a café, whether or not its terminal runs."""
    with TemporaryDirectory(prefix="fikatap-desk-") as name:
        folder, clock = Path(name), Clock(config.timezone, None)
        config = replace(config, desk=replace(config.desk, folder=folder))
        certificate.keep(folder, ["localhost"], said_now())
        access = Access(folder / "access.json", "boot", lambda: clock.now().boot_ms / 1_000)
        access.set_pin(BARISTA, Role.STAFF, PIN)
        access.set_pin(MANAGER, Role.MANAGER, PIN)
        place = Place(config, Watch(config.control.socket), access, Audit(folder / "audit.jsonl", clock), Renderer())
        with served(application(place, [*guard.routes(), *staff.routes()])) as address:
            yield place, address
