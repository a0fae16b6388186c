"""Rules of config.pbtxt: instances of the model, and the requests that warm them up.

Sources: core/src/model_config_utils.cc, `NormalizeInstanceGroup` and `ValidateInstanceGroup`;
core/src/backend_model_instance.cc, `GenerateWarmupData`; core/src/infer_request.cc, `Normalize`.
All of it was also tried on Triton 24.10, GPUs apart. What the server has of GPUs nobody can tell
here, so KIND_GPU is no more than a remark.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tritonclient.grpc import model_config_pb2

from registry.domain.readiness import Point
from registry.formats.look import Rule, quoted
from registry.serving.config_case import Case
from registry.serving.config_values import ANY, BYTES, elements, shown_dims, type_name
from registry.serving.pbtxt import keyed, nearest

GROUPS = Rule(
    "CONFIG-22",
    "GPUs are named of groups on GPUs alone, and profiles of TensorRT's plans alone.",
    "Remove `gpus` or `profile`, or change `kind`.",
)
WARM_UP = Rule(
    "CONFIG-23",
    "Each warm-up is a request that the model takes: all its inputs, of its types and shapes, with "
    "data, within max_batch_size.",
    "Correct the sample, or set its `batch_size` to 0, which leaves it out.",
)
RULES = (GROUPS, WARM_UP)

_KINDS = model_config_pb2.ModelInstanceGroup.Kind
_ON_GPU = "Write KIND_AUTO where servers without one are to serve it too."
_WITHOUT_GPUS = ("KIND_CPU", "KIND_MODEL")


def check(case: Case) -> Iterator[Point]:
    for index, group in enumerate(case.message.instance_group):
        yield from _group(case, group, f"instance_group[{index}]")
    for index, sample in enumerate(case.message.model_warmup):
        if sample.batch_size:
            yield from _sample(case, sample, f"model_warmup[{index}]")


def _group(case: Case, group: Any, way: str) -> Iterator[Point]:
    kind = _KINDS.Name(group.kind) if group.kind in _KINDS.values() else str(group.kind)
    if group.gpus and kind in _WITHOUT_GPUS:
        found = f"GPUs {', '.join(map(str, group.gpus))} of {kind}"
        yield case.blocks(GROUPS, f"{way}.gpus", found, "none")
    if kind == "KIND_GPU":
        expected = "a server that has one"
        yield case.remark(GROUPS, f"{way}.kind", "instances on a GPU", expected, fix=_ON_GPU)
    if group.count < 0:
        found = f"{group.count}, which stands for the default"
        yield case.remark(GROUPS, f"{way}.count", found, "1 or more")
    for index, resource in enumerate(group.rate_limiter.resources):
        # The server takes it, and waits for nothing.
        if not resource.name or not resource.count:
            found = f"resource {quoted(resource.name)}, {resource.count} of it"
            at = f"{way}.rate_limiter.resources[{index}]"
            yield case.remark(GROUPS, at, found, "a name, and how many an instance takes")
    for index, profile in enumerate(group.profile):
        at = f"{way}.profile[{index}]"
        if case.message.platform != "tensorrt_plan":
            found = f"profile {quoted(profile)} of backend {quoted(case.message.backend)}"
            yield case.blocks(GROUPS, at, found, "none")
        elif not profile.isascii() or not profile.isdigit():
            yield case.blocks(GROUPS, at, f"profile {quoted(profile)}", "its number, from 0")


def _sample(case: Case, sample: Any, way: str) -> Iterator[Point]:
    limit = max(case.message.max_batch_size, 1)
    about = f"warm-up {quoted(sample.name)}" if sample.name else way
    if sample.batch_size > limit:
        found = f"batch_size {sample.batch_size}"
        expected = f"{limit} at most"
        yield case.blocks(WARM_UP, f"{way}.batch_size", found, expected, about=about)
    known = {io.name: io for io in case.message.input}
    extra = _controls(case)
    for name, value in sample.inputs.items():
        at = keyed(f"{way}.inputs", name)
        yield from _data(case, name, value, at, about)
        if name in known:
            yield from _fits(case, value, known[name], at, about)
        elif name not in extra and known:
            near = nearest(name, known)
            expected = quoted(near) if near else f"one of {', '.join(map(quoted, known))}"
            # The server gives it to the backend beside what the model asks for, and ONNX Runtime
            # runs nothing with an input that it does not know.
            say = case.blocks if case.is_onnx else case.remark
            yield say(WARM_UP, at, f"input {quoted(name)}", expected, about=about)
    missing = [io.name for io in known.values() if not io.optional and io.name not in sample.inputs]
    if missing:
        found = f"no data for {', '.join(map(quoted, missing))}"
        yield case.blocks(WARM_UP, way, found, "all inputs of the model", about=about)


def _controls(case: Case) -> set[str]:
    """Inputs that the batcher makes, and a sample may give."""
    batcher = case.message.sequence_batching
    names = {control.name for control in batcher.control_input}
    names |= {state.input_name for state in batcher.state}
    return names | {name for extra in case.message.batch_input for name in extra.target_name}


def _data(case: Case, name: str, value: Any, way: str, about: str) -> Iterator[Point]:
    dims, data_type = list(value.dims), type_name(value.data_type)
    if ANY in dims:
        found = f"{shown_dims(dims)} for {quoted(name)}"
        yield case.blocks(WARM_UP, f"{way}.dims", found, "a number for each axis", about=about)
    choice = value.WhichOneof("input_data_type")
    if choice is None:
        found = f"no data for {quoted(name)}"
        expected = "zero_data, random_data or input_data_file"
        yield case.blocks(WARM_UP, way, found, expected, about=about)
    elif choice == "input_data_file":
        path = f"warmup/{value.input_data_file}"
        size = case.place.sizes.get(path)
        wanted = elements(dims) * BYTES.get(data_type, 0)
        if size is None:
            at = f"{way}.input_data_file"
            yield case.blocks(WARM_UP, at, f"no file {quoted(path)}", "one", about=about)
        elif data_type != "TYPE_STRING" and size < wanted:
            found = f"{size:,} bytes in {quoted(path)}"
            expected = f"{wanted:,} for {data_type} {shown_dims(dims)}"
            yield case.blocks(WARM_UP, f"{way}.input_data_file", found, expected, about=about)


def _fits(case: Case, value: Any, io: Any, way: str, about: str) -> Iterator[Point]:
    if value.data_type != io.data_type:
        found = f"{type_name(value.data_type)} for {quoted(io.name)}"
        expected = type_name(io.data_type)
        yield case.blocks(WARM_UP, f"{way}.data_type", found, expected, about=about)
    dims, wide = list(value.dims), list(io.dims)
    fits = len(dims) == len(wide) and all(
        own in (ANY, dim) or dim == ANY for dim, own in zip(dims, wide, strict=True)
    )
    if not fits:
        found = f"{shown_dims(dims)} for {quoted(io.name)}"
        expected = f"{shown_dims(wide)}, without the batch axis"
        yield case.blocks(WARM_UP, f"{way}.dims", found, expected, about=about)
