"""How each kind of device is served by its lane."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from traceback import extract_tb
from typing import Any, assert_never

from drivers.errors import DeviceGarbled, DeviceLost, DeviceMissing, DeviceRefused, DeviceSilent
from drivers.ports import Buttons, CardReader, Kind, Lights, Paper, PresentedCard, Printer, Sounder, TornRead
from firmware_py.terminal.lanes import CardRead
from kiosk.badge import Badge, Slip
from kiosk.effects import Answer, AwaitJob, CheckPrinter, LightZone, SendJob
from kiosk.events import (
    CardTorn,
    Event,
    JobBroken,
    JobPrinted,
    JobReady,
    JobRefused,
    JobSent,
    JobUnprintable,
    MoodPressed,
    PhoneTapped,
    PrinterChanged,
)
from kiosk.jobs import Job
from kiosk.values import CardId, Cause, ZoneId

log = logging.getLogger("fikatap")


class _Idle:
    """A device that is only called."""

    waits = False
    idle_every_s = 1.0

    def opened(self, device: Any) -> Iterator[Event]:  # noqa: ARG002 - part of the servant's interface
        return iter(())

    def idle(self, device: Any, timeout: float) -> Iterator[Event]:  # noqa: ARG002 - ditto
        return iter(())

    def lost(self, call: Any, error: Exception | None) -> Iterator[Event]:  # noqa: ARG002 - ditto
        return iter(())

    def deadline_s(self, call: Any | None) -> float:  # noqa: ARG002 - ditto
        return 5.0


class ReaderServant(_Idle):
    """Waits for cards. A UID becomes a pseudonym here, before anything is decided or stored."""

    waits = True
    idle_every_s = 0.4
    """Also how long a stop may have to wait."""

    def __init__(self, reader: str, pseudonym: Callable[[bytes], CardId]) -> None:
        self._reader = reader
        self._pseudonym = pseudonym

    def serve(self, device: CardReader, call: Any) -> Iterator[Event]:
        """Readers take no calls."""
        raise AssertionError(f"a reader takes no calls: {call!r}, {device!r}")

    def idle(self, device: CardReader, timeout: float) -> Iterator[Event | CardRead]:  # type: ignore[override] # cards too
        """Wait for a card."""
        match device.wait_for_card(timeout):
            case None:
                return
            case TornRead():
                yield CardTorn(self._reader)
            case PresentedCard(kind=Kind.PHONE):
                yield PhoneTapped(self._reader)
            case PresentedCard(uid=uid, lying=lying):
                yield CardRead(self._reader, self._pseudonym(uid), lying)


class PrinterServant(_Idle):
    """Prints one badge at a time, and tells of the printer's condition whenever it looked."""

    idle_every_s = 2.0

    def __init__(self, render: Callable[[Job, str], bytes], printed_timeout_s: float = 15.0) -> None:
        self._render = render
        self._printed_timeout_s = printed_timeout_s
        self._page: tuple[Badge | Slip, bytes] | None = None

    def opened(self, device: Printer) -> Iterator[Event]:
        """Say how the printer is."""
        return self._look(device)

    def idle(self, device: Printer, timeout: float) -> Iterator[Event]:  # noqa: ARG002 - asking takes what it takes
        """Notice paper and cover between jobs."""
        return self._look(device)

    def serve(self, device: Printer, call: CheckPrinter | SendJob | AwaitJob) -> Iterator[Event]:
        """Carry a job one step on."""
        job = call.job
        match call:
            case CheckPrinter():
                # Made before the first byte is owed to the journal: a page that can't be made is not half printed.
                try:
                    self._page = (job.page, self._render(job, device.profile))
                except Exception as error:  # noqa: BLE001 - see below
                    # Whatever is wrong with one badge must not close the door for the others. What the error says may hold a
                    # name, so the journal gets the place only.
                    place = extract_tb(error.__traceback__)[-1]
                    where = f"{place.name}:{place.lineno}"
                    log.error("badge %s can't be made: %s in %s", job.id, type(error).__name__, where)  # noqa: TRY400 - see above
                    yield JobUnprintable(job.id)
                    return
                status = device.status()
                if status.cause is not None:
                    yield JobRefused(job.id, status.cause)
                else:
                    yield JobReady(job.id)
            case SendJob():
                # A fault slip may have taken in more meanwhile.
                page = self._page[1] if self._page is not None and self._page[0] == job.page else None
                page = page if page is not None else self._render(job, device.profile)
                try:
                    device.send(page, job.process_id)
                except DeviceRefused as error:
                    yield from self._refused(job, error)
                else:
                    yield JobSent(job.id, len(page), _page(job))
            case AwaitJob():
                try:
                    printed = device.wait_printed(job.process_id, self._printed_timeout_s)
                except DeviceRefused as error:
                    yield from self._refused(job, error)
                else:
                    yield JobPrinted(job.id) if printed else JobBroken(job.id, Cause.CANNOT_TELL, told=False)
            case _:
                assert_never(call)

    def lost(self, call: CheckPrinter | SendJob | AwaitJob, error: Exception | None) -> Iterator[Event]:
        """Say what is known of a job whose printer went away: before the first byte nothing is lost, after it nobody knows."""
        if isinstance(call, CheckPrinter):
            yield JobRefused(call.job.id, cause_of(error))
        else:
            yield JobBroken(call.job.id, cause_of(error), told=False)

    def deadline_s(self, call: Any | None) -> float:
        """Leave a slow serial line its time: 40 kB at 9600 baud take 40 s. A driver that stands still tells so much earlier."""
        match call:
            case SendJob():
                return 60.0
            case AwaitJob():
                return self._printed_timeout_s + 5.0
            case _:
                return 15.0  # the first use imports the printer library

    def _look(self, device: Printer) -> Iterator[Event]:
        status = device.status()
        yield PrinterChanged(status.cause, paper_low=status.paper is Paper.LOW)

    def _refused(self, job: Job, error: DeviceRefused) -> Iterator[Event]:
        yield JobBroken(job.id, error.cause, told=True)
        # The printer waits in the middle of a command: only closing and opening it makes it fit for the next page.
        raise error


