"""What happens to readers: their daemon dies or hangs, their cable comes out, cards are swapped behind their back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from math import inf
from pathlib import Path
from typing import Any

import pytest

from firmware_py.office import open_office
from tests.acceptance.box import PATIENCE_S, Box
from tests.rigs.cards import VirtualCard
from tests.rigs.pcsc import PrivatePcscd
from tests.rigs.pins import PinBoard
from tests.rigs.pn532 import Pn532

PCSC = '[reader.door]\ndriver = "pcsc"\n'
BACK_S = 1.0
"""How long a reader may be away after its daemon is there again."""
TRIES = 3
"""How often that is tried where it is not so at once."""
RESTART = 75
"""The exit code at which systemd starts the terminal anew."""


def uid(number: int) -> bytes:
    return bytes([4, 0xC0, 0xFF, 0xEE, 0]) + number.to_bytes(2)


def card(number: int, **traits: Any) -> VirtualCard:
    return VirtualCard(uid(number), **traits)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[PrivatePcscd]:
    with PrivatePcscd(tmp_path) as pcscd:
        yield pcscd


@contextmanager
def terminal(folder: Path, daemon: PrivatePcscd, *, people: int = 3, readers: str = PCSC) -> Iterator[Box]:
    """A terminal that is not started yet, for people who only check in, whose cards are numbered from 0."""
    with PinBoard(folder) as pins, Box(folder, readers, {**daemon.environment, **pins.environment}) as box:
        members = folder / "members.csv"
        lines = (f"p{number},Anna,sv,no\n" for number in range(people))
        members.write_text("id,first_name,language,consent_introductions\n" + "".join(lines), encoding="utf-8")
        box.fikatap("members", "import", str(members))
        with open_office(box.config) as office:
            for number in range(people):
                office.call("cards.bind", member=f"p{number}", uid=uid(number).hex())
        yield box


def until_welcomed(box: Box, count: int) -> None:
    """Wait until so many were welcomed, and nobody was told anything else."""
    box.until(lambda _: len(box.answers()) >= count, f"{count} answers")
    assert box.answers() == ["welcome"] * count


def said(box: Box, name: str) -> list[str]:
    """What the journal says of a device in the café's language, without why."""
    words = {"är igång:": "is open", "är borta": "is gone", "är igång igen:": "is back", "kommer och går": "comes and goes"}
    lines = [line.removeprefix(f"{name} ") for line in box.journal.splitlines() if line.startswith(f"{name} ")]
    return [next((word for begins, word in words.items() if line.startswith(begins)), line) for line in lines]


def test_a_reader_is_back_within_a_second_of_its_daemon_and_a_card_already_lying_there_is_read_once(
    tmp_path: Path, daemon: PrivatePcscd
) -> None:
    with terminal(tmp_path, daemon, people=2 + 7 * TRIES) as box:
        box.start()
        box.until_device("reader door", "up")
        daemon.touch(card(0))
        until_welcomed(box, 1)
        # It lies there still when the daemon is back, and is not read again.
        daemon.kill()
        box.until_device("reader door", "down")
        daemon.start()
        box.until_device("reader door", "up")
        numbers = count(1)

        def come_back(away_s: float) -> float:
            """Kill the daemon, let it be away, and return how long after its start a card was read that lay there."""
            daemon.kill()
            box.until_device("reader door", "down")
            time.sleep(away_s)
            # Another card is laid down while nobody looks.
            number = next(numbers)
            daemon.touch(card(number))
            daemon.start()
            began = time.monotonic()
            until_welcomed(box, number + 1)
            return time.monotonic() - began

        took = []
        # The reader is tried again and again: however long the daemon is away, it must not be missed for long.
        for away_s in (0.0, 0.1, 0.3, 0.5, 0.7, 1.2, 2.0):
            # Others use the machine, too: the best of three counts.
            tries = (come_back(away_s) for _ in range(TRIES))
            took.append(next((each for each in tries if each < BACK_S), inf))
        print("seconds from daemon to check-in:", [round(each, 3) for each in took])
        assert max(took) < BACK_S
        last = next(numbers)
        daemon.tap(card(last))
        until_welcomed(box, last + 1)
        assert box.status()["here"] == last + 1


