"""A venue's member list: whatever is in the file, each line is a member or has faults that people can read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from firmware_py.members import COLUMNS, MembersFileError, Row, import_members, read_members
from firmware_py.office import LocalOffice
from firmware_py.vocabulary import load_vocabulary
from tests.firmware_py.member_lists import longest_list
from tests.fuzz.limits import LONGEST_LINE, bounded, bounded_each, fuzzed, told
from tests.fuzz.mutants import mutants

VOCABULARY = load_vocabulary()
TOPICS = ";".join(VOCABULARY.topics)
HEADER = ",".join(COLUMNS)
LISTS = [
    f'{HEADER}\nanna,Anna,Åsa,sv,2512,J,"{TOPICS[:30]}","{TOPICS[:40]}",sv;ar,ACME,no,yes,yes,ja,x,1,nej\n'.encode(),
    '\ufeffid;first_name;language;offers\r\nbo;Bo;da;photo\r\n\r\nçe;Çağla;en;"budget, photo"\r\n'.encode(),
    b"id,first_name,language\n" + b"".join(b"m%d,Ida,nb\n" % number for number in range(30)),
]
MANY = b"id,first_name,language\n" + b"".join(b"m%d,Ida,nb\n" % number for number in range(120))
PIECES = [
    *b'; " "" , sv yes J 2512 ACME photo budget; ab;'.split(),
    *(each.encode() for each in ("\n", "\r\n", "\t", "\0", "\ufeff", "\u202e", "é", "e\u0301", "\u2028", TOPICS, HEADER)),
    *(b"\xff", b"\xff\xfe"),
]
BAD_TOPIC, LONG = b"budgt%d;", 60_000
BOMBS = {
    "thousands of topics that are none": b"".join(BAD_TOPIC % number for number in range(6_000)),
    "thousands of the same topic": TOPICS.encode() * 60,
    "a topic without end": b"budget" * 10_000,
    "a language without end": b"sv-" * 20_000,
    "quotation marks": b'""' * 30_000,
    "accents": "\u0301".encode() * 30_000,
    "control characters": b"\x01" * LONG,
    "letters that grow": "\ufdfa".encode() * 20_000,
    "commas in topics": b"budget," * 8_000,
}  # fmt: skip


def read(data: bytes) -> Iterator[Row]:
    rows = read_members(io.BytesIO(data), VOCABULARY)
    while (row := told(lambda: next(rows, None), MembersFileError)) is not None:
        yield row


def check(rows: list[Row]) -> None:
    for row in rows:
        assert (row.member is None) == bool(row.faults)
        for remark in (*row.faults, *row.warnings):
            assert str(remark).isprintable()
            assert len(str(remark)) < LONGEST_LINE


# Lists are read line by line, in a thread or a process of their own: one line is what somebody may have to wait for, so that
# a list of more lines shows no more.
@fuzzed(150)
@given(data=mutants(LISTS, PIECES).map(lambda data: data[:10_000]))
def test_whatever_a_list_says_each_line_is_a_member_or_has_faults(data: bytes) -> None:
    check(bounded_each(lambda: read(data)))


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("field", ["seeks", "offers", "occupation", "industry", "languages", "id", "employer", "quiet"])
def test_a_line_that_is_made_to_take_long_does_not(bomb: str, field: str) -> None:
    cell = BOMBS[bomb][:LONG]
    for quoted in (cell, b'"' + cell + b'"'):
        line = b",".join(quoted if each == field else b"sv" for each in COLUMNS)
        check(bounded_each(partial(read, HEADER.encode() + b"\n" + line + b"\n")))


def test_the_lists_to_begin_with_are_good() -> None:
    assert [sum(row.member is not None for row in read(each)) for each in LISTS] == [0, 1, 30]


def test_no_slice_of_members_keeps_the_door_long(tmp_path: Path) -> None:
    class BoundedOffice(LocalOffice):
        def call(self, command: str, **arguments: Any) -> Any:
            return bounded(lambda: LocalOffice.call(self, command, **arguments))

    for data in (longest_list(60, VOCABULARY), MANY):
        with BoundedOffice(tmp_path / "ledger.db") as office:
            report = import_members(io.BytesIO(data), VOCABULARY, office, dry_run=False, told=lambda *_: None)
        assert report.added
