"""Brings a lost or damaged ledger back from the second medium: a copy, and what its journal holds after that.

What was found is set aside, never deleted, and never is there silently an empty ledger in the place of a lost one. The power
may go at any moment of it: the next start does all of it again.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from itertools import count
from pathlib import Path
from shutil import copyfile
from typing import NamedTuple
from zoneinfo import ZoneInfo

import apsw

from firmware_py.backup import BackupError, State, changes_after, check_copy, copies, reach, state_of
from firmware_py.database import APPLICATION_ID, COUNTED, STEPS, LedgerError, take, told, version_of
from firmware_py.files import put_in_place, sync_file, sync_folder, write_whole
from firmware_py.ledger import Ledger, fresh_incarnation
from kiosk.effects import Notice, TellStaff
from kiosk.texts import Texts
from kiosk.values import Language

log = logging.getLogger("fikatap")

REMEDY = (
    "bring a copy back with 'fikatap venue restore FILE', or begin a new ledger, without members, cards and visits, with "
    "'fikatap venue start-empty --yes'"
)


class LedgerLost(LedgerError):
    """The ledger is lost and there is no copy of it: somebody must decide how to go on."""


class CopiesAway(LedgerError):
    """The ledger is lost, and the medium with its copies is not there: somebody must plug it in."""


class Restored(NamedTuple):
    """What was brought back.

    `missing` counts the events that the lost ledger had and this one has not, None when nobody knows; `until_ms` is the wall
    time of the last one that is there, None when that is not known.
    """

    copy: Path
    missing: int | None
    until_ms: int | None


Words = Callable[[Restored], TellStaff]
"""Says to staff what was brought back and what is missing."""


def in_words(restored: Restored, texts: Texts, language: Language, timezone: ZoneInfo) -> TellStaff:
    """Return the notice that says what was brought back, up to when, and how much is missing."""
    if restored.missing == 0:
        return TellStaff(Notice.LEDGER_RESTORED)
    if restored.until_ms is None:
        until = texts.say(language, "restored.unknown")
    else:
        until = f"{datetime.fromtimestamp(restored.until_ms / 1000, timezone):%Y-%m-%d %H:%M}"
    if restored.missing is None:
        missing = texts.say(language, "restored.some")
    else:
        missing = texts.count(language, "restored.missing", restored.missing)
    return TellStaff(Notice.LEDGER_RESTORED_PART, detail=texts.say(language, "restored.detail", until=until, missing=missing))


def require_sound(path: Path, second: Path | None) -> None:
    """Raise `LedgerError` when the ledger is lost: before a command makes an empty one in its place."""
    trouble = trouble_with(path, second)
    if trouble is not None:
        raise LedgerError(
            f"{path}: {trouble}; 'systemctl start fikatap' brings it back from the second medium; or else {REMEDY}"
        )


def open_ledger(
    path: Path, terminal: str, second: Path | None, words: Words, busy: Callable[[], None] = lambda: None
) -> Ledger:
    """Open the ledger; where it is lost or damaged, call `busy` and bring it back first, which may take a minute.

    Raise `LedgerLost` when there is nothing to bring it back from, and other `LedgerError`s as `Ledger.open` does.
    """
    if (trouble := trouble_with(path, second)) is not None:
        busy()
        bring_back(path, second, trouble, words)
    return Ledger.open(path, terminal)


def trouble_with(path: Path, second: Path | None) -> str | None:
    """Return what is wrong with a ledger at the first look, None when nothing is, or when it is right that there is none."""
    mark = _mark(path)
    if mark.exists():
        try:
            return mark.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return "it is damaged"
    reached = _told_by(second)
    if path.exists():
        found = _first_look(path)
        if isinstance(found, str):
            return found
        if found is not None:
            return _behind(found, reached)
    key = path.with_name("venue.key")
    if reached is not None:
        return f"it is gone, but {second} has copies of it"
    return f"it is gone, but {key} is there" if key.exists() else None


def _told_by(second: Path | None) -> State | None:
    try:
        found = None if second is None else reach(second)
    except OSError:
        return None
    return None if found is None else found[0]


def _behind(found: State, reached: State | None) -> str | None:
    """Tell whether the second medium has what the ledger has not: a card that only says that it has written."""
    if reached is None or reached.incarnation != found.incarnation or reached.changes <= found.changes:
        return None
    return f"its disk has lost the last {reached.changes - found.changes} changes"


def _first_look(path: Path) -> State | str | None:
    """Return how far a ledger is, or what is wrong with it, at the first look; None when it is empty."""
    try:
        connection = apsw.Connection(os.fspath(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,):
                return None
            version, oldest = version_of(connection)
            if connection.pragma("application_id") != APPLICATION_ID or version < COUNTED or oldest > len(STEPS):
                return State("", 0, 0, 0)  # `Ledger.open` says what it is, or migrates it
            return state_of(connection)
        finally:
            connection.close()
    except (apsw.CorruptError, apsw.NotADBError) as error:
        return f"it is damaged ({error})"
    except apsw.Error as error:
        raise told(path, error) from error


def mark_damaged(path: Path, trouble: str) -> None:
    """See that the next start brings the ledger back from its copy; raise OSError."""
    write_whole(_mark(path), f"{trouble}\n".encode())


def bring_back(path: Path, second: Path | None, trouble: str, words: Words) -> Restored:
    """Put the last good copy and the journal after it in the place of the ledger.

    Raise `LedgerLost` when there is none, and `LedgerError` when it may yet come, or the disk does not take it.
    """
    if second is None:
        raise LedgerLost(f"{path}: {trouble}; no second medium is configured ([ledger] second), so there is no copy: {REMEDY}")
    if not second.is_dir():
        raise CopiesAway(f"{path}: {trouble}; its copies are on {second}, which is not there: plug it in")
    log.error("%s: %s; it is brought back from %s", path, trouble, second)
    for copy in reversed(copies(second)):
        try:
            return restore(path, copy, words)
        except BackupError as error:
            log.error("a copy is of no use: %s", error)  # noqa: TRY400 - the next one may be good
    raise LedgerLost(f"{path}: {trouble}; there is no good copy in {second}: {REMEDY}")


def restore(path: Path, copy: Path, words: Words) -> Restored:
    """Put a copy, and what the journal beside it holds after it, in the place of the ledger, as a new incarnation.

    One of an older version stays that until `Ledger.open` migrates it: its journal fits no other schema.

    Raise `BackupError` when the copy is not good, and then leave all as it was; raise `LedgerError` when the ledger is in use
    or the disk does not take it.
    """
    lock = take(path)
    try:
        check_copy(copy)
        fresh = path.with_name(f"{path.name}.fresh")
        fresh.unlink(missing_ok=True)
        os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        copyfile(copy, fresh)
        restored = _bring_on(fresh, copy, _reached(path), words)
        sync_file(fresh)
        put_aside(path)
        put_in_place(fresh, path)
    except OSError as error:
        raise LedgerError(
            f"{path} can't be brought back: {error.strerror or error}; look at the disk's space and health"
        ) from error
    finally:
        lock.release()
    log.warning("%s was brought back from %s", path, copy)
    return restored


def begin_anew(path: Path, terminal: str) -> Path:
    """Set aside what is there and begin an empty ledger, because staff said so; return where the old one is."""
    lock = take(path)
    try:
        aside = put_aside(path)
    except OSError as error:
        raise LedgerError(f"{path} can't be set aside: {error.strerror or error}") from error
    finally:
        lock.release()
    ledger = Ledger.open(path, terminal)
    ledger.tell(TellStaff(Notice.LEDGER_EMPTY))
    ledger.close()
    return aside


def put_aside(path: Path) -> Path:
    """Rename the ledger with its own journal, so that no part of it is taken for the new one's; return the new name.

    While the mark is there the next start brings the ledger back, whatever of it is in its place.
    """
    mark_damaged(path, "it was being brought back when the power went")
    target = next(each for n in count(1) if not _any_of(each := path.with_name(f"{path.name}.damaged-{n}")))
    for suffix in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            path.with_name(f"{path.name}{suffix}").rename(target.with_name(f"{target.name}{suffix}"))
    sync_folder(path.parent)
    # From here on the ledger is gone, which is found out as well.
    _mark(path).unlink()
    return target


def _any_of(path: Path) -> bool:
    return any(path.with_name(f"{path.name}{suffix}").exists() for suffix in ("", "-wal", "-shm"))


def _mark(path: Path) -> Path:
    return path.with_name(f"{path.name}.damaged")


def _reached(path: Path) -> State | None:
    """Return how far the lost ledger was, as far as it can still be read."""
    try:
        connection = apsw.Connection(os.fspath(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            return state_of(connection)
        finally:
            connection.close()
    except apsw.Error:
        return None


def _bring_on(fresh: Path, copy: Path, lost: State | None, words: Words) -> Restored:
    """Do the changes again on a copy, and note on it what became of it."""
    try:
        connection = apsw.Connection(os.fspath(fresh), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.pragma("journal_mode", "memory")  # what is left of it by a power cut is copied anew
            connection.pragma("secure_delete", 1)
            # Not `with connection`: where SQLite has rolled back by itself, that fails, and hides what had failed.
            connection.execute("BEGIN IMMEDIATE")
            restored = _redo(connection, copy, lost)
            _note(connection, restored, words(restored))
            connection.execute("COMMIT")
        finally:
            connection.close()
    except (apsw.FullError, apsw.IOError, apsw.ReadOnlyError, apsw.CantOpenError) as error:
        raise told(fresh, error) from error  # the ledger's disk; the copy may be good
    except apsw.Error as error:
        raise BackupError(f"{copy} can't be brought on: {error}") from error
    return restored


def _redo(connection: apsw.Connection, copy: Path, lost: State | None) -> Restored:
    # A copy that was given another name has no journal.
    beside = changes_after(copy.parent, copy, state_of(connection)) if copy in copies(copy.parent) else ()
    for change in beside:
        apsw.Changeset.apply(change.patch, connection, flags=apsw.SQLITE_CHANGESETAPPLY_FKNOACTION)
        if state_of(connection).changes != change.number:
            raise BackupError(f"{copy} does not fit the journal: change {change.number} leads elsewhere")
    reached = state_of(connection)
    known = lost is not None and lost.incarnation == reached.incarnation and lost.changes >= reached.changes
    missing = lost.events - reached.events if known and lost is not None else None
    if known and lost is not None and lost.changes > reached.changes:
        missing = max(1, missing or 0)  # what is missing is no event, but something is
    until = connection.execute("SELECT max(utc_ms) FROM timed_events WHERE seq > ?", (reached.events - 100,)).fetchone()
    return Restored(copy, missing, until[0] if until else None)


def _note(connection: apsw.Connection, restored: Restored, told: TellStaff) -> None:
    """Give the ledger a new incarnation, and leave nothing in it that what is missing may have done already."""
    connection.execute("UPDATE terminal SET incarnation = ?, changes = changes + 1", (fresh_incarnation(),))
    if restored.missing != 0:
        # Who is here is not known; a badge may have come out; and the match that is owed may have been printed.
        connection.execute("UPDATE visits SET confirmed = 0, owed = 0 WHERE closed_seq IS NULL")
        connection.execute("UPDATE jobs SET state = 'sending' WHERE state = 'queued'")
    connection.execute(
        "INSERT INTO notices (seq, notice, detail) SELECT coalesce(max(seq), 0), ?, ? FROM events",
        (told.notice.value, told.detail),
    )
