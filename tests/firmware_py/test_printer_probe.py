from __future__ import annotations

import json
import subprocess
import termios
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from PIL import Image, ImageChops

from drivers.printers.escpos import EscposPrinter
from drivers.printers.findings import Findings, Heard, Seen
from drivers.printers.profiles import profile
from drivers.virtual.printer import Clone, Slip
from firmware_py.cli import main
from firmware_py.config import parse
from firmware_py.findings import FindingsError, FindingsFile, where
from firmware_py.samples import sample
from firmware_py.wiring import Wiring
from kiosk.jobs import Job
from kiosk.values import JobId, Language, MemberId, Now, VisitId
from tests.drivers.printers.test_probe import HONEST, UNKNOWN, first_whole, right
from tests.firmware_py.terminal.harness import CAFE, Door
from tests.firmware_py.test_config import FIKATAP
from tests.firmware_py.test_doctor import look
from tests.rigs.printers import FilePrinter, NetworkPrinter, Rig, SerialPrinter

LIAR = Clone(
    lacks=frozenset({b"\x1d(k", b"\x1d(H", b"\x1da", b"\x1dr", b"\x1cq", b"\x1cp"}),
    questions=frozenset({1, 4}),
    code_pages=UNKNOWN | {19: "cp437", 2: "cp437"},
)
"""It answers DLE EOT 1 and 4 and nothing else, draws no codes, and what it calls cp858 and cp850 are none."""
GIVEN = ["--right", "1", "--qr", "yes", "--left", "0"]
PATIENT = "status_deadline_s = 5\nwrite_deadline_s = 10\n"
"""For printers that answer: nobody waits so long for them."""
SHORT = "status_deadline_s = 1\nwrite_deadline_s = 2\n"
"""For those whose silence is waited for."""
TO_THE_TEAR_BAR = b"\x1bJ\x80"


class Slow(SerialPrinter):
    """A printer at the end of a wire that carries nonsense while the computer's speed is not the printer's."""

    def _in_tune(self) -> bool:
        return bool(termios.tcgetattr(self._slave)[5] == getattr(termios, f"B{self.baud}"))

    def _take(self, data: bytes) -> None:
        super()._take(data if self._in_tune() else bytes(0x80 | byte for byte in data))

    def _send(self, data: bytes) -> None:
        super()._send(data if self._in_tune() else bytes(0x80 | byte for byte in data))


class Cafe:
    """A café with this printer, and its command line."""

    def __init__(
        self,
        folder: Path,
        connection: str,
        *,
        language: str = "en",
        more: str = "",
        trust: bool = True,
        profile: str = "generic-58",
        deadlines: str = PATIENT,
    ) -> None:
        text = CAFE.format(
            folder=folder, socket=folder / "s", rules="", match_ms=800, printer="", trust=str(trust).lower()
        ).replace(
            f'[printer]\ndriver = "fake"\nname = "{folder}"',
            f'[printer]\ndriver = "escpos"\nconnection = "{connection}"\nprofile = "{profile}"\n{deadlines}{more}',
        )
        text = text.replace('language = "en"', f'language = "{language}"')
        self.path = folder / "terminal.toml"
        self.path.write_text(text, encoding="utf-8")
        self.config = parse(text)
        self.file = FindingsFile(self.config)

    def run(self, *arguments: str) -> int:
        return main(["--config", str(self.path), "printer", *arguments])

    @property
    def findings(self) -> Findings:
        found = self.file.read()
        assert found is not None
        return found

    def print_badge(self, rig: Rig, first_name: str) -> Slip:
        """Print a badge as the terminal does and return its paper."""
        wiring = Wiring(self.config)
        badge = replace(sample("nordic"), headline=first_name)
        job = Job(JobId("t1-1"), VisitId("t1-1"), MemberId("m1"), badge, Now("boot", 0), process_id=5)
        if rig.received:
            torn(rig)
        start = len(rig.received)
        printer = wiring.make_printer()
        printer.open()
        try:
            printer.status()
            page = wiring.render(job, printer.profile)
            printer.send(page, 5)
            printer.wait_printed(5, 5)
            # The driver writes more behind the initialising at the start.
            rig.until(lambda: page[2:] in rig.received[start:])
        finally:
            printer.close()
        return torn(rig)


