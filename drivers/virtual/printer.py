"""A receipt printer without a printer: reads ESC/POS bytes strictly, draws the paper and answers as the real one would.

It knows no I/O and shares no code with what makes the bytes. Commands and status bits: Epson ESC/POS command reference.
One dot is 1/8 mm. Printing takes no time here; whoever feeds the bytes decides how fast they come, and `mechanics` tells how
long it would have taken. What is modelled and what not: docs/virtual-printer.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from io import BytesIO
from types import MappingProxyType

import segno
from msgspec import Struct
from PIL import Image, ImageChops
from segno.encoder import DataOverflowError

from drivers.virtual.glyphs import glyph
from drivers.virtual.paper import DOTS_PER_MM, LONGEST_ROWS, Labels, Paper, Slip

__all__ = [
    "BLADE_ROWS",
    "CODE_PAGES",
    "DOTS_PER_MM",
    "Clone",
    "Labels",
    "Motion",
    "Slip",
    "UnknownBytesError",
    "VirtualPrinter",
]

BLADE_ROWS = 96
"""From the head to the blade: what a cut without a feed leaves inside."""
CODE_PAGES = {
    0: "cp437", 2: "cp850", 3: "cp860", 4: "cp863", 5: "cp865", 13: "cp857", 14: "cp737", 15: "iso8859_7", 16: "cp1252",
    17: "cp866", 18: "cp852", 19: "cp858", 32: "cp720", 33: "cp775", 34: "cp855", 35: "cp861", 36: "cp862", 37: "cp864",
    38: "cp869", 39: "iso8859_2", 40: "iso8859_15", 45: "cp1250", 46: "cp1251", 47: "cp1253", 48: "cp1254", 49: "cp1255",
    50: "cp1256", 51: "cp1257", 52: "cp1258",
}  # fmt: skip
"""Those of the reference that Python knows: the n of `ESC t`, and the codec."""
LOGO_BYTES = 65536
"""What the memory for stored logos holds."""

_LINE_SPACING = 30
_MOST_RASTER_ROWS = 2303
_LONGEST_FEED = 1016 * DOTS_PER_MM
"""What one command feeds at most."""
_QR_LEVELS = {48: "L", 49: "M", 50: "Q", 51: "H"}
_CLEAR = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"
_REAL_TIME = re.compile(rb"\x10(?:\x04[\x01-\x04]|\x05[\x01\x02]|\x14\x08\x01\x03\x14\x01\x06\x02\x08)")
_LIKE_REAL_TIME = re.compile(rb"\x10(?:\x04[\x01-\x04]|[\x05\x14])")
_LENGTHS = {
    2: (b"\x1b@", b"\x1b2", b"\x1c.", b"\x1d\x0c"),
    3: (b"\x10\x04", b"\x10\x05", b"\x1bt", b"\x1bR", b"\x1bE", b"\x1ba", b"\x1bJ", b"\x1bd", b"\x1b3", b"\x1d!", b"\x1dr",
        b"\x1da", b"\x1dI"),
    4: (b"\x1b$", b"\x1dL", b"\x1dW", b"\x1cp"),
}  # fmt: skip
_LENGTH = {command: length for length, commands in _LENGTHS.items() for command in commands}
"""Commands of a fixed length."""


class UnknownBytesError(ValueError):
    """Bytes that this printer does not understand; it goes on after `skip` of them."""

    def __init__(self, message: str, skip: int = 1) -> None:
        super().__init__(message)
        self.skip = skip


class Clone(Struct, frozen=True, kw_only=True):
    """What a cheap printer leaves out and makes up. It takes nothing for an error, and unknown commands for text."""

    lacks: frozenset[bytes] = frozenset({b"\x1d(k", b"\x1d(H", b"\x1cq", b"\x1cp"})
    """The first two or three bytes of commands that it does not know: what follows the first one is printed."""
    questions: frozenset[int] = frozenset({1, 4})
    """Which DLE EOT it answers."""
    code_pages: Mapping[int, str] = {}
    """Numbers of `ESC t` that select another code page than the reference says; an empty codec: which are ignored."""
    names: Mapping[int, bytes] = MappingProxyType({66: b"EPSON", 67: b"TM-T88V"})
    """What it answers to `GS I`: 66 asks for the maker, 67 for the model."""


class Motion(Struct, frozen=True):
    """What a command moved: known to the printer after `at` bytes, so many rows of paper, and what the cutter did."""

    at: int
    rows: int
    to_blade: bool = False
    """Whether the paper was also moved until its last row was at the blade."""
    cut: bool = False


class VirtualPrinter:
    """A thermal printer: feed it bytes, get its replies, look at its paper.

    `dots` is the printable width. With `strict`, bytes that it does not understand raise `UnknownBytesError`; else they are
    noted in `errors` and passed over. `cutter` is whether it has one: without, staff calls `tear`. `clone` is what it gets
    wrong, `labels` the paper when it is no roll, `lost_left` how many dots of the head have no paper under them. It starts each
    job in Chinese mode, as cheap printers do, until `FS .` ends that. All methods that return bytes return replies, which go to
    the host.
    """

    def __init__(
        self,
        *,
        dots: int = 576,
        cutter: bool = True,
        strict: bool = True,
        buffer_bytes: int = 65536,
        clone: Clone | None = None,
        labels: Labels | None = None,
        lost_left: int = 0,
    ) -> None:
        self.dots = dots
        self.cutter = cutter
        self.strict = strict and clone is None
        self.papers: list[Slip] = []
        """What came out whole, one slip for each cut or tear."""
        self.scraps: list[Slip] = []
        """What staff tore off when they changed the paper or freed it."""
        self.errors: list[str] = []
        self.bytes_received = 0
        self.questions = clone.questions if clone else frozenset({1, 2, 3, 4})
        """Which DLE EOT it answers; many a cheap one knows but 1 and 4, or none."""
        self.watch: Callable[[Motion], None] | None = None
        """Called after each command that moved something."""
        self.logo_writes = 0
        """How often stored logos were written: the memory wears out, ten times a day is too often."""
        self._clone = clone
        self._code_pages = CODE_PAGES | dict(clone.code_pages if clone else {})
        self._paper = Paper(dots, labels=labels, lost_left=lost_left)
        self._logos: dict[int, Image.Image] = {}
        self._buffer_bytes = buffer_bytes
        self._powered = self._has_paper = True
        self._low = self._cover_open = self._muted = False
        self._cutter_jam = self._paper_jam = self._loose = False
        self._due: tuple[int, Callable[[], None]] | None = None
        self._moved = 0
        self._to_blade = self._has_cut = False
        self._told = b""
        self._input = bytearray()
        self._tail = b""
        self._initialise()

    def become(self, *, dots: int, cutter: bool, labels: Labels | None = None, lost_left: int = 0) -> None:
        """Be another model with other paper; only while nothing is printed."""
        self.cutter = cutter
        if not self._paper.height:
            self.dots = dots
            self._paper = Paper(dots, labels=labels, lost_left=lost_left)
            self._initialise()

    # The wire

    @property
    def room(self) -> int:
        """How many bytes its receive buffer still takes."""
        # While it prints, what is left in the buffer is one command that it takes in as it comes, however long.
        return self._buffer_bytes if self.can_print else max(0, self._buffer_bytes - len(self._input))

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they come, in any chunking, print what can be printed, and return the replies."""
        if not self._powered:
            return b""
        self.bytes_received += len(data)
        # Real-time commands are carried out as they arrive, in whatever they are hidden.
        replies = bytearray()
        seen, done, cleared = self._tail + data, 0, 0
        for match in _REAL_TIME.finditer(seen):
            done = match.end()
            answer, clears = self._real_time(match[0])
            replies += answer
            if clears:
                self._clear()
                cleared = done
        data = seen[max(cleared, len(self._tail)) :]
        self._tail = seen[done:][1 - len(_CLEAR) :]
        self._input += data
        replies += self._push() + self._work()
        return self._aloud(replies)

    def drop_input(self) -> None:
        """Forget what was received and not yet printed, as network printers do when the connection goes."""
        self._clear()
        self._tail = b""
        self._initialise()

    # What the world does

    def paper_out(self) -> bytes:
        """Let the roll end."""
        self._end_paper()
        return self._changed()

    def paper_out_after(self, rows: int) -> None:
        """Let the roll end when so many more rows were printed."""
        self._due = rows, self._end_paper

    def paper_in(self) -> bytes:
        """Put a new roll in; what stuck out of the printer half-printed is torn off."""
        self._has_paper, self._low, self._due = True, False, None
        self._paper.place = 0
        self._tear_to(self.scraps)
        return self._changed()

    def paper_low(self) -> bytes:
        """Let the roll be nearly at its end."""
        self._low = True
        return self._changed()

    def cover_open(self) -> bytes:
        """Open the cover."""
        self._cover_open = True
        return self._changed()

    def cover_close(self) -> bytes:
        """Close the cover."""
        self._cover_open = False
        return self._changed()

    def jam(self, *, loose: bool = False) -> bytes:
        """Let the cutter jam. A `loose` jam is overcome when the host asks to try again (`DLE ENQ`)."""
        self._cutter_jam, self._loose = True, loose
        return self._changed()

    def jam_paper(self, *, loose: bool = False) -> bytes:
        """Let the paper jam, which stops the motor; `loose` as with the cutter."""
        self._jam_paper()
        self._loose = loose
        return self._changed()

    def jam_paper_after(self, rows: int) -> None:
        """Let the paper jam when so many more rows were printed."""
        self._due = rows, self._jam_paper

    def clear_jam(self) -> bytes:
        """Free the cutter; free the paper, and tear off what is crumpled."""
        if self._paper_jam:
            self._tear_to(self.scraps)
        self._cutter_jam = self._paper_jam = False
        return self._changed()

    def power_cut(self) -> None:
        """Pull the mains plug. What is on paper stays, stored logos too; all else is gone."""
        self._powered = False

    def power_cut_after(self, rows: int) -> None:
        """Pull the mains plug when so many more rows were printed."""
        self._due = rows, self.power_cut

    def power_on(self) -> None:
        """Put the mains plug in."""
        self.drop_input()
        self._powered = True

    def mute(self) -> None:
        """Say nothing from now on."""
        self._muted = True

    def unmute(self) -> None:
        """Answer again."""
        self._muted = False

    def tear(self) -> None:
        """Tear off what was printed, as staff does on a printer without a cutter."""
        self._tear_to(self.papers)

    @property
    def sticking_out(self) -> Slip:
        """What was printed so far and hangs out of the printer, neither cut nor torn off."""
        return self._paper.look()

    @property
    def rows_out(self) -> int:
        """How many rows of paper stick out."""
        return self._paper.height

    @property
    def powered(self) -> bool:
        """Whether it has power."""
        return self._powered

    @property
    def can_print(self) -> bool:
        """Whether nothing keeps it from printing."""
        return self._powered and self._has_paper and not self._cover_open and not self._jammed

    @property
    def _jammed(self) -> bool:
        return self._cutter_jam or self._paper_jam

    def _end_paper(self) -> None:
        self._has_paper = False

    def _jam_paper(self) -> None:
        self._paper_jam, self._loose = True, False

    def _tear_to(self, pile: list[Slip]) -> None:
        if self._paper.height:
            pile.append(self._paper.take(self._paper.height))

    # Replies

    def _aloud(self, replies: bytes | bytearray) -> bytes:
        return bytes(replies) if self._powered and not self._muted else b""

    def _real_time(self, command: bytes) -> tuple[bytes, bool]:
        """Carry out a real-time command; return the answer, and whether the buffers are to be cleared."""
        if self._clone is not None and command[:2] in self._clone.lacks:
            return b"", False
        if command == _CLEAR:
            self._recover()
            return b"\x37\x25\x00", True
        kind, n = command[1:3]
        if kind == 4:
            return (bytes([self._status(n)]) if n in self.questions else b""), False
        # Without an error there is nothing to recover from, and nothing is cleared.
        return b"", self._recover() and n == 2

    def _recover(self) -> bool:
        if not (self._jammed and self._loose):
            return False
        self._cutter_jam = self._paper_jam = False
        return True

    def _status(self, question: int) -> int:
        if question == 1:
            bits = 0x08 * (not self.can_print)
        elif question == 2:
            bits = 0x04 * self._cover_open | 0x20 * (not self._has_paper) | 0x40 * self._jammed
        elif question == 3:
            bits = 0x04 * self._paper_jam | 0x08 * self._cutter_jam
        else:
            bits = 0x0C * self._low | 0x60 * (not self._has_paper)
        return 0x12 | bits

    def _push(self) -> bytes:
        state = bytes([
            0x10 | 0x08 * (not self.can_print) | 0x20 * self._cover_open,
            0x04 * self._paper_jam | 0x08 * self._cutter_jam,
            0x03 * self._low | 0x0C * (not self._has_paper),
            0,
        ])  # fmt: skip
        if not self._pushes or state == self._told:
            return b""
        self._told = state
        return state

    def _changed(self) -> bytes:
        return self._aloud(self._push() + self._work())

    # Commands

    def _work(self) -> bytes:
        """Carry out what is complete in the buffer, as long as printing is possible."""
        replies = bytearray()
        while self._input and self.can_print:
            try:
                length, reply = self._command()
            except UnknownBytesError as error:
                self.errors.append(str(error))
                if self.strict:
                    raise
                length, reply = error.skip, b""
            if length == 0:
                break
            del self._input[:length]
            self._tell_motion()
            replies += reply + self._push()
        return bytes(replies)

    def _tell_motion(self) -> None:
        if self.watch is not None and (self._moved or self._has_cut):
            self.watch(Motion(self.bytes_received - len(self._input), self._moved, self._to_blade, self._has_cut))
        self._moved, self._to_blade, self._has_cut = 0, False, False

    def _command(self) -> tuple[int, bytes]:
        """Carry out the command at the buffer's start; return its length (0 when it is not complete) and a reply."""
        have = self._input
        first = have[0]
        if first >= 0x20:
            return self._text(), b""
        if first == 0x0A:
            self._line_feed(self._spacing)
            return 1, b""
        if first == 0x00:
            # Ignored by printers, so that a command torn by a lost connection can be filled up.
            return 1, b""
        if first not in b"\x10\x1b\x1c\x1d":
            raise self._unknown(1)
        if len(have) < 2:
            return 0, b""
        for lack in self._clone.lacks if self._clone else ():
            if have.startswith(lack):
                raise self._unknown(len(lack))
        command = bytes(have[:2])
        if length := _LENGTH.get(command):
            if len(have) < length:
                return 0, b""
            return length, self._short(command, bytes(have[2:length]))
        match command:
            case b"\x10\x14":
                return self._pulse(), b""
            case b"\x1dV":
                return self._cut(), b""
            case b"\x1dv":
                return self._raster(), b""
            case b"\x1d(":
                return self._extended()
            case b"\x1cq":
                return self._store_logos(), b""
            case _:
                raise self._unknown(2)

    def _unknown(self, length: int, skip: int = 1) -> UnknownBytesError:
        at = self.bytes_received - len(self._input)
        return UnknownBytesError(f"{self._input[:length].hex(' ')} after byte {at}", skip)

    def _short(self, command: bytes, arguments: bytes) -> bytes:
        """Carry out a command of fixed length; return a reply."""
        n = int.from_bytes(arguments, "little")
        at_start = not self._line
        match command:
            case b"\x10\x04" if n in {1, 2, 3, 4}:
                pass  # Was answered when it came; so with DLE ENQ.
            case b"\x10\x05" if n in {0, 1, 2}:
                pass
            case b"\x1b@":
                self._initialise()
            case b"\x1c.":
                self._chinese = False
            case b"\x1bt" if n in self._code_pages:
                if codec := self._code_pages[n]:
                    self._code_page = codec
            case b"\x1bR" if n == 0:
                pass  # The letters of the USA: none of them is changed.
            case b"\x1d!" if n & 0x88 == 0:
                self._width, self._tall = 1 + (n >> 4), 1 + (n & 7)
            case b"\x1bE":
                self._bold = bool(n & 1)
            case b"\x1ba" if n in {0, 1, 2, 48, 49, 50} and at_start:
                self._align = n & 3
            case b"\x1b2":
                self._spacing = _LINE_SPACING
            case b"\x1b3":
                self._spacing = n
            case b"\x1bJ":
                self._line_feed(n)
            case b"\x1bd":
                self._line_feed(min(n * self._spacing, _LONGEST_FEED))
            case b"\x1d\x0c" if at_start:
                # Ignored where no labels or marks are.
                self._feed(self._paper.to_next_label)
            case b"\x1b$":
                self._x = n
            case b"\x1dL" if at_start:
                self._left = n
            case b"\x1dW" if at_start:
                self._area = n
            case b"\x1cp" if arguments[0] and arguments[1] in {0, 1, 2, 3, 48, 49, 50, 51} and at_start:
                self._print_logo(*arguments)
            case b"\x1dr" if n in {1, 49}:
                return bytes([0x03 * self._low])
            case b"\x1dr" if n in {2, 50}:
                return b"\x00"
            case b"\x1da":
                self._pushes, self._told = bool(n & 0x0E), b""
            case b"\x1dI" if n in {1, 2, 3, 49, 50, 51}:
                return bytes([(0x20, 0x02 * self.cutter, 0x01)[n - 1 & 3]])
            case b"\x1dI" if 65 <= n <= 69:
                names = self._clone.names if self._clone else {65: b"1.00", 66: b"FIKATAP", 67: b"VIRTUAL", 68: b"1"}
                return b"\x5f" + names.get(n, b"") + b"\x00"
            case _:
                # Known, but not with these values, or not within a line: it has no effect.
                raise self._unknown(2 + len(arguments), 2 + len(arguments))
        return b""

    def _pulse(self) -> int:
        """Pass over a real-time command: for the drawer, to switch off, to clear; the last was carried out when it came."""
        have = self._input
        if len(have) < 3:
            return 0
        length = {1: 5, 2: 5, 8: len(_CLEAR)}.get(have[2])
        if length is None:
            raise self._unknown(3)
        return length if len(have) >= length else 0

    def _cut(self) -> int:
        have = self._input
        if len(have) < 3:
            return 0
        if have[2] not in {0, 1, 48, 49, 65, 66}:
            raise self._unknown(3, 3)
        feeds = have[2] in {65, 66}
        length = 3 + feeds
        if len(have) < length:
            return 0
        if self._line:
            raise self._unknown(length, length)
        if feeds:
            self._feed(have[3])
        if self.cutter and self.can_print:
            # At a label's start the end of the one before is brought to the blade, and the paper then drawn back.
            self._to_blade, self._has_cut = feeds or self._paper.at_label, True
            end = self._paper.height - (0 if self._to_blade else BLADE_ROWS)
            if end > 0:
                self.papers.append(self._paper.take(end))
        return length

    def _raster(self) -> int:
        have = self._input
        if len(have) < 8:
            return 0
        across, rows = have[4] | have[5] << 8, have[6] | have[7] << 8
        if have[2] != 0x30 or have[3] not in {0, 1, 2, 3, 48, 49, 50, 51} or not across or not 0 < rows <= _MOST_RASTER_ROWS:
            raise self._unknown(8)
        length = 8 + across * rows
        if len(have) < length:
            return 0
        if self._line:
            raise self._unknown(8, length)
        data = bytes(have[8:length])
        if _LIKE_REAL_TIME.search(data):
            self._complain(f"a real-time command inside the image of {across}×{rows} bytes")
        kept = min(across, self.dots // 8 + 1)
        if kept < across:
            data = b"".join(data[start : start + kept] for start in range(0, len(data), across))
        # Raster bits are black where set; so is the paper until it comes out.
        self._paste(_zoomed(Image.frombytes("1", (kept * 8, rows), data), have[3]))
        return length

    def _store_logos(self) -> int:
        """Replace all stored logos by new ones, whose bytes go down column after column; it starts anew after that."""
        have = self._input
        logos: list[Image.Image] = []
        at = 3
        while len(have) >= 3 and len(logos) < have[2]:
            if len(have) < at + 4:
                return 0
            across, down = have[at] | have[at + 1] << 8, have[at + 2] | have[at + 3] << 8
            size = across * 8 * down
            if not (0 < across <= 1023 and 0 < down <= 288) or at + 4 + size > LOGO_BYTES:
                raise self._unknown(at + 4)
            if len(have) < at + 4 + size:
                return 0
            columns = Image.frombytes("1", (down * 8, across * 8), bytes(have[at + 4 : at + 4 + size]))
            logos.append(columns.transpose(Image.Transpose.TRANSPOSE))
            at += 4 + size
        if len(have) < 3:
            return 0
        if not logos or self._line:
            raise self._unknown(3, at)
        if _LIKE_REAL_TIME.search(have[3:at]):
            self._complain("a real-time command inside a logo")
        self._logos = dict(enumerate(logos, 1))
        self.logo_writes += 1
        self._initialise()
        return at

    def _print_logo(self, number: int, mode: int) -> None:
        if logo := self._logos.get(number):
            self._paste(_zoomed(logo, mode))
        else:
            # No error of the bytes: nothing is printed then.
            self.errors.append(f"logo {number} is not stored")

    def _extended(self) -> tuple[int, bytes]:
        have = self._input
        if len(have) < 5:
            return 0, b""
        length = 5 + (have[3] | have[4] << 8)
        group = bytes(have[2:3])
        if group not in {b"H", b"k"}:
            raise self._unknown(5)
        if len(have) < length:
            return 0, b""
        body = bytes(have[5:length])
        if group == b"H" and len(body) == 6 and body[:2] == b"00" and all(0x20 <= d <= 0x7E for d in body[2:]):
            return length, b"\x37\x22" + body[2:] + b"\x00"
        if group == b"k" and body[:1] == b"1":
            if _LIKE_REAL_TIME.search(body):
                self._complain("a real-time command inside a QR code")
            match body[1:2], body[2:]:
                case b"A", b"1\x00" | b"2\x00":
                    pass
                case b"C", size if len(size) == 1 and 1 <= size[0] <= 16:
                    self._qr_size = size[0]
                case b"E", level if len(level) == 1 and level[0] in _QR_LEVELS:
                    self._qr_level = _QR_LEVELS[level[0]]
                case b"P", stored if stored[:1] == b"0" and len(stored) > 1:
                    self._qr_data = stored[1:]
                case b"Q", b"0" if self._qr_data and not self._line:
                    self._draw_qr()
                case _:
                    raise self._unknown(length, length)
            return length, b""
        raise self._unknown(length, length)

    def _complain(self, error: str) -> None:
        """Note what is understood but goes wrong on paper."""
        if self.strict:
            raise UnknownBytesError(error)
        self.errors.append(error)

    # Drawing

    def _clear(self) -> None:
        """Forget what is received and what stands in the line that is not printed yet."""
        self._input.clear()
        self._line.clear()
        self._words, self._x = "", 0

    def _initialise(self) -> None:
        self._line: list[tuple[int, Image.Image]] = []
        self._words = ""
        self._x = 0
        self._left, self._area = 0, self.dots
        self._align = 0
        self._width = self._tall = 1
        self._bold = False
        self._spacing = _LINE_SPACING
        self._code_page = CODE_PAGES[0]
        self._chinese = True
        self._pushes = False
        self._qr_data, self._qr_size, self._qr_level = b"", 3, "L"

    @property
    def _room_across(self) -> int:
        return min(self._area, self.dots - self._left)

    def _text(self) -> int:
        have = self._input
        taken = 1
        if self._chinese and have[0] > 0x80:
            if len(have) < 2:
                return 0
            taken = 2
        code_page = "gb18030" if taken == 2 else self._code_page
        try:
            character = bytes(have[:taken]).decode(code_page)
        except UnicodeDecodeError:
            self._complain(f"{have[:taken].hex(' ')} is no letter of {code_page}")
            character = "\N{REPLACEMENT CHARACTER}"
        drawn = glyph(character, bold=self._bold, columns=taken, wide=self._width, tall=self._tall)
        if self._line and self._x + drawn.width > self._room_across:
            self._line_feed(self._spacing)
        self._line.append((self._x, drawn))
        self._words += character
        self._x += drawn.width
        return taken

    def _line_feed(self, rows: int) -> None:
        """Print the line and move on: by `rows` from its top, or by its own height when that is more."""
        if self._line:
            shift = (self._room_across - self._x) * self._align // 2
            height = max(drawn.height for _, drawn in self._line)
            line = Image.new("1", (self.dots, height))
            for x, drawn in self._line:
                line.paste(drawn, (self._left + shift + x, height - drawn.height))
            top = self._paper.height
            self._paper.texts.append(self._words)
            self._line, self._words = [], ""
            self._feed(max(rows, height))
            self._draw(line, (0, top))
        else:
            self._feed(rows)
        self._x = 0

    def _paste(self, image: Image.Image) -> None:
        """Print a picture below what is there, at the position and alignment of now."""
        room = self._room_across - self._x
        if image.width > room:
            self._complain(f"a picture of {image.width} dots where {room} have room")
        x = self._left + self._x + max(0, room - image.width) * self._align // 2
        top = self._paper.height
        self._x = 0
        self._feed(image.height)
        self._draw(image, (x, top))

    def _draw_qr(self) -> None:
        try:
            code = segno.make(self._qr_data, error=self._qr_level, micro=False, boost_error=False)
        except DataOverflowError:
            self._complain(f"{len(self._qr_data)} bytes are too many for a QR code")
            return
        file = BytesIO()
        code.save(file, kind="png", scale=self._qr_size, border=0)
        self._paste(ImageChops.invert(Image.open(file).convert("L")).convert("1"))
        self._paper.qr.append(self._qr_data.decode(errors="replace"))

    def _feed(self, rows: int) -> None:
        """Move the paper, up to what keeps it from moving."""
        due, self._due = self._due, None
        if due is not None:
            left, happens = due
            rows = min(rows, left)
            if rows < left:
                self._due = left - rows, happens
        self._paper.feed(rows)
        self._moved += rows
        if due is not None and self._due is None:
            due[1]()
        if self._paper.height > LONGEST_ROWS:
            self._paper.renew()
            self._complain(f"{LONGEST_ROWS // DOTS_PER_MM} mm of paper without a cut")

    def _draw(self, image: Image.Image, at: tuple[int, int]) -> None:
        if not self._paper.draw(image, at):
            self._complain("printed over the gap between two labels")


def _zoomed(image: Image.Image, mode: int) -> Image.Image:
    """Return the image as wide and as tall as the mode of a raster or logo command says."""
    return image.resize((image.width * (1 + (mode & 1)), image.height * (1 + (mode >> 1 & 1))))
