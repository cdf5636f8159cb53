"""What two people really give each other: hidden skills and needs, or a table of pairs; the engine never sees any of it."""

from __future__ import annotations

import csv
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from drivers.errors import FikatapError
from kiosk.values import MemberId

Numbers = NDArray[np.float32]
Places = NDArray[np.intp]

OVERLAP = 0.7
"""How much of a peer's worth is lost when both know exactly the same industries."""
UNLIKE, ALIKE = 0.3, 0.8
"""Crafts whose vectors' cosine is below the first have nothing in common; from the second on two people are true peers."""


class TruthError(FikatapError):
    """A truth that can't be read, or that does not fit the roster."""


class Truth(ABC):
    """What members, by their places in the roster, get out of each other, from 0 to 1."""

    @abstractmethod
    def value(self, ones: Places, others: Places, peer: float) -> Numbers:
        """Return what each of `ones` gets out of each of `others`, both broadcast; `peer` is the worth of a true peer."""

    def mutual(self, ones: Places, others: Places, peer: float) -> Numbers:
        """Return what the one of the two who gets less gets."""
        return np.minimum(self.value(ones, others, peer), self.value(others, ones, peer))


class LatentTruth(Truth):
    """Needs and skills by hidden word, crafts as vectors, and the industries that somebody knows.

    Help is what is left of a need after all that the other can do about it: 1 - product of (1 - need * skill). A peer is worth
    `peer` times the likeness of the crafts, less where both know the same industries.
    """

    def __init__(self, needs: Numbers, skills: Numbers, crafts: Numbers, industries: Numbers) -> None:
        """Take one row a member of each; rows of `crafts` have the length 1 or 0, `industries` holds 0 and 1."""
        self._needs, self._skills, self._crafts, self._industries = needs, skills, crafts, industries

    def value(self, ones: Places, others: Places, peer: float) -> Numbers:
        """Return help and peer's worth together, 1 at most."""
        helped = 1 - np.prod(1 - self._needs[ones] * self._skills[others], axis=-1)
        likeness = np.clip((np.sum(self._crafts[ones] * self._crafts[others], axis=-1) - UNLIKE) / (ALIKE - UNLIKE), 0, 1)
        both = np.sum(self._industries[ones] * self._industries[others], axis=-1)
        either = np.sum(np.maximum(self._industries[ones], self._industries[others]), axis=-1)
        known = both / np.maximum(either, 1)
        worth: Numbers = np.minimum(helped + peer * likeness * (1 - OVERLAP * known), 1).astype(np.float32)
        return worth


class PairTruth(Truth):
    """A table: what one gets out of the other, as far as it is given, and a peer's worth beside it."""

    def __init__(self, values: Numbers, peers: Numbers) -> None:
        """Take two square tables, rows get and columns give."""
        self._values, self._peers = values, peers

    def value(self, ones: Places, others: Places, peer: float) -> Numbers:
        """Return the table's value and the peer's worth together, 1 at most."""
        worth: Numbers = np.minimum(self._values[ones, others] + peer * self._peers[ones, others], 1)
        return worth


class Hidden(msgspec.Struct, forbid_unknown_fields=True):
    """One member in a JSON truth: words of any kind with numbers from 0 to 1."""

    needs: dict[str, float] = {}
    skills: dict[str, float] = {}
    craft: list[float] = []
    industries: list[str] = []


def read_truth(path: Path, members: Sequence[MemberId]) -> Truth:
    """Return the truth of a file about these members: JSON of latent values, CSV of pairs; the formats are in docs/matching.md.

    Raise `TruthError` when it can't be read, names somebody who is not in the roster, or holds what is not from 0 to 1.
    """
    places = {member: place for place, member in enumerate(members)}
    try:
        if path.suffix.lower() == ".json":
            return _latent(msgspec.json.decode(path.read_bytes(), type=dict[str, Hidden]), places)
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _pairs(csv.DictReader(file), places)
    except OSError as error:
        raise TruthError(f"{path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TruthError(f"{path} is not UTF-8; save it as UTF-8") from error
    except (msgspec.DecodeError, TruthError, csv.Error) as error:
        raise TruthError(f"{path}: {error}") from error


def write_latent(people: Mapping[MemberId, Hidden]) -> bytes:
    """Return a JSON truth, as `read_truth` reads it."""
    return msgspec.json.format(msgspec.json.encode(dict(people)), indent=1)


def _latent(people: Mapping[str, Hidden], places: Mapping[MemberId, int]) -> LatentTruth:
    if missing := next((member for member in places if member not in people), None):
        raise TruthError(f"member '{missing}' of the roster is not in it; every member is")
    hidden = [people[member] for member in places]
    widths = {len(each.craft) for each in hidden if each.craft}
    if len(widths) > 1:
        raise TruthError(f"crafts have {' and '.join(map(str, sorted(widths)))} numbers; all have equally many")
    crafts = np.zeros((len(hidden), max(widths, default=0)), np.float32)
    for row, (member, each) in enumerate(zip(places, hidden, strict=True)):
        for word, number in (*each.needs.items(), *each.skills.items()):
            _checked(number, f"'{word}' of member '{member}'")
        if each.craft:
            crafts[row] = each.craft
            if not np.isfinite(crafts[row]).all():
                raise TruthError(f"the craft of member '{member}' holds what is no number")
    words = sorted({word for each in hidden for word in (*each.needs, *each.skills)})
    industries = sorted({industry for each in hidden for industry in each.industries})
    lengths = np.linalg.norm(crafts, axis=1, keepdims=True)
    return LatentTruth(
        _table([each.needs for each in hidden], words),
        _table([each.skills for each in hidden], words),
        (crafts / np.where(lengths > 0, lengths, 1)).astype(np.float32),
        _table([dict.fromkeys(each.industries, 1.0) for each in hidden], industries),
    )


def _table(rows: Sequence[Mapping[str, float]], words: Sequence[str]) -> Numbers:
    place = {word: number for number, word in enumerate(words)}
    table = np.zeros((len(rows), len(words)), np.float32)
    for number, row in enumerate(rows):
        for word, value in row.items():
            table[number, place[word]] = value
    return table


def _pairs(rows: Any, places: Mapping[MemberId, int]) -> PairTruth:
    columns = set(rows.fieldnames or ())
    if missing := {"member", "other", "value"} - columns:
        raise TruthError(f"the column '{min(missing)}' is missing; there are member, other, value and, if wanted, peer")
    values = np.zeros((len(places), len(places)), np.float32)
    peers = np.zeros_like(values)
    for number, row in enumerate(_filled(rows), 2):
        where = f"line {number}"
        one, other = (_place(row[column], places, where) for column in ("member", "other"))
        values[one, other] = _checked(row["value"], where)
        if row.get("peer"):
            peers[one, other] = _checked(row["peer"], where)
    return PairTruth(values, peers)


def _filled(rows: Any) -> Iterator[Mapping[str, str]]:
    for row in rows:
        yield {column: cell or "" for column, cell in row.items() if column is not None}


def _place(member: str, places: Mapping[MemberId, int], where: str) -> int:
    place = places.get(MemberId(member))
    if place is None:
        raise TruthError(f"{where}: '{member}' is not a member of the roster")
    return place


def _checked(number: str | float, where: str) -> float:
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise TruthError(f"{where}: '{number}' is not a number from 0 to 1")
    return value
