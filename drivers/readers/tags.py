"""Reading an NDEF message out of a tag, as bytes: NFC Forum Type 2 and Type 4 Tag specifications, ISO 14443-4 parameters.

Nothing here touches a reader. `type2` and `type4` are generators that yield what to ask the card and are sent its answer, so
that every driver reads cards alike: `follow` runs one with a function that asks. A card is a stranger: whatever it answers,
a reading ends after a bounded number of questions with a `Message`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

from msgspec import Struct

from drivers.ports import Kind, MessageState, PresentedCard

LONGEST = 4096
"""The longest message that is read, in bytes; a member card's has some hundred."""
UID_LENGTHS = (4, 7, 10)
PAGES = 256
"""READ names a page of a Type 2 tag with one byte."""
FIRST_READ = 128
"""How much of a Type 4 tag's file to ask for at once, in bytes: a whole message as a rule, with its length."""

NDEF_APPLICATION = bytes.fromhex("D2760000850101")
CAPABILITY_CONTAINER = b"\xe1\x03"

Question = TypeVar("Question")


class Message(Struct, frozen=True):
    """What came out of a reading: see `PresentedCard`."""

    state: MessageState
    data: bytes = b""
    why: str = ""


ABSENT = Message(MessageState.ABSENT)


class _Refused(Exception):
    """The card holds something that is not read; the text says why."""


def presented(uid: bytes, message: Message = ABSENT, *, lying: bool = False) -> PresentedCard:
    """Put a card together; four bytes that start with 08 are a random UID (ISO 14443-3), as phones and bank cards have."""
    return PresentedCard(uid, kind_of(uid), message.state, message.data, message.why, lying)


def kind_of(uid: bytes) -> Kind:
    """Tell a card from a phone by its UID."""
    return Kind.PHONE if len(uid) == 4 and uid[0] == 0x08 else Kind.CARD


def refused(why: str) -> Message:
    """Make the message of a card that holds something unreadable."""
    return Message(MessageState.REFUSED, why=why)


def follow(reading: Generator[Question, bytes, Message], ask: Callable[[Question], bytes]) -> Message:
    """Run a reading to its end; what `ask` raises passes through."""
    try:
        question = next(reading)
        while True:
            question = reading.send(ask(question))
    except StopIteration as end:
        found: Message = end.value
        return found


def type2() -> Generator[int, bytes, Message]:
    """Read a Type 2 tag (NTAG21x, Ultralight): yields the number of a page, is sent that page and the next three.

    The answer is 16 bytes; anything else is a refusal of the card's.
    """
    try:
        return _whole((yield from _type2()))
    except _Refused as why:
        return refused(str(why))


def _type2() -> Generator[int, bytes, bytes]:
    memory = bytearray()
    yield from _fill(memory, 16)
    magic, version, size, access = memory[12:16]
    if magic != 0xE1:
        return b""
    if version >> 4 != 1 or access >> 4:
        raise _Refused(f"capability container {memory[12:16].hex()} is not that of a tag that everybody may read")
    end = 16 + size * 8
    hidden: set[int] = set()
    here = 16

    def take(count: int) -> Generator[int, bytes, bytes]:
        """Return the next bytes of the data area, without those that lock bits and reserved memory occupy."""
        nonlocal here
        taken = bytearray()
        while len(taken) < count:
            if here >= end:
                raise _Refused(f"it runs past the end of the card's {end - 16} bytes")
            yield from _fill(memory, here + 1)
            if here not in hidden:
                taken.append(memory[here])
            here += 1
        return bytes(taken)

    while here < end:
        match (yield from take(1))[0]:
            case 0x00:
                continue
            case 0xFE:
                return b""
            case tag:
                length = (yield from take(1))[0]
                if length == 0xFF:
                    length = int.from_bytes((yield from take(2)), "big")
        if length > end - here:
            raise _Refused(f"a block says that it has {length} bytes, the card has {end - here} left")
        value = yield from take(length)
        if tag == 0x03:
            return value
        if tag in (0x01, 0x02) and length == 3:
            hidden |= _hidden(value, lock=tag == 0x01)
    return b""


def _fill(memory: bytearray, end: int) -> Generator[int, bytes, None]:
    while len(memory) < end:
        page = len(memory) // 4
        if page >= PAGES:
            raise _Refused(f"it lies beyond page {PAGES - 1}")
        four_pages = yield page
        if len(four_pages) != 16:
            raise _Refused(f"the card does not let page {page} be read")
        memory += four_pages


