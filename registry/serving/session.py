"""A model in the one ONNX Runtime that is installed here, with one thread, that of its caller."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from registry.domain.readiness import Signature, TensorInfo
from registry.serving.points import node_named
from registry.serving.tensor_types import Array

# Read when it is imported: it would else write files at home and call its makers.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime
from onnx import TensorProto, helper

CPU = "CPUExecutionProvider"
VERSION: str = onnxruntime.__version__
#: Fatal ones alone: errors are raised, and nobody reads the rest.
_SEVERITY = 4
_BFLOAT16 = "BFLOAT16"
_NODE = (
    re.compile(r"running (?P<op>\S+) node\. Name:'(?P<name>.*?)'"),
    re.compile(r"Node \((?P<name>.*?)\) Op \((?P<op>\w+)\)"),
    re.compile(r'In Node, \("(?P<name>.*?)", (?P<op>\w+),'),
    re.compile(r"implementation for (?P<op>\w+)\(\d+\) node with name '(?P<name>.*?)'"),
)
#: In front of what it says: its own name, a code, the file, and places in its own source.
_FRAME = re.compile(
    r"^\[ONNXRuntimeError\] : \d+ : \w+ : |Load model from \S+ failed:|"
    r"/onnxruntime_src/\S+:\d+ .*?\)( const)? (?=\S)"
)


#: What it says where memory cannot be had, or a thread cannot be begun.
_LIMIT = re.compile(
    r"bad_alloc|allocate memory|out of memory|pthread_create|Resource temporarily unavailable",
    re.IGNORECASE,
)


class SessionError(Exception):
    """ONNX Runtime does not load the model, or does not run it; the text is its own, cut to what
    is said. `subject` is the node that it names, or the model."""

    def __init__(self, said: str) -> None:
        text = " ".join(_FRAME.sub("", said.replace("\n", " ")).split())
        super().__init__(text or said)
        found = next((match for each in _NODE if (match := each.search(said))), None)
        self.subject = node_named(found["name"], found["op"]) if found else "the model"


class LimitError(Exception):
    """What this process may take is not enough: it says nothing of the model. The text is ONNX
    Runtime's own."""


class UnservedError(Exception):
    """Its inputs or outputs are of types that cannot be handed over here."""


class Session:
    """SessionError where it cannot be had, LimitError where it cannot be had here. `outputs`: those
    that are asked for."""

    def __init__(self, path: Path, outputs: Sequence[TensorInfo]) -> None:
        self._outputs = outputs
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), _options(), providers=[CPU], enable_fallback=False
            )
        except Exception as error:
            raise _failed(error) from error

    def signature(self, read: Signature) -> Signature:
        """The model's, with the axes that ONNX Runtime infers."""
        shapes = {
            each.name: tuple(dim if dim != "" else None for dim in each.shape)
            for each in (*self._session.get_inputs(), *self._session.get_outputs())
        }

        def inferred(tensor: TensorInfo) -> TensorInfo:
            # It tells none also of a tensor whose rank it does not know.
            is_told = tensor.kind == "tensor" and bool(shapes.get(tensor.name))
            return replace(tensor, dims=shapes[tensor.name]) if is_told else tensor

        return Signature(
            inputs=tuple(map(inferred, read.inputs)), outputs=tuple(map(inferred, read.outputs))
        )

    def run(self, feeds: Mapping[str, Array], dtypes: Mapping[str, str]) -> dict[str, Array]:
        """Outputs by name; elements of BFLOAT16 as their bits, both ways. SessionError where the
        run fails, LimitError where it fails here."""
        names = [each.name for each in self._outputs]
        if not names:
            raise UnservedError("none of its outputs is of a type that Triton has")
        bits = any(dtypes[name] == _BFLOAT16 for name in feeds) or any(
            each.dtype == _BFLOAT16 for each in self._outputs
        )
        if bits and any(dtypes[name] == "STRING" for name in feeds):
            # The one way takes no texts, the other no BFLOAT16.
            raise UnservedError("it takes texts and BFLOAT16 in one run, which cannot be made here")
        try:
            if bits:
                values = {name: _value(array, dtypes[name]) for name, array in feeds.items()}
                found = self._session.run_with_ort_values(names, values)
                return dict(zip(names, map(_array, found), strict=True))
            return dict(zip(names, self._session.run(names, dict(feeds)), strict=True))
        except Exception as error:
            raise _failed(error) from error


def _failed(error: Exception) -> SessionError | LimitError:
    """Its errors are many classes of RuntimeError."""
    said = str(error)
    if isinstance(error, MemoryError) or _LIMIT.search(said):
        return LimitError(said or "it takes more memory than it may")
    return SessionError(said)


def warm_up() -> None:
    """Load and make what the first session loads and makes."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "warm",
        [value("x", TensorProto.FLOAT, [1])],
        [value("y", TensorProto.FLOAT, [1])],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), _options(), providers=[CPU], enable_fallback=False
    )
    session.run(None, {"x": np.zeros(1, np.float32)})


def _options() -> Any:
    options = onnxruntime.SessionOptions()
    # The jail lets no thread begin.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = _SEVERITY
    options.use_deterministic_compute = True
    return options


def _value(array: Array, dtype: str) -> Any:
    values = onnxruntime.OrtValue
    if dtype == _BFLOAT16:
        return values.ortvalue_from_numpy_with_onnx_type(array, TensorProto.BFLOAT16)
    return values.ortvalue_from_numpy(array)


def _array(value: Any) -> Array:
    if value.element_type() != TensorProto.BFLOAT16:
        array: Array = value.numpy()
        return array
    # Neither numpy nor DLPack, as it is built, takes this type from it.
    data = ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes())
    return np.frombuffer(data, np.uint16).reshape(value.shape())
