"""Weights that are no numbers: NaN and infinities among a model's tensors, read in pieces.

A server loads and serves such a model; infinities are at home in masks, and a NaN may stand for a
value that is missing. So this is a remark; what it makes of the answers, the dry run tells (RUN-3).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
import onnx

from registry.domain.readiness import Point, Weight
from registry.formats.look import Rule
from registry.formats.source import BytesSource, FileSource, Source, SourceError, Span, pieces
from registry.serving.points import point, some_of

WEIGHTS = Rule(
    "GRAPH-5",
    "Weights are finite numbers.",
    "Look at the training or the conversion that made them; if they are meant, there is nothing "
    "to do.",
)
RULES = (WEIGHTS,)
TYPED_FIELDS = (
    "float_data",
    "int32_data",
    "string_data",
    "int64_data",
    "double_data",
    "uint64_data",
)


@dataclass(frozen=True)
class _Float:
    """A type of floating point numbers: where its bits are."""

    bits: type[np.unsignedinteger]
    exponent: int
    mantissa: int


#: By TensorProto.DataType. Of the types of 8 bits, E4M3FN has no infinities and one NaN a sign:
#: they are quantized weights, made by libraries that saturate.
_FLOATS: Mapping[int, _Float] = {
    onnx.TensorProto.FLOAT: _Float(np.uint32, 0x7F800000, 0x007FFFFF),
    onnx.TensorProto.DOUBLE: _Float(np.uint64, 0x7FF0000000000000, 0x000FFFFFFFFFFFFF),
    onnx.TensorProto.FLOAT16: _Float(np.uint16, 0x7C00, 0x03FF),
    onnx.TensorProto.BFLOAT16: _Float(np.uint16, 0x7F80, 0x007F),
    onnx.TensorProto.COMPLEX64: _Float(np.uint32, 0x7F800000, 0x007FFFFF),
    onnx.TensorProto.COMPLEX128: _Float(np.uint64, 0x7FF0000000000000, 0x000FFFFFFFFFFFFF),
    onnx.TensorProto.FLOAT8E5M2: _Float(np.uint8, 0x7C, 0x03),
}


@dataclass(kw_only=True)
class _Found:
    nan: dict[str, int] = field(default_factory=dict)
    infinite: dict[str, int] = field(default_factory=dict)


def check(model: onnx.ModelProto, folder: Path, path: str, sizes: Mapping[str, int]) -> list[Point]:
    """At most a point for NaN and one for infinities."""
    found = _Found()
    for tensor in tensors_of(model):
        kind = _FLOATS.get(tensor.data_type)
        if kind is not None:
            _count(tensor, kind, found, folder, path, sizes)
    points = []
    for what, counts in (("NaN", found.nan), ("infinite", found.infinite)):
        if counts:
            total = sum(counts.values())
            said = f"found {total:,} that {'is' if total == 1 else 'are'} {what}"
            subject = f"weights {some_of(counts)}"
            points.append(point(WEIGHTS, Weight.REMARK, subject=subject, found=said, path=path))
    return points


def tensors_of(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """All of them: initializers, and values in attributes, in whatever graph or function."""
    pending: list[onnx.GraphProto] = [model.graph]
    nodes = [node for function in model.functions for node in function.node]
    while pending or nodes:
        while pending:
            graph = pending.pop()
            yield from graph.initializer
            yield from (each.values for each in graph.sparse_initializer)
            nodes += graph.node
        if nodes:
            for attribute in nodes.pop().attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors
                if attribute.HasField("g"):
                    pending.append(attribute.g)
                pending += attribute.graphs


def _count(
    tensor: onnx.TensorProto,
    kind: _Float,
    found: _Found,
    folder: Path,
    path: str,
    sizes: Mapping[str, int],
) -> None:
    nan = infinite = 0
    for piece in _pieces(tensor, kind, folder, path, sizes):
        exponents = piece & kind.bits(kind.exponent)
        odd = piece[exponents == kind.exponent]
        if odd.size:
            wrong = int(np.count_nonzero(odd & kind.bits(kind.mantissa)))
            nan, infinite = nan + wrong, infinite + odd.size - wrong
    name = tensor.name or "a value without a name"
    if nan:
        found.nan[name] = found.nan.get(name, 0) + nan
    if infinite:
        found.infinite[name] = found.infinite.get(name, 0) + infinite


def _pieces(
    tensor: onnx.TensorProto, kind: _Float, folder: Path, path: str, sizes: Mapping[str, int]
) -> Iterator[npt.NDArray[np.unsignedinteger]]:
    """Its elements as whole numbers of the same bits."""
    width = kind.bits().itemsize
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        for data in _external(tensor, folder, path, sizes):
            yield np.frombuffer(data, kind.bits, count=len(data) // width)
    elif tensor.HasField("raw_data"):
        for data in pieces(BytesSource(tensor.raw_data)):
            yield np.frombuffer(data, kind.bits, count=len(data) // width)
    elif tensor.float_data:
        yield np.asarray(tensor.float_data, np.float32).view(np.uint32)
    elif tensor.double_data:
        yield np.asarray(tensor.double_data, np.float64).view(np.uint64)
    elif tensor.int32_data:
        # Types of 8 and 16 bits lie in there one by one.
        yield np.asarray(tensor.int32_data, np.int64).astype(kind.bits)


def _external(
    tensor: onnx.TensorProto, folder: Path, path: str, sizes: Mapping[str, int]
) -> Iterator[bytes]:
    """Nothing where its place is none: that is told elsewhere (GRAPH-4). Pieces are read, not
    mapped: a file that becomes shorter meanwhile would end the process."""
    said = {entry.key: entry.value for entry in tensor.external_data}
    location = os.path.normpath(PurePosixPath(path).parent / said.get("location", ""))
    if location not in sizes:
        return
    descriptor = os.open(folder / location, os.O_RDONLY)
    try:
        source: Source = FileSource(descriptor)
        offset = int(said.get("offset") or 0)
        length = int(said.get("length") or source.size_bytes - offset)
        yield from pieces(Span(source, offset, length))
    except (SourceError, ValueError):
        return
    finally:
        os.close(descriptor)
