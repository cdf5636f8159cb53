"""The engine alone in a process: its memory with its data, and the instructions of a match."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from random import Random

ROSTER, PRESENT = 100_000, 1_000
FEW, MANY = 20, 120


def figures() -> dict[str, float]:
    """Return the memory of the engine with 1,000 people here of a roster of 100,000, in MB, and instructions by people here."""
    # Only who is here is handed to the engine's process: the roster itself is in the ledger, on the disk.
    from msgspec import json

    from firmware_py.roster import made_up_members
    from firmware_py.vocabulary import load_vocabulary

    here = Random(1).sample(made_up_members(ROSTER, 1, load_vocabulary()), PRESENT)
    result = {f"engine_memory_mb_present_{PRESENT}": int(_run([], json.encode(here), MANY).stdout) / 1024}
    for count in (100, PRESENT):
        people = json.encode(here[:count])
        few, many = (_instructions(people, matches) for matches in (FEW, MANY))
        result[f"match_instructions_present_{count}"] = (many - few) // (MANY - FEW)
    return result


def _instructions(people: bytes, matches: int) -> int:
    """Return how many instructions such a process takes, counted by valgrind."""
    counting = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    told = _run(counting, people, matches).stderr.decode()
    found = re.search(r"Collected : (\d+)", told)
    if found is None:
        raise RuntimeError(f"valgrind counted nothing: {told[-500:]}")
    return int(found[1])


def _run(before: list[str], people: bytes, matches: int) -> subprocess.CompletedProcess[bytes]:
    command = [*before, sys.executable, "-m", "tests.bench.engine", str(matches)]
    # With one hash seed the sets are laid out alike, so that the counts of two runs can be compared.
    return subprocess.run(command, input=people, capture_output=True, check=True, env={"PYTHONHASHSEED": "0"})


def _kilobytes() -> int:
    found = re.search(r"^VmRSS:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


def _match(matches: int) -> None:
    """Make so many matches among the people on standard input; print by how many kilobytes the process grew for that."""
    before = _kilobytes()
    from msgspec import json

    from firmware_py.vocabulary import load_vocabulary
    from kiosk.matching import Circumstances, find_match
    from kiosk.values import Member
    from tests.bench.matching import ZONES, crowd

    members = json.decode(sys.stdin.buffer.read(), type=list[Member])
    chance = Random(1)
    present = crowd(members, len(members), chance, load_vocabulary())
    met = {member.id for member in members[:50]}
    for number in range(matches):
        visitor = present[number % len(present)]
        find_match(
            visitor, present, Circumstances(zones=ZONES, mean_rate=1_000, turn=number, met={visitor.profile.member: met})
        )
    print(_kilobytes() - before)


if __name__ == "__main__":
    _match(int(sys.argv[1]))
