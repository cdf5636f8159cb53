"""`fikatap printer`: find out what the printer really does, and put the café's logo into it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeVar

from drivers.errors import DeviceGarbled, DeviceSilent
from firmware_py.office import CommandError

if TYPE_CHECKING:
    from drivers.ports import Printer
    from drivers.printers.escpos import EscposSettings
    from drivers.printers.findings import Findings, Heard, Seen
    from drivers.printers.profiles import PrinterProfile
    from firmware_py.findings import FindingsFile
    from firmware_py.wiring import Wiring

T = TypeVar("T")

PRINTED_S = 30.0
"""How long the printer may take to say that a page is out."""
RESTART_S = 10
"""How long a printer may take to start anew, in questions of a second each."""
ATTEMPTS = 3
"""How often a question is asked anew."""


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    group = commands.add_parser("printer", help="the printer").add_subparsers(metavar="WHAT", required=True)
    command = group.add_parser("probe", help="print a page that shows what the printer really does, and remember it")
    command.add_argument("--right", metavar="LINES", help="the answer to question 1: right lines, like 1,3,4; 0 for none")
    command.add_argument("--left", metavar="NUMBER", help="the answer to question 2: the first number in a whole box")
    command.add_argument("--qr", metavar="YES", help="the answer to question 3: yes or no")
    command.add_argument("--ask", choices=["yes", "no"], default="yes", help="no: print and listen, ask nothing")
    command.set_defaults(handler=probe)
    command = group.add_parser("show", help="what is known of the printer, and from where")
    command.set_defaults(handler=show)
    command = group.add_parser("forget", help="forget what was found out: another printer hangs there now")
    command.set_defaults(handler=forget)
    command = group.add_parser("logo", help="put the café's logo into the printer's memory, so that badges take less time")
    command.add_argument("--again", action="store_true", help="even if it is there already; the memory wears with each time")
    command.add_argument("--seen", metavar="YES", help="the answer to whether the logo came out: yes or no")
    command.set_defaults(handler=logo)


def probe(args: argparse.Namespace) -> int:
    """Print the page, listen, ask, and keep what was found."""
    from msgspec.structs import replace

    from drivers.printers.profiles import profile

    wiring, file = _open(args)
    known = profile(_settings(wiring).profile)
    answered = _Answered(wiring, known, {"--right": args.right, "--left": args.left, "--qr": args.qr})
    _stopped(wiring)
    before = _read(file)
    heard = _printed(wiring, known)
    # It may be another printer than before: what is in its memory nobody saw.
    findings = replace(
        before,
        heard=heard,
        seen=before.seen if before.fits(known.name) else None,
        stored_logo="",
        profile=known.name,
        program=f"fikatap {version('fikatap')}",
        when=_now(wiring),
    )
    if before.stored_logo:
        print(_say(wiring, "logo_anew"))
    if args.ask == "yes":
        # What the printer said is kept, whatever becomes of the questions.
        file.write(findings)
        findings = replace(findings, seen=answered.seen())
    file.write(findings)
    _tell(wiring, findings)
    print(_say(wiring, "kept", file=file.path))
    return 0


def show(args: argparse.Namespace) -> int:
    """Print what is known, and from where."""
    wiring, file = _open(args)
    _tell(wiring, file.read())
    return 0


def forget(args: argparse.Namespace) -> int:
    """Remove the findings."""
    wiring, file = _open(args)
    _stopped(wiring)
    print(_say(wiring, "forgotten" if file.forget() else "nothing_known", file=file.path))
    return 0


def logo(args: argparse.Namespace) -> int:
    """Send the logo into the printer's memory once, print it from there, and ask whether it came."""
    from msgspec.structs import replace

    from drivers.printers.encode import encode, store_logo
    from drivers.printers.layout import Align, StoredLogo
    from kiosk.badge import Role

    wiring, file = _open(args)
    known = wiring.printer_profile(_settings(wiring).profile)
    picture = wiring.logo(known)
    if picture is None:
        raise CommandError("the template names no logo (docs/template.md); there is nothing to put into the printer")
    findings = _read(file)
    if not findings.fits(known.name):
        raise CommandError(_say(wiring, "other_profile", before=findings.profile, now=known.name))
    if findings.stored_logo == picture.digest and not args.again:
        raise CommandError("this logo is in the printer already, and its memory wears each time; --again sends it nevertheless")
    answered = _Answered(wiring, known, {"--seen": args.seen})
    _stopped(wiring)
    # Before it is sent: a logo that may be half there is not to be printed.
    file.write(replace(findings, stored_logo=""))
    device = wiring.make_printer()
    try:
        device.open()
        device.status()
        device.send(store_logo(picture), 1)
        _until_ready(device)
        device.send(encode((StoredLogo(Role.LOGO, picture, Align.CENTRE),), known), 2)
        device.wait_printed(2, PRINTED_S)
    finally:
        device.close()
    if not answered.yes("--seen", "ask_logo"):
        raise CommandError(_say(wiring, "logo_not"))
    file.write(replace(findings, stored_logo=picture.digest, profile=known.name))
    print(_say(wiring, "logo_stored"))
    return 0


