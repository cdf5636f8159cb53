"""Takes a bundle to a running terminal: checks it, copies the ledger, and lets the new release install itself."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from drivers.errors import FikatapError
from firmware_py.bundle import (
    INSTALLER,
    MOST_BYTES,
    VERSION,
    BundleError,
    Manifest,
    read_manifest,
    unpack,
    verify,
    version_number,
)
from firmware_py.releases import BEFORE_UPDATE, MARKS

INSTALL_S = 900
"""How long an installation may take; some two minutes on a slow board with a slow card."""
ROOM = 6
"""So many times a bundle's size must be free: unpacked, installed and compiled, which is four times as much, and to spare."""


class UpdateError(FikatapError):
    """The update was not made; what ran before runs on."""


class Machine(NamedTuple):
    """What a bundle must be made for."""

    machine: str
    debian: str
    python: str

    def __str__(self) -> str:
        return f"{self.machine} with Debian {self.debian} and Python {self.python}"


class Layout(NamedTuple):
    """Where things are; all of it is root's but the ledger's folder, which is the terminal's own."""

    home: Path = Path("/opt/fikatap")
    signers: Path = Path("/etc/fikatap/update-signers")
    os_release: Path = Path("/etc/os-release")

    @property
    def current(self) -> Path:
        """The link to the release that runs."""
        return self.home / "current"

    @property
    def incoming(self) -> Path:
        """The folder of what is under way; whatever is found in it is of no use."""
        return self.home / "incoming"

    def named(self, link: str) -> str | None:
        """Return the version that `current` or `previous` names, None when it names none."""
        try:
            return (self.home / link).readlink().name
        except OSError:
            return None


def machine_here(layout: Layout) -> Machine:
    """Return what this machine is; by its programs, as a 64-bit kernel may run 32-bit ones."""
    try:
        lines = layout.os_release.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UpdateError(f"{layout.os_release} can't be read: {error.strerror}") from error
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    multiarch: str = sysconfig.get_config_var("MULTIARCH") or ""
    return Machine(multiarch.partition("-")[0], values.get("VERSION_ID", "").strip('"'), "{}.{}".format(*sys.version_info[:2]))


def update(
    file: Path, ledger: Path, copy_ledger: Callable[[Path], None] | None, layout: Layout, tell: Callable[[str], None] = print
) -> str:
    """Install the release in a bundle and return its version; raise `BundleError` or `UpdateError`, which says what runs now.

    `copy_ledger` copies the ledger into a folder; without it no copy is made.
    """
    before = layout.named("current")
    if before is None:
        raise UpdateError(f"{layout.current} names no release: install Fikatap first (README)")
    try:
        with _alone(layout):
            _sweep(layout)
            layout.incoming.mkdir(mode=0o700)
            try:
                manifest, folder = _taken(file, before, ledger.parent / MARKS, layout)
                # One that was cut off and is finished now has its copy already, from before the ledger was migrated.
                if copy_ledger is not None and ledger.exists() and manifest.version != before:
                    tell(f"copying the ledger to {ledger.parent / BEFORE_UPDATE}")
                    copy_ledger(ledger.parent / BEFORE_UPDATE)
                tell(f"installing {manifest.version} beside {before}")
                try:
                    _install(folder)
                except UpdateError as error:
                    if layout.named("current") != manifest.version:
                        raise
                    raise UpdateError(f"{manifest.version} is there, but not all of it works: {error}") from error
                if (layout.home / "releases" / manifest.version / "rejected").exists():
                    raise UpdateError(
                        f"{manifest.version} could not stay up, and {before} is back; "
                        f"send the journal (journalctl -u fikatap) to whoever made it"
                    )
                if layout.named("current") != manifest.version:
                    raise UpdateError(f"the installer of {manifest.version} ended without setting {layout.current} to it")
            finally:
                _sweep(layout)
    except OSError as error:
        raise UpdateError(f"{error.filename or layout.home}: {error.strerror or error}; {before} runs on") from error
    return manifest.version


