"""A model of ONNX whose tensors move into one file beside it, or back into it.

As `onnx.save_model` has it, with `save_as_external_data` and `all_tensors_to_one_file`:
initializers of a kilobyte and more lie in the file beside, from multiples of 4096 on, so that they
can be mapped; all other tensors in the model.
Source: https://github.com/onnx/onnx/blob/main/docs/ExternalData.md.

The onnx library reads and writes the model here, and opens no file: bytes of others come and go
through descriptors.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import onnx

from registry.formats.look import quoted
from registry.formats.onnx_schema import DATA_FIELDS, DATA_TYPES
from registry.formats.source import Source, pieces
from registry.serving.converting_values import CannotConvertError

#: Smaller ones stay in the model, as onnx's `size_threshold` has it.
EXTERNAL_BYTES_MIN = 1024
ALIGNMENT_BYTES = 4096
#: Of a message of protobuf, and so of a model without files beside it.
MODEL_BYTES_MAX = 2**31 - 1
#: Numbers of fields: of ModelProto, GraphProto and TensorProto.
_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9
#: What is copied at once.
_PIECE_BYTES = 16 * 1024 * 1024

_EXTERNAL = onnx.TensorProto.EXTERNAL
#: Writes bytes to the end of a file.
Write = Callable[[bytes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldTensor:
    """One tensor as it is compared: in the order of the model, whatever holds its bytes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    sha256: str


