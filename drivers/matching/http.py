"""The shared matching service over HTTP/1.1 (RFC 9112), with a client certificate or a token; docs/matching-service.md."""

from __future__ import annotations

import secrets
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import SplitResult, quote, urlsplit

import msgspec
import urllib3
from msgspec import Struct
from urllib3.exceptions import (
    ConnectTimeoutError,
    DecodeError,
    HTTPError,
    InvalidHeader,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

from drivers.errors import ConfigError, DeviceError, DeviceGarbled, DeviceLost, DeviceMissing, DeviceRefused, DeviceSilent
from drivers.matching.wire import BATCH, PROBLEM, CheckIn, Fact, PresencePage, Problem, Proposal, RosterPage, Taken
from drivers.ports import MatchingService

CONNECT_S = 3.0
"""How long a connection may take to be made."""
ANSWER_S = 10.0
"""How long an answer may take, beyond what it was asked to wait for."""
LATE_S = 1.0
"""The same for a check-in, whose answer nobody waits for any more by then."""
PAGE = 500
"""How many members to ask for at once."""
LARGEST_PAGE = 8_000_000
"""Bytes of a page of the roster or of who is here, unpacked: 500 members have some 400,000."""
LARGEST_ANSWER = 65_536
"""Bytes of any other answer."""
LARGEST_CALENDAR = 4_000_000
LONGEST_TOKEN = 4_096
_JSON, _CALENDAR = "application/json", "text/calendar"
_CHUNK = 65_536

_NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises: for another shape, for bytes that are no UTF-8, for what is nested too deeply."""

T = TypeVar("T")
_encode = msgspec.json.Encoder().encode
# Made here, in one thread: msgspec crashes the process when several ask at once for the same type for the first time.
_DECODERS: dict[type, msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(kind) for kind in (RosterPage, PresencePage, Proposal, Taken, Problem)
}


class HttpMatching(MatchingService):
    """One connection to the service, kept open between calls."""

    class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """Where the service is, and how this terminal shows who it is."""

        url: str
        venue: str
        ca: Path | None = None
        """The certificate of whoever signed the service's (PEM); the system's own when left out."""
        certificate: Path | None = None
        """This terminal's certificate (PEM)."""
        key: Path | None = None
        """Its key (PEM); left out where that is in the certificate's file."""
        token: Path | None = None
        """A file that holds a token, in place of a certificate where the service is behind a proxy."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool: urllib3.HTTPConnectionPool | None = None
        self._connection: Any = None
        self._base = ""
        self._headers: dict[str, str] = {}

    def open(self) -> None:
        """Connect and ask for one member, so that a service that does not want this terminal says so now."""
        settings = self._settings
        url = _address(settings.url)
        host, port = url.hostname or "", url.port
        self._base = f"{url.path.rstrip('/')}/v1/venues/{quote(settings.venue, safe='')}"
        self._headers = {"Accept-Encoding": "gzip", "User-Agent": "fikatap"}
        if settings.token is not None:
            self._headers["Authorization"] = f"Bearer {_token(settings.token)}"
        if url.scheme == "https":
            self._pool = urllib3.HTTPSConnectionPool(host, port, maxsize=1, ssl_context=_context(settings))
        else:
            self._pool = urllib3.HTTPConnectionPool(host, port, maxsize=1)
        make = self._pool.ConnectionCls

        def noted(*arguments: Any, **named: Any) -> Any:
            self._connection = make(*arguments, **named)
            return self._connection

        self._pool.ConnectionCls = noted  # type: ignore[assignment]  # whatever makes one will do
        try:
            self._page("/roster?since=0&limit=1", RosterPage, ANSWER_S)
        except DeviceLost as error:
            # TLS 1.3 lets a client speak before its certificate was looked at, and many servers then just hang up.
            hung_up = settings.certificate is not None and isinstance(error.__cause__, ProtocolError)
            hint = "; if it is there, it may not know whoever signed this terminal's certificate" if hung_up else ""
            raise DeviceMissing(f"{error}{hint}") from error

    def close(self) -> None:
        """Close the connection."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def hang_up(self) -> None:
        """Cut the connection under whatever waits for an answer."""
        taken = getattr(self._connection, "sock", None)
        if taken is not None:
            with suppress(OSError):
                socket.socket.shutdown(taken, socket.SHUT_RDWR)  # past TLS, whose state is the other thread's

    def describe(self) -> str:
        """Return address and venue."""
        return f"matching service {self._settings.url}, venue '{self._settings.venue}'"

    def check_in(self, check_in: CheckIn, wait_s: float) -> Proposal | None:
        """Ask once; each question has a key of its own, for its answer depends on the moment."""
        headers = {
            "Content-Type": _JSON,
            "Idempotency-Key": f"{check_in.presence.visit}.{secrets.token_hex(8)}",
            "Prefer": f"wait={wait_s:g}",
        }
        status, body = self._call("POST", "/check-ins", wait_s + LATE_S, headers, _encode(check_in), take=(200, 202))
        return None if status == 202 else _decoded(body, Proposal)

    def report(self, facts: Sequence[Fact]) -> None:
        """Send a batch."""
        batch = _encode([_cloud_event(fact) for fact in facts])
        _, body = self._call("POST", "/events", ANSWER_S, {"Content-Type": BATCH}, batch)
        _decoded(body, Taken)

    def roster(self, since: int) -> RosterPage:
        """Ask for up to `PAGE` members."""
        same = {"If-None-Match": f'"{since}"'} if since else {}
        return self._page(f"/roster?since={since}&limit={PAGE}", RosterPage, ANSWER_S, same) or RosterPage(version=since)

    def presence(self, since: int, wait_s: float) -> PresencePage:
        """Long-poll."""
        page = self._page(f"/presence?since={since}", PresencePage, wait_s + ANSWER_S, {"Prefer": f"wait={wait_s:g}"})
        return page or PresencePage(version=since)

    def schedule(self) -> bytes:
        """Ask for the whole calendar."""
        _, body = self._call("GET", "/schedule.ics", ANSWER_S, largest=LARGEST_CALENDAR, media=_CALENDAR)
        return body

    def _page(self, path: str, kind: type[T], within_s: float, headers: Mapping[str, str] | None = None) -> T | None:
        """Return a page, None when nothing changed."""
        status, body = self._call("GET", path, within_s, headers or {}, largest=LARGEST_PAGE, take=(200, 304))
        return None if status == 304 else _decoded(body, kind)

    def _call(
        self,
        method: str,
        path: str,
        within_s: float,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        largest: int = LARGEST_ANSWER,
        media: str = _JSON,
        take: tuple[int, ...] = (200,),
    ) -> tuple[int, bytes]:
        """Return status and body of an answer that has one of the statuses to `take`; raise the error that any other is."""
        if self._pool is None:
            raise AssertionError("the service was asked before it was opened")
        by = time.monotonic() + within_s
        with _errors_of(self._settings):
            # A drop of bytes now and then never runs into a timeout of the socket, so that `by` is looked at between them.
            response = self._pool.urlopen(
                method,
                self._base + path,
                body,
                {**self._headers, **(headers or {})},
                retries=False,
                redirect=False,
                assert_same_host=False,
                timeout=urllib3.Timeout(connect=min(CONNECT_S, within_s), read=within_s),
                preload_content=False,
            )
            try:
                self._check(response, take, media, by)
                return response.status, _read(response, largest, by)
            except BaseException:
                response.close()
                raise
            finally:
                response.release_conn()

    def _check(self, response: urllib3.BaseHTTPResponse, take: tuple[int, ...], media: str, by: float) -> None:
        """Raise the error that an answer is, if it is one."""
        if response.status not in take:
            raise self._problem(response, by)
        said = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if response.status == 200 and said != media:
            raise DeviceGarbled(f"{self._where} answers with '{_plain(said)}' instead of {media}; is something in between?")

    def _problem(self, response: urllib3.BaseHTTPResponse, by: float) -> DeviceLost | DeviceRefused | DeviceGarbled:
        """Return what an answer with an error says, sorted by what happens next."""
        status = response.status
        if status < 400:
            return DeviceGarbled(f"{self._where} answers {status} instead of 200; is there a sign-in page in between?")
        said = ""
        if response.headers.get("Content-Type", "").startswith(PROBLEM):
            try:
                problem = _DECODERS[Problem].decode(_read(response, LARGEST_ANSWER, by))
            except _NO_JSON:
                pass
            else:
                said = f": {_plain(problem.detail or problem.title)}"
                said += f" (not '{_plain(problem.value)}')" if problem.value and problem.value not in said else ""
                said += f"; {_plain(problem.allowed)}" if problem.allowed and problem.allowed not in said else ""
        message = f"{self._where} answers {status}{said}"
        # Too much to do, or trouble of its own, passes; all others somebody has to see to.
        return DeviceLost(message) if status >= 500 or status in (408, 409, 429) else DeviceRefused(message)

    @property
    def _where(self) -> str:
        return self._settings.url


@contextmanager
def _errors_of(settings: HttpMatching.Settings) -> Iterator[None]:
    """Turn the library's errors into ours."""
    where = settings.url
    try:
        yield
    except DeviceError:
        raise
    except (NewConnectionError, ConnectTimeoutError) as error:
        raise DeviceLost(f"{where} can't be reached: {_why(error)}") from error
    except (ReadTimeoutError, TimeoutError) as error:
        raise DeviceSilent(f"{where} does not answer in time") from error
    except (SSLError, ssl.SSLError) as error:
        raise _not_trusted(settings, error) from error
    except (InvalidHeader, DecodeError) as error:
        raise DeviceGarbled(f"{where} answers no HTTP: {error}") from error
    except (HTTPError, OSError) as error:
        cause = error.__cause__ or error.__context__
        if isinstance(cause, ssl.SSLError):
            raise _not_trusted(settings, cause) from error
        if isinstance(cause, ValueError) or "BadStatusLine" in repr(error):
            raise DeviceGarbled(f"{where} answers no HTTP: {_why(error)}") from error
        raise DeviceLost(f"{where} went away: {_why(error)}") from error


def _not_trusted(settings: HttpMatching.Settings, error: Exception) -> DeviceRefused:
    return DeviceRefused(
        f"{settings.url} and this terminal don't trust each other ({_why(error)}); "
        f"look at ca, certificate and key under [matching], and at the clock"
    )


def _read(response: urllib3.BaseHTTPResponse, largest: int, by: float) -> bytes:
    """Return the body, unpacked; raise `DeviceGarbled` when it is larger than `largest`."""
    parts: list[bytes] = []
    size = 0
    while part := response.read1(_CHUNK, decode_content=True):
        parts.append(part)
        size += len(part)
        if size > largest:
            raise DeviceGarbled(f"the service's answer has more than {largest} bytes")
        if time.monotonic() > by:
            raise TimeoutError
    return b"".join(parts)


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        found: T = _DECODERS[kind].decode(body)
    except _NO_JSON as error:
        raise DeviceGarbled(f"the service's answer is no {kind.__name__}: {_plain(str(error))}") from error
    return found


def _cloud_event(fact: Fact) -> dict[str, Any]:
    """Return a fact as a CloudEvent 1.0 in the JSON format."""
    data = msgspec.to_builtins(fact.what)
    event = {
        "specversion": "1.0",
        "id": fact.id,
        "source": fact.source,
        "type": data.pop("type"),
        "sequence": str(fact.seq),
        "datacontenttype": _JSON,
        "data": data,
    }
    if fact.time_ms is not None:
        event["time"] = datetime.fromtimestamp(fact.time_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return event


def _address(url: str) -> SplitResult:
    """Return the parts of the service's address; raise `ConfigError`."""
    try:
        parts = urlsplit(url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_fine = urlsplit(""), False
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine or parts.query or parts.fragment:
        raise ConfigError(f"[matching] url = '{url}' is not an address; write one like 'https://fika.example:8443'")
    if parts.username is not None:
        raise ConfigError("[matching] url has a name or password in it; write the token into a file, and token = that file")
    return parts


def _context(settings: HttpMatching.Settings) -> ssl.SSLContext:
    """Return what TLS needs; raise `ConfigError`."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.ca is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_verify_locations(settings.ca)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"[matching] ca = '{settings.ca}' holds no certificate: {_why(error)}") from error
    if settings.certificate is not None:
        try:
            context.load_cert_chain(settings.certificate, settings.key)
        except (OSError, ssl.SSLError) as error:
            named = f"certificate = '{settings.certificate}'" + (f" with key = '{settings.key}'" if settings.key else "")
            raise ConfigError(f"[matching] {named} can't be used: {_why(error)}") from error
    return context


def _token(path: Path) -> str:
    try:
        token = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"[matching] token = '{path}' can't be read: {_why(error)}") from error
    if not token or len(token) > LONGEST_TOKEN or not token.isprintable() or " " in token:
        raise ConfigError(f"[matching] token = '{path}' holds no token: one word in one line")
    return token


def _why(error: BaseException) -> str:
    """Return the innermost reason, as short as the system tells it."""
    while (inner := error.__cause__ or error.__context__) is not None and isinstance(inner, OSError | HTTPError):
        error = inner
    if isinstance(error, ssl.SSLError):
        return _plain(getattr(error, "verify_message", "") or error.reason or str(error))
    if isinstance(error, OSError):
        return _plain(error.strerror or str(error) or type(error).__name__)
    return _plain(str(error) or type(error).__name__)


def _plain(text: str) -> str:
    """Return what somebody else wrote, so that it can be shown: on one line, and not at any length."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:200]
