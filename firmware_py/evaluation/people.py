"""Made-up people with hidden skills and needs, and the profiles in which they state a part of them.

Whoever draws these people knows nothing of the score: what somebody can and needs is drawn first, in finer words than the
vocabulary has, and the profile is what they happened to tell of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.random import Generator
from numpy.typing import NDArray

from firmware_py.evaluation.truth import Hidden, LatentTruth, Numbers, Truth, TruthError
from firmware_py.members import MembersFileError, read_members
from kiosk.values import Consents, Language, Member, MemberId, TopicId
from kiosk.vocabulary import Vocabulary

Bits = NDArray[np.bool_]


DIGITS = (1.0, 1.0, 0.8, 0.6)
"""How much of a craft is common to all whose ISCO-08 codes share the first, second, third and fourth digit."""


class Shape(Struct, frozen=True, kw_only=True):
    """What kind of people come: the parameters of the draw. Shares are from 0 to 1."""

    aspects: int = 3
    """How many finer words a topic hides: who needs one of them may meet somebody who is good at another."""
    expert: float = 0.8
    """Share of an occupation's typical topics that its people are really good at."""
    hobby: float = 0.035
    """Share of other topics that somebody is fairly good at: earlier jobs, pastimes."""
    needs: float = 2.5
    """Mean number of needs beyond the first two."""
    pressing: float = 0.65
    """How pressing a need is, in the mean."""
    fashion: float = 0.7
    """How unequally topics are wanted (sigma of a lognormal)."""
    told: float = 0.95
    """Share of a strong need that a prepared person states."""
    thin: float = 0.12
    """Share of people who state hardly anything."""
    mistaken: float = 0.12
    """Share of people who also state a need that they do not have."""
    modest: float = 0.55
    """Share of people who would offer even what they are hardly good at; what they are best at, all offer."""
    boast: float = 0.15
    """Share of an occupation's typical topics that people who are not good at them offer all the same."""
    seekers: float = 0.18
    """Share of people who look for work; they have one to three of the sensitive needs."""
    own_way: float = 0.5
    """How far somebody's craft is from what others of the same occupation do."""
    at_home: float = 0.5
    """Share of an occupation's people who work in one of its three usual industries."""
    english: float = 0.88
    """Share of people who speak English beside their badge's language."""
    languages: tuple[float, float, float, float] = (0.52, 0.14, 0.16, 0.18)
    """Shares of badge languages: sv, da, nb, en."""
    neighbours: float = 0.35
    """Share of Scandinavians who say that they get by in a second Scandinavian language."""
    quiet: float = 0.1
    """Share of people who keep quiet."""
    willing: float = 0.97
    """Share of people who agree to be introduced."""
    regulars: float = 0.9
    """How unequally often people come (sigma of a lognormal)."""


STANDARD = Shape()
OTHER = Shape(
    aspects=2,
    expert=0.65,
    needs=3.5,
    pressing=0.6,
    fashion=1.1,
    told=0.75,
    thin=0.2,
    mistaken=0.2,
    modest=0.4,
    boast=0.25,
    seekers=0.3,
    own_way=0.8,
    at_home=0.2,
    english=0.75,
    languages=(0.3, 0.3, 0.25, 0.15),
    regulars=1.3,
)
"""People of another kind, to see whether weights that suit the first suit them too: they tell less, err more, vary more."""


class People(NamedTuple):
    """A roster, what is true of it, and how often each member comes, relative to the others."""

    members: tuple[Member, ...]
    truth: Truth
    habit: Numbers


class Made(NamedTuple):
    """Made-up people, with what is hidden of each."""

    people: People
    hidden: dict[MemberId, Hidden]


