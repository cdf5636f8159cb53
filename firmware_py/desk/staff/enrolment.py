"""The card that is tapped next, for a member: asked for at the desk, waited for by the terminal, told when it came."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from firmware_py.desk.link import Gone, ask
from firmware_py.desk.staff.turn import Turn
from firmware_py.office import CommandError

PATIENCE_S = 120.0
"""The terminal gives up before."""


@dataclass
class Enrolment:
    """A card that is waited for; `blocks` tells whether the member's other cards are blocked once it came.

    `sentence` and `bad` are what came of it, when `task` is done.
    """

    member: str
    name: str
    blocks: bool
    sentence: str = ""
    bad: bool = False
    task: asyncio.Task[None] = field(init=False)


def begin(turn: Turn, member: str, name: str, *, blocks: bool) -> None:
    """Wait for the next card on a member's behalf; the terminal tells whoever else waits that it waits no longer."""
    cancel(turn)
    enrolment = Enrolment(member, name, blocks)
    enrolment.task = asyncio.create_task(_wait(turn, enrolment))
    turn.memory.enrolments[turn.session.digest] = enrolment


def cancel(turn: Turn) -> None:
    """Wait for no card any more: the terminal is hung up on, which ends it there."""
    enrolment = turn.memory.enrolments.pop(turn.session.digest, None)
    if enrolment is not None:
        enrolment.task.cancel()


def waiting(turn: Turn, member: str) -> Enrolment | None:
    """Return this person's enrolment of a member while it goes on; what came of it is said on their next page."""
    enrolment = turn.memory.enrolments.get(turn.session.digest)
    if enrolment is None or enrolment.member != member:
        return None
    if not enrolment.task.done():
        return enrolment
    del turn.memory.enrolments[turn.session.digest]
    turn.memory.tell(turn.session, enrolment.sentence, bad=enrolment.bad)
    return None


async def _wait(turn: Turn, enrolment: Enrolment) -> None:
    words, socket = turn.words, turn.place.config.control.socket
    command = "cards.enrol"
    try:
        await ask(socket, command, {"member": enrolment.member}, PATIENCE_S)
        await turn.note(command, enrolment.member)
        enrolment.sentence = words.say("said.enrolled", name=enrolment.name)
        if enrolment.blocks:
            command = "cards.replace"
            blocked = len((await turn.ask(command, member=enrolment.member))["blocked"])
            await turn.note(command, enrolment.member)
            enrolment.sentence = words.count("said.replaced", blocked, name=enrolment.name)
    except CommandError as error:
        await turn.note(command, enrolment.member, str(error))
        enrolment.sentence = words.say("away") if isinstance(error, Gone) else words.refusal(error)
        enrolment.bad = True