class OnnxModel:
    """A model that its strict parser found sound, and the files beside it by their locations."""

    def __init__(self, source: Source) -> None:
        if source.size_bytes > MODEL_BYTES_MAX:
            raise CannotConvertError(
                f"found a model of {source.size_bytes:,} bytes, expected at most "
                f"{MODEL_BYTES_MAX:,}: more is no message of protobuf."
            )
        # Of its size from the beginning, so that it is never held twice.
        data, at = bytearray(source.size_bytes), 0
        for piece in pieces(source):
            data[at : at + len(piece)] = piece
            at += len(piece)
        self._model = onnx.ModelProto()
        # It takes buffers of all kinds; its types tell of bytes alone.
        self._model.ParseFromString(data)  # type: ignore[arg-type]
        del data
        #: And whether it is an initializer.
        self._all = [*_tensors_of(self._model)]
        self._tensors = [tensor for tensor, _ in self._all]
        self._beside: dict[str, Source] = {}

    @property
    def locations(self) -> tuple[str, ...]:
        """Files that it has to be given before bytes of tensors are asked for."""
        return tuple(sorted({_place(each)[0] for each in self._tensors if _is_external(each)}))

    def give(self, location: str, source: Source) -> None:
        self._beside[location] = source

    @property
    def tensor_count(self) -> int:
        return len(self._tensors)

    @property
    def size_bytes(self) -> int:
        """Of all its tensors' elements."""
        return sum(_size_bytes(each) for each in self._tensors)

    @property
    def external_count(self) -> int:
        return sum(_is_external(each) for each in self._tensors)

    @property
    def large_count(self) -> int:
        """Of those in the model that belong beside it."""
        return sum(
            is_initializer and not _is_external(each) and _size_bytes(each) >= EXTERNAL_BYTES_MIN
            for each, is_initializer in self._all
        )

    def externalise(self, location: str, data: Write, model: Write) -> Iterator[int]:
        """Write the one file beside, which the model calls `location`, and the model. Yields how
        many bytes were done. May be called once, as it changes the model."""
        at = 0
        for tensor, is_initializer in self._all:
            size_bytes = _size_bytes(tensor)
            if not is_initializer or size_bytes < EXTERNAL_BYTES_MIN:
                if _is_external(tensor):
                    self._take_in(tensor)
                continue
            padding = -at % ALIGNMENT_BYTES
            data(bytes(padding))
            at += padding
            for piece in self._bytes_of(tensor):
                data(piece)
                yield len(piece)
            _clear(tensor)
            tensor.data_location = _EXTERNAL
            for key, value in (("location", location), ("offset", at), ("length", size_bytes)):
                entry = tensor.external_data.add()
                entry.key, entry.value = key, str(value)
            at += size_bytes
        model(self._serialized())

    def inline(self, model: Write) -> Iterator[int]:
        """Write the model with all bytes in it. CannotConvertError before that where they are more
        than it can hold. Yields how many bytes were done. May be called once."""
        size_bytes = self._model.ByteSize() + sum(
            _size_bytes(each) for each in self._tensors if _is_external(each)
        )
        if size_bytes > MODEL_BYTES_MAX:
            raise CannotConvertError(
                f"found {size_bytes:,} bytes with all tensors in the model, expected at most "
                f"{MODEL_BYTES_MAX:,}: more is no message of protobuf. Leave them beside it: "
                "--to onnx-external puts them into one file."
            )
        # The graph's own initializers come first, and are streamed.
        for tensor in self._tensors[len(self._model.graph.initializer) :]:
            if _is_external(tensor):
                self._take_in(tensor)
        for piece in self._streamed():
            model(piece)
            yield len(piece)

    def _streamed(self) -> Iterator[bytes]:
        """The model with all of its graph's initializers in it, serialized a tensor at a time: at
        once it would take several times the memory. In the order of the fields' numbers, as
        protobuf itself writes them."""
        graph = self._model.graph
        head, tail = _part(graph, until=_INITIALIZER), _part(graph, after=_INITIALIZER)
        sizes = [self._size_in_model(each) for each in graph.initializer]
        graph_bytes = len(head) + len(tail)
        graph_bytes += sum(len(_prefix(_INITIALIZER, size)) + size for size in sizes)
        yield _part(self._model, until=_GRAPH) + _prefix(_GRAPH, graph_bytes) + head
        for tensor, size_bytes in zip(graph.initializer, sizes, strict=True):
            yield _prefix(_INITIALIZER, size_bytes)
            yield from self._tensor_in_model(tensor)
        yield tail + _part(self._model, after=_GRAPH)

    def _size_in_model(self, tensor: Any) -> int:
        if not _is_external(tensor):
            return int(tensor.ByteSize())
        bare, size_bytes = _bare(tensor), _size_bytes(tensor)
        return int(bare.ByteSize()) + len(_prefix(_RAW_DATA, size_bytes)) + size_bytes

    def _tensor_in_model(self, tensor: Any) -> Iterator[bytes]:
        if not _is_external(tensor):
            yield tensor.SerializeToString(deterministic=True)
            return
        bare = _bare(tensor)
        yield _part(bare, until=_RAW_DATA) + _prefix(_RAW_DATA, _size_bytes(tensor))
        yield from self._bytes_of(tensor)
        yield _part(bare, after=_RAW_DATA)

    def tell(self) -> Iterator[int | tuple[str, list[ToldTensor]]]:
        """What of it has to be the same after a conversion: at the end the sha256 of all but its
        tensors' bytes, and the tensors; before that, how many bytes were done. May be called once.
        """
        told = []
        for tensor in self._tensors:
            digest = hashlib.sha256()
            for piece in self._bytes_of(tensor):
                digest.update(piece)
                yield len(piece)
            told.append(
                ToldTensor(
                    name=tensor.name,
                    dtype=DATA_TYPES[tensor.data_type].name,
                    shape=tuple(tensor.dims),
                    sha256=digest.hexdigest(),
                )
            )
            _clear(tensor)
        yield hashlib.sha256(self._serialized()).hexdigest(), told

    def _take_in(self, tensor: Any) -> None:
        """Its bytes, from the file beside into the model."""
        data = b"".join(self._bytes_of(tensor))
        _clear(tensor)
        tensor.raw_data = data

    def _bytes_of(self, tensor: Any) -> Iterator[bytes]:
        """Its elements as `raw_data` has them; of texts, each behind its length."""
        if _is_external(tensor):
            location, offset = _place(tensor)
            yield from pieces(self._beside[location], offset, offset + _size_bytes(tensor))
        elif tensor.data_type == onnx.TensorProto.STRING:
            for text in tensor.string_data:
                yield len(text).to_bytes(8, "little") + text
        else:
            data = tensor.raw_data if tensor.HasField("raw_data") else _packed(tensor)
            for start in range(0, len(data), _PIECE_BYTES):
                yield data[start : start + _PIECE_BYTES]

    def _serialized(self) -> bytes:
        return bytes(self._model.SerializeToString(deterministic=True))


