"""Who may be introduced to whom: each gate is a reason why not, told by name, whatever the score."""

from __future__ import annotations

from enum import StrEnum

from kiosk.matching.circumstances import Circumstances
from kiosk.matching.profiles import Present
from kiosk.matching.score import STANDARD, Weights
from kiosk.values import Mood


class Gate(StrEnum):
    """Why someone is not introduced, or two people not to each other; in words under `gate.<value>` in the texts."""

    CONSENT = "consent"
    """Did not agree to be introduced."""
    OFFER = "offer"
    """Offers nothing yet: the desk helps find something."""
    COFFEE = "coffee"
    """Wants nothing but coffee today."""
    GROUP = "group"
    """Waits for a group."""
    SELF = "self"
    """One and the same member."""
    UNCONFIRMED = "unconfirmed"
    """Nobody knows whether they are still here."""
    TALKING = "talking"
    """Is in conversation."""
    APPROACHED = "approached"
    """Was approached often enough during this visit."""
    VETO = "veto"
    """Kept apart: by the host, or because one of the two asked for it. It is not told which."""
    EMPLOYER = "employer"
    """Of one employer, and not both agreed to that."""
    PASSED_OVER = "passed_over"
    """The host asks for somebody else."""
    MET = "met"
    """Met lately."""
    LANGUAGE = "language"
    """No language in common."""
    SCORE = "score"
    """Too little in common for now."""


def barred(one: Present) -> Gate | None:
    """Return why this person is introduced to nobody, None when they may be."""
    if not one.profile.consents.introductions:
        return Gate.CONSENT
    if not one.profile.has_offer:
        return Gate.OFFER
    if one.visit.mood is not Mood.INTRODUCE:
        return Gate.COFFEE if one.visit.mood is Mood.COFFEE else Gate.GROUP
    return None


def busy(one: Present, circumstances: Circumstances, weights: Weights = STANDARD) -> Gate | None:
    """Return why nobody is sent to this person at the moment, None when somebody may be."""
    visit = one.visit
    if not visit.confirmed:
        return Gate.UNCONFIRMED
    if visit.talks_until_ms is not None and visit.talks_until_ms > circumstances.now_ms:
        return Gate.TALKING
    if visit.approached >= (weights.approaches_quiet if one.profile.quiet else weights.approaches):
        return Gate.APPROACHED
    return None


def between(one: Present, other: Present, circumstances: Circumstances, *, pinned: bool = False) -> Gate | None:
    """Return why these two are not brought together, None when they may be; the same from both sides.

    What the host pins opens two gates: a host may bring people together again, and knows when two have a language in common.
    """
    own, theirs = one.profile, other.profile
    if theirs.member == own.member:
        return Gate.SELF
    if theirs.member in circumstances.vetoes.get(own.member, ()):
        return Gate.VETO
    if own.employer and own.employer == theirs.employer and not (own.consents.colleagues and theirs.consents.colleagues):
        return Gate.EMPLOYER
    if pinned:
        return None
    if theirs.member in circumstances.met.get(own.member, ()):
        return Gate.MET
    if own.languages.isdisjoint(theirs.languages):
        return Gate.LANGUAGE
    return None


def apart(
    visitor: Present, candidate: Present, circumstances: Circumstances, weights: Weights = STANDARD, *, pinned: bool = False
) -> Gate | None:
    """Return why the visitor, who may be introduced, is not sent to this candidate; None when they may be."""
    if candidate.profile.member in circumstances.passed_over:
        return Gate.PASSED_OVER
    return (
        between(visitor, candidate, circumstances, pinned=pinned)
        or barred(candidate)
        or busy(candidate, circumstances, weights)
    )
