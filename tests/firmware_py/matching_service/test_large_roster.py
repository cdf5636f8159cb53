"""A roster far larger than a terminal's: taken in from a file and told in pages, in little more memory than a small one."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec
import pytest

from drivers.matching import wire
from firmware_py.matching_service.serve import DATABASE
from tests.rigs.service import CHAIN, FIKATAP, RunningService

MANY, FEW = 100_000, 2_000
PAGE = 2_000
COLUMNS = "id,first_name,language,seeks,offers,consent_introductions,consent_name\n"
MORE_MB = 30.0
"""What a hundred thousand members may cost more than two thousand."""


class Import(NamedTuple):
    """What `fikatap matching members import` printed, and the most memory that it took."""

    printed: str
    peak_mb: float


def take_in(service: RunningService, folder: Path, members: range, name: str = "Gäst") -> Import:
    """Import made-up members with these numbers."""
    file = folder / "members.csv"
    with file.open("w") as lines:
        lines.write(COLUMNS)
        lines.writelines(f"m{number:07},{name} {number},sv,export;pricing,pricing;webdev,yes,yes\n" for number in members)
    command = [*FIKATAP, "matching", "members", "import", CHAIN, str(file)]
    with (folder / "printed").open("wb") as out:
        started = subprocess.Popen(command, env=os.environ | {DATABASE: service.database}, stdout=out, stderr=out)
        _, status, used = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
    printed = (folder / "printed").read_text()
    assert started.returncode == 0, printed
    return Import(printed.splitlines()[-1], used.ru_maxrss / 1024)


def peak_mb(pid: int) -> float:
    """Return the most memory that a running process has taken."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) / 1024


def pages(http: httpx.Client) -> Iterator[wire.RosterPage]:
    """Yield the whole roster in pages."""
    since, more = 0, True
    while more:
        answer = http.get(f"/roster?since={since}&limit={PAGE}")
        assert answer.status_code == 200, answer.text
        page = msgspec.json.decode(answer.content, type=wire.RosterPage)
        yield page
        since, more = page.version, page.more


def play(service: RunningService, folder: Path, few: int, many: int) -> tuple[float, float, float, float]:
    """Take in a few members, then many, and have them told; return peaks in MB: of both imports, and of the service."""
    service.add_venue("mitte")
    service.start()
    first = take_in(service, folder, range(few))
    assert first.printed == f"{few} added, 0 changed, 0 unchanged"
    token = {"Authorization": f"Bearer {service.token('mitte', 'front')}"}
    with httpx.Client(base_url=f"{service.urls[0]}/v1/venues/mitte", headers=token, timeout=300) as http:
        assert sum(len(page.entries) for page in pages(http)) == few
        before = peak_mb(service.pid())
        second = take_in(service, folder, range(many))
        assert second.printed == f"{many - few} added, 0 changed, {few} unchanged"
        known, version = set(), 0
        for page in pages(http):
            known |= {int(entry.id[1:]) for entry in page.entries}
            version = page.version
        assert known == set(range(many))
        same = {"If-None-Match": f'"{version}"'}
        assert http.get(f"/roster?since={version}", headers=same).status_code == 304
        assert take_in(service, folder, range(many - 1, many), "Gunnel").printed == "0 added, 1 changed, 0 unchanged"
        news = msgspec.json.decode(http.get(f"/roster?since={version}", headers=same).content, type=wire.RosterPage)
        assert [(entry.id, entry.member and entry.member.first_name) for entry in news.entries] == [
            (f"m{many - 1:07}", f"Gunnel {many - 1}")
        ]
        assert (news.whole, news.more) == (False, False)
        return first.peak_mb, second.peak_mb, before, peak_mb(service.pid())


@pytest.mark.timeout(600)
def test_a_hundred_thousand_members_cost_little_more_memory_than_two_thousand(tmp_path: Path) -> None:
    with RunningService(tmp_path) as service:
        few, many, before, after = play(service, tmp_path, FEW, MANY)
    assert many <= few + MORE_MB
    assert after <= before + MORE_MB
