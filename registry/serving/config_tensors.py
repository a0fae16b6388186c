"""Rules of config.pbtxt: inputs and outputs, by themselves and against the model's own.

Sources: core/src/model_config_utils.cc, `ValidateIOShape`, `ValidateModelInput`,
`ValidateNonLinearFormatIO` and `ValidateBatchIO`; onnxruntime_backend/src/onnxruntime.cc,
`ValidateInputs` and `ValidateOutputs`, and backend/src/backend_common.cc, `CompareDimsSupported`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from registry.domain.readiness import Point, TensorInfo
from registry.formats.look import Rule, quoted
from registry.serving.config_case import Case
from registry.serving.config_completing import needed
from registry.serving.config_values import (
    ANY,
    ONNX_TYPES,
    TRITON_TYPES,
    axes,
    dims_of,
    elements,
    fits,
    shown_dims,
    type_name,
)
from registry.serving.pbtxt import nearest

BATCH_SIZE = Rule(
    "CONFIG-7",
    "max_batch_size is 0, or the first axis of every input and output is free.",
    "Export the model with a free first axis, or write `max_batch_size: 0` and the whole shape.",
)
COMPLETE = Rule(
    "CONFIG-8",
    "Each input and output has a name of its own, a data type, and axes of 1 or more, or -1.",
    "Complete the tensor.",
)
RESHAPE = Rule(
    "CONFIG-9",
    "A reshape has as many elements as the shape that clients send.",
    "Let `reshape` have the elements of `dims`, with -1 between the same products.",
)
NAMES = Rule(
    "CONFIG-10",
    "Inputs are those of the model, all of them; outputs are among the model's.",
    "Name the tensors as the model does.",
)
TYPES = Rule(
    "CONFIG-11",
    "Data types are those of the model, of types that Triton's ONNX Runtime backend serves.",
    "Write the model's own type.",
)
DIMS = Rule(
    "CONFIG-12",
    "Shapes fit the model's: those of outputs are equal, those of inputs where an axis is fixed.",
    "Write the model's own shape, without the batch axis where max_batch_size is above 0.",
)
OF_TENSORRT = Rule(
    "CONFIG-13",
    "Shape tensors and non-linear formats are TensorRT's; image formats have three axes.",
    "Remove the field.",
)
OPTIONAL = Rule(
    "CONFIG-14",
    "Optional inputs have a value in the model, and the model takes no batch; ragged ones are of "
    "shape [-1] in the model.",
    "Remove `optional` or `allow_ragged_batch`, or export the model so that it fits.",
)
BATCH_IO = Rule(
    "CONFIG-16",
    "What Triton adds for a batch is of inputs that there are, and for outputs that there are.",
    "Name inputs and outputs of this configuration.",
)
TENSORS = Rule(
    "CONFIG-30",
    "Inputs and outputs of the model are tensors of a type that Triton knows.",
    "Export the model with tensors for sequences, maps and optionals.",
)
RULES = (
    BATCH_SIZE,
    COMPLETE,
    RESHAPE,
    NAMES,
    TYPES,
    DIMS,
    OF_TENSORRT,
    OPTIONAL,
    BATCH_IO,
    TENSORS,
)

_PLAN = "tensorrt_plan"


def check(case: Case) -> Iterator[Point]:
    message = case.message
    if message.max_batch_size < 0:
        found = str(message.max_batch_size)
        yield case.blocks(BATCH_SIZE, "max_batch_size", found, "0 or more")
    for kind in ("input", "output"):
        names: Counter[str] = Counter()
        for index, io in enumerate(getattr(message, kind)):
            way = f"{kind}[{index}]"
            names[io.name] += 1
            yield from _alone(case, io, way, is_again=names[io.name] > 1)
    yield from _batch_io(case)
    if case.is_onnx and case.signature is not None:
        yield from _against_model(case)


def _about(kind: str, name: str) -> str:
    return f"{kind} {quoted(name)}"


def _alone(case: Case, io: Any, way: str, *, is_again: bool) -> Iterator[Point]:
    kind = way.partition("[")[0]
    about = _about(kind, io.name) if io.name else way
    if not io.name:
        yield case.blocks(COMPLETE, way, "no name", "a name", about=about)
    elif is_again:
        # The server minds neither, but the backend counts inputs against the model's.
        say = case.blocks if kind == "input" and case.is_onnx else case.remark
        yield say(COMPLETE, way, "a second of that name", "one", about=about)
    if type_name(io.data_type) == "TYPE_INVALID":
        found = f"data type {io.data_type}" if io.data_type else "no data type"
        yield case.blocks(COMPLETE, f"{way}.data_type", found, "such as TYPE_FP32", about=about)
    if not io.dims:
        fix = "Write `dims`; `dims: [ 1 ]` and an empty `reshape` where the model has no axis."
        yield case.blocks(COMPLETE, way, "no dims", "one axis at least", fix=fix, about=about)
    yield from _zero_axes(case, io.dims, f"{way}.dims", COMPLETE, about)
    if io.HasField("reshape"):
        yield from _zero_axes(case, io.reshape.shape, f"{way}.reshape.shape", RESHAPE, about)
        yield from _reshape(case, io, way, about)
    yield from _of_tensorrt(case, io, way, about)


def _zero_axes(case: Case, dims: Any, way: str, rule: Rule, about: str) -> Iterator[Point]:
    for index, dim in enumerate(dims):
        if dim < 1 and dim != ANY:
            expected = "1 or more, or -1 for any length"
            yield case.blocks(rule, f"{way}[{index}]", f"axis {dim}", expected, about=about)


def _reshape(case: Case, io: Any, way: str, about: str) -> Iterator[Point]:
    dims, shape = list(io.dims), list(io.reshape.shape)
    count, reshaped = elements(dims), elements(shape)
    way = f"{way}.reshape"
    if not shape and case.message.max_batch_size == 0:
        yield case.blocks(
            RESHAPE,
            way,
            "an empty shape, and max_batch_size 0",
            "axes",
            fix="Remove `reshape`: without a batch, `dims: [ 1 ]` alone serves a scalar.",
            about=about,
        )
    elif count != reshaped and (reshaped != 0 or count != 1):
        found = f"{shown_dims(shape)} of {shown_dims(dims)}"
        yield case.blocks(RESHAPE, way, found, "as many elements", about=about)
    elif count == ANY and _products(dims) != _products(shape):
        found = f"{shown_dims(shape)} of {shown_dims(dims)}"
        expected = "the same products before, between and behind each -1"
        yield case.blocks(RESHAPE, way, found, expected, about=about)


def _products(dims: list[int]) -> list[int]:
    """Of axes before, between and behind those of any length."""
    products = [1]
    for dim in dims:
        if dim == ANY:
            products.append(1)
        else:
            products[-1] *= dim
    return products


def _of_tensorrt(case: Case, io: Any, way: str, about: str) -> Iterator[Point]:
    for field in ("is_shape_tensor", "is_non_linear_format_io"):
        if getattr(io, field) and case.message.platform != _PLAN:
            found = f"{field} of backend {quoted(case.message.backend)}"
            yield case.blocks(OF_TENSORRT, f"{way}.{field}", found, "tensorrt", about=about)
    of_image = way.startswith("input") and io.format
    if (of_image or io.is_non_linear_format_io) and len(io.dims) != 3:
        field = "format" if of_image else "is_non_linear_format_io"
        found = f"{len(io.dims)} axes with {field}"
        yield case.blocks(OF_TENSORRT, f"{way}.{field}", found, "3", about=about)


def _batch_io(case: Case) -> Iterator[Point]:
    message = case.message
    for kind in ("batch_input", "batch_output"):
        for index, extra in enumerate(getattr(message, kind)):
            yield from _sources(case, extra, f"{kind}[{index}].source_input")
    for index, extra in enumerate(message.batch_input):
        if type_name(extra.data_type) not in ("TYPE_INT32", "TYPE_FP32"):
            found = type_name(extra.data_type)
            at = f"batch_input[{index}].data_type"
            yield case.blocks(BATCH_IO, at, found, "TYPE_INT32 or TYPE_FP32")
    for index, extra in enumerate(message.batch_output):
        yield from _targets(case, extra, f"batch_output[{index}].target_name")


def _sources(case: Case, extra: Any, way: str) -> Iterator[Point]:
    inputs = [io.name for io in case.message.input]
    if len(extra.source_input) != 1:
        yield case.blocks(BATCH_IO, way, f"{len(extra.source_input)} source inputs", "1")
    for index, name in enumerate(extra.source_input):
        if name not in inputs:
            yield case.blocks(BATCH_IO, f"{way}[{index}]", quoted(name), _one_of(name, inputs))


def _targets(case: Case, extra: Any, way: str) -> Iterator[Point]:
    outputs = [io.name for io in case.message.output]
    if not extra.target_name:
        # Not refused: Triton 24.10 reads the first all the same, and all of the server ends.
        yield case.blocks(BATCH_IO, way, "no target, at which the whole server ends", "an output")
    seen: set[str] = set()
    for index, name in enumerate(extra.target_name):
        if name not in outputs:
            yield case.blocks(BATCH_IO, f"{way}[{index}]", quoted(name), _one_of(name, outputs))
        elif name in seen:
            yield case.blocks(BATCH_IO, f"{way}[{index}]", f"{quoted(name)} again", "it once")
        seen.add(name)


def _one_of(name: str, names: list[str]) -> str:
    near = nearest(name, names)
    return quoted(near) if near else f"one of {', '.join(map(quoted, names)) or 'none'}"


def _against_model(case: Case) -> Iterator[Point]:
    assert case.signature is not None
    inputs, outputs = case.signature.inputs, case.signature.outputs
    yield from _unservable(case, inputs, outputs)
    by_name = {"input": _by_name(inputs), "output": _by_name(outputs)}
    yield from _batching(case, by_name)
    for kind, known in by_name.items():
        for index, io in enumerate(getattr(case.message, kind)):
            way = f"{kind}[{index}]"
            if io.name in known:
                yield from _pair(case, io, known[io.name], way)
            elif io.name:
                expected = _one_of(io.name, list(known))
                yield case.blocks(NAMES, f"{way}.name", quoted(io.name), expected, about=way)
    yield from _missing(case, inputs)
    yield from _unserved(case, outputs)


def _unserved(case: Case, outputs: tuple[TensorInfo, ...]) -> Iterator[Point]:
    served = {io.name for io in case.message.output}
    if not served <= {output.name for output in outputs}:
        # One has a wrong name, which is told.
        return
    served |= {state.output_name for state in case.message.sequence_batching.state}
    for output in outputs:
        if output.name not in served:
            found = "the model's, and no client gets it"
            yield case.remark(NAMES, "output", found, about=_about("output", output.name))


def _by_name(tensors: tuple[TensorInfo, ...]) -> dict[str, TensorInfo]:
    return {tensor.name: tensor for tensor in tensors}


def _unservable(
    case: Case, inputs: tuple[TensorInfo, ...], outputs: tuple[TensorInfo, ...]
) -> Iterator[Point]:
    """Of all that the model has: the backend looks at each, also where none is asked for."""
    for kind, tensors in (("input", inputs), ("output", outputs)):
        for tensor in tensors:
            if tensor.kind != "tensor":
                about = _about(kind, tensor.name)
                found = f"a {tensor.kind.replace('_', ' ')} in the model"
                yield case.blocks(TENSORS, kind, found, "a tensor", about=about)


def _batching(case: Case, by_name: Mapping[str, Mapping[str, TensorInfo]]) -> Iterator[Point]:
    """Tensors of the configuration that cannot take a batch."""
    if case.message.max_batch_size <= 0:
        return
    for kind, known in by_name.items():
        for io in getattr(case.message, kind):
            dims = axes(known[io.name]) if io.name in known else None
            if dims and dims[0] != ANY and not _is_apart(case, io, kind):
                about = _about(kind, io.name)
                found = (
                    f"max_batch_size {case.message.max_batch_size}, and {about} of shape "
                    f"{shown_dims(dims)}"
                )
                yield case.blocks(BATCH_SIZE, "max_batch_size", found, "a free first axis")


def _is_apart(case: Case, io: Any, kind: str) -> bool:
    """Whether the tensor's batch is not its first axis: ragged inputs, and batch outputs."""
    if kind == "input":
        return bool(io.allow_ragged_batch)
    return any(io.name in extra.target_name for extra in case.message.batch_output)


