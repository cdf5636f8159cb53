"""The traps of the field that the ESC/POS driver must not fall into, one by one."""

from __future__ import annotations

import os
import pty
import select
import socket
import subprocess
import sys
import termios
import threading
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from drivers.errors import ConfigError, DeviceGarbled, DeviceMissing, DeviceRefused, DeviceSilent
from drivers.ports import Paper, PrinterStatus
from drivers.printers.escpos import EscposPrinter, FileAddress, NetworkAddress, SerialAddress, UsbAddress, parse_connection
from drivers.virtual.printer import Clone, VirtualPrinter
from kiosk.values import Cause
from tests.rigs.printers import NetworkPrinter, Rig, SerialPrinter, UsbPrinter, usb_settings

PAGE = b"\x1b@\x1c.Alva\n\x1dVB\x00"
BAND = b"\x1dv0\x00\x48\x00\x80\x00" + b"\xa5" * 72 * 128
LONG_PAGE = b"\x1b@\x1c." + BAND * 60 + b"\x1dVB\x00"
SHORT = {"status_deadline_s": 1.0, "write_deadline_s": 1.0}
"""Where silence is waited for."""


def driver(rig: Rig, **settings: object) -> EscposPrinter:
    """Return an open driver for a rig's printer."""
    values = {"connection": rig.connection, "status_deadline_s": 10.0, "write_deadline_s": 10.0, **settings}  # type: ignore[attr-defined]  # each rig has one
    printer = EscposPrinter(msgspec.convert(values, EscposPrinter.Settings), **usb_settings(rig))
    printer.open()
    return printer


@pytest.fixture
def network() -> Iterator[NetworkPrinter]:
    with NetworkPrinter() as rig:
        yield rig


@pytest.fixture
def serial() -> Iterator[SerialPrinter]:
    with SerialPrinter(baud=19200) as rig:
        yield rig


@pytest.fixture
def usb() -> Iterator[UsbPrinter]:
    with UsbPrinter() as rig:
        yield rig


# What the printer says


def test_silence_is_not_enough_paper(network: NetworkPrinter) -> None:
    network.mute()
    printer = driver(network, **SHORT)
    with pytest.raises(DeviceSilent):
        printer.status()
    printer.close()


def test_a_serial_status_takes_no_second(serial: SerialPrinter) -> None:
    took = []
    for _ in range(5):  # one may be held up by whatever else this machine does
        printer = driver(serial)
        began = time.monotonic()
        assert printer.status().ready
        took.append(time.monotonic() - began)
        printer.close()
    assert min(took) < 0.25


def test_a_stale_status_in_the_buffer_is_not_taken_for_an_answer(network: NetworkPrinter) -> None:
    printer = driver(network)
    assert printer.status() == PrinterStatus(paper=Paper.ENOUGH)
    network.say(b"\x7e\x18\x00\x0f\x00\x7e\x72")
    assert printer.status() == PrinterStatus(paper=Paper.ENOUGH)
    printer.close()


def test_cover_and_cutter_are_asked_too(network: NetworkPrinter) -> None:
    printer = driver(network)
    network.jam()
    assert printer.status().cause is Cause.CUTTER
    network.clear_jam()
    network.cover_open()
    assert printer.status().cause is Cause.COVER_OPEN
    printer.close()


def test_a_printer_that_answers_two_questions_only_is_understood(network: NetworkPrinter) -> None:
    network.answer_only(1, 4)
    printer = driver(network, **SHORT)
    assert printer.status() == PrinterStatus(paper=Paper.ENOUGH)
    network.paper_out()
    assert printer.status() == PrinterStatus(paper=Paper.OUT, cause=Cause.PAPER_OUT)
    network.paper_in()
    network.cover_open()
    assert printer.status() == PrinterStatus(paper=Paper.ENOUGH, cause=Cause.OFFLINE)
    printer.close()


