"""What a printer is asked and what it says: requests as bytes, replies told apart by shape in one stream, and their meaning.

Source: Epson ESC/POS command reference (DLE EOT, DLE DC4 fn 8, GS a, GS r, GS ( H) and its table "transmission status
identification".
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from msgspec import Struct

from drivers.ports import Paper, PrinterStatus
from kiosk.values import Cause

XON, XOFF = 0x11, 0x13
FENCE = b"\x1dr\x01"
"""GS r 1: asks for one byte that comes when everything before it was processed."""
PUSH = b"\x1da\x0e"
"""GS a: asks the printer to tell changes of being on line, of errors and of paper by itself."""
CLEAR = bytes.fromhex("10 14 08 01 03 14 01 06 02 08")
"""DLE DC4 fn 8: has the printer forget at once what it received and did not print; one block says that it did."""
PROCESS_IDS = 95**4
"""How many process ids a printer can tell apart: four printable characters."""

_BLOCK_HEADER, _PROCESS_ID, _CLEARED, _BLOCK_END = 0x37, 0x22, b"\x37\x25", 0x00
_LONGEST_BLOCK = 80


class Question(IntEnum):
    """The n of DLE EOT n: what is asked in real time."""

    PRINTER = 1
    OFFLINE_CAUSE = 2
    ERROR_CAUSE = 3
    PAPER = 4


class RealTime(Struct, frozen=True):
    """One byte in answer to DLE EOT; which question it answers is known from the order only."""

    value: int


class Pushed(Struct, frozen=True):
    """Four bytes that the printer sent by itself (automatic status back)."""

    block: bytes


class FenceReached(Struct, frozen=True):
    """One byte in answer to GS r."""

    value: int


class Completed(Struct, frozen=True):
    """The printer has printed everything up to this process id (0 to PROCESS_IDS - 1)."""

    process_id: int


class Cleared(Struct, frozen=True):
    """The printer has forgotten all that it held."""


Reply = RealTime | Pushed | FenceReached | Completed | Cleared


def completion_request(process_id: int) -> bytes:
    """Return GS ( H function 48 for an id of any size; it goes to the printer modulo PROCESS_IDS."""
    rest, digits = process_id % PROCESS_IDS, bytearray()
    for _ in range(4):
        rest, digit = divmod(rest, 95)
        digits.append(0x20 + digit)
    return b"\x1d(H\x06\x0000" + bytes(digits)


class Replies:
    """Tells a printer's replies apart, in any chunking, in bounded memory; it never fails.

    XON and XOFF are dropped: where they mean something, the serial line's own flow control acts on them.
    """

    noise: int
    """How many bytes were of no known shape."""
    fences: int
    """How many answers to GS r are awaited; set by whoever asks."""
    strays: int
    """How many bytes came that answer GS r, while none was awaited."""

    def __init__(self) -> None:
        self.noise = self.fences = self.strays = 0
        self._block = bytearray()
        self._pushed = bytearray()

    def feed(self, data: bytes) -> list[Reply]:
        """Return the replies that are complete with `data`, in order."""
        return [reply for byte in data if (reply := self._take(byte)) is not None]

    def _take(self, byte: int) -> Reply | None:
        if byte in {XON, XOFF}:
            return None
        if self._block:
            if byte == _BLOCK_END:
                return self._end_block()
            if 0x20 <= byte < 0x7F and len(self._block) < _LONGEST_BLOCK:
                self._block.append(byte)
                return None
            # This was no block: what stands here begins something else.
            self.noise += len(self._block)
            self._block.clear()
        if byte == _BLOCK_HEADER:
            self._block.append(byte)
        elif byte & 0b1001_0011 == 0b0001_0010:
            return RealTime(byte)
        elif byte & 0b1001_0011 == 0b0001_0000:
            self.noise += len(self._pushed)
            self._pushed[:] = (byte,)
        elif byte & 0b1001_0000 == 0 and self._pushed:
            self._pushed.append(byte)
            if len(self._pushed) == 4:
                pushed = Pushed(bytes(self._pushed))
                self._pushed.clear()
                return pushed
        elif byte & 0b1001_0000 == 0:
            if self.fences:
                self.fences -= 1
                return FenceReached(byte)
            self.strays += 1
        else:
            self.noise += 1
        return None

    def _end_block(self) -> Reply | None:
        block = bytes(self._block)
        self._block.clear()
        if block == _CLEARED:
            return Cleared()
        if len(block) == 6 and block[1] == _PROCESS_ID:
            return Completed(sum((digit - 0x20) * 95**place for place, digit in enumerate(block[2:])))
        return None


def is_offline(answer: int) -> bool:
    """Whether the answer to `Question.PRINTER` says off line."""
    return bool(answer & 0x08)


def is_error(answer: int) -> bool:
    """Whether the answer to `Question.OFFLINE_CAUSE` says that an error is the cause."""
    return bool(answer & 0x40)


def from_answers(answers: Mapping[Question, int]) -> PrinterStatus:
    """Return what the answers to DLE EOT say together; a question without an answer says nothing."""
    printer = answers.get(Question.PRINTER, 0)
    offline = answers.get(Question.OFFLINE_CAUSE, 0)
    error = answers.get(Question.ERROR_CAUSE, 0)
    paper = answers.get(Question.PAPER)
    return _status(
        cover=bool(offline & 0x04),
        out=bool(offline & 0x20 or (paper or 0) & 0x60),
        low=None if paper is None else bool(paper & 0x0C),
        cutter=bool(error & 0x08),
        hot=bool(error & 0x40),
        offline=is_offline(printer),
    )


def from_pushed(block: bytes) -> PrinterStatus:
    """Return what four pushed bytes say."""
    return _status(
        cover=bool(block[0] & 0x20),
        out=bool(block[2] & 0x0C),
        low=bool(block[2] & 0x03),
        cutter=bool(block[1] & 0x08),
        hot=bool(block[1] & 0x40),
        offline=bool(block[0] & 0x08),
    )


def _status(*, cover: bool, out: bool, low: bool | None, cutter: bool, hot: bool, offline: bool) -> PrinterStatus:
    if out:
        paper = Paper.OUT
    elif low is None:
        paper = Paper.UNKNOWN
    else:
        paper = Paper.LOW if low else Paper.ENOUGH
    # The cover comes first: while it is open, the paper sensor of many printers sees no paper either.
    causes = {
        Cause.COVER_OPEN: cover,
        Cause.PAPER_OUT: out,
        Cause.CUTTER: cutter,
        Cause.OVERHEATED: hot,
        Cause.OFFLINE: offline,
    }
    return PrinterStatus(paper=paper, cause=next((cause for cause, holds in causes.items() if holds), None))
