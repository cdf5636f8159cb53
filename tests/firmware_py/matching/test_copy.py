from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from drivers.matching.wire import HostRuled, Presence, RosterCard, RosterEntry, RosterPage, VisitClosed
from firmware_py.ledger import DAY_MS, Ledger
from firmware_py.matching.copy import ALONE_MS, SLICE, RosterCopy
from firmware_py.matching.journal import BATCH, MOST, Outbox, presence
from kiosk.effects import Ending
from kiosk.values import CardId, Language, Member, MemberId, Ruling, Visit, VisitId, pair_of
from tests.firmware_py.ledgers import at

KEY = "k1"
_encode = msgspec.json.Encoder().encode
ODD_IDS = ("", "x" * 201, "m\n1", "m\x7f")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger.open(tmp_path / "ledger.db")
    ledger.set_key_id(KEY)
    yield ledger
    ledger.close()


@pytest.fixture
def copy(ledger: Ledger) -> RosterCopy:
    return RosterCopy(ledger, ledger.remove_members)


def who(number: int) -> MemberId:
    return MemberId(f"m{number:07}")


def card(number: int) -> CardId:
    return CardId(f"{number:064x}")


def entry(number: int, version: int, *, name: str = "Person", key: str = KEY, met: Sequence[int] = ()) -> RosterEntry:
    return RosterEntry(
        id=who(number),
        version=version,
        member=Member(who(number), name, Language.EN),
        cards=(RosterCard(card(number), key),),
        met=tuple(who(each) for each in met),
    )


def take(copy: RosterCopy, since: int, page: RosterPage) -> int:
    """Take a whole page in; return in how many slices."""
    return sum(1 for _ in copy.take(since, page))


def ids(ledger: Ledger) -> list[str]:
    return [record.member.id for record in ledger.members(limit=1_000)]


def test_a_page_is_taken_in_by_slices_and_its_version_noted_with_the_last(ledger: Ledger, copy: RosterCopy) -> None:
    page = RosterPage(version=9, entries=tuple(entry(number, 9) for number in range(SLICE * 2 + 1)), whole=True)
    slices = copy.take(0, page)
    next(slices)
    assert len(ids(ledger)) == SLICE
    assert copy.stand().version == 0
    assert copy.stand().whole
    for _ in slices:
        pass
    assert len(ids(ledger)) == SLICE * 2 + 1
    assert copy.stand()[:3] == (9, 1, False)


def test_a_card_under_the_venues_key_is_known_and_one_under_another_is_not(ledger: Ledger, copy: RosterCopy) -> None:
    take(copy, 0, RosterPage(version=1, entries=(entry(1, 1), entry(2, 1, key="k2")), whole=True))
    holder, blocked, _ = ledger.holder(card(1))
    assert holder is not None
    assert not blocked
    assert ledger.holder(card(2))[0] is None
    blocked_card = RosterEntry(id=who(1), version=2, member=holder, cards=(RosterCard(card(1), KEY, blocked=True),))
    take(copy, 1, RosterPage(version=2, entries=(blocked_card,)))
    take(copy, 2, RosterPage(version=3, entries=(entry(1, 3),)))
    assert ledger.holder(card(1))[1], "blocked is for ever"


def test_whom_somebody_met_elsewhere_counts_as_met_here(ledger: Ledger, copy: RosterCopy) -> None:
    take(copy, 0, RosterPage(version=1, entries=(entry(1, 1, met=(2, 3)), entry(2, 1, met=(1,))), whole=True))
    assert ledger.met(who(1)) == {who(2), who(3)}
    take(copy, 1, RosterPage(version=2, entries=(entry(1, 2, met=(3,)),)))
    assert ledger.met(who(1)) == {who(3)}
    ledger.remove_member(who(3))
    take(copy, 2, RosterPage(version=3, entries=(RosterEntry(id=who(2), version=3),)))
    assert ids(ledger) == [who(1)]
    assert ledger.met(who(1)) == set()


def test_fields_follow_the_services_sequence_and_counters_stay(ledger: Ledger, copy: RosterCopy) -> None:
    take(copy, 0, RosterPage(version=1, entries=(entry(1, 1, name="Before"),), whole=True))
    with ledger.transaction() as connection:
        connection.execute("UPDATE members SET visits = 4, approached = 2")
    take(copy, 1, RosterPage(version=2, entries=(entry(1, 2, name="After"),)))
    record = ledger.record(who(1))
    assert record is not None
    assert (record.member.first_name, record.visits, record.approached) == ("After", 4, 2)


