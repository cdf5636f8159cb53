from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_py.keys import VenueKey, VenueKeyError, key_path
from firmware_py.ledger import Ledger
from kiosk.values import CardId, Language, Member, MemberId

UID = bytes.fromhex("04c767f2066180")
KEY_FILE = """fikatap venue key
id: vrcq33nm
key: AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQTCQKRMFYYDENBWHA5DYPQ
"""
"""The key 00 01 02 … 1f, as docs/ledger.md shows it."""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger.open(tmp_path / "ledger.db")
    yield ledger
    ledger.close()


@pytest.fixture
def key(ledger: Ledger) -> VenueKey:
    key = VenueKey(key_path(ledger.path))
    key.adopt(KEY_FILE, ledger)
    return key


def hmac_by_hand(key: bytes, message: bytes) -> str:
    """RFC 2104, written out."""
    key = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(each ^ 0x36 for each in key) + message).digest()
    return hashlib.sha256(bytes(each ^ 0x5C for each in key) + inner).hexdigest()


def enrol(ledger: Ledger) -> None:
    ledger.put_members([Member(MemberId("sigrid"), "Sigrid", Language.SV)])
    ledger.bind_card(CardId("ab" * 32), MemberId("sigrid"))


def test_a_pseudonym_is_the_published_hmac_of_the_uid_and_its_length(key: VenueKey) -> None:
    # RFC 4231, test case 1
    assert hmac_by_hand(b"\x0b" * 20, b"Hi There") == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    by_hand = hmac_by_hand(bytes(range(32)), b"fikatap card\0\x07" + UID)
    published = "d9c8101dbb7ddc0748a54dd506fba6410ed7c173cc15c86cc5553f7ddf712a8b"
    assert key.pseudonym(UID) == by_hand == published


def test_uids_of_different_lengths_never_share_a_pseudonym(key: VenueKey) -> None:
    assert len({key.pseudonym(UID[:4]), key.pseudonym(UID), key.pseudonym(UID + b"\0\0\0")}) == 3


def test_an_employer_is_the_same_in_every_spelling_of_the_same_name(key: VenueKey) -> None:
    hashes = {
        key.employer_hash(name) for name in ("Ängelholms  Åkeri AB", " ängelholms åkeri ab ", "A\u0308NGELHOLMS A\u030akeri Ab")
    }
    assert len(hashes) == 1
    assert hashes != {key.employer_hash("Ängelholms Åkeri")}


def test_no_employer_is_no_hash(key: VenueKey) -> None:
    assert key.employer_hash("  ") == ""


def test_an_employer_s_hash_is_not_a_card_s(key: VenueKey) -> None:
    assert key.employer_hash(UID.decode("latin-1")) != key.pseudonym(UID)


def test_a_new_ledger_gets_a_key_that_stays(ledger: Ledger) -> None:
    path = key_path(ledger.path)
    first = VenueKey(path).open(ledger).pseudonym(UID)
    enrol(ledger)
    assert VenueKey(path).open(ledger).pseudonym(UID) == first
    assert (path.stat().st_mode & 0o777, ledger.key_id) == (0o600, VenueKey(path).open(ledger).id)


def test_a_missing_key_is_never_made_anew_while_cards_need_it(ledger: Ledger, key: VenueKey) -> None:
    enrol(ledger)
    key.path.unlink()
    with pytest.raises(VenueKeyError, match="enrolled under key vrcq33nm; bring that key back"):
        VenueKey(key.path).open(ledger)
    assert not key.path.exists()


def test_employers_need_the_key_too(ledger: Ledger, key: VenueKey) -> None:
    ledger.put_members([Member(MemberId("sigrid"), "Sigrid", Language.SV, employer=key.employer_hash("Åkeriet"))])
    key.path.unlink()
    with pytest.raises(VenueKeyError, match="is missing"):
        VenueKey(key.path).open(ledger)


def test_another_key_beside_enrolled_cards_is_told(ledger: Ledger, key: VenueKey, tmp_path: Path) -> None:
    enrol(ledger)
    (tmp_path / "other").mkdir()
    other = Ledger.open(tmp_path / "other" / "ledger.db")
    text = VenueKey(key_path(other.path)).open(other).export()
    other.close()
    key.path.write_text(text)
    with pytest.raises(VenueKeyError, match="but the cards in the ledger were enrolled under key vrcq33nm"):
        VenueKey(key.path).open(ledger)
    with pytest.raises(VenueKeyError, match="no card would be known"):
        key.adopt(text, ledger)
    assert key.id == "vrcq33nm"


def test_an_exported_key_brings_the_cards_back(ledger: Ledger, key: VenueKey) -> None:
    enrol(ledger)
    text = key.export()
    key.path.unlink()
    again = VenueKey(key.path)
    again.adopt(text, ledger)
    assert again.pseudonym(UID) == key.pseudonym(UID) == VenueKey(key.path).open(ledger).pseudonym(UID)


def test_another_key_is_taken_while_nothing_depends_on_one(ledger: Ledger) -> None:
    key = VenueKey(key_path(ledger.path)).open(ledger)
    key.adopt(KEY_FILE, ledger)
    assert (key.id, ledger.key_id) == ("vrcq33nm", "vrcq33nm")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not a venue key"),
        ("-----BEGIN PRIVATE KEY-----", "is not a venue key"),
        (KEY_FILE.replace("AAAQ", "AAAR"), "don't belong together"),
        (KEY_FILE.replace("vrcq33nm", "aaaaaaaa"), "its id 'aaaaaaaa' don't belong together"),
        (KEY_FILE.replace("AAAQ", "AA!Q"), "52 characters of A to Z and 2 to 7"),
        (KEY_FILE.replace("DYPQ", ""), "bytes instead of 32"),
    ],
)
def test_a_damaged_key_is_told_and_not_shown(ledger: Ledger, text: str, words: str) -> None:
    path = key_path(ledger.path)
    path.write_text(text)
    with pytest.raises(VenueKeyError, match=words) as raised:
        VenueKey(path).open(ledger)
    assert "EAYEAUDAOCAJBIFQ" not in str(raised.value)
    assert path.read_text() == text


def test_a_key_that_is_no_text_is_told(ledger: Ledger) -> None:
    path = key_path(ledger.path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(VenueKeyError, match="can't be read: it is not text"):
        VenueKey(path).open(ledger)


def test_a_key_that_may_not_be_read_is_told(ledger: Ledger) -> None:
    path = key_path(ledger.path)
    path.mkdir()
    with pytest.raises(VenueKeyError, match=r"venue\.key can't be read: Is a directory"):
        VenueKey(path).open(ledger)


def test_a_key_that_was_not_opened_gives_no_pseudonyms(ledger: Ledger) -> None:
    with pytest.raises(VenueKeyError, match="was not opened"):
        VenueKey(key_path(ledger.path)).pseudonym(UID)


def test_no_uid_is_in_any_byte_that_is_stored(ledger: Ledger, key: VenueKey, tmp_path: Path) -> None:
    ledger.put_members([Member(MemberId("sigrid"), "Sigrid", Language.SV)])
    ledger.bind_card(key.pseudonym(UID), MemberId("sigrid"))
    left = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert key.pseudonym(UID).encode() in left
    assert (UID in left, UID.hex().encode() in left.lower()) == (False, False)
