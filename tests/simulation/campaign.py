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
from firmware_py.recovery import in_words, open_ledger
from firmware_py.terminal.loop import Fed, Terminal
from firmware_py.terminal.notify import Notifier
from firmware_py.terminal.second import WAIT_S
from firmware_py.terminal.status import SECOND
from firmware_py.terminal.supervise import Health
from firmware_py.wiring import Wiring
from kiosk.effects import Answer, Effect, QueueBadge, SetJob, TellStaff
from kiosk.events import Event, JobJudged, Started
from kiosk.house import House
from kiosk.jobs import Job, JobState
from kiosk.values import Consents, JobId, Language, Member, MemberId, TopicId
from tests.simulation.disk import PowerCut, VolatileDisk, in_memory, volatile_disk
from tests.simulation.second import SecondWorld, SimSecond
from tests.simulation.world import (
    EPOCH_MS,
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
MORNING_MS = 110_000
QUIET_MS = 100_000
"""After the last accident everything must come to rest within this."""
APPENDING = ("append",)
"""The same where there is a second medium."""
POINTS = ("before sync", "after sync", "turn", "read", "answered", "send", "sent", "await", "printed")
"""Where accidents are aimed at."""
SECOND_TAKES_MS = WAIT_S * 1000 + 2
"""So long after a check-in is stored its answer comes, at most: the second medium is waited for."""
WITH_SECOND = 0.2
"""In how many of the schedules there is a second medium."""
ACCIDENTS = 3
"""So many happen in each schedule, at least."""

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
        self._forgiven: set[str] = set()
        """Jobs that came out of the printer and were lost with the ledger's disk."""
        self._happened = 0
        world = self.world
        self.second = SecondWorld(world, folder / "second") if self.rng.random() < WITH_SECOND else None
        if self.second is not None:
            self.second.folder.mkdir()
        config = replace(
            self.cafe.config,
            ledger=replace(self.cafe.config.ledger, path=self.path, second=None if self.second is None else self.second.folder),
            readers={name: _chosen(partial(SimReader, reader)) for name, reader in world.readers.items()},
            printer=_chosen(partial(SimPrinter, world.printer)),
            lights=_chosen(partial(SimLights, world)),
            sounder=_chosen(SimSounder),
        )
        self.wiring = SimWiring(config)
        self.wiring.house_of = self.cafe.wiring.house("")
        self.wiring.texts = self.cafe.wiring.texts
        self.wiring.vocabulary = self.cafe.wiring.vocabulary
        self._words = partial(in_words, texts=self.wiring.texts, language=self.wiring.language, timezone=config.timezone)

    # The plan

    def plan(self) -> None:
        """Decide who taps when, and what goes wrong."""
        rng, world = self.rng, self.world
        moments = sorted(rng.randint(500, MORNING_MS) for _ in range(TAPS + rng.randint(0, 2)))
        for at in moments:
            member = rng.randint(1, PEOPLE)
            reader = rng.choice(("door", "back"))
            world.after(at, partial(self._tap, reader, member))
        points = POINTS if self.second is None else POINTS + APPENDING
        accidents = [self._accident() for _ in range(rng.randint(ACCIDENTS, 2 * ACCIDENTS))]
        for accident in accidents:
            if rng.random() < 0.7:
                world.aimed.setdefault((rng.choice(points), rng.randint(1, 40)), accident)
            else:
                world.after(rng.choice(moments) + rng.randint(-50, 1_500), accident)
        # At least one restart in each schedule.
        world.after(
            rng.randint(MORNING_MS // 2, MORNING_MS), rng.choice((world.power_cut, world.kill, self._systemctl_restart))
        )
        world.after(MORNING_MS - 10_000, self._hurry)
        world.after(MORNING_MS, self._look_for_rest)

    def _hurry(self) -> None:
        """Let the accidents happen whose moment has not come, so that there are enough of them."""
        world = self.world
        missing = ACCIDENTS - self._happened
        accidents, world.aimed = list(world.aimed.values()), {}
        accidents += [self._accident() for _ in range(missing - len(accidents))]
        for number, accident in enumerate(accidents[: max(0, missing)], 1):
            world.aimed["turn", world.points.get("turn", 0) + 3 * number] = accident

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
            "printer hangs": lambda: world.printer.hang(rng.choice((8_000, 40_000, 100_000))),
            "paper out": lambda: world.printer.paper_out(rng.choice((3_000, 20_000, 90_000))),
            "printer mute": lambda: world.printer.mute(rng.choice((2_000, 40_000))),
            "replies repeated": lambda: setattr(world.printer, "repeats", rng.randint(1, 6)),
            "lights gone": lambda: self._lights(lasting),
            "disk full": lambda: self._disk_fault(disk, "fault", apsw.FullError, rng.choice((300, 2_000, 8_000))),
            "disk broken": lambda: self._disk_fault(disk, "sync_fault", apsw.IOError, rng.choice((300, 2_000, 8_000))),
            "clock jump": lambda: self._set_clock(rng.choice((-3_600_000, 7_200_000, 45_000))),
            "clock in 1970": lambda: self._set_clock(-EPOCH_MS),
        }
        if (second := self.second) is not None:
            kinds |= {
                "second gone": lambda: second.unplug(lasting),
                "second full": lambda: second.fill(lasting),
                "second hangs": lambda: second.hang(rng.choice((200, 8_000, 20_000))),
                "disk lost": self._lose_disk,
            }
        name = rng.choice(sorted(kinds))

        def happen() -> None:
            if not self.over:
                self._happened += 1
                world.trouble_for(0)
                self.counts[name] += 1
                kinds[name]()

        return happen

    def _lights(self, ms: int) -> None:
        self.world.note("lights gone")
        self.world.lights_plugged = False
        self.world.lasting(ms, lambda: setattr(self.world, "lights_plugged", True))

    def _disk_fault(self, disk: VolatileDisk, kind: str, error: type[apsw.Error], ms: int) -> None:
        self.world.note(f"disk: {error.__name__}")
        setattr(disk, kind, error)
        world = self.world
        world.stores = False
        world.promised.clear()  # who was welcomed just now keeps the check-in; no match can be stored

        def end() -> None:
            setattr(disk, kind, None)
            world.stores = disk.fault is None and disk.sync_fault is None

        world.lasting(ms, end)

    def _lose_disk(self) -> None:
        """Pull the plug; somebody puts an empty card in the place of the ledger's, which is broken."""
        if self.world.alive:
            self.world.note("the ledger's disk is lost")
            self._disk_lost = True
            self.world.lose_power()

    def _set_clock(self, offset_ms: int) -> None:
        """Let the wall clock be wrong by so much, and be trusted all the same."""
        world = self.world
        world.trusted = True
        world.wall_offset = offset_ms
        world.note(f"the clock is wrong by {offset_ms} ms")

    def _night(self) -> None:
        """Pull the plug in the evening; the next morning the box knows the time only perhaps."""
        world = self.world
        if not world.alive:
            return
        self.night = True
        world.note("night")
        world.lose_power()

    def _systemctl_restart(self) -> None:
        if self._terminal is not None:
            self.world.note("systemctl restart")
            self._terminal.stop()

    def _look_for_rest(self) -> None:
        """End when nothing is under way any more; the time for that is limited."""
        world = self.world
        if self.over:
            return
        world.after(1_000, self._look_for_rest)
        over = world.now - world.restless_until
        if self._happened < ACCIDENTS:
            self._accident()()  # which may be the end of the program
        elif over >= QUIET_MS or (over >= 0 and not any(self._restless())):
            self._end()

    def _restless(self) -> Iterator[str]:
        """Yield what is still to come."""
        terminal, world = self._terminal, self.world
        if terminal is None:
            yield "the program does not run"
            return
        for name, watched in terminal._supervisor.watched.items():
            if watched.health is not Health.UP:
                yield f"{name} is {watched.health}: {watched.trouble}"
            elif watched.lane.calls:
                yield f"{name} is called"
        if terminal._must_reload:
            yield "nothing is stored"
        yield from (f"{visit} waits for a match" for visit in terminal.state.asked)
        yield from (f"{job} waits for the printer" for job in terminal.state.spool.jobs)
        yield from (f"person {each.member} waits for an answer" for each in world.expected)
        yield from (f"person {member} waits for a match" for member in world.promised)

    def _end(self) -> None:
        world = self.world
        self.over = True
        self.world.note("the end")
        for what in self._restless():
            world.wrong(f"no rest: {what}")
        if self._terminal is not None:
            self._terminal.stop()

    # The box

    night = False

    def run(self) -> Outcome:
        """Let it all happen, and look at what must hold."""
        world, disk = self.world, self.cafe.disk
        disk.new()
        if self.second is not None:
            disk.elsewhere = f"{self.second.folder}/"
        disk.synced = lambda when: world.point(f"{when} sync")
        world.ends = disk.die
        self.plan()
        world.start_boot()
        while not self.over:
            self._live()
        disk.fault = disk.sync_fault = None
        disk.synced = lambda _: None
        disk.elsewhere = "/dev/null/"
        world.printer.settle()
        self._judge()
        self.counts["taps"] += world.taps
        self.counts["check-ins acknowledged"] += len(world.acknowledged)
        self.counts["restarts"] += self.restarts
        self.counts["badges on paper"] += sum(page.whole for page in world.printer.pages)
        self.counts["schedules"] += 1
        self.counts["schedules with a second medium"] += self.second is not None
        self.counts["schedules with too few accidents"] += self._happened < ACCIDENTS
        return Outcome(self.seed, world.violations, world.history, self.counts)

    def _live(self) -> None:
        """Run the program once, from its start to its end, and wait for the next start."""
        world, disk = self.world, self.cafe.disk
        ledger: Ledger | None = None
        world.alive = True
        rests = 250
        try:
            second = None if self.second is None else self.second.folder
            opened = ledger = open_ledger(self.path, "t1", second, self._words)
            world.stored = lambda: opened._changes
            self._terminal = Terminal(
                self.wiring,
                ledger,
                self.cafe.key,
                SimClock(world),
                Notifier({}),
                self._observe,
                lane=self._lane,
                inbox=SimInbox(world),
            )
            self._terminal.run()
        except (PowerCut, Killed, LedgerError) as error:
            end = disk.dead or error  # an end is an end, whatever SQLite and the program made of it
            if isinstance(end, PowerCut):
                if ledger is not None:
                    ledger.close()
                world.died()
                self._close_readers()
                disk.cut(self.rng)
                if self._disk_lost:
                    self._change_disk()
                rests = self._boot_anew()
            elif isinstance(end, LedgerError):
                world.note(f"no start: {error}")
        finally:
            world.died()
            if ledger is not None:
                ledger.close()
            self._close_readers()
            disk.dead = None
            self._terminal = None
        self.restarts += 1
        self._rest(rests)

    def _lane(self, name: str, make: Any, *arguments: Any, **options: Any) -> SimLane:
        if name == SECOND:
            assert self.second is not None
            make = partial(SimSecond, self.second, self.path)
        return SimLane(self.world, name, make, *arguments, **options)

    _disk_lost = False

    def _change_disk(self) -> None:
        """Put an empty card into the box: what the second medium had must come back, and only that."""
        world, second = self.world, self.second
        assert second is not None
        self._disk_lost = False
        for path in self.path.parent.glob("ledger.*"):
            path.unlink()
        reached = second.reached
        if reached < world.stored():
            self._forgiven |= {text.split()[0] for text in world.printer.begun()}
        kept = [each for each in world.acknowledged if each.changes <= reached]
        self.counts["check-ins that were on no second medium"] += len(world.acknowledged) - len(kept)
        self.counts["check-ins brought back"] += len(kept)
        world.acknowledged = kept
        second.begin_anew()

    def _close_readers(self) -> None:
        """Close what connections the process left open, as its end does."""
        if self.second is not None:
            self.second.died()
        for connection in apsw.connections():
            if self.cafe.disk.dead is not None or connection.filename.startswith(str(self.path)):
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
                self.world.lasting(self.rng.choice((4_000, 30_000)), partial(self._staff_looks, what.job))
        elif isinstance(what, Answer):
            self._look_at_second()
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

    def _look_at_second(self) -> None:
        """Who is answered while the second medium is well is on it."""
        if self.second is None or self._terminal is None or not self.world.stores:
            return
        watched = self._terminal._supervisor.watched[SECOND]
        if watched.health is Health.UP and not watched.lane.calls and self.second.reached < self.world.stored():
            self.world.wrong(f"answered at change {self.world.stored()}, the second medium is at {self.second.reached}")

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
        for each in world.acknowledged:
            if not any(abs(opened_at - each.at) <= SECOND_TAKES_MS for _, _, opened_at in stored.get(each.member, ())):
                world.wrong(f"the check-in of person {each.member} at {each.at} is lost")

    def _judge_jobs(self, run: Any) -> None:
        world = self.world
        whole = Counter(page.text.split()[0] for page in world.printer.pages if page.whole)
        told = {row[0] for row in run("SELECT job FROM notices WHERE job IS NOT NULL")}
        stored = {row[0] for row in run("SELECT id FROM jobs")}
        unmarked = Counter(page.text.split()[1] for page in world.printer.pages if " badge first " in page.text)
        for visit, pages in unmarked.items():
            if pages > 1:
                world.wrong(f"{pages} unmarked badges of {visit}")
        for page in world.printer.pages:
            if " badge " in page.text and page.text.split()[0] not in stored | self._forgiven:
                world.wrong(f"{page.text} was printed and is in no ledger")
        rows = run("SELECT id, state, cause, visit FROM jobs").fetchall()
        newest: dict[str, int] = {}
        for job, _, _, visit in rows:
            newest[visit] = max(newest.get(visit, 0), _serial(job))
        for job, state, cause, visit in rows:
            self.counts[f"jobs {state}"] += 1
            if state in ("queued", "sending", "sent"):
                world.wrong(f"job {job} is still {state}")
            if state == "confirmed" and not whole[job] and job not in self._asked:
                world.wrong(f"job {job} is called printed and is on no paper")
            if state in ("failed", "unknown", "expired") and cause is None:
                world.wrong(f"job {job} is {state} for no reason")
            if (
                state in ("failed", "unknown", "expired")
                and cause not in ("left", "cannot_tell")
                # Another badge came in its place: that is what its visitor gets, and nobody has to do anything.
                and not (cause == "replaced" and newest[visit] > _serial(job))
                and job not in told | world.slips
            ):
                world.wrong(f"job {job} is {state} and nobody was told")
            if whole[job] > 1:
                world.wrong(f"job {job} was printed {whole[job]} times")


def _serial(job: str) -> int:
    return int(job.rpartition("-")[2])


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
        try:
            return Schedule(seed, Path(folder)).run()
        except Exception as error:
            error.add_note(f"replay with: python -m tests.simulation {seed}")
            raise