class LightsServant(_Idle):
    """Shows answers and lights zones; a zone without a light of its own is told of once."""

    def __init__(self) -> None:
        self._dark: set[ZoneId] = set()

    def serve(self, device: Lights, call: Answer | LightZone) -> Iterator[Event]:
        """Light up."""
        match call:
            case Answer():
                device.signal(call.signal)
            case LightZone():
                self._zone(device, call)
            case _:
                assert_never(call)
        return iter(())

    def _zone(self, device: Lights, call: LightZone) -> None:
        try:
            device.zone(call.zone, call.ms / 1000)
        except DeviceRefused as error:
            if call.zone not in self._dark:
                log.warning("zone '%s' has no light: %s", call.zone, error)
            self._dark.add(call.zone)


class SounderServant(_Idle):
    """Plays answers."""

    def serve(self, device: Sounder, call: Answer) -> Iterator[Event]:
        """Make the answer's sound."""
        device.play(call.signal)
        return iter(())


class ButtonsServant(_Idle):
    """Waits for presses; who pressed hears of it at `reader`, beside which the buttons are."""

    waits = True
    idle_every_s = 0.4
    """Also how long a stop may have to wait."""

    def __init__(self, reader: str) -> None:
        self._reader = reader

    def serve(self, device: Buttons, call: Any) -> Iterator[Event]:
        """Buttons take no calls."""
        raise AssertionError(f"buttons take no calls: {call!r}, {device!r}")

    def idle(self, device: Buttons, timeout: float) -> Iterator[Event]:
        """Wait for a press."""
        mood = device.wait_for_press(timeout)
        if mood is not None:
            yield MoodPressed(mood, self._reader)


def _page(job: Job) -> str:
    """Return the word under which a page is counted."""
    if job.kind is not None:
        return job.kind.value
    return "copy" if job.page.copy else "badge"


def cause_of(error: Exception | None) -> Cause:
    """Return the word for what happened to a printer; None is a call that never came back."""
    match error:
        case None | DeviceSilent():
            return Cause.SILENT
        case DeviceLost():
            return Cause.LOST
        case DeviceGarbled():
            return Cause.GARBLED
        case DeviceMissing():
            return Cause.MISSING
        case DeviceRefused(cause=cause):
            return cause
        case _:
            return Cause.LOST
