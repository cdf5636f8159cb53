"""Doors of one café that share a matching service: whole terminals on simulated devices, and one venue's key."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from drivers.matching.fake import FakeMatching, ServiceHand
from drivers.matching.wire import Presence, Proposal
from firmware_py.demo import card_of
from firmware_py.keys import VenueKey, key_path
from firmware_py.ledger import Ledger
from kiosk.effects import SettleMatch
from kiosk.values import CardId, Introduction, MemberId, Reason, ReasonKind, VisitId, ZoneId
from tests.firmware_py.terminal.harness import PATIENCE_S, Door, person


class SharedDoor(Door):
    """A door that knows nobody but whom the service tells of."""

    def __init__(self, folder: Path, name: str, service: str, key: Path | None = None, **more: Any) -> None:
        folder.mkdir(exist_ok=True)
        if key is not None and not key_path(folder / "ledger.db").exists():
            shutil.copy(key, key_path(folder / "ledger.db"))
        super().__init__(folder, people=0, record=f'terminal = "{name}"', service=service, **more)

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._before = set(threading.enumerate())  # other doors come and go meanwhile
        super().__exit__()
        for watched in self.terminal._supervisor.watched.values():
            assert watched.lane.join(PATIENCE_S), watched.lane.name

    def until(self, seen: Callable[[Self], object], what: str = "", patience_s: float = PATIENCE_S) -> None:
        """Wait until something is true of this door, which is asked whenever it has done one thing more."""
        until = time.monotonic() + patience_s
        while not seen(self):
            assert time.monotonic() < until, f"not seen in {patience_s} s: {what}; {self.state.visits}; {self.state.elsewhere}"
            self.call("status")

    def until_known(self, *numbers: int) -> None:
        """Wait until these members' cards are known here."""
        self.until(lambda door: all(map(door.holds, numbers)), f"members {numbers}")

    def holds(self, number: int) -> bool:
        """Tell whether a member is on this door's roster."""
        return any(each["id"] == person(number).id for each in self.call("members.list", after=f"p{number - 1}" * (number > 1)))

    def outbox(self) -> list[tuple[Any, ...]]:
        """Return what waits to be told."""
        import apsw

        connection = apsw.Connection(str(self.config.ledger.path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            return list(connection.execute("SELECT number, what FROM outbox ORDER BY number"))
        finally:
            connection.close()


class Cafe:
    """A simulated service, and the doors that share it, each as `more` says; at its end nobody waits for news any more."""

    def __init__(self, folder: Path, people: int = 12, **more: Any) -> None:
        self.folder = folder
        self._more = more
        self.name = uuid4().hex
        self.hand: ServiceHand = FakeMatching.hand(self.name)
        self._keys = folder / "keys"
        self._keys.mkdir()
        ledger = Ledger.open(self._keys / "ledger.db")
        self.key = VenueKey(key_path(self._keys / "ledger.db")).open(ledger)
        ledger.close()
        self.admit(range(1, people + 1))

    def card(self, number: int) -> CardId:
        """Return the pseudonym of a member's card."""
        return self.key.pseudonym(card_of(number).uid)

    def admit(self, numbers: Iterable[int]) -> None:
        """Put people with their cards on the roster."""
        for number in numbers:
            self.hand.admit(person(number), key=self.key.id, cards={person(number).id: self.card(number)})

    def door(self, name: str, **more: Any) -> SharedDoor:
        """Return a door of that name."""
        service = f'driver = "fake"\nname = "{self.name}"'
        door = SharedDoor(self.folder / name, name, service, self._keys / "venue.key", **{**self._more, **more})
        door.terminal._supervisor._back_off = {}  # a service that was away for long is not waited for as long
        return door

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hand.gone()


def first_other(asked: Presence, here: Iterable[Presence]) -> Proposal:
    """Propose whoever came first, in the library."""
    other = next((each for each in here if each.visit != asked.visit), None)
    if other is None:
        return Proposal(visit=asked.visit, zone=ZoneId("library"))
    return proposal(asked.visit, other)


def proposal(visit: VisitId, partner: Presence) -> Proposal:
    """Return what a service proposes."""
    reason = Reason(ReasonKind.OPEN)
    introduction = Introduction(visit, partner.visit, reason, ZoneId("library"), 777)
    return Proposal(visit=visit, introduction=introduction, zone=ZoneId("library"), partner=partner)


def settled(door: Door, member: int) -> SettleMatch | None:
    """Return what a visitor was told in the end."""
    mine: MemberId = person(member).id
    return next((each for each in door.seen.of(SettleMatch) if each.member == mine), None)


class Gate:
    """Something that a service's answer waits for."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self.reached = threading.Event()

    def __call__(self, asked: Presence, here: Iterable[Presence]) -> Proposal:
        self.reached.set()
        self._open.wait(PATIENCE_S)
        return first_other(asked, here)

    def open(self) -> None:
        """Let the answers out."""
        self._open.set()
