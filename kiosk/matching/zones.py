"""Which part of the café to go to: near the partner where there is room, quiet for the quiet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kiosk.values import Zone, ZoneId, ZoneKind


def choose_zone(
    zones: Sequence[Zone],
    occupancy: Mapping[ZoneId, int],
    *,
    quiet: bool,
    partner_zone: ZoneId | None = None,
    people: int = 1,
) -> ZoneId:
    """Return the zone for `people` who come in, always one of `zones`, of which there is at least one.

    `occupancy` counts the people in each zone, those who come in left out. Who is to meet a remote participant goes to that
    one's screen. The partner's zone is taken when it has room and is as quiet as asked; else the least full zone to talk in of
    the wished kind (quiet, or for others not quiet) that has room, then any to talk in, then a place for resources; when all
    are full, the least full one. Of equals, the first.
    """
    there = next((zone for zone in zones if zone.id == partner_zone), None)
    if there is not None and there.kind is ZoneKind.REMOTE:
        return there.id
    on_site = [zone for zone in zones if zone.kind is not ZoneKind.REMOTE]
    room = [zone for zone in on_site if occupancy.get(zone.id, 0) + people <= zone.capacity]
    talk = [zone for zone in room if zone.kind is ZoneKind.TALK]
    if there in talk and (there.quiet or not quiet):
        return there.id
    wished = [zone for zone in talk if zone.quiet == quiet]
    choice = wished or talk or room or on_site or zones
    return min(choice, key=lambda zone: occupancy.get(zone.id, 0) * 1000 // max(zone.capacity, 1)).id
