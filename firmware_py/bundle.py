"""A release on its way to a terminal: one tar with a manifest, and a signature beside it (docs/updates.md)."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct

from drivers.errors import FikatapError
from firmware_py.config import short

FORMAT = 1
PRINCIPAL, NAMESPACE = "fikatap-release", "fikatap-bundle"
"""Who signs, and what for: a signature made for anything else is none."""
MANIFEST, VERSION = "manifest.json", "version"
INSTALLER = "systemd/install"
LONGEST_MANIFEST = 1_000_000
MOST_FILES, MOST_BYTES = 2_000, 500_000_000
_NAME = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.+@-]*/){0,6}[A-Za-z0-9_][A-Za-z0-9_.+@-]*")
_VERSION = re.compile(r"([0-9]{1,6})\.([0-9]{1,6})\.([0-9]{1,6})")


class BundleError(FikatapError):
    """A bundle is not what it should be, or not for this terminal; nothing of it was used."""


class Content(Struct, frozen=True):
    """What one file of a bundle is: its size in bytes and its SHA-256 in hex."""

    size: int
    sha256: str


class Manifest(Struct, frozen=True, kw_only=True):
    """What a bundle says of itself."""

    format: int
    version: str
    machine: str
    """As Debian's multiarch name begins: aarch64, x86_64."""
    debian: str
    """The version of Debian (and Raspberry Pi OS), such as 12."""
    python: str
    """Debian's own Python there, such as 3.11."""
    ledger: int
    """The version of the ledger that it makes."""
    ledger_oldest: int
    """The oldest version of the ledger whose programs may write that; 0 for none."""
    files: dict[str, Content]


def version_number(version: str) -> tuple[int, ...]:
    """Return a version as numbers that can be compared; raise `BundleError`."""
    found = _VERSION.fullmatch(version)
    if found is None:
        raise BundleError(f"version {short(version)} is none; one looks like 0.2.0")
    return tuple(map(int, found.groups()))


def verify(file: Path, signature: Path, signers: Path, name: str) -> None:
    """Check a file's signature with OpenSSH; raise `BundleError` that calls the file `name`."""
    if not signers.exists():
        raise BundleError(f"{signers} is missing: it names the keys whose updates this terminal takes (docs/updates.md)")
    if not signature.exists():
        raise BundleError(f"{name}.sig is missing; copy both files")
    about = ["-n", NAMESPACE, "-s", os.fspath(signature)]
    if _ssh_keygen(["verify", "-f", os.fspath(signers), "-I", PRINCIPAL, *about], file):
        return
    if _ssh_keygen(["check-novalidate", *about], file):
        raise BundleError(f"{name} is signed by a key that this terminal does not trust; those that it does are in {signers}")
    raise BundleError(f"{name} is not what was signed: copied incompletely, or changed; copy it and {name}.sig anew")


def _ssh_keygen(arguments: list[str], file: Path) -> bool:
    try:
        with file.open("rb") as content:
            command = ["ssh-keygen", "-Y", *arguments]
            done = subprocess.run(command, stdin=content, capture_output=True, check=False)  # noqa: S603 - fixed words and our own paths
    except FileNotFoundError as error:
        raise BundleError("ssh-keygen is missing: sudo apt install openssh-client") from error
    return done.returncode == 0


def read_manifest(bundle: Path, name: str) -> Manifest:
    """Return what a bundle says of itself; raise `BundleError`."""
    with _opened(bundle, name) as tar:
        first = tar.next()
        if first is None or first.name != MANIFEST or not _is_plain(first) or first.size > LONGEST_MANIFEST:
            raise BundleError(f"{name} is no bundle of Fikatap: its first file is not {MANIFEST}")
        content = _content(tar, first).read()
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except msgspec.DecodeError as error:
        raise BundleError(f"{name}: {MANIFEST} can't be read: {error}") from error
    if manifest.format != FORMAT:
        raise BundleError(f"{name} has format {manifest.format}; this release reads {FORMAT}: install one in between first")
    version_number(manifest.version)
    _check_files(manifest, name)
    return manifest


def _check_files(manifest: Manifest, name: str) -> None:
    for path in (VERSION, INSTALLER):
        if path not in manifest.files:
            raise BundleError(f"{name} has no {path}")
    for path in manifest.files:
        if not _NAME.fullmatch(path):
            raise BundleError(f"{name} has a file {short(path)}, which does not belong into a bundle")
    size = sum(each.size for each in manifest.files.values())
    if len(manifest.files) > MOST_FILES or size > MOST_BYTES or any(each.size < 0 for each in manifest.files.values()):
        raise BundleError(f"{name} holds {len(manifest.files)} files of {size} bytes; most are {MOST_FILES} of {MOST_BYTES}")


def unpack(bundle: Path, manifest: Manifest, folder: Path, name: str) -> None:
    """Write exactly the files that the manifest names, below a folder that is made; raise `BundleError` or OSError.

    Nothing is taken from the tar but names, bytes and whether a file is executable.
    """
    left = dict(manifest.files)
    folder.mkdir(mode=0o755)
    with _opened(bundle, name) as tar:
        for member in tar:
            if member.name == MANIFEST and member.offset == 0:
                continue
            expected = left.pop(member.name, None)
            if expected is None or not _is_plain(member) or member.size != expected.size:
                raise BundleError(f"{name} has {short(member.name)} otherwise than {MANIFEST} says")
            target = folder / member.name
            target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            if _write(target, _content(tar, member), 0o755 if member.mode & 0o100 else 0o644) != expected:
                raise BundleError(f"{name}: {member.name} is damaged")
    if left:
        raise BundleError(f"{name} lacks {short(min(left))}")


def _is_plain(member: tarfile.TarInfo) -> bool:
    return member.type in (tarfile.REGTYPE, tarfile.AREGTYPE)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    found = tar.extractfile(member)
    assert found is not None  # noqa: S101 - it is a plain file
    return found


def _write(target: Path, source: IO[bytes], mode: int) -> Content:
    digest, size = hashlib.sha256(), 0
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
        while part := source.read(1 << 20):
            digest.update(part)
            size += file.write(part)
    return Content(size, digest.hexdigest())


@contextmanager
def _opened(bundle: Path, name: str) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(bundle, "r:") as tar:
            yield tar
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise BundleError(f"{name} can't be read as a tar: {error}") from error
