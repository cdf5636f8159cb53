"""A small certificate authority of the chain's own: one certificate for the service, one for each terminal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from drivers.errors import ConfigError
from firmware_py.config import short
from firmware_py.files import write_whole
from firmware_py.matching_service.identity import Identity

AUTHORITY = "authority"
AUTHORITY_DAYS = 20 * 365
DAYS = 2 * 365
_EARLIER = timedelta(hours=1)
"""Certificates hold from an hour before, for terminals whose clock is behind."""


def make_authority(folder: Path, chain: str) -> Path:
    """Make the authority's key and certificate; raise `ConfigError` where there is one already."""
    key_file, certificate_file = _files(folder, AUTHORITY)
    if key_file.exists():
        raise ConfigError(f"{key_file} is there already; another authority would make all its certificates worthless")
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"Fikatap {chain}")
    certificate = (
        _builder(name, key.public_key(), AUTHORITY_DAYS)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(key_file, certificate_file, key, certificate)
    return certificate_file


def make_service_certificate(folder: Path, hosts: list[str], days: int = DAYS) -> tuple[Path, Path]:
    """Make a certificate for the service under these names or addresses; return the files of certificate and key."""
    names: list[x509.GeneralName] = []
    for host in hosts:
        try:
            names.append(x509.IPAddress(ip_address(host)))
        except ValueError:
            try:
                names.append(x509.DNSName(host))
            except ValueError:
                raise ConfigError(f"{short(host)} is no host name; write it in ASCII") from None
    return _make(folder, "service", hosts[0], names, ExtendedKeyUsageOID.SERVER_AUTH, days)


def make_terminal_certificate(folder: Path, identity: Identity, days: int = DAYS, *, from_s: int = 0) -> tuple[Path, Path]:
    """Make a terminal's certificate, which does not hold before `from_s` (UTC); return the files of certificate and key."""
    uri = x509.UniformResourceIdentifier(identity.uri)
    stem = f"{identity.venue}-{identity.terminal}"
    return _make(folder, stem, stem, [uri], ExtendedKeyUsageOID.CLIENT_AUTH, days, from_s)


def _make(
    folder: Path,
    stem: str,
    common_name: str,
    names: list[x509.GeneralName],
    purpose: x509.ObjectIdentifier,
    days: int,
    from_s: int = 0,
) -> tuple[Path, Path]:
    authority_key, authority = _authority(folder)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(_name(common_name), key.public_key(), days, from_s)
        .issuer_name(authority.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    key_file, certificate_file = _files(folder, stem)
    _write(key_file, certificate_file, key, certificate)
    return certificate_file, key_file


def _authority(folder: Path) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key_file, certificate_file = _files(folder, AUTHORITY)
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    except FileNotFoundError as error:
        raise ConfigError(f"{error.filename} is missing; 'fikatap matching certificate authority' makes it") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder} holds no authority that can be read: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(f"{key_file} holds another kind of key; the authority has an elliptic curve's")
    return key, certificate


def _builder(subject: x509.Name, key: ec.EllipticCurvePublicKey, days: int, from_s: int = 0) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    begin = max(now - _EARLIER, datetime.fromtimestamp(from_s, UTC))
    builder = x509.CertificateBuilder().subject_name(subject).public_key(key).serial_number(x509.random_serial_number())
    return builder.not_valid_before(begin).not_valid_after(now + timedelta(days=days))


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _files(folder: Path, stem: str) -> tuple[Path, Path]:
    return folder / f"{stem}.key", folder / f"{stem}.pem"


def _write(key_file: Path, certificate_file: Path, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        key_file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(key_file, secret)
        write_whole(certificate_file, certificate.public_bytes(pem))
    except OSError as error:
        raise ConfigError(f"{key_file.parent} can't be written to: {error.strerror}") from error
