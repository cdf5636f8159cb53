"""What the machine says of itself in its files, below any folder that stands for `/`: power, disk, user, modules, network.

Sources: proc(5), cgroups(7), ALSA's procfile, sysfs-block, raspberrypi-hwmon, `vcgencmd get_throttled`, hier(7),
docs/updates.md.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

USER = "fikatap"
GROUPS = ("gpio", "lp", "dialout", "plugdev")
"""What systemd/sysusers.conf puts the terminal's user into: pins, USB printers, serial lines, USB devices."""
UNIT = "etc/systemd/system/fikatap.service"
POLKIT_RIGHT = "org.debian.pcsc-lite.access_pcsc"
_UNDER_VOLTAGE_NOW, _UNDER_VOLTAGE_SINCE_BOOT = 1 << 0, 1 << 16


class Mount(NamedTuple):
    """Where a folder's files are: a device, and how it is mounted."""

    device: str
    options: frozenset[str]

    @property
    def read_only(self) -> bool:
        """Whether nothing can be written."""
        return "ro" in self.options

    @property
    def unsafe(self) -> bool:
        """Whether it is told not to wait for the disk."""
        return bool(self.options & {"nobarrier", "barrier=0", "data=writeback"})


class Power(NamedTuple):
    """Whether the voltage is too low now, and whether it was since the start."""

    low: bool
    was_low: bool


class Releases(NamedTuple):
    """Which release runs, which one there is to go back to, and which could not stay up.

    `healthy` tells whether it is proven, or on trial yet; None where that is not for this user to see.
    """

    current: str
    healthy: bool | None
    previous: str | None
    rejected: tuple[str, ...]


