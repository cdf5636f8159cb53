"""A service whose name can't be looked up, by a resolver that never answers, on a real wire."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rigs.namespace import run_as_root


@pytest.mark.timeout(300)
def test_a_lookup_that_never_ends_leaves_the_door_going(tmp_path: Path) -> None:
    found = run_as_root("tests.firmware_py.matching.lost_name", str(tmp_path), timeout=240)
    assert found["asked"], "the lookup was under way"
    assert found["up"] == []
    assert found["partner"] == "p1", "its own engine decided"
