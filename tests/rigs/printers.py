"""Far sides of printer connections: a virtual printer on a TCP socket, on a serial pty, on a device file, on USB.

Each is a context manager with hands for what the world does. The USB one stands in for libusb, below pyusb: there is no
USB wire without a kernel that can make one up (dummy_hcd, usbip).
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
import tempfile
import time
import tty
from abc import abstractmethod
from array import array
from collections.abc import Callable
from pathlib import Path
from threading import Condition, Thread
from types import SimpleNamespace
from typing import Any, Self

import usb.backend
import usb.core

from drivers.virtual.printer import Slip, VirtualPrinter


class Rig:
    """What all rigs have: a virtual printer behind a lock, made as `make` says, and its hands."""

    def __init__(self, **make: Any) -> None:
        self._printer = VirtualPrinter(strict=False, **make)
        self._changed = Condition()
        self._stopped = False
        self._received = bytearray()

    # Hands

    def paper_out(self) -> None:
        self._do(self._printer.paper_out)

    def paper_out_after(self, rows: int) -> None:
        with self._changed:
            self._printer.paper_out_after(rows)

    def paper_low(self) -> None:
        self._do(self._printer.paper_low)

    def paper_in(self) -> None:
        self._do(self._printer.paper_in)

    def cover_open(self) -> None:
        self._do(self._printer.cover_open)

    def cover_close(self) -> None:
        self._do(self._printer.cover_close)

    def jam(self) -> None:
        self._do(self._printer.jam)

    def jam_paper(self) -> None:
        self._do(self._printer.jam_paper)

    def jam_paper_after(self, rows: int) -> None:
        with self._changed:
            self._printer.jam_paper_after(rows)

    def clear_jam(self) -> None:
        self._do(self._printer.clear_jam)

    def power_cut(self) -> None:
        """Pull the mains plug: with it goes the connection, but for a serial line."""
        with self._changed:
            self._printer.power_cut()
        self.unplug()

    def power_cut_after(self, rows: int) -> None:
        """Pull the mains plug when so many more rows were printed; the connection stays, and is silent."""
        with self._changed:
            self._printer.power_cut_after(rows)

    def power_on(self) -> None:
        with self._changed:
            self._printer.power_on()
        self.unplug()
        self.plug()

    def mute(self) -> None:
        """Say nothing, and take all bytes."""
        with self._changed:
            self._printer.mute()

    def unmute(self) -> None:
        with self._changed:
            self._printer.unmute()

    def answer_only(self, *questions: int) -> None:
        """Answer these n of DLE EOT n only, as cheap printers do."""
        with self._changed:
            self._printer.questions = frozenset(questions)

    def stop(self) -> None:
        """Take no bytes."""
        with self._changed:
            self._stopped = True
        self._wake()

    def go(self) -> None:
        """Take bytes again."""
        with self._changed:
            self._stopped = False
        self._wake()

    def say(self, data: bytes) -> None:
        """Send bytes to the host, whatever they are."""
        with self._changed:
            self._send(data)

    @abstractmethod
    def unplug(self) -> None:
        """Let the connection and the way to it vanish."""

    @abstractmethod
    def plug(self) -> None:
        """Let it be there again."""

    # Eyes

    @property
    def papers(self) -> tuple[Slip, ...]:
        with self._changed:
            return tuple(self._printer.papers)

    @property
    def scraps(self) -> tuple[Slip, ...]:
        with self._changed:
            return tuple(self._printer.scraps)

    @property
    def errors(self) -> tuple[str, ...]:
        """What the printer did not understand."""
        with self._changed:
            return tuple(self._printer.errors)

    @property
    def received(self) -> bytes:
        """All that came down the wire, over all connections."""
        with self._changed:
            return bytes(self._received)

    def until(self, done: Callable[[], bool], timeout: float = 10) -> None:
        """Wait until `done`, which is asked after each change."""
        with self._changed:
            if not self._changed.wait_for(done, timeout):
                raise TimeoutError(
                    f"not within {timeout:g} s: {len(self._received)} bytes came, {len(self._printer.papers)} slips, "
                    f"errors {self._printer.errors}"
                )

    def until_papers(self, count: int, timeout: float = 10) -> tuple[Slip, ...]:
        """Wait for so many whole slips."""
        self.until(lambda: len(self._printer.papers) >= count, timeout)
        return self.papers

    def until_received(self, count: int, timeout: float = 10) -> None:
        """Wait for so many bytes."""
        self.until(lambda: len(self._received) >= count, timeout)

    def tear(self) -> None:
        """Tear off what is printed, on a printer without a cutter."""
        with self._changed:
            self._printer.tear()
            self._changed.notify_all()

    # Inside, called with the lock held

    def _do(self, action: Callable[[], bytes]) -> None:
        with self._changed:
            self._send(action())
            self._changed.notify_all()
        self._wake()

    def _take(self, data: bytes) -> None:
        self._received += data
        self._send(self._printer.feed(data))
        self._changed.notify_all()

    def _wants(self) -> int:
        """How many bytes may be read now."""
        return 0 if self._stopped else min(4096, self._printer.room)

    @abstractmethod
    def _send(self, data: bytes) -> None: ...

    @abstractmethod
    def _wake(self) -> None: ...


class _ThreadRig(Rig):
    """A rig with a thread that reads descriptors."""

    def __init__(self, **make: Any) -> None:
        super().__init__(**make)
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        self._ended = False
        self._rounds = 0
        self._thread = Thread(target=self._run, name=type(self).__name__, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._ended = True
        self._wake()
        self._thread.join(10)
        assert not self._thread.is_alive()
        self.unplug()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _wake(self) -> None:
        os.write(self._wake_write, b"!")

    def _wait(self, descriptors: list[int], timeout: float | None = None) -> list[int]:
        """Wait until one of these can be read or somebody wakes the thread; called without the lock."""
        ready, _, _ = select.select([*descriptors, self._wake_read], [], [], timeout)
        if self._wake_read in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_read, 4096)
        return ready

    def _let_go(self) -> None:
        """Wait until the thread waits for no descriptor of before: one that is waited for stays open when it is closed."""
        rounds = self._rounds
        self._wake()
        assert self._changed.wait_for(lambda: self._rounds != rounds or not self._thread.is_alive(), 5)

    def _goes_on(self) -> bool:
        self._rounds += 1
        self._changed.notify_all()
        return not self._ended

    @abstractmethod
    def _run(self) -> None: ...


class NetworkPrinter(_ThreadRig):
    """A printer on a TCP port of the loopback; it serves one connection at a time and forgets its input when that ends."""

    def __init__(self, **make: Any) -> None:
        super().__init__(**make)
        self.port = 0
        self._listener: socket.socket | None = None
        self._connection: socket.socket | None = None
        self._kill_at: int | None = None
        self.plug()

    @property
    def connection(self) -> str:
        """As the driver's settings want it."""
        return f"network:127.0.0.1:{self.port}"

    @property
    def connected(self) -> bool:
        """Whether somebody is connected now."""
        with self._changed:
            return self._connection is not None

    def plug(self) -> None:
        with self._changed:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Small, so that a printer which stops reading is soon noticed.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            listener.bind(("127.0.0.1", self.port))
            listener.listen(1)
            listener.setblocking(False)
            self.port = listener.getsockname()[1]
            self._listener = listener
        self._wake()

    def unplug(self) -> None:
        with self._changed:
            listener, self._listener = self._listener, None
            connection, self._connection = self._connection, None
            self._let_go()
            for end in (listener, connection):
                if end is not None:
                    end.close()
            self._printer.drop_input()

    def disconnect(self) -> None:
        """Close the connection and take the next."""
        with self._changed:
            connection, self._connection = self._connection, None
            self._let_go()
            if connection is not None:
                connection.close()
            self._printer.drop_input()

    def kill_after(self, count: int) -> None:
        """Break the connection (RST) when so many more bytes came."""
        with self._changed:
            self._kill_at = len(self._received) + count

    def _hang_up(self, *, hard: bool = False) -> None:
        if self._connection is not None:
            if hard:
                self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._connection.close()
            self._connection = None
            self._printer.drop_input()

    def _send(self, data: bytes) -> None:
        if data and self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.send(data)

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._goes_on():
                    return
                listener, connection, wants = self._listener, self._connection, self._wants()
                waiting = []
                if connection is not None and wants:
                    waiting.append(connection.fileno())
                elif connection is None and listener is not None:
                    waiting.append(listener.fileno())
            try:
                ready = self._wait(waiting)
            except OSError:
                continue
            with self._changed:
                if (
                    connection is not self._connection
                    or listener is not self._listener
                    or not waiting
                    or waiting[0] not in ready
                ):
                    continue
                if connection is None:
                    assert listener is not None
                    with contextlib.suppress(OSError):
                        self._connection, _ = listener.accept()
                        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        self._connection.setblocking(False)
                    continue
                if self._kill_at is not None:
                    wants = min(wants, self._kill_at - len(self._received))
                try:
                    data = connection.recv(wants)
                except BlockingIOError:
                    continue
                except OSError:
                    data = b""
                if not data:
                    self._hang_up()
                    self._changed.notify_all()
                    continue
                self._take(data)
                if self._kill_at is not None and len(self._received) >= self._kill_at:
                    self._kill_at = None
                    self._hang_up(hard=True)


