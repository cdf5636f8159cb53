"""A sample café on simulated hardware: the same terminal as by the door, with forty made-up members and their cards."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

import msgspec
from msgspec import Struct

from drivers.errors import DeviceSilent
from drivers.lights.fake import FakeLights
from drivers.matching.fake import FakeMatching
from drivers.ports import PresentedCard
from drivers.printers.fake import FakePrinter
from drivers.readers.fake import FakeReader
from drivers.sounders.fake import FakeSounder
from firmware_py.clock import Clock
from firmware_py.config import Config, parse
from firmware_py.keys import VenueKey, key_path
from firmware_py.ledger import Ledger
from firmware_py.roster import made_up_members
from firmware_py.terminal.control import ControlSocket
from firmware_py.terminal.loop import Terminal
from firmware_py.terminal.notify import Notifier
from firmware_py.wiring import Wiring
from kiosk.effects import Answer, Effect, LightZone, QueueBadge, SetJob
from kiosk.events import Event, JobSent, TimePassed
from kiosk.jobs import JobState
from kiosk.signals import Signal
from kiosk.values import JobId, Language, Member

MEMBERS = 40
SEED = 7
NAME = "demo"
"""The hands of the simulated devices."""
PATIENCE_S = 20.0
"""How long a demonstration waits for a badge before it calls that a fault."""

MOST_HEARD = 1_000
"""So much of what happened is remembered, the newest; a tap leads to some twenty things."""

CONFIG = """
[cafe]
name = "Kafé Exempel"
language = "{language}"
closes = "04:00"
badge_url = "https://fika.example/v/"
trust_clock = true

[[zone]]
id = "library"
name = "Biblioteket"
symbol = "triangle"
colour = "blue"
capacity = 10
quiet = true

[[zone]]
id = "long-table"
name = "Långbordet"
symbol = "circle"
colour = "yellow"
capacity = 12

[[zone]]
id = "window"
name = "Vinduet"
symbol = "square"
colour = "green"
capacity = 10

[[zone]]
id = "lounge"
name = "Stuen"
symbol = "star"
colour = "red"
capacity = 12

[ledger]
path = "{folder}/ledger.db"
terminal = "demo"

[control]
socket = "{folder}/control.sock"

[reader.door]
driver = "fake"
name = "demo"

[printer]
driver = "fake"
name = "demo"
profile = "{profile}"

[lights]
driver = "fake"
name = "demo"

[sounder]
driver = "fake"
name = "demo"
"""


def card_of(number: int) -> PresentedCard:
    """Return the made-up card of the member with that number: seven bytes, as NTAG cards have."""
    return PresentedCard(uid=b"\x04" + sha256(f"made-up card {number}".encode()).digest()[:6])


class Tap(Struct, frozen=True):
    """What one tap led to; `verdict_ms` is from the card's report to the order for the light, the commit included."""

    member: str
    name: str
    verdict_ms: float
    answers: list[str]
    match: str | None
    """The partner as the badge names them; None for "not yet"."""
    reason: str
    zone: str | None
    bytes: int
    job: str | None
    job_state: str | None


