"""What is on a badge, in which order and in which words."""

from __future__ import annotations

from enum import StrEnum

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
    number: int = 0
    """The badge number of today; 0 prints none."""
    copy: bool = False
    """Marked as a copy: the first print may exist."""


class Role(StrEnum):
    """What a block of a badge is; the layout gives each role its size."""

    COPY = "copy"
    NAME = "name"
    HEADLINE = "headline"
    LABEL = "label"
    TEXT = "text"
    PARTNER = "partner"
    STARTER = "starter"
    GO = "go"
    """The words above the zone."""
    ZONE = "zone"
    SMALL = "small"
    QR = "qr"


class Block(Struct, frozen=True):
    """One paragraph of a badge, top to bottom; `symbol` goes before a zone's text."""

    role: Role
    text: str
    symbol: Symbol | None = None


def blocks(badge: Badge, texts: Texts) -> tuple[Block, ...]:
    """Return what is on the badge, top to bottom, with the words between from the texts under `badge.`; no block is empty."""

    def word(key: str, **parts: str | int) -> str:
        return texts.say(badge.language, f"badge.{key}", **parts)

    page: list[Block] = []
    if badge.copy:
        page.append(Block(Role.COPY, word("copy")))
    page += [Block(Role.NAME, badge.first_name), Block(Role.HEADLINE, badge.headline)]
    if badge.talk_to_me_about:
        page.append(Block(Role.LABEL, word("talk")))
        page += (Block(Role.TEXT, topic) for topic in badge.talk_to_me_about)
    starter = badge.starter
    if meet := badge.introduction:
        starter = meet.starter
        page += [Block(Role.LABEL, word("meet")), Block(Role.PARTNER, meet.partner)]
        if meet.partner_zone:
            page.append(Block(Role.TEXT, word("place", zone=meet.partner_zone)))
        page.append(Block(Role.TEXT, meet.reason))
    else:
        page.append(Block(Role.TEXT, badge.notice))
    if starter:
        page += [Block(Role.LABEL, word("start")), Block(Role.STARTER, starter)]
    zone = badge.zone
    page += [
        Block(Role.GO, word("go")),
        Block(Role.ZONE, word("zone", name=zone.name, colour=zone.colour_word), zone.symbol),
    ]
    if badge.until:
        page.append(Block(Role.SMALL, word("until", time=badge.until)))
    page.append(Block(Role.SMALL, " · ".join(badge.languages)))
    if badge.number:
        page.append(Block(Role.SMALL, word("number", number=badge.number)))
    page.append(Block(Role.QR, badge.qr))
    return tuple(block for block in page if block.text)
