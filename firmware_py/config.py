"""The terminal's configuration: one TOML file; whatever is wrong with it is one clear line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from difflib import get_close_matches
from enum import Enum
from math import isfinite
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from drivers.errors import ConfigError
from drivers.printers.profiles import profile
from drivers.registry import driver
from firmware_py.toml_lines import LONGEST_FILE, read_toml
from kiosk.values import Colour, Language, Symbol, Zone, ZoneId


class Table(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the configuration file; an unknown key is an error."""


class CafeTable(Table, frozen=True):
    """`[cafe]`: the venue."""

    name: str
    language: Language = Language.SV
    """What strangers and staff are spoken to in."""
    timezone: str = "Europe/Stockholm"
    closes: str = "04:00"
    """HH:MM in the venue's time zone, when visits end."""
    badge_url: str = ""
    """What the link in a badge's QR code holds before the visit's id; empty for no link (docs/qr.md)."""
    trust_clock: bool = False
    """Believe the wall clock without waiting for it to be synchronised (a machine with a clock battery)."""


class ZoneTable(Table, frozen=True):
    """`[[zone]]`: a part of the café."""

    id: str
    name: str
    symbol: Symbol
    colour: Colour
    capacity: int = 8
    quiet: bool = False
    direction: str = ""
    """How to get there from the door ("upstairs, left"): on the screen only."""


class DoorTable(Table, frozen=True):
    """`[door]`: durations in seconds."""

    checkout_after_s: float = 600
    double_tap_s: float = 3
    badge_fresh_s: float = 300
    max_stay_s: float = 43_200
    light_s: float = 20
    talk_s: float = 900
    """How long two who were introduced are taken to be in conversation, and each round of a group."""
    enrol_s: float = 60


class BadgeTable(Table, frozen=True):
    """`[badge]`: what badges look like and what they are printed on."""

    template: Path | None = None
    """The café's own order, words and logo (docs/template.md); a relative path counts from the configuration's folder."""
    media: Literal["roll", "label", "mark"] = "roll"
    length_mm: float = 0.0
    """From one label or black mark to the next; 0 on a roll."""
    turned: bool = False
    """Read along the paper."""


class MatchingTable(Table, frozen=True):
    """`[matching]`: how long an answer may take; with a `driver`, also how the shared service is reached."""

    deadline_ms: int = 800


class ScheduleTable(Table, frozen=True):
    """`[schedule]`: what is on in the café."""

    file: Path | None = None
    """An iCalendar file (docs/schedule.md); a relative path counts from the configuration's folder."""


class LedgerTable(Table, frozen=True):
    """`[ledger]`: the durable record; the venue's key lies beside it."""

    path: Path = Path("/var/lib/fikatap/ledger.db")
    terminal: str = "t1"
    """This box's name: part of every id."""
    second: Path | None = None
    """A folder on a second medium, for copies (docs/ledger.md); it must be there, and is never made."""
    keep_events_days: int = 400
    """How long events and ended visits are kept."""


class ControlTable(Table, frozen=True):
    """`[control]`: the socket that commands talk to."""

    socket: Path = Path("/run/fikatap/control.sock")


class DeskTable(Table, frozen=True):
    """`[desk]`: the pages; HOST:PORT, or [HOST]:PORT for IPv6. Where systemd hands sockets over, these are not opened."""

    screen: str = "127.0.0.1:8080"
    """Where the visitors' screen is: in the clear, so for this machine's own display."""
    listen: str = "0.0.0.0:8443"
    """Where the staff's desk is, with a certificate."""
    folder: Path = Path("/var/lib/fikatap-desk")
    """People's PINs, the audit trail and the certificate."""
    names: tuple[str, ...] = ()
    """More names under which the desk is found; the machine's own need not be here."""


class SpeechTable(Table, frozen=True):
    """`[speech]`: what the screen says is spoken too; without this table nothing is."""

    reader: str = ""
    """The reader by which the headphones hang; need not be said of an only one."""
    device: str = "plughw:CARD=Headphones"
    """The sound device, by its ALSA name: the headphone jack of a Raspberry Pi."""
    speed: int = 150
    """Words a minute."""


