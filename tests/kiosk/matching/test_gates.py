"""Who may be introduced to whom."""

from __future__ import annotations

import pytest

from kiosk.matching.gates import Gate, apart, barred
from kiosk.values import Consents, Language, MemberId
from tests.kiosk.matching.people import here, member

ANNA = here(member("Anna", languages=("en",)))
NOBODY = frozenset[MemberId]()


def test_two_willing_people_may_be_introduced() -> None:
    assert apart(ANNA, here(member("Bo")), NOBODY) is None


def test_without_consent_nobody_is_introduced() -> None:
    closed = here(member("Bo", consents=Consents(name=True, need=True, colleagues=True)))

    assert (barred(closed), apart(ANNA, closed, NOBODY)) == (Gate.CONSENT, Gate.CONSENT)


def test_without_an_offer_nobody_is_introduced() -> None:
    empty = here(member("Bo", offers=""))

    assert (barred(empty), apart(ANNA, empty, NOBODY)) == (Gate.OFFER, Gate.OFFER)


def test_an_offer_that_nobody_knows_is_none() -> None:
    assert barred(here(member("Bo", offers="quantum"))) == Gate.OFFER


def test_a_sensitive_offer_is_an_offer() -> None:
    assert barred(here(member("Bo", offers="interview"))) is None


def test_nobody_meets_themselves_in_two_visits() -> None:
    assert apart(ANNA, here(member("Anna"), 2), NOBODY) == Gate.SELF


def test_people_who_may_have_left_are_passed_over() -> None:
    assert apart(ANNA, here(member("Bo"), confirmed=False), NOBODY) == Gate.UNCONFIRMED


@pytest.mark.parametrize(
    ("quiet", "approached", "gate"),
    [(False, 2, None), (False, 3, Gate.APPROACHED), (True, 0, None), (True, 1, Gate.APPROACHED)],
)
def test_people_are_approached_three_times_a_visit_and_the_quiet_once(quiet: bool, approached: int, gate: Gate | None) -> None:
    assert apart(ANNA, here(member("Bo", quiet=quiet), approached=approached), NOBODY) == gate


def test_people_who_met_lately_do_not_meet_again() -> None:
    assert apart(ANNA, here(member("Bo")), {MemberId("bo")}) == Gate.MET


@pytest.mark.parametrize(
    ("languages", "gate"), [(("en-GB",), None), (("de",), Gate.LANGUAGE), ((), Gate.LANGUAGE), (("de", "sv"), None)]
)
def test_people_need_a_common_language(languages: tuple[str, ...], gate: Gate | None) -> None:
    assert apart(ANNA, here(member("Bo", language=Language.DA, languages=languages)), NOBODY) == gate


def test_both_written_forms_of_norwegian_are_one_language() -> None:
    assert apart(here(member("Anna", languages=("nn",))), here(member("Bo", language=Language.NB)), NOBODY) is None


@pytest.mark.parametrize(
    ("one", "other", "gate"),
    [(True, True, None), (True, False, Gate.EMPLOYER), (False, True, Gate.EMPLOYER), (False, False, Gate.EMPLOYER)],
)
def test_colleagues_are_introduced_only_if_both_agreed(one: bool, other: bool, gate: Gate | None) -> None:
    anna = here(member("Anna", employer="e1", consents=Consents(introductions=True, colleagues=one)))
    bo = here(member("Bo", employer="e1", consents=Consents(introductions=True, colleagues=other)))

    assert apart(anna, bo, NOBODY) == gate


def test_unknown_employers_are_not_the_same_one() -> None:
    plain = Consents(introductions=True)

    assert apart(here(member("Anna", consents=plain)), here(member("Bo", consents=plain)), NOBODY) is None
