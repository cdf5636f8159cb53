"""The door: every event in every state gives the next state and what is to be done, and nothing else changes state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from kiosk import slips
from kiosk import spool as spooling
from kiosk.badge import Badge, Slip, SlipKind
from kiosk.compose import compose, has_offer
from kiosk.effects import (
    Answer,
    BindCard,
    CloseVisit,
    ConfirmVisit,
    Effect,
    EndEnrolment,
    Ending,
    Enrolment,
    FindMatch,
    FormGroup,
    LightZone,
    NoteMet,
    Notice,
    OpenVisit,
    OweMatch,
    SetJob,
    SetMood,
    SetRuling,
    SettleGroup,
    SettleMatch,
    TellStaff,
    UndoMatch,
)
from kiosk.elsewhere import Elsewhere, came, met_with, untold
from kiosk.events import (
    CardTapped,
    CardTorn,
    CommitFailed,
    DeskSlipAsked,
    EnrolmentAsked,
    EnrolmentDropped,
    Event,
    GroupAsked,
    GroupFailed,
    GroupFormed,
    JobBroken,
    JobJudged,
    JobPrinted,
    JobReady,
    JobRefused,
    JobReprinted,
    JobSent,
    JobUnprintable,
    MatchAnswered,
    MatchFailed,
    MatchSwapped,
    MemberChanged,
    MemberCheckedIn,
    MemberLeft,
    MemberRemoved,
    MoodChosen,
    MoodPressed,
    MoodTakenBack,
    NoticesAsked,
    PairRuled,
    PhoneTapped,
    PresenceHeard,
    PrinterChanged,
    ScheduleRead,
    Started,
    TimePassed,
)
from kiosk.house import House
from kiosk.jobs import Job, JobState
from kiosk.matching.groups import LEAST
from kiosk.matching.zones import choose_zone
from kiosk.signals import Signal
from kiosk.spool import Spool
from kiosk.values import (
    CardId,
    Cause,
    Gathering,
    Introduction,
    JobId,
    Member,
    MemberId,
    Met,
    Mood,
    Now,
    Pair,
    Ruling,
    Visit,
    VisitId,
    Way,
    ZoneId,
    pair_of,
)

Step = tuple["DoorState", tuple[Effect, ...]]
Then = Callable[["DoorState"], Step]

LAST_NUMBER = 999
"""Badge numbers go round from 1 to this."""
ON_PAPER = (Notice.BADGE_UNKNOWN, Notice.BADGE_UNPRINTABLE, Notice.BADGE_EXPIRED)
"""What staff, who have no screen, is told by a fault slip: what nothing but they can put right."""


class Recent(Struct, frozen=True):
    """The last card on a reader, and when it was last seen there."""

    card: CardId
    boot_ms: int


class Asked(Struct, frozen=True):
    """A match that is waited for: where the visitor stands, until when, and whether a badge is due even without one.

    Nobody but `only` will do, where the host said so. `number` tells the question from an earlier one about the same visit.
    """

    reader: str | None
    by_ms: int
    badge: bool = True
    only: MemberId | None = None
    number: int = 0


class Tapped(Struct, frozen=True):
    """Who tapped last at a reader, and when: whoever presses a mood's button beside it now means this visit."""

    visit: VisitId
    boot_ms: int


class Chosen(Struct, frozen=True):
    """A mood that was pressed before the card was held there; it waits for the next tap."""

    mood: Mood
    until_ms: int


class Enrolling(Struct, frozen=True):
    """Staff waits for a card for this member."""

    member: MemberId
    ticket: int
    by_ms: int


class DoorState(Struct, frozen=True):
    """All that the door knows.

    `serial` counts visits and jobs, `introductions` those of the venue; `asked` is in the order of asking.
    """

    house: House
    boot_id: str = ""
    visits: Mapping[VisitId, Visit] = {}
    here: Mapping[MemberId, VisitId] = {}
    elsewhere: Elsewhere = Elsewhere()
    """Who came in by another door of the café."""
    asked: Mapping[VisitId, Asked] = {}
    spool: Spool = Spool()
    recent: Mapping[str, Recent] = {}
    changed: frozenset[VisitId] = frozenset()
    """Whose profile changed while they were here, since this start."""
    tapped: Mapping[str, Tapped] = {}
    """By reader; none where whoever tapped last has no visit here: they left, or the card is unknown."""
    choices: Mapping[str | None, Chosen] = {}
    """By the reader beside which it was pressed, whose next tap it is for; None where it is for the next tap at any."""
    due: frozenset[Pair] | None = None
    """While a page of the service is heard in slices: the pins that could be carried out before it."""
    enrolling: Enrolling | None = None
    asked_staff_ms: int | None = None
    """When the last slip was ordered for a card that does not work here."""
    serial: int = 0
    number: int = 0
    starts: int = 0
    introductions: int = 0
    repeats: int = 0
    """How often somebody was asked about anew, which numbers these questions; the one at a check-in has 0."""
    storage_failed: bool = False
    rulings: Mapping[Pair, Ruling] = {}
    """What the host decided about two people, of whom one is here, by whichever door."""
    group_of: tuple[VisitId, ...] = ()
    """Who waited for a group when matching was asked for one last."""
    schedule: ScheduleRead = ScheduleRead()
    """What is on in the café, as it was read last."""

    def visit_of(self, member: MemberId) -> Visit | None:
        """Return the member's open visit."""
        visit = self.here.get(member)
        return None if visit is None else self.visits[visit]

    def known_visit_of(self, member: MemberId) -> Visit | None:
        """Return the member's open visit if they are known to be still here."""
        visit = self.visit_of(member)
        return visit if visit is not None and visit.confirmed else None

    def visit(self, visit: VisitId) -> Visit | None:
        """Return an open visit, by whichever door it began."""
        return self.visits.get(visit) or self.elsewhere.visits.get(visit)

    def partner_of(self, member: MemberId) -> Visit | None:
        """Return the visit of somebody who is here, if this door may choose them; see `Elsewhere.partners`."""
        visit = self.visit_of(member) or self.elsewhere.visit_of(member)
        return None if visit is None or (visit.zone is None and visit.id not in self.visits) else visit

    def partners(self) -> Mapping[VisitId, Visit]:
        """Return everybody among whom this door may choose."""
        return {**self.elsewhere.partners(self.here), **self.visits} if self.elsewhere.visits else self.visits

    def occupancy(self, but: VisitId | None = None) -> dict[ZoneId, int]:
        """Return how many people are in each zone, as far as known, one visitor left out."""
        count: dict[ZoneId, int] = {}
        for visit in (*self.visits.values(), *self.elsewhere.visits.values()):
            if visit.zone is not None and visit.confirmed and visit.id != but:
                count[visit.zone] = count.get(visit.zone, 0) + 1
        return count


def step(state: DoorState, event: Event, now: Now) -> Step:
    """Return the state after `event` and what is to be done; the state is only to be kept once its effects are stored.

    One question at a time is asked, of the one who has waited longest, so that each sees what came of the one before.
    """
    after, effects = _happened(state, event, now)
    if told := [effect for effect in effects if isinstance(effect, TellStaff) and effect.notice in ON_PAPER]:
        after, effects = _chain(after, effects, lambda s: _tell_on_paper(s, told, now))
    first = next(iter(after.asked), None)
    if first is None or first == next(iter(state.asked), None):
        return after, effects
    return after, (*effects, FindMatch(first))


