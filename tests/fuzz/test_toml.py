"""Configuration and template: whatever is in the file, it is read, or told in one line."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given

from drivers.errors import ConfigError
from firmware_py.config import Config, load
from firmware_py.demo import CONFIG
from firmware_py.template import load_template
from tests.fuzz.limits import bounded, fuzzed, told
from tests.fuzz.mutants import mutants

SYSTEMD = Path(__file__).parents[2] / "systemd"
CONFIGS = [
    (SYSTEMD / "terminal.toml").read_bytes(),
    CONFIG.format(folder="/var/lib/fikatap", language="da", profile="generic-58").encode(),
    (
        b'[cafe]\nname = "Kaf\xc3\xa9"\n[[zone]]\nid = "a"\nname = "A"\nsymbol = "star"\ncolour = "red"\n'
        b'[reader.door]\ndriver = "pn532"\npath = "/dev/ttyAMA0"\n[badge]\nmedia = "label"\nlength_mm = 62.5\n'
        b'[printer]\ndriver = "escpos"\nconnection = "serial:/dev/ttyUSB0:19200"\nprofile = "TM-T88III"\n'
        b'[lights]\ndriver = "gpio"\nzones.a.led = 5\n[sounder]\ndriver = "gpio"\npin = 13\n'
    ),
]
TEMPLATES = [
    (SYSTEMD / "badge.toml").read_bytes(),
    (
        b'fields = ["copy", "name", "zone", "qr"]\nslips = ["fault"]\n[words.sv]\nbadge.meet = "Fika med"\n'
        b'badge.until = "Till {time}"\n[words.en]\n"badge.go" = "Off to"\nslip.thanks_named = "Thank {name}, {{twice}}."\n'
    ),
]
PIECES = [
    *rb"""" ' [ ] [[ ]] { } = . , # a. [a. a={ \u0000 \ 1 1_ -inf nan 1e999 0x true driver {{ [cafe] {time} {0}""".split(),
    *(
        b'"""',
        b"'''",
        b"\n",
        b"\r",
        b"a = ",
        b"1979-05-27T07:32:00Z",
        b"9999-99-99",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\x00",
        b"\x7f",
    ),
    *("\u202e".encode(), b"[words.sv]", b"{a!r}", b"[reader.", b"[[zone]]\n", b"a.b.c = 1\n", b"[a.b]\n", b"x = [1]\n"),
]
BOMBS = {
    "a key of many names": b"a." * 8_000 + b"a = 1\n",
    "a table of many names": b"[" + b"a." * 8_000 + b"a]\n",
    "lists in lists": b"a = " + b"[" * 8_000,
    "tables in tables": b"a = " + b"{a=" * 5_000,
    "a long list in a deep one": b"a = " + b"[" * 200 + b"1," * 7_500 + b"]" * 200,
    "digits": b"a = " + b"9" * 16_000,
    "many keys": b"".join(b"a%d=1\n" % number for number in range(1_700)),
    "many tables": b"".join(b"[a%d]\n" % number for number in range(1_700)),
    "many tables of a list": b"[[zone]]\n" * 1_700,
    "many keys in tables in braces": b"a = {" + b",".join(b"a%d=1" % number for number in range(1_800)) + b"}",
    "many strings": b"a = [" + b'"",' * 5_000 + b"]",
    "escapes": b'a = "' + b'\\"' * 8_000 + b'"',
    "escapes that never end": b'a = "' + b'\\"' * 8_000,
    "line ends": b"\n" * 16_000,
    "a long value": b"fields = '" + b"x" * 16_000 + b"'",
    "a long key": b"x" * 16_000 + b" = 1",
    "a megabyte": b"#" * 1_000_000,
    "no text": b"\xff" * 100,
}  # fmt: skip


def read_config(data: bytes, folder: Path) -> Config | None:
    path = folder / "terminal.toml"
    path.write_bytes(data)
    return bounded(lambda: told(lambda: load(path), ConfigError))


def read_template(data: bytes, folder: Path) -> object:
    path = folder / "badge.toml"
    path.write_bytes(data)
    return bounded(lambda: told(lambda: load_template(path), ConfigError))


@fuzzed(150)
@given(data=mutants(CONFIGS, PIECES))
def test_whatever_the_configuration_says_it_is_read_or_told_in_one_line(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        read_config(data, Path(folder))


@fuzzed(150)
@given(data=mutants(TEMPLATES, PIECES))
def test_whatever_a_template_says_it_is_read_or_told_in_one_line(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        read_template(data, Path(folder))


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_file_that_is_made_to_take_long_does_not(bomb: str, tmp_path: Path) -> None:
    read_template(BOMBS[bomb], tmp_path)
    read_config(BOMBS[bomb], tmp_path)


def test_the_examples_are_good(tmp_path: Path) -> None:
    assert all(read_config(each, tmp_path) for each in CONFIGS[:2])
    assert all(read_template(each, tmp_path) for each in TEMPLATES)
