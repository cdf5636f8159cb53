"""What a profile lacks."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from kiosk.matching import Missing, missing
from kiosk.values import Consents, PastimeId
from tests.kiosk.matching.people import EVERYTHING, VOCABULARY, here, member

WHOLE = member("Anna", seeks="ml law hr", offers="photo", occupation="2512", industry="J")


@pytest.mark.parametrize(
    ("change", "lacks"),
    [
        ({}, ()),
        ({"consents": Consents()}, (Missing.CONSENT,)),
        ({"offers": ()}, (Missing.OFFER,)),
        ({"offers": ("quantum",)}, (Missing.OFFER,)),
        ({"offers": ("cv",)}, ()),
        ({"seeks": ()}, (Missing.SEEK,)),
        ({"seeks": ("quantum",)}, (Missing.SEEK,)),
        ({"seeks": ("ml", "law", "ml")}, (Missing.MORE_SEEKS,)),
        ({"seeks": ("cv", "interview", "ml")}, ()),
        ({"occupation": ""}, (Missing.OCCUPATION,)),
        ({"industry": "Ö"}, (Missing.INDUSTRY,)),
        ({"seeks": (), "offers": (), "occupation": ""}, (Missing.OFFER, Missing.SEEK, Missing.OCCUPATION)),
    ],
)
def test_a_thin_profile_says_what_it_lacks_the_needed_first(change: dict[str, object], lacks: tuple[Missing, ...]) -> None:
    assert missing(replace(WHOLE, **change), VOCABULARY) == lacks


def test_only_consent_offer_and_seek_are_needed() -> None:
    assert [each for each in Missing if each.needed] == [Missing.CONSENT, Missing.OFFER, Missing.SEEK]


def test_pastimes_and_old_schools_stay_out_of_a_profile_without_consent() -> None:
    someone = member("Anna", pastimes="chess chess tag", history=("s1",))
    closed = here(replace(someone, consents=replace(EVERYTHING, pastimes=False, history=False))).profile
    opened = here(someone).profile

    assert (closed.pastimes, closed.pastime_bits, closed.history) == ((), 0, frozenset())
    assert (opened.pastimes, opened.pastime_bits, opened.history) == (
        (PastimeId("chess"),),
        VOCABULARY.pastime_mask([PastimeId("chess")]),
        frozenset({"s1"}),
    )
