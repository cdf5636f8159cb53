"""Virtual time, a seeded schedule, lanes without threads, and the things outside the box: cards, paper, power."""

from __future__ import annotations

import heapq
import queue
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import count
from math import inf
from random import Random
from typing import Any, NamedTuple, NoReturn

from msgspec import Struct

from drivers.errors import DeviceError, DeviceLost, DeviceMissing, DeviceRefused, DeviceSilent
from drivers.ports import CardReader, Lights, Paper, PresentedCard, Printer, PrinterStatus, Sounder, TornRead
from firmware_py.clock import EARLIEST_MS, Clock
from firmware_py.matching.embedded import MatchingServant
from firmware_py.terminal.lanes import Lane, LaneCrashed, LaneDown, LaneUp, Report
from firmware_py.terminal.servants import LightsServant, SounderServant
from kiosk.effects import Answer
from kiosk.jobs import Job
from kiosk.signals import Signal
from kiosk.values import Cause, Now, WallTime, ZoneId
from tests.simulation.disk import PowerCut

FRESH_MS, DOUBLE_MS = 60_000, 3_000
DAY_MS = 24 * 3600 * 1000
EPOCH_MS = 1_800_000_000_000


class Killed(BaseException):
    """The process was killed where it stood."""


class Page(NamedTuple):
    """A page that came out, whole or not, as the paper shows it."""

    text: str
    whole: bool
    at: int


class Expected(Struct):
    """A card that a reader handed over, and by when its visitor must have been answered."""

    reader: str
    member: int
    by: int
    needed: bool


class Acknowledged(NamedTuple):
    """A welcome: to whom, when, and how many changes the ledger had stored by then."""

    member: int
    at: int
    changes: int


