"""The card that is tapped next, for a member: asked for at the desk, waited for by the terminal, told when it came."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from firmware_py.desk.link import ask
from firmware_py.desk.staff.turn import Said, Turn
from firmware_py.office import CommandError

PATIENCE_S = 120.0
"""The terminal gives up before."""
LOOK_S = 0.5
"""How soon it is noticed that a session ended which nobody ended here."""


class SignedOut(Exception):
    """Who began it is no longer logged in."""


@dataclass
class Enrolment:
    """A card that is waited for; `blocks` tells whether the member's other cards are blocked once it came.

    `said` is what came of it, when `task` is done.
    """

    member: str
    name: str
    blocks: bool
    before: frozenset[str]
    """The member's cards as they were, to be told from the one that comes."""
    said: Said | None = None
    task: asyncio.Task[None] = field(init=False)


async def begin(turn: Turn, member: str, name: str, before: frozenset[str], *, blocks: bool) -> None:
    """Wait for the next card on a member's behalf; the terminal tells whoever else waits that it waits no longer."""
    await cancel(turn)
    enrolment = Enrolment(member, name, blocks, before)
    enrolment.task = asyncio.create_task(_wait(turn, enrolment))
    turn.memory.enrolments[turn.session.digest] = enrolment


async def cancel(turn: Turn) -> None:
    """Wait for no card any more: the terminal is hung up on, which ends it there."""
    enrolment = turn.memory.enrolments.pop(turn.session.digest, None)
    if enrolment is not None:
        enrolment.task.cancel()
        await asyncio.wait({enrolment.task})


def waiting(turn: Turn, member: str) -> Enrolment | None:
    """Return this person's enrolment of a member while it goes on; what came of it is said on their next page."""
    enrolment = turn.memory.enrolments.get(turn.session.digest)
    if enrolment is None or enrolment.member != member:
        return None
    if not enrolment.task.done():
        return enrolment
    del turn.memory.enrolments[turn.session.digest]
    if enrolment.said is not None:
        turn.memory.tell(turn.session, enrolment.said)
    return None


async def _wait(turn: Turn, enrolment: Enrolment) -> None:
    words = turn.words
    command = "cards.enrol"
    try:
        await _card(turn, enrolment.member)
        await turn.note(command, enrolment.member)
        enrolment.said = Said(words.say("said.enrolled", name=enrolment.name))
        if enrolment.blocks:
            command = "cards.replace"
            blocked = len((await turn.ask(command, member=enrolment.member))["blocked"])
            await turn.note(command, enrolment.member)
            enrolment.said = Said(words.count("said.replaced", blocked, name=enrolment.name))
    except SignedOut:
        turn.memory.enrolments.pop(turn.session.digest, None)
        await turn.note(command, enrolment.member, "signed out")
    except CommandError as error:
        await turn.note(command, enrolment.member, str(error))
        enrolment.said = Said.of(words, error)


async def _card(turn: Turn, member: str) -> None:
    """Return when the member's card has come; raise `SignedOut` as soon as whoever waits is no longer logged in."""
    asking = asyncio.create_task(ask(turn.place.config.control.socket, "cards.enrol", {"member": member}, PATIENCE_S))
    ending = asyncio.create_task(turn.place.until_ended(turn.token, LOOK_S))
    try:
        await asyncio.wait({asking, ending}, return_when=asyncio.FIRST_COMPLETED)
        if not asking.done():
            raise SignedOut
        await asking
    finally:
        asking.cancel()
        ending.cancel()
        await asyncio.gather(asking, ending, return_exceptions=True)
