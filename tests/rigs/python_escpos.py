"""python-escpos' own ways to print a badge, in a process of their own: to compare with, and because its import leaves things.

`python -m tests.rigs.python_escpos` reads an `Order` as JSON and writes a `Cost`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import BytesIO
from tempfile import TemporaryDirectory

from msgspec import Struct, json
from PIL import Image

from kiosk.badge import Block, Role
from tests.rigs.cost import Cost, cost


class Order(Struct):
    """A page to print: its words and what its QR code holds, as text; or a picture of all of it (PNG)."""

    words: tuple[str, ...] = ()
    qr: str = ""
    native_qr: bool = True
    picture: bytes = b""
    rounds: int = 1
    traced: bool = False


def as_text(blocks: Sequence[Block], *, native_qr: bool) -> Order:
    """Return the order for a badge's words as text: a line each, in whatever code page the library chooses."""
    words = tuple(block.text for block in blocks if block.role not in {Role.QR, Role.LOGO})
    return Order(words=words, qr=next((block.text for block in blocks if block.role is Role.QR), ""), native_qr=native_qr)


def as_image(paper: Image.Image, rounds: int = 1, *, traced: bool = False) -> Order:
    """Return the order for a picture of a whole paper (mode "1", black is 0), without what is blank below its last line."""
    box = paper.convert("L").point(lambda dot: 255 - dot).getbbox()
    assert box
    file = BytesIO()
    paper.crop((0, 0, paper.width, box[3])).save(file, "PNG")
    return Order(picture=file.getvalue(), rounds=rounds, traced=traced)


def escpos_prints(order: Order) -> Cost:
    """Have python-escpos carry out an order, and return the bytes and what they took."""
    with TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "tests.rigs.python_escpos"],
            input=json.encode(order),
            env={"TMPDIR": folder},
            capture_output=True,
            timeout=60,
            check=True,
        )
    return json.decode(done.stdout, type=Cost)


def main() -> None:
    """Carry out the order on standard input."""
    order = json.decode(sys.stdin.buffer.read(), type=Order)

    def make() -> bytes:
        from escpos.printer import Dummy

        printer = Dummy()
        if order.picture:
            printer.image(Image.open(BytesIO(order.picture)), impl="bitImageRaster")
        for words in order.words:
            printer.textln(words)
        if order.qr:
            printer.qr(order.qr, size=4, native=order.native_qr)
        printer.cut()
        return bytes(printer.output)

    with redirect_stdout(sys.stderr):  # it prints remarks
        done = cost(make, order.rounds, traced=order.traced)
    sys.stdout.buffer.write(json.encode(done))


if __name__ == "__main__":
    main()
