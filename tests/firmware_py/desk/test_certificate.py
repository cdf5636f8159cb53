"""The desk's certificate: whom a phone can know the desk by."""

from __future__ import annotations

import hashlib
import socket
import ssl
import stat
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from drivers.errors import ConfigError
from firmware_py.desk.certificate import DAYS, RENEW_DAYS, Certificate, addresses, keep

NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
NAMES = ["kafe", "kafe.local", "127.0.0.1", "192.0.2.7"]
PATIENCE_S = 30.0


def handshake(kept: Certificate, name: str) -> None:
    """Serve with it once, and let a client that trusts it alone connect under that name; raise what the client raises."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(kept.file, kept.key)
    client = ssl.create_default_context(cafile=str(kept.file))
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            line, _ = listener.accept()
            with line, suppress(OSError):  # when the client does not want to
                server.wrap_socket(line, server_side=True).close()

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            with socket.create_connection(listener.getsockname(), PATIENCE_S) as line:
                client.wrap_socket(line, server_hostname=name).close()
        finally:
            thread.join(PATIENCE_S)


@pytest.mark.parametrize("name", NAMES)
def test_a_client_that_trusts_it_finds_the_desk_under_each_name(tmp_path: Path, name: str) -> None:
    handshake(keep(tmp_path, NAMES, datetime.now(UTC)), name)


def test_under_another_name_it_is_worth_nothing(tmp_path: Path) -> None:
    kept = keep(tmp_path, NAMES, datetime.now(UTC))
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        handshake(kept, "bank.example")


def test_it_is_made_once_and_only_its_owner_reads_the_key(tmp_path: Path) -> None:
    kept = keep(tmp_path, NAMES, NOW)
    der = ssl.PEM_cert_to_DER_cert(kept.file.read_text())
    assert kept.fingerprint.replace(":", "").lower() == hashlib.sha256(der).hexdigest()
    assert stat.S_IMODE(kept.key.stat().st_mode) == 0o600
    later = NOW + timedelta(days=DAYS - RENEW_DAYS - 1)
    assert keep(tmp_path, NAMES[:2], later) == kept
    assert keep(tmp_path, NAMES, datetime(1970, 1, 2, tzinfo=UTC)) == kept  # a clock that was never set


@pytest.mark.parametrize(
    ("names", "now"),
    [
        (NAMES, NOW + timedelta(days=DAYS - RENEW_DAYS)),
        (NAMES, NOW - timedelta(days=2)),
        ([*NAMES, "198.51.100.4"], NOW),
        (["bar", "bar.local"], NOW),
    ],
    ids=["near its end", "not valid yet", "another address", "another name"],
)
def test_a_new_one_is_made_when_the_old_one_does_not_do(tmp_path: Path, names: list[str], now: datetime) -> None:
    kept = keep(tmp_path, NAMES, NOW)
    fresh = keep(tmp_path, names, now)
    assert fresh.fingerprint != kept.fingerprint
    assert keep(tmp_path, names, now) == fresh


@pytest.mark.parametrize("damaged", ["desk.pem", "desk.key"])
def test_a_damaged_one_is_replaced(tmp_path: Path, damaged: str) -> None:
    kept = keep(tmp_path, NAMES, NOW)
    (tmp_path / damaged).write_bytes(b"-----BEGIN")
    assert keep(tmp_path, NAMES, NOW).fingerprint != kept.fingerprint


def test_a_key_of_another_certificate_is_noticed(tmp_path: Path) -> None:
    one = keep(tmp_path, NAMES, NOW)
    (tmp_path / "other").mkdir()
    other = keep(tmp_path / "other", NAMES, NOW)
    other.key.replace(one.key)
    assert keep(tmp_path, NAMES, NOW).fingerprint != one.fingerprint


def test_what_can_not_be_written_or_named_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be written to"):
        keep(tmp_path / "missing", NAMES, NOW)
    with pytest.raises(ConfigError, match="no host name"):
        keep(tmp_path, ["kafé"], NOW)


def test_a_machines_addresses_are_found_without_its_own() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        found = addresses(any_socket)
    assert not any(each.startswith("127.") for each in found)
    for each in found:
        with socket.create_server((each, 0)):
            pass  # it can be listened at: it is the machine's
