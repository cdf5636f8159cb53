"""Copies of the ledger in a folder on another medium, made while the ledger is in use, and what else lies in that folder.

The folder holds copies, `ledger-000007.db`, and files of the journal, `journal-000007.fj`; they are numbered in the order in
which they were begun, and a copy is begun after the journal file of its number. So a copy, and the journal from its number on,
make up the ledger as it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import apsw

from drivers.errors import FikatapError
from firmware_py.database import APPLICATION_ID, COUNTED, STEPS, open_for_reading, version_of
from firmware_py.files import put_in_place, sync_file
from firmware_py.journal import Change, JournalFile, read

KEPT = 3
"""How many copies are kept."""
STEP_PAGES = 64
"""How many pages are copied in one go: 256 KiB."""
FREE_BYTES = 4_000_000
"""What must stay free beside a copy, for the journal."""
_COPY = re.compile(r"ledger-(\d{6,})\.db")
_JOURNAL = re.compile(r"journal-(\d{6,})\.fj")


class BackupError(FikatapError):
    """A copy can't be made, or is not good."""


class State(NamedTuple):
    """How far a ledger is: which incarnation, how many changes, the last of them that erased somebody, how many events."""

    incarnation: str
    changes: int
    erased: int
    events: int


def copies(folder: Path) -> list[Path]:
    """Return the copies in a folder, the oldest first; none when it can't be read."""
    return _numbered(folder, _COPY)


def journals(folder: Path) -> list[Path]:
    """Return the files of the journal in a folder, the oldest first; none when it can't be read."""
    return _numbered(folder, _JOURNAL)


def number_of(path: Path) -> int:
    """Return the number in a copy's or journal file's name."""
    return int(path.stem.rpartition("-")[2])


def next_number(folder: Path) -> int:
    """Return the number after the last one in a folder."""
    return max(map(number_of, [*copies(folder), *journals(folder)]), default=0) + 1


def _numbered(folder: Path, form: re.Pattern[str]) -> list[Path]:
    try:
        found = [path for path in folder.iterdir() if form.fullmatch(path.name)]
    except OSError:
        return []
    return sorted(found, key=number_of)


def state_of(connection: apsw.Connection) -> State:
    """Return how far the ledger of a connection is; raise `apsw.Error`."""
    found = connection.execute(
        "SELECT incarnation, changes, erased, (SELECT coalesce(max(seq), 0) FROM events) FROM terminal"
    ).fetchone()
    if found is None:
        raise apsw.CorruptError("the terminal's row is missing")
    return State(*found)


def still_state(path: Path) -> State:
    """Return how far a copy is, at the first look; raise `apsw.Error`."""
    connection = open_still(path)
    try:
        return state_of(connection)
    finally:
        connection.close()


def check_copy(path: Path) -> State:
    """Read a whole copy and return how far it is; raise `BackupError` when it is damaged, or of no use here."""
    try:
        connection = open_still(path)
        try:
            found: int = connection.pragma("application_id")
            if found != APPLICATION_ID:
                raise BackupError(f"{path} is not a copy of a ledger")
            version, oldest = version_of(connection)
            if oldest > len(STEPS):
                raise BackupError(f"{path} was written by a newer Fikatap (ledger version {version}; known are {len(STEPS)})")
            if version < COUNTED:
                raise BackupError(
                    f"{path} is of ledger version {version}: put it in the ledger's place by hand, to be migrated"
                )
            trouble = damage_in(connection)
            if trouble:
                raise BackupError(f"{path} is damaged: {trouble}")
            return state_of(connection)
        finally:
            connection.close()
    except apsw.Error as error:
        raise BackupError(f"{path} can't be read as a ledger: {error}") from error


def open_still(path: Path) -> apsw.Connection:
    """Open a database that nobody writes, without locks or files beside it, for reading; raise `apsw.Error`."""
    name = f"{path.absolute().as_uri()}?immutable=1"
    return apsw.Connection(name, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)


def damage_in(connection: apsw.Connection) -> str:
    """Look at the whole file; return what is wrong with it, nothing when it is sound; raise `apsw.Error`."""
    found = connection.execute("PRAGMA quick_check(1)").fetchone()
    return "" if found == ("ok",) else str(found[0] if found else "no answer")


def begin_journal(folder: Path, number: int) -> JournalFile:
    """Begin a file of the journal; raise OSError."""
    return JournalFile(folder / f"journal-{number:06}.fj")


