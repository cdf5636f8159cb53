from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from drivers.errors import DeviceLost, DeviceMissing, DeviceSilent
from drivers.lights.fake import FakeLights
from drivers.ports import Lights, PresentedCard
from drivers.printers.fake import FakePrinter
from drivers.readers.fake import FakeReader
from firmware_py.samples import sample
from firmware_py.terminal.lanes import CardRead, Lane, LaneCrashed, LaneDown, LaneUp
from firmware_py.terminal.servants import LightsServant, PrinterServant
from kiosk.badge import Slip, SlipKind
from kiosk.effects import CheckPrinter, SendJob
from kiosk.events import Event, JobReady, JobSent, JobUnprintable, PrinterChanged
from kiosk.jobs import Job
from kiosk.signals import Signal
from kiosk.values import JobId, Language, MemberId, Now, VisitId
from tests.firmware_py.terminal.rig import PATIENCE_S, Reports, lights_lane, reader_lane, say
from tests.kiosk.rig import badge_of

CARD = PresentedCard(uid=bytes.fromhex("04112233445566"))


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return str(request.node.nodeid)


def printer_lane(
    name: str, reports: Reports, render: Callable[[Job, str], bytes], *, look_every_s: float = 3600
) -> Lane[FakePrinter]:
    """Return a lane with a simulated printer that is not looked at between calls, or so often."""
    servant = PrinterServant(render)
    servant.idle_every_s = look_every_s
    return Lane("printer", lambda: FakePrinter(FakePrinter.Settings(name=name)), servant, reports.post)


def test_a_lane_opens_its_device_and_serves_calls_in_their_order(name: str, reports: Reports) -> None:
    lane = lights_lane(name, reports)
    lane.start()
    assert reports.next().item == LaneUp(f"simulated lights '{name}'")
    lane.submit(say(Signal.WELCOME))
    lane.submit(say(Signal.GOODBYE))
    FakeLights.hand(name).until(lambda lights: lights.signals == (Signal.WELCOME, Signal.GOODBYE))
    lane.ask_to_stop()
    assert lane.join(PATIENCE_S)


def test_a_device_that_is_not_there_is_reported_with_its_error(name: str, reports: Reports) -> None:
    FakeLights.hand(name).unplug()
    lane = lights_lane(name, reports)
    lane.start()
    down = reports.next().item
    assert isinstance(down, LaneDown)
    assert isinstance(down.error, DeviceMissing)
    assert lane.join(PATIENCE_S)


def test_the_call_that_a_device_was_lost_in_is_not_finished(name: str, reports: Reports) -> None:
    lane = lights_lane(name, reports)
    lane.start()
    reports.until(LaneUp)
    FakeLights.hand(name).unplug()
    lane.submit(say(Signal.WELCOME))
    down = reports.next().item
    assert isinstance(down, LaneDown)
    assert isinstance(down.error, DeviceLost)
    assert list(lane.calls) == [say(Signal.WELCOME)]


def test_where_only_the_newest_counts_what_waits_is_dropped_and_what_is_under_way_is_not(name: str, reports: Reports) -> None:
    lane = lights_lane(name, reports, newest_only=True)
    for signal in (Signal.WELCOME, Signal.NOT_YET, Signal.GOODBYE):
        lane.submit(say(signal))
    assert list(lane.calls) == [say(Signal.WELCOME), say(Signal.GOODBYE)]


def test_a_device_that_opens_but_does_not_answer_is_not_up(name: str, reports: Reports) -> None:
    FakePrinter.hand(name).mute()
    servant = PrinterServant(lambda *_: b"")
    lane = Lane("printer", lambda: FakePrinter(FakePrinter.Settings(name=name)), servant, reports.post)
    lane.start()
    down = reports.next().item
    assert isinstance(down, LaneDown)
    assert isinstance(down.error, DeviceSilent)
    assert lane.join(PATIENCE_S)
    assert reports.left() == []


def test_a_printer_tells_how_it_is_once_it_is_open_and_not_again_before_it_is_looked_at(name: str, reports: Reports) -> None:
    lane = printer_lane(name, reports, lambda *_: b"")
    lane.start()
    assert isinstance(reports.next().item, LaneUp)
    assert reports.next().item == PrinterChanged(None)
    lane.ask_to_stop()
    assert lane.join(PATIENCE_S)
    assert reports.left() == []
    lane = printer_lane(name, reports, lambda *_: b"", look_every_s=0.01)
    lane.start()
    assert isinstance(reports.next().item, LaneUp)
    FakePrinter.hand(name).paper_low()
    while (told := reports.next().item) == PrinterChanged(None):
        pass
    assert told == PrinterChanged(None, paper_low=True)
    lane.ask_to_stop()
    assert lane.join(PATIENCE_S)


def test_a_badge_that_cannot_be_made_is_given_up_and_the_printer_goes_on(
    name: str, reports: Reports, caplog: pytest.LogCaptureFixture
) -> None:
    def render(job: Job, profile: str) -> bytes:
        if job.id == "broken":
            raise ValueError(f"{badge_of(job).first_name} on {profile}")
        return b"\x1b@whole\n\x1dVB\x00"

    lane = printer_lane(name, reports, render)
    lane.start()
    assert isinstance(reports.next().item, LaneUp)
    assert isinstance(reports.next().item, PrinterChanged)
    badge = sample("nordic")
    for job_id in ("broken", "whole"):
        lane.submit(CheckPrinter(Job(JobId(job_id), VisitId("v"), MemberId("m"), badge, Now("boot", 0), 1)))
    assert reports.next().item == JobUnprintable(JobId("broken"))
    assert reports.next().item == JobReady(JobId("whole"))
    lane.ask_to_stop()
    assert lane.join(PATIENCE_S)
    assert "badge broken can't be made: ValueError in render:" in caplog.text
    assert badge.first_name not in caplog.text


