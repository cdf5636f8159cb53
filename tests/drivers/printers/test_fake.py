"""The fake printer's hand: the world outlives the driver, and shows what came out."""

from __future__ import annotations

import threading
import time
from io import BytesIO
from uuid import uuid4

import pytest
from msgspec.structs import replace
from PIL import Image

from drivers.errors import DeviceLost, DeviceMissing, DeviceRefused
from drivers.printers.fake import FakePrinter, PrinterHand
from drivers.printers.profiles import SHIPPED, Media
from drivers.virtual.mechanics import in_hand
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


BANDS = b"\x1b@\x1c." + (b"\x1dv0\x00\x01\x00\x18\x00" + b"\xff" * 24) * 40 + b"\x1dVB\x00"
"""12 cm in bands of 3 mm."""
LONG = BANDS[:4] + BANDS[4:-4] * 10 + BANDS[-4:]
"""Eight seconds of paper."""


def slow(name: str, profile: str = "generic-80") -> FakePrinter:
    printer = FakePrinter(FakePrinter.Settings(name=name, profile=profile, takes_time=True))
    printer.open()
    return printer


@pytest.mark.parametrize("profile", ["generic-58", "generic-80"])
def test_paper_that_takes_its_time_comes_bit_by_bit_and_no_faster_than_the_mechanics_allow(name: str, profile: str) -> None:
    printer, hand = slow(name, profile), FakePrinter.hand(name)
    cutter = SHIPPED[profile].cut
    page = BANDS if cutter else BANDS.replace(b"\x1dVB\x00", b"\x1bJ\x80")
    began, rows, took = time.monotonic(), [0], []

    def send() -> None:
        printer.send(page, 1)
        took.append(time.monotonic() - began)

    thread = threading.Thread(target=send)
    thread.start()
    while thread.is_alive():
        rows += [piece.slip.height for piece in hand.pieces(0, rows[-1]) if not piece.off]
    thread.join()
    assert len(rows) > 10
    assert rows == sorted(rows)
    assert took[0] >= in_hand(page, dots=SHIPPED[profile].dots, cutter=cutter).seconds
    fast = FakePrinter.hand(name + "fast")
    opened(name + "fast", profile).send(page, 1)
    assert hand.papers == fast.papers
    assert printer.wait_printed(1, 5)


def test_a_plug_that_is_pulled_while_the_paper_comes_ends_it_there(name: str) -> None:
    printer, hand = slow(name), FakePrinter.hand(name)
    lost: list[DeviceLost] = []

    def send() -> None:
        try:
            printer.send(LONG, 1)
        except DeviceLost as error:
            lost.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    while not hand.pieces(0):
        pass
    hand.unplug()
    thread.join()
    assert len(lost) == 1
    (piece,) = hand.pieces(0)
    assert not piece.off
    assert 0 < piece.slip.height < 10 * 40 * 24


def test_paper_that_ends_while_it_comes_is_the_printers_own_word(name: str) -> None:
    printer, hand = slow(name), FakePrinter.hand(name)
    hand.paper_out_after(100)
    with pytest.raises(DeviceRefused):
        printer.send(BANDS, 1)
    hand.paper_in()
    assert [slip.height for slip in hand.scraps] == [100]


def test_pieces_are_all_that_came_out_in_order_and_what_sticks_out(name: str) -> None:
    printer, hand = opened(name), FakePrinter.hand(name)
    assert hand.pieces(0) == ()
    printer.send(PAGE, 1)
    hand.paper_out_after(10)
    with pytest.raises(DeviceRefused):
        printer.send(PAGE, 2)
    first, half = hand.pieces(0)
    assert (first.number, first.off, first.scrap, first.slip) == (0, True, False, hand.papers[0])
    assert (half.number, half.off, half.slip.height) == (1, False, 10)
    assert hand.pieces(1, 10) == ()
    hand.paper_in()
    printer.send(PAGE, 3)
    kinds = [(piece.number, piece.off, piece.scrap) for piece in hand.pieces(0)]
    assert kinds == [(0, True, False), (1, True, True), (2, True, False)]
    hand.swap(VirtualPrinter())
    assert hand.pieces(0) == ()
