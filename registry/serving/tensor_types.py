"""Types of elements by ONNX's names: which numpy has for them, and what Triton calls them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

#: Those that Triton serves. numpy has no BFLOAT16: its bits are kept as whole numbers.
NUMPY: Mapping[str, np.dtype[np.generic]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FLOAT16": np.dtype(np.float16),
    "FLOAT": np.dtype(np.float32),
    "DOUBLE": np.dtype(np.float64),
    "STRING": np.dtype(np.object_),
    "BFLOAT16": np.dtype(np.uint16),
}
#: By the name in requests of Triton, which is that of the protocol KServe v2.
ONNX_BY_TRITON: Mapping[str, str] = {
    **{name: name for name in NUMPY if "INT" in name or name == "BOOL"},
    "FP16": "FLOAT16",
    "FP32": "FLOAT",
    "FP64": "DOUBLE",
    "BYTES": "STRING",
    "BF16": "BFLOAT16",
}
FLOATS = frozenset({"FLOAT16", "FLOAT", "DOUBLE", "BFLOAT16"})

Array = npt.NDArray[np.generic]


def as_float(array: Array, dtype: str) -> npt.NDArray[np.float64]:
    """To count with; of a type of FLOATS."""
    if dtype == "BFLOAT16":
        return (array.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    return array.astype(np.float64)


def from_float(array: Array, dtype: str) -> Array:
    """The other way, for those of FLOATS."""
    if dtype == "BFLOAT16":
        # To the nearest, as conversions do: half of the last place is added, ties go to even.
        bits = array.astype(np.float32).view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return array.astype(NUMPY[dtype])
