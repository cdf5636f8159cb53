"""The member list from a file: looked through first, then taken in, with its progress and what became of each line."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING

from starlette.datastructures import UploadFile
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from firmware_py.desk.access import Role
from firmware_py.desk.staff.turn import HOME, Memory, Turn, route
from firmware_py.office import CommandError
from firmware_py.terminal.control import ControlClient
from firmware_py.vocabulary import load_vocabulary

if TYPE_CHECKING:  # brings the ledger's library with it: loaded when somebody imports
    from firmware_py.members import Remark, Report, Row

IMPORT = f"{HOME}/import"
MOST_BYTES = 10 << 20
"""A larger file is refused in words."""
MOST_SENT = 32 << 20
"""A larger one is not even taken to its end."""
MOST_REMARKS = 200
"""So many remarks about lines are shown; the others are counted."""
SHOWN_NAME = 60

_WRONG = {
    b"PK\x03\x04": "import.spreadsheet",
    b"\xd0\xcf\x11\xe0": "import.spreadsheet",
    b"\xff\xfe": "import.utf16",
    b"\xfe\xff": "import.utf16",
    b"%PDF": "import.not_text",
}
"""How files begin that are no lists, and the key of what to do."""


@dataclass
class TakeIn:
    """A list on its way: it is looked through, waits for somebody's word, is taken in (`taking`), and is done.

    `name` is what the file was called, to be shown and for nothing else; `owner` is the session of whoever sent it.
    """

    file: BytesIO
    name: str
    owner: str
    taking: bool = False
    running: bool = True
    lines: int = 0
    report: Report | None = None
    faults: list[Remark] = field(default_factory=list)
    notes: list[Remark] = field(default_factory=list)
    more: int = 0
    """How many remarks are not shown."""
    trouble: str = ""
    """Why it broke off, in words; `small` is what only a technician reads."""
    small: str = ""
    task: asyncio.Task[None] | None = None

    @property
    def other_encoding(self) -> bool:
        """Whether lines were lost because the file is in another encoding."""
        return any("not UTF-8" in fault.right for fault in self.faults)

    def told(self, row: Row, report: Report) -> None:
        """Note what one line gave."""
        self.lines, self.report = row.line, report
        for remarks, kept in ((row.faults, self.faults), (row.warnings, self.notes)):
            free = MOST_REMARKS - len(kept)
            kept.extend(remarks[:free])
            self.more += max(0, len(remarks) - max(0, free))


def routes(memory: Memory) -> list[BaseRoute]:
    """Return the page, its progress, and where a list is sent, taken in or put away."""
    sent = route(memory, IMPORT, _send, post=True, role=Role.MANAGER)
    return [
        route(memory, IMPORT, _import, role=Role.MANAGER),
        Route(IMPORT, sent.endpoint, methods=["POST"], max_body_size=MOST_SENT),
        route(memory, f"{IMPORT}/progress", _progress, role=Role.MANAGER),
        route(memory, f"{IMPORT}/take-in", _take_in, post=True, role=Role.MANAGER),
        route(memory, f"{IMPORT}/put-away", _put_away, post=True, role=Role.MANAGER),
    ]


async def _import(turn: Turn) -> Response:
    from firmware_py.members import COLUMNS

    return turn.page("import", scene=await turn.read("scene"), list=_own(turn), columns=COLUMNS)


async def _progress(turn: Turn) -> Response:
    """Return how far it is; when that is over, the page loads anew with the report."""
    own = _own(turn)
    if own is None or not own.running:
        return Response(headers={"HX-Refresh": "true"})
    return Response(turn.html("_progress", list=own), media_type="text/html")


async def _send(turn: Turn) -> Response:
    async with turn.request.form() as form:
        file = form.get("file")
        if not isinstance(file, UploadFile) or not file.filename or not file.size:
            return turn.tell(IMPORT, turn.words.say("import.no_file"), bad=True)
        data = await file.read(MOST_BYTES + 1)
        name = file.filename[-SHOWN_NAME:]
    wrong = "import.too_large" if len(data) > MOST_BYTES else _wrong(data)
    if not wrong and turn.memory.take_in is not None and turn.memory.take_in.running:
        wrong = "import.busy"
    if wrong:
        await turn.note("members.import", "", wrong)
        return turn.tell(IMPORT, turn.words.say(wrong), bad=True)
    own = turn.memory.take_in = TakeIn(BytesIO(data), name, turn.session.digest)
    own.task = asyncio.create_task(_run(turn, own, dry_run=True))
    return RedirectResponse(IMPORT, 303)


async def _take_in(turn: Turn) -> Response:
    own = _own(turn)
    if own is None or own.running or own.taking:
        return turn.tell(IMPORT, turn.words.say("import.no_file"), bad=True)
    own.taking = own.running = True
    own.lines, own.report, own.more = 0, None, 0
    own.faults.clear()
    own.notes.clear()
    own.task = asyncio.create_task(_run(turn, own, dry_run=False))
    return RedirectResponse(IMPORT, 303)


async def _put_away(turn: Turn) -> Response:
    own = _own(turn)
    if own is not None and not own.running:
        turn.memory.take_in = None
    return RedirectResponse(IMPORT, 303)


async def _run(turn: Turn, own: TakeIn, *, dry_run: bool) -> None:
    """Look through the list or take it in, in a thread, and write that down."""
    from firmware_py.members import MembersFileError, import_members

    say = turn.words.say

    def work() -> None:
        own.file.seek(0)
        with ControlClient(turn.place.config.control.socket) as office:
            own.report = import_members(own.file, load_vocabulary(), office, dry_run=dry_run, told=own.told)

    try:
        await asyncio.to_thread(work)
    except MembersFileError as error:
        own.trouble, own.small = f"{say('import.refused')} {turn.words.file(str(error))}", str(error)
    except CommandError as error:
        own.trouble, own.small = say("import.broke_off", why=turn.words.refusal(error)), turn.words.small(error)
    except Exception as error:  # noqa: BLE001 - whatever it was: the page tells it, and waits no longer
        own.trouble, own.small = say("import.broke_off", why=say("file.other")), str(error) or type(error).__name__
    finally:
        own.running = False
        if not dry_run:
            own.file.close()
    if not dry_run:
        done = "" if own.report is None else f"+{own.report.added} ~{own.report.changed} !{own.report.faulty}"
        await turn.note("members.import", done, own.small or own.trouble)


def _own(turn: Turn) -> TakeIn | None:
    own = turn.memory.take_in
    return own if own is not None and own.owner == turn.session.digest else None


def _wrong(head: bytes) -> str:
    return next((key for start, key in _WRONG.items() if head.startswith(start)), "")
