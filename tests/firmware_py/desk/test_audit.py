"""The desk's audit trail stays whole and bounded."""

from __future__ import annotations

import stat
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from firmware_py.clock import Clock
from firmware_py.desk import audit
from firmware_py.desk.audit import Audit


@pytest.fixture
def trail(tmp_path: Path) -> Audit:
    return Audit(tmp_path / "audit.jsonl", Clock(ZoneInfo("Europe/Stockholm"), tmp_path / "no such mark"))


def test_the_latest_deed_comes_first_and_no_time_is_made_up(trail: Audit) -> None:
    trail.note("Made-Up Maja", "10.0.0.9", "cards.block", "m0001")
    trail.note("", "10.0.0.9", "log_in", refused="this name and this PIN do not go together")
    last, first = trail.deeds()
    assert (last.did, last.who, last.refused) == ("log_in", "", "this name and this PIN do not go together")
    assert (first.did, first.who, first.about, first.refused) == ("cards.block", "Made-Up Maja", "m0001", "")
    assert first.utc_ms is None
    assert first.boot_ms <= last.boot_ms


def test_a_line_that_a_power_cut_tore_spoils_no_other(trail: Audit, tmp_path: Path) -> None:
    trail.note("Made-Up Maja", "10.0.0.9", "first")
    path = tmp_path / "audit.jsonl"
    path.write_bytes(path.read_bytes() + b'{"boot_id": "x", "bo')
    trail.note("Made-Up Maja", "10.0.0.9", "second")
    assert [deed.did for deed in trail.deeds()] == ["second", "first"]


def test_the_trail_is_bounded_and_loses_the_oldest(trail: Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "LONGEST_FILE", 600)
    for number in range(60):
        trail.note("Made-Up Maja", "10.0.0.9", f"deed {number}")
    kept = [deed.did for deed in trail.deeds()]
    assert kept == [f"deed {number}" for number in islice(range(59, -1, -1), len(kept))]
    assert len(kept) < 60
    files = list(tmp_path.glob("audit.jsonl*"))
    assert len(files) == audit.OLD_FILES + 1
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_name_can_not_forge_a_line(trail: Audit) -> None:
    trail.note('Eve\n{"who": "Made-Up Maja"}', "10.0.0.9", "log_in", refused="no")
    (deed,) = trail.deeds()
    assert deed.who == 'Eve\n{"who": "Made-Up Maja"}'
