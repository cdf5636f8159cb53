"""Looks at everything that the terminal needs: what is configured, what answers, and what to do about what does not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

from msgspec import Struct

from drivers.errors import ConfigError, DeviceError, FikatapError
from drivers.ports import PrinterStatus
from firmware_py.config import Chosen, Config
from firmware_py.terminal.control import ControlClient, NotRunning
from firmware_py.texts import load_texts
from kiosk.values import Language

LEAST_FREE_MB = 100
IN_THE_WAY = ("pn533_usb", "pn533", "nfc")
"""Kernel modules that take an ACR122U away from pcscd."""


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
        self._texts = load_texts()
        self._language: Language = config.cafe.language

    def look(self) -> Iterator[Finding]:
        """Look at one thing after the other."""
        yield self._finding("config", self._say("works"))
        try:
            with ControlClient(self._config.control.socket, timeout=5.0) as client:
                status = client.call("status")
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
        yield self._disk()
        yield self._clock()
        yield self._kernel()
        fonts = Path(__file__).parent.parent / "drivers" / "printers" / "fonts"
        yield self._finding("fonts", self._say("fonts_count", count=len(list(fonts.glob("*.[ot]tf")))))

    def _say(self, key: str, **parts: str | int) -> str:
        return self._texts.say(self._language, f"doctor.{key}", **parts)

    def _finding(self, key: str, words: str, state: State = State.OK, name: str = "") -> Finding:
        remedy = "" if state is State.OK else self._say(f"{key}_remedy")
        return Finding(f"{self._say(key)} {name}".strip(), state, words, remedy)

    def _ledger(self) -> Finding:
        from firmware_py.ledger import Ledger

        path = self._config.ledger.path
        if not path.exists():
            parent = next(folder for folder in path.parents if folder.exists())
            able = os.access(parent, os.W_OK)
            return self._finding("ledger", str(path), State.OK if able else State.FAULT)
        try:
            Ledger.open(path, self._config.ledger.terminal).close()
        except FikatapError as error:
            return self._finding("ledger", str(error), State.FAULT)
        return self._finding("ledger", str(path))

    def _devices(self) -> Iterator[Finding]:
        for name, chosen in self._config.readers.items():
            yield self._device("reader", chosen, name)
        for port in ("printer", "lights", "sounder"):
            other: Chosen | None = getattr(self._config, port)
            if other is not None:
                yield self._device(port, other)

    def _device(self, port: str, chosen: Chosen, name: str = "") -> Finding:
        device: Any = chosen.make()
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
            return Finding(self._say("modules"), State.FAULT, self._say("modules_remedy", modules=", ".join(taking)))
        return self._finding("modules", self._say("modules_none"))
