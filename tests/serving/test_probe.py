"""A real Triton, asked by the probe what it makes of models."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from registry.domain.readiness import (
    ModelReport,
    Readiness,
    Report,
    Signature,
    TensorInfo,
    probe_from_document,
    probe_to_document,
)
from registry.serving import probe as probing
from registry.serving import probe_loading
from registry.serving.candidates import Candidate, Tensor, candidates, in_order, tops
from registry.serving.probe import probe
from registry.serving.probe_client import Client
from registry.serving.probe_names import LEFT_AFTER_S, throw_away_name
from registry.testing.onnx_models import model, node, relu, save, weights
from registry.testing.probing import (
    NOW_S,
    SAME,
    is_ready,
    names_on,
    probed,
    python_model,
    target_of,
    told,
)
from registry.testing.triton import RELEASE, TritonServer

pytestmark = pytest.mark.slow

FLOATS = Signature(
    inputs=(TensorInfo(name="x", dtype="FLOAT", dims=("N", 4)),),
    outputs=(TensorInfo(name="y", dtype="FLOAT", dims=("N", 4)),),
)
CONFIG = """
max_batch_size: 8
input { name: "x" data_type: TYPE_FP32 dims: 4 }
output { name: "y" data_type: TYPE_FP32 dims: 4 }
instance_group { kind: KIND_CPU count: 1 }
"""


@pytest.fixture(scope="module")
def started() -> Iterator[TritonServer]:
    with TritonServer() as server:
        yield server


@pytest.fixture
def server(started: TritonServer) -> TritonServer:
    """Ready, which it is not while it unloads what a test has loaded by itself."""
    until = time.monotonic() + 30
    while not is_ready(started):
        assert time.monotonic() < until, started.log[-2000:]
        time.sleep(0.05)
    return started


@pytest.fixture(autouse=True)
def short_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "MEASURE_S", 0.2)


def report_of(name: str, *, config: str = CONFIG, folder: str = "") -> ModelReport:
    path = f"{folder}/1/model.onnx" if folder else "model.onnx"
    return ModelReport(
        name=name,
        folder=folder,
        backend="onnxruntime",
        config=f'backend: "onnxruntime"\n{config}',
        files=(("{version}/model.onnx", path),),
        signature=FLOATS,
    )


def made_of(folder: Path, *models: ModelReport) -> Mapping[str, Candidate]:
    return candidates(
        folder, Report(release=RELEASE, onnxruntime="1.19.2", models=models), name="m"
    )


def candidate(tmp_path: Path, made: onnx.ModelProto, **options: Any) -> Candidate:
    save(made, tmp_path / "model.onnx")
    return made_of(tmp_path, report_of("m", **options))["m"]


def test_a_sound_model_answers_as_here(server: TritonServer, tmp_path: Path) -> None:
    """It is loaded under a name of its own, asked with made inputs and golden samples, timed at
    three sizes of the batch, and unloaded."""
    (tmp_path / "golden").mkdir()
    x = np.array([[1, -2, 3, -4], [0, 0, 1, 1]], np.float32)
    arrays: dict[str, Any] = {"input:x": x, "output:y": np.maximum(x, 0)}
    np.savez(tmp_path / "golden/a.npz", **arrays)
    result = probed(target_of(server), candidate(tmp_path, relu()))
    assert result.points == ()
    assert result.readiness is Readiness.READY
    assert (result.server_version, result.release, result.model) == ("2.51.0", RELEASE, "m")
    assert result.name.startswith("hallmark-probe-")
    assert 0 < result.load_s < 60
    assert [(run.name, run.axes, run.shapes, run.differences) for run in result.runs] == [
        ("made, batch 1", {"N": 1}, {"y": (1, 4)}, {"y": 0.0}),
        ("made, batch 4", {"N": 4}, {"y": (4, 4)}, {"y": 0.0}),
        ("made, batch 8", {"N": 8}, {"y": (8, 4)}, {"y": 0.0}),
        ("golden/a.npz", {}, {"y": (2, 4)}, {"y": 0.0}),
    ]
    assert [each.batch for each in result.latencies] == [1, 4, 8]
    for each in result.latencies:
        assert each.requests > 1
        assert 0 < each.p50_ms <= each.p99_ms
    assert names_on(server) == set()
    assert is_ready(server)
    document = json.loads(json.dumps(probe_to_document(result)))
    assert probe_from_document(document) == result


def test_a_refused_config_is_the_models_fault(server: TritonServer, tmp_path: Path) -> None:
    """Triton tells no reason, so the probe says where it stands."""
    sound = candidate(tmp_path, relu())
    result = probed(target_of(server), replace(sound, config={**sound.config, "input": "x"}))
    assert told(result) == [("PROBE-11", "blocks")]
    assert "server's log" in result.points[0].fix
    assert result.readiness is Readiness.NOT_READY


def test_a_corrupt_model_is_told_of_with_the_servers_reason(
    server: TritonServer, tmp_path: Path
) -> None:
    """And leaves a server that is ready, though Triton by itself would not be ready any more."""
    sound = candidate(tmp_path, relu())
    (tmp_path / "model.onnx").write_bytes(b"nonsense")
    result = probed(target_of(server), sound)
    assert told(result) == [("PROBE-12", "blocks")]
    found = result.points[0].found
    assert "INVALID_PROTOBUF" in found
    assert "hallmark-probe" not in found
    assert "/tmp/folder" not in found
    assert result.load_s == 0.0
    assert is_ready(server)
    assert names_on(server) == set()


def test_an_answer_other_than_here_is_the_models_fault(
    server: TritonServer, tmp_path: Path
) -> None:
    """Each output is told of once, whatever the number of requests that it differs in."""
    expected = python_model(tmp_path)
    (case,) = expected.cases
    other = Tensor(dtype="FLOAT", array=np.full((1, 4), 1.5, np.float32))
    cases = [replace(case, name=name, outputs={"y": other}) for name in ("one", "two")]
    result = probed(target_of(server), replace(expected, cases=cases))
    assert told(result) == [("PROBE-14", "blocks")]
    assert result.points[0].message == (
        "output 'y': found 1 at [0, 0] and 3 more elements, one, expected 1.5 within "
        "rtol 0.001, atol 1e-05"
    )
    assert [run.differences for run in result.runs] == [{"y": 0.5}, {"y": 0.5}]


def test_an_ensemble_is_loaded_with_what_it_needs(server: TritonServer, tmp_path: Path) -> None:
    """Its steps find its models by their throw-away names, and it answers as all of them do here
    one after the other."""
    steps = """
