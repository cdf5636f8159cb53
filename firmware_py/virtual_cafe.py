"""The sample café to play with: power cuts, a full disk, a clock that jumps, and the next morning whenever somebody wants it.

The terminal is the very one that runs on the Pi. What is made up is where it touches the world: devices (the fakes' hands), the
disk under SQLite (a VFS, as SQLite calls it), the clock that it is handed, and the file by which systemd says that the time is
known. A power cut throws the terminal away where it next asks for the time: nothing is closed in order, what it still writes
goes nowhere, and the next start, of another boot, finds the files as they were.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import apsw

from drivers.ports import Kind, PresentedCard
from firmware_py.clock import Clock, said_now, wall_time
from firmware_py.config import Config, parse
from firmware_py.demo import CONFIG, NAME, PATIENCE_S, Cafe, card_of
from firmware_py.keys import VenueKey, key_path
from firmware_py.ledger import Ledger
from firmware_py.recovery import in_words, open_ledger
from firmware_py.terminal.loop import Fed
from firmware_py.terminal.notify import Notifier
from firmware_py.terminal.shut import ShutDoor, open_sometime
from kiosk.effects import Effect
from kiosk.events import Event, TimePassed
from kiosk.values import Language, Now, ZoneId

SERVICE = '\n[matching]\ndriver = "fake"\nname = "demo"\n'
SLOW_S = 3.0
"""How long a slow service takes to answer: longer than the door waits."""
MID_BADGE_ROWS = 240
"""So much is printed when the paper ends in the middle of a badge: 3 cm."""
OPENS_HOUR, CLOSES_HOUR = 8, 4
REAL = "unix"


class PowerCut(BaseException):
    """The power went while the terminal ran."""


class Disk(apsw.VFS):
    """The disk under every database that is opened while the café is there: it can be full, and without power."""

    def __init__(self) -> None:
        self._name = f"fikatap-{uuid4().hex}"
        super().__init__(self._name, REAL)
        self._before = str(apsw.vfs_details()[0]["zName"])
        self.full = False
        self.boot = 0
        """Files that were opened in an earlier boot take no more."""
        apsw.set_default_vfs(self._name)

    def take_away(self) -> None:
        """Let databases that are opened from now on be on the real disk."""
        apsw.set_default_vfs(self._before)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> _File:  # noqa: N802 - apsw's name
        """Open a file."""
        return _File(self, name, flags)

    def excepthook(self, *_: object) -> bool:
        """Say nothing of an error: SQLite tells the ledger, which tells the door."""
        return True


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__(REAL, name, flags)
        self._disk, self._boot = disk, disk.boot

    def xWrite(self, data: Any, offset: int) -> None:  # noqa: N802 - apsw's name
        self._check_power()
        if self._disk.full:
            raise apsw.FullError
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 - ditto
        self._check_power()
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802 - ditto
        self._check_power()
        super().xSync(flags)

    def _check_power(self) -> None:
        if self._boot != self._disk.boot:
            raise apsw.IOError

    def excepthook(self, *_: object) -> bool:  # as above
        return True


class BootClock(Clock):
    """The clock of one boot: it starts at zero, its wall clock is wrong by `offset`, and it ends with the power."""

    def __init__(self, timezone: ZoneInfo, synchronised: Path, offset: Callable[[], timedelta]) -> None:
        super().__init__(timezone, synchronised, boot=str(uuid4()))
        self._zone = timezone
        self._offset = offset
        self._began_ms = super().now().boot_ms
        self.has_power = True

    def now(self) -> Now:
        """Return this moment; raise `PowerCut` when there is no power."""
        if not self.has_power:
            raise PowerCut
        return self.as_it_goes()

    def as_it_goes(self) -> Now:
        """Return this moment, power or not."""
        now = super().now()
        wall = None if now.wall is None else wall_time(said_now() + self._offset(), self._zone)
        return Now(now.boot_id, now.boot_ms - self._began_ms, wall)


class VirtualCafe(Cafe):
    """The café; what can be done to it is in `deeds`, and `troubles` are what is wrong with it now."""

    def __init__(self, *, language: Language = Language.SV, profile: str = "generic-80") -> None:
        self.hands = f"demo {uuid4().hex}"
        self.offset = timedelta()
        self.troubles: set[str] = set()
        self.boots = 1
        self._happened = 0
        self._hold = threading.RLock()
        self._disk = Disk()
        try:
            super().__init__(language=language, profile=profile)
        except BaseException:
            self._disk.take_away()
            raise

    def _config(self, folder: Path, language: Language, profile: str) -> Config:
        self.folder = folder
        self._synchronised = folder / "synchronized"
        self._synchronised.touch()
        text = CONFIG.format(folder=folder, language=language.value, profile=profile) + SERVICE
        text = text.replace(f'name = "{NAME}"', f'name = "{self.hands}"')
        return parse(text.replace("[printer]\n", "[printer]\ntakes_time = true\n"))

    def _wire(self, ledger: Ledger, key: VenueKey, clock: Clock) -> None:  # noqa: ARG002 - this café has its own clock
        if self.boots == 1:
            self._clock = self._new_clock()
            cards = {member.id: key.pseudonym(card_of(number).uid) for number, member in enumerate(self.members, 1)}
            self.service.admit(*self.members, key=ledger.key_id, cards=cards)
        super()._wire(ledger, key, self._clock)
        self.ear.on = self._count
        self._is_open = True

    def _count(self, _: Event | Effect) -> None:
        self._happened += 1

    def _new_clock(self) -> BootClock:
        return BootClock(self.config.timezone, self._synchronised, lambda: self.offset)

    def _work(self) -> None:
        with suppress(PowerCut):
            super()._work()

    def _start_anew(self) -> None:
        """Do what `fikatap run` does: open the ledger, now or as soon as that works, and run the terminal."""
        wiring, config = self.wiring, self.config
        words = partial(in_words, texts=wiring.texts, language=wiring.language, timezone=config.timezone)

        def attempt() -> tuple[Ledger, VenueKey]:
            ledger = open_ledger(config.ledger.path, config.ledger.terminal, config.ledger.second, words)
            try:
                return ledger, VenueKey(key_path(config.ledger.path)).open(ledger)
            except BaseException:
                ledger.close()  # or it could not be opened again
                raise

        with suppress(PowerCut):
            opened = open_sometime(attempt, partial(ShutDoor, wiring, self._clock, Notifier({})), lambda _: None)
            assert opened is not None  # noqa: S101 - nobody stops it: there is power, or there is none
            ledger, key = opened
            try:
                self._wire(ledger, key, self._clock)
            except PowerCut:
                ledger.close()
                raise
            self._control.open()
            self._work()

    def __enter__(self) -> VirtualCafe:
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.service.gone()  # nobody waits for its news any more
        self.power_cut()
        super().__exit__(*error)
        self._disk.take_away()

    # What is seen of it

    @property
    def first_boot(self) -> str:
        """Names this café: an id of its own, as each boot has."""
        return self.hands

    @property
    def has_power(self) -> bool:
        """Whether the lights are on."""
        return self._clock.has_power

    @property
    def boot_s(self) -> float:
        """How long ago the power came last, in seconds."""
        return self._clock.as_it_goes().boot_ms / 1000

    def local_time(self) -> datetime | None:
        """Return what the terminal takes for the local time; None while it has none that it trusts."""
        wall = self._clock.as_it_goes().wall if self.has_power else None
        return None if wall is None else datetime.fromtimestamp(wall.utc_ms / 1000, self.config.timezone)

    @property
    def happened(self) -> int:
        """Counts what happened in the terminal."""
        return self._happened

    def tables(self) -> dict[ZoneId, list[str]]:
        """Return who was sent to which zone, as their badge names them."""
        visits = self.terminal.state.visits.values() if self._is_open else ()
        found: dict[ZoneId, list[str]] = {zone.id: [] for zone in self.config.zones}
        for visit in visits:
            if visit.zone in found:
                found[visit.zone].append(visit.member.called)
        return found

    def is_here(self, number: int) -> bool:
        """Tell whether the member with this number is checked in."""
        return self._is_open and self.terminal.state.visit_of(self.members[number - 1].id) is not None

    # What people do to it

    @property
    def deeds(self) -> dict[str, Callable[[], None]]:
        """What can be done, by name. Of a pair, such as `unplug` and `plug`, the first brings a trouble of its own name."""
        return {
            "unknown": lambda: self.reader.tap(PresentedCard(uid=bytes.fromhex("04ffffffffffff"))),
            "phone": lambda: self.reader.tap(PresentedCard(uid=bytes.fromhex("08a1b2c3"), kind=Kind.PHONE)),
            "tear": self.reader.tear,
            "swap": self.swap,
            "unplug": partial(self._trouble, "unplug", self.reader.unplug),
            "plug": partial(self._end, "unplug", self.reader.plug),
            "paper_out": partial(self._trouble, "paper_out", self.printer.paper_out),
            "paper_in": partial(self._end, "paper_out", self.printer.paper_in),
            "paper_out_soon": partial(self._trouble, "paper_out", partial(self.printer.paper_out_after, MID_BADGE_ROWS)),
            "cover_open": partial(self._trouble, "cover_open", self.printer.cover_open),
            "cover_close": partial(self._end, "cover_open", self.printer.cover_close),
            "mute": partial(self._trouble, "mute", self.printer.mute),
            "unmute": partial(self._end, "mute", self.printer.unmute),
            "slow": partial(self._trouble, "slow", partial(self.service.slow, SLOW_S)),
            "fast": partial(self._end, "slow", self.service.well),
            "fill": partial(self._trouble, "fill", partial(self._fill, True)),
            "empty": partial(self._end, "fill", partial(self._fill, False)),
            "power_cut": self.power_cut,
            "power_on": self.power_on,
            "hour": self.jump,
            "morning": self.next_morning,
            "sync": self.synchronise,
        }

    def tap_soon(self, number: int) -> None:
        """Let the member with this number hold their card there; raise LookupError when there is none."""
        if not 1 <= number <= len(self.members):
            raise LookupError(number)
        self.reader.tap(card_of(number))

    def swap(self) -> None:
        """Let somebody hold a card there and, before it beeps, another one in its place."""
        first, second, *_ = [number for number in range(1, len(self.members) + 1) if not self.is_here(number)] or [1, 2]
        self.reader.touch(card_of(first))
        self.reader.touch(card_of(second))
        self.reader.lift()

    def power_cut(self) -> None:
        """Pull the plug of the whole café."""
        with self._hold:
            if not self.has_power:
                return
            self.troubles.add("power_cut")
            self._disk.boot += 1
            self._clock.has_power = self._is_open = False
            self.reader.unplug()
            self.lights.unplug()
            self.sounder.unplug()
            self.printer.power_cut()
            self.terminal.post(Fed(TimePassed()))  # or it would sleep through its own end
            self._thread.join(PATIENCE_S)
            self._control.close()
            self._synchronised.unlink(missing_ok=True)

    def power_on(self) -> None:
        """Put the plug in: another boot, in which nobody knows yet what time it is."""
        with self._hold:
            if self.has_power:
                return
            self.boots += 1
            self._clock = self._new_clock()
            if "unplug" not in self.troubles:
                self.reader.plug()
            self.lights.plug()
            self.sounder.plug()
            self.printer.power_on()
            self._thread = threading.Thread(target=self._start_anew, name="terminal")
            self._thread.start()
            self.troubles.discard("power_cut")

    def jump(self) -> None:
        """Let the wall clock go an hour ahead, all at once."""
        self.offset += timedelta(hours=1)

    def next_morning(self) -> None:
        """Pull the plug as at the end of an evening, and put it in the next morning."""
        with self._hold:
            self.power_cut()
            now = said_now().astimezone(self.config.timezone) + self.offset
            day = now.date() + timedelta(days=now.hour >= CLOSES_HOUR)
            morning = datetime(day.year, day.month, day.day, OPENS_HOUR, tzinfo=self.config.timezone)
            self.offset += morning - now
            self.power_on()

    def synchronise(self) -> None:
        """Let the network tell the time."""
        self._synchronised.touch()

    def _trouble(self, name: str, do: Callable[[], None]) -> None:
        self.troubles.add(name)
        do()

    def _end(self, name: str, do: Callable[[], None]) -> None:
        self.troubles.discard(name)
        do()

    def _fill(self, full: bool) -> None:
        self._disk.full = full
