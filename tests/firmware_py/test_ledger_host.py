"""What the ledger keeps of moods, of who was told, of conversations, groups, and the host's decisions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from msgspec.structs import replace

from firmware_py.database import STEPS, migrate
from firmware_py.ledger import Ledger
from kiosk.effects import (
    Durable,
    NoteMet,
    OweMatch,
    SetMood,
    SetRuling,
    SettleGroup,
    SettleMatch,
    UndoMatch,
)
from kiosk.events import TimePassed
from kiosk.values import Introduction, Met, Mood, Reason, ReasonKind, Ruling, Visit, Way, ZoneId, pair_of
from tests.firmware_py.ledgers import at, check_in, person

ZONE = ZoneId("window")
PAIR = pair_of(person(1).id, person(2).id)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger.open(tmp_path / "ledger.db")
    ledger.put_members(person(number) for number in (1, 2, 3))
    yield ledger
    ledger.close()


def store(ledger: Ledger, *effects: Durable) -> None:
    ledger.commit(TimePassed(), effects, at(20), 9)


def introduced(ledger: Ledger) -> tuple[Visit, Visit]:
    """Introduce the second person to the first; return both visits as they were before."""
    one, two = check_in(ledger, 1, 1), check_in(ledger, 2, 2)
    found = Introduction(two.id, one.id, Reason(ReasonKind.OPEN), ZONE, 500)
    store(ledger, SettleMatch(two.id, found, ZONE, two.member.id, one.member.id, 99_000))
    return one, two


def visits(ledger: Ledger, boot: str = "boot-1") -> list[Visit]:
    return list(ledger.started(boot).visits)


def test_mood_and_who_was_not_told_survive(ledger: Ledger) -> None:
    one = check_in(ledger, 1, 1)
    met = (Met(person(2).id, 2, way=Way.SENT),)
    store(ledger, SetMood(one.id, Mood.COFFEE), NoteMet(one.id, met, untold=1))
    ledger.reopen()
    assert visits(ledger) == [replace(one, mood=Mood.COFFEE, met=met, untold=1)]


def test_a_visit_begins_in_the_members_usual_mood(ledger: Ledger) -> None:
    usual = replace(person(3), mood=Mood.GROUP)
    ledger.put_members([usual])
    visit = check_in(ledger, 1, 3)
    store(ledger, SetMood(visit.id, Mood.GROUP))
    assert [each.mood for each in visits(ledger)] == [Mood.GROUP]


def test_a_conversation_goes_on_in_its_own_boot_only(ledger: Ledger) -> None:
    introduced(ledger)
    assert [each.talks_until_ms for each in visits(ledger)] == [99_000, 99_000]
    assert [each.talks_until_ms for each in visits(ledger, "boot-2")] == [None, None]


def test_who_is_owed_a_match_once_more_is_found_so_and_talks_to_nobody(ledger: Ledger) -> None:
    one, _ = introduced(ledger)
    store(ledger, OweMatch(one.id))
    started = ledger.started("boot-1")
    assert started.owed == (one.id,)
    assert [each.talks_until_ms for each in started.visits] == [None, 99_000]


def test_an_introduction_that_was_undone_counts_for_nobody_and_the_two_may_meet_again(ledger: Ledger) -> None:
    one, two = introduced(ledger)
    assert ledger.met(one.member.id) == {two.member.id}
    store(ledger, UndoMatch(two.id, one.id, two.member.id, one.member.id))
    assert [(each.approached, each.introduced, each.talks_until_ms) for each in visits(ledger)] == [(0, 0, None)] * 2
    assert (ledger.met(one.member.id), ledger.rate(one.member.id)) == (frozenset(), 0)


def test_undoing_leaves_earlier_meetings_of_the_two(ledger: Ledger) -> None:
    one, two = introduced(ledger)
    later = Introduction(one.id, two.id, Reason(ReasonKind.OPEN), ZONE, 500)
    store(ledger, SettleMatch(one.id, later, ZONE, one.member.id, two.member.id))
    store(ledger, UndoMatch(one.id, two.id, one.member.id, two.member.id))
    assert ledger.met(one.member.id) == {two.member.id}


def test_who_sat_together_has_met_and_who_did_not_has_not(ledger: Ledger) -> None:
    one, two, three = (check_in(ledger, number, number) for number in (1, 2, 3))
    pairs = ((one.id, one.member.id, two.member.id), (two.id, two.member.id, three.member.id))
    store(ledger, SettleGroup((one.id, two.id, three.id), ZONE, 99_000, pairs))
    assert ledger.met(two.member.id) == {one.member.id, three.member.id}
    assert ledger.met(one.member.id) == {two.member.id}
    assert [(each.zone, each.introduced, each.talks_until_ms, each.approached) for each in visits(ledger)] == [
        (ZONE, 1, 99_000, 0)
    ] * 3


def test_the_hosts_rulings_survive_until_they_are_taken_back(ledger: Ledger) -> None:
    store(ledger, SetRuling(PAIR, Ruling.PIN))
    store(ledger, SetRuling(PAIR, Ruling.VETO))
    ledger.reopen()
    assert ledger.started().rulings == ((PAIR, Ruling.VETO),)
    store(ledger, SetRuling(PAIR, None))
    assert ledger.started().rulings == ()


def test_a_block_holds_both_ways_until_it_is_taken_back(ledger: Ledger) -> None:
    for _ in range(2):
        ledger.block(PAIR)
    ledger.reopen()
    assert [set(ledger.blocked(each)) for each in PAIR] == [{PAIR[1]}, {PAIR[0]}]
    assert [ledger.unblock(PAIR) for _ in range(2)] == [True, False]
    assert ledger.blocked(PAIR[0]) == frozenset()


def test_nothing_is_left_of_a_removed_members_rulings_and_blocks(ledger: Ledger) -> None:
    ledger.block(PAIR)
    store(ledger, SetRuling(PAIR, Ruling.VETO))
    ledger.remove_member(PAIR[0])
    assert (ledger.started().rulings, ledger.blocked(PAIR[1])) == ((), frozenset())


def test_a_ledger_of_before_goes_on_and_its_visitors_want_introductions(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    before = apsw.Connection(str(path))
    migrate(before, path, STEPS[:3], new_incarnation="x")
    before.execute("INSERT INTO members (id, profile) VALUES ('p1', ?)", ('{"id":"p1","first_name":"Siri","language":"sv"}',))
    before.execute(
        """INSERT INTO visits (id, member, number, opened_seq, boot_id, boot_ms, rate, confirmed, owed, approached, introduced)
           VALUES ('t1-x-1', 'p1', 1, 1, 'boot-1', 5, 0, 1, 0, 0, 0)"""
    )
    before.close()
    ledger = Ledger.open(path)
    (visit,) = visits(ledger)
    assert (visit.mood, visit.untold, visit.talks_until_ms, visit.member.mood) == (Mood.INTRODUCE, 0, None, Mood.INTRODUCE)
    ledger.close()
