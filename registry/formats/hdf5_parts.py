"""Parts of an HDF5 file: each has its place in the file, and its fields are read in order.

`Parts` keeps account of all of the file's bytes: who reads a part claims it, so no two parts share
a byte, nothing is read twice, and what is left at the end belongs to nobody. That bounds all walks:
each step claims bytes, and there are only so many.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import NoReturn

from registry.formats.hdf5_rules import CHECKSUM, PLACE, STRUCTURE, UNUSED, said
from registry.formats.look import Look
from registry.formats.source import READ_BYTES_MAX, Source, pieces

#: Of addresses and lengths in the file.
WIDTH = 8
#: The address of what is not there.
NOWHERE = 2**64 - 1


class Parts:
    """The bytes of one file, and who claimed them."""

    def __init__(self, look: Look, source: Source) -> None:
        self.look = look
        self._source = source
        self._claimed = Spans()

    def claim(self, at: int, length: int, what: str) -> None:
        """That these bytes are this part's, and nobody else's."""
        self.look.budget.step()
        if at + length > self._source.size_bytes:
            self.look.stop(
                PLACE,
                f"{what}: found {length} bytes at {at}, expected them within the file's "
                f"{self._source.size_bytes}",
            )
        if not length:
            return
        if not self._claimed.add(at, at + length):
            self.look.stop(PLACE, f"{what}: found bytes of another part among its own", offset=at)

    def take(self, at: int, length: int, what: str) -> Part:
        """The part, claimed and read. It lies in memory: callers check long ones before."""
        self.claim(at, length, what)
        return self.peek(at, length, what)

    def peek(self, at: int, length: int, what: str) -> Part:
        """What is read to learn how long the part is, before it is taken as a whole."""
        if at + length > self._source.size_bytes or length > READ_BYTES_MAX:
            self.look.stop(
                PLACE,
                f"{what}: found {length} bytes at {at}, expected them within the file's "
                f"{self._source.size_bytes}, and at most {READ_BYTES_MAX}",
            )
        return Part(self.look, self._source.read(at, length), at, what)

    def check_unused(self) -> None:
        """The word for bytes that nobody claimed: libraries leave them zero."""
        at = 0
        for start, end in self._claimed:
            self._check_zero(at, start)
            at = end
        self._check_zero(at, self._source.size_bytes)

    def _check_zero(self, at: int, end: int) -> None:
        for piece in pieces(self._source, at, end):
            used = piece.lstrip(b"\0")
            if used:
                where = at + len(piece) - len(used)
                self.look.doubt(UNUSED, f"found {said(used[:16])}", offset=where)
                return
            at += len(piece)


class Spans:
    """Where parts begin and end, in order, none over another.

    In blocks of bounded length: one list of all would be moved for each new one, which takes time
    by the square.
    """

    def __init__(self, block_max: int = 1024) -> None:
        self._block_max = block_max
        self._blocks: list[list[tuple[int, int]]] = [[]]
        #: Where the first span of each block begins; the first block takes what is before, too.
        self._firsts = [0]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return (span for block in self._blocks for span in block)

    def add(self, start: int, end: int) -> bool:
        """Whether its place was free."""
        number = bisect_right(self._firsts, start) - 1
        block = self._blocks[number]
        index = bisect_left(block, (start, 0))
        # Nothing begins before the first span of its block, save in the first block.
        before = block[index - 1][1] if index else 0
        after = block[index][0] if index < len(block) else self._start_after(number)
        if before > start or after < end:
            return False
        block.insert(index, (start, end))
        if len(block) > self._block_max:
            half = len(block) // 2
            self._blocks[number : number + 1] = [block[:half], block[half:]]
            self._firsts.insert(number + 1, block[half][0])
        return True

    def _start_after(self, number: int) -> int:
        return self._firsts[number + 1] if number + 1 < len(self._firsts) else NOWHERE


class Part:
    """Fields in order. Who reads beyond its end stops the look."""

    def __init__(self, look: Look, data: bytes, at: int, what: str) -> None:
        self.look = look
        self.data = data
        #: Where it lies in the file.
        self.at = at
        self.what = what
        #: How far it is read.
        self.read = 0

    @property
    def left(self) -> int:
        return len(self.data) - self.read

    def take(self, length: int) -> bytes:
        if length > self.left:
            self.look.stop(
                STRUCTURE,
                f"{self.what}: found {self.left} bytes, expected {length}",
                offset=self.at + self.read,
            )
        self.read += length
        return self.data[self.read - length : self.read]

    def number(self, size: int = 1) -> int:
        return int.from_bytes(self.take(size), "little")

    def address(self) -> int:
        return self.number(WIDTH)

    def expect(self, expected: bytes, field: str) -> None:
        """A field that has one value alone."""
        found = self.take(len(expected))
        if found != expected:
            self.wrong(f"found {found.hex()} as its {field}, expected {expected.hex()}")

    def part(self, length: int, what: str) -> Part:
        """What follows, as a part of its own."""
        at = self.at + self.read
        return Part(self.look, self.take(length), at, what)

    def padding(self, length: int | None = None) -> None:
        """Reserved fields and what fills up a part. Readers skip it; a writer makes it zero."""
        at = self.at + self.read
        found = self.take(self.left if length is None else length)
        if found.strip(b"\0"):
            self.look.doubt(UNUSED, f"{self.what}: found {said(found[:16])} as padding", offset=at)

    def ended(self) -> None:
        if self.left:
            self.wrong(f"found {self.left} bytes behind its end")

    def wrong(self, message: str) -> NoReturn:
        """Stops the look: what comes behind cannot be told."""
        self.look.stop(STRUCTURE, f"{self.what}: {message}", offset=self.at)

    def check_sum(self) -> None:
        """The last four bytes are lookup3 of all before (section III.A.2 and others)."""
        self.look.budget.step(len(self.data) // 12 + 1)
        found = int.from_bytes(self.data[-4:], "little")
        expected = lookup3(self.data[:-4])
        if found != expected:
            self.look.stop(
                CHECKSUM,
                f"{self.what}: found checksum {found:08x}, expected {expected:08x}",
                offset=self.at,
            )
        self.data = self.data[:-4]


_MASK = 0xFFFFFFFF


def lookup3(data: bytes) -> int:
    """Bob Jenkins' hash of that name, `hashlittle` with the initial value 0."""
    a = b = c = (0xDEADBEEF + len(data)) & _MASK
    if not data:
        return c
    # The last block, which may be a whole one, is mixed in another way.
    whole = (len(data) - 1) // 12 * 12
    for at in range(0, whole, 12):
        a, b, c = _mix(*_added(a, b, c, data[at : at + 12]))
    return _finish(*_added(a, b, c, data[whole:]))


def _added(a: int, b: int, c: int, block: bytes) -> tuple[int, int, int]:
    return (
        (a + int.from_bytes(block[:4], "little")) & _MASK,
        (b + int.from_bytes(block[4:8], "little")) & _MASK,
        (c + int.from_bytes(block[8:12], "little")) & _MASK,
    )


def _turned(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (32 - bits))) & _MASK


def _mix(a: int, b: int, c: int) -> tuple[int, int, int]:
    for bits in (4, 6, 8, 16, 19, 4):
        a = ((a - c) & _MASK) ^ _turned(c, bits)
        c = (c + b) & _MASK
        # The three change places in each of the six steps.
        a, b, c = b, c, a
    return a, b, c


def _finish(a: int, b: int, c: int) -> int:
    for bits in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - _turned(b, bits)) & _MASK
        a, b, c = b, c, a
    # Seven steps of three places: the last that was written stands in the middle.
    return b
