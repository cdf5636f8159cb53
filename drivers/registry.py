"""The table of drivers: a port's name and a word of the configuration give a class, imported when chosen."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from drivers.errors import ConfigError

DRIVERS: dict[str, dict[str, str]] = {
    "reader": {
        "pcsc": "drivers.readers.pcsc:PcscReader",
        "pn532": "drivers.readers.pn532:Pn532Reader",
        "fake": "drivers.readers.fake:FakeReader",
    },
    "printer": {
        "escpos": "drivers.printers.escpos:EscposPrinter",
        "fake": "drivers.printers.fake:FakePrinter",
    },
    "lights": {
        "gpio": "drivers.lights.gpio:GpioLights",
        "fake": "drivers.lights.fake:FakeLights",
    },
    "sounder": {
        "gpio": "drivers.sounders.gpio:GpioSounder",
        "fake": "drivers.sounders.fake:FakeSounder",
    },
    "buttons": {
        "gpio": "drivers.buttons.gpio:GpioButtons",
        "fake": "drivers.buttons.fake:FakeButtons",
    },
    "matching": {
        "http": "drivers.matching.http:HttpMatching",
        "fake": "drivers.matching.fake:FakeMatching",
    },
}


def driver(port: str, name: str) -> type[Any]:
    """Return the driver class called `name` for `port`; raise `ConfigError` for a name that is not in the table.

    The class has its settings' type as `Settings` and is made with one of these.
    """
    names = DRIVERS[port]
    if name not in names:
        raise ConfigError(f"[{port}] driver = '{name}' is not a driver; choose one of {', '.join(sorted(names))}")
    module, _, class_name = names[name].partition(":")
    found: type[Any] = getattr(import_module(module), class_name)
    return found
