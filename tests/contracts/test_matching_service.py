"""What every way to a matching service does: to the simulated one, over a socket, and to the service that ships."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import pytest
from msgspec.structs import replace

from drivers.errors import ConfigError, DeviceError, DeviceGarbled, DeviceLost, DeviceMissing, DeviceRefused, DeviceSilent
from drivers.matching.fake import FakeMatching
from drivers.matching.http import HttpMatching
from drivers.matching.wire import (
    PROBLEM,
    CardBound,
    CheckIn,
    Fact,
    Happened,
    MatchSettled,
    Presence,
    Proposal,
    RosterEntry,
    VisitClosed,
    VisitOpened,
    ZonesSet,
)
from drivers.ports import MatchingService
from firmware_py.matching_service.certificates import make_authority, make_terminal_certificate
from firmware_py.matching_service.identity import Identity
from kiosk.effects import Ending
from kiosk.values import (
    CardId,
    Colour,
    Consents,
    Introduction,
    Language,
    Member,
    MemberId,
    Reason,
    ReasonKind,
    Symbol,
    TopicId,
    VisitId,
    Zone,
    ZoneId,
)
from tests.rigs.far_service import FarService, send
from tests.rigs.service import RunningService

WAIT_S = 30.0
ONE, TWO = MemberId("p1"), MemberId("p2")
VENUE, DOOR = "v1", "front"
LIBRARY = Zone(ZoneId("library"), "Library", Symbol.TRIANGLE, Colour.BLUE)


def person(number: int) -> Member:
    seeks, offers = ("dataanalys", "webdev") if number % 2 else ("webdev", "dataanalys")
    return Member(
        MemberId(f"p{number}"),
        f"Person {number}",
        Language.EN,
        seeks=(TopicId(seeks),),
        offers=(TopicId(offers),),
        consents=Consents(introductions=True, name=True),
    )


def presence(number: int, door: str = DOOR) -> Presence:
    return Presence(visit=VisitId(f"{door}-x-{number}"), member=MemberId(f"p{number}"), number=number, door=door)


class Source:
    """A terminal's journal."""

    def __init__(self, name: str = "front-x") -> None:
        self._name = name
        self._seq = 0

    def __call__(self, what: Happened) -> Fact:
        self._seq += 1
        return Fact(id=f"{self._name}-{self._seq}", source=self._name, seq=self._seq, time_ms=None, what=what)


class FakeRoom:
    """The simulated service."""

    def __init__(self, *_: object) -> None:
        self.settings = FakeMatching.Settings(name=uuid4().hex)
        self.hand = FakeMatching.hand(self.settings.name)

    def make(self) -> MatchingService:
        return FakeMatching(self.settings)

    def admit(self, *members: Member) -> None:
        self.hand.admit(*members)


class SocketRoom:
    """The same behind a socket."""

    def __init__(self, _: object, stack: ExitStack) -> None:
        self.far = stack.enter_context(FarService(VENUE))
        self.hand = self.far.hand

    def make(self) -> MatchingService:
        return HttpMatching(HttpMatching.Settings(url=self.far.url, venue=VENUE))

    def admit(self, *members: Member) -> None:
        self.hand.admit(*members)


class RealRoom:
    """A venue of the service that ships, on SQLite, with TLS and a certificate for the terminal."""

    def __init__(self, running: RunningService, _: ExitStack) -> None:
        self.running = running
        self.venue = f"v{uuid4().hex[:8]}"
        running.add_venue(self.venue, self.venue)
        certificate, key = running.certificate(self.venue, DOOR, self.venue)
        self.settings = HttpMatching.Settings(
            url=running.urls[0], venue=self.venue, ca=running.authority, certificate=certificate, key=key
        )

    def make(self) -> MatchingService:
        return HttpMatching(self.settings)

    def admit(self, *members: Member) -> None:
        self.running.put_members(members, self.venue)


Room = FakeRoom | SocketRoom | RealRoom


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with RunningService(tmp_path_factory.mktemp("service"), tls=True) as service:
        service.start()
        yield service


@pytest.fixture(params=[FakeRoom, SocketRoom, RealRoom], ids=["fake", "socket", "service"])
def room(request: pytest.FixtureRequest) -> Iterator[Room]:
    with ExitStack() as stack:
        yield request.param(request.getfixturevalue("running") if request.param is RealRoom else None, stack)


