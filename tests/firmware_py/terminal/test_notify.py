from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from firmware_py.terminal.notify import Notifier
from tests.firmware_py.terminal.harness import PATIENCE_S


@pytest.fixture(params=["in the file system", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[socket.socket, str]]:
    """Give what systemd listens on, and how it names it in NOTIFY_SOCKET."""
    address = f"@fikatap-{os.getpid()}" if request.param == "abstract" else str(tmp_path_factory.mktemp("n") / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address.replace("@", "\0", 1))
        listener.settimeout(PATIENCE_S)
        yield listener, address


def test_every_word_is_a_message_of_its_own(systemd: tuple[socket.socket, str]) -> None:
    listener, address = systemd
    notifier = Notifier({"NOTIFY_SOCKET": address})
    notifier.more_time(600)
    notifier.ready()
    notifier.status("öppet; 3 här")
    notifier.alive()
    notifier.stopping()
    heard = [listener.recv(1000).decode() for _ in range(5)]
    assert heard == ["EXTEND_TIMEOUT_USEC=600000000", "READY=1", "STATUS=öppet; 3 här", "WATCHDOG=1", "STOPPING=1"]


def test_a_status_is_said_when_it_changes(systemd: tuple[socket.socket, str]) -> None:
    listener, address = systemd
    notifier = Notifier({"NOTIFY_SOCKET": address})
    for words in ("open", "open", "closed", "open"):
        notifier.status(words)
    assert [listener.recv(1000) for _ in range(3)] == [b"STATUS=open", b"STATUS=closed", b"STATUS=open"]


def test_without_a_listener_nothing_happens() -> None:
    Notifier({}).ready()
    Notifier({"NOTIFY_SOCKET": "/nobody/here"}).ready()


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "10000000"}, 5.0),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": str(os.getpid())}, 5.0),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "1"}, None),
    ],
)
def test_the_watchdog_is_fed_twice_in_its_time_when_it_watches_us(environment: dict[str, str], seconds: float | None) -> None:
    assert Notifier(environment).watchdog_s == seconds
