"""`fikatap badge preview`: a badge or slip as a picture, without a printer."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kiosk.badge import SlipKind

if TYPE_CHECKING:
    from drivers.printers.profiles import Media, PrinterProfile
    from firmware_py.wiring import Wiring
    from kiosk.badge import Badge, Slip

SINGLE_PRINTER = "generic-80"


def add(commands: Any) -> None:
    """Add the command to the parser."""
    group = commands.add_parser("badge", help="badges").add_subparsers(metavar="WHAT", required=True)
    command = group.add_parser("preview", help="draw a badge or slip exactly as the printer would")
    what = command.add_mutually_exclusive_group(required=True)
    what.add_argument("--member", metavar="ID", help="the badge that this member would get today")
    what.add_argument("--sample", metavar="NAME", help="a made-up badge: nordic, arabic, mixed, long")
    what.add_argument("--slip", choices=[kind.value for kind in SlipKind], help="a made-up slip")
    what.add_argument("--all-samples", action="store_true", help="all made-up badges on one contact sheet")
    command.add_argument(
        "--printer",
        action="append",
        metavar="PROFILE",
        help=f"the printer's profile (default: {SINGLE_PRINTER}; a member's: the café's own; --all-samples: all that ship); "
        "may be given several times, for a sheet",
    )
    command.add_argument("--template", type=Path, metavar="FILE", help="the café's own order, words and logo")
    command.add_argument("--turned", action="store_true", default=None, help="read along the paper, not across it")
    command.add_argument("--media", choices=["roll", "label", "mark"], help="endless paper, labels, or paper with black marks")
    command.add_argument("--length-mm", type=float, metavar="MM", help="from one label or mark to the next")
    command.add_argument("--no-ruler", dest="ruler", action="store_false", help="the bare paper, without millimetres beside it")
    command.add_argument("--out", type=Path, required=True, help="where the picture goes (PNG, at the paper's true size)")
    command.add_argument("--escpos", type=Path, help="where the printer's bytes go")
    command.set_defaults(handler=draw)


def draw(args: argparse.Namespace) -> int:
    """Draw the paper that the bytes make on a virtual printer of each profile, and tell size, bytes and seconds."""
    from drivers.errors import ConfigError
    from firmware_py.config import load
    from firmware_py.preview import png, preview, ruled, sheet
    from firmware_py.template import CafeTemplate, load_logo, load_template
    from firmware_py.texts import load_texts
    from firmware_py.wiring import Wiring
    from kiosk.badge import blocks

    # For samples no configuration is needed.
    wiring = Wiring(load(args.config)) if args.member else None
    profiles = _profiles(args, wiring)
    template = wiring.template if wiring else CafeTemplate()
    if args.template is not None:
        template = load_template(args.template)
    texts = load_texts().with_own(template.words)
    drawn = [
        preview(
            name,
            blocks(page, texts, template.template),
            profile,
            load_logo(template.logo, profile) if template.logo else None,
        )
        for name, page in _pages(args, wiring).items()
        for profile in profiles
    ]
    first = drawn[0]
    if len(drawn) > 1:
        if args.escpos is not None:
            raise ConfigError("--escpos takes one page for one printer; name one with --printer, and no --all-samples")
        picture = sheet(drawn, columns=len(profiles), ruler=args.ruler)
    else:
        picture = ruled(first.paper, first.profile.dpmm) if args.ruler else first.paper
    try:
        if args.escpos is not None:
            args.escpos.write_bytes(first.page)
        args.out.write_bytes(png(picture, first.profile.dpmm))
    except OSError as error:
        raise ConfigError(f"{error.filename or args.out}: {error.strerror}") from error
    for each in drawn:
        print(f"{each.name} on {each.profile.name}: {each.figures}")
    return 0


def _profiles(args: argparse.Namespace, wiring: Wiring | None) -> list[PrinterProfile]:
    """Return the printers to draw for: of a member the café's own, as it was found to be and with its paper in it."""
    from msgspec.structs import replace

    from drivers.printers.profiles import SHIPPED, Media, profile

    own = wiring.config.printer.settings.profile if wiring and wiring.config.printer else None
    names = args.printer or (list(SHIPPED) if args.all_samples else [own or SINGLE_PRINTER])
    known = [wiring.printer_profile(name) if wiring and name == own else profile(name) for name in names]
    badge = wiring.config.badge if wiring else None
    media = Media(kind=badge.media, length_mm=badge.length_mm, turned=badge.turned) if badge else Media()
    return [replace(each, media=_media(args, media)) for each in known]


def _media(args: argparse.Namespace, media: Media) -> Media:
    """Return the configured paper with what the command line says instead."""
    from msgspec.structs import replace

    from drivers.errors import ConfigError
    from firmware_py.config import LONGEST_MM, SHORTEST_MM

    said = {"kind": args.media, "length_mm": args.length_mm, "turned": args.turned}
    if args.media == "roll" and args.length_mm is None:
        said["length_mm"] = 0.0
    media = replace(media, **{name: value for name, value in said.items() if value is not None})
    if media.kind == "roll" and media.length_mm:
        raise ConfigError(f"--length-mm {media.length_mm:g}: a roll has no length; say --media label or --media mark")
    if media.kind != "roll" and not SHORTEST_MM <= media.length_mm <= LONGEST_MM:
        raise ConfigError(
            f"--media {media.kind} needs --length-mm {SHORTEST_MM} to {LONGEST_MM}, not {media.length_mm:g}: "
            f"from the top of one {media.kind} to the top of the next"
        )
    return media


def _pages(args: argparse.Namespace, wiring: Wiring | None) -> dict[str, Badge | Slip]:
    """Return what to draw, by name."""
    from firmware_py.samples import sample, sample_slips, samples

    if wiring:
        return {args.member: _member_badge(args, wiring)}
    if args.slip:
        return {args.slip: sample_slips()[SlipKind(args.slip)]}
    return {args.sample: sample(args.sample)} if args.sample else {**samples()}


def _member_badge(args: argparse.Namespace, wiring: Wiring) -> Badge:
    """Return the badge that a member would get now if nobody else were here."""
    import msgspec

    from firmware_py.cli.run import SYNCHRONISED
    from firmware_py.clock import Clock
    from firmware_py.office import open_office
    from kiosk.compose import compose
    from kiosk.matching.zones import choose_zone
    from kiosk.signals import Signal
    from kiosk.values import Member, Visit, VisitId

    with open_office(args.config) as office:
        member = msgspec.convert(office.call("members.show", member=args.member)["member"], Member)
    house = wiring.house("preview")
    cafe = wiring.config.cafe
    now = Clock(wiring.config.timezone, None if cafe.trust_clock else SYNCHRONISED).now()
    visit = Visit(VisitId("preview-1"), 1, member, now, zone=choose_zone(house.zones, {}, quiet=member.quiet))
    # To somebody who offers nothing the door says otherwise, but their badge says the same.
    signal = Signal.NOT_YET if member.consents.introductions else None
    return compose(house, visit, None, None, signal, now)
