from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from msgspec.structs import replace

from drivers.lights.fake import FakeLights
from drivers.printers import typefaces
from drivers.printers.fake import FakePrinter
from drivers.readers.fake import FakeReader
from firmware_py.backup import copy_now
from firmware_py.config import Config, ControlTable, parse
from firmware_py.doctor import Doctor, Finding, State
from firmware_py.ledger import Ledger
from firmware_py.machine import GROUPS, Machine
from firmware_py.terminal.loop import LIGHTS
from firmware_py.terminal.supervise import Health
from firmware_py.texts import load_texts
from kiosk.values import Cause, Language, Member, MemberId
from tests.firmware_py.terminal.harness import CAFE, Door
from tests.firmware_py.test_config import FIKATAP
from tests.rigs.stand_in import StandIn


def configuration(folder: Path) -> str:
    return CAFE.format(folder=folder, socket=folder / "s", rules="", match_ms=800, printer="", trust="true")


def config(folder: Path, language: str = "en", *, trust: bool = True, reader: str = "") -> Config:
    text = configuration(folder).replace('language = "en"', f'language = "{language}"')
    text = text.replace("trust_clock = true", f"trust_clock = {str(trust).lower()}")
    return parse(text + (f"\n[reader.second]\n{reader}" if reader else ""))


def look(config: Config, folder: Path) -> dict[str, Finding]:
    """Return what the doctor finds, by what was looked at."""
    return {finding.what: finding for finding in Doctor(config, Machine(folder / "root")).look()}


def put(folder: Path, path: str, text: str = "") -> Path:
    """Write a file of the machine that the doctor looks at."""
    file = folder / "root" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    return file


def faults(found: dict[str, Finding]) -> set[str]:
    return {what for what, finding in found.items() if finding.state is State.FAULT}


@pytest.mark.parametrize("language", Language)
def test_all_is_well_in_every_language(tmp_path: Path, language: Language) -> None:
    found = look(config(tmp_path, language.value), tmp_path)
    assert faults(found) == set()
    assert all(finding.what and finding.words for finding in found.values())
    assert all(bool(finding.remedy) is (finding.state is not State.OK) for finding in found.values())
    simulated = {what for what, finding in found.items() if finding.state is State.WARNING}
    no_copies = load_texts().say(language, "doctor.second")
    assert simulated == {"[reader.door]", "[printer]", "[lights]", "[sounder]", no_copies}
    assert len(found) == 13 + len(simulated)


def test_what_does_not_answer_is_told_with_what_to_do(tmp_path: Path) -> None:
    FakeReader.hand(str(tmp_path)).unplug()
    FakePrinter.hand(str(tmp_path)).paper_out()
    FakeLights.hand(str(tmp_path)).unplug()
    found = look(config(tmp_path), tmp_path)
    assert faults(found) == {"card reader door", "printer", "lights"}
    reader = found["card reader door"]
    assert reader.words == "the card reader is unplugged; plug it in"
    assert reader.remedy == "plug in the reader; check that pcscd runs (systemctl status pcscd)"
    assert found["printer"].words.endswith("profile generic-80: the paper is out")
    assert found["printer"].remedy == "check power, cable, paper and cover"


@pytest.mark.parametrize("language", Language)
def test_a_template_is_looked_at_with_its_logo(tmp_path: Path, language: Language) -> None:
    path = tmp_path / "badge.toml"
    loaded = parse(
        configuration(tmp_path).replace('language = "en"', f'language = "{language}"') + f'[badge]\ntemplate = "{path}"'
    )
    (tmp_path / "logo.png").touch()
    found = {}
    for text in ('slips = ["fault"]', '\nfields = ["nme"]', 'logo = "logo.png"'):
        path.write_text(text, encoding="utf-8")
        found[text] = list(look(loaded, tmp_path).values())[1]
    well, line, logo = found.values()
    assert (well.state, line.state, logo.state) == (State.OK, State.FAULT, State.FAULT)
    assert well.words.startswith(f"{path}, ")
    assert line.words.startswith(f"{path} line 2: fields has no 'nme'; ")
    assert logo.words.startswith(f"{tmp_path}/logo.png: is no picture")
    assert "--template" in line.remedy


