"""A full, a read-only and a breaking disk under the real program: the door says that it is shut, and opens by itself."""

from __future__ import annotations

import pytest

from tests.faults.no_room import OPEN, PATIENCE_S, SHUT, what_happens


@pytest.mark.timeout(5 * PATIENCE_S)
@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_with_a_disk_that_takes_nothing_at_the_start_the_door_is_shut_until_it_does(trouble: str) -> None:
    seen = what_happens(trouble)
    assert seen.answers == ["tell_staff", "welcome_no_badge"]
    assert seen.said[0].startswith(SHUT)
    assert seen.said[1].startswith(OPEN)
    assert seen.here == 1
    assert seen.code == 0


@pytest.mark.timeout(5 * PATIENCE_S)
def test_when_the_file_system_turns_read_only_nobody_is_welcomed_any_more() -> None:
    seen = what_happens("broken")
    assert seen.answers == ["welcome_no_badge", "tell_staff"]
    assert seen.said[1].startswith(SHUT)
    assert seen.here == 1
    assert seen.code == 0
