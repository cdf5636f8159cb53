"""Fault schedules: one seed makes one café's morning with its accidents; `python -m tests.simulation SEED` replays one."""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import apsw
from msgspec import Struct
from msgspec.structs import replace

from firmware_py.config import Chosen, Config, parse
from firmware_py.keys import VenueKey, key_path
from firmware_py.ledger import Ledger, LedgerError
from firmware_py.terminal.loop import Fed, Terminal
from firmware_py.terminal.notify import Notifier
from firmware_py.wiring import Wiring
from kiosk.effects import Effect, QueueBadge, SetJob, TellStaff
from kiosk.events import Event, JobJudged, Started
from kiosk.house import House
from kiosk.jobs import Job, JobState
from kiosk.values import Consents, JobId, Language, Member, MemberId, TopicId
from tests.simulation.disk import PowerCut, VolatileDisk, in_memory, volatile_disk
from tests.simulation.world import (
    FRESH_MS,
    Killed,
    SimClock,
    SimInbox,
    SimLane,
    SimLights,
    SimPrinter,
    SimReader,
    SimSounder,
    World,
    card_uid,
    page_text,
)

PEOPLE = 14
TAPS = 20
MORNING_MS = 150_000
QUIET_MS = 100_000
"""After the last accident everything must come to rest within this."""
POINTS = ("before sync", "after sync", "turn", "read", "answered", "send", "sent", "await", "printed")
"""Where accidents are aimed at."""

CONFIG = """
[cafe]
name = "Kafé Provet"
language = "en"
closes = "04:00"
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
badge_fresh_s = 60
checkout_after_s = 40
[reader.door]
driver = "fake"
[reader.back]
driver = "fake"
[printer]
driver = "fake"
[lights]
driver = "fake"
[sounder]
driver = "fake"
"""


class Outcome(Struct):
    """What came of one schedule."""

    seed: int
    violations: list[str]
    history: list[str]
    counts: Counter[str]


class SimWiring(Wiring):
    """The real wiring; what a page looks like is of no interest here."""

    house_of: House | None = None

    def house(self, prefix: str) -> House:
        """Return the house, read from the package's data once."""
        if self.house_of is None:
            self.house_of = super().house(prefix)
        return replace(self.house_of, prefix=prefix)

    def render(self, job: Job, profile_name: str) -> bytes:  # noqa: ARG002 - all pages are the same here
        """Return what stands for the page."""
        return page_text(job).encode()


def person(number: int) -> Member:
    """Return a member whom anybody may be introduced to."""
    seeks, offers = ("dataanalys", "webdev") if number % 2 else ("webdev", "dataanalys")
    return Member(
        MemberId(f"p{number}"),
        f"Person {number}",
        Language.EN,
        seeks=(TopicId(seeks),),
        offers=(TopicId(offers),),
        consents=Consents(introductions=number % 5 != 0, name=True, occupation=True, need=True),
    )


class _Cafe:
    """What all schedules of a process share: the wiring, the key and a ledger with members to copy."""

    def __init__(self) -> None:
        self.disk: VolatileDisk = volatile_disk()
        self._folder = TemporaryDirectory(dir=in_memory(), prefix="fikatap-")
        self.path = Path(self._folder.name) / "ledger.db"
        self.config: Config = parse(CONFIG)
        self.wiring = SimWiring(self.config)
        ledger = Ledger.open(self.path)
        self.key = VenueKey(key_path(self.path)).open(ledger)
        ledger.put_members(person(number) for number in range(1, PEOPLE + 1))
        for number in range(1, PEOPLE + 1):
            ledger.bind_card(self.key.pseudonym(card_uid(number)), person(number).id)
        ledger.close()


@cache
def cafe() -> _Cafe:
    """Return this process's café."""
    return _Cafe()


