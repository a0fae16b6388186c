"""Models that the onnx library tests runtimes with: what a bare session loads and runs with a
case's own inputs is never called not ready."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.backend.test
import pytest
from onnx import numpy_helper

from registry.domain.readiness import Point, Readiness, readiness_of
from registry.jail.memory import PeakMemory
from registry.serving.assessing import weighed
from registry.serving.models import RootName
from registry.serving.reading import Reader
from registry.serving.releases import Release
from registry.serving.running import run
from registry.serving.runtimes import runtime
from registry.serving.session import VERSION
from registry.testing.bare_session import is_served

DATA = Path(onnx.backend.test.__file__).parent / "data"
NODE_CASES = 200
#: Those of a kind whose inputs are no tensors are left out.
ON_DISK = ("simple", "pytorch-converted", "pytorch-operator")


@dataclass(frozen=True)
class Case:
    name: str
    model: bytes
    #: Arrays in the order of the model's inputs; none where it brings none along.
    inputs: Sequence[Any] | None


def _cases_on_disk() -> Iterator[Case]:
    for kind in ON_DISK:
        for folder in sorted((DATA / kind).iterdir()):
            files = sorted((folder / "test_data_set_0").glob("input_*.pb"))
            try:
                inputs = [numpy_helper.to_array(onnx.load_tensor(file)) for file in files]
            except Exception:  # noqa: BLE001 - sequences and optionals are no tensors
                continue
            yield Case(folder.name, (folder / "model.onnx").read_bytes(), inputs)
    for file in sorted((DATA / "light").glob("*.onnx")):
        yield Case(file.stem, file.read_bytes(), None)


def _cases_of_nodes() -> Iterator[Case]:
    from onnx.backend.test.case.node import collect_testcases

    cases = [each for each in collect_testcases(None) if each.model and each.data_sets]
    for case in cases[:: len(cases) // NODE_CASES][:NODE_CASES]:
        assert case.model
        assert case.data_sets
        inputs = case.data_sets[0][0]
        if all(hasattr(each, "dtype") for each in inputs):
            # Scalars are of numpy's own types, which a session does not take.
            arrays = [np.asarray(each) for each in inputs]
            yield Case(case.name, case.model.SerializeToString(), arrays)


def _assessed(case: Case, folder: Path) -> Sequence[Point]:
    """What the graph and the dry run tell, in this process, since cases are many and vouched for.

    Rules of configurations are left out: Triton takes no axis of 0, which a session does."""
    (folder / "model.onnx").write_bytes(case.model)
    release = Release(name="26.10", onnxruntime=VERSION, source="here")
    root = RootName(name="m", is_folder=True)
    (report,) = Reader([release], {VERSION: runtime(VERSION)}, root).reports(str(folder))
    (model,) = report.models
    assert model.signature is not None, case.name
    (ran,) = run(report, str(folder), "", root, PeakMemory()).models
    points = weighed(report, report, [ran]).all_points()
    return [each for each in points if each.rule.startswith(("GRAPH-", "RUN-"))]


@pytest.mark.slow
@pytest.mark.parametrize("cases", [_cases_on_disk, _cases_of_nodes], ids=["disk", "nodes"])
def test_what_is_served_is_never_called_not_ready(cases: Any, tmp_path: Path) -> None:
    """And most of what is not served is."""
    with warnings.catch_warnings():
        # Cases overflow on purpose as they are made.
        warnings.simplefilter("ignore")
        told = [
            (case, is_served(case.model, case.inputs), _assessed(case, tmp_path))
            for case in cases()
        ]
    wrong = [
        (case.name, [each.message for each in points])
        for case, is_bare_served, points in told
        if is_bare_served and readiness_of(points) is Readiness.NOT_READY
    ]
    assert wrong == []
    served = [readiness_of(points) for _, is_bare_served, points in told if is_bare_served]
    assert len(served) > 100
    assert served.count(Readiness.READY) > len(served) / 2
    refused = [readiness_of(points) for _, is_bare_served, points in told if not is_bare_served]
    assert refused.count(Readiness.READY) == 0