class CopyUnderWay:
    """A copy of the ledger as it is at one moment, made step by step while others write; `close` ends it in any state.

    It reads on a connection of its own. As long as it is under way the ledger's own journal can't be begun anew.
    """

    def __init__(self, ledger: Path, folder: Path, number: int) -> None:
        self._copy = folder / f"ledger-{number:06}.db"
        self._part = self._copy.with_name(f"{self._copy.name}.part")
        self._source = open_for_reading(ledger)
        self._target: apsw.Connection | None = None
        try:
            with _told(self._copy):
                self._begin(ledger, folder)
        except BaseException:
            self.close()
            raise

    def _begin(self, ledger: Path, folder: Path) -> None:
        disk = os.statvfs(folder)
        needed = ledger.stat().st_size + FREE_BYTES
        if disk.f_bavail * disk.f_frsize < needed:
            raise BackupError(f"{folder} is full: {needed // 1_000_000 + 1} MB must be free for a copy of the ledger")
        self._part.unlink(missing_ok=True)
        os.close(os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        # One transaction from the first page to the last: what is written meanwhile is not seen, so nothing begins anew.
        self._source.execute("BEGIN")
        self.state = state_of(self._source)
        self._target = apsw.Connection(os.fspath(self._part), flags=apsw.SQLITE_OPEN_READWRITE)
        self._backup = self._target.backup("main", self._source, "main")

    def step(self) -> bool:
        """Copy some more; return whether the copy is whole, checked and in its place. Raise `BackupError`."""
        assert self._target is not None  # noqa: S101 - it is used until it is whole
        with _told(self._copy):
            if not self._backup.step(STEP_PAGES):
                return False
            self._backup.finish()
            # A file by itself, which can be read where nothing may be written.
            self._target.pragma("journal_mode", "delete")
            self.close()
            sync_file(self._part)
            found = check_copy(self._part)
            if found != self.state:
                raise BackupError(f"{self._copy} is not what was to be copied: {found} instead of {self.state}")
            put_in_place(self._part, self._copy)
        return True

    @property
    def path(self) -> Path:
        """Where the copy is when it is whole."""
        return self._copy

    def close(self) -> None:
        """Let go of the ledger and of the copy."""
        if self._target is not None:
            self._backup.close(force=True)
            self._target.close(force=True)
            self._target = None
        self._source.close(force=True)


@contextmanager
def _told(copy: Path) -> Iterator[None]:
    """Turn whatever goes wrong with a copy into a `BackupError`."""
    try:
        yield
    except OSError as error:
        raise BackupError(f"{copy} can't be written: {error.strerror or error}") from error
    except apsw.FullError as error:
        raise BackupError(f"{copy} can't be written: the medium is full") from error
    except apsw.Error as error:
        raise BackupError(f"{copy} can't be made: {error}") from error


def copy_now(ledger: Path, folder: Path) -> Path:
    """Make a copy at once and return where it is; raise `BackupError`, or `LedgerError` when the ledger can't be read."""
    under_way = CopyUnderWay(ledger, folder, next_number(folder))
    try:
        while not under_way.step():
            pass
    finally:
        under_way.close()
    return under_way.path


def prune(folder: Path, newest: State) -> None:
    """Delete what the newest copy, which is this far, makes superfluous; raise OSError.

    `KEPT` copies stay, and the journal since the oldest of them; but none in which somebody is whom the newest has erased.
    """
    found = copies(folder)
    kept = [path for path in found[-KEPT:-1] if not _holds_erased(path, newest)] + found[-1:]
    for path in [path for path in found if path not in kept]:
        path.unlink(missing_ok=True)
    for path in journals(folder):
        if number_of(path) < number_of(kept[0]):
            path.unlink(missing_ok=True)


def _holds_erased(path: Path, newest: State) -> bool:
    if not newest.erased:
        return False
    try:
        found = still_state(path)
    except apsw.Error:
        return True  # it is of no use either
    return found.incarnation != newest.incarnation or found.changes < newest.erased


def changes_after(folder: Path, copy: Path, state: State) -> Iterator[Change]:
    """Yield what the journal holds after a copy, which is this far, in order, up to the first gap; raise OSError."""
    last = state.changes
    for path in journals(folder):
        for change in read(path) if number_of(path) >= number_of(copy) else ():
            if change.incarnation == state.incarnation and change.number == last + 1:
                last = change.number
                yield change


def reach(folder: Path) -> tuple[State, int] | None:
    """Return how far the newest copy in a folder and the journal after it go, and how many changes that journal has.

    None when there is no copy that can be read at the first look; raise OSError.
    """
    found = copies(folder)
    if not found:
        return None
    try:
        state = still_state(found[-1])
    except apsw.Error:
        return None
    following = sum(1 for _ in changes_after(folder, found[-1], state))
    return state._replace(changes=state.changes + following), following