class Chosen(Struct, frozen=True):
    """A driver chosen by name, with its settings; `make()` gives a device that is not open yet."""

    driver: str
    cls: type[Any]
    settings: Any

    def make(self) -> Any:
        """Return a new device."""
        return self.cls(self.settings)

    def beside(self, folder: Path) -> Chosen:
        """Return this with the files that its settings name counted from that folder."""
        values = {key: getattr(self.settings, key) for key in self.settings.__struct_fields__}
        files = {key: folder / value for key, value in values.items() if isinstance(value, Path)}
        return replace(self, settings=replace(self.settings, **files))


class Config(Struct, frozen=True, kw_only=True):
    """The whole configuration, checked."""

    cafe: CafeTable
    zones: tuple[Zone, ...]
    directions: dict[ZoneId, str] = {}
    """How to get to a zone from the door, where the café says so."""
    door: DoorTable
    badge: BadgeTable
    matching: MatchingTable
    schedule: ScheduleTable
    ledger: LedgerTable
    control: ControlTable
    desk: DeskTable = DeskTable()
    speech: SpeechTable | None = None
    """How answers are spoken; None where they are not."""
    readers: dict[str, Chosen]
    printer: Chosen | None
    lights: Chosen | None
    sounder: Chosen | None
    buttons: Chosen | None = None
    """What visitors press to say what they want; the screen has the same."""
    service: Chosen | None = None
    """The shared matching service; None where matching is embedded."""
    file: Path | None = None
    """Where all this was read; None when it was not read from a file."""

    @property
    def timezone(self) -> ZoneInfo:
        """The venue's time zone."""
        return ZoneInfo(self.cafe.timezone)

    @property
    def closes_minute(self) -> int:
        """The minute of the day at which the café closes."""
        hours, _, minutes = self.cafe.closes.partition(":")
        return int(hours) * 60 + int(minutes)


T = TypeVar("T", bound=Struct)

LONGEST_S = 7 * 24 * 3600
LONGEST_MATCH_MS = 60_000
FEWEST_DAYS, MOST_DAYS = 190, 3_660
"""People count as introduced for six months, so that long events are needed."""
SLOWEST_WORDS, FASTEST_WORDS = 80, 450
"""A minute: what espeak-ng can say."""
SHORTEST_MM, LONGEST_MM = 30, 300
"""From one label or black mark to the next."""
LONGEST_ERROR = 1_500
"""Characters of what is wrong with a configuration; some sentences list all printers that there are."""
LONGEST_SOCKET = 107
"""Bytes in the path of a Unix socket."""

TABLES = (
    "cafe",
    "zone",
    "door",
    "badge",
    "matching",
    "schedule",
    "ledger",
    "control",
    "desk",
    "speech",
    "reader",
    "printer",
    "lights",
    "sounder",
    "buttons",
)


def load(path: Path) -> Config:
    """Read and check the configuration; raise `ConfigError` with one line that says file, place, value and remedy."""
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST_FILE + 1)
        text = data.decode()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}; name the file with --config") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8") from error
    if len(data) > LONGEST_FILE:
        raise ConfigError(f"{path}: is longer than {LONGEST_FILE} bytes, which is no configuration; see systemd/terminal.toml")
    try:
        config = replace(parse(text), file=path.absolute())
    except ConfigError as error:
        raise ConfigError(f"{path}: {_one_line(str(error))}") from error
    template = config.badge.template
    if template is not None:
        config = replace(config, badge=replace(config.badge, template=path.parent / template))
    if config.schedule.file is not None:
        config = replace(config, schedule=ScheduleTable(file=path.parent / config.schedule.file))
    return config if config.service is None else replace(config, service=config.service.beside(path.parent))


