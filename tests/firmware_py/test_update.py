from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest

from firmware_py import bundle as bundles
from firmware_py.bundle import MANIFEST, NAMESPACE, PRINCIPAL, BundleError, Content, Manifest, version_number
from firmware_py.database import OLDEST, STEPS
from firmware_py.ledger import Ledger
from firmware_py.releases import BEFORE_UPDATE, MARKS
from firmware_py.update import Layout, UpdateError, as_owner, machine_here, update
from tests.firmware_py.terminal.harness import CAFE
from tests.firmware_py.test_config import FIKATAP
from tests.rigs.killing import die_before
from tools import make_bundle

INSTALLER = """#!/bin/sh
# Stands for systemd/install: makes a release whole under another name, renames it, and swaps the links by rename.
set -eu
home="$(cat "$FIKATAP_TEST_HOME")"
version="$(cat "$2/version")"
step() { if [ "${FIKATAP_TEST_CUT:-}" = "$1" ]; then kill -9 $PPID; kill -9 $$; fi; }
step 1
rm -rf "$home/releases/$version" "$home/releases/$version.part"
mkdir "$home/releases/$version.part"
cp "$2/wheels/"* "$home/releases/$version.part/"
step 2
touch "$home/releases/$version.part/whole"
mv "$home/releases/$version.part" "$home/releases/$version"
step 3
ln -sfn "$(readlink "$home/current")" "$home/previous.new"; mv -T "$home/previous.new" "$home/previous"
step 4
ln -sfn "releases/$version" "$home/current.new"; mv -T "$home/current.new" "$home/current"
step 5
"""


