"""The unit that ships: systemd knows every key, and it is shut as tightly as it can be."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path

import pytest

from firmware_py.speech import ENGINE

SHIPPED = Path(__file__).parents[2] / "systemd"
PROGRAMS = re.compile(r"/opt/fikatap/(current/)?bin/(fikatap|fall-back)")


def _analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60)


def _verify(unit: Path) -> subprocess.CompletedProcess[str]:
    # Without the option, a misspelt key is told and forgiven.
    return _analyze("verify", "--recursive-errors=yes", unit)


def _assert_a_hole_shows(unit: Path, wall: str) -> None:
    whole = _exposure(unit)
    text = unit.read_text("utf-8")
    assert wall in text
    unit.write_text(text.replace(wall, ""), "utf-8")
    assert _exposure(unit) > whole


def _exposure(unit: Path) -> float:
    """Return systemd's figure for what the service may do, from 0 (nothing) to 10."""
    result = _analyze("security", "--offline=true", "--no-pager", unit)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", result.stdout)
    assert found, result
    return float(found[1])


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """Return a copy of the unit whose programs exist."""
    for program in ("fikatap", "fall-back"):
        (tmp_path / program).touch(mode=0o755)
    unit = tmp_path / "fikatap.service"
    unit.write_text(PROGRAMS.sub(rf"{tmp_path}/\2", (SHIPPED / "fikatap.service").read_text("utf-8")), "utf-8")
    return unit


def _with_network(unit: Path) -> None:
    drop_in = unit.with_name("fikatap.service.d") / "network.conf"
    drop_in.parent.mkdir()
    drop_in.write_bytes((SHIPPED / "network.conf").read_bytes())


def test_systemd_knows_every_key_of_the_unit(unit: Path) -> None:
    result = _verify(unit)
    assert (result.returncode, result.stderr) == (0, "")


def test_systemd_knows_every_key_of_the_drop_in_that_opens_the_network(unit: Path) -> None:
    _with_network(unit)
    result = _verify(unit)
    assert (result.returncode, result.stderr) == (0, "")


