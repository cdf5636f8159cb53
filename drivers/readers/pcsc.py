"""Card readers behind PC/SC (pcsc-lite), such as the ACR1252U. PC/SC parts 3 and 5; ACS API manuals for FF CA and FF B0.

Waiting is `SCardGetStatusChange`, with the event counter in the upper 16 bits of a state handed back, so that pcscd tells at
once of a card that came while nobody waited. `smartcard.CardMonitoring` is not used: it loses cards that came meanwhile, and
ends when pcscd does. pcscd has no time-out of its own: when it hangs, so does the call that asks it, and whoever owns the
thread has to notice.
"""

from __future__ import annotations

import time
from types import ModuleType

from msgspec import Struct

from drivers.errors import ConfigError, DeviceLost, DeviceMissing, DeviceRefused
from drivers.ports import CardReader, Kind, PresentedCard, TornRead
from drivers.readers import tags

NOTIFICATION = r"\\?PnP?\Notification"
"""The name under which pcscd tells of readers that come and go."""

# What pcscd returns. It differs from one moment to the next which of these a pulled card gives.
TORN = (
    0x8010000C,  # no card
    0x8010000F,  # protocol mismatch
    0x80100016,  # not transacted
    0x8010002F,  # communication data lost
    0x80100066,  # unresponsive card
    0x80100067,  # unpowered card
    0x80100068,  # reset card
    0x80100069,  # removed card
)
TIMEOUT = 0x8010000A
SHARING_VIOLATION = 0x8010000B
NO_READERS = 0x8010002E


class _Torn(Exception):
    """The card went away while it was read."""


