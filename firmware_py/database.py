"""The ledger's file: its lock, its schema by version, and what can go wrong with it, told in sentences."""

from __future__ import annotations

import fcntl
import os
import pwd
from collections.abc import Sequence
from pathlib import Path

import apsw

from drivers.errors import ConfigError, FikatapError
from firmware_py.files import put_in_place

APPLICATION_ID = 0x46494B41
"""`FIKA`, in the file's header: tells a ledger from other people's databases."""
BUSY_MS = 2_000
"""How long to wait for somebody who looks into the file with other tools."""

STEPS: tuple[str, ...] = (
    """
    CREATE TABLE terminal (
      only        INTEGER PRIMARY KEY CHECK (only = 1),
      incarnation TEXT    NOT NULL,
      serial      INTEGER NOT NULL DEFAULT 0,
      number      INTEGER NOT NULL DEFAULT 0,
      starts      INTEGER NOT NULL DEFAULT 0,
      tidied      INTEGER NOT NULL DEFAULT 0,
      key_id      TEXT    NOT NULL DEFAULT ''
    ) STRICT;

    CREATE TABLE events (
      seq     INTEGER PRIMARY KEY,
      kind    TEXT    NOT NULL,
      boot_id TEXT    NOT NULL,
      boot_ms INTEGER NOT NULL,
      utc_ms  INTEGER,
      trusted INTEGER GENERATED ALWAYS AS (utc_ms IS NOT NULL) VIRTUAL,
      fact    TEXT    NOT NULL
    ) STRICT;

    CREATE TABLE clocks (boot_id TEXT PRIMARY KEY, offset_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;

    CREATE VIEW timed_events AS
      SELECT seq, kind, boot_id, boot_ms, trusted, coalesce(utc_ms, boot_ms + offset_ms) AS utc_ms, fact
      FROM events LEFT JOIN clocks USING (boot_id);

    CREATE TABLE members (
      id         TEXT PRIMARY KEY,
      profile    TEXT    NOT NULL,
      visits     INTEGER NOT NULL DEFAULT 0,
      approached INTEGER NOT NULL DEFAULT 0
    ) STRICT;

    CREATE TABLE cards (
      card    TEXT PRIMARY KEY,
      member  TEXT    NOT NULL REFERENCES members ON DELETE CASCADE,
      bound   INTEGER NOT NULL,
      blocked INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX cards_of_member ON cards (member);

    CREATE TABLE visits (
      id           TEXT PRIMARY KEY,
      member       TEXT REFERENCES members ON DELETE SET NULL,
      number       INTEGER NOT NULL,
      opened_seq   INTEGER NOT NULL,
      boot_id      TEXT    NOT NULL,
      boot_ms      INTEGER NOT NULL,
      utc_ms       INTEGER,
      local_day    INTEGER,
      local_minute INTEGER,
      rate         INTEGER NOT NULL,
      confirmed    INTEGER NOT NULL,
      owed         INTEGER NOT NULL,
      zone         TEXT,
      approached   INTEGER NOT NULL,
      introduced   INTEGER NOT NULL,
      closed_seq   INTEGER,
      why          TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX visits_of_member ON visits (member);
    CREATE INDEX visits_open ON visits (opened_seq) WHERE closed_seq IS NULL;

    CREATE TABLE introductions (
      member  TEXT    NOT NULL REFERENCES members ON DELETE CASCADE,
      partner TEXT    NOT NULL REFERENCES members ON DELETE CASCADE,
      seq     INTEGER NOT NULL,
      utc_ms  INTEGER,
      visit   TEXT    NOT NULL,
      PRIMARY KEY (member, seq, partner)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX introductions_to ON introductions (partner, seq, utc_ms, member, visit);

    CREATE TABLE jobs (
      id    TEXT PRIMARY KEY,
      visit TEXT NOT NULL,
      state TEXT NOT NULL,
      cause TEXT,
      badge TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX jobs_kept ON jobs (visit) WHERE badge IS NOT NULL;

    CREATE TABLE notices (
      id       INTEGER PRIMARY KEY,
      seq      INTEGER NOT NULL,
      notice   TEXT    NOT NULL,
      job      TEXT,
      cause    TEXT,
      resolved INTEGER
    ) STRICT;
    CREATE INDEX notices_open ON notices (job) WHERE resolved IS NULL;

    INSERT INTO terminal (only, incarnation) VALUES (1, new_incarnation());
    """,
    """
    ALTER TABLE visits ADD COLUMN met TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE terminal ADD COLUMN introductions INTEGER NOT NULL DEFAULT 0;
    UPDATE terminal SET introductions = (SELECT count(*) FROM introductions);
    """,
    """
    ALTER TABLE terminal ADD COLUMN changes INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE terminal ADD COLUMN erased INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE notices ADD COLUMN detail TEXT NOT NULL DEFAULT '';
    """,
    """
    ALTER TABLE visits ADD COLUMN mood TEXT NOT NULL DEFAULT 'introduce';
    ALTER TABLE visits ADD COLUMN untold INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE visits ADD COLUMN talks_boot_id TEXT;
    ALTER TABLE visits ADD COLUMN talks_until_ms INTEGER;

    CREATE TABLE rulings (
      one    TEXT NOT NULL REFERENCES members ON DELETE CASCADE,
      other  TEXT NOT NULL REFERENCES members ON DELETE CASCADE,
      ruling TEXT NOT NULL,
      PRIMARY KEY (one, other)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX rulings_of_other ON rulings (other);

    CREATE TABLE blocks (
      one   TEXT NOT NULL REFERENCES members ON DELETE CASCADE,
      other TEXT NOT NULL REFERENCES members ON DELETE CASCADE,
      PRIMARY KEY (one, other)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX blocks_of_other ON blocks (other);
    """,
    """
    ALTER TABLE terminal ADD COLUMN reported INTEGER NOT NULL DEFAULT 0;

    CREATE TABLE outbox (
      number INTEGER PRIMARY KEY,
      source TEXT    NOT NULL,
      seq    INTEGER NOT NULL,
      utc_ms INTEGER,
      what   TEXT    NOT NULL
    ) STRICT;

    CREATE TABLE roster (
      member  TEXT PRIMARY KEY REFERENCES members ON DELETE CASCADE,
      version INTEGER NOT NULL,
      round   INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE met_elsewhere (
      member  TEXT NOT NULL REFERENCES members ON DELETE CASCADE,
      partner TEXT NOT NULL,
      PRIMARY KEY (member, partner)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX met_elsewhere_by ON met_elsewhere (partner);

    CREATE TABLE service (
      only     INTEGER PRIMARY KEY CHECK (only = 1),
      version  INTEGER NOT NULL DEFAULT 0,
      round    INTEGER NOT NULL DEFAULT 0,
      whole    INTEGER NOT NULL DEFAULT 0,
      utc_ms   INTEGER,
      alone_ms INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    INSERT INTO service (only) VALUES (1);
    """,
    """
    ALTER TABLE terminal ADD COLUMN queue_day INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE terminal ADD COLUMN longest_queue INTEGER NOT NULL DEFAULT 0;

    CREATE TABLE faults (
      id       INTEGER PRIMARY KEY,
      device   TEXT    NOT NULL,
      what     TEXT    NOT NULL,
      trouble  TEXT    NOT NULL,
      boot_id  TEXT    NOT NULL,
      from_ms  INTEGER NOT NULL,
      until_ms INTEGER,
      utc_ms   INTEGER
    ) STRICT;
    """,
)
"""What each version adds to the one before; never changed once released, only added to."""
OLDEST = 5
"""The oldest version whose programs may write a ledger as all `STEPS` make it; 0 when only those that know the last one may.

A release that fails is replaced by the one before it, which then finds a ledger that is newer than itself. So a step only adds
(tables, columns with a default) what the programs before can leave alone, and then OLDEST is theirs; what they must know of
takes two releases, the first of which knows of it already.
"""
COUNTED = 3
"""The first version that counts its changes: one before can't be compared with its copies, nor be brought on by a journal."""


