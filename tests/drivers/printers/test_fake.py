"""The fake printer's hand: the world outlives the driver, and shows what came out."""

from __future__ import annotations

import threading
from io import BytesIO
from uuid import uuid4

import pytest
from msgspec.structs import replace
from PIL import Image

from drivers.errors import DeviceLost, DeviceMissing, DeviceRefused
from drivers.printers.fake import FakePrinter, PrinterHand
from drivers.printers.profiles import SHIPPED, Media
from drivers.virtual.printer import Clone, VirtualPrinter
from kiosk.values import Cause

PAGE = b"\x1b@\x1c.Alva\n\x1dVB\x00"


def opened(name: str, profile: str = "generic-80") -> FakePrinter:
    printer = FakePrinter(FakePrinter.Settings(name=name, profile=profile))
    printer.open()
    return printer


@pytest.fixture
def name() -> str:
    return uuid4().hex


def test_the_same_hand_holds_every_driver_of_its_name(name: str) -> None:
    hand = FakePrinter.hand(name)
    hand.paper_out()
    printer = opened(name)
    assert printer.status().cause is Cause.PAPER_OUT
    printer.close()
    hand.paper_in()
    opened(name).send(PAGE, 1)
    assert FakePrinter.hand(name).papers[0].texts == ("Alva",)
    assert FakePrinter.hand(name + "2").papers == ()


@pytest.mark.parametrize(("profile", "dots"), [("generic-58", 384), ("generic-80", 576)])
def test_paper_is_as_wide_as_the_profile_and_torn_where_there_is_no_cutter(name: str, profile: str, dots: int) -> None:
    opened(name, profile).send(PAGE, 1)
    (slip,) = FakePrinter.hand(name).papers
    assert Image.open(BytesIO(slip.png())).width == dots


def test_new_paper_does_not_bring_the_rest_of_a_page_that_was_refused(name: str) -> None:
    printer, hand = opened(name), FakePrinter.hand(name)
    hand.paper_out_after(10)
    with pytest.raises(DeviceRefused):
        printer.send(b"\x1b@\x1c.Alva\nFika\n\x1dVB\x00", 1)
    hand.paper_in()
    assert (len(hand.scraps), len(hand.papers)) == (1, 0)


def test_waiting_for_paper_ends_when_it_comes_and_when_it_does_not(name: str) -> None:
    hand = FakePrinter.hand(name)
    with pytest.raises(TimeoutError, match="0 of 1"):
        hand.until_papers(1, 0.01)
    thread = threading.Thread(target=lambda: opened(name).send(PAGE, 1))
    thread.start()
    assert len(hand.until_papers(1, 5)) == 1
    thread.join()
    assert hand.bytes_received > len(PAGE)


def test_a_stopped_printer_that_goes_on_prints(name: str) -> None:
    hand = FakePrinter.hand(name)
    hand.stop()
    printer = FakePrinter(FakePrinter.Settings(name=name, deadline_s=30))
    printer.open()
    thread = threading.Thread(target=lambda: printer.send(PAGE, 1))
    thread.start()
    hand.go()
    assert len(hand.until_papers(1, 5)) == 1
    thread.join()


def test_a_driver_that_was_open_stays_lost_after_the_plug_is_back(name: str) -> None:
    printer, hand = opened(name), FakePrinter.hand(name)
    hand.unplug()
    hand.plug()
    with pytest.raises(DeviceLost):
        printer.status()
    assert opened(name).status().ready


def test_a_clone_in_its_place_prints_what_it_lacks_and_is_as_wide_as_the_profile(name: str) -> None:
    printer, hand = opened(name, "generic-58"), FakePrinter.hand(name)
    hand.swap(VirtualPrinter(clone=Clone(lacks=frozenset({b"\x1c."}))))
    with pytest.raises(DeviceLost):
        printer.status()
    opened(name, "generic-58").send(PAGE, 1)
    (slip,) = hand.papers
    assert (slip.texts, slip.width) == ((".Alva",), 384)


def test_power_that_goes_within_a_page_takes_the_driver_along(name: str) -> None:
    printer, hand = opened(name), FakePrinter.hand(name)
    hand.power_cut_after(10)
    with pytest.raises(DeviceLost, match="power"):
        printer.send(PAGE, 1)
    with pytest.raises(DeviceMissing):
        opened(name)
    hand.power_on()
    opened(name).send(PAGE, 2)
    assert [slip.height for slip in hand.papers] == [10 + 30]


def test_labels_of_the_profile_are_in_it() -> None:
    hand = PrinterHand()
    opening = hand.opened(replace(SHIPPED["generic-58"], media=Media(kind="label", length_mm=50), left_dots=4))
    hand.print(opening, b"\x1b@\x1c.\x1dv0\x00\x01\x00\x01\x00\xff\x1d\x0c", 1, 1.0)
    (slip,) = hand.papers
    assert slip.height == 50 * 8
    assert slip.image.convert("L").point(lambda dot: 255 - dot).getbbox() == (4, 0, 8, 1)