class _Ear:
    """Hears what the terminal does, in its thread, and lets another wait for it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._heard: deque[Event | Effect] = deque(maxlen=MOST_HEARD)
        self.on: Callable[[Event | Effect], None] = lambda _: None

    def __call__(self, what: Event | Effect) -> None:
        if isinstance(what, TimePassed):
            return
        with self._changed:
            self._heard.append(what)
            self._changed.notify_all()
        self.on(what)

    def clear(self) -> None:
        with self._changed:
            self._heard.clear()

    def heard(self) -> list[Event | Effect]:
        with self._changed:
            return list(self._heard)

    def until(self, done: Callable[[list[Event | Effect]], bool], timeout: float) -> bool:
        """Wait until what was heard is enough; return whether it came to that."""
        with self._changed:
            return self._changed.wait_for(lambda: done(list(self._heard)), timeout)


class Cafe:
    """The sample café, open as long as it is used as a context manager."""

    hands = NAME
    """The name of the simulated devices' hands."""

    def __init__(self, *, language: Language = Language.SV, profile: str = "generic-80", members: int = MEMBERS) -> None:
        self._folder = TemporaryDirectory(prefix="fikatap-demo-")
        try:
            self._make(Path(self._folder.name), language, profile, members)
        except BaseException:
            self._folder.cleanup()
            raise

    def _make(self, folder: Path, language: Language, profile: str, members: int) -> None:
        self.config = self._config(folder, language, profile)
        self.wiring = Wiring(self.config)
        ledger = Ledger.open(self.config.ledger.path, self.config.ledger.terminal)
        key = VenueKey(key_path(self.config.ledger.path)).open(ledger)
        self.members = made_up_members(members, SEED, self.wiring.vocabulary)
        ledger.put_members(self.members)
        for number, member in enumerate(self.members, 1):
            ledger.bind_card(key.pseudonym(card_of(number).uid), member.id)
        self.ear = _Ear()
        self.reader = FakeReader.hand(self.hands)
        self.printer = FakePrinter.hand(self.hands)
        self.lights = FakeLights.hand(self.hands)
        self.sounder = FakeSounder.hand(self.hands)
        self.service = FakeMatching.hand(self.hands)
        """Of use where the configuration names a shared service, which this café's does not."""
        self._wire(ledger, key, Clock(self.config.timezone, None))
        self._thread = threading.Thread(target=self._work, name="terminal")

    def _config(self, folder: Path, language: Language, profile: str) -> Config:
        return parse(CONFIG.format(folder=folder, language=language.value, profile=profile))

    def _wire(self, ledger: Ledger, key: VenueKey, clock: Clock) -> None:
        self.terminal = Terminal(self.wiring, ledger, key, clock, Notifier({}), self.ear)
        self._control = ControlSocket(self.config.control.socket, self.terminal.post)

    def _work(self) -> None:
        self.terminal.run()

    def __enter__(self) -> Cafe:
        self._control.open()
        self._thread.start()
        self.reader.until_waited_for(PATIENCE_S)
        # A card that comes before the printer is ready is welcomed without a badge: let the café open first.
        self.ear.until(lambda _: self.terminal.state.spool.cause is None, PATIENCE_S)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.terminal.stop()
        self._thread.join(PATIENCE_S)
        self._control.close()
        self._folder.cleanup()

    def tap(self, number: int, patience_s: float = PATIENCE_S) -> Tap:
        """Let the member with this number tap, wait for what comes of it; raise `DeviceSilent` when that does not end."""
        member = self.members[number - 1]
        self.ear.clear()
        self.reader.tap(card_of(number))
        if not self.ear.until(_is_over, patience_s):
            raise DeviceSilent(f"tap {number} did not come to an end within {patience_s:g} s")
        return self._tap(member, self.ear.heard())

    def _tap(self, member: Member, heard: list[Event | Effect]) -> Tap:
        answers = [what for what in heard if isinstance(what, Answer)]
        queued = next((what.job for what in heard if isinstance(what, QueueBadge) and what.job.badge is not None), None)
        job = None if queued is None else queued.id
        ended = next((what for what in heard if isinstance(what, SetJob) and what.job == job and what.state.ended), None)
        sent = next((what.size for what in heard if isinstance(what, JobSent) and what.job == job), 0)
        introduction = None if queued is None or queued.badge is None else queued.badge.introduction
        lit = next((what.zone for what in heard if isinstance(what, LightZone)), None)
        return Tap(
            member=member.id,
            name=member.called,
            verdict_ms=round(self.terminal.verdict_ms or 0.0, 3),
            answers=[answer.words for answer in answers],
            match=None if introduction is None else introduction.partner,
            reason="" if introduction is None else introduction.reason,
            zone=lit,
            bytes=sent,
            job=job,
            job_state=None if queued is None else (ended.state.value if ended is not None else JobState.QUEUED.value),
        )


def _is_over(heard: list[Event | Effect]) -> bool:
    """Return whether nothing more comes of a tap: its badge ended, or no match and no badge is owed."""
    answers = {what.signal for what in heard if isinstance(what, Answer)}
    if not answers:
        return False
    if answers & {Signal.WELCOME, Signal.WELCOME_NO_BADGE}:
        jobs = {what.job.id for what in heard if isinstance(what, QueueBadge)}
        ended: set[JobId] = {what.job for what in heard if isinstance(what, SetJob) and what.state.ended}
        return bool(jobs) and (jobs <= ended or Signal.WELCOME_NO_BADGE in answers)
    return True


def unattended(cafe: Cafe, taps: int, out: Path) -> Iterator[Tap]:
    """Let so many different members tap, one after the other; each slip becomes a picture in the folder `out`."""
    done = []
    for number in range(1, taps + 1):
        before = len(cafe.printer.papers)
        tap = cafe.tap(number)
        for slip in cafe.printer.papers[before:]:
            (out / f"{number:02}-{tap.member}.png").write_bytes(slip.png())
        done.append(tap)
        yield tap
    summary = {
        "taps": len(done),
        "introduced": sum(tap.match is not None for tap in done),
        "not_yet": sum(tap.match is None for tap in done),
        "confirmed": sum(tap.job_state == JobState.CONFIRMED.value for tap in done),
        "each": done,
    }
    (out / "summary.json").write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")
