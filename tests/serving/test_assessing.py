"""A folder's models, read and run in jails of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from registry.domain.readiness import (
    ModelReport,
    Point,
    Readiness,
    Report,
    Weight,
    report_to_document,
)
from registry.jail.process import Limits, NoJailError, Process
from registry.serving import assessing, dry_run, onnx_checks, onnx_rules, reading
from registry.serving.assessing import assess, limits_for, weighed
from registry.serving.releases import Release
from registry.testing.onnx_models import model, node, relu, save, value, weights

HERE = "1.31.0"
RELEASES = (
    Release(name="26.10", onnxruntime=HERE, source="here"),
    Release(name="25.10", onnxruntime="1.23.0", source="here"),
)


def rules(report: Report) -> list[tuple[str, str]]:
    """Save for what depends on which versions were measured."""
    found = [(each.rule, each.weight.value) for each in report.all_points()]
    return [each for each in found if each[0] != assessing.MEASURED]


def assessed(folder: Path, made: onnx.ModelProto) -> list[Report]:
    save(made, folder / "m/1/model.onnx")
    return assess(folder, RELEASES, name="m")


@pytest.mark.slow
def test_a_sound_folder_is_ready(tmp_path: Path) -> None:
    """For each release, with the signature and a run at two sizes; tensors may lie beside it."""
    made = model(node("Add", "x w", "y"), tensors=[weights("w", [1, 2, 3, 4])])
    save(made, tmp_path / "m/1/model.onnx", external="w.bin")
    reports = assess(tmp_path, RELEASES, name="m")
    assert [(each.release, each.onnxruntime) for each in reports] == [
        (each.name, each.onnxruntime) for each in RELEASES
    ]
    assert reports[0].readiness is Readiness.READY
    for report in reports:
        assert rules(report) == []
        (told,) = report.models
        assert (told.name, told.folder, told.backend) == ("m", "m", "onnxruntime")
        assert told.signature is not None
        assert [dict(run.axes) for run in told.runs] == [{"N": 1}, {"N": 2}]
        assert 10_000_000 < told.peak_bytes < 500_000_000


@pytest.mark.slow
def test_what_is_refused_blocks_and_what_is_served_all_the_same_is_a_remark(
    tmp_path: Path,
) -> None:
    """The checker complains of both. Another release's ONNX Runtime was not asked itself."""
    unsorted = model(node("Relu", "z", "y", "b"), node("Relu", "x", "z", "a"))
    here, elsewhere = assessed(tmp_path, unsorted)
    assert here.readiness is Readiness.READY
    for report in (here, elsewhere):
        assert set(rules(report)) == {("GRAPH-2", "remark"), ("GRAPH-3", "remark")}

    here, elsewhere = assessed(tmp_path, model(node("Add", "x nope", "y", "add")))
    assert rules(here) == [("GRAPH-2", "blocks"), ("RUN-1", "blocks")]
    assert rules(elsewhere) == [("GRAPH-2", "blocks"), ("RUN-1", "doubts")]


@pytest.mark.slow
def test_one_that_cannot_be_read_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"hello world")
    report, _ = assess(tmp_path, RELEASES, name="m")
    assert rules(report) == [("GRAPH-1", "blocks")]
    assert report.models[0].runs == ()


