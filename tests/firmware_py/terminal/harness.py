"""A whole terminal on simulated devices in this process: its hands, what it did in which order, and its control socket."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self, TypeVar

from msgspec.structs import replace

from drivers.lights.fake import FakeLights
from drivers.ports import PresentedCard
from drivers.printers.fake import FakePrinter
from drivers.readers.fake import FakeReader
from drivers.sounders.fake import FakeSounder
from firmware_py.clock import Clock
from firmware_py.config import parse
from firmware_py.demo import card_of
from firmware_py.keys import VenueKey, key_path
from firmware_py.ledger import Ledger
from firmware_py.matching.embedded import EmbeddedMatching, Question
from firmware_py.terminal.control import ControlClient, ControlSocket
from firmware_py.terminal.loop import PRINTER, Terminal
from firmware_py.terminal.notify import Notifier
from firmware_py.terminal.supervise import Health, Watched
from firmware_py.wiring import Wiring
from kiosk.door import DoorState
from kiosk.effects import Answer, Effect, QueueBadge, SetJob
from kiosk.events import Event, MatchAnswered, PrinterChanged, TimePassed
from kiosk.jobs import Job, JobState
from kiosk.signals import Signal
from kiosk.values import Cause, Consents, Language, Member, MemberId, Now, TopicId, Visit

PATIENCE_S = 30.0
"""Far more than anything here takes."""

CAFE = """
[cafe]
name = "Kafé Provet"
language = "en"
closes = "04:00"
trust_clock = {trust}

[[zone]]
id = "library"
name = "Library"
symbol = "triangle"
colour = "blue"

[[zone]]
id = "window"
name = "Window"
symbol = "square"
colour = "green"

[door]
{rules}

[matching]
deadline_ms = {match_ms}

[ledger]
path = "{folder}/ledger.db"

[control]
socket = "{socket}"

[reader.door]
driver = "fake"
name = "{folder}"

[printer]
driver = "fake"
name = "{folder}"
{printer}

[lights]
driver = "fake"
name = "{folder}"

[sounder]
driver = "fake"
name = "{folder}"
"""

T = TypeVar("T")
What = Event | Effect


def person(number: int) -> Member:
    """Return a member whom anybody may be introduced to; the even ones offer what the odd ones seek, and the other way."""
    seeks, offers = ("dataanalys", "webdev") if number % 2 else ("webdev", "dataanalys")
    return Member(
        MemberId(f"p{number}"),
        f"Person {number}",
        Language.EN,
        seeks=(TopicId(seeks),),
        offers=(TopicId(offers),),
        consents=Consents(introductions=True, name=True, occupation=True, need=True),
    )


class Witness:
    """Hears all that the terminal does but the passing of time; `on` is called in the loop's thread, before it goes on."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._heard: list[What] = []
        self.on: Callable[[What], None] = lambda _: None

    def __call__(self, what: What) -> None:
        if not isinstance(what, TimePassed):
            self.on(what)
            with self._changed:
                self._heard.append(what)
                self._changed.notify_all()

    def of(self, kind: type[T]) -> list[T]:
        """Return what was heard of one kind."""
        with self._changed:
            return [what for what in self._heard if isinstance(what, kind)]

    def until(self, kind: type[T], seen: Callable[[T], bool] = lambda _: True, count: int = 1) -> list[T]:
        """Wait until so many of one kind were heard, and return them."""

        def found() -> list[T]:
            return [what for what in self._heard if isinstance(what, kind) and seen(what)]

        with self._changed:
            if not self._changed.wait_for(lambda: len(found()) >= count, PATIENCE_S):
                raise TimeoutError(f"{len(found())} of {count} {kind.__name__} in {PATIENCE_S} s; heard {self._heard}")
            return found()


class HastyClock(Clock):
    """A clock by which a test lets time pass at once: `ahead_ms` since the boot."""

    ahead_ms = 0

    def now(self) -> Now:
        """Return this moment, and so much more."""
        now = super().now()
        return replace(now, boot_ms=now.boot_ms + self.ahead_ms)


class GatedMatching(EmbeddedMatching):
    """Embedded matching that answers when its gate is open, and not before; or fails as `bug` says."""

    gate: threading.Event
    bug: Exception | None = None

    def answer(self, question: Question) -> MatchAnswered:
        """Answer, sooner or later."""
        if self.bug is not None:
            raise self.bug
        self.gate.wait()
        return super().answer(question)


class _Terminal(Terminal):
    gate: threading.Event
    bug: Exception | None = None

    def _matching(self) -> EmbeddedMatching:
        matching = GatedMatching(self._wiring.zones, self._wiring.vocabulary, self._ledger.reader)
        matching.gate, matching.bug = self.gate, self.bug
        return matching


