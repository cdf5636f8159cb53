"""What no history may do: taps, answers, printer troubles, pulled plugs and nonsense, in any order."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import msgpack
from msgspec.structs import replace

from kiosk.badge import SlipKind
from kiosk.door import DoorState, next_deadline, step
from kiosk.effects import (
    DURABLE,
    Answer,
    CloseVisit,
    ConfirmVisit,
    Effect,
    FindMatch,
    NoteMet,
    Notice,
    OpenVisit,
    OweMatch,
    QueueBadge,
    SendJob,
    SetJob,
    SetMood,
    SetRuling,
    SettleGroup,
    SettleMatch,
    TellStaff,
    UndoMatch,
)
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
    MemberCheckedIn,
    MemberLeft,
    MemberRemoved,
    MoodChosen,
    MoodPressed,
    MoodTakenBack,
    NoticesAsked,
    PairRuled,
    PhoneTapped,
    PrinterChanged,
    Started,
    TimePassed,
)
from kiosk.house import Rules
from kiosk.jobs import Job, JobState
from kiosk.values import (
    CardId,
    Cause,
    Gathering,
    Introduction,
    JobId,
    Member,
    MemberId,
    Mood,
    Now,
    Pair,
    Reason,
    ReasonKind,
    Ruling,
    Visit,
    VisitId,
    WallTime,
    Way,
    ZoneId,
)
from tests.kiosk.matching.people import TABLE
from tests.kiosk.rig import ALONE, BACK, DOOR, HOUSE, MAEVE, SIGRID, card_of

SHORT = Rules(
    double_tap_ms=3_000,
    checkout_after_ms=20_000,
    badge_fresh_ms=30_000,
    max_stay_ms=7_200_000,
    match_deadline_ms=800,
    enrol_ms=10_000,
    ask_staff_every_ms=10_000,
)
PEOPLE = (SIGRID, MAEVE, replace(SIGRID, id=MemberId("tuva"), quiet=True), ALONE)

ALLOWED = {
    None: {JobState.QUEUED},
    JobState.QUEUED: {JobState.SENDING, JobState.EXPIRED, JobState.FAILED},
    JobState.SENDING: {JobState.SENT, JobState.FAILED, JobState.UNKNOWN},
    JobState.SENT: {JobState.CONFIRMED, JobState.FAILED, JobState.UNKNOWN},
    JobState.UNKNOWN: {JobState.CONFIRMED, JobState.FAILED},
    JobState.CONFIRMED: set(),
    JobState.FAILED: set(),
    JobState.EXPIRED: set(),
}
"""What may become of a job."""


class Book:
    """A ledger of the plainest kind: it keeps what durable effects say, and knows what a restart would find."""

    def __init__(self) -> None:
        self.visits: dict[VisitId, Visit] = {}
        self.owed: dict[VisitId, None] = {}
        self.jobs: dict[JobId, Job] = {}
        self.serial = self.number = 0
        self.starts = self.introductions = 0
        self.ids: set[str] = set()
        self.rulings: dict[Pair, Ruling] = {}
        self.settled: Counter[VisitId] = Counter()
        self.closed: Counter[VisitId] = Counter()
        self.seated: Counter[VisitId] = Counter()
        self.unmarked: Counter[tuple[VisitId, SlipKind | None]] = Counter()

    def store(self, effects: list[Any], serial: int) -> None:
        for effect in effects:
            self._store(effect)
        self.serial = serial

    def _store(self, effect: Effect) -> None:
        match effect:
            case OpenVisit(visit):
                self._take_id(visit.id)
                assert visit.member.id not in {other.member.id for other in self.visits.values()}
                self.visits[visit.id] = visit
                self.owed[visit.id] = None
                self.number = visit.number
            case CloseVisit(visit=visit_id):
                self.closed[visit_id] += 1
                del self.visits[visit_id]
                self.owed.pop(visit_id, None)
            case ConfirmVisit(visit_id, confirmed):
                self.visits[visit_id] = replace(self.visits[visit_id], confirmed=confirmed)
            case SettleMatch(visit_id, found, zone, member, partner, talks_until_ms):
                self.settled[visit_id] += 1
                del self.owed[visit_id]
                visit = self.visits[visit_id]
                assert visit.member.id == member
                introduced = visit.introduced + (found is not None)
                self.visits[visit_id] = replace(visit, zone=zone, introduced=introduced, talks_until_ms=talks_until_ms)
                if found is not None:
                    other = self.visits[found.partner]
                    assert other.member.id == partner
                    approached = other.approached + 1
                    self.visits[other.id] = replace(other, approached=approached, talks_until_ms=talks_until_ms)
                    self.introductions += 1
            case OweMatch(visit_id):
                assert visit_id not in self.owed
                self.owed[visit_id] = None
                self.visits[visit_id] = replace(self.visits[visit_id], talks_until_ms=None)
            case UndoMatch(visit_id, partner_id):
                visit = self.visits[visit_id]
                self.visits[visit_id] = replace(visit, introduced=visit.introduced - 1, talks_until_ms=None)
                if partner_id:
                    other = self.visits[partner_id]
                    self.visits[partner_id] = replace(other, approached=other.approached - 1, talks_until_ms=None)
            case SettleGroup(visits, zone, talks_until_ms, _):
                for visit_id in visits:
                    visit = self.visits[visit_id]
                    assert visit.mood is Mood.GROUP
                    seated = replace(visit, introduced=visit.introduced + 1, zone=zone, talks_until_ms=talks_until_ms)
                    self.visits[visit_id] = seated
                    self.seated[visit_id] += 1
            case NoteMet(visit_id, met, untold):
                self.visits[visit_id] = replace(self.visits[visit_id], met=met, untold=untold)
            case SetMood(visit_id, mood):
                self.visits[visit_id] = replace(self.visits[visit_id], mood=mood)
            case SetRuling(pair, None):
                del self.rulings[pair]
            case SetRuling(pair, ruling) if ruling is not None:
                self.rulings[pair] = ruling
            case QueueBadge(job) if job.id in self.jobs:
                assert job.kind is SlipKind.FAULT, "only a fault slip takes in more"
                assert self.jobs[job.id].state is JobState.QUEUED, "what was sent was changed"
                self.jobs[job.id] = job
            case QueueBadge(job):
                self._take_id(job.id)
                assert job.state in ALLOWED[None]
                if job.page.copy:
                    assert job.member, "a copy was ordered for somebody who was removed"
                if job.page.copy and job.badge is not None:
                    assert job.visit in self.visits, "a copy was ordered for somebody who has left"
                assert bool(job.visit) == (job.kind not in (SlipKind.ASK_STAFF, SlipKind.FAULT, SlipKind.DESK))
                if job.visit:
                    self.unmarked[job.visit, job.kind] += not job.page.copy
                    allowed = {None: self.settled[job.visit], SlipKind.GROUP: self.seated[job.visit], SlipKind.SENT: 99}
                    assert self.unmarked[job.visit, job.kind] <= allowed.get(job.kind, 1), "a page was printed twice unmarked"
                else:
                    assert not job.page.copy, "a slip for whoever is there was copied"
                self.jobs[job.id] = job
            case TellStaff(job=job_id) if job_id is not None:
                assert self.jobs[job_id].badge is not None, "staff was told of a slip"
            case SetJob(job_id, state, cause):
                before = self.jobs[job_id]
                assert state in ALLOWED[before.state], f"{before.state} became {state}"
                if (before.state, state) == (JobState.QUEUED, JobState.FAILED):
                    assert cause is Cause.UNPRINTABLE
                if state is JobState.EXPIRED and before.visit:  # not a byte of it was sent
                    self.unmarked[before.visit, before.kind] -= not before.page.copy
                self.jobs[job_id] = replace(before, state=state, cause=cause)
            case _:
                pass

    def remove(self, member: MemberId) -> None:
        """What is on its way to paper is nobody's, once its member is removed."""
        for job in self.jobs.values():
            if job.member == member and job.state in (JobState.SENDING, JobState.SENT):
                self.jobs[job.id] = replace(job, member=MemberId(""))

    def _take_id(self, new: str) -> None:
        assert new not in self.ids, f"{new} was given twice"
        self.ids.add(new)

    def started(self) -> Started:
        self.starts += 1
        return Started(
            visits=tuple(self.visits.values()),
            owed=tuple(self.owed),
            jobs=tuple(job for job in self.jobs.values() if not job.state.ended),
            serial=self.serial,
            number=self.number,
            starts=self.starts,
            introductions=self.introductions,
            rulings=tuple(self.rulings.items()),
        )

    def morning_after(self) -> None:
        """Conversations of another boot are over."""
        self.visits = {key: replace(visit, talks_until_ms=None) for key, visit in self.visits.items()}