def torn(rig: Rig) -> Slip:
    """Tear off the page when it is out to its end, but for questions; a printer that says nothing may still be at it."""
    rig.until(lambda: TO_THE_TEAR_BAR in rig.received[-200:])
    rig.tear()
    return rig.papers[-1]


def answers(rig: Rig) -> list[str]:
    """Answer as somebody does who looks at the page: which lines are right, whether there is a code, what is lost."""
    slip, known = torn(rig), profile("generic-58")
    return [
        *("--right", ",".join(map(str, right(slip, known))) or "0"),
        *("--qr", "yes" if slip.qr else "no"),
        *("--left", str(first_whole(slip, known))),
    ]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def probed(cafe: Cafe, rig: Rig) -> Findings:
    """Probe as people do: print, look at the paper, and answer."""
    assert cafe.run("probe", "--ask", "no") == 0
    assert cafe.run("probe", *answers(rig)) == 0
    return cafe.findings


def network(stack: ExitStack, **make: Any) -> NetworkPrinter:
    return stack.enter_context(NetworkPrinter(dots=384, cutter=False, **make))


def test_an_honest_printer_is_found_to_be_what_its_profile_says(tmp_path: Path, stack: ExitStack) -> None:
    rig = network(stack, clone=replace(HONEST, questions=frozenset({1, 2, 3, 4})))
    cafe = Cafe(tmp_path, rig.connection)
    found = probed(cafe, rig)
    assert found.heard == Heard(questions=(1, 2, 3, 4), completion="gs_h", pushes=True)
    assert found.seen == Seen(code_pages=profile("generic-58").code_pages, native_qr=True, left_dots=0)
    assert found.profile == "generic-58"
    assert found.program.startswith("fikatap ")
    assert found.correct(profile("generic-58")) == replace(profile("generic-58"), completion="gs_h")


def test_a_clone_that_lies_is_found_out(tmp_path: Path, stack: ExitStack) -> None:
    rig = network(stack, clone=LIAR, lost_left=8)
    found = probed(Cafe(tmp_path, rig.connection, deadlines=SHORT), rig)
    assert found.heard == Heard(questions=(1, 4), completion="status", pushes=False)
    assert found.seen == Seen(code_pages={"cp437": 0, "cp852": 18, "cp866": 17, "cp1252": 16}, native_qr=False, left_dots=8)


@pytest.mark.parametrize(
    ("clone", "heard"),
    [
        (replace(LIAR, lacks=LIAR.lacks - {b"\x1dr"}), Heard(questions=(1, 4), completion="gs_r")),
        (replace(LIAR, lacks=LIAR.lacks - {b"\x1d(H"}), Heard(questions=(1, 4), completion="gs_h")),
        (replace(LIAR, lacks=LIAR.lacks - {b"\x1da"}), Heard(questions=(1, 4), completion="status", pushes=True)),
        (replace(LIAR, questions=frozenset({1})), Heard(questions=(1,))),
        (replace(LIAR, questions=frozenset()), Heard()),
    ],
)
def test_each_way_of_answering_is_told_from_the_others(tmp_path: Path, stack: ExitStack, clone: Clone, heard: Heard) -> None:
    rig = network(stack, clone=clone)
    cafe = Cafe(tmp_path, rig.connection, deadlines=SHORT)
    assert cafe.run("probe", "--ask", "no") == 0
    assert cafe.findings.heard == heard


def test_a_badge_is_right_on_a_clone_that_was_probed_and_wrong_before(tmp_path: Path, stack: ExitStack) -> None:
    """A strict printer with the same paper edge shows what the badge should look like."""
    rig = network(stack, clone=LIAR, lost_left=8)
    cafe = Cafe(tmp_path, rig.connection, more="answers = false\n")
    name = "Bjørn Müller på plats, 5 €"
    before = cafe.print_badge(rig, name)
    assert any("(k" in text for text in before.texts)
    assert lost_ink(before)
    assert cafe.run("probe", "--ask", "no") == 0
    assert cafe.run("probe", *answers(rig)) == 0
    after = cafe.print_badge(rig, name)
    honest = network(stack)
    expected = Cafe(tmp_path, honest.connection)
    expected.file.write(replace(cafe.findings, connection=expected.file.connection))
    wanted = expected.print_badge(honest, name)
    assert honest.errors == ()
    assert wanted.texts == after.texts
    assert ImageChops.difference(wanted.image.convert("L"), after.image.convert("L")).getbbox() is None
    assert before.texts != after.texts


