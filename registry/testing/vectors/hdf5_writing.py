"""Writes HDF5 as h5py and Keras do, and as they don't. What is linked is written before its group,
so each call gives the address that the next one needs."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from registry.formats.hdf5_parts import lookup3
from registry.testing.vectors import Vector

VECTORS: tuple[Vector, ...] = ()

NOWHERE = b"\xff" * 8
#: A version 0 superblock's, with the root's entry in its symbol table.
_EARLY_BYTES, _LATE_BYTES = 96, 48
LEAF, INNER, CHUNKS = 4, 16, 32

SPACE, LINK_INFO, TYPE, FILL, LINK, EXTERNAL, LAYOUT, GROUP_INFO = 1, 2, 3, 5, 6, 7, 8, 10
FILTERS, ATTRIBUTE, CONTINUATION, TABLE, TIME, ATTRIBUTE_INFO = 11, 12, 16, 17, 18, 21
#: A message's type and its bytes.
Message = tuple[int, bytes]
Change = Callable[[bytes], bytes]


def u(value: int, size: int = 8) -> bytes:
    return value.to_bytes(size, "little")


def filled(data: bytes, unit: int = 8) -> bytes:
    return data + bytes(-len(data) % unit)


def fixed(size: int, *, signed: bool = True) -> bytes:
    return b"\x10" + bytes((8 * signed, 0, 0)) + u(size, 4) + u(0, 2) + u(8 * size, 2)


def text(size: int) -> bytes:
    return b"\x13\x01\0\0" + u(size, 4)


FLOAT32 = b"\x11\x20\x1f\0" + u(4, 4) + u(0, 2) + u(32, 2) + bytes((23, 8, 0, 23)) + u(127, 4)
INT8, UINT8, INT64 = fixed(1), fixed(1, signed=False), fixed(8)
BOOL = b"\x18\x02\0\0" + u(1, 4) + INT8 + b"FALSE\0\0\0TRUE\0\0\0\0" + b"\0\x01"
#: Plain bytes without a tag, as which h5py stores bfloat16.
PLAIN = b"\x15\0\0\0" + u(2, 4)
TEXTS = b"\x19\x01\x01\0" + u(16, 4) + b"\x10\0\0\0" + u(1, 4) + u(0, 2) + u(8, 2)


def space(*shape: int, version: int = 1, limits: Sequence[int] = ()) -> bytes:
    lengths = b"".join(map(u, (*shape, *limits)))
    head = bytes((version, len(shape), bool(limits)))
    return head + (bytes(5) if version == 1 else bytes((bool(shape),))) + lengths


#: Of a group with its links as messages.
NO_HEAP = (LINK_INFO, b"\0\0" + 2 * NOWHERE)
NO_FILL = b"\x02\x02\x02\0"


def attribute(name: str, kind: bytes, shape: bytes, data: bytes, version: int = 1) -> Message:
    parts = (name.encode() + b"\0", kind, shape)
    lengths = b"".join(u(len(part), 2) for part in parts)
    if version == 1:
        parts = (filled(parts[0]), filled(parts[1]), filled(parts[2]))
    more = b"\x01" if version == 3 else b""
    return ATTRIBUTE, bytes((version, 0)) + lengths + more + b"".join(parts) + data


def names(name: str, *values: str) -> Message:
    """Texts of one size, as Keras lists names of layers."""
    size = max(map(len, values))
    data = b"".join(filled(value.encode(), size) for value in values)
    return attribute(name, text(size), space(len(values)), data)


def contiguous(address: bytes, length: int) -> bytes:
    return b"\x03\x01" + address + u(length)


def compact(data: bytes) -> bytes:
    return b"\x03\0" + u(len(data), 2) + data


def soft(name: str, target: str) -> bytes:
    """A link message."""
    return bytes((1, 8, 1, len(name))) + name.encode() + u(len(target), 2) + target.encode()


def external(name: str) -> bytes:
    target = b"\0other.h5\0/x\0"
    return bytes((1, 8, 64, len(name))) + name.encode() + u(len(target), 2) + target


def hard(name: str, address: int) -> bytes:
    text = name.encode()
    return bytes((1, 0, len(text))) + text + u(address)


@dataclass(frozen=True)
class Filter:
    kind: int
    flags: int = 0
    values: tuple[int, ...] = ()


DEFLATE, SHUFFLE, FLETCHER = Filter(1, 1, (6,)), Filter(2, 1, (4,)), Filter(3)


def filters(*each: Filter) -> bytes:
    found = b"\x01" + bytes((len(each),)) + bytes(6)
    for one in each:
        values = b"".join(u(value, 4) for value in one.values)
        found += u(one.kind, 2) + u(0, 2) + u(one.flags, 2) + u(len(one.values), 2)
        found += filled(values)
    return found


def fletcher32(data: bytes) -> bytes:
    """With its checksum behind it."""
    first = second = 0
    for at in range(0, len(data), 2):
        first += int.from_bytes(data[at : at + 2].ljust(2, b"\0"))
        second += first
    sums = [(each - 1) % 65535 + 1 if each else 0 for each in (first, second)]
    return data + u(sums[1] << 16 | sums[0], 4)


def shuffled(data: bytes, size: int) -> bytes:
    return b"".join(data[at::size] for at in range(size))


def packed(data: bytes) -> bytes:
    return zlib.compress(data)


def floats(count: int) -> bytes:
    return array("f", range(count)).tobytes()


class Image:
    """A file that grows."""

    def __init__(self, *, is_late: bool = False) -> None:
        self.is_late = is_late
        self.data = bytearray(_LATE_BYTES if is_late else _EARLY_BYTES)

    def put(self, part: bytes) -> int:
        self.data += bytes(-len(self.data) % 8)
        self.data += part
        return len(self.data) - len(part)

    def header(
        self, *messages: Message, references: int = 1, flags: int = 0, has_more: bool = False
    ) -> int:
        """Of version 1, or of version 2 in a late file, there maybe with times, the order in which
        attributes were made, and limits of these. All messages have these flags."""
        if self.is_late:
            order = b"\1\0" if has_more else b""
            body = b"".join(
                bytes((kind,)) + u(len(data), 2) + bytes((flags,)) + order + data
                for kind, data in messages
            )
            more = bytes(16) + u(8, 2) + u(6, 2) if has_more else b""
            head = b"OHDR\x02" + bytes((0x36 if has_more else 2,)) + more + u(len(body), 4) + body
            return self.put(head + u(lookup3(head), 4))
        body = b""
        for kind, data in messages:
            body += u(kind, 2) + u(len(filled(data)), 2) + bytes((flags, 0, 0, 0)) + filled(data)
        return self.put(
            b"\x01\0" + u(len(messages), 2) + u(references, 4) + u(len(body), 4) + bytes(4) + body
        )

    def dataset(
        self,
        data: bytes = floats(6),
        shape: tuple[int, ...] = (2, 3),
        kind: bytes = FLOAT32,
        *more: Message,
        layout: bytes | None = None,
    ) -> int:
        place = layout or contiguous(u(self.put(data)) if data else NOWHERE, len(data))
        return self.header(
            (SPACE, space(*shape)), (TYPE, kind), (FILL, NO_FILL), (LAYOUT, place), *more
        )

    def tree(
        self,
        kind: int,
        keys: Sequence[bytes],
        children: Sequence[int],
        room: int,
        *,
        per_node: int,
        change: Change = bytes,
    ) -> int:
        """A version 1 B-tree with so many children a node, whose keys stand between them."""
        level = 0
        size = 24 + room * (len(keys[0]) + 8) + len(keys[0])
        while True:
            starts = range(0, max(1, len(children)), per_node)
            first = self.put(b"")
            places = [first + size * number for number in range(len(starts))]
            around = [NOWHERE, *map(u, places), NOWHERE]
            for number, start in enumerate(starts):
                inner = children[start : start + per_node]
                head = b"TREE" + bytes((kind, level)) + u(len(inner), 2)
                head += around[number] + around[number + 2] + keys[start]
                pairs = zip(inner, keys[start + 1 :], strict=False)
                body = head + b"".join(u(child) + key for child, key in pairs)
                self.put(change(body.ljust(size, b"\0")))
            if len(places) == 1:
                return places[0]
            keys, children, level = (
                [*(keys[start] for start in starts), keys[-1]],
                places,
                level + 1,
            )

    def chunks(
        self,
        shape: tuple[int, ...],
        step: tuple[int, ...],
        pieces: Mapping[tuple[int, ...], bytes],
        *each: Filter,
        masks: Mapping[tuple[int, ...], int] | None = None,
        per_node: int = 2 * CHUNKS,
        change: Change = bytes,
    ) -> int:
        """Floats, each chunk as it is given."""
        keys = [
            u(len(data), 4) + u((masks or {}).get(start, 0), 4) + b"".join(map(u, (*start, 0)))
            for start, data in pieces.items()
        ]
        last = max(pieces, default=(0,) * len(shape))
        # By an element behind the last chunk's beginning, as the library writes it.
        keys.append(bytes(8) + b"".join(map(u, (*last, 4))))
        places = [self.put(data) for data in pieces.values()]
        tree = self.tree(1, keys, places, 2 * CHUNKS, per_node=per_node, change=change)
        lengths = b"".join(u(length, 4) for length in (*step, 4))
        layout = b"\x03\x02" + bytes((len(shape) + 1,)) + u(tree) + lengths
        more = [(FILTERS, filters(*each))] if each else []
        return self.dataset(b"", shape, FLOAT32, *more, layout=layout)

    def heap(self, *values: bytes, behind: bytes = b"") -> list[bytes]:
        """A global heap of such texts: what refers to each of them."""
        body = b""
        for number, value in enumerate(values, 1):
            body += u(number, 2) + u(1, 2) + bytes(4) + u(len(value)) + filled(value)
        length = max(4096, len(body) + len(behind) + 32)
        free = u(0) + u(length - 16 - len(body))
        whole = b"GCOL\x01\0\0\0" + u(length) + body + free + behind
        address = self.put(whole.ljust(length, b"\0"))
        return [
            u(len(value), 4) + u(address) + u(number, 4) for number, value in enumerate(values, 1)
        ]

    def texts(self, name: str, value: str) -> Message:
        """One text of any length, as Keras keeps configurations."""
        return attribute(name, TEXTS, space(), self.heap(value.encode())[0])

    def table(
        self,
        links: Mapping[str, int],
        *,
        per_leaf: int = 2 * LEAF,
        per_node: int = 2 * INNER,
        entries: Change = bytes,
        names: Change = bytes,
        tree: Change = bytes,
    ) -> bytes:
        """A symbol table with names in order; the rest changes its parts."""
        text, offsets = bytearray(8), {}
        for name in links:
            offsets[name] = len(text)
            text += filled(name.encode() + b"\0")
        free = len(text)
        text += u(1) + u(24) + bytes(8)
        segment = self.put(names(bytes(text)))
        heap = self.put(b"HEAP\0\0\0\0" + u(len(text)) + u(free) + u(segment))
        keys, leaves, order = [u(0)], [], sorted(links)
        for start in range(0, len(order), per_leaf):
            inner = order[start : start + per_leaf]
            rows = b"".join(u(offsets[name]) + u(links[name]) + bytes(24) for name in inner)
            leaf = b"SNOD\x01\0" + u(len(inner), 2) + rows
            leaves.append(self.put(entries(leaf.ljust(8 + 2 * LEAF * 40, b"\0"))))
            keys.append(u(offsets[inner[-1]]))
        root = self.tree(0, keys, leaves, 2 * INNER, per_node=per_node, change=tree)
        return u(root) + u(heap)

    def group(self, links: Mapping[str, int], *messages: Message) -> int:
        """Links in a symbol table, or as messages in a late file."""
        if not self.is_late:
            return self.header((TABLE, self.table(links)), *messages)
        found = [(LINK, hard(name, address)) for name, address in links.items()]
        return self.header(NO_HEAP, (GROUP_INFO, b"\0\0"), *found, *messages)

    def done(self, root: int, table: bytes = b"", *, end: int = 0, version: int = 2) -> bytes:
        """The file, with its superblock."""
        signature = b"\x89HDF\r\n\x1a\n"
        length = u(len(self.data) + end)
        if self.is_late:
            head = signature + bytes((version, 8, 8, 0)) + u(0) + NOWHERE + length + u(root)
            self.data[:_LATE_BYTES] = head + u(lookup3(head), 4)
        else:
            entry = u(0) + u(root) + u(bool(table), 4) + bytes(4) + table.ljust(16, b"\0")
            sizes = b"\0\0\0\0\0\x08\x08\0" + u(LEAF, 2) + u(INNER, 2) + bytes(4)
            places = u(0) + NOWHERE + length + NOWHERE
            self.data[:_EARLY_BYTES] = signature + sizes + places + entry
        return bytes(self.data)
