"""Who may use the desk: people with a name, a role and a PIN; their sessions; locks against guessing.

A PIN of six digits is guessed in a day at ten a second: what keeps guessers out is the lock, which survives a restart. PINs are
stored as scrypt hashes (RFC 7914), session tokens as SHA-256: what is in the file lets nobody in.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from drivers.errors import FikatapError
from firmware_py.files import write_whole

log = logging.getLogger("fikatap")

SHORTEST_PIN, LONGEST_PIN = 6, 64
MOST_PEOPLE = 50
FREE_TRIES = 5
"""So many wrong PINs in a row lock nobody out."""
FIRST_LOCK_S, LONGEST_LOCK_S = 60, 3_600
"""The lock after the next wrong one; it doubles with each more, up to the longest."""
ADDRESS_TRIES, ADDRESS_WINDOW_S = 20, 600
"""So many wrong PINs may come from one address within so many seconds, whoever's they are."""
MOST_ADDRESSES = 1_000
IDLE_S, LONGEST_SESSION_S = 1_800, 43_200
"""A session ends when nothing is asked for so long, and after the longest in any case (OWASP ASVS 5.0, 7.3)."""
TOUCH_S = 60
"""A session's last use is written down no oftener than this."""
SESSIONS_EACH = 5
"""So many sessions may one person have; the oldest gives way."""

_N, _R, _P = 1 << 14, 8, 1
"""Cost of scrypt: 16 MiB and some 50 ms here for each try."""


class AccessError(FikatapError):
    """Somebody may not come in, or a name or PIN can't be taken; the message is a sentence for staff."""


