from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from firmware_py.commands import SLICE
from firmware_py.members import COLUMNS, MembersFileError, Report, Row, import_members, read_members
from firmware_py.office import CommandError, LocalOffice, Office
from firmware_py.terminal.control import MAX_LINE
from firmware_py.vocabulary import load_vocabulary
from kiosk.values import Consents, Language, Member, MemberId, Mood, PastimeId, TopicId, Wish
from kiosk.vocabulary import Vocabulary
from tests.firmware_py.member_lists import longest_list

GOOD = b"""id,first_name,short_name,language,occupation,industry,seeks,offers,languages,employer,quiet,consent_introductions,\
consent_name,consent_occupation,consent_languages,consent_need,consent_colleagues
m1,Sigrid,Siri,sv,2512,energi,budget;starting a business,accounting,ar;uk,Kraft AB,ja,yes,Ja,TRUE,1,x,nej
m2,"Anne, Marie",,DA,softwareudvikler,J,,bogf\xc3\xb8ring og regnskab,,,,,,,,,
"""


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return load_vocabulary()


def rows(data: bytes, vocabulary: Vocabulary) -> list[Row]:
    return list(read_members(io.BytesIO(data), vocabulary))


def faults(data: bytes, vocabulary: Vocabulary) -> list[str]:
    return [str(fault) for row in rows(data, vocabulary) for fault in row.faults]


def fault_in(field: str, value: str, vocabulary: Vocabulary) -> str:
    """Return the one fault of a list whose only flaw is this value."""
    given = {"id": "m1", "first_name": "Sigrid", "language": "sv", "offers": "budget"} | {field: value}
    lines = [",".join(given), ",".join(f'"{each}"' for each in given.values())]
    found = faults("\n".join(lines).encode(), vocabulary)
    assert len(found) == 1
    return found[0]


def test_a_line_becomes_a_member(vocabulary: Vocabulary) -> None:
    assert [row.member for row in rows(GOOD, vocabulary)] == [
        Member(
            MemberId("m1"),
            "Sigrid",
            Language.SV,
            short_name="Siri",
            occupation="2512",
            industry="D",
            seeks=(TopicId("budget"), TopicId("startup")),
            offers=(TopicId("accounting"),),
            languages=("ar", "uk"),
            employer="Kraft AB",
            quiet=True,
            consents=Consents(introductions=True, name=True, occupation=True, languages=True, need=True),
        ),
        Member(
            MemberId("m2"),
            "Anne, Marie",
            Language.DA,
            occupation="2512",
            industry="J",
            offers=(TopicId("accounting"),),
        ),
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + GOOD,
        GOOD.replace(b"\n", b"\r\n"),
        GOOD.replace(b"first_name", b" First_Name "),
        GOOD + b"\n,,,,\n\n",
        "id,first_name,language\nm1,Zoe\u0308,sv".encode(),
        b'id;first_name;language;seeks\nm1;Sigrid;sv;"budget;startup"\n',
    ],
    ids=["byte order mark", "CRLF", "header in capitals", "empty lines", "no last line end", "semicolons"],
)
def test_what_spreadsheets_write_is_read(data: bytes, vocabulary: Vocabulary) -> None:
    assert faults(data, vocabulary) == []
    assert rows(data, vocabulary)[0].member is not None


def test_letters_are_composed(vocabulary: Vocabulary) -> None:
    row = rows("id,first_name,language,offers\nm1,Zoe\u0308,sv,bokfo\u0308ring och bokslut".encode(), vocabulary)[0]
    assert row.member == Member(MemberId("m1"), "Zoë", Language.SV, offers=(TopicId("accounting"),))


