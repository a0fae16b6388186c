"""A tensor's elements in C order, out of a file in which they may lie in any.

Twice, in two ways that share no code: `gathered`, by which a file is written, reads pieces and puts
runs of them where they belong; `counted`, by which it is compared, goes through the axes over the
mapped file. Law: both give the same bytes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

from registry.formats.source import Source
from registry.serving.converting_values import Elements

#: Of what is handed out at once.
PIECE_BYTES = 16 * 1024 * 1024
#: Is read at once for a piece, at most, and only where much of it is wanted.
_SPAN_BYTES = 4 * PIECE_BYTES
#: Is read at once however little of it is wanted: another call would cost more.
_NEAR_BYTES = 64 * 1024
_DENSE = 4
#: By the bytes of an element, which are moved and never looked at.
_FORMATS: Mapping[int, Literal["B", "H", "I", "Q"]] = {1: "B", 2: "H", 4: "I", 8: "Q"}

#: An axis: how long, and steps in elements, in what is written and in what is read.
_Axis: TypeAlias = tuple[int, int, int]


def gathered(source: Source, elements: Elements) -> Iterator[bytes | memoryview]:
    """In pieces. Memory: two of them and what is read for one, 96 MiB in all."""
    if not elements.count:
        return
    item = elements.item_bytes
    for at, shape, strides in _boxes(0, *_merged(elements.shape, elements.strides), item):
        begin = elements.begin + at * item
        count = math.prod(shape)
        if strides in ((), (1,)):
            yield source.read(begin, count * item)
            continue
        piece = memoryview(bytearray(count * item)).cast(_FORMATS[item])
        steps = [math.prod(shape[index + 1 :]) for index in range(len(shape))]
        _fill(source, begin, piece, 0, list(zip(shape, steps, strides, strict=True)))
        yield piece.cast("B")


def _merged(
    shape: Sequence[int], strides: Sequence[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The same elements in the same order by fewer axes."""
    axes: list[tuple[int, int]] = []
    for size, step in zip(shape, strides, strict=True):
        if size == 1:
            continue
        if axes and axes[-1][1] == size * step:
            axes[-1] = (axes[-1][0] * size, step)
        else:
            axes.append((size, step))
    return tuple(size for size, _ in axes), tuple(step for _, step in axes)


def _boxes(
    at: int, shape: tuple[int, ...], strides: tuple[int, ...], item_bytes: int
) -> Iterator[tuple[int, tuple[int, ...], tuple[int, ...]]]:
    """Parts of at most a piece, in C order: at which element each begins, its shape, its steps."""
    if math.prod(shape) * item_bytes <= PIECE_BYTES:
        yield at, shape, strides
        return
    inner_bytes = math.prod(shape[1:]) * item_bytes
    rows = max(1, PIECE_BYTES // inner_bytes)
    for row in range(0, shape[0], rows):
        size = min(rows, shape[0] - row)
        start = at + row * strides[0]
        if inner_bytes > PIECE_BYTES:
            yield from _boxes(start, shape[1:], strides[1:], item_bytes)
        else:
            yield start, (size, *shape[1:]), strides


def _fill(source: Source, begin: int, piece: memoryview, at: int, axes: list[_Axis]) -> None:
    """Put a box into the piece from its element `at` on; its first element is at byte `begin`."""
    item = piece.itemsize
    span = 1 + sum((size - 1) * read for size, _, read in axes)
    count = math.prod(size for size, _, _ in axes)
    is_dense = span * item <= _SPAN_BYTES and count * _DENSE >= span
    if span * item <= _NEAR_BYTES or is_dense:
        _copy(memoryview(source.read(begin, span * item)).cast(_FORMATS[item]), piece, at, axes)
        return
    # Along the axis that reaches farthest: the rest lies closer together.
    widest = max(range(len(axes)), key=lambda index: (axes[index][0] - 1) * axes[index][2])
    size, written, read = axes[widest]
    rest = axes[:widest] + axes[widest + 1 :]
    rows = max(1, min(size // 2, _NEAR_BYTES // (read * item)))
    for row in range(0, size, rows):
        box = [*rest, (min(rows, size - row), written, read)]
        _fill(source, begin + row * read * item, piece, at + row * written, box)


def _copy(found: memoryview, piece: memoryview, at: int, axes: list[_Axis]) -> None:
    """The longest axis that moves at once, all others one by one."""
    inner = max(axes, key=lambda axis: (axis[2] > 0, axis[0]), default=(1, 1, 1))
    outer = list(axes)
    if outer:
        outer.remove(inner)
    size, written, read = inner
    for indices in itertools.product(*(range(axis[0]) for axis in outer)):
        to = at + sum(i * axis[1] for i, axis in zip(indices, outer, strict=True))
        start = sum(i * axis[2] for i, axis in zip(indices, outer, strict=True))
        run = found[start : start + (size - 1) * read + 1 : read or 1]
        if not read:
            run = memoryview(run.tobytes() * size).cast(_FORMATS[piece.itemsize])
        piece[to : to + (size - 1) * written + 1 : written] = run


def counted(mapped: memoryview, elements: Elements) -> Iterator[bytes]:
    """In C order: the last axis at once, those before it by counting; in pieces. `mapped` are all
    bytes of the file."""
    if not elements.count:
        return
    item = elements.item_bytes
    region = mapped[elements.begin : elements.end].cast(_FORMATS[item])
    shape, strides = elements.shape or (1,), elements.strides or (1,)
    in_order = [math.prod(shape[index + 1 :]) for index in range(len(shape))]
    if all(
        size == 1 or step == due for size, step, due in zip(shape, strides, in_order, strict=True)
    ):
        # As rows may be short, and many.
        shape, strides = (elements.count,), (1,)
    size, step = shape[-1], strides[-1]
    length = PIECE_BYTES // item
    for indices in itertools.product(*map(range, shape[:-1])):
        start = sum(i * each for i, each in zip(indices, strides, strict=False))
        for first in range(0, size, length):
            many = min(length, size - first)
            begin = start + first * step
            if step:
                yield region[begin : begin + (many - 1) * step + 1 : step].tobytes()
            else:
                yield region[begin : begin + 1].tobytes() * many
