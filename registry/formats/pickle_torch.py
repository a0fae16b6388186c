"""What torch.save's pickles import, and the storages that they refer to.

Sources: torch/_utils.py (`_rebuild_*`), torch/serialization.py (`persistent_id` in `_save` and
`_legacy_save`), torch/_tensor.py (`_reduce_ex_internal`), torch/storage.py. What is here is less
than `torch/_weights_only_unpickler.py` lets through, by what can call further
(`_rebuild_wrapper_subclass`, `_rebuild_from_type_v2`) and what needs the tensors' bytes to be
judged (sparse and nested ones).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

from registry.formats.look import Rule
from registry.formats.pickle_numpy import NUMPY
from registry.formats.pickle_rules import PERSISTENT
from registry.formats.pickle_values import (
    Global,
    Items,
    Listed,
    Made,
    Names,
    Storage,
    Tensor,
    UnfitError,
    Value,
    count_of,
    expect,
    ints_of,
    product,
)

_SAVE = "Save the state dict again with torch.save, and push a new version."
TENSOR = Rule("TORCH-1", "Each tensor lies within its storage.", _SAVE)
SAME = Rule("TORCH-2", "A storage has one type, size and place wherever it is referred to.", _SAVE)

#: As facts call it, and bytes an element, by torch's name.
DTYPES = {
    "bool": ("BOOL", 1),
    "uint8": ("U8", 1),
    "int8": ("I8", 1),
    "int16": ("I16", 2),
    "uint16": ("U16", 2),
    "int32": ("I32", 4),
    "uint32": ("U32", 4),
    "int64": ("I64", 8),
    "uint64": ("U64", 8),
    "float16": ("F16", 2),
    "bfloat16": ("BF16", 2),
    "float32": ("F32", 4),
    "float64": ("F64", 8),
    "complex32": ("C32", 4),
    "complex64": ("C64", 8),
    "complex128": ("C128", 16),
    "float8_e4m3fn": ("F8_E4M3", 1),
    "float8_e5m2": ("F8_E5M2", 1),
    "float8_e4m3fnuz": ("F8_E4M3FNUZ", 1),
    "float8_e5m2fnuz": ("F8_E5M2FNUZ", 1),
    "float8_e8m0fnu": ("F8_E8M0", 1),
    "float4_e2m1fn_x2": ("F4", 1),
    "qint8": ("QINT8", 1),
    "quint8": ("QUINT8", 1),
    "qint32": ("QINT32", 4),
    "quint4x2": ("QUINT4X2", 1),
    "quint2x4": ("QUINT2X4", 1),
}
_STORAGES = {
    "BoolStorage": "bool",
    "ByteStorage": "uint8",
    "CharStorage": "int8",
    "ShortStorage": "int16",
    "IntStorage": "int32",
    "LongStorage": "int64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "QInt8Storage": "qint8",
    "QUInt8Storage": "quint8",
    "QInt32Storage": "qint32",
    "QUInt4x2Storage": "quint4x2",
    "QUInt2x4Storage": "quint2x4",
    "UntypedStorage": "uint8",
}
_LAYOUTS = ("torch.strided", "torch.sparse_coo", "torch.sparse_csr", "torch._mkldnn")
_PER_TENSOR = ("per_tensor_affine",)
_PER_CHANNEL = ("per_channel_affine", "per_channel_affine_float_qparams")
_KEY = re.compile(r"[0-9]{1,20}")
_PLACE = re.compile(r"[a-z_]{1,20}(:[0-9]{1,4})?")


class Storages:
    """Those that the pickles of one file refer to, by their keys.

    The formats' two forms of persistent id are `("storage", type, key, place, items)` and the same
    with a view, `None` or `(key, offset, items)`, behind.
    """

    def __init__(self, *, with_views: bool) -> None:
        self._with_views = with_views
        self.by_key: dict[str, Storage] = {}
        self._said: dict[str, tuple[Value, ...]] = {}

    def refer(self, value: Value) -> Value:
        parts = value.parts if isinstance(value, Items) and value.kind == "tuple" else []
        if len(parts) != 5 + self._with_views or parts[0] != "storage":
            raise UnfitError(f"found {value!r}, expected a storage's", PERSISTENT)
        _, kind, key, place, items = parts[:5]
        if not isinstance(kind, Global) or kind.name not in _STORAGES:
            raise UnfitError(f"found {kind!r:.60}, expected a type of storage", PERSISTENT)
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            raise UnfitError(f"found key {key!r:.40}, expected a number as text", PERSISTENT)
        if not isinstance(place, str) or not _PLACE.fullmatch(place):
            raise UnfitError(f"found {place!r:.40}, expected a device such as cpu", PERSISTENT)
        fact, item_bytes = DTYPES[_STORAGES[kind.name]]
        found = Storage("storage", None, dtype=fact, item_bytes=item_bytes, key=key)
        found.items = count_of(items, "number of elements")
        product((found.items, item_bytes), PERSISTENT)
        said = (kind.name, place, items)
        if self._said.setdefault(key, said) != said:
            raise UnfitError(f"found storage {key} as {said} and {self._said[key]}", SAME)
        self.by_key.setdefault(key, found)
        return self._view(parts[5], found) if self._with_views else found

    def _view(self, value: Value, whole: Storage) -> Storage:
        if value is None:
            return whole
        parts = value.parts if isinstance(value, Items) and value.kind == "tuple" else []
        if len(parts) != 3 or not isinstance(parts[0], str) or not _KEY.fullmatch(parts[0]):
            raise UnfitError(f"found {value!r}, expected a view", PERSISTENT)
        offset, items = count_of(parts[1], "offset"), count_of(parts[2], "number of elements")
        if offset + items > whole.items:
            raise UnfitError(f"found a view of {offset} to {offset + items}", TENSOR)
        return dataclasses.replace(whole, items=items, begin=offset)


def _tensor(arguments: tuple[Value, ...]) -> Tensor:
    """_rebuild_tensor(storage, offset, size, stride)"""
    expect(arguments, lambda each: isinstance(each, Storage), *[_any] * 3)
    storage, offset, size, stride = arguments
    assert isinstance(storage, Storage)
    return _strided(storage, storage.dtype, storage.item_bytes, offset, size, stride)


def _tensor_v2(arguments: tuple[Value, ...]) -> Value:
    """_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks, metadata=None)"""
    expect(arguments[4:], _is_bool, _is_no_hooks, *[_is_metadata] * (len(arguments) == 7))
    return _noted(_tensor(arguments[:4]), arguments[6:])


def _tensor_v3(arguments: tuple[Value, ...]) -> Value:
    """The same with the dtype before the metadata: of bytes that have no storage type."""
    expect(arguments[4:7], _is_bool, _is_no_hooks, _is_dtype)
    expect(arguments[7:], *[_is_metadata] * (len(arguments) == 8))
    expect(arguments[:4], lambda each: isinstance(each, Storage), *[_any] * 3)
    storage, offset, size, stride = arguments[:4]
    kind = arguments[6]
    assert isinstance(storage, Storage)
    assert isinstance(kind, Global)
    made = _strided(storage, *DTYPES[kind.name], offset, size, stride)
    return _noted(made, arguments[7:])


def _noted(made: Tensor, metadata: tuple[Value, ...]) -> Tensor:
    """With what its metadata, if there is any, leaves to be done with its values."""
    made.is_pending = any(
        isinstance(each, Items) and any(each.entries.values()) for each in metadata
    )
    return made


def _quantized(arguments: tuple[Value, ...]) -> Value:
    """_rebuild_qtensor(storage, offset, size, stride, (scheme, ...), requires_grad, hooks)"""
    expect(arguments[5:], _is_bool, _is_no_hooks)
    made = _tensor(arguments[:4])
    made.is_quantized = True
    parameters = arguments[4]
    parts = parameters.parts if isinstance(parameters, Items) else []
    scheme = parts[0] if parts else None
    if isinstance(scheme, Global) and scheme.name in _PER_TENSOR:
        expect(tuple(parts[1:]), lambda each: type(each) is float, lambda each: type(each) is int)
    elif isinstance(scheme, Global) and scheme.name in _PER_CHANNEL:
        axis = parts[3] if len(parts) == 4 else None
        if type(axis) is not int or not 0 <= axis < len(made.shape):
            raise UnfitError(f"found axis {axis!r:.40} of {len(made.shape)}", TENSOR)
        if not all(_length(each) == made.shape[axis] for each in parts[1:3]):
            raise UnfitError(f"found other than {made.shape[axis]} scales and zero points", TENSOR)
    else:
        raise UnfitError(f"found {parts[:4]!r:.80}, expected a way to quantise")
    return made


def _length(value: Value) -> int | None:
    if isinstance(value, Tensor) and len(value.shape) == 1:
        return value.shape[0]
    return len(value.parts) if isinstance(value, Items) and value.kind == "list" else None


def _strided(
    storage: Storage, fact: str, item_bytes: int, offset: Value, size: Value, stride: Value
) -> Tensor:
    begin, shape = count_of(offset, "offset"), ints_of(size, "size")
    steps = ints_of(stride, "stride")
    if len(steps) != len(shape):
        raise UnfitError(f"found {len(steps)} strides, expected {len(shape)}")
    end = begin
    if product(shape, TENSOR):
        end += 1 + sum((axis - 1) * step for axis, step in zip(shape, steps, strict=True))
    if end * item_bytes > storage.items * storage.item_bytes:
        raise UnfitError(
            f"found a tensor to byte {end * item_bytes} of a storage of "
            f"{storage.items * storage.item_bytes}",
            TENSOR,
        )
    return Tensor(
        "tensor",
        dtype=fact,
        shape=shape,
        is_key=True,
        storage=storage,
        item_bytes=item_bytes,
        offset=begin,
        strides=steps,
    )


def _parameter(arguments: tuple[Value, ...]) -> Value:
    """_rebuild_parameter(data, requires_grad, hooks)"""
    expect(arguments, _is_tensor, _is_bool, _is_no_hooks)
    return arguments[0]


def _meta(arguments: tuple[Value, ...]) -> Value:
    """_rebuild_meta_tensor_no_storage(dtype, size, stride, requires_grad): a shape alone."""
    expect(arguments, _is_dtype, _any, _any, _is_bool)
    kind = arguments[0]
    assert isinstance(kind, Global)
    shape, steps = ints_of(arguments[1], "size"), ints_of(arguments[2], "stride")
    if len(steps) != len(shape):
        raise UnfitError(f"found {len(steps)} strides, expected {len(shape)}")
    product(shape, TENSOR)
    return Tensor("tensor", dtype=DTYPES[kind.name][0], shape=shape, is_key=True)


def _any(value: Value) -> bool:
    return True


def _is_bool(value: Value) -> bool:
    return type(value) is bool


def _is_tensor(value: Value) -> bool:
    return isinstance(value, Tensor)


def _is_no_hooks(value: Value) -> bool:
    """torch writes an empty one for what used to be a tensor's hooks, which are called."""
    return value is None or (
        isinstance(value, Items) and value.kind in ("OrderedDict", "dict") and value.is_empty
    )


