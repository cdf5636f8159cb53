"""The journal in staff's language: what the program logs in English is said in the café's words, with what to do.

In the code and in tests a log line is its English sentence, which is the key here, as in gettext. Nothing that a line says
names a member or a card.
"""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path
from traceback import extract_tb
from types import TracebackType

from kiosk.texts import Texts
from kiosk.values import Language

SENTENCES: dict[str, tuple[str, ...]] = {
    "%s is open: %s": ("open", "device", "what"),
    "%s is back: %s": ("back", "device", "what"),
    "%s is back and stays: %s": ("stays", "device", "what"),
    "%s is gone: %s": ("gone", "device", "why"),
    "%s comes and goes: %s": ("flaps", "device", "why"),
    "%s hangs: the terminal restarts once": ("hangs", "device"),
    "%s hung again after a restart and is left alone until it comes back: unplug it and plug it in": ("left_alone", "device"),
    "ready: %d here": ("ready", "number"),
    "staff: %s": ("staff", "notice"),
    "nothing can be stored, check-ins are refused: %s": ("no_storage", "why"),
    "storing works again": ("stores",),
    "there is no second medium: the door stays shut until somebody sees to the ledger": ("no_copy",),
    "the damaged ledger can't be marked": ("no_mark",),
    "the terminal restarts to bring the ledger back": ("restart",),
    "the ledger was brought back in this boot already: look at its disk, then restart the terminal": ("restarted",),
    "the door is shut, check-ins are refused: %s": ("shut", "why"),
    "the door is open": ("unshut",),
    "the ledger could not be looked through: %s": ("unlooked", "why"),
    "%s: %s; it is brought back from %s": ("recovering", "ledger", "why", "second"),
    "%s was brought back from %s": ("recovered", "ledger", "copy"),
    "a copy is of no use: %s": ("bad_copy", "why"),
    "badge %s can't be made: %s in %s": ("unmade", "job", "error", "place"),
    "zone '%s' has no light: %s": ("dark", "zone", "why"),
    "%s; until then the profile alone counts": ("findings", "why"),
    "%s can't be written: %s": ("unwritten", "file", "why"),
    "our own mistake: %s in %s": ("crash", "error", "places"),
    "schedule: %s": ("schedule", "why"),
    "the fault history can't be read: %s": ("no_history", "why"),
    "the fault history can't be stored: %s": ("unkept", "why"),
    "speech is off: there is no [speech] in %s": ("speech_off", "file"),
    "nothing can be spoken: %s": ("unspoken", "why"),
    "speech works again": ("spoken",),
    "the service has no members at all: those of this terminal are kept; has it the right database?": ("service_empty",),
    "the service's roster has lines that are no members; they are left out": ("service_odd",),
    "report %d to the service can't be sent, and is forgotten: %s": ("service_unsent", "report", "why"),
    "the service was not reached for so long that its %d oldest reports are forgotten": ("service_late", "count"),
}
"""The key below `journal.` and the names of its parts, for each line that the running terminal logs."""


_LANGUAGE = re.compile(r"""^\s*language\s*=\s*["'](\w+)["']""", re.MULTILINE)


def language_in(path: Path) -> Language:
    """Return the language of a configuration that may be wrong in all else; Swedish where it names none that we speak."""
    try:
        found = _LANGUAGE.search(path.read_text("utf-8", errors="replace"))
        return Language(found[1] if found else Language.SV)
    except (OSError, ValueError):
        return Language.SV


def wrong_configuration(why: Exception, path: Path, unit: str, texts: Texts) -> str:
    """Return the one line that a program says before it ends with 78: what is wrong, and what staff does about it."""
    return texts.say(language_in(path), "journal.wrong", why=str(why).rstrip("."), unit=unit)


class StaffFormatter(logging.Formatter):
    """Says log lines in one language; a line that is not in the table stays as it is."""

    def __init__(self, texts: Texts, language: Language) -> None:
        super().__init__()
        self._texts = texts
        self._language = language

    def format(self, record: logging.LogRecord) -> str:
        """Return the line in staff's words."""
        found = SENTENCES.get(record.msg)
        if found is None or not isinstance(record.args, tuple):
            return record.getMessage()
        key, *names = found
        parts = dict(zip(names, record.args, strict=True))
        if isinstance(number := parts.get("number"), int):
            return self._texts.count(self._language, f"journal.{key}", number)
        words = {name: str(part) for name, part in parts.items()}
        if "device" in words:
            words |= self._device(words["device"])
        return self._texts.say(self._language, f"journal.{key}", **words)

    def _device(self, lane: str) -> dict[str, str]:
        """Return a device's name, and what to do about it."""
        port, _, name = lane.partition(" ")
        device = f"{self._texts.say(self._language, f'doctor.{port}')} {name}".strip()
        return {"device": device[0].upper() + device[1:], "remedy": self._texts.say(self._language, f"doctor.{port}_remedy")}


def tell_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Log what ended the program by kind and places only: what an error says may hold a name (for `sys.excepthook`)."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    places = (f"{Path(each.filename).name}:{each.lineno}" for each in extract_tb(trace))
    logging.getLogger("fikatap").critical("our own mistake: %s in %s", kind.__name__, " > ".join(places))
