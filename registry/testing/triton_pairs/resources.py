"""Instances, the rate limiter, parameters, accelerators, caches, warm-up."""

from __future__ import annotations

import struct

from registry.testing.triton_pairs import Pair, single
from registry.testing.triton_pairs.making import config, copies, relu

_STATE = "src/onnxruntime.cc ModelState::ModelState"
_LOAD = "src/onnxruntime.cc ModelState::LoadModel"


def _group(text: str) -> str:
    return config(instances=f"instance_group [{{ {text} }}]")


def _parameter(key: str, value: str) -> str:
    return config(f'parameters [{{ key: "{key}" value {{ string_value: "{value}" }} }}]')


def _accelerator(device: str, name: str) -> str:
    named = f'{device}_execution_accelerator [{{ name: "{name}" }}]'
    return config(f"optimization {{ execution_accelerators {{ {named} }} }}")


def _refused(name: str, text: str, core: str, model: bytes | None = None) -> Pair:
    return single(name, text, model or relu(), core=core)


def _unset(name: str, key: str, value: str, backend: str) -> Pair:
    return single(name, _parameter(key, value), relu(), backend=backend, source=_STATE)


_INSTANCES = (
    single("instances_none", config(instances=""), relu()),
    single(
        "instances_two_groups",
        _group("count: 1 kind: KIND_CPU }, { count: 1 kind: KIND_CPU"),
        relu(),
    ),
    single("instances_auto", _group("count: 1"), relu()),
    single("instances_model", _group("count: 1 kind: KIND_MODEL"), relu()),
    single("instances_count_zero", _group("count: 0 kind: KIND_CPU"), relu()),
    single("instances_count_negative", _group("count: -1 kind: KIND_CPU"), relu()),
    single(
        "instances_gpu",
        _group("count: 1 kind: KIND_GPU"),
        relu(),
        core="has kind KIND_GPU but no GPUs are available",
        depends_on="a GPU",
    ),
    single(
        "instances_gpu_chosen",
        _group("count: 1 kind: KIND_GPU gpus: [ 0 ]"),
        relu(),
        core="specifies invalid or unsupported gpu id 0",
        depends_on="a GPU",
    ),
    _refused(
        "instances_cpu_with_gpus",
        _group("count: 1 kind: KIND_CPU gpus: [ 0 ]"),
        "has kind KIND_CPU but specifies one or more GPUs",
    ),
    _refused(
        "instances_model_with_gpus",
        _group("count: 1 kind: KIND_MODEL gpus: [ 0 ]"),
        "has kind KIND_MODEL but specifies one or more GPUs",
    ),
    _refused(
        "instances_profile",
        _group('count: 1 kind: KIND_CPU profile: [ "0" ]'),
        "specifies profile field which is only supported for TensorRT models",
    ),
    single(
        "rate_limit",
        _group(
            "count: 1 kind: KIND_CPU "
            'rate_limiter { resources [{ name: "R" count: 2 }] priority: 1 }'
        ),
        relu(),
    ),
    single(
        "rate_limit_zero",
        _group('count: 1 kind: KIND_CPU rate_limiter { resources [{ name: "R" count: 0 }] }'),
        relu(),
    ),
    single(
        "secondary_device",
        _group("count: 1 kind: KIND_CPU secondary_devices [{ kind: KIND_NVDLA device_id: 0 }]"),
        relu(),
    ),
    single("host_policy", _group('count: 1 kind: KIND_CPU host_policy: "none"'), relu()),
)
_PARAMETERS = (
    single("parameter_known", _parameter("intra_op_thread_count", "2"), relu()),
    single("parameter_unknown", _parameter("no_such_thing", "2"), relu()),
    _unset(
        "parameter_mode",
        "execution_mode",
        "2",
        "Expected values for  execution_mode are 0 or 1 but got 2",
    ),
    _unset(
        "parameter_threads",
        "intra_op_thread_count",
        "many",
        "failed to convert 'many' to integral number",
    ),
    single("parameter_threads_negative", _parameter("intra_op_thread_count", "-4"), relu()),
    single("parameter_threads_fraction", _parameter("intra_op_thread_count", "2.5"), relu()),
    _unset("parameter_arena", "enable_mem_arena", "yes", "failed to convert 'yes' to boolean"),
    single(
        "parameter_shared_session", _parameter("share_session_between_instances", "true"), relu()
    ),
    single("graph_level", config("optimization { graph { level: 2 } }"), relu()),
    single("graph_level_unknown", config("optimization { graph { level: 7 } }"), relu()),
    single(
        "accelerator_openvino",
        _accelerator("cpu", "openvino"),
        relu(),
    ),
    single(
        "accelerator_unknown",
        _accelerator("cpu", "turbo"),
        relu(),
        backend="unknown Execution Accelerator 'turbo' is requested",
        source=_LOAD,
    ),
    single(
        "accelerator_of_gpus",
        _accelerator("gpu", "tensorrt"),
        relu(),
    ),
    single("cuda_graphs", config("optimization { cuda { graphs: true } }"), relu()),
    single(
        "operators_missing",
        config('model_operations { op_library_filename: [ "/opt/none/libops.so" ] }'),
        relu(),
        backend="Failed to load library /opt/none/libops.so",
        source=_LOAD,
    ),
    single("cache_without_one", config("response_cache { enable: true }"), relu()),
    single(
        "cache_and_decoupled",
        config("response_cache { enable: true } model_transaction_policy { decoupled: true }"),
        relu(),
        core="Response Cache does not currently support model .* with 'decoupled'",
    ),
    single("decoupled", config("model_transaction_policy { decoupled: true }"), relu()),
    single("metric_tags", config('metric_tags { key: "team" value: "fraud" }'), relu()),
    single(
        "agent_unknown",
        config('model_repository_agents { agents [{ name: "checksums" }] }'),
        relu(),
        core="unable to find 'libtritonrepoagent_checksums.so'",
    ),
    single("cc_file_name", config('cc_model_filenames { key: "8.0" value: "other.onnx" }'), relu()),
)


