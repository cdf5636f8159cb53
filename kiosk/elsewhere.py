"""Visitors who came in by another door of the café, as the shared service tells of them: they are that door's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from kiosk.house import House
from kiosk.values import MemberId, Now, Visit, VisitId


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


def _is_over(visit: Visit, house: House, now: Now, today: int | None) -> bool:
    day = house.day(visit.opened, now)
    if day is not None and today is not None and day != today:
        return True
    return visit.opened.boot_id == now.boot_id and now.boot_ms - visit.opened.boot_ms >= house.rules.max_stay_ms
