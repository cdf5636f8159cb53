from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from firmware_py.backup import (
    BackupError,
    CopyUnderWay,
    check_copy,
    copies,
    copy_now,
    journals,
    next_number,
    reach,
)
from firmware_py.ledger import Ledger
from tests.firmware_py.ledgers import check_in, contents, person


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    ledger = Ledger.open(path)
    ledger.put_members(person(number) for number in range(1, 2001))
    yield ledger
    ledger.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "stick"
    folder.mkdir()
    return folder


def test_a_copy_is_the_ledger_as_it_was_when_it_was_begun_whatever_is_written_meanwhile(
    ledger: Ledger, path: Path, folder: Path
) -> None:
    before = contents(path)
    under_way = CopyUnderWay(path, folder, 1)
    steps = 1
    while not under_way.step():
        check_in(ledger, steps, steps)
        steps += 1
    assert steps > 2, "nothing was written while it was made"
    assert contents(copies(folder)[0]) == before
    assert len(contents(path)["visits"]) == steps - 1


def test_a_copy_is_one_file_that_only_its_owner_can_read(ledger: Ledger, path: Path, folder: Path) -> None:
    check_in(ledger, 1, 1)
    copy = copy_now(path, folder)
    assert [each.name for each in folder.iterdir()] == ["ledger-000001.db"]
    assert copy.stat().st_mode & 0o777 == 0o600
    assert check_copy(copy).events == 1


def test_copies_are_numbered_on(ledger: Ledger, path: Path, folder: Path) -> None:
    assert ledger.last_seq == 0
    (folder / "journal-000007.fj").touch()
    assert [copy_now(path, folder).name for _ in range(2)] == ["ledger-000008.db", "ledger-000009.db"]
    assert next_number(folder) == 10


def test_a_copy_that_was_given_up_leaves_the_earlier_ones_and_the_ledger_free(ledger: Ledger, path: Path, folder: Path) -> None:
    copy_now(path, folder)
    under_way = CopyUnderWay(path, folder, 2)
    under_way.step()
    under_way.close()
    assert [each.name for each in copies(folder)] == ["ledger-000001.db"]
    for serial in range(1, 100):
        check_in(ledger, serial, serial)
    assert ledger.tidy(), "somebody still reads the ledger"
    assert copy_now(path, folder).name == "ledger-000002.db"


@pytest.mark.parametrize("place", [20, 3 * 4096, -4096])
def test_a_damaged_copy_is_found_out(ledger: Ledger, path: Path, folder: Path, place: int) -> None:
    assert ledger.last_seq == 0
    copy = copy_now(path, folder)
    data = bytearray(copy.read_bytes())
    data[place : place + 400] = b"\xaa" * 400
    copy.write_bytes(data)
    with pytest.raises(BackupError, match=r"damaged|can't be read"):
        check_copy(copy)


def test_half_a_copy_is_found_out(ledger: Ledger, path: Path, folder: Path) -> None:
    assert ledger.last_seq == 0
    copy = copy_now(path, folder)
    os.truncate(copy, copy.stat().st_size // 2)
    with pytest.raises(BackupError):
        check_copy(copy)


def test_another_database_is_no_copy(tmp_path: Path) -> None:
    other = apsw.Connection(str(tmp_path / "ledger-000001.db"))
    other.execute("CREATE TABLE recipes (name)")
    other.close()
    with pytest.raises(BackupError, match="not a copy of a ledger"):
        check_copy(tmp_path / "ledger-000001.db")


def test_a_folder_that_is_not_there_is_told(ledger: Ledger, path: Path, tmp_path: Path) -> None:
    assert ledger.last_seq == 0
    with pytest.raises(BackupError, match="can't be written: No such file"):
        copy_now(path, tmp_path / "nowhere")


def test_what_lies_in_an_empty_or_missing_folder_is_nothing(folder: Path) -> None:
    assert (copies(folder), journals(folder / "nowhere"), reach(folder)) == ([], [], None)
