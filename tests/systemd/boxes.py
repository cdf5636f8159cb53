"""A whole machine in a box: a real systemd, booted from a Debian root of its own, without a network.

The root is made once from the package sources of this machine's own apt and kept in `$XDG_CACHE_HOME/fikatap` (`~/.cache`),
with the wheels from this machine's own pip. A box is a writable layer over it in a mount namespace: what happens in there is
gone with it. Its ledger lies on an ext4 of its own, of which a copy can be taken as a pulled plug leaves it.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

Made = TypeVar("Made")

TREE = Path(__file__).parents[2]
NEEDS = (
    "boxes need root, cgroup2, overlayfs, loop devices, mkfs.ext4, mmdebstrap and systemd-nspawn (package systemd-container)"
)
SUITES = {"bookworm": "3.11", "trixie": "3.13"}
"""Debian 12 and 13, and their Pythons."""
PACKAGES = (
    *("systemd-sysv", "dbus", "udev", "sudo", "make", "iproute2"),  # a machine
    # what systemd/install would fetch
    *("python3", "python3-pip", "python3-pyscard", "pcscd", "libusb-1.0-0", "kmod", "openssh-client"),
)
STATE_MB = 64
PATIENCE_S = 60.0
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root"}

ETC = {
    "hostname": "kafe\n",
    "hosts": "127.0.0.1 localhost kafe\n",
    "pip.conf": "[global]\nno-index = true\nfind-links = /rig/wheels\n",
}

# A private namespace with a pure cgroup2; the layer is in memory, as an overlay can't lie on every file system.
SETUP = """
set -eu
mount -t tmpfs -o mode=755 tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root" "$1/state"
mount -t overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
umount -R /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo set up
exec cat
"""
# Without the two bpf options DeviceAllow= would silently not be enforced.
BOOT = """
set -eu
mkdir "/sys/fs/cgroup/$2"
echo $$ > "/sys/fs/cgroup/$2/cgroup.procs"
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
exec systemd-nspawn --quiet --register=no --keep-unit --private-network --capability=CAP_BPF --system-call-filter=bpf \
  --resolv-conf=off --timezone=off --link-journal=no --console=pipe \
  --directory="$1/root" --bind="$1/state:/var/lib/fikatap" --bind="$3:/rig" --boot
"""


class BoxError(Exception):
    """A box can't be made or does not do what it was told."""


def _run(*command: str | Path, timeout: float = 900, **more: Any) -> str:
    """Run a command here and return what it printed; raise `BoxError` with what it said when it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **more)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BoxError(f"{NEEDS}; {command[0]}: {error}") from error
    if done.returncode != 0:
        raise BoxError(
            f"{NEEDS}; {' '.join(map(str, command))} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}"
        )
    return str(done.stdout)


# What goes in beforehand


def _cached(name: str, key: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that `make` fills once for each key; older ones of that name go."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fikatap"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            for old in cache.glob(f"{name}-*"):
                shutil.rmtree(old)
            part = cache / f"{name}.part"
            shutil.rmtree(part, ignore_errors=True)
            make(part)
            part.rename(folder)
    return folder


def _mirror() -> list[str]:
    """Return where this machine gets Debian from; nothing, and with it Debian's own address, where it is no Debian."""
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    if release["ID"] != "debian":
        return []
    form = "$(REPO_URI) $(CODENAME) $(COMPONENT)"
    targets = _run("apt-get", "indextargets", "--no-release-info", "--format", form, "Created-By: Packages").splitlines()
    found = [line.split()[0] for line in targets if line.split()[1:] == [release["VERSION_CODENAME"], "main"]]
    return found[:1]


def debian_root(suite: str) -> Path:
    """Return a Debian root with all packages, made from this machine's own package sources."""

    def make(part: Path) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as options:
            # Proxies and certificates too.
            options.write(_run("apt-config", "dump", "--format", '%F "%v";%n', "Acquire"))
            options.write('APT::Install-Recommends "false";\n')
            options.flush()
            include = f"--include={','.join(PACKAGES)}"
            _run("mmdebstrap", "--variant=apt", include, f"--aptopt={options.name}", suite, part, *_mirror())

    return _cached(suite, " ".join(PACKAGES), make)


def wheels(suite: str) -> Path:
    """Return the folder with all that the lock file names, for that Debian's Python."""
    lock = TREE / "locks" / "run.txt"
    python = Path(sys.base_prefix) / "bin" / "python3"

    def make(part: Path) -> None:
        _run(
            *(python, "-m", "pip", "--quiet", "--disable-pip-version-check", "download", "--no-deps", "--require-hashes"),
            *("--python-version", SUITES[suite], "-r", lock, "-d", part),
        )

    return _cached(f"wheels-{suite}", lock.read_text(), make)