def test_answers_of_no_known_shape_are_garbled_not_silent(serial: SerialPrinter) -> None:
    printer = driver(serial, **SHORT)
    assert printer.status().ready
    serial.mute()
    serial.say(b"\xfe\xc4\x80")
    with pytest.raises(DeviceGarbled, match="baud"):
        printer.status()
    printer.close()


def test_a_printer_that_never_answers_is_asked_nothing_when_the_settings_say_so() -> None:
    with SerialPrinter(baud=115200) as serial:
        serial.mute()
        printer = driver(serial, answers=False)
        assert printer.status() == PrinterStatus(paper=Paper.UNKNOWN)
        printer.send(PAGE, 1)
        assert printer.wait_printed(1, 0.1) is False
        serial.until_papers(1)
        assert b"\x10\x04" not in serial.received
        assert b"\x1dr" not in serial.received
        printer.close()


# Whether it printed


@pytest.mark.parametrize("late", [b"\x37\x22!!!!\x00", b"\x00"])
def test_a_late_completion_of_an_earlier_page_is_ignored(network: NetworkPrinter, late: bytes) -> None:
    printer = driver(network, completion="gs_h", **SHORT)
    assert printer.status().ready
    network.mute()
    printer.send(PAGE, 5)
    network.say(late)
    with pytest.raises(DeviceSilent):
        printer.wait_printed(5, 0.1)
    printer.close()


@pytest.mark.parametrize("late", [1, 2, 300])
def test_late_answers_to_the_fences_of_an_earlier_life_do_not_call_a_page_printed(network: NetworkPrinter, late: int) -> None:
    printer = driver(network, completion="gs_r", status_deadline_s=1.0)
    network.until(lambda: network.connected)
    network.say(bytes(late))
    assert printer.status().ready
    network.mute()
    printer.send(PAGE, 5)
    with pytest.raises(DeviceSilent):
        printer.wait_printed(5, 0.1)
    printer.close()


def test_one_answer_that_comes_later_than_any_should_does_not_call_a_page_printed(network: NetworkPrinter) -> None:
    printer = driver(network, completion="gs_r")
    assert printer.status().ready
    # It is well, but its own answers to this page got lost.
    network.mute()
    printer.send(PAGE, 5)
    network.until_papers(1)
    network.unmute()
    network.say(b"\x00")
    with pytest.raises(DeviceSilent, match="did not say"):
        printer.wait_printed(5, 0.1)
    printer.close()


def test_answers_to_fences_are_not_believed_of_a_printer_that_answers_nothing_else(network: NetworkPrinter) -> None:
    printer = driver(network, completion="gs_r", **SHORT)
    assert printer.status().ready
    network.mute()
    printer.send(PAGE, 5)
    network.say(bytes(2))
    with pytest.raises(DeviceSilent, match="does not answer"):
        printer.wait_printed(5, 0.1)
    printer.close()


def test_the_answers_to_the_fence_of_one_page_do_not_call_the_next_one_printed(network: NetworkPrinter) -> None:
    printer = driver(network, completion="gs_r")
    assert printer.status().ready
    network.mute()
    printer.send(PAGE, 1)
    printer.send(PAGE, 2)
    network.say(bytes(2))
    network.unmute()
    with pytest.raises(DeviceSilent, match="did not say"):
        printer.wait_printed(2, 0.1)
    network.say(bytes(2))
    assert printer.wait_printed(2, 30)
    printer.close()


def test_a_printer_that_babbles_on_is_garbled(network: NetworkPrinter) -> None:
    printer = driver(network, completion="gs_r", **SHORT)
    enough = threading.Event()

    def babble() -> None:
        while not enough.wait(0.02):
            network.say(b"\x00")

    thread = threading.Thread(target=babble)
    thread.start()
    try:
        with pytest.raises(DeviceGarbled, match="not asked"):
            printer.status()
    finally:
        enough.set()
        thread.join()
        printer.close()


# What a printer without fences did


CHEAP = Clone(lacks=frozenset({b"\x1dr", b"\x1d(H", b"\x1da", b"\x10\x14"}))


@pytest.fixture
def cheap() -> Iterator[NetworkPrinter]:
    with NetworkPrinter(clone=CHEAP) as rig:
        yield rig