def _happened(state: DoorState, event: Event, now: Now) -> Step:
    match event:
        case Started():
            return _start(state, event, now)
        case TimePassed():
            return _time_passed(state, now)
        case CardTapped():
            return _card(state, event, now)
        case PhoneTapped():
            return state, (_answer(state, event.reader, Signal.USE_CARD),)
        case CardTorn():
            return state, (_answer(state, event.reader, Signal.ONCE_MORE),)
        case CommitFailed():
            answer = () if event.reader is None else (_answer(state, event.reader, Signal.TELL_STAFF),)
            return replace(state, storage_failed=True), answer
        case MemberCheckedIn():
            visit = state.visit_of(event.member.id)
            if (visit is not None and visit.confirmed) or state.elsewhere.visit_of(event.member.id) is not None:
                return state, ()
            return _check_in(state, event.member, None, event.rate, now)
        case MemberLeft():
            visit = state.visit_of(event.member) or state.elsewhere.visit_of(event.member)
            return (state, ()) if visit is None else _close(state, visit, Ending.STAFF)
        case MemberRemoved():
            return _removed(state, event.member, now)
        case MemberChanged():
            return _changed(state, event.member, now)
        case NoticesAsked():
            return _fault_slip(state, event.notices, now, anew=True)
        case DeskSlipAsked():
            return _desk_slip(state, event, now)
        case EnrolmentAsked():
            return _enrol(state, event, now)
        case EnrolmentDropped():
            if state.enrolling is None or state.enrolling.ticket != event.ticket:
                return state, ()
            return replace(state, enrolling=None), ()
        case MoodChosen():
            return _mood_chosen(state, event, now)
        case MoodPressed():
            return _mood_pressed(state, event, now)
        case MoodTakenBack():
            return _without_choice(state, event.reader), ()
        case PairRuled():
            return _ruled(state, event, now)
        case MatchSwapped():
            return _swapped(state, event, now)
        case GroupAsked():
            return _gather(state, now)
        case GroupFormed():
            return _group_formed(state, event, now)
        case GroupFailed():
            return replace(state, group_of=()), ()
        case ScheduleRead():
            return replace(state, schedule=event), ()
        case PresenceHeard():
            return _presence_heard(state, event, now)
        case MatchAnswered():
            return _match_answered(state, event, now)
        case MatchFailed():
            if not _is_open(state, event):
                return state, ()
            return _settle(state, event.visit, None, None, Signal.NO_MATCH, now)
        case PrinterChanged():
            fresh_ms = state.house.rules.badge_fresh_ms
            return _spooled(
                state, *spooling.printer_changed(state.spool, event.cause, now, fresh_ms, paper_low=event.paper_low)
            )
        case JobReady():
            return _spooled(state, *spooling.ready(state.spool, event.job))
        case JobRefused():
            return _spooled(state, *spooling.refused(state.spool, event.job, event.cause))
        case JobUnprintable():
            return _spooled(state, *spooling.unprintable(state.spool, event.job))
        case JobSent():
            return _spooled(state, *spooling.sent(state.spool, event.job))
        case JobPrinted():
            return _printed(state, event)
        case JobBroken():
            return _broken(state, event)
        case JobJudged():
            return _judged(state, event, now)
        case JobReprinted():
            return _reprinted(state, event, now)
        case _:
            assert_never(event)


def next_deadline(state: DoorState) -> int | None:
    """Return the boot time in milliseconds at which `TimePassed` has something to do, None when nothing is waited for."""
    return min(_deadlines(state), default=None)


def _deadlines(state: DoorState) -> Iterator[int]:
    rules = state.house.rules
    for asked in state.asked.values():
        yield asked.by_ms
    for job in state.spool.jobs.values():
        due = spooling.stale_ms(job, rules.badge_fresh_ms)
        if job.state is JobState.QUEUED and due is not None:
            yield due
    if state.enrolling is not None:
        yield state.enrolling.by_ms
    for chosen in state.choices.values():
        yield chosen.until_ms


def _start(state: DoorState, event: Started, now: Now) -> Step:
    rules = state.house.rules
    spool, effects = spooling.resume(event.jobs, now, rules.badge_fresh_ms)
    visits = {visit.id: visit for visit in event.visits}
    state = replace(
        state,
        boot_id=now.boot_id,
        visits=visits,
        here={visit.member.id: visit.id for visit in event.visits},
        spool=spool,
        serial=event.serial,
        number=event.number,
        starts=event.starts,
        introductions=event.introductions,
        storage_failed=False,
        rulings=dict(event.rulings),
    )
    state, effects = _chain(state, effects, lambda s: _confirm_presence(s, now))
    state, effects = _chain(state, effects, _forget_rulings_of_nobody)
    asked = {}
    for owed in event.owed:
        visit = state.visits.get(owed)
        if visit is not None and visit.opened.boot_id == now.boot_id and _age(visit, now) < rules.badge_fresh_ms:
            state = replace(state, repeats=state.repeats + 1)
            by_ms = now.boot_ms + rules.match_deadline_ms
            asked[owed] = Asked(None, by_ms, badge=visit.zone is None, number=state.repeats)
        elif visit is not None:
            effects += (SettleMatch(owed, None, visit.zone, visit.member.id, None, visit.talks_until_ms),)
    return replace(state, asked=asked), effects


def _confirm_presence(state: DoorState, now: Now) -> Step:
    """Decide who of an earlier boot is still here: with trusted time by the day, without it nobody knows."""
    effects: tuple[Effect, ...] = ()
    today = state.house.day(now, now)
    for visit in state.visits.values():
        if visit.opened.boot_id == now.boot_id:
            continue
        day = state.house.day(visit.opened, now)
        if day is None or today is None:
            state, more = _set_confirmed(state, visit, confirmed=False)
        elif day == today:
            state, more = _set_confirmed(state, visit, confirmed=True)
        else:
            state, more = _close(state, visit, Ending.CLOSING)
        effects += more
    return state, effects


def _set_confirmed(state: DoorState, visit: Visit, *, confirmed: bool) -> Step:
    if visit.confirmed == confirmed:
        return state, ()
    return _with_visit(state, replace(visit, confirmed=confirmed)), (ConfirmVisit(visit.id, confirmed),)


def _time_passed(state: DoorState, now: Now) -> Step:
    rules = state.house.rules
    effects: tuple[Effect, ...] = ()
    for visit_id, asked in state.asked.items():
        if now.boot_ms >= asked.by_ms:
            state, more = _settle(state, visit_id, None, None, Signal.NO_MATCH, now)
            effects += more
    if state.enrolling is not None and now.boot_ms >= state.enrolling.by_ms:
        effects += (EndEnrolment(state.enrolling.ticket, Enrolment.LATE),)
        state = replace(state, enrolling=None)
    for place, chosen in state.choices.items():
        if now.boot_ms >= chosen.until_ms:
            state = _without_choice(state, place)
    state, effects = _chain(state, effects, lambda s: _spooled(s, *spooling.expire(s.spool, now, rules.badge_fresh_ms)))
    state, effects = _chain(state, effects, lambda s: _confirm_presence(s, now))
    today = state.house.day(now, now)
    for visit in state.visits.values():
        day = state.house.day(visit.opened, now)
        if visit.opened.boot_id == now.boot_id and day is not None and today is not None and day != today:
            state, more = _close(state, visit, Ending.CLOSING)
        elif _age(visit, now) >= rules.max_stay_ms:
            state, more = _close(state, visit, Ending.STAY)
        else:
            continue
        effects += more
    elsewhere = state.elsewhere.expire(state.house, now)
    if elsewhere is not state.elsewhere:
        state, effects = _chain(replace(state, elsewhere=elsewhere), effects, _forget_rulings_of_nobody)
    waiting = _waiting_for_group(state, now)
    # Asked about once: as long as the same people wait, the answer is the same.
    return (state, effects) if waiting == state.group_of else _chain(state, effects, lambda s: _gather(s, now))


