"""Made-up people for the tests of matching."""

from __future__ import annotations

from firmware_py.vocabulary import load_vocabulary
from kiosk.matching import Present, profile
from kiosk.values import Colour, Consents, Language, Member, MemberId, Now, Symbol, TopicId, Visit, VisitId, Zone, ZoneId

VOCABULARY = load_vocabulary()
OPEN_TOPICS = tuple(topic.id for topic in VOCABULARY.topics.values() if not topic.sensitive)
SENSITIVE_TOPICS = tuple(topic.id for topic in VOCABULARY.topics.values() if topic.sensitive)
EVERYTHING = Consents(introductions=True, name=True, occupation=True, languages=True, need=True, colleagues=True)

LIBRARY = Zone(ZoneId("library"), "Biblioteket", Symbol.TRIANGLE, Colour.BLUE, capacity=4)
TABLE = Zone(ZoneId("table"), "Långbordet", Symbol.CIRCLE, Colour.YELLOW, capacity=8)
NOOK = Zone(ZoneId("nook"), "Vrån", Symbol.STAR, Colour.GREEN, capacity=2, quiet=True)
ZONES = (LIBRARY, TABLE, NOOK)


def topics(words: str) -> tuple[TopicId, ...]:
    """Return topic ids from words between spaces."""
    return tuple(TopicId(word) for word in words.split())


def member(
    name: str,
    *,
    seeks: str = "",
    offers: str = "photo",
    occupation: str = "",
    industry: str = "",
    language: Language = Language.SV,
    languages: tuple[str, ...] = (),
    employer: str = "",
    quiet: bool = False,
    consents: Consents = EVERYTHING,
) -> Member:
    """Return a member called `name`, who agreed to everything unless told otherwise."""
    return Member(
        id=MemberId(name.lower()),
        first_name=name,
        language=language,
        occupation=occupation,
        industry=industry,
        seeks=topics(seeks),
        offers=topics(offers),
        languages=languages,
        employer=employer,
        quiet=quiet,
        consents=consents,
    )


def here(
    someone: Member,
    number: int = 1,
    *,
    zone: Zone | None = TABLE,
    confirmed: bool = True,
    approached: int = 0,
    introduced: int = 0,
    lifetime_rate: int = 0,
) -> Present:
    """Return the visit of `someone` with badge number `number`."""
    visit = Visit(
        id=VisitId(f"t1-1-{number}"),
        number=number,
        member=someone,
        opened=Now("boot", 0),
        zone=None if zone is None else zone.id,
        confirmed=confirmed,
        approached=approached,
        introduced=introduced,
        lifetime_rate=lifetime_rate,
    )
    return Present(visit, profile(someone, VOCABULARY))