@contextmanager
def _alone(layout: Layout) -> Iterator[None]:
    """Hold the only update that is under way."""
    descriptor = os.open(layout.home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise UpdateError("another update is under way") from None
    finally:
        os.close(descriptor)


def _sweep(layout: Layout) -> None:
    if layout.incoming.exists():
        shutil.rmtree(layout.incoming)


def _taken(file: Path, before: str, marks: Path, layout: Layout) -> tuple[Manifest, Path]:
    """Return the manifest and the folder of an unpacked bundle that may be installed.

    A copy is checked and used, so that nobody changes the stick in between.
    """
    signature = file.with_name(f"{file.name}.sig")
    if not file.is_file():
        raise BundleError(f"{file} is not there; is the stick mounted?")
    size = file.stat().st_size
    if size > MOST_BYTES:
        raise BundleError(f"{file.name} has {size} bytes; no bundle has more than {MOST_BYTES}")
    free = shutil.disk_usage(layout.home).free
    if free < ROOM * size:
        raise UpdateError(f"{layout.home} has {free // 1_000_000} MB free; {ROOM * size // 1_000_000} MB are needed")
    bundle = layout.incoming / "bundle.tar"
    shutil.copyfile(file, bundle)
    if signature.is_file():
        shutil.copyfile(signature, bundle.with_name("bundle.tar.sig"))
    verify(bundle, bundle.with_name("bundle.tar.sig"), layout.signers, file.name)
    manifest = read_manifest(bundle, file.name)
    _check(manifest, before, marks, layout)
    folder = layout.incoming / "bundle"
    unpack(bundle, manifest, folder, file.name)
    if (folder / VERSION).read_text(encoding="utf-8").strip() != manifest.version:
        raise BundleError(f"{file.name}: its file 'version' and its manifest disagree")
    bundle.unlink()
    return manifest, folder


def _check(manifest: Manifest, before: str, marks: Path, layout: Layout) -> None:
    """Refuse what is for another machine, not newer, or would leave no way back; finish what was cut off."""
    from firmware_py.database import OLDEST, STEPS

    here, meant = machine_here(layout), Machine(manifest.machine, manifest.debian, manifest.python)
    if meant != here:
        raise BundleError(f"this bundle is for {meant}; this terminal is {here}")
    proven, previous = (marks / f"{before}.healthy").exists(), layout.named("previous")
    number = version_number(before.partition("+")[0])  # what was installed from a checkout has its content's name after that
    if manifest.version == before and proven:
        raise BundleError(f"{manifest.version} runs already; nothing was changed")
    if version_number(manifest.version) < number:
        raise BundleError(f"{manifest.version} is older than {before}, which runs; nothing was changed")
    oldest = manifest.ledger_oldest or manifest.ledger
    if oldest > len(STEPS):
        raise BundleError(
            f"from {manifest.version} there would be no way back to {before} (ledger version {oldest}, here {len(STEPS)}); "
            f"install a release in between first"
        )
    # While a release is on trial, the way back leads to the one before it, of which no more is known than what it can read.
    if not proven and previous is not None and manifest.version != before and oldest > OLDEST:
        raise BundleError(
            f"from {manifest.version} there would be no way back to {previous} while {before} is on trial; "
            f"wait until it has been up for five minutes"
        )


def _install(folder: Path) -> None:
    command = [os.fspath(folder / INSTALLER), "--from", os.fspath(folder)]
    try:
        done = subprocess.run(command, cwd=folder, stderr=subprocess.PIPE, text=True, timeout=INSTALL_S, check=False)  # noqa: S603 - signed
    except subprocess.TimeoutExpired as error:
        raise UpdateError(f"the installer did not end within {INSTALL_S} s") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise UpdateError(f"the new release could not be installed: {lines[-1]}")


def as_owner(ledger: Path, program: Sequence[str]) -> Callable[[Path], None]:
    """Return what copies the ledger into a folder, as the user whose it is: root's files would lock the terminal out.

    `program` is the command line up to the words for `venue backup`.
    """

    def copy(folder: Path) -> None:
        owner = ledger.parent.stat()
        for command in (
            ["rm", "-rf", "--", os.fspath(folder)],
            ["mkdir", "-m", "700", "--", os.fspath(folder)],
            [*program, "venue", "backup", os.fspath(folder)],
        ):
            done = subprocess.run(  # noqa: S603 - fixed words, and the configuration's own path
                command,
                user=owner.st_uid,
                group=owner.st_gid,
                extra_groups=[],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                raise UpdateError(f"the ledger could not be copied: {why}; with --without-copy it is not")

    return copy
