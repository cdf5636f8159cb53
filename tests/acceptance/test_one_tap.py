"""One tap from end to end, on real wires; it reads like docs/one-tap.md."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.acceptance.box import LIBRARY_PIN, LONG_TABLE_PIN, MEMBERS, PATIENCE_S, Box
from tests.rigs.cards import VirtualCard, text_message
from tests.rigs.pcsc import PrivatePcscd
from tests.rigs.pins import PinBoard
from tests.rigs.pn532 import Pn532
from tests.rigs.printers import NetworkPrinter, SerialPrinter

HAKON = bytes.fromhex("04a1b2c3d4e5f6")
SIGRID = bytes.fromhex("041e3c8a2d6b80")
ZONE_PINS = {"library": LIBRARY_PIN, "longtable": LONG_TABLE_PIN}


def hakons_card() -> VirtualCard:
    return VirtualCard(HAKON, text_message("fika"))


def sigrids_card() -> VirtualCard:
    return VirtualCard(SIGRID, text_message("fika"), type=4)


def walk(box: Box, reader: PrivatePcscd | Pn532, printer: NetworkPrinter | SerialPrinter, pins: PinBoard) -> None:
    """Two members are imported and get their cards; one taps, then the other, and they are introduced."""
    members = box.folder / "members.csv"
    members.write_text(MEMBERS, encoding="utf-8")
    box.start()
    box.until_device("reader door", "up")
    box.until_printer_ready()
    box.fikatap("members", "import", str(members))
    for name, card in (("hakon", hakons_card()), ("sigrid", sigrids_card())):
        enrolling = threading.Thread(target=box.fikatap, args=("cards", "enrol", name))
        enrolling.start()
        box.until_enrolling()
        reader.tap(card)
        enrolling.join()

    reader.tap(hakons_card())
    box.until_told("welcome", "not_yet")
    first = printer.until_papers(1, timeout=PATIENCE_S)[0]
    assert "Du står først i køen" in " ".join(first.texts)
    box.until(lambda events: any(event["kind"] == "LightZone" for event in events), "a zone lit")
    zone = next(event["zone"] for event in box.events if event["kind"] == "LightZone")
    pins.until(ZONE_PINS[zone], 1, PATIENCE_S)

    reader.tap(sigrids_card())
    box.until_told("welcome", "not_yet", "welcome", "introduced")
    badge = printer.until_papers(2, timeout=PATIENCE_S)[1]
    words = " ".join(badge.texts)
    assert "Håkon" in words
    assert "Fråga Håkon om pedagogik och utbildning." in words
    visit = next(event["visit"] for event in box.events if event["kind"] == "MatchAnswered" and event["introduction"])
    (contact,) = badge.qr
    assert contact.startswith("MECARD:N:Sigrid;NOTE:Marknadsförare inom energi / ")
    assert contact.endswith(f" / {visit};URL:https\\://fika.example/v/{visit};;")
    assert printer.errors == ()
    pins.until(ZONE_PINS[zone], 1, PATIENCE_S)
    box.until_jobs("confirmed", 2)

    assert box.status()["here"] == 2
    assert box.stop() == 0
    state = b"".join(file.read_bytes() for file in (box.folder / "state").iterdir())
    for uid in (HAKON, SIGRID):
        assert uid not in state
        assert uid.hex() not in state.decode("latin-1").lower()
        assert uid.hex() not in box.journal.lower()
    assert "Sigrid" not in box.journal


def test_a_tap_at_a_pcsc_reader_becomes_a_light_and_a_badge_on_a_network_printer(tmp_path: Path) -> None:
    with PrivatePcscd(tmp_path) as reader, NetworkPrinter() as printer, PinBoard(tmp_path) as pins:
        devices = f'[reader.door]\ndriver = "pcsc"\n[printer]\ndriver = "escpos"\nconnection = "{printer.connection}"\n'
        with Box(tmp_path, devices, {**reader.environment, **pins.environment}) as box:
            walk(box, reader, printer, pins)


def test_a_tap_at_a_pn532_becomes_a_light_and_a_badge_on_a_serial_printer_at_19200_baud(tmp_path: Path) -> None:
    with Pn532() as reader, SerialPrinter(baud=19200) as printer, PinBoard(tmp_path) as pins:
        devices = (
            f'[reader.door]\ndriver = "pn532"\npath = "{reader.path}"\n'
            f'[printer]\ndriver = "escpos"\nconnection = "{printer.connection}"\n'
        )
        with Box(tmp_path, devices, pins.environment) as box:
            walk(box, reader, printer, pins)
