"""A medium with a volatile cache: what was written, flushed and acknowledged, in one order, and what a power cut leaves."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

SECTOR = 512


class Write(NamedTuple):
    """Bytes were handed to the medium; nobody knows yet whether they are on it."""

    file: str
    offset: int
    data: bytes


class Truncate(NamedTuple):
    """A file was cut to a length."""

    file: str
    size: int


class Flush(NamedTuple):
    """All that was written to a file before this is on the medium for good."""

    file: str


class Delete(NamedTuple):
    """A file is gone for good."""

    file: str


class Acknowledge(NamedTuple):
    """The program relies on all that it stored until now; `digest` is what its ledger holds."""

    digest: str


Entry = Write | Truncate | Flush | Delete | Acknowledge


class Cut(NamedTuple):
    """One power cut: the files as they are found afterwards, and how many acknowledgements there were."""

    files: dict[str, bytearray]
    acknowledged: int


class Medium:
    """What is on it for good, and what is in its cache."""

    def __init__(self, files: dict[str, bytearray]) -> None:
        self.safe = files
        self._cached: list[Write | Truncate] = []

    def take(self, entry: Write | Truncate | Flush | Delete) -> None:
        """Do what the program asked for."""
        match entry:
            case Write() | Truncate():
                self._cached.append(entry)
            case Flush(file):
                for each in self._cached:
                    if each.file == file:
                        _do(each, self.safe)
                self._forget(file)
            case Delete(file):
                self.safe.pop(file, None)
                self._forget(file)

    def _forget(self, file: str) -> None:
        self._cached = [each for each in self._cached if each.file != file]

    def lose_power(self, rng: Random) -> dict[str, bytearray]:
        """Return what is left: all that was flushed, and of the cache some writes, and some sectors of others."""
        files = {name: bytearray(data) for name, data in self.safe.items()}
        kept = rng.choice((0.0, 0.2, 0.5, 0.8, 1.0))
        for each in self._cached:
            if rng.random() < kept:
                _do(each, files)
            elif isinstance(each, Write) and rng.random() < 0.3:
                for start in range(0, len(each.data), SECTOR):
                    if rng.random() < 0.5:
                        _do(Write(each.file, each.offset + start, each.data[start : start + SECTOR]), files)
        return files


def _do(entry: Write | Truncate, files: dict[str, bytearray]) -> None:
    data = files.setdefault(entry.file, bytearray())
    end = entry.size if isinstance(entry, Truncate) else entry.offset
    if isinstance(entry, Truncate):
        del data[end:]
    data.extend(bytes(max(0, end - len(data))))
    if isinstance(entry, Write):
        data[end : end + len(entry.data)] = entry.data


def cuts(before: dict[str, bytearray], log: list[Entry], count: int, rng: Random) -> Iterator[Cut]:
    """Yield so many power cuts in the order in which they fall into the log: each second one right after an acknowledgement."""
    acknowledgements = [place for place, entry in enumerate(log, 1) if isinstance(entry, Acknowledge)]
    places = [rng.choice(acknowledgements) if turn % 2 else rng.randint(1, len(log)) for turn in range(count)]
    places.sort(reverse=True)
    medium, acknowledged = Medium(before), 0
    for place, entry in enumerate(log, 1):
        if isinstance(entry, Acknowledge):
            acknowledged += 1
        else:
            medium.take(entry)
        while places and places[-1] == place:
            places.pop()
            yield Cut(medium.lose_power(rng), acknowledged)