max_batch_size: 4
input { name: "x" data_type: TYPE_FP32 dims: 4 }
output { name: "out" data_type: TYPE_FP32 dims: 4 }
ensemble_scheduling {
  step { model_name: "twice" model_version: -1
         input_map { key: "x" value: "mid" } output_map { key: "y" value: "out" } }
  step { model_name: "minus" model_version: -1
         input_map { key: "x" value: "x" } output_map { key: "y" value: "mid" } }
}"""
    save(model(node("Neg", "x", "y")), tmp_path / "minus/1/model.onnx")
    save(model(node("Add", "x x", "y")), tmp_path / "twice/1/model.onnx")
    text = f'platform: "ensemble"{steps}'
    (tmp_path / "both").mkdir()
    (tmp_path / "both/config.pbtxt").write_text(text)
    both = ModelReport(
        name="both",
        folder="both",
        backend="ensemble",
        config=text,
        files=(("config.pbtxt", "both/config.pbtxt"),),
    )
    known = made_of(
        tmp_path, both, report_of("minus", folder="minus"), report_of("twice", folder="twice")
    )
    assert tops(known) == ["both"]
    ordered = in_order("both", known)
    assert [each.name for each in ordered] == ["twice", "minus", "both"]
    result = probed(target_of(server), *ordered)
    assert result.points == ()
    assert result.model == "both"
    assert [each.batch for each in result.latencies] == [1, 2, 4]
    assert result.runs[0].differences == {"out": 0.0}
    given = known["both"].cases[0]
    x, out = given.inputs["x"].array, given.outputs["out"].array
    assert np.array_equal(out.astype(float), -2 * x.astype(float))
    assert names_on(server) == set()


def test_what_keeps_an_ensemble_is_told_by_its_own_names(
    server: TritonServer, tmp_path: Path
) -> None:
    """Be it one of its models, or itself; whatever was loaded before is unloaded."""
    part = replace(python_model(tmp_path), name="part")
    step = {"model_name": "part", "model_version": -1, "input_map": {"x": "x"}}
    ensemble = {key: part.config[key] for key in ("max_batch_size", "input", "output")}
    steps = {"step": [{**step, "output_map": {"y": "elsewhere"}}]}
    ensemble |= {"platform": "ensemble", "ensemble_scheduling": steps}
    whole = Candidate(name="whole", config=ensemble, files={}, cases=part.cases)
    result = probed(target_of(server), part, whole)
    assert told(result) == [("PROBE-11", "blocks")]
    assert result.points[0].subject == "model 'whole'"
    assert names_on(server) == set()
    result = probed(target_of(server), replace(part, config={**part.config, "input": "x"}), whole)
    assert told(result) == [("PROBE-11", "blocks")]
    assert result.points[0].subject == "model 'part'"


def test_a_model_of_a_hundred_megabytes_goes_in_a_message(
    server: TritonServer, tmp_path: Path
) -> None:
    size = 5000
    large = model(
        node("MatMul", "x a", "h"),
        node("MatMul", "h b", "g"),
        node("MatMul", "g c", "y"),
        tensors=[
            weights("a", np.full((4, size), 0.01)),
            weights("b", np.eye(size)),
            weights("c", np.full((size, 4), 0.01)),
        ],
    )
    result = probed(target_of(server), candidate(tmp_path, large))
    assert (tmp_path / "model.onnx").stat().st_size > 100_000_000
    assert result.points == ()
    assert len(result.latencies) == 3


def test_what_no_message_holds_goes_through_a_shared_folder(
    server: TritonServer, tmp_path: Path
) -> None:
    """And is told of where there is none. Nothing stays in the folder."""
    quick = python_model(tmp_path)
    target = target_of(server, message_bytes_max=10)
    result = probed(target, quick)
    assert told(result) == [("PROBE-9", "doubts")]
    assert "at most 10 in a message" in result.points[0].message
    result = probed(replace(target, repository=server.repository), quick)
    assert result.points == ()
    assert len(result.runs) == 1
    assert list(server.repository.iterdir()) == []


def test_what_a_killed_probe_has_left_is_removed_by_the_next(
    server: TritonServer, tmp_path: Path
) -> None:
    """It is one name. What may be in use stays."""
    slow = python_model(tmp_path, execute="time.sleep(2)")
    probe_of_long_ago = multiprocessing.get_context("spawn").Process(
        target=probe,
        args=(target_of(server), [slow], SAME),
        kwargs={"now_s": NOW_S - LEFT_AFTER_S - 1},
    )
    probe_of_long_ago.start()
    with Client(target_of(server)) as client:
        until = time.monotonic() + 60
        while not client.names() and time.monotonic() < until:
            time.sleep(0.05)
        probe_of_long_ago.kill()
        probe_of_long_ago.join()
        (left,) = client.names()
        fresh = throw_away_name(NOW_S - 5)
        quick = python_model(tmp_path)
        client.load(fresh, quick.config, {"1/model.py": (tmp_path / "model.py").read_bytes()})
        (server.repository / left).mkdir()
        broken = replace(quick, config={**quick.config, "input": "x"})
        probed(target_of(server, repository=server.repository), broken)
        assert client.names() == {fresh}
        assert not (server.repository / left).exists()
        client.unload(fresh)


def test_an_interrupted_probe_unloads(
    server: TritonServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []

    def interrupted(client: Client, *_: Any, **__: Any) -> None:
        seen.append(client.names())
        raise KeyboardInterrupt

    monkeypatch.setattr(Client, "infer", interrupted)
    with pytest.raises(KeyboardInterrupt):
        probed(target_of(server), python_model(tmp_path))
    assert len(seen[0]) == 1
    assert names_on(server) == set()


def test_a_model_that_takes_too_long_is_a_doubt(server: TritonServer, tmp_path: Path) -> None:
    """Whether the server is slow or the model, nobody can tell. It is unloaded
    once it is loaded."""
    slow = python_model(tmp_path, initialize="time.sleep(1)")
    result = probed(target_of(server, load_timeout_s=0.5), slow)
    assert told(result) == [("PROBE-8", "doubts")]
    assert "within 0.5 s" in result.points[0].found
    assert names_on(server) == set()
    slow = python_model(tmp_path, execute="time.sleep(1)")
    result = probed(target_of(server, infer_timeout_s=0.3), slow)
    assert told(result) == [("PROBE-8", "doubts")]
    assert names_on(server) == set()


def test_a_server_without_room_is_not_the_models_fault(
    server: TritonServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor one without the device or the backend."""
    # Sooner than a model of ONNX Runtime, which others have tried.
    quick = python_model(tmp_path)
    monkeypatch.setattr(probe_loading, "_TINY_CONFIG", quick.config)
    files = {"1/model.py": (tmp_path / "model.py").read_bytes()}
    monkeypatch.setattr(probe_loading, "_TINY_FILES", files)
    raises = "raise pb_utils.TritonModelException('CUDA failure 2: out of memory')"
    result = probed(target_of(server), python_model(tmp_path, initialize=raises))
    assert told(result) == [("PROBE-7", "doubts")]
    assert result.readiness is Readiness.UNKNOWN
    gpu = {**quick.config, "instance_group": [{"kind": "KIND_GPU"}]}
    result = probed(target_of(server), replace(quick, config=gpu))
    assert told(result) == [("PROBE-7", "doubts")]
    assert "of model m has kind KIND_GPU but no GPUs are available" in result.points[0].found
    plan = replace(quick, config={**quick.config, "backend": "tensorrt"})
    result = probed(target_of(server), plan)
    assert told(result) == [("PROBE-7", "doubts")]
    assert "'tensorrt'" in result.points[0].found
    assert is_ready(server)