class World:
    """Everything outside the program. All times are milliseconds since the schedule began."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.now = 0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._number = count()
        self.boot = 0
        self.boot_id = ""
        self.restless_until = 0.0
        """When the last accident is over that lasts, and staff has looked at what it was asked about."""
        self.boot_began: dict[str, int] = {}
        self.wall_offset = 0
        self.trusted = True
        self.alive = False
        self.points: dict[str, int] = {}
        self.aimed: dict[tuple[str, int], Callable[[], None]] = {}
        self.history: list[str] = []
        self.violations: list[str] = []
        self.readers = {name: ReaderWorld(self, name) for name in ("door", "back")}
        self.printer = PrinterWorld(self)
        self.lights_plugged = True
        self.stores = True
        """Whether the disk takes what is written."""
        self.expected: list[Expected] = []
        self.promised: dict[int, int] = {}
        """By when a member who was welcomed must hear of a match."""
        self.acknowledged: list[Acknowledged] = []
        self.stored: Callable[[], int] = lambda: 0
        """Tells how many changes the ledger has stored."""
        self.slips: set[str] = set()
        """Jobs that are no badges; nobody asks about them."""
        self.answers = 0
        self.taps = 0
        self.ends: Callable[[BaseException], None] = lambda _: None
        """Called when the process ends without its doing; its disk then takes no more from it."""
        self.lanes: list[SimLane] = []
        self.seen: dict[int, int] = {}
        self.today: dict[int, int] = {}
        """When each member's card was read first since the night."""

    # Time

    def after(self, ms: float, action: Callable[[], None]) -> None:
        """Do something later."""
        heapq.heappush(self._heap, (self.now + ms, next(self._number), action))

    def lasting(self, ms: float, action: Callable[[], None]) -> None:
        """Do something later; nothing is at rest before that."""
        self.trouble_for(ms)
        self.after(ms, action)

    def trouble_for(self, ms: float) -> None:
        """Note that something is wrong for so long."""
        self.restless_until = max(self.restless_until, self.now + ms)

    def advance(self, until: float, stop: Callable[[], object]) -> None:
        """Let time pass until then, or until `stop` says so."""
        pop = heapq.heappop
        while (heap := self._heap) and heap[0][0] <= until:
            at, _, action = pop(heap)
            if at > self.now:
                self.now = int(at)
            action()
            if stop():
                return
        self.now = max(self.now, int(until))

    def note(self, what: str) -> None:
        """Write down what happened, for who replays a seed."""
        self.history.append(f"{self.now:>8} {what}")

    def wrong(self, what: str) -> None:
        """Write down that a promise was broken."""
        self.note(f"VIOLATION {what}")
        self.violations.append(what)

    def point(self, name: str) -> None:
        """Pass a point of the program's activity, at which a fault may be aimed."""
        number = self.points[name] = self.points.get(name, 0) + 1
        action = self.aimed.pop((name, number), None)
        if action is not None:
            self.note(f"aimed at {name} {number}")
            action()

    def shift(self, ms: int) -> None:
        """Let so much time pass in which nothing happens: what was planned comes that much later."""
        self._heap = [(at + ms, number, action) for at, number, action in self._heap]
        self.now += ms
        self.restless_until += ms

    # The box

    def start_boot(self) -> None:
        """Power comes: a new boot."""
        self.boot += 1
        self.boot_id = f"boot{self.boot}"
        self.boot_began[self.boot_id] = self.now

    def power_cut(self) -> None:
        """Pull the plug, if it is in."""
        if self.alive:
            self.note("power cut")
            self.lose_power()

    def kill(self) -> None:
        """Kill the process, if it runs."""
        if self.alive:
            self.note("kill -9")
            self._end(Killed())

    def lose_power(self) -> NoReturn:
        """Be without power from here on: what the program still does on its way out reaches nothing."""
        self._end(PowerCut())

    def _end(self, how: BaseException) -> NoReturn:
        self.alive = False
        self.ends(how)
        raise how

    def died(self) -> None:
        """Forget what only the program knew: nobody is answered by a box without power."""
        self.alive = False
        for lane in self.lanes:
            lane.die()
        self.lanes.clear()
        self.printer.cut_off()
        self.expected.clear()
        self.promised.clear()
        for reader in self.readers.values():
            reader.opened.clear()

    def on_send(self, text: str) -> None:
        """A page's bytes begin: a badge must be fresh, and no second one unmarked."""
        job, visit, kind, copy, boot, queued = text.split()
        if kind != "badge":
            self.slips.add(job)
        if kind == "badge" and (boot != self.boot_id or self.boot_ms - int(queued) > FRESH_MS + 1_000):
            self.wrong(f"stale badge {job} of {visit}, ordered at {queued} of {boot}")
        if copy == "first" and any(f" {visit} {kind} first" in page.text for page in self.printer.pages) and kind == "badge":
            self.wrong(f"a second unmarked badge of {visit}: {job}")

    def on_card(self, reader: str, member: int, *, lying: bool) -> None:
        """A reader hands a card over (0: nobody can read it): unless it is the same tap once more, an answer is due."""
        self.today.setdefault(member, self.now)
        again = self.seen.get(member, -DAY_MS)
        self.seen[member] = self.now
        same_tap = member != 0 and self.now - again <= DOUBLE_MS + 500
        self.handed_over(reader, member, within=1_500, needed=not lying and not same_tap)

    @property
    def boot_ms(self) -> int:
        """Time since the boot, as the program sees it."""
        return self.now - self.boot_began[self.boot_id] + 5_000

    # What visitors see

    def handed_over(self, reader: str, member: int, *, within: int, needed: bool) -> None:
        """A reader gave a card to the program: an answer is due, or at least right."""
        self.expected.append(Expected(reader, member, self.now + within, needed))
        self.after(within, self._look_at_the_door)

    def _look_at_the_door(self) -> None:
        for each in [each for each in self.expected if each.by <= self.now]:
            self.expected.remove(each)
            if each.needed:
                self.wrong(f"person {each.member} at {each.reader} got no answer")
        for member in [member for member, by in self.promised.items() if by <= self.now]:
            del self.promised[member]
            self.wrong(f"person {member} heard nothing of a match")

    def heard(self, answer: Answer, match_ms: int) -> None:
        """A visitor hears an answer."""
        self.answers += 1
        words = answer.words.partition("Person ")[2]
        digits = "".join(char for char in words[:4] if char.isdigit())
        member = int(digits) if digits else 0
        if answer.signal in _FOLLOWS:
            self.promised.pop(member, None)
            return
        at_reader = [each for each in self.expected if each.reader == answer.reader]
        # Without a name it may be anybody's: rather the one's that has none, or that is needed.
        fitting = [each for each in at_reader if each.member == member] or [each for each in at_reader if not member]
        if fitting:
            self.expected.remove(next((each for each in fitting if each.needed), fitting[0]))
        else:
            self.wrong(f"{answer.signal} at {answer.reader} for person {member}, who did not tap")
        self.note(f"{answer.reader}: {answer.signal} {member or ''}")
        if answer.signal is Signal.GOODBYE and self.now - self.today.get(member, self.now) < 1_000:
            self.wrong(f"person {member} was checked out by the first tap of the day")
        if answer.signal in (Signal.WELCOME, Signal.WELCOME_NO_BADGE):
            self.acknowledged.append(Acknowledged(member, self.now, self.stored()))
            if member % 5 and self.stores:  # each fifth wants no introductions
                self.promised[member] = self.now + match_ms + 1_500
                self.after(match_ms + 1_500, self._look_at_the_door)


