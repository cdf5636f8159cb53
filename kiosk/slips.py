"""The slips of paper that are no badges, in final words: for a card that does not work here, at the check-out, for staff."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kiosk.badge import Slip, SlipKind, SlipLine
from kiosk.effects import Notice, TellStaff
from kiosk.house import House
from kiosk.matching.reasons import person_number, starter
from kiosk.names import sentence_start
from kiosk.texts import Texts
from kiosk.values import Gathering, Language, Met, Now, Visit, VisitId

MET_LINES = 8
"""How many people a follow-up slip names at most: the latest."""
FAULT_LINES = 12
"""How many notices a fault slip says at most: the latest."""


def ask_staff(house: House, notice: Notice, now: Now) -> Slip:
    """Return the slip for an unknown or blocked card: in the café's language, and in English as nobody knows the reader's.

    It says nothing of the card.
    """
    key = f"slip.{notice.value}"
    english = "" if house.language is Language.EN else house.texts.say(Language.EN, key)
    return Slip(
        kind=SlipKind.ASK_STAFF,
        language=house.language,
        title=house.texts.say(house.language, "slip.ask_staff"),
        text=house.texts.say(house.language, key),
        after=english,
        small=_when(house, house.language, now),
    )


def follow_up(house: House, visit: Visit, now: Now) -> Slip:
    """Return the slip for somebody who goes: whom they met and about what, a thank-you, and a line for a note of their own."""
    texts, language, met = house.texts, visit.member.language, visit.met
    if len(met) == 1 and met[0].name:
        thanks = texts.say(language, "slip.thanks_named", name=met[0].name)
    else:
        thanks = texts.say(language, "slip.thanks")
    return Slip(
        kind=SlipKind.FOLLOW_UP,
        language=language,
        title=texts.say(language, "slip.follow_up", name=visit.member.called),
        text=texts.count(language, "slip.met", len(met)),
        lines=tuple(_met_line(house, language, each) for each in met[-MET_LINES:]),
        after=thanks,
        memo=texts.say(language, "slip.memo"),
        small=" · ".join(filter(None, (house.cafe, house.date(language, now)))),
    )


def who_comes(house: House, visit: Visit, came: Sequence[Met]) -> str:
    """Return a sentence for somebody to whom these were sent: who, and about what when it is one."""
    texts, language = house.texts, visit.member.language
    who = ", ".join(met.name or person_number(met.number, texts, language) for met in came)
    sentence = sentence_start(texts.count(language, "slip.sent_by", len(came), who=who), who)
    return f"{sentence} {_about(house, language, came[0])}".rstrip() if len(came) == 1 else sentence


def who_sits(house: House, visit: Visit, group: Sequence[Met]) -> str:
    """Return a sentence for somebody who sits in a group: with whom."""
    texts, language = house.texts, visit.member.language
    who = ", ".join(met.name or person_number(met.number, texts, language) for met in group)
    return texts.say(language, "answer.seated", who=who)


def sent(house: House, visit: Visit, came: Sequence[Met], now: Now) -> Slip:
    """Return the slip that tells a visitor who was sent to them, and about what."""
    texts, language = house.texts, visit.member.language
    return Slip(
        kind=SlipKind.SENT,
        language=language,
        title=texts.say(language, "slip.sent"),
        text=texts.count(language, "slip.sent_text", len(came)),
        lines=tuple(_met_line(house, language, each) for each in came),
        after=texts.say(language, "slip.sent_after"),
        small=_when(house, language, now),
    )


def group(
    house: House, visit: Visit, gathering: Gathering, visits: Mapping[VisitId, Visit], now: Now, *, turn: int = 0
) -> Slip:
    """Return one person's slip of a group: the zone, with whom in each round, and the question to begin it with."""
    texts, language, zone = house.texts, visit.member.language, house.zone(gathering.zone)
    topic = None if gathering.topic is None else house.vocabulary.topics.get(gathering.topic)
    about = ""
    if topic is not None and not topic.sensitive:
        about = texts.say(language, "slip.group_about", topic=topic.phrase(language))
    lines = []
    for number, parts in enumerate(gathering.rounds, 1):
        place, part = next((place, part) for place, part in enumerate(parts, 1) if visit.id in part)
        others = ", ".join(_called(house, visits[each], language) for each in part if each != visit.id)
        text = texts.say(language, "slip.round" if len(parts) > 1 else "slip.round_all", number=number, place=place)
        lines.append(SlipLine(f"{text} {others}", about if number == 1 and about else starter(texts, language, turn + number)))
    return Slip(
        kind=SlipKind.GROUP,
        language=language,
        title=texts.say(language, "slip.group"),
        text=""
        if zone is None
        else texts.say(
            language,
            "answer.where",
            zone=zone.name,
            symbol=texts.say(language, f"symbol.{zone.symbol}"),
            colour=texts.say(language, f"colour.{zone.colour}"),
        ),
        lines=tuple(lines),
        after=texts.count(language, "slip.group_after", house.rules.talk_ms // 60_000),
        small=_when(house, language, now),
    )


def _called(house: House, someone: Visit, language: Language) -> str:
    """Return how others may read of somebody: by name with their consent only."""
    named = someone.member.called.strip() if someone.member.consents.name else ""
    return named or person_number(someone.number, house.texts, language)


def fault(house: House, before: tuple[SlipLine, ...], notices: Iterable[TellStaff], now: Now) -> Slip:
    """Return the slip that tells staff these notices, after those of a slip that still waits."""
    texts, language = house.texts, house.language
    lines = (*before, *(SlipLine("", f"· {in_words(notice, texts, language)}") for notice in notices))
    return Slip(
        kind=SlipKind.FAULT,
        language=language,
        title=texts.say(language, "slip.fault"),
        lines=tuple(dict.fromkeys(lines))[-FAULT_LINES:],
        after=texts.say(language, "slip.fault_more"),
        small=_when(house, language, now),
    )


def desk(house: House, addresses: Sequence[str], fingerprint: str, now: Now) -> Slip:
    """Return the slip by which a phone finds the desk, at the first of the addresses, and knows that it is the right one.

    An address is `https://HOST:PORT/desk`; `fingerprint` is the beginning of the certificate's, as browsers show it: `AB:CD:…`.
    """
    texts, language, half = house.texts, house.language, (len(fingerprint) + 1) // 6 * 3
    return Slip(
        kind=SlipKind.DESK,
        language=language,
        title=texts.say(language, "slip.desk"),
        text=texts.say(language, "slip.desk_open"),
        qr=addresses[0],
        lines=(
            # Without the page's name: shorter to type, and it leads there, too.
            *(SlipLine("", address.rpartition("/")[0]) for address in addresses),
            # In two halves: narrow paper has no room for all of it on a line, and it is compared piece by piece.
            SlipLine(fingerprint[:half]),
            SlipLine(fingerprint[half:], texts.say(language, "slip.desk_compare")),
        ),
        after=texts.say(language, "slip.desk_after"),
        small=" · ".join(filter(None, (house.cafe, _when(house, language, now)))),
    )


def in_words(told: TellStaff, texts: Texts, language: Language) -> str:
    """Return a notice in words: what happened, and what to do."""
    return " ".join(in_parts(told, texts, language))


def in_parts(told: TellStaff, texts: Texts, language: Language) -> tuple[str, str]:
    """Return what happened, and what to do about it."""
    cause = "" if told.cause is None else texts.say(language, f"cause.{told.cause}")
    parts = {"job": told.job or "", "cause": cause, "detail": told.detail}
    return texts.say(language, f"staff.{told.notice}", **parts), texts.say(language, f"staff.{told.notice}_do", **parts)


def _met_line(house: House, language: Language, met: Met) -> SlipLine:
    """Return whom they met and what about."""
    return SlipLine(met.name or house.texts.say(language, "badge.number", number=met.number), _about(house, language, met))


def _about(house: House, language: Language, met: Met) -> str:
    """Return what about; a topic that is sensitive, or no longer in the list, is not said."""
    known = (house.vocabulary.topics.get(topic) for topic in met.topics)
    said = [topic.phrase(language) for topic in known if topic is not None and not topic.sensitive]
    if len(said) == 1:
        return house.texts.say(language, "slip.about", topic=said[0])
    return house.texts.say(language, "slip.about_two", topic=said[0], other=said[1]) if said else ""


def _when(house: House, language: Language, now: Now) -> str:
    """Return date and time of day, nothing when they are not trusted."""
    if now.wall is None:
        return ""
    hour, minute = divmod(now.wall.local_minute, 60)
    time = house.texts.say(language, "slip.time", time=f"{hour:02}:{minute:02}")
    return f"{house.date(language, now)} {time}"
