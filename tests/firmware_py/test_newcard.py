from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace
from PIL import Image

from firmware_py.config import load
from firmware_py.demo import card_of
from firmware_py.keys import VenueKey, key_path
from firmware_py.ledger import Ledger
from firmware_py.newcard import NewCardError, bring_over
from firmware_py.settings import files_of, keep, kept
from firmware_py.template import load_template
from firmware_py.terminal.second import SecondMedium
from tests.firmware_py.terminal.harness import CAFE, person
from tests.firmware_py.test_config import FIKATAP


class Cafe:
    """A terminal's card, with a second medium that is up to date, and a key that was exported."""

    def __init__(self, folder: Path) -> None:
        self.etc, self.state, self.stick = folder / "etc", folder / "state", folder / "stick"
        for each in (self.etc, self.state, self.stick):
            each.mkdir(parents=True)
        self.toml = self.etc / "terminal.toml"
        text = CAFE.format(folder=self.state, socket=folder / "s", rules="", match_ms=800, printer="", trust="true")
        text = text.replace("[control]", f'second = "{self.stick}"\n[control]') + '[badge]\ntemplate = "own/badge.toml"\n'
        self.toml.write_text(text, "utf-8")
        (self.etc / "own").mkdir()
        (self.etc / "own" / "badge.toml").write_text('logo = "logo.png"\n[words.en]\nbadge.go = "Walk to"\n', "utf-8")
        Image.new("1", (80, 40)).save(self.etc / "own" / "logo.png")
        (self.etc / "update-signers").write_text("this café's own", "utf-8")
        self.key = folder / "venue.key"
        self.ledger = self.state / "ledger.db"

    def live(self) -> None:
        """Have a member with a card, findings about a printer, and all of it on the second medium."""
        ledger = Ledger.open(self.ledger)
        key = VenueKey(key_path(self.ledger)).open(ledger)
        ledger.put_members([person(1)])
        ledger.bind_card(key.pseudonym(card_of(1).uid), person(1).id)
        self.key.write_text(key.export(), "utf-8")
        (self.state / "printers").mkdir()
        (self.state / "printers" / "usb.json").write_text("{}", "utf-8")
        config = load(self.toml)
        assert config.badge.template is not None
        medium = SecondMedium(self.stick, self.ledger, files_of(config, load_template(config.badge.template).logo))
        medium.open()
        medium.close()
        ledger.close()

    def dies(self) -> None:
        """Lose the card and put a new one in, freshly installed."""
        shutil.rmtree(self.etc)
        shutil.rmtree(self.state)
        self.etc.mkdir()
        self.state.mkdir()
        self.toml.write_text("# as it ships\n", "utf-8")

    def holder(self) -> str | None:
        """Return who is known by the card of person 1."""
        ledger = Ledger.open(self.ledger)
        try:
            member, *_ = ledger.holder(VenueKey(key_path(self.ledger)).open(ledger).pseudonym(card_of(1).uid))
            return None if member is None else member.id
        finally:
            ledger.close()


@pytest.fixture
def cafe(tmp_path: Path) -> Cafe:
    cafe = Cafe(tmp_path)
    cafe.live()
    return cafe


