"""A venue's member list: whatever is in the file, each line is a member or has faults that people can read."""

from __future__ import annotations

import io

import pytest
from hypothesis import given

from firmware_py.members import COLUMNS, MembersFileError, Row, read_members
from firmware_py.vocabulary import load_vocabulary
from tests.fuzz.limits import LONGEST_LINE, bounded, fuzzed, told
from tests.fuzz.mutants import mutants

VOCABULARY = load_vocabulary()
TOPICS = ";".join(VOCABULARY.topics)
HEADER = ",".join(COLUMNS)
LISTS = [
    f'{HEADER}\nanna,Anna,Åsa,sv,2512,J,"{TOPICS[:30]}","{TOPICS[:40]}",sv;ar,ACME,no,yes,yes,ja,x,1,nej\n'.encode(),
    '\ufeffid;first_name;language;offers\r\nbo;Bo;da;photo\r\n\r\nçe;Çağla;en;"budget, photo"\r\n'.encode(),
    b"id,first_name,language\n" + b"".join(b"m%d,Ida,nb\n" % number for number in range(30)),
]
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


def read(data: bytes) -> list[Row]:
    return told(lambda: list(read_members(io.BytesIO(data), VOCABULARY)), MembersFileError) or []


def check(rows: list[Row]) -> None:
    for row in rows:
        assert (row.member is None) == bool(row.faults)
        for remark in (*row.faults, *row.warnings):
            assert str(remark).isprintable()
            assert len(str(remark)) < LONGEST_LINE


# A list's cost grows with its lines: 1,600 good ones, in 20 kB, would come close to the limit.
@fuzzed(150)
@given(data=mutants(LISTS, PIECES).map(lambda data: data[:10_000]))
def test_whatever_a_list_says_each_line_is_a_member_or_has_faults(data: bytes) -> None:
    check(bounded(lambda: read(data)))


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("field", ["seeks", "offers", "occupation", "industry", "languages", "id", "employer", "quiet"])
def test_a_line_that_is_made_to_take_long_does_not(bomb: str, field: str) -> None:
    cell = BOMBS[bomb][:LONG]
    for quoted in (cell, b'"' + cell + b'"'):
        line = b",".join(quoted if each == field else b"sv" for each in COLUMNS)
        check(bounded(lambda line=line: read(HEADER.encode() + b"\n" + line + b"\n")))  # type: ignore[misc]


def test_the_lists_to_begin_with_are_good() -> None:
    assert [sum(row.member is not None for row in read(each)) for each in LISTS] == [0, 1, 30]