def _card(state: DoorState, event: CardTapped, now: Now) -> Step:
    rules = state.house.rules
    same_tap = any(
        recent.card == event.card and now.boot_ms - recent.boot_ms < rules.double_tap_ms for recent in state.recent.values()
    )
    held = event.lying and event.reader in state.recent and state.recent[event.reader].card == event.card
    state = replace(state, recent={**state.recent, event.reader: Recent(event.card, now.boot_ms)})
    if held or (same_tap and not _comes_to_choose(state, event, now)):
        return state, ()
    state = replace(state, tapped={reader: each for reader, each in state.tapped.items() if reader != event.reader})
    if state.enrolling is not None:
        return _enrolled(state, state.enrolling, event)
    if event.blocked:
        return _turned_away(state, event.reader, Notice.BLOCKED_CARD, Signal.BLOCKED_CARD, now)
    if event.member is None:
        return _turned_away(state, event.reader, Notice.UNKNOWN_CARD, Signal.UNKNOWN_CARD, now)
    visit = state.visit_of(event.member.id)
    if visit is None or not visit.confirmed:
        visit = state.elsewhere.visit_of(event.member.id)
    mood = None
    if not event.lying and (waiting := _waits_at(state, event.reader, now)):
        place, mood = waiting
        state = _without_choice(state, place)
    if visit is None:
        return _check_in(state, event.member, event.reader, event.rate, now, mood)
    if mood is not None:  # who says what they want does not go by that tap
        return _wants(_at_door(state, visit, event.reader, now), visit, mood, event.reader, now)
    # A card left lying while the terminal started is nobody who means to go, or hears anything.
    if not event.lying and _is_news(state, visit, now):
        return _tell_who_comes(_at_door(state, visit, event.reader, now), event.reader, visit, now)
    if event.lying or _age(visit, now) < rules.checkout_after_ms:
        state = _at_door(state, visit, event.reader, now)
        if not event.lying and waits(state, visit):
            return _ask_again(state, visit, event.reader, now)
        answer = _answer(state, event.reader, Signal.ALREADY_HERE, visit)
        return state, (answer, *_light(state, visit.zone))
    state, effects = _close(state, visit, Ending.TAPPED)
    effects += (_answer(state, event.reader, Signal.GOODBYE, visit),)
    # Who goes does not wait for paper, and the slip names others: it is not to come out when nobody is there any more.
    if visit.met and state.spool.cause is None and _prints(state, SlipKind.FOLLOW_UP):
        return _chain(state, effects, lambda s: _order(s, slips.follow_up(s.house, visit, now), visit, now))
    return state, effects


def _at_door(state: DoorState, visit: Visit, reader: str | None, now: Now) -> DoorState:
    """Note that a visitor stands at a reader; staff checks in people who may be anywhere."""
    return state if reader is None else replace(state, tapped={**state.tapped, reader: Tapped(visit.id, now.boot_ms)})


def _waits_at(state: DoorState, reader: str, now: Now) -> tuple[str | None, Mood] | None:
    """Return what was pressed for the next tap at this reader, if it was not too long ago, and for which taps that was.

    What was pressed beside it comes before what is for any.
    """
    for place in (reader, None):
        chosen = state.choices.get(place)
        if chosen is not None and now.boot_ms < chosen.until_ms:
            return place, chosen.mood
    return None


def _without_choice(state: DoorState, place: str | None) -> DoorState:
    return replace(state, choices={key: chosen for key, chosen in state.choices.items() if key != place})


def _comes_to_choose(state: DoorState, event: CardTapped, now: Now) -> bool:
    """Tell whether somebody whose tap here was answered a moment ago taps anew because of what was pressed since.

    They are here, and stay. A card that is read again and again while it lies there takes nobody's choice.
    """
    tapped = state.tapped.get(event.reader)
    if event.lying or event.blocked or event.member is None or state.enrolling is not None or tapped is None:
        return False
    visit = state.known_visit_of(event.member.id)
    same = visit is not None and visit.id == tapped.visit and now.boot_ms - tapped.boot_ms < state.house.rules.double_tap_ms
    return same and _waits_at(state, event.reader, now) is not None


def _turned_away(state: DoorState, reader: str, notice: Notice, signal: Signal, now: Now) -> Step:
    """Tell staff of a card that does not work here, and its holder to ask them: on paper too, one slip now and then."""
    effects = (TellStaff(notice), _answer(state, reader, signal))
    waiting = any(job.kind is SlipKind.ASK_STAFF for job in state.spool.jobs.values())
    last_ms = state.asked_staff_ms
    lately = last_ms is not None and now.boot_ms - last_ms < state.house.rules.ask_staff_every_ms
    if waiting or lately or state.spool.cause is not None or not _prints(state, SlipKind.ASK_STAFF):
        return state, effects
    state = replace(state, asked_staff_ms=now.boot_ms)
    return _chain(state, effects, lambda s: _order(s, slips.ask_staff(s.house, notice, now), None, now))


def _check_in(state: DoorState, member: Member, reader: str | None, rate: int, now: Now, chosen: Mood | None = None) -> Step:
    """Open a visit, welcome the visitor, and ask for a match if they want introductions.

    `chosen` is what they pressed beforehand.
    A visit of which nobody knew whether it went on has ended; what they wanted of it, and the host's word, go on.
    """
    before = state.visit_of(member.id)
    ended: tuple[Effect, ...] = ()
    if before is not None:
        state, ended = _close(state, before, Ending.UNCONFIRMED)
    mood = member.mood if before is None else before.mood
    if chosen is not None and _may_want(member, chosen):
        mood = chosen
    serial, number = state.serial + 1, state.elsewhere.number_after(state.number, LAST_NUMBER)
    visit = Visit(
        id=VisitId(f"{state.house.prefix}-{serial}"),
        number=number,
        member=member,
        opened=now,
        lifetime_rate=rate,
        mood=mood,
    )
    state = _at_door(_with_visit(replace(state, serial=serial, number=number), visit), visit, reader, now)
    if not state.house.prints:
        welcome = _answer(state, reader, Signal.WELCOME, visit, words="answer.welcome_only")
    else:
        signal = Signal.WELCOME if state.spool.cause is None else Signal.WELCOME_NO_BADGE
        welcome = _answer(state, reader, signal, visit)
    if chosen is not None:
        noted = _noted(state, member, chosen)
        welcome = replace(welcome, words=f"{welcome.words} {noted}")
    effects = (*ended, OpenVisit(visit), welcome)
    state = _asked(state, visit, reader, now)
    if member.consents.introductions and visit.mood is Mood.INTRODUCE:
        return state, effects
    return _chain(state, effects, lambda s: _settle(s, visit.id, None, None, _without_asking(visit), now))


def _noted(state: DoorState, member: Member, chosen: Mood) -> str:
    """Say what somebody pressed before they came in, or that it takes staff: they are sent nowhere yet."""
    key = f"answer.mood_{chosen}" if _may_want(member, chosen) else "answer.mood_ask"
    return state.house.texts.say(member.language, key, where="").rstrip()


