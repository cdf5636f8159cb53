"""A morning at the café for the fault rigs: the real terminal and ledger on simulated devices, in virtual time."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import apsw
from msgspec.structs import replace

from drivers.errors import FikatapError
from firmware_py.config import Chosen, parse
from firmware_py.keys import VenueKey, key_path
from firmware_py.ledger import Ledger
from firmware_py.terminal.loop import Terminal
from firmware_py.terminal.notify import Notifier
from kiosk.effects import Effect
from kiosk.events import Event
from tests.faults.medium import Acknowledge
from tests.simulation.campaign import CONFIG, SimWiring, person
from tests.simulation.world import SimClock, SimInbox, SimLane, SimLights, SimPrinter, SimReader, SimSounder, World, card_uid

PEOPLE = 10
CHECKOUT_MS = 45_000
"""From then on a second tap is a check-out; see `checkout_after_s` in the campaign's configuration."""


@cache
def _wiring() -> SimWiring:
    """Return the wiring, read from the package's data once."""
    wiring = SimWiring(parse(CONFIG))
    wiring.house("")
    return wiring


class RecordedLedger(Ledger):
    """The ledger, which tells what it holds after each opening and each commit."""

    told: Callable[[Acknowledge], None] = staticmethod(lambda _: None)
    synchronous: str | None = None
    """For the controls: how much less than ours SQLite shall sync."""

    def _read_state(self) -> None:
        if self.synchronous is not None:
            self._connection.pragma("synchronous", self.synchronous)
        super()._read_state()
        self.told(Acknowledge(digest(self._connection)))

    @contextmanager
    def _transaction(self, *arguments: Any, **named: Any) -> Iterator[None]:
        with super()._transaction(*arguments, **named):
            yield
        self.told(Acknowledge(digest(self._connection)))


def digest(connection: apsw.Connection) -> str:
    """Return a digest of all rows of all tables."""
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall()
    rows = [(name, connection.execute(f"SELECT * FROM {name}").fetchall()) for (name,) in tables]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


class Morning:
    """One life of the terminal on the ledger at `path`. `hears` is told of all that the terminal does."""

    def __init__(self, path: Path, seed: int, hears: Callable[[Event | Effect], None] = lambda _: None) -> None:
        self.world = World(seed)
        self.world.start_boot()
        self._path = path
        self._hears = hears
        wiring, world = _wiring(), self.world
        config = replace(
            wiring.config,
            ledger=replace(wiring.config.ledger, path=path),
            readers={name: _chosen(partial(SimReader, reader)) for name, reader in world.readers.items()},
            printer=_chosen(partial(SimPrinter, world.printer)),
            lights=_chosen(partial(SimLights, world)),
            sounder=_chosen(SimSounder),
        )
        self.wiring = SimWiring(config)
        self.wiring.house_of, self.wiring.texts = wiring.house_of, wiring.texts
        self.terminal: Terminal | None = None

    def plan(self, people: int = PEOPLE, gap_ms: int = 2_500, *, stop: bool = True) -> None:
        """Let everybody come, one soon after the other, get their badges, and go; then the terminal is stopped, if it is."""
        world = self.world
        for number in range(1, people + 1):
            reader = world.readers["door" if number % 2 else "back"]
            world.after(1_000 + number * gap_ms, partial(reader.hold, number))
            world.after(1_000 + number * gap_ms + CHECKOUT_MS, partial(reader.hold, number))
        if stop:
            world.after(1_000 + (people + 2) * gap_ms + CHECKOUT_MS, self.stop)

    def stop(self) -> None:
        """Stop the terminal, as systemd does."""
        if self.terminal is not None:
            self.terminal.stop()

    def run(self, ledger: Ledger, key: VenueKey) -> int:
        """Let the terminal run until it is stopped, and return its exit code."""
        world = self.world
        self.terminal = Terminal(
            self.wiring,
            ledger,
            key,
            SimClock(world),
            Notifier({}),
            self._hears,
            lane=partial(SimLane, world),
            inbox=SimInbox(world),
        )
        return self.terminal.run()


def _chosen(make: Any) -> Chosen:
    return Chosen("simulated", lambda _: make(), None)  # type: ignore[arg-type]  # what is called to make a device


def enrol(ledger: Ledger, path: Path, people: int = PEOPLE) -> VenueKey:
    """Give the ledger its members, and these their cards; return the key."""
    key = VenueKey(key_path(path)).open(ledger)
    ledger.put_members(person(number) for number in range(1, people + 1))
    for number in range(1, people + 1):
        ledger.bind_card(key.pseudonym(card_uid(number)), person(number).id)
    return key


def two_mornings(path: Path, kind: type[Ledger], seed: int) -> None:
    """Open a new ledger and let people come twice, with a stop between: all kinds of commits, tidying up, closing, opening."""
    ledger = kind.open(path)
    key = enrol(ledger, path)
    for turn in range(2):
        morning = Morning(path, seed + turn)
        morning.plan()
        morning.run(ledger, key)
        close_all(path)
        kind.open(path).close()  # with no reader left, so the journal goes
        ledger = kind.open(path)
    ledger.close()


def close_all(path: Path) -> None:
    """Close what is still open there, as the end of the process does."""
    for connection in apsw.connections():
        if connection.filename == str(path):
            with suppress(apsw.Error):
                connection.close(True)


def judge(path: Path, digests: list[str], acknowledged: int) -> str:
    """Return what a power cut did to the ledger: "kept", "lost" (of what was acknowledged) or "corrupt"."""
    try:
        ledger = Ledger.open(path)
        try:
            if ledger._connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                return "corrupt"
            found = digest(ledger._connection)
            VenueKey(key_path(path)).open(ledger)
        finally:
            ledger.close()
    except (FikatapError, apsw.Error):
        return "corrupt"
    finally:
        close_all(path)
    if not acknowledged or found in digests[acknowledged - 1 :]:
        return "kept"
    return "lost" if found in digests else "corrupt"


def tally(verdicts: list[str]) -> dict[str, int]:
    """Return how many there were of each verdict."""
    counted = Counter(verdicts)
    return {each: counted[each] for each in ("kept", "lost", "corrupt")}
