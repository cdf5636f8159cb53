"""What is done at the desk, on a real terminal with simulated hardware and without a browser: whose name it is done in."""

from __future__ import annotations

import asyncio
import html
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import markupsafe
import pytest

from drivers.ports import PresentedCard
from firmware_py.clock import Clock
from firmware_py.config import Config, parse
from firmware_py.database import LedgerError
from firmware_py.demo import CONFIG, Cafe
from firmware_py.desk import guard, staff
from firmware_py.desk.access import Access, Role
from firmware_py.desk.app import application
from firmware_py.desk.audit import Audit, Deed
from firmware_py.desk.link import Watch
from firmware_py.desk.place import Place
from firmware_py.desk.render import Renderer
from firmware_py.desk.staff import now
from firmware_py.keys import VenueKeyError
from firmware_py.recovery import CopiesAway, LedgerLost
from firmware_py.terminal.control import ControlClient, NotRunning
from firmware_py.terminal.notify import Notifier
from firmware_py.terminal.shut import Reason, ShutDoor
from firmware_py.wiring import Wiring
from kiosk.values import Language

BARISTA, MANAGER, PIN = "Bella Barista", "Max Manager", "demo-4711"
MEMBER = "m0030"
FRESH = PresentedCard(uid=bytes.fromhex("04a1b2c3d4e5f6"))
PATIENCE_S = 30.0


class Desk:
    """Somebody's browser at a desk, without one."""

    def __init__(self, place: Place, client: httpx.AsyncClient) -> None:
        self.place = place
        self.client = client
        self.csrf = ""

    async def log_in(self, who: str = BARISTA) -> None:
        assert (await self.client.post("/desk/log-in", data={"name": who, "pin": PIN})).status_code == 303
        self.csrf = re.findall(r'name="csrf" value="([^"]+)"', await self.page())[0]

    async def page(self, path: str = "/desk") -> str:
        """Return a page as text, without its markup's entities."""
        return html.unescape((await self.client.get(path)).text)

    async def do(self, path: str, **fields: str) -> str:
        """Do something, and return the page that it leads to."""
        answer = await self.client.post(path, data={"csrf": self.csrf, **fields})
        assert answer.status_code == 303, answer.text
        return await self.page(answer.headers["location"].partition("#")[0])

    def deeds(self, command: str) -> list[Deed]:
        return [deed for deed in self.place.audit.deeds() if deed.did == command]


@pytest.fixture(scope="module")
def cafe() -> Iterator[Cafe]:
    with Cafe(language=Language.EN) as opened:
        yield opened


@asynccontextmanager
async def at_the_desk(config: Config, folder: Path) -> AsyncIterator[Desk]:
    clock = Clock(config.timezone, None)
    access = Access(folder / "access.json", "boot", lambda: clock.now().boot_ms / 1_000)
    access.set_pin(BARISTA, Role.STAFF, PIN)
    access.set_pin(MANAGER, Role.MANAGER, PIN)
    audit = Audit(folder / "audit.jsonl", clock)
    place = Place(config, Watch(config.control.socket), access, audit, Renderer())
    app = application(place, [*guard.routes(), *staff.routes()])
    transport = httpx.ASGITransport(app)
    headers = {"accept-language": "en"}
    async with httpx.AsyncClient(transport=transport, base_url="https://127.0.0.1", headers=headers) as client:
        yield Desk(place, client)