def test_a_consent_that_is_missing_is_no(vocabulary: Vocabulary) -> None:
    row = rows(b"id,first_name,language,consent_name\nm1,Sigrid,sv,", vocabulary)[0]
    assert row.member is not None
    assert row.member.consents == Consents()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("id", "", "line 2, id: '' must be filled"),
        ("first_name", " ", "line 2, first_name: '' must be filled"),
        ("first_name", "x" * 61, "has 61 characters; at most 60 are taken"),
        ("first_name", "Si\x07grid", "'Si\\u0007grid' holds the control character U+0007; leave it out"),
        ("first_name", "Si\u202egrid", "holds the control character U+202E; leave it out"),
        ("first_name", "\u200d\u200b", "line 2, first_name: '\\u200d\\u200b' shows nothing on paper (U+200D); write the name"),
        ("first_name", "\u3164", "shows nothing on paper (U+3164); write the name in letters"),
        ("first_name", "\u1160\u2800", "shows nothing on paper (U+1160); write the name in letters"),
        ("first_name", "\U000e0041\ufe0f", "shows nothing on paper (U+E0041); write the name in letters"),
        ("short_name", "\u200b", "line 2, short_name: '\\u200b' shows nothing on paper (U+200B); write the name in letters"),
        ("language", "swedish", "line 2, language: 'swedish' is not a language of the badge; choose one of sv, da, nb, en"),
        ("occupation", "sofware developer", "did you mean 'software developer'"),
        ("occupation", "25", "'25' is neither an occupation in the list nor an ISCO-08 code of four digits"),
        ("industry", "energie", "is not an industry in the list, nor one of the NACE sections A, B, C"),
        ("industry", "energie", "did you mean 'energi'"),
        ("seeks", "budget;acounting", "line 2, seeks: 'acounting' is not a topic in the list; did you mean 'accounting'"),
        ("offers", "budget, startup", "'budget, startup' holds several topics; put ';' between them"),
        ("languages", "Swedish!", "'Swedish!' is not a language tag; write tags such as sv;ar;en"),
        ("quiet", "perhaps", "line 2, quiet: 'perhaps' is neither yes nor no; leave it empty for no"),
        ("consent_name", "?", "line 2, consent_name: '?' is neither yes nor no"),
        ("pastimes", "hikin", "line 2, pastimes: 'hikin' is not a pastime in the list; did you mean 'hiking'"),
        ("pastimes", ";".join(["hiking"] * 21), "holds 21 pastimes; at most 20 are taken"),
        ("history", ";".join(f"Skola {number}" for number in range(21)), "holds 21 names; at most 20 are taken"),
        ("history", "x" * 61, "has 61 characters; at most 60 are taken"),
        ("wishes", "J", "'J' is no line of the list; write 'industry or occupation: topic: what you give'"),
        ("wishes", "Å: budget", "'Å' is no industry or occupation in the list, nor the first digits of an ISCO-08 code"),
        ("wishes", "J: acounting", "line 2, wishes: 'acounting' is not a topic in the list; did you mean 'accounting'"),
        ("wishes", ";".join(["J: budget"] * 7), "has 7 lines; at most 6 are taken"),
        ("mood", "tea", "'tea' is not what a visitor can want; choose one of introduce, group, coffee"),
        ("seeks", ";".join(["budget"] * 21), "holds 21 topics; at most 20 are taken"),
    ],
)
def test_a_faulty_field_is_told_with_what_would_be_right(field: str, value: str, said: str, vocabulary: Vocabulary) -> None:
    assert said in fault_in(field, value, vocabulary)


@pytest.mark.parametrize(
    "name", ["\u0645\u0647\u200c\u0633\u0627", "\u260e", "7", "\u0915\u094d\u200d\u0937", "\u200fSigrid", "'"]
)
def test_a_name_of_which_anything_shows_is_taken(name: str, vocabulary: Vocabulary) -> None:
    row = rows(f"id,first_name,language\nm1,{name},sv".encode(), vocabulary)[0]
    assert row.member is not None
    assert row.member.first_name == name


def test_a_line_tells_of_pastimes_old_places_the_half_years_list_and_the_usual_mood(vocabulary: Vocabulary) -> None:
    data = (
        b"id,first_name,language,pastimes,history,wishes,mood,consent_pastimes,consent_history\n"
        b"m1,Siri,sv,vandring;chess,Skola A; Kraft AB,energi: webdev: pr; 24: budget; 2512: ux,Coffee,ja,ja\n"
    )
    member = rows(data, vocabulary)[0].member
    assert member is not None
    assert member.pastimes == (PastimeId("hiking"), PastimeId("chess"))
    assert member.history == ("Skola A", "Kraft AB")
    assert member.wishes == (
        Wish("D", TopicId("webdev"), TopicId("pr")),
        Wish("24", TopicId("budget")),
        Wish("2512", TopicId("ux")),
    )
    assert (member.mood, member.consents) == (Mood.COFFEE, Consents(pastimes=True, history=True))