def _warmup(tensor: str, batch: str = "batch_size: 1", name: str = "x") -> str:
    return config(
        f'model_warmup [{{ name: "w" {batch} inputs {{ key: "{name}" value {{ {tensor} }} }} }}]'
    )


_ZEROS = "data_type: TYPE_FP32 dims: [ 4 ] zero_data: true"
_FROM_FILE = 'data_type: TYPE_FP32 dims: [ 4 ] input_data_file: "first"'
_WARMUP = (
    single("warmup", _warmup(_ZEROS), relu()),
    single(
        "warmup_random", _warmup(_ZEROS.replace("zero", "random"), "batch_size: 8 count: 3"), relu()
    ),
    single(
        "warmup_file",
        _warmup(_FROM_FILE),
        relu(),
        more={"warmup/first": struct.pack("<4f", 1, 2, 3, 4)},
    ),
    _refused(
        "warmup_file_missing",
        _warmup(_FROM_FILE),
        "failed to open text file for read .*/warmup/first",
    ),
    single(
        "warmup_file_too_short",
        _warmup(_FROM_FILE),
        relu(),
        more={"warmup/first": b"\0" * 8},
        core="warmup setting expects 16 bytes, but the data provided from first.*has 8 bytes",
    ),
    _refused(
        "warmup_other_input", _warmup(_ZEROS, name="q"), r"missing required input\(s\) \['x'\]"
    ),
    _refused(
        "warmup_other_shape", _warmup(_ZEROS.replace("4", "5")), r"Expected \[-1,4\], got \[1,5\]"
    ),
    _refused(
        "warmup_with_the_batch",
        _warmup(_ZEROS.replace("4", "1, 4")),
        r"Expected \[-1,4\], got \[1,1,4\]",
    ),
    _refused(
        "warmup_other_type",
        _warmup(_ZEROS.replace("FP32", "INT32")),
        "data-type is 'INT32', but model 'warmup_other_type' expects 'FP32'",
    ),
    _refused(
        "warmup_free_axis",
        _warmup(_ZEROS.replace("4", "-1")),
        "expects all variable-size dimensions are specified for input 'x'",
    ),
    _refused(
        "warmup_no_data",
        _warmup("data_type: TYPE_FP32 dims: [ 4 ]"),
        "expects input 'x' to have input_data_type set",
    ),
    _refused(
        "warmup_no_input",
        config('model_warmup [{ name: "w" batch_size: 1 }]'),
        r"missing required input\(s\) \['x'\]",
    ),
    single("warmup_no_batch_size", _warmup(_ZEROS, ""), relu()),
    single(
        "warmup_batch_too_large",
        _warmup(_ZEROS, "batch_size: 9"),
        relu(),
        backend="failed to run warmup sample 'w': batch size 9 for .*, max allowed is 8",
        source="src/onnxruntime.cc ModelInstanceState::ProcessRequests",
    ),
    single(
        "warmup_random_text",
        _warmup("data_type: TYPE_STRING dims: [ 4 ] random_data: true")
        .replace("FP32", "STRING")
        .replace('"y"', '"x_out"'),
        copies(x=(8, ("n", 4))),
    ),
)

RESOURCES: tuple[Pair, ...] = (*_INSTANCES, *_PARAMETERS, *_WARMUP)
