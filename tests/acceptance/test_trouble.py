"""What people do to a terminal: they kill it, let the paper run out, and pull its plug in the evening."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from firmware_py.office import open_office
from tests.acceptance.box import MEMBERS, Box, many_members
from tests.rigs.cards import VirtualCard
from tests.rigs.pcsc import PrivatePcscd
from tests.rigs.pins import PinBoard
from tests.rigs.printers import NetworkPrinter, SerialPrinter


def uid(number: int) -> bytes:
    return bytes([4, 0xC0, 0xFF, 0xEE, 0, 0, number])


def card(number: int) -> VirtualCard:
    return VirtualCard(uid(number))


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[PrivatePcscd]:
    with PrivatePcscd(tmp_path) as pcscd:
        yield pcscd


@pytest.fixture
def pins(tmp_path: Path) -> Iterator[PinBoard]:
    with PinBoard(tmp_path) as board:
        yield board


@contextmanager
def terminal(
    folder: Path, reader: PrivatePcscd, pins: PinBoard, printer: str, members: str, *, fresh: float = 300, trust: bool = True
) -> Iterator[Box]:
    """A terminal that is not started yet, with members whose cards are numbered from 0."""
    devices = f'[reader.door]\ndriver = "pcsc"\n[printer]\ndriver = "escpos"\nconnection = "{printer}"\n'
    with Box(folder, devices, {**reader.environment, **pins.environment}, fresh=fresh, trust=trust) as box:
        (folder / "members.csv").write_text(members, encoding="utf-8")
        box.fikatap("members", "import", str(folder / "members.csv"))
        with open_office(box.config) as office:
            for number, line in enumerate(members.splitlines()[1:]):
                office.call("cards.bind", member=line.split(",")[0], uid=uid(number).hex())
        yield box


def test_killed_before_the_first_byte_the_badge_is_printed_once(tmp_path: Path, reader: PrivatePcscd, pins: PinBoard) -> None:
    with NetworkPrinter() as printer, terminal(tmp_path, reader, pins, printer.connection, MEMBERS) as box:
        printer.unplug()
        box.start()
        box.until_device("reader door", "up")
        reader.tap(card(0))
        box.until_told("welcome_no_badge", "not_yet")
        box.kill()
        assert printer.received == b""

        printer.plug()
        box.start()
        box.until_jobs("confirmed", 1)
        assert box.status()["here"] == 1
        assert len(printer.papers) == 1
        assert "KOPI" not in " ".join(printer.papers[0].texts)
        assert box.stop() == 0
        assert len(printer.papers) == 1


def test_killed_in_the_middle_of_the_bytes_staff_is_asked_and_nothing_is_printed_again(
    tmp_path: Path, reader: PrivatePcscd, pins: PinBoard
) -> None:
    with SerialPrinter(baud=19200) as printer, terminal(tmp_path, reader, pins, printer.connection, MEMBERS) as box:
        box.start()
        box.until_device("reader door", "up")
        box.until_printer_ready()
        asked = len(printer.received)
        reader.tap(card(0))
        printer.until_received(asked + 400)
        box.kill()

        box.start()
        box.until_printer_ready()
        assert box.status()["here"] == 1
        assert box.status()["jobs"] == []
        (notice,) = box.call("notices.list")
        assert notice["notice"] == "badge_unknown"
        assert [job["state"] for job in box.call("jobs.list")] == ["unknown"]

        # Staff looks: it is not whole. A copy comes, and is marked.
        box.fikatap("jobs", "missing", notice["job"])
        box.until_jobs("confirmed", 1)
        assert "KOPI" in " ".join(printer.papers[-1].texts)
        assert box.call("notices.list") == []


def test_killed_after_the_end_nothing_more_happens(tmp_path: Path, reader: PrivatePcscd, pins: PinBoard) -> None:
    with NetworkPrinter() as printer, terminal(tmp_path, reader, pins, printer.connection, MEMBERS) as box:
        box.start()
        box.until_device("reader door", "up")
        box.until_printer_ready()
        reader.tap(card(0))
        box.until_jobs("confirmed", 1)
        box.kill()

        box.start()
        box.until_printer_ready()
        assert box.status()["here"] == 1
        assert box.status()["jobs"] == []
        assert box.call("notices.list") == []
        assert box.stop() == 0
        assert len(printer.papers) == 1


def test_ten_taps_while_the_printer_is_stopped_are_ten_check_ins_and_only_fresh_badges_come(
    tmp_path: Path, reader: PrivatePcscd, pins: PinBoard
) -> None:
    with (
        NetworkPrinter() as printer,
        terminal(tmp_path, reader, pins, printer.connection, many_members(10), fresh=6) as box,
    ):
        printer.stop()
        box.start()
        box.until_device("reader door", "up")
        for number in range(5):
            reader.tap(card(number))
        box.until_told(*["welcome_no_badge"] * 5)
        box.until_jobs("expired", 5)
        for number in range(5, 10):
            reader.tap(card(number))
        box.until_told(*["welcome_no_badge"] * 10)
        box.until(lambda events: sum(each["kind"] == "LightZone" for each in events) == 10, "ten zones lit")
        assert box.status()["here"] == 10

        printer.go()
        box.until_jobs("confirmed", 5)
        names = [" ".join(slip.texts) for slip in printer.papers]
        assert len(names) == 5
        assert box.status()["jobs"] == []
        assert [job["state"] for job in box.call("jobs.list")].count("expired") == 5


@pytest.mark.parametrize("trust", [True, False], ids=["trusted time", "no trusted time"])
def test_after_a_plug_pulled_in_the_evening_the_first_tap_is_a_check_in(
    tmp_path: Path, reader: PrivatePcscd, pins: PinBoard, *, trust: bool
) -> None:
    with NetworkPrinter() as printer, terminal(tmp_path, reader, pins, printer.connection, MEMBERS, trust=False) as box:
        printer.unplug()
        box.start(boot="yesterday")
        box.until_device("reader door", "up")
        reader.tap(card(0))
        box.until_told("welcome_no_badge", "not_yet")
        box.kill()

        printer.plug()
        if trust:
            box.config.write_text(box.config.read_text(encoding="utf-8").replace("trust_clock = false", "trust_clock = true"))
        before = len(box.events)
        box.start(boot="this morning")
        box.until_device("reader door", "up")
        box.until_printer_ready()
        assert box.status()["unconfirmed"] == 1
        assert [job["state"] for job in box.call("jobs.list")] == ["expired"]
        reader.tap(card(0))
        box.until(
            lambda events: any(each["kind"] == "Answer" and each["signal"] == "not_yet" for each in events[before:]), "answer"
        )
        assert [each["signal"] for each in box.events[before:] if each["kind"] == "Answer"] == ["welcome", "not_yet"]
        assert box.status()["here"] == 1
        assert box.status()["unconfirmed"] == 0
        box.until_jobs("confirmed", 1)
        assert len(printer.papers) == 1


@pytest.mark.parametrize("rig", [NetworkPrinter, SerialPrinter])
def test_paper_that_runs_out_in_the_middle_of_a_badge_brings_one_whole_copy(
    tmp_path: Path, reader: PrivatePcscd, pins: PinBoard, rig: type[NetworkPrinter] | type[SerialPrinter]
) -> None:
    # A name in pictures, so that the roll ends in the middle of a command.
    members = MEMBERS.replace("Håkon", "ياسمين")
    with rig() as printer, terminal(tmp_path, reader, pins, printer.connection, members) as box:
        box.start()
        box.until_device("reader door", "up")
        box.until_printer_ready()
        printer.paper_out_after(40)
        reader.tap(card(0))
        box.until_jobs("failed", 1)
        assert box.status()["here"] == 1
        printer.paper_in()
        box.until_jobs("confirmed", 1)
        # What a printer holds in its own buffer it prints once it has paper: a rest without a name may come before the copy.
        *rests, copy = printer.papers
        assert "KOPI" in " ".join(copy.texts)
        assert len(rests) <= 1
        assert not any("KOPI" in " ".join(rest.texts) for rest in rests)
        assert printer.errors == ()
        assert [notice["notice"] for notice in box.call("notices.list")] == ["badge_failed"]