@pytest.fixture
def only_our_fonts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(typefaces, "INSTALLED", (tmp_path,))
    typefaces._installed.cache_clear()
    yield
    typefaces._installed.cache_clear()


def with_names(folder: Path, *names: str) -> None:
    ledger = Ledger.open(folder / "ledger.db")
    ledger.put_members([Member(MemberId(str(number)), name, Language.SV) for number, name in enumerate(names)])
    ledger.close()


@pytest.mark.usefixtures("only_our_fonts")
@pytest.mark.parametrize("running", [True, False])
def test_names_that_no_font_here_has_are_counted_not_told(tmp_path: Path, running: bool) -> None:
    with_names(tmp_path, *["Åsa"] * 60, "ᏔᎵ", "ⵎⵓⵏⴰ", "𠮷", "ياسمين")
    with Door(tmp_path) if running else nullcontext() as door:
        found = look(door.config if door else config(tmp_path), tmp_path)["fonts"]
    assert found.state is State.WARNING
    assert found.words.startswith("3 names have letters that no font here has (Ꮅ Ꮤ ⴰ ⵎ ⵏ ⵓ 𠮷)")
    assert found.remedy == "install more fonts: sudo apt install fonts-noto-cjk fonts-noto-core"


@pytest.mark.usefixtures("only_our_fonts")
def test_a_sign_that_no_package_has_is_told_as_such(tmp_path: Path) -> None:
    with_names(tmp_path, "Zoë 🎉")
    found = look(config(tmp_path), tmp_path)["fonts"]
    assert found.words.startswith("1 name has letters that no font here has (🎉)")
    assert found.remedy.startswith("no package has them")


def test_a_damaged_font_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "fonts"
    shutil.copytree(typefaces.FOLDER, folder)
    (folder / "NotoSansThai-Bold.ttf").write_bytes(b"no font")
    monkeypatch.setattr(typefaces, "FOLDER", folder)
    typefaces.open_font.cache_clear()
    found = look(config(tmp_path), tmp_path)["fonts"]
    typefaces.open_font.cache_clear()
    assert found.state is State.FAULT
    assert found.words == f"the font {folder}/NotoSansThai-Bold.ttf is damaged: install Fikatap again"
    assert found.remedy == "install Fikatap again; these fonts come with it"


def test_devices_are_given_back(tmp_path: Path) -> None:
    look(config(tmp_path), tmp_path)
    with Door(tmp_path) as door:
        door.tap(1)


class Older(StandIn):
    """A terminal of an older release: it says all that the one of a door says, but not whether it is shut."""

    def __init__(self, path: Path, door: Door) -> None:
        super().__init__(path, {})
        self._door = door

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        result = self._door.call(request["do"], **request["with"])
        return {
            "result": {key: value for key, value in result.items() if key != "shut"} if request["do"] == "status" else result
        }


def test_an_older_terminal_need_not_say_whether_it_is_shut(tmp_path: Path) -> None:
    with Door(tmp_path) as door, Older(tmp_path / "older", door).there() as older:
        found = look(replace(door.config, control=ControlTable(older.path)), tmp_path)
    assert found["ledger"].state is State.OK
    assert faults(found) == set()


