"""What is on a badge: only what its people agreed to, in the reader's words."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from firmware_py.roster import made_up_members
from kiosk.badge import Badge, BadgeIntroduction, BadgeZone, blocks
from kiosk.compose import MEETING_MINUTES, TALK_TOPICS, compose
from kiosk.contact import contact
from kiosk.matching import Circumstances, Present, find_match, profile
from kiosk.signals import Signal
from kiosk.values import (
    Consents,
    Introduction,
    Language,
    Member,
    Now,
    Reason,
    ReasonKind,
    Symbol,
    TopicId,
    Visit,
    ZoneId,
)
from tests.kiosk.matching.people import LIBRARY, SENSITIVE_TOPICS, TABLE, VOCABULARY, ZONES, member, topics
from tests.kiosk.rig import HOUSE, TEXTS, at, clock, visit_id

READER = member(
    "Sigrid",
    seeks="budget",
    offers="photo ux",
    occupation="2512",
    industry="J",
    languages=("en", "fi"),
    employer="9f3c77aa",
)
PARTNER = member("Maeve", seeks="photo", offers="budget", language=Language.EN, employer="51aa08bd")
NOW = at(60_000, wall=clock(5, 17, 10))


def visit_of(someone: Member, number: int = 12, zone: ZoneId | None = TABLE.id) -> Visit:
    return Visit(visit_id(number), number, someone, at(0), zone=zone)


def alone(someone: Member, signal: Signal | None = Signal.NOT_YET, now: Now = NOW) -> Badge:
    """Return the badge of somebody without an introduction."""
    return compose(HOUSE, visit_of(someone), None, None, signal, now)


def introduced(
    someone: Member = READER,
    partner: Member = PARTNER,
    reason: Reason = Reason(ReasonKind.BOTH, ask=TopicId("budget"), give=TopicId("photo")),  # noqa: B008 - a value
    now: Now = NOW,
) -> Badge:
    """Return the badge of somebody who is to meet `partner`, who has number 7 and sits in the library."""
    visit, other = visit_of(someone), visit_of(partner, 7, LIBRARY.id)
    found = Introduction(visit.id, other.id, reason, TABLE.id, 700)
    return compose(HOUSE, visit, found, other, Signal.INTRODUCED, now)


def words(badge: Badge) -> str:
    """Return all that is printed, but for the QR code."""
    return "\n".join(block.text for block in blocks(badge, TEXTS) if block.text != badge.qr)


def test_a_badge_with_an_introduction_says_who_where_why_and_how_to_begin() -> None:
    reason = TEXTS.vary(
        Language.SV,
        "reason.both",
        0,
        partner="Maeve",
        ask=VOCABULARY.topics[TopicId("budget")].phrase(Language.SV),
        give=VOCABULARY.topics[TopicId("photo")].phrase(Language.SV),
    )
    headline = "Systemutvecklare inom " + VOCABULARY.industries["J"][Language.SV]
    talk = tuple(VOCABULARY.topics[topic].labels[Language.SV] for topic in topics("photo ux"))
    assert introduced() == Badge(
        language=Language.SV,
        first_name="Sigrid",
        zone=BadgeZone("Långbordet", Symbol.CIRCLE, "gul"),
        qr=contact("Sigrid", (headline, f"Prata med mig om {talk[0]}", talk[1], "1970-01-06"), "t1-x-12"),
        headline=headline,
        talk_to_me_about=talk,
        introduction=BadgeIntroduction(
            partner="Maeve",
            partner_zone="Biblioteket",
            reason=reason,
            starter=TEXTS.vary(Language.SV, "starter.both", 0),
        ),
        until="17:45",
        languages=("svenska", "English", "suomi"),
        number=12,
    )


def test_a_badge_without_an_introduction_says_why_and_gives_a_general_starter() -> None:
    badge = alone(READER)
    assert badge.introduction is None
    assert badge.notice == TEXTS.say(Language.SV, "notice.not_yet")
    assert badge.starter == TEXTS.vary(Language.SV, "starter.general", 12)
    assert badge.until == ""


def test_matching_that_was_silent_is_no_promise_to_be_first_in_line() -> None:
    assert alone(READER, Signal.NO_MATCH).notice == TEXTS.say(Language.SV, "notice.no_match")


def test_who_wants_no_introductions_is_told_nothing_about_them() -> None:
    badge = alone(READER, None)
    assert badge.notice == ""
    assert badge.starter


@pytest.mark.parametrize("offers", [(), (TopicId("a topic that is no more"),)])
def test_who_offers_nothing_is_told_to_find_something_with_the_staff(offers: tuple[TopicId, ...]) -> None:
    badge = alone(replace(READER, offers=offers))
    assert badge.notice == TEXTS.say(Language.SV, "notice.no_offer")
    assert badge.talk_to_me_about == ()


def test_a_short_name_is_the_one_that_is_printed() -> None:
    assert alone(replace(READER, first_name="Alexandra", short_name="Alex")).first_name == "Alex"


def test_a_name_of_spaces_is_a_number_on_the_badge_in_its_code_and_to_others() -> None:
    blank = alone(replace(READER, first_name="\u3000 "))
    assert blank.first_name == TEXTS.say(Language.SV, "badge.number", number=12)
    assert blank.qr.startswith(f"MECARD:N:{blank.first_name};")
    meet = introduced(partner=replace(PARTNER, first_name=" ")).introduction
    unnamed = introduced(partner=replace(PARTNER, consents=replace(PARTNER.consents, name=False))).introduction
    assert meet is not None
    assert unnamed is not None
    assert meet.partner == unnamed.partner


def test_missing_consents_mean_no() -> None:
    badge = alone(replace(READER, consents=Consents()))
    assert badge.headline == ""
    assert badge.languages == ()
    # One's own first name and open offers are what a badge is for.
    assert badge.first_name == "Sigrid"
    assert len(badge.talk_to_me_about) == 2


@pytest.mark.parametrize(("field", "line"), [("occupation", "headline"), ("languages", "languages")])
def test_each_line_follows_its_own_consent(field: str, line: str) -> None:
    one = replace(READER, consents=replace(Consents(), **{field: True}))
    filled = {name for name in ("headline", "languages") if getattr(alone(one), name)}
    assert filled == {line}


def test_an_occupation_that_the_lists_do_not_have_is_left_out() -> None:
    only_industry = alone(replace(READER, occupation="0000")).headline
    assert only_industry.casefold() == VOCABULARY.industries["J"][Language.SV].casefold()
    assert alone(replace(READER, occupation="", industry="")).headline == ""


def test_an_unnamed_partner_is_a_number_in_every_line() -> None:
    shy = replace(PARTNER, consents=replace(PARTNER.consents, name=False))
    badge = introduced(partner=shy)
    assert badge.introduction is not None
    assert badge.introduction.partner == TEXTS.say(Language.SV, "reason.person_number", number=7)
    assert badge.introduction.partner in badge.introduction.reason
    assert "Maeve" not in words(badge)


def test_people_of_similar_occupations_get_a_starter_of_their_own() -> None:
    badge = introduced(reason=Reason(ReasonKind.PEER, industries=("J", "K")))
    assert badge.introduction is not None
    assert badge.introduction.starter == TEXTS.vary(Language.SV, "starter.peer", 0)


def test_at_most_three_topics_are_named_and_none_of_them_is_sensitive() -> None:
    offers = (*SENSITIVE_TOPICS, *topics("photo ux ml cloud"))
    badge = alone(replace(READER, offers=offers))
    labels = [VOCABULARY.topics[topic].labels[Language.SV] for topic in topics("photo ux ml")]
    assert badge.talk_to_me_about == tuple(labels)
    assert len(labels) == TALK_TOPICS


@pytest.mark.parametrize("language", list(Language))
def test_every_word_is_in_the_readers_language(language: Language) -> None:
    badge = introduced(replace(READER, language=language, languages=()))
    assert badge.language is language
    assert badge.zone.colour_word == TEXTS.say(language, "colour.yellow")
    assert badge.headline.casefold().startswith(VOCABULARY.occupations["2512"][language].casefold())
    assert badge.languages == (HOUSE.language_names[language.value],)
    assert badge.introduction is not None
    assert VOCABULARY.topics[TopicId("budget")].phrase(language) in badge.introduction.reason


def test_a_language_without_a_known_name_keeps_its_tag() -> None:
    assert alone(replace(READER, languages=("tlh",))).languages == ("svenska", "tlh")


def test_a_language_is_named_once() -> None:
    assert alone(replace(READER, languages=("sv", "sv", "en"))).languages == ("svenska", "English")


@pytest.mark.parametrize(
    ("hour", "minute", "until"),
    [(17, 0, "17:30"), (17, 1, "17:45"), (17, 15, "17:45"), (23, 45, "00:15"), (23, 30, "00:00")],
)
def test_an_introduction_holds_half_an_hour_rounded_up_to_a_quarter(hour: int, minute: int, until: str) -> None:
    assert MEETING_MINUTES == 30
    assert introduced(now=at(0, wall=clock(5, hour, minute))).until == until


def test_no_time_is_printed_that_is_not_trusted() -> None:
    assert introduced(now=at(60_000)).until == ""


def test_a_zone_that_the_cafe_gave_up_becomes_one_that_it_has() -> None:
    badge = compose(HOUSE, visit_of(READER, zone=ZoneId("gone")), None, None, Signal.NOT_YET, NOW)
    assert badge.zone.name == LIBRARY.name


def test_a_partner_without_a_zone_is_sought_where_the_reader_is_sent() -> None:
    visit, other = visit_of(READER), visit_of(PARTNER, 7, None)
    found = Introduction(visit.id, other.id, Reason(ReasonKind.OPEN), TABLE.id, 700)
    badge = compose(HOUSE, visit, found, other, Signal.INTRODUCED, NOW)
    assert badge.introduction is not None
    assert badge.introduction.partner_zone == TABLE.name


def test_a_reason_that_names_a_sensitive_topic_names_nothing() -> None:
    badge = introduced(reason=Reason(ReasonKind.ASK, ask=SENSITIVE_TOPICS[0]))
    assert badge.introduction is not None
    assert badge.introduction.reason == TEXTS.vary(Language.SV, "reason.open_only", 0, partner="Maeve")


def test_no_badge_of_an_evening_shows_an_employer_a_sensitive_topic_or_what_was_not_agreed_to() -> None:
    """Every pair of eighty made-up people that matching would introduce, and everybody alone."""
    people = made_up_members(80, 3, VOCABULARY)
    visits = [Visit(visit_id(number), number, someone, at(0), zone=TABLE.id) for number, someone in enumerate(people, 1)]
    present = [Present(visit, profile(visit.member, VOCABULARY)) for visit in visits]
    matched = 0
    for visitor in present:
        found = find_match(visitor, present, Circumstances(zones=ZONES))
        partner = None if found is None else visits[int(found.partner.rpartition("-")[2]) - 1]
        signal = Signal.NOT_YET if found is None else Signal.INTRODUCED
        badge = compose(HOUSE, visitor.visit, found, partner, signal, NOW)
        text, language, own = words(badge), badge.language, visitor.visit.member
        for topic in SENSITIVE_TOPICS:
            assert VOCABULARY.topics[topic].labels[language] not in text
            assert VOCABULARY.topics[topic].phrase(language) not in text
        assert not own.employer or own.employer not in text
        assert bool(badge.headline) == own.consents.occupation
        if partner is not None:
            matched += 1
            assert not partner.member.employer or partner.member.employer not in text
            assert badge.introduction is not None
            assert (badge.introduction.partner == partner.member.called) == partner.member.consents.name
    assert matched > 20


@pytest.mark.parametrize(
    ("language", "signal"), list(product(Language, [Signal.NOT_YET, Signal.NO_MATCH, Signal.INTRODUCED, None]))
)
def test_no_badge_has_an_unfilled_part(language: Language, signal: Signal | None) -> None:
    someone = replace(READER, language=language)
    badge = introduced(someone) if signal is Signal.INTRODUCED else alone(someone, signal)
    assert "{" not in words(badge)


KINDS = (
    Reason(ReasonKind.BOTH, ask=TopicId("budget"), give=TopicId("photo")),
    Reason(ReasonKind.ASK, ask=TopicId("budget"), give=TopicId("photo")),
    Reason(ReasonKind.ASK, ask=TopicId("budget")),
    Reason(ReasonKind.GIVE, ask=TopicId("budget"), give=TopicId("photo")),
    Reason(ReasonKind.GIVE, give=TopicId("photo")),
    Reason(ReasonKind.PEER, industries=("J", "K")),
    Reason(ReasonKind.COLLEAGUE, industries=("J", "J")),
    Reason(ReasonKind.OPEN, ask=TopicId("budget"), give=TopicId("photo")),
    Reason(ReasonKind.OPEN),
    Reason(ReasonKind.ASK, ask=SENSITIVE_TOPICS[0]),
)


@given(st.integers(0, 10_000), st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(Language)), min_size=8, max_size=8))
def test_no_line_comes_twice_within_eight_introductions_of_a_venue(first: int, evening: list[tuple[Reason, Language]]) -> None:
    """All badges have the same people and numbers: only the venue's counter tells them apart."""
    other = visit_of(PARTNER, 7, LIBRARY.id)
    met = []
    for turn, (reason, language) in enumerate(evening, first):
        visit = visit_of(replace(READER, language=language))
        found = Introduction(visit.id, other.id, reason, TABLE.id, 700)
        met.append(compose(HOUSE, visit, found, other, Signal.INTRODUCED, NOW, turn=turn).introduction)
    assert len({each.reason for each in met if each is not None}) == 8
    assert len({each.starter for each in met if each is not None}) == 8
