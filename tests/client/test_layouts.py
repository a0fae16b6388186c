"""Layouts: what lies where, and that a server's word leads out of no folder."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from registry.client import layouts
from registry.client.decode import decode
from registry.client.errors import FailedPreconditionError, InvalidRequestError, TargetError
from registry.client.target import exchange
from registry.client.values import File, Version
from registry.domain.readiness import ModelReport, Report, Signature, TensorInfo
from registry.testing.people import Team, vetted
from registry.v1 import versions_pb2 as pb

FILES = tuple(
    File(path=path, size_bytes=1, sha256="0" * 64)
    for path in ("README.md", "config.pbtxt", "model.onnx", "weights/w.bin")
)
TENSOR = TensorInfo(name="x", dtype="FLOAT", dims=("batch", 4, None))
MODEL = ModelReport(
    name="scorer",
    folder="",
    backend="onnxruntime",
    config="name: 'scorer'",
    is_config_generated=True,
    files=(("{version}/model.onnx", "model.onnx"), ("{version}/weights/w.bin", "weights/w.bin")),
    signature=Signature(inputs=(TENSOR,), outputs=(TENSOR,)),
)


def version() -> Version:
    message = pb.Version(
        name="models/fraud/scorer/versions/8", number=8, digest="sha256:0", commit="b" * 40
    )
    return decode(Version, message)


def report(*models: ModelReport) -> Report:
    return Report(release="25.10", onnxruntime="1.23.1", models=models)


def test_triton_gets_a_folder_a_model_with_the_versions_number() -> None:
    (part,) = layouts.triton(version(), FILES, report(MODEL))
    assert part.folder == "scorer"
    assert {place: file.path for place, file in part.files.items()} == {
        "8/model.onnx": "model.onnx",
        "8/weights/w.bin": "weights/w.bin",
    }
    assert part.texts == {"config.pbtxt": "name: 'scorer'"}


def test_a_config_of_the_versions_own_is_one_of_its_files() -> None:
    own = dataclasses.replace(
        MODEL, is_config_generated=False, files=(*MODEL.files, ("config.pbtxt", "config.pbtxt"))
    )
    (part,) = layouts.triton(version(), FILES, report(own))
    assert part.files["config.pbtxt"].path == "config.pbtxt"
    assert part.texts == {}


def test_steps_come_before_their_ensemble() -> None:
    ensemble = dataclasses.replace(MODEL, name="all", backend="ensemble", files=())
    parts = layouts.triton(version(), FILES, report(ensemble, MODEL))
    assert [part.folder for part in parts] == ["scorer", "all"]
    # An ensemble's version is a folder without files, which Triton looks for all the same.
    assert parts[1].texts == {"config.pbtxt": "name: 'scorer'", "8/.keep": ""}


@pytest.mark.parametrize(
    "wrong",
    [
        dataclasses.replace(MODEL, name="../scorer"),
        dataclasses.replace(MODEL, name="a/../../b"),
        dataclasses.replace(MODEL, name=""),
        dataclasses.replace(MODEL, files=(("../../x", "model.onnx"),)),
        dataclasses.replace(MODEL, files=(("/etc/x", "model.onnx"),)),
        dataclasses.replace(MODEL, files=(("8/a", "model.onnx"), ("8/A", "README.md"))),
    ],
)
def test_no_word_of_a_server_leads_out_of_the_folder(wrong: ModelReport) -> None:
    with pytest.raises(InvalidRequestError):
        layouts.triton(version(), FILES, report(wrong))


def test_a_file_that_the_version_lacks_is_refused() -> None:
    wrong = dataclasses.replace(MODEL, files=(("8/model.onnx", "other.onnx"),))
    with pytest.raises(FailedPreconditionError, match=r"names other\.onnx"):
        layouts.triton(version(), FILES, report(wrong))


def test_what_no_backend_loads_has_no_layout() -> None:
    with pytest.raises(FailedPreconditionError, match="no model that a backend of Triton loads"):
        layouts.triton(version(), FILES, report())


def test_an_mlmodel_of_the_versions_own_is_the_layout() -> None:
    files = [
        dataclasses.replace(FILES[0], path=path)
        for path in ("README.md", "model/MLmodel", "model/data/model.onnx", "model/a/MLmodel")
    ]
    (part,) = layouts.mlflow(version(), files, None)
    assert sorted(part.files) == ["MLmodel", "a/MLmodel", "data/model.onnx"]
    assert part.texts == {}


def test_an_mlmodel_is_made_for_an_onnx_model() -> None:
    (part,) = layouts.mlflow(version(), FILES, report(MODEL))
    assert sorted(part.files) == ["data/model.onnx", "data/weights/w.bin"]
    made = json.loads(part.texts["MLmodel"])
    assert made["flavors"]["onnx"]["data"] == "data/model.onnx"
    assert json.loads(made["signature"]["inputs"]) == [
        {
            "name": "x",
            "type": "tensor",
            "tensor-spec": {"dtype": "float32", "shape": [-1, 4, -1]},
        }
    ]


def test_what_mlflow_cannot_load_has_no_layout() -> None:
    for unfit in (report(), report(MODEL, MODEL), report(dataclasses.replace(MODEL, backend=""))):
        with pytest.raises(FailedPreconditionError, match="cannot be laid out as mlflow"):
            layouts.mlflow(version(), FILES, unfit)


def test_folders_are_swapped_in_one_step(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "said").write_text(name)
    exchange(tmp_path / "one", tmp_path / "other")
    assert (tmp_path / "one" / "said").read_text() == "other"
    assert (tmp_path / "other" / "said").read_text() == "one"
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "one", tmp_path / "none")


@pytest.mark.slow
def test_a_cache_of_the_hub_is_replaced_by_the_next_pull(
    team: Team, folder: Path, tmp_path: Path
) -> None:
    """And what no pull put there never is."""
    first = team.alice.push(folder, team.model())
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Better\n")
    second = team.alice.push(folder, team.model())
    assert first.version is not None
    assert second.version is not None
    for each in (first.version, second.version):
        vetted(team.alice, each.ref)
        pulled = team.alice.pull(each.ref, tmp_path / "hub", layout="hf", replace=True)
        assert not pulled.already_there
        cache = tmp_path / "hub" / f"models--{team.model().replace('/', '--')}"
        assert (cache / "refs" / "main").read_text() == each.commit
        assert [path.name for path in (cache / "snapshots").iterdir()] == [each.commit]
    again = team.alice.pull(second.version.ref, tmp_path / "hub", layout="hf", replace=True)
    assert (again.already_there, again.received_bytes) == (True, 0)
    (cache / "hallmark.json").unlink()
    with pytest.raises(TargetError, match="files that no pull put there"):
        team.alice.pull(first.version.ref, tmp_path / "hub", layout="hf", replace=True)
