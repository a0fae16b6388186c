"""A model through the onnx library: what it takes and gives, which operators it needs, its weights.

It is read by its path, tensors in files beside it where they are, and never needs more than twice
the size of the file itself. What the library complains of is told with the weight of a doubt: it
refuses models that ONNX Runtime serves, so the last word is that of a session
(`registry/serving/assessing.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError, Message

from registry.domain.readiness import Point, Signature, TensorInfo, Weight
from registry.formats.look import Rule, quoted
from registry.serving import onnx_checks, onnx_weights
from registry.serving.points import point

#: Tensors that shapes are inferred from, such as what Reshape is told, are far smaller.
_KEPT_BYTES = 64 * 1024
READ = Rule(
    "GRAPH-1",
    "The file is an ONNX model that the onnx library reads.",
    "Save the model again with the onnx library (onnx.save), and push a new version.",
)
RULES = (READ, *onnx_checks.RULES, *onnx_weights.RULES)


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One node of the model's graph, of a graph below it, or of a function of its own."""

    #: Its name; empty where it has none.
    node: str
    #: Empty for the standard's.
    domain: str
    op_type: str
    #: The operator set that counts for it; none where the model imports none for its domain.
    opset: int | None
    #: Types as ONNX Runtime writes them, such as `tensor(float)`; empty where it is not known or
    #: an optional one is left out.
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class OnnxModel:
    #: In the version.
    path: str
    ir_version: int
    #: Version by domain, of the model alone; empty for the standard's.
    opsets: Mapping[str, int]
    signature: Signature
    operators: tuple[Operator, ...]
    #: What can be said without a release.
    points: tuple[Point, ...]


class UnreadableError(Exception):
    """No model can be read; `point` says why."""

    def __init__(self, point: Point) -> None:
        super().__init__(point.message)
        self.point = point


def read_model(folder: Path, path: str, sizes: Mapping[str, int]) -> OnnxModel:
    """The model at a path below the folder, `sizes` being those of all files there by path.
    UnreadableError where it is none."""
    # In this order, so that no two copies of a large file are in memory at once.
    points = onnx_checks.external_data(folder, path, sizes)
    if not points:
        # Else it would say the same of the same tensor, in fewer words.
        points += onnx_checks.checker(folder, path)
    model = _load(folder, path)
    if not _is_text(model):
        raise UnreadableError(_unreadable(path, "found a name that is no UTF-8", Weight.DOUBTS))
    points += onnx_weights.check(model, folder, path, sizes)
    _strip(model)
    points += onnx_checks.shapes(model, path)
    return OnnxModel(
        path=path,
        ir_version=model.ir_version,
        opsets=_opsets(model.opset_import),
        signature=signature_of(model.graph),
        operators=tuple(_operators(_inferred(model))),
        points=tuple(points),
    )


def _load(folder: Path, path: str) -> onnx.ModelProto:
    try:
        return onnx.load(folder / path, format="protobuf", load_external_data=False)
    except DecodeError as error:
        found = f"found bytes that are no ModelProto: {quoted(str(error))}"
    except OSError as error:
        found = f"it cannot be read: {error.strerror}"
    raise UnreadableError(_unreadable(path, found, Weight.BLOCKS))


def _unreadable(path: str, found: str, weight: Weight) -> Point:
    expected = "one protobuf message of under 2 GiB, with texts of UTF-8"
    return point(READ, weight, subject="the model", found=found, expected=expected, path=path)


def _is_text(message: Message) -> bool:
    """Whether all its texts are such: the library hands over others as bytes, and ONNX Runtime
    takes them as they are. Of tensors without their data, which may be large."""
    if isinstance(message, onnx.TensorProto):
        texts = [message.name, *(text for each in message.external_data for text in _pair(each))]
        return all(isinstance(text, str) for text in texts)
    for field, found in message.ListFields():
        values = found if field.is_repeated else (found,)
        if field.type == field.TYPE_STRING and not all(isinstance(each, str) for each in values):
            return False
        if field.type == field.TYPE_MESSAGE and not all(map(_is_text, values)):
            return False
    return True


def _pair(entry: onnx.StringStringEntryProto) -> tuple[str, str]:
    return entry.key, entry.value


def signature_of(graph: onnx.GraphProto) -> Signature:
    """An input that has a value among the initializers may be left out."""
    valued = {each.name for each in graph.initializer}
    valued |= {each.values.name for each in graph.sparse_initializer}
    return Signature(
        inputs=tuple(_tensor(each, is_valued=each.name in valued) for each in graph.input),
        outputs=tuple(_tensor(each, is_valued=False) for each in graph.output),
    )


