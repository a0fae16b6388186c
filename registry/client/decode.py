"""Messages to values, by name: a value's fields are its message's, so one reading serves all.

Law, under test: for each pair in the client's tests the fields of value and message are the same
set. Timestamps become aware datetimes, unset ones None; enumerations their word in lower case,
empty for the unspecified one and "unknown" for one of a newer release; maps dicts, lists tuples.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from registry.client.errors import FieldViolation, InvalidRequestError

Value = TypeVar("Value")
_Read = Callable[[Message], object]


def decode(kind: type[Value], message: Message) -> Value:
    """The value of a message; both have the same fields."""
    # As Any, since the published types give messages, and so their classes, no usable hash.
    key: tuple[Any, Any] = (kind, type(message))
    return kind(**{name: read(message) for name, read in _readers(*key)})


def word_of(kind: EnumDescriptor, number: int) -> str:
    """`VERSION_STATE_RELEASED` is `released`, the unspecified value is empty."""
    value = kind.values_by_number.get(number)
    if value is None:
        return "unknown"
    prefix = kind.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return "" if number == 0 else value.name.removeprefix(prefix).lower()


def timestamp(time: datetime | None) -> Timestamp | None:
    """The message of an aware time; None stays None. Microseconds are kept."""
    if time is None:
        return None
    made = Timestamp()
    made.FromDatetime(time.astimezone(UTC))
    return made


@cache
def _readers(kind: Any, message: Any) -> tuple[tuple[str, _Read], ...]:
    hints = typing.get_type_hints(kind)
    fields = message.DESCRIPTOR.fields_by_name
    return tuple(
        (field.name, _reader(hints[field.name], fields[field.name]))
        for field in dataclasses.fields(kind)
    )


def _reader(hint: Any, field: FieldDescriptor) -> _Read:
    name = field.name
    origin = typing.get_origin(hint)
    if origin is types.UnionType:
        (inner,) = (each for each in typing.get_args(hint) if each is not types.NoneType)
        convert = _converter(inner, field)
        return lambda message: convert(getattr(message, name)) if message.HasField(name) else None
    if origin is tuple:
        item = _converter(typing.get_args(hint)[0], field)
        return lambda message: tuple(item(each) for each in getattr(message, name))
    if origin is Mapping:
        return lambda message: dict(sorted(getattr(message, name).items()))
    convert = _converter(hint, field)
    return lambda message: convert(getattr(message, name))


def _converter(hint: Any, field: FieldDescriptor) -> Callable[[Any], object]:
    if hint is datetime:
        return lambda value: value.ToDatetime(tzinfo=UTC)
    if dataclasses.is_dataclass(hint):
        return lambda value: decode(typing.cast("type[object]", hint), value)
    if field.enum_type is not None:
        kind = field.enum_type
        return lambda value: word_of(kind, value)
    return lambda value: value


def number_of(kind: Any, word: str, *, field: str) -> Any:
    """The enumeration's value for its lower-case word; empty text is the unspecified one.

    Raises InvalidRequestError, with the words there are, for any other.
    """
    values = kind.DESCRIPTOR.values
    words = {word_of(kind.DESCRIPTOR, value.number): value.number for value in values}
    if word not in words:
        known = ", ".join(each for each in words if each)
        description = f"found {word!r}, expected one of {known}."
        raise InvalidRequestError(
            f"{field}: {description}",
            reason="INVALID_FIELD",
            metadata={"field": field, "found": word, "expected": known},
            field_violations=(FieldViolation(field=field, description=description),),
        )
    return words[word]
