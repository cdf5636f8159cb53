"""Who may be introduced to whom."""

from __future__ import annotations

import pytest

from kiosk.matching.circumstances import Circumstances, links
from kiosk.matching.gates import Gate, apart, barred
from kiosk.values import Consents, Language, MemberId, Mood
from tests.kiosk.matching.people import ZONES, here, member

ANNA = here(member("Anna", languages=("en",)))
SOMEWHERE = Circumstances(zones=ZONES)


def test_two_willing_people_may_be_introduced() -> None:
    assert apart(ANNA, here(member("Bo")), SOMEWHERE) is None


def test_without_consent_nobody_is_introduced() -> None:
    closed = here(member("Bo", consents=Consents(name=True, need=True, colleagues=True)))

    assert (barred(closed), apart(ANNA, closed, SOMEWHERE)) == (Gate.CONSENT, Gate.CONSENT)


def test_without_an_offer_nobody_is_introduced() -> None:
    empty = here(member("Bo", offers=""))

    assert (barred(empty), apart(ANNA, empty, SOMEWHERE)) == (Gate.OFFER, Gate.OFFER)


def test_an_offer_that_nobody_knows_is_none() -> None:
    assert barred(here(member("Bo", offers="quantum"))) == Gate.OFFER


def test_a_sensitive_offer_is_an_offer() -> None:
    assert barred(here(member("Bo", offers="interview"))) is None


def test_nobody_meets_themselves_in_two_visits() -> None:
    assert apart(ANNA, here(member("Anna"), 2), SOMEWHERE) == Gate.SELF


def test_people_who_may_have_left_are_passed_over() -> None:
    assert apart(ANNA, here(member("Bo"), confirmed=False), SOMEWHERE) == Gate.UNCONFIRMED


@pytest.mark.parametrize(
    ("quiet", "approached", "gate"),
    [(False, 2, None), (False, 3, Gate.APPROACHED), (True, 0, None), (True, 1, Gate.APPROACHED)],
)
def test_people_are_approached_three_times_a_visit_and_the_quiet_once(quiet: bool, approached: int, gate: Gate | None) -> None:
    assert apart(ANNA, here(member("Bo", quiet=quiet), approached=approached), SOMEWHERE) == gate


def test_people_who_met_lately_do_not_meet_again() -> None:
    assert apart(ANNA, here(member("Bo")), Circumstances(zones=ZONES, met={ANNA.profile.member: {MemberId("bo")}})) == Gate.MET


@pytest.mark.parametrize(
    ("one", "other", "gate"),
    [
        ("", "", Gate.LANGUAGE),
        ("de", "", Gate.LANGUAGE),
        ("de", "de-AT", None),
        ("", "en_GB", None),
        ("da", "", None),
        ("is", "", Gate.LANGUAGE),
        ("fi", "", Gate.LANGUAGE),
        ("cs", "sk", None),
        ("fa", "prs", None),
        ("uk", "ru", Gate.LANGUAGE),
    ],
)
def test_people_need_a_common_language(one: str, other: str, gate: Gate | None) -> None:
    anna = here(member("Anna", language=Language.EN, languages=tuple(one.split())))
    bo = here(member("Bo", language=Language.SV, languages=tuple(other.split())))

    assert (apart(anna, bo, SOMEWHERE), apart(bo, anna, SOMEWHERE)) == (gate, gate)


@pytest.mark.parametrize("one", [Language.SV, Language.DA, Language.NB])
@pytest.mark.parametrize("other", ["sv", "da", "nb", "nn-NO", "no"])
def test_scandinavians_understand_each_other(one: Language, other: str) -> None:
    bo = here(member("Bo", language=Language.EN, languages=(other,)))

    assert apart(here(member("Anna", language=one)), bo, SOMEWHERE) is None


