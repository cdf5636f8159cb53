"""What sample badges cost: processor time, memory, bytes and modelled seconds, beside python-escpos' text and picture of them.

Each is made in a process of its own. `python -m tests.bench.badges SAMPLE PROFILE` makes one, `traced` if its memory counts.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

from msgspec import json
from msgspec.structs import replace

from drivers.printers.page import print_bytes
from drivers.printers.profiles import SHIPPED, PrinterProfile
from drivers.virtual.mechanics import MECHANICS_58, MECHANICS_80, in_hand
from drivers.virtual.printer import Clone, VirtualPrinter
from firmware_py.samples import sample, samples
from firmware_py.texts import load_texts
from kiosk.badge import Role, blocks
from tests.badges.cases import PAGES, printed
from tests.rigs.cost import Cost, cost
from tests.rigs.python_escpos import as_image, as_text, escpos_prints

ROUNDS = 9
IMAGE_ROUNDS = 5


def figures() -> dict[str, dict[str, float]]:
    """Return the figures of each sample on each shipped profile; the library's ways where that has a QR code."""
    return {f"badge_{name}_{profile.name}": _figures(name, profile) for profile in SHIPPED.values() for name in samples()}


def _figures(name: str, profile: PrinterProfile) -> dict[str, float]:
    ours, traced = _made(name, profile), _made(name, profile, "traced")
    reached = {
        "cpu_ms": round(ours.cpu_ms, 2),
        "first_cpu_ms": round(ours.first_cpu_ms, 1),
        "first_peak_kb": round(traced.traced_kb),
        "first_rss_kb": ours.rss_kb,
        "bytes": len(ours.page),
        "s_19200": round(_seconds(ours.page, profile, 19_200), 2),
        "s_115200": round(_seconds(ours.page, profile, 115_200), 2),
    }
    return reached | (_beside(name, ours.page, profile) if profile.native_qr else {})


def _beside(name: str, page: bytes, profile: PrinterProfile) -> dict[str, float]:
    """Return python-escpos' figures of the same page; its time for a picture begins when somebody has drawn that."""
    paper = printed(page, profile).image
    image = escpos_prints(as_image(paper, IMAGE_ROUNDS))
    image_traced = escpos_prints(as_image(paper, traced=True))
    text = escpos_prints(as_text(PAGES[name], native_qr=True)).page
    image_s = _seconds(image.page, profile, 19_200)
    return {
        "image_cpu_ms": round(image.cpu_ms, 2),
        "image_first_cpu_ms": round(image.first_cpu_ms, 1),
        "image_first_peak_kb": round(image_traced.traced_kb),
        "image_first_rss_kb": image.rss_kb,
        "image_bytes": len(image.page),
        "image_s_19200": round(image_s, 2),
        "image_s_115200": round(_seconds(image.page, profile, 115_200), 2),
        "image_bytes_ratio": round(len(image.page) / len(page), 1),
        "image_s_19200_ratio": round(image_s / _seconds(page, profile, 19_200), 1),
        "text_bytes": len(text),
        "text_s_19200": round(_seconds(text, profile, 19_200), 2),
        "text_bytes_ratio": round(len(text) / len(page), 2),
        **_wrong(name, text, profile),
    }


def _made(name: str, profile: PrinterProfile, *arguments: str) -> Cost:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.badges", name, profile.name, *arguments],
        stdout=subprocess.PIPE,
        timeout=120,
        check=True,
    )
    return json.decode(done.stdout, type=Cost)


def _seconds(page: bytes, profile: PrinterProfile, baud: int) -> float:
    # Kind to the library: a printer that is not strict, and has room for a whole picture.
    mechanics = replace(MECHANICS_80 if profile.cut else MECHANICS_58, buffer_bytes=1 << 20)
    clone = Clone(lacks=frozenset())
    return in_hand(page, dots=profile.dots, cutter=profile.cut, mechanics=mechanics, baud=baud, clone=clone).seconds


def _wrong(name: str, text: bytes, profile: PrinterProfile) -> dict[str, float]:
    """Count, of the letters that a badge should have: all, those that the library made "?", those that came out otherwise.

    Letters that should connect or run from right to left are counted as right however they are set.
    """
    words = [block.text for block in PAGES[name] if block.role is not Role.QR]
    wanted = Counter("".join("".join(words).split()))
    printer = VirtualPrinter(dots=profile.dots, cutter=False, clone=Clone(lacks=frozenset()))
    printer.feed(text)
    printer.tear()
    read = Counter("".join("".join(line for slip in printer.papers for line in slip.texts).split()))
    return {
        "letters": wanted.total(),
        "text_question_marks": max(0, read["?"] - wanted["?"]),
        "text_wrong_letters": (wanted - read).total(),
    }


def main(name: str, profile: str, *arguments: str) -> None:
    """Make one sample and write what it cost."""
    page = blocks(sample(name), load_texts())
    done = cost(lambda: print_bytes(page, SHIPPED[profile]), ROUNDS, traced="traced" in arguments)
    sys.stdout.buffer.write(json.encode(done))


if __name__ == "__main__":
    main(*sys.argv[1:])