class Schedule:
    """One schedule: taps on two readers, accidents aimed at what the program does, restarts, and what must hold."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.cafe = cafe()
        self.seed = seed
        self.world = World(seed)
        self.rng = Random(seed * 2 + 1)
        self.path = folder / "ledger.db"
        shutil.copyfile(self.cafe.path, self.path)
        self.counts: Counter[str] = Counter()
        self.restarts = 0
        self.over = False
        self._terminal: Terminal | None = None
        self._asked: set[JobId] = set()
        world = self.world
        config = replace(
            self.cafe.config,
            ledger=replace(self.cafe.config.ledger, path=self.path),
            readers={name: _chosen(partial(SimReader, reader)) for name, reader in world.readers.items()},
            printer=_chosen(partial(SimPrinter, world.printer)),
            lights=_chosen(partial(SimLights, world)),
            sounder=_chosen(SimSounder),
        )
        self.wiring = SimWiring(config)
        self.wiring.house_of = self.cafe.wiring.house("")
        self.wiring.texts = self.cafe.wiring.texts

    # The plan

    def plan(self) -> None:
        """Decide who taps when, and what goes wrong."""
        rng, world = self.rng, self.world
        moments = sorted(rng.randint(500, MORNING_MS) for _ in range(TAPS + rng.randint(0, 8)))
        for at in moments:
            member = rng.randint(1, PEOPLE)
            reader = rng.choice(("door", "back"))
            world.after(at, partial(self._tap, reader, member))
        accidents = [self._accident() for _ in range(rng.randint(3, 6))]
        for accident in accidents:
            if rng.random() < 0.7:
                point = (rng.choice(POINTS), rng.randint(1, 40))
                world.aimed[point] = accident
            else:
                world.after(rng.choice(moments) + rng.randint(-50, 1_500), accident)
        # At least one restart in each schedule.
        world.after(
            rng.randint(MORNING_MS // 2, MORNING_MS), rng.choice((world.power_cut, world.kill, self._systemctl_restart))
        )
        world.after(MORNING_MS + QUIET_MS, self._end)

    def _tap(self, reader: str, member: int) -> None:
        outside, rng = self.world.readers[reader], self.rng
        kind = rng.random()
        if kind < 0.06:
            outside.hold(member, torn=True)
            self.counts["torn"] += 1
        elif kind < 0.14:
            # Somebody else's card right after it, while the box is busy with the first.
            outside.hold(member)
            other = member % PEOPLE + 1
            self.world.after(rng.randint(1, 150), partial(outside.hold, other))
            self.counts["swaps"] += 1
        elif kind < 0.2:
            outside.hold(member)
            self.world.after(rng.randint(300, 2_000), partial(outside.hold, member))
            self.counts["double taps"] += 1
        else:
            outside.hold(member, ms=rng.choice((600, 600, 5_000)))

    def _accident(self) -> Any:
        rng, world, disk = self.rng, self.world, self.cafe.disk
        readers = list(world.readers.values())
        lasting = rng.choice((300, 2_000, 8_000, 20_000))
        kinds: dict[str, Any] = {
            "power cut": world.power_cut,
            "power cut in the next sync": lambda: world.aimed.setdefault(
                (rng.choice(("before sync", "after sync")), world.points.get("before sync", 0) + 1), world.power_cut
            ),
            "kill": world.kill,
            "night": self._night,
            "reader unplugged": lambda: rng.choice(readers).unplug(lasting),
            "reader hangs": lambda: rng.choice(readers).hang(lasting),
            "printer off": lambda: world.printer.unplug(lasting),
            "printer hangs": lambda: world.printer.hang(rng.choice((8_000, 40_000, 200_000))),
            "paper out": lambda: world.printer.paper_out(rng.choice((3_000, 20_000, 90_000))),
            "printer mute": lambda: world.printer.mute(rng.choice((2_000, 40_000))),
            "replies repeated": lambda: setattr(world.printer, "repeats", rng.randint(1, 6)),
            "lights gone": lambda: self._lights(lasting),
            "disk full": lambda: self._disk_fault(disk, "fault", apsw.FullError, lasting),
            "disk broken": lambda: self._disk_fault(disk, "sync_fault", apsw.IOError, lasting),
            "clock jump": self._clock_jump,
        }
        name = rng.choice(sorted(kinds))

        def happen() -> None:
            self.counts[name] += 1
            if not self.over:
                kinds[name]()

        return happen

    def _lights(self, ms: int) -> None:
        self.world.note("lights gone")
        self.world.lights_plugged = False
        self.world.after(ms, lambda: setattr(self.world, "lights_plugged", True))

    def _disk_fault(self, disk: VolatileDisk, kind: str, error: type[apsw.Error], ms: int) -> None:
        self.world.note(f"disk: {error.__name__}")
        setattr(disk, kind, error)
        world = self.world
        world.stores = False
        world.promised.clear()  # who was welcomed just now keeps the check-in; no match can be stored

        def end() -> None:
            setattr(disk, kind, None)
            world.stores = disk.fault is None and disk.sync_fault is None

        world.after(ms, end)

    def _clock_jump(self) -> None:
        world = self.world
        world.trusted = True
        world.wall_offset += self.rng.choice((-3_600_000, 7_200_000, 45_000))
        world.note("the clock jumps")

    def _night(self) -> None:
        """Pull the plug in the evening; the next morning the box knows the time only perhaps."""
        world = self.world
        if not world.alive:
            return
        self.night = True
        world.note("night")
        raise PowerCut

    def _systemctl_restart(self) -> None:
        if self._terminal is not None:
            self.world.note("systemctl restart")
            self._terminal.stop()

    def _end(self) -> None:
        self.over = True
        self.world.note("the end")
        if self._terminal is not None:
            self._terminal.stop()

    # The box

    night = False

    def run(self) -> Outcome:
        """Let it all happen, and look at what must hold."""
        world, disk = self.world, self.cafe.disk
        disk.new()
        disk.synced = lambda when: world.point(f"{when} sync")
        self.plan()
        world.start_boot()
        while not self.over:
            self._live()
        disk.fault = disk.sync_fault = None
        disk.synced = lambda _: None
        world.printer.settle()
        self._judge()
        self.counts["taps"] += world.taps
        self.counts["check-ins acknowledged"] += len(world.acknowledged)
        self.counts["restarts"] += self.restarts
        self.counts["badges on paper"] += sum(page.whole for page in world.printer.pages)
        self.counts["schedules"] += 1
        return Outcome(self.seed, world.violations, world.history, self.counts)

    def _live(self) -> None:
        """Run the program once, from its start to its end, and wait for the next start."""
        world, disk = self.world, self.cafe.disk
        ledger: Ledger | None = None
        world.alive = True
        rests = 250
        try:
            ledger = Ledger.open(self.path)
            self._terminal = Terminal(
                self.wiring,
                ledger,
                self.cafe.key,
                SimClock(world),
                Notifier({}),
                self._observe,
                lane=partial(SimLane, world),
                inbox=SimInbox(world),
            )
            self._terminal.run()
        except PowerCut:
            world.alive = False
            disk.dead = True
            if ledger is not None:
                ledger.close()
            world.died()
            self._close_readers()
            disk.cut(self.rng)
            rests = self._boot_anew()
        except LedgerError as error:
            world.note(f"no start: {error}")
        except Killed:
            pass
        finally:
            world.died()
            if ledger is not None:
                ledger.close()
            self._close_readers()
            self._terminal = None
        self.restarts += 1
        self._rest(rests)

    def _close_readers(self) -> None:
        """Close what connections the process left open, as its end does."""
        for connection in apsw.connections():
            if self.cafe.disk.dead or connection.filename.startswith(str(self.path)):
                with suppress(apsw.Error):
                    connection.close(True)

    def _boot_anew(self) -> int:
        world = self.world
        rests = 24 * 3_600_000 if self.night else self.rng.choice((3_000, 15_000))
        if self.night:
            self.counts["next mornings"] += 1
        self.night = False
        world.trusted = self.rng.random() < 0.5
        self._new_boot = True
        if rests > world.rng.randint(0, 1):
            world.printer.settle()
        return rests

    _new_boot = False

    def _rest(self, ms: int) -> None:
        """Let time pass without the program: people go on tapping at a dark door."""
        world = self.world
        if ms > 3_600_000:
            world.today.clear()
            # Nobody is there at night; what was planned for the morning comes in the morning.
            world.shift(ms)
        else:
            world.advance(world.now + ms, lambda: self.over)
        if self._new_boot:
            world.start_boot()
            self._new_boot = False

    def _observe(self, what: Event | Effect) -> None:
        if isinstance(what, TellStaff) and what.job is not None:
            if what.job not in self._asked:
                self._asked.add(what.job)
                self.world.after(self.rng.choice((4_000, 30_000)), partial(self._staff_looks, what.job))
        elif isinstance(what, QueueBadge):
            if what.job.slip is not None:
                self.world.slips.add(what.job.id)
            self.world.note(f"job {what.job.id}: queued {page_text(what.job).split()[2]}")
        elif isinstance(what, Started):
            self.world.slips |= {job.id for job in what.jobs if job.slip is not None}
            self.world.note(f"started: {what.fact()}")
        elif isinstance(what, SetJob):
            self.world.note(f"job {what.job}: {what.state} {what.cause or ''}")
            if what.state is JobState.CONFIRMED and what.job not in self._asked and not self._on_paper(what.job):
                self.world.wrong(f"job {what.job} is called printed before it is on paper")

    def _staff_looks(self, job_id: JobId) -> None:
        """Staff looks at the printer and says what is there."""
        terminal = self._terminal
        if terminal is None or self.rng.random() < 0.3:
            return
        job = terminal._ledger.job(job_id)
        if job is None or job.state is not JobState.UNKNOWN:
            return
        printed = self._on_paper(job_id)
        self.world.note(f"staff: {job_id} is {'there' if printed else 'missing'}")
        terminal.post(Fed(JobJudged(job, printed)))

    def _on_paper(self, job: JobId) -> bool:
        self.world.printer.settle()
        return any(page.whole and page.text.startswith(f"{job} ") for page in self.world.printer.pages)

    # What must hold

    def _judge(self) -> None:
        world = self.world
        ledger = Ledger.open(self.path)
        try:
            run = ledger._connection.execute
            if run("PRAGMA integrity_check").fetchall() != [("ok",)]:
                world.wrong("the ledger is damaged")
            self._judge_visits(run)
            self._judge_jobs(run)
        finally:
            ledger.close()

    def _judge_visits(self, run: Any) -> None:
        world = self.world
        stored: dict[int, list[tuple[int, int | None, int]]] = {}
        rows = run("SELECT member, boot_id, boot_ms, opened_seq, closed_seq FROM visits ORDER BY opened_seq").fetchall()
        for member, boot_id, boot_ms, opened, closed in rows:
            at = world.boot_began[boot_id] + boot_ms - 5_000
            stored.setdefault(int(member[1:]), []).append((opened, closed, at))
        for member, visits in stored.items():
            for before, after in pairwise(visits):
                if before[1] is None or before[1] > after[0]:
                    world.wrong(f"person {member} is checked in twice")
        for member, at in world.acknowledged:
            if not any(abs(opened_at - at) <= 2 for _, _, opened_at in stored.get(member, ())):
                world.wrong(f"the check-in of person {member} at {at} is lost")

    def _judge_jobs(self, run: Any) -> None:
        world = self.world
        whole = Counter(page.text.split()[0] for page in world.printer.pages if page.whole)
        told = {row[0] for row in run("SELECT job FROM notices WHERE job IS NOT NULL")}
        now = world.boot_ms
        stored = {row[0] for row in run("SELECT id FROM jobs")}
        for page in world.printer.pages:
            if " badge " in page.text and page.text.split()[0] not in stored:
                world.wrong(f"{page.text} was printed and is in no ledger")
        for job, state, cause, queued in run("SELECT id, state, cause, badge ->> '$.queued.boot_ms' FROM jobs").fetchall():
            self.counts[f"jobs {state}"] += 1
            # A copy that staff asked for late; what is for staff waits for as long as the printer hangs.
            waits = state == "queued" and (now - queued < FRESH_MS or world.printer.hangs_until > world.now)
            if state in ("queued", "sending", "sent") and not waits:
                world.wrong(f"job {job} is still {state}")
            if state == "confirmed" and not whole[job] and job not in self._asked:
                world.wrong(f"job {job} is called printed and is on no paper")
            if state in ("failed", "unknown", "expired") and cause is None:
                world.wrong(f"job {job} is {state} for no reason")
            if (
                state in ("failed", "unknown", "expired")
                and cause not in ("left", "cannot_tell")
                and job not in told | world.slips
            ):
                world.wrong(f"job {job} is {state} and nobody was told")
            if whole[job] > 1:
                world.wrong(f"job {job} was printed {whole[job]} times")


def _chosen(make: Any) -> Chosen:
    return Chosen("simulated", lambda _: make(), None)  # type: ignore[arg-type]  # what is called to make a device


@contextmanager
def silence() -> Iterator[None]:
    """Keep the terminal's log quiet: in a schedule everything goes wrong."""
    log = logging.getLogger("fikatap")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def play(seed: int) -> Outcome:
    """Play one schedule."""
    with silence(), TemporaryDirectory(dir=in_memory(), prefix="fikatap-") as folder:
        return Schedule(seed, Path(folder)).run()
