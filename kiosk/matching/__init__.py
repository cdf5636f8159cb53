"""Whom to meet, about what, where: the score, the gates and the reasons."""

from __future__ import annotations

from kiosk.matching.circumstances import Circumstances, Links, links
from kiosk.matching.engine import Explanation, explain, find_match
from kiosk.matching.gates import Gate, barred
from kiosk.matching.groups import find_groups, rotation
from kiosk.matching.pairs import Pairing, find_pairs, worth
from kiosk.matching.profiles import Missing, Present, Profile, missing, profile
from kiosk.matching.reasons import person_number, reason, reason_sentence, starter
from kiosk.matching.score import Part, Weights, base
from kiosk.matching.zones import choose_zone

__all__ = [
    "Circumstances",
    "Explanation",
    "Gate",
    "Links",
    "Missing",
    "Pairing",
    "Part",
    "Present",
    "Profile",
    "Weights",
    "barred",
    "base",
    "choose_zone",
    "explain",
    "find_groups",
    "find_match",
    "find_pairs",
    "links",
    "missing",
    "person_number",
    "profile",
    "reason",
    "reason_sentence",
    "rotation",
    "starter",
    "worth",
]
