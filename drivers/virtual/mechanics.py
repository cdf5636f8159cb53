"""How long a page takes on a printer: from the first byte that leaves the host to the paper in the hand.

The virtual printer carries the page out and tells what moves after which byte; the rest is arithmetic, without a clock. What is
taken for granted, on the side of slowness where printers differ:

- a byte takes 10 bits on the line, and a command's rows are printed once the whole command is there: of a raster band its last
  byte, of a line of text its LF. Nothing else takes the printer time: no reading, no drawing.
- the motor starts once and runs as long as rows are ready. When they aren't it stops, and has to start again.
- the receive buffer takes no byte until there is room, and a command leaves it when it begins to move.
"""

from __future__ import annotations

from msgspec import Struct

from drivers.virtual.printer import DOTS_PER_MM, Clone, Labels, Motion, VirtualPrinter


class Mechanics(Struct, frozen=True):
    """A printer's motor, head and cutter."""

    head_mm_per_s: float
    """How fast paper moves, with or without printing."""
    start_s: float
    """From standing still to moving."""
    feed_mm: float
    """From the head to the blade, or to the tear bar."""
    cut_s: float = 0.0
    buffer_bytes: int = 4096

    def takes_s(self, motion: Motion) -> float:
        """Return how long a motor that runs takes for a motion."""
        way = motion.rows / DOTS_PER_MM + self.feed_mm * motion.to_blade
        return way / self.head_mm_per_s + self.cut_s * motion.cut


MECHANICS_58 = Mechanics(head_mm_per_s=60, start_s=0.05, feed_mm=16)
"""A slow printer for 58 mm paper with a tear bar."""
MECHANICS_80 = Mechanics(head_mm_per_s=150, start_s=0.05, feed_mm=16, cut_s=0.35)
"""A slow printer for 80 mm paper with a cutter."""


def slow_one(*, cutter: bool) -> Mechanics:
    """Return the mechanics of the slow printers that cafés own."""
    return MECHANICS_80 if cutter else MECHANICS_58


class Timing(Struct, frozen=True):
    """When what happens, in seconds after the first byte left the host."""

    seconds: float
    """The badge can be taken: it is cut off, or its last row is past the tear bar."""
    floor: float
    """The same if all bytes were there at once: one start, the way of the paper, the cuts."""
    first_move: float
    """Paper begins to move."""
    stalls: int
    """How often the paper stood still for want of bytes."""
    millimetres: float
    """The way of the paper."""


def in_hand(
    page: bytes,
    *,
    dots: int,
    cutter: bool,
    mechanics: Mechanics | None = None,
    baud: int | None = None,
    labels: Labels | None = None,
    clone: Clone | None = None,
) -> Timing:
    """Return how long these bytes take on a printer of that width and paper, over a line of `baud` (None: all there at once).

    Without `mechanics`, those of the slow printers that cafés own are taken, by whether there is a cutter. Raise
    `UnknownBytesError` for bytes that the virtual printer does not understand; a `clone` takes them all for something.
    """
    if mechanics is None:
        mechanics = slow_one(cutter=cutter)
    motions: list[Motion] = []
    printer = VirtualPrinter(dots=dots, cutter=cutter, labels=labels, clone=clone)
    printer.watch = motions.append
    printer.feed(page)
    if left := _left_inside(printer, mechanics):
        motions.append(Motion(len(page), left))
    return _timing(motions, mechanics, 10 / baud if baud else 0.0)


def _left_inside(printer: VirtualPrinter, mechanics: Mechanics) -> int:
    """Return how many rows the paper has to go until all that is printed and not cut off is past the tear bar."""
    cut_off = len(printer.papers)
    printer.tear()
    if len(printer.papers) == cut_off:
        return 0
    paper = printer.papers[-1].image
    box = paper.point(lambda dot: 255 - dot).getbbox()
    return max(0, round(mechanics.feed_mm * DOTS_PER_MM) - (paper.height - box[3])) if box else 0


def _timing(motions: list[Motion], mechanics: Mechanics, byte_s: float) -> Timing:
    ways = [motion.rows / DOTS_PER_MM + mechanics.feed_mm * motion.to_blade for motion in motions]
    cuts_s = mechanics.cut_s * sum(motion.cut for motion in motions)
    begun: list[tuple[int, float]] = []
    """Of each command: after how many bytes it starts, and when it was begun, which gave the room of all before it free."""
    there = now = 0.0
    at, stalls = 0, 0
    first_move: float | None = None
    runs = False
    for motion in motions:
        there += (motion.at - at) * byte_s
        for start, when in begun:
            there = max(there, when + (motion.at - start - mechanics.buffer_bytes) * byte_s)
        begin = max(there, now)
        begun.append((at, begin))
        if not runs or begin > now:
            stalls += runs
            now = begin + mechanics.start_s
        first_move = now if first_move is None else first_move
        now += mechanics.takes_s(motion)
        runs = not motion.cut
        at = motion.at
    millimetres = sum(ways)
    floor = mechanics.start_s * bool(motions) + millimetres / mechanics.head_mm_per_s + cuts_s
    return Timing(seconds=now, floor=floor, first_move=first_move or 0.0, stalls=stalls, millimetres=millimetres)
