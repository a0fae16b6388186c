"""Canonical JSON: one value, one sequence of bytes. Digests and the audit chain hash these bytes.

The form, which a client can make with any JSON library that sorts keys:

- UTF-8; no white space outside strings; no byte order mark, no newline at the end;
- object keys sorted by Unicode code point, which is also the order of their UTF-8 bytes;
- strings as they are, never normalised; escaped are only `"`, the backslash and the controls
  below U+0020 (as `\\b \\t \\n \\f \\r`, else `\\u00xx` with lower-case hex digits);
- whole numbers in plain digits, from -2**63 to 2**63 - 1;
- floats in the shortest digits that read back as the same float, as Python's `repr` spells them:
  always with a `.` or an exponent, so that `1.0` stays a float. NaN and infinities are refused;
- at most 64 levels of objects and lists.

It is not RFC 8785, which spells 1.0 as 1 and sorts by UTF-16 units.

Laws: `load_canonical(canonical_json(value)) == value`, and
`canonical_json(load_canonical(data)) == data` for all data that `load_canonical` takes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from json import encoder
from typing import Any, TypeAlias

from registry.errors import InvalidFieldError
from registry.names.text import visible

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None

DEPTH_MAX = 64
INTEGER_MIN = -(2**63)
INTEGER_MAX = 2**63 - 1

#: A string in canonical JSON, for objects whose members are always the same and that are made so
#: often that they spell themselves out: in a third of the time of `canonical_json`.
quoted: Callable[[str], str] = encoder.encode_basestring

_PLACE_MAX = 200
_TEXT = frozenset({str})
_SCALARS = frozenset({str, bool, float, type(None)})


def _refuse(value: object) -> object:
    raise TypeError(f"{type(value).__name__} has no JSON")


#: What `JSONEncoder.encode` makes anew for each value, in twice the time that short ones take.
#: Value and depth of indentation, to pieces of its text.
_pieces: Callable[[object, int], Sequence[str]] = encoder.c_make_encoder(  # type: ignore[attr-defined]
    # Nothing is looked for twice, since `_check` and `_is_plain` end at a depth.
    None,
    _refuse,
    quoted,
    None,  # no indentation
    ":",
    ",",
    True,  # keys are sorted,
    False,  # none is left out,
    False,  # and NaN is refused
)


def canonical_json(value: object, *, field: str = "value") -> bytes:
    """The canonical bytes of a value made of dict, list or tuple, str, int, float, bool and None.

    Raises InvalidFieldError, with the place in the value as its field, for all else: other types
    (also as keys), NaN, infinities, numbers and depths out of bounds, lone surrogates.
    """
    if not _is_plain(value, depth=0):
        _check(value, field, depth=0)
    try:
        return "".join(_pieces(value, 0)).encode()
    except ValueError:
        # NaN, an infinity or a lone surrogate: this says where.
        _check(value, field, depth=0)
        raise


def utf8(text: str, *, field: str) -> bytes:
    """The bytes of what `quoted` parts were put into; InvalidFieldError for lone surrogates."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        _check_text(text, field)
        raise


def load_canonical(data: bytes, *, field: str = "value") -> Json:
    """The value of canonical bytes; lists come back as lists.

    Raises InvalidFieldError for all that `canonical_json` would not have written: other white
    space or order, duplicate keys, broken JSON or UTF-8.
    """
    try:
        value: Json = json.loads(data.decode())
    except (ValueError, RecursionError) as cause:
        raise _refusal(field, f"no JSON ({cause})", "canonical JSON in UTF-8") from cause
    if canonical_json(value, field=field) != data:
        raise _refusal(
            field,
            "JSON in another form",
            "canonical JSON: keys sorted and unique, no white space, plain numbers",
        )
    return value


def _is_plain(value: Any, depth: int) -> bool:
    """True for most values that `_check` lets pass, in a quarter of its time: it names no places,
    and leaves to the encoder what that refuses by itself."""
    kind = type(value)
    if kind is int:
        return bool(INTEGER_MIN <= value <= INTEGER_MAX)
    if kind is dict:
        if not _TEXT.issuperset(map(type, value)):
            return False
        value = value.values()
    elif kind is not list and kind is not tuple:
        return kind in _SCALARS
    if depth >= DEPTH_MAX:
        return False
    for member in value:
        if type(member) not in _SCALARS and not _is_plain(member, depth + 1):
            return False
    return True


def _check(value: object, place: str, depth: int) -> None:
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        _check_text(value, place)
    elif isinstance(value, int | float):
        _check_number(value, place)
    elif isinstance(value, dict | list | tuple):
        if depth >= DEPTH_MAX:
            raise _refusal(place, "deeper nesting", f"at most {DEPTH_MAX} levels")
        _check_members(value, place, depth + 1)
    else:
        found = f"a value of type {type(value).__name__}"
        raise _refusal(place, found, "an object, a list, text, a number, true, false or null")


def _check_members(
    value: dict[object, object] | list[object] | tuple[object, ...], place: str, depth: int
) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise _refusal(place, f"a key of type {type(key).__name__}", "text as key")
            _check_text(key, place)
            _check(item, f"{place}.{key}", depth)
    else:
        for number, item in enumerate(value):
            _check(item, f"{place}[{number}]", depth)


def _check_number(value: float, place: str) -> None:
    if isinstance(value, int):
        if not INTEGER_MIN <= value <= INTEGER_MAX:
            found = f"a whole number of {value.bit_length()} bits"
            raise _refusal(place, found, "a whole number from -2**63 to 2**63 - 1")
    elif not math.isfinite(value):
        raise _refusal(place, str(value), "a finite number")


def _check_text(text: str, place: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as cause:
        found = f"text with the lone surrogate U+{ord(text[cause.start]):04X}"
        raise _refusal(place, found, "text that UTF-8 can hold") from cause


def _refusal(place: str, found: str, expected: str) -> InvalidFieldError:
    return InvalidFieldError(
        field=visible(place[:_PLACE_MAX]),
        found=found,
        expected=expected,
        fix="Send a value of that form.",
    )
