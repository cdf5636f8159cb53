"""The simulated disk: who was killed in the middle of a sync goes no further."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import apsw
import pytest

from tests.simulation.disk import NAME, VolatileDisk
from tests.simulation.world import Killed


@pytest.fixture
def disk() -> Iterator[VolatileDisk]:
    disk = VolatileDisk()
    yield disk
    disk.unregister()


@pytest.mark.parametrize("aimed_at", ["before", "after"])
def test_a_program_that_is_killed_in_a_sync_opens_nothing_more(disk: VolatileDisk, tmp_path: Path, aimed_at: str) -> None:
    path = str(tmp_path / "some.db")
    connection = apsw.Connection(path, vfs=NAME)
    connection.execute("CREATE TABLE some (number)")

    def kill(when: str) -> None:
        if when == aimed_at:
            end = Killed()
            disk.die(end)
            raise end

    disk.synced = kill
    # What fails then is the savepoint, which SQLite has already taken back.
    with pytest.raises(apsw.SQLError), connection:
        connection.execute("INSERT INTO some VALUES (1)")
    with pytest.raises(Killed):
        apsw.Connection(path, vfs=NAME).execute("SELECT * FROM some")
    with suppress(apsw.Error):
        connection.close(True)


def test_the_next_process_reads_what_was_synced(disk: VolatileDisk, tmp_path: Path) -> None:
    path = str(tmp_path / "some.db")
    connection = apsw.Connection(path, vfs=NAME)
    connection.execute("CREATE TABLE some (number); INSERT INTO some VALUES (1)")
    disk.die(Killed())
    connection.close(True)
    disk.dead = None
    connection = apsw.Connection(path, vfs=NAME)
    assert connection.execute("SELECT * FROM some").fetchall() == [(1,)]
    connection.close()
