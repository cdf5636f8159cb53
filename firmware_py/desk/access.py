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
from contextlib import ExitStack, contextmanager, suppress
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
    """Somebody may not come in, or a name or PIN can't be taken: a sentence, and its key and parts for the pages."""

    def __init__(self, sentence: str, key: str, **parts: str | int) -> None:
        super().__init__(sentence)
        self.key = key
        self.parts = parts


class Locked(AccessError):
    """Too many wrong PINs; `wait_s` is how long to wait."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"too many wrong PINs: wait {wait_s} s", "locked")
        self.wait_s = wait_s


class Known(AccessError):
    """There is somebody of that name already, whom nobody meant to change; `person` is that one."""

    def __init__(self, person: Person) -> None:
        super().__init__(f"there is {person.name} ({person.role}) already", "known", name=person.name)
        self.person = person


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
    `AccessError` for what people did wrong. Where nothing can be written, who is in, who comes and goes, and wrong tries are
    kept in memory; people themselves are not changed then: OSError.
    """

    def __init__(self, path: Path, boot_id: str, now: Callable[[], float]) -> None:
        self._path = path
        self._boot_id = boot_id
        self._now = now
        self._wrong_from: dict[str, list[float]] = {}
        self._lock = threading.RLock()
        self._trying = threading.Lock()
        self._seen: tuple[int, ...] | None = None
        self._ended = path.with_suffix(".ended")
        """Is there while a log-out could not be stored."""
        self._stored = True
        self._file = self._read()
        # Takes as long as a real person's PIN, so that nobody learns which names there are.
        self._nobody = Person(name="", role=Role.STAFF, salt=secrets.token_bytes(16), verifier=b"")

    def people(self) -> list[tuple[str, Role]]:
        """Return names and roles, by name; waits for nobody."""
        self._glance()
        return sorted((person.name, person.role) for person in list(self._file.people.values()))

    def set_pin(
        self, name: str, role: Role | None, pin: str, *, new: bool | None = None, keeps_manager: bool = False
    ) -> tuple[Role, bool]:
        """Add somebody, or give them another PIN and role, which ends their sessions and their lock.

        Without a role people keep theirs, and somebody new is staff. Return their role, and whether they are new. With
        `new` raise `AccessError` when they are not what it says, with `keeps_manager` when no manager would be left.
        """
        name = " ".join(name.split())
        if not 1 <= len(name) <= 40 or not name.isprintable():
            raise AccessError(f"'{name[:40]}' is no name; write 1 to 40 letters", "no_name")
        check_pin(pin)
        key = name.casefold()
        salt = secrets.token_bytes(16)
        verifier = _verifier(pin, salt)
        with self._changing():
            known = self._file.people.get(key)
            if known is None and new is False:
                raise AccessError(f"there is no '{name}' any more", "gone", name=name)
            if known is not None and new:
                raise Known(known)
            if known is None and len(self._file.people) >= MOST_PEOPLE:
                raise AccessError(f"there are {MOST_PEOPLE} people already; take one away first", "too_many", most=MOST_PEOPLE)
            role = role or (Role.STAFF if known is None else known.role)
            person = Person(name=name, role=role, salt=salt, verifier=verifier)
            self._settle({**self._file.people, key: person}, key, keeps_manager=keeps_manager)
        return role, known is None

    def remove(self, name: str, *, keeps_manager: bool = False) -> None:
        """Take somebody's access away; with `keeps_manager` raise `AccessError` when no manager would be left."""
        key = " ".join(name.split()).casefold()
        with self._changing():
            if key not in self._file.people:
                names = ", ".join(person for person, _ in self.people()) or "nobody yet"
                raise AccessError(f"there is no '{name}'; there are {names}", "gone", name=name[:40])
            left = {each: person for each, person in self._file.people.items() if each != key}
            self._settle(left, key, keeps_manager=keeps_manager)

    def _settle(self, people: dict[str, Person], key: str, *, keeps_manager: bool) -> None:
        """Let these be the people from now on, and end one's sessions: all of it, or nothing when it can't be stored."""
        before = self._file
        if keeps_manager and not any(person.role is Role.MANAGER for person in people.values()):
            raise AccessError("somebody must be a manager; make somebody else one first", "last_manager")
        sessions = {digest: each for digest, each in before.sessions.items() if each.name.casefold() != key}
        self._file = _File(boot_id=before.boot_id, people=people, sessions=sessions)
        try:
            self._write()
        except OSError:
            self._file = before
            raise

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
            with self._changing(store=False):
                # Meanwhile a command may have given them another PIN.
                if person is not None and getattr(self._file.people.get(key), "salt", None) != person.salt:
                    person = None
                if person is None or not right:
                    self._count_wrong(key, person, address, now)
                    raise AccessError("this name and this PIN do not go together", "wrong")
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
        self._keep()
        return token, session

    def session(self, token: str) -> tuple[Session, Person] | None:
        """Return whose token this is, if its session still runs, and count it as used."""
        with self._lock:
            self._refresh()
            found = self._find(token)
        if found is None or self._now() - found[0].used < TOUCH_S:
            return found
        with self._changing(store=False):
            session = self._file.sessions.get(found[0].digest)
            if session is None:
                return None
            session = self._file.sessions[session.digest] = replace(session, used=self._now())
            self._keep()
        return session, found[1]

    def peek(self, token: str) -> tuple[Session, Person] | None:
        """Return whose token this is, if its session still runs; looking keeps it no longer alive, and waits for nobody."""
        self._glance()
        return self._find(token)

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
        """End a session, whether or not that can be stored."""
        if self.peek(token) is None:
            return
        with self._changing(store=False):
            if self._file.sessions.pop(_digest(token), None) is not None and not self._keep():
                # An empty file needs no room: where it is, no session comes back with a restart.
                with suppress(OSError):
                    self._ended.touch(mode=0o600)

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
        self._keep()

    @contextmanager
    def _changing(self, *, store: bool = True) -> Iterator[None]:
        """Hold the file, also against other programs, as it is now; without `store` also where nothing can be written."""
        with self._lock, ExitStack() as held:
            try:
                fcntl.flock(held.enter_context(self._path.with_suffix(".lock").open("ab")), fcntl.LOCK_EX)
            except OSError:
                if store:
                    raise
            self._refresh()
            yield

    def _keep(self) -> bool:
        """Store what changed, or keep it in memory: a full disk logs nobody out, and nobody may guess for ever on one."""
        try:
            self._write()
        except OSError as error:
            if self._stored:
                log.warning("%s can't be written, sessions and locks are kept in memory: %s", self._path, error)
            self._stored = False
        return self._stored

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
        except OSError:  # the disk is gone: what was read of it still holds
            return self._seen
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _read(self) -> _File:
        self._seen = self._stamp()
        try:
            file = msgspec.json.decode(self._path.read_bytes(), type=_File)
        except FileNotFoundError:
            file = _File()
        except (OSError, msgspec.DecodeError) as error:
            raise AccessError(
                f"{self._path} can't be read ({error}); take it away, and give people new PINs with 'fikatap desk pin'",
                "damaged",
            ) from error
        if self._ended.exists():
            file.sessions = {}
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
        self._ended.unlink(missing_ok=True)
        self._stored = True


def check_pin(pin: str) -> None:
    """Raise `AccessError` for a PIN that is guessed first: too short, one digit over and over, or digits in a row."""
    if not SHORTEST_PIN <= len(pin) <= LONGEST_PIN:
        sentence = f"a PIN of {len(pin)} characters; take {SHORTEST_PIN} to {LONGEST_PIN}, digits or letters"
        raise AccessError(sentence, "pin_length", least=SHORTEST_PIN, most=LONGEST_PIN)
    steps = {ord(after) - ord(before) for before, after in pairwise(pin)}
    if len(steps) == 1 and steps <= {0, 1, -1}:
        raise AccessError("a PIN that everybody tries first; mix the digits", "pin_guessed")


def _verifier(pin: str, salt: bytes) -> bytes:
    return hashlib.scrypt(pin.encode(), salt=salt, n=_N, r=_R, p=_P, maxmem=64 << 20, dklen=32)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _whole_seconds(seconds: float) -> int:
    return max(1, int(seconds) + 1)
