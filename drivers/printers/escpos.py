"""Printers that speak ESC/POS, over USB, a serial line, a network port or a device file.

Source: Epson ESC/POS command reference; USB printer class 1.1; the connections follow pyserial, pyusb and the kernel's tty and
usblp documentation.

python-escpos gives the command constants. Its connection objects are not used: they neither bound a write nor read while
writing, don't open again after a failure, reset a USB printer on each open, leave a socket behind when connecting fails, and
importing them costs 0.4 s and 9 MB, leaves a temporary folder and sets up logging. What is left of them after that is one call
each to pyserial, pyusb and socket, which is made here; `tests/drivers/printers/test_escpos_traps.py` holds each of these.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import select
import socket
import stat
import struct
import termios
import time
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Protocol

from escpos.constants import HW_INIT, RT_STATUS
from msgspec import Meta, Struct
from msgspec.structs import replace

from drivers.errors import ConfigError, DeviceGarbled, DeviceLost, DeviceMissing, DeviceRefused, DeviceSilent
from drivers.ports import Paper, Printer, PrinterStatus
from drivers.printers.findings import Heard
from drivers.printers.length import rows_of
from drivers.printers.profiles import Completion, profile
from drivers.printers.status import (
    CLEAR,
    FENCE,
    PROCESS_IDS,
    PUSH,
    Cleared,
    Completed,
    FenceReached,
    Pushed,
    Question,
    RealTime,
    Replies,
    completion_request,
    from_answers,
    from_pushed,
    is_error,
    is_offline,
)

_CHUNK = 4096
_USB_PRINTER_CLASS = 7
_LOOK_S = 0.02
"""How often the kernel's buffer is looked at while it empties: it gives no event."""
_USB_TURN_MS = 200
"""How long a USB printer may hold up a write before it is listened to in between."""
_FILL = bytes(128 * 72 + 64)
"""As long as the longest command of a page. NULs print nothing, but complete a command that was torn."""

_SERIAL = re.compile(r"([^?&]+)(?:\?baud=(\d{3,7}))?(?:[?&]flow=(xonxoff|rtscts|none))?")
_SPEEDS = (9600, 19200, 38400, 57600, 115200)
_USUAL_SPEED = 19200
_PROCESSED_S = 30.0
"""How long a printer may take for a few centimetres of picture that are in its buffer."""

_QUIET_S = 0.2
"""Who has said nothing for so long owes no answers to an earlier life any more."""
_POLL_S = 0.5
"""How often a printer is asked while it prints. Nobody changes the paper faster."""
_ROWS_PER_S = 400
"""What the slowest printers do: 50 mm a second."""
_START_AND_CUT_S = 1.5
_LATE_S = 5.0
"""How much later than that a printer's word may come."""
_ADAPTER_BYTES = 1024
"""What an adapter between USB and a serial line may hold."""

Seconds = Annotated[float, Meta(gt=0, le=120)]


class UsbAddress(Struct, frozen=True):
    """A USB printer by vendor and product id, or the only one when None."""

    ids: tuple[int, int] | None


class SerialAddress(Struct, frozen=True):
    """A serial line; `flow` is who may stop whom: the printer by XOFF, by the CTS wire, or nobody. `baud` may be unknown."""

    path: str
    baud: int | None
    flow: str = "xonxoff"


class NetworkAddress(Struct, frozen=True):
    """A TCP port that takes raw ESC/POS."""

    host: str
    port: int


class FileAddress(Struct, frozen=True):
    """A device file, such as the kernel's usblp gives."""

    path: str


Address = UsbAddress | SerialAddress | NetworkAddress | FileAddress


