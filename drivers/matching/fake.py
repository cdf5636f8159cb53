"""A matching service in this process: the port for terminals, and a hand that fills it, looks into it and makes it fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Condition
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from drivers.errors import DeviceError, DeviceGarbled, DeviceLost, DeviceMissing, DeviceRefused, DeviceSilent
from drivers.matching.wire import (
    CardBound,
    CheckIn,
    Fact,
    GroupSettled,
    HostRuled,
    MatchSettled,
    MatchUndone,
    PairBlocked,
    PairRuling,
    Presence,
    PresencePage,
    Proposal,
    RosterCard,
    RosterEntry,
    RosterPage,
    Sent,
    VisitChanged,
    VisitClosed,
    VisitOpened,
    VisitorTold,
    ZonesSet,
)
from drivers.ports import MatchingService
from kiosk.effects import Ending
from kiosk.values import CardId, Member, MemberId, Pair, Ruling, VisitId, Zone, pair_of

PAGE = 100
"""How many members are on a page of the roster."""
ROSTER_WAIT_S = 10.0
"""How long a page of the roster is kept back at most."""
PATIENCE_S = 0.2
"""How much longer than asked a terminal waits for this service before it calls it silent."""

Propose = Callable[[Presence, Sequence[Presence]], Proposal | None]
"""What the service answers to a check-in, given everybody who is here; None leaves it to the terminal."""


class ServiceHand:
    """What somebody at the service sees and does. Safe to use from any thread."""

    def __init__(self) -> None:
        self.changed = Condition()
        self.propose: Propose = lambda _presence, _here: None
        self.calendar = b""
        self._trouble: DeviceError | None = None
        self._late_s = 0.0
        self._spurns = False
        self._holds: bool | None = None
        self._holds_roster = False
        self._kept_waiting = 0
        self._version = 1
        self._floor = 0
        self._members: dict[MemberId, RosterEntry] = {}
        self._here: dict[VisitId, tuple[int, Presence]] = {}
        self._left: dict[VisitId, int] = {}
        self._rulings: dict[Pair, tuple[int, Ruling | None]] = {}
        self._sent: dict[VisitId, list[Sent]] = {}
        self._known: set[tuple[str, str]] = set()
        self._facts: list[Fact] = []
        self._zones: tuple[Zone, ...] = ()
        self._asked: list[Presence] = []

    # What somebody does to it:

    def admit(self, *members: Member, key: str = "", cards: dict[MemberId, CardId] | None = None) -> None:
        """Put members on the roster, or change them; `cards` are theirs under the venue's key `key`."""
        with self.changed:
            for member in members:
                held = {card.card: card for card in self._entry(member.id).cards}
                if cards is not None and member.id in cards:
                    held[cards[member.id]] = RosterCard(cards[member.id], key)
                self._put(replace(self._entry(member.id), member=member, cards=tuple(held.values())))

    def erase(self, member: MemberId) -> None:
        """Take a member off the roster."""
        with self.changed:
            self._put(RosterEntry(id=member, version=0))

    def begin_anew(self) -> None:
        """Forget what changed when, as after a restore: every terminal gets the whole roster, and everybody who is here."""
        with self.changed:
            self._version += 1
            self._floor = self._version
            entries, self._members = self._members, {}
            for entry in entries.values():
                if entry.member is not None:
                    self._put(entry)
            self.changed.notify_all()

    def slow(self, seconds: float) -> None:
        """Answer only after so long; a terminal that waits less long finds the service silent."""
        self._late_s = seconds

    def wrong(self) -> None:
        """Refuse: this is another venue's terminal."""
        self._fail(DeviceRefused("the service answers 403: this terminal belongs to another venue"))

    def spurn(self) -> None:
        """Refuse all that is reported, and nothing else."""
        self._spurns = True

    def hold_news(self, *, made: bool) -> None:
        """Keep news back until all is well: pages that are `made` already, so that they come late, or the making of any."""
        with self.changed:
            self._holds, self._kept_waiting = made, 0

    def hold_roster(self) -> None:
        """Keep pages of the roster back that are made already, until all is well."""
        with self.changed:
            self._holds_roster, self._kept_waiting = True, 0

    def gone(self) -> None:
        """Go away, as when a cable is pulled."""
        self._fail(DeviceLost("the service is gone"))

    def garbage(self) -> None:
        """Answer nonsense."""
        self._fail(DeviceGarbled("the service answers nonsense"))

    def well(self) -> None:
        """Be as a service should be."""
        self._late_s, self._spurns, self._holds, self._holds_roster = 0.0, False, None, False
        self._fail(None)  # which wakes those who wait

    def _fail(self, trouble: DeviceError | None) -> None:
        with self.changed:
            self._trouble = trouble
            self.changed.notify_all()

    @property
    def spurns(self) -> bool:
        """Whether it refuses all that is reported."""
        return self._spurns

    # What somebody sees in it:

    @property
    def kept_waiting(self) -> int:
        """How many were kept waiting since news, or the roster, are kept back."""
        with self.changed:
            return self._kept_waiting

    @property
    def facts(self) -> tuple[Fact, ...]:
        """All facts, each once, in the order of their arrival."""
        with self.changed:
            return tuple(self._facts)

    @property
    def here(self) -> dict[VisitId, Presence]:
        """Everybody who is here."""
        with self.changed:
            return {visit: presence for visit, (_, presence) in self._here.items()}

    @property
    def rulings(self) -> dict[Pair, Ruling]:
        """What the host decided, and still holds."""
        with self.changed:
            return {pair: ruling for pair, (_, ruling) in self._rulings.items() if ruling is not None}

    def here_sent(self, visit: VisitId) -> tuple[Sent, ...]:
        """Return who was sent to a visitor."""
        with self.changed:
            return tuple(self._sent.get(visit, ()))

    @property
    def asked(self) -> tuple[Presence, ...]:
        """All check-ins that were asked about."""
        with self.changed:
            return tuple(self._asked)

    @property
    def zones(self) -> tuple[Zone, ...]:
        """The venue's zones, as a terminal told them."""
        with self.changed:
            return self._zones

    def until(self, seen: Callable[[ServiceHand], bool], timeout: float = 5.0) -> None:
        """Wait until `seen` is true of this hand; raise TimeoutError after `timeout` seconds."""
        with self.changed:
            if not self.changed.wait_for(lambda: seen(self), timeout):
                raise TimeoutError(f"not seen in {timeout} s; {len(self._facts)} facts, {len(self._here)} here")

    # What a terminal asks of it:

    def reach(self, wait_s: float, missing: type[DeviceMissing | DeviceLost] = DeviceLost) -> None:
        """Raise when the service does not answer within `wait_s`, or not well."""
        if late_s := self._late_s:
            with self.changed:
                # Who is well again answers those who wait at once.
                self.changed.wait_for(lambda: self._late_s < late_s, min(late_s, wait_s + PATIENCE_S))
            if self._late_s > wait_s + PATIENCE_S:
                raise DeviceSilent("the service does not answer in time")
        match self._trouble:
            case None:
                return
            case DeviceLost() as error:
                raise missing(str(error))
            case error:
                raise type(error)(str(error))

    def held(self, wait_s: float, *, made: bool) -> None:
        """Wait while news are kept back at this point."""
        with self.changed:
            self._kept_waiting += self._holds is made
            self.changed.notify_all()
            self.changed.wait_for(lambda: self._trouble is not None or self._holds is not made, wait_s)

    def held_roster(self) -> None:
        """Wait while pages of the roster are kept back."""
        with self.changed:
            self._kept_waiting += self._holds_roster
            self.changed.notify_all()
            self.changed.wait_for(lambda: self._trouble is not None or not self._holds_roster, ROSTER_WAIT_S)

    def check_in(self, check_in: CheckIn) -> Proposal | None:
        """Note who came in, and answer."""
        with self.changed:
            self._asked.append(check_in.presence)
            self._open(check_in.presence)
            return self.propose(check_in.presence, [presence for _, presence in self._here.values()])

    def take(self, facts: Sequence[Fact]) -> tuple[int, int]:
        """Take facts in; return how many were new, and how many known."""
        with self.changed:
            new = [fact for fact in facts if (fact.source, fact.id) not in self._known]
            for fact in new:
                self._known.add((fact.source, fact.id))
                self._facts.append(fact)
                self._happened(fact)
            self.changed.notify_all()
            return len(new), len(facts) - len(new)

    def roster(self, since: int) -> RosterPage:
        """Return what changed since then."""
        with self.changed:
            whole = self._forgot(since)
            entries = sorted(self._members.values(), key=lambda entry: entry.version)
            changed = [entry for entry in entries if entry.version > (0 if whole else since)]
            page = tuple(changed[:PAGE])
            more = len(changed) > PAGE
            return RosterPage(version=page[-1].version if more else self._version, entries=page, more=more, whole=whole)

    def presence(self, since: int, wait_s: float) -> PresencePage:
        """Return who is here since then, and wait for news."""
        with self.changed:
            if not self._forgot(since):
                self.changed.wait_for(lambda: self._trouble is not None or self._forgot(since) or self._newer(since), wait_s)
            whole = self._forgot(since)
            news = (presence for version, presence in self._here.values() if whole or version > since)
            opened = tuple(replace(each, sent=tuple(self._sent.get(each.visit, ()))) for each in news)
            closed = tuple(visit for visit, version in self._left.items() if whole or version > since)
            rulings = tuple(
                PairRuling(one=one, other=other, ruling=ruling)
                for (one, other), (version, ruling) in self._rulings.items()
                if whole or version > since
            )
            return PresencePage(version=self._version, open=opened, closed=closed, rulings=rulings, whole=whole)

    def _forgot(self, since: int) -> bool:
        return since < max(self._floor, 1) or since > self._version

    def _newer(self, since: int) -> bool:
        told = (version for version, _ in (*self._here.values(), *self._rulings.values()))
        return any(version > since for version in (*told, *self._left.values()))

    def _happened(self, fact: Fact) -> None:
        match fact.what:
            case VisitOpened(presence=presence) | VisitChanged(presence=presence):
                self._open(presence)
            case VisitClosed(visit=visit, why=why):
                gone = self._here.get(visit)
                self._close(visit)
                for pair in self.rulings:
                    if gone is not None and gone[1].member in pair and why is not Ending.UNCONFIRMED:
                        self._rule(pair, None)
            case MatchSettled() as settled:
                self._settled(settled)
            case MatchUndone() as undone:
                self._undone(undone)
            case GroupSettled(visits=visits, pairs=pairs):
                for visit in visits:
                    self._count(visit, introduced=1)
                for one, other in pairs:
                    self._meet(one, other)
            case VisitorTold(visit=visit):
                self._sent[visit] = [replace(each, told=True) for each in self._sent.get(visit, ())]
                self._count(visit)
            case PairBlocked(one=one, other=other, blocked=blocked):
                for each, apart in ((one, other), (other, one)):
                    entry = self._entry(each)
                    left = {*entry.blocked, apart} if blocked else {*entry.blocked} - {apart}
                    self._put(replace(entry, blocked=tuple(sorted(left))))
            case HostRuled(one=one, other=other, ruling=ruling):
                self._rule(pair_of(one, other), ruling)
            case CardBound(card=card, member=member, key=key, blocked=blocked):
                entry = self._entry(member)
                others = tuple(each for each in entry.cards if each.card != card)
                self._put(replace(entry, cards=(*others, RosterCard(card, key, blocked))))
            case ZonesSet(zones=zones):
                self._zones = zones
            case _:
                assert_never(fact.what)

    def _open(self, presence: Presence) -> None:
        if presence.visit in self._left:
            return
        self._version += 1
        for other in [each.visit for _, each in self._here.values() if each.member == presence.member]:
            if other != presence.visit:
                self._close(other)
        known = self._here.get(presence.visit)
        if known is not None:
            counters = {"approached": known[1].approached, "introduced": known[1].introduced}
            presence = replace(presence, zone=presence.zone or known[1].zone, **counters)
        self._here[presence.visit] = (self._version, presence)
        self.changed.notify_all()

    def _close(self, visit: VisitId) -> None:
        self._version += 1
        self._here.pop(visit, None)
        self._left[visit] = self._version
        self.changed.notify_all()

    def _rule(self, pair: Pair, ruling: Ruling | None) -> None:
        self._version += 1
        self._rulings[pair] = (self._version, ruling)
        self.changed.notify_all()

    def _settled(self, settled: MatchSettled) -> None:
        self._version += 1
        if (known := self._here.get(settled.visit)) is not None:
            presence = replace(known[1], zone=settled.zone, introduced=known[1].introduced + (settled.partner is not None))
            self._here[settled.visit] = (self._version, presence)
        if settled.introduction is None or settled.partner is None:
            return
        number = 0 if known is None else known[1].number
        sent = Sent(visit=settled.visit, member=settled.member, number=number)
        self._sent.setdefault(settled.introduction.partner, []).append(sent)
        self._count(settled.introduction.partner, approached=1)
        if self.rulings.get(pair := pair_of(settled.member, settled.partner)) is Ruling.PIN:
            self._rule(pair, None)
        self._meet(settled.member, settled.partner)

    def _undone(self, undone: MatchUndone) -> None:
        self._count(undone.visit, introduced=-1)
        for visit, sent in self._sent.items():
            left = [each for each in sent if each.visit != undone.visit or visit not in self._here]
            if len(left) < len(sent) and self._here[visit][1].member == undone.partner:
                self._sent[visit] = left
                self._count(visit, approached=-1)
        for one, other in ((undone.member, undone.partner), (undone.partner, undone.member)):
            entry = self._entry(one)
            self._put(replace(entry, met=tuple(each for each in entry.met if each != other)))

    def _meet(self, one: MemberId, other: MemberId) -> None:
        for each, partner in ((one, other), (other, one)):
            entry = self._entry(each)
            self._put(replace(entry, met=tuple(sorted({*entry.met, partner}))))

    def _count(self, visit: VisitId, *, approached: int = 0, introduced: int = 0) -> None:
        self._version += 1
        if (known := self._here.get(visit)) is not None:
            counted = {"approached": known[1].approached + approached, "introduced": known[1].introduced + introduced}
            self._here[visit] = (self._version, replace(known[1], **counted))
        self.changed.notify_all()

    def _entry(self, member: MemberId) -> RosterEntry:
        return self._members.get(member) or RosterEntry(id=member, version=0)

    def _put(self, entry: RosterEntry) -> None:
        self._version += 1
        self._members[entry.id] = replace(entry, version=self._version)
        self.changed.notify_all()


