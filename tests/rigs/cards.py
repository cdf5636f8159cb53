"""Virtual cards, as bytes: Type 2 and Type 4 tags that both readers' rigs lay on their readers."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field

HAND_S = 0.05
"""A hand is never faster than this to take a card away that was read."""
NDEF_APPLICATION = bytes.fromhex("D2760000850101")
CC_FILE, NDEF_FILE = b"\xe1\x03", b"\xe1\x04"
OK = b"\x90\x00"


class Gone(Exception):
    """The card is not in the field any more."""


def text_message(text: str) -> bytes:
    """An NDEF message of one short text record in English."""
    payload = b"\x02en" + text.encode()
    return bytes((0xD1, 0x01, len(payload))) + b"T" + payload


@dataclass(eq=False)
class VirtualCard:
    """One card, and what is wrong with it.

    `type` is 2 or 4, or 0 for a card that holds no message (MIFARE Classic). `ndef` None is a tag that was never formatted.
    """

    uid: bytes
    ndef: bytes | None = None
    type: int = 2
    length: int | None = None
    """What the message's length field says, when it lies."""
    before: bytes = b""
    """TLV blocks ahead of the message of a Type 2 tag."""
    wide: bool = False
    """A Type 4 tag of mapping version 3: lengths have 4 bytes."""
    tears_after: int | None = None
    """Taken away after so many answers."""
    empty_reads: bool = False
    """READ BINARY succeeds and brings nothing."""
    always_busy: bool = False
    """Asks for more time, for ever."""
    mute: bool = False
    """Half on the reader: seen, but gives no answer to reset."""
    stale_uid: bool = False
    """The reader goes on telling the UID when the card is gone."""
    ghost_after: int | None = None
    """Taken away after so many answers, but the reader goes on answering for it."""
    random_uid: bool = False
    """Has another UID each time that it gets a field, as a phone does."""
    delay_s: float = 0.0
    """How long it takes for each answer."""
    closed_from: int | None = None
    """The first page of a Type 2 tag that it refuses to show."""
    ats: bytes = bytes.fromhex("0675778102 80")
    sak: int | None = None
    read: threading.Event = field(default_factory=threading.Event)
    """Set when a reader was told all there is to know."""
    commands: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.laid()

    def laid(self) -> None:
        """Start afresh, as a card does that is laid on a reader."""
        self.answers = 0
        self.selected = b""
        self.applied = False
        self.read.clear()
        self.commands.clear()

    @property
    def sel_res(self) -> int:
        """What it answers to SELECT: 20 for ISO 14443-4, 08 for a MIFARE Classic."""
        return self.sak if self.sak is not None else {0: 0x08, 2: 0x00, 4: 0x20}[self.type]

    @property
    def says_all_by_uid(self) -> bool:
        """Whether a reader has nothing more to ask once it knows the UID."""
        return self.type == 0 or (len(self.uid) == 4 and self.uid[0] == 0x08)

    @property
    def atr(self) -> bytes:
        """What a PC/SC reader makes of it (PC/SC part 3)."""
        if self.type == 4:
            atr = bytes.fromhex("3B8180018000")[:-1]
        else:
            name = b"\x00\x03" if self.type == 2 else b"\x00\x01"
            atr = bytes.fromhex("3B8F8001804F0CA000000306 03") + name + bytes(4)
        check = 0
        for byte in atr[1:]:
            check ^= byte
        return atr + bytes((check,))

    def selected_anew(self) -> None:
        """Get a field."""
        if self.random_uid:
            self.uid = b"\x08" + os.urandom(3)

    def count(self) -> None:
        """One more command reached the card; raise `Gone` when it was taken away before."""
        if self.tears_after is not None and self.answers >= self.tears_after:
            raise Gone
        self.answers += 1
        time.sleep(self.delay_s)

    @property
    def is_ghost(self) -> bool:
        """Whether it is gone although its reader answers."""
        return self.ghost_after is not None and self.answers >= self.ghost_after

    # Type 2: NFC Forum Type 2 Tag specification

    @property
    def memory(self) -> bytes:
        """The pages of a Type 2 tag, four bytes each."""
        if self.ndef is None:
            return self.uid.ljust(12, b"\0") + bytes(4 + 128)
        size = len(self.ndef) if self.length is None else self.length
        header = bytes((3, size)) if size < 255 else b"\x03\xff" + (size & 0xFFFF).to_bytes(2, "big")
        data = self.before + header + self.ndef + b"\xfe"
        data = data.ljust(-(-max(len(data), 128) // 16) * 16, b"\0")
        return self.uid.ljust(12, b"\0") + bytes((0xE1, 0x10, len(data) // 8, 0)) + data

    def page(self, number: int) -> bytes | None:
        """Answer READ with 16 bytes, which wrap round at the end, or None for a refusal."""
        self.count()
        memory = self.memory
        closed = self.closed_from is not None and number >= self.closed_from
        if self.type != 2 or closed or number * 4 >= len(memory):
            self.read.set()
            return None
        end = 16 + len(self.before) + 4 + len(self.ndef or b"")
        if self.ndef is None or number * 4 + 16 >= end:
            self.read.set()
        return (memory + memory)[number * 4 : number * 4 + 16]

    # Type 4: NFC Forum Type 4 Tag specification

    def apdu(self, command: bytes) -> bytes:
        """Answer one APDU with its status word."""
        self.count()
        self.commands.append(command)
        match command[1:4]:
            case b"\xa4\x04\x00":
                self.applied = self.ndef is not None and command[5:12] == NDEF_APPLICATION
                if not self.applied:
                    self.read.set()
                return OK if self.applied else b"\x6a\x82"
            case b"\xa4\x00\x0c" if self.applied and command[5:7] in (CC_FILE, NDEF_FILE):
                self.selected = command[5:7]
                return OK
            case _ if command[1] == 0xB0 and self.selected:
                return self._read_binary(int.from_bytes(command[2:4], "big"), command[4] or 256)
            case _:
                return b"\x6d\x00"

    def _read_binary(self, offset: int, size: int) -> bytes:
        message = self.ndef or b""
        length = len(message) if self.length is None else self.length
        if self.wide:
            cc = bytes.fromhex("0011 30 00F0 00F0 06 08 E104") + max(4096, length + 4).to_bytes(4, "big") + b"\0\0"
            content = length.to_bytes(4, "big") + message
        else:
            cc = bytes.fromhex("000F 20 00F0 00F0 04 06 E104 0800 00 00")
            content = (length & 0xFFFF).to_bytes(2, "big") + message
        if self.selected == CC_FILE:
            return cc[offset : offset + size] + OK
        if self.empty_reads:
            self.read.set()
            return OK
        if offset + size >= len(content):
            self.read.set()
        return content.ljust(2048, b"\0")[offset : offset + size] + OK

    # PC/SC: what a reader makes of the card

    def transmit(self, apdu: bytes) -> bytes:
        """Answer an APDU as a PC/SC reader with this card would; raise `Gone` when the card was taken away."""
        if apdu[:2] == b"\xff\xca":
            if not self.stale_uid:
                self.count()
            if self.says_all_by_uid:
                self.read.set()
            return self.uid + OK
        if self.type == 4:
            return self.apdu(apdu)
        if apdu[:2] == b"\xff\xb0" and self.type == 2:
            reply = self.page(apdu[3])
            return reply[: apdu[4] or 256] + OK if reply is not None else b"\x63\x00"
        return b"\x6a\x81"
