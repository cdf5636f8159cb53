"""What a printer says: any bytes in any chunks are replies, or noise, in bounded memory."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from drivers.ports import PrinterStatus
from drivers.printers.status import PROCESS_IDS, Completed, Pushed, Question, RealTime, Replies, from_answers, from_pushed
from tests.fuzz.limits import bounded, fuzzed
from tests.fuzz.mutants import hexes, mutants

GOOD = hexes("12121212 1400000F 37224142313200 003C 1113 376F544D2D54323000 5F4550534F4E00 372500")


@fuzzed(200)
@given(stream=mutants(GOOD, GOOD, 12), cuts=st.lists(st.integers(0, 300), max_size=12), fences=st.integers(0, 2))
@example(stream=b"\x37" + b"A" * 6_000, cuts=[], fences=0)
@example(stream=b"\x37\x22" * 3_000, cuts=[], fences=1)
@example(stream=b"\x10" * 6_000, cuts=[3], fences=1)
@example(stream=b"\x10\x00\x00" * 2_000 + b"\x37", cuts=[1], fences=1)
def test_any_stream_is_replies_and_noise_whatever_it_is_cut_into(stream: bytes, cuts: list[int], fences: int) -> None:
    stream = stream[:6_000]
    parts = sorted({0, *(cut for cut in cuts if cut < len(stream))})

    def hear(chunks: list[bytes]) -> tuple[list[object], int]:
        replies = Replies()
        replies.fences = fences
        return [reply for chunk in chunks for reply in replies.feed(chunk)], replies.noise + replies.strays

    found = bounded(lambda: hear([stream]))
    assert hear([stream[start:end] for start, end in pairwise([*parts, len(stream)])]) == found
    assert found[1] <= len(stream)
    for reply in found[0]:
        match reply:
            case RealTime(value=value):
                assert isinstance(from_answers(dict.fromkeys(Question, value)), PrinterStatus)
            case Pushed(block=block):
                assert isinstance(from_pushed(block), PrinterStatus)
            case Completed(process_id=number):
                assert 0 <= number < PROCESS_IDS
            case _:
                pass
