"""A tensor's elements in C order, out of any order, in two ways."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.formats.source import BytesSource
from registry.serving import converting_elements
from registry.serving.converting_elements import counted, gathered
from registry.serving.converting_values import Elements

_DATA = bytes(itertools.islice(itertools.cycle(range(251)), 300_000))


@contextmanager
def small_pieces() -> Iterator[None]:
    """So that small tensors take the ways of large ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(converting_elements, "PIECE_BYTES", 64)
        patch.setattr(converting_elements, "_SPAN_BYTES", 256)
        patch.setattr(converting_elements, "_NEAR_BYTES", 32)
        yield


def by_definition(elements: Elements) -> bytes:
    found = bytearray()
    for indices in itertools.product(*map(range, elements.shape)):
        steps = sum(i * step for i, step in zip(indices, elements.strides, strict=True))
        at = elements.begin + steps * elements.item_bytes
        found += _DATA[at : at + elements.item_bytes]
    return bytes(found)


def both(elements: Elements) -> tuple[bytes, bytes]:
    first = b"".join(gathered(BytesSource(_DATA), elements))
    return first, b"".join(counted(memoryview(_DATA), elements))


@st.composite
def tensors(draw: st.DrawFn) -> Elements:
    shape = draw(st.lists(st.integers(0, 7), max_size=5))
    contiguous = [math.prod(shape[index + 1 :]) for index in range(len(shape))]
    strides = draw(
        st.one_of(
            st.permutations(contiguous),
            st.just(contiguous),
            st.lists(st.integers(0, 60), min_size=len(shape), max_size=len(shape)),
        )
    )
    found = Elements(
        begin=draw(st.integers(0, 90)),
        item_bytes=draw(st.sampled_from((1, 2, 4, 8))),
        shape=tuple(shape),
        strides=tuple(strides),
    )
    assert found.end <= len(_DATA)
    return found


@given(tensors())
def test_both_ways_give_what_the_strides_say(elements: Elements) -> None:
    """Of any shape and strides, also such that elements overlap or repeat."""
    expected = by_definition(elements)
    assert both(elements) == (expected, expected)
    with small_pieces():
        assert both(elements) == (expected, expected)


def test_a_transposed_matrix_is_read_in_runs() -> None:
    """Not element by element: as few reads as pieces and columns ask for."""
    reads = []

    class Counting(BytesSource):
        def read(self, offset: int, length: int) -> bytes:
            reads.append(length)
            return super().read(offset, length)

    wide = Elements(begin=0, item_bytes=1, shape=(500, 600), strides=(1, 500))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(converting_elements, "PIECE_BYTES", 60_000)
        patch.setattr(converting_elements, "_SPAN_BYTES", 100_000)
        patch.setattr(converting_elements, "_NEAR_BYTES", 100)
        found = b"".join(gathered(Counting(_DATA), wide))
    assert found == by_definition(wide)
    assert len(reads) == 5 * 600
    assert sum(reads) == 300_000
