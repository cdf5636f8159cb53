"""What the command line and the desk can ask for, by name; carried out by the running terminal, or under the ledger's lock."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

import msgspec
from msgspec.structs import replace

from firmware_py.keys import VenueKey
from firmware_py.ledger import BoundCard, Ledger, LedgerReader, Record
from firmware_py.office import CommandError
from firmware_py.vocabulary import load_vocabulary
from kiosk.matching.profiles import missing
from kiosk.values import CardId, Member, MemberId, pair_of

__all__ = ["COMMANDS", "CommandError", "carry_out"]

SLICE = 50
"""How many members go into the ledger, or out of it, at once: the door waits that long, some 4 ms here and 30 on a small Pi."""
CARD_DIGITS = 8
"""How many digits of a card's pseudonym people see and type."""
UID_LENGTHS = (4, 7, 10)

Result = dict[str, Any] | list[dict[str, Any]]


def carry_out(name: str, arguments: Mapping[str, Any], ledger: Ledger, key: VenueKey) -> Any:
    """Carry out a command; raise `CommandError` when it can't be done, the errors of ledger and key when these fail."""
    function = COMMANDS.get(name)
    if function is None:
        raise CommandError(f"there is no command '{name}'; there are {', '.join(sorted(COMMANDS))}")
    return invoke(name, function, arguments, ledger, key)


def invoke(name: str, function: Callable[..., Any], arguments: Mapping[str, Any], *first: Any) -> Any:
    """Call what a command is, after seeing that its arguments are of the right types; raise `CommandError` otherwise."""
    hints = get_type_hints(function)
    try:
        bound = inspect.signature(function).bind(*first, **arguments)
        typed = {each: msgspec.convert(value, hints[each]) for each, value in bound.kwargs.items()}
    except (TypeError, msgspec.ValidationError) as error:
        raise CommandError(f"{name}: {error}") from error
    return function(*first, **typed)


def members_put(ledger: Ledger, key: VenueKey, *, members: list[Member], dry_run: bool = False) -> Result:
    """Take in up to `SLICE` members; `employer` and `history` are names in clear, and are hashed here."""
    if len(members) > SLICE:
        raise CommandError(f"members.put takes {SLICE} members at once, not {len(members)}")
    hashed = [
        replace(
            member,
            employer=key.employer_hash(member.employer),
            history=tuple(key.employer_hash(name) for name in member.history),
        )
        for member in members
    ]
    return ledger.put_members(hashed, dry_run=dry_run)._asdict()


def members_list(ledger: Ledger, key: VenueKey, *, after: str = "") -> Result:  # noqa: ARG001 - commands are called alike
    """Return up to `SLICE` members by id, from the one after `after` on."""
    return [summary(record) for record in ledger.members(after, SLICE)]


def members_show(ledger: Ledger, key: VenueKey, *, member: MemberId) -> Result:  # noqa: ARG001 - ditto
    """Return a member's profile, cards and counters."""
    record = record_of(ledger, member)
    return {
        "member": msgspec.to_builtins(record.member),
        "missing": [each.value for each in missing(record.member, load_vocabulary())],
        "visits": record.visits,
        "approached": record.approached,
        "present": record.present,
        "cards": [_card(card) for card in ledger.cards(member)],
    }


def members_block(ledger: Ledger, key: VenueKey, *, one: MemberId, other: MemberId) -> Result:  # noqa: ARG001 - ditto
    """Never introduce two members to each other."""
    for member in (one, other):
        record_of(ledger, member)
    if one == other:
        raise CommandError(f"{one} can't be kept from themselves; name two members")
    ledger.block(pair_of(one, other))
    return {"blocked": [one, other]}


def members_unblock(ledger: Ledger, key: VenueKey, *, one: MemberId, other: MemberId) -> Result:  # noqa: ARG001 - ditto
    """Take a block back."""
    if not ledger.unblock(pair_of(one, other)):
        raise CommandError(f"{one} and {other} are not blocked from each other")
    return {"unblocked": [one, other]}


def members_remove(ledger: Ledger, key: VenueKey, *, member: MemberId) -> Result:  # noqa: ARG001 - ditto
    """Erase a member and all that is known of them, unless they are here."""
    if record_of(ledger, member).present:
        raise CommandError(f"{member} is checked in; say 'fikatap visits leave {member}' first")
    ledger.remove_member(member)
    return {"removed": member}


def cards_bind(ledger: Ledger, key: VenueKey, *, member: MemberId, uid: str) -> Result:
    """Let the card with this UID, in hex, belong to a member."""
    record_of(ledger, member)
    try:
        data = bytes.fromhex(uid)
    except ValueError:
        data = b""
    if len(data) not in UID_LENGTHS:
        raise CommandError(f"'{uid}' is not a card's UID; that has 4, 7 or 10 bytes in hex, such as 04c767f2066180")
    if len(data) == 4 and data[0] == 0x08:
        raise CommandError(f"'{uid}' is a random UID of a phone or bank card, another one each time; take a card")
    card = key.pseudonym(data)
    holder, blocked, _ = ledger.holder(card)
    if blocked:
        raise CommandError("that card is blocked; take another one")
    if holder is not None and holder.id != member:
        raise CommandError("that card belongs to another member; block it or replace it first")
    ledger.bind_card(card, member)
    return {"card": card[:CARD_DIGITS]}


def cards_replace(ledger: Ledger, key: VenueKey, *, member: MemberId) -> Result:  # noqa: ARG001 - ditto
    """Block all cards of a member but the one that was enrolled last."""
    record_of(ledger, member)
    return _block(ledger, ledger.cards(member)[1:])


def cards_block(ledger: Ledger, key: VenueKey, *, of: str) -> Result:  # noqa: ARG001 - ditto
    """Block all cards of a member, or the one card whose pseudonym begins so."""
    if ledger.member(MemberId(of)) is not None:
        return _block(ledger, ledger.cards(MemberId(of)))
    found = ledger.cards_like(of) if len(of) >= CARD_DIGITS else []
    if not found:
        raise CommandError(
            f"'{of}' is neither a member nor the first {CARD_DIGITS} digits of a card; 'fikatap members show' lists them"
        )
    if len(found) > 1:
        raise CommandError(f"more than one card begins with '{of}'; give more digits")
    return _block(ledger, found)


def cards_list(ledger: Ledger, key: VenueKey, *, member: MemberId) -> Result:  # noqa: ARG001 - ditto
    """Return a member's cards, the newest first."""
    record_of(ledger, member)
    return [_card(card) for card in ledger.cards(member)]


def notices_list(ledger: Ledger, key: VenueKey) -> list[dict[str, Any]]:  # noqa: ARG001 - ditto
    """Return what staff was told and has not settled."""
    return [notice._asdict() for notice in ledger.notices()]


def notices_resolve(ledger: Ledger, key: VenueKey, *, notice: int) -> Result:  # noqa: ARG001 - ditto
    """Settle a notice."""
    if not ledger.resolve(notice):
        raise CommandError(f"there is no open notice {notice}")
    return {"resolved": notice}


def jobs_list(ledger: Ledger, key: VenueKey) -> list[dict[str, Any]]:  # noqa: ARG001 - ditto
    """Return the jobs that are under way, asked about, or of people who are here; no words of a badge or slip."""
    return [
        {
            "job": job.id,
            "what": "badge" if job.kind is None else job.kind.value,
            "visit": job.visit,
            "member": job.member,
            "state": job.state.value,
            "cause": None if job.cause is None else job.cause.value,
            "copy": job.page.copy,
        }
        for job in ledger.jobs()
    ]


def venue_restored(ledger: Ledger, key: VenueKey) -> Result:  # noqa: ARG001 - ditto
    """Note that this ledger came back from a copy: ids given since the copy was made are not given again."""
    ledger.new_incarnation()
    return {"prefix": ledger.prefix}


def venue_key_export(ledger: Ledger, key: VenueKey) -> Result:  # noqa: ARG001 - ditto
    """Return the venue's key as the text of a file."""
    return {"id": key.id, "text": key.export()}


def venue_key_import(ledger: Ledger, key: VenueKey, *, text: str) -> Result:
    """Take an exported key in place of this one."""
    key.adopt(text, ledger)
    return {"id": key.id}


COMMANDS: Mapping[str, Callable[..., Result]] = {
    "members.put": members_put,
    "members.list": members_list,
    "members.show": members_show,
    "members.block": members_block,
    "members.unblock": members_unblock,
    "members.remove": members_remove,
    "cards.bind": cards_bind,
    "cards.replace": cards_replace,
    "cards.block": cards_block,
    "cards.list": cards_list,
    "notices.list": notices_list,
    "notices.resolve": notices_resolve,
    "jobs.list": jobs_list,
    "venue.restored": venue_restored,
    "venue.key.export": venue_key_export,
    "venue.key.import": venue_key_import,
}
"""All commands but those that need the devices or what the door knows; the running terminal adds these."""


def record_of(ledger: LedgerReader, member: MemberId) -> Record:
    """Return a member with the counters; raise `CommandError` for one who is not there."""
    record = ledger.record(member)
    if record is None:
        raise CommandError(f"there is no member '{member}'; 'fikatap members list' shows them")
    return record


def summary(record: Record) -> dict[str, Any]:
    """Return what lists say of a member."""
    member = record.member
    return {
        "id": member.id,
        "name": member.called,
        "language": member.language.value,
        "introductions": member.consents.introductions,
        "offers": len(member.offers),
        "visits": record.visits,
        "present": record.present,
    }


def _card(card: BoundCard) -> dict[str, Any]:
    return {"card": card.card[:CARD_DIGITS], "blocked": card.blocked}


def _block(ledger: Ledger, cards: list[BoundCard]) -> Result:
    blocked = [card.card for card in cards if not card.blocked]
    ledger.block_cards(blocked)
    return {"blocked": [CardId(card[:CARD_DIGITS]) for card in blocked]}
