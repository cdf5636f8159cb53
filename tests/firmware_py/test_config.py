from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from drivers.errors import ConfigError
from firmware_py.config import load, parse
from kiosk.values import Colour, Language, Symbol, Zone, ZoneId

FIKATAP = Path(sys.executable).with_name("fikatap")

CAFE = """
[cafe]
name = "Kafé Provet"
"""
ZONE = """
[[zone]]
id = "library"
name = "Biblioteket"
symbol = "triangle"
colour = "blue"
"""
READER = """
[reader.door]
driver = "fake"
"""
GOOD = CAFE + ZONE + READER

# A star stands for any words.
BAD = {
    "speech by a reader that is not there": (
        GOOD + '[speech]\nreader = "dor"',
        "[speech] reader = 'dor' is no [reader.…]; those are door; did you mean 'door'?",
    ),
    "speech by nobody knows which reader": (
        GOOD + '[reader.back]\ndriver = "fake"\n[speech]',
        "[speech] needs reader = …: the one by which the headphones hang, of door, back",
    ),
    "speech that is too fast": (GOOD + "[speech]\nspeed = 900", "[speech] speed = 900 must be 80 to 450 words a minute"),
    "a typo": (
        GOOD + 'nmae = "x"',
        "[reader.door] has no 'nmae'; it has driver, name; did you mean 'name'?",
    ),
    "a typo of a table": (
        GOOD + '[printr]\ndriver = "fake"',
        "the file has no 'printr'; it has cafe, zone, door, *, printer, lights, sounder, buttons; did you mean 'printer'?",
    ),
    "a strange key": (GOOD + "[door]\nqqq = 1", "[door] has no 'qqq'; it has checkout_after_s, *, enrol_s"),
    "a wrong type": (GOOD + '[door]\nlight_s = "long"', "[door] light_s = 'long': Expected `float`, got `str`"),
    "a path that is no text": (GOOD + "[ledger]\npath = 5", "[ledger] path = 5: write a text in quotes, not 5"),
    "a value where a table belongs": ("cafe = 1" + ZONE + READER, "[cafe] is a table, not 1"),
    "no TOML": (GOOD + "= 1", "not TOML: *line *"),
    "no name": ("[cafe]" + ZONE + READER, "[cafe] needs name = …"),
    "a strange language": (
        CAFE + 'language = "fi"' + ZONE + READER,
        "[cafe] language = 'fi': Invalid enum value 'fi'; choose one of sv, da, nb, en",
    ),
    "a strange time zone": (
        CAFE + 'timezone = "Europe/Stokholm"' + ZONE + READER,
        "[cafe] timezone = 'Europe/Stokholm' is not known; write one like 'Europe/Stockholm'",
    ),
    "a time zone that is a folder": (
        CAFE + 'timezone = "Europe"' + ZONE + READER,
        "[cafe] timezone = 'Europe' is not known; *",
    ),
    "a time zone elsewhere": (CAFE + 'timezone = "../zone"' + ZONE + READER, "[cafe] timezone = '../zone' is not known; *"),
    "no time": (CAFE + 'closes = "25:00"' + ZONE + READER, "[cafe] closes = '25:00' is not a time; write HH:MM, like '22:00'"),
    "half a time": (CAFE + 'closes = "22"' + ZONE + READER, "[cafe] closes = '22' is not a time; *"),
    "a text of two lines": (CAFE + 'closes = """2\n2"""' + ZONE + READER, "[cafe] closes = '2 2' is not a time; *"),
    "no zones": (CAFE + READER, "no zones: write at least one [[zone]] with id, name, symbol and colour"),
    "one zone twice": (GOOD + ZONE, "[[zone]] id = 'library' is there 2 times; each zone has an id of its own"),
    "a zone without id": (CAFE + ZONE.replace("library", "") + READER, "[zone 1] id = '' is empty; write a short word, *"),
    "a zone for nobody": (CAFE + ZONE + "capacity = 0" + READER, "[zone 1] capacity = 0 must be 1 or more people"),
    "a strange colour": (
        CAFE + ZONE.replace("blue", "mauve") + READER,
        "[zone 1] colour = 'mauve': Invalid enum value 'mauve'; choose one of red, green, *",
    ),
    "no time to check out": (
        GOOD + "[door]\ncheckout_after_s = 0",
        "[door] checkout_after_s = 0 must be more than 0 and at most 604800 seconds",
    ),
    "for ever": (GOOD + "[door]\nlight_s = inf", "[door] light_s = inf must be more than 0 and at most 604800 seconds"),
    "no number": (GOOD + "[door]\nlight_s = nan", "[door] light_s = nan must be more than 0 and at most 604800 seconds"),
    "a strange paper": (
        GOOD + '[badge]\nmedia = "lable"',
        "[badge] media = 'lable': Invalid enum value 'lable'; choose one of roll, label, mark",
    ),
    "a label without length": (
        GOOD + '[badge]\nmedia = "label"',
        "[badge] length_mm = 0 must be 30 to 300 millimetres where media = 'label': from the top of one label to the top of *",
    ),
    "a mark too soon": (
        GOOD + '[badge]\nmedia = "mark"\nlength_mm = 29.9',
        "[badge] length_mm = 29.9 must be 30 to 300 millimetres where media = 'mark': *",
    ),
    "a label too late": (GOOD + '[badge]\nmedia = "label"\nlength_mm = 300.5', "[badge] length_mm = 300.5 must be 30 to 300 *"),
    "a label of no number": (GOOD + '[badge]\nmedia = "label"\nlength_mm = nan', "[badge] length_mm = nan must be 30 to 300 *"),
    "a roll with a length": (
        GOOD + "[badge]\nlength_mm = 60",
        '[badge] length_mm = 60 is for media = "label" or "mark"; a roll has no length',
    ),
    "a template that is no name": (GOOD + "[badge]\ntemplate = 5", "[badge] template = 5: write a text in quotes, not 5"),
    "no time to match": (GOOD + "[matching]\ndeadline_ms = 0", "[matching] deadline_ms = 0 must be 1 to 60000 milliseconds"),
    "a long name": (
        GOOD + '[ledger]\nterminal = "The Door"',
        "[ledger] terminal = 'The Door' must be 1 to 16 of a to z, 0 to 9 and '-': it is part of every id",
    ),
    "a long socket": (
        GOOD + f'[control]\nsocket = "/run/{"x" * 120}"',
        "[control] socket = '/run/x*' is longer than 107 bytes; choose a shorter path",
    ),
    "no reader": (CAFE + ZONE, 'no reader: write [reader.door] and driver = "pcsc"'),
    "a reader without a name": (
        CAFE + ZONE + '[reader]\ndriver = "fake"',
        "a reader is a table with a name of its own: write [reader.door]",
    ),
    "no driver": (CAFE + ZONE + "[reader.door]", '[reader.door] needs driver = "…"'),
    "a strange driver": (
        CAFE + ZONE + READER.replace("fake", "nfc"),
        "[reader] driver = 'nfc' is not a driver; choose one of fake, pcsc, pn532",
    ),
    "a typo in a reader": (
        CAFE + ZONE + '[reader.door]\ndriver = "pn532"\npth = "/dev/ttyS0"',
        "[reader.door] has no 'pth'; it has driver, path, read_deadline_s; did you mean 'path'?",
    ),
    "a strange connection": (
        GOOD + '[printer]\ndriver = "escpos"\nconnection = "wifi"',
        "[printer]*connection = 'wifi' is no printer connection; write 'usb', *",
    ),
    "no connection": (GOOD + '[printer]\ndriver = "escpos"', "[printer] needs connection = …"),
    "a strange way to tell": (
        GOOD + '[printer]\ndriver = "escpos"\nconnection = "usb"\ncompletion = "gsh"',
        "[printer] completion = 'gsh': Invalid enum value 'gsh'; choose one of gs_h, gs_r, status, none",
    ),
    "a strange profile": (
        GOOD + '[printer]\ndriver = "escpos"\nconnection = "usb"\nprofile = "generic-85"',
        "[printer] profile: 'generic-85' is not a printer profile; the closest is generic-80; all are generic-58, *",
    ),
    "a light for no zone": (
        GOOD + '[lights]\ndriver = "gpio"\nzones = { libary = { led = 17 } }',
        "[lights] zones has 'libary', which is no [[zone]]; those are library; did you mean 'library'?",
    ),
    "a light that is none": (
        GOOD + '[lights]\ndriver = "gpio"\nzones = { library = { led = 99 } }',
        "[lights] zones = {'library': {'led': 99}}: 99 is not a GPIO number; those are 0 to 27",
    ),
    "one pin for two": (
        GOOD + '[lights]\ndriver = "gpio"\nzones = { library = { led = 18 } }\n[sounder]\ndriver = "gpio"\npin = 18',
        "[sounder] pin = 18 is taken by the light 'library'; give each its own",
    ),
    "a button on a light's pin": (
        GOOD + '[lights]\ndriver = "gpio"\nzones = { library = { led = 22 } }\n[buttons]\ndriver = "gpio"\ngroup = 22',
        "[buttons] group = 22 is taken by the light 'library'; give each its own",
    ),
    "a button on the sounder's pin": (
        GOOD + '[sounder]\ndriver = "gpio"\npin = 22\n[buttons]\ndriver = "gpio"\ncoffee = 22',
        "[buttons] coffee = 22 is taken by the sounder; give each its own",
    ),
    "two buttons on one pin": (
        GOOD + '[buttons]\ndriver = "gpio"\ngroup = 22\ncoffee = 22',
        "[buttons]*: GPIO 22 is used twice, by 'group' and another; give each button its own",
    ),
    "no button": (GOOD + '[buttons]\ndriver = "gpio"', "[buttons]*: there is no button; give at least one its pin, *"),
    "a button where no pin is": (GOOD + '[buttons]\ndriver = "gpio"\ngroup = 44', "[buttons]*: 44 is not a GPIO number; *"),
    "a button for no mood": (
        GOOD + '[buttons]\ndriver = "gpio"\ntea = 4',
        "[buttons] has no 'tea'; it has driver, *",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_one_line_with_file_place_value_and_remedy(name: str, tmp_path: Path) -> None:
    text, expected = BAD[name]
    path = tmp_path / "terminal.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        load(path)
    place, sentence = str(raised.value).split(": ", 1)
    assert place == str(path)
    assert re.fullmatch(".*".join(map(re.escape, expected.split("*"))), sentence), sentence


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: No such file or directory; name the file with --config$"):
        load(tmp_path / "nowhere.toml")
    with pytest.raises(ConfigError, match=r": Is a directory; name the file with --config$"):
        load(tmp_path)


def test_a_byte_that_is_not_utf_8_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "terminal.toml"
    path.write_bytes(b'[cafe]\nname = "Kaf\xe9"')
    with pytest.raises(ConfigError, match=r"terminal\.toml: byte 18 is not UTF-8$"):
        load(path)


def test_what_is_left_out_holds_as_documented() -> None:
    config = parse(GOOD)
    assert config.zones == (Zone(ZoneId("library"), "Biblioteket", Symbol.TRIANGLE, Colour.BLUE, capacity=8),)
    assert (config.cafe.language, config.closes_minute, config.timezone.key) == (Language.SV, 240, "Europe/Stockholm")
    assert (config.printer, config.lights, config.sounder, config.buttons) == (None, None, None, None)
    assert config.directions == {}
    assert config.ledger.path == Path("/var/lib/fikatap/ledger.db")
    assert config.control.socket == Path("/run/fikatap/control.sock")


def test_what_the_badges_are_printed_on_is_known() -> None:
    badge = parse(GOOD + '[badge]\nmedia = "label"\nlength_mm = 30\nturned = true').badge
    assert (badge.media, badge.length_mm, badge.turned, badge.template) == ("label", 30, True, None)


def test_a_template_lies_beside_the_configuration_or_where_it_says(tmp_path: Path) -> None:
    path = tmp_path / "terminal.toml"
    for name, found in (("badge.toml", tmp_path / "badge.toml"), ("/srv/badge.toml", Path("/srv/badge.toml"))):
        path.write_text(GOOD + f'[badge]\ntemplate = "{name}"', encoding="utf-8")
        assert load(path).badge.template == found


@pytest.mark.parametrize("logo", [False, True])
def test_a_terminal_does_not_start_with_a_wrong_template_or_logo(logo: bool, tmp_path: Path) -> None:
    """It ends before there is a ledger, and before any device is opened."""
    (tmp_path / "logo.png").write_bytes(b"no picture")
    (tmp_path / "badge.toml").write_text('logo = "logo.png"' if logo else '\nfeilds = ["name"]', encoding="utf-8")
    path = tmp_path / "terminal.toml"
    places = f'[ledger]\npath = "{tmp_path}/ledger.db"\n[badge]\ntemplate = "badge.toml"\n[printer]\ndriver = "fake"\n'
    path.write_text(GOOD + places, encoding="utf-8")
    done = subprocess.run([FIKATAP, "run", "--config", path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 78
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        f"fikatap: {tmp_path}/{'logo.png: is no picture' if logo else 'badge.toml line 2: a template has no'}"
    )
    assert not (tmp_path / "ledger.db").exists()


def test_a_printer_of_python_escpos_data_is_known() -> None:
    config = parse(GOOD + '[printer]\ndriver = "escpos"\nconnection = "usb"\nprofile = "TM-T88III"')
    assert config.printer is not None
    assert config.printer.settings.profile == "TM-T88III"


@pytest.mark.parametrize("text", [GOOD + "[door]\nlight_s = -1", None], ids=["wrong", "not there"])
def test_the_program_says_one_line_and_ends_with_78(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "terminal.toml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    done = subprocess.run([FIKATAP, "run", "--config", path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 78
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"fikatap: {path}: ")


HEAVY = {"PIL", "bidi", "escpos", "freetype", "gpiozero", "lgpio", "nfc", "segno", "serial", "smartcard", "uharfbuzz", "usb"}
LEAN = """
import json, sys, threading
from pathlib import Path
from firmware_py.cli import main
from firmware_py.terminal import notify

class Loaded(notify.Notifier):
    def ready(self):
        print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})), flush=True)
        import os, signal
        os.kill(os.getpid(), signal.SIGTERM)

notify.Notifier = Loaded
sys.exit(main(["run", "--config", sys.argv[1]]))
"""


@pytest.mark.parametrize(
    ("devices", "loaded"),
    [
        ("", set()),
        ('[printer]\ndriver = "escpos"\nconnection = "network:127.0.0.1:1"\nprofile = "generic-58"', {"escpos"}),
        ('[reader.second]\ndriver = "pn532"\npath = "/dev/null"', {"nfc", "serial", "usb"}),
    ],
    ids=["reader", "network printer", "PN532"],
)
def test_a_terminal_loads_what_its_devices_need_and_nothing_else(devices: str, loaded: set[str], tmp_path: Path) -> None:
    path = tmp_path / "terminal.toml"
    places = f'[ledger]\npath = "{tmp_path}/ledger.db"\n[control]\nsocket = "{tmp_path}/s"\n'
    path.write_text(GOOD + places + devices, encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", LEAN, path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) & HEAVY <= loaded


def test_the_way_to_a_zone_is_told_where_the_cafe_says_it() -> None:
    other = ZONE.replace("library", "window") + 'direction = "upstairs, left"\n'
    assert parse(CAFE + ZONE + other + READER).directions == {ZoneId("window"): "upstairs, left"}