def _without_asking(visit: Visit) -> Signal | None:
    """Return what somebody is told about whom nobody is asked: to wait for a group, or nothing."""
    return Signal.NOT_YET if visit.mood is Mood.GROUP and visit.member.consents.introductions else None


def _asked(
    state: DoorState,
    visit: Visit,
    reader: str | None,
    now: Now,
    *,
    badge: bool = True,
    only: MemberId | None = None,
    number: int = 0,
) -> DoorState:
    asked = Asked(reader, now.boot_ms + state.house.rules.match_deadline_ms, badge, only, number)
    return replace(state, asked={**state.asked, visit.id: asked})


def waits(state: DoorState, visit: Visit) -> bool:
    """Tell whether somebody is first in line: they want an introduction, and met nobody yet."""
    willing = visit.member.consents.introductions and visit.mood is Mood.INTRODUCE
    is_own = visit.id in state.visits and visit.id not in state.asked
    return willing and is_own and not visit.met and has_offer(state.house, visit.member)


def _ask_again(
    state: DoorState, visit: Visit, reader: str | None, now: Now, *, badge: bool = False, only: MemberId | None = None
) -> Step:
    """Ask once more whom somebody should meet; whoever wants to know talks to nobody any more."""
    visit = replace(visit, talks_until_ms=None)
    state = _with_visit(replace(state, repeats=state.repeats + 1), visit)
    state = _asked(state, visit, reader, now, badge=badge, only=only, number=state.repeats)
    return state, (OweMatch(visit.id), _answer(state, reader, Signal.ALREADY_HERE, visit, words="answer.again"))


def _is_news(state: DoorState, visit: Visit, now: Now) -> bool:
    """Tell whether somebody who is still here was sent to them, they don't know, and it is not too late to meet.

    Somebody who sits in a group, and has no slip, does not know either.
    Whoever taps long after that has met them, or means to go: such a tap is a check-out, and the slip names them.
    """
    late = visit.talks_until_ms is None or now.boot_ms >= visit.talks_until_ms
    if late and _age(visit, now) >= state.house.rules.checkout_after_ms:
        return False
    return any(state.visit_of(met.member) or state.elsewhere.visit_of(met.member) for met in untold(visit))


def _tell_who_comes(state: DoorState, reader: str, visit: Visit, now: Now) -> Step:
    """Tell somebody who was sent to them, once, on paper too; nobody goes by the tap that tells them."""
    news = untold(visit)
    sent, group = (tuple(met for met in news if met.way is way) for way in (Way.SENT, Way.GROUP))
    visit = replace(visit, untold=0)
    state = _with_visit(state, visit)
    words = slips.who_comes(state.house, visit, sent) if sent else ""
    if group:
        words = f"{words} {slips.who_sits(state.house, visit, group)}".lstrip()
    if _age(visit, now) >= state.house.rules.checkout_after_ms:
        words = f"{words} {state.house.texts.say(visit.member.language, 'answer.stay')}"
    answer = _answer(state, reader, Signal.ALREADY_HERE, visit, words="answer.sent", who=words)
    effects = (NoteMet(visit.id, visit.met), answer, *_light(state, visit.zone))
    if sent and state.spool.cause is None and _prints(state, SlipKind.SENT):
        return _chain(state, effects, lambda s: _order(s, slips.sent(s.house, visit, sent, now), visit, now))
    return state, effects


def _without(visit: Visit, *gone: Met) -> Visit:
    """Return a visit in which they did not meet these."""
    left = tuple(met for met in visit.met if met not in gone)
    return replace(visit, met=left, untold=sum(met not in gone for met in untold(visit)))


def _mood_chosen(state: DoorState, event: MoodChosen, now: Now) -> Step:
    """Note what a visitor wants; whoever wants an introduction is asked about anew, whoever does not any more is let be."""
    before = state.known_visit_of(event.member)
    if before is None:
        return state, ()
    visit = before
    effects: tuple[Effect, ...] = ()
    if visit.mood is not event.mood:
        visit = replace(visit, mood=event.mood)
        state, effects = _with_visit(state, visit), (SetMood(visit.id, event.mood),)
    is_asked = visit.id in state.asked
    if event.mood is Mood.INTRODUCE and visit.member.consents.introductions and not is_asked:
        return _chain(state, effects, lambda s: _ask_again(s, visit, event.reader, now))
    if event.mood is not Mood.INTRODUCE and is_asked:
        state, effects = _chain(state, effects, lambda s: _settle(s, visit.id, None, None, None, now))
        visit = state.visits[visit.id]
    return state, (*effects, _answer(state, event.reader, Signal.ALREADY_HERE, visit, words=f"answer.mood_{event.mood}"))


def _mood_pressed(state: DoorState, event: MoodPressed, now: Now) -> Step:
    """Take a pressed mood for the visit that it names, else for who tapped just now at this reader, else for the next tap.

    What was pressed on somebody's own page is for nobody else, however late it comes. What was pressed beside no reader is for
    who tapped last at any, or for the next tap at any. It takes the place of what waits there, and of nothing else.
    """
    if event.visit is not None:
        visit = state.visit(event.visit)
        is_here = visit is not None and visit.confirmed
        return _wants(state, visit, event.mood, event.reader, now) if visit is not None and is_here else (state, ())
    # Who was turned away last, or went, has no visit to take it for: then it is for the next tap.
    reader = event.reader or max(state.recent, key=lambda each: state.recent[each].boot_ms, default=None)
    visit = None if event.ahead or reader is None else _may_choose(state, reader, now)
    if reader is not None and visit is not None:
        return _wants(_without_choice(state, event.reader), visit, event.mood, reader, now)
    chosen = Chosen(event.mood, now.boot_ms + state.house.rules.choose_ms)
    state = replace(state, choices={**state.choices, event.reader: chosen})
    return state, (_answer(state, event.reader, Signal.USE_CARD, words=f"answer.chosen_{event.mood}"),)


def _may_choose(state: DoorState, reader: str, now: Now) -> Visit | None:
    """Return the visit that a pressed mood would be taken for."""
    tapped = state.tapped.get(reader)
    if tapped is None or now.boot_ms - tapped.boot_ms >= state.house.rules.choose_ms:
        return None
    visit = state.visit(tapped.visit)
    return visit if visit is not None and visit.confirmed else None


def can_choose(state: DoorState, visit: VisitId, now: Now) -> bool:
    """Tell whether the visitor at the door may say now what they want of this visit."""
    found = state.visits.get(visit)
    stands = any(each.visit == visit and _may_choose(state, reader, now) for reader, each in state.tapped.items())
    return stands and found is not None and found.member.consents.introductions


def _may_want(member: Member, mood: Mood) -> bool:
    """Tell whether a member may choose that at the door: who agreed to no introductions asks staff for them."""
    return mood is Mood.COFFEE or member.consents.introductions


