"""The terminal's side of the shared matching service. All of it runs in the loop's thread, and nothing of it waits."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from drivers.errors import DeviceRefused
from drivers.matching.wire import HostRuled, Presence, PresencePage, VisitOpened, ZonesSet
from firmware_py.clock import Clock
from firmware_py.ledger import Ledger, LedgerError
from firmware_py.matching.calls import (
    ASK,
    JOURNAL,
    LANES,
    NEWS,
    Answered,
    Call,
    Delivered,
    Heard,
    Listen,
    News,
    Pull,
    Pulled,
    ServiceServant,
)
from firmware_py.matching.copy import RosterCopy
from firmware_py.matching.decide import Decider
from firmware_py.matching.embedded import Question
from firmware_py.matching.journal import Outbox, presence, reports
from firmware_py.terminal.supervise import Health, Supervisor
from firmware_py.wiring import Wiring
from kiosk.door import DoorState
from kiosk.effects import Durable, Notice, TellStaff
from kiosk.elsewhere import as_told, came
from kiosk.events import Event, MatchAnswered, MemberLeft, MemberRemoved, PresenceHeard
from kiosk.matching.profiles import Present, profile
from kiosk.matching.reasons import reason
from kiosk.values import MemberId, Met, Now, Pair, Ruling, Visit, VisitId, WallTime, Way, pair_of

log = logging.getLogger("fikatap")

PULL_EVERY_MS = 30_000
"""How often the service is asked what changed on the roster."""
PULL_AGAIN_MS = 1_000
"""How soon at the earliest it is asked when somebody is not known here who may be known there by now."""
ALONE_EVERY_MS = 60_000
"""How often a terminal that does not reach the service looks how long that is so."""
NOTE_EVERY_MS = 3_600_000
"""How often it writes that down."""
SLICE = 100
"""How many visits of other doors are taken in at once."""


class Shared:
    """Keeps three lanes to the service busy and takes in what they bring; methods raise `LedgerError`.

    `state` tells what the door knows, `take_event` lets it decide on an event and returns whether that could be stored,
    `engine` has a question answered here.
    """

    def __init__(
        self,
        wiring: Wiring,
        ledger: Ledger,
        clock: Clock,
        supervisor: Supervisor,
        *,
        state: Callable[[], DoorState],
        take_event: Callable[[Event], bool],
        engine: Callable[[Question], None],
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._state = state
        self._take_event = take_event
        self._zones = wiring.zones
        """What the service is still to be told of, once in each life."""
        self._door = wiring.config.ledger.terminal
        self._vocabulary = wiring.vocabulary
        self._outbox = Outbox(ledger)
        self._copy = RosterCopy(ledger, self._erase)
        self._decider = Decider(
            wiring.config.matching.deadline_ms,
            self._vocabulary,
            wiring.zones,
            ask=lambda ask: self._submit(ASK, ask),
            engine=engine,
            answer=self._answer,
            apart=lambda member: ledger.met(member) | ledger.blocked(member),
        )
        self._supervisor = supervisor
        self._under_way: set[str] = set()
        """The lanes that were given something and have not brought it back."""
        self._work: deque[Iterator[None]] = deque()
        """What is taken in slice by slice."""
        self._since = 0
        self._unsure = False
        """Visits of this door may have ended elsewhere, which nobody could tell while the service did not know of them; or
        another door had the last word on what the host decided here."""
        self._unknown: dict[VisitId, Presence] = {}
        """Visits of people who are not on the roster here, yet, or to whom such people were sent."""
        self._unruled: dict[Pair, Ruling | None] = {}
        """What the host decided about people of whom one is not on the roster here, yet."""
        self._just_ruled: set[Pair] = set()
        """About whom the host decided something here that was reported after the service had been asked for the next page."""
        self._meetings: list[tuple[MemberId, MemberId]] = []
        """Who met at other doors, and is not noted yet."""
        self._pull_at_ms = 0
        self._pulling = False
        self._pull_again = False
        """Whether the page of the roster that is under way may be too old for what was asked meanwhile."""
        self._is_spurned = False
        """Whether the last report was not taken, as far as is known."""
        self._told = False
        self._told_of_cards = False
        self._alone_since_ms = self._looked_ms = clock.now().boot_ms
        self._noted = False
        ledger.reports_cards = True

    # What the loop does

    def reports(self, event: Event, effects: Sequence[Durable], after: DoorState, now: Now) -> list[bytes]:
        """Return what is to be stored with an event, for the service to hear."""
        return reports(event, effects, after, self._door, self._ledger.key_id, now)

    def find(self, question: Question) -> None:
        """Have a question answered by the service or by the engine; what the host decided about is this door's own matter."""
        state, now, visit = self._state(), self._clock.now(), question.visit
        asked = state.asked[visit.id]
        if asked.only is not None or any(visit.member.id in pair for pair in state.rulings):
            self._decider.decline(question)
        else:
            self._decider.find(question, presence(visit, self._door, now), asked.by_ms, now.boot_ms)

    def take(self, news: News) -> None:
        """Take in what a lane brought."""
        match news:
            case Answered():
                self._under_way.discard(ASK)
                self._decider.answered(news, lambda visit: self._partner(visit, news))
            case Heard():
                self._work.append(self._heard(news))
            case Delivered(upto):
                self._under_way.discard(JOURNAL)
                self._is_spurned = False
                self._just_ruled |= self._outbox.ruled()
                self._outbox.delivered(upto)
            case Pulled():
                self._under_way.discard(JOURNAL)
                self._pulling = True
                self._work.append(self._pulled(news))
            case _:
                raise AssertionError(f"a lane brought what nobody asked for: {news!r}")
        self.carry_on()

    def came_up(self, lane: str) -> None:
        """Go on with a lane that can be used now."""
        self._under_way.discard(lane)
        self._ledger.settle(Notice.SERVICE_REFUSED)
        self._told = False
        self.carry_on()

    def went_down(self, lane: str) -> None:
        """Do without a lane until it is back; nothing is stored."""
        self._under_way.discard(lane)
        if lane == ASK:
            self._decider.give_up()

    def missed(self, lane: str) -> None:
        """Let what a lane brought go, while nothing can be stored: it is asked anew."""
        self._under_way.discard(lane)

    @property
    def next_ms(self) -> int | None:
        """The boot time at which `look` has something to do."""
        return self._decider.next_ms

    @property
    def is_busy(self) -> bool:
        """Whether `work` has something to do."""
        # Nobody is erased while a card is to become theirs.
        return bool(self._work) and self._state().enrolling is None

    def work(self) -> None:
        """Take in one slice of what the lanes brought."""
        try:
            next(self._work[0])
        except StopIteration:
            self._work.popleft()
            self.carry_on()
        except BaseException:
            # Whatever was not taken in is asked for anew.
            self._work.clear()
            self._under_way.discard(NEWS)
            self._pulling = False
            self._since = 0
            raise

    def look(self) -> None:
        """Meet the deadlines, and say what is wrong."""
        now = self._clock.now()
        self._decider.look(now.boot_ms)
        self.carry_on()
        if now.boot_ms - self._looked_ms >= ALONE_EVERY_MS:
            self._looked_ms = now.boot_ms
            self._count_alone(now)
        if not self._told:
            for lane in LANES:
                watched = self._supervisor.watched[lane]
                if watched.health is Health.DOWN and isinstance(watched.error, DeviceRefused):
                    self._told = True
                    self._ledger.tell(TellStaff(Notice.SERVICE_REFUSED, detail=str(watched.error)))
                    break

    def somebody_unknown(self) -> None:
        """Hear of a card that nobody has here: its member may have been enrolled at another door just now."""
        self._pull_soon()

    def carry_on(self) -> None:
        """Give each lane that waits what is to be done next."""
        now_ms = self._clock.now().boot_ms
        if self._is_free(JOURNAL):
            if self._zones:
                self._outbox.add(ZonesSet(zones=self._zones))
                self._zones = ()
                if self._copy.stand().version == 0:
                    self._ledger.report_blocks()  # the roster's take the place of those that staff made here before
            is_due = now_ms >= self._pull_at_ms and not self._pulling
            upload = self._outbox.next()
            # A service that takes no reports may still tell who is on the roster.
            if upload is not None and not (self._is_spurned and is_due):
                self._is_spurned = True
                self._submit(JOURNAL, upload)
            elif is_due:
                self._pull_again = False
                self._submit(JOURNAL, Pull(self._copy.stand().version))
        if self._is_free(NEWS):
            told_all = self._outbox.is_empty()
            if told_all and self._unsure:
                self._unsure, self._since = False, 0
            self._just_ruled.clear()
            self._submit(NEWS, Listen(self._since, frozenset(self._state().visits) if told_all else frozenset()))

    def hang_up(self) -> None:
        """Break off whatever waits for the service, at the terminal's end."""
        for lane in LANES:
            servant = self._supervisor.watched[lane].lane.servant
            if isinstance(servant, ServiceServant):
                servant.hang_up()

    # Lanes

    def _is_free(self, lane: str) -> bool:
        return self._supervisor.watched[lane].health is Health.UP and lane not in self._under_way

    def _submit(self, lane: str, call: Call) -> bool:
        if not self._is_free(lane):
            return False
        self._under_way.add(lane)
        self._supervisor.submit(lane, call)
        return True

    def _apply(self, event: Event) -> None:
        if not self._take_event(event):
            raise LedgerError("nothing can be stored")

    def _answer(self, answer: MatchAnswered) -> None:
        self._take_event(answer)

    # Who is at other doors

    def _heard(self, news: Heard) -> Iterator[None]:
        page, asked, now = news.page, news.asked, self._clock.now()
        mine, closed = self._state().visits, page.closed
        if page.whole:
            self._unknown.clear()
            named = {*(told.visit for told in page.open), *closed}
            if page.version < asked.since:
                missing = mine.keys() - named  # it lost what it knew
            else:
                missing = (mine.keys() & asked.known) - named
                self._unsure = bool(mine) and not asked.known
            # Only what it names has ended: a visit that it does not know of is one that it lost, and it is told again.
            self._outbox.add(*(VisitOpened(presence=presence(mine[each], self._door, now)) for each in missing))
        rulings = self._rulings(page, asked.since)
        for visit in closed:
            self._unknown.pop(visit, None)
        # A page of usual length is one event: who came, who was introduced, and what that ended belong together.
        starts = range(0, max(len(page.open), len(rulings), bool(closed) or page.whole), SLICE)
        for start in starts:
            visits, ruled = self._visits(page.open[start : start + SLICE]), rulings[start : start + SLICE]
            last = start == starts[-1]
            ended = closed if last else ()
            self._apply(PresenceHeard(open=visits, closed=ended, whole=page.whole and not start, rulings=ruled, more=not last))
            yield
        if self._unknown or self._unruled:
            self._pull_soon()
        self._since = page.version
        self._under_way.discard(NEWS)

    def _rulings(self, page: PresencePage, since: int) -> tuple[tuple[Pair, Ruling | None], ...]:
        """Return what the host decided as the door has it.

        What this door said of it stands as long as the service may not have known of that when it made the page; where the page
        says otherwise, all is asked for anew when the service has every report, as another door may have had the last word.
        What a whole page does not name is over, unless it is about somebody of this door: the service may not understand it.
        It is told again only where the service is an older copy of what it was, as it may also have forgotten what is over.
        """
        if not page.whole and not page.rulings:
            return ()
        state, own_words = self._state(), self._outbox.ruled() | self._just_ruled
        told = {pair_of(each.one, each.other): each.ruling for each in page.rulings}
        if page.whole:
            self._unruled.clear()
            unnamed = state.rulings.keys() - told.keys() - own_words
            own = {pair for pair in unnamed if not state.here.keys().isdisjoint(pair)}
            if page.version < since:
                self._outbox.add(*(HostRuled(one=pair[0], other=pair[1], ruling=state.rulings[pair]) for pair in sorted(own)))
            told |= dict.fromkeys(unnamed - own)
        self._unsure |= any(told[pair] is not state.rulings.get(pair) for pair in told.keys() & own_words)
        return self._known({pair: ruling for pair, ruling in told.items() if pair not in own_words})

    def _known(self, told: Mapping[Pair, Ruling | None]) -> tuple[tuple[Pair, Ruling | None], ...]:
        """Return what was decided about people who are on the roster here; the rest waits for them."""
        self._unruled |= told
        known = [pair for pair in told if all(self._ledger.member(each) is not None for each in pair)]
        rulings = tuple((pair, self._unruled.pop(pair)) for pair in known)
        self._unruled = {pair: ruling for pair, ruling in self._unruled.items() if ruling is not None}
        return rulings

    def _visits(self, told: Iterable[Presence]) -> tuple[Visit, ...]:
        told_all = self._outbox.is_empty()
        visits = tuple(visit for each in told if (visit := self._visit(each, told_all=told_all)) is not None)
        if self._meetings:
            # The roster tells of it too, but later, and not while the service is away.
            self._copy.note_met(self._meetings)
            self._meetings.clear()
        return visits

    def _visit(self, told: Presence, *, told_all: bool) -> Visit | None:
        """Return a visit as the door has it; None for one that has ended here, or of somebody who is not known yet."""
        state, now = self._state(), self._clock.now()
        own = state.visits.get(told.visit)
        if own is not None:
            return self._with_sent(own, told, told_all=told_all)
        if told.visit.startswith(f"{self._ledger.prefix}-"):
            return None
        before = state.elsewhere.visits.get(told.visit)
        member = self._ledger.member(told.member)
        if member is None:
            self._unknown[told.visit] = told
            return None
        visit = Visit(
            id=told.visit,
            number=told.number,
            member=member,
            opened=_opened(told, now, state.house.rules.max_stay_ms) if before is None else before.opened,
            zone=told.zone,
            confirmed=told.confirmed,
            approached=told.approached,
            introduced=told.introduced,
            lifetime_rate=told.lifetime_rate,
            met=() if before is None else before.met,
            mood=told.mood,
            talks_until_ms=now.boot_ms + told.talks_for_ms if told.talks_for_ms else None,
            untold=0 if before is None else before.untold,
        )
        return self._with_sent(visit, told, told_all=told_all)

    def _with_sent(self, visit: Visit, told: Presence, *, told_all: bool) -> Visit:
        """Return a visit with those who were sent to its visitor; what may be said of them is worked out here."""
        if told.sent is None:
            return replace(visit, approached=max(visit.approached, told.approached))
        known = {met.member: met for met in visit.met if met.way is Way.SENT}
        sent = []
        for each in told.sent:
            member = self._ledger.member(each.member)
            if each.member in known:
                sent.append(known[each.member])
            elif member is None:
                self._unknown[told.visit] = told
            else:
                sent.append(self._came(Visit(each.visit, each.number, member, visit.opened), visit))
                self._meetings.append((each.member, visit.member.id))
        heard = {each.member for each in told.sent if each.told}
        here = self._state().here
        return as_told(visit, told.approached, sent, heard, here.keys() if told_all else None)

    def _came(self, visitor: Visit, partner: Visit) -> Met:
        one, other = (Present(each, profile(each.member, self._vocabulary)) for each in (visitor, partner))
        return came(visitor, reason(one, other))

    def _partner(self, visit: VisitId, said: Answered) -> Visit | None:
        """Return a proposed partner; of one of whom this door has not heard, the proposal says how they are."""
        known = self._state().visit(visit)
        told = None if said.proposal is None else said.proposal.partner
        if known is not None or told is None or told.visit != visit:
            return known
        found = self._visit(told, told_all=False)
        if found is not None:
            self._apply(PresenceHeard(open=(found,)))
        return found

    # The roster

    def _pulled(self, news: Pulled) -> Iterator[None]:
        yield from self._copy.take(news.since, news.page)
        self._pulling = False
        now = self._clock.now()
        if news.page.more:
            self._pull_at_ms = now.boot_ms
            return
        self._pull_at_ms = now.boot_ms + (PULL_AGAIN_MS if self._pull_again else PULL_EVERY_MS)
        if not self._noted or now.boot_ms - self._alone_since_ms >= NOTE_EVERY_MS:
            self._copy.reached(now)
            self._noted = True
            self._alone_since_ms = now.boot_ms
        self._looked_ms = now.boot_ms
        if self._copy.has_foreign_cards and not self._told_of_cards:
            self._told_of_cards = True
            self._ledger.settle(Notice.FOREIGN_CARDS)  # of an earlier start
            self._ledger.tell(TellStaff(Notice.FOREIGN_CARDS))
        waiting, self._unknown = list(self._unknown.values()), {}
        if found := self._visits(waiting):
            self._apply(PresenceHeard(open=found))
        if rulings := self._known(self._unruled):
            self._apply(PresenceHeard(rulings=rulings))

    def _pull_soon(self) -> None:
        self._pull_again = True
        self._pull_at_ms = min(self._pull_at_ms, self._clock.now().boot_ms + PULL_AGAIN_MS)

    def _count_alone(self, now: Now) -> None:
        """Count the time since the service was reached; after too long a time, forget whom it told of."""
        if now.boot_ms - self._alone_since_ms >= NOTE_EVERY_MS:
            self._copy.alone(now.boot_ms - self._alone_since_ms)
            self._alone_since_ms, self._noted = now.boot_ms, False
            if dropped := self._outbox.trim():
                log.warning("the service was not reached for so long that its %d oldest reports are forgotten", dropped)
        if not self._work and self._copy.is_stale(now):
            self._work.append(self._wipe())

    def _wipe(self) -> Iterator[None]:
        yield from self._copy.wipe()
        self._ledger.tell(TellStaff(Notice.ROSTER_WIPED))
        self._pull_at_ms = 0

    def _erase(self, members: Sequence[MemberId]) -> None:
        for member in members:
            if self._state().visit_of(member) is not None:
                self._apply(MemberLeft(member))
        self._ledger.remove_members(members)
        for member in members:
            self._apply(MemberRemoved(member))


def _opened(told: Presence, now: Now, max_stay_ms: int) -> Now:
    """Return when a visit at another door began, by this terminal's clocks; now, where no clock or a wrong one tells."""
    wall = now.wall
    if wall is None or told.opened_ms is None:
        return now
    ago = wall.utc_ms - told.opened_ms
    if not 0 <= ago < max_stay_ms:
        return now
    day, minute = divmod(wall.local_day * 1440 + wall.local_minute - ago // 60_000, 1440)
    return Now(now.boot_id, now.boot_ms - ago, WallTime(told.opened_ms, day, minute))