class Box:
    """A terminal with release 0.1.0 on it, and a developer with a key that it trusts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.layout = Layout(folder / "opt", folder / "update-signers", folder / "os-release")
        self.ledger = folder / "state" / "ledger.db"
        release = self.layout.home / "releases" / "0.1.0"
        release.mkdir(parents=True)
        (release / "whole").touch()
        self.layout.current.symlink_to("releases/0.1.0")
        self.layout.os_release.write_text('ID=debian\nVERSION_ID="12"\n', "utf-8")
        self.key = folder / "key"
        new_key(self.key)
        self.trust(self.key)
        (folder / "home").write_text(str(self.layout.home), "utf-8")
        self.before = self.tree()

    def trust(self, key: Path, options: str = f'namespaces="{NAMESPACE}"') -> None:
        public = key.with_suffix(".pub").read_text("utf-8")
        self.layout.signers.write_text(f"{PRINCIPAL} {options} {public}", "utf-8")

    def tree(self) -> dict[str, str]:
        """Return what is in the house of the releases."""
        return {
            os.fspath(each.relative_to(self.layout.home)): str(each.readlink()) if each.is_symlink() else ""
            for each in self.layout.home.rglob("*")
        }

    def bundle(
        self,
        name: str = "bundle.tar",
        *,
        key: Path | None = None,
        change: Callable[[dict[str, bytes]], None] = lambda _: None,
        tar: Callable[[tarfile.TarFile], None] = lambda _: None,
        **said: Any,
    ) -> Path:
        """Return a bundle as the tool makes them but for what is asked for; `change` changes files after the manifest."""
        files = {
            "version": f"{said.get('version', '0.2.0')}\n".encode(),
            "systemd/install": INSTALLER.encode(),
            "wheels/fikatap-0.2.0-py3-none-any.whl": b"a wheel" * 1000,
        }
        here = machine_here(self.layout)
        manifest = {
            "format": 1,
            "version": "0.2.0",
            "machine": here.machine,
            "debian": "12",
            "python": here.python,
            "ledger": len(STEPS),
            "ledger_oldest": OLDEST,
            "files": {path: content(data) for path, data in files.items()},
            **said,
        }
        change(files)
        path = self.folder / name
        with tarfile.open(path, "w") as written:
            put(written, MANIFEST, msgspec.json.encode(manifest))
            for each, data in files.items():
                put(written, each, data, 0o755)
            tar(written)
        make_bundle.sign(path, key or self.key)
        return path

    def update(self, bundle: Path) -> str:
        return update(bundle, self.ledger, None, self.layout, lambda _: None)

    def refuses(self, bundle: Path, why: str) -> None:
        """See that a bundle is refused in one line, and that all is as it was."""
        with pytest.raises((BundleError, UpdateError), match=why) as refused:
            self.update(bundle)
        assert "\n" not in str(refused.value)
        assert self.tree() == self.before

    def prove(self) -> None:
        """Let the release that runs have been up for long enough."""
        mark = self.ledger.parent / MARKS / f"{self.layout.current.readlink().name}.healthy"
        mark.parent.mkdir(parents=True)
        mark.touch()

    def is_whole(self) -> bool:
        """Tell whether `current` names a release that is whole."""
        return (self.layout.current / "whole").exists()


def put(tar: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), mode
    tar.addfile(member, BytesIO(data))


def content(data: bytes) -> Content:
    return Content(len(data), hashlib.sha256(data).hexdigest())


def new_key(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "a made-up developer", "-f", path], check=True)


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    box = Box(tmp_path)
    monkeypatch.setenv("FIKATAP_TEST_HOME", str(tmp_path / "home"))
    return box


def test_a_signed_bundle_is_installed_and_the_release_before_is_kept(box: Box) -> None:
    assert box.update(box.bundle()) == "0.2.0"
    assert str(box.layout.current.readlink()) == "releases/0.2.0"
    assert str((box.layout.home / "previous").readlink()) == "releases/0.1.0"
    assert box.is_whole()
    assert not box.layout.incoming.exists()
    assert (box.layout.current / "fikatap-0.2.0-py3-none-any.whl").read_bytes() == b"a wheel" * 1000


def test_a_release_takes_the_place_of_a_checkout_of_its_own_version(box: Box) -> None:
    (box.layout.home / "releases" / "0.1.0").rename(box.layout.home / "releases" / "0.2.0+src.12345678")
    box.layout.current.unlink()
    box.layout.current.symlink_to("releases/0.2.0+src.12345678")
    assert box.update(box.bundle()) == "0.2.0"


def flipped(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("place", [0, 600, 5_000, -1])
def test_a_bundle_that_was_changed_is_refused(box: Box, place: int) -> None:
    bundle = box.bundle()
    flipped(bundle, place)
    box.refuses(bundle, "bundle.tar is not what was signed")


def test_a_bundle_that_was_copied_half_is_refused(box: Box) -> None:
    bundle = box.bundle()
    for size in (bundle.stat().st_size // 2, 0):
        os.truncate(bundle, size)
        box.refuses(bundle, "bundle.tar is not what was signed: copied incompletely, or changed")


def test_a_changed_signature_is_refused(box: Box) -> None:
    bundle = box.bundle()
    signature = bundle.with_name("bundle.tar.sig")
    flipped(signature, signature.stat().st_size // 2)
    box.refuses(bundle, "bundle.tar is not what was signed")
    signature.unlink()
    box.refuses(bundle, "bundle.tar.sig is missing; copy both files")


def test_somebody_elses_signature_is_refused(box: Box) -> None:
    other = box.folder / "other"
    new_key(other)
    box.refuses(box.bundle(key=other), "is signed by a key that this terminal does not trust; those that it does are in ")


def test_a_signature_for_another_purpose_is_refused(box: Box) -> None:
    bundle = box.bundle()
    signature = bundle.with_name("bundle.tar.sig")
    signature.unlink()
    subprocess.run(["ssh-keygen", "-Y", "sign", "-q", "-n", "file", "-f", box.key, bundle], check=True, capture_output=True)
    box.refuses(bundle, "bundle.tar is not what was signed")


def test_without_trusted_keys_nothing_is_taken(box: Box) -> None:
    bundle = box.bundle()
    box.layout.signers.unlink()
    box.refuses(bundle, "update-signers is missing: it names the keys")


def test_a_bundle_that_is_not_there_is_told(box: Box) -> None:
    box.refuses(box.folder / "nowhere.tar", "nowhere.tar is not there; is the stick mounted?")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            {"machine": "riscv64"},
            r"this bundle is for riscv64 with Debian 12 and Python 3\.\d+; this terminal is \w+ with Debian 12",
        ),
        ({"debian": "13"}, "is for .* with Debian 13 "),
        ({"python": "3.10"}, "is for .* and Python 3.10; "),
        ({"version": "0.1.0"}, "0.1.0 runs already; nothing was changed"),
        ({"version": "0.0.99"}, "0.0.99 is older than 0.1.0, which runs"),
        ({"version": "../../etc"}, "version '../../etc' is none; one looks like 0.2.0"),
        ({"version": "0.2.0\n"}, r"version '0.2.0\\n' is none"),
        ({"format": 2}, "has format 2; this release reads 1"),
        ({"format": "1"}, "manifest.json can't be read: Expected `int`"),
        (
            {"ledger": len(STEPS) + 1, "ledger_oldest": 0},
            "there would be no way back to 0.1.0 .*; install a release in between first",
        ),
    ],
)
def test_what_is_not_for_this_terminal_is_refused(box: Box, said: dict[str, Any], why: str) -> None:
    box.prove()
    box.refuses(box.bundle(**said), why)


def test_a_ledger_that_the_release_before_can_use_is_no_obstacle(box: Box) -> None:
    box.prove()
    assert box.update(box.bundle(ledger=len(STEPS) + 1, ledger_oldest=len(STEPS))) == "0.2.0"


def test_while_a_release_is_on_trial_the_way_back_leads_to_the_one_before_it(box: Box) -> None:
    (box.layout.home / "previous").symlink_to("releases/0.0.9")
    box.before = box.tree()
    newer = box.bundle(ledger=len(STEPS) + 1, ledger_oldest=OLDEST + 1)
    box.refuses(newer, r"no way back to 0\.0\.9 while 0\.1\.0 is on trial; wait until it has been up for five minutes")
    box.prove()
    assert box.update(newer) == "0.2.0"


def test_an_update_that_was_cut_off_is_finished_by_the_same_bundle(box: Box) -> None:
    kept: list[Path] = []
    box.ledger.parent.mkdir()
    box.ledger.touch()
    bundle = box.bundle()
    for _ in range(2):
        assert update(bundle, box.ledger, kept.append, box.layout, lambda _: None) == "0.2.0"
    assert kept == [box.ledger.parent / BEFORE_UPDATE]  # of the ledger as it was before either
    box.prove()
    box.before = box.tree()
    box.refuses(bundle, r"0\.2\.0 runs already; nothing was changed")


def test_a_release_that_is_there_with_something_that_does_not_work_is_told_of(box: Box) -> None:
    failing = INSTALLER + "echo 'install: 0.2.0 is installed, but the timer did not work' >&2; exit 1\n"
    files = wheels({"version": b"0.2.0\n", "systemd/install": failing.encode()})
    bundle = box.bundle(change=lambda all_: all_.update(files), files={name: content(data) for name, data in files.items()})
    with pytest.raises(UpdateError, match=r"^0\.2\.0 is there, but not all of it works: .*the timer did not work$"):
        box.update(bundle)
    assert box.is_whole()


# A bundle that is signed rightly and yet evil or broken: what is signed is trusted, but not to be without mistakes.


@pytest.mark.parametrize(
    "path", ["../evil", "/evil", "systemd/../../evil", "", ".hidden", "a/./b", "a\\..\\b/..", "x" * 300 + "/é"]
)
def test_a_name_that_leads_elsewhere_is_refused(box: Box, path: str) -> None:
    def add(tar: tarfile.TarFile) -> None:
        put(tar, path, b"evil")

    files = {"version": content(b"0.2.0\n"), "systemd/install": content(INSTALLER.encode()), path: content(b"evil")}
    box.refuses(box.bundle(tar=add, files=files), "which does not belong into a bundle")
    box.refuses(box.bundle(tar=add), "otherwise than manifest.json says")
    assert not list(box.folder.rglob("evil"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_what_is_no_plain_file_is_refused(box: Box, kind: bytes) -> None:
    def add(tar: tarfile.TarFile) -> None:
        member = tarfile.TarInfo("wheels/link")
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)

    files = {
        "version": content(b"0.2.0\n"),
        "systemd/install": content(INSTALLER.encode()),
        "wheels/fikatap-0.2.0-py3-none-any.whl": content(b"a wheel" * 1000),
        "wheels/link": Content(0, content(b"").sha256),
    }
    box.refuses(box.bundle(tar=add, files=files), "'wheels/link' otherwise than manifest.json says")


def test_a_bomb_is_refused_before_anything_is_unpacked(box: Box) -> None:
    huge = {"version": content(b"0.2.0\n"), "systemd/install": Content(bundles.MOST_BYTES, "00")}
    box.refuses(box.bundle(files=huge), "holds 2 files of 500000006 bytes; most are ")
    many = {**{f"f{number}": Content(0, "") for number in range(2_000)}, **huge}
    box.refuses(box.bundle(files=many), "holds 2002 files")
    negative = {**huge, "less": Content(-bundles.MOST_BYTES, "00")}
    box.refuses(box.bundle(files=negative), "holds 3 files")


def test_a_file_that_is_larger_than_it_says_is_refused(box: Box) -> None:
    def sparse(tar: tarfile.TarFile) -> None:
        member = tarfile.TarInfo("wheels/sparse")
        member.pax_headers = {
            "GNU.sparse.major": "0",
            "GNU.sparse.minor": "1",
            "GNU.sparse.map": "0,1",
            "GNU.sparse.size": str(1 << 40),
        }
        member.size = 1
        tar.addfile(member, BytesIO(b"x"))

    files = {
        "version": content(b"0.2.0\n"),
        "systemd/install": content(INSTALLER.encode()),
        "wheels/fikatap-0.2.0-py3-none-any.whl": content(b"a wheel" * 1000),
        "wheels/sparse": content(b"x"),
    }
    box.refuses(box.bundle(tar=sparse, files=files), "'wheels/sparse' otherwise than manifest.json says")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda files: files.pop("systemd/install"), "lacks 'systemd/install'"),
        (lambda files: files.update({"more": b""}), "has 'more' otherwise than manifest.json says"),
        (lambda files: files.update({"version": b"0.3.0\n"}), "version is damaged"),
        (lambda files: files.update({"version": b"longer than that\n"}), "has 'version' otherwise"),
    ],
)
def test_a_tar_that_is_not_its_manifest_is_refused(box: Box, change: Callable[[dict[str, bytes]], None], why: str) -> None:
    box.refuses(box.bundle(change=change), why)


def test_a_manifest_without_an_installer_is_refused(box: Box) -> None:
    box.refuses(box.bundle(files={"version": content(b"0.2.0\n")}), "has no systemd/install")


def test_what_is_no_bundle_is_refused(box: Box) -> None:
    path = box.folder / "holiday.tar"
    for data in (b"photos" * 1000, b"", b"\0" * 10_240):
        path.write_bytes(data)
        make_bundle.sign(path, box.key)
        box.refuses(path, "holiday.tar (can't be read as a tar|is no bundle of Fikatap)")


def test_an_installer_that_fails_leaves_all_as_it_was_and_its_last_line_is_told(box: Box) -> None:
    def fail(files: dict[str, bytes]) -> None:
        files["systemd/install"] = b"#!/bin/sh\necho working; echo first >&2; echo 'python3-pyscard is missing' >&2; exit 3\n"

    def quiet(files: dict[str, bytes]) -> None:
        files["systemd/install"] = b"#!/bin/sh\nexit 3\n"

    def idle(files: dict[str, bytes]) -> None:
        files["systemd/install"] = b"#!/bin/sh\n"

    for change, why in (
        (fail, "the new release could not be installed: python3-pyscard is missing"),
        (quiet, "could not be installed: exit code 3"),
        (idle, "ended without setting .*current to it"),
    ):
        files: dict[str, bytes] = {"version": b"0.2.0\n"}
        change(files)
        box.refuses(box.bundle(change=change, files={k: content(v) for k, v in wheels(files).items()}), why)


def wheels(files: dict[str, bytes]) -> dict[str, bytes]:
    return {"wheels/fikatap-0.2.0-py3-none-any.whl": b"a wheel" * 1000, **files}


def test_a_release_that_was_fallen_back_from_while_it_was_installed_is_told_of(box: Box) -> None:
    """Three ends take a second or two, and an installer on a slow board longer."""
    fell_back = """
