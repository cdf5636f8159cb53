"""Card readers with a PN532 on a serial line (UART), through nfcpy. NXP PN532 user manual UM0701-02.

nfcpy's own drivers of line and chip are used, but not its `connect()` and `tag.ndef`: the first swallows errors and hides
phones, the second can't tell a torn read from a card without a message and may read for ever. The field is asked every
`INTERVAL_S`; so a card that came and went while nobody waited was never seen. nfcpy chooses the line's speed: 921,600 baud
where the line can, back to 115,200 at the close. It finds a chip at 115,200 baud only, so one that was not closed is first
brought back there.
"""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from drivers.errors import DeviceError, DeviceGarbled, DeviceLost, DeviceMissing, DeviceSilent
from drivers.ports import CardReader, Kind, PresentedCard, TornRead
from drivers.readers import tags

INTERVAL_S: Final = 0.03
RATS = b"\xe0\x80"
"""Request for answer to select: frames of up to 256 bytes, card 0."""
ANSWER_S = 0.03
"""How long a card may take to answer RATS or READ."""

SPEEDS: Final = (921_600, 460_800, 230_400, 115_200)
"""Where a chip may be that was not closed, in baud, the likeliest first; at the last one in the middle of something."""
ACK = bytes.fromhex("0000FF00FF00")
"""From the host it ends what the chip is at (6.2.1.3), and makes it take the speed that it was asked for (7.2.8)."""
ABORT = bytes(275) + ACK
"""An ACK after as many idle bytes (6.2.1.6) as the longest frame has (6.2.1.2): one that was never finished ends in them."""
SLOW_DOWN = bytes.fromhex("0000FF03FDD410041800")
"""SetSerialBaudRate to 115,200 baud (7.2.8)."""
SLOWED_DOWN = bytes.fromhex("0000FF02FED5111A00")
ANSWER_MS = 100
"""How long the chip may take to acknowledge, and to answer."""
SETTLE_S = 0.03
"""How long `ABORT` may take to reach the chip, 25 ms at the slowest speed, and to have its effect."""


class _Torn(Exception):
    """The card went away while it was read."""