def test_old_places_are_stored_as_hashes_only(vocabulary: Vocabulary, tmp_path: Path) -> None:
    data = b"id,first_name,language,history,employer\nm1,Siri,sv,Kraft AB,\nm2,Bo,sv,,kraft  ab\n"
    with LocalOffice(tmp_path / "ledger.db") as office:
        import_all(data, vocabulary, office)
        one, other = (office.call("members.show", member=each)["member"] for each in ("m1", "m2"))
    assert list(one["history"]) == [other["employer"]]
    assert b"Kraft" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_who_seeks_nothing_is_told_of_only_if_they_want_to_be_introduced(vocabulary: Vocabulary) -> None:
    data = b"id,first_name,language,offers,consent_introductions\nm1,Siri,sv,budget,yes\nm2,Bo,sv,budget,no\n"
    told = [[warning.field for warning in row.warnings] for row in rows(data, vocabulary)]
    assert told == [["seeks"], []]


def test_every_fault_of_a_line_is_told(vocabulary: Vocabulary) -> None:
    data = b"id,first_name,language,seeks\n,Sigrid,xx,nothing;nobody\nm2,Siri,sv,"
    assert [(fault.line, fault.field, fault.value) for row in rows(data, vocabulary) for fault in row.faults] == [
        (2, "id", ""),
        (2, "language", "xx"),
        (2, "seeks", "nothing"),
        (2, "seeks", "nobody"),
    ]
    assert rows(data, vocabulary)[1].member is not None


def test_a_bad_byte_is_told_with_its_place_and_costs_one_line(vocabulary: Vocabulary) -> None:
    data = b"id,first_name,language\nm1,Sigrid,sv\nm2,Bj\xf6rn,sv\nm3,Ebba,sv\n"
    assert [row.member is not None for row in rows(data, vocabulary)] == [True, False, True]
    assert faults(data, vocabulary) == ["line 3: '0xf6' at byte 6 of the line is not UTF-8; save the file as CSV in UTF-8"]


def test_an_open_quotation_mark_costs_one_line(vocabulary: Vocabulary) -> None:
    data = b'id,first_name,language\nm1,"Sigrid,sv\nm2,Ebba,sv\n'
    assert "line 2: 'm1,\"Sigrid,sv' can't be taken apart" in faults(data, vocabulary)[0]
    assert rows(data, vocabulary)[1].member is not None


def test_a_line_with_too_many_fields_is_told(vocabulary: Vocabulary) -> None:
    data = b"id,first_name,language\nm1,Sigrid,sv,en\nm2,Ebba\n"
    assert [fault.partition("; ")[0] for fault in faults(data, vocabulary)] == [
        "line 2: '4' fields instead of 3",
        "line 3: '2' fields instead of 3",
    ]


def test_an_id_that_is_there_twice_is_told_with_the_first_line(vocabulary: Vocabulary) -> None:
    data = b"id,first_name,language\nm1,Sigrid,sv\n\nm1,Ebba,sv\n"
    assert faults(data, vocabulary) == ["line 4, id: 'm1' is on line 2 already; each member has an id of their own"]


def test_a_line_without_end_is_told_and_not_kept(vocabulary: Vocabulary) -> None:
    data = b"id,first_name,language\nm1," + b"x" * 5_000_000 + b",sv\nm2,Ebba,sv\n"
    file = io.BytesIO(data)
    tracemalloc.start()
    found = list(read_members(file, vocabulary))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert ["more than 65536 bytes" in str(row.faults) for row in found] == [True, False]
    assert peak < 1_000_000


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b"", "the column 'id' is missing|'' is not a column"),
        (b"id,first_name", "the column 'language' is missing; every list has id, first_name, language"),
        (
            b"id,frist_name,language",
            "line 1: 'frist_name' is not a column; did you mean 'first_name'? there are id,",
        ),
        (b"id,first_name,language,shoe size", "'shoe size' is not a column; there are id"),
        (b"id,first_name,language,id", "the column 'id' is there twice"),
        ("id,first_name,language".encode("utf-16"), "UTF-16; save it as CSV in UTF-8"),
        (b"\x89PNG\r\n\x1a\n", "line 1: '0x89' at byte 1"),
        (b"PK\x03\x04 a spreadsheet", "is not a column"),
    ],
)
def test_a_wrong_header_is_told_before_anything_is_taken_in(header: bytes, said: str, vocabulary: Vocabulary) -> None:
    with pytest.raises(MembersFileError) as raised:
        import_all(header + b"\nm1,Sigrid,sv\n", vocabulary, Unreachable())
    assert any(part in str(raised.value) for part in said.split("|"))


