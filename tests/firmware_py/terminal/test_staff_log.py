"""The journal speaks the café's language, says what to do, and names nobody."""

from __future__ import annotations

import ast
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from string import Formatter

import pytest

from drivers.ports import Kind, PresentedCard
from firmware_py.cli import main
from firmware_py.demo import card_of
from firmware_py.matching.calls import LANES
from firmware_py.terminal.loop import LIGHTS, MATCHING, PRINTER, SCHEDULE, SOUNDER
from firmware_py.terminal.notify import Notifier
from firmware_py.terminal.staff_log import SENTENCES, StaffFormatter, language_in, tell_crash
from firmware_py.terminal.status import SECOND
from firmware_py.texts import load_texts
from kiosk.jobs import JobState
from kiosk.signals import Signal
from kiosk.values import Consents, Language, Member, MemberId, TopicId
from tests.firmware_py.terminal.harness import Door

ROOT = Path(__file__).parents[3]
RUNNING = (
    "terminal",
    "matching",
    "recovery.py",
    "releases.py",
    "wiring.py",
    "ledger.py",
    "database.py",
    "backup.py",
    "schedule.py",
    "speech.py",
)
"""What the terminal is made of when it runs."""


def logged() -> Iterator[tuple[Path, str]]:
    """Yield each line that the running terminal logs for staff, as it stands in the code."""
    for name in RUNNING:
        path = ROOT / "firmware_py" / name
        for file in path.rglob("*.py") if path.is_dir() else [path]:
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in ("info", "warning", "error", "exception", "critical")
                    and ast.unparse(node.func.value) in ("log", "logging.getLogger('fikatap')")
                ):
                    first = node.args[0]
                    said = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
                    for each in said:
                        assert isinstance(each, ast.Constant), f"{file}:{node.lineno} is no plain sentence"
                        yield file, str(each.value)


def test_every_line_that_the_terminal_logs_has_words_for_staff() -> None:
    lines = list(logged())
    assert len(lines) > 20
    assert {f"{file.name}: {line}" for file, line in lines if line not in SENTENCES} == set()
    assert set(SENTENCES) == {line for _, line in lines}, "words for a line that nobody logs"


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("line", SENTENCES)
def test_what_is_said_to_staff_has_all_parts_of_the_line(language: Language, line: str) -> None:
    key, *names = SENTENCES[line]
    texts = load_texts()
    if key == "ready":
        assert "3" in texts.count(language, "journal.ready", 3)
        return
    said = {name for _, name, _, _ in Formatter().parse(texts.raw(language, f"journal.{key}")) if name}
    assert said - {"remedy"} == set(names)
    assert line.count("%") == len(names)


def format_line(language: Language, line: str, *args: object) -> str:
    record = logging.LogRecord("fikatap", logging.WARNING, "", 0, line, args, None)
    return StaffFormatter(load_texts(), language).format(record)


def test_a_lost_reader_is_told_in_swedish_with_what_to_do() -> None:
    assert format_line(Language.SV, "%s is gone: %s", "reader door", "unplugged") == (
        "Kortläsare door är borta (unplugged). Gör så här: sätt i läsarens kabel; kontrollera att pcscd är igång "
        "(systemctl status pcscd)."
    )
    assert format_line(Language.DA, "ready: %d here", 1) == "Døren er åben; 1 gæst er her."


EVERY_LANE = ("reader door", PRINTER, LIGHTS, SOUNDER, MATCHING, SCHEDULE, SECOND, *LANES)


def test_every_lane_that_can_be_is_among_those_that_have_a_name(tmp_path: Path) -> None:
    calendar, second = tmp_path / "calendar.ics", tmp_path / "second"
    second.mkdir()
    door = Door(
        tmp_path,
        record=f'second = "{second}"\n[schedule]\nfile = "{calendar}"',
        service='driver = "http"\nurl = "http://127.0.0.1:9"\nvenue = "v1"',
    )
    with door:
        assert {name.partition(" ")[0] for name in door.terminal._supervisor.watched} == {
            name.partition(" ")[0] for name in EVERY_LANE
        }


@pytest.mark.parametrize("device", EVERY_LANE)
@pytest.mark.parametrize("language", Language)
def test_every_device_has_a_name_and_a_remedy(language: Language, device: str) -> None:
    said = format_line(language, "%s is gone: %s", device, "why")
    port, _, name = device.partition(" ")
    assert said.lower().startswith(f"{load_texts().say(language, f'doctor.{port}')} {name}".strip())
    assert load_texts().say(language, f"doctor.{port}_remedy") in said
    assert said[0].isupper()


def test_a_line_that_is_not_known_stays_as_it_is() -> None:
    assert format_line(Language.SV, "somebody else's %s: %d", "line", 3) == "somebody else's line: 3"


def test_a_crash_is_told_by_kind_and_place_and_not_by_what_it_says(caplog: pytest.LogCaptureFixture) -> None:
    try:
        dict[str, str]()["Sigrid Provsson"]
    except KeyError:
        kind, error, trace = sys.exc_info()
        assert kind is not None
        assert error is not None
        tell_crash(kind, error, trace)
    assert re.fullmatch(r"our own mistake: KeyError in test_staff_log\.py:\d+", caplog.messages[0])
    assert "Sigrid" not in caplog.text


