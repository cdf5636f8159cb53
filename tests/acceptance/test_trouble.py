"""What people do to a terminal: they kill it, let the paper run out, and pull its plug in the evening."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from firmware_py.office import open_office
from tests.acceptance.box import MEMBERS, PATIENCE_S, Box, many_members
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

        box.start()
        printer.plug()
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
        printer.until_received(asked + 400, PATIENCE_S)
        box.kill()

        printer.stop()  # until somebody watches what becomes of it
        box.start()
        printer.go()
        box.until_printer_ready()
        assert box.status()["here"] == 1
        (notice,) = box.call("notices.list")
        assert notice["notice"] == "badge_unknown"
        # Staff, who have no screen, are asked on paper.
        box.until_jobs("confirmed", 1)
        assert "Till personalen" in " ".join(printer.papers[-1].texts)
        assert notice["job"] in "".join(printer.papers[-1].texts)
        assert [(job["what"], job["state"]) for job in box.call("jobs.list")] == [("badge", "unknown")]

        # Staff looks: it is not whole. A copy comes, and is marked.
        box.fikatap("jobs", "missing", notice["job"])
        box.until_jobs("confirmed", 2)
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
        terminal(tmp_path, reader, pins, printer.connection, many_members(10), fresh=15) as box,
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
        box.until_jobs("confirmed", 6)
        *badges, slip = [" ".join(paper.texts) for paper in printer.papers]
        assert len(badges) == 5
        assert not any("Till personalen" in words for words in badges)
        # All five that did not come are on one slip, and it comes last.
        expired = [job["job"] for job in box.call("jobs.list") if job["state"] == "expired"]
        assert [job in slip for job in expired] == [True] * 5
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

        if trust:
            box.config.write_text(box.config.read_text(encoding="utf-8").replace("trust_clock = false", "trust_clock = true"))
        before = len(box.events)
        box.start(boot="this morning")
        printer.plug()
        box.until_device("reader door", "up")
        box.until_printer_ready()
        assert box.status()["unconfirmed"] == 1
        assert ("badge", "expired") in [(job["what"], job["state"]) for job in box.call("jobs.list")]
        reader.tap(card(0))
        box.until(
            lambda events: any(each["kind"] == "Answer" and each["signal"] == "not_yet" for each in events[before:]), "answer"
        )
        assert [each["signal"] for each in box.events[before:] if each["kind"] == "Answer"] == ["welcome", "not_yet"]
        assert box.status()["here"] == 1
        assert box.status()["unconfirmed"] == 0
        box.until_jobs("confirmed", 2)
        assert len(printer.papers) == 2
        assert ["Till personalen" in " ".join(paper.texts) for paper in printer.papers].count(True) == 1


@pytest.mark.parametrize(
    ("rig", "rows"),
    [(NetworkPrinter, 40), (NetworkPrinter, 300), (SerialPrinter, 200), (partial(SerialPrinter, baud=115200), 60)],
    ids=["network 40", "network 300", "serial 200", "fast serial 60"],
)
def test_paper_that_runs_out_in_the_middle_of_a_badge_brings_one_whole_copy_and_nothing_that_is_stale(
    tmp_path: Path, reader: PrivatePcscd, pins: PinBoard, rig: Callable[[], NetworkPrinter | SerialPrinter], rows: int
) -> None:
    # A name in pictures, so that the roll ends in the middle of a command.
    members = many_members(6).replace("Anna", "ياسمين")
    with rig() as printer, terminal(tmp_path, reader, pins, printer.connection, members, fresh=15) as box:
        box.start()
        box.until_device("reader door", "up")
        box.until_printer_ready()
        # It is out before anything is sent: not a byte of a page is.
        printer.paper_out()
        box.until_printer("paper_out")
        for number in (1, 2):
            reader.tap(card(number))
        box.until_jobs("expired", 2)
        assert b"\x1b@" not in printer.received
        printer.paper_in()
        # Of these only the slip for staff comes, who has no screen.
        box.until_jobs("confirmed", 1)
        (slip,) = printer.papers
        assert "Till personalen" in " ".join(slip.texts)

        printer.paper_out_after(rows)
        reader.tap(card(0))
        box.until_jobs("failed", 1)
        reader.tap(card(3))
        box.until_told(*["welcome_no_badge"] * 3)
        assert box.status()["here"] == 4
        printer.paper_in()
        box.until_jobs("confirmed", 3)
        _, copy, fresh = printer.papers
        assert "KOPIA" in " ".join(copy.texts)
        assert "KOPIA" not in " ".join(fresh.texts)
        # Both are whole: a contact in each, and each its own.
        (visit,), (other,) = copy.qr, fresh.qr
        assert visit != other
        assert [scrap.height for scrap in printer.scraps] == [rows]
        assert printer.errors == ()
        assert [notice["notice"] for notice in box.call("notices.list")].count("badge_failed") == 1


# On a serial line, as a network printer may have confirmed the first badge before it is muted.
@pytest.mark.parametrize("rig", [SerialPrinter])
def test_a_printer_that_falls_silent_has_printed_nothing_that_anybody_may_believe(
    tmp_path: Path, reader: PrivatePcscd, pins: PinBoard, rig: Callable[[], NetworkPrinter | SerialPrinter]
) -> None:
    with rig() as printer, terminal(tmp_path, reader, pins, printer.connection, many_members(3)) as box:
        box.start()
        box.until_device("reader door", "up")
        box.until_printer_ready()
        asked = len(printer.received)
        reader.tap(card(0))
        printer.until_received(asked + 100, PATIENCE_S)
        printer.mute()
        for number in (1, 2):
            reader.tap(card(number))
        box.until_jobs("unknown", 1)
        box.until_told(*["welcome"] * 2)
        assert box.jobs("confirmed") == 0
        assert box.status()["here"] == 3
        printer.unmute()
        box.until_jobs("confirmed", 3)
        assert box.jobs("unknown") == 1


@pytest.mark.parametrize("rig", [NetworkPrinter, SerialPrinter])
def test_a_printer_whose_power_fails_in_the_middle_of_a_badge_goes_on_when_it_is_back(
    tmp_path: Path, reader: PrivatePcscd, pins: PinBoard, rig: Callable[[], NetworkPrinter | SerialPrinter]
) -> None:
    with rig() as printer, terminal(tmp_path, reader, pins, printer.connection, many_members(3)) as box:
        box.start()
        box.until_device("reader door", "up")
        box.until_printer_ready()
        printer.power_cut_after(20)  # as a network printer may have confirmed the badge before anybody pulls its plug
        reader.tap(card(0))
        printer.until(lambda: not printer._printer.powered, PATIENCE_S)
        printer.power_cut()
        box.until_jobs("unknown", 1)
        reader.tap(card(1))
        box.until_told("welcome", "welcome_no_badge")
        printer.power_on()
        box.until_jobs("confirmed", 2)
        assert [job["state"] for job in box.call("jobs.list") if job["what"] == "badge"] == ["unknown", "confirmed"]
        assert box.status()["here"] == 2


def test_the_door_goes_on_without_its_lights(tmp_path: Path, reader: PrivatePcscd, pins: PinBoard) -> None:
    with NetworkPrinter() as printer, terminal(tmp_path, reader, pins, printer.connection, many_members(2)) as box:
        box.start()
        for name in ("reader door", "lights", "sounder"):
            box.until_device(name, "up")
        box.until_printer_ready()
        pins.vanish()
        for number in (0, 1):
            reader.tap(card(number))
            box.until_jobs("confirmed", number + 1)
        box.until_told("welcome", "not_yet", "welcome", "introduced")
        box.until(lambda _: "Lampor är borta (the light on GPIO" in box.journal, "the lights' loss in the journal")
        assert len(printer.papers) == 2
        assert box.status()["here"] == 2
        assert box.stop() == 0


def test_who_has_met_somebody_goes_with_a_slip_and_a_stranger_gets_one_to_show(
    tmp_path: Path, reader: PrivatePcscd, pins: PinBoard
) -> None:
    with NetworkPrinter() as printer, terminal(tmp_path, reader, pins, printer.connection, MEMBERS) as box:
        text = box.config.read_text(encoding="utf-8")
        box.config.write_text(text.replace("[door]", "[door]\ndouble_tap_s = 0.1\ncheckout_after_s = 0.5"), encoding="utf-8")
        box.start()
        box.until_device("reader door", "up")
        box.until_printer_ready()
        for number in (0, 1):
            reader.tap(card(number))
            box.until_jobs("confirmed", number + 1)
        box.until_told("welcome", "not_yet", "welcome", "introduced")
        # The power fails while they talk; whom they met is still known.
        box.kill()
        box.start()
        box.until_device("reader door", "up")
        box.until_printer_ready()
        box.fikatap("visits", "leave", "sigrid")
        reader.tap(card(0))
        box.until_told("introduced", "goodbye")
        box.until_jobs("confirmed", 3)
        slip = " ".join(printer.papers[-1].texts)
        assert "Takk for i dag, Håkon!" in slip
        assert "Sigrid" in slip
        assert "digital markedsføring" in slip

        reader.tap(card(9))
        box.until_jobs("confirmed", 4)
        slip = " ".join(printer.papers[-1].texts)
        assert "Fråga personalen" in slip
        assert "Show this slip to the staff" in slip

        assert box.fikatap("notices", "print") == "on their way to the printer: 1\n"
        box.until_jobs("confirmed", 5)
        assert "Ett okänt kort" in " ".join(printer.papers[-1].texts)
        assert [job["what"] for job in box.call("jobs.list")] == []
        assert printer.errors == ()
