"""The second medium: what lies there makes up the ledger again, whatever came between."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.errors import DeviceLost, DeviceMissing
from firmware_py.backup import KEPT, copies, journals, reach, state_of
from firmware_py.journal import Change
from firmware_py.ledger import Ledger
from firmware_py.recovery import Restored, restore
from firmware_py.terminal.second import FRESH_CHANGES, Append, MakeCopy, SecondMedium, SecondServant
from kiosk.effects import Notice, TellStaff
from kiosk.values import CardId, MemberId
from tests.firmware_py.ledgers import bytes_in, check_in, contents, leave, person


class Stick:
    """A ledger with a second medium that can be pulled out; `lost` changes came while it was away."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state" / "ledger.db"
        self.folder = folder / "stick"
        self.folder.mkdir()
        self.drawer = folder / "drawer"
        self.ledger = Ledger.open(self.path)
        self.ledger.put_members(person(number) for number in range(1, 10))
        self.ledger.hand_on(self._take)
        self.medium: SecondMedium | None = None
        self.servant = SecondServant()
        self.serial = 0

    def _take(self, change: Change) -> None:
        if self.medium is not None:
            list(self.servant.serve(self.medium, Append(change)))

    def open(self) -> SecondMedium:
        self.medium = SecondMedium(self.folder, self.path)
        self.medium.open()
        return self.medium

    def pull(self) -> None:
        assert self.medium is not None
        self.medium.close()
        self.medium = None
        self.folder.rename(self.drawer)

    def plug_in(self) -> SecondMedium:
        self.drawer.rename(self.folder)
        return self.open()

    def visits(self, count: int) -> None:
        for _ in range(count):
            self.serial += 1
            visit = check_in(self.ledger, self.serial, self.serial % 9 + 1)
            leave(self.ledger, visit, self.serial)

    def copied(self) -> None:
        """Let the copy that is wanted be made."""
        assert self.medium is not None
        assert self.medium.copying
        while self.medium.copying:
            list(self.servant.idle(self.medium, 0))

    def brought_back(self, where: Path) -> dict[str, list[tuple[object, ...]]]:
        """Return what would be brought back from what lies on the medium now."""
        shutil.rmtree(where, ignore_errors=True)
        restore(where / "ledger.db", copies(self.folder)[-1], _words)
        return contents(where / "ledger.db", "terminal", "notices", "visits")

    def now(self) -> dict[str, list[tuple[object, ...]]]:
        return contents(self.path, "terminal", "notices", "visits")

    def is_up_to_date(self) -> bool:
        reached = reach(self.folder)
        return reached is not None and reached[0].changes == state_of(self.ledger._connection).changes


def _words(_: Restored) -> TellStaff:
    return TellStaff(Notice.LEDGER_RESTORED)


@pytest.fixture
def stick(tmp_path: Path) -> Iterator[Stick]:
    stick = Stick(tmp_path)
    yield stick
    if stick.medium is not None:
        stick.medium.close()
    stick.ledger.close()


def test_the_first_thing_on_an_empty_medium_is_a_copy(stick: Stick) -> None:
    stick.visits(3)
    stick.open()
    assert (len(copies(stick.folder)), len(journals(stick.folder))) == (1, 1)
    assert stick.is_up_to_date()


def test_each_change_of_whatever_kind_is_there_when_the_method_that_stored_it_returns(stick: Stick, tmp_path: Path) -> None:
    stick.open()
    stick.visits(5)
    stick.ledger.put_members([person(1, "Ada"), person(77, "Grace")])
    stick.ledger.bind_card(CardId("ab" * 32), MemberId("p77"))
    stick.ledger.block_cards([CardId("ab" * 32)])
    stick.ledger.set_key_id("k")
    stick.ledger.tell(TellStaff(Notice.UNKNOWN_CARD))
    check_in(stick.ledger, 99, 77)
    assert stick.is_up_to_date()
    assert len(copies(stick.folder)) == 1
    assert stick.brought_back(tmp_path / "again") == stick.now()


def test_a_medium_that_is_up_to_date_goes_on_with_a_journal_alone(stick: Stick) -> None:
    stick.open()
    stick.visits(5)
    stick.pull()
    stick.plug_in()
    stick.visits(5)
    assert (len(copies(stick.folder)), len(journals(stick.folder))) == (1, 2)
    assert stick.is_up_to_date()


def test_a_medium_that_was_away_while_something_happened_gets_a_copy_at_once(stick: Stick, tmp_path: Path) -> None:
    stick.open()
    stick.visits(5)
    stick.pull()
    stick.visits(5)
    stick.plug_in()
    assert len(copies(stick.folder)) == 2
    stick.visits(2)
    assert stick.brought_back(tmp_path / "again") == stick.now()


def test_a_change_that_was_not_handed_over_is_noticed_by_the_next_one(stick: Stick, tmp_path: Path) -> None:
    medium = stick.open()
    stick.visits(1)
    stick.medium = None
    stick.visits(1)
    stick.medium = medium
    stick.visits(1)
    assert not stick.is_up_to_date(), "a gap was read over"
    stick.copied()
    assert stick.brought_back(tmp_path / "again") == stick.now()