def ask(cafe: Cafe, command: str, **arguments: Any) -> Any:
    with ControlClient(cafe.config.control.socket) as client:
        return client.call(command, **arguments)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, which nobody tells of."""
    async with asyncio.timeout(PATIENCE_S):
        while not await asyncio.to_thread(holds):
            pass


async def _log_out(desk: Desk) -> None:
    await desk.client.post("/desk/log-out", data={"csrf": desk.csrf})


async def _lose_access(desk: Desk) -> None:
    await asyncio.to_thread(desk.place.access.remove, BARISTA)


async def _get_another_pin(desk: Desk) -> None:
    """As `fikatap desk pin` does, in another process."""
    other = Access(desk.place.access._path, "boot", lambda: 1.0)
    await asyncio.to_thread(other.set_pin, BARISTA, None, "demo-0815")


@pytest.mark.parametrize("ends", [_log_out, _lose_access, _get_another_pin])
def test_no_card_is_bound_in_the_name_of_somebody_who_is_out(
    cafe: Cafe, tmp_path: Path, ends: Callable[[Desk], Awaitable[None]]
) -> None:
    before = ask(cafe, "cards.list", member=MEMBER)

    async def story() -> list[Deed]:
        async with at_the_desk(cafe.config, tmp_path) as desk:
            await desk.log_in()
            await desk.do("/desk/member/enrol", member=MEMBER, blocks="yes")
            await until(lambda: ask(cafe, "status")["enrolling"])
            await ends(desk)
            await until(lambda: not ask(cafe, "status")["enrolling"])
            await until(lambda: bool(desk.deeds("cards.enrol")))
            return desk.deeds("cards.enrol")

    (deed,) = asyncio.run(story())
    assert (deed.who, deed.about, deed.refused) == (BARISTA, MEMBER, "signed out")
    cafe.reader.tap(FRESH)
    cafe.reader.until_waited_for(PATIENCE_S)
    assert ask(cafe, "cards.list", member=MEMBER) == before


def test_who_stays_logged_in_gets_the_card(cafe: Cafe, tmp_path: Path) -> None:
    card = PresentedCard(uid=bytes.fromhex("04bbbbbbbbbbbb"))
    before = len(ask(cafe, "cards.list", member="m0029"))

    async def story() -> str:
        async with at_the_desk(cafe.config, tmp_path) as desk:
            await desk.log_in()
            await desk.do("/desk/member/enrol", member="m0029")
            await until(lambda: ask(cafe, "status")["enrolling"])
            desk.place.ended()  # somebody else's session
            await asyncio.to_thread(cafe.reader.tap, card)
            await until(lambda: bool(desk.deeds("cards.enrol")))
            return await desk.page("/desk/member?id=m0029")

    assert "Done! The card now belongs to" in asyncio.run(story())
    assert len(ask(cafe, "cards.list", member="m0029")) == before + 1


def test_a_namesake_is_not_overwritten_by_accident(cafe: Cafe, tmp_path: Path) -> None:
    pins = {"pin": "demo-0815", "again": "demo-0815"}

    async def story() -> tuple[list[str], list[list[tuple[str, Role]]]]:
        async with at_the_desk(cafe.config, tmp_path) as desk:
            await desk.log_in(MANAGER)
            pages, people = [], []
            for fields in (
                {"name": " bella  BARISTA", "role": "manager"},
                {"name": BARISTA, "role": "manager", "replace": "yes"},
                {"name": "Nils Ny", "role": "staff", "replace": "yes"},
                {"name": "Nils Ny", "role": "staff"},
            ):
                pages.append(await desk.do("/desk/people/pin", **fields, **pins))
                people.append(desk.place.access.people())
            return pages, people

    pages, people = asyncio.run(story())
    managers = [(BARISTA, Role.MANAGER), (MANAGER, Role.MANAGER)]
    assert people == [
        [(BARISTA, Role.STAFF), (MANAGER, Role.MANAGER)],
        managers,
        managers,
        [*managers, ("Nils Ny", Role.STAFF)],
    ]
    assert "There is Bella Barista already (staff" in pages[0]
    assert re.search(rf'value="{BARISTA}" readonly', pages[0]), "the form is for another PIN now"
    assert '<option value="staff" selected>' in pages[0]
    assert "Bella Barista has that PIN now (manager" in pages[1]
    assert "Nils Ny is no longer on the list" in pages[2]
    assert "Nils Ny has that PIN now" in pages[3]


def test_somebody_stays_a_manager(cafe: Cafe, tmp_path: Path) -> None:
    pins = {"pin": "demo-0815", "again": "demo-0815"}

    async def story() -> tuple[str, str]:
        async with at_the_desk(cafe.config, tmp_path) as desk:
            await desk.log_in(MANAGER)
            demoted = await desk.do("/desk/people/pin", name=MANAGER, role="staff", replace="yes", **pins)
            removed = await desk.do("/desk/people/remove", name=f" {MANAGER.upper()} ")
            assert (MANAGER, Role.MANAGER) in desk.place.access.people()
            return demoted, removed

    demoted, removed = asyncio.run(story())
    assert "somebody else a manager first" in demoted
    assert "can't take yourself away" in removed


@pytest.mark.parametrize("count", [99, 120, now.MOST_SETTLED + 3])
def test_many_notices_are_settled_or_it_is_said_how_many_are_left(cafe: Cafe, tmp_path: Path, count: int) -> None:
    numbers = " ".join(str(number) for number in range(1_000_000, 1_000_000 + count))

    async def story() -> tuple[str, list[Deed]]:
        async with at_the_desk(cafe.config, tmp_path) as desk:
            await desk.log_in()
            return await desk.do("/desk/notices", notices=numbers), desk.deeds("notices.resolve")

    page, deeds = asyncio.run(story())
    assert ("3 are left" in page) == (count > now.MOST_SETTLED)
    assert "Done." in page or count > now.MOST_SETTLED
    assert len(deeds) == 1


def test_no_token_is_in_the_trail(cafe: Cafe, tmp_path: Path) -> None:
    async def story() -> tuple[str, str]:
        async with at_the_desk(cafe.config, tmp_path) as desk:
            await desk.log_in(MANAGER)
            for name, deed in staff.deeds.DEEDS.items():
                await desk.do(f"/desk/do/{name}", **dict.fromkeys(deed.takes, "m0001"))
                await desk.do(f"/desk/do/{name}")
            await desk.do("/desk/member/erase", member=MEMBER, typed="no")
            await desk.do("/desk/notices", notices="7")
            await desk.client.post("/desk/people/remove", data={"csrf": "x" + desk.csrf})
            return desk.csrf, (tmp_path / "audit.jsonl").read_text()

    csrf, trail = asyncio.run(story())
    assert len(csrf) > 20
    assert "visits.checkin" in trail
    assert csrf not in trail


def is_listened_at(socket: Path) -> bool:
    try:
        ControlClient(socket, PATIENCE_S).close()
    except NotRunning:
        return False
    return True


@contextmanager
def shut(config: Config, error: Reason) -> Iterator[None]:
    """Keep the door of a café shut."""

    def attempt() -> None:
        raise error

    door = ShutDoor(Wiring(config), Clock(config.timezone, None), Notifier({}))
    thread = threading.Thread(target=door.until_opened, args=(attempt, error))
    thread.start()
    try:
        yield
    finally:
        door.stop()
        thread.join(PATIENCE_S)


@pytest.mark.parametrize(
    ("error", "title"),
    [
        (LedgerError("disk I/O error"), "Nothing can be stored"),
        (VenueKeyError("gone"), "The café's key is missing"),
        (LedgerLost("gone"), "The ledger is lost"),
        (CopiesAway("gone"), "its copies are not here"),
    ],
)
def test_a_shut_door_is_not_called_away_and_the_desk_says_what_to_do(tmp_path: Path, error: Reason, title: str) -> None:
    paths = ("/desk", "/desk/devices", "/desk/members", "/desk/badges", "/desk/evening")

    async def story(config: Config) -> list[str]:
        async with at_the_desk(config, tmp_path) as desk:
            await until(lambda: is_listened_at(config.control.socket))
            await desk.log_in()
            return [await desk.page(path) for path in paths]

    with TemporaryDirectory(prefix="fikatap-") as name:
        config = parse(CONFIG.format(folder=name, language="en", profile="generic-80"))
        with shut(config, error):
            first, devices, *others = asyncio.run(story(config))
    assert title in first
    assert "whoever looks after the terminal" in first
    assert "All is well" not in first
    assert "card reader" in devices
    assert all("storage does not work just now" in page for page in others)
    assert "not answering" not in "".join((first, devices, *others))


HOSTILE = ("<script>alert(1)</script>", "\"'><img src=x>", "Anna\u202eanna", "L" * 10_000, "{{ 7*7 }}", "\u200f\u2066x")


@pytest.mark.parametrize("name", HOSTILE, ids=["script", "quotes", "bidi", "long", "template", "isolate"])
def test_a_hostile_name_is_only_a_name_on_desk_and_screen(cafe: Cafe, tmp_path: Path, name: str) -> None:
    shown = ask(cafe, "members.show", member="m0001")["member"]
    ask(cafe, "members.put", members=[{**shown, "first_name": name, "short_name": "", "employer": "", "history": []}])

    async def story() -> list[str]:
        async with at_the_desk(cafe.config, tmp_path) as desk:
            await desk.log_in(MANAGER)
            pages = [await desk.do("/desk/do/check-in", member="m0001")]
            pages += [
                (await desk.client.get(path)).text for path in ("/desk", "/desk/member?id=m0001", "/desk/members?text=m0001")
            ]
            pages.append(await desk.do("/desk/do/leave", member="m0001"))
            return pages[1:4]

    for page in asyncio.run(story()):
        assert str(markupsafe.escape(name)) in page or name[:40] in html.unescape(page)
        assert "<script>alert" not in page
        assert "<img" not in page
        assert re.search(r"<bdi>[^<]*" + re.escape(str(markupsafe.escape(name[:20]))), page), (
            "nothing keeps its direction to itself"
        )


def test_whom_the_host_keeps_apart_is_not_introduced(cafe: Cafe, tmp_path: Path) -> None:
    members = [f"m{number:04}" for number in range(2, 12)]
    for member in members:
        ask(cafe, "visits.checkin", member=member)
    # Whoever is still asked about may be introduced to anybody; all others wait where they are.
    asyncio.run(until(lambda: all(each["zone"] for each in ask(cafe, "visits.list"))))
    one, other = next(
        (member, each["member"]) for member in members for each in ask(cafe, "match.explain", member=member) if each["may"]
    )

    async def story() -> tuple[str, str, str]:
        async with at_the_desk(cafe.config, tmp_path) as desk:
            await desk.log_in()
            pair, back = {"one": one, "other": other}, f"/desk/introductions/for?id={one}"
            apart = await desk.do("/desk/do/veto", **pair, back=back)
            assert ask(cafe, "match.explain", member=one, other=other)[0]["gate"] == "veto"
            free = await desk.do("/desk/do/unveto", **pair, back=back)
            assert ask(cafe, "match.explain", member=one, other=other)[0]["gate"] is None
            return apart, free, await desk.do("/desk/do/unveto", **pair, back=back)

    apart, free, again = asyncio.run(story())
    assert "are kept apart" in apart
    assert "no longer holds" in free
    assert f"Nothing was decided about {one} and {other}" in again
