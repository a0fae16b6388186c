"""Stands in for Triton's ONNX Runtime backend in tests, run by the server's Python backend.

The server around it is the real one: it reads and checks config.pbtxt, completes and validates
what is its own to decide, schedules, reshapes, checks requests. What is replaced is the backend
in C++ (triton-inference-server/onnxruntime_backend, src/onnxruntime.cc), which is not to be had
outside of NVIDIA's images. Of it this file follows, in the same order and with the same words:

- `ModelState::ModelState`: the parameters that it reads,
- `ModelState::LoadModel`: which file is the model, accelerators, libraries of operators,
- `ModelState::AutoCompleteConfig`, `AutoCompleteMaxBatch`, `AutoCompleteIO`,
- `ModelInstanceState::ModelInstanceState`, `ValidateBooleanSequenceControl`,
  `ValidateTypedSequenceControl`, `ValidateInputs`, `ValidateOutputs`,
- `CompareDimsSupported` and the names of types of src/onnxruntime_utils.cc.

It differs in what no test may therefore rely on: it runs on the CPU alone, each request by itself;
inputs of the batch, ragged batches and sequence states are checked as there, but not run; OpenVINO
is taken for granted and not used; and it tells the server to complete a config only where that was
asked for in the C++ backend's way. ONNX Runtime is that of the release, through its Python API.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils

#: The backend's `default-max-batch-size`, which the server sets to this where nobody says another.
DEFAULT_MAX_BATCH_SIZE = 4
#: ONNX Runtime's name of a type; then the config's, the backend's in messages. There is no BF16.
DTYPES = {
    "tensor(bool)": ("TYPE_BOOL", "BOOL"),
    "tensor(uint8)": ("TYPE_UINT8", "UINT8"),
    "tensor(uint16)": ("TYPE_UINT16", "UINT16"),
    "tensor(uint32)": ("TYPE_UINT32", "UINT32"),
    "tensor(uint64)": ("TYPE_UINT64", "UINT64"),
    "tensor(int8)": ("TYPE_INT8", "INT8"),
    "tensor(int16)": ("TYPE_INT16", "INT16"),
    "tensor(int32)": ("TYPE_INT32", "INT32"),
    "tensor(int64)": ("TYPE_INT64", "INT64"),
    "tensor(float16)": ("TYPE_FP16", "FLOAT16"),
    "tensor(float)": ("TYPE_FP32", "FLOAT"),
    "tensor(double)": ("TYPE_FP64", "DOUBLE"),
    "tensor(string)": ("TYPE_STRING", "STRING"),
}
SERVED = {config for config, _ in DTYPES.values()}
KINDS = {"seq": "SEQUENCE", "map": "MAP", "sparse_tensor": "SPARSETENSOR"}
BOOLEAN_CONTROLS = ("CONTROL_SEQUENCE_START", "CONTROL_SEQUENCE_END", "CONTROL_SEQUENCE_READY")
LEVELS = onnxruntime.GraphOptimizationLevel
GRAPH_LEVELS = {
    -1: LEVELS.ORT_ENABLE_BASIC,
    1: LEVELS.ORT_ENABLE_EXTENDED,
    2: LEVELS.ORT_DISABLE_ALL,
}


class Tensor:
    """An input or output of the model as the C++ API of ONNX Runtime would tell it."""

    def __init__(self, found: Any) -> None:
        self.name: str = found.name
        self.type: str = found.type
        # One whose rank is not known looks like a scalar, there as here.
        self.dims = [d if isinstance(d, int) and d >= 0 else -1 for d in found.shape or []]

    @property
    def config_dtype(self) -> str:
        return DTYPES[self.type][0] if self.type in DTYPES else "TYPE_INVALID"

    @property
    def provided(self) -> str:
        dtype = self.config_dtype.removeprefix("TYPE_")
        return f"TYPE_{ {'STRING': 'BYTES', 'INVALID': '<invalid>'}.get(dtype, dtype) }"


class TritonPythonModel:
    @staticmethod
    def auto_complete_config(given: Any) -> Any:
        # Not through add_input and its like, which know no reshape: what this returns is what the
        # server takes.
        config = given.as_dict()
        # Both are of the model, before any instance; and are made whether or not it is completed.
        options = session_options(config)
        has_inputs = bool(config.get("input") or config.get("batch_input"))
        has_outputs = bool(config.get("output"))
        if has_inputs and has_outputs:
            return given
        session = load(model_path(), config, options)
        inputs, outputs = tensors(session.get_inputs()), tensors(session.get_outputs())
        complete_batching(config, [*inputs.values(), *outputs.values()])
        if not has_inputs:
            config["input"] = completed(config, inputs)
        if not has_outputs:
            config["output"] = completed(config, outputs)
        return given

    def initialize(self, args: Mapping[str, str]) -> None:
        self.config: dict[str, Any] = json.loads(args["model_config"])
        self.session = load(model_path(), self.config, session_options(self.config))
        self.inputs = tensors(self.session.get_inputs())
        self.outputs = tensors(self.session.get_outputs())
        expected = expected_input_count(self.config, self.inputs)
        if len(self.inputs) != expected:
            refuse(
                f"unable to load model '{self.config['name']}', configuration expects {expected} "
                f"inputs, model provides {len(self.inputs)}"
            )
        self.inputs |= tensors(self.session.get_overridable_initializers())
        for declared in self.config["input"]:
            validate_input(self.config, declared, self.inputs)
        for declared in self.config["output"]:
            validate_output(self.config, declared, self.outputs)

    def execute(self, requests: Iterable[Any]) -> list[Any]:
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        try:
            self._refuse_what_is_not_run()
            names = [each["name"] for each in self.config["output"]]
            fed = {each.name(): self._as_input(each) for each in request.inputs()}
            found = zip(names, self.session.run(names, fed), strict=True)
            return pb_utils.InferenceResponse([self._as_output(*each) for each in found])
        except Exception as error:  # noqa: BLE001 - of any kind: it is answered, as it is there
            return pb_utils.InferenceResponse(
                [], error=pb_utils.TritonError(f"onnx runtime error: {error}")
            )

    def _refuse_what_is_not_run(self) -> None:
        ragged = any(each.get("allow_ragged_batch") for each in self.config["input"])
        if ragged or self.config.get("batch_input") or states(self.config):
            raise NotImplementedError("the tests' stand-in checks this model but cannot run it")

    def _as_input(self, given: Any) -> Any:
        value = given.as_numpy()
        if value.dtype == np.object_:
            value = np.array([each.decode() for each in value.flat], object).reshape(value.shape)
        return value.reshape(()) if not self.inputs[given.name()].dims else value

    def _as_output(self, name: str, value: Any) -> Any:
        if value.dtype == np.object_:
            value = np.array([each.encode() for each in value.flat], object).reshape(value.shape)
        if value.ndim == 0:
            declared = next(each for each in self.config["output"] if each["name"] == name)
            value = value.reshape(shape_of(declared) or value.shape)
        return pb_utils.Tensor(name, value)


def refuse(message: str) -> None:
    raise pb_utils.TritonModelException(message)


def model_path() -> str:
    """The model's file, which the process is given as its first argument in either stage."""
    with open("/proc/self/cmdline", "rb") as line:
        return os.fsdecode(line.read().split(b"\0")[1])