class Pn532Reader(CardReader):
    """A PN532 on a serial line."""

    class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """Where the chip is: a serial device; how long reading one card may take."""

        path: str = "/dev/ttyAMA0"
        read_deadline_s: float = 1.0

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._frontend: Any = None
        self._there: bytes | None = None
        """The card in the field that was presented, and has not gone since."""
        self._lying: bytes | None = None
        """The card that lay there at the opening."""

    def open(self) -> None:
        """Wake the chip up and look whether a card lies there."""
        import termios

        from nfc.clf import ContactlessFrontend, pn532, transport

        # What it warns of is raised here.
        logging.getLogger("nfc").setLevel(logging.CRITICAL)
        line = None
        try:
            line = transport.TTY(self._settings.path)
            frontend = ContactlessFrontend()
            # By its path, which nfcpy's own search would only find directly in /dev and under few names.
            try:
                frontend.device = pn532.init(line)
            except (OSError, IndexError, pn532.Chipset.Error):
                if not _slow_down(line):
                    raise
                frontend.device = pn532.init(line)
            self._frontend = frontend
        except (OSError, termios.error, IndexError, pn532.Chipset.Error) as error:
            _give_up(line)
            raise DeviceMissing(f"no PN532 answers on {self._settings.path}: {error}") from error
        self._lying = self._sensed_uid(self._sense())

    def close(self) -> None:
        """Put the chip to sleep."""
        frontend, self._frontend = self._frontend, None
        if frontend is None or frontend.device is None:
            return
        line = frontend.device.chipset.transport
        try:
            frontend.close()
        except Exception:  # noqa: BLE001, S110  a chip or line that is gone fails in many ways, and closing never raises
            pass
        finally:
            _give_up(line)

    def describe(self) -> str:
        """Tell where the chip is."""
        return f"PN532 on {self._settings.path}"

    def wait_for_card(self, timeout: float) -> PresentedCard | TornRead | None:
        """Ask the field again and again, and read a card that was not there before."""
        if self._frontend is None:
            raise DeviceLost(f"{self.describe()} is not open")
        deadline = time.monotonic() + timeout
        while True:
            target = self._sense()
            uid = self._sensed_uid(target)
            if uid is None:
                self._there = self._lying = None
            elif not _same(uid, self._there):
                self._there = uid
                lying, self._lying = self._lying is not None and _same(uid, self._lying), None
                return self._present(target, uid, lying=lying)
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            time.sleep(min(INTERVAL_S, left))

    def _sensed_uid(self, target: Any) -> bytes | None:
        return None if target is None else bytes(target.sdd_res or b"")

    def _sense(self) -> Any:
        """Switch the field on and return nfcpy's RemoteTarget in it, or None."""
        from nfc.clf import RemoteTarget

        return self._asked(lambda: self._frontend.sense(RemoteTarget("106A"), iterations=1))

    def _present(self, target: Any, uid: bytes, *, lying: bool) -> PresentedCard | TornRead:
        if len(uid) not in tags.UID_LENGTHS:
            return TornRead()
        if tags.kind_of(uid) is Kind.PHONE:
            return tags.presented(uid, lying=lying)
        try:
            return tags.presented(uid, self._message(target.sel_res[0]), lying=lying)
        except _Torn:
            return TornRead()

    def _message(self, sel_res: int) -> tags.Message:
        from nfc.clf import CommunicationError
        from nfc.tag import TagCommandError
        from nfc.tag.tt4 import IsoDepInitiator

        contact = _Contact(
            lambda data, timeout: self._asked(lambda: self._frontend.exchange(data, timeout)),
            time.monotonic() + self._settings.read_deadline_s,
        )
        try:
            if sel_res & 0x20:
                frame, waiting_s = tags.frame_sizes(contact.exchange(RATS, ANSWER_S))
                card = IsoDepInitiator(contact, frame, waiting_s)
                return tags.follow(tags.type4(), lambda apdu: bytes(card.exchange(apdu)))
            if sel_res == 0:
                return tags.follow(tags.type2(), lambda page: contact.exchange(bytes((0x30, page)), ANSWER_S))
        except _Late:
            return tags.refused(f"it was not read within {self._settings.read_deadline_s} s")
        except (CommunicationError, TagCommandError, IndexError) as error:
            # nfcpy's ISO-DEP trusts a card's frames to be as long as they should be.
            raise _Torn from error
        return tags.ABSENT

    def _asked(self, ask: Callable[[], Any]) -> Any:
        """Return what `ask` does; raise what went wrong with the chip, never with the card."""
        import termios

        from nfc.clf.pn532 import Chipset

        try:
            return ask()
        except (OSError, termios.error) as error:
            raise self._trouble(error) from error
        except (Chipset.Error, IndexError, TypeError) as error:
            raise DeviceGarbled(f"{self.describe()} answers nonsense: {error!r}") from error

    def _trouble(self, error: Exception) -> DeviceError:
        # nfcpy turns every missing acknowledgement into EIO; why it was missing stands in the error before.
        cause = error.__context__ if isinstance(error.__context__, OSError) else error
        if isinstance(cause, OSError) and cause.errno == errno.ETIMEDOUT:
            return DeviceSilent(f"{self.describe()} does not answer; if that lasts, take its power away and give it back")
        if type(cause) is OSError:
            return DeviceGarbled(f"{self.describe()} answers nonsense: a frame with a wrong length, checksum or code")
        return DeviceLost(f"{self.describe()} is gone: {cause}")


class _Late(Exception):
    """The card's time is over."""


class _Contact:
    """A frontend as nfcpy's ISO-DEP uses it, with one deadline for everything."""

    def __init__(self, exchange: Callable[[bytes, float], Any], deadline: float) -> None:
        self._exchange = exchange
        self._deadline = deadline

    def exchange(self, data: bytes, timeout: float) -> bytes:
        """Send a frame to the card and return its answer."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise _Late
        return bytes(self._exchange(data, min(timeout, left)))


def _same(uid: bytes, before: bytes | None) -> bool:
    """Tell whether this is the card that was there before; a phone has another UID each time that it is asked."""
    return before is not None and (uid == before or tags.kind_of(uid) == tags.kind_of(before) == Kind.PHONE)


def _slow_down(line: Any) -> bool:
    """Find a chip that was not closed and bring it to 115,200 baud; tell whether one answered."""
    for speed in SPEEDS:
        line.baudrate = speed
        line.write(ABORT)
        time.sleep(SETTLE_S)
        line.write(SLOW_DOWN)
        try:
            if line.read(ANSWER_MS) == ACK and line.read(ANSWER_MS) == SLOWED_DOWN:
                line.write(ACK)
                time.sleep(SETTLE_S)
                return True
        except (TimeoutError, IndexError):  # nothing, or nfcpy read a piece of noise
            pass
    return False


def _give_up(line: Any) -> None:
    """Close the serial line of a chip that does not answer any more."""
    if line is not None and line.tty is not None:
        # nfcpy's own close flushes first, and fails before it closes.
        line.tty.close()
        line.tty = None