def _is_metadata(value: Value) -> bool:
    return value is None or (
        isinstance(value, Items)
        and value.kind == "dict"
        and value.entries.keys() <= {"conj", "neg"}
        and not value.other_keys
        and all(map(_is_bool, value.entries.values()))
    )


def _is_dtype(value: Value) -> bool:
    return isinstance(value, Global) and value.module == "torch" and value.name in DTYPES


def _size(arguments: tuple[Value, ...]) -> Value:
    expect(arguments, lambda each: isinstance(each, Items) and each.kind == "tuple")
    return Items("Size", list(ints_of(arguments[0], "size")), is_key=True, is_placed=True)


def _device(arguments: tuple[Value, ...]) -> Value:
    expect(
        arguments,
        lambda each: isinstance(each, str) and _PLACE.fullmatch(each) is not None,
        *[lambda each: type(each) is int] * (len(arguments) == 2),
    )
    return Made("device", is_key=True)


def _layout(arguments: tuple[Value, ...]) -> Value:
    expect(arguments, lambda each: isinstance(each, str) and each in _LAYOUTS)
    return Made("layout", is_key=True)


def _rebuild(name: str, reason: str, call: Callable[[tuple[Value, ...]], Value]) -> Names:
    return {("torch._utils", name): Listed(reason=reason, call=call)}


