"""Why two people meet, in the reader's language."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from firmware_py.texts import load_texts
from kiosk.matching import person_number, reason, reason_sentence, starter
from kiosk.values import Consents, Language, PastimeId, Reason, ReasonKind, TopicId, Wish
from tests.kiosk.matching.people import EVERYTHING, VOCABULARY, here, member

TEXTS = load_texts()
TEACHING, DIGMARK, STARTUP = TopicId("teaching"), TopicId("digmark"), TopicId("startup")
SILENT = Consents(introductions=True, name=True)
BOTH = Reason(ReasonKind.BOTH, ask=TEACHING, give=DIGMARK)


def why(reader: dict[str, Any], partner: dict[str, Any], numbers: tuple[int, int] = (1, 1)) -> Reason:
    return reason(here(member("Anna", **reader), numbers[0]), here(member("Bo", **partner), numbers[1]))


def test_each_gives_what_the_other_seeks() -> None:
    assert why({"seeks": "teaching", "offers": "digmark"}, {"seeks": "digmark", "offers": "teaching"}) == BOTH


def test_without_the_partners_consent_their_need_is_not_named() -> None:
    partner = {"seeks": "digmark", "offers": "teaching", "consents": SILENT}

    assert why({"seeks": "teaching", "offers": "digmark photo"}, partner, (1, 2)) == Reason(
        ReasonKind.ASK, ask=TEACHING, give=TopicId("photo")
    )


def test_what_is_given_in_return_tells_nothing_of_a_need_without_consent() -> None:
    reader = {"seeks": "teaching", "offers": "digmark photo law"}

    told = [
        [why(reader, {"seeks": seeks, "offers": "teaching", "consents": SILENT}, (1, number)) for number in range(6)]
        for seeks in ("", "digmark", "law photo")
    ]

    assert told[0] == told[1] == told[2]


def test_the_readers_own_need_alone_is_asked_about() -> None:
    assert why({"seeks": "teaching", "offers": "interview"}, {"seeks": "law", "offers": "teaching"}) == Reason(
        ReasonKind.ASK, ask=TEACHING
    )


def test_the_partners_need_alone_is_given_to() -> None:
    assert why({"seeks": "law", "offers": "digmark"}, {"seeks": "digmark", "offers": "teaching"}) == Reason(
        ReasonKind.GIVE, ask=TEACHING, give=DIGMARK
    )


def test_a_hidden_need_alone_is_an_open_reason_that_names_open_offers() -> None:
    partner = {"seeks": "digmark", "offers": "teaching", "consents": SILENT}

    assert why({"offers": "digmark photo"}, partner) == Reason(ReasonKind.OPEN, ask=TEACHING, give=DIGMARK)
    assert why({"offers": "digmark photo"}, partner, (1, 2)) == Reason(ReasonKind.OPEN, ask=TEACHING, give=TopicId("photo"))


def test_one_topic_is_not_both_asked_about_and_given() -> None:
    twins = {"seeks": "ml", "offers": "ml"}

    assert why(twins, twins) == Reason(ReasonKind.ASK, ask=TopicId("ml"))
    assert why({"offers": "ml"}, twins) == Reason(ReasonKind.GIVE, give=TopicId("ml"))


LIST = (Wish("P", TEACHING, gives=STARTUP),)


def test_a_line_of_the_list_for_the_half_year_goes_before_other_needs() -> None:
    reader = {"seeks": "law", "offers": "digmark", "wishes": LIST}
    teacher = {"offers": "law teaching", "industry": "P"}

    assert why(reader, teacher) == Reason(ReasonKind.ASK, ask=TEACHING, give=STARTUP)
    assert why(reader, teacher | {"industry": "Q"}) == Reason(ReasonKind.ASK, ask=TopicId("law"), give=DIGMARK)
    assert why(reader, teacher | {"offers": "law"}) == Reason(ReasonKind.ASK, ask=TopicId("law"), give=DIGMARK)
    assert why(reader, teacher | {"seeks": "digmark"}) == BOTH


def test_what_a_list_promises_is_not_what_is_asked_about() -> None:
    reader = {"offers": "digmark", "wishes": (Wish("P", TEACHING, gives=TEACHING),)}

    assert why(reader, {"offers": "teaching", "industry": "P"}) == Reason(ReasonKind.ASK, ask=TEACHING, give=DIGMARK)


def test_a_pastime_in_common_breaks_the_ice_whatever_the_reason_and_both_are_told_the_same() -> None:
    one, other = {"pastimes": "chess yoga dogs"}, {"pastimes": "dogs film chess"}

    told = [(why(one, other, (1, number)).pastime, why(other, one, (number, 1)).pastime) for number in range(3)]

    assert told == [("dogs", "dogs"), ("chess", "chess"), ("dogs", "dogs")]
    assert why(one, {"pastimes": "film"}).pastime is None
    assert why(
        {"seeks": "teaching", "offers": "digmark", **one}, {"seeks": "digmark", "offers": "teaching", **other}
    ) == replace(BOTH, pastime=PastimeId("chess"))


def test_an_old_school_in_common_is_said_but_not_which() -> None:
    assert why({"history": ("s1", "s2")}, {"history": ("s2",)}).history
    assert not why({"history": ("s1",)}, {"history": ("s2",)}).history


@pytest.mark.parametrize("item", ["pastimes", "history"])
@pytest.mark.parametrize("who", ["reader", "partner"])
def test_what_breaks_the_ice_needs_the_consent_of_both(item: str, who: str) -> None:
    both: dict[str, Any] = {"pastimes": "chess", "history": ("s1",)}
    people = {"reader": both, "partner": both}
    people[who] = {**both, "consents": replace(EVERYTHING, **{item: False})}

    told = why(people["reader"], people["partner"])

    assert (told.pastime is None, told.history) == ((True, True) if item == "pastimes" else (False, False))


def test_similar_occupations_in_different_industries_are_peers() -> None:
    assert why({"occupation": "2512", "industry": "D"}, {"occupation": "2522", "industry": "Q"}) == Reason(
        ReasonKind.PEER, industries=("D", "Q")
    )


def test_similar_occupations_in_one_industry_are_colleagues() -> None:
    assert why({"occupation": "2512", "industry": "D"}, {"occupation": "2513", "industry": "D"}) == Reason(
        ReasonKind.COLLEAGUE, industries=("D", "D")
    )


@pytest.mark.parametrize(
    "partner",
    [
        {"occupation": "2120", "industry": "Q"},
        {"occupation": "2512", "industry": ""},
        {"occupation": "2512", "industry": "Q", "consents": SILENT},
        {"seeks": "law", "offers": "cv", "occupation": "", "industry": "Q"},
    ],
)
def test_what_may_not_be_said_or_is_not_known_leaves_an_open_reason(partner: dict[str, Any]) -> None:
    assert why({"seeks": "cv", "offers": "interview", "occupation": "2512", "industry": "D"}, partner).kind == ReasonKind.OPEN


def test_when_all_is_sensitive_nothing_is_named() -> None:
    assert why({"seeks": "cv", "offers": "interview"}, {"seeks": "interview", "offers": "cv"}) == Reason(ReasonKind.OPEN)


def test_topics_take_turns_by_badge_number() -> None:
    reader = {"seeks": "teaching law", "offers": "digmark"}
    partner = {"seeks": "digmark", "offers": "law teaching"}

    asked = [why(reader, partner, (number, 1)).ask for number in (1, 2, 3)]

    assert asked == ["teaching", "law", "teaching"]


KINDS = {
    "both": BOTH,
    "ask": Reason(ReasonKind.ASK, ask=STARTUP, give=DIGMARK),
    "ask_only": Reason(ReasonKind.ASK, ask=TEACHING),
    "give": Reason(ReasonKind.GIVE, ask=TEACHING, give=DIGMARK),
    "give_only": Reason(ReasonKind.GIVE, give=DIGMARK),
    "peer": Reason(ReasonKind.PEER, industries=("D", "Q")),
    "colleague": Reason(ReasonKind.COLLEAGUE, industries=("D", "D")),
    "open": Reason(ReasonKind.OPEN, ask=TEACHING, give=STARTUP),
    "open_only": Reason(ReasonKind.OPEN),
}
APART = 8
"""So many introductions of one venue stand between a line and the same line again."""


def told(why: Reason, language: Language, turn: int, called: str = "Håkon") -> str:
    return reason_sentence(why, called, TEXTS, VOCABULARY, language, turn)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", KINDS)
def test_each_reason_names_what_it_is_about_and_no_other_topic_on_every_turn(kind: str, language: Language) -> None:
    why = KINDS[kind]
    named = [VOCABULARY.topics[topic].phrase(language) for topic in (why.ask, why.give) if topic]
    others = [topic.phrase(language) for topic in VOCABULARY.topics.values() if topic.id not in (why.ask, why.give)]
    industries = [industry[language] for industry in VOCABULARY.industries.values()] if why.industries else []
    for turn in range(TEXTS.variants(language, f"reason.{kind}")):
        sentence = told(why, language, turn)
        assert all(phrase in sentence for phrase in named)
        assert why.industries is None or why.kind is ReasonKind.COLLEAGUE or VOCABULARY.industries["Q"][language] in sentence
        assert not any(phrase in sentence for phrase in others if phrase not in industries)
        assert "{" not in sentence


@pytest.mark.parametrize(
    ("language", "kind", "turn", "called", "sentence"),
    [
        (
            Language.SV,
            "both",
            0,
            "Lars",
            "Fråga Lars om pedagogik och utbildning. Du kan bjuda på erfarenhet av digital marknadsföring.",
        ),
        (Language.SV, "ask_only", 6, "Lars", "Fråga om Lars erfarenhet av pedagogik och utbildning, även det som gick snett."),
        (Language.SV, "open_only", 6, "nummer 12", "Hör hur nummer 12:s vecka ser ut, och berätta om din."),
        (
            Language.SV,
            "ask_only",
            1,
            "nummer 12",
            "Nummer 12 har erfarenhet av pedagogik och utbildning. Fråga hur det började.",
        ),
        (
            Language.DA,
            "ask",
            0,
            "Jens",
            "Spørg Jens om at starte egen virksomhed. Selv kan du fortælle om digital markedsføring.",
        ),
        (Language.DA, "open_only", 6, "Jens", "Hør, hvordan Jens' uge ser ud, og fortæl om din."),
        (Language.DA, "open_only", 6, "nummer 12", "Hør, hvordan nummer 12's uge ser ud, og fortæl om din."),
        (Language.NB, "give_only", 5, "Max", "Svar på Max' spørsmål om digital markedsføring. Si også hva du ikke vet."),
        (
            Language.NB,
            "give_only",
            1,
            "nummer 3",
            "Nummer 3 vil gjerne vite mer om digital markedsføring. Begynn med det som overrasket deg selv.",
        ),
        (
            Language.EN,
            "peer",
            7,
            "Lars",
            "You have similar occupations. Compare Lars's days in health and care with yours in energy.",
        ),
        (Language.EN, "open_only", 6, "number 12", "Hear about number 12's week, and talk about yours."),
    ],
)
def test_names_have_their_forms_in_each_language(language: Language, kind: str, turn: int, called: str, sentence: str) -> None:
    assert told(KINDS[kind], language, turn, called) == sentence


def test_an_unnamed_partner_is_called_by_badge_number() -> None:
    assert [person_number(7, TEXTS, language) for language in Language] == ["nummer 7", "nummer 7", "nummer 7", "number 7"]


@pytest.mark.parametrize(
    "odd",
    [
        Reason(ReasonKind.ASK, ask=TopicId("quantum"), give=DIGMARK),
        Reason(ReasonKind.BOTH, ask=TEACHING, give=TopicId("cv")),
        Reason(ReasonKind.PEER, industries=("D", "Ö")),
    ],
)
def test_a_reason_that_names_something_unknown_or_sensitive_is_told_without_it(odd: Reason) -> None:
    assert [told(odd, Language.SV, turn) for turn in range(APART)] == [
        told(KINDS["open_only"], Language.SV, turn) for turn in range(APART)
    ]


def test_each_kind_of_reason_has_starters_of_its_own_and_so_has_no_introduction() -> None:
    keys = [*ReasonKind, None]
    starters = {kind: {starter(TEXTS, Language.SV, turn, kind) for turn in range(APART)} for kind in keys}
    assert len(set().union(*starters.values())) == APART * len(keys)
    assert starters[None] == {TEXTS.say(Language.SV, f"starter.general.{place}") for place in range(1, APART + 1)}


def test_turns_go_round_and_round() -> None:
    count = TEXTS.variants(Language.SV, "starter.open")
    assert starter(TEXTS, Language.SV, 3, ReasonKind.OPEN) == starter(TEXTS, Language.SV, 3 + 5 * count, ReasonKind.OPEN)


@given(st.lists(st.tuples(st.sampled_from(sorted(KINDS)), st.sampled_from(Language)), max_size=40), st.integers(0, 10_000))
def test_no_line_comes_twice_within_eight_introductions_of_a_venue(
    introductions: list[tuple[str, Language]], first: int
) -> None:
    lines = []
    for turn, (kind, language) in enumerate(introductions, first):
        why = KINDS[kind]
        lines.append((told(why, language, turn), starter(TEXTS, language, turn, why.kind)))
    for place in range(len(lines)):
        recent = [line for pair in lines[place : place + APART] for line in pair]
        assert len(set(recent)) == len(recent)
