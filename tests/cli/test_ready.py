"""`hallmark ready`, and pulls in the layout of those who load a model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from registry.testing.command import CommandLine, Done
from registry.testing.onnx_models import model, node, relu, save, value
from registry.testing.people import Team
from registry.testing.triton import RELEASE, TritonServer

pytestmark = pytest.mark.slow

Hallmark = Callable[..., Done]
CONFIG = """\
name: "scorer"
backend: "onnxruntime"
max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP64 dims: [ 4 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ 4 ] } ]
"""


@pytest.fixture
def scorer(tmp_path: Path) -> Path:
    """A folder with a sound model."""
    folder = tmp_path / "scorer"
    save(relu(), folder / "model.onnx")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# Scorer\n")
    return folder


def newer(folder: Path) -> None:
    """The same model for a newer ONNX Runtime than that of 25.10."""
    save(model(node("Relu", "x", "y"), opsets={"": 24}, ir_version=11), folder / "model.onnx")


def test_a_folder_is_assessed_without_a_server(command: CommandLine, scorer: Path) -> None:
    done = command("ready", "check", str(scorer), "--triton", "25.10")
    assert done.code == 0
    assert "for Triton 25.10 (ONNX Runtime 1.23.1): ready" in done.out
    assert "x FLOAT [N, 4]" in done.out
    told = command("ready", "check", str(scorer), "--triton", "25.10", "--json").json
    (report,) = told["reports"]
    assert (report["readiness"], report["release"]) == ("ready", "25.10")
    assert report["models"][0]["files"] == [["{version}/model.onnx", "model.onnx"]]


def test_each_release_has_its_say(command: CommandLine, scorer: Path) -> None:
    """The exit code is that of the worst."""
    newer(scorer)
    asked = ("ready", "check", str(scorer), "--triton")
    done = command(*asked, "25.10", "--triton", "26.04")
    assert done.code == 1
    assert "GRAPH-7  model.onnx: opset of the standard: found 24, expected at most 23" in done.out
    assert command(*asked, "26.04").code == 0


def test_a_configuration_is_judged_with_its_place(command: CommandLine, scorer: Path) -> None:
    (scorer / "config.pbtxt").write_text(CONFIG)
    done = command("ready", "check", str(scorer), "--triton", "25.10")
    assert done.code == 1
    assert "CONFIG-11  config.pbtxt:4:21: input 'x': TYPE_FP64, expected TYPE_FP32" in done.out
    told = command("ready", "check", str(scorer), "--triton", "25.10", "--diff").out
    assert "-  data_type: TYPE_FP32\n+  data_type: TYPE_FP64" in told


def test_the_config_that_is_generated_is_shown(command: CommandLine, scorer: Path) -> None:
    done = command("ready", "check", str(scorer), "--triton", "25.10", "--config", "--no-run")
    assert done.out.startswith("# For Triton 25.10, from the model's own inputs and outputs.\n")
    assert "max_batch_size: 4" in done.out


def test_what_nobody_can_tell_has_a_code_of_its_own(command: CommandLine, scorer: Path) -> None:
    """A model that fails on all inputs that are made for it."""
    taken = [value("x", dims=["N", 4]), value("shape", 7, [2])]
    made = model(node("Reshape", "x shape", "z"), node("MatMul", "z z", "y"), inputs=taken)
    save(made, scorer / "model.onnx")
    done = command("ready", "check", str(scorer), "--triton", "25.10")
    assert (done.code, "RUN-2" in done.out) == (5, True), done.out


def test_an_unknown_release_is_refused(command: CommandLine, scorer: Path) -> None:
    done = command("ready", "check", str(scorer), "--triton", "25.13")
    assert done.code == 2
    assert "expected one of" in done.err


def test_a_version_is_assessed_where_it_is_asked_for(
    hallmark: Hallmark, team: Team, scorer: Path, tmp_path: Path
) -> None:
    """Refused for a release that it is not ready for, with the way to its report; laid out for one
    that it is, in place of what an earlier pull put there."""
    first = f"{team.model()}@1"
    hallmark("push", str(scorer), team.model(), "--wait")
    assert hallmark("ready", first, code=2).err.count("--triton 2") == 1
    assert "25.10 (ONNX Runtime 1.23.1): ready" in hallmark("ready", first, "--triton", "25.10").out
    assert hallmark("ready", first).code == 0
    repository = tmp_path / "models"
    asked = ("--layout", "triton", "--triton", "25.10")
    hallmark("pull", first, str(repository), *asked)
    name = team.model().rpartition("/")[2]
    assert laid_out(repository) == {
        f"{name}/1/model.onnx",
        f"{name}/config.pbtxt",
        f"{name}/hallmark.json",
    }
    newer(scorer)
    hallmark("push", str(scorer), team.model(), "--wait")
    second = f"{team.model()}@2"
    assert "GRAPH-7" in hallmark("ready", second, "--triton", "25.10", code=1).out
    status = hallmark("vet", "status", second).out
    assert "triton 25.10  ✗ not ready" in status
    refused = hallmark("pull", second, str(repository), *asked, code=1)
    assert f"hallmark ready {second} --triton 25.10" in refused.err
    assert "GRAPH-7  model.onnx: opset of the standard: found 24" in refused.err
    assert f"{name}/1/model.onnx" in laid_out(repository)
    hallmark("pull", second, str(repository), "--layout", "triton", "--triton", "26.04")
    assert f"{name}/2/model.onnx" in laid_out(repository)
    assert f"{name}/1/model.onnx" not in laid_out(repository)


def test_a_version_is_probed_on_a_real_triton(hallmark: Hallmark, team: Team, scorer: Path) -> None:
    """Its bytes are fetched for that, and gone afterwards."""
    hallmark("push", str(scorer), team.model(), "--wait")
    asked = ("ready", f"{team.model()}@1", "--triton", RELEASE, "--probe")
    with TritonServer() as triton:
        done = hallmark(*asked, f"grpc://{triton.grpc_address}")
        assert f"probed on {triton.grpc_address}, version 2.51.0" in done.out
        assert triton.index() == []
    assert hallmark(*asked, "grpc://127.0.0.1:9", code=5).out.count("PROBE-1 ") == 1


def test_a_layout_for_triton_names_its_release(hallmark: Hallmark, team: Team) -> None:
    done = hallmark("pull", f"{team.model()}@1", "x", "--layout", "triton", code=2)
    assert "hallmark ready releases" in done.err


def test_releases_are_listed(hallmark: Hallmark) -> None:
    lines = hallmark("ready", "releases").out.splitlines()
    assert "25.10  2.62.0  1.23.1" in lines
    assert lines == sorted(lines, reverse=True)


def laid_out(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
