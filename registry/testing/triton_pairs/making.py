"""Tiny models and configs for the pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from onnx import NodeProto, TensorProto, ValueInfoProto, helper

#: Names or lengths of axes; None as a whole where the rank is not said.
Dims = Sequence[int | str | None] | None

FLOAT = TensorProto.FLOAT
#: Below what any release of today reads, so that a pair is about one thing.
OPSET, IR = 17, 8


def tensor(name: str, dims: Dims, dtype: int = FLOAT) -> ValueInfoProto:
    """A float32 with axes such as ("n", 4), unless another type is named."""
    return helper.make_tensor_value_info(name, dtype, dims)


def node(op_type: str, inputs: str, outputs: str, domain: str = "") -> NodeProto:
    """Inputs and outputs by their names, with spaces between."""
    return helper.make_node(op_type, inputs.split(), outputs.split(), domain=domain)


def graph(
    nodes: Sequence[NodeProto],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    *,
    weights: Sequence[TensorProto] = (),
    opset: int = OPSET,
    ir: int = IR,
    domains: Mapping[str, int] | None = None,
) -> bytes:
    """A model file. `domains` are opsets beside ONNX's own."""
    opsets = [helper.make_opsetid(name, version) for name, version in (domains or {}).items()]
    made = helper.make_model(
        helper.make_graph(nodes, "g", inputs, outputs, list(weights)),
        opset_imports=[helper.make_opsetid("", opset), *opsets],
        ir_version=ir,
    )
    content: bytes = made.SerializeToString()
    return content


def relu(dims: Dims = ("n", 4), dtype: int = FLOAT, *, opset: int = OPSET, ir: int = IR) -> bytes:
    """From x to y of the same shape."""
    ends = tensor("x", dims, dtype), tensor("y", dims, dtype)
    return graph([node("Relu", "x", "y")], ends[:1], ends[1:], opset=opset, ir=ir)


def copies(*, opset: int = OPSET, **tensors: tuple[int, Dims]) -> bytes:
    """Each input, given by type and axes, is copied to an output named after it: x, x_out."""
    return graph(
        [node("Identity", name, f"{name}_out") for name in tensors],
        [tensor(name, dims, dtype) for name, (dtype, dims) in tensors.items()],
        [tensor(f"{name}_out", dims, dtype) for name, (dtype, dims) in tensors.items()],
        opset=opset,
    )


#: Parts of a config for `relu()`.
X = 'input [{ name: "x" data_type: TYPE_FP32 dims: [ 4 ] }]'
Y = 'output [{ name: "y" data_type: TYPE_FP32 dims: [ 4 ] }]'
CPU = "instance_group [{ count: 1 kind: KIND_CPU }]"


def config(*more: str, batch: int = 8, x: str = X, y: str = Y, instances: str = CPU) -> str:
    """One that fits `relu()`, a part a line, and what else is said behind it."""
    size = f"max_batch_size: {batch}"
    return "\n".join(
        part for part in ('backend: "onnxruntime"', size, x, y, instances, *more) if part
    )
