from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from drivers.errors import DeviceLost, DeviceMissing
from firmware_py.ledger import Ledger, LedgerReader
from firmware_py.matching.embedded import EmbeddedMatching, GroupQuestion, MatchingServant, Question
from firmware_py.vocabulary import load_vocabulary
from kiosk.events import GroupFailed, GroupFormed, MatchAnswered, MatchFailed
from kiosk.matching import Gate
from kiosk.values import Colour, Mood, Now, Ruling, Symbol, Visit, VisitId, Zone, ZoneId, pair_of
from tests.firmware_py.terminal.harness import person

ZONES = (Zone(ZoneId("library"), "Library", Symbol.TRIANGLE, Colour.BLUE),)


def visit(number: int) -> Visit:
    return Visit(VisitId(f"t1-{number}"), number, person(number), Now("boot", number))


def question(who: int, *others: int) -> Question:
    return Question(visit(who), {visit(number).id: visit(number) for number in (*others, who)}, {})


def matching(ledger: Ledger) -> EmbeddedMatching:
    return EmbeddedMatching(ZONES, load_vocabulary(), ledger.reader)


def test_a_question_is_answered_with_an_introduction_and_a_zone(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    device = matching(ledger)
    device.open()
    (answer,) = MatchingServant().serve(device, question(1, 2))
    assert isinstance(answer, MatchAnswered)
    assert answer.introduction is not None
    assert (answer.visit, answer.introduction.partner, answer.zone) == ("t1-1", "t1-2", "library")
    device.close()
    ledger.close()


def test_nobody_is_sent_to_whom_they_are_kept_from_or_who_talks_to_somebody(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    ledger.put_members(person(number) for number in (1, 2, 4, 6))
    device = matching(ledger)
    device.open()
    ledger.block(pair_of(person(1).id, person(2).id))
    vetoed = {pair_of(person(1).id, person(4).id): Ruling.VETO}
    asked = replace(question(1, 2, 4, 6), rulings=vetoed, now_ms=1_000)
    answer = device.answer(asked)
    assert answer.introduction is not None
    assert answer.introduction.partner == "t1-6"
    talking = {**asked.visits, VisitId("t1-6"): replace(visit(6), talks_until_ms=1_001)}
    assert device.answer(replace(asked, visits=talking)).introduction is None
    assert device.answer(replace(asked, visits=talking, now_ms=1_001)).introduction is not None
    assert {each.gate for each in device.explain(replace(asked, visits=talking))} == {Gate.VETO, Gate.TALKING}
    device.close()
    ledger.close()


def test_whom_the_host_pinned_is_met_first(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    device = matching(ledger)
    device.open()
    pinned = replace(question(1, 2, 3), rulings={pair_of(person(1).id, person(3).id): Ruling.PIN})
    answer = device.answer(pinned)
    assert answer.introduction is not None
    assert answer.introduction.partner == "t1-3"
    device.close()
    ledger.close()


def test_who_waits_for_a_group_sits_down_but_not_with_whom_they_are_kept_from(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    ledger.put_members(person(number) for number in (1, 2, 3))
    device = matching(ledger)
    device.open()
    waiting = GroupQuestion(tuple(replace(visit(number), mood=Mood.GROUP) for number in (1, 2, 3)), {})
    (formed,) = MatchingServant().serve(device, waiting)
    assert isinstance(formed, GroupFormed)
    assert [sorted(each.visits) for each in formed.gatherings] == [["t1-1", "t1-2", "t1-3"]]
    ledger.block(pair_of(person(3).id, person(1).id))
    assert device.gather(waiting) == GroupFormed()
    assert list(MatchingServant().lost(waiting, None)) == [GroupFailed()]
    device.close()
    ledger.close()


def test_who_is_alone_hears_not_yet(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    device = matching(ledger)
    device.open()
    assert device.answer(question(1)) == MatchAnswered(VisitId("t1-1"), None, None)
    device.close()
    ledger.close()


def test_profiles_are_kept_for_those_who_are_here_only(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    device = matching(ledger)
    device.open()
    list(MatchingServant().serve(device, question(1, 2, 3)))
    list(MatchingServant().serve(device, question(1, 3)))
    assert set(device._profiles) == {"p1", "p3"}
    device.close()
    ledger.close()


def test_a_ledger_that_cannot_be_opened_is_a_missing_device(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    ledger.close()
    (tmp_path / "ledger.db").unlink()
    with pytest.raises(DeviceMissing, match=r"ledger\.db can't be opened"):
        matching(ledger).open()


def test_a_ledger_that_cannot_be_read_is_a_lost_device(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "ledger.db")
    reader: LedgerReader = ledger.reader()
    device = EmbeddedMatching(ZONES, load_vocabulary(), lambda: reader)
    device.open()
    reader.close()
    with pytest.raises(DeviceLost):
        device.answer(question(1, 2))
    device.close()
    ledger.close()


def test_a_question_that_was_not_answered_has_failed() -> None:
    assert list(MatchingServant().lost(question(1), None)) == [MatchFailed(VisitId("t1-1"))]