def _pair(case: Case, io: Any, tensor: TensorInfo, way: str) -> Iterator[Point]:
    """One tensor of the configuration and the model's of its name."""
    kind = way.partition("[")[0]
    about = _about(kind, io.name)
    yield from _type(case, io, tensor, way, about)
    if kind == "input":
        yield from _optional(case, io, tensor, way, about)
    if not _is_apart(case, io, kind):
        yield from _dims(case, io, tensor, way, about)


def _type(case: Case, io: Any, tensor: TensorInfo, way: str, about: str) -> Iterator[Point]:
    said = type_name(io.data_type)
    known = TRITON_TYPES.get(tensor.dtype, "")
    if tensor.kind != "tensor" or said == "TYPE_INVALID":
        return
    if not known:
        # Whatever the configuration says: it has no name for such a type.
        found = f"{tensor.dtype or 'no type'} in the model"
        expected = f"one of {', '.join(TRITON_TYPES)}"
        yield case.blocks(TENSORS, way, found, expected, about=about)
    elif ONNX_TYPES.get(said) != tensor.dtype:
        fix = f"Write `data_type: {known}`."
        expected = f"{known}, for {tensor.dtype} in the model"
        yield case.blocks(TYPES, f"{way}.data_type", said, expected, fix=fix, about=about)


