"""TFLite (LiteRT): a FlatBuffer, whose operators are its own and whose tensors fit their bytes.

Source: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/
schema.fbs (version 3). Numbers of fields are those of the schema, from 0 on in the order in which
they stand there. An interpreter follows indices and sizes without looking, hence all are compared
here. Options of operators are the interpreter's to judge: they are bounds-checked tables to it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from registry.formats import tensorflow_operators, tflite_operators
from registry.formats.flatbuffer import FlatBuffer, FlatBufferError, Table
from registry.formats.kinds import BINARY, EMPTY, TEXT, content_of
from registry.formats.look import Effect, Look, Rule, quoted
from registry.formats.source import Span

VERSION = 3
DIMENSIONS_MAX = 64
ELEMENTS_MAX = 2**63 - 1
INDICES_MAX = 1_000_000
#: Tensors that are told as facts.
TENSORS_MAX = 50_000
#: Behind the last thing that is looked at: padding.
REST_BYTES_MAX = 64

_CONVERT = "Convert the model again with TensorFlow's converter, and push a new version."
BOUNDS = Rule(
    "TFLITE-1",
    "The file is a FlatBuffer whose tables, vectors and texts all lie within it.",
    _CONVERT,
)
VERSIONS = Rule("TFLITE-2", f"The schema's version is {VERSION}.", _CONVERT)
INDICES = Rule(
    "TFLITE-3",
    "Operators, tensors and signatures refer to what the model has.",
    _CONVERT,
)
SIZE = Rule(
    "TFLITE-4",
    "A constant tensor has a known type, and as many bytes as type and shape say.",
    _CONVERT,
)
OPERATOR = Rule(
    "TFLITE-5",
    "Operators are TFLite's own: custom ones need a foreign library, which runs code.",
    "Convert the model with TFLite's built-in operators alone (OpsSet.TFLITE_BUILTINS).",
)
FLEX = Rule(
    "TFLITE-6",
    "TensorFlow operators in the model compute and do nothing else.",
    "Leave reading, writing, printing and calls of Python out of the model.",
)
WITHIN = Rule(
    "TFLITE-7",
    "All of the model is in the FlatBuffer: it refers to no other files.",
    _CONVERT,
)
END = Rule(
    "TFLITE-8",
    "Nothing is appended behind the FlatBuffer.",
    "Push the model without packed files; push labels and vocabularies beside it.",
)
RULES = (BOUNDS, VERSIONS, INDICES, SIZE, OPERATOR, FLEX, WITHIN, END)

_NONE = -1
#: Bits of one element by TensorType; none for texts, resources and variants.
_TYPES: tuple[tuple[str, int | None], ...] = (
    ("FLOAT32", 32),
    ("FLOAT16", 16),
    ("INT32", 32),
    ("UINT8", 8),
    ("INT64", 64),
    ("STRING", None),
    ("BOOL", 8),
    ("INT16", 16),
    ("COMPLEX64", 64),
    ("INT8", 8),
    ("FLOAT64", 64),
    ("COMPLEX128", 128),
    ("UINT64", 64),
    ("RESOURCE", None),
    ("VARIANT", None),
    ("UINT32", 32),
    ("UINT16", 16),
    ("INT4", 4),
    ("BFLOAT16", 16),
    ("INT2", 2),
    ("UINT4", 4),
)
_ZIP_END = b"PK\x05\x06"
_ZIP_END_BYTES_MAX = 22 + 65535


def read(look: Look) -> None:
    """Facts: `signature` (`inputs` and `outputs` of the first subgraph, lists of {name, dtype,
    dims}), `signatures` (their keys), `operators` (a list of {op_type, count}; custom ones begin
    with `custom:`), `tensors` (constant ones, a list of {name, dtype, shape}, cut), `parameters`
    (their elements)."""
    try:
        _Model(look).read()
    except FlatBufferError as error:
        look.stop(BOUNDS, str(error), offset=error.offset)


class _Model:
    def __init__(self, look: Look) -> None:
        self._look = look
        self._buffer = FlatBuffer(look.source, look.budget)
        self._operators: Counter[str] = Counter()
        self._tensors: list[dict[str, Any]] = []
        self._parameters = 0
        self._codes: list[str] = []
        #: Bytes in each of the model's buffers.
        self._sizes: list[int] = []

    def read(self) -> None:
        look = self._look
        model = self._buffer.root()
        version = model.number(0, 4)
        if version != VERSION:
            look.stop(VERSIONS, f"found version {version}, expected {VERSION}")
        if model.tables(8) or model.tables(9):
            look.refuse(WITHIN, "found external buffers, expected none")
        model.text(3)
        self._codes = [self._code(at) for at in model.tables(1)]
        self._sizes = [self._data(at) for at in model.tables(4)]
        graphs = model.tables(2)
        if not graphs:
            look.refuse(INDICES, "found no subgraph, expected at least one")
        counts = [self._graph(number, at) for number, at in enumerate(graphs)]
        self._read_metadata(model)
        keys = [self._signature(at, counts) for at in model.tables(7)]
        self._check_end()
        facts = look.facts
        facts["operators"] = [
            {"op_type": name, "count": count} for name, count in sorted(self._operators.items())
        ]
        facts["tensors"] = self._tensors
        facts["parameters"] = self._parameters
        if keys:
            facts["signatures"] = keys

    def _code(self, at: int) -> str:
        """The name of an operator that the model uses."""
        table = self._buffer.table(at)
        # Since codes outgrew a byte there are two fields; readers take the larger.
        code = max(table.number(0, 1, signed=True), table.number(3, 4, signed=True))
        custom = table.text(1)
        names = tflite_operators.BUILTIN
        if code == tflite_operators.CUSTOM:
            self._check_custom(custom)
            return f"custom:{custom}"
        if not 0 <= code < len(names):
            self._look.doubt(OPERATOR, f"found operator {code}, expected 0 to {len(names) - 1}")
            return str(code)
        if names[code] in tflite_operators.REFUSED:
            self._look.refuse(OPERATOR, f"found operator {names[code]}")
        return names[code]

    def _check_custom(self, name: str) -> None:
        look = self._look
        if name.startswith("Flex"):
            verdict = tensorflow_operators.verdict(name.removeprefix("Flex"))
            if verdict is not None:
                note = look.refuse if verdict.effect is Effect.FAIL else look.doubt
                note(FLEX, f"found {quoted(name)}, which {verdict.reason}")
        elif name in tflite_operators.PUBLISHED:
            look.doubt(OPERATOR, f"found custom operator {quoted(name)}")
        elif name not in tflite_operators.CUSTOM_SHIPPED:
            look.refuse(OPERATOR, f"found custom operator {quoted(name)}, expected built-in ones")

    def _data(self, at: int) -> int:
        """The size of a buffer; its bytes lie in it, or behind the FlatBuffer if that is large."""
        table = self._buffer.table(at)
        inner = table.vector(0, 1).count
        offset, size = table.number(1, 8), table.number(2, 8)
        # 1 stands for a place that was not known yet.
        if offset > 1:
            self._buffer.covers(offset, size)
            if inner:
                raise FlatBufferError("found a buffer in two places", table.at)
            return size
        return inner

    def _graph(self, number: int, at: int) -> int:
        """How many tensors it has."""
        graph = self._buffer.table(at)
        graph.text(4)
        tensors = [self._tensor(place) for place in graph.tables(0)]
        inputs, outputs = (graph.numbers(field, 4, INDICES_MAX) for field in (1, 2))
        what = f"subgraph {number}"
        for indices in (inputs, outputs):
            self._check_indices(what, indices, len(tensors), optional=False)
        for place in graph.tables(3):
            self._operator(what, place, len(tensors))
        if number == 0:
            self._look.facts["signature"] = {
                name: [tensors[index] for index in indices if 0 <= index < len(tensors)]
                for name, indices in (("inputs", inputs), ("outputs", outputs))
            }
        return len(tensors)

    def _operator(self, what: str, at: int, tensors: int) -> None:
        operator = self._buffer.table(at)
        index = operator.number(0, 4)
        if index >= len(self._codes):
            found = f"found operator {index}, expected below {len(self._codes)}"
            self._look.refuse(INDICES, f"{what}: {found}", offset=at)
            return
        self._operators[self._codes[index]] += 1
        for field in (1, 2, 8):
            indices = operator.numbers(field, 4, INDICES_MAX)
            self._check_indices(what, indices, tensors, optional=True)
        operator.vector(5, 1)
        operator.vector(7, 1)
        for field in (4, 12):
            operator.table(field)
        offset, size = operator.number(9, 8), operator.number(10, 8)
        if offset > 1:
            self._buffer.covers(offset, size)

    def _check_indices(self, what: str, indices: list[int], count: int, *, optional: bool) -> None:
        least = _NONE if optional else 0
        for index in indices:
            if not least <= index < count:
                found = f"found tensor {index}, expected {least} to {count - 1}"
                self._look.refuse(INDICES, f"{what}: {found}")
                return

    def _tensor(self, at: int) -> dict[str, Any]:
        look = self._look
        tensor = self._buffer.table(at)
        name = tensor.text(3)
        what = f"tensor {quoted(name)}"
        shape = tensor.numbers(0, 4, DIMENSIONS_MAX)
        signature = tensor.numbers(7, 4, DIMENSIONS_MAX)
        number = tensor.number(1, 1, signed=True)
        buffer = tensor.number(2, 4)
        self._check_quantization(tensor)
        if tensor.number(10, 4):
            look.refuse(WITHIN, f"{what}: found an external buffer")
        found = {"name": name, "dtype": str(number), "dims": signature or shape}
        if not 0 <= number < len(_TYPES):
            look.refuse(SIZE, f"{what}: found type {number}, expected 0 to {len(_TYPES) - 1}")
            return found
        dtype, bits = _TYPES[number]
        found["dtype"] = dtype
        if buffer >= len(self._sizes) and not (buffer == 0 and not self._sizes):
            expected = f"expected below {len(self._sizes)}"
            look.refuse(INDICES, f"{what}: found buffer {buffer}, {expected}", offset=at)
            return found
        size = self._sizes[buffer] if self._sizes else 0
        if size and bits is not None:
            self._check_size(what, dtype, bits, shape, size, is_sparse=tensor.has(6))
        if size and len(self._tensors) < TENSORS_MAX:
            self._tensors.append({"name": name, "dtype": dtype, "shape": shape})
        return found

    def _check_size(
        self, what: str, dtype: str, bits: int, shape: list[int], size: int, *, is_sparse: bool
    ) -> None:
        elements = bound = 1
        for axis in shape:
            elements *= axis
            bound *= max(axis, 1)
            if axis < 0 or bound > ELEMENTS_MAX:
                self._look.refuse(SIZE, f"{what}: found shape {quoted(shape)}")
                return
        self._parameters += elements
        expected = -(-elements * bits // 8)
        # Of a sparse one, only what is not 0 is there.
        if size > expected if is_sparse else size != expected:
            message = f"{what}: found {size} bytes, expected {expected} of {dtype}"
            self._look.refuse(SIZE, message)

    def _check_quantization(self, tensor: Table) -> None:
        """Of one scale for all, or one for each slice of an axis."""
        quantization = tensor.table(4)
        if quantization is None:
            return
        for field, size in ((0, 4), (1, 4), (2, 4), (3, 8)):
            quantization.vector(field, size)
        quantization.table(5)

    def _read_metadata(self, model: Table) -> None:
        for at in model.tables(6):
            entry = self._buffer.table(at)
            name, buffer = entry.text(0), entry.number(1, 4)
            if buffer >= len(self._sizes):
                found = f"found buffer {buffer}, expected below {len(self._sizes)}"
                self._look.refuse(INDICES, f"metadata {quoted(name)}: {found}", offset=at)
        model.vector(5, 4)

    def _signature(self, at: int, counts: list[int]) -> str:
        signature = self._buffer.table(at)
        key, graph = signature.text(2), signature.number(4, 4)
        what = f"signature {quoted(key)}"
        if graph >= len(counts):
            self._look.refuse(INDICES, f"{what}: found subgraph {graph}", offset=at)
            return key
        for field in (0, 1):
            for place in signature.tables(field):
                entry = self._buffer.table(place)
                entry.text(0)
                index = entry.number(1, 4)
                self._check_indices(what, [index], counts[graph], optional=False)
        return key

    def _check_end(self) -> None:
        """A zip may be appended: TFLite's metadata library packs labels so. Whoever takes the file
        for an archive sees other things than the interpreter."""
        size_bytes = self._buffer.size_bytes
        length = min(size_bytes, _ZIP_END_BYTES_MAX)
        if _ZIP_END in self._look.source.read(size_bytes - length, length):
            self._look.doubt(END, "found what looks like the end of a zip archive")
            return
        reached = self._buffer.reached
        rest = size_bytes - reached
        # Options of operators that are not looked at are of no kind that is known.
        kind = content_of(Span(self._look.source, reached, rest))
        if rest > REST_BYTES_MAX or kind not in (BINARY, EMPTY, TEXT):
            found = f"found {rest} bytes behind the last table, of kind {kind}"
            self._look.refuse(END, found, offset=reached)
