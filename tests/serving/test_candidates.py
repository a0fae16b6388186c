"""What a server is asked: made in the jail by report and config, and taken out of it with care."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from registry.domain.readiness import ModelReport, Report, Signature, TensorInfo
from registry.jail.process import JailError, Process
from registry.serving import candidates as outside
from registry.serving.candidates import Candidate, CandidateError, candidates, in_order, tops
from registry.serving.models import RootName
from registry.serving.probe_making import make
from registry.testing.onnx_models import model, node, relu, save, value

ROOT = RootName(name="m", is_folder=True)
ONNX_TYPES: Mapping[int, str] = {
    TensorProto.FLOAT: "FLOAT",
    TensorProto.STRING: "STRING",
    TensorProto.INT64: "INT64",
}


def signature_of(made: onnx.ModelProto) -> Signature:
    def tensor(found: onnx.ValueInfoProto) -> TensorInfo:
        dims = tuple(
            each.dim_param or (each.dim_value if each.HasField("dim_value") else None)
            for each in found.type.tensor_type.shape.dim
        )
        return TensorInfo(
            name=found.name, dtype=ONNX_TYPES[found.type.tensor_type.elem_type], dims=dims
        )

    return Signature(
        inputs=tuple(map(tensor, made.graph.input)), outputs=tuple(map(tensor, made.graph.output))
    )


def report_of(made: onnx.ModelProto, config: str) -> Report:
    told = ModelReport(
        name="m",
        folder="",
        backend="onnxruntime",
        config=f'backend: "onnxruntime" {config}',
        files=(("{version}/model.onnx", "model.onnx"),),
        signature=signature_of(made),
    )
    return Report(release="24.10", onnxruntime="1.19.2", models=(told,))


def asked(folder: Path, made: onnx.ModelProto, config: str) -> Mapping[str, Any]:
    """As it is told in the jail."""
    save(made, folder / "model.onnx")
    said: Mapping[str, Any] = make(report_of(made, config), str(folder), ROOT)["m"]
    return said


def shapes(said: Mapping[str, Any], way: str = "inputs") -> list[list[int]]:
    return [each["shape"] for case in said["cases"] for each in case[way]]


X = 'input { name: "x" data_type: TYPE_FP32 dims: %s }'
Y = 'output { name: "y" data_type: TYPE_FP32 dims: %s }'


@pytest.mark.parametrize(
    ("most", "batches"), [(1, [1]), (2, [1, 2]), (3, [1, 3]), (8, [1, 4, 8]), (1000, [1, 16, 32])]
)
def test_three_sizes_of_the_batch_where_there_are_so_many(
    most: int, batches: list[int], tmp_path: Path
) -> None:
    said = asked(tmp_path, relu(), f"max_batch_size: {most} {X % 4} {Y % 4}")
    assert [case["batch"] for case in said["cases"]] == batches
    assert shapes(said) == shapes(said, "outputs") == [[batch, 4] for batch in batches]
    assert all(case["is_made"] for case in said["cases"])


def test_a_config_that_says_nothing_is_filled_in_as_triton_does(tmp_path: Path) -> None:
    """The server is given what the version has, and is asked for what it makes of that."""
    said = asked(tmp_path, relu(), "")
    assert said["config"] == {"backend": "onnxruntime"}
    assert shapes(said) == [[1, 4], [2, 4], [4, 4]]


def test_lengths_are_those_that_the_config_says(tmp_path: Path) -> None:
    """Where the model would take any, and the server does not."""
    made = model(
        node("Relu", "x", "y"),
        inputs=[value("x", dims=("N", "width"))],
        outputs=[value("y", dims=("N", "width"))],
    )
    said = asked(tmp_path, made, f"max_batch_size: 2 {X % 7} {Y % 7}")
    assert shapes(said) == [[1, 7], [2, 7]]
    said = asked(tmp_path, made, f"{X % '[3, -1]'} {Y % '[3, -1]'}")
    assert shapes(said) == [[3, 1]]


def test_without_batching_a_free_axis_is_the_batch(tmp_path: Path) -> None:
    """Of one that has none, there is one size."""
    said = asked(tmp_path, relu(), f"max_batch_size: 0 {X % '[-1, 4]'} {Y % '[-1, 4]'}")
    assert said["config"].get("max_batch_size", 0) == 0
    made = model(
        node("Relu", "x", "y"), inputs=[value("x", dims=(2, 4))], outputs=[value("y", dims=(2, 4))]
    )
    said = asked(tmp_path, made, f"{X % '[2, 4]'} {Y % '[2, 4]'}")
    assert shapes(said) == [[2, 4]]


def test_reshaped_tensors_are_asked_in_the_requests_shape(tmp_path: Path) -> None:
    made = model(
        node("Relu", "x", "y"),
        inputs=[value("x", dims=("N", 2, 3))],
        outputs=[value("y", dims=("N", 2, 3))],
    )
    reshape = "reshape { shape: [2, 3] }"
    config = f"max_batch_size: 2 {X % f'6 {reshape}'} {Y % f'[3, 2] {reshape}'}"
    said = asked(tmp_path, made, config)
    assert shapes(said) == [[1, 6], [2, 6]]
    assert shapes(said, "outputs") == [[1, 3, 2], [2, 3, 2]]


def test_what_nobody_can_be_asked_has_an_excuse(tmp_path: Path) -> None:
    """Decoupled models, those that do not run here, and those that are not ONNX."""
    decoupled = "model_transaction_policy { decoupled: true }"
    said = asked(tmp_path, relu(), f"max_batch_size: 2 {X % 4} {Y % 4} {decoupled}")
    assert (said["cases"], "more than once" in said["excuse"]) == ([], True)
    said = asked(tmp_path, model(node("Nonsense", "x", "y")), f"{X % '[-1, 4]'} {Y % '[-1, 4]'}")
    assert (said["cases"], "does not load it here" in said["excuse"]) == ([], True)
    plan = ModelReport(
        name="m", folder="", backend="tensorrt", config=f"max_batch_size: 1 {X % 4} {Y % 4}"
    )
    (tmp_path / "model.onnx").unlink()
    (tmp_path / "model.plan").write_bytes(b"plan")
    report = Report(release="24.10", onnxruntime="1.19.2", models=(plan,))
    told = make(report, str(tmp_path), ROOT)["m"]
    assert (told["cases"], told["excuse"]) == ([], "a tensorrt model is not run here")


def test_of_a_sequence_nothing_is_compared(tmp_path: Path) -> None:
    said = asked(tmp_path, relu(), f"max_batch_size: 1 {X % 4} {Y % 4} sequence_batching {{ }}")
    assert [(len(case["inputs"]), case["outputs"]) for case in said["cases"]] == [(1, [])]


def test_a_config_that_cannot_be_read_leaves_its_model_out(tmp_path: Path) -> None:
    save(relu(), tmp_path / "model.onnx")
    assert make(report_of(relu(), "max_batch_size: many"), str(tmp_path), ROOT) == {}


@pytest.mark.slow
def test_arrays_come_out_of_the_jail_as_they_are(tmp_path: Path) -> None:
    """Texts too; golden samples with their tolerances."""
    made = model(
        node("Identity", "x", "y"),
        node("Identity", "words", "said"),
        inputs=[value("x"), value("words", TensorProto.STRING, ("N", 2))],
        outputs=[value("y"), value("said", TensorProto.STRING, ("N", 2))],
    )
    save(made, tmp_path / "model.onnx")
    (tmp_path / "golden").mkdir()
    x = np.array([[0.5, 1, 2, 3]], np.float32)
    arrays: dict[str, Any] = {"input:x": x, "input:words": [["ä", "b"]], "output:y": x}
    np.savez(tmp_path / "golden/one.npz", **arrays)
    (tmp_path / "golden/tolerances.json").write_text('{"y": {"rtol": 0.5, "atol": 0.25}}')
    found = candidates(tmp_path, report_of(made, ""), name="m")["m"]
    assert found.files == {"1/model.onnx": tmp_path / "model.onnx"}
    *cases, golden = found.cases
    assert [case.batch for case in cases] == [1, 2, 4]
    for case in cases:
        assert case.inputs["words"].array.tolist() == [["hallmark"] * 2] * case.batch
        assert case.outputs["said"].array.tolist() == case.inputs["words"].array.tolist()
        assert np.array_equal(case.outputs["y"].array, case.inputs["x"].array)
        assert case.tolerance("y").rtol == 1e-3
    assert (golden.name, golden.batch, golden.is_made) == ("golden/one.npz", 1, False)
    assert golden.inputs["words"].array.tolist() == [["ä", "b"]]
    assert golden.tolerance("y").rtol == 0.5


def good_answer() -> dict[str, Any]:
    tensor = {"name": "x", "dtype": "FLOAT", "shape": [1], "data": "AACAPw=="}
    case = {
        "name": "c",
        "axes": {},
        "batch": 1,
        "is_made": True,
        "tolerances": {},
        "inputs": [tensor],
        "outputs": [],
    }
    return {"config": {}, "cases": [case], "excuse": ""}


@pytest.mark.parametrize(
    "changes",
    [
        {"config": "text"},
        {"cases": None},
        {"cases": [{}]},
        {"excuse": 3},
        {"cases.0.batch": -1},
        {"cases.0.inputs.0.dtype": "NONE"},
        {"cases.0.inputs.0.shape": [2]},
        {"cases.0.inputs.0.shape": [1] * 33},
        {"cases.0.inputs.0.data": "no base64"},
        {"cases.0.inputs.0.dtype": "STRING"},
        {"files": [["1/model.onnx", "../secret"]]},
        {"files": [["1/model.onnx", "/etc/passwd"]]},
    ],
)
def test_a_jail_that_was_taken_over_is_not_believed(
    changes: Mapping[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files are those of the folder alone, whatever a report says."""
    save(relu(), tmp_path / "model.onnx")
    answer: Any = good_answer()
    report = report_of(relu(), "")
    ((way, to),) = changes.items()
    if way == "files":
        told = ModelReport(name="m", folder="", backend="", files=tuple(map(tuple, to)))
        report = Report(release="24.10", onnxruntime="", models=(told,))
    else:
        *steps, last = [int(each) if each.isdecimal() else each for each in way.split(".")]
        inner = answer
        for step in steps:
            inner = inner[step]
        inner[last] = to

    class Told(Process):
        def ask(self, *_: Any) -> Mapping[str, Any]:
            return {"models": {"m": answer}}

    monkeypatch.setattr(outside, "Process", Told)
    with pytest.raises(CandidateError, match="another form"):
        candidates(tmp_path, report, name="m")


def test_a_jail_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(Process):
        def ask(self, *_: Any) -> Mapping[str, Any]:
            raise JailError("it ended")

    monkeypatch.setattr(outside, "Process", Failing)
    with pytest.raises(CandidateError, match="it ended"):
        candidates(tmp_path, report_of(relu(), ""), name="m")


def test_models_are_loaded_in_front_of_those_that_need_them() -> None:
    """Once each, also in circles, which the server then tells of."""

    def candidate(name: str, *members: str) -> Candidate:
        steps = [{"model_name": each} for each in members]
        config = {"ensemble_scheduling": {"step": steps}} if steps else {}
        return Candidate(name=name, config=config, files={})

    known = {
        each.name: each
        for each in (
            candidate("all", "pair", "c", "missing"),
            candidate("pair", "b", "c"),
            candidate("b"),
            candidate("c"),
            candidate("alone"),
        )
    }
    assert tops(known) == ["all", "alone"]
    assert [each.name for each in in_order("all", known)] == ["b", "c", "pair", "all"]
    circle = {"a": candidate("a", "b"), "b": candidate("b", "a")}
    assert [each.name for each in in_order("a", circle)] == ["b", "a"]
