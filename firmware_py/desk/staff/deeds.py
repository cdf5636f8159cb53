"""What staff can do, by one table: each deed is a command of the terminal's, a line in the audit trail and a sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.datastructures import FormData
from starlette.responses import Response
from starlette.routing import BaseRoute

from firmware_py.desk.staff.turn import HOME, Memory, Turn, inside, route
from firmware_py.office import CommandError

Parts = dict[str, str | int]


@dataclass(frozen=True)
class Deed:
    """A command, the form's fields that are its arguments (the first is in the audit trail), and how it went.

    `key` gives the sentence `desk.said.<key>`; it may say `{name}` of the field `member` or `one`, `{other}`, and
    `{apart}`, which is what keeps two apart.
    """

    command: str
    takes: tuple[str, ...]
    key: Callable[[Any], str]
    number: Callable[[Any], int] | None = None
    """Of how many things the sentence tells."""


def _always(key: str) -> Callable[[Any], str]:
    return lambda _: key


def _pinned(result: Any) -> str:
    if result["apart"]:
        return "pinned_apart"
    return "pinned" if result["both_here"] else "pinned_later"


DEEDS: Mapping[str, Deed] = {
    "check-in": Deed("visits.checkin", ("member",), _always("checked_in")),
    "leave": Deed("visits.leave", ("member",), _always("left")),
    "mood": Deed("visits.mood", ("member", "mood"), lambda result: f"mood_{result['mood']}"),
    "block": Deed("cards.block", ("of",), _always("blocked"), lambda result: len(result["blocked"])),
    "swap": Deed("match.swap", ("member",), _always("swapped")),
    "pin": Deed("match.pin", ("one", "other"), _pinned),
    "veto": Deed("match.veto", ("one", "other"), _always("vetoed")),
    "unveto": Deed("match.unveto", ("one", "other"), _always("free")),
    "group": Deed("match.group", (), _always("group"), lambda result: result["waiting"]),
    "judge": Deed("jobs.judge", ("job", "printed"), lambda result: "came_out" if result["printed"] else "did_not_come_out"),
    "reprint": Deed("jobs.reprint", ("job",), _always("reprinted")),
}

_VALUES: Mapping[str, Callable[[str], Any]] = {"printed": lambda value: value == "yes"}
"""What a field is to the terminal, if no text."""


def routes(memory: Memory) -> list[BaseRoute]:
    """Return an address for each deed."""
    return [route(memory, f"{HOME}/do/{name}", partial(_do, deed), post=True) for name, deed in DEEDS.items()]


async def _do(deed: Deed, turn: Turn) -> Response:
    form = await turn.request.form()
    to = inside(str(form.get("back", HOME)))
    about = str(form.get(deed.takes[0], "")) if deed.takes else ""
    try:
        result = await turn.ask(deed.command, **_arguments(deed, form))
    except CommandError as error:
        await turn.note(deed.command, about, str(error))
        return turn.refuse(to, error)
    await turn.note(deed.command, about)
    names = {"name": "–", "other": "–"}  # for a form that no page of ours sent
    names |= {part: await turn.member(str(form[field])) for field, part in _NAMES if field in form}
    key = f"said.{deed.key(result)}"
    if key == "said.pinned_apart":
        names["apart"] = turn.words.verdict(result["apart"])
    sentence = turn.words.say(key, **names) if deed.number is None else turn.words.count(key, deed.number(result), **names)
    return turn.tell(to, sentence)


_NAMES = (("member", "name"), ("one", "name"), ("other", "other"))


def _arguments(deed: Deed, form: FormData) -> dict[str, Any]:
    if missing := [field for field in deed.takes if field not in form]:
        raise CommandError(f"{deed.command} needs {' and '.join(missing)}, too")
    return {field: _VALUES.get(field, str)(str(form[field])) for field in deed.takes}
