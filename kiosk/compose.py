"""The badge of one visit in final words: what the member agreed to, whom to meet, why, where, and how to begin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kiosk.badge import Badge, BadgeIntroduction, BadgeZone, Field
from kiosk.contact import contact
from kiosk.house import MINUTES_A_DAY, House
from kiosk.matching.profiles import Missing, missing
from kiosk.matching.reasons import person_number, reason_sentence, starter
from kiosk.occasions import todays
from kiosk.signals import Signal
from kiosk.values import Introduction, Language, Member, Mood, Now, Occasion, Visit

TALK_TOPICS = 3
"""How many offered topics a badge names at most."""
MEETING_MINUTES = 30
"""How long an introduction holds, rounded up to a quarter of an hour."""


def compose(
    house: House,
    visit: Visit,
    found: Introduction | None,
    partner: Visit | None,
    signal: Signal | None,
    now: Now,
    *,
    turn: int = 0,
    on: Sequence[Occasion] = (),
) -> Badge:
    """Return the badge for `visit`; without an introduction it says why not and carries a general starter.

    `on` is what is on in the café: everybody's badge says the same of it.

    `signal` is what the visitor was told: `NOT_YET`, `NO_MATCH`, or None when they want no introductions. `turn` counts the
    venue's introductions, so that lines take turns; without an introduction they do by badge number.
    """
    member, texts, language = visit.member, house.texts, visit.member.language
    introduction = None
    if found is not None and partner is not None:
        introduction = _introduction(house, language, found, partner, turn)
    offered = [house.vocabulary.topics[topic] for topic in member.offers if topic in house.vocabulary.topics]
    headline = _headline(house, visit) if member.consents.occupation else ""
    talk = tuple(topic.labels[language] for topic in offered if not topic.sensitive)[:TALK_TOPICS]
    return Badge(
        language=language,
        first_name=_called(house, visit),
        zone=_zone(house, visit),
        qr=_qr(house, visit, headline, talk, now),
        headline=headline,
        talk_to_me_about=talk,
        introduction=introduction,
        notice="" if introduction is not None else _notice(house, visit, signal),
        starter="" if introduction is not None else starter(texts, language, visit.number),
        until=_until(now) if introduction is not None else "",
        languages=_languages(house, visit) if member.consents.languages else (),
        today=todays(house, language, on, now),
        number=visit.number,
    )


def _introduction(house: House, language: Language, found: Introduction, partner: Visit, turn: int) -> BadgeIntroduction:
    texts = house.texts
    named = partner.member.consents.name
    called = (partner.member.called.strip() if named else "") or person_number(partner.number, texts, language)
    zone = house.zone(partner.zone) or house.zone(found.zone)
    return BadgeIntroduction(
        partner=called,
        partner_zone="" if zone is None else zone.name,
        reason=" ".join(
            (
                reason_sentence(found.reason, called, texts, house.vocabulary, language, turn),
                *_icebreaker(house, language, found),
            )
        ),
        starter=starter(texts, language, turn, found.reason.kind),
    )


def _icebreaker(house: House, language: Language, found: Introduction) -> Iterator[str]:
    """Yield what both agreed to have said that is no reason but helps to begin: a pastime, else that they were at one place."""
    pastime = None if found.reason.pastime is None else house.vocabulary.pastimes.get(found.reason.pastime)
    if pastime is not None:
        yield house.texts.say(language, "icebreaker.pastime", pastime=pastime[language])
    elif found.reason.history:
        yield house.texts.say(language, "icebreaker.history")


def _qr(house: House, visit: Visit, headline: str, talk: tuple[str, ...], now: Now) -> str:
    """Return the contact in the QR code: who it was, what the badge itself says of them, where and when, and the badge's id."""
    language, printed = visit.member.language, house.template.fields
    about = [headline] if Field.HEADLINE in printed else []
    if talk and Field.TALK in printed:
        about += [f"{house.texts.say(language, 'badge.talk')} {talk[0]}", *talk[1:]]
    about += [house.cafe, house.date(language, now)]
    url = f"{house.badge_url}{visit.id}" if house.badge_url else ""
    return contact(_called(house, visit), about, visit.id, url)


def _called(house: House, visit: Visit) -> str:
    """Return the name to print; the badge's number where the name holds nothing but spaces."""
    language, number = visit.member.language, visit.number
    return visit.member.called.strip() or house.texts.say(language, "badge.number", number=number)


def has_offer(house: House, member: Member) -> bool:
    """Return whether the member offers anything that the vocabulary knows; without that nobody is matched."""
    return any(topic in house.vocabulary.topics for topic in member.offers)


def _notice(house: House, visit: Visit, signal: Signal | None) -> str:
    """Say why there is no introduction; nothing to somebody who wants none at all."""
    if visit.mood is Mood.COFFEE:
        return house.texts.say(visit.member.language, "notice.coffee")
    if not visit.member.consents.introductions:
        return ""
    if visit.mood is Mood.GROUP:
        return house.texts.say(visit.member.language, "notice.group")
    if signal is None:
        return ""
    lacking = missing(visit.member, house.vocabulary)
    if Missing.OFFER in lacking:
        return house.texts.say(visit.member.language, "notice.no_offer")
    said = house.texts.say(visit.member.language, f"notice.{signal.value}")
    return f"{said} {house.texts.say(visit.member.language, 'notice.no_seek')}" if Missing.SEEK in lacking else said


def _zone(house: House, visit: Visit) -> BadgeZone:
    """Return where to go; a zone that the café gave up meanwhile becomes its first."""
    zone = house.zone(visit.zone) or house.zones[0]
    return BadgeZone(zone.name, zone.symbol, house.texts.say(visit.member.language, f"colour.{zone.colour}"))


def _headline(house: House, visit: Visit) -> str:
    """Say the occupation and the industry, as far as the lists have them."""
    member, lists = visit.member, house.vocabulary
    occupation = lists.occupations.get(member.occupation, {}).get(member.language, "")
    industry = lists.industries.get(member.industry, {}).get(member.language, "")
    headline = occupation or industry
    if occupation and industry:
        headline = house.texts.say(member.language, "profile.headline", occupation=occupation, industry=industry)
    return headline[:1].upper() + headline[1:]


def _languages(house: House, visit: Visit) -> tuple[str, ...]:
    spoken = dict.fromkeys((visit.member.language.value, *visit.member.languages))
    return tuple(house.language_names.get(tag, tag) for tag in spoken)


def _until(now: Now) -> str:
    """Return the end of the meeting as HH:MM; nothing when the time is not trusted."""
    if now.wall is None:
        return ""
    minute = -(-(now.wall.local_minute + MEETING_MINUTES) // 15) * 15 % MINUTES_A_DAY
    return f"{minute // 60:02}:{minute % 60:02}"
