"""A small café for the tests of the door: its house, some members, moments, and the words that a visitor should get."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from firmware_py.texts import load_texts
from firmware_py.vocabulary import load_language_names
from kiosk.badge import Badge, Slip
from kiosk.compose import compose
from kiosk.door import DoorState, step
from kiosk.effects import Answer, Effect, TellStaff
from kiosk.events import CardTapped, Event, Started
from kiosk.house import House
from kiosk.jobs import Job
from kiosk.signals import Signal
from kiosk.slips import fault
from kiosk.spool import Spool
from kiosk.texts import Texts
from kiosk.values import (
    CardId,
    Consents,
    Introduction,
    JobId,
    Language,
    Member,
    MemberId,
    Now,
    Reason,
    ReasonKind,
    TopicId,
    Visit,
    VisitId,
    WallTime,
    Zone,
)
from tests.kiosk.matching.people import TABLE, VOCABULARY, ZONES, member


class Sentences(dict[str, str]):
    """A catalogue out of a dictionary."""

    def gettext(self, message: str, /) -> str:
        return self.get(message, message)

    def ngettext(self, msgid1: str, msgid2: str, n: int, /) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


def texts(sentences: Mapping[Language, Mapping[str, str]]) -> Texts:
    """Return texts of these sentences."""
    return Texts({language: Sentences(each) for language, each in sentences.items()})


DOOR, BACK = "door", "back"
TEXTS = load_texts()
HOUSE = House(
    prefix="t1-x",
    language=Language.SV,
    texts=TEXTS,
    vocabulary=VOCABULARY,
    zones=ZONES,
    language_names=load_language_names(),
)
RULES = HOUSE.rules

SIGRID = member("Sigrid", seeks="budget", offers="photo", occupation="2512", industry="J")
MAEVE = member(
    "Maeve", seeks="photo", offers="budget", occupation="2411", industry="K", language=Language.EN, languages=("sv",)
)
SOREN = member("Søren", offers="photo", language=Language.DA)
ALONE = member("Ebba", consents=Consents(name=True))
"""Wants no introductions."""


def at(ms: int, boot: str = "monday", wall: WallTime | None = None) -> Now:
    """Return a moment so many milliseconds after the boot."""
    return Now(boot, ms, wall)


def clock(day: int, hour: int, minute: int = 0) -> WallTime:
    """Return a wall-clock time in a café where local time is UTC."""
    return WallTime((day * 1440 + hour * 60 + minute) * 60_000, day, hour * 60 + minute)


def card_of(someone: Member) -> CardId:
    """Return the pseudonym of the member's card."""
    return CardId(f"card-{someone.id}")


def tap(someone: Member, reader: str = DOOR, *, lying: bool = False, rate: int = 0) -> CardTapped:
    """Return the event of a member's tap."""
    return CardTapped(reader, card_of(someone), someone, lying=lying, rate=rate)


def play(state: DoorState, *events: tuple[Event, Now]) -> DoorState:
    """Return the state after a history, whatever was to be done."""
    for event, now in events:
        state, _ = step(state, event, now)
    return state


def effects_of(state: DoorState, event: Event, now: Now) -> tuple[Effect, ...]:
    """Return what is to be done after one event."""
    return step(state, event, now)[1]


def opened(house: House = HOUSE, now: Now | None = None) -> DoorState:
    """Return the door of a morning: an empty café, a printer that can print."""
    started = play(DoorState(house=house), (Started(starts=7), now or at(0)))
    return replace(started, spool=Spool(cause=None))


def visit_id(serial: int) -> VisitId:
    """Return the id of a visit of this terminal."""
    return VisitId(f"t1-x-{serial}")


def job_id(serial: int) -> JobId:
    """Return the id of a job of this terminal."""
    return JobId(f"t1-x-{serial}")


def process_id(serial: int) -> int:
    """Return the printer's number of a job of this seventh start."""
    return 7 << 20 | serial


def said(
    signal: Signal,
    someone: Member | None = None,
    zone: Zone | None = None,
    reader: str | None = DOOR,
    visit: VisitId | None = None,
) -> Answer:
    """Return the answer that somebody should get: by name if they agreed, in their language, with the way to the zone.

    `visit` is theirs, the first one of the day when left out.
    """
    language = Language.SV if someone is None else someone.language
    parts = []
    if someone is not None and someone.consents.name:
        parts.append(TEXTS.say(language, "answer.greeting", name=someone.called))
    where = ""
    if zone is not None:
        symbol = TEXTS.say(language, f"symbol.{zone.symbol}")
        colour = TEXTS.say(language, f"colour.{zone.colour}")
        where = TEXTS.say(language, "answer.where", zone=zone.name, symbol=symbol, colour=colour)
    parts.append(TEXTS.say(language, f"answer.{signal}", where=where).strip())
    return Answer(reader, signal, language, " ".join(parts), None if someone is None else visit or visit_id(1))


def introduction(visitor: VisitId, partner: VisitId, zone: Zone = TABLE) -> Introduction:
    """Return what matching might answer."""
    reason = Reason(ReasonKind.BOTH, ask=TopicId("budget"), give=TopicId("photo"))
    return Introduction(visitor, partner, reason, zone.id, 640)


def badge_job(
    serial: int,
    visit: Visit,
    signal: Signal | None,
    now: Now,
    found: Introduction | None = None,
    partner: Visit | None = None,
    turn: int = 0,
) -> Job:
    """Return the job that a settled question should order."""
    badge = compose(HOUSE, visit, found, partner, signal, now, turn=turn)
    return Job(job_id(serial), visit.id, visit.member.id, badge, now, process_id(serial))


def slip_job(serial: int, slip: Slip, now: Now, visit: Visit | None = None) -> Job:
    """Return the job of a slip, for a visitor or for whoever is there."""
    visit_of, member_of = (VisitId(""), MemberId("")) if visit is None else (visit.id, visit.member.id)
    return Job(job_id(serial), visit_of, member_of, None, now, process_id(serial), slip=slip)


def fault_job(serial: int, now: Now, *notices: TellStaff) -> Job:
    """Return the job of the slip that tells staff these notices."""
    return slip_job(serial, fault(HOUSE, (), notices, now), now)


def badge_of(job: Job) -> Badge:
    """Return the job's badge, which it must have."""
    assert job.badge is not None
    return job.badge