def test_a_printer_that_is_well_after_the_time_that_a_page_takes_has_printed_it(cheap: NetworkPrinter) -> None:
    printer = driver(cheap, completion="status", pushes=False, **SHORT)
    assert printer.status().ready
    began = time.monotonic()
    printer.send(PAGE, 1)
    assert printer.wait_printed(1, 30) is True
    assert 1.5 < time.monotonic() - began < 10
    assert len(cheap.papers) == 1
    printer.close()


def test_a_printer_that_does_not_tell_of_its_paper_can_not_tell(cheap: NetworkPrinter) -> None:
    cheap.answer_only(1)
    printer = driver(cheap, completion="status", pushes=False, **SHORT)
    printer.send(PAGE, 1)
    assert printer.wait_printed(1, 30) is False
    printer.close()


def test_a_page_is_not_called_printed_before_its_time(cheap: NetworkPrinter) -> None:
    printer = driver(cheap, completion="status", pushes=False, **SHORT)
    printer.send(PAGE, 1)
    with pytest.raises(DeviceSilent, match="did not say"):
        printer.wait_printed(1, 0.2)
    printer.close()


def test_a_printer_that_went_silent_has_not_printed_a_page_by_its_time(cheap: NetworkPrinter) -> None:
    printer = driver(cheap, completion="status", pushes=False, **SHORT)
    assert printer.status().ready
    cheap.mute()
    printer.send(PAGE, 1)
    with pytest.raises(DeviceSilent):
        printer.wait_printed(1, 30)
    printer.close()


@pytest.mark.parametrize("completion", ["gs_h", "gs_r", "status"])
def test_a_printer_that_tells_nothing_by_itself_is_found_to_have_stopped_before_anybody_can_change_its_paper(
    completion: str, network: NetworkPrinter
) -> None:
    printer = driver(network, completion=completion, pushes=False)
    assert printer.status().ready
    network.paper_out_after(5)
    printer.send(b"\x1b@\x1c." + b"\x1bJ\xff" * 16 + b"Alva\n\x1dVB\x00", 1)  # ten seconds of paper
    began = time.monotonic()
    with pytest.raises(DeviceRefused) as refused:
        printer.wait_printed(1, 30)
    assert time.monotonic() - began < 5
    assert refused.value.cause is Cause.PAPER_OUT
    printer.close()


# What stays in the printer


def test_what_an_earlier_life_left_in_a_printer_without_paper_does_not_come_with_the_new_paper() -> None:
    with SerialPrinter(baud=115200) as serial:
        serial.paper_out_after(20)
        # Killed in the middle of it: nobody cleared anything.
        line = os.open(serial.path, os.O_WRONLY | os.O_NOCTTY)
        os.write(line, b"\x1b@\x1c.\n" + BAND[:3000])
        serial.until_received(3005)
        os.close(line)
        printer = driver(serial)
        assert printer.status().cause is Cause.PAPER_OUT
        serial.paper_in()
        assert printer.status().ready
        printer.send(PAGE, 1)
        assert printer.wait_printed(1, 30)
        assert [paper.texts for paper in serial.papers] == [("Alva",)]
        assert [scrap.height for scrap in serial.scraps] == [20]
        printer.close()


def test_a_printer_that_can_not_be_cleared_finishes_what_it_holds_before_the_next_page() -> None:
    # What the documentation says of it: a rest without a beginning, cut off from the page that follows.
    with SerialPrinter(baud=115200, clone=Clone(lacks=frozenset({b"\x10\x14"}))) as serial:
        printer = driver(serial, completion="gs_r", **SHORT)
        assert printer.status().ready
        serial.paper_out_after(30)
        with pytest.raises(DeviceRefused):  # noqa: PT012  told by either, as fast as the wire is
            printer.send(b"\x1b@\x1c.Bo\nAlva\n\x1dVB\x00", 1)
            printer.wait_printed(1, 30)
        printer.close()
        serial.paper_in()
        printer = driver(serial, completion="gs_r", **SHORT)
        assert printer.status().ready
        printer.send(PAGE, 2)
        assert printer.wait_printed(2, 30)
        assert [paper.texts for paper in serial.papers] == [("Alva",), ("Alva",)]
        assert [scrap.texts for scrap in serial.scraps] == [("Bo",)]
        printer.close()


