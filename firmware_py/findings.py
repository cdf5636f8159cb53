"""Keeps what was found out about the printer: one file for each printer, beside the ledger."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

import msgspec

from drivers.errors import FikatapError
from drivers.printers.findings import Findings
from firmware_py.config import Config, short
from firmware_py.files import write_whole

if TYPE_CHECKING:
    from drivers.printers.escpos import EscposSettings


LONGEST_FILE = 16_384
"""Bytes of a file; what is behind them is not read."""


class FindingsError(FikatapError):
    """The file of a printer's findings can't be read or written; the message names it."""


class FindingsFile:
    """The findings about the configured printer. There are none about a simulated one, nor without a printer."""

    def __init__(self, config: Config) -> None:
        self._ledger = config.ledger.path
        chosen = config.printer
        self.connection = where(chosen.settings) if chosen is not None and chosen.driver == "escpos" else ""
        """Where the printer hangs, in one readable word; empty when there can be no findings."""

    @property
    def path(self) -> Path:
        """The file, which need not be there."""
        return self._ledger.parent / "printers" / f"{self.connection}.json"

    def read(self) -> Findings | None:
        """Return what is known, None when nothing is; raise `FindingsError` when the file is damaged."""
        if not self.connection:
            return None
        try:
            with self.path.open("rb") as file:
                findings = msgspec.json.decode(file.read(LONGEST_FILE), type=Findings)
            for codec in findings.seen.code_pages if findings.seen else ():
                "".encode(codec)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FindingsError(f"{self.path} can't be read: {error.strerror}") from error
        except (msgspec.DecodeError, ValueError, LookupError, RecursionError) as error:
            raise FindingsError(
                f"{self.path} is damaged ({short(str(error))}); run `fikatap printer probe` anew, or `fikatap printer forget`"
            ) from error
        return findings

    def write(self, findings: Findings) -> None:
        """Keep these findings in place of those before; after a power cut either are there whole."""
        try:
            self.path.parent.mkdir(mode=0o700, exist_ok=True)
            write_whole(self.path, msgspec.json.format(msgspec.json.encode(findings), indent=2) + b"\n")
        except OSError as error:
            raise FindingsError(f"{self.path} can't be written: {error.strerror}") from error

    def forget(self) -> bool:
        """Remove the findings; return whether there were any."""
        try:
            self.path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise FindingsError(f"{self.path} can't be removed: {error.strerror}") from error
        return True


def where(settings: EscposSettings) -> str:
    """Return a name for the place where the printer hangs, fit for a file; it stays the same at another speed."""
    # With another driver this one is never loaded.
    from drivers.printers.escpos import FileAddress, NetworkAddress, SerialAddress, UsbAddress

    match settings.address:
        case UsbAddress(ids=ids):
            parts: tuple[object, ...] = ("usb", *(f"{each:04x}" for each in ids or ()))
        case SerialAddress(path=path):
            parts = ("serial", path)
        case NetworkAddress(host=host, port=port):
            parts = ("network", host, port)
        case FileAddress(path=path):
            parts = ("file", path)
        case other:
            assert_never(other)
    return re.sub(r"[^A-Za-z0-9._]+", "-", "-".join(map(str, parts))).strip("-.")
