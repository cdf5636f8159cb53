"""Tags as bytes: what is read, what is refused, and that every stranger's answers come to an end."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.ports import Kind, MessageState
from drivers.readers import tags
from drivers.readers.tags import ABSENT, Message
from tests.rigs.cards import VirtualCard, text_message

UID = bytes.fromhex("04A1B2C3D4E5F6")
HELLO = text_message("hello")
OK = b"\x90\x00"


def type2(card: VirtualCard) -> Message:
    return tags.follow(tags.type2(), lambda page: card.page(page) or b"")


def type4(card: VirtualCard) -> Message:
    return tags.follow(tags.type4(), card.apdu)


def memory(data: str, *, size: int = 16, cc: str | None = None) -> Callable[[int], bytes]:
    """A Type 2 tag with these bytes from page 4 on."""
    whole = bytes(12) + bytes.fromhex(cc or f"E110{size:02X}00") + bytes.fromhex(data)
    whole = whole.ljust(16 + size * 8 + 16, b"\0")
    return lambda page: whole[page * 4 : page * 4 + 16]


def refusal(message: Message) -> str:
    assert message.state is MessageState.REFUSED
    assert message.data == b""
    return message.why


@pytest.mark.parametrize("length", [1, 10, 11, 12, 13, 120, 250, 251, 252, 500, 800])
def test_type_2_messages_of_every_length_are_read(length: int) -> None:
    message = bytes.fromhex("C101") + length.to_bytes(4, "big") + b"T" + bytes(length)
    assert type2(VirtualCard(UID, message)) == Message(MessageState.READ, message)


def test_a_type_2_tag_is_read_no_further_than_its_message() -> None:
    card = VirtualCard(UID, HELLO)
    type2(card)
    assert card.answers == 2


def test_blocks_before_a_type_2_message_are_passed_over() -> None:
    # NULL, a lock control block for bytes beyond the data, a proprietary block.
    assert tags.follow(tags.type2(), memory("00 0103A00C34 FD02AAAA 0303D00000 FE")) == Message(
        MessageState.READ, bytes.fromhex("D00000")
    )


def test_lock_bytes_and_reserved_bytes_within_a_type_2_message_are_left_out() -> None:
    # Two bytes of locks (12 bits) at 1*16+14 = 30, one reserved byte at 2*16+1 = 33; the message starts at 28.
    data = "01031E0C04 0203210104 0307 D101 EEEE 03 EE 54414243 FE"
    assert tags.follow(tags.type2(), memory(data)) == Message(MessageState.READ, bytes.fromhex("D1010354414243"))


@pytest.mark.parametrize("data", ["", "FE", "0300FE", "0000FE", "0103A00C34 FE 03 03 D00000"])
def test_a_type_2_tag_without_a_message(data: str) -> None:
    assert tags.follow(tags.type2(), memory(data)) == ABSENT


def test_a_type_2_tag_that_was_never_formatted_has_no_message() -> None:
    assert type2(VirtualCard(UID)) == ABSENT


@pytest.mark.parametrize(
    ("data", "cc", "why"),
    [
        ("03FFFFFF", None, "a block says that it has 65535 bytes, the card has 124 left"),
        ("0381", None, "a block says that it has 129 bytes, the card has 126 left"),
        ("FD7D" + "00" * 125 + "03", None, "it runs past the end of the card's 128 bytes"),
        ("0303D00000FE", "E1200000", "capability container e1200000"),
        ("0303D00000FE", "E11010F0", "capability container e11010f0"),
        ("0304D00000FE", None, "record 1 is not where its flags d0 say"),
        ("0302D000", None, "record 1 ends in its header"),
        ("0303500000", None, "record 1 is not where its flags 50 say"),
        ("0306D00000500000", None, "record 1 is not where its flags d0 say"),
    ],
)
def test_what_is_not_well_formed_is_refused(data: str, cc: str | None, why: str) -> None:
    assert why in refusal(tags.follow(tags.type2(), memory(data, cc=cc)))


def test_a_type_2_tag_that_closes_a_page_is_refused() -> None:
    assert refusal(type2(VirtualCard(UID, HELLO, closed_from=4))) == "the card does not let page 4 be read"


def test_a_type_2_message_beyond_the_first_sector_is_refused() -> None:
    assert "beyond page 255" in refusal(tags.follow(tags.type2(), memory("03FF0500", size=255)))


@pytest.mark.parametrize("length", [1, 100, 119, 120, 121, 246, 247, 248, 500, 4089])
def test_type_4_messages_of_every_length_are_read_with_nothing_between(length: int) -> None:
    message = bytes.fromhex("C101") + length.to_bytes(4, "big") + b"T" + bytes(length)
    card = VirtualCard(UID, message, 4, wide=True)
    assert type4(card) == Message(MessageState.READ, message)
    assert [command[1] for command in card.commands[:5]] == [0xA4, 0xA4, 0xB0, 0xB0, 0xA4]
    assert {command[1] for command in card.commands[5:]} == {0xB0}


def test_a_short_type_4_message_is_one_read_with_its_length() -> None:
    card = VirtualCard(UID, HELLO, 4)
    assert type4(card) == Message(MessageState.READ, HELLO)
    assert [command[1] for command in card.commands] == [0xA4, 0xA4, 0xB0, 0xA4, 0xB0]


@pytest.mark.parametrize("ndef", [None, b""])
def test_a_type_4_tag_without_a_message(ndef: bytes | None) -> None:
    assert type4(VirtualCard(UID, ndef, 4)) == ABSENT


def test_a_type_4_length_of_200_kb_is_refused_by_its_number() -> None:
    card = VirtualCard(UID, HELLO, 4, wide=True, length=200_000)
    assert refusal(type4(card)) == "it says that it has 200000 bytes; at most 4096 are read"
    assert card.answers == 6


def test_a_type_4_length_beyond_its_file_is_refused() -> None:
    assert refusal(type4(VirtualCard(UID, HELLO, 4, length=3000))) == "it says that it has 3000 bytes, its file 2048"


def test_read_binary_that_brings_nothing_is_refused() -> None:
    assert "ends after 0 bytes" in refusal(type4(VirtualCard(UID, HELLO, 4, empty_reads=True)))
    answers = chain([OK, OK, bytes.fromhex("000F2000F000F00406E10408000000") + OK, OK, b"\x00\x20" + OK], repeat(OK))
    assert "0 of 32 bytes" in refusal(tags.follow(tags.type4(), lambda _: next(answers)))


@pytest.mark.parametrize(
    ("capability", "why"),
    [
        ("000F20", "ends after 3 bytes"),
        ("000F2000F000F00506E10408000000", "not well-formed"),
        ("000F20000100F00406E10408000000", "not well-formed"),
        ("000F2000F000F00406E10408008000", "with a key"),
    ],
)
def test_a_strange_capability_container_is_refused(capability: str, why: str) -> None:
    answers = chain([OK, OK, bytes.fromhex(capability) + OK], repeat(b"\x6a\x82"))
    assert why in refusal(tags.follow(tags.type4(), lambda _: next(answers)))


@given(st.lists(st.binary(max_size=20) | st.binary(min_size=16, max_size=16), max_size=50), st.binary(max_size=20))
def test_a_type_2_reading_of_anything_ends(answers: list[bytes], last: bytes) -> None:
    assert_ends(tags.type2(), [memory("")(0), *answers], last)


@given(
    st.lists(st.binary(max_size=40).map(lambda data: data + OK) | st.binary(max_size=4), max_size=50), st.binary(max_size=20)
)
def test_a_type_4_reading_of_anything_ends(answers: list[bytes], last: bytes) -> None:
    start = [OK, OK, bytes.fromhex("000F2000F000F00406E104FFFF0000") + OK, OK]
    assert_ends(tags.type4(), [*start, *answers], last + OK)
    assert_ends(tags.type4(), [*start[:2], *answers], last + OK)


def assert_ends(reading: object, answers: list[bytes], last: bytes) -> None:
    asked = 0

    def answer(_: object) -> bytes:
        nonlocal asked
        asked += 1
        assert asked <= tags.LONGEST + 6
        return answers[asked - 1] if asked <= len(answers) else last

    message = tags.follow(reading, answer)  # type: ignore[arg-type]
    assert len(message.data) <= tags.LONGEST
    assert (message.state is MessageState.READ) == bool(message.data)
    assert (message.state is MessageState.REFUSED) == bool(message.why)


@pytest.mark.parametrize(
    ("uid", "kind"), [("08123456", Kind.PHONE), ("04123456", Kind.CARD), ("08123456789ABC", Kind.CARD), ("88123456", Kind.CARD)]
)
def test_four_bytes_that_start_with_08_are_random(uid: str, kind: Kind) -> None:
    assert tags.presented(bytes.fromhex(uid)).kind is kind


@pytest.mark.parametrize(
    ("ats", "size", "waiting_ms"),
    [
        ("", 32, 4.83),
        ("01", 32, 4.83),
        ("0275", 64, 4.83),  # says that TA, TB, TC follow, and ends
        ("037577", 64, 4.83),
        ("0675778102 80", 64, 77.3),
        ("0520B0", 16, 618.6),
        ("0378FF", 256, 4.83),
        ("037FFF", 256, 4.83),
        ("0320F0", 16, 4.83),
    ],
)
def test_an_answer_to_select_of_any_length_has_defaults(ats: str, size: int, waiting_ms: float) -> None:
    frame, waiting_s = tags.frame_sizes(bytes.fromhex(ats))
    assert frame == size
    assert waiting_s * 1000 == pytest.approx(waiting_ms, rel=0.01)


@pytest.mark.parametrize(
    ("atr", "pages"),
    [
        ("3B8F8001804F0CA0000003060300030000000068", True),
        ("3B8F8001804F0CA0000003060300010000000 06A".replace(" ", ""), False),
        ("3B8F8001804F0CA000000306", None),
        ("3B8180018080", None),
        ("", None),
    ],
)
def test_memory_cards_are_told_by_their_answer_to_reset(atr: str, pages: bool | None) -> None:
    assert tags.holds_pages(bytes.fromhex(atr)) is pages