@pytest.mark.slow
@pytest.mark.parametrize(("part", "expected"), [("read", []), ("run", ["m"])])
def test_a_jail_that_dies_is_a_doubt(
    part: str, expected: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the other has told stands."""

    class Dying(Process):
        def ask(self, *args: Any) -> Mapping[str, Any]:
            self.start()
            if self._setup["part"] == part:
                assert self.pid is not None
                os.kill(self.pid, 9)
            return super().ask(*args)

    monkeypatch.setattr(assessing, "Process", Dying)
    report, _ = assessed(tmp_path, relu())
    assert rules(report) == [("READY-1", "doubts")]
    assert report.readiness is Readiness.UNKNOWN
    assert [each.name for each in report.models] == expected
    assert any("came to no end: it " in each.found for each in report.all_points())


@pytest.mark.slow
def test_a_jail_that_hangs_is_a_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that has no end in sight."""
    monkeypatch.setattr(assessing, "limits_for", lambda *_, **__: Limits(wall_s=3.0))
    body = onnx.helper.make_graph(
        [node("Identity", "c", "co"), node("Sin", "v", "vo")],
        "body",
        [value("i", 7, []), value("c", 9, []), value("v")],
        [value("co", 9, []), value("vo")],
    )
    steps = [weights("n", 2**40, "int64"), weights("t", True, "bool")]
    endless = model(node("Loop", "n t x", "y", body=body), tensors=steps)
    report, _ = assessed(tmp_path, endless)
    assert rules(report) == [("READY-1", "doubts")]
    assert any("no answer within 3 s" in each.found for each in report.all_points())


@pytest.mark.slow
def test_without_a_jail_nothing_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless somebody says so."""
    hook = tmp_path / "site/sitecustomize.py"
    hook.parent.mkdir()
    # A machine that has no list of system calls.
    hook.write_text("import platform\nplatform.machine = lambda: 'pdp11'\n")
    monkeypatch.syspath_prepend(str(hook.parent))
    save(relu(), tmp_path / "top/model.onnx")
    with pytest.raises(NoJailError, match="pdp11"):
        assess(tmp_path / "top", RELEASES, name="m")
    assert assess(tmp_path / "top", RELEASES, name="m", bare=True)[0].readiness is Readiness.READY


@pytest.mark.slow
def test_a_model_that_takes_more_memory_than_it_may_is_a_doubt(tmp_path: Path) -> None:
    """It grows as it runs, far beyond what its size tells."""
    shape = weights("s", [1 << 16, 1 << 15], "int64")
    large = model(
        node("Slice", "x zero one", "first"),
        node("ReduceSum", "first", "sum", keepdims=0),
        node("Expand", "sum s", "y"),
        outputs=[value("y", dims=[1 << 16, 1 << 15])],
        tensors=[shape, weights("zero", [0], "int64"), weights("one", [1], "int64")],
    )
    report, _ = assessed(tmp_path, large)
    assert report.readiness is Readiness.UNKNOWN
    assert {each for each, _ in rules(report)} <= {"READY-1", "RUN-2"}


@pytest.mark.slow
def test_one_that_cannot_be_loaded_within_what_it_may_take_is_a_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is said of the model: a server has more."""
    made = model(
        node("MatMul", "x w", "y"),
        outputs=[value("y", dims=["N", 1 << 24])],
        tensors=[weights("w", np.zeros((4, 1 << 24)))],
    )
    save(made, tmp_path / "m/1/model.onnx", external="w.bin")
    few = Limits(memory_bytes=500_000_000)
    monkeypatch.setattr(assessing, "limits_for", lambda *_, **__: few)
    report, _ = assess(tmp_path, RELEASES, name="m")
    assert rules(report) == [("READY-1", "doubts")]
    assert any("LimitError" in each.found for each in report.all_points())


def test_whoever_asks_has_neither_library_in_its_process() -> None:
    """The server and the command line ask, and stay slim."""
    done = subprocess.run(
        [sys.executable, "-c", "import sys, registry.serving.assessing; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert {"numpy", "onnx", "onnxruntime", "google.protobuf"} & set(done.stdout.split()) == set()


def test_rules_that_are_named_without_their_files_are_those() -> None:
    """Else a complaint would stay a doubt for good."""
    assert onnx_checks.COMPLAINTS == assessing.COMPLAINTS
    assert dry_run.LOADS.id == assessing.LOADS
    assert {each.id for each in onnx_rules.RULES} == {*assessing.BY_TABLE, onnx_rules.GPU.id}
    assert reading.MEASURED.id == assessing.MEASURED


def _report(*points: Point, runtime: str = HERE) -> Report:
    return Report(release="26.10", onnxruntime=runtime, models=(_model(*points),))


def _model(*points: Point) -> ModelReport:
    return ModelReport(name="m", folder="", backend="onnxruntime", points=points)


def _point(rule: str, weight: Weight = Weight.DOUBTS) -> Point:
    return Point(rule=rule, weight=weight, subject="s", found="f")


def _weights(report: Report, here: Report, ran: ModelReport | None) -> list[Weight]:
    (told,) = weighed(report, replace(here, onnxruntime="1.31.1"), [ran]).models
    return [each.weight for each in told.points]


_REFUSED = _point("RUN-1", Weight.BLOCKS)


@pytest.mark.parametrize("rule", sorted(assessing.COMPLAINTS))
@pytest.mark.parametrize(
    ("ran", "weight"),
    [
        (_model(), Weight.REMARK),
        (_model(_REFUSED), Weight.BLOCKS),
        (_model(_point("READY-1")), Weight.DOUBTS),
        (None, Weight.DOUBTS),
    ],
)
def test_a_session_says_what_a_complaint_weighs(
    rule: str, ran: ModelReport | None, weight: Weight
) -> None:
    """Where nobody knows whether it can be had, it stays a doubt."""
    assert _weights(_report(_point(rule)), _report(_point(rule)), ran)[0] is weight


def test_a_complaint_of_what_is_refused_for_its_age_is_a_doubt() -> None:
    """A newer version might load it all the same."""
    here = _report(_point("GRAPH-2"), _point("GRAPH-6", Weight.BLOCKS))
    newer = _report(_point("GRAPH-2"), runtime="1.40.0")
    assert _weights(newer, here, _model(_REFUSED)) == [Weight.DOUBTS, Weight.DOUBTS]


def test_answers_are_told_by_any_version_and_sessions_by_its_own() -> None:
    ran = _model(_REFUSED, _point("RUN-5", Weight.BLOCKS))
    for runtime, weight in (("1.31.0", Weight.BLOCKS), ("1.30.0", Weight.DOUBTS)):
        found = _weights(_report(runtime=runtime), _report(), ran)
        assert found == [weight, Weight.BLOCKS]


@pytest.mark.parametrize("rule", sorted(assessing.BY_TABLE))
def test_what_was_loaded_disproves_what_tables_say(rule: str) -> None:
    """Of the version that loaded it; of another where they say the same of this one, they may be
    wrong too, and else they have the last word."""
    told = _point(rule, Weight.BLOCKS)
    assert _weights(_report(told), _report(told), _model()) == [Weight.REMARK]
    older = _report(told, runtime="1.20.0")
    assert _weights(older, _report(told), _model()) == [Weight.DOUBTS]
    assert _weights(older, _report(), _model()) == [Weight.BLOCKS]
    assert _weights(older, _report(told), _model(_REFUSED))[0] is Weight.BLOCKS


def test_what_was_loaded_needs_no_table() -> None:
    """Of its own version."""
    unknown = _point(assessing.MEASURED)
    assert _weights(_report(unknown), _report(), _model()) == [Weight.REMARK]
    assert _weights(_report(unknown, runtime="1.20.0"), _report(), _model()) == [Weight.DOUBTS]


def test_a_larger_folder_gets_more_memory() -> None:
    assert limits_for(0).memory_bytes == 1_500_000_000
    assert limits_for(10**9).memory_bytes == 4_500_000_000


def test_a_word_on_other_models_or_releases_is_none() -> None:
    """It might forge what another release says."""
    said = [json.loads(json.dumps(report_to_document(_report())))]
    with pytest.raises(ValueError, match="other reports"):
        assessing._heard({"reports": said}, RELEASES)
    other = replace(_report(), release="25.10", onnxruntime="1.23.0", models=())
    said.append(json.loads(json.dumps(report_to_document(other))))
    with pytest.raises(ValueError, match="other"):
        assessing._heard({"reports": said}, RELEASES)


@pytest.mark.slow
def test_nothing_outside_the_folder_is_read(tmp_path: Path) -> None:
    """Also where the model names it, and a link in the folder leads there."""
    outside = tmp_path / "outside.bin"
    outside.write_bytes(np.ones(4, np.float32).tobytes())
    made = model(node("Add", "x w", "y"), tensors=[weights("w", [1, 2, 3, 4])])
    for location in ("link.bin", "../../../outside.bin", str(outside)):
        top = tmp_path / "top"
        shutil.rmtree(top, ignore_errors=True)
        save(made, top / "m/1/model.onnx", external="w.bin")
        (top / "m/1/link.bin").symlink_to(outside)
        path = top / "m/1/model.onnx"
        named = onnx.load(path, load_external_data=False)
        named.graph.initializer[0].external_data[0].value = location
        path.write_bytes(named.SerializeToString())
        report, _ = assess(top, RELEASES, name="m")
        assert report.readiness is Readiness.NOT_READY
        assert {("GRAPH-4", "blocks"), ("RUN-1", "blocks")} <= set(rules(report))


@pytest.mark.slow
def test_answers_are_compared_with_those_of_the_version_before(tmp_path: Path) -> None:
    """In one jail, which may read both folders."""
    save(model(node("Neg", "x", "y")), tmp_path / "before/m/1/model.onnx")
    save(relu(), tmp_path / "now/m/1/model.onnx")
    report, _ = assess(tmp_path / "now", RELEASES, name="m", previous=tmp_path / "before")
    assert rules(report) == [("RUN-7", "remark")]
    assert len(report.models[0].runs) == 4


@pytest.mark.parametrize(
    "said", [{}, {"reports": 5}, {"reports": []}, {"reports": [{"release": "0"}]}, 5, []]
)
def test_a_jail_that_was_taken_over_gets_no_further(
    said: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it says, whoever asked goes on."""

    class Taken(Process):
        def ask(self, *_: Any) -> Any:
            return said

    monkeypatch.setattr(assessing, "Process", Taken)
    for report in assess(tmp_path, RELEASES, name="m"):
        assert rules(report) == [("READY-1", "doubts")]
