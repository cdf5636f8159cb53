"""`fikatap demo`: a sample café with simulated hardware, as a page to play with or by itself."""

from __future__ import annotations

import argparse
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from firmware_py.demo import Tap

HOST, PORT, LAST_PORT = "127.0.0.1", 8080, 65_535
ENDINGS = (signal.SIGINT, signal.SIGTERM)


def add(commands: Any) -> None:
    """Add the command to the parser."""
    command = commands.add_parser("demo", help="a café of forty made-up members on simulated hardware, as a page to play with")
    command.add_argument("--port", type=int, metavar="N", help=f"where the page is; {PORT}, or another one when that is taken")
    command.add_argument("--taps", type=int, metavar="N", help="no page: let N different members tap by themselves (1 to 40)")
    command.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="where slips and summary.json go then")
    command.add_argument("--language", choices=("sv", "da", "nb", "en"), default="sv", help="the café's language")
    command.add_argument("--printer", default="generic-80", metavar="PROFILE", help="the printer's profile")
    command.set_defaults(handler=demo)


def demo(args: argparse.Namespace) -> int:
    """Open the café: for the page, or for people who tap by themselves."""
    return _serve(args) if args.taps is None else _unattended(args)


def _unattended(args: argparse.Namespace) -> int:
    from drivers.errors import ConfigError
    from firmware_py.demo import MEMBERS, Cafe, unattended
    from kiosk.values import Language

    if not 1 <= args.taps <= MEMBERS:
        raise ConfigError(f"--taps {args.taps}: the café has members 1 to {MEMBERS}")
    with Cafe(language=Language(args.language), profile=args.printer) as cafe:
        try:
            args.out.mkdir(parents=True, exist_ok=True)
            for tap in unattended(cafe, args.taps, args.out):
                print(_line(tap), flush=True)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise ConfigError(f"--out {args.out}: {error.strerror or error}") from error
    print(f"{args.taps} slips and summary.json are in {args.out}")
    return 0


def _line(tap: Tap) -> str:
    """Return who, verdict, match and reason, zone, bytes and job state on one line."""
    match = f"meets {tap.match}: {tap.reason}" if tap.match is not None else "not yet"
    return f"{tap.name:<12} {tap.verdict_ms:6.2f} ms  {tap.zone or '-':<11} {tap.bytes:>5} bytes  {tap.job_state}  {match}"


def _serve(args: argparse.Namespace) -> int:
    with suppress(KeyboardInterrupt):
        from firmware_py.desk.virtual import serve
        from firmware_py.virtual_cafe import VirtualCafe
        from kiosk.values import Language

        with (
            _listener(args.port) as listener,
            _endings_held() as let_come,
            VirtualCafe(language=Language(args.language), profile=args.printer) as cafe,
        ):
            port = listener.getsockname()[1]
            taken = "" if args.port is not None or port == PORT else f" (port {PORT} is taken)"
            print(f"The virtual café is open: http://{HOST}:{port}{taken}; Ctrl-C closes it", flush=True)
            # uvicorn sends itself the signal once more when all is done: then the café closes, and nothing is left behind.
            signal.signal(signal.SIGTERM, lambda *_: None)
            serve(cafe, listener, let_come)
    return 0


@contextmanager
def _endings_held() -> Iterator[Callable[[], object]]:
    """Let the signals that end the program wait until what this yields is called: what opens is opened whole, then closed."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)
    let_come = partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, ENDINGS)
    try:
        yield let_come
    finally:
        let_come()


def _listener(port: int | None) -> socket.socket:
    """Listen where nobody but this machine comes in; raise `ConfigError` for a port that can't be had."""
    from drivers.errors import ConfigError

    if port is None:
        try:
            return socket.create_server((HOST, PORT))
        except OSError:
            return socket.create_server((HOST, 0))
    if not 0 <= port <= LAST_PORT:
        raise ConfigError(f"--port {port} is no port; ports are 1 to {LAST_PORT}, and 0 is any that is free")
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise ConfigError(f"--port {port}: {why}; choose another one, or none at all and the program finds one") from error
