"""Dynamic batching, sequences, and what a scheduler is told."""

from __future__ import annotations

from onnx import TensorProto

from registry.testing.triton_pairs import Pair, single
from registry.testing.triton_pairs.making import config, graph, node, relu, tensor

_BOOLEAN = "src/onnxruntime.cc ModelInstanceState::ValidateBooleanSequenceControl"
_TYPED = "src/onnxruntime.cc ModelInstanceState::ValidateTypedSequenceControl"
_INPUTS = "src/onnxruntime.cc ModelInstanceState::ValidateInputs"
#: Which means to check states, and by a slip does so only where there are none.
_OUTPUTS = "src/onnxruntime.cc ModelInstanceState::ValidateOutputs"
#: From x to y, with what a sequence's controls may be bound to.
_CONTROLLED = graph(
    [node("Mul", "x start", "m"), node("Mul", "m ready", "y"), node("Identity", "id", "id_out")],
    [
        tensor("x", ("n", 4)),
        tensor("start", ("n", 1)),
        tensor("ready", ("n", 1)),
        tensor("id", ("n", 1), TensorProto.UINT64),
    ],
    [tensor("y", ("n", 4)), tensor("id_out", ("n", 1), TensorProto.UINT64)],
)
_STATEFUL = graph(
    [node("Add", "x before", "y"), node("Identity", "y", "after")],
    [tensor("x", ("n", 4)), tensor("before", ("n", 4))],
    [tensor("y", ("n", 4)), tensor("after", ("n", 4))],
)


def _control(name: str, kind: str, how: str = "fp32_false_true: [ 0, 1 ]") -> str:
    return f'control_input [{{ name: "{name}" control [{{ kind: {kind} {how} }}] }}]'


_START = _control("start", "CONTROL_SEQUENCE_START")
_READY = _control("ready", "CONTROL_SEQUENCE_READY")
_ID = _control("id", "CONTROL_SEQUENCE_CORRID", "data_type: TYPE_UINT64")


def _sequence(*parts: str) -> str:
    return f"sequence_batching {{ {' '.join(parts)} }}"


def _state(before: str, after: str, dtype: str = "TYPE_FP32", dims: str = "4") -> str:
    names = f'input_name: "{before}" output_name: "{after}"'
    return f"state [{{ {names} data_type: {dtype} dims: [ {dims} ] }}]"


def _refused(name: str, text: str, core: str, model: bytes | None = None) -> Pair:
    return single(name, text, model or relu(), core=core)


