"""What the pages cost the door, and how soon a screen shows a tap: real terminal, `fikatap desk serve`, real Chromium."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from urllib.request import urlopen

from playwright.sync_api import expect

from firmware_py.clock import Clock
from firmware_py.demo import CONFIG, Cafe
from firmware_py.desk.access import Access, Role
from tests.rigs.browser import PATIENCE_S, chromium

TAPS = 60
ROUNDS, ROUND_TAPS = 10, 12
SCREENS, DESKS = 30, 20
"""The desk lets 24 connections of one device in (`MOST_FROM_ONE`)."""
PIN = "481516"

NOTE = """() => {
  window.seen = [];
  new MutationObserver(() => {
    const view = document.querySelector("#personal article");
    if (view === null || window.seen.length) return;
    window.seen.push(performance.timeOrigin + performance.now());
    requestAnimationFrame(() => {
      window.seen.push(performance.timeOrigin + performance.now());
      document.documentElement.dataset.seen = "";
    });
  }).observe(document.getElementById("personal"), {childList: true});
}"""
"""Notes when a visitor's view is in the document, and when the browser draws the next picture."""


def figures() -> dict[str, float]:
    """Return how soon a screen shows a tap, and what 50 screens and desks do to the verdict."""
    return {**tap_to_screen(), **verdict_ratio()}


def tap_to_screen() -> dict[str, float]:
    """Return milliseconds from the card at the reader to the change of a real browser's page, and to its next picture."""
    document_ms, picture_ms = [], []
    with Cafe(members=TAPS) as cafe, pages(cafe) as (screen, _, _), chromium() as browser:
        page = browser.new_page(viewport={"width": 800, "height": 480})
        page.goto(f"http://127.0.0.1:{screen}/screen")
        expect(page.locator("main[data-live]")).to_be_attached(timeout=PATIENCE_S * 1_000)
        page.evaluate(NOTE)
        for number in range(1, TAPS + 1):
            tapped_ms = time.time() * 1_000
            cafe.tap(number)
            expect(page.locator("html[data-seen]")).to_be_attached(timeout=PATIENCE_S * 1_000)
            document, picture = page.evaluate("window.seen")
            document_ms.append(document - tapped_ms)
            picture_ms.append(picture - tapped_ms)
            page.locator("#done").click()
            page.evaluate("() => { window.seen = []; delete document.documentElement.dataset.seen; }")
    return {
        "tap_to_screen_ms_p50": round(median(document_ms), 1),
        "tap_to_screen_ms_p99": round(quantiles(document_ms, n=100)[98], 1),
        "tap_to_picture_ms_p50": round(median(picture_ms), 1),
    }


def verdict_ratio() -> dict[str, float]:
    """Return the median ratio of the verdict's p50 with 50 screens and desks to that without any pages, in rounds by turns."""
    ratios = []
    with Cafe(members=2 * ROUNDS * ROUND_TAPS) as cafe:
        numbers = iter(range(1, len(cafe.members) + 1))
        for _ in range(ROUNDS):
            alone = _round(cafe, numbers)
            with pages(cafe) as (screen, desk, token), _listeners(screen, desk, token):
                ratios.append(_round(cafe, numbers) / alone)
    return {"verdict_ratio_with_50_pages": round(median(ratios), 3)}


def _round(cafe: Cafe, numbers: Iterator[int]) -> float:
    return median(cafe.tap(next(numbers)).verdict_ms for _ in range(ROUND_TAPS))


@contextmanager
def pages(cafe: Cafe) -> Iterator[tuple[int, int, str]]:
    """Run `fikatap desk serve` for a café; yield the ports of screen and desk, and the token of somebody who is signed in."""
    with TemporaryDirectory(prefix="fikatap-bench-") as name:
        folder = Path(name)
        screen, desk = _free_port(), _free_port()
        clock = Clock(cafe.config.timezone, None)
        access = Access(folder / "access.json", clock.now().boot_id, lambda: clock.now().boot_ms / 1_000)
        access.set_pin("Made-Up Maja", Role.STAFF, PIN)
        token, _ = access.log_in("Made-Up Maja", PIN, "127.0.0.1")
        listens = f'[desk]\nscreen = "127.0.0.1:{screen}"\nlisten = "127.0.0.1:{desk}"\nfolder = "{folder}"\n'
        text = CONFIG.format(folder=cafe.config.ledger.path.parent, language="sv", profile="generic-80")
        (folder / "terminal.toml").write_text(text + listens)
        command = [str(Path(sys.executable).with_name("fikatap")), "--config", str(folder / "terminal.toml"), "desk", "serve"]
        with subprocess.Popen(command) as process:
            try:
                _until_served(screen)
                yield screen, desk, token
            finally:
                process.terminate()


@contextmanager
def _listeners(screen: int, desk: int, token: str) -> Iterator[None]:
    """Let 50 pages listen, in a process of their own: they must not take the terminal's turn in this one."""
    command = [sys.executable, "-m", "tests.bench.screen", str(screen), str(desk), token]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "all listen\n"
            yield
        finally:
            process.terminate()


async def _listen(screen: int, desk: int, token: str) -> None:
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    opened = [
        *[_stream(screen, "/screen/events", None, "") for _ in range(SCREENS)],
        *[_stream(desk, "/desk/live?page=now", trusting, f"__Host-fikatap={token}") for _ in range(DESKS)],
    ]
    streams = await asyncio.gather(*opened)
    print("all listen", flush=True)
    await asyncio.gather(*[_read_on(reader) for reader, _ in streams])


async def _stream(
    port: int, path: str, secure: ssl.SSLContext | None, cookie: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=secure)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n\r\n".encode())
    await writer.drain()
    status = await reader.readline()
    assert b" 200 " in status, f"{path}: {status!r}"
    await reader.readuntil(b"event:")
    return reader, writer


async def _read_on(reader: asyncio.StreamReader) -> None:
    while await reader.read(1 << 16):
        pass


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _until_served(port: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            urlopen(f"http://127.0.0.1:{port}/screen", timeout=PATIENCE_S).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


if __name__ == "__main__":
    asyncio.run(_listen(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
