"""Cards and readers: whatever a card or a PN532 answers, a reading ends with a word about the card, or a device's error."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drivers.errors import DeviceError
from drivers.ports import MessageState, PresentedCard, TornRead
from drivers.readers import tags
from drivers.readers.pcsc import PcscReader
from drivers.readers.pn532 import Pn532Reader
from tests.fuzz.limits import bounded, fuzzed, told
from tests.fuzz.mutants import hexes, mutants
from tests.rigs.cards import VirtualCard, text_message
from tests.rigs.pcsc import PrivatePcscd
from tests.rigs.pn532 import Pn532

UID = bytes.fromhex("04A1B2C3D4E5F6")
MOST_QUESTIONS = 5_000
PATIENCE_S = 30.0
MESSAGES = [
    text_message("hello"),
    text_message("x" * 200),
    bytes.fromhex("91010155036101510101550362"),
    bytes.fromhex("D80100010361FF"),
    b"\xc1\x01" + (300).to_bytes(4, "big") + b"T" + bytes(300),
    b"",
]
NDEF_PIECES = hexes("D1 91 51 C1 FFFFFFFF 00 01 0300 03FFFFFF FE")
TAG_PIECES = [*NDEF_PIECES, *hexes("0103 0103A01044 020300000F E110FF00 E140120F")]
CAPABILITIES = [
    bytes.fromhex("000F2000F000F00406E10408000000"),
    bytes.fromhex("0011 30 00F0 00F0 06 08 E104 00001000 00 00"),
]
STATUS = [b"\x90\x00", b"\x62\x82", b"\x6a\x82", b"\x69\x82", b"\x61\x10", b"\x6c\x05", b""]

Question = TypeVar("Question", int, bytes)


def memories() -> st.SearchStrategy[bytes]:
    """What may be in a Type 2 tag: a good one's memory, much changed."""
    good = [VirtualCard(UID, ndef=each, before=before).memory for each in MESSAGES for before in (b"", b"\x01\x03\x90\x08\x44")]
    return mutants(good, TAG_PIECES)


def read(reading: Generator[Question, bytes, tags.Message], ask: Callable[[Question], bytes]) -> tags.Message:
    """Read to the end, which has to come."""
    questions = 0

    def counted(question: Question) -> bytes:
        nonlocal questions
        questions += 1
        assert questions <= MOST_QUESTIONS
        return ask(question)

    return tags.follow(reading, counted)


def check(message: tags.Message) -> None:
    assert len(message.data) <= tags.LONGEST
    assert (message.state is MessageState.READ) == bool(message.data)
    assert (message.state is MessageState.REFUSED) == bool(message.why)
    assert message.why.isprintable()
    assert len(message.why) < 300


@fuzzed(150)
@given(memory=memories(), short=st.integers(0, 16))
@example(memory=bytes(12) + b"\xe1\x10\xff\x00" + b"\x00" * 2040, short=16)
@example(memory=bytes(12) + b"\xe1\x10\xff\x00" + b"\x01\x03\xff\xff\xff" * 408, short=16)
def test_whatever_a_type_2_tag_holds_reading_it_ends(memory: bytes, short: int) -> None:
    def page(number: int) -> bytes:
        return (memory * 2)[number * 4 : number * 4 + 16] if number * 4 < len(memory) or short == 16 else bytes(short)

    check(bounded(lambda: read(tags.type2(), page)))


@fuzzed(150)
@given(
    replies=st.lists(
        st.tuples(mutants([*CAPABILITIES, *(len(each).to_bytes(2, "big") + each for each in MESSAGES)], NDEF_PIECES, 3)
                  .map(lambda data: data[:258]), st.sampled_from(STATUS)),
        max_size=8,
    )
)  # fmt: skip
def test_whatever_a_type_4_tag_replies_reading_it_ends(replies: list[tuple[bytes, bytes]]) -> None:
    def ask_in_order() -> Callable[[bytes], bytes]:
        left = iter(replies)
        return lambda _: b"".join(next(left, (b"", b"\x90\x00")))

    check(bounded(lambda: read(tags.type4(), ask_in_order())))


@fuzzed(100)
@given(
    capability=mutants(CAPABILITIES, [b"\x00", b"\xff", b"\xff\xff"], 2),
    answer=mutants(MESSAGES, NDEF_PIECES),
    size=st.integers(0, 257),
)
@example(capability=CAPABILITIES[0], answer=b"\x0f\xff" + b"\xd1" * 300, size=1)
def test_whatever_the_files_of_a_type_4_tag_hold_reading_them_ends(capability: bytes, answer: bytes, size: int) -> None:
    """The commands succeed, so that the reading comes as far as it can; one byte at a time where `size` says so."""

    def serve() -> Callable[[bytes], bytes]:
        selected = b""

        def ask(apdu: bytes) -> bytes:
            nonlocal selected
            if apdu[1] == 0xA4:
                selected = apdu[5:7]
                return b"\x90\x00"
            at = int.from_bytes(apdu[2:4], "big")
            content = capability if selected == tags.CAPABILITY_CONTAINER else answer
            most = 17 if selected == tags.CAPABILITY_CONTAINER else size
            return content[at : at + most] + b"\x90\x00"

        return ask

    check(bounded(lambda: read(tags.type4(), serve())))


