from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from drivers.errors import DeviceError, DeviceGarbled, DeviceLost, DeviceMissing, DeviceRefused, DeviceSilent
from drivers.ports import CardReader, PresentedCard
from drivers.readers.fake import FakeReader, ReaderHand
from drivers.readers.pcsc import PcscReader
from firmware_py.terminal.lanes import CardRead, Lane, LaneDown, LaneUp
from firmware_py.terminal.supervise import BACK_OFF_MS, STEADY_MS, Health, Supervisor
from kiosk.events import CardTorn, Event
from tests.firmware_py.terminal.rig import PATIENCE_S, PatientReader, Reports, reader_lane
from tests.rigs.cards import VirtualCard
from tests.rigs.pcsc import PrivatePcscd

CARD = PresentedCard(uid=bytes.fromhex("04112233445566"))


class Night:
    """A reader under supervision, with the clock in the hand."""

    def __init__(self, name: str, *, may_restart: bool = False, make: Callable[[], CardReader] | None = None) -> None:
        self.now_ms = 1_000
        self.hand: ReaderHand = FakeReader.hand(name)
        self.servant = PatientReader()
        self.reports = Reports()
        self.lane: Lane[Any] = reader_lane(name, self.reports, self.servant, make)
        self.fed: list[Event] = []
        self.downs: list[DeviceError | None] = []
        self.restarts: list[str] = []

        def restart(lane: str) -> bool:
            self.restarts.append(lane)
            return may_restart

        self.supervisor = Supervisor(
            [self.lane],
            feed=self.fed.append,
            went_down=lambda _, error: self.downs.append(error),
            restart=restart,
            now_ms=self.now_ms,
        )

    @property
    def health(self) -> Health:
        return self.supervisor.watched["reader"].health

    def hear(self) -> None:
        """Do with the next report what the loop does."""
        report = self.reports.next()
        if not self.supervisor.is_current(report.lane, report.generation):
            return
        if isinstance(report.item, LaneUp):
            self.supervisor.up("reader", report.item.what, self.now_ms)
        elif isinstance(report.item, LaneDown):
            self.supervisor.down("reader", report.item.error, self.now_ms)

    def until(self, health: Health) -> None:
        while self.health is not health:
            self.hear()

    def pass_time(self, ms: int) -> None:
        self.now_ms += ms
        self.supervisor.look_after(self.now_ms)

    def retry_in_ms(self) -> int:
        """Return how long it is until the next opening."""
        due = self.supervisor.next_ms()
        assert due is not None
        return due - self.now_ms

    def lose(self) -> None:
        """Pull the plug of the open reader, and hear of it."""
        self.hand.unplug()
        self.until(Health.DOWN)

    def until_freed(self) -> None:
        """Wait until the thread that was abandoned last has ended."""
        assert self.lane._abandoned is not None
        self.lane._abandoned.join(PATIENCE_S)
        assert self.lane.freed()

    def hang(self) -> None:
        """Let the reader hang for longer than anybody's patience."""
        self.hand.hang()
        self.impatient()

    def impatient(self) -> None:
        """Find that whatever the reader is at takes too long."""
        self.servant.patience_s = -1.0
        self.supervisor.look_after(self.now_ms)
        self.servant.patience_s = 60.0


Start = Callable[..., Night]


@pytest.fixture
def night(request: pytest.FixtureRequest) -> Iterator[Start]:
    nights: list[Night] = []

    def start(**given: Any) -> Night:
        nights.append(Night(request.node.nodeid, **given))
        nights[-1].supervisor.start()
        return nights[-1]

    yield start
    for each in nights:
        each.hand.resume()
        each.supervisor.stop(PATIENCE_S)