def _wants(state: DoorState, visit: Visit, mood: Mood, reader: str | None, now: Now) -> Step:
    """Note what a visitor at the door wants; who wants it already is asked about anew only while they wait."""
    if not _may_want(visit.member, mood):
        return state, (_answer(state, reader, Signal.ALREADY_HERE, visit, words="answer.mood_ask"),)
    if visit.id not in state.visits:  # they came in by another door, which keeps their visit
        return state, (_answer(state, reader, Signal.ALREADY_HERE, visit),)
    if mood is visit.mood is Mood.INTRODUCE and visit.id not in state.asked and not waits(state, visit):
        return state, (_answer(state, reader, Signal.ALREADY_HERE, visit), *_light(state, visit.zone))
    if mood is Mood.INTRODUCE and visit.met:  # one introduction is enough, whatever was wanted in between
        visit = replace(visit, mood=mood)
        answer = _answer(state, reader, Signal.ALREADY_HERE, visit, words=f"answer.mood_{mood}")
        return _with_visit(state, visit), (SetMood(visit.id, mood), answer, *_light(state, visit.zone))
    return _mood_chosen(state, MoodChosen(visit.member.id, mood, reader), now)


def _ruled(state: DoorState, event: PairRuled, now: Now) -> Step:
    """Note what the host decided about two people; two who are here and are to meet are introduced now.

    The one who was named first gets the badge, where both came in by this door; else see `_due_pins`.
    """
    pair = pair_of(event.one, event.other)
    one, other = (state.visit_of(each) or state.elsewhere.visit_of(each) for each in (event.one, event.other))
    unknown = one is other and event.ruling is not None  # what was heard of others is taken back all the same
    if unknown or event.one == event.other or state.rulings.get(pair) is event.ruling:
        return state, ()
    state, effects = _rule(replace(state, group_of=()), pair, event.ruling)
    if event.ruling is not Ruling.PIN:
        return state, effects
    first, second = (event.one, event.other) if state.here.keys() >= set(pair) else pair
    return _chain(state, effects, lambda s: _bring_together(s, first, second, now))


def _bring_together(state: DoorState, one: MemberId, other: MemberId, now: Now) -> Step:
    """Ask about `one`, if they came in by this door, with nobody but the other in mind.

    Which of the two is just being asked about is asked about once more: what comes of that knows nothing of the host's word.
    """
    visit, partner = state.visit_of(one), state.partner_of(other)
    if visit is None or partner is None or not (_may_be_introduced(visit) and _may_be_introduced(partner)):
        return state, ()
    asked = visit.id if visit.id in state.asked else partner.id
    if asked not in state.asked:
        return _ask_again(state, visit, None, now, only=other)
    state = replace(state, repeats=state.repeats + 1)
    anew = replace(state.asked[asked], number=state.repeats)
    under_way = asked == next(iter(state.asked))
    return replace(state, asked={**state.asked, asked: anew}), (FindMatch(asked),) if under_way else ()


def _due_pins(before: frozenset[Pair], state: DoorState, now: Now) -> Step:
    """Bring together two whom the host pinned at any door, once this door knows of that and of both.

    Of two who came in by two doors the first one's does so, and no other: nobody is to be introduced twice.
    """
    effects: tuple[Effect, ...] = ()
    for one, other in sorted(_due(state) - before):
        visit = state.visit_of(one)
        # They may have met meanwhile, which the service is still to hear.
        if visit is not None and other not in {met.member for met in visit.met}:
            state, more = _bring_together(state, one, other, now)
            effects += more
    return state, effects


def _due(state: DoorState) -> frozenset[Pair]:
    """Return whom the host pinned to somebody whom this door knows to be here."""
    pinned = (pair for pair, ruling in state.rulings.items() if ruling is Ruling.PIN)
    return frozenset(pair for pair in pinned if state.partner_of(pair[1]) is not None)


def _rulings_heard(state: DoorState, rulings: Sequence[tuple[Pair, Ruling | None]]) -> Step:
    """Take what the host decided at another door, or what became of that."""
    effects: tuple[Effect, ...] = ()
    for pair, ruling in rulings:
        if state.rulings.get(pair) is not ruling:
            state, more = _rule(replace(state, group_of=()), pair, ruling)
            effects += more
    return state, effects


def _rule(state: DoorState, pair: Pair, ruling: Ruling | None) -> Step:
    """Note a ruling, or that there is none any more; nothing to store where there was none."""
    left = {key: value for key, value in state.rulings.items() if key != pair}
    if ruling is None and len(left) == len(state.rulings):
        return state, ()
    return replace(state, rulings=left if ruling is None else {**left, pair: ruling}), (SetRuling(pair, ruling),)


def _swapped(state: DoorState, event: MatchSwapped, now: Now) -> Step:
    """Undo the visitor's last introduction as far as it can be, keep the two apart, and ask for another one."""
    visit = state.known_visit_of(event.member)
    last = None if visit is None else last_own(visit)
    if visit is None or last is None or visit.id in state.asked:
        return state, ()
    visit = _without(replace(visit, introduced=visit.introduced - 1), last)
    state = _with_visit(state, visit)
    noted: tuple[Effect, ...] = (NoteMet(visit.id, visit.met, visit.untold),)
    other, partner = state.visit_of(last.member), VisitId("")
    theirs = () if other is None else tuple(met for met in other.met if met.way is Way.SENT and met.member == event.member)
    if other is not None and theirs:
        other = _without(replace(other, approached=other.approached - 1, talks_until_ms=None), theirs[-1])
        state, partner = _with_visit(state, other), other.id
        noted += (NoteMet(partner, other.met, other.untold),)
    effects = (UndoMatch(visit.id, partner, event.member, last.member), *noted)
    state, effects = _chain(state, effects, lambda s: _rule(s, pair_of(event.member, last.member), Ruling.VETO))
    return _chain(state, effects, lambda s: _ask_again(s, visit, None, now, badge=True))


def last_own(visit: Visit) -> Met | None:
    """Return whom the visitor was sent to last."""
    if not visit.introduced:  # an old ledger does not tell in which way they met
        return None
    return next((met for met in reversed(visit.met) if met.way is Way.OWN), None)


def _waiting_for_group(state: DoorState, now: Now) -> tuple[VisitId, ...]:
    """Return who waits for a group, by the order in which they came."""
    return tuple(visit.id for visit in state.visits.values() if _may_sit_down(visit, now))


def _may_sit_down(visit: Visit, now: Now) -> bool:
    willing = visit.mood is Mood.GROUP and visit.member.consents.introductions and visit.confirmed
    return willing and (visit.talks_until_ms is None or visit.talks_until_ms <= now.boot_ms)


def _gather(state: DoorState, now: Now) -> Step:
    """Ask who of those that wait for a group sit down together, where there are enough."""
    waiting = _waiting_for_group(state, now)
    state = replace(state, group_of=waiting)
    return state, (FormGroup(waiting),) if len(waiting) >= LEAST else ()


def _group_formed(state: DoorState, event: GroupFormed, now: Now) -> Step:
    """Have people sit down together."""
    effects: tuple[Effect, ...] = ()
    for formed in event.gatherings:
        state, more = _sit_down(state, formed, now)
        effects += more
    return state, effects


