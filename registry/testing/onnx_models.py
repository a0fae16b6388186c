"""Small ONNX models for tests: made by the onnx library, at versions that ONNX Runtime reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, ValueInfoProto, helper, numpy_helper

IR_VERSION = 8
OPSET = 17
Dims = Sequence[int | str | None] | None


def value(name: str, dtype: int = TensorProto.FLOAT, dims: Dims = ("N", 4)) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, dims)


def node(
    op_type: str, inputs: str, outputs: str, name: str = "", domain: str = "", **attributes: Any
) -> onnx.NodeProto:
    """Inputs and outputs are names between blanks."""
    return helper.make_node(
        op_type, inputs.split(), outputs.split(), name=name, domain=domain, **attributes
    )


def weights(name: str, array: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> TensorProto:
    return numpy_helper.from_array(np.asarray(array, dtype), name)


def model(
    *nodes: onnx.NodeProto,
    inputs: Sequence[ValueInfoProto] = (value("x"),),
    outputs: Sequence[ValueInfoProto] = (value("y"),),
    tensors: Sequence[TensorProto] = (),
    values: Sequence[ValueInfoProto] = (),
    opsets: Mapping[str, int] | None = None,
    functions: Sequence[onnx.FunctionProto] = (),
    ir_version: int = IR_VERSION,
) -> onnx.ModelProto:
    """From `x` to `y`, both float32 of (N, 4), where nothing else is said."""
    graph = helper.make_graph(
        list(nodes),
        "graph",
        list(inputs),
        list(outputs),
        initializer=list(tensors),
        value_info=list(values),
    )
    versions = {"": OPSET} if opsets is None else opsets
    return helper.make_model(
        graph,
        ir_version=ir_version,
        opset_imports=[helper.make_opsetid(domain, each) for domain, each in versions.items()],
        functions=list(functions),
    )


def relu() -> onnx.ModelProto:
    """The smallest that computes."""
    return model(node("Relu", "x", "y", "relu"))


def save(made: onnx.ModelProto, path: Path, *, external: str = "") -> None:
    """With its tensors in a file of that name beside it, if there is one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if external:
        onnx.save(made, path, save_as_external_data=True, location=external, size_threshold=0)
    else:
        onnx.save(made, path)
