"""Why two people meet, in the reader's language."""

from __future__ import annotations

from string import Formatter
from typing import Any

import pytest

from firmware_py.texts import load_texts
from kiosk.matching import person_number, reason, reason_sentence, starter
from kiosk.values import Consents, Language, Reason, ReasonKind, TopicId
from tests.kiosk.matching.people import VOCABULARY, here, member

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


SENTENCES = {
    Language.SV: [
        "Fråga Håkon om pedagogik och utbildning. Du kan bjuda på erfarenhet av digital marknadsföring.",
        "Fråga Håkon om att starta eget företag. Själv kan du berätta om digital marknadsföring.",
        "Fråga Håkon om pedagogik och utbildning. Berätta sedan om något som du kan.",
        "Berätta för Håkon om digital marknadsföring. Fråga i gengäld om pedagogik och utbildning.",
        "Berätta för Håkon om digital marknadsföring. Fråga sedan vad Håkon kan berätta om.",
        "Ni har liknande yrken: du inom energi, Håkon inom vård och omsorg. Jämför gärna hur ni gör.",
        "Ni har liknande yrken i samma bransch. Prata gärna om något som inte gick som ni tänkt.",
        "Låt Håkon berätta om pedagogik och utbildning. Själv kan du berätta om digital marknadsföring.",
        "Fråga Håkon vad som är på gång, och berätta om något som du kan.",
        "Fråga nummer 12 om pedagogik och utbildning. Du kan bjuda på erfarenhet av digital marknadsföring.",
    ],
    Language.DA: [
        "Spørg Håkon om pædagogik og undervisning. Du kan byde på erfaring med digital markedsføring.",
        "Spørg Håkon om at starte egen virksomhed. Selv kan du fortælle om digital markedsføring.",
        "Spørg Håkon om pædagogik og undervisning. Fortæl bagefter om noget, du kan.",
        "Fortæl Håkon om digital markedsføring. Spørg til gengæld om pædagogik og undervisning.",
        "Fortæl Håkon om digital markedsføring. Spørg bagefter, hvad Håkon kan fortælle om.",
        (
            "I har beslægtede fag: du inden for energiforsyning, Håkon inden for sundhed og omsorg."
            " Sammenlign gerne, hvordan I gør."
        ),
        "I har beslægtede fag i samme branche. Tal gerne om noget, der ikke gik som planlagt.",
        "Lad Håkon fortælle om pædagogik og undervisning. Selv kan du fortælle om digital markedsføring.",
        "Spørg Håkon, hvad der fylder lige nu, og fortæl om noget, du kan.",
        "Spørg nummer 12 om pædagogik og undervisning. Du kan byde på erfaring med digital markedsføring.",
    ],
    Language.NB: [
        "Spør Håkon om pedagogikk og undervisning. Du kan by på erfaring med digital markedsføring.",
        "Spør Håkon om å starte egen virksomhet. Selv kan du fortelle om digital markedsføring.",
        "Spør Håkon om pedagogikk og undervisning. Fortell etterpå om noe du kan.",
        "Fortell Håkon om digital markedsføring. Spør til gjengjeld om pedagogikk og undervisning.",
        "Fortell Håkon om digital markedsføring. Spør etterpå hva Håkon kan fortelle om.",
        (
            "Dere har lignende yrker: du innen kraftforsyning, Håkon innen helse og omsorg."
            " Sammenlign gjerne hvordan dere gjør det."
        ),
        "Dere har lignende yrker i samme bransje. Snakk gjerne om noe som ikke gikk som planlagt.",
        "La Håkon fortelle om pedagogikk og undervisning. Selv kan du fortelle om digital markedsføring.",
        "Spør Håkon hva som er på gang, og fortell om noe du kan.",
        "Spør nummer 12 om pedagogikk og undervisning. Du kan by på erfaring med digital markedsføring.",
    ],
    Language.EN: [
        "Ask Håkon about teaching and training. You can share your experience of digital marketing.",
        "Ask Håkon about starting a business. You can talk about digital marketing in return.",
        "Ask Håkon about teaching and training. Then talk about something that you know.",
        "Tell Håkon about digital marketing. Ask about teaching and training in return.",
        "Tell Håkon about digital marketing. Then ask what Håkon can tell you about.",
        "You have similar occupations: you in energy, Håkon in health and care. Compare how you do things.",
        "You have similar occupations in the same industry. Talk about something that did not go as planned.",
        "Let Håkon tell you about teaching and training. You can talk about digital marketing in return.",
        "Ask Håkon what is on their mind just now, and talk about something that you know.",
        "Ask number 12 about teaching and training. You can share your experience of digital marketing.",
    ],
}


@pytest.mark.parametrize("language", Language)
def test_each_kind_of_reason_has_its_sentence_in_each_language(language: Language) -> None:
    reasons = [
        BOTH,
        Reason(ReasonKind.ASK, ask=STARTUP, give=DIGMARK),
        Reason(ReasonKind.ASK, ask=TEACHING),
        Reason(ReasonKind.GIVE, ask=TEACHING, give=DIGMARK),
        Reason(ReasonKind.GIVE, give=DIGMARK),
        Reason(ReasonKind.PEER, industries=("D", "Q")),
        Reason(ReasonKind.COLLEAGUE, industries=("D", "D")),
        Reason(ReasonKind.OPEN, ask=TEACHING, give=DIGMARK),
        Reason(ReasonKind.OPEN),
    ]

    told = [reason_sentence(each, "Håkon", TEXTS, VOCABULARY, language) for each in reasons]
    unnamed = reason_sentence(BOTH, person_number(12, TEXTS, language), TEXTS, VOCABULARY, language)

    assert [*told, unnamed] == SENTENCES[language]


@pytest.mark.parametrize(
    "odd",
    [
        Reason(ReasonKind.ASK, ask=TopicId("quantum"), give=DIGMARK),
        Reason(ReasonKind.BOTH, ask=TEACHING, give=TopicId("cv")),
        Reason(ReasonKind.PEER, industries=("D", "Ö")),
    ],
)
def test_a_reason_that_names_something_unknown_or_sensitive_is_told_without_it(odd: Reason) -> None:
    assert reason_sentence(odd, "Håkon", TEXTS, VOCABULARY, Language.SV) == SENTENCES[Language.SV][8]


def test_starters_take_turns_and_peers_have_their_own() -> None:
    assert [starter(TEXTS, Language.SV, turn) for turn in (0, 1, 10)] == [
        "Berätta om något som inte gick som du tänkt.",
        "Vad är du nyfiken på just nu?",
        "Berätta om något som inte gick som du tänkt.",
    ]
    assert starter(TEXTS, Language.SV, 0, ReasonKind.PEER) == "Vad är svårast i ditt yrke just nu?"
    assert starter(TEXTS, Language.SV, 0, ReasonKind.ASK) == "Berätta om något som inte gick som du tänkt."


@pytest.mark.parametrize("language", Language)
def test_there_are_enough_starters_and_none_twice(language: Language) -> None:
    general = [starter(TEXTS, language, turn) for turn in range(TEXTS.variants(language, "starter.general"))]

    assert len(set(general)) == len(general) >= 8


REASON_KEYS: dict[str, set[str]] = {
    "person_number": {"number"},
    "both": {"partner", "ask", "give"},
    "ask": {"partner", "ask", "give"},
    "ask_only": {"partner", "ask"},
    "give": {"partner", "ask", "give"},
    "give_only": {"partner", "give"},
    "peer": {"partner", "own", "other"},
    "colleague": set(),
    "open": {"partner", "ask", "give"},
    "open_only": {"partner"},
}


@pytest.mark.parametrize("language", Language)
def test_all_languages_have_the_same_sentences_with_the_same_parts(language: Language) -> None:
    catalogue = vars(TEXTS._catalogues[language])["_catalog"]
    parts = {
        key: {name for _, name, _, _ in Formatter().parse(text) if name}
        for key, text in catalogue.items()
        if key.startswith(("reason.", "starter."))
    }

    reasons = {f"reason.{key}": names for key, names in REASON_KEYS.items()}
    general = {f"starter.general.{place}": set[str]() for place in range(1, 11)}
    peers = {f"starter.peer.{place}": set[str]() for place in range(1, 5)}
    assert parts == reasons | general | peers
