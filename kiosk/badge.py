"""What is on a badge or another slip of paper, in which order and in which words."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import assert_never

from msgspec import Struct

from kiosk.texts import Texts
from kiosk.values import Language, Symbol


class BadgeZone(Struct, frozen=True):
    """A zone as the badge shows it: name, shape and colour word, never colour alone."""

    name: str
    symbol: Symbol
    colour_word: str


class BadgeIntroduction(Struct, frozen=True):
    """Whom to meet, where they are now, why, and how to open the conversation; final words in the reader's language."""

    partner: str
    partner_zone: str
    reason: str
    starter: str


class Badge(Struct, frozen=True):
    """One badge in final words, in the reader's language; lines that the member did not agree to are empty."""

    language: Language
    first_name: str
    zone: BadgeZone
    qr: str
    """What the QR code holds."""
    headline: str = ""
    talk_to_me_about: tuple[str, ...] = ()
    introduction: BadgeIntroduction | None = None
    notice: str = ""
    """Instead of an introduction: first in line, or nothing found in time."""
    starter: str = ""
    """A general opening sentence when there is no introduction."""
    until: str = ""
    """HH:MM until when the introduction holds; empty when the time is not trusted."""
    languages: tuple[str, ...] = ()
    """Spoken languages by their own names."""
    today: tuple[str, ...] = ()
    """What is on in the café, the same for everybody; empty when the time is not trusted."""
    number: int = 0
    """The badge number of today; 0 prints none."""
    copy: bool = False
    """Marked as a copy: the first print may exist."""


class SlipKind(StrEnum):
    """The slips of paper that are no badges."""

    ASK_STAFF = "ask_staff"
    """For a card that does not work here: what to do."""
    FOLLOW_UP = "follow_up"
    """At the check-out: whom you met, a thank-you, a line for a note of your own."""
    SENT = "sent"
    """Who was sent to a visitor, at their next tap."""
    GROUP = "group"
    """For each of those who sit down together: where, with whom, and how to begin."""
    FAULT = "fault"
    """For staff: what is wrong and what to do."""
    DESK = "desk"
    """For a phone: where the desk is, and how it is known. Printed only when staff asks for it."""


BY_THEMSELVES = tuple(kind for kind in SlipKind if kind is not SlipKind.DESK)
"""What is printed without being asked for, unless a café decides otherwise."""


class SlipLine(Struct, frozen=True):
    """One thing on a slip: whom or what, and a sentence about it."""

    text: str
    detail: str = ""


class Slip(Struct, frozen=True):
    """A slip in final words, in the reader's language; empty lines are left out."""

    kind: SlipKind
    language: Language
    title: str
    text: str = ""
    lines: tuple[SlipLine, ...] = ()
    after: str = ""
    """A sentence below the lines."""
    memo: str = ""
    """The words before a ruled line to write on; empty for none."""
    small: str = ""
    """When, and by which id to ask about it."""
    copy: bool = False
    """Marked as a copy: the first print may exist."""
    qr: str = ""
    """What the QR code below the text holds; empty for none."""


class Field(StrEnum):
    """A part of a badge that a café's template can put somewhere else or leave out."""

    COPY = "copy"
    LOGO = "logo"
    NAME = "name"
    HEADLINE = "headline"
    TALK = "talk"
    MEET = "meet"
    """Whom to meet, where and why; or why nobody."""
    START = "start"
    ZONE = "zone"
    UNTIL = "until"
    TODAY = "today"
    """What is on in the café."""
    LANGUAGES = "languages"
    NUMBER = "number"
    QR = "qr"


NEEDED = (Field.COPY, Field.NAME, Field.ZONE)
"""What no template can leave out: an unmarked copy, a badge of nobody, a way to nowhere."""


class Template(Struct, frozen=True, kw_only=True):
    """What a café decided about its paper. The words between are its own too, but live with the texts (`Texts.with_own`)."""

    fields: tuple[Field, ...] = tuple(field for field in Field if field is not Field.LOGO)
    """What is on a badge, top to bottom."""
    slips: frozenset[SlipKind] = frozenset(BY_THEMSELVES)
    """Which other slips are printed by themselves."""


