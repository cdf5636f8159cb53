"""A private pcscd with a virtual reader: PC/SC from the client library down to the reader's driver, without a reader.

The daemon gets its own socket (the systemd way, as descriptor 3), its own reader.conf and its own empty /run, so a system's
pcscd is neither used nor disturbed. It needs no root: `unshare` makes one where there is none.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.rigs.cards import HAND_S, Gone, VirtualCard

SUCCESS, POWER_ACTION, COMMUNICATION_ERROR, PRESENT, NOT_PRESENT = 0, 608, 612, 615, 616
PATIENCE_S = 30.0
READER = "Fikatap Test Reader 00 00"


@functools.cache
def _process_folder() -> Path:
    """A folder for what is made once a process, gone at its end."""
    folder = Path(tempfile.mkdtemp(prefix="fikatap-pcsc-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def _handler() -> Path:
    """Compile the reader's driver, once a process."""
    library = _process_folder() / "reader.so"
    source = Path(__file__).with_name("pcsc_reader.c")
    subprocess.run(
        ["gcc", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-I/usr/include/PCSC", "-o", library, source],
        check=True,
    )
    return library


class _World:
    """What lies on the reader, and how the reader is: changed by the test, asked by pcscd."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.card: VirtualCard | None = None
        self.faulty = False
        self.silent_status = False
        """The reader returns no status word for a card that is gone, as an ACR122U does."""
        self._news = self._deserted = False
        self._waiting = 0
        self._asked = self._noticed = True

    def change(self) -> None:
        """Wake pcscd's polling; the lock is held."""
        self._news = True
        self._asked = self._noticed = False
        self.changed.notify_all()

    def until_noticed(self, timeout: float) -> bool:
        """Wait until pcscd asked what is on the reader, and told its clients; the lock is held."""
        return self.changed.wait_for(lambda: self._noticed, timeout)

    def deserted(self) -> None:
        """End the waiting of a pcscd that is dead: it would take the next one's news."""
        with self.changed:
            self._deserted = True
            self.changed.notify_all()
            self.changed.wait_for(lambda: not self._waiting)
            self._deserted = False

    def _presence(self) -> int:
        self._asked = True
        if self.faulty:
            return COMMUNICATION_ERROR
        return PRESENT if self.card and not self.card.is_ghost else NOT_PRESENT

    def answer(self, call: bytes) -> tuple[int, bytes]:
        """One call of the reader's driver: its return code and its bytes."""
        with self.changed:
            match call[:1]:
                case b"w":
                    if self._asked:
                        self._noticed = True
                        self.changed.notify_all()
                    self._waiting += 1
                    self.changed.wait_for(lambda: self._news or self._deserted, int.from_bytes(call[1:5], "big") / 1000)
                    self._waiting -= 1
                    self._news = False
                    self.changed.notify_all()
                    return SUCCESS, b""
                case b"s":
                    self.change()
                    return SUCCESS, b""
                case b"p":
                    return self._presence(), b""
                case b"u" if self.card and not self.card.mute and not self.card.is_ghost:
                    return SUCCESS, self.card.atr
                case b"u":
                    return POWER_ACTION, b""
                case b"t":
                    return self._transmit(call[1:])
                case _:
                    return SUCCESS, b""

    def _transmit(self, apdu: bytes) -> tuple[int, bytes]:
        if self.card is None or self.faulty:
            return COMMUNICATION_ERROR, b""
        try:
            reply = self.card.transmit(apdu)
        except Gone:
            self.card = None
            self.change()
            return (SUCCESS, b"") if self.silent_status else (COMMUNICATION_ERROR, b"")
        if self.card.is_ghost and self.card.type != 0:  # where the UID is all, the reader's polling is too slow to notice
            self.change()
        return SUCCESS, reply


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: Path, world: _World) -> None:
        self.world = world
        super().__init__(str(path), _Call)


