"""Rules of models that are no ONNX: what can be said of them without the machine they run on.

That is little, and each says so: a plan is for one GPU, a TorchScript module tells its inputs to
nobody but itself, Python is whatever it does. Sources: TensorRT/samples/common/sampleEngines.cpp,
`printPlanVersion`, for the head of a plan; pytorch_backend/README.md; python_backend/README.md;
vllm_backend/README.md and src/model.py; tensorrtllm_backend/README.md; the release notes of Triton
25.03 (2.56.0), for TensorFlow.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from registry.domain.readiness import Point, Weight
from registry.formats.look import Rule, quoted
from registry.formats.python_source import SOURCE_BYTES_MAX, nodes_of
from registry.serving.config_case import Target, numbers
from registry.serving.config_completing import ENSEMBLE
from registry.serving.config_values import type_name
from registry.serving.pbtxt import Config, nearest
from registry.serving.points import NOWHERE, Position, point
from registry.serving.repository import Place

PLAN = Rule(
    "ENGINE-1",
    "A TensorRT plan begins as one, and was built with the release's TensorRT.",
    "Build the plan with trtexec of the release's own container, on the GPU that serves it.",
)
PLAN_GPU = Rule(
    "ENGINE-2",
    "A TensorRT plan runs on the kind of GPU that it was built on.",
    "Try it on such a GPU.",
)
TORCHSCRIPT = Rule(
    "ENGINE-3",
    "A TorchScript module's config.pbtxt says all its inputs and outputs, in its own order or by "
    "names that tell their places.",
    "Write `input` and `output`, named as forward's arguments, or INPUT__0 and OUTPUT__0, counted "
    "on.",
)
PYTHON = Rule(
    "ENGINE-4",
    "model.py of the Python backend has a class TritonPythonModel with a method execute.",
    "Define `class TritonPythonModel` with `def execute(self, requests)` in model.py.",
)
CODE = Rule(
    "ENGINE-5",
    "What a model of Python does and imports shows when it runs.",
    "Try it on the server, with the packages that it imports.",
)
VLLM = Rule(
    "ENGINE-6",
    "A vLLM model has model.json in its version, which names weights that are there.",
    'Write model.json with "model": the folder of the weights.',
)
LLM_ENGINE = Rule(
    "ENGINE-7",
    "A TensorRT-LLM engine has config.json with its version, and an engine for each rank.",
    "Push the whole folder that trtllm-build wrote.",
)
SERVED = Rule(
    "ENGINE-8",
    "The release has a backend for the model's format.",
    "Export the model to ONNX, or serve it with what reads its format.",
)
TORCH_TYPES = Rule(
    "ENGINE-9",
    "Inputs and outputs of a TorchScript module are of types that the PyTorch backend serves.",
    "Let the module take and give such a type.",
)
RULES = (PLAN, PLAN_GPU, TORCHSCRIPT, PYTHON, CODE, VLLM, LLM_ENGINE, SERVED, TORCH_TYPES)

#: Little-endian 0x74727466.
_PLAN_MAGIC = b"ftrt"
_PLAN_HEAD_BYTES = 28
#: Where plans of serialization version 0 say TensorRT's four numbers.
_PLAN_VERSION = slice(24, 28)
#: Ultralytics writes a length and JSON before the plan, which TensorRT does not skip.
_HEAD_BYTES = 64
_TORCH_ZIP = b"PK\x03\x04"
#: Of `ModelInstanceGroup.kind`.
_KIND_GPU = 1
_JSON_BYTES_MAX = 1024 * 1024
#: The last with a TensorFlow backend in its image.
_TENSORFLOW_UNTIL = (25, 2)
#: Types of Triton that libtorch_utils.cc, `ModelConfigDataTypeToTorchType`, has no row for.
_NO_TORCH_TYPES = ("TYPE_UINT16", "TYPE_UINT32", "TYPE_UINT64")
_NUMBERED = re.compile(r"[A-Za-z_]+__[0-9]+")
_RANK = re.compile(r"(?:.*/)?rank([0-9]+)\.engine")
#: By ending: what serves it, as Triton doesn't.
_ELSEWHERE: Mapping[str, str] = {
    "gguf": "llama.cpp or Ollama",
    "tflite": "LiteRT, on the device",
    "safetensors": 'vLLM: push model.json and a config.pbtxt with `backend: "vllm"`',
}


@dataclass(frozen=True, kw_only=True)
class _Engine:
    place: Place
    config: Config
    #: With what Triton fills in.
    message: Any
    release: Target
    #: The beginnings of files that `wanted` asked for, by their way in Triton's folder.
    heads: Mapping[str, bytes]

    def says(
        self,
        rule: Rule,
        weight: Weight,
        subject: str,
        found: str,
        expected: str = "",
        *,
        fix: str = "",
        way: str = "",
        position: Position = NOWHERE,
    ) -> Point:
        """Of a file of the model, or of a field of its configuration where none is named."""
        path = self.place.files.get(way, "") if way else self.place.config_path
        return point(rule, weight, subject, found, expected, fix=fix, path=path, position=position)


def wanted(place: Place, message: Any) -> dict[str, int]:
    """Files that the rules look at, by their way in Triton's model folder, and how many bytes of
    each from its beginning; `message` is the configuration with what Triton fills in."""
    found: dict[str, int] = {}
    for version in place.versions:
        for name in place.inside(version):
            way = f"{version}/{name}"
            base = name.rpartition("/")[2]
            if _is_main(message, name) or base.endswith((".plan", ".engine", ".trt")):
                is_code = base.endswith(".py")
                found[way] = SOURCE_BYTES_MAX + 1 if is_code else _HEAD_BYTES
            elif base in ("model.json", "config.json"):
                found[way] = _JSON_BYTES_MAX + 1
    return found


def check(
    place: Place, config: Config, message: Any, heads: Mapping[str, bytes], release: Target
) -> Iterator[Point]:
    """What can be told of a model that is no ONNX and no ensemble."""
    engine = _Engine(place=place, config=config, message=message, release=release, heads=heads)
    known: dict[str, Callable[[_Engine], Iterator[Point]]] = {
        "tensorrt": _plans,
        "pytorch": _torchscript,
        "python": _python,
        "vllm": _vllm,
        "tensorrtllm": _llm_engines,
        "tensorflow": _tensorflow,
    }
    if message.backend in known:
        yield from known[message.backend](engine)
    elif not message.backend and message.platform != ENSEMBLE:
        yield from _unserved(engine)


def _is_main(message: Any, name: str) -> bool:
    return bool(name == message.default_model_filename)


def _mains(engine: _Engine) -> Iterator[tuple[str, bytes]]:
    """What the backend loads of each version, as far as it is here."""
    for way, head in engine.heads.items():
        if _is_main(engine.message, way.partition("/")[2]):
            yield way, head


def _plans(engine: _Engine) -> Iterator[Point]:
    for way, head in _mains(engine):
        yield from _plan(engine, way, head)


def _plan(engine: _Engine, way: str, head: bytes) -> Iterator[Point]:
    subject = f"plan {quoted(way)}"
    if len(head) < _PLAN_HEAD_BYTES or not head.startswith(_PLAN_MAGIC):
        fix = ""
        if head[4:5] == b"{":
            fix = "Leave out what is before the plan: Ultralytics writes its own JSON there."
        found = f"a file that begins with {quoted(head[:4].hex(' '))}"
        expected = f"{_PLAN_MAGIC.decode()!r}, as plans do"
        yield engine.says(PLAN, Weight.BLOCKS, subject, found, expected, fix=fix, way=way)
        return
    yield engine.says(
        PLAN_GPU,
        Weight.DOUBTS,
        subject,
        "a plan for one kind of GPU, which it does not tell",
        "the kind that the server has: nobody can tell without it",
        way=way,
    )
    serialization = int.from_bytes(head[4:8], "little")
    own = engine.release.tensorrt
    if serialization or not own:
        found = (
            f"serialization version {serialization}"
            if serialization
            else "no TensorRT to compare with"
        )
        expected = "a plan of the release's TensorRT: which it is of cannot be told"
        yield engine.says(PLAN, Weight.DOUBTS, subject, found, expected, way=way)
        return
    built = tuple(head[_PLAN_VERSION])
    ours = numbers(own)
    if built[: len(ours)] == ours:
        return
    found = f"built with TensorRT {'.'.join(map(str, built))}"
    expected = f"{own}, of Triton {engine.release.name}"
    if built[0] == ours[0] and built < ours:
        # Plans may be built so that later TensorRTs of the same major version take them.
        expected += ", or a plan that was built version compatible, and a server that lets it"
        yield engine.says(PLAN, Weight.DOUBTS, subject, found, expected, way=way)
    else:
        yield engine.says(PLAN, Weight.BLOCKS, subject, found, expected, way=way)


def _torchscript(engine: _Engine) -> Iterator[Point]:
    message = engine.message
    if message.platform == "torch_aoti":
        found = "a compiled package of PyTorch"
        expected = "the machine it was compiled for: nobody can tell without it"
        yield engine.says(TORCHSCRIPT, Weight.DOUBTS, "platform", found, expected)
        return
    for way, head in _mains(engine):
        if not head.startswith(_TORCH_ZIP):
            found = f"a file that begins with {quoted(head[:4].hex(' '))}"
            expected = "a zip, as torch.jit.save writes it"
            fix = "Save the module with torch.jit.script or torch.jit.trace, and torch.jit.save."
            subject = f"module {quoted(way)}"
            yield engine.says(
                TORCHSCRIPT, Weight.BLOCKS, subject, found, expected, fix=fix, way=way
            )
    for kind in ("input", "output"):
        ios = getattr(message, kind)
        if not ios:
            # The backend completes no configuration.
            expected = f"all {kind}s of the module, which it tells nobody"
            yield engine.says(TORCHSCRIPT, Weight.BLOCKS, kind, f"no {kind}", expected)
        for index, io in enumerate(ios):
            yield from _torch_type(engine, io, f"{kind}[{index}]")
        names = [io.name for io in ios]
        if len(names) > 1 and not all(map(_NUMBERED.fullmatch, names)):
            found = f"{', '.join(map(quoted, names))}, in this order"
            expected = "forward's own order, or names that tell their place, such as INPUT__0"
            at = engine.config.at(kind)
            yield engine.says(TORCHSCRIPT, Weight.REMARK, kind, found, expected, position=at)
    if message.input and message.output:
        found = "a module that tells its inputs and outputs to nobody"
        expected = "those of config.pbtxt: nobody can tell without running it"
        yield engine.says(TORCHSCRIPT, Weight.DOUBTS, "module", found, expected)


def _torch_type(engine: _Engine, io: Any, way: str) -> Iterator[Point]:
    data_type = type_name(io.data_type)
    if data_type in _NO_TORCH_TYPES:
        subject = f"{way.partition('[')[0]} {quoted(io.name)}"
        at = engine.config.at(f"{way}.data_type")
        expected = "a type of PyTorch, such as TYPE_INT64"
        yield engine.says(TORCH_TYPES, Weight.BLOCKS, subject, data_type, expected, position=at)


def _python(engine: _Engine) -> Iterator[Point]:
    for way, source in _mains(engine):
        subject = f"module {quoted(way)}"
        try:
            nodes = _parsed(source)
        except (SyntaxError, ValueError, RecursionError) as error:
            # Its server may have another Python than is here.
            found = f"what is no Python here: {quoted(str(error))}"
            yield engine.says(PYTHON, Weight.DOUBTS, subject, found, "Python 3", way=way)
            continue
        yield from _class(engine, subject, way, nodes)
        packages = sorted(_imported(nodes) - {"triton_python_backend_utils"})
        found = "code, which shows when it runs"
        if packages:
            found = f"code that imports {', '.join(map(quoted, packages[:8]))}"
        expected = "a server that has what it needs: nobody can tell without running it"
        yield engine.says(CODE, Weight.DOUBTS, subject, found, expected, way=way)


def _parsed(source: bytes) -> list[ast.AST]:
    if len(source) > SOURCE_BYTES_MAX:
        raise ValueError("more than is looked at in one module")
    return nodes_of(source.decode("utf-8-sig"))


def _class(engine: _Engine, subject: str, way: str, nodes: list[ast.AST]) -> Iterator[Point]:
    classes = {node.name: node for node in nodes if isinstance(node, ast.ClassDef)}
    others = {alias.asname or alias.name for node in nodes for alias in _aliases(node)}
    own = classes.get("TritonPythonModel")
    if own is None:
        if not {"TritonPythonModel", "*"} & others and "TritonPythonModel" not in _assigned(nodes):
            near = nearest("TritonPythonModel", classes)
            expected = f"it; there is {quoted(near)}" if near else "it"
            found = "no class TritonPythonModel"
            yield engine.says(PYTHON, Weight.BLOCKS, subject, found, expected, way=way)
        return
    methods = {
        node.name for node in own.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    if "execute" not in methods and not own.bases and not own.decorator_list:
        position = Position(own.lineno, 0)
        found = "TritonPythonModel without execute"
        yield engine.says(
            PYTHON, Weight.BLOCKS, subject, found, "execute", way=way, position=position
        )


def _aliases(node: ast.AST) -> list[ast.alias]:
    return node.names if isinstance(node, ast.Import | ast.ImportFrom) else []


def _assigned(nodes: list[ast.AST]) -> set[str]:
    return {
        node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def _imported(nodes: list[ast.AST]) -> set[str]:
    """Packages, by the first part of their name."""
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").partition(".")[0])
    return names


def _vllm(engine: _Engine) -> Iterator[Point]:
    for version in engine.place.versions:
        way = f"{version}/model.json"
        subject = f"version {version}"
        if way not in engine.heads:
            yield engine.says(VLLM, Weight.BLOCKS, subject, "no model.json", "model.json")
            continue
        document = _json(engine.heads[way])
        if document is None:
            found = "what is no JSON object"
            expected = "engine arguments by name"
            yield engine.says(VLLM, Weight.BLOCKS, f"file {quoted(way)}", found, expected, way=way)
            continue
        name = document.get("model")
        if not isinstance(name, str) or not name:
            # Without it vLLM takes a model of its own choice from Hugging Face.
            found, expected = 'no "model"', "the folder of the weights"
            yield engine.says(VLLM, Weight.DOUBTS, f"file {quoted(way)}", found, expected, way=way)
        elif not _has_weights(engine, version, name):
            found = f"weights {quoted(name)}, which are not here: the server fetches them"
            expected = "a folder of this version, with the weights in safetensors"
            yield engine.says(VLLM, Weight.DOUBTS, f"file {quoted(way)}", found, expected, way=way)
        else:
            found = "a model of vLLM"
            expected = "a GPU with room for it: nobody can tell without one"
            yield engine.says(VLLM, Weight.DOUBTS, subject, found, expected, way=way)
        yield from _parallel(engine, document, way)


def _parallel(engine: _Engine, document: dict[str, Any], way: str) -> Iterator[Point]:
    """Several GPUs for one model are the backend's to choose, not Triton's."""
    sizes = [document.get(f"{kind}_parallel_size", 1) for kind in ("tensor", "pipeline")]
    kinds = [group.kind for group in engine.message.instance_group]
    if any(type(size) is int and size > 1 for size in sizes) and _KIND_GPU in kinds:
        found = f"parallel sizes {' and '.join(map(quoted, map(str, sizes)))} with KIND_GPU"
        fix = "Write `instance_group { kind: KIND_MODEL }`."
        subject = f"file {quoted(way)}"
        yield engine.says(VLLM, Weight.BLOCKS, subject, found, "KIND_MODEL", fix=fix, way=way)


def _has_weights(engine: _Engine, version: int, name: str) -> bool:
    """Whether a path that ends with a folder of the version leads to weights there."""
    folder = name.rstrip("/").rpartition("/")[2]
    files = engine.place.inside(version)
    return any(
        each.endswith(".safetensors") and folder in (*each.split("/")[:-1], str(version), ".")
        for each in files
    )


def _json(data: bytes) -> dict[str, Any] | None:
    if len(data) > _JSON_BYTES_MAX:
        return None
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _llm_engines(engine: _Engine) -> Iterator[Point]:
    configs = [way for way in engine.heads if way.endswith("/config.json")]
    folders = {way.removesuffix("config.json"): _json(engine.heads[way]) for way in configs}
    engines = {
        folder: sorted(
            int(match[1])
            for way in engine.place.files
            if way.startswith(folder) and (match := _RANK.fullmatch(way.removeprefix(folder)))
        )
        for folder in folders
    }
    built = {folder: document for folder, document in folders.items() if engines[folder]}
    if not built:
        # The models beside the engine, such as of tokens, have none.
        found = "no engine in this folder"
        expected = "engine_dir in its parameters, where the server has it"
        yield engine.says(LLM_ENGINE, Weight.DOUBTS, "engine", found, expected)
    for folder, document in built.items():
        way = f"{folder}config.json"
        subject = f"engine {quoted(folder.rstrip('/'))}"
        if document is None or "build_config" not in document:
            found, expected = "a config.json without build_config", "what trtllm-build wrote"
            yield engine.says(LLM_ENGINE, Weight.BLOCKS, subject, found, expected, way=way)
            continue
        yield from _ranks(engine, subject, way, document, engines[folder])
        version = document.get("version")
        found = f"built with TensorRT-LLM {quoted(version)}" if version else "no version"
        expected = "the release's own, and the kind of GPU it was built on: nobody can tell here"
        yield engine.says(LLM_ENGINE, Weight.DOUBTS, subject, found, expected, way=way)


def _ranks(
    engine: _Engine, subject: str, way: str, document: dict[str, Any], ranks: list[int]
) -> Iterator[Point]:
    pretrained = document.get("pretrained_config")
    mapping = pretrained.get("mapping") if isinstance(pretrained, dict) else None
    size = mapping.get("world_size") if isinstance(mapping, dict) else None
    if type(size) is int and ranks != list(range(size)):
        found = f"engines of ranks {', '.join(map(str, ranks))}"
        expected = f"0 to {size - 1}, as world_size is {size}"
        yield engine.says(LLM_ENGINE, Weight.BLOCKS, subject, found, expected, way=way)


def _tensorflow(engine: _Engine) -> Iterator[Point]:
    if numbers(engine.release.name) > _TENSORFLOW_UNTIL:
        found = f"TensorFlow, whose backend Triton {engine.release.name} no longer has"
        expected = "25.02 at most"
        fix = "Export the model with tf2onnx, or take a release up to 25.02."
        yield engine.says(SERVED, Weight.BLOCKS, "backend", found, expected, fix=fix)
    else:
        found = "a model of TensorFlow"
        expected = "what its backend makes of it: nobody can tell without running it"
        yield engine.says(SERVED, Weight.DOUBTS, "backend", found, expected)


def _unserved(engine: _Engine) -> Iterator[Point]:
    for way in engine.place.files:
        ending = way.rpartition(".")[2].casefold()
        if ending in _ELSEWHERE:
            found = f"a format that no backend of Triton {engine.release.name} reads"
            fix = f"Export the model to ONNX, or serve it with {_ELSEWHERE[ending]}."
            subject = f"file {quoted(way)}"
            yield engine.says(
                SERVED, Weight.BLOCKS, subject, found, "such as ONNX", fix=fix, way=way
            )
            return
