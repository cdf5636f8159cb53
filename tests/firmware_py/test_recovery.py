from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

import apsw
import msgspec
import pytest

from firmware_py.backup import BackupError, copies, copy_now, journals
from firmware_py.database import COUNTED, OLDEST, STEPS, migrate, version_of
from firmware_py.journal import Change, JournalFile
from firmware_py.ledger import Ledger, LedgerError, LedgerInUse
from firmware_py.recovery import (
    LedgerLost,
    Restored,
    begin_anew,
    in_words,
    mark_damaged,
    open_ledger,
    require_sound,
    restore,
)
from firmware_py.terminal.second import SecondMedium
from firmware_py.texts import load_texts
from kiosk.effects import Notice, TellStaff
from kiosk.jobs import JobState
from kiosk.values import Language
from tests.firmware_py.ledgers import EPOCH_MS, check_in, contents, job_of, leave, person


class Cafe:
    """A ledger that is closed, with its second medium; what was brought back is in `told`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "state" / "ledger.db"
        self.second = folder / "stick"
        self.second.mkdir()
        self.told: list[Restored] = []
        self.ledger = Ledger.open(self.path)
        self.ledger.put_members(person(number) for number in range(1, 300))
        self.ledger.close()
        self.go_on()

    def go_on(self) -> None:
        """Open both, as a start does."""
        self.ledger = Ledger.open(self.path)
        self.medium = SecondMedium(self.second, self.path)
        self.medium.open()
        self.ledger.hand_on(self.medium.append)

    def work(self, first: int, last: int) -> None:
        for serial in range(first, last + 1):
            visit = check_in(self.ledger, serial, serial % 200 + 1)
            if serial % 3:
                leave(self.ledger, visit, serial)

    def close(self) -> None:
        self.medium.close()
        self.ledger.close()

    def words(self, restored: Restored) -> TellStaff:
        self.told.append(restored)
        return TellStaff(Notice.LEDGER_RESTORED_PART, detail=f"{restored.missing} missing")

    def open(self) -> Ledger:
        self.ledger = open_ledger(self.path, "t1", self.second, self.words)
        return self.ledger


@pytest.fixture
def cafe(tmp_path: Path) -> Iterator[Cafe]:
    cafe = Cafe(tmp_path)
    cafe.work(1, 20)
    yield cafe
    cafe.close()


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    return contents(path, "terminal", "notices", "visits")


def overwrite(path: Path, place: int, what: bytes = b"\xa5" * 600) -> None:
    data = bytearray(path.read_bytes())
    data[place : place + len(what)] = what
    path.write_bytes(data)


def trash(path: Path) -> None:
    path.write_bytes(b"\xa5" * 8192)


def no_header(path: Path) -> None:
    overwrite(path, 0, bytes(100))


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:4096])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def gone(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("accident", [trash, no_header, cut_short, empty, gone])
def test_a_lost_ledger_comes_back_with_all_that_was_acknowledged(cafe: Cafe, accident: object) -> None:
    before = rows(cafe.path)
    prefix = cafe.ledger.prefix
    cafe.close()
    assert callable(accident)
    accident(cafe.path)
    found = cafe.path.read_bytes() if cafe.path.exists() else None
    ledger = cafe.open()
    assert rows(cafe.path) == before
    assert ledger.prefix != prefix, "ids of the lost ledger may be given twice"
    assert [(each.notice, each.detail) for each in ledger.notices()] == [("ledger_restored_part", "None missing")]
    aside = [each.read_bytes() for each in cafe.path.parent.glob("ledger.db.damaged-*")]
    assert found is None or found in aside, "what was found is not kept"
    check_in(ledger, 900, 5)


def test_the_next_start_finds_nothing_to_bring_back(cafe: Cafe) -> None:
    cafe.close()
    trash(cafe.path)
    cafe.open().close()
    first = rows(cafe.path)
    cafe.open()
    assert len(cafe.told) == 1
    assert rows(cafe.path) == first


def test_what_a_restart_was_for_is_brought_back_although_it_looks_sound(cafe: Cafe) -> None:
    before = rows(cafe.path)
    cafe.close()
    mark_damaged(cafe.path, "page 7 is in two trees")
    ledger = cafe.open()
    assert rows(cafe.path) == before
    assert [each.missing for each in cafe.told] == [0]
    assert not cafe.path.with_name("ledger.db.damaged").exists()
    assert all(visit.confirmed for visit in ledger.started().visits), "nothing is missing: who is here is known"


def test_the_lost_ledger_s_own_journal_does_not_get_into_the_new_one(cafe: Cafe, tmp_path: Path) -> None:
    shutil.copytree(cafe.path.parent, tmp_path / "cut")
    assert (tmp_path / "cut" / "ledger.db-wal").stat().st_size > 50_000, "all is in the file already"
    cafe.work(21, 40)
    after = rows(cafe.path)
    cafe.close()
    shutil.rmtree(cafe.path.parent)
    (tmp_path / "cut").rename(cafe.path.parent)
    mark_damaged(cafe.path, "x")
    cafe.open()
    assert rows(cafe.path) == after


def test_events_that_the_second_medium_has_not_are_counted(cafe: Cafe) -> None:
    cafe.ledger.hand_on(lambda _: None)  # a slow stick, and then the card
    cafe.work(21, 23)
    cafe.close()
    mark_damaged(cafe.path, "x")
    ledger = cafe.open()
    assert cafe.told[0].missing == 5
    assert cafe.told[0].until_ms == EPOCH_MS + 20_000
    assert all(not visit.confirmed for visit in ledger.started().visits), "who is here is not known"


def test_what_comes_after_a_gap_in_the_journal_is_not_done_on_top_of_it(cafe: Cafe) -> None:
    before = rows(cafe.path)
    cafe.ledger.hand_on(lambda _: None)
    check_in(cafe.ledger, 50, 100)
    cafe.ledger.hand_on(cafe.medium.append)
    check_in(cafe.ledger, 51, 101)
    cafe.close()
    mark_damaged(cafe.path, "x")
    cafe.open()
    assert rows(cafe.path) == before
    assert cafe.told[0].missing == 2


def test_after_a_gap_no_badge_is_printed_that_may_be_on_paper_and_no_match_made_anew(cafe: Cafe) -> None:
    came = check_in(cafe.ledger, 30, 7)
    job = job_of(came, 31)
    check_in(cafe.ledger, 32, 8, job=job)
    cafe.close()
    trash(cafe.path)
    started = cafe.open().started()
    assert (started.owed, [each.state for each in started.jobs]) == ((), [JobState.SENDING])


def test_a_card_that_only_said_that_it_had_written_is_found_out(cafe: Cafe, tmp_path: Path) -> None:
    cafe.close()
    earlier = tmp_path / "earlier.db"
    shutil.copy(cafe.path, earlier)
    cafe.go_on()
    cafe.work(21, 25)
    before = rows(cafe.path)
    cafe.close()
    shutil.copy(earlier, cafe.path)
    cafe.open()
    assert rows(cafe.path) == before


def test_where_the_newest_copy_is_damaged_the_one_before_does_with_a_longer_journal(cafe: Cafe) -> None:
    cafe.medium.want_copy()
    while cafe.medium.copying:
        cafe.medium.look()
    cafe.work(21, 25)
    before = rows(cafe.path)
    cafe.close()
    trash(cafe.path)
    trash(copies(cafe.second)[-1])
    cafe.open()
    assert rows(cafe.path) == before
    assert cafe.told[0].copy == copies(cafe.second)[0]


def test_a_journal_with_a_torn_end_is_done_as_far_as_it_goes(cafe: Cafe) -> None:
    cafe.close()
    journal = journals(cafe.second)[-1]
    journal.write_bytes(journal.read_bytes()[:-10])
    mark_damaged(cafe.path, "x")
    cafe.open()
    assert cafe.told[0].missing == 1


def test_without_a_second_medium_it_does_not_begin_empty_and_says_how_to_go_on(cafe: Cafe) -> None:
    cafe.close()
    trash(cafe.path)
    with pytest.raises(LedgerLost, match=r"no second medium is configured .* 'fikatap venue restore FILE', or .* start-empty"):
        open_ledger(cafe.path, "t1", None, cafe.words)
    assert cafe.path.read_bytes() == b"\xa5" * 8192


def test_without_a_good_copy_it_does_not_begin_empty(cafe: Cafe) -> None:
    cafe.close()
    trash(cafe.path)
    trash(copies(cafe.second)[0])
    with pytest.raises(LedgerLost, match="there is no good copy in"):
        cafe.open()
    assert cafe.path.read_bytes() == b"\xa5" * 8192


def test_a_second_medium_that_is_not_plugged_in_yet_is_waited_for(cafe: Cafe, tmp_path: Path) -> None:
    before = rows(cafe.path)
    cafe.close()
    trash(cafe.path)
    cafe.second.rename(tmp_path / "drawer")
    with pytest.raises(LedgerError, match="plug it in") as told:
        cafe.open()
    assert not isinstance(told.value, LedgerLost), "no restart would help"
    (tmp_path / "drawer").rename(cafe.second)
    cafe.open()
    assert rows(cafe.path) == before


def test_a_key_without_its_ledger_is_no_new_cafe(tmp_path: Path) -> None:
    (tmp_path / "venue.key").touch()
    with pytest.raises(LedgerLost, match=r"it is gone, but .*venue\.key is there"):
        open_ledger(tmp_path / "ledger.db", "t1", None, lambda _: TellStaff(Notice.LEDGER_RESTORED))
    assert not (tmp_path / "ledger.db").exists()


@pytest.mark.parametrize("left", [None, b""])
def test_where_nothing_ever_was_a_new_ledger_begins(tmp_path: Path, left: bytes | None) -> None:
    if left is not None:
        (tmp_path / "ledger.db").write_bytes(left)  # the power went while it was made
    ledger = open_ledger(tmp_path / "ledger.db", "t1", None, lambda _: TellStaff(Notice.LEDGER_RESTORED))
    assert ledger.notices() == []
    ledger.close()


def test_a_ledger_that_is_all_in_its_own_journal_still_is_one(tmp_path: Path) -> None:
    """After a power cut before the first tidying up the file may be empty, and all be in the journal beside it."""
    code = (
        "import os, pathlib, sys; from firmware_py.ledger import Ledger; from tests.firmware_py.ledgers import person\n"
        "l = Ledger.open(pathlib.Path(sys.argv[1])); l.put_members([person(1)]); os._exit(0)"
    )
    path = tmp_path / "ledger.db"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    assert path.with_name("ledger.db-wal").stat().st_size > 0
    ledger = open_ledger(path, "t1", None, lambda _: TellStaff(Notice.LEDGER_RESTORED))
    assert ledger.counts()["members"] == 1
    ledger.close()


def test_commands_make_no_empty_ledger_in_the_place_of_a_lost_one(cafe: Cafe) -> None:
    cafe.close()
    require_sound(cafe.path, cafe.second)
    gone(cafe.path)
    with pytest.raises(LedgerError, match="'systemctl start fikatap' brings it back"):
        require_sound(cafe.path, cafe.second)
    assert not cafe.path.exists()


def nothing_new(path: Path) -> None:
    """Leave the ledger as it was when the copy was made: all that came after has never reached the disk."""
    assert path.exists()


@pytest.mark.parametrize("accident", [trash, gone, nothing_new])
def test_a_copy_from_before_an_update_is_brought_on_by_its_journal_and_then_migrated(
    tmp_path: Path, accident: Callable[[Path], None]
) -> None:
    """The stick was away when the new release migrated the ledger, or the power went before."""
    path, second = tmp_path / "ledger.db", tmp_path / "stick"
    second.mkdir()
    before = apsw.Connection(str(path))
    migrate(before, path, STEPS[:OLDEST], 0, new_incarnation="x")
    before.execute("INSERT INTO members (id, profile) VALUES ('p1', ?)", (msgspec.json.encode(person(1)).decode(),))
    copy_now(path, second)
    shutil.copy(path, tmp_path / "as_copied.db")
    with closing(apsw.Session(before, "main")) as session, closing(JournalFile(second / "journal-000001.fj")) as journal:
        session.attach()
        before.execute("INSERT INTO members (id, profile) VALUES ('p2', ?)", (msgspec.json.encode(person(2)).decode(),))
        before.execute("UPDATE terminal SET changes = changes + 1")
        journal.append(Change("x", 1, None, session.patchset()))
        # The migration was change 2: what a program that knows more wrote does not fit what is older.
        journal.append(Change("x", 3, None, b"of another schema"))
    before.close()
    shutil.copy(tmp_path / "as_copied.db", path)
    accident(path)
    ledger = open_ledger(path, "t1", second, lambda restored: TellStaff(Notice.LEDGER_RESTORED, detail=str(restored.missing)))
    assert [each.member.id for each in ledger.members()] == ["p1", "p2"]
    assert [each.notice for each in ledger.notices()] == ["ledger_restored"]
    assert version_of(ledger._connection) == (len(STEPS), OLDEST)
    assert ledger.faults() == []
    ledger.close()


def test_a_copy_from_before_changes_were_counted_is_refused_in_a_sentence(cafe: Cafe) -> None:
    (cafe.second / "old").mkdir()
    copy = cafe.second / "old" / "ledger-000001.db"
    with closing(apsw.Connection(str(copy))) as uncounted:
        migrate(uncounted, copy, STEPS[: COUNTED - 1], 0, new_incarnation="x")
    cafe.close()
    before = cafe.path.read_bytes()
    with pytest.raises(BackupError, match=r"is of ledger version 2: put it in the ledger's place by hand, to be migrated"):
        restore(cafe.path, copy, cafe.words)
    assert cafe.path.read_bytes() == before


def test_somebody_else_s_database_and_a_newer_ledger_are_left_alone(cafe: Cafe) -> None:
    cafe.close()
    newer = apsw.Connection(str(cafe.path))
    newer.pragma("user_version", 99)
    newer.close()
    before = cafe.path.read_bytes()
    with pytest.raises(LedgerError, match="newer Fikatap"):
        cafe.open()
    assert cafe.path.read_bytes() == before


def test_a_ledger_in_use_is_not_replaced(cafe: Cafe) -> None:
    with pytest.raises(LedgerInUse):
        restore(cafe.path, copies(cafe.second)[0], cafe.words)
    check_in(cafe.ledger, 900, 5)


def test_by_hand_a_copy_anywhere_does_without_a_journal(cafe: Cafe, tmp_path: Path) -> None:
    copy = tmp_path / "from-the-safe.db"
    shutil.copy(copies(cafe.second)[0], copy)
    cafe.close()
    restore(cafe.path, copy, cafe.words)
    ledger = Ledger.open(cafe.path)
    assert (ledger.counts()["members"], ledger.last_seq) == (299, 0)
    assert cafe.told[0].missing == 34
    ledger.close()


def test_staff_may_begin_anew_and_what_was_there_is_kept(cafe: Cafe) -> None:
    cafe.close()
    trash(cafe.path)
    aside = begin_anew(cafe.path, "t1")
    assert aside.read_bytes() == b"\xa5" * 8192
    ledger = cafe.open()
    assert ledger.counts()["members"] == 0
    assert [each.notice for each in ledger.notices()] == ["ledger_empty"]


def test_whenever_the_power_goes_while_a_ledger_is_brought_back_the_next_start_does_it(cafe: Cafe, tmp_path: Path) -> None:
    before = tmp_path / "before"
    # With its own journal as a power cut leaves it, which must not get into the ledger that takes its place.
    shutil.copytree(cafe.path.parent, before)
    assert (before / "ledger.db-wal").stat().st_size > 50_000
    cafe.work(21, 40)
    cafe.close()
    shutil.copy(cafe.path, tmp_path / "sound.db")
    trash(before / "ledger.db")
    done = subprocess.run(
        [sys.executable, "-m", "tests.firmware_py.dying_recovery", str(tmp_path)], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 15


# Words


@pytest.mark.parametrize(
    ("restored", "notice", "detail"),
    [
        (Restored(Path("x"), 0, None), Notice.LEDGER_RESTORED, ""),
        (Restored(Path("x"), 3, EPOCH_MS), Notice.LEDGER_RESTORED_PART, "up to 2027-01-15 09:00; 3 events are missing"),
        (Restored(Path("x"), 1, None), Notice.LEDGER_RESTORED_PART, "up to an unknown time; 1 event is missing"),
        (
            Restored(Path("x"), None, EPOCH_MS),
            Notice.LEDGER_RESTORED_PART,
            "up to 2027-01-15 09:00; what came after that may be missing",
        ),
    ],
)
def test_staff_is_told_up_to_when_and_how_much_is_missing(restored: Restored, notice: Notice, detail: str) -> None:
    told = in_words(restored, load_texts(), Language.EN, ZoneInfo("Europe/Stockholm"))
    assert told == TellStaff(notice, detail=detail)
