from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_py.toml_lines import Place, line_of, lines

DECOYS = ("fields = [", "[words.sv]", "a, b = {", "'", "]", "# no comment")


@st.composite
def values(draw: st.DrawFn, depth: int = 0) -> str:
    """Return a value in TOML; @ stands where its own mark goes, which is nowhere else in the text."""
    kinds = ["basic", "literal", "long", "long literal", "number", *(["list", "table"] if depth < 3 else [])]
    decoy = draw(st.sampled_from(DECOYS))
    match draw(st.sampled_from(kinds)):
        case "basic":
            return f'"@ {decoy} \\" \\\\"'
        case "literal":
            return f"'@ {decoy.replace(chr(39), '')} \\'"
        case "long":
            return f'"""@ {decoy}\n{decoy} " "" \\"""\n"""' + draw(st.sampled_from(["", '"', '""']))
        case "long literal":
            return f"'''@ {decoy}\n# [{decoy} \\\n '' x'''"
        case "number":
            return "@"
        case "list":
            gap = draw(st.sampled_from([" ", "\n", f" # {decoy}\n\n"]))
            items, last = draw(st.lists(values(depth + 1), max_size=4)), draw(st.booleans())
            return f"[{gap}{f'{gap},{gap}'.join(items)}{gap}{',' if last and items else ''}{gap}]"
        case _:
            return f"{{ {', '.join(f'{draw(keys())} = {each}' for each in draw(st.lists(values(depth + 1), max_size=3)))} }}"


def keys() -> st.SearchStrategy[str]:
    """Return keys that are all different once ! is a number: bare, quoted, with a dot in them, and dotted."""
    return st.sampled_from(["k!", '"k!"', "'k.!'", '"k\\u00e9 = ]!"', "k!.a . 'b'", 'k!."fields"'])


@st.composite
def documents(draw: st.DrawFn) -> str:
    headers = st.builds("[ {} ] # [x]\n".format, keys())
    statements = st.builds("{} = {}\n".format, keys(), values())
    others = st.sampled_from(["\n", "# fields = [\n", "  \t\r\n"])
    text = "".join(draw(st.lists(headers | statements | others, max_size=6)))
    for sign, base in (("!", 100), ("@", 9_000)):
        pieces = text.split(sign)
        text = pieces[0] + "".join(f"{number}{piece}" for number, piece in enumerate(pieces[1:], base))
    return text


def leaves(value: Any, *place: str | int) -> Iterator[tuple[Place, str]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from leaves(each, *place, name)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from leaves(each, *place, number)
    else:
        yield place, str(value)[:4]


@given(documents())
def test_every_value_is_found_on_the_line_where_it_begins(text: str) -> None:
    found = lines(text)
    for place, mark in leaves(tomllib.loads(text)):
        assert found[place] == text[: text.index(mark)].count("\n") + 1, place


def test_keys_and_items_of_a_template_are_found() -> None:
    text = (
        'slips = """"fault""""\n# fields\nlogo = "fields"\nfields = [ "copy", # name, "name"\n\n  "name",\n"zone"\n]\n'
        '[ words . sv ]\n"badge.go" = """\n[words.da]\n"""\nbadge.until = \'until\'\n'
        '[words."da"]\nbadge = { go = "x", until = "y" }\n'
    )
    assert lines(text) == {
        ("slips",): 1,
        ("logo",): 3,
        ("fields",): 4,
        ("fields", 0): 4,
        ("fields", 1): 6,
        ("fields", 2): 7,
        ("words",): 9,
        ("words", "sv"): 9,
        ("words", "sv", "badge.go"): 10,
        ("words", "sv", "badge"): 13,
        ("words", "sv", "badge", "until"): 13,
        ("words", "da"): 14,
        ("words", "da", "badge"): 15,
        ("words", "da", "badge", "go"): 15,
        ("words", "da", "badge", "until"): 15,
    }


def test_what_has_no_line_of_its_own_is_on_the_line_of_what_is_around_it() -> None:
    found = lines("\n[[words]]\na = 1\n[[words]]\na = 2\n")
    assert line_of(found, ("words", 1, "a")) == 2
    with pytest.raises(StopIteration):
        line_of(found, ("nothing",))
