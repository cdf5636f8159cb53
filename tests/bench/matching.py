"""How long a match takes, by the number of people present and the size of the roster that they were drawn from."""

from __future__ import annotations

from random import Random
from statistics import quantiles
from time import perf_counter_ns

from firmware_py.roster import made_up_members
from firmware_py.vocabulary import load_vocabulary
from kiosk.matching import Circumstances, Present, find_match, profile
from kiosk.values import Colour, Member, Now, Symbol, Visit, VisitId, Zone, ZoneId
from kiosk.vocabulary import Vocabulary

ROSTERS = (1_000, 100_000)
PRESENT = (10, 100, 1_000)
MATCHES = 400
ZONES = tuple(
    Zone(ZoneId(f"z{place}"), f"Zone {place}", Symbol.STAR, Colour.BLUE, capacity=200, quiet=place == 0) for place in range(6)
)


def crowd(members: list[Member], count: int, chance: Random, vocabulary: Vocabulary) -> list[Present]:
    """Return `count` different members with a visit each, in the middle of an evening."""
    now = Now("boot", 0)
    return [
        Present(
            Visit(
                id=VisitId(f"t1-1-{number}"),
                number=number,
                member=member,
                opened=now,
                zone=chance.choice(ZONES).id,
                approached=chance.choice((0, 0, 0, 1, 1, 2)),
                introduced=chance.choice((0, 1)),
                lifetime_rate=chance.randrange(2_000),
            ),
            profile(member, vocabulary),
        )
        for number, member in enumerate(chance.sample(members, count), 1)
    ]


def figures() -> dict[str, float]:
    """Return `match_ms` p50 and p99 by people present and roster size."""
    vocabulary = load_vocabulary()
    result: dict[str, float] = {}
    for roster in ROSTERS:
        members = made_up_members(roster, 1, vocabulary)
        for count in PRESENT:
            chance = Random(count)
            present = crowd(members, count, chance, vocabulary)
            met = {member.id for member in chance.sample(members, 50)}
            taken: list[float] = []
            for _ in range(MATCHES):
                visitor = chance.choice(present)
                occupancy = {zone.id: chance.randrange(200) for zone in ZONES}
                circumstances = Circumstances(
                    zones=ZONES, occupancy=occupancy, mean_rate=1_000, met={visitor.profile.member: met}
                )
                began = perf_counter_ns()
                find_match(visitor, present, circumstances)
                taken.append((perf_counter_ns() - began) / 1e6)
            cuts = quantiles(taken, n=100, method="inclusive")
            for name, value in (("p50", cuts[49]), ("p99", cuts[98])):
                result[f"match_ms_{name}_present_{count}_roster_{roster}"] = round(value, 4)
    return result


if __name__ == "__main__":
    print(figures())
