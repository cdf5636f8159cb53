"""`fikatap matching`: the shared matching service."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from drivers.errors import ConfigError
from firmware_py.cli import evaluate

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from firmware_py.matching_service.administration import Taken
    from firmware_py.matching_service.identity import Identity
    from firmware_py.members import Row

Result = TypeVar("Result")

DATABASE = "FIKATAP_MATCHING_DATABASE"
EVERY = 20_000
"""How many rows of a list go by between two words of progress."""
DAY_S = 86_400
NEEDS = "the matching service needs more libraries than a terminal; install 'fikatap[service]'"


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    what = commands.add_parser("matching", help="the shared matching service").add_subparsers(metavar="WHAT", required=True)
    _add_serving(what)
    _add_venues(what)
    _add_members(what)
    _add_identities(what)
    evaluate.add_to(what)


def _add_serving(what: Any) -> None:
    command = _command(what, "serve", serve, "answer terminals")
    command.add_argument("--listen", default="127.0.0.1:8443", metavar="HOST:PORT", help="(default: 127.0.0.1:8443)")
    command.add_argument("--socket", type=Path, help="listen at this Unix socket instead, behind a proxy")
    command.add_argument("--tls-certificate", type=Path, metavar="PEM", help="the service's certificate")
    command.add_argument("--tls-key", type=Path, metavar="PEM", help="its key")
    command.add_argument("--client-ca", type=Path, metavar="PEM", help="the authority that signs terminals' certificates")
    command.add_argument(
        "--processes", type=int, default=1, metavar="N", help="how many; more than one on PostgreSQL (default: 1)"
    )
    command = _command(what, "migrate", migrate, "make the tables, or bring them up to date")
    command.add_argument("--role", default="", help="a PostgreSQL role that may use them: the one that serves")


def _add_venues(what: Any) -> None:
    group = what.add_parser("venue", help="venues").add_subparsers(metavar="WHAT", required=True)
    command = _command(group, "add", add_venue, "add a venue, and its chain when that is new")
    command.add_argument("chain")
    command.add_argument("venue")
    command.add_argument("--name", default="", help="as people call it")
    command.add_argument("--time-zone", default="Europe/Stockholm", metavar="ZONE", help="(default: Europe/Stockholm)")
    command.add_argument("--closes", default="04:00", metavar="HH:MM", help="when the day ends (default: 04:00)")
    _command(group, "list", list_venues, "all venues")
    command = _command(group, "schedule", set_schedule, "put a venue's iCalendar file in place")
    command.add_argument("venue")
    command.add_argument("file", type=Path)


def _add_members(what: Any) -> None:
    group = what.add_parser("members", help="a chain's members").add_subparsers(metavar="WHAT", required=True)
    command = _command(group, "import", import_members, "take in a list; its columns are in docs/members.md")
    command.add_argument("chain")
    command.add_argument("file", type=Path, help="CSV in UTF-8")
    command = _command(group, "remove", remove_member, "erase a member, with cards and introductions")
    command.add_argument("chain")
    command.add_argument("member")


def _add_identities(what: Any) -> None:
    group = what.add_parser("token", help="tokens of terminals").add_subparsers(metavar="WHAT", required=True)
    for name, handler, text in (
        ("add", add_token, "make one and show it once"),
        ("revoke", revoke_tokens, "revoke all of a terminal"),
    ):
        command = _command(group, name, handler, text)
        command.add_argument("venue")
        command.add_argument("terminal")
    group = what.add_parser("terminal", help="terminals").add_subparsers(metavar="WHAT", required=True)
    command = _command(
        group, "revoke", shut_out, "shut one out that was lost or stolen: its tokens, and certificates made until now"
    )
    command.add_argument("venue")
    command.add_argument("terminal")
    group = what.add_parser("certificate", help="certificates for TLS").add_subparsers(metavar="WHAT", required=True)
    command = group.add_parser("authority", help="make the authority that signs the others")
    command.set_defaults(handler=make_authority)
    command.add_argument("folder", type=Path)
    command.add_argument("chain")
    command = group.add_parser("service", help="make the service's certificate")
    command.set_defaults(handler=make_service_certificate)
    command.add_argument("folder", type=Path)
    command.add_argument("host", nargs="+", help="the names and addresses under which terminals find it")
    command = _command(group, "terminal", make_terminal_certificate, "make a terminal's certificate")
    command.add_argument("folder", type=Path)
    command.add_argument("venue")
    command.add_argument("terminal")


def _command(group: Any, name: str, handler: Any, text: str) -> Any:
    """Add a command that works on the database."""
    command = group.add_parser(name, help=text)
    command.add_argument(
        "--database",
        default=os.environ.get(DATABASE, ""),
        metavar="URL",
        help=f"sqlite:///PATH or postgresql://ROLE@HOST/NAME (default: ${DATABASE})",
    )
    command.set_defaults(handler=handler)
    return command


def _database(args: argparse.Namespace) -> str:
    if not args.database:
        raise ConfigError(
            f"no database is named; give --database or ${DATABASE}: sqlite:///PATH or postgresql://ROLE@HOST/NAME"
        )
    try:
        import firmware_py.matching_service.database  # noqa: F401 - whether its libraries are there
    except ModuleNotFoundError as error:
        raise ConfigError(f"{NEEDS} ({error.name} is missing)") from error
    return str(args.database)


def _done(work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """Do it and return what comes of it."""
    import asyncio  # here, as the terminal starts without it

    return asyncio.run(work())


def serve(args: argparse.Namespace) -> int:
    """Answer terminals until stopped."""
    url = _database(args)
    from firmware_py.matching_service.serve import Listen, parse_listen, serve

    host, port = parse_listen(args.listen)
    serve(url, Listen(host, port, args.socket, args.tls_certificate, args.tls_key, args.client_ca), args.processes)
    return 0


def migrate(args: argparse.Namespace) -> int:
    """Make the tables, or bring them up to date."""
    url = _database(args)
    from firmware_py.matching_service.database import Database

    async def work() -> None:
        database = Database(url)
        try:
            await database.migrate(args.role)
        finally:
            await database.close()

    _done(work)
    return 0


def add_venue(args: argparse.Namespace) -> int:
    """Add a venue."""
    url = _database(args)
    from firmware_py.matching_service import administration

    found = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", args.closes)
    if found is None:
        raise ConfigError(f"'{args.closes}' is no time of day; write HH:MM, such as 04:00")
    minute = int(found[1]) * 60 + int(found[2])

    async def work() -> None:
        async with administration.opened(url) as database:
            await administration.add_venue(database, args.chain, args.venue, args.name, args.time_zone, minute)

    _done(work)
    return 0


def list_venues(args: argparse.Namespace) -> int:
    """Print one line a venue."""
    url = _database(args)
    from firmware_py.matching_service import administration

    async def work() -> list[tuple[str, str, str]]:
        async with administration.opened(url) as database:
            return await administration.list_venues(database)

    for chain, venue, name in _done(work):
        print(f"{chain:<20} {venue:<20} {name}")
    return 0


def set_schedule(args: argparse.Namespace) -> int:
    """Put a venue's iCalendar file in place; return 1 when some event of it can't be understood (terminals leave it out)."""
    url = _database(args)
    from firmware_py.matching_service import administration
    from firmware_py.schedule import read

    try:
        data = args.file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{args.file} can't be read: {error.strerror}") from error
    if b"BEGIN:VCALENDAR" not in data:
        raise ConfigError(f"{args.file} is no calendar: it has no BEGIN:VCALENDAR")
    # As terminals will read it, with the same bounds; the zone and the day matter little for what is wrong with it.
    found = read(args.file, "UTC", int(time.time()) // DAY_S).trouble

    async def work() -> None:
        async with administration.opened(url) as database:
            await administration.set_schedule(database, args.venue, data)

    _done(work)
    if found:
        print(f"note: {found}")
    return 1 if found else 0


def import_members(args: argparse.Namespace) -> int:
    """Import a list; return 1 when some rows were faulty (the others went in)."""
    url = _database(args)
    from firmware_py.matching_service import administration
    from firmware_py.members import MembersFileError, read_members
    from firmware_py.vocabulary import load_vocabulary

    def told(row: Row, _: Taken) -> None:
        for fault in row.faults:
            print(fault)
        for warning in row.warnings:
            print(f"note: {warning}")
        if row.line % EVERY == 0:
            print(f"{row.line} lines read", file=sys.stderr, flush=True)

    async def work() -> Taken:
        try:
            file = args.file.open("rb")
        except OSError as error:
            raise MembersFileError(f"{args.file} can't be read: {error.strerror}") from error
        with file:
            async with administration.opened(url) as database:
                return await administration.import_members(database, args.chain, read_members(file, load_vocabulary()), told)

    taken = _done(work)
    faulty = f", {taken.faulty} faulty and left out" if taken.faulty else ""
    print(f"{taken.added} added, {taken.changed} changed, {taken.unchanged} unchanged{faulty}")
    return 1 if taken.faulty else 0


def remove_member(args: argparse.Namespace) -> int:
    """Erase a member."""
    url = _database(args)
    from firmware_py.matching_service import administration

    async def work() -> bool:
        async with administration.opened(url) as database:
            return await administration.remove_member(database, args.chain, args.member)

    if not _done(work):
        raise ConfigError(f"the chain {args.chain} has no member '{args.member}'")
    print(f"{args.member} is removed")
    return 0


def add_token(args: argparse.Namespace) -> int:
    """Print a new token."""
    url = _database(args)
    from firmware_py.matching_service import administration

    async def work() -> str:
        async with administration.opened(url) as database:
            return await administration.add_token(database, args.venue, args.terminal)

    print(_done(work))
    return 0


def revoke_tokens(args: argparse.Namespace) -> int:
    """Revoke a terminal's tokens."""
    url = _database(args)
    from firmware_py.matching_service import administration

    async def work() -> int:
        async with administration.opened(url) as database:
            return await administration.revoke_tokens(database, args.venue, args.terminal)

    print(f"{_done(work)} revoked")
    return 0


