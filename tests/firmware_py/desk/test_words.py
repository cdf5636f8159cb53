"""The desk's sentences: what the terminal, the import and the list of people refuse, in the reader's language."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest

from firmware_py import terminal
from firmware_py.desk.access import Access, AccessError, Role
from firmware_py.desk.render import Renderer
from firmware_py.desk.staff.words import Words
from firmware_py.members import read_members
from firmware_py.office import CommandError
from firmware_py.vocabulary import load_vocabulary
from kiosk.values import Language


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