@fuzzed(100)
@given(data=st.binary(max_size=40))
def test_whatever_a_card_says_of_itself_is_taken(data: bytes) -> None:
    frame, waiting_s = tags.frame_sizes(data)
    assert 16 <= frame <= 256
    assert 0 < waiting_s < 5
    tags.holds_pages(data)


class Scripted(VirtualCard):
    """A card with what a stranger's script has for the reader: raw replies, one after the other and round again."""

    script: Sequence[bytes] = (b"",)
    from_reply = 0

    def transmit(self, apdu: bytes) -> bytes:  # noqa: ARG002 - whatever is asked
        self.from_reply += 1
        self.read.set()
        return self.script[self.from_reply % len(self.script)]


@pytest.fixture(scope="module")
def pcsc() -> Iterator[tuple[PrivatePcscd, PcscReader]]:
    with TemporaryDirectory(prefix="fikatap-") as folder, PrivatePcscd(Path(folder)) as daemon:
        daemon.here()
        reader = PcscReader(PcscReader.Settings())
        reader.open()
        yield daemon, reader
        reader.close()


STRANGE = mutants(CAPABILITIES, STATUS, 3).map(lambda reply: reply[:260])
REPLIES = st.one_of(st.just(UID + b"\x90\x00"), st.binary(max_size=260), STRANGE)


@fuzzed(25)
@given(script=st.lists(REPLIES, min_size=1, max_size=6), kind=st.sampled_from([0, 2, 4]))
def test_whatever_comes_over_the_wire_from_a_reader_on_pcsc_is_a_card_or_a_torn_read(
    pcsc: tuple[PrivatePcscd, PcscReader], script: list[bytes], kind: int
) -> None:
    daemon, reader = pcsc
    card = Scripted(UID, type=kind)
    card.script = script
    daemon.touch(card)
    try:
        found = reader.wait_for_card(PATIENCE_S)
    finally:
        daemon.lift()
    assert isinstance(found, PresentedCard | TornRead)
    if isinstance(found, PresentedCard):
        check(tags.Message(found.state, found.message, found.why))


FRAMES = hexes("0000FF00FF00 0000FFFF0000 0000FF01FF7F8100 0000FFFFFF 0000FF 00 FF D5 55 0000FF02FED5")
CHANGES = st.tuples(st.integers(0, 30), st.integers(0, 6), st.sampled_from(FRAMES), st.sampled_from([1, 1, 3, 60]))


def until_open(reader: Pn532Reader) -> None:
    """Open it as the supervisor does, again after an error: a chip has 0.1 s for each answer, and a busy machine is late."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            reader.open()
        except DeviceError:
            reader.close()
            if time.monotonic() > until:
                raise
        else:
            return


@fuzzed(15)
@given(changes=st.lists(CHANGES, min_size=1, max_size=4), after=st.integers(0, 12))
@example(changes=[(0, 0, FRAMES[0], 60)], after=2)
@example(changes=[(0, 0, FRAMES[1], 60)], after=2)
@example(changes=[(6, 0, FRAMES[2], 1)], after=0)
def test_whatever_a_pn532_says_is_a_card_a_torn_read_or_a_device_error(
    changes: list[tuple[int, int, bytes, int]], after: int
) -> None:
    """From some answer on, bytes of all answers are replaced, on the way from the chip."""
    answers = 0

    def garble(data: bytes) -> bytes:
        nonlocal answers
        answers += 1
        if answers <= after:
            return data
        at, taken, put, times = changes[answers % len(changes)]
        return data[:at] + put * times + data[at + taken :]

    with Pn532() as chip:
        reader = Pn532Reader(Pn532Reader.Settings(path=chip.path, read_deadline_s=0.2))
        try:
            until_open(reader)
            chip.garble(garble)
            chip.touch(VirtualCard(UID, ndef=MESSAGES[1], type=4))
            found = told(lambda: reader.wait_for_card(0.1), DeviceError)
        finally:
            reader.close()
    assert found is None or isinstance(found, PresentedCard | TornRead)


@fuzzed(6)
@given(nonsense=mutants(FRAMES, FRAMES, 3).map(lambda data: data[:600]))
def test_whatever_answers_at_the_opening_is_no_pn532(nonsense: bytes) -> None:
    with Pn532() as chip:
        chip.babble(nonsense or b"\x00")
        reader = Pn532Reader(Pn532Reader.Settings(path=chip.path, read_deadline_s=0.2))
        try:
            told(reader.open, DeviceError)
        finally:
            reader.close()
