from __future__ import annotations

import fcntl
import os
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_py.journal import MAGIC, Change, JournalFile, read, record

CHANGES = [Change("abcdefgh", number, None if number % 2 else number * 1000, b"\0\xff" * number) for number in range(1, 9)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = JournalFile(tmp_path / "journal-000001.fj")
    for change in CHANGES:
        file.append(change)
    file.close()
    return tmp_path / "journal-000001.fj"


def test_what_was_appended_is_read_again(path: Path) -> None:
    assert list(read(path)) == CHANGES


def test_nothing_returns_before_it_is_on_the_medium(tmp_path: Path) -> None:
    file = JournalFile(tmp_path / "journal-000002.fj")
    try:
        assert fcntl.fcntl(file._descriptor, fcntl.F_GETFL) & os.O_DSYNC
    finally:
        file.close()


def test_only_its_owner_can_read_it(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_there_is_never_written_over(path: Path) -> None:
    with pytest.raises(FileExistsError):
        JournalFile(path)
    assert list(read(path)) == CHANGES


def test_wherever_the_power_went_the_whole_records_before_are_read_and_nothing_else(path: Path) -> None:
    whole = path.read_bytes()
    ends = [len(MAGIC) + sum(len(record(each)) for each in CHANGES[:count]) for count in range(len(CHANGES) + 1)]
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        assert len(list(read(path))) == max((count for count, end in enumerate(ends) if end <= length), default=0)


def test_a_tail_of_noise_or_noughts_is_no_record(path: Path) -> None:
    whole = path.read_bytes()
    for tail in (bytes(4096), b"\xff" * 4096, Random(1).randbytes(4096)):
        path.write_bytes(whole + tail)
        assert list(read(path)) == CHANGES


@given(st.data())
def test_a_flipped_bit_ends_the_reading_before_it(data: st.DataObject) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        path = Path(folder) / "journal-000001.fj"
        whole = bytearray(MAGIC + b"".join(map(record, CHANGES)))
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(whole)
        found = list(read(path))
        assert found == CHANGES[: len(found)]
        assert len(MAGIC) + sum(len(record(each)) for each in found) <= place or place < len(MAGIC)


def test_another_file_is_no_journal(tmp_path: Path) -> None:
    other = tmp_path / "journal-000001.fj"
    other.write_bytes(b"Dear diary" * 100)
    assert list(read(other)) == []