def test_a_printer_that_pushes_nothing_is_asked_why_a_page_does_not_come(network: NetworkPrinter) -> None:
    printer = driver(network, pushes=False)
    network.paper_out_after(5)
    printer.send(PAGE, 1)
    assert b"\x1da" not in network.received
    with pytest.raises(DeviceRefused) as refused:
        printer.wait_printed(1, 0.1)
    assert refused.value.cause is Cause.PAPER_OUT
    printer.close()


def test_nothing_but_the_fence_follows_the_cut(network: NetworkPrinter) -> None:
    # ESC @ after the cut makes some clones feed for ever.
    printer = driver(network)
    printer.send(PAGE, 1)
    assert printer.wait_printed(1, 30)
    page_and_end, _, questions = network.received.rpartition(b"\x1dr\x01")
    assert page_and_end.endswith(b"\x1dVB\x00\x1dr\x01")
    assert questions == b"\x10\x04\x01\x10\x04\x04"
    assert b"\x10\x05" not in network.received
    assert b"\x10\x14" not in network.received
    printer.close()


def test_an_image_that_a_killed_program_left_half_sent_does_not_eat_the_next_page(serial: SerialPrinter) -> None:
    line = os.open(serial.path, os.O_WRONLY | os.O_NOCTTY)
    os.write(line, b"\x1b@\x1c." + BAND[:300])
    serial.until_received(304)
    os.close(line)
    printer = driver(serial, status_deadline_s=1.0)
    with pytest.raises(DeviceSilent):
        printer.status()
    printer.close()
    # Nine kilobytes are on their way at 19,200 baud; whoever supervises the driver comes back.
    serial.until_received(304 + 9000)
    printer = driver(serial)
    assert printer.status().ready
    printer.send(PAGE, 1)
    assert printer.wait_printed(1, 30)
    assert serial.papers[0].texts == ("Alva",)
    # What it was asked in real time fell into the image; that is all it complains of.
    assert all("real-time" in error for error in serial.errors)
    printer.close()


# Writing


def test_xoff_stops_a_serial_page_and_xon_lets_it_go_on(serial: SerialPrinter) -> None:
    printer = driver(serial, **SHORT)
    assert printer.status().ready

    def say(flow: bytes) -> None:
        line = os.open(serial.path, os.O_RDONLY | os.O_NOCTTY)
        serial.say(flow + b"!")
        # Once the "!" is there, what came before it has worked.
        assert select.select([line], [], [], 5)[0]
        assert os.read(line, 1) == b"!"
        os.close(line)

    say(b"\x13")
    with pytest.raises(DeviceSilent):
        printer.send(PAGE, 1)
    printer.close()
    say(b"\x11")
    assert serial.papers == ()
    printer = driver(serial)
    printer.send(PAGE, 2)
    assert printer.wait_printed(2, 30)
    printer.close()


def test_rts_cts_can_be_switched_on(serial: SerialPrinter) -> None:
    def flags() -> int:
        line = os.open(serial.path, os.O_RDWR | os.O_NOCTTY)
        try:
            return int(termios.tcgetattr(line)[2]) & termios.CRTSCTS
        finally:
            os.close(line)

    printer = driver(serial)
    assert not flags()
    printer.close()
    printer = driver(serial, connection=serial.connection + "&flow=rtscts")
    assert flags()
    printer.close()


def test_a_serial_printer_is_held_by_one_program(serial: SerialPrinter) -> None:
    printer = driver(serial)
    with pytest.raises(DeviceMissing, match="in use"):
        driver(serial)
    printer.close()