class Machine:
    """The machine whose files are below `root`. What can't be read there counts as not there."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    @property
    def installed(self) -> bool:
        """Whether the terminal is installed as a service."""
        return self._is_there(UNIT)

    @property
    def can_speak(self) -> bool:
        """Whether there is an engine for speech."""
        return self._is_there("usr/bin/espeak-ng")

    @property
    def speaks(self) -> bool:
        """Whether the speech's unit has a process (cgroups(7), version 2)."""
        return self._text("sys/fs/cgroup/system.slice/fikatap-speech.service/cgroup.procs") != ""

    def sound_cards(self) -> set[str]:
        """Return the numbers and the names of all sound cards."""
        cards = re.findall(r"^ *(\d+) \[(\S+) *\]:", self._text("proc/asound/cards"), re.MULTILINE)
        return {word for card in cards for word in card}

    @property
    def clock_is_right(self) -> bool:
        """Whether the clock was set by the network since the start."""
        return self._is_there("run/systemd/timesync/synchronized")

    def modules(self) -> set[str]:
        """Return the names of the kernel modules that are loaded."""
        return {line.split(" ", 1)[0] for line in self._lines("proc/modules")}

    def mount(self, folder: Path) -> Mount | None:
        """Return where a folder's files are."""
        found = None
        longest = -1
        for line in self._lines("proc/self/mounts"):
            device, where, _, options, *_ = [*line.split(" "), "", "", "", ""]
            place = Path(where.replace("\\040", " "))
            # Of two on the same place the later one hides the earlier one.
            if (folder == place or place in folder.parents) and len(place.parts) >= longest:
                found, longest = Mount(device, frozenset(options.split(","))), len(place.parts)
        return found

    def is_memory_card(self, mount: Mount) -> bool:
        """Tell whether it is an SD card, which may say that it has written when it has not."""
        name = Path(mount.device).name
        card = name[: name.rindex("p")] if name.startswith("mmcblk") and "p" in name[6:] else name
        return name.startswith("mmcblk") and self._text(f"sys/block/{card}/device/type") in ("SD", "")

    def power(self) -> Power | None:
        """Return how the supply does; None on a board that does not tell."""
        said = self._text("sys/devices/platform/soc/soc:firmware/get_throttled")
        try:
            bits = int(said, 16)
        except ValueError:
            return self._power_sensor()
        return Power(bool(bits & _UNDER_VOLTAGE_NOW), bool(bits & _UNDER_VOLTAGE_SINCE_BOOT))

    def _power_sensor(self) -> Power | None:
        for sensor in self._folders("sys/class/hwmon"):
            if self._text(f"sys/class/hwmon/{sensor}/name") == "rpi_volt":
                low = self._text(f"sys/class/hwmon/{sensor}/in0_lcrit_alarm") == "1"
                return Power(low, low)
        return None

    def groups_missing(self) -> tuple[str, ...] | None:
        """Return the groups that the terminal's user should be in and is not; None where there is no such user."""
        if not any(line.split(":")[0] == USER for line in self._lines("etc/passwd")):
            return None
        members = {name: people for name, _, people in self._groups()}
        return tuple(group for group in GROUPS if USER not in members.get(group, ()))

    def shut_out_of(self, node: str) -> str | None:
        """Return whose a device node is when the terminal's user may not use it; None when it may, or it is not there."""
        try:
            found = (self._root / node.lstrip("/")).stat()
        except OSError:
            return None
        names = {number: name for name, number, _ in self._groups()}
        group = names.get(found.st_gid, str(found.st_gid))
        rights = stat.S_IMODE(found.st_mode)
        if rights & 0o006 == 0o006 or (group in GROUPS and rights & 0o060 == 0o060):
            return None
        return f"{group} {rights:04o}"

    def pins(self) -> list[str]:
        """Return the device nodes of pins."""
        return [f"/dev/{name}" for name in self._folders("dev") if name.startswith("gpiochip")]

    @property
    def pcscd_listens(self) -> bool:
        """Whether the reader's daemon can be reached; systemd starts it when somebody does."""
        return self._is_there("run/pcscd/pcscd.comm")

    def polkit_shuts_out(self) -> bool | None:
        """Tell whether pcscd asks polkit and no rule lets the terminal in; None where the rules can't be read."""
        if not self._is_there("usr/share/polkit-1/actions/org.debian.pcsc-lite.policy"):
            return False
        for folder in ("etc/polkit-1/rules.d", "usr/share/polkit-1/rules.d"):
            try:
                files = list((self._root / folder).iterdir())
                if any(POLKIT_RIGHT in text and USER in text for text in (each.read_text("utf-8") for each in files)):
                    return False
            except FileNotFoundError:
                continue
            except (OSError, UnicodeDecodeError):
                return None
        return True

    @property
    def network_is_open(self) -> bool:
        """Whether the drop-in is there without which the service has no network."""
        return self._is_there(f"{UNIT}.d/network.conf")

    def networks_up(self) -> list[str]:
        """Return the network interfaces that are connected."""
        names = [name for name in self._folders("sys/class/net") if name != "lo"]
        return [name for name in names if self._text(f"sys/class/net/{name}/operstate") in ("up", "unknown")]

    def releases(self) -> Releases | None:
        """Return what is installed below `/opt/fikatap`; None when nothing is."""
        home = self._root / "opt" / "fikatap"
        try:
            current = (home / "current").readlink().name
        except OSError:
            return None
        try:
            previous = (home / "previous").readlink().name
        except OSError:
            previous = None
        rejected = [name for name in self._folders("opt/fikatap/releases") if self._is_rejected(home / "releases" / name)]
        try:
            healthy: bool | None = (self._root / f"var/lib/fikatap/releases/{current}.healthy").exists()
        except PermissionError:
            healthy = None
        return Releases(current, healthy, previous, tuple(rejected))

    def _is_rejected(self, release: Path) -> bool:
        return (release / "rejected").exists()

    def _groups(self) -> Iterator[tuple[str, int, list[str]]]:
        for line in self._lines("etc/group"):
            name, _, number, people, *_ = [*line.split(":"), "", "", ""]
            if number.isdecimal():
                yield name, int(number), people.split(",")

    def _is_there(self, path: str) -> bool:
        try:
            return (self._root / path).exists()
        except OSError:
            return False

    def _text(self, path: str) -> str:
        try:
            return (self._root / path).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""

    def _lines(self, path: str) -> list[str]:
        return self._text(path).splitlines()

    def _folders(self, path: str) -> list[str]:
        try:
            return sorted(each.name for each in (self._root / path).iterdir())
        except OSError:
            return []