def test_a_change_that_was_not_handed_over_is_noticed_when_nothing_follows(stick: Stick) -> None:
    medium = stick.open()
    stick.medium = None
    stick.visits(1)
    stick.medium = medium
    medium.look()
    assert not medium.copying, "it may be on its way"
    medium.look()
    stick.copied()
    assert stick.is_up_to_date()


def test_changes_that_come_while_a_copy_is_made_are_in_the_journal_after_it(stick: Stick, tmp_path: Path) -> None:
    stick.ledger.put_members(person(number) for number in range(1, 2000))
    medium = stick.open()
    stick.visits(1)
    medium.want_copy()
    rounds = 0
    while medium.copying:
        medium.look()
        rounds += 1
        if rounds < 6:
            stick.visits(1)
    assert rounds > 3, "the copy was made in one go"
    assert len(copies(stick.folder)) == 2
    assert stick.brought_back(tmp_path / "again") == stick.now()


def test_without_a_change_no_copy_is_made(stick: Stick) -> None:
    medium = stick.open()
    list(stick.servant.serve(medium, MakeCopy()))
    assert not medium.copying
    stick.visits(1)
    list(stick.servant.serve(medium, MakeCopy()))
    assert medium.copying


def test_after_many_changes_a_copy_is_made(stick: Stick) -> None:
    medium = stick.open()
    change = Change(state_of(stick.ledger._connection).incarnation, 0, None, b"")
    for number in range(2, FRESH_CHANGES + 1):
        medium.append(Change(change.incarnation, number, None, b""))
    assert not medium.copying
    medium.append(Change(change.incarnation, FRESH_CHANGES + 1, None, b""))
    assert medium.copying


def test_the_last_copies_are_kept_and_the_journal_since_the_oldest_of_them(stick: Stick, tmp_path: Path) -> None:
    medium = stick.open()
    for _ in range(6):
        stick.visits(2)
        medium.want_copy()
        stick.copied()
    stick.visits(2)
    names = [each.name for each in copies(stick.folder)]
    assert names == [f"ledger-{number:06}.db" for number in (5, 6, 7)]
    assert len(names) == KEPT
    assert [each.name for each in journals(stick.folder)] == [f"journal-{number:06}.fj" for number in (5, 6, 7)]
    # Each of them does: the newest may be the one that can't be read.
    for copy in copies(stick.folder):
        where = tmp_path / copy.stem / "ledger.db"
        restore(where, copy, _words)
        assert contents(where, "terminal", "notices", "visits") == stick.now()


def test_a_removed_member_is_gone_from_every_byte_of_the_medium(stick: Stick) -> None:
    stick.ledger.put_members([person(50, "Xerxes")])
    medium = stick.open()
    for _ in range(2):
        stick.ledger.put_members([person(50, f"Xerxes {stick.serial}")])
        stick.visits(1)
        medium.want_copy()
        stick.copied()
    assert b"Xerxes" in bytes_in(stick.folder)
    stick.ledger.remove_member(MemberId("p50"))
    stick.copied()
    assert b"Xerxes" not in bytes_in(stick.folder)
    assert stick.is_up_to_date()


def test_a_member_who_was_removed_while_the_medium_was_away_is_gone_when_it_is_back(stick: Stick) -> None:
    stick.ledger.put_members([person(50, "Xerxes")])
    stick.open()
    stick.visits(1)
    stick.pull()
    stick.ledger.remove_member(MemberId("p50"))
    stick.plug_in()
    assert b"Xerxes" not in bytes_in(stick.folder)


def test_a_copy_that_did_not_come_about_after_a_removal_is_made_at_the_next_opening(stick: Stick) -> None:
    stick.ledger.put_members([person(50, "Xerxes")])
    stick.open()
    stick.ledger.remove_member(MemberId("p50"))  # its change is in the journal, and then the power goes
    stick.pull()
    stick.plug_in()
    assert b"Xerxes" not in bytes_in(stick.folder)


def test_a_folder_that_is_not_there_is_missing_and_never_made(stick: Stick) -> None:
    stick.folder.rename(stick.drawer)
    with pytest.raises(DeviceMissing, match="is not there; plug the second medium in"):
        stick.open()
    assert not stick.folder.exists()
    stick.medium = None


def test_a_medium_whose_files_went_away_is_lost(stick: Stick) -> None:
    medium = stick.open()
    assert medium._journal is not None
    os.close(medium._journal._descriptor)  # what a pulled stick leaves behind: every write fails
    medium._journal._descriptor = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(DeviceLost, match="takes no more: No space left"):
        stick.visits(1)


def test_nobody_waits_for_a_change_that_is_lost() -> None:
    call = Append(Change("x", 1, None, b""))
    assert list(SecondServant().lost(call, None)) == []
    assert call.taken.is_set()
