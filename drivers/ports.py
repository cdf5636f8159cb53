"""The interfaces to the outside, one page: what a device does; how is the driver's, where is its settings'.

Every driver blocks, has a deadline on each wait, raises one of `drivers.errors` once, and never retries. Each is made with
its settings (a `msgspec.Struct`, the class's attribute `Settings`), opened once, used from one thread, closed once;
after any `DeviceError` it is closed and a new one is made.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from drivers.matching.wire import CheckIn, Fact, PresencePage, Proposal, RosterPage
from kiosk.signals import Signal
from kiosk.values import Cause, Mood, ZoneId


class Device(Protocol):
    """What all devices have in common."""

    @abstractmethod
    def open(self) -> None:
        """Take the device; raise `DeviceMissing` when it is not there and `ConfigError` when it can never be."""

    @abstractmethod
    def close(self) -> None:
        """Give the device back; never raises, may be called twice and in every state."""

    @abstractmethod
    def describe(self) -> str:
        """Return one line for people: what this is and where it is connected."""


class Kind(StrEnum):
    """What a presented card is, as far as its reader can tell."""

    CARD = "card"
    PHONE = "phone"
    """A phone, or any random UID: never the same twice."""


class MessageState(StrEnum):
    """What became of the card's NDEF message."""

    READ = "read"
    ABSENT = "absent"
    """The card has none, or is of a kind that holds none."""
    REFUSED = "refused"
    """It is there but not readable: too long, or not well-formed; `PresentedCard.why` tells."""


class PresentedCard(Struct, frozen=True):
    """One presentation of a card.

    `uid` has 4, 7 or 10 bytes in transmission order. `message` is the raw NDEF message, empty unless `state` is READ.
    `lying` is True when the card was already there when the reader was opened.
    """

    uid: bytes
    kind: Kind = Kind.CARD
    state: MessageState = MessageState.ABSENT
    message: bytes = b""
    why: str = ""
    lying: bool = False


class TornRead(Struct, frozen=True):
    """A card that was taken away before it was read."""


class CardReader(Device, Protocol):
    """Reads member cards."""

    @abstractmethod
    def wait_for_card(self, timeout: float) -> PresentedCard | TornRead | None:
        """Return the next presentation of a card, or None after `timeout` seconds.

        Each presentation is returned once, however long the card lies there, and one that began while nobody waited is
        returned by the next call. The card's UID and message are read under the driver's own deadline. Raise `DeviceLost`
        when the reader goes, `DeviceSilent` when it hangs, `DeviceGarbled` when it answers nonsense.
        """


class Paper(StrEnum):
    """How much paper a printer says it has."""

    ENOUGH = "enough"
    LOW = "low"
    OUT = "out"
    UNKNOWN = "unknown"


class PrinterStatus(Struct, frozen=True):
    """What a printer says of itself; `cause` is None when it can print."""

    paper: Paper = Paper.UNKNOWN
    cause: Cause | None = None

    @property
    def ready(self) -> bool:
        """Whether it can print now."""
        return self.cause is None


class Printer(Device, Protocol):
    """Prints badges from ESC/POS bytes."""

    @property
    @abstractmethod
    def profile(self) -> str:
        """The name of the printer's profile, by which bytes are made for it."""

    @abstractmethod
    def status(self) -> PrinterStatus:
        """Ask the printer now; raise `DeviceSilent` when one that can answer does not, return UNKNOWN for one that can't."""

    @abstractmethod
    def send(self, page: bytes, process_id: int) -> None:
        """Write a whole page and the completion request for `process_id` (0 to 2**32-1).

        Raise `DeviceRefused` with the printer's own cause (paper out, cover open) as soon as it tells one, `DeviceSilent` when
        it takes no bytes within the deadline, `DeviceLost` when it goes. Any of these means that part of the page may be out.
        """

    @abstractmethod
    def wait_printed(self, process_id: int, timeout: float) -> bool:
        """Return True when the printer said that this page is printed, False when it can't say so at all.

        Raise `DeviceSilent` when it can but did not within `timeout` seconds, `DeviceRefused` when it told a cause.
        """


class Lights(Device, Protocol):
    """One light for each zone, and one (or more) by the reader. Calls return at once; lights go out by themselves."""

    @abstractmethod
    def signal(self, signal: Signal) -> None:
        """Show an answer at the reader, in place of the one before."""

    @abstractmethod
    def zone(self, zone: ZoneId, seconds: float) -> None:
        """Light a zone for so long from now; an unknown zone raises `DeviceRefused`."""

    @abstractmethod
    def lit(self) -> frozenset[str]:
        """Return the names of all lights that are on now (zones' ids, and `reader`)."""


class Sounder(Device, Protocol):
    """Makes one sound for each answer."""

    @abstractmethod
    def play(self, signal: Signal) -> None:
        """Play an answer's sound to its end (at most one second)."""


class Buttons(Device, Protocol):
    """The buttons beside a reader on which visitors say what they want of their visit, one for each mood."""

    @abstractmethod
    def wait_for_press(self, timeout: float) -> Mood | None:
        """Return the next press, or None after `timeout` seconds.

        Each press is returned once, however long it lasts and however its contact bounces, also one that came while nobody
        waited. A button that is down when the buttons are opened makes `open` raise `DeviceRefused`: it is stuck, or its wires
        touch. Raise `DeviceLost` when the buttons go.
        """


class MatchingService(Device, Protocol):
    """The shared matching service of a café with several doors, or of a chain."""

    @abstractmethod
    def check_in(self, check_in: CheckIn, wait_s: float) -> Proposal | None:
        """Ask whom a visitor should meet; None when the service did not know within `wait_s` and leaves it to the terminal."""

    @abstractmethod
    def report(self, facts: Sequence[Fact]) -> None:
        """Hand over facts; those already known do no harm."""

    @abstractmethod
    def roster(self, since: int) -> RosterPage:
        """Return a page of what changed in the roster since that version; 0 for all of it."""

    @abstractmethod
    def presence(self, since: int, wait_s: float) -> PresencePage:
        """Return who is here since that version, 0 for everybody; wait for news for so long when there are none."""

    def hang_up(self) -> None:
        """Break off what waits for an answer, which then fails; from any thread. Nothing by default: who waits long should."""
        return

    @abstractmethod
    def schedule(self) -> bytes:
        """Return the venue's calendar as iCalendar text (RFC 5545), empty when there is none."""