def test_a_whole_roster_replaces_what_was_there_even_when_it_comes_in_parts(ledger: Ledger, copy: RosterCopy) -> None:
    take(copy, 0, RosterPage(version=5, entries=tuple(entry(number, 5) for number in range(10)), whole=True))
    take(copy, 5, RosterPage(version=6, entries=(entry(3, 6),), more=True, whole=True))
    assert len(ids(ledger)) == 10, "it is not all there yet"
    again = RosterCopy(ledger, ledger.remove_members)  # after a restart
    take(again, 6, RosterPage(version=7, entries=(entry(4, 7),)))
    assert ids(ledger) == [who(3), who(4)]


def test_an_empty_roster_replaces_nobody(ledger: Ledger, copy: RosterCopy) -> None:
    ledger.put_members([Member(who(1), "Person", Language.EN)])
    take(copy, 0, RosterPage(version=1, whole=True))
    assert ids(ledger) == [who(1)]


def test_what_is_no_member_is_left_out_and_the_others_come_in(ledger: Ledger, copy: RosterCopy) -> None:
    odd = (
        RosterEntry(id=who(1), version=1, member=Member(who(2), "Another", Language.EN)),
        entry(3, 1, name="x" * 1_000),
        entry(4, 1, name=""),
        entry(5, 1, met=range(10_000)),
        *(RosterEntry(id=odd, version=1, member=Member(odd, "Odd", Language.EN)) for odd in map(MemberId, ODD_IDS)),
        replace(entry(7, 1), blocked=(MemberId("m\0"),)),
        replace(entry(8, 1), cards=(RosterCard(CardId(""), KEY),)),
    )
    take(copy, 0, RosterPage(version=1, entries=(*odd, entry(6, 1)), whole=True))
    assert ids(ledger) == [who(6)]


def test_a_copy_is_stale_after_two_weeks_by_either_clock_and_then_erased(ledger: Ledger, copy: RosterCopy) -> None:
    ledger.put_members([Member(who(9), "Own", Language.EN)])
    copy.alone(2 * ALONE_MS)
    assert not copy.is_stale(at(0)), "what the service never gave is not its to take"
    take(copy, 0, RosterPage(version=1, entries=tuple(entry(number, 1) for number in range(120)), whole=True))
    copy.reached(at(0))
    day_s = DAY_MS // 1000
    assert not copy.is_stale(at(14 * day_s - 1))
    assert copy.is_stale(at(14 * day_s))
    assert not copy.is_stale(at(14 * day_s, trusted=False))
    copy.alone(ALONE_MS - 1)
    assert not copy.is_stale(at(0, trusted=False))
    copy.alone(1)
    assert copy.is_stale(at(0, trusted=False))
    for _ in copy.wipe():
        pass
    assert ids(ledger) == []
    assert copy.stand() == (0, 0, False, None, 0)
    assert not copy.is_stale(at(14 * day_s))


def broken_off(ledger: Ledger, copy: RosterCopy) -> RosterCopy:
    """Have the power cut while a stale copy of 120 members is being erased; return what the next start finds."""
    take(copy, 0, RosterPage(version=5, entries=tuple(entry(number, 5) for number in range(120)), whole=True))
    copy.alone(ALONE_MS)
    next(copy.wipe())
    assert len(ids(ledger)) == 120 - SLICE
    return RosterCopy(ledger, ledger.remove_members)


def test_a_wipe_that_a_power_cut_broke_off_is_still_to_be_done(ledger: Ledger, copy: RosterCopy) -> None:
    again = broken_off(ledger, copy)
    assert again.is_stale(at(0, trusted=False))
    for _ in again.wipe():
        pass
    assert ids(ledger) == []
    assert not again.is_stale(at(0, trusted=False))


def test_after_a_wipe_that_was_broken_off_nobody_is_missing_when_the_service_is_back(ledger: Ledger, copy: RosterCopy) -> None:
    again = broken_off(ledger, copy)
    everybody = tuple(entry(number, 5) for number in range(120))
    since = again.stand().version
    news = tuple(each for each in everybody if each.version > since)
    take(again, since, RosterPage(version=4, entries=news[:60], whole=since == 0, more=True))
    assert not again.is_stale(at(0, trusted=False)), "or a long roster would be erased before it is all there"
    take(again, 4, RosterPage(version=5, entries=news[60:]))
    assert ids(ledger) == [each.id for each in everybody]