_FOLLOWS = (Signal.INTRODUCED, Signal.NOT_YET, Signal.NO_MATCH)


class SimClock(Clock):
    """The world's time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._asked: tuple[str, int, int | None] | None = None
        self._now = Now("", 0)

    def now(self) -> Now:
        """Return the world's moment: the same one as long as no time passes."""
        world = self._world
        asked = (world.boot_id, world.now, world.wall_offset if world.trusted else None)
        if asked != self._asked:
            self._asked = asked
            self._now = Now(world.boot_id, world.boot_ms, self._wall() if world.trusted else None)
        return self._now

    def _wall(self) -> WallTime | None:
        utc = EPOCH_MS + self._world.now + self._world.wall_offset
        if utc < EARLIEST_MS:
            return None
        local = utc + 3_600_000
        return WallTime(utc, local // DAY_MS, local % DAY_MS // 60_000)


class SimInbox:
    """Where the loop waits: waiting lets the world go on."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._items: deque[Any] = deque()

    def put(self, item: Any, /) -> None:
        """Add a message."""
        self._items.append(item)

    def get(self, *, timeout: float) -> Any:
        """Return the next message; let so much time pass at most."""
        if not self._items:
            self._world.advance(self._world.now + timeout * 1000, self._items.__len__)
        if not self._items:
            raise queue.Empty
        self._world.point("turn")
        return self._items.popleft()

    def empty(self) -> bool:
        """Tell whether no message waits."""
        return not self._items


class SimLane(Lane[Any]):
    """A lane without a thread: what its device does takes virtual time, and ends when the world says so."""

    def __init__(self, world: World, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._world = world
        self._life: _Life | None = None
        self._given_up: list[_Life] = []
        world.lanes.append(self)

    def start(self) -> None:
        self.generation += 1
        self.calls = deque()
        self._life = _Life(self._world, self, self.generation, self.calls)
        self._world.after(self._world.rng.randint(1, 40), self._life.open)

    def submit(self, call: Any) -> None:
        if self._newest_only:
            while len(self.calls) > 1:
                self.calls.pop()
        self.calls.append(call)
        if self.name == "sounder" and isinstance(call, Answer):
            self._world.heard(call, 800)
            self._world.point("answered")
        if self._life is not None:
            self._life.wake()

    def wait_for(self, done: threading.Event, timeout: float) -> None:
        self._world.advance(self._world.now + timeout * 1000, done.is_set)

    def overdue(self) -> bool:
        life = self._life
        if life is None or life.busy_since is None:
            return False
        return self._world.now - life.busy_since > self.servant.deadline_s(life.busy_with) * 1000

    def abandon(self) -> list[Any]:
        self.generation += 1
        unfinished = list(self.calls)
        self.calls = deque()
        if self._life is not None:
            self._life.abandon()
            self._world.note(f"{self.name} is abandoned")
            self._given_up.append(self._life)
        self._life = None
        return unfinished

    def freed(self) -> bool:
        return bool(self._given_up) and self._given_up[-1].ended

    def ask_to_stop(self) -> None:
        if self._life is not None:
            self._life.stopped = True
            self._life.wake()

    def join(self, timeout: float) -> bool:  # noqa: ARG002 - the lane's signature
        return True

    def die(self) -> None:
        """End with the process."""
        for life in (*self._given_up, self._life):
            if life is not None:
                life.dead = True


class _Life:
    """One generation of a lane: its device, and what it is at."""

    def __init__(self, world: World, lane: SimLane, generation: int, calls: deque[Any]) -> None:
        self._world, self._lane, self._generation, self._calls = world, lane, generation, calls
        self._device: Any = None
        self._coming = 0
        """The round that is to come; one that was overtaken by an earlier one is none."""
        self.busy_since: int | None = world.now
        self.busy_with: Any = None
        self.stopped = self.dead = False

    def open(self) -> None:
        if self.dead:
            return
        lane = self._lane
        device = lane._make()
        if (again := _hangs(device)) > 0:
            self._world.after(again, self.open)
            return
        if self.stopped:
            self.busy_since = None
            return
        try:
            device.open()
            news = list(lane.servant.opened(device))
            self._post(LaneUp(device.describe()))
            for event in news:
                self._post(event)
        except DeviceError as error:
            device.close()
            self.busy_since = None
            self._post(LaneDown(error))
            return
        self._device = device
        self.busy_since = None
        self.wake()

    @property
    def ended(self) -> bool:
        """Whether the device is closed."""
        return self._device is None and self.busy_since is None

    def abandon(self) -> None:
        """Be given up: it may still come back from where it hangs, and say something."""
        self.stopped = True
        if self._device is not None:
            self._device.abandoned = True

    def wake(self) -> None:
        """Do a round now, unless one is under way."""
        if self._device is not None and self.busy_since is None:
            self._plan_round(0)

    def _plan_round(self, ms: float) -> None:
        self._coming += 1
        self._world.after(ms, partial(self._round, self._coming))

    def _round(self, number: int) -> None:
        if number != self._coming or self.dead or self._device is None or self.busy_since is not None:
            return
        if self.stopped:
            self._device.close()
            self._device = None
            return
        call = self._calls[0] if self._calls else None
        if call is None and self._lane.servant.waits and not self._device.has_news(self.wake):
            return
        self.busy_since, self.busy_with = self._world.now, call
        self._world.after(_lasts(self._device, call), lambda: self._finish(call))

    def _finish(self, call: Any) -> None:
        if self.dead or self._device is None:
            return
        if (again := _hangs(self._device)) > 0:
            self._world.after(again, lambda: self._finish(call))
            return
        servant = self._lane.servant
        try:
            serving = servant.idle(self._device, 0) if call is None else servant.serve(self._device, call)
            for item in serving:
                self._post(item)
        except DeviceError as error:
            self._device.close()
            self._device = None
            self.busy_since = None
            self._post(LaneDown(error))
            return
        except Exception as error:  # noqa: BLE001 - as the real lane does: the loop must hear of it
            self._device = None
            self.busy_since = None
            self._post(LaneCrashed(error))
            return
        if self._calls and self._calls[0] is call:
            self._calls.popleft()
        self.busy_since, self.busy_with = None, None
        if self._calls or servant.waits or self.stopped:
            self.wake()
        elif type(servant).idle not in _DO_NOTHING:
            self._plan_round(servant.idle_every_s * 1000)

    def _post(self, item: Any) -> None:
        report = Report(self._lane.name, self._generation, item, 0.0)
        self._lane._post(report)
        printer = self._world.printer
        if self._lane.name == "printer" and printer.repeats and not isinstance(item, LaneUp | LaneDown):
            printer.repeats -= 1
            self._world.note(f"repeated: {type(item).__name__}")
            self._world.after(self._world.rng.randint(0, 3_000), lambda: None if self.dead else self._lane._post(report))


_DO_NOTHING = frozenset({LightsServant.idle, SounderServant.idle, MatchingServant.idle})
"""Rounds that need not be simulated."""


def _lasts(device: Any, call: Any) -> float:
    lasts = getattr(device, "lasts", None)
    return 1.0 if lasts is None else lasts(call)


def _hangs(device: Any) -> float:
    return max(0.0, getattr(device, "hangs_until", -inf) - device.now) if hasattr(device, "hangs_until") else 0.0


class ReaderWorld:
    """A reader and the cards that people hold to it; whoever has it open hears of each."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.plugged = True
        self.hangs_until = 0
        self.opened: list[SimReader] = []
        self.last: Held | None = None

    def hold(self, member: int, *, torn: bool = False, ms: int = 600) -> None:
        """Hold a member's card to the reader; nobody hears of it while the reader is not open."""
        self.world.note(f"{self.name}: person {member} holds a card" + (" too shortly" if torn else ""))
        self.world.taps += 1
        self.world.trouble_for(0)
        if self.plugged:
            self.last = Held(member, torn, self.world.now + ms)
            for reader in self.opened:
                reader.see(self.last)

    def unplug(self, ms: int) -> None:
        """Pull the reader's cable for so long."""
        self.world.note(f"{self.name} is unplugged")
        self.plugged = False
        self.last = None
        for reader in self.opened:
            reader.wake()
        self.world.lasting(ms, self._plug)

    def _plug(self) -> None:
        self.plugged = True

    def hang(self, ms: int) -> None:
        """Let the reader's daemon hang for so long."""
        self.world.note(f"{self.name} hangs")
        self.hangs_until = max(self.hangs_until, self.world.now + ms)
        self.world.trouble_for(ms)
        for reader in self.opened:
            reader.wake()


class Held(NamedTuple):
    """A card held to a reader: whose, whether it goes too soon, and until when it lies there."""

    member: int
    torn: bool
    until: int


class SimReader(CardReader):
    """The driver's side of a reader."""

    def __init__(self, outside: ReaderWorld) -> None:
        self._outside = outside
        self._waiting: deque[Held] = deque()
        self._lying = False
        self.abandoned = False
        self.wake: Callable[[], None] = lambda: None

    @property
    def now(self) -> int:
        return self._outside.world.now

    @property
    def hangs_until(self) -> int:
        return self._outside.hangs_until

    def open(self) -> None:
        outside = self._outside
        if not outside.plugged:
            raise DeviceMissing("no reader")
        if outside.last is not None and outside.last.until > self.now:
            self._waiting.append(outside.last)
            self._lying = True
        outside.opened.append(self)

    def close(self) -> None:
        if self in self._outside.opened:
            self._outside.opened.remove(self)

    def describe(self) -> str:
        return "reader"

    def see(self, held: Held) -> None:
        """Notice a card."""
        self._waiting.append(held)
        self.wake()

    def has_news(self, wake: Callable[[], None]) -> bool:
        """Tell whether there is something to hear of, and call `wake` when there will be."""
        self.wake = wake
        return bool(self._waiting) or not self._outside.plugged or self.hangs_until > self.now

    def lasts(self, _: Any) -> float:
        return self._outside.world.rng.randint(20, 120)

    def wait_for_card(self, timeout: float) -> PresentedCard | TornRead | None:  # noqa: ARG002 - the port's signature
        outside, world = self._outside, self._outside.world
        if not outside.plugged:
            raise DeviceLost("the reader is unplugged")
        if not self._waiting:
            return None
        held = self._waiting.popleft()
        lying, self._lying = self._lying, False
        if self.abandoned:
            world.note(f"{outside.name}: an abandoned lane reads person {held.member}")
        else:
            world.point("read")
            world.on_card(outside.name, 0 if held.torn else held.member, lying=lying)
        return TornRead() if held.torn else PresentedCard(uid=card_uid(held.member), lying=lying)


def page_text(job: Job) -> str:
    """Return what stands for a job's page on the paper: id, visit, kind, copy or not, and when it was ordered.

    Another introduction in the same visit is another badge, so the visit has the partner with it.
    """
    kind = "badge" if job.slip is None else job.slip.kind.value
    copy = "copy" if job.page.copy else "first"
    meet = None if job.badge is None else job.badge.introduction
    whose = (job.visit or "-") if meet is None else f"{job.visit}/{meet.partner.replace(' ', '_')}"
    return f"{job.id} {whose} {kind} {copy} {job.queued.boot_id} {job.queued.boot_ms}"


def card_uid(member: int) -> bytes:
    """Return the UID of a made-up member's card."""
    return bytes([4, 0, 0, 0, 0, member >> 8, member & 255])


class PrinterWorld:
    """A printer and its paper."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.pages: list[Page] = []
        self.plugged = True
        self.paper = True
        self.muted = False
        self.hangs_until = 0
        self.repeats = 0
        self.busy: tuple[str, int, int] | None = None
        """The page under way: its text, its process id, and when it is out."""
        self.completed: list[int] = []
        """Process ids that it will tell of, or has told of, oldest first; a late one of an earlier life is among them."""
        self.process_ids: dict[int, str] = {}
        self.sending: str | None = None
        """The page whose bytes are on their way."""

    def begun(self) -> list[str]:
        """Return what is on paper, and what is on its way there."""
        under_way = (self.sending, None if self.busy is None else self.busy[0])
        return [*(page.text for page in self.pages), *(text for text in under_way if text is not None)]

    def cut_off(self) -> None:
        """Lose the box in the middle of a page's bytes."""
        if self.sending is not None and self.world.rng.random() < 0.7:
            self.pages.append(Page(self.sending, whole=False, at=self.world.now))
        self.sending = None

    def begin(self, text: str, process_id: int) -> None:
        """Take a page."""
        self.settle()
        if self.busy is not None:  # it has the rest of the page before in its buffer
            self.busy = (*self.busy[:2], self.world.now)
            self.settle()
        known = self.process_ids.setdefault(process_id, text)
        if known != text:
            self.world.wrong(f"process id {process_id} was used for {known} and for {text}")
        self.busy = (text, process_id, self.world.now + self.world.rng.randint(700, 2_500))

    def settle(self) -> None:
        """Let what is due be on paper."""
        if self.busy is not None and self.busy[2] <= self.world.now:
            text, process_id, at = self.busy
            self.busy = None
            self.pages.append(Page(text, whole=True, at=at))
            self.completed.append(process_id)
            self.world.note(f"paper: {text}")

    def spoil(self, why: str) -> None:
        """End the page under way in the middle."""
        self.settle()
        if self.busy is not None:
            self.world.note(f"half a page, {why}: {self.busy[0]}")
            self.pages.append(Page(self.busy[0], whole=False, at=self.world.now))
            self.busy = None

    def paper_out(self, ms: int) -> None:
        """Let the roll end; staff changes it after a while."""
        self.world.note("paper out")
        self.spoil("no paper")
        self.paper = False
        self.world.lasting(ms, self._paper_in)

    def _paper_in(self) -> None:
        self.world.note("paper in")
        self.paper = True

    def mute(self, ms: int) -> None:
        """Let it say nothing for so long; it prints all the same."""
        self.world.note("the printer is mute")
        self.muted = True
        self.world.lasting(ms, self._unmute)

    def _unmute(self) -> None:
        self.muted = False

    def unplug(self, ms: int) -> None:
        """Switch the printer off and on."""
        self.world.note("the printer is off")
        self.spoil("no power")
        self.plugged = False
        self.world.lasting(ms, self._plug)

    def _plug(self) -> None:
        self.plugged = True

    def hang(self, ms: int) -> None:
        """Let every call to it hang for so long."""
        self.world.note("the printer hangs")
        self.hangs_until = max(self.hangs_until, self.world.now + ms)
        self.world.trouble_for(ms)


class SimPrinter(Printer):
    """The driver's side of the printer."""

    def __init__(self, outside: PrinterWorld) -> None:
        self._outside = outside

    @property
    def now(self) -> int:
        return self._outside.world.now

    @property
    def hangs_until(self) -> int:
        return self._outside.hangs_until

    @property
    def profile(self) -> str:
        return "generic-58"

    def lasts(self, call: Any) -> float:
        name = type(call).__name__
        rng = self._outside.world.rng
        if name == "SendJob":
            self._outside.sending = page_text(call.job)
            self._outside.world.on_send(self._outside.sending)
            self._outside.world.point("send")
            return rng.randint(50, 900)
        if name == "AwaitJob":
            self._outside.world.point("await")
            outside = self._outside
            if outside.muted:
                return 30_000
            return max(5, outside.busy[2] - self.now) if outside.busy is not None else 5
        return rng.randint(2, 20)

    def open(self) -> None:
        if not self._outside.plugged:
            raise DeviceMissing("no printer")

    def close(self) -> None:
        pass

    def describe(self) -> str:
        return "printer"

    def _reach(self) -> None:
        self._outside.settle()
        if not self._outside.plugged:
            raise DeviceLost("the printer is off")

    def status(self) -> PrinterStatus:
        self._reach()
        if self._outside.muted:
            raise DeviceSilent("the printer is mute")
        return PrinterStatus(Paper.ENOUGH) if self._outside.paper else PrinterStatus(Paper.OUT, Cause.PAPER_OUT)

    def send(self, page: bytes, process_id: int) -> None:
        self._reach()
        outside = self._outside
        text = page.decode()
        outside.sending = None
        outside.begin(text, process_id)
        outside.world.point("sent")
        self._reach()
        if not outside.paper:
            outside.spoil("no paper")
            raise DeviceRefused("no paper", Cause.PAPER_OUT)

    def wait_printed(self, process_id: int, timeout: float) -> bool:  # noqa: ARG002 - the port's signature
        self._reach()
        outside = self._outside
        if process_id in outside.completed and not outside.muted:
            outside.world.point("printed")
            return True
        if not outside.paper:
            raise DeviceRefused("no paper", Cause.PAPER_OUT)
        raise DeviceSilent("the printer did not say that the page is printed")


class SimLights(Lights):
    """Lights that may go away."""

    def __init__(self, world: World) -> None:
        self._world = world

    def open(self) -> None:
        if not self._world.lights_plugged:
            raise DeviceMissing("no lights")

    def close(self) -> None:
        pass

    def describe(self) -> str:
        return "lights"

    def signal(self, signal: Signal) -> None:  # noqa: ARG002 - the port's signature
        self._reach()

    def zone(self, zone: ZoneId, seconds: float) -> None:  # noqa: ARG002 - ditto
        self._reach()

    def lit(self) -> frozenset[str]:
        return frozenset()

    def _reach(self) -> None:
        if not self._world.lights_plugged:
            raise DeviceLost("the lights are gone")


class SimSounder(Sounder):
    """A sounder that always works."""

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def describe(self) -> str:
        return "sounder"

    def play(self, signal: Signal) -> None:
        pass
