"""Where a dataset's values lie: in its header, in one piece, or in packed chunks.

Sections III.A.1 (trees of chunks), IV.A.2.i (layout) and IV.A.2.l (filters) of the specification.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, product
from math import prod
from sys import byteorder
from typing import NamedTuple

from registry.formats.hdf5_parts import NOWHERE, WIDTH, Part, Parts
from registry.formats.hdf5_rules import COVERED, FILTER, PACKED, SIZE, STORAGE, STRUCTURE, give_up
from registry.formats.hdf5_trees import Tree
from registry.formats.hdf5_types import Dataspace, Datatype
from registry.formats.look import SpentError, quoted
from registry.formats.source import READ_BYTES_MAX

_COMPACT, _CONTIGUOUS, _CHUNKED, _VIRTUAL = range(4)
_DEFLATE, _SHUFFLE, _FLETCHER = 1, 2, 3
#: What a filter is told: how hard deflate tries.
_LEVELS = [[level] for level in range(10)]
_OTHERS = {4: "szip", 5: "nbit", 6: "scaleoffset", 32000: "lzf"}
FILTERS_MAX = 32


@dataclass(frozen=True)
class Filter:
    kind: int
    #: The writer may leave it out of single chunks, as what cannot be compressed is.
    is_optional: bool


@dataclass(frozen=True)
class Dataset:
    parts: Parts
    what: str
    type: Datatype
    space: Dataspace
    #: In the order in which the writer applies them; None where one is not known here.
    filters: tuple[Filter, ...] | None
    sizes_chunks: int

    @property
    def size_bytes(self) -> int:
        return self.space.elements * self.type.size_bytes

    def read(self, layout: Part) -> Iterator[Part]:
        """Claims all bytes of the values; gives those that it had to read, and texts' places."""
        version, kind = layout.number(), layout.number()
        if version in (4, 5) and kind == _VIRTUAL:
            layout.look.refuse(STORAGE, f"{self.what}: found a virtual dataset", offset=layout.at)
            return
        if version not in (3, 4) or kind > _CHUNKED or (version, kind) == (4, _CHUNKED):
            give_up(
                layout.look,
                COVERED,
                f"{self.what}: found a layout of version {version} and kind {kind}, expected "
                f"version 3 and kind 0 to 2",
                offset=layout.at,
            )
        if self.filters and kind != _CHUNKED:
            layout.wrong("found filters, expected them for chunks alone")
        if kind == _COMPACT:
            values = layout.part(layout.number(2), self.what)
            self._check_size(layout, values.left)
            yield values
        elif kind == _CONTIGUOUS:
            yield from self._read_contiguous(layout)
        else:
            yield from self._read_chunks(layout)
        layout.padding()

    def _check_size(self, layout: Part, found: int) -> None:
        if found != self.size_bytes:
            layout.look.stop(
                SIZE,
                f"{self.what}: found {found} bytes, expected {self.size_bytes} for "
                f"{self.type.name} of {quoted(self.space.shape)}",
                offset=layout.at,
            )

    def _read_contiguous(self, layout: Part) -> Iterator[Part]:
        address, length = layout.address(), layout.address()
        if address == NOWHERE:
            # The library makes values of nothing, and memory for as many as the shape says.
            if self.size_bytes:
                give_up(
                    layout.look,
                    SIZE,
                    f"{self.what}: found no bytes, expected {self.size_bytes}: it was never "
                    f"written",
                    offset=layout.at,
                )
            return
        self._check_size(layout, length)
        if self.type.is_variable:
            yield self.parts.take(address, length, self.what)
        else:
            self.parts.claim(address, length, self.what)

    def _read_chunks(self, layout: Part) -> Iterator[Part]:
        rank = layout.number() - 1
        address = layout.address()
        chunk = tuple(layout.number(4) for _ in range(rank))
        item_bytes = layout.number(4)
        shape = self.space.shape or ()
        if rank < 1 or rank != len(shape) or not all(chunk) or item_bytes != self.type.size_bytes:
            layout.wrong(f"found chunks of {quoted(chunk)} in a shape of {quoted(shape)}")
        found = {}
        if address != NOWHERE:
            found = _Chunks(self, chunk, prod(chunk) * item_bytes).read(address)
        # Each must be there; so the shape is no larger than the file has parts for.
        expected = prod(-(-axis // step) for axis, step in zip(shape, chunk, strict=True))
        if len(found) != expected:
            give_up(
                layout.look,
                SIZE,
                f"{self.what}: found {len(found)} chunks, expected {expected}: the others were "
                f"never written",
                offset=layout.at,
            )
        starts = (range(0, axis, step) for axis, step in zip(shape, chunk, strict=True))
        if any(start not in found for start in product(*starts)):
            layout.wrong("found chunks at other places than its shape has")
        if self.filters is None:
            return
        unpacked = _Unpacking(self, prod(chunk) * item_bytes)
        for key, (at, length, mask) in found.items():
            yield from unpacked.read(at, length, mask, f"{self.what}: chunk {key}")


class _Key(NamedTuple):
    #: The chunk's first element, and the place within that: a further axis to the library.
    start: tuple[int, ...]
    length: int
    mask: int


class _Chunks:
    """The version 1 B-tree of a dataset's chunks."""

    def __init__(self, dataset: Dataset, chunk: tuple[int, ...], chunk_bytes: int) -> None:
        self._dataset = dataset
        self._chunk = chunk
        self._chunk_bytes = chunk_bytes
        #: By the first element: address, length, filters left out.
        self._found: dict[tuple[int, ...], tuple[int, int, int]] = {}

    def read(self, root: int) -> dict[tuple[int, ...], tuple[int, int, int]]:
        data = self._dataset
        key_bytes = 8 + WIDTH * (len(self._chunk) + 1)
        tree = Tree(data.parts, data.what, 1, 2 * data.sizes_chunks, key_bytes, self._read_key)
        last: tuple[int, ...] = ()
        for leaf in tree.leaves(root):
            start = leaf.low.start
            if start[-1] or not last <= start < leaf.high.start:
                data.parts.look.stop(
                    STRUCTURE,
                    f"{data.what}: found a chunk at {quoted(list(start))}, expected chunks in "
                    f"order, and whole elements",
                )
            last = leaf.high.start
            self._add(leaf.low, leaf.address)
        return self._found

    def _read_key(self, node: Part) -> _Key:
        """A chunk's bytes, the filters left out, and its first element. The last key of a node lies
        behind its last chunk, maybe by an element's bytes alone."""
        length, mask = node.number(4), node.number(4)
        steps = (*self._chunk, self._dataset.type.size_bytes)
        start = tuple(node.address() for _ in steps)
        if any(at % step for at, step in zip(start, steps, strict=True)):
            node.wrong(f"found a key of {quoted(list(start))}, expected multiples of {list(steps)}")
        return _Key(start, length, mask)

    def _add(self, key: _Key, address: int) -> None:
        what = f"{self._dataset.what}: chunk {list(key.start[:-1])}"
        if self._dataset.filters == () and key.length != self._chunk_bytes:
            self._dataset.parts.look.stop(
                SIZE, f"{what}: found {key.length} bytes, expected {self._chunk_bytes}"
            )
        self._dataset.parts.claim(address, key.length, what)
        self._found[key.start[:-1]] = (address, key.length, key.mask)


class _Unpacking:
    """Packed chunks, each to its last bit: nothing hides behind one, and none is a bomb."""

    def __init__(self, dataset: Dataset, chunk_bytes: int) -> None:
        self._dataset = dataset
        self._chunk_bytes = chunk_bytes
        self._filters = dataset.filters or ()

    def read(self, at: int, length: int, mask: int, what: str) -> Iterator[Part]:
        left_out = {number for number in range(32) if mask >> number & 1}
        optional = {number for number, each in enumerate(self._filters) if each.is_optional}
        look = self._dataset.parts.look
        if not left_out <= optional:
            look.stop(PACKED, f"{what}: found filters left out: {mask:#x}", offset=at)
        applied = [each for number, each in enumerate(self._filters) if number not in left_out]
        if not applied and not self._dataset.type.is_variable:
            self._check_whole(length, what, at)
            return
        if max(length, self._chunk_bytes) > READ_BYTES_MAX // 4:
            raise SpentError(f"it has chunks of more than {READ_BYTES_MAX // 4} bytes")
        look.budget.unpack(self._chunk_bytes)
        data = self._dataset.parts.peek(at, length, what).data
        for each in reversed(applied):
            data = self._undo(each, data, what, at)
        self._check_whole(len(data), what, at)
        if self._dataset.type.is_variable:
            yield Part(look, data, at, what)

    def _undo(self, each: Filter, data: bytes, what: str, at: int) -> bytes:
        if each.kind == _SHUFFLE:
            return unshuffled(data, self._dataset.type.size_bytes)
        if each.kind == _FLETCHER:
            if len(data) < 4 or fletcher32(data[:-4]) != _folded(data[-4:]):
                self._dataset.parts.look.stop(
                    PACKED, f"{what}: found bytes of another fletcher32", offset=at
                )
            return data[:-4]
        unpacker = zlib.decompressobj()
        try:
            # Four bytes more for a checksum, and one to see that it is too long.
            found = unpacker.decompress(data, self._chunk_bytes + 5)
        except zlib.error as error:
            self._dataset.parts.look.stop(PACKED, f"{what}: found {error}", offset=at)
        if not unpacker.eof or unpacker.unused_data:
            self._dataset.parts.look.stop(
                PACKED,
                f"{what}: found a stream that does not end with the chunk, or unpacks to more "
                f"than {self._chunk_bytes} bytes",
                offset=at,
            )
        return found

    def _check_whole(self, length: int, what: str, at: int) -> None:
        if length != self._chunk_bytes:
            self._dataset.parts.look.stop(
                PACKED, f"{what}: found {length} bytes, expected {self._chunk_bytes}", offset=at
            )


def read_filters(message: Part, what: str, item_bytes: int) -> tuple[Filter, ...] | None:
    """The filters of values of so many bytes, or None where one of them is refused."""
    version, count = message.number(), message.number()
    if version not in (1, 2):
        give_up(message.look, COVERED, f"{what}: found filters of version {version}")
    if count > FILTERS_MAX:
        message.wrong(f"found {count} filters, expected {FILTERS_MAX} at most")
    if version == 1:
        message.padding(6)
    found = [_read_filter(message, version, what, item_bytes) for _ in range(count)]
    message.padding()
    return None if None in found else tuple(each for each in found if each)


def _read_filter(message: Part, version: int, what: str, item_bytes: int) -> Filter | None:
    kind = message.number(2)
    named = version == 1 or kind >= 256
    name_bytes = message.number(2) if named else 0
    flags, count = message.number(2), message.number(2)
    message.take(name_bytes)
    if version == 1 and name_bytes % 8:
        message.wrong(f"found a filter's name of {name_bytes} bytes, expected a multiple of 8")
    values = [message.number(4) for _ in range(count)]
    if version == 1:
        message.padding(4 * (count % 2))
    if flags > 1:
        message.wrong(f"found flags {flags:#x} of filter {kind}")
    if kind in (_DEFLATE, _SHUFFLE, _FLETCHER):
        # The library shuffles by this size, whatever the type's.
        expected = {_DEFLATE: _LEVELS, _SHUFFLE: [[item_bytes]]}.get(kind, [[]])
        if values not in expected:
            message.wrong(f"found values {quoted(values)} of filter {kind}")
        return Filter(kind, is_optional=bool(flags))
    # Not loaded, but nobody here unpacks them.
    note = message.look.doubt if kind in _OTHERS else message.look.refuse
    note(FILTER, f"{what}: found filter {kind} {_OTHERS.get(kind, '')}", offset=message.at)
    return None


def unshuffled(data: bytes, item_bytes: int) -> bytes:
    """First bytes of all elements, second bytes and so on, back in place; a rest stays."""
    count = len(data) // item_bytes
    if item_bytes == 1 or count < 2:
        return data
    found = bytearray(data)
    for number in range(item_bytes):
        found[number : count * item_bytes : item_bytes] = data[
            number * count : (number + 1) * count
        ]
    return bytes(found)


def fletcher32(data: bytes) -> tuple[int, int]:
    """Both sums modulo 65,535, over big-endian words; a last odd byte is a word's first."""
    words = array("H", data + bytes(len(data) % 2))
    if byteorder == "little":
        words.byteswap()
    return sum(words) % 65535, sum(accumulate(words)) % 65535


def _folded(stored: bytes) -> tuple[int, int]:
    value = int.from_bytes(stored, "little")
    return (value & 0xFFFF) % 65535, (value >> 16) % 65535
