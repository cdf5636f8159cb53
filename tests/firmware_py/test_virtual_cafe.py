"""The café that is played with: what its power, its disk and its clock do to the terminal, without a page."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import apsw
import pytest

from drivers.errors import ConfigError
from firmware_py.demo import PATIENCE_S, Cafe
from firmware_py.terminal.control import ControlClient
from firmware_py.virtual_cafe import MID_BADGE_ROWS, VirtualCafe
from kiosk.effects import Answer
from kiosk.events import Started
from kiosk.jobs import JobState
from kiosk.signals import Signal


@pytest.fixture
def cafe() -> Iterator[VirtualCafe]:
    with VirtualCafe() as cafe:
        yield cafe


def until_started(cafe: VirtualCafe) -> None:
    assert cafe.ear.until(lambda heard: any(isinstance(what, Started) for what in heard), PATIENCE_S)
    cafe.reader.until_waited_for(PATIENCE_S)


def until_answered(cafe: VirtualCafe, signal: Signal) -> None:
    told = cafe.ear.until(lambda heard: any(isinstance(what, Answer) and what.signal is signal for what in heard), PATIENCE_S)
    assert told, cafe.ear.heard()


def test_the_terminal_of_another_boot_knows_who_came_and_not_what_time_it_is(cafe: VirtualCafe) -> None:
    assert cafe.local_time() is not None
    assert cafe.tap(1).job_state == JobState.CONFIRMED.value
    boot = cafe.terminal.state.visits
    cafe.ear.clear()
    cafe.power_cut()
    assert not cafe.has_power
    assert not cafe.config.control.socket.exists()
    cafe.power_cut()  # what is off can't go off
    cafe.power_on()
    until_started(cafe)
    assert cafe.local_time() is None
    assert cafe.is_here(1)
    (visit,) = cafe.terminal.state.visits.values()
    assert visit.id in boot
    cafe.synchronise()
    assert cafe.local_time() is not None
    with ControlClient(cafe.config.control.socket) as client:
        assert client.call("status")


def test_what_a_terminal_without_power_still_writes_goes_nowhere(cafe: VirtualCafe) -> None:
    cafe.tap(1)
    ledger = cafe.config.ledger.path
    journal = ledger.with_name(f"{ledger.name}-wal")
    before = ledger.read_bytes(), journal.read_bytes()
    assert before[1], "nothing was in the journal"
    cafe.power_cut()
    # A terminal that is closed in order moves its journal into the file.
    assert (ledger.read_bytes(), journal.read_bytes()) == before


def test_a_full_disk_stores_nothing_and_has_room_again(cafe: VirtualCafe) -> None:
    cafe.deeds["fill"]()
    cafe.ear.clear()
    cafe.tap_soon(1)
    until_answered(cafe, Signal.TELL_STAFF)
    assert not cafe.is_here(1)
    cafe.deeds["empty"]()
    cafe.ear.clear()
    cafe.tap_soon(1)
    until_answered(cafe, Signal.WELCOME)
    assert cafe.is_here(1)


def test_a_start_with_a_full_disk_is_a_shut_door_until_there_is_room(cafe: VirtualCafe) -> None:
    cafe.tap(1)
    cafe.deeds["fill"]()
    cafe.power_cut()
    cafe.ear.clear()
    cafe.power_on()
    cafe.reader.until_waited_for(PATIENCE_S)
    cafe.tap_soon(2)
    cafe.lights.until(lambda hand: Signal.TELL_STAFF in hand.signals, PATIENCE_S)
    assert not cafe.is_here(1)
    cafe.deeds["empty"]()
    until_started(cafe)
    assert cafe.is_here(1)


def test_power_that_goes_in_the_middle_of_a_badge_leaves_half_of_it_and_a_question(cafe: VirtualCafe) -> None:
    cafe.printer.power_cut_after(MID_BADGE_ROWS)
    cafe.ear.clear()
    cafe.tap_soon(1)
    until_answered(cafe, Signal.NOT_YET)
    # The printer's own plug went first; the rest of the café follows.
    assert cafe.ear.until(lambda _: cafe.printer.pieces(0) != () and cafe.terminal.state.spool.cause is not None, PATIENCE_S)
    cafe.power_cut()
    cafe.ear.clear()
    cafe.power_on()
    until_started(cafe)
    assert cafe.is_here(1)
    assert cafe.printer.papers == ()
    with ControlClient(cafe.config.control.socket) as client:
        assert client.call("jobs.list")[0]["state"] == "unknown"  # and there is a slip for staff


def test_the_next_morning_comes_after_the_night(cafe: VirtualCafe) -> None:
    evening = cafe.local_time()
    assert evening is not None
    cafe.tap(1)
    cafe.ear.clear()
    cafe.next_morning()
    until_started(cafe)
    cafe.synchronise()
    morning = cafe.local_time()
    assert morning is not None
    assert (morning.hour, morning.minute) == (8, 0)
    assert timedelta() < morning - evening < timedelta(hours=36)
    cafe.ear.clear()
    cafe.tap_soon(1)
    until_answered(cafe, Signal.WELCOME)


def test_the_clock_goes_an_hour_ahead(cafe: VirtualCafe) -> None:
    before = cafe.local_time()
    cafe.jump()
    after = cafe.local_time()
    assert before is not None
    assert after is not None
    assert timedelta(hours=1) <= after - before < timedelta(hours=1, minutes=5)


def test_a_reader_that_was_unplugged_before_a_power_cut_stays_unplugged(cafe: VirtualCafe) -> None:
    cafe.deeds["unplug"]()
    cafe.power_cut()
    cafe.ear.clear()
    cafe.power_on()
    cafe.tap_soon(1)
    assert cafe.troubles == {"unplug"}
    cafe.deeds["plug"]()
    cafe.reader.until_waited_for(PATIENCE_S)
    assert not cafe.is_here(1)
    cafe.tap_soon(1)
    assert cafe.ear.until(lambda _: cafe.is_here(1), PATIENCE_S)


def test_every_deed_can_be_done_twice_with_and_without_power(cafe: VirtualCafe) -> None:
    for deed in (*cafe.deeds, *cafe.deeds):
        cafe.deeds[deed]()
    assert cafe.troubles <= set(cafe.deeds)
    with pytest.raises(LookupError):
        cafe.tap_soon(41)


def test_a_cafe_that_is_closed_leaves_nothing_behind() -> None:
    before = set(threading.enumerate())
    disk = apsw.vfs_details()[0]["zName"]
    with VirtualCafe() as cafe:
        cafe.power_cut()
        folder = cafe.folder
    assert not folder.exists()
    assert apsw.vfs_details()[0]["zName"] == disk
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE_S)
    assert set(threading.enumerate()) <= before
    with pytest.raises(ConfigError):
        VirtualCafe(profile="paper")
    assert apsw.vfs_details()[0]["zName"] == disk


def test_a_cafe_of_its_own_has_hands_of_its_own(cafe: VirtualCafe) -> None:
    with Cafe() as other:
        other.tap(1)
        assert cafe.printer.papers == ()
        assert cafe.printer is not other.printer