def _sit_down(state: DoorState, formed: Gathering, now: Now) -> Step:
    """Give each of a group zone and slip, unless they can't sit together by now: then others are asked."""
    visits = {visit: state.visits.get(visit) for visit in formed.visits}
    here = {key: visit for key, visit in visits.items() if visit is not None and _may_sit_down(visit, now)}
    members = {visit.member.id for visit in here.values()}
    vetoed = any(ruling is Ruling.VETO and members.issuperset(pair) for pair, ruling in state.rulings.items())
    if len(here) < len(visits) or vetoed or state.house.zone(formed.zone) is None:
        return replace(state, group_of=()), ()
    talks_until_ms = now.boot_ms + state.house.rules.talk_ms * len(formed.rounds)
    met = _who_talks(formed)
    pairs = tuple(
        (one, here[one].member.id, here[other].member.id) for one, others in met.items() for other in others if one < other
    )
    effects: tuple[Effect, ...] = (SettleGroup(tuple(here), formed.zone, talks_until_ms, pairs),)
    for visit in here.values():
        others = tuple(met_with(here[other], way=Way.GROUP) for other in met[visit.id])
        new = tuple(other for other in others if other.member not in {each.member for each in visit.met})
        seated = replace(
            visit,
            zone=formed.zone,
            introduced=visit.introduced + 1,
            talks_until_ms=talks_until_ms,
            met=(*visit.met, *new),
            untold=visit.untold + len(new),
        )
        state = _with_visit(state, seated)
        effects += (NoteMet(seated.id, seated.met, seated.untold),)
    effects += _light(state, formed.zone)
    if _prints(state, SlipKind.GROUP):
        for visit_id, before in here.items():
            slip = slips.group(state.house, before, formed, here, now, turn=state.introductions)
            state, more = _order(state, slip, state.visits[visit_id], now)
            effects += more
    return state, effects


def _who_talks(formed: Gathering) -> dict[VisitId, tuple[VisitId, ...]]:
    """Return with whom each of a group talks in some round."""
    parts = [part for parts in formed.rounds for part in parts]
    return {
        one: tuple(dict.fromkeys(other for part in parts if one in part for other in part if other != one))
        for one in formed.visits
    }


def _match_answered(state: DoorState, event: MatchAnswered, now: Now) -> Step:
    """Take an answer to a question that is still open; ask again when the partner has left meanwhile."""
    if not _is_open(state, event):
        return state, ()
    found = event.introduction
    if found is not None and not _may_meet(state, found):
        return state, (FindMatch(event.visit),)
    only = state.asked[event.visit].only
    if found is not None and only not in (None, _partner(state, found).member.id):
        found = None
    if found is not None:
        signal = Signal.INTRODUCED
    else:
        # Who offers nothing is not first in line: nobody is sent to them before the desk has found an offer with them.
        signal = Signal.NOT_YET if has_offer(state.house, state.visits[event.visit].member) else Signal.NO_MATCH
    return _settle(state, event.visit, found, event.zone, signal, now)


def _is_open(state: DoorState, answer: MatchAnswered | MatchFailed) -> bool:
    """Tell whether an answer is to the question that is open for its visit, not to an earlier one."""
    asked = state.asked.get(answer.visit)
    return asked is not None and asked.number == answer.number


def _may_meet(state: DoorState, found: Introduction) -> bool:
    """Tell whether an answer still holds: the partner may have left, or want to be let be, or the host knows better."""
    visit, partner = state.visits[found.visit], state.visit(found.partner)
    if partner is None or not _may_be_introduced(partner):
        return False
    return state.rulings.get(pair_of(visit.member.id, partner.member.id)) is not Ruling.VETO


def _may_be_introduced(visit: Visit) -> bool:
    """Tell whether somebody is known to be here, and wants introductions."""
    return visit.confirmed and visit.mood is Mood.INTRODUCE and visit.member.consents.introductions


def _partner(state: DoorState, found: Introduction) -> Visit:
    return state.visits.get(found.partner) or state.elsewhere.visits[found.partner]


def _settle(
    state: DoorState, visit_id: VisitId, found: Introduction | None, zone: ZoneId | None, signal: Signal | None, now: Now
) -> Step:
    """End the question for a visit: count the introduction, order the badge, light the zone, tell the visitor."""
    asked = state.asked[visit_id]
    visit, partner = state.visits[visit_id], None
    if found is None and visit.zone is not None:
        zone = visit.zone  # they sit somewhere already
    if state.house.zone(zone) is None:
        zone = choose_zone(state.house.zones, state.occupancy(), quiet=visit.member.quiet)
    talks_until_ms = None if found is None else now.boot_ms + state.house.rules.talk_ms
    visit = replace(visit, zone=zone, talks_until_ms=talks_until_ms)
    turn = state.introductions
    noted: tuple[Effect, ...] = ()
    if found is not None:
        partner = _partner(state, found)
        reason = found.reason
        visit = replace(visit, introduced=visit.introduced + 1, met=(*visit.met, met_with(partner, reason.ask, reason.give)))
        other = replace(
            partner,
            approached=partner.approached + 1,
            met=(*partner.met, came(visit, reason)),
            untold=partner.untold + 1,
            talks_until_ms=talks_until_ms,
        )
        state = _with_visit(replace(state, introductions=turn + 1), other)
        noted = (NoteMet(visit.id, visit.met, visit.untold), NoteMet(other.id, other.met, other.untold))
        state, ruled = _rule(state, pair_of(visit.member.id, partner.member.id), None)
        noted += ruled
    state = _with_visit(state, visit)
    state = replace(state, asked={key: value for key, value in state.asked.items() if key != visit_id})
    partner_id = None if partner is None else partner.member.id
    settled = SettleMatch(visit_id, found, zone, visit.member.id, partner_id, talks_until_ms)
    effects: tuple[Effect, ...] = (settled, *noted)
    if state.house.prints and (found is not None or asked.badge):
        state, more = _spooled(state, *spooling.expire_visit(state.spool, visit_id, Cause.REPLACED))
        effects += more
        state, job_id, process_id = _new_job_id(state)
        badge = compose(state.house, visit, found, partner, signal, now, turn=turn, on=state.schedule.occasions)
        job = Job(job_id, visit_id, visit.member.id, badge, now, process_id)
        state, more = _spooled(state, *spooling.queue(state.spool, job))
        effects += more
    effects += _light(state, zone)
    if signal is not None:
        words = "answer.group" if visit.mood is Mood.GROUP and found is None else None
        effects += (_answer(state, asked.reader, signal, visit, words=words),)
    return state, effects


def _presence_heard(state: DoorState, event: PresenceHeard, now: Now) -> Step:
    """Note who is at other doors; a visit of this door may have ended there, or somebody may have been sent to its visitor."""
    before = _due(state) if state.due is None else state.due
    elsewhere = Elsewhere() if event.whole else state.elsewhere
    others = [visit for visit in event.open if visit.id not in state.visits]
    state = replace(state, elsewhere=elsewhere.without(event.closed).having(*others))
    effects: tuple[Effect, ...] = ()
    for told in event.open:
        if told.id in state.visits:
            state, more = _as_told(state, state.visits[told.id], told, now)
            effects += more
    for closed in event.closed:
        if closed in state.visits:
            state, more = _close(state, state.visits[closed], Ending.TAPPED)
            effects += more
    state, effects = _chain(state, effects, lambda s: _rulings_heard(s, event.rulings))
    # Only when all of it is known, as what made somebody known here may also have been their introduction.
    if event.more:
        return replace(state, due=before), effects
    return _chain(replace(state, due=None), effects, lambda s: _due_pins(before, s, now))


def _as_told(state: DoorState, own: Visit, told: Visit, now: Now) -> Step:
    """Take the service's word on a visit of this door: another one may have sent somebody to its visitor, or taken that back.

    The two are taken to talk from now on.
    """
    own = replace(own, approached=told.approached)
    if (own.met, own.untold) == (told.met, told.untold):
        return _with_visit(state, own), ()
    talks_until_ms = own.talks_until_ms
    if len(told.met) != len(own.met):
        talks_until_ms = now.boot_ms + state.house.rules.talk_ms if len(told.met) > len(own.met) else None
    own = replace(own, met=told.met, untold=told.untold, talks_until_ms=talks_until_ms)
    return _with_visit(state, own), (NoteMet(own.id, own.met, own.untold),)


