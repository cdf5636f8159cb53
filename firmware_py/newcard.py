"""Brings a new memory card to the state of the second medium: the café's files, the printer's findings, ledger and key."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from drivers.errors import ConfigError, FikatapError
from firmware_py.backup import copies, journals
from firmware_py.config import Config, load
from firmware_py.files import write_whole
from firmware_py.settings import FOLDER, PRINTERS, files_of, kept
from firmware_py.template import load_template

Tell = Callable[[str], None]


class NewCardError(FikatapError):
    """The new card could not be brought to that state; the message says how far it came."""


def bring_over(folder: Path, key: Path | None, configuration: Path, tell: Tell) -> None:
    """Do all of it, as root and with the terminal stopped; doing it again does no harm.

    `folder` is the one on the second medium, `key` the file that `venue key export` wrote, `configuration` where
    terminal.toml belongs.
    """
    if not copies(folder):
        raise NewCardError(f"{folder} has no copies of a ledger (ledger-000001.db and so on); is the stick mounted?")
    files = kept(folder)
    own = {name: path for name, path in files.items() if not name.startswith(f"{PRINTERS}/")}
    config = _put_configuration(own, folder, configuration, tell)
    owner = config.ledger.path.parent
    if not owner.is_dir():
        raise NewCardError(f"{owner} is not there: install Fikatap first (README)")
    # On the old card the terminal's user had another number, maybe.
    _give(folder, owner)
    for name, path in files.items():
        if name.startswith(f"{PRINTERS}/"):
            target = owner / name
            _as_owner(owner, ["mkdir", "-p", "-m", "700", os.fspath(target.parent)])
            _as_owner(owner, ["cp", "--", os.fspath(path), os.fspath(target)])
            tell(f"printer: what was found out is in {target}")
    fikatap = [os.fspath(Path(sys.executable).with_name("fikatap")), "--config", os.fspath(configuration)]
    tell(f"ledger: {_as_owner(owner, [*fikatap, 'venue', 'restore', os.fspath(folder)])}")
    if key is not None:
        try:
            text = key.read_bytes()
        except OSError as error:
            raise NewCardError(f"{key} can't be read: {error.strerror}; the ledger is back, the key is not") from error
        tell(f"key: {_as_owner(owner, [*fikatap, 'venue', 'key', 'import', '/dev/stdin'], text)}")
    for line in _left(config, key):
        tell(f"not on that medium: {line}")


def _put_configuration(own: dict[str, Path], folder: Path, configuration: Path, tell: Tell) -> Config:
    """Put the café's files where they belong, the configuration last; what was there is kept beside it."""
    if "terminal.toml" not in own:
        tell(f"configuration: none in {folder / FOLDER}; {configuration} stays as it is")
        return load(configuration)
    try:
        theirs = load(own["terminal.toml"])
        logo = None if theirs.badge.template is None else load_template(theirs.badge.template).logo
    except ConfigError as error:
        raise NewCardError(f"the configuration on the medium is of no use: {error}; nothing was changed") from error
    # What nothing names is left there, and so is what could be trusted for its place, such as update-signers.
    wanted = {name for name in files_of(theirs, logo) if Path(name).suffix}
    home = configuration.parent
    home.mkdir(mode=0o755, parents=True, exist_ok=True)
    for name in sorted(wanted & own.keys(), key=lambda each: (each == "terminal.toml", each)):
        target = configuration if name == "terminal.toml" else home / name
        data = own[name].read_bytes()
        if target.exists() and target.read_bytes() != data:
            shutil.copy2(target, target.with_name(f"{target.name}.before"))
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_whole(target, data, 0o644)
        tell(f"configuration: {target}")
    return load(configuration)


def _give(folder: Path, owner: Path) -> None:
    """Let the terminal's user own what lies there; only what Fikatap made, and no links."""
    whose = owner.stat()
    mine = [folder, folder / FOLDER, folder / FOLDER / PRINTERS, *copies(folder), *journals(folder), *kept(folder).values()]
    for path in mine:
        if path.exists() and not path.is_symlink():
            os.chown(path, whose.st_uid, whose.st_gid, follow_symlinks=False)


def _as_owner(owner: Path, command: list[str], stdin: bytes = b"") -> str:
    """Run a command as the ledger's owner, whose file it must be, and return its last line."""
    whose = owner.stat()
    done = subprocess.run(  # noqa: S603 - fixed words and our own paths
        command, user=whose.st_uid, group=whose.st_gid, extra_groups=[], input=stdin, capture_output=True, check=False
    )
    lines = (done.stdout if done.returncode == 0 else done.stderr).decode(errors="replace").strip().splitlines()
    last = lines[-1] if lines else ""
    if done.returncode != 0:
        raise NewCardError(last or f"{command[0]} ended with {done.returncode}")
    return last


def _left(config: Config, key: Path | None) -> Iterator[str]:
    """Yield what nobody can bring back from there, and what to do about it."""
    if key is None and not config.ledger.path.with_name("venue.key").exists():
        yield "the venue's key, without which no card is known: fikatap venue key import FILE"
    if config.service is not None:
        yield "certificate, key or token for the matching service: put them beside terminal.toml again"
    second = config.ledger.second
    if second is not None and not Path("/etc/systemd/system/fikatap.service.d/second.conf").exists():
        yield f"second.conf and the line in /etc/fstab that mount {second.parent} (systemd/second.conf says how)"
    yield "passwords and network settings of the machine, and /etc/fikatap/update-signers"
