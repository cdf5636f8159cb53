"""Why two people are introduced, and the words for it: something that a stranger can open with, in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable

from kiosk.matching.profiles import Present, Profile
from kiosk.matching.score import common_digits, industries_differ
from kiosk.texts import Texts
from kiosk.values import Language, Reason, ReasonKind, TopicId
from kiosk.vocabulary import Vocabulary

SIMILAR_DIGITS = 2
"""Occupations with as many common first digits of their ISCO-08 codes are called similar aloud."""
PEERS = (ReasonKind.PEER, ReasonKind.COLLEAGUE)


def reason(visitor: Present, partner: Present) -> Reason:
    """Return why the visitor should meet the partner, as the visitor's badge may say it.

    The partner's need is named with the partner's consent only; without it, what the reader can give in return is chosen
    without a look at that need. Similar occupations are named only if the partner agreed that a badge tells what they do.
    Topics take turns by badge number, so that they vary from pair to pair and stay the same when asked again.
    """
    reader, other = visitor.profile, partner.profile
    turn = visitor.visit.number + partner.visit.number
    ask = _whose_turn((topic for topic in reader.seeks if topic in other.offers), turn)
    needed = other.seeks if other.consents.need else ()
    give = _whose_turn((topic for topic in reader.offers if topic in needed and topic != ask), turn)
    if ask and give:
        return Reason(ReasonKind.BOTH, ask=ask, give=give)
    if ask:
        return Reason(ReasonKind.ASK, ask=ask, give=_whose_turn((topic for topic in reader.offers if topic != ask), turn))
    if give:
        return Reason(ReasonKind.GIVE, ask=_whose_turn((topic for topic in other.offers if topic != give), turn), give=give)
    if other.consents.occupation and reader.industry and other.industry and _similar(reader, other):
        differ = industries_differ(reader.industry, other.industry)
        kind = ReasonKind.PEER if differ else ReasonKind.COLLEAGUE
        return Reason(kind, industries=(reader.industry, other.industry))
    ask = _whose_turn(other.offers, turn)
    return Reason(ReasonKind.OPEN, ask=ask, give=_whose_turn((topic for topic in reader.offers if topic != ask), turn))


def _similar(one: Profile, other: Profile) -> bool:
    return common_digits(one.occupation, other.occupation) >= SIMILAR_DIGITS


def _whose_turn(topics: Iterable[TopicId], turn: int) -> TopicId | None:
    choice = tuple(topics)
    return choice[turn % len(choice)] if choice else None


def reason_sentence(reason: Reason, partner_name: str, texts: Texts, vocabulary: Vocabulary, language: Language) -> str:
    """Return the sentence for the reader's badge; `partner_name` is a name or `person_number`.

    A reason that names what this vocabulary does not hold, or holds as sensitive, names nothing instead.
    """
    if not _speakable(reason, vocabulary):
        return texts.say(language, "reason.open_only", partner=partner_name)
    parts = {"partner": partner_name}
    for part, topic in (("ask", reason.ask), ("give", reason.give)):
        if topic is not None:
            parts[part] = vocabulary.topics[topic].phrase(language)
    key = f"reason.{reason.kind.value}"
    if reason.industries is not None:
        parts["own"], parts["other"] = (vocabulary.industries[industry][language] for industry in reason.industries)
    elif reason.ask is None or reason.give is None:
        key += "_only"
    return texts.say(language, key, **parts)


def _speakable(reason: Reason, vocabulary: Vocabulary) -> bool:
    topics = [vocabulary.topics.get(topic) for topic in (reason.ask, reason.give) if topic is not None]
    known = all(industry in vocabulary.industries for industry in reason.industries or ())
    return known and all(topic is not None and not topic.sensitive for topic in topics)


def person_number(number: int, texts: Texts, language: Language) -> str:
    """Return what an unnamed partner is called within a sentence."""
    return texts.say(language, "reason.person_number", number=number)


def starter(texts: Texts, language: Language, turn: int, kind: ReasonKind = ReasonKind.OPEN) -> str:
    """Return the opening sentence whose turn it is; people of similar occupations have their own."""
    return texts.vary(language, "starter.peer" if kind in PEERS else "starter.general", turn)
