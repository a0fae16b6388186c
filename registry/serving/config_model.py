"""Rules of config.pbtxt: what the model is, which files it is, and which of its versions.

Sources: core/src/model_config_utils.cc, `ValidateModelConfig`; core/src/model_lifecycle.cc,
`VersionsToLoad`; core/src/label_provider.cc; onnxruntime_backend/src/onnxruntime.cc, `LoadModel`.
All but agents, metrics and op libraries were also tried on Triton 24.10.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any

from registry.domain.readiness import Point
from registry.formats.look import Rule, quoted
from registry.serving.config_case import Case, numbers
from registry.serving.config_completing import ENSEMBLE
from registry.serving.pbtxt import keyed, nearest
from registry.serving.repository import AUTOFILL, Place

NAME = Rule(
    "CONFIG-2",
    "The name is that of the model's folder, or left out.",
    "Remove `name`, or call it as the model's folder.",
)
BACKEND = Rule(
    "CONFIG-3",
    "Backend and platform name one backend that Triton has.",
    'Say the backend alone, such as `backend: "onnxruntime"`.',
)
MODEL_FILE = Rule(
    "CONFIG-4",
    "The file that the backend loads is in each version that is loaded.",
    "Name the file as the backend expects it, or say its name in `default_model_filename`.",
)
OTHER_FILES = Rule(
    "CONFIG-5",
    "Files for compute capabilities are in each version that is loaded.",
    "Push the file, or remove its row from `cc_model_filenames`.",
)
VERSIONS = Rule(
    "CONFIG-6",
    "The version policy picks versions that are there, one at least.",
    "Let `version_policy` name folders that are there, or push the model in a folder such as 1.",
)
LABELS = Rule(
    "CONFIG-15",
    "Files of labels lie in the model's folder, beside its versions.",
    "Push the file of labels beside config.pbtxt, or remove `label_filename`.",
)
CACHE = Rule(
    "CONFIG-26",
    "Answers are cached of models that answer each request once, without a sequence.",
    "Remove `response_cache`.",
)
METRICS = Rule(
    "CONFIG-27",
    "Each metric control says its family and its buckets.",
    "Say `metric_identifier { family: ... }` and `histogram_options { buckets: [ ... ] }`.",
)
LIBRARIES = Rule(
    "CONFIG-29",
    "What the model needs of the server's machine is told.",
    "See that the server has it where the configuration says.",
)
RULES = (NAME, BACKEND, MODEL_FILE, OTHER_FILES, VERSIONS, LABELS, CACHE, METRICS, LIBRARIES)

#: Backends that know one platform or few, by the platforms that they know.
_PLATFORMS = {
    "tensorrt": ("tensorrt_plan",),
    "onnxruntime": ("onnxruntime_onnx",),
    "pytorch": ("pytorch_libtorch", "libtorch", "torch_aoti"),
    "tensorflow": ("tensorflow_savedmodel", "tensorflow_graphdef"),
}
#: Platforms that came later: 24.10 refuses them, and core's pull request 484 of April 2026 mends
#: what it has of them. With which release between they came is not known here.
_LATER = ("libtorch", "torch_aoti")
_REFUSED_BEFORE = (26, 1)
_KNOWN_FROM = (26, 4)
#: All that NVIDIA's images have had since 24.01: server/build.py and docs/backend/README.md.
_BACKENDS = (
    *_PLATFORMS,
    *("python", "openvino", "dali", "fil", "vllm", "tensorrtllm", "square", "identity", "repeat"),
)
#: What people write for them.
_MEANT = {
    "onnx": "onnxruntime",
    "ort": "onnxruntime",
    "onnxruntime_onnx": "onnxruntime",
    "trt": "tensorrt",
    "tensorrt_plan": "tensorrt",
    "torch": "pytorch",
    "libtorch": "pytorch",
    "pytorch_libtorch": "pytorch",
    "tf": "tensorflow",
    "py": "python",
    "tensorrt_llm": "tensorrtllm",
}


def check(case: Case) -> Iterator[Point]:
    yield from _name(case)
    yield from _backend(case)
    loaded = picked(case.message, case.place)
    yield from _versions(case, loaded)
    present = [version for version in loaded if version in case.place.versions]
    yield from _model_files(case, present)
    yield from _other_files(case, present)
    yield from _labels(case)
    yield from _cache(case)
    yield from _metrics(case)
    yield from _machine(case)


def _name(case: Case) -> Iterator[Point]:
    said, name = case.config.message.name, case.place.name
    if said and said != name:
        fix = f"Write `name: {quoted(name)}`, or remove the line."
        yield case.blocks(NAME, "name", quoted(said), f"{quoted(name)}, as its folder", fix=fix)


def _backend(case: Case) -> Iterator[Point]:
    message = case.message
    backend, platform = message.backend, message.platform
    way = "backend" if case.config.message.backend else "platform"
    if case.is_ensemble:
        yield from _ensemble(case)
    elif message.runtime and not _has_library(case) and not _is_own_runtime(message):
        found = f"library {quoted(message.runtime)}"
        expected = f"libtriton_{backend}.so, or none"
        yield case.blocks(BACKEND, "runtime", found, expected, fix="Remove `runtime`.")
    elif not backend:
        if platform:
            known = sorted({each for row in _PLATFORMS.values() for each in row})
            near = nearest(platform, known) or nearest(_MEANT.get(platform, ""), known)
            expected = quoted(near) if near else f"one of {', '.join([*known, ENSEMBLE])}"
            yield case.blocks(BACKEND, way, f"platform {quoted(platform)}", expected)
        elif not _is_unserved(case):
            names = ", ".join(AUTOFILL)
            found = "no backend, and no file from whose name Triton would take it"
            yield case.blocks(BACKEND, way, found, f"`backend`, or a file named {names}")
    elif platform in _LATER and numbers(case.target.name) < _KNOWN_FROM:
        say = case.blocks if numbers(case.target.name) < _REFUSED_BEFORE else case.doubts
        found = f"platform {quoted(platform)}, which Triton {case.target.name} may not know"
        fix = "Take a later release, or push a TorchScript module as model.pt."
        yield say(BACKEND, way, found, "pytorch_libtorch", fix=fix)
    elif platform not in _PLATFORMS.get(backend, (platform,)):
        found = f"platform {quoted(platform)} with backend {quoted(backend)}"
        expected = f"platform {' or '.join(_PLATFORMS[backend])}, or none"
        yield case.blocks(BACKEND, "platform", found, expected, fix="Remove `platform`.")
    elif backend not in _BACKENDS and not _has_library(case):
        near = _MEANT.get(backend.casefold()) or nearest(backend, _BACKENDS)
        found = f"backend {quoted(backend)}"
        if near:
            fix = f'Write `backend: "{near}"`.'
            yield case.blocks(BACKEND, way, found, quoted(near), fix=fix)
        else:
            expected = "one of NVIDIA's image, or libtriton_NAME.so beside the model"
            fix = "See that the server has this backend."
            yield case.doubts(BACKEND, way, found, expected, fix=fix)


def _is_unserved(case: Case) -> bool:
    """Whether the model is of a format that no backend reads: `engines.py` says so."""
    backend, file = case.place.main()
    return bool(file) and not backend


def _ensemble(case: Case) -> Iterator[Point]:
    message = case.message
    if message.platform != ENSEMBLE:
        found = f"ensemble_scheduling with platform {quoted(message.platform)}"
        fix = f'Write `platform: "{ENSEMBLE}"`.'
        yield case.blocks(BACKEND, "ensemble_scheduling", found, quoted(ENSEMBLE), fix=fix)
    if message.backend:
        fix = "Remove `backend`."
        found = f"backend {quoted(message.backend)} of an ensemble"
        yield case.blocks(BACKEND, "backend", found, "none", fix=fix)
    if not message.HasField("ensemble_scheduling"):
        found = "an ensemble without ensemble_scheduling"
        fix = "Say its steps in `ensemble_scheduling`."
        yield case.blocks(BACKEND, "platform", found, "ensemble_scheduling", fix=fix)


def _is_own_runtime(message: Any) -> bool:
    """Whether it is what a backend's own folder has: a library by its name, or Python's file.
    Source: core/src/backend_model.cc, `ResolveBackendLibrary`."""
    return message.runtime in (f"libtriton_{message.backend}.so", "model.py")


def _has_library(case: Case) -> bool:
    """Whether the model brings its backend along, where the server looks first."""
    name = f"libtriton_{case.message.backend}.so"
    runtime = case.message.runtime or name
    return any(way.rpartition("/")[2] in (name, runtime) for way in case.place.files)


def picked(message: Any, place: Place) -> list[int]:
    """Numbers of the versions that the policy picks; one may have no folder of its number."""
    policy = message.version_policy
    there = sorted({*place.versions, *place.claimed}, reverse=True)
    match policy.WhichOneof("policy_choice"):
        case "specific":
            return [each for each in policy.specific.versions if each in there]
        case "all":
            return there
        case "latest":
            return there[: policy.latest.num_versions]
        case _:
            return there[:1]


def _versions(case: Case, loaded: list[int]) -> Iterator[Point]:
    there = f"{', '.join(map(str, case.place.versions)) or 'none'} there"
    specific = case.message.version_policy.specific.versions
    way = "version_policy"
    if not loaded and not (case.is_ensemble and not case.place.versions):
        # An ensemble's version is an empty folder, which whoever delivers it makes.
        found = f"no version that is picked, {there}"
        yield case.blocks(VERSIONS, way, found, "one at least")
        return
    for index, version in enumerate(specific):
        if version not in loaded:
            found = f"version {version}, {there}"
            yield case.remark(VERSIONS, f"{way}.specific.versions[{index}]", found)
    for version in loaded:
        if version not in case.place.versions:
            found = f"version {version}, read from the name of another folder"
            yield case.blocks(VERSIONS, way, found, f"a folder {version}")


def _model_files(case: Case, versions: list[int]) -> Iterator[Point]:
    name = case.message.default_model_filename
    way = "default_model_filename"
    if case.is_ensemble or not name or not _loads_file(case):
        return
    if _leaves(name):
        yield case.doubts(
            MODEL_FILE,
            way,
            f"{quoted(name)}, outside the version's folder",
            "a file in it",
            fix="Move the file into the version's folder.",
        )
        return
    for version in versions:
        files = case.place.inside(version)
        if not _has(files, name):
            near = nearest(name, files)
            found = f"no file {quoted(name)} in version {version}"
            expected = (
                f"one; there is {quoted(near)}" if near else f"one of {len(files)} files there"
            )
            fix = f"Write `default_model_filename: {quoted(near)}`, or rename it." if near else ""
            yield case.blocks(MODEL_FILE, way, found, expected, fix=fix)


def _loads_file(case: Case) -> bool:
    """Whether the backend loads a file of that name: what others do is theirs."""
    known = {backend for backend, _ in AUTOFILL.values()}
    return case.message.backend in known


def _has(files: dict[str, int], name: str) -> bool:
    """A file, or a folder with files in it, such as a SavedModel."""
    clean = posixpath.normpath(name)
    return clean in files or any(each.startswith(f"{clean}/") for each in files)


def _leaves(name: str) -> bool:
    return name.startswith("/") or posixpath.normpath(name).startswith("..")


def _other_files(case: Case, versions: list[int]) -> Iterator[Point]:
    """The server takes one of these only on a GPU of just that capability, so a missing one may
    never be missed."""
    for capability, name in case.message.cc_model_filenames.items():
        for version in versions:
            if not _leaves(name) and not _has(case.place.inside(version), name):
                found = f"no file {quoted(name)} in version {version}"
                expected = f"one, for GPUs of compute capability {quoted(capability)}"
                way = keyed("cc_model_filenames", capability)
                yield case.doubts(OTHER_FILES, way, found, expected)


def _labels(case: Case) -> Iterator[Point]:
    for index, output in enumerate(case.config.message.output):
        name = output.label_filename
        if name and not _leaves(name) and not _has(dict(case.place.sizes), name):
            near = [way for way in case.place.files if way.endswith(f"/{name}")]
            found = f"no file {quoted(name)} beside config.pbtxt"
            expected = f"one; there is {quoted(near[0])}" if near else "one"
            yield case.blocks(LABELS, f"output[{index}].label_filename", found, expected)


def _cache(case: Case) -> Iterator[Point]:
    message = case.message
    if message.response_cache.enable:
        if message.HasField("sequence_batching"):
            found = "a cache of answers with sequence_batching"
            yield case.blocks(CACHE, "response_cache", found, "none")
        if message.model_transaction_policy.decoupled:
            found = "a cache of answers of a decoupled model"
            yield case.blocks(CACHE, "response_cache", found, "none")


def _metrics(case: Case) -> Iterator[Point]:
    for index, control in enumerate(case.message.model_metrics.metric_control):
        way = f"model_metrics.metric_control[{index}]"
        if not control.metric_identifier.family:
            yield case.blocks(METRICS, way, "no family", "metric_identifier { family }")
        if not control.histogram_options.buckets:
            yield case.blocks(METRICS, way, "no buckets", "histogram_options { buckets }")


def _machine(case: Case) -> Iterator[Point]:
    """What nobody here can see: files of the server's machine."""
    for index, name in enumerate(case.message.model_operations.op_library_filename):
        found = f"library {quoted(name)}, which the server loads from its own disk"
        way = f"model_operations.op_library_filename[{index}]"
        yield case.doubts(LIBRARIES, way, found, "one that the server has")
    for index, agent in enumerate(case.message.model_repository_agents.agents):
        found = f"agent {quoted(agent.name)}, which the server has to have"
        way = f"model_repository_agents.agents[{index}]"
        yield case.doubts(LIBRARIES, way, found, "libtritonrepoagent_NAME.so on the server")