def _hidden(control: bytes, *, lock: bool) -> set[int]:
    """Where a lock control or memory control block says that there are no data bytes."""
    first = (control[0] >> 4) * (1 << (control[2] & 0x0F)) + (control[0] & 0x0F)
    size = control[1] or 256
    return set(range(first, first + (-(-size // 8) if lock else size)))


def type4() -> Generator[bytes, bytes, Message]:
    """Read a Type 4 tag (NTAG 424 DNA, DESFire): yields an APDU, is sent its reply with the status word.

    Length and message are read by consecutive READ BINARY with no other command between, as a tag that mirrors a counter
    into its message counts each new read.
    """
    try:
        return _whole((yield from _type4()))
    except _Refused as why:
        return refused(str(why))


def _type4() -> Generator[bytes, bytes, bytes]:
    if (yield b"\x00\xa4\x04\x00\x07" + NDEF_APPLICATION + b"\x00")[-2:] != b"\x90\x00":
        return b""
    yield from _select(CAPABILITY_CONTAINER)
    capability = yield from _read_binary(0, 15)
    if len(capability) < 15:
        raise _Refused(f"its capability container ends after {len(capability)} bytes")
    longest_answer = int.from_bytes(capability[3:5], "big")
    wide = capability[7] == 0x06
    if wide:
        capability += yield from _read_binary(15, 2)
    control = capability[7:17] if wide else capability[7:15]
    if control[:2] not in (b"\x04\x06", b"\x06\x08") or len(control) != control[1] + 2 or longest_answer < 15:
        raise _Refused(f"its capability container {capability.hex()} is not well-formed")
    if control[-2] != 0:
        raise _Refused("its file can only be read with a key")
    size = int.from_bytes(control[4:-2], "big")
    yield from _select(control[2:4])
    prefix = 4 if wide else 2
    most = min(longest_answer, 256, size)
    data = yield from _read_binary(0, min(most, FIRST_READ))
    if len(data) < prefix:
        raise _Refused(f"its file ends after {len(data)} bytes")
    length = int.from_bytes(data[:prefix], "big")
    if length > LONGEST:
        raise _Refused(f"it says that it has {length} bytes; at most {LONGEST} are read")
    end = prefix + length
    if end > size:
        raise _Refused(f"it says that it has {length} bytes, its file {size}")
    while len(data) < end:
        more = yield from _read_binary(len(data), min(most, end - len(data)))
        if not more:
            raise _Refused(f"the card brings {len(data) - prefix} of {length} bytes, and then none")
        data += more
    return data[prefix:end]


def _select(file: bytes) -> Generator[bytes, bytes, None]:
    status = (yield b"\x00\xa4\x00\x0c\x02" + file)[-2:]
    if status != b"\x90\x00":
        raise _Refused(f"the card answers {status.hex()} to selecting file {file.hex()}")


def _read_binary(offset: int, size: int) -> Generator[bytes, bytes, bytes]:
    reply = yield b"\x00\xb0" + offset.to_bytes(2, "big") + bytes((size & 0xFF,))
    if reply[-2:] not in (b"\x90\x00", b"\x62\x82"):
        raise _Refused(f"the card answers {reply[-2:].hex()} to reading at {offset}")
    return reply[: min(size, len(reply) - 2)]


def _whole(message: bytes) -> Message:
    """Take a message apart as far as its records' lengths, and refuse it unless they fit."""
    if not message:
        return ABSENT
    here = records = 0
    while here < len(message):
        flags = message[here]
        length_size = 1 if flags & 0x10 else 4
        id_size = 1 if flags & 0x08 else 0
        head = message[here : here + 2 + length_size + id_size]
        if len(head) < 2 + length_size + id_size:
            return refused(f"record {records + 1} ends in its header")
        payload = int.from_bytes(head[2 : 2 + length_size], "big")
        here += len(head) + head[1] + payload + (head[-1] if id_size else 0)
        records += 1
        if here > len(message):
            return refused(f"record {records} says that it has {payload} bytes; the whole message has {len(message)}")
        if bool(flags & 0x80) != (records == 1) or bool(flags & 0x40) != (here == len(message)):
            return refused(f"record {records} is not where its flags {flags:02x} say")
    return Message(MessageState.READ, message)


def frame_sizes(ats: bytes) -> tuple[int, float]:
    """Return what an ISO 14443-4 card's answer to select allows: bytes in a frame to it, seconds that it may take to answer.

    Any length of answer is taken, down to nothing; what it leaves out has the standard's default.
    """
    sizes = (16, 24, 32, 40, 48, 64, 96, 128, 256)
    size, waiting = 2, 4
    if len(ats) > 1:
        size = min(ats[1] & 0x0F, len(sizes) - 1)
        tb = 2 + bool(ats[1] & 0x10)
        if ats[1] & 0x20 and len(ats) > tb:
            waiting = ats[tb] >> 4
    return sizes[size], 4096 / 13.56e6 * 2 ** (waiting if waiting < 15 else 4)


def holds_pages(atr: bytes) -> bool | None:
    """Tell by a PC/SC answer to reset (PC/SC part 3, 3.1.3.2.3) what a card is.

    True is a Type 2 tag, False another memory card, None a card with a processor, which may be a Type 4 tag.
    """
    if not atr.startswith(bytes.fromhex("3B8F8001804F0CA000000306")) or len(atr) < 15:
        return None
    return atr[12:15] in (b"\x03\x00\x03", b"\x03\x00\x3a")