@pytest.fixture
def service(room: Room) -> Iterator[MatchingService]:
    opened = room.make()
    opened.open()
    yield opened
    opened.close()


def whole_roster(service: MatchingService) -> dict[MemberId, RosterEntry]:
    found: dict[MemberId, RosterEntry] = {}
    since = 0
    while True:
        page = service.roster(since)
        assert page.whole == (since == 0)
        found |= {entry.id: entry for entry in page.entries}
        since = page.version
        if not page.more:
            return found


# What every one of them does


def test_the_roster_comes_in_pages_and_then_only_what_changed(room: Room, service: MatchingService) -> None:
    people = [person(number) for number in range(1, 701)]
    room.admit(*people)
    found = whole_roster(service)
    assert [found[each.id].member for each in people] == people
    version = max(entry.version for entry in found.values())
    assert service.roster(version).entries == ()
    room.admit(person(701))
    assert [entry.member for entry in service.roster(version).entries] == [person(701)]


def test_who_comes_in_by_one_door_is_seen_at_another_at_once(room: Room, service: MatchingService) -> None:
    room.admit(person(1), person(2))
    fact, began = Source(), service.presence(0, 0)
    assert began.whole
    assert began.open == ()
    seen: list[object] = []
    listening = room.make()
    listening.open()

    def listen() -> None:
        version = began.version
        while not seen:
            page = listening.presence(version, WAIT_S)
            version = page.version
            seen.extend(page.open)

    thread = threading.Thread(target=listen)
    thread.start()
    service.report([fact(VisitOpened(presence=presence(1)))])
    thread.join(WAIT_S)
    listening.close()
    assert [(each.visit, each.member, each.door) for each in seen if isinstance(each, Presence)] == [
        (presence(1).visit, "p1", DOOR)
    ]


@pytest.mark.parametrize("tls", [True, False])
def test_another_thread_can_break_off_the_waiting_for_news(running: RunningService, *, tls: bool) -> None:
    with ExitStack() as stack:
        room = RealRoom(running, stack) if tls else SocketRoom(None, stack)
        waiting = room.make()
        waiting.open()
        version = waiting.presence(0, 0).version
        ended: list[DeviceError] = []

        def wait() -> None:
            try:
                while True:
                    waiting.presence(version, 30)
            except DeviceError as error:
                ended.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        until = time.monotonic() + WAIT_S
        while thread.is_alive() and time.monotonic() < until:
            waiting.hang_up()  # from when on it waits, nothing tells
            thread.join(0.05)
        assert len(ended) == 1
        waiting.close()


def test_a_check_out_is_told_and_a_later_start_does_not_see_the_visit(room: Room, service: MatchingService) -> None:
    room.admit(person(1))
    fact = Source()
    service.report([fact(VisitOpened(presence=presence(1)))])
    version = service.presence(0, 0).version
    service.report([fact(VisitClosed(visit=presence(1).visit, why=Ending.TAPPED))])
    assert service.presence(version, WAIT_S).closed == (presence(1).visit,)
    assert service.presence(0, 0).open == ()


def test_facts_that_are_known_do_no_harm(room: Room, service: MatchingService) -> None:
    room.admit(person(1), person(2))
    fact = Source()
    introduction = Introduction(presence(2).visit, presence(1).visit, Reason(ReasonKind.OPEN), LIBRARY.id, 600)
    facts = [
        fact(ZonesSet(zones=(LIBRARY,))),
        fact(VisitOpened(presence=presence(1))),
        fact(VisitOpened(presence=presence(2))),
        fact(
            MatchSettled(
                visit=presence(2).visit,
                member=MemberId("p2"),
                zone=LIBRARY.id,
                introduction=introduction,
                partner=MemberId("p1"),
            )
        ),
    ]
    for _ in range(3):
        service.report(facts)
    here = {each.visit: each for each in service.presence(0, 0).open}
    assert {visit: (each.approached, each.introduced) for visit, each in here.items()} == {
        presence(1).visit: (1, 0),
        presence(2).visit: (0, 1),
    }
    assert whole_roster(service)[MemberId("p1")].met == ("p2",)


