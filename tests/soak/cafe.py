"""A café in a process of its own in which people tap as fast as it goes, and what that costs from window to window.

`python -m tests.soak.cafe TAPS [--print]` prints a JSON object for each window, with so many taps after the warm-up. The
terminal is the real one, on simulated devices that keep nothing; with --print each badge is really laid out and encoded. In
each window everybody who came has left again, a card is torn and one unknown, the reader's cable is pulled, a card is
enrolled, and a client watches and hangs up.

Memory is read when nothing is under way, after a garbage collection, in three ways: what Python holds, to the byte
(tracemalloc); what malloc gave out in all, to Python and the libraries but for SQLite, where what it rounds up settles slowly;
and the process's own pages, which is what a machine runs out of, but goes by 4 kB. SQLite's caches are made small, so that
they are full early.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import inspect
import logging
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import apsw
import msgspec
from msgspec import Struct
from msgspec.structs import replace

from drivers.ports import Lights, Paper, PresentedCard, Printer, PrinterStatus, Sounder
from drivers.readers.fake import FakeReader
from firmware_py.clock import Clock
from firmware_py.config import Chosen, parse
from firmware_py.demo import CONFIG, card_of
from firmware_py.keys import VenueKey, key_path
from firmware_py.ledger import Ledger, LedgerReader
from firmware_py.roster import made_up_members
from firmware_py.terminal.control import ControlClient, ControlSocket
from firmware_py.terminal.loop import Terminal
from firmware_py.terminal.notify import Notifier
from firmware_py.terminal.supervise import Health
from firmware_py.wiring import Wiring
from kiosk.effects import Answer, Effect
from kiosk.events import Event
from kiosk.jobs import Job
from kiosk.signals import Signal
from kiosk.values import ZoneId

MEMBERS = 40
WINDOW = 10 * MEMBERS
"""Taps in a window: everybody comes and goes five times."""
PRINTING_WINDOW = 2 * MEMBERS
"""The same where badges are printed: everybody comes and goes once."""
WARM_UP = 8
"""Windows that don't count."""
PATIENCE_S = 30.0
CACHE_KB = 100
FAULTS = 4
"""How many faults of the reader's cable are remembered: so few that they are all there early."""
MALLOC = {"PYTHONMALLOC": "malloc", "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}
"""The environment in which malloc's account has all of Python's, and each thread's."""
MEMORY = "/dev/shm"


class Window(Struct):
    """What there was at the end of a window."""

    taps: int
    python: int
    """Bytes that Python holds."""
    in_use: int
    """Bytes that malloc gave out and did not get back, but for SQLite's."""
    sqlite: int
    """SQLite's own bytes: mostly its caches, which have a limit."""
    anonymous_kb: int
    threads: int
    descriptors: int
    ledger_bytes: int
    kept: dict[str, int]
    """What the terminal keeps of people, jobs and clients, by name."""


class Soaked(Struct):
    """What came of a soak."""

    windows: list[Window]

    @property
    def counted(self) -> list[Window]:
        """Return the windows after the warm-up."""
        return self.windows[WARM_UP:]

    def slope(self, of: Callable[[Window], float]) -> float:
        """Return by how much something grows in 1,000 taps: the median of the slopes between all pairs of windows."""
        found = self.counted
        return median(
            (of(later) - of(earlier)) * 1_000 / (later.taps - earlier.taps)
            for place, earlier in enumerate(found)
            for later in found[place + 1 :]
        )


class _Settings(Struct, frozen=True):
    profile: str = "generic-58"


class BlankPrinter(Printer):
    """Prints nothing, at once."""

    Settings = _Settings

    def __init__(self, settings: _Settings) -> None:
        self._settings = settings

    @property
    def profile(self) -> str:
        return self._settings.profile

    def open(self) -> None: ...

    def close(self) -> None: ...

    def describe(self) -> str:
        return "nothing"

    def status(self) -> PrinterStatus:
        return PrinterStatus(Paper.ENOUGH)

    def send(self, page: bytes, process_id: int) -> None: ...

    def wait_printed(self, process_id: int, timeout: float) -> bool:  # noqa: ARG002 - at once
        return True


class BlankLights(Lights):
    """Shows nothing."""

    def __init__(self, settings: None) -> None: ...

    def open(self) -> None: ...

    def close(self) -> None: ...

    def describe(self) -> str:
        return "nothing"

    def signal(self, signal: Signal) -> None: ...

    def zone(self, zone: ZoneId, seconds: float) -> None: ...

    def lit(self) -> frozenset[str]:
        return frozenset()


class BlankSounder(Sounder):
    """Plays nothing."""

    def __init__(self, settings: None) -> None: ...

    def open(self) -> None: ...

    def close(self) -> None: ...

    def describe(self) -> str:
        return "nothing"

    def play(self, signal: Signal) -> None: ...


class _Wiring(Wiring):
    """Makes one and the same page of each badge."""

    def render(self, job: Job, profile_name: str) -> bytes:  # noqa: ARG002 - whatever is on it
        return b"page"


class _Ledger(Ledger):
    """A ledger whose caches are full early, and which forgets at once what it has to: a slice under way holds 200 rows."""

    def forget(self, utc_ms: int, keep_ms: int) -> bool:
        while super().forget(utc_ms, keep_ms):
            pass
        return False

    def _read_state(self) -> None:
        super()._read_state()
        self._connection.pragma("cache_size", -CACHE_KB)

    def reader(self) -> LedgerReader:
        reader = super().reader()
        reader._connection.pragma("cache_size", -CACHE_KB)
        return reader


class _Ear:
    """Counts the answers at the door."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._answers = 0

    def __call__(self, what: Event | Effect) -> None:
        if isinstance(what, Answer):
            with self._changed:
                self._answers += 1
                self._changed.notify_all()

    def await_answer(self, act: Callable[[], None]) -> None:
        """Do something and wait for the answer to it."""
        with self._changed:
            before = self._answers
        act()
        with self._changed:
            if not self._changed.wait_for(lambda: self._answers > before, PATIENCE_S):
                raise TimeoutError(f"no answer after {before}")


class SoakedCafe:
    """The café; a context manager."""

    def __init__(self, folder: Path, *, prints: bool) -> None:
        self.window_taps = PRINTING_WINDOW if prints else WINDOW
        # Nobody is told who was sent to them when they tap to leave: each second tap is a check-out.
        rules = "[door]\ncheckout_after_s = 0.001\ntalk_s = 0.001\n"
        config = parse(CONFIG.format(folder=folder, language="sv", profile="generic-58") + rules)
        self.config = replace(
            config,
            printer=Chosen("blank", BlankPrinter, _Settings()),
            lights=Chosen("blank", BlankLights, None),
            sounder=Chosen("blank", BlankSounder, None),
        )
        wiring = (Wiring if prints else _Wiring)(self.config)
        self.ledger = _Ledger.open(self.config.ledger.path)
        key = VenueKey(key_path(self.config.ledger.path)).open(self.ledger)
        members = made_up_members(MEMBERS, 7, wiring.vocabulary)
        self.ledger.put_members(members)
        for number, member in enumerate(members, 1):
            self.ledger.bind_card(key.pseudonym(card_of(number).uid), member.id)
        self._first, self._second = members[0].id, members[1].id
        self.ear = _Ear()
        self.terminal = Terminal(wiring, self.ledger, key, Clock(self.config.timezone, None), Notifier({}), self.ear)
        self.terminal._supervisor.faults = deque(maxlen=FAULTS)
        self._control = ControlSocket(self.config.control.socket, self.terminal.post)
        self._thread = threading.Thread(target=self.terminal.run, name="terminal")
        self.reader = FakeReader.hand("demo")
        self.taps = 0

    def __enter__(self) -> SoakedCafe:
        self._control.open()
        self._thread.start()
        self.reader.until_waited_for(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.terminal.stop()
        self._thread.join(PATIENCE_S)
        self._control.close()

    def window(self) -> Window:
        """Let everybody come and go, with some trouble, and look at what is left of it."""
        for _ in range(self.window_taps):
            self.tap(card_of(self.taps % MEMBERS + 1))
        self._trouble()
        self._until_quiet()
        for _, cache in caches():
            cache.cache_clear()  # filled anew by the next badge; that they have limits is asked for itself
        # Python's cache of attributes holds up to 4,096 names, also those that C code makes anew for each look-up.
        sys._clear_type_cache()
        gc.collect()
        folder = self.config.ledger.path.parent
        return Window(
            taps=self.taps,
            python=tracemalloc.get_traced_memory()[0],
            in_use=in_use() - apsw.memory_used(),
            sqlite=apsw.memory_used(),
            anonymous_kb=anonymous_kb(),
            threads=len([*Path("/proc/self/task").iterdir()]),
            descriptors=len([*Path("/proc/self/fd").iterdir()]),
            ledger_bytes=sum(each.stat().st_size for each in folder.iterdir() if each.name.startswith("ledger.db")),
            kept=self._kept(),
        )

    def tap(self, card: PresentedCard) -> None:
        """Tap and wait for the answer."""
        self.ear.await_answer(lambda: self.reader.tap(card))
        self.taps += 1

    def _trouble(self) -> None:
        self.ear.await_answer(self.reader.tear)
        self.ear.await_answer(lambda: self.reader.tap(PresentedCard(uid=b"\x04nobody")))
        door = self.terminal._supervisor.watched["reader door"]
        before = door.lane.generation
        self.reader.unplug()
        self.reader.plug()
        self._until(lambda: door.lane.generation > before and door.health is Health.UP)
        self.reader.until_waited_for(PATIENCE_S)
        with ControlClient(self.config.control.socket) as client:
            client.watch()
            client._socket.sendall(
                msgspec.json.encode({"v": 1, "id": 9, "do": "cards.enrol", "with": {"member": self._first}}) + b"\n"
            )
            self._until(lambda: self.terminal.state.enrolling is not None)
            self.reader.tap(card_of(2))
            while b"belongs to another member" not in client._lines.readline():
                pass

    def _kept(self) -> dict[str, int]:
        terminal, state = self.terminal, self.terminal.state
        return {
            "visits": len(state.visits),
            "here": len(state.here),
            "asked": len(state.asked),
            "jobs": len(state.spool.jobs),
            "enrolling": int(state.enrolling is not None),
            "tickets": len(terminal._tickets),
            "watchers": len(terminal._watchers),
            "clients": len(self._control._clients),
            "calls": sum(len(each.lane.calls) for each in terminal._supervisor.watched.values()),
        }

    def _until_quiet(self) -> None:
        self._until(lambda: not any(self._kept().values()))
        self._until(_no_thread_ends)

    def _until(self, done: Callable[[], bool]) -> None:
        """Wait until something holds: each look is one command that the terminal carries out in its turn."""
        deadline = time.monotonic() + PATIENCE_S
        while not done():
            if time.monotonic() > deadline:
                raise TimeoutError(f"after {self.taps} taps there are {self._kept()}")
            threading.Event().wait(0.002)


def _no_thread_ends() -> bool:
    """Tell whether those that served a client or an earlier opening of a device are gone, for the system, too."""
    names = [thread.name for thread in threading.enumerate()]
    is_one_each = len(names) == len(set(names)) and not any(name.startswith("control client") for name in names)
    return is_one_each and len([*Path("/proc/self/task").iterdir()]) == len(names)


class _MallInfo(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    ]


def in_use() -> int:
    """Return the bytes that were allocated and not freed, in all arenas and in maps of their own."""
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = _MallInfo
    info = libc.mallinfo2()
    return int(info.uordblks + info.hblkhd)


def anonymous_kb() -> int:
    """Return how much memory the process has for itself, after what is free was given back."""
    ctypes.CDLL(None).malloc_trim(0)
    rollup = Path("/proc/self/smaps_rollup").read_text()
    return int(rollup.partition("Anonymous:")[2].split(maxsplit=1)[0])


def caches() -> Iterator[tuple[str, Any]]:
    """Yield each function of ours that keeps its results."""
    for each in gc.get_objects():
        if isinstance(each, functools._lru_cache_wrapper) and each.__module__.partition(".")[0] in (
            "kiosk",
            "drivers",
            "firmware_py",
        ):
            yield f"{each.__module__}.{each.__qualname__}", each


def unlimited() -> dict[str, int]:
    """Return our caches that could grow for ever, with their sizes: without a limit, and with arguments."""
    return {
        name: each.cache_info().currsize
        for name, each in caches()
        if each.cache_info().maxsize is None and inspect.signature(each).parameters
    }


def soak(taps: int, *, prints: bool) -> None:
    """Let so many taps happen after the warm-up; print each window, as what is kept here would be counted, too."""
    logging.disable(logging.CRITICAL)
    tracemalloc.start()
    with TemporaryDirectory(dir=MEMORY) as folder, SoakedCafe(Path(folder), prints=prints) as cafe:
        for _ in range(WARM_UP + taps // cafe.window_taps):
            print(msgspec.json.encode(cafe.window()).decode(), flush=True)


def soaked(taps: int, *options: str) -> Soaked:
    """Run a soak in a process of its own, and return what came of it."""
    command = [sys.executable, "-m", "tests.soak.cafe", str(taps), *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, env={**os.environ, **MALLOC}, check=True)
    return Soaked([msgspec.json.decode(line, type=Window) for line in done.stdout.splitlines()])


if __name__ == "__main__":
    soak(int(sys.argv[1]), prints="--print" in sys.argv)
