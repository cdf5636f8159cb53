"""What staff asks of the ledger, over a whole membership."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from firmware_py.commands import CommandError
from firmware_py.ledger import Ledger, LedgerReader
from firmware_py.reads import LONGEST_TEXT, MOST_FOUND, Today, members_search
from kiosk.events import TimePassed
from kiosk.values import Language, Member, MemberId, Now, WallTime

NORDIC = {"z1": "Åsa", "z2": "Örjan", "z3": "Håkon", "z4": "Bodil Åström", "z5": "Łucja"}
CLOSES = 240
"""The minute of the day in which the café closes."""


def named(member: str, first_name: str) -> Member:
    return Member(MemberId(member), first_name, Language.SV)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LedgerReader]:
    """Three thousand whose names have the letters of the few in other places, and those few, last by id."""
    path: Path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    ledger = Ledger.open(path)
    crowd = [named(f"m{number:04}", ("Lisa", "Marjan", "Haakon")[number % 3] + f" {number}") for number in range(3_000)]
    ledger.put_members([*crowd, *(named(*each) for each in NORDIC.items())])
    reader = ledger.reader()
    yield reader
    reader.close()
    ledger.close()


def found(reader: LedgerReader, text: str) -> list[str]:
    return [each["id"] for each in msgspec.convert(members_search(reader, text=text), list[dict[str, Any]])]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("Åsa", ["z1"]),
        ("ås", ["z1", "z4"]),
        ("Å", ["z1", "z4", "z3"]),
        ("Ör", ["z2"]),
        ("HÅ", ["z3"]),
        ("łu", ["z5"]),
        ("bodil   å", ["z4"]),
        ("Z3", ["z3"]),
        ("%", []),
        ("_sa", []),
    ],
)
def test_a_member_is_found_by_any_letters_among_thousands(reader: LedgerReader, text: str, ids: list[str]) -> None:
    assert found(reader, text) == ids


def test_those_that_begin_with_it_come_first_and_no_more_than_fit(reader: LedgerReader) -> None:
    assert found(reader, "ja")[:1] == ["m0001"]
    assert found(reader, "l")[0] == "m0000"
    assert len(found(reader, "l")) == len(found(reader, "ja")) == MOST_FOUND


def test_a_text_that_is_too_long_is_refused(reader: LedgerReader) -> None:
    assert found(reader, "å" * LONGEST_TEXT) == []
    with pytest.raises(CommandError, match="has 101 characters; it may have 100"):
        found(reader, "å" * (LONGEST_TEXT + 1))


@pytest.mark.parametrize("since_ms", [0, 40_000, 59_999, 60_000, 3_600_000])
def test_the_day_begins_with_the_minute_in_which_the_cafe_closed(tmp_path: Path, since_ms: int) -> None:
    def at(since_closing_ms: int) -> Now:
        utc_ms = 20_833 * 86_400_000 + CLOSES * 60_000 + since_closing_ms
        return Now("boot-1", 10_000_000 + since_closing_ms, WallTime(utc_ms, 20_833, utc_ms // 60_000 % 1440))

    with closing(Ledger.open(tmp_path / "ledger.db")) as ledger:
        for seq, since_closing_ms in enumerate((-60_000, -1, 0, 30_000), start=1):
            ledger.commit(TimePassed(), [], at(since_closing_ms), seq)
        assert Today(ledger, at(since_ms), CLOSES).first_seq == 3