@contextmanager
def said(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    lines: list[str] = []
    caplog.set_level("INFO")
    caplog.clear()
    yield lines
    lines += [record.getMessage() for record in caplog.records]


def test_a_lost_device_is_opened_again_ever_more_patiently(night: Start) -> None:
    here = night()
    here.until(Health.UP)
    here.lose()
    waits = []
    for _ in range(6):
        waits.append(here.retry_in_ms())
        here.pass_time(waits[-1] - 1)
        assert here.retry_in_ms() == 1
        here.pass_time(1)
        assert here.supervisor.next_ms() is None
        here.hear()
    assert tuple(waits) == (*BACK_OFF_MS, *BACK_OFF_MS[-1:] * 3)


def test_a_device_that_was_up_for_long_is_opened_again_soon(night: Start) -> None:
    here = night()
    here.until(Health.UP)
    for steady_ms, wait_ms in ((0, BACK_OFF_MS[0]), (0, BACK_OFF_MS[1]), (STEADY_MS, BACK_OFF_MS[0])):
        here.pass_time(steady_ms)
        here.lose()
        assert here.retry_in_ms() == wait_ms
        here.hand.plug()
        here.pass_time(wait_ms)
        here.until(Health.UP)


def test_a_loss_and_a_return_are_each_said_once(night: Start, caplog: pytest.LogCaptureFixture) -> None:
    here = night()
    here.until(Health.UP)
    with said(caplog) as lines:
        here.lose()
        for _ in range(5):
            here.pass_time(here.retry_in_ms())
            here.hear()
        here.hand.plug()
        here.pass_time(here.retry_in_ms())
        here.until(Health.UP)
    assert [line.split(":")[0] for line in lines] == ["reader is gone", "reader is back"]
    assert [type(error) for error in here.downs] == [DeviceLost]


@pytest.mark.parametrize("kind", [DeviceMissing, DeviceLost, DeviceSilent, DeviceRefused, DeviceGarbled])
@pytest.mark.parametrize("from_the_start", [False, True], ids=["later", "from the start"])
def test_each_kind_of_trouble_is_shown_while_it_lasts_and_said_once_when_it_comes_and_once_when_it_goes(
    night: Start,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
    kind: type[DeviceError],
    *,
    from_the_start: bool,
) -> None:
    ailment = kind("something is wrong")
    hand = FakeReader.hand(request.node.nodeid)
    with said(caplog) as lines:
        if from_the_start:
            hand.ail(ailment)
            here = night()
        else:
            here = night()
            here.until(Health.UP)
            hand.ail(ailment)
        here.until(Health.DOWN)
        watched = here.supervisor.watched["reader"]
        for _ in range(20):
            here.pass_time(here.retry_in_ms())
            here.hear()
            assert (watched.health, watched.trouble, watched.error) == (Health.DOWN, "something is wrong", ailment)
        hand.recover()
        here.pass_time(here.retry_in_ms())
        here.until(Health.UP)
    assert (watched.trouble, here.downs) == ("", [ailment])
    opened = [] if from_the_start else ["reader is open"]
    assert [line.split(":")[0] for line in lines] == [*opened, "reader is gone", "reader is back"]


def test_a_device_that_comes_and_goes_every_second_is_said_to_once_an_hour_long(
    night: Start, caplog: pytest.LogCaptureFixture
) -> None:
    here = night()
    here.until(Health.UP)
    losses = 0
    with said(caplog) as lines:
        until = here.now_ms + 3_600_000
        while here.now_ms < until:
            here.lose()
            losses += 1
            here.hand.plug()
            here.pass_time(here.retry_in_ms())
            here.until(Health.UP)
            here.pass_time(500)
        here.pass_time(STEADY_MS)
        here.pass_time(STEADY_MS)
        # What comes after that is news again.
        here.lose()
        here.hand.plug()
        here.pass_time(here.retry_in_ms())
        here.until(Health.UP)
    assert losses >= 3_500
    assert len(here.downs) == losses + 1  # the door heard of each
    once = ["reader is gone", "reader is back"]
    assert [line.split(":")[0] for line in lines] == [*once, "reader comes and goes", "reader is back and stays", *once]


def test_a_device_that_was_never_there_is_told_of_once(night: Start, request: pytest.FixtureRequest) -> None:
    FakeReader.hand(request.node.nodeid).unplug()
    here = night()
    here.until(Health.DOWN)
    here.pass_time(here.retry_in_ms())
    here.hear()
    assert [type(error) for error in here.downs] == [DeviceMissing]
    assert here.supervisor.watched["reader"].trouble == "the card reader is unplugged; plug it in"


def test_calls_to_a_device_that_is_away_are_answered_with_why(night: Start) -> None:
    here = night()
    here.until(Health.UP)
    here.lose()
    here.supervisor.submit("reader", "too late")
    assert here.fed == [CardTorn("too late: DeviceLost")]
    here.supervisor.submit("no such lane", "nobody")
    assert len(here.fed) == 1


def test_calls_of_an_abandoned_lane_are_answered(night: Start) -> None:
    here = night()
    here.until(Health.UP)
    here.hand.hang()
    here.supervisor.submit("reader", "under way")
    here.supervisor.submit("reader", "waiting")
    here.hang()
    here.supervisor.submit("reader", "too late")
    assert here.fed == [CardTorn(f"{call}: abandoned") for call in ("under way", "waiting", "too late")]


def test_a_lane_that_hangs_is_abandoned_and_what_it_says_later_is_ignored(night: Start) -> None:
    here = night()
    here.until(Health.UP)
    here.hand.hang()
    here.hand.until_waited_for()
    here.impatient()
    assert here.health is Health.DOWN
    assert here.downs == [None]
    here.hand.tap(CARD)
    here.hand.resume()
    late = here.reports.until(CardRead)
    assert not here.supervisor.is_current(late.lane, late.generation)
    here.pass_time(here.retry_in_ms())
    here.until(Health.UP)
    here.hand.until_waited_for()
    here.hand.tap(CARD)
    fresh = here.reports.until(CardRead)
    assert here.supervisor.is_current(fresh.lane, fresh.generation)


def hang_twice(here: Night) -> None:
    here.until(Health.UP)
    here.hang()
    assert here.restarts == []
    here.pass_time(here.retry_in_ms())
    here.hang()


def test_after_two_abandoned_lanes_a_restart_is_asked_for(night: Start, caplog: pytest.LogCaptureFixture) -> None:
    here = night(may_restart=True)
    hang_twice(here)
    assert here.restarts == ["reader"]
    assert here.supervisor.next_ms() is None
    assert "left alone" not in caplog.text


def test_devices_that_hang_together_share_one_restart(request: pytest.FixtureRequest) -> None:
    # Two readers of one daemon, say: the second must not restart the door once more.
    reports, asked = Reports(), []
    hands = [FakeReader.hand(f"{request.node.nodeid} {number}") for number in range(3)]
    servants = [PatientReader() for _ in hands]
    lanes: list[Lane[Any]] = []
    for number, servant in enumerate(servants):
        settings = FakeReader.Settings(name=f"{request.node.nodeid} {number}")
        lanes.append(Lane(f"reader {number}", partial(FakeReader, settings), servant, reports.post))

    def restart(name: str) -> bool:
        asked.append(name)
        return True

    supervisor = Supervisor(lanes, feed=lambda _: None, went_down=lambda *_: None, restart=restart, now_ms=0)
    supervisor.start()
    for _ in lanes:
        up = reports.until(LaneUp)
        supervisor.up(up.lane, "a reader", 0)
    for hand in hands[:2]:
        hand.hang()
    now_ms = 0
    for patience in ((-1.0, -1.0), (-1.0, 60.0)):
        for servant, seconds in zip(servants, patience, strict=False):
            servant.patience_s = seconds
        supervisor.look_after(now_ms)
        now_ms += BACK_OFF_MS[0]
        supervisor.look_after(now_ms)
    assert asked == ["reader 0", "reader 1"]
    for hand in hands:
        hand.resume()
    supervisor.stop(PATIENCE_S)


def test_a_device_that_hangs_after_the_restart_is_left_alone_and_shown(night: Start, caplog: pytest.LogCaptureFixture) -> None:
    here = night(may_restart=False)
    hang_twice(here)
    assert (here.restarts, here.health) == (["reader"], Health.FAILED)
    assert caplog.text.count("left alone") == 1
    here.pass_time(3_600_000)
    assert (here.restarts, here.health, here.supervisor.next_ms()) == (["reader"], Health.FAILED, None)
    here.supervisor.submit("reader", "in vain")
    assert here.fed == [CardTorn("in vain: abandoned")]


def test_a_device_that_was_left_alone_is_opened_again_once_the_call_that_hung_has_come_back(
    night: Start, caplog: pytest.LogCaptureFixture
) -> None:
    here = night(may_restart=False)
    hang_twice(here)
    for _ in range(600):
        here.pass_time(1_000)
        assert here.supervisor.next_ms() is None
    with said(caplog) as lines:
        here.hand.resume()
        here.until_freed()
        here.pass_time(1_000)
        assert here.health is Health.DOWN
        here.pass_time(here.retry_in_ms())
        here.until(Health.UP)
        here.hand.until_waited_for()
        here.hand.tap(CARD)
        fresh = here.reports.until(CardRead)
    assert here.supervisor.is_current(fresh.lane, fresh.generation)
    assert [line.split(":")[0] for line in lines] == ["reader is back"]
    # A third hang brings no more threads that hang, and no second restart.
    here.hang()
    assert (here.health, here.restarts) == (Health.FAILED, ["reader", "reader"])


def test_a_pcscd_that_hangs_for_ten_minutes_costs_two_threads_and_one_restart_and_works_again_when_it_comes_back(
    night: Start, tmp_path: Path
) -> None:
    # The daemon really hangs; the ten minutes are the supervisor's.
    with PrivatePcscd(tmp_path) as pcscd:
        pcscd.here()
        before = set(threading.enumerate())
        here = night(make=lambda: PcscReader(PcscReader.Settings()))
        here.until(Health.UP)
        pcscd.freeze()
        for _ in range(2):
            here.impatient()
            if (due := here.supervisor.next_ms()) is not None:
                here.pass_time(due - here.now_ms)
        for _ in range(600):
            here.pass_time(1_000)
        hanging = [each for each in set(threading.enumerate()) - before if each.name == "lane reader"]
        assert (here.health, here.restarts, len(hanging)) == (Health.FAILED, ["reader"], 2)
        pcscd.resume()
        here.until_freed()
        here.pass_time(1_000)
        here.pass_time(here.retry_in_ms())
        here.until(Health.UP)
        pcscd.touch(VirtualCard(CARD.uid))
        # An abandoned lane on its way out may have read the card, too; nobody hears it.
        while not here.supervisor.is_current((read := here.reports.until(CardRead)).lane, read.generation):
            pass
        here.supervisor.stop(PATIENCE_S)


def test_a_stop_waits_for_lanes_but_not_for_abandoned_ones(night: Start) -> None:
    here = night()
    here.until(Health.UP)
    here.hang()
    here.supervisor.stop(PATIENCE_S)  # the test ends in time, or this waited
    here.hand.resume()
    open_again = night()
    open_again.until(Health.UP)
    open_again.supervisor.stop(PATIENCE_S)
    assert open_again.lane.join(0)