def parse(text: str) -> Config:
    """Check a configuration's text; raise `ConfigError`."""
    try:
        data = read_toml(text)
    except ValueError as error:
        raise ConfigError(f"not TOML: {error}") from error
    except RecursionError as error:
        raise ConfigError("its tables or lists are nested too deeply") from error
    _known("the file", data, TABLES)
    cafe = _table("cafe", data.get("cafe", {}), CafeTable)
    _check_cafe(cafe)
    readers = data.get("reader", {})
    if not isinstance(readers, dict) or not all(isinstance(each, dict) for each in readers.values()):
        raise ConfigError("a reader is a table with a name of its own: write [reader.door]")
    matching, service = _matching(data.get("matching", {}))
    zones, directions = _zones(data.get("zone", []))
    config = Config(
        cafe=cafe,
        zones=zones,
        directions=directions,
        door=_table("door", data.get("door", {}), DoorTable),
        badge=_table("badge", data.get("badge", {}), BadgeTable),
        matching=matching,
        schedule=_table("schedule", data.get("schedule", {}), ScheduleTable),
        ledger=_table("ledger", data.get("ledger", {}), LedgerTable),
        control=_table("control", data.get("control", {}), ControlTable),
        desk=_table("desk", data.get("desk", {}), DeskTable),
        speech=_table("speech", data["speech"], SpeechTable) if "speech" in data else None,
        readers={name: _chosen("reader", f"reader.{name}", table) for name, table in readers.items()},
        printer=_chosen("printer", "printer", data["printer"]) if "printer" in data else None,
        lights=_chosen("lights", "lights", data["lights"]) if "lights" in data else None,
        sounder=_chosen("sounder", "sounder", data["sounder"]) if "sounder" in data else None,
        buttons=_chosen("buttons", "buttons", data["buttons"]) if "buttons" in data else None,
        service=service,
    )
    if not config.readers:
        raise ConfigError('no reader: write [reader.door] and driver = "pcsc"')
    _check_numbers(config)
    _check_names(config)
    _check_devices(config)
    if config.speech is not None:
        config = replace(config, speech=_speech(config.speech, tuple(config.readers)))
    return config


def _one_line(text: str) -> str:
    """Return a sentence on one line that can be printed, whatever of a file is in it, and not at any length."""
    plain = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return plain if len(plain) <= LONGEST_ERROR else f"{plain[: LONGEST_ERROR - 1]}…"


def _known(place: str, data: dict[str, Any], known: tuple[str, ...]) -> None:
    """Complain of the first key that is not known, and name the one that was probably meant."""
    for key in data:
        if key not in known:
            raise ConfigError(f"{place} has no {short(key)}; it has {', '.join(known)}{meant(key, known)}")


def short(value: object) -> str:
    """Return a value for a sentence: visible, in one line, and not all of a long one."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def meant(word: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that asks for the known word that was probably meant; nothing when none is close."""
    close = get_close_matches(word, list(known), 1)
    return f"; did you mean '{close[0]}'?" if close else ""


def _table(place: str, data: Any, kind: type[T]) -> T:
    """Convert one table; raise `ConfigError` with the table's name, the key, the value and what would be right."""
    if not isinstance(data, dict):
        raise ConfigError(f"[{place}] is a table, not {short(data)}")
    _known(f"[{place}]", data, kind.__struct_fields__)
    try:
        return msgspec.convert(data, kind, dec_hook=_decode)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$.")
        missing = re.fullmatch(r"Object missing required field `(\w+)`", message)
        if missing and not path:
            raise ConfigError(f"[{place}] needs {missing[1]} = …") from error
        key = path.rstrip("`").partition(".")[0].partition("[")[0]
        value = f" {key} = {short(data[key])}" if key in data else ""
        raise ConfigError(f"[{place}]{value}: {message}{_choices(kind, key)}") from error


def _choices(kind: type[Struct], key: str) -> str:
    """Return which words a setting may have, when these are few."""
    asked = next((field.type for field in msgspec.structs.fields(kind) if field.name == key), None)
    for each in (asked, *get_args(asked)):
        if isinstance(each, type) and issubclass(each, Enum):
            return f"; choose one of {', '.join(word.value for word in each)}"
        if get_origin(each) is Literal:
            return f"; choose one of {', '.join(map(str, get_args(each)))}"
    return ""


