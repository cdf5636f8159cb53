from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from firmware_py.evaluation.people import made_up_people
from firmware_py.evaluation.report import from_files, write_files
from firmware_py.evaluation.truth import TruthError, read_truth
from firmware_py.vocabulary import load_vocabulary
from kiosk.values import MemberId

VOCABULARY = load_vocabulary()
ASTA, BO = MemberId("asta"), MemberId("bo")
FIRST, SECOND = np.array([0]), np.array([1])


def worth(path: Path, peer: float = 0.0) -> tuple[float, float, float]:
    """Return what Asta and Bo get out of each other, and the smaller of both."""
    truth = read_truth(path, [ASTA, BO])
    gains = truth.value(FIRST, SECOND, peer), truth.value(SECOND, FIRST, peer), truth.mutual(FIRST, SECOND, peer)
    one, other, both = (round(float(each[0]), 4) for each in gains)
    return one, other, both


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_help_is_what_is_left_of_a_need_after_each_skill(tmp_path: Path) -> None:
    latent = """{"asta": {"needs": {"knots": 1, "tar": 0.5}, "skills": {"rope": 0.4}},
                 "bo": {"needs": {"rope": 0.5}, "skills": {"knots": 0.6, "tar": 0.5, "sails": 1}}}"""
    # Asta: 1 - (1 - 1 * 0.6) * (1 - 0.5 * 0.5); Bo: 0.5 * 0.4.
    assert worth(write(tmp_path / "truth.json", latent)) == (0.7, 0.2, 0.2)


def test_a_peer_is_worth_less_where_both_know_the_same_industries(tmp_path: Path) -> None:
    latent = """{"asta": {"craft": [2, 0], "industries": ["C"]}, "bo": {"craft": [1, 0], "industries": ["%s"]}}"""
    assert worth(write(tmp_path / "apart.json", latent % "F"), peer=0.25) == (0.25, 0.25, 0.25)
    assert worth(write(tmp_path / "same.json", latent % "C"), peer=0.25) == (0.075, 0.075, 0.075)


def test_crafts_that_have_nothing_in_common_make_no_peers(tmp_path: Path) -> None:
    latent = """{"asta": {"craft": [1, 0]}, "bo": {"craft": [0, 1]}}"""
    assert worth(write(tmp_path / "truth.json", latent), peer=1.0) == (0, 0, 0)


def test_a_table_of_pairs_gives_help_and_peer_each_way(tmp_path: Path) -> None:
    pairs = write(tmp_path / "truth.csv", "member,other,value,peer\nasta,bo,0.5,1\nbo,asta,0.1,\n")
    assert worth(pairs, peer=0.25) == (0.75, 0.1, 0.1)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("t.csv", "member,value\n", "the column 'other' is missing"),
        ("t.csv", "member,other,value\nasta,bo,1.5\n", "line 2: '1.5' is not a number from 0 to 1"),
        ("t.csv", "member,other,value\nasta,bo,much\n", "line 2: 'much' is not a number from 0 to 1"),
        ("t.csv", "member,other,value\nasta,cai,1\n", "line 2: 'cai' is not a member of the roster"),
        ("t.json", '{"asta": {}}', "member 'bo' of the roster is not in it"),
        ("t.json", '{"asta": {"needs": {"tar": 2}}, "bo": {}}', "'tar' of member 'asta': '2.0' is not a number from 0 to 1"),
        ("t.json", '{"asta": {"craft": [1]}, "bo": {"craft": [1, 0]}}', "crafts have 1 and 2 numbers"),
        ("t.json", '{"asta": {"need": {}}, "bo": {}}', "unknown field `need`"),
        ("t.json", "{", "truncated"),
    ],
)
def test_a_faulty_truth_is_told_in_one_line(tmp_path: Path, name: str, text: str, told: str) -> None:
    with pytest.raises(TruthError) as error:
        read_truth(write(tmp_path / name, text), [ASTA, BO])
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_truth_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(TruthError, match="can't be read: No such file"):
        read_truth(tmp_path / "none.json", [ASTA, BO])


def test_made_up_people_come_back_from_files_as_they_were(tmp_path: Path) -> None:
    made = made_up_people(60, 3, VOCABULARY)
    write_files(tmp_path, 60, 3, VOCABULARY)
    people = from_files(tmp_path / "roster.csv", tmp_path / "truth.json", VOCABULARY, 3)
    assert people.members == made.people.members
    ones, others = np.arange(60)[:, None], np.arange(60)[None, :]
    assert np.allclose(people.truth.mutual(ones, others, 0.25), made.people.truth.mutual(ones, others, 0.25), atol=1e-3)


def test_a_faulty_line_of_a_roster_is_told(tmp_path: Path) -> None:
    roster = write(tmp_path / "roster.csv", "id,first_name,language,seeks\na,Asta,sv,knots\n")
    with pytest.raises(TruthError, match=r"line 2, seeks: 'knots' is not a topic"):
        from_files(roster, write(tmp_path / "truth.json", "{}"), VOCABULARY, 1)
