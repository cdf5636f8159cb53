from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from drivers.errors import DeviceError, DeviceLost, DeviceMissing
from drivers.ports import PresentedCard
from drivers.readers.fake import FakeReader, ReaderHand
from firmware_py.terminal.lanes import CardRead, Lane, LaneDown, LaneUp
from firmware_py.terminal.supervise import BACK_OFF_MS, STEADY_MS, Health, Supervisor
from kiosk.events import CardTorn, Event
from tests.firmware_py.terminal.rig import PATIENCE_S, PatientReader, Reports, reader_lane

CARD = PresentedCard(uid=bytes.fromhex("04112233445566"))


class Night:
    """A reader under supervision, with the clock in the hand."""

    def __init__(self, name: str, *, may_restart: bool = False) -> None:
        self.now_ms = 1_000
        self.hand: ReaderHand = FakeReader.hand(name)
        self.servant = PatientReader()
        self.reports = Reports()
        self.lane: Lane[Any] = reader_lane(name, self.reports, self.servant)
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

    def hang(self) -> None:
        """Let the reader hang for longer than anybody's patience."""
        self.hand.hang()
        self.servant.patience_s = -1.0
        self.supervisor.look_after(self.now_ms)
        self.servant.patience_s = 60.0


Start = Callable[..., Night]


@pytest.fixture
def night(request: pytest.FixtureRequest) -> Iterator[Start]:
    nights: list[Night] = []

    def start(**given: bool) -> Night:
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
    assert tuple(waits) == (*BACK_OFF_MS, BACK_OFF_MS[-1], BACK_OFF_MS[-1])


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
    here.hand.until_waited_for()
    here.hang()
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


def test_a_device_that_hangs_after_the_restart_is_left_alone_and_shown(night: Start, caplog: pytest.LogCaptureFixture) -> None:
    here = night(may_restart=False)
    hang_twice(here)
    assert (here.restarts, here.health) == (["reader"], Health.FAILED)
    assert caplog.text.count("left alone") == 1
    here.pass_time(3_600_000)
    assert (here.restarts, here.health, here.supervisor.next_ms()) == (["reader"], Health.FAILED, None)
    here.supervisor.submit("reader", "in vain")
    assert here.fed == [CardTorn("in vain: abandoned")]


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
