"""Looks at everything that the terminal needs: what is configured, what answers, and what to do about what does not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from msgspec import Struct

from drivers.errors import ConfigError, DeviceError, FikatapError
from drivers.ports import PrinterStatus
from firmware_py.config import Chosen, Config
from firmware_py.findings import FindingsError, FindingsFile
from firmware_py.terminal.control import ControlClient, NotRunning
from firmware_py.texts import load_texts
from firmware_py.wiring import Wiring
from kiosk.values import Language

LEAST_FREE_MB = 100
IN_THE_WAY = ("pn533_usb", "pn533", "nfc")
"""Kernel modules that take an ACR122U away from pcscd."""


EVERY_MEMBER = 1_000_000
SHOWN_LETTERS = 20


class State(StrEnum):
    """How a thing stands."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


class Finding(Struct, frozen=True):
    """One thing looked at: what, how it stands, in which words, and what to do when it does not do."""

    what: str
    state: State
    words: str
    remedy: str = ""


class Doctor:
    """Looks at one configuration; `modules` is the kernel's list of loaded modules, `synchronised` tells of a right clock."""

    def __init__(self, config: Config, *, modules: Path = Path("/proc/modules"), synchronised: Path) -> None:
        self._config = config
        self._modules = modules
        self._synchronised = synchronised
        self._names: list[str] = []
        self._texts = load_texts()
        self._language: Language = config.cafe.language

    def look(self) -> Iterator[Finding]:
        """Look at one thing after the other."""
        yield self._finding("config", self._say("works"))
        if self._config.badge.template is not None:
            yield self._template(self._config.badge.template)
        try:
            with ControlClient(self._config.control.socket, timeout=5.0) as client:
                status = client.call("status")
                self._names = list(_names(client))
        except NotRunning:
            yield Finding("fikatap", State.OK, self._say("not_running"))
            yield self._ledger()
            yield from self._devices()
        except FikatapError as error:
            yield Finding("fikatap", State.FAULT, str(error), self._say("matching_remedy"))
        else:
            yield Finding("fikatap", State.OK, f"{self._say('running')}: {status['line']}")
            yield from self._running(status)
        yield from self._simulated()
        yield from self._probed()
        yield self._disk()
        yield self._second()
        yield self._clock()
        yield self._kernel()
        yield self._fonts()

    def _say(self, key: str, **parts: str | int) -> str:
        return self._texts.say(self._language, f"doctor.{key}", **parts)

    def _count(self, key: str, number: int, **parts: str) -> str:
        return self._texts.count(self._language, f"doctor.{key}", number, **parts)

    def _finding(self, key: str, words: str, state: State = State.OK, name: str = "") -> Finding:
        remedy = "" if state is State.OK else self._say(f"{key}_remedy")
        return Finding(f"{self._say(key)} {name}".strip(), state, words, remedy)

    def _template(self, path: Path) -> Finding:
        try:
            Wiring(self._config).check()
        except ConfigError as error:
            return self._finding("template", str(error), State.FAULT)
        return self._finding("template", f"{path}, {self._say('works')}")

    def _ledger(self) -> Finding:
        from firmware_py.ledger import Ledger

        path = self._config.ledger.path
        if not path.exists():
            parent = next(folder for folder in path.parents if folder.exists())
            able = os.access(parent, os.W_OK)
            return self._finding("ledger", str(path), State.OK if able else State.FAULT)
        try:
            ledger = Ledger.open(path, self._config.ledger.terminal)
            self._names = [record.member.called for record in ledger.members(limit=EVERY_MEMBER)]
            ledger.close()
        except FikatapError as error:
            return self._finding("ledger", str(error), State.FAULT)
        return self._finding("ledger", str(path))

    def _devices(self) -> Iterator[Finding]:
        for name, chosen in self._config.readers.items():
            yield self._device("reader", chosen.make, name)
        for port in ("printer", "lights", "sounder"):
            other: Chosen | None = getattr(self._config, port)
            if other is not None:
                make = Wiring(self._config).make_printer if port == "printer" else other.make
                yield self._device(port, make)

    def _device(self, port: str, make: Callable[[], Any], name: str = "") -> Finding:
        device = make()
        try:
            device.open()
            words = device.describe()
            status = device.status() if port == "printer" else PrinterStatus()
        except (DeviceError, ConfigError) as error:
            return self._finding(port, str(error), State.FAULT, name)
        finally:
            device.close()
        if status.cause is not None:
            return self._finding(port, f"{words}: {self._cause(status.cause.value)}", State.FAULT, name)
        return self._finding(port, words, name=name)

    def _simulated(self) -> Iterator[Finding]:
        """Tell of devices that are none: right for a demonstration, wrong by a door."""
        chosen = {f"reader {name}": each for name, each in self._config.readers.items()}
        chosen |= {port: getattr(self._config, port) for port in ("printer", "lights", "sounder")}
        for name, each in chosen.items():
            if each is not None and each.driver == "fake":
                yield Finding(f"[{name.replace(' ', '.')}]", State.WARNING, self._say("simulated"))

    def _probed(self) -> Iterator[Finding]:
        """Tell since when it is known what the printer really does."""
        file = FindingsFile(self._config)
        if not file.connection:
            return
        try:
            findings = file.read()
        except FindingsError as error:
            yield self._finding("probe", str(error), State.WARNING)
            return
        if findings is None or findings.heard is None or findings.seen is None:
            # What was heard alone says nothing of letters and codes: only eyes do.
            yield self._finding("probe", self._say("not_probed"), State.WARNING)
        elif self._config.printer is not None and not findings.fits(now := self._config.printer.settings.profile):
            yield self._finding("probe", self._say("probed_other", before=findings.profile, now=now), State.WARNING)
        else:
            yield self._finding("probe", self._say("probed", when=findings.when or "?"))

    def _running(self, status: dict[str, Any]) -> Iterator[Finding]:
        """Take the running terminal's word for its devices: nobody else may touch them now."""
        for device in status["devices"]:
            port, _, name = device["name"].partition(" ")
            up = device["health"] == "up"
            cause = status["printer"]["cause"] if port == "printer" and up else None
            words = self._cause(cause) if cause else device["trouble"] or device["what"]
            yield self._finding(port, words, State.OK if up and not cause else State.FAULT, name)
        words = str(self._config.ledger.path)
        yield self._finding("ledger", words, State.OK if status["stores"] else State.FAULT)

    def _cause(self, cause: str) -> str:
        return self._texts.say(self._language, f"cause.{cause}")

    def _disk(self) -> Finding:
        path = self._config.ledger.path
        folder = next(each for each in path.parents if each.exists())
        disk = os.statvfs(folder)
        free_mb = disk.f_bavail * disk.f_frsize // 1_000_000
        state = State.OK if free_mb >= LEAST_FREE_MB else State.FAULT
        return self._finding("disk", self._say("disk_free", mb=free_mb), state)

    def _second(self) -> Finding:
        """Tell how old the last copy of the ledger is, and whether it would outlive the ledger's disk."""
        from firmware_py.backup import copies

        folder = self._config.ledger.second
        if folder is None:
            return Finding(self._say("second"), State.WARNING, self._say("second_none"))
        try:
            same = folder.stat().st_dev == self._config.ledger.path.parent.stat().st_dev
            found = copies(folder)
            made = datetime.fromtimestamp(found[-1].stat().st_mtime, self._config.timezone) if found else None
        except OSError as error:
            return self._finding("second", f"{error.filename}: {error.strerror}", State.FAULT)
        if same:
            return Finding(self._say("second"), State.WARNING, self._say("second_same", folder=str(folder)))
        if made is None:
            return self._finding("second", self._say("second_never", folder=str(folder)), State.WARNING)
        return self._finding("second", self._say("second_copy", folder=str(folder), when=f"{made:%Y-%m-%d %H:%M}"))

    def _clock(self) -> Finding:
        if self._config.cafe.trust_clock or self._synchronised.exists():
            return self._finding("clock", self._say("clock_right"))
        return Finding(self._say("clock"), State.WARNING, self._say("clock_remedy"))

    def _kernel(self) -> Finding:
        try:
            loaded = {line.split(" ", 1)[0] for line in self._modules.read_text(encoding="ascii").splitlines()}
        except OSError:
            loaded = set()
        taking = [module for module in IN_THE_WAY if module in loaded]
        if taking and any(chosen.driver == "pcsc" for chosen in self._config.readers.values()):
            remedy = self._count("modules_remedy", len(taking), modules=", ".join(taking))
            return Finding(self._say("modules"), State.FAULT, remedy)
        return self._finding("modules", self._say("modules_none"))

    def _fonts(self) -> Finding:
        """Tell which fonts can't be opened, else how many names have letters that no font here has."""
        from drivers.printers.shape import clean, missing
        from drivers.printers.typefaces import FOLDER, faults, package_for, script_of

        if damaged := faults():
            return self._finding("fonts", "; ".join(map(str, damaged)), State.FAULT)
        lost = list(filter(None, (missing(clean(name, len(name) + 1)) for name in self._names)))
        if not lost:
            return self._finding("fonts", self._count("fonts_count", len(list(FOLDER.glob("*.[ot]tf")))))
        letters = sorted(set[str]().union(*lost))
        packages = sorted({package for letter in letters if (package := package_for(script_of(letter)))})
        shown = " ".join(letters[:SHOWN_LETTERS]) + " …" * (len(letters) > SHOWN_LETTERS)
        words = self._count("fonts_lost", len(lost), letters=shown)
        remedy = self._say("fonts_install", packages=" ".join(packages)) if packages else self._say("fonts_none")
        return Finding(self._say("fonts"), State.WARNING, words, remedy)


def _names(client: ControlClient) -> Iterator[str]:
    """Yield the names of all members that the running terminal knows."""
    after = ""
    while page := client.call("members.list", after=after):
        yield from (member["name"] for member in page)
        after = page[-1]["id"]
