"""FlatBuffers' tables, vectors and texts, each within the file, by its source.

Source: https://flatbuffers.dev/internals. A file begins with the place of its root table. A table
begins with the distance back to its vtable, which says where in the table each field lies; what is
no number is a distance onward. Readers follow these without looking, so each is compared with the
file's size here, as the libraries' optional verifier does.
"""

from __future__ import annotations

from dataclasses import dataclass

from registry.formats.look import Budget, SpentError
from registry.formats.source import Source

TEXT_BYTES_MAX = 65536
#: Of one vector.
TABLES_MAX = 1_000_000
_PAGE_BYTES = 64 * 1024
_PAGES_MAX = 64


class FlatBufferError(Exception):
    """What lies outside of the file, and where that is said."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Vector:
    #: Of the first element.
    at: int
    count: int


class FlatBuffer:
    """Memory: 4 MiB of the file's pages, whatever its size."""

    def __init__(self, source: Source, budget: Budget) -> None:
        self._source = source
        self.budget = budget
        self._pages: dict[int, bytes] = {}
        self.size_bytes = source.size_bytes
        #: Where what was looked at ends. A builder writes from the end to the front, so that
        #: nothing but padding is behind the first thing that it wrote.
        self.reached = 0

    def root(self) -> Table:
        return self.table(self.number(0, 4))

    def number(self, at: int, size: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.raw(at, size), "little", signed=signed)

    def raw(self, at: int, size: int) -> bytes:
        if at < 0 or at + size > self.size_bytes:
            raise FlatBufferError(f"found {size} bytes at {at} of {self.size_bytes}", at)
        self.reached = max(self.reached, at + size)
        if size > _PAGE_BYTES:
            return self._source.read(at, size)
        page, start = divmod(at, _PAGE_BYTES)
        found = self._page(page)[start : start + size]
        if len(found) < size:
            found += self._page(page + 1)[: size - len(found)]
        return found

    def covers(self, at: int, size: int) -> None:
        """Check bytes that nobody reads here."""
        if at < 0 or at + size > self.size_bytes:
            raise FlatBufferError(f"found {size} bytes at {at} of {self.size_bytes}", at)
        self.reached = max(self.reached, at + size)

    def table(self, at: int) -> Table:
        self.budget.step(4)
        vtable = at - self.number(at, 4, signed=True)
        vtable_bytes = self.number(vtable, 2)
        table_bytes = self.number(vtable + 2, 2)
        if vtable_bytes < 4 or vtable_bytes % 2 or table_bytes < 4:
            found = f"a vtable of {vtable_bytes} bytes for {table_bytes}"
            raise FlatBufferError(f"found {found}", vtable)
        self.covers(at, table_bytes)
        slots = self.raw(vtable, vtable_bytes)[4:]
        fields = [int.from_bytes(slots[i : i + 2], "little") for i in range(0, len(slots), 2)]
        if any(field >= table_bytes for field in fields):
            raise FlatBufferError(f"found a field outside of its table of {table_bytes}", vtable)
        return Table(self, at, table_bytes, fields)

    def _page(self, number: int) -> bytes:
        page = self._pages.get(number)
        if page is None:
            if len(self._pages) >= _PAGES_MAX:
                self._pages.pop(next(iter(self._pages)))
            page = self._source.read(number * _PAGE_BYTES, _PAGE_BYTES)
            self._pages[number] = page
        return page


class Table:
    """One table. Fields are told by their number in the schema; absent ones have their default."""

    def __init__(self, buffer: FlatBuffer, at: int, size_bytes: int, fields: list[int]) -> None:
        self._buffer = buffer
        self.at = at
        self._size_bytes = size_bytes
        self._fields = fields

    @property
    def fields(self) -> int:
        """How many the writer's schema had, of which the last one is set."""
        return len(self._fields)

    def has(self, field: int) -> bool:
        return field < len(self._fields) and self._fields[field] != 0

    def number(self, field: int, size: int, default: int = 0, *, signed: bool = False) -> int:
        if not self.has(field):
            return default
        place = self._fields[field]
        if place + size > self._size_bytes:
            raise FlatBufferError(f"found field {field} outside of its table", self.at)
        return self._buffer.number(self.at + place, size, signed=signed)

    def table(self, field: int) -> Table | None:
        at = self._onward(field)
        return None if at is None else self._buffer.table(at)

    def vector(self, field: int, element_bytes: int) -> Vector:
        """Without a field, one of no elements. All of it is within the file."""
        at = self._onward(field)
        if at is None:
            return Vector(0, 0)
        count = self._buffer.number(at, 4)
        self._buffer.covers(at + 4, count * element_bytes)
        self._buffer.budget.step(1 + (count * element_bytes >> 12))
        return Vector(at + 4, count)

    def numbers(self, field: int, size: int, limit: int) -> list[int]:
        """Signed ones. SpentError for more than a limit."""
        vector = self.vector(field, size)
        if vector.count > limit:
            raise SpentError(f"it has a list of {vector.count} numbers; {limit} are looked at")
        data = self._buffer.raw(vector.at, vector.count * size)
        self._buffer.budget.step(vector.count)
        return [
            int.from_bytes(data[i : i + size], "little", signed=True)
            for i in range(0, len(data), size)
        ]

    def tables(self, field: int) -> list[int]:
        """Where they are: each is looked at when it is asked for, by `buffer.table`."""
        vector = self.vector(field, 4)
        if vector.count > TABLES_MAX:
            raise SpentError(f"it has a list of {vector.count} parts; {TABLES_MAX} are looked at")
        self._buffer.budget.step(vector.count)
        data = b"".join(
            self._buffer.raw(vector.at + done, min(_PAGE_BYTES, vector.count * 4 - done))
            for done in range(0, vector.count * 4, _PAGE_BYTES)
        )
        return [
            vector.at + i + int.from_bytes(data[i : i + 4], "little")
            for i in range(0, len(data), 4)
        ]

    def text(self, field: int) -> str:
        vector = self.vector(field, 1)
        if not vector.count and not self.has(field):
            return ""
        if vector.count > TEXT_BYTES_MAX or self._buffer.number(vector.at + vector.count, 1):
            raise FlatBufferError(f"found a text of {vector.count} bytes without an end", vector.at)
        try:
            return self._buffer.raw(vector.at, vector.count).decode("utf-8")
        except UnicodeDecodeError:
            raise FlatBufferError("found a text that is not UTF-8", vector.at) from None

    def _onward(self, field: int) -> int | None:
        if not self.has(field):
            return None
        place = self.at + self._fields[field]
        distance = self.number(field, 4)
        if not distance:
            raise FlatBufferError("found a distance of 0", place)
        return place + distance
