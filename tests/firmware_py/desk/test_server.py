"""The process of the pages: its sockets, its crowd, its word to systemd, its commands."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from drivers.errors import ConfigError
from firmware_py.config import parse
from firmware_py.demo import CONFIG
from firmware_py.desk import certificate
from firmware_py.desk.server import (
    LOOK_EVERY_S,
    MOST_CONNECTIONS,
    MOST_FROM_ONE,
    RENEW_EVERY_S,
    Sockets,
    _Crowd,
    _Pages,
    make_place,
    names_of,
    opened,
)
from firmware_py.terminal.notify import Notifier
from kiosk.jobs import JobState
from kiosk.values import Cause
from tests.firmware_py.terminal.harness import Door
from tests.rigs.pages import MANAGER, NAME, PagesProcess, sign_in

FIKATAP = Path(sys.executable).with_name("fikatap")
HANDS_OVER = """
import os, socket, sys
screen, desk = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
for number, each in enumerate((screen, desk), 3):
    os.dup2(each.fileno(), number)
    os.set_inheritable(number, True)
print(screen.getsockname()[1], desk.getsockname()[1], flush=True)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": sys.argv[1]}
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Does what systemd does: opens two sockets and becomes the program, which gets them as 3 and 4."""


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="fikatap-pages-") as name:
        yield Path(name)


def run(pages: PagesProcess, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [FIKATAP, "--config", pages.config, "desk", *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=60)


def test_screen_and_desk_are_told_apart_and_it_ends_when_asked(folder: Path) -> None:
    with PagesProcess(folder) as pages, pages.client() as client:
        assert client.get("/").headers["location"] == "/desk"
        assert client.get("/screen").status_code == 404
        client.base_url = pages.screen
        assert client.get("/").headers["location"] == "/screen"
        assert client.get("/screen").status_code == 200
        assert client.get("/desk/log-in").status_code == 404
        assert pages.kill(signal.SIGTERM) == 0


def test_sockets_are_taken_over_as_from_systemd(folder: Path) -> None:
    pages = PagesProcess(folder)
    command: list[str | Path] = [
        sys.executable,
        "-c",
        HANDS_OVER,
        "screen:desk",
        FIKATAP,
        "--config",
        pages.config,
        "desk",
        "serve",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout is not None
            ports = [int(port) for port in process.stdout.readline().split()]
            with socket.create_connection(("127.0.0.1", ports[0]), 30) as line:
                line.sendall(b"GET /screen HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
                assert line.recv(100).startswith(b"HTTP/1.1 200")
        finally:
            process.kill()


def test_a_socket_that_nobody_asked_for_is_a_wrong_configuration(folder: Path) -> None:
    pages = PagesProcess(folder)
    command: list[str | Path] = [
        sys.executable,
        "-c",
        HANDS_OVER,
        "screen:desc",
        FIKATAP,
        "--config",
        pages.config,
        "desk",
        "serve",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 78
    assert "a socket 'desc'; FileDescriptorName= is 'screen' or 'desk'" in done.stderr


@pytest.mark.parametrize("address", ["8080", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:70000", ":8080"])
def test_an_address_that_is_none_is_one_clear_line(address: str) -> None:
    text = CONFIG.format(folder="/nowhere", language="sv", profile="generic-80") + f'[desk]\nscreen = "{address}"\n'
    with pytest.raises(ConfigError, match=r"\[desk\] screen = .* is no address to listen at; write HOST:PORT"):
        opened(parse(text))


def test_a_port_that_is_taken_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        text = CONFIG.format(folder="/nowhere", language="sv", profile="generic-80") + f'[desk]\nscreen = "{address}"\n'
        with pytest.raises(ConfigError, match="can't be listened at: Address already in use"):
            opened(parse(text))


def test_one_device_leaves_room_for_others_and_all_together_for_the_machine_itself() -> None:
    crowd = _Crowd()
    assert all(crowd.enter("192.0.2.1") for _ in range(MOST_FROM_ONE))
    assert not crowd.enter("192.0.2.1")
    assert crowd.enter("192.0.2.2")
    crowd.leave("192.0.2.1")
    assert crowd.enter("192.0.2.1")
    crowd = _Crowd()
    for number in range(MOST_CONNECTIONS):
        assert crowd.enter(f"192.0.2.{number}")
    assert not crowd.enter("198.51.100.1")


def presented(tls: ssl.SSLContext) -> str:
    """Return the fingerprint of the certificate that is served."""
    here, there = socket.socketpair()
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    with ThreadPoolExecutor(1) as pool:
        server = pool.submit(tls.wrap_socket, here, server_side=True)
        with client.wrap_socket(there) as line, server.result(60):
            der = line.getpeercert(binary_form=True)
    assert der is not None
    return hashlib.sha256(der).digest().hex(":").upper()


@pytest.fixture
def pages(folder: Path) -> Iterator[_Pages]:
    text = CONFIG.format(folder=folder, language="sv", profile="generic-80") + f'[desk]\nfolder = "{folder}/desk"\n'
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pages = _Pages(make_place(parse(text)), Sockets([], [listener]), Notifier())
        pages.config.load()
        yield pages


def tick(pages: _Pages, second: int) -> None:
    """Let the last tick of a second come."""
    asyncio.run(pages.on_tick(second * 10 - 1))


def test_a_certificate_that_a_command_made_is_served_soon(pages: _Pages) -> None:
    before = presented(pages._tls)
    place = pages._place
    names = [*names_of(place.config, pages._sockets.desk[0]), "elsewhere.example"]
    made = certificate.keep(place.config.desk.folder, names, datetime.now(UTC))
    assert made.fingerprint != before
    tick(pages, LOOK_EVERY_S)
    assert presented(pages._tls) == made.fingerprint


def test_a_certificate_that_can_not_be_made_anew_ends_nothing_and_is_said_once(
    pages: _Pages, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = presented(pages._tls)
    (folder / "desk").rename(folder / "gone")
    (folder / "desk").write_text("")
    for second in (LOOK_EVERY_S, RENEW_EVERY_S):
        tick(pages, second)
    assert presented(pages._tls) == before
    assert caplog.text.count("can't be renewed") == 1
    (folder / "desk").unlink()
    (folder / "desk").mkdir()
    tick(pages, LOOK_EVERY_S)
    assert presented(pages._tls) != before


def test_people_are_kept_with_commands_while_the_pages_run(folder: Path) -> None:
    with PagesProcess(folder) as pages, pages.client() as client:
        assert run(pages, "people").stdout.splitlines() == [f"staff    {NAME}", f"manager  {MANAGER}"]
        assert run(pages, "pin", "Made-Up Mona", given="314159\n").returncode == 0
        assert sign_in(client, "Made-Up Mona", "314159").status_code == 303
        assert "(staff) had a PIN before" in run(pages, "pin", "Made-Up Mona", given="161803\n").stdout
        assert "(manager) had a PIN before" in run(pages, "pin", MANAGER, given="161803\n").stdout
        assert sign_in(client, "Made-Up Mona", "161803").status_code == 303
        assert run(pages, "remove", "made-up mona").returncode == 0
        assert client.get("/desk").status_code == 303
        said = run(pages, "audit").stdout
        assert "Made-Up Mona" in said
        assert "log_in" in said


def test_a_bad_pin_or_name_is_told_and_changes_nothing(folder: Path) -> None:
    pages = PagesProcess(folder)
    for arguments, given, why in (
        (("pin", "Made-Up Mona"), "123456\n", "everybody tries first"),
        (("pin", "Made-Up Mona"), "99\n", "2 characters"),
        (("remove", "Nobody"), "", "there is no 'Nobody'"),
    ):
        done = run(pages, *arguments, given=given)
        assert done.returncode == 1
        assert why in done.stderr
    assert len(pages.access.people()) == 2


def test_what_root_writes_belongs_to_the_pages_own_user(folder: Path) -> None:
    pages = PagesProcess(folder)
    nobody = 65_534
    for each in (folder, pages.folder, *pages.folder.iterdir()):
        os.chown(each, nobody, nobody)
    done = run(pages, "pin", "Made-Up Mona", "--generate")
    assert "may sign in with the PIN" in done.stdout
    assert run(pages, "slip").returncode == 0
    assert {each.stat().st_uid for each in pages.folder.iterdir()} == {nobody}


def test_the_slip_leads_to_the_desk_and_names_its_certificate(folder: Path) -> None:
    with PagesProcess(folder) as pages:
        said = run(pages, "slip").stdout
        shown = hashlib.sha256(ssl.PEM_cert_to_DER_cert((pages.folder / "desk.pem").read_text())).hexdigest().upper()
        begins = re.search(r"([0-9A-F]{2}:){11}[0-9A-F]{2}", said)
        assert begins
        assert shown.startswith(begins[0].replace(":", ""))
        assert f".local:{pages.port}/desk" in said


def test_the_slip_is_printed_by_the_running_terminal(folder: Path, tmp_path: Path) -> None:
    with Door(tmp_path) as door:
        pages = PagesProcess(folder, door.socket)
        door.until_printer(None)
        said = run(pages, "slip", "--print").stdout
        (job,) = door.slips()
        assert said == f"on its way to the printer: {job.id}\n"
        assert door.until_jobs(JobState.CONFIRMED)[0].job == job.id
        own = certificate.kept(pages.folder)
        assert own is not None
        paper = door.printer.papers[-1]
        assert own.begins in "".join(paper.texts)
        assert paper.qr[0] in run(pages, "slip").stdout.splitlines()
        door.printer.paper_out()
        door.until_printer(Cause.PAPER_OUT)
        assert "can't print now (paper_out)" in run(pages, "slip", "--print").stdout
    told = run(pages, "slip", "--print")
    assert (told.returncode, "needs the running terminal" in told.stderr) == (1, True)
