"""A receipt printer without a printer: reads ESC/POS bytes strictly, draws the paper and answers as the real one would.

It knows no I/O and shares no code with what makes the bytes. Commands and status bits: Epson ESC/POS command reference.
One dot is 1/8 mm. Printing takes no time here; whoever feeds the bytes decides how fast they come.
"""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import segno
from msgspec import Struct
from PIL import Image, ImageChops, ImageDraw, ImageFont

DOTS_PER_MM = 8
BLADE_ROWS = 96
"""From the head to the blade: what a cut without a feed leaves inside."""
CODE_PAGES = {0: "cp437", 2: "cp850", 16: "cp1252", 17: "cp866", 18: "cp852", 19: "cp858"}

_CELL_WIDTH, _CELL_HEIGHT = 12, 24
_LINE_SPACING = 30
_QR_LEVELS = {48: "L", 49: "M", 50: "Q", 51: "H"}
_REAL_TIME = re.compile(rb"\x10(?:\x04[\x01-\x04]|[\x05\x14])")
_FONTS = Path(__file__).parent.parent / "printers" / "fonts"


class UnknownBytesError(ValueError):
    """Bytes that this printer does not understand."""


class Slip(Struct, frozen=True):
    """One piece of paper: its picture (mode "1", black is 0), the lines of text on it, and what its QR codes hold."""

    image: Image.Image
    texts: tuple[str, ...]
    qr: tuple[str, ...]

    def png(self) -> bytes:
        """Return the picture as PNG."""
        file = BytesIO()
        self.image.save(file, "PNG", dpi=(25.4 * DOTS_PER_MM,) * 2)
        return file.getvalue()


class _Glyphs:
    """Characters drawn once in their cell, white on black, as a printer's own font would be."""

    def __init__(self) -> None:
        self._drawn: dict[tuple[str, bool, int], Image.Image] = {}
        self._fonts: dict[bool, ImageFont.FreeTypeFont | ImageFont.ImageFont] = {}

    def glyph(self, character: str, *, bold: bool, columns: int) -> Image.Image:
        key = (character, bold, columns)
        if key not in self._drawn:
            self._drawn[key] = self._draw(character, bold=bold, width=columns * _CELL_WIDTH)
        return self._drawn[key]

    def _draw(self, character: str, *, bold: bool, width: int) -> Image.Image:
        if bold not in self._fonts:
            self._fonts[bold] = self._font(bold=bold)
        font = self._fonts[bold]
        wide = max(width, round(font.getlength(character)))
        cell = Image.new("1", (wide, _CELL_HEIGHT))
        ImageDraw.Draw(cell).text(((wide - font.getlength(character)) / 2, 18), character, fill=1, font=font, anchor="ls")
        return cell.resize((width, _CELL_HEIGHT))

    @staticmethod
    def _font(*, bold: bool) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
        fonts = sorted(_FONTS.glob(f"NotoSans-{'Bold' if bold else 'Regular'}*.ttf"))
        return ImageFont.truetype(fonts[0], 19) if fonts else ImageFont.load_default(19)


_GLYPHS = _Glyphs()