def test_a_card_that_one_terminal_binds_comes_to_all_with_the_roster(room: Room, service: MatchingService) -> None:
    room.admit(person(1))
    service.report([Source()(CardBound(card=CardId("5e" * 32), member=MemberId("p1"), key="k1"))])
    (card,) = whole_roster(service)[MemberId("p1")].cards
    assert (card.card, card.key, card.blocked) == ("5e" * 32, "k1", False)


def test_a_question_is_answered_for_its_own_visit_or_left_to_the_terminal(room: Room, service: MatchingService) -> None:
    room.admit(person(1), person(2))
    if not isinstance(room, RealRoom):
        room.hand.propose = lambda asked, here: Proposal(visit=asked.visit, zone=LIBRARY.id) if len(here) > 1 else None
    fact = Source()
    service.report([fact(ZonesSet(zones=(LIBRARY,)))])
    service.check_in(CheckIn(presence=presence(1)), WAIT_S)
    answer = service.check_in(CheckIn(presence=presence(2)), WAIT_S)
    assert answer is not None
    assert (answer.visit, answer.zone) == (presence(2).visit, LIBRARY.id)
    assert {each.visit for each in service.presence(0, 0).open} == {presence(1).visit, presence(2).visit}


def test_nobody_is_kept_waiting_for_news_longer_than_asked(service: MatchingService) -> None:
    version = service.presence(0, 0).version
    page = service.presence(version, 0.2)
    assert (page.version, page.open, page.closed) == (version, (), ())


def test_the_calendar_is_text_that_may_be_empty(service: MatchingService) -> None:
    assert b"BEGIN:VEVENT" not in service.schedule()


def test_closing_may_be_done_twice_and_threads_are_left_as_they_were(room: Room) -> None:
    before = threading.active_count()
    service = room.make()
    service.close()
    service.open()
    service.close()
    service.close()
    assert threading.active_count() <= before + 1  # the far side's own, which ends with the connection


def test_the_description_is_one_line_without_a_secret(room: Room) -> None:
    assert "matching service" in room.make().describe()
    assert "\n" not in room.make().describe()


# A simulated service has a hand that makes it fail, and so has a socket


@pytest.mark.parametrize(
    ("trouble", "error"),
    [("gone", DeviceLost), ("garbage", DeviceGarbled), ("wrong", DeviceRefused), ("slow", DeviceSilent)],
)
def test_each_trouble_of_the_simulated_service_is_its_own_error(trouble: str, error: type[DeviceError]) -> None:
    settings = FakeMatching.Settings(name=uuid4().hex)
    hand, service = FakeMatching.hand(settings.name), FakeMatching(settings)
    service.open()
    if trouble == "slow":
        hand.slow(5)
    else:
        getattr(hand, trouble)()
    for call in (
        lambda: service.check_in(CheckIn(presence=presence(1)), 0.01),
        lambda: service.report([]),
        lambda: service.roster(0),
        lambda: service.presence(0, 0.01),
        service.schedule,
    ):
        with pytest.raises(error):
            call()
    with pytest.raises(DeviceMissing if error is DeviceLost else error):
        service.open()
    hand.well()
    service.open()


def test_a_slow_service_that_is_well_again_answers_those_who_wait() -> None:
    settings = FakeMatching.Settings(name=uuid4().hex)
    hand, service = FakeMatching.hand(settings.name), FakeMatching(settings)
    service.open()
    hand.slow(3600)
    waiting = threading.Thread(target=lambda: service.check_in(CheckIn(presence=presence(1)), 3600))
    waiting.start()
    hand.well()
    waiting.join(30)
    assert [each.visit for each in hand.asked] == [presence(1).visit]


@pytest.fixture
def far() -> Iterator[FarService]:
    with FarService(VENUE) as far:
        yield far


def opened(far: FarService) -> HttpMatching:
    service = HttpMatching(HttpMatching.Settings(url=far.url, venue=VENUE))
    service.open()
    return service


