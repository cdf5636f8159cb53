"""Whom to meet, about what, where: the score, the gates and the reasons."""

from __future__ import annotations

from kiosk.matching.engine import find_match
from kiosk.matching.profiles import Present, Profile, profile
from kiosk.matching.reasons import person_number, reason, reason_sentence, starter
from kiosk.matching.score import Weights
from kiosk.matching.zones import choose_zone

__all__ = [
    "Present",
    "Profile",
    "Weights",
    "choose_zone",
    "find_match",
    "person_number",
    "profile",
    "reason",
    "reason_sentence",
    "starter",
]