class VirtualPrinter:
    """A thermal printer: feed it bytes, get its replies, look at its paper.

    `dots` is the printable width. With `strict`, bytes that it does not understand raise `UnknownBytesError`; else they are
    noted in `errors` and skipped one by one. `cutter` is whether it has one: without, staff calls `tear`. It starts each
    job in Chinese mode, as cheap printers do, until `FS .` ends that. All methods that return bytes return replies, which go
    to the host.
    """

    def __init__(self, *, dots: int = 576, cutter: bool = True, strict: bool = True, buffer_bytes: int = 65536) -> None:
        self.dots = dots
        self.cutter = cutter
        self.strict = strict
        self.papers: list[Slip] = []
        """What came out whole, one slip for each cut or tear."""
        self.scraps: list[Slip] = []
        """What staff tore off when they changed the paper."""
        self.errors: list[str] = []
        self.bytes_received = 0
        self.questions = frozenset({1, 2, 3, 4})
        """Which DLE EOT it answers; many a cheap one knows but 1 and 4, or none."""
        self._buffer_bytes = buffer_bytes
        self._has_paper = True
        self._low = False
        self._cover_open = False
        self._jammed = False
        self._muted = False
        self._rows_left: int | None = None
        self._pushes = False
        self._told = b""
        self._input = bytearray()
        self._tail = b""
        self._spacing = _LINE_SPACING
        self._clear_slip()
        self._initialise()

    def become(self, *, dots: int, cutter: bool) -> None:
        """Be another model; only while nothing is printed."""
        self.dots, self.cutter = dots, cutter
        if not self._height:
            self._clear_slip()
            self._initialise()

    # The wire

    @property
    def room(self) -> int:
        """How many bytes its receive buffer still takes."""
        return max(0, self._buffer_bytes - len(self._input))

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they come, in any chunking, print what can be printed, and return the replies."""
        self.bytes_received += len(data)
        # Real-time questions are answered as they arrive, in whatever they are hidden.
        replies = bytearray()
        seen = self._tail + data
        for match in re.finditer(rb"\x10\x04([\x01-\x04])", seen):
            if match[1][0] in self.questions:
                replies += self._real_time(match[1][0])
        self._tail = b"" if re.search(rb"\x10\x04[\x01-\x04]\Z", seen) else seen[-2:]
        self._input += data
        replies += self._work()
        return self._aloud(replies)

    def drop_input(self) -> None:
        """Forget what was received and not yet printed, as network printers do when the connection goes."""
        self._input.clear()
        self._tail = b""
        self._pushes = False
        self._initialise()

    # What the world does

    def paper_out(self) -> bytes:
        """Let the roll end."""
        self._has_paper = False
        return self._changed()

    def paper_out_after(self, rows: int) -> None:
        """Let the roll end when so many more rows were printed."""
        self._rows_left = rows

    def paper_in(self) -> bytes:
        """Put a new roll in; what stuck out of the printer half-printed is torn off."""
        self._has_paper, self._low, self._rows_left = True, False, None
        if self._height:
            self.scraps.append(self._finish(self._height))
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

    def jam(self) -> bytes:
        """Let the cutter jam."""
        self._jammed = True
        return self._changed()

    def unjam(self) -> bytes:
        """Free the cutter."""
        self._jammed = False
        return self._changed()

    def mute(self) -> None:
        """Say nothing from now on."""
        self._muted = True

    def unmute(self) -> None:
        """Answer again."""
        self._muted = False

    def tear(self) -> None:
        """Tear off what was printed, as staff does on a printer without a cutter."""
        if self._height:
            self.papers.append(self._finish(self._height))

    @property
    def can_print(self) -> bool:
        """Whether nothing keeps it from printing."""
        return self._has_paper and not self._cover_open and not self._jammed

    # Replies

    def _aloud(self, replies: bytes | bytearray) -> bytes:
        return b"" if self._muted else bytes(replies)

    def _real_time(self, question: int) -> bytes:
        bits = 0x12
        if question == 1:
            bits |= 0x08 * (not self.can_print)
        elif question == 2:
            bits |= 0x04 * self._cover_open | 0x20 * (not self._has_paper) | 0x40 * self._jammed
        elif question == 3:
            bits |= 0x08 * self._jammed
        else:
            bits |= 0x0C * self._low | 0x60 * (not self._has_paper)
        return bytes([bits])

    def _push(self) -> bytes:
        state = bytes([
            0x10 | 0x08 * (not self.can_print) | 0x20 * self._cover_open,
            0x08 * self._jammed,
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
                length, reply = self._command(bytes(self._input[:1]))
            except UnknownBytesError as error:
                self.errors.append(str(error))
                if self.strict:
                    raise
                length, reply = 1, b""
            if length == 0:
                break
            del self._input[:length]
            replies += reply + self._push()
        return bytes(replies)

    def _command(self, first: bytes) -> tuple[int, bytes]:
        """Carry out the command at the buffer's start; return its length (0 when it is not complete) and a reply."""
        have = self._input
        if first[0] >= 0x20:
            return self._text(), b""
        if first == b"\n":
            self._line_feed(self._spacing)
            return 1, b""
        if first == b"\x00":
            # Ignored by printers, so that a command torn by a lost connection can be filled up.
            return 1, b""
        if first not in {b"\x10", b"\x1b", b"\x1c", b"\x1d"}:
            raise self._unknown(1)
        if len(have) < 2:
            return 0, b""
        match bytes(have[:2]):
            case b"\x10\x04":
                return (3 if len(have) >= 3 else 0), b""
            case b"\x1b@":
                self._initialise()
                return 2, b""
            case b"\x1c.":
                self._chinese = False
                return 2, b""
            case b"\x1b2":
                self._spacing = _LINE_SPACING
                return 2, b""
            case b"\x1bt" | b"\x1bR" | b"\x1d!" | b"\x1bE" | b"\x1ba" | b"\x1bJ" | b"\x1bd" | b"\x1b3" | b"\x1dr" | b"\x1da":
                if len(have) < 3:
                    return 0, b""
                return 3, self._one_byte(bytes(have[:2]), have[2])
            case b"\x1b$" | b"\x1dL" | b"\x1dW":
                if len(have) < 4:
                    return 0, b""
                self._two_bytes(bytes(have[:2]), have[2] | have[3] << 8)
                return 4, b""
            case b"\x1dV":
                return self._cut()
            case b"\x1dv":
                return self._raster(), b""
            case b"\x1d(":
                return self._extended()
            case _:
                raise self._unknown(2)

    def _unknown(self, length: int) -> UnknownBytesError:
        return UnknownBytesError(f"{self._input[:length].hex(' ')} after byte {self.bytes_received - len(self._input)}")

    def _one_byte(self, command: bytes, n: int) -> bytes:
        match command:
            case b"\x1bt" if n in CODE_PAGES:
                self._code_page = CODE_PAGES[n]
            case b"\x1bR" if n == 0:
                pass  # The letters of the USA: none of them is changed.
            case b"\x1d!" if n & 0x88 == 0:
                self._width, self._tall = 1 + (n >> 4), 1 + (n & 7)
            case b"\x1bE":
                self._bold = bool(n & 1)
            case b"\x1ba" if n in {0, 1, 2, 48, 49, 50} and not self._line:
                self._align = n & 3
            case b"\x1bJ":
                self._line_feed(n)
            case b"\x1bd":
                self._line_feed(n * self._spacing)
            case b"\x1b3":
                self._spacing = n
            case b"\x1dr" if n in {1, 49}:
                return bytes([0x03 * self._low])
            case b"\x1dr" if n in {2, 50}:
                return b"\x00"
            case b"\x1da":
                self._pushes, self._told = bool(n & 0x0E), b""
                return self._push()
            case _:
                raise self._unknown(3)
        return b""

    def _two_bytes(self, command: bytes, value: int) -> None:
        if command == b"\x1b$":
            self._x = value
        elif self._line:
            raise self._unknown(4)
        elif command == b"\x1dL":
            self._left = value
        else:
            self._area = value

    def _cut(self) -> tuple[int, bytes]:
        have = self._input
        if len(have) < 3:
            return 0, b""
        kind = have[2]
        if kind in {0, 1, 48, 49}:
            length, end = 3, self._height - BLADE_ROWS
        elif kind in {65, 66}:
            if len(have) < 4:
                return 0, b""
            self._feed(have[3])
            length, end = 4, self._height
        else:
            raise self._unknown(3)
        if self._line:
            raise self._unknown(length)
        if self.cutter and end > 0:
            self.papers.append(self._finish(end))
        return length, b""

    def _raster(self) -> int:
        have = self._input
        if len(have) < 8:
            return 0
        if have[2] not in {0x30, 0} or have[3] not in {0, 1, 2, 3, 48, 49, 50, 51} or self._line:
            raise self._unknown(8)
        across, rows = have[4] | have[5] << 8, have[6] | have[7] << 8
        if not across or not rows:
            raise self._unknown(8)
        length = 8 + across * rows
        if len(have) < length:
            return 0
        data = bytes(have[8:length])
        if _REAL_TIME.search(data):
            self._complain(f"a real-time command inside the image of {across}×{rows} bytes")
        # Raster bits are black where set; the paper is drawn white on black and turned when it comes out.
        image = Image.frombytes("1", (across * 8, rows), data)
        image = image.resize((image.width * (1 + (have[3] & 1)), image.height * (1 + (have[3] >> 1 & 1))))
        self._paste(image)
        return length

    def _extended(self) -> tuple[int, bytes]:
        have = self._input
        if len(have) < 5:
            return 0, b""
        length = 5 + (have[3] | have[4] << 8)
        if len(have) < length:
            return 0, b""
        group, body = have[2:3], bytes(have[5:length])
        if group == b"H" and len(body) == 6 and body[:2] == b"00" and all(0x20 <= d <= 0x7E for d in body[2:]):
            return length, b"\x37\x22" + body[2:] + b"\x00"
        if group == b"k" and body[:1] == b"1":
            if _REAL_TIME.search(body):
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
                    raise self._unknown(length)
            return length, b""
        raise self._unknown(length)

    def _complain(self, error: str) -> None:
        self.errors.append(error)
        if self.strict:
            raise UnknownBytesError(error)

    # Drawing

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
        self._qr_data, self._qr_size, self._qr_level = b"", 3, "L"

    def _clear_slip(self) -> None:
        self._canvas = Image.new("1", (self.dots, 1024))
        self._height = 0
        self._texts: list[str] = []
        self._qr: list[str] = []

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
        glyph = _GLYPHS.glyph(character, bold=self._bold, columns=taken)
        glyph = glyph.resize((glyph.width * self._width, glyph.height * self._tall))
        if self._line and self._x + glyph.width > self._room_across:
            self._line_feed(self._spacing)
        self._line.append((self._x, glyph))
        self._words += character
        self._x += glyph.width
        return taken

    def _line_feed(self, rows: int) -> None:
        """Print the line and move on: by `rows` from its top, or by its own height when that is more."""
        if self._line:
            shift = (self._room_across - self._x) * self._align // 2
            height = max(glyph.height for _, glyph in self._line)
            line = Image.new("1", (self.dots, height))
            for x, glyph in self._line:
                line.paste(glyph, (self._left + shift + x, height - glyph.height))
            top = self._height
            self._texts.append(self._words)
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
        top = self._height
        self._feed(image.height)
        self._draw(image, (x, top))
        self._x = 0

    def _draw_qr(self) -> None:
        code = segno.make(self._qr_data, error=self._qr_level, micro=False, boost_error=False)
        file = BytesIO()
        code.save(file, kind="png", scale=self._qr_size, border=0)
        self._paste(ImageChops.invert(Image.open(file).convert("L")).convert("1"))
        self._qr.append(self._qr_data.decode(errors="replace"))

    def _feed(self, rows: int) -> None:
        """Move the paper, up to its end."""
        if self._rows_left is not None:
            rows = min(rows, self._rows_left)
            self._rows_left -= rows
            if not self._rows_left:
                self._has_paper, self._rows_left = False, None
        self._height += rows
        if self._height > self._canvas.height:
            self._canvas = self._canvas.crop((0, 0, self._canvas.width, 2 * self._height))

    def _draw(self, image: Image.Image, at: tuple[int, int]) -> None:
        """Draw black dots, where there is paper."""
        reach = image.crop((0, 0, image.width, max(0, min(image.height, self._height - at[1]))))
        self._canvas.paste(255, at, reach)

    def _finish(self, rows: int) -> Slip:
        """Take the first `rows` rows away as a slip; what is below stays."""
        canvas, height = self._canvas, self._height
        picture = canvas.crop((0, 0, canvas.width, rows))
        slip = Slip(image=ImageChops.invert(picture), texts=tuple(self._texts), qr=tuple(self._qr))
        self._clear_slip()
        # The rows that stay were counted when they were printed.
        self._height = height - rows
        self._canvas.paste(canvas.crop((0, rows, canvas.width, height)), (0, 0))
        return slip
