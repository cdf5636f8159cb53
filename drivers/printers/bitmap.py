"""Pictures of one bit a dot: rows of Python integers, put together, trimmed to ink, and turned into printer bytes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import sha256

from msgspec import Struct

from kiosk.values import Symbol

# Printers act on DLE EOT, DLE ENQ and DLE DC4 even in the middle of a picture.
_REAL_TIME = re.compile(rb"\x10(?=[\x04\x05\x14])")


class Bitmap(Struct, frozen=True):
    """A picture `width` dots wide; of each row, the highest bit is the leftmost dot and 1 is black."""

    width: int
    rows: tuple[int, ...]

    @property
    def height(self) -> int:
        """Rows."""
        return len(self.rows)

    @property
    def row_bytes(self) -> int:
        """Bytes of a row in `data`."""
        return (self.width + 7) // 8

    @property
    def data(self) -> bytes:
        """All rows, each filled up to whole bytes, without real-time commands of ESC/POS."""
        fill = self.row_bytes * 8 - self.width
        return without_real_time(b"".join((row << fill).to_bytes(self.row_bytes) for row in self.rows))

    @property
    def digest(self) -> str:
        """A short name for exactly this picture."""
        return sha256(b"%d:" % self.width + self.data).hexdigest()[:16]

    def trimmed(self) -> Bitmap:
        """Return the same picture without its white margins."""
        ink = 0
        for row in self.rows:
            ink |= row
        if not ink:
            return Bitmap(0, ())
        right = (ink & -ink).bit_length() - 1
        first = next(y for y, row in enumerate(self.rows) if row)
        last = next(y for y in range(self.height, 0, -1) if self.rows[y - 1])
        return Bitmap(ink.bit_length() - right, tuple(row >> right for row in self.rows[first:last]))

    def turned(self) -> Bitmap:
        """Return the picture turned to the left: its top row becomes the leftmost column."""
        columns = zip(*(f"{row:0{self.width}b}" for row in self.rows), strict=True)
        return Bitmap(self.height, tuple(int("".join(column), 2) for column in columns)[::-1])

    def halved(self) -> Bitmap:
        """Return the picture at half the resolution: black where at least two of four dots are."""
        wide, high = (self.width + 1) // 2, (self.height + 1) // 2
        bits = [f"{row << self.width % 2:0{2 * wide}b}" for row in self.rows] + ["0" * 2 * wide] * (self.height % 2)
        return Bitmap(
            wide,
            tuple(
                int("".join("01"[(above + below).count("1") >= 2] for above, below in _pairs(*bits[2 * y : 2 * y + 2])), 2)
                for y in range(high)
            ),
        )

    def fatter(self, dots: int) -> Bitmap:
        """Return the picture with all its strokes so many dots wider and higher."""
        rows: list[int] = [row << dots for row in self.rows] + [0] * dots
        for _ in range(dots):
            rows = [row | row >> 1 | above | above >> 1 for row, above in zip(rows, [0, *rows], strict=False)]
        return Bitmap(self.width + dots, tuple(rows))


def without_real_time(dots: bytes) -> bytes:
    """Return dots of a picture without real-time commands of ESC/POS.

    A byte that would begin such a command gets one more black dot beside its own, which nobody sees and which can't begin
    another.
    """
    return _REAL_TIME.sub(b"\x18", dots)


def _pairs(above: str, below: str) -> Iterator[tuple[str, str]]:
    return ((above[x : x + 2], below[x : x + 2]) for x in range(0, len(above), 2))


def compose(parts: Iterable[tuple[int, int, Bitmap]]) -> Bitmap:
    """Return the pictures put together at their (left, top), trimmed to ink; any offsets, y downwards."""
    placed = [part for part in parts if part[2].width and part[2].height]
    if not placed:
        return Bitmap(0, ())
    left, top = min(x for x, _, _ in placed), min(y for _, y, _ in placed)
    width = max(x + part.width for x, _, part in placed) - left
    height = max(y + part.height for _, y, part in placed) - top
    return on_canvas(width, height, [(x - left, y - top, part) for x, y, part in placed]).trimmed()


def on_canvas(width: int, height: int, parts: Iterable[tuple[int, int, Bitmap]]) -> Bitmap:
    """Return a white picture of that size with the pictures at their (left, top), all of them within it."""
    rows = [0] * height
    for x, y, part in parts:
        shift = width - x - part.width
        for number, row in enumerate(part.rows, y):
            rows[number] |= row << shift
    return Bitmap(width, tuple(rows))


def _star() -> list[tuple[float, float]]:
    return [
        (
            math.sin(turn * math.pi / 5) * (1 if turn % 2 == 0 else 0.42),
            -math.cos(turn * math.pi / 5) * (1 if turn % 2 == 0 else 0.42),
        )
        for turn in range(10)
    ]


# Corners within -1 to 1, y downwards.
_SHAPES: dict[Symbol, Sequence[tuple[float, float]]] = {
    Symbol.CIRCLE: [(math.sin(turn * math.pi / 32), math.cos(turn * math.pi / 32)) for turn in range(64)],
    Symbol.SQUARE: [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
    Symbol.TRIANGLE: [(0, -0.9), (1, 0.85), (-1, 0.85)],
    Symbol.STAR: _star(),
    Symbol.DIAMOND: [(0, -1), (0.8, 0), (0, 1), (-0.8, 0)],
    Symbol.CROSS: [
        *[(-0.33, -1), (0.33, -1), (0.33, -0.33), (1, -0.33), (1, 0.33), (0.33, 0.33)],
        *[(0.33, 1), (-0.33, 1), (-0.33, 0.33), (-1, 0.33), (-1, -0.33), (-0.33, -0.33)],
    ],
}


def symbol(shape: Symbol, size: int) -> Bitmap:
    """Return a zone's symbol, black, at most `size` dots wide and high."""
    half = size / 2
    corners = [(half + x * half, half + y * half) for x, y in _SHAPES[shape]]
    edges = list(zip(corners, [*corners[1:], corners[0]], strict=True))
    rows = []
    for y in (number + 0.5 for number in range(size)):
        crossings = sorted(x0 + (y - y0) / (y1 - y0) * (x1 - x0) for (x0, y0), (x1, y1) in edges if (y0 <= y) != (y1 <= y))
        row = 0
        for start, end in zip(crossings[::2], crossings[1::2], strict=True):
            begin, stop = max(0, round(start)), min(size, round(end))
            row |= ((1 << (stop - begin)) - 1) << (size - stop)
        rows.append(row)
    return Bitmap(size, tuple(rows)).trimmed()


# Bytes that the versions from 1 on hold with error correction M.
_QR_HOLDS = (14, 26, 42, 62, 84, 106, 122, 152, 180, 213, 251, 287)


def qr_modules(content: str) -> int:
    """Return how many modules wide a QR code (error correction M) of at most 287 bytes is, or a little more than that."""
    return 21 + 4 * sum(holds < len(content.encode()) for holds in _QR_HOLDS)


@lru_cache(maxsize=2)
def qr(content: str, module: int) -> Bitmap:
    """Return a QR code (error correction M, UTF-8) with modules of so many dots, without the white around it."""
    # Imported for printers without a QR code of their own only.
    import segno

    rows: list[int] = []
    for line in segno.make_qr(content, encoding="utf-8", error="m", boost_error=False).matrix:
        row = 0
        for dark in line:
            row = row << module | ((1 << module) - 1 if dark else 0)
        rows += [row] * module
    return Bitmap(len(rows), tuple(rows))