def _tensor(value: onnx.ValueInfoProto, *, is_valued: bool) -> TensorInfo:
    type_, kind = value.type, _KINDS.get(value.type.WhichOneof("value") or "", "")
    dims: tuple[int | str | None, ...] | None = None
    dtype = ""
    if kind in ("tensor", "sparse_tensor"):
        tensor = type_.tensor_type if kind == "tensor" else type_.sparse_tensor_type
        dtype = _dtype(tensor.elem_type)
        if tensor.HasField("shape"):
            dims = tuple(map(_dim, tensor.shape.dim))
    return TensorInfo(
        name=value.name,
        dtype=dtype,
        dims=dims,
        kind=kind or "tensor",
        is_optional=is_valued or kind == "optional",
    )


_KINDS = {
    "tensor_type": "tensor",
    "sequence_type": "sequence",
    "map_type": "map",
    "optional_type": "optional",
    "sparse_tensor_type": "sparse_tensor",
}


def _dtype(number: int) -> str:
    """Empty for one that is not known, or none."""
    known = onnx.TensorProto.DataType.items()
    names = {value: name for name, value in known if value}
    return names.get(number, "")


def _dim(dim: onnx.TensorShapeProto.Dimension) -> int | str | None:
    which = dim.WhichOneof("value")
    if which == "dim_value":
        # Some exporters write -1 for what they do not know.
        return int(dim.dim_value) if dim.dim_value >= 0 else None
    return str(dim.dim_param) or None if which == "dim_param" else None


def type_named(type_: onnx.TypeProto) -> str:
    """As ONNX Runtime writes it: `tensor(float)`, `seq(tensor(int64))`; empty where not known."""
    which = type_.WhichOneof("value")
    if which == "tensor_type":
        dtype = _dtype(type_.tensor_type.elem_type)
        return f"tensor({dtype.lower()})" if dtype else ""
    if which == "sequence_type":
        inner = type_named(type_.sequence_type.elem_type)
        return f"seq({inner})" if inner else ""
    if which == "optional_type":
        inner = type_named(type_.optional_type.elem_type)
        return f"optional({inner})" if inner else ""
    return ""


def graphs_below(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Those in its attributes, such as the branches of an If."""
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def _strip(model: onnx.ModelProto) -> None:
    """Take large tensors' data away: what comes now looks at names, types and shapes."""
    for tensor in onnx_weights.tensors_of(model):
        # To tell the whole size of one it is serialized, which takes longer than to read it did.
        if len(tensor.raw_data) > _KEPT_BYTES or tensor.ByteSize() > _KEPT_BYTES:
            for name in ("raw_data", *onnx_weights.TYPED_FIELDS):
                tensor.ClearField(name)


def _inferred(model: onnx.ModelProto) -> onnx.ModelProto:
    """With the types that are known without being strict; as it is where that fails too."""
    try:
        return onnx.shape_inference.infer_shapes(model)
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError):
        # `onnx_checks.shapes` has told so: types are unknown then, which refuses nothing.
        return model


def _operators(model: onnx.ModelProto) -> Iterator[Operator]:
    own = {(each.domain, each.name) for each in model.functions}
    opsets = _opsets(model.opset_import)
    yield from _operators_in(model.graph, {}, opsets, own)
    for function in model.functions:
        # Its types are those of whoever calls it.
        opsets = _opsets(function.opset_import)
        yield from _operators_of(function.node, {}, opsets, own)


def _operators_in(
    graph: onnx.GraphProto,
    outer: Mapping[str, str],
    opsets: Mapping[str, int],
    own: set[tuple[str, str]],
) -> Iterator[Operator]:
    types = dict(outer)
    for tensor in graph.initializer:
        types[tensor.name] = f"tensor({_dtype(tensor.data_type).lower()})"
    for value in (*graph.input, *graph.value_info, *graph.output):
        types[value.name] = type_named(value.type)
    yield from _operators_of(graph.node, types, opsets, own)


def _operators_of(
    nodes: Iterable[onnx.NodeProto],
    types: Mapping[str, str],
    opsets: Mapping[str, int],
    own: set[tuple[str, str]],
) -> Iterator[Operator]:
    for node in nodes:
        for graph in graphs_below(node):
            yield from _operators_in(graph, types, opsets, own)
        if (node.domain, node.op_type) in own:
            # A call of a function, whose own nodes come in its turn.
            continue
        domain = _domain(node.domain)
        yield Operator(
            node=node.name,
            domain=domain,
            op_type=node.op_type,
            opset=opsets.get(domain),
            inputs=tuple(types.get(name, "") for name in node.input),
            outputs=tuple(types.get(name, "") for name in node.output),
        )


def _opsets(imports: Iterable[onnx.OperatorSetIdProto]) -> Mapping[str, int]:
    return {_domain(each.domain): int(each.version) for each in imports}


def _domain(name: str) -> str:
    return "" if name == "ai.onnx" else name