def test_one_command_brings_configuration_template_logo_findings_ledger_and_key_back(cafe: Cafe) -> None:
    before = {path: path.read_bytes() for path in (cafe.toml, *sorted((cafe.etc / "own").iterdir()))}
    cafe.dies()
    done = subprocess.run(
        [FIKATAP, "--config", cafe.toml, "venue", "new-card", cafe.stick, "--key", cafe.key],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert {path: path.read_bytes() for path in before} == before
    assert (cafe.state / "printers" / "usb.json").read_text("utf-8") == "{}"
    assert cafe.holder() == person(1).id
    assert (cafe.etc / "terminal.toml.before").read_text("utf-8") == "# as it ships\n"
    assert "not on that medium: passwords and network settings of the machine, and /etc/fikatap/update-signers" in done.stdout


def test_doing_it_again_does_no_harm(cafe: Cafe) -> None:
    cafe.dies()
    for _ in range(2):
        bring_over(cafe.stick, cafe.key, cafe.toml, lambda _: None)
    assert cafe.holder() == person(1).id


def test_without_the_key_it_is_said_that_it_is_missing(cafe: Cafe) -> None:
    cafe.dies()
    said: list[str] = []
    bring_over(cafe.stick, None, cafe.toml, said.append)
    assert "not on that medium: the venue's key, without which no card is known: fikatap venue key import FILE" in said


def test_a_wrong_key_is_refused_with_its_own_sentence(cafe: Cafe) -> None:
    cafe.dies()
    cafe.key.write_text("no key", "utf-8")
    with pytest.raises(NewCardError, match="is not a venue key; its first line is"):
        bring_over(cafe.stick, cafe.key, cafe.toml, lambda _: None)


def test_a_folder_without_copies_changes_nothing(cafe: Cafe, tmp_path: Path) -> None:
    cafe.dies()
    with pytest.raises(NewCardError, match=r"has no copies of a ledger .*; is the stick mounted\?"):
        bring_over(tmp_path / "nowhere", cafe.key, cafe.toml, lambda _: None)
    assert cafe.toml.read_text("utf-8") == "# as it ships\n"


def test_a_configuration_that_is_wrong_is_not_taken(cafe: Cafe) -> None:
    cafe.dies()
    (cafe.stick / "settings" / "terminal.toml").write_text("[cafe]\nnmae = 1\n", "utf-8")
    with pytest.raises(NewCardError, match=r"the configuration on the medium is of no use: .*nmae.*; nothing was changed"):
        bring_over(cafe.stick, cafe.key, cafe.toml, lambda _: None)
    assert cafe.toml.read_text("utf-8") == "# as it ships\n"


def test_what_the_configuration_does_not_name_is_left_on_the_medium(cafe: Cafe) -> None:
    cafe.dies()
    settings = cafe.stick / "settings"
    (settings / "update-signers").write_text("somebody else's", "utf-8")
    (settings / "more.toml").touch()
    bring_over(cafe.stick, cafe.key, cafe.toml, lambda _: None)
    assert not (cafe.etc / "update-signers").exists()
    assert not (cafe.etc / "more.toml").exists()
    toml = settings / "terminal.toml"
    toml.write_text(toml.read_text("utf-8").replace("own/badge.toml", "update-signers"), "utf-8")
    (settings / "update-signers").write_text("", "utf-8")
    bring_over(cafe.stick, cafe.key, cafe.toml, lambda _: None)
    assert not (cafe.etc / "update-signers").exists()


def test_no_secret_goes_onto_the_medium(cafe: Cafe) -> None:
    names = {path.relative_to(cafe.stick).as_posix() for path in cafe.stick.rglob("*") if path.is_file()}
    assert names >= {
        "settings/terminal.toml",
        "settings/own/badge.toml",
        "settings/own/logo.png",
        "settings/printers/usb.json",
    }
    secret = VenueKey(key_path(cafe.ledger))
    ledger = Ledger.open(cafe.ledger)
    line = secret.open(ledger).export().splitlines()[-1].removeprefix("key: ").encode()
    ledger.close()
    assert [name for name in names if line in (cafe.stick / name).read_bytes() or "signers" in name] == []


def test_what_is_there_as_it_is_is_not_written_again(tmp_path: Path) -> None:
    source, second = tmp_path / "terminal.toml", tmp_path / "second"
    second.mkdir()
    source.write_text("a", "utf-8")
    files = {"terminal.toml": source, "gone.toml": tmp_path / "gone"}
    keep(second, files)
    (written,) = kept(second).values()
    number = written.stat().st_ino
    keep(second, files)
    assert written.stat().st_ino == number
    source.write_text("b", "utf-8")
    keep(second, files)
    assert written.read_text("utf-8") == "b"
    assert written.stat().st_mode & 0o777 == 0o600


def test_a_configuration_that_was_not_read_from_a_file_is_not_kept(cafe: Cafe) -> None:
    assert files_of(replace(load(cafe.toml), file=None), None) == {}
