"""What each rule of config.pbtxt finds, and that sound configurations have nothing to be found."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from registry.domain.readiness import Point, Signature, TensorInfo, Weight
from registry.serving.config_rules import RULES, check, unreadable
from registry.serving.pbtxt import PbtxtError, parse
from registry.serving.repository import places


@dataclass(frozen=True)
class Release:
    name: str = "24.10"
    server: str = "2.51.0"
    tensorrt: str = "10.4.0.26"


X = TensorInfo(name="X", dtype="FLOAT", dims=("n", 4))
Y = TensorInfo(name="Y", dtype="FLOAT", dims=("n", 4))
Z = TensorInfo(name="Z", dtype="FLOAT", dims=("n", 1))
W = TensorInfo(name="W", dtype="FLOAT", dims=("n", 1))
ONE = Signature(inputs=(X,), outputs=(Y,))
TWO = Signature(inputs=(X, Z), outputs=(Y, W))


def model(*tensors: TensorInfo) -> Signature:
    """All but the last are inputs."""
    return Signature(inputs=tensors[:-1], outputs=tensors[-1:])


def axes(name: str, *dims: int | str | None, dtype: str = "FLOAT") -> TensorInfo:
    return TensorInfo(name=name, dtype=dtype, dims=dims)


IN = 'input { name: "X" data_type: TYPE_FP32 dims: [4] }\n'
OUT = 'output { name: "Y" data_type: TYPE_FP32 dims: [4] }\n'
IO = IN + OUT
FULL = IO.replace("[4]", "[-1, 4]")
HEAD = 'backend: "onnxruntime"\nmax_batch_size: 8\n'
BASE = HEAD + IO
UNBATCHED = 'backend: "onnxruntime"\n' + FULL
IO_TWO = IO + IN.replace("X", "Z").replace("4", "1") + OUT.replace("Y", "W").replace("4", "1")

BLOCKS, DOUBTS, REMARK = Weight.BLOCKS, Weight.DOUBTS, Weight.REMARK


@dataclass(frozen=True)
class Given:
    text: str
    signature: Signature | None = ONE
    files: dict[str, int] = field(default_factory=lambda: {"1/model.onnx": 75})
    #: Folders of models are called so.
    name: str = "m"
    #: Fields that the release does not know.
    unknown: frozenset[tuple[str, str]] = frozenset()


def look(given: Given) -> list[Point]:
    files = {f"{given.name}/{way}": size for way, size in given.files.items()}
    found, _ = places(files | {f"{given.name}/config.pbtxt": len(given.text)}, "unused")
    (place,) = found
    try:
        config = parse(given.text.encode())
    except PbtxtError as error:
        return [unreadable(error, place)]

    def is_known(message: str, name: str, server: str) -> bool:
        assert server == "2.51.0"
        return (message, name) not in given.unknown

    return list(check(config, given.signature, place, Release(), is_known))


def batching(text: str) -> str:
    return f"{BASE}dynamic_batching {{ {text} }}"


def sequence(text: str, base: str = BASE) -> str:
    return f"{base}sequence_batching {{ {text} }}"


def warm_up(text: str, batch_size: int = 1, base: str = BASE) -> str:
    return f'{base}model_warmup {{ name: "w" batch_size: {batch_size} {text} }}'


def data(name: str = "X", data_type: str = "FP32", dims: str = "4", source: str = "") -> str:
    source = source or "zero_data: true"
    value = f"data_type: TYPE_{data_type} dims: [{dims}] {source}"
    return f'inputs {{ key: "{name}" value {{ {value} }} }}'


def control(
    name: str = "Z", text: str = "kind: CONTROL_SEQUENCE_START fp32_false_true: [0, 1]"
) -> str:
    return f'control_input {{ name: "{name}" control {{ {text} }} }}'


def state(text: str = "", dims: str = "1", input_name: str = "Z") -> str:
    return (
        f'state {{ input_name: "{input_name}" output_name: "W" data_type: TYPE_FP32 '
        f"dims: [{dims}] {text} }}"
    )


def initial(text: str, dims: str = "1", data_type: str = "FP32") -> str:
    return f"initial_state {{ data_type: TYPE_{data_type} dims: [{dims}] {text} }}"


def accelerator(text: str, kind: str = "gpu") -> str:
    return (
        f"{BASE}optimization {{ execution_accelerators {{ {kind}_execution_accelerator "
        f"{{ {text} }} }} }}"
    )


def parameter(name: str, value: str) -> str:
    return f'{BASE}parameters {{ key: "{name}" value {{ string_value: "{value}" }} }}'


PYTHON = Given('backend: "python"\n' + FULL, None, {"1/model.py": 9})
PLAN = Given('platform: "tensorrt_plan" max_batch_size: 8\n' + IO, None, {"1/model.plan": 9})
ENSEMBLE = Given(
    'platform: "ensemble" max_batch_size: 8\n'
    + IO
    + 'ensemble_scheduling { step { model_name: "e" model_version: -1 '
    'input_map { key: "a" value: "X" } output_map { key: "b" value: "Y" } } }',
    None,
    {},
)
_OPTIONAL = TensorInfo(name="S", dtype="FLOAT", dims=(1,), is_optional=True)
_S = 'input { name: "S" data_type: TYPE_FP32 dims: [1] %s }\n'
_RAGGED = IN.replace("dims: [4]", "dims: [-1] allow_ragged_batch: true")
_LABELS = HEAD + IN + OUT.replace("[4]", '[4] label_filename: "l.txt"')
_SEQUENCE = HEAD + IO
_BATCH_INPUT = "batch_input { kind: BATCH_ELEMENT_COUNT target_name: 'Z' %s }"
_PRIORITY = "priority_levels: 2 default_priority_level: 1 "

#: Rule, weight, the text at the point's place, and what has just that wrong with it.
BROKEN: list[tuple[str, Weight, str, Given]] = [
    ("CONFIG-1", BLOCKS, "max_batch_sizes: 8", Given("max_batch_sizes: 8")),
    ("CONFIG-2", BLOCKS, 'name: "other"', Given('name: "other"\n' + BASE)),
    ("CONFIG-3", BLOCKS, 'platform: "onnxruntime"', Given('platform: "onnxruntime"\n' + IO)),
    (
        "CONFIG-3",
        BLOCKS,
        'platform: "onnx" backend: "onnxruntime"',
        Given('platform: "onnx" backend: "onnxruntime"\n' + FULL),
    ),
    ("CONFIG-3", BLOCKS, 'backend: "onnx"', Given('backend: "onnx"\n' + IO)),
    ("CONFIG-3", BLOCKS, 'backend: "ONNXRuntime"', Given('backend: "ONNXRuntime"\n' + IO)),
    ("CONFIG-3", DOUBTS, 'backend: "our_own"', Given('backend: "our_own"\n' + IO)),
    ("CONFIG-3", BLOCKS, "", Given(IO, None, {"1/net.onnx": 9})),
    ("CONFIG-3", BLOCKS, 'platform: "ensemble"', Given('platform: "ensemble"\n' + IO, None, {})),
    (
        "CONFIG-3",
        BLOCKS,
        'backend: "x" max_batch_size: 8',
        Given(f'platform: "ensemble" backend: "x" {ENSEMBLE.text[21:]}', None, {}),
    ),
    (
        "CONFIG-3",
        BLOCKS,
        "ensemble_scheduling { step {",
        Given(ENSEMBLE.text.replace('platform: "ensemble"', "\n"), None, {}),
    ),
    ("CONFIG-4", BLOCKS, "", Given(BASE, ONE, {"1/net.onnx": 75})),
    (
        "CONFIG-4",
        BLOCKS,
        'default_model_filename: "mode.onnx"',
        Given(BASE + 'default_model_filename: "mode.onnx"'),
    ),
    (
        "CONFIG-4",
        DOUBTS,
        'default_model_filename: "../x.onnx"',
        Given(BASE + 'default_model_filename: "../x.onnx"'),
    ),
    (
        "CONFIG-5",
        DOUBTS,
        'cc_model_filenames { key: "9.0"',
        Given(BASE + 'cc_model_filenames { key: "9.0" value: "n.onnx" }'),
    ),
    (
        "CONFIG-6",
        BLOCKS,
        "version_policy { specific {",
        Given(BASE + "version_policy { specific { versions: 7 } }"),
    ),
    (
        "CONFIG-6",
        REMARK,
        "versions: 7, versions: 1",
        Given(BASE + "version_policy { specific { versions: 7, versions: 1 } }"),
    ),
    (
        "CONFIG-6",
        BLOCKS,
        "version_policy { latest {",
        Given(BASE + "version_policy { latest { num_versions: 0 } }"),
    ),
    ("CONFIG-6", BLOCKS, "", Given(BASE, ONE, {"1/model.onnx": 75, "2.old/model.onnx": 75})),
    ("CONFIG-6", BLOCKS, "", Given(BASE, ONE, {"model.onnx": 75})),
    (
        "CONFIG-7",
        BLOCKS,
        "max_batch_size: -1",
        Given('backend: "onnxruntime" max_batch_size: -1\n' + FULL),
    ),
    ("CONFIG-7", BLOCKS, "max_batch_size: 8", Given(BASE, model(axes("X", 3, 4), Y))),
    (
        "CONFIG-8",
        BLOCKS,
        "input { data_type: TYPE_FP32",
        Given(BASE.replace('name: "X" ', ""), None),
    ),
    ("CONFIG-8", BLOCKS, 'input { name: "X"', Given(BASE.replace("data_type: TYPE_FP32", "", 1))),
    ("CONFIG-8", BLOCKS, "data_type: 99 dims: [4]", Given(BASE.replace("TYPE_FP32", "99", 1))),
    ("CONFIG-8", BLOCKS, 'input { name: "X"', Given(BASE.replace("dims: [4]", "", 1), None)),
    ("CONFIG-8", BLOCKS, "0] }", Given(BASE.replace("[4]", "[0]", 1), None)),
    ("CONFIG-8", BLOCKS, 'input { name: "X"', Given(BASE + IN)),
    ("CONFIG-8", REMARK, 'output { name: "Y"', Given(BASE + OUT)),
    (
        "CONFIG-9",
        BLOCKS,
        "reshape { shape: 3 } }",
        Given(BASE.replace("[4]", "[4] reshape { shape: 3 }", 1), None),
    ),
    (
        "CONFIG-9",
        BLOCKS,
        "reshape { } }",
        Given(UNBATCHED.replace("[-1, 4]", "[ 1 ] reshape { }", 1), None),
    ),
    (
        "CONFIG-9",
        BLOCKS,
        "reshape { shape: [4",
        Given(BASE.replace("[4]", "[2,-1,4] reshape { shape: [4, -1] }", 1), None),
    ),
    (
        "CONFIG-9",
        BLOCKS,
        "0] } }",
        Given(BASE.replace("[4]", "[1] reshape { shape: [0] }", 1), None),
    ),
    ("CONFIG-10", BLOCKS, 'name: "y" data_type: TYPE_FP32', Given(BASE.replace('"Y"', '"y"'))),
    ("CONFIG-10", BLOCKS, 'input { name: "X"', Given(BASE, Signature(inputs=(X, Z), outputs=(Y,)))),
    (
        "CONFIG-10",
        REMARK,
        'output { name: "Y"',
        Given(BASE, Signature(inputs=(X,), outputs=(Y, W))),
    ),
    (
        "CONFIG-11",
        BLOCKS,
        "data_type: TYPE_INT32 dims: [4]",
        Given(BASE.replace("FP32", "INT32", 1)),
    ),
    (
        "CONFIG-11",
        BLOCKS,
        "data_type: TYPE_BF16 dims: [4]",
        Given(BASE.replace('"Y" data_type: TYPE_FP32', '"Y" data_type: TYPE_BF16')),
    ),
    ("CONFIG-12", BLOCKS, "dims: [5] }", Given(BASE.replace("[4]", "[5]", 1))),
    ("CONFIG-12", BLOCKS, "dims: [-1] }", Given(BASE.replace("[4]", "[-1]", 1))),
    ("CONFIG-12", BLOCKS, "dims: [-1, 4] }", Given(BASE.replace("[4]", "[-1, 4]", 1))),
    ("CONFIG-12", BLOCKS, "dims: [4] }", Given(BASE, model(X, axes("Y", "n", "k")))),
    ("CONFIG-12", BLOCKS, "dims: [4] }", Given(UNBATCHED.replace("[-1, 4]", "[4]", 1))),
    (
        "CONFIG-12",
        BLOCKS,
        "dims: [2] }",
        Given(UNBATCHED.replace("[-1, 4]", "[2]", 1), model(axes("X"), Y)),
    ),
    (
        "CONFIG-12",
        DOUBTS,
        "dims: [-1, 4] }",
        Given(UNBATCHED, model(TensorInfo(name="X", dtype="FLOAT", dims=None), Y)),
    ),
    (
        "CONFIG-13",
        BLOCKS,
        'is_shape_tensor: true name: "X"',
        Given(BASE.replace("{ name", "{ is_shape_tensor: true name", 1)),
    ),
    (
        "CONFIG-13",
        BLOCKS,
        'format: FORMAT_NCHW name: "X"',
        Given(BASE.replace("{ name", "{ format: FORMAT_NCHW name", 1)),
    ),
    (
        "CONFIG-13",
        BLOCKS,
        'is_non_linear_format_io: true name: "X"',
        Given(
            PLAN.text.replace("{ name", "{ is_non_linear_format_io: true name", 1), None, PLAN.files
        ),
    ),
    (
        "CONFIG-14",
        BLOCKS,
        "optional: true }",
        Given(UNBATCHED + _S % "optional: true", model(X, axes("S", 1), Y)),
    ),
    ("CONFIG-14", BLOCKS, 'input { name: "S"', Given(UNBATCHED + _S % "", model(X, _OPTIONAL, Y))),
    (
        "CONFIG-14",
        BLOCKS,
        "optional: true }",
        Given(
            BASE + _S % "optional: true",
            model(X, TensorInfo(name="S", dtype="FLOAT", dims=("n", 1), is_optional=True), Y),
        ),
    ),
    ("CONFIG-14", BLOCKS, "allow_ragged_batch: true", Given(HEAD + _RAGGED + OUT, ONE)),
    (
        "CONFIG-15",
        BLOCKS,
        'label_filename: "l.txt"',
        Given(_LABELS, ONE, {"1/model.onnx": 75, "1/l.txt": 3}),
    ),
    (
        "CONFIG-16",
        BLOCKS,
        "data_type: TYPE_INT64 source_input: 'X'",
        Given(
            BASE + _BATCH_INPUT % "data_type: TYPE_INT64 source_input: 'X'",
            Signature(inputs=(X, Z), outputs=(Y,)),
        ),
    ),
    (
        "CONFIG-16",
        BLOCKS,
        "source_input: 'Q' }",
        Given(
            BASE + _BATCH_INPUT % "data_type: TYPE_INT32 source_input: 'Q'",
            Signature(inputs=(X, Z), outputs=(Y,)),
        ),
    ),
    (
        "CONFIG-16",
        BLOCKS,
        "batch_input { kind: BATCH_ELEMENT_COUNT",
        Given(BASE + _BATCH_INPUT % "data_type: TYPE_FP32", Signature(inputs=(X, Z), outputs=(Y,))),
    ),
    (
        "CONFIG-16",
        BLOCKS,
        "target_name: 'Q' source_input: 'X'",
        Given(BASE + "batch_output { target_name: 'Q' source_input: 'X' }"),
    ),
    (
        "CONFIG-16",
        BLOCKS,
        "target_name: 'Y' source_input: 'X'",
        Given(BASE + "batch_output { target_name: 'Y' target_name: 'Y' source_input: 'X' }"),
    ),
    ("CONFIG-17", BLOCKS, "preferred_batch_size: 0", Given(batching("preferred_batch_size: 0"))),
    ("CONFIG-17", BLOCKS, "9] }", Given(batching("preferred_batch_size: [4, 9]"))),
    ("CONFIG-17", REMARK, "dynamic_batching { }", Given(UNBATCHED + "dynamic_batching { }")),
    (
        "CONFIG-18",
        BLOCKS,
        "dynamic_batching { priority_levels: 2",
        Given(batching("priority_levels: 2")),
    ),
    (
        "CONFIG-18",
        BLOCKS,
        "default_priority_level: 3 priority_level",
        Given(batching("default_priority_level: 3 priority_levels: 2")),
    ),
    (
        "CONFIG-18",
        BLOCKS,
        "priority_queue_policy { key: 3",
        Given(batching(_PRIORITY + "priority_queue_policy { key: 3 value { } }")),
    ),
    (
        "CONFIG-18",
        BLOCKS,
        "priority_levels: 2 default_priority_leve",
        Given(batching(_PRIORITY + "preserve_ordering: true")),
    ),
    (
        "CONFIG-18",
        BLOCKS,
        "timeout_action: DELAY default_timeout_mi",
        Given(
            batching(
                "preserve_ordering: true default_queue_policy "
                "{ timeout_action: DELAY default_timeout_microseconds: 5 }"
            )
        ),
    ),
    (
        "CONFIG-19",
        BLOCKS,
        "control { kind: CONTROL_SEQUENCE_START",
        Given(sequence(control(text="kind: CONTROL_SEQUENCE_START")), model(X, Z, Y)),
    ),
    (
        "CONFIG-19",
        BLOCKS,
        "fp32_false_true: 1 } } }",
        Given(
            sequence(control(text="kind: CONTROL_SEQUENCE_START   fp32_false_true: 1")),
            model(X, Z, Y),
        ),
    ),
    (
        "CONFIG-19",
        BLOCKS,
        "control { kind: CONTROL_SEQUENCE_CORRID",
        Given(
            sequence(
                control(
                    text="kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_INT32 "
                    "int32_false_true: [0, 1]"
                )
            ),
            model(X, axes("Z", "n", 1, dtype="INT32"), Y),
        ),
    ),
    (
        "CONFIG-19",
        BLOCKS,
        "data_type: TYPE_FP32",
        Given(
            sequence(control(text="kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_FP32")),
            model(X, Z, Y),
        ),
    ),
    (
        "CONFIG-19",
        BLOCKS,
        "control { kind: CONTROL_SEQUENCE_START",
        Given(sequence(control()), model(X, axes("Z", "n", 2), Y)),
    ),
    (
        "CONFIG-19",
        BLOCKS,
        "control { kind: CONTROL_SEQUENCE_START",
        Given(sequence(control()), model(X, axes("Z", "n", 1, dtype="INT32"), Y)),
    ),
    ("CONFIG-19", BLOCKS, "control { kind: CONTROL_SEQUENCE_START", Given(sequence(control("ZZ")))),
    (
        "CONFIG-19",
        BLOCKS,
        'control_input { name: "Z"',
        Given(
            sequence(
                control() + control(text="kind: CONTROL_SEQUENCE_END fp32_false_true: [0, 1]")
            ),
            None,
        ),
    ),
    ("CONFIG-19", BLOCKS, 'control_input { name: ""', Given(sequence(control("")), None)),
    (
        "CONFIG-20",
        BLOCKS,
        "minimum_slot_utilization: 1.5",
        Given(sequence("direct { minimum_slot_utilization: 1.5 }")),
    ),
    (
        "CONFIG-20",
        BLOCKS,
        "9] } }",
        Given(sequence("oldest { max_candidate_sequences: 4 preferred_batch_size: [9] }")),
    ),
    ("CONFIG-20", REMARK, "oldest { } }", Given(sequence("oldest { }"))),
    (
        "CONFIG-21",
        BLOCKS,
        "initial_state { data_type: TYPE_FP32",
        Given(sequence(state(initial("zero_data: true"))), TWO),
    ),
    (
        "CONFIG-21",
        BLOCKS,
        "initial_state { data_type: TYPE_FP32",
        Given(sequence(state(initial('name: "i"'))), TWO),
    ),
    (
        "CONFIG-21",
        BLOCKS,
        "data_type: TYPE_INT32 dims: [1]",
        Given(sequence(state(initial('name: "i" zero_data: true', data_type="INT32"))), TWO),
    ),
    (
        "CONFIG-21",
        BLOCKS,
        'dims: [-1] name: "i"',
        Given(sequence(state(initial('name: "i" zero_data: true', dims="-1"))), TWO),
    ),
    (
        "CONFIG-21",
        BLOCKS,
        'data_file: "q" } } }',
        Given(sequence(state(initial('name: "i" data_file: "q"'))), TWO),
    ),
    (
        "CONFIG-21",
        BLOCKS,
        'data_file: "q" } } }',
        Given(
            sequence(state(initial('name: "i" data_file: "q"'))),
            TWO,
            {"1/model.onnx": 9, "initial_state/q": 3},
        ),
    ),
    (
        "CONFIG-21",
        BLOCKS,
        "use_growable_memory: true",
        Given(sequence(state("use_growable_memory: true")), TWO),
    ),
    (
        "CONFIG-21",
        BLOCKS,
        "initial_state { data_type: TYPE_FP32",
        Given(sequence(state(2 * initial('name: "i" zero_data: true'))), TWO),
    ),
    (
        "CONFIG-21",
        BLOCKS,
        'output_name: "W" data_type: TYPE_FP32',
        Given(sequence(state()), model(X, TensorInfo(name="Z", dtype="FLOAT", dims=("n", 1)), Y)),
    ),
    ("CONFIG-22", BLOCKS, "gpus: 0 }", Given(BASE + "instance_group { kind: KIND_CPU  gpus: 0 }")),
    ("CONFIG-22", BLOCKS, "profile: '0' }", Given(BASE + "instance_group { profile: '0' }")),
    (
        "CONFIG-22",
        BLOCKS,
        "profile: 'a' }",
        Given(PLAN.text + "instance_group { profile: 'a' }", None, PLAN.files),
    ),
    ("CONFIG-22", REMARK, "count: -3 }", Given(BASE + "instance_group { count: -3 }")),
    ("CONFIG-23", BLOCKS, 'model_warmup { name: "w"', Given(warm_up(""))),
    (
        "CONFIG-23",
        BLOCKS,
        "data_type: TYPE_INT32 dims: [4]",
        Given(warm_up(data(data_type="INT32"))),
    ),
    ("CONFIG-23", BLOCKS, "dims: [5] zero_data: true", Given(warm_up(data(dims="5")))),
    ("CONFIG-23", BLOCKS, "dims: [-1] zero_data: true", Given(warm_up(data(dims="-1")))),
    ("CONFIG-23", BLOCKS, "batch_size: 9 inputs {", Given(warm_up(data(), 9))),
    ("CONFIG-23", BLOCKS, 'inputs { key: "X"', Given(warm_up(data(source=" ")))),
    (
        "CONFIG-23",
        BLOCKS,
        'input_data_file: "x"',
        Given(warm_up(data(source='input_data_file: "x"'))),
    ),
    (
        "CONFIG-23",
        BLOCKS,
        'input_data_file: "x"',
        Given(
            warm_up(data(source='input_data_file: "x"')), ONE, {"1/model.onnx": 9, "warmup/x": 15}
        ),
    ),
    ("CONFIG-23", REMARK, 'inputs { key: "Q"', Given(warm_up(data() + data("Q")))),
    ("CONFIG-24", BLOCKS, 'name: "trt" } } }', Given(accelerator('name: "trt"'))),
    ("CONFIG-24", BLOCKS, 'name: "dnnl" } } }', Given(accelerator('name: "dnnl"', "cpu"))),
    (
        "CONFIG-24",
        BLOCKS,
        'parameters { key: "precision"',
        Given(accelerator('name: "tensorrt" parameters { key: "precision" value: "FP16" }')),
    ),
    (
        "CONFIG-24",
        BLOCKS,
        'parameters { key: "precision_mode"',
        Given(accelerator('name: "tensorrt" parameters { key: "precision_mode" value: "FP8" }')),
    ),
    (
        "CONFIG-24",
        BLOCKS,
        'parameters { key: "use_ep_level_unified_',
        Given(
            accelerator('name: "cuda" parameters { key: "use_ep_level_unified_stream" value: "y" }')
        ),
    ),
    (
        "CONFIG-24",
        REMARK,
        'gpu_execution_accelerator { name: "trt"',
        Given(accelerator('name: "trt"') + "instance_group { kind: KIND_CPU }"),
    ),
    ("CONFIG-25", BLOCKS, 'string_value: "2" } }', Given(parameter("execution_mode", "2"))),
    (
        "CONFIG-25",
        BLOCKS,
        'string_value: "all" } }',
        Given(parameter("intra_op_thread_count", "all")),
    ),
    ("CONFIG-25", BLOCKS, 'string_value: "yes" } }', Given(parameter("enable_mem_arena", "yes"))),
    (
        "CONFIG-25",
        REMARK,
        'parameters { key: "intra_op_threads_coun',
        Given(parameter("intra_op_threads_count", "2")),
    ),
    (
        "CONFIG-26",
        BLOCKS,
        "response_cache { enable: true",
        Given(sequence("") + "\nresponse_cache { enable: true }"),
    ),
    (
        "CONFIG-26",
        BLOCKS,
        "response_cache { enable: true",
        Given(
            BASE + "model_transaction_policy { decoupled: true }\nresponse_cache { enable: true }"
        ),
    ),
    (
        "CONFIG-27",
        BLOCKS,
        "metric_control { histogram_options {",
        Given(BASE + "model_metrics { metric_control { histogram_options { buckets: 1 } } }"),
    ),
    (
        "CONFIG-27",
        BLOCKS,
        "metric_control { metric_identifier {",
        Given(BASE + "model_metrics { metric_control { metric_identifier { family: 'f' } } }"),
    ),
    (
        "CONFIG-28",
        BLOCKS,
        "model_metrics { }",
        Given(BASE + "model_metrics { }", unknown=frozenset({("ModelConfig", "model_metrics")})),
    ),
    (
        "CONFIG-28",
        BLOCKS,
        "use_growable_memory: false",
        Given(
            sequence(state("use_growable_memory: false")),
            TWO,
            unknown=frozenset({("ModelSequenceBatching.State", "use_growable_memory")}),
        ),
    ),
    (
        "CONFIG-28",
        BLOCKS,
        "zero_data: true } } }",
        Given(
            BASE + "model_warmup { inputs { key: 'a' value      { zero_data: true } } }",
            unknown=frozenset({("ModelWarmup.Input", "zero_data")}),
        ),
    ),
    (
        "CONFIG-29",
        DOUBTS,
        "op_library_filename: '/opt/ops.so'",
        Given(BASE + "model_operations { op_library_filename: '/opt/ops.so' }"),
    ),
    (
        "CONFIG-29",
        DOUBTS,
        "agents { name: 'checksum'",
        Given(BASE + "model_repository_agents { agents { name: 'checksum' } }"),
    ),
    (
        "CONFIG-30",
        BLOCKS,
        'input { name: "X"',
        Given(BASE, model(X, TensorInfo(name="L", dtype="FLOAT", dims=None, kind="sequence"), Y)),
    ),
    (
        "CONFIG-30",
        BLOCKS,
        'input { name: "X"',
        Given(BASE, model(axes("X", "n", 4, dtype="BFLOAT16"), Y)),
    ),
]
SOUND: dict[str, Given] = {
    "bare": Given(""),
    "batched": Given(BASE),
    "unbatched": Given(UNBATCHED),
    "platform": Given(BASE.replace('backend: "onnxruntime"', 'platform: "onnxruntime_onnx"')),
    "named": Given('name: "m"\n' + BASE),
    "outputs alone": Given("max_batch_size: 2\n" + OUT),
    "inputs in part fixed": Given(BASE, model(axes("X", "n", "k"), Y)),
    "reshaped": Given(BASE.replace("[4]", "[2, 2] reshape { shape: [4] }", 1)),
    "scalars of a batch": Given(
        HEAD + IO.replace("[4]", "[1] reshape { shape: [ ] }"),
        model(axes("X", "n"), axes("Y", "n")),
    ),
    "scalars": Given(UNBATCHED.replace("[-1, 4]", "[1]"), model(axes("X"), axes("Y"))),
    "optional": Given(UNBATCHED + _S % "optional: true", model(X, _OPTIONAL, Y)),
    "optional left out": Given(UNBATCHED, model(X, _OPTIONAL, Y)),
    "ragged": Given(HEAD + _RAGGED + OUT, model(axes("X", None), Y)),
    "labels": Given(_LABELS, ONE, {"1/model.onnx": 75, "l.txt": 3}),
    "another file": Given(
        BASE + 'default_model_filename: "net.onnx"', ONE, {"1/net.onnx": 1, "1/w.bin": 1}
    ),
    "a folder": Given(BASE, ONE, {"1/model.onnx/model.onnx": 1, "1/model.onnx/w.bin": 1}),
    "versions": Given(
        BASE + "version_policy { all { } }", ONE, {"1/model.onnx": 1, "7/model.onnx": 1}
    ),
    "an old version without its file": Given(BASE, ONE, {"1/readme.txt": 1, "2/model.onnx": 1}),
    "dynamic": Given(batching(_PRIORITY + "preferred_batch_size: [4, 8]")),
    "ordered": Given(
        batching("preserve_ordering: true default_queue_policy { timeout_action: DELAY }")
    ),
    "levels of none": Given(batching("default_priority_level: 3")),
    "sequence": Given(sequence(control()), model(X, Z, Y)),
    "correlation": Given(
        sequence(control(text="kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64")),
        model(X, axes("Z", "n", 1, dtype="UINT64"), Y),
    ),
    "states": Given(
        sequence(state(initial('name: "i" data_file: "q"'))),
        TWO,
        {"1/model.onnx": 75, "initial_state/q": 4},
    ),
    "oldest": Given(sequence("oldest { max_candidate_sequences: 4 preferred_batch_size: [8] }")),
    "groups": Given(
        BASE + "instance_group [ { count: 2 kind: KIND_GPU gpus: [0, 1] }, { kind: KIND_CPU } ]"
    ),
    "rates": Given(
        BASE + "instance_group { rate_limiter { resources { name: 'R' count: 3 } priority: 2 } }"
    ),
    "warm-up": Given(warm_up(data(source="random_data: true"), 8)),
    "warm-up left out": Given(warm_up(data("Q", dims="-1", source=" "), 0)),
    "warm-up of a file": Given(
        warm_up(data(source='input_data_file: "x"')), ONE, {"1/model.onnx": 9, "warmup/x": 20}
    ),
    "warm-up without a batch": Given(warm_up(data(dims="2, 4"), base=UNBATCHED)),
    "accelerated": Given(
        accelerator(
            'name: "tensorrt" parameters { key: "precision_mode" value: "FP16" } '
            'parameters { key: "trt_engine_cache_enable" value: "on" }'
        )
    ),
    "parameters": Given(
        parameter("execution_mode", "01") + 'parameters { key: "mine" value { string_value: "x" } }'
    ),
    "cached": Given(BASE + "response_cache { enable: true }"),
    "python": PYTHON,
    "plan": PLAN,
    "ensemble": ENSEMBLE,
    "own backend": Given('backend: "our_own"\n' + IO, None, {"1/w": 1, "libtriton_our_own.so": 9}),
    "batch input": Given(
        BASE + _BATCH_INPUT % "data_type: TYPE_FP32 source_input: 'X'",
        Signature(inputs=(X, Z), outputs=(Y,)),
    ),
}


@pytest.mark.parametrize(
    ("rule", "weight", "at", "given"),
    [pytest.param(*row, id=f"{row[0]}-{index}") for index, row in enumerate(BROKEN)],
)
def test_each_rule_finds_what_is_wrong(rule: str, weight: Weight, at: str, given: Given) -> None:
    """And nothing else finds anything, so each rule alone makes a model unready."""
    (found,) = look(given)
    assert (found.rule, found.weight) == (rule, weight)
    text = given.text.split("\n")[found.line - 1][found.column - 1 :] if found.line else ""
    assert text.startswith(at)
    assert bool(at) == bool(found.line)


@pytest.mark.parametrize("given", SOUND.values(), ids=SOUND)
def test_nothing_is_found_in_a_sound_one(given: Given) -> None:
    assert look(given) == []


def test_each_rule_is_tried_above() -> None:
    assert {row[0] for row in BROKEN} == {rule.id for rule in RULES}
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_a_point_says_found_expected_and_mending() -> None:
    (found,) = look(Given(BASE.replace("[4]", "[-1, 4]", 1)))
    assert found.path == "m/config.pbtxt"
    assert found.subject == "input 'X'"
    assert found.message == "input 'X': [-1, 4], expected [4], as the model has [-1, 4]"
    assert found.fix == "Leave the batch axis out of `dims`: max_batch_size stands for it."


@pytest.mark.parametrize(
    ("given", "fix"),
    [
        (BROKEN[4][3], 'Write `backend: "onnxruntime"`.'),
        (Given(BASE.replace('"Y"', '"Yy"')), "Name the tensors as the model does."),
        (Given(UNBATCHED.replace("[-1, 4]", "[4]", 1)), "Write the batch axis too, or a"),
        (Given(BASE.replace("FP32", "INT64", 1)), "Write `data_type: TYPE_FP32`."),
        (Given(BASE, ONE, {"1/mode.onnx": 1}), 'Write `default_model_filename: "mode.onnx"`'),
    ],
)
def test_the_mending_is_an_order(given: Given, fix: str) -> None:
    assert fix in look(given)[0].fix


def test_quotations_of_the_file_are_text_alone() -> None:
    (found,) = look(Given('name: "a\\033[31m\\nb"\n' + BASE))
    assert found.found == r"'a\x1b[31m\nb'"
