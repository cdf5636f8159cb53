"""The desk's sentences: what the terminal, the import and the list of people refuse, in the reader's language."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import apsw
import pytest

import drivers
from firmware_py import terminal
from firmware_py.database import told as ledger_error
from firmware_py.desk.access import Access, AccessError, Role
from firmware_py.desk.render import Renderer
from firmware_py.desk.staff.words import Words
from firmware_py.members import MembersFileError, read_members
from firmware_py.office import CommandError
from firmware_py.vocabulary import load_vocabulary
from kiosk.values import Cause, Language


@pytest.fixture(scope="module")
def words() -> Words:
    return Words(Renderer().texts, Language.DA, Language.SV)


def test_other_refusals_are_said_in_general_and_the_terminals_words_are_kept_for_technicians(words: Words) -> None:
    odd, known = CommandError("the moon is in the way"), CommandError("there is no open notice 7")
    assert "moon" not in words.refusal(odd)
    assert words.small(odd) == "the moon is in the way"
    assert words.refusal(known) not in ("", str(known), words.refusal(odd))
    assert words.small(known) == ""


NEVER_ON_A_PAGE = re.compile(
    # what no button of the desk asks for, or asks wrongly
    r".* needs '.*', .*|there is no command .*|members\.put takes .*|members\.put .*|7 takes no such argument.*"
    r"|7 can't be kept from themselves.*|7 and 7 are not blocked from each other|'7' is not a card's UID.*"
    r"|'7' is a random UID.*|stop the terminal first.*|there is no reader '7'.*|visit 7 has ended.*|the text to search for .*"
    r"|7: .*|desk\.slip takes .*|'7' is no address of a desk.*|'7' is not the beginning of a fingerprint.*|the terminal .*"
)


def test_every_refusal_of_the_terminal_that_can_reach_a_page_has_words(words: Words) -> None:
    root = Path(terminal.__file__).parent
    sources = [*root.glob("*.py"), root.parent / "commands.py", root.parent / "reads.py"]
    told = {sentence for source in sources for sentence in _refusals_in(source)}
    assert len(told) > 25
    unknown = [each for each in told if words.small(CommandError(each)) and not NEVER_ON_A_PAGE.fullmatch(each)]
    assert unknown == []


def _refusals_in(source: Path) -> Iterator[str]:
    """Yield the sentences of a file's `CommandError`s, with 7 for each part that is filled in."""
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "CommandError":
            match node.args[0]:
                case ast.Constant(str() as told):
                    yield told
                case ast.JoinedStr(values):
                    yield "".join(str(each.value) if isinstance(each, ast.Constant) else "7" for each in values)
                case _:
                    pass


FAULTY = (
    "id;first_name;language;occupation;industry;seeks;pastimes;wishes;mood;quiet;languages\n"
    "x1;;sv;;;;;;;;\n"
    f"{'x' * 61};Frida;xx;no such;no such;no such, at all;no such;x;sleepy;perhaps;?\n"
    "x3;\u200b;sv;;;;;;;;\n"
    "x4;Frida;sv\n"
    'x5;"Fri;sv;;;;;;;;\n'
    "x6;Frida;sv;;;;;;;;\n"
    "x6;Frida;sv;;;;;;;;\n"
    f"x7;Frida;sv;;;{';'.join(f'{n}' for n in range(3))};;;;;\n"
    "x8;Frida\u202e;sv;;;" + '"' + ";".join(["no"] * 21) + '"' + ";;;;;\n"
).encode() + b"x9;\xc5sa;sv;;;;;;;;\n"


@pytest.mark.parametrize("language", Language)
def test_what_is_wrong_in_a_list_is_said_in_the_readers_language(language: Language) -> None:
    words = Words(Renderer().texts, language, Language.SV)
    rows = list(read_members(BytesIO(FAULTY), load_vocabulary()))
    told = {remark.right for row in rows for remark in (*row.faults, *row.warnings)}
    assert len(told) >= 15
    assert [each for each in told if not words.remark(each)] == []


FOUND = re.compile("7|77")
"""What another part of the program, or a library, says by itself, and is looked at there."""


def test_whatever_a_driver_says_of_its_device_has_words(words: Words) -> None:
    """Of each `Device…Error` of the drivers, and of what stands in for one, with 7 for what is filled in."""
    root = Path(drivers.__file__).parent
    sources = [*root.rglob("*.py"), *(root.parent / "firmware_py" / "terminal").glob("*.py")]
    told = {sentence for source in sources for sentence in _troubles_in(source)} | {"it hangs: no answer within its deadline"}
    assert len(told) > 50
    assert [each for each in sorted(told) if words.fault(each) == words.say("fault.other")] == []
    assert "moon" not in words.fault("the moon is in the way")


