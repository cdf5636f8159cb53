"""A printer made of paper that only exists here, with a hand to change the paper, pull the plug or look at the badges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Condition

from msgspec import Struct

from drivers.errors import DeviceLost, DeviceMissing, DeviceRefused, DeviceSilent
from drivers.ports import Printer, PrinterStatus
from drivers.printers.profiles import PrinterProfile, profile
from drivers.printers.status import (
    PROCESS_IDS,
    Completed,
    Question,
    RealTime,
    Replies,
    completion_request,
    from_answers,
)
from drivers.virtual.mechanics import Mechanics, slow_one
from drivers.virtual.paper import Piece, loaded
from drivers.virtual.printer import Motion, Slip, VirtualPrinter

AT_ONCE = 32
"""Where printing takes its time, so many bytes are taken before the paper is waited for."""


class FakePrinterSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`name` says which hand holds it; `tells` is whether it can say that a page is printed; `deadline_s` is for each wait.

    With `takes_time` the paper comes as slowly as from the slow printers that cafés own; else a page is out at once.
    """

    name: str = "fake"
    profile: str = "generic-80"
    tells: bool = True
    deadline_s: float = 2.0
    takes_time: bool = False


class PrinterHand:
    """What the world does to a fake printer and sees of it, from any thread; it outlives the driver."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._printer = VirtualPrinter()
        self._replies = Replies()
        self._completed: int | None = None
        self._plugged = True
        self._running = True
        self._openings = 0
        self._pieces: list[Piece] = []

    # What people do

    def paper_out(self) -> None:
        """Let the roll end."""
        self._do(self._printer.paper_out)

    def paper_out_after(self, rows: int) -> None:
        """Let the roll end when so many more rows were printed."""
        with self._changed:
            self._printer.paper_out_after(rows)

    def paper_low(self) -> None:
        """Let the roll be nearly at its end."""
        self._do(self._printer.paper_low)

    def paper_in(self) -> None:
        """Put a new roll in."""
        self._do(self._printer.paper_in)

    def cover_open(self) -> None:
        """Open the cover."""
        self._do(self._printer.cover_open)

    def cover_close(self) -> None:
        """Close the cover."""
        self._do(self._printer.cover_close)

    def jam(self) -> None:
        """Let the cutter jam."""
        self._do(self._printer.jam)

    def jam_paper(self) -> None:
        """Let the paper jam."""
        self._do(self._printer.jam_paper)

    def jam_paper_after(self, rows: int) -> None:
        """Let the paper jam when so many more rows were printed."""
        with self._changed:
            self._printer.jam_paper_after(rows)

    def clear_jam(self) -> None:
        """Free cutter and paper; what is crumpled is torn off."""
        self._do(self._printer.clear_jam)

    def power_cut(self) -> None:
        """Pull the mains plug: it is gone as when it is unplugged, but what it had printed so far stays in it."""
        with self._changed:
            self._printer.power_cut()
            self._plugged = False
            self._changed.notify_all()

    def power_cut_after(self, rows: int) -> None:
        """Pull the mains plug when so many more rows were printed."""
        with self._changed:
            self._printer.power_cut_after(rows)

    def power_on(self) -> None:
        """Put the mains plug in; a driver that was open stays lost."""
        with self._changed:
            self._printer.power_on()
        self.plug()

    def mute(self) -> None:
        """Let it say nothing."""
        with self._changed:
            self._printer.mute()

    def unmute(self) -> None:
        """Let it answer again."""
        with self._changed:
            self._printer.unmute()

    def stop(self) -> None:
        """Let it take no bytes."""
        with self._changed:
            self._running = False

    def go(self) -> None:
        """Let it take bytes again."""
        with self._changed:
            self._running = True
            self._changed.notify_all()

    def unplug(self) -> None:
        """Pull the plug; what it had received and not printed is gone."""
        with self._changed:
            self._plugged = False
            self._printer.drop_input()
            self._changed.notify_all()

    def plug(self) -> None:
        """Put the plug in; a driver that was open stays lost."""
        with self._changed:
            self._plugged = True
            self._openings += 1

    def swap(self, printer: VirtualPrinter) -> None:
        """Put another printer in its place, a clone perhaps; a driver that was open stays lost."""
        with self._changed:
            self._printer = printer
            self._pieces = []
            self._openings += 1

    # What people see

    @property
    def papers(self) -> Sequence[Slip]:
        """All slips that came out whole, the oldest first."""
        with self._changed:
            return tuple(self._printer.papers)

    @property
    def scraps(self) -> Sequence[Slip]:
        """All half-printed slips that were torn off when the paper was changed."""
        with self._changed:
            return tuple(self._printer.scraps)

    def pieces(self, since: int, rows: int = 0) -> Sequence[Piece]:
        """Return all pieces of paper from number `since` on, in the order in which they came off, and what sticks out last.

        Nothing when there is no more than the first `rows` rows of that piece.
        """
        with self._changed:
            off = len(self._pieces)
            if off == since and self._printer.rows_out == rows:
                return ()
            out = Piece(off, self._printer.sticking_out, off=False)
            return (*self._pieces[since:], *([out] if out.slip.height else []))

    @property
    def mechanics(self) -> Mechanics:
        """How fast it is, where it takes its time."""
        with self._changed:
            return slow_one(cutter=self._printer.cutter)

    @property
    def bytes_received(self) -> int:
        """How many bytes it ever took."""
        with self._changed:
            return self._printer.bytes_received

    def until_papers(self, count: int, timeout: float) -> Sequence[Slip]:
        """Wait until so many slips came out and return them; raise `TimeoutError` after `timeout` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._printer.papers) >= count, timeout):
                raise TimeoutError(f"{len(self._printer.papers)} of {count} slips came out within {timeout:g} s")
            return tuple(self._printer.papers)

    # What the driver does

    def opened(self, kind: PrinterProfile) -> int:
        """Take it on behalf of an opening, whose number is returned; it is of that kind, loaded with that kind's paper."""
        with self._changed:
            if not self._plugged:
                raise DeviceMissing("the printer is unplugged; plug it in")
            labels = loaded(kind.media.kind, kind.media.length_mm, kind.dpmm)
            self._printer.become(dots=kind.dots, cutter=kind.cut, labels=labels, lost_left=kind.left_dots)
            self._openings += 1
            return self._openings

    def ask(self, opening: int, deadline_s: float) -> PrinterStatus:
        """Ask for its status."""
        with self._changed:
            self._reach(opening, deadline_s)
            status = self._status()
            if status is None:
                raise DeviceSilent("the printer does not answer")
            return status

    def print(self, opening: int, page: bytes, process_id: int, deadline_s: float, *, takes_time: bool = False) -> None:
        """Print a page; the rest of one that was stopped half-way is forgotten."""
        with self._changed:
            self._reach(opening, deadline_s)
            self._completed = None
            self._take(opening, page + completion_request(process_id), takes_time=takes_time)
            if not self._printer.powered:
                self.power_cut()
                raise DeviceLost("the printer lost power")
            status = self._status()
            if status is not None and status.cause is not None:
                self._printer.drop_input()
                raise DeviceRefused(f"the printer stopped: {status.cause.value}", status.cause)
            if not self._printer.cutter:
                self._printer.tear()
            self._note_pieces()
            self._changed.notify_all()

    def printed(self, opening: int, process_id: int, timeout: float) -> bool:
        """Return whether it said within `timeout` seconds that this page is printed."""
        wanted = process_id % PROCESS_IDS
        with self._changed:
            self._changed.wait_for(lambda: self._completed == wanted or not self._is_there(opening), timeout)
            if not self._is_there(opening):
                raise DeviceLost("the printer was unplugged")
            return self._completed == wanted

    def _take(self, opening: int, data: bytes, *, takes_time: bool) -> None:
        """Take bytes, all at once or while the paper moves, as a printer does that has hardly any buffer."""
        if not takes_time:
            self._hear(self._printer.feed(data))
            return
        mechanics, runs = self.mechanics, False
        for start in range(0, len(data), AT_ONCE):
            motions: list[Motion] = []
            self._printer.watch = motions.append
            self._hear(self._printer.feed(data[start : start + AT_ONCE]))
            self._note_pieces()
            self._changed.notify_all()
            seconds = 0.0
            for motion in motions:
                seconds += mechanics.takes_s(motion) + mechanics.start_s * (not runs)
                runs = not motion.cut
            if self._changed.wait_for(lambda: not self._is_there(opening), seconds):
                raise DeviceLost("the printer was unplugged")

    def _note_pieces(self) -> None:
        """Note what came off; pieces stay in the order in which they did."""
        printer = self._printer
        scraps = sum(piece.scrap for piece in self._pieces)
        new = [(slip, False) for slip in printer.papers[len(self._pieces) - scraps :]]
        new += [(slip, True) for slip in printer.scraps[scraps:]]
        for slip, scrap in new:
            self._pieces.append(Piece(len(self._pieces), slip, off=True, scrap=scrap))

    def _is_there(self, opening: int) -> bool:
        return self._plugged and opening == self._openings

    def _reach(self, opening: int, deadline_s: float) -> None:
        self._changed.wait_for(lambda: self._running or not self._is_there(opening), deadline_s)
        if not self._is_there(opening):
            raise DeviceLost("the printer was unplugged")
        if not self._running:
            raise DeviceSilent(f"the printer took no bytes for {deadline_s:g} s")

    def _status(self) -> PrinterStatus | None:
        answers: dict[Question, int] = {}
        for question in Question:
            heard = self._hear(self._printer.feed(bytes([0x10, 0x04, question])))
            if not heard:
                return None
            answers[question] = heard[-1]
        return from_answers(answers)

    def _do(self, action: Callable[[], bytes]) -> None:
        with self._changed:
            self._hear(action())
            self._note_pieces()
            self._changed.notify_all()

    def _hear(self, replies: bytes) -> list[int]:
        """Note what it completed, and return its answers in real time."""
        heard = self._replies.feed(replies)
        self._completed = next((reply.process_id for reply in reversed(heard) if isinstance(reply, Completed)), self._completed)
        return [reply.value for reply in heard if isinstance(reply, RealTime)]