def parse_connection(connection: str) -> Address:
    """Return where `connection` points; raise `ConfigError` with what would be right."""
    kind, _, rest = connection.partition(":")
    match kind:
        case "usb" if not rest:
            return UsbAddress(None)
        case "usb" if found := re.fullmatch(r"([0-9a-fA-F]{4}):([0-9a-fA-F]{4})", rest):
            return UsbAddress((int(found[1], 16), int(found[2], 16)))
        case "serial" if found := _SERIAL.fullmatch(rest):
            return SerialAddress(found[1], int(found[2]) if found[2] else None, found[3] or "xonxoff")
        case "network" if found := re.fullmatch(r"(?:\[([^\]]+)\]|([^:\[\]/]+))(?::(\d{1,5}))?", rest):
            port = int(found[3] or 9100)
            if 0 < port < 65536:
                return NetworkAddress(found[1] or found[2], port)
        case "file" if rest:
            return FileAddress(rest)
    raise ConfigError(
        f"connection = '{connection}' is no printer connection; write 'usb', 'usb:04b8:0e15' (vendor:product), "
        "'serial:/dev/ttyUSB0?baud=19200' (without baud: as probed; may end in &flow=xonxoff, rtscts or none), "
        "'network:192.168.1.50:9100' or 'file:/dev/usb/lp0'"
    )


class EscposSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the printer is connected and what it can say.

    `connection` is one of `usb`, `usb:VENDOR:PRODUCT` (hexadecimal), `serial:PATH?baud=19200` (and `&flow=rtscts` or `none`
    where the printer is not set to XON/XOFF), `network:HOST:PORT`, `file:PATH`. `completion` is by which means it tells that
    a page is printed: `gs_h` by its own word, `gs_r` by having processed it, `status` by being well after the time that it
    takes, `none` not at all. `answers` is False for a printer that never says anything; then `completion` is of no use.
    `pushes` is whether it may be asked to tell paper out by itself (GS a). What is not set of these, and the baud of a serial
    line, is as a probe found it; else the profile says `completion`, it answers and pushes, at 19200 baud. Deadlines are in
    seconds without progress.
    """

    connection: str
    profile: str = "generic-80"
    completion: Completion | None = None
    answers: bool | None = None
    pushes: bool | None = None
    write_deadline_s: Seconds = 5.0
    status_deadline_s: Seconds = 1.0

    def __post_init__(self) -> None:
        parse_connection(self.connection)

    @property
    def address(self) -> Address:
        """Where the printer is."""
        return parse_connection(self.connection)

    def as_found(self, heard: Heard) -> EscposSettings:
        """Return these settings with what a probe heard where they say nothing."""
        address, connection = self.address, self.connection
        if isinstance(address, SerialAddress) and address.baud is None and heard.baud is not None:
            connection = _at_speed(address, heard.baud)
        return replace(
            self,
            connection=connection,
            completion=self.completion or heard.completion,
            answers=heard.answers if self.answers is None else self.answers,
            pushes=heard.pushes if self.pushes is None else self.pushes,
        )


def _at_speed(address: SerialAddress, baud: int) -> str:
    return f"serial:{address.path}?baud={baud}&flow={address.flow}"


class _Line(Protocol):
    """A connection on which nothing waits longer than told."""

    @abstractmethod
    def exchange(self, data: memoryview, timeout: float) -> tuple[int, bytes]:
        """Offer `data` and return how much was taken and what has come; wait at most `timeout` seconds for either."""

    @abstractmethod
    def unsent(self) -> int:
        """Return how many bytes were taken but wait inside this computer, as far as it is known."""

    @abstractmethod
    def discard(self) -> None:
        """Throw away what is unsent, now or at the latest with the close, so that no stale badge comes later."""

    @abstractmethod
    def close(self) -> None:
        """Close at once."""


class _DescriptorLine(_Line):
    """A file descriptor in non-blocking mode: serial line, socket, device file.

    `ends` is whether an empty read is the end; usblp gives one for every empty answer of the printer.
    """

    def __init__(
        self,
        descriptor: int,
        close: Callable[[], None],
        discard: Callable[[], None],
        *,
        reads: bool = True,
        ends: bool = True,
    ) -> None:
        self._descriptor = descriptor
        self._close, self._discard = close, discard
        self._listen = select.POLLIN if reads else 0
        self._ends = ends

    def exchange(self, data: memoryview, timeout: float) -> tuple[int, bytes]:
        poll = select.poll()
        poll.register(self._descriptor, self._listen | (select.POLLOUT if data else 0))
        ready = dict(poll.poll(timeout * 1000)).get(self._descriptor, 0)
        gone = ready & (select.POLLHUP | select.POLLERR | select.POLLNVAL)
        received, written = b"", 0
        try:
            if ready & select.POLLIN:
                received = os.read(self._descriptor, _CHUNK)
                gone = not received and (gone or self._ends)
            if ready & select.POLLOUT and not gone:
                written = os.write(self._descriptor, data)
        except BlockingIOError:
            pass
        except OSError as error:
            raise DeviceLost(f"the connection to the printer broke: {error.strerror}") from error
        if gone:
            raise DeviceLost("the printer is disconnected")
        return written, received

    def unsent(self) -> int:
        try:
            # The same number asks a TCP socket for bytes that the far side has not acknowledged.
            answer = fcntl.ioctl(self._descriptor, termios.TIOCOUTQ, struct.pack("i", 0))
        except OSError:
            return 0
        (count,) = struct.unpack("i", answer)
        return int(count)

    def discard(self) -> None:
        with contextlib.suppress(OSError, termios.error):
            self._discard()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._close()


class _UsbLine(_Line):
    """The two bulk endpoints of a printer interface."""

    def __init__(self, device: Any, out: Any, back: Any) -> None:
        self._device, self._out, self._back = device, out, back

    def exchange(self, data: memoryview, timeout: float) -> tuple[int, bytes]:
        from usb.core import USBError, USBTimeoutError

        written, received = 0, b""
        # 0 means for ever to libusb.
        wait_ms = max(1, round(timeout * 1000))
        try:
            if data:
                with contextlib.suppress(USBTimeoutError):
                    written = self._out.write(bytes(data), min(wait_ms, _USB_TURN_MS))
            if self._back is not None:
                with contextlib.suppress(USBTimeoutError):
                    received = bytes(self._back.read(512, 1 if data else wait_ms))
        except USBError as error:
            raise DeviceLost(f"the USB printer is gone: {error.strerror}") from error
        return written, received

    def unsent(self) -> int:
        return 0

    def discard(self) -> None:
        pass  # A transfer that timed out is already cancelled.

    def close(self) -> None:
        from usb.core import USBError
        from usb.util import dispose_resources

        with contextlib.suppress(USBError):
            dispose_resources(self._device)


def _open_serial(address: SerialAddress) -> _Line:
    import serial

    try:
        port = serial.Serial(
            address.path,
            address.baud or _USUAL_SPEED,
            timeout=0,
            xonxoff=address.flow == "xonxoff",
            rtscts=address.flow == "rtscts",
            exclusive=True,
        )
    except ValueError as error:
        raise ConfigError(f"{address.path} can't do {address.baud} baud: {error}") from error
    except (OSError, termios.error) as error:
        raise _missing(address.path, error) from error

    return _DescriptorLine(port.fileno(), port.close, port.reset_output_buffer)


def _open_network(address: NetworkAddress, timeout: float) -> _Line:
    try:
        connection = socket.create_connection((address.host, address.port), timeout)
    except OSError as error:
        raise _missing(f"{address.host} port {address.port}", error) from error
    connection.setblocking(False)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def discard() -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return _DescriptorLine(connection.fileno(), connection.close, discard)


def _open_file(address: FileAddress, *, reads: bool) -> _Line:
    try:
        if reads and not stat.S_ISCHR(Path(address.path).stat().st_mode):
            raise ConfigError(f"{address.path} is no character device and can't answer; set answers = false")
        descriptor = os.open(address.path, (os.O_RDWR if reads else os.O_WRONLY) | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise _missing(address.path, error) from error

    # usblp cancels what is under way by itself.
    return _DescriptorLine(descriptor, lambda: os.close(descriptor), lambda: None, reads=reads, ends=False)


def _open_usb(address: UsbAddress, backend: Any, *, reads: bool) -> _Line:
    import usb.core
    import usb.util

    def endpoints(device: Any) -> tuple[Any, Any, Any, Any] | None:
        """Find the printer interface (by class; of a chosen device also the first that takes bulk data) and its endpoints."""
        interfaces = [(configuration, interface) for configuration in device for interface in configuration]
        printers = [pair for pair in interfaces if pair[1].bInterfaceClass == _USB_PRINTER_CLASS]
        for configuration, interface in printers or (interfaces if address.ids else []):
            bulk = [end for end in interface if usb.util.endpoint_type(end.bmAttributes) == usb.util.ENDPOINT_TYPE_BULK]
            outs, backs = ([end for end in bulk if bool(end.bEndpointAddress & 0x80) == inward] for inward in (False, True))
            if outs:
                return configuration, interface, outs[0], backs[0] if backs else None
        return None

    ids = {"idVendor": address.ids[0], "idProduct": address.ids[1]} if address.ids else {}
    try:
        device = usb.core.find(backend=backend, custom_match=lambda each: endpoints(each) is not None, **ids)
        found = device and endpoints(device)
    except (usb.core.NoBackendError, usb.core.USBError) as error:
        raise DeviceMissing(f"USB can't be searched for a printer ({error}); is libusb-1.0 installed?") from error
    if not found:
        raise DeviceMissing("no such USB printer is connected; `lsusb` shows vendor:product of those that are")
    configuration, interface, out, back = found
    if reads and back is None:
        raise ConfigError("this USB printer has no way to answer; set answers = false")
    try:
        # Not every system has kernel drivers to detach.
        with contextlib.suppress(NotImplementedError):
            if device.is_kernel_driver_active(interface.bInterfaceNumber):
                device.detach_kernel_driver(interface.bInterfaceNumber)
        # Neither reset nor configured anew without need: some printers forget what they were doing.
        active = None
        with contextlib.suppress(usb.core.USBError):
            active = device.get_active_configuration().bConfigurationValue
        if active != configuration.bConfigurationValue:
            device.set_configuration(configuration.bConfigurationValue)
        usb.util.claim_interface(device, interface.bInterfaceNumber)
    except usb.core.USBError as error:
        usb.util.dispose_resources(device)
        raise _missing("the USB printer", error) from error
    return _UsbLine(device, out, back if reads else None)


def _missing(what: str, error: OSError | termios.error) -> DeviceMissing:
    """Sort the many ways in which opening fails into words that help."""
    number = error.errno if isinstance(error, OSError) else error.args[0]
    if number in {errno.EACCES, errno.EPERM}:
        return DeviceMissing(f"{what} may not be opened: the user of the service needs the group or udev rule for it")
    if number in {errno.EBUSY, errno.EAGAIN}:
        return DeviceMissing(f"{what} is in use by another program")
    return DeviceMissing(
        f"{what} can't be opened: {error.strerror if isinstance(error, OSError) and error.strerror else error}"
    )


class EscposPrinter(Printer):
    """A receipt printer; `usb_backend` is what pyusb talks through, libusb when None."""

    Settings = EscposSettings

    def __init__(self, settings: EscposSettings, usb_backend: object = None) -> None:
        self._set(settings)
        self._usb_backend = usb_backend
        self._line: _Line | None = None
        self._replies = Replies()
        self._answers: list[int] = []
        self._pushed: PrinterStatus | None = None
        self._completed: int | None = None
        self._cleared = False
        self._may_clear = True
        self._in_step = False
        """Whether it is known that the printer waits for a command, not for the rest of a torn one."""
        self._torn = False
        self._sent: int | None = None
        self._printed_at = 0.0
        """When the page is out at the latest, by the clock of this computer."""

    def _set(self, settings: EscposSettings) -> None:
        self._settings = settings
        self._answering = settings.answers is not False
        self._pushing = self._answering and settings.pushes is not False
        completion = settings.completion or profile(settings.profile).completion
        self._means = completion if self._answering else "none"

    @property
    def profile(self) -> str:
        """The profile of the settings."""
        return self._settings.profile

    def open(self) -> None:
        """Connect."""
        answers = self._answering
        match self._settings.address:
            case UsbAddress() as address:
                self._line = _open_usb(address, self._usb_backend, reads=answers)
            case SerialAddress() as address:
                self._line = _open_serial(address)
            case NetworkAddress() as address:
                self._line = _open_network(address, self._settings.write_deadline_s)
            case FileAddress() as address:
                self._line = _open_file(address, reads=answers)
        if self._has_fence:
            self._ask_fences(1)

    def close(self) -> None:
        """Disconnect; the unsent rest of a page that was not written whole is thrown away."""
        line, self._line = self._line, None
        if line is not None:
            if self._torn:
                line.discard()
            line.close()

    def describe(self) -> str:
        """Name connection and profile."""
        return f"ESC/POS printer on {self._settings.connection}, profile {self.profile}"

    def status(self) -> PrinterStatus:
        """Ask in real time whether it is on line and has paper, and if not, why not."""
        if not self._answering:
            return PrinterStatus()
        status = self._ask_status()
        if status.ready:
            self._get_in_step()
        elif not self._in_step:
            # What an earlier life left in it would come out with the new paper.
            self._clear()
        return status

    def send(self, page: bytes, process_id: int) -> None:
        """Write the page and what asks for its completion, listening all the while."""
        self._get_in_step()
        self._pushed = self._completed = self._sent = None
        self._may_clear, self._cleared = True, False
        if self._pushing and page.startswith(HW_INIT):
            # After the page's own initialisation, which ends it on some printers.
            page = HW_INIT + PUSH + page[len(HW_INIT) :]
        self._torn = True
        self._write(page)
        # Only now: what came while the page was written does not answer the end of it.
        if self._means == "gs_r":
            self._ask_fences(2)
        elif self._means == "gs_h":
            self._write(completion_request(process_id))
        self._drain()
        self._torn = False
        self._sent = process_id
        self._printed_at = time.monotonic() + self._takes_s(page)

    def wait_printed(self, process_id: int, timeout: float) -> bool:
        """Wait for the printer's own word, by the means of the settings.

        It is asked in between how it is: one that tells nothing by itself is noticed to have stopped before somebody changes
        the paper and it goes on, with a badge in two halves. A fence and an estimate are only believed of a printer that is
        well after them.
        """
        if self._means == "none" or process_id != self._sent:
            return False
        until = time.monotonic() + timeout
        due = min(until, self._printed_at if self._means == "status" else self._printed_at + _LATE_S)
        while not self._said(process_id) and (left := due - time.monotonic()) > 0:
            self._listen(lambda: self._said(process_id) or self._stopped, min(left, _POLL_S))
            if not self._said(process_id):
                self._refuse(self._pushed if self._stopped else self._asked_status())
        if self._means == "gs_h" and self._said(process_id):
            return True
        status = self._ask_status()
        self._refuse(status)
        if self._means == "status" and self._printed_at <= until:
            return status.paper in (Paper.ENOUGH, Paper.LOW)
        if self._said(process_id):
            return True
        raise DeviceSilent(f"the printer did not say within {timeout:g} s that the page is printed")

    def _said(self, process_id: int) -> bool:
        """Whether the printer said that it is through with this page."""
        match self._means:
            case "gs_h":
                return self._completed == process_id % PROCESS_IDS
            case "gs_r":
                return not self._replies.fences
            case _:
                return False

    def _takes_s(self, page: bytes) -> float:
        """Return how long the slowest printer takes for a page of which it may have the first byte only now."""
        address = self._settings.address
        late = min(len(page), _ADAPTER_BYTES) * 10 / (address.baud or _USUAL_SPEED) if isinstance(address, SerialAddress) else 0
        return rows_of(page) / _ROWS_PER_S + _START_AND_CUT_S + late

    def probe(self, opening: bytes, process_id: int) -> Heard:
        """Print `opening`, whose bytes begin with initialising, and return what the printer says while it does.

        Opens the printer, on a serial line at the speed at which it answers. The rest of the page may be sent after it, and is
        as well confirmed as this printer can. Takes some seconds when there are no answers. Raise as `open` and `send` do.
        """
        questions, baud = self._questions(replace(self._settings, completion="none", pushes=False))
        fenced = self._fenced() if self._answering else False
        if questions:
            self._refuse(self._ask_status())
        told: Completion = "status" if {Question.PRINTER, Question.PAPER} <= set(questions) else "none"
        heard = Heard(questions=questions, completion="gs_r" if fenced else told, baud=baud)
        if questions or fenced:
            # Who takes this for text has it wiped out by the next initialising.
            self._pushed = None
            self._write(HW_INIT + PUSH)
            pushes = self._listen(lambda: self._pushed is not None, self._settings.status_deadline_s)
            heard = replace(heard, pushes=pushes)
        self._write(opening + (completion_request(process_id) if questions or fenced else b""))
        self._drain()
        if fenced:
            # All before was processed: what is not printed by then comes soon.
            self._replies.fences = 0
            self._ask_fences(1)
            self._listen(lambda: not self._replies.fences, _PROCESSED_S)
        wanted = process_id % PROCESS_IDS
        if (questions or fenced) and self._listen(lambda: self._completed == wanted, self._settings.write_deadline_s):
            heard = replace(heard, completion="gs_h")
        self._in_step = True
        # Whatever is configured: the rest of the page waits for no more than this printer has.
        self._set(replace(self._settings, completion=heard.completion, answers=heard.answers, pushes=heard.pushes))
        return heard

    def _questions(self, asking: EscposSettings) -> tuple[tuple[int, ...], int | None]:
        """Open and return which real-time questions are answered, and the speed of a serial line; usual speeds are tried."""
        address = asking.address
        tries: list[tuple[str, int | None]] = [(asking.connection, None)]
        if isinstance(address, SerialAddress):
            first = address.baud or _USUAL_SPEED
            speeds = (first, *(speed for speed in _SPEEDS if speed != first), first)
            tries = [(_at_speed(address, speed), speed) for speed in speeds]
        for connection, speed in tries if asking.answers is not False else tries[:1]:
            self.close()
            self._replies = Replies()
            self._set(replace(asking, connection=connection))
            self.open()
            if self._answering and self._ask(Question.PRINTER) is not None and not self._replies.noise:
                others = (Question.OFFLINE_CAUSE, Question.ERROR_CAUSE, Question.PAPER)
                return (1, *(int(each) for each in others if self._ask(each) is not None)), speed
        return (), None

    def _fenced(self) -> bool:
        """Return whether the fence is answered, at the latest when what an earlier life left torn is filled up."""
        for fill in (b"", _FILL):
            self._write(fill)
            self._drain()
            self._replies.fences = 0
            self._ask_fences(1)
            if self._listen(lambda: not self._replies.fences, self._settings.status_deadline_s):
                return True
        return False

    @property
    def _has_fence(self) -> bool:
        return self._means in {"gs_h", "gs_r"}

    def _ask_fences(self, count: int) -> None:
        self._replies.fences += count
        self._write(FENCE * count)

    @property
    def _stopped(self) -> bool:
        return self._pushed is not None and not self._pushed.ready

    def _connected(self) -> _Line:
        if self._line is None:
            raise RuntimeError("the printer is not open")
        return self._line

    def _get_in_step(self) -> None:
        """Make sure that the next byte begins a command.

        An earlier life of this program may have been cut off in the middle of an image; the printer then takes what comes
        for the rest of that image. When it does not answer a fence, NULs fill up what it waits for.
        """
        if self._in_step:
            return
        if not self._has_fence:
            self._write(_FILL)
            self._drain()
        elif not self._listen(lambda: not self._replies.fences, self._settings.status_deadline_s):
            self._write(_FILL)
            self._drain()
            raise DeviceSilent(
                "the printer answers DLE EOT but not GS r: it is busy, or was cut off in a page and is now filled up; "
                "if this stays, it can't tell what it has printed: set completion = 'status'"
            )
        elif self._means == "gs_r":
            self._outlast_late_answers()
        self._in_step = True

    def _outlast_late_answers(self) -> None:
        """Wait until no answer to what an earlier life asked can come any more.

        An answer to GS r carries no id: a late one would pass for that of the next page. What an earlier life asked stands in
        the printer's buffer right before what was asked now, with no page in between, as no page is sent before the first
        answer: all of them come in one go, and none comes after a silence. One that does after all is not enough either: the
        end of a page is asked for twice, and the printer must answer in real time after that.
        """
        until = time.monotonic() + self._settings.write_deadline_s
        while time.monotonic() < until:
            self._ask_fences(1)
            if not self._listen(lambda: not self._replies.fences, self._settings.status_deadline_s):
                raise DeviceSilent("the printer answered GS r once, and then not again")
            if self._quiet():
                return
            while time.monotonic() < until and not self._quiet():
                pass
        raise DeviceGarbled("the printer goes on answering what it was not asked")

    def _quiet(self) -> bool:
        """Return whether for a while there come no answers to what was not asked."""
        before = self._replies.strays
        return not self._listen(lambda: self._replies.strays != before, _QUIET_S)

    def _clear(self) -> None:
        """Have a printer that told why it stopped forget what it holds, so that no rest of it comes before the next page.

        Once for each page: many don't know this, and pass over its bytes, none of which prints.
        """
        if not self._may_clear:
            return
        self._may_clear = False
        if self._torn:
            self._connected().discard()
            self._torn = False
        with contextlib.suppress(DeviceSilent, DeviceLost):
            self._write(CLEAR, self._settings.status_deadline_s)
            if self._listen(lambda: self._cleared, self._settings.status_deadline_s):
                # What it answered before that came before that.
                self._replies.fences, self._in_step = 0, True

    def _ask_status(self) -> PrinterStatus:
        status = self._asked_status()
        if status is None:
            if self._replies.noise:
                raise DeviceGarbled("the printer answers bytes that are no ESC/POS status; on a serial line: check baud")
            raise DeviceSilent("the printer does not answer; if it never can, set answers = false")
        return status

    def _asked_status(self) -> PrinterStatus | None:
        """Ask the printer how it is; None when it does not answer."""
        first = self._ask(Question.PRINTER)
        if first is None:
            return None
        answers = {Question.PRINTER: first}
        for question in (Question.PAPER, Question.OFFLINE_CAUSE, Question.ERROR_CAUSE):
            if question is Question.OFFLINE_CAUSE and not is_offline(first):
                break
            if question is Question.ERROR_CAUSE and not is_error(answers[Question.OFFLINE_CAUSE]):
                break
            answer = self._ask(question)
            if answer is None:
                # Many printers know no other questions; and a late answer must not pass for that to the next one.
                break
            answers[question] = answer
        return from_answers(answers)

    def _ask(self, question: Question) -> int | None:
        # What came unasked answers nothing.
        self._hear(self._connected().exchange(memoryview(b""), 0)[1])
        self._answers.clear()
        self._write(RT_STATUS + bytes([question]), self._settings.status_deadline_s)
        self._listen(lambda: bool(self._answers), self._settings.status_deadline_s)
        return self._answers[-1] if self._answers else None

    def _write(self, data: bytes, deadline_s: float | None = None) -> None:
        """Hand all of `data` to the kernel; the deadline runs anew with each byte that it takes or passes on.

        A full buffer takes nothing until it is nearly empty: at 9600 baud that is four seconds.
        """
        line, view = self._connected(), memoryview(data)
        deadline_s = deadline_s or self._settings.write_deadline_s
        until, unsent = time.monotonic() + deadline_s, line.unsent()
        while view:
            written, received = line.exchange(view[:_CHUNK], max(0.0, min(until - time.monotonic(), deadline_s)))
            self._hear(received)
            if self._torn:
                self._refuse(self._pushed)
            view = view[written:]
            now, before, unsent = time.monotonic(), unsent, line.unsent()
            if written or unsent < before:
                until = now + deadline_s
            elif now >= until:
                raise DeviceSilent(f"the printer took no bytes for {deadline_s:g} s, {len(view)} are left")

    def _drain(self) -> None:
        """Wait until the kernel has passed everything on; the deadline runs anew with each byte that goes."""
        line = self._connected()
        least, until = line.unsent(), 0.0
        while left := line.unsent():
            now = time.monotonic()
            if left < least or not until:
                least, until = left, now + self._settings.write_deadline_s
            elif now >= until:
                raise DeviceSilent(f"the printer took no bytes for {self._settings.write_deadline_s:g} s, {left} are left")
            self._hear(line.exchange(memoryview(b""), _LOOK_S)[1])
            if self._torn:
                self._refuse(self._pushed)

    def _listen(self, done: Callable[[], bool], timeout: float) -> bool:
        """Take what comes until `done` or for `timeout` seconds; return whether it is done."""
        until = time.monotonic() + timeout
        while not done():
            left = until - time.monotonic()
            if left <= 0:
                return False
            self._hear(self._connected().exchange(memoryview(b""), left)[1])
        return True

    def _hear(self, received: bytes) -> None:
        for reply in self._replies.feed(received):
            match reply:
                case RealTime(value):
                    self._answers.append(value)
                case Pushed(block):
                    self._pushed = from_pushed(block)
                case Completed(process_id):
                    self._completed = process_id
                case Cleared():
                    self._cleared = True
                case FenceReached():
                    pass  # `Replies` counts them.

    def _refuse(self, status: PrinterStatus | None) -> None:
        """Raise the cause that the printer told, if any."""
        if status is not None and status.cause is not None:
            self._clear()
            raise DeviceRefused(f"the printer stopped: {status.cause.value}", status.cause)
