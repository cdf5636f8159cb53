"""The desk's parts that need no browser: where forms may lead, refusals in the reader's language, the drawing of an evening."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from firmware_py.demo import Cafe
from firmware_py.desk.access import Role
from firmware_py.desk.guard import MOST_BODY, MOST_FIELDS, own_names
from firmware_py.desk.render import Renderer
from firmware_py.desk.staff.deeds import DEEDS
from firmware_py.desk.staff.devices import addresses
from firmware_py.desk.staff.evening import BOTTOM, HEIGHT, LEFT, MOST_LABELS, MOST_LINES, RIGHT, TOP, WIDTH, plot
from firmware_py.desk.staff.now import Todo, _spans, todos
from firmware_py.desk.staff.turn import HOME, inside, link
from firmware_py.desk.staff.words import Words
from firmware_py.office import CommandError
from firmware_py.terminal.control import ControlClient
from firmware_py.terminal.loop import _NOT_ENROLLED
from firmware_py.terminal.staff import NO_PRINTER
from firmware_py.terminal.supervise import Health
from kiosk.badge import SlipKind
from kiosk.effects import Notice
from kiosk.jobs import JobState
from kiosk.values import Cause, Language, Mood

SHUT = ("no_storage", "no_key", "no_ledger", "no_copies")


@pytest.fixture(scope="module")
def words() -> Words:
    return Words(Renderer().texts, Language.DA, Language.SV)


@pytest.mark.parametrize("to", ["/desk", "/desk?x=1", "/desk/member?id=a%2Fb", "/desk/badges"])
def test_a_form_leads_back_to_the_desk(to: str) -> None:
    assert inside(to) == to


@pytest.mark.parametrize(
    "to", ["", "//evil.example", "https://evil.example", "/deskevil", "/desk/../x", "/desk\\x", "/desk\r\nx: y", "/screen"]
)
def test_a_form_leads_nowhere_else(to: str) -> None:
    assert inside(to) == HOME


def test_an_address_carries_any_id() -> None:
    assert link("/desk/member", id='a&b="<') == "/desk/member?id=a%26b%3D%22%3C"


def test_refusals_that_staff_meets_are_in_the_readers_language(words: Words) -> None:
    asked: dict[str, dict[str, Any]] = {
        "members.show": {"member": "nobody"},
        "visits.leave": {"member": "m0001"},
        "match.explain": {"member": "m0001"},
        "match.group": {},
    }
    with Cafe() as cafe, ControlClient(cafe.config.control.socket) as client:
        sentences = [_refusal(client, command, **arguments) for command, arguments in asked.items()]
        client.call("visits.checkin", member="m0001")
        sentences += [
            _refusal(client, "visits.checkin", member="m0001"),
            _refusal(client, "members.remove", member="m0001"),
        ]
    for error in [*sentences, *map(CommandError, (*_NOT_ENROLLED.values(), NO_PRINTER))]:
        assert words.refusal(error) != str(error), error


@pytest.mark.parametrize("language", Language)
def test_whatever_the_terminal_can_say_has_its_words(language: Language) -> None:
    words = Words(Renderer().texts, language, Language.SV)
    of_a_printer = set(Cause) - {Cause.STALE, Cause.UNPRINTABLE, Cause.LEFT, Cause.REPLACED}
    values: dict[str, Iterable[str]] = {
        "do": [*of_a_printer, "no_reader", *SHUT, Notice.UNKNOWN_CARD, Notice.BLOCKED_CARD],
        "todo": ["no_reader", *SHUT],
        "state": JobState,
        "what": ["badge", *SlipKind],
        "health": Health,
        "mood": Mood,
        "said": [f"mood_{mood}" for mood in Mood],
        "role": Role,
        "language": Language,
        "did": ["desk_slip", *(deed.command.replace(".", "_") for deed in DEEDS.values())],
    }
    assert [f"{key}.{value}" for key, those in values.items() for value in those if not words.has(f"{key}.{value}")] == []


@pytest.mark.parametrize(
    ("came_to", "first"),
    [
        ("192.168.1.20", ["https://192.168.1.20:8443/desk"]),
        ("::ffff:192.168.1.20", ["https://192.168.1.20:8443/desk"]),
        ("fd00::20", ["https://[fd00::20]:8443/desk"]),
        ("127.0.0.1", []),
        ("fe80::20%wlan0", []),
    ],
)
def test_other_phones_find_the_desk_where_this_one_did_and_by_its_name(came_to: str, first: list[str]) -> None:
    assert addresses(came_to, 8443) == [*first, f"https://{own_names()[1]}:8443/desk"]


def test_an_older_terminal_need_not_say_whether_it_is_shut(words: Words) -> None:
    printer = {"configured": True, "cause": None, "paper_low": False}
    told = {"status": {"printer": printer, "devices": [], "stores": False}, "jobs.list": []}

    async def read(command: str) -> Any:
        return told[command]

    turn: Any = SimpleNamespace(words=words, read=read)
    assert asyncio.run(todos(turn, {"trouble": None, "printer": printer})) == []


def test_many_notices_are_settled_by_one_field(words: Words) -> None:
    todo = Todo("the same again", notices=list(range(1, 2_001)))
    page = Renderer().html(
        "desk/_now.html",
        Language.DA,
        words=words,
        todos=[todo],
        visits=[],
        zones={},
        scene={"zones": []},
        csrf="",
        back=HOME,
        link=link,
    )
    assert page.count("<input") < MOST_FIELDS
    assert len(page) < MOST_BODY
    assert page.count('name="notices"') == 1
    assert " 1999 2000" in page


def test_numbers_are_noted_in_few_characters() -> None:
    assert _spans([3, 1, 2, 9, 11, 12]) == "1-3 9 11-12"
    assert _spans([]) == ""


def test_what_keeps_two_apart_is_in_the_readers_language(words: Words) -> None:
    assert words.verdict("inget gemensamt språk") != "inget gemensamt språk"
    assert words.verdict("något annat") == "något annat"


@pytest.mark.parametrize(
    ("seconds", "span", "ago"),
    [(0, "under et minut", "lige nu"), (60, "1 min", "for 1 min siden"), (3_900, "1 t 5 min", "for 1 t 5 min siden")],
)
def test_times_are_in_words(words: Words, seconds: int, span: str, ago: str) -> None:
    assert (words.span(seconds), words.ago(seconds)) == (span, ago)


@pytest.mark.parametrize("most", [0, 1, 7, 40, 999])
@pytest.mark.parametrize("count", [1, 9, 40])
def test_an_evening_fits_into_its_drawing(most: int, count: int) -> None:
    drawn = plot([{"begins": f"{number:02}:00", "here": most * number // count, "checkins": most} for number in range(count)])
    assert len(drawn.bars) == count
    assert all(bar.x >= LEFT and bar.x + bar.width <= WIDTH - RIGHT for bar in drawn.bars)
    assert all(TOP <= bar.y <= HEIGHT - BOTTOM and bar.height >= 0 and bar.arrived_y >= TOP for bar in drawn.bars)
    assert 1 <= sum(bool(bar.label) for bar in drawn.bars) <= MOST_LABELS
    assert len(drawn.lines) <= MOST_LINES + 1 or most > 500
    assert drawn.lines[-1][0] <= min(bar.arrived_y for bar in drawn.bars)


def _refusal(client: ControlClient, command: str, **arguments: Any) -> CommandError:
    with pytest.raises(CommandError) as caught:
        client.call(command, **arguments)
    return caught.value
