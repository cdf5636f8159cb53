"""Looks at everything that the terminal needs: what is configured, what answers, and what to do about what does not."""

from __future__ import annotations

import os
import pwd
import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from msgspec import Struct

from drivers.errors import ConfigError, DeviceError, DeviceRefused, FikatapError
from drivers.ports import Lights, Printer, PrinterStatus, Sounder
from firmware_py.config import Chosen, Config
from firmware_py.findings import FindingsError, FindingsFile
from firmware_py.machine import USER, Machine
from firmware_py.terminal.control import ControlClient, NotRunning
from firmware_py.texts import load_texts
from firmware_py.wiring import Wiring
from kiosk.signals import Signal
from kiosk.texts import Texts
from kiosk.values import Language

LEAST_FREE_MB = 100
IN_THE_WAY = {"pcsc": ("pn533_usb", "pn533", "nfc"), "pn532": ("pn532_uart", "pn533_i2c", "pn533")}
"""Kernel modules that take a reader away, by its driver."""
TRIAL_S = 30.0
"""How long the printer may take to say that the test badge is out."""
LOOK_S = 1.5
"""How long each light is on by itself."""

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


def configuration(texts: Texts, language: Language, error: ConfigError | None = None) -> Finding:
    """Tell of the configuration: that it works, or the one thing that is wrong with it."""
    what = texts.say(language, "doctor.config")
    if error is None:
        return Finding(what, State.OK, texts.say(language, "doctor.works"))
    return Finding(what, State.FAULT, str(error), texts.say(language, "doctor.config_remedy"))


