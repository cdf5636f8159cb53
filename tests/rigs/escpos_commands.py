"""python-escpos carries out calls of its public methods, in a process of its own, because its import leaves things behind.

`python -m tests.rigs.escpos_commands` reads scripts of `Call` as JSON and writes the bytes of each call.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import redirect_stdout
from io import BytesIO
from tempfile import TemporaryDirectory
from typing import Any

from msgspec import Struct, json
from PIL import Image


class Call(Struct, frozen=True):
    """A method of python-escpos' printers and its arguments; `picture` (PNG) is the first one if there is one."""

    method: str
    arguments: dict[str, Any] = {}
    picture: bytes = b""


def carried_out(scripts: list[list[Call]]) -> list[list[bytes]]:
    """Return the bytes of each call; every script has a new printer."""
    with TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "tests.rigs.escpos_commands"],
            input=json.encode(scripts),
            env={"TMPDIR": folder},
            capture_output=True,
            timeout=60,
            check=True,
        )
    return json.decode(done.stdout, type=list[list[bytes]])


def main() -> None:
    """Carry out the scripts on standard input."""
    from escpos.printer import Dummy

    said: list[list[bytes]] = []
    with redirect_stdout(sys.stderr):  # it prints remarks
        for script in json.decode(sys.stdin.buffer.read(), type=list[list[Call]]):
            printer = Dummy()
            said.append([])
            for call in script:
                first = [Image.open(BytesIO(call.picture))] if call.picture else []
                getattr(printer, call.method)(*first, **call.arguments)
                said[-1].append(printer.output)
                printer.clear()
    sys.stdout.buffer.write(json.encode(said))


if __name__ == "__main__":
    main()