_STORAGE = Listed(reason="The type of a storage that a persistent id refers to; never called.")
_DTYPE = Listed(reason="A dtype: a value, and nothing that can be called.", is_value=True)
_SCHEME = Listed(
    reason="A way to quantise: a value, and nothing that can be called.", is_value=True
)
_VIEW = "A view of bytes in this file, within their bounds."
TORCH: Names = {
    **NUMPY,
    **{("torch", name): _STORAGE for name in _STORAGES},
    **{("torch.cuda", name): _STORAGE for name in _STORAGES},
    ("torch.storage", "UntypedStorage"): _STORAGE,
    **{("torch", name): _DTYPE for name in DTYPES},
    **{("torch", name): _SCHEME for name in (*_PER_TENSOR, *_PER_CHANNEL)},
    **_rebuild("_rebuild_tensor", _VIEW, _tensor),
    **_rebuild("_rebuild_tensor_v2", _VIEW, _tensor_v2),
    **_rebuild("_rebuild_tensor_v3", _VIEW, _tensor_v3),
    **_rebuild("_rebuild_qtensor", _VIEW, _quantized),
    **_rebuild("_rebuild_parameter", "A tensor, marked as a parameter.", _parameter),
    **_rebuild("_rebuild_meta_tensor_no_storage", "A shape without bytes.", _meta),
    ("torch", "Size"): Listed(reason="A tuple of whole numbers.", call=_size),
    ("torch", "device"): Listed(reason="A device's name and number.", call=_device),
    ("torch.serialization", "_get_layout"): Listed(
        reason="Looks up one of the names of layouts.", call=_layout
    ),
}
