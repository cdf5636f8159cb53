"""Made-up members for the demo, the benchmarks and the tests: the same seed always gives the same people."""

from __future__ import annotations

from random import Random

from kiosk.values import Consents, Language, Member, MemberId, TopicId
from kiosk.vocabulary import Vocabulary

NAME_LISTS = """
sv Sigrid Björn Åsa Märta Östen Ebba Gösta Linnéa Vilgot Saga Håkan Tuva Ingvar Ylva Sixten Majken
da Søren Kirstine Åge Mette Bjarke Inge-Lise Rasmus Signe Mikkel Bodil Frederik Dorthe
nb Håkon Solveig Øystein Ragnhild Sindre Åshild Torbjørn Ingeborg Eirik Marit
is Þórdís Guðrún Ægir
fi Väinö Aino Päivi
en Maeve Desmond Winifred
so Ayaan Cabdi
pl Łucja Zbigniew
vi Hương Đức
tr Çağla İlker
uk Оксана Тарас Соломія
ar ياسمين طارق
el Ευγενία Στέλιος
zh 王小明 李娜
"""
NAMES = tuple((name, language) for language, *names in map(str.split, NAME_LISTS.strip().splitlines()) for name in names)
"""First names, and the language that goes with each."""

BADGE_LANGUAGES = {language.value: language for language in Language}


def made_up_members(count: int, seed: int, vocabulary: Vocabulary) -> list[Member]:
    """Return `count` members with ids from m0001 on; most agree to most things, some keep quiet, everybody offers something.

    Occupations and industries are as frequent as the vocabulary says. What a person offers follows from the occupation;
    what they seek is drawn from all other topics, sensitive ones included.
    """
    chance = Random(seed)  # noqa: S311  made-up people are no secret
    occupations = list(vocabulary.occupations)
    industries = list(vocabulary.industries)
    occupation_weights = [vocabulary.weights[code] for code in occupations]
    industry_weights = [vocabulary.weights[code] for code in industries]
    topics = list(vocabulary.topics)
    open_topics = tuple(topic.id for topic in vocabulary.topics.values() if not topic.sensitive)
    offers_of = {code: vocabulary.offered_by(code) or open_topics for code in occupations}
    employers = max(1, count // 8)
    return [
        _member(
            number,
            chance,
            occupation,
            industry,
            offers_of[occupation],
            topics,
            employer=chance.randrange(employers),
        )
        for number, occupation, industry in zip(
            range(1, count + 1),
            chance.choices(occupations, occupation_weights, k=count),
            chance.choices(industries, industry_weights, k=count),
            strict=True,
        )
    ]


def _member(
    number: int,
    chance: Random,
    occupation: str,
    industry: str,
    typical: tuple[TopicId, ...],
    topics: list[TopicId],
    *,
    employer: int,
) -> Member:
    name, tongue = chance.choice(NAMES)
    language = BADGE_LANGUAGES.get(tongue) or chance.choice((Language.SV, Language.SV, Language.DA, Language.NB, Language.EN))
    spoken = [tongue] if tongue != language.value else []
    if language is not Language.EN and tongue != "en" and chance.random() < 0.9:
        spoken.append("en")
    offers = tuple(chance.sample(typical, min(len(typical), chance.randint(1, 3))))
    seeks = tuple(topic for topic in chance.sample(topics, chance.randint(2, 3) + len(offers)) if topic not in offers)
    return Member(
        id=MemberId(f"m{number:04}"),
        first_name=name,
        language=language,
        occupation=occupation,
        industry=industry,
        seeks=seeks[: chance.randint(2, 3)],
        offers=offers,
        languages=tuple(spoken),
        employer=f"{employer:08x}" if chance.random() < 0.9 else "",
        quiet=chance.random() < 0.1,
        consents=Consents(
            introductions=chance.random() < 0.97,
            name=chance.random() < 0.9,
            occupation=chance.random() < 0.8,
            languages=chance.random() < 0.8,
            need=chance.random() < 0.7,
            colleagues=chance.random() < 0.2,
        ),
    )
