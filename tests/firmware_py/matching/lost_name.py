"""A door whose service has a name that nobody looks up for it: run by root in a mount namespace, prints one JSON value."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from firmware_py.ledger import Ledger
from firmware_py.matching.calls import LANES
from firmware_py.terminal.supervise import Health
from kiosk.effects import SettleMatch
from tests.firmware_py.matching.doors import SharedDoor, settled
from tests.firmware_py.terminal.harness import PATIENCE_S, person

RESOLVER = "127.53.53.53"
RESOLV_CONF = f"nameserver {RESOLVER}\noptions timeout:3 attempts:5\n"
"""A lookup takes a quarter of a minute; when nobody listens any more it ends with the next attempt."""


def main(folder: Path) -> dict[str, object]:
    """Check two people in while the name is looked up; tell what they were told, and what was asked of whom."""
    file = folder / "resolv.conf"
    file.write_text(RESOLV_CONF)
    file.chmod(0o644)
    subprocess.run(["mount", "--bind", file, "/etc/resolv.conf"], check=True)
    (folder / "front").mkdir()
    ledger = Ledger.open(folder / "front" / "ledger.db", "front")
    ledger.put_members([person(1), person(2)])
    ledger.close()
    token = folder / "token"
    token.write_text("made-up")
    lines = f'driver = "http"\nurl = "http://matching.kaffe.example:8443"\nvenue = "cafe"\ntoken = "{token}"'
    with ExitStack() as stack:
        deaf = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        deaf.bind((RESOLVER, 53))
        deaf.settimeout(PATIENCE_S)
        door = stack.enter_context(SharedDoor(folder / "front", "front", lines))
        stack.callback(deaf.close)
        question = deaf.recv(512)
        for number in (1, 2):
            door.call("visits.checkin", member=f"p{number}")
            door.until(lambda door: settled(door, number))  # noqa: B023 - waited for within the round
        told = door.seen.of(SettleMatch)
        return {
            "asked": b"matching" in question,
            "partner": told[-1].partner,
            "answers": [signal.name for signal in door.answers()],
            "up": [lane for lane in LANES if door.watched(lane).health is Health.UP],
        }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