class SerialPrinter(_ThreadRig):
    """A printer on a pty that reads no faster than the line is; `path` stays the same over unplug and plug."""

    def __init__(self, *, baud: int = 19200, **make: Any) -> None:
        super().__init__(**make)
        self.baud = baud
        self._folder = tempfile.TemporaryDirectory()
        self.path = str(Path(self._folder.name) / "ttyPRINTER")
        self._master = self._slave = -1
        self.plug()

    @property
    def connection(self) -> str:
        """As the driver's settings want it."""
        return f"serial:{self.path}?baud={self.baud}"

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        self._folder.cleanup()

    def plug(self) -> None:
        with self._changed:
            # The slave is held open too: else the master would read an error while no program has it open.
            self._master, self._slave = os.openpty()
            tty.setraw(self._slave)
            os.set_blocking(self._master, False)
            Path(self.path).symlink_to(os.ttyname(self._slave))
        self._wake()

    def unplug(self) -> None:
        with self._changed:
            if self._master >= 0:
                ends = (self._master, self._slave)
                self._master = self._slave = -1
                Path(self.path).unlink()
                self._let_go()
                for end in ends:
                    os.close(end)
                self._printer.drop_input()

    def power_cut(self) -> None:
        with self._changed:
            self._printer.power_cut()

    def power_on(self) -> None:
        with self._changed:
            self._printer.power_on()

    def _send(self, data: bytes) -> None:
        if data and self._master >= 0:
            with contextlib.suppress(OSError):
                os.write(self._master, data)

    def _run(self) -> None:
        rate = self.baud / 10
        credit, last = 0.0, time.monotonic()
        while True:
            with self._changed:
                if not self._goes_on():
                    return
                master, wants = self._master, self._wants()
            now = time.monotonic()
            # What an idle line did not carry is not made up for, but for the UART's own 16 bytes.
            credit, last = min(credit + (now - last) * rate, max(16, rate * 0.02)), now
            try:
                if credit < 1:
                    self._wait([], (1 - credit) / rate + 0.002)
                    continue
                ready = self._wait([master] if wants and master >= 0 else [])
            except OSError:
                continue
            with self._changed:
                if master != self._master or master not in ready:
                    continue
                try:
                    data = os.read(master, min(wants, int(credit)))
                except OSError:
                    continue
                credit -= len(data)
                self._take(data)


