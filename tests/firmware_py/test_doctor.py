from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from msgspec.structs import replace

from drivers.lights.fake import FakeLights
from drivers.printers import typefaces
from drivers.printers.fake import FakePrinter
from drivers.readers.fake import FakeReader
from firmware_py.backup import copy_now
from firmware_py.config import Config, parse
from firmware_py.doctor import Doctor, Finding, State
from firmware_py.ledger import Ledger
from firmware_py.terminal.loop import LIGHTS
from firmware_py.terminal.supervise import Health
from firmware_py.texts import load_texts
from kiosk.values import Cause, Language, Member, MemberId
from tests.firmware_py.terminal.harness import CAFE, Door
from tests.firmware_py.test_config import FIKATAP


def configuration(folder: Path) -> str:
    return CAFE.format(folder=folder, socket=folder / "s", rules="", match_ms=800, printer="", trust="true")


def config(folder: Path, language: str = "en", *, trust: bool = True, reader: str = "") -> Config:
    text = configuration(folder).replace('language = "en"', f'language = "{language}"')
    text = text.replace("trust_clock = true", f"trust_clock = {str(trust).lower()}")
    return parse(text + (f"\n[reader.second]\n{reader}" if reader else ""))


def look(config: Config, folder: Path) -> dict[str, Finding]:
    """Return what the doctor finds, by what was looked at."""
    doctor = Doctor(config, modules=folder / "modules", synchronised=folder / "synchronized")
    return {finding.what: finding for finding in doctor.look()}


def faults(found: dict[str, Finding]) -> set[str]:
    return {what for what, finding in found.items() if finding.state is State.FAULT}


@pytest.mark.parametrize("language", Language)
def test_all_is_well_in_every_language(tmp_path: Path, language: Language) -> None:
    found = look(config(tmp_path, language.value), tmp_path)
    assert faults(found) == set()
    assert all(finding.what and finding.words and not finding.remedy for finding in found.values())
    simulated = {what for what, finding in found.items() if finding.state is State.WARNING}
    no_copies = load_texts().say(language, "doctor.second")
    assert simulated == {"[reader.door]", "[printer]", "[lights]", "[sounder]", no_copies}
    assert len(found) == 11 + len(simulated)


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


def test_a_running_terminal_is_asked_and_not_disturbed(tmp_path: Path) -> None:
    with Door(tmp_path) as door:
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
    (tmp_path / "synchronized").touch()
    assert look(config(tmp_path, trust=False), tmp_path)["clock"].state is State.OK


def test_kernel_modules_that_take_a_pcsc_reader_are_told(tmp_path: Path) -> None:
    (tmp_path / "modules").write_text("snd 1 0\npn533_usb 2 0\nnfc 3 1 pn533_usb\n", encoding="ascii")
    assert look(config(tmp_path), tmp_path)["kernel modules"].state is State.OK
    found = look(config(tmp_path, reader='driver = "pcsc"'), tmp_path)["kernel modules"]
    assert found.state is State.FAULT
    assert found.words == "pn533_usb, nfc take the reader; blacklist them in /etc/modprobe.d and restart"


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