def test_what_a_stopped_network_printer_did_not_take_is_thrown_away(network: NetworkPrinter) -> None:
    # One that says nothing: else its own answer to a closed connection would end it.
    printer = driver(network, answers=False, **SHORT)
    printer.send(PAGE, 1)
    network.until_papers(1)
    network.stop()
    with pytest.raises(DeviceSilent):
        printer.send(LONG_PAGE, 2)
    printer.close()
    network.go()
    network.until(lambda: not network.connected)
    assert len(network.received) < len(LONG_PAGE) / 4
    assert len(network.papers) == 1


def test_what_a_stopped_serial_printer_did_not_take_is_thrown_away_at_once() -> None:
    with SerialPrinter(baud=1_000_000) as serial:
        printer = driver(serial, **SHORT)
        assert printer.status().ready
        serial.stop()
        with pytest.raises(DeviceSilent):
            printer.send(LONG_PAGE, 1)
        began = time.monotonic()
        printer.close()
        assert time.monotonic() - began < 5
        line = os.open(serial.path, os.O_WRONLY | os.O_NOCTTY)
        serial.go()
        os.write(line, b"the end")
        os.close(line)
        serial.until(lambda: serial.received.endswith(b"the end"))
        assert len(serial.received) < len(LONG_PAGE) / 50


def test_a_usb_write_never_waits_for_ever_and_the_printer_is_not_reset(usb: UsbPrinter) -> None:
    printer = driver(usb)
    printer.send(PAGE, 1)
    assert printer.wait_printed(1, 30)
    printer.close()
    assert 0 not in usb.write_timeouts_ms
    assert usb.calls == ["open", "detach", "claim", "release", "close"]


def test_a_usb_printer_is_found_by_its_class_among_other_devices(usb: UsbPrinter) -> None:
    printer = driver(usb, connection="usb")
    assert printer.status().ready
    printer.close()


# Opening


def test_after_a_failed_open_it_opens(network: NetworkPrinter) -> None:
    network.unplug()
    printer = EscposPrinter(EscposPrinter.Settings(connection=network.connection))
    with pytest.raises(DeviceMissing):
        printer.open()
    network.plug()
    printer.open()
    assert printer.status().ready
    printer.close()


def test_connecting_to_a_host_that_says_nothing_ends_within_the_deadline() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        # The kernel drops connections that exceed the queue, as a firewall would.
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        printer = EscposPrinter(
            EscposPrinter.Settings(connection=f"network:127.0.0.1:{full.getsockname()[1]}", write_deadline_s=0.3)
        )
        began = time.monotonic()
        with pytest.raises(DeviceMissing):
            printer.open()
        assert time.monotonic() - began < 10
        for each in waiting:
            each.close()


@pytest.mark.parametrize(
    "connection",
    ["serial:{tmp}/none?baud=9600", "serial:{tmp}/plain?baud=9600", "network:127.0.0.1:1", "network:printer.invalid:9100",
     "file:{tmp}/none", "file:{tmp}", "usb:ffff:0001"],
)  # fmt: skip
def test_every_way_of_not_being_there_is_missing(connection: str, tmp_path: Path, usb: UsbPrinter) -> None:
    (tmp_path / "plain").write_bytes(b"")
    settings = EscposPrinter.Settings(connection=connection.format(tmp=tmp_path), answers=not connection.startswith("file"))
    with pytest.raises(DeviceMissing):
        EscposPrinter(settings, usb_backend=usb).open()


def test_a_printer_that_may_not_be_opened_is_missing_and_the_way_out_is_told(usb: UsbPrinter) -> None:
    usb.forbidden = True
    with pytest.raises(DeviceMissing, match="udev"):
        driver(usb)


def test_a_device_file_that_answers_is_read_too() -> None:
    # python-escpos' File can but write; usblp's device files answer.
    master, slave = pty.openpty()
    tty.setraw(slave)
    far = VirtualPrinter()

    def serve() -> None:
        while data := os.read(master, 4096):
            if data.endswith(b"\xff"):
                return
            os.write(master, far.feed(data))

    thread = threading.Thread(target=serve)
    thread.start()
    printer = EscposPrinter(EscposPrinter.Settings(connection=f"file:{os.ttyname(slave)}"))
    printer.open()
    assert printer.status() == PrinterStatus(paper=Paper.ENOUGH)
    printer.send(PAGE, 1)
    assert printer.wait_printed(1, 30)
    printer.close()
    os.write(slave, b"\xff")
    thread.join(5)
    os.close(master)
    os.close(slave)
    assert far.papers[0].texts == ("Alva",)


