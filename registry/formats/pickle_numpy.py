"""What pickles of numpy arrays and scalars import: never with objects in them.

Sources: numpy/_core/src/multiarray/methods.c (`array_reduce`, `array_setstate`,
`array_reduce_ex_picklebuffer`), descriptor.c (`arraydescr_reduce`, `arraydescr_setstate`),
scalartypes.c.src (`gentype_reduce`). numpy 2 calls `numpy.core` `numpy._core`.
"""

from __future__ import annotations

import re

from registry.formats.pickle_opcodes import Data
from registry.formats.pickle_plain import PLAIN, bytes_length, only_byte
from registry.formats.pickle_rules import ARRAY, STATE
from registry.formats.pickle_values import (
    Array,
    Dtype,
    Global,
    Items,
    Listed,
    Made,
    Names,
    UnfitError,
    Value,
    expect,
    ints_of,
    product,
)

_DIMENSIONS_MAX = 64
_TYPE = re.compile(r"([biufcSUVMm])(0|[1-9][0-9]{0,9})")
#: Bytes of an item; of S, U and V any.
_ITEM_BYTES = {
    "b": (1,),
    "i": (1, 2, 4, 8),
    "u": (1, 2, 4, 8),
    "f": (2, 4, 8, 12, 16),
    "c": (8, 16, 24, 32),
    "M": (8,),
    "m": (8,),
}
#: `NPY_ITEM_REFCOUNT`, `NPY_LIST_PICKLE`, `NPY_ITEM_IS_POINTER`: items that hold objects.
_OBJECT_FLAGS = 0b111


def _is_flag(value: Value) -> bool:
    return type(value) in (bool, int) and value in (0, 1)


def dtype(arguments: tuple[Value, ...]) -> Value:
    # A copy: the state that follows would change what all of numpy shares.
    expect(arguments, lambda each: isinstance(each, str), _is_flag, lambda each: each == 1)
    found = _TYPE.fullmatch(str(arguments[0]))
    letter, size = (found[1], int(found[2])) if found else ("O", 0)
    if found is None or size not in _ITEM_BYTES.get(letter, (size,)):
        raise UnfitError(
            f"found dtype {arguments[0]!r:.40}, expected numbers, texts or times", ARRAY
        )
    made = Dtype("dtype", letter=letter, item_bytes=size * 4 if letter == "U" else size)
    made.build = lambda state: _set_dtype(made, state)
    made.is_key = True
    return made


def _set_dtype(made: Dtype, state: Value) -> Value:
    parts = state.parts if isinstance(state, Items) and state.kind == "tuple" else []
    is_time = made.letter in "Mm"
    if len(parts) != 8 + is_time or parts[0] not in (3, 4) or parts[1] not in ("<", ">", "|", "="):
        raise UnfitError(f"found {parts[:9]!r:.80}, expected a dtype's state", STATE)
    subarray, names, fields, size, alignment, flags = parts[2:8]
    if is_time:
        _check_unit(parts[8])
    if type(flags) is not int or not 0 <= flags < 256 or flags & _OBJECT_FLAGS:
        raise UnfitError(f"found flags {flags!r:.20}, expected none of objects", ARRAY)
    if subarray is not None:
        raise UnfitError("found a dtype of arrays, expected one of single items", ARRAY)
    if names is not None or fields is not None:
        _check_fields(made, names, fields)
    sized = made.item_bytes if made.letter in "SUV" else -1
    if type(size) is not int or size not in (-1, sized) or type(alignment) is not int:
        raise UnfitError(f"found {size!r:.20} bytes an item, expected {sized}", ARRAY)
    return made


def _check_unit(value: Value) -> None:
    """(None or {}, (unit, count, divisor, events))"""
    parts = value.parts if isinstance(value, Items) and value.kind == "tuple" else []
    unit = parts[1] if len(parts) == 2 else None
    if (
        not isinstance(unit, Items)
        or not _is_nothing(parts[0])
        or len(unit.parts) != 4
        or bytes_length(unit.parts[0]) is None
        or not all(type(each) is int and 1 <= each < 2**31 for each in unit.parts[1:])
    ):
        raise UnfitError(f"found {value!r} as a unit of time", STATE)


def _is_nothing(value: Value) -> bool:
    return value is None or (isinstance(value, Items) and value.kind == "dict" and value.is_empty)