def _until_ready(device: Printer) -> None:
    """Wait for a printer that starts anew; what it says of pages then is not to be relied on."""
    for _ in range(RESTART_S):
        with suppress(DeviceSilent, DeviceGarbled):
            device.status()
            return
    raise DeviceSilent(f"the printer has not answered for {RESTART_S} s since it was sent the logo; switch it off and on")


class _Answered:
    """What people read from paper: given as options beforehand, or asked for on the terminal."""

    def __init__(self, wiring: Wiring, profile: PrinterProfile, given: Mapping[str, str | None]) -> None:
        """Refuse what is given and wrong before anything is printed."""
        from drivers.printers.probe import LONGEST_LOSS_MM, lines

        self._wiring = wiring
        self._profile = profile
        self._last_line = len(lines(profile))
        self._last_number = LONGEST_LOSS_MM
        self._given = {option: text for option, text in given.items() if text is not None}
        read = {"--right": self._lines, "--left": self._number}
        for option, text in self._given.items():
            try:
                read.get(option, self._yes)(text)
            except ValueError as error:
                raise CommandError(f"{option} {text}: {error}") from error

    def seen(self) -> Seen:
        """Return what people see on the page."""
        from drivers.printers.probe import read_page

        if not self._given and not self.yes("", "ask_end"):
            raise CommandError(_say(self._wiring, "no_page"))
        right = self._answer("--right", f"1 {_say(self._wiring, 'letters')}", self._lines)
        left = self._answer("--left", f"2 {_say(self._wiring, 'edge')}", self._number)
        native_qr = self._answer("--qr", f"3 {_say(self._wiring, 'code')}", self._yes)
        return read_page(self._profile, right, native_qr=native_qr, first_whole_mm=left)

    def yes(self, option: str, key: str) -> bool:
        """Return the answer to another question."""
        return self._answer(option, _say(self._wiring, key), self._yes)

    def _answer(self, option: str, question: str, read: Callable[[str], T]) -> T:
        if option in self._given:
            return read(self._given[option])
        for _ in range(ATTEMPTS):
            try:
                return read(input(f"{question} "))
            except EOFError:
                break
            except ValueError as error:
                print(error)
        raise CommandError(_say(self._wiring, "no_answer"))

    def _lines(self, text: str) -> frozenset[int]:
        words = text.replace(",", " ").split()
        known = [str(number) for number in range(self._last_line + 1)]
        if not words or any(word not in known for word in words):
            raise ValueError(_say(self._wiring, "want_lines", last=self._last_line))
        return frozenset(map(int, words)) - {0}

    def _number(self, text: str) -> int:
        if text.strip() not in [str(number) for number in range(self._last_number + 1)]:
            raise ValueError(_say(self._wiring, "want_number", last=self._last_number))
        return int(text)

    def _yes(self, text: str) -> bool:
        yes, no = _say(self._wiring, "yes"), _say(self._wiring, "no")
        word = text.strip().lower()
        if word in {yes, yes[0], "yes", "y"}:
            return True
        if word in {no, no[0], "no", "n"}:
            return False
        raise ValueError(_say(self._wiring, "want_yes", yes=yes, no=no))


def _open(args: argparse.Namespace) -> tuple[Wiring, FindingsFile]:
    from firmware_py.config import load
    from firmware_py.findings import FindingsFile
    from firmware_py.wiring import Wiring

    wiring = Wiring(load(args.config))
    file = FindingsFile(wiring.config)
    if not file.connection:
        raise CommandError('the configuration has no [printer] with driver = "escpos"; there is nothing to find out about')
    return wiring, file


def _settings(wiring: Wiring) -> EscposSettings:
    chosen: Any = wiring.config.printer  # `_open` saw to it that there is one
    settings: EscposSettings = chosen.settings
    return settings