def made_up_people(count: int, seed: int, vocabulary: Vocabulary, shape: Shape = STANDARD) -> Made:
    """Return `count` people; the same seed always gives the same ones."""
    chance = np.random.default_rng(seed)
    topics = list(vocabulary.topics)
    codes, sections = list(vocabulary.occupations), list(vocabulary.industries)
    occupation = chance.choice(len(codes), count, p=_shares(vocabulary, codes))
    industry = _industries(chance, occupation, _shares(vocabulary, sections), len(codes), shape)
    typical = np.array([[topic in vocabulary.offered_by(code) for topic in topics] for code in codes])[occupation]
    sensitive = np.array([vocabulary.topics[topic].sensitive for topic in topics])
    skill = _skills(chance, typical, shape)
    need = _needs(chance, skill, sensitive, shape)
    can = skill[:, :, None] * chance.uniform(0.3, 1, (*skill.shape, shape.aspects))
    wants = need[:, :, None] * _aspects(chance, (*need.shape, shape.aspects))
    crafts = _crafts(chance, codes, occupation, shape)
    knows = np.zeros((count, len(sections)), np.float32)
    knows[np.arange(count), industry] = 1
    for _ in range(2):
        earlier = chance.random(count) < 0.45
        knows[np.flatnonzero(earlier), chance.integers(len(sections), size=count)[earlier]] = 1
    members = tuple(
        _profiles(
            chance,
            topics,
            [codes[each] for each in occupation],
            [sections[each] for each in industry],
            (need, skill, typical),
            shape,
        )
    )
    words = [f"{topic}.{aspect}" for topic in topics for aspect in range(shape.aspects)]
    hidden = {
        member.id: Hidden(
            needs=_by_word(wants[row].ravel(), words),
            skills=_by_word(can[row].ravel(), words),
            craft=[round(float(number), 4) for number in crafts[row]],
            industries=[section for section, known in zip(sections, knows[row], strict=True) if known],
        )
        for row, member in enumerate(members)
    }
    needs, skills = (table.reshape(count, -1).astype(np.float32) for table in (wants, can))
    habit = chance.lognormal(0, shape.regulars, count).astype(np.float32)
    return Made(People(members, LatentTruth(needs, skills, crafts.astype(np.float32), knows), habit), hidden)


def read_roster(path: Path, vocabulary: Vocabulary) -> tuple[Member, ...]:
    """Return the members of a CSV file as `fikatap members import` takes it; the first faulty line raises `TruthError`."""
    members = []
    try:
        with path.open("rb") as file:
            for row in read_members(file, vocabulary):
                if row.member is None:
                    raise TruthError(f"{path}: {row.faults[0]}")
                members.append(row.member)
    except OSError as error:
        raise TruthError(f"{path} can't be read: {error.strerror}") from error
    except MembersFileError as error:
        raise TruthError(f"{path}: {error}") from error
    return tuple(members)


def habits(count: int, seed: int, shape: Shape = STANDARD) -> Numbers:
    """Return how often each of so many members comes, for a roster that does not say."""
    return np.random.default_rng(seed).lognormal(0, shape.regulars, count).astype(np.float32)


def _shares(vocabulary: Vocabulary, codes: Sequence[str]) -> NDArray[np.float64]:
    weights = np.array([vocabulary.weights[code] for code in codes], float)
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


def _industries(
    chance: Generator, occupation: NDArray[np.int64], shares: NDArray[np.float64], occupations: int, shape: Shape
) -> NDArray[np.int64]:
    """Return each one's industry: one of the occupation's three usual ones, or any."""
    usual = np.array([chance.choice(len(shares), 3, replace=False, p=shares) for _ in range(occupations)])
    any_industry = chance.choice(len(shares), len(occupation), p=shares)
    one_of_three = usual[occupation, chance.integers(3, size=len(occupation))]
    return np.where(chance.random(len(occupation)) < shape.at_home, one_of_three, any_industry)


def _skills(chance: Generator, typical: Bits, shape: Shape) -> Numbers:
    """Return how good each one is at each topic."""
    good = chance.random(typical.shape) < np.where(typical, shape.expert, shape.hobby)
    level = np.where(typical, chance.beta(6, 2, typical.shape), chance.beta(3, 3, typical.shape))
    return (good * level).astype(np.float32)


def _needs(chance: Generator, skill: Numbers, sensitive: Bits, shape: Shape) -> Numbers:
    """Return how much each one needs each topic: not what they are good at, and what is in fashion more often."""
    count, topics = skill.shape
    wanted: NDArray[np.float64] = chance.normal(0, shape.fashion, topics) + np.where(sensitive, -2.0, 0.0)
    keys: NDArray[np.float64] = wanted + chance.gumbel(size=skill.shape) - np.where(skill > 0.3, 20.0, 0.0)
    order = np.argsort(-keys, axis=1)
    rank = np.argsort(order, axis=1)
    has: Bits = rank < chance.poisson(shape.needs, (count, 1)) + 2
    seeking: Bits = np.less(chance.random(count), shape.seekers)
    has |= seeking[:, None] & sensitive[None, :] & (chance.random(skill.shape) < 0.4) & (skill <= 0.3)
    how_much: Numbers = (has * chance.beta(6 * shape.pressing, 6 * (1 - shape.pressing), skill.shape)).astype(np.float32)
    return how_much