def _check_fields(made: Dtype, names: Value, fields: Value) -> None:
    """Each lies within the item and holds no object."""
    named = names.parts if isinstance(names, Items) and names.kind == "tuple" else []
    if (
        made.letter != "V"
        or not isinstance(fields, Items)
        or fields.kind != "dict"
        or fields.other_keys
        or not all(isinstance(each, str) for each in named)
        or sorted(fields.entries) != sorted(map(str, named))
    ):
        raise UnfitError(f"found {names!r} and {fields!r} as fields", STATE)
    for name, field in fields.entries.items():
        parts = field.parts if isinstance(field, Items) and field.kind == "tuple" else []
        kind, offset = (*parts, None, None)[:2]
        if len(parts) != 2 or not isinstance(kind, Dtype) or kind.build or type(offset) is not int:
            raise UnfitError(f"found {field!r} as field {name!r:.40}", STATE)
        if not 0 <= offset <= offset + kind.item_bytes <= made.item_bytes:
            raise UnfitError(f"found field {name!r:.40} beyond the item's end", ARRAY)


def _is_name(value: Value, name: str) -> bool:
    return isinstance(value, Global) and (value.module, value.name) == ("numpy", name)


def is_dtype(value: Value) -> bool:
    return isinstance(value, Dtype) and value.build is None


def _reconstruct(arguments: tuple[Value, ...]) -> Value:
    expect(
        arguments,
        lambda each: _is_name(each, "ndarray"),
        lambda each: isinstance(each, Items) and each.kind == "tuple" and each.parts == [0],
        # The type that an array has until it is filled; numpy writes no other.
        lambda each: only_byte(each) == "b",
    )
    made = Array("array")
    made.build = lambda state: _set_array(made, state)
    return made


def _set_array(made: Array, state: Value) -> Value:
    parts = state.parts if isinstance(state, Items) and state.kind == "tuple" else []
    if len(parts) != 5 or parts[0] != 1 or not is_dtype(parts[2]) or not _is_flag(parts[3]):
        raise UnfitError(f"found {parts[:6]!r:.80}, expected an array's state", STATE)
    _, shape, kind, _, data = parts
    fill(made, shape, kind, bytes_length(data))
    return made


def fill(made: Array, shape: Value, kind: Value, length: int | None) -> None:
    """Of this shape and dtype, which has to agree with the bytes that are there."""
    assert isinstance(kind, Dtype)
    made.shape, made.dtype = ints_of(shape, "shape", dimensions=_DIMENSIONS_MAX), kind.fact()
    size_bytes = size_of(made.shape, kind)
    if length != size_bytes:
        found = "no bytes" if length is None else f"{length} bytes"
        raise UnfitError(f"found {found}, expected {size_bytes} for shape {made.shape}", ARRAY)


def size_of(shape: tuple[int, ...], kind: Dtype) -> int:
    return product((*shape, kind.item_bytes), ARRAY)


def _from_buffer(arguments: tuple[Value, ...]) -> Value:
    """numpy/_core/numeric.py: bytes, dtype, shape, order, and since numpy 2.3 the axes' order."""
    rest = arguments[4:]
    expect(
        arguments[:4],
        lambda each: isinstance(each, Data),
        is_dtype,
        lambda each: isinstance(each, Items),
        lambda each: each in ("C", "F", "K"),
    )
    made = Array("array")
    fill(made, arguments[2], arguments[1], bytes_length(arguments[0]))
    if rest and (len(rest) > 1 or not _is_order(rest[0], len(made.shape))):
        raise UnfitError(f"found {rest[0]!r:.40}, expected an order of axes")
    return made


def _is_order(value: Value, dimensions: int) -> bool:
    return value is None or sorted(ints_of(value, "order")) == list(range(dimensions))


def _scalar(arguments: tuple[Value, ...]) -> Value:
    expect(arguments, is_dtype, lambda each: bytes_length(each) is not None)
    kind, data = arguments
    assert isinstance(kind, Dtype)
    if bytes_length(data) != kind.item_bytes:
        raise UnfitError(f"found {bytes_length(data)} bytes, expected {kind.item_bytes}", ARRAY)
    return Made("scalar", is_key=True)


def _cores(module: str, name: str, listed: Listed) -> dict[tuple[str, str], Listed]:
    return {(f"numpy.{core}.{module}", name): listed for core in ("core", "_core")}


NDARRAY = ("numpy", "ndarray")
NUMPY: Names = {
    **PLAIN,
    NDARRAY: Listed(reason="The class that _reconstruct makes; never called."),
    ("numpy", "dtype"): Listed(reason="Of numbers, texts, times; not of objects.", call=dtype),
    **_cores(
        "multiarray",
        "_reconstruct",
        Listed(reason="An empty ndarray, of no subclass, filled by its state.", call=_reconstruct),
    ),
    **_cores(
        "multiarray",
        "scalar",
        Listed(
            reason="One item; of objects it would be unpickled, so never of them.", call=_scalar
        ),
    ),
    **_cores(
        "numeric", "_frombuffer", Listed(reason="An array of the bytes given.", call=_from_buffer)
    ),
}
