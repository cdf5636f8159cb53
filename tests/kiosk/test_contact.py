"""What a badge's QR code holds: read back by the rules of MECARD, not by our own writer's."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kiosk.badge import Field, Template
from kiosk.compose import compose
from kiosk.contact import BETWEEN, MAX_BYTES, contact
from kiosk.house import House
from kiosk.signals import Signal
from kiosk.spool import copy_of
from kiosk.values import Consents, Language, Visit
from tests.kiosk.matching.people import TABLE, member
from tests.kiosk.rig import HOUSE, at, badge_job, clock, visit_id

SIGRID = member("Sigrid", offers="photo ux", occupation="2512", industry="J", employer="9f3c77aa")
NOW = at(60_000, wall=clock(20_778, 17, 10))


def read(text: str) -> dict[str, str]:
    """Return the fields of a MECARD as a phone reads them: `KEY:value;` one after the other, with backslashes."""
    assert text.startswith("MECARD:")
    assert text.endswith(";;")
    fields = re.findall(r"([A-Z]+):((?:[^\\;]|\\.)*);", text.removeprefix("MECARD:"), re.DOTALL)
    assert "".join(f"{key}:{value};" for key, value in fields) + ";" == text.removeprefix("MECARD:")
    assert len({key for key, _ in fields}) == len(fields)
    return {key: re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL) for key, value in fields}


def qr(house: House = HOUSE, **changes: Any) -> dict[str, str]:
    """Return what the code on Sigrid's badge opens, in a café that is changed so."""
    visit = Visit(visit_id(12), 12, SIGRID, at(0), zone=TABLE.id)
    return read(compose(replace(house, **changes), visit, None, None, Signal.NOT_YET, NOW).qr)


def test_a_badge_opens_as_a_contact_that_says_what_the_badge_says() -> None:
    found = qr(cafe="Kafé Exempel", badge_url="https://fika.example/v/")
    assert list(found) == ["N", "NOTE", "URL"]
    assert found["N"] == "Sigrid"
    assert found["URL"] == "https://fika.example/v/t1-x-12"
    headline, talk, more, cafe, date, badge = found["NOTE"].split(BETWEEN)
    assert headline.startswith("Systemutvecklare")
    assert talk == "Prata med mig om " + HOUSE.vocabulary.topics[SIGRID.offers[0]].labels[Language.SV]
    assert more == HOUSE.vocabulary.topics[SIGRID.offers[1]].labels[Language.SV]
    assert (cafe, date, badge) == ("Kafé Exempel", "2026-11-21", "t1-x-12")


def test_without_an_address_there_is_no_link_and_without_trusted_time_no_date() -> None:
    visit = Visit(visit_id(12), 12, SIGRID, at(0), zone=TABLE.id)
    found = read(compose(HOUSE, visit, None, None, Signal.NOT_YET, at(60_000)).qr)
    assert list(found) == ["N", "NOTE"]
    assert "20" not in found["NOTE"].removesuffix("t1-x-12")


def test_nothing_is_in_the_code_that_is_not_on_the_badge() -> None:
    plain = Template(fields=tuple(field for field in Field if field not in (Field.HEADLINE, Field.TALK)))
    assert qr(template=plain)["NOTE"].split(BETWEEN) == ["2026-11-21", "t1-x-12"]
    visit = Visit(visit_id(12), 12, replace(SIGRID, consents=Consents()), at(0), zone=TABLE.id)
    assert "Systemutvecklare" not in compose(HOUSE, visit, None, None, Signal.NOT_YET, NOW).qr
    assert SIGRID.employer not in compose(HOUSE, visit, None, None, Signal.NOT_YET, NOW).qr


def test_a_copy_opens_as_the_very_same() -> None:
    job = badge_job(2, Visit(visit_id(12), 12, SIGRID, at(0), zone=TABLE.id), Signal.NOT_YET, NOW)
    copy = copy_of(job, job.id, 99).badge
    assert job.badge is not None
    assert copy is not None
    assert (copy.copy, copy.qr) == (True, job.badge.qr)


@pytest.mark.parametrize("name", ["Anna;URL:http://evil.example", "a:b,c\\", "😀👩‍👩‍👧", "ياسمين", "O’Neil", "王小明"])
def test_a_name_stays_a_name_whatever_is_in_it(name: str) -> None:
    assert read(contact(name, ("x;y:z",), "t1-x-12")) == {"N": name, "NOTE": f"x;y:z{BETWEEN}t1-x-12"}


def test_control_characters_are_spaces() -> None:
    assert read(contact("An\x1b@na\n", ("a\x00\tb",), "t1-x-12")) == {"N": "An @na", "NOTE": f"a b{BETWEEN}t1-x-12"}


def test_the_least_important_goes_first_and_whole() -> None:
    parts = ["å" * 60, "b" * 60, "c" * 60]
    assert read(contact("Sigrid", parts, "t1-x-12"))["NOTE"].split(BETWEEN) == [*parts[:2], "t1-x-12"]


def test_the_link_goes_before_a_letter_of_the_name_and_the_name_before_the_badges_id() -> None:
    url = "https://fika.example/v/t1-x-12"
    both = contact("å" * 90, ["b" * 60], "t1-x-12", url)
    assert read(both) == {"N": "å" * 90, "NOTE": "t1-x-12", "URL": url}
    named = contact("å" * 110, [], "t1-x-12", url)
    assert read(named) == {"N": "å" * 110, "NOTE": "t1-x-12"}
    full = contact("å" * 200, [], "t1-x-12", url)
    assert len(full.encode()) in (MAX_BYTES - 1, MAX_BYTES)
    assert set(read(full)) == {"N", "NOTE"}
    assert (set(read(full)["N"]), read(full)["NOTE"]) == ({"å"}, "t1-x-12")


@pytest.mark.parametrize("letter", ["👩‍👩‍👧", "e\u0301", "x"])
@pytest.mark.parametrize("first", ["", "a", "ab", "abc", "å"])
def test_a_long_name_ends_between_letters(first: str, letter: str) -> None:
    found = read(contact(first + letter * 300, (), "t1-x-12"))["N"]
    count = (len(found) - len(first)) // len(letter)
    assert found == first + letter * count
    assert len(found.encode()) > 230 - len(letter.encode())


@given(
    st.text(max_size=400), st.lists(st.text(max_size=80), max_size=5), st.sampled_from(["", "https://fika.example/v/t1-x-12"])
)
def test_every_contact_can_be_read_and_is_short_enough(name: str, parts: list[str], url: str) -> None:
    text = contact(name, parts, "t1-x-12", url)
    assert len(text.encode()) <= MAX_BYTES
    found = read(text)
    assert found["NOTE"].endswith("t1-x-12")
    assert found.get("URL", "") in ("", url)
    assert name.startswith(found.get("N", "")) or found["N"] in " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", name).split())


def test_a_link_that_is_too_long_and_a_name_of_a_book_leave_the_badges_id() -> None:
    found = read(contact("x" * 10_000, ("y",), "t1-x-12", "https://fika.example/" + "v" * 300))
    assert sorted(found) == ["N", "NOTE"]
    assert found["NOTE"] == "t1-x-12"
    assert len(found["N"]) > 200