def _close(state: DoorState, visit: Visit, why: Ending) -> Step:
    state = replace(
        state,
        elsewhere=state.elsewhere.without((visit.id,)),
        visits={key: value for key, value in state.visits.items() if key != visit.id},
        here={key: value for key, value in state.here.items() if value != visit.id},
        asked={key: value for key, value in state.asked.items() if key != visit.id},
    )
    state, effects = _spooled(state, *spooling.expire_visit(state.spool, visit.id))
    effects = (CloseVisit(visit.id, why), *effects)
    if why is Ending.UNCONFIRMED or state.elsewhere.visit_of(visit.member.id) is not None:
        return state, effects  # they are here: another visit begins, or began at another door
    return _chain(state, effects, lambda s: _forget_rulings(s, visit.member.id))


def _forget_rulings(state: DoorState, member: MemberId) -> Step:
    """Forget what the host decided about somebody: it holds as long as both stay."""
    effects: tuple[Effect, ...] = ()
    for pair in state.rulings:
        if member in pair:
            state, more = _rule(state, pair, None)
            effects += more
    return state, effects


def _forget_rulings_of_nobody(state: DoorState) -> Step:
    """Forget what the host decided about two of whom neither is here; what holds at other doors the service names anew."""
    effects: tuple[Effect, ...] = ()
    here = state.here.keys() | state.elsewhere.here.keys()
    for pair in state.rulings:
        if here.isdisjoint(pair):
            state, more = _rule(state, pair, None)
            effects += more
    return state, effects


def _changed(state: DoorState, member: Member, now: Now) -> Step:
    """Speak of somebody who is here as their profile says now; who agrees to no introduction any more is let be."""
    effects: tuple[Effect, ...] = ()
    for visit in (state.visit_of(member.id), state.elsewhere.visit_of(member.id)):
        if visit is not None:
            state = _with_visit(state, replace(visit, member=member))
            state = replace(state, changed=frozenset(filter(state.visit, state.changed)) | {visit.id})
    name = member.called if member.consents.name else ""
    for visit in state.visits.values():
        met = tuple(replace(each, name=name) if each.member == member.id else each for each in visit.met)
        if met != visit.met:
            state = _with_visit(state, replace(visit, met=met))
            effects += (NoteMet(visit.id, met, visit.untold),)
    asked = state.here.get(member.id)
    if asked is None or asked not in state.asked or member.consents.introductions:
        return state, effects
    return _chain(state, effects, lambda s: _settle(s, asked, None, None, None, now))


def _removed(state: DoorState, member: MemberId, now: Now) -> Step:
    """Forget whom others have met, and what still waits at the printer for them or names them."""
    gone = [visit.id for visit in state.elsewhere.visits.values() if visit.member.id == member]
    state = replace(state, elsewhere=state.elsewhere.without(gone))
    state, effects = _spooled(state, *spooling.forget_member(state.spool, member))
    for visit in state.visits.values():
        met = tuple(each for each in visit.met if each.member == member)
        if met:
            left = _without(visit, *met)
            state, more = _unsay(_with_visit(state, left), left, now, badge=last_own(visit) in met)
            effects += (NoteMet(left.id, left.met, left.untold), *more)
    state, effects = _chain(state, effects, lambda s: _forget_rulings(s, member))
    return _chain(state, effects, lambda s: _spooled(s, *spooling.unsay(s.spool, None)))


def _unsay(state: DoorState, visit: Visit, now: Now, *, badge: bool) -> Step:
    """Let go of a visitor's slips that still wait, and have a waiting badge made anew without an introduction."""
    waits = any(
        job.visit == visit.id and job.badge is not None and job.badge.introduction is not None and job.state is JobState.QUEUED
        for job in state.spool.jobs.values()
    )
    state, effects = _spooled(state, *spooling.unsay(state.spool, visit.id, badges=badge and waits))
    if not badge or not waits:
        return state, effects
    state, job_id, process_id = _new_job_id(state)
    anew = compose(state.house, visit, None, None, Signal.NO_MATCH, now, turn=state.introductions, on=state.schedule.occasions)
    job = Job(job_id, visit.id, visit.member.id, anew, now, process_id)
    return _chain(state, effects, lambda s: _spooled(s, *spooling.queue(s.spool, job)))


def _prints(state: DoorState, kind: SlipKind) -> bool:
    """Tell whether the café wants such slips."""
    return state.house.prints and kind in state.house.template.slips


def _order(state: DoorState, slip: Slip, visit: Visit | None, now: Now) -> Step:
    """Order a slip, for a visitor or for whoever is there."""
    state, job_id, process_id = _new_job_id(state)
    visit_id, member = (VisitId(""), MemberId("")) if visit is None else (visit.id, visit.member.id)
    job = Job(job_id, visit_id, member, None, now, process_id, slip=slip)
    return _spooled(state, *spooling.queue(state.spool, job))


def _tell_on_paper(state: DoorState, notices: Sequence[TellStaff], now: Now) -> Step:
    return _fault_slip(state, notices, now) if _prints(state, SlipKind.FAULT) else (state, ())


def _fault_slip(state: DoorState, notices: Sequence[TellStaff], now: Now, *, anew: bool = False) -> Step:
    """Order a fault slip, or put the notices on the one that still waits, so that there is never a pile of them.

    `anew` takes the old ones off: these are all there are.
    """
    for job in state.spool.jobs.values():
        if job.slip is not None and job.kind is SlipKind.FAULT and job.state is JobState.QUEUED:
            slip = slips.fault(state.house, () if anew else job.slip.lines, notices, now)
            return _spooled(state, *spooling.queue(state.spool, replace(job, slip=slip)))
    return _order(state, slips.fault(state.house, (), notices, now), None, now)


def _desk_slip(state: DoorState, event: DeskSlipAsked, now: Now) -> Step:
    """Order the desk's slip in place of one that still waits; one that is on its way to paper is enough."""
    own = [job for job in state.spool.jobs.values() if job.kind is SlipKind.DESK]
    if any(job.state is not JobState.QUEUED for job in own):
        return state, ()
    state, effects = _spooled(state, *spooling.let_go(state.spool, own))
    slip = slips.desk(state.house, event.addresses, event.fingerprint, now)
    return _chain(state, effects, lambda s: _order(s, slip, None, now))


def _enrol(state: DoorState, event: EnrolmentAsked, now: Now) -> Step:
    enrolling = Enrolling(event.member, event.ticket, now.boot_ms + state.house.rules.enrol_ms)
    before = () if state.enrolling is None else (EndEnrolment(state.enrolling.ticket, Enrolment.REPLACED),)
    return replace(state, enrolling=enrolling), before


def _enrolled(state: DoorState, enrolling: Enrolling, event: CardTapped) -> Step:
    """Bind the tapped card to the member that staff chose, unless it is blocked or somebody else's."""
    state = replace(state, enrolling=None)
    if event.blocked:
        answer = _answer(state, event.reader, Signal.BLOCKED_CARD)
        return state, (EndEnrolment(enrolling.ticket, Enrolment.BLOCKED), answer)
    if event.member is not None and event.member.id != enrolling.member:
        answer = _answer(state, event.reader, Signal.BLOCKED_CARD)
        return state, (EndEnrolment(enrolling.ticket, Enrolment.TAKEN), answer)
    return state, (
        BindCard(event.card, enrolling.member),
        EndEnrolment(enrolling.ticket, Enrolment.DONE),
        _answer(state, event.reader, Signal.ENROLLED),
    )


