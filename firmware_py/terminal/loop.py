"""The running terminal: one writer of state takes events in, lets the rules decide, commits, and only then acts."""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, assert_never

from msgspec import Struct

from drivers.errors import ConfigError, DeviceError, DeviceMissing, FikatapError
from firmware_py.clock import Clock
from firmware_py.commands import CommandError, carry_out, invoke
from firmware_py.config import Config
from firmware_py.database import LedgerRefused
from firmware_py.journal import Change
from firmware_py.keys import VenueKey
from firmware_py.ledger import DAY_MS, Ledger, LedgerDamaged, LedgerError, LedgerReader
from firmware_py.matching.calls import BACK_OFF_MS, LANES, News, ServiceServant
from firmware_py.matching.embedded import EmbeddedMatching, MatchingServant, Question, group_question, question
from firmware_py.reads import READS, TODAYS, Today
from firmware_py.recovery import mark_damaged
from firmware_py.releases import HealthMark
from firmware_py.schedule import ScheduleFile, ScheduleServant
from firmware_py.settings import files_of
from firmware_py.terminal.control import Changed, Command, HungUp
from firmware_py.terminal.faults import History
from firmware_py.terminal.host import Host
from firmware_py.terminal.lanes import CardRead, Lane, LaneCrashed, LaneDown, LaneUp, Report
from firmware_py.terminal.notify import Notifier
from firmware_py.terminal.reading import Reading
from firmware_py.terminal.scene import scene, visits
from firmware_py.terminal.second import WAIT_S, Append, MakeCopy, SecondMedium, SecondServant
from firmware_py.terminal.servants import ButtonsServant, LightsServant, PrinterServant, ReaderServant, SounderServant, cause_of
from firmware_py.terminal.staff import Staff
from firmware_py.terminal.status import READER, SECOND, status, status_line
from firmware_py.terminal.supervise import Health, Supervisor
from firmware_py.wiring import Wiring
from kiosk.door import DoorState, next_deadline, step
from kiosk.effects import (
    DURABLE,
    Answer,
    AwaitJob,
    BindCard,
    CheckPrinter,
    CloseVisit,
    ConfirmVisit,
    Durable,
    Effect,
    EndEnrolment,
    Enrolment,
    FindMatch,
    FormGroup,
    LightZone,
    NoteMet,
    Notice,
    OpenVisit,
    OweMatch,
    QueueBadge,
    SendJob,
    SetJob,
    SetMood,
    SetRuling,
    SettleGroup,
    SettleMatch,
    TellStaff,
    UndoMatch,
)
from kiosk.events import (
    CardTapped,
    CommitFailed,
    EnrolmentAsked,
    EnrolmentDropped,
    Event,
    GroupFailed,
    JobJudged,
    MemberChanged,
    MemberCheckedIn,
    MemberLeft,
    MemberRemoved,
    MoodPressed,
    NoticesAsked,
    PrinterChanged,
    TimePassed,
)
from kiosk.jobs import Job, JobState
from kiosk.screen import shown
from kiosk.values import CardId, Cause, JobId, MemberId, Now

if TYPE_CHECKING:
    from firmware_py.matching.shared import Shared

log = logging.getLogger("fikatap")

PRINTER, LIGHTS, SOUNDER, BUTTONS = "printer", "lights", "sounder", "buttons"
MATCHING, SCHEDULE = "matching", "schedule"
EXIT_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h: the program is to be started again, and its release is not to blame (systemd/fall-back)."""
LEDGER = "ledger"
"""What a restart is for that brings the ledger back."""
LOOK_EVERY_MS = 1_000
"""How often lanes, deadlines of the day and the watchdog are looked at when nothing happens."""
TAKE_IN_EVERY_MS = 50
"""How often a slice of what the shared service told is taken in at least, though others wait: each keeps them some ms."""
CHANGED_EVERY_MS = 100
"""How often watchers are told at most that something changed."""
END_OF_JOB_S = 4.0
"""How long a stop waits for the badge under way."""
END_OF_LANES_S = 0.6
"""How long a stop waits for the devices to close."""


class Stop(Struct, frozen=True):
    """End the loop."""


class Fed(Struct, frozen=True):
    """An event that the terminal itself has for the door, in its turn."""

    event: Event


class Damaged(Struct, frozen=True):
    """The ledger was looked through, and is not what was written."""

    trouble: str


Message = Report | Command | HungUp | Fed | Damaged | Stop
Observer = Callable[[Event | Effect], None]
"""Hears of every event and, once it was stored, of every effect; called in the loop's thread, must be quick."""

