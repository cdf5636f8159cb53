from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from urllib.request import urlopen

import pytest
from PIL import Image

from drivers.errors import ConfigError
from firmware_py.cli import main
from firmware_py.cli.demo import PORT
from firmware_py.demo import Cafe, card_of
from tests.firmware_py.test_config import FIKATAP


def demo(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([FIKATAP, "demo", *arguments], capture_output=True, text=True, timeout=90, check=False)


@pytest.fixture(scope="module")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    out = tmp_path_factory.mktemp("demo") / "new" / "out"
    done = demo("--taps", "12", "--out", out)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), out


def test_each_of_twelve_taps_is_a_line(twelve: tuple[list[str], Path]) -> None:
    *lines, last = twelve[0]
    assert len(lines) == 12
    assert last.startswith("12 slips and summary.json are in ")
    for line in lines:
        assert " ms  " in line
        assert " bytes  confirmed  " in line
        assert "meets " in line or line.endswith("not yet")


def test_each_of_twelve_slips_is_a_picture_with_something_on_it(twelve: tuple[list[str], Path]) -> None:
    slips = sorted(twelve[1].glob("*.png"))
    assert [slip.name[:2] for slip in slips] == [f"{number:02}" for number in range(1, 13)]
    for slip in slips:
        with Image.open(slip) as picture:
            grey = picture.convert("L")
            assert grey.width == 576
            assert grey.height > 200
            black = sum(grey.histogram()[:128]) / (grey.width * grey.height)
            assert 0.01 < black < 0.5


def test_the_summary_tells_what_the_lines_tell(twelve: tuple[list[str], Path]) -> None:
    summary = json.loads((twelve[1] / "summary.json").read_bytes())
    each = summary.pop("each")
    assert summary["taps"] == len(each) == len({tap["member"] for tap in each}) == len({tap["job"] for tap in each}) == 12
    assert summary["introduced"] + summary["not_yet"] == 12
    assert summary["introduced"] > 0
    assert summary["confirmed"] == 12
    for line, tap in zip(twelve[0], each, strict=False):
        assert line.startswith(tap["name"])
        assert f"{tap['bytes']} bytes" in line
        assert tap["verdict_ms"] > 0
        assert (tap["match"] is None) == (not tap["reason"])


@pytest.mark.parametrize("taps", ["0", "41", "-1"])
def test_a_number_of_taps_that_the_cafe_does_not_have_is_refused(taps: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", f"--taps={taps}"]) == 78
    assert capsys.readouterr().err == f"fikatap: --taps {taps}: the café has members 1 to 40\n"


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["demo", "--taps=1", "--out", str(tmp_path / "file")]) == 78
    assert capsys.readouterr().err == f"fikatap: --out {tmp_path / 'file'}: File exists\n"


def test_a_profile_that_does_not_exist_is_refused_before_the_cafe_opens() -> None:
    before = set(threading.enumerate())
    with pytest.raises(ConfigError, match=r"^\[printer\] profile: 'paper' is not a printer profile"):
        Cafe(profile="paper")
    assert set(threading.enumerate()) <= before


@contextmanager
def served(*arguments: str, folder: str = gettempdir()) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the page, with what it keeps meanwhile in a folder; yield the program and what it says first."""
    with subprocess.Popen(
        [FIKATAP, "demo", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": folder},
    ) as program:
        assert program.stdout is not None
        try:
            yield program, program.stdout.readline()
        finally:
            program.kill()


def ctrl_c(program: subprocess.Popen[str], how: signal.Signals = signal.SIGINT) -> tuple[str, str]:
    """Press Ctrl-C, or end it otherwise; return what it says until it has ended."""
    program.send_signal(how)
    said = program.communicate(timeout=60)
    assert program.returncode == 0, said
    return said


def test_the_page_is_served_on_this_machine_only_until_ctrl_c() -> None:
    with served("--port", "0") as (program, line):
        address = re.fullmatch(r"The virtual café is open: (http://127\.0\.0\.1:\d+); Ctrl-C closes it\n", line)
        assert address is not None, line
        with urlopen(address[1]) as page:
            assert "Kafé Exempel" in page.read().decode()
        assert listening(program.pid) == {("127.0.0.1", int(address[1].rpartition(":")[2]))}
        # Somebody looks at it all the time.
        with urlopen(f"{address[1]}/virtual/news") as news:
            assert news.readline().startswith(b"data: ")
            assert ctrl_c(program) == ("", "")


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_behind_however_it_is_ended(how: signal.Signals) -> None:
    with TemporaryDirectory(prefix="f-") as folder, served("--port", "0", folder=folder) as (program, line):
        # The line comes before the page: who presses at once is not overheard.
        assert line.startswith("The virtual café is open")
        assert [*Path(folder).iterdir()]
        assert ctrl_c(program, how) == ("", "")
        assert not [*Path(folder).iterdir()]


def listening(process: int) -> set[tuple[str, int]]:
    """Return the TCP addresses on which a process listens."""
    own = set()
    for each in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # one may be closed between two looks
            own.add(str(each.readlink()))
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A" and f"socket:[{inode}]" in own:
                host, _, port = local.partition(":")
                found.add((".".join(str(byte) for byte in reversed(bytes.fromhex(host))), int(port, 16)))
    return found


def test_a_port_that_is_taken_is_refused_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["demo", "--port", str(port)]) == 78
    error = f"fikatap: --port {port}: Address already in use; choose another one, or none at all and the program finds one\n"
    assert capsys.readouterr().err == error


@pytest.mark.parametrize("port", ["65536", "-1"])
def test_what_is_no_port_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", f"--port={port}"]) == 78
    assert capsys.readouterr().err == f"fikatap: --port {port} is no port; ports are 1 to 65535, and 0 is any that is free\n"


def test_where_the_usual_port_is_taken_the_page_goes_to_another_and_says_so() -> None:
    with ExitStack() as stack:
        with suppress(OSError):  # somebody else has it already
            stack.enter_context(socket.create_server(("127.0.0.1", PORT)))
        program, line = stack.enter_context(served())
        found = re.search(r"(http://127\.0\.0\.1:(?!8080)\d+) \(port 8080 is taken\);", line)
        assert found is not None
        with urlopen(found[1]) as page:
            assert page.status == 200
        ctrl_c(program)


def test_the_cards_of_the_cafe_are_all_different() -> None:
    assert len({card_of(number).uid for number in range(1, 41)}) == 40