class FilePrinter(_ThreadRig):
    """A printer behind a FIFO, which takes bytes and never says a word."""

    def __init__(self, **make: Any) -> None:
        super().__init__(**make)
        self._folder = tempfile.TemporaryDirectory()
        self.path = str(Path(self._folder.name) / "lp0")
        self._fifo = -1
        self.plug()

    @property
    def connection(self) -> str:
        """As the driver's settings want it."""
        return f"file:{self.path}"

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        self._folder.cleanup()

    def plug(self) -> None:
        with self._changed:
            os.mkfifo(self.path)
            # Held open for reading only: the driver's end breaks when this one goes.
            self._fifo = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self._wake()

    def unplug(self) -> None:
        with self._changed:
            if self._fifo >= 0:
                Path(self.path).unlink()
                fifo, self._fifo = self._fifo, -1
                self._let_go()
                os.close(fifo)
                self._printer.drop_input()

    def _send(self, data: bytes) -> None:
        pass

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._goes_on():
                    return
                fifo, wants = self._fifo, self._wants()
            try:
                ready = self._wait([fifo] if wants and fifo >= 0 else [])
            except OSError:
                continue
            with self._changed:
                if fifo != self._fifo or fifo not in ready:
                    continue
                data = b""
                with contextlib.suppress(BlockingIOError):
                    data = os.read(fifo, wants)
                if data:
                    self._take(data)
                    continue
            # Nobody has it open for writing, and that is no event to wait for.
            self._wait([], 0.01)