class Door:
    """A terminal at work as long as it is used as a context manager; on the same folder it goes on where it ended.

    `rules` are keys of `[door]`; `printer`, `record`, `service` are further lines of `[printer]`, `[ledger]`, `[matching]`;
    `boot` is another boot's id; `trust` tells whether the wall clock is believed. `gate` lets matching answer; it has
    `match_ms` for that, as long as a busy machine needs where a test is about something else. It waits until reader and
    printer are open, unless told otherwise. Whoever leaves threads behind fails.
    """

    def __init__(
        self,
        folder: Path,
        *,
        wait: bool = True,
        people: int = 12,
        printer: str = "",
        record: str = "",
        service: str = "",
        match_ms: int = 60_000,
        trust: bool = True,
        boot: str | None = None,
        notifier: Notifier | None = None,
        bug: Exception | None = None,
        **rules: float,
    ) -> None:
        self._wait = wait
        self._run = TemporaryDirectory(prefix="fikatap-")  # a socket's path has at most 107 bytes
        self._before = set(threading.enumerate())
        text = CAFE.format(
            folder=folder,
            socket=f"{self._run.name}/control.sock",
            printer=printer,
            match_ms=match_ms,
            trust=str(trust).lower(),
            # A boot that is only told of is as old as the machine that plays it, so nobody stays too long by that.
            rules="\n".join(f"{key} = {value}" for key, value in {"max_stay_s": 600_000, **rules}.items()),
        )
        text = text.replace("[control]", f"{record}\n[control]").replace("[matching]", f"[matching]\n{service}")
        self.config = parse(text)
        self.socket = self.config.control.socket
        self.reader = FakeReader.hand(str(folder))
        self.printer = FakePrinter.hand(str(folder))
        self.lights = FakeLights.hand(str(folder))
        self.sounder = FakeSounder.hand(str(folder))
        self.seen = Witness()
        self.gate = threading.Event()
        self.gate.set()
        self.code: int | None = None
        self.error: BaseException | None = None
        ledger = Ledger.open(self.config.ledger.path, self.config.ledger.terminal)
        key = VenueKey(key_path(self.config.ledger.path)).open(ledger)
        ledger.put_members(person(number) for number in range(1, people + 1))
        for number in range(1, people + 1):
            ledger.bind_card(key.pseudonym(card_of(number).uid), person(number).id)
        self.clock = HastyClock(self.config.timezone, None if trust else folder / "synchronised", boot)
        self.terminal = _Terminal(Wiring(self.config), ledger, key, self.clock, notifier or Notifier({}), self.seen)
        self.terminal.gate, self.terminal.bug = self.gate, bug
        self.servant(PRINTER).idle_every_s = 0.05  # sees paper and cover at once
        self._control = ControlSocket(self.socket, self.terminal.post)
        self._thread = threading.Thread(target=self._work, name="terminal")

    def _work(self) -> None:
        try:
            self.code = self.terminal.run()
        except BaseException as error:  # noqa: BLE001  what ended the loop is what tests ask about
            self.error = error

    def __enter__(self) -> Self:
        self._control.open()
        self._thread.start()
        if self._wait:
            self.reader.until_waited_for(PATIENCE_S)
            self.until_printer(None)
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self.printer.go()
        self.stop()
        self._control.close()
        self.reader.resume()
        self._run.cleanup()
        left = [thread for thread in threading.enumerate() if thread not in self._before]
        for thread in left:
            if thread.ident is not None:  # else it is just being started
                thread.join(PATIENCE_S)
        assert not [thread.name for thread in left if thread.is_alive()]

    def stop(self) -> float:
        """Stop the terminal as a signal does, and return how many seconds its end took."""
        began = time.monotonic()
        self.terminal.stop()
        return self.ended() - began

    def ended(self) -> float:
        """Wait for the terminal's end, and return when it came, by `time.monotonic`."""
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive(), "the terminal did not end"
        return time.monotonic()

    def servant(self, lane: str) -> Any:
        """Return how a device is served, to make it more or less patient."""
        return self.watched(lane).lane.servant

    def watched(self, lane: str) -> Watched:
        """Return how a device stands."""
        return self.terminal._supervisor.watched[lane]

    @property
    def state(self) -> DoorState:
        """What the door knows."""
        return self.terminal.state

    def tap(self, *numbers: int) -> None:
        """Let members tap, one right after the other."""
        for number in numbers:
            self.reader.tap(card_of(number))

    def touch(self, uid: str) -> None:
        """Hold any card to the reader, by its UID in hex."""
        self.reader.tap(PresentedCard(uid=bytes.fromhex(uid)))

    def visit(self, number: int) -> Visit | None:
        """Return a member's open visit."""
        return self.state.visit_of(person(number).id)

    def until_answered(self, signal: Signal, count: int = 1) -> list[Answer]:
        """Wait until an answer was given."""
        return self.seen.until(Answer, lambda answer: answer.signal is signal, count)

    def until_jobs(self, state: JobState, count: int = 1) -> list[SetJob]:
        """Wait until so many badge jobs came into a state."""
        return self.seen.until(SetJob, lambda job: job.state is state, count)

    def until_printer(self, cause: Cause | None, count: int = 1) -> None:
        """Wait until the door heard how the printer is."""
        self.seen.until(PrinterChanged, lambda changed: changed.cause is cause, count)

    def until_holds(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until something holds that the terminal's own thread brings about."""
        until = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < until, what
            self.settle()

    def settle(self) -> None:
        """Let the terminal end what it is just at: all that comes of it is done by then, or is what it does next."""
        self.call("status")

    def until_health(self, lane: str, health: Health) -> None:
        """Wait until a device stands so, by what the terminal says of it."""
        self.until_holds(lambda: self.watched(lane).health is health, f"{lane} is not {health}")
        self.settle()

    def answers(self) -> list[Signal]:
        """Return all answers so far."""
        return [answer.signal for answer in self.seen.of(Answer)]

    def queued(self) -> list[Job]:
        """Return all badge jobs that were ordered so far."""
        return [queued.job for queued in self.seen.of(QueueBadge) if queued.job.badge is not None]

    def slips(self) -> list[Job]:
        """Return all other slips that were ordered so far, each as often as it took in more."""
        return [queued.job for queued in self.seen.of(QueueBadge) if queued.job.slip is not None]

    def client(self) -> ControlClient:
        """Return a connection to the control socket."""
        return ControlClient(self.socket, PATIENCE_S)

    def call(self, command: str, **arguments: Any) -> Any:
        """Carry out one command through the control socket."""
        with self.client() as client:
            return client.call(command, **arguments)