@pytest.mark.parametrize(("mood", "gate"), [(Mood.COFFEE, Gate.COFFEE), (Mood.GROUP, Gate.GROUP), (Mood.INTRODUCE, None)])
def test_the_mood_of_a_visit_is_heeded_on_both_sides(mood: Mood, gate: Gate | None) -> None:
    bo = here(member("Bo"), mood=mood)

    assert (barred(bo), apart(ANNA, bo, SOMEWHERE)) == (gate, gate)


@pytest.mark.parametrize(("until", "gate"), [(None, None), (999, None), (1000, None), (1001, Gate.TALKING)])
def test_nobody_is_sent_into_a_conversation(until: int | None, gate: Gate | None) -> None:
    now = Circumstances(zones=ZONES, now_ms=1000)

    assert apart(ANNA, here(member("Bo"), talks_until_ms=until), now) == gate


def test_a_veto_keeps_two_apart_from_both_sides() -> None:
    vetoed = Circumstances(zones=ZONES, vetoes=links([(MemberId("bo"), MemberId("anna"))]))
    bo = here(member("Bo"), 2)

    assert (apart(ANNA, bo, vetoed), apart(bo, ANNA, vetoed)) == (Gate.VETO, Gate.VETO)
    assert apart(ANNA, here(member("Cy"), 3), vetoed) is None


def test_who_is_passed_over_is_not_taken_this_time() -> None:
    swapped = Circumstances(zones=ZONES, passed_over={MemberId("bo")})

    assert apart(ANNA, here(member("Bo")), swapped) == Gate.PASSED_OVER
    assert apart(ANNA, here(member("Cy")), swapped) is None


def test_a_pin_opens_the_gates_of_having_met_and_of_language_and_no_other() -> None:
    anna = here(member("Anna", language=Language.EN, employer="e1", consents=Consents(introductions=True)))
    met = Circumstances(zones=ZONES, met={MemberId("anna"): {MemberId("bo")}})
    vetoed = Circumstances(zones=ZONES, vetoes={MemberId("anna"): {MemberId("bo")}}, now_ms=0)
    closed = {
        Gate.CONSENT: apart(anna, here(member("Bo", consents=Consents())), SOMEWHERE, pinned=True),
        Gate.OFFER: apart(anna, here(member("Bo", offers="")), SOMEWHERE, pinned=True),
        Gate.COFFEE: apart(anna, here(member("Bo"), mood=Mood.COFFEE), SOMEWHERE, pinned=True),
        Gate.SELF: apart(anna, here(member("Anna"), 2), SOMEWHERE, pinned=True),
        Gate.UNCONFIRMED: apart(anna, here(member("Bo"), confirmed=False), SOMEWHERE, pinned=True),
        Gate.TALKING: apart(anna, here(member("Bo"), talks_until_ms=1), SOMEWHERE, pinned=True),
        Gate.APPROACHED: apart(anna, here(member("Bo"), approached=3), SOMEWHERE, pinned=True),
        Gate.VETO: apart(anna, here(member("Bo")), vetoed, pinned=True),
        Gate.EMPLOYER: apart(anna, here(member("Bo", employer="e1")), SOMEWHERE, pinned=True),
    }

    assert apart(anna, here(member("Bo")), met, pinned=True) is None
    assert apart(anna, here(member("Bo")), met) == Gate.MET
    assert all(gate == found for gate, found in closed.items()), closed


@pytest.mark.parametrize(
    ("one", "other", "gate"),
    [(True, True, None), (True, False, Gate.EMPLOYER), (False, True, Gate.EMPLOYER), (False, False, Gate.EMPLOYER)],
)
def test_colleagues_are_introduced_only_if_both_agreed(one: bool, other: bool, gate: Gate | None) -> None:
    anna = here(member("Anna", employer="e1", consents=Consents(introductions=True, colleagues=one)))
    bo = here(member("Bo", employer="e1", consents=Consents(introductions=True, colleagues=other)))

    assert apart(anna, bo, SOMEWHERE) == gate


def test_unknown_employers_are_not_the_same_one() -> None:
    plain = Consents(introductions=True)

    assert apart(here(member("Anna", consents=plain)), here(member("Bo", consents=plain)), SOMEWHERE) is None