def _stopped(wiring: Wiring) -> None:
    """See that nobody else prints now, and that the terminal can read later what is written now."""
    from firmware_py.database import check_user
    from firmware_py.terminal.control import ControlClient, NotRunning

    try:
        with ControlClient(wiring.config.control.socket):
            raise CommandError(_say(wiring, "running"))
    except NotRunning:
        folder = wiring.config.ledger.path.parent
        if not folder.is_dir():
            raise CommandError(f"{folder} is not there; start the terminal once, or mend [ledger] path") from None
        check_user(folder, folder.stat().st_uid, os.geteuid())


def _read(file: FindingsFile) -> Findings:
    """Return what is known; a damaged file is begun anew."""
    from drivers.printers.findings import Findings
    from firmware_py.findings import FindingsError

    try:
        return file.read() or Findings(connection=file.connection)
    except FindingsError:
        return Findings(connection=file.connection)


def _printed(wiring: Wiring, profile: PrinterProfile) -> Heard:
    """Print the page and return what the printer said meanwhile."""
    from drivers.printers.escpos import EscposPrinter
    from drivers.printers.probe import Words, opening, page

    settings = _settings(wiring)
    words = Words(
        title=_say(wiring, "title"),
        about=f"{profile.name} · {settings.connection}",
        letters=f"1 {_say(wiring, 'letters')}",
        edge=f"2 {_say(wiring, 'edge')}",
        code=f"3 {_say(wiring, 'code')}",
        end=_say(wiring, "end"),
    )
    device = EscposPrinter(settings)
    print(_say(wiring, "listening"), flush=True)
    try:
        heard = device.probe(opening(words, profile), 1)
        device.send(page(words, profile), 2)
        device.wait_printed(2, PRINTED_S)
    finally:
        device.close()
    return heard


def _tell(wiring: Wiring, findings: Findings | None) -> None:
    """Print what holds for the printer, line by line, each with its source."""
    for words, value, source in _facts(wiring, findings):
        print(f"{_say(wiring, words)}: {value} ({source})")


def _facts(wiring: Wiring, findings: Findings | None) -> Iterator[tuple[str, str, str]]:
    from msgspec.structs import replace

    from drivers.printers.escpos import SerialAddress
    from drivers.printers.profiles import profile

    settings = _settings(wiring)
    known = profile(settings.profile)
    if findings is not None and not findings.fits(known.name):
        findings = replace(findings, seen=None, stored_logo="")
    heard = findings.heard if findings is not None else None
    configured = _say(wiring, "from_config")
    promised = _say(wiring, "from_profile", name=known.name)
    probed = _say(wiring, "from_probe", when=findings.when or "?") if findings is not None else promised
    told = probed if heard is not None else promised
    shown = probed if findings is not None and findings.seen is not None else promised
    if findings is not None:
        known = findings.correct(known)

    def yes(value: bool) -> str:
        return _say(wiring, "yes" if value else "no")

    pages = ", ".join(f"{codec} ({number})" for codec, number in known.code_pages.items())
    yield "pages", pages or _say(wiring, "nothing"), shown
    yield "native", yes(known.native_qr), shown
    yield "lost", f"{known.left_dots / known.dpmm:g} mm", shown
    means = settings.completion or known.completion
    yield "completion", _say(wiring, f"completion_{means}"), configured if settings.completion else told
    answers = (heard is None or heard.answers) if settings.answers is None else settings.answers
    yield "answers", yes(answers), told if settings.answers is None else configured
    if heard is not None:
        questions = " ".join(f"DLE EOT {number}" for number in heard.questions)
        yield "questions", questions or _say(wiring, "nothing"), told
        yield (
            "pushes",
            yes(heard.pushes if settings.pushes is None else settings.pushes),
            (told if settings.pushes is None else configured),
        )
        address = settings.address
        if heard.baud is not None and isinstance(address, SerialAddress):
            yield "baud", str(heard.baud), told
            if address.baud not in {None, heard.baud}:
                yield "wrong_baud", f"{address.baud} → {heard.baud}", configured
    if findings is not None and findings.stored_logo:
        yield "logo", findings.stored_logo, probed


def _now(wiring: Wiring) -> str:
    """Return day and time at the venue, empty when the clock can't be trusted."""
    from firmware_py.cli.run import SYNCHRONISED
    from firmware_py.clock import Clock

    config = wiring.config
    wall = Clock(config.timezone, None if config.cafe.trust_clock else SYNCHRONISED).now().wall
    return "" if wall is None else f"{datetime.fromtimestamp(wall.utc_ms / 1000, config.timezone):%Y-%m-%d %H:%M}"


def _say(wiring: Wiring, key: str, **parts: object) -> str:
    return wiring.texts.say(wiring.language, f"printer.{key}", **{name: str(part) for name, part in parts.items()})