def session_options(config: Mapping[str, Any]) -> Any:
    options = onnxruntime.SessionOptions()
    level = int(config.get("optimization", {}).get("graph", {}).get("level", 0))
    options.graph_optimization_level = GRAPH_LEVELS.get(level, LEVELS.ORT_ENABLE_ALL)
    mode = integer(config, "execution_mode")
    if mode not in (0, 1):
        refuse(
            "Invalid configuration value provided. Expected values for  execution_mode are 0 or 1 "
            f"but got {mode} ."
        )
    modes = onnxruntime.ExecutionMode
    options.execution_mode = modes.ORT_PARALLEL if mode else modes.ORT_SEQUENTIAL
    options.intra_op_num_threads = max(integer(config, "intra_op_thread_count"), 0)
    options.inter_op_num_threads = max(integer(config, "inter_op_thread_count"), 0)
    options.enable_cpu_mem_arena = boolean(config, "enable_mem_arena", default=True)
    options.enable_mem_pattern = boolean(config, "enable_mem_pattern", default=True)
    boolean(config, "share_session_between_instances", default=False)
    return options


def parameter(config: Mapping[str, Any], key: str) -> str | None:
    found = config.get("parameters", {}).get(key)
    return None if found is None else str(found.get("string_value", ""))


def integer(config: Mapping[str, Any], key: str) -> int:
    """As C++ reads one: what follows the digits is ignored."""
    value = parameter(config, key)
    if value is None:
        return 0
    digits = re.match(r"\s*[+-]?\d+", value)
    if digits is None:
        refuse(f"failed to convert '{value}' to integral number")
        raise AssertionError
    return int(digits[0])