GARBAGE: dict[str, Callable[..., object]] = {
    "no JSON": lambda request: send(request, 200, b"{"),
    "other JSON": lambda request: send(request, 200, b'{"visit": 7, "version": "x", "accepted": []}'),
    "nested": lambda request: send(request, 200, b"[" * 50_000),
    "a number beyond all bounds": lambda request: send(request, 200, b'{"version": 9223372036854775808, "accepted": -1}'),
    "not UTF-8": lambda request: send(request, 200, b'{"version": "\xff"}'),
    "a web page": lambda request: send(request, 200, b"<html>", "text/html"),
    "a sign-in page": lambda request: (
        request.send_response(302),
        request.send_header("Location", "http://login.example/"),
        request.send_header("Content-Length", "0"),
        request.end_headers(),
    ),
    "no HTTP": lambda request: request.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"),
    "a broken gzip": lambda request: (
        request.send_response(200),
        request.send_header("Content-Type", "application/json"),
        request.send_header("Content-Encoding", "gzip"),
        request.send_header("Content-Length", "4"),
        request.end_headers(),
        request.wfile.write(b"abcd"),
    ),
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_garbage_whatever_it_looks_like(far: FarService, kind: str) -> None:
    service = opened(far)
    far.misdeed = lambda request: void(GARBAGE[kind](request))
    for call in (
        lambda: service.check_in(CheckIn(presence=presence(1)), WAIT_S),
        lambda: service.report([]),
        lambda: service.roster(0),
        lambda: service.presence(0, 0),
    ):
        with pytest.raises(DeviceGarbled):
            call()
    service.close()


def test_an_answer_without_end_is_given_up(far: FarService) -> None:
    def endless(request: object) -> None:
        send(request, 200, b" " * 20_000_000)  # type: ignore[arg-type] # a request handler

    service = opened(far)
    far.misdeed = endless
    with pytest.raises(DeviceGarbled, match="more than 65536 bytes"):
        service.check_in(CheckIn(presence=presence(1)), WAIT_S)
    with pytest.raises(DeviceGarbled, match="more than 8000000 bytes"):
        service.roster(0)
    service.close()


@pytest.mark.parametrize(
    ("status", "error"),
    [*((status, DeviceRefused) for status in (401, 403, 404, 422)), *((status, DeviceLost) for status in (429, 500, 503))],
)
def test_who_must_see_to_it_decides_what_a_status_is(far: FarService, status: int, error: type[DeviceError]) -> None:
    service = opened(far)
    far.misdeed = lambda request: far._problem(request, status, "the reason", "v2", "v1")
    with pytest.raises(error, match=rf"answers {status}: the reason \(not 'v2'\); v1"):
        service.roster(0)
    service.close()


@pytest.mark.parametrize(
    "body", [b'{"title": "\xe5", "status": 403}', b'{"title": "a", "status": 403, "x": ' + b"[" * 20_000 + b"]" * 20_000 + b"}"]
)
def test_an_error_in_which_nobody_can_read_why_is_that_error_still(far: FarService, body: bytes) -> None:
    service = opened(far)
    far.misdeed = lambda request: send(request, 403, body, PROBLEM)
    with pytest.raises(DeviceRefused, match=r"answers 403$"):
        service.roster(0)
    service.close()


def test_a_service_that_says_nothing_is_silent_and_one_that_dribbles_too(far: FarService) -> None:
    held = threading.Event()
    service = opened(far)
    far.misdeed = lambda _: void(held.wait(WAIT_S))
    with pytest.raises(DeviceSilent):
        service.check_in(CheckIn(presence=presence(1)), 0.1)

    def dribble(request: object) -> None:
        send_head(request)
        while not held.wait(0.05):
            request.wfile.write(b" ")  # type: ignore[attr-defined] # ditto

    far.misdeed = dribble
    with pytest.raises(DeviceSilent):
        service.check_in(CheckIn(presence=presence(1)), 0.1)
    held.set()
    service.close()


def send_head(request: object) -> None:
    request.send_response(200)  # type: ignore[attr-defined] # ditto
    request.send_header("Content-Type", "application/json")  # type: ignore[attr-defined] # ditto
    request.send_header("Content-Length", "60000")  # type: ignore[attr-defined] # ditto
    request.end_headers()  # type: ignore[attr-defined] # ditto


def void(_: object) -> None:
    """Do nothing with a value."""


def test_a_pulled_cable_is_lost_and_one_that_was_never_in_is_missing(far: FarService) -> None:
    service = opened(far)
    far.unplug()
    with pytest.raises(DeviceLost):
        service.roster(0)
    with pytest.raises(DeviceLost):
        service.report([])
    service.close()
    with pytest.raises(DeviceMissing, match="can't be reached: Connection refused"):
        opened(far)
    with pytest.raises(DeviceMissing, match="can't be reached"):
        HttpMatching(HttpMatching.Settings(url="http://nowhere.invalid:1", venue=VENUE)).open()
    far.plug()
    opened(far).close()


def test_each_question_has_a_key_of_its_own(far: FarService) -> None:
    service = opened(far)
    for _ in range(2):
        service.check_in(CheckIn(presence=presence(1)), 30.25)
    asked = [headers for path, headers in far.requests if path.endswith("/check-ins")]
    assert len({headers["Idempotency-Key"] for headers in asked}) == 2
    assert [headers["Prefer"] for headers in asked] == ["wait=30.25"] * 2
    service.close()


# Who may


def refusal(settings: HttpMatching.Settings) -> str:
    service = HttpMatching(settings)
    with pytest.raises(DeviceRefused) as refused:
        service.open()
    service.close()
    return str(refused.value)


def test_another_venues_terminal_is_told_so(running: RunningService) -> None:
    room, other = RealRoom(running, ExitStack()), RealRoom(running, ExitStack())
    said = refusal(replace(room.settings, venue=other.venue))
    assert " 403" in said
    assert other.venue in said
    said = refusal(replace(room.settings, certificate=other.settings.certificate, key=other.settings.key))
    assert " 403" in said
    assert "\n" not in said


def test_without_a_certificate_or_with_a_strangers_nobody_is_let_in(running: RunningService, tmp_path: Path) -> None:
    room = RealRoom(running, ExitStack())
    assert " 401" in refusal(replace(room.settings, certificate=None, key=None))
    make_authority(tmp_path, "strangers")
    certificate, key = make_terminal_certificate(tmp_path, Identity("strangers", room.venue, DOOR))
    with pytest.raises(DeviceMissing, match=r"it may not know whoever signed this terminal's certificate"):
        HttpMatching(replace(room.settings, certificate=certificate, key=key)).open()


def test_a_service_that_somebody_else_vouches_for_is_not_trusted(running: RunningService, tmp_path: Path) -> None:
    room = RealRoom(running, ExitStack())
    said = refusal(replace(room.settings, ca=make_authority(tmp_path, "strangers")))
    assert "don't trust each other (" in said
    assert "look at ca, certificate and key under [matching], and at the clock" in said
    assert "don't trust each other" in refusal(replace(room.settings, ca=None))


def test_a_token_does_in_place_of_a_certificate(far: FarService, tmp_path: Path) -> None:
    far.token = "made-up-token"
    settings = HttpMatching.Settings(url=far.url, venue=VENUE, token=tmp_path / "token")
    (tmp_path / "token").write_text("made-up-token\n")
    HttpMatching(settings).open()
    (tmp_path / "token").write_text("another")
    assert "answers 401: this terminal has no identity" in refusal(settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "fika.example"}, r"url = 'fika.example' is not an address; write one like 'https://"),
        ({"url": "https://fika.example:99999"}, r"url = 'https://fika.example:99999' is not an address"),
        ({"url": "https://me:secret@fika.example"}, r"url has a name or password in it"),
        ({"ca": "none.pem"}, r"ca = '.*none.pem' holds no certificate: No such file or directory"),
        ({"ca": "text.pem"}, r"ca = '.*text.pem' holds no certificate"),
        ({"certificate": "text.pem"}, r"certificate = '.*text.pem' can't be used"),
        ({"certificate": "none.pem", "key": "none.key"}, r"certificate = '.*none.pem' with key = '.*none.key' can't be used"),
        ({"token": "none"}, r"token = '.*none' can't be read: No such file or directory"),
        ({"token": "text.pem"}, r"token = '.*text.pem' holds no token: one word in one line"),
    ],
)
def test_what_can_never_be_is_told_by_the_line_to_change(tmp_path: Path, settings: dict[str, str], said: str) -> None:
    (tmp_path / "text.pem").write_text("this is no certificate\n")
    files = {key: tmp_path / value for key, value in settings.items() if key != "url"}
    service = HttpMatching(HttpMatching.Settings(url=settings.get("url", "https://127.0.0.1:1"), venue=VENUE, **files))
    with pytest.raises(ConfigError, match=rf"^\[matching\] {said}") as error:
        service.open()
    assert "secret" not in str(error.value)