def _aspects(chance: Generator, shape: tuple[int, ...]) -> Numbers:
    """Return how much each aspect of a need matters: one of them fully, the others little."""
    weights = chance.uniform(0, 0.5, shape)
    main = chance.integers(shape[-1], size=shape[:-1])
    np.put_along_axis(weights, main[..., None], 1.0, axis=-1)
    return weights.astype(np.float32)


def _crafts(chance: Generator, codes: Sequence[str], occupation: NDArray[np.int64], shape: Shape) -> NDArray[np.float64]:
    """Return what each one does all day, as a vector: near to others of like occupations, and with a way of one's own."""
    width = 10
    centre: dict[str, NDArray[np.float64]] = {}
    for code in codes:
        for digits in range(1, 5):
            if code[:digits] not in centre:
                centre[code[:digits]] = chance.normal(size=width)
    usual = np.array([sum(share * centre[code[:digits]] for digits, share in enumerate(DIGITS, 1)) for code in codes])
    usual /= np.linalg.norm(usual, axis=1, keepdims=True)
    own = chance.normal(0, shape.own_way / np.sqrt(width), (len(occupation), width))
    crafts: NDArray[np.float64] = usual[occupation] + own
    crafts /= np.linalg.norm(crafts, axis=1, keepdims=True)
    return crafts


def _profiles(
    chance: Generator,
    topics: Sequence[TopicId],
    occupations: Sequence[str],
    industries: Sequence[str],
    hidden: tuple[Numbers, Numbers, Bits],
    shape: Shape,
) -> Iterator[Member]:
    """Return what each one says of themselves; they name the most pressing needs first."""
    need, skill, typical = hidden
    count = len(need)
    thin = chance.random(count) < shape.thin
    told = np.where(thin, 0.15, shape.told)[:, None] * (0.4 + 0.6 * need)
    seeks = (need > 0) & (chance.random(need.shape) < told)
    mistaken = chance.random(count) < shape.mistaken
    seeks[np.flatnonzero(mistaken), chance.integers(len(topics), size=count)[mistaken]] = True
    seeks &= skill <= 0.3
    offers = (skill > 0) & (chance.random(skill.shape) < shape.modest + (1 - shape.modest) * skill)
    offers |= typical & (skill == 0) & (chance.random(skill.shape) < shape.boast)
    # The desk helps nearly everybody to find an offer.
    helped = ~offers.any(axis=1) & (skill.max(axis=1) > 0) & (chance.random(count) < 0.9)
    offers[np.flatnonzero(helped), skill.argmax(axis=1)[helped]] = True
    offers &= ~seeks
    sizes = chance.lognormal(0, 1.2, max(2, count // 8))
    employer = chance.choice(len(sizes), count, p=sizes / sizes.sum())
    language = chance.choice(4, count, p=np.array(shape.languages) / sum(shape.languages))
    yes = {
        name: chance.random(count) < share
        for name, share in (
            ("introductions", shape.willing),
            ("name", 0.9),
            ("occupation", 0.8),
            ("languages", 0.8),
            ("need", 0.7),
            ("colleagues", 0.1),
        )
    }
    employed, english, neighbour, quiet = (
        chance.random(count) < share for share in (0.88, shape.english, shape.neighbours, shape.quiet)
    )
    badge = tuple(Language)
    for row in range(count):
        tongue = badge[language[row]]
        spoken = ["en"] if english[row] and tongue is not Language.EN else []
        if neighbour[row] and tongue is not Language.EN:
            spoken.append(badge[(language[row] + 1 + row % 2) % 3].value)
        wanted = sorted(np.flatnonzero(seeks[row]).tolist(), key=lambda topic: -need[row, topic])
        given = sorted(np.flatnonzero(offers[row]).tolist(), key=lambda topic: -skill[row, topic])
        yield Member(
            id=MemberId(f"p{row + 1:05}"),
            first_name=f"Person {row + 1}",
            language=tongue,
            occupation=occupations[row],
            industry=industries[row],
            seeks=tuple(topics[topic] for topic in wanted[:6]),
            offers=tuple(topics[topic] for topic in given[:5]),
            languages=tuple(spoken),
            employer=f"employer {employer[row]}" if employed[row] else "",
            quiet=bool(quiet[row]),
            consents=Consents(**{name: bool(agreed[row]) for name, agreed in yes.items()}),
        )


def _by_word(numbers: Numbers, words: Sequence[str]) -> dict[str, float]:
    return {word: round(float(number), 4) for word, number in zip(words, numbers, strict=True) if number > 0}
