"""Reads the word lists of topics, occupations, industries and pastimes from the package's data: tab-separated tables."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from kiosk.values import Language, PastimeId, TopicId
from kiosk.vocabulary import NO_LABELS, Labels, Topic, Vocabulary

Row = Mapping[str, str]


def load_vocabulary() -> Vocabulary:
    """Return all topics, occupations, industries and pastimes, and which languages are understood by each other's speakers."""
    phrases = {row["id"]: _labels(row) for row in _rows("phrases")}
    occupations, industries = _rows("occupations"), _rows("industries")
    return Vocabulary(
        topics=[
            Topic(
                id=TopicId(row["id"]),
                sensitive=row["sensitive_as_a_need"] == "yes",
                labels=_labels(row),
                offered_by=tuple(row["isco_prefixes_that_offer_it"].split(",")),
                phrases=phrases.get(row["id"], NO_LABELS),
            )
            for row in _rows("topics")
        ],
        occupations={row["isco08"]: _labels(row) for row in occupations},
        industries={row["nace"]: _labels(row) for row in industries},
        weights={row["isco08"]: _tenths(row["weight"]) for row in occupations}
        | {row["nace"]: _tenths(row["weight"]) for row in industries},
        pastimes={PastimeId(row["id"]): _labels(row) for row in _rows("pastimes")},
        families={row["tag"]: row["family"] for row in _rows("languages") if row["family"]},
    )


def _rows(name: str) -> list[Row]:
    """Return the rows of one tab-separated file by the names in its first line."""
    text = (files("firmware_py") / "data" / "vocabulary" / f"{name}.tsv").read_text(encoding="utf-8")
    header, *lines = (line.split("\t") for line in text.splitlines())
    return [dict(zip(header, line, strict=True)) for line in lines]


def _labels(row: Row) -> Labels:
    return {language: row[language.value] for language in Language}


def _tenths(weight: str) -> int:
    return round(float(weight) * 10)


def load_language_names() -> dict[str, str]:
    """Return the names of languages in themselves, by BCP 47 tag."""
    return {row["tag"]: row["name"] for row in _rows("languages")}