class PcscReader(CardReader):
    """A contactless reader that pcscd knows."""

    class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """Which reader: a part of its name, where empty is the first; how long reading one card may take."""

        reader: str = ""
        read_deadline_s: float = 1.0

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._scard: ModuleType | None = None
        self._context: int | None = None
        self._name = ""
        self._plugged = 0
        """What pcscd counts of readers that come and go, as it was told last."""
        self._counter = 0
        """The event counter of the last presentation or removal that is dealt with."""
        self._lying: int | None = None
        """The counter of the card that lay there at the opening."""

    def open(self) -> None:
        """Connect to pcscd and find the reader; a card that lies there already is the first to be presented."""
        try:
            from smartcard import scard
        except ImportError as error:
            raise ConfigError(f"[reader] driver = 'pcsc' needs pyscard, the extra 'pcsc': {error}") from error
        self._scard = scard
        try:
            self._connect(scard)
        except DeviceLost as error:
            raise DeviceMissing(str(error)) from error

    def _connect(self, scard: ModuleType) -> None:
        code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
        self._check(code, "connect to pcscd")
        self._context = context
        names = self._readers(scard)
        self._name = next((name for name in names if self._settings.reader in name), "")
        if not self._name:
            there = ", ".join(f"'{name}'" for name in names) or "none"
            wanted = f"no reader called '{self._settings.reader}'" if self._settings.reader else "no reader"
            raise DeviceMissing(f"{wanted}; pcscd knows {there}")
        self._plugged = len(names)
        state = self._now(scard)
        self._counter = state >> 16
        if state & scard.SCARD_STATE_PRESENT:
            self._lying = self._counter
            self._counter -= 1

    def close(self) -> None:
        """Let go of pcscd."""
        if self._scard is not None and self._context is not None:
            self._scard.SCardReleaseContext(self._context)
        self._context = None

    def describe(self) -> str:
        """Tell the reader's name."""
        return f"PC/SC reader '{self._name or self._settings.reader or 'first'}' on pcscd"

    def wait_for_card(self, timeout: float) -> PresentedCard | TornRead | None:
        """Wait for a card, and read it."""
        if self._scard is None or self._context is None:
            raise DeviceLost(f"{self.describe()} is not open")
        scard = self._scard
        deadline = time.monotonic() + timeout
        while True:
            # Asking first, as pcscd doesn't compare a counter of 0: the first card ever, when it comes and goes meanwhile,
            # would not end the wait.
            state = self._now(scard)
            came = ((state >> 16) - self._counter) & 0xFFFF
            self._counter = state >> 16
            if state & scard.SCARD_STATE_PRESENT and came:
                return self._present(scard)
            if came > 1:
                return TornRead()
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._wait(scard, state, left)

    def _wait(self, scard: ModuleType, state: int, seconds: float) -> None:
        """Sleep until something changes; what did, is asked anew."""
        asked = [(self._name, state), (NOTIFICATION, self._plugged << 16)]
        code, answers = scard.SCardGetStatusChange(self._context, int(seconds * 1000) + 1, asked)
        if code & 0xFFFFFFFF == TIMEOUT:
            return
        self._check(code, "wait for a card")
        # Up to pcsc-lite 2.2 this counts the readers that are there, from 2.3 on how often one came or went: handing back
        # anything but what was told there would end each wait at once.
        if (told := int(answers[1][1])) & scard.SCARD_STATE_CHANGED:
            self._plugged = told >> 16 or len(self._readers(scard))

    def _now(self, scard: ModuleType) -> int:
        """Ask for the reader's state, with its event counter."""
        code, answers = scard.SCardGetStatusChange(self._context, 0, [(self._name, scard.SCARD_STATE_UNAWARE)])
        self._check(code, "ask for the reader's state")
        state = int(answers[0][1])
        if state & (scard.SCARD_STATE_UNAVAILABLE | scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_IGNORE):
            raise DeviceLost(f"{self.describe()} does not answer; take its plug out and put it back")
        return state & ~int(scard.SCARD_STATE_CHANGED)

    def _readers(self, scard: ModuleType) -> list[str]:
        code, names = scard.SCardListReaders(self._context, [])
        if code & 0xFFFFFFFF == NO_READERS:
            return []
        self._check(code, "list the readers")
        found: list[str] = names
        return found

    def _present(self, scard: ModuleType) -> PresentedCard | TornRead:
        """Read the card that just came; one that lay half on the reader (MUTE) may be there by now."""
        lying, self._lying = self._lying == self._counter, None
        try:
            uid, message = self._read(scard)
        except _Torn:
            return TornRead()
        return tags.presented(uid, message, lying=lying)

    def _read(self, scard: ModuleType) -> tuple[bytes, tags.Message]:
        deadline = time.monotonic() + self._settings.read_deadline_s
        code, card, protocol = scard.SCardConnect(
            self._context, self._name, scard.SCARD_SHARE_SHARED, scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
        )
        self._check_card(code, "connect to the card")
        header = scard.SCARD_PCI_T1 if protocol == scard.SCARD_PROTOCOL_T1 else scard.SCARD_PCI_T0

        def exchange(apdu: bytes) -> bytes:
            code, reply = scard.SCardTransmit(card, header, list(apdu))
            self._check_card(code, "talk to the card")
            if len(reply) < 2:
                # An ACR122U leaves even the status word out when the card is gone.
                raise _Torn
            return bytes(reply)

        def transmit(apdu: bytes) -> bytes:
            if time.monotonic() > deadline:
                raise TimeoutError
            return exchange(apdu)

        def read_page(page: int) -> bytes:
            reply = transmit(bytes((0xFF, 0xB0, 0x00, page, 0x10)))
            # The reader answers alike for a page that is closed and for a card that is gone.
            if reply[-2:] != b"\x90\x00" and transmit(b"\xff\xb0\x00\x00\x10")[-2:] != b"\x90\x00":
                raise _Torn
            return reply[:-2]

        try:
            uid = exchange(b"\xff\xca\x00\x00\x00")  # however long the connection took: without it nothing is known
            if uid[-2:] != b"\x90\x00" or len(uid) - 2 not in tags.UID_LENGTHS:
                raise _Torn
            uid = uid[:-2]
            if tags.kind_of(uid) is Kind.PHONE:
                return uid, tags.ABSENT
            code, _, _, _, atr = scard.SCardStatus(card)
            self._check_card(code, "ask what the card is")
            try:
                match tags.holds_pages(bytes(atr)):
                    case None:
                        return uid, tags.follow(tags.type4(), transmit)
                    case True:
                        return uid, tags.follow(tags.type2(), read_page)
                    case False:
                        # A reader may tell a UID when the card is gone; only an answer to reset shows that it is there.
                        code, _ = scard.SCardReconnect(card, scard.SCARD_SHARE_SHARED, protocol, scard.SCARD_RESET_CARD)
                        self._check_card(code, "ask for the card")
                        return uid, tags.ABSENT
            except TimeoutError:
                return uid, tags.refused(f"it was not read within {self._settings.read_deadline_s} s")
        finally:
            scard.SCardDisconnect(card, scard.SCARD_LEAVE_CARD)

    def _check_card(self, code: int, what: str) -> None:
        """Raise what a return code about a card means."""
        if code & 0xFFFFFFFF in TORN:
            raise _Torn
        self._check(code, what)

    def _check(self, code: int, what: str) -> None:
        """Raise what a return code means."""
        code &= 0xFFFFFFFF
        if code == 0:
            return
        if code == SHARING_VIOLATION:
            raise DeviceRefused(f"cannot {what}: another program holds {self.describe()}")
        hint = "is pcscd running, and does a polkit rule give access_pcsc and access_card?"
        raise DeviceLost(f"cannot {what}: {self.describe()} says {code:#010x}; {hint}")