T = TypeVar("T")


class Inbox(Protocol):
    """Where the loop waits for messages, as `queue.SimpleQueue` does."""

    def put(self, item: Message, /) -> None:
        """Add a message."""

    def get(self, *, timeout: float) -> Message:
        """Return the next message; raise `queue.Empty` after `timeout` seconds."""

    def empty(self) -> bool:
        """Tell whether no message waits."""


class Terminal:
    """One terminal at work. Made and run in one thread; `post` and `stop` may be called from any.

    `lane` and `inbox` are where threads and waiting come from: another pair makes the same terminal run by a schedule.
    """

    def __init__(
        self,
        wiring: Wiring,
        ledger: Ledger,
        key: VenueKey,
        clock: Clock,
        notifier: Notifier,
        observer: Observer | None = None,
        *,
        lane: Callable[..., Lane[Any]] = Lane,
        inbox: Inbox | None = None,
        release: str | None = None,
    ) -> None:
        self._wiring = wiring
        self._ledger = ledger
        self._key = key
        self._clock = clock
        self._notifier = notifier
        self._observer = observer
        self._watchers: list[Command] = []
        self._lane = lane
        self._inbox = inbox or queue.SimpleQueue()
        self._tickets: dict[int, Command] = {}
        self._last_ticket = 0
        self._must_reload = False
        self._damaged = False
        self._restart_for: str | None = None
        self._looked_ms = self._took_in_ms = 0
        self._changed = False
        """Whether watchers are to be told that something changed."""
        self._said_changed_ms = 0
        self._stood: object = None
        """How devices, storage and the clock's minute were when that was looked at last."""
        self._health = HealthMark(ledger.path, release)
        self._cafe_day: int | None = None
        """Counts days from closing to closing."""
        self._printer = PrinterChanged(Cause.MISSING)
        """The printer's latest word, which is not in the ledger."""
        self._heard_at: float | None = None
        self.verdict_ms: float | None = None
        """How long the last answer took, from the reader's report to the order for the light."""
        self.state = DoorState(house=wiring.house(ledger.prefix))
        self._host = Host(lambda: self.state, self._apply_command, self._matching, clock.now, ledger.member)
        self._staff = Staff(lambda: self.state, self._apply_command, clock.now, wiring, ledger, key)
        self._supervisor = Supervisor(
            self._lanes(),
            feed=lambda event: self._inbox.put(Fed(event)),
            went_down=self._went_down,
            restart=self._may_restart,
            now_ms=clock.now().boot_ms,
            back_off=dict.fromkeys(LANES, BACK_OFF_MS),
        )
        self._reading = Reading(ledger.reader)
        self._longest_queue = 0
        """How many badges waited at once at most, today."""
        self._history = History(ledger, self._supervisor)
        self._shared = None if wiring.config.service is None else self._share()

    def post(self, message: Message) -> None:
        """Give the loop something to do; from any thread."""
        self._inbox.put(message)

    def stop(self) -> None:
        """Ask the loop to end; from any thread or signal handler."""
        self._inbox.put(Stop())

    def run(self) -> int:
        """Work until stopped; return the exit code: 0, or `EXIT_AGAIN` when a restart may help a device that hangs.

        What a lane raises that is not its device's fault, such as `ConfigError`, is raised here.
        """
        try:
            self._supervisor.start()
            self._begin()
            self._notifier.ready()
            self._notifier.status(self._status_line())
            log.info("ready: %d here", len(self.state.visits))
            while self._restart_for is None:
                message = self._next()
                if isinstance(message, Stop):
                    break
                if message is not None:
                    self._take(message)
                self._look_after()
            self._notifier.stopping()
            self._finish_badge()
            self._keep_history(at_once=True)
        finally:
            if self._shared is not None:
                self._shared.hang_up()
            self._supervisor.stop(END_OF_LANES_S)
            self._reading.stop(END_OF_LANES_S)
            self._ledger.close()
        return 0 if self._restart_for is None else EXIT_AGAIN

    def _begin(self) -> None:
        """Go on from what the ledger holds; a full disk closes the door, not the program: people must be told."""
        try:
            started = self._ledger.started(self._clock.now().boot_id)
        except LedgerError as error:
            self._storage_failed(None, error)
        else:
            self._apply(started)

    def _next(self) -> Message | None:
        """Wait for a message until the next deadline."""
        now = self._clock.now().boot_ms
        due = [now + LOOK_EVERY_MS, *(at for at in (self._deadline(), self._supervisor.next_ms()) if at is not None)]
        if self._takes_in():
            due.append(now)
        if self._changed and self._watchers:
            due.append(self._said_changed_ms + CHANGED_EVERY_MS)
        try:
            return self._inbox.get(timeout=max(0.0, (min(due) - now) / 1000))
        except queue.Empty:
            return None

    def _deadline(self) -> int | None:
        """Return the next deadline; while nothing can be stored none is met, and storing is tried at every look."""
        if self._must_reload:
            return None
        service = None if self._shared is None else self._shared.next_ms
        return min((at for at in (next_deadline(self.state), service) if at is not None), default=None)

    def _take(self, message: Report | Command | HungUp | Fed | Damaged) -> None:
        match message:
            case Damaged(trouble):
                self._storage_failed(None, LedgerDamaged(f"{self._ledger.path} is damaged: {trouble}"))
            case Report():
                self._hear(message)
            case Fed(event):
                self._apply(event)
            case Command():
                self._carry_out(message)
            case HungUp(client):
                self._forget(client)
            case _:
                assert_never(message)

    def _hear(self, report: Report) -> None:
        """Take a lane's report, unless it comes from a lane that was abandoned."""
        if not self._supervisor.is_current(report.lane, report.generation):
            return
        now_ms = self._clock.now().boot_ms
        match report.item:
            case LaneUp(what):
                self._supervisor.up(report.lane, what, now_ms)
                if report.lane == SECOND:
                    self._note(lambda: self._ledger.settle(Notice.SECOND_MISSING))
                elif report.lane in LANES:
                    self._with_service(lambda shared: shared.came_up(report.lane))
            case LaneDown(error):
                self._supervisor.down(report.lane, error, now_ms)
            case LaneCrashed(ConfigError() as error) if self._supervisor.is_coming_back(report.lane):
                # It was open before, so the configuration is right: another device was plugged in.
                self._supervisor.down(report.lane, DeviceMissing(str(error)), now_ms)
            case LaneCrashed(error):
                raise error
            case CardRead(reader, card, lying):
                self._heard_at = report.at
                self._tap(reader, card, lying=lying)
            case News() as news if not self._must_reload:
                self._with_service(lambda shared: shared.take(news))
            case News():
                if self._shared is not None:
                    self._shared.missed(report.lane)
            case event:
                self._apply(event)

    def _tap(self, reader: str, card: CardId, *, lying: bool) -> None:
        """Look up whose card it is, and let the door decide."""
        if self._must_reload:
            self._reload()
        try:
            member, blocked, rate = self._ledger.holder(card)
        except LedgerError as error:
            self._storage_failed(reader, error)
            return
        self._apply(CardTapped(reader, card, member, blocked=blocked, lying=lying, rate=rate))
        if member is None and self._shared is not None:
            self._shared.somebody_unknown()

    def _apply(self, event: Event, *, by_staff: bool = False) -> bool:
        """Let the rules decide, store what must survive, and only then act; return whether it could be stored.

        Raise `LedgerRefused` for what staff asks that can't be.
        """
        if isinstance(event, PrinterChanged):
            self._printer = event
            spool = self.state.spool
            if not self._must_reload and (event.cause, event.paper_low) == (spool.cause, spool.paper_low):
                return True
        if self._must_reload and not self._reload():
            self._refuse(event)
            return False
        now = self._clock.now()
        state, effects = step(self.state, event, now)
        durable: list[Durable] = [effect for effect in effects if isinstance(effect, DURABLE)]
        if durable:
            try:
                self._ledger.commit(event, durable, now, state.serial, self._reports(event, durable, state, now))
            except LedgerError as error:
                if by_staff and isinstance(error, LedgerRefused):
                    raise
                self._storage_failed(_reader_of(event), error)
                return False
        before, self.state = self.state, state
        self._tell(event)
        for effect in effects:
            self._perform(effect)
            self._tell(effect)
        if not (isinstance(event, MoodPressed) and _waits_anew(state, before, event.reader)):  # that is in the scene
            self._show(before, effects, now)
        self._longest_queue = max(self._longest_queue, sum(job.badge is not None for job in state.spool.jobs.values()))
        self._changed |= bool(effects) or state.choices != before.choices or not isinstance(event, TimePassed)
        if durable:
            self._with_service(lambda shared: shared.carry_on())
        return True

    def _storage_failed(self, reader: str | None, error: LedgerError) -> None:
        """Nothing was stored, so nothing is done; whoever stands there is told, and the ledger is read anew before more."""
        if not self._must_reload:
            log.error("nothing can be stored, check-ins are refused: %s", error)
        self._must_reload = True
        if isinstance(error, LedgerDamaged):
            self._give_up_ledger(error)
        self._refuse(CommitFailed(reader))

    def _give_up_ledger(self, error: LedgerDamaged) -> None:
        """Write nothing to a damaged ledger any more; where there is a second medium, have the next start bring it back."""
        if self._damaged:
            return
        self._damaged = True
        if self._wiring.config.ledger.second is None:
            log.error("there is no second medium: the door stays shut until somebody sees to the ledger")
            return
        try:
            mark_damaged(self._ledger.path, str(error))
        except OSError:
            log.exception("the damaged ledger can't be marked")
            return
        if self._once_a_boot(LEDGER):
            log.error("the terminal restarts to bring the ledger back")
        else:
            log.error("the ledger was brought back in this boot already: look at its disk, then restart the terminal")

    def _refuse(self, event: Event) -> None:
        """Tell the person at the reader to go to staff."""
        before, now = self.state, self._clock.now()
        self.state, effects = step(before, CommitFailed(_reader_of(event)), now)
        for effect in effects:
            self._perform(effect)
            self._tell(effect)
        self._show(before, effects, now)

    def _reload(self) -> bool:
        """Open the ledger again and go on from what it holds, as after a restart; return whether that worked."""
        if self._damaged:
            return False
        try:
            self._ledger.reopen()
            now = self._clock.now()
            before = self.state
            fresh = DoorState(
                house=before.house,
                recent=before.recent,
                choices=before.choices,
                enrolling=before.enrolling,
                asked_staff_ms=before.asked_staff_ms,
                schedule=before.schedule,
                repeats=before.repeats,
                elsewhere=before.elsewhere,
            )
            started = self._ledger.started(now.boot_id)
            state, effects = step(fresh, started, now)
            durable: list[Durable] = [effect for effect in effects if isinstance(effect, DURABLE)]
            # Stored even when nothing follows from it: only a commit shows that commits work again.
            self._ledger.commit(started, durable, now, state.serial, self._reports(started, durable, state, now))
        except LedgerDamaged as error:
            self._give_up_ledger(error)
            return False
        except LedgerError:
            return False
        log.info("storing works again")
        self._must_reload = False
        self.state = state
        for effect in effects:
            self._perform(effect)
        self._apply(self._printer)
        return not self._must_reload

    def _perform(self, effect: Effect) -> None:
        """Turn an effect into a call on a lane; what is durable was done by the commit."""
        match effect:
            case Answer():
                if effect.reader is not None:
                    self._supervisor.submit(LIGHTS, effect)
                    if self._heard_at is not None:
                        self.verdict_ms = (time.perf_counter() - self._heard_at) * 1000
                        self._heard_at = None
                    self._supervisor.submit(SOUNDER, effect)
            case LightZone():
                self._supervisor.submit(LIGHTS, effect)
            case FindMatch(visit=visit_id):
                asked = question(self.state, self.state.visits[visit_id], self._clock.now())
                if self._shared is None:
                    self._ask_engine(asked)
                else:
                    self._with_service(lambda shared: shared.find(asked))
            case FormGroup(visits):
                self._supervisor.submit(MATCHING, group_question(self.state, visits, self._clock.now()))
            case CheckPrinter() | SendJob() | AwaitJob():
                self._supervisor.submit(PRINTER, effect)
            case EndEnrolment():
                self._end_enrolment(effect)
            case TellStaff():
                log.warning("staff: %s", self._wiring.notice(effect))
            case OpenVisit() | CloseVisit() | ConfirmVisit() | SettleMatch() | NoteMet() | QueueBadge() | SetJob() | BindCard():
                pass
            case OweMatch() | UndoMatch() | SettleGroup() | SetMood() | SetRuling():
                pass
            case _:
                assert_never(effect)

    def _went_down(self, name: str, error: DeviceError | None) -> None:
        if name == PRINTER:
            self._inbox.put(Fed(PrinterChanged(cause_of(error))))
        elif name == SECOND:
            why = TellStaff(Notice.SECOND_MISSING, detail="…" if error is None else str(error))
            self._note(lambda: self._ledger.tell(why))
        elif name in LANES and self._shared is not None:
            self._shared.went_down(name)

    def _ask_engine(self, asked: Question) -> None:
        self._supervisor.submit(MATCHING, asked)

    def _reports(self, event: Event, durable: list[Durable], after: DoorState, now: Now) -> list[bytes]:
        """Return what the shared service is to hear of an event."""
        return [] if self._shared is None else self._shared.reports(event, durable, after, now)

    def _with_service(self, do: Callable[[Shared], None]) -> None:
        """Do something on this side of the shared service, unless nothing can be stored."""
        if self._shared is not None and not self._must_reload:
            shared = self._shared
            self._note(lambda: do(shared))

    def _takes_in(self) -> bool:
        """Tell whether there is something of the shared service's to be taken in, slice by slice."""
        return self._shared is not None and self._shared.is_busy and not self._must_reload

    def _note(self, store: Callable[[], None]) -> None:
        """Store something that comes of no event."""
        try:
            store()
        except LedgerError as error:
            self._storage_failed(None, error)

    def _copy(self, change: Change) -> None:
        """Have a change appended to the second medium, and wait for that a moment where nothing else waits for it."""
        second = self._supervisor.watched[SECOND]
        waits = second.health is Health.UP and not second.lane.calls
        call = Append(change)
        if second.retry_ms is None and second.health is not Health.FAILED:
            second.lane.submit(call)  # also while it is opened again: what comes after its copy began must not be missing
        if waits:
            second.lane.wait_for(call.taken, WAIT_S)

    def _may_restart(self, name: str) -> bool:
        """Allow one restart of the process for a device that hangs, unless the door does without it."""
        if name in (SECOND, SCHEDULE, BUTTONS, *LANES) or not self._once_a_boot(name):
            return False
        log.error("%s hangs: the terminal restarts once", name)
        return True

    def _once_a_boot(self, name: str) -> bool:
        """Restart the process, once for each boot and reason; the mark outlives the process. Return whether it will."""
        mark = self._wiring.config.ledger.path.with_suffix(".restarts")
        line = f"{self._clock.now().boot_id} {name}"
        try:
            lines = mark.read_text(encoding="utf-8", errors="replace").splitlines() if mark.exists() else []
            if line in lines:
                return False
            current = [each for each in lines if each.startswith(self._clock.now().boot_id)]
            mark.write_text("\n".join([*current, line]) + "\n", encoding="utf-8")
        except OSError:
            return False  # without a mark a hanging device would restart the door for ever
        self._restart_for = name
        return True

    def _look_after(self) -> None:
        now = self._clock.now()
        now_ms = now.boot_ms
        self._supervisor.look_after(now_ms)
        if self._takes_in() and (self._inbox.empty() or now_ms - self._took_in_ms >= TAKE_IN_EVERY_MS):
            self._took_in_ms = now_ms
            self._with_service(lambda shared: shared.work())
        due = self._deadline()
        if (due is not None and now_ms >= due) or now_ms - self._looked_ms >= LOOK_EVERY_MS:
            self._looked_ms = now_ms
            self._apply(TimePassed())
            self._with_service(lambda shared: shared.look())
            self._close_day()
            self._tidy()
            self._health.look(now_ms, self._clock.now().boot_id, well=not self._must_reload)
            self._notifier.status(self._status_line())
            if self._notifier.watchdog_s is not None:
                self._notifier.alive()
        if self._watchers:
            self._say_changed(now)

    def _say_changed(self, now: Now) -> None:
        """Tell watchers that something changed, if anything did, and not too often."""
        devices = tuple((each.health, each.trouble) for each in self._supervisor.watched.values())
        stands = (devices, self._must_reload, None if now.wall is None else now.wall.local_minute)
        self._changed |= stands != self._stood
        self._stood = stands
        if self._changed and now.boot_ms - self._said_changed_ms >= CHANGED_EVERY_MS:
            self._changed, self._said_changed_ms = False, now.boot_ms
            for watcher in self._watchers:
                watcher.observe(Changed())

    def _tidy(self) -> None:
        """Let the ledger tidy up while nobody waits at the door."""
        if self._must_reload or self.state.asked or not self._inbox.empty():
            return
        try:
            self._ledger.tidy()
            wall = self._clock.now().wall
            if wall is not None:
                self._ledger.forget(wall.utc_ms, self._wiring.config.ledger.keep_events_days * DAY_MS)
        except LedgerError as error:
            self._storage_failed(None, error)
        self._keep_history()

    def _keep_history(self, *, at_once: bool = False) -> None:
        """Store what went wrong with devices; where that fails, the door is as open as it was."""
        if self._must_reload:
            return
        day = self._history.queue[0] if self._cafe_day is None else self._cafe_day
        longest = self._history.queue[1] if self._cafe_day is None else self._longest_queue
        try:
            if not self._history.keep(self._clock.now(), (day, longest), at_once=at_once):
                self._ledger.reopen()  # as after each failed sync; nothing that the door knows was in it
        except LedgerError as error:
            self._storage_failed(None, error)

    def _close_day(self) -> None:
        """Have a copy of the ledger made when the café has closed."""
        wall = self._clock.now().wall
        if wall is None:
            return
        day = (wall.local_day * 1440 + wall.local_minute - self._wiring.config.closes_minute) // 1440
        if self._cafe_day is None and day == self._history.queue[0]:
            self._longest_queue = max(self._longest_queue, self._history.queue[1])
        if self._cafe_day not in (None, day):
            self._supervisor.submit(SECOND, MakeCopy())
            self._longest_queue = 0
        self._cafe_day = day

    def _status_line(self) -> str:
        return status_line(self.state, self._supervisor, self._wiring, stores=not self._must_reload)

    def _tell(self, what: Event | Effect) -> None:
        if self._observer is not None:
            self._observer(what)
        for watcher in self._watchers:
            watcher.observe(what)

    def _show(self, before: DoorState, effects: Sequence[Effect], now: Now) -> None:
        """Tell watchers what the screen shows of each answer; the light is on by then."""
        if not self._watchers:
            return
        for answer in effects:
            if isinstance(answer, Answer):
                page = shown(before, self.state, effects, answer, now)
                for watcher in self._watchers:
                    watcher.observe(page)

    def _carry_out(self, command: Command) -> None:
        """Carry out a command that came through the socket, and answer it."""
        if self._must_reload and command.name not in _READ_ONLY:
            self._reload()
        try:
            result = self._command(command)
        except LedgerError as error:
            command.fail(str(error))
            if not isinstance(error, LedgerRefused):
                self._storage_failed(None, error)
        except FikatapError as error:
            command.fail(str(error))
        except (OverflowError, UnicodeError, RecursionError) as error:
            # Nothing that a database can hold, or nested so deeply that it can't even be shown.
            command.fail(f"{command.name} takes no such argument: {error}")
        else:
            if result is not _LATER:
                command.answer(result)
            self._changed |= command.name in _STORES

    def _command(self, command: Command) -> Any:
        match command.name:
            case "status":
                return status(
                    self.state, self._supervisor, self._wiring, self._ledger, self._clock.now(), stores=not self._must_reload
                )
            case "watch":
                self._watchers.append(command)
                command.client.answered()
                return _LATER
            case "scene":
                return scene(self.state, self._supervisor, self._wiring, self._clock.now(), stores=not self._must_reload)
            case name if name in READS:
                self._reading.ask(command, lambda reader: invoke(name, READS[name], command.arguments, reader))
                return _LATER
            case name if name in TODAYS:
                self._read_today(command)
                return _LATER
            case "visits.list":
                return visits(self.state, self._clock.now())
            case "faults.list":
                return self._history.list(self._clock.now())
            case "visits.checkin":
                return self._check_in(MemberId(_argument(command, "member", str)))
            case "visits.leave":
                return self._leave(MemberId(_argument(command, "member", str)))
            case name if name in self._host.commands:
                return invoke(name, self._host.commands[name], command.arguments)
            case name if name in self._staff.commands:
                return invoke(name, self._staff.commands[name], command.arguments)
            case "members.put" | "members.remove" if self._shared is not None:
                raise CommandError("the matching service keeps this café's members; add, change and remove them there")
            case "members.put":
                done = carry_out(command.name, command.arguments, self._ledger, self._key)
                for visit in tuple(self.state.visits.values()):
                    member = self._ledger.member(visit.member.id)
                    if member is not None and member != visit.member:
                        self._apply_command(MemberChanged(member))
                return done
            case "members.block" | "members.unblock":
                done = carry_out(command.name, command.arguments, self._ledger, self._key)
                self._apply(GroupFailed())  # who waits for a group may go together otherwise now
                return done
            case "members.remove" if self._is_enrolling(command.arguments.get("member")):
                raise CommandError("a card is being enrolled for that member; hold one to the reader, or wait a minute")
            case "members.remove":
                removed = carry_out(command.name, command.arguments, self._ledger, self._key)
                self._apply_command(MemberRemoved(MemberId(removed["removed"])))
                return removed
            case "notices.print":
                return self._print_notices()
            case "venue.restored":
                raise CommandError("stop the terminal first: 'systemctl stop fikatap'")
            case "cards.enrol":
                return self._enrol(command, MemberId(_argument(command, "member", str)))
            case "jobs.judge":
                return self._judge(JobId(_argument(command, "job", str)), printed=_argument(command, "printed", bool))
            case name:
                return carry_out(name, command.arguments, self._ledger, self._key)

    def _forget(self, client: object) -> None:
        """Do without a client that hung up: it watches no more, and waits for no card."""
        self._watchers = [watcher for watcher in self._watchers if watcher.client is not client]
        for ticket in [ticket for ticket, command in self._tickets.items() if command.client is client]:
            del self._tickets[ticket]
            self._apply(EnrolmentDropped(ticket))

    def _check_in(self, member_id: MemberId) -> Any:
        member = self._ledger.member(member_id)
        if member is None:
            raise CommandError(f"there is no member '{member_id}'; 'fikatap members list' shows them")
        visit = self.state.visit_of(member_id)
        if visit is not None and visit.confirmed:
            raise CommandError(f"{member_id} is checked in already")
        self._apply_command(MemberCheckedIn(member, self._ledger.rate(member_id)))
        visit = self.state.visit_of(member_id)
        return {"visit": None if visit is None else visit.id}

    def _is_enrolling(self, member: object) -> bool:
        return self.state.enrolling is not None and self.state.enrolling.member == member

    def _leave(self, member_id: MemberId) -> Any:
        visit = self.state.visit_of(member_id)
        if visit is None:
            raise CommandError(f"{member_id} is not checked in")
        self._apply_command(MemberLeft(member_id))
        return {"visit": visit.id}

    def _enrol(self, command: Command, member_id: MemberId) -> Any:
        if self._ledger.member(member_id) is None:
            raise CommandError(f"there is no member '{member_id}'; 'fikatap members list' shows them")
        self._last_ticket += 1
        self._apply_command(EnrolmentAsked(member_id, self._last_ticket))
        self._tickets[self._last_ticket] = command
        return _LATER

    def _end_enrolment(self, effect: EndEnrolment) -> None:
        command = self._tickets.pop(effect.ticket, None)
        if command is None:
            return
        if effect.outcome is Enrolment.DONE:
            command.answer({"enrolled": command.arguments["member"]})
        else:
            command.fail(_NOT_ENROLLED[effect.outcome])

    def _print_notices(self) -> Any:
        """Have all open notices printed as one slip."""
        if not self.state.house.prints:
            raise CommandError("there is no printer; 'fikatap notices list' shows the notices")
        found = self._ledger.notices()
        if found:
            told = (
                TellStaff(Notice(each.notice), each.job, None if each.cause is None else Cause(each.cause), each.detail)
                for each in found
            )
            self._apply_command(NoticesAsked(tuple(told)))
        return {"notices": len(found)}

    def _judge(self, job_id: JobId, *, printed: bool) -> Any:
        job: Job | None = self._ledger.job(job_id)
        if job is None or job.state is not JobState.UNKNOWN:
            state = "not there" if job is None else job.state.value
            raise CommandError(f"badge {job_id} is {state}; only an unknown one can be judged")
        badges = [each.id for each in self._ledger.jobs() if each.visit == job.visit and each.badge is not None]
        self._apply_command(JobJudged(job, printed, replaced=badges[-1] != job_id))
        return {"job": job_id, "printed": printed}

    def _read_today(self, command: Command) -> None:
        """Answer what is asked of the café's day so far."""
        now, closes_minute = self._clock.now(), self._wiring.config.closes_minute
        more = {"longest_queue": self._longest_queue} if command.name == "figures.evening" else {}

        def read(reader: LedgerReader) -> Any:
            found = invoke(command.name, TODAYS[command.name], command.arguments, Today(reader, now, closes_minute))
            return {**found, **more} if more else found

        self._reading.ask(command, read)

    def _apply_command(self, event: Event) -> None:
        if not self._apply(event, by_staff=True):
            raise CommandError("nothing can be stored; see 'fikatap status'")

    def _finish_badge(self) -> None:
        """Let the badge under way end; the next one waits for the next start."""
        deadline = self._clock.now().boot_ms + int(END_OF_JOB_S * 1000)
        while (job := self._under_way()) is not None and self._clock.now().boot_ms < deadline:
            try:
                message = self._inbox.get(timeout=(deadline - self._clock.now().boot_ms) / 1000)
            except (queue.Empty, ValueError):
                break
            # Whoever taps meanwhile is answered, too.
            if not isinstance(message, Stop):
                self._take(message)
            if self._under_way() != job:
                break

    def _under_way(self) -> JobId | None:
        """Return the job of which some may be on paper."""
        current = self.state.spool.current
        if current is None or self.state.spool.jobs[current].state is JobState.QUEUED:
            return None
        return current

    def _lanes(self) -> list[Lane[Any]]:
        wiring, config = self._wiring, self._wiring.config
        lanes = answering_lanes(config, self._key.pseudonym, self.post, self._lane)
        if config.printer is not None:
            lanes.append(self._lane(PRINTER, wiring.make_printer, PrinterServant(wiring.render), self.post))
        if config.buttons is not None:
            beside = next(iter(config.readers))
            lanes.append(self._lane(BUTTONS, config.buttons.make, ButtonsServant(beside), self.post))
        lanes.append(self._lane(MATCHING, self._matching, MatchingServant(), self.post))
        if config.service is not None:
            lanes += [self._lane(name, config.service.make, ServiceServant(), self.post) for name in LANES]
        if config.schedule.file is not None:
            lanes.append(
                self._lane(SCHEDULE, partial(ScheduleFile, config.schedule.file), ScheduleServant(self._clock), self.post)
            )
        if config.ledger.second is not None:
            settings = files_of(config, wiring.template.logo)
            second = partial(SecondMedium, config.ledger.second, config.ledger.path, settings)
            lanes.append(self._lane(SECOND, second, SecondServant(), self.post))
            self._ledger.hand_on(self._copy)
        return lanes

    def _share(self) -> Shared:
        from firmware_py.matching.shared import Shared

        return Shared(
            self._wiring,
            self._ledger,
            self._clock,
            self._supervisor,
            state=lambda: self.state,
            take_event=self._apply,
            engine=self._ask_engine,
        )

    def _matching(self) -> EmbeddedMatching:
        return EmbeddedMatching(self._wiring.zones, self._wiring.vocabulary, self._ledger.reader)


