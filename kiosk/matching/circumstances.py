"""What a match depends on beside the people: whom they met, who is kept apart, what the host wishes, where there is room."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import TypeAlias

from msgspec import Struct

from kiosk.values import MemberId, Zone, ZoneId

Links: TypeAlias = Mapping[MemberId, Set[MemberId]]
"""Who is linked to whom. A link holds both ways, so each of the two has to find the other; `links` makes them so."""


class Circumstances(Struct, frozen=True, kw_only=True):
    """What holds while a match is made. All but `zones` may be left out.

    To match one visitor, `met`, `vetoes` and `pins` need to hold that visitor's links only; for groups and pairs, everybody's.
    """

    zones: tuple[Zone, ...]
    """The parts of the café, at least one."""
    occupancy: Mapping[ZoneId, int] = {}
    """People in each zone, the visitor left out."""
    now_ms: int = 0
    """The present moment, on the clock of `Visit.talks_until_ms`."""
    mean_rate: int = 0
    """The mean lifetime rate of the people here, see `Visit.lifetime_rate`."""
    turn: int = 0
    """How many introductions the venue has seen: every so-and-so-many-th takes somebody unlike."""
    met: Links = {}
    """Who met whom within six months."""
    vetoes: Links = {}
    """Who is kept from whom: one of them blocked the other, or the host said so."""
    pins: Links = {}
    """Who should meet whom next, because the host says so."""
    passed_over: Set[MemberId] = frozenset()
    """Who is not taken this time: the present partner, when the host swaps."""


def links(pairs: Iterable[tuple[MemberId, MemberId]]) -> dict[MemberId, set[MemberId]]:
    """Return pairs as links that hold both ways."""
    linked: dict[MemberId, set[MemberId]] = {}
    for one, other in pairs:
        linked.setdefault(one, set()).add(other)
        linked.setdefault(other, set()).add(one)
    return linked
