"""Models that are no ONNX: what can be said of them without the machine they run on."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.readiness import Point, Weight
from registry.serving.config_completing import completed
from registry.serving.engines import RULES, check, wanted
from registry.serving.pbtxt import empty, parse
from registry.serving.repository import places


@dataclass(frozen=True)
class Release:
    name: str = "24.10"
    server: str = "2.51.0"
    tensorrt: str = "10.4.0.26"


BLOCKS, DOUBTS, REMARK = Weight.BLOCKS, Weight.DOUBTS, Weight.REMARK
Found = list[tuple[str, Weight]]


def plan(*version: int, magic: bytes = b"ftrt", serialization: int = 0) -> bytes:
    head = magic + serialization.to_bytes(4, "little") + bytes(16) + bytes(version)
    return head.ljust(64, b"\0")


_SAID = "data_type: TYPE_FP32 dims: 1"
IO = f"input {{ name: 'x' {_SAID} }}\noutput {{ name: 'y' {_SAID} }}\n"
TORCH = {"1/model.pt": b"PK\3\4" + bytes(60)}
MODULE = b"import numpy as np\nclass TritonPythonModel:\n    def execute(self, requests): ...\n"
VLLM = "backend: 'vllm'\n"
LLM = "backend: 'tensorrtllm'\n"
WEIGHTS = {"1/weights/model.safetensors": b""}


def arguments(**said: object) -> dict[str, bytes]:
    return {"1/model.json": json.dumps(said).encode()}


def engine(ranks: int = 1, size: int = 1, **said: object) -> dict[str, bytes]:
    document = {"version": "0.14.0", "build_config": {}} | said
    document["pretrained_config"] = {"mapping": {"world_size": size}}
    files = {f"1/rank{rank}.engine": b"" for rank in range(ranks)}
    return files | {"1/config.json": json.dumps(document).encode()}


@dataclass(frozen=True)
class Given:
    text: str | None
    files: dict[str, bytes]
    release: Release = field(default_factory=Release)


def look(case: Given) -> list[Point]:
    sizes = {f"m/{way}": len(data) for way, data in case.files.items()}
    if case.text is not None:
        sizes["m/config.pbtxt"] = len(case.text)
    found, _ = places(sizes, "unused")
    if not found:
        found, _ = places({way: len(data) for way, data in case.files.items()}, "m")
    (place,) = found
    config = empty("m") if case.text is None else parse(case.text.encode())
    message = completed(config.message, place, None)
    heads = {
        way: case.files[place.files[way].removeprefix("m/")][:limit]
        for way, limit in wanted(place, message).items()
    }
    return list(check(place, config, message, heads, case.release))


GPU = ("ENGINE-2", DOUBTS)
MODULE_DOUBT = ("ENGINE-3", DOUBTS)
CODE_DOUBT = ("ENGINE-5", DOUBTS)
CASES: dict[str, tuple[Found, Given]] = {
    "plan": ([GPU], Given(None, {"1/model.plan": plan(10, 4, 0, 26)})),
    "plan of ONNX": ([("ENGINE-1", BLOCKS)], Given(None, {"1/model.plan": b"\x08\x07" * 32})),
    "plan cut off": ([("ENGINE-1", BLOCKS)], Given(None, {"1/model.plan": b"ftrt"})),
    "plan behind JSON": (
        [("ENGINE-1", BLOCKS)],
        Given(None, {"1/model.plan": b"\x20\0\0\0{}" + plan(10, 4, 0, 26)}),
    ),
    "older plan": (
        [GPU, ("ENGINE-1", DOUBTS)],
        Given(None, {"1/model.plan": plan(10, 3, 0, 26)}),
    ),
    "newer plan": ([GPU, ("ENGINE-1", BLOCKS)], Given(None, {"1/model.plan": plan(10, 5, 0, 1)})),
    "plan of another major": (
        [GPU, ("ENGINE-1", BLOCKS)],
        Given(None, {"1/model.plan": plan(8, 6, 1, 6)}),
    ),
    "plan of another serialization": (
        [GPU, ("ENGINE-1", DOUBTS)],
        Given(None, {"1/model.plan": plan(8, 6, 1, 6, serialization=239)}),
    ),
    "plan, and no TensorRT known": (
        [GPU, ("ENGINE-1", DOUBTS)],
        Given(None, {"1/model.plan": plan(10, 4, 0, 26)}, Release(tensorrt="")),
    ),
    "plan of three numbers": (
        [GPU],
        Given(None, {"1/model.plan": plan(10, 4, 0, 26)}, Release(tensorrt="10.4.0")),
    ),
    "module": ([MODULE_DOUBT], Given("platform: 'pytorch_libtorch'\n" + IO, TORCH)),
    "module without tensors": (
        [("ENGINE-3", BLOCKS)] * 2,
        Given("backend: 'pytorch'\n", TORCH),
    ),
    "module that is no zip": (
        [("ENGINE-3", BLOCKS), MODULE_DOUBT],
        Given("backend: 'pytorch'\n" + IO, {"1/model.pt": b"\x80\2}"}),
    ),
    "module with unnamed places": (
        [("ENGINE-3", REMARK), MODULE_DOUBT],
        Given("backend: 'pytorch'\n" + IO + IO.partition("\n")[0].replace("x", "z"), TORCH),
    ),
    "module with numbered places": (
        [MODULE_DOUBT],
        Given(
            "backend: 'pytorch'\n"
            + (IO + IO.partition("\n")[0].replace("x", "z__1")).replace("'x'", "'x__0'"),
            TORCH,
        ),
    ),
    "module of unsigned numbers": (
        [("ENGINE-9", BLOCKS), MODULE_DOUBT],
        Given("backend: 'pytorch'\n" + IO.replace("FP32", "UINT32", 1), TORCH),
    ),
    "compiled package": (
        [("ENGINE-3", DOUBTS)],
        Given("platform: 'torch_aoti'\n" + IO, {"1/model.pt2": b"PK\3\4"}),
    ),
    "python": ([CODE_DOUBT], Given("backend: 'python'\n", {"1/model.py": MODULE})),
    "python without the class": (
        [("ENGINE-4", BLOCKS), CODE_DOUBT],
        Given("backend: 'python'\n", {"1/model.py": MODULE.replace(b"PythonModel", b"Model")}),
    ),
    "python without execute": (
        [("ENGINE-4", BLOCKS), CODE_DOUBT],
        Given("backend: 'python'\n", {"1/model.py": MODULE.replace(b"execute", b"run")}),
    ),
    "python with an imported class": (
        [CODE_DOUBT],
        Given("backend: 'python'\n", {"1/model.py": b"from own import TritonPythonModel"}),
    ),
    "python with all of another module": (
        [CODE_DOUBT],
        Given("backend: 'python'\n", {"1/model.py": b"from own import *"}),
    ),
    "python with a made class": (
        [CODE_DOUBT],
        Given("backend: 'python'\n", {"1/model.py": b"TritonPythonModel = make()"}),
    ),
    "python with a base class": (
        [CODE_DOUBT],
        Given("backend: 'python'\n", {"1/model.py": b"class TritonPythonModel(Base): pass"}),
    ),
    "python of another version": (
        [("ENGINE-4", DOUBTS)],
        Given("backend: 'python'\n", {"1/model.py": b"print 'x'"}),
    ),
    "vLLM": ([("ENGINE-6", DOUBTS)], Given(VLLM, WEIGHTS | arguments(model="weights"))),
    "vLLM without arguments": ([("ENGINE-6", BLOCKS)], Given(VLLM, WEIGHTS)),
    "vLLM with what is no JSON": (
        [("ENGINE-6", BLOCKS)],
        Given(VLLM, WEIGHTS | {"1/model.json": b"model: weights"}),
    ),
    "vLLM with a list": (
        [("ENGINE-6", BLOCKS)],
        Given(VLLM, WEIGHTS | {"1/model.json": b"[]"}),
    ),
    "vLLM without a model": ([("ENGINE-6", DOUBTS)], Given(VLLM, WEIGHTS | arguments())),
    "vLLM of a hub": ([("ENGINE-6", DOUBTS)], Given(VLLM, arguments(model="facebook/opt-125m"))),
    "vLLM on several GPUs": (
        [("ENGINE-6", DOUBTS), ("ENGINE-6", BLOCKS)],
        Given(
            VLLM + "instance_group { kind: KIND_GPU }",
            WEIGHTS | arguments(model="weights", tensor_parallel_size=2),
        ),
    ),
    "vLLM that takes its GPUs": (
        [("ENGINE-6", DOUBTS)],
        Given(
            VLLM + "instance_group { kind: KIND_MODEL }",
            WEIGHTS | arguments(model="weights", tensor_parallel_size=2),
        ),
    ),
    "TensorRT-LLM": ([("ENGINE-7", DOUBTS)], Given(LLM, engine())),
    "TensorRT-LLM of two ranks": ([("ENGINE-7", DOUBTS)], Given(LLM, engine(2, 2))),
    "TensorRT-LLM without a rank": (
        [("ENGINE-7", BLOCKS), ("ENGINE-7", DOUBTS)],
        Given(LLM, engine(1, 2)),
    ),
    "TensorRT-LLM with a model's own config.json": (
        [("ENGINE-7", BLOCKS)],
        Given(LLM, engine() | {"1/config.json": b'{"model_type": "llama"}'}),
    ),
    "TensorRT-LLM elsewhere": ([("ENGINE-7", DOUBTS)], Given(LLM, {"1/.gitkeep": b""})),
    "GGUF": ([("ENGINE-8", BLOCKS)], Given(None, {"net-q4.gguf": b"GGUF"})),
    "TFLite": ([("ENGINE-8", BLOCKS)], Given(None, {"net.tflite": b""})),
    "safetensors": ([("ENGINE-8", BLOCKS)], Given(None, {"model.safetensors": b""})),
    "TensorFlow": (
        [("ENGINE-8", DOUBTS)],
        Given(None, {"1/model.savedmodel/saved_model.pb": b""}),
    ),
    "TensorFlow of 25.02": (
        [("ENGINE-8", DOUBTS)],
        Given(None, {"1/model.savedmodel/saved_model.pb": b""}, Release(name="25.02")),
    ),
    "TensorFlow no more": (
        [("ENGINE-8", BLOCKS)],
        Given(None, {"1/model.savedmodel/saved_model.pb": b""}, Release(name="25.03")),
    ),
    "another backend": ([], Given("backend: 'fil'\n", {"1/xgboost.json": b""})),
}


@pytest.mark.parametrize(("said", "case"), CASES.values(), ids=CASES)
def test_what_is_said_of_each(said: Found, case: Given) -> None:
    assert [(each.rule, each.weight) for each in look(case)] == said


def test_each_rule_is_tried_above() -> None:
    tried = {rule for said, _ in CASES.values() for rule, _ in said}
    assert tried == {rule.id for rule in RULES}


def test_what_cannot_be_told_is_said_in_a_sentence() -> None:
    (gpu,) = look(CASES["plan"][1])
    assert gpu.message == (
        "plan '1/model.plan': a plan for one kind of GPU, which it does not tell, expected the "
        "kind that the server has: nobody can tell without it"
    )
    assert gpu.path == "m/1/model.plan"
    (code,) = look(CASES["python"][1])
    assert code.found == "code that imports 'numpy'"


def test_how_to_mend_it_is_told() -> None:
    assert "Ultralytics" in look(CASES["plan behind JSON"][1])[0].fix
    (found,) = look(CASES["GGUF"][1])
    assert found.fix == "Export the model to ONNX, or serve it with llama.cpp or Ollama."
    (found, _) = look(CASES["python without execute"][1])
    assert (found.line, found.column) == (2, 0)
    (found, _) = look(CASES["module of unsigned numbers"][1])
    assert (found.subject, found.line) == ("input 'x'", 2)


def test_little_is_read_of_large_files() -> None:
    found, _ = places({"1/model.plan": 10**10, "1/notes.txt": 5, "config.pbtxt": 9}, "m")
    message = completed(empty("m").message, found[0], None)
    assert wanted(found[0], message) == {"1/model.plan": 64}


@given(st.binary(max_size=80), st.sampled_from(["plan", "pt", "py", "json"]))
def test_any_bytes_are_judged(data: bytes, ending: str) -> None:
    """Whatever a file holds, no rule fails at it."""
    texts = {"plan": None, "pt": "backend: 'pytorch'", "py": "backend: 'python'", "json": VLLM}
    assert look(Given(texts[ending], {f"1/model.{ending}": data}))
