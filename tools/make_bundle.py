"""Makes the bundle that `fikatap update` takes: Fikatap's wheel, the locked wheels for a machine, a manifest, a signature.

`make bundle ARGS="--machine aarch64 --debian 12 --key KEY"`; docs/updates.md says what is in it. Needs the network and
pip; nothing is run on the other machine.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from firmware_py.bundle import FORMAT, INSTALLER, MANIFEST, NAMESPACE, VERSION, Content, Manifest, version_number
from firmware_py.database import OLDEST, STEPS

ROOT = Path(__file__).parents[1]
PYTHONS = {"12": "3.11", "13": "3.13"}
"""Debian's own Python, by Debian's version."""
GLIBC = {"12": 36, "13": 41}
"""The C library's minor version there, which says how new a wheel may be."""
MACHINES = ("aarch64", "x86_64")
PACKAGES = ("kiosk", "drivers", "firmware_py")
SOURCE_ONLY = ("pydes",)
"""Published as source only; plain Python, so that a wheel of it fits every machine."""
DEBIAN_PACKAGES = ("python3", "python3-pip", "python3-pyscard", "pcscd", "libusb-1.0-0", "kmod", "openssh-client")
"""What has no wheel for every machine, the libraries that wheels load from the system, and what checks the next bundle."""
PINS = "python3-lgpio"
"""Where there may be pins."""


def main() -> None:
    """Make a bundle and print where it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machine", choices=MACHINES, default="aarch64")
    parser.add_argument("--debian", choices=PYTHONS, default="12")
    parser.add_argument("--key", type=Path, required=True, help="OpenSSH's private key that signs (ssh-keygen -t ed25519)")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    args = parser.parse_args()
    with TemporaryDirectory() as name:
        wheels = Path(name) / "wheels"
        fetch(ROOT, wheels, args.machine, args.debian)
        made = write(ROOT, wheels, args.machine, args.debian, args.key, args.out)
    print(made)  # noqa: T201 - it is a command


def fetch(root: Path, wheels: Path, machine: str, debian: str) -> None:
    """Put Fikatap's wheel and all locked ones into a folder, each checked against its locked hash."""
    wheels.mkdir()
    entries = locked((root / "locks" / "run.txt").read_text(encoding="utf-8"))
    sources = [entry for entry in entries if entry.startswith(SOURCE_ONLY)]
    binary = wheels.with_name("binary.txt")
    source = wheels.with_name("source.txt")
    binary.write_text("".join(entry for entry in entries if entry not in sources), encoding="utf-8")
    source.write_text("".join(sources), encoding="utf-8")
    python = PYTHONS[debian]
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(GLIBC[debian], 16, -1)] + [f"manylinux2014_{machine}"]
    platforms = [word for tag in tags for word in ("--platform", tag)]
    checked = ["--no-deps", "--require-hashes"]
    _pip("download", *checked, "--only-binary=:all:", *platforms, "--python-version", python, "-r", binary, "-d", wheels)
    _pip("wheel", *checked, "--no-build-isolation", "-r", source, "-w", wheels)
    # From a copy: setuptools would put into the wheel what an earlier build left in the checkout.
    clean = wheels.with_name("source")
    for folder in PACKAGES:
        shutil.copytree(root / folder, clean / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, clean)
    _pip("wheel", "--no-deps", "--no-build-isolation", clean, "-w", wheels)
    for wheel in wheels.iterdir():
        if not wheel.name.endswith(("-none-any.whl", f"{machine}.whl")):
            raise SystemExit(f"{wheel.name} does not fit {machine}; take it from Debian's packages")


def locked(text: str) -> list[str]:
    """Return the entries of a lock file that a Linux machine needs, each with its hashes."""
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)
    return [entry for entry in entries if entry.strip() and "sys_platform == 'win32'" not in entry]


def write(root: Path, wheels: Path, machine: str, debian: str, key: Path, out: Path) -> Path:
    """Write tar and signature into a folder; return where the tar is."""
    version = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    version_number(version)
    files = dict(_files(root, wheels, version, machine))
    if INSTALLER not in files:
        raise SystemExit(f"{INSTALLER} is missing")
    manifest = Manifest(
        format=FORMAT,
        version=version,
        machine=machine,
        debian=debian,
        python=PYTHONS[debian],
        ledger=len(STEPS),
        ledger_oldest=OLDEST,
        files={name: Content(len(data), hashlib.sha256(data).hexdigest()) for name, (data, _) in files.items()},
    )
    out.mkdir(exist_ok=True)
    bundle = out / f"fikatap-{version}-debian{debian}-{machine}.tar"
    with tarfile.open(bundle, "w", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)), 0o644)
        for name, (data, mode) in files.items():
            _add(tar, name, data, mode)
    sign(bundle, key)
    return bundle


def sign(bundle: Path, key: Path) -> None:
    """Write the signature beside a bundle; asks for the key's passphrase, or lets a token or agent sign."""
    bundle.with_name(f"{bundle.name}.sig").unlink(missing_ok=True)
    command = ["ssh-keygen", "-Y", "sign", "-n", NAMESPACE, "-f", os.fspath(key), os.fspath(bundle)]
    subprocess.run(command, check=True)  # noqa: S603 - fixed words and the caller's paths


def _files(root: Path, wheels: Path, version: str, machine: str) -> Iterator[tuple[str, tuple[bytes, int]]]:
    """Yield the files of a bundle: name, bytes and mode, the same for the same source."""
    yield VERSION, (f"{version}\n".encode(), 0o644)
    packages = (*DEBIAN_PACKAGES, PINS) if machine == "aarch64" else DEBIAN_PACKAGES
    yield "debian-packages", ("".join(f"{each}\n" for each in packages).encode(), 0o644)
    lines = []
    for wheel in sorted(wheels.iterdir()):
        data = wheel.read_bytes()
        name, number, *_ = wheel.name.split("-")
        lines.append(f"{name.replace('_', '-')}=={number} --hash=sha256:{hashlib.sha256(data).hexdigest()}\n")
        yield f"wheels/{wheel.name}", (data, 0o644)
    yield "requirements.txt", ("".join(lines).encode(), 0o644)
    yield "LICENSE", ((root / "LICENSE").read_bytes(), 0o644)
    for folder in ("systemd", "docs"):
        for path in sorted(each for each in (root / folder).rglob("*") if each.is_file() and "__pycache__" not in each.parts):
            yield os.fspath(path.relative_to(root)), (path.read_bytes(), 0o755 if path.stat().st_mode & 0o100 else 0o644)


def _add(tar: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), mode
    tar.addfile(member, BytesIO(data))


def _pip(*arguments: str | Path) -> None:
    # The outer Python's pip, as in the Makefile: the environment has none of its own.
    python = os.environ.get("PYTHON", "python3")
    command = [python, "-m", "pip", "--python", sys.executable, *(os.fspath(each) for each in arguments), "--quiet"]
    subprocess.run([*command, "--disable-pip-version-check"], check=True)  # noqa: S603 - fixed words and our own paths


if __name__ == "__main__":
    main()
