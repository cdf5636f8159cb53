"""What one tap costs the door's rules in CPU time: check-in and match answer, with a full café."""

from __future__ import annotations

from statistics import median
from time import process_time_ns

from firmware_py.roster import made_up_members
from firmware_py.texts import load_texts
from firmware_py.vocabulary import load_language_names, load_vocabulary
from kiosk.door import DoorState, step
from kiosk.events import CardTapped, MatchAnswered, PrinterChanged, Started
from kiosk.house import House
from kiosk.values import (
    CardId,
    Colour,
    Introduction,
    Language,
    Member,
    Now,
    Reason,
    ReasonKind,
    Symbol,
    Visit,
    VisitId,
    WallTime,
    Zone,
    ZoneId,
)

PRESENT = 300
TAPS = 100
ROUNDS = 15
ZONES = tuple(
    Zone(ZoneId(f"z{place}"), f"Zone {place}", Symbol.STAR, Colour.BLUE, capacity=60, quiet=place == 0) for place in range(6)
)


def full_cafe(members: list[Member]) -> DoorState:
    """Return the door with everybody of `members` here."""
    house = House(
        prefix="t1-x",
        language=Language.SV,
        texts=load_texts(),
        vocabulary=load_vocabulary(),
        zones=ZONES,
        language_names=load_language_names(),
    )
    visits = tuple(
        Visit(VisitId(f"t1-x-{number}"), number, member, _now(0), zone=ZONES[number % len(ZONES)].id)
        for number, member in enumerate(members, 1)
    )
    started = Started(visits=visits, serial=len(visits), number=len(visits))
    state, _ = step(DoorState(house=house), started, _now(1))
    state, _ = step(state, PrinterChanged(None), _now(2))
    return state


def figures() -> dict[str, float]:
    """Return the CPU time of check-in and match answer together, the median of all rounds."""
    members = [member for member in made_up_members(PRESENT + 2 * TAPS, 1, load_vocabulary()) if member.consents.introductions]
    state = full_cafe(members[:PRESENT])
    visitors = members[PRESENT : PRESENT + TAPS]
    partners = list(state.visits)
    reason = Reason(ReasonKind.OPEN)
    taken = []
    for _ in range(ROUNDS):
        began = process_time_ns()
        for number, visitor in enumerate(visitors):
            now = _now(10_000 + number)
            arrived, _ = step(state, CardTapped("door", CardId(f"card {number}"), visitor), now)
            visit = arrived.here[visitor.id]
            found = Introduction(visit, partners[number], reason, ZONES[1].id, 500)
            step(arrived, MatchAnswered(visit, found, found.zone), now)
        taken.append((process_time_ns() - began) / 1e6 / len(visitors))
    return {"step_cpu_ms_per_tap": round(median(taken), 4)}


def _now(ms: int) -> Now:
    return Now("boot", ms, WallTime(1_800_000_000_000 + ms, 20_833, 18 * 60))


if __name__ == "__main__":
    print(figures())
