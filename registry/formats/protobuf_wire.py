"""Protocol Buffers' wire format, read strictly against a schema, without a message in memory.

Source: https://protobuf.dev/programming-guides/encoding. A field is a tag (number and wire type, a
varint) and a value; a message is its fields up to the end that its parent gives it.

What readers disagree on is refused: numbers that are longer than they need be, groups, a single
field that comes twice (one reader takes the last, another merges), a field of another wire type
than the schema's (some take it for an unknown field), nesting beyond what libraries follow.
Fields that a schema doesn't know are told, not judged.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from registry.formats.look import Budget, SpentError
from registry.formats.source import PIECE_BYTES, Source

#: What the C++ and Python libraries follow (`RecursionLimit`).
DEPTH_MAX = 100
#: Values of one field that are kept, if nobody asks for more; others are counted.
KEPT_MAX = 4096
#: Different unknown fields that are told.
UNKNOWN_MAX = 100
TEXT_BYTES_MAX = 65536
_WINDOW_BYTES = 128 * 1024
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_WIRE_TYPES = {_VARINT, _FIXED64, _LENGTH, _FIXED32}
_SKIPPED = {"f64": (_FIXED64, 8), "f32": (_FIXED32, 4)}
_CONTINUED = bytes(range(0x80, 0x100))
_TOO_LONG = re.compile(rb"[\x80-\xff]{10}")


class WireError(Exception):
    """Why the bytes are not one message of the schema, and where."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    #: `int`, `f32`, `f64`, `text`, `bytes`, or a message's type.
    kind: str
    repeated: bool
    #: Of which one may come, at most once: the field itself, or its `oneof`; empty if repeated.
    slot: str


Schema = Mapping[str, Mapping[int, Field]]


def schema(table: str) -> Schema:
    """Read a table of messages: a line with the name of the type, then one a field:
    `NUMBER NAME KIND`, with `*` behind the name of a repeated one, and its `oneof` at the end."""
    found: dict[str, dict[int, Field]] = {}
    fields: dict[int, Field] = {}
    for line in table.splitlines():
        words = line.split()
        if len(words) == 1:
            fields = found.setdefault(words[0], {})
        elif words:
            name = words[1].rstrip("*")
            repeated = words[1].endswith("*")
            slot = "" if repeated else (words[3] if len(words) > 3 else name)
            fields[int(words[0])] = Field(name, words[2], repeated, slot)
    return found


class Message:
    """One message on the way: what was read of it so far.

    `int` are kept as int64, `text` as str, `bytes` as (offset, length), messages as what `leave`
    made of them, unless None; `f32` and `f64` are counted alone, and so is what is packed.
    """

    __slots__ = (
        "counts",
        "end",
        "field",
        "fields",
        "kept_max",
        "parent",
        "start",
        "type",
        "values",
    )

    def __init__(
        self,
        type_: str,
        fields: Mapping[int, Field],
        span: tuple[int, int],
        parent: Message | None,
        field: str,
        kept_max: int,
    ) -> None:
        self.kept_max = kept_max
        self.type = type_
        self.fields = fields
        self.start, self.end = span
        self.parent = parent
        #: Of the parent.
        self.field = field
        self.values: dict[str, list[Any]] = {}
        #: By field, and by slot, which are the same where no `oneof` is.
        self.counts: dict[str, int] = {}

    def one(self, name: str, default: Any = None) -> Any:
        values = self.values.get(name)
        return values[0] if values else default

    def all(self, name: str) -> list[Any]:
        """At most as many as are kept."""
        return self.values.get(name, [])

    def count(self, name: str) -> int:
        return self.counts.get(name, 0)

    def keep(self, name: str, value: object) -> None:
        values = self.values.setdefault(name, [])
        if len(values) < self.kept_max:
            values.append(value)


@dataclass(frozen=True)
class Walked:
    #: What `leave` made of the outermost message.
    value: Any
    #: How often fields came that the schema doesn't know, by type and number.
    unknown: Mapping[tuple[str, int], int]


def walk(
    source: Source,
    schema: Schema,
    root: str,
    leave: Callable[[Message], Any],
    budget: Budget,
    *,
    kept_max: int = KEPT_MAX,
) -> Walked:
    """Read all of a source as a message of type `root`; `leave` gets each message when it is
    complete, inner ones first. WireError. Memory: what is kept of a message and its ancestors."""
    window = _Window(source)
    unknown: Counter[tuple[str, int]] = Counter()
    message = Message(root, schema[root], (0, source.size_bytes), None, "", kept_max)
    depth = 1
    at = 0
    while True:
        if at == message.end:
            value = leave(message)
            parent = message.parent
            if parent is None:
                return Walked(value, unknown)
            if value is not None:
                parent.keep(message.field, value)
            message = parent
            depth -= 1
            continue
        budget.step()
        begin = at
        number, wire_type, value, length, at = window.field(at, message.end)
        field = message.fields.get(number)
        if field is None:
            if len(unknown) < UNKNOWN_MAX:
                unknown[message.type, number] += 1
            at += length
            continue
        if field.kind in schema and wire_type == _LENGTH:
            _count(message, field, 1, begin)
            depth += 1
            if depth > DEPTH_MAX:
                raise WireError(f"found messages more than {DEPTH_MAX} deep", begin)
            span = (at, at + length)
            message = Message(field.kind, schema[field.kind], span, message, field.name, kept_max)
            continue
        _take(window, message, field, wire_type, value, at, length, budget, begin)
        at += length