def test_a_member_without_an_offer_goes_in_with_a_warning(vocabulary: Vocabulary) -> None:
    row = rows(b"id,first_name,language\nm1,Sigrid,sv", vocabulary)[0]
    assert row.member is not None
    assert [str(each) for each in row.warnings] == [
        "line 2, offers: '' means that this member will not be matched until they offer something; help them find what"
    ]


# Into the ledger


class Unreachable(Office):
    def call(self, command: str, **arguments: Any) -> Any:
        raise AssertionError(f"{command} was called with {arguments}")


class FullDisk(Office):
    """Takes one slice, then no more."""

    def __init__(self) -> None:
        self.slices: list[int] = []

    def call(self, command: str, **arguments: Any) -> Any:
        assert command == "members.put"
        self.slices.append(len(arguments["members"]))
        if len(self.slices) > 1:
            raise CommandError("the disk is full")
        return {"added": len(arguments["members"]), "changed": 0, "unchanged": 0}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[LocalOffice]:
    with LocalOffice(tmp_path / "ledger.db") as office:
        yield office


def import_all(data: bytes, vocabulary: Vocabulary, office: Office, *, dry_run: bool = False) -> Report:
    return import_members(io.BytesIO(data), vocabulary, office, dry_run=dry_run, told=lambda *_: None)


def a_list(count: int) -> bytes:
    return b"id,first_name,language,offers\n" + b"".join(b"m%d,Ebba,sv,budget\n" % number for number in range(count))


def test_members_who_say_much_go_in_in_slices_that_the_control_socket_takes(vocabulary: Vocabulary) -> None:
    sizes: list[int] = []

    class Socket(Office):
        def call(self, command: str, **arguments: Any) -> Any:
            sizes.append(len(msgspec.json.encode({"v": 1, "id": 1, "do": command, "with": arguments})))
            return {"added": len(arguments["members"]), "changed": 0, "unchanged": 0}

    assert import_all(longest_list(3 * SLICE, vocabulary), vocabulary, Socket()).added == 3 * SLICE
    assert MAX_LINE / 2 < max(sizes) < MAX_LINE


def test_importing_twice_changes_nothing(office: LocalOffice, vocabulary: Vocabulary) -> None:
    assert import_all(GOOD, vocabulary, office) == Report(added=2, thin=1)
    before = office.call("members.show", member="m1")
    assert import_all(GOOD, vocabulary, office) == Report(unchanged=2, thin=1)
    assert office.call("members.show", member="m1") == before


def test_good_rows_go_in_beside_faulty_ones(office: LocalOffice, vocabulary: Vocabulary) -> None:
    report = import_all(GOOD + b"m3,Ebba,xx" + b"," * 14 + b"\n", vocabulary, office)
    assert report == Report(added=2, faulty=1, thin=1)
    assert [each["id"] for each in office.call("members.list")] == ["m1", "m2"]


def test_a_dry_run_says_the_same_and_changes_nothing(office: LocalOffice, vocabulary: Vocabulary) -> None:
    assert import_all(GOOD, vocabulary, office, dry_run=True) == Report(added=2, thin=1)
    assert office.call("members.list") == []


def test_an_employer_s_name_is_not_stored(office: LocalOffice, vocabulary: Vocabulary, tmp_path: Path) -> None:
    import_all(GOOD, vocabulary, office)
    stored = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert (b"Sigrid" in stored, b"Kraft AB" in stored) == (True, False)
    assert len(office.call("members.show", member="m1")["member"]["employer"]) == 64


def test_members_go_in_by_slices(vocabulary: Vocabulary) -> None:
    office = FullDisk()
    with pytest.raises(CommandError):
        import_all(a_list(2 * SLICE + 1), vocabulary, office)
    assert office.slices == [SLICE, SLICE]


def test_a_list_of_any_length_needs_little_memory(vocabulary: Vocabulary) -> None:
    class Taker(Office):
        def call(self, command: str, **arguments: Any) -> Any:
            assert command == "members.put"
            return {"added": len(arguments["members"]), "changed": 0, "unchanged": 0}

    data = a_list(5_000)
    tracemalloc.start()
    assert import_all(data, vocabulary, Taker()).added == 5_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # What stays of a row is its id and its line: some 150 bytes.
    assert peak < 1_500_000 + 5_000 * 170


def test_the_documented_columns_are_those_of_the_program() -> None:
    page = (Path(__file__).parents[2] / "docs" / "members.md").read_text(encoding="utf-8")
    documented = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert documented == list(COLUMNS)