_HANDS: dict[str, PrinterHand] = {}


class FakePrinter(Printer):
    """A printer that takes the same bytes as a real one and shows the paper."""

    Settings = FakePrinterSettings

    def __init__(self, settings: FakePrinterSettings) -> None:
        self._settings = settings
        self._hand = self.hand(settings.name)
        self._opening = -1
        self._sent: int | None = None

    @staticmethod
    def hand(name: str = "fake") -> PrinterHand:
        """Return the hand of that name; the same one each time."""
        return _HANDS.setdefault(name, PrinterHand())

    @property
    def profile(self) -> str:
        """The profile of the settings."""
        return self._settings.profile

    def open(self) -> None:
        """Take the printer; its paper is as wide as the profile says."""
        self._opening = self._hand.opened(profile(self._settings.profile))

    def close(self) -> None:
        """Leave the printer."""
        self._opening = -1

    def describe(self) -> str:
        """Say that this is no printer."""
        return f"simulated printer '{self._settings.name}', profile {self.profile}"

    def status(self) -> PrinterStatus:
        """Ask the printer."""
        return self._hand.ask(self._opening, self._settings.deadline_s)

    def send(self, page: bytes, process_id: int) -> None:
        """Print the page."""
        self._hand.print(self._opening, page, process_id, self._settings.deadline_s, takes_time=self._settings.takes_time)
        self._sent = process_id

    def wait_printed(self, process_id: int, timeout: float) -> bool:
        """Wait for the printer's word."""
        if not self._settings.tells or process_id != self._sent:
            return False
        if self._hand.printed(self._opening, process_id, timeout):
            return True
        raise DeviceSilent(f"the printer did not say within {timeout:g} s that the page is printed")
