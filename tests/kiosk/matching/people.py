"""Made-up people for the tests of matching."""

from __future__ import annotations

from random import Random

from msgspec.structs import replace

from firmware_py.roster import made_up_members
from firmware_py.vocabulary import load_vocabulary
from kiosk.matching import Present, Weights, profile
from kiosk.values import (
    Colour,
    Consents,
    Language,
    Member,
    MemberId,
    Mood,
    Now,
    PastimeId,
    Symbol,
    TopicId,
    Visit,
    VisitId,
    Wish,
    Zone,
    ZoneId,
    ZoneKind,
)

VOCABULARY = load_vocabulary()
OPEN_TOPICS = tuple(topic.id for topic in VOCABULARY.topics.values() if not topic.sensitive)
SENSITIVE_TOPICS = tuple(topic.id for topic in VOCABULARY.topics.values() if topic.sensitive)
EVERYTHING = Consents(
    introductions=True, name=True, occupation=True, languages=True, need=True, colleagues=True, pastimes=True, history=True
)

LIBRARY = Zone(ZoneId("library"), "Biblioteket", Symbol.TRIANGLE, Colour.BLUE, capacity=4)
TABLE = Zone(ZoneId("table"), "Långbordet", Symbol.CIRCLE, Colour.YELLOW, capacity=8)
NOOK = Zone(ZoneId("nook"), "Vrån", Symbol.STAR, Colour.GREEN, capacity=2, quiet=True)
ZONES = (LIBRARY, TABLE, NOOK)
PRINTER = Zone(ZoneId("printer"), "Skrivaren", Symbol.SQUARE, Colour.RED, capacity=3, kind=ZoneKind.RESOURCE)
SCREEN = Zone(ZoneId("screen"), "Skärmen", Symbol.CROSS, Colour.WHITE, capacity=1, kind=ZoneKind.REMOTE)

PLAIN = Weights(
    chance=(200, 300, 400, 600, 800, 900, 1000),
    pastimes=(0, 550, 800, 920, 1000),
    likeness=(0, 150, 450, 750, 1000),
    same_industry=350,
    help=650,
    peer=250,
    leisure=30,
    wishes=70,
    approached=60,
    unmet=280,
    rate=25,
    plenty=0,
    threshold=120,
    explore=8,
)
"""Weights to reckon with by hand, whatever the tuned ones are."""
NOON = Now("boot", 0)


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
    pastimes: str = "",
    history: tuple[str, ...] = (),
    wishes: tuple[Wish, ...] = (),
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
        pastimes=tuple(PastimeId(word) for word in pastimes.split()),
        history=history,
        wishes=wishes,
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
    mood: Mood = Mood.INTRODUCE,
    talks_until_ms: int | None = None,
    opened: Now = NOON,
) -> Present:
    """Return the visit of `someone` with badge number `number`."""
    visit = Visit(
        id=VisitId(f"t1-1-{number}"),
        number=number,
        member=someone,
        opened=opened,
        zone=None if zone is None else zone.id,
        confirmed=confirmed,
        approached=approached,
        introduced=introduced,
        lifetime_rate=lifetime_rate,
        mood=mood,
        talks_until_ms=talks_until_ms,
    )
    return Present(visit, profile(someone, VOCABULARY))


def crowd(count: int, seed: int) -> list[Present]:
    """Return `count` made-up people in the middle of an evening, who also have pastimes, old schools, lists and moods."""
    chance = Random(seed)
    pastimes = tuple(VOCABULARY.pastimes)
    industries = tuple(VOCABULARY.industries)
    return [
        here(
            replace(
                someone,
                pastimes=tuple(chance.sample(pastimes, 4)),
                history=(f"school{chance.randrange(20)}",),
                wishes=tuple(Wish(chance.choice(industries), chance.choice(OPEN_TOPICS)) for _ in range(chance.randrange(7))),
                consents=replace(someone.consents, pastimes=chance.random() < 0.8, history=chance.random() < 0.8),
            ),
            number,
            zone=chance.choice(ZONES),
            approached=chance.choice((0, 0, 1, 2, 3)),
            introduced=chance.randrange(2),
            lifetime_rate=chance.randrange(3000),
            mood=chance.choice((Mood.INTRODUCE, Mood.INTRODUCE, Mood.INTRODUCE, Mood.GROUP, Mood.COFFEE)),
            talks_until_ms=chance.choice((None, None, None, 1, 2000)),
        )
        for number, someone in enumerate(made_up_members(count, seed, VOCABULARY), 1)
    ]