@pytest.mark.parametrize(("command", "unit"), [("run", "fikatap"), ("desk serve", "fikatap-desk"), ("speak", "fikatap-speech")])
@pytest.mark.parametrize("language", Language)
def test_what_is_wrong_with_the_configuration_is_one_line_with_what_to_do(
    language: Language, command: str, unit: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "terminal.toml"
    path.write_text(f'[cafe]\nname = "x"\nlanguage="{language}"\nclses = "22:00"\n', "utf-8")
    assert main(["--config", str(path), *command.split()]) == 78
    (line,) = capsys.readouterr().err.splitlines()
    begin, _, end = load_texts().raw(language, "journal.wrong").partition("{why}")
    assert line.startswith(f"fikatap: {begin}{path}: [cafe] has no 'clses'; ")
    assert line.endswith(end.format(unit=unit))
    assert f"systemctl restart {unit}" in line


@pytest.mark.parametrize(
    "text",
    ["", 'language = "tlh"\n', "[cafe\n", '# language = "da"\n', None],
    ids=["none", "odd", "broken", "comment", "no file"],
)
def test_a_configuration_that_does_not_say_its_language_is_told_of_in_swedish(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "terminal.toml"
    if text is not None:
        path.write_text(text, "utf-8")
    assert language_in(path) is Language.SV


def test_a_shipped_configuration_says_its_language(tmp_path: Path) -> None:
    shipped = (ROOT / "systemd" / "terminal.toml").read_text("utf-8")
    (tmp_path / "x").write_text(shipped.replace('language = "sv"', 'language = "nb"'), "utf-8")
    assert language_in(tmp_path / "x") is Language.NB


# A morning's journal


class Heard(logging.Handler):
    """Keeps what is written to the journal in each language, and what it was in the code."""

    def __init__(self) -> None:
        super().__init__()
        self.setLevel(logging.DEBUG)
        self.lines: list[str] = []
        self._formatters = [StaffFormatter(load_texts(), language) for language in Language]

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += [record.getMessage(), *(each.format(record) for each in self._formatters)]
        if record.exc_info:
            self.lines.append(logging.Formatter().formatException(record.exc_info))


class Told(Notifier):
    """Keeps what systemd is told."""

    def __init__(self) -> None:
        super().__init__({})
        self.said: list[str] = []

    def _send(self, message: str) -> None:
        self.said.append(message)


@contextmanager
def journal() -> Iterator[Heard]:
    heard, logger = Heard(), logging.getLogger("fikatap")
    before = logger.level
    logger.addHandler(heard)
    logger.setLevel(logging.DEBUG)
    try:
        yield heard
    finally:
        logger.setLevel(before)
        logger.removeHandler(heard)


NAMES = ("Sigrid", "Truls", "Bodil", "Yngve", "Ragnhild", "Östen")


def member(number: int) -> Member:
    """Return a made-up member of whom each word would be noticed in the journal."""
    name = NAMES[number % len(NAMES)]
    return Member(
        MemberId(f"medlem-{number:04}"),
        f"{name} Provsson{number}",
        Language.SV,
        seeks=(TopicId("dataanalys"),),
        offers=(TopicId("webdev"),),
        consents=Consents(introductions=True, name=True, occupation=True, need=True),
    )


def test_a_morning_with_every_trouble_leaves_nobodys_data_in_the_journal(tmp_path: Path) -> None:
    told = Told()
    with journal() as heard:
        door = Door(tmp_path, people=0, notifier=told, printer="")
        ledger, key = door.terminal._ledger, door.terminal._key
        people = [member(number) for number in range(1, 9)]
        ledger.put_members(people)
        cards = {}
        for number, each in enumerate(people, 1):
            cards[number] = key.pseudonym(card_of(number).uid)
            ledger.bind_card(cards[number], each.id)
        with door:
            door.tap(1, 2, 3)
            door.until_jobs(JobState.CONFIRMED, 3)
            door.touch("04aabbccddeeff")  # nobody's
            door.until_answered(Signal.UNKNOWN_CARD)
            door.until_jobs(JobState.CONFIRMED, 4)
            door.reader.tap(PresentedCard(uid=bytes.fromhex("08123456"), kind=Kind.PHONE))
            door.printer.paper_out()
            door.tap(4)
            door.call("cards.block", of=people[4].id)
            door.tap(5)
            door.until_answered(Signal.BLOCKED_CARD)
            door.printer.paper_in()
            door.until_jobs(JobState.CONFIRMED, 5)
            door.printer.unplug()
            door.reader.unplug()
            door.lights.unplug()
            door.call("visits.leave", member=people[0].id)
            door.call("members.remove", member=people[0].id)
            door.reader.plug()
            door.printer.plug()
            door.tap(6)
            door.call("visits.leave", member=people[1].id)
        again = Door(tmp_path, people=0, notifier=told)
        with again:
            again.tap(7)
            again.until_jobs(JobState.CONFIRMED)
    words = [*heard.lines, *told.said]
    assert sum("till personalen" in each.lower() for each in heard.lines) >= 2, "no trouble was told"
    private = [*NAMES, "Provsson", "medlem-", "04aabbccddeeff", "08123456"]
    private += [each for number, pseudonym in cards.items() for each in (pseudonym, card_of(number).uid.hex())]
    found = {(secret, line) for line in words for secret in private if secret.lower() in line.lower()}
    assert found == set()