def _take(
    window: _Window,
    message: Message,
    field: Field,
    wire_type: int,
    value: int,
    at: int,
    length: int,
    budget: Budget,
    begin: int,
) -> None:
    """A field that is no message."""
    kind, count = field.kind, 1
    wanted, unit = _SKIPPED.get(kind, (_VARINT if kind == "int" else _LENGTH, 1))
    if wire_type == _LENGTH and wanted != _LENGTH and field.repeated:
        # Packed, which a reader has to take for any repeated number.
        count, rest = divmod(length, unit)
        if rest:
            raise WireError(f"found {length} bytes of {unit} each", begin)
        if kind == "int":
            count = window.packed(message, field.name, at, at + length)
        budget.step(length >> 12)
    elif wire_type != wanted:
        raise WireError(
            f"found {message.type}.{field.name} of wire type {wire_type}, expected {wanted}", begin
        )
    elif kind == "int":
        message.keep(field.name, value - (1 << 64) if value >> 63 else value)
    elif kind == "text":
        message.keep(field.name, window.text(at, length))
    elif kind == "bytes":
        message.keep(field.name, (at, length))
    _count(message, field, count, begin)


def _count(message: Message, field: Field, count: int, begin: int) -> None:
    counts = message.counts
    counts[field.name] = counts.get(field.name, 0) + count
    slot = field.slot
    if slot:
        if slot != field.name:
            counts[slot] = counts.get(slot, 0) + count
        if counts[slot] > 1:
            raise WireError(f"found {message.type}.{slot} twice", begin)


class _Window:
    """The bytes around the place that is read. What is skipped is never read."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._size_bytes = source.size_bytes
        self._buffer = b""
        self._base = 0

    def field(self, at: int, end: int) -> tuple[int, int, int, int, int]:
        """Number and wire type; the value of a varint; the length of what else it is; and where
        that begins, or where the varint ends."""
        begin = at
        tag, at = self.varint(at, end)
        number, wire_type = tag >> 3, tag & 7
        if wire_type not in _WIRE_TYPES or not 0 < number < 1 << 29:
            raise WireError(f"found field {number} of wire type {wire_type}", begin)
        value, length = 0, 0
        if wire_type == _VARINT:
            value, at = self.varint(at, end)
        elif wire_type == _LENGTH:
            length, at = self.varint(at, end)
        else:
            length = 8 if wire_type == _FIXED64 else 4
        if length > end - at:
            raise WireError(f"found {length} bytes, {end - at} are left", begin)
        return number, wire_type, value, length, at

    def varint(self, at: int, end: int) -> tuple[int, int]:
        """The number at a place before `end`, and where it ends."""
        if at >= end:
            raise WireError("found the end of a message within a field", at)
        index = at - self._base
        buffer = self._buffer
        if index < 0 or (index + 10 > len(buffer) and self._base + len(buffer) < self._size_bytes):
            self._base, index = at, 0
            buffer = self._buffer = self._source.read(at, _WINDOW_BYTES)
        byte = buffer[index]
        if byte < 0x80:
            return byte, at + 1
        value = byte & 0x7F
        for position in range(1, min(10, end - at)):
            byte = buffer[index + position]
            value |= (byte & 0x7F) << 7 * position
            if byte < 0x80:
                if byte == 0 or value >> 64:
                    raise WireError("found a number longer than it need be", at)
                return value, at + position + 1
        raise WireError("found a number without an end", at)

    def text(self, at: int, length: int) -> str:
        if length > TEXT_BYTES_MAX:
            raise SpentError(f"it has a text of {length} bytes where names are expected")
        index = at - self._base
        if index >= 0 and index + length <= len(self._buffer):
            found = self._buffer[index : index + length]
        else:
            found = self._source.read(at, length)
        try:
            return found.decode("utf-8")
        except UnicodeDecodeError as error:
            raise WireError(f"found a text that is not UTF-8: {error.reason}", at) from None

    def packed(self, message: Message, name: str, at: int, end: int) -> int:
        """How many varints there are; few ones are kept, too."""
        if end - at <= KEPT_MAX:
            return self._few(message, name, at, end)
        count = 0
        # So that a number across two pieces is seen whole.
        tail = b""
        while at < end:
            piece = self._source.read(at, min(PIECE_BYTES, end - at))
            count += len(piece.translate(None, _CONTINUED))
            if _TOO_LONG.search(tail + piece):
                raise WireError("found a number of more than 10 bytes", at)
            tail = piece[-9:]
            at += len(piece)
        if tail[-1] >= 0x80:
            raise WireError("found a number without an end", end)
        return count

    def _few(self, message: Message, name: str, at: int, end: int) -> int:
        count = 0
        while at < end:
            value, at = self.varint(at, end)
            message.keep(name, value - (1 << 64) if value >> 63 else value)
            count += 1
        return count
