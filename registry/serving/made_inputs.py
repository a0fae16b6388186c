"""Inputs that are made from a model's signature: the same for the same signature."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.random

from registry.domain.readiness import Signature, TensorInfo
from registry.names.text import show
from registry.serving.tensor_types import FLOATS, NUMPY, Array, from_float

#: What axes of any length are tried with: the first axis, which mostly counts examples, and others.
SIZES = ((1, 1), (2, 2))
#: Where the model runs at none of those, such as for images, which are pooled to nothing.
LARGER_SIZES = ((1, 32), (2, 64), (1, 256))
#: Of all inputs together.
BYTES_MAX = 256 * 1024 * 1024
#: Whole numbers are below this: they may be numbers of words, of classes or of axes.
_WHOLE_BELOW = 2


class UnmadeError(Exception):
    """No inputs can be made; the text says for which, and why."""


def axes_of(signature: Signature, first: int, others: int) -> Mapping[str, int]:
    """A length for each axis that may have any: by its name, which is one length wherever it
    stands, or as `input:axis`."""
    chosen: dict[str, int] = {}
    for tensor in _needed(signature):
        for at, dim in enumerate(tensor.dims if tensor.dims is not None else (None,)):
            if not isinstance(dim, int):
                key = dim if dim is not None else f"{tensor.name}:{at}"
                size = first if at == 0 else others
                chosen[key] = size if at == 0 else chosen.get(key, size)
    return chosen


def made(signature: Signature, axes: Mapping[str, int]) -> dict[str, Array]:
    """An array for each input that must be given. UnmadeError where one cannot be."""
    shapes = {tensor.name: _shape(tensor, axes) for tensor in _needed(signature)}
    sizes = [
        math.prod(shapes[tensor.name]) * NUMPY[tensor.dtype].itemsize
        for tensor in _needed(signature)
    ]
    if sum(sizes) > BYTES_MAX:
        raise UnmadeError(f"inputs would have {sum(sizes):,} bytes, expected at most {BYTES_MAX:,}")
    return {tensor.name: _array(tensor, shapes[tensor.name]) for tensor in _needed(signature)}


def _needed(signature: Signature) -> Iterator[TensorInfo]:
    """UnmadeError for what Triton does not serve, and what so is not made."""
    for tensor in signature.inputs:
        if tensor.is_optional:
            continue
        if tensor.kind != "tensor" or tensor.dtype not in NUMPY:
            kind = tensor.dtype if tensor.kind == "tensor" else tensor.kind
            raise UnmadeError(
                f"input {show(tensor.name)} is of {kind or 'no known type'}, which Triton has not"
            )
        yield tensor


def _shape(tensor: TensorInfo, axes: Mapping[str, int]) -> tuple[int, ...]:
    """Of a tensor of any rank one axis is made."""
    dims = tensor.dims if tensor.dims is not None else (None,)
    return tuple(
        dim if isinstance(dim, int) else axes[dim if dim is not None else f"{tensor.name}:{at}"]
        for at, dim in enumerate(dims)
    )


def _array(tensor: TensorInfo, shape: tuple[int, ...]) -> Array:
    random = numpy.random.default_rng(zlib.crc32(tensor.name.encode()))
    if tensor.dtype == "STRING":
        return np.full(shape, "hallmark", dtype=object)
    if tensor.dtype == "BOOL" or "mask" in tensor.name.lower():
        # Of nothing but what is masked no mean can be taken.
        ones = np.ones(shape)
        whole = ones.astype(NUMPY[tensor.dtype])
        return from_float(ones, tensor.dtype) if tensor.dtype in FLOATS else whole
    if tensor.dtype in FLOATS:
        # From 0 to 1, as pixels, and where roots and logarithms are defined.
        return from_float(random.random(shape), tensor.dtype)
    return random.integers(0, _WHOLE_BELOW, shape).astype(NUMPY[tensor.dtype])
