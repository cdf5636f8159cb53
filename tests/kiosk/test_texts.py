"""The sentences: a café's own words come first."""

from __future__ import annotations

import pytest

from kiosk.values import Language
from tests.kiosk.rig import TEXTS


def test_a_cafes_own_words_come_first_even_those_that_are_a_keys_name() -> None:
    own = TEXTS.with_own({Language.SV: {"badge.go": "badge.go"}})
    assert own.say(Language.SV, "badge.go") == "badge.go"
    assert own.say(Language.DA, "badge.go") == TEXTS.say(Language.DA, "badge.go")


def test_a_missing_key_is_a_mistake() -> None:
    with pytest.raises(KeyError, match=r"badge\.nothing"):
        TEXTS.say(Language.SV, "badge.nothing")
