"""`fikatap desk`: the pages, who may use the staff's, what was done there, and how a phone finds them."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firmware_py.office import CommandError

if TYPE_CHECKING:
    from firmware_py.config import Config
    from firmware_py.desk.access import Access


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    group = commands.add_parser("desk", help="the pages: the visitors' screen and the staff's desk").add_subparsers(
        metavar="WHAT", required=True
    )
    group.add_parser("serve", help="serve the pages (systemd does this)").set_defaults(handler=serve, unit="fikatap-desk")
    group.add_parser("people", help="who may use the desk").set_defaults(handler=people)
    command = group.add_parser("pin", help="give somebody a PIN, or another one; ends their sessions and their lock")
    command.add_argument("name")
    command.add_argument("--role", choices=("staff", "manager"), help="(default: the one they have; staff for somebody new)")
    command.add_argument("--generate", action="store_true", help="make up a PIN and print it, in place of asking for one")
    command.set_defaults(handler=set_pin)
    command = group.add_parser("remove", help="take somebody's access away")
    command.add_argument("name")
    command.set_defaults(handler=remove)
    command = group.add_parser("audit", help="who did what at the desk, the latest last")
    command.add_argument("--last", type=int, default=100, metavar="N", help="so many (default: 100)")
    command.set_defaults(handler=audit)
    command = group.add_parser("slip", help="how a phone finds the desk and knows that it is the right one")
    command.add_argument("--print", action="store_true", dest="on_paper", help="on the badge printer, by the running terminal")
    command.set_defaults(handler=slip)


def serve(args: argparse.Namespace) -> int:
    """Serve the pages until stopped."""
    import logging

    from firmware_py.config import load
    from firmware_py.desk.server import serve

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    serve(load(args.config))
    return 0


def people(args: argparse.Namespace) -> int:
    """Print a line a person."""
    for name, role in _access(args)[1].people():
        print(f"{role:<8} {name}")
    return 0


def set_pin(args: argparse.Namespace) -> int:
    """Give somebody a PIN."""
    from firmware_py.desk.access import Role, check_pin

    config, access = _access(args)
    pin = _made_up() if args.generate else _asked()
    check_pin(pin)
    with _as_owner(config.desk.folder):
        role, is_new = access.set_pin(args.name, Role(args.role) if args.role else None, pin)
    word = "may sign in" if is_new else "had a PIN before, and may now sign in"
    print(f"{args.name} ({role}) {word}{f' with the PIN {pin}' if args.generate else ''}")
    return 0


def remove(args: argparse.Namespace) -> int:
    """Take somebody's access away."""
    config, access = _access(args)
    with _as_owner(config.desk.folder):
        access.remove(args.name)
    print(f"{args.name} may not sign in any more")
    return 0


def audit(args: argparse.Namespace) -> int:
    """Print a line a deed."""
    from itertools import islice

    from firmware_py.clock import Clock
    from firmware_py.desk.audit import Audit

    config = _access(args)[0]
    trail = Audit(config.desk.folder / "audit.jsonl", Clock(config.timezone, None))
    for deed in reversed(list(islice(trail.deeds(), max(0, args.last)))):
        seconds = (deed.utc_ms or 0) / 1000
        when = f"{datetime.fromtimestamp(seconds, config.timezone):%Y-%m-%d %H:%M:%S}" if seconds else "at an unknown time"
        refused = f"  refused: {deed.refused}" if deed.refused else ""
        print(f"{when:<19}  {deed.who or '–':<20} {deed.address:<15} {deed.did} {deed.about}{refused}")
    return 0


def slip(args: argparse.Namespace) -> int:
    """Show the desk's address as a QR code, with the beginning of the certificate's fingerprint; or have that printed."""
    import socket

    from firmware_py.clock import said_now
    from firmware_py.desk import certificate
    from firmware_py.desk.server import names_of

    config = _access(args)[0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as anywhere:
        names = names_of(config, anywhere)
        found = certificate.addresses(anywhere)
    with _as_owner(config.desk.folder):
        kept = certificate.keep(config.desk.folder, names, said_now())
    port = config.desk.listen.rpartition(":")[2]
    addresses = [f"https://{name}:{port}/desk" for name in (*found, *names[1:2])]
    if args.on_paper:
        return _on_paper(args, addresses, kept.begins)

    import segno

    from firmware_py.desk.render import Renderer

    texts, language = Renderer().texts, config.cafe.language
    print(texts.say(language, "login.slip.title", cafe=config.cafe.name))
    segno.make(addresses[0]).terminal(compact=True)
    print("\n".join(addresses))
    print(texts.say(language, "login.slip.compare", fingerprint=kept.begins))
    return 0


def _on_paper(args: argparse.Namespace, addresses: list[str], fingerprint: str) -> int:
    from firmware_py.office import open_office
    from firmware_py.terminal.staff import MOST_ADDRESSES

    # The machine's own name comes last, and is never left out.
    shown = [*addresses[: MOST_ADDRESSES - 1], addresses[-1]] if len(addresses) > MOST_ADDRESSES else addresses
    with open_office(args.config) as office:
        ordered = office.call("desk.slip", addresses=shown, fingerprint=fingerprint)
    waits = f"; the printer can't print now ({ordered['cause']}), it waits a minute for it" if ordered["cause"] else ""
    print(f"on its way to the printer: {ordered['job']}{waits}")
    return 0


def _access(args: argparse.Namespace) -> tuple[Config, Access]:
    """Return the configuration and the people."""
    from firmware_py.clock import boot_id
    from firmware_py.config import load
    from firmware_py.desk.access import Access

    config = load(args.config)
    folder = config.desk.folder
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
            raise CommandError(f"{folder}: not allowed; use sudo")
    except OSError as error:
        raise CommandError(f"{folder}: {error.strerror or error}; use sudo") from error
    return config, Access(folder / "access.json", boot_id(), lambda: time.clock_gettime(time.CLOCK_BOOTTIME))


@contextmanager
def _as_owner(folder: Path) -> Iterator[None]:
    """Write as the folder's owner does: what root leaves there must be the pages' own."""
    if os.geteuid() != 0:
        yield
        return
    owner = folder.stat()
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def _asked() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    pin = getpass.getpass("PIN: ")
    if getpass.getpass("once more: ") != pin:
        raise CommandError("these two are not the same; nothing was changed")
    return pin


def _made_up() -> str:
    import secrets

    from firmware_py.desk.access import AccessError, check_pin

    while True:
        pin = f"{secrets.randbelow(10**6):06}"
        try:
            check_pin(pin)
        except AccessError:
            continue
        return pin