def answering_lanes(
    config: Config, pseudonym: Callable[[bytes], CardId], post: Callable[[Report], None], lane: Callable[..., Lane[Any]]
) -> list[Lane[Any]]:
    """Return the lanes by which a tap is heard and answered: readers, lights, sounder."""
    lanes = [
        lane(f"{READER}{name}", chosen.make, ReaderServant(name, pseudonym), post) for name, chosen in config.readers.items()
    ]
    if config.lights is not None:
        lanes.append(lane(LIGHTS, config.lights.make, LightsServant(), post))
    if config.sounder is not None:
        lanes.append(lane(SOUNDER, config.sounder.make, SounderServant(), post, newest_only=True))
    return lanes


def _argument(command: Command, name: str, kind: type[T]) -> T:
    """Return an argument of a command; raise `CommandError` when it is missing or of another type."""
    value = command.arguments.get(name)
    if not isinstance(value, kind):
        raise CommandError(f"{command.name} needs '{name}', {_IN_WORDS[kind]}, not {value!r}")
    return value


_IN_WORDS: dict[type, str] = {str: "a text", bool: "true or false"}

_READ_ONLY = frozenset({"status", "watch", "scene", "visits.list", "faults.list"})
"""What changes nothing, and needs no ledger."""
_STORES = frozenset(
    {
        *("members.put", "members.remove", "members.block", "members.unblock"),
        *("cards.bind", "cards.block", "cards.replace", "notices.resolve"),
    }
)
"""What the pages show otherwise afterwards, though no event of the door tells of it."""

_LATER = object()
"""The result of a command that is answered later."""

_NOT_ENROLLED = {
    Enrolment.TAKEN: "that card belongs to another member; block it or replace it first",
    Enrolment.BLOCKED: "that card is blocked; take another one",
    Enrolment.REPLACED: "another enrolment was begun meanwhile",
    Enrolment.LATE: "no card was held to the reader in time; try again",
}


def _waits_anew(state: DoorState, before: DoorState, reader: str | None) -> bool:
    """Tell whether a mood waits there for the next tap since just now."""
    return state.choices.get(reader) not in (None, before.choices.get(reader))


def _reader_of(event: Event) -> str | None:
    """Return the reader at which somebody waits for an answer to this event."""
    reader = getattr(event, "reader", None)
    return reader if isinstance(reader, str) else None
