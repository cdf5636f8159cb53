"""What the pages hear and ask of the running terminal, over its socket."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from drivers.buttons.fake import FakeButtons
from drivers.readers.fake import FakeReader
from firmware_py.demo import card_of
from firmware_py.office import CommandError
from firmware_py.terminal.control import ControlClient
from firmware_py.terminal.supervise import Health
from kiosk.effects import Answer, OpenVisit, SetMood, TellStaff
from kiosk.jobs import JobState
from kiosk.signals import Signal
from kiosk.values import Cause, Mood
from tests.firmware_py.terminal.harness import PATIENCE_S, Door, person
from tests.rigs.disk import simulated_disk

Event = dict[str, Any]


def watching(door: Door) -> ControlClient:
    """Return a client that watches by now, and is told of nothing that comes of the start."""
    for lane in door.terminal._supervisor.watched:
        door.until_health(lane, Health.UP)
    client = door.client()
    client.watch()
    client.call("status")
    return client


def until(watcher: ControlClient, seen: Callable[[Event], bool]) -> list[Event]:
    """Return what a watcher is told, up to what is waited for."""
    heard = [watcher.next_event()]
    while not seen(heard[-1]):
        heard.append(watcher.next_event())
    return heard


def page(signal: Signal) -> Callable[[Event], bool]:
    return lambda event: event["kind"] == "Shown" and event["signal"] == signal


# What is told


def test_a_tap_is_shown_at_once_and_again_when_the_match_is_known(tmp_path: Path) -> None:
    with Door(tmp_path) as door, watching(door) as watcher:
        door.tap(1)
        first = until(watcher, page(Signal.NOT_YET))
        visit = door.visit(1)
        assert visit is not None
        shown = [event for event in first if event["kind"] == "Shown"]
        assert [(event["signal"], event["visit"], event["name"]) for event in shown] == [
            ("welcome", visit.id, "Person 1"),
            ("not_yet", visit.id, "Person 1"),
        ]
        assert (shown[1]["zone"], shown[1]["partner"], shown[1]["can_choose"]) == (visit.zone, None, True)
        assert shown[1]["starter"]
        door.tap(2)
        met = until(watcher, page(Signal.INTRODUCED))[-1]
        badge = door.queued()[-1].badge
        assert badge is not None
        assert badge.introduction is not None
        told = badge.introduction
        assert (met["partner"], met["reason"], met["starter"]) == (told.partner, told.reason, told.starter)
        assert (met["reader"], met["language"], met["zone"]) == ("door", "en", "library")


def test_what_changed_is_said_once_for_all_of_it_and_reading_changes_nothing(tmp_path: Path) -> None:
    # Without a trusted clock no minute passes, which is a change too.
    with Door(tmp_path, trust=False) as door, watching(door) as watcher:
        door.tap(1)
        until(watcher, lambda event: event["kind"] == "SetJob" and event["state"] == "confirmed")
        until(watcher, lambda event: event["kind"] == "Changed")
        for command in ("scene", "visits.list", "jobs.list", "notices.list", "faults.list", "introductions.list"):
            door.call(command)
        door.touch("04aabbccddeeff")
        heard = until(watcher, lambda event: event["kind"] == "Changed")
        assert [event["kind"] for event in heard if event["kind"] == "Changed"] == ["Changed"]
        assert any(event["kind"] == "TellStaff" for event in heard), "an answer was said to have changed something"


@pytest.mark.parametrize("command", ["notices.resolve", "members.remove"])
def test_what_staff_changes_without_the_door_is_told_too(tmp_path: Path, command: str) -> None:
    with Door(tmp_path) as door, watching(door) as watcher:
        door.touch("04aabbccddeeff")
        until(watcher, lambda event: event["kind"] == "TellStaff")
        until(watcher, lambda event: event["kind"] == "Changed")
        (notice,) = until_notices(door, 1)
        door.call(command, **({"notice": notice["id"]} if command == "notices.resolve" else {"member": "p9"}))
        until(watcher, lambda event: event["kind"] == "Changed")


def test_a_device_that_goes_is_told_and_remembered(tmp_path: Path) -> None:
    with Door(tmp_path) as door, watching(door) as watcher:
        assert door.call("faults.list") == []
        assert door.call("scene")["trouble"] is None
        door.reader.unplug()
        door.until_health("reader door", Health.DOWN)
        until(watcher, lambda event: event["kind"] == "Changed")
        scene = door.call("scene")
        assert (scene["open"], scene["trouble"]) == (False, "no_reader")
        (fault,) = door.call("faults.list")
        assert (fault["device"], fault["until_s"]) == ("reader door", None)
        assert fault["trouble"]
        door.reader.plug()
        door.until_health("reader door", Health.UP)
        (fault,) = door.call("faults.list")
        assert 0 <= fault["until_s"] <= fault["from_s"]


# The scene


def test_the_scene_has_the_room_and_nobody_in_it(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        door.tap(1)
        door.until_jobs(JobState.CONFIRMED)
        scene = door.call("scene")
        assert "Person" not in str(scene)
        assert "p1" not in str(scene)
        assert (scene["cafe"], scene["language"], scene["open"], scene["here"]) == ("Kafé Provet", "en", True, 1)
        assert scene["printer"] == {"prints": True, "cause": None, "paper_low": False}
        assert [(zone["id"], zone["here"], zone["direction"]) for zone in scene["zones"]] == [
            ("library", 1, None),
            ("window", 0, None),
        ]
        assert (scene["moods"], scene["choices"], scene["events"]) == (["introduce", "group", "coffee"], {}, [])
        assert len(scene["day"]) == len("2026-11-22")


def test_without_a_trusted_clock_there_is_no_day(tmp_path: Path) -> None:
    with Door(tmp_path, trust=False) as door:
        assert door.call("scene")["day"] is None
        door.tap(1)
        door.until_jobs(JobState.CONFIRMED)
        figures = door.call("figures.evening")
        assert (figures["checkins"], figures["quarter_hours"]) == (1, [])


# Who is here


def test_staff_sees_who_is_here_whom_they_met_and_who_waits(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        door.tap(1)
        door.until_answered(Signal.NOT_YET)
        (first,) = door.call("visits.list")
        assert (first["member"], first["name"], first["waits"], first["introduced_to"]) == ("p1", "Person 1", True, [])
        began = time.monotonic()
        door.tap(2)
        door.until_answered(Signal.INTRODUCED)
        both = door.call("visits.list")
        assert [(each["member"], each["waits"], each["introduced_to"]) for each in both] == [
            ("p1", False, []),
            ("p2", False, ["Person 1"]),
        ]
        assert 0 <= both[1]["since_s"] <= time.monotonic() - began
        assert {each["door"] for each in both} == {door.config.ledger.terminal}
        (met,) = door.call("introductions.list")
        assert (met["member"], met["partner"], met["partner_name"], met["zone"]) == ("p2", "p1", "Person 1", "library")
        badge = door.queued()[-1].badge
        assert badge is not None
        assert badge.introduction is not None
        assert met["reason"] == badge.introduction.reason
        assert 0 <= met["age_s"] <= time.monotonic() - began


def test_the_day_is_counted(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        door.tap(1)
        door.until_jobs(JobState.CONFIRMED)
        door.tap(2)
        door.until_jobs(JobState.CONFIRMED, 2)
        door.call("visits.leave", member="p1")
        figures = door.call("figures.evening")
        quarters = figures.pop("quarter_hours")
        assert figures == {"checkins": 2, "introductions": 1, "badges": 2, "copies": 0, "longest_queue": 1}
        assert (quarters[-1]["here"], sum(each["checkins"] for each in quarters)) == (1, 2)
        assert 1 <= len(quarters) <= 2


# Moods


def test_a_mood_chosen_on_the_page_is_for_who_tapped_last(tmp_path: Path) -> None:
    with Door(tmp_path) as door, watching(door) as watcher:
        door.tap(1)
        door.until_answered(Signal.NOT_YET)
        assert door.call("moods.choose", mood="coffee") == {"applied": "visit"}
        noted = until(watcher, page(Signal.ALREADY_HERE))[-1]
        visit = door.visit(1)
        assert visit is not None
        assert (visit.mood, noted["visit"]) == (Mood.COFFEE, visit.id)


def test_a_mood_chosen_on_a_visitors_own_page_is_for_their_visit_or_for_nobody(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        door.tap(1)
        door.until_answered(Signal.NOT_YET)
        own = door.visit(1)
        assert own is not None
        assert door.call("moods.choose", mood="group", ahead=True) == {"applied": "next"}
        assert door.call("moods.choose", mood="coffee", visit=own.id, reader="door") == {"applied": "visit"}
        door.call("visits.leave", member="p1")
        with pytest.raises(CommandError, match="has ended; hold the card to the reader again"):
            door.call("moods.choose", mood="coffee", visit=own.id)
        with pytest.raises(CommandError, match="there is no reader 'shed'; there are door"):
            door.call("moods.choose", mood="coffee", reader="shed")


def test_a_mood_chosen_before_a_tap_waits_for_it_and_can_be_taken_back(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        assert door.call("moods.choose", mood="group") == {"applied": "next"}
        assert door.call("scene")["choices"] == {"door": "group"}
        door.call("moods.forget")
        assert door.call("scene")["choices"] == {}
        door.call("moods.choose", mood="coffee")
        door.tap(3)
        (opened,) = door.seen.until(OpenVisit)
        assert opened.visit.mood is Mood.COFFEE
        assert door.call("scene")["choices"] == {}


def test_a_choice_waits_on_when_the_tap_that_took_it_could_not_be_stored(tmp_path: Path) -> None:
    with simulated_disk() as disk, Door(tmp_path) as door:
        door.call("moods.choose", mood="coffee")
        disk.fault, disk.fault_at = apsw.FullError, "-wal"
        door.tap(1)
        door.until_answered(Signal.TELL_STAFF)
        disk.fault = None
        door.tap(1)
        (opened,) = door.seen.until(OpenVisit)
        assert opened.visit.mood is Mood.COFFEE


def test_a_choice_that_waits_covers_nobodys_page(tmp_path: Path) -> None:
    with Door(tmp_path) as door, watching(door) as watcher:
        door.call("moods.choose", mood="group")
        door.tap(1)
        heard = until(watcher, page(Signal.WELCOME))
        assert next(event["signal"] for event in heard if event["kind"] == "Answer") == "use_card"
        assert len([event for event in heard if event["kind"] == "Shown"]) == 1


def test_a_mood_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with Door(tmp_path) as door, pytest.raises(CommandError, match=r"moods\.choose: Invalid enum value 'tea'"):
        door.call("moods.choose", mood="tea")


def test_a_button_does_what_the_page_does(tmp_path: Path) -> None:
    buttons = f'[buttons]\ndriver = "fake"\nname = "{tmp_path}"\n'
    with Door(tmp_path, record=buttons) as door:
        hand = FakeButtons.hand(str(tmp_path))
        hand.until_waited_for(PATIENCE_S)
        door.tap(1)
        door.until_answered(Signal.NOT_YET)
        hand.press(Mood.COFFEE)
        (noted,) = door.seen.until(SetMood)
        assert noted.mood is Mood.COFFEE
        hand.hold(Mood.GROUP)
        door.seen.until(SetMood, lambda each: each.mood is Mood.GROUP)
        hand.unplug()
        door.until_health("buttons", Health.DOWN)
        hand.plug()
        # It is still held down: a fault that is told once, not a press each time that the buttons are opened.
        assert [fault["device"] for fault in door.call("faults.list")] == ["buttons"]
        hand.let_go(Mood.GROUP)
        door.until_health("buttons", Health.UP)
        assert len(door.seen.of(SetMood)) == 2
        door.tap(2)
        door.until_answered(Signal.WELCOME, 2)


def test_at_two_readers_two_choose_at_once_by_button_and_on_the_page_and_each_gets_their_own(tmp_path: Path) -> None:
    more = f'[reader.back]\ndriver = "fake"\nname = "{tmp_path}/back"\n[buttons]\ndriver = "fake"\nname = "{tmp_path}"\n'
    with Door(tmp_path, record=more) as door:
        back, buttons = FakeReader.hand(f"{tmp_path}/back"), FakeButtons.hand(str(tmp_path))
        back.until_waited_for(PATIENCE_S)
        buttons.until_waited_for(PATIENCE_S)
        # The buttons stand by the reader that the configuration names first.
        first, second = door.config.readers
        hands = {"door": door.reader, "back": back}
        buttons.press(Mood.COFFEE)
        door.seen.until(Answer, lambda answer: answer.signal is Signal.USE_CARD)
        assert door.call("moods.choose", mood="group", reader=second, ahead=True) == {"applied": "next"}
        assert door.call("moods.choose", mood="introduce") == {"applied": "next"}
        assert door.call("scene")["choices"] == {first: "coffee", second: "group", "": "introduce"}
        door.call("moods.forget")
        with pytest.raises(CommandError, match="there is no reader 'shed'; there are"):
            door.call("moods.forget", reader="shed")
        assert door.call("scene")["choices"] == {first: "coffee", second: "group"}
        hands[second].tap(card_of(2))
        door.seen.until(OpenVisit)
        hands[first].tap(card_of(1))
        moods = {opened.visit.member.id: opened.visit.mood for opened in door.seen.until(OpenVisit, count=2)}
        assert moods == {"p2": Mood.GROUP, "p1": Mood.COFFEE}
        assert door.call("scene")["choices"] == {}


# Jobs and notices


def test_a_badge_is_reprinted_as_a_copy_and_the_list_says_what_can_be_done(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        began = time.monotonic()
        door.tap(1)
        door.until_jobs(JobState.CONFIRMED)
        (job,) = door.call("jobs.list")
        assert (job["name"], job["can"], job["copy"]) == ("Person 1", ["reprint"], False)
        assert 0 <= job["age_s"] <= time.monotonic() - began
        copy = door.call("jobs.reprint", job=job["job"])["copy"]
        door.until_jobs(JobState.CONFIRMED, 2)
        first, second = door.call("jobs.list")
        assert (first["can"], second["job"], second["copy"]) == ([], copy, True)
        assert door.call("figures.evening")["copies"] == 1
        with pytest.raises(CommandError, match="says what holds no more: its visitor got another one"):
            door.call("jobs.reprint", job=job["job"])
        with pytest.raises(CommandError, match="there is no badge x whose words are still kept"):
            door.call("jobs.reprint", job="x")


def test_a_badge_that_waits_is_not_reprinted(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        door.printer.paper_out()
        door.until_printer(Cause.PAPER_OUT)
        door.tap(1)
        door.until_answered(Signal.NOT_YET)
        (job,) = door.call("jobs.list")
        assert (job["state"], job["can"]) == ("queued", [])
        with pytest.raises(CommandError, match="can't be reprinted: it is queued"):
            door.call("jobs.reprint", job=job["job"])


def until_notices(door: Door, count: int) -> list[dict[str, Any]]:
    """Wait until so many notices are open."""
    door.seen.until(TellStaff, count=count)
    found: list[dict[str, Any]] = door.call("notices.list")
    return found


def test_a_notice_says_what_happened_and_what_to_do(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        door.touch("04aabbccddeeff")
        (notice,) = until_notices(door, 1)
        assert notice["words"] == "An unknown card was held to the reader."
        assert notice["do"].startswith("Help the visitor: type 'fikatap cards enrol MEMBER'")


# A person's rights, and finding them


def test_a_member_is_found_by_part_of_name_or_id_in_capitals_or_not(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        assert [each["id"] for each in door.call("members.search", text="PERSON 11")] == ["p11"]
        assert [each["id"] for each in door.call("members.search", text="p1")] == ["p1", "p10", "p11", "p12"]
        assert door.call("members.search", text="  ") == []
        assert len(door.call("members.search", text="p")) == 12
        assert door.call("members.search", text="100%_\\") == []


def test_an_export_holds_all_of_one_person_and_nothing_of_others(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        door.tap(1)
        door.until_jobs(JobState.CONFIRMED)
        door.tap(2)
        door.until_jobs(JobState.CONFIRMED, 2)
        exported = door.call("members.export", member="p2")
        assert exported["profile"]["first_name"] == "Person 2"
        assert len(exported["cards"]) == 1
        assert len(exported["cards"][0]["card"]) == 8
        (visit,) = exported["visits"]
        assert (visit["zone"], visit["mood"], visit["ends_utc_ms"]) == ("library", "introduce", None)
        (met,) = exported["introductions"]
        badge = door.queued()[-1].badge
        assert badge is not None
        assert badge.introduction is not None
        assert (met["way"], met["zone"]) == ("own", "library")
        assert met["reason"] == badge.introduction.reason.replace("Person 1", "…")
        assert [badge["state"] for badge in exported["badges"]] == ["confirmed"]
        assert {"MatchAnswered", "CardTapped"} <= {event["kind"] for event in exported["events"]}
        assert "Person 1" not in str(exported)
        assert "p1" not in str(exported).replace("p1-", "")
        (theirs,) = door.call("members.export", member="p1")["introductions"]
        assert (theirs["way"], theirs["reason"]) == ("sent", None)
        with pytest.raises(CommandError, match="there is no member 'p99'"):
            door.call("members.export", member="p99")


def test_a_tap_is_answered_while_somebody_reads(tmp_path: Path) -> None:
    with Door(tmp_path) as door, door.client() as one:
        for _ in range(5):
            one.call("members.search", text="person")
        door.reader.tap(card_of(1))
        door.until_answered(Signal.WELCOME)
        assert person(1).id == one.call("members.search", text="p1")[0]["id"]