class Doctor:
    """Looks at one configuration on one machine."""

    def __init__(self, config: Config, machine: Machine) -> None:
        self._config = config
        self._machine = machine
        self._names: list[str] = []
        self._texts = load_texts()
        self._language: Language = config.cafe.language

    def look(self) -> Iterator[Finding]:
        """Look at one thing after the other."""
        yield configuration(self._texts, self._language)
        if self._config.badge.template is not None:
            yield self._template(self._config.badge.template)
        try:
            with ControlClient(self._config.control.socket, timeout=5.0) as client:
                status = client.call("status")
                self._names = [] if status.get("shut") else list(_names(client))
        except NotRunning:
            yield Finding("fikatap", State.OK, self._say("not_running"))
            yield self._ledger()
            yield from self._devices()
        except FikatapError as error:
            yield self._unasked(error)
        else:
            yield Finding("fikatap", State.OK, f"{self._say('running')}: {status['line']}")
            yield from self._running(status)
        yield from self._simulated()
        yield from self._probed()
        yield self._disk()
        yield from self._card()
        yield self._second()
        yield self._clock()
        yield from self._power()
        yield self._kernel()
        yield from self._rights()
        yield from self._pcscd()
        yield from self._network()
        yield self._speech()
        yield self._release()
        yield self._fonts()

    def try_out(self, pause: Callable[[float], object] = time.sleep) -> Iterator[Finding]:
        """Print a test badge, light each zone and the reader, and make a sound; only while the terminal does not run."""
        try:
            ControlClient(self._config.control.socket, timeout=5.0).close()
        except NotRunning:
            pass
        except FikatapError as error:
            yield self._unasked(error)
            return
        else:
            yield Finding("fikatap", State.FAULT, self._say("try_running"), self._say("try_running_remedy"))
            return
        if self._config.printer is not None:
            yield self._tried("printer", Wiring(self._config).make_printer, self._print_badge)
        if self._config.lights is not None:
            yield self._tried("lights", self._config.lights.make, lambda lights: self._light_all(lights, pause))
        if self._config.sounder is not None:
            yield self._tried("sounder", self._config.sounder.make, self._sound)

    def _tried(self, port: str, make: Callable[[], Any], attempt: Callable[[Any], str]) -> Finding:
        device = make()
        try:
            device.open()
            return self._finding(port, attempt(device))
        except (DeviceError, ConfigError) as error:
            return self._finding(port, str(error), State.FAULT)
        finally:
            device.close()

    def _print_badge(self, printer: Printer) -> str:
        from drivers.printers.page import print_bytes
        from firmware_py.samples import sample
        from kiosk.badge import blocks

        wiring = Wiring(self._config)
        known = wiring.printer_profile(printer.profile)
        status = printer.status()
        if status.cause is not None:
            raise DeviceRefused(self._cause(status.cause.value), cause=status.cause)
        page = print_bytes(blocks(sample("nordic"), wiring.texts, wiring.template.template), known, wiring.logo(known))
        printer.send(page, 1)
        return self._say("tried_printer" if printer.wait_printed(1, TRIAL_S) else "tried_printer_unsure")

    def _light_all(self, lights: Lights, pause: Callable[[float], object]) -> str:
        lights.signal(Signal.WELCOME)
        pause(LOOK_S)
        lit = []
        for zone in self._config.zones:
            try:
                lights.zone(zone.id, LOOK_S)
            except DeviceRefused:
                continue  # a zone need not have a light
            lit.append(zone.name)
            pause(LOOK_S)
        return self._say("tried_lights", zones=", ".join(lit) or "–")

    def _sound(self, sounder: Sounder) -> str:
        sounder.play(Signal.WELCOME)
        return self._say("tried_sounder")

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
        if (user := self._whose()) is not None:
            return self._for_others(self._say("ledger"), user)
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

    def _whose(self) -> str | None:
        """Return who alone may look at the ledger, when that is not this user; root's files would lock the terminal out."""
        folder = self._config.ledger.path.parent
        try:
            owner, me = folder.stat().st_uid, os.geteuid()
        except OSError:
            return None
        if me == owner or (me != 0 and os.access(folder, os.R_OK | os.W_OK | os.X_OK)):
            return None
        try:
            return pwd.getpwuid(owner).pw_name
        except KeyError:
            return f"#{owner}"

    def _unasked(self, error: FikatapError) -> Finding:
        """Tell why the running terminal could not be asked."""
        if isinstance(error.__cause__, PermissionError):
            return Finding("fikatap", State.WARNING, self._say("not_asked"), self._say("other_user_remedy", user=USER))
        return Finding("fikatap", State.FAULT, str(error), self._say("matching_remedy"))

    def _for_others(self, what: str, user: str, known: str = "") -> Finding:
        """Tell that another user is to look, after what is known without; nothing is at fault."""
        words = known + self._say("other_user", user=user)
        return Finding(what, State.WARNING, words, self._say("other_user_remedy", user=user))

    def _devices(self) -> Iterator[Finding]:
        for name, chosen in self._config.readers.items():
            yield self._device("reader", chosen.make, name)
        for port in ("printer", "lights", "sounder", "buttons"):
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
        chosen |= {port: getattr(self._config, port) for port in ("printer", "lights", "sounder", "buttons")}
        for name, each in chosen.items():
            if each is not None and each.driver == "fake":
                what = f"[{name.replace(' ', '.')}]"
                yield Finding(what, State.WARNING, self._say("simulated"), self._say("simulated_remedy"))

    def _probed(self) -> Iterator[Finding]:
        """Tell since when it is known what the printer really does."""
        file = FindingsFile(self._config)
        if not file.connection:
            return
        try:
            findings = file.read()
        except FindingsError as error:
            if isinstance(error.__cause__, PermissionError):
                yield self._for_others(self._say("probe"), self._whose() or USER)
            else:
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
        stores = State.OK if status["stores"] else State.FAULT
        yield self._ledger() if status.get("shut") else self._finding("ledger", words, stores)

    def _cause(self, cause: str) -> str:
        return self._texts.say(self._language, f"cause.{cause}")

    def _disk(self) -> Finding:
        path = self._config.ledger.path
        folder = next(each for each in path.parents if each.exists())
        disk = os.statvfs(folder)
        free_mb = disk.f_bavail * disk.f_frsize // 1_000_000
        mount = self._machine.mount(folder.resolve())
        if mount is not None and mount.read_only:
            remedy = self._say("disk_read_only_remedy")
            return Finding(self._say("disk"), State.FAULT, self._say("disk_read_only", folder=str(folder)), remedy)
        state = State.OK if free_mb >= LEAST_FREE_MB else State.FAULT
        return self._finding("disk", self._say("disk_free", mb=free_mb), state)

    def _card(self) -> Iterator[Finding]:
        """Tell how far the disk's word can be trusted that something is written."""
        mount = self._machine.mount(self._config.ledger.path.parent.resolve())
        if mount is None:
            return
        if mount.unsafe:
            yield self._finding("card", self._say("card_unsafe", device=mount.device), State.FAULT)
        elif self._machine.is_memory_card(mount):
            if self._config.ledger.second is None:
                remedy = self._say("card_alone_remedy")
                yield Finding(self._say("card"), State.WARNING, self._say("card_alone", device=mount.device), remedy)
            else:
                yield self._finding("card", self._say("card_covered", device=mount.device))

    def _second(self) -> Finding:
        """Tell how old the last copy of the ledger is, and whether it would outlive the ledger's disk."""
        from firmware_py.backup import copies

        folder = self._config.ledger.second
        if folder is None:
            return Finding(self._say("second"), State.WARNING, self._say("second_none"), self._say("second_none_remedy"))
        try:
            user = self._whose()
            if user is not None and folder.exists() and not os.access(folder, os.R_OK | os.X_OK):
                return self._for_others(self._say("second"), user)
            same = folder.stat().st_dev == self._config.ledger.path.parent.stat().st_dev
            found = copies(folder)
            made = datetime.fromtimestamp(found[-1].stat().st_mtime, self._config.timezone) if found else None
        except OSError as error:
            return self._finding("second", f"{error.filename}: {error.strerror}", State.FAULT)
        if same:
            remedy = self._say("second_same_remedy")
            return Finding(self._say("second"), State.WARNING, self._say("second_same", folder=str(folder)), remedy)
        if made is None:
            return self._finding("second", self._say("second_never", folder=str(folder)), State.WARNING)
        return self._finding("second", self._say("second_copy", folder=str(folder), when=f"{made:%Y-%m-%d %H:%M}"))

    def _clock(self) -> Finding:
        if self._config.cafe.trust_clock or self._machine.clock_is_right:
            return self._finding("clock", self._say("clock_right"))
        return self._finding("clock", self._say("clock_unsure"), State.WARNING)

    def _kernel(self) -> Finding:
        loaded = self._machine.modules()
        unwanted = [module for chosen in self._config.readers.values() for module in IN_THE_WAY.get(chosen.driver, ())]
        taking = [module for module in dict.fromkeys(unwanted) if module in loaded]
        if taking:
            words = self._count("modules_taking", len(taking), modules=", ".join(taking))
            return self._finding("modules", words, State.FAULT)
        return self._finding("modules", self._say("modules_none"))

    def _power(self) -> Iterator[Finding]:
        """Tell of a supply that is too weak: the usual hidden cause of trouble."""
        power = self._machine.power()
        if power is None:
            return
        if power.low:
            yield self._finding("power", self._say("power_low"), State.FAULT)
        elif power.was_low:
            yield self._finding("power", self._say("power_was_low"), State.WARNING)
        else:
            yield self._finding("power", self._say("power_good"))

    def _rights(self) -> Iterator[Finding]:
        """Tell whether the terminal's own user may use the devices."""
        if not self._machine.installed:
            return
        missing = self._machine.groups_missing()
        if missing is None:
            yield self._finding("rights", self._say("rights_no_user"), State.FAULT)
        elif missing:
            yield self._finding("rights", self._say("rights_groups", groups=", ".join(missing)), State.FAULT)
        else:
            for node in self._nodes():
                if whose := self._machine.shut_out_of(node):
                    yield self._finding("rights", self._say("rights_node", node=node, whose=whose), State.FAULT)
                    return
            yield self._finding("rights", self._say("rights_good"))

    def _nodes(self) -> Iterator[str]:
        """Yield the device nodes that the configuration names, and those of pins."""
        for chosen in self._config.readers.values():
            if chosen.driver == "pn532":
                yield chosen.settings.path
        if self._config.printer is not None and self._config.printer.driver == "escpos":
            path = getattr(self._config.printer.settings.address, "path", None)
            if path is not None:
                yield path
        config = self._config
        if any(each is not None and each.driver == "gpio" for each in (config.lights, config.sounder, config.buttons)):
            yield from self._machine.pins()

    def _pcscd(self) -> Iterator[Finding]:
        """Tell whether the reader's daemon can be reached, and lets the terminal in."""
        if all(chosen.driver != "pcsc" for chosen in self._config.readers.values()):
            return
        if not self._machine.pcscd_listens:
            yield self._finding("pcscd", self._say("pcscd_missing"), State.FAULT)
            return
        match self._machine.polkit_shuts_out():
            case True:
                remedy = self._say("polkit_remedy")
                yield Finding(self._say("pcscd"), State.FAULT, self._say("polkit_shuts_out"), remedy)
            case False:
                yield self._finding("pcscd", self._say("pcscd_good"))
            case None:
                yield self._finding("pcscd", self._say("polkit_unseen"))

    def _network(self) -> Iterator[Finding]:
        """Tell whether the network is there, where something is configured that needs it."""
        if self._config.service is None and not self._prints_over_network():
            return
        up = self._machine.networks_up()
        if self._machine.installed and not self._machine.network_is_open:
            remedy = self._say("network_shut_remedy")
            yield Finding(self._say("network"), State.FAULT, self._say("network_shut"), remedy)
        elif not up:
            yield self._finding("network", self._say("network_none"), State.FAULT)
        else:
            yield self._finding("network", self._say("network_up", names=", ".join(up)))

    def _prints_over_network(self) -> bool:
        chosen = self._config.printer
        return chosen is not None and chosen.driver == "escpos" and hasattr(chosen.settings.address, "host")

    def _speech(self) -> Finding:
        """Tell whether answers can be spoken; the sound device is the speech's own: here it is seen that its card is there."""
        speech = self._config.speech
        if speech is None:
            return self._finding("speech", self._say("speech_off"))
        if not self._machine.can_speak:
            return self._finding("speech", self._say("speech_missing"), State.FAULT)
        card = _sound_card(speech.device)
        if card is not None and card not in self._machine.sound_cards():
            remedy = self._say("speech_no_card_remedy")
            return Finding(self._say("speech"), State.FAULT, self._say("speech_no_card", card=card), remedy)
        if not self._machine.speaks:
            remedy = self._say("speech_down_remedy")
            return Finding(self._say("speech"), State.FAULT, self._say("speech_down"), remedy)
        return self._finding("speech", self._say("speech_on", device=speech.device, reader=speech.reader))

    def _release(self) -> Finding:
        found = self._machine.releases()
        if found is None:
            return self._finding("release", self._say("release_none"))
        if found.rejected:
            versions = ", ".join(found.rejected)
            words = self._say("release_rejected", versions=versions, current=found.current)
            return self._finding("release", words, State.WARNING)
        if found.healthy is None:
            return self._for_others(self._say("release"), self._whose() or USER, f"{found.current}: ")
        key = "release_healthy" if found.healthy else "release_trial"
        return self._finding("release", self._say(key, version=found.current, previous=found.previous or "–"))

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


def _sound_card(device: str) -> str | None:
    """Return the card's name or number in an ALSA name, such as `plughw:CARD=Headphones`; None where it says none."""
    found = re.match(r"(?:plug)?hw:(?:CARD=)?([\w-]+)|\w+:CARD=([\w-]+)", device)
    return found and (found[1] or found[2])


def _names(client: ControlClient) -> Iterator[str]:
    """Yield the names of all members that the running terminal knows."""
    after = ""
    while page := client.call("members.list", after=after):
        yield from (member["name"] for member in page)
        after = page[-1]["id"]