def test_a_running_terminal_is_asked_and_not_disturbed(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        for name in door.terminal._supervisor.watched:
            door.until_health(name, Health.UP)
        door.printer.paper_out()
        door.lights.unplug()
        door.until_printer(Cause.PAPER_OUT)
        door.tap(1)
        door.until_health(LIGHTS, Health.DOWN)
        found = look(door.config, tmp_path)
        assert found["fikatap"].words.startswith("the terminal is running: open; 1 visitor here")
        assert faults(found) == {"printer", "lights"}
        assert found["printer"].words == "the paper is out"
        assert found["lights"].words == "the lights are unplugged; plug them in"
        assert found["matching"].words == "embedded matching"
        assert {device["health"] for device in door.call("status")["devices"] if device["name"] != "lights"} == {"up"}


def test_a_ledger_that_another_program_holds_is_a_fault(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    found = look(config(tmp_path), tmp_path)
    assert faults(found) == {"ledger"}
    assert "is in use by process" in found["ledger"].words
    ledger.close()


def test_a_ledger_that_is_none_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"no database at all, but long enough to be looked at" * 100)
    assert faults(look(config(tmp_path), tmp_path)) == {"ledger"}


def test_a_clock_that_is_not_sure_is_worth_a_note(tmp_path: Path) -> None:
    assert look(config(tmp_path, trust=False), tmp_path)["clock"].state is State.WARNING
    put(tmp_path, "run/systemd/timesync/synchronized")
    assert look(config(tmp_path, trust=False), tmp_path)["clock"].state is State.OK


def test_kernel_modules_that_take_a_pcsc_reader_are_told(tmp_path: Path) -> None:
    put(tmp_path, "proc/modules", "snd 1 0\npn533_usb 2 0\nnfc 3 1 pn533_usb\n")
    assert look(config(tmp_path), tmp_path)["kernel modules"].state is State.OK
    found = look(config(tmp_path, reader='driver = "pcsc"'), tmp_path)["kernel modules"]
    assert found.state is State.FAULT
    assert found.words == "pn533_usb, nfc take the reader"
    assert "blacklist" in found.remedy


@pytest.mark.parametrize("well", [True, False])
def test_the_exit_code_tells(tmp_path: Path, well: bool) -> None:
    path = tmp_path / "terminal.toml"
    text = configuration(tmp_path)
    if not well:
        text += '\n[reader.second]\ndriver = "pn532"\npath = "/dev/fikatap-is-not-here"\n'
    path.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [FIKATAP, "--config", path, "doctor", "--json"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == (0 if well else 1), done.stderr
    found = {finding["what"]: finding["state"] for finding in json.loads(done.stdout)}
    assert found["card reader door"] == "ok"
    assert found.get("card reader second", "fault") == "fault"
    plain = subprocess.run([FIKATAP, "--config", path, "doctor"], capture_output=True, text=True, timeout=60, check=False)
    assert ("FAULT card reader second: " in plain.stdout) is not well


@pytest.mark.parametrize("language", Language)
def test_a_wrong_configuration_is_the_one_thing_found_in_its_own_language(language: Language, tmp_path: Path) -> None:
    path = tmp_path / "terminal.toml"
    path.write_text(f"[cafe]\nlanguage = '{language}'\n[dor]\n", encoding="utf-8")
    done = subprocess.run(
        [FIKATAP, "--config", path, "doctor", "--json"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (78, "")
    (found,) = json.loads(done.stdout)
    texts = load_texts()
    assert (found["what"], found["state"]) == (texts.say(language, "doctor.config"), "fault")
    assert found["words"].startswith(f"{path}: ")
    assert found["remedy"] == texts.say(language, "doctor.config_remedy")


def as_nobody(config: Config, folder: Path) -> dict[str, Finding]:
    """Return what somebody finds who is neither root nor the terminal's user."""
    os.setresuid(65534, 65534, 0)
    try:
        return look(config, folder)
    finally:
        os.setresuid(0, 0, 0)


def test_who_may_not_look_at_the_ledger_is_told_who_may_and_hears_of_no_fault() -> None:
    """Such as root, with a terminal that does not run: what root leaves behind would lock it out."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        state = folder / "state"
        state.mkdir(mode=0o700)
        before = config(folder)
        loaded = replace(before, ledger=replace(before.ledger, path=state / "ledger.db", second=state))
        remedy = "type this instead: sudo -u {} fikatap doctor"
        Ledger.open(loaded.ledger.path).close()
        found = as_nobody(loaded, folder)
        for what in ("ledger", "second copy"):
            assert of(found, what) == (State.WARNING, "only root may look")
            assert found[what].remedy == remedy.format("root")
        os.chown(state, 1, 1)
        found = look(loaded, folder)
        assert of(found, "ledger") == (State.WARNING, "only daemon may look")
        assert found["ledger"].remedy == remedy.format("daemon")
        assert faults(found) == set()


def test_who_may_not_see_how_a_release_stands_or_what_the_printer_does_is_told_who_may() -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        home, state = folder / "root/opt/fikatap", folder / "root/var/lib/fikatap"
        (home / "releases/0.2.0").mkdir(parents=True)
        (home / "current").symlink_to("releases/0.2.0")
        put(folder, "var/lib/fikatap/releases/0.2.0.healthy")
        state.chmod(0o700)
        fake = f'[printer]\ndriver = "fake"\nname = "{folder}"'
        before = parse(configuration(folder).replace(fake, '[printer]\ndriver = "escpos"\nconnection = "network:127.0.0.1:1"'))
        loaded = replace(before, ledger=replace(before.ledger, path=state / "ledger.db"))
        Ledger.open(loaded.ledger.path).close()
        found = as_nobody(loaded, folder)
        assert of(found, "release") == (State.WARNING, "0.2.0: only root may look")
        assert of(found, "printer probe") == (State.WARNING, "only root may look")
        assert of(look(loaded, folder), "release") == (State.OK, "0.2.0, proven; to go back to: –")


def test_who_may_not_ask_the_running_terminal_is_told_who_may() -> None:
    with TemporaryDirectory() as name, StandIn(Path(name) / "s", {}).there() as stand_in:
        Path(name).chmod(0o755)
        stand_in.path.chmod(0o600)
        found = as_nobody(replace(config(Path(name)), control=ControlTable(stand_in.path)), Path(name))["fikatap"]
        assert (found.state, found.words) == (State.WARNING, "the terminal is running, but this user may not ask it")
        assert found.remedy == "type this instead: sudo -u fikatap fikatap doctor"


def test_copies_are_told_of_with_their_age_or_with_what_is_wrong(tmp_path: Path) -> None:
    before = config(tmp_path)
    Ledger.open(before.ledger.path).close()

    def second(folder: Path) -> Finding:
        return look(replace(before, ledger=replace(before.ledger, second=folder)), tmp_path)["second copy"]

    missing = second(tmp_path / "nowhere")
    assert (missing.state, missing.remedy[:17]) == (State.FAULT, "plug the stick in")
    assert "nowhere: No such file" in missing.words
    same = second(tmp_path)
    assert (same.state, same.words) == (State.WARNING, f"{tmp_path} is on the ledger's own disk and goes with it")
    with TemporaryDirectory(dir="/dev/shm") as other:
        assert second(Path(other)).words == f"{other} has no copy yet"
        copy_now(before.ledger.path, Path(other))
        found = second(Path(other))
        assert (found.state, found.words.partition(" is of ")[0]) == (State.OK, f"{other}, the last copy")


# The machine, laid out as files


def on_a_pi(folder: Path, *, pcsc: str = 'driver = "pcsc"') -> Config:
    """Lay out a Raspberry Pi on which all is well, and return a configuration with a reader behind PC/SC."""
    put(folder, "etc/systemd/system/fikatap.service")
    put(folder, "etc/passwd", "root:x:0:0::/root:/bin/sh\nfikatap:x:990:990::/var/lib/fikatap:/usr/sbin/nologin\n")
    groups = "".join(f"{name}:x:{number}:pi,fikatap\n" for number, name in enumerate(GROUPS, 100))
    put(folder, "etc/group", f"root:x:{os.getgid()}:\n{groups}")
    put(folder, "run/pcscd/pcscd.comm")
    put(folder, "sys/devices/platform/soc/soc:firmware/get_throttled", "0\n")
    put(folder, "proc/self/mounts", f"/dev/mmcblk0p2 / ext4 rw,noatime 0 0\n/dev/mmcblk0p3 {folder} ext4 rw,noatime 0 0\n")
    put(folder, "sys/block/mmcblk0/device/type", "SD\n")
    return config(folder, reader=pcsc)


def of(found: dict[str, Finding], what: str) -> tuple[State, str]:
    """Return how a thing stands; whatever is not well comes with what to do."""
    finding = found[what]
    assert bool(finding.remedy) is (finding.state is not State.OK)
    return finding.state, finding.words


def test_on_a_well_kept_pi_nothing_is_at_fault_but_the_reader_that_a_test_has_not(tmp_path: Path) -> None:
    found = look(on_a_pi(tmp_path), tmp_path)
    assert faults(found) == {"card reader second"}
    assert of(found, "power supply") == (State.OK, "the voltage was high enough since the start")
    assert of(found, "permissions") == (State.OK, "the user fikatap may use all devices")
    assert of(found, "the reader's daemon pcscd") == (State.OK, "can be reached and lets the terminal in")
    assert "network" not in found, "nothing configured needs one"


@pytest.mark.parametrize(
    ("bits", "state", "words"),
    [
        ("0", State.OK, "the voltage was high enough since the start"),
        ("10001", State.FAULT, "the voltage is too low right now"),
        ("10000", State.WARNING, "the voltage was too low at some time since the start"),
        ("e000e", State.OK, "the voltage was high enough since the start"),  # slowed down by heat
    ],
)
def test_a_weak_supply_is_told_now_and_afterwards(tmp_path: Path, bits: str, state: State, words: str) -> None:
    loaded = on_a_pi(tmp_path)
    put(tmp_path, "sys/devices/platform/soc/soc:firmware/get_throttled", f"{bits}\n")
    assert of(look(loaded, tmp_path), "power supply") == (state, words)


def test_a_supply_is_also_known_by_its_sensor_and_by_nothing_elsewhere(tmp_path: Path) -> None:
    loaded = on_a_pi(tmp_path)
    put(tmp_path, "sys/devices/platform/soc/soc:firmware/get_throttled", "?")
    assert "power supply" not in look(loaded, tmp_path)
    put(tmp_path, "sys/class/hwmon/hwmon0/name", "cpu_thermal\n")
    put(tmp_path, "sys/class/hwmon/hwmon1/name", "rpi_volt\n")
    put(tmp_path, "sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n")
    assert look(loaded, tmp_path)["power supply"].state is State.FAULT


def test_a_user_without_its_groups_is_told_with_those_it_lacks(tmp_path: Path) -> None:
    loaded = on_a_pi(tmp_path)
    put(tmp_path, "etc/group", "gpio:x:100:fikatap\nlp:x:101:pi\ndialout:x:102:pi,fikatap\n")
    assert of(look(loaded, tmp_path), "permissions") == (State.FAULT, "the user fikatap is not in lp, plugdev")
    put(tmp_path, "etc/passwd", "root:x:0:0::/root:/bin/sh\n")
    assert of(look(loaded, tmp_path), "permissions") == (State.FAULT, "there is no user fikatap")


def test_the_groups_are_those_that_the_installation_gives() -> None:
    lines = (Path(__file__).parents[2] / "systemd" / "sysusers.conf").read_text("utf-8").splitlines()
    assert tuple(line.split()[2] for line in lines if line.startswith("m fikatap ")) == GROUPS


def test_a_device_node_that_is_shut_to_the_terminal_is_told(tmp_path: Path) -> None:
    loaded = on_a_pi(tmp_path, pcsc='driver = "pn532"\npath = "/dev/ttyAMA0"')
    node = put(tmp_path, "dev/ttyAMA0")
    node.chmod(0o660)
    assert of(look(loaded, tmp_path), "permissions") == (
        State.FAULT,
        "/dev/ttyAMA0 is shut to the user fikatap (root 0660)",
    )
    put(tmp_path, "etc/group", "".join(f"{name}:x:{os.getgid()}:fikatap\n" for name in GROUPS))
    assert look(loaded, tmp_path)["permissions"].state is State.OK
    node.chmod(0o600)
    assert look(loaded, tmp_path)["permissions"].state is State.FAULT
    node.unlink()
    assert look(loaded, tmp_path)["permissions"].state is State.OK  # that it is not there says the reader itself


def test_pcscd_that_is_away_is_told_where_a_reader_needs_it(tmp_path: Path) -> None:
    loaded = on_a_pi(tmp_path)
    (tmp_path / "root/run/pcscd/pcscd.comm").unlink()
    assert of(look(loaded, tmp_path), "the reader's daemon pcscd") == (State.FAULT, "does not answer")
    assert "the reader's daemon pcscd" not in look(config(tmp_path), tmp_path)


def test_polkit_without_a_rule_shuts_the_terminal_out(tmp_path: Path) -> None:
    loaded = on_a_pi(tmp_path)
    put(tmp_path, "usr/share/polkit-1/actions/org.debian.pcsc-lite.policy")
    put(tmp_path, "usr/share/polkit-1/rules.d/10-other.rules", "polkit.addRule(…)")
    state, words = of(look(loaded, tmp_path), "the reader's daemon pcscd")
    assert (state, words) == (State.FAULT, "polkit does not let the terminal in")
    rule = (Path(__file__).parents[2] / "systemd" / "polkit.rules").read_text("utf-8")
    shipped = put(tmp_path, "etc/polkit-1/rules.d/50-fikatap.rules", rule)
    assert look(loaded, tmp_path)["the reader's daemon pcscd"].state is State.OK
    shipped.unlink()
    shipped.mkdir()  # can't be read
    assert of(look(loaded, tmp_path), "the reader's daemon pcscd") == (
        State.OK,
        "can be reached; only root can see polkit's rules",
    )


def test_speech_is_off_or_lacks_its_engine_or_its_process_or_speaks(tmp_path: Path) -> None:
    assert of(look(config(tmp_path), tmp_path), "speech") == (State.OK, "off")
    asked = parse(configuration(tmp_path) + "\n[speech]\n")
    found = look(asked, tmp_path)
    assert of(found, "speech") == (State.FAULT, "espeak-ng is missing")
    assert found["speech"].remedy.startswith("sudo apt install espeak-ng")
    put(tmp_path, "usr/bin/espeak-ng")
    put(tmp_path, "proc/asound/cards", SOUND_CARDS)
    group = "sys/fs/cgroup/system.slice/fikatap-speech.service/cgroup.procs"
    for ended in ("", "\n"):
        found = look(asked, tmp_path)
        assert of(found, "speech") == (State.FAULT, "fikatap-speech does not run")
        assert found["speech"].remedy == "sudo systemctl restart fikatap-speech"
        put(tmp_path, group, ended)
    put(tmp_path, group, "4711\n")
    assert of(look(asked, tmp_path), "speech") == (State.OK, "plughw:CARD=Headphones, by door")


SOUND_CARDS = """ 0 [vc4hdmi        ]: vc4-hdmi - vc4-hdmi
                      vc4-hdmi
 2 [Headphones     ]: bcm2835_headpho - bcm2835 Headphones
                      bcm2835 Headphones
"""


@pytest.mark.parametrize(
    ("device", "missing"),
    [
        ("plughw:CARD=Headphones,DEV=0", ""),
        ("hw:2,0", ""),
        ("sysdefault:CARD=vc4hdmi", ""),
        ("default", ""),  # which says nothing of a card
        ("plug:dmix", ""),
        ("plughw:CARD=Device", "Device"),
        ("plughw:Device,0", "Device"),
        ("hw:1", "1"),
    ],
)
def test_speech_to_a_sound_card_that_is_not_there_is_a_fault(device: str, missing: str, tmp_path: Path) -> None:
    put(tmp_path, "usr/bin/espeak-ng")
    put(tmp_path, "proc/asound/cards", SOUND_CARDS)
    put(tmp_path, "sys/fs/cgroup/system.slice/fikatap-speech.service/cgroup.procs", "4711\n")
    asked = parse(configuration(tmp_path) + f'\n[speech]\ndevice = "{device}"\n')
    well = (State.OK, f"{device}, by door")
    assert of(look(asked, tmp_path), "speech") == ((State.FAULT, f"there is no sound card {missing}") if missing else well)


def test_a_module_that_takes_the_serial_reader_is_told(tmp_path: Path) -> None:
    put(tmp_path, "proc/modules", "pn532_uart 1 0\n")
    assert look(config(tmp_path), tmp_path)["kernel modules"].state is State.OK
    found = look(config(tmp_path, reader='driver = "pn532"'), tmp_path)
    assert of(found, "kernel modules") == (State.FAULT, "pn532_uart takes the reader")


def test_a_read_only_disk_is_told_before_its_space(tmp_path: Path) -> None:
    loaded = on_a_pi(tmp_path)
    put(tmp_path, "proc/self/mounts", f"/dev/mmcblk0p2 / ext4 rw 0 0\n/dev/sda1 {tmp_path} ext4 ro,noatime 0 0\n")
    found = look(loaded, tmp_path)
    assert of(found, "disk space") == (State.FAULT, f"{tmp_path} can only be read")
    assert "memory card" not in found


def test_the_later_of_two_mounts_on_one_place_counts(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "root")
    put(tmp_path, "proc/self/mounts", "a / x rw 0 0\nb /var\\040x x ro 0 0\nc /var\\040x x rw 0 0\nd /var x ro 0 0\n")
    mount = machine.mount(Path("/var x/lib"))
    assert mount is not None
    assert (mount.device, mount.read_only) == ("c", False)
    assert Machine(tmp_path / "nowhere").mount(Path("/")) is None


def test_an_sd_card_alone_is_worth_a_note_and_with_a_second_copy_it_is_not(tmp_path: Path) -> None:
    loaded = on_a_pi(tmp_path)
    state, words = of(look(loaded, tmp_path), "memory card")
    assert state is State.WARNING
    assert words.startswith("/dev/mmcblk0p3 is an SD card: some say that something is written before it is")
    covered = replace(loaded, ledger=replace(loaded.ledger, second=tmp_path))
    assert look(covered, tmp_path)["memory card"].state is State.OK
    put(tmp_path, "sys/block/mmcblk0/device/type", "MMC\n")
    assert "memory card" not in look(loaded, tmp_path), "eMMC is no card"


def test_a_disk_that_nobody_waits_for_is_a_fault(tmp_path: Path) -> None:
    loaded = on_a_pi(tmp_path)
    put(tmp_path, "proc/self/mounts", f"/dev/sda1 {tmp_path} ext4 rw,nobarrier 0 0\n")
    state, words = of(look(loaded, tmp_path), "memory card")
    assert (state, words[:9]) == (State.FAULT, "/dev/sda1")


NETWORK_PRINTER = '[printer]\ndriver = "escpos"\nconnection = "network:127.0.0.1:1"\nprofile = "generic-80"\n'


def test_a_network_is_looked_at_where_the_printer_needs_one(tmp_path: Path) -> None:
    on_a_pi(tmp_path)
    text = configuration(tmp_path)
    fake = text[text.index("[printer]") : text.index("[lights]")]
    loaded = parse(text.replace(fake, NETWORK_PRINTER))
    assert of(look(loaded, tmp_path), "network") == (State.FAULT, "the service may not use the network")
    put(tmp_path, "etc/systemd/system/fikatap.service.d/network.conf")
    put(tmp_path, "sys/class/net/lo/operstate", "unknown\n")
    put(tmp_path, "sys/class/net/eth0/operstate", "down\n")
    state, words = of(look(loaded, tmp_path), "network")
    assert (state, words) == (State.FAULT, "no network is connected, but the configuration needs one")
    put(tmp_path, "sys/class/net/wlan0/operstate", "up\n")
    assert of(look(loaded, tmp_path), "network") == (State.OK, "connected: wlan0")


def test_the_release_is_told_on_trial_proven_and_fallen_back(tmp_path: Path) -> None:
    loaded = config(tmp_path)
    assert of(look(loaded, tmp_path), "release") == (State.OK, "not installed as a service; run from a folder")
    home = tmp_path / "root" / "opt" / "fikatap"
    (home / "releases" / "0.2.0").mkdir(parents=True)
    (home / "releases" / "0.1.0").mkdir()
    (home / "current").symlink_to("releases/0.2.0")
    (home / "previous").symlink_to("releases/0.1.0")
    on_trial = "0.2.0, on trial until it has run for five minutes; to go back to: 0.1.0"
    assert of(look(loaded, tmp_path), "release") == (State.OK, on_trial)
    put(tmp_path, "var/lib/fikatap/releases/0.2.0.healthy")
    assert of(look(loaded, tmp_path), "release") == (State.OK, "0.2.0, proven; to go back to: 0.1.0")
    (home / "previous").unlink()
    (home / "releases" / "0.3.0").mkdir()
    (home / "releases" / "0.3.0" / "rejected").touch()
    assert of(look(loaded, tmp_path), "release") == (State.WARNING, "0.3.0 could not stay up; 0.2.0 runs instead")


@pytest.mark.parametrize("language", Language)
def test_every_trouble_has_words_in_every_language(tmp_path: Path, language: Language) -> None:
    on_a_pi(tmp_path)
    loaded = config(tmp_path, language.value, reader='driver = "pcsc"')
    (tmp_path / "root/run/pcscd/pcscd.comm").unlink()
    put(tmp_path, "etc/group")
    put(tmp_path, "proc/modules", "nfc 1 0\n")
    put(tmp_path, "proc/self/mounts", f"/dev/sda1 {tmp_path} ext4 ro,nobarrier 0 0\n")
    put(tmp_path, "sys/devices/platform/soc/soc:firmware/get_throttled", "1")
    found = look(loaded, tmp_path)
    assert len(faults(found)) == 7
    assert all(finding.remedy and "{" not in finding.words + finding.remedy for finding in found.values() if finding.remedy)


# --try


def test_a_trial_prints_a_badge_lights_every_zone_and_sounds(tmp_path: Path) -> None:
    loaded = config(tmp_path)
    lit: list[frozenset[str]] = []
    lights = FakeLights.hand(str(tmp_path))
    found = {each.what: each for each in Doctor(loaded, Machine(tmp_path)).try_out(lambda _: lit.append(lights.lit()))}
    assert {what: each.state for what, each in found.items()} == dict.fromkeys(("printer", "lights", "sounder"), State.OK)
    assert found["printer"].words == "a test badge is printed"
    assert found["lights"].words == "went on one after the other by the reader and in: Library, Window; did you see them all?"
    assert [set(each) - {"reader"} for each in lit] == [set(), {"library"}, {"library", "window"}]
    (paper,) = FakePrinter.hand(str(tmp_path)).papers
    assert paper.qr


def test_a_trial_that_fails_says_what_is_wrong(tmp_path: Path) -> None:
    FakePrinter.hand(str(tmp_path)).paper_out()
    FakeLights.hand(str(tmp_path)).unplug()
    found = {each.what: each for each in Doctor(config(tmp_path), Machine(tmp_path)).try_out(lambda _: None)}
    assert faults(found) == {"printer", "lights"}
    assert (found["printer"].words, found["printer"].remedy) == ("the paper is out", "check power, cable, paper and cover")


def test_a_running_terminal_is_not_disturbed_by_a_trial(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        (found,) = Doctor(door.config, Machine(tmp_path)).try_out(lambda _: None)
        assert found.state is State.FAULT
        assert found.remedy == "stop it first: sudo systemctl stop fikatap"
    assert not FakePrinter.hand(str(tmp_path)).papers