def lost_ink(slip: Slip) -> bool:
    """Tell whether letters were cut at the left: ink at the first dot that is on paper, beside dots that are not."""
    column = slip.image.crop((8, 0, 9, slip.image.height))
    return b"\x00" in column.convert("L").tobytes()


def test_a_printer_that_says_nothing_is_still_probed_by_people(tmp_path: Path, stack: ExitStack) -> None:
    rig = network(stack, clone=HONEST)
    rig.mute()
    cafe = Cafe(tmp_path, rig.connection, deadlines=SHORT)
    found = probed(cafe, rig)
    assert found.heard == Heard()
    assert found.seen is not None
    assert found.seen.native_qr
    wiring = Wiring(cafe.config)
    assert wiring.printer_profile("generic-58").completion == "none"
    printer = wiring.make_printer()
    printer.open()
    try:
        printer.send(b"\x1b@hej\n", 3)
        assert printer.wait_printed(3, 0.1) is False
    finally:
        printer.close()


@pytest.mark.parametrize("baud", [38400, 115200])
def test_the_speed_of_a_serial_line_is_found(
    tmp_path: Path, stack: ExitStack, baud: int, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = stack.enter_context(Slow(baud=baud, dots=384, cutter=False))
    cafe = Cafe(tmp_path, f"serial:{rig.path}", deadlines=SHORT)
    assert cafe.run("probe", "--ask", "no") == 0
    assert cafe.findings.heard == Heard(questions=(1, 2, 3, 4), completion="gs_h", pushes=True, baud=baud)
    assert f"speed, baud: {baud}" in capsys.readouterr().out
    # The page came out whole: at a wrong speed it is nonsense.
    assert torn(rig).qr == ("fikatap:probe",)
    assert cafe.print_badge(rig, "Alva").qr


def test_a_configured_speed_stays_and_is_said_to_be_wrong(
    tmp_path: Path, stack: ExitStack, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = stack.enter_context(Slow(baud=57600, dots=384, cutter=False))
    cafe = Cafe(tmp_path, f"serial:{rig.path}?baud=19200", deadlines=SHORT)
    assert cafe.run("probe", "--ask", "no") == 0
    assert "WRONG SPEED: change baud in [printer] connection: 19200 → 57600" in capsys.readouterr().out
    assert "baud=19200" in Wiring(cafe.config).make_printer().describe()


def test_what_is_configured_is_not_overruled(tmp_path: Path, stack: ExitStack, capsys: pytest.CaptureFixture[str]) -> None:
    rig = network(stack, clone=LIAR)
    cafe = Cafe(tmp_path, rig.connection, more='completion = "gs_h"\npushes = true\n', deadlines=SHORT)
    assert cafe.run("probe", "--ask", "no") == 0
    settings: Any = cafe.config.printer and cafe.config.printer.settings
    assert cafe.findings.heard is not None
    as_found = settings.as_found(cafe.findings.heard)
    assert (as_found.completion, as_found.pushes, as_found.answers) == ("gs_h", True, True)
    assert "yes, when it is printed (GS ( H) (set in [printer])" in capsys.readouterr().out


def test_a_printer_that_was_cut_off_in_a_picture_is_probed(tmp_path: Path, stack: ExitStack) -> None:
    """The rest of the picture is filled up, so that the page is not taken for it."""
    rig = network(stack, clone=HONEST)
    with rig._changed:
        rig._take(b"\x1dv0\x00\x30\x00\x80\x00" + b"\xff" * 100)
    cafe = Cafe(tmp_path, rig.connection, deadlines=SHORT)
    assert cafe.run("probe", "--ask", "no") == 0
    assert cafe.findings.heard is not None
    assert cafe.findings.heard.completion == "gs_h"
    assert "fikatap:probe" in torn(rig).qr


def test_without_paper_nothing_is_found_and_the_cause_is_told(
    tmp_path: Path, stack: ExitStack, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = network(stack)
    rig.paper_out()
    cafe = Cafe(tmp_path, rig.connection, deadlines=SHORT)
    assert cafe.run("probe", *GIVEN) == 1
    assert "the printer stopped: paper_out" in capsys.readouterr().err
    assert cafe.file.read() is None


# Questions


@pytest.mark.parametrize("language", Language)
def test_people_are_asked_in_the_language_of_the_house(tmp_path: Path, stack: ExitStack, language: Language) -> None:
    rig = network(stack, clone=HONEST)
    cafe = Cafe(tmp_path, rig.connection, language=language.value)
    yes = {"sv": "ja", "da": "ja", "nb": "ja", "en": "yes"}[language.value]
    done = subprocess.run(
        [FIKATAP, "--config", cafe.path, "printer", "probe"],
        input=f"perhaps\n{yes}\n1,99\n1, 2\n9\n0\n{yes[0]}\n",
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert cafe.findings.seen == Seen(code_pages={"cp858": 19, "cp437": 0}, native_qr=True, left_dots=0)
    assert str(cafe.file.path) in done.stdout


@pytest.mark.parametrize("language", Language)
def test_the_page_is_short_in_every_language(tmp_path: Path, stack: ExitStack, language: Language) -> None:
    rig = network(stack)
    assert Cafe(tmp_path, rig.connection, language=language.value).run("probe", "--ask", "no") == 0
    assert torn(rig).image.height / 8 <= 150


def test_no_page_is_no_finding(tmp_path: Path, stack: ExitStack) -> None:
    rig = network(stack)
    cafe = Cafe(tmp_path, rig.connection)
    done = subprocess.run(
        [FIKATAP, "--config", cafe.path, "printer", "probe"], input="no\n", capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 1
    assert "Check power, cover and paper" in done.stderr
    assert cafe.findings.seen is None
    assert cafe.findings.heard is not None


def test_nobody_there_to_answer_is_told_what_to_do(tmp_path: Path, stack: ExitStack) -> None:
    rig = network(stack)
    done = subprocess.run(
        [FIKATAP, "--config", Cafe(tmp_path, rig.connection).path, "printer", "probe"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    assert done.returncode == 1
    assert "with --right, --left and --qr, or with --ask no" in done.stderr


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--right", "1,11"], "--right 1,11: write the numbers of the right lines, like 1,3,4 (they go up to 10)"),
        (["--right", ""], "--right : write the numbers"),
        (["--left", "7"], "--left 7: write a number from 0 to 6"),
        (["--left", "-1"], "--left -1: write a number from 0 to 6"),
        (["--qr", "perhaps"], "--qr perhaps: write yes or no"),
    ],
)
def test_a_wrong_answer_is_refused_before_paper_is_spent(
    tmp_path: Path, stack: ExitStack, capsys: pytest.CaptureFixture[str], given: list[str], said: str
) -> None:
    rig = network(stack)
    option, value = given
    assert Cafe(tmp_path, rig.connection).run("probe", f"{option}={value}") == 1
    assert said in capsys.readouterr().err
    assert rig.received == b""


def test_answers_of_before_stay_when_nobody_is_asked(tmp_path: Path, stack: ExitStack) -> None:
    rig = network(stack)
    cafe = Cafe(tmp_path, rig.connection)
    assert cafe.run("probe", *GIVEN) == 0
    seen = cafe.findings.seen
    assert cafe.run("probe", "--ask", "no") == 0
    assert cafe.findings.seen == seen is not None


def test_answers_about_another_profile_are_dropped_and_the_doctor_asks_for_new_ones(
    tmp_path: Path, stack: ExitStack, with_logo: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = network(stack)
    before = Cafe(tmp_path, rig.connection, more=with_logo)
    assert before.run("probe", *GIVEN) == 0
    now = Cafe(tmp_path, rig.connection, profile="TM-T88V", more=with_logo)
    hint = look(now.config, tmp_path)["printer probe"]
    assert (hint.state, hint.words) == ("warning", "done as generic-58, but the printer is now TM-T88V")
    assert now.run("show") == 0
    assert "draws QR codes itself: yes (says the profile TM-T88V" in capsys.readouterr().out
    assert now.run("logo", "--seen", "yes") == 1
    assert "was probed as generic-58 and is now TM-T88V" in capsys.readouterr().err
    assert now.findings.seen
    assert now.run("probe", "--ask", "no") == 0
    after = now.findings
    assert (after.profile, after.seen) == ("TM-T88V", None)


# Who may, and with what


def test_a_running_terminal_must_be_stopped_first(tmp_path: Path, capsys: pytest.CaptureFixture[str], stack: ExitStack) -> None:
    rig = network(stack)
    with Door(tmp_path) as door:
        cafe = Cafe(tmp_path, rig.connection)
        text = cafe.path.read_text(encoding="utf-8").replace(str(tmp_path / "s"), str(door.socket))
        cafe.path.write_text(text, encoding="utf-8")
        for command in (["probe", *GIVEN], ["forget"]):
            assert cafe.run(*command) == 1
            assert "stop it first: sudo systemctl stop fikatap" in capsys.readouterr().err
    assert rig.received == b""


def test_a_simulated_printer_has_nothing_to_find_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = CAFE.format(folder=tmp_path, socket=tmp_path / "s", rules="", match_ms=800, printer="", trust="true")
    (tmp_path / "terminal.toml").write_text(text, encoding="utf-8")
    assert main(["--config", str(tmp_path / "terminal.toml"), "printer", "show"]) == 1
    assert 'no [printer] with driver = "escpos"' in capsys.readouterr().err
    assert Wiring(parse(text)).findings is None


# What is kept


def test_what_is_known_is_shown_with_its_source_and_forgotten(
    tmp_path: Path, stack: ExitStack, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = network(stack)
    cafe = Cafe(tmp_path, rig.connection)
    assert cafe.run("show") == 0
    assert "draws QR codes itself: yes (says the profile generic-58, not probed)" in capsys.readouterr().out
    assert cafe.run("probe", "--right", "2", "--qr", "no", "--left", "1") == 0
    capsys.readouterr()
    assert cafe.run("show") == 0
    shown = capsys.readouterr().out
    assert f"code pages that are right: cp437 (0) (probed {cafe.findings.when})" in shown
    assert f"draws QR codes itself: no (probed {cafe.findings.when})" in shown
    assert "lost at the left: 1 mm (probed" in shown
    assert cafe.run("forget") == 0
    assert cafe.file.read() is None
    assert cafe.run("forget") == 0
    assert "Nothing to forget" in capsys.readouterr().out


def test_a_clock_that_is_not_trusted_dates_nothing(tmp_path: Path, stack: ExitStack) -> None:
    rig = network(stack)
    dated, undated = Cafe(tmp_path, rig.connection), Cafe(tmp_path, rig.connection, trust=False)
    assert undated.run("probe", "--ask", "no") == 0
    assert undated.findings.when == "" or Path("/run/systemd/timesync/synchronized").exists()
    dated = Cafe(tmp_path, rig.connection)
    assert dated.run("probe", "--ask", "no") == 0
    assert dated.findings.when


def test_findings_are_for_their_owner_only_and_replaced_as_a_whole(tmp_path: Path) -> None:
    file = Cafe(tmp_path, "usb").file
    file.write(Findings(connection="usb"))
    file.write(Findings(connection="usb", stored_logo="abc"))
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.path.read_text(encoding="utf-8"))["stored_logo"] == "abc"
    assert list(file.path.parent.iterdir()) == [file.path]


SEEN = b'{"connection": "usb", "seen": {"code_pages": %s, "native_qr": true, "left_dots": %s}}'
DAMAGED = [
    *(b"", b"{", b"\xff\xfe", b"[]", b'{"connection": "usb", "sene": 1}'),
    *(SEEN % (b'{"cp9": 1}', b"0"), SEEN % (b'{"cp437": 256}', b"0"), SEEN % (b"{}", b"-1")),
]


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_findings_are_told_and_the_profile_counts(
    tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    cafe = Cafe(tmp_path, "usb")
    cafe.file.path.parent.mkdir()
    cafe.file.path.write_bytes(damage)
    with pytest.raises(FindingsError, match=r"usb\.json is damaged .*run `fikatap printer probe` anew"):
        cafe.file.read()
    wiring = Wiring(cafe.config)
    assert wiring.printer_profile("generic-58") == profile("generic-58")
    assert isinstance(wiring.make_printer(), EscposPrinter)
    (record,) = caplog.records
    assert "usb.json is damaged" in record.message


def test_the_doctor_tells_how_much_is_known(tmp_path: Path, stack: ExitStack) -> None:
    rig = network(stack)
    cafe = Cafe(tmp_path, rig.connection)
    hint = look(cafe.config, tmp_path)["printer probe"]
    assert (hint.state, hint.words) == ("warning", "not done; what the profile says is believed")
    assert hint.remedy.endswith("fikatap printer probe")
    assert cafe.run("probe", *GIVEN) == 0
    found = look(cafe.config, tmp_path)["printer probe"]
    assert (found.state, found.words) == ("ok", f"done {cafe.findings.when}")
    cafe.file.path.write_bytes(b"{")
    damaged = look(cafe.config, tmp_path)["printer probe"]
    assert damaged.state == "warning"
    assert str(cafe.file.path) in damaged.words


@pytest.mark.parametrize(
    ("connection", "name"),
    [
        ("usb", "usb"),
        ("usb:04B8:0e15", "usb-04b8-0e15"),
        ("serial:/dev/serial/by-id/usb-1a86_USB-if00?baud=9600", "serial-dev-serial-by-id-usb-1a86_USB-if00"),
        ("serial:/dev/ttyUSB0", "serial-dev-ttyUSB0"),
        ("network:[fe80::1]:9101", "network-fe80-1-9101"),
        ("network:printer", "network-printer-9100"),
        ("file:/dev/usb/lp0", "file-dev-usb-lp0"),
        ("file:../../etc/x", "file-..-..-etc-x"),
    ],
)
def test_each_connection_has_a_name_for_its_file(connection: str, name: str) -> None:
    assert where(EscposPrinter.Settings(connection=connection)) == name


# The logo


@pytest.fixture
def with_logo(tmp_path: Path) -> str:
    picture = Image.new("1", (160, 64), 1)
    picture.paste(0, (8, 8, 150, 40))
    picture.save(tmp_path / "logo.png")
    (tmp_path / "badge.toml").write_text('logo = "logo.png"\n', encoding="utf-8")
    return f'\n[badge]\ntemplate = "{tmp_path / "badge.toml"}"\n'


def test_a_logo_is_sent_once_and_badges_use_it(
    tmp_path: Path, stack: ExitStack, with_logo: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = network(stack)
    cafe = Cafe(tmp_path, rig.connection, more=with_logo)
    assert cafe.run("logo", "--seen", "yes") == 0
    assert rig._printer.logo_writes == 1
    slip = torn(rig)
    assert ImageChops.invert(slip.image.convert("L")).getbbox() is not None
    wiring = Wiring(cafe.config)
    known = wiring.printer_profile("generic-58")
    logo = wiring.logo(known)
    assert logo is not None
    assert known.stored_logo == logo.digest
    assert cafe.run("logo", "--seen", "yes") == 1
    assert "its memory wears each time; --again" in capsys.readouterr().err
    assert rig._printer.logo_writes == 1
    assert cafe.run("logo", "--seen", "yes", "--again") == 0
    assert rig._printer.logo_writes == 2


def test_a_probe_does_not_rely_on_the_logo_of_before_as_it_may_be_another_printer(
    tmp_path: Path, stack: ExitStack, with_logo: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = network(stack)
    cafe = Cafe(tmp_path, rig.connection, more=with_logo)
    assert cafe.run("logo", "--seen", "yes") == 0
    assert cafe.findings.stored_logo
    assert cafe.run("probe", "--ask", "no") == 0
    assert cafe.findings.stored_logo == ""
    assert "The logo has to be put in again: fikatap printer logo" in capsys.readouterr().out
    assert cafe.run("probe", "--ask", "no") == 0
    assert "printer logo" not in capsys.readouterr().out


def test_a_logo_that_does_not_come_out_is_not_relied_on(tmp_path: Path, stack: ExitStack, with_logo: str) -> None:
    rig = network(stack, clone=LIAR)
    cafe = Cafe(tmp_path, rig.connection, more=with_logo, deadlines=SHORT)
    assert cafe.run("probe", "--ask", "no") == 0
    assert cafe.run("logo", "--seen", "no") == 1
    assert cafe.findings.stored_logo == ""
    assert cafe.findings.heard is not None


def test_without_a_logo_there_is_nothing_to_store(tmp_path: Path, stack: ExitStack, capsys: pytest.CaptureFixture[str]) -> None:
    rig = network(stack)
    assert Cafe(tmp_path, rig.connection).run("logo") == 1
    assert "the template names no logo" in capsys.readouterr().err
    assert rig.received == b""


def test_a_printer_that_can_not_answer_by_its_connection_is_probed_when_told_so(tmp_path: Path, stack: ExitStack) -> None:
    rig = stack.enter_context(FilePrinter(dots=384, cutter=False))
    cafe = Cafe(tmp_path, rig.connection, more="answers = false\n")
    assert cafe.run("probe", *GIVEN) == 0
    assert cafe.findings.heard == Heard()
