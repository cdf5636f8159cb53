"""`fikatap demo`: a sample café with simulated hardware, to tap at from the keyboard or to watch."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from firmware_py.demo import Cafe, Tap

BADGE_S = 2.0
"""How long the next key may have to wait for a badge."""

HELP = """\
Type a member's number to let them tap (1 to {last}), or
  l  list the members     o  the paper runs out     u  unplug the reader     p  hold a phone to the reader
  s  how things stand     i  put paper in           r  plug it in again      t  take the card away too soon
  n  an unknown card      q  quit                   ?  this help
"""


def add(commands: Any) -> None:
    """Add the command to the parser."""
    command = commands.add_parser("demo", help="a café of forty made-up members on simulated hardware")
    command.add_argument("--taps", type=int, metavar="N", help="let N different members tap by themselves (1 to 40)")
    command.add_argument("--out", type=Path, default=Path("out"), metavar="DIR", help="where slips and summary.json go")
    command.add_argument("--language", choices=("sv", "da", "nb", "en"), default="sv", help="the café's language")
    command.add_argument("--printer", default="generic-80", metavar="PROFILE", help="the printer's profile")
    command.set_defaults(handler=demo)


def demo(args: argparse.Namespace) -> int:
    """Open the café and let people tap."""
    from drivers.errors import ConfigError
    from firmware_py.demo import MEMBERS, Cafe, unattended
    from kiosk.values import Language

    if args.taps is not None and not 1 <= args.taps <= MEMBERS:
        raise ConfigError(f"--taps {args.taps}: the café has members 1 to {MEMBERS}")
    with Cafe(language=Language(args.language), profile=args.printer) as cafe:
        if args.taps is None:
            return _by_hand(cafe)
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


def _by_hand(cafe: Cafe) -> int:
    from drivers.errors import DeviceSilent
    from drivers.ports import Kind, PresentedCard
    from firmware_py.demo import listening
    from firmware_py.terminal.control import ControlClient
    from kiosk.effects import Answer, Effect, LightZone, TellStaff
    from kiosk.events import Event, MatchAnswered

    def say(what: Event | Effect) -> None:
        match what:
            case Answer(signal=signal, words=words):
                print(f"  {signal.value:<16} {words}")
            case LightZone(zone=zone):
                print(f"  light            {zone}")
            case TellStaff():
                print(f"  staff            {cafe.wiring.notice(what)}")
            case MatchAnswered(introduction=found) if found is not None:
                print(f"  match            score {found.score}, {found.reason.kind.value}")

    def stand() -> None:
        with ControlClient(cafe.config.control.socket) as client:
            print(f"  {client.call('status')['line']}")

    def members() -> None:
        for number, member in enumerate(cafe.members, 1):
            here = "here" if cafe.terminal.state.visit_of(member.id) is not None else ""
            print(f"  {number:>2}  {member.called:<14} {member.language.value}  {', '.join(member.offers)}  {here}")

    deeds: dict[str, Callable[[], object]] = {
        "l": members,
        "s": stand,
        "o": cafe.printer.paper_out,
        "i": cafe.printer.paper_in,
        "u": cafe.reader.unplug,
        "r": cafe.reader.plug,
        "p": lambda: cafe.reader.tap(PresentedCard(uid=bytes.fromhex("08a1b2c3"), kind=Kind.PHONE)),
        "t": cafe.reader.tear,
        "n": lambda: cafe.reader.tap(PresentedCard(uid=bytes.fromhex("04ffffffffffff"))),
        "?": lambda: print(HELP.format(last=len(cafe.members))),
    }
    print(HELP.format(last=len(cafe.members)))
    with listening(cafe, say):
        for line in sys.stdin:
            word = line.strip().lower()
            if word == "q":
                break
            if word.isdecimal() and 1 <= int(word) <= len(cafe.members):
                try:
                    tap = cafe.tap(int(word), BADGE_S)
                except DeviceSilent:
                    print("  badge            not yet")
                else:
                    print(f"  badge            {tap.bytes} bytes, {tap.job_state}" if tap.job else "  badge            none")
            elif word in deeds:
                deeds[word]()
            elif word:
                print(f"  '{word}' is no number from 1 to {len(cafe.members)} and no letter of these:\n{HELP.format(last=40)}")
    return 0
