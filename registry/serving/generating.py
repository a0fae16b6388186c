"""A config.pbtxt for an ONNX model that has none, and what differs from it in one that has.

It says what Triton would fill in by itself, so that people see it, may change it, and are told why
each line is as it is.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from registry.domain.readiness import Signature, TensorInfo
from registry.formats.look import quoted
from registry.serving.config_case import Target
from registry.serving.config_completing import MAX_BATCH_SIZE, can_batch, completed, needed
from registry.serving.config_values import ANY, TRITON_TYPES, axes
from registry.serving.pbtxt import Config, parse
from registry.serving.repository import Place

_DEFAULT_FILE = "model.onnx"


def generate(
    name: str,
    signature: Signature,
    release: Target,
    *,
    filename: str = _DEFAULT_FILE,
    max_batch_size: int = MAX_BATCH_SIZE,
) -> str:
    """The text, with reasons as comments. Law: it means what Triton fills in for a config.pbtxt of
    `name` and `max_batch_size` alone, or 0 of a model that takes no batch."""
    is_batched = can_batch(signature)
    lines = [
        f"# For Triton {release.name}, from the model's own inputs and outputs.",
        f"name: {_text(name)}",
        'backend: "onnxruntime"',
    ]
    if filename != _DEFAULT_FILE:
        lines += [
            f"# Where this is not said, Triton looks for {_DEFAULT_FILE}.",
            f"default_model_filename: {_text(filename)}",
        ]
    lines += _batch_size(signature, max_batch_size if is_batched else 0)
    lines += _tensors("input", needed(signature.inputs), is_batched=is_batched)
    for tensor in signature.inputs:
        if tensor.is_optional:
            lines.append(f"# Input {quoted(tensor.name)} has a value in the model, and keeps it.")
    lines += _tensors("output", signature.outputs, is_batched=is_batched)
    if is_batched and max_batch_size > 1:
        lines += [
            "# Requests that wait at the same time run as one batch. None waits for more to come:",
            "# where latency may grow for throughput, set max_queue_delay_microseconds.",
            "dynamic_batching { }",
        ]
    return "\n".join(lines) + "\n"


def difference(config: Config, generated: str, place: Place, signature: Signature | None) -> str:
    """From the generated text to a configuration, as a unified diff by meaning: of both with what
    Triton fills in, so order, style and what is left out make no difference."""
    own = completed(config.message, place, signature)
    other = completed(parse(generated.encode()).message, place, signature)
    return "\n".join(
        difflib.unified_diff(_lines(other), _lines(own), "generated", "config.pbtxt", lineterm="")
    )


def _lines(message: Any) -> list[str]:
    """As text of one style. Triton finds tensors by their names, not by their order."""
    sorted_message = model_config_pb2.ModelConfig()
    sorted_message.CopyFrom(message)
    for ios in (sorted_message.input, sorted_message.output):
        ios.sort(key=lambda io: io.name)
    text: str = text_format.MessageToString(
        sorted_message, use_short_repeated_primitives=True, as_utf8=True
    )
    return text.splitlines()


def _text(value: str) -> str:
    """In quotes, as protobuf writes it."""
    message = model_config_pb2.ModelConfig(name=value)
    text: str = text_format.MessageToString(message, as_utf8=True)
    return text.strip().removeprefix("name: ") or '""'


def _batch_size(signature: Signature, size: int) -> Iterator[str]:
    if size:
        yield "# The first axis of every input and output is free: requests may share a run."
        if size == MAX_BATCH_SIZE:
            yield f"# {size} is what Triton takes by itself; measure before raising it."
    else:
        for tensor in (*needed(signature.inputs), *signature.outputs):
            dims = axes(tensor)
            if not dims or dims[0] != ANY:
                first = f"its first axis is {dims[0]}" if dims else "it has no axes"
                yield f"# No batches, as {quoted(tensor.name)} takes none: {first}."
                yield "# So dims are the whole shapes."
                break
    yield f"max_batch_size: {size}"


def _tensors(kind: str, tensors: Iterable[TensorInfo], *, is_batched: bool) -> Iterator[str]:
    for tensor in tensors:
        dims = list(axes(tensor) or ())[1 if is_batched else 0 :]
        yield f"{kind} {{"
        yield f"  name: {_text(tensor.name)}"
        yield f"  data_type: {TRITON_TYPES.get(tensor.dtype, 'TYPE_INVALID')}"
        if note := _axes_note(tensor, is_batched=is_batched):
            yield f"  # {note}"
        yield f"  dims: [ {', '.join(map(str, dims or [1]))} ]"
        if not dims and is_batched:
            yield "  # One value for each of the batch: the model has no axis for this 1."
            yield "  reshape { shape: [ ] }"
        yield "}"


def _axes_note(tensor: TensorInfo, *, is_batched: bool) -> str:
    """What the free axes are called in the model."""
    names = [
        quoted(dim) if isinstance(dim, str) else "one without a name"
        for dim in (tensor.dims or ())[1 if is_batched else 0 :]
        if not isinstance(dim, int) or dim < 0
    ]
    return f"Of any length: {', '.join(names)}." if names else ""
