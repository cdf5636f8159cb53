"""What the terminal says of itself: one line for staff, and all it knows for `fikatap status`."""

from __future__ import annotations

from typing import Any

from firmware_py.ledger import Ledger
from firmware_py.matching.calls import NEWS
from firmware_py.terminal.supervise import Health, Supervisor
from firmware_py.wiring import Wiring
from kiosk.door import DoorState
from kiosk.values import Now

READER, SECOND = "reader ", "second"


def status_line(state: DoorState, supervisor: Supervisor, wiring: Wiring, *, stores: bool) -> str:
    """Return how things stand in the venue's language: open or closed and why, how many are here, what wants attention."""

    def say(key: str) -> str:
        return wiring.texts.say(wiring.language, f"status.{key}")

    readers = [watched for name, watched in supervisor.watched.items() if name.startswith(READER)]
    parts = []
    if not stores:
        parts.append(say("no_storage"))
    elif not any(watched.health is Health.UP for watched in readers):
        parts.append(say("no_reader"))
    else:
        parts.append(say("open"))
    parts.append(wiring.texts.count(wiring.language, "status.here", len(state.visits)))
    if NEWS in supervisor.watched and supervisor.watched[NEWS].health is not Health.UP:
        parts.append(say("no_service"))
    second = supervisor.watched.get(SECOND)
    if second is not None and second.health in (Health.DOWN, Health.FAILED):
        parts.append(say("no_second"))
    if state.house.prints and state.spool.cause is not None:
        parts.append(wiring.texts.say(wiring.language, f"cause.{state.spool.cause}"))
    elif state.spool.paper_low:
        parts.append(say("paper_low"))
    return "; ".join(parts)


def status(
    state: DoorState, supervisor: Supervisor, wiring: Wiring, ledger: Ledger | None, now: Now, *, stores: bool
) -> dict[str, Any]:
    """Return all that the terminal knows of itself, as JSON values; no names."""
    return {
        "line": status_line(state, supervisor, wiring, stores=stores),
        "stores": stores,
        "shut": None,
        "here": len(state.visits),
        "elsewhere": len(state.elsewhere.visits),
        "unconfirmed": sum(not visit.confirmed for visit in state.visits.values()),
        "awaiting_match": len(state.asked),
        "enrolling": state.enrolling is not None,
        "printer": {
            "configured": state.house.prints,
            "cause": None if state.spool.cause is None else state.spool.cause.value,
            "paper_low": state.spool.paper_low,
            "current": state.spool.current,
        },
        "jobs": [{"job": job.id, "visit": job.visit, "state": job.state.value} for job in state.spool.jobs.values()],
        "devices": [
            {
                "name": name,
                "health": watched.health.value,
                "what": watched.what,
                "trouble": watched.trouble,
                "since_s": max(0, now.boot_ms - watched.since_ms) // 1000,
            }
            for name, watched in supervisor.watched.items()
        ],
        "zones": {zone.id: state.occupancy().get(zone.id, 0) for zone in state.house.zones},
        "clock_trusted": now.wall is not None,
        "ledger": ledger.counts() if stores and ledger is not None else None,
    }
