"""No sensitive topic on ten thousand badges: the engine's choice, the door's words, the text that goes on paper."""

from __future__ import annotations

from random import Random

from msgspec.structs import replace

from firmware_py.roster import made_up_members
from kiosk.badge import blocks
from kiosk.compose import compose
from kiosk.matching import Circumstances, Present, find_match, profile
from kiosk.signals import Signal
from kiosk.slips import sent
from kiosk.values import Consents, Language, Met, Now, Visit, VisitId, Way, Wish
from tests.kiosk.matching.people import EVERYTHING, SENSITIVE_TOPICS, VOCABULARY, ZONES
from tests.kiosk.rig import HOUSE, TEXTS, at

BADGES, HERE = 10_000, 40
NOW = at(60_000)


def openly_sensitive(count: int, seed: int) -> list[Present]:
    """Return people each of whom seeks and offers something sensitive, has it on their list, and agreed to everything."""
    chance = Random(seed)
    people = []
    for number, member in enumerate(made_up_members(count, seed, VOCABULARY), 1):
        secret, other = chance.sample(SENSITIVE_TOPICS, 2)
        consents = EVERYTHING if chance.random() < 0.8 else Consents(introductions=True, need=True)
        someone = replace(
            member,
            seeks=(secret, *member.seeks),
            offers=(other, *member.offers),
            wishes=(Wish(member.industry, secret, other),),
            consents=consents,
        )
        visit = Visit(VisitId(f"t1-x-{number}"), number % 999 + 1, someone, Now("monday", number), zone=ZONES[number % 2].id)
        people.append(Present(visit, profile(someone, VOCABULARY)))
    return people


def secret_words() -> dict[Language, list[str]]:
    topics = [VOCABULARY.topics[topic] for topic in SENSITIVE_TOPICS]
    return {
        language: sorted({word.casefold() for topic in topics for word in (topic.labels[language], topic.phrase(language))})
        for language in Language
    }


def test_there_is_no_sensitive_topic_on_ten_thousand_badges_and_slips() -> None:
    people, secrets = openly_sensitive(BADGES, 7), secret_words()
    introduced = 0
    for place, visitor in enumerate(people):
        here = people[max(0, place - HERE) : place]
        found = find_match(visitor, here, Circumstances(zones=ZONES, turn=place))
        partner = None if found is None else next(one.visit for one in here if one.visit.id == found.partner)
        signal = Signal.NOT_YET if found is None else Signal.INTRODUCED
        badge = compose(HOUSE, visitor.visit, found, partner, signal, NOW, turn=place)
        if found is not None and partner is not None:
            introduced += 1
            topics = tuple(topic for topic in (found.reason.give, found.reason.ask) if topic is not None)
            met = Met(visitor.visit.member.id, visitor.visit.number, "", topics, Way.SENT)
            slip = sent(HOUSE, partner, [met], NOW)
            text = "\n".join(block.text for block in blocks(slip, TEXTS)).casefold()
            assert not [word for word in secrets[slip.language] if word in text]
        text = "\n".join((badge.qr, *(block.text for block in blocks(badge, TEXTS)))).casefold()
        assert not [word for word in secrets[badge.language] if word in text], text
    assert introduced > BADGES // 2


def test_this_would_be_seen_on_a_badge_that_named_one() -> None:
    (someone,) = openly_sensitive(1, 3)
    topic = VOCABULARY.topics[SENSITIVE_TOPICS[0]]
    badge = compose(HOUSE, someone.visit, None, None, Signal.NOT_YET, NOW)
    leaky = replace(badge, talk_to_me_about=(topic.labels[badge.language],))
    text = "\n".join(block.text for block in blocks(leaky, TEXTS)).casefold()
    assert [word for word in secret_words()[badge.language] if word in text]