class LedgerError(FikatapError):
    """The ledger can't be opened, read or written; nothing of what was asked was stored."""


class LedgerDamaged(LedgerError):
    """What is in the ledger's file is not what was written there."""


class LedgerRefused(LedgerError):
    """What was asked can't be: it names somebody who is not there, say. The ledger itself is well."""


class LedgerInUse(LedgerError):
    """Another program holds the ledger."""


class LedgerTooNew(LedgerError, ConfigError):
    """The ledger was written by a newer version of the program: no restart helps."""


class Lock:
    """A ledger's lock: held by one program, let go by the kernel when that ends, however it ends."""

    def __init__(self, ledger: Path) -> None:
        path = ledger.with_name(f"{ledger.name}.lock")
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LedgerError(f"{path} can't be written: {error.strerror}; the ledger's folder must be writable") from error
        try:
            self._take(ledger)
        except BaseException:
            self.release()
            raise

    def _take(self, ledger: Path) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 20, 0).decode("ascii", "replace").strip() or "of unknown number"
            raise LedgerInUse(f"{ledger} is in use by process {holder}; only one program at a time may write it") from None
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)
        except OSError as error:
            raise LedgerError(f"{ledger} can't be locked: {error.strerror}") from error

    def release(self) -> None:
        """Let the ledger go."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def take(path: Path) -> Lock:
    """Make the ledger's folder where there is none, and take the ledger's lock; raise `LedgerInUse` or `LedgerError`."""
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        owner = path.parent.stat().st_uid
    except OSError as error:
        raise LedgerError(f"{path.parent} can't be made: {error.strerror}") from error
    check_user(path.parent, owner, os.geteuid())
    return Lock(path)


def check_user(folder: Path, owner: int, me: int) -> None:
    """Refuse root, whose files would lock the terminal out of its own ledger, where the folder is another user's."""
    if me == 0 and owner != 0:
        name = next((each.pw_name for each in pwd.getpwall() if each.pw_uid == owner), f"#{owner}")
        raise LedgerError(f"{folder} belongs to {name}; run this as that user: sudo -u '{name}' fikatap …")