def _decode(kind: type[Any], value: Any) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise ValueError(f"write a text in quotes, not {short(value)}")


def _zones(data: Any) -> tuple[tuple[Zone, ...], dict[ZoneId, str]]:
    """Return the zones, and how to get to them."""
    if not isinstance(data, list) or not data:
        raise ConfigError("no zones: write at least one [[zone]] with id, name, symbol and colour")
    zones, directions = [], {}
    for place, each in enumerate(data, 1):
        table = _table(f"zone {place}", each, ZoneTable)
        if not table.id:
            raise ConfigError(f"[zone {place}] id = '' is empty; write a short word, like 'library'")
        if table.capacity < 1:
            raise ConfigError(f"[zone {place}] capacity = {table.capacity} must be 1 or more people")
        zones.append(Zone(ZoneId(table.id), table.name, table.symbol, table.colour, capacity=table.capacity, quiet=table.quiet))
        if table.direction:
            directions[ZoneId(table.id)] = table.direction
    ids = [zone.id for zone in zones]
    for zone in ids:
        if ids.count(zone) > 1:
            raise ConfigError(f"[[zone]] id = '{zone}' is there {ids.count(zone)} times; each zone has an id of its own")
    return tuple(zones), directions


def _chosen(port: str, place: str, data: Any) -> Chosen:
    """Choose a driver by name and read its settings."""
    if not isinstance(data, dict):
        raise ConfigError(f"[{place}] is a table, not {short(data)}")
    settings = dict(data)
    name = settings.pop("driver", None)
    if not isinstance(name, str):
        raise ConfigError(f'[{place}] needs driver = "…"')
    cls = driver(port, name)
    _known(f"[{place}]", data, ("driver", *cls.Settings.__struct_fields__))
    return Chosen(name, cls, _table(place, settings, cls.Settings))


def _matching(data: Any) -> tuple[MatchingTable, Chosen | None]:
    """Read `[matching]`: what holds anyway and, with a driver, how the shared service is reached."""
    if not isinstance(data, dict) or "driver" not in data:
        return _table("matching", data, MatchingTable), None
    own = MatchingTable.__struct_fields__
    name = data["driver"]
    cls = driver("matching", name if isinstance(name, str) else short(name))
    _known("[matching]", data, ("driver", *own, *cls.Settings.__struct_fields__))
    mine = {key: value for key, value in data.items() if key in own}
    theirs = {key: value for key, value in data.items() if key not in own}
    return _table("matching", mine, MatchingTable), _chosen("matching", "matching", theirs)


def _check_cafe(cafe: CafeTable) -> None:
    try:
        ZoneInfo(cafe.timezone)
    except (KeyError, ValueError, OSError) as error:
        raise ConfigError(f"[cafe] timezone = '{cafe.timezone}' is not known; write one like 'Europe/Stockholm'") from error
    hours, colon, minutes = cafe.closes.partition(":")
    if not (colon and hours.isdecimal() and minutes.isdecimal() and int(hours) < 24 and int(minutes) < 60):
        raise ConfigError(f"[cafe] closes = '{cafe.closes}' is not a time; write HH:MM, like '22:00'")


