"""The venue's key: turns a card's UID into a pseudonym and an employer's name into a hash, before either is stored.

A UID has few enough bits that a bare hash of it is found in minutes; under a key of 256 bits it is not. Without the key no
card is known any more, so it can be exported, and recovery needs it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import unicodedata
from pathlib import Path

from drivers.errors import FikatapError
from firmware_py.config import short
from firmware_py.files import write_whole
from firmware_py.ledger import Ledger
from kiosk.values import CardId

KEY_BYTES = 32
LONGEST_FILE = 4_096
_CARD, _EMPLOYER, _ID = b"fikatap card\0", b"fikatap employer\0", b"fikatap key id\0"
_FIRST_LINE = "fikatap venue key"
_CARE = "# Whoever has this key can recognise every card. Keep it where the ledger's copies are not."


class VenueKeyError(FikatapError):
    """The venue's key can't be read, written or taken."""


def key_path(ledger: Path) -> Path:
    """Return where the key of this ledger lies: beside it."""
    return ledger.with_name("venue.key")


class VenueKey:
    """The key in its file, which only its owner can read; `open` it before use. `id` tells one key from another."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._secret: bytes | None = None

    def open(self, ledger: Ledger) -> VenueKey:
        """Read the key, and make one when `ledger` needs none yet; raise `VenueKeyError` when it is not the ledger's."""
        try:
            with self.path.open("rb") as file:
                text = file.read(LONGEST_FILE + 1).decode()
        except FileNotFoundError:
            if ledger.uses_key():
                raise VenueKeyError(
                    f"{self.path} is missing: the cards in the ledger were enrolled under key {ledger.key_id}; "
                    f"bring that key back with 'fikatap venue key import FILE'"
                ) from None
            self._take(secrets.token_bytes(KEY_BYTES), ledger)
            return self
        except (OSError, UnicodeDecodeError) as error:
            raise VenueKeyError(f"{self.path} can't be read: {_why(error)}") from error
        secret = _parse(text, str(self.path))
        found = key_id(secret)
        if found != ledger.key_id:
            if ledger.uses_key():
                raise VenueKeyError(
                    f"{self.path} holds key {found}, but the cards in the ledger were enrolled under key {ledger.key_id}; "
                    f"bring that one back with 'fikatap venue key import FILE'"
                )
            ledger.set_key_id(found)
        self._secret = secret
        return self

    @property
    def id(self) -> str:
        """The key's id, worked out from the key."""
        return key_id(self._key())

    def pseudonym(self, uid: bytes) -> CardId:
        """Return what stands for a card everywhere: hex of the HMAC-SHA-256 of its UID, together with the UID's length."""
        return CardId(hmac.digest(self._key(), _CARD + bytes([len(uid)]) + uid, "sha256").hex())

    def employer_hash(self, name: str) -> str:
        """Return what stands for an employer, the same for each way to space or capitalise the name; nothing for no name."""
        return employer_hash(self._key(), name)

    def export(self) -> str:
        """Return the key as the text of a file."""
        return _text(self._key())

    def adopt(self, text: str, ledger: Ledger) -> None:
        """Take an exported key in place of this one; raise `VenueKeyError` when cards or employers depend on another."""
        secret = _parse(text, "the file")
        if key_id(secret) != ledger.key_id and ledger.uses_key():
            raise VenueKeyError(
                f"this is key {key_id(secret)}, but the cards and members in the ledger depend on key {ledger.key_id}: under "
                f"another key no card would be known. Import it before the first member and the first card"
            )
        self._take(secret, ledger)

    def _take(self, secret: bytes, ledger: Ledger) -> None:
        try:
            write_whole(self.path, _text(secret).encode())
        except OSError as error:
            raise VenueKeyError(f"{self.path} can't be written: {_why(error)}") from error
        ledger.set_key_id(key_id(secret))
        self._secret = secret

    def _key(self) -> bytes:
        if self._secret is None:
            raise VenueKeyError(f"{self.path} was not opened")
        return self._secret


def employer_hash(secret: bytes, name: str) -> str:
    """Return what stands for an employer under a key, see `VenueKey.employer_hash`."""
    plain = " ".join(unicodedata.normalize("NFC", name).casefold().split())
    # Some letters fall apart when they are made small; the second time puts them together again.
    plain = unicodedata.normalize("NFC", plain)
    return hmac.digest(secret, _EMPLOYER + plain.encode(), "sha256").hex() if plain else ""


def key_id(secret: bytes) -> str:
    """Return eight characters that tell one key from another, and show a typing error in one."""
    return _base32(hashlib.sha256(_ID + secret).digest()[:5]).lower()


def _text(secret: bytes) -> str:
    return f"{_FIRST_LINE}\n{_CARE}\nid: {key_id(secret)}\nkey: {_base32(secret)}\n"


def _parse(text: str, where: str) -> bytes:
    """Return the key in a file's text; raise `VenueKeyError` saying what is wrong with it, without showing the key."""
    if len(text) > LONGEST_FILE:
        raise VenueKeyError(f"{where} is not a venue key; it is longer than {LONGEST_FILE} characters")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines or lines[0] != _FIRST_LINE:
        raise VenueKeyError(f"{where} is not a venue key; its first line is '{_FIRST_LINE}'")
    fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    letters = fields.get("key", "").replace(" ", "").upper()
    try:
        secret = base64.b32decode(letters + "=" * (-len(letters) % 8))
    except ValueError:
        raise VenueKeyError(f"{where} is damaged: 'key: ' is followed by 52 characters of A to Z and 2 to 7") from None
    if len(secret) != KEY_BYTES:
        raise VenueKeyError(f"{where} is damaged: its key has {len(secret)} bytes instead of {KEY_BYTES}")
    if fields.get("id") != key_id(secret):
        raise VenueKeyError(f"{where} is damaged: its key and its id {short(fields.get('id', ''))} don't belong together")
    return secret


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode("ascii").rstrip("=")


def _why(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not text"
