"""Tensors as Triton's HTTP API takes and gives them: KServe's protocol v2 with binary data."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensors = Mapping[str, NDArray[Any]]

HEADER = "Inference-Header-Content-Length"
#: The protocol's types by those of numpy; strings are objects there.
_DATATYPES = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    "object": "BYTES",
}
_DTYPES = {name: np.dtype(dtype) for dtype, name in _DATATYPES.items()}


def encode(inputs: Tensors) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a request for all outputs. Strings are objects of bytes."""
    described, data = [], b""
    for name, value in inputs.items():
        encoded = _encode(value)
        described.append(
            {
                "name": name,
                "shape": list(value.shape),
                "datatype": _DATATYPES[value.dtype.name],
                "parameters": {"binary_data_size": len(encoded)},
            }
        )
        data += encoded
    said = {"inputs": described, "parameters": {"binary_data_output": True}}
    header = json.dumps(said).encode()
    return header + data, {HEADER: str(len(header))}


def decode(body: bytes, headers: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    """The outputs of an answer by name. Strings are objects of bytes."""
    start = int(headers[HEADER])
    found = {}
    for said in json.loads(body[:start])["outputs"]:
        end = start + said["parameters"]["binary_data_size"]
        found[said["name"]] = _decode(body[start:end], said["datatype"], said["shape"])
        start = end
    return found


def _encode(value: NDArray[Any]) -> bytes:
    if value.dtype != np.object_:
        return value.tobytes()
    return b"".join(struct.pack("<I", len(each)) + each for each in value.flat)


def _decode(data: bytes, datatype: str, shape: list[int]) -> NDArray[Any]:
    if datatype != "BYTES":
        return np.frombuffer(data, _DTYPES[datatype]).reshape(shape)
    found, start = [], 0
    while start < len(data):
        (size,) = struct.unpack_from("<I", data, start)
        found.append(data[start + 4 : start + 4 + size])
        start += 4 + size
    return np.array(found, object).reshape(shape)