_DYNAMIC = (
    single("dynamic", config("dynamic_batching { }"), relu()),
    single(
        "dynamic_preferred",
        config(
            "dynamic_batching { preferred_batch_size: [ 4, 8 ] max_queue_delay_microseconds: 100 }"
        ),
        relu(),
    ),
    _refused(
        "dynamic_preferred_too_large",
        config("dynamic_batching { preferred_batch_size: [ 16 ] }"),
        "dynamic batching preferred size must be <= max batch size",
    ),
    _refused(
        "dynamic_preferred_zero",
        config("dynamic_batching { preferred_batch_size: [ 0 ] }"),
        "dynamic batching preferred size must be positive",
    ),
    _refused(
        "dynamic_delay_negative",
        config("dynamic_batching { max_queue_delay_microseconds: -1 }"),
        "Expected integer",
    ),
    single(
        "dynamic_unbatched",
        config(
            "dynamic_batching { }",
            batch=0,
            x='input [{ name: "x" data_type: TYPE_FP32 dims: [ -1, 4 ] }]',
            y='output [{ name: "y" data_type: TYPE_FP32 dims: [ -1, 4 ] }]',
        ),
        relu(),
    ),
    single("dynamic_batch_of_one", config("dynamic_batching { }", batch=1), relu()),
    single(
        "dynamic_priorities",
        config("dynamic_batching { priority_levels: 2 default_priority_level: 1 }"),
        relu(),
    ),
    _refused(
        "dynamic_no_default_priority",
        config("dynamic_batching { priority_levels: 2 }"),
        r"default priority level must be in range \[1, 2\]",
    ),
    _refused(
        "dynamic_policy_of_no_priority",
        config(
            "dynamic_batching { priority_levels: 2 default_priority_level: 1 "
            "priority_queue_policy { key: 3 value { max_queue_size: 4 } } }"
        ),
        r"priority queue policy must have priority level in range \[1, 2\]",
    ),
    _refused(
        "dynamic_order_and_priorities",
        config(
            "dynamic_batching { preserve_ordering: true priority_levels: 2 "
            "default_priority_level: 1 }"
        ),
        "Only one priority level is allowed when 'preserve_ordering' is true",
    ),
    _refused(
        "dynamic_order_and_delay",
        config(
            "dynamic_batching { preserve_ordering: true default_queue_policy "
            "{ timeout_action: DELAY default_timeout_microseconds: 5 } }"
        ),
        "can not have DELAY as timeout action when 'preserve_ordering' is true",
    ),
)
_SEQUENCES = (
    single("sequence_plain", config(_sequence()), relu()),
    single("sequence_oldest", config(_sequence("oldest { max_candidate_sequences: 4 }")), relu()),
    single(
        "sequence_controls",
        config(
            _sequence(_START, _READY, _ID),
            y='output [{ name: "y" data_type: TYPE_FP32 dims: [ 4 ] }]',
        ),
        _CONTROLLED,
    ),
    single(
        "sequence_control_missing",
        config(_sequence(_control("end", "CONTROL_SEQUENCE_END"))),
        relu(),
        backend="sequence control 'end', but model does not provide that input",
        source=_BOOLEAN,
    ),
    single(
        "sequence_control_shape",
        config(_sequence(_control("before", "CONTROL_SEQUENCE_START"))),
        _STATEFUL,
        backend=r"sequence control 'before' in model has dims \[4\] but dims \[1\] is expected",
        source=_BOOLEAN,
    ),
    single(
        "sequence_control_type",
        config(
            _sequence(
                _control("start", "CONTROL_SEQUENCE_START", "int32_false_true: [ 0, 1 ]"),
                _READY,
                _ID,
            )
        ),
        _CONTROLLED,
        backend="model expects data-type FLOAT but the .* specifies data-type TYPE_INT32",
        source=_BOOLEAN,
    ),
    single(
        "sequence_id_type",
        config(_sequence(_START, _READY, _ID.replace("UINT64", "INT64"))),
        _CONTROLLED,
        backend="model expects data-type UINT64 but the .* specifies data-type TYPE_INT64",
        source=_TYPED,
    ),
    single(
        "sequence_controls_too_few",
        config(_sequence(_START, _READY)),
        _CONTROLLED,
        backend="configuration expects 3 inputs, model provides 4",
        source=_INPUTS,
    ),
    _refused(
        "sequence_id_of_floats",
        config(_sequence(_START, _READY, _ID.replace("UINT64", "FP32"))),
        "unexpected data type for control CONTROL_SEQUENCE_CORRID",
        _CONTROLLED,
    ),
    _refused(
        "sequence_two_meanings",
        config(
            _sequence(
                _control(
                    "start",
                    "CONTROL_SEQUENCE_START",
                    "fp32_false_true: [ 0, 1 ] int32_false_true: [ 0, 1 ]",
                )
            )
        ),
        "specifies more than one from 'int32_false_true', 'fp32_false_true'",
        _CONTROLLED,
    ),
    _refused(
        "sequence_no_meaning",
        config(_sequence(_control("start", "CONTROL_SEQUENCE_START", ""))),
        "must specify either 'int32_false_true', 'fp32_false_true' or",
        _CONTROLLED,
    ),
    _refused(
        "sequence_one_value",
        config(_sequence(_control("start", "CONTROL_SEQUENCE_START", "fp32_false_true: [ 1 ]"))),
        "'fp32_false_true' must have exactly 2 entries",
        _CONTROLLED,
    ),
    _refused(
        "sequence_control_twice",
        config(_sequence(_START, _control("ready", "CONTROL_SEQUENCE_START"))),
        "specifies multiple CONTROL_SEQUENCE_START tensors",
        _CONTROLLED,
    ),
    _refused(
        "sequence_control_without_name",
        config(_sequence(_START.replace('name: "start"', ""))),
        "sequence batching control tensor must have a name",
        _CONTROLLED,
    ),
    _refused(
        "sequence_preferred_too_large",
        config(_sequence("oldest { max_candidate_sequences: 4 preferred_batch_size: [ 16 ] }")),
        "sequence batching preferred batch size must be <= max batch size",
    ),
    _refused(
        "sequence_slots",
        config(_sequence("direct { minimum_slot_utilization: 1.5 }")),
        "minimum slot utilization must be in range",
    ),
    _refused(
        "sequence_two_strategies",
        config(_sequence("direct { } oldest { }")),
        "is specified along with field",
    ),
    _refused(
        "sequence_and_cache",
        config(_sequence(), "response_cache { enable: true }"),
        "Response Cache does not currently support model .* with sequence batching",
    ),
    single("state_plain", config(_sequence(_state("before", "after"))), _STATEFUL),
    single(
        "state_left_out",
        config(_sequence()),
        _STATEFUL,
        backend="configuration expects 1 inputs, model provides 2",
        source=_INPUTS,
    ),
    single(
        "state_other_input",
        config(_sequence(_state("q", "after"))),
        _STATEFUL,
        source=_OUTPUTS,
        fails_in_use=True,
    ),
    single(
        "state_other_output",
        config(_sequence(_state("before", "q"))),
        _STATEFUL,
        source=_OUTPUTS,
        fails_in_use=True,
    ),
    single(
        "state_other_type",
        config(_sequence(_state("before", "after", "TYPE_INT32"))),
        _STATEFUL,
        source=_OUTPUTS,
        fails_in_use=True,
    ),
    single(
        "state_other_shape",
        config(_sequence(_state("before", "after", dims="3"))),
        _STATEFUL,
        source=_OUTPUTS,
        fails_in_use=True,
    ),
    single(
        "state_without_name",
        config(_sequence(_state("", "after"))),
        _STATEFUL,
        source=_OUTPUTS,
        fails_in_use=True,
    ),
    single(
        "state_twice",
        config(_sequence(_state("before", "after"), _state("before", "after"))),
        _STATEFUL,
        backend="configuration expects 3 inputs, model provides 2",
        source=_INPUTS,
    ),
)

BATCHING: tuple[Pair, ...] = (*_DYNAMIC, *_SEQUENCES)