people = st.sampled_from(PEOPLE)
ids = people.map(lambda each: each.id)
readers = st.sampled_from([DOOR, BACK])
rarely = st.sampled_from([False, False, False, True])
GONE = ZoneId("gone")
causes = st.sampled_from(list(Cause))


class History(RuleBasedStateMachine):
    """The terminal's loop with nothing behind it but a `Book`: commit, then take over the state, then act."""

    def __init__(self) -> None:
        super().__init__()
        self.boots = 1
        self.ms = 1_000
        self.utc_ms = 20_000 * 86_400_000 + 18 * 3_600_000
        self.trusted = False
        self.book = Book()
        self.state = DoorState(house=replace(HOUSE, rules=SHORT))
        self.sent: Counter[JobId] = Counter()
        self.questions: list[tuple[VisitId, int]] = []
        self.storing_fails = False
        self.asked_staff_ms: list[int] = []

    @property
    def now(self) -> Now:
        day, rest = divmod(self.utc_ms, 86_400_000)
        return Now(f"boot {self.boots}", self.ms, WallTime(self.utc_ms, day, rest // 60_000) if self.trusted else None)

    def happen(self, event: Event) -> tuple[Effect, ...]:
        state, now = self.state, self.now
        before = msgpack.encode(_plain(state))
        after, effects = step(state, event, now)
        assert msgpack.encode(_plain(state)) == before, "the old state was changed in place"
        assert step(state, event, now) == (after, effects)
        durable = [effect for effect in effects if isinstance(effect, DURABLE)]
        if durable and self.storing_fails:
            return self.go_on_from_the_book(event)
        if durable:
            self.book.store(durable, after.serial)
        self.state = after
        for effect in effects:
            if isinstance(effect, SendJob):
                self.sent[effect.job.id] += 1
                assert self.sent[effect.job.id] == 1, "the bytes of a job were sent twice"
                assert self.book.jobs[effect.job.id].state is JobState.SENDING
                fault = effect.job.kind is SlipKind.FAULT
                assert fault or effect.job.queued.boot_id == now.boot_id, "a page of another boot was printed"
            if isinstance(effect, QueueBadge) and effect.job.kind is SlipKind.ASK_STAFF:
                self.asked_staff_ms.append(self.ms)
            if isinstance(effect, FindMatch):
                assert effect.visit in after.visits, "matching is asked about somebody who is not here"
                assert effect.visit in after.asked
                self.questions.append((effect.visit, after.asked[effect.visit].number))
        return effects

    def go_on_from_the_book(self, event: Event) -> tuple[Effect, ...]:
        """Nothing was stored, so nothing is done; what was stored before is read again."""
        self.storing_fails = False
        effects = self.happen(CommitFailed(getattr(event, "reader", None)))
        state = self.state
        self.state = DoorState(
            house=state.house,
            recent=state.recent,
            choices=state.choices,
            enrolling=state.enrolling,
            asked_staff_ms=state.asked_staff_ms,
        )
        self.happen(self.book.started())
        return effects

    @initialize()
    def start(self) -> None:
        self.happen(self.book.started())
        self.happen(PrinterChanged(None))

    # Time and power

    @rule(ms=st.sampled_from([1, 1, 900, 3_500, 3_500, 21_000, 31_000, 3_600_000]), known=rarely)
    def time_goes_by(self, ms: int, known: bool) -> None:
        self.ms += ms
        self.utc_ms += ms
        self.trusted = self.trusted or known
        self.deadlines_are_looked_at()

    @rule(ms=st.integers(0, 1_000))
    def a_moment_goes_by_unnoticed(self, ms: int) -> None:
        self.ms += ms
        self.utc_ms += ms

    def deadlines_are_looked_at(self) -> None:
        if self.storing_fails:
            self.happen(TimePassed())
        self.happen(TimePassed())
        due = next_deadline(self.state)
        assert due is None or due > self.ms, "a deadline that has passed is still waited for"

    @rule(
        how=st.sampled_from(["storing fails", "in the same life", "restart", "plug"]),
        trusted=st.booleans(),
        prints=st.booleans(),
    )
    def the_terminal_begins_again(self, how: str, trusted: bool, prints: bool) -> None:
        if how == "storing fails":
            self.storing_fails = True
            return
        if how == "plug":
            self.boots += 1
            self.ms, self.utc_ms, self.trusted = 700, self.utc_ms + 3_600_000, trusted
            self.book.morning_after()
        if how != "in the same life":
            self.state, self.asked_staff_ms = DoorState(house=self.state.house), []
        self.happen(self.book.started())
        if prints:
            self.happen(PrinterChanged(None))

    # The door

    @rule(visitors=st.lists(people, min_size=1, max_size=3), reader=readers)
    def visitors_come(self, visitors: list[Member], reader: str) -> None:
        for someone in visitors:
            self.a_card_is_tapped(someone, reader, lying=False, blocked=False)

    @rule(someone=people, reader=readers, lying=rarely, blocked=rarely)
    def a_card_is_tapped(self, someone: Member, reader: str, lying: bool, blocked: bool) -> None:
        card = card_of(someone)
        again = any(
            recent.card == card and (self.ms - recent.boot_ms < SHORT.double_tap_ms or (lying and on == reader))
            for on, recent in self.state.recent.items()
        )
        chosen, before = self.state.choices, set(self.state.visits)
        effects = self.happen(CardTapped(reader, card, someone, blocked=blocked, lying=lying))
        taken = chosen.keys() - self.state.choices.keys()
        assert taken in (set(), {reader}, {None})
        if again and taken:
            # What they pressed in between is noted; it is still one tap: nobody came or went by it.
            assert set(self.state.visits) == before
            again = False
        answers = [effect for effect in effects if isinstance(effect, Answer)]
        # Who comes in and wants a group is welcomed, and told at once that they wait for one.
        waits = any(isinstance(effect, OpenVisit) and effect.visit.mood is Mood.GROUP for effect in effects)
        waits = waits and someone.consents.introductions
        assert [answer.reader for answer in answers] == ([] if again else [reader, reader] if waits else [reader])

    @rule(
        event=st.one_of(
            st.builds(PhoneTapped, readers),
            st.builds(CardTorn, readers),
            st.builds(CommitFailed, readers),
            st.builds(CardTapped, readers, st.integers().map(lambda each: CardId(f"stranger {each}"))),
        )
    )
    def something_else_is_held_to_a_reader(self, event: PhoneTapped | CardTorn | CommitFailed | CardTapped) -> None:
        again = isinstance(event, CardTapped) and event.card in {recent.card for recent in self.state.recent.values()}
        effects = self.happen(event)
        answers = [effect.reader for effect in effects if isinstance(effect, Answer)]
        assert answers == [event.reader] or (again and not answers)

    @rule(
        event=st.one_of(
            st.builds(MemberCheckedIn, people),
            st.builds(MemberLeft, people.map(lambda each: each.id)),
            st.builds(MemberRemoved, people.map(lambda each: each.id)),
            st.builds(NoticesAsked, st.just((TellStaff(Notice.UNKNOWN_CARD),))),
            st.just(DeskSlipAsked(("https://kafe.local:8443/desk",), "AB:CD:EF:01:23:45:67:89")),
            st.builds(EnrolmentAsked, people.map(lambda each: each.id), st.integers(1, 3)),
            st.builds(EnrolmentDropped, st.integers(1, 3)),
            st.just(CommitFailed(None)),
        )
    )
    def staff_does_something(self, event: Event) -> None:
        if isinstance(event, MemberRemoved):
            self.book.remove(event.member)
        self.happen(event)

    # The host, and what visitors want

    @rule(
        event=st.one_of(
            st.builds(MoodChosen, ids, st.sampled_from(list(Mood)), st.sampled_from([None, DOOR])),
            st.builds(MoodPressed, st.sampled_from(list(Mood)), st.none() | readers, st.none(), st.booleans()),
            st.builds(MoodTakenBack, st.none() | readers),
            st.builds(PairRuled, ids, ids, st.sampled_from([None, *Ruling])),
            st.builds(MatchSwapped, ids),
            st.just(GroupAsked()),
            st.just(GroupFailed()),
        )
    )
    def the_host_decides(self, event: Event) -> None:
        self.happen(event)

    @rule(chosen=st.lists(st.integers(0, 4), min_size=1, max_size=4, unique=True), zone=st.sampled_from([TABLE.id, GONE]))
    def groups_are_formed(self, chosen: list[int], zone: ZoneId) -> None:
        """Of anybody, whatever was asked."""
        everybody = (*self.state.visits, VisitId("t1-x-never"))
        people = tuple(dict.fromkeys(everybody[place % len(everybody)] for place in chosen))
        self.happen(GroupFormed((Gathering(zone, ((people,), (people[:1], people[1:]) if people[1:] else (people,))),)))

    # Matching: due, late, doubled or made up

    @precondition(lambda self: self.questions)
    @rule(
        back=st.sampled_from([0, 0, 0, 1, 2]),
        fails=rarely,
        partner=st.integers(0, 4),
        zone=st.sampled_from([None, TABLE.id, GONE]),
    )
    def matching_answers(self, back: int, fails: bool, partner: int, zone: ZoneId | None) -> None:
        visit, number = self.questions[-1 - back % len(self.questions)]
        if fails:
            self.happen(MatchFailed(visit, number))
            return
        # Nobody is introduced to themselves: that is matching's own gate.
        others = [each for each in (*self.state.visits, VisitId("t1-x-never")) if each != visit]
        found = Introduction(visit, others[partner % len(others)], Reason(ReasonKind.OPEN), TABLE.id, 500)
        self.happen(MatchAnswered(visit, found if partner else None, zone, number))

    # The printer: due, late, doubled or made up

    @rule(cause=st.sampled_from([None, None, None, Cause.PAPER_OUT]), low=st.booleans())
    def the_printer_changes(self, cause: Cause | None, low: bool) -> None:
        self.happen(PrinterChanged(cause, low))

    @precondition(lambda self: self.state.spool.current)
    @rule(steps=st.integers(1, 7), breaks=rarely, cause=causes, told=st.booleans())
    def the_printer_goes_on(self, steps: int, breaks: bool, cause: Cause, told: bool) -> None:
        """Carry the badge at the printer on, and perhaps break it in the end."""
        for left in reversed(range(steps)):
            job = self.state.spool.current
            if job is None:
                return
            match self.state.spool.jobs[job].state:
                case JobState.QUEUED:
                    self.happen(JobRefused(job, cause) if breaks and not left else JobReady(job))
                case _ if breaks and not left:
                    self.happen(JobBroken(job, cause, told))
                case JobState.SENDING:
                    self.happen(JobSent(job, 415))
                case _:
                    self.happen(JobPrinted(job))

    @precondition(lambda self: self.book.jobs)
    @rule(which=st.integers(0, 9), kind=st.integers(0, 7), cause=causes, yes=st.booleans())
    def somebody_speaks_of_a_job_of_before(self, which: int, kind: int, cause: Cause, yes: bool) -> None:
        """Late, doubled and made-up replies, and staff's answer about any badge."""
        jobs = list(self.book.jobs.values())
        job = jobs[-1 - which % len(jobs)]
        replies: tuple[Event, ...] = (
            JobReady(job.id),
            JobRefused(job.id, cause),
            JobUnprintable(job.id),
            JobSent(job.id, 1),
            JobPrinted(job.id),
            JobBroken(job.id, cause, yes),
            JobJudged(job, yes),
            JobReprinted(job, yes),
        )
        self.happen(replies[kind])

    # What holds after every step

    @invariant()
    def nobody_is_here_twice(self) -> None:
        state = self.state
        assert state.here == {visit.member.id: visit.id for visit in state.visits.values()}
        assert len(state.here) == len(state.visits)

    @invariant()
    def what_a_restart_would_find_is_what_there_is(self) -> None:
        assert self.book.visits == dict(self.state.visits)
        assert self.book.rulings == dict(self.state.rulings)
        assert list(self.book.owed) == list(self.state.asked)
        open_jobs = [job for job in self.book.jobs.values() if not job.state.ended]
        assert open_jobs == list(self.state.spool.jobs.values())

    @invariant()
    def a_free_and_able_printer_leaves_no_badge_waiting(self) -> None:
        spool = self.state.spool
        assert spool.cause is not None or spool.current is not None or not spool.jobs
        under_way = [job.id for job in spool.jobs.values() if job.state is not JobState.QUEUED]
        assert under_way in ([], [spool.current])

    @invariant()
    def slips_for_whoever_is_there_do_not_pile_up(self) -> None:
        jobs = self.state.spool.jobs.values()
        assert sum(job.kind is SlipKind.ASK_STAFF for job in jobs) <= 1
        assert sum(job.kind is SlipKind.FAULT and job.state is JobState.QUEUED for job in jobs) <= 1
        assert sum(job.kind is SlipKind.DESK for job in jobs) <= 1

    @invariant()
    def one_choice_waits_at_each_reader_and_one_at_none(self) -> None:
        assert self.state.choices.keys() <= {DOOR, BACK, None}

    @invariant()
    def cards_that_do_not_work_do_not_empty_the_roll(self) -> None:
        slips = self.asked_staff_ms
        assert all(late - early >= SHORT.ask_staff_every_ms for early, late in pairwise(slips))

    @invariant()
    def introductions_are_counted_and_each_is_known_to_both(self) -> None:
        assert self.state.introductions == self.book.introductions
        for visit in self.state.visits.values():
            assert visit.introduced >= 0
            assert visit.approached >= 0
            assert visit.untold <= sum(each.way is not Way.OWN for each in visit.met)
            assert visit.member.id not in {each.member for each in visit.met}

    @invariant()
    def nobody_is_settled_or_closed_twice(self) -> None:
        assert all(count == 1 for count in self.book.closed.values())

    @invariant()
    def nobody_sits_in_a_zone_unless_they_are_known_to_be_here(self) -> None:
        sure = [visit for visit in self.state.visits.values() if visit.confirmed and visit.zone is not None]
        assert sum(self.state.occupancy().values()) == len(sure)

    def teardown(self) -> None:
        """When time goes by, nothing stays owed: every visit was settled or closed, and ends."""
        if not self.book.starts:
            return
        self.storing_fails = False
        self.time_goes_by(SHORT.match_deadline_ms, known=False)
        assert not self.book.owed
        self.time_goes_by(SHORT.max_stay_ms, known=False)
        assert not self.state.visits
        waiting = [job.kind for job in self.state.spool.jobs.values() if job.state is JobState.QUEUED]
        assert waiting in ([], [SlipKind.FAULT])
        assert set(self.book.closed) >= set(self.book.settled)


def _plain(state: DoorState) -> DoorState:
    """Return the state without the house, which holds no plain values."""
    return replace(state, house=None)


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=80, stateful_step_count=60, deadline=None)