class Locked(AccessError):
    """Too many wrong PINs; `wait_s` is how long to wait."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"too many wrong PINs: wait {wait_s} s")
        self.wait_s = wait_s


class Role(StrEnum):
    """What somebody may do at the desk."""

    STAFF = "staff"
    MANAGER = "manager"
    """Also what can't be undone: import, export, erase, and people's PINs."""


class Person(Struct, frozen=True, kw_only=True):
    """Somebody who works here. `wrong` counts wrong PINs in a row; a lock of `lock_s` began at `locked_s` after the boot."""

    name: str
    role: Role
    salt: bytes
    verifier: bytes
    wrong: int = 0
    locked_s: float = 0.0
    lock_s: int = 0

    def waits_s(self, now: float) -> float:
        """Return how long the lock goes on."""
        return self.locked_s + self.lock_s - now if self.lock_s else 0.0


class Session(Struct, frozen=True, kw_only=True):
    """Somebody who is logged in, as the file keeps it; `csrf` is what every form of theirs must carry."""

    digest: str
    name: str
    csrf: str
    began: float
    used: float


class _File(Struct, kw_only=True):
    boot_id: str = ""
    people: dict[str, Person] = {}
    sessions: dict[str, Session] = {}


class Access:
    """The people, their sessions and their locks, in one file that its owner alone can read.

    `now` returns seconds since the boot `boot_id`: no clock is set that could shorten a lock. In another boot all sessions have
    ended, and a lock begins anew. Methods may be called from any thread, and commands may change the file meanwhile. They raise
    `AccessError` for what people did wrong, OSError when nothing can be written.
    """

    def __init__(self, path: Path, boot_id: str, now: Callable[[], float]) -> None:
        self._path = path
        self._boot_id = boot_id
        self._now = now
        self._wrong_from: dict[str, list[float]] = {}
        self._lock = threading.RLock()
        self._trying = threading.Lock()
        self._seen: tuple[int, ...] | None = None
        self._file = self._read()
        # Takes as long as a real person's PIN, so that nobody learns which names there are.
        self._nobody = Person(name="", role=Role.STAFF, salt=secrets.token_bytes(16), verifier=b"")

    def people(self) -> list[tuple[str, Role]]:
        """Return names and roles, by name; waits for nobody."""
        self._glance()
        return sorted((person.name, person.role) for person in list(self._file.people.values()))

    def set_pin(self, name: str, role: Role | None, pin: str) -> tuple[Role, bool]:
        """Add somebody, or give them another PIN and role, which ends their sessions and their lock.

        Without a role people keep theirs, and somebody new is staff. Return their role, and whether they are new.
        """
        name = " ".join(name.split())
        if not 1 <= len(name) <= 40 or not name.isprintable():
            raise AccessError(f"'{name[:40]}' is no name; write 1 to 40 letters")
        check_pin(pin)
        key = name.casefold()
        salt = secrets.token_bytes(16)
        with self._changing():
            known = self._file.people.get(key)
            if known is None and len(self._file.people) >= MOST_PEOPLE:
                raise AccessError(f"there are {MOST_PEOPLE} people already; take one away first")
            role = role or (Role.STAFF if known is None else known.role)
            self._file.people[key] = Person(name=name, role=role, salt=salt, verifier=_verifier(pin, salt))
            self._end_sessions(key)
            self._write()
        return role, known is None

    def remove(self, name: str) -> None:
        """Take somebody's access away."""
        key = " ".join(name.split()).casefold()
        with self._changing():
            if self._file.people.pop(key, None) is None:
                names = ", ".join(person for person, _ in self.people()) or "nobody yet"
                raise AccessError(f"there is no '{name}'; there are {names}")
            self._end_sessions(key)
            self._write()

    def log_in(self, name: str, pin: str, address: str) -> tuple[str, Session]:
        """Return a fresh token and its session; raise `Locked`, or `AccessError` for a wrong name or PIN, not saying which.

        One at a time: of many guesses at once, all would be looked at before the first one counts.
        """
        key = " ".join(name.split()).casefold()
        with self._trying:
            now = self._now()
            with self._lock:
                self._refresh()
                self._check_address(address, now)
                person = self._file.people.get(key)
            if person is not None and (waits_s := person.waits_s(now)) > 0:
                raise Locked(_whole_seconds(waits_s))
            known = person or self._nobody
            right = hmac.compare_digest(_verifier(pin[: LONGEST_PIN + 1], known.salt), known.verifier)
            with self._changing():
                # Meanwhile a command may have given them another PIN.
                if person is not None and getattr(self._file.people.get(key), "salt", None) != person.salt:
                    person = None
                if person is None or not right:
                    self._count_wrong(key, person, address, now)
                    raise AccessError("this name and this PIN do not go together")
                return self._begin(key, person, now)

    def _begin(self, key: str, person: Person, now: float) -> tuple[str, Session]:
        """Begin a session."""
        if person.wrong:
            self._file.people[key] = replace(person, wrong=0, lock_s=0)
        token = secrets.token_urlsafe(32)
        session = Session(digest=_digest(token), name=person.name, csrf=secrets.token_urlsafe(24), began=now, used=now)
        own = sorted((each for each in self._file.sessions.values() if each.name == person.name), key=lambda each: each.used)
        for old in own[: max(0, len(own) - SESSIONS_EACH + 1)]:
            del self._file.sessions[old.digest]
        self._file.sessions[session.digest] = session
        self._write()
        return token, session

    def session(self, token: str) -> tuple[Session, Person] | None:
        """Return whose token this is, if its session still runs, and count it as used."""
        with self._lock:
            self._refresh()
            found = self._find(token)
        if found is None or self._now() - found[0].used < TOUCH_S:
            return found
        try:
            with self._changing():
                session = self._touch(found[0].digest)
                self._write()
        except OSError as error:
            # A full disk logs nobody out.
            log.warning("%s can't be written, sessions are kept in memory: %s", self._path, error)
            with self._lock:
                session = self._touch(found[0].digest)
        return None if session is None else (session, found[1])

    def peek(self, token: str) -> tuple[Session, Person] | None:
        """Return whose token this is, if its session still runs; looking keeps it no longer alive, and waits for nobody."""
        self._glance()
        return self._find(token)

    def _touch(self, digest: str) -> Session | None:
        session = self._file.sessions.get(digest)
        if session is not None:
            session = self._file.sessions[digest] = replace(session, used=self._now())
        return session

    def _find(self, token: str) -> tuple[Session, Person] | None:
        now = self._now()
        file = self._file
        session = file.sessions.get(_digest(token))
        person = None if session is None else file.people.get(session.name.casefold())
        if session is None or person is None:
            return None
        runs = now - session.began < LONGEST_SESSION_S and now - session.used < IDLE_S
        return (session, person) if runs else None

    def log_out(self, token: str) -> None:
        """End a session."""
        if self.peek(token) is None:
            return
        with self._changing():
            self._file.sessions.pop(_digest(token), None)
            self._write()

    def _check_address(self, address: str, now: float) -> None:
        recent = [at for at in self._wrong_from.get(address, ()) if now - at < ADDRESS_WINDOW_S]
        if len(recent) >= ADDRESS_TRIES:
            raise Locked(_whole_seconds(ADDRESS_WINDOW_S - (now - recent[0])))

    def _count_wrong(self, key: str, person: Person | None, address: str, now: float) -> None:
        recent = [at for at in self._wrong_from.pop(address, ()) if now - at < ADDRESS_WINDOW_S]
        while len(self._wrong_from) >= MOST_ADDRESSES:
            del self._wrong_from[next(iter(self._wrong_from))]
        self._wrong_from[address] = [*recent, now]
        if person is None:
            return
        wrong = person.wrong + 1
        more = wrong - FREE_TRIES
        lock_s = min(FIRST_LOCK_S << min(more - 1, 10), LONGEST_LOCK_S) if more > 0 else 0
        self._file.people[key] = replace(person, wrong=wrong, locked_s=now, lock_s=lock_s)
        self._write()

    def _end_sessions(self, key: str) -> None:
        for session in [each for each in self._file.sessions.values() if each.name.casefold() == key]:
            del self._file.sessions[session.digest]

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the file, also against other programs, as it is now."""
        with self._lock, self._path.with_suffix(".lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._refresh()
            yield

    def _glance(self) -> None:
        """Read the file anew, unless somebody is at it: a thread may hold it for as long as a slow card writes."""
        if self._lock.acquire(blocking=False):
            try:
                self._refresh()
            finally:
                self._lock.release()

    def _refresh(self) -> None:
        """Read the file if somebody else has written it."""
        if self._stamp() != self._seen:
            self._file = self._read()

    def _stamp(self) -> tuple[int, ...] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _read(self) -> _File:
        self._seen = self._stamp()
        try:
            file = msgspec.json.decode(self._path.read_bytes(), type=_File)
        except FileNotFoundError:
            file = _File()
        except (OSError, msgspec.DecodeError) as error:
            raise AccessError(
                f"{self._path} can't be read ({error}); take it away, and give people new PINs with 'fikatap desk pin'"
            ) from error
        if file.boot_id == self._boot_id:
            return file
        now = self._now()
        return _File(boot_id=self._boot_id, people={key: replace(person, locked_s=now) for key, person in file.people.items()})

    def _write(self) -> None:
        now = self._now()
        self._file.sessions = {
            digest: each
            for digest, each in self._file.sessions.items()
            if now - each.began < LONGEST_SESSION_S and now - each.used < IDLE_S
        }
        write_whole(self._path, msgspec.json.encode(self._file))
        self._seen = self._stamp()


def check_pin(pin: str) -> None:
    """Raise `AccessError` for a PIN that is guessed first: too short, one digit over and over, or digits in a row."""
    if not SHORTEST_PIN <= len(pin) <= LONGEST_PIN:
        raise AccessError(f"a PIN of {len(pin)} characters; take {SHORTEST_PIN} to {LONGEST_PIN}, digits or letters")
    steps = {ord(after) - ord(before) for before, after in pairwise(pin)}
    if len(steps) == 1 and steps <= {0, 1, -1}:
        raise AccessError("a PIN that everybody tries first; mix the digits")


def _verifier(pin: str, salt: bytes) -> bytes:
    return hashlib.scrypt(pin.encode(), salt=salt, n=_N, r=_R, p=_P, maxmem=64 << 20, dklen=32)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _whole_seconds(seconds: float) -> int:
    return max(1, int(seconds) + 1)
