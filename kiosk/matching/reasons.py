"""Why two people are introduced, and the words for it: something that a stranger can open with, in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from kiosk.matching.profiles import Present, Profile
from kiosk.matching.score import common_digits, granted, industries_differ
from kiosk.names import possessive, sentence_start
from kiosk.texts import Texts
from kiosk.values import Language, Reason, ReasonKind
from kiosk.vocabulary import Vocabulary, Word

SIMILAR_DIGITS = 2
"""Occupations with as many common first digits of their ISCO-08 codes are called similar aloud."""


def reason(visitor: Present, partner: Present) -> Reason:
    """Return why the visitor should meet the partner, as the visitor's badge may say it.

    The partner's need is named with the partner's consent only; without it, what the reader can give in return is chosen
    without a look at that need. Similar occupations are named only if the partner agreed that a badge tells what they do.
    A line of the reader's list for the half-year goes before what they seek otherwise. Topics take turns by badge number, so
    that they vary from pair to pair and stay the same when asked again. A pastime, or an old school or place of work, that
    both share and agreed to have named breaks the ice beside that.
    """
    reader, other = visitor.profile, partner.profile
    turn = visitor.visit.number + partner.visit.number
    return replace(
        _serious(reader, other, turn),
        pastime=_whose_turn(sorted(set(reader.pastimes) & set(other.pastimes)), turn),
        history=not reader.history.isdisjoint(other.history),
    )


def _serious(reader: Profile, other: Profile, turn: int) -> Reason:
    wish = granted(reader, other)
    ask = wish.topic if wish else _whose_turn((topic for topic in reader.seeks if topic in other.offers), turn)
    needed = other.seeks if other.consents.need else ()
    give = _whose_turn((topic for topic in reader.offers if topic in needed and topic != ask), turn)
    if ask and give:
        return Reason(ReasonKind.BOTH, ask=ask, give=give)
    if ask:
        promised = wish.gives if wish and wish.gives != ask else None
        own = (topic for topic in reader.offers if topic != ask)
        return Reason(ReasonKind.ASK, ask=ask, give=promised or _whose_turn(own, turn))
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


def _whose_turn(words: Iterable[Word], turn: int) -> Word | None:
    choice = tuple(words)
    return choice[turn % len(choice)] if choice else None


def reason_sentence(
    reason: Reason, partner_name: str, texts: Texts, vocabulary: Vocabulary, language: Language, turn: int
) -> str:
    """Return the sentence whose turn it is for the reader's badge; `partner_name` is a name or `person_number`.

    A reason that names what this vocabulary does not hold, or holds as sensitive, names nothing instead.
    """
    parts = {"partner": partner_name, "partner_s": possessive(partner_name, language)}
    key = f"reason.{reason.kind.value}"
    if not _speakable(reason, vocabulary):
        key = "reason.open_only"
    elif reason.industries is not None:
        parts["own"], parts["other"] = (vocabulary.industries[industry][language] for industry in reason.industries)
    else:
        for part, topic in (("ask", reason.ask), ("give", reason.give)):
            if topic is None:
                key = f"reason.{reason.kind.value}_only"
            else:
                parts[part] = vocabulary.topics[topic].phrase(language)
    return sentence_start(texts.vary(language, key, turn, **parts), partner_name)


def _speakable(reason: Reason, vocabulary: Vocabulary) -> bool:
    topics = [vocabulary.topics.get(topic) for topic in (reason.ask, reason.give) if topic is not None]
    known = all(industry in vocabulary.industries for industry in reason.industries or ())
    return known and all(topic is not None and not topic.sensitive for topic in topics)


def person_number(number: int, texts: Texts, language: Language) -> str:
    """Return what an unnamed partner is called within a sentence."""
    return texts.say(language, "reason.person_number", number=number)


def starter(texts: Texts, language: Language, turn: int, kind: ReasonKind | None = None) -> str:
    """Return the opening sentence whose turn it is: one for the kind of reason, a general one without an introduction."""
    return texts.vary(language, "starter.general" if kind is None else f"starter.{kind.value}", turn)