def test_the_drop_in_for_a_second_medium_opens_its_folder_and_nothing_else(unit: Path) -> None:
    shut = _exposure(unit)
    drop_in = unit.with_name("fikatap.service.d") / "second.conf"
    drop_in.parent.mkdir()
    drop_in.write_bytes((SHIPPED / "second.conf").read_bytes())
    result = _verify(unit)
    assert (result.returncode, result.stderr) == (0, "")
    assert _exposure(unit) == shut
    settings = [line for line in drop_in.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    assert settings == ["[Service]", "ReadWritePaths=-/media/fikatap"]


def test_a_unit_without_its_program_does_not_pass(unit: Path) -> None:
    unit.with_name("fikatap").unlink()
    result = _verify(unit)
    assert result.returncode != 0
    assert "not executable" in result.stderr


@pytest.mark.parametrize(("right", "wrong"), [("WatchdogSec=", "WatchDogSecs="), ("=always", "=allways"), ("pcscd", "pcscd/")])
def test_a_misspelt_unit_does_not_pass(unit: Path, right: str, wrong: str) -> None:
    text = unit.read_text("utf-8")
    assert right in text
    unit.write_text(text.replace(right, wrong), "utf-8")
    result = _verify(unit)
    assert result.returncode != 0
    assert wrong.strip("=") in result.stderr


def test_the_unit_is_shut_tightly(unit: Path) -> None:
    assert _exposure(unit) <= 0.9


def test_the_drop_in_opens_the_network_and_little_else(unit: Path) -> None:
    shut = _exposure(unit)
    _with_network(unit)
    assert shut < _exposure(unit) <= 1.1


@pytest.mark.parametrize("wall", ["SystemCallFilter=~@privileged @resources", "ProtectSystem=strict", "NoNewPrivileges=yes"])
def test_a_hole_in_the_unit_shows_in_the_figure(unit: Path, wall: str) -> None:
    _assert_a_hole_shows(unit, wall)


@pytest.fixture
def pages(tmp_path: Path) -> list[Path]:
    """Return copies of the pages' units whose program exists: the service, then its sockets."""
    (tmp_path / "fikatap").touch(mode=0o755)
    units = [tmp_path / name for name in ("fikatap-desk.service", "fikatap-desk.socket", "fikatap-screen.socket")]
    for unit in units:
        unit.write_text(PROGRAMS.sub(rf"{tmp_path}/\2", (SHIPPED / unit.name).read_text("utf-8")), "utf-8")
    return units


def test_systemd_knows_every_key_of_the_pages_units(pages: list[Path]) -> None:
    for unit in pages:
        result = _verify(unit)
        assert (result.returncode, result.stderr) == (0, "")


def test_the_pages_are_shut_more_tightly_than_the_terminal(pages: list[Path], unit: Path) -> None:
    assert _exposure(pages[0]) <= 0.5
    assert _exposure(pages[0]) < _exposure(unit)


@pytest.mark.parametrize("wall", ["PrivateNetwork=yes", "PrivateDevices=yes", "ProtectSystem=strict", "User=fikatap-desk"])
def test_a_hole_in_the_pages_unit_shows_in_the_figure(pages: list[Path], wall: str) -> None:
    whole = _exposure(pages[0])
    text = pages[0].read_text("utf-8")
    assert wall in text
    pages[0].write_text(text.replace(wall, ""), "utf-8")
    assert _exposure(pages[0]) > whole


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """Return a copy of the speech's unit whose program exists."""
    (tmp_path / "fikatap").touch(mode=0o755)
    unit = tmp_path / "fikatap-speech.service"
    unit.write_text(PROGRAMS.sub(rf"{tmp_path}/\2", (SHIPPED / unit.name).read_text("utf-8")), "utf-8")
    return unit


def test_systemd_knows_every_key_of_the_speech_unit(speech: Path) -> None:
    result = _verify(speech)
    assert (result.returncode, result.stderr) == (0, "")


def test_speech_is_shut_tightly(speech: Path) -> None:
    assert _exposure(speech) <= 0.5


@pytest.mark.parametrize("wall", ["PrivateNetwork=yes", "DevicePolicy=closed", "ProtectSystem=strict", "User=fikatap-speech"])
def test_a_hole_in_the_speech_unit_shows_in_the_figure(speech: Path, wall: str) -> None:
    _assert_a_hole_shows(speech, wall)


def test_speech_that_is_not_configured_is_not_tried_again_and_reaches_sound_only() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.read(SHIPPED / "fikatap-speech.service", "utf-8")
    assert (unit["Service"]["Restart"], unit["Service"]["RestartPreventExitStatus"]) == ("always", "0 78")
    assert unit["Unit"]["ConditionPathExists"] == str(ENGINE)
    assert (unit["Service"]["WatchdogSec"], unit["Service"]["WatchdogSignal"]) == ("10s", "SIGKILL")
    devices = re.findall(r"^DeviceAllow=(.*)$", (SHIPPED / "fikatap-speech.service").read_text("utf-8"), re.MULTILINE)
    assert devices == ["char-alsa rw"]


def test_speech_starts_after_the_sound_devices_have_their_number() -> None:
    """It may reach `char-alsa`, which is a number that systemd looks up once."""
    text = (SHIPPED / "fikatap-speech.service").read_text("utf-8")
    assert {"Wants=modprobe@snd.service", "After=modprobe@snd.service"} <= set(text.splitlines())


class House:
    """Two releases, the newer one on trial, and the script that looks after it; what it does to the machine is written down."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.opt = folder / "opt/fikatap"
        self.configuration = folder / "etc/fikatap/terminal.toml"
        units = folder / "etc/systemd/system"
        self._bin = folder / "bin"
        for each in (self._bin, self.configuration.parent, units, folder / "var/lib/fikatap/releases"):
            each.mkdir(parents=True)
        for version in ("1", "2"):
            (self.opt / "releases" / version / "systemd").mkdir(parents=True)
            (self.opt / "releases" / version / "complete").touch()
        (self.opt / "current").symlink_to("releases/2")
        (self.opt / "previous").symlink_to("releases/1")
        self.configuration.touch()
        (units / "fikatap-speech.service").symlink_to(self.opt / "current/systemd/fikatap-speech.service")
        for program in ("systemctl", "systemd-run"):
            (self._bin / program).write_text(f'#!/bin/sh\necho "${{0##*/}} $*" >> {folder}/done\n', "utf-8")
            (self._bin / program).chmod(0o755)

    @property
    def current(self) -> str:
        return (self.opt / "current").readlink().name

    @property
    def counted(self) -> int:
        ends = self.opt / "releases/2/ends"
        return len(ends.read_text("utf-8").splitlines()) if ends.exists() else 0

    @property
    def did(self) -> list[str]:
        done = self._folder / "done"
        return done.read_text("utf-8").splitlines() if done.exists() else []

    def mark_healthy(self) -> None:
        (self._folder / "var/lib/fikatap/releases/2.healthy").touch()

    def end(self, result: str, status: str) -> str:
        """Let the service end, and return what staff read."""
        script = re.sub(r"(?<![\w.$])/(?=(opt|var|etc)/)", f"{self._folder}/", (SHIPPED / "fall-back").read_text("utf-8"))
        environment = {"PATH": f"{self._bin}:/usr/bin:/bin", "SERVICE_RESULT": result, "EXIT_STATUS": status}
        return subprocess.run(["sh", "-c", script], env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.mark.parametrize(
    ("result", "status"),
    [
        ("exit-code", "1"),
        ("exit-code", "78"),  # a wrong configuration
        ("exit-code", "203"),  # it can't be run
        ("protocol", "0"),  # it ended before it was READY
        ("watchdog", "KILL"),
        ("timeout", "KILL"),  # never READY
        ("core-dump", "SEGV"),
        ("signal", "SEGV"),
        ("oom-kill", "KILL"),
    ],
)
def test_the_third_end_of_its_own_brings_the_release_before_back(result: str, status: str, house: House) -> None:
    for count in (1, 2):
        assert house.end(result, status) == ""
        assert (house.counted, house.current) == (count, "2")
        # systemd itself does not try again after 78.
        assert sum("systemctl start fikatap.service" in line for line in house.did) == (count if status == "78" else 0)
    assert "1 är tillbaka" in house.end(result, status)
    assert (house.counted, house.current) == (3, "1")
    assert not (house.opt / "previous").is_symlink()
    assert (house.opt / "releases/2/rejected").exists()
    assert "systemctl start fikatap.service" in house.did[-1]


@pytest.mark.parametrize(
    ("result", "status"),
    [
        ("success", "0"),  # a stop, a restart, the machine's shutdown
        ("success", "TERM"),
        ("signal", "KILL"),  # a kill from outside
        ("signal", "TERM"),
        ("exit-code", "75"),  # a device hangs
    ],
)
def test_what_comes_from_outside_never_counts(result: str, status: str, house: House) -> None:
    for _ in range(5):
        assert house.end(result, status) == ""
    assert (house.counted, house.current, house.did) == (0, "2", [])


def test_a_release_that_was_healthy_once_is_not_replaced(house: House) -> None:
    house.mark_healthy()
    for _ in range(5):
        house.end("exit-code", "1")
    assert (house.counted, house.current, house.did) == (0, "2", [])


def test_where_there_is_no_way_back_a_release_stays(house: House) -> None:
    (house.opt / "releases/1/complete").unlink()
    for _ in range(5):
        house.end("exit-code", "1")
    assert (house.current, house.did) == ("2", [])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("language = 'sv'", "version 2 kunde inte köra; 1 är tillbaka. Skicka"),
        ('language = "da"  # dansk', "version 2 kunne ikke køre; 1 er tilbage. Send"),
        ("language='nb'", "versjon 2 klarte ikke å kjøre; 1 er tilbake. Send"),
        ('  language = "en"', "version 2 could not stay up; 1 is back. Send"),
        ("", "version 2 kunde inte köra; 1 är tillbaka. Skicka"),
    ],
)
def test_staff_is_told_in_the_cafes_language_what_was_put_back(line: str, words: str, house: House) -> None:
    house.configuration.write_text(f'[cafe]\nname = "x"\n{line}\n', "utf-8")
    house.end("exit-code", "1")
    house.end("exit-code", "1")
    (said,) = house.end("exit-code", "1").splitlines()
    assert said.startswith(words)


@pytest.mark.parametrize(("has_unit", "verb"), [(False, "stop"), (True, "try-restart")])
def test_what_speaks_ends_with_a_release_whose_predecessor_does_not_speak(has_unit: bool, verb: str, house: House) -> None:
    if has_unit:
        (house.opt / "releases/1/systemd/fikatap-speech.service").touch()
    for _ in range(3):
        house.end("exit-code", "1")
    assert house.current == "1"
    assert [line for line in house.did if "speech" in line] == [f"systemctl --no-block {verb} fikatap-speech.service"]
    assert house.did.index("systemctl daemon-reload") < house.did.index(f"systemctl --no-block {verb} fikatap-speech.service")


def test_the_screen_is_for_this_machine_only() -> None:
    socket = configparser.RawConfigParser()
    socket.read(SHIPPED / "fikatap-screen.socket", "utf-8")
    assert socket["Socket"]["ListenStream"] == "127.0.0.1:8080"


@pytest.mark.parametrize("name", ["fikatap.service", "fikatap-desk.service"])
def test_a_wrong_configuration_is_not_tried_again_and_everything_else_is(name: str) -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.read(SHIPPED / name, "utf-8")
    assert unit["Service"]["RestartPreventExitStatus"] == "78"
    assert unit["Service"]["Restart"] == "always"
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