_HANDS: dict[str, ServiceHand] = {}


class FakeMatching(MatchingService):
    """The way to a service in this process."""

    class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """Which hand's service this is the way to."""

        name: str = "fake"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._hand = self.hand(settings.name)

    @staticmethod
    def hand(name: str = "fake") -> ServiceHand:
        """Return the hand of that name; the same one each time."""
        return _HANDS.setdefault(name, ServiceHand())

    def open(self) -> None:
        """Reach the service."""
        self._hand.reach(0, DeviceMissing)

    def close(self) -> None:
        """Hold on to nothing."""

    def describe(self) -> str:
        """Say that this is no service."""
        return f"simulated matching service '{self._settings.name}'"

    def check_in(self, check_in: CheckIn, wait_s: float) -> Proposal | None:
        """Ask the hand's `propose`."""
        self._hand.reach(wait_s)
        return self._hand.check_in(check_in)

    def report(self, facts: Sequence[Fact]) -> None:
        """Hand them over."""
        self._hand.reach(0)
        if self._hand.spurns:
            raise DeviceRefused("the service answers 422: it can't read this")
        self._hand.take(facts)

    def roster(self, since: int) -> RosterPage:
        """Return a page."""
        self._hand.reach(0)
        page = self._hand.roster(since)
        self._hand.held_roster()
        return page

    def presence(self, since: int, wait_s: float) -> PresencePage:
        """Wait for news."""
        self._hand.reach(wait_s)
        self._hand.held(wait_s, made=False)
        page = self._hand.presence(since, wait_s)
        self._hand.held(wait_s, made=True)
        self._hand.reach(wait_s)
        return page

    def schedule(self) -> bytes:
        """Return the hand's calendar."""
        self._hand.reach(0)
        return self._hand.calendar
