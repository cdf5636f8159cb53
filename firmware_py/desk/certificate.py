"""The desk's certificate: made on the spot, signed by itself, made anew when it ends soon or the machine is found elsewhere."""

from __future__ import annotations

import fcntl
import socket
import struct
from array import array
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from drivers.errors import ConfigError
from firmware_py.clock import EARLIEST_MS
from firmware_py.files import write_whole

DAYS = 820
"""How long it holds: Apple's devices take none that holds more than 825 days."""
RENEW_DAYS = 30
"""A new one is made so long before the end."""
FILE, KEY = "desk.pem", "desk.key"
_EARLIEST = datetime.fromtimestamp(EARLIEST_MS / 1000, UTC)
_SIOCGIFCONF = 0x8912
_IFREQ = 40 if struct.calcsize("P") == 8 else 32
"""Bytes for each interface that has an IPv4 address; the address is in 20 to 24 (netdevice(7))."""
MOST_ADDRESSES = 16
SHOWN = 12
"""So many bytes of the fingerprint are on the slip."""


class Certificate(NamedTuple):
    """Files of certificate and key, in PEM, and what people compare with what their phone shows."""

    file: Path
    key: Path
    fingerprint: str
    """SHA-256, as browsers write it: `AB:CD:…`."""

    @property
    def begins(self) -> str:
        """The beginning of the fingerprint: as much as anybody compares."""
        return self.fingerprint[: SHOWN * 3 - 1]


def keep(folder: Path, names: Sequence[str], now: datetime) -> Certificate:
    """Return the certificate in a folder, a new one where it needs one; raise `ConfigError` when none can be written.

    `names` are host names and addresses. A clock that was never set makes no certificate old.
    """
    file, key = folder / FILE, folder / KEY
    found = _read(file, key)
    if found is None or not _holds(found, names, now):
        try:
            found = _make(file, key, names, max(now, _EARLIEST))
        except OSError as error:
            raise ConfigError(f"[desk] folder = '{folder}' can't be written to: {error.strerror or error}") from error
    return _told(file, key, found)


def kept(folder: Path) -> Certificate | None:
    """Return the certificate in a folder as it is; None where there is none."""
    file, key = folder / FILE, folder / KEY
    found = _read(file, key)
    return None if found is None else _told(file, key, found)


def _told(file: Path, key: Path, found: x509.Certificate) -> Certificate:
    return Certificate(file, key, found.fingerprint(hashes.SHA256()).hex(":").upper())


def addresses(of: socket.socket) -> list[str]:
    """Return the machine's IPv4 addresses in the network of a socket: who was handed it may be in no network itself."""
    room = array("B", bytes(_IFREQ * MOST_ADDRESSES))
    where, _ = room.buffer_info()
    used, _ = struct.unpack("@iP", fcntl.ioctl(of.fileno(), _SIOCGIFCONF, struct.pack("@iP", len(room), where)))
    found = [IPv4Address(bytes(room[start + 20 : start + 24])) for start in range(0, used, _IFREQ)]
    return sorted({str(each) for each in found if not each.is_loopback})


def _read(file: Path, key: Path) -> x509.Certificate | None:
    """Return the certificate; None where it or its key is missing or damaged, or they do not belong together."""
    try:
        found = x509.load_pem_x509_certificate(file.read_bytes())
        secret = serialization.load_pem_private_key(key.read_bytes(), None)
    except (OSError, ValueError):
        return None
    return found if secret.public_key() == found.public_key() else None


def _holds(found: x509.Certificate, names: Sequence[str], now: datetime) -> bool:
    try:
        named = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    soon = now >= found.not_valid_after_utc - timedelta(days=RENEW_DAYS)
    # One that is not valid yet was made by a clock that was wrong.
    later = _EARLIEST <= now < found.not_valid_before_utc
    return not soon and not later and all(name in named for name in map(_general_name, names))


def _make(file: Path, key: Path, names: Sequence[str], now: datetime) -> x509.Certificate:
    secret = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(secret.public_key()), critical=False)
        .sign(secret, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    write_whole(key, secret.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    write_whole(file, made.public_bytes(pem), 0o644)
    return made


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError:
        raise ConfigError(f"[desk] names has '{name[:80]}', which is no host name; write it in ASCII") from None
