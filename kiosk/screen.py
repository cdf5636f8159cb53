"""What the screen by the door shows to whoever just tapped: no more than their badge would say."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from kiosk.compose import compose
from kiosk.door import DoorState, can_choose
from kiosk.effects import Answer, Effect, QueueBadge, SettleMatch
from kiosk.signals import Signal
from kiosk.values import Language, Now, Visit, VisitId, ZoneId


class Shown(Struct, frozen=True, kw_only=True):
    """One answer at a reader, for the screen beside it; it comes again with the same visit when the match is known.

    `name` and `partner` are as on the badge, None without the consent to a name (the partner's badge number stands for theirs);
    `can_choose` tells whether a mood that is pressed now is taken for this visit, `badge_later` that their badge is to wait for
    the printer.
    """

    reader: str | None
    signal: Signal
    language: Language
    words: str
    name: str | None = None
    visit: VisitId | None = None
    zone: ZoneId | None = None
    partner: str | None = None
    reason: str | None = None
    starter: str | None = None
    can_choose: bool = False
    badge_later: bool = False


def shown(before: DoorState, after: DoorState, effects: Sequence[Effect], answer: Answer, now: Now) -> Shown:
    """Return what the screen shows for an answer that is among the `effects` of one step."""
    plain = Shown(reader=answer.reader, signal=answer.signal, language=answer.language, words=answer.words)
    visit = None if answer.visit is None else after.visit(answer.visit) or before.visit(answer.visit)
    if visit is None:
        return plain
    page = replace(
        plain,
        name=(visit.member.called.strip() or None) if visit.member.consents.name else None,
        visit=visit.id,
        zone=None if after.house.zone(visit.zone) is None else visit.zone,
        can_choose=can_choose(after, visit.id, now),
    )
    settled = next((each for each in effects if isinstance(each, SettleMatch) and each.visit == visit.id), None)
    if settled is None:
        return page
    queued = any(isinstance(effect, QueueBadge) for effect in effects)
    page = replace(page, badge_later=queued and after.spool.cause is not None)
    return _with_match(page, after, visit, settled, now)


def _with_match(page: Shown, state: DoorState, visit: Visit, settled: SettleMatch, now: Now) -> Shown:
    """Add whom to meet, why and how to begin, in the words of the badge of the same step."""
    found = settled.introduction
    partner = None if found is None else state.visit(found.partner)
    turn = state.introductions if partner is None else state.introductions - 1
    badge = compose(state.house, visit, found, partner, page.signal, now, turn=turn)
    meet = badge.introduction
    if meet is None:
        return replace(page, starter=badge.starter)
    return replace(page, partner=meet.partner, reason=meet.reason, starter=meet.starter)
