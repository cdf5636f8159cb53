"""`fikatap matching` as whoever runs the service types it, on real files."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import pytest

from firmware_py.cli import main
from firmware_py.matching_service.serve import DATABASE
from tests.rigs.postgres import Postgres
from tests.rigs.service import RunningService

MEMBERS = (
    "id,first_name,language,seeks,offers\nm1,Alma,sv,export,pricing\nm2,Bo,sv,pricing,export\nm3,Cajsa,sv,no-such-topic,\n"
)
BROKEN = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//a test//EN\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20270115T090000Z\r\n"
    "DTSTART:20270115T090000Z\r\nRRULE:FREQ=SOMETIMES\r\nSUMMARY:Breakfast\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new database with the venue `mitte`, named in the environment."""
    url = f"sqlite:///{tmp_path}/matching.sqlite"
    monkeypatch.setenv(DATABASE, url)
    assert main(["matching", "migrate"]) == 0
    assert main(["matching", "venue", "add", "kaffe", "mitte", "--name", "Kaffe Mitte"]) == 0
    return url


@pytest.mark.usefixtures("database")
def test_a_venue_is_listed_and_can_not_be_added_twice(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matching", "venue", "list"]) == 0
    assert capsys.readouterr().out.split() == ["kaffe", "mitte", "Kaffe", "Mitte"]
    assert main(["matching", "venue", "add", "kaffe", "mitte"]) != 0
    assert "there is a venue 'mitte' already" in capsys.readouterr().err


@pytest.mark.usefixtures("database")
def test_a_token_is_shown_once_and_revoked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matching", "token", "add", "mitte", "front"]) == 0
    assert len(capsys.readouterr().out.strip()) == 43
    assert main(["matching", "token", "revoke", "mitte", "front"]) == 0
    assert capsys.readouterr().out == "1 revoked\n"


@pytest.mark.usefixtures("database")
def test_members_go_in_and_a_faulty_line_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "members.csv"
    file.write_text(MEMBERS)
    told = main(["matching", "members", "import", "kaffe", str(file)]), capsys.readouterr().out
    assert "no-such-topic" in told[1]
    assert "added, 0 changed, 0 unchanged" in told[1]
    assert main(["matching", "members", "remove", "kaffe", "m1"]) == 0
    assert capsys.readouterr().out == "m1 is removed\n"


@pytest.mark.usefixtures("database")
def test_a_calendar_with_a_broken_rule_is_taken_and_the_rule_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mitte.ics"
    file.write_bytes(BROKEN.encode())
    assert main(["matching", "venue", "schedule", "mitte", str(file)]) == 1
    assert capsys.readouterr().out.startswith("note: ")
    file.write_text("nonsense")
    assert main(["matching", "venue", "schedule", "mitte", str(file)]) != 0
    assert "is no calendar" in capsys.readouterr().err


@pytest.mark.usefixtures("database")
def test_certificates_are_made_by_their_authority(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    assert main(["matching", "certificate", "authority", str(folder), "kaffe"]) == 0
    assert main(["matching", "certificate", "service", str(folder), "matching.kaffe.example"]) == 0
    assert main(["matching", "certificate", "terminal", str(folder), "mitte", "front"]) == 0
    for certificate in (each for each in folder.glob("*.pem") if each.with_suffix(".key").exists()):
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, certificate.with_suffix(".key"))


@pytest.mark.timeout(120)
def test_several_processes_serve_at_one_address(tmp_path: Path, postgres: Postgres) -> None:
    postgres.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO fikatap_owner, fikatap")
    with RunningService(tmp_path, postgres, workers=2) as service:
        service.start()
        children = subprocess.run(["pgrep", "-P", str(service.pid())], capture_output=True, text=True, check=True).stdout
        assert len(children.split()) >= 2
        service.stop()