def test_a_service_that_has_trouble_is_told_from_one_that_says_no(words: Words) -> None:
    said = {status: words.fault(f"https://match.example.org answers {status}: why") for status in (403, 429, 503)}
    assert said[429] == said[503] == words.say("fault.busy")
    assert said[403] == words.say("fault.refuses")


def test_what_the_ledger_says_of_its_disk_has_words_too(words: Words) -> None:
    """Matching and the second medium hand it on as what is wrong with them."""
    errors = (apsw.FullError, apsw.ReadOnlyError, apsw.NotADBError, apsw.CorruptError, apsw.CantOpenError, apsw.IOError)
    for error in (*errors, apsw.BusyError):
        said = str(ledger_error(Path("/var/lib/fikatap/ledger.db"), error("why")))
        assert words.fault(said) == words.say("fault.storage"), said


@pytest.mark.parametrize("language", Language)
def test_why_a_printer_stopped_is_said_as_everywhere_else(language: Language) -> None:
    words = Words(Renderer().texts, language, Language.SV)
    for cause in Cause:
        assert words.fault(f"the printer stopped: {cause}") == f"{words.term(f'cause.{cause}')}."


def _troubles_in(source: Path) -> Iterator[str]:
    """Yield the sentences of a file's `DeviceError`s, with 7 for each part that is filled in."""
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if not isinstance(node, ast.Call) or not node.args or not re.match(r"Device[A-Z]|missing$", ast.unparse(node.func)):
            continue
        match node.args[0]:
            case ast.Constant(str() as told):
                yield told
            case ast.JoinedStr(values):
                told = "".join(str(each.value) if isinstance(each, ast.Constant) else "7" for each in values)
                if not FOUND.fullmatch(told):
                    yield told.replace("stopped: 7", "stopped: paper_out").replace("answers 77", "answers 403")
            case _:
                pass


AWAY = {"ended": "over", "from_s": 7_300, "until_s": 7_200, "lasted_s": 100, "utc_ms": 1_764_000_000_000}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (AWAY, "2 h 0 min ago · gone for 1 min"),
        ({**AWAY, "ended": "lasts", "until_s": None, "lasted_s": None}, "gone now · 2 h 1 min"),
        (
            {**AWAY, "ended": "restart", "until_s": None, "lasted_s": None},
            "2 h 1 min ago · gone until the terminal was restarted",
        ),
        # Of a day before this one, or while the clock is not trusted now: as it was then.
        ({**AWAY, "from_s": 200_100, "until_s": 200_000}, "2025-11-24 17:00 · gone for 1 min"),
        ({**AWAY, "from_s": None, "until_s": None}, "2025-11-24 17:00 · gone for 1 min"),
        ({**AWAY, "from_s": None, "until_s": None, "utc_ms": None}, "before the restart · gone for 1 min"),
    ],
)
def test_when_a_device_was_away_is_said_as_far_as_it_is_known(fault: dict[str, Any], said: str) -> None:
    assert Words(Renderer().texts, Language.EN, Language.SV).away(fault, ZoneInfo("Europe/Stockholm")) == said


HEADERS = (
    "id;first_name\n".encode("utf-16"),
    "id;förnamn\n".encode("latin-1"),
    b'id;"first_name\n',
    b"x" * 100_000,
    b"id;called\n",
    b"id;first_nam\n",
    b"id;id\n",
    b"id;language\n",
    b"",
)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("data", HEADERS)
def test_why_a_file_is_no_list_is_said_in_the_readers_language(language: Language, data: bytes) -> None:
    words = Words(Renderer().texts, language, Language.SV)
    with pytest.raises(MembersFileError) as caught:
        list(read_members(BytesIO(data), load_vocabulary()))
    said = words.file(str(caught.value))
    assert said not in ("", words.say("file.other")), caught.value
    assert "{" not in said


def test_a_name_or_pin_that_can_not_be_taken_is_said_in_the_readers_language(words: Words, tmp_path: Path) -> None:
    access = Access(tmp_path / "access.json", "boot", lambda: 1.0)
    access.set_pin("Max", Role.MANAGER, "271828")
    asked: list[Callable[[], object]] = [
        lambda: access.set_pin("", Role.STAFF, "271828"),
        lambda: access.set_pin("Bo", Role.STAFF, "2718"),
        lambda: access.set_pin("Bo", Role.STAFF, "111111"),
        lambda: access.set_pin("Bo", Role.STAFF, "271828", new=False),
        lambda: access.set_pin("Max", Role.STAFF, "271828", keeps_manager=True),
        lambda: access.remove("Bo"),
        lambda: access.remove("Max", keeps_manager=True),
    ]
    for each in asked:
        with pytest.raises(AccessError) as caught:
            each()
        assert words.has(f"access.{caught.value.key}"), caught.value
        assert words.trouble(caught.value) != str(caught.value)
