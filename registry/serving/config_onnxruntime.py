"""Rules of config.pbtxt: what Triton's ONNX Runtime backend takes of optimization and parameters.

Source: onnxruntime_backend/src/onnxruntime.cc, `ModelState::ModelState` and `LoadModel`, and its
README.md; backend/src/backend_common.cc, `ParseIntValue` and `ParseBoolValue`. Names that it does
not know it leaves alone in `parameters`, and refuses in an accelerator.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from registry.domain.readiness import Point
from registry.formats.look import Rule, quoted
from registry.serving.config_case import Case
from registry.serving.pbtxt import keyed, nearest

ACCELERATORS = Rule(
    "CONFIG-24",
    "Accelerators of ONNX models are tensorrt and cuda on GPUs and openvino on CPUs, with "
    "parameters that they have.",
    "Correct the name or the value, or remove it.",
)
PARAMETERS = Rule(
    "CONFIG-25",
    "Parameters have values that the ONNX Runtime backend can read.",
    "Correct the value, in `string_value`.",
)
ANSWERS = Rule(
    "CONFIG-31",
    "An ONNX model answers each request once.",
    "Remove `model_transaction_policy`: clients can then ask over HTTP too.",
)
RULES = (ACCELERATORS, PARAMETERS, ANSWERS)

_INT = "a whole number"
_BOOL = "true, false, on, off, 1 or 0"
_TEXT = "a text"
_BOOLS = ("true", "false", "on", "off", "1", "0")
#: What C++ reads a number from: it stops at what is no digit.
_NUMBER = re.compile(r"\s*[+-]?[0-9]+")
#: Of `ModelInstanceGroup.kind`.
_ON_CPU = 2
#: Of optimizations of the graph: basic ones, all, extended ones, none.
_LEVELS = (-1, 0, 1, 2)

#: By name: what its value may be.
_PARAMETERS: Mapping[str, str | tuple[str, ...]] = {
    "execution_mode": ("0", "1"),
    "intra_op_thread_count": _INT,
    "inter_op_thread_count": _INT,
    "enable_mem_arena": _BOOL,
    "enable_mem_pattern": _BOOL,
    "share_session_between_instances": _BOOL,
    "session.use_device_allocator_for_initializers": _TEXT,
    "memory.enable_memory_arena_shrinkage": _TEXT,
    # Of the CUDA provider, on GPUs alone.
    "cudnn_conv_algo_search": ("0", "1", "2"),
    "arena_extend_strategy": ("0", "1"),
    "gpu_mem_limit": _TEXT,
    "do_copy_in_default_stream": _TEXT,
}
_OF_CUDA = frozenset(("cudnn_conv_algo_search", "arena_extend_strategy"))
_TENSORRT: Mapping[str, str | tuple[str, ...]] = {
    "precision_mode": ("FP32", "FP16", "BF16", "INT8"),
    "max_workspace_size_bytes": _INT,
    **dict.fromkeys(
        (
            *("trt_max_partition_iterations", "trt_min_subgraph_size", "trt_dla_core"),
            *("trt_builder_optimization_level", "trt_auxiliary_streams"),
            "trt_ep_context_embed_mode",
        ),
        _INT,
    ),
    **dict.fromkeys(
        (
            *("int8_use_native_calibration_table", "trt_dla_enable", "trt_engine_cache_enable"),
            *("trt_dump_subgraphs", "trt_force_sequential_engine_build"),
            *("trt_context_memory_sharing_enable", "trt_layer_norm_fp32_fallback"),
            *("trt_timing_cache_enable", "trt_force_timing_cache", "trt_detailed_build_log"),
            *("trt_build_heuristics_enable", "trt_sparsity_enable", "trt_cuda_graph_enable"),
            "trt_dump_ep_context_model",
        ),
        _BOOL,
    ),
    **dict.fromkeys(
        (
            *("int8_calibration_table_name", "trt_engine_cache_path", "trt_engine_cache_prefix"),
            *("trt_timing_cache_path", "trt_tactic_sources", "trt_extra_plugin_lib_paths"),
            *("trt_profile_min_shapes", "trt_profile_max_shapes", "trt_profile_opt_shapes"),
            "trt_ep_context_file_path",
        ),
        _TEXT,
    ),
}
_CUDA: Mapping[str, str | tuple[str, ...]] = dict.fromkeys(
    ("do_copy_in_default_stream", "use_ep_level_unified_stream"), _BOOL
)


def check(case: Case) -> Iterator[Point]:
    if not case.is_onnx:
        return
    yield from _parameters(case)
    level = case.message.optimization.graph.level
    if level not in _LEVELS:
        found = f"level {level}, which stands for all optimizations, as 0 does"
        yield case.remark(PARAMETERS, "optimization.graph.level", found, "-1, 0, 1 or 2")
    if case.message.model_transaction_policy.decoupled:
        way = "model_transaction_policy.decoupled"
        yield case.remark(ANSWERS, way, "decoupled, which asks clients for a stream", "false")
    way = "optimization.execution_accelerators"
    accelerators = case.message.optimization.execution_accelerators
    for kind in ("gpu", "cpu"):
        field = f"{kind}_execution_accelerator"
        for index, accelerator in enumerate(getattr(accelerators, field)):
            at = f"{way}.{field}[{index}]"
            if kind == "cpu":
                yield from _on_cpu(case, accelerator, at)
            elif _is_on_gpus(case):
                yield from _on_gpu(case, accelerator, at)
            else:
                found = f"{quoted(accelerator.name)}, which no instance on a CPU uses"
                yield case.remark(ACCELERATORS, at, found)


def _is_on_gpus(case: Case) -> bool:
    """Whether an instance may be on a GPU: the server decides so, where nobody does."""
    groups = case.message.instance_group
    return not groups or any(group.kind != _ON_CPU for group in groups)


def _parameters(case: Case) -> Iterator[Point]:
    for name, value in case.message.parameters.items():
        way = keyed("parameters", name)
        if name not in _PARAMETERS:
            near = nearest(name, _PARAMETERS)
            if near:
                found = f"{quoted(name)}, which the backend does not read"
                yield case.remark(PARAMETERS, way, found, quoted(near))
        elif name not in _OF_CUDA or _is_on_gpus(case):
            said = value.string_value
            if not _is_value(said, _PARAMETERS[name]):
                about = f"parameter {quoted(name)}"
                expected = _told(_PARAMETERS[name])
                at = f"{way}.string_value"
                yield case.blocks(PARAMETERS, at, quoted(said), expected, about=about)


def _is_value(said: str, kind: str | tuple[str, ...]) -> bool:
    if isinstance(kind, tuple):
        number = _NUMBER.match(said)
        # Numbers are compared as such, modes by their name.
        return said in kind or (
            kind[0].isdigit() and number is not None and str(int(number[0])) in kind
        )
    if kind == _INT:
        number = _NUMBER.match(said)
        return number is not None and abs(int(number[0])) <= 2**63
    return kind != _BOOL or said.casefold() in _BOOLS


def _told(kind: str | tuple[str, ...]) -> str:
    return f"one of {', '.join(kind)}" if isinstance(kind, tuple) else kind


def _on_cpu(case: Case, accelerator: Any, way: str) -> Iterator[Point]:
    if accelerator.name != "openvino":
        found = f"accelerator {quoted(accelerator.name)} on the CPU"
        yield case.blocks(ACCELERATORS, f"{way}.name", found, "openvino")


def _on_gpu(case: Case, accelerator: Any, way: str) -> Iterator[Point]:
    name = accelerator.name
    if name == "tensorrt":
        yield from _options(case, accelerator, way, _TENSORRT, is_closed=True)
    elif name == "cuda":
        # Others it hands on to ONNX Runtime.
        yield from _options(case, accelerator, way, _CUDA, is_closed=False)
    else:
        found = f"accelerator {quoted(name)} on GPUs"
        yield case.blocks(ACCELERATORS, f"{way}.name", found, "tensorrt or cuda")


def _options(
    case: Case,
    accelerator: Any,
    way: str,
    known: Mapping[str, str | tuple[str, ...]],
    *,
    is_closed: bool,
) -> Iterator[Point]:
    for name, value in accelerator.parameters.items():
        at = keyed(f"{way}.parameters", name)
        about = f"parameter {quoted(name)} of {accelerator.name}"
        if name not in known:
            if is_closed:
                near = nearest(name, known)
                expected = quoted(near) if near else "one that the backend knows"
                yield case.blocks(ACCELERATORS, at, "an unknown parameter", expected, about=about)
        elif not _is_value(value, known[name]):
            expected = _told(known[name])
            yield case.blocks(ACCELERATORS, at, quoted(value), expected, about=about)
