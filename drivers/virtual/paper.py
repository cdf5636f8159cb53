"""Thermal paper: rows that a head blackens, labels on it, and the slips that come off it."""

from __future__ import annotations

from io import BytesIO
from typing import Literal

from msgspec import Struct
from PIL import Image, ImageChops

DOTS_PER_MM = 8
LABEL_GAP_MM = 3
LONGEST_ROWS = 4000 * DOTS_PER_MM
"""What hangs out of a printer uncut at most, before it touches the floor and tears."""


class Slip(Struct, frozen=True):
    """One piece of paper: its dots, the lines of text on it, and what its QR codes hold."""

    width: int
    height: int
    dots: bytes
    """Rows of whole bytes, a bit is set where it is white."""
    texts: tuple[str, ...]
    qr: tuple[str, ...]

    @property
    def image(self) -> Image.Image:
        """The picture, mode "1", black is 0."""
        return Image.frombytes("1", (self.width, self.height), self.dots)

    def png(self) -> bytes:
        """Return the picture as PNG, in true size."""
        file = BytesIO()
        self.image.save(file, "PNG", dpi=(25.4 * DOTS_PER_MM,) * 2)
        return file.getvalue()


class Piece(Struct, frozen=True):
    """A piece of paper: the how manieth it is, and what is on it as far as it is out.

    `off` tells whether it is cut or torn off, `scrap` whether it was torn off half-printed when the paper was changed.
    """

    number: int
    slip: Slip
    off: bool
    scrap: bool = False


class Labels(Struct, frozen=True):
    """Die-cut labels, or paper with black marks: rows from the start of one to that of the next, the gap between them included.

    Marked paper has no gap: with 0 rows of it, nothing counts as printed beside a label.
    """

    pitch_rows: int
    gap_rows: int = LABEL_GAP_MM * DOTS_PER_MM


def loaded(kind: Literal["roll", "label", "mark"], length_mm: float, dpmm: int = DOTS_PER_MM) -> Labels | None:
    """Return what is in the printer: labels or marked paper, so long from one to the next; None for a roll."""
    if kind == "roll":
        return None
    gap = LABEL_GAP_MM * dpmm if kind == "label" else 0
    return Labels(pitch_rows=round(length_mm * dpmm), gap_rows=gap)


class Paper:
    """What is under the head and sticks out of the printer. The first `lost_left` dots of the head have no paper under them."""

    def __init__(self, dots: int, *, labels: Labels | None = None, lost_left: int = 0) -> None:
        self.dots = dots
        self.labels = labels
        self.lost_left = lost_left
        self.place = 0
        """Rows from the start of the roll's first label."""
        self.renew()

    def renew(self) -> None:
        """Let nothing stick out."""
        # White on black, so that black dots are what is set.
        self._canvas = Image.new("1", (self.dots, 1024))
        self.height = 0
        self.texts: list[str] = []
        self.qr: list[str] = []

    @property
    def to_next_label(self) -> int:
        """Rows to the start of the next label; none at the start of one, and on a roll."""
        return -self.place % self.labels.pitch_rows if self.labels else 0

    @property
    def at_label(self) -> bool:
        """Whether the head is at the start of a label."""
        return self.labels is not None and not self.to_next_label

    def feed(self, rows: int) -> None:
        """Move on."""
        self.place += rows
        self.height += rows
        if self.height > self._canvas.height:
            self._canvas = self._canvas.crop((0, 0, self.dots, 2 * self.height))

    def draw(self, image: Image.Image, at: tuple[int, int]) -> bool:
        """Blacken what is set in the image, as far as the paper was moved; return whether all of that is on labels."""
        left, top = at
        reach = image.crop((0, 0, image.width, max(0, min(image.height, self.height - top))))
        if left < self.lost_left:
            reach.paste(0, (0, 0, min(self.lost_left - left, reach.width), reach.height))
        self._canvas.paste(255, at, reach)
        return self.labels is None or self._on_labels(reach, self.place - self.height + top, self.labels)

    @staticmethod
    def _on_labels(image: Image.Image, place: int, labels: Labels) -> bool:
        gap = labels.pitch_rows - labels.gap_rows - place % labels.pitch_rows
        while gap < image.height:
            if image.crop((0, max(0, gap), image.width, min(image.height, gap + labels.gap_rows))).getbbox():
                return False
            gap += labels.pitch_rows
        return True

    def look(self) -> Slip:
        """Return what sticks out, which stays where it is."""
        white = ImageChops.invert(self._canvas.crop((0, 0, self.dots, self.height)))
        return Slip(self.dots, self.height, white.tobytes(), tuple(self.texts), tuple(self.qr))

    def take(self, rows: int) -> Slip:
        """Take the first `rows` rows away as a slip; what is below stays."""
        canvas, height = self._canvas, self.height
        white = ImageChops.invert(canvas.crop((0, 0, self.dots, rows)))
        slip = Slip(self.dots, rows, white.tobytes(), tuple(self.texts), tuple(self.qr))
        self.renew()
        rest = canvas.crop((0, rows, self.dots, height))
        self.height = height - rows
        if self.height > self._canvas.height:
            self._canvas = rest
        else:
            self._canvas.paste(rest, (0, 0))
        return slip