class UsbPrinter(Rig, usb.backend.IBackend):  # type: ignore[misc]  # pyusb ships no types
    """A USB printer as libusb would show it to pyusb, beside a keyboard: pass it as the driver's `usb_backend`."""

    connection = "usb:04b8:0e15"

    def __init__(self, **make: Any) -> None:
        super().__init__(**make)
        self.calls: list[str] = []
        """What was asked of libusb, but for transfers."""
        self.write_timeouts_ms: list[int] = []
        self.kernel_driver = True
        self.forbidden = False
        """Whether the user may not open the device."""
        self._plugged = True
        self._configured = 1
        self._outbox = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def unplug(self) -> None:
        with self._changed:
            self._plugged = False
            self._printer.drop_input()
            self._changed.notify_all()

    def plug(self) -> None:
        with self._changed:
            self._plugged = True
            self._outbox.clear()

    def _send(self, data: bytes) -> None:
        self._outbox += data

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _there(self) -> None:
        if not self._plugged:
            raise usb.core.USBError("No such device (it may have been disconnected)", -4, errno.ENODEV)

    # What pyusb asks

    def enumerate_devices(self) -> list[str]:
        return ["keyboard", "printer"] if self._plugged else ["keyboard"]

    def get_device_descriptor(self, dev: str) -> SimpleNamespace:
        vendor, product = (0x04B8, 0x0E15) if dev == "printer" else (0x1234, 0x0001)
        return SimpleNamespace(
            bLength=18, bDescriptorType=1, bcdUSB=0x200, bDeviceClass=0, bDeviceSubClass=0, bDeviceProtocol=0,
            bMaxPacketSize0=64, idVendor=vendor, idProduct=product, bcdDevice=0x100, iManufacturer=0, iProduct=0,
            iSerialNumber=0, bNumConfigurations=1, address=5, bus=1, port_number=1, port_numbers=(1,), speed=2,
        )  # fmt: skip

    def get_configuration_descriptor(self, _dev: str, config: int) -> SimpleNamespace:
        if config:
            raise IndexError(config)
        return SimpleNamespace(
            bLength=9, bDescriptorType=2, wTotalLength=32, bNumInterfaces=1, bConfigurationValue=1, iConfiguration=0,
            bmAttributes=0xC0, bMaxPower=1, extra_descriptors=[],
        )  # fmt: skip

    def get_interface_descriptor(self, dev: str, intf: int, alt: int, _config: int) -> SimpleNamespace:
        if intf or alt:
            raise IndexError(intf)
        printer = dev == "printer"
        return SimpleNamespace(
            bLength=9, bDescriptorType=4, bInterfaceNumber=0, bAlternateSetting=0, bNumEndpoints=2 if printer else 1,
            bInterfaceClass=7 if printer else 3, bInterfaceSubClass=1, bInterfaceProtocol=2, iInterface=0, extra_descriptors=[],
        )  # fmt: skip

    def get_endpoint_descriptor(self, dev: str, ep: int, _intf: int, _alt: int, _config: int) -> SimpleNamespace:
        # Not the addresses that python-escpos takes for granted (0x01 and 0x82).
        ends = [(0x03, 2), (0x81, 2)] if dev == "printer" else [(0x81, 3)]
        address, kind = ends[ep]
        return SimpleNamespace(
            bLength=7, bDescriptorType=5, bEndpointAddress=address, bmAttributes=kind, wMaxPacketSize=64, bInterval=0,
            bRefresh=0, bSynchAddress=0, extra_descriptors=[],
        )  # fmt: skip

    def open_device(self, dev: str) -> str:
        self._there()
        self.calls.append("open")
        if self.forbidden:
            raise usb.core.USBError("Access denied (insufficient permissions)", -3, errno.EACCES)
        return dev

    def close_device(self, _handle: str) -> None:
        self.calls.append("close")

    def is_kernel_driver_active(self, _handle: str, _intf: int) -> bool:
        return self.kernel_driver

    def detach_kernel_driver(self, _handle: str, _intf: int) -> None:
        self.calls.append("detach")
        self.kernel_driver = False

    def get_configuration(self, _handle: str) -> int:
        return self._configured

    def set_configuration(self, _handle: str, config_value: int) -> None:
        self.calls.append("configure")
        self._configured = config_value

    def claim_interface(self, _handle: str, _intf: int) -> None:
        self._there()
        if self.kernel_driver:
            raise usb.core.USBError("Resource busy", -6, errno.EBUSY)
        self.calls.append("claim")

    def release_interface(self, _handle: str, _intf: int) -> None:
        self._there()
        self.calls.append("release")

    def reset_device(self, _handle: str) -> None:
        self.calls.append("reset")

    def bulk_write(self, _handle: str, ep: int, _intf: int, data: array[int], timeout: int) -> int:
        assert ep == 0x03
        self.write_timeouts_ms.append(timeout)
        with self._changed:
            self._changed.wait_for(lambda: self._wants() or not self._plugged, timeout / 1000 or None)
            self._there()
            taken = data.tobytes()[: self._wants()]
            if not taken:
                raise usb.core.USBTimeoutError("Operation timed out", -7, errno.ETIMEDOUT)
            self._take(taken)
            return len(taken)

    def bulk_read(self, _handle: str, ep: int, _intf: int, buff: array[int], timeout: int) -> int:
        assert ep == 0x81
        with self._changed:
            self._changed.wait_for(lambda: self._outbox or not self._plugged, timeout / 1000 or None)
            self._there()
            if not self._outbox:
                raise usb.core.USBTimeoutError("Operation timed out", -7, errno.ETIMEDOUT)
            count = min(len(buff), len(self._outbox))
            buff[:count] = array("B", self._outbox[:count])
            del self._outbox[:count]
            return count


def usb_settings(rig: Rig) -> dict[str, Any]:
    """Return what a driver for this rig's printer takes beside its settings."""
    return {"usb_backend": rig} if isinstance(rig, UsbPrinter) else {}
