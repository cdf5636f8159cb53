"""What a tap costs in the whole terminal: the verdict beside a bare commit, the first byte, the start, and the memory."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from firmware_py.demo import Cafe
from firmware_py.ledger import Ledger
from firmware_py.office import open_office
from firmware_py.wiring import Wiring
from kiosk.door import DoorState, step
from kiosk.effects import DURABLE
from kiosk.events import CardTapped
from kiosk.values import Now
from tests.acceptance.box import MEMBERS, Box
from tests.bench.ledger import BareDatabase, FilledLedger, card_of
from tests.rigs.cards import VirtualCard
from tests.rigs.pcsc import PrivatePcscd
from tests.rigs.pins import PinBoard
from tests.rigs.printers import NetworkPrinter

TAPS = 150
MEMORY = "/dev/shm"
RATIO_ROUNDS = 5
RATIO_TAPS = 200
LIBRARIES = "apsw, msgspec, gpiozero, smartcard.scard, escpos.constants, freetype, uharfbuzz, bidi"
"""What the terminal of `ready_ms` and `rss_mb` has loaded after its first badge."""


def verdicts() -> dict[str, float]:
    """Return milliseconds from the reader's report to the order for the light, and of a bare commit, taken in turns."""
    verdict_ms, commit_ms = [], []
    with TemporaryDirectory() as folder, Cafe(members=TAPS) as cafe:
        bare = BareDatabase(Path(folder) / "bare.db")
        for number in range(1, TAPS + 1):
            commit_ms.append(_ms(bare.commit))
            verdict_ms.append(cafe.tap(number).verdict_ms)
            bare.tidy()
        bare.close()
    return {
        "tap_to_verdict_ms_p50": round(median(verdict_ms), 3),
        "tap_to_verdict_ms_p99": round(quantiles(verdict_ms, n=100)[98], 3),
        "commit_ms_p50": round(median(commit_ms), 3),
        "commit_ms_p99": round(quantiles(commit_ms, n=100)[98], 3),
    }


def door_cpu() -> dict[str, float]:
    """Return the processor time of one check-in, and the same with what the disk's file system costs the kernel."""
    return {
        "door_cpu_ms_per_tap": door_cpu_ms_per_tap(MEMORY),
        "door_cpu_ms_per_tap_with_disk": door_cpu_ms_per_tap(None),
    }


def door_cpu_ms_per_tap(disk: str | None, taps: int = TAPS) -> float:
    """Return the median processor time of one check-in: the card's look-up, the rules and the commit, without matching.

    `disk` is where the ledger lies, None for the disk of temporary files. In memory, the kernel's work for a sync is left out:
    it is the file system's, differs by three from hour to hour, and `commit_ms` tells of it.
    """
    with TemporaryDirectory(dir=disk) as folder, Cafe() as cafe:
        wiring = Wiring(cafe.config)
        filled = FilledLedger(Path(folder) / "ledger.db")
        cpu_ms = [_cpu_of_a_tap(filled.ledger, wiring, number, filled) for number in range(taps)]
        filled.close()
    return round(median(cpu_ms), 3)


def _cpu_of_a_tap(ledger: Ledger, wiring: Wiring, number: int, filled: FilledLedger) -> float:
    state = DoorState(house=wiring.house(ledger.prefix), serial=number)
    card = card_of(filled.members[number % len(filled.members)])
    now = Now("bench", 10_000 * number)
    before = time.thread_time()
    member, blocked, rate = ledger.holder(card)
    event = CardTapped("door", card, member, blocked=blocked, rate=rate)
    after, effects = step(state, event, now)
    ledger.commit(event, [effect for effect in effects if isinstance(effect, DURABLE)], now, after.serial)
    return (time.thread_time() - before) * 1000


def verdict_ratio(visits: int = 1_000_000) -> dict[str, float]:
    """Return the median ratio of a check-in's time with so many past visits to that with a thousand, in rounds by turns."""
    with TemporaryDirectory() as folder:
        long, short = FilledLedger(Path(folder) / "long.db", visits), FilledLedger(Path(folder) / "short.db", 1_000)
        ratios = []
        for _ in range(RATIO_ROUNDS):
            long_ms: list[float] = []
            short_ms: list[float] = []
            for _ in range(RATIO_TAPS):
                for ledger, times in ((long, long_ms), (short, short_ms)):
                    times.append(_ms(ledger.check_in))
                    ledger.check_out()
                    ledger.ledger.tidy()
            ratios.append(median(long_ms) / median(short_ms))
        long.close()
        short.close()
    return {"verdict_ratio_at_1m_visits": round(median(ratios), 3)}


def process(rounds: int = 5) -> dict[str, float]:
    """Return figures of `fikatap run` as a process on PC/SC, network printer and mock pins, beside a bare interpreter."""
    ready_ms, rss_mb, first_byte_ms, stop_ms = [], [], [], []
    for _ in range(rounds):
        with TemporaryDirectory() as temporary:
            folder = Path(temporary)
            with PrivatePcscd(folder) as reader, NetworkPrinter() as printer, PinBoard(folder) as pins:
                devices = f'[reader.door]\ndriver = "pcsc"\n[printer]\ndriver = "escpos"\nconnection = "{printer.connection}"\n'
                with Box(folder, devices, {**reader.environment, **pins.environment}) as box:
                    uid = _seed(box)
                    ready_ms.append(_ms(box.start))
                    box.until_device("reader door", "up")
                    box.until_printer_ready()
                    before = time.perf_counter()
                    reader.touch(VirtualCard(uid))
                    printer.until(lambda printer=printer: b"\x1b@" in printer.received)  # type: ignore[misc] # a default
                    first_byte_ms.append((time.perf_counter() - before) * 1000)
                    box.until_jobs("confirmed", 1)
                    rss_mb.append(box.rss_mb())
                    stop_ms.append(_ms(box.stop))
    bare = [_bare() for _ in range(rounds)]
    return {
        "ready_ms": round(median(ready_ms)),
        "rss_mb": round(median(rss_mb), 1),
        "bare_interpreter_ms": round(median(ms for ms, _ in bare)),
        "bare_interpreter_rss_mb": round(median(mb for _, mb in bare), 1),
        "tap_to_first_byte_ms": round(median(first_byte_ms), 1),
        "stop_ms": round(median(stop_ms)),
    }


def _seed(box: Box) -> bytes:
    """Give the box two members, the first with a card, and return the card's UID."""
    uid = bytes.fromhex("04a1b2c3d4e5f6")
    (box.folder / "members.csv").write_text(MEMBERS, encoding="utf-8")
    box.fikatap("members", "import", str(box.folder / "members.csv"))
    with open_office(box.config) as office:
        office.call("cards.bind", member="hakon", uid=uid.hex())
    return uid


def _bare() -> tuple[float, float]:
    """Return the milliseconds and the megabytes of an interpreter that only imports the same libraries."""
    program = f"import {LIBRARIES}; print(next(l for l in open('/proc/self/status') if l.startswith('VmRSS')).split()[1])"
    before = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return (time.perf_counter() - before) * 1000, int(done.stdout) / 1024


def _ms(act: Callable[[], object]) -> float:
    before = time.perf_counter()
    act()
    return (time.perf_counter() - before) * 1000
