"""The models themselves: what ONNX Runtime reads and what it refuses."""

from __future__ import annotations

import struct

from onnx import TensorProto, helper

from registry.testing.triton_pairs import Pair, single
from registry.testing.triton_pairs.making import config, graph, node, relu, tensor

_LOAD = "src/onnxruntime.cc ModelState::LoadModel"
_ENDS = [tensor("x", ("n", 4))], [tensor("y", ("n", 4))]
_POINTER = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
)
_DATA = struct.pack("<4f", 1, 2, 3, 4)
_COMPLETED = ""


def _external(length: int, location: str = "weights.bin") -> bytes:
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=(4,))
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(length))):
        weight.external_data.add(key=key, value=value)
    return graph([node("Add", "x w", "y")], *_ENDS, weights=[weight])


def _broken(name: str, model: bytes, backend: str, text: str | None = None, **files: bytes) -> Pair:
    """Refused by ONNX Runtime; `files` are beside the model, and end in .bin."""
    return single(
        name,
        config() if text is None else text,
        model,
        more={f"1/{stem}.bin": content for stem, content in files.items()},
        backend=backend,
        source=_LOAD,
    )


def _add_of(dtype: int) -> bytes:
    ends = [tensor("x", ("n", 4)), tensor("z", ("n", 4), dtype)]
    return graph([node("Add", "x z", "y")], ends, [tensor("y", ("n", 4))])


_FILES = (
    _broken("graph_nonsense", b"not a model", "INVALID_PROTOBUF"),
    _broken("graph_nonsense_completed", b"not a model", "INVALID_PROTOBUF", _COMPLETED),
    _broken("graph_empty", b"", "ModelProto does not have a graph"),
    _broken("graph_cut_short", relu()[:-20], "INVALID_PROTOBUF"),
    _broken("graph_lfs_pointer", _POINTER, "INVALID_PROTOBUF"),
    single("graph_external", config(), _external(16), more={"1/weights.bin": _DATA}),
    _broken("graph_external_missing", _external(16), "cannot get file size: No such file"),
    _broken(
        "graph_external_cut_short",
        _external(16),
        "file_length: 8 are out of bounds or can not be read in full",
        weights=_DATA[:8],
    ),
    _broken(
        "graph_external_too_short",
        _external(8),
        "external data size mismatch. Computed size: 16, external_data.length: 8",
        weights=_DATA,
    ),
    # Newer ones refuse it.
    single(
        "graph_external_outside",
        config(),
        _external(16, "../weights.bin"),
        more={"weights.bin": _DATA},
    ),
)
_VERSIONS = (
    _broken("graph_opset_too_new", relu(opset=22), "Opset 22 is under development"),
    _broken(
        "graph_ir_too_new",
        relu(ir=11),
        "Unsupported model IR version: 11, max supported IR version: 10",
    ),
    single("graph_newest", config(), relu(opset=21, ir=10)),
    single("graph_old", config(), relu(opset=7, ir=3)),
)
_OPERATORS = (
    _broken(
        "graph_operator_of_others",
        graph([node("Turbo", "x", "y", "com.acme")], *_ENDS, domains={"com.acme": 1}),
        r"com.acme:Turbo\(-1\) is not a registered function/op",
    ),
    _broken(
        "graph_operator_unknown",
        graph([node("Turbo", "x", "y")], *_ENDS),
        "No Op registered for Turbo",
    ),
    _broken(
        "graph_operator_too_new",
        graph([node("Gelu", "x", "y")], *_ENDS),
        "No Op registered for Gelu",
    ),
    single(
        "graph_operator_of_microsoft",
        config(),
        graph([node("Gelu", "x", "y", "com.microsoft")], *_ENDS, domains={"com.microsoft": 1}),
    ),
    # ONNX Runtime adds those that it knows.
    single(
        "graph_domain_not_imported",
        config(),
        graph([node("Gelu", "x", "y", "com.microsoft")], *_ENDS),
    ),
    _broken(
        "graph_type_of_no_operator",
        graph(
            [node("Relu", "x", "y")],
            [tensor("x", ("n", 4), TensorProto.UINT8)],
            [tensor("y", ("n", 4), TensorProto.UINT8)],
        ),
        r"Type 'tensor\(uint8\)' of input parameter \(x\) of operator \(Relu\)",
        _COMPLETED,
    ),
    _broken(
        "graph_type_without_kernel",
        graph(
            [node("Relu", "x", "y")],
            [tensor("x", ("n", 4), TensorProto.INT16)],
            [tensor("y", ("n", 4), TensorProto.INT16)],
        ),
        r"Could not find an implementation for Relu\(14\)",
        _COMPLETED,
    ),
)
_WIRING = (
    _broken(
        "graph_input_from_nowhere",
        graph([node("Add", "x q", "y")], *_ENDS),
        "Node input 'q' is not a graph input, initializer, or output of a previous node",
    ),
    _broken(
        "graph_output_from_nowhere",
        graph([node("Relu", "x", "m")], *_ENDS),
        r"Graph output \(y\) does not exist in the graph",
    ),
    _broken(
        "graph_name_twice",
        graph([node("Relu", "x", "y"), node("Abs", "x", "y")], *_ENDS),
        r"Duplicate definition of name \(y\)",
    ),
    _broken(
        "graph_ring",
        graph([node("Add", "x b", "a"), node("Add", "x a", "b"), node("Relu", "b", "y")], *_ENDS),
        "the graph is not acyclic",
    ),
    _broken(
        "graph_types_differ",
        _add_of(TensorProto.INT64),
        r"bound to different types \(tensor\(float\) and tensor\(int64\)",
        _COMPLETED,
    ),
    single("graph_types_agree", _COMPLETED, _add_of(TensorProto.FLOAT)),
    _broken(
        "graph_shapes_differ",
        graph(
            [node("MatMul", "x w", "y")],
            *_ENDS,
            weights=[helper.make_tensor("w", TensorProto.FLOAT, (3, 4), [0.0] * 12)],
        ),
        "Incompatible dimensions for matrix multiplication",
    ),
    single(
        "graph_shape_said_wrongly",
        config(y='output [{ name: "y" data_type: TYPE_FP32 dims: [ 5 ] }]'),
        graph([node("Relu", "x", "y")], [tensor("x", ("n", 4))], [tensor("y", ("n", 5))]),
        # Of two words on an axis ONNX Runtime takes neither, and warns.
        backend=r"the model expects 2 dimensions \(shape \[-1,-1\]\)",
        source="src/onnxruntime_utils.cc CompareDimsSupported",
    ),
    single("graph_one_name_for_two_axes", _COMPLETED, relu(("n", "n"))),
)

GRAPHS: tuple[Pair, ...] = (*_FILES, *_VERSIONS, *_OPERATORS, *_WIRING)