def test_what_was_asked_for_before_a_wipe_is_let_go(ledger: Ledger, copy: RosterCopy) -> None:
    take(copy, 0, RosterPage(version=5, entries=(entry(1, 5), entry(2, 5)), whole=True))
    for _ in copy.wipe():
        pass
    take(copy, 5, RosterPage(version=6, entries=(entry(2, 6),)))
    assert (ids(ledger), copy.stand().version) == ([], 0), "it asks for all again"


def test_a_large_roster_takes_no_more_memory_than_a_page(ledger: Ledger, copy: RosterCopy) -> None:
    """A slice of a roster of a million; each page is made when it is asked for, and gone when it was taken in."""
    tracemalloc.start()
    try:
        for first in range(0, 20_000, 500):
            page = RosterPage(
                version=first + 500,
                entries=tuple(entry(number, number + 1) for number in range(first, first + 500)),
                more=first < 19_500,
                whole=first == 0,
            )
            take(copy, first, page)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert ledger.counts()["members"] == 20_000
    assert peak < 4_000_000


def test_what_could_not_be_read_at_the_service_is_forgotten_and_all_else_is_sent(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox(ledger)
    bad = ["{", '{"type": "no.such"}', "", _encode(VisitClosed(visit=VisitId("x" * 201), why=Ending.TAPPED)).decode()]
    with ledger.transaction() as connection:
        for number in range(1, BATCH * 2):
            connection.execute(
                "INSERT INTO outbox (number, source, seq, what) VALUES (?, 't', 0, ?)", (number, bad[number % 4])
            )
    assert outbox.next() is None
    assert outbox.is_empty()
    assert "report 1 to the service can't be sent" in caplog.text
    outbox.add(VisitClosed(visit=VisitId("t-1"), why=Ending.TAPPED))
    with ledger.transaction() as connection:
        connection.execute("INSERT INTO outbox (number, source, seq, what) VALUES (?, 't', 0, '{}')", (MOST,))
    upload = outbox.next()
    assert upload is not None
    assert [fact.what for fact in upload.facts] == [VisitClosed(visit=VisitId("t-1"), why=Ending.TAPPED)]
    outbox.delivered(upload.upto)
    assert outbox.is_empty()


def test_what_the_host_decided_waits_in_the_outbox_until_it_was_delivered(ledger: Ledger) -> None:
    outbox = Outbox(ledger)
    one, two = (pair_of(who(1), who(number)) for number in (2, 3))
    gone = VisitClosed(visit=VisitId("t-1"), why=Ending.TAPPED)
    assert outbox.ruled() == set()
    outbox.add(gone, HostRuled(one=one[1], other=one[0], ruling=Ruling.VETO), gone, HostRuled(one=two[0], other=two[1]))
    for each in (outbox, Outbox(ledger)):  # the same after a restart
        assert each.ruled() == {one, two}
    outbox.delivered(2)
    assert outbox.ruled() == {two}
    outbox.add(HostRuled(one=one[0], other=one[1], ruling=Ruling.PIN))
    assert outbox.ruled() == {one, two}
    outbox.delivered(5)
    assert outbox.ruled() == set()
    outbox.add(gone, HostRuled(one=two[0], other=two[1], ruling=Ruling.PIN))
    assert outbox.ruled() == {two}


def test_a_fact_that_waits_long_is_looked_at_once_for_what_the_host_decided(ledger: Ledger) -> None:
    outbox = Outbox(ledger)
    outbox.add(HostRuled(one=who(1), other=who(2), ruling=Ruling.VETO))
    assert outbox.ruled() == {pair_of(who(1), who(2))}
    with ledger.transaction() as connection:
        connection.execute("UPDATE outbox SET what = replace(what, ?, ?)", (who(2), who(3)))
    assert outbox.ruled() == {pair_of(who(1), who(2))}


def test_a_visit_is_told_so_that_it_can_be_read_whatever_was_taken_back() -> None:
    visit = Visit(VisitId("t-1"), 1, Member(who(1), "Person", Language.EN), at(0), approached=-1, introduced=-2)
    told = presence(visit, "t", at(0))
    assert msgspec.json.decode(_encode(told), type=Presence) == told


def test_the_outbox_forgets_the_oldest_when_it_holds_too_much(ledger: Ledger) -> None:
    outbox = Outbox(ledger)
    assert outbox.trim() == 0
    with ledger.transaction() as connection:
        connection.execute("INSERT INTO outbox (number, source, seq, what) VALUES (1, 't', 0, '{}')")
        connection.execute("INSERT INTO outbox (number, source, seq, what) VALUES (?, 't', 0, '{}')", (MOST + 1,))
    assert outbox.trim() == 1
    assert ledger.rows("SELECT number FROM outbox") == [(MOST + 1,)]