def _optional(case: Case, io: Any, tensor: TensorInfo, way: str, about: str) -> Iterator[Point]:
    at = f"{way}.optional"
    if io.optional and case.message.max_batch_size > 0:
        found = f"optional, with max_batch_size {case.message.max_batch_size}"
        yield case.blocks(OPTIONAL, at, found, "max_batch_size 0", about=about)
    elif io.optional and not tensor.is_optional:
        found = "optional, and without a value in the model"
        yield case.blocks(OPTIONAL, at, found, "a value to use instead", about=about)
    elif tensor.is_optional and not io.optional:
        found = "not optional, and with a value in the model"
        fix = "Write `optional: true`, or remove the input."
        yield case.blocks(OPTIONAL, way, found, "optional: true", fix=fix, about=about)
    if io.allow_ragged_batch:
        dims = axes(tensor)
        if io.optional or (dims is not None and dims != (ANY,)):
            found = f"ragged, and {shown_dims(dims or ())} in the model"
            if io.optional:
                found = "ragged and optional"
            at = f"{way}.allow_ragged_batch"
            yield case.blocks(OPTIONAL, at, found, "[-1] in the model", about=about)


def _dims(case: Case, io: Any, tensor: TensorInfo, way: str, about: str) -> Iterator[Point]:
    dims = axes(tensor)
    said = dims_of(io)
    way = f"{way}.reshape.shape" if io.HasField("reshape") else f"{way}.dims"
    batch = case.message.max_batch_size > 0
    if dims is None and case.is_inferred:
        # To Triton, which asks ONNX Runtime, it is one without axes; answers keep what they have.
        if any(dim != 1 for dim in said):
            yield case.blocks(DIMS, way, shown_dims(said), "[1], for want of a rank", about=about)
    elif dims is None:
        found = "a model that does not tell its rank"
        expected = "a rank, which ONNX Runtime takes for 0 otherwise"
        yield case.doubts(DIMS, way, found, expected, about=about)
    elif not dims and batch:
        found = f"max_batch_size {case.message.max_batch_size}"
        fix = "Write `max_batch_size: 0`."
        expected = "0, for a tensor without axes, which a batch cannot be told by"
        yield case.blocks(DIMS, "max_batch_size", found, expected, fix=fix, about=about)
    elif not dims:
        if any(dim != 1 for dim in said):
            yield case.blocks(DIMS, way, shown_dims(said), "[1], for a scalar", about=about)
    elif not batch or dims[0] == ANY:
        whole = [ANY, *said] if batch else said
        is_output = way.startswith("output")
        expected, fix = _expected_dims(case, whole, dims)
        if not fits(whole, dims) or (is_output and list(dims) != whole and case.is_inferred):
            yield case.blocks(DIMS, way, shown_dims(said), expected, fix=fix, about=about)
        elif is_output and list(dims) != whole:
            # Outputs have to be equal, but ONNX Runtime may infer what the model leaves open.
            expected = f"{expected}, unless ONNX Runtime infers more"
            yield case.doubts(DIMS, way, shown_dims(said), expected, fix=fix, about=about)


