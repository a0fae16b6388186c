"""Of what a configuration says of serving: batches, sequences, instances, fields."""

from __future__ import annotations

from registry.domain.readiness import TensorInfo, Weight
from registry.testing.triton_configs.given import (
    BASE,
    BLOCKS,
    DOUBTS,
    ONE,
    PLAN,
    PRIORITY,
    PYTHON,
    REMARK,
    TWO,
    UNBATCHED,
    Given,
    X,
    Y,
    Z,
    accelerator,
    axes,
    batching,
    control,
    data,
    initial,
    model,
    parameter,
    sequence,
    state,
    warm_up,
)

#: Rule, weight, the text at the point's place, and what has just that wrong with it.
BROKEN: list[tuple[str, Weight, str, Given]] = [
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
        Given(batching(PRIORITY + "priority_queue_policy { key: 3 value { } }")),
    ),
    (
        "CONFIG-18",
        BLOCKS,
        "priority_levels: 2 default_priority_leve",
        Given(batching(PRIORITY + "preserve_ordering: true")),
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
    ("CONFIG-22", REMARK, "kind: KIND_GPU", Given(BASE + "instance_group { kind: KIND_GPU }")),
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
    ("CONFIG-23", BLOCKS, 'inputs { key: "Q"', Given(warm_up(data() + data("Q")))),
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
            f"{PYTHON.text}model_transaction_policy {{ decoupled: true }}\n"
            "response_cache { enable: true }",
            None,
            PYTHON.files,
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
        "CONFIG-22",
        REMARK,
        "resources { count: 3",
        Given(BASE + "instance_group { rate_limiter { resources { count: 3 } } }"),
    ),
    ("CONFIG-25", REMARK, "level: 3", Given(BASE + "optimization { graph { level: 3 } }")),
    (
        "CONFIG-31",
        REMARK,
        "decoupled: true",
        Given(BASE + "model_transaction_policy { decoupled: true }"),
    ),
]
