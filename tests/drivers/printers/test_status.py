"""Replies are told apart by their shape, in any chunking, whatever comes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from escpos import constants
from hypothesis import given
from hypothesis import strategies as st

from drivers.ports import Paper, PrinterStatus
from drivers.printers.status import (
    CLEAR,
    FENCE,
    PROCESS_IDS,
    PUSH,
    Cleared,
    Completed,
    FenceReached,
    Pushed,
    Question,
    RealTime,
    Replies,
    Reply,
    completion_request,
    from_answers,
    from_pushed,
)
from kiosk.values import Cause

CLEARED = b"\x37\x25\x00"


def heard(data: bytes, *, fence: bool = False) -> list[Reply]:
    replies = Replies()
    if fence:
        replies.fences = 1
    return replies.feed(data)


def test_each_shape_is_known() -> None:
    assert heard(b"\x12") == [RealTime(0x12)]
    assert heard(b"\x7e") == [RealTime(0x7E)]
    assert heard(b"\x10\x00\x0f\x00") == [Pushed(b"\x10\x00\x0f\x00")]
    assert heard(b"\x03", fence=True) == [FenceReached(3)]
    assert heard(b"\x37\x22    \x00") == [Completed(0)]


def test_a_fence_is_reached_only_while_one_is_awaited() -> None:
    assert heard(b"\x00") == []
    assert heard(b"\x00\x00", fence=True) == [FenceReached(0)]


def test_an_answer_in_real_time_within_a_pushed_block_is_told_apart() -> None:
    assert heard(b"\x18\x00\x12\x0c\x00", fence=True) == [RealTime(0x12), Pushed(b"\x18\x00\x0c\x00")]


def test_flow_control_is_no_answer_and_disturbs_none() -> None:
    assert heard(b"\x13\x37\x22\x11  \x13  \x00\x11") == [Completed(0)]


def test_a_cleared_printer_says_so() -> None:
    assert bytes.fromhex("1014080103140106 0208") == CLEAR
    assert heard(b"\x37\x25\x00") == [Cleared()]


def test_a_block_of_another_kind_is_left_out() -> None:
    assert heard(b"\x37\x25\x30\x00\x12") == [RealTime(0x12)]


def test_what_only_looks_like_a_block_does_not_swallow_what_follows() -> None:
    assert heard(b"\x37\x10\x00\x0f\x00") == [Pushed(b"\x10\x00\x0f\x00")]
    assert heard(b"7" * 200 + b"\x00\x12") == [RealTime(0x12)]


def test_a_pushed_block_that_was_torn_is_not_completed_by_the_next() -> None:
    assert heard(b"\x10\x00\x10\x01\x02\x03") == [Pushed(b"\x10\x01\x02\x03")]


def test_bytes_of_no_shape_are_counted() -> None:
    replies = Replies()
    assert replies.feed(b"\xff\x91\x80") == []
    assert replies.noise == 3


@given(st.integers(0, 2**32 - 1))
def test_a_process_id_comes_back_as_it_went(process_id: int) -> None:
    request = completion_request(process_id)
    assert request[:7] == b"\x1d(H\x06\x0000"
    assert all(0x20 <= digit <= 0x7E for digit in request[7:])
    assert heard(b"\x37\x22" + request[7:] + b"\x00") == [Completed(process_id % PROCESS_IDS)]


pieces = st.one_of(
    st.binary(max_size=6),
    st.sampled_from([b"\x12", b"\x1a", b"\x10\x00\x0c\x00", b"\x37\x22abcd\x00", b"\x37\x25", b"\x11", b"\x13", b"\x00"]),
)


@given(st.lists(pieces, max_size=30).map(b"".join), st.data())
def test_any_chunking_says_the_same(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    chunked = Replies()
    chunked.fences = 1
    said = [reply for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True) for reply in chunked.feed(stream[a:b])]
    assert said == heard(stream, fence=True)


def all_chunkings(stream: bytes) -> Iterator[list[bytes]]:
    """Yield the stream in all ways to cut it."""
    for cuts in range(2 ** (len(stream) - 1)):
        ends = [place for place in range(1, len(stream)) if cuts >> place - 1 & 1]
        yield [stream[a:b] for a, b in pairwise([0, *ends, len(stream)])]


def test_each_chunking_of_all_shapes_together_says_the_same() -> None:
    # Paper out is pushed with an answer in real time and flow control in it, then a completion, a fence and one too many.
    stream = b"\x13\x18\x00\x12\x0c\x11\x00\x37\x22 !\x11 !\x00\x03\x00"
    said = [RealTime(0x12), Pushed(b"\x18\x00\x0c\x00"), Completed(95 + 95**3), FenceReached(3)]
    for chunks in all_chunkings(stream):
        replies = Replies()
        replies.fences = 1
        assert [reply for chunk in chunks for reply in replies.feed(chunk)] == said
        assert (replies.fences, replies.strays, replies.noise) == (0, 1, 0)


flow = st.lists(st.sampled_from([b"\x11", b"\x13"]), max_size=2).map(b"".join)
real_time = st.integers(0, 255).filter(lambda byte: byte & 0x93 == 0x12)
plain = st.integers(0, 255).filter(lambda byte: byte & 0x90 == 0)


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, list[Reply]]:
    """Draw one thing that a printer says, with what may come in the middle of it, and what it means."""
    match draw(st.sampled_from(["real time", "pushed", "fence", "completed", "cleared", "unknown block"])):
        case "real time":
            value = draw(real_time)
            return bytes([value]), [RealTime(value)]
        case "fence":
            value = draw(plain)
            return bytes([value]), [FenceReached(value)]
        case "pushed":
            block = bytes([draw(st.sampled_from([0x10, 0x18, 0x30, 0x38])), *(draw(plain) for _ in range(3))])
            stream, said = block[:1], []
            for byte in block[1:]:
                for value in draw(st.lists(real_time, max_size=1)):
                    said.append(RealTime(value))
                    stream += bytes([value])
                stream += draw(flow) + bytes([byte])
            return stream, [*said, Pushed(block)]
        case "completed":
            process_id = draw(st.integers(0, PROCESS_IDS - 1))
            digits = completion_request(process_id)[7:]
            return b"\x37\x22" + digits[:2] + draw(flow) + digits[2:] + b"\x00", [Completed(process_id)]
        case "cleared":
            return CLEARED, [Cleared()]
        case _:
            return b"\x37" + draw(st.sampled_from([b"\x25\x30", b"\x23", b"\x22  ", b"\x29abcdef"])) + b"\x00", []


@given(st.lists(st.tuples(flow, answers()), max_size=20), st.data())
def test_whatever_a_printer_says_in_whatever_order_is_understood_in_any_chunking(
    said: list[tuple[bytes, tuple[bytes, list[Reply]]]], data: st.DataObject
) -> None:
    stream = b"".join(between + answer for between, (answer, _) in said)
    meant = [reply for _, (_, replies) in said for reply in replies]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    fences = sum(isinstance(reply, FenceReached) for reply in meant)
    late = data.draw(st.integers(0, fences))
    replies = Replies()
    replies.fences = fences - late
    heard = [reply for a, b in pairwise([0, *cuts, len(stream)]) for reply in replies.feed(stream[a:b])]
    # Of the fences, so many are believed as were awaited; the rest is counted.
    assert [reply for reply in heard if not isinstance(reply, FenceReached)] == [
        reply for reply in meant if not isinstance(reply, FenceReached)
    ]
    assert sum(isinstance(reply, FenceReached) for reply in heard) == fences - late
    assert (replies.fences, replies.strays, replies.noise) == (0, late, 0)


@given(st.binary(max_size=4096))
def test_any_bytes_are_survived_in_bounded_memory(stream: bytes) -> None:
    replies = Replies()
    for reply in replies.feed(stream):
        if isinstance(reply, Pushed):
            from_pushed(reply.block)
        elif isinstance(reply, RealTime):
            from_answers(dict.fromkeys(Question, reply.value))
    assert len(replies._block) <= 80
    assert len(replies._pushed) < 4


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ({1: 0x12}, PrinterStatus(Paper.UNKNOWN, None)),
        ({1: 0x12, 4: 0x12}, PrinterStatus(Paper.ENOUGH, None)),
        ({1: 0x12, 4: 0x1E}, PrinterStatus(Paper.LOW, None)),
        ({1: 0x1A, 4: 0x7E}, PrinterStatus(Paper.OUT, Cause.PAPER_OUT)),
        # Some clones say nothing of being off line.
        ({1: 0x12, 4: 0x72}, PrinterStatus(Paper.OUT, Cause.PAPER_OUT)),
        ({1: 0x1A, 4: 0x12, 2: 0x32}, PrinterStatus(Paper.OUT, Cause.PAPER_OUT)),
        ({1: 0x1A, 4: 0x12, 2: 0x16}, PrinterStatus(Paper.ENOUGH, Cause.COVER_OPEN)),
        ({1: 0x1A, 4: 0x72, 2: 0x36}, PrinterStatus(Paper.OUT, Cause.COVER_OPEN)),
        ({1: 0x1A, 4: 0x12, 2: 0x52, 3: 0x1A}, PrinterStatus(Paper.ENOUGH, Cause.CUTTER)),
        ({1: 0x1A, 4: 0x12, 2: 0x52, 3: 0x52}, PrinterStatus(Paper.ENOUGH, Cause.OVERHEATED)),
        ({1: 0x1A, 4: 0x12, 2: 0x1A}, PrinterStatus(Paper.ENOUGH, Cause.OFFLINE)),
        ({1: 0x1A}, PrinterStatus(Paper.UNKNOWN, Cause.OFFLINE)),
    ],
)
def test_answers_mean(answers: dict[int, int], status: PrinterStatus) -> None:
    assert from_answers({Question(number): value for number, value in answers.items()}) == status


@pytest.mark.parametrize(
    ("block", "status"),
    [
        (b"\x10\x00\x00\x00", PrinterStatus(Paper.ENOUGH, None)),
        (b"\x10\x00\x03\x00", PrinterStatus(Paper.LOW, None)),
        (b"\x18\x00\x0f\x00", PrinterStatus(Paper.OUT, Cause.PAPER_OUT)),
        (b"\x38\x00\x00\x00", PrinterStatus(Paper.ENOUGH, Cause.COVER_OPEN)),
        (b"\x18\x08\x00\x00", PrinterStatus(Paper.ENOUGH, Cause.CUTTER)),
        (b"\x18\x40\x00\x00", PrinterStatus(Paper.ENOUGH, Cause.OVERHEATED)),
        (b"\x18\x00\x00\x00", PrinterStatus(Paper.ENOUGH, Cause.OFFLINE)),
    ],
)
def test_pushed_blocks_mean(block: bytes, status: PrinterStatus) -> None:
    assert from_pushed(block) == status


def test_requests_are_those_of_the_manual() -> None:
    assert constants.RT_STATUS + bytes([Question.PRINTER]) == constants.RT_STATUS_ONLINE
    assert constants.RT_STATUS + bytes([Question.PAPER]) == constants.RT_STATUS_PAPER
    assert bytes.fromhex("1d 72 01") == FENCE
    assert bytes.fromhex("1d 61 0e") == PUSH