def _expected_dims(case: Case, said: list[int], dims: tuple[int, ...]) -> tuple[str, str]:
    size = case.message.max_batch_size
    if size > 0:
        own = f"{shown_dims(dims[1:])}, as the model has {shown_dims(dims)}"
        if said[1:] == list(dims):
            return own, "Leave the batch axis out of `dims`: max_batch_size stands for it."
        if len(dims) == 1:
            return own, "Write `dims: [ 1 ]` and `reshape { shape: [ ] }`."
        return own, f"Write `dims: [ {', '.join(map(str, dims[1:]))} ]`."
    fix = f"Write `dims: [ {', '.join(map(str, dims))} ]`."
    if list(dims[1:]) == said and dims[0] == ANY:
        fix = f"Write the batch axis too, or a `max_batch_size` above 0. {fix}"
    return f"{shown_dims(dims)}, as the model has", fix


def _missing(case: Case, inputs: tuple[TensorInfo, ...]) -> Iterator[Point]:
    """Inputs of the model that nobody gives it: the backend counts them."""
    message = case.message
    given = {io.name for io in message.input}
    given |= {name for extra in message.batch_input for name in extra.target_name}
    batcher = message.sequence_batching
    given |= {control.name for control in batcher.control_input}
    given |= {state.input_name for state in batcher.state}
    for tensor in needed(inputs):
        if tensor.name not in given and tensor.kind == "tensor":
            found = "the model's, and not in the configuration"
            fix = f"Add it to `input`: name {quoted(tensor.name)}."
            about = _about("input", tensor.name)
            yield case.blocks(NAMES, "input", found, "all inputs", fix=fix, about=about)
