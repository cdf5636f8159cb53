"""Who may be introduced to whom: each gate is a reason why not, told by name, whatever the score."""

from __future__ import annotations

from collections.abc import Set
from enum import StrEnum

from kiosk.matching.profiles import Present
from kiosk.matching.score import STANDARD, Weights
from kiosk.values import MemberId


class Gate(StrEnum):
    """Why someone is not introduced, or two people not to each other."""

    CONSENT = "consent"
    """Did not agree to be introduced."""
    OFFER = "offer"
    """Offers nothing yet: the desk helps find something."""
    SELF = "self"
    """One and the same member."""
    UNCONFIRMED = "unconfirmed"
    """Nobody knows whether they are still here."""
    APPROACHED = "approached"
    """Was approached often enough during this visit."""
    LANGUAGE = "language"
    """No language in common."""
    EMPLOYER = "employer"
    """Of one employer, and not both agreed to that."""
    MET = "met"
    """Met lately."""


def barred(one: Present) -> Gate | None:
    """Return why this person is introduced to nobody, None when they may be."""
    if not one.profile.consents.introductions:
        return Gate.CONSENT
    if not one.profile.has_offer:
        return Gate.OFFER
    return None


def apart(visitor: Present, candidate: Present, met: Set[MemberId], weights: Weights = STANDARD) -> Gate | None:
    """Return why the visitor is not sent to this candidate, None when they may be.

    `met` holds the members whom the visitor met within six months.
    """
    visit, other = candidate
    own = visitor.profile
    if other.member == own.member:
        return Gate.SELF
    if not visit.confirmed:
        return Gate.UNCONFIRMED
    if visit.approached >= (weights.approaches_quiet if other.quiet else weights.approaches):
        return Gate.APPROACHED
    if other.member in met:
        return Gate.MET
    if own.languages.isdisjoint(other.languages):
        return Gate.LANGUAGE
    if own.employer and own.employer == other.employer and not (own.consents.colleagues and other.consents.colleagues):
        return Gate.EMPLOYER
    return barred(candidate)
