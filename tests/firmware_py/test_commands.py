from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from firmware_py.cli import cards, members, venue, visits
from firmware_py.commands import SLICE, CommandError, carry_out
from firmware_py.keys import VenueKey, VenueKeyError, key_path
from firmware_py.ledger import Ledger, LedgerInUse
from firmware_py.office import LocalOffice
from kiosk.effects import Durable, Notice, OpenVisit, QueueBadge, SetJob, TellStaff
from kiosk.events import TimePassed
from kiosk.jobs import JobState
from kiosk.values import Consents, Language, Member, MemberId
from tests.firmware_py.test_ledger import TRUSTED, check_in, job_of, visit

SIGRID = Member(MemberId("sigrid"), "Sigrid", Language.SV, consents=Consents(introductions=True), employer="Kraft AB")
HAKON = Member(MemberId("hakon"), "Håkon", Language.NB)
UID, OTHER_UID = "04c767f2066180", "04de5f1eacc040"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger.open(tmp_path / "ledger.db")
    yield ledger
    ledger.close()


class Desk:
    """Asks for commands as the running terminal does."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.key = VenueKey(key_path(ledger.path)).open(ledger)

    def __call__(self, name: str, **arguments: Any) -> Any:
        result = carry_out(name, msgspec.json.decode(msgspec.json.encode(arguments)), self.ledger, self.key)
        return msgspec.json.decode(msgspec.json.encode(result))


@pytest.fixture
def desk(ledger: Ledger) -> Desk:
    desk = Desk(ledger)
    assert desk("members.put", members=[SIGRID, HAKON]) == {"added": 2, "changed": 0, "unchanged": 0}
    return desk


def test_members_are_listed_by_slices(desk: Desk) -> None:
    for start in range(0, 3 * SLICE, SLICE):
        desk(
            "members.put",
            members=[Member(MemberId(f"m{number:03}"), "Ebba", Language.SV) for number in range(start, start + SLICE)],
        )
    pages = [desk("members.list")]
    while pages[-1]:
        pages.append(desk("members.list", after=pages[-1][-1]["id"]))
    assert [len(page) for page in pages] == [SLICE, SLICE, SLICE, 2, 0]
    assert len({member["id"] for page in pages for member in page}) == 3 * SLICE + 2


def test_a_member_is_shown_with_cards_and_counters_but_without_the_employer_s_name(desk: Desk) -> None:
    desk("cards.bind", member="sigrid", uid=UID)
    check_in(desk.ledger, 1, SIGRID)
    shown = desk("members.show", member="sigrid")
    assert msgspec.convert(shown["member"], Member) == desk.ledger.member(SIGRID.id)
    assert shown["member"]["employer"] == desk.key.employer_hash("kraft ab")
    assert (shown["visits"], shown["approached"], shown["present"]) == (1, 0, True)
    assert shown["cards"] == [{"card": desk.key.pseudonym(bytes.fromhex(UID))[:8], "blocked": False}]


def test_a_member_who_is_here_is_not_removed(desk: Desk) -> None:
    check_in(desk.ledger, 1, SIGRID)
    with pytest.raises(CommandError, match="sigrid is checked in; say 'fikatap visits leave sigrid' first"):
        desk("members.remove", member="sigrid")


def test_a_removed_member_s_card_is_nobody_s(desk: Desk) -> None:
    desk("cards.bind", member="sigrid", uid=UID)
    desk("members.remove", member="sigrid")
    assert desk.ledger.holder(desk.key.pseudonym(bytes.fromhex(UID))) == (None, False, 0)


@pytest.mark.parametrize("command", ["members.show", "members.remove", "cards.replace", "cards.list"])
def test_a_member_who_is_not_there_is_told(desk: Desk, command: str) -> None:
    with pytest.raises(CommandError, match="there is no member 'nobody'; 'fikatap members list' shows them"):
        desk(command, member="nobody")


@pytest.mark.parametrize(
    ("uid", "words"),
    [("04c7", "4, 7 or 10 bytes in hex"), ("no hex", "4, 7 or 10 bytes in hex"), ("08aabbcc", "a random UID of a phone")],
)
def test_what_is_no_card_is_not_bound(desk: Desk, uid: str, words: str) -> None:
    with pytest.raises(CommandError, match=words):
        desk("cards.bind", member="sigrid", uid=uid)


def test_somebody_else_s_card_is_not_bound(desk: Desk) -> None:
    desk("cards.bind", member="sigrid", uid=UID)
    with pytest.raises(CommandError, match="belongs to another member"):
        desk("cards.bind", member="hakon", uid=UID)
    desk("cards.block", of="sigrid")
    with pytest.raises(CommandError, match="is blocked"):
        desk("cards.bind", member="sigrid", uid=UID)


def test_replacing_blocks_all_cards_but_the_newest(desk: Desk) -> None:
    for uid in (UID, OTHER_UID):
        desk("cards.bind", member="sigrid", uid=uid)
    old, new = (desk.key.pseudonym(bytes.fromhex(uid))[:8] for uid in (UID, OTHER_UID))
    assert desk("cards.replace", member="sigrid") == {"blocked": [old]}
    assert desk("cards.list", member="sigrid") == [{"card": new, "blocked": False}, {"card": old, "blocked": True}]


def test_one_card_is_blocked_by_its_first_digits(desk: Desk) -> None:
    for uid in (UID, OTHER_UID):
        desk("cards.bind", member="sigrid", uid=uid)
    card = desk("cards.list", member="sigrid")[1]["card"]
    assert desk("cards.block", of=card.upper()) == {"blocked": [card]}
    assert desk("cards.block", of=card) == {"blocked": []}
    with pytest.raises(CommandError, match="is neither a member nor the first 8 digits of a card"):
        desk("cards.block", of=card[:7])


def test_jobs_are_listed_without_a_word_of_the_badge(desk: Desk) -> None:
    came = visit(desk.ledger, 1, SIGRID)
    job = job_of(came, 2, "Xerxes")
    effects: list[Durable] = [
        OpenVisit(came),
        QueueBadge(job),
        SetJob(job.id, JobState.UNKNOWN),
        TellStaff(Notice.BADGE_UNKNOWN, job.id),
    ]
    desk.ledger.commit(TimePassed(), effects, TRUSTED, 2)
    stands = {"what": "badge", "state": "unknown", "cause": None, "copy": False}
    assert desk("jobs.list") == [{"job": job.id, "visit": came.id, "member": "sigrid", **stands}]
    assert desk("notices.list")[0]["job"] == job.id
    assert desk("notices.resolve", notice=desk("notices.list")[0]["id"]) == {"resolved": 1}
    with pytest.raises(CommandError, match="there is no open notice 1"):
        desk("notices.resolve", notice=1)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("members.shwo", {}, "there is no command 'members.shwo'; there are cards.bind, "),
        ("members.show", {}, "argument: 'member'"),
        ("members.show", {"membre": "x"}, "members.show: "),
        ("members.show", {"member": 3}, "members.show: Expected `str`, got `int`"),
        ("members.put", {"members": [{"id": "x"}]}, "missing required field `first_name`"),
        ("members.put", {"members": [msgspec.to_builtins(HAKON)] * (SLICE + 1)}, f"takes {SLICE} members at once"),
    ],
)
def test_a_command_that_makes_no_sense_is_told(desk: Desk, name: str, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(CommandError) as raised:
        desk(name, **arguments)
    assert words in str(raised.value)


# At the command line, with no terminal running


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "terminal.toml"
    path.write_text(
        f"""
        [cafe]
        name = "Fika"
        language = "sv"
        timezone = "Europe/Stockholm"
        [ledger]
        path = "{tmp_path}/ledger.db"
        [control]
        socket = "{tmp_path}/control.sock"
        [[zone]]
        id = "window"
        name = "Fönstret"
        symbol = "star"
        colour = "blue"
        [reader.door]
        driver = "fake"
        """,
        encoding="utf-8",
    )
    return path


@pytest.fixture
def run(config: Path) -> Any:
    def run(*words: str) -> int:
        parser = argparse.ArgumentParser()
        commands = parser.add_subparsers()
        for module in (members, cards, visits, venue):
            module.add(commands)
        args = parser.parse_args(words, argparse.Namespace(config=config))
        code: int = args.handler(args)
        return code

    return run


LIST = "id,first_name,language,offers,employer\nsigrid,Sigrid,sv,budget,Kraft AB\nhakon,Håkon,nb,,\nmaeve,Maeve,xx,,\n"


def test_an_import_tells_what_became_of_the_list(run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "list.csv").write_text(LIST, encoding="utf-8")
    file = str(tmp_path / "list.csv")
    said = []
    for words in (("--dry-run",), (), ()):
        assert run("members", "import", file, *words) == 1
        said.append(capsys.readouterr().out.splitlines()[-1])
    assert said == [
        "2 would be added, 0 would be changed, 0 unchanged, 1 faulty and left out, 1 that can't be matched yet",
        "2 added, 0 changed, 0 unchanged, 1 faulty and left out, 1 that can't be matched yet",
        "0 added, 0 changed, 2 unchanged, 1 faulty and left out, 1 that can't be matched yet",
    ]


def test_faults_are_told_line_by_line(run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "list.csv").write_text(LIST, encoding="utf-8")
    run("members", "import", str(tmp_path / "list.csv"))
    assert capsys.readouterr().out.splitlines()[:2] == [
        "note: line 3, offers: '' means that this member will not be matched until they offer something; help them find what",
        "line 4, language: 'xx' is not a language of the badge; choose one of sv, da, nb, en",
    ]


def test_a_long_list_shows_progress(run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = "".join(f"m{number},Ebba,sv,budget\n" for number in range(4_100))
    (tmp_path / "list.csv").write_text("id,first_name,language,offers\n" + lines, encoding="utf-8")
    assert run("members", "import", str(tmp_path / "list.csv")) == 0
    assert capsys.readouterr().err.splitlines() == ["2000 lines read", "4000 lines read"]


def test_members_are_shown_and_removed(run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "list.csv").write_text(LIST, encoding="utf-8")
    run("members", "import", str(tmp_path / "list.csv"))
    capsys.readouterr()
    assert run("members", "show", "sigrid") == 0
    shown = capsys.readouterr().out
    assert "first_name     Sigrid\n" in shown
    assert "offers         budget\n" in shown
    assert "employer       known\n" in shown
    assert "agrees to      nothing\n" in shown
    assert run("members", "remove", "sigrid") == 0
    capsys.readouterr()
    assert run("members", "list") == 0
    assert capsys.readouterr().out.split() == ["hakon", "Håkon", "nb", "no", "introductions,", "no", "offer"]


def test_what_needs_the_devices_says_so(run: Any) -> None:
    for words in (("cards", "enrol", "sigrid"), ("visits", "checkin", "sigrid"), ("visits", "leave", "sigrid")):
        with pytest.raises(CommandError, match="needs the running terminal; start it with 'systemctl start fikatap'"):
            run(*words)


def test_a_key_moves_to_another_terminal(run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "exported"
    assert run("venue", "key", "export", str(file)) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="can't be written: File exists"):
        run("venue", "key", "export", str(file))
    (tmp_path / "other").mkdir()
    with LocalOffice(tmp_path / "other" / "ledger.db") as office:
        office.call("venue.key.import", text=file.read_text())
        assert office.call("venue.key.export")["text"] == file.read_text()
    assert "whoever has that file can recognise every card" in capsys.readouterr().out


def test_a_lost_key_is_brought_back(run: Any, tmp_path: Path) -> None:
    run("venue", "key", "export", str(tmp_path / "exported"))
    with LocalOffice(tmp_path / "ledger.db") as office:
        office.call("members.put", members=[msgspec.to_builtins(SIGRID)])
        office.call("cards.bind", member="sigrid", uid=UID)
    (tmp_path / "venue.key").unlink()
    with pytest.raises(VenueKeyError, match="bring that key back with 'fikatap venue key import FILE'"):
        run("members", "list")
    assert run("venue", "key", "import", str(tmp_path / "exported")) == 0
    assert run("members", "list") == 0


def test_a_card_is_blocked_without_a_running_terminal(run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with LocalOffice(tmp_path / "ledger.db") as office:
        office.call("members.put", members=[msgspec.to_builtins(SIGRID)])
        office.call("cards.bind", member="sigrid", uid=UID)
        card = office.call("cards.list", member="sigrid")[0]["card"]
    assert run("cards", "block", "sigrid") == 0
    assert capsys.readouterr().out == f"blocked: {card}\n"


def test_two_offices_don_t_share_a_ledger(run: Any, tmp_path: Path) -> None:
    with LocalOffice(tmp_path / "ledger.db"), pytest.raises(LedgerInUse, match="in use by process"):
        run("members", "list")


def test_a_list_that_can_t_be_read_is_told(run: Any, tmp_path: Path) -> None:
    from firmware_py.members import MembersFileError

    with pytest.raises(MembersFileError, match=r"nothing\.csv can't be read: No such file"):
        run("members", "import", str(tmp_path / "nothing.csv"))
    (tmp_path / "list.csv").write_text("id,nme,language\n")
    with pytest.raises(MembersFileError, match=r"list\.csv, line 1: 'nme' is not a column"):
        run("members", "import", str(tmp_path / "list.csv"))


def test_a_ledger_that_came_back_from_a_copy_gives_no_id_twice(desk: Desk) -> None:
    before = desk.ledger.prefix
    assert desk("venue.restored") == {"prefix": desk.ledger.prefix}
    assert desk.ledger.prefix != before
    assert desk.ledger.prefix.startswith("t1-")
