"""What every printer keeps, whatever it hangs on: the fake, and the ESC/POS driver over each kind of connection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from uuid import uuid4

import pytest

from drivers.errors import DeviceLost, DeviceMissing, DeviceRefused, DeviceSilent
from drivers.ports import Paper, Printer, PrinterStatus
from drivers.printers.escpos import EscposPrinter
from drivers.printers.fake import FakePrinter, PrinterHand
from kiosk.values import Cause
from tests.rigs.printers import FilePrinter, NetworkPrinter, Rig, SerialPrinter, UsbPrinter, usb_settings

PAGE = b"\x1b@\x1c.\x1bR\x00\x1bt\x13\x1d!\x11\x1bE\x01Alva\n\x1bE\x00\x1d!\x00R\x86ksm\x94rg\x86s\n\x1dVB\x00"
IMAGE = b"\x1dv0\x00\x48\x00\x80\x00" + b"\xa5" * 72 * 128
LONG_PAGE = b"\x1b@\x1c." + IMAGE * 60 + b"\x1dVB\x00"
"""Half a megabyte: more than any buffer on the way takes."""
PATIENT = {"write_deadline_s": 10.0, "status_deadline_s": 10.0}
SHORT = {"write_deadline_s": 1.0, "status_deadline_s": 1.0}
"""Where silence is waited for."""


class Setup:
    """A printer, its hand, and how to get another driver for it."""

    def __init__(self, kind: str, stack: ExitStack, *, completion: str = "gs_h") -> None:
        self.kind = kind
        self._stack = stack
        self._completion = completion
        self._name = uuid4().hex
        self.hand: Rig | PrinterHand
        if kind == "fake":
            self.hand = FakePrinter.hand(self._name)
        else:
            rigs: dict[str, type[NetworkPrinter | SerialPrinter | FilePrinter | UsbPrinter]] = {
                "network": NetworkPrinter,
                "serial": SerialPrinter,
                "file": FilePrinter,
                "usb": UsbPrinter,
            }
            # The serial line is fast here, so that the long page does not take minutes; its slowness has its own test.
            self.hand = stack.enter_context(SerialPrinter(baud=115200) if kind == "serial" else rigs[kind]())

    def make(self, **settings: Any) -> Printer:
        """Return a new driver, not open."""
        if isinstance(self.hand, PrinterHand):
            tells = settings.pop("completion", self._completion) != "none"
            deadline_s = settings.get("write_deadline_s", PATIENT["write_deadline_s"])
            printer: Printer = FakePrinter(FakePrinter.Settings(name=self._name, tells=tells, deadline_s=deadline_s))
        else:
            settings = {"completion": self._completion, "answers": self.kind != "file", **PATIENT, **settings}
            connection: str = self.hand.connection  # type: ignore[attr-defined]  # each rig has one
            printer = EscposPrinter(EscposPrinter.Settings(connection=connection, **settings), **usb_settings(self.hand))
        self._stack.callback(printer.close)
        return printer

    def open(self, **settings: Any) -> Printer:
        """Return a new driver, open."""
        printer = self.make(**settings)
        printer.open()
        return printer


ALL = ("fake", "network", "serial", "file", "usb")
ANSWERING = tuple(kind for kind in ALL if kind != "file")


@pytest.fixture(params=ALL)
def anyone(request: pytest.FixtureRequest) -> Iterator[Setup]:
    with ExitStack() as stack:
        yield Setup(request.param, stack)


@pytest.fixture(params=ANSWERING)
def answering(request: pytest.FixtureRequest) -> Iterator[Setup]:
    with ExitStack() as stack:
        yield Setup(request.param, stack)


@pytest.fixture(
    params=[(kind, means) for kind in ANSWERING for means in ("gs_h", "gs_r") if (kind, means) != ("fake", "gs_r")],
    ids="-".join,
)
def telling(request: pytest.FixtureRequest) -> Iterator[Setup]:
    kind, means = request.param
    with ExitStack() as stack:
        yield Setup(kind, stack, completion=means)


def test_a_page_is_printed_whole(anyone: Setup) -> None:
    printer = anyone.open()
    printer.send(PAGE, 7)
    (slip,) = anyone.hand.until_papers(1, 30)
    assert slip.texts == ("Alva", "Råksmörgås")
    assert slip.image.getbbox() is not None
    if isinstance(anyone.hand, Rig):
        assert anyone.hand.errors == ()


def test_pages_follow_one_another(anyone: Setup) -> None:
    printer = anyone.open()
    for number in range(3):
        printer.status()
        printer.send(PAGE, number)
        anyone.hand.until_papers(number + 1, 30)
    assert len(anyone.hand.papers) == 3


def test_completion_is_told_only_when_printed(telling: Setup) -> None:
    printer = telling.open()
    printer.status()
    printer.send(PAGE, 2**32 - 1)
    assert printer.wait_printed(2**32 - 1, 30) is True
    assert len(telling.hand.papers) == 1


def test_a_page_that_is_not_out_is_never_called_printed(telling: Setup) -> None:
    printer = telling.open(**SHORT)
    printer.status()
    telling.hand.mute()
    printer.send(PAGE, 8)
    with pytest.raises(DeviceSilent):
        printer.wait_printed(8, 0.2)


def test_completion_is_false_when_the_printer_can_not_tell(anyone: Setup) -> None:
    printer = anyone.open(completion="none", **SHORT)
    printer.send(PAGE, 9)
    assert printer.wait_printed(9, 0.5) is False


def test_completion_of_a_page_that_was_not_sent_is_not_known(anyone: Setup) -> None:
    printer = anyone.open()
    printer.send(PAGE, 9)
    assert printer.wait_printed(10, 0.1) is False


def test_status_tells_paper_and_cover(answering: Setup) -> None:
    printer, hand = answering.open(), answering.hand
    assert printer.status() == PrinterStatus(paper=Paper.ENOUGH)
    hand.paper_low()
    assert printer.status() == PrinterStatus(paper=Paper.LOW)
    hand.paper_out()
    assert printer.status() == PrinterStatus(paper=Paper.OUT, cause=Cause.PAPER_OUT)
    hand.cover_open()
    assert printer.status() == PrinterStatus(paper=Paper.OUT, cause=Cause.COVER_OPEN)
    hand.paper_in()
    hand.cover_close()
    assert printer.status() == PrinterStatus(paper=Paper.ENOUGH)


def test_a_status_that_can_not_be_told_is_unknown_not_fine() -> None:
    with ExitStack() as stack:
        printer = Setup("file", stack).open()
        assert printer.status() == PrinterStatus(paper=Paper.UNKNOWN)


def test_a_printer_that_says_nothing_is_silent_within_its_deadline(answering: Setup) -> None:
    printer = answering.open(**SHORT)
    printer.status()
    answering.hand.mute()
    began = time.monotonic()
    with pytest.raises(DeviceSilent):
        printer.status()
    assert time.monotonic() - began < 5


def test_a_stopped_printer_is_silent_within_its_deadline_however_long_the_page(anyone: Setup) -> None:
    printer = anyone.open(**SHORT)
    printer.status()
    anyone.hand.stop()
    began = time.monotonic()
    with pytest.raises(DeviceSilent):
        printer.send(LONG_PAGE, 1)
    assert time.monotonic() - began < 5


def test_paper_that_ends_within_a_page_is_told_at_once(answering: Setup) -> None:
    printer = answering.open()
    printer.status()
    answering.hand.paper_out_after(100)
    with pytest.raises(DeviceRefused) as refused:
        printer.send(LONG_PAGE, 1)
    assert refused.value.cause is Cause.PAPER_OUT
    assert answering.hand.papers == ()


def test_paper_that_ended_before_the_page_was_out_is_the_cause_that_waiting_tells(answering: Setup) -> None:
    printer = answering.open(**SHORT)
    printer.status()
    answering.hand.paper_out_after(20)
    with pytest.raises(DeviceRefused) as refused:  # noqa: PT012  told by either, as fast as the wire is
        printer.send(PAGE, 1)
        printer.wait_printed(1, 2)
    assert refused.value.cause is Cause.PAPER_OUT


def test_after_new_paper_a_new_driver_prints_the_page_whole(answering: Setup) -> None:
    printer = answering.open()
    printer.status()
    answering.hand.paper_out_after(10)
    with pytest.raises(DeviceRefused):  # noqa: PT012  told by either, as fast as the wire is
        printer.send(PAGE, 1)
        printer.wait_printed(1, 2)
    printer.close()
    answering.hand.paper_in()
    for _ in range(3):
        printer = answering.open(**SHORT)
        try:
            assert printer.status().ready
            break
        except DeviceSilent:
            printer.close()
    printer.send(PAGE, 1)
    assert printer.wait_printed(1, 30)
    assert answering.hand.papers[-1].texts[-2:] == ("Alva", "Råksmörgås")


@pytest.mark.parametrize(
    "page", [PAGE, b"\x1b@\x1c." + IMAGE * 3 + b"Alva\nR\x84ksm\x94rg\x86s\n\x1dVB\x00"], ids=["text", "picture"]
)
def test_of_a_page_that_stopped_nothing_comes_with_the_new_paper(answering: Setup, page: bytes) -> None:
    printer = answering.open(completion="gs_h")
    printer.status()
    answering.hand.paper_out_after(20)
    with pytest.raises(DeviceRefused):  # noqa: PT012  told by either, as fast as the wire is
        printer.send(page, 1)
        printer.wait_printed(1, 2)
    printer.close()
    # Nobody is faster than that: the roll is in before the driver is open again.
    answering.hand.paper_in()
    printer = answering.open()
    assert printer.status().ready
    printer.send(PAGE, 2)
    assert printer.wait_printed(2, 30)
    (slip,) = answering.hand.papers
    assert slip.texts == ("Alva", "Råksmörgås")
    assert [scrap.height for scrap in answering.hand.scraps] == [20]
    if isinstance(answering.hand, Rig):
        assert answering.hand.errors == ()


def test_power_lost_within_a_page_is_noticed_and_the_next_page_comes_after_the_rest_of_it(answering: Setup) -> None:
    printer = answering.open(**SHORT)
    printer.status()
    answering.hand.power_cut_after(20)
    with pytest.raises((DeviceLost, DeviceSilent)):  # noqa: PT012  told by either, as fast as the wire is
        printer.send(PAGE, 1)
        printer.wait_printed(1, 0.5)
    assert not answering.hand.papers
    printer.close()
    answering.hand.power_on()
    for number in (1, 2):
        printer = answering.open()
        printer.status()
        printer.send(PAGE, number)
        assert printer.wait_printed(number, 30)
        printer.close()
    after, next_one = answering.hand.papers
    assert after.texts[-2:] == next_one.texts == ("Alva", "Råksmörgås")
    assert after.height == next_one.height + 20


def test_power_lost_between_pages_is_noticed(answering: Setup) -> None:
    printer = answering.open(**SHORT)
    printer.status()
    answering.hand.power_cut()
    with pytest.raises((DeviceLost, DeviceSilent)):
        printer.status()
    printer.close()
    answering.hand.power_on()
    assert answering.open().status().ready


@pytest.mark.parametrize("paper", [True, False], ids=["paper", "cutter"])
def test_a_jam_is_told_until_it_is_cleared(answering: Setup, paper: bool) -> None:
    printer, hand = answering.open(), answering.hand
    (hand.jam_paper if paper else hand.jam)()
    # No status bit tells paper that is stuck from a broken motor.
    assert printer.status().cause is (Cause.OFFLINE if paper else Cause.CUTTER)
    hand.clear_jam()
    assert printer.status() == PrinterStatus(paper=Paper.ENOUGH)


def test_paper_that_jams_within_a_page_is_told_and_what_is_crumpled_is_torn_off(answering: Setup) -> None:
    printer = answering.open(**SHORT)
    printer.status()
    answering.hand.jam_paper_after(20)
    with pytest.raises(DeviceRefused):  # noqa: PT012  told by either, as fast as the wire is
        printer.send(PAGE, 1)
        printer.wait_printed(1, 2)
    answering.hand.clear_jam()
    assert [scrap.height for scrap in answering.hand.scraps] == [20]


def test_a_printer_that_is_not_there_is_missing(anyone: Setup) -> None:
    anyone.hand.unplug()
    with pytest.raises(DeviceMissing):
        anyone.make().open()


def test_a_printer_that_goes_is_lost_and_a_new_driver_finds_it_again(anyone: Setup) -> None:
    printer = anyone.open(**SHORT)
    printer.send(PAGE, 1)
    anyone.hand.until_papers(1, 30)
    anyone.hand.unplug()
    with pytest.raises(DeviceLost):
        printer.send(PAGE, 2)
    printer.close()
    anyone.hand.plug()
    again = anyone.open()
    again.send(PAGE, 3)
    assert len(anyone.hand.until_papers(2, 30)) == 2


def test_close_may_be_called_at_any_time_and_twice(anyone: Setup) -> None:
    never = anyone.make()
    never.close()
    printer = anyone.open()
    anyone.hand.unplug()
    printer.close()
    printer.close()


def test_it_describes_itself(anyone: Setup) -> None:
    printer = anyone.make()
    assert "generic-80" in printer.describe()
    assert printer.profile == "generic-80"