def _check_numbers(config: Config) -> None:
    for key in config.door.__struct_fields__:
        value = getattr(config.door, key)
        if not (isfinite(value) and 0 < value <= LONGEST_S):
            raise ConfigError(f"[door] {key} = {value:g} must be more than 0 and at most {LONGEST_S} seconds")
    deadline_ms = config.matching.deadline_ms
    if not 0 < deadline_ms <= LONGEST_MATCH_MS:
        raise ConfigError(f"[matching] deadline_ms = {deadline_ms} must be 1 to {LONGEST_MATCH_MS} milliseconds")
    days = config.ledger.keep_events_days
    if not FEWEST_DAYS <= days <= MOST_DAYS:
        raise ConfigError(f"[ledger] keep_events_days = {days} must be {FEWEST_DAYS} to {MOST_DAYS} days")
    media, length_mm = config.badge.media, config.badge.length_mm
    if media == "roll" and length_mm != 0:
        raise ConfigError(f'[badge] length_mm = {length_mm:g} is for media = "label" or "mark"; a roll has no length')
    if media != "roll" and not SHORTEST_MM <= length_mm <= LONGEST_MM:
        raise ConfigError(
            f"[badge] length_mm = {length_mm:g} must be {SHORTEST_MM} to {LONGEST_MM} millimetres where media = '{media}': "
            f"from the top of one {media} to the top of the next"
        )


def _check_names(config: Config) -> None:
    terminal = config.ledger.terminal
    if not re.fullmatch(r"[a-z0-9-]{1,16}", terminal):
        raise ConfigError(f"[ledger] terminal = '{terminal}' must be 1 to 16 of a to z, 0 to 9 and '-': it is part of every id")
    second = config.ledger.second
    if second is not None and not second.is_absolute():
        raise ConfigError(f"[ledger] second = '{second}' must be a whole path, like '/media/fikatap/copies'")
    socket = config.control.socket
    if len(os.fsencode(socket)) > LONGEST_SOCKET:
        raise ConfigError(f"[control] socket = '{socket}' is longer than {LONGEST_SOCKET} bytes; choose a shorter path")


def _speech(speech: SpeechTable, readers: tuple[str, ...]) -> SpeechTable:
    """Return `[speech]` with the reader by which the headphones hang."""
    if not speech.reader and len(readers) > 1:
        raise ConfigError(f"[speech] needs reader = …: the one by which the headphones hang, of {', '.join(readers)}")
    if speech.reader and speech.reader not in readers:
        raise ConfigError(
            f"[speech] reader = {short(speech.reader)} is no [reader.…]; those are {', '.join(readers)}"
            f"{meant(speech.reader, readers)}"
        )
    if not speech.device:
        raise ConfigError(
            "[speech] device = '' is empty; write an ALSA name, like 'plughw:CARD=Headphones'; aplay -L lists them"
        )
    if not SLOWEST_WORDS <= speech.speed <= FASTEST_WORDS:
        raise ConfigError(f"[speech] speed = {speech.speed} must be {SLOWEST_WORDS} to {FASTEST_WORDS} words a minute")
    return replace(speech, reader=speech.reader or readers[0])


def _check_devices(config: Config) -> None:
    """Check what no driver can know alone: the printer's profile, the zones' names, and who takes which pin."""
    if config.printer is not None:
        try:
            profile(config.printer.settings.profile)
        except ConfigError as error:
            raise ConfigError(f"[printer] profile: {error}") from error
    if config.lights is not None:
        zones = [zone.id for zone in config.zones]
        for name in config.lights.settings.zones or ():
            if name not in zones:
                raise ConfigError(
                    f"[lights] zones has '{name}', which is no [[zone]]; those are {', '.join(zones)}{meant(name, zones)}"
                )
    _check_pins(config)


def _check_pins(config: Config) -> None:
    """See that each pin has one thing on it."""
    taken: dict[int, str] = {}
    if config.lights is not None and config.lights.driver == "gpio":
        taken |= {
            pin: f"the light '{name}'" for name, light in config.lights.settings.lights().items() for pin in light.numbers
        }
    if config.sounder is not None and config.sounder.driver == "gpio":
        pin = config.sounder.settings.pin
        if pin in taken:
            raise ConfigError(f"[sounder] pin = {pin} is taken by {taken[pin]}; give each its own")
        taken[pin] = "the sounder"
    if config.buttons is not None and config.buttons.driver == "gpio":
        for mood, pin in config.buttons.settings.pins().items():
            if pin in taken:
                raise ConfigError(f"[buttons] {mood} = {pin} is taken by {taken[pin]}; give each its own")