def boolean(config: Mapping[str, Any], key: str, *, default: bool) -> bool:
    value = parameter(config, key)
    if value is None:
        return default
    if value.lower() not in ("true", "1", "false", "0"):
        refuse(f"failed to convert '{value}' to boolean")
    return value.lower() in ("true", "1")


def load(path: str, config: Mapping[str, Any], options: Any) -> Any:
    if os.path.isdir(path):
        path = os.path.join(path, "model.onnx")
    if not os.path.exists(path):
        refuse(f"unable to find '{path}' for model instance '{config['name']}'")
    accelerators = config.get("optimization", {}).get("execution_accelerators", {})
    for each in accelerators.get("cpu_execution_accelerator", []):
        if each["name"] != "openvino":
            refuse(f"unknown Execution Accelerator '{each['name']}' is requested")
    try:
        for library in config.get("model_operations", {}).get("op_library_filename", []):
            options.register_custom_ops_library(library)
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's have no common base
        refuse(f"onnx runtime error: {error}")
        raise


def tensors(found: Iterable[Any]) -> dict[str, Tensor]:
    """By name, in the order of names; refused where one is no tensor."""
    for each in found:
        kind = each.type.partition("(")[0]
        if kind != "tensor":
            refuse(
                f"Unsupported ONNX Type 'ONNX_TYPE_{KINDS.get(kind, 'UNKNOWN')}' for I/O "
                f"'{each.name}', expected 'ONNX_TYPE_TENSOR'."
            )
    return {each.name: Tensor(each) for each in sorted(found, key=lambda each: each.name)}


def complete_batching(config: dict[str, Any], found: Iterable[Tensor]) -> None:
    if not all(each.dims and each.dims[0] == -1 for each in found):
        if config["max_batch_size"] != 0:
            refuse(
                f"autofill failed for model '{config['name']}': model does not support batching "
                "while non-zero max_batch_size is specified"
            )
        return
    if config["max_batch_size"] == 0:
        config["max_batch_size"] = DEFAULT_MAX_BATCH_SIZE
    if config["max_batch_size"] > 1 and "sequence_batching" not in config:
        config.setdefault("dynamic_batching", {})


def completed(config: Mapping[str, Any], found: Mapping[str, Tensor]) -> list[dict[str, Any]]:
    is_batched = config["max_batch_size"] > 0
    made = []
    for each in found.values():
        dims = each.dims[1:] if is_batched else each.dims
        entry: dict[str, Any] = {
            "name": each.name,
            "data_type": each.config_dtype,
            "dims": dims or [1],
        }
        if not dims and is_batched:
            entry["reshape"] = {"shape": []}
        made.append(entry)
    return made


def expected_input_count(config: Mapping[str, Any], found: Mapping[str, Tensor]) -> int:
    count = sum(not each.get("optional") for each in config["input"])
    count += len(config.get("batch_input", []))
    for kind in (*BOOLEAN_CONTROLS, "CONTROL_SEQUENCE_CORRID"):
        for name, dtype in controls(config, kind):
            validate_control(config, name, dtype, found)
            count += 1
    return count + len(states(config))


def states(config: Mapping[str, Any]) -> list[Any]:
    # Their names and types are not looked at: `ValidateOutputs` means to, but takes the answer of
    # `MemberAsArray`, which is null for success, for the contrary.
    return list(config.get("sequence_batching", {}).get("state", []))


def controls(config: Mapping[str, Any], kind: str) -> Iterable[tuple[str, str]]:
    """Name and type of a control's tensor; the server has seen to it that there is one at most."""
    for entry in config.get("sequence_batching", {}).get("control_input", []):
        for control in entry["control"]:
            if control["kind"] != kind:
                continue
            if kind not in BOOLEAN_CONTROLS:
                yield entry["name"], control["data_type"]
            elif control.get("int32_false_true"):
                yield entry["name"], "TYPE_INT32"
            elif control.get("fp32_false_true"):
                yield entry["name"], "TYPE_FP32"
            else:
                yield entry["name"], "TYPE_BOOL"