class _Call(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        code, reply = self.server.world.answer(self.rfile.read())
        with contextlib.suppress(OSError):  # a killed pcscd doesn't wait for its answer
            self.wfile.write(code.to_bytes(4, "big") + reply)


class PrivatePcscd:
    """A pcscd of one's own with one reader, and the hand that lays cards on it.

    Start programs with `environment`. In this process the client library reads the socket's name once and keeps it, so
    `here()` points one name that stays the same at whichever daemon is meant.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # A socket's path has at most 107 bytes, which pytest's folders exceed.
        self._sockets = Path(tempfile.mkdtemp(prefix="fikatap-pcscd-"))
        self.socket = self._sockets / "pcscd"
        self._reader_conf = folder / "reader.conf.d" / "reader"
        self._world = _World()
        self._server = _Server(self._sockets / "reader", self._world)
        self._serving = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._daemon: subprocess.Popen[bytes] | None = None
        self._frozen = False

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which programs use this pcscd."""
        return {**os.environ, "PCSCLITE_CSOCK_NAME": str(self.socket)}

    def here(self) -> None:
        """Let this process's PC/SC calls reach this pcscd."""
        link = _process_folder() / "here"
        new = link.with_name("new")
        new.symlink_to(self.socket)
        new.replace(link)
        os.environ["PCSCLITE_CSOCK_NAME"] = str(link)

    def __enter__(self) -> Self:
        self._serving.start()
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.resume()
        self.kill()
        with self._world.changed:
            self._world.change()
        self._server.shutdown()
        self._serving.join()
        self._server.server_close()
        shutil.rmtree(self._sockets)

    # the daemon

    def start(self, *, reader: bool = True) -> None:
        """Start the daemon, with its reader or with none at all, and wait until it is ready."""
        self._reader_conf.parent.mkdir(parents=True, exist_ok=True)
        described = f'FRIENDLYNAME "Fikatap Test Reader"\nDEVICENAME {self._sockets / "reader"}\nLIBPATH {_handler()}\n'
        self._reader_conf.write_text(described if reader else "")
        self.socket.unlink(missing_ok=True)
        script = 'mount -t tmpfs tmpfs /run && exec 3<&0 </dev/null && export LISTEN_PID=$$ && exec "$@"'
        log = self.folder / "pcscd.log"
        with socket.socket(socket.AF_UNIX) as listening, log.open("wb") as output:
            listening.bind(str(self.socket))
            listening.listen(16)
            as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
            command = [_pcscd(), "--foreground", "--info", *_without_polkit(), "--config", str(self._reader_conf.parent)]
            self._daemon = subprocess.Popen(
                ["unshare", *as_root, "--mount", "sh", "-c", script, "sh", *command],
                env={**os.environ, "LISTEN_FDS": "1"},
                stdin=listening.fileno(),
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + PATIENCE_S
        while b"daemon ready" not in log.read_bytes():
            if self._daemon.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"no private pcscd: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.005)

    def kill(self) -> None:
        """Kill the daemon, as a crash would; the card stays where it is."""
        if self._daemon is not None:
            self._daemon.kill()
            self._daemon.wait()
            self._daemon = None
            self._world.deserted()

    def freeze(self) -> None:
        """Let the daemon hang, until `resume`."""
        self._frozen = True
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen daemon go on."""
        self._frozen = False
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._daemon is not None:
            self._daemon.send_signal(number)

    # the hand

    def touch(self, card: VirtualCard) -> None:
        """Lay a card on the reader; one that lies there is taken away first."""
        if self._world.card is not None:
            self.lift()
        card.laid()
        self._put(card)

    def lift(self) -> None:
        """Take the card away."""
        self._put(None)

    def tap(self, card: VirtualCard, timeout: float = 30) -> None:
        """Lay a card on the reader, hold it until it was read, take it away."""
        self.touch(card)
        if not card.read.wait(timeout):
            raise TimeoutError(f"nobody read the card in {timeout} s")
        time.sleep(HAND_S)
        self.lift()

    def unplug(self) -> None:
        """Let the reader fail, while pcscd goes on listing it: what a dying ACR122U does."""
        self._change(faulty=True)

    def plug(self) -> None:
        """Undo `unplug`."""
        self._change(faulty=False)

    def swallow_status(self) -> None:
        """From now on the reader's reply for a card that is gone is empty, as an ACR122U's is."""
        self._world.silent_status = True

    def _put(self, card: VirtualCard | None) -> None:
        self._change(card=card)

    def _change(self, **what: Any) -> None:
        """Change the world, and wait until a running daemon saw it: a hand is never as fast as its polling."""
        with self._world.changed:
            for name, value in what.items():
                setattr(self._world, name, value)
            self._world.change()
            if self._daemon is not None and not self._frozen and not self._world.until_noticed(PATIENCE_S):
                raise TimeoutError(f"pcscd did not look at its reader for {PATIENCE_S:g} s")


@functools.cache
def _pcscd() -> str:
    found = shutil.which("pcscd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise RuntimeError("no pcscd: install the package pcscd")
    return found


@functools.cache
def _without_polkit() -> list[str]:
    """Newer daemons ask polkit, which is not in their /run."""
    options = subprocess.run([_pcscd(), "--help"], capture_output=True, text=True, check=False).stdout
    return ["--disable-polkit"] if "--disable-polkit" in options else []