class Role(StrEnum):
    """What a block of a badge is; the layout gives each role its size."""

    COPY = "copy"
    LOGO = "logo"
    """The café's logo; the block's text is nothing to print."""
    NAME = "name"
    TITLE = "title"
    """Of a slip."""
    HEADLINE = "headline"
    LABEL = "label"
    TEXT = "text"
    PARTNER = "partner"
    STARTER = "starter"
    GO = "go"
    """The words above the zone."""
    ZONE = "zone"
    SMALL = "small"
    CLOSING = "closing"
    """A sentence below a slip's lines."""
    MEMO = "memo"
    """Words, and a ruled line to write on."""
    QR = "qr"


class Block(Struct, frozen=True):
    """One paragraph of a badge, top to bottom; `symbol` goes before a zone's text."""

    role: Role
    text: str
    symbol: Symbol | None = None


PLAIN = Template()
"""What is printed where a café decided nothing."""


def blocks(page: Badge | Slip, texts: Texts, template: Template = PLAIN) -> tuple[Block, ...]:
    """Return what is on a badge or slip, top to bottom, with the words between from the texts; no block is empty."""
    found = _slip(page, texts) if isinstance(page, Slip) else _badge(page, texts, template)
    return tuple(block for block in found if block.text)


def _badge(badge: Badge, texts: Texts, template: Template) -> Iterator[Block]:
    for field in template.fields:
        yield from _field(field, badge, texts)


def _field(field: Field, badge: Badge, texts: Texts) -> Iterator[Block]:
    def word(key: str, **parts: str | int) -> str:
        return texts.say(badge.language, f"badge.{key}", **parts)

    meet, zone = badge.introduction, badge.zone
    match field:
        case Field.COPY:
            if badge.copy:
                yield Block(Role.COPY, word("copy"))
        case Field.LOGO:
            yield Block(Role.LOGO, field.value)
        case Field.NAME:
            yield Block(Role.NAME, badge.first_name)
        case Field.HEADLINE:
            yield Block(Role.HEADLINE, badge.headline)
        case Field.TALK:
            if badge.talk_to_me_about:
                yield from (Block(Role.LABEL, word("talk")), Block(Role.TEXT, " · ".join(badge.talk_to_me_about)))
        case Field.MEET:
            if meet is None:
                yield Block(Role.TEXT, badge.notice)
                return
            yield from (Block(Role.LABEL, word("meet")), Block(Role.PARTNER, meet.partner))
            if meet.partner_zone:
                yield Block(Role.TEXT, word("place", zone=meet.partner_zone))
            yield Block(Role.TEXT, meet.reason)
        case Field.START:
            starter = badge.starter if meet is None else meet.starter
            if starter:
                yield from (Block(Role.LABEL, word("start")), Block(Role.STARTER, starter))
        case Field.ZONE:
            yield Block(Role.GO, word("go"))
            yield Block(Role.ZONE, word("zone", name=zone.name, colour=zone.colour_word), zone.symbol)
        case Field.UNTIL:
            if badge.until:
                yield Block(Role.SMALL, word("until", time=badge.until))
        case Field.TODAY:
            if badge.today:
                yield from (Block(Role.LABEL, word("today")), *(Block(Role.TEXT, line) for line in badge.today))
        case Field.LANGUAGES:
            yield Block(Role.SMALL, " · ".join(badge.languages))
        case Field.NUMBER:
            if badge.number:
                yield Block(Role.SMALL, word("number", number=badge.number))
        case Field.QR:
            yield Block(Role.QR, badge.qr)
        case _:
            assert_never(field)


def _slip(slip: Slip, texts: Texts) -> Iterator[Block]:
    if slip.copy:
        yield Block(Role.COPY, texts.say(slip.language, "badge.copy"))
    yield from (Block(Role.TITLE, slip.title), Block(Role.TEXT, slip.text), Block(Role.QR, slip.qr))
    for line in slip.lines:
        yield from (Block(Role.PARTNER, line.text), Block(Role.TEXT, line.detail))
    yield from (Block(Role.CLOSING, slip.after), Block(Role.MEMO, slip.memo), Block(Role.SMALL, slip.small))
