"""What is on the slips that are no badges: only what may be said, in words that fit the number of people."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

import pytest
from msgspec.structs import replace

from kiosk.badge import Block, Role, SlipLine, blocks
from kiosk.effects import Notice, TellStaff
from kiosk.house import civil
from kiosk.slips import FAULT_LINES, MET_LINES, ask_staff, desk, fault, follow_up, group, who_comes
from kiosk.values import Cause, Consents, Gathering, JobId, Language, MemberId, Met, TopicId, Visit, Way
from tests.kiosk.matching.people import SENSITIVE_TOPICS, TABLE, VOCABULARY, member
from tests.kiosk.rig import HOUSE, SIGRID, SOREN, TEXTS, at, clock, visit_id
from tests.kiosk.rig import MAEVE as HER

NOW = at(60_000, wall=clock(20_778, 17, 5))
BUDGET, PHOTO = TopicId("budget"), TopicId("photo")
MAEVE = Met(MemberId("maeve"), 7, "Maeve", (BUDGET, PHOTO))
UNNAMED = Met(MemberId("ylva"), 12, "", (PHOTO,))


def goes(*met: Met, language: Language = Language.SV) -> Visit:
    return Visit(visit_id(1), 1, member("Sigrid", language=language), at(0), met=met)


def words(found: Iterable[Block]) -> str:
    return "\n".join(block.text for block in found)


def about(topic: TopicId, language: Language = Language.SV) -> str:
    return HOUSE.vocabulary.topics[topic].phrase(language)


def test_a_card_that_is_not_known_gets_the_cafes_language_and_english() -> None:
    found = blocks(ask_staff(HOUSE, Notice.UNKNOWN_CARD, NOW), TEXTS)
    assert [block.role for block in found] == [Role.TITLE, Role.TEXT, Role.CLOSING, Role.SMALL]
    assert found[1].text == TEXTS.say(Language.SV, "slip.unknown_card")
    assert found[2].text == TEXTS.say(Language.EN, "slip.unknown_card")
    assert found[3].text == "2026-11-21 kl. 17:05"


def test_where_english_is_spoken_it_is_said_once_and_no_time_that_is_not_sure() -> None:
    found = blocks(ask_staff(replace(HOUSE, language=Language.EN), Notice.BLOCKED_CARD, at(1)), TEXTS)
    assert [block.text for block in found[1:]] == [TEXTS.say(Language.EN, "slip.blocked_card")]


def test_a_follow_up_says_whom_about_what_and_leaves_a_line_for_a_note() -> None:
    found = blocks(follow_up(replace(HOUSE, cafe="Kafé Exempel"), goes(MAEVE, UNNAMED), NOW), TEXTS)
    assert found == (
        Block(Role.TITLE, "Tack för i dag, Sigrid!"),
        Block(Role.TEXT, "Du träffade 2 personer."),
        Block(Role.PARTNER, "Maeve"),
        Block(Role.TEXT, f"Om {about(BUDGET)} och {about(PHOTO)}."),
        Block(Role.PARTNER, "Nr 12"),
        Block(Role.TEXT, f"Om {about(PHOTO)}."),
        Block(Role.CLOSING, TEXTS.say(Language.SV, "slip.thanks")),
        Block(Role.MEMO, TEXTS.say(Language.SV, "slip.memo")),
        Block(Role.SMALL, "Kafé Exempel · 2026-11-21"),
    )


def test_one_person_is_one_and_is_thanked_by_name_if_that_was_agreed_to() -> None:
    slip = follow_up(HOUSE, goes(MAEVE), at(1))
    assert slip.text == "Du träffade 1 person."
    assert slip.after == TEXTS.say(Language.SV, "slip.thanks_named", name="Maeve")
    assert slip.small == ""
    assert follow_up(HOUSE, goes(UNNAMED), at(1)).after == TEXTS.say(Language.SV, "slip.thanks")


def test_the_desks_slip_leads_a_phone_there_and_says_how_to_know_it() -> None:
    addresses = ("https://192.168.1.20:8443/desk", "https://kafe.local:8443/desk")
    slip = desk(replace(HOUSE, cafe="Kafé Exempel"), addresses, "AB:CD:EF:01:23:45:67:89:0A:BC:DE:F0", NOW)
    assert blocks(slip, TEXTS) == (
        Block(Role.TITLE, "Disken i din telefon"),
        Block(Role.TEXT, TEXTS.say(Language.SV, "slip.desk_open")),
        Block(Role.QR, "https://192.168.1.20:8443/desk"),
        Block(Role.TEXT, "https://192.168.1.20:8443"),
        Block(Role.TEXT, "https://kafe.local:8443"),
        Block(Role.PARTNER, "AB:CD:EF:01:23:45:"),
        Block(Role.PARTNER, "67:89:0A:BC:DE:F0"),
        Block(Role.TEXT, TEXTS.say(Language.SV, "slip.desk_compare")),
        Block(Role.CLOSING, TEXTS.say(Language.SV, "slip.desk_after")),
        Block(Role.SMALL, "Kafé Exempel · 2026-11-21 kl. 17:05"),
    )


@pytest.mark.parametrize("size", range(8, 33))
def test_no_letter_of_a_fingerprint_is_lost_between_its_halves(size: int) -> None:
    whole = bytes(range(size)).hex(":").upper()
    halves = [line.text for line in desk(HOUSE, ("https://kafe.local:8443/desk",), whole, NOW).lines if line.text]
    assert "".join(halves) == whole
    assert halves[0].endswith(":")


def test_a_sensitive_topic_and_one_that_is_no_more_are_not_said() -> None:
    topics = (SENSITIVE_TOPICS[0], BUDGET, TopicId("a topic that is no more"))
    slip = follow_up(HOUSE, goes(replace(MAEVE, topics=topics)), NOW)
    assert slip.lines == (SlipLine("Maeve", f"Om {about(BUDGET)}."),)
    silent = follow_up(HOUSE, goes(replace(MAEVE, topics=topics[:1])), NOW)
    assert silent.lines == (SlipLine("Maeve", ""),)


def test_many_people_are_counted_and_the_latest_named() -> None:
    met = tuple(Met(MemberId(f"m{number}"), number) for number in range(1, 21))
    slip = follow_up(HOUSE, goes(*met), NOW)
    assert slip.text == "Du träffade 20 personer."
    assert [line.text for line in slip.lines] == [f"Nr {number}" for number in range(21 - MET_LINES, 21)]


@pytest.mark.parametrize("language", Language)
def test_every_word_of_a_slip_is_there_in_each_language(language: Language) -> None:
    house = replace(HOUSE, language=language)
    notices = [TellStaff(each, JobId("t1-x-2"), Cause.STALE) for each in Notice]
    found = (
        *blocks(ask_staff(house, Notice.UNKNOWN_CARD, NOW), TEXTS),
        *blocks(follow_up(house, goes(MAEVE, UNNAMED, language=language), NOW), TEXTS),
        *blocks(fault(house, (), notices, NOW), TEXTS),
    )
    assert "{" not in words(found)
    assert "slip." not in words(found)


def test_a_fault_slip_says_what_happened_and_what_to_do() -> None:
    told = TellStaff(Notice.BADGE_UNKNOWN, JobId("t1-x-2"), Cause.SILENT)
    (line,) = fault(HOUSE, (), [told], NOW).lines
    cause = TEXTS.say(Language.SV, "cause.silent")
    happened = TEXTS.say(Language.SV, "staff.badge_unknown", job="t1-x-2", cause=cause)
    assert line.detail == f"· {happened} {TEXTS.say(Language.SV, 'staff.badge_unknown_do', job='t1-x-2')}"


def test_a_fault_slip_says_each_thing_once_and_the_latest_when_there_are_many() -> None:
    notices = [TellStaff(Notice.BADGE_EXPIRED, JobId(f"t1-x-{number}"), Cause.STALE) for number in range(20)]
    early = fault(HOUSE, (), notices[:3], NOW)
    late = fault(HOUSE, early.lines, [*notices[2:5], *notices[2:5]], NOW)
    assert [f"t1-x-{number} " in line.detail for number, line in enumerate(late.lines)] == [True] * 5
    many = fault(HOUSE, late.lines, notices, NOW)
    assert many.lines == fault(HOUSE, (), notices[-FAULT_LINES:], NOW).lines


def test_days_are_those_of_the_calendar() -> None:
    first = date(1970, 1, 1)
    for day in (*range(-400, 1_000), *range(10_000, 60_000, 13), 47_540, 47_541):
        expected = first + timedelta(days=day)
        assert civil(day) == (expected.year, expected.month, expected.day)


# Who was sent, and groups


def test_a_group_s_slip_says_with_whom_in_each_round_and_how_to_begin_by_name_with_consent_only() -> None:
    people = {
        visit_id(number): Visit(visit_id(number), number, someone, at(0))
        for number, someone in enumerate((SIGRID, HER, replace(SOREN, consents=Consents(introductions=True))), 1)
    }
    one, two, three = people
    gathering = Gathering(TABLE.id, (((one, two, three),), ((one, three), (two,))), PHOTO)
    slip = group(HOUSE, people[one], gathering, people, at(0))
    assert [line.text for line in slip.lines] == ["Omgång 1: Maeve, nummer 3", "Omgång 2, del 1: nummer 3"]
    assert VOCABULARY.topics[PHOTO].phrase(Language.SV) in slip.lines[0].detail
    assert slip.lines[1].detail == TEXTS.vary(Language.SV, "starter.general", 2)
    assert TABLE.name in slip.text


def test_a_group_s_question_never_names_a_sensitive_topic() -> None:
    visit = Visit(visit_id(1), 1, SIGRID, at(0))
    gathering = Gathering(TABLE.id, (((visit.id,),),), SENSITIVE_TOPICS[0])
    (line,) = group(HOUSE, visit, gathering, {visit.id: visit}, at(0)).lines
    assert line.detail == TEXTS.vary(Language.SV, "starter.general", 1)


def test_who_was_sent_is_told_in_one_sentence_and_what_about_when_it_is_one() -> None:
    visit = Visit(visit_id(1), 1, SIGRID, at(0))
    maeve, nobody = Met(HER.id, 2, "Maeve", (PHOTO,), Way.SENT), Met(SOREN.id, 3, "", (), Way.SENT)
    about = VOCABULARY.topics[PHOTO].phrase(Language.SV)
    assert who_comes(HOUSE, visit, [maeve]) == f"Maeve har skickats till dig. Om {about}."
    assert who_comes(HOUSE, visit, [nobody]) == "Nummer 3 har skickats till dig."
    assert who_comes(HOUSE, visit, [maeve, nobody]) == "Maeve, nummer 3 har skickats till dig."
