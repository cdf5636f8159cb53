"""The engine alone in a process: its memory with its data, and the instructions of a match."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

LEDGER = "ledger.db"
ROSTER, PRESENT = 100_000, 1_000
FEW, MANY = 20, 120


def figures() -> dict[str, float]:
    """Return the memory of the engine with 1,000 people here of a roster of 100,000, in MB, and instructions by people here."""
    with TemporaryDirectory() as folder:
        here = _fill(Path(folder) / LEDGER)
        result = _memory(folder, here)
        for count in (100, PRESENT):
            few, many = (_instructions(folder, here[:count], matches) for matches in (FEW, MANY))
            result[f"match_instructions_present_{count}"] = (many - few) // (MANY - FEW)
    return result


def memory(folder: Path) -> dict[str, float]:
    """Return by how many MB a fresh process grows for the engine with its data and the ledger, and how many it has then."""
    return _memory(str(folder), _fill(folder / LEDGER))


def _fill(path: Path) -> list[str]:
    """Make a ledger with the whole roster; return who is here."""
    from firmware_py.ledger import Ledger
    from firmware_py.roster import made_up_members
    from firmware_py.vocabulary import load_vocabulary

    members = made_up_members(ROSTER, 1, load_vocabulary())
    ledger = Ledger.open(path)
    ledger.put_members(members)
    ledger.close()
    return [each.id for each in Random(1).sample(members, PRESENT)]


def _memory(folder: str, here: list[str]) -> dict[str, float]:
    grown, whole = map(int, _run([], folder, here, MANY).stdout.split())
    name = f"mb_present_{PRESENT}_roster_{ROSTER}"
    return {f"engine_memory_{name}": round(grown / 1024, 1), f"engine_process_{name}": round(whole / 1024, 1)}


def _instructions(folder: str, here: list[str], matches: int) -> int:
    """Return how many instructions such a process takes, counted by valgrind."""
    counting = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    told = _run(counting, folder, here, matches).stderr.decode()
    found = re.search(r"Collected : (\d+)", told)
    if found is None:
        raise RuntimeError(f"valgrind counted nothing: {told[-500:]}")
    return int(found[1])


def _run(before: list[str], folder: str, here: list[str], matches: int) -> subprocess.CompletedProcess[bytes]:
    command = [*before, sys.executable, "-m", "tests.bench.engine", f"{folder}/{LEDGER}", str(matches)]
    # With one hash seed the sets are laid out alike, so that the counts of two runs can be compared.
    asked = "\n".join(here).encode()
    return subprocess.run(command, input=asked, capture_output=True, check=True, env={"PYTHONHASHSEED": "0"})


def _kilobytes() -> int:
    found = re.search(r"^VmRSS:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


def _match(path: Path, matches: int) -> None:
    """Make so many matches among those on standard input; print by how many kilobytes the process grew, and all it has."""
    before = _kilobytes()
    from firmware_py.ledger import Ledger
    from firmware_py.vocabulary import load_vocabulary
    from kiosk.matching import Circumstances, find_match
    from kiosk.values import MemberId
    from tests.bench.matching import ZONES, crowd

    ledger = Ledger.open(path)
    found = (ledger.member(MemberId(member)) for member in sys.stdin.read().split())
    members = [member for member in found if member is not None]
    chance = Random(1)
    present = crowd(members, len(members), chance, load_vocabulary())
    met = {member.id for member in members[:50]}
    for number in range(matches):
        visitor = present[number % len(present)]
        find_match(
            visitor, present, Circumstances(zones=ZONES, mean_rate=1_000, turn=number, met={visitor.profile.member: met})
        )
    now = _kilobytes()
    ledger.close()
    print(now - before, now)


if __name__ == "__main__":
    _match(Path(sys.argv[1]), int(sys.argv[2]))