touch "$home/releases/$version/rejected"
ln -sfn releases/0.1.0 "$home/current.new"; mv -T "$home/current.new" "$home/current"
"""
    files = wheels({"version": b"0.2.0\n", "systemd/install": (INSTALLER + fell_back).encode()})
    bundle = box.bundle(change=lambda all_: all_.update(files), files={name: content(data) for name, data in files.items()})
    with pytest.raises(UpdateError, match=r"^0\.2\.0 could not stay up, and 0\.1\.0 is back; send the journal"):
        box.update(bundle)
    assert box.layout.named("current") == "0.1.0"


def test_two_updates_at_once_are_one(box: Box) -> None:
    holder = os.open(box.layout.home, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    box.refuses(box.bundle(), "another update is under way")
    os.close(holder)


def test_a_disk_without_room_for_it_is_told_before_anything_is_copied(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = box.bundle()
    disk = shutil.disk_usage(box.layout.home)
    monkeypatch.setattr("firmware_py.update.ROOM", disk.total // bundle.stat().st_size + 1)
    box.refuses(bundle, r"opt has \d+ MB free; \d+ MB are needed$")


def test_a_stick_may_have_any_name(box: Box) -> None:
    stick = box.folder / "Maja's röda sticka"
    stick.mkdir()
    bundle = box.bundle()
    for name in (bundle.name, f"{bundle.name}.sig"):
        shutil.move(box.folder / name, stick / name)
    assert box.update(stick / bundle.name) == "0.2.0"


def test_where_nothing_is_installed_nothing_is_updated(box: Box) -> None:
    box.layout.current.unlink()
    with pytest.raises(UpdateError, match="current names no release: install Fikatap first"):
        box.update(box.bundle())


# Cuts


def test_killed_before_any_dealing_with_a_file_the_old_or_the_new_release_is_whole_and_the_next_attempt_works(box: Box) -> None:
    bundle = box.bundle()
    number = 0
    while True:
        shutil.rmtree(box.layout.home)
        ((box.layout.home / "releases") / "0.1.0").mkdir(parents=True)
        ((box.layout.home / "releases") / "0.1.0" / "whole").touch()
        box.layout.current.symlink_to("releases/0.1.0")
        died = die_before(number, lambda: box.update(bundle))
        assert box.is_whole(), f"killed before {number}"
        _again(box, bundle)
        if not died:
            break
        number += 1
    assert number > 20


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5])
def test_killed_while_it_installs_the_old_or_the_new_release_is_whole(
    box: Box, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = box.bundle()
    monkeypatch.setenv("FIKATAP_TEST_CUT", str(step))
    child = os.fork()
    if not child:
        try:
            box.update(bundle)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -9
    monkeypatch.delenv("FIKATAP_TEST_CUT")
    assert box.is_whole()
    assert box.layout.named("current") == ("0.2.0" if step == 5 else "0.1.0")
    _again(box, bundle)


def _again(box: Box, bundle: Path) -> None:
    """See that the next attempt brings the new release, where it is not there already."""
    if box.layout.named("current") == "0.1.0":
        assert box.update(bundle) == "0.2.0"
    assert box.is_whole()
    assert box.layout.named("previous") == "0.1.0"
    assert ((box.layout.home / "releases") / "0.1.0" / "whole").exists(), "there is no way back"


# The ledger


def program(box: Box, ledger: Path) -> list[str]:
    path = box.folder / "terminal.toml"
    text = CAFE.format(folder=ledger.parent, socket=box.folder / "s", rules="", match_ms=800, printer="", trust="true")
    path.write_text(text, "utf-8")
    path.chmod(0o644)
    return [os.fspath(FIKATAP), "--config", os.fspath(path)]


def test_the_ledger_is_copied_first_as_its_owner_and_an_older_copy_goes(box: Box) -> None:
    ledger = Ledger.open(box.ledger)
    copy = as_owner(box.ledger, program(box, box.ledger))
    before = box.ledger.parent / BEFORE_UPDATE
    told: list[str] = []
    for version in ("0.2.0", "0.3.0"):
        # The terminal runs meanwhile, and holds the ledger.
        assert update(box.bundle(version=version), box.ledger, copy, box.layout, told.append) == version
        assert [each.name for each in before.iterdir()] == ["ledger-000001.db"]
        assert before.stat().st_uid == box.ledger.parent.stat().st_uid
        assert before.stat().st_mode & 0o777 == 0o700
    assert told[:2] == [f"copying the ledger to {before}", "installing 0.2.0 beside 0.1.0"]
    ledger.close()


def test_a_ledger_that_can_not_be_copied_stops_the_update(box: Box) -> None:
    box.ledger.parent.mkdir()
    box.ledger.write_bytes(b"no database" * 1000)
    with pytest.raises(UpdateError, match=r"the ledger could not be copied: fikatap: .*; with --without-copy it is not"):
        update(box.bundle(), box.ledger, as_owner(box.ledger, program(box, box.ledger)), box.layout, lambda _: None)
    assert box.layout.named("current") == "0.1.0"


# What the tool makes


def test_the_tool_makes_what_the_terminal_takes(box: Box, tmp_path: Path) -> None:
    root, wheels = tmp_path / "source", tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "python_bidi-0.6.12-cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64.whl").write_bytes(b"a wheel")
    (root / "systemd").mkdir(parents=True)
    (root / "docs").mkdir()
    (root / "docs" / "a.svg").write_text("<svg/>", "utf-8")
    (root / "LICENSE").touch()
    (root / "pyproject.toml").write_text('[project]\nversion = "0.2.0"\n', "utf-8")
    (root / "systemd" / "install").write_text(INSTALLER, "utf-8")
    (root / "systemd" / "install").chmod(0o755)
    path = make_bundle.write(root, wheels, machine_here(box.layout).machine, "12", box.key, tmp_path / "dist")
    assert path.name == f"fikatap-0.2.0-debian12-{platform.machine()}.tar"
    manifest = bundles.read_manifest(path, path.name)
    assert isinstance(manifest, Manifest)
    bundles.unpack(path, manifest, tmp_path / "unpacked", path.name)
    assert os.access(tmp_path / "unpacked" / "systemd" / "install", os.X_OK)
    assert (tmp_path / "unpacked" / "requirements.txt").read_text("utf-8") == (
        f"python-bidi==0.6.12 --hash=sha256:{content(b'a wheel').sha256}\n"
    )
    if sys.version_info[:2] == (3, 11):
        assert box.update(path) == "0.2.0"


def test_every_locked_package_is_in_a_bundle_but_those_for_windows() -> None:
    entries = make_bundle.locked((make_bundle.ROOT / "locks" / "run.txt").read_text("utf-8"))
    names = {entry.partition("==")[0] for entry in entries}
    assert {"apsw", "msgspec", "pillow", "pydes", "uharfbuzz"} <= names
    assert "colorama" not in names
    assert all("--hash=sha256:" in entry for entry in entries)


def test_versions_are_compared_as_numbers() -> None:
    assert version_number("0.10.0") > version_number("0.9.12")
    for wrong in ("1.0", "1.0.0.0", "1.0.x", "", "٣.٠.٠", "1.0.0-rc1"):
        with pytest.raises(BundleError, match=r"one looks like 0\.2\.0"):
            version_number(wrong)
