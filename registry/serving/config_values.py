"""Types and shapes as config.pbtxt says them, and as ONNX does.

Source: onnxruntime_backend/src/onnxruntime_utils.cc, `ModelConfigDataTypeToOnnxDataType`: what has
no row there, TYPE_BF16 for one, its backend does not serve.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tritonclient.grpc import model_config_pb2

from registry.domain.readiness import TensorInfo

#: By the name of the type in config.pbtxt.
ONNX_TYPES: Mapping[str, str] = {
    "TYPE_BOOL": "BOOL",
    **{
        f"TYPE_{sign}INT{bits}": f"{sign}INT{bits}"
        for sign in ("U", "")
        for bits in (8, 16, 32, 64)
    },
    "TYPE_FP16": "FLOAT16",
    "TYPE_FP32": "FLOAT",
    "TYPE_FP64": "DOUBLE",
    "TYPE_STRING": "STRING",
}
TRITON_TYPES: Mapping[str, str] = {onnx: triton for triton, onnx in ONNX_TYPES.items()}
#: Bytes of one element; 4 for a text, whose length stands before it.
BYTES: Mapping[str, int] = {
    "TYPE_BOOL": 1,
    **{f"TYPE_{sign}INT{bits}": bits // 8 for sign in ("U", "") for bits in (8, 16, 32, 64)},
    "TYPE_FP16": 2,
    "TYPE_BF16": 2,
    "TYPE_FP32": 4,
    "TYPE_FP64": 8,
    "TYPE_STRING": 4,
}
#: What stands for an axis of any length.
ANY = -1


def type_name(number: int) -> str:
    """TYPE_INVALID for one that is not set, and for numbers that are no type."""
    values = model_config_pb2.DataType.DESCRIPTOR.values_by_number
    return str(values[number].name) if number in values else "TYPE_INVALID"


def axes(tensor: TensorInfo) -> tuple[int, ...] | None:
    """As ONNX Runtime tells them to the backend: -1 for an axis of any length."""
    if tensor.dims is None:
        return None
    return tuple(dim if isinstance(dim, int) else ANY for dim in tensor.dims)


def shown_dims(dims: Iterable[int]) -> str:
    return f"[{', '.join(map(str, dims))}]"


def dims_of(io: Any) -> list[int]:
    """What the model has to take: the reshape where there is one."""
    return list(io.reshape.shape if io.HasField("reshape") else io.dims)


def elements(dims: Sequence[int]) -> int:
    """How many a shape has; -1 where an axis has any length, and 0 of an empty shape, as
    `GetElementCount` in common/src/model_config.cc has it."""
    if ANY in dims:
        return ANY
    count = 1
    for dim in dims:
        count *= dim
    return count if dims else 0


def fits(said: Sequence[int], dims: Sequence[int]) -> bool:
    """Where the model's axis is free, any length does."""
    return len(said) == len(dims) and all(
        own in (ANY, other) for own, other in zip(dims, said, strict=True)
    )