def copy_source(to: Path) -> None:
    """Copy this checkout as somebody gets it, without what was made in it."""
    made = shutil.ignore_patterns(".*", "__pycache__", "build", "*.egg-info", "tests", "out")
    shutil.copytree(TREE, to, ignore=made)


class Box:
    """One machine. `rig` is a folder that it sees as `/rig`; used as a context manager, all of it is gone at the end."""

    def __init__(self, suite: str, rig: Path) -> None:
        self.suite = suite
        self.rig = rig
        self._home = Path(tempfile.mkdtemp(prefix="fikatap-machine-"))
        self._boots = 0
        self._image = rig / "state.ext4"
        self._holder: subprocess.Popen[str] | None = None
        self._nspawn: subprocess.Popen[bytes] | None = None
        self.leader = 0
        """The process id of its systemd, seen from here."""

    def __enter__(self) -> Self:
        if os.geteuid() != 0:
            raise BoxError(NEEDS)
        root = debian_root(self.suite)
        store = wheels(self.suite)
        command = [
            "unshare",
            "--mount",
            "--propagation=private",
            "sh",
            "-c",
            SETUP,
            "sh",
            str(self._home),
            str(root),
            self._group,
        ]
        self._holder = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self._holder.stdout is not None
        said = self._holder.stdout.readline()
        if said != "set up\n":
            raise BoxError(f"{NEEDS}; {said}{self._holder.stdout.read()}")
        try:
            shutil.copytree(store, self.rig / "wheels")
            for name, text in ETC.items():
                (self.rig / "etc").mkdir(exist_ok=True)
                (self.rig / "etc" / name).write_text(text)
            self._aside("sh", "-c", f'cp -r "{self.rig}/etc" "{self._home}/root"')
            with self._image.open("wb") as image:
                image.truncate(STATE_MB << 20)
            _run("mkfs.ext4", "-q", "-F", self._image)
            self._aside("mount", "-o", "loop", self._image, self._home / "state")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._holder is not None
        if self._nspawn is not None:
            self.kill()
        self._holder.communicate()
        self._home.rmdir()

    @property
    def _group(self) -> str:
        """The control group of this boot; the kernel kills what is started in one that was killed."""
        return f"{self._home.name}-{self._boots}"

    def _aside(self, *command: str | Path) -> str:
        """Run a command beside the box, where its file systems are seen."""
        assert self._holder is not None
        return _run("nsenter", "--target", str(self._holder.pid), "--mount", *command)

    # switches

    def boot(self) -> None:
        """Switch it on, and wait until all that it starts by itself is started."""
        assert self._holder is not None
        self._boots += 1
        log = (self.rig / "console").open("wb")
        command = ["nsenter", "--target", str(self._holder.pid), "--mount", "sh", "-c", BOOT, "sh"]
        with log:
            self._nspawn = subprocess.Popen(
                [*command, str(self._home), self._group, str(self.rig)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.leader = int(self._until(self._children, "boot"))
        state = self._until(self._started, "start what it starts")
        if state not in ("running", "degraded"):
            raise BoxError(f"{self.suite} is {state}")

    def _children(self) -> str:
        assert self._nspawn is not None
        pid = self._nspawn.pid
        if self._nspawn.poll() is not None:
            raise BoxError(f"{NEEDS}; {self.suite} does not boot: {(self.rig / 'console').read_text(errors='replace')[-3000:]}")
        # The first child only prepares.
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return next((child for child in found if _process_ids(Path("/proc") / child)[1:] == ["1"]), "")

    def _started(self) -> str:
        done = self.run("systemctl", "is-system-running", "--wait", check=False)
        return done if done in ("running", "degraded") else ""

    def _until(self, look: Callable[[], str], what: str) -> str:
        deadline = time.monotonic() + PATIENCE_S
        while not (found := look()):
            if time.monotonic() > deadline:
                raise BoxError(
                    f"{self.suite} did not {what} in {PATIENCE_S} s: {(self.rig / 'console').read_text(errors='replace')}"
                )
            time.sleep(0.01)
        return found

    def kill(self) -> None:
        """Pull the plug: every process is gone at once; nothing is written to the end."""
        assert self._nspawn is not None
        group = f"/sys/fs/cgroup/{self._group}"
        self._aside("sh", "-c", f"echo 1 > {group}/cgroup.kill")
        self._nspawn.wait()
        self._nspawn = None
        self._aside("find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";")

    def cut(self) -> None:
        """Pull the plug, and leave on the card only what had been written to it by then; `boot` goes on from there."""
        group = Path("/sys/fs/cgroup") / self._group
        self._aside("sh", "-c", f"echo 1 > {group}/cgroup.freeze; until grep -q 'frozen 1' {group}/cgroup.events; do :; done")
        # What ext4 holds back is in memory, not in the image: the copy is what a cut leaves.
        left = self._image.with_name("left.ext4")
        _run("cp", "--sparse=always", self._image, left)
        self.kill()
        self._aside("umount", self._home / "state")
        left.replace(self._image)
        self._aside("mount", "-o", "loop", self._image, self._home / "state")

    # in the box

    def run(self, *command: str, check: bool = True, input: str | None = None, timeout: float = 300) -> str:  # noqa: A002 - as in subprocess
        """Run a command as root in the box and return what it printed."""
        entered = ["nsenter", "--target", str(self.leader), "--all", "--", *command]
        done = subprocess.run(
            entered, env=ENVIRONMENT, input=input, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout
        )
        if check and done.returncode != 0:
            raise BoxError(f"{' '.join(command)} ended with {done.returncode} in {self.suite}:\n{done.stdout}")
        return done.stdout.rstrip("\n")

    def fikatap(self, *arguments: str) -> str:
        """Run one of the terminal's commands as its own user."""
        return self.run("sudo", "-u", "fikatap", "fikatap", *arguments)

    def write(self, path: str, text: str) -> None:
        """Write a file in the box."""
        self.run("install", "-D", "-m", "644", "/dev/stdin", path, input=text)

    def show(self, *properties: str, unit: str = "fikatap.service") -> dict[str, str]:
        """Return properties of a unit."""
        lines = self.run("systemctl", "show", f"--property={','.join(properties)}", unit).splitlines()
        return dict(line.split("=", 1) for line in lines)

    def journal(self, unit: str = "fikatap.service", since: str = "--boot") -> list[str]:
        """Return what a unit said and what systemd said of it in this boot, or since another place in the journal."""
        self.run("journalctl", "--sync")  # what was said until now may still be on its way into it
        return self.run("journalctl", since, "--output=cat", f"--unit={unit}").splitlines()

    def life(self) -> tuple[str, float]:
        """Return the id of the service's life, and when it was READY, by the monotonic clock; 0.0 when it is not."""
        now = self.show("ActiveState", "InvocationID", "ActiveEnterTimestampMonotonic")
        ready = now["ActiveState"] == "active"
        return now["InvocationID"], int(now["ActiveEnterTimestampMonotonic"]) / 1e6 if ready else 0.0

    def until(self, done: Callable[[], Any], what: str, timeout: float = PATIENCE_S) -> Any:
        """Wait until something is so and return it."""
        deadline = time.monotonic() + timeout
        while not (found := done()):
            if time.monotonic() > deadline:
                raise BoxError(f"{self.suite}: not {what} in {timeout} s:\n" + "\n".join(self.journal()[-40:]))
            time.sleep(0.01)
        return found

    def until_ready_again(self, life: str, timeout: float = PATIENCE_S) -> float:
        """Wait for the next life of the service, and return when it was READY."""

        def again() -> float:
            now, ready = self.life()
            return 0.0 if now == life else ready

        return float(self.until(again, "ready again", timeout))

    @contextmanager
    def by_itself(self) -> Iterator[None]:
        """Let what is started meanwhile go before all that runs beside the box, where that may be.

        A machine has its processors to itself; what else runs here is no fault of the terminal.
        """
        subprocess.run(["chrt", "--rr", "--pid", "1", str(self.leader)], capture_output=True)
        try:
            yield
        finally:
            subprocess.run(["chrt", "--other", "--pid", "0", str(self.leader)], capture_output=True)

    def make_node(self, path: str, major: str, minor: str) -> None:
        """Make a device node that everybody may open; nobody in the box could make it."""
        entered = ["nsenter", "--target", str(self.leader), "--mount", "--", "sh", "-c"]
        _run(*entered, f"umask 0; test -c {path} || mknod {path} c {major} {minor}")

    def in_its_network(self, make: Callable[[], Made]) -> Made:
        """Return what `make` makes, with its sockets in the box's network."""
        made: list[Made] = []

        def enter() -> None:
            with Path(f"/proc/{self.leader}/ns/net").open() as network:
                if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), 0x40000000) != 0:  # CLONE_NEWNET
                    raise OSError(ctypes.get_errno(), "setns")
            made.append(make())

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        return made[0]

    def main_pid(self) -> int:
        """Return the process id of the terminal as seen from here."""
        inside, here = self.show("MainPID")["MainPID"], Path(f"/proc/{self.leader}/ns/pid")
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if _process_ids(process)[1:] == [inside] and here.samefile(process / "ns/pid"):
                    return int(process.name)
        raise BoxError(f"{self.suite}: no process {inside}")


def _process_ids(process: Path) -> list[str]:
    """Return a process's ids, from the outermost namespace inwards; nothing when it is gone."""
    with suppress(OSError):
        lines = (process / "status").read_text().splitlines()
        return next(line for line in lines if line.startswith("NSpid:")).split()[1:]
    return []
