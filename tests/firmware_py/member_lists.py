"""Member lists for tests."""

from __future__ import annotations

from firmware_py.members import COLUMNS, LONGEST, MOST_TOPICS
from kiosk.matching.profiles import MOST_WISHES
from kiosk.vocabulary import Vocabulary

LETTER = "\U0001d400"
"""A letter that takes four bytes."""


def longest_list(count: int, vocabulary: Vocabulary) -> bytes:
    """Return a list of so many good members whose lines say as much as lines may."""
    topics = ";".join(list(vocabulary.topics)[:MOST_TOPICS])
    (first, second), industry = list(vocabulary.topics)[:2], next(iter(vocabulary.industries))
    cells = {
        "first_name": LETTER * LONGEST,
        "short_name": LETTER * LONGEST,
        "language": "sv",
        "seeks": topics,
        "offers": topics,
        "employer": LETTER * LONGEST,
        "history": ";".join(f"{number:02}{LETTER * (LONGEST - 2)}" for number in range(MOST_TOPICS)),
        "pastimes": ";".join(list(vocabulary.pastimes)[:MOST_TOPICS]),
        "wishes": ";".join([f"{industry}:{first}:{second}"] * MOST_WISHES),
    }
    lines = [[f"{number:05}{LETTER * (LONGEST - 5)}" if each == "id" else cells.get(each, "") for each in COLUMNS]
             for number in range(count)]  # fmt: skip
    return "\n".join([",".join(COLUMNS), *(",".join(line) for line in lines)]).encode()