def test_a_model_that_does_not_answer_is_at_fault(server: TritonServer, tmp_path: Path) -> None:
    """With the server's words; and one that there is nothing to ask with is a doubt."""
    raises = "raise ValueError('no such word')"
    failing = python_model(tmp_path, execute=raises)
    result = probed(target_of(server), failing)
    assert told(result) == [("PROBE-13", "blocks")]
    assert "no such word" in result.points[0].found
    result = probed(target_of(server), replace(failing, cases=(), excuse="it may never answer"))
    assert told(result) == [("PROBE-10", "doubts")]
    assert "it may never answer" in result.points[0].found
    assert result.load_s > 0


def test_a_server_that_stays_unready_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing can be loaded in place of the model, such as without that backend. It changes
    nothing of what is told of the model, and such a server is probed all the same."""
    monkeypatch.setattr(probe_loading, "_TINY_CONFIG", {"backend": "none"})
    monkeypatch.setattr(probe_loading, "_READY_AGAIN_S", 0.1)
    failing = python_model(tmp_path, initialize="raise ValueError('broken')")
    # Of its own: it stays so.
    with TritonServer() as server:
        result = probed(target_of(server), failing)
        assert told(result) == [("PROBE-12", "blocks"), ("PROBE-15", "remark")]
        assert not is_ready(server)
        assert probed(target_of(server), python_model(tmp_path)).points == ()
