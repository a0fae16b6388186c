"""In which nothing is found."""

from __future__ import annotations

from registry.domain.readiness import Signature
from registry.testing.triton_configs.given import (
    BASE,
    BATCH_INPUT,
    ENSEMBLE,
    HEAD,
    IO,
    LABELS,
    ONE,
    OPTIONAL,
    OUT,
    PLAN,
    PRIORITY,
    PYTHON,
    RAGGED,
    TWO,
    UNBATCHED,
    Given,
    S,
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

SOUND: dict[str, Given] = {
    "bare": Given(""),
    "a format that has no backend": Given("", None, {"1/net.gguf": 9}),
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
    "optional": Given(UNBATCHED + S % "optional: true", model(X, OPTIONAL, Y)),
    "optional left out": Given(UNBATCHED, model(X, OPTIONAL, Y)),
    "ragged": Given(HEAD + RAGGED + OUT, model(axes("X", None), Y)),
    "labels": Given(LABELS, ONE, {"1/model.onnx": 75, "l.txt": 3}),
    "another file": Given(
        BASE + 'default_model_filename: "net.onnx"', ONE, {"1/net.onnx": 1, "1/w.bin": 1}
    ),
    "a folder": Given(BASE, ONE, {"1/model.onnx/model.onnx": 1, "1/model.onnx/w.bin": 1}),
    "versions": Given(
        BASE + "version_policy { all { } }", ONE, {"1/model.onnx": 1, "7/model.onnx": 1}
    ),
    "an old version without its file": Given(BASE, ONE, {"1/readme.txt": 1, "2/model.onnx": 1}),
    "dynamic": Given(batching(PRIORITY + "preferred_batch_size: [4, 8]")),
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
    "groups": Given(BASE + "instance_group [ { count: 2 gpus: [0, 1] }, { kind: KIND_CPU } ]"),
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
        BASE + BATCH_INPUT % "data_type: TYPE_FP32 source_input: 'X'",
        Signature(inputs=(X, Z), outputs=(Y,)),
    ),
}