def test_a_slip_that_took_in_more_between_the_question_and_the_bytes_comes_out_whole(name: str, reports: Reports) -> None:
    def render(job: Job, _profile: str) -> bytes:
        assert job.slip is not None
        return b"\x1b@" + job.slip.text.encode() + b"\n\x1dVB\x00"

    lane = printer_lane(name, reports, render)
    lane.start()
    assert isinstance(reports.next().item, LaneUp)
    assert isinstance(reports.next().item, PrinterChanged)
    slip = Slip(kind=SlipKind.FAULT, language=Language.SV, title="", text="one")
    job = Job(JobId("j1"), VisitId(""), MemberId(""), None, Now("boot", 0), 1, slip=slip)
    lane.submit(CheckPrinter(job))
    assert reports.next().item == JobReady(job.id)
    lane.submit(SendJob(replace(job, slip=replace(slip, text="one and two"))))
    assert isinstance(reports.next().item, JobSent)
    lane.ask_to_stop()
    assert lane.join(PATIENCE_S)
    (paper,) = FakePrinter.hand(name).papers
    assert "one and two" in " ".join(paper.texts)


def test_a_lane_that_waits_for_calls_hears_a_stop_at_once(name: str, reports: Reports) -> None:
    servant = LightsServant()
    servant.idle_every_s = 3600
    lane = Lane("lights", lambda: FakeLights(FakeLights.Settings(name=name)), servant, reports.post)
    for _ in range(50):
        lane.start()
        reports.until(LaneUp)
        lane.ask_to_stop()
        assert lane.join(PATIENCE_S)


def test_a_device_is_closed_when_its_lane_stops(name: str, reports: Reports) -> None:
    lane = lights_lane(name, reports)
    lane.start()
    lane.submit(say(Signal.WELCOME))
    FakeLights.hand(name).until(lambda lights: bool(lights.lit()))
    lane.ask_to_stop()
    assert lane.join(PATIENCE_S)
    assert FakeLights.hand(name).lit() == frozenset()


def test_a_mistake_of_our_own_is_reported_as_such(name: str, reports: Reports) -> None:
    class Clumsy(LightsServant):
        def serve(self, device: Lights, call: Any) -> Iterator[Event]:  # noqa: ARG002
            raise ZeroDivisionError("ours")

    lane = Lane("lights", lambda: FakeLights(FakeLights.Settings(name=name)), Clumsy(), reports.post)
    lane.start()
    lane.submit(say(Signal.WELCOME))
    crashed = reports.until(LaneCrashed).item
    assert isinstance(crashed, LaneCrashed)
    assert repr(crashed.error) == "ZeroDivisionError('ours')"
    assert lane.join(PATIENCE_S)


def test_an_abandoned_lane_reports_under_its_old_generation_and_ends(name: str, reports: Reports) -> None:
    hand, before = FakeReader.hand(name), set(threading.enumerate())
    lane = reader_lane(name, reports)
    lane.start()
    reports.until(LaneUp)
    hand.hang()
    hand.until_waited_for()
    hand.tap(CARD)
    lane.submit(say(Signal.WELCOME))
    assert lane.abandon() == [say(Signal.WELCOME)]
    abandoned = [thread for thread in threading.enumerate() if thread not in before]
    assert [thread.is_alive() for thread in abandoned] == [True]
    assert not lane.freed()
    hand.resume()
    late = reports.until(CardRead)
    assert late.generation != lane.generation
    for thread in abandoned:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert lane.freed()


def test_a_lane_that_was_never_abandoned_is_not_freed(name: str, reports: Reports) -> None:
    lane = lights_lane(name, reports)
    lane.start()
    reports.until(LaneUp)
    lane.ask_to_stop()
    assert lane.join(PATIENCE_S)
    assert not lane.freed()


def test_a_lane_is_overdue_by_what_it_is_at(name: str, reports: Reports) -> None:
    begun, gate, idle = threading.Event(), threading.Event(), threading.Event()

    class Slow(LightsServant):
        idle_every_s = 0.01

        def serve(self, device: Lights, call: Any) -> Iterator[Event]:
            begun.set()
            assert gate.wait(PATIENCE_S)
            return super().serve(device, call)

        def idle(self, device: Lights, timeout: float) -> Iterator[Event]:
            if gate.is_set():
                idle.set()
            return super().idle(device, timeout)

        def deadline_s(self, call: Any | None) -> float:
            return 3600.0 if call is None else -1.0

    lane = Lane("lights", lambda: FakeLights(FakeLights.Settings(name=name)), Slow(), reports.post)
    lane.start()
    lane.submit(say(Signal.WELCOME))
    assert begun.wait(PATIENCE_S)
    assert lane.overdue()
    gate.set()
    assert idle.wait(PATIENCE_S)
    assert not lane.overdue()
    lane.ask_to_stop()
    assert lane.join(PATIENCE_S)
