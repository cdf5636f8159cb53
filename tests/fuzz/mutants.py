"""What is nearly right: good examples with bytes changed, put in, left out and repeated far too often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

LONGEST = 200_000
REPEATS = (1, 1, 1, 2, 40, 300, 5_000)


def hexes(text: str) -> list[bytes]:
    """Return pieces that are written in hex, with spaces between them."""
    return [bytes.fromhex(piece) for piece in text.split()]


@st.composite
def mutants(draw: st.DrawFn, good: Sequence[bytes], pieces: Sequence[bytes], edits: int = 6) -> bytes:
    """Return one of the good examples after up to so many edits with pieces of its own language, or with any bytes."""
    data = bytearray(draw(st.sampled_from(good)))
    for _ in range(draw(st.integers(0, edits))):
        start = draw(st.integers(0, len(data)))
        end = start + draw(st.one_of(st.integers(0, 4), st.integers(0, len(data))))
        piece = draw(st.one_of(st.sampled_from(pieces), st.binary(max_size=4), st.just(bytes(data[start:end][:200]))))
        data[start:end] = piece * draw(st.sampled_from(REPEATS))
    return bytes(data[:LONGEST])


def texts(good: Sequence[str], pieces: Sequence[str], edits: int = 6) -> st.SearchStrategy[str]:
    """Return the same of text; what is no UTF-8 after the edits becomes a question mark."""
    raw = mutants([each.encode() for each in good], [each.encode() for each in pieces], edits)
    return raw.map(lambda data: data.decode("utf-8", "replace"))


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
"""Anything that JSON can say."""