def shut_out(args: argparse.Namespace) -> int:
    """Shut a terminal out."""
    url = _database(args)
    from firmware_py.matching_service import administration

    async def work() -> int:
        async with administration.opened(url) as database:
            return await administration.shut_out(database, args.venue, args.terminal, int(time.time()))

    tokens = _done(work)
    print(f"{args.terminal} is shut out within a second: its certificates made until now, and {tokens} tokens")
    return 0


def make_authority(args: argparse.Namespace) -> int:
    """Make the authority."""
    from firmware_py.matching_service import certificates
    from firmware_py.matching_service.identity import require_name

    print(certificates.make_authority(args.folder, require_name(args.chain, "chain")))
    return 0


def make_service_certificate(args: argparse.Namespace) -> int:
    """Make the service's certificate."""
    from firmware_py.matching_service import certificates

    print(*certificates.make_service_certificate(args.folder, args.host), sep="\n")
    return 0


def make_terminal_certificate(args: argparse.Namespace) -> int:
    """Make a terminal's certificate."""
    url = _database(args)
    from firmware_py.matching_service import administration, certificates

    async def work() -> tuple[Identity, int]:
        async with administration.opened(url) as database:
            return await administration.identity_of(database, args.venue, args.terminal)

    identity, from_s = _done(work)
    print(*certificates.make_terminal_certificate(args.folder, identity, from_s=from_s), sep="\n")
    return 0
