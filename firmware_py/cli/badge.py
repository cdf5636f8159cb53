"""`fikatap badge preview`: a badge as a picture, without a printer."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kiosk.badge import Badge


def add(commands: Any) -> None:
    """Add the command to the parser."""
    group = commands.add_parser("badge", help="badges").add_subparsers(metavar="WHAT", required=True)
    command = group.add_parser("preview", help="draw a badge as the printer would")
    what = command.add_mutually_exclusive_group(required=True)
    what.add_argument("--member", help="a member's id")
    what.add_argument("--sample", help="a made-up badge: nordic, arabic, mixed, long")
    command.add_argument("--printer", default="generic-80", help="the printer's profile (default: %(default)s)")
    command.add_argument("--out", type=Path, required=True, help="where the picture goes (PNG)")
    command.add_argument("--escpos", type=Path, help="where the printer's bytes go")
    command.set_defaults(handler=preview)


def preview(args: argparse.Namespace) -> int:
    """Draw the paper that the bytes make on a virtual printer of that profile."""
    from drivers.errors import ConfigError
    from drivers.printers.page import print_bytes
    from drivers.printers.profiles import profile
    from drivers.virtual.printer import VirtualPrinter
    from firmware_py.samples import sample
    from firmware_py.texts import load_texts
    from kiosk.badge import blocks

    chosen = profile(args.printer)
    badge = sample(args.sample) if args.sample else _member_badge(args)
    page = print_bytes(blocks(badge, load_texts()), chosen)
    printer = VirtualPrinter(dots=chosen.dots, cutter=chosen.cut)
    printer.feed(page)
    if not printer.papers:
        printer.tear()
    try:
        if args.escpos is not None:
            args.escpos.write_bytes(page)
        args.out.write_bytes(printer.papers[0].png())
    except OSError as error:
        raise ConfigError(f"{error.filename or args.out}: {error.strerror}") from error
    width_mm, height_mm = (dots / chosen.dpmm for dots in printer.papers[0].image.size)
    print(f"{args.out}: {width_mm:.0f} x {height_mm:.0f} mm, {len(page)} bytes for {chosen.name}")
    return 0


def _member_badge(args: argparse.Namespace) -> Badge:
    """Return the badge that a member would get today if nobody suitable were here."""
    import msgspec

    from firmware_py.config import load
    from firmware_py.office import open_office
    from firmware_py.wiring import Wiring
    from kiosk.compose import compose
    from kiosk.signals import Signal
    from kiosk.values import Member, Now, Visit, VisitId

    with open_office(args.config) as office:
        member = msgspec.convert(office.call("members.show", member=args.member)["member"], Member)
    house = Wiring(load(args.config)).house("preview")
    now = Now("preview", 0)
    visit = Visit(VisitId("preview-1"), 1, member, now, zone=house.zones[0].id)
    return compose(house, visit, None, None, Signal.NOT_YET, now)