def _packed(tensor: Any) -> bytes:
    """Of elements in one of the typed fields."""
    again = onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor))
    if again.data_type != tensor.data_type or list(again.dims) != list(tensor.dims):
        raise CannotConvertError(
            f"tensor {quoted(tensor.name)}: the onnx library reads its elements as another type. "
            "Save the model again with tensors as raw_data."
        )
    return bytes(again.raw_data)


def _bare(tensor: Any) -> Any:
    """A copy that has no elements yet."""
    found = onnx.TensorProto()
    found.CopyFrom(tensor)
    _clear(found)
    return found


def _part(message: Any, *, until: int = 0, after: int = 0) -> bytes:
    """Its fields with numbers below `until`, or above `after`, serialized."""
    part = type(message)()
    for field, value in message.ListFields():
        if field.number < until or (after and field.number > after):
            if field.is_repeated:
                getattr(part, field.name).extend(value)
            elif field.message_type is not None:
                getattr(part, field.name).CopyFrom(value)
            else:
                setattr(part, field.name, value)
    return bytes(part.SerializeToString(deterministic=True))


def _prefix(field: int, size_bytes: int) -> bytes:
    """Of a field of bytes or of a message: its tag and its length, both varints.

    https://protobuf.dev/programming-guides/encoding/
    """
    found = bytearray()
    for number in (field << 3 | 2, size_bytes):
        while number >= 0x80:
            found.append(number & 0x7F | 0x80)
            number >>= 7
        found.append(number)
    return bytes(found)


def _is_external(tensor: Any) -> bool:
    return bool(tensor.data_location == _EXTERNAL)


def _place(tensor: Any) -> tuple[str, int]:
    """The file beside the model that it is in, and from which byte on."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    return entries["location"].removeprefix("./"), int(entries.get("offset", 0))


def _size_bytes(tensor: Any) -> int:
    """As `raw_data`, which texts are never."""
    return -(-math.prod(map(int, tensor.dims)) * DATA_TYPES[tensor.data_type].bits // 8)


def _clear(tensor: Any) -> None:
    """Nothing but name, type and dimensions."""
    for field in (*DATA_FIELDS, "external_data", "data_location"):
        tensor.ClearField(field)


def _tensors_of(model: Any) -> Iterator[tuple[Any, bool]]:
    """Each tensor, wherever in the model it is, in its order, and whether it is an initializer:
    others, such as constants, may lie in a file beside as well."""
    yield from _of_graph(model.graph)
    for training in model.training_info:
        yield from _of_graph(training.initialization)
        yield from _of_graph(training.algorithm)
    for function in model.functions:
        yield from _of_nodes(function.node)
        yield from _of_attributes(function.attribute_proto)


def _of_graph(graph: Any) -> Iterator[tuple[Any, bool]]:
    for tensor in graph.initializer:
        yield tensor, True
    yield from _of_sparse(graph.sparse_initializer)
    yield from _of_nodes(graph.node)


def _of_nodes(nodes: Iterable[Any]) -> Iterator[tuple[Any, bool]]:
    for node in nodes:
        yield from _of_attributes(node.attribute)


def _of_attributes(attributes: Iterable[Any]) -> Iterator[tuple[Any, bool]]:
    for attribute in attributes:
        for tensor in [attribute.t] if attribute.HasField("t") else []:
            yield tensor, False
        for tensor in attribute.tensors:
            yield tensor, False
        yield from _of_sparse(
            [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
        )
        yield from _of_sparse(attribute.sparse_tensors)
        for graph in [attribute.g] if attribute.HasField("g") else []:
            yield from _of_graph(graph)
        for graph in attribute.graphs:
            yield from _of_graph(graph)


def _of_sparse(tensors: Iterable[Any]) -> Iterator[tuple[Any, bool]]:
    for sparse in tensors:
        yield sparse.values, False
        yield sparse.indices, False


def told_as_json(told: Iterable[ToldTensor]) -> list[Mapping[str, Any]]:
    return [
        {"name": each.name, "dtype": each.dtype, "shape": list(each.shape), "sha256": each.sha256}
        for each in told
    ]
