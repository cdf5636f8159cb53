"""What the pages show of the café as it is now: the scene for the visitors' screen, and who is here for staff's desk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from firmware_py.terminal.status import READER, status_line
from firmware_py.terminal.supervise import Health, Supervisor
from firmware_py.wiring import Wiring
from kiosk.door import DoorState, may_reprint, waits
from kiosk.house import MINUTES_A_DAY, civil
from kiosk.jobs import Job, JobState
from kiosk.matching.reasons import person_number
from kiosk.occasions import is_all_day, left_today
from kiosk.values import Cause, JobId, MemberId, Met, Mood, Now, Visit, Way


def scene(state: DoorState, supervisor: Supervisor, wiring: Wiring, now: Now, *, stores: bool) -> dict[str, Any]:
    """Return the café as anybody may see it, as JSON values: nothing personal is in it."""
    house, spool, occupancy = state.house, state.spool, state.occupancy()
    trouble = trouble_of(supervisor, stores=stores)
    return {
        "cafe": house.cafe,
        "language": house.language.value,
        "line": status_line(state, supervisor, wiring, stores=stores),
        "open": trouble is None,
        "trouble": trouble,
        "printer": {
            "prints": house.prints,
            "cause": None if spool.cause is None or not house.prints else spool.cause.value,
            "paper_low": spool.paper_low,
        },
        "here": sum(visit.confirmed for visit in (*state.visits.values(), *state.elsewhere.visits.values())),
        "zones": [
            {
                "id": zone.id,
                "name": zone.name,
                "symbol": zone.symbol.value,
                "colour": zone.colour.value,
                "capacity": zone.capacity,
                "here": occupancy.get(zone.id, 0),
                "quiet": zone.quiet,
                "direction": wiring.config.directions.get(zone.id),
            }
            for zone in house.zones
        ],
        "events": [
            {
                "title": each.title,
                "begins": None if is_all_day(each) else _time(each.starts),
                "ends": None if is_all_day(each) else _time(each.ends),
                "place": each.place,
            }
            for each in left_today(house, state.schedule.occasions, now)
        ],
        "moods": [mood.value for mood in Mood],
        # By the reader whose next tap it is for; empty: the next one at any.
        "choices": {place or "": chosen.mood.value for place, chosen in state.choices.items()},
        "day": None if now.wall is None else "{:04}-{:02}-{:02}".format(*civil(now.wall.local_day)),
    }


def trouble_of(supervisor: Supervisor, *, stores: bool) -> str | None:
    """Return why nobody can check in: nothing can be stored, or no reader is there; None when the door is open."""
    readers = (watched for name, watched in supervisor.watched.items() if name.startswith(READER))
    if not stores:
        return "no_storage"
    return None if any(watched.health is Health.UP for watched in readers) else "no_reader"


def visits(state: DoorState, now: Now) -> list[dict[str, Any]]:
    """Return who is in the café, for staff: in the order in which they came, those of other doors last."""
    return [_visit(state, visit, now) for visit in (*state.visits.values(), *state.elsewhere.visits.values())]


def _visit(state: DoorState, visit: Visit, now: Now) -> dict[str, Any]:
    waiting = visit.mood is Mood.GROUP and visit.talks_until_ms is None
    return {
        "visit": visit.id,
        "member": visit.member.id,
        "name": visit.member.called,
        "language": visit.member.language.value,
        "zone": visit.zone,
        "mood": visit.mood.value,
        "since_s": since_ms(visit.opened, now) // 1000,
        "confirmed": visit.confirmed,
        "door": visit.id.rsplit("-", 2)[0],
        "introduced_to": [_called(state, met) for met in visit.met if met.way is not Way.SENT],
        "waits": visit.confirmed and (waits(state, visit) or (waiting and visit.member.consents.introductions)),
        "quiet": visit.member.quiet,
    }


def _called(state: DoorState, met: Met) -> str:
    """Return how staff calls somebody who was met: by name while they are here, else as the visitor may know them."""
    visit = state.visit_of(met.member) or state.elsewhere.visit_of(met.member)
    house = state.house
    return visit.member.called if visit is not None else met.name or person_number(met.number, house.texts, house.language)


def since_ms(then: Now, now: Now) -> int:
    """Return how long ago something was, as far as the clocks tell; of an earlier boot without them, since this one began."""
    if then.boot_id == now.boot_id:
        return max(0, now.boot_ms - then.boot_ms)
    if then.wall is not None and now.wall is not None:
        return max(0, now.wall.utc_ms - then.wall.utc_ms)
    return now.boot_ms


def jobs(state: DoorState, kept: Sequence[Job], names: Mapping[MemberId, str], now: Now) -> list[dict[str, Any]]:
    """Return what the desk tells of each job: how old it is, for whom, and what staff can do about it."""
    latest = latest_badges(kept)
    return [
        {
            "age_s": since_ms(job.queued, now) // 1000,
            "name": names.get(job.member),
            "can": [
                *["judge"] * (job.state is JobState.UNKNOWN and job.badge is not None and job.cause is not Cause.CANNOT_TELL),
                *["reprint"] * (may_reprint(state, job) and job.id in latest),
            ],
        }
        for job in kept
    ]


def latest_badges(kept: Sequence[Job]) -> frozenset[JobId]:
    """Return the last badge of each visit: the ones before it say what holds no more."""
    return frozenset({job.visit: job.id for job in kept if job.badge is not None}.values())


def _time(minute: int) -> str:
    hour, minute = divmod(minute % MINUTES_A_DAY, 60)
    return f"{hour:02}:{minute:02}"