def _printed(state: DoorState, event: JobPrinted) -> Step:
    """End a job well; who has the slip of their group in hand is told of it."""
    job = state.spool.at_printer(event.job, JobState.SENT)
    visit = None if job is None or job.kind is not SlipKind.GROUP else state.visits.get(job.visit)
    step = _spooled(state, *spooling.printed(state.spool, event.job))
    if visit is None or not visit.untold or any(met.way is not Way.GROUP for met in untold(visit)):
        return step
    state, effects = step
    return _with_visit(state, replace(visit, untold=0)), (*effects, NoteMet(visit.id, visit.met))


def _broken(state: DoorState, event: JobBroken) -> Step:
    """End a job badly; a copy comes only for somebody who is here and has no later badge, or whose follow-up slip it is."""
    state, copy, process = _new_job_id(state)
    job = state.spool.jobs.get(event.job)
    wanted = job is not None and bool(job.member) and (job.badge is None or _is_wanted(state, job))
    return _spooled(
        state,
        *spooling.broken(state.spool, event.job, event.cause, told=event.told, wanted=wanted, copy_id=copy, process_id=process),
    )


def _is_wanted(state: DoorState, job: Job) -> bool:
    """Tell whether a badge still says what holds: its visitor is here, and gets no other one."""
    visit, asked = state.visits.get(job.visit), state.asked.get(job.visit)
    if visit is None or not visit.confirmed or (asked is not None and asked.badge):
        return False
    return all(other.visit != job.visit or other.badge is None or other.id == job.id for other in state.spool.jobs.values())


def _judged(state: DoorState, event: JobJudged, now: Now) -> Step:
    """Believe staff: the badge came out, or it did not and is printed anew as a copy, if its visitor is still here."""
    job = event.job
    if job.state is not JobState.UNKNOWN or job.badge is None:
        return state, ()
    if event.printed:
        return state, (SetJob(job.id, JobState.CONFIRMED, job.cause),)
    failed = SetJob(job.id, JobState.FAILED, job.cause)
    if event.replaced or not _is_wanted(state, job):
        return state, (failed,)
    state, copy_id, process_id = _new_job_id(state)
    # It was ordered now: an answer takes staff longer than a badge stays fresh.
    copy = replace(spooling.copy_of(job, copy_id, process_id), queued=now)
    state, effects = _spooled(state, *spooling.queue(state.spool, copy))
    return state, (failed, *effects)


def _reprinted(state: DoorState, event: JobReprinted, now: Now) -> Step:
    """Order a badge once more, marked as a copy, where that can be."""
    if event.replaced or not may_reprint(state, event.job):
        return state, ()
    state, copy_id, process_id = _new_job_id(state)
    agreed = replace(event.job, badge=_as_agreed(state, event.job, now))
    copy = replace(spooling.copy_of(agreed, copy_id, process_id), queued=now)
    return _spooled(state, *spooling.queue(state.spool, copy))


def _as_agreed(state: DoorState, job: Job, now: Now) -> Badge | None:
    """Return a badge with what its visitor agrees to now; consents may have changed since it was printed.

    Whom to meet stays on it while the partner is here and nothing of theirs has changed, as far as this start can know.
    """
    visit, badge = state.visits.get(job.visit), job.badge
    if visit is None or badge is None:
        return badge
    own = compose(state.house, visit, None, None, None, now, on=state.schedule.occasions)
    if badge.introduction is None:
        return replace(own, notice=badge.notice, starter=badge.starter)
    last = last_own(visit)
    partner = None if last is None else state.visit_of(last.member) or state.elsewhere.visit_of(last.member)
    is_of_this_start = job.process_id >> 20 == state.starts & 0xFFF
    if partner is None or partner.id in state.changed or not is_of_this_start or not visit.member.consents.introductions:
        return own
    return replace(own, introduction=badge.introduction, notice=badge.notice, starter=badge.starter, until=badge.until)


def may_reprint(state: DoorState, job: Job) -> bool:
    """Tell whether a copy of a badge may be printed: it is over, no question about it is open, and its visitor is here.

    It must be the latest badge of its visit, which the ledger knows.
    """
    asked_about = job.state is JobState.UNKNOWN and job.cause is not Cause.CANNOT_TELL
    return job.badge is not None and job.state.ended and not asked_about and _is_wanted(state, job)


def _new_job_id(state: DoorState) -> tuple[DoorState, JobId, int]:
    """Return an id for a job, and the number by which the printer knows it: the start's and the job's, in 32 bits."""
    serial = state.serial + 1
    process_id = (state.starts & 0xFFF) << 20 | serial & 0xFFFFF
    return replace(state, serial=serial), JobId(f"{state.house.prefix}-{serial}"), process_id


def _with_visit(state: DoorState, visit: Visit) -> DoorState:
    if visit.id in state.elsewhere.visits:
        return replace(state, elsewhere=state.elsewhere.having(visit))
    here = state.here
    if here.get(visit.member.id) != visit.id:
        here = {**here, visit.member.id: visit.id}
    return replace(state, visits={**state.visits, visit.id: visit}, here=here)


def _age(visit: Visit, now: Now) -> int:
    """Return how long ago the check-in was, in milliseconds; of one in an earlier boot, at least the time since the boot."""
    opened = visit.opened
    # No duration is worked out from the wall clock, which may have been set in between.
    return now.boot_ms - opened.boot_ms if opened.boot_id == now.boot_id else now.boot_ms


def _light(state: DoorState, zone: ZoneId | None) -> tuple[Effect, ...]:
    """Light a zone; one that the café gave up since the check-in has no light."""
    return () if zone is None or state.house.zone(zone) is None else (LightZone(zone, state.house.rules.light_ms),)


def _answer(
    state: DoorState, reader: str | None, signal: Signal, visit: Visit | None = None, words: str | None = None, **parts: str
) -> Answer:
    """Say it in the visitor's language, in the café's to a stranger; the name only if that was agreed to.

    `words` is the sentence's key where it is not the signal's own, `parts` what else that sentence says.
    """
    house, texts = state.house, state.house.texts
    language = house.language if visit is None else visit.member.language
    zone = None if visit is None else house.zone(visit.zone)
    named = visit is not None and visit.member.consents.name
    greeting = texts.say(language, "answer.greeting", name=visit.member.called) if visit is not None and named else ""
    where = (
        ""
        if zone is None
        else texts.say(
            language,
            "answer.where",
            zone=zone.name,
            symbol=texts.say(language, f"symbol.{zone.symbol}"),
            colour=texts.say(language, f"colour.{zone.colour}"),
        )
    )
    sentence = texts.say(language, words or f"answer.{signal}", where=where, **parts).rstrip()
    words = " ".join(part for part in (greeting, sentence) if part)
    return Answer(reader, signal, language, words, None if visit is None else visit.id)


def _spooled(state: DoorState, spool: Spool, effects: tuple[Effect, ...]) -> Step:
    return replace(state, spool=spool), effects


def _chain(state: DoorState, effects: tuple[Effect, ...], then: Then) -> Step:
    """Go on with another rule and gather what both want done."""
    state, more = then(state)
    return state, effects + more
