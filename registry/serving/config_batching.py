"""Rules of config.pbtxt: how requests become batches, and sequences.

Sources: core/src/model_config_utils.cc, `ValidateModelConfig` and
`GetBooleanSequenceControlProperties`; core/src/sequence_batch_scheduler.cc, `Create` and
`GenerateInitialStateData`; core/src/sequence_state.cc, `Initialize`; for controls of ONNX models
onnxruntime_backend/src/onnxruntime.cc, `ValidateBooleanSequenceControl`. That two schedulers stand
in one configuration is no text of the message, which has them in one `oneof`: see `pbtxt.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tritonclient.grpc import model_config_pb2

from registry.domain.readiness import Point, TensorInfo
from registry.formats.look import Rule, quoted
from registry.serving.config_case import Case
from registry.serving.config_values import (
    ANY,
    BYTES,
    ONNX_TYPES,
    TRITON_TYPES,
    axes,
    elements,
    fits,
    shown_dims,
    type_name,
)
from registry.serving.pbtxt import keyed, nearest

SIZES = Rule(
    "CONFIG-17",
    "Preferred batch sizes are from 1 to max_batch_size.",
    "Leave `preferred_batch_size` out, or keep it within max_batch_size.",
)
PRIORITIES = Rule(
    "CONFIG-18",
    "Priorities are from 1 to priority_levels; what keeps the order has one level, and delays "
    "nothing.",
    "Set `default_priority_level`, or leave priorities out.",
)
CONTROLS = Rule(
    "CONFIG-19",
    "Each control of a sequence is one input of the model, of shape [1], with its two values or "
    "its type.",
    "Complete the control.",
)
STRATEGY = Rule(
    "CONFIG-20",
    "The strategy of a sequence batcher has shares from 0 to 1, and sizes within the batch.",
    "Correct the field.",
)
STATES = Rule(
    "CONFIG-21",
    "A state is one input and one output of the model, and begins with data of its own type and "
    "shape.",
    "Complete the state.",
)
RULES = (SIZES, PRIORITIES, CONTROLS, STRATEGY, STATES)

#: Of `ModelQueuePolicy.timeout_action`.
_DELAY = 1
_CORRELATION = "CONTROL_SEQUENCE_CORRID"
_CORRELATION_TYPES = ("TYPE_UINT64", "TYPE_INT64", "TYPE_UINT32", "TYPE_INT32", "TYPE_STRING")
#: Fields of a control with its two values, and the type that they make of its input.
_VALUES = {
    "int32_false_true": "TYPE_INT32",
    "fp32_false_true": "TYPE_FP32",
    "bool_false_true": "TYPE_BOOL",
}


def check(case: Case) -> Iterator[Point]:
    match case.message.WhichOneof("scheduling_choice"):
        case "dynamic_batching":
            yield from _dynamic(case)
        case "sequence_batching":
            yield from _strategy(case)
            yield from _controls(case)
            names: set[str] = set()
            for index, state in enumerate(case.message.sequence_batching.state):
                way = f"sequence_batching.state[{index}]"
                yield from _state(case, state, way)
                if state.input_name in names:
                    found = f"a second state of input {quoted(state.input_name)}"
                    yield case.blocks(STATES, f"{way}.input_name", found, "one")
                names.add(state.input_name)


def _dynamic(case: Case) -> Iterator[Point]:
    batcher, limit = case.message.dynamic_batching, case.message.max_batch_size
    yield from _sizes(case, SIZES, "dynamic_batching", batcher.preferred_batch_size)
    if limit < 2 and "dynamic_batching" in case.config.positions:
        found = f"dynamic_batching with max_batch_size {limit}, which makes no batches"
        yield case.remark(SIZES, "dynamic_batching", found, "a max_batch_size above 1")
    yield from _priorities(case, batcher)
    if batcher.preserve_ordering:
        yield from _order(case, batcher)


def _sizes(case: Case, rule: Rule, way: str, sizes: Any) -> Iterator[Point]:
    limit = case.message.max_batch_size
    for index, size in enumerate(sizes):
        if not 0 < size <= limit:
            at = f"{way}.preferred_batch_size[{index}]"
            expected = f"1 to max_batch_size, which is {limit}"
            yield case.blocks(rule, at, str(size), expected)


def _priorities(case: Case, batcher: Any) -> Iterator[Point]:
    levels = batcher.priority_levels
    if not levels:
        return
    way = "dynamic_batching"
    if not 0 < batcher.default_priority_level <= levels:
        at = f"{way}.default_priority_level"
        found = str(batcher.default_priority_level or "none")
        yield case.blocks(PRIORITIES, at, found, f"1 to priority_levels, which is {levels}")
    for level in batcher.priority_queue_policy:
        if not 0 < level <= levels:
            at = keyed(f"{way}.priority_queue_policy", level)
            yield case.blocks(PRIORITIES, at, f"level {level}", f"1 to {levels}")


def _order(case: Case, batcher: Any) -> Iterator[Point]:
    way = "dynamic_batching"
    if batcher.priority_levels > 1:
        found = f"{batcher.priority_levels} levels with preserve_ordering"
        yield case.blocks(PRIORITIES, f"{way}.priority_levels", found, "1")
    policies = {f"{way}.default_queue_policy": batcher.default_queue_policy} | {
        keyed(f"{way}.priority_queue_policy", level): policy
        for level, policy in batcher.priority_queue_policy.items()
    }
    for at, policy in policies.items():
        if policy.default_timeout_microseconds and policy.timeout_action == _DELAY:
            found = "timeout_action DELAY with preserve_ordering"
            yield case.blocks(PRIORITIES, f"{at}.timeout_action", found, "REJECT")


def _strategy(case: Case) -> Iterator[Point]:
    batcher = case.message.sequence_batching
    share = batcher.direct.minimum_slot_utilization
    if not 0 <= share <= 1:
        at = "sequence_batching.direct.minimum_slot_utilization"
        yield case.blocks(STRATEGY, at, f"{share:g}", "0 to 1")
    if batcher.HasField("oldest"):
        way = "sequence_batching.oldest"
        yield from _sizes(case, STRATEGY, way, batcher.oldest.preferred_batch_size)
        if batcher.oldest.max_candidate_sequences <= 0:
            # It loads, and has no place for any sequence.
            found = str(batcher.oldest.max_candidate_sequences or "none")
            at = f"{way}.max_candidate_sequences"
            yield case.remark(STRATEGY, at, found, "the sequences that may be open at a time")


def _controls(case: Case) -> Iterator[Point]:
    seen: set[str] = set()
    kinds: defaultdict[str, list[str]] = defaultdict(list)
    for index, tensor in enumerate(case.message.sequence_batching.control_input):
        way = f"sequence_batching.control_input[{index}]"
        about = f"control {quoted(tensor.name)}" if tensor.name else way
        if not tensor.name:
            yield case.blocks(CONTROLS, way, "no name", "the name of an input", about=about)
        elif tensor.name in seen:
            found = "a second control_input of that name"
            yield case.blocks(CONTROLS, way, found, "one for each tensor", about=about)
        seen.add(tensor.name)
        for position, control in enumerate(tensor.control):
            at = f"{way}.control[{position}]"
            kind = _kind(control)
            kinds[kind].append(at)
            yield from _control(case, tensor.name, kind, control, at, about)
    for kind, ways in kinds.items():
        for at in ways[1:]:
            yield case.blocks(CONTROLS, at, f"a second {kind}", "one")


def _kind(control: Any) -> str:
    kinds = model_config_pb2.ModelSequenceBatching.Control.Kind
    return str(kinds.Name(control.kind)) if control.kind in kinds.values() else "no kind"


def _control(
    case: Case, name: str, kind: str, control: Any, way: str, about: str
) -> Iterator[Point]:
    given = {field: list(getattr(control, field)) for field in _VALUES if getattr(control, field)}
    data_type = ""
    if kind == _CORRELATION:
        data_type = type_name(control.data_type)
        if given:
            found = f"{' and '.join(given)} of {kind}"
            yield case.blocks(CONTROLS, way, found, "data_type alone", about=about)
        elif data_type not in _CORRELATION_TYPES:
            expected = f"one of {', '.join(_CORRELATION_TYPES)}"
            yield case.blocks(CONTROLS, f"{way}.data_type", data_type, expected, about=about)
    elif len(given) != 1:
        found = f"{' and '.join(given) or 'no values'} of {kind}"
        yield case.blocks(CONTROLS, way, found, f"one of {', '.join(_VALUES)}", about=about)
    else:
        (field, values), *_ = given.items()
        data_type = _VALUES[field]
        if len(values) != 2:
            found = f"{len(values)} values of {kind}"
            yield case.blocks(CONTROLS, f"{way}.{field}", found, "2", about=about)
    if case.is_onnx and case.signature is not None and data_type in ONNX_TYPES and name:
        yield from _control_of_model(case, name, data_type, way, about)


def _control_of_model(
    case: Case, name: str, data_type: str, way: str, about: str
) -> Iterator[Point]:
    assert case.signature is not None
    inputs = {tensor.name: tensor for tensor in case.signature.inputs}
    if name not in inputs:
        near = nearest(name, inputs)
        expected = quoted(near) if near else f"one of {', '.join(map(quoted, inputs))}"
        yield case.blocks(CONTROLS, way, "no input of the model", expected, about=about)
        return
    dims = axes(inputs[name])
    free = 1 if case.message.max_batch_size > 0 else 0
    if dims is not None and list(dims[free:]) != [1]:
        found = f"{shown_dims(dims)} in the model"
        expected = "[-1, 1]" if free else "[1]"
        yield case.blocks(CONTROLS, way, found, expected, about=about)
    if ONNX_TYPES[data_type] != inputs[name].dtype:
        found = f"{data_type} for {inputs[name].dtype} in the model"
        yield case.blocks(CONTROLS, way, found, "the model's type", about=about)


def _state(case: Case, state: Any, way: str) -> Iterator[Point]:
    about = f"state {quoted(state.input_name)}"
    if case.is_onnx and case.signature is not None:
        for field, tensors in (
            ("input_name", case.signature.inputs),
            ("output_name", case.signature.outputs),
        ):
            name, known = getattr(state, field), [tensor.name for tensor in tensors]
            if name not in known:
                near = nearest(name, known)
                expected = quoted(near) if near else f"one of {', '.join(map(quoted, known))}"
                found = f"{quoted(name)}, which the model does not have"
                yield case.blocks(STATES, f"{way}.{field}", found, expected, about=about)
            else:
                tensor = tensors[known.index(name)]
                yield from _state_tensor(case, state, tensor, way, about)
    if state.use_growable_memory and not state.use_same_buffer_for_input_output:
        found = "use_growable_memory without use_same_buffer_for_input_output"
        at = f"{way}.use_growable_memory"
        yield case.blocks(STATES, at, found, "both", about=about)
    if len(state.initial_state) > 1:
        found = f"{len(state.initial_state)} initial states"
        yield case.blocks(STATES, f"{way}.initial_state", found, "1", about=about)
    for initial in state.initial_state[:1]:
        yield from _initial(case, state, initial, f"{way}.initial_state[0]", about)


def _state_tensor(
    case: Case, state: Any, tensor: TensorInfo, way: str, about: str
) -> Iterator[Point]:
    """Nobody compares these when the model is loaded; the first request fails."""
    said, wanted = type_name(state.data_type), TRITON_TYPES.get(tensor.dtype, "")
    if said != wanted:
        expected = f"{wanted}, for {quoted(tensor.name)} in the model"
        yield case.blocks(STATES, f"{way}.data_type", said, expected, about=about)
    own = axes(tensor)
    whole = [*([ANY] if case.message.max_batch_size > 0 else []), *state.dims]
    if own is not None and not fits(whole, own):
        free = own[1:] if case.message.max_batch_size > 0 else own
        expected = f"{shown_dims(free)}, for {quoted(tensor.name)} in the model"
        yield case.blocks(STATES, f"{way}.dims", shown_dims(state.dims), expected, about=about)


def _initial(case: Case, state: Any, initial: Any, way: str, about: str) -> Iterator[Point]:
    if initial.data_type != state.data_type:
        found, expected = type_name(initial.data_type), f"{type_name(state.data_type)}, the state's"
        yield case.blocks(STATES, f"{way}.data_type", found, expected, about=about)
    if not initial.name:
        yield case.blocks(STATES, way, "no name", "a name", about=about)
    said, own = list(initial.dims), list(state.dims)
    fits = len(said) == len(own) and all(
        dim != ANY and wide in (ANY, dim) for dim, wide in zip(said, own, strict=True)
    )
    if not fits:
        expected = f"{shown_dims(own)}, the state's, with a number for each axis"
        yield case.blocks(STATES, f"{way}.dims", shown_dims(said), expected, about=about)
    match initial.WhichOneof("state_data"):
        case None:
            yield case.blocks(STATES, way, "no data", "zero_data or data_file", about=about)
        case "data_file":
            path = f"initial_state/{initial.data_file}"
            size = case.place.sizes.get(path)
            expected_bytes = elements(said) * BYTES.get(type_name(initial.data_type), 0)
            is_text = type_name(initial.data_type) == "TYPE_STRING"
            if size is None:
                at = f"{way}.data_file"
                yield case.blocks(STATES, at, f"no file {quoted(path)}", "one", about=about)
            elif fits and not is_text and size < expected_bytes:
                found = f"{size:,} bytes in {quoted(path)}"
                at, expected = f"{way}.data_file", f"{expected_bytes:,}"
                yield case.blocks(STATES, at, found, expected, about=about)