def validate_control(
    config: Mapping[str, Any], name: str, dtype: str, found: Mapping[str, Tensor]
) -> None:
    model = config["name"]
    if name not in found:
        refuse(
            f"configuration specified sequence control '{name}', but model does not provide that "
            "input"
        )
    dims = found[name].dims[1:] if config["max_batch_size"] > 0 else found[name].dims
    if dims != [1]:
        refuse(
            f"unable to load model '{model}', sequence control '{name}' in model has dims "
            f"{text(dims)} but dims [1] is expected"
        )
    if dtype not in SERVED or found[name].config_dtype != dtype:
        onnx_name = DTYPES.get(found[name].type, ("", "UNDEFINED"))[1]
        refuse(
            f"unable to load model '{model}', sequence control '{name}', the model expects "
            f"data-type {onnx_name} but the model configuration specifies data-type {dtype}"
        )


def validate_input(
    config: Mapping[str, Any], declared: Mapping[str, Any], found: Mapping[str, Tensor]
) -> None:
    unable, name = f"unable to load model '{config['name']}'", declared["name"]
    is_optional, is_ragged = declared.get("optional"), declared.get("allow_ragged_batch")
    if is_optional and config["max_batch_size"] != 0:
        refuse(
            f"{unable}, optional input '{name}' is not supported for models that support batching"
        )
    validate_dtype(config, "input", declared, found)
    wanted = f"{unable}, configuration expects model provides input with shape [-1] "
    if is_optional and is_ragged:
        refuse(f"{wanted}for ragged input '{name}', which is not supported for optional input")
    if not is_ragged:
        validate_dims(config, declared, found[name], exact=False)
    elif found[name].dims != [-1]:
        refuse(f"{wanted} for ragged input '{name}', model provides {text(found[name].dims)}")


def validate_output(
    config: Mapping[str, Any], declared: Mapping[str, Any], found: Mapping[str, Tensor]
) -> None:
    validate_dtype(config, "output", declared, found)
    scattered = {name for each in config.get("batch_output", []) for name in each["target_name"]}
    if declared["name"] not in scattered:
        validate_dims(config, declared, found[declared["name"]], exact=True)


def validate_dtype(
    config: Mapping[str, Any], way: str, declared: Mapping[str, Any], found: Mapping[str, Tensor]
) -> None:
    name, dtype = declared["name"], declared["data_type"]
    if name not in found:
        refuse(
            f"unexpected inference {way} '{name}', allowed {way}s are: {', '.join(sorted(found))}"
        )
    if dtype not in SERVED:
        refuse(f"unsupported datatype {dtype} for {way} '{name}' for model '{config['name']}'")
    if dtype != found[name].config_dtype:
        refuse(
            f"unable to load model '{config['name']}', configuration expects datatype {dtype} for "
            f"{way} '{name}', model provides {found[name].provided}"
        )


def shape_of(declared: Mapping[str, Any]) -> list[int]:
    shaped = declared["reshape"]["shape"] if "reshape" in declared else declared["dims"]
    return [int(each) for each in shaped]


def text(dims: Iterable[int]) -> str:
    return f"[{','.join(map(str, dims))}]"


def validate_dims(
    config: Mapping[str, Any], declared: Mapping[str, Any], found: Tensor, *, exact: bool
) -> None:
    dims, is_batched = shape_of(declared), config["max_batch_size"] > 0
    if not found.dims:
        if any(each != 1 for each in dims):
            refuse(
                f"unable to load model '{config['name']}', scalar tensor '{found.name}', should "
                "only provide 1 in the model configuration when the model doesn't support "
                f"batching. Model configuration provided: {text(dims)}."
            )
        return
    about = f"model '{config['name']}', tensor '{found.name}': "
    if is_batched and found.dims[0] != -1:
        refuse(
            f"{about}for the model to support batching the shape should have at least 1 dimension "
            "and the first dimension must be -1; but shape expected by the model is "
            f"{text(found.dims)}"
        )
    full = [-1, *dims] if is_batched else dims
    differs = any(
        known != said for known, said in zip(found.dims, full, strict=False) if exact or known != -1
    )
    if len(found.dims) != len(full) or differs:
        shape = text(full)
        if is_batched:
            shape = (
                "an initial batch dimension because max_batch_size > 0 followed by the explicit "
                f"tensor shape, making complete shape {shape}"
            )
        else:
            shape = f"shape {shape}"
        refuse(
            f"{about}the model expects {len(found.dims)} dimensions (shape {text(found.dims)}) "
            f"but the model configuration specifies {len(full)} dimensions ({shape})"
        )
