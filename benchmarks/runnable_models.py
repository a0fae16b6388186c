"""Sound ONNX models of any size that a server could run: layers of MatMul and Relu."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.model_files import piece, synced

MODEL, DATA = "model.onnx", "model.onnx.data"
#: Of each weight: 4 MiB.
COLUMNS = 1024
_WEIGHT_BYTES = COLUMNS * COLUMNS * 4
#: Rows of what a model is run with: the sizes that a dry run tries.
BATCHES = (1, 2)


def write_layers(folder: Path, size_mb: int, *, is_external: bool) -> None:
    """A model with so many megabytes of weights at least, in its own file or in one beside it."""
    from onnx import TensorProto, helper

    count = max(1, math.ceil(size_mb * 1e6 / _WEIGHT_BYTES))
    names = [f"w{number}" for number in range(count)]
    if is_external:
        with synced(folder / DATA) as out:
            for number in range(count):
                out.write(_weight(number))
        tensors = [_external(name, at) for at, name in enumerate(names)]
    else:
        shape = [COLUMNS, COLUMNS]
        tensors = [
            helper.make_tensor(name, TensorProto.FLOAT, shape, _weight(number), raw=True)
            for number, name in enumerate(names)
        ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        _nodes(names),
        "layers",
        [value("x", TensorProto.FLOAT, ["batch", COLUMNS])],
        [value("y", TensorProto.FLOAT, ["batch", COLUMNS])],
        tensors,
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    with synced(folder / MODEL) as out:
        out.write(model.SerializeToString())


def _weight(number: int) -> bytes:
    """No two alike: of tensors with the same bytes ONNX Runtime keeps one, and a model of any size
    would take no memory."""
    rest = piece() * (_WEIGHT_BYTES // len(piece()))
    return struct.pack("<f", 1 / (1 + number)) + rest[4:]


def _nodes(names: Sequence[str]) -> list[Any]:
    from onnx import helper

    nodes, last = [], "x"
    for name in names:
        result = "y" if name == names[-1] else f"{name}.relu"
        nodes.append(helper.make_node("MatMul", [last, name], [f"{name}.product"]))
        nodes.append(helper.make_node("Relu", [f"{name}.product"], [result]))
        last = result
    return nodes


def _external(name: str, at: int) -> Any:
    from onnx import TensorProto

    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[COLUMNS, COLUMNS])
    tensor.data_location = TensorProto.EXTERNAL
    places = {"location": DATA, "offset": at * _WEIGHT_BYTES, "length": _WEIGHT_BYTES}
    for key, value in places.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor
