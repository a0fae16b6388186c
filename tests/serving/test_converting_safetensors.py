"""What is written is what the safetensors library writes."""

from __future__ import annotations

import ctypes

import pytest
import safetensors
from hypothesis import given
from hypothesis import strategies as st

from registry.formats.inspect import inspect
from registry.formats.look import Budget
from registry.formats.source import BytesSource
from registry.serving.converting_safetensors import (
    DTYPES,
    METADATA,
    header_of,
    laid_out,
    tensors_of,
)
from registry.serving.converting_values import Elements, NamedTensor

#: Torch's name of each dtype, by which the library is asked, and bytes of an element.
_TORCH = {
    "U64": ("uint64", 8),
    "I64": ("int64", 8),
    "F64": ("float64", 8),
    "C64": ("complex64", 8),
    "F32": ("float32", 4),
    "U32": ("uint32", 4),
    "I32": ("int32", 4),
    "BF16": ("bfloat16", 2),
    "F16": ("float16", 2),
    "U16": ("uint16", 2),
    "I16": ("int16", 2),
    "F8_E5M2FNUZ": ("float8_e5m2fnuz", 1),
    "F8_E4M3FNUZ": ("float8_e4m3fnuz", 1),
    "F8_E8M0": ("float8_e8m0fnu", 1),
    "F8_E4M3": ("float8_e4m3fn", 1),
    "F8_E5M2": ("float8_e5m2", 1),
    "I8": ("int8", 1),
    "U8": ("uint8", 1),
    "F4": ("float4_e2m1fn_x2", 1),
    "BOOL": ("bool", 1),
}


def tensor(name: str, dtype: str, shape: tuple[int, ...]) -> NamedTensor:
    elements = Elements(
        begin=0, item_bytes=_TORCH[dtype][1], shape=shape, strides=(0,) * len(shape)
    )
    told = (*shape[:-1], shape[-1] * 2) if dtype == "F4" else shape
    return NamedTensor(name=name, dtype=dtype, shape=told, elements=elements)


def by_the_library(tensors: list[NamedTensor]) -> bytes:
    size_bytes = max(each.elements.size_bytes for each in tensors)
    zeros = ctypes.create_string_buffer(max(1, size_bytes))
    specs = {
        each.name: safetensors.TensorSpec(
            dtype=_TORCH[each.dtype][0],
            shape=list(each.elements.shape),
            data_ptr=ctypes.addressof(zeros),
            data_len=each.elements.size_bytes,
        )
        for each in tensors
    }
    return bytes(safetensors.serialize(specs, METADATA))


def written(tensors: list[NamedTensor]) -> bytes:
    header = header_of(laid_out(tensors))
    return header + bytes(sum(each.elements.size_bytes for each in tensors))


_NAMES = st.text(st.characters(codec="utf-8"), max_size=12).filter(
    lambda name: name != "__metadata__"
)


@given(
    st.dictionaries(
        _NAMES,
        st.tuples(
            st.sampled_from(DTYPES), st.lists(st.integers(0, 4), min_size=1, max_size=3).map(tuple)
        ),
        min_size=1,
        max_size=12,
    )
)
def test_the_library_writes_the_same_bytes(tensors: dict[str, tuple[str, tuple[int, ...]]]) -> None:
    """Whatever the names, dtypes and shapes; and the strict parser finds what was written."""
    named = [tensor(name, dtype, shape) for name, (dtype, shape) in tensors.items()]
    data = written(named)
    assert data == by_the_library(named)
    found = inspect(BytesSource(data), "safetensors", {}, Budget())
    assert found.book.is_sound, found.book.notes
    again = tensors_of(found.book.facts["tensors"], int.from_bytes(data[:8], "little"))
    told = {each.name: (each.dtype, each.shape, each.elements.size_bytes) for each in again}
    assert told == {e.name: (e.dtype, e.shape, e.elements.size_bytes) for e in named}
    assert max(each.elements.end for each in again) == len(data)


@pytest.mark.parametrize("dtype", DTYPES)
def test_each_dtype_is_one_of_the_librarys(dtype: str) -> None:
    """By its own name for it, with as many bytes."""
    named = [tensor("a", dtype, (3, 4)), tensor("b", "F32", (1,))]
    assert written(named) == by_the_library(named)
