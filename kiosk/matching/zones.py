"""Which part of the café to go to: near the partner where there is room, quiet for the quiet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kiosk.values import Zone, ZoneId


def choose_zone(
    zones: Sequence[Zone], occupancy: Mapping[ZoneId, int], *, quiet: bool, partner_zone: ZoneId | None = None
) -> ZoneId:
    """Return the zone for someone who comes in, always one of `zones`, of which there is at least one.

    `occupancy` counts the people in each zone, the one who comes in left out. The partner's zone is taken when it has room
    and is as quiet as asked; else the least full zone of the wished kind (quiet, or for others not quiet) that has room, then
    of any kind; when all are full, the least full one. Of equals, the first.
    """
    room = [zone for zone in zones if occupancy.get(zone.id, 0) < zone.capacity]
    for zone in room:
        if zone.id == partner_zone and (zone.quiet or not quiet):
            return zone.id
    wished = [zone for zone in room if zone.quiet == quiet]
    return min(wished or room or zones, key=lambda zone: occupancy.get(zone.id, 0) * 1000 // max(zone.capacity, 1)).id
