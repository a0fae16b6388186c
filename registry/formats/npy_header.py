"""The header of an .npy file: a Python literal of a dict, read by a grammar of its own.

Source: numpy/lib/format.py, "Format Version 1.0" to 3.0, and NEP 1. NumPy's writer makes it with
`repr`; its readers evaluate it. What is taken here is what that writer makes: texts without
escapes, whole numbers, True, False, tuples, lists, and one dict that holds them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

#: A field in a field in a field.
DEPTH_MAX = 8
FIELDS_MAX = 4096
#: NumPy 2 has arrays of at most 64 axes.
DIMENSIONS_MAX = 64
#: Of an array or an element, in bytes, and of an axis.
SIZE_MAX = 2**63 - 1

_TOKEN = re.compile(
    r" *(?:(?P<text>'[^'\\\x00-\x1f\x7f]*'|\"[^\"\\\x00-\x1f\x7f]*\")"
    r"|(?P<number>(?:0|[1-9][0-9]{0,18})L?)(?![0-9A-Za-z_.])"
    r"|(?P<word>True|False)(?![0-9A-Za-z_])|(?P<mark>[][(){},:]))"
)
#: Kinds and sizes in bytes: booleans, whole numbers with and without sign, floats, complex numbers.
_SCALARS = {
    f"{kind}{size}": size
    for kind, sizes in {
        "b": (1,),
        "i": (1, 2, 4, 8),
        "u": (1, 2, 4, 8),
        "f": (2, 4, 8, 16),
        "c": (8, 16, 32),
    }.items()
    for size in sizes
}
_TIME = re.compile(
    r"[<>][mM]8(?:\[(?:[1-9][0-9]{0,8})?(?:Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?", re.ASCII
)
#: Texts of a length, and bytes without meaning, as which NumPy stores types that it does not know.
_SIZED = re.compile(r"[<>|](?P<kind>[SUV])(?P<count>[1-9][0-9]{0,9})", re.ASCII)


class HeaderError(ValueError):
    """What is wrong with the literal, and at which character."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


class DtypeError(ValueError):
    """A type that is not on the list. The text says which."""


class Tuple(NamedTuple):
    """A Python tuple, so that it is not taken for a list."""

    items: tuple[Any, ...]


@dataclass
class _Reader:
    text: str
    at: int = 0

    def next(self) -> tuple[str, str]:
        """The kind of the next token, and the token."""
        match = _TOKEN.match(self.text, self.at)
        if match is None or match.lastgroup is None:
            raise HeaderError("found no text, number, bracket, True or False", self.at)
        self.at = match.end()
        return match.lastgroup, match[match.lastgroup]

    def peek(self) -> str:
        at = self.at
        _, token = self.next()
        self.at = at
        return token

    def value(self, depth: int = 0) -> Any:
        if depth > 2 * DEPTH_MAX:
            raise HeaderError("found brackets nested too deep", self.at)
        kind, token = self.next()
        if kind == "text":
            return token[1:-1]
        if kind == "number":
            return int(token.removesuffix("L"))
        if kind == "word":
            return token == "True"
        if token == "[":
            return self.items("]", depth)[0]
        if token == "(":
            items, has_comma = self.items(")", depth)
            # Brackets around one value without a comma are no tuple to Python.
            if len(items) == 1 and not has_comma:
                raise HeaderError("found brackets around one value", self.at)
            return Tuple(tuple(items))
        raise HeaderError(f"found {token!r} where a value should be", self.at)

    def items(self, end: str, depth: int) -> tuple[list[Any], bool]:
        """Up to the closing bracket, and whether a comma stands before that."""
        found: list[Any] = []
        while self.peek() != end:
            found.append(self.value(depth + 1))
            if self.peek() == end:
                self.next()
                return found, False
            self.expect(",")
        self.next()
        return found, bool(found)

    def expect(self, mark: str) -> None:
        _, token = self.next()
        if token != mark:
            raise HeaderError(f"found {token!a}, expected {mark!r}", self.at)


def parse(text: str) -> dict[str, Any]:
    """The dict. HeaderError for anything else, and for a key that stands in it twice."""
    reader = _Reader(text)
    reader.expect("{")
    found: dict[str, Any] = {}
    while reader.peek() != "}":
        kind, key = reader.next()
        if kind != "text" or key[1:-1] in found:
            raise HeaderError(
                "found a key that is no text, or one that was there before", reader.at
            )
        reader.expect(":")
        found[key[1:-1]] = reader.value()
        if reader.peek() != "}":
            reader.expect(",")
    reader.next()
    if text[reader.at :].strip(" "):
        raise HeaderError("found more behind the dict", reader.at)
    return found


def item_bytes(descr: object, depth: int = 0) -> int:
    """The size of one element. DtypeError for a type that is not on the list."""
    if isinstance(descr, str):
        return _plain_bytes(descr)
    if not isinstance(descr, list) or not 0 < len(descr) <= FIELDS_MAX or depth > DEPTH_MAX:
        raise DtypeError(repr(descr))
    names: set[str] = set()
    total = 0
    for field in descr:
        if not isinstance(field, Tuple) or len(field.items) not in (2, 3):
            raise DtypeError(repr(field))
        name, inner, *shape = field.items
        for each in name.items if isinstance(name, Tuple) and len(name.items) == 2 else (name,):
            # Padding has an empty name.
            if not isinstance(each, str) or (each and each in names):
                raise DtypeError(repr(field))
            names.add(each)
        total += item_bytes(inner, depth + 1) * elements(shape[0] if shape else Tuple(()))
        if total > SIZE_MAX:
            raise DtypeError(repr(field))
    return total


def _plain_bytes(descr: str) -> int:
    size = _SCALARS.get(descr[1:])
    if size is not None and descr[0] in ("<>|" if size == 1 else "<>"):
        return size
    if _TIME.fullmatch(descr):
        return 8
    if sized := _SIZED.fullmatch(descr):
        count = int(sized["count"])
        return count * 4 if sized["kind"] == "U" else count
    raise DtypeError(repr(descr))


def elements(shape: object) -> int:
    """How many elements an array of this shape has. DtypeError where it is no shape, or of 2^63."""
    if not isinstance(shape, Tuple) or len(shape.items) > DIMENSIONS_MAX:
        raise DtypeError(repr(shape))
    # Not by its zeros: an axis of 2^62 beside one of none would overflow elsewhere.
    total, whole = 1, 1
    for axis in shape.items:
        if type(axis) is not int:
            raise DtypeError(repr(shape))
        total *= axis
        whole *= max(axis, 1)
        if whole > SIZE_MAX:
            raise DtypeError(repr(shape))
    return total


def as_json(value: object) -> Any:
    """A value of the header as facts hold it."""
    if isinstance(value, Tuple):
        return [as_json(each) for each in value.items]
    return [as_json(each) for each in value] if isinstance(value, list) else value
