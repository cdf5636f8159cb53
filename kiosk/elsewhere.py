"""Visitors who came in by another door of the café, as the shared service tells of them: they are that door's own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from kiosk.house import House
from kiosk.values import MemberId, Met, Now, Reason, TopicId, Visit, VisitId, Way


class Elsewhere(Struct, frozen=True):
    """The open visits of all other doors, and whose they are. Not stored: the service is asked again after a start."""

    visits: Mapping[VisitId, Visit] = {}
    here: Mapping[MemberId, VisitId] = {}

    def visit_of(self, member: MemberId) -> Visit | None:
        """Return the member's visit by another door, if they are known to be still here."""
        visit = self.here.get(member)
        return self.visits[visit] if visit is not None and self.visits[visit].confirmed else None

    def having(self, *visits: Visit) -> Elsewhere:
        """Return this with these visits as they are now."""
        if not visits:
            return self
        return Elsewhere(
            {**self.visits, **{visit.id: visit for visit in visits}},
            {**self.here, **{visit.member.id: visit.id for visit in visits}},
        )

    def without(self, gone: Iterable[VisitId]) -> Elsewhere:
        """Return this without these visits."""
        gone = self.visits.keys() & gone
        left = {key: visit for key, visit in self.visits.items() if key not in gone}
        return Elsewhere(left, {visit.member.id: visit.id for visit in left.values()}) if gone else self

    def partners(self, here: Mapping[MemberId, VisitId]) -> dict[VisitId, Visit]:
        """Return whom a door may choose that decides alone: who was told already where to go, and did not come in `here` too.

        Who was not told yet may be told of the very visitor for whom this door decides, and the two would be sent twice.
        """
        return {key: visit for key, visit in self.visits.items() if visit.zone is not None and visit.member.id not in here}

    def number_after(self, number: int, last: int) -> int:
        """Return the next badge number, of 1 to `last`, that nobody at another door has."""
        taken = {visit.number for visit in self.visits.values()}
        following = ((number + ahead) % last + 1 for ahead in range(last))
        return next((each for each in following if each not in taken), number % last + 1)

    def expire(self, house: House, now: Now) -> Elsewhere:
        """Return this without those whose day or stay is over, should nobody tell of their check-out."""
        today = house.day(now, now)
        return self.without([visit.id for visit in self.visits.values() if _is_over(visit, house, now, today)])


def met_with(someone: Visit, *topics: TopicId | None, way: Way = Way.OWN) -> Met:
    """Return how a visitor may be told of somebody: their name with their consent only."""
    named = someone.member.consents.name
    name = someone.member.called if named else ""
    return Met(someone.member.id, someone.number, name, tuple(topic for topic in topics if topic is not None), way)


def came(visitor: Visit, reason: Reason) -> Met:
    """Return how a partner may be told of the visitor who was sent to them; what that one seeks is said with consent only."""
    return met_with(visitor, reason.give, reason.ask if visitor.member.consents.need else None, way=Way.SENT)


def untold(visit: Visit) -> tuple[Met, ...]:
    """Return who was sent to a visitor, or sits in their group, and they were not told of it yet."""
    news = tuple(met for met in visit.met if met.way is not Way.OWN)
    return news[max(0, len(news) - visit.untold) :]


def as_told(
    visit: Visit, approached: int, sent: Sequence[Met], told: Collection[MemberId], here: Collection[MemberId] | None
) -> Visit:
    """Return a visit as the service knows it: how often they were approached, who was `sent`, and of whom they were `told`.

    `here` are the members whose visits are this door's own; None where the service does not know yet all that this door knows,
    of which nothing is then taken back.
    """
    known = {met.member for met in visit.met if met.way is Way.SENT}
    still = {met.member for met in untold(visit)}
    gone = set() if here is None else known - {met.member for met in sent} - set(here)
    met = tuple(each for each in visit.met if each.way is not Way.SENT or each.member not in gone)
    met += tuple(each for each in sent if each.member not in known)
    news = [each for each in met if each.member in still or (each.way is Way.SENT and each.member not in known)]
    return replace(
        visit,
        approached=approached if here is not None else max(approached, visit.approached),
        met=met,
        untold=sum(each.member not in told for each in news),
    )


def _is_over(visit: Visit, house: House, now: Now, today: int | None) -> bool:
    day = house.day(visit.opened, now)
    if day is not None and today is not None and day != today:
        return True
    return visit.opened.boot_id == now.boot_id and now.boot_ms - visit.opened.boot_ms >= house.rules.max_stay_ms