def test_an_empty_answer_from_a_device_file_is_silence_not_loss() -> None:
    # usblp gives an empty read for an empty answer; a terminal that is not raw gives one for its end-of-file character.
    master, slave = pty.openpty()
    printer = EscposPrinter(EscposPrinter.Settings(connection=f"file:{os.ttyname(slave)}", status_deadline_s=0.1))
    printer.open()
    os.write(master, b"\x04")
    with pytest.raises(DeviceSilent):
        printer.status()
    printer.close()
    os.close(master)
    os.close(slave)


def test_a_file_that_can_not_answer_is_a_wrong_configuration(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lp0")
    with pytest.raises(ConfigError, match="answers = false"):
        EscposPrinter(EscposPrinter.Settings(connection=f"file:{tmp_path}/lp0")).open()


def test_it_needs_no_temporary_folder_leaves_none_and_touches_no_logging(network: NetworkPrinter, tmp_path: Path) -> None:
    program = f"""
import sys, logging
from drivers.printers.escpos import EscposPrinter
assert not {{"serial", "usb"}} & set(sys.modules)
printer = EscposPrinter(EscposPrinter.Settings(connection={network.connection!r}))
printer.open()
printer.send({PAGE!r}, 1)
assert printer.wait_printed(1, 30)
printer.close()
assert not [name for name in sys.modules if name in ("escpos.capabilities", "escpos.printer", "yaml")]
assert not logging.getLogger().handlers
"""
    nowhere = str(tmp_path / "nowhere")
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TMPDIR": nowhere, "PYTHONPATH": "."},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(network.papers) == 1


# Settings


@pytest.mark.parametrize(
    ("connection", "address"),
    [
        ("usb", UsbAddress(None)),
        ("usb:04b8:0E15", UsbAddress((0x04B8, 0x0E15))),
        ("serial:/dev/ttyUSB0?baud=19200", SerialAddress("/dev/ttyUSB0", 19200, "xonxoff")),
        ("serial:/dev/ttyUSB0?baud=115200&flow=none", SerialAddress("/dev/ttyUSB0", 115200, "none")),
        ("serial:/dev/ttyUSB0", SerialAddress("/dev/ttyUSB0", None, "xonxoff")),
        ("serial:/dev/ttyUSB0?flow=rtscts", SerialAddress("/dev/ttyUSB0", None, "rtscts")),
        ("network:192.168.1.50:9100", NetworkAddress("192.168.1.50", 9100)),
        ("network:printer", NetworkAddress("printer", 9100)),
        ("network:[fe80::1]:9101", NetworkAddress("fe80::1", 9101)),
        ("file:/dev/usb/lp0", FileAddress("/dev/usb/lp0")),
    ],
)
def test_connections_are_read(connection: str, address: object) -> None:
    assert parse_connection(connection) == address


@pytest.mark.parametrize(
    "connection",
    ["", "lp0", "usb:1:2", "usb:04b8", "serial:", "serial:/dev/ttyUSB0?baud=fast", "network:", "network:host:0",
     "network:host:99999", "file:", "bluetooth:00:11"],
)  # fmt: skip
def test_a_wrong_connection_is_refused_with_what_would_be_right(connection: str) -> None:
    with pytest.raises(ConfigError, match=r"network:192\.168\.1\.50:9100"):
        EscposPrinter.Settings(connection=connection)


def test_a_wrong_connection_in_a_file_names_value_and_cure() -> None:
    with pytest.raises(msgspec.ValidationError, match="'usb:04b8:0e15'"):
        msgspec.convert({"connection": "usb:4"}, EscposPrinter.Settings)
