"""Heaps: a group's names in a local heap, texts of any length in global ones.

Sections III.D and III.E of the specification.
"""

from __future__ import annotations

from registry.formats.hdf5_parts import NOWHERE, Part, Parts
from registry.formats.hdf5_rules import PLACE, STRUCTURE, UNUSED, said
from registry.formats.source import READ_BYTES_MAX

#: Stands for the end of the list of free blocks.
_LAST = 1


class LocalHeap:
    """Names by offset. Each byte of it is a name's, or free."""

    def __init__(self, parts: Parts, address: int, what: str) -> None:
        self._look = parts.look
        header = parts.take(address, 32, what)
        header.expect(b"HEAP\0", "signature and version")
        header.padding(3)
        length, self._free = header.address(), header.address()
        if length > READ_BYTES_MAX:
            header.wrong(f"found names of {length} bytes, expected at most {READ_BYTES_MAX}")
        self._names = parts.take(header.address(), length, what)
        # The empty name, which stands for the lower end of all names.
        self._names.expect(bytes(8), "first name")
        #: Where names begin and end.
        self._used: list[tuple[int, int]] = []
        self._known: dict[int, bytes] = {}

    def name(self, offset: int) -> bytes:
        """Without its NUL."""
        if offset in self._known:
            return self._known[offset]
        data = self._names.data
        end = data.find(b"\0", offset)
        if offset % 8 or offset >= len(data) or end < 0:
            self._names.wrong(f"found a name at {offset}, expected a multiple of 8 within")
        self._used.append((offset, end + 1))
        self._known[offset] = data[offset:end]
        return self._known[offset]

    def check_unused(self) -> None:
        """Once all names are read: what is neither a name nor a free block's head is padding."""
        used = [*self._used, *self._free_blocks()]
        used.sort()
        at = 0
        for start, end in [*used, (len(self._names.data), len(self._names.data))]:
            if start < at:
                self._names.wrong(f"found two names, or a name and free bytes, at {start}")
            between = self._names.data[at:start]
            if between.strip(b"\0"):
                self._look.doubt(
                    UNUSED,
                    f"{self._names.what}: found {said(between[:16])} between its names",
                    offset=self._names.at + at,
                )
            at = end

    def _free_blocks(self) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        offset, data = self._free, self._names.data
        # Each block has sixteen bytes at least, so there are only so many.
        while offset != _LAST and len(found) <= len(data) // 16:
            self._look.budget.step()
            length = int.from_bytes(data[offset + 8 : offset + 16], "little")
            if offset % 8 or length < 16 or offset + length > len(data):
                self._names.wrong(f"found {length} free bytes at {offset} of {len(data)}")
            found.append((offset, offset + 16))
            offset = int.from_bytes(data[offset : offset + 8], "little")
        return found


class GlobalHeaps:
    """Objects of all collections, by the collection's address and their number in it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        #: What is left when a value takes its object: nobody's.
        self._objects: dict[int, dict[int, Part]] = {}

    def take(self, reference: Part, what: str) -> bytes:
        """The bytes that a value of any length has: it takes them, nobody else has them."""
        length, address, index = reference.number(4), reference.address(), reference.number(4)
        # A text that was never set, or an empty one.
        if not length and address in (0, NOWHERE) and not index:
            return b""
        if address not in self._objects:
            self._objects[address] = self._read(address, what)
        found = self._objects[address].pop(index, None)
        if found is None:
            self._parts.look.stop(
                PLACE,
                f"{what}: found object {index} of the heap at {address}, expected one that is "
                f"there and that no other value has",
                offset=reference.at,
            )
        if found.left != length:
            found.wrong(f"found {found.left} bytes for a value of {length}")
        return found.data

    def check_unused(self) -> None:
        """Once all values are read."""
        for objects in self._objects.values():
            for index, found in objects.items():
                self._parts.look.doubt(
                    UNUSED,
                    f"{found.what}: found object {index}, {said(found.data[:16])}, which is no "
                    f"value",
                    offset=found.at,
                )

    def _read(self, address: int, what: str) -> dict[int, Part]:
        heap = f"{what}: global heap"
        head = self._parts.peek(address, 16, heap)
        head.expect(b"GCOL\x01\0\0\0", "signature and version")
        length = head.address()
        if not 16 <= length <= READ_BYTES_MAX:
            self._parts.look.stop(
                STRUCTURE,
                f"{heap}: found {length} bytes, expected 16 to {READ_BYTES_MAX}",
                offset=address,
            )
        whole = self._parts.take(address, length, heap)
        whole.take(16)
        objects: dict[int, Part] = {}
        while whole.left >= 16:
            self._parts.look.budget.step()
            index, references = whole.number(2), whole.number(2)
            whole.padding(4)
            size_bytes = whole.address()
            if not index:
                # Free to the end; its length counts the sixteen bytes before.
                if size_bytes != whole.left + 16:
                    whole.wrong(f"found {size_bytes} free bytes, expected {whole.left + 16}")
                break
            if index in objects or references > 1:
                whole.wrong(f"found object {index} twice, or with several references")
            objects[index] = whole.part(size_bytes, heap)
            whole.padding(-size_bytes % 8)
        whole.padding()
        return objects