def make_file(path: Path) -> None:
    """Make the ledger's file where there is none, and see that it may be written; raise `LedgerError`.

    Only before this process has a connection to it: closing any descriptor of a file drops all locks that the process has on
    it, and with them SQLite's (POSIX; "How To Corrupt An SQLite Database File", section 2.2).
    """
    try:
        # SQLite gives its journal the file's own mode: members' profiles are nobody else's business.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise LedgerError(f"{path} can't be opened for writing: {error.strerror}") from error


def open_database(path: Path, *, new_incarnation: str) -> apsw.Connection:
    """Open the ledger's file for writing, make or migrate its schema; raise `LedgerError`."""
    try:
        connection = apsw.Connection(os.fspath(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            _set_up(connection)
            migrate(connection, path, new_incarnation=new_incarnation)
        except BaseException:
            connection.close()
            raise
    except apsw.Error as error:
        raise told(path, error) from error
    return connection


def open_for_reading(path: Path) -> apsw.Connection:
    """Open a second connection to a ledger that is open already; raise `LedgerError`."""
    try:
        connection = apsw.Connection(os.fspath(path), flags=apsw.SQLITE_OPEN_READONLY)
        connection.set_busy_timeout(BUSY_MS)
    except apsw.Error as error:
        raise told(path, error) from error
    return connection


def _set_up(connection: apsw.Connection) -> None:
    connection.set_busy_timeout(BUSY_MS)
    # Simulated power cuts lose acknowledged commits with every other pair of these two.
    if connection.pragma("journal_mode", "wal") != "wal":
        raise apsw.CantOpenError("this file system has no shared memory for a write-ahead log")
    connection.pragma("synchronous", "FULL")
    connection.pragma("foreign_keys", 1)
    connection.pragma("secure_delete", 1)  # a removed member's words don't stay behind in free pages
    connection.pragma("temp_store", "MEMORY")
    connection.wal_autocheckpoint(0)  # `Ledger.tidy` does it, when nobody waits at the door


def version_of(connection: apsw.Connection) -> tuple[int, int]:
    """Return a ledger's version, and the oldest version whose programs may write it; raise `apsw.Error`."""
    oldest, version = divmod(int(connection.pragma("user_version")), 1000)
    return version, oldest or version


def migrate(
    connection: apsw.Connection, path: Path, steps: Sequence[str] = STEPS, oldest: int = OLDEST, *, new_incarnation: str
) -> None:
    """Bring the schema to the version that `steps` make, in one transaction, after a copy of the file as it was.

    A newer one, which programs of this version may write, is left as it is.
    """
    found, writers = version_of(connection)
    empty = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)
    if not empty and connection.pragma("application_id") != APPLICATION_ID:
        raise LedgerError(f"{path} is a database, but not a ledger of Fikatap; give the ledger a path of its own")
    if writers > len(steps):
        raise LedgerTooNew(
            f"{path} was written by a newer Fikatap (ledger version {found}, this program knows {len(steps)}); "
            f"install that version again, or restore the copy that was made before its migration"
        )
    if found >= len(steps):
        return
    if not empty:
        _keep_copy(connection, path.with_name(f"{path.name}.v{found}"))
    connection.create_scalar_function("new_incarnation", lambda *_: new_incarnation, 0)
    with connection:
        for step in steps[found:]:
            connection.execute(step)
        if not empty:
            # A gap in the changes: a copy made before must not be brought on by what is written after.
            connection.execute("UPDATE terminal SET changes = changes + 1")
        connection.pragma("application_id", APPLICATION_ID)
        connection.pragma("user_version", oldest * 1000 + len(steps))
    connection.create_scalar_function("new_incarnation", None, 0)


def _keep_copy(connection: apsw.Connection, copy: Path) -> None:
    part = copy.with_name(f"{copy.name}.part")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        target = apsw.Connection(os.fspath(part))
        try:
            with target.backup("main", connection, "main") as backup:
                while not backup.done:
                    backup.step()
        finally:
            target.close()
        put_in_place(part, copy)
    except OSError as error:
        raise LedgerError(f"{copy} can't be written: {error.strerror}; the ledger is not migrated without a copy") from error


def told(path: Path, error: apsw.Error) -> LedgerError:
    """Return a database error as a sentence that says what to do."""
    match error:
        case apsw.FullError():
            said = "can't be written: the disk is full; make room on it"
        case apsw.ReadOnlyError():
            said = "can't be written: it or its disk is read-only"
        case apsw.NotADBError():
            said = "is not a ledger, or is damaged; restore a copy, or give the ledger a path of its own"
        case apsw.CorruptError():
            said = "is damaged; restore a copy"
        case apsw.BusyError() | apsw.LockedError():
            said = "is held by another program; close it"
        case apsw.CantOpenError():
            said = "can't be opened; its folder must be there and be writable"
        case apsw.IOError():
            said = "can't be read or written: the disk or memory card fails; look at its space and its health"
        case _:
            said = "does not take this"
    kind = LedgerError
    if isinstance(error, apsw.NotADBError | apsw.CorruptError):
        kind = LedgerDamaged
    elif isinstance(error, apsw.ConstraintError):
        kind = LedgerRefused
    return kind(f"{path} {said} ({error})")