def test_while_its_daemon_hangs_the_door_goes_on_with_what_is_left_and_restarts_once(
    tmp_path: Path, daemon: PrivatePcscd
) -> None:
    with Pn532() as till:
        readers = PCSC + f'[reader.till]\ndriver = "pn532"\npath = "{till.path}"\n'
        with terminal(tmp_path, daemon, people=5, readers=readers) as box:
            box.start()
            for name in ("reader door", "reader till"):
                box.until_device(name, "up")
            daemon.freeze()
            till.tap(card(0))
            until_welcomed(box, 1)
            assert box.ended() == RESTART

            box.start()
            box.until_device("reader till", "up")
            till.tap(card(1))
            box.call("visits.checkin", member="p2")
            box.until_device("reader door", "failed")
            till.tap(card(3))
            until_welcomed(box, 4)
            daemon.resume()
            box.until_device("reader door", "up")
            daemon.tap(card(4))
            until_welcomed(box, 5)
            assert box.status()["here"] == 5
            assert box.journal.count("Terminalen startar om en gång") == 1
            assert box.stop() == 0


def test_cards_swapped_while_the_terminal_was_busy_are_both_seen(tmp_path: Path, daemon: PrivatePcscd) -> None:
    with terminal(tmp_path, daemon, people=40) as box:
        box.start()
        box.until_device("reader door", "up")
        for number in range(0, 40, 2):
            first = card(number)
            daemon.touch(first)
            assert first.read.wait(PATIENCE_S)
            # Read, and not decided yet; the next card lies there when the terminal comes to.
            with box.frozen():
                daemon.touch(card(number + 1))
            until_welcomed(box, number + 2)
        assert box.status()["here"] == 40


@pytest.mark.timeout(600)
def test_a_thousand_taps_are_a_thousand_check_ins(tmp_path: Path, daemon: PrivatePcscd) -> None:
    with terminal(tmp_path, daemon, people=1000) as box:
        box.start()
        box.until_device("reader door", "up")
        began = time.monotonic()
        for number in range(1000):
            tapped = card(number)
            daemon.touch(tapped)
            assert tapped.read.wait(PATIENCE_S)
            daemon.lift()
        until_welcomed(box, 1000)
        print(f"{1000 / (time.monotonic() - began):.1f} taps/s")
        assert box.status()["here"] == 1000
        assert box.stop() == 0
        box.start()
        assert box.status()["here"] == 1000


def test_a_reader_that_is_unplugged_and_plugged_in_is_told_of_once_each_time(tmp_path: Path, daemon: PrivatePcscd) -> None:
    with terminal(tmp_path, daemon) as box:
        box.start()
        box.until_device("reader door", "up")
        daemon.unplug()
        box.until_device("reader door", "down")
        daemon.plug()
        box.until_device("reader door", "up")
        daemon.tap(card(0))
        until_welcomed(box, 1)
        assert said(box, "Kortläsare door") == ["is open", "is gone", "is back"]


def test_a_reader_that_its_daemon_does_not_know_any_more_is_opened_when_it_does(tmp_path: Path, daemon: PrivatePcscd) -> None:
    with terminal(tmp_path, daemon) as box:
        box.start()
        box.until_device("reader door", "up")
        daemon.kill()
        daemon.start(reader=False)
        deadline = time.monotonic() + PATIENCE_S
        while "pcscd knows none" not in str(box.status()):
            assert time.monotonic() < deadline, box.status()
        daemon.kill()
        daemon.start()
        box.until_device("reader door", "up")
        daemon.tap(card(0))
        until_welcomed(box, 1)
        assert said(box, "Kortläsare door") == ["is open", "is gone", "is back"]


def test_a_pn532_whose_cable_was_out_is_told_of_once_each_time(tmp_path: Path, daemon: PrivatePcscd) -> None:
    # A name of its own, as udev gives one, that shows the line as long as it is there.
    name = tmp_path / "reader"
    with Pn532() as chip:
        name.symlink_to(chip.path)
        with terminal(tmp_path, daemon, readers=f'[reader.door]\ndriver = "pn532"\npath = "{name}"\n') as box:
            box.start()
            box.until_device("reader door", "up")
            chip.tap(card(0))
            until_welcomed(box, 1)  # or the line may take the card's last answer with it
            name.unlink()
            chip.vanish()
            box.until_device("reader door", "down")
            with Pn532() as again:
                name.symlink_to(again.path)
                box.until_device("reader door", "up")
                again.tap(card(1))
                until_welcomed(box, 2)
            box.until_device("reader door", "down")
            assert said(box, "Kortläsare door") == ["is open", "is gone", "is back", "comes and goes"]
