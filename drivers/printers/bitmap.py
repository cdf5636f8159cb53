"""Pictures of one bit a dot: rows of Python integers, put together, trimmed to ink, and turned into printer bytes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
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
        """All rows, each filled up to whole bytes, without real-time commands of ESC/POS.

        A byte that would begin such a command gets one more black dot beside its own, which nobody sees and which can't begin
        another.
        """
        fill = self.row_bytes * 8 - self.width
        return _REAL_TIME.sub(b"\x18", b"".join((row << fill).to_bytes(self.row_bytes) for row in self.rows))

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

    def fatter(self, dots: int) -> Bitmap:
        """Return the picture with all its strokes so many dots wider and higher."""
        rows: list[int] = [row << dots for row in self.rows] + [0] * dots
        for _ in range(dots):
            rows = [row | row >> 1 | above | above >> 1 for row, above in zip(rows, [0, *rows], strict=False)]
        return Bitmap(self.width + dots, tuple(rows))


def compose(parts: Iterable[tuple[int, int, Bitmap]]) -> Bitmap:
    """Return the pictures put together at their (left, top), trimmed to ink; any offsets, y downwards."""
    placed = [part for part in parts if part[2].width and part[2].height]
    if not placed:
        return Bitmap(0, ())
    left, top = min(x for x, _, _ in placed), min(y for _, y, _ in placed)
    width = max(x + part.width for x, _, part in placed) - left
    rows = [0] * (max(y + part.height for _, y, part in placed) - top)
    for x, y, part in placed:
        shift = width - (x - left) - part.width
        for number, row in enumerate(part.rows, y - top):
            rows[number] |= row << shift
    return Bitmap(width, tuple(rows)).trimmed()


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


def qr(content: str, module: int) -> Bitmap:
    """Return a QR code (error correction M, UTF-8) with modules of so many dots, without the white around it."""
    # Imported for printers without a QR code of their own only.
    import segno

    rows: list[int] = []
    for line in segno.make_qr(content, error="m", boost_error=False).matrix:
        row = 0
        for dark in line:
            row = row << module | ((1 << module) - 1 if dark else 0)
        rows += [row] * module
    return Bitmap(len(rows), tuple(rows))
